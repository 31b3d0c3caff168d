"""`dualgrad.interop` with the libraries themselves: they accept what they are given, and find the solution."""

import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from numba import njit
from scipy import integrate, optimize

import dualgrad as dg

interop = dg.interop
START = np.array([-1.2, 1.0, 0.5])


class Counted:
    """A function that counts its calls."""

    def __init__(self, f):
        self.f, self.count = f, 0

    def __call__(self, *args):
        self.count += 1
        return self.f(*args)


def rosenbrock(x, a=1.0):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (a - x[:-1]) ** 2)


@njit
def rosenbrock_kernel(x):
    s = 0.0
    for i in range(len(x) - 1):
        s += 100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return s


NEEDS = {
    "BFGS": {}, "L-BFGS-B": {}, "CG": {}, "SLSQP": {}, "TNC": {}, "Newton-CG": {"hessp": True},
    "trust-ncg": {"hessp": True}, "trust-krylov": {"hessp": True}, "trust-exact": {"hess": True},
    "dogleg": {"hess": True}, "trust-constr": {"hess": True},
}  # fmt: skip


@pytest.mark.parametrize("method", NEEDS)
def test_minimize(method):
    start = np.array([1.02, 1.05, 1.1]) if method == "dogleg" else START
    options = {"maxfun": 1000} if method == "TNC" else {}
    f = interop.minimize(rosenbrock, **NEEDS[method])
    found = optimize.minimize(x0=start, method=method, options=options, **f)
    np.testing.assert_allclose(found.x, 1, atol=2e-3)


@pytest.mark.kernel
@pytest.mark.parametrize("method", ["BFGS", "Newton-CG", "trust-exact"])
def test_minimize_a_kernel(method):
    found = optimize.minimize(x0=START, method=method, **interop.minimize(rosenbrock_kernel, **NEEDS[method]))
    np.testing.assert_allclose(found.x, 1, atol=1e-4)


def test_minimize_passes_arguments_on():
    f = interop.minimize(rosenbrock, hess=True, hessp=True)
    x, p = START, np.array([0.3, -1.0, 2.0])
    assert f["fun"](x, 2.0) == rosenbrock(x, 2.0)
    np.testing.assert_array_equal(f["jac"](x, 2.0), dg.grad(rosenbrock)(x, 2.0))
    np.testing.assert_allclose(f["hessp"](x, p, 2.0), f["hess"](x, 2.0) @ p)
    assert f["jac"](x, 2.0).shape == (3,) and type(f["fun"](x, 2.0)) is float
    found = optimize.minimize(x0=START, args=(2.0,), **interop.minimize(rosenbrock))
    np.testing.assert_allclose(found.fun, optimize.minimize(rosenbrock, START, (2.0,)).fun, atol=1e-6)


def test_value_and_derivative_share_one_evaluation():
    counted = Counted(rosenbrock)
    f = interop.minimize(counted)
    x = START.copy()
    f["fun"](x), f["jac"](x), f["fun"](x.copy())
    assert counted.count == 1
    before = f["jac"](x).copy()
    x[0] = 0.5  # in place, as optimizers do
    assert f["fun"](x) == rosenbrock(x) and counted.count == 2
    assert not np.array_equal(before, f["jac"](x))
    f["jac"](x)[:] = 0  # what is handed out belongs to the caller
    np.testing.assert_array_equal(f["jac"](x), dg.grad(rosenbrock)(x))
    assert counted.count == 2
    data = np.array([1.0])
    g = interop.minimize(lambda x, d: np.sum(x) * d["a"][0])
    assert g["fun"](x, {"a": data}) == np.sum(x)
    data[0] = 3.0
    assert g["fun"](x, {"a": data}) == 3 * np.sum(x)
    residuals = Counted(lambda p: np.exp(p))
    h = interop.least_squares(residuals)
    h["fun"](x), h["jac"](x)
    assert residuals.count <= 2  # once to see whether rows or columns are fewer


def test_threads_do_not_mix_up_points():
    f, wrong = interop.minimize(rosenbrock), []

    def work(seed):
        for x in np.random.default_rng(seed).normal(size=(60, 3)):
            if f["fun"](x) != rosenbrock(x) or not np.array_equal(f["jac"](x), dg.grad(rosenbrock)(x)):
                wrong.append(x)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert not wrong


TIMES = np.linspace(0.1, 4.0, 25)


def decay(t, a, k, c=0.0):
    return a * np.exp(-k * t) + c


@njit
def decay_kernel(t, a, k):
    return a * np.exp(-k * t)


