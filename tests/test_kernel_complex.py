"""Kernels of complex numbers: compiled derivatives are those of the same function on eager numbers, in every mode."""

import numpy as np
import pytest
from numba import njit

import dualgrad as dg

Z = np.array([1 + 2j, 0.5 - 1j, -0.3 + 0.2j])
X = np.array([0.3, 0.7, 1.1])


@njit
def holomorphic(z):
    return z * z * (2 + 1j) + np.exp(z) / (z + 3)


@njit
def accumulated(z):
    y = np.zeros_like(z)
    acc = 0j
    for i in range(len(z)):
        acc = acc * 0.5 + z[i] * z[i]
        y[i] = acc * np.sin(z[i])
    return y


@njit
def real_becomes_complex(x):
    acc = 1j
    for i in range(len(x)):
        acc = acc * (x[i] + 1j) + x[i]
    return acc


@njit
def branches(x, z):
    s = 0j
    i = 0
    while i < len(x):
        s = s + x[i] * z[i] if x[i] > 0.5 else s * s + z[i] ** 2
        i += 1
    return s


@njit
def real_stored_among_complex(x):
    y = np.zeros(len(x), np.complex128)
    for i in range(len(x)):
        y[i] = x[i]
        y[i] *= y[i] + 1j
    return y


@njit
def not_holomorphic(z):
    y = np.zeros(len(z), np.complex128)
    for i in range(len(z)):
        y[i] = np.conj(z[i]) * z[i - 1]
        if z[i].real > 0:
            y[i] += abs(z[i])
    return y


@njit
def energy(z):
    s = 0.0
    w = 1j
    for i in range(len(z)):
        w = w * z[i] + z[i].real
        s += abs(w) ** 2 * z[i].imag
    return s


@njit
def real_throughout(x):
    s = 0.0
    z = 0j
    for i in range(len(x)):
        z = z * x[i] + 1j * x[i]
        s += z.real + (z * z).imag
    return s


@njit
def parts(x, z):
    s = 0j
    for i in range(len(x)):
        w = complex(x[i], z[i].imag) * np.conj(z[i])
        s += complex(np.imag(w) * np.angle(w), x[i]) + np.real(w) * complex(x[i])
    return s


KERNELS = [
    (holomorphic, (0.3 + 0.4j,)), (accumulated, (Z,)), (real_becomes_complex, (X,)), (branches, (X, Z)),
    (real_stored_among_complex, (X,)), (not_holomorphic, (Z,)), (energy, (Z,)), (real_throughout, (X,)),
    (parts, (X, Z)),
]  # fmt: skip
each = pytest.mark.parametrize(("kernel", "args"), KERNELS, ids=[k.__name__ for k, _ in KERNELS])


def direction(x, rng):
    v = rng.normal(size=np.shape(x))
    return np.asarray(v + 1j * rng.normal(size=np.shape(x)) if np.iscomplexobj(x) else v)[()]


def inner(a, b):
    return np.sum(np.conj(a) * b).real


@each
def test_jvp_is_the_limit_of_differences_and_the_pullback_its_adjoint(kernel, args, rng):
    vs = tuple(direction(a, rng) for a in args)
    value, dot = dg.jvp(kernel, args, vs)
    h = 1e-5
    ahead, behind = (kernel.py_func(*(a + s * h * v for a, v in zip(args, vs, strict=True))) for s in (1, -1))
    np.testing.assert_allclose(dot, (ahead - behind) / (2 * h), rtol=1e-7, atol=1e-8)
    w = direction(value, rng)
    cts = dg.vjp(kernel, *args)[1](w)
    assert [np.asarray(c).dtype for c in cts] == [np.asarray(a).dtype for a in args]
    assert inner(w, dot) == pytest.approx(sum(map(inner, cts, vs)), rel=1e-12)


def test_a_complex_kernel_is_a_word_of_eager_numbers():
    word = dg.kernel(branches)
    found = dg.vjp(lambda x, z: 1j * word(2 * x, z), X, Z)[1](1 + 1j)
    for ct, wanted in zip(found, dg.vjp(lambda x, z: 1j * branches.py_func(2 * x, z), X, Z)[1](1 + 1j), strict=True):
        np.testing.assert_allclose(ct, wanted, rtol=1e-12)
        assert ct.dtype == wanted.dtype


@pytest.mark.parametrize(("kernel", "args"), [(accumulated, (Z,)), (real_throughout, (X,))], ids=["complex", "real"])
def test_series_are_those_of_eager_numbers(kernel, args, rng):
    vs = tuple(direction(a, rng) for a in args)
    series = tuple(np.array([v, 0.5 * v, 0 * v]) for v in vs)
    found, wanted = (dg.jet(f, args, series)[1] for f in (kernel, kernel.py_func))
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


def test_products_with_hessians_are_those_of_eager_numbers(rng):
    v = direction(Z, rng)
    np.testing.assert_allclose(dg.hvp(energy, (Z,), (v,)), dg.hvp(energy.py_func, (Z,), (v,)), rtol=1e-10)


def test_jacobians_of_complex_results_by_real_arguments():
    wanted = dg.jacobian(real_stored_among_complex.py_func)(X)
    np.testing.assert_allclose(dg.jacrev(real_stored_among_complex)(X), wanted)
    word = dg.kernel(accumulated)
    found = dg.jacobian(lambda z: word(z), holomorphic=True)(Z)
    np.testing.assert_allclose(found, dg.jacobian(accumulated.py_func, holomorphic=True)(Z), atol=1e-12)


@pytest.mark.parametrize("verb", [dg.jacobian, dg.derivative])
def test_the_derivative_by_a_complex_argument_asks_for_the_holomorphic_one(verb):
    with pytest.raises(dg.ArgumentError, match="(?s)by a complex argument.*holomorphic=True"):
        verb(holomorphic)(1j)
