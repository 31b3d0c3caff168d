"""Functions that change the shape, or take a part of it: views where NumPy gives views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index
from typing import Any

import numpy as np

from dualgrad.backends.arrays import axes_of, axis_of
from dualgrad.core.words import WORDS

from ..array import with_memory
from ..number import Number, apply_linear, current, plain, view_of
from .making import concatenate, join, operand
from .table import FUNCTIONS, METHODS, means

ALL = slice(None)


@means(np.reshape)
def reshape(x: Any, shape: Any, order: str = "C", *, copy: Any = None) -> Any:
    if not isinstance(x, Number):
        return np.reshape(x, shape)
    x = x.copy() if copy else x
    shape = tuple(map(index, shape if isinstance(shape, (tuple, list)) else np.atleast_1d(shape)))
    if order not in ("C", None) and _runs_like_fortran(x, order):
        return transpose(reshape(transpose(x), shape[::-1]))
    memory = current(x)._ground()
    root = x._memory if isinstance(x._memory, Number) else x
    if root._ground().flags.c_contiguous and np.may_share_memory(np.reshape(memory, shape), memory):
        return view_of(x, np.reshape, shape)
    if copy is False:
        raise ValueError("Unable to avoid creating a copy while reshaping.")
    return apply_linear(WORDS["reshape"], x, shape)


def _runs_like_fortran(x: Any, order: str) -> bool:
    """Whether the first axis runs fastest in this order."""
    if order == "F":
        return True
    memory = current(x)._ground()
    if order == "K" and not memory.flags.forc:
        raise ValueError("order='K' of memory that is contiguous in neither order")
    return order in "AK" and memory.flags.fnc


@means(np.ravel, method=True)
def ravel(x: Any, order: str = "C") -> Any:
    if order == "K" and not current(x)._ground().flags.forc:  # as the strides of the axes run
        memory = current(x)._ground()
        x, order = transpose(x, sorted(range(x.ndim), key=lambda k: -abs(memory.strides[k]))), "C"
    found = reshape(x, (-1,), order)
    return found if current(found)._ground().flags.c_contiguous else found.copy()


@means(np.ix_)
def open_mesh(*args: Any) -> tuple[Any, ...]:
    """Vectors along one axis each; of indices, and of coordinates that carry a derivative."""
    if any(np.ndim(a) != 1 for a in args):
        raise ValueError("Cross index must be 1 dimensional")
    mesh = [a if isinstance(a, Number) else np.ix_(a)[0] for a in map(operand, args)]
    return tuple([reshape(a, (1,) * k + (-1,) + (1,) * (len(args) - k - 1)) for k, a in enumerate(mesh)])


@means(np.transpose, np.permute_dims)
def transpose(x: Any, axes: Any = None) -> Any:
    return view_of(x, np.transpose, None if axes is None else tuple(axes))


def _moved(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that permutes axes: the shape (0, 1, 2, …) shows what it does."""
    return lambda x, *args, **options: transpose(x, function(np.empty(range(x.ndim)), *args, **options).shape)


@means(np.matrix_transpose)
def matrix_transpose(x: Any) -> Any:
    if np.ndim(x) < 2:
        raise ValueError(f"a matrix has two axes, this array has {np.ndim(x)}")
    return np.swapaxes(x, -1, -2)


@means(np.expand_dims)
def expand_dims(x: Any, axis: Any) -> Any:
    rank = x.ndim + len(axis if isinstance(axis, (tuple, list)) else (axis.__index__(),))
    new = axes_of(axis if np.ndim(axis) == 0 else tuple(axis), rank)
    return x[(*(None if k in new else ALL for k in range(rank)), ...)]


@means(np.squeeze, method=True)
def squeeze(x: Any, axis: Any = None) -> Any:
    drop = [k for k, n in enumerate(x.shape) if n == 1] if axis is None else axes_of(axis, x.ndim)
    if any(x.shape[k] != 1 for k in drop):
        raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    return x[(*(0 if k in drop else ALL for k in range(x.ndim)), ...)] if drop else x


