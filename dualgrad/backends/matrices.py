"""The functions that the texts of the matrix words name: they act on stacks of matrices, the last two axes.

As in `dualgrad.backends.arrays` they take arrays or numbers.  All arguments of a word have the same stack, so
that directions, which lead, pass through by themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from dualgrad.core.errors import GaugeError


def grounded(x: Any) -> Any:
    """The plain value of a number or of a masked tangent."""
    while not isinstance(x, (ndarray, np.generic)):
        x = x.values if hasattr(x, "values") else x.primal
    return x


def mT(x: Any) -> Any:
    """The transposed matrices."""
    return np.swapaxes(x, -1, -2)


def adjoint(x: Any) -> Any:
    """The transposed matrices, conjugated if they are complex."""
    x = np.swapaxes(x, -1, -2)
    return np.conjugate(x) if x.dtype.kind == "c" else x


def left_divide_batched(x: Any, a: Any) -> Any:
    """``solve(a, x)`` for a stack of x: its columns side by side, so that each matrix is factored once."""
    if x.ndim != a.ndim + 1:
        return np.linalg.solve(a, x)
    lead, columns = x.shape[0], x.shape[-1]
    side = np.reshape(np.moveaxis(x, 0, -2), (*x.shape[1:-1], lead * columns))
    found = np.linalg.solve(a, side)
    return np.moveaxis(np.reshape(found, (*x.shape[1:-1], lead, columns)), -2, 0)


def diagonal_part(x: Any) -> Any:
    """The diagonals of square matrices."""
    n = np.arange(x.shape[-1])
    return x[..., n, n]


def diagonal_matrix(x: Any) -> Any:
    """Matrices with these diagonals."""
    return np.where(np.eye(x.shape[-1], dtype=bool), x[..., None, :], 0.0)


def inner_with(x: Any, c: Any) -> Any:
    """The sum of the entries, each times a coefficient."""
    return np.add.reduce(x * c, (-2, -1))


def scaled_by(x: Any, c: Any) -> Any:
    """Coefficients times numbers, one for each matrix."""
    return x[..., None, None] * c


def _below(a: Any, diagonal: float) -> ndarray:
    """One below the diagonal of matrices of this shape, and what is given on it."""
    n, m = a.shape[-2:]
    return np.tri(n, m, -1, dtype=a.dtype) + np.eye(n, m, dtype=a.dtype) * a.dtype.type(diagonal)


def lower_half(a: Any) -> ndarray:
    return _below(a, 0.5)


def strictly_lower(a: Any) -> ndarray:
    return _below(a, 0.0)


def upper(a: Any) -> ndarray:
    return np.swapaxes(_below(mT(a), 1.0), -1, -2)


def corner(a: Any) -> ndarray:
    """One in the last row and column."""
    n = np.arange(a.shape[-1]) == a.shape[-1] - 1
    return np.asarray(n & n[:, None], a.dtype)


def free_corner(q: Any) -> ndarray:
    """The corner, if all columns of ``q`` but the last decide that one, else zero."""
    return corner(q) * q.dtype.type(q.dtype.kind != "c" and q.shape[-1] == q.shape[-2])


def ones(a: Any) -> ndarray:
    return np.ones(a.shape[-2:], a.dtype)


def largest(a: Any) -> ndarray:
    """One at the entry of each column that LAPACK made real: of the largest ones that without imaginary part."""
    size = np.abs(a)
    equal = size > (1 - 1e3 * np.finfo(a.dtype).eps) * np.max(size, axis=-2, keepdims=True)
    row = np.argmin(np.where(equal, np.abs(a.imag), np.inf), axis=-2, keepdims=True)
    return np.asarray(row == np.arange(a.shape[-2])[:, None], a.dtype)


def real_row(v: Any) -> ndarray:
    """One in the row where LAPACK made the vectors real."""
    if not v.size:
        return np.zeros_like(v)
    size = np.max(np.abs(v.imag), axis=-1, keepdims=True)
    row = np.argmin(size, axis=-2, keepdims=True) == np.arange(v.shape[-2])[:, None]
    return np.broadcast_to(row, v.shape).astype(v.dtype)


def zeros_of_row(v: Any) -> ndarray:
    """One where the entry of that row is zero: there the phase is free, and stays."""
    values = np.sum(real_row(v) * v, axis=-2, keepdims=True)
    return np.broadcast_to(values == 0, v.shape).astype(v.dtype)


def log_det(a: Any) -> Any:
    """The complex logarithm of the determinant."""
    if not isinstance(a, ndarray):
        return a.__dualgrad_apply__("log_det", a)
    sign, size = np.linalg.slogdet(a)
    return np.log(sign) + size


# Division by differences


def _differences(w: Any, sign: int) -> Any:
    """``w_j - w_i`` (or the sum) in row i and column j."""
    left, right = w[..., :, None], w[..., None, :]
    return right - left if sign < 0 else right + left


def _divided(x: Any, w: Any, sign: int) -> Any:
    """``x_ij / (w_j ± w_i)``, zero on the diagonal.

    Where two of the values agree the quotient exists only if the numerator is zero; then it is zero in the
    gauge that we choose.
    """
    value = grounded(w)
    n = value.shape[-1]
    plain = _differences(value, sign)
    size = np.max(np.abs(value), axis=-1, initial=0.0)[..., None, None] * (4 * n * np.finfo(value.dtype).eps)
    undefined = (np.abs(plain) <= size) & ~np.eye(n, dtype=bool)
    off = undefined | np.eye(n, dtype=bool)
    if np.any(undefined):
        numerator = np.abs(grounded(x))
        noise = np.max(numerator, axis=(-2, -1), keepdims=True, initial=0.0) * (100 * n * np.finfo(value.dtype).eps)
        if np.any(undefined & (numerator > noise)):
            raise GaugeError(
                "a derivative of eigenvectors or singular vectors was needed where two eigen- or singular values agree",
                why="the vectors are defined only up to a rotation among themselves (their gauge), "
                "and these directions of the derivative depend on it",
                hint="use the values alone (np.linalg.eigvalsh, svdvals) in functions that are symmetric in them, or a "
                "function of the matrix without its vectors (np.linalg.inv, matrix_power, dg.scipy.linalg.expm, sqrtm)",
            )
    return np.where(off, 0.0, x / np.where(off, 1.0, _differences(w, sign)))


def _multiplied(x: Any, w: Any, sign: int) -> Any:
    return np.where(np.eye(w.shape[-1], dtype=bool), 0.0, x * _differences(w, sign))


def over_gaps(x: Any, w: Any) -> Any:
    """``x_ij / (w_j - w_i)``."""
    return _divided(x, w, -1)


def times_gaps(x: Any, w: Any) -> Any:
    return _multiplied(x, w, -1)


def over_sums(x: Any, w: Any) -> Any:
    """``x_ij / (w_j + w_i)``, zero on the diagonal."""
    return _divided(x, w, 1)


def times_sums(x: Any, w: Any) -> Any:
    return _multiplied(x, w, 1)


def over_columns(x: Any, s: Any) -> Any:
    """Column j divided by s_j."""
    return x / s[..., None, :]


def phases_over(x: Any, s: Any) -> Any:
    """The diagonals divided by s; those of real matrices are imaginary parts, and zero."""
    diagonal = np.eye(x.shape[-1], dtype=bool) & (x.dtype.kind == "c")
    return np.where(diagonal, x, 0.0) / np.where(diagonal, s[..., None, :], 1.0)


def times_columns(x: Any, s: Any) -> Any:
    return x * s[..., None, :]


# Parts of a factorization: it is computed once, from the plain matrix, and its parts are handed along


def given(name: str, position: int, a: Any, *parts: Any) -> Any:
    """The part of a factorization of ``a`` that stands at this place, as the word of this name says it."""
    return parts[position] if isinstance(a, ndarray) else a.__dualgrad_apply__(name, a, *parts)
