"""Singular points and structural zeros of kernels: in every mode what the eager numbers say.

The generated source runs as plain Python, with NumPy's numbers for Python's, because these divide by zero with an
exception.
"""

import numpy as np
import pytest
from kernel_fuzzer import function
from test_kernel_laws import JET, PULL, PUSH, Gradient, leaves
from test_kernel_laws import run_on_numpy as run

from dualgrad.kernels import Transform

inf, nan = np.inf, np.nan
GRAD = Transform("grad", (0,))
FWD, REV = Transform("jacobian", (0, "fwd")), Transform("jacobian", (0, "rev"))


def same(found, wanted):
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(leaves(found), leaves(wanted), strict=True))


def slopes(f, x):
    """The derivative of a scalar kernel in every mode of first order."""
    x = np.float64(x)
    one = np.float64(1.0)
    return {
        "pushforward": run(f, [PUSH], (x,), (one,))[1],
        "pullback": run(f, [PULL], (x,), one)[1][0],
        "grad": run(f, [GRAD], x),
        "jacobian, fwd": run(f, [FWD], x),
        "jacobian, rev": run(f, [REV], x),
        "jet": run(f, [JET], (x,), (np.ones(1),))[1][0],
        "derivative": run(f, [Transform("derivative", (1,))], x),
    }


SINGULAR = [
    ("abs(x)", 0.0, 0.0),
    ("max(x, 0.0)", 0.0, 0.5),
    ("min(x, x)", 1.0, 1.0),
    ("min(max(x, 0.0), 1.0)", 0.0, 0.5),
    ("np.sqrt(x)", 0.0, inf),
    ("x**0.5", 0.0, inf),
    ("np.sqrt(x)*np.sqrt(x)", 0.0, nan),
    ("np.sqrt(x*x)", 0.0, nan),
    ("x if x < 1 else np.sqrt(x)", 0.0, 1.0),
    ("x if x < 1 else np.sqrt(x)", -1.0, 1.0),
    ("x if x < 1 else np.sqrt(x)", 4.0, 0.25),
    ("0.0 if x < 1 else np.sqrt(0.0 if x < 1 else x)", 0.0, 0.0),
    ("x**0", 0.0, 0.0),
    ("x**1", 0.0, 1.0),
    ("x**2.0", 0.0, 0.0),
    ("x**3.0", -2.0, 12.0),
    ("0.0**x", 2.0, 0.0),
    ("np.power(0.0, x)", 0.0, 0.0),
    ("np.power(0.0, x)", -1.0, -inf),
    ("np.floor(x)", 1.5, 0.0),
    ("np.sign(x)", 1.5, 0.0),
    ("x // 2", 5.0, 0.0),
    ("7.5 % x", 2.0, -3.0),
    ("np.hypot(x, 0.0)", 0.0, 0.0),
    ("np.arctan2(x, x)", 0.0, nan),
]


@pytest.mark.parametrize(("text", "x", "answer"), SINGULAR)
def test_singular_points(text, x, answer):
    with function(f"def main(x):\n    return {text}\n") as f:
        for mode, found in slopes(f, x).items():
            assert same(found, answer), f"{mode}: {found}"


# Zeros by construction: the kernel, a point, and its Jacobian there

