"""Forward mode: each statement is followed by the statement of its tangent.

One pass serves two transforms.  It writes primal statements to one block and tangent
statements to another; when both are the same block the result is the jvp of the
program, when they are two it is the linearization (`dualgrad.transforms.linearize`).

N directions are N tangents beside each scalar and a last axis of length N beside each
array, so the partials of a scalar lie together; the coefficients are shared.
"""

from __future__ import annotations

from typing import Any

from ..core.build import Builder
from ..core.program import INT, Atom, Carry, Const, For, If, Join, Let, Program, Statement, Store, Type, Var, While
from ..core.walk import walk
from ..core.words import WORDS
from ..rules.text import Writer
from .activity import active_vars
from .ssa import ssa
from .tidy import tidy


def jvp(program: Program, active: tuple[bool, ...], directions: int | None = None) -> Program:
    """Program of values and tangents.

    ``jvp : (a -> b) -> (a, T a) -> (b, T b)``: the parameters are followed by one tangent
    for each active parameter, the results by the tangent of each differentiable result.
    With ``directions`` every tangent has one more axis of that length, the last one.
    """
    program = prepare(program)
    derivative = Derivative(program, active, directions)
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
    owned &= set(program.params)
    params = [Var(v.name, v.type) if v in owned else v for v in program.params]
    copies: list[Statement] = [
        Let(v, WORDS["copy"], (p,)) for v, p in zip(program.params, params, strict=True) if v in owned
    ]
    return ssa(Program(program.name, params, copies + filled(program.body), program.results))


def filled(block: list[Statement]) -> list[Statement]:
    """The block with each buffer that starts at a variable's value written as zeros and a loop of stores."""
    out: list[Statement] = []
    for s in block:
        if isinstance(s, Let) and s.word.name == "full" and isinstance(s.args[0], Var):
            value, *shape = s.args
            dtype = s.target.type.dtype
            zero = Const(False if dtype == "bool" else 0 if dtype.startswith(("int", "uint")) else 0.0, Type(dtype))
            out.append(Let(s.target, s.word, (zero, *shape), s.params, s.line))
            index = tuple(Var("k", INT) for _ in shape)
            inner: list[Statement] = [Store(s.target, index, value, line=s.line)]
            for k, n in reversed(list(zip(index, shape, strict=True))):
                inner = [For(k, Const(0, INT), n, Const(1, INT), inner, line=s.line)]
            out += inner
        elif isinstance(s, If):
            out.append(If(s.test, filled(s.then), filled(s.orelse), s.joins, s.line))
        elif isinstance(s, For):
            out.append(For(s.var, s.start, s.stop, s.step, filled(s.body), s.carries, s.reverse, s.line))
        elif isinstance(s, While):
            out.append(While(s.cond, s.test, filled(s.body), s.carries, s.line))
        else:
            out.append(s)
    return out


