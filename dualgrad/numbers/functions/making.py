"""Arrays made of numbers, and of arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualgrad.backends.arrays import axis_of
from dualgrad.core.words import WORDS

from ..array import buffer, with_memory
from ..number import Number, apply, current, plain, store
from .table import FUNCTIONS, mapped, means, numbers_in, unwrapped
from .values import astype


def array(
    values: Any, dtype: Any = None, *, copy: Any = True, order: Any = None, ndmin: int = 0, **options: Any
) -> Any:
    """``np.array`` of numbers, or of nested lists with numbers in them."""
    if isinstance(values, Number):
        made = with_memory(_ordered(values, order, copy))
    elif type(values) in (list, tuple) and numbers_in(values):
        made = stack([array(v) if type(v) in (list, tuple) else v for v in values])
    else:
        values = mapped(unwrapped, values) if type(values) in (list, tuple) else values
        return buffer(np.array(values, dtype, order=order or "K", ndmin=ndmin, **options))
    made = _of_dtype(made, dtype)
    return made[(None,) * (ndmin - made.ndim)] if made.ndim < ndmin else made


def _ordered(x: Any, order: Any, copy: Any) -> Any:
    """The number itself, or a copy if one is asked for, or if its memory does not run in the order."""
    if order not in ("C", "F"):
        return x.copy() if copy else x
    flags = current(x)._ground().flags
    if not copy and (flags.c_contiguous if order == "C" else flags.f_contiguous):
        return x
    if copy is False:
        raise ValueError("Unable to avoid copy while creating an array as requested.")
    return x.copy() if order == "C" else np.transpose(np.transpose(x).copy())


def join(shape: tuple[int, ...], parts: Sequence[tuple[Any, Any]]) -> Any:
    """One array put together from parts at places."""
    dtype = np.result_type(*(getattr(v, "dtype", type(v)) for _, v in parts))
    out = buffer(np.zeros(shape, dtype if dtype.kind in "fc" else float))
    for place, value in parts:
        store(out, place, value)
    out._memory = None
    return out


@means(np.stack)
def stack(arrays: Sequence[Any], axis: int = 0, out: Any = None, *, dtype: Any = None) -> Any:
    arrays = [*map(operand, arrays)]
    shape = np.shape(arrays[0])
    if any(np.shape(a) != shape for a in arrays):
        raise ValueError("all input arrays must have the same shape")
    axis = axis_of(axis, len(shape) + 1)
    whole = (*shape[:axis], len(arrays), *shape[axis:])
    return _of_dtype(join(whole, [((*(slice(None),) * axis, k), a) for k, a in enumerate(arrays)]), dtype)


@means(np.concatenate)
def concatenate(arrays: Sequence[Any], axis: int | None = 0, out: Any = None, *, dtype: Any = None) -> Any:
    arrays = [np.ravel(operand(a)) if axis is None else operand(a) for a in arrays]
    shape = np.shape(arrays[0])
    axis = axis_of(0 if axis is None else axis, len(shape))
    parts, start = [], 0
    for a in arrays:
        rest = list(np.shape(a))
        stop = start + (rest[axis] if axis < len(rest) else 0)
        rest[axis : axis + 1] = shape[axis : axis + 1]
        if rest != [*shape]:
            raise ValueError(f"arrays of shapes {shape} and {np.shape(a)} cannot be joined along axis {axis}")
        parts.append(((*(slice(None),) * axis, slice(start, stop)), a))
        start = stop
    return _of_dtype(join((*shape[:axis], start, *shape[axis + 1 :]), parts), dtype)


def _of_dtype(made: Any, dtype: Any) -> Any:
    return made if dtype is None or dtype == made.dtype else astype(made, dtype)


@means(np.hstack)
def hstack(tup: Sequence[Any], *, dtype: Any = None) -> Any:
    arrays = [np.atleast_1d(operand(a)) for a in tup]
    return concatenate(arrays, 0 if np.ndim(arrays[0]) < 2 else 1, dtype=dtype)


@means(np.vstack)
def vstack(tup: Sequence[Any], *, dtype: Any = None) -> Any:
    return concatenate([np.atleast_2d(operand(a)) for a in tup], dtype=dtype)


@means(np.column_stack)
def column_stack(tup: Sequence[Any]) -> Any:
    arrays = [*map(operand, tup)]
    return concatenate([a if np.ndim(a) > 1 else np.reshape(a, (-1, 1)) for a in arrays], 1)


@means(np.full_like)
def full_like(x: Any, fill_value: Any, dtype: Any = None, *, shape: Any = None, **options: Any) -> Any:
    x = strong(x)
    out = buffer(np.zeros(x.shape if shape is None else shape, x.dtype if dtype is None else dtype))
    if not (isinstance(fill_value, int) and fill_value == 0):
        out[...] = fill_value
    return out


def _like(value: int) -> Callable[..., Any]:
    return lambda x, dtype=None, *args, **options: full_like(x, value, dtype, **options)


def chosen(test: Any, a: Any, b: Any) -> Any:
    """``np.where`` whose result, if it has no axes, is a value."""
    return apply(WORDS["where"], np.asarray(plain(test), bool), operand(a), operand(b))


def operand(a: Any) -> Any:
    return array(a) if type(a) in (list, tuple) else a


def strong(a: Any) -> Any:
    """An operand of a function in which a Python number counts as one of 64 bits."""
    return np.asarray(a)[()] if isinstance(a, (int, float, complex)) else operand(a)


FUNCTIONS |= {
    np.zeros_like: _like(0),
    np.empty_like: _like(0),
    np.ones_like: _like(1),
    np.copy: lambda x, *args, **options: with_memory(x.copy()),
}
