"""Functions that choose among entries by their values."""

import numpy as np

from declared import declare

M, CUBE = (2, 3), (2, 3, 4)
MASK = np.array([[True, False, True], [True, True, False]])
FIXED = {"empty": "a mask of given shape"}
LOW, HIGH = np.array([-0.5, -0.2, -2.0]), np.array([0.5, 0.1, 0.0])

declare(np.where, lambda x: np.where(x > 0, x * x, -x), lambda x: np.where(MASK, x, 2.0),
        lambda x: np.where(MASK, 1, x),
        lambda x: np.where(MASK[:, :1], x[0], x[:, 1:2] * x), lambda x: x[np.where(x > 0)], lambda x: np.where(x[0] > 0,
        np.sqrt(np.where(x > 0, x, 1.0)), x), shape=M, without=FIXED)  # fmt: skip
declare(np.clip, lambda x: np.clip(x, -0.5, 0.5), lambda x: np.clip(x, LOW, HIGH), lambda x: x.clip(0.1),
        lambda x: np.clip(x, None, 0.2), lambda x: np.clip(x, x[1] - 0.1, a_max=x[0] + 0.3), lambda x: x.clip(max=0.3),
        lambda x: np.clip(x, min=-0.4, max=[0.5, 0.3, 0.2]), lambda x: np.clip(x, None, None), shape=M, domain="apart",
        without={"empty": "bounds of given shape", "single": "bounds are float64"})  # fmt: skip
declare(np.select, lambda x: np.select([x > 0.5, x > 0], [x * x, np.sin(x)], -x), lambda x: np.select([MASK], [x]),
        lambda x: np.select([x[0] > 0, MASK], [1.0, x], default=x[1, 2]), shape=M,
        without=FIXED | {"single": "1.0 is float64"})  # fmt: skip
declare(np.nan_to_num, np.nan_to_num, lambda x: np.nan_to_num(np.where(MASK, x, np.nan), nan=3.0),
        lambda x: np.nan_to_num(np.where(MASK, x, np.inf), copy=False, posinf=7.0) * x,
        lambda x: np.nan_to_num(np.where(MASK, x, -np.inf), neginf=x[0, 0]), shape=M, without=FIXED)  # fmt: skip
declare(np.sort, np.sort, lambda x: np.sort(x, 0), lambda x: np.sort(x, axis=None), lambda x: -np.sort(-x, 1),
        lambda x: np.sort(x, kind="stable")[::-1] ** 2, lambda x: np.sort(x, stable=True), shape=M,
        domain="apart")  # fmt: skip
declare(np.partition, lambda x: np.partition(x, 2), lambda x: np.partition(x, (1, 3), axis=1), lambda x: np.partition(x,
        1, axis=0), shape=(2, 5), domain="apart", without={"empty": "kth is out of bounds"})  # fmt: skip
declare(np.argsort, lambda x: x[np.argsort(x[:, 0])], lambda x: np.take_along_axis(x, x.argsort(1), 1) ** 2,
        lambda x: x[np.lexsort((x[:, 1], x[:, 0]))],
        lambda x: np.take_along_axis(x, np.argpartition(x, 1, 1), 1), shape=M,
        domain="apart", without={"empty": "x[:, 0]"})  # fmt: skip
declare(np.argmax, lambda x: x[np.argmax(x, 0), np.arange(3)], lambda x: x[:, x.argmin() % 3] * np.argmax(x),
        lambda x: x.ravel()[np.nanargmax(x)] * x, lambda x: x[np.unravel_index(np.argmin(x), x.shape)], shape=M,
        domain="apart", without={"empty": "NumPy has no extreme"})  # fmt: skip
declare(np.unique, np.unique, lambda x: np.unique(np.concatenate([x, x[::-1]])) ** 2,
        lambda x: np.unique(x, return_inverse=True)[0][np.unique(x, return_inverse=True)[1]] * x,
        lambda x: np.multiply(*np.unique(np.append(x, x[0]), return_counts=True)), lambda x: np.unique(x, axis=1),
        lambda x: np.unique(x, return_index=True, axis=0)[0], shape=M, domain="apart",
        without={"empty": "x[0]", "single": "counts are integers"})  # fmt: skip
