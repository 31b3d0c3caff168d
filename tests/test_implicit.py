"""Solutions of equations: their derivatives of every order, without differentiating the iterations."""

import numpy as np
import pytest
from numba import njit
from scipy import optimize
from scipy.sparse import linalg as sparse

import dualgrad as dg

A = np.array([[3.0, 1.0, 0.0], [1.0, 4.0, 1.0], [0.0, 0.5, 5.0]])
B = np.array([1.0, 2.0, 3.0])
THETA = np.array([1.0, 0.5, 2.0])


def message(error, call):
    with pytest.raises(error) as info:
        call()
    return str(info.value)


def equations(x, a):
    return A @ x + 0.1 * x**3 - np.sin(a) * B


def newton(a):
    """Plain iterations that refuse numbers."""
    assert type(a) is np.ndarray
    x = np.zeros(3)
    for _ in range(30):
        x = x - np.linalg.solve(A + np.diag(0.3 * x**2), equations(x, a))
    return x


def unrolled(a):
    """The same solution by iterations that are differentiated, with a fixed matrix; right to all orders asked here."""
    x = 0.0 * a
    inverse = np.linalg.inv(A + np.diag(0.3 * newton(THETA) ** 2))
    for _ in range(40):
        x = x - inverse @ equations(x, a)
    return x


def gmres(matvec, b):
    operator = sparse.LinearOperator((3, 3), matvec, dtype=float)
    found, info = sparse.gmres(operator, b, rtol=1e-14, atol=0)
    assert info == 0
    return found


