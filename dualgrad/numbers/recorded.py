"""The recording number of linearize and vjp: it computes values and writes the linear rest on a tape.

A tape is a flat list; entry k is the linear word that made slot k::

    (step, residuals, refs)        slot k = step.push(*residuals, *slots[refs])

A ref names a slot, or a slot seen through views: taking a view needs no entry, its
cotangent is added to a view of the slot's cotangent.  Memory that is written has a slot of
its own, and a write is an entry on it: forward it stores a tangent, backward it takes the
cotangent from there and leaves zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import getitem
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from dualgrad.backends.arrays import is_basic
from dualgrad.backends.steps import Pattern, Step, linear_step
from dualgrad.core.errors import UnsupportedError
from dualgrad.core.words import WORDS, Word

from .array import looked, room_for
from .dual import literals_of
from .masked import Masked
from .masked import zeros as masked_zeros
from .number import (
    OWN,
    POWER,
    Level,
    Number,
    View,
    apply,
    caller,
    escaped,
    exponent_of,
    literal,
    make,
    settled,
    without_array,
)

Ref = int | tuple[int, tuple[View, ...]]
Entry = tuple[Any, tuple[Any, ...], tuple[Any, ...]]


_new = object.__new__


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


class _Refuse(NamedTuple):
    """What a tape that has ended appends with; it knows the tape's name only, so that no cycle keeps the tape alive."""

    verb: str
    depth: float
    made: Any

    def __call__(self, entry: Entry) -> None:
        raise escaped(self.verb, self.depth, "{}:{}, in {}".format(*self.made))


class Tape(Level):
    """The level of recording numbers, and what they recorded."""

    __slots__ = ("append", "entries", "shapes")

    def __init__(self, verb: str):
        self.verb, self.careful, self.alive = verb, False, True
        self.depth, self._made = next(Level.depths), caller()
        self.entries: list[Entry] = []
        self.append: Callable[[Entry], None] = self.entries.append
        self.shapes: dict[int, tuple[tuple[int, ...], np.dtype]] = {}

    def end(self) -> None:
        """From here on a number of this tape raises when it is used."""
        self.alive = False
        self.append = _Refuse(self.verb, self.depth, self._made)

    def input(self, primal: Any) -> Recorded:
        """A number that stands for an argument."""
        self.append((INPUT, (), ()))
        return make(Recorded, self, primal, len(self.entries) - 1)

    def emit(self, step: Any, out: tuple[Any, ...], refs: tuple[Any, ...]) -> Recorded:
        """The number that a step made: ``out`` is its value and its residuals."""
        new = _new(Recorded)
        new._level = self
        new._primal = out[0]
        new._linear = len(self.entries)
        new._memory = None
        self.append((step, out[1:], refs))
        return new

    def slot(self, step: Special, residuals: tuple[Any, ...], refs: tuple[Any, ...]) -> int:
        """A new slot of memory."""
        self.append((step, residuals, refs))
        return len(self.entries) - 1


