"""``dg.scipy.signal``: SciPy's values; derivatives by each signal, in every mode, by products and by transforms."""

import numpy as np
import pytest
from scipy import signal

import dualgrad as dg
from dualgrad.scipy import signal as ours

SHAPES = [((7,), (3,)), ((3,), (7,)), ((4,), (4,)), ((5, 4), (2, 3)), ((3, 4, 2), (2, 2, 2)), ((6,), (1,))]
CALLS = {
    "convolve, direct": (ours.convolve, signal.convolve, {"method": "direct"}),
    "convolve, fft": (ours.convolve, signal.convolve, {"method": "fft"}),
    "convolve": (ours.convolve, signal.convolve, {}),
    "correlate": (ours.correlate, signal.correlate, {"method": "direct"}),
    "correlate, fft": (ours.correlate, signal.correlate, {"method": "fft"}),
    "fftconvolve": (ours.fftconvolve, signal.fftconvolve, {}),
    "oaconvolve": (ours.oaconvolve, signal.oaconvolve, {}),
}


def number(rng, shape, complex):
    x = rng.normal(size=shape)
    return x + 1j * rng.normal(size=shape) if complex else x


def inner(a, b):
    return np.sum(np.conj(a) * b).real


@pytest.mark.parametrize("fields", ["real", "complex", "mixed"])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_values_and_derivatives_by_both_signals(call, shapes, mode, fields, rng):
    f, theirs, options = call
    left, right = fields == "complex", fields != "real"
    a, b = number(rng, shapes[0], left), number(rng, shapes[1], right)
    da, db = number(rng, shapes[0], left), number(rng, shapes[1], right)

    def g(a, b):
        return f(a, b, mode, **options)

    value, dot = dg.jvp(g, (a, b), (da, db))
    wanted = theirs(a, b, mode, **options)
    np.testing.assert_allclose(value, wanted, rtol=1e-10, atol=1e-12)
    assert value.dtype == wanted.dtype
    np.testing.assert_allclose(dot, theirs(da, b, mode) + theirs(a, db, mode), rtol=1e-10, atol=1e-12)
    y, pullback = dg.vjp(g, a, b)
    w = number(rng, y.shape, np.iscomplexobj(y))
    cts = pullback(w)
    assert [c.dtype for c in cts] == [a.dtype, b.dtype]
    assert inner(w, dot) == pytest.approx(inner(cts[0], da) + inner(cts[1], db), rel=1e-9)
    series = dg.jet(g, (a, b), ([da, 0 * da], [db, 0 * db]))[1]
    np.testing.assert_allclose(series[1], theirs(da, db, mode), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("axes", [0, -1, (0, 2), [1]])
def test_axes_of_fftconvolve_and_the_others_broadcast(axes, rng):
    a, b = rng.normal(size=(4, 3, 5)), rng.normal(size=(2, 3, 5) if axes == 0 else (4, 1, 2))
    if axes in ([1], (0, 2)):
        b = rng.normal(size=(2, 3, 4) if axes == (0, 2) else (4, 2, 5))
    for mode in ("full", "same", "valid"):
        out, dot = dg.jvp(lambda a, m=mode: ours.fftconvolve(a, b, m, axes), (a,), (a,))
        np.testing.assert_allclose(out, signal.fftconvolve(a, b, mode, axes), atol=1e-12)
        np.testing.assert_allclose(dot, out, atol=1e-12)


def test_plain_signals_are_scipys_own_and_lists_are_signals():
    assert np.array_equal(ours.convolve([1, 2], [3, 4]), [3, 10, 8])
    np.testing.assert_allclose(dg.grad(lambda t: ours.convolve([t, 1.0], [t, 2.0])[0])(3.0), 6.0)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: ours.convolve(x, np.ones((2, 2))), "same dimensionality"),
        (lambda x: ours.convolve(x, x, "half"), "cceptable mode"),
        (lambda x: ours.convolve(x, x, method="slow"), "Acceptable method"),
        (lambda x: ours.fftconvolve(x[:, None] * np.ones(2), np.ones((2, 3)), "valid"), "at least as large"),
    ],
)
def test_what_scipy_refuses_is_refused(call, text):
    with pytest.raises(ValueError, match=text):
        dg.jvp(call, (np.ones(3),), (np.ones(3),))
