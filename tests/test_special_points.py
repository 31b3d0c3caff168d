"""Elementary and special functions at extreme and singular points, in every eager mode."""

import mpmath
import numpy as np
import pytest
from scipy import special

import dualgrad as dg

inf, nan = np.inf, np.nan


def phi(x):
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


EXTREME = [
    ("log_ndtr", special.log_ndtr, lambda x: mpmath.log(phi(x)), (-1e3, -30.0, 0.0, 20.0)),
    ("expit", special.expit, lambda x: 1 / (1 + mpmath.exp(-x)), (-700.0, 40.0, 700.0)),
    ("erfcx", special.erfcx, lambda x: mpmath.exp(x * x) * mpmath.erfc(x), (9.9, 10.1, 1e4, -3.0)),
    ("dawsn", special.dawsn, lambda x: mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(-x * x) * mpmath.erfi(x), (-9.9, 50.0)),
    ("logaddexp", lambda x: np.logaddexp(x, 0.0), lambda x: mpmath.log(1 + mpmath.exp(x)), (-700.0, -40.0)),
    ("erfinv", special.erfinv, mpmath.erfinv, (1 - 1e-10, -0.999, 1e-12)),
    ("sinc", np.sinc, lambda x: mpmath.sinc(mpmath.pi * x), (1e-8, 1e-3, 1.5)),
    ("exprel", special.exprel, lambda x: mpmath.expm1(x) / x, (1e-9, -300.0, 300.0)),
    ("ellipk", special.ellipk, mpmath.ellipk, (1e-9, 0.999999, -1e4)),
    ("gammaln", special.gammaln, mpmath.loggamma, (1e-10, 1e10)),
    ("rgamma", special.rgamma, mpmath.rgamma, (0.0, -1.0, -5.0, 0.49, 0.51, 100.0, -20.5)),
    ("arcsinh", np.arcsinh, mpmath.asinh, (-1e10, 1e-3)),
    ("arccosh", np.arccosh, mpmath.acosh, (1 + 1e-12, 1e10)),
]


@pytest.mark.parametrize(("f", "oracle", "points"), [pytest.param(*row[1:], id=row[0]) for row in EXTREME])
def test_derivatives_are_stable_over_the_whole_range(f, oracle, points):
    for x in points:
        with mpmath.workdps(60):
            wanted = [float(mpmath.diff(oracle, mpmath.mpf(x), k)) for k in (1, 2)]
        np.testing.assert_allclose([dg.derivative(f, k)(x) for k in (1, 2)], wanted, rtol=5e-12, atol=1e-80)
        np.testing.assert_allclose([dg.grad(f)(x), dg.grad(dg.grad(f))(x)], wanted, rtol=5e-12, atol=1e-80)


SINGULAR = [
    ("sinc at 0", np.sinc, 0.0, 0.0),
    ("cbrt at 0", np.cbrt, 0.0, inf),
    ("logaddexp of equal infinities", lambda x: np.logaddexp(x, -inf), -inf, 0.5),
    ("logaddexp with inf", lambda x: np.logaddexp(x, inf), 1.0, 0.0),
    ("hypot at 0", lambda x: np.hypot(x, 0.0), 0.0, 0.0),
    ("fmax with a tie", lambda x: np.fmax(x, 1.0), 1.0, 0.5),
    ("fmax with a NaN", lambda x: np.fmax(x, nan), 1.0, 1.0),
    ("fmod by its divisor", lambda y: np.fmod(-7.5, y), 2.0, 3.0),
    ("heaviside of its value at 0", lambda h: np.heaviside(0.0, h), 0.5, 1.0),
    ("copysign at 0", lambda x: np.copysign(x, -1.0), 0.0, 0.0),
    ("xlogy at a zero factor", lambda x: special.xlogy(0.0, x), 0.0, 0.0),
    ("entr at 0", special.entr, 0.0, inf),
    ("erfinv at 1", special.erfinv, 1.0, inf),
    ("expit at inf", special.expit, inf, 0.0),
    ("log_ndtr at inf", special.log_ndtr, inf, 0.0),
    ("huber at its edge", lambda r: special.huber(1.0, r), 1.0, 1.0),
]


@pytest.mark.parametrize(("f", "x", "answer"), [pytest.param(*row[1:], id=row[0]) for row in SINGULAR])
def test_singular_points(f, x, answer):
    found = [dg.jvp(f, (x,), (1.0,))[1], dg.grad(f)(x), dg.jet(f, (x,), ([1.0],))[1][0], dg.jacrev(f)(x)]
    np.testing.assert_array_equal(found, [answer] * 4)


def test_sinc_is_right_at_zero_to_all_orders():
    wanted = [mpmath.taylor(lambda t: mpmath.sinc(mpmath.pi * t), 0, 12)]
    np.testing.assert_allclose(dg.taylor(np.sinc, 0.0, 12).coeffs, np.array(wanted[0], float), rtol=1e-13, atol=1e-15)
    nested = np.sinc
    for _ in range(4):
        nested = dg.grad(nested)
    assert nested(0.0) == pytest.approx(np.pi**4 / 5, rel=1e-14)
