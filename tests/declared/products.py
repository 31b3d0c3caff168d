"""Products of arrays; the other factor is a constant, or the argument again, in another shape."""

import numpy as np

from declared import declare

C = np.array([[0.5, -1.0, 0.3], [0.2, 0.9, -0.7]])
S = np.arange(24.0).reshape(2, 3, 4) / 10 - 1
EMPTY = {"empty": "subscripts pair axes of one length"}

declare(
    np.einsum,
    lambda x: np.einsum("ij,kj", x, C),
    lambda x: np.einsum("ij,kj->", x, C),
    lambda x: np.einsum("ij->ji", x),
    lambda x: np.einsum("ij->j", x),
    lambda x: np.einsum("ij->", x),
    lambda x: np.einsum("ji", x),
    lambda x: np.einsum("ij,ij->i", x, x),
    lambda x: np.einsum("ij,jk,kl->il", x, x.T, C),
    lambda x: np.einsum("ij,jk,kl,lm->im", x, x.T, x, C.T, optimize=True),
    lambda x: np.einsum("ij,jk,kl->il", x, x.T, C, optimize=["einsum_path", (0, 2), (0, 1)]),
    lambda x: np.einsum("...j,...j", x, C),
    lambda x: np.einsum("...j,jk...->k...", x, S.transpose(1, 2, 0)),
    lambda x: np.einsum("i...,i...->i...", x, S[:, :, 0]),
    lambda x: np.einsum("ij,ij->ij", x[:, :1], x),
    lambda x: np.einsum("ij,jk->ik", x[:, :1], S[0]),
    lambda x: np.einsum(x, [0, 1], C, [2, 1]),
    lambda x: np.einsum(x, [0, 1], C, [2, 1], [2, 0]),
    lambda x: np.einsum(x, [Ellipsis, 1], C, [Ellipsis, 1], [Ellipsis]),
    lambda x: np.einsum("ij,kl->ijkl", x, x),
    lambda x: np.einsum(",ij->ij", x[0, 0], x),
    lambda x: np.einsum("ij,kl,kl->i", x, x, C),
    lambda x: np.einsum("bij,bjk->bik", x[:, :, None] * S, np.swapaxes(S, 1, 2)),
    shape=(2, 3),
    without=EMPTY,
)
declare(
    np.einsum,
    lambda x: np.einsum("ii", x),
    lambda x: np.einsum("ii->i", x),
    lambda x: np.einsum("ii,ij->j", x, x),
    lambda x: np.einsum("ii,jj->ij", x, x),
    lambda x: np.einsum("iij->ji", x[:, :, None] * np.ones(2)),
    lambda x: np.einsum("iii->i", x[:, :, None] * np.arange(3.0)),
    shape=(3, 3),
    without=EMPTY,
)
declare(
    np.dot,
    lambda x: np.dot(x, C.T),
    lambda x: np.dot(x, x[0]),
    lambda x: np.dot(x[0, 0], x),
    lambda x: np.dot(x, S),
    lambda x: np.dot(S.transpose(0, 2, 1), x.T),
    lambda x: x.dot(x.T),
    shape=(2, 3),
    without=EMPTY,
)
declare(np.vdot, lambda x: np.vdot(x, x * C), lambda x: np.vdot(C, x), shape=(2, 3), without=EMPTY)
declare(
    np.inner,
    lambda x: np.inner(x, C),
    lambda x: np.inner(x, x[0]),
    lambda x: np.inner(x, 2.0),
    shape=(2, 3),
    without=EMPTY,
)
declare(np.outer, lambda x: np.outer(x, x), lambda x: np.outer(x, C), lambda x: np.outer([1.0, 2.0], x), shape=(2, 3))
declare(np.linalg.outer, lambda x: np.linalg.outer(x, x * x))
declare(
    np.tensordot,
    lambda x: np.tensordot(x, C) * 1.0,  # a scalar, not an array without axes
    lambda x: np.tensordot(x, C, 0),
    lambda x: np.tensordot(x, C.T, 1),
    lambda x: np.tensordot(x, S, ((0, 1), (0, 1))),
    lambda x: np.tensordot(S, x, ([1, 0], [-1, 0])),
    lambda x: np.tensordot(x, x, axes=(1, 1)),
    shape=(2, 3),
    without=EMPTY,
)
declare(np.linalg.tensordot, lambda x: np.linalg.tensordot(x, C.T, axes=1), shape=(2, 3), without=EMPTY)
declare(np.kron, lambda x: np.kron(x, C), lambda x: np.kron(x[0], x), lambda x: np.kron(S, x), shape=(2, 3))
declare(
    np.matmul,
    lambda x: np.matmul(x, S),
    lambda x: np.matmul(x, x.T),
    lambda x: x @ x[0],
    lambda x: x[0] @ S,
    lambda x: np.matmul(S.transpose(0, 2, 1)[:, None], x.T),
    lambda x: np.matmul(x[:0], x.T),
    lambda x: np.matmul(x[:, :0], np.ones((0, 2))),
    shape=(2, 3),
    without=EMPTY,
)
declare(np.linalg.matmul, lambda x: np.linalg.matmul(x, x.T), shape=(2, 3))
declare(
    np.vecdot,
    lambda x: np.vecdot(x, C),
    lambda x: np.vecdot(x, x[0]),
    lambda x: np.vecdot(x, C, axis=0),
    lambda x: np.linalg.vecdot(x, x, axis=0),
    shape=(2, 3),
    without=EMPTY,
)
declare(np.linalg.vecdot, lambda x: np.linalg.vecdot(x, x), shape=(2, 3))
if hasattr(np, "matvec"):  # NumPy >= 2.2
    M = S[:, :, :3]
    declare(np.matvec, lambda x: np.matvec(x, x), lambda x: np.matvec(M, x[0]), shape=(3, 3), without=EMPTY)
    declare(np.vecmat, lambda x: np.vecmat(x, x), lambda x: np.vecmat(x[0], S), shape=(3, 3), without=EMPTY)
