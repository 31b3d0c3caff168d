"""Averages, quantiles and covariances; and reductions that pass over NaN."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualgrad.backends.arrays import axes_of

from ..number import Number, plain
from . import reducing
from .making import chosen, operand
from .moving import gather
from .reducing import NONE, folded
from .table import means, unsupported


@means(np.average)
def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    if weights is None:
        found = np.mean(a, axis, keepdims=keepdims)
        total = a.dtype.type(a.size / max(1, np.size(found)))
    else:
        weights = _along(operand(weights), a, axis)
        total = np.sum(weights, axis, keepdims=keepdims)
        if np.any(plain(total) == 0):
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
        found = np.sum(a * weights, axis, keepdims=keepdims) / total
    return (found, np.broadcast_to(total, np.shape(found))) if returned else found


def _along(weights: Any, a: Any, axis: Any) -> Any:
    """Weights of the entries from weights of the places along an axis."""
    weights = np.asarray(weights) if not isinstance(weights, Number) else weights
    if weights.shape == np.shape(a):
        return weights
    if axis is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    axes = axes_of(axis, np.ndim(a))
    if weights.shape != tuple(np.shape(a)[k] for k in axes):
        raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
    weights = np.transpose(weights, np.argsort(axes))
    whole = np.reshape(weights, tuple(np.shape(a)[k] if k in axes else 1 for k in range(np.ndim(a))))
    return np.broadcast_to(whole, np.shape(a))


# Quantiles


def _interpolated(function: Callable[..., Any], x: Any, axis: Any, keepdims: Any, weights: Any = None) -> Any:
    """A function of sorted entries that interpolates between neighbours.

    Told between which, and how far from the lower one: its value for the ranks 0, 1, 2, … in place of the entries.
    """
    rows, ones = folded(x, axis)
    value = plain(rows)
    n, rest = len(value), value.shape[1:]
    order = np.argsort(value, axis=0, kind="stable")
    weights = None if weights is None else folded(_along(plain(weights), x, axis), axis)[0]
    place = np.asarray(_places(function, value, order, weights))
    lead = place.shape[: place.ndim - len(rest)]
    shape = lead + ones if keepdims is not NONE and keepdims else place.shape
    if n == 0:
        return np.full(shape, np.nan, value.dtype)[()]
    low = chosen(np.isnan(place), 0, np.floor(place)).astype(int)
    share = (place - low).astype(value.dtype)[()]
    columns = np.arange(math.prod(rest))

    def entries(rank: Any) -> Any:
        row = np.reshape(order, (n, columns.size))[np.reshape(rank, (math.prod(lead), columns.size)), columns]
        return gather(rows, np.reshape(row * columns.size + columns, rank.shape))

    found = entries(low)
    if np.any(share != 0):
        between = found * (1 - share) + entries(low + (share > 0)) * share
        found = chosen(share == 0, found, between) if np.any(share == 0) else between
    return found if np.shape(found) == shape else np.reshape(found, shape)


def _places(function: Callable[..., Any], value: Any, order: Any, weights: Any) -> Any:
    """Where in the sorted entries the function looks, column by column; for all alike if no NaN or weight differs."""
    n, rest = len(value), value.shape[1:]
    ranks = np.reshape(np.arange(float(n)), (n, *(1,) * len(rest)))
    last = np.take_along_axis(value, order[-1:], 0)  # NaN is sorted to the end
    if weights is None and not np.any(np.isnan(last)):
        place = np.asarray(function(ranks, axis=0))
        return np.broadcast_to(place, place.shape[: place.ndim - len(rest)] + rest)
    ranks = chosen(np.isnan(np.take_along_axis(value, order, 0)), np.nan, ranks)
    if weights is None:
        return function(ranks, axis=0)
    return function(ranks, axis=0, weights=np.take_along_axis(weights, order, 0))


def _quantile(function: Callable[..., Any]) -> Callable[..., Any]:
    """``np.quantile`` and its like; every method of NumPy's."""

    def quantile(
        a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, method: str = "linear",
        keepdims: Any = False, *, weights: Any = None,
    ) -> Any:  # fmt: skip
        if isinstance(q, Number) and q._level.depth:
            raise unsupported(f"np.{function.__name__} by q", "take a fixed q")
        q = plain(q)
        return _interpolated(lambda ranks, **o: function(ranks, q, method=method, **o), a, axis, keepdims, weights)

    return quantile


