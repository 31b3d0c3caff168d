"""Ufuncs: their options, places for results, methods; operators with scalars and arrays of other dtypes."""

import operator

import numpy as np
import pytest

import dualgrad as dg

X = np.array([[0.3, -1.2, 0.8], [1.7, 0.4, -0.6]])
V = np.array([[1.0, 0.5, -2.0], [0.3, 1.5, 0.7]])


def obeys(f, x=X, v=V, tolerance=1e-6):
    """Value of NumPy, tangent of differences, adjoint, series, second derivatives of both orders of modes."""
    value = f(x.copy())
    y, dot = dg.jvp(f, (x,), (v,))
    np.testing.assert_allclose(y, value, rtol=1e-14)
    assert np.shape(y) == np.shape(value) and np.asarray(y).dtype == np.asarray(value).dtype
    h = 1e-5
    np.testing.assert_allclose(dot, (f(x + h * v) - f(x - h * v)) / (2 * h), rtol=tolerance, atol=1e-8)
    out, pullback = dg.vjp(f, x)
    w = np.cos(np.arange(1.0, np.size(out) + 1)).reshape(np.shape(out)).astype(np.asarray(out).dtype)[()]
    np.testing.assert_allclose(np.sum(pullback(w)[0] * v), np.sum(w * dot), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(dg.jet(f, (x,), ([v, 0 * v],))[1][0], dot, rtol=1e-12, atol=1e-13)
    g = lambda x: np.sum(w * f(x))  # noqa: E731
    np.testing.assert_allclose(dg.hessian(g)(x), dg.jacfwd(dg.jacfwd(g))(x), rtol=1e-9, atol=1e-10)


REDUCTIONS = [
    lambda x: np.add.reduce(x), lambda x: np.add.reduce(x, axis=(0, 1)),
    lambda x: np.add.reduce(x, None, keepdims=True),
    lambda x: np.add.reduce(x, 1, initial=2.5), lambda x: np.add.reduce(x, 1, where=x > 0),
    lambda x: np.multiply.reduce(x, axis=None), lambda x: np.multiply.reduce(x, 1, initial=3.0, where=x > 0),
    lambda x: np.maximum.reduce(x, axis=1), lambda x: np.minimum.reduce(x, axis=(0, 1), keepdims=True),
    lambda x: np.maximum.reduce(x, axis=1, initial=0.5), lambda x: np.maximum.reduce(x, 1, initial=-9.0, where=x < 1),
    lambda x: np.logaddexp.reduce(x, axis=1), lambda x: np.logaddexp.reduce(x, axis=(0, 1), keepdims=True),
    lambda x: np.logaddexp.reduce(x, axis=0, initial=0.0, where=x > 0), lambda x: np.hypot.reduce(x, axis=None),
    lambda x: np.subtract.reduce(x, axis=1), lambda x: np.divide.reduce(x), lambda x: np.logaddexp2.reduce(x, 1),
    lambda x: np.add.reduce(x, dtype=np.float64),
]  # fmt: skip
ACCUMULATIONS = [
    lambda x: np.add.accumulate(x), lambda x: np.add.accumulate(x, axis=1), lambda x: np.multiply.accumulate(x, 1),
    lambda x: np.maximum.accumulate(x, axis=1), lambda x: np.minimum.accumulate(x), lambda x: np.hypot.accumulate(x, 1),
    lambda x: np.logaddexp.accumulate(x, axis=1), lambda x: np.subtract.accumulate(x, axis=-1),
]  # fmt: skip
OUTER = [
    lambda x: np.multiply.outer(x, x[0]), lambda x: np.subtract.outer(x[0], X), lambda x: np.hypot.outer(X[0], x),
    lambda x: np.add.outer(x, 2.0), lambda x: np.arctan2.outer(x[0], np.array([2.0, 3.0])),
]  # fmt: skip
AT_INDEX = np.array([0, 2, 0, 1, 0])
REDUCEAT = [
    lambda x: np.add.reduceat(x, [0, 2], axis=1), lambda x: np.add.reduceat(x.ravel(), [0, 3, 1, 4]),
    lambda x: np.multiply.reduceat(x.ravel(), [1, 1, 3]), lambda x: np.maximum.reduceat(x, [0, 1], axis=0),
]  # fmt: skip


@pytest.mark.parametrize("f", REDUCTIONS + ACCUMULATIONS + OUTER + REDUCEAT)
def test_methods_of_ufuncs(f):
    obeys(f)


@pytest.mark.parametrize("ufunc", [np.add, np.subtract, np.multiply, np.divide, np.maximum, np.hypot, np.logaddexp])
def test_at_meets_what_it_has_written(ufunc):
    def into(x):
        y = np.array([1.5, -2.0, 0.7]) + x[0]
        ufunc.at(y, AT_INDEX, x.ravel()[:5] + 2)
        return y

    obeys(into)

    def rows(x):
        y = x * 1.0
        ufunc.at(y, (slice(None), [0, 2, 0]), x[1])
        return y

    obeys(rows)


def test_at_of_one_argument_and_into_buffers():
    def f(x):
        y = x * 1.0
        np.negative.at(y, ([0, 0, 1], [1, 1, 2]))
        np.exp.at(y, (0,))
        return y

    obeys(f)

    def g(x):
        y = np.zeros(3)
        np.add.at(y, [0, 0, 2], x[0])
        view = y[1:]
        np.multiply.at(view, [1, 1], x[1, 0])
        return y

    obeys(g)
    plain = np.zeros(3)
    with pytest.raises(dg.LostDerivativeError):
        dg.grad(lambda x: np.add.at(plain, [0], x[0, :1]) or np.sum(x))(X)


def with_out(x):
    y = np.zeros((2, 3))
    found = np.exp(x, out=y)
    assert found is y
    np.multiply(y, x, y)
    np.sin(x[0], out=y[1])
    np.add.reduce(x, axis=0, out=y[0])
    return y


def with_two_places(x):
    whole, part = np.zeros((2, 3)), np.zeros((2, 3))
    a, b = np.modf(3 * x, out=(part, whole))
    assert a is part and b is whole
    np.divmod(x, 0.7, out=(None, whole))
    return part * whole


CALLS = [
    with_out, with_two_places,
    lambda x: np.sqrt(x, where=x > 0, out=np.ones((2, 3))),
    lambda x: np.log(x, out=x * 2, where=x > 0),
    lambda x: np.multiply(x, x, where=np.array([True, False, True]), out=np.full((2, 3), 7.0)),
    lambda x: np.add(x, 1.0, where=True),
    lambda x: np.add(x, x[0], dtype=np.float64, casting="same_kind"),
    lambda x: np.add(x, [1.0, 2.0, 3.0]), lambda x: np.multiply([x[0, 0], 2.0, 3.0], x),
    lambda x: np.frexp(x)[0] * np.ldexp(x, 2), lambda x: divmod(x, 0.7)[1],
]  # fmt: skip


@pytest.mark.parametrize("f", CALLS)
def test_options_and_places(f):
    obeys(f)


def test_dtypes_of_calls_are_numpys():
    single = X.astype(np.float32)
    double = np.float64
    for f in (lambda x: np.add(x, x, dtype=double), lambda x: np.exp(x, dtype=double),
              lambda x: np.add.reduce(x, dtype=double), lambda x: np.add.accumulate(x, dtype=double)):  # fmt: skip
        out, dot = dg.jvp(f, (single,), (single,))
        assert out.dtype == dot.dtype == f(single).dtype == np.float64
        np.testing.assert_array_equal(out, f(single))
    with pytest.raises(TypeError, match="same_kind|safe"):
        dg.grad(lambda x: np.sum(np.add(x, x, dtype=np.float32, casting="safe")))(X)
    with pytest.raises(dg.LostDerivativeError, match="plain array"):
        place = np.zeros((2, 3))
        dg.grad(lambda x: np.sum(np.exp(x, out=place)))(X)


IN_PLACE = ["iadd", "isub", "imul", "itruediv", "imod", "ipow", "ifloordiv"]


@pytest.mark.parametrize("name", IN_PLACE)
def test_operators_in_place_write_where_views_see_it(name):
    op = getattr(operator, name)

    def f(x):
        y = x * x + 1.1
        view = y[1:]
        view = op(view, 1.7)
        y[0] = op(y[0], x[1] * x[1] + 0.3)
        return y + 0 * x

    obeys(f)


def test_the_matrix_product_in_place():
    def f(x):
        y = x @ x.T
        y @= np.array([[1.0, 2.0], [0.5, 3.0]])
        return y

    obeys(f)


SCALARS = [2, 2.5, True, np.float32(2.5), np.float64(2.5), np.int64(2), np.array(2.5), np.array(2.5, np.float32), 1.5j]
BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.mod, operator.floordiv]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("other", SCALARS, ids=lambda s: f"{type(s).__name__}{getattr(s, 'dtype', '')}")
def test_value_dtype_and_kind_with_scalars_are_numpys(other, dtype):
    for x in (X.astype(dtype) + 2, dtype(1.5)):
        for op in BINARY:
            if isinstance(other, complex) and (op in (operator.mod, operator.floordiv) or np.ndim(x) == 0):
                continue  # of NumPy's and Python's scalars Python makes its own complex number
            for f in (lambda x, op=op: op(x, other), lambda x, op=op: op(other, x)):
                wanted, found = f(x), dg.jvp(f, (x,), (np.ones_like(x)[()],))[0]
                np.testing.assert_array_equal(found, wanted)
                assert type(found) is type(wanted), (op, other)
                assert found.dtype == wanted.dtype, (op, other)


