"""A turn of a checkpointed loop runs again in the linear program, which keeps only what the turn found.

What it found are numbers, which are kept as any other, and the arrays that it writes (or that change later): their
contents at the beginning of the turn are kept, and the turn that runs again has memory of its own for them.  It is
linearized where it runs: what its own loops keep is forgotten when the turn is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING

from ..core.build import Builder
from ..core.errors import KernelError
from ..core.program import Atom, For, Let, Program, Store, Var, While, variable
from ..core.walk import free_vars, walk
from .activity import array_families
from .ssa import ssa

if TYPE_CHECKING:
    from .linearize import Unzip


@dataclass
class Rerun:
    """Writes a turn as it was to ``forward``; to ``tangent`` what it found, the turn once more, and its linear rest.

    ``linear`` is the block of the linear program that the loop stands in.
    """

    unzip: Unzip
    loop: For | While
    forward: Builder
    tangent: Builder
    linear: Builder

    @cached_property
    def found(self) -> list[Var]:
        """The variables that a turn reads and does not bind."""
        return free_vars(self.loop.body, self.nexts, set())

    @property
    def nexts(self) -> list[Atom]:
        return [c.next for c in self.loop.carries]

    def write(self) -> None:
        outer = self.unzip
        turn = ssa(Program("turn", self.found, self.loop.body, self.nexts))
        again, rest = Builder(line=self.loop.line), Builder(line=self.loop.line)
        changed = Changed(turn)
        for old, new in zip(self.found, turn.params, strict=True):
            if old.type.rank and (new in changed.written or not outer.is_stable(old)):
                self.refuse_aliases(old)
                old = self.restored(old, new in changed.read, again)
            again.bind(new, old)
        self.forward.block += self.loop.body
        inner = type(outer)(turn, tuple(v in outer.active for v in self.found))
        inner.root = inner.primal = again
        inner.dots.update((b, outer.dots[a]) for a, b in zip(self.found, turn.params, strict=True) if a in outer.dots)
        inner.top(turn.body, again, rest)
        self.tangent.block += again.block + rest.block
        outer.dots.update((a, inner.dots[b]) for a, b in zip(self.nexts, turn.results, strict=True) if b in inner.dots)

    def restored(self, array: Var, read: bool, again: Builder) -> Var:
        """Memory of the turn's own that holds what an array held when the turn began, if the turn reads that."""
        lengths = self.lengths(array)
        if array in self.unzip.families:  # one of several arrays, which may differ in shape
            shape = self.forward.dims(array)
            memory = again.zeros(shape, array.type.dtype, name=array.name)
        else:
            shape = lengths
            memory = self.linear.zeros(shape, array.type.dtype, name=array.name)
        if read:
            tape, index = self.unzip.tape(array.name, array.type.dtype, lengths, self.forward), self.unzip.level.index
            self.forward.each(shape, lambda b, at: b.store(tape, (*index, *at), b.load(array, *at)))
            again.each(shape, lambda b, at: b.store(memory, at, b.load(tape, *index, *at)))
        return variable(memory)

    def lengths(self, array: Atom) -> list[Atom]:
        """The lengths of an array's axes, known before the outermost loop; the longest of those of several arrays."""
        unzip = self.unzip
        family, let = unzip.families.get(variable(array)), unzip.lets.get(variable(array))
        if family and family.exchanged and array not in family.origins:
            each = [self.lengths(origin) for origin in family.origins]
            return [reduce(unzip.root.maximum, axes) for axes in zip(*each, strict=True)]
        if array in unzip.bound_at_root:
            return unzip.root.dims(array)
        if let is not None and let.word.name == "copy":
            return self.lengths(let.args[0])
        known = unzip.at_root(*let.args[1:]) if let is not None and let.word.name == "full" else None
        if known is None:
            unzip.refuse_kept_array(variable(array), self.loop.line)
        return known or []

    def refuse_aliases(self, array: Var) -> None:
        """What a turn finds is copied name by name, so no two names may mean one array."""
        family = self.unzip.families.get(array)
        names = {v for v in self.found if family and v in family.members}
        loops = (s for s in walk(self.unzip.program.body) if isinstance(s, (For, While)))
        if len(names) > 1 and not any(names <= {c.inner for c in loop.carries} for loop in loops):
            raise KernelError(
                f"in a checkpointed loop the name {array.name!r} means an array that has other names there",
                why="what a turn finds is copied name by name",
                hint="leave out checkpoint=, or use one name in the loop",
                where=f"line {self.loop.line}",
            )


class Changed:
    """The arrays that a turn writes and those whose contents it reads, by all their names."""

    def __init__(self, turn: Program):
        self.read: set[Atom] = set()
        self.written: set[Atom] = set()
        for s in walk(turn.body):
            if isinstance(s, Store):
                self.written.add(s.array)
                self.read.update([s.value] if s.value.type.rank else [])
            elif isinstance(s, Let) and s.word.name != "shape":
                self.written.update(s.args[:1] if s.word.name == "grow" else ())
                self.read.update(a for a in s.args if a.type.rank)
        for family in array_families(turn).values():
            for found in (self.read, self.written):
                found.update(family.members if not found.isdisjoint(family.members) else ())
