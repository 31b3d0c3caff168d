"""A lifted function means what it meant, and its buffers, math and float understand numbers."""

import cmath
import functools
import math
from math import exp as e

import numpy as np
import numpy.linalg as la
import pytest
from numba import njit
from numpy import array as make_array
from numpy import float64
from numpy.polynomial import Polynomial
from numpy.polynomial.chebyshev import chebval

import dualgrad as dg
from dualgrad.lifting import lift

SCALE = 2.0
COUNT = 0


def uses_globals(x):
    y = np.zeros(2)
    y[0] = x * SCALE
    return y[0] + helper(x)


def helper(x):
    out = np.empty((1,))
    out[0] = math.cos(x)
    return out[0]


def test_globals_are_read_live(monkeypatch):
    assert dg.grad(uses_globals)(0.0) == 2.0
    monkeypatch.setitem(globals(), "SCALE", 5.0)
    assert dg.grad(uses_globals)(0.0) == 5.0
    monkeypatch.setitem(globals(), "helper", lambda x: math.sin(x))
    assert dg.grad(uses_globals)(0.0) == 6.0


def test_names_imported_one_by_one():
    assert dg.grad(lambda x: np.sum(make_array([x, e(x)])))(0.0) == 2.0
    assert dg.grad(lambda x: la.norm(x))(np.array([3.0, 4.0]))[0] == pytest.approx(0.6)


def test_float_int_and_their_use_as_types():
    def calls(x):
        return float(x) * int(x) * isinstance(x, object)

    def types(x):
        y = np.zeros(1, dtype=float)
        y[0] = x * x
        return y[0] if isinstance(1.0, float) else 0.0

    assert dg.grad(calls)(2.5) == 2.0
    assert dg.grad(types)(3.0) == 6.0


def test_functions_that_assign_globals_keep_them():
    def counts(x):
        global COUNT
        COUNT += 1
        return x * x

    before = COUNT
    assert lift(counts) is counts
    assert dg.grad(counts)(3.0) == 6.0
    assert before + 1 == COUNT


def test_nonlocal_variables_stay_shared():
    total = 0

    def counts(x):
        nonlocal total
        total += 1
        return math.exp(x)

    assert dg.grad(counts)(0.0) == 1.0 and total == 1


def test_a_closure_that_changes_is_lifted_again():
    def act(x):
        return np.sin(x)

    def f(x):
        return act(x)

    assert dg.grad(f)(0.0) == 1.0

    def act(x):  # noqa: F811
        return math.exp(2 * x)

    assert dg.grad(f)(0.0) == 2.0


class Oscillator:
    def __init__(self, k):
        self.k = k

    def force(self, x):
        out = np.zeros(2)
        out[0], out[1] = -self.k * math.sin(x), x
        return out

    def __call__(self, x):
        out = np.zeros(1)
        out[0] = -self.k * math.sin(x)
        return out[0]


def test_methods_callables_and_partials():
    o = Oscillator(3.0)
    assert np.array_equal(dg.jacfwd(o.force)(0.0), [-3.0, 1.0])
    assert dg.grad(o)(0.0) == -3.0
    assert np.array_equal(dg.jacfwd(functools.partial(Oscillator.force, o))(0.0), [-3.0, 1.0])


def test_line_numbers_defaults_and_keywords_are_kept():
    def f(x, a=2.0, *, b=3.0):
        if b < 0:
            raise ValueError("negative")
        return a * b * x

    clone = lift(f)
    assert clone.__code__ is f.__code__ and clone(1.0) == 6.0
    assert dg.grad(f)(1.0, b=5.0) == 10.0
    with pytest.raises(ValueError, match="negative") as info:
        dg.grad(f)(1.0, b=-1.0)
    assert info.traceback[-1].frame.code.raw.co_filename == __file__


def test_recursion_and_mutual_calls():
    def power(x, n):
        if n == 0:
            return np.ones(1)[0]
        buffer = np.zeros(1)
        buffer[0] = x * power(x, n - 1)
        return buffer[0]

    assert dg.grad(power)(2.0, 3) == 12.0

    def even(x, n):
        return x if n == 0 else odd(math.sin(x), n - 1)

    def odd(x, n):
        return x if n == 0 else even(math.exp(x), n - 1)

    s = np.sin(0.5)
    assert dg.grad(even)(0.5, 2) == pytest.approx(np.exp(s) * np.cos(0.5))


