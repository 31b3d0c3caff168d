"""Kernels through the public verbs, compiled: from Python, from nopython code, among numbers, and nested."""

import math

import numpy as np
import pytest
from numba import njit

import dualgrad as dg

X = np.linspace(0.2, 0.9, 4)
V = np.array([0.3, -1.0, 0.5, 2.0])


@njit
def rosenbrock(x):
    s = 0.0
    for i in range(len(x) - 1):
        s += 100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return s


@njit
def bump(t):
    return math.exp(math.sin(t)) / (1 + t * t)


@njit
def squares(x, y):
    for i in range(len(x)):
        y[i] = x[i] * x[i]


slope = dg.grad(bump)
steepest = dg.grad(rosenbrock)


@njit
def relaxed(t):
    for _ in range(5):
        t -= 0.3 * slope(t)
    return t * t


@njit
def descended(x):
    y = x.copy()
    for _ in range(3):
        d = steepest(y)
        for i in range(len(y)):
            y[i] -= 1e-3 * d[i]
    return rosenbrock(y)


@njit
def turned(x):
    return x * (2 + 1j)


plain = rosenbrock.py_func


def differences(f, x, h=1e-6):
    return np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(len(x))])


@pytest.mark.parametrize("verb", [dg.grad, dg.value_and_grad, dg.hessian, dg.jacfwd, dg.jacrev])
def test_a_verb_of_a_kernel_is_the_verb_of_its_python_function(verb):
    for ours, theirs in zip(np.atleast_1d(verb(rosenbrock)(X)), np.atleast_1d(verb(plain)(X)), strict=True) if (
        verb is not dg.value_and_grad
    ) else zip(verb(rosenbrock)(X), verb(plain)(X), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-10)


def test_jvp_vjp_linearize_and_hvp_agree():
    out, dot = dg.jvp(rosenbrock, (X,), (V,))
    value, pullback = dg.vjp(rosenbrock, X)
    _, lin = dg.linearize(rosenbrock, X)
    np.testing.assert_allclose([out, value], rosenbrock(X), rtol=1e-15)
    gradient = differences(rosenbrock, X)
    np.testing.assert_allclose(pullback(1.0)[0], gradient, rtol=1e-6)
    np.testing.assert_allclose([dot, lin(V)], gradient @ V, rtol=1e-6)
    np.testing.assert_allclose(lin.T(1.0)[0], pullback(1.0)[0])
    np.testing.assert_allclose(dg.hvp(rosenbrock, (X,), (V,)), dg.hessian(rosenbrock)(X) @ V, rtol=1e-12)
    np.testing.assert_allclose(dg.pushforward(dg.grad(rosenbrock))((X,), (V,))[1], dg.hessian(rosenbrock)(X) @ V)