def test_numbers_of_different_kinds_compare_by_value():
    def f(x):
        def inner(y):
            assert y > x and x < y and y != x and x <= y and not x >= y
            return y * x

        return dg.grad(inner)(2.0) * x

    assert dg.grad(f)(1.5) == 3.0
    assert dg.derivative(f, 2)(1.5) == 2.0
    assert dg.Dual(1.0, 1.0) < dg.Jet([2.0, 1.0])


def test_powers_modulo_are_refused():
    with pytest.raises((TypeError, dg.UnsupportedError)):
        dg.grad(lambda x: pow(x, 2, 3))(1.5)


def test_ufuncs_of_the_value_alone():
    mask = dg.jvp(lambda x: np.logical_and.reduce(x > 0), (X,), (V,))
    assert np.array_equal(mask[0], np.logical_and.reduce(X > 0))
    assert np.array_equal(dg.jvp(lambda x: np.greater.outer(x[0], x[1]), (X,), (V,))[0], np.greater.outer(*X))
    for f in (np.isnan, np.signbit, np.spacing, np.sign, np.rint):
        out, dot = dg.jvp(f, (X,), (V,))
        assert np.array_equal(out, f(X)) and not np.any(dot)


def test_the_next_number_is_discrete():
    assert dg.grad(np.nextafter, argnums=(0, 1))(1.0, 2.0) == (0.0, 0.0)
    for x in (0.0, -1.0, np.inf, np.nan):
        value, slope = dg.jvp(np.nextafter, (x, np.inf), (1.0, 1.0))
        assert np.array_equal(value, np.nextafter(x, np.inf), equal_nan=True) and slope == 0
    assert dg.jvp(np.nextafter, (np.float32(1), np.float32(2)), (np.float32(1), np.float32(0)))[0].dtype == np.float32


