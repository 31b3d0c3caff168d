"""A program is a list of typed statements: let, store, for, while, if.

Every transform of dualgrad maps programs to programs, and both front ends meet
here: an eager ``x * y`` is a program of one statement, an ``@njit`` kernel is a
program with loops.

Two forms of the same data types are used.

*Single assignment* (what transforms take and return): every variable is bound
once, and a value that changes in a loop is a `Carry`, one that differs between
branches a `Join`.  A variable is visible in its own block and the blocks inside.

*Surface form* (what the reader and the transpose write): a variable may be bound
again and again, ``carries`` and ``joins`` are empty.  `dualgrad.transforms.ssa`
turns it into single assignment.

Arrays are memory: `Store` changes them in place, the word ``load`` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .words import Word


class Type(NamedTuple):
    """Static dtype (a NumPy name, or "shape") and rank; shapes are run-time values."""

    dtype: str
    rank: int = 0

    def __str__(self) -> str:
        if self.rank < 0:
            return f"{self.dtype}[...]"  # known at run time
        return self.dtype + ("[" + ",".join(":" * self.rank) + "]" if self.rank else "")

    @property
    def differentiable(self) -> bool:
        """Whether values of this type can carry a tangent."""
        return self.dtype in ("float64", "float32", "complex128", "complex64")


class Shaped(Type):
    """A type known only at run time, at a point where its shape is known: for reading."""

    shape: tuple[int, ...]

    def __new__(cls, dtype: str, shape: tuple[int, ...]) -> Shaped:
        new = super().__new__(cls, dtype, -1)
        new.shape = shape
        return new

    def __str__(self) -> str:
        return self.dtype + ("[" + ",".join(map(str, self.shape)) + "]" if self.shape else "")


FLOAT = Type("float64")
INT = Type("int64")
BOOL = Type("bool")


class Var:
    """A variable, known by identity; its name is only a wish (the printer makes names unique)."""

    __slots__ = ("name", "type")

    def __init__(self, name: str, type: Type):
        self.name = name
        self.type = type

    def __repr__(self) -> str:
        return f"{self.name}:{self.type}"


@dataclass(frozen=True)
class Const:
    """A literal number with its type."""

    value: Any
    type: Type

    def __repr__(self) -> str:
        return repr(self.value)


Atom = Var | Const


def variable(atom: Atom | None) -> Var:
    """An atom that cannot be a literal, as that of an array."""
    assert isinstance(atom, Var)
    return atom


def const(value: Any, dtype: str | None = None) -> Const:
    """A literal: bool, int, float and complex map to NumPy's 64-bit types unless told otherwise."""
    if dtype is None:
        dtype = {bool: "bool", int: "int64", float: "float64", complex: "complex128"}[type(value)]
    return Const(value, Type(dtype))


def retyped(atom: Atom, type: Type) -> Atom:
    """A literal of another numeric type; variables stay as they are."""
    if not isinstance(atom, Const) or atom.type == type or type.rank:
        return atom
    kinds = (("bool", bool), ("int", int), ("uint", int), ("complex", complex))
    python = next((python for name, python in kinds if type.dtype.startswith(name)), float)
    return Const(python(atom.value), type)


def zero(type: Type) -> Const:
    """The number zero of a type's dtype."""
    return retyped(Const(0, INT), Type(type.dtype))  # type: ignore[return-value]


@dataclass(slots=True)
class Let:
    """``target = word(*args)`` with static parameters."""

    target: Var
    word: Word
    args: tuple[Atom, ...]
    params: dict[str, Any] = field(default_factory=dict)
    line: int = 0


@dataclass(slots=True)
class Store:
    """``array[index] = value``, or ``array[index] += value`` when it accumulates."""

    array: Var
    index: tuple[Atom, ...]
    value: Atom
    accumulate: bool = False
    line: int = 0


class Carry(NamedTuple):
    """A value that a loop changes: ``init`` enters, ``inner`` is read in the body, ``next`` leaves each turn."""

    inner: Var
    init: Atom
    next: Atom
    out: Var


class Join(NamedTuple):
    """A value that differs between the branches of an `If`."""

    out: Var
    then: Atom
    orelse: Atom


Spacing = int | float  # turns in a block of a checkpointed loop, or the power of their number that this is


@dataclass(slots=True)
class For:
    """``for var in range(start, stop, step)``, walked backwards when ``reverse``; a ``sweep`` carries cotangents.

    ``checkpoint`` is read by reverse mode alone (`dualgrad.transforms.checkpoint`): of each block of so many turns it
    keeps what the block starts from; a second spacing divides each block again.
    """

    var: Var
    start: Atom
    stop: Atom
    step: Atom
    body: list[Statement]
    carries: list[Carry] = field(default_factory=list)
    reverse: bool = False
    line: int = 0
    checkpoint: tuple[Spacing, ...] = ()
    sweep: bool = False


@dataclass(slots=True)
class While:
    """Run ``cond`` to get ``test``, then ``body``, as long as ``test`` holds; ``checkpoint`` as of `For`.

    ``cond`` sees the carries' inner variables and binds nothing that the body reads.
    """

    cond: list[Statement]
    test: Atom
    body: list[Statement]
    carries: list[Carry] = field(default_factory=list)
    line: int = 0
    checkpoint: tuple[Spacing, ...] = ()


@dataclass(slots=True)
class If:
    """Two branches; a value that both may change leaves through a join."""

    test: Atom
    then: list[Statement]
    orelse: list[Statement]
    joins: list[Join] = field(default_factory=list)
    line: int = 0


Statement = Let | Store | For | While | If
Block = list[Statement]


@dataclass(slots=True)
class Program:
    """Parameters, statements, results.

    ``linear`` counts the trailing parameters in which the program is linear
    (0 for an ordinary program).
    """

    name: str
    params: list[Var]
    body: list[Statement]
    results: list[Atom]
    linear: int = 0

    def __str__(self) -> str:
        from .printer import to_text

        return to_text(self)

    def _repr_html_(self) -> str:
        from .forms import block, pre

        return block("", pre(str(self)))

    def _repr_latex_(self) -> str | None:
        from .formulas import to_latex

        return to_latex(self)
