"""Arrays without axes have memory: what is written into them is seen under all their names, in every mode."""

import numpy as np
import pytest

import dualgrad as dg

MAKERS = {
    "where": lambda x: np.where(x > -9, x, 0.0),
    "pad": lambda x: np.pad(x, 0),
    "copy": np.copy,
    "array": lambda x: np.array(x),
    "select": lambda x: np.select([x > -9], [x]),
    "piecewise": lambda x: np.piecewise(x, [x > -9], [lambda x: x]),
    "empty_like": np.empty_like,
    "zeros_like": np.zeros_like,
    "full_like": lambda x: np.full_like(x, x),
    "asarray": lambda x: np.asarray(x * 1.0),
    "asarray of a dtype": lambda x: np.asarray(x * 1.0, float),
    "asanyarray": lambda x: np.asanyarray(x * 1.0),
    "asarray_chkfinite": lambda x: np.asarray_chkfinite(x * 1.0),
    "...": lambda x: (x * 1.0)[...],
    "reshape": lambda x: np.asarray(x * 1.0).reshape(()),
    "view": lambda x: np.asarray(x * 1.0).view(),
    "ravel and back": lambda x: np.ravel(x * 1.0)[..., 0],
    "squeeze": lambda x: np.squeeze(np.stack([x])),
    "expand_dims": lambda x: np.expand_dims(x * 1.0, ()),
    "tile": lambda x: np.tile(x, ()),
    "resize": lambda x: np.resize(x, ()),
    "block": lambda x: np.block(x),
    "real_if_close": lambda x: np.real_if_close(x * 1.0),
    "tensordot": lambda x: np.tensordot(x, 1.0, 0),
}


def whole(y, x):
    y[...] = 3 * x * x


def added(y, x):
    y *= 0
    y += 3 * x * x


def through_a_view(y, x):
    y[None][0] = 3 * x * x


def through_a_view_of_a_written_one(y, x):
    y[()] = x
    y.reshape(1)[0] = 3 * x * x


def filled(y, x):
    y.fill(3 * x * x)


def out(y, x):
    np.multiply(3 * x, x, out=y)


def flat(y, x):
    y.flat[0] = 3 * x * x


@pytest.mark.parametrize("write", [whole, added, through_a_view, through_a_view_of_a_written_one, filled, out, flat])
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("x", [np.float64(1.5), np.array(1.5)], ids=["value", "array"])
def test_a_write_is_seen_under_the_other_name(make, write, x):
    if make is np.empty_like and write is added:
        make = np.ones_like  # what is left in memory may be NaN

    def f(x):
        y = make(x)
        other = y
        write(y, x)
        return other * x

    assert f(x.copy()) == 3 * x**3
    assert dg.jvp(f, (x,), (1.0,))[1] == 9 * x**2
    assert dg.grad(f)(x) == 9 * x**2
    np.testing.assert_allclose(dg.jet(f, (x,), ([1.0, 0.0, 0.0],))[1], [9 * x**2, 9 * x, 3.0])
    np.testing.assert_allclose(dg.grad(dg.grad(f))(x), 18 * x)
    np.testing.assert_allclose(dg.jvp(dg.grad(f), (x,), (1.0,))[1], 18 * x)


@pytest.mark.parametrize("f", [
    lambda x: np.linalg.norm(np.stack([x, x])), lambda x: np.interp(x, [0.0, 4.0], [0.0, 8.0]),
    lambda x: np.clip(x, 0, 9), lambda x: np.heaviside(x, 1.0) * x, np.sinc, lambda x: x * 1.0,
    lambda x: np.std(np.stack([x, 0 * x])), np.nan_to_num, np.conjugate, np.positive,
    lambda x: np.einsum("...", x), lambda x: np.inner(np.stack([x]), np.stack([x])), lambda x: (x * 1.0).view(),
    lambda x: np.clip(x, None, None), lambda x: np.asarray(x)[()],
])  # fmt: skip
def test_values_are_not_written(f):
    """What is a scalar in NumPy is one here: ``+=`` makes a new one."""
    def g(x):
        y = f(x)
        other = y
        y += x
        return other

    x = np.float64(1.5)
    wanted = (f(x + 1e-6) - f(x - 1e-6)) / 2e-6
    for found in (dg.jvp(g, (x,), (1.0,))[1], dg.grad(g)(x), dg.jet(g, (x,), ([1.0],))[1][0]):
        np.testing.assert_allclose(found, wanted, atol=1e-8)


WHOLE = {
    "prod of one row": (lambda a: np.prod(a[:1], axis=0), False),
    "prod over no axis": (lambda a: np.prod(a, axis=()), False),
    "hypot.reduce of one row": (lambda a: np.hypot.reduce(a[:1]), False),
    "take of a row": (lambda a: np.take(a, 0, axis=0), False),
    "fftshift over no axis": (lambda a: np.fft.fftshift(a, ()), False),
    "roll over no axis": (lambda a: np.roll(a, (), ()), False),
    "ravel of every second": (lambda a: np.ravel(a[0, ::2]), False),
    "conjugate": (np.conjugate, False),
    "array": (np.array, False),
    "array(copy=None)": (lambda a: np.array(a, copy=None), True),
    "asarray(copy=True)": (lambda a: np.asarray(a, copy=True), False),
    "asarray(dtype)": (lambda a: np.asarray(a, float), True),
    "ascontiguousarray": (np.ascontiguousarray, True),
    "ascontiguousarray of a transposed one": (lambda a: np.ascontiguousarray(a.T), False),
    "asfortranarray": (np.asfortranarray, False),
    "asfortranarray of a transposed one": (lambda a: np.asfortranarray(a.T), True),
    "asarray(order)": (lambda a: np.asarray(a, order="F"), False),
}


@pytest.mark.parametrize("name", WHOLE)
def test_results_are_views_where_those_of_numpy_are(name):
    make, is_view = WHOLE[name]

    def f(a):
        b = a * 1.0
        make(b)[...] = 7.0 * np.sum(a)
        return b

    a = np.arange(1.0, 7.0).reshape(2, 3)
    assert (f(a) != a).any() == is_view
    for value in (dg.jvp(f, (a,), (a,))[0], dg.vjp(f, a)[0], dg.jet(f, (a,), ([a],))[0]):
        np.testing.assert_array_equal(value, f(a))
    slope = dg.jvp(f, (a,), (a,))[1]
    np.testing.assert_allclose(slope, f(a))  # it is linear
    np.testing.assert_allclose(dg.jet(f, (a,), ([a],))[1][0], slope)
    np.testing.assert_allclose(dg.jacrev(f)(a), dg.jacfwd(f)(a))
