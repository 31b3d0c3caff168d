"""Writing in place: assignments, the functions that are assignments, and ndarray's methods."""

import numpy as np

from declared import declare

M = (2, 3)
MASK = np.array([[True, False, True], [True, True, False]])
AT = np.array([0, 2, 0, 1])


def written(write, *, make=lambda x: x * 1.0):
    """A call that makes a buffer, lets ``write(buffer, x)`` change it, and returns it."""

    def call(x):
        y = make(x)
        write(y, x)
        return y

    return call


def item(index, value, **options):
    """An assignment to an index."""
    return written(lambda y, x: y.__setitem__(index, value(x)), **options)


def changes(function, *writes, **options):
    """Declare a function by the writes it does."""
    declare(function, *map(written, writes), **{"shape": M, "without": {"empty": "fixed places"}} | options)


changes(np.copyto, lambda y, x: np.copyto(y, x * x), lambda y, x: np.copyto(y, x[0], where=MASK),
        lambda y, x: np.copyto(y[0], 2.0), lambda y, x: np.copyto(y, x[1, 1], where=x > 0))  # fmt: skip
changes(np.place, lambda y, x: np.place(y, MASK, x[0] * 2), lambda y, x: np.place(y, x > 0, [1.0, 2.0]),
        lambda y, x: np.place(y[:, 1:], y[:, 1:] > -9, x[0, :2]))  # fmt: skip
changes(np.putmask, lambda y, x: np.putmask(y, MASK, x * x), lambda y, x: np.putmask(y, MASK, x[0, :2]))
changes(np.put, lambda y, x: np.put(y, [0, -1], x[0, :2] ** 2),
        lambda y, x: y.put([7, -9], [3.0, x[1, 1]], mode="wrap"),
        lambda y, x: np.put(y, [2, 9], x[0], mode="clip"), lambda y, x: np.put(y.T, [1, 1], x[1]))  # fmt: skip
changes(np.put_along_axis, lambda y, x: np.put_along_axis(y, np.array([[1], [2]]), x[:, :1] ** 2, 1),
        lambda y, x: np.put_along_axis(y, np.array([[1, 0, 1]]), 5.0, axis=0))  # fmt: skip
changes(np.fill_diagonal, lambda y, x: np.fill_diagonal(y, x[0, 0] ** 2),
        lambda y, x: np.fill_diagonal(y.T, [1.0, 2.0]))  # fmt: skip
changes(np.fill_diagonal, lambda y, x: np.fill_diagonal(y, x[0, 0] ** 2, wrap=True), shape=(7, 2))
changes(np.ndarray.flat, lambda y, x: y.flat.__setitem__(3, x[0, 0] * x[1, 1]),
        lambda y, x: setattr(y, "flat", x[0] ** 2),
        lambda y, x: y.flat.__setitem__(slice(None, None, 2), x[0]),
        lambda y, x: y.T.flat.__setitem__([1, 0], x[0, :2]),
        lambda y, x: y.flat.__setitem__(slice(3, 3), x[0]))  # fmt: skip


def flat_of_one_entry(x):
    y = np.zeros(())
    y.flat[-1] = x[0, 0] ** 2
    return y * x


declare(np.ndarray.flat, lambda x: x.flat[2:] ** 2, lambda x: x.flat[3] * x, lambda x: np.stack(list(x.T.flat)),
        flat_of_one_entry, shape=M,
        without={"empty": "flat[3]"})  # fmt: skip
changes(np.ndarray.fill, lambda y, x: y.fill(2.0), lambda y, x: y[1].fill(x[0, 0] ** 2))
changes(np.ndarray.sort, lambda y, x: y.sort(), lambda y, x: y.sort(axis=0), lambda y, x: y[0].sort(), domain="apart")
changes(np.ndarray.partition, lambda y, x: y.partition(1), lambda y, x: y.T.partition(1, axis=0), domain="apart")

# Item assignment

