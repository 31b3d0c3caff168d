"""np.linalg: systems, determinants, factorizations, norms.

Matrices are written down where a drawn one could be singular, not positive or of close eigenvalues.  What has a
free sign or basis is proven through what does not depend on it, and as it is.
"""

import numpy as np

from declared import declare

M = np.array([[2.0, -0.5, 0.25], [0.3, 1.5, -1.0], [0.7, 0.1, 3.0]])
TALL = np.array([[1.0, 0.4, -0.3], [0.2, 1.5, 0.6], [-0.7, 0.3, 2.0], [0.5, -1.2, 0.4]])
STACK = np.stack([M, M.T + np.eye(3), M @ M])
S = np.array([[4.0, 0.3, -0.2], [0.5, 2.0, 0.7], [-0.6, 0.4, 7.0]])  # one triangle is read: it need not be symmetric
STACK_S = np.stack([S, S + np.diag([3.0, 1.0, 0.5])])
B = np.array([[0.3, -1.2], [0.8, 0.1], [-0.5, 0.9]])
VECTOR = np.array([0.7, -1.3, 0.4])
W3 = np.array([0.3, -0.8, 1.1])

# Systems

declare(np.linalg.solve, lambda a: np.linalg.solve(a, VECTOR), lambda a: np.linalg.solve(a, B), x=M)
declare(np.linalg.solve, lambda a: np.linalg.solve(a, a[0]), lambda a: np.linalg.solve(a.T, a @ a), x=M)
declare(np.linalg.solve, lambda b: np.linalg.solve(M, b), lambda b: np.linalg.solve(STACK, b), x=VECTOR)
declare(np.linalg.solve, lambda a: np.linalg.solve(a, B), lambda a: np.linalg.solve(a, VECTOR), x=STACK)
declare(np.linalg.solve, lambda b: np.linalg.solve(M, b), lambda b: np.linalg.solve(STACK[:, None], b),
        x=np.stack([B, B + 1]))  # fmt: skip
declare(np.linalg.inv, x=M)
declare(np.linalg.inv, x=STACK)
declare(np.linalg.pinv, x=M)
declare(np.linalg.pinv, np.linalg.pinv, lambda a: np.linalg.pinv(a.T), lambda a: np.linalg.pinv(a, rtol=1e-10), x=TALL)
declare(np.linalg.lstsq, lambda a: np.linalg.lstsq(a, np.arange(4.0))[0], lambda a: np.linalg.lstsq(a, a @ B + 1)[1],
        lambda a: np.linalg.lstsq(a, np.arange(4.0) ** 2, rcond=None)[1], x=TALL)  # fmt: skip
declare(np.linalg.lstsq, lambda b: np.linalg.lstsq(TALL, b)[0], x=np.array([0.3, 1.2, -0.4, 0.8]))
declare(np.linalg.tensorsolve, lambda a: np.linalg.tensorsolve(np.reshape(a, (3, 3, 1)), VECTOR),
        lambda a: np.linalg.tensorsolve(np.reshape(a, (3, 1, 3)), VECTOR, axes=(1,)), x=M)  # fmt: skip
declare(np.linalg.tensorinv, lambda a: np.linalg.tensorinv(np.reshape(a, (3, 1, 3)), ind=1), x=M)

# Determinants

SINGULAR = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.5, -1.0]])  # rank 2
declare(np.linalg.det, x=M)
declare(np.linalg.det, x=STACK)
declare(np.linalg.det, x=SINGULAR)
declare(np.linalg.det, x=np.outer(VECTOR, W3))  # rank 1
declare(np.linalg.det, x=np.zeros((3, 3)))
declare(np.linalg.det, x=np.stack([M, SINGULAR, np.outer(VECTOR, W3)]))
declare(np.linalg.slogdet, lambda a: np.linalg.slogdet(a)[1], lambda a: np.linalg.slogdet(-a).logabsdet, x=M)
declare(np.linalg.slogdet, lambda a: np.linalg.slogdet(a)[1], x=STACK)

# Factorizations

