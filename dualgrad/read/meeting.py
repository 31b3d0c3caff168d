"""Where paths meet: a name that means several arrays gets memory of its own, filled on each path.

A loop that binds a name to a new array (``x = x + dt * f(x)``) has one buffer for it, made before
the loop; the end of each turn copies the new entries into it.  So a name means one array
throughout, and reverse mode keeps numbers and never arrays.  What NumPy would do differently,
writing to the array that the name meant *before* the loop, is owned by nobody else or refused.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from dualgrad.core.program import Atom, Let, Statement, Store, Type, Var
from dualgrad.core.walk import vars_bound, walk
from dualgrad.core.words import WORDS

from .expressions import HARMLESS, Expressions, Side
from .values import Array, Bound, Elements, ReadAgain, Unclear, Value, is_number, leaves, mapped, unified, whole


def at_once(moves: list[Statement]) -> list[Statement]:
    """Moves of which none sees the effect of another: arrays first get names of their own."""
    between = {s.target: Var(s.target.name, s.target.type) for s in moves if isinstance(s, Let) and s.target.type.rank}
    first = [replace(s, target=between[s.target]) for s in moves if isinstance(s, Let) and s.target in between]
    rest = [s for s in moves if not (isinstance(s, Let) and s.target in between)]
    return [*first, *rest, *(Let(v, WORDS["move"], (w,)) for v, w in between.items())]


def exchangeable(x: Array, y: Array) -> bool:
    """Whether one variable may stand for both."""
    return x.is_memory and x.is_whole and y.is_memory and y.is_whole and x.type == y.type


@dataclass
class Loop:
    """The end of a loop's turn: its body, and moves that all happen at once when the turn is over.

    ``buffers`` are memory for names that the body binds to new arrays, ``own`` variables for names that it exchanges.
    """

    buffers: set[Any] = field(default_factory=set)
    own: set[Any] = field(default_factory=set)
    block: list[Statement] = field(default_factory=list)
    end: list[Statement] = field(default_factory=list)

    def exchanges(self, x: Array, y: Array) -> bool:
        """Whether a name only gets another array that was there before the turn."""
        if not exchangeable(x, y):
            return False
        moves = [s for s in walk(self.block) if isinstance(s, Let) and s.target.type.rank]
        lets: dict[Atom | Elements, Let] = {s.target: s for s in moves}
        names: list[Atom | Elements] = [y.source]
        known = {*names}
        for v in names:  # the memories that it may stand for
            if v in lets and lets[v].word.name != "move":
                return False
            more = [s.args[0] for s in moves if s.target is v and s.args[0] not in known]
            names += more
            known.update(more)
        return not {x.source, *known} & self.buffers

    def lasting(self, value: Value) -> Value:
        """What a name means after a turn, when names of arrays have been exchanged."""
        return mapped(lambda v: Unclear() if isinstance(v, Array) and v.source in self.own else v, value)


class Meeting(Expressions):
    """One meaning for names that paths leave with different ones."""

    caller: Meeting | None = None
    path_names: tuple[dict[str, Bound], dict[str, Bound]] = ({}, {})  # what names mean at the ends of both paths

    def meet(self, name: str, line: int, a: Side, b: Side, loop: Loop | None = None) -> Value:
        """What a name means after two paths, which may be turns of a loop."""
        (x, x_sure), (y, y_sure) = a[0], b[0]
        if x == y or isinstance(x, Unclear) and not x.places:
            return x
        if type(x) is type(y) is tuple and len(x) == len(y):
            pairs = zip(x, y, strict=True)
            sides = [((Bound(p, x_sure), a[1]), (Bound(q, y_sure), b[1])) for p, q in pairs]
            return tuple(self.meet(name, line, *side, loop) for side in sides)
        if not is_number(x) or not is_number(y):
            place = (self.source.function, line, name)
            can = all(isinstance(v, (Array, Unclear)) for v in (x, y)) and x_sure and y_sure
            known = isinstance(x, Array) and isinstance(y, Array)
            if not can or known and len(x.axes) != len(y.axes):
                return Unclear()
            if known and place in self.wanted:
                if loop is None and ("by name", place) in self.wanted and exchangeable(x, y):
                    return self.either(name, a, b)
                one_meaning = (
                    partial(self.meet_of_branches, place=place)
                    if loop is None
                    else partial(self.meet_of_turns, loop=loop)
                )
                return one_meaning(name, a, b)
            earlier = [v.places for v in (x, y) if isinstance(v, Unclear)]
            places = frozenset([place]).union(*earlier) if all(earlier) else frozenset()
            return x if isinstance(x, Unclear) and x.places == places else Unclear(places)
        found = unified(x.type, y.type)
        target = next((v for v in (x, y) if v.type == found), None) or Var(name.strip("."), found)
        for bound, block in (a, b):
            if bound.value is not target:
                if not bound.sure:
                    self.start_at_zero(bound.value)
                with self.into(block):
                    self.write(target, bound.value)
        return target

    # Loops

    def meet_of_turns(self, name: str, before: Side, after: Side, loop: Loop) -> Array:
        """One array throughout a loop: a buffer for what its turns make, a variable where they only exchange names."""
        x, y = before[0].value, after[0].value
        dtype = unified(x.type, y.type).dtype
        if loop.exchanges(x, y):
            target = x.var if x.var in loop.own else Var(name.strip("."), x.type)
            loop.own.add(target)
            if {x.source, y.source} <= {*self.dims, *self.arguments} and self.shape(x) == self.shape(y):
                self.dims[target] = self.shape(x)
            for array, block in ((x, before[1]), (y, loop.end)):
                if array.var is not target:
                    with self.into(block):
                        self.b.bind(target, array.var)
            return whole(target)
        if x.source in loop.buffers and x.type.dtype == dtype:
            self.alias(name, x.source, y, self.path_names[1])
            self.filled(x, y, loop.block)
            return x
        with self.into(before[1]):
            new = self.fresh(x, dtype)
        new.var.name = name.strip(".")
        loop.buffers.add(new.source)
        self.note_stores(before[1], new.source)
        self.alias(name, new.source, x, self.path_names[0])
        return new

    def filled(self, target: Array, value: Array, block: list[Statement]) -> None:
        """Copy an array into a buffer at the end of a path."""
        mark = len(block)
        with self.into(block):
            self.assign_into(ast.Pass(lineno=self.b.line), target, value)
        self.note_stores(block[mark:], target.source)

    def spared(self, before: dict[str, Bound], loop: Loop) -> None:
        """What still has to be read of a buffer that the end of a turn overwrites is copied first."""
        changes = {n for n, bound in before.items() if self.env[n].value != bound.value}
        overwritten = {
            v.source for n in changes for v in leaves(before[n].value) if isinstance(v, Array)
        } & loop.buffers

        def copy(v: Value) -> Value:
            if not isinstance(v, Array) or v.source not in overwritten:
                return v
            with self.into(loop.block):
                new = self.fresh(v)
            self.origins[new.source] = [(v.source, False)]
            self.note_stores(loop.block, new.source)
            return new

        for n, bound in self.env.items():
            if n in changes or n not in before:
                self.env[n] = Bound(mapped(copy, bound.value), bound.sure)

    # Branches

    def meet_of_branches(self, name: str, a: Side, b: Side, place: Any = None) -> Array:
        """A buffer made before the branch if its shape is known there; else the name of whichever array it is."""
        x, y = a[0].value, b[0].value
        shape = self.shape_outside(x, y, [*a[1], *b[1]])
        if shape is None:
            return self.either(name, a, b)
        new = self.zeros(shape, unified(x.type, y.type).dtype)
        new.var.name = name.strip(".")
        if place is not None and exchangeable(x, y):
            self.chosen[new.source] = place
        for (bound, block), names in zip((a, b), self.path_names, strict=True):
            self.alias(name, new.source, bound.value, names)
            self.filled(new, bound.value, block)
        return new

    def shape_outside(self, x: Array, y: Array, blocks: list[Statement]) -> list[Atom] | None:
        """A shape that two branches give an array, in terms of what is known before them."""
        if any(v.is_memory and v.source not in {*self.dims, *self.arguments} for v in (x, y)):
            return None  # the name of one array or another
        bound = Counter(v for s in walk(blocks) for v in vars_bound(s))
        lets: dict[Atom, Let] = {s.target: s for s in walk(blocks) if isinstance(s, Let) and bound[s.target] == 1}
        words = (*HARMLESS, "checked", "length")

        def lifted(atom: Atom) -> Atom | None:
            if atom not in bound:
                return atom
            let = lets.get(atom)
            if let is None or let.word.name not in words:
                return None
            args = [lifted(arg) for arg in let.args[: 1 if let.word.name == "checked" else None]]
            if None in args:
                return None
            return args[0] if let.word.name in ("checked", "move") else self.b.emit(let.word, *args, **let.params)

        shape = [lifted(self.length(x, k)) or lifted(self.length(y, k)) for k in range(len(x.axes))]
        known = [n for n in shape if n is not None]
        return known if len(known) == len(shape) else None

    def either(self, name: str, a: Side, b: Side) -> Array:
        """One name for two memories: forward mode only."""
        dtype = unified(a[0].value.type, b[0].value.type).dtype
        target = Var(name.strip("."), Type(dtype, len(a[0].value.axes)))
        for bound, block in (a, b):
            with self.into(block):
                v = bound.value
                v = v if v.is_whole and v.type.dtype == dtype else self.fresh(v, dtype)
                self.b.bind(target, v.var)
        self.pending.append(target)
        return whole(target)

    def measure_pending(self) -> None:
        """The lengths of arrays that have just got one name for two memories."""
        for var in self.pending:
            self.dims[var] = tuple(self.b.dims(var))
        self.pending.clear()

    # Writing to what a name meant elsewhere

    def alias(self, name: str, buffer: Any, value: Array, names: dict[str, Bound]) -> None:
        """Note that a buffer stands for an array, and whether among the names of a path that array has others."""
        callers = [] if self.caller is None else list(self.caller.all_bound())
        others = [bound for n, bound in names.items() if n != name] + callers
        shared = any(v.source is value.source for bound in others for v in leaves(bound.value) if isinstance(v, Array))
        self.origins.setdefault(buffer, []).append((value.source, value.source in self.fresh_arrays and not shared))

    def all_bound(self) -> Iterator[Bound]:
        """What the names of this function, and of those that called it, mean."""
        yield from self.env.values()
        if self.caller is not None:
            yield from self.caller.all_bound()

    def note_stores(self, block: Iterable[Statement], array: Any) -> None:
        """Stores by which a path fills a buffer."""
        self.own_stores.update({id(s): s for s in walk(list(block)) if isinstance(s, Store) and s.array is array})

    def guard(self, copy: Any, base: Any) -> None:
        """NumPy's ``copy`` may be a view of ``base``: neither may be written from here on."""
        self.guards[copy] = (copy, base)
        self.note_stores(self.b.block, copy)

    def check_writes(self, body: list[Statement]) -> None:
        """Refuse stores into a buffer that stands for an array with other names."""
        shared: set[Any] = set()
        size = -1
        while len(shared) != size:
            size = len(shared)
            for buffer, origins in self.origins.items():
                if any(not alone and v not in self.origins or v in shared for v, alone in origins):
                    shared.add(buffer)
        forbidden: set[Any] = set()
        by_name = {("by name", self.chosen[v]) for v in shared if v in self.chosen} - self.wanted
        for s in walk(body):
            if isinstance(s, Let):
                forbidden.update(self.guards.get(s.target, ()))
                forbidden.update({s.target} & shared)
            elif isinstance(s, Store) and s.array in forbidden and id(s) not in self.own_stores:
                if by_name:  # then the choice is left to the run
                    self.wanted.update(by_name)
                    raise ReadAgain
                self.source.refuse(ast.Pass(lineno=s.line), "rebound", array=s.array.name)
