"""Transpose a linear program: statements in reverse, each replaced by its partner.

What is not linear (indices, coefficients, loads of residuals) keeps its place at the
head of its block; the linear statements follow in reverse order.  A loop becomes the
loop reversed, a load an accumulation, a store a load that leaves zero.  No elementary
function has a case here: in a linear program they are coefficients.

The transpose is the adjoint under the real inner product Re<a, b>: a complex coefficient
enters it conjugated, here and nowhere else.  Rules state the plain transpose.

The result is written in surface form, cotangents being variables that are added to;
single assignment turns them into sums and carries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..core.build import Builder
from ..core.errors import UnsupportedError
from ..core.program import (
    Atom,
    Block,
    Carry,
    Const,
    For,
    If,
    Let,
    Program,
    Statement,
    Store,
    Var,
    While,
    variable,
    zero,
)
from ..core.walk import atoms_read, walk
from ..rules.text import Writer
from .activity import active_vars, array_families
from .jvp import matched
from .ssa import ssa
from .tidy import tidy


def transpose(program: Program, like: Mapping[Var, Var] | None = None) -> Program:
    """The transpose of a linear program.

    ``transpose : (r, T a -o T b) -> (r, T b -o T a)``.  ``like`` names, for each linear
    parameter that is an array, a variable of its shape among the other parameters.
    """
    constants = program.params[: len(program.params) - program.linear]
    block, cotangents, results = transposed(program, like or {})
    name = program.name.removesuffix("_linear") + "_transpose"
    return tidy(ssa(Program(name, [*constants, *cotangents], block, results, len(cotangents))))


def transposed(
    program: Program, like: Mapping[Var, Var], owned: bool = False
) -> tuple[Block, list[Var], list[Atom]]:
    """Block, cotangent parameters and results of the transpose, in surface form.

    The sweep may write to the memory of the cotangents if it has ``owned`` it.
    """
    reverse = Transposition(program, like)
    reverse.owned = owned
    cotangents = [Var(_bar_name(a, "y"), a.type) for a in program.results]
    b = Builder()
    for v in reverse.params:
        if v not in reverse.copied:
            reverse.declare(v, b)
    seeds = list(zip(program.results, cotangents, strict=True))
    reverse.block(program.body, seeds, b)
    return b.block, cotangents, [reverse.bars[v] for v in reverse.params]


def _bar_name(atom: Atom, default: str) -> str:
    return (atom.name.removesuffix("_dot") if isinstance(atom, Var) else default) + "_bar"


class Transposition:
    """Writes cotangents; ``bars`` maps a linear variable to the variable of its cotangent."""

    def __init__(self, program: Program, like: Mapping[Var, Var]):
        self.params = program.params[len(program.params) - program.linear :]
        self.like: dict[Atom, Var] = dict(like.items())
        self.linear = active_vars(program, self.params)
        self.bars: dict[Atom, Var] = {}
        self.body, self.owned = program.body, False
        reads = Counter(a for s in walk(program.body) for a in atoms_read(s))
        copies = {s.args[0] for s in program.body if isinstance(s, Let) and s.word.name == "copy"}
        self.copied = {v for v in self.params if v in copies and reads[v] == 1 and v not in program.results}
        self.stored = {s.array for s in walk(program.body) if isinstance(s, Store)}
        self.renamed = set(array_families(program))
        self.untouched: set[Atom] = set()  # arrays of the block at hand whose cotangents are zero up to here

    def is_linear(self, atom: Atom) -> bool:
        return isinstance(atom, Var) and atom in self.linear

    # Cotangent variables

    def declare(self, v: Var, b: Builder, shape: Sequence[Atom] = ()) -> None:
        """A cotangent that starts at zero."""
        if v.type.rank > 0:
            shape = shape or b.dims(self.like[v])
            self.bars[v] = variable(b.zeros(shape, v.type.dtype, name=_bar_name(v, "")))
        else:
            b.bind(self.bars.setdefault(v, Var(_bar_name(v, ""), v.type)), zero(v.type))

    def add(self, target: Atom, value: Atom | None, b: Builder) -> None:
        """``target_bar += value``; nothing for a constant target or a structural zero."""
        if value is None or not self.is_linear(target):
            return
        bar = self.bars[target]
        if target.type.rank > 0:  # a loop: numba needs a second to compile the sum of two arrays
            b.each(b.dims(bar), lambda i, at: i.store(bar, at, i.load(value, *at), accumulate=True))
        else:
            b.bind(bar, b.add(bar, matched(value, target.type, b)))

    # Statements

    def block(
        self,
        block: Block,
        seeds: Sequence[tuple[Atom, Atom]],
        b: Builder,
        enter: Callable[[Builder], None] = lambda b: None,
    ) -> None:
        """Constants first (then ``enter``), then cotangents set to zero, ``seeds`` added, and the reverse."""
        linear = []
        for s in block:
            if self.has_linear(s):
                linear.append(s)
                for v in self.always_zero(s):
                    b.bind(v, zero(v.type))
            else:
                b.block.append(s)
        enter(b)
        for s in linear:
            exchanged = self.arrays_of(s)
            if isinstance(s, For) and exchanged:
                self.replay(s, self.bars, b)
            for v in self.bound_here(s):
                if v not in exchanged:
                    self.declare(v, b, self.shape_by(s, b))
        for target, value in seeds:
            made = self.owned and target.type.rank > 0 and target not in (*self.params, *self.renamed)
            if made and block is self.body and sum(t is target for t, _ in seeds) == 1:
                self.bars[target] = variable(value)
            else:
                self.add(target, value, b)
        outer = self.untouched
        self.untouched = {s.target for s in linear if isinstance(s, Let) and s.target.type.rank > 0}
        self.untouched -= self.renamed.union(target for target, _ in seeds)
        for s in reversed(linear):
            b.line = s.line
            getattr(self, type(s).__name__.lower() + "_")(s, b)
            self.untouched.difference_update(a for t in walk([s]) for a in atoms_read(t))
        self.untouched = outer

    def has_linear(self, s: Statement) -> bool:
        return any(self.bound_here(t) or isinstance(t, Store) and self.is_linear(t.array) for t in walk([s]))

    def bound_here(self, s: Statement) -> list[Var]:
        """Linear variables whose cotangents live in the block of ``s``."""
        if isinstance(s, Let):
            found = [s.target]
        elif isinstance(s, (For, While)):
            found = [c.out for c in s.carries]
        else:
            found = [j.out for j in s.joins] if isinstance(s, If) else []
        return [v for v in found if v in self.linear]

    def always_zero(self, s: Statement) -> Iterator[Var]:
        """Tangents of a loop or branch on which no parameter has any influence; its reverse does not work them out."""
        if isinstance(s, (For, While)):
            yield from (v for c in s.carries if c.inner not in self.linear for v in (c.inner, c.out))
        elif isinstance(s, If):
            yield from (j.out for j in s.joins if j.out not in self.linear)

    def shape_by(self, s: Statement, b: Builder) -> Sequence[Atom]:
        """Shape of a new array: a copy's is that of the cotangent of what it copies."""
        if isinstance(s, Let) and s.word.name == "full":
            return s.args[1:]
        if isinstance(s, Let) and s.word.name == "copy":
            return b.dims(self.like[s.args[0]] if s.args[0] in self.copied else self.bars[s.args[0]])
        if isinstance(s, Let) and s.word.makes:
            factors = [self.bars.get(a, a) for a in s.args]
            return [b.shape(a, axis=k) for a, k in zip(factors, s.word.rule.lengths, strict=True)]
        return ()

    def let_(self, s: Let, b: Builder) -> None:
        ct, name = self.bars[s.target], s.word.name
        if name == "load":
            b.store(self.bars[s.args[0]], s.args[1:], ct, accumulate=True)
        elif name == "copy" and s.args[0] in self.copied:
            self.bars[s.args[0]] = ct
        elif name in ("copy", "cast", "move"):
            self.add(s.args[0], ct, b)
        elif name != "full":
            for arg, value in self.contributions(s, ct, b):
                if arg in self.untouched and (value is not ct or arg not in self.stored):
                    self.bars[arg] = variable(value)  # the first to arrive, in memory of its own or that none writes
                    self.untouched.discard(arg)
                else:
                    self.add(arg, value, b)

    def contributions(self, s: Let, ct: Any, b: Builder) -> Iterator[tuple[Atom, Atom | None]]:
        """For each linear argument of a let, what its cotangent gains."""
        rule = s.word.rule
        env: dict[str, Any] = {
            a: v if self.is_linear(v) else conjugated(v, b) for a, v in zip(rule.args, s.args, strict=True)
        }
        env |= {f"{a}_shape": self.like.get(v) for a, v in zip(rule.args, s.args, strict=True) if isinstance(v, Var)}
        env["ct"] = ct
        for name, arg in zip(rule.args, s.args, strict=True):
            if self.is_linear(arg):
                if name not in rule.transposes:
                    raise UnsupportedError(f"{s.word} has no transpose by its argument {name!r}")
                yield arg, Writer(env, b, b, frozenset(("ct",))).write(rule.transposes[name])

    def store_(self, s: Store, b: Builder) -> None:
        """``array[index] = value``: the value takes the cotangent, which is then zero."""
        bar = self.bars[s.array]
        if self.is_linear(s.value):
            ct = b.load(bar, *s.index, name=_bar_name(s.value, "")) if s.index else bar
            self.add(s.value, ct, b)
        if not s.accumulate:
            b.store(bar, s.index, 0.0)

    # Arrays whose names a loop exchanges: their cotangents are exchanged alike, and back in the reverse loop

    def arrays_of(self, s: Statement) -> dict[Atom, Carry]:
        """The carries of a loop that are arrays, by what they leave."""
        carries = s.carries if isinstance(s, For) else []
        return {c.out: c for c in carries if c.inner.type.rank and c.inner in self.linear}

    def replay(self, s: For, bars: dict[Atom, Var], b: Builder, back: bool = False) -> None:
        """Which cotangent belongs to which name after a loop (or ``back``: before it), by its exchanges alone."""
        carries = list(self.arrays_of(s).values())
        names = [Var(_bar_name(c.out, ""), c.out.type) for c in carries]
        for c, name in zip(carries, names, strict=True):
            b.bind(name, bars[c.out if back else c.init])
        inside = {**bars, **dict(zip([c.next if back else c.inner for c in carries], names, strict=True))}
        turn = Builder([t for t in s.body if not self.has_linear(t)], s.line)
        for t in reversed(s.body) if back else s.body:
            arrays = self.arrays_of(t)  # memory that the body makes is nothing to other turns
            if isinstance(t, For) and not inside.keys().isdisjoint(
                arrays if back else (c.init for c in arrays.values())
            ):
                self.replay(t, inside, turn, back)
        exchange(turn, [(n, inside[c.inner if back else c.next]) for c, n in zip(carries, names, strict=True)])
        b.block.append(For(s.var, s.start, s.stop, s.step, turn.block, [], s.reverse ^ back, s.line))
        bars.update(zip([c.init if back else c.out for c in carries], names, strict=True))

    def for_(self, s: For, b: Builder) -> None:
        arrays = list(self.arrays_of(s).values())
        names = [Var(_bar_name(c.inner, ""), c.inner.type) for c in arrays]
        for c, name in zip(arrays, names, strict=True):
            b.bind(name, self.bars[c.out])
            self.bars[c.inner] = Var(_bar_name(c.inner, ""), c.inner.type)

        def enter(body: Builder) -> None:
            """What names meant in this turn, from what they meant after it."""
            known: dict[Atom, Var] = dict(zip([c.next for c in arrays], names, strict=True))
            for t in reversed(s.body):
                if isinstance(t, For) and not known.keys().isdisjoint(self.arrays_of(t)):
                    self.replay(t, known, body, back=True)
            for c in arrays:
                body.bind(self.bars[c.inner], known[c.inner])

        carries = [c for c in s.carries if c.inner in self.linear and c not in arrays]
        for c in carries:
            self.bars[c.inner] = Var(_bar_name(c.inner, ""), c.inner.type)
            b.bind(self.bars[c.inner], self.bars[c.out])
        body = Builder(line=s.line)
        leaving = []
        for c in carries:
            ct = Var(_bar_name(c.next, "next"), c.inner.type)
            body.bind(ct, self.bars[c.inner])
            leaving.append((c.next, ct))
        for c in carries:
            body.bind(self.bars[c.inner], Const(0.0, c.inner.type))
        self.block(s.body, leaving, body, enter)
        exchange(body, [(name, self.bars[c.inner]) for c, name in zip(arrays, names, strict=True)])
        b.block.append(replace(s, body=body.block, carries=[], reverse=not s.reverse, sweep=True))
        for c in carries:
            self.add(c.init, self.bars[c.inner], b)

    def if_(self, s: If, b: Builder) -> None:
        new = If(s.test, [], [], [], s.line)
        joins = [j for j in s.joins if j.out in self.linear]
        for block, old, side in ((new.then, s.then, "then"), (new.orelse, s.orelse, "orelse")):
            seeds = [(getattr(j, side), self.bars[j.out]) for j in joins]
            self.block(old, seeds, Builder(block, s.line))
        b.block.append(new)


def conjugated(atom: Atom, b: Builder) -> Atom:
    """The conjugate of a coefficient; a real one is its own."""
    if not atom.type.dtype.startswith("complex"):
        return atom
    return Const(atom.value.conjugate(), atom.type) if isinstance(atom, Const) else b.conj(atom)


def exchange(b: Builder, pairs: list[tuple[Var, Var]]) -> None:
    """Bind names to what other names mean, all at once."""
    meant = [(target, Var(target.name, target.type), source) for target, source in pairs]
    for _, between, source in meant:
        b.bind(between, source)
    for target, between, _ in meant:
        b.bind(target, between)
