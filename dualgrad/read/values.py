"""What an expression or a name can mean while a kernel is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from dualgrad.core.program import INT, Atom, Const, Program, Type, Var, const


@dataclass(frozen=True, eq=False)
class Elements:
    """An expression of whole arrays: its entries are worked out where they are read.

    ``at`` writes the entry at an index; ``reads`` are the arrays in memory that it is made of.
    """

    type: Type
    shape: tuple[Atom, ...]
    at: Callable[[tuple[Atom, ...]], Atom]
    reads: tuple[Array, ...] = ()


class Axis(NamedTuple):
    """One axis of a view: its entry k lies ``step * k`` further along an axis of the source, or of none.

    ``count`` is None where the axis is the source's own, as long as it is.
    """

    source: int | None
    count: Atom | None = None  # type: ignore[assignment]  # tuples have a method of this name
    step: Atom = Const(1, INT)


class Array(NamedTuple):
    """A view: an index map into a variable, or into an expression.

    ``offsets`` has for each axis of the source the index of the view's first entry.
    """

    source: Var | Elements
    offsets: tuple[Atom, ...]
    axes: tuple[Axis, ...]

    @property
    def type(self) -> Type:
        return Type(self.source.type.dtype, len(self.axes))

    @property
    def is_whole(self) -> bool:
        """Whether the view is all of its source, in its order."""
        return self == whole(self.source)

    @property
    def is_memory(self) -> bool:
        """Whether it can be written."""
        return isinstance(self.source, Var)

    @property
    def var(self) -> Var:
        """The variable of a whole array."""
        assert isinstance(self.source, Var) and self.is_whole
        return self.source


def whole(source: Var | Elements) -> Array:
    """All of an array."""
    rank = source.type.rank
    return Array(source, (Const(0, INT),) * rank, tuple(Axis(k) for k in range(rank)))


@dataclass(eq=False)
class Frozen:
    """An array that a kernel finds among its globals or in its closure, and its name in the generated text."""

    thing: np.ndarray
    name: str

    @property
    def type(self) -> Type:
        return Type(self.thing.dtype.name, self.thing.ndim)


@dataclass(frozen=True, eq=False)
class Static:
    """A Python object known while reading: a module, a function, a dtype."""

    object: Any


Meet = tuple[Any, int, str]  # where paths meet on a name: function, line, name


@dataclass(frozen=True, eq=False)
class Unclear:
    """A name that means different things where paths meet.

    If it is read, it is given one meaning at these places and the kernel is read again;
    without places that is impossible, and it is refused.
    """

    places: frozenset[Meet] = frozenset()


class ReadAgain(Exception):
    """A name is read that has to have one meaning where paths meet."""


Value = Any  # Atom | Array | Static | Unclear | nested tuples of these | None
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
    ``writes`` are the positions in ``program.params`` of the arrays it wrote.  ``zeros`` says
    whether it multiplies structural zeros as if they were numbers, and ``decides`` whether a
    derivative that does so was read inside it and something is chosen by that derivative.
    """

    program: Program
    params: tuple[Any, ...]
    result: Any
    writes: tuple[int, ...]
    zeros: bool = False
    decides: bool = False


def wrap(thing: Any) -> Value:
    """A Python object as a value: numbers are literals, tuples of values stay tuples."""
    if isinstance(thing, np.generic):
        return Const(thing.item(), Type(thing.dtype.name))
    if type(thing) in (bool, int, float, complex):
        return const(thing)
    return tuple(map(wrap, thing)) if type(thing) is tuple else Static(thing)


def leaves(structure: Any) -> list[Any]:
    """What nested tuples hold, from left to right; None has no leaves."""
    if type(structure) is tuple:
        return [leaf for part in structure for leaf in leaves(part)]
    return [] if structure is None else [structure]


def mapped(f: Callable[[Any], Any], structure: Any) -> Any:
    """The same nested tuples with ``f`` applied to each leaf."""
    if type(structure) is tuple:
        return tuple(mapped(f, part) for part in structure)
    return None if structure is None else f(structure)


def is_number(value: Value) -> bool:
    return isinstance(value, (Var, Const))


def as_value(atom: Atom) -> Value:
    """A variable of a program as an expression sees it."""
    return whole(atom) if isinstance(atom, Var) and atom.type.rank else atom


def unified(a: Type, b: Type) -> Type:
    """The type of a variable that is bound to numbers of both types."""
    return a if a == b else Type(np.result_type(a.dtype, b.dtype).name)


def cast_literal(literal: Const, dtype: str) -> Const:
    """A literal of another type."""
    return Const(np.dtype(dtype).type(literal.value).item(), Type(dtype))