declare(
    np.cross,
    lambda x: np.cross(x, C),
    lambda x: np.cross(x, x[::-1]),
    lambda x: np.cross(C, x[0]),
    lambda x: np.cross(x.T, C, axisa=0),
    lambda x: np.cross(x, C, axisc=0),
    lambda x: np.cross(x.T, C.T, axis=0),
    shape=(2, 3),
    without=EMPTY,
)
declare(
    np.linalg.cross,
    lambda x: np.linalg.cross(x, C),
    lambda x: np.linalg.cross(x.T, C.T, axis=0),
    shape=(2, 3),
    without=EMPTY,
)
K = np.array([0.5, -1.0, 0.3, 0.8])
for _mode in ("full", "same", "valid"):
    declare(
        np.convolve,
        lambda x, mode=_mode: np.convolve(x, K, mode),
        lambda x, mode=_mode: np.convolve(K[:2], x, mode),
        lambda x, mode=_mode: np.convolve(x, x[:2], mode),
        lambda x, mode=_mode: np.convolve(x[:2], x, mode),
        lambda x, mode=_mode: np.convolve(x, np.arange(9.0), mode),
        shape=(5,),
        without={"empty": "an empty signal is refused"},
    )
    declare(
        np.correlate,
        lambda x, mode=_mode: np.correlate(x, K, mode),
        lambda x, mode=_mode: np.correlate(K, x, mode),
        lambda x, mode=_mode: np.correlate(x, x[:2], mode),
        lambda x, mode=_mode: np.correlate(x[1:3], x, mode),
        lambda x, mode=_mode: np.correlate(x, np.arange(8.0), mode),
        shape=(5,),
        without={"empty": "an empty signal is refused"},
    )
