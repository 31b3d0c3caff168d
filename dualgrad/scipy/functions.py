"""Functions of matrices: the exponential, the square root, the logarithm, and Sylvester's equation.

The exponential and the logarithm are compositions of products and solutions, with scaling chosen from the value; so
every mode and order follows.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualgrad.numbers.functions.linalg import adjoint, word
from dualgrad.numbers.functions.making import operand
from dualgrad.numbers.number import plain

from .means import stands_for

_meaning = stands_for("scipy.linalg")

# Padé approximant of order 13 of exp: p(a) q(a)^-1 with q(a) = p(-a).  Higham, SIAM J. Matrix Anal. Appl. 26 (2005).
_DEGREE = 13
_PADE = [
    math.factorial(2 * _DEGREE - k) * math.factorial(_DEGREE)
    / (math.factorial(2 * _DEGREE) * math.factorial(k) * math.factorial(_DEGREE - k))
    for k in range(_DEGREE + 1)
]  # fmt: skip
_LARGEST = 4.25  # the 1-norm up to which it is exact to double precision


def _norm(a: Any) -> float:
    return float(np.max(np.sum(np.abs(plain(a)), axis=-2), initial=0.0))


@_meaning
def expm(A: Any) -> Any:
    """The matrix exponential, by scaling and squaring.

    Parameters
    ----------
    A : (..., n, n) array_like

    Returns
    -------
    (..., n, n) array

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(lambda a: dg.scipy.linalg.expm(a)[0, 1])(np.zeros((2, 2)))
    array([[0., 1.],
           [0., 0.]])
    """
    a = operand(A)
    size = _norm(a)
    squarings = max(0, math.ceil(math.log2(size / _LARGEST))) if size > 0 and math.isfinite(size) else 0
    a = a * (0.5**squarings)
    unit = np.eye(a.shape[-1], dtype=a.dtype)
    c = [float(p) for p in _PADE]
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a4 @ a2
    odd = a @ (a6 @ (c[13] * a6 + c[11] * a4 + c[9] * a2) + c[7] * a6 + c[5] * a4 + c[3] * a2 + c[1] * unit)
    even = a6 @ (c[12] * a6 + c[10] * a4 + c[8] * a2) + c[6] * a6 + c[4] * a4 + c[2] * a2 + c[0] * unit
    found = np.linalg.solve(even - odd, even + odd)
    for _ in range(squarings):
        found = found @ found
    return found


@_meaning
def sqrtm(A: Any) -> Any:
    """The principal square root: its derivative solves a Sylvester equation.

    Parameters
    ----------
    A : (n, n) array_like
        Without the eigenvalue zero, and if it is complex without eigenvalues on the negative real axis.

    Returns
    -------
    (n, n) array, complex if an eigenvalue is negative

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(lambda a: np.trace(dg.scipy.linalg.sqrtm(a)))(np.diag([1.0, 4.0]))
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    from scipy.linalg import sqrtm as theirs

    a = operand(A)
    root = theirs(plain(a))
    if np.iscomplexobj(root) and a.dtype.kind != "c":  # eigenvalues that are negative stay so along real matrices
        a = a.astype(root.dtype)
    return word("sqrtm", a, np.asarray(root, a.dtype))


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2


@_meaning
def logm(A: Any) -> Any:
    """The principal logarithm, by square roots and a Padé approximant as a sum of partial fractions.

    Parameters
    ----------
    A : (n, n) array_like
        Without the eigenvalue zero, and if it is complex without eigenvalues on the negative real axis.

    Returns
    -------
    (n, n) array, complex if an eigenvalue is negative

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(lambda a: np.trace(dg.scipy.linalg.logm(a)))(np.diag([1.0, 4.0])).round(12)
    array([[1.  , 0.  ],
           [0.  , 0.25]])
    """
    root = operand(A)
    unit = np.eye(root.shape[-1], dtype=root.dtype)
    halvings = 0
    while _norm(plain(root) - unit) > 0.25:
        root = sqrtm(root)
        halvings += 1
        if halvings > 60:
            raise np.linalg.LinAlgError("logm: the square roots do not approach the identity")
    z = root - unit
    found: Any = 0.0
    for node, weight in zip(_NODES.tolist(), _WEIGHTS.tolist()):
        found = found + weight * np.linalg.solve(unit + node * z, z)
    return found * 2.0**halvings


@_meaning
def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    """Solve ``a @ x + x @ b = q``.

    Parameters
    ----------
    a : (m, m) array_like
    b : (n, n) array_like
    q : (m, n) array_like

    Returns
    -------
    (m, n) array

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> one = np.ones((1, 1))
    >>> dg.grad(lambda a: dg.scipy.linalg.solve_sylvester(a, one, one)[0, 0])(one)
    array([[-0.25]])
    """
    return word("sylvester", operand(a), operand(b), operand(q))


@_meaning
def solve_continuous_lyapunov(a: Any, q: Any) -> Any:
    """Solve ``a @ x + x @ a.T = q`` (with the conjugate of a complex ``a``).

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> one = np.ones((1, 1))
    >>> dg.grad(lambda a: dg.scipy.linalg.solve_continuous_lyapunov(a, one)[0, 0])(one)
    array([[-0.5]])
    """
    a = operand(a)
    return word("sylvester", a, adjoint(a), operand(q))
