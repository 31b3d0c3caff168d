"""check_derivatives is silent where derivatives are right, and names what is wrong where they are not."""

from dataclasses import dataclass

import numpy as np
import pytest
from eager_cases import CASES
from numba import njit

import dualgrad as dg

X = np.array([0.3, 0.8, -0.6])


def message(error, call):
    with pytest.raises(error) as info:
        call()
    return str(info.value)


@pytest.mark.parametrize("case", CASES[::6], ids=lambda c: c.name)
def test_it_is_silent_on_ordinary_functions(case):
    assert dg.check_derivatives(case.f, case.x) is None


@dataclass
class State:
    u: np.ndarray
    v: float
    label: str


def test_it_takes_containers_constants_and_several_results():
    def f(s, n, p):
        return {"a": s.u**n * s.v, "b": (p[0] @ s.u, "text", n), "c": [np.argmax(s.u)]}

    dg.check_derivatives(f, State(X, 2.0, "label"), 3, [np.ones((2, 3))], order=3)


def test_scales_precisions_and_complex_numbers():
    dg.check_derivatives(lambda x: 1e8 * np.tanh(x), X)
    dg.check_derivatives(lambda x: np.sin(1e-5 * x), X * 1e5)
    dg.check_derivatives(lambda x: np.sin(x) * x[0], X.astype(np.float32), order=1)
    dg.check_derivatives(lambda x: np.sin(x) * x[0], X + 1j)
    dg.check_derivatives(lambda x: np.sin(40 * x), X, step=1e-3)


def test_kernels_and_arrays_that_are_written():
    @njit
    def energy(x):
        s = 0.0
        for v in x:
            s += np.exp(v) * v
        return s

    @njit
    def update(x, y):
        for i in range(x.size):
            y[i] = x[i] ** 2 * y[i]

    dg.check_derivatives(energy, X, order=1)
    dg.check_derivatives(update, X, X + 2, order=1, modes="vjp")
    x, y = X.copy(), X + 2
    dg.check_derivatives(update.py_func, x, y, order=3)
    assert np.array_equal(x, X) and np.array_equal(y, X + 2)


def with_rules(rule=None, fwd=None, bwd=None):
    f = dg.custom_jvp(cubes)
    if rule:
        f.defjvp(rule)
    if bwd:
        f.defvjp(fwd or (lambda p: (f(p), p)), bwd)
    return f


def cubes(p):
    return {"out": p["x"] ** 3, "n": 1}


def right(p, t):
    return cubes(*p), {"out": 3 * p[0]["x"] ** 2 * t[0]["x"], "n": None}


def right_bwd(p, ct):
    return ({"x": 3 * p["x"] ** 2 * ct["out"]},)


def test_right_rules_pass():
    dg.check_derivatives(with_rules(right), {"x": X})
    dg.check_derivatives(with_rules(None, None, right_bwd), {"x": X})
    dg.check_derivatives(with_rules(right, None, right_bwd), {"x": X}, order=3)


def wrong_rule(p, t):
    return cubes(*p), {"out": 3 * p[0]["x"] ** 2 * t[0]["x"] + np.array([0.0, 1e-3, 0.0]) * t[0]["x"], "n": None}


@pytest.mark.parametrize("mode", ["jvp", "vjp", "jet"])
def test_a_wrong_rule_is_named_with_argument_result_and_numbers(mode):
    text = message(dg.CheckError, lambda: dg.check_derivatives(with_rules(wrong_rule), {"x": X}, modes=mode))
    assert f"{mode} of cubes by argument [0]['x']" in text and "by differences, which are good to" in text
    assert "test_checks.py" in text
    if mode != "vjp":
        assert "(result ['out'], entry (1,))" in text
    with pytest.raises(AssertionError):
        dg.check_derivatives(with_rules(wrong_rule), {"x": X}, modes=(mode,))


def test_a_wrong_pullback_beside_a_right_pushforward_is_found():
    f = with_rules(right, None, lambda p, ct: ({"x": 3 * p["x"] ** 2 * ct["out"][::-1]},))
    dg.check_derivatives(f, {"x": X}, modes=("jvp", "jet"))
    text = message(dg.CheckError, lambda: dg.check_derivatives(f, {"x": X}))
    assert text.startswith("vjp of cubes by argument [0]['x'] does not satisfy the adjoint identity")


def test_only_the_wrong_argument_is_named():
    f = dg.custom_jvp(lambda a, b: a * b)
    f.defjvp(lambda p, t: (f(*p), p[1] * t[0] + 2 * p[0] * t[1]))
    text = message(dg.CheckError, lambda: dg.check_derivatives(lambda a, b: f(a, b), 2.0, 3.0))
    assert "by argument [1] is not" in text


def test_orders_that_are_wrong_only_later_are_found():
    f = dg.custom_jvp(np.sin)
    f.defjvp(lambda p, t: (f(*p), np.cos(dg.stop_gradient(p[0])) * t[0]))
    dg.check_derivatives(f, 0.4, order=1)
    text = message(dg.CheckError, lambda: dg.check_derivatives(f, 0.4, order=2, modes=("jvp", "vjp")))
    assert "jvp of jvp of sin" in text
    text = message(dg.CheckError, lambda: dg.check_derivatives(f, 0.4, order=2, modes="jet"))
    assert "a coefficient of order 2 that does not follow from the one before" in text


def test_a_nan_is_no_derivative_and_a_jump_is_said():
    f = lambda x: np.sqrt(x * x)  # noqa: E731
    assert "nan against" in message(dg.CheckError, lambda: dg.check_derivatives(f, 0.0))
    text = message(dg.CheckError, lambda: dg.check_derivatives(lambda x: np.floor(x) * x, 1.0))
    assert "may not be smooth here" in text


def test_what_it_refuses():
    assert "order must be" in message(dg.ArgumentError, lambda: dg.check_derivatives(np.sin, 1.0, order=0))
    assert "order must be" in message(dg.ArgumentError, lambda: dg.check_derivatives(np.sin, 1.0, order=1.5))
    assert "modes=('vpj',)" in message(dg.ArgumentError, lambda: dg.check_derivatives(np.sin, 1.0, modes="vpj"))
    assert "no argument is a float" in message(dg.ArgumentError, lambda: dg.check_derivatives(np.sin, 1))