@pytest.mark.parametrize("f", [
    lambda x: np.positive(2.0, x), lambda x: np.frexp(2.0, x)[0], lambda x: np.sin(2.0, out=x),
    lambda x: np.add(2.0, 1.0, x), lambda x: np.floor(2.5, x),
])  # fmt: skip
def test_a_constant_that_is_written_into_a_number_ends_its_derivative(f):
    def written(x):
        y = x * 1.0
        f(y)
        return y

    value, slope = dg.jvp(written, (X,), (V,))
    assert np.array_equal(value, written(X)) and not np.any(slope)
    assert not np.any(dg.grad(lambda x: np.sum(written(x)))(X))


@pytest.mark.parametrize(
    "write",
    [
        lambda x, y: np.round(x, 1, y), lambda x, y: np.round(x, out=y), lambda x, y: x.round(out=y),
        lambda x, y: np.fix(x, y), lambda x, y: np.fix(x, out=y), lambda x, y: np.floor(x, y),
        lambda x, y: np.all(x[None], 0, y), lambda x, y: np.any(x[None], axis=0, out=y),
    ],
)  # fmt: skip
def test_what_writes_values_into_numbers_ends_their_derivative(write):
    def f(x):
        y = 2 * x
        write(x, y)
        return y

    assert np.array_equal(f(X), dg.jvp(f, (X,), (V,))[0])
    assert not np.any(dg.jvp(f, (X,), (V,))[1]) and not np.any(dg.jacrev(f)(X)) and not np.any(dg.jacfwd(f)(X))


def test_the_caller_keeps_an_array_that_is_written_as_out():
    for f in (lambda x: np.fix(2.0, x), lambda x: np.round(x, 0, x), lambda x: x.round(out=x)):
        x = X.copy()
        dg.jvp(f, (x,), (V,))
        assert np.array_equal(x, X) and not np.any(dg.jacrev(f)(x)) and np.array_equal(x, X)


def test_round_and_absolute():
    out, dot = dg.jvp(lambda x: round(x, 1), (X,), (V,))
    assert np.array_equal(out, np.round(X, 1)) and not np.any(dot)
    obeys(abs)
    obeys(operator.pos)
