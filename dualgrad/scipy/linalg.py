"""``scipy.linalg`` on numbers: systems, factorizations, special matrices; functions of matrices are in `functions`.

Each function takes plain arrays too and then is SciPy's own.  Shapes and conventions are SciPy's; what reads one
triangle is differentiated as a function of that triangle.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualgrad.core.errors import UnsupportedError
from dualgrad.numbers.functions.linalg import (
    adjoint,
    alone,
    dependence,
    dependent,
    hermitian_parts,
    mT,
    symmetrized,
    word,
)
from dualgrad.numbers.functions.making import join, operand
from dualgrad.numbers.number import plain
from dualgrad.numbers.undefined import undefined

from .functions import expm, logm, solve_continuous_lyapunov, solve_sylvester, sqrtm
from .means import stands_for

__all__ = [
    "block_diag", "cho_factor", "cho_solve", "cholesky", "circulant", "det", "eigh", "eigvalsh", "expm", "hankel",
    "inv", "khatri_rao", "logm", "lu", "lu_factor", "lu_solve", "norm", "pinv", "solve", "solve_banded",
    "solve_continuous_lyapunov",
    "solve_sylvester", "solve_triangular", "sqrtm", "svdvals", "toeplitz",
]  # fmt: skip

_meaning = stands_for("scipy.linalg")


# Systems


@_meaning
def solve(a: Any, b: Any, lower: bool = False, assume_a: str | None = None, transposed: bool = False) -> Any:
    """Solve ``a @ x = b``.

    Parameters
    ----------
    a : (n, n) array_like
    b : (n,) or (n, k) array_like
    lower : bool
        Which triangle counts where ``assume_a`` says that one does.
    assume_a : str, optional
        As in SciPy; it says which entries of ``a`` are read.
    transposed : bool
        Solve ``a.T @ x = b``.

    Returns
    -------
    (n,) or (n, k) array

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is singular.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(lambda a: dg.scipy.linalg.solve(a, np.ones(1))[0])(np.array([[2.0]]))
    array([[-0.25]])
    """
    a, b = operand(a), operand(b)
    kind = assume_a or "general"
    n = np.arange(a.shape[-1])
    apart = np.abs(n[:, None] - n)
    if kind in ("pos", "positive definite", "her", "hermitian"):
        a = symmetrized(a, lower)
    elif kind in ("sym", "symmetric"):  # complex ones too without conjugation
        a = np.where(n[:, None] >= n if lower else n[:, None] <= n, a, mT(a))
    elif kind in ("diagonal", "tridiagonal"):
        a = np.where(apart <= (kind == "tridiagonal"), a, 0.0)
    elif kind in ("upper triangular", "lower triangular"):
        return solve_triangular(a, b, int(transposed), kind == "lower triangular")
    elif kind not in ("gen", "general", "banded"):
        raise UnsupportedError(f"scipy.linalg.solve with assume_a={assume_a!r} has no derivative rule")
    return np.linalg.solve(mT(a) if transposed else a, b)


@_meaning
def solve_triangular(a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False) -> Any:
    """Solve ``a @ x = b`` with a triangular matrix, whose other triangle is not read.

    Parameters
    ----------
    a : (n, n) array_like
    b : (n,) or (n, k) array_like
    trans : {0, 1, 'N', 'T'}
        1 or 'T' for ``a.T @ x = b``.
    lower, unit_diagonal : bool
        As in SciPy.

    Returns
    -------
    (n,) or (n, k) array

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(lambda b: dg.scipy.linalg.solve_triangular(np.eye(2) * 2, b)[0])(np.ones(2))
    array([0.5, 0. ])
    """
    a, b = operand(a), operand(b)
    if np.ndim(b) == 1:
        return solve_triangular(a, b[:, None], trans, lower, unit_diagonal)[..., 0]
    triangle = np.tri(a.shape[-1], k=-1 if unit_diagonal else 0, dtype=bool)
    a = np.where(triangle if lower else triangle.T, a, np.eye(a.shape[-1], dtype=a.dtype) if unit_diagonal else 0.0)
    if trans in (1, "T", 2, "C"):
        a, lower = adjoint(a) if trans in (2, "C") else mT(a), not lower
    return word("solve_lower" if lower else "solve_upper", a, b)


@_meaning
def inv(a: Any) -> Any:
    """The inverse.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(lambda a: dg.scipy.linalg.inv(a)[0, 0])(np.array([[2.0]]))
    array([[-0.25]])
    """
    return np.linalg.inv(operand(a))


@_meaning
def det(a: Any) -> Any:
    """The determinant; right to all orders also where the matrix is singular.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(dg.scipy.linalg.det)(np.diag([2.0, 0.0])).round(12)
    array([[0., 0.],
           [0., 2.]])
    """
    return np.linalg.det(operand(a))


@_meaning
def pinv(a: Any, *, atol: Any = None, rtol: Any = None) -> Any:
    """The pseudo-inverse, differentiated along matrices of the same rank.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(lambda a: dg.scipy.linalg.pinv(a)[0, 0])(np.array([[2.0]]))
    array([[-0.25]])
    """
    from scipy.linalg import pinv as theirs

    return word("pinv_of", operand(a), theirs(plain(a), atol=atol, rtol=rtol))


@_meaning
def norm(a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm of a vector or matrix: NumPy's, of every order.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(dg.scipy.linalg.norm)(np.array([3.0, 4.0]))
    array([0.6, 0.8])
    """
    return np.linalg.norm(operand(a), ord, axis, keepdims)