class Recorded(Number):
    """A value whose linear history is on a tape."""

    __slots__ = ()

    def __repr__(self) -> str:
        now = settled(self)
        return f"Recorded({now._primal!r}, slot={now._linear})"

    @staticmethod
    def _interpret(tape: Any, word: Word, args: list[Any]) -> Any:
        if word.kind == "linear" and not word.elementwise:
            x, *rest = args
            step = _STRUCTURAL.get(word) or _structural(word, len(rest))
            return tape.emit(step, step.forward(x._primal, *rest), (x._linear,))
        active = tuple([type(a) is Recorded and a._level is tape for a in args])
        exponent = literal(word, args)
        values = [a._primal if on else without_array(a) for a, on in zip(args, active)]
        reduce = word.elementwise and _broadcasts(values, active)
        if exponent is not None:
            values.pop()
        step = step_of(word, active, exponent, reduce)
        out = step.forward(*values)
        if not all(active):
            out = captured(out, values, active)
        if reduce:
            tape.shapes[len(tape.entries)] = np.shape(out[0]), out[0].dtype
        return tape.emit(step, out, tuple([a._linear for a, on in zip(args, active) if on]))

    def __getitem__(self, index: Any) -> Any:
        """A view by one slice of a plain frozen array, without detours."""
        primal, slot = self._primal, self._linear
        if type(index) is not slice or self._memory is not None or type(primal) is not ndarray or type(slot) is not int:
            return Number.__getitem__(self, index)
        new = _new(Recorded)
        tape = new._level = self._level
        new._primal = primal[index]
        new._source = primal
        new._memory = self
        chain = new._chain = ((getitem, index),)
        new._linear = slot, chain
        shapes = tape.shapes
        if slot not in shapes:
            shapes[slot] = primal.shape, primal.dtype
        return new

    def _look(self, view: Any, argument: Any) -> tuple[Any, Any]:
        primal, ref = self._primal, self._linear
        if type(ref) is tuple:
            return view(primal, argument), (ref[0], (*ref[1], (view, argument)))
        shapes = self._level.shapes  # type: ignore[attr-defined]
        if ref not in shapes:
            shapes[ref] = primal.shape, primal.dtype
        return view(primal, argument), (ref, ((view, argument),))

    def _snapshot(self) -> Any:
        return make(Recorded, self._level, self._primal.copy(), self._level.slot(COPY, (), (self._linear,)))

    def _own(self) -> None:
        self._primal = self._primal.copy()
        self._linear = self._level.slot(COPY, (), (self._linear,))

    def _adopt(self, old: Any, like: Any) -> None:
        self._primal = old
        self._linear = like._level.slot(ZERO, (old.shape, old.dtype), ())

    def _write(self, chain: tuple[View, ...], index: Any, value: Any) -> None:
        tape: Any = self._level
        active = type(value) is Recorded and value._level is tape
        primal = value._primal if active else without_array(value)
        if isinstance(primal, Number) and type(self._primal) is ndarray:
            self._primal = room_for(self._primal.copy(), primal)
        place = looked(self._primal, chain)
        if not is_basic(index):
            _refuse_duplicates(index, place.shape)
        ref = None
        if active:
            shape = np.shape(place[index])
            if value.shape != shape:
                value = apply(WORDS["broadcast_to"], _squeezed(value, len(shape)), shape)
            ref = value._linear
        place[index] = primal
        slot = self._linear
        tape.shapes.setdefault(slot, (self._primal.shape, self._primal.dtype))
        tape.append((STORE, (slot, (*chain, (getitem, index))), (ref,)))


def _squeezed(value: Any, rank: int) -> Any:
    """A value without the leading axes of length one that assignment ignores."""
    return np.reshape(value, value.shape[value.ndim - rank :]) if value.ndim > rank else value


def _refuse_duplicates(index: Any, shape: tuple[int, ...]) -> None:
    size = int(np.prod(shape))
    hit = np.arange(size).reshape(shape)[index]
    if np.unique(hit).size != hit.size:
        raise UnsupportedError(
            "an assignment writes the same entry twice",
            why="which of the values stays is decided by their order; its derivative is not defined by a rule",
            hint="make the indices unique",
        )


_STEPS: dict[tuple[Any, ...], Step] = {}
_PATTERNS: dict[int, Pattern] = {}


def step_of(word: Word, active: tuple[bool, ...], exponent: Any, reduce: bool) -> Step:
    """The step of a word applied in this way, from a cache that costs little."""
    key = (word.name, active, exponent, type(exponent), reduce)
    found = _STEPS.get(key)
    if found is None:
        pattern = Pattern(word, active, literals_of(len(active), exponent), None, reduce)
        found = _STEPS[key] = linear_step(pattern)
        _PATTERNS[id(found)] = pattern
    return found


_STRUCTURAL: dict[Word, Step] = {}


def _structural(word: Word, rest: int) -> Step:
    """The step of a word that is linear in its first argument alone."""
    found = _STRUCTURAL[word] = step_of(word, (True, *(False,) * rest), None, False)
    return found


