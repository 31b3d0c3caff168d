"""Custom rules: whichever rule the user gives, every mode and order agrees with the plain function."""

from collections import namedtuple
from functools import partial

import numpy as np
import pytest
from numba import njit
from scipy import linalg

import dualgrad as dg

Pair = namedtuple("Pair", "a b")
X = np.array([0.3, 0.8, 1.1])


def message(error, call):
    with pytest.raises(error) as info:
        call()
    return str(info.value)


# Functions beside their plain twins; the custom ones hide their value from dualgrad


def hidden(f):
    """``f``, which refuses numbers: only its rules can be used."""

    def value(*args):
        return f(*args) if all(type(a) in (np.ndarray, np.float64, float) for a in args) else pytest.fail("not plain")

    value.__name__ = f.__name__
    return value


def wave(x, y):
    return np.sin(x) * y


def by_jvp():
    f = dg.custom_jvp(hidden(wave))

    @f.defjvp
    def rule(primals, tangents):
        x, y = primals
        return f(x, y), np.cos(x) * y * tangents[0] + np.sin(x) * tangents[1]

    return f


def by_vjp():
    f = dg.custom_vjp(hidden(wave))
    f.defvjp(lambda x, y: (f(x, y), (x, y)), lambda r, ct: (np.cos(r[0]) * r[1] * ct, np.sin(r[0]) * ct))
    return f


def by_both():
    f = by_jvp()
    f.defvjp(lambda x, y: (f(x, y), (x, y)), lambda r, ct: (np.cos(r[0]) * r[1] * ct, np.sin(r[0]) * ct))
    return f


def by_each():
    f = dg.custom_jvp(hidden(wave))
    f.defjvps(lambda t, out, x, y: np.cos(x) * y * t, lambda t, out, x, y: np.sin(x) * t)
    return f


WAVES = [by_jvp, by_vjp, by_both, by_each]


@pytest.mark.parametrize("make", WAVES)
@pytest.mark.parametrize(("x", "y"), [(0.3, 0.7), (X, X[::-1] + 1)], ids=["scalar", "vector"])
def test_every_mode_and_order_agrees_with_the_plain_function(make, x, y):
    f, g = make(), wave
    v, w = np.ones_like(x) * 0.5, np.ones_like(x) * 2.0
    series = [v, w, v * w], [w, v, v]
    total = lambda h: lambda x, y: np.sum(h(x, y) * h(y, x) ** 2)  # noqa: E731
    calls = [
        lambda h: dg.jvp(h, (x, y), (v, w)),
        lambda h: dg.vjp(h, x, y)[1](v),
        lambda h: dg.linearize(h, x, y)[1](v, w),
        lambda h: dg.linearize(h, x, y)[1].T(v),
        lambda h: dg.jet(h, (x, y), series),
        lambda h: dg.jacfwd(h, (0, 1))(x, y),
        lambda h: dg.jacrev(h, (0, 1))(x, y),
        lambda h: dg.grad(total(h), (0, 1))(x, y),
        lambda h: dg.hessian(total(h), (0, 1))(x, y),
        lambda h: dg.jacrev(dg.jacrev(total(h), (0, 1)), (0, 1))(x, y),
        lambda h: dg.jacrev(dg.jacfwd(total(h), (0, 1)), (0, 1))(x, y),
        lambda h: dg.jacfwd(dg.jacfwd(total(h), (0, 1)), (0, 1))(x, y),
        lambda h: dg.jet(dg.grad(total(h)), (x, y), series),
        lambda h: dg.grad(lambda x: np.sum(dg.jet(h, (x, y), series)[1]))(x),
        lambda h: dg.jet(lambda x: dg.jet(h, (x, y), series)[1], (x,), ([v, w],)),
        lambda h: dg.jvp(lambda x: dg.jet(h, (x, y), series)[1], (x,), (v,)),
    ]
    for call in calls:
        for ours, plain in zip(leaves(call(f)), leaves(call(g)), strict=True):
            np.testing.assert_allclose(ours, plain, rtol=1e-12, atol=1e-13)