def test_series_of_a_kernel_are_those_of_its_python_function():
    ours, theirs = dg.taylor(bump, 0.3, 8), dg.taylor(bump.py_func, 0.3, 8)
    np.testing.assert_allclose(ours.coeffs, theirs.coeffs, rtol=1e-13)
    assert dg.derivative(bump, 3)(0.3) == pytest.approx(ours.derivatives()[3])
    series = (np.stack([V, 0 * V]),)
    for a, b in zip(dg.jet(rosenbrock, (X,), series), dg.jet(plain, (X,), series), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_a_plain_function_that_calls_a_kernel_differentiates_in_every_mode_and_nested():
    kernel = dg.kernel(rosenbrock)

    def f(x):
        return 2 * kernel(np.sin(x) ** 2)

    def g(x):
        return 2 * plain(np.sin(x) ** 2)

    np.testing.assert_allclose(dg.grad(f)(X), dg.grad(g)(X), rtol=1e-12)
    np.testing.assert_allclose(dg.jacfwd(f)(X), dg.grad(g)(X), rtol=1e-12)
    np.testing.assert_allclose(dg.hessian(f)(X), dg.hessian(g)(X), rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(dg.jacrev(dg.jacfwd(f))(X), dg.hessian(g)(X), rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(dg.taylor(f, X, 4, V).coeffs, dg.taylor(g, X, 4, V).coeffs, rtol=1e-11)


def test_a_kernel_that_writes_its_argument_writes_numbers():
    kernel = dg.kernel(squares)

    def f(x):
        y = np.zeros_like(x)
        kernel(x, y)
        return np.sum(y * x)

    np.testing.assert_allclose(dg.grad(f)(X), 3 * X**2)
    np.testing.assert_allclose(dg.jacfwd(f)(X), 3 * X**2)
    np.testing.assert_allclose(dg.hessian(f)(X), np.diag(6 * X))


def test_a_transform_leaves_the_callers_arrays_alone():
    y = np.zeros(4)
    out, pullback = dg.vjp(squares, X, y)
    np.testing.assert_array_equal(out, X**2)
    np.testing.assert_allclose(pullback(np.ones(4))[0], 2 * X)
    np.testing.assert_allclose(dg.jvp(squares, (X, y), (V, 0 * V))[1], 2 * X * V)
    np.testing.assert_allclose(dg.jacobian(squares)(X, y), np.diag(2 * X))
    assert not y.any()


def test_derivatives_are_called_from_kernels_that_are_differentiated_again():
    h = 1e-6
    assert dg.grad(relaxed)(0.3) == pytest.approx((relaxed(0.3 + h) - relaxed(0.3 - h)) / (2 * h), rel=1e-7)
    np.testing.assert_allclose(dg.grad(descended)(X), differences(descended, X), rtol=1e-6)


def test_third_order_by_nested_gradients():
    third = dg.grad(dg.grad(dg.grad(bump)))(0.3)
    assert third == pytest.approx(6 * dg.taylor(bump, 0.3, 3).coeffs[3], rel=1e-12)


def test_integers_are_promoted_where_they_are_differentiated():
    assert dg.grad(bump)(1) == dg.grad(bump)(1.0)
    assert dg.jvp(bump, (1,), (1.0,)) == dg.jvp(bump, (1.0,), (1.0,))
    assert dg.vjp(bump, 1)[1](1.0) == dg.vjp(bump, 1.0)[1](1.0)


def test_complex_kernels():
    assert dg.jvp(turned, (1 + 2j,), (1j,)) == (5j, -1 + 2j)
    assert dg.vjp(turned, 1 + 2j)[1](1j) == (1j * (2 - 1j),)
    assert dg.vjp(turned, 1.0)[1](1 + 0j) == (2.0,)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: dg.jvp(rosenbrock, (X,), (V[:2],)), dg.StructureError, r"tangents\[0\] is not shaped like"),
        (lambda: dg.jvp(rosenbrock, (X,), (V, V)), dg.StructureError, "one entry for each argument"),
        (lambda: dg.jvp(rosenbrock, (X,), (1.0,)), dg.StructureError, "has 0 axes, not 1"),
        (lambda: dg.grad(rosenbrock, argnums=2)(X), dg.ArgumentError, "argnums=2, but rosenbrock was called with 1"),
        (lambda: dg.grad(squares)(X, X.copy()), dg.ArgumentError, "not one real number"),
        (lambda: dg.jacobian(squares)(X, X), dg.OverlapError, "share memory"),
        (lambda: dg.grad(rosenbrock, has_aux=True), dg.ArgumentError, "has_aux= is not for kernels"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("parts", "shared"),
    [
        (lambda a: (a[0, :3], a[0, 3:]), False),
        (lambda a: (a[0, ::2], a[0, 1::2]), False),
        (lambda a: (a[0, ::-2], a[0, ::2]), False),
        (lambda a: (a[0], a[1]), False),
        (lambda a: (a[:, 0], a[:, 1]), False),
        (lambda a: (a[::-1, 0], a[:, 5]), False),
        (lambda a: (a[0], a[0]), True),
        (lambda a: (a[0], a[0, ::-1]), True),
        (lambda a: (a[0, :4], a[0, 2:]), True),
        (lambda a: (a[0, 4::-1], a[0, :5]), True),
        (lambda a: (a[:, 1], a[::-1, 1]), True),
        (lambda a: (a[0, :0], a[0, :0]), False),
    ],
)
def test_arrays_that_share_memory_are_told_from_views_that_do_not(parts, shared):
    x, y = parts(np.random.default_rng(0).normal(size=(6, 6)))
    assert np.shares_memory(x, y) == shared
    if shared:
        with pytest.raises(dg.OverlapError, match="share memory"):
            dg.pullback(squares)((x, y), y)
    else:
        _, (back, _) = dg.pullback(squares)((x, y), y)
        np.testing.assert_allclose(back, 2 * x * y)
