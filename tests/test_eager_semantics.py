"""SEMANTICS, row by row, in the eager modes."""

import dataclasses
import math
import sys
from collections import namedtuple

import numpy as np
import pytest

import dualgrad as dg

inf, nan = np.inf, np.nan


def slopes(f, x):
    """The derivative of a scalar function in every first-order mode."""
    return {
        "jvp": dg.jvp(f, (x,), (1.0,))[1],
        "vjp": dg.vjp(f, x)[1](1.0)[0],
        "jet": dg.jet(f, (x,), ([1.0],))[1][0],
        "jacfwd": dg.jacfwd(f)(x),
        "jacrev": dg.jacrev(f)(x),
        "linearize": dg.linearize(f, x)[1](1.0),
    }


SINGULAR = [
    ("abs at 0", abs, 0.0, 0.0),
    ("maximum with a tie", lambda x: np.maximum(x, 0.0), 0.0, 0.5),
    ("minimum with a tie", lambda x: np.minimum(x, x), 1.0, 1.0),
    ("clip at its edge", lambda x: np.clip(x, 0.0, 1.0), 0.0, 0.5),
    ("sqrt at 0", np.sqrt, 0.0, inf),
    ("x**0.5 at 0", lambda x: x**0.5, 0.0, inf),
    ("sqrt(x)*sqrt(x) at 0", lambda x: np.sqrt(x) * np.sqrt(x), 0.0, nan),
    ("sqrt(x*x) at 0", lambda x: np.sqrt(x * x), 0.0, nan),
    ("where at 0", lambda x: np.where(x < 1, x, np.sqrt(x)), 0.0, 1.0),
    ("where at -1", lambda x: np.where(x < 1, x, np.sqrt(x)), -1.0, 1.0),
    ("where at 4", lambda x: np.where(x < 1, x, np.sqrt(x)), 4.0, 0.25),
    ("where of a where", lambda x: np.where(x < 1, 0.0, np.sqrt(np.where(x < 1, 0.0, x))), 0.0, 0.0),
    ("x**0 at 0", lambda x: x**0, 0.0, 0.0),
    ("x**1 at 0", lambda x: x**1, 0.0, 1.0),
    ("x**2.0 at 0", lambda x: x**2.0, 0.0, 0.0),
    ("x**3.0 at -2", lambda x: x**3.0, -2.0, 12.0),
    ("0**p at p = 2", lambda p: 0.0**p, 2.0, 0.0),
    ("0**p at p = 0", lambda p: np.power(0.0, p), 0.0, 0.0),
    ("0**p at p = -1", lambda p: np.power(0.0, p), -1.0, -inf),
    ("floor", np.floor, 1.5, 0.0),
    ("sign", np.sign, 1.5, 0.0),
    ("floor division", lambda x: x // 2, 5.0, 0.0),
    ("mod by its divisor", lambda y: 7.5 % y, 2.0, -3.0),
    ("hypot at 0", lambda x: np.hypot(x, 0.0), 0.0, 0.0),
    ("arctan2 at 0, 0", lambda x: np.arctan2(x, x), 0.0, nan),
]


@pytest.mark.parametrize(("f", "x", "answer"), [pytest.param(*row[1:], id=row[0]) for row in SINGULAR])
def test_singular_points(f, x, answer):
    for mode, found in slopes(f, x).items():
        assert np.array_equal(found, answer, equal_nan=True), f"{mode}: {found}"


def test_jacobian_of_sqrt_has_exact_zeros_off_the_diagonal():
    x = np.array([0.0, 1.0])
    for mode in (dg.jacfwd, dg.jacrev, dg.jacobian):
        assert np.array_equal(mode(np.sqrt)(x), [[inf, 0.0], [0.0, 0.5]])
        assert np.array_equal(mode(lambda x: np.sqrt(x)[1])(x), [0.0, 0.5])
        assert np.array_equal(mode(lambda x: np.sum(np.sqrt(x)[1:] * x[1:]))(x), [0.0, 1.5])
        assert np.array_equal(mode(lambda x: (np.eye(2) + 1) @ np.sqrt(x))(x), [[inf, 0.5], [inf, 1.0]])
    assert np.array_equal(dg.jacfwd(dg.jacrev(lambda x: np.sqrt(x[1])))(x), [[0.0, 0.0], [0.0, -0.25]])


def test_zeros_of_a_fresh_buffer_are_structural():
    def f(x):
        y = np.zeros(3)
        y[1] = x
        return np.sum(np.sqrt(y))

    found = slopes(f, 4.0)
    found.pop("jet")  # series have no masks: 0 * inf among their coefficients is honest
    assert set(found.values()) == {0.25}


def test_a_users_zero_tangent_is_a_number():
    assert math.isnan(dg.jvp(np.sqrt, (0.0,), (0.0,))[1])
    assert math.isnan(dg.vjp(np.sqrt, 0.0)[1](0.0)[0])


def test_ties_of_extremes_share_equally():
    x = np.array([1.0, 3.0, 3.0, 2.0])
    for mode in (dg.jacfwd, dg.jacrev):
        assert np.array_equal(mode(np.max)(x), [0, 0.5, 0.5, 0])
        assert np.array_equal(mode(lambda x: np.min(x[1:]))(x), [0, 0, 0, 1])


def test_norms_have_slope_zero_at_zero():
    x = np.zeros(2)
    for mode in (dg.jacfwd, dg.jacrev):
        assert np.array_equal(mode(np.linalg.norm)(x), [0, 0])
        assert np.array_equal(mode(np.std)(x + 1), [0, 0])


def test_products_with_zeros_are_right_to_second_order():
    x = np.array([0.0, 2.0, 0.0, 3.0])
    assert np.array_equal(dg.grad(np.prod)(x), np.zeros(4))
    hessian = np.zeros((4, 4))
    hessian[0, 2] = hessian[2, 0] = 6.0
    assert np.array_equal(dg.hessian(np.prod)(x), hessian)


def test_integer_powers_are_polynomials_at_every_order():
    assert np.array_equal(dg.taylor(lambda x: x**2.0, 0.0, 4).coeffs, [0, 0, 1, 0, 0])
    assert [dg.derivative(lambda x: x**2.0, n)(0.0) for n in range(4)] == [0, 0, 2, 0]
    assert dg.derivative(dg.derivative(lambda x: x**2.0))(0.0) == 2


# Levels


def test_perturbations_are_not_confused():
    assert dg.grad(lambda x: x * dg.grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert dg.derivative(lambda x: x * dg.derivative(lambda y: x * y)(2.0))(3.0) == 6.0
    inner = dg.jvp(lambda x: dg.jvp(lambda y: x * y * y, (x,), (1.0,))[1], (3.0,), (1.0,))[1]
    assert inner == 2 * 3.0 + 2 * 3.0  # d/dx (2 x y at y = x), both as x moves
    for outer in (dg.grad, dg.jacfwd, dg.derivative):
        for mode in (dg.grad, dg.jacfwd, dg.derivative):
            assert outer(lambda x, mode=mode: x * mode(lambda y: x + y)(1.0))(1.0) == 1.0
            assert outer(lambda x, mode=mode: mode(lambda y: x * np.sin(x * y))(0.5))(0.7) == pytest.approx(
                2 * 0.7 * np.cos(0.35) - 0.7**2 * 0.5 * np.sin(0.35)
            )


def test_the_same_function_nested_in_itself_keeps_its_levels():
    f = dg.grad(lambda x: x**4)
    assert dg.grad(f)(2.0) == 48
    assert dg.grad(dg.grad(f))(2.0) == 48
    assert dg.grad(dg.grad(dg.grad(f)))(2.0) == 24


@pytest.mark.parametrize("run", [
    lambda f: dg.jvp(f, (1.0,), (1.0,)), lambda f: dg.vjp(f, 1.0), lambda f: dg.jet(f, (1.0,), ([1.0],)),
], ids=["jvp", "vjp", "jet"])  # fmt: skip
def test_an_escaped_number_raises(run):
    kept = []

    def f(x):
        kept.append(x)
        return x

    run(f)
    text = r"has ended was used \((jvp|vjp|jet), level \d+, made at .*test_eager"
    with pytest.raises(dg.EscapedNumberError, match=text):
        kept[0] * 2
    with pytest.raises(dg.EscapedNumberError):
        dg.grad(lambda y: y * kept[0])(1.0)


# Shapes, dtypes, containers


def test_gradients_have_exactly_the_shape_and_dtype_of_the_argument():
    for shape in [(), (0,), (0, 3), (1,), (2, 1, 3)]:
        for dtype in (np.float32, np.float64):
            x = np.ones(shape, dtype)
            g = dg.grad(lambda x: np.sum(x * x * 0.5))(x)
            assert g.shape == shape and g.dtype == dtype
            if shape:
                assert g.flags.writeable and g.flags.c_contiguous and g.flags.owndata
            dot = dg.jvp(lambda x: np.sin(x) * 2, (x,), (x,))[1]
            assert dot.shape == shape and dot.dtype == dtype
    assert dg.jacfwd(lambda x: x * 2)(np.zeros((0, 3))).shape == (0, 3, 0, 3)
    assert dg.jacrev(lambda x: np.zeros(2) + np.sum(x))(np.zeros(0)).shape == (2, 0)


def test_results_never_share_memory_with_arguments():
    x, t = np.ones(3), np.ones(3)
    for f in (lambda x: x, lambda x: x.T, lambda x: x[::-1], lambda x: x + 0.0, lambda x: np.broadcast_to(x, (2, 3))):
        for out in (*dg.jvp(f, (x,), (t,)), dg.vjp(f, x)[0], dg.vjp(f, x)[1](np.ones_like(f(x)))[0]):
            assert not np.shares_memory(out, x) and not np.shares_memory(out, t) and out.flags.writeable


def test_python_integers_are_promoted():
    assert dg.grad(lambda x: x**2)(3) == 6.0
    assert np.array_equal(dg.grad(lambda x: np.sum(x**2))(np.array([1, 2])), [2.0, 4.0])
    assert dg.derivative(lambda x: x**3)(2) == 12.0


def test_float32_meets_python_floats_and_stays():
    x = np.array([1, 2], np.float32)
    assert dg.vjp(lambda x: 2.0 * x + 1, x)[0].dtype == np.float32
    assert dg.jacrev(lambda x: x.astype(np.float64) * 2)(x).dtype == np.float32
    assert dg.jacfwd(lambda x: np.tanh(x) / 3)(x).dtype == np.float32


def test_discrete_results_have_zero_tangents():
    out, dot = dg.jvp(lambda x: (x > 1, np.argmax(x), x), (np.array([1.0, 2.0]),), (np.ones(2),))
    assert np.array_equal(out[0], [False, True]) and np.array_equal(dot[0], [0, 0]) and dot[1] == 0
    assert np.array_equal(dg.grad(lambda x: np.sum(x > 1))(np.array([1.0, 2.0])), [0, 0])


Pair = namedtuple("Pair", "left right")


@dataclasses.dataclass(frozen=True)
class Model:
    weights: np.ndarray
    bias: float
    name: str = "m"


def test_containers_in_and_out():
    tree = {"a": [np.array([1.0, 2.0]), 3.0], "b": Pair(2.0, (np.ones((2, 2)),))}

    def f(tree):
        return np.sum(tree["a"][0]) * tree["a"][1] * tree["b"].left * np.sum(tree["b"].right[0])

    g = dg.grad(f)(tree)
    assert np.array_equal(g["a"][0], [24, 24]) and g["a"][1] == 24 and g["b"].left == 36
    assert isinstance(g["b"], Pair) and np.array_equal(g["b"].right[0], np.full((2, 2), 18.0))
    j = dg.jacobian(lambda t: {"y": t["a"][0] * t["a"][1]})(tree)
    assert j["y"]["a"][0].shape == (2, 2) and j["y"]["b"].right[0].shape == (2, 2, 2)
    m = dg.grad(lambda m, x: np.tanh(m.weights @ x + m.bias))(Model(np.array([0.5, 0.1]), 0.2), np.ones(2))
    assert isinstance(m, Model) and m.weights.shape == (2,) and m.bias == m.weights[0]


def test_argnums_and_aux():
    f = lambda x, y: (x * y**2, {"seen": y * 2})  # noqa: E731
    assert dg.grad(f, (0, 1), has_aux=True)(2.0, 3.0) == ((9.0, 12.0), {"seen": 6.0})
    assert dg.grad(f, -1, has_aux=True)(2.0, 3.0)[0] == 12.0
    assert dg.value_and_grad(f, has_aux=True)(2.0, 3.0) == ((18.0, {"seen": 6.0}), 9.0)
    assert dg.jvp(f, (2.0, 3.0), (1.0, 0.0), has_aux=True) == (18.0, 9.0, {"seen": 6.0})
    assert dg.jacfwd(f, 1, has_aux=True)(2.0, 3.0) == (12.0, {"seen": 6.0})
    assert dg.jacrev(f, 1, has_aux=True)(2.0, 3.0) == (12.0, {"seen": 6.0})
    assert dg.grad(lambda x, scale=1.0: scale * x)(1.0, scale=3.0) == 3.0


def test_a_function_that_returns_none_gives_what_it_wrote():
    def f(x, out):
        out[0] = x[0] * x[1]
        out[1] = x[1]

    x, out = np.array([2.0, 3.0]), np.zeros(2)
    y, dot = dg.jvp(lambda x: f(x, out_buffer := np.zeros(2)) or out_buffer, (x,), (np.ones(2),))
    assert np.array_equal(y, [6, 3]) and np.array_equal(dot, [5, 1])
    assert np.array_equal(dg.jacfwd(f)(x, out), [[3, 2], [0, 1]])
    assert np.array_equal(dg.jacrev(f)(x, out), [[3, 2], [0, 1]])
    assert np.array_equal(out, [0, 0])

    def g(x):
        x[1:] *= x[0]

    assert np.array_equal(dg.jacobian(g)(x), [[1, 0], [3, 2]]) and np.array_equal(x, [2, 3])


def test_the_callers_memory_may_change_after_the_call():
    x, w = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    _, pullback = dg.vjp(lambda x: np.sum(w * x * x), x)
    w[:], x[:] = 0, 0
    assert np.array_equal(pullback(1.0)[0], [6, 16])


def test_a_view_may_come_from_another_number_of_the_same_memory():
    def f(x):
        rows = list(x)
        rows[0][1] = x[1, 0]
        rows[1][:] *= rows[0]
        return x

    x = np.array([[2.0, 3.0], [4.0, 5.0]])
    np.testing.assert_allclose(dg.jacfwd(f)(x), dg.jacrev(f)(x))
    assert np.array_equal(dg.jvp(f, (x,), (np.ones((2, 2)),))[1], [[1, 1], [6, 9]])
    assert np.array_equal(x, [[2, 3], [4, 5]])


def test_an_outer_number_written_by_an_inner_transform_stays_as_it_was():
    def outer(x):
        def inner(y):
            y[0] = 2 * y[1] * x[0]
            return np.sum(y)

        slope = dg.grad(inner)(x)
        return np.sum(slope * x)  # (0, 1 + 2 x0) . x

    x = np.array([2.0, 3.0])
    assert np.array_equal(dg.grad(outer)(x), [6, 5])
    assert np.array_equal(dg.jacfwd(outer)(x), [6, 5])


def test_writing_n_elements_one_by_one_is_linear():
    """The buffer is copied a fixed number of times, however many entries are written."""

    def recurrence(x):
        y = np.zeros(len(x))
        y[0] = x[0]
        for i in range(1, len(x)):
            y[i] = 0.5 * y[i - 1] + x[i]
        return y[-1]

    def copies(n):
        found = []

        def look(frame, event, called):
            if event == "c_call" and called.__name__ == "copy" and np.size(getattr(called, "__self__", 0)) == n:
                found.append(called)

        sys.setprofile(look)
        try:
            dg.grad(recurrence)(np.ones(n))
        finally:
            sys.setprofile(None)
        return len(found)

    assert 0 < copies(50) == copies(200) < 10


def test_an_element_is_no_view_of_memory():
    x = np.array([1.0, 2.0])
    for f in (
        lambda x: np.sum(x[0][None] * 2), lambda x: np.sum(x[0][None][None, :] * 2), lambda x: 2 * x[0][()],
        lambda x: np.sum(np.reshape(x[0], (1, 1)) * 2), lambda x: np.sum(2 * x[0].T),
    ):  # fmt: skip
        assert np.array_equal(dg.grad(f)(x), [2, 0]) and np.array_equal(dg.jacfwd(f)(x), [2, 0])


def test_structural_zeros_pass_through_views_in_both_sweeps():
    mask = np.array([[True, False, True], [True, True, False]])

    def f(x):
        y = np.where(mask, x, np.nan)
        d = y - np.sum(np.where(mask, y, 0.0))
        return np.sum(np.where(mask, d * d, 0.0)) * np.sum(x)

    x = np.array([[0.3, 0.5, 0.9], [0.2, 0.1, -0.3]])
    reference = dg.jacfwd(dg.jacfwd(f))(x)
    np.testing.assert_allclose(dg.jacrev(dg.jacfwd(f))(x), reference)
    np.testing.assert_allclose(dg.jacrev(dg.jacrev(f))(x), reference)
    assert np.any(reference)


@pytest.mark.parametrize(
    "look",
    [
        lambda y: y[1, ...], lambda y: y[1:2].reshape(()), lambda y: np.squeeze(y[1:2]), lambda y: y[1:][0, ...],
    ],
)  # fmt: skip
def test_arrays_of_no_axes_are_views(look):
    def f(x):
        y = x * 2
        w = look(y)
        w[...] = x[0] ** 2
        y[1] += x[2]
        return y * w

    x, v = np.array([0.31, 0.72, 1.53]), np.array([0.3, -0.4, 0.5])
    out, dot = dg.jvp(f, (x,), (v,))
    assert np.array_equal(out, f(x)) and np.allclose(dg.jacrev(f)(x) @ v, dot)
    out, series = dg.jet(f, (x,), ([v, 0 * v],))
    assert np.array_equal(out, f(x)) and np.allclose(series[0], dot)
    assert np.allclose(2 * series[1], dg.jvp(lambda x: dg.jvp(f, (x,), (v,))[1], (x,), (v,))[1])
