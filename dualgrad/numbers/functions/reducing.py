"""Sums, products and extremes over axes, and running ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualgrad.backends.arrays import axes_of, axis_of
from dualgrad.core.words import WORDS

from ..number import apply_linear, plain
from .complex import squared
from .making import chosen, join, strong
from .moving import gather
from .table import REDUCTIONS, means
from .values import astype

SUM = WORDS["sum"]
NONE: Any = np._NoValue  # as NumPy says that there is no `initial`


@means(np.sum, method=True)
def sum(
    x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False,
    initial: Any = NONE, where: Any = True,
) -> Any:  # fmt: skip
    found = apply_linear(SUM, prepared(x, dtype, where, 0.0), axis, _true(keepdims))
    return found if initial is NONE else found + initial


def prepared(x: Any, dtype: Any, where: Any, neutral: float) -> Any:
    """What a reduction reads: of its dtype, and neutral where it is told not to look."""
    x = x if dtype is None else astype(x, dtype)
    return x if where is True or where is NONE else chosen(plain(where), x, neutral)


def _true(keepdims: Any) -> bool:
    return keepdims is not NONE and bool(keepdims)


@means(np.mean, method=True)
def mean(
    x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = True
) -> Any:
    return sum(x, axis, dtype, keepdims=keepdims, where=where) / _count(x, axis, keepdims, where)


def _count(x: Any, axis: Any, keepdims: Any = False, where: Any = True) -> Any:
    """How many entries a reduction looks at."""
    if where is True or where is NONE:
        return math.prod(x.shape[a] for a in axes_of(axis, x.ndim))
    return np.sum(np.broadcast_to(plain(where), x.shape), axis, keepdims=_true(keepdims), dtype=x.real.dtype)


@means(np.var, method=True)
def var(
    x: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: bool = False, *,
    where: Any = True, mean: Any = NONE, correction: Any = NONE,
) -> Any:  # fmt: skip
    x = x if dtype is None else astype(x, dtype)
    centre = _mean(x, axis, keepdims=True, where=where) if mean is NONE else mean
    centred = x - centre
    count = _count(x, axis, keepdims, where) - (ddof if correction is NONE else correction)
    return sum(squared(centred), axis, keepdims=keepdims, where=where) / (count * (count > 0))


_mean = mean


@means(np.std, method=True)
def std(x: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: bool = False, *,
        where: Any = True, mean: Any = NONE, correction: Any = NONE) -> Any:  # fmt: skip
    """Zero for equal values, and so is its derivative there."""
    options = {"where": where, "mean": mean, "correction": correction}
    return root(var(x, axis, dtype, ddof=ddof, keepdims=keepdims, **options))


def root(square: Any, zero: Any = None) -> Any:
    """The square root with derivative zero where it is zero."""
    zero = plain(square) == 0 if zero is None else zero
    return chosen(zero, 0.0, np.sqrt(chosen(zero, 1.0, square)))


@means(np.diff)
def diff(x: Any, n: int = 1, axis: int = -1, prepend: Any = NONE, append: Any = NONE) -> Any:
    head = (slice(None),) * axis_of(axis, x.ndim)
    ends = [e if e is NONE else _end(e, x, axis) for e in (prepend, append)]
    if prepend is not NONE or append is not NONE:
        x = np.concatenate([p for p in (ends[0], x, ends[1]) if p is not NONE], axis)
    for _ in range(n):
        x = x[(*head, slice(1, None))] - x[(*head, slice(None, -1))]
    return x


def _end(value: Any, x: Any, axis: int) -> Any:
    """What `diff` puts before or after: a number stands for a layer of it."""
    layer = list(x.shape)
    layer[axis] = 1
    return np.broadcast_to(value, layer) if np.ndim(value) == 0 else value


@means(np.ediff1d)
def ediff1d(x: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    x = strong(x)
    ends = [() if e is None else (astype(np.ravel(e), x.dtype),) for e in (to_begin, to_end)]
    found = diff(np.ravel(x))
    return np.concatenate([*ends[0], found, *ends[1]]) if any(ends) else found


# Products: without division, so zeros among the factors are right to all orders


def folded(x: Any, axis: Any) -> tuple[Any, tuple[int, ...]]:
    """The array with the reduced axes as one in front, and the shape of the result with ``keepdims``."""
    axes = axes_of(axis, np.ndim(x))
    kept = [k for k in range(np.ndim(x)) if k not in axes]
    shape = np.shape(x)
    ones = tuple(1 if k in axes else n for k, n in enumerate(shape))
    rows = np.reshape(np.transpose(x, [*axes, *kept]), (math.prod(shape[k] for k in axes), *(shape[k] for k in kept)))
    return rows, ones


@means(np.prod, method=True)
def prod(
    x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False,
    initial: Any = NONE, where: Any = True,
) -> Any:  # fmt: skip
    """Products of halves of halves."""
    rows, ones = folded(prepared(x, dtype, where, 1.0), axis)
    found = rows if len(rows) > 1 else rows.copy()
    while len(found) > 1:
        half = len(found) // 2
        pairs = found[:half] * found[half : 2 * half]
        found = pairs if len(found) % 2 == 0 else np.concatenate([pairs, found[2 * half :]])
    found = found[0] if len(found) else np.ones(rows.shape[1:], rows.dtype)[()]
    if _left_the_range(found, lambda: np.multiply.reduce(plain(rows))):
        found = _in_turn(rows)[-1]
    found = found if initial is NONE else found * initial
    return np.reshape(found, ones) if _true(keepdims) else found


def _left_the_range(found: Any, expected: Callable[[], Any]) -> bool:
    """Whether factors were multiplied in an order that overflows or vanishes where NumPy's does not."""
    value = plain(found)
    if np.all(np.isfinite(value) & (value != 0)):
        return False
    with np.errstate(all="ignore"):
        return not np.array_equal(value, expected(), equal_nan=True)