def test_inactive_buffers_behave_as_arrays():
    def f(x):
        w = np.zeros(3)
        w[:] = [3.0, 1.0, 2.0]
        order = np.argsort(w)
        q = np.linalg.inv(np.eye(3) + np.outer(w, w))
        assert w.max() == 3.0 and float(w[0]) == 3.0 and w.sum() == 6 and list(order) == [1, 2, 0]
        assert np.asarray(w).tolist() == [3.0, 1.0, 2.0] and w.dtype == float and w.nonzero()[0].size == 3
        assert math.isclose(w[0], 3.0) and w[order][0] == 1.0 and (w > 1).tolist() == [True, False, True]
        return np.sum(q @ w * x)

    x = np.array([1.0, 2.0, 3.0])
    w = np.array([3.0, 1.0, 2.0])
    np.testing.assert_allclose(dg.grad(f)(x), np.linalg.inv(np.eye(3) + np.outer(w, w)) @ w)


def test_lifting_can_be_switched_off():
    def f(x):
        y = np.zeros(1)
        y[0] = x
        return y[0]

    assert dg.grad(f)(1.0) == 1.0
    with dg.lifting(False), pytest.raises(dg.LostDerivativeError, match="inside the function"):
        dg.grad(f)(1.0)


def test_results_are_plain_again():
    def f(x):
        return np.zeros(2), np.array([x, 1.0]), {"n": 3, "b": True}

    out, dot = dg.jvp(f, (1.0,), (1.0,))
    assert type(out[0]) is np.ndarray and type(out[1]) is np.ndarray and out[2] == {"n": 3, "b": True}
    assert np.array_equal(dot[0], [0, 0]) and np.array_equal(dot[1], [1, 0])


def test_np_vectorize_by_signature_is_refused_with_the_loop_to_write():
    mean = np.vectorize(np.mean, signature="(n)->()")
    with pytest.raises(dg.UnsupportedError, match="in a loop"):
        dg.jacfwd(lambda x: mean(x))(np.ones((2, 3)))
    assert np.array_equal(dg.jacfwd(lambda x: x * mean(np.ones((2, 3)))[0])(np.ones(2)), np.eye(2))


def test_np_vectorize_as_a_decorator_is_lifted():
    @np.vectorize
    def f(t):
        return math.sin(t) if t > 0 else t

    @np.vectorize(excluded={"p"})
    def g(t, p):
        return t * p[0]

    x = np.array([0.5, -1.0])
    np.testing.assert_allclose(dg.jacrev(lambda x: f(x))(x), np.diag([np.cos(0.5), 1.0]))
    np.testing.assert_allclose(dg.jacrev(lambda x: g(x, p=[2.0]))(x), 2 * np.eye(2))


def test_lists_of_numbers_are_arrays_for_every_function_of_one_array():
    def f(x):
        a = np.std([x, x * x]) + np.linalg.norm((x, 2 * x)) + np.ptp([x, 3.0 * x]) + np.median([x, 1.0, x * x])
        return a + np.cumsum([x, x])[1] + np.interp(x, [0.0, 1.0, 3.0], [0.0, x, 2 * x])

    h = 1e-6
    slope = (f(2.0 + h) - f(2.0 - h)) / (2 * h)
    assert abs(dg.derivative(f)(2.0) - slope) < 1e-8
    assert abs(dg.grad(f)(2.0) - slope) < 1e-8


def test_concatenating_by_indexing():
    def f(x):
        return np.sum(np.r_[x, 1.0, 0:3, 2 * x] ** 2) + np.c_[x, x * x][1, 1]

    x = np.array([1.0, 3.0])
    assert np.allclose(dg.grad(f)(x), 10 * x + [0.0, 6.0])
    assert np.array_equal(dg.jvp(lambda x: np.r_["0,2", x, x], (x,), (x,))[1], np.r_["0,2", x, x])


def test_numbers_that_numpys_functions_overlook_are_seen():
    x, plain = np.array([0.5, 2.0]), np.array([1.0, -1.0])
    calls = [
        lambda x: np.select([plain > 0], [plain], x),
        lambda x: np.full_like(plain, x[0]),
        lambda x: np.pad(plain, 1, constant_values=x[1]),
        lambda x: np.trapezoid(plain + 2, dx=x[0]),
        lambda x: np.unwrap(plain * 9, period=x[0] + 3),
        lambda x: np.polyint(plain, 1, x[0]),
    ]
    for call in calls:
        h = 1e-6
        wanted = np.stack([(call(x + h * e) - call(x - h * e)) / (2 * h) for e in np.eye(2)], -1)
        np.testing.assert_allclose(dg.jacfwd(call)(x), wanted, atol=1e-8)
        np.testing.assert_allclose(dg.jacrev(call)(x), wanted, atol=1e-8)
        np.testing.assert_array_equal(dg.jvp(call, (x,), (x,))[0], call(x))


def test_a_default_value_of_a_parameter_is_lifted_too():
    assert dg.grad(lambda t, sin=math.sin, make=np.zeros: sin(t) + make(1)[0])(0.5) == np.cos(0.5)


