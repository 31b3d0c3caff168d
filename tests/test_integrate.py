"""`dualgrad.scipy.integrate`: values are SciPy's, derivatives those of exact solutions and of differences."""

import numpy as np
import pytest
import scipy.integrate
from numba import njit
from scipy.integrate import odeint, solve_ivp

import dualgrad as dg

TIMES = np.array([0.2, 0.5, 1.4, 3.0])
START = np.array([1.0, 0.3])
FINE = {"rtol": 1e-11, "atol": 1e-12}


def oscillator(y, t, w):
    return [y[1], -(w**2) * y[0]]


def by_odeint(y0, t, w):
    return odeint(oscillator, y0, t, args=(w,), **FINE)


def by_solve_ivp(y0, t, w):
    found = solve_ivp(lambda t, y: oscillator(y, t, w), (t[0], t[-1]), y0, "DOP853", t_eval=t, **FINE)
    return found.y.T


def exact(y0, t, w):
    c, s = np.cos(w * (t - t[0])), np.sin(w * (t - t[0]))
    return np.stack([y0[0] * c + y0[1] / w * s, -y0[0] * w * s + y0[1] * c], 1)


def logistic(y, t, r, k):
    return r * y * (1 - y / k)


def close(found, wanted, tol=1e-8):
    np.testing.assert_allclose(found, wanted, rtol=tol, atol=tol)


@pytest.mark.parametrize("f", [by_odeint, by_solve_ivp])
@pytest.mark.parametrize("by", [0, 1, 2], ids=["y0", "t", "args"])
@pytest.mark.parametrize("jacobian", [dg.jacfwd, dg.jacrev])
def test_the_oscillator_by_start_times_and_arguments(f, by, jacobian):
    close(jacobian(f, by)(START, TIMES, 1.3), jacobian(exact, by)(START, TIMES, 1.3))


HIGHER = {
    "series": lambda g: dg.derivative(g, 3),
    "forward over reverse": lambda g: dg.hessian(g),
    "reverse over forward": lambda g: dg.grad(lambda x: dg.jvp(g, (x,), (1.0,))[1]),
    "reverse over reverse": lambda g: dg.grad(dg.grad(g)),
    "series over reverse": lambda g: dg.derivative(dg.grad(g), 2),
}


@pytest.mark.parametrize("verb", HIGHER.values(), ids=HIGHER)
@pytest.mark.parametrize("f", [by_odeint, by_solve_ivp])
def test_higher_orders_through_start_times_and_arguments(f, verb):
    def total(f):
        return lambda w: np.sum(np.sin(f(START * w, TIMES[:3] * w, w)))

    close(verb(total(f))(1.3), verb(total(exact))(1.3), 1e-6)


def test_the_logistic_equation_by_all_of_it():
    def grown(y0, t, r, k):
        return odeint(logistic, y0, t, args=(r, k), **FINE)[:, 0]

    def solution(y0, t, r, k):
        return k / (1 + (k / y0 - 1) * np.exp(-r * (t - t[0])))

    point, by = (0.2, TIMES, 1.7, 2.5), (0, 1, 2, 3)
    for found, wanted in zip(dg.jacobian(grown, by)(*point), dg.jacobian(solution, by)(*point)):
        close(found, wanted)
    last = lambda f: lambda x: f(x[0], TIMES, x[1], x[2])[-1]  # noqa: E731
    x = np.array([0.2, 1.7, 2.5])
    close(dg.hessian(last(grown))(x), dg.hessian(last(solution))(x), 1e-7)


def lotka(y, t, rates, shift):
    a, b = rates["prey"]
    return np.array([a * y[0] - b * y[0] * y[1], shift * y[0] * y[1] - np.sin(t) * y[1]])


def lotka_volterra(y0, t, rates, shift):
    return odeint(lotka, y0, t, (rates, shift), **FINE)