def _median(function: Callable[..., Any]) -> Callable[..., Any]:
    def median(
        a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False
    ) -> Any:
        return _interpolated(function, a, axis, keepdims)

    return median


_function: Callable[..., Any]
for _function in (np.quantile, np.percentile, np.nanquantile, np.nanpercentile):
    means(_function)(_quantile(_function))
for _function in (np.median, np.nanmedian):
    means(_function)(_median(_function))


# Covariance


@means(np.cov)
def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None,
    fweights: Any = None, aweights: Any = None, *, dtype: Any = None,
) -> Any:  # fmt: skip
    rows = [np.atleast_2d(v) if rowvar or np.ndim(v) < 2 else np.transpose(v) for v in (m, y) if v is not None]
    if not len(rows[0]):  # then NumPy does not look at y
        return np.zeros((0, 0))
    x = rows[0] if y is None else np.concatenate(rows)
    x = x.astype(np.result_type(x.dtype, np.float64) if dtype is None else dtype)
    ddof = (0 if bias else 1) if ddof is None else ddof
    weights = [operand(w) for w in (fweights, aweights) if w is not None]
    if not weights:
        x = x - np.mean(x, 1, keepdims=True)
        return np.squeeze(np.matmul(x, np.conj(np.transpose(x))) / max(0, x.shape[1] - ddof))
    w = weights[0] if len(weights) == 1 else weights[0] * weights[1]
    total = np.sum(w)
    freedom = total - ddof * (1 if aweights is None else np.sum(w * weights[-1]) / total) if ddof else total
    x = x - np.sum(x * w, 1, keepdims=True) / total
    return np.squeeze(np.matmul(x, np.conj(np.transpose(x * w))) / freedom)


@means(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    c = cov(x, y, rowvar, dtype=dtype)
    if np.ndim(c) == 0:
        return c / c
    scale = np.sqrt(np.real(np.diagonal(c)))
    c = c / scale[:, None] / scale[None, :]
    return chosen(np.absolute(plain(c)) > 1, np.sign(plain(c)), c)  # as rounding may have it


# Without NaN


def _valid(x: Any, where: Any) -> Any:
    valid = ~np.isnan(plain(x))
    return valid if where is True or where is NONE else valid & plain(where)


def _passing_over(reduce: Callable[..., Any]) -> Callable[..., Any]:
    """A reduction that does not look at NaN."""

    def sums(x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False,
             initial: Any = NONE, where: Any = True) -> Any:  # fmt: skip
        return reduce(x, axis, dtype, keepdims=keepdims, initial=initial, where=_valid(x, where))

    def moments(x: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: bool = False,
                *, where: Any = True, mean: Any = NONE, correction: Any = NONE) -> Any:  # fmt: skip
        options = {"mean": mean, "correction": correction, "where": _valid(x, where)}
        return reduce(x, axis, dtype, ddof=ddof, keepdims=keepdims, **options)

    return moments if reduce in (reducing.var, reducing.std) else sums


means(np.nansum)(_passing_over(reducing.sum))
means(np.nanprod)(_passing_over(reducing.prod))
means(np.nanvar)(_passing_over(reducing.var))
means(np.nanstd)(_passing_over(reducing.std))


@means(np.nanmean)
def nanmean(x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, *,
            where: Any = True) -> Any:  # fmt: skip
    return reducing.mean(x, axis, dtype, keepdims=keepdims, where=_valid(x, where))


@means(np.nancumsum)
def nancumsum(x: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    return np.cumsum(chosen(_valid(x, True), x, 0.0), axis, dtype)


@means(np.nancumprod)
def nancumprod(x: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    return np.cumprod(chosen(_valid(x, True), x, 1.0), axis, dtype)


def _extreme(reduce: Callable[..., Any], worst: float) -> Callable[..., Any]:
    """An extreme that does not look at NaN; NaN where there is nothing else."""

    def extreme(
        x: Any, axis: Any = None, out: Any = None, keepdims: bool = False, initial: Any = NONE, where: Any = True
    ) -> Any:
        valid = _valid(x, where)
        found = reduce(chosen(valid, x, worst), axis, keepdims=keepdims, initial=initial)
        some = np.any(valid, axis, keepdims=keepdims is not NONE and bool(keepdims)) | (initial is not NONE)
        return found if np.all(some) else chosen(some, found, np.nan)

    return extreme


means(np.nanmax)(_extreme(reducing.max, -np.inf))
means(np.nanmin)(_extreme(reducing.min, np.inf))
