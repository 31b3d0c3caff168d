"""Every message says what happened, where, why and what to do."""

import math

import numpy as np
import pytest

import dualgrad as dg


def message(error, call):
    with pytest.raises(error) as info:
        call()
    return str(info.value)


def unlifted(f):
    def run(*args):
        with dg.lifting(False):
            return f(*args)

    return run


@pytest.mark.parametrize("mode", [dg.grad, dg.jacfwd, dg.derivative])
@pytest.mark.parametrize("convert", [float, math.sin, int, complex, lambda x: x.item(), np.asarray], ids=str)
def test_a_lost_derivative_raises_where_lifting_does_not_reach(mode, convert):
    text = message(dg.LostDerivativeError, lambda: unlifted(mode(lambda x: convert(x) * 1.0))(0.5))
    assert "lose its derivative" in text and "do:" in text


def test_writing_a_number_into_a_plain_array_raises_with_the_fix():
    plain = np.zeros(3)

    def element(x):
        plain[0] = x
        return x

    def whole(x):
        plain[:] = np.stack([x, x, x])
        return x

    def augmented(x):
        y = plain
        y += x
        return x

    def out(x):
        np.multiply(x, 2.0, out=plain)
        return x

    for f in (element, whole, augmented, out):
        text = message(dg.LostDerivativeError, lambda f=f: dg.grad(f)(0.5))
        assert "test_eager_errors.py" in text
    assert "np.zeros" in text
    assert np.array_equal(plain, np.zeros(3))


def test_grad_of_an_array_suggests_jacobian():
    text = message(dg.StructureError, lambda: dg.grad(lambda x: x)(np.ones(3)))
    assert "returned shape (3,)" in text and "dg.jacobian" in text
    assert "container" in message(dg.StructureError, lambda: dg.grad(lambda x: (x, x))(1.0))


def test_tangents_must_match():
    x = {"a": np.ones(2), "b": 1.0}
    f = lambda t: t["b"] * t["a"]  # noqa: E731
    assert "structured" in message(dg.StructureError, lambda: dg.jvp(f, (x,), (np.ones(2),)))
    bad = {"a": np.ones(3), "b": 1.0}
    assert "tangent[0]['a'] has shape (3,)" in message(dg.StructureError, lambda: dg.jvp(f, (x,), (bad,)))
    bad = {"a": np.ones(2) * 1j, "b": 1.0}
    assert "dtype complex128" in message(dg.StructureError, lambda: dg.jvp(f, (x,), (bad,)))
    _, pullback = dg.vjp(f, x)
    assert "has shape (3,)" in message(dg.StructureError, lambda: pullback(np.ones(3)))
    assert "structured" in message(dg.StructureError, lambda: pullback((np.ones(2), 1.0)))


def test_argnums_must_exist():
    assert "argnums=2" in message(dg.ArgumentError, lambda: dg.grad(lambda x: x, 2)(1.0))
    assert "must be an int" in message(dg.ArgumentError, lambda: dg.grad(lambda x: x, "x")(1.0))
    assert "no argument to differentiate" in message(dg.ArgumentError, lambda: dg.grad(lambda x: x)("text"))


def test_a_function_without_a_rule_is_named():
    text = message(dg.UnsupportedError, lambda: dg.grad(lambda x: np.sum(np.packbits(x)))(np.eye(2)))
    assert "np.packbits has no derivative rule" in text
    assert "np.invert" in message(dg.UnsupportedError, lambda: dg.grad(np.invert)(1.0))


def test_an_njit_function_asks_for_dg_kernel():
    with pytest.raises(dg.UnsupportedError, match=r"dg\.kernel"):
        dg.grad(lambda x: x._numba_type_)(1.0)


def test_jet_and_taylor_say_what_they_need():
    assert "direction" in message(dg.ArgumentError, lambda: dg.taylor(np.sum, np.ones(2), 3))
    assert "different lengths" in message(
        dg.StructureError, lambda: dg.jet(lambda x, y: x * y, (1.0, 2.0), ([1.0], [1.0, 2.0]))
    )
    assert "one number" in message(dg.ArgumentError, lambda: dg.derivative(np.sum)(np.ones(2)))
    assert "mode='both'" in message(dg.ArgumentError, lambda: dg.jacobian(np.sum, mode="both"))