def test_against_differences_and_the_adjoint_identity(rng):
    point = np.array([1.0, 0.7]), TIMES, {"prey": np.array([0.9, 0.4])}, 0.6
    along = rng.normal(size=2), rng.normal(size=4), {"prey": rng.normal(size=2)}, 0.3
    ct = rng.normal(size=(4, 2))
    moved = lambda h: lotka_volterra(  # noqa: E731
        point[0] + h * along[0], point[1] + h * along[1], {"prey": point[2]["prey"] + h * along[2]["prey"]},
        point[3] + h * along[3])  # fmt: skip
    y, y_dot = dg.jvp(lotka_volterra, point, along)
    np.testing.assert_array_equal(y, moved(0.0))
    close(y_dot, (moved(1e-4) - moved(-1e-4)) / 2e-4, 1e-6)
    y, pullback = dg.vjp(lotka_volterra, *point)
    np.testing.assert_array_equal(y, moved(0.0))
    y0, t, rates, shift = pullback(ct)
    product = y0 @ along[0] + t @ along[1] + rates["prey"] @ along[2]["prey"] + shift * along[3]
    close(product, np.sum(ct * y_dot))


def test_the_linear_map_pushes_what_it_pulls(rng):
    _, lin = dg.linearize(lambda y0: by_odeint(y0, TIMES, 1.3), START)
    close(lin.to_dense(), dg.jacfwd(by_odeint)(START, TIMES, 1.3).reshape(8, 2))
    close(lin.T.to_dense(), lin.to_dense().T)


def test_the_value_is_that_of_scipy_in_every_mode():
    plain = odeint(oscillator, START, TIMES, args=(1.3,))
    f = lambda w: odeint(oscillator, START, TIMES, args=(w,))  # noqa: E731
    np.testing.assert_array_equal(dg.jvp(f, (1.3,), (1.0,))[0], plain)
    np.testing.assert_array_equal(dg.vjp(f, 1.3)[0], plain)
    np.testing.assert_array_equal(dg.taylor(f, 1.3, 2).primal, plain)
    np.testing.assert_array_equal(dg.scipy.integrate.odeint(oscillator, START, TIMES, (1.3,)), plain)
    g = lambda w: solve_ivp(lambda t, y: oscillator(y, t, w), (0, 2), START, t_eval=TIMES[:3]).y  # noqa: E731
    np.testing.assert_array_equal(dg.vjp(g, 1.3)[0], g(1.3))


@pytest.mark.parametrize("options", [{}, {"tfirst": True}, {"Dfun": True}, {"rtol": np.array([1e-11, 1e-10])}])
def test_options_of_odeint(options):
    func, jac = oscillator, lambda y, t, w: np.array([[0, 1], [-(w**2), 0.0]])
    if "tfirst" in options:
        func = lambda t, y, w: oscillator(y, t, w)  # noqa: E731
    if "Dfun" in options:
        options = {"Dfun": jac}
    f = lambda w: odeint(func, START, TIMES, (w,), **{**FINE, **options})  # noqa: E731
    wanted = dg.jacfwd(exact, 2)(START, TIMES, 1.3)
    close(dg.jacfwd(f)(1.3), wanted)
    close(dg.jacrev(f)(1.3), wanted)


def test_solve_ivp_without_times_ends_where_the_span_does():
    def end(t1, w):
        rate = lambda t, y, w: oscillator(y, t, w)  # noqa: E731
        return solve_ivp(rate, (0.0, t1), START, "Radau", args=(w,), rtol=1e-8, atol=1e-9).y[0, -1]

    value = lambda t1, w: exact(START, np.stack([0.0 * t1, t1]), w)[-1, 0]  # noqa: E731
    close(dg.grad(end, (0, 1))(2.0, 1.3), dg.grad(value, (0, 1))(2.0, 1.3), 1e-5)
    found = dg.scipy.integrate.solve_ivp(lambda t, y: -y, (0.0, 1.0), [1.0], events=lambda t, y: y[0] - 0.5)
    assert len(found.t_events[0]) == 1  # plain arguments have all of SciPy


def test_solvers_that_ask_for_a_jacobian_get_it_for_the_value():
    asked = []

    def jac(t, y):
        asked.append(t)
        return np.array([[0, 1], [-1.69, 0.0]])

    def f(y0):
        rate = lambda t, y: oscillator(y, t, 1.3)  # noqa: E731
        return solve_ivp(rate, (0, 2), y0, "BDF", TIMES[:3], jac=jac, rtol=1e-8, atol=1e-9).y

    exactly = dg.jacfwd(lambda y0: exact(y0, np.array([0, *TIMES[:3]]), 1.3)[1:].T)(START)
    close(dg.jacrev(f)(START), exactly, 1e-5)
    assert asked