class Derivative:
    """Writes tangents; ``dots`` maps a scalar to its lanes and an array to its one tangent array."""

    def __init__(self, program: Program, active: tuple[bool, ...], directions: int | None = None):
        self.program, self.directions = program, directions
        self.lanes: list[tuple[Const, ...]] = [(Const(d, INT),) for d in range(directions)] if directions else [()]
        self.sources = [v for v, a in zip(program.params, active, strict=True) if a]
        self.active = active_vars(program, self.sources)
        self.dots: dict[Var, Any] = {}
        self.linear_params: list[Var] = []

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

    def tangents_of_results(self, linear: Builder) -> list[Atom]:
        """Tangents of the differentiable results; zeros where a result is inactive."""
        return [self.tangent_of_result(a, linear) for a in self.program.results if a.type.differentiable]

    def tangent_of_result(self, atom: Atom, linear: Builder) -> Atom:
        if atom.type.rank > 0:
            dot = self.dots.get(atom)
            return self.zeros_beside(atom, linear) if dot is None else dot
        dots = [self.dot_or_zero(atom, k) for k in range(len(self.lanes))]
        if self.directions is None:
            return dots[0]
        packed = linear.full(Const(0.0, atom.type), Const(self.directions, INT), dtype=atom.type.dtype, name="dots")
        for lane, dot in zip(self.lanes, dots, strict=True):
            linear.store(packed, lane, dot)
        return packed

    def zeros_beside(self, array: Var, linear: Builder) -> Var:
        shape = [linear.shape(array, axis=k) for k in range(array.type.rank)]
        return self.zeros(array, shape, linear)

    def zeros(self, array: Var, shape: list[Atom], linear: Builder) -> Var:
        if self.directions is not None:
            shape = [*shape, Const(self.directions, INT)]
        dtype = array.type.dtype
        return linear.full(Const(0.0, Type(dtype)), *shape, dtype=dtype, name=array.name + "_dot")

    def dot(self, atom: Atom, k: int) -> Atom | None:
        """Lane ``k`` of a scalar's tangent; None for a structural zero."""
        found = self.dots.get(atom) if isinstance(atom, Var) else None
        return None if found is None else found[k]

    def dot_or_zero(self, atom: Atom, k: int) -> Atom:
        found = self.dot(atom, k)
        return Const(0.0, atom.type) if found is None else found

    # Statements

    def block(self, block: list[Statement], primal: Builder, linear: Builder) -> None:
        for s in block:
            primal.line = linear.line = s.line
            if isinstance(s, Let):
                primal.block.append(s)
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

    def let(self, s: Let, linear: Builder) -> None:
        name, target = s.word.name, s.target
        if name == "full":
            self.dots[target] = self.zeros(target, self.shape_of(s, linear), linear)
        elif name in ("copy", "grow"):
            self.copy(s, linear)
        elif name == "load":
            array = self.dots[s.args[0]]
            name = target.name + "_dot"
            self.dots[target] = [linear.load(array, *s.args[1:], *lane, name=name) for lane in self.lanes]
        else:
            dots = [tangent(s, [self.dot(a, k) for a in s.args], linear) for k in range(len(self.lanes))]
            if any(d is not None for d in dots):
                self.dots[target] = dots

    def shape_of(self, s: Let, linear: Builder) -> list[Atom]:
        """Shape of the tangent of a new buffer."""
        return list(s.args[1:])

    def copy(self, s: Let, linear: Builder) -> None:
        """The tangent of a copied or grown array."""
        array = self.array_dot(s.args[0], linear)
        self.dots[s.target] = linear.emit(s.word, array, *s.args[1:], name=s.target.name + "_dot")

    def array_dot(self, array: Atom, linear: Builder) -> Var:
        """An array's tangent; zeros where it has none yet."""
        if array not in self.dots:
            self.dots[array] = self.zeros_beside(array, linear)
        return self.dots[array]

    def store(self, s: Store, linear: Builder) -> None:
        array = self.dots[s.array]
        if not s.index:  # a whole array
            linear.store(array, (), self.dots[s.value], s.accumulate)
            return
        for k, lane in enumerate(self.lanes):
            dot = self.dot(s.value, k)
            if dot is not None or not s.accumulate:
                linear.store(array, (*s.index, *lane), Const(0.0, s.value.type) if dot is None else dot, s.accumulate)

    def loop(self, s: For, primal: Builder, linear: Builder) -> None:
        """The fused loop of values and tangents."""
        new = For(s.var, s.start, s.stop, s.step, [], list(s.carries), s.reverse, s.line)
        self.dotted(s, new, primal, linear)

    def loop_while(self, s: While, primal: Builder, linear: Builder) -> None:
        new = While(s.cond, s.test, [], list(s.carries), s.line)
        self.dotted(s, new, primal, linear)

    def dotted(self, s: For | While, new: For | While, primal: Builder, linear: Builder) -> None:
        waiting = self.carried_dots(s, linear)
        inner = Builder(new.body, s.line)
        self.block(s.body, inner, inner)
        new.carries += self.closed_dots(waiting)
        primal.block.append(new)

    def carried_dots(self, s: For | While, linear: Builder) -> list[tuple[Carry, Any, Any]]:
        """Tangents of the active carries, entering; `closed_dots` completes them after the body."""
        waiting = []
        for c in s.carries:
            if c.inner not in self.active:
                continue
            if c.inner.type.rank > 0:
                init = self.array_dot(c.init, linear)
                inner: Any = Var(c.inner.name + "_dot", init.type)
            else:
                init = [self.dot_or_zero(c.init, k) for k in range(len(self.lanes))]
                inner = [Var(c.inner.name + "_dot", c.inner.type) for _ in self.lanes]
            self.dots[c.inner] = inner
            waiting.append((c, inner, init))
        return waiting

    def closed_dots(self, waiting: list[tuple[Carry, Any, Any]]) -> list[Carry]:
        carries = []
        for c, inner, init in waiting:
            if c.inner.type.rank > 0:
                out = self.dots[c.out] = Var(c.out.name + "_dot", inner.type)
                carries.append(Carry(inner, init, self.dots[c.next], out))
                continue
            outs = self.dots[c.out] = [Var(c.out.name + "_dot", c.out.type) for _ in self.lanes]
            for k, out in enumerate(outs):
                carries.append(Carry(inner[k], init[k], self.dot_or_zero(c.next, k), out))
        return carries

    def branch(self, s: If, primal: Builder, linear: Builder) -> None:
        new = If(s.test, [], [], list(s.joins), s.line)
        for block, old in ((new.then, s.then), (new.orelse, s.orelse)):
            inner = Builder(block, s.line)
            self.block(old, inner, inner)
        new.joins += self.joined_dots(s)
        primal.block.append(new)

    def joined_dots(self, s: If) -> list[Join]:
        joins = []
        for j in s.joins:
            if j.out not in self.active:
                continue
            if j.out.type.rank > 0:
                out = self.dots[j.out] = Var(j.out.name + "_dot", self.dots[j.then].type)
                joins.append(Join(out, self.dots[j.then], self.dots[j.orelse]))
                continue
            outs = self.dots[j.out] = [Var(j.out.name + "_dot", j.out.type) for _ in self.lanes]
            for k, out in enumerate(outs):
                joins.append(Join(out, self.dot_or_zero(j.then, k), self.dot_or_zero(j.orelse, k)))
        return joins


def tangent(s: Let, dots: list[Atom | None], linear: Builder, batched: bool = False) -> Atom | None:
    """The tangent of one let by its word's rule; None for a structural zero."""
    if s.word.name == "cast":
        return matched(dots[0], s.target.type, linear)
    rule = s.word.rule
    env: dict[str, Any] = dict(zip(rule.args, s.args, strict=True))
    env["y"] = s.target
    env.update({f"d{a}": dot for a, dot in zip(rule.args, dots, strict=True)})
    writer = Writer(env, linear, linear, frozenset(f"d{a}" for a in rule.args))
    writer.batched = batched
    if s.word.kind != "elementary":
        text = rule.jvp
    else:
        text = " + ".join(f"({d})*d{a}" for a, d in rule.derivatives.items() if env[f"d{a}"] is not None)
    if not text:
        return None
    found = writer.write(text)
    return matched(found, s.target.type, linear)


def matched(atom: Atom | None, type: Type, b: Builder) -> Atom | None:
    """Tangents and cotangents have the dtype of their primal."""
    if atom is None or atom.type.dtype == type.dtype or type.dtype not in ("float64", "float32"):
        return atom
    return b.cast(atom, dtype=type.dtype)
