"""Activity: which values can carry a tangent, given which parameters do.

An inactive value has no tangent at all: its derivative is a structural zero, and no
statement is ever written for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..core.program import Atom, For, If, Let, Program, Statement, Store, Var, While
from ..core.walk import blocks_of, vars_bound, walk

NEW = ("full", "copy", "frozen")  # words whose array is no other's memory (a frozen one is never written)


def active_vars(program: Program, sources: Iterable[Var]) -> set[Var]:
    """Every variable that depends differentiably on ``sources``; an array as a whole."""
    active = set(sources)
    statements = list(walk(program.body))
    size = -1
    while len(active) != size:
        size = len(active)
        for s in statements:
            if isinstance(s, Let):
                _let(s, active)
            elif isinstance(s, Store):
                _flow([s.value], s.array, active)
            elif isinstance(s, (For, While)):
                for c in s.carries:
                    _together((c.inner, c.out), (c.init, c.next), active)
            elif isinstance(s, If):
                for j in s.joins:
                    _together((j.out,), (j.then, j.orelse), active)
    return active


def _let(s: Let, active: set[Var]) -> None:
    if s.word.name == "grow":  # perhaps the same memory
        _together((s.target,), s.args[:1], active)
    elif s.word.name == "call":  # of several results, which have no type of their own
        if any(a in active for a in s.args):
            active.add(s.target)
    elif s.word.kind != "discrete":
        args = s.args[:1] if s.word.name in ("load", "full") else s.args
        args = s.args[1:] if s.word.name == "rejoined" else args
        _flow(args, s.target, active)


def _flow(sources: Iterable[Atom], target: Var, active: set[Var]) -> None:
    if target.type.differentiable and any(a in active for a in sources if isinstance(a, Var)):
        active.add(target)


def _together(targets: tuple[Var, ...], sources: Iterable[Atom], active: set[Var]) -> None:
    """Scalars flow forward; arrays that may be one memory are active together."""
    group = [a for a in (*targets, *sources) if isinstance(a, Var)]
    if any(a in active for a in group):
        if targets[0].type.rank and targets[0].type.differentiable:
            active.update(group)
        else:
            for target in targets:
                _flow((*sources, *targets), target, active)


def chooses_by(block: list[Statement], values: Iterable[Atom]) -> bool:
    """Whether a comparison, a rounding or a selection depends on one of these values."""
    reached: set[Atom] = set(values)
    statements = list(walk(block)) if reached else []
    size = -1
    while len(reached) != size:
        size = len(reached)
        for s in statements:
            if isinstance(s, Let) and not reached.isdisjoint(s.args) and s.word.name not in ("shape", "length"):
                if s.word.kind in ("selecting", "discrete") or not s.target.type.differentiable:
                    return True
                reached.add(s.target)
            elif isinstance(s, Store) and s.value in reached:
                reached.add(s.array)
            elif isinstance(s, (For, While)):
                changed = [c for c in s.carries if not reached.isdisjoint((c.init, c.next))]
                reached.update(v for c in changed for v in (c.inner, c.out))
            elif isinstance(s, If):
                reached.update(j.out for j in s.joins if not reached.isdisjoint((j.then, j.orelse)))
    return False


@dataclass(eq=False)
class Family:
    """Array variables that may name the same memory; ``final`` is the last of them that the block of the first binds.

    They are ``exchanged`` if nothing happens to them but that loops permute their names (``a, b = b, a``).
    """

    members: set[Var] = field(default_factory=set)
    origins: list[Var] = field(default_factory=list)
    final: Var | None = None
    exchanged: bool = True


def array_families(program: Program) -> dict[Var, Family]:
    """The arrays that loops, branches and ``grow`` connect (an array that nothing exchanges has no entry)."""
    families: dict[Var, Family] = {}

    def connect(*atoms: Atom, exchanged: bool = False) -> None:
        arrays = [a for a in atoms if isinstance(a, Var) and a.type.rank > 0]
        merged = Family(exchanged=exchanged and all(families[a].exchanged for a in arrays if a in families))
        for a in arrays:
            merged.members |= families[a].members if a in families else {a}
        families.update(dict.fromkeys(merged.members, merged))

    statements = list(walk(program.body))
    for s in statements:
        if isinstance(s, Let) and s.word.name in ("grow", "move"):
            connect(s.target, s.args[0])
        elif isinstance(s, (For, While)):
            for c in s.carries:
                connect(*c, exchanged=True)
        elif isinstance(s, If):
            for j in s.joins:
                connect(*j)
    if families:
        _origins(program, statements, families)
        for s in statements:
            _permuted(s, families)
    return families


def shared_arrays(program: Program) -> set[Atom]:
    """Arrays that may be one memory under several names: those of families, and what words hand on as it is."""
    found: set[Atom] = {v for f in array_families(program).values() for v in f.members}
    for s in walk(program.body):
        if isinstance(s, Let) and s.target.type.rank and not (s.word.makes or s.word.name in NEW):
            found.update((s.target, *(a for a in s.args if a.type.rank)))
    return found


def _origins(program: Program, statements: list[Statement], families: dict[Var, Family]) -> None:
    """Where the memory of each family is made, and its last name in that block."""
    lets = [s for s in statements if isinstance(s, Let) and s.word.name not in ("grow", "move")]
    for v in [*program.params, *(s.target for s in lets)]:
        if v in families:
            families[v].origins.append(v)
    for block in (program.body, *(inner for s in statements for inner in blocks_of(s))):
        bound = [v for s in block for v in vars_bound(s) if v in families]
        for v in bound:
            if families[v].origins[:1] and families[v].origins[0] in bound:
                families[v].final = v


def _permuted(s: Statement, families: dict[Var, Family]) -> None:
    """See whether the names that leave a turn are those that entered it, in another order."""
    if not isinstance(s, (For, While)):
        return
    for family in {id(f): f for c in s.carries if (f := families.get(c.inner))}.values():
        carries = [c for c in s.carries if c.inner in family.members]
        names = {c.next for c in carries}
        for inner in reversed(s.body):  # back through the loops inside
            changed = [c for c in getattr(inner, "carries", ()) if c.inner in family.members]
            if not names.isdisjoint(c.out for c in changed):
                family.exchanged &= names.issuperset(c.out for c in changed)
                names = names - {c.out for c in changed} | {c.init for c in changed}
        family.exchanged &= len(names) == len(carries) and names == {c.inner for c in carries}
