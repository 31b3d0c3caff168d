"""What a ufunc does besides being called: its options, its results' places, and its methods."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..number import Number, plain, store, write_out
from .folding import accumulated, reduced
from .making import chosen, operand, stack
from .reducing import cumprod, cumsum
from .shapes import reshape
from .table import REDUCTIONS, unsupported

ACCUMULATIONS: dict[np.ufunc, Any] = {np.add: cumsum, np.multiply: cumprod}
NOTHING = (None, np._NoValue)


def given(options: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    """The options that say something."""
    return {
        k: v for k, v in options.items()
        if not any(v is n for n in NOTHING) and not (k in defaults and v is defaults[k]) or k == "axis"
    }  # fmt: skip


# Calls with options


def called(ufunc: np.ufunc, inputs: tuple[Any, ...], out: Any, options: dict[str, Any]) -> Any:
    """A call with ``where=``, ``dtype=``, ``casting=`` or ``signature=``.

    NumPy itself says, for arguments without entries, which dtype comes out and what may not be cast.
    """
    where = plain(options.pop("where", True))
    if where is not True and out is None:
        hint = "give out= (entries that are not computed have no value), or use np.where(test, a, b)"
        raise unsupported(f"np.{ufunc.__name__} with where= and no out=", hint)
    inputs = tuple(map(operand, inputs))
    empty = [np.empty(0, a.dtype) if hasattr(a, "dtype") else a for a in inputs]
    models = ufunc(*empty, **options)
    inner = options.get("dtype")
    if inner is not None and np.dtype(inner).kind in "fc":
        inputs = tuple([a.astype(inner) if hasattr(a, "dtype") else a for a in inputs])
    results = ufunc(*inputs)
    several = isinstance(results, tuple)
    if not several:
        results, models = (results,), (models,)
    found = [_as(r, m.dtype) for r, m in zip(results, models)]
    if where is not True:
        found = [r if o is None else chosen(where, r, o) for r, o in zip(found, out)]
    return tuple(found) if several else found[0]


def _as(x: Any, dtype: np.dtype) -> Any:
    return x if x.dtype == dtype else x.astype(dtype)


def placed(out: Any, result: Any) -> Any:
    """Results written to their places; ``out`` is a tuple with one place for each, or None."""
    if not isinstance(result, tuple):
        return write_out(out[0], result)
    return tuple([r if o is None else write_out(o, r) for o, r in zip(out, result)])


# Methods


def reduce(ufunc: np.ufunc, x: Any, options: dict[str, Any]) -> Any:
    options = given(options, where=True, keepdims=False)
    axis = options.pop("axis", 0)
    x = operand(x)
    if ufunc not in REDUCTIONS:
        return reduced(ufunc, x, axis, **options)
    dtype = options.pop("dtype", None)
    return REDUCTIONS[ufunc](x if dtype is None else x.astype(dtype), axis=axis, **options)


def accumulate(ufunc: np.ufunc, x: Any, options: dict[str, Any]) -> Any:
    options = given(options)
    axis, dtype = options.pop("axis", 0), options.pop("dtype", None)
    if ufunc in ACCUMULATIONS:
        return ACCUMULATIONS[ufunc](operand(x), axis, dtype)
    return accumulated(ufunc, x, axis, dtype)


def outer(ufunc: np.ufunc, a: Any, b: Any, options: dict[str, Any]) -> Any:
    a, b = operand(a), operand(b)
    return ufunc(reshape(a, np.shape(a) + (1,) * np.ndim(b)), b, **options)


def reduceat(ufunc: np.ufunc, x: Any, indices: Any, options: dict[str, Any]) -> Any:
    """Reductions of the pieces between indices; where the next is not larger, the entry itself."""
    axis = given(options).get("axis", 0)
    x, indices = operand(x), np.asarray(plain(indices))
    before = (slice(None),) * (axis % x.ndim)
    if np.any((indices < 0) | (indices >= x.shape[axis])):
        raise IndexError(f"an index is out of bounds of the axis of size {x.shape[axis]}")
    stops = [*indices[1:].tolist(), x.shape[axis]]
    parts = [
        reduce(ufunc, x[(*before, slice(start, stop))], {"axis": axis}) if start < stop else x[(*before, start)]
        for start, stop in zip(indices.tolist(), stops)
    ]
    return stack(parts, axis % x.ndim)


def at(ufunc: np.ufunc, x: Any, index: Any, *values: Any) -> None:
    """``x[index] = ufunc(x[index], value)`` entry by entry; an entry that is named again meets what was written."""
    places = np.arange(np.size(plain(x))).reshape(np.shape(x))[_plain_index(index)]
    values = tuple([np.broadcast_to(operand(v), places.shape) for v in values])
    if not isinstance(x, Number):  # memory that cannot hold a number: the usual error, if there is one
        write_out(x[index], ufunc(x[index], *values))
        return
    flat = places.reshape(-1)
    rounds = _occurrences(flat)
    for k in range(rounds.max(initial=-1) + 1):
        here = np.nonzero(rounds == k)[0]
        entries = np.unravel_index(flat[here], x.shape)
        new = ufunc(x[entries], *(np.reshape(v, (-1,))[here] for v in values))
        store(x, entries, new)


def _plain_index(index: Any) -> Any:
    return tuple(map(plain, index)) if isinstance(index, tuple) else plain(index)


def _occurrences(flat: Any) -> Any:
    """How often each entry has occurred before."""
    order = np.argsort(flat, kind="stable")
    ranked = flat[order]
    starts = np.r_[True, ranked[1:] != ranked[:-1]] if ranked.size else np.zeros(0, bool)
    positions = np.arange(ranked.size)
    found = np.empty(ranked.size, int)
    found[order] = positions - np.maximum.accumulate(chosen(starts, positions, 0))
    return found


METHODS_OF_UFUNCS: dict[str, Any] = {"reduce": reduce, "accumulate": accumulate, "outer": outer, "reduceat": reduceat}


def method(ufunc: np.ufunc, name: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """A method by its name."""
    if ufunc.nout != 1 or ufunc.nin != 2 and name != "at":
        raise unsupported(f"np.{ufunc.__name__}.{name}")
    if name == "at":
        return at(ufunc, *inputs)
    return METHODS_OF_UFUNCS[name](ufunc, *inputs, options)