@_meaning
def solve_banded(l_and_u: tuple[int, int], ab: Any, b: Any) -> Any:
    """Solve with a matrix given by its bands, which is made a full one.

    Parameters
    ----------
    l_and_u : (int, int)
        How many bands lie below and above the diagonal.
    ab : (l + u + 1, n) array_like
        Bands in rows: ``ab[u + i - j, j]`` is the entry i, j.
    b : (n,) or (n, k) array_like

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> ab = np.array([[0.0, 1.0], [2.0, 4.0]])
    >>> dg.grad(lambda b: dg.scipy.linalg.solve_banded((0, 1), ab, b)[0])(np.ones(2))
    array([ 0.5  , -0.125])
    """
    below, above = l_and_u
    ab = operand(ab)
    n = np.shape(ab)[-1]
    whole = np.zeros((n, n), ab.dtype)
    for k in range(-below, above + 1):
        band = ab[above - k, max(k, 0) : n + min(k, 0)]
        whole = whole + np.diag(band, k) if np.size(band) else whole
    return np.linalg.solve(whole, operand(b))


# Factorizations


@_meaning
def cholesky(a: Any, lower: bool = False) -> Any:
    """The Cholesky factor; upper by default, as in SciPy.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(lambda a: dg.scipy.linalg.cholesky(a)[0, 0])(np.array([[4.0]]))
    array([[0.25]])
    """
    return np.linalg.cholesky(operand(a), upper=not lower)


@_meaning
def cho_factor(a: Any, lower: bool = False) -> tuple[Any, bool]:
    """The Cholesky factor for `cho_solve`; the triangle that is not used is zero here.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> def f(a):
    ...     return dg.scipy.linalg.cho_solve(dg.scipy.linalg.cho_factor(a), np.ones(1))[0]
    >>> dg.grad(f)(np.array([[2.0]])).round(12)
    array([[-0.25]])
    """
    return np.linalg.cholesky(operand(a), upper=not lower), lower


@_meaning
def cho_solve(c_and_lower: tuple[Any, bool], b: Any) -> Any:
    """Solve with the factor of `cho_factor`.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> c = dg.scipy.linalg.cho_factor(np.array([[2.0]]))
    >>> dg.grad(lambda b: dg.scipy.linalg.cho_solve(c, b)[0])(np.ones(1)).round(12)
    array([0.5])
    """
    c, lower = c_and_lower
    return solve_triangular(c, solve_triangular(c, b, 0 if lower else "C", lower), "C" if lower else 0, lower)


@_meaning
def lu(a: Any, permute_l: bool = False) -> Any:
    """``P, L, U`` with ``a = P @ L @ U``; the permutation is a value.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(lambda a: dg.scipy.linalg.lu(a)[2][1, 1])(np.array([[2.0, 1.0], [1.0, 3.0]]))
    array([[ 0.25, -0.5 ],
           [-0.5 ,  1.  ]])
    """
    from scipy.linalg import lu as theirs

    p = theirs(plain(operand(a)))[0]
    lower, upper = _lu(mT(p) @ operand(a))
    return (p @ lower, upper) if permute_l else (p, lower, upper)


