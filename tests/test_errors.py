"""Wrong calls of the verbs: each message says what happened, where, why and what to do."""

import numpy as np
import pytest

import dualgrad as dg

X = np.array([1.0, 2.0, 3.0])
CONTAINER = {"w": [X, X]}


def message(error, call):
    with pytest.raises(error) as info:
        call()
    assert isinstance(info.value, dg.DualgradError)
    text = str(info.value)
    assert "where: " in text and "test_errors.py" in text
    return text


VERBS = {
    "jvp": lambda f: dg.jvp(f, (X,), (X,)),
    "vjp": lambda f: dg.vjp(f, X),
    "linearize": lambda f: dg.linearize(f, X),
    "jet": lambda f: dg.jet(f, (X,), ([X],)),
    "jacfwd": lambda f: dg.jacfwd(f)(X),
    "jacrev": lambda f: dg.jacrev(f)(X),
    "grad": lambda f: dg.grad(f)(X),
    "derivative": lambda f: dg.derivative(f)(1.0),
    "taylor": lambda f: dg.taylor(f, 1.0, 2),
}
each_verb = pytest.mark.parametrize("verb", VERBS)


# Results


@each_verb
def test_a_result_that_is_no_number_is_named_with_its_place(verb):
    call = VERBS[verb]
    text = message(dg.StructureError, lambda: call(lambda x: "abc"))
    assert f"{verb}: the function returned str ('abc')" in text and "has_aux=True" in text and "why:" in text
    assert "in ['a'][1] of its result" in message(dg.StructureError, lambda: call(lambda x: {"a": [x, "abc"]}))
    assert "returned object" in message(dg.StructureError, lambda: call(lambda x: object()))
    text = message(dg.StructureError, lambda: call(lambda x: np.array([1.0, None], dtype=object)))
    assert "an array of dtype object" in text


@each_verb
def test_a_function_that_returns_nothing(verb):
    text = message(dg.ArgumentError, lambda: VERBS[verb](lambda x: None))
    assert "returned None and wrote to none of its arguments" in text and "is a return missing?" in text


def test_none_inside_a_result_is_no_array():
    out, dot = dg.jvp(lambda x: (None, x), (X,), (X,))
    assert out[0] is None and dot[0] is None and np.array_equal(dot[1], X)


def test_a_gradient_needs_one_number():
    text = message(dg.StructureError, lambda: dg.grad(lambda x: x)(X))
    assert "returned shape (3,)" in text and "dg.jacobian" in text and "a scalar" in text
    assert "a container, of shapes (), (3,)" in message(dg.StructureError, lambda: dg.grad(lambda x: (x[0], x))(X))
    assert "returned shape (3,)" in message(dg.StructureError, lambda: dg.hvp(lambda x: x, (X,), (X,)))


@pytest.mark.parametrize("make", [dg.grad, dg.value_and_grad, dg.jacfwd, dg.jacrev, dg.jacobian, dg.hessian])
def test_mistakes_with_has_aux(make):
    text = message(dg.StructureError, lambda: make(lambda x: np.sum(x), has_aux=True)(X))
    assert "returns a pair (result, aux)" in text and "leave has_aux=True out" in text
    text = message(dg.StructureError, lambda: make(lambda x: (np.sum(x), 1, 2), has_aux=True)(X))
    assert "it returned a tuple of 3" in text
    text = message(dg.StructureError, lambda: dg.grad(lambda x: (np.sum(x), {"loss": 1}))(X))
    assert "return (number, aux) with has_aux=True" in text


# Tangents and cotangents


def first(p):
    return {"u": [p["w"][0] * 2]}


