"""Arrays made of numbers, and of arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..array import buffer
from ..number import Number, store
from .table import FUNCTIONS, mapped, means, numbers_in, unwrapped


def array(values: Any, dtype: Any = None, *, copy: Any = True, **options: Any) -> Any:
    """``np.array`` of numbers, or of nested lists with numbers in them."""
    if isinstance(values, Number):
        return values.copy() if copy or dtype is None else values
    if type(values) in (list, tuple) and numbers_in(values):
        return stack([array(v) if type(v) in (list, tuple) else v for v in values])
    return buffer(np.array(mapped(unwrapped, values) if type(values) in (list, tuple) else values, dtype, **options))


def join(shape: tuple[int, ...], parts: Sequence[tuple[Any, Any]]) -> Any:
    """One array put together from parts at places."""
    dtype = np.result_type(*(getattr(v, "dtype", type(v)) for _, v in parts))
    out = buffer(np.zeros(shape, dtype if dtype.kind in "fc" else float))
    for place, value in parts:
        store(out, place, value)
    out._memory = None
    return out


@means(np.stack)
def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    arrays = list(arrays)
    shape = np.shape(arrays[0])
    if any(np.shape(a) != shape for a in arrays):
        raise ValueError("all input arrays must have the same shape")
    axis = axis % (len(shape) + 1)
    whole = (*shape[:axis], len(arrays), *shape[axis:])
    return join(whole, [((*(slice(None),) * axis, k), a) for k, a in enumerate(arrays)])


@means(np.concatenate)
def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    arrays = [np.ravel(a) for a in arrays] if axis is None else [operand(a) for a in arrays]
    axis = (axis or 0) % np.ndim(arrays[0])
    parts, start = [], 0
    for a in arrays:
        stop = start + np.shape(a)[axis]
        parts.append(((*(slice(None),) * axis, slice(start, stop)), a))
        start = stop
    shape = np.shape(arrays[0])
    return join((*shape[:axis], start, *shape[axis + 1 :]), parts)


@means(np.full_like)
def full_like(x: Any, fill_value: Any, dtype: Any = None, *, shape: Any = None, **options: Any) -> Any:
    out = buffer(np.zeros(x.shape if shape is None else shape, x.dtype if dtype is None else dtype))
    if not (isinstance(fill_value, int) and fill_value == 0):
        out[...] = fill_value
    return out


def _like(value: int) -> Callable[..., Any]:
    return lambda x, dtype=None, *args, **options: full_like(x, value, dtype, **options)


def operand(a: Any) -> Any:
    return array(a) if type(a) in (list, tuple) else a


def strong(a: Any) -> Any:
    """An operand of a function in which a Python number counts as one of 64 bits."""
    return np.asarray(a)[()] if isinstance(a, (int, float, complex)) else operand(a)


FUNCTIONS |= {
    np.zeros_like: _like(0),
    np.empty_like: _like(0),
    np.ones_like: _like(1),
    np.copy: lambda x, *args, **options: x.copy(),
    np.hstack: lambda arrays: concatenate([*map(np.atleast_1d, arrays)], 0 if np.ndim(arrays[0]) < 2 else 1),
    np.vstack: lambda arrays: concatenate([*map(np.atleast_2d, arrays)]),
    np.column_stack: lambda arrays: concatenate([a if np.ndim(a) > 1 else np.reshape(a, (-1, 1)) for a in arrays], 1),
}
