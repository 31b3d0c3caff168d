"""Within debug_nans a derivative that is not finite names the line where that began, in every mode."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from eager_cases import CASES
from numba import njit

import dualgrad as dg
from dualgrad.backends import steps, watch


def logs(x):
    y = x * 2.0
    z = np.log(y)
    return np.sum(z)


def root(x):
    s = x * x
    return np.sqrt(s)


def bent(x):
    a = np.sin(x)
    return a**1.5


def branches(x):
    bad = np.sqrt(x)
    y = np.where(x < 1.0, x, bad)
    return np.sum(y)


def product(x):
    bad = np.log(x - 1.0)
    hidden = np.where(x > 1.0, bad, 0.0)
    y = np.sqrt(x) * np.sqrt(x)
    return np.sum(y + hidden)


@njit
def inner(v):
    return np.sqrt(v)


@njit
def kernel(x):
    s = 0.0
    for k in range(x.size):
        s += inner(x[k])
    return s


called = dg.kernel(kernel)


@dg.custom_jvp
def ruled(x):
    return np.abs(x)


def rule(primals, tangents):
    (x,), (dx,) = primals, tangents
    return np.abs(x), dx * np.inf


ruled.defjvp(rule)


def through_rule(x):
    y = x + 1.0
    return ruled(y)


A, B = np.array([1.0, 0.0]), np.array([1.0, 1.0])
WORDS = {
    # mode: (call, function, line after its first, what the message says)
    "jvp, primal": (lambda: dg.jvp(logs, (A,), (B,)), logs, 2, "jvp: the primal of log is not finite: [0.693147 -inf]"),
    "jvp, tangent": (lambda: dg.jvp(root, (0.0,), (1.0,)), root, 2, "jvp: a tangent of sqrt is not finite: nan"),
    "vjp": (lambda: dg.vjp(root, 0.0)[1](1.0), root, 2, "vjp: a cotangent of sqrt is not finite: inf"),
    "vjp, primal": (lambda: dg.vjp(logs, A), logs, 2, "vjp: the primal of log is not finite"),
    "grad": (lambda: dg.grad(root)(0.0), root, 2, "grad: a cotangent of sqrt is not finite: inf"),
    "grad behind a branch": (lambda: dg.grad(product)(np.zeros(2)), product, 3, "grad: a cotangent of sqrt is"),
    "value_and_grad": (lambda: dg.value_and_grad(root)(0.0), root, 2, "a cotangent of sqrt"),
    "linearize": (lambda: dg.linearize(root, 0.0)[1](1.0), root, 2, "linearize: a tangent of sqrt is not finite: nan"),
    "transpose": (lambda: dg.linearize(root, 0.0)[1].T(1.0), root, 2, "linearize: a cotangent of sqrt"),
    "matmul": (lambda: dg.linearize(root, 0.0)[1].T @ np.ones(1), root, 2, "linearize: a cotangent of sqrt"),
    "jacobian": (lambda: dg.jacfwd(root)(A), root, 2, "jacfwd: a tangent of sqrt is not finite"),
    "jacrev": (lambda: dg.jacrev(root)(A), root, 2, "jacrev: a cotangent of sqrt is not finite"),
    "hessian": (lambda: dg.hessian(lambda x: bent(x[0]))(np.zeros(1)), bent, 2, "a tangent of the cotangent of power"),
    "hvp": (lambda: dg.hvp(bent, (0.0,), (1.0,)), bent, 2, "a tangent of the cotangent of power is not finite: inf"),
    "reverse over forward": (
        lambda: dg.grad(lambda x: dg.jvp(bent, (x,), (1.0,))[1])(0.0), bent, 2, "grad: a cotangent of power",
    ),
    "derivative": (lambda: dg.derivative(bent, 2)(0.0), bent, 2, "derivative: the coefficient of order 2 of power"),
    "taylor": (lambda: dg.taylor(bent, 0.0, 3), bent, 2, "taylor: the coefficient of order 2 of power"),
    "jet": (lambda: dg.jet(logs, (A,), ([B],)), logs, 2, "jet: the primal of log is not finite"),
    "kernel": (lambda: dg.grad(kernel)(A), inner, 2, "grad: a cotangent of sqrt is not finite"),
    "kernel, forward": (lambda: dg.jvp(kernel, (A,), (B,)), inner, 2, "jvp: a tangent of sqrt is not finite: inf"),
    "kernel, series": (lambda: dg.taylor(kernel, A, 2, B), inner, 2, "taylor: the coefficient of order 1 of sqrt"),
    "kernel in a function": (lambda: dg.grad(lambda x: called(x) * 2.0)(A), inner, 2, "a cotangent of sqrt"),
    "custom rule": (lambda: dg.jvp(through_rule, (1.0,), (1.0,)), through_rule, 2, "jvp: a tangent of "),
    "custom rule, reverse": (lambda: dg.grad(through_rule)(1.0), rule, 2, "a cotangent of mul is not finite: inf"),
}  # fmt: skip


@pytest.mark.parametrize("call, f, line, says", WORDS.values(), ids=WORDS)
def test_the_line_the_word_and_which_of_the_three(call, f, line, says):
    with pytest.raises(dg.NonFiniteError) as caught, dg.debug_nans():
        call()
    error = caught.value
    code = getattr(f, "py_func", f).__code__
    assert says in error.what
    assert error.where.startswith(f"{code.co_filename}:{code.co_firstlineno + line}, in {f.__name__}: ")
    assert isinstance(error, FloatingPointError) and isinstance(error, dg.DualgradError)
    call()  # outside, the answer is as ever
    assert watch.watcher is None


def test_the_message_to_the_letter():
    with pytest.raises(dg.NonFiniteError) as caught, dg.debug_nans():
        dg.grad(root)(0.0)
    line = root.__code__.co_firstlineno + 2
    assert str(caught.value).splitlines() == [
        "grad: a cotangent of sqrt is not finite: inf",
        f"  where: {__file__}:{line}, in root: return np.sqrt(s)",
        "  why:   its inputs were y = 0, cotangent = 1",
        "  do:    keep arguments away from the point where it has no derivative; where a branch excludes the point, "
        "choose the argument first (f(np.where(ok, x, 1.0))); give a limit that you know by dg.custom_jvp",
    ]


def test_what_is_finite_in_the_end_is_not_questioned():
    with dg.debug_nans():
        assert dg.grad(branches)(np.array([-1.0, 0.0])).tolist() == [1.0, 1.0]
        assert dg.jvp(branches, (np.zeros(2),), (B,))[1] == 2.0
        assert dg.jacobian(lambda x: np.where(x < 1, x, np.sqrt(x)))(A).tolist() == [[0.5, 0.0], [0.0, 1.0]]
        assert dg.hessian(lambda x: np.sum(np.where(x < 1, x * x, np.sqrt(x))))(np.zeros(1)).tolist() == [[2.0]]


def test_what_came_in_not_finite_is_said_to_have_come_in():
    with dg.debug_nans():
        with pytest.raises(dg.NonFiniteError, match="a was NaN already, before any word"):
            dg.grad(lambda x: x * 2.0)(np.nan)
        with pytest.raises(dg.NonFiniteError, match="no word of the function made it"):
            dg.vjp(lambda x: x, np.nan)
        with pytest.raises(dg.NonFiniteError, match="b = nan; b was NaN already"):
            dg.grad(lambda x: x * np.float64(np.nan))(1.0)


def test_infinities_only_if_asked():
    with dg.debug_nans(infs=False):
        assert dg.grad(np.sqrt)(0.0) == np.inf
        with pytest.raises(dg.NonFiniteError):
            dg.grad(root)(0.0)
        with dg.debug_nans(), pytest.raises(dg.NonFiniteError):
            dg.grad(np.sqrt)(0.0)
        assert dg.grad(np.sqrt)(0.0) == np.inf


def test_numbers_made_by_hand_raise_where_it_happens():
    with dg.debug_nans(), np.errstate(all="ignore"):
        assert (dg.Dual(2.0, 1.0) ** 2).tangent == 4.0
        with pytest.raises(dg.NonFiniteError, match="a number made by hand: the primal of log"):
            np.log(dg.Dual(0.0, 1.0))
        with pytest.raises(dg.NonFiniteError, match="the coefficient of order 1 of sqrt"):
            np.sqrt(dg.Jet([0.0, 1.0]))
    with np.errstate(all="ignore"):
        assert np.isinf(np.log(dg.Dual(0.0, 1.0)).primal)


def test_it_is_a_switch_and_a_decorator_too():
    dg.debug_nans.on()
    with pytest.raises(dg.NonFiniteError):
        dg.grad(root)(0.0)
    dg.debug_nans.off()
    dg.debug_nans.off()  # once too often does nothing
    assert np.isnan(dg.grad(root)(0.0)) and watch.watcher is None

    @dg.debug_nans()
    def run(x):
        return dg.grad(root)(x)

    assert run(2.0) == 1.0
    for _ in range(2):
        with pytest.raises(dg.NonFiniteError):
            run(0.0)


def test_an_error_of_the_function_leaves_nothing_behind():
    def f(x):
        np.log(x * 0.0)
        raise KeyError("mine")

    with dg.debug_nans():
        with pytest.raises(KeyError):
            dg.grad(f)(1.0)
        with pytest.raises(dg.NonFiniteError, match="sqrt"):
            dg.grad(root)(0.0)
    dg.grad(root)(1.0)


def test_off_means_that_every_word_is_as_it_was():
    codes = {f: f.__code__ for f in steps.MADE}
    with dg.debug_nans():
        dg.grad(lambda x: np.sum(np.arctan2(x, 2.0) ** 3))(B)  # words that are generated meanwhile too
        looking = [f for f in steps.MADE if f.__code__.co_name == "_looking"]
        assert len(looking) > 10
    assert all(f.__code__ is code for f, code in codes.items())
    assert not any(f.__code__.co_name == "_looking" for f in steps.MADE)
    assert dg.grad(lambda x: np.arctan2(x, 2.0))(0.0) == 0.5


def test_threads():
    with dg.debug_nans(), ThreadPoolExecutor(2) as pool:
        with pytest.raises(dg.NonFiniteError, match="sqrt"):
            dg.jacobian(np.sqrt, executor=pool)(np.array([1.0, 0.0, 2.0]))
        assert dg.jacobian(np.sqrt, executor=pool)(B).tolist() == [[0.5, 0.0], [0.0, 0.5]]
    assert threading.active_count() < 20


def test_a_gradient_of_a_kernel_that_was_made_inside_works_outside():
    with dg.debug_nans():
        gradient = dg.grad(kernel)
        assert gradient(B).tolist() == [0.5, 0.5]
    assert gradient(B).tolist() == [0.5, 0.5]
    before = dg.grad(kernel)
    with dg.debug_nans():
        assert before(A).tolist() == [0.5, np.inf]  # compiled code is not looked into


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_derivatives_are_the_same_to_the_bit(case):
    w = np.cos(np.arange(np.size(case.f(case.x)))).reshape(np.shape(case.f(case.x)))[()]

    def derivatives():
        series = dg.jet(case.f, (case.x,), ([case.x],))
        return dg.jvp(case.f, (case.x,), (case.x,)), dg.vjp(case.f, case.x)[1](w), series

    plain = derivatives()
    with dg.debug_nans():
        watched = derivatives()
    np.testing.assert_equal(watched, plain)
