"""Series of functions with rules of their own: ``x(t), x'(t) -> y'(t)``.

The rule is carried to series like any text, with the series of the arguments and those of their derivatives by t; the
coefficient of order k of a result is that of order k - 1 of its tangent, divided by k.  A rule that asks for its own
function (``exp``: y' = y x') meets there the series that is being made.  Then the rule runs once for each order: what
lies beyond the orders known so far has no influence on the next one.
"""

from __future__ import annotations

from typing import Any

from ..core.build import Builder
from ..core.program import INT, Atom, For, Let, Program, Var, variable, zero
from ..core.walk import substituted, walk
from ..core.words import WORDS
from .activity import active_vars
from .entries import by_entries
from .jvp import prepare
from .series import ONE, ZERO, Series, is_series, scaled
from .tidy import tidy


def by_rule(taylor: Any, s: Let, b: Builder) -> None:
    """The series of what a call returns; its value has been written."""
    called = s.params["of"]
    active = tuple(a in taylor.active for a in s.args)
    whole = by_entries(prepare(called.rule(active, False)))
    count = len(called.results)
    rule = tidy(Program(whole.name, whole.params, whole.body, whole.results[count:]))
    given: dict[Atom, Atom] = dict(zip(rule.params, s.args, strict=False))
    tangents = rule.params[len(s.args) :]
    made = [Result(taylor, s, k, b) for k in range(count)]
    taylor.parts[s.target] = made
    body = substituted(rule.body, given)
    taylor.active |= active_vars(Program("", [], body, []), [*tangents, *(a for a in taylor.active if a in s.args)])
    for t, a in zip(tangents, (a for a, on in zip(s.args, active, strict=True) if on), strict=True):
        derivative(taylor, t, a, b)
    own = [t for t in walk(body) if isinstance(t, Let) and t.word.name == "call" and is_again(t, s)]
    taylor.own.update({t.target: made for t in own})
    order, inner = Var("order", INT), Builder(line=s.line)
    taylor.block(body, inner if own else b)
    dots = [given.get(d, d) for d in rule.results]
    for result, dot in zip((r for r in made if r.memory is not None), dots, strict=True):
        result.raised(dot, inner if own else b, order if own else None)
    if own:
        b.block.append(For(order, ONE, taylor.size, ONE, inner.block, line=s.line))


def is_again(t: Let, s: Let) -> bool:
    """Whether a rule calls its own function with its own arguments."""
    return t.params["of"].key == s.params["of"].key and t.args == s.args


def derivative(taylor: Any, t: Var, a: Atom, b: Builder) -> None:
    """``t_j = (j + 1) a_{j+1}``; the last coefficient is not known, and not needed."""
    last = b.sub(taylor.size, ONE)
    shape = b.dims(a)
    if t.type.rank:
        source = taylor.array(a, b)
        memory = variable(b.zeros([*shape, taylor.size], t.type.dtype, name=t.name + "_coeffs"))
        taylor.arrays[t] = memory
    else:
        value = taylor.value(a)
        source, memory = value.memory if is_series(value) else None, taylor.allocate(t.type)
        taylor.series[t] = Series(t, memory)

    def write(inner: Builder, index: tuple[Var, ...]) -> None:
        *at, j = index
        k = inner.add(j, ONE)
        x = zero(t.type) if source is None else inner.load(source, *at, k)
        inner.store(memory, index, inner.mul(scaled(inner, k, Series(x)), x))

    b.each([*shape, last], write)
    if t.type.rank:
        b.zeros(shape, t.type.dtype, target=t)
        b.each(shape, lambda inner, at: inner.store(t, at, inner.load(memory, *at, ZERO)))
    else:
        b.bind(t, b.load(memory, ZERO))


class Result:
    """One result of a call: its value, and memory for its coefficients (None of a discrete one)."""

    def __init__(self, taylor: Any, s: Let, k: int, b: Builder):
        called = s.params["of"]
        self.taylor, self.value, self.memory = taylor, s.target, None
        type = called.results[k]
        if s.target.type.dtype == "tuple":
            self.value = Var(s.target.name, type)
            b.block.append(Let(self.value, WORDS["item"], (s.target,), called.items[k], s.line))
        if not type.differentiable:
            return
        if type.rank:
            self.memory = taylor.constant(self.value, b)
        else:
            self.memory = taylor.allocate(type)
            b.store(self.memory, (ZERO,), self.value)
        self.known_as(self.value)

    def known_as(self, name: Var) -> None:
        """Another variable for the same result."""
        if self.memory is not None:
            if name.type.rank:
                self.taylor.arrays[name] = self.memory
            else:
                self.taylor.series[name] = Series(self.value, self.memory)

    def raised(self, dot: Atom, b: Builder, order: Atom | None) -> None:
        """``y_k = dot_{k-1} / k`` for every order, or for one."""
        taylor, memory = self.taylor, self.memory
        source = taylor.array(dot, b) if dot.type.rank else taylor.value(dot)

        def write(inner: Builder, index: tuple[Atom, ...]) -> None:
            *at, j = index
            k = inner.add(j, ONE)
            if dot.type.rank:
                found = inner.load(source, *at, j)
            elif is_series(source):
                found = source.at(j, inner)
            else:
                found = inner.where(inner.eq(j, ZERO), getattr(source, "first", source), zero(dot.type))
            inner.store(variable(memory), (*at, k), inner.div(found, scaled(inner, k, Series(found))))

        shape = b.dims(dot)
        if order is None:
            b.each([*shape, b.sub(taylor.size, ONE)], write)
        else:
            below = b.sub(order, ONE)
            b.each(shape, lambda inner, at: write(inner, (*at, below)))