def _in_turn(factors: Any) -> list[Any]:
    """Running products, one after the other."""
    found = [factors[0]]
    for k in range(1, len(factors)):
        found.append(found[-1] * factors[k])
    return found


@means(np.cumprod, method=True)
def cumprod(x: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    x = x if dtype is None else astype(x, dtype)
    x, axis = (np.ravel(x), 0) if axis is None or x.ndim == 0 else (x, axis)
    rows = np.moveaxis(x, axis_of(axis, x.ndim), 0)
    found = _running_product(rows)
    if _left_the_range(found, lambda: np.multiply.accumulate(plain(rows))):
        found = np.stack(_in_turn(rows))
    return np.moveaxis(found, 0, axis)


def _running_product(x: Any) -> Any:
    """Products of pairs have running products half as long; between them is one factor more."""
    n = len(x)
    if n < 2:
        return x.copy()
    odd = _running_product(x[:-1:2] * x[1::2])
    even = odd[: (n - 1) // 2] * x[2::2]
    return join(x.shape, [(slice(0, 1), x[:1]), (slice(2, None, 2), even), (slice(1, None, 2), odd)])


# Running sums


@means(np.cumsum, method=True)
def cumsum(x: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    x = x if dtype is None else astype(x, dtype)
    x, axis = (np.ravel(x), 0) if axis is None or x.ndim == 0 else (x, axis)
    return apply_linear(WORDS["cumsum"], x, axis)


def _cumulative(running: Callable[..., Any], first: float) -> Callable[..., Any]:
    """``np.cumulative_sum`` and its like."""

    def call(
        x: Any, /, *, axis: int | None = None, dtype: Any = None, out: Any = None, include_initial: bool = False
    ) -> Any:
        x = np.atleast_1d(x)
        if axis is None and x.ndim > 1:
            raise ValueError("For arrays which have more than one dimension ``axis`` argument is required.")
        axis = 0 if axis is None else axis_of(axis, x.ndim)
        found = running(x, axis, dtype)
        start = np.full((*x.shape[:axis], 1, *x.shape[axis:][1:]), first, found.dtype)
        return np.concatenate([start, found], axis) if include_initial else found

    return call


means(np.cumulative_sum)(_cumulative(cumsum, 0.0))
means(np.cumulative_prod)(_cumulative(cumprod, 1.0))


# Extremes


def _extreme(function: Callable[..., Any]) -> Callable[..., Any]:
    """The entry that attains the extreme; if several do they share its derivative equally."""

    def extreme(
        x: Any, axis: Any = None, out: Any = None, keepdims: bool = False, initial: Any = NONE, where: Any = True
    ) -> Any:
        value, keepdims = plain(x), _true(keepdims)
        options = {} if initial is NONE else {"initial": plain(initial), "where": plain(where)}
        top = function(value, axis=axis, keepdims=True, **options)
        hit = (value == top) | (value != value) & (top != top)
        if where is not True and where is not NONE:
            hit = hit & plain(where)
        count = np.sum(hit, axis=axis, keepdims=keepdims)
        if np.all(count == 1) and initial is NONE:
            positions = np.arange(value.size).reshape(value.shape)
            return gather(x, np.sum(chosen(hit, positions, 0), axis=axis, keepdims=keepdims))
        flat = np.reshape(top, np.shape(count))[()]
        shared = sum(chosen(hit, x - chosen(np.isfinite(top), top, 0), 0.0), axis, keepdims=keepdims)
        if initial is not NONE:
            own = flat == plain(initial)
            count = count + own
            shared = shared + chosen(own, initial - chosen(np.isfinite(flat), flat, 0), 0.0)
        return shared / np.maximum(count, 1).astype(value.dtype) + chosen(np.isfinite(flat), flat, 0)[()]

    extreme.__name__ = function.__name__
    return extreme


max = means(np.max, np.amax, method=True)(_extreme(np.max))
min = means(np.min, np.amin, method=True)(_extreme(np.min))


@means(np.ptp)
def ptp(x: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return max(x, axis, keepdims=keepdims) - min(x, axis, keepdims=keepdims)


REDUCTIONS |= {np.add: sum, np.multiply: prod, np.maximum: max, np.minimum: min}
