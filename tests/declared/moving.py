"""Functions that move entries."""

import numpy as np

from declared import declare

M, CUBE = (2, 3), (2, 3, 4)
CHOSEN = np.array([[0, 2, 1], [1, 1, 0]])
declare(np.tile, lambda x: np.tile(x, 2), lambda x: np.tile(x, (2, 1, 3)) ** 2, shape=M)
declare(np.repeat, lambda x: np.repeat(x, 2), lambda x: np.repeat(x, [1, 0, 2], axis=1), lambda x: x.repeat(3, 0),
        shape=M, without={"empty": "counts are of the given columns"})  # fmt: skip
declare(np.delete, lambda x: np.delete(x, 1), lambda x: np.delete(x, [0, -1], axis=1), lambda x: np.delete(x, slice(2)),
        lambda x: np.delete(x, [True, False, True], 1), shape=M)  # fmt: skip
declare(np.insert, lambda x: np.insert(x, 1, x[0, 0] * 2), lambda x: np.insert(x, 1, 5, axis=1),
        lambda x: np.insert(x, [0, 2], np.sum(x, 1)[:, None], axis=1), lambda x: np.insert(x, [1, 1], [7.0, x[1, 2]]),
        lambda x: np.insert(np.ones(3), 0, x[0]), shape=M)  # fmt: skip
declare(np.append, lambda x: np.append(x, x[0] * 2), lambda x: np.append(x, x * x, axis=0), lambda x: np.append(1.0, x),
        lambda x: np.append(x, [1.0, x[0, 1]]), shape=M, without={"single": "lists are float64"})  # fmt: skip
declare(np.resize, lambda x: np.resize(x, (2, 4)), lambda x: np.resize(x, 2), shape=M)
declare(np.compress, lambda x: np.compress([0, 1, 1], x, axis=1), lambda x: x.compress([True, False, True]),
        lambda x: np.compress(x[0] > 0, x, 1), shape=M)  # fmt: skip
declare(np.extract, lambda x: np.extract(x > 0, x), lambda x: np.extract(np.arange(6) % 2, x), shape=M)
declare(np.diagflat, np.diagflat, lambda x: np.diagflat(x, 1), shape=M)
declare(np.tril, np.tril, lambda x: np.tril(x, 1) * x, lambda x: np.tril(x, k=-1), shape=(3, 3))
declare(np.triu, np.triu, lambda x: np.triu(x, 1), lambda x: np.triu(x[0]), shape=(2, 3, 4))
declare(np.tril_indices, lambda x: x[np.tril_indices(3)], lambda x: x[np.triu_indices(3, 1)],
        lambda x: x[np.triu_indices_from(x)] * x[np.tril_indices_from(x)], lambda x: x[np.diag_indices_from(x)],
        shape=(3, 3))  # fmt: skip
declare(np.take_along_axis, lambda x: np.take_along_axis(x, CHOSEN, 1),
        lambda x: np.take_along_axis(x, CHOSEN[:1] % 2, axis=0),
        lambda x: np.take_along_axis(x, np.array([5, 0, 0]), None), shape=M)  # fmt: skip
declare(np.choose, lambda x: np.choose([1, 0, 1], [x[0], x[1] ** 2]), lambda x: np.choose(CHOSEN, (x, 2.0, x[:, :1])),
        lambda x: np.choose(CHOSEN + 2, list(x), mode="wrap"), lambda x: np.choose(CHOSEN, x[0], mode="clip"), shape=M,
        without={"single": "2.0 beside an array", "empty": "choices of given shape"})  # fmt: skip
declare(np.block, lambda x: np.block([[x, np.ones((2, 1))], [np.zeros((1, 3)), x[:1, :1]]]),
        lambda x: np.block([x[0], 2.0, x[1]]), shape=M, without={"single": "ones are float64"})  # fmt: skip
declare(np.dstack, lambda x: np.dstack([x, x * x]), lambda x: np.dstack((x[0], np.ones(3), x[1])) ** 2, shape=M,
        without={"single": "ones are float64"})  # fmt: skip
declare(np.dstack, np.dstack, shape=(2, 3, 1))


def padded(widths, *mode, **options):
    """A call of ``np.pad``."""
    return lambda x: np.pad(x, widths, *mode, **options)


WIDE, SOME = ((0, 5), (4, 7)), ((2, 1), (0, 3))
VALUES = ((1, 2), (3, 4))
declare(np.pad, padded(1), padded(SOME, constant_values=VALUES), padded(SOME, constant_values=((1, 2),)),
        lambda x: np.pad(x, (1, 2), "constant", constant_values=x[0, 1]), shape=M)  # fmt: skip
for _mode in ("edge", "wrap", "symmetric", "reflect"):
    declare(np.pad, padded((1, 2), _mode), padded(WIDE, _mode), shape=M)
for _mode in ("symmetric", "reflect"):
    declare(np.pad, padded(2, _mode, reflect_type="odd"), padded(WIDE, _mode, reflect_type="odd"), shape=M)
declare(np.pad, padded((2, 1), "linear_ramp"), padded(SOME, "linear_ramp", end_values=VALUES),
        lambda x: np.pad(x, 3, "linear_ramp", end_values=x[0, 0]), shape=M)  # fmt: skip
for _mode in ("mean", "maximum", "minimum", "median"):
    declare(np.pad, padded((1, 2), _mode), padded(SOME, _mode, stat_length=2), shape=M)
