"""Functions that change the shape, or take a part."""

import numpy as np

from declared import declare

M, CUBE = (2, 3), (2, 3, 4)
declare(np.reshape, lambda x: np.reshape(x, (3, 2)), lambda x: x.reshape(-1), lambda x: x.reshape(3, -1, order="F"),
        lambda x: np.reshape(x, shape=(6,), copy=True) ** 2,
        shape=M)  # fmt: skip
declare(np.ravel, np.ravel, lambda x: x.ravel(), lambda x: np.ravel(x, "F") ** 2, lambda x: np.ravel(x.T, "K"),
        lambda x: x.T.flatten("F"), shape=M)  # fmt: skip
declare(np.ravel, lambda x: np.ravel(x.T, "A"), lambda x: np.reshape(x.T, 6, order="A") * x[0, 0], shape=M,
        without={"strided": "A follows them"})  # fmt: skip
declare(np.ravel, lambda x: np.ravel(np.swapaxes(x, 1, 2), "K"), shape=CUBE, without={"strided": "K follows them"})
declare(np.ix_, lambda x: np.multiply(*np.ix_(x, x**2)), lambda x: np.ix_([True, False, True], x)[1] * 2,
        lambda x: np.outer(x, x)[np.ix_([0, 1], np.array([True, False, True]))],
        without={"empty": "rows are chosen"})  # fmt: skip
declare(np.take, lambda x: np.take(x, [True, False, True]) ** 2, without={"empty": "entries are chosen"})
declare(np.transpose, lambda x: np.transpose(x, (2, 0, 1)), lambda x: x.transpose(1, 0, 2) ** 2,
        lambda x: x.transpose(), lambda x: x.T, lambda x: x.transpose(-1, 0, 1), shape=CUBE)  # fmt: skip
declare(np.permute_dims, lambda x: np.permute_dims(x, (1, 0, 2)), lambda x: np.permute_dims(x, axes=(1, 2, 0)),
        shape=CUBE)  # fmt: skip
declare(np.matrix_transpose, np.matrix_transpose, lambda x: x.mT * 2, shape=CUBE)
declare(np.moveaxis, lambda x: np.moveaxis(x, 0, -1), lambda x: np.moveaxis(x, (0, 1), (-1, 0)), shape=CUBE)
declare(np.swapaxes, lambda x: np.swapaxes(x, 0, 2), lambda x: x.swapaxes(-1, 1), shape=CUBE)
declare(np.rollaxis, lambda x: np.rollaxis(x, 2), lambda x: np.rollaxis(x, 1, 3), shape=CUBE)
declare(np.expand_dims, lambda x: np.expand_dims(x, 1), lambda x: np.expand_dims(x, (0, -1)), shape=M)
declare(np.squeeze, lambda x: np.squeeze(x), lambda x: x.squeeze(1), lambda x: np.squeeze(x, axis=(1, -1)),
        shape=(2, 1, 3, 1), without={"empty": "the axis is squeezed"})  # fmt: skip
declare(np.broadcast_to, lambda x: np.broadcast_to(x, (2, 3)), lambda x: np.broadcast_to(x[:, None], (3, 4)))
declare(np.broadcast_arrays, lambda x: np.broadcast_arrays(x, np.ones((2, 1)))[0] * 2,
        lambda x: np.multiply(*np.broadcast_arrays(x[:, None], x)))  # fmt: skip
declare(np.atleast_1d, np.atleast_1d, lambda x: np.atleast_1d(x, 2.0)[1] * x, lambda t: np.atleast_1d(t, t)[0],
        shape=())  # fmt: skip
