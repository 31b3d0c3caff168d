"""checkpoint, vmap and stop_gradient: the same derivatives, in every mode."""

import gc
import math
import tracemalloc
import weakref
from functools import partial

import numpy as np
import pytest
from numba import njit

import dualgrad as dg
from dualgrad.api import checkpoint
from dualgrad.api.evaluate import Call
from dualgrad.api.reverse import Recording

X = np.array([0.3, 0.8, -0.6])
V = np.array([1.0, -0.5, 2.0])


def message(error, call):
    with pytest.raises(error) as info:
        call()
    return str(info.value)


MODES = {
    "jvp": lambda f: dg.jvp(f, (X,), (V,))[1],
    "vjp": lambda f: dg.vjp(f, X)[1](f(X))[0],
    "jacfwd": lambda f: dg.jacfwd(f)(X),
    "jacrev": lambda f: dg.jacrev(f)(X),
    "linearize": lambda f: dg.linearize(f, X)[1](V),
    "hessian": lambda f: dg.hessian(lambda x: np.sum(f(x) * x[0]))(X),
    "reverse over reverse": lambda f: dg.jacrev(dg.grad(lambda x: np.sum(f(x) * x[0])))(X),
    "reverse over forward": lambda f: dg.jacrev(dg.jacfwd(f))(X),
    "jet": lambda f: dg.taylor(f, X, 5, V).coeffs,
    "jet of a gradient": lambda f: dg.taylor(dg.grad(lambda x: np.sum(f(x))), X, 3, V).coeffs,
    "gradient of a jet": lambda f: dg.grad(lambda x: np.sum(dg.taylor(f, x, 3, V).coeffs))(X),
}


def body(x):
    y = np.zeros(3)
    for k in range(3):
        y[k] = np.sin(x[k]) * x[k - 1]
    return np.exp(y) * np.sum(x)


@pytest.mark.parametrize("mode", MODES)
def test_a_checkpoint_changes_no_derivative(mode):
    for f in (dg.checkpoint(body), lambda x: dg.checkpoint(dg.checkpoint(np.sin))(dg.checkpoint(body)(x * 2))):
        plain = body if mode and f.__name__ == "body" else lambda x: np.sin(body(x * 2))
        np.testing.assert_allclose(MODES[mode](f), MODES[mode](plain), rtol=1e-12, atol=1e-14)


def test_containers_keywords_and_static_arguments():
    def f(p, n, *, scale):
        return {"u": p["a"] ** n * scale, "s": ("text", np.sum(p["b"]))}

    def loss(f):
        return lambda p, s: np.sum(f(p, 3, scale=s)["u"]) * f(p, 2, scale=s)["s"][1]

    p = {"a": X, "b": V}
    ours, theirs = dg.grad(loss(dg.checkpoint(f)), (0, 1))(p, 2.0), dg.grad(loss(f), (0, 1))(p, 2.0)
    np.testing.assert_allclose(ours[0]["a"], theirs[0]["a"])
    np.testing.assert_allclose(ours[0]["b"], theirs[0]["b"])
    assert ours[1] == pytest.approx(theirs[1])


def entries(f, *args):
    return len(Recording(Call("test", f, args, 0)).tape.entries)


def test_only_arguments_stay_on_the_tape():
    def layer(x):
        for _ in range(50):
            x = np.sin(x) * 1.1
        return x

    plain, kept = lambda x: layer(layer(x)), lambda x: dg.checkpoint(layer)(dg.checkpoint(layer)(x))  # noqa: E731
    assert entries(plain, X) > 200 and entries(kept, X) == 3


def test_memory_of_a_gradient_is_bounded():
    def layer(x):
        for _ in range(20):
            x = np.sin(x)
        return x

    def loss(wrap):
        def run(x):
            for _ in range(20):
                x = wrap(layer)(x)
            return np.sum(x)

        return run

    def peak(f):
        x = np.linspace(0, 1, 20_000)
        dg.grad(f)(x)
        tracemalloc.start()
        dg.grad(f)(x)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(loss(dg.checkpoint)) < 0.25 * peak(loss(lambda f: f))


def stepped(u):
    w = np.sin(u)
    return u + 0.01 * (np.roll(w, 1) - w) * w


@dg.checkpoint
def block(u, turns):
    for _ in range(turns):
        u = stepped(u)
    return u


def in_blocks(u, n):
    size = math.isqrt(n)
    for first in range(0, n, size):
        u = block(u, min(size, n - first))
    return np.sum(u * u)