declare(np.linalg.cholesky, np.linalg.cholesky, lambda a: np.linalg.cholesky(a, upper=True), x=S)
declare(np.linalg.cholesky, x=STACK_S)
declare(np.linalg.qr, lambda a: np.linalg.qr(a)[0], lambda a: np.linalg.qr(a)[1], lambda a: np.linalg.qr(a, "r"),
        lambda a: np.linalg.qr(a, "complete").R, lambda a: np.linalg.qr(a.T)[0], lambda a: np.linalg.qr(a.T).R,
        x=TALL)  # fmt: skip
declare(np.linalg.qr, lambda a: np.linalg.qr(a)[0] @ np.linalg.qr(a)[1] ** 2, x=STACK)
declare(np.linalg.eigh, lambda a: np.linalg.eigh(a)[0], lambda a: np.linalg.eigh(a).eigenvectors,
        lambda a: np.linalg.eigh(a, "U")[1], lambda a: np.linalg.eigh(a, UPLO="U")[0], x=S)  # fmt: skip
declare(np.linalg.eigh, lambda a: np.linalg.eigh(a)[1] * np.linalg.eigh(a)[0][..., None, :], x=STACK_S)
declare(np.linalg.eigvalsh, np.linalg.eigvalsh, lambda a: np.linalg.eigvalsh(a, "U"), x=S)
declare(np.linalg.eigvalsh, x=STACK_S)
REAL = np.array([[1.0, 0.3, 0.1], [0.2, 3.0, -0.4], [0.5, 0.2, 6.0]])
declare(np.linalg.eig, lambda a: np.linalg.eig(a)[0], lambda a: np.linalg.eig(a)[1], x=REAL)
declare(np.linalg.eigvals, x=REAL)
declare(np.linalg.svd, lambda a: np.linalg.svd(a)[0], lambda a: np.linalg.svd(a)[1], lambda a: np.linalg.svd(a)[2],
        lambda a: np.linalg.svd(a, compute_uv=False), x=M,
        without={"empty": "a factor of an empty matrix has a gauge"})  # fmt: skip
declare(np.linalg.svd, *(lambda a, k=k, t=t: np.linalg.svd(a.T if t else a, full_matrices=False)[k]
                         for k in range(3) for t in (False, True)), x=TALL)  # fmt: skip
declare(np.linalg.svd, lambda a: np.linalg.svd(a, full_matrices=True)[2], x=TALL)
declare(np.linalg.svdvals, np.linalg.svdvals, lambda a: np.linalg.svdvals(a.T), x=TALL)
declare(np.linalg.svdvals, x=STACK)

# Complex matrices: what has a free phase is proven through what does not depend on it

declare(np.linalg.solve, lambda a: np.linalg.solve(a, B), lambda a: np.linalg.solve(a * a, a[0]), x=M, complex=True)
declare(np.linalg.inv, x=M, complex=True)
declare(np.linalg.pinv, x=TALL, complex=True)
declare(np.linalg.det, np.linalg.det, lambda a: np.linalg.det(a - a[..., :1] * np.eye(3)[0]), x=M, complex=True)
declare(np.linalg.slogdet, lambda a: np.linalg.slogdet(a)[0], lambda a: np.linalg.slogdet(a)[1], x=M, complex=True)
declare(np.linalg.cholesky, np.linalg.cholesky, lambda a: np.linalg.cholesky(a, upper=True), x=S, complex=True)
declare(np.linalg.qr, *(lambda a, k=k: np.linalg.qr(a)[k] for k in (0, 1)), lambda a: np.linalg.qr(a.T).R, x=TALL,
        complex=True)  # fmt: skip
declare(np.linalg.eigh, lambda a: np.linalg.eigh(a)[0], lambda a: np.linalg.eigh(a)[1],
        lambda a: np.linalg.eigh(a, "U")[1], x=S, complex=True)  # fmt: skip
declare(np.linalg.eig, lambda a: np.linalg.eig(a)[0], lambda a: np.linalg.eig(a)[1], x=REAL, complex=True)
declare(np.linalg.svdvals, np.linalg.svdvals, lambda a: np.linalg.norm(a, 2), np.linalg.cond, x=TALL, complex=True)
declare(np.linalg.svd, *(lambda a, k=k, t=t: np.linalg.svd(a.T if t else a, full_matrices=False)[k]
                         for k in range(3) for t in (False, True)), x=TALL, complex=True)  # fmt: skip
