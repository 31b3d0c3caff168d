"""Array functions at their hard points: ties, NaN and infinities, aliasing of views, writes, and what is refused."""

import numpy as np
import pytest

import dualgrad as dg

nan, inf = np.nan, np.inf
MODES = pytest.mark.parametrize("mode", [dg.jacfwd, dg.jacrev])


def both(f, x):
    """The Jacobian, which is the same in both modes."""
    forward, reverse = dg.jacfwd(f)(x), dg.jacrev(f)(x)
    np.testing.assert_array_equal(forward, reverse)
    return forward


# Ties


def test_ties_of_extremes_share_equally_and_keep_the_value():
    x = np.array([[0.1, 0.7, 0.1], [0.1, 0.7, 0.1]])
    assert np.array_equal(both(np.min, x), np.where(x == 0.1, 0.25, 0))
    value, slope = dg.value_and_grad(lambda x: np.max(x[:, [0, 2, 0]]))(x)
    assert value == 0.1 and np.array_equal(slope, [[0.25 * 4 / 3, 0, 0.25 * 2 / 3]] * 2)
    assert np.array_equal(dg.jvp(lambda x: np.max(x, 0), (x,), (x,))[0], np.max(x, 0))
    assert np.array_equal(both(lambda x: np.max(x, initial=0.7), x), np.where(x == 0.7, 1 / 3, 0))
    assert np.array_equal(both(lambda x: np.max(x, initial=9.0), x), np.zeros((2, 3)))
    assert np.array_equal(both(lambda x: np.ptp(x, 1), x)[0, 0], [-0.5, 1, -0.5])


def test_extremes_of_infinities_and_nan():
    x = np.array([inf, 1.0, inf])
    assert np.array_equal(both(np.max, x), [0.5, 0, 0.5])
    out, dot = dg.jvp(np.max, (np.array([1.0, nan, 2.0]),), (np.array([1.0, 5.0, 1.0]),))
    assert np.isnan(out) and dot == 5
    assert np.array_equal(both(np.nanmax, np.array([1.0, nan, 2.0])), [0, 0, 1])
    with pytest.warns(RuntimeWarning, match="All-NaN"):
        assert np.isnan(np.nanmax(np.array([nan])))
    assert np.isnan(dg.jvp(np.nanmax, (np.array([nan]),), (np.ones(1),))[0])


def test_equal_entries_keep_their_order_when_sorted():
    x = np.array([2.0, 1.0, 2.0, 1.0])
    order = np.argsort(x, kind="stable")
    assert np.array_equal(both(np.sort, x), np.eye(4)[order])
    assert np.array_equal(both(lambda x: np.partition(x, 1), x)[:2], np.eye(4)[order][:2])
    assert np.array_equal(both(np.median, x), [0.5, 0, 0, 0.5])
    assert np.array_equal(both(np.unique, x), [[0, 1, 0, 0], [1, 0, 0, 0]])


def test_edges_of_clip_are_half():
    x = np.array([-1.0, 0.0, 1.0])
    assert np.array_equal(np.diag(both(lambda x: np.clip(x, -1, 1), x)), [0.5, 1, 0.5])
    low = dg.jacfwd(lambda low: np.clip(x, low, 1))(-1.0)
    assert np.array_equal(low, [0.5, 0, 0])


def test_spread_of_equal_values_has_slope_zero():
    x = np.ones((2, 3))
    assert np.array_equal(both(np.std, x), np.zeros((2, 3)))
    assert np.array_equal(both(lambda x: np.nanstd(x, 1), x), np.zeros((2, 2, 3)))


# NaN and infinities that are not looked at are structural zeros


