"""Polynomials by their coefficients, the highest power first, as NumPy's ``poly`` functions have them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ..array import with_memory
from ..number import plain
from .making import concatenate, operand, stack, strong
from .table import means, unsupported


def _coefficients(p: Any) -> Any:
    return np.atleast_1d(operand(p))


def _with_poly1d(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function of two polynomials, of which either may be a ``np.poly1d``: then so are the results."""

    @wraps(f)
    def call(a1: Any, a2: Any) -> Any:
        found = f(*(a.coeffs if isinstance(a, np.poly1d) else a for a in (a1, a2)))
        if not (isinstance(a1, np.poly1d) or isinstance(a2, np.poly1d)):
            return found
        return tuple(map(np.poly1d, found)) if type(found) is tuple else np.poly1d(found)

    return call


@means(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """Horner's rule."""
    if isinstance(x, np.poly1d):
        raise unsupported("np.polyval of a polynomial", "multiply and add with np.polymul and np.polyadd")
    p = p.coeffs if isinstance(p, np.poly1d) else p
    p, x = operand(p), strong(x)
    if len(p) == 0:
        return np.zeros_like(x)
    y = x * 0 + p[0]
    for k in range(1, len(p)):
        y = y * x + p[k]
    return y


def _padded(a: Any, b: Any) -> tuple[Any, Any]:
    """Coefficients of the same length."""
    a, b = _coefficients(a), _coefficients(b)
    size = max(len(a), len(b))
    return tuple(x if len(x) == size else concatenate([np.zeros(size - len(x), x.dtype), x]) for x in (a, b))


@means(np.polyadd)
@_with_poly1d
def polyadd(a1: Any, a2: Any) -> Any:
    a, b = _padded(a1, a2)
    return a + b


@means(np.polysub)
@_with_poly1d
def polysub(a1: Any, a2: Any) -> Any:
    a, b = _padded(a1, a2)
    return a - b


@means(np.polymul)
@_with_poly1d
def polymul(a1: Any, a2: Any) -> Any:
    """NumPy leaves out leading zeros first; so does this, by the values."""
    return np.convolve(_trimmed(_coefficients(a1)), _trimmed(_coefficients(a2)))


def _trimmed(p: Any) -> Any:
    nonzero = np.flatnonzero(plain(p))
    return p[nonzero[0] :] if len(nonzero) else p[:0] if len(p) == 0 else p[-1:]


@means(np.polydiv)
@_with_poly1d
def polydiv(u: Any, v: Any) -> tuple[Any, Any]:
    """Long division; the remainder loses leading entries that are close to zero, as in NumPy."""
    rest, v = _coefficients(u) + 0.0, _coefficients(v) + 0.0
    count = max(len(rest) - len(v) + 1, 1)
    scale, quotient = 1.0 / v[0], []
    for k in range(len(rest) - len(v) + 1):
        d = scale * rest[k]
        quotient.append(d)
        rest = concatenate([rest[:k], rest[k : k + len(v)] - d * v, rest[k + len(v) :]])
    found = stack(quotient) if quotient else np.zeros(count, rest.dtype)
    while len(rest) > 1 and np.allclose(plain(rest[0]), 0, rtol=1e-14):
        rest = rest[1:]
    return found, rest


@means(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    if m < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    p = _coefficients(p)
    for _ in range(m):
        p = p[:-1] * np.arange(len(p) - 1, 0, -1)
    return p


@means(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    if m < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    if m == 0:
        return with_memory(p)
    p, k = _coefficients(p), np.zeros(m) if k is None else np.atleast_1d(operand(k))
    constants = [k[0]] * m if len(k) == 1 and m > 1 else k
    if len(constants) < m:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    for n in range(m):
        p = concatenate([p / np.arange(len(p), 0, -1), np.reshape(constants[n], (1,))])
    return p


@means(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """The coefficients of the polynomial with these roots: the product of its linear factors."""
    roots = _coefficients(seq_of_zeros)
    if np.ndim(roots) != 1:
        raise unsupported("np.poly of a matrix", "its characteristic polynomial: np.poly(np.linalg.eigvals(a))")
    p: Any = np.ones(1, roots.dtype)
    for k in range(len(roots)):
        p = np.convolve(p, stack([np.ones((), roots.dtype)[()], -roots[k]]))
    return p


@means(np.roots)
def roots(p: Any) -> Any:
    """The eigenvalues of the companion matrix, and as many zeros as the polynomial has zeros at its end."""
    p = _coefficients(p)
    if np.ndim(p) != 1:
        raise ValueError("Input must be a rank-1 array.")
    nonzero = np.flatnonzero(plain(p))
    if not len(nonzero):
        return np.zeros(0)
    zeros = len(p) - 1 - int(nonzero[-1])
    p = p[int(nonzero[0]) : int(nonzero[-1]) + 1]
    if len(p) < 2:
        return np.zeros(zeros)
    companion = concatenate([stack([-p[1:] / p[0]]), np.eye(len(p) - 2, len(p) - 1, dtype=p.dtype)])
    found = np.linalg.eigvals(companion)
    return concatenate([found, np.zeros(zeros, found.dtype)]) if zeros else found


@means(np.polyfit)
def polyfit(x: Any, y: Any, deg: int, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False) -> Any:
    """The least-squares solution of the Vandermonde system, its columns scaled to length one."""
    if full or cov is not False:
        raise unsupported("np.polyfit with full= or cov=", "work out residuals from np.polyval(p, x) - y")
    x, y = operand(x) + 0.0, operand(y) + 0.0
    if np.ndim(deg) or np.ndim(x) != 1 or np.ndim(y) not in (1, 2) or np.shape(x)[0] != np.shape(y)[0]:
        raise unsupported("np.polyfit but of a degree, a vector x and values y beside it")
    matrix = vander(x, deg + 1)
    if w is not None:
        w = operand(w) + 0.0
        matrix = matrix * np.reshape(w, (-1, 1))
        y = y * (np.reshape(w, (-1, 1)) if np.ndim(y) == 2 else w)
    scale = np.sqrt(np.sum(matrix * matrix, 0))
    eps = np.finfo(plain(x).dtype).eps
    found = np.linalg.lstsq(matrix / scale, y, len(x) * eps if rcond is None else rcond)[0]
    return (found.T / scale).T


@means(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:  # noqa: N803  (NumPy's name)
    x = _coefficients(x)
    if np.ndim(x) != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    count = len(x) if N is None else N
    x = x.astype(np.promote_types(x.dtype, int))  # as NumPy has it: float32 becomes float64
    columns = [np.ones(len(x), x.dtype)]
    while len(columns) < count:
        columns.append(columns[-1] * x)
    if not count:
        return np.zeros((len(x), 0), x.dtype)
    return stack(columns[:count] if increasing else columns[:count][::-1], 1)
