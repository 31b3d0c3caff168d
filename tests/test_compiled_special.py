"""SciPy's special functions in nopython code: SciPy's values, and derivatives of every order from the table."""

import math

import numpy as np
import pytest
from numba import njit
from scipy import special

import dualgrad as dg
from dualgrad.backends import compiled_special
from dualgrad.backends import special as families
from dualgrad.core.errors import KernelError

pytestmark = pytest.mark.kernel
POINTS = [(0.7, 0.6, 0.4), (1.3, 0.8, 0.3), (2.0, 0.6, 0.4), (3.0, 1.7, 0.9)]


@pytest.mark.parametrize("name", compiled_special.SCIPY)
def test_values_are_those_of_scipy(name):
    f = getattr(special, name)
    for x in POINTS:
        found, wanted = getattr(compiled_special, name)(*x[: f.nin]), f(*x[: f.nin])
        np.testing.assert_allclose(found, wanted, rtol=1e-13, err_msg=f"{x}")


@pytest.mark.parametrize("n", [0, 1, 2, 5, 20])
def test_families_are_those_of_arrays(n):
    for x in (0.3, 1.0, 2.2, 9.0, 30.0):
        np.testing.assert_allclose(compiled_special.polygamma(n, x), special.polygamma(n, x), rtol=2e-13)
        np.testing.assert_allclose(compiled_special.cardinal(n, -x), families.cardinal(n, -x), rtol=1e-11, atol=1e-15)
    assert compiled_special.polygamma(n, -2.0) in (math.inf, -math.inf) or n == 0
    for name in ("besselj", "bessely", "besseli", "besselk", "besselke"):
        for v in (0.0, 1.5):
            found, wanted = (getattr(module, name)(n, v, 2.3) for module in (compiled_special, families))
            np.testing.assert_allclose(found, wanted, rtol=1e-9 if n < 20 else 1e-6)


@njit
def numbers(x):
    return special.jv(1.5, x) * special.erfcx(x) + special.betaln(x, 2.0) * special.ndtr(x) + np.sinc(x)


@njit
def of_an_array(x):
    s = 0.0
    for i in range(len(x)):
        s += special.digamma(x[i]) * special.gammainc(2.0, x[i]) + special.k0(x[i] + 0.5)
    return s


def plain(x):
    return np.sum(special.digamma(x) * special.gammainc(2.0, x) + special.k0(x + 0.5))


def test_kernels_call_scipy_and_have_its_derivatives():
    assert numbers(0.8) == pytest.approx(numbers.py_func(0.8), rel=1e-13)
    for order in (1, 2, 4):
        wanted = dg.derivative(numbers.py_func, order)(0.8)
        assert dg.derivative(numbers, order)(0.8) == pytest.approx(wanted, rel=1e-11)
    x = np.array([0.3, 0.7, 1.9])
    np.testing.assert_allclose(dg.grad(of_an_array)(x), dg.grad(plain)(x), rtol=1e-12)
    np.testing.assert_allclose(dg.hessian(of_an_array)(x), dg.hessian(plain)(x), rtol=1e-11, atol=1e-14)


@njit
def integrals(x):
    return special.exp1(x) * special.ellipk(x)


def test_what_scipy_has_no_compiled_name_for_is_refused():
    assert dg.jvp(lambda x: special.exp1(x) * special.ellipk(x), (0.3,), (1.0,))[1] != 0
    with pytest.raises(KernelError, match="the derivative needs elliptic_k, which numba does not have"):
        dg.grad(integrals)(0.3)
