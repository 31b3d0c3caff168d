"""What every turn of a loop does alike is done once, before it or after it.

A value made of what the loop does not change is worked out before the loop; one that could raise (an entry
out of bounds, a division) only if the loop is known to turn, or the entry to exist.  Numbers that every turn
adds to one entry are added up first and then to the entry, if nothing else in the loop touches its array.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..core.build import Builder
from ..core.program import Atom, Block, Const, For, If, Let, Program, Store, Type, Var, While, zero
from ..core.walk import rebuilt, vars_bound, walk
from .activity import shared_arrays
from .forms import Form
from .memory import arrays_read, arrays_stored
from .ranges import ONE, Ranges
from .ssa import ssa

SAFE = frozenset(["add", "sub", "mul", "neg"])  # cheap, and they never raise
PURE = frozenset(["elementary", "family", "linear", "bilinear", "quotient", "selecting", "discrete"])
STAYS = frozenset(["checked", "fail", "move", "held", "stopped", "seed", "rejoined", "flush", "restore"])
ROUNDS = 4  # so many loops out may a value move


def hoisted(program: Program) -> Program:
    """The program with values that a loop does not change before the loop."""
    for _ in range(ROUNDS):
        bounds = Bounds(program)
        bounds.walk(lambda s: None)
        if not any(bounds.moved.values()):
            break
        program = replace(program, body=_moved(program.body, bounds.moved))
    return program


class Bounds(Ranges):
    """Which values can be worked out before their loop, given which loops turn and which entries exist."""

    def __init__(self, program: Program):
        super().__init__(program)
        self.exchanged = shared_arrays(program)
        self.moved: dict[int, list[Let]] = {}  # by the loop

    def entering(self, s: For | While) -> None:
        inside, stored = {v for t in walk([s]) for v in vars_bound(t)}, arrays_stored([s])
        moved = self.moved[id(s)] = []
        fails = any(isinstance(t, Let) and t.word.name == "fail" for t in walk([s]))  # perhaps before it is read
        turns = isinstance(s, For) and not fails and self.turns(s)
        for t in s.body if isinstance(s, For) else ():
            if isinstance(t, Let) and inside.isdisjoint(t.args) and self.movable(t, turns, stored):
                moved.append(t)
                inside.remove(t.target)
                if self.counts(t.target):
                    self.let(t)

    def turns(self, s: For) -> bool:
        """Whether a loop surely has a turn."""
        start, stop, step = map(self.form, (s.start, s.stop, s.step))
        if self.proves(step.minus(ONE)):
            return self.proves(stop.minus(start).minus(ONE))
        return self.proves(Form(-1).minus(step)) and self.proves(start.minus(stop).minus(ONE))

    def movable(self, s: Let, turns: bool, stored: set[Atom]) -> bool:
        name = s.word.name
        if name == "load":
            array, *index = s.args
            free = s.target.type.rank == 0 and array not in stored and array not in self.exchanged
            return free and (turns or self.exists(array, index))
        if s.target.type.rank or any(a.type.rank for a in s.args):
            return name == "shape"
        return name in SAFE or turns and s.word.kind in PURE and name not in STAYS

    def exists(self, array: Atom, index: list[Atom]) -> bool:
        """Whether an entry is surely there."""
        lengths = [self.lengths.get((array, k)) for k in range(len(index))]  # type: ignore[arg-type]
        known = [(i, n) for i, n in zip(index, lengths, strict=True) if n is not None]
        fits = all(self.is_natural(i) and self.proves(n.minus(self.form(i)).minus(ONE)) for i, n in known)
        return fits and len(known) == len(index)


def _moved(block: Block, moved: dict[int, list[Let]]) -> Block:
    out: Block = []
    for s in block:
        lets = moved.get(id(s), [])
        gone = {id(t) for t in lets}
        out += [*lets, rebuilt(s, lambda a: a, lambda inner, gone=gone: _moved(without(inner, gone), moved))]  # type: ignore[misc]
    return out


def without(block: Block, gone: set[int]) -> Block:
    return [s for s in block if id(s) not in gone]


# Sums into one entry


def promoted(program: Program) -> Program:
    """The program with what a loop adds to one entry added up in a number."""
    body = _Promotion(shared_arrays(program)).block(program.body)
    return ssa(replace(program, body=body))


class _Promotion:
    def __init__(self, exchanged: set[Atom]):
        self.exchanged = exchanged

    def block(self, block: Block) -> Block:
        b = Builder()
        for s in block:
            b.line = s.line
            s = rebuilt(s, lambda a: a, self.block)
            if isinstance(s, For) and isinstance(s.step, Const):
                self.loop(s, b)
            else:
                b.block.append(s)
        return b.block

    def loop(self, s: For, b: Builder) -> None:
        inside, read = {v for t in walk([s]) for v in vars_bound(t)}, arrays_read([s])
        sums: dict[Var, tuple[Store, Var]] = {}
        for store in stores_of_turn(s.body):
            array = store.array
            if array not in sums and array not in self.exchanged | read and inside.isdisjoint((array, *store.index)):
                others = [t for t in walk(s.body) if isinstance(t, Store) and t.array is array]
                alike = all(t.accumulate and t.index == store.index for t in others)
                if store.index and alike and len(others) == sum(t.array is array for t in stores_of_turn(s.body)):
                    sums[array] = store, Var(array.name, Type(array.type.dtype))
        for _, total in sums.values():
            b.bind(total, zero(total.type))
        b.block.append(replace(s, body=self.added_up(s.body, sums)) if sums else s)
        if sums:
            after = Builder(line=s.line)
            for array, (store, total) in sums.items():
                after.store(array, store.index, total, accumulate=True)
            assert isinstance(s.step, Const)
            turned = b.lt(s.start, s.stop) if s.step.value > 0 else b.lt(s.stop, s.start)
            if isinstance(turned, Const):
                b.block += after.block if turned.value else []
            else:
                b.block.append(If(turned, after.block, [], line=s.line))

    def added_up(self, block: Block, sums: dict[Var, tuple[Store, Var]]) -> Block:
        b = Builder()
        for s in block:
            b.line = s.line
            if isinstance(s, Store) and s.array in sums:
                total = sums[s.array][1]
                b.bind(total, b.add(total, s.value))
            elif isinstance(s, If):
                b.block.append(rebuilt(s, lambda a: a, lambda inner: self.added_up(inner, sums)))
            else:
                b.block.append(s)
        return b.block


def stores_of_turn(block: Block) -> Iterator[Store]:
    """The stores of a turn, those of branches included, those of loops inside not."""
    for s in block:
        if isinstance(s, Store):
            yield s
        elif isinstance(s, If):
            yield from stores_of_turn(s.then)
            yield from stores_of_turn(s.orelse)