def _lu(a: Any) -> tuple[Any, Any]:
    """Factors of a matrix that needs no pivots: the leading square decides, the rest follows from it."""
    from scipy.linalg import lu as theirs

    m, n = a.shape[-2:]
    k = min(m, n)
    square = a[..., :k, :k]
    _, lower, upper = theirs(plain(a))
    parts = np.ascontiguousarray(lower[..., :k, :]), np.ascontiguousarray(upper[..., :, :k])
    if dependent(plain(a), parts[1], n if m > n else m - 1):
        return undefined(lower, dependence("scipy.linalg.lu")), undefined(upper, dependence("scipy.linalg.lu"))
    lower, upper = word("lu_lower", square, *parts), word("lu_upper", square, *parts)
    if m > n:
        rest = mT(word("solve_lower", mT(upper), mT(a[..., n:, :])))
        lower = np.concatenate([lower, rest], axis=-2)
    if n > m:
        upper = np.concatenate([upper, word("solve_lower", lower, a[..., :, m:])], axis=-1)
    return lower, upper


@_meaning
def lu_factor(a: Any) -> tuple[Any, Any]:
    """Both factors in one matrix, and the pivots, for `lu_solve`.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> def f(a):
    ...     return dg.scipy.linalg.lu_solve(dg.scipy.linalg.lu_factor(a), np.ones(1))[0]
    >>> dg.grad(f)(np.array([[2.0]]))
    array([[-0.25]])
    """
    from scipy.linalg import lu_factor as theirs

    a = operand(a)
    _, pivots = theirs(plain(a))
    order = _order(pivots, a.shape[0])
    lower, upper = _lu(a[order])
    below = np.tri(a.shape[0], a.shape[1], -1, bool)
    k = min(a.shape)
    packed = np.concatenate([upper, np.zeros((a.shape[0] - k, a.shape[1]), a.dtype)]) if a.shape[0] > k else upper
    left = np.concatenate([lower, np.zeros((a.shape[0], a.shape[1] - k), a.dtype)], 1) if a.shape[1] > k else lower
    return np.where(below, left, packed), pivots


def _order(pivots: Any, n: int) -> Any:
    """The order of rows after LAPACK's exchanges."""
    order = np.arange(n)
    for k, p in enumerate(pivots):
        order[[k, p]] = order[[p, k]]
    return order


@_meaning
def lu_solve(lu_and_piv: tuple[Any, Any], b: Any, trans: int = 0) -> Any:
    """Solve with the factors of `lu_factor`.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> factors = dg.scipy.linalg.lu_factor(np.array([[2.0]]))
    >>> dg.grad(lambda b: dg.scipy.linalg.lu_solve(factors, b)[0])(np.ones(1))
    array([0.5])
    """
    (factors, pivots), b = lu_and_piv, operand(b)
    order = _order(pivots, factors.shape[0])
    if trans:
        x = solve_triangular(factors, solve_triangular(factors, b, trans), trans, True, True)
        return x[np.argsort(order)]
    return solve_triangular(factors, solve_triangular(factors, b[order], 0, True, True))


@_meaning
def eigh(a: Any, b: Any = None, *, lower: bool = True, eigvals_only: bool = False, type: int = 1) -> Any:
    """Eigenvalues and vectors of a symmetric matrix, or of ``a v = w b v`` with ``b`` positive definite.

    Parameters
    ----------
    a, b : (n, n) array_like
        One triangle of each is read.
    lower, eigvals_only : bool
        As in SciPy.
    type : {1}
        The generalized problem of type 1 only.

    Returns
    -------
    w : (n,) array
    v : (n, n) array
        Unless ``eigvals_only``.

    Raises
    ------
    GaugeError
        If derivatives of vectors are used where eigenvalues agree.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(lambda a: dg.scipy.linalg.eigh(a)[0][0])(np.diag([1.0, 2.0]))
    array([[1., 0.],
           [0., 0.]])
    """
    from scipy.linalg import eigh as theirs

    if type != 1:
        raise UnsupportedError(f"scipy.linalg.eigh with type={type} has no derivative rule")
    a = symmetrized(operand(a), lower)
    if b is None:
        w, v = hermitian_parts(a, *theirs(plain(a)))
        return alone(w) if eigvals_only else (w, v)
    b = symmetrized(operand(b), lower)
    w, v = theirs(plain(a), plain(b))
    factor = np.linalg.cholesky(b)
    half = solve_triangular(factor, a, lower=True)
    reduced = solve_triangular(factor, adjoint(half), lower=True)
    w, turned = hermitian_parts((reduced + adjoint(reduced)) * 0.5, w, adjoint(plain(factor)) @ v)
    return alone(w) if eigvals_only else (w, solve_triangular(factor, turned, "C", True))