def test_a_number_is_an_instance_of_what_its_value_is():
    def f(x):
        if not isinstance(np.zeros(3), np.ndarray):
            raise AssertionError("a buffer is an array")
        return np.sum(x**2) if isinstance(x, np.ndarray) else x**3 if isinstance(x, (float, str)) else 0 * x

    for n in (1, 2):
        assert dg.derivative(f, n)(2.0) == 12.0
    assert dg.grad(f)(np.array([1.0, 2.0])).tolist() == [2.0, 4.0]
    assert dg.jet(f, (2.0,), ([1.0, 0.0],))[1].tolist() == [12.0, 6.0]
    assert not dg.jvp(lambda x: isinstance(x, int), (2.0,), (1.0,))[0]


def test_arrays_of_objects_lose_no_derivative():
    listed = lambda x: np.array([x[0], x[1]], dtype=object)  # noqa: E731
    for f in (listed, lambda x: x.astype(object), lambda x: np.asarray(x, object)):
        with pytest.raises(dg.LostDerivativeError, match="leave dtype=object out"):
            dg.grad(lambda x, f=f: np.sum(f(x) ** 2))(np.array([1.0, 2.0]))


def test_the_type_of_a_number_is_that_of_its_value():
    def f(x):
        return np.sum(x**2) if type(x) is np.ndarray and type(x[0]).__name__ == "float64" else np.sum(0 * x)

    assert np.array_equal(dg.grad(f)(np.array([1.0, 2.0])), [2.0, 4.0])


# Every function of math and cmath, np.emath, np.polynomial, NumPy's types of scalars, kernels, imports

ARGUMENTS = {
    "fsum": lambda g, x: g(x * k for k in range(3)), "prod": lambda g, x: g([x, 2 * x]),
    "dist": lambda g, x: g([x, 1.0], (0.2, x * x)), "sumprod": lambda g, x: g([x, 1.0], [x, x]),
    **{name: lambda g, x: g(x, 0.3 + x * x) for name in ("atan2", "pow", "copysign", "fmod", "remainder")},
    "hypot": lambda g, x: g(x, 0.4, x * x), "ldexp": lambda g, x: g(x, 3), "frexp": lambda g, x: g(x)[0],
    "modf": lambda g, x: g(3 * x)[0], "acosh": lambda g, x: g(1 + x), "isclose": lambda g, x: x * g(x, 1, rel_tol=0.9),
    "log": lambda g, x: g(x, 1 + x), "lgamma": lambda g, x: g(-x), "fma": lambda g, x: g(x, x, x),
    "ulp": lambda g, x: x * (g(x) < 1), "nextafter": lambda g, x: x * (g(x, 1.0) > x),
}  # fmt: skip
OF_INTEGERS = ("comb", "factorial", "gcd", "isqrt", "lcm", "perm")
MATH = [n for n in dir(math) if callable(getattr(math, n)) and n[0] != "_" and n not in OF_INTEGERS]
COMPLEX = [n for n in dir(cmath) if callable(getattr(cmath, n)) and n[0] != "_"]


