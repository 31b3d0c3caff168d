"""Activity: which values can carry a tangent, given which parameters do.

An inactive value has no tangent at all: its derivative is a structural zero, and no
statement is ever written for it.
"""

from __future__ import annotations

from collections.abc import Iterable

from dualgrad.core.program import Atom, For, If, Let, Program, Store, Var, While, walk


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
        _together((s.target,), s.args, active)
    elif s.word.kind != "discrete":
        args = s.args[:1] if s.word.name in ("load", "full") else s.args
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
