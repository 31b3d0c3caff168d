"""The small evals: k-means, log-sum-exp, least squares, the determinant by minors."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numba import njit

Array = np.ndarray[Any, np.dtype[np.float64]]

# --- k-means: one step of Newton's method, whose Hessian is diagonal ---------------------------------------------


@njit
def cost(centroids, points):
    """The sum of the squared distances of points from the centroids nearest to them."""
    total = 0.0
    for point in points:
        nearest = np.inf
        for centroid in centroids:
            distance = 0.0
            for j in range(len(point)):
                distance += (point[j] - centroid[j]) ** 2
            nearest = min(nearest, distance)
        total += nearest
    return total


@cache
def newton_direction() -> Any:
    """The kernel of the step: gradient over the Hessian's diagonal, both from one call."""
    import dualgrad as dg

    along = dg.pushforward(dg.grad(cost))

    @njit
    def direction(centroids, points):
        slope, curvature = along((centroids, points), (np.ones_like(centroids), np.zeros_like(points)))
        return slope / curvature

    return direction


# --- log-sum-exp -------------------------------------------------------------------------------------------------


@njit
def log_sum_exp(x):
    """The logarithm of the sum of exponentials, which may be large."""
    top = x.max()
    return top + np.log(np.sum(np.exp(x - top)))


# --- Least squares -----------------------------------------------------------------------------------------------


@njit
def misfit(x, n):
    """Half the squared distance of a polynomial with coefficients ``x`` from a step, at n points of [-1, 1]."""
    total = 0.0
    for i in range(n):
        t = -1.0 + i * 2.0 / (n - 1)
        difference = np.sign(t)
        power = 1.0
        for coefficient in x:
            difference -= coefficient * power
            power *= t
        total += difference**2
    return total / 2.0


# --- The determinant by minors -----------------------------------------------------------------------------------


@njit
def only_entry(a):
    """The determinant of a matrix of one entry."""
    return a[0, 0]


@cache
def determinant(n: int) -> Any:
    """The kernel of the determinant of n x n matrices, expanded along the first row into those of its minors."""
    if n == 1:
        return only_entry
    of_minor = determinant(n - 1)

    @njit
    def expanded(a):
        total, sign = 0.0, 1.0
        minor = np.empty((n - 1, n - 1))
        for j in range(n):
            minor[:, :j] = a[1:, :j]
            minor[:, j:] = a[1:, j + 1 :]
            total += sign * a[0, j] * of_minor(minor)
            sign = -sign
        return total

    return expanded


@njit
def determinant_of_lists(a):
    """The same without recursion: the rows and columns that are left are linked lists, the open minors a stack."""
    n = a.shape[0]
    after = np.arange(1, n + 2)  # the column after each; the last entry stands before the first one
    after[n] = 0
    column, before = np.zeros(n, np.int64), np.zeros(n, np.int64)
    total, sign = np.zeros(n + 1), np.ones(n)
    row = 0
    before[0] = n
    column[0] = after[n]
    while row >= 0:
        if column[row] == n:  # no column is left: the minor is known
            row -= 1
            if row >= 0:
                j = column[row]
                after[before[row]] = j
                total[row] += sign[row] * a[row, j] * total[row + 1]
                sign[row] = -sign[row]
                before[row] = j
                column[row] = after[j]
        elif row == n - 1:
            total[row] += a[row, column[row]]
            column[row] = n
        else:
            after[before[row]] = after[column[row]]
            row += 1
            total[row], sign[row], before[row], column[row] = 0.0, 1.0, n, after[n]
    return total[0]


def clusters(k: int, n: int, d: int) -> tuple[Array, Array]:
    """Random centroids and points, each centroid with a point near it."""
    random = np.random.default_rng(7)
    points = random.normal(size=(n, d))
    return points[:k] + 0.01 * random.normal(size=(k, d)), points


def exponents(n: int) -> Array:
    """Numbers whose exponentials differ by many orders."""
    return np.random.default_rng(8).uniform(-100, 100, size=n)


def coefficients(m: int) -> Array:
    """Coefficients of a polynomial."""
    return np.random.default_rng(9).normal(size=m) / math.sqrt(m)


def matrix(n: int) -> Array:
    """A square matrix."""
    return np.random.default_rng(10).uniform(size=(n, n))
