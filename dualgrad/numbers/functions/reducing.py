"""Sums, products and extremes over axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualgrad.backends.arrays import axes_of
from dualgrad.core.words import WORDS

from ..number import apply_linear, plain
from .complex import squared
from .table import FUNCTIONS, METHODS, REDUCTIONS, means
from .values import astype

SUM = WORDS["sum"]


@means(np.sum, method=True)
def sum(x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return apply_linear(SUM, x if dtype is None else astype(x, dtype), axis, keepdims)


@means(np.mean, method=True)
def mean(x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return sum(x, axis, dtype, keepdims=keepdims) / _count(x, axis)


def _count(x: Any, axis: Any) -> int:
    return math.prod(x.shape[a] for a in axes_of(axis, x.ndim))


@means(np.var, method=True)
def var(x: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    x = x if dtype is None else astype(x, dtype)
    centred = x - mean(x, axis, keepdims=True)
    return sum(squared(centred), axis, keepdims=keepdims) / (_count(x, axis) - ddof)


@means(np.std, method=True)
def std(x: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """Zero for equal values, and so is its derivative there."""
    return root(var(x, axis, dtype, ddof=ddof, keepdims=keepdims))


def root(square: Any, zero: Any = None) -> Any:
    """The square root with derivative zero where it is zero."""
    zero = plain(square) == 0 if zero is None else zero
    return np.where(zero, 0.0, np.sqrt(np.where(zero, 1.0, square)))


@means(np.cumsum, method=True)
def cumsum(x: Any, axis: int | None = None) -> Any:
    return apply_linear(WORDS["cumsum"], np.ravel(x) if axis is None else x, 0 if axis is None else axis)


@means(np.diff)
def diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    head = (slice(None),) * (axis % x.ndim)
    for _ in range(n):
        x = x[(*head, slice(1, None))] - x[(*head, slice(None, -1))]
    return x


@means(np.prod, method=True)
def prod(x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    """Products of halves of halves: no division, so zeros among the factors are right to all orders."""
    x = x if dtype is None else astype(x, dtype)
    axes = axes_of(axis, x.ndim)
    kept = [k for k in range(x.ndim) if k not in axes]
    rest = tuple(x.shape[k] for k in kept)
    ones = tuple(1 if k in axes else n for k, n in enumerate(x.shape))
    x = np.reshape(np.transpose(x, [*axes, *kept]), (-1, *rest))
    while len(x) > 1:
        half = len(x) // 2
        pairs = x[:half] * x[half : 2 * half]
        x = pairs if len(x) % 2 == 0 else np.concatenate([pairs, x[2 * half :]])
    x = x[0] if len(x) else np.ones(rest)
    return np.reshape(x, ones) if keepdims else x


def _extreme(function: Any) -> Callable[..., Any]:
    """The mean of the entries that attain the extreme: ties share its derivative equally."""

    def extreme(x: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        value = plain(x)
        hit = value == function(value, axis=axis, keepdims=True)
        return sum(np.where(hit, x, 0.0), axis, keepdims=keepdims) / np.sum(hit, axis=axis, keepdims=keepdims)

    return extreme


max, min = _extreme(np.max), _extreme(np.min)
FUNCTIONS |= {np.max: max, np.min: min}
METHODS |= {"max": max, "min": min}
REDUCTIONS |= {np.add: sum, np.multiply: prod, np.maximum: max, np.minimum: min}