def leaves(tree):
    return [x for part in tree for x in leaves(part)] if isinstance(tree, tuple) else [tree]


def test_the_rule_is_what_is_used():
    f = dg.custom_jvp(lambda x: x)
    f.defjvp(lambda p, t: (p[0], 10 * t[0]))
    assert f(2.0) == 2.0 and dg.jvp(f, (2.0,), (1.0,)) == (2.0, 10.0)
    assert dg.grad(f)(2.0) == 10.0 and dg.jet(f, (2.0,), ([1.0, 1.0],))[1].tolist() == [10.0, 10.0]
    g = dg.custom_vjp(lambda x: x)
    g.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1, 1),))
    assert dg.grad(lambda x: 5 * g(x))(2.0) == 1.0
    f.defvjp(lambda x: (x, None), lambda _, ct: (7 * ct,))
    assert dg.grad(f)(2.0) == 7.0 and dg.derivative(f)(2.0) == 10.0


def test_high_orders_cost_no_more_when_a_rule_calls_its_function_again_and_again():
    count = [0]

    def value(x):
        count[0] += 1
        return np.tan(x)

    f = dg.custom_jvp(value)
    f.defjvp(lambda p, t: (f(*p), (1 + f(*p) * f(*p)) * t[0]))
    np.testing.assert_allclose(dg.taylor(f, 0.5, 12).coeffs, dg.taylor(np.tan, 0.5, 12).coeffs, rtol=1e-12)
    assert count[0] < 10


def test_containers_in_and_out():
    def plain(p, n):
        return {"u": p["w"][0] * p["s"].a, "v": [np.sum(p["w"][1]) ** n], "n": n}

    f = dg.custom_vjp(plain)

    def bwd(res, ct):
        p, n = res
        w = np.full(2, n * np.sum(p["w"][1]) ** (n - 1) * ct["v"][0])
        return {"w": [ct["u"] * p["s"].a, w], "s": Pair(np.sum(ct["u"] * p["w"][0]), None)}, None

    f.defvjp(lambda p, n: (plain(p, n), (p, n)), bwd)
    p = {"w": [X, np.array([1.0, 2.0])], "s": Pair(2.0, 5.0)}

    def loss(f):
        def run(p):
            out = f(p, 3)
            assert out["n"] == 3
            return np.sum(out["u"] ** 2) + out["v"][0]

        return run

    ours, theirs = dg.grad(loss(f))(p), dg.grad(loss(plain))(p)
    for a, b in [(ours["w"][0], theirs["w"][0]), (ours["w"][1], theirs["w"][1]), (ours["s"].a, theirs["s"].a)]:
        np.testing.assert_allclose(a, b)
    assert ours["s"].b == 0.0
    tangents = {"w": [X, X[:2]], "s": Pair(1.0, 1.0)}
    assert dg.jvp(loss(f), (p,), (tangents,))[1] == pytest.approx(dg.jvp(loss(plain), (p,), (tangents,))[1])


def test_nondiff_arguments_come_first():
    @partial(dg.custom_jvp, nondiff_argnums=(0, 2))
    def apply(g, x, n):
        return g(x) ** n

    @apply.defjvp
    def rule(g, n, primals, tangents):
        (x,), (t,) = primals, tangents
        y, dot = dg.jvp(g, (x,), (t,))
        return apply(g, x, n), n * y ** (n - 1) * dot

    f = lambda x: apply(np.sin, x, 3)  # noqa: E731
    plain = lambda x: np.sin(x) ** 3  # noqa: E731
    assert dg.grad(f)(0.4) == pytest.approx(dg.grad(plain)(0.4))
    assert dg.derivative(f, 4)(0.4) == pytest.approx(dg.derivative(plain, 4)(0.4))

    @dg.custom_vjp(nondiff_argnums=(1,))
    def scaled(x, options):
        return x * options["k"]

    scaled.defvjp(lambda x, o: (scaled(x, o), None), lambda o, res, ct: (ct * o["k"],))
    assert dg.grad(scaled)(1.0, {"k": 3.0}) == 3.0
    assert dg.jvp(lambda x: scaled(x, options={"k": 4.0}), (1.0,), (1.0,))[1] == 4.0
    text = message(dg.UnsupportedError, lambda: dg.grad(lambda x: apply(np.sin, 0.5, x))(2.0))
    assert "argument 2 is in nondiff_argnums" in text


