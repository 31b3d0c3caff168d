"""Functions that change the shape, or move entries: views where NumPy gives views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualgrad.backends.arrays import axes_of
from dualgrad.core.words import WORDS

from ..number import Number, apply_linear, current, view_of
from .making import join
from .table import FUNCTIONS, METHODS, means, unsupported


@means(np.reshape)
def reshape(x: Any, shape: Any, order: str = "C", *, copy: Any = None) -> Any:
    if not isinstance(x, Number):
        return np.reshape(x, shape)
    if order != "C":
        raise unsupported(f"reshape with order={order!r}", "transpose before and after")
    shape = (int(shape),) if np.ndim(shape) == 0 else tuple(map(int, shape))
    memory = current(x)._ground()
    root = x._memory if isinstance(x._memory, Number) else x
    if root._ground().flags.c_contiguous and np.may_share_memory(np.reshape(memory, shape), memory):
        return view_of(x, np.reshape, shape)
    return apply_linear(WORDS["reshape"], x, shape)


@means(np.ravel, method=True)
def ravel(x: Any, order: str = "C") -> Any:
    return reshape(x, (-1,), order)


@means(np.transpose, np.permute_dims)
def transpose(x: Any, axes: Any = None) -> Any:
    return view_of(x, np.transpose, None if axes is None else tuple(axes))


def _moved(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that permutes axes: the shape (0, 1, 2, …) shows what it does."""
    return lambda x, *args, **options: transpose(x, function(np.empty(range(x.ndim)), *args, **options).shape)


@means(np.expand_dims)
def expand_dims(x: Any, axis: Any) -> Any:
    rank = x.ndim + np.size(axis)
    new = axes_of(axis, rank)
    return x[tuple(None if k in new else slice(None) for k in range(rank))]


@means(np.squeeze, method=True)
def squeeze(x: Any, axis: Any = None) -> Any:
    drop = [k for k, n in enumerate(x.shape) if n == 1] if axis is None else axes_of(axis, x.ndim)
    return x[tuple(0 if k in drop else slice(None) for k in range(x.ndim))] if drop else x


@means(np.broadcast_to)
def broadcast_to(x: Any, shape: Any, subok: bool = False) -> Any:
    if not isinstance(x, Number):
        return np.broadcast_to(x, shape)
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return x if x.shape == shape else apply_linear(WORDS["broadcast_to"], x, shape)


@means(np.flip)
def flip(x: Any, axis: Any = None) -> Any:
    axes = axes_of(axis, x.ndim)
    return x[tuple(slice(None, None, -1) if k in axes else slice(None) for k in range(x.ndim))]


@means(np.roll)
def roll(x: Any, shift: int, axis: int | None = None) -> Any:
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), x.shape)
    return take(x, (np.arange(x.shape[axis]) - shift) % x.shape[axis], axis)


@means(np.take, method=True)
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    if axis is None:
        return ravel(x)[indices]
    return x[(*(slice(None),) * (axis % x.ndim), np.asarray(indices) if np.ndim(indices) else indices)]


@means(np.diagonal, method=True)
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    x = np.moveaxis(x, (axis1, axis2), (-2, -1))
    rows = np.arange(max(0, -offset), min(x.shape[-2], x.shape[-1] - offset))
    return x[..., rows, rows + offset]


@means(np.trace, method=True)
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return np.sum(diagonal(x, offset, axis1, axis2), -1)


@means(np.diag)
def diag(x: Any, k: int = 0) -> Any:
    if x.ndim == 2:
        return diagonal(x, k)
    n = x.size + abs(k)
    rows = np.arange(x.size) + max(0, -k)
    return join((n, n), [((rows, rows + k), x)])


def _sized(f: Callable[..., Any]) -> Callable[..., Any]:
    """``x.reshape(2, 3)`` beside ``x.reshape((2, 3))``."""
    return lambda self, *args, **options: f(self, args[0] if len(args) == 1 else args or None, **options)


FUNCTIONS |= {
    **{f: _moved(f) for f in (np.moveaxis, np.rollaxis, np.swapaxes)},
    np.atleast_1d: lambda x: reshape(x, (1,)) if x.ndim == 0 else x,
    np.atleast_2d: lambda x: x if x.ndim >= 2 else reshape(x, (1, -1)),
    np.shape: lambda x: x.shape,
    np.ndim: lambda x: x.ndim,
    np.size: lambda x, axis=None: x.size if axis is None else x.shape[axis],
}
METHODS |= {
    "reshape": _sized(reshape),
    "transpose": _sized(transpose),
    "swapaxes": _moved(np.swapaxes),
    "flatten": lambda self: ravel(self).copy(),
}
