"""`dualgrad.scipy.special` and `dualgrad.scipy.stats`: values are SciPy's, derivatives those of differences."""

import functools

import numpy as np
import pytest
from scipy import special, stats

import dualgrad as dg

ours = dg.scipy.stats
POINTS = np.array([0.3, 0.71, 0.55])
CONTINUOUS = {
    "norm": (), "t": (4.5,), "beta": (2.3, 1.7), "gamma": (2.4,), "chi2": (3.7,), "expon": (), "uniform": (),
    "laplace": (), "logistic": (), "cauchy": (), "lognorm": (0.8,), "weibull_min": (1.6,),
}  # fmt: skip
DISCRETE = {"poisson": (2.3,), "binom": (5, 0.4), "bernoulli": (0.4,)}
FUNCTIONS = ["pdf", "logpdf", "cdf", "logcdf", "sf", "logsf"]


def slope(f, x, h=1e-5):
    return (f(x + h) - f(x - h)) / (2 * h)


@pytest.mark.parametrize("method", FUNCTIONS)
@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_distributions_by_variable_loc_and_scale(name, method):
    f, g = getattr(getattr(stats, name), method), getattr(getattr(ours, name), method)
    shapes = CONTINUOUS[name]
    for call in (lambda f, s: f(POINTS + s, *shapes, 0.1, 1.3), lambda f, s: f(POINTS, *shapes, loc=s, scale=1.3),
                 lambda f, s: f(POINTS, *shapes, loc=0.1, scale=1.3 + s)):  # fmt: skip
        y, dot = dg.jvp(lambda s, call=call: call(g, s), (0.01,), (1.0,))
        np.testing.assert_allclose(y, call(f, 0.01), rtol=1e-11, atol=1e-15)
        np.testing.assert_allclose(dot, slope(lambda s, call=call: call(f, s), 0.01), rtol=1e-6, atol=1e-9)
        total = lambda s, call=call: np.sum(call(g, s))  # noqa: E731
        np.testing.assert_allclose(dg.grad(total)(0.01), np.sum(dot), rtol=1e-12)
        np.testing.assert_allclose(dg.derivative(total, 2)(0.01), dg.grad(dg.grad(total))(0.01), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(g(POINTS, *shapes), f(POINTS, *shapes))


@pytest.mark.parametrize("name", [n for n, s in CONTINUOUS.items() if s])
def test_log_densities_by_their_shapes(name):
    shapes, f, g = CONTINUOUS[name], getattr(stats, name).logpdf, getattr(ours, name).logpdf
    for k in range(len(shapes)):
        at = lambda f, p, k=k: f(POINTS, *shapes[:k], p, *shapes[k + 1 :])  # noqa: E731
        dot = dg.jvp(lambda p, at=at: at(g, p), (shapes[k],), (1.0,))[1]
        np.testing.assert_allclose(dot, slope(lambda p, at=at: at(f, p), shapes[k]), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_distributions_by_their_last_parameter(name):
    *fixed, p = DISCRETE[name]
    k = np.array([0, 1, 3, -1, 7, 1.5])
    for method in ("pmf", "logpmf", *(["cdf", "sf"] if name != "bernoulli" else [])):
        f, g = getattr(getattr(stats, name), method), getattr(getattr(ours, name), method)
        y, dot = dg.jvp(lambda p, g=g: g(k, *fixed, p), (p,), (1.0,))
        np.testing.assert_allclose(y, f(k, *fixed, p), rtol=1e-11, atol=1e-15)
        with np.errstate(all="ignore"):
            wanted = np.nan_to_num(slope(lambda p, f=f: f(k, *fixed, p), p))
        np.testing.assert_allclose(dot, wanted, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("method", FUNCTIONS)
@pytest.mark.parametrize("name", CONTINUOUS)
def test_outside_of_the_support_and_where_parameters_are_wrong(name, method):
    f, g, shapes = getattr(getattr(stats, name), method), getattr(getattr(ours, name), method), CONTINUOUS[name]
    x = np.array([-3.0, 5.0, np.nan, 0.4])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(dg.jvp(lambda s: g(x + s, *shapes), (0.0,), (1.0,))[0], f(x, *shapes), rtol=1e-11)
        wrong = dg.jvp(lambda s: g(x, *shapes, 0.0, s), (-1.0,), (1.0,))[0]
    assert np.all(np.isnan(wrong))


def test_a_parameter_without_derivative_is_named():
    with pytest.raises(dg.UnsupportedError, match="gammainc has no derivative by its argument a"):
        dg.grad(lambda a: ours.gamma.cdf(0.5, a))(2.0)
    with pytest.raises(dg.UnsupportedError, match=r"scipy.stats.norm.ppf has no derivative rule"):
        dg.grad(lambda p: ours.norm.ppf(p))(0.3)


def test_vectors():
    a = np.array([[0.3, -0.2], [0.1, 0.9], [1.0, 0.2]])
    root = np.array([[1.2, 0.3], [0.0, 0.8]])

    def f(mvn, x, m, r):
        return np.sum(mvn.logpdf(x, m, r @ r.T))

    args = a, np.array([0.1, 0.2]), root
    for k in range(3):
        v = np.cos(np.arange(args[k].size)).reshape(args[k].shape)
        at = lambda p, s, k=k, v=v: f(p, *args[:k], args[k] + s * v, *args[k + 1 :])  # noqa: E731
        wanted = slope(lambda s, at=at: at(stats.multivariate_normal, s), 0.0)
        assert dg.derivative(lambda s, at=at: at(ours.multivariate_normal, s))(0.0) == pytest.approx(wanted, rel=1e-7)
        assert dg.grad(lambda s, at=at: at(ours.multivariate_normal, s))(0.0) == pytest.approx(wanted, rel=1e-7)
    x, alpha = np.array([0.2, 0.3, 0.5]), np.array([1.2, 2.0, 0.7])
    g = dg.grad(lambda alpha: ours.dirichlet.logpdf(x, alpha))(alpha)
    np.testing.assert_allclose(g, special.digamma(np.sum(alpha)) - special.digamma(alpha) + np.log(x))


X = np.array([[0.3, -1.2, 800.0], [1.7, 0.4, -0.6]])


@pytest.mark.parametrize("options", [{}, {"axis": 1}, {"axis": (0, 1)}, {"axis": 0, "keepdims": True}, {"axis": -1}])
def test_sums_of_exponentials(options):
    f = dg.scipy.special.logsumexp
    y, dot = dg.jvp(lambda x: f(x, **options), (X,), (np.ones_like(X),))
    np.testing.assert_allclose(y, special.logsumexp(X, **options), rtol=1e-14)
    np.testing.assert_allclose(dot, np.ones_like(y), rtol=1e-14)
    np.testing.assert_allclose(dg.grad(lambda x: f(x))(X), special.softmax(X), rtol=1e-13)
    factors = np.array([1.0, 0.0, 2.0])
    weighted = dg.jvp(lambda x: f(x, axis=1, b=factors), (X,), (X,))
    np.testing.assert_allclose(weighted[0], special.logsumexp(X, axis=1, b=factors))


def test_softmax_and_its_logarithm():
    x = np.array([[0.3, -1.2, 0.5], [1.7, 0.4, -0.6]])
    for name in ("softmax", "log_softmax"):
        f, g = getattr(special, name), getattr(dg.scipy.special, name)
        y, dot = dg.jvp(lambda x, g=g: g(x, axis=1), (x,), (np.cos(x),))
        np.testing.assert_allclose(y, f(x, axis=1), rtol=1e-13)
        np.testing.assert_allclose(dot, slope(lambda s, f=f: f(x + s * np.cos(x), axis=1), 0.0), rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(dg.jacrev(g)(x), dg.jacfwd(g)(x), atol=1e-14)


def test_infinite_entries_share_equally():
    f, inf = dg.scipy.special.logsumexp, np.inf
    for x, wanted in [([-inf, -inf], [0.5, 0.5]), ([inf, inf, 1.0], [0.5, 0.5, 0.0]), ([-inf, 2.0], [0.0, 1.0])]:
        for mode in (dg.grad, dg.jacfwd):
            np.testing.assert_array_equal(mode(f)(np.array(x)), wanted)


def test_in_lifted_functions_scipys_names_mean_these():
    x = np.array([0.3, -0.2])
    wanted = dg.grad(lambda x: ours.norm.logpdf(x, 0.1).sum())(x)
    np.testing.assert_array_equal(dg.grad(lambda x: stats.norm.logpdf(x, 0.1).sum())(x), wanted)
    norm = stats.norm
    np.testing.assert_array_equal(dg.grad(lambda x: norm.logpdf(x, 0.1).sum())(x), wanted)
    np.testing.assert_allclose(dg.grad(lambda x: special.logsumexp(x))(x), special.softmax(x))
    assert dg.grad(lambda x: special.polygamma(1, x))(1.5) == special.polygamma(2, 1.5)
    assert dg.grad(lambda x: special.erf(x))(0.0) == pytest.approx(2 / np.sqrt(np.pi))


def test_frozen_distributions_of_numbers():
    f = lambda m: stats.norm(m, scale=m**2).logpdf(POINTS).sum() + stats.gamma(2.0, scale=m).pdf(0.4)  # noqa: E731
    assert dg.grad(f)(1.3) == pytest.approx(slope(f, 1.3), rel=1e-8)
    assert dg.grad(lambda x: stats.norm(0.5).logpdf(x))(2.0) == -1.5
    assert dg.grad(lambda x: x * stats.norm(0.5).mean())(2.0) == 0.5


def test_functions_of_scipy_themselves():
    x = np.array([0.3, -0.2])
    np.testing.assert_array_equal(dg.jacobian(special.softmax)(x), dg.jacobian(lambda x: special.softmax(x))(x))
    assert dg.grad(functools.partial(special.logsumexp, b=2.0))(x) == pytest.approx(special.softmax(x))
    assert dg.grad(stats.norm.logpdf)(2.0) == -2.0


def test_functions_of_special_by_their_names():
    assert dg.derivative(lambda x: dg.scipy.special.polygamma(1, x), 2)(1.5) == pytest.approx(special.polygamma(3, 1.5))
    assert dg.grad(dg.scipy.special.softplus)(-800.0) == 0.0
    assert dg.grad(lambda a: dg.scipy.special.multigammaln(a, 2))(3.0) == pytest.approx(
        special.digamma(3.0) + special.digamma(2.5)
    )
    assert dg.scipy.special.erf is special.erf


def test_normal_distributions_on_a_plane_and_their_entropy():
    mvn = stats.multivariate_normal
    basis = np.array([[1.0, 0.3], [0.2, 1.5], [0.7, -0.4]])
    mean, point = np.array([0.1, -0.2, 0.3]), np.array([0.6, -0.9])

    def on_the_plane(b):
        return mvn.logpdf(mean + b @ point, mean, b @ b.T, allow_singular=True)

    def entropy(b):
        return mvn.entropy(mean, b @ b.T + np.eye(3))

    t, h = np.array([[0.2, -0.1], [0.3, 0.4], [-0.5, 0.6]]), 1e-5
    for f in (on_the_plane, entropy):
        value, slope = dg.jvp(f, (basis,), (t,))
        np.testing.assert_allclose(value, f(basis), rtol=1e-9)
        np.testing.assert_allclose(slope, (f(basis + h * t) - f(basis - h * t)) / (2 * h), rtol=1e-6)
        np.testing.assert_allclose(np.sum(dg.grad(f)(basis) * t), slope, rtol=1e-9)
    off = dg.jvp(lambda m: mvn.logpdf(2 * m, mean, basis @ basis.T, allow_singular=True), (mean,), (mean,))
    assert off == (-np.inf, 0)


def test_a_method_of_a_distribution_under_another_name():
    density = stats.norm.logpdf
    assert dg.grad(lambda x: density(x, 0.5))(1.5) == -1.0


def test_parameters_of_different_shapes():
    dg.check_derivatives(lambda x: stats.beta.logpdf(x * 0.5, 2.0, x + 1), np.array([0.3, 0.7, 1.2]))