BAD_TANGENTS = [
    ({"w": [X]}, "the tangent[0]['w'][1] is missing"),
    ({"w": [X, None]}, "the tangent[0]['w'][1] is None"),
    ({"w": X}, "the tangent[0]['w'][0] is not structured"),
    ({"w": [X, X, X]}, "is followed by [0]['w'][2], which belongs to nothing"),
    ({"v": [X, X]}, "the tangent[0]['w'][0] is missing"),
    ({"w": [X, X[:2]]}, "the tangent[0]['w'][1] has shape (2,), its primal has shape (3,)"),
    ({"w": [X, "x"]}, "the tangent[0]['w'][1] is str, its primal has shape (3,) and dtype float64"),
    ({"w": [X, X * 1j]}, "the tangent[0]['w'][1] has dtype complex128, its primal has dtype float64"),
    ({"w": [X, np.array([1, 2, None])]}, "the tangent[0]['w'][1] is an array of dtype object"),
]


@pytest.mark.parametrize(("tangent", "text"), BAD_TANGENTS, ids=[b[1][:50] for b in BAD_TANGENTS])
def test_a_wrong_tangent_is_named_with_its_path(tangent, text):
    assert text in message(dg.StructureError, lambda: dg.jvp(first, (CONTAINER,), (tangent,)))
    _, lin = dg.linearize(first, CONTAINER)
    assert text in message(dg.StructureError, lambda: lin(tangent))


BAD_COTANGENTS = [
    ({"u": [X[:2]]}, "the cotangent['u'][0] has shape (2,), its primal has shape (3,)"),
    ({"u": [None]}, "the cotangent['u'][0] is None"),
    ({"u": X}, "the cotangent['u'][0] is not structured"),
    ({"v": [X]}, "the cotangent['u'][0] is missing"),
    ({"u": ["x"]}, "the cotangent['u'][0] is str"),
    ({"u": [X * 1j]}, "the cotangent['u'][0] has dtype complex128"),
]


@pytest.mark.parametrize(("cotangent", "text"), BAD_COTANGENTS, ids=[b[1][:50] for b in BAD_COTANGENTS])
def test_a_wrong_cotangent_is_named_with_its_path(cotangent, text):
    assert text in message(dg.StructureError, lambda: dg.vjp(first, CONTAINER)[1](cotangent))
    assert text in message(dg.StructureError, lambda: dg.linearize(first, CONTAINER)[1].T(cotangent))
    assert text in message(dg.StructureError, lambda: dg.pullback(first)((CONTAINER,), cotangent))


def test_primals_and_tangents_are_tuples():
    text = message(dg.ArgumentError, lambda: dg.jvp(np.sin, X, X))
    assert "jvp: primals are a tuple, not ndarray" in text and "primals=(x,)" in text
    assert "tangents are a tuple, not float" in message(dg.ArgumentError, lambda: dg.jvp(np.sin, (1.0,), 1.0))
    assert "the tangent[1] is missing" in message(dg.StructureError, lambda: dg.jvp(np.add, (1.0, 2.0), (1.0,)))
    assert "series are a tuple" in message(dg.ArgumentError, lambda: dg.jet(np.sin, (1.0,), X))
    text = message(dg.StructureError, lambda: dg.jet(np.sin, (1.0,), (1.0,)))
    assert "series[0] is float, not a list" in text and "([x1, x2],)" in text
    assert "coefficient 2 of series[0] has shape (2,)" in message(
        dg.StructureError, lambda: dg.jet(np.sin, (X,), ([X, X[:2]],))
    )
    assert "1 primals and 2 series" in message(dg.StructureError, lambda: dg.jet(np.sin, (X,), ([X], [X])))


# Arguments


