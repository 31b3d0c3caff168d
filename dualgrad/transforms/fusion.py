"""Two loops over the same range become one where no turn could tell the difference.

The forward sweep's loop over the data and the loop of the reverse sweep, which runs through the same data
backwards, are one loop if what the first leaves for the second it leaves turn by turn: then what a turn keeps is
used while it is still in the processor's cache, in a buffer of one turn's size.

Statements between the loops that the second one needs go before both; they may not need the first.  If the
loops run in opposite directions the first is turned around: its carries have to be sums, and what one of its
turns reads of memory it must have written itself, or it is memory in which each turn has its own entries.  Two
loops may meet in an array if each turn has its own entries there, the same in both, or if both only add to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..core.program import Atom, Block, Const, For, Let, Program, Statement, Store, Var
from ..core.walk import atoms_read, blocks_of, rebuilt, vars_bound, walk
from .coverage import Coverage
from .forms import Form
from .ranges import indices
from .tidy import tidy

LIMIT = 12  # so many pairs of loops are fused
LONGEST = 400  # statements: the proofs take time that grows faster than a program, and with the depth of its loops


def fused(program: Program) -> Program:
    """The program with loops over the same range made one, as far as that is proven to change nothing."""
    if sum(1 for _ in walk(program.body)) > LONGEST:
        return program
    for _ in range(LIMIT):
        found = Fusion(program).block(program.body)
        if found is None:
            break
        program = tidy(contracted(replace(program, body=found)))
    return program


@dataclass
class Effects:
    """What statements read, bind, and do to memory."""

    reads: set[Atom]
    binds: set[Atom]
    loads: set[Atom]
    stores: set[Atom]
    adds: set[Atom]  # of the arrays stored into: those that are only added to
    fails: bool  # whether they may raise for the sake of what comes after them

    @staticmethod
    def of(statements: Iterable[Statement]) -> Effects:
        inside = list(walk(list(statements)))
        stores = [s for s in inside if isinstance(s, Store)]
        loads: set[Atom] = set()
        for s in inside:
            if isinstance(s, Store):
                loads |= {a for a in (s.value, *s.index) if a.type.rank}
            elif not (isinstance(s, Let) and s.word.name == "shape"):
                loads |= {a for a in atoms_read(s) if isinstance(a, Var) and a.type.rank}
        stored: set[Atom] = {s.array for s in stores}
        overwritten = {s.array for s in stores if not s.accumulate}
        fails = any(isinstance(s, Let) and s.word.name == "fail" for s in inside)
        reads = {a for s in inside for a in atoms_read(s)}
        binds: set[Atom] = {v for s in inside for v in vars_bound(s)}
        return Effects(reads, binds, loads, stored, stored - overwritten - loads, fails)

    def meets(self, later: Effects) -> set[Atom]:
        """Arrays through which the order of two statements matters."""
        both = self.stores & (later.loads | later.stores) | self.loads & later.stores
        return both - (self.adds & later.adds)

    def precede(self, later: Effects) -> bool:
        """Whether later statements cannot be moved before these."""
        return self.fails or not self.binds.isdisjoint(later.reads) or bool(self.meets(later))


class Fusion:
    """Looks for two loops to fuse, given what is known of a program."""

    def __init__(self, program: Program):
        self.program, self.known = program, Coverage(program)

    def block(self, block: Block) -> Block | None:
        """The block with two of its loops (or of a block inside) fused; None if there are none."""
        loops = [k for k, s in enumerate(block) if isinstance(s, For) and isinstance(s.step, Const)]
        for j in loops:
            for i in reversed([i for i in loops if i < j]):
                found = self.pair(block, i, j)
                if found is not None:
                    return found
        for k, s in enumerate(block):
            for inner in blocks_of(s):
                changed = self.block(inner)
                if changed is not None:
                    new = rebuilt(s, lambda a: a, lambda b, inner=inner, changed=changed: changed if b is inner else b)  # type: ignore[misc]  # fmt: skip
                    return [*block[:k], new, *block[k + 1 :]]
        return None

    def pair(self, block: Block, i: int, j: int) -> Block | None:
        """The block with statements i and j fused."""
        first, second = block[i], block[j]
        assert isinstance(first, For) and isinstance(second, For)
        one, two = Effects.of([first]), Effects.of([second])
        if (
            one.fails
            or not self.same_range(first, second)
            or one.stores.isdisjoint(two.loads)
            or self.exchanges(one, two)
        ):
            return None
        before: Block = []
        after: Block = []
        needed = [two]
        for s in reversed(block[i + 1 : j]):
            effects = Effects.of([s])
            if any(effects.precede(n) for n in needed):
                if one.precede(effects):
                    return None
                needed.append(effects)
                before.insert(0, s)
            else:
                after.insert(0, s)
        if not one.binds.isdisjoint(two.reads) or not self.side_by_side(first, second, one.meets(two)):
            return None
        if first.reverse != second.reverse and not self.reorderable(first, one):
            return None
        return [*block[:i], *before, joined(first, second), *after, *block[j + 1 :]]

    def same_range(self, a: For, b: For) -> bool:
        ends = [[self.known.form(x) for x in (s.start, s.stop, s.step)] for s in (a, b)]
        return ends[0] == ends[1]

    def exchanges(self, *effects: Effects) -> bool:
        touched = set().union(*(e.loads | e.stores for e in effects))
        return not touched.isdisjoint(self.known.exchanged)

    def side_by_side(self, first: For, second: For, arrays: set[Atom]) -> bool:
        """Whether a turn of either loop meets only the same turn of the other in these arrays."""
        return all(self.own_axes(first, a) & self.own_axes(second, a) for a in arrays)

    def own_axes(self, s: For, array: Atom) -> set[tuple[int, int]]:
        """Axes (and offsets) on which every access in a loop is at the loop's variable, plus an offset."""
        found: set[tuple[int, int]] | None = None
        for t in walk(s.body):
            where = t.array if isinstance(t, Store) else t.args[0] if isinstance(t, Let) and t.args else None
            if where is not array or isinstance(t, Let) and t.word.name == "shape":
                continue
            flags = self.known.flags.get(id(t), [])
            index = indices(t)
            distances = [self.known.form(a).minus(Form.of(s.var)) for a in index]
            here = {(k, d.const) for k, d in enumerate(distances) if not d.terms and flags[k]}
            found = here if found is None else found & here
        return found or set()

    def reorderable(self, s: For, effects: Effects) -> bool:
        """Whether the turns of a loop may be made in any order (sums change only in rounding)."""
        return all(self.is_sum(s, c.inner, c.next) for c in s.carries) and all(
            a in effects.adds or self.own_axes(s, a) or self.is_private(s, a) for a in effects.stores
        )

    def is_sum(self, s: For, inner: Var, following: Atom) -> bool:
        lets = [t for t in s.body if isinstance(t, Let) and t.target is following]
        reads = [t for t in walk(s.body) if inner in set(atoms_read(t))]
        if not lets or reads != lets or any(c.next is inner for c in s.carries) or not inner.type.differentiable:
            return False
        uses = [t for t in walk(s.body) if following in set(atoms_read(t))]
        ends = sum(c.next is following for c in s.carries)
        let = lets[0]
        added = let.word.name == "add" or let.word.name == "sub" and let.args[0] is inner
        return added and let.args.count(inner) == 1 and not uses and ends == 1

    def is_private(self, s: For, array: Atom) -> bool:
        """Whether each turn reads of an array only what it has written, and nothing outside the loop reads it."""
        inside = {id(t) for t in walk(s.body)}
        for t in walk(self.program.body):
            reads = array in Effects.of([t] if not blocks_of(t) else []).loads or _hands_on(t, array)
            adds = isinstance(t, Store) and t.array is array and t.accumulate
            if (reads or adds) and not (id(t) in inside and id(s) in self.known.covered.get(id(t), ())):
                return False
        return array not in self.program.results and array not in self.program.params


