"""The recording number of linearize and vjp: it computes values and writes the linear rest on a tape.

A tape is a flat list; entry k is the linear word that made slot k::

    (step, residuals, refs)        slot k = step.push(*residuals, *slots[refs])

A ref names a slot, or a slot seen through views: taking a view needs no entry, its
cotangent is added to a view of the slot's cotangent.  Memory that is written has a slot of
its own, and a write is an entry on it: forward it stores a tangent, backward it takes the
cotangent from there and leaves zero.

A cotangent is of the field, real or complex, of its slot: a real number that meets a complex
one becomes complex first, by an entry of its own (`Tape.of_one_field`), whose transpose takes the
real part.  A tape knows whether complex numbers came to it; only then a sweep asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from operator import getitem
from typing import Any

import numpy as np
from numpy import ndarray

from dualgrad.backends import watch
from dualgrad.backends.arrays import is_complex
from dualgrad.backends.steps import Pattern, Step, linear_step
from dualgrad.core.errors import UnsupportedError
from dualgrad.core.forms import brief
from dualgrad.core.words import WORDS, Word
from dualgrad.rules.arrays import BETWEEN

from . import operators  # noqa: F401  (numbers have operators before kinds of number replace some)
from .array import looked, room_for
from .level import Level, caller, refuse
from .number import OWN, Number, View, apply, apply_linear, bare, exponent_of, operands, settled

Ref = int | tuple[int, tuple[View, ...]]
Entry = tuple[Any, tuple[Any, ...], tuple[Any, ...]]
_new = object.__new__
DOUBLE = np.dtype(float)


class Special:
    """Entries of the tape that are not words of the table."""

    def __init__(self, name: str, push: Callable[..., Any] | None = None, pull: Callable[..., Any] | None = None):
        self.name, self.push, self.pull = name, push, pull

    def __repr__(self) -> str:
        return self.name


INPUT = Special("input")
ZERO = Special("zeros", pull=lambda shape, dtype, ct: ())
COPY = Special("copy", lambda t: t.copy(), lambda ct: (ct,))
STORE = Special("store")


class Tape(Level):
    """The level of recording numbers, and what they recorded."""

    __slots__ = ("append", "complex", "entries", "lines", "shapes")

    def __init__(self, verb: str):
        self.verb, self.careful, self.alive = verb, False, True
        self.depth, self.made = next(Level.depths), caller()
        self.entries: list[Entry] = []
        self.append: Callable[[Entry], None] = self.entries.append
        self.shapes: dict[int, tuple[tuple[int, ...], np.dtype]] = {}
        self.complex = False
        self.lines: list[Any] | None = None  # of the entries, where somebody watches
        if watch.watcher is not None:
            watch.watcher.tape(self)

    def end(self) -> None:
        """From here on a number of this tape raises when it is used; what raises does not keep the tape alive."""
        self.alive = False
        self.append = partial(refuse, self.verb, self.depth, self.made)

    def slot(self, step: Any, residuals: tuple[Any, ...], refs: tuple[Any, ...]) -> int:
        """A new entry, and the slot that it makes."""
        self.append((step, residuals, refs))
        return len(self.entries) - 1

    def input(self, primal: Any) -> Recorded:
        """A number that stands for an argument."""
        self.complex = self.complex or primal.dtype.kind == "c"
        return self.emit(INPUT, (primal,), ())

    def emit(self, step: Any, out: tuple[Any, ...], refs: tuple[Any, ...]) -> Recorded:
        """The number that a step made: ``out`` is its value and its residuals."""
        new = _new(Recorded)
        new._level = self
        new._primal = out[0]
        new._memory = None
        new._linear = len(self.entries)
        self.append((step, out[1:], refs))
        return new

    def of_one_field(self, word: Word, args: Sequence[Any], complex: bool) -> tuple[Any, ...]:
        """Refs of arguments in the field of the result: beside complex numbers real ones become complex first."""
        self.complex = self.complex or complex
        if complex and word.name not in BETWEEN:
            args = [a if a.dtype.kind == "c" else complexified(a) for a in args]
        elif not complex and word.name not in BETWEEN and any(map(is_complex, args)):
            raise UnsupportedError(
                f"{word.name} takes complex numbers to real ones and has no rule in reverse mode",
                why="its derivative is no factor",
                hint="say it with real and imaginary parts, or use forward mode",
            )
        return tuple([a._linear for a in args])

    def note_shape(self, slot: int, x: Any) -> None:
        """Remember shape and dtype of a slot whose tangent or cotangent may have to be made or broadcast."""
        self.shapes[slot] = np.shape(x), x.dtype


class Recorded(Number):
    """A value whose linear history is on a tape."""

    __slots__ = ()

    _level: Tape

    def __repr__(self) -> str:
        now = settled(self)
        return f"Recorded({now._primal!r}, slot={now._linear})"

    def __str__(self) -> str:
        return f"{brief(settled(self)._primal)} (recorded)"

    @staticmethod
    def _interpret(tape: Any, word: Word, args: Sequence[Any]) -> Any:
        if word.kind == "linear" and not word.elementwise:
            x, *rest = args
            step = _structural(word, len(rest))
            out = step.forward(x._primal, *rest)
            complex = out[0].dtype.kind == "c"
            refs = tape.of_one_field(word, (x,), complex) if complex or tape.complex else (x._linear,)
            return tape.emit(step, out, refs)
        active, literals, values = operands(Recorded, tape, word, args)
        reduce = word.elementwise and _broadcasts(args, active)
        step = step_of(word, active, literals, reduce)
        out = step.forward(*values)
        if not all(active):
            out = captured(out, values, active)
        numbers = [a for a, on in zip(args, active) if on]
        complex = out[0].dtype.kind == "c"
        refs = tape.of_one_field(word, numbers, complex) if complex or tape.complex else (
            tuple([a._linear for a in numbers])
        )
        if reduce:
            tape.note_shape(len(tape.entries), out[0])
        return tape.emit(step, out, refs)

    def _alone(self, word: Word) -> Any:
        if self._memory is None or _frozen(self):
            primal = self._primal
            step = step_of(word, (True,), (None,), False, type(primal) is ndarray and primal.dtype is DOUBLE)
            return self._level.emit(step, step.forward(primal), (self._linear,))
        return apply(word, self)

    def __getitem__(self, index: Any) -> Any:
        """A view by one slice of a plain frozen array, without detours."""
        primal, slot = self._primal, self._linear
        if type(index) is not slice or self._memory is not None or type(primal) is not ndarray or type(slot) is not int:
            return Number.__getitem__(self, index)
        new = _new(Recorded)
        tape = new._level = self._level
        new._primal, new._memory, new._source = primal[index], self, primal
        chain = new._chain = ((getitem, index),)
        new._linear = slot, chain
        if slot not in tape.shapes:
            tape.shapes[slot] = primal.shape, primal.dtype
        return new

    def _look(self, view: Any, argument: Any) -> tuple[Any, Any]:
        primal, ref = self._primal, self._linear
        if type(ref) is not tuple:
            self._level.note_shape(ref, primal)
            ref = ref, ()
        return view(primal, argument), (ref[0], (*ref[1], (view, argument)))

    def _own(self) -> None:
        self._primal = self._primal.copy()
        self._linear = self._level.slot(COPY, (), (self._linear,))

    def _adopt(self, old: Any, like: Any) -> None:
        self._primal = old
        like._level.complex |= old.dtype.kind == "c"
        self._linear = like._level.slot(ZERO, (old.shape, old.dtype), ())

    def _write(self, chain: tuple[View, ...], index: Any, value: Any) -> None:
        tape: Any = self._level
        active = type(value) is Recorded and value._level is tape
        primal = value._primal if active else bare(value)
        if isinstance(primal, Number) and type(self._primal) is ndarray:
            self._primal = room_for(self._primal.copy(), primal)
        place = looked(self._primal, chain)
        ref = None
        if active:
            shape = np.shape(place[index])
            if value.shape != shape:
                if value.ndim > len(shape):  # assignment ignores leading axes of length one
                    value = np.reshape(value, value.shape[value.ndim - len(shape) :])
                value = np.broadcast_to(value, shape)
            if tape.complex and is_complex(place) and not is_complex(value):
                value = complexified(value)
            ref = value._linear
        place[index] = primal
        slot = self._linear
        tape.note_shape(slot, self._primal)
        tape.append((STORE, (slot, (*chain, (getitem, index))), (ref,)))


def complexified(x: Any) -> Any:
    """A real number as a complex one."""
    return apply_linear(WORDS["whole"], x, "real")


_PATTERNS: dict[int, Pattern] = {}


@cache
def step_of(
    word: Word, active: tuple[bool, ...], literals: tuple[Any, ...], reduce: bool, double: bool = False
) -> Step:
    """The step of a word applied in this way."""
    pattern = Pattern(word, active, literals, None, reduce, double=double)
    found = linear_step(pattern)
    _PATTERNS[id(found)] = pattern
    return found


@cache
def _structural(word: Word, rest: int) -> Step:
    """The step of a word that is linear in its first argument, with so many others."""
    return step_of(word, (True, *(False,) * rest), (None,) * (rest + 1), False)


def pattern_of(step: Step) -> Pattern:
    """How the word of a step was applied."""
    return _PATTERNS[id(step)]


_SUITED: dict[tuple[int, bool, bool], Step] = {}


def suited(step: Step, lifted: bool, complex: bool) -> Step:
    """The step for cotangents with a leading axis, or for complex ones; its residuals are the same."""
    key = id(step), lifted, complex
    found = _SUITED.get(key)
    if found is None:
        pattern = pattern_of(step)
        lift = (0,) * sum(pattern.active) if lifted else pattern.lift
        found = _SUITED[key] = linear_step(pattern._replace(lift=lift, complex=complex))
    return found


def _broadcasts(args: Sequence[Any], active: tuple[bool, ...]) -> bool:
    """Whether an active argument is broadcast, or may be."""
    shapes = [np.shape(a) for a in args]
    whole = max(shapes, key=len)
    return any(s != whole and (on or s != ()) for s, on in zip(shapes, active))


def captured(out: tuple[Any, ...], values: list[Any], active: tuple[bool, ...]) -> tuple[Any, ...]:
    """Residuals that are the user's own arrays are copied: he may write them before the sweep."""
    for v, on in zip(values, active):
        if not on and type(v) is ndarray and any(r is v for r in out):
            out = tuple([r.copy() if r is v else r for r in out])
    return out


