"""Grids between numbers, and functions that call the user's function."""

import numpy as np

from declared import declare

GRID = {"single": "a grid of NumPy's is of double precision"}

declare(
    np.linspace,
    lambda x: np.linspace(x[0], x[1], 5),
    lambda x: np.linspace(0.0, x, 4),
    lambda x: np.linspace(x, 1.0, 4, endpoint=False, axis=1),
    lambda x: np.linspace(x[0], 2.0, 3, retstep=True)[1],
    lambda x: np.linspace(x, x[0], 1),
    lambda x: np.linspace(x, [1.0, 2.0, 3.0], num=3, dtype=float),
    without=GRID | {"empty": "ends are taken by index"},
)
declare(
    np.logspace,
    lambda x: np.logspace(x[0], 1.0, 5),
    lambda x: np.logspace(0.0, x, 4, endpoint=False),
    lambda x: np.logspace(0.5, 1.0, 3, base=x[0] + 2),
    lambda x: np.logspace(x, 1.0, 3, axis=1),
    without=GRID | {"empty": "ends are taken by index"},
)
declare(
    np.geomspace,
    lambda x: np.geomspace(x[0], 4.0, 5),
    lambda x: np.geomspace(1.0, x, 4, endpoint=False),
    lambda x: np.geomspace(-x, -x[0], 3, axis=-1),
    domain="positive",
    without=GRID | {"empty": "ends are taken by index"},
)
declare(
    np.arange,
    lambda x: np.arange(x[0], 4.0),
    lambda x: np.arange(0.0, 2.0, 0.37 + x[0] / 100),
    lambda x: np.arange(2.0 + x[1] / 100),
    lambda x: np.arange(x[0], 4.0, step=0.5, dtype=float),
    x=[0.31, 0.72, 0.11],
    without=GRID | {"empty": "ends are taken by index"},
)


def scalar_function(t, p=2.0):
    return t * p if t > 0 else np.sin(t)


VECTORIZED = np.vectorize(scalar_function)
declare(
    np.vectorize,
    lambda x: np.vectorize(scalar_function)(x),
    lambda x: VECTORIZED(x[:, None], x),
    lambda x: np.vectorize(scalar_function)(x, p=x[::-1]),
    lambda x: np.vectorize(lambda t, c: t**2 * c[1], excluded=[1])(x, [1.0, 3.0]),
    lambda x: np.vectorize(lambda t: (t, t * t))(x)[1],
    lambda x: VECTORIZED(x[0]) * 1.0,
    without={"empty": "NumPy wants otypes", "single": "NumPy calls the function with Python's numbers"},
)
declare(
    np.piecewise,
    lambda x: np.piecewise(x, [x < 0, x >= 0], [lambda t: -t * t, lambda t: t**3]),
    lambda x: np.piecewise(x, [x < 0], [lambda t: np.exp(t), 2.0]),
    lambda x: np.piecewise(x, x < 0, [np.sin, np.cos]),
    lambda x: np.piecewise(x, [x > -9, x > 0.1], [lambda t, k: t * k, lambda t, k: t * t * k], 3.0),
    lambda x: np.piecewise(x[0], [x[0] > -9], [lambda t: t * t]) * 1.0,
    without={"empty": "entries are taken by index"},
)
declare(
    np.apply_along_axis,
    lambda x: np.apply_along_axis(np.sum, 0, x),
    lambda x: np.apply_along_axis(lambda r: r[:2] * r[-1], 1, x),
    lambda x: np.apply_along_axis(lambda r: np.outer(r, r), 0, x),
    shape=(2, 3),
    without={"empty": "refused by NumPy"},
)
declare(
    np.apply_over_axes,
    lambda x: np.apply_over_axes(np.sum, x * x, [0, 1]),
    lambda x: np.apply_over_axes(np.mean, x, 0),
    shape=(2, 3),
)
