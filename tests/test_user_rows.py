"""Rows that users add to the table, and linear functions with their transposes."""

import math

import numpy as np
import pytest
from scipy import special

import dualgrad as dg
from dualgrad.core.words import USER, WORDS
from dualgrad.numbers.functions.table import UFUNCS

X = np.array([0.3, 0.8, -0.6])


@pytest.fixture(autouse=True)
def the_table_as_it_was():
    words, ufuncs, functions = dict(WORDS), dict(UFUNCS), dict(vars(USER))
    yield
    WORDS.clear(), WORDS.update(words)
    UFUNCS.clear(), UFUNCS.update(ufuncs)
    vars(USER).clear(), vars(USER).update(functions)


def message(error, call):
    with pytest.raises(error) as info:
        call()
    return str(info.value)


def bell(x):
    return np.exp(-x * x)


def gaussian():
    return dg.elementary("gaussian", lambda x: np.exp(-x * x), dx="-2*x*y")


MODES = {
    "jvp": lambda f: dg.jvp(f, (X,), (np.cos(X),))[1],
    "vjp": lambda f: dg.vjp(f, X)[1](np.cos(X))[0],
    "jacfwd": lambda f: dg.jacfwd(f)(X),
    "jacrev": lambda f: dg.jacrev(f)(X),
    "linearize": lambda f: dg.linearize(f, X)[1](X),
    "hessian": lambda f: dg.hessian(lambda x: np.sum(f(x) * x))(X),
    "reverse over reverse": lambda f: dg.jacrev(dg.grad(lambda x: np.sum(f(x) * x)))(X),
    "jet": lambda f: dg.taylor(f, X, 6, np.ones(3)).coeffs,
    "jet of a gradient": lambda f: dg.taylor(dg.grad(lambda x: np.sum(f(x))), X, 4, np.ones(3)).coeffs,
    "gradient of a jet": lambda f: dg.grad(lambda x: np.sum(dg.taylor(f, x, 3, np.ones(3)).coeffs))(X),
}


@pytest.mark.parametrize("mode", MODES)
def test_a_row_serves_every_mode(mode):
    np.testing.assert_allclose(MODES[mode](gaussian()), MODES[mode](bell), rtol=1e-12, atol=1e-14)


def test_a_row_works_on_plain_arrays_lists_and_numbers():
    f = gaussian()
    assert f(0.0) == 1.0 and type(f(X)) is np.ndarray and f([0.0, 0.0]).tolist() == [1.0, 1.0]
    assert f.__name__ == "gaussian"
    assert dg.grad(lambda x: f([x, 2 * x])[1])(0.5) == pytest.approx(dg.grad(lambda x: bell(2 * x))(0.5))


def test_a_row_of_several_arguments():
    f = dg.elementary("wave(a, w)", lambda a, w: a * np.sin(w), da="sin(w)", dw="a*cos(w)", domain=("positive", (0, 1)))
    plain = lambda a, w: a * np.sin(w)  # noqa: E731
    np.testing.assert_allclose(dg.hessian(f, (0, 1))(0.3, 0.7), dg.hessian(plain, (0, 1))(0.3, 0.7))
    series = ([1.0, 2.0, 0.5], [0.5, -1.0, 0.0])
    np.testing.assert_allclose(dg.jet(f, (0.3, 0.7), series)[1], dg.jet(plain, (0.3, 0.7), series)[1])
    np.testing.assert_allclose(dg.grad(lambda w: np.sum(f(X, w)))(0.7), np.sum(X) * np.cos(0.7))
    flat = dg.elementary("flat(x, n)", lambda x, n: np.sin(x) + 0 * n, dx="cos(x)", dn="0")
    assert dg.grad(flat, (0, 1))(0.0, 1.0) == (1.0, 0.0)
    assert dg.jvp(lambda n: flat(0.3, n), (1.0,), (1.0,))[1] == 0.0


