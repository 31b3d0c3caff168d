"""The rows of an explanation, made while the function runs, and completed by two sweeps over the tape.

A number that is bound to a name gets a slot of its own, by an entry that copies: later uses go through it.  A view,
and memory that is written, keep theirs; their derivative is read when the sweep has come to that moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from operator import getitem
from types import FrameType, NoneType
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from dualgrad.backends.arrays import is_basic
from dualgrad.core.forms import brief
from dualgrad.lifting import kernels_as_python
from dualgrad.numbers.array import looked
from dualgrad.numbers.jet import Jet
from dualgrad.numbers.level import Level
from dualgrad.numbers.masked import dense
from dualgrad.numbers.number import Number, current, make, plain
from dualgrad.numbers.recorded import COPY, Recorded, Tape
from dualgrad.numbers.sweeps import Forward, Reverse

from .lines import Done, Tracer, head_of, targets, text_of, traced, value_at

LEAVES = 4  # of a container that is bound to one name


@dataclass
class Row:
    """One name that a line has bound, or a line that has bound none.

    Attributes
    ----------
    file, line, function : str, int, str
        Where it stands.
    source : str
        The text of the statement.
    turns : tuple of int
        The turns of the loops around it, counted from 1, outer loops first.
    depth : int
        How many calls of the user's functions are around it.
    name : str
        What was bound: ``y``, ``r[2]``, ``return``; empty for a line that binds nothing.
    primal, tangent, cotangent, coeffs
        Plain values; None where there is none.
    outcome : bool or None
        Of a test: whether its body came next.
    indent : int
        How many statements of the function are around it.
    """

    file: str
    line: int
    function: str
    source: str
    turns: tuple[int, ...]
    depth: int
    name: str = ""
    primal: Any = None
    tangent: Any = None
    cotangent: Any = None
    coeffs: Any = None
    outcome: bool | None = None
    indent: int = 0


class Text(str):
    """What an object looked like."""

    __repr__ = str.__str__


class Look(NamedTuple):
    """What can be said of a value at the moment: its primal, its series, where its derivative will be."""

    primal: Any
    coeffs: Any = None
    ref: Any = None
    moment: int = 0


@dataclass
class Kept:
    """A row, and where its derivative will be found: a ref, at a moment of the recording."""

    row: Row
    ref: Any = None
    moment: int = 0


class Seen:
    """The first and the last rows."""

    def __init__(self, limit: int):
        self.limit = max(int(limit), 2)
        self.head: list[Kept] = []
        self.tail: deque[Kept] = deque(maxlen=self.limit // 2)
        self.count = 0

    def add(self, row: Row, name: str = "", look: Look = Look(None)) -> None:  # noqa: B008 (immutable)
        kept = Kept(replace(row, name=name, primal=look.primal, coeffs=look.coeffs), look.ref, look.moment)
        self.count += 1
        (self.head if len(self.head) < self.limit - self.limit // 2 else self.tail).append(kept)

    @property
    def kept(self) -> list[Kept]:
        return [*self.head, *self.tail]

    @property
    def left_out(self) -> int:
        return self.count - len(self.head) - len(self.tail)


# While the function runs


def seen_while(run: Callable[[], Any], seen: Seen, look: Callable[[Any], Look]) -> Any:
    """The result of ``run``; what lines of the user's functions bind meanwhile is seen."""

    def add(row: Row, name: str, value: Any) -> None:
        for label, leaf in _leaves(name, value):
            seen.add(row, label, look(leaf))

    def called(frame: FrameType, depth: int) -> None:
        code = frame.f_code
        line, text = head_of(frame)
        row = Row(code.co_filename, line, code.co_name, text, (), depth)
        count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)
        for name in code.co_varnames[:count]:
            if name in frame.f_locals:  # not if an inner function has it
                add(row, name, frame.f_locals[name])

    def done(d: Done) -> None:
        code, before = d.frame.f_code, seen.count
        text = text_of(d.statement, d.frame, d.line)
        row = Row(code.co_filename, d.line, code.co_name, text, d.turns, d.depth, outcome=d.enters)
        row.indent = d.statement.indent if d.statement and code.co_name != "<lambda>" else 0
        for target in [] if code.co_name == "<lambda>" else targets(d.statement):
            try:
                name, value, index = value_at(target, d.frame)
                value = value if index is None else _place(value, *index)
            except Exception:  # the name is gone again, or finding its place might have effects
                continue
            add(row, name, value)
        if d.result and (d.result[0] is not None or text.startswith("return")):
            add(row, "return", d.result[0])
        if seen.count == before:
            seen.add(row)

    with kernels_as_python(), traced(Tracer(called, done)):
        return run()


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A name and its value, or the parts of a small container of numbers."""
    parts: list[tuple[Any, Any]] = []
    if isinstance(value, (tuple, list)):
        parts = [*enumerate(value)]
    elif isinstance(value, dict):
        parts = [*value.items()]
    if 0 < len(parts) <= LEAVES and any(isinstance(v, (Number, ndarray)) for _, v in parts):
        yield from ((f"{name}[{k!r}]", v) for k, v in parts)
    else:
        yield name, value


def _place(value: Any, index: Any) -> Any:
    """The place of memory that was written; all of it where finding the place would be a word."""
    if not isinstance(value, Number) or not is_basic(index):
        return value[index] if not isinstance(value, Number) else value
    now = current(value)
    seen = make(type(now), now._level, *now._look(getitem, index))
    seen._memory, seen._source, seen._chain = now, now._primal, ()  # memory, whose slot stays
    return seen


def _peeled(value: Any, level: Callable[[Any], bool]) -> Any:
    """A number of the level that is explained, or a plain value; transforms inside the function are taken off."""
    while isinstance(value, Number):
        value = current(value)
        if level(value._level):
            return value
        value = value._value()
    return value


def _plain_copy(value: Any) -> Any:
    """A value as it is now, also the parts of a container; other objects as text."""
    value = plain(value)
    if type(value) in (tuple, list):
        return type(value)(map(_plain_copy, value))
    if type(value) is dict:
        return {k: _plain_copy(v) for k, v in value.items()}
    if not isinstance(value, (ndarray, np.generic, int, float, complex, str, NoneType)):
        return Text(brief(value))
    return np.array(value)[()] if isinstance(value, (ndarray, np.generic)) else value


def of_tape(value: Any) -> Look:
    """A look at a value while it is recorded."""
    now = _peeled(value, lambda level: type(level) is Tape and level.verb == "explain")
    if not isinstance(now, Recorded):
        return Look(_plain_copy(now))
    tape = now._level
    if now._memory is None:
        now._linear = tape.slot(COPY, (), (now._linear,))
    return Look(_plain_copy(now._primal), None, now._linear, len(tape.entries))


def of_level(mine: Level) -> Callable[[Any], Look]:
    """How to look at values that are series of this level."""

    def look(value: Any) -> Look:
        now = _peeled(value, lambda level: level is mine)
        if not isinstance(now, Jet):
            return Look(_plain_copy(now))
        coeffs = _plain_copy(now._primal)
        return Look(coeffs[0], coeffs)

    return look


# Afterwards


def sweep_tangents(tape: Tape, dots: list[Any], kept: list[Kept], careful: bool) -> None:
    """The tangent of each row."""
    sweep, at = Forward(tape, dots, careful), 0
    for k in kept:
        if k.ref is not None:
            sweep.up(at, k.moment)
            at = k.moment
            k.row.tangent = _plain_copy(dense(sweep.read(k.ref)))


def sweep_cotangents(tape: Tape, seeds: list[tuple[Any, Any]], kept: list[Kept], careful: bool) -> None:
    """The cotangent of each row."""
    sweep, at = Reverse(tape, None, careful), len(tape.entries)
    for ref, ct in seeds:
        sweep.add(ref, ct)
    for k in reversed(kept):
        if k.ref is None:
            continue
        sweep.down(at, k.moment)
        at = k.moment
        slot, chain = k.ref if isinstance(k.ref, tuple) else (k.ref, ())
        found = sweep.cts[slot]
        if any(view is np.broadcast_to for view, _ in chain):
            continue  # an entry that is seen twice has one cotangent
        zero = np.zeros(np.shape(k.row.primal), np.asarray(k.row.primal).dtype)[()]
        k.row.cotangent = zero if found is None else _plain_copy(dense(looked(found, chain)))