# Operators without detours: what `apply` does, for the cases that matter


def _frozen(x: Any) -> bool:
    """Whether the content can be used as it is."""
    memory = x._memory
    return memory is None or memory is not OWN and memory._memory is None and memory._primal is x._source


BOTH, LEFT, RIGHT = (True, True), (True, False), (False, True)


class _Steps(dict):
    """The steps of a word of two arguments by which of them are recorded, derived when first used."""

    def __init__(self, name: str):
        self.word = WORDS[name]

    def __missing__(self, active: tuple[bool, bool]) -> Step:
        self[active] = found = step_of(self.word, active, (None, None), False)
        return found


def _binary(name: str, general: Callable[[Any, Any], Any], general_swapped: Callable[[Any, Any], Any]) -> Any:
    """``x * y`` and its swapped form for two recorded numbers of one shape, or one and a Python number."""
    steps = _Steps(name)

    def operator(self: Any, other: Any) -> Any:
        if self._memory is None or _frozen(self):
            kind, tape, a = type(other), self._level, self._primal
            if kind is float or kind is int:
                step = steps[LEFT]
                return tape.emit(step, step.forward(a, float(other)), (self._linear,))
            if kind is Recorded and other._level is tape and (other._memory is None or _frozen(other)):
                b = other._primal
                if a.shape == b.shape and (not tape.complex or a.dtype is b.dtype):
                    step = steps[BOTH]
                    out = step.forward(a, b)
                    new = _new(Recorded)  # `emit`, without a call
                    new._level = tape
                    new._primal = out[0]
                    new._memory = None
                    new._linear = len(tape.entries)
                    tape.append((step, out[1:], (self._linear, other._linear)))
                    return new
        return general(self, other)

    def swapped(self: Any, other: Any) -> Any:
        kind = type(other)
        if (kind is float or kind is int) and (self._memory is None or _frozen(self)):
            step = steps[RIGHT]
            return self._level.emit(step, step.forward(float(other), self._primal), (self._linear,))
        return general_swapped(self, other)

    return operator, swapped


def _power(general: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """``x ** p`` for a Python number p."""
    steps: dict[Any, Any] = {}

    def power(self: Any, p: Any) -> Any:
        if type(p) in (int, float) and (self._memory is None or _frozen(self)):
            step = steps.get(p)
            if step is None and exponent_of(p) is not None:
                step = steps[p] = step_of(WORDS["power"], LEFT, (None, exponent_of(p)), False)
            if step is not None:
                tape, out = self._level, step.forward(self._primal)
                new = _new(Recorded)  # `emit`, without a call
                new._level = tape
                new._primal = out[0]
                new._memory = None
                new._linear = len(tape.entries)
                tape.append((step, out[1:], (self._linear,)))
                return new
        return general(self, p)

    return power


for _name, _dunder in {"add": "add", "sub": "sub", "mul": "mul", "div": "truediv"}.items():
    _names = f"__{_dunder}__", f"__r{_dunder}__"
    for _method, _op in zip(_names, _binary(_name, *(getattr(Number, n) for n in _names))):
        setattr(Recorded, _method, _op)
Recorded.__pow__ = _power(Number.__pow__)  # type: ignore[attr-defined, operator]
