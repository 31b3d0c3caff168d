"""Norms and condition numbers: zero at zero, and so is their derivative there; powers and products of matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualgrad.backends.arrays import axes_of

from ..number import plain
from .complex import squared
from .linalg import inv, negligible, parts_of, spoiled, svdvals
from .making import chosen, operand
from .reducing import root
from .table import means


@means(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    x = operand(x)
    if axis is None and (ord is None or (ord, x.ndim) in ((2, 1), ("fro", 2), ("f", 2))):
        return root(np.sum(squared(x), axis, keepdims=keepdims))
    axes = axes_of(axis, x.ndim)
    if len(axes) == 1:
        return _of_vectors(x, ord, axes[0], keepdims)
    if len(axes) != 2 or axes[0] == axes[1]:
        raise ValueError("Improper number of dimensions to norm.")
    found = _of_matrices(np.moveaxis(x, axes, (-2, -1)), ord)
    return np.expand_dims(found, axes) if keepdims else found


def _of_vectors(x: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    if ord is None or ord == 2:
        return root(np.sum(squared(x), axis, keepdims=keepdims))
    size = np.absolute(x)
    if ord == np.inf or ord == -np.inf:
        return _largest(size, axis, keepdims) if ord > 0 else np.min(size, axis, keepdims=keepdims)
    if ord == 0:
        return np.sum(plain(x) != 0, axis, keepdims=keepdims).astype(plain(size).dtype)
    if ord == 1:
        return np.sum(size, axis, keepdims=keepdims)
    if isinstance(ord, str):
        raise ValueError(f"Invalid norm order '{ord}' for vectors")
    total = np.sum(size**ord, axis, keepdims=keepdims)
    zero = plain(total) == 0
    return chosen(zero, 0.0, chosen(zero, 1.0, total) ** (1 / ord))


def _of_matrices(x: Any, ord: Any) -> Any:
    """The norms of the matrices of a stack."""
    if ord in (None, "fro", "f"):
        return root(np.sum(squared(x), (-2, -1)))
    if ord in (2, -2, "nuc"):
        s = svdvals(x)
        return np.sum(s, -1) if ord == "nuc" else _largest(s) if ord == 2 else np.min(s, -1)
    if ord not in (1, -1, np.inf, -np.inf):
        raise ValueError("Invalid norm order for matrices.")
    sums = np.sum(np.absolute(x), -2 if abs(ord) == 1 else -1)
    return _largest(sums) if ord > 0 else np.min(sums, -1)


def _largest(x: Any, axis: int = -1, keepdims: bool = False) -> Any:
    """The maximum of numbers that are not negative; of none of them zero."""
    return (np.max if x.shape[axis] else np.sum)(x, axis, keepdims=keepdims)


@means(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return norm(x, ord, (-2, -1), keepdims)


@means(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """Over several axes they count as one vector."""
    x = operand(x)
    axes = axes_of(axis, x.ndim)
    kept = [k for k in range(x.ndim) if k not in axes]
    flat = [*(x.shape[k] for k in kept), math.prod(x.shape[k] for k in axes)]
    found = _of_vectors(np.reshape(np.transpose(x, [*kept, *axes]), flat), ord, -1, False)
    return np.reshape(found, [1 if k in axes else n for k, n in enumerate(x.shape)]) if keepdims else found


@means(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    value = np.linalg.cond(plain(x), p)
    bad = ~np.isfinite(value)
    if np.any(bad):
        regular = chosen(bad[..., None, None], np.eye(*x.shape[-2:], dtype=x.dtype), x)
        return spoiled(cond(regular, p), bad, np.sum(parts_of(x), (-2, -1)), value)
    if p not in (None, 2, -2):
        return norm(x, p, (-2, -1)) * norm(inv(x), p, (-2, -1))
    s = svdvals(x)
    if p == -2:
        return s[..., -1] / s[..., 0]
    return spoiled(s[..., 0] / s[..., -1], plain(s)[..., -1] <= negligible(s)[..., 0], s[..., 0])


@means(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    """By squaring."""
    if n == 0:
        return np.zeros_like(a) + np.eye(a.shape[-1], dtype=a.dtype)
    if n < 0:
        return matrix_power(inv(a), -n)
    half = matrix_power(a, n // 2) if n > 1 else None
    return a if half is None else half @ half @ a if n % 2 else half @ half


@means(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    """In the order that costs least."""
    factors = [operand(a) for a in arrays]
    sizes = [1 if factors[0].ndim == 1 else factors[0].shape[0], *(a.shape[0] for a in factors[1:])]
    sizes.append(1 if factors[-1].ndim == 1 else factors[-1].shape[1])
    best: dict[tuple[int, int], tuple[int, Any]] = {(k, k): (0, None) for k in range(len(factors))}
    for length in range(1, len(factors)):
        for i in range(len(factors) - length):
            j = i + length
            costs = [
                (best[i, k][0] + best[k + 1, j][0] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            ]
            best[i, j] = min(costs)

    def product(i: int, j: int) -> Any:
        k = best[i, j][1]
        return factors[i] if k is None else product(i, k) @ product(k + 1, j)

    return product(0, len(factors) - 1)
