"""Which loads find what the same turn of a loop has stored.

A region is a box of an array's indices, all of which have been written; a store adds one entry, and when its loop
is over, the entries of all turns.  A load is covered in a loop if its entry lies in a region that the same turn of
that loop has written.  An array whose loads are all covered is private to the turn: turns do not speak through it.
"""

from __future__ import annotations

from typing import NamedTuple

from ..core.program import Block, For, Let, Program, Statement, Store, Var, While
from ..core.walk import vars_bound, walk
from .forms import Form
from .invariant import Bounds
from .ranges import ONE, indices


class Region(NamedTuple):
    """The entries of an array from the first to before the last index of each axis."""

    array: Var
    axes: tuple[tuple[Form, Form], ...]


FARTHEST = 16  # stores of an array that are looked at before a load: each takes a proof


class Coverage(Bounds):
    """The walk that finds for each load the loops in which it is covered."""

    def __init__(self, program: Program):
        super().__init__(program)
        self.regions: list[Region] = []
        self.marks: dict[int, int] = {}  # by the loops around: where the regions of this turn begin
        self.covered: dict[int, set[int]] = {}  # by the load (or accumulation): loops
        self.flags: dict[int, list[bool]] = {}  # by the load or store: which of its indices are natural
        self.walk(self.look)

    def look(self, s: Statement) -> None:
        index = indices(s)
        if not index:
            return
        forms = [self.form(a) for a in index]
        self.flags[id(s)] = [self.is_natural(a) for a in index]
        array = s.array if isinstance(s, Store) else s.args[0] if isinstance(s, Let) else None
        if not isinstance(array, Var) or array in self.exchanged:
            return
        if isinstance(s, Let) or isinstance(s, Store) and s.accumulate:
            of_array = [(k, r) for k, r in enumerate(self.regions) if r.array is array][-FARTHEST:]
            last = next((k for k, r in reversed(of_array) if self.inside(forms, r)), -1)
            self.covered[id(s)] = {loop for loop, mark in self.marks.items() if mark <= last}
        if isinstance(s, Store) and all(self.flags[id(s)]):
            self.regions.append(Region(array, tuple((f, f.plus(ONE)) for f in forms)))

    def inside(self, forms: list[Form], region: Region) -> bool:
        """Whether an entry surely lies in a region."""
        both = zip(forms, region.axes, strict=True)
        return all(self.proves(f.minus(low)) and self.proves(high.minus(f).minus(ONE)) for f, (low, high) in both)

    def entering(self, s: For | While) -> None:
        super().entering(s)
        self.marks.setdefault(id(s), len(self.regions))
        del self.regions[self.marks[id(s)] :]

    def loop(self, s: For | While) -> None:
        super().loop(s)
        mark = self.marks.pop(id(s))
        made = self.regions[mark:]
        del self.regions[mark:]
        if isinstance(s, For):
            inside = {v for t in walk([s]) for v in vars_bound(t)}
            self.regions += [r for region in made if (r := self.of_all_turns(s, region, inside))]

    def of_all_turns(self, s: For, region: Region, inside: set[Var]) -> Region | None:
        """The region that all turns of a loop write together, if it is a box."""
        step, axes, met = self.form(s.step), [], 0
        start, stop = self.form(s.start), self.form(s.stop)
        for low, high in region.axes:
            if low == Form.of(s.var) and high == low.plus(ONE) and not step.terms and abs(step.const) == 1:
                low, high = (start, stop) if step.const > 0 else (stop.plus(ONE), start.plus(ONE))
                met += 1
            if not inside.isdisjoint((*low.terms, *high.terms)):
                return None
            axes.append((low, high))
        return Region(region.array, tuple(axes)) if met == 1 or met == 0 and self.turns(s) else None

    def side(self, block: Block) -> None:
        """What only one branch writes may not be written."""
        mark = len(self.regions)
        super().side(block)
        del self.regions[mark:]
