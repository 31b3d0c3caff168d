"""Functions that choose among entries by their values: which ones is decided by the values, the rest is linear."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualgrad.core.words import WORDS

from ..array import as_value, with_memory
from ..number import Number, apply_linear, plain, write_out
from .making import chosen, operand
from .moving import gather
from .table import FUNCTIONS, means


@means(np.where)
def where(test: Any, a: Any = None, b: Any = None) -> Any:
    if a is None:
        return np.nonzero(plain(test))
    return with_memory(chosen(test, a, b))


@means(np.clip, method=True)
def clip(x: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = a_min if min is None else min, a_max if max is None else max
    x = x if low is None else np.maximum(operand(low), x)  # in this order the sign of a zero is NumPy's
    x = x if high is None else np.minimum(operand(high), x)
    return as_value(x.copy()) if low is None and high is None else x


@means(np.select)
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """The first choice whose condition holds, entry by entry."""
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    dtype = np.result_type(*(getattr(c, "dtype", c) for c in (*map(operand, choicelist), default)))
    found = default if np.ndim(default) else dtype.type(default) if not hasattr(default, "dtype") else default
    for test, choice in zip(reversed(condlist), reversed(choicelist)):
        found = chosen(test, choice, found)
    return with_memory(found)


@means(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    if x.dtype.kind == "c":
        real, imag = (nan_to_num(part, True, nan, posinf, neginf) for part in (x.real, x.imag))
        return write_out(x, real + 1j * imag) if not copy else real + 1j * imag
    value, limits = plain(x), np.finfo(x.dtype)
    tests = (np.isnan, nan), (np.isposinf, limits.max if posinf is None else posinf), (
        np.isneginf, limits.min if neginf is None else neginf)  # fmt: skip
    found = x
    for test, instead in tests:
        hit = test(value)
        found = chosen(hit, instead, found) if np.any(hit) else found
    if not copy and x._is_array():
        x[...] = found
        return as_value(x)
    return as_value(found.copy() if found is x else found)


def _triangle(keep: Any) -> Any:
    """``np.tril`` and ``np.triu``: zeros are not touched by what stands in their place."""

    def call(m: Any, k: int = 0) -> Any:
        mask = keep(np.ones(m.shape[-2:] if m.ndim > 1 else m.shape * 2, bool), k)
        return chosen(mask, m, np.zeros(1, m.dtype))

    return call


FUNCTIONS |= {np.tril: _triangle(np.tril), np.triu: _triangle(np.triu)}


# Order


@means(np.sort)
def sort(x: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """The stable permutation: equal entries keep their order."""
    x, axis = (np.ravel(x), 0) if axis is None else (x, axis)
    return np.take_along_axis(x, np.argsort(plain(x), axis, kind="stable"), axis)


@means(np.partition)
def partition(x: Any, kth: Any, axis: Any = -1, kind: Any = "introselect", order: Any = None) -> Any:
    """NumPy's arrangement; among equal entries the stable permutation."""
    x, axis = (np.ravel(x), 0) if axis is None else (x, axis)
    value = plain(x)
    order = np.argsort(value, axis, kind="stable")
    place = np.argsort(np.partition(value, kth, axis, kind), axis, kind="stable")
    permutation = np.empty_like(order)
    np.put_along_axis(permutation, place, order, axis)
    return np.take_along_axis(x, permutation, axis)


# Sets


@means(np.unique)
def unique(x: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
           axis: Any = None, **options: Any) -> Any:  # fmt: skip
    """The first of the entries that are equal; what else is asked for is discrete."""
    _, index, *rest = np.unique(plain(x), True, return_inverse, return_counts, axis, **options)  # type: ignore[call-overload]
    found = gather(x, index) if axis is None else np.take(x, index, axis)
    extra = ((index,) if return_index else ()) + tuple(rest)
    return (found, *extra) if extra else found


