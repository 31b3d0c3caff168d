"""Reductions of arrays to numbers, and along an axis: there each of the views along it is reduced."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from dualgrad.core.program import BOOL, INT, Atom, Type, Var, const
from dualgrad.core.words import WORDS

from .arguments import FLOAT, Given, arguments, array, axis_of, choose, literal
from .making import diagonal_length, raveled
from .values import Array, Value
from .views import ONE, ZERO


def reduction(r: Any, node: ast.Call, of: Callable[..., Atom]) -> Value:
    given = arguments(r, node, "a axis?")
    parts = r.value(given["a"]) if of is summed else None
    if type(parts) is tuple and parts and len(given) == 1:
        return r.fold("add", [r.number(given["a"], p) for p in parts])
    found = array(r, given["a"] if parts is None else Given(parts, given["a"]))
    axis = literal(r, node, given, "axis")
    rank = len(found.axes)
    if axis is None or rank == 1:
        return of(r, node, found)
    if getattr(of, "func", of) not in (summed, mean):  # these read each entry once
        found = r.settled(found)
    axis = axis_of(r, node, axis, rank)
    shape = [n for k, n in enumerate(r.shape(found)) if k != axis]

    def at(index: Sequence[Atom]) -> Atom:
        return of(r, node, r.part(found, [*index[:axis], None, *index[axis:]]))

    return r.fresh(r.expression(shape, at, found))


def summed(r: Any, node: ast.AST, v: Array, word: str = "add", start: int = 0) -> Atom:
    dtype = v.type.dtype if v.type.differentiable else "int64"
    first = r.cast(const(start), dtype)
    return r.folded(r.shape(v), first, lambda t, k: r.b.emit(WORDS[word], t, r.cast(r.entry(v, k), dtype)))


def size_of(r: Any, v: Array) -> Atom:
    return r.fold("mul", r.shape(v))


def averaged(r: Any, total: Atom, v: Array) -> Atom:
    dtype = total.type.dtype if total.type.differentiable else FLOAT
    return r.b.div(r.cast(total, dtype), r.cast(size_of(r, v), dtype))


def mean(r: Any, node: ast.AST, v: Array) -> Atom:
    return averaged(r, summed(r, node, v), v)


def variance(r: Any, node: ast.AST, v: Array) -> Atom:
    """In double precision, as in numba."""
    v = r.settled(v)
    center = r.cast(mean(r, node, v), FLOAT)

    def step(total: Atom, k: Sequence[Atom]) -> Atom:
        return r.b.add(total, r.b.square(r.b.sub(r.cast(r.entry(v, k), FLOAT), center)))

    return averaged(r, r.folded(r.shape(v), const(0.0), step), v)


def root(r: Any, x: Atom) -> Atom:
    """The square root; at zero its derivative is zero, as for norms."""
    found = Var("root", x.type)
    choose(
        r,
        r.b.eq(x, 0.0),
        lambda: r.b.bind(found, r.cast(const(0.0), x.type.dtype)),
        lambda: r.b.bind(found, r.b.sqrt(x)),
    )
    return found


def deviation(r: Any, node: ast.AST, v: Array) -> Atom:
    return root(r, variance(r, node, v))


def norm(r: Any, node: ast.Call) -> Atom:
    v = array(r, arguments(r, node, "x")["x"])
    dtype = v.type.dtype if v.type.differentiable else FLOAT
    return root(r, r.folded(r.shape(v), r.cast(const(0), dtype), lambda t, k: r.b.add(
        t, r.b.square(r.cast(r.entry(v, k), dtype)))))  # fmt: skip


def first_of(r: Any, v: Array) -> list[Atom]:
    """The first index of an array, which must have one."""
    none = f"{r.source.name}: the extreme of an array without entries"
    return [r.checked(ZERO, r.b.gt(n, ZERO), none) for n in r.shape(v)]


def extreme(r: Any, node: ast.AST, v: Array, word: str) -> Atom:
    """The largest or smallest entry: its place, and where there are ties the mean of what is equal.

    The search is one of places, so that no derivative goes through it; equal entries share that of the result.
    """
    v = r.settled(v)
    if not v.type.differentiable:
        start = r.entry(v, first_of(r, v))
        found = Var("best", Type(v.type.dtype))
        r.b.bind(found, start)
        r.loops(r.shape(v), lambda k: r.b.bind(found, larger(r, word, r.entry(v, k), found)))
        return found
    place, ties, best = [Var("place", INT) for _ in v.axes], Var("ties", INT), Var("best", Type(v.type.dtype))
    for target, first in zip((*place, ties), (*first_of(r, v), ZERO), strict=True):
        r.b.bind(target, first)

    def search(k: Sequence[Atom]) -> None:
        x, found = r.entry(v, k), r.entry(v, place)
        better = r.b.or_(r.b.emit(WORDS["gt" if word == "maximum" else "lt"], x, found), r.b.isnan(x))
        more = r.b.add(ties, r.b.where(r.b.eq(x, found), ONE, ZERO))
        for target, new in zip((*place, ties), (*k, ONE), strict=True):
            r.b.bind(target, r.b.where(better, new, more if target is ties else target))

    r.loops(r.shape(v), search)
    first = r.entry(v, place)
    r.b.bind(best, first)

    def share(k: Sequence[Atom]) -> None:
        more = r.b.sub(r.entry(v, k), first)
        part = r.b.div(more, r.cast(ties, v.type.dtype))
        choose(r, r.b.eq(more, 0.0), lambda: r.b.bind(best, r.b.add(best, part)), lambda: None)

    choose(r, r.b.gt(ties, ONE), lambda: r.loops(r.shape(v), share), lambda: None)
    return best


def larger(r: Any, word: str, x: Atom, best: Atom) -> Atom:
    """Of integers or truth values."""
    if x.type == BOOL:
        return r.b.or_(x, best) if word == "maximum" else r.b.and_(x, best)
    return r.cast(r.b.emit(WORDS[word], x, best), best.type.dtype)


def place_of_extreme(r: Any, node: ast.AST, v: Array, word: str) -> Atom:
    """``np.argmax`` and ``np.argmin``, the first of equals."""
    best, place, count = Var("best", Type(v.type.dtype)), Var("place", INT), Var("count", INT)
    r.b.bind(best, r.entry(v, first_of(r, v)))
    r.b.bind(place, ZERO)
    r.b.bind(count, ZERO)

    def step(k: Sequence[Atom]) -> None:
        x = r.entry(v, k)
        better = r.b.emit(WORDS[word], r.cast(x, "int64") if x.type == BOOL else x, best)
        if v.type.differentiable:
            better = r.b.or_(better, r.b.and_(r.b.isnan(x), r.b.eq(best, best)))

        def replace() -> None:
            r.b.bind(best, x)
            r.b.bind(place, count)

        choose(r, better, replace, lambda: None)
        r.b.bind(count, r.b.add(count, ONE))

    r.loops(r.shape(v), step)
    return place


def truth(r: Any, node: ast.AST, v: Array, word: str, start: bool) -> Atom:
    return r.folded(r.shape(v), const(start), lambda t, k: r.b.emit(WORDS[word], t, r.cast(r.entry(v, k), "bool")))


def count_nonzero(r: Any, node: ast.AST, v: Array) -> Atom:
    return r.folded(r.shape(v), ZERO, lambda t, k: r.b.add(t, r.cast(r.cast(r.entry(v, k), "bool"), "int64")))


def spread_of(r: Any, node: ast.AST, v: Array) -> Atom:
    """``np.ptp``"""
    return r.b.sub(extreme(r, node, v, "maximum"), extreme(r, node, v, "minimum"))


def running(r: Any, node: ast.Call, word: str, start: int) -> Array:
    """``np.cumsum`` and ``np.cumprod``."""
    v = array(r, arguments(r, node, "a")["a"])
    v = v if len(v.axes) == 1 else raveled(r, node, v, True)
    dtype = v.type.dtype if v.type.differentiable else "int64"
    new, total = r.zeros(r.shape(v), dtype), Var("total", Type(dtype))
    r.b.bind(total, r.cast(const(start), dtype))

    def step(k: Sequence[Atom]) -> None:
        r.b.bind(total, r.b.emit(WORDS[word], total, r.cast(r.entry(v, k), dtype)))
        r.put(new, k, total)

    r.loops(r.shape(v), step)
    return new


def trace(r: Any, node: ast.Call) -> Atom:
    v = array(r, arguments(r, node, "a")["a"], 2)
    dtype = FLOAT if v.type.dtype == "float32" else v.type.dtype  # as in numba
    zero = r.cast(const(0), dtype)
    return r.folded((diagonal_length(r, v),), zero, lambda t, k: r.b.add(t, r.cast(r.entry(v, (k[0], k[0])), dtype)))


def reductions() -> dict[Any, Callable[..., Value]]:
    table: dict[Any, Callable[..., Atom]] = {
        np.sum: summed, sum: summed, np.prod: partial(summed, word="mul", start=1),
        np.mean: mean, np.var: variance, np.std: deviation,
        np.max: partial(extreme, word="maximum"), np.min: partial(extreme, word="minimum"),
        np.argmax: partial(place_of_extreme, word="gt"), np.argmin: partial(place_of_extreme, word="lt"),
        np.any: partial(truth, word="or_", start=False), np.all: partial(truth, word="and_", start=True),
        np.count_nonzero: count_nonzero, np.ptp: spread_of,
    }  # fmt: skip
    return {function: partial(reduction, of=of) for function, of in table.items()}


REDUCTIONS: dict[Any, Callable[..., Value]] = {
    **reductions(),
    np.cumsum: partial(running, word="add", start=0), np.cumprod: partial(running, word="mul", start=1),
    np.trace: trace, np.linalg.norm: norm,
}  # fmt: skip