def ascending(program: Program) -> Program:
    """The program with innermost loops that run backwards run forwards where the order does not matter.

    LLVM vectorises both, but has to turn each vector around in the first.
    """
    fusion = Fusion(program)

    def block(old: Block) -> Block:
        return [one(s) for s in old]

    def one(s: Statement) -> Statement:
        inside = blocks_of(s)
        if isinstance(s, For) and s.reverse and not any(blocks_of(t) for t in s.body):
            effects = Effects.of([s])
            if not effects.fails and not fusion.exchanges(effects) and fusion.reorderable(s, effects):
                return replace(s, reverse=False)
        return rebuilt(s, lambda a: a, block) if inside else s

    return replace(program, body=block(program.body))


def _hands_on(s: Statement, array: Atom) -> bool:
    return bool(blocks_of(s)) and array in set(atoms_read(s))


def joined(first: For, second: For) -> For:
    """One loop that makes both turns, in the second's order; no sweep any more, but of one turn."""
    names: dict[Atom, Atom] = {second.var: first.var}

    def renamed(block: Block) -> Block:
        new = [rebuilt(s, lambda a: names.get(a, a), renamed) for s in block]
        return [replace(s, sweep=False) if isinstance(s, For) else s for s in new]

    carries = [c._replace(next=names.get(c.next, c.next)) for c in second.carries]
    body = [*first.body, *renamed(second.body)]
    return replace(first, body=body, carries=[*first.carries, *carries], reverse=second.reverse, sweep=False)


