"""Products that texts name: contractions of two arrays over named axes, and convolutions.

An axis is a letter.  `contract` takes every letter at most once in each operand, and sums none that
only one operand has; then its transposes are contractions too, the letters of the result and of
an operand exchanged.  A ``_batched`` function treats the leading axis of its first argument as a stack.
"""

from __future__ import annotations

import math
from functools import lru_cache
from string import ascii_letters
from typing import Any

import numpy as np
from numpy import ndarray


def contract(x: Any, other: Any, letters: str, others: str, out: str) -> Any:
    """``einsum("letters,others->out", x, other)``: a product of matrices, or entry by entry where nothing is summed."""
    if not type(x) is type(other) is ndarray:
        return np.einsum(f"{letters},{others}->{out}", x, other)
    left, right, spread, batch, summed, order = _plan(letters, others, out)
    x, other = x.transpose(left), other.transpose(right)
    if not summed:
        first, second = spread
        return x[first] * other[second]
    rows, columns = x.ndim - summed, batch + summed
    product = np.matmul(_matrix(x, batch, rows), _matrix(other, batch, columns))
    return product.reshape(x.shape[:rows] + other.shape[columns:]).transpose(order)[()]


def _matrix(x: ndarray, batch: int, rows: int) -> ndarray:
    """A stack of matrices: axes up to ``batch``, up to ``rows`` and the rest."""
    return x.reshape(*x.shape[:batch], math.prod(x.shape[batch:rows]), math.prod(x.shape[rows:]))


@lru_cache(4096)
def _plan(letters: str, others: str, out: str) -> tuple[Any, ...]:
    """How to transpose the operands and the product, and where axes of length one go if nothing is summed."""
    summed = [c for c in letters if c not in out]
    if not summed:
        orders = [[x.index(c) for c in out if c in x] for x in (letters, others)]
        spread = [tuple(slice(None) if c in x else None for c in out) for x in (letters, others)]
        return *orders, spread, 0, 0, None
    batch = [c for c in out if c in letters and c in others]
    rows = [c for c in out if c in letters and c not in others]
    columns = [c for c in out if c not in letters]
    left, right, whole = batch + rows + summed, batch + summed + columns, batch + rows + columns
    order = tuple(whole.index(c) for c in out)
    return [letters.index(c) for c in left], [others.index(c) for c in right], None, len(batch), len(summed), order


def contract_batched(x: Any, other: Any, letters: str, others: str, out: str) -> Any:
    new = next(c for c in ascii_letters if c not in letters + others + out)
    return contract(x, other, new + letters, others, new + out)


def convolved(x: Any, kernel: Any) -> Any:
    """The whole convolution of two signals."""
    return np.convolve(x, kernel)


def correlated(x: Any, kernel: Any) -> Any:
    """``y[k] = Σ x[k + j] kernel[j]`` where the kernel, which is not longer, fits: the transpose of `convolved`."""
    return np.convolve(x, np.flip(kernel), "valid")


def correlated_by(kernel: Any, x: Any) -> Any:
    """`correlated` as a function of its kernel: symmetric, so its own transpose."""
    return correlated(x, kernel)


def _each_row(f: Any) -> Any:
    """A function of one signal for a stack of them."""

    def batched(stack: Any, other: Any) -> Any:
        count, *shape = stack.shape
        if not count:
            return np.zeros((0, *f(np.zeros(shape, stack.dtype), other).shape), stack.dtype)
        return np.stack([f(stack[k], other) for k in range(count)])

    return batched


convolved_batched, correlated_batched, correlated_by_batched = map(_each_row, (convolved, correlated, correlated_by))
