"""Real regressions: ten problems of NIST's Statistical Reference Datasets, from the second start to 6 digits.

The models are ordinary NumPy functions of the parameters; SciPy's ``least_squares`` gets its Jacobian from dualgrad.
The data lie beside the repository (public domain); where they are absent these tests are skipped.
"""

import re
from pathlib import Path

import numba
import numpy as np
import pytest
from scipy.optimize import least_squares

import dualgrad as dg

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "nist"


def chwirut2(b, x):
    return np.exp(-b[0] * x) / (b[1] + b[2] * x)


def eckerle4(b, x):
    return b[0] / b[1] * np.exp(-0.5 * ((x - b[2]) / b[1]) ** 2)


def enso(b, x):
    def wave(period):
        return 2 * np.pi * x / period

    return (b[0] + b[1] * np.cos(wave(12)) + b[2] * np.sin(wave(12))
            + b[4] * np.cos(wave(b[3])) + b[5] * np.sin(wave(b[3]))
            + b[7] * np.cos(wave(b[6])) + b[8] * np.sin(wave(b[6])))  # fmt: skip


def gauss1(b, x):
    y = b[0] * np.exp(-b[1] * x)
    for height, centre, width in (b[2:5], b[5:8]):
        y = y + height * np.exp(-((x - centre) ** 2) / width**2)
    return y


def cubic_over_cubic(b, x):
    return (b[0] + b[1] * x + b[2] * x**2 + b[3] * x**3) / (1 + b[4] * x + b[5] * x**2 + b[6] * x**3)


def kirby2(b, x):
    return (b[0] + b[1] * x + b[2] * x**2) / (1 + b[3] * x + b[4] * x**2)


def mgh09(b, x):
    b1, b2, b3, b4 = b
    return b1 * (x**2 + x * b2) / (x**2 + x * b3 + b4)


def misra1a(b, x):
    return b[0] * (1 - np.exp(-b[1] * x))


def rat43(b, x):
    return b[0] / (1 + np.exp(b[1] - b[2] * x)) ** (1 / b[3])


MODELS = {
    "Chwirut2": chwirut2,
    "ENSO": enso,
    "Eckerle4": eckerle4,
    "Gauss1": gauss1,
    "Hahn1": cubic_over_cubic,
    "Kirby2": kirby2,
    "MGH09": mgh09,
    "Misra1a": misra1a,
    "Rat43": rat43,
    "Thurber": cubic_over_cubic,
}


@numba.njit()
def rat43_residual(b, x, y):
    r = np.empty(x.size)
    for i in range(x.size):
        r[i] = b[0] / (1.0 + np.exp(b[1] - b[2] * x[i])) ** (1.0 / b[3]) - y[i]
    return r


@numba.njit()
def cubic_over_cubic_residual(b, x, y):
    r = np.empty(x.size)
    for i in range(x.size):
        upper, lower, power = b[0], 1.0, 1.0
        for k in range(3):
            power *= x[i]
            upper += b[1 + k] * power
            lower += b[4 + k] * power
        r[i] = upper / lower - y[i]
    return r


KERNELS = {"Rat43": rat43_residual, "Thurber": cubic_over_cubic_residual}


def read(name):
    """Second start, certified parameters, their standard deviations, x and y of one problem."""
    path = FOLDER / f"{name}.dat"
    if not path.exists():
        pytest.skip(f"NIST's data set {name} is not beside the repository")
    lines = path.read_text().splitlines()
    rows = [re.sub(r"b\d+ =", "", line).split() for line in lines[:60] if re.match(r"\s*b\d+ =", line)]
    _, start, certified, deviations = np.array(rows, dtype=float).T
    y, x = np.array([line.split() for line in lines[60:] if line.strip()], dtype=float).T
    return start, certified, deviations, x, y


def fit(residual, jacobian, start):
    return least_squares(
        residual, start, jac=jacobian, method="lm", x_scale="jac", ftol=1e-15, xtol=1e-15, gtol=1e-15, max_nfev=2000
    ).x


def complex_step(f, b):
    return np.stack([np.imag(f(b + 1e-30j * e)) / 1e-30 for e in np.eye(b.size)], axis=-1)


@pytest.mark.parametrize("name", MODELS)
def test_certified_parameters_from_the_second_start(name):
    start, certified, deviations, x, y = read(name)

    def residual(b):
        return MODELS[name](b, x) - y

    jacobian = dg.jacobian(residual)
    b = fit(residual, jacobian, start)
    np.testing.assert_allclose(b, certified, rtol=1e-6)

    j = jacobian(b)
    np.testing.assert_allclose(j, complex_step(residual, b), rtol=1e-10, atol=1e-12 * np.abs(j).max())
    variance = np.sum(residual(b) ** 2) / (y.size - b.size)
    scale = np.abs(j).max(axis=0)
    errors = np.sqrt(variance * np.diag(np.linalg.inv((j / scale).T @ (j / scale)))) / scale
    np.testing.assert_allclose(errors, deviations, rtol=1e-4)


@pytest.mark.kernel
@pytest.mark.parametrize("name", KERNELS)
def test_certified_parameters_by_a_kernel(name):
    start, certified, _, x, y = read(name)
    kernel, jacobian = KERNELS[name], dg.jacobian(KERNELS[name])
    b = fit(lambda b: kernel(b, x, y), lambda b: jacobian(b, x, y), start)
    np.testing.assert_allclose(b, certified, rtol=1e-6)
    eager = dg.jacobian(lambda b: MODELS[name](b, x) - y)
    np.testing.assert_allclose(jacobian(b, x, y), eager(b), rtol=1e-10)


@pytest.mark.parametrize("name", ["Rat43", "MGH09", "Misra1a"])
def test_newton_with_the_exact_hessian_reaches_the_certificate(name):
    _, certified, _, x, y = read(name)

    def cost(b):
        return 0.5 * np.sum((MODELS[name](b, x) - y) ** 2)

    b = certified * 1.01
    for _ in range(6):
        b = b - np.linalg.solve(dg.hessian(cost)(b), dg.grad(cost)(b))
    np.testing.assert_allclose(b, certified, rtol=1e-9)
