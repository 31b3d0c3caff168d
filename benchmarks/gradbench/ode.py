"""A chain of linear differential equations by Runge and Kutta's method: the sum of the final state.

``y'[0] = x[0]``, ``y'[i] = x[i] y[i-1]`` from ``y = 0``, integrated to t = 2 in s steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

Array = np.ndarray[Any, np.dtype[np.float64]]


@njit
def slopes(x, y, out):
    """The right-hand side, into ``out``."""
    out[0] = x[0]
    for i in range(1, x.shape[0]):
        out[i] = x[i] * y[i - 1]


@njit
def final_state(x, s):
    """The state at t = 2."""
    n = x.shape[0]
    h = 2.0 / s
    y, between = np.zeros(n), np.empty(n)
    k1, k2, k3, k4 = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    for _ in range(s):
        slopes(x, y, k1)
        for i in range(n):
            between[i] = y[i] + h * k1[i] / 2.0
        slopes(x, between, k2)
        for i in range(n):
            between[i] = y[i] + h * k2[i] / 2.0
        slopes(x, between, k3)
        for i in range(n):
            between[i] = y[i] + h * k3[i]
        slopes(x, between, k4)
        for i in range(n):
            y[i] += h * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]) / 6.0
    return y


@njit
def total(x, s):
    """The sum of the final state."""
    return np.sum(final_state(x, s))


@njit
def right_hand_side(x, y):
    """The right-hand side as a new array."""
    slope = np.empty_like(y)
    slope[0] = x[0]
    slope[1:] = x[1:] * y[:-1]
    return slope


@njit
def total_of_arrays(x, s):
    """The same sum, the steps written with whole arrays."""
    h = 2.0 / s
    y = np.zeros_like(x)
    for _ in range(s):
        k1 = right_hand_side(x, y)
        k2 = right_hand_side(x, y + h / 2.0 * k1)
        k3 = right_hand_side(x, y + h / 2.0 * k2)
        k4 = right_hand_side(x, y + h * k3)
        y = y + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    return y.sum()


def point(n: int, s: int) -> tuple[Array, int]:
    """Random coefficients."""
    return np.random.default_rng(31337).uniform(size=n), s
