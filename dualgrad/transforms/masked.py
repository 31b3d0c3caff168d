"""Structural zeros: beside each tangent or cotangent goes a mask that says whether it is a number at all.

A fresh buffer, the zeros of a unit vector, a branch not taken, a cotangent cleared by a store are zero by
construction.  In ordinary arithmetic such a zero times an infinite derivative is NaN; here it stays what it is:
where the mask is off, a product is zero whatever the factor.  A sum is a number where one of its terms is, and what
moves a value moves its mask.  What the user passes as a tangent is a number everywhere, zero or not.

The result is a program of ordinary words: it can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..core.build import Builder
from ..core.program import (
    BOOL,
    Atom,
    Block,
    Carry,
    Const,
    For,
    If,
    Join,
    Let,
    Program,
    Statement,
    Store,
    Type,
    Var,
    While,
)
from ..core.walk import walk
from .activity import active_vars
from .entries import by_entries

TRUE, FALSE = Const(True, BOOL), Const(False, BOOL)
PRODUCTS = ("mul", "div")
SUMS = ("add", "sub")
MOVES = ("neg", "cast", "move", "part", "whole", "conj")


def masked(program: Program, masks: Mapping[Var, Var] | None = None) -> Block:
    """The body of a linear program with masks beside its linear variables.

    ``masks`` has the masks of linear parameters that are not numbers everywhere; the block reads them.
    """
    return with_masks(program, masks or {})[0]


def with_masks(program: Program, masks: Mapping[Var, Var]) -> tuple[Block, list[Atom]]:
    """The body with masks, and the masks of the results."""
    program = by_entries(program)
    writing = Masking(program, masks)
    b = Builder()
    for v in program.params:
        if v in writing.maybe and v not in writing.masks:
            writing.masks[v] = b.full(TRUE, *b.dims(v), dtype="bool", name=v.name + "_mask")
    writing.block(program.body, b)
    return b.block, [writing.of_result(a, b) for a in program.results]


def multiplies_zeros(program: Program, unsure: Iterable[Var] = ()) -> bool:
    """Whether a structural zero may meet a factor that is not known to be finite.

    ``unsure`` are the linear parameters that are not numbers everywhere.
    """
    program = by_entries(program)
    zeros = Zeros(program, unsure)
    return any(isinstance(s, Let) and zeros.is_scaled(s) for s in walk(program.body))


class Zeros:
    """Which linear variables may be (or hold) a structural zero: ``maybe``."""

    def __init__(self, program: Program, unsure: Iterable[Var]):
        params = program.params[len(program.params) - program.linear :]
        self.linear = active_vars(program, params) if params else set()
        self.maybe = set(unsure)
        statements = list(walk(program.body))
        size = -1
        while len(self.maybe) != size:
            size = len(self.maybe)
            for s in statements:
                self.statement(s)

    def unsure(self, atom: Atom) -> bool:
        """A literal in the place of a tangent is a zero that was made, or a seed."""
        return atom.value == 0 if isinstance(atom, Const) else atom in self.maybe

    def is_scaled(self, s: Let) -> bool:
        """Whether a let multiplies or divides what may be a structural zero by a variable."""
        if s.word.name not in PRODUCTS or s.target not in self.maybe:
            return False
        return not any(isinstance(a, Const) for a in s.args)

    def statement(self, s: Statement) -> None:
        if isinstance(s, Let):
            if s.target in self.linear and self.of_let(s):
                self.maybe.add(s.target)
        elif isinstance(s, Store):
            if s.array in self.linear and not s.accumulate and self.unsure(s.value):
                self.maybe.add(s.array)
        elif isinstance(s, If):
            for j in s.joins:
                self.together((j.out,), (j.then, j.orelse))
        else:
            for c in s.carries:
                self.together((c.inner, c.out), (c.init, c.next))

    def of_let(self, s: Let) -> bool:
        name, args = s.word.name, s.args
        if name in ("full", "grow"):
            return True
        if name in ("load", "copy", *MOVES):
            return self.unsure(args[0])
        if name in SUMS:
            return all(map(self.unsure, args))
        if name in PRODUCTS:
            return any(a in self.maybe for a in args)
        return name == "where" and any(map(self.unsure, args[1:]))

    def together(self, targets: tuple[Var, ...], sources: tuple[Atom, ...]) -> None:
        """Scalars flow forward; arrays that may be one memory have masks together."""
        if targets[0] not in self.linear:
            return
        group = [a for a in (*targets, *sources) if isinstance(a, Var)] if targets[0].type.rank else targets
        if any(map(self.unsure, (*targets, *sources))):
            self.maybe.update(group)


class Masking(Zeros):
    """Writes each statement and, beside it, what happens to the masks."""

    def __init__(self, program: Program, masks: Mapping[Var, Var]):
        super().__init__(program, masks)
        self.masks: dict[Atom, Atom] = dict(masks.items())

    def mask(self, atom: Atom) -> Atom:
        """A literal truth where it is the same everywhere."""
        if isinstance(atom, Const):
            return Const(atom.value != 0, BOOL)
        return self.masks.get(atom, TRUE)

    def of_result(self, atom: Atom, b: Builder) -> Atom:
        """A result on which no linear parameter has an influence is zero everywhere."""
        m = self.mask(atom) if isinstance(atom, Const) or atom in self.linear else FALSE
        if isinstance(atom, Var) and atom.type.rank and isinstance(m, Const):
            return b.full(m, *b.dims(atom), dtype="bool", name="mask")
        return m

    def fresh(self, v: Var) -> Var:
        found = self.masks[v] = Var(v.name + "_mask", Type("bool", v.type.rank))
        return found

    def block(self, block: Block, b: Builder) -> None:
        for s in block:
            b.line = s.line
            if isinstance(s, Let):
                self.let(s, b)
            elif isinstance(s, Store):
                b.block.append(s)
                if s.array in self.maybe:
                    self.store(s, b)
            elif isinstance(s, If):
                self.branch(s, b)
            else:
                self.loop(s, b)

    def let(self, s: Let, b: Builder) -> None:
        name, args = s.word.name, s.args
        if s.target not in self.maybe:
            b.block.append(s)
        elif name in PRODUCTS:
            self.masks[s.target] = m = self.mask(args[0] if args[0] in self.linear else args[1])
            product = Var(s.target.name, s.target.type)
            b.block.append(replace(s, target=product))
            b.bind(s.target, b.where(m, product, 0.0) if self.is_scaled(s) else product)
        else:
            b.block.append(s)
            self.masks[s.target] = self.of_value(s, b)

    def of_value(self, s: Let, b: Builder) -> Atom:
        """The mask of what a word makes."""
        name, wish = s.word.name, s.target.name + "_mask"
        if name == "full":
            return b.full(FALSE, *s.args[1:], dtype="bool", name=wish)
        masks = [self.mask(a) for a in s.args]
        if name == "copy" and masks[0] is TRUE:
            return b.full(TRUE, *b.dims(s.args[0]), dtype="bool", name=wish)
        if name in ("load", "copy", "grow"):
            return b.emit(s.word, masks[0], *s.args[1:], name=wish)
        if name in SUMS:
            return either(b, *masks)
        return selected(b, s.args[0], *masks[1:]) if name == "where" else masks[0]

    def store(self, s: Store, b: Builder) -> None:
        memory, m = self.masks[s.array], self.mask(s.value)
        if not s.accumulate or m == TRUE:
            b.store(memory, s.index, m)
        elif s.index:
            b.store(memory, s.index, either(b, b.load(memory, *s.index), m))
        elif m != FALSE:
            b.each(b.dims(memory), lambda i, at: i.store(memory, at, either(i, i.load(memory, *at), i.load(m, *at))))

    def loop(self, s: For | While, b: Builder) -> None:
        new = replace(s, body=[], carries=list(s.carries))
        carries = [c for c in s.carries if c.inner in self.maybe]
        entering = [(self.mask(c.init), self.fresh(c.inner)) for c in carries]
        self.block(s.body, Builder(new.body, s.line))
        for c, (init, inner) in zip(carries, entering, strict=True):
            new.carries.append(Carry(inner, init, self.mask(c.next), self.fresh(c.out)))
        b.block.append(new)

    def branch(self, s: If, b: Builder) -> None:
        new = If(s.test, [], [], list(s.joins), s.line)
        for block, old in ((new.then, s.then), (new.orelse, s.orelse)):
            self.block(old, Builder(block, s.line))
        for j in s.joins:
            if j.out in self.maybe:
                new.joins.append(Join(self.fresh(j.out), self.mask(j.then), self.mask(j.orelse)))
        b.block.append(new)


def either(b: Builder, p: Atom, q: Atom) -> Atom:
    """``p or q``"""
    if TRUE in (p, q) or p == q:
        return p if p == q else TRUE
    return q if p == FALSE else p if q == FALSE else b.or_(p, q)


def selected(b: Builder, test: Atom, p: Atom, q: Atom) -> Atom:
    """``p if test else q``"""
    if p == q:
        return p
    if p == TRUE:
        return test if q == FALSE else b.or_(test, q)
    return b.and_(test, p) if q == FALSE else b.where(test, p, q)
