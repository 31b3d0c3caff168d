"""The functions that the gates differentiate, written as their users would write them, and their data."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

Array = np.ndarray[Any, np.dtype[np.float64]]

# --- Rosenbrock's function ------------------------------------------------------------------------------------------


def rosenbrock(x):
    """The chained Rosenbrock function in plain NumPy."""
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosenbrock_gradient(x: Array) -> Array:
    """The gradient of `rosenbrock`, by hand."""
    bend, gradient = x[1:] - x[:-1] ** 2, np.zeros_like(x)
    gradient[1:] += 200 * bend
    gradient[:-1] -= 400 * x[:-1] * bend + 2 * (1 - x[:-1])
    return gradient


def rosenbrock_hessian(x: Array) -> Array:
    """The Hessian of `rosenbrock`, by hand: tridiagonal."""
    diagonal, beside = np.zeros_like(x), -400 * x[:-1]
    diagonal[1:] += 200
    diagonal[:-1] += 1200 * x[:-1] ** 2 - 400 * x[1:] + 2
    return np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)


@njit
def rosenbrock_kernel(x):
    """The chained Rosenbrock function as a loop."""
    total = 0.0
    for i in range(x.shape[0] - 1):
        bend = x[i + 1] - x[i] * x[i]
        miss = 1.0 - x[i]
        total += 100.0 * bend * bend + miss * miss
    return total


@njit
def rosenbrock_kernel_gradient(x):
    """The gradient of `rosenbrock_kernel`, by hand, in a new array."""
    gradient = np.zeros(x.shape[0])
    for i in range(x.shape[0] - 1):
        bend = x[i + 1] - x[i] * x[i]
        gradient[i] -= 400.0 * x[i] * bend + 2.0 * (1.0 - x[i])
        gradient[i + 1] += 200.0 * bend
    return gradient


def gradient_loop(gradient):
    """A nopython function `loop(x, count)` that calls `gradient(x)` `count` times, each call depending on the last."""

    @njit
    def loop(x, count):
        for _ in range(count):
            x[0] += 1e-12 * gradient(x)[0]
        return x[0]

    return loop


def rosenbrock_point(n: int = 10) -> Array:
    """A point away from the valley's floor."""
    return np.linspace(-1.2, 1.1, n)


# --- In-place stores inside a data-dependent while ------------------------------------------------------------------


@njit
def relaxation(load, omega):
    """Damped sweeps over a chain of springs, in place, until they hardly move it; then the chain's energy."""
    n = load.shape[0]
    u = np.zeros(n + 2)
    change = 1.0
    while change > 1e-4:
        change = 0.0
        for i in range(n):
            step = omega * (0.4 * math.tanh(u[i] + u[i + 2]) + load[i] - u[i + 1])
            u[i + 1] += step
            change += step * step
    energy = 0.0
    for i in range(n):
        energy += u[i + 1] * math.exp(-u[i + 1]) + load[i] * u[i + 1]
    return energy


def relaxation_point() -> tuple[Array, float]:
    """A point around which the number of sweeps does not change."""
    return np.array([0.7, -0.3, 0.5, 0.9, -0.6]), 0.8


def relaxation_directions() -> tuple[tuple[Array, float], tuple[Array, float]]:
    """Two directions in which the point may move."""
    return (np.array([0.3, 0.8, -0.5, 0.2, 0.6]), -0.4), (np.array([-0.2, 0.5, 0.7, -0.4, 0.1]), 0.3)


# --- A function with a long Taylor series ---------------------------------------------------------------------------


def bump(t):
    """exp(sin t) / (1 + t²) in plain NumPy."""
    return np.exp(np.sin(t)) / (1 + t**2)


@njit
def bump_kernel(t):
    """exp(sin t) / (1 + t²) as a kernel."""
    return math.exp(math.sin(t)) / (1.0 + t * t)


def bump_coefficients(t: float, order: int) -> Array:
    """The Taylor coefficients of `bump` around t from mpmath, worked out with 100 digits."""
    import mpmath

    with mpmath.workdps(100):
        series = mpmath.taylor(lambda s: mpmath.exp(mpmath.sin(s)) / (1 + s**2), mpmath.mpf(t), order)
        return np.array([float(coefficient) for coefficient in series])


# --- Ordinary array code --------------------------------------------------------------------------------------------