def test_defaults_and_keywords_become_positions():
    @dg.custom_jvp
    def f(x, scale=2.0):
        return x * scale

    f.defjvp(lambda p, t: (f(*p), t[0] * p[1] + p[0] * t[1]))
    assert dg.grad(f)(3.0) == 2.0 and dg.grad(lambda s: f(3.0, scale=s))(1.0) == 3.0


def test_a_function_on_plain_arrays_runs_plainly():
    @dg.custom_jvp
    def f(x):
        assert type(x) is np.ndarray and type(np.zeros(2)) is np.ndarray
        return linalg.expm(x)

    f.defjvp(lambda p, t: linalg.expm_frechet(p[0], t[0]))
    A, E = np.array([[0.1, 0.5], [-0.3, 0.2]]), np.array([[1.0, 0.0], [0.5, 2.0]])
    np.testing.assert_array_equal(f(A), linalg.expm(A))
    np.testing.assert_allclose(dg.jvp(f, (A,), (E,))[1], linalg.expm_frechet(A, E)[1])
    assert dg.jacfwd(f)(A).shape == (2, 2, 2, 2)  # a rule that no tape can follow serves forward mode
    assert "derived from its jvp rule" in message(dg.DualgradError, lambda: dg.jacrev(f)(A))


def test_a_compiled_function_with_a_rule():
    @njit
    def newton(a):
        x = a
        while abs(x * x - a) > 1e-14 * a:
            x = 0.5 * (x + a / x)
        return x

    f = dg.custom_jvp(newton)
    f.defjvp(lambda p, t: (f(*p), t[0] / (2 * f(*p))))
    assert f(2.0) == newton(2.0)
    assert dg.grad(f)(2.0) == pytest.approx(0.5 / np.sqrt(2))
    assert dg.derivative(f, 3)(2.0) == pytest.approx(dg.derivative(np.sqrt, 3)(2.0))
    assert dg.hessian(f)(2.0) == pytest.approx(dg.hessian(np.sqrt)(2.0))


def test_structural_zeros_pass_through_a_rule():
    f = dg.custom_jvp(np.sqrt)
    f.defjvp(lambda p, t: (f(*p), t[0] * 0.5 / f(*p)))
    g = dg.custom_vjp(np.sqrt)
    g.defvjp(lambda x: (g(x), g(x)), lambda y, ct: (ct * 0.5 / y,))
    x = np.array([0.0, 1.0])
    for h in (f, dg.jacfwd, g):
        if h is not dg.jacfwd:
            np.testing.assert_array_equal(dg.jacfwd(h)(x), [[np.inf, 0], [0, 0.5]])
    np.testing.assert_array_equal(dg.jacrev(f)(x), [[np.inf, 0], [0, 0.5]])
    np.testing.assert_array_equal(dg.jacfwd(lambda x: np.where(x < 1, x, f(x)))(x)[0], [1.0, 0.0])
    assert dg.grad(lambda x: np.where(x < 1, x, f(x)))(0.0) == 1.0


def test_bwd_runs_once_with_zeros_for_what_nobody_used():
    seen = []
    f = dg.custom_vjp(lambda x: (x, 2 * x, 7))

    def bwd(_, ct):
        seen.append(ct)
        return (ct[0] + 2 * ct[1],)

    f.defvjp(lambda x: ((x, 2 * x, 7), None), bwd)
    assert dg.grad(lambda x: np.sum(f(x)[0]) + np.sum(f(x)[1]))(X).tolist() == [3.0] * 3
    assert len(seen) == 2
    seen.clear()
    assert dg.grad(lambda x: np.sum(f(x)[1]))(X).tolist() == [2.0] * 3
    assert len(seen) == 1 and seen[0][0].tolist() == [0.0] * 3
    seen.clear()

    def both(x):
        a, b, n = f(x)
        return np.sum(a * b) * n

    np.testing.assert_allclose(dg.grad(both)(X), 28 * X)
    assert len(seen) == 1


