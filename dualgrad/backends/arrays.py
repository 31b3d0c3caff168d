"""The NumPy functions that the texts of the structural words name.

They take arrays, or numbers that carry derivatives themselves: each is written with
functions that such numbers understand, and where NumPy has none the number is asked to
interpret the word (`interpreted`).  A ``_batched`` function treats the leading axis of its
first argument as a stack of independent arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index as axis_of

from .fourier import (  # noqa: F401  (texts name them)
    fft,
    fft_back,
    fft_back_batched,
    fft_batched,
    rfft,
    rfft_back,
    rfft_back_batched,
    rfft_batched,
)
from .interpreted import interpreted
from .products import (  # noqa: F401  (texts name them)
    contract,
    contract_batched,
    convolved,
    convolved_batched,
    correlated,
    correlated_batched,
    correlated_by,
    correlated_by_batched,
)

Shape = tuple[int, ...]
ALL = slice(None)


# Sums


@interpreted
def spread(x: Any, shape: Shape, axis: Any, keepdims: bool) -> Any:
    """The transpose of a sum over ``axis`` of an array of this shape."""
    if axis is not None and not keepdims:
        x = np.expand_dims(x, axes_of(axis, len(shape)))
    out = np.empty(shape, x.dtype)
    out[...] = x
    return out


def axes_of(axis: Any, rank: int) -> tuple[int, ...]:
    """Axes as a tuple of non-negative numbers; None means all.  A number has an axis 0 for NumPy's reductions."""
    if axis is None:
        return tuple(range(rank))
    axes = axis if isinstance(axis, tuple) else (axis,)
    for a in axes:
        if not -max(rank, 1) <= a < max(rank, 1):
            raise np.exceptions.AxisError(a, rank)
    found = tuple([a % rank for a in axes]) if rank else ()
    if len(found) > 1 and len(set(found)) < len(found):
        raise ValueError("repeated axis")
    return found


def _inner(axis: Any, rank: int) -> tuple[int, ...]:
    """The same axes of a value of this rank, counted from its end: a leading axis does not disturb them."""
    return tuple([a - rank for a in axes_of(axis, rank)])


def sum_batched(x: Any, axis: Any, keepdims: bool) -> Any:
    return np.add.reduce(x, _inner(axis, x.ndim - 1), None, None, keepdims)  # type: ignore[call-overload]


def spread_batched(x: Any, shape: Shape, axis: Any, keepdims: bool) -> Any:
    return spread(x, (x.shape[0], *shape), _inner(axis, len(shape)), keepdims)


@interpreted
def sum_to(x: Any, shape: Shape) -> Any:
    """The transpose of broadcasting from this shape."""
    if x.shape == shape:
        return x
    lead = x.ndim - len(shape)
    if lead:
        x = np.add.reduce(x, tuple(range(lead)))
    ones = tuple(k for k, n in enumerate(shape) if n == 1 and x.shape[k] != 1)
    return np.add.reduce(x, ones, None, None, True) if ones else x  # type: ignore[call-overload]


def broadcast_to_batched(x: Any, shape: Shape) -> Any:
    return np.broadcast_to(insert_axes(x, len(shape) - x.ndim + 1), (x.shape[0], *shape))


def sum_to_batched(x: Any, shape: Shape) -> Any:
    fill = (1,) * (x.ndim - 1 - len(shape))
    return np.reshape(sum_to(x, (x.shape[0], *fill, *shape)), (x.shape[0], *shape))


def unbroadcast(ct: Any, shape: Shape, lead: int) -> Any:
    """A cotangent of an elementwise result, summed back to an argument's shape."""
    return sum_to_batched(ct, shape) if lead else ct if np.shape(ct) == shape else sum_to(ct, shape)


def insert_axes(x: Any, count: int) -> Any:
    """``count`` axes after the leading one, so that what follows broadcasts like the primal.

    A negative count takes axes of length one away, as an assignment does.
    """
    return np.reshape(x, (x.shape[0], *(1,) * count, *x.shape[1 + max(-count, 0) :]))


def stacked(series: list[Any]) -> Any:
    """Coefficients as one array, the order leading."""
    shape = np.broadcast_shapes(*map(np.shape, series))
    return np.stack([c if np.shape(c) == shape else np.broadcast_to(c, shape) for c in series])


def cumsum_batched(x: Any, axis: int | None) -> Any:
    return np.cumsum(np.reshape(x, (x.shape[0], -1)) if axis is None else x, _past_first(x, axis))