declare(np.unique_values, lambda x: np.sort(np.unique_values(x)), lambda x: np.sum(np.unique_counts(x).values ** 2),
        lambda x: np.unique_inverse(x).values[np.unique_inverse(x).inverse_indices], lambda x: np.unique_all(x)[0],
        shape=M, domain="apart")  # fmt: skip
declare(np.union1d, lambda x: np.union1d(x[0], x[1] * 2), shape=M, domain="apart")
declare(np.intersect1d, lambda x: np.intersect1d(x[0], np.append(x[0, :2], x[1])) ** 2, shape=M, domain="apart")
declare(np.setdiff1d, lambda x: np.setdiff1d(x, x[0]), shape=M, domain="apart")
declare(np.setxor1d, lambda x: np.setxor1d(x[0], np.append(x[0, 1:], x[1])), shape=M, domain="apart")
declare(np.isin, lambda x: np.where(np.isin(x, x[0]), x, 2 * x), lambda x: x[~np.isin(x, [5.0])], shape=M)
declare(np.searchsorted, lambda x: x * np.searchsorted(np.sort(x), 0.1) + np.sort(x).searchsorted(x[1]), domain="apart")
declare(np.digitize, lambda x: x * np.digitize(x, [-0.5, 0.0, 0.5]), shape=M, without={"single": "integers"})
declare(np.count_nonzero, lambda x: x * np.count_nonzero(x > 0) + np.count_nonzero(x, axis=0), shape=M,
        domain="positive")  # fmt: skip
declare(np.all, lambda x: x * np.all(x > 0) + np.any(x > 0.5) + (x != 0).all(), lambda x: x * x.any(), shape=M)
declare(np.nonzero, lambda x: x[np.nonzero(x > 0)], lambda x: x[x.nonzero()] ** 2,
        lambda x: x.ravel()[np.flatnonzero(x < 0)],
        lambda x: x[tuple(np.argwhere(x > -9).T)], shape=M)  # fmt: skip
declare(np.round, lambda x: x * np.round(x, 1),
        lambda x: x + np.around(x) + np.fix(x) + x.round(1) + np.rint(x),
        x=[[0.3, -0.7, 1.2], [0.9, 0.1, 0.8]])  # fmt: skip
declare(np.bincount, lambda x: np.bincount([0, 2, 2, 1], x * x),
        lambda x: np.bincount([3, 1, 1, 0], weights=x, minlength=6),
        lambda x: np.bincount((x > 0).astype(int)) * x[0], shape=(4,),
        without={"empty": "places of given shape", "single": "NumPy sums in float64"})  # fmt: skip
declare(np.histogram, lambda x: np.histogram(x, 4)[1] ** 2,
        lambda x: np.histogram(x, [-0.5, 0.1, 0.4, 3], density=True)[0] * x[:3],
        lambda x: np.histogram([0.1, 0.3, 0.9, 0.35, 1.0], 3, weights=x)[0],
        lambda x: np.histogram(x, 3, density=True)[0],
        lambda x: np.histogram(x, 3, range=(-1, x[0] + 2))[1], lambda x: np.histogram_bin_edges(x, "sturges"),
        shape=(5,),
        domain="apart", without={"empty": "given weights", "single": "edges are float64"})  # fmt: skip
declare(np.histogram2d, lambda x: np.histogram2d(x[0], x[1], 3)[1] * x[0, 0],
        lambda x: np.histogram2d(x[0], x[1], [2, 3],
        density=True)[0],
        lambda x: np.histogram2d(np.arange(5.0), [0.1, 0.9, 0.4, 0.2, 0.8], 2, weights=x[0])[0] * x[1, 0],
        lambda x: np.histogramdd(x.T, (3, [-1.0, 0.3, 2.0]), density=True)[0] * x[1, 1], shape=(2, 5), domain="apart",
        without={"empty": "given weights", "single": "edges are float64"})  # fmt: skip
