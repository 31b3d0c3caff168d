"""Memory that need not be asked: a load of what was just stored is that value, a store that nobody sees is none.

Arrays are told apart by their variables: what a derivative writes overlaps with nothing else (callers are
refused, and its own buffers are new).  Arrays that loops and branches exchange are left alone.  Two places of
one array are surely different only if their indices are natural and differ by a constant.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from ..core.build import Builder
from ..core.program import Atom, Block, Const, For, If, Let, Program, Statement, Store, Var, While
from ..core.walk import atoms_read, blocks_of, rebuilt, walk
from .activity import shared_arrays
from .forms import Form
from .ranges import Ranges, indices


class Place(NamedTuple):
    """An entry of an array; literals of the index stand as numbers."""

    array: Atom
    at: tuple[Any, ...]


class Places:
    """The entries that statements load and store, and which of them differ."""

    def __init__(self, program: Program):
        self.flags: dict[int, list[bool]] = {}  # by the statement: which of its indices are natural
        self.ranges = Ranges(program)
        self.ranges.walk(self.look)
        self.natural: dict[Place, list[bool]] = {}
        self.exchanged = shared_arrays(program)

    def look(self, s: Statement) -> None:
        if index := indices(s):
            self.flags[id(s)] = [self.ranges.is_natural(a) for a in index]

    def enter(self, s: Statement, index: Iterable[Atom]) -> Place | None:
        """The place of a load or store (with these names for its index); None where it has several names."""
        place = self.of(s, index)
        if place is not None:
            self.natural[place] = self.flags[id(s)]
        return place

    def of(self, s: Statement, index: Iterable[Atom]) -> Place | None:
        array = s.array if isinstance(s, Store) else s.args[0] if indices(s) and isinstance(s, Let) else None
        found = tuple(a.value if isinstance(a, Const) else a for a in index)
        return Place(array, found) if array is not None and found and array not in self.exchanged else None

    def meet(self, a: Place, b: Place) -> bool:
        """Whether two places may be the same."""
        if a.array is not b.array or a == b:
            return a == b
        known = zip(a.at, b.at, self.natural[a], self.natural[b], strict=True)
        return not any(m and n and self.apart(i, j) for i, j, m, n in known)

    def apart(self, i: Any, j: Any) -> bool:
        forms = [self.ranges.form(k) if isinstance(k, Var) else Form(k) for k in (i, j)]
        difference = forms[0].minus(forms[1])
        return not difference.terms and difference.const != 0


def arrays_stored(block: Block) -> set[Atom]:
    return {s.array for s in walk(block) if isinstance(s, Store)}


def arrays_read(block: Block) -> set[Atom]:
    """Arrays whose contents are read, or handed on under another name."""
    found: set[Atom] = set()
    for s in walk(block):
        if isinstance(s, Store):
            found |= {a for a in (s.value, *s.index) if a.type.rank}
        elif not (isinstance(s, Let) and s.word.name == "shape"):
            found |= {a for a in atoms_read(s) if isinstance(a, Var) and a.type.rank}
    return found


def forwarded(program: Program) -> Program:
    """The same program with fewer loads and stores."""
    places = Places(program)
    forward = _Forward(places)
    body = forward.block(program.body, {})
    results = [forward.name(a) for a in program.results]
    body = _Backward(places).block(unseen(body, results, set(program.params) | places.exchanged), set())
    return replace(program, body=body, results=results)


class _Forward:
    """From the first statement to the last: ``known`` has what places are known to hold."""

    def __init__(self, places: Places):
        self.places, self.names = places, dict[Atom, Atom]()

    def name(self, atom: Atom) -> Atom:
        return self.names.get(atom, atom) if isinstance(atom, Var) else atom

    def block(self, block: Block, known: dict[Place, Atom]) -> Block:
        b, added = Builder(), dict[Place, Store]()
        for s in block:
            b.line = s.line
            place = self.places.enter(s, map(self.name, indices(s)))
            stored = arrays_stored([s]) if blocks_of(s) else set()
            inside = {p: v for p, v in known.items() if p.array not in stored or isinstance(s, If)}
            new = rebuilt(s, self.name, lambda inner, inside=inside: self.block(inner, dict(inside)))  # type: ignore[misc]
            if isinstance(new, Let) and place is not None:
                if place in known:
                    self.names[new.target] = known[place]
                    continue
                known[place] = new.target
            elif isinstance(new, Store):
                self.store(new, place, known, added, b)
                continue
            elif stored:
                known = {p: v for p, v in known.items() if p.array not in stored}
            if added:
                read = arrays_read([new]) | stored
                added = {p: t for p, t in added.items() if p.array not in read}
            b.block.append(new)
        return b.block

    def store(
        self, s: Store, place: Place | None, known: dict[Place, Atom], added: dict[Place, Store], b: Builder
    ) -> None:
        """What is added to a known value is a value; what is added twice is added once, the second time."""
        if s.accumulate and place is not None and place in known:
            s = replace(s, value=b.add(known[place], s.value), accumulate=False)
        elif s.accumulate and place is not None and place in added:
            before = added[place]
            b.block[:] = [t for t in b.block if t is not before]
            s = replace(s, value=b.add(before.value, s.value))
        for other in [p for p in added if p.array is s.array and (place is None or self.places.meet(p, place))]:
            del added[other]
        if s.accumulate and place is not None:
            added[place] = s
        for other in [p for p in known if p.array is s.array and (place is None or self.places.meet(p, place))]:
            del known[other]
        if place is not None and not s.accumulate:
            known[place] = s.value
        b.block.append(s)


class _Backward:
    """From the last statement to the first: ``pending`` has places that will be overwritten before they are read."""

    def __init__(self, places: Places):
        self.places = places

    def block(self, block: Block, pending: set[Place]) -> Block:
        kept: Block = []
        for s in reversed(block):
            place = self.places.of(s, indices(s))
            if isinstance(s, Store) and place is not None:
                if place in pending:
                    continue
                if not s.accumulate:
                    pending.add(place)
            elif isinstance(s, Let) and place is not None:
                pending = {p for p in pending if not self.places.meet(p, place)}
            if not isinstance(s, Let) or place is None:
                read = arrays_read([s])
                pending = {p for p in pending if p.array not in read}
            if isinstance(s, (For, While)):
                s = rebuilt(s, lambda a: a, lambda inner: self.block(inner, set()))
            elif isinstance(s, If):
                after = pending
                s = rebuilt(s, lambda a: a, lambda inner, after=after: self.block(inner, set(after)))  # type: ignore[misc]
            kept.append(s)
        return kept[::-1]


def unseen(body: Block, results: list[Atom], kept: set[Any]) -> Block:
    """The body without stores into arrays that nothing after them reads; those in ``kept`` are read by others."""
    out: Block = []
    read = {a for a in results if isinstance(a, Var)} | kept
    for s in reversed(body):
        read |= arrays_read([s])
        seen = frozenset(read)
        out += reversed(_seen([s], seen))
    return out[::-1]


def _seen(block: Block, read: frozenset[Any]) -> Block:
    found = [s for s in block if not isinstance(s, Store) or s.array in read]
    return [rebuilt(s, lambda a: a, lambda inner: _seen(inner, read)) if blocks_of(s) else s for s in found]
