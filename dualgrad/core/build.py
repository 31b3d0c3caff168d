"""A builder appends statements to a block; constants and identities fold as they are written.

Structural zeros never become statements: a tangent that is known to be zero is
``None`` in the transforms and is not emitted at all.  What folds here are the
identities that hold for every number, NaN and infinities included (a zero may lose its sign).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .program import INT, Atom, Const, For, Let, Statement, Store, Type, Var, const, variable
from .words import WORDS, Word

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge, "eq": operator.eq, "ne": operator.ne,
}  # fmt: skip
ARITHMETIC: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "neg": operator.neg,
}


class Builder:
    """Writes lets: ``b.mul(x, 2)`` emits the word and returns its variable (or a folded atom)."""

    __slots__ = ("block", "line")

    full: Callable[..., Var]  # words that never fold
    copy: Callable[..., Var]

    def __init__(self, block: list[Statement] | None = None, line: int = 0):
        self.block: list[Statement] = [] if block is None else block
        self.line = line

    def __getattr__(self, name: str) -> Callable[..., Atom]:
        try:
            return partial(self.emit, WORDS[name])
        except KeyError:
            raise AttributeError(f"no word {name!r} in the table") from None

    def emit(self, word: Word, *args: Any, name: str | None = None, **params: Any) -> Atom:
        """Append ``name = word(*args, **params)``, or return the atom it folds to."""
        atoms = as_atoms(args, keep_integers=word.name == "power")
        folded = fold(word.name, atoms)
        if folded is not None:
            return folded
        result = word.infer([a.type for a in atoms], params)
        target = Var(name or "t", result)
        self.block.append(Let(target, word, atoms, params, self.line))
        return target

    def bind(self, target: Var, value: Any) -> None:
        """Bind an existing variable (surface form only): ``target = value``."""
        (atom,) = as_atoms((value,))
        self.block.append(Let(target, WORDS["move"], (atom,), {}, self.line))

    def zeros(self, shape: Sequence[Any], dtype: str, target: Var | None = None, name: str = "buffer") -> Atom:
        """A buffer of zeros (of no dimensions: the number zero), bound to ``target`` if one is given."""
        zero = Const(0.0, Type(dtype))
        if not shape:
            return zero
        target = target or Var(name, Type(dtype, len(shape)))
        self.block.append(Let(target, WORDS["full"], (zero, *as_atoms(tuple(shape))), {"dtype": dtype}, self.line))
        return target

    def dims(self, array: Atom) -> list[Atom]:
        """The lengths of an array's axes; none for a number."""
        return [self.shape(array, axis=k) for k in range(array.type.rank)]

    def each(self, bounds: Sequence[Atom], write: Callable[[Builder, tuple[Var, ...]], Any]) -> None:
        """Nested loops over all indices below ``bounds``; ``write`` fills the innermost body."""
        index = tuple(Var("k", INT) for _ in bounds)
        inner = self
        for k, n in zip(index, bounds, strict=True):
            loop = For(k, Const(0, INT), n, Const(1, INT), [], line=self.line)
            inner.block.append(loop)
            inner = Builder(loop.body, self.line)
        write(inner, index)

    def store(self, array: Atom, index: tuple[Any, ...], value: Any, accumulate: bool = False) -> None:
        """Append ``array[index] = value`` (or ``+=``)."""
        if not isinstance(value, (Var, Const)):
            value = Const(value, Type(array.type.dtype))
        self.block.append(Store(variable(array), as_atoms(index), value, accumulate, self.line))


def as_atoms(args: tuple[Any, ...], keep_integers: bool = False) -> tuple[Atom, ...]:
    """Python literals become constants that adopt the float type they meet, as in NumPy.

    An integer exponent stays one: ``x**2`` is a product, ``x**2.0`` a library call.
    """
    if all(isinstance(a, (Var, Const)) for a in args):
        return args
    if keep_integers:
        args = tuple(const(a) if isinstance(a, int) else a for a in args)
    met = next((a.type.dtype for a in args if isinstance(a, (Var, Const)) and a.type.differentiable), None)
    return tuple(a if isinstance(a, (Var, Const)) else _literal(a, met) for a in args)


def _literal(value: Any, dtype: str | None) -> Const:
    if dtype is None or isinstance(value, bool):
        return const(value)
    return Const(complex(value) if dtype.startswith("complex") else float(value), Type(dtype))


def is_const(atom: Atom, value: float) -> bool:
    """Whether the atom is the literal ``value``."""
    return isinstance(atom, Const) and not isinstance(atom.value, bool) and atom.value == value


def fold(name: str, args: tuple[Atom, ...]) -> Atom | None:
    """The atom that ``name(*args)`` equals whatever the variables hold, or None."""
    literals = [a.value for a in args if isinstance(a, Const)]
    if args and len(literals) == len(args):
        if name in ARITHMETIC and len({a.type for a in args}) == 1 and args[0].type.dtype != "bool":
            return Const(ARITHMETIC[name](*literals), args[0].type)
        return const(COMPARISONS[name](*literals)) if name in COMPARISONS else None
    if name == "where":
        if isinstance(args[0], Const):
            return args[1] if args[0].value else args[2]
        return args[1] if args[1] == args[2] else None
    if len(args) != 2:
        return None
    a, b = args
    if name == "checked" and isinstance(b, Const) and b.value:
        return a
    if name == "eq" and a is b and not a.type.differentiable:
        return const(True)
    if name == "power" and is_const(b, 1) and a.type.differentiable:
        return a
    if not (a.type == b.type or _adopts(a, b) or _adopts(b, a)):
        return None
    if name == "add":
        return b if is_const(a, 0) else a if is_const(b, 0) else None
    if name == "mul":
        return b if is_const(a, 1) else a if is_const(b, 1) else None
    if name == "sub" and is_const(b, 0) or name == "div" and is_const(b, 1) and a.type.differentiable:
        return a
    if name == "floordiv" and is_const(b, 1) and a.type == b.type == INT:
        return a
    return None


def _adopts(literal: Atom, other: Atom) -> bool:
    return isinstance(literal, Const) and literal.type.dtype == other.type.dtype