@pytest.mark.parametrize("make", [dg.grad, dg.jacfwd, dg.jacrev, dg.jacobian, dg.hessian])
def test_argnums(make):
    f = lambda x, y: x * y  # noqa: E731
    assert "argnums=2, but the function was called with 2" in message(dg.ArgumentError, lambda: make(f, 2)(1.0, 2.0))
    assert "argnums=-3" in message(dg.ArgumentError, lambda: make(f, -3)(1.0, 2.0))
    for wrong in ("x", 1.0, True):
        text = message(dg.ArgumentError, lambda w=wrong: make(f, w)(1.0, 2.0))
        assert f"must be an int or a tuple of ints, not {wrong!r}" in text
    for twice in ((0, 0), (0, -2)):
        assert "names an argument twice" in message(dg.ArgumentError, lambda t=twice: make(f, t)(1.0, 2.0))
    assert "argnums is empty" in message(dg.ArgumentError, lambda: make(f, ())(1.0, 2.0))
    text = message(dg.ArgumentError, lambda: make(f)("x", 2.0))
    assert "argument 0 is str: no float, and no plain array of floats" in text
    text = message(dg.ArgumentError, lambda: make(f)(x=1.0, y=2.0))
    assert "called with 0 positional arguments" in text and "by position" in text


@each_verb
def test_what_is_not_a_function(verb):
    assert "3 is not a function" in message(dg.ArgumentError, lambda: VERBS[verb](3))


@pytest.mark.parametrize("call", [lambda n: dg.derivative(np.sin, n)(1.0), lambda n: dg.taylor(np.sin, 1.0, n)])
@pytest.mark.parametrize("order", [-1, 1.5, "2", None, True, 10**9])
def test_orders_are_whole_and_bounded(call, order):
    text = message(dg.ArgumentError, lambda: call(order))
    assert "the order" in text and repr(order) in text
    assert "must be a whole number" in text or "is above" in text


def test_order_zero_and_the_highest_orders_work():
    assert dg.derivative(np.sin, 0)(0.5) == np.sin(0.5) and dg.taylor(np.sin, 0.5, 0).coeffs.tolist() == [np.sin(0.5)]
    assert np.isfinite(dg.derivative(np.sin, 170)(0.5))
    assert dg.jet(np.sin, (0.5,), ([],))[1].shape == (0,)


# Numbers that outlive their transform


@pytest.mark.parametrize("verb", ["grad", "jvp", "jacfwd", "derivative"])
def test_an_escaped_number_names_its_level_and_its_line(verb):
    kept = []

    def f(x):
        kept.append(x)
        return np.sum(x * x)

    VERBS[verb](f)
    x = kept[0]
    later = [
        lambda: x * 2,
        lambda: np.sin(x),
        lambda: dg.grad(lambda y: x)(2.0),
        lambda: dg.jvp(lambda y: x, (1.0,), (1.0,)),
        lambda: dg.jvp(lambda y: {"a": [x]}, (1.0,), (1.0,)),
        lambda: dg.derivative(lambda y: y * x)(1.0),
    ]
    for use in later:
        text = message(dg.EscapedNumberError, use)
        assert f"({verb}, level " in text and "made at" in text and "has_aux=True" in text


def test_where_is_the_users_line():
    with pytest.raises(dg.DualgradError) as info:
        dg.grad(lambda x: np.sum(np.frompyfunc(abs, 1, 1)(x)))(X)
    assert info.value.where.endswith("in <lambda>") and "test_errors.py:" in info.value.where


def test_arrays_that_are_not_plain_arrays_of_floats_are_named():
    masked, objects = np.ma.array([1.0]), np.array([1.0], object)
    for x, name in [(masked, "MaskedArray of dtype float64"), (objects, "ndarray of dtype object")]:
        text = message(dg.ArgumentError, lambda x=x: dg.grad(np.sum)(x))
        assert f"argument 0 is {name}: no float" in text and "np.asarray(x, float)" in text


def test_functions_of_scipy_that_cannot_see_numbers_are_named():
    from scipy import integrate

    text = message(dg.LostDerivativeError, lambda: dg.grad(lambda x: integrate.trapezoid(x))(np.ones(3)))
    assert "SciPy's trapezoid, called with a number" in text and "test_errors.py" in text
    assert "dg.custom_jvp" in text and "dg.implicit_root" in text