declare(np.linalg.svd, *(lambda a, k=k: np.linalg.svd(a)[k] for k in range(3)), x=M, complex=True,
        without={"empty": "a factor of an empty matrix has a gauge"})  # fmt: skip
declare(np.linalg.svd, *(lambda a, k=k: np.linalg.svd(a, hermitian=True)[k] for k in range(3)),
        lambda a: np.linalg.svd(a, compute_uv=False, hermitian=True), x=S)  # fmt: skip
declare(np.linalg.pinv, lambda a: np.linalg.pinv(a, hermitian=True), x=S)
declare(np.linalg.lstsq, lambda a: np.linalg.lstsq(a, a[:, 0] ** 2)[0], lambda a: np.linalg.lstsq(a, a[:, :2] + 1)[1],
        x=TALL, complex=True)  # fmt: skip
ROTATION = np.array([[1.0, -2.0, 0.3], [2.0, 1.5, 0.1], [0.2, 0.4, 4.0]])  # real, with complex eigenvalues
declare(np.linalg.eig, lambda a: np.linalg.eig(a)[0], lambda a: np.linalg.eig(a)[1], x=ROTATION)
declare(np.linalg.eigvals, x=ROTATION)

# Powers and products

declare(np.linalg.matrix_power, *(lambda a, n=n: np.linalg.matrix_power(a, n) for n in (-2, -1, 0, 1, 2, 3, 6)), x=M)
declare(np.linalg.matrix_power, lambda a: np.linalg.matrix_power(a, 3), x=STACK)
declare(np.linalg.multi_dot, lambda a: np.linalg.multi_dot([a, B, B.T, a]), lambda a: np.linalg.multi_dot([a[0], a, B]),
        lambda a: np.linalg.multi_dot([B.T, a, a[:, 0]]), x=M)  # fmt: skip
declare(np.linalg.matmul, lambda a: np.linalg.matmul(a, B), x=M)
declare(np.linalg.tensordot, lambda a: np.linalg.tensordot(a, B, axes=1), x=M)
declare(np.linalg.outer, lambda a: np.linalg.outer(a, W3), x=VECTOR)
declare(np.linalg.diagonal, lambda a: np.linalg.diagonal(a, offset=1), x=STACK)
declare(np.linalg.trace, lambda a: np.linalg.trace(a), x=STACK)
declare(np.linalg.matrix_transpose, lambda a: np.linalg.matrix_transpose(a) @ a, x=STACK)

# Norms

INF = np.inf
declare(np.linalg.norm, *(lambda a, p=p: np.linalg.norm(a, p) for p in (None, "fro", "nuc", 2, -2, 1, -1, INF, -INF)),
        x=TALL)  # fmt: skip
declare(np.linalg.norm, *(lambda a, p=p: np.linalg.norm(a, p) for p in (None, 2, 1, INF, -INF, 3, 2.5, -1)), x=VECTOR)
declare(np.linalg.norm, *(lambda a, p=p: np.linalg.norm(a, p, axis=1) for p in (None, 2, 1, INF, -INF, 3)), x=TALL)
declare(np.linalg.norm, *(lambda a, p=p: np.linalg.norm(a, p, axis=(0, 2), keepdims=True) for p in (None, "nuc", 2, 1)),
        lambda a: np.linalg.norm(a), lambda a: np.linalg.norm(a, axis=0, keepdims=True), x=STACK)  # fmt: skip
declare(np.linalg.vector_norm, np.linalg.vector_norm, lambda a: np.linalg.vector_norm(a, ord=3, axis=(0, 1)),
        lambda a: np.linalg.vector_norm(a, ord=1, keepdims=True), x=STACK)  # fmt: skip
declare(np.linalg.matrix_norm, np.linalg.matrix_norm, lambda a: np.linalg.matrix_norm(a, ord="nuc"),
        lambda a: np.linalg.matrix_norm(a, ord=1, keepdims=True), x=STACK)  # fmt: skip
declare(np.linalg.cond, *(lambda a, p=p: np.linalg.cond(a, p) for p in (None, 2, -2, 1, "fro", np.inf)), x=M)
declare(np.linalg.cond, np.linalg.cond, lambda a: np.linalg.cond(a.T), x=TALL)
