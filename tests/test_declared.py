"""Each declared call of a NumPy function obeys all laws: value, jvp, adjoint, series, higher orders, dtypes, sizes."""

import numpy as np
import pytest
from declared import DECLARED

import dualgrad as dg


def laws(name=None):
    """The declared calls, less those that a law of this name does not apply to."""
    return pytest.mark.parametrize("case", [d for d in DECLARED if name not in d.without], ids=lambda d: d.name)


def direction(x, seed):
    rng = np.random.default_rng(seed)
    v = rng.normal(size=np.shape(x))
    if np.iscomplexobj(x):
        v = v + 1j * rng.normal(size=np.shape(x))
    return np.asarray(v, np.asarray(x).dtype)[()]


def inner(a, b):
    """The real inner product, under which reverse mode is the adjoint of forward mode."""
    return np.sum(np.conj(a) * b).real


def in_real_numbers(case):
    """A call and its argument; of complex numbers, both as real and imaginary parts."""
    call = case.call
    if not case.complex:
        return call, case.x

    def parts(p):
        y = call(p[0] + 1j * p[1])
        return np.stack([y.real, y.imag]) if np.iscomplexobj(y) else y

    return parts, np.stack([case.x.real, case.x.imag])


def close(a, b, tolerance=1e-11):
    scale = max(1.0, float(np.max(np.abs(b), initial=0.0)))
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)


def differences(f, x, v):
    """Sixth-order central differences of the original function."""
    h = 2e-3
    weights = {1: 45, 2: -9, 3: 1}
    return sum(c * (np.asarray(f(x + k * h * v)) - f(x - k * h * v)) for k, c in weights.items()) / (60 * h)


def is_like(value, model):
    """Same shape, dtype and scalar type."""
    assert np.shape(value) == np.shape(model)
    assert np.asarray(value).dtype == np.asarray(model).dtype
    assert isinstance(value, np.ndarray) == isinstance(model, np.ndarray)


@laws()
def test_value_is_numpys(case):
    x, value = case.x, case.call(case.x)
    before = np.copy(x)
    results = [dg.jvp(case.call, (x,), (direction(x, 0),))[0], dg.vjp(case.call, x)[0]]
    for out in results:
        close(out, value)
        is_like(out, value)
    assert np.array_equal(x, before)


@laws()
def test_jvp_is_the_limit_of_differences(case):
    v = direction(case.x, 1)
    dot = dg.jvp(case.call, (case.x,), (v,))[1]
    close(dot, differences(case.call, case.x, v), case.tolerance)
    is_like(dot, case.call(case.x))


@laws()
def test_adjoint_identity(case):
    v = direction(case.x, 2)
    y, pullback = dg.vjp(case.call, case.x)
    w = direction(y, 3)
    (ct,) = pullback(w)
    is_like(ct, case.x)
    close(inner(ct, v), inner(w, dg.jvp(case.call, (case.x,), (v,))[1]))


@laws()
def test_jacobians_agree(case):
    call, x = in_real_numbers(case)
    forward, reverse = dg.jacfwd(call)(x), dg.jacrev(call)(x)
    assert np.shape(forward) == np.shape(call(x)) + np.shape(x)
    close(forward, reverse)


@laws("jet")
def test_series_is_that_of_nested_derivatives(case):
    """To order 5: at a point and along a curve, against differences of lower orders of the series."""
    v, u, call = direction(case.x, 4), direction(case.x, 5), case.call  # a closure is lifted, an attribute is not

    def series(x):
        return dg.jet(case.call, (x,), ([v, 0.5 * u, 0 * v, 0 * v, 0 * v],))[1]

    found = series(case.x)
    close(found[0], dg.jvp(case.call, (case.x,), (v,))[1])

    def curve(t):  # the value at a shifted origin: its k-th derivative is k! times the coefficient
        return call(case.x + t * v + 0.5 * t * t * u)

    for k in range(5):
        close(found[k] * _factorial(k + 1), np.asarray(dg.derivative(curve, k + 1)(0.0)), 1e-9)
    second = dg.jvp(lambda t: dg.jvp(curve, (t,), (1.0,))[1], (0.0,), (1.0,))[1]
    close(2 * found[1], second, 1e-9)


def _factorial(k):
    return float(np.prod(np.arange(1.0, k + 1)))


@laws("second")
def test_second_derivatives_do_not_depend_on_the_order_of_modes(case):
    call, x = in_real_numbers(case)
    w = direction(call(x), 11)

    def f(x):
        return np.sum(np.conj(w) * call(x)).real

    reference = dg.jacfwd(dg.jacfwd(f))(x)
    close(dg.hessian(f)(x), reference, 1e-9)
    close(dg.jacrev(dg.jacfwd(f))(x), reference, 1e-9)
    close(dg.jacrev(dg.jacrev(f))(x), reference, 1e-9)
    v = direction(x, 6)
    slope = differences(dg.grad(f), x, v)
    close(dg.hvp(f, (x,), (v,)), slope, max(case.tolerance, 1e-6))


@laws("single")
def test_float32_stays_float32(case):
    x = case.x.astype(np.complex64 if case.complex else np.float32)
    with np.errstate(all="ignore"):
        value = case.call(x)
    v = direction(x, 7)
    out, dot = dg.jvp(case.call, (x,), (v,))
    y, pullback = dg.vjp(case.call, x)
    (ct,) = pullback(direction(y, 8))
    for found in (out, dot, y):
        assert np.asarray(found).dtype == np.asarray(value).dtype
    assert ct.dtype == x.dtype
    close(dot, dg.jvp(case.call, (case.x,), (v.astype(case.x.dtype),))[1], 2e-3)


@laws("strided")
def test_strides_do_not_matter(case):
    x = case.x
    if np.ndim(x) == 0:
        return
    wide = np.repeat(x, 2, axis=-1)[..., ::2]
    v = direction(x, 9)
    close(dg.jvp(case.call, (wide,), (v,))[1], dg.jvp(case.call, (x,), (v,))[1])
    w = direction(case.call(x), 10)
    close(dg.vjp(case.call, wide)[1](w)[0], dg.vjp(case.call, x)[1](w)[0])


@laws("empty")
def test_nothing_in_nothing_out(case):
    x = case.x
    if np.ndim(x) == 0:
        return
    empty = x[..., :0]
    try:
        with np.errstate(all="ignore"):
            value = case.call(empty)
    except (ValueError, IndexError, np.linalg.LinAlgError):
        return  # NumPy itself does not take it
    out, dot = dg.jvp(case.call, (empty,), (empty,))
    assert np.shape(out) == np.shape(dot) == np.shape(value)
    y, pullback = dg.vjp(case.call, empty)
    assert pullback(np.ones(np.shape(y), np.asarray(y).dtype)[()])[0].shape == empty.shape
