"""What an expression can mean while a kernel is read, and how a program that was read is put into another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from dualgrad.core.program import Atom, Carry, Const, For, If, Join, Let, Program, Statement, Store, Type, Var, While, const


class Array(NamedTuple):
    """An array, or the part of one whose first indices are fixed (``A[i]``)."""

    var: Var
    prefix: tuple[Atom, ...] = ()

    @property
    def type(self) -> Type:
        return Type(self.var.type.dtype, self.var.type.rank - len(self.prefix))


@dataclass(frozen=True, eq=False)
class Static:
    """A Python object known while reading: a module, a function, a dtype."""

    object: Any


@dataclass(frozen=True, eq=False)
class Unclear:
    """A name that means different things where two paths meet; reading it raises."""

    why: str


Value = Atom | Array | Static | Unclear | tuple | None
ArgType = Type | Const | tuple


class Bound(NamedTuple):
    """What a name means, and whether every path has bound it."""

    value: Value
    sure: bool = True


@dataclass
class Read:
    """A kernel as a program in surface form.

    ``params`` holds for each argument its variable, a tuple of these, or a `Const` (an
    argument that is fixed); ``program.params`` are the variables among them, flattened.
    ``result`` has the structure of what the kernel returns over ``program.results``; it is
    None where the kernel returns nothing, and then the results are the arrays it wrote.
    ``writes`` are the positions in ``program.params`` of the arrays it wrote.
    """

    program: Program
    params: tuple[Any, ...]
    result: Any
    writes: tuple[int, ...]


def wrap(thing: Any) -> Value:
    """A Python object as a value: numbers are literals, tuples of values stay tuples."""
    if isinstance(thing, np.generic):
        return Const(thing.item(), Type(thing.dtype.name))
    if type(thing) in (bool, int, float, complex):
        return const(thing)
    return tuple(map(wrap, thing)) if type(thing) is tuple else Static(thing)


def argtype(value: Value) -> Any:
    """The argument type of a value that is passed to another kernel."""
    return tuple(map(argtype, value)) if type(value) is tuple else value.type  # type: ignore[union-attr]


def leaves(structure: Any) -> list[Any]:
    """The atoms and arrays of nested tuples, from left to right; None has none."""
    if type(structure) is tuple:
        return [leaf for part in structure for leaf in leaves(part)]
    return [] if structure is None else [structure]


def mapped(f: Callable[[Any], Any], structure: Any) -> Any:
    """The same nested tuples with ``f`` applied to each leaf."""
    if type(structure) is tuple:
        return tuple(mapped(f, part) for part in structure)
    return None if structure is None else f(structure)


class Splice:
    """Copies a program's statements with fresh variables and its parameters replaced by values."""

    def __init__(self, read: Read, args: list[Value], line: int):
        self.line = line
        self.values: dict[Var, Any] = {}
        for param, arg in zip(leaves(read.params), leaves(tuple(args)), strict=True):
            if isinstance(param, Var):
                self.values[param] = arg
        self.body = self.block(read.program.body)
        self.result: Value = mapped(self.value, read.result)

    def value(self, leaf: Any) -> Any:
        """A value as an expression sees it: of rank above 0 it is an array."""
        if not isinstance(leaf, Var):
            return leaf
        found = self.of(leaf)
        return Array(found) if isinstance(found, Var) and found.type.rank else found

    def of(self, atom: Atom) -> Any:
        if isinstance(atom, Const):
            return atom
        if atom not in self.values:
            self.values[atom] = Var(atom.name, atom.type)
        found = self.values[atom]
        return found.var if isinstance(found, Array) and not found.prefix else found

    def block(self, block: list[Statement]) -> list[Statement]:
        return [self.statement(s) for s in block]

    def statement(self, s: Statement) -> Statement:
        of = self.of
        if isinstance(s, Let):
            return self.let(s)
        if isinstance(s, Store):
            array, index = of(s.array), tuple(map(of, s.index))
            if isinstance(array, Array):
                array, index = array.var, array.prefix + index
            return Store(array, index, of(s.value), s.accumulate, self.line)
        if isinstance(s, If):
            joins = [Join(*map(of, j)) for j in s.joins]
            return If(of(s.test), self.block(s.then), self.block(s.orelse), joins, self.line)
        carries = [Carry(*map(of, c)) for c in s.carries]
        if isinstance(s, While):
            return While(self.block(s.cond), of(s.test), self.block(s.body), carries, self.line)
        head = map(of, (s.var, s.start, s.stop, s.step))
        return For(*head, self.block(s.body), carries, s.reverse, self.line)

    def let(self, s: Let) -> Let:
        args, params = tuple(map(self.of, s.args)), s.params
        part = next((a for a in args if isinstance(a, Array)), None)
        if part is not None:
            if s.word.name not in ("load", "shape"):
                raise NotImplementedError(s.word.name)  # the reader says it with the line of the call
            args = (part.var, *(part.prefix if s.word.name == "load" else ()), *args[1:])
            params = {**params, "axis": params["axis"] + len(part.prefix)} if s.word.name == "shape" else params
        return replace(s, target=self.of(s.target), args=args, params=params, line=self.line)
