"""Taylor mode: each value becomes the series of its coefficients, up to an order known only at run time.

Four loop shapes serve every word.  Writing x_k for the coefficient of tᵏ:

* linear:    y_k = L(x_k), for linear and selecting words,
* Cauchy:    y_k = Σ_{j≤k} a_j b_{k-j}, for bilinear words,
* quotient:  y_k = (a_k − Σ_{j<k} y_j b_{k-j}) / b_0,
* integral:  k y_k = Σ_{1≤j≤k} j x_j d_{k-j}, for an elementary word with derivative d;
  of a family, whose derivatives never close, for all of them at once.

The series d is computed along with y, from the text of the derivative: its sums,
products and quotients by the same shapes, its elementary words again as integrals.
Equal words of equal arguments are one series, so that sin and cos find each other.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..core.build import Builder
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
    variable,
    zero,
)
from ..core.words import WORDS, Word
from ..rules.text import EVALUATE, Writer, emit, parse, shape_of
from .activity import active_vars
from .called import by_rule
from .entries import by_entries
from .implicit import follow
from .jvp import matched, prepare, refuse_constants
from .series import ONE, ZERO, Series, as_atom, is_series, plain, scaled, total
from .ssa import ssa
from .tidy import tidy

POWERS = 64  # integer exponents up to this size are products


def jet(program: Program, active: tuple[bool, ...]) -> Program:
    """Program of coefficients.

    The parameters are followed by one array of coefficients 0…K for each active one (the
    order is the last axis); the results are coefficient arrays.
    """
    program = by_entries(prepare(program))
    taylor = Taylor(program, active)
    b = Builder()
    taylor.enter(b)
    taylor.block(program.body, b)
    results = [taylor.result(a, b) for a in program.results]
    params = [*program.params, *taylor.series_params]
    return tidy(ssa(Program(f"{program.name}_jet", params, taylor.allocations.block + b.block, results)))


class Recurrence:
    """Writes the series of one word; each node's coefficients are filled order by order."""

    def __init__(self, b: Builder, size: Atom, allocate: Callable[..., Var]):
        self.b, self.size, self.allocate = b, size, allocate
        self.nodes: dict[tuple, Series] = {}
        self.steps: list[Callable[[Builder, Atom], None]] = []

    def new(self, first: Atom) -> Series:
        """A series whose order 0 is known; its step is to be added."""
        memory = self.allocate(first.type)
        self.b.store(memory, (ZERO,), first)
        return Series(first, memory)

    def run(self) -> None:
        """The loop over orders 1…K that takes every step."""
        k = Var("k", INT)
        body = Builder(line=self.b.line)
        for step in self.steps:
            step(body, k)
        self.b.block.append(For(k, ONE, self.size, ONE, body.block, line=self.b.line))
        self.steps = []

    def every(self, y: Series, value: Callable[[Builder, Atom], Any]) -> Series:
        """``y_k = value(k)``."""
        memory, type = variable(y.memory), y.first.type
        self.steps.append(lambda b, k: b.store(memory, (k,), matched(as_atom(value(b, k), y), type, b)))
        return y

    # The loop shapes

    def word(self, word: Word, args: list[Any], first: Atom | None = None) -> Series:
        """The series of ``word(*args)``; arguments are series or plain atoms."""
        if not any(map(is_series, args)):
            return Series(emit(self.b, word.name, tuple(map(plain, args))))
        key = (word.name, *(a.memory if is_series(a) else plain(a) for a in args))
        if key not in self.nodes:
            self.shape(word, args, emit(self.b, word.name, tuple(map(plain, args))) if first is None else first, key)
        return self.nodes[key]

    def shape(self, word: Word, args: list[Any], first: Atom, key: tuple) -> None:
        exponent = plain(args[1]) if word.name == "power" else None
        exponent = exponent.value if isinstance(exponent, Const) else exponent
        if word.kind == "discrete":
            self.nodes[key] = Series(first)
        elif isinstance(exponent, (int, float)) and float(exponent).is_integer() and abs(exponent) <= POWERS:
            self.nodes[key] = self.integer_power(args[0], int(exponent), first)
        elif word.kind == "bilinear" and all(is_series(a) for a in args[:2]):
            self.nodes[key] = self.cauchy(word, *args[:2], self.new(first), *args[2:])
        elif word.kind == "quotient" and is_series(args[1]):
            self.nodes[key] = self.quotient(args[0], args[1], self.new(first))
        elif word.kind == "implicit":
            self.nodes[key] = self.new(first)
            follow(self, word, args, self.nodes[key])
        elif word.kind == "family":
            self.nodes[key] = self.tower(word, args, self.new(first))
        elif word.kind == "elementary":
            self.nodes[key] = self.new(first)
            self.integral(word, args, self.nodes[key])
        else:
            self.nodes[key] = self.linear(word, args, self.new(first))

    def linear(self, word: Word, args: list[Any], y: Series) -> Series:
        """The jvp with coefficients of order k for tangents; what it selects depends on order 0."""
        rule = word.rule
        text = "cast" if word.name == "cast" else rule.jvp

        def value(b: Builder, k: Atom) -> Any:
            rows = [a.at(k, b) if is_series(a) else None for a in args]
            if text == "cast":
                return rows[0]
            env = dict(zip(rule.args, (plain(a) for a in args), strict=True)) | {"y": y.first}
            env |= {f"d{n}": row for n, row in zip(rule.args, rows, strict=True)}
            return Writer(env, b, b, frozenset(f"d{n}" for n in rule.args)).write(text)

        return self.every(y, value)

    def cauchy(self, word: Word, a: Series, c: Series, y: Series, *static: Any) -> Series:
        def value(b: Builder, k: Atom) -> Atom:
            def term(b: Builder, j: Atom) -> Atom:
                return emit(b, word.name, (a.at(j, b), c.at(b.sub(k, j), b), *static))

            return total(b, zero(y.first.type), b.add(k, 1), term)

        return self.every(y, value)

    def quotient(self, a: Any, c: Series, y: Series) -> Series:
        def value(b: Builder, k: Atom) -> Atom:
            start = a.at(k, b) if is_series(a) else zero(y.first.type)
            rest = total(b, start, k, lambda b, j: b.neg(b.mul(y.at(j, b), c.at(b.sub(k, j), b))))
            return b.div(rest, c.first)

        return self.every(y, value)

    def integral(self, word: Word, args: list[Any], y: Series) -> None:
        """``k y_k = Σ j x_j d_{k-j}``, summed over the arguments that are series."""
        rule = word.rule
        refuse_constants(word, [is_series(a) for a in args])
        env = dict(zip(rule.args, args, strict=True)) | {"y": y}
        terms: list[tuple[Series, Any]] = []

        def value(b: Builder, k: Atom) -> Atom:
            acc: Any = zero(y.first.type)
            for x, d in terms:
                if is_series(d):

                    def term(b: Builder, i: Atom, x: Series = x, d: Series = d) -> Atom:
                        return self.moment(b, x, d, k, b.add(i, 1))

                    acc = total(b, acc, k, term)
                else:
                    acc = b.add(acc, b.mul(b.mul(scaled(b, k, x), plain(d)), x.at(k, b)))
            return b.div(acc, scaled(b, k, y))

        self.every(y, value)  # the step comes first: y_k needs d only up to k-1
        for name, arg in zip(rule.args, args, strict=True):
            if is_series(arg):
                text = rule.closed.get(name) or rule.derivatives[name]
                d = self.text(parse(text), env)
                if name in rule.closed:
                    d = self.with_edge(d, rule.derivatives[name], env)
                terms.append((arg, d))

    def tower(self, word: Word, args: list[Any], y: Series) -> Series:
        """``k f⁽ᵐ⁾_k = Σ j x_j f⁽ᵐ⁺¹⁾_{k-j}`` for every derivative f⁽ᵐ⁾ of a family, as far as the order asks for.

        Row m of a square of coefficients is the series of the m-th derivative; only what lies
        above its antidiagonal is needed.
        """
        refuse_constants(word, [is_series(a) for a in args])
        ((name, nth),) = word.rule.nth.items()
        x, size = args[word.rule.args.index(name)], self.size
        env = dict(zip(word.rule.args, map(plain, args), strict=True))
        square = self.allocate(y.first.type, squared=True)

        def order_0(b: Builder, index: tuple[Atom, ...]) -> None:
            d = as_atom(Writer({**env, "k": index[0]}, b, b).write(nth), y)
            b.store(square, (b.mul(index[0], size),), matched(d, y.first.type, b))

        def value(b: Builder, k: Atom) -> Atom:
            def row(b: Builder, index: tuple[Atom, ...]) -> None:
                above = b.sub(b.add(b.mul(b.add(index[0], 1), size), k), 1)

                def term(b: Builder, j: Atom) -> Atom:
                    i = b.add(j, 1)
                    return b.mul(b.mul(scaled(b, i, x), x.at(i, b)), b.load(square, b.sub(above, j)))

                found = b.div(total(b, zero(y.first.type), k, term), scaled(b, k, y))
                b.store(square, (b.add(b.mul(index[0], size), k),), matched(found, y.first.type, b))

            b.each([b.sub(size, k)], row)
            return b.load(square, k)

        self.b.each([size], order_0)
        return self.every(y, value)

    def moment(self, b: Builder, x: Series, d: Series, k: Atom, j: Atom) -> Atom:
        return b.mul(b.mul(scaled(b, j, x), x.at(j, b)), d.at(b.sub(k, j), b))

    def with_edge(self, d: Any, text: str, env: dict[str, Any]) -> Any:
        """Order 0 of the closed spelling is replaced by the derivative itself, right at singular points too."""
        if is_series(d):
            values = {n: plain(v) for n, v in env.items()}
            d.first = as_atom(Writer(values, self.b, self.b).write(text), d)
            self.b.store(d.memory, (ZERO,), d.first)
        return d

    def integer_power(self, x: Series, n: int, first: Atom | None) -> Series:
        """``x**n`` by products (binary powering), right at zero to every order."""
        if n < 0:
            return self.word(WORDS["div"], [Const(1.0, x.first.type), self.integer_power(x, -n, None)], first)
        if n == 0:
            assert first is not None
            return Series(first)
        result: Series | None = None
        square = x
        while n:  # the last product has order 0 as the word itself gives it
            n, odd = divmod(n, 2)
            if odd:
                result = square if result is None else self.word(WORDS["mul"], [result, square], None if n else first)
            if n:
                square = self.word(WORDS["mul"], [square, square], first if n == 1 and result is None else None)
        assert result is not None  # n > 0
        return result

    def text(self, node: ast.expr, env: dict[str, Any]) -> Any:
        """The series (or plain value) of a rule's text."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return env[node.id] if node.id in env else Writer({}, self.b, self.b).write(node.id)
        name, operands = shape_of(node)
        values = [self.text(o, env) for o in operands]
        if not any(is_series(v) for v in values):
            values = [plain(v) for v in values]
            if name in EVALUATE and all(isinstance(v, (bool, int, float)) for v in values):
                return EVALUATE[name](*values)
            return emit(self.b, name, tuple(values))
        found = self.word(WORDS[name], values)
        return found if is_series(found) else found.first


class Taylor:
    """Carries a program to series, statement by statement; control flow stays on order 0."""

    def __init__(self, program: Program, active: tuple[bool, ...]):
        self.program = program
        self.sources = [v for v, a in zip(program.params, active, strict=True) if a]
        self.active = active_vars(program, self.sources)
        self.allocations = Builder()
        self.series: dict[Atom, Series] = {}
        self.arrays: dict[Atom, Var] = {}
        self.series_params: list[Var] = []
        self.parts: dict[Atom, Any] = {}  # by the target of a call: its results
        self.own: dict[Atom, Any] = {}
        self.size: Atom = ZERO

    def allocate(self, type: Type, squared: bool = False) -> Var:
        """Memory for one series, or for as many as it has coefficients, made once before everything else."""
        size = self.allocations.mul(self.size, self.size) if squared else self.size
        return variable(self.allocations.zeros([size], type.dtype, name="series"))

    def enter(self, b: Builder) -> None:
        for v in self.sources:
            coeffs = Var(v.name + "_coeffs", Type(v.type.dtype, v.type.rank + 1))
            self.series_params.append(coeffs)
            if v.type.rank:
                self.arrays[v] = coeffs
            else:
                self.series[v] = Series(v, coeffs)
        if self.series_params:
            first = self.series_params[0]
            self.size = self.allocations.shape(first, axis=first.type.rank - 1, name="size")
        for v in self.program.params:  # a constant whose name a loop exchanges with an active array's
            if v in self.active and v not in self.sources:
                self.arrays[v] = self.constant(v, b)

    def result(self, atom: Atom, b: Builder) -> Atom:
        """Coefficients of a result (those of a constant: itself, then zeros)."""
        if isinstance(atom, Var) and atom.type.rank:
            return self.array(atom, b)
        found = self.series.get(atom) if isinstance(atom, Var) else None
        if found is None:
            found = Recurrence(b, self.size, self.allocate).new(atom)
        return variable(found.memory)

    def constant(self, array: Var, b: Builder) -> Var:
        """Coefficients of an array that does not depend on the arguments (yet)."""
        shape = b.dims(array)
        coeffs = variable(b.zeros([*shape, self.size], array.type.dtype, name=array.name + "_coeffs"))
        b.each(shape, lambda inner, index: inner.store(coeffs, (*index, ZERO), inner.load(array, *index)))
        return coeffs

    def array(self, array: Atom, b: Builder) -> Var:
        """An array's coefficients; those of a constant, as it is now, where it has none."""
        return self.arrays.get(array) or self.constant(variable(array), b)

    def value(self, atom: Atom | Series) -> Any:
        return self.series.get(atom, atom) if isinstance(atom, Var) else atom

    def each(self, b: Builder, write: Callable[[Builder, Atom], None]) -> None:
        """A loop over all orders."""
        b.each([self.size], lambda inner, index: write(inner, *index))

    def block(self, block: Block, b: Builder) -> None:
        for s in block:
            b.line = s.line
            getattr(self, type(s).__name__.lower() + "_")(s, b)

    def let_(self, s: Let, b: Builder) -> None:
        if s.target in self.own:  # a rule that calls its own function
            return self.again(s, b)
        if s.word.name == "item" and s.args[0] in self.own:
            result = self.own[s.args[0]][s.params["k"]]
            b.bind(s.target, result.value)
            return result.known_as(s.target)
        b.block.append(s)
        if s.target not in self.active:
            return None
        name, target = s.word.name, s.target
        if name == "call":
            by_rule(self, s, b)
        elif name == "item":
            self.parts[s.args[0]][s.params["k"]].known_as(target)
        elif name == "full":
            self.arrays[target] = self.constant(target, b)
        elif name in ("copy", "grow"):
            array = self.array(s.args[0], b)  # new where the array is a constant
            self.arrays[target] = variable(b.emit(s.word, array, *s.args[1:])) if s.args[0] in self.arrays else array
        elif name == "load":
            memory = self.allocate(target.type)
            self.series[target] = Series(target, memory)
            source = self.arrays[s.args[0]]
            self.each(b, lambda b, k: b.store(memory, (k,), b.load(source, *s.args[1:], k)))
        elif name == "power" and self.is_run_time_power(*s.args):
            self.power(s, b)
        else:
            found = self.word(s, b)
            if is_series(found):
                self.series[target] = Series(target, found.memory)

    def again(self, s: Let, b: Builder) -> None:
        """What a call returned whose series is being made."""
        results = self.parts[s.target] = self.own[s.target]
        if s.target.type.dtype != "tuple":
            b.bind(s.target, results[0].value)
            results[0].known_as(s.target)

    def is_run_time_power(self, x: Atom, p: Atom) -> bool:
        return x in self.series and isinstance(p, Var) and p not in self.series

    def word(self, s: Let, b: Builder) -> Series:
        recurrence = Recurrence(b, self.size, self.allocate)
        found = recurrence.word(s.word, [self.value(a) for a in s.args], s.target)
        recurrence.run()
        return found

    def power(self, s: Let, b: Builder) -> None:
        """``x**p`` with p known only at run time: by products at x = 0, where the recurrence would divide by it."""
        (x, p), y = s.args, s.target
        one, memory = Const(1.0, y.type), self.allocate(y.type)
        self.series[y] = Series(y, memory)
        then, orelse = Builder(line=s.line), Builder(line=s.line)
        self.copy(one, memory, then)
        turn, k, inner = Var("n", INT), Var("k", INT), Builder(line=s.line)
        factor = self.series[x]
        zero = Const(0.0, y.type)
        found = total(inner, zero, inner.add(k, 1), lambda b, j: b.mul(b.load(memory, j), factor.at(b.sub(k, j), b)))
        inner.store(memory, (k,), matched(found, y.type, inner))
        product = For(k, ZERO, self.size, ONE, inner.block, reverse=True, line=s.line)  # from the last order: in place
        turns = then.minimum(then.cast(p, dtype="int64") if p.type != INT else p, self.size)  # further ones give zeros
        then.block.append(For(turn, ZERO, turns, ONE, [product], line=s.line))
        then.store(memory, (ZERO,), y)
        recurrence = self.word(s, orelse)
        self.each(orelse, lambda b, k: b.store(memory, (k,), recurrence.at(k, b)))
        whole = b.and_(b.ge(p, 0), b.eq(p, b.floor(p))) if p.type != INT else b.ge(p, ZERO)
        b.block.append(If(b.and_(b.eq(x, 0.0), whole), then.block, orelse.block, line=s.line))

    def store_(self, s: Store, b: Builder) -> None:
        b.block.append(s)
        if s.array not in self.active:
            return
        coeffs = self.arrays[s.array]
        if not s.index:
            b.store(coeffs, (), self.array(s.value, b), s.accumulate)
            return
        self.copy(s.value, coeffs, b, s.index, s.accumulate)

    def copy(
        self, source: Atom | Series, memory: Var, b: Builder, index: tuple[Atom, ...] = (), accumulate: bool = False
    ) -> None:
        """Fill ``memory``, at ``index`` if it is that of an array, with a series."""
        value = self.value(source)
        if is_series(value):
            self.each(b, lambda b, k: b.store(memory, (*index, k), value.at(k, b), accumulate))
        else:
            if not accumulate:
                self.each(b, lambda b, k: b.store(memory, (*index, k), 0.0))
            b.store(memory, (*index, ZERO), value, accumulate)

    def for_(self, s: For | While, b: Builder) -> None:
        """One memory for each active carry, filled before the loop and at the end of each turn."""
        new = replace(s, body=[], carries=list(s.carries))
        arrays = [c for c in s.carries if c.inner in self.active and c.inner.type.rank]
        for c in arrays:
            self.arrays[c.inner] = Var(c.inner.name + "_coeffs", self.array(c.init, b).type)
        carries = [c for c in s.carries if c.inner in self.active and c not in arrays]
        memories = [self.allocate(c.inner.type) for c in carries]
        for c, memory in zip(carries, memories, strict=True):
            self.copy(c.init, memory, b)
            self.series[c.inner] = Series(c.inner, memory)
        body = Builder(new.body, s.line)
        self.block(s.body, body)
        waiting = []
        for c, memory in zip(carries, memories, strict=True):
            if c.next is c.inner:
                continue
            following = self.value(c.next)
            if is_series(following) and following.memory in memories:  # exchanged: through a copy
                between = self.allocate(c.inner.type)
                self.copy(following, between, body)
                following = Series(c.next, between)
            waiting.append((following, memory))
        for following, memory in waiting:
            self.copy(following, memory, body)
        for c, memory in zip(carries, memories, strict=True):
            self.series[c.out] = Series(c.out, memory)
        for c in arrays:
            out = self.arrays[c.out] = Var(c.out.name + "_coeffs", self.arrays[c.inner].type)
            new.carries.append(Carry(self.arrays[c.inner], self.arrays[c.init], self.arrays[c.next], out))
        b.block.append(new)

    while_ = for_

    def if_(self, s: If, b: Builder) -> None:
        new = If(s.test, [], [], list(s.joins), s.line)
        arrays = [j for j in s.joins if j.out in self.active and j.out.type.rank]
        joins = [(j, self.allocate(j.out.type)) for j in s.joins if j.out in self.active and j not in arrays]
        for block, old, side in ((new.then, s.then, "then"), (new.orelse, s.orelse, "orelse")):
            inner = Builder(block, s.line)
            self.block(old, inner)
            for j, memory in joins:
                self.copy(getattr(j, side), memory, inner)
        for j in arrays:
            out = self.arrays[j.out] = Var(j.out.name + "_coeffs", self.arrays[j.then].type)
            new.joins.append(Join(out, self.arrays[j.then], self.arrays[j.orelse]))
        for j, memory in joins:
            self.series[j.out] = Series(j.out, memory)
        b.block.append(new)
