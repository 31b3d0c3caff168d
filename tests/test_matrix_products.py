"""Products of matrices in kernels: whole in every mode, whatever happens to their factors afterwards."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

import dualgrad as dg
from dualgrad.core.program import FLOAT, Type
from dualgrad.core.walk import walk
from dualgrad.core.words import WORDS
from dualgrad.read import read_kernel
from dualgrad.transforms.entries import by_entries, is_product
from dualgrad.transforms.ssa import ssa

pytestmark = pytest.mark.kernel
MATRIX = Type("float64", 2)


@njit
def straight(a, b):
    return np.sum(np.sin(a @ b))


@njit
def transposed(a, b):
    return np.sum(np.sin(a.T @ a) @ (b @ b.T)) + np.sum(a.T @ b.T)


@njit
def one_buffer(a, b):
    total = 0.0
    buffer = np.empty_like(a)
    for k in range(3):
        buffer[:] = np.exp(0.1 * k * a)
        total += np.sum(np.cos(buffer @ b))
        buffer *= 2.0
    return total


@njit
def recurrent(a, b):
    h = a @ b
    for _ in range(3):
        h = np.tanh(0.1 * h @ h.T @ a @ b)
    return np.sum(h * h)


@njit
def some_turns(a, b):
    total, k = 0.0, 0
    while total < 8.0 and k < 5:
        scaled = a * (1.0 + k)
        if k % 2 == 0:
            total += np.sum((scaled @ b) ** 2) + 1.0
        k += 1
    return total


@njit
def rows_of_rows(a, b):
    total = 0.0
    for i in range(1, a.shape[0]):
        total += np.sum(np.sin(a[:i] @ b))
    return total


KERNELS = (straight, transposed, one_buffer, recurrent, some_turns, rows_of_rows)
kernels = pytest.mark.parametrize("f", KERNELS, ids=lambda f: f.__name__)


def factors(rng, n=4, k=3, m=4):
    return rng.normal(size=(n, k)), rng.normal(size=(k, m))


@kernels
def test_all_modes_agree_with_differences(f, rng):
    point, along = factors(rng), factors(rng)

    def at(t):
        return tuple(p + t * v for p, v in zip(point, along, strict=True))

    gradient, h = dg.grad(f, argnums=(0, 1)), 1e-5
    slopes = gradient(*point)
    slope = (f(*at(h)) - f(*at(-h))) / (2 * h)
    np.testing.assert_allclose(sum(np.sum(s * v) for s, v in zip(slopes, along, strict=True)), slope, rtol=1e-6)
    np.testing.assert_allclose(dg.jvp(f, point, along)[1], slope, rtol=1e-6)
    series = tuple(np.stack([v, 0 * v]) for v in along)
    value, (first, second) = dg.jet(f, point, series)
    np.testing.assert_allclose(value, f(*point), rtol=1e-12)
    np.testing.assert_allclose(first, slope, rtol=1e-6)
    products = dg.pushforward(gradient)(point, along)[1]
    curvature = sum(np.sum(p * v) for p, v in zip(products, along, strict=True))
    np.testing.assert_allclose(2 * second, curvature, rtol=1e-9)
    for product, ahead, behind in zip(products, gradient(*at(h)), gradient(*at(-h)), strict=True):
        np.testing.assert_allclose(product, (ahead - behind) / (2 * h), rtol=1e-5, atol=1e-5 * np.max(np.abs(product)))


def test_forward_by_lanes_is_reverse(rng):
    point = factors(rng)
    for lanes, sweep in zip(*(verb(recurrent, argnums=(0, 1))(*point) for verb in (dg.jacfwd, dg.grad)), strict=True):
        np.testing.assert_allclose(lanes, sweep, rtol=1e-12)


@pytest.mark.long
def test_reverse_over_reverse(rng):
    (a, b), v = factors(rng), rng.normal(size=(4, 3))
    inner = dg.grad(recurrent)

    @njit
    def along(a, b, v):
        return np.sum(inner(a, b) * v)

    np.testing.assert_allclose(dg.grad(along)(a, b, v), dg.jvp(inner, (a, b), (v, 0 * b))[1], rtol=1e-9)


def test_any_order_in_memory_and_any_size(rng):
    gradient = dg.grad(straight, argnums=(0, 1))
    a, b = factors(rng, 8, 12, 7)
    expected = gradient(a, b)
    wide = np.zeros((8, 24))
    wide[:, ::2] = a
    for other in ((np.asfortranarray(a), b), (a, np.asfortranarray(b)), (wide[:, ::2], b)):
        for found, exact in zip(gradient(*other), expected, strict=True):
            np.testing.assert_allclose(found, exact, rtol=1e-13)
    for sizes in ((0, 3, 2), (2, 0, 3), (2, 3, 0)):
        a, b = factors(rng, *sizes)
        assert [g.shape for g in gradient(a, b)] == [a.shape, b.shape]
        assert not any(g.any() for g in gradient(a, b))


def test_single_precision_stays_single(rng):
    a, b = (x.astype(np.float32) for x in factors(rng))
    found = dg.grad(straight)(a, b)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.cos(a @ b) @ b.T, rtol=1e-5)


def test_lengths_that_differ_are_refused(rng):
    with pytest.raises(dg.StructureError, match=r"straight: matrices of different lengths meet in a @ b"):
        dg.grad(straight)(np.ones((2, 3)), np.ones((4, 2)))


@njit
def root_of_product(a, b):
    return np.sqrt((a @ b)[0, 0])


def test_structural_zeros_stay_zero():
    a, b = np.array([[0.0, 0.0], [np.inf, 1.0]]), np.array([[1.0, 1.0], [1.0, np.inf]])
    slope = dg.grad(root_of_product)(a, b)  # only the first row and the first column have any influence
    np.testing.assert_array_equal(slope, [[np.inf, np.inf], [0.0, 0.0]])


NUMPY = {
    "dot": lambda a, b: a @ b,
    "dot_nt": lambda a, b: a @ b.T,
    "dot_tn": lambda a, b: a.T @ b,
    "plus": lambda a, b: a + b,
}


@pytest.mark.parametrize("name", [w.name for w in WORDS.values() if w.makes])
def test_words_are_numpys_products_and_sums_and_closed_under_transposition(name):
    from dualgrad.backends import dots

    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(5, 5)), rng.normal(size=(5, 5))
    np.testing.assert_allclose(getattr(dots, name)(a, b), NUMPY[name](a, b), rtol=1e-13)
    ct, word = rng.normal(size=(5, 5)), WORDS[name]
    call = {w: getattr(dots, w).py_func.__globals__[w] for w in NUMPY}
    zero = np.zeros((5, 5))
    assert set(word.rule.transposes) == {"a", "b"}
    for factor, text in word.rule.transposes.items():
        back = eval(text, {**call, "a": a, "b": b, "ct": ct})
        direction = rng.normal(size=(5, 5))
        da, db = (direction, zero) if factor == "a" else (zero, direction)
        moved = eval(word.rule.jvp, {**call, "a": a, "b": b, "da": da, "db": db})
        by = {"a": lambda x: NUMPY[name](x, b), "b": lambda x: NUMPY[name](a, x)}[factor]
        np.testing.assert_allclose(moved, by(direction) - by(zero), rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(np.sum(back * direction), np.sum(ct * moved), rtol=1e-12)


def test_small_products_of_known_lengths_are_loops():
    @njit
    def turned(x):
        rotation = np.array([[np.cos(x), -np.sin(x)], [np.sin(x), np.cos(x)]])
        return (rotation @ rotation)[0, 0]

    def products(f, types):
        return [s for s in walk(ssa(read_kernel(f, types).program).body) if is_product(s)]

    assert not products(turned, [FLOAT])
    assert len(products(straight, [MATRIX, MATRIX])) == 1
    program = ssa(read_kernel(recurrent, [MATRIX, MATRIX]).program)
    assert not any(map(is_product, walk(by_entries(program).body)))
