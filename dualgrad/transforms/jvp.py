"""Forward mode: each statement is followed by the statement of its tangent.

One pass serves two transforms.  It writes primal statements to one block and tangent
statements to another; when both are the same block the result is the jvp of the
program, when they are two it is the linearization (`dualgrad.transforms.linearize`).

N directions are N tangents beside each scalar and a last axis of length N beside each
array, so the partials of a scalar lie together; the coefficients are shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..core.build import Builder
from ..core.errors import UnsupportedError
from ..core.program import (
    INT,
    Atom,
    Block,
    Carry,
    Const,
    For,
    If,
    Join,
    Let,
    Program,
    Store,
    Type,
    Var,
    While,
    retyped,
    variable,
    zero,
)
from ..core.walk import rebuilt, walk
from ..core.words import WORDS, Word
from ..rules.text import Writer
from .activity import active_vars, array_families
from .entries import by_entries
from .rules import plain, with_rules
from .ssa import ssa
from .tidy import tidy


def jvp(program: Program, active: tuple[bool, ...], directions: int | None = None) -> Program:
    """Program of values and tangents.

    ``jvp : (a -> b) -> (a, T a) -> (b, T b)``: the parameters are followed by one tangent
    for each active parameter, the results by the tangent of each differentiable result.
    With ``directions`` every tangent has one more axis of that length, the last one.
    """
    program = prepare(with_rules(program, active))
    derivative = Derivative(program if directions is None else by_entries(program), active, directions)
    program = derivative.program
    both = Builder()
    derivative.enter(both)
    derivative.block(program.body, both, both)
    results = [*program.results, *derivative.tangents_of_results(both)]
    params = [*program.params, *derivative.linear_params]
    return tidy(ssa(Program(f"{program.name}_jvp", params, both.block, results, len(derivative.linear_params))))


def prepare(program: Program) -> Program:
    """Single assignment, and every parameter that is written or returned becomes a copy: callers keep their arrays."""
    owned = {s.array for s in walk(program.body) if isinstance(s, Store)}
    owned |= {a for a in program.results if isinstance(a, Var) and a.type.rank > 0}
    families = array_families(program)
    owned |= {v for a in owned if a in families for v in families[a].origins}
    owned &= set(program.params)
    params = [Var(v.name, v.type) if v in owned else v for v in program.params]
    copies: Block = [Let(v, WORDS["copy"], (p,)) for v, p in zip(program.params, params, strict=True) if v in owned]
    return ssa(Program(program.name, params, copies + filled(program.body), program.results))


def filled(block: Block) -> Block:
    """The block with each buffer that starts at a variable's value written as zeros and a loop of stores."""
    b = Builder()
    for s in block:
        if isinstance(s, Let) and s.word.name == "full" and isinstance(s.args[0], Var):
            value, *shape = s.args
            b.line = s.line
            b.block.append(replace(s, args=(zero(s.target.type), *shape)))

            def write(inner: Builder, index: tuple[Var, ...], array: Var = s.target, value: Atom = value) -> None:
                inner.store(array, index, value)

            b.each(shape, write)
        else:
            b.block.append(rebuilt(s, lambda a: a, filled))
    return b.block