def in_all_modes(f, x=0.7):
    """Value of Python's own, and its slope by differences, in every mode and with the mode nested in itself."""
    slope = (f(x + 1e-6) - f(x - 1e-6)) / 2e-6
    value, forward = dg.jvp(f, (x,), (1.0,))
    np.testing.assert_allclose(value, f(x), rtol=1e-13)
    np.testing.assert_allclose(forward, slope, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(dg.grad(f)(x), forward, rtol=1e-12)
    np.testing.assert_allclose(dg.jet(f, (x,), ([1.0],))[1][0], forward, rtol=1e-12)
    np.testing.assert_allclose(dg.jvp(dg.grad(f), (x,), (1.0,))[1], dg.grad(dg.grad(f))(x), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", MATH)
def test_every_function_of_math(name):
    in_all_modes(lambda x: 1.0 * ARGUMENTS.get(name, lambda g, x: g(x))(getattr(math, name), x))


@pytest.mark.parametrize("name", COMPLEX)
def test_every_function_of_cmath(name):
    def f(x):
        g = getattr(cmath, name)
        z = g(x, x * x) if name == "rect" else g(x - 2.0, 1.0) * x if name == "isclose" else g(x - 2.0 + 0.5j * x)
        z = z[0] * z[1] if name == "polar" else z * x
        return 2 * z.real + z.imag

    in_all_modes(f)


@pytest.mark.parametrize("f", [
    lambda x: np.emath.sqrt(x - 2), lambda x: np.emath.log(x - 2), lambda x: np.emath.log2(x - 2),
    lambda x: np.emath.log10(x - 2), lambda x: np.emath.logn(1 + x, x - 2), lambda x: np.emath.power(x - 2, 1.5),
    lambda x: np.emath.arccos(x + 2), lambda x: np.emath.arccos(x - 3), lambda x: np.emath.arcsin(x + 2),
    lambda x: np.emath.arcsin(x - 3), lambda x: np.emath.arctanh(x + 2), lambda x: np.arccos(x + 2 - 0j),
])  # fmt: skip
def test_functions_that_leave_the_real_numbers(f):
    in_all_modes(lambda x: f(x).real)
    in_all_modes(lambda x: f(x).imag)


def test_np_emath_stays_real_where_it_can():
    assert dg.grad(np.emath.sqrt)(4.0) == 0.25
    assert dg.jvp(np.emath.arcsin, (np.array([0.5]),), (np.ones(1),))[1].dtype == float


LINE = Polynomial([1.0, 2.0])


@pytest.mark.parametrize("f", [
    lambda x: Polynomial([1.0, x, x * x])(2.0), lambda x: Polynomial([1.0, 2.0, 3.0])(x), lambda x: LINE(x) ** 2,
    lambda x: (LINE * Polynomial([x, 1.0]))(x) * isinstance(LINE, Polynomial),
    lambda x: np.polynomial.Chebyshev([1.0, x, x * x])(x), lambda x: np.polynomial.Legendre([1.0, x]).deriv()(x),
    lambda x: (Polynomial([1.0, x, x * x]).integ() * Polynomial([x, 1.0]))(x), lambda x: chebval(x, [1.0, x, 3 * x]),
    lambda x: np.polynomial.hermite.hermval(x, np.array([1.0, x, 3 * x])),
    lambda x: np.polynomial.polynomial.polyval2d(x, x * x, np.array([[1.0, x], [3 * x, 2.0]])),
    lambda x: Polynomial([-6.0 * x, 5.0, -1.0]).roots()[0], lambda x: ((Polynomial([1.0, x]) - 2) ** 2)(x),
    lambda x: Polynomial.fit(np.arange(4.0), np.array([x, x * x, 1.0, 2.0]), 2)(1.5),
    lambda x: Polynomial([1.0, x, x * x]).convert(kind=np.polynomial.Chebyshev)(x),
    lambda x: np.sum(np.polynomial.laguerre.lagvander(x, 3)) + np.polynomial.hermite_e.HermiteE([x, x])(0.5),
])  # fmt: skip
def test_polynomials(f):
    in_all_modes(f)


def test_polynomials_outside_stay_what_they_are():
    assert type(Polynomial([1.0])) is type(LINE) is Polynomial and not hasattr(Polynomial, "_dualgrad")


@pytest.mark.parametrize("f", [
    lambda x: np.float64(x) * float64(x), lambda x: np.complex128(x * 1j).imag * x, lambda x: np.int64(3 * x) * x,
    lambda x: np.sum(np.zeros(2, dtype=np.float64) + x), lambda x: np.float64(x) * isinstance(1.0, float),
    lambda x: x * isinstance(np.float64(1.0), np.float64), lambda x: x * (np.asarray(x).dtype == np.float64),
])  # fmt: skip
def test_types_of_scalars_are_called_and_used(f):
    in_all_modes(f)


def test_a_closed_over_numpy_and_precision():
    def made():
        import numpy as inner

        return lambda x: inner.float32(x) * inner.float32(3)

    value, slope = dg.jvp(made(), (0.5,), (1.0,))
    assert value == 1.5 and slope == 3.0 and value.dtype == np.float32


@njit
def square(x):
    return 2 * x * x


@njit
def filled(out, x):
    for k in range(out.shape[0]):
        out[k] = x**k


def test_kernels_that_a_lifted_function_names_take_numbers():
    @njit
    def cubed(x):
        return x**3

    def f(x):
        out = np.zeros(4)
        filled(out, x)
        return square(x) + cubed(x) + np.sum(out)

    in_all_modes(f)
    with dg.lifting(False), pytest.raises(dg.UnsupportedError, match="dg.kernel"):
        dg.grad(lambda x: square(x))(0.5)


def test_imports_in_the_body():
    def f(x):
        import cmath as cm
        import math as m
        import os.path

        import numpy as np2
        import numpy.linalg as la
        from numpy import zeros
        from numpy.polynomial import Polynomial as P

        z = zeros(2)
        z[0] = m.sin(x)
        return la.norm(np2.array([z[0], x])) + cm.exp(x).real + P([x, 1.0])(x) + len(os.path.sep)

    in_all_modes(f)


def test_imports_of_scipy_in_the_body():
    pytest.importorskip("scipy")

    def f(x):
        import scipy.special as sp
        from scipy.linalg import expm

        return expm(np.array([[x, 1.0], [0.0, x]]))[0, 1] + sp.gamma(x)

    in_all_modes(f)