@means(np.broadcast_to)
def broadcast_to(x: Any, shape: Any, subok: bool = False) -> Any:
    if not isinstance(x, Number):
        return np.broadcast_to(x, shape)
    shape = (shape,) if np.ndim(shape) == 0 else tuple(shape)
    return with_memory(x) if x.shape == shape else view_of(x, np.broadcast_to, shape)


@means(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    whole = np.broadcast_shapes(*map(np.shape, args))
    return tuple(np.broadcast_to(a, whole) for a in args)


@means(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """Each argument along an axis of its own."""
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    n = len(xi)
    axes = [1, 0, *range(2, n)] if indexing == "xy" and n > 1 else [*range(n)]
    out = [np.reshape(x, tuple(-1 if k == a else 1 for k in range(n))) for x, a in zip(xi, axes)]
    found = out if sparse else broadcast_arrays(*out)
    return tuple(x.copy() for x in found) if copy else tuple(found)


def _at_least(rank: int, expand: Callable[[Any], Any]) -> Callable[..., Any]:
    """``np.atleast_<rank>d``: one result for one argument, else a tuple."""

    def call(*args: Any) -> Any:
        out = tuple(a if np.ndim(a) >= rank else expand(a if isinstance(a, Number) else np.asarray(a)) for a in args)
        return out[0] if len(out) == 1 else out

    return call


# Parts


@means(np.flip)
def flip(x: Any, axis: Any = None) -> Any:
    axes = axes_of(axis, x.ndim)
    return x[tuple(slice(None, None, -1) if k in axes else ALL for k in range(x.ndim))]


@means(np.rot90)
def rot90(x: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Any:
    a, b = axes_of(tuple(axes), x.ndim)
    if a == b:
        raise ValueError("Axes must be different.")
    return (lambda: x[:], lambda: np.swapaxes(flip(x, b), a, b), lambda: flip(x, (a, b)),
            lambda: flip(np.swapaxes(x, a, b), b))[k % 4]()  # fmt: skip


@means(np.roll)
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """What leaves at one end enters at the other."""
    if axis is None:
        return reshape(roll(ravel(x), int(np.sum(shift)), 0), x.shape)
    for s, a in np.broadcast(shift, axis):
        head = (ALL,) * axis_of(a, x.ndim)
        s = s % x.shape[a] if x.shape[a] else 0
        x = concatenate([x[(*head, slice(-s, None))], x[(*head, slice(-s))]], a) if s else x.copy()
    return x if np.size(axis) else x.copy()


@means(np.take, method=True)
def take(x: Any, indices: Any, axis: int | None = None, out: Any = None, mode: str = "raise") -> Any:
    x, axis = (np.ravel(x), 0) if axis is None or x.ndim == 0 else (x, axis_of(axis, x.ndim))
    n = x.shape[axis]
    indices = np.asarray(plain(indices))[()]
    indices = indices.astype(np.intp) if indices.dtype == bool else indices  # of a mask too, the entries are positions
    if mode != "raise":
        indices = indices % n if mode == "wrap" else np.clip(indices, 0, n - 1)
    found = x[(*(ALL,) * axis, indices)]
    return found if np.ndim(indices) else found.copy()


@means(np.diagonal, method=True)
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Every (columns + 1)-th entry of the rows in a row: a view of contiguous memory."""
    x = np.moveaxis(x, (axis1, axis2), (-2, -1))
    if isinstance(x, Number) and not current(x)._ground().flags.c_contiguous and x.ndim == 2:
        x, offset = transpose(x), -offset
    *rest, rows, columns = x.shape
    count = max(0, min(rows + min(0, offset), columns - max(0, offset)))
    start = offset if offset >= 0 else -offset * columns
    along = slice(start, start + count * (columns + 1), columns + 1) if count else slice(0)
    return np.reshape(x, (*rest, rows * columns))[..., along]


@means(np.linalg.diagonal)
def matrix_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    return diagonal(x, offset, -2, -1)


@means(np.trace, method=True)
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    return np.sum(diagonal(x, offset, axis1, axis2), -1, dtype)


@means(np.diag)
def diag(x: Any, k: int = 0) -> Any:
    if x.ndim == 2:
        return diagonal(x, k)
    n = x.size + abs(k)
    start = k if k >= 0 else -k * n
    return reshape(join((n * n,), [(slice(start, start + x.size * (n + 1), n + 1) if x.size else slice(0), x)]), (n, n))


def _split(function: Callable[..., Any], fixed: int | None = None) -> Callable[..., Any]:
    """``np.split`` and its kin; NumPy cuts the numbers 0, 1, 2, … along the axis to show where."""

    def call(x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
        axis = axis if fixed is None else fixed
        n, head = x.shape[axis], (ALL,) * axis_of(axis, x.ndim)
        parts = function(np.arange(n), indices_or_sections)
        return [x[(*head, slice(int(p[0]), int(p[-1]) + 1) if len(p) else slice(0))] for p in parts]

    return call


def _hsplit(x: Any, indices_or_sections: Any) -> Any:
    return np.split(x, indices_or_sections, 0 if x.ndim == 1 else 1)


@means(np.unstack)
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    return tuple(np.moveaxis(x, axis, 0))


@means(np.trim_zeros)
def trim_zeros(x: Any, trim: str = "fb", axis: Any = None) -> Any:
    """The part between the first and the last entry that is not zero."""
    value = plain(x)
    axes = axes_of(axis if axis is None or np.ndim(axis) == 0 else tuple(axis), x.ndim)
    index = []
    for k in range(x.ndim):
        hit = np.flatnonzero(np.any(value != 0, tuple(a for a in range(x.ndim) if a != k)))
        n = x.shape[k]
        start, stop = (int(hit[0]), int(hit[-1]) + 1) if len(hit) else (n, 0)
        part = slice(start if "f" in trim.lower() else 0, stop if "b" in trim.lower() else n)
        index.append(part if k in axes else ALL)
    return x[tuple(index)] if index else x


def _sized(f: Callable[..., Any]) -> Callable[..., Any]:
    """``x.reshape(2, 3)`` beside ``x.reshape((2, 3))``."""
    return lambda self, *args, **options: f(self, args[0] if len(args) == 1 else args or None, **options)


FUNCTIONS |= {f: _moved(f) for f in (np.moveaxis, np.rollaxis, np.swapaxes)}
FUNCTIONS |= {
    np.fliplr: lambda m: flip(m, 1),
    np.flipud: lambda m: flip(m, 0),
    np.atleast_1d: _at_least(1, lambda x: np.reshape(x, (1,))),
    np.atleast_2d: _at_least(2, lambda x: np.reshape(x, (1, -1))),
    np.atleast_3d: _at_least(3, lambda x: np.reshape(x, (1, -1, 1)) if x.ndim < 2 else x[:, :, None]),
    np.split: _split(np.split),
    np.array_split: _split(np.array_split),
    np.hsplit: _hsplit,
    np.vsplit: _split(np.split, 0),
    np.dsplit: _split(np.split, 2),
    np.linalg.trace: lambda x, /, *, offset=0, dtype=None: trace(x, offset, -2, -1, dtype),
    np.linalg.matrix_transpose: matrix_transpose,
    np.shape: lambda x: x.shape,
    np.ndim: lambda x: x.ndim,
    np.size: lambda x, axis=None: x.size if axis is None else x.shape[axis],
}
METHODS |= {
    "reshape": _sized(reshape),
    "transpose": _sized(transpose),
    "swapaxes": _moved(np.swapaxes),
    "flatten": lambda self, order="C": ravel(self, order).copy(),
    "mT": property(matrix_transpose),
}