def cumsum_back(x: Any, axis: int | None) -> Any:
    """The transpose of a cumulative sum: the sum from each entry to the end."""
    axis = axis or 0
    return np.flip(np.cumsum(np.flip(x, axis), axis), axis)


def cumsum_back_batched(x: Any, axis: int | None) -> Any:
    return cumsum_back(x, _past_first(x, axis))


def _past_first(x: Any, axis: int | None) -> int:
    return 1 if axis is None else axis_of(axis, x.ndim - 1) + 1


# Shapes


def reshape_batched(x: Any, shape: Shape) -> Any:
    if -1 in shape:
        size, rest = math.prod(x.shape[1:]), -math.prod(shape)
        shape = tuple(size // rest if n == -1 else n for n in shape)
    return np.reshape(x, (x.shape[0], *shape))


def untranspose(x: Any, axes: Shape | None) -> Any:
    """The inverse of a transposition."""
    return np.transpose(x, _inverse(axes))


def _inverse(axes: Shape | None) -> Shape | None:
    return axes if axes is None else tuple(np.argsort([a % len(axes) for a in axes]).tolist())


def transpose_batched(x: Any, axes: Shape | None) -> Any:
    rank = x.ndim - 1
    return np.transpose(x, (0, *(axis_of(a, rank) + 1 for a in (range(rank)[::-1] if axes is None else axes))))


def untranspose_batched(x: Any, axes: Shape | None) -> Any:
    return transpose_batched(x, _inverse(axes))


def astype_batched(x: Any, dtype: Any) -> Any:
    return x.astype(dtype)


def astype_back_batched(x: Any, dtype: Any) -> Any:
    return x


# Complex numbers


def conj(x: Any) -> Any:
    """The conjugate of complex numbers; what is not complex (also an index or a shape) as it is."""
    return np.conjugate(x) if is_complex(x) else x


def is_complex(x: Any) -> bool:
    """Whether ``x`` is made of complex numbers."""
    return getattr(getattr(x, "dtype", None), "kind", "") == "c" or type(x) is complex


def part(x: Any, which: str) -> Any:
    """The part "real" or "imag" of complex numbers, as a view."""
    return getattr(x, which)


@interpreted
def whole(x: Any, which: str) -> Any:
    """Complex numbers whose part "real" or "imag" is ``x``, the other zero."""
    out = np.zeros(x.shape, np.result_type(x.dtype, np.complex64))
    setattr(out, which, x)
    return out if out.ndim else out[()]


part_batched, whole_batched = part, whole


# Indexing


@interpreted
def scatter(x: Any, index: Any, shape: Shape) -> Any:
    """Zeros of this shape with ``x`` added at the index."""
    out = np.zeros(shape, x.dtype)
    if is_basic(index):
        out[index] = x
    else:
        np.add.at(out, index, x)
    return out


@interpreted
def clear(x: Any, index: Any) -> Any:
    """``x`` with zeros at the index."""
    out = np.array(x)
    out[index] = 0
    return out


def is_basic(index: Any) -> bool:
    """Whether NumPy takes a view: integers, slices, Ellipsis and None only."""
    if type(index) is slice or type(index) is int:
        return True
    return all(
        i is None or i is ... or isinstance(i, (slice, int, np.integer)) and not isinstance(i, bool)
        for i in (index if type(index) is tuple else (index,))
    )


def places_of(index: Any, shape: Shape) -> Any:
    """Flat places over the axes that index arrays address; None if they cannot repeat (a mask)."""
    parts = index if isinstance(index, tuple) else (index,)
    found: list[Any] = []
    lengths: list[int] = []
    axis = 0
    plain = [i is None or i is ... or isinstance(i, slice) for i in parts]
    index_arrays = [None if p else np.asarray(i) for i, p in zip(parts, plain)]
    used = sum(1 if a is None else a.ndim if a.dtype == bool else 1 for i, a in zip(parts, index_arrays)
               if i is not None and i is not ...)  # fmt: skip
    for i, a in zip(parts, index_arrays):
        if a is None:
            axis += 0 if i is None else len(shape) - used if i is ... else 1
        elif a.dtype == bool:
            found += a.nonzero() if a.ndim else ()
            lengths += shape[axis : axis + a.ndim]
            axis += a.ndim
        else:
            found.append(a % max(1, shape[axis]))
            lengths.append(shape[axis])
            axis += 1
    if all(a is None or a.dtype == bool for a in index_arrays) or 0 in lengths:
        return None
    return np.ravel_multi_index(np.broadcast_arrays(*found), lengths)


def below(index: Any) -> tuple[Any, ...]:
    """The index one axis further down."""
    return (ALL, *index) if isinstance(index, tuple) else (ALL, index)


def fronted(index: Any) -> int | None:
    """Rank of what NumPy moves to the front because a slice separates index arrays; None if it moves nothing."""
    if not isinstance(index, tuple) or is_basic(index):
        return None
    advanced = [k for k, i in enumerate(index) if not (i is None or i is ... or isinstance(i, slice))]
    if advanced[-1] - advanced[0] == len(advanced) - 1:
        return None
    arrays = [np.asarray(index[k]) for k in advanced]
    return len(np.broadcast_shapes(*(a.nonzero()[0].shape if a.dtype == bool else a.shape for a in arrays)))


def led(x: Any, index: Any) -> Any:
    """A stack of values as NumPy assigns it at `below` the index: its leading axis after what moves to the front."""
    front = fronted(index)
    return x if front is None else np.moveaxis(x, 0, front)


def getitem_batched(x: Any, index: Any) -> Any:
    found, front = x[below(index)], fronted(index)
    found = found if front is None else np.moveaxis(found, front, 0)
    if is_basic(index) or hasattr(found, "__dualgrad_masked__"):
        return found
    return np.reshape(np.ravel(found), found.shape)  # in C order: it reshapes to views as without the first axis


def scatter_batched(x: Any, index: Any, shape: Shape) -> Any:
    return scatter(led(x, index), below(index), (x.shape[0], *shape))


def clear_batched(x: Any, index: Any) -> Any:
    return clear(x, below(index))


# Products of matrices: vectors become matrices of one row or column, and back


def rows(a: Any) -> Any:
    return np.expand_dims(a, 0) if a.ndim == 1 else a


def columns(b: Any) -> Any:
    return np.expand_dims(b, -1) if b.ndim == 1 else b


def dropped(product: Any, left: int, right: int) -> Any:
    """A product without the axes that matmul drops for factors of these ranks."""
    product = product[..., 0, :] if left == 1 else product
    return product[..., 0] if right == 1 else product


def _restored(x: Any, left: int, right: int) -> Any:
    """The inverse of `dropped`, for a cotangent of the product."""
    x = np.expand_dims(x, -1) if right == 1 else x
    return np.expand_dims(x, -2) if left == 1 else x


def matmul_left_back(x: Any, b: Any, shape: Shape, add: Callable[..., Any] = sum_to, lead: Shape = ()) -> Any:
    """The cotangent of ``a`` of this shape in ``a @ b``."""
    whole = np.matmul(_restored(x, len(shape), b.ndim), np.swapaxes(columns(b), -1, -2))
    return np.reshape(add(whole, shape if len(shape) > 1 else (1, *shape)), lead + shape)


def matmul_right_back(x: Any, a: Any, shape: Shape, add: Callable[..., Any] = sum_to, lead: Shape = ()) -> Any:
    """The cotangent of ``b`` of this shape in ``a @ b``."""
    whole = np.matmul(np.swapaxes(rows(a), -1, -2), _restored(x, a.ndim, len(shape)))
    return np.reshape(add(whole, shape if len(shape) > 1 else (*shape, 1)), lead + shape)


def matmul_left_back_batched(x: Any, b: Any, shape: Shape) -> Any:
    return matmul_left_back(x, b, shape, sum_to_batched, x.shape[:1])


def matmul_right_back_batched(x: Any, a: Any, shape: Shape) -> Any:
    return matmul_right_back(x, a, shape, sum_to_batched, x.shape[:1])


def _stack(x: Any, rank: int) -> Any:
    """A stack of matrices, its leading axis apart from the stacks of the other factor of this rank."""
    return insert_axes(x, max(0, rank - x.ndim + 1))


def matmul_left_batched(a: Any, b: Any) -> Any:
    rank = a.ndim - 1
    a = np.expand_dims(a, 1) if rank == 1 else a
    return dropped(np.matmul(_stack(a, b.ndim), columns(b)), rank, b.ndim)


def matmul_right_batched(b: Any, a: Any) -> Any:
    rank = b.ndim - 1
    b = np.expand_dims(b, -1) if rank == 1 else b
    return dropped(np.matmul(rows(a), _stack(b, a.ndim)), a.ndim, rank)