def _of_values(function: Callable[..., Any], inputs: int) -> Callable[..., Any]:
    """A function whose result holds some of the values of its inputs: they come from the first entry of that value."""

    def call(*args: Any, **options: Any) -> Any:
        row = np.concatenate([np.ravel(operand(a)) for a in args[:inputs]])
        found = function(*map(plain, args), **options)
        values = plain(row)
        order = np.argsort(values, kind="stable")

        def numbers(chosen: Any) -> Any:
            return gather(row, order[np.searchsorted(values, chosen, sorter=order)])

        if isinstance(found, tuple):
            rest = (numbers(found[0]), *found[1:])
            return type(found)(*rest) if hasattr(found, "_fields") else rest
        return numbers(found)

    return call


_SETS: dict[Callable[..., Any], int] = {
    np.union1d: 2, np.intersect1d: 2, np.setdiff1d: 1, np.setxor1d: 2,
    np.unique_values: 1, np.unique_counts: 1, np.unique_inverse: 1, np.unique_all: 1,
}  # fmt: skip
FUNCTIONS |= {f: _of_values(f, inputs) for f, inputs in _SETS.items()}


# Counting


@means(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """Linear in the weights."""
    counts = np.bincount(plain(x), None, minlength)
    if weights is None:
        return counts
    weights = weights if isinstance(weights, Number) else np.asarray(weights, float)
    return apply_linear(WORDS["scatter"], weights, np.asarray(plain(x)), counts.shape)


@means(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """A constant share of the way from the least entry to the greatest, or through the given range."""
    if not isinstance(bins, str) and np.ndim(bins):
        return bins
    edges = np.histogram_bin_edges(plain(a), bins, _plain(range), weights)
    low, high = range or ((np.min(a), np.max(a)) if np.size(a) else (0.0, 1.0))
    if plain(low) == plain(high):
        low, high = low - 0.5, high + 0.5
    shares = np.linspace(0.0, 1.0, len(edges))
    found = low * (1 - shares) + high * shares
    return found if isinstance(found, Number) else edges


def _plain(range: Any) -> Any:
    return None if range is None else tuple(map(plain, range))


def _bins_of(a: Any, bins: Any, range: Any) -> Any:
    """The bin of each entry, -1 outside; the last bin has both its edges."""
    value, cuts = plain(a), np.histogram_bin_edges(plain(a), plain(bins), _plain(range))
    place = np.searchsorted(cuts, value, "right") - 1
    place[value == cuts[-1]] = len(cuts) - 2
    return chosen(place < len(cuts) - 1, place, -1)


@means(np.histogramdd)
def histogramdd(sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    columns = list(np.transpose(sample) if sample.ndim > 1 else [sample]) if hasattr(sample, "ndim") else list(sample)
    bins = [bins] * len(columns) if isinstance(bins, (int, np.integer)) else list(bins)
    ranges = range or [None] * len(columns)
    edges = [histogram_bin_edges(c, b, r) for c, b, r in zip(columns, bins, ranges)]
    places = [_bins_of(c, b, r) for c, b, r in zip(columns, bins, ranges)]
    shape = tuple(np.size(e) - 1 for e in edges)
    inside = np.all(np.array(places) >= 0, 0)
    flat = np.ravel_multi_index([place[inside] for place in places], shape)
    weights = np.ones(inside.shape) if weights is None else operand(weights)
    found = np.reshape(bincount(flat, weights[inside], math.prod(shape)), shape)
    if density:
        for k, edge in enumerate(edges):
            found = found / np.reshape(np.diff(edge), [-1 if a == k else 1 for a in np.arange(len(shape))])
        found = found / np.sum(bincount(flat, weights[inside]))
    return found, edges


@means(np.histogram2d)
def histogram2d(x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    if not isinstance(bins, (int, np.integer)) and len(bins) != 2:
        bins = [bins, bins]
    found, edges = histogramdd([operand(x), operand(y)], bins, range, density, weights)
    return found, edges[0], edges[1]


@means(np.histogram)
def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """Counts are discrete; edges move with the extreme entries, and weights are summed."""
    edges = histogram_bin_edges(a, bins, range)
    if weights is None:
        counts, _ = np.histogram(plain(a), plain(bins), _plain(range))
    else:
        place = _bins_of(np.ravel(a), bins, range)
        counts = bincount(place[place >= 0], np.ravel(operand(weights))[place >= 0], np.size(edges) - 1)
    return (counts / np.diff(edges) / np.sum(counts) if density else counts), edges