def pattern_of(step: Step) -> Pattern:
    """How the word of a step was applied."""
    return _PATTERNS[id(step)]


def _lifted(step: Step) -> Step:
    """The step for cotangents with a leading axis; its residuals are the same."""
    pattern = pattern_of(step)
    return linear_step(pattern._replace(lift=(0,) * sum(pattern.active)))


def _broadcasts(values: list[Any], active: tuple[bool, ...]) -> bool:
    """Whether an active argument is broadcast."""
    shapes = [np.shape(v) for v in values]
    whole = max(shapes, key=len)
    if any(s != whole and s != () for s in shapes):
        return True
    return any(on and s != whole for s, on in zip(shapes, active))


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


BOTH, REDUCED, LEFT, RIGHT = range(4)


class _Steps(dict):
    """The steps of a word of two arguments by which of them is recorded, derived when first used."""

    def __init__(self, name: str):
        self.word = WORDS[name]

    def __missing__(self, which: int) -> Step:
        active = (which != RIGHT, which != LEFT)
        self[which] = found = step_of(self.word, active, None, which == REDUCED)
        return found


def _binary(name: str, general: Callable[[Any, Any], Any], general_swapped: Callable[[Any, Any], Any]) -> Any:
    """``x * y`` and its swapped form for two recorded numbers, or one and a Python number."""
    steps = _Steps(name)

    def operator(self: Any, other: Any) -> Any:
        if self._memory is None or _frozen(self):
            kind, tape, a = type(other), self._level, self._primal
            if kind is Recorded:
                if other._level is tape and (other._memory is None or _frozen(other)):
                    b = other._primal
                    if a.shape == b.shape:
                        step = steps[BOTH]
                        return tape.emit(step, step.forward(a, b), (self._linear, other._linear))
                    step = steps[REDUCED]
                    new = tape.emit(step, step.forward(a, b), (self._linear, other._linear))
                    tape.shapes[new._linear] = new._primal.shape, new._primal.dtype
                    return new
            elif kind is float or kind is int:
                step = steps[LEFT]
                return tape.emit(step, step.forward(a, float(other)), (self._linear,))
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
            if step is None:
                if exponent_of(p) is None:
                    return general(self, p)
                step = steps[p] = step_of(POWER, (True, False), exponent_of(p), False)
            return self._level.emit(step, step.forward(self._primal), (self._linear,))
        return general(self, p)

    return power


for _name, _dunder in {"add": "add", "sub": "sub", "mul": "mul", "div": "truediv"}.items():
    _names = f"__{_dunder}__", f"__r{_dunder}__"
    for _method, _op in zip(_names, _binary(_name, *(getattr(Number, n) for n in _names))):
        setattr(Recorded, _method, _op)
Recorded.__pow__ = _power(Number.__pow__)  # type: ignore[attr-defined, method-assign]


# The two sweeps


def pull(
    tape: Tape, seeds: list[tuple[Ref, Any]], inputs: Iterable[int], lead: int | None = None, careful: bool = False
) -> list[Any]:
    """Cotangents of the inputs, None where nothing depends on them.

    With ``lead`` every cotangent has a leading axis of that length.
    """
    entries = tape.entries
    sweep = _Reverse(tape, lead, careful)
    cts, own, add = sweep.cts, sweep.own, sweep.add
    for ref, ct in seeds:
        add(ref, ct)
    for k in range(len(entries) - 1, -1, -1):
        ct = cts[k]
        step, residuals, refs = entries[k]
        if ct is None:
            if step is STORE and cts[residuals[0]] is not None:
                sweep.take(*residuals, *refs)
        elif step is not INPUT:
            cts[k] = None
            if lead is not None and type(step) is Step:
                step = _lifted(step)
            for ref, c in zip(refs, step.pull(*residuals, ct)):
                if type(ref) is int:
                    old = cts[ref]
                    cts[ref] = c if old is None else old + c
                    own[ref] = 0
                    continue
                slot, chain = ref
                if own[slot] and lead is None and type(c) is ndarray and len(chain) == 1:
                    place = chain[0][0](cts[slot], chain[0][1])
                    if type(place) is ndarray:
                        np.add(place, c, place)
                        continue
                add(ref, c)
    return [cts[k] for k in inputs]