ITEMS = [
    item((0, 1), lambda x: x[1, 1] ** 2), item(1, lambda x: x[0] * 2), item((slice(None), 1), lambda x: x[:, 0]),
    item(..., lambda x: x[0] * x), item((slice(None), slice(None, None, -2)), lambda x: x[:, :2]),
    item(MASK, lambda x: x[0, 0] * 2), item(MASK, lambda x: x.ravel()[:4]), item(([0, 1], [2, 0]), lambda x: x[0, :2]),
    item((slice(None), [0, 2]), lambda x: x[:, 1:] ** 2), item(([1, 0], slice(1, None)), lambda x: x[:, :2]),
    item((Ellipsis, np.array([True, False, True])), lambda x: x[0, :2]), item((0, ...), lambda x: 3.0),
    item((None, 0), lambda x: x[1]), item(([[0], [1]], [0, 2]), lambda x: x[:, :2] * 3), item(0,
        lambda x: [1.0, x[0, 0], 2.0]),
]  # fmt: skip
declare(np.ndarray.__setitem__, *ITEMS, shape=M, without={"empty": "fixed places"})
TWICE = [  # entries written more than once: the last value stays
    item((0, AT), lambda x: np.append(x[0], x[1, 1])), item((slice(None), AT), lambda x: np.hstack([x, x[:, :1] ** 2])),
    item(([0, 0], [1, 1]), lambda x: x[1, :2]), item((1, [2, -1]), lambda x: x[0, :2]), item((0, AT),
        lambda x: x[0, 0]),
    item(([0, 1, 0],), lambda x: np.stack([x[0], x[1], x[0] * x[1]])), item((0, [[0, 1], [1, 0]]), lambda x: x[:, :2]),
    written(lambda y, x: y[0].__setitem__(AT, y[0][AT] + x[1][AT] * np.arange(4))),
]  # fmt: skip
declare(np.ndarray.__setitem__, *TWICE, shape=M, without={"empty": "fixed places"})


@lambda f: declare(np.ndarray.__iadd__, f, shape=M, without={"empty": "fixed places"})
def augmented(x):
    y = x * 1.0
    y[MASK] += 1
    y[0] -= x[1]
    y[:, 1] *= x[:, 0]
    y[1, [0, 0, 2]] -= x[0]
    y[..., 2] /= 2 + x[0, 0]
    y **= 2
    return y


@lambda f: declare(np.ndarray.__setitem__, f, shape=(5,), without={"empty": "an inner part"})
def swapped_buffers(x):
    now, then = x * 1.0, np.zeros_like(x)
    for step in range(4):
        then[1:-1] = now[1:-1] + 0.1 * (now[2:] - 2 * now[1:-1] + now[:-2]) * now[1:-1]
        then[0], then[-1] = now[-2], now[1] * step
        now, then = then, now
    return now * then


@lambda f: declare(np.ndarray.__setitem__, f, shape=M, without={"empty": "fixed places"})
def views_of_views(x):
    y = np.full_like(x, 0.5, shape=(3, 4))
    block = y[1:, 1:]
    block[...] = x
    column = block.T[1]
    column *= x[:, 0]
    np.diagonal(y)  # a look changes nothing
    corner = y[::-1, ::-1].reshape(3, 4)[:2, :2]
    corner += column
    y.ravel()[::5] = x[0, 0]
    left, right = np.hsplit(y, 2)
    left[...], right[...] = right * 2, left
    return y * np.sum(column)


# Methods of ndarray, and Python's way with sequences

METHODS = [
    lambda x: x.max() * x.min(0) + x.sum() - x.mean(1).prod() + x.std() * x.var(0),
        lambda x: x.cumsum(0) * x.cumprod(1),
    lambda x: x.clip(-0.55, 0.55) + x.T.dot(x)[0], lambda x: x.swapaxes(0, 1).squeeze().ravel().repeat(2),
    lambda x: x.trace() * x.diagonal() + x.take([1, 2]), lambda x: x.astype(float).copy().flatten() * x.size * x.nbytes,
    lambda x: x.compress([True, False, True], axis=1).transpose(1, 0),
        lambda x: x.view()[0] * x.itemsize * len(x) * x.ndim,
    lambda x: np.stack(x.tolist()[0]) if not isinstance(x, np.ndarray) else x[0],
        lambda x: x.mT.reshape(-1) * x.shape[1],
    lambda x: x[0] if x[0, 0] in x and 99.0 not in x else x[1], lambda x: x.conj() * x.real,
    lambda x: x * (x.argmax() + x.argmin(1).sum() + x.argsort()[0, 0]) + (x > 0).all() + x.any(),
]  # fmt: skip
declare(np.ndarray, *METHODS, shape=M, domain="apart", without={"empty": "fixed places", "single": "float is float64"})


def _of_python(x):
    a, b = x
    first, *rest = a
    total = sum(x) + sum(a) * max(list(b)) - min(a[0], b[0], 5.0)
    ordered = sorted(a)
    for k, row in enumerate(reversed(list(x))):
        total = total + (k + 1) * row * abs(first)
    return np.stack(ordered) * total + rest[-1] * len(rest) + [*a][1]


declare(np.ndarray.__iter__, _of_python, shape=M, domain="apart", without={"empty": "two rows of three"})