def test_integer_arguments_are_static_for_a_rule():
    f = dg.custom_jvp(lambda x, k: x[k])

    @f.defjvp
    def rule(primals, tangents):
        (x, k), (t, _) = primals, tangents
        return f(x, k), t[k]

    assert dg.grad(f)(X, 1).tolist() == [0.0, 1.0, 0.0]
    assert dg.jet(lambda x: f(x, 1), (X,), ([X, X],))[1].tolist() == [0.8, 0.8]


# What is refused, and how it is said


def test_a_function_without_a_rule():
    f = dg.custom_jvp(np.sin)
    assert f(0.0) == 0.0
    for mode in (dg.grad, dg.jacfwd, dg.derivative):
        text = message(dg.UnsupportedError, lambda mode=mode: mode(f)(1.0))
        assert "sin has no rule" in text and "defjvp(rule)" in text and "test_custom.py" in text
    assert "is not a function" in message(dg.ArgumentError, lambda: dg.custom_vjp(3))
    assert "must be positions" in message(dg.ArgumentError, lambda: dg.custom_vjp(np.sin, nondiff_argnums=(-1,)))


NONLINEAR = {
    "the word `mul`": lambda t: t * t,
    "the word `sin`": np.sin,
    "its value at zero is not zero": lambda t: t + 1.0,
    "it decides by values": lambda t: np.where(t > 0, t, -2 * t),
}


@pytest.mark.parametrize("culprit", NONLINEAR)
def test_what_is_not_linear_is_not_transposed(culprit):
    wrong = NONLINEAR[culprit]
    f = dg.custom_jvp(np.sin)
    f.defjvp(lambda p, t: (f(*p), wrong(t[0])))
    text = message(dg.UnsupportedError, lambda: dg.grad(f)(1.0))
    assert f"the jvp rule of sin is not linear: {culprit}" in text and "defvjp" in text
    g = dg.custom_vjp(np.sin)
    g.defvjp(lambda x: (g(x), x), lambda _, ct: (wrong(ct),))
    text = message(dg.UnsupportedError, lambda: dg.jvp(g, (1.0,), (1.0,)))
    assert f"bwd of sin is not linear: {culprit}" in text and "defjvp" in text
    assert culprit in message(dg.UnsupportedError, lambda: dg.linear_transpose(wrong, 1.0))


def test_a_rule_that_no_tape_can_follow_names_the_missing_rule():
    f = dg.custom_jvp(np.sin)
    f.defjvp(lambda p, t: (f(*p), np.invert(t[0])))
    text = message(dg.UnsupportedError, lambda: dg.grad(f)(1.0))
    assert "np.invert has no derivative rule" in text and "derived from its jvp rule" in text


