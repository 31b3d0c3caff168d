"""Expressions of whole arrays: an expression is a loop that is written where its value is needed.

``a + b * np.exp(c)`` makes an `Elements`, a function from an index to an entry.  A name, a
result, an argument or a store turns it into memory by one nest of loops without temporaries;
what would be worked out again and again (an operand that is broadcast, the factors of a
product) gets memory of its own first.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from dualgrad.core.program import Atom, Const, Statement, Store, Type, Var, zero
from dualgrad.core.walk import walk
from dualgrad.core.words import WORDS

from .values import Array, Elements, Value, leaves, unified, whole
from .views import ONE, ZERO, Views

# What ufuncs of truth values mean.
ON_TRUTH = {"add": "or_", "mul": "and_", "maximum": "or_", "minimum": "and_"}


@cache
def loop_of(ufunc: Any, dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str] | None:
    """The dtypes that numba's ufunc works in: the first of NumPy's loops that takes the operands."""
    given = [np.dtype(d) for d in dtypes]
    mixed = any(d.kind in "iu" for d in given) and any(d.kind in "fc" for d in given)
    for types in ufunc.types:
        inputs, _, output = types.partition("->")
        if set(types) & set("eOmMgGqQ"):
            continue

        def takes(d: np.dtype, letter: str) -> bool:
            same_kind = mixed and d.kind in "iu" and np.dtype(letter).kind in "fc"
            return np.can_cast(d, letter, "same_kind" if same_kind else "safe")

        if all(map(takes, given, inputs)):
            return tuple(np.dtype(letter).name for letter in inputs), np.dtype(output).name
    return None


class Wholes(Views):
    """Whole arrays: element by element, into memory, and out of it."""

    if TYPE_CHECKING:  # what expressions add

        def value(self, node: ast.expr) -> Value: ...
        def number(self, node: ast.AST, value: Value) -> Atom: ...
        def apart(self, read: Callable[[], Any]) -> tuple[Any, list[Statement]]: ...
        def apply(self, node: ast.AST, name: str, *args: Atom) -> Atom: ...
        def binary(self, node: ast.AST, op: ast.operator, a: Value, b: Value) -> Value: ...

    def operands(self, *nodes: ast.expr) -> list[Value]:
        """The values of expressions, numbers or arrays, from left to right."""
        values: list[Value] = []
        for node in nodes:
            value, block = self.apart(partial(self.value, node))
            stored = {s.array for s in walk(block) if isinstance(s, Store)}
            values = [self.settled(v) if stored & memory_of(v) else v for v in values]
            self.b.block += block
            values.append(value if isinstance(value, Array) else self.number(node, value))
        return values

    # Element by element

    def elementwise(self, node: ast.AST, name: str, *values: Value) -> Value:
        """A word on numbers, or on arrays that are broadcast as in NumPy."""
        if not any(isinstance(v, Array) for v in values):
            return self.apply(node, name, *values)
        types = tuple(v.type.dtype for v in values)
        ufunc = WORDS[name].ufunc
        loop = loop_of(ufunc, types) if hasattr(ufunc, "types") else None
        inputs, output = loop or (types, "")
        if inputs and set(inputs) == {"bool"} and output == "bool":
            name = ON_TRUTH.get(name, name)
        if name == "power" and "int" in types[1]:
            inputs = (inputs[0], types[1])  # x**2 is a product

        def of_entries(*atoms: Atom) -> Atom:
            found = self.apply(node, name, *map(self.cast, atoms, inputs))
            return self.cast(found, output) if output else found

        return self.mapped(node, of_entries, *values)

    def mapped(self, node: ast.AST, f: Callable[..., Atom], *values: Value) -> Array:
        """``f`` of the entries of arrays that are broadcast, and of numbers."""
        shape = self.broadcast(node, [self.shape(v) for v in values if isinstance(v, Array)])
        values = tuple(self.once(v, shape) for v in values)

        def at(index: Sequence[Atom]) -> Atom:
            arrays = {v: self.spread_entry(v, index) for v in values if isinstance(v, Array)}  # x * x reads x once
            return f(*(arrays[v] if isinstance(v, Array) else v for v in values))

        return self.expression(shape, at, *values)

    def expression(self, shape: Sequence[Atom], at: Callable[[Any], Atom], *values: Value) -> Array:
        """An array whose entries ``at`` works out; its dtype is that of what ``at`` gives."""
        example, _ = self.apart(lambda: at((ZERO,) * len(shape)))
        reads = tuple(v for value in values for v in reads_of(value))
        return whole(Elements(Type(example.type.dtype, len(shape)), tuple(shape), at, reads))

    def broadcast(self, node: ast.AST, shapes: Sequence[Sequence[Atom]]) -> tuple[Atom, ...]:
        """The common shape; where two lengths differ, neither being literally 1, the program raises."""
        rank = max(map(len, shapes))
        common: list[Atom] = [ONE] * rank
        for shape in shapes:
            for k, n in enumerate(shape, rank - len(shape)):
                if common[k] == ONE or n == ONE:
                    common[k] = n if common[k] == ONE else common[k]
                else:
                    common[k] = self.agreed(node, common[k], n)
        return tuple(common)

    def once(self, value: Value, shape: Sequence[Atom]) -> Value:
        """An expression that is broadcast is worked out once."""
        if not isinstance(value, Array) or value.is_memory:
            return value
        own = self.shape(value)
        repeated = len(own) < len(shape) or any(n == ONE != m for n, m in zip(own, shape, strict=True))
        return self.settled(value) if repeated else value

    def spread_entry(self, value: Value, index: Sequence[Atom]) -> Atom:
        """The entry that a number or an array has at an index of the common shape."""
        if not isinstance(value, Array):
            return value
        index = index[len(index) - len(value.axes) :]
        return self.entry(value, [ZERO if n == ONE else k for n, k in zip(self.shape(value), index, strict=True)])

    # Into memory

    def settled(self, value: Value) -> Value:
        """The value with expressions turned into memory."""
        if type(value) is tuple:
            return tuple(map(self.settled, value))
        return self.fresh(value) if isinstance(value, Array) and not value.is_memory else value

    def fresh(self, array: Array, dtype: str = "") -> Array:
        """New memory with the entries of an array."""
        shape = tuple(map(self.steady, self.shape(array)))
        dtype = dtype or array.type.dtype
        if array.is_memory and array.is_whole and dtype == array.type.dtype:
            return self.made(self.b.copy(array.var), shape)
        new = self.zeros(shape, dtype)
        self.loops(shape, lambda index: self.put(new, index, self.entry(array, index)))
        return new

    def zeros(self, shape: Sequence[Atom], dtype: str) -> Array:
        """New memory."""
        shape = tuple(map(self.steady, shape))
        return self.made(self.b.full(zero(Type(dtype)), *shape, dtype=dtype), shape)

    def steady(self, atom: Atom) -> Atom:
        """The value that a variable has now, whatever happens to it later."""
        return self.b.move(atom) if isinstance(atom, Var) else atom

    def stable(self, value: Value) -> Value:
        """What a value is now: names may change, an expression becomes memory."""
        if not isinstance(value, Array):
            return self.steady(value) if isinstance(value, Var) else value
        if not value.is_memory:
            return self.fresh(value)
        axes = [a._replace(count=a.count and self.steady(a.count), step=self.steady(a.step)) for a in value.axes]
        return Array(value.source, tuple(map(self.steady, value.offsets)), tuple(axes))

    def assign_into(self, node: ast.AST, target: Array, value: Value) -> None:
        """``target[...] = value``; the right side is worked out before anything is written."""
        if not target.axes:
            return self.put(target, (), self.number(node, value))
        shape: Sequence[Atom] = self.shape(target)
        if isinstance(value, Array):
            value, shape = self.fitted(node, target, value)
            if overlap(target, value):
                value = self.fresh(value)
        else:
            value = self.number(node, value)
        self.loops(shape, lambda index: self.put(target, index, self.spread_entry(value, index)))

    def fitted(self, node: ast.AST, target: Array, value: Array) -> tuple[Array, list[Atom]]:
        """An array that is stored, and the target's shape, which the program checks."""
        extra, own = len(value.axes) - len(target.axes), self.shape(value)
        if extra > 0:
            self.source.refuse(node, "store rank", a=len(value.axes), b=len(target.axes))
        shape = list(self.shape(target))
        for k, n in enumerate(own):
            if n != ONE:
                shape[k - extra] = self.agreed(node, shape[k - extra], n)
        return self.once(value, shape), shape

    def update_into(self, s: ast.AugAssign, target: Array, value: Value) -> None:
        """``target += value`` and its relatives, entry by entry."""
        shape: Sequence[Atom] = self.shape(target)
        if isinstance(value, Array):
            value, shape = self.fitted(s.value, target, value)
            if overlap(target, value):  # numba does not look for it where the right side is a view
                value = self.source.refuse(s.target, "overlap") if value.is_memory else self.fresh(value)
        dtype, adds = target.type.dtype, isinstance(s.op, (ast.Add, ast.Sub))

        def write(index: Sequence[Atom]) -> None:
            entry = self.spread_entry(value, index)
            if adds and unified(target.type, entry.type).dtype == dtype != "bool":
                entry = self.b.neg(entry) if isinstance(s.op, ast.Sub) else entry
                self.put(target, index, entry, accumulate=True)
            else:
                self.put(target, index, self.binary(s, s.op, self.entry(target, index), entry))

        self.loops(shape, write)

    def folded(self, shape: Sequence[Atom], start: Const, step: Callable[[Atom, Any], Atom]) -> Var:
        """A number that takes ``step(number, index)`` for every index of a shape."""
        total = Var("total", start.type)
        self.b.bind(total, start)
        self.loops(shape, lambda index: self.b.bind(total, self.cast(step(total, index), total.type.dtype)))
        return total