declare(np.atleast_2d, np.atleast_2d, lambda x: np.matmul(*np.atleast_2d(x, x[:, None])))
declare(np.atleast_3d, np.atleast_3d, lambda x: np.atleast_3d(x, x[0])[1])
declare(np.atleast_3d, np.atleast_3d, shape=M)
declare(np.flip, np.flip, lambda x: np.flip(x, 1), lambda x: np.flip(x, axis=(0, -1)) * x, shape=M)
declare(np.fliplr, np.fliplr, shape=M)
declare(np.flipud, np.flipud, shape=M)
declare(np.rot90, np.rot90, lambda x: np.rot90(x, 2), lambda x: np.rot90(x, -1), lambda x: np.rot90(x, k=4), shape=M)
declare(np.rot90, lambda x: np.rot90(x, 1, (0, 2)), lambda x: np.rot90(x, 3, axes=(1, 2)), shape=CUBE)
declare(np.roll, lambda x: np.roll(x, 2), lambda x: np.roll(x, 1, axis=0), lambda x: np.roll(x, -7),
        lambda x: np.roll(x, (1, 2), axis=(0, 1)), lambda x: np.roll(x, 1, axis=(0, 1)), lambda x: np.roll(x, (1, 2)),
        lambda x: np.roll(x, shift=(1, 1), axis=1), shape=M)  # fmt: skip
declare(np.take, lambda x: np.take(x, [0, -1, 0]), lambda x: np.take(x, [[2, 1], [0, 0]], axis=1),
        lambda x: x.take(3), lambda x: np.take(x, 1, axis=0), lambda x: np.take(x, [4, -5], 1, mode="wrap"),
        lambda x: np.take(x, [4, -5], 1, mode="clip"), shape=M)  # fmt: skip
declare(np.diagonal, np.diagonal, lambda x: np.diagonal(x, 1), lambda x: x.diagonal(-1), lambda x: np.diagonal(x, 7),
        lambda x: np.diagonal(x.T, 1) ** 2, lambda x: np.diagonal(x[:, ::2], 1), shape=(3, 4))  # fmt: skip
declare(np.diagonal, lambda x: np.diagonal(x, 0, 1, 2), lambda x: np.diagonal(x, -1, axis1=2, axis2=0), shape=CUBE)
declare(np.linalg.diagonal, np.linalg.diagonal, lambda x: np.linalg.diagonal(x, offset=1), shape=CUBE)
declare(np.trace, np.trace, lambda x: np.trace(x, 1), lambda x: x.trace(), lambda x: x.trace(offset=-1), shape=(3, 3))
declare(np.trace, lambda x: np.trace(x, 0, 1, 2), shape=CUBE)
declare(np.diag, np.diag, lambda x: np.diag(x, 2), lambda x: np.diag(x, k=-1) @ np.ones(4))
declare(np.diag, np.diag, lambda x: np.diag(x, -1), shape=(3, 4))
declare(np.split, lambda x: np.split(x, 2, axis=1)[1], lambda x: np.split(x, [1, 3], 1)[1] ** 2,
        lambda x: np.concatenate(np.split(x, [2, 1], 1), 1), shape=(3, 4))  # fmt: skip
declare(np.array_split, lambda x: np.array_split(x, 3, axis=1)[0], lambda x: np.array_split(x, 2)[1], shape=(3, 4))
declare(np.hsplit, lambda x: np.hsplit(x, 2)[0], shape=(3, 4))
declare(np.hsplit, lambda x: np.hsplit(x, [1])[1])
declare(np.vsplit, lambda x: np.vsplit(x, 2)[1], shape=(4, 2))
declare(np.dsplit, lambda x: np.dsplit(x, 2)[1] ** 2, shape=CUBE)
declare(np.unstack, lambda x: np.multiply(*np.unstack(x)), lambda x: np.unstack(x, axis=1)[2], shape=M)
declare(np.trim_zeros, lambda x: np.trim_zeros(np.concatenate([np.zeros(2), x, np.zeros(1)])),
        lambda x: np.trim_zeros(np.append(x, 0.0), "b") * x, domain="positive")  # fmt: skip
declare(np.trim_zeros, lambda x: np.trim_zeros(np.pad(x, 2), axis=1), shape=M, domain="positive")
declare(np.shape, lambda x: x * np.shape(x)[1] + np.ndim(x) + np.size(x, 0) * x, shape=M)
declare(np.meshgrid, lambda x: np.multiply(*np.meshgrid(x, x * x)),
        lambda x: np.meshgrid(x, [1.0, 2.0], sparse=True)[0] ** 2,
        lambda x: np.meshgrid(x, x[:2], x, indexing="ij")[1] * x,
        lambda x: np.meshgrid(x, [1.0, 2.0], copy=False)[0] * x,
        lambda x: np.meshgrid(x)[0])  # fmt: skip
