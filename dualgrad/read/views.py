"""Views: indexing an array composes index maps and moves no data.

A view maps its own index to an index of its source: on each axis of the source to an
offset, plus a step times the index of each axis of the view that walks it.  Integers,
slices, ``...``, ``None``, ``.T`` and ``reshape`` only make another such map, so a view aliases
its base as in NumPy, and the transforms see loads and stores of scalars.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dualgrad.core.build import Builder, is_const
from dualgrad.core.program import INT, Atom, Const, For, If, Statement, Var, const
from dualgrad.core.words import WORDS

from .source import Source
from .values import Array, Axis, Elements, Static, Value, cast_literal, is_number, whole

ZERO, ONE = Const(0, INT), Const(1, INT)


class Views:
    """What the reader knows of arrays: their lengths, their entries, and the views that subscripts make."""

    source: Source
    b: Builder
    dims: dict[Var, tuple[Atom, ...]]  # the lengths of arrays that the kernel makes
    fresh_arrays: set[Any]
    arguments: set[Any]
    line: int = 0  # of the statement that is being read
    head: list[Statement]  # what the program works out first: the lengths of its arguments

    def value(self, node: ast.expr) -> Value: ...

    @contextmanager
    def into(self, block: list[Statement]) -> Iterator[None]:
        """Emit into another block."""
        outer, self.b.block = self.b.block, block
        try:
            yield
        finally:
            self.b.block = outer

    # Shapes

    def shape(self, array: Array) -> tuple[Atom, ...]:
        return tuple(self.length(array, k) for k in range(len(array.axes)))

    def length(self, array: Array, k: int) -> Atom:
        """How long an axis of a view is."""
        source, count = array.axes[k][:2]
        if count is not None or source is None:
            return count or ONE
        return self.dims_of(array.source)[source]

    def dims_of(self, source: Var | Elements) -> tuple[Atom, ...]:
        """The shape of a view's source; that of an argument is worked out once, at the program's head."""
        if isinstance(source, Elements):
            return source.shape
        if source not in self.arguments and source not in self.dims:
            return tuple(self.b.dims(source))  # a name for one array or another
        if source not in self.dims:
            with self.into(self.head):
                self.dims[source] = tuple(self.b.dims(source))
        return self.dims[source]

    def made(self, var: Var, shape: Sequence[Atom]) -> Array:
        """A new array whose shape is known."""
        self.dims[var] = tuple(shape)
        self.fresh_arrays.add(var)
        return whole(var)

    def agreed(self, node: ast.AST, a: Atom, b: Atom) -> Atom:
        """The length that two axes have in common; the program raises where they differ."""
        if a == b:
            return a
        code = ast.unparse(node) if isinstance(node, ast.expr) else "a store"
        if isinstance(a, Const) and isinstance(b, Const):
            self.source.refuse(node, "lengths", a=a.value, b=b.value)
        if isinstance(a, Const):
            a, b = b, a
        message = f"{self.source.name}: arrays of different lengths meet in {code} (an axis of 1 is broadcast if it is"
        return self.checked(a, self.b.eq(a, b), f"{message} written so: x[:, None], x[:, :1])")

    def same_length(self, node: ast.expr, a: Atom, b: Atom) -> None:
        """The program raises where two axes differ, whether or not their length is needed."""
        if a != b:
            fails, message = Builder(line=self.b.line), f"{self.source.name}: matrices of different lengths meet in"
            fails.fail(error=f"StructureError({f'{message} {ast.unparse(node)}'!r}, '', '', {self.here()!r})")
            self.b.block.append(If(self.b.ne(a, b), fails.block, [], [], self.b.line))

    def checked(self, a: Atom, ok: Atom, message: str, error: str = "StructureError") -> Atom:
        """``a``, an integer; the program raises if ``ok`` does not hold."""
        if is_const(ok, True) or isinstance(ok, Const) and ok.value is True:
            return a
        return self.b.emit(WORDS["checked"], a, ok, error=error, message=message, where=self.here())

    def here(self) -> str:
        """The user's line that is being read, for errors at run time (`dualgrad.core.errors.line_of`)."""
        reader = self.user()
        f, text = reader.source.function, reader.source.text.get(reader.line, "").strip()
        return f"@{f.__module__}:{f.__qualname__}+{reader.line - f.__code__.co_firstlineno}|{text}"

    def user(self) -> Any:
        """The reader of the user's function that is being read: this one, or one that calls the library."""
        reader: Any = self
        while reader.source.is_own and getattr(reader, "caller", None) is not None:
            reader = reader.caller
        return reader

    # Entries

    def position(self, array: Array, index: Sequence[Atom]) -> tuple[Atom, ...]:
        """The index into the source that an index into a view means."""
        out = list(array.offsets)
        for axis, k in zip(array.axes, index, strict=True):
            if axis.source is not None and not is_const(k, 0):
                moved = self.b.neg(k) if is_const(axis.step, -1) else self.b.mul(k, axis.step)
                out[axis.source] = self.b.add(out[axis.source], moved)
        return tuple(out)

    def entry(self, array: Array, index: Sequence[Atom] = ()) -> Atom:
        """An entry of a view as it is."""
        index = self.position(array, index)
        return self.b.load(array.source, *index) if isinstance(array.source, Var) else array.source.at(index)

    def load(self, array: Array, index: Sequence[Atom] = ()) -> Atom:
        """An entry as a number; integers are numba's 64 bits wide."""
        found = self.entry(array, index)
        return self.cast(found, "int64") if "int" in found.type.dtype else found

    def put(self, array: Array, index: Sequence[Atom], value: Atom, accumulate: bool = False) -> None:
        """Store a number into a view, cast to its type."""
        value = self.cast(value, array.source.type.dtype)
        assert isinstance(array.source, Var)
        self.b.store(array.source, self.position(array, index), value, accumulate)

    def cast(self, atom: Atom, dtype: str) -> Atom:
        if atom.type.dtype == dtype:
            return atom
        if isinstance(atom, Const):
            return cast_literal(atom, dtype)
        return self.b.ne(atom, const(0)) if dtype == "bool" else self.b.cast(atom, dtype=dtype)

    def loops(self, shape: Sequence[Atom], write: Any) -> None:
        """Loops over all indices of a shape; ``write(index)`` emits the innermost body."""
        index, inner = tuple(Var("k", INT) for _ in shape), self.b.block
        for k, n in zip(index, shape, strict=True):
            loop = For(k, ZERO, n, ONE, [], line=self.b.line)
            inner.append(loop)
            inner = loop.body
        with self.into(inner):
            write(index)

    # Subscripts

    def element(self, node: ast.Subscript, base: Value) -> Array:
        """The view that a subscript names; without axes, it is one entry."""
        if not isinstance(base, Array):
            self.source.refuse(node.value, "no array")
        nodes = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        indices = [n if isinstance(n, ast.Slice) else self.value(n) for n in nodes]
        indices = [part for i in indices for part in (i if type(i) is tuple else [i])]
        indices = [None if isinstance(i, Static) and i.object is None else i for i in indices]
        axes = sum(is_number(i) or isinstance(i, ast.Slice) for i in indices)
        if axes > len(base.axes):
            self.source.refuse(node, "indices", rank=len(base.axes))
        gap = [ast.Slice()] * (len(base.axes) - axes)
        dots = [k for k, i in enumerate(indices) if isinstance(i, Static) and i.object is ...]
        at = dots[0] if dots else len(indices)
        return self.subscripted(node, base, [*indices[:at], *gap, *indices[at + 1 :]])

    def subscripted(self, node: ast.AST, base: Array, indices: Sequence[Any]) -> Array:
        """A view with an index (number, slice, or None for a new axis) applied to each of its axes."""
        offsets, axes, k = list(base.offsets), [], 0
        for i in indices:
            if i is None:
                axes.append(Axis(None, ONE))
                continue
            axis: Axis | None = base.axes[k]
            n, natural, k = self.length(base, k), base.axes[k].count is None, k + 1
            if isinstance(i, ast.Slice):
                start, axis = self.sliced(base.axes[k - 1], n, i)
            elif is_number(i) and "int" in i.type.dtype:
                start, axis = self.wrapped(i, n, natural and isinstance(base.source, Var)), None
            else:
                self.source.refuse(node, "index")
            if axis is not None:
                axes.append(axis)
            walked = base.axes[k - 1]
            if walked.source is not None:
                offsets[walked.source] = self.b.add(offsets[walked.source], self.b.mul(start, walked.step))
        return Array(base.source, tuple(offsets), tuple(axes))

    def part(self, array: Array, places: Sequence[Atom | None]) -> Array:
        """The view in which some axes are fixed at an index that is known to be in range; None keeps an axis."""
        offsets = self.position(array, [ZERO if k is None else k for k in places])
        return Array(array.source, offsets, tuple(a for a, k in zip(array.axes, places, strict=True) if k is None))

    def wrapped(self, i: Atom, n: Atom, natural: bool) -> Atom:
        """An index counted from the front; an array's own axis takes negative ones as they are."""
        if isinstance(i, Const):
            return i if i.value >= 0 else self.b.sub(n, const(-i.value))
        i = self.cast(i, "int64")
        return i if natural else self.b.add(i, self.b.where(self.b.lt(i, ZERO), n, ZERO))

    def sliced(self, axis: Axis, n: Atom, cut: ast.Slice) -> tuple[Atom, Axis]:
        """Where a slice begins, and its axis; its ends are clamped as in Python."""
        b = self.b
        start, stop = (None if e is None else self.bound(e) for e in (cut.lower, cut.upper))
        step = ONE if cut.step is None else self.bound(cut.step)
        if start is None and stop is None and step == ONE:
            return ZERO, axis
        if not isinstance(step, Const) or step.value == 0:
            self.source.refuse(cut.step or cut, "step")
        down = step.value < 0
        low, high = (const(-1), b.sub(n, 1)) if down else (ZERO, n)
        first = (high if down else low) if start is None else self.clamped(start, n, low, high if down else None)
        last = (low if down else high) if stop is None else self.clamped(stop, n, low, None if down else high)
        count: Atom
        if isinstance(first, Const) and first.value >= 0 and is_const(stop or ZERO, first.value + 1) and step == ONE:
            first = self.checked(first, b.lt(first, n), f"{self.source.name}: a slice of one entry is empty")
            count = ONE
        elif abs(step.value) == 1:
            count = b.sub(first, last) if down else b.sub(last, first)
            count = count if first in (ZERO, high) and last in (n, low) else self.at_least(ZERO, count)
        else:
            count = b.length(first, last, step)
        return first, Axis(axis.source, count, b.mul(axis.step, step))

    def bound(self, node: ast.expr) -> Atom | None:
        """An end of a slice."""
        value = self.value(node)
        if value is None:
            return None
        if not is_number(value) or "int" not in value.type.dtype:
            self.source.refuse(node, "index")
        return self.cast(value, "int64")

    def clamped(self, i: Atom, n: Atom, low: Atom, high: Atom | None) -> Atom:
        """An end of a slice counted from the front, at least ``low`` and at most ``high``."""
        b = self.b
        if isinstance(i, Const):
            below = i.value < 0
            i = self.at_least(low, b.sub(n, const(-i.value))) if below else i
            return i if below or high is None or i == low == ZERO else b.minimum(i, high)
        i = b.where(b.lt(i, ZERO), self.at_least(low, b.add(i, n)), i)
        return i if high is None else b.minimum(i, high)

    def at_least(self, low: Atom, i: Atom) -> Atom:
        if isinstance(i, Const):
            return const(max(i.value, low.value)) if isinstance(low, Const) else i
        return self.b.maximum(i, low)

    # Other views

    def transposed(self, array: Array) -> Array:
        return Array(array.source, array.offsets, array.axes[::-1])

    def spread(self, node: ast.AST, flat: Array, shape: Sequence[Atom]) -> Array:
        """An array of one axis seen as an array of several."""
        (axis,), n = flat.axes, self.length(flat, 0)
        known = [m for m in shape if not is_const(m, -1)]
        size: Atom = ONE
        for m in known:
            size = self.b.mul(size, m)
        if len(known) < len(shape):
            n = self.checked(n, self.b.eq(self.b.mod(n, size), ZERO), f"{self.source.name}: a reshape does not fit")
            shape = [self.b.floordiv(n, size) if is_const(m, -1) else m for m in shape]
        elif size != n:
            shape = [self.scaled_by_check(node, shape[0], size, n), *shape[1:]]
        step, axes = axis.step, []
        for m in reversed(shape):
            axes.append(Axis(axis.source, m, step))
            step = self.b.mul(step, m)
        return Array(flat.source, flat.offsets, tuple(reversed(axes)))

    def scaled_by_check(self, node: ast.AST, m: Atom, size: Atom, n: Atom) -> Atom:
        """A length, if the size is right."""
        if isinstance(size, Const) and isinstance(n, Const):
            self.source.refuse(node, "lengths", a=size.value, b=n.value)
        return self.checked(m, self.b.eq(size, n), f"{self.source.name}: a reshape does not fit")
