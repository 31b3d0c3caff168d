"""The two sweeps over a tape: tangents from the first entry to the last, cotangents back to the first.

A sweep can be made in pieces; between them its slots hold the derivatives at that moment of the recording.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import getitem
from typing import Any

import numpy as np
from numpy import ndarray

from dualgrad.backends import watch
from dualgrad.backends.arrays import below, is_complex, sum_to, sum_to_batched
from dualgrad.backends.steps import Step

from .array import looked, room_for, with_memory
from .masked import dense
from .masked import zeros as masked_zeros
from .number import BATCHED, Number, View
from .recorded import INPUT, STORE, ZERO, Ref, Tape, suited


def pull(
    tape: Tape, seeds: list[tuple[Ref, Any]], inputs: Iterable[int], lead: int | None = None, careful: bool = False
) -> list[Any]:
    """Cotangents of the inputs, None where nothing depends on them.

    With ``lead`` every cotangent has a leading axis of that length.
    """
    sweep = Reverse(tape, lead, careful)
    for ref, ct in seeds:
        sweep.add(ref, ct)
    if watch.watcher is None:
        sweep.down(len(tape.entries))
    else:
        watch.watcher.reverse(sweep)
    return [sweep.cts[k] for k in inputs]


def push(tape: Tape, tangents: list[Any], outputs: list[Any], careful: bool = False) -> list[Any]:
    """Tangents of the outputs for given tangents of the inputs, None where they depend on nothing."""
    sweep = Forward(tape, tangents, careful)
    if watch.watcher is None:
        sweep.up(0, len(tape.entries))
    else:
        watch.watcher.forward(sweep)
    return [None if ref is None else sweep.read(ref) for ref in outputs]


class Forward:
    """Tangents by slot."""

    def __init__(self, tape: Tape, tangents: list[Any], careful: bool = False):
        self.tape, self.careful = tape, careful
        self.slots: list[Any] = [None] * len(tape.entries)
        self.waiting = iter(tangents)

    def read(self, ref: Ref) -> Any:
        """The tangent that a ref names."""
        slots = self.slots
        return slots[ref] if type(ref) is int else looked(slots[ref[0]], ref[1])  # type: ignore[index]

    def up(self, start: int, stop: int) -> None:
        """The entries from ``start`` up to ``stop``."""
        slots, read, shapes = self.slots, self.read, self.tape.shapes
        for k in range(start, stop):
            step, residuals, refs = self.tape.entries[k]
            if step is INPUT:
                slots[k] = next(self.waiting)
            elif step is ZERO:
                slots[k] = masked_zeros(*residuals) if self.careful else np.zeros(*residuals)
            elif step is STORE:
                slot, chain = residuals
                value = 0 if refs[0] is None else read(refs[0])
                memory = slots[slot] = room_for(slots[slot], dense(value))
                looked(memory, chain[:-1])[chain[-1][1]] = value
            else:
                t = slots[k] = step.push(*residuals, *map(read, refs))
                if k in shapes and t.shape != shapes[k][0]:
                    slots[k] = np.broadcast_to(t, shapes[k][0])


class Reverse:
    """Cotangents by slot, and which of them are the sweep's own memory."""

    def __init__(self, tape: Tape, lead: int | None = None, careful: bool = False):
        self.tape, self.lead = tape, lead
        self.shapes, self.careful = tape.shapes, careful
        self.shape = () if lead is None else (lead,)
        self.cts: list[Any] = [None] * len(tape.entries)
        self.own = bytearray(len(tape.entries))

    def down(self, start: int, stop: int = 0) -> None:
        """The transposes of the entries before ``start``, from the last one down to ``stop``."""
        tape, lead, cts, own, add = self.tape, self.lead, self.cts, self.own, self.add
        entries = tape.entries
        for k in range(start - 1, stop - 1, -1):
            ct = cts[k]
            step, residuals, refs = entries[k]
            if ct is None:
                if step is STORE and cts[residuals[0]] is not None:
                    self.take(*residuals, *refs)
            elif step is not INPUT:
                cts[k] = None
                if (lead is not None or tape.complex) and type(step) is Step:
                    step = suited(step, lead is not None, tape.complex and is_complex(ct))
                for ref, c in zip(refs, step.pull(*residuals, ct)):
                    if type(ref) is int:
                        old = cts[ref]
                        cts[ref] = c if old is None else old + c
                        own[ref] = 0
                        continue
                    slot, chain = ref
                    if own[slot] and lead is None and type(c) is ndarray and len(chain) == 1:
                        view, argument = chain[0]
                        place = None if view is np.broadcast_to else view(cts[slot], argument)
                        if type(place) is ndarray:
                            np.add(place, c, place)
                            continue
                    add(ref, c)

    def add(self, ref: Any, ct: Any) -> None:
        """``cts[ref] += ct``; memory is written only where it is the sweep's own."""
        cts, own = self.cts, self.own
        if type(ref) is int:
            old = cts[ref]
            cts[ref] = ct if old is None else old + ct
            own[ref] = 0
            return
        slot, chain = ref
        if any(view is np.broadcast_to for view, _ in chain):
            return self.add_spread(slot, chain, ct)
        lead = len(self.shape)
        memory = cts[slot] if own[slot] else self.writable(slot)
        if type(ct) is not ndarray:
            memory = cts[slot] = room_for(memory, dense(ct))
        _add_at(memory, chain, ct, lead)

    def add_spread(self, slot: int, chain: tuple[View, ...], ct: Any) -> None:
        """`add` through views one of which repeats entries: the cotangents of an entry are summed first."""
        k = max(k for k, (view, _) in enumerate(chain) if view is np.broadcast_to)
        shape, dtype = self.shapes[slot]
        below = looked(np.broadcast_to(np.zeros((), dtype), shape), chain[:k])
        if k + 1 < len(chain):
            whole = (masked_zeros if self.careful else np.zeros)((*self.shape, *chain[k][1]), below.dtype)
            whole = room_for(whole, dense(ct))
            _add_at(whole, chain[k + 1 :], ct, len(self.shape))
            ct = whole
        ct = (sum_to_batched if self.shape else sum_to)(ct, below.shape)
        self.add((slot, chain[:k]) if k else slot, ct)

    def writable(self, slot: int) -> Any:
        """The cotangent of a slot as memory of this sweep's own."""
        memory = self.cts[slot]
        if memory is None:
            shape, dtype = self.shapes[slot]
            memory = (masked_zeros if self.careful else np.zeros)((*self.shape, *shape), dtype)
        elif not self.own[slot]:
            memory = _own_copy(memory)
        self.own[slot] = 1
        self.cts[slot] = memory
        return memory

    def take(self, slot: int, chain: tuple[View, ...], ref: Any) -> None:
        """The transpose of a store: its value takes the cotangent from the memory, which is then zero."""
        lead = len(self.shape)
        place, index = looked(self.writable(slot), chain[:-1], lead), chain[-1][1]
        ct = None if ref is None else looked(place, chain[-1:], lead).copy()
        place[below(index) if lead else index] = 0
        if ref is not None:
            self.add(ref, ct)


def _add_at(memory: Any, chain: tuple[View, ...], ct: Any, lead: int) -> None:
    """``memory[chain] += ct``"""
    view, argument = chain[-1]
    place = memory if len(chain) == 1 else looked(memory, chain[:-1], lead)
    seen = (BATCHED[view] if lead else view)(place, argument)
    if type(ct) is ndarray and type(seen) is ndarray:
        np.add(seen, ct, seen)
    elif view is getitem and not lead:
        place[argument] = seen + ct
    else:
        seen[...] = seen + ct


def _own_copy(memory: Any) -> Any:
    """A copy that can be written; an element becomes an array without axes."""
    if isinstance(memory, Number) and not memory._is_array():
        return with_memory(memory)
    return np.array(memory) if isinstance(memory, np.generic) else memory.copy()