def test_a_row_of_a_ufunc_makes_the_ufunc_differentiable():
    text = message(dg.UnsupportedError, lambda: dg.grad(special.exp10)(0.5))
    assert "exp10 has no derivative rule" in text
    dg.elementary("exp10", special.exp10, dx="2.302585092994046*y")
    assert dg.grad(lambda x: special.exp10(2 * x))(0.25) == pytest.approx(2 * np.log(10) * 10**0.5)
    assert dg.derivative(special.exp10, 3)(0.5) == pytest.approx(np.log(10) ** 3 * 10**0.5)


def test_a_row_may_use_another_and_be_replaced():
    gaussian()
    f = dg.elementary("bump", lambda x: x * np.exp(-x * x), dx="gaussian(x) - 2*x*y")
    assert dg.derivative(f, 4)(0.3) == pytest.approx(dg.derivative(lambda x: x * bell(x), 4)(0.3))
    again = dg.elementary("bump", lambda x: x * x, dx="2*x")
    assert dg.grad(again)(3.0) == 6.0
    assert "differences" in message(dg.ArgumentError, lambda: dg.elementary("bump", lambda x: x * x, dx="3*x"))
    assert dg.grad(again)(3.0) == 6.0 and dg.derivative(f)(0.0) == 1.0


def cube(x):
    return x * x * x


BAD = [
    (("h", np.sin), {"dx": "cos(x)"}, "has a row already, sin"),
    (("tanh", cube), {"dx": "3*x*x"}, "'tanh' is in the table already"),
    (("store", cube), {"dx": "3*x*x"}, "'store' cannot be the name of a row"),
    (("h", cube), {"dx": "3*z*x"}, "'z' in '3*z*x' is unknown"),
    (("h", cube), {"dx": "3*sqare(x)"}, "did you mean square"),
    (("h", cube), {"dx": "cos(x, x)"}, "cos takes 1 arguments, not 2"),
    (("h", cube), {"dx": "3*x*"}, "is not an expression"),
    (("h", cube), {"dx": "x.real"}, "'x.real' in 'x.real' is not understood"),
    (("h", cube), {"dx": "'3'"}, "is not a number"),
    (("h(x)", cube), {"dz": "3*x*x"}, "the derivative dx= is missing"),
    (("h(x)", cube), {"dx": "3*x*x", "dz": "1"}, "dz= belongs to no argument"),
    (("h(x, n)", cube), {"dx": "3*x*x"}, "the derivative dn= is missing"),
    (("h(y)", cube), {"dy": "3*y*y"}, "'y' cannot be an argument"),
    (("h", cube), {"x": "3*x*x"}, "not understood"),
    (("h", cube), {}, "cannot be an argument"),
    (("h", 3), {"dx": "1"}, "f=3 is not a function"),
    (("h", cube), {"dx": "3*x*x", "domain": "posi"}, "domain='posi'"),
    (("h", cube), {"dx": "2*x*x"}, "dx='2*x*x' is"),
]


@pytest.mark.parametrize(("args", "options", "text"), BAD, ids=[b[2][:30] for b in BAD])
def test_a_bad_row_raises_at_once(args, options, text):
    assert text in message(dg.ArgumentError, lambda: dg.elementary(*args, **options))
    assert "h" not in WORDS


def test_a_function_that_is_not_elementwise_is_no_row():
    text = message(dg.StructureError, lambda: dg.elementary("total", np.sum, dx="1"))
    assert "the result has shape ()" in text and "dg.custom_jvp" in text


def test_a_function_of_numbers_only_is_vectorized_first():
    f = lambda x: math.erfc(x)  # noqa: E731
    text = message(dg.ArgumentError, lambda: dg.elementary("c", f, dx="-1.1283791670955126*exp(-x*x)"))
    assert "does not take arrays" in text and "np.vectorize" in text
    c = dg.elementary("c", np.vectorize(f), dx="-1.1283791670955126*exp(-x*x)")
    np.testing.assert_allclose(dg.grad(lambda x: np.sum(c(x)))(X), -2 / np.sqrt(np.pi) * np.exp(-X * X))