class Derivative:
    """Writes tangents; ``dots`` maps a scalar to its lanes and an array to its one tangent array."""

    def __init__(self, program: Program, active: tuple[bool, ...], directions: int | None = None):
        self.program, self.directions = program, directions
        self.lanes: list[tuple[Const, ...]] = [(Const(d, INT),) for d in range(directions)] if directions else [()]
        self.sources = [v for v, a in zip(program.params, active, strict=True) if a]
        self.active = active_vars(program, self.sources)
        self.dots: dict[Atom, Any] = {}
        self.linear_params: list[Var] = []
        self.primal: Builder | None = None  # the block of primal statements that is written at the moment

    # Parameters and results

    def enter(self, linear: Builder) -> None:
        """Make a tangent parameter for every active parameter."""
        for v in self.sources:
            extra = 0 if self.directions is None else 1
            dot = Var(v.name + "_dot", Type(v.type.dtype, v.type.rank + extra))
            self.linear_params.append(dot)
            if v.type.rank > 0:
                self.dots[v] = dot
            else:
                self.dots[v] = [linear.load(dot, *lane) if lane else dot for lane in self.lanes]
        for v in self.program.params:  # a constant whose name a loop exchanges with an active array's
            if v in self.active and v not in self.dots:
                self.dots[v] = self.zeros_beside(v, linear)

    def tangents_of_results(self, linear: Builder) -> list[Atom]:
        """Tangents of the differentiable results; zeros where a result is inactive."""
        return [self.tangent_of_result(a, linear) for a in self.program.results if a.type.differentiable]

    def tangent_of_result(self, atom: Atom, linear: Builder) -> Atom:
        if atom.type.rank > 0:
            return self.array_dot(atom, linear)
        dots = self.pieces(atom)
        if self.directions is None:
            return dots[0]
        packed = linear.zeros([Const(self.directions, INT)], atom.type.dtype, name="dots")
        for lane, dot in zip(self.lanes, dots, strict=True):
            linear.store(packed, lane, dot)
        return packed

    def zeros_beside(self, array: Var, linear: Builder) -> Var:
        return self.zeros(array, (self.primal or linear).dims(array), linear)

    def zeros(self, array: Var, shape: list[Atom], linear: Builder) -> Var:
        lanes = [] if self.directions is None else [Const(self.directions, INT)]
        return variable(linear.zeros([*shape, *lanes], array.type.dtype, name=array.name + "_dot"))

    def dot(self, atom: Atom, k: int) -> Atom | None:
        """Lane ``k`` of a scalar's tangent; None for a structural zero."""
        found = self.dots.get(atom) if isinstance(atom, Var) else None
        return None if found is None else found[k]

    def pieces(self, atom: Atom) -> list[Atom]:
        """An array's tangent, or all lanes of a scalar's with zeros where it has none."""
        if atom.type.rank > 0:
            return [self.dots[atom]]
        dots = [self.dot(atom, k) for k in range(len(self.lanes))]
        return [zero(atom.type) if dot is None else dot for dot in dots]

    def fresh(self, var: Var, like: list[Any]) -> list[Var]:
        """New variables for the pieces of a variable's tangent."""
        dots = [Var(var.name + "_dot", piece.type) for piece in like]
        self.dots[var] = dots[0] if var.type.rank > 0 else dots
        return dots

    # Statements

    def block(self, block: Block, primal: Builder, linear: Builder) -> None:
        outer, self.primal = self.primal, primal
        for s in block:
            primal.line = linear.line = s.line
            if isinstance(s, Let):
                plain(s, primal)
                if s.target in self.active:
                    self.let(s, linear)
            elif isinstance(s, Store):
                primal.block.append(s)
                if s.array in self.active:
                    self.store(s, linear)
            elif isinstance(s, For):
                self.loop(s, primal, linear)
            elif isinstance(s, While):
                self.loop_while(s, primal, linear)
            else:
                self.branch(s, primal, linear)
        self.primal = outer

    def let(self, s: Let, linear: Builder) -> None:
        name, target = s.word.name, s.target
        if name == "full":
            self.dots[target] = self.zeros(target, self.shape_of(s), linear)
        elif name in ("copy", "grow"):
            self.copy(s, linear)
        elif name in ("seed", "rejoined"):
            source = s.args[-1]
            if target.type.rank:
                self.dots[target] = variable(linear.copy(self.array_dot(source, linear)))
            elif source in self.dots:
                self.dots[target] = self.dots[source]
        elif s.word.makes:
            self.product(s, linear)
        elif name == "load":
            array = self.dots[s.args[0]]
            name = target.name + "_dot"
            self.dots[target] = [linear.load(array, *s.args[1:], *lane, name=name) for lane in self.lanes]
        else:
            dots = [tangent(s, [self.dot(a, k) for a in s.args], linear) for k in range(len(self.lanes))]
            if any(d is not None for d in dots):
                self.dots[target] = dots

    def shape_of(self, s: Let) -> list[Atom]:
        """Shape of the tangent of a new buffer."""
        return list(s.args[1:])

    def copy(self, s: Let, linear: Builder) -> None:
        """The tangent of a copied or grown array."""
        if s.args[0] in self.dots:
            array = self.dots[s.args[0]]
            self.dots[s.target] = linear.emit(s.word, array, *s.args[1:], name=s.target.name + "_dot")
        else:
            self.dots[s.target] = self.zeros_beside(variable(s.args[0]), linear)

    def product(self, s: Let, linear: Builder) -> None:
        """The product rule of matrices: a term for each factor that has a tangent."""
        if s.word.name == "plus":
            found = [self.dots[a] for a in s.args if a in self.dots]
            self.dots[s.target] = linear.plus(*found) if len(found) > 1 else linear.copy(found[0])
            return
        rule, terms = s.word.rule, []
        for name, factor in zip(rule.args, s.args, strict=True):
            if factor in self.dots:
                env: dict[str, Any] = {n: a if n == name else self.held(a, linear) for n, a in zip(rule.args, s.args)}
                env |= {f"d{n}": self.dots[factor] if n == name else None for n in rule.args}
                terms.append(Writer(env, linear, linear, frozenset(f"d{n}" for n in rule.args)).write(rule.jvp))
        self.dots[s.target] = terms[0] if len(terms) == 1 else linear.plus(*terms)

    def held(self, array: Atom, linear: Builder) -> Atom:
        """A matrix as the linear statement that follows has to find it: it is there."""
        return array

    def array_dot(self, array: Atom, linear: Builder) -> Var:
        """An array's tangent; zeros where it has none."""
        return self.dots.get(array) or self.zeros_beside(variable(array), linear)

    def store(self, s: Store, linear: Builder) -> None:
        array = self.dots[s.array]
        if not s.index:  # a whole array
            if s.value in self.dots or not s.accumulate:
                linear.store(array, (), self.dots.get(s.value, 0.0), s.accumulate)
            return
        for k, lane in enumerate(self.lanes):
            dot = self.dot(s.value, k)
            if dot is not None or not s.accumulate:
                linear.store(array, (*s.index, *lane), zero(s.value.type) if dot is None else dot, s.accumulate)

    def loop(self, s: For, primal: Builder, linear: Builder) -> None:
        self.fused(s, primal, linear)

    def loop_while(self, s: While, primal: Builder, linear: Builder) -> None:
        self.fused(s, primal, linear)

    def fused(self, s: For | While, primal: Builder, linear: Builder) -> None:
        """One loop of values and tangents."""
        new = replace(s, body=[], carries=list(s.carries))
        waiting = self.carried_dots(s, linear)
        inner = Builder(new.body, s.line)
        self.block(s.body, inner, inner)
        new.carries += self.closed_dots(waiting)
        primal.block.append(new)

    def carried_dots(self, s: For | While, linear: Builder) -> list[tuple[Carry, list[Var], list[Atom]]]:
        """Tangents of the active carries, entering; `closed_dots` completes them after the body."""
        waiting: list[tuple[Carry, list[Var], list[Atom]]] = []
        for c in s.carries:
            if c.inner in self.active:
                init: list[Atom] = [self.array_dot(c.init, linear)] if c.inner.type.rank > 0 else self.pieces(c.init)
                waiting.append((c, self.fresh(c.inner, init), init))
        return waiting

    def closed_dots(self, waiting: list[tuple[Carry, list[Var], list[Atom]]]) -> list[Carry]:
        carries: list[Carry] = []
        for c, inner, init in waiting:
            carries += map(Carry, inner, init, self.pieces(c.next), self.fresh(c.out, inner))
        return carries

    def branch(self, s: If, primal: Builder, linear: Builder) -> None:
        new = If(s.test, [], [], list(s.joins), s.line)
        for block, old in ((new.then, s.then), (new.orelse, s.orelse)):
            inner = Builder(block, s.line)
            self.block(old, inner, inner)
        new.joins += self.joined_dots(s)
        primal.block.append(new)

    def joined_dots(self, s: If) -> list[Join]:
        joins: list[Join] = []
        for j in s.joins:
            if j.out in self.active:
                then, orelse = self.pieces(j.then), self.pieces(j.orelse)
                joins += map(Join, self.fresh(j.out, then), then, orelse)
        return joins