@dg.checkpoint
def halved(u, n):
    return stepped(u) if n == 1 else halved(halved(u, n // 2), n - n // 2)


SCHEDULES = {"blocks": in_blocks, "halves": lambda u, n: np.sum(halved(u, n) ** 2)}
NESTED = {
    "gradient": lambda f, v: dg.grad(f),
    "forward over reverse": lambda f, v: lambda u: dg.hvp(f, (u,), (v,)),
    "reverse over reverse": lambda f, v: dg.grad(lambda u: np.sum(v * dg.grad(f)(u))),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("mode", NESTED)
def test_memory_of_a_python_time_loop(mode, schedule):
    """Four times as many steps take at most twice the memory, at every order."""
    f = SCHEDULES[schedule]
    u, v = np.linspace(0, 1, 5000), np.linspace(1, 2, 5000)

    def peak(n):
        derivative = NESTED[mode](lambda u: f(u, n), v)
        found = derivative(u)
        gc.collect()
        tracemalloc.start()
        derivative(u)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found, most

    (found, small), (_, large) = peak(36), peak(144)
    plain = NESTED[mode](lambda u: np.sum(block.__wrapped__(u, 36) ** 2), v)(u)
    np.testing.assert_allclose(found, plain, rtol=1e-11, atol=1e-13)
    assert large < 2.2 * small


def test_nothing_lives_on_after_the_pullback(monkeypatch):
    """What a checkpoint keeps is let go at once, without the collector of cycles."""
    made = []
    monkeypatch.setattr(checkpoint, "_read_only", lambda a: made.append(weakref.ref(a)) or a)
    gc.collect()
    gc.disable()
    try:
        dg.grad(lambda x: np.sum(dg.checkpoint(lambda x: np.sin(x) * x)(dg.checkpoint(np.sin)(x * 2.0))))(X)
        assert made and all(ref() is None for ref in made)
    finally:
        gc.enable()


def test_what_a_checkpoint_closes_over_is_an_argument():
    def model(checkpoint):
        def f(w):
            scale = {"w": [w * 2]}
            inner = lambda x: np.sin(x * w)  # noqa: E731
            outer = lambda x, y=1.0: inner(x) * scale["w"][0] * y  # noqa: E731
            return np.sum(checkpoint(partial(outer, y=2.0))(w * X) + checkpoint(lambda: w[0])())

        return f

    assert entries(model(dg.checkpoint), X) < entries(model(lambda f: f), X)
    for mode in (dg.grad, dg.jacfwd, dg.hessian, lambda f: dg.jacrev(dg.grad(f))):
        np.testing.assert_allclose(mode(model(dg.checkpoint))(X), mode(model(lambda f: f))(X))

    class Layer:
        def __init__(self, w):
            self.w = w

        def __call__(self, x):
            return self.w * x

    text = message(dg.UnsupportedError, lambda: dg.grad(lambda w: np.sum(dg.checkpoint(Layer(w))(w)))(X))
    assert "a number that is not among its arguments" in text


def test_a_checkpoint_runs_once_forward_and_once_for_a_pullback_of_all_results():
    count = []

    @dg.checkpoint
    def f(x):
        count.append(1)
        return np.sin(x), np.cos(x)

    def loss(x):
        a, b = f(x)
        return np.sum(a * b)

    np.testing.assert_allclose(dg.grad(loss)(X), np.cos(2 * X))
    assert len(count) == 2


def test_structural_zeros_pass_through_a_checkpoint():
    f = dg.checkpoint(np.sqrt)
    np.testing.assert_array_equal(dg.jacrev(f)(np.array([0.0, 1.0])), [[np.inf, 0], [0, 0.5]])
    assert dg.grad(dg.checkpoint(lambda x: np.where(x < 1, x, np.sqrt(x))))(0.0) == 1.0
    assert np.isnan(dg.grad(dg.checkpoint(lambda x: np.sqrt(x) * np.sqrt(x)))(0.0))


def test_a_checkpoint_of_a_kernel_and_writes_into_arguments():
    @njit
    def total(x):
        s = 0.0
        for v in x:
            s += v * v
        return s

    np.testing.assert_allclose(dg.grad(dg.checkpoint(total))(X), 2 * X)
    np.testing.assert_allclose(dg.grad(lambda x: dg.checkpoint(total)(np.sin(x)))(X), np.sin(2 * X))

    def write(x):
        x[0] = 1.0
        return np.sum(x)

    with pytest.raises(ValueError, match="read-only"):
        dg.grad(lambda x: dg.checkpoint(write)(x * 1.0))(X)


# vmap

M = np.arange(6.0).reshape(2, 3) / 5


@pytest.mark.parametrize("mode", MODES)
def test_vmap_changes_no_derivative(mode):
    f = dg.vmap(lambda x, y: np.sin(x) * np.sum(y), in_axes=(0, 1))
    np.testing.assert_allclose(
        MODES[mode](lambda x: f(x, x * M)), MODES[mode](lambda x: np.sin(x) * np.sum(x * M, 0)), rtol=1e-12, atol=1e-14
    )


def test_axes_in_containers():
    def f(p, c, *, k):
        assert p["m"].shape == (3,) and p["v"].shape == () and c.shape == (2,) and k.shape == ()
        return {"out": p["m"] * p["v"] + k, "c": [np.sum(c)]}

    p = {"m": M, "v": np.array([1.0, 2.0])}
    g = dg.vmap(f, in_axes=({"m": 0, "v": 0}, None), out_axes={"out": 1, "c": None})
    found = g(p, X[:2], k=np.array([10.0, 20.0]))
    np.testing.assert_allclose(found["out"], (M * p["v"][:, None] + [[10], [20]]).T)
    assert found["c"][0] == pytest.approx(np.sum(X[:2]))
    h = dg.vmap(lambda p: p["m"] * p["v"], in_axes=({"m": -1, "v": None},), out_axes=-1)
    np.testing.assert_allclose(h({"m": M, "v": 2.0}), 2 * M)
    np.testing.assert_allclose(dg.vmap(dg.vmap(lambda a, b: a * b, (0, None)), (None, 0))(X, V), np.outer(V, X))


def test_vmap_of_derivatives_and_of_kernels():
    np.testing.assert_allclose(dg.vmap(dg.grad(lambda x: np.sum(x**3)))(M), 3 * M**2)
    np.testing.assert_allclose(dg.vmap(dg.hessian(lambda x: np.sum(x**3)))(M)[1], np.diag(6 * M[1]))
    np.testing.assert_allclose(dg.grad(lambda m: np.sum(dg.vmap(dg.grad(lambda x: np.sum(x**3)))(m)))(M), 6 * M)

    @njit
    def total(x):
        s = 0.0
        for v in x:
            s += v * v
        return s

    np.testing.assert_allclose(dg.vmap(total)(M), np.sum(M * M, 1))
    np.testing.assert_allclose(dg.grad(lambda m: np.sum(dg.vmap(total)(m)))(M), 2 * M)
    np.testing.assert_allclose(dg.vmap(dg.grad(total))(M), 2 * M)


def test_vmap_keeps_the_callers_arrays_and_dtypes_and_empty_batches():
    m = M.astype(np.float32)

    def f(row):
        row *= 2
        return row, np.argmax(row)

    out, where = dg.vmap(f)(m)
    assert out.dtype == np.float32 and where.dtype.kind == "i" and np.array_equal(m, M.astype(np.float32))
    out, where = dg.vmap(f)(np.zeros((0, 3)))
    assert out.shape == (0, 3) and where.shape == (0,)
    assert dg.vmap(lambda x: x.T, out_axes=1)(np.zeros((0, 2, 3))).shape == (3, 0, 2)


def test_what_vmap_refuses():
    f = dg.vmap(lambda x, y: x)
    text = message(dg.StructureError, lambda: f(M, X))
    assert "different lengths" in text and "[0]: 2, [1]: 3" in text
    assert "no argument holds a batch" in message(dg.ArgumentError, lambda: dg.vmap(np.sin, None)(X))
    assert "2 entries for 1 arguments" in message(dg.ArgumentError, lambda: dg.vmap(np.sin, (0, 0))(X))
    assert "has 0 axes, and no axis 0" in message(dg.ArgumentError, lambda: f(X, 1.0))
    assert "'a' is not an axis" in message(dg.ArgumentError, lambda: dg.vmap(np.sin, "a")(X))
    assert "nothing is given for [0]['b']" in message(
        dg.StructureError, lambda: dg.vmap(lambda p: 0, ({"a": 0},))({"a": X, "b": X})
    )
    ragged = dg.vmap(lambda n: np.zeros(int(n)))
    assert "has different shapes" in message(dg.StructureError, lambda: ragged(np.arange(3)))
    assert "differs between examples" in message(dg.StructureError, lambda: dg.vmap(np.sin, out_axes=None)(X))
    assert "result ['s'] is str" in message(dg.StructureError, lambda: dg.vmap(lambda x: {"s": "x"})(X))
    assert "out_axes=3" in message(dg.ArgumentError, lambda: dg.vmap(np.sin, out_axes=3)(X))


# stop_gradient


@pytest.mark.parametrize("mode", MODES)
def test_stop_gradient_in_every_mode(mode):
    f = lambda x: x * dg.stop_gradient({"a": [np.sin(x)]})["a"][0]  # noqa: E731
    constant = {m: np.sin(X) for m in MODES}[mode]
    if mode in ("jet", "jvp", "jacfwd", "jacrev", "linearize"):
        np.testing.assert_allclose(MODES[mode](f), MODES[mode](lambda x: x * constant))


def test_stop_gradient_stops_all_levels_and_orders():
    f = lambda x: x * dg.stop_gradient(x) ** 2  # noqa: E731
    assert dg.grad(f)(3.0) == 9.0 and dg.derivative(f, 2)(3.0) == 0.0
    assert dg.grad(dg.grad(f))(3.0) == 0.0 and dg.hessian(f)(3.0) == 0.0
    assert dg.grad(lambda x: dg.jvp(f, (x,), (1.0,))[1])(3.0) == 0.0
    assert dg.stop_gradient(2.0) == 2.0 and dg.stop_gradient("text") == "text"
    assert dg.jacrev(lambda x: dg.stop_gradient(x))(X).tolist() == np.zeros((3, 3)).tolist()