def test_wrong_structures_name_the_path():
    def run(tangent):
        f = dg.custom_jvp(lambda x: {"w": [x, 2 * x]})
        f.defjvp(lambda p, t: (f(*p), tangent(t[0])))
        return lambda: dg.jvp(f, (X,), (X,))

    assert run(lambda t: {"w": [None, None]})()[1]["w"][0].tolist() == [0.0] * 3
    assert run(lambda t: None)()[1]["w"][1].tolist() == [0.0] * 3
    text = message(dg.StructureError, run(lambda t: {"w": [t, t[:2]]}))
    assert "tangent of its result['w'][1] has shape (2,), it belongs to an array of shape (3,)" in text
    assert "['w'][1] is missing" in message(dg.StructureError, run(lambda t: {"w": [t]}))
    assert "['w'][0] is not structured" in message(dg.StructureError, run(lambda t: {"w": t}))
    assert "['w'][2], which belongs to nothing" in message(dg.StructureError, run(lambda t: {"w": [t, t, t]}))
    assert "has dtype complex128" in message(dg.StructureError, run(lambda t: {"w": [t, t * 1j]}))
    assert "has type str" in message(dg.StructureError, run(lambda t: {"w": [t, "t"]}))

    def back(cts):
        f = dg.custom_vjp(lambda p, y: p["w"][0] * y)
        f.defvjp(lambda p, y: (f(p, y), None), lambda _, ct: cts(ct))
        return lambda: dg.vjp(f, {"w": [X]}, 2.0)[1](X)

    assert back(lambda ct: (None, 1.0))()[1] == 1.0
    text = message(dg.StructureError, back(lambda ct: ({"w": [ct[:2]]}, 1.0)))
    assert "bwd of <lambda>: the cotangent of argument [0]['w'][0] has shape (2,)" in text
    assert "[1] is missing" in message(dg.StructureError, back(lambda ct: ({"w": [ct]},)))
    assert "returned ndarray, not a tuple" in message(dg.StructureError, back(lambda ct: ct))
    f = dg.custom_vjp(np.sin)
    f.defvjp(np.sin, lambda _, ct: (ct,))
    assert "must return a pair (out, residuals)" in message(dg.StructureError, lambda: dg.grad(f)(1.0))
    g = dg.custom_jvp(np.sin)
    g.defjvp(lambda p, t: t[0])
    assert "must return a pair (out, out_tangent)" in message(dg.StructureError, lambda: dg.grad(g)(1.0))


@pytest.mark.parametrize("mode", [dg.grad, dg.jacfwd, dg.derivative])
def test_a_rule_that_closes_over_a_number_is_refused(mode):
    def f(w):
        g = dg.custom_jvp(lambda x: x * w)
        g.defjvp(lambda p, t: (p[0] * w, t[0] * w))
        return g(w)

    text = message(dg.UnsupportedError, lambda: mode(f)(2.0))
    assert "a number that is not among its arguments" in text and "pass the number as an argument" in text


def test_closing_over_a_number_of_an_outer_transform_is_fine():
    def f(w):
        g = dg.custom_jvp(lambda x: x * w)
        g.defjvp(lambda p, t: (p[0] * w, t[0] * w))
        return dg.grad(g)(2.0) * w

    for mode in (dg.grad, dg.jacfwd, dg.derivative):
        assert mode(f)(3.0) == 6.0


# Linear functions


def test_linear_transpose_is_the_adjoint_in_containers():
    A = np.arange(6.0).reshape(2, 3)

    def f(p, y):
        return {"u": A @ p["x"] - y, "v": np.cumsum(y)[::-1]}

    like = {"x": np.zeros(3)}, np.zeros(2)
    transposed = dg.linear_transpose(f, *like)
    ct = {"u": np.array([1.0, -2.0]), "v": np.array([0.5, 3.0])}
    (px, y) = transposed(ct)
    np.testing.assert_allclose(px["x"], A.T @ ct["u"])
    np.testing.assert_allclose(y, -ct["u"] + [3.5, 0.5])
    assert "not structured" in message(dg.StructureError, lambda: transposed(ct["u"]))
    again = dg.linear_transpose(lambda c: transposed(c)[0]["x"], ct)(np.ones(3))[0]["u"]
    np.testing.assert_allclose(again, A.sum(1))


def test_linear_transpose_inside_a_transform():
    f = lambda a: np.sum(dg.linear_transpose(lambda x: np.sin(a) * x, np.ones(3))(X)[0] ** 2)  # noqa: E731
    plain = lambda a: np.sum((np.sin(a) * X) ** 2)  # noqa: E731
    for mode in (dg.grad, dg.jacfwd, lambda f: dg.derivative(f, 3), dg.hessian):
        assert mode(f)(0.4) == pytest.approx(mode(plain)(0.4))
