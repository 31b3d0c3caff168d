"""SciPy's linear algebra under dualgrad's names: the functions of `dualgrad.scipy` are SciPy's on plain arrays."""

import numpy as np
from scipy.sparse import csr_array

import dualgrad.scipy.linalg as sla
from declared import declare
from dualgrad.scipy.sparse.linalg import spsolve

from .linalg import REAL, TALL, VECTOR, B, M, S

POSITIVE = M @ M.T + np.eye(3)
EMPTY = {"empty": "SciPy factors what is empty, or is not square, in shapes of its own"}
SPARSE = csr_array(np.where(np.abs(M) > 0.4, M, 0))

declare(sla.solve, *(lambda a, k=k: sla.solve(a, B, assume_a=k) for k in (
    "gen", "sym", "pos", "diagonal", "tridiagonal", "upper triangular", "lower triangular")),
    lambda a: sla.solve(a, VECTOR, lower=True, assume_a="pos"), lambda a: sla.solve(a, a[0], transposed=True),
    x=S)  # fmt: skip
declare(sla.solve_triangular, lambda a: sla.solve_triangular(a, B),
        lambda a: sla.solve_triangular(a, VECTOR, lower=True),
        lambda a: sla.solve_triangular(a, a, trans=1), lambda a: sla.solve_triangular(a, a[:, 0], "T", lower=True),
        lambda a: sla.solve_triangular(a, B, unit_diagonal=True), x=M)  # fmt: skip
declare(sla.cho_solve, lambda a: sla.cho_solve(sla.cho_factor(a), VECTOR),
        lambda a: sla.cho_solve(sla.cho_factor(a, lower=True), B @ B.T @ a), x=POSITIVE)  # fmt: skip
declare(sla.cholesky, sla.cholesky, lambda a: sla.cholesky(a, lower=True), x=S)
declare(sla.lu, *(lambda a, k=k: sla.lu(a)[k] for k in (1, 2)), lambda a: sla.lu(a, permute_l=True)[0], x=M[[1, 2, 0]],
        without=EMPTY)  # fmt: skip
declare(sla.lu, *(lambda a, k=k, t=t: sla.lu(a.T if t else a)[k] for k in (1, 2) for t in (False, True)), x=TALL,
        without=EMPTY)  # fmt: skip
declare(sla.lu_factor, lambda a: sla.lu_factor(a)[0], x=M[[1, 2, 0]])
declare(sla.lu_factor, lambda a: sla.lu_factor(a)[0], lambda a: sla.lu_factor(a.T)[0], x=TALL)
declare(sla.lu_solve, *(lambda a, t=t: sla.lu_solve(sla.lu_factor(a), B, t) for t in (0, 1)), x=M[[1, 2, 0]],
        without=EMPTY)  # fmt: skip
declare(sla.inv, x=M)
declare(sla.det, x=M, without={"single": "SciPy's determinant is a double"})
declare(sla.pinv, x=TALL)
declare(sla.norm, lambda a: sla.norm(a, 1), x=TALL, without={"single": "SciPy's norm is a double"})
declare(sla.svdvals, x=TALL)


def signed(v):
    """Vectors of a sign that does not change from one matrix to the next, as LAPACK's does."""
    return v * np.sign(v[0])


declare(sla.eigh, lambda a: sla.eigh(a)[0], lambda a: signed(sla.eigh(a)[1]),
        lambda a: signed(sla.eigh(a, lower=False)[1]), x=S)  # fmt: skip
declare(sla.eigh, lambda a: sla.eigh(a, POSITIVE)[0], lambda a: signed(sla.eigh(a, POSITIVE)[1]),
        lambda b: signed(sla.eigh(M, b @ b.T)[1]), lambda b: sla.eigvalsh(M, b @ b.T), x=S)  # fmt: skip
declare(sla.expm, sla.expm, lambda a: sla.expm(-4 * a), lambda a: sla.expm(0 * a), x=M)
declare(sla.sqrtm, x=M)
declare(sla.logm, x=REAL, without={"single": "SciPy warns of the precision"})
declare(sla.solve_sylvester, lambda a: sla.solve_sylvester(a, POSITIVE, B @ B.T),
        lambda b: sla.solve_sylvester(M, b, M), lambda q: sla.solve_sylvester(M, POSITIVE, q),
        lambda a: sla.solve_sylvester(a, a @ a, a), x=POSITIVE,
        without={"empty": "SciPy lets sizes differ that do not fit"})  # fmt: skip
declare(sla.solve_continuous_lyapunov, lambda a: sla.solve_continuous_lyapunov(a, a @ a.T), x=M)
declare(sla.block_diag, lambda a: sla.block_diag(a, B, a[0]), x=M)
declare(sla.toeplitz, sla.toeplitz, lambda c: sla.toeplitz(c, np.arange(4.0)), lambda c: sla.toeplitz(c * c, c[:2]),
        x=VECTOR)  # fmt: skip
declare(sla.circulant, x=VECTOR)
declare(sla.hankel, sla.hankel, lambda c: sla.hankel(c, c * c), x=VECTOR)
declare(sla.khatri_rao, lambda a: sla.khatri_rao(a, a[:2] * a[0]), x=M)

# Sparse matrices are constants

declare(SPARSE.dot, lambda x: SPARSE @ x, lambda x: x @ SPARSE, lambda x: SPARSE.dot(x), lambda x: SPARSE.T @ x * x,
        x=VECTOR)  # fmt: skip
declare(SPARSE.dot, lambda x: SPARSE @ x, lambda x: x.T @ SPARSE, x=B)
declare(spsolve, lambda b: spsolve(SPARSE.tocsc(), b), x=VECTOR)
declare(spsolve, lambda b: spsolve(SPARSE.tocsc(), b), x=B)
declare(sla.solve, *(lambda a, k=k: sla.solve(a, B, assume_a=k) for k in ("gen", "sym", "her")),
        lambda a: sla.solve(a, a[0], lower=True, assume_a="her"), x=S, complex=True)  # fmt: skip
declare(sla.solve_sylvester, lambda a: sla.solve_sylvester(a, POSITIVE, B @ B.T),
        lambda q: sla.solve_sylvester(POSITIVE, POSITIVE, q), x=POSITIVE, complex=True,
        without={"empty": "SciPy lets sizes differ that do not fit"})  # fmt: skip