@MODES
def test_what_is_not_looked_at_does_not_disturb(mode):
    x = np.array([0.0, 1.0, 4.0])
    keep = x > 0
    wanted = np.where(keep, 0.5 / np.sqrt(np.where(keep, x, 1)), 0)
    for f in (
        lambda x: np.sum(np.sqrt(x), where=keep), lambda x: np.sum(np.compress(keep, np.sqrt(x))),
        lambda x: np.sum(np.delete(np.sqrt(x), 0)), lambda x: np.sum(np.sqrt(x)[keep]),
        lambda x: np.sum(np.extract(keep, np.sqrt(x))), lambda x: np.sum(np.triu(np.sqrt(x), 1)[0]),
        lambda x: np.sum(np.select([keep], [np.sqrt(x)])), lambda x: np.sum(np.array_split(np.sqrt(x), [1])[1]),
        lambda x: np.sum(np.take(np.sqrt(x), [1, 2])), lambda x: np.sum(np.choose(keep * 1, [x * 0, np.sqrt(x)])),
    ):  # fmt: skip
        found = mode(f)(x)
        np.testing.assert_array_equal(found[keep], wanted[keep])
        assert found[0] == 0


def test_products_with_zeros_are_right_to_all_orders():
    x = np.array([0.0, 2.0, 0.0, 3.0])
    assert np.array_equal(both(np.cumprod, x), [[1, 0, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    assert np.array_equal(dg.hessian(lambda x: np.cumprod(x)[-1])(x), dg.hessian(np.prod)(x))
    assert dg.hessian(np.prod)(x)[0, 2] == 6
    series = dg.taylor(np.prod, x, 3, np.ones(4)).coeffs
    assert np.array_equal(series, np.polynomial.polynomial.polyfromroots(-x)[:4])


def test_products_keep_the_range_that_numpys_order_has():
    for x in (np.array([1e-200, 1e250, 1e-200, 1e250]), np.array([1e-200, 1e-100, 1e200, 1e200])):
        for f in (np.prod, lambda x: np.cumprod(x)[-1]):
            value, slope = dg.value_and_grad(f)(x)
            np.testing.assert_allclose(value, f(x), rtol=1e-14)
            assert not np.any(np.isnan(slope))


def test_quantiles_of_nan_are_nan_in_both_modes():
    x = np.array([[1.0, nan, 3.0], [3.0, 1.0, 2.0]])
    for f in (lambda x: np.median(x, 1), lambda x: np.quantile(x, 0.4, axis=1)):
        forward, reverse = dg.jacfwd(f)(x), dg.jacrev(f)(x)
        np.testing.assert_array_equal(np.isnan(forward), np.isnan(reverse))
        assert np.array_equal(forward[1, 1], reverse[1, 1]) and np.sum(forward[1, 1]) == pytest.approx(1)
        assert np.isnan(dg.vjp(f, x)[0][0])
    assert np.array_equal(both(lambda x: np.nanmedian(x, 1), x)[0, 0], [0.5, 0, 0.5])
    assert dg.vjp(np.median, np.array([inf, inf, 1.0]))[0] == inf


# Views alias as in NumPy


def _views(y):
    return [
        y.T, y[::-1], y.ravel(), np.reshape(y, (4, 3)), np.flip(y), np.fliplr(y), np.rot90(y), np.split(y, 3)[1],
        np.hsplit(y, 2)[0], np.squeeze(y[None]), np.expand_dims(y, 1), np.atleast_3d(y), np.moveaxis(y, 0, 1),
        np.unstack(y)[2], np.swapaxes(y, 0, 1), y.mT, y.view(), np.trim_zeros(y[0]), np.array_split(y, 2, 1)[1],
        np.permute_dims(y), y.T.ravel("F"), y[:, None].squeeze(1), np.rot90(y, 2), y.T.reshape(-1, order="F"),
    ]  # fmt: skip


@MODES
@pytest.mark.parametrize("k", range(len(_views(np.ones((3, 4))))))
def test_a_write_is_seen_through_every_view(mode, k):
    """Written through the view and seen in the array, and the other way round."""

    def f(x):
        y = x * 1.0
        v = _views(y)[k]
        v[0] = v[-1] * 2
        y *= y
        return np.sum(v[0]) + np.sum(y * np.arange(12).reshape(3, 4))

    x = np.linspace(0.5, 2.0, 12).reshape(3, 4)
    v = np.cos(np.arange(12.0)).reshape(3, 4)
    h = 1e-6
    expected = (f(x + h * v) - f(x - h * v)) / (2 * h)
    assert dg.vjp(f, x)[0] == pytest.approx(f(x))
    assert np.sum(mode(f)(x) * v) == pytest.approx(expected, rel=1e-6)


def test_a_diagonal_sees_what_is_written_later():
    def f(x):
        y = x * 1.0
        d = np.diagonal(y)
        y[0, 0] = 5 * x[1, 1]
        return d * 1.0

    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert np.array_equal(both(f, x), [[[0, 0], [0, 5]], [[0, 0], [0, 1]]])


def test_what_is_broadcast_sees_what_is_written_later():
    def f(x):
        y = x * 1.0
        rows, column = np.broadcast_to(y, (2, 3)), np.broadcast_to(y[:, None], (3, 2))[1:, ::-1]
        grid, _ = np.meshgrid(y, y[:2], copy=False)
        y[1] = x[0] * x[2]
        return rows * x + column.T.sum() * grid

    x = np.array([0.5, 0.7, 1.1])
    v = np.array([0.3, -0.5, 0.4])
    np.testing.assert_allclose(dg.vjp(f, x)[0], f(x))
    np.testing.assert_allclose(dg.jvp(f, (x,), (v,))[1], (f(x + 1e-6 * v) - f(x - 1e-6 * v)) / 2e-6, rtol=1e-7)
    np.testing.assert_allclose(dg.jacfwd(f)(x), dg.jacrev(f)(x))
    np.testing.assert_allclose(dg.linearize(f, x)[1].T(np.ones((2, 3)))[0], dg.jacfwd(f)(x).sum((0, 1)))
    w = lambda x: np.sum(f(x) ** 2)  # noqa: E731
    np.testing.assert_allclose(dg.jacrev(dg.jacrev(w))(x), dg.jacfwd(dg.jacfwd(w))(x))
    np.testing.assert_allclose(dg.jacrev(dg.jacfwd(w))(x), dg.jacfwd(dg.jacfwd(w))(x))
    np.testing.assert_allclose(dg.jet(f, (x,), ([v],))[1][0], dg.jvp(f, (x,), (v,))[1])
    for run in (lambda g: g(x), lambda g: dg.grad(g)(x), lambda g: dg.jacfwd(g)(x)):
        with pytest.raises(ValueError, match="read-only"):
            run(lambda x: np.broadcast_to(x, (2, 3)).fill(0.0))


def test_structural_zeros_pass_through_broadcasting():
    x = np.array([0.0, 4.0])
    f = lambda x: np.sum(np.sqrt(np.broadcast_to(x, (3, 2))[:, 1]))  # noqa: E731
    assert np.array_equal(dg.jacfwd(f)(x), [0, 0.75]) and np.array_equal(dg.jacrev(f)(x), [0, 0.75])
    g = lambda x: np.sum(np.sqrt(np.broadcast_to(x, (3, 2)))[:, 1])  # noqa: E731
    assert np.array_equal(dg.jacfwd(g)(x), [0, 0.75]) and np.array_equal(dg.jacrev(g)(x), [0, 0.75])


def test_functions_that_copy_do_not_alias():
    def f(x):
        y = x * 1.0
        copies = [np.roll(y, 1), np.tile(y, 1), np.take(y, [0, 1, 2]), np.repeat(y, 1), np.sort(y), y.flatten(),
                  np.append(y, []), np.roll(y, 0), *np.meshgrid(y), np.clip(y, None, None), np.nan_to_num(y),
                  np.cumprod(y[:1]), np.resize(y, 3), np.delete(y, [])]  # fmt: skip
        y[...] = 0.0
        return sum(c[0] for c in copies)

    x = np.array([1.0, 2.0, 3.0])
    assert dg.jvp(f, (x,), (np.ones(3),)) == (f(x), 14)
    assert np.sum(dg.grad(f)(x)) == 14


# Writing


def test_the_last_of_several_values_stays():
    x = np.array([1.0, 2.0, 3.0])

    def f(x):
        y = np.zeros(3)
        y[[0, 1, 0]] = x
        y[[2, 2]] -= x[:2]
        return y

    for out in (dg.jvp(f, (x,), (x,))[0], dg.vjp(f, x)[0]):
        assert np.array_equal(out, f(x))
    assert np.array_equal(both(f, x), [[0, 0, 1], [0, 1, 0], [0, -1, 0]])


@pytest.mark.parametrize("write", [
    lambda y, x: np.copyto(y, x), lambda y, x: np.put(y, [0], x[:1]), lambda y, x: np.place(y, y == 0, x),
    lambda y, x: np.putmask(y, y == 0, x), lambda y, x: np.put_along_axis(y, np.array([0]), x[:1], 0),
])  # fmt: skip
def test_a_plain_array_does_not_take_numbers(write):
    plain = np.zeros(3)

    def f(x):
        write(plain, x)
        return np.sum(x)

    with pytest.raises(dg.LostDerivativeError, match="lose its derivative"):
        dg.grad(f)(np.ones(3))
    assert np.array_equal(plain, np.zeros(3))


def test_out_is_written_by_functions_and_methods():
    def f(x):
        y, s = np.zeros_like(x), np.zeros(2)
        np.cumsum(x, 1, out=y)
        x.sum(1, None, s)
        np.max(x, axis=0, out=y[0])
        np.take(x, [0, 1, 2], out=y[1])
        return y * s[:, None] + np.clip(x, 0, 1, out=np.zeros_like(x))

    x = np.array([[0.3, 0.9, 0.2], [0.5, 0.1, 0.4]])
    np.testing.assert_allclose(dg.vjp(f, x)[0], f(x))
    np.testing.assert_allclose(dg.jacfwd(f)(x), dg.jacrev(f)(x))
    assert dg.jacfwd(lambda x: f(x)[1, 0])(x)[0, 0] == pytest.approx(1.0 * 1.0)


# What is refused


@pytest.mark.parametrize(("text", "call"), [
    ("x.tobytes()", lambda x: x.tobytes()), ("x.resize()", lambda x: x.resize(2)), ("x.view", lambda x: x.view(int)),
    ("x.byteswap()", lambda x: x.byteswap()), ("np.quantile by q", lambda x: np.quantile(x, x[0])),
    ("np.pad with a function", lambda x: np.pad(x, 1, lambda *_: None)),
    ("np.sort_complex", np.sort_complex),
], ids=lambda t: t if isinstance(t, str) else "")  # fmt: skip
def test_what_has_no_meaning_is_refused(text, call):
    with pytest.raises(dg.UnsupportedError) as info:
        dg.grad(lambda x: np.sum(call(x)))(np.ones(3))
    assert text in str(info.value) and "do:" in str(info.value)


@pytest.mark.parametrize(("error", "call"), [
    (ValueError, lambda x: np.squeeze(x, 0)), (ValueError, lambda x: x.reshape(5)), (IndexError, lambda x: x[7]),
    (ValueError, lambda x: np.split(x, 2)), (ValueError, lambda x: np.concatenate([x, x[None]])),
    (IndexError, lambda x: np.put(x, [9], 0.0)), (ZeroDivisionError, lambda x: np.average(x, weights=[0, 0, 0])),
    (ValueError, lambda x: np.select([x > 0], [])), (ValueError, lambda x: np.max(x[:0])),
    (ValueError, lambda x: np.rot90(x[None], axes=(0, 0))), (ValueError, lambda x: np.cumulative_sum(x[None])),
    (ValueError, lambda x: x.__setitem__(slice(None), x[:2])), (IndexError, lambda x: np.take(x, 9)),
])  # fmt: skip
def test_mistakes_raise_as_in_numpy(error, call):
    for run in (call, dg.grad(call), dg.jacfwd(call)):
        with pytest.raises(error):
            run(np.ones(3))


@pytest.mark.parametrize("call", [
    lambda x: np.flip(x, 1), lambda x: np.mean(x, 2),
    lambda x: np.stack([x, x], 3), lambda x: np.concatenate([x, x], 1),
    lambda x: np.roll(x, 1, 1), lambda x: np.cumsum(x, 1),
    lambda x: np.transpose(x, (1,)), lambda x: np.max(x, axis=-2),
    lambda x: np.sort(x, 1), lambda x: np.take(x, 0, 1),
    lambda x: np.expand_dims(x, 5), lambda x: np.diff(x, axis=1),
    lambda x: np.prod(x, 1), lambda x: np.median(x, 1),
])  # fmt: skip
def test_an_axis_that_is_not_there_raises_as_in_numpy(call):
    for run in (call, dg.grad(call), dg.jacfwd(call), lambda x: dg.jet(call, (x,), ([x],))):
        with pytest.raises(np.exceptions.AxisError):
            run(np.ones(3))


def test_arrays_that_do_not_fit_are_not_joined():
    x = np.ones((2, 3))
    for call in (
        lambda x: np.concatenate([x, x[:, :1]]), lambda x: np.concatenate([x, x[0]]), lambda x: np.hstack([x, x[:1]]),
        lambda x: np.vstack([x, x[:, :2]]), lambda x: np.stack([x, x[0]]),
    ):  # fmt: skip
        for run in (call, dg.jacfwd(call), dg.jacrev(call)):
            with pytest.raises(ValueError, match=r"joined|same shape|must match|same number"):
                run(x)


def test_lists_with_numbers_in_them():
    def f(x):
        a, b, c = x
        y = np.vstack([[a, b], [c, 1.0]]) + np.column_stack([[a, 2.0], [b, c]])
        y += np.array([[a, b], [c, a]], dtype=np.float64, ndmin=2) * np.median([c, a, b])
        y[0] *= np.sort([b, a])[::-1] + np.concatenate([[a], [b * c]])
        y = y * np.std([a, b, c]) + np.fromiter((v * v for v in x[:2]), float)
        return y + np.diff([a, b, c]) + np.argmax([a, c])

    x = np.array([0.7, 0.2, 1.1])
    v = np.array([0.3, -0.5, 0.4])
    np.testing.assert_allclose(dg.vjp(f, x)[0], f(x))
    np.testing.assert_allclose(dg.jvp(f, (x,), (v,))[1], (f(x + 1e-6 * v) - f(x - 1e-6 * v)) / 2e-6, rtol=1e-7)
    np.testing.assert_allclose(dg.jacfwd(f)(x), dg.jacrev(f)(x))
    assert dg.vjp(lambda x: np.array([x[0], x[1]], np.float32), x)[0].dtype == np.float32


@pytest.mark.parametrize("call", [
    lambda x: np.median(x, 1), lambda x: np.quantile(x, [0.2, 0.6], axis=1), lambda x: np.max(x, 1),
    lambda x: np.sum(x, ()), lambda x: np.squeeze(x[:, None], 1),
    lambda x: np.sort(x, 0), lambda x: np.cumprod(x, 0), lambda x: np.std(x, 1),
], ids=lambda f: "")  # fmt: skip
def test_nothing_along_the_other_axis(call):
    x = np.zeros((0, 3))
    y, pullback = dg.vjp(call, x)
    assert np.shape(y) == np.shape(call(x)) == np.shape(dg.jvp(call, (x,), (x,))[1])
    assert pullback(y)[0].shape == (0, 3)


def test_a_repeated_axis_raises_as_in_numpy():
    for call in (lambda x: np.flip(x, (0, -2)), lambda x: np.sum(x, (1, 1)), lambda x: np.median(x, (0, 0))):
        for run in (call, dg.jacfwd(call), dg.jacrev(call)):
            with pytest.raises(ValueError, match="axis"):
                run(np.ones((2, 3)))