def test_every_name_of_odeint_is_recognized():
    def local(w):
        from scipy.integrate import odeint as solve

        return solve(oscillator, START, TIMES, (w,))

    forms = [local, lambda w: odeint(oscillator, START, TIMES, (w,)),
             lambda w: scipy.integrate.odeint(oscillator, START, TIMES, (w,)),
             lambda w: dg.scipy.integrate.odeint(oscillator, START, TIMES, (w,))]  # fmt: skip
    for f in forms:
        close(dg.jacfwd(f)(1.3), dg.jacfwd(exact, 2)(START, TIMES, 1.3), 1e-5)


def test_numbers_that_the_equation_closes_over_count_as_arguments():
    def total(k, s):
        def rate(y, t):
            return -k["decay"] * helper(y)

        def helper(y):
            return y * s

        return odeint(rate, [1.0], [0.0, 2.0], **FINE)[-1, 0]

    value = np.exp(-0.5 * 0.7 * 2)
    found = dg.grad(total, (0, 1))({"decay": 0.5}, 0.7)
    close(found[0]["decay"], -1.4 * value)
    close(found[1], -value)
    close(dg.derivative(lambda s: total({"decay": 0.5}, s), 4)(0.7), value)


class Holder:
    pass


def test_what_cannot_be_seen_raises():
    held = Holder()

    def f(k):
        held.k = k
        return odeint(lambda y, t: -held.k * y, [1.0], [0.0, 1.0])

    with pytest.raises(dg.UnsupportedError, match="depends on a number that is not among its arguments"):
        dg.jacfwd(f)(0.5)
    with pytest.raises(dg.UnsupportedError, match="full_output"):
        dg.jacfwd(lambda k: odeint(logistic, 0.2, TIMES, (k, 1.0), full_output=True))(0.5)
    with pytest.raises(dg.UnsupportedError, match="solve_ivp with events= has no derivative"):
        dg.jacfwd(lambda k: solve_ivp(lambda t, y: k * y, (0, 1), [1.0], events=lambda t, y: y[0]).y)(0.5)
    with pytest.raises(dg.UnsupportedError, match="complex"):
        dg.jvp(lambda k: odeint(lambda y, t, k: abs(k) * y, [1.0], TIMES, (k,)), (1j,), (1.0,))
    with pytest.raises(dg.StructureError, match="3 derivatives for 2 unknowns"):
        dg.jvp(lambda k: odeint(lambda y, t: [k, k, k], START, TIMES), (1.0,), (1.0,))
    with pytest.raises(dg.ConvergenceError, match="step size"):
        dg.grad(lambda y0: solve_ivp(lambda t, y: y**2, (0, 3), [y0]).y[0, -1])(1.0)


@njit
def pendulum(y, t, g):
    return np.array([y[1], -g * np.sin(y[0])])


@pytest.mark.kernel
def test_a_kernel_as_right_hand_side():
    def total(f):
        return lambda g: np.sum(odeint(f, START, TIMES, (g,), **FINE) ** 2)

    plain = total(pendulum.py_func)
    close(dg.grad(total(pendulum))(1.1), dg.grad(plain)(1.1))
    close(dg.derivative(total(pendulum), 2)(1.1), dg.hessian(plain)(1.1), 1e-6)


def test_the_derivatives_of_hips_autograd():
    autograd = pytest.importorskip("autograd")
    theirs = pytest.importorskip("autograd.scipy.integrate")
    anp, many = autograd.numpy, autograd.builtins.tuple

    def loss(solve, xp):
        rate = lambda y, t, k: xp.stack([y[1], -k * xp.sin(y[0])])  # noqa: E731
        return lambda k: xp.sum(solve(rate, START, TIMES, many((k,))) ** 2)

    close(dg.grad(loss(odeint, np))(1.1), autograd.grad(loss(theirs.odeint, anp))(1.1), 1e-5)