# Memory of one turn


def contracted(program: Program) -> Program:
    """Arrays that have an axis for the turns of a loop, and that each turn uses for itself, lose that axis."""
    known = Coverage(program)
    for s in walk(program.body):
        if isinstance(s, For):
            stored = Effects.of([s]).stores
            for made in walk(program.body):
                if isinstance(made, Let) and made.word.name == "full" and made.target in stored:
                    axis = own_axis(program, known, s, made)
                    if axis is not None:
                        return contracted(without_axis(program, made, axis))
    return program


def own_axis(program: Program, known: Coverage, s: For, made: Let) -> int | None:
    """The axis of a buffer for the turns of a loop, if every turn reads there only what it wrote."""
    array, inside = made.target, {id(t) for t in walk(s.body)}
    if array.type.rank < 2 or array in program.results or array in known.exchanged:
        return None
    axes: set[int] = set(range(array.type.rank))
    for t in walk(program.body):
        if array not in set(atoms_read(t)):
            continue
        index = indices(t)
        reads = isinstance(t, Let) or isinstance(t, Store) and t.accumulate
        if id(t) not in inside or not index or reads and id(s) not in known.covered.get(id(t), ()):
            return None
        axes &= {k for k, a in enumerate(index) if known.form(a) == Form.of(s.var)}
    return min(axes, default=None)


def without_axis(program: Program, made: Let, axis: int) -> Program:
    array = made.target
    smaller = Var(array.name, array.type._replace(rank=array.type.rank - 1))

    def less(index: tuple[Atom, ...]) -> tuple[Atom, ...]:
        return index[:axis] + index[axis + 1 :]

    def block(old: Block) -> Block:
        return [one(s) for s in old]

    def one(s: Statement) -> Statement:
        if s is made:
            return replace(made, target=smaller, args=(made.args[0], *less(made.args[1:])))
        if isinstance(s, Store) and s.array is array:
            return replace(s, array=smaller, index=less(s.index))
        if isinstance(s, Let) and s.args and s.args[0] is array:
            return replace(s, args=(smaller, *less(s.args[1:])))
        return rebuilt(s, lambda a: a, block) if blocks_of(s) else s

    return replace(program, body=block(program.body))
