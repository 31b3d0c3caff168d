"""Products of arrays: most are one contraction."""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_letters
from typing import Any

import numpy as np

from dualgrad.backends.arrays import axes_of
from dualgrad.core.words import WORDS

from ..array import as_value, with_memory
from ..number import apply
from .complex import conj
from .contractions import EINSUM
from .making import operand, strong
from .shapes import reshape
from .table import COMPOSED, FUNCTIONS, means

CONVOLVE, CORRELATE = WORDS["convolve"], WORDS["correlate"]


@means(np.dot, method=True)
def dot(a: Any, b: Any, out: Any = None) -> Any:
    a, b = strong(a), strong(b)
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b
    if np.ndim(b) > 2:
        return tensordot(a, b, ((-1,), (-2,)))
    return apply(WORDS["matmul"], a, b)


@means(np.tensordot, np.linalg.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """The contraction in which paired axes have one letter."""
    a, b = strong(a), strong(b)
    if np.ndim(axes) == 0:
        axes = range(-axes, 0), range(axes)
    left, right = (axes_of(tuple(np.ravel(ax).tolist()), np.ndim(x)) for x, ax in zip((a, b), axes))
    if [np.shape(a)[k] for k in left] != [np.shape(b)[k] for k in right]:
        raise ValueError("shape-mismatch for sum")
    first, second = ascii_letters[: np.ndim(a)], [*ascii_letters[np.ndim(a) : np.ndim(a) + np.ndim(b)]]
    for i, j in zip(left, right):
        second[j] = first[i]
    out = "".join(c for c in (*first, *second) if (c in first) + (c in second) < 2)
    return with_memory(apply(EINSUM, a, b, first, "".join(second), out))


@means(np.inner)
def inner(a: Any, b: Any) -> Any:
    a, b = strong(a), strong(b)
    return as_value(tensordot(a, b, ((-1,), (-1,)))) if np.ndim(a) and np.ndim(b) else a * b


@means(np.vdot)
def vdot(a: Any, b: Any) -> Any:
    return apply(WORDS["matmul"], conj(np.ravel(operand(a))), np.ravel(operand(b)))


@means(np.outer, np.linalg.outer)
def outer(a: Any, b: Any, out: Any = None) -> Any:
    return reshape(np.ravel(operand(a)), (-1, 1)) * reshape(np.ravel(operand(b)), (1, -1))


@means(np.kron)
def kron(a: Any, b: Any) -> Any:
    """Each axis of the product is an axis of ``a`` beside one of ``b``."""
    a, b = operand(a), operand(b)
    rank = max(np.ndim(a), np.ndim(b))
    left, right = ((1,) * (rank - np.ndim(x)) + np.shape(x) for x in (a, b))
    beside_a = reshape(a, [n for m in left for n in (m, 1)])
    beside_b = reshape(b, [n for m in right for n in (1, m)])
    return reshape(beside_a * beside_b, [m * n for m, n in zip(left, right)])


@means(np.linalg.matmul)
def matmul(a: Any, b: Any) -> Any:
    return apply(WORDS["matmul"], operand(a), operand(b))


def _along(subscripts: str, conjugate: bool = False) -> Callable[..., Any]:
    """A product of vectors and matrices on the last axes, the others broadcast; vectors on the left are conjugated."""

    def product(a: Any, b: Any, axis: int = -1) -> Any:
        a, b = operand(a), operand(b)
        if axis != -1:
            a, b = np.moveaxis(a, axis, -1), np.moveaxis(b, axis, -1)
        return np.einsum(subscripts, conj(a) if conjugate else a, b)

    return product


@means(np.cross)
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """Vectors of two components lie in the plane z = 0; the product of two of them is its z component alone."""
    a, b = operand(a), operand(b)
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis, axis, axis)
    sizes = np.shape(a)[axisa], np.shape(b)[axisb]
    if not {*sizes} <= {2, 3}:
        raise ValueError("incompatible dimensions for cross product (dimension must be 2 or 3)")
    (a1, a2, a3), (b1, b2, b3) = _components(a, axisa), _components(b, axisb)
    z = a1 * b2 - a2 * b1
    if sizes == (2, 2):
        return z
    x = (0.0 if b3 is None else a2 * b3) - (0.0 if a3 is None else a3 * b2)
    y = (0.0 if a3 is None else a3 * b1) - (0.0 if b3 is None else a1 * b3)
    return np.stack([x, y, z], axisc)


def _components(x: Any, axis: int) -> list[Any]:
    """The components of vectors; None for a third that there is not."""
    head = (slice(None),) * (axis % np.ndim(x))
    return [x[(*head, k)] if k < np.shape(x)[axis] else None for k in range(3)]


@means(np.linalg.cross)
def cross_of_three(x1: Any, x2: Any, axis: int = -1) -> Any:
    if np.shape(x1)[axis] != 3 or np.shape(x2)[axis] != 3:
        raise ValueError("Both input arrays must be (arrays of) 3-dimensional vectors")
    return cross(x1, x2, axis=axis)


@means(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    a, v = np.atleast_1d(operand(a)), np.atleast_1d(operand(v))
    a, v = (v, a) if np.shape(v) > np.shape(a) else (a, v)
    return _cut(a, v, mode, (len(v) - 1) // 2)


@means(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    a, v = operand(a), conj(np.flip(operand(v)))
    if len(v) > len(a):
        return _cut(v, a, mode, len(a) // 2)
    return _cut(a, v, mode, (len(v) - 1) // 2)


def _cut(a: Any, v: Any, mode: str, start: int) -> Any:
    """The convolution of ``a`` with a signal that is not longer, in full, or what a mode leaves of it."""
    if np.ndim(a) != 1 or np.ndim(v) != 1 or not len(v):
        raise ValueError("a signal is a vector that is not empty")
    if mode == "valid":
        return apply(CORRELATE, a, np.flip(v))
    if mode not in ("full", "same"):
        raise ValueError(f"mode {mode!r} is none of 'full', 'same', 'valid'")
    whole = apply(CONVOLVE, a, v)
    return whole if mode == "full" else whole[start : start + len(a)]


VECDOT, MATVEC, VECMAT = _along("...i,...i->...", True), _along("...ij,...j->...i"), _along("...i,...ij->...j", True)
COMPOSED |= {np.vecdot: VECDOT}
COMPOSED |= {getattr(np, n): f for n, f in (("matvec", MATVEC), ("vecmat", VECMAT)) if hasattr(np, n)}  # NumPy >= 2.2
FUNCTIONS[np.linalg.vecdot] = VECDOT