SOLVERS = {"dense": None, "iterative": gmres}
V = np.array([1.0, -1.0, 0.5])
loss = lambda root: lambda a: np.sum(np.cos(root(a * a)) * a)  # noqa: E731
MODES = {
    "value": lambda f: f(THETA),
    "jvp": lambda f: dg.jvp(f, (THETA,), (V,))[1],
    "vjp": lambda f: dg.vjp(f, THETA)[1](V)[0],
    "jacfwd": lambda f: dg.jacfwd(f)(THETA),
    "jacrev": lambda f: dg.jacrev(f)(THETA),
    "linearize": lambda f: dg.linearize(f, THETA)[1](V),
    "hessian": lambda f: dg.hessian(loss(f))(THETA),
    "reverse over forward": lambda f: dg.jacrev(dg.jacfwd(loss(f)))(THETA),
    "reverse over reverse": lambda f: dg.jacrev(dg.grad(loss(f)))(THETA),
    "forward over forward": lambda f: dg.jacfwd(dg.jacfwd(f))(THETA),
    "jet": lambda f: dg.taylor(f, THETA, 4, V).coeffs,
    "third order": lambda f: dg.jacfwd(dg.hessian(loss(f)))(THETA),
    "jet of a gradient": lambda f: dg.taylor(dg.grad(loss(f)), THETA, 3, V).coeffs,
    "gradient of a jet": lambda f: dg.grad(lambda a: np.sum(dg.taylor(f, a, 3, V).coeffs))(THETA),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_and_order_agrees_with_differentiated_iterations(mode, solver):
    root = dg.implicit_root(equations, newton, linear_solve=SOLVERS[solver])
    np.testing.assert_allclose(MODES[mode](root), MODES[mode](unrolled), rtol=1e-9, atol=1e-11)


def test_the_matrix_may_depend_on_the_parameters():
    root = dg.implicit_root(lambda x, m, b: m @ x - b, lambda m, b: np.linalg.solve(m, b))
    inverse = np.linalg.inv(A)
    x = inverse @ B
    ct = np.array([1.0, 2.0, -1.0])
    m_bar, b_bar = dg.vjp(root, A, B)[1](ct)
    np.testing.assert_allclose(b_bar, inverse.T @ ct)
    np.testing.assert_allclose(m_bar, -np.outer(inverse.T @ ct, x))
    E = np.arange(9.0).reshape(3, 3) / 9
    series = dg.jet(root, (A, B), ([E, 0 * E, 0 * E], [0 * B] * 3))[1]
    term = x
    for k in range(3):
        term = -inverse @ E @ term
        np.testing.assert_allclose(series[k], term)
    h = dg.jvp(dg.grad(lambda m: np.sum(root(m, B) ** 2)), (A,), (E,))[1]
    g = dg.jvp(lambda m: dg.jvp(lambda m: np.sum(root(m, B) ** 2), (m,), (E,))[1], (A,), (E,))[1]
    assert np.sum(h * E) == pytest.approx(g)


def test_a_scalar_unknown_to_high_order():
    root = dg.implicit_root(lambda x, a: x**2 - a, np.sqrt)
    np.testing.assert_allclose(dg.taylor(root, 2.0, 12).coeffs, dg.taylor(np.sqrt, 2.0, 12).coeffs, rtol=1e-12)
    value = dg.grad(root)(4.0)
    assert value == 0.25 and type(value) is np.float64
    assert dg.derivative(dg.derivative(dg.grad(root)), 1)(2.0) == pytest.approx(dg.derivative(np.sqrt, 3)(2.0))


def test_unknowns_in_containers():
    def f(s, p):
        return {"r": s["r"] ** 2 - p["a"], "v": [s["v"][0] * s["r"] - p["b"]]}

    root = dg.implicit_root(f, lambda p: {"r": np.sqrt(p["a"]), "v": [p["b"] / np.sqrt(p["a"])]})
    plain = lambda p: {"r": np.sqrt(p["a"]), "v": [p["b"] / np.sqrt(p["a"])]}  # noqa: E731
    p = {"a": 2.0, "b": B}
    for total in (lambda s: s["r"] * np.sum(s["v"][0] ** 2), lambda s: np.sum(s["v"][0]) + s["r"]):
        ours, theirs = (dg.grad(lambda p, r=r, t=total: t(r(p)))(p) for r in (root, plain))
        np.testing.assert_allclose(ours["a"], theirs["a"])
        np.testing.assert_allclose(ours["b"], theirs["b"])
    ours, theirs = (dg.hessian(lambda p, r=r: np.sum(r(p)["v"][0] ** 2))(p) for r in (root, plain))
    np.testing.assert_allclose(ours["a"]["b"], theirs["a"]["b"])


def test_solvers_of_scipy_and_compiled_equations():
    @njit
    def kepler(e, m, ecc):
        return e - ecc * np.sin(e) - m

    def solve(m, ecc):
        return optimize.brentq(kepler, 0.0, np.pi, args=(m, ecc), xtol=1e-15)

    anomaly = dg.implicit_root(kepler, solve)
    m, ecc = 1.0, 0.3
    e = anomaly(m, ecc)
    assert dg.grad(anomaly, (0, 1))(m, ecc) == pytest.approx(
        (1 / (1 - ecc * np.cos(e)), np.sin(e) / (1 - ecc * np.cos(e)))
    )
    step = 1e-4
    slope = lambda m: dg.derivative(anomaly, 2)(m, ecc)  # noqa: E731
    wanted = (slope(m + step) - slope(m - step)) / (2 * step)
    assert dg.derivative(anomaly, 3)(m, ecc) == pytest.approx(wanted, rel=1e-6)


def test_the_iterations_run_once_for_each_value_and_never_on_numbers():
    calls = []
    root = dg.implicit_root(equations, lambda a: calls.append(a) or newton(a))
    dg.jacrev(root)(THETA), dg.jacfwd(root)(THETA), dg.taylor(root, THETA, 5, V)
    assert len(calls) == 3 and all(type(a) is np.ndarray for a in calls)


def test_the_value_is_the_solvers_own():
    root = dg.implicit_root(lambda x, a: x - a, lambda a: a + 1e-3)  # a sloppy solver
    assert dg.jvp(root, (1.0,), (1.0,)) == (1.001, 1.0)
    assert dg.value_and_grad(root)(1.0) == (1.001, 1.0)


def test_arguments_without_derivatives_and_results_without_dependence():
    root = dg.implicit_root(lambda x, a, n, mode: x**n - a, lambda a, n, mode: a ** (1 / n))
    assert dg.grad(root)(8.0, 3, "cube") == pytest.approx(1 / 12)
    constant = dg.implicit_root(lambda x, a: x - 2.0, lambda a: 2.0)
    assert dg.grad(constant)(1.0) == 0.0 and dg.derivative(constant, 2)(1.0) == 0.0


# Fixed points


def test_a_fixed_point_in_every_mode():
    f = lambda x, a: np.cos(a * x)  # noqa: E731
    point = lambda a: dg.fixed_point(f, 1.0, a)  # noqa: E731
    find = lambda a: optimize.brentq(lambda x: f(x, a) - x, 0, 1, xtol=1e-15)  # noqa: E731
    root = dg.implicit_root(lambda x, a: f(x, a) - x, find)
    assert point(1.0) == pytest.approx(0.7390851332151607)
    for mode in (dg.grad, dg.jacfwd, dg.hessian, lambda f: dg.derivative(f, 4), lambda f: dg.grad(dg.grad(dg.grad(f)))):
        assert mode(point)(1.0) == pytest.approx(mode(root)(1.0), rel=1e-9)


def test_where_a_fixed_point_starts_does_not_count():
    f = lambda x, a: 0.5 * x + a  # noqa: E731
    assert dg.grad(lambda a: dg.fixed_point(f, 3 * a, a))(1.0) == pytest.approx(2.0)


def test_fixed_points_of_containers_with_a_solver_of_ones_own():
    def f(s, a):
        return {"u": 0.3 * np.sin(s["v"]) + a, "v": 0.2 * s["u"]}

    def anderson(f, x, a):
        flat = optimize.root(lambda z: z - np.concatenate(list(f({"u": z[:3], "v": z[3:]}, a).values())), np.zeros(6),
                             tol=1e-14).x  # fmt: skip
        return {"u": flat[:3], "v": flat[3:]}

    start = {"u": np.zeros(3), "v": np.zeros(3)}
    ours = dg.jacrev(lambda a: dg.fixed_point(f, start, a)["u"])(THETA)
    for options in ({"solve": anderson}, {"linear_solve": richardson}):
        found = dg.jacrev(lambda a, o=options: dg.fixed_point(f, start, a, **o)["u"])(THETA)
        np.testing.assert_allclose(found, ours, rtol=1e-9)
    step = 1e-6
    columns = [(dg.fixed_point(f, start, THETA + step * e)["u"] - dg.fixed_point(f, start, THETA - step * e)["u"])
               / (2 * step) for e in np.eye(3)]  # fmt: skip
    np.testing.assert_allclose(ours, np.stack(columns, 1), rtol=1e-7)


def richardson(matvec, b):
    """The matrix is f' - 1, so u = f' u - b is a contraction."""
    u = {k: -v for k, v in b.items()}
    for _ in range(60):
        product = matvec(u)
        u = {k: u[k] + product[k] - b[k] for k in b}
    return u


# What is refused


def test_what_is_refused_and_how_it_is_said():
    root = dg.implicit_root(lambda x, a: x[:2] - a[:2], lambda a: a)
    text = message(dg.StructureError, lambda: dg.jacrev(root)(THETA))
    assert "f has 2 entries for 3 unknowns" in text and "one equation for each unknown" in text
    assert "solve=3 is not a function" in message(dg.ArgumentError, lambda: dg.implicit_root(equations, 3))

    def closed(a):
        return dg.implicit_root(lambda x: x**2 - a, lambda: 2.0)()

    for mode in (dg.grad, dg.jacfwd, dg.derivative):
        text = message(dg.UnsupportedError, lambda mode=mode: mode(closed)(4.0))
        assert "a number that is not among its arguments" in text and "test_implicit.py" in text
    twice = lambda x, a: np.stack([x[0] + x[1] - a, 2 * (x[0] + x[1] - a)])  # noqa: E731
    singular = dg.implicit_root(twice, lambda a: np.array([a, 0]))
    assert "Singular" in message(np.linalg.LinAlgError, lambda: dg.jacrev(singular)(1.0))
    text = message(dg.ConvergenceError, lambda: dg.fixed_point(lambda x: 2 * x + 1, 1.0, maxiter=20))
    assert "no convergence in 20 iterations" in text and "maxiter=" in text
    assert "f does not return what x is" in message(dg.StructureError, lambda: dg.fixed_point(lambda x: x[:1], B))