WORDS = {"sin": np.sin, "arctan": np.arctan, "tanh": np.tanh, "mul": lambda x: x * x}


def chain(word, count, summed=False):
    """A word applied again and again."""

    def f(x):
        for _ in range(count):
            x = word(x)
        return x.sum() if summed else x

    return f


def composite(x):
    """Transcendental functions of large arrays."""
    return np.sum(np.tanh(x) * np.exp(-(x**2)) + np.sin(x))


def field(x):
    """A vector field whose Jacobian is dense."""
    return np.sin(x) * np.sum(x * x) + np.cumsum(x) * x


def solution(a):
    """The solution of a linear system with the matrix ``a``."""
    return np.linalg.solve(a, np.ones(len(a)))


def spectrum(a):
    """The eigenvalues of a symmetric matrix, and its eigenvectors below them."""
    values, vectors = np.linalg.eigh(a)
    return np.concatenate([values[None, :], vectors])


def power(x):
    """The power spectrum of a signal, one half of it."""
    z = np.fft.rfft(x)
    return z.real**2 + z.imag**2


def series_line(name, size):
    """A point and a direction for `SERIES`."""
    rng = np.random.default_rng(5)
    if name == "fft":
        return rng.normal(size=size), rng.normal(size=size) / 8
    start, slope = rng.normal(size=(2, size, size))
    if name == "solve":
        return start + 3 * size**0.5 * np.eye(size), slope / 4
    return np.diag(np.arange(1.0, size + 1)) + (start + start.T) / 50, (slope + slope.T) / 50


def cauchy_product(a, b, product=np.matmul):
    """Coefficients of a product of two series of arrays."""
    return np.stack([sum(product(a[j], b[k - j]) for j in range(k + 1)) for k in range(len(a))])


def along(start, slope, order):
    """Coefficients of a line."""
    return np.stack([start, slope, *[np.zeros_like(start)] * (order - 1)])


def solution_error(start, slope, x):
    """How far A(t) x(t) is from a vector of ones, in every order, relative to x."""
    product = cauchy_product(along(start, slope, len(x) - 1), x)
    product[0] -= 1
    return float(np.max(np.abs(product) / np.max(np.abs(x), axis=1, keepdims=True)))


def spectrum_error(start, slope, found):
    """How far A(t) V(t) is from V(t) w(t), and V' V from the identity, in every order, relative to V and w."""
    w, v = found[:, 0], found[:, 1:]
    line = along(start, slope, len(w) - 1)
    scale = np.max(np.abs(v), axis=(1, 2), keepdims=True) * np.max(np.abs(start))
    equation = cauchy_product(line, v) - cauchy_product(v, w[:, None, :], np.multiply)
    gauge = cauchy_product(np.swapaxes(v, 1, 2), v)
    gauge[0] -= np.eye(v.shape[1])
    return float(max(np.max(np.abs(equation) / scale), np.max(np.abs(gauge) / scale)))


def power_error(start, slope, found):
    """Distance from the polynomial of degree two that the power spectrum along a line is."""
    a, b = np.fft.rfft(start), np.fft.rfft(slope)
    exact = np.zeros_like(found)
    exact[0], exact[1], exact[2] = np.abs(a) ** 2, 2 * (a * b.conj()).real, np.abs(b) ** 2
    return float(np.max(np.abs(found - exact)) / np.max(np.abs(exact)))


SERIES = {
    "solve": (solution, solution_error, 50),
    "eigh": (spectrum, spectrum_error, 20),
    "fft": (power, power_error, 1024),
}


def brusselator(points: int) -> tuple[Callable[[float, Array], Array], Array]:
    """The Brusselator with diffusion on a line, both ends held: right-hand side and start, 2 unknowns a point."""
    scale = (points + 1) ** 2 / 50

    def f(t: float, z: Array) -> Array:
        u, v = z[::2], z[1::2]
        du = 1 + u**2 * v - 4 * u + scale * (np.append(u[1:], 1.0) - 2 * u + np.append(1.0, u[:-1]))
        dv = 3 * u - u**2 * v + scale * (np.append(v[1:], 3.0) - 2 * v + np.append(3.0, v[:-1]))
        return np.stack([du, dv], 1).ravel()

    x = np.arange(1, points + 1) / (points + 1)
    return f, np.stack([1 + np.sin(2 * np.pi * x), np.full(points, 3.0)], 1).ravel()