@_meaning
def eigvalsh(a: Any, b: Any = None, *, lower: bool = True, type: int = 1) -> Any:
    """Eigenvalues as of `eigh`.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(lambda a: dg.scipy.linalg.eigvalsh(a)[0])(np.diag([1.0, 2.0]))
    array([[1., 0.],
           [0., 0.]])
    """
    return eigh(a, b, lower=lower, eigvals_only=True, type=type)


@_meaning
def svdvals(a: Any) -> Any:
    """Singular values, largest first.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(lambda a: dg.scipy.linalg.svdvals(a)[0])(np.diag([2.0, 1.0]))
    array([[1., 0.],
           [0., 0.]])
    """
    return np.linalg.svdvals(operand(a))


# Special matrices


@_meaning
def block_diag(*arrs: Any) -> Any:
    """Matrices along the diagonal of one; a vector is a row.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(lambda x: dg.scipy.linalg.block_diag(x, x)[1, 2])(np.ones(2))
    array([1., 0.])
    """
    blocks = [np.atleast_2d(operand(a)) for a in arrs]
    parts, row, column = [], 0, 0
    for block in blocks:
        m, n = block.shape
        parts.append(((slice(row, row + m), slice(column, column + n)), block))
        row, column = row + m, column + n
    return join((row, column), parts)


@_meaning
def toeplitz(c: Any, r: Any = None) -> Any:
    """The matrix of constant diagonals with first column ``c`` and first row ``r`` (by default ``c``, real).

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(lambda c: np.sum(dg.scipy.linalg.toeplitz(c)))(np.ones(3))
    array([3., 4., 2.])
    """
    c = operand(c)
    r = np.conjugate(c) if r is None else operand(r)
    m, n = np.arange(np.shape(c)[0])[:, None], np.arange(np.shape(r)[0])
    whole = np.concatenate([np.flip(c), r[1:]])
    return whole[np.shape(c)[0] - 1 - m + n]


@_meaning
def circulant(c: Any) -> Any:
    """The circulant matrix with first column ``c``.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(lambda c: np.sum(dg.scipy.linalg.circulant(c)[0]))(np.ones(3))
    array([1., 1., 1.])
    """
    n = np.arange(np.shape(c)[-1])
    return operand(c)[..., (n[:, None] - n) % len(n)]


@_meaning
def hankel(c: Any, r: Any = None) -> Any:
    """The matrix of constant antidiagonals with first column ``c`` and last row ``r`` (by default zeros).

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(lambda c: np.sum(dg.scipy.linalg.hankel(c)))(np.ones(3))
    array([1., 2., 3.])
    """
    c = operand(c)
    r = np.zeros(np.shape(c)[0], c.dtype) if r is None else operand(r)
    whole = np.concatenate([c, r[1:]])
    return whole[np.arange(np.shape(c)[0])[:, None] + np.arange(np.shape(r)[0])]


@_meaning
def khatri_rao(a: Any, b: Any) -> Any:
    """The products of columns: column j is ``kron(a[:, j], b[:, j])``.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(lambda a: np.sum(dg.scipy.linalg.khatri_rao(a, a)))(np.ones((2, 1)))
    array([[4.],
           [4.]])
    """
    a, b = operand(a), operand(b)
    return np.reshape(a[..., :, None, :] * b[..., None, :, :], (*a.shape[:-2], a.shape[-2] * b.shape[-2], a.shape[-1]))