class _Reverse:
    """Cotangents by slot, and which of them are the sweep's own memory."""

    def __init__(self, tape: Tape, lead: int | None, careful: bool):
        self.shapes, self.careful = tape.shapes, careful
        self.shape = () if lead is None else (lead,)
        self.cts: list[Any] = [None] * len(tape.entries)
        self.own = bytearray(len(tape.entries))

    def add(self, ref: Any, ct: Any) -> None:
        """``cts[ref] += ct``; memory is written only where it is the sweep's own."""
        if type(ref) is int:
            old = self.cts[ref]
            self.cts[ref] = ct if old is None else old + ct
            self.own[ref] = 0
            return
        slot, chain = ref
        lead = len(self.shape)
        memory = self.cts[slot]
        if memory is None or not self.own[slot]:
            memory = self.writable(slot)
        if type(ct) is not ndarray:
            memory = self.cts[slot] = room_for(memory, ct.values if isinstance(ct, Masked) else ct)
        view, argument = chain[-1]
        place = memory if len(chain) == 1 else looked(memory, chain[:-1], lead)
        if view is getitem and not lead:
            seen = place[argument]
            if type(seen) is ndarray and type(ct) is ndarray:
                np.add(seen, ct, seen)
            else:
                place[argument] = seen + ct
        else:
            place = looked(place, chain[-1:], lead)
            place[...] = place + ct

    def writable(self, slot: int) -> Any:
        """The cotangent of a slot as memory of this sweep's own."""
        memory = self.cts[slot]
        if memory is None:
            shape, dtype = self.shapes[slot]
            memory = (masked_zeros if self.careful else np.zeros)((*self.shape, *shape), dtype)
        elif not self.own[slot]:
            memory = memory.copy()
        self.own[slot] = 1
        self.cts[slot] = memory
        return memory

    def take(self, slot: int, chain: tuple[View, ...], ref: Any) -> None:
        """The transpose of a store: its value takes the cotangent from the memory, which is then zero."""
        lead = len(self.shape)
        memory = self.writable(slot)
        place, index = looked(memory, chain[:-1], lead), chain[-1][1]
        ct = None if ref is None else looked(place, chain[-1:], lead).copy()
        if lead:
            index = slice(None), *(index if isinstance(index, tuple) else (index,))
        place[index] = 0
        if ref is not None:
            self.add(ref, ct)


def push(tape: Tape, tangents: list[Any], outputs: list[Any], careful: bool = False) -> list[Any]:
    """Tangents of the outputs for given tangents of the inputs, None where they depend on nothing."""
    slots: list[Any] = [None] * len(tape.entries)
    waiting = iter(tangents)
    for k, (step, residuals, refs) in enumerate(tape.entries):
        if step is INPUT:
            slots[k] = next(waiting)
        elif step is ZERO:
            slots[k] = masked_zeros(*residuals) if careful else np.zeros(*residuals)
        elif step is STORE:
            slot, chain = residuals
            value = 0 if refs[0] is None else _read(slots, refs[0])
            memory = slots[slot] = room_for(slots[slot], value.values if isinstance(value, Masked) else value)
            looked(memory, chain[:-1])[chain[-1][1]] = value
        else:
            t = slots[k] = step.push(*residuals, *[_read(slots, ref) for ref in refs])
            if k in tape.shapes and t.shape != tape.shapes[k][0]:
                slots[k] = np.broadcast_to(t, tape.shapes[k][0])
    return [None if ref is None else _read(slots, ref) for ref in outputs]


def _read(slots: list[Any], ref: Ref) -> Any:
    """The tangent that a ref names."""
    return slots[ref] if type(ref) is int else looked(slots[ref[0]], ref[1])
