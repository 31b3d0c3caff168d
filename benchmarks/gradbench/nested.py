"""Nested differentiation: descents whose functions contain derivatives, or descents, themselves.

``particle`` steers a charged particle, whose path follows the gradient of a potential, into the origin; ``saddle``
minimises over x the maximum over y of a function of both.  Which mode serves the inner and the outer derivative is
chosen by the caller: ``"forward"`` or ``"reverse"``.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numba import njit

Array = np.ndarray[Any, np.dtype[np.float64]]
ENOUGH = 1e-5


def gradient(f: Any, mode: str, argnums: int = 0) -> Any:
    """The gradient of a kernel by either mode."""
    import dualgrad as dg

    return dg.grad(f, argnums=argnums) if mode == "reverse" else dg.jacfwd(f, argnums=argnums)


def minimiser(f: Any, slope: Any) -> Any:
    """The kernel that descends from x to a minimum of ``f(x, other)``: steps grow while they help, else they shrink."""

    @njit
    def minimum(x, other):
        step = 1e-5
        successes = 0
        value = f(x, other)
        direction = slope(x, other)
        while math.sqrt(np.sum(direction * direction)) > ENOUGH:
            if successes == 10:
                step *= 2.0
                successes = 0
                continue
            candidate = x - step * direction
            if step * math.sqrt(np.sum(direction * direction)) <= ENOUGH:
                break
            new = f(candidate, other)
            if new < value:
                x, value, direction = candidate, new, slope(candidate, other)
                successes += 1
            else:
                step /= 2.0
                successes = 0
        return x

    return minimum


# --- Particle ----------------------------------------------------------------------------------------------------


@njit
def potential(x, w):
    """The potential at x of two unit charges, one of which the control moves."""
    return 1.0 / math.hypot(x[0] - 10.0, x[1] - 10.0 + w[0]) + 1.0 / math.hypot(x[0] - 10.0, x[1])


@cache
def particle(outer: str, inner: str) -> tuple[Any, Any]:
    """Kernels of the squared distance from the origin where the particle meets the axis, and of the control for it."""
    field = gradient(potential, inner)

    @njit
    def miss(w, start):
        position, velocity, dt = start, np.array([0.75, 0.0]), 0.1
        while True:
            after = position + dt * velocity
            if after[1] <= 0.0:
                break
            velocity = velocity - dt * field(position, w)
            position = after
        at_axis = position - position[1] / velocity[1] * velocity
        return at_axis[0] ** 2

    descend = minimiser(miss, gradient(miss, outer))

    @njit
    def control(w):
        return descend(w, np.array([0.0, 8.0]))

    return miss, control


# --- Saddle ------------------------------------------------------------------------------------------------------


@njit
def height(x, y):
    """A saddle: a valley in x, a ridge in y."""
    return np.sum(x * x) - np.sum(y * y)


@njit
def depth(y, x):
    """The height upside down, as a function of y."""
    return -height(x, y)


@cache
def saddle(outer: str, inner: str) -> Any:
    """The kernel that finds the saddle point, both descents from the same start."""
    answer = minimiser(depth, gradient(depth, inner))

    @njit
    def worst(x, start):
        return height(x, answer(start, x))

    descend = minimiser(worst, gradient(worst, outer))

    @njit
    def point(start):
        x = descend(start, start)
        return x, answer(start, x)

    return point
