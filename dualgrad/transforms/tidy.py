"""Tidy: fold what is known, share what is equal, drop what nothing reads.

Nothing here changes a value, NaN and infinities included: a product with a literal zero
stays a product, because only structural zeros (never emitted at all) may vanish.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..core.build import fold
from ..core.program import INT, Atom, Block, For, If, Let, Program, Statement, Store, Var, While
from ..core.walk import atoms_read, blocks_of, head_of, rebuilt, vars_bound, walk
from .activity import Family, array_families

Names = dict[Var, Atom]
EFFECTS = ("full", "copy", "grow", "load", "series", "call", "item")  # words that must not be shared


def tidy(program: Program) -> Program:
    """The same program, smaller."""
    while True:
        names: Names = {}
        body = _share(program.body, names, {})
        results = [_name(a, names) for a in program.results]
        program = Program(program.name, program.params, body, results, program.linear)
        program.body = needed(program)
        if not _settle(program):
            return program


def _name(atom: Atom, names: Names) -> Atom:
    while isinstance(atom, Var) and atom in names:
        atom = names[atom]
    return atom


def _key(atom: Atom) -> Any:
    """0.0 and -0.0 are equal but not the same value."""
    return atom if isinstance(atom, Var) else (repr(atom.value), atom.type)


def _share(block: Block, names: Names, known: dict[Any, Atom]) -> Block:
    """Fold, and give equal values (of words without memory) one variable."""
    out: Block = []
    known = dict(known)
    for s in block:
        s = rebuilt(s, lambda a: _name(a, names), lambda inner: _share(inner, names, known))
        if isinstance(s, Let):
            key = (s.word.name, tuple(map(_key, s.args)), tuple(sorted(s.params.items())), s.target.type)
            same = fold(s.word.name, s.args)
            if same is None and s.word.name == "move" and s.args[0].type == s.target.type:
                same = s.args[0]
            if same is None and s.word.name not in EFFECTS and not s.word.makes:
                same = known.get(key)
            if same is not None:
                names[s.target] = same
                continue
            known[key] = s.target
            if s.word.name == "full":  # an array stays as long as it was made
                known.update((("shape", (s.target,), (("axis", k),), INT), n) for k, n in enumerate(s.args[1:]))
        out.append(s)
    return out


def _settle(program: Program) -> bool:
    """Remove carries that never change and joins of one value; whether anything was removed."""
    names: Names = {}
    for s in walk(program.body):
        if isinstance(s, (For, While)):
            for c in list(s.carries):
                if c.next is c.inner or c.next == c.init:
                    names[c.inner] = names[c.out] = c.init
                    s.carries.remove(c)
        elif isinstance(s, If):
            for j in list(s.joins):
                if j.then == j.orelse:
                    names[j.out] = j.then
                    s.joins.remove(j)
    if names:
        program.body = _share(program.body, names, {})
        program.results = [_name(a, names) for a in program.results]
    return bool(names)


class Live(set[Var]):
    """The variables that something reads."""

    families: Mapping[Var, Family]

    def holds(self, array: Var) -> bool:
        """Whether an array's memory is read, perhaps by another of its names."""
        return array in self or array in self.families and not self.isdisjoint(self.families[array].members)


def needed(program: Program) -> Block:
    """The body without dead code: mark from the results and the parameters' memory, keep what is marked."""
    live = Live({a for a in program.results if isinstance(a, Var)} | set(program.params))
    live.families = array_families(program)
    size = -1
    while len(live) != size:
        size = len(live)
        _mark(program.body, live)
    return _keep(program.body, live)


def _mark(block: Block, live: Live) -> None:
    """Add what live statements read, the last statement first."""
    for s in reversed(block):
        if is_live(s, live):
            live.update(a for a in _reads(s, live) if isinstance(a, Var))
            for inner in blocks_of(s):
                _mark(inner, live)


def _reads(s: Statement, live: Live) -> Iterator[Atom]:
    """What a live statement reads, and for the sake of which of its results."""
    if isinstance(s, If):
        yield s.test
        yield from (a for j in s.joins if j.out in live for a in (j.then, j.orelse))
    elif isinstance(s, (For, While)):
        yield from head_of(s)
        yield from (a for c in s.carries if c.out in live or c.inner in live for a in (c.init, c.next))
    else:
        yield from atoms_read(s)


def is_live(s: Statement, live: Live) -> bool:
    """Whether something that a statement does is read."""
    if isinstance(s, Let):
        return s.target in live or s.word.name == "fail"
    if isinstance(s, Store):
        return live.holds(s.array)
    if any(v in live for v in vars_bound(s) if not (isinstance(s, For) and v is s.var)):
        return True
    bodies = [s.body] if isinstance(s, While) else blocks_of(s)
    return any(is_live(t, live) for inner in bodies for t in inner)


def _keep(block: Block, live: Live) -> Block:
    kept = [s for s in block if is_live(s, live)]
    for k, s in enumerate(kept):
        if isinstance(s, (Let, Store)):
            continue
        s = kept[k] = rebuilt(s, lambda a: a, lambda inner: _keep(inner, live))
        if isinstance(s, If):
            s.joins = [j for j in s.joins if j.out in live]
        elif isinstance(s, (For, While)):
            s.carries = [c for c in s.carries if c.out in live or c.inner in live]
    return kept