FRESH = """
def main(x):
    y = np.zeros(3)
    y[1] = x[1]
    s = 0.0
    for i in range(3):
        s += np.sqrt(y[i])
    return s
"""
UNREAD = """
def main(x):
    y = np.zeros(2)
    y[0] = np.sqrt(x[0])
    y[1] = x[1] * x[0]
    return y[1]
"""
ROOTS = """
def main(x):
    y = np.zeros(2)
    for i in range(2):
        y[i] = np.sqrt(x[i])
    return y
"""
PART = """
def main(x):
    y = np.zeros(2)
    for i in range(2):
        y[i] = np.sqrt(x[i])
    s = 0.0
    for i in range(1, 2):
        s += y[i] * x[i]
    return s
"""
MIXED = """
def main(x):
    y = np.empty(2)
    for i in range(2):
        y[i] = np.sqrt(x[i])
    out = np.zeros(2)
    for i in range(2):
        for j in range(2):
            out[i] += (2.0 if i == j else 1.0) * y[j]
    return out
"""
CLEARED = """
def main(x):
    y = x.copy()
    for i in range(2):
        y[i] = np.sqrt(y[i])
    y[0] = 3.0
    return y[0] * y[1]
"""
CARRIED = """
def main(x):
    c = 0.0
    s = 0.0
    for i in range(2):
        s += np.sqrt(c) * x[1]
        c = x[i] + 1.0
    return s
"""
NEVER = """
def main(x):
    y = np.zeros(2)
    for i in range(2):
        if x[i] > 0.0:
            y[i] = x[i]
    k = 0
    s = 0.0
    while k < 2:
        s += y[k] ** 0.5
        k += 1
    return s
"""
TWO = """
def main(x):
    return np.sqrt(x[0]), x[1] * x[1]
"""
BRANCH = """
def main(x):
    y = np.zeros(2)
    for i in range(2):
        if x[i] < 0.5:
            y[i] = x[i]
        else:
            y[i] = np.sqrt(x[i])
    z = y.copy()
    z[0] = 0.0
    return np.sqrt(z[0]) + y[0] * z[1]
"""
WRITTEN = """
def main(x):
    for i in range(2):
        x[i] = np.sqrt(x[i])
    x[0] = 1.0
"""
ZEROS = [
    pytest.param(FRESH, [5.0, 4.0], [0.0, 0.25], id="fresh"),
    pytest.param(UNREAD, [0.0, 1.0], [1.0, 0.0], id="unread"),
    pytest.param(ROOTS, [0.0, 1.0], [[inf, 0.0], [0.0, 0.5]], id="roots"),
    pytest.param(PART, [0.0, 1.0], [0.0, 1.5], id="part"),
    pytest.param(MIXED, [0.0, 1.0], [[inf, 0.5], [inf, 1.0]], id="mixed"),
    pytest.param(CLEARED, [0.0, 1.0], [0.0, 1.5], id="cleared"),
    pytest.param(CARRIED, [3.0, 2.0], [0.5, 2.0], id="carried"),
    pytest.param(NEVER, [0.0, 4.0], [0.0, 0.25], id="never"),
    pytest.param(TWO, [0.0, 1.0], ([inf, 0.0], [0.0, 2.0]), id="two results"),
    pytest.param(BRANCH, [0.0, 4.0], [2.0, 0.0], id="branch"),
    pytest.param(WRITTEN, [0.0, 4.0], [[0.0, 0.0], [0.0, 0.25]], id="written"),
]


@pytest.mark.parametrize(("source", "x", "answer"), ZEROS)
def test_zeros_by_construction_are_never_multiplied(source, x, answer):
    x = np.array(x)
    with function(source) as f:
        for steps in [[FWD], [REV]] + [[GRAD]] * (np.ndim(answer) == 1 and type(answer) is list):
            found = run(f, steps, x)
            assert same(found, tuple(map(np.array, answer)) if type(answer) is tuple else np.array(answer)), steps


@pytest.mark.parametrize("source", [FRESH, NEVER, CARRIED])
def test_zeros_inside_of_a_pushforward(source):
    """The user's tangents are numbers; a fresh buffer and what no path wrote are not."""
    x = np.array([0.0 if source is NEVER else 3.0, 4.0])
    with function(source) as f:
        gradient = run(f, [GRAD], x)
        assert np.all(np.isfinite(gradient))
        for t in (np.array([1.0, 2.0]), np.array([0.0, 1.0])):
            assert np.isclose(run(f, [PUSH], (x,), (t,))[1], gradient @ t, rtol=1e-14)


