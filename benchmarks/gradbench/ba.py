"""Bundle adjustment: residuals of cameras that see points, and their sparse Jacobian of 2 x 15 blocks.

A camera has 11 parameters: a rotation (axis times angle), a centre, the focal length, the principal point, and two
coefficients of radial distortion.  Each observation has a weight, which a residual of its own holds near one.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numba import njit

Array = np.ndarray[Any, np.dtype[np.float64]]
CAMERAS, POINTS, OBSERVATIONS = 49, 7776, 31843


@njit
def rotated(r, p0, p1, p2):
    """A point turned around the axis ``r`` by the angle of its length (Rodrigues' formula)."""
    square = r[0] * r[0] + r[1] * r[1] + r[2] * r[2]
    if square == 0.0:
        return p0 + r[1] * p2 - r[2] * p1, p1 + r[2] * p0 - r[0] * p2, p2 + r[0] * p1 - r[1] * p0
    angle = math.sqrt(square)
    c, s = math.cos(angle), math.sin(angle)
    w0, w1, w2 = r[0] / angle, r[1] / angle, r[2] / angle
    along = (w0 * p0 + w1 * p1 + w2 * p2) * (1.0 - c)
    return (
        p0 * c + (w1 * p2 - w2 * p1) * s + w0 * along,
        p1 * c + (w2 * p0 - w0 * p2) * s + w1 * along,
        p2 * c + (w0 * p1 - w1 * p0) * s + w2 * along,
    )


@njit
def reprojection(camera, point, weight, feature):
    """How far a camera sees a point from where it was observed: two residuals."""
    x, y, z = rotated(camera[:3], point[0] - camera[3], point[1] - camera[4], point[2] - camera[5])
    x, y = x / z, y / z
    square = x * x + y * y
    scale = camera[6] * (1.0 + camera[9] * square + camera[10] * square * square)
    residual = np.empty(2)
    residual[0] = weight * (x * scale + camera[7] - feature[0])
    residual[1] = weight * (y * scale + camera[8] - feature[1])
    return residual


@njit
def weight_residual(weight):
    """How far a weight is from one."""
    return 1.0 - weight * weight


@njit
def residuals(cameras, points, weights, seen, features):
    """All residuals: two of each observation, then one of each weight."""
    n = weights.shape[0]
    found = np.empty(3 * n)
    for i in range(n):
        found[2 * i : 2 * i + 2] = reprojection(cameras[seen[i, 0]], points[seen[i, 1]], weights[i], features[i])
    for i in range(n):
        found[2 * n + i] = weight_residual(weights[i])
    return found


@cache
def sparse_jacobian() -> Any:
    """The kernel of the Jacobian's entries, row by row, as compressed rows hold them."""
    import dualgrad as dg

    by_camera, by_point, by_weight = range(3)
    block = dg.jacobian(reprojection, argnums=(by_camera, by_point, by_weight))
    slope = dg.grad(weight_residual)

    @njit
    def entries(cameras, points, weights, seen, features):
        n = weights.shape[0]
        data = np.empty(31 * n)
        rows = data[: 30 * n].reshape(n, 2, 15)
        for i in range(n):
            camera, point, weight = block(cameras[seen[i, 0]], points[seen[i, 1]], weights[i], features[i])
            rows[i, :, :11] = camera
            rows[i, :, 11:14] = point
            rows[i, :, 14] = weight
        for i in range(n):
            data[30 * n + i] = slope(weights[i])
        return data

    return entries


def pattern(cameras: int, points: int, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of the entries, and where each row starts: the Jacobian's compressed rows without its entries."""
    n = len(seen)
    columns = np.empty((n, 15), np.int64)
    columns[:, :11] = 11 * seen[:, :1] + np.arange(11)
    columns[:, 11:14] = 11 * cameras + 3 * seen[:, 1:] + np.arange(3)
    columns[:, 14] = 11 * cameras + 3 * points + np.arange(n)
    rows = np.concatenate([np.repeat(columns, 2, axis=0).ravel(), columns[:, 14]])
    return rows, np.concatenate([15 * np.arange(2 * n), 30 * n + np.arange(n + 1)])


def point(
    cameras: int = CAMERAS, points: int = POINTS, observations: int = OBSERVATIONS
) -> tuple[Array, Array, Array, np.ndarray, Array]:
    """Cameras that look at points near the origin, each observation of one of either."""
    random = np.random.default_rng(31337)
    camera = np.array([0.1, -0.2, 0.3, 0.5, -0.4, 6.0, 500.0, 10.0, -5.0, 0.01, -0.02])
    seen = np.stack([random.integers(0, n, size=observations) for n in (cameras, points)], axis=1)
    return (
        camera * random.uniform(0.9, 1.1, size=(cameras, 11)), random.normal(size=(points, 3)) * [1, 1, 0.5],
        random.uniform(0.5, 1.5, size=observations), seen, random.normal(size=(observations, 2)) * 100,
    )  # fmt: skip