def reads_of(value: Value) -> Iterator[Array]:
    """The arrays in memory that a value is made of."""
    if isinstance(value, Array):
        yield from (value,) if isinstance(value.source, Var) else value.source.reads


def memory_of(value: Value) -> set[Any]:
    """What the expressions in a value will read when they are worked out."""
    expressions = [v for v in leaves(value) if isinstance(v, Array) and not v.is_memory]
    return {v.source for e in expressions for v in reads_of(e)}


def overlap(target: Array, value: Array) -> bool:
    """Whether a store of the value entry by entry may overwrite what it still has to read."""
    aligned = value.is_memory or value.is_whole
    return any(v.source is target.source and not (aligned and same_entries(v, target)) for v in reads_of(value))


def same_entries(a: Array, b: Array) -> bool:
    """Whether two views of one variable have, index by index, the same entry, or no entry in common.

    Lengths have been checked.  Where both walk alike, what they fix decides: the same entries, or others.
    """
    walked = {axis.source for view in (a, b) for axis in view.axes}
    pairs = list(zip(a.offsets, b.offsets, strict=True))
    if any(
        k not in walked and isinstance(p, Const) and isinstance(q, Const) and p != q for k, (p, q) in enumerate(pairs)
    ):
        return True
    alike = [(axis.source, axis.step) for axis in a.axes] == [(axis.source, axis.step) for axis in b.axes]
    stretched = any(axis.count == ONE for view in (a, b) for axis in view.axes)
    return alike and not stretched and all(p == q for k, (p, q) in enumerate(pairs) if k in walked)