@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
def test_least_squares(method):
    data = decay(TIMES, 2.0, 0.7)
    f = interop.least_squares(lambda p, s: [s * (decay(t, p[0], p[1]) - y) for t, y in zip(TIMES, data)])
    found = optimize.least_squares(x0=[1.0, 1.0], args=(1.0,), method=method, **f)
    np.testing.assert_allclose(found.x, [2.0, 0.7], rtol=1e-6)
    assert f["jac"]([1.0, 1.0], 1.0).shape == (25, 2)


@pytest.mark.kernel
@pytest.mark.parametrize("f", [decay, decay_kernel])
@pytest.mark.parametrize("sigma", [None, 0.1 + TIMES])
def test_curve_fit(f, sigma):
    data = decay(TIMES, 2.0, 0.7) + 0.01 * np.cos(9 * TIMES)
    start = [1.0, 1.0, 0.1] if f is decay else None  # without it the number of parameters is read from the names
    found = optimize.curve_fit(xdata=TIMES, ydata=data, p0=start, sigma=sigma, **interop.curve_fit(f))
    wanted = optimize.curve_fit(f, TIMES, data, p0=start, sigma=sigma)
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("method", ["hybr", "lm"])
def test_root(method):
    f = interop.root(lambda x, r: [x[0] ** 2 + x[1] ** 2 - r, x[0] - x[1]])
    found = optimize.root(x0=[1.0, 0.4], args=(2.0,), method=method, **f)
    np.testing.assert_allclose(found.x, 1, rtol=1e-9)


@pytest.mark.parametrize("method", ["newton", "halley"])
def test_root_scalar(method):
    f = interop.root_scalar(lambda x, a: x * np.exp(x) - a, fprime2=method == "halley")
    found = optimize.root_scalar(x0=1.0, args=(3.0,), method=method, **f)
    np.testing.assert_allclose(found.root * np.exp(found.root), 3.0)
    assert list(f) == ["f", "fprime", "fprime2"][: len(f)]
    assert f["fprime"](0.5, 3.0) == pytest.approx(1.5 * np.exp(0.5))
    if "fprime2" in f:
        assert f["fprime2"](0.5, 3.0) == pytest.approx(2.5 * np.exp(0.5))


def robertson(t, y, k):
    a, b = 0.04 * y[0], k * y[1] * y[2]
    return [b - a, a - b - 3e7 * y[1] ** 2, 3e7 * y[1] ** 2]


@njit
def robertson_kernel(t, y, k):
    out = np.empty(3)
    a, b = 0.04 * y[0], k * y[1] * y[2]
    out[0], out[2] = b - a, 3e7 * y[1] ** 2
    out[1] = -out[0] - out[2]
    return out


@pytest.mark.kernel
@pytest.mark.parametrize("f", [robertson, robertson_kernel])
@pytest.mark.parametrize("method", ["Radau", "BDF", "LSODA"])
def test_solve_ivp(f, method):
    options = {"t_span": (0, 40), "y0": [1.0, 0, 0], "method": method, "rtol": 1e-6, "atol": 1e-9, "args": (1e4,)}
    found = integrate.solve_ivp(**interop.solve_ivp(f), **options)
    wanted = integrate.solve_ivp(robertson, **options)
    assert found.success
    np.testing.assert_allclose(found.y[:, -1], wanted.y[:, -1], rtol=1e-4)


@pytest.mark.parametrize("tfirst", [False, True])
def test_odeint(tfirst):
    f = robertson if tfirst else lambda y, t, k: robertson(t, y, k)
    made = interop.odeint(f, tfirst=tfirst)
    options = {"y0": [1.0, 0, 0], "t": [0, 40.0], "args": (1e4,), "full_output": True}
    found, report = integrate.odeint(**made, **options)
    wanted, theirs = integrate.odeint(f, tfirst=tfirst, **options)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-9)
    assert report["nfe"][-1] < theirs["nfe"][-1]


def brusselator(points):
    """Reaction and diffusion on a line, both ends held; the unknowns of a point lie together."""
    scale = (points + 1) ** 2 / 50

    def f(t, z):
        u, v = z[::2], z[1::2]
        du = 1 + u**2 * v - 4 * u + scale * (np.append(u[1:], 1.0) - 2 * u + np.append(1.0, u[:-1]))
        dv = 3 * u - u**2 * v + scale * (np.append(v[1:], 3.0) - 2 * v + np.append(3.0, v[:-1]))
        return np.stack([du, dv], 1).ravel()

    x = np.arange(1, points + 1) / (points + 1)
    return f, np.stack([1 + np.sin(2 * np.pi * x), np.full(points, 3.0)], 1).ravel()


def test_radau_needs_a_fifth_of_the_evaluations_on_a_stiff_brusselator():
    f, start = brusselator(200)
    ours, theirs = Counted(f), Counted(f)
    found = integrate.solve_ivp(**interop.solve_ivp(ours), t_span=(0, 2), y0=start, method="Radau")
    wanted = integrate.solve_ivp(theirs, (0, 2), start, method="Radau")
    np.testing.assert_allclose(found.y[:, -1], wanted.y[:, -1], rtol=1e-2)
    assert ours.count <= theirs.count / 5, (ours.count, theirs.count)


