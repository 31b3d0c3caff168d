"""Derivatives of a function of several arguments from its values alone: an oracle that shares no code with the library.

Along a line through the point the function is interpolated at Chebyshev nodes; the interpolant's coefficients are the
Taylor coefficients, to about nine digits for the first, seven for the second and five for the fourth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from problems import Array

Function = Callable[..., float]
Point = Sequence[Array | float]

RADIUS = 0.05
DEGREE = 12


def series_by_differences(f: Function, point: Point, direction: Point, order: int) -> Array:
    """The Taylor coefficients 0…order of `t -> f(point + t·direction)` at t = 0."""

    def along(t: float) -> float:
        return f(*(part + t * step for part, step in zip(point, direction, strict=True)))

    length = _length(direction)
    line = Chebyshev.interpolate(np.vectorize(along), DEGREE, domain=[-RADIUS / length, RADIUS / length])
    return np.asarray(line.convert(kind=Polynomial).coef[: order + 1], dtype=float)


def gradient_by_differences(f: Function, point: Point) -> Array:
    """The gradient of f, the arguments' entries one after the other."""
    return np.array([series_by_differences(f, point, unit, 1)[1] for unit in _units(point)])


def hvp_by_differences(f: Function, point: Point, direction: Point) -> Array:
    """The Hessian of f times a direction, from the curvatures along `direction ± unit` (polarization)."""

    def curvature(sign: float, unit: Point) -> float:
        line = [step + sign * part for step, part in zip(direction, unit, strict=True)]
        return 2 * series_by_differences(f, point, line, 2)[2]

    return np.array([(curvature(1, unit) - curvature(-1, unit)) / 4 for unit in _units(point)])


def _units(point: Point) -> Iterator[list[Array]]:
    """One direction per number in the point, shaped like the point."""
    for i, part in enumerate(point):
        for j in np.ndindex(np.shape(part)):
            unit = [np.zeros(np.shape(other)) for other in point]
            unit[i][j] = 1.0
            yield unit


def _length(direction: Point) -> float:
    return float(np.sqrt(sum(np.sum(np.square(part)) for part in direction)))