def test_users_own_errors_come_through():
    def f(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        dg.grad(f)(1.0)


def test_options_are_never_ignored():
    x = np.arange(4.0).reshape(2, 2)
    mask = x > 1
    functions = (
        lambda x: np.pad(x, 1, lambda vector, width, axis, options: None).sum(),
        lambda x: np.quantile(x, x[0, 1]),
        lambda x: np.add(x, x, where=mask).sum(),
    )
    for f in functions:
        assert "np." in message(dg.UnsupportedError, lambda f=f: dg.grad(f)(x))
    assert np.array_equal(dg.grad(lambda x: np.sum(x, where=mask))(x), mask)
    assert np.array_equal(dg.grad(lambda x: np.max(x, initial=9.0))(x), np.zeros((2, 2)))
    out, dot = dg.jvp(lambda x: np.sum(x, dtype=np.float32), (x,), (x,))
    assert out.dtype == np.float32 and dot == 6


def slices(p):
    return p["x"][p["n"]]


def turns(p):
    y = p["x"]
    for _ in range(p["n"]):
        y = y * p["x"]
    return np.sum(y)


@pytest.mark.parametrize("f", [
    slices, turns, lambda p: np.sum(p["x"].reshape(p["n"], 1)), lambda p: np.sum(np.zeros(p["n"]) + p["x"]),
    lambda p: np.sum(np.ones((2, p["n"])) * p["x"]), lambda p: [1.0, 2.0, 3.0][p["n"]] * p["x"][0],
])  # fmt: skip
def test_an_int_among_what_one_differentiates_by_is_no_count(f):
    for mode in (dg.grad, lambda f: lambda p: dg.jvp(f, (p,), (p,))):
        text = message(dg.LostDerivativeError, lambda mode=mode: mode(f)({"x": np.array([0.5, 1.5]), "n": 2}))
        assert "used as an index, a size or a count" in text and "2 becomes 2.0" in text and "argnums=" in text


def test_the_package_shows_its_public_names_only():
    assert set(dir(dg)) == {*dg.__all__, "__version__", "interop", "scipy"}


X = np.array([1.0, 2.0, 3.0])


def doubled_first(a, b):
    a *= 2.0
    return np.sum(a * b)


@pytest.mark.parametrize("call", [
    lambda f, a, b: dg.jvp(f, (a, b), (a, b)), lambda f, a, b: dg.vjp(f, a, b), lambda f, a, b: dg.linearize(f, a, b),
    lambda f, a, b: dg.grad(f)(a, b), lambda f, a, b: dg.grad(f, 1)(a, b), lambda f, a, b: dg.hessian(f)(a, b),
    lambda f, a, b: dg.jet(f, (a, b), ([a], [b])), lambda f, a, b: dg.jacobian(dg.grad(f))(a, b),
    lambda f, a, b: dg.grad(lambda t: f(t["a"], t["b"]))({"a": a, "b": b}),
])  # fmt: skip
@pytest.mark.parametrize("shared", [(X, X), (X, X[:]), (X[:2], X[1:]), (X[::-1], X)])
def test_arguments_that_share_memory_cannot_be_written(call, shared):
    """Each has a derivative of its own, and NumPy would show in one what is written into the other."""
    text = message(dg.OverlapError, lambda: call(doubled_first, *shared))
    assert "share memory, and the function writes one of them" in text and "pass copies" in text
    assert np.array_equal(X, [1.0, 2.0, 3.0])
    call(lambda a, b: np.sum(a * b), *shared)  # who only reads may have them
    call(doubled_first, *[x.copy() for x in shared])


def test_numbers_that_share_memory_cannot_be_written_as_different_arguments():
    text = message(dg.OverlapError, lambda: dg.grad(lambda x: dg.grad(doubled_first)(x, x).sum())(X))
    assert "share memory" in text
    assert np.array_equal(dg.grad(lambda x: dg.grad(doubled_first)(x, x.copy()).sum())(X), [2.0, 2.0, 2.0])
