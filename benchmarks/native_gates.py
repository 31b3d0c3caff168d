"""Gate of numbers in nopython code: the Jacobian of a camera's projections by N partials beside each value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from differences import gradient_by_differences
from figures import Rows, error, ratio
from numba import njit
from problems import Array
from report import Row
from timing import Race

NANO = 1e9
POINTS = 1000
PARAMETERS = np.array([0.2, -0.1, 0.15, 0.3, -0.2, 4.0, 1.2, 0.05, -0.01, 0.1, -0.05, 0.001, 0.002, 0.4, 0.5, 0.6])


@njit
def projected(p: Any) -> Any:
    """A point in the image of a camera: rotation vector, translation, focal length, distortion, centre; the point."""
    angle = np.sqrt(p[0] * p[0] + p[1] * p[1] + p[2] * p[2])
    a, b, c = p[0] / angle, p[1] / angle, p[2] / angle
    x, y, z = p[13], p[14], p[15]
    cos, sin = np.cos(angle), np.sin(angle)
    along = (a * x + b * y + c * z) * (1.0 - cos)
    u = x * cos + (b * z - c * y) * sin + a * along + p[3]
    v = y * cos + (c * x - a * z) * sin + b * along + p[4]
    w = z * cos + (a * y - b * x) * sin + c * along + p[5]
    u, v = u / w, v / w
    r = u * u + v * v
    d = p[6] * (1.0 + r * (p[7] + r * p[8]))
    s = p[11] * (u * v)
    t = p[12] * (u * v)
    return d * u + p[9] + s, d * v + p[10] + t


@njit
def values(points: Array, out: Array) -> None:
    """Projections of all points."""
    for i in range(len(points)):
        out[i, 0], out[i, 1] = projected(points[i])


def by_duals(n: int) -> Callable[[Array, Array], None]:
    """Projections and their derivatives by the last ``n`` parameters, with duals."""
    import dualgrad as dg

    @njit
    def jacobians(points: Array, out: Array) -> None:
        images, p = dg.as_duals(out, n), dg.seed(points[0], n, 16 - n)
        values = p.primal
        for i in range(len(points)):
            for k in range(16):
                values[k] = points[i, k]
            images[i, 0], images[i, 1] = projected(p)

    return jacobians


def by_hand(n: int) -> Callable[[Array, Array], None]:
    """The same with an array of partials beside each value, written out."""

    @njit
    def scale(factor: float, da: Array, out: Array) -> None:
        for k in range(n):
            out[k] = factor * da[k]

    @njit
    def combine(f: float, da: Array, g: float, db: Array, out: Array) -> None:
        for k in range(n):
            out[k] = f * da[k] + g * db[k]

    @njit
    def three(f: float, da: Array, g: float, db: Array, h: float, dc: Array, out: Array) -> None:
        for k in range(n):
            out[k] = f * da[k] + g * db[k] + h * dc[k]

    @njit
    def jacobians(points: Array, out: Array) -> None:
        dp, w = np.zeros((16, n)), np.empty((24, n))
        for k in range(n):
            dp[16 - n + k, k] = 1.0
        for i in range(len(points)):
            p = points[i]
            angle = np.sqrt(p[0] * p[0] + p[1] * p[1] + p[2] * p[2])
            three(p[0] / angle, dp[0], p[1] / angle, dp[1], p[2] / angle, dp[2], w[0])
            a, b, c = p[0] / angle, p[1] / angle, p[2] / angle
            combine(1 / angle, dp[0], -a / angle, w[0], w[1])
            combine(1 / angle, dp[1], -b / angle, w[0], w[2])
            combine(1 / angle, dp[2], -c / angle, w[0], w[3])
            x, y, z = p[13], p[14], p[15]
            cos, sin = np.cos(angle), np.sin(angle)
            scale(-sin, w[0], w[4])
            scale(cos, w[0], w[5])
            dot = a * x + b * y + c * z
            three(x, w[1], y, w[2], z, w[3], w[6])
            three(a, dp[13], b, dp[14], c, dp[15], w[7])
            along = dot * (1.0 - cos)
            three(1.0 - cos, w[6], 1.0 - cos, w[7], -dot, w[4], w[8])
            position = (x, y, z)
            axis = (a, b, c)
            turned = np.empty(3)
            for m in range(3):
                j, q = (m + 1) % 3, (m + 2) % 3
                cross = axis[j] * position[q] - axis[q] * position[j]
                combine(position[q], w[1 + j], -position[j], w[1 + q], w[9])
                three(axis[j], dp[13 + q], -axis[q], dp[13 + j], 1.0, w[9], w[10])
                three(cos, dp[13 + m], position[m], w[4], sin, w[10], w[11])
                three(cross, w[5], axis[m], w[8], along, w[1 + m], w[12])
                three(1.0, w[11], 1.0, w[12], 1.0, dp[3 + m], w[13 + m])
                turned[m] = position[m] * cos + cross * sin + axis[m] * along + p[3 + m]
            u, v, depth = turned[0] / turned[2], turned[1] / turned[2], turned[2]
            combine(1 / depth, w[13], -u / depth, w[15], w[16])
            combine(1 / depth, w[14], -v / depth, w[15], w[17])
            r = u * u + v * v
            combine(2 * u, w[16], 2 * v, w[17], w[18])
            inner = p[7] + r * p[8]
            three(1.0, dp[7], p[8], w[18], r, dp[8], w[19])
            d = p[6] * (1.0 + r * inner)
            three(1.0 + r * inner, dp[6], p[6] * inner, w[18], p[6] * r, w[19], w[20])
            combine(v, w[16], u, w[17], w[21])
            three(d, w[16], u, w[20], 1.0, dp[9], w[22])
            three(1.0, w[22], p[11], w[21], u * v, dp[11], out[i, 0, 1:])
            three(d, w[17], v, w[20], 1.0, dp[10], w[23])
            three(1.0, w[23], p[12], w[21], u * v, dp[12], out[i, 1, 1:])
            out[i, 0, 0] = d * u + p[9] + p[11] * (u * v)
            out[i, 1, 0] = d * v + p[10] + p[12] * (u * v)

    return jacobians


def nopython_numbers() -> Rows:
    """A camera's projection in nopython code: duals of 8 and 16 directions, and arrays of partials written by hand."""
    points = PARAMETERS + 0.01 * np.random.default_rng(0).normal(size=(POINTS, 16))
    contenders: dict[str, Any] = {"value": (values, points, np.empty((POINTS, 2)))}
    wanted = [gradient_by_differences(lambda p, k=k: projected(p)[k], (points[0],)) for k in (0, 1)]
    for n in (8, 16):
        for name, f in {"duals": by_duals(n), "by hand": by_hand(n)}.items():
            out = np.empty((POINTS, 2, 1 + n))
            contenders[f"{name}, N = {n}"] = (f, points, out)
            f(points, out)
            found = [row[1:] for row in out[0]]
            right = [w[16 - n :] for w in wanted]
            yield Row(f"{name}, N = {n}: against differences, error", error(found, right), limit=1e-9)
    race = Race(contenders)
    for name in race.seconds:
        yield Row(f"{name}, a point", NANO * race.median(name) / POINTS, "ns")
    for n in (8, 16):
        yield ratio(race, f"duals, N = {n}", "value")
        yield ratio(race, f"duals, N = {n}", f"by hand, N = {n}", limit=0.8)