def test_a_users_zero_is_a_number():
    with function(ROOTS) as f:
        x, t = np.array([0.0, 1.0]), np.array([0.0, 1.0])
        assert same(run(f, [PUSH], (x,), (t,))[1], [nan, 0.5])
        assert same(run(f, [PULL], (x,), t)[1][0], [nan, 0.5])
        assert same(run(f, [PULL], (x,), np.ones(2))[1][0], [inf, 0.5])


SECOND = [
    pytest.param(UNREAD, [0.0, 1.0], [[0.0, 1.0], [1.0, 0.0]], id="unread"),
    pytest.param(FRESH, [5.0, 4.0], [[0.0, 0.0], [0.0, -1 / 32]], id="fresh"),
    pytest.param(PART, [0.0, 1.0], [[0.0, 0.0], [0.0, 0.75]], id="part"),
    pytest.param(NEVER, [0.0, 4.0], [[0.0, 0.0], [0.0, -1 / 32]], id="never"),
    pytest.param(CLEARED, [0.0, 1.0], [[0.0, 0.0], [0.0, -0.75]], id="cleared"),
]


@pytest.mark.parametrize(("source", "x", "answer"), SECOND)
def test_second_derivatives(source, x, answer):
    x, answer = np.array(x), np.array(answer)
    with function(source) as f:
        for steps in ([GRAD, FWD], [GRAD, REV], [FWD, FWD], [FWD, REV], [REV, FWD], [REV, REV]):
            assert same(run(f, steps, x), answer), steps
        for t in np.array([[1.0, 2.0], [0.5, -1.0]]):
            assert same(run(f, [GRAD, PUSH], (x,), (t,))[1], answer @ t)
            assert same(run(f, [GRAD, PULL], (x,), t)[1][0], answer @ t)


def test_third_derivatives():
    x, answer = np.array([0.0, 4.0]), np.zeros((2, 2, 2))
    answer[1, 1, 1] = 3 / 8 * 4**-2.5
    with function(NEVER) as f:
        for steps in ([GRAD, FWD, FWD], [GRAD, REV, FWD], [FWD, FWD, REV]):
            assert same(run(f, steps, x), answer), steps


INNER = """
def inner(x):
    y = np.zeros(2)
    y[0] = np.sqrt(x[0])
    y[1] = x[1] * x[1] * x[0]
    return y[1]


slope = gradient(inner, 0)


def main(x):
    g = slope(x)
    return g[0] * x[1] + g[1]
"""


DECIDING = INNER.replace("    return g[0] * x[1] + g[1]", """    while g[1] < 0.5:
        x[1] += 1.0
        g[1] += 0.25
    if g[0] > 5.0:
        return x[1] * x[1]
    return x[1]""")


def test_decisions_by_gradients_are_those_of_the_careful_form():
    """Inside, the second slope is 0, not NaN, so that two turns are made; the first slope decides as well."""
    with function(DECIDING.replace("x[0])\n    y[1] =", "x[1])\n    y[1] ="), Gradient) as f:
        x = np.array([0.0, 0.0])
        value, slope = run(f, [PUSH], (x,), (np.ones(2),))
        assert (value, slope) == (2.0, 1.0)
        assert same(run(f, [GRAD], x), np.array([0.0, 1.0]))
        value, slope = run(f, [PUSH], (np.array([1.0, 3.0]),), (np.ones(2),))
        assert (value, slope) == (9.0, 6.0)


def test_gradients_that_a_kernel_calls_are_careful_too():
    """The value is x1**3 + 2 x0 x1."""
    x, answer = np.array([0.0, 3.0]), np.array([6.0, 27.0])
    with function(INNER, Gradient) as f:
        assert run(f, [PUSH], (x,), (np.ones(2),)) == (27.0, 33.0)
        assert same(run(f, [GRAD], x), answer)
        assert same(run(f, [FWD], x), answer)