def tangent(s: Let, dots: Sequence[Atom | None], linear: Builder, batched: bool = False) -> Atom | None:
    """The tangent of one let by its word's rule; None for a structural zero."""
    if s.word.name == "cast":
        return matched(dots[0], s.target.type, linear)
    rule = s.word.rule
    env: dict[str, Any] = dict(zip(rule.args, s.args, strict=True))
    env["y"] = s.target
    env.update({f"d{a}": dot for a, dot in zip(rule.args, dots, strict=True)})
    writer = Writer(env, linear, linear, frozenset(f"d{a}" for a in rule.args))
    writer.batched = batched
    if not rule.derivatives:
        text = rule.jvp
    else:
        refuse_constants(s.word, [dot is not None for dot in dots])
        text = " + ".join(f"({d})*d{a}" for a, d in rule.derivatives.items() if env[f"d{a}"] is not None)
    if not text:
        return None
    found = writer.write(text)
    return matched(found, s.target.type, linear)


def refuse_constants(word: Word, active: Sequence[bool]) -> None:
    """Raise where an elementary word is to be differentiated by an argument for which its row has no derivative."""
    for a, on in zip(word.rule.args, active, strict=True):
        if on and a not in word.rule.derivatives:
            raise UnsupportedError(
                f"{word.name} has no derivative by its argument {a}",
                why="it is known by the other arguments only",
                hint=f"keep {a} constant: dg.stop_gradient({a}), or argnums= without it",
            )


def matched(atom: Atom | None, type: Type, b: Builder) -> Atom | None:
    """Tangents and cotangents have the dtype of their primal; that of a real number is the real part."""
    if atom is None or atom.type.dtype == type.dtype or not type.differentiable:
        return atom
    if isinstance(atom, Const):
        return retyped(atom, Type(type.dtype))
    if not type.dtype.startswith("complex") and atom.type.dtype.startswith("complex"):
        return matched(b.part(atom, Const("real", Type("shape", -1))), type, b)
    return b.cast(atom, dtype=type.dtype)
