"""Interpolation at its knots, and polynomials: conventions, values that decide shapes, what is refused."""

import numpy as np
import pytest

import dualgrad as dg

XP, FP = np.array([0.0, 1.0, 3.0]), np.array([1.0, 2.0, -2.0])


def slopes(f, x):
    return [dg.jvp(f, (x,), (1.0,))[1], dg.grad(f)(x), dg.jet(f, (x,), ([1.0],))[1][0], dg.jacrev(f)(x)]


@pytest.mark.parametrize(
    ("x", "slope"),
    [(-1.0, 0), (0.0, 1), (0.5, 1), (1.0, -2), (2.0, -2), (3.0, 0), (4.0, 0), (np.inf, 0)],
)
def test_the_slope_at_a_knot_is_that_on_its_right(x, slope):
    for found in slopes(lambda x: np.interp(x, XP, FP), x):
        assert found == slope


@pytest.mark.parametrize("x", [-1.0, 0.0, 0.5, 1.0, 3.0, 4.0, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("options", [{}, {"left": 5.0}, {"right": 7.0}, {"period": 2.5}])
def test_interpolation_has_numpys_values(x, options):
    points = np.array([x, 0.25, x])
    with np.errstate(invalid="ignore"):
        value = np.interp(points, XP, FP, **options)
    found = dg.jvp(lambda z: np.interp(z, XP, FP, **options), (points,), (np.ones(3),))[0]
    np.testing.assert_allclose(found, value)


def test_the_values_at_the_knots_enter_with_weight_one():
    f = lambda fp: np.interp(XP, XP, fp)  # noqa: E731
    for jacobian in (dg.jacfwd(f)(FP), dg.jacrev(f)(FP)):
        np.testing.assert_array_equal(jacobian, np.eye(3))


def test_roots_and_matrices_are_refused_with_what_to_write():
    with pytest.raises(dg.UnsupportedError, match="eigvals"):
        dg.jacfwd(np.poly)(np.eye(2))
    with pytest.raises(dg.UnsupportedError, match="polymul"):
        dg.jacfwd(lambda x: np.polyval(x, np.poly1d([1.0, 2.0])))(np.ones(2))


def test_trailing_and_leading_zeros_of_polynomials_are_as_in_numpy():
    x = np.array([0.0, 0.0, 2.0, 1.0])
    for f in (lambda x: np.polymul(x, [1.0, 1.0]), lambda x: np.polydiv(x[2:], [2.0, 1.0])[1], np.polyder, np.poly):
        value, dot = dg.jvp(f, (x,), (x,))
        np.testing.assert_allclose(value, f(x))
        assert np.shape(dot) == np.shape(f(x))


def test_the_gradient_by_coordinates_that_happen_to_be_equidistant():
    """NumPy's shortcut for equal distances is no reason to lose the derivative by each coordinate."""
    f, t = np.array([1.0, 3.0, 2.0, 5.0]), np.arange(4.0)
    for order in (1, 2):
        call = lambda t, order=order: np.gradient(f, t, edge_order=order)  # noqa: E731
        h = 1e-6
        columns = [(call(t + h * e) - call(t - h * e)) / (2 * h) for e in np.eye(4)]
        np.testing.assert_allclose(dg.jacfwd(call)(t), np.stack(columns, 1), atol=1e-8)
        np.testing.assert_allclose(dg.jacrev(call)(t), np.stack(columns, 1), atol=1e-8)