@njit
def wave(x, w, a):
    return a * np.sin(w * x)


@pytest.mark.kernel
def test_quad():
    made = interop.quad(wave)
    value = integrate.quad(a=0.0, b=1.0, args=(2.0, 3.0), **made)[0]
    assert value == pytest.approx(1.5 * (1 - np.cos(2.0)))
    slope = integrate.quad(a=0.0, b=1.0, args=(2.0, 3.0), **interop.quad(dg.grad(wave)))[0]
    assert slope == pytest.approx(3.0 * np.sin(2.0))
    with pytest.raises(dg.ArgumentError, match="interop.quad: decay is not compiled"):
        interop.quad(decay)


def test_iminuit():
    minuit = pytest.importorskip("iminuit").Minuit

    def cost(a, k):
        return np.sum((decay(TIMES, a, k) - decay(TIMES, 2.0, 0.7)) ** 2) / 0.01

    fcn, grad = interop.iminuit(cost)
    m = minuit(fcn, 1.0, 1.0, grad=grad)
    m.errordef = 1.0
    m.migrad()
    assert m.valid and m.parameters == ("a", "k") and m.ngrad > 0
    np.testing.assert_allclose(m.values, [2.0, 0.7], rtol=1e-4)
    fcn, grad = interop.iminuit(lambda p: cost(p[0], p[1]))
    m = minuit(fcn, np.array([1.0, 1.0]), grad=grad)
    m.errordef = 1.0
    m.migrad()
    assert m.valid
    np.testing.assert_allclose(m.values, [2.0, 0.7], rtol=1e-4)


def test_nlopt():
    nlopt = pytest.importorskip("nlopt")
    opt = nlopt.opt(nlopt.LD_SLSQP, 2)
    opt.set_min_objective(interop.nlopt(lambda x: (x[0] - 2) ** 2 + (x[1] - 1) ** 2))
    opt.add_inequality_constraint(interop.nlopt(lambda x: x[0] ** 2 - x[1]), 1e-9)
    opt.add_inequality_mconstraint(interop.nlopt(lambda x: [x[0] + x[1] - 2, -x[0]], vector=True), [1e-9] * 2)
    opt.set_xtol_rel(1e-9)
    np.testing.assert_allclose(opt.optimize([0.1, 0.5]), 1, rtol=1e-6)
    free = interop.nlopt(rosenbrock)
    assert free(START, np.zeros(0)) == rosenbrock(START)


def misfit(p, shard):
    t, y = shard
    return np.sum((decay(t, p[0], p[1]) - y) ** 2)


def columns(p):
    return decay(TIMES, p[0], p[1], p[2]) * np.sum(p[3:])


SHARDS = [(t, decay(t, 2.0, 0.7)) for t in np.split(TIMES, 5)]
POINT = np.array([1.0, 1.1, 0.3, 0.4, 0.5])


def spread(executor):
    """Shards and columns through an executor, against none."""
    total = interop.over_shards(misfit, SHARDS, executor=executor)
    value, slope = total(POINT[:2])
    whole = TIMES, decay(TIMES, 2.0, 0.7)
    np.testing.assert_allclose(value, misfit(POINT, whole))
    np.testing.assert_allclose(slope, dg.grad(misfit)(POINT[:2], whole))
    for verb in (dg.jacfwd, dg.jacrev):
        np.testing.assert_array_equal(verb(columns, chunk=2, executor=executor)(POINT), verb(columns)(POINT))
    found = optimize.minimize(total, POINT[:2], jac=True)
    np.testing.assert_allclose(found.x, [2.0, 0.7], rtol=1e-3)


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_shards_and_columns_over_pools(pool):
    with pool(2) as executor:
        spread(executor)


def test_shards_and_columns_over_dask():
    distributed = pytest.importorskip("distributed")
    with distributed.Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None) as client:
        spread(client.get_executor())


def test_shards_need_an_executor_with_submit():
    assert interop.over_shards(lambda x, s: x**2 * s, [1.0, 2.0])(3.0) == (27.0, 18.0)
    with pytest.raises(dg.ArgumentError, match="has no submit"):
        interop.over_shards(misfit, SHARDS, executor=3)(POINT)


@pytest.mark.parametrize("name", [n for n in interop.__all__ if n != "over_shards"])
def test_what_is_no_function_is_refused(name):
    consumer = "minimize" if name == "nlopt" else name
    with pytest.raises(dg.ArgumentError, match=f"interop.{consumer}: 3 is not a function"):
        getattr(interop, name)(3)
