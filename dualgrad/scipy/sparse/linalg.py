"""``scipy.sparse.linalg`` on numbers: systems with a constant sparse matrix."""

from __future__ import annotations

from typing import Any

from dualgrad.core.words import WORDS
from dualgrad.numbers.functions.making import operand
from dualgrad.numbers.number import apply_linear
from dualgrad.numbers.sparse import constant

from ..means import stands_for

__all__ = ["spsolve"]


@stands_for("scipy.sparse.linalg")
def spsolve(A: Any, b: Any) -> Any:
    """Solve ``A @ x = b`` with a sparse matrix, by ``b``; the factors serve both sweeps.

    Parameters
    ----------
    A : (n, n) sparse array
        A constant.
    b : (n,) or (n, k) array_like

    Returns
    -------
    (n,) or (n, k) array

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> from scipy.sparse import csc_array
    >>> A = csc_array(np.diag([2.0, 4.0]))
    >>> dg.grad(lambda b: np.sum(dg.scipy.sparse.linalg.spsolve(A, b)))(np.ones(2))
    array([0.5 , 0.25])
    """
    return apply_linear(WORDS["sparse_solve"], operand(b), constant(A))
