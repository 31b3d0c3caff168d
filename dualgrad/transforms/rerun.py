"""A turn of a checkpointed loop runs again in the linear program, which keeps only what the turn found.

What it found are numbers, which are kept as any other, and the arrays that it writes (or that change later): their
contents at the beginning of the turn are kept, and the turn that runs again has memory of its own for them.  It is
linearized where it runs: what its own loops keep is forgotten when the turn is over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

from ..core.build import Builder
from ..core.errors import KernelError
from ..core.program import INT, Atom, Const, For, Let, Program, Store, Var, While, variable
from ..core.walk import free_vars, walk
from .activity import array_families
from .ssa import ssa
from .window import window

if TYPE_CHECKING:
    from .linearize import Unzip


ZERO = Const(0, INT)


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
                old = self.restored(old, new, changed, again)
            again.bind(new, old)
        self.forward.block += self.loop.body
        inner = type(outer)(turn, tuple(v in outer.active for v in self.found))
        inner.root = inner.primal = again
        inner.dots.update((b, outer.dots[a]) for a, b in zip(self.found, turn.params, strict=True) if a in outer.dots)
        inner.top(turn.body, again, rest)
        self.tangent.block += again.block + rest.block
        outer.dots.update((a, inner.dots[b]) for a, b in zip(self.nexts, turn.results, strict=True) if b in inner.dots)

    def restored(self, array: Var, new: Var, changed: Changed, again: Builder) -> Var:
        """Memory of the turn's own that holds what an array held when the turn began, as far as the turn reads it."""
        root = self.unzip.root
        if new not in changed.written and array in self.unzip.bound_at_root and self.unzip.primal is root:
            return variable(root.copy(array))  # it changes after the loop
        if array in self.unzip.families:  # one of several arrays, which may differ in shape
            shape = self.forward.dims(array)
            memory = again.zeros(shape, array.type.dtype, name=array.name)
        else:
            shape = self.lengths(array)
            memory = self.linear.zeros(shape, array.type.dtype, name=array.name)
        if new in changed.read:
            self.keep(variable(array), variable(memory), shape, again)
        return variable(memory)

    def keep(self, array: Var, memory: Var, shape: list[Atom], again: Builder) -> None:
        """Keep an array's contents, or the rows that the turn may touch; ``again`` copies them to the memory."""
        root, index = self.unzip.root, self.unzip.level.index
        lengths, rows, size = self.lengths(array), None, None
        if isinstance(self.loop, For) and array not in self.unzip.families and (rows := window(self.loop, array)):
            size = self.unzip.at_root(self.loop.step)
        if rows and size:
            lengths[rows.axis] = rows.height(size[0], root)
        tape = self.unzip.tape(array.name, array.type.dtype, lengths, self.forward)

        def moved(b: Builder, write: Callable[[Builder, tuple[Atom, ...], tuple[Atom, ...]], None]) -> None:
            begin: list[Atom] = [ZERO for _ in shape]
            shift, count = list(begin), list(shape)
            if rows and size:
                axis, n = rows.axis, shape[rows.axis]
                first = rows.lowest(variable(loop.var), loop.step, b)
                begin[axis] = b.maximum(first, b.neg(n))
                shift[axis] = b.sub(begin[axis], first)
                count[axis] = b.sub(b.minimum(b.add(first, lengths[axis]), n), begin[axis])

            def each(inner: Builder, k: tuple[Var, ...]) -> None:
                write(inner, tuple(map(inner.add, begin, k)), tuple(map(inner.add, shift, k)))

            b.each(count, each)

        loop: Any = self.loop
        moved(self.forward, lambda b, at, place: b.store(tape, (*index, *place), b.load(array, *at)))
        moved(again, lambda b, at, place: b.store(memory, at, b.load(tape, *index, *place)))

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
            elif isinstance(s, Let) and s.word.name == "grow":
                self.written.update(s.args[:1])
            elif isinstance(s, Let) and s.word.name != "shape":
                self.read.update(a for a in s.args if a.type.rank)
        for family in array_families(turn).values():
            for found in (self.read, self.written):
                found.update(family.members if not found.isdisjoint(family.members) else ())