def test_series_may_need_another_spelling():
    f = dg.elementary("p", lambda x: x**2.5, dx="2.5*x**1.5", closed={"x": "2.5*y/x"}, domain="positive")
    assert dg.derivative(f, 3)(1.0) == pytest.approx(2.5 * 1.5 * 0.5)


# Linear functions


def smooth(x, w):
    return np.fft.irfft(np.fft.rfft(x) * w, len(x)).real


W = np.array([1.0, 0.5])


def opaque():
    """A circulant product whose spectrum is real, so it is its own transpose."""
    return dg.linear(smooth, transpose=smooth)


def plain(x):
    c = smooth(np.eye(3)[0], W)
    return np.stack([c[0] * x[k] + c[1] * (x[(k + 1) % 3] + x[(k + 2) % 3]) for k in range(3)])


@pytest.mark.parametrize("mode", MODES)
def test_a_linear_function_serves_every_mode(mode):
    f = opaque()
    ours, theirs = MODES[mode](lambda x: np.sin(f(x * x, W))), MODES[mode](lambda x: np.sin(plain(x * x)))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def test_a_linear_function_of_containers_and_its_batched_twin():
    calls = []

    def f(p):
        return {"u": p["a"] + 2 * p["b"]}

    g = dg.linear(f, transpose=lambda ct: {"a": ct["u"], "b": 2 * ct["u"]})
    assert dg.grad(lambda p: np.sum(g(p)["u"] ** 2))({"a": X, "b": X})["b"].tolist() == (12 * X).tolist()
    assert dg.grad(lambda b: np.sum(g({"a": X, "b": b})["u"] ** 2))(X).tolist() == (12 * X).tolist()

    @dg.linear(transpose=lambda ct: ct[::-1], batched=lambda xs: calls.append(len(xs)) or xs[:, ::-1])
    def turned(x):
        return x[::-1]

    np.testing.assert_array_equal(dg.jacfwd(turned)(X), np.eye(3)[::-1])
    assert calls == [3] and dg.taylor(turned, X, 4, X).coeffs[1].tolist() == X[::-1].tolist()


def test_a_linear_function_without_a_transpose_is_recorded():
    f = dg.linear(lambda x: np.cumsum(x) - x[0])
    np.testing.assert_allclose(dg.jacrev(f)(X), dg.jacfwd(f)(X))
    _, lin = dg.linearize(f, X)
    np.testing.assert_allclose(lin.T.to_dense(), dg.jacfwd(f)(X).T)
    wrong = dg.linear(lambda x: x * x)
    assert "not linear: the word `mul`" in message(dg.UnsupportedError, lambda: dg.grad(lambda x: np.sum(wrong(x)))(X))


def test_what_a_linear_function_refuses():
    f = opaque()
    text = message(dg.UnsupportedError, lambda: dg.grad(lambda w: np.sum(f(X, w)))(W))
    assert "an argument after the first carries a derivative" in text
    assert "transpose=3 is not a function" in message(dg.ArgumentError, lambda: dg.linear(smooth, transpose=3))
    g = dg.linear(lambda x: x[:2], transpose=lambda ct: ct)
    text = message(dg.StructureError, lambda: dg.grad(lambda x: np.sum(g(x)))(X))
    assert "the transpose of <lambda>: argument [0] has shape (2,), it belongs to an array of shape (3,)" in text


def test_a_linear_rest_may_call_a_linear_function():
    f = dg.custom_jvp(np.sin)
    g = dg.linear(lambda t: 2 * t, transpose=lambda ct: 2 * ct)
    f.defjvp(lambda p, t: (f(*p), g(np.cos(p[0]) * t[0]) / 2))
    assert dg.grad(f)(0.3) == np.cos(0.3) and dg.derivative(f, 3)(0.3) == pytest.approx(-np.cos(0.3))
