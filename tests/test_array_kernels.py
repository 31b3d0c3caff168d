"""Whole arrays in kernels at hard points: ties, zeros, singular matrices, shapes that do not fit."""

import numpy as np
import pytest
from test_kernel_laws import JET, PULL, PUSH, derived

from dualgrad.core.errors import KernelError, StructureError


def gradient(f, *args):
    with np.errstate(all="ignore"):
        _, back = derived(f, [PULL], args, 1.0)(args, 1.0)
    return back[0] if len(args) == 1 else back


def test_ties_of_a_maximum_share_its_derivative_equally():
    def f(x):
        return np.max(x) - 2.0 * np.min(x)

    np.testing.assert_allclose(gradient(f, np.array([3.0, 1.0, 3.0, 2.0, 3.0])), [1 / 3, -2, 1 / 3, 0, 1 / 3])


def test_infinite_entries_and_nans_in_a_maximum():
    def f(x):
        return np.max(x)

    np.testing.assert_array_equal(gradient(f, np.array([1.0, np.inf, np.inf])), [0, 1, 0])
    out, _ = derived(f, [PULL], (np.ones(3),), 1.0)((np.array([1.0, np.nan, 2.0]),), 1.0)
    assert np.isnan(out)


def test_norm_and_deviation_have_derivative_zero_at_zero():
    def f(x):
        return np.linalg.norm(x) + np.std(x) + x.var()

    np.testing.assert_array_equal(gradient(f, np.zeros(3)), np.zeros(3))


@pytest.mark.parametrize("rank", [3, 2, 1])
def test_determinants_of_singular_matrices(rank):
    def f(a):
        return np.linalg.det(a)

    a = np.diag([2.0, 3.0, 0.0, 5.0]) if rank == 3 else np.diag([2.0, 0.0, 0.0, 5.0]) * (rank == 2)
    direction, other = (np.random.default_rng(k).normal(size=(4, 4)) for k in (1, 2))
    step = 1e-3

    def mixed(h):
        signs = [(s, t) for s in (1, -1) for t in (1, -1)]
        return sum(s * t * np.linalg.det(a + h * (s * direction + t * other)) for s, t in signs) / (4 * h * h)

    slope = np.sum(gradient(f, a) * direction)
    minors = {(i, j): np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for i in range(4) for j in range(4)}
    np.testing.assert_allclose(slope, sum((-1) ** sum(k) * m * direction[k] for k, m in minors.items()), atol=1e-12)
    point, tangents = ((a,), 1.0), ((direction,), 0.0)
    _, dots = derived(f, [PULL, PUSH], point, tangents)(point, tangents)
    np.testing.assert_allclose(np.sum(dots[1][0] * other), (4 * mixed(step / 2) - mixed(step)) / 3, atol=1e-6)


def test_a_product_with_zeros_has_its_derivatives():
    def f(x):
        return np.prod(x)

    np.testing.assert_array_equal(gradient(f, np.array([2.0, 0.0, 3.0])), [0, 6, 0])
    series = (np.stack([np.ones(3), np.zeros(3), np.zeros(3)]),)
    _, coefficients = derived(f, [JET], (np.zeros(3),), series)((np.zeros(3),), series)
    np.testing.assert_array_equal(coefficients, [0, 0, 1])


@pytest.mark.parametrize("n", [0, 1, 4])
def test_lengths_that_differ_raise(n):
    def add(x, y):
        return np.sum(x + y)

    def store(x, y):
        x[:] = y
        return np.sum(x)

    def product(x, y):
        return x @ y

    for f in (add, store, product):
        args = (np.ones(3), np.ones(n))
        with pytest.raises(StructureError, match="different lengths meet in"):
            derived(f, [PULL], args, 1.0)(args, 1.0)


def test_singular_matrices_raise():
    def f(a, b):
        return np.sum(np.linalg.solve(a, b))

    def g(a):
        return np.sum(np.linalg.cholesky(a))

    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        gradient(f, np.ones((3, 3)), np.ones(3))
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        gradient(g, -np.eye(2))


def test_an_array_without_entries_has_no_maximum():
    def f(x):
        return np.max(x)

    with pytest.raises(StructureError, match="without entries"):
        gradient(f, np.zeros(0))


def test_a_branch_that_was_not_selected_is_a_structural_zero():
    def f(x):
        return np.sum(np.where(x < 1.0, x, np.sqrt(x)))

    np.testing.assert_array_equal(gradient(f, np.array([0.0, -1.0, 4.0])), [1.0, 1.0, 0.25])


def test_the_first_binding_may_be_an_argument_that_stays_as_it_is():
    def f(x):
        y = x
        for _ in range(3):
            y = np.sin(y) + x
        return np.sum(y * x)

    x, h = np.array([0.3, 0.8]), 1e-6
    wanted = [(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(2)]
    np.testing.assert_allclose(gradient(f, x), wanted, rtol=1e-8)


def test_asarray_is_the_array_and_a_contiguous_one_is_not_written():
    def f(x):
        y = np.asarray(x)
        y[0] = 2.0 * x[1]
        return np.sum(x * x)

    np.testing.assert_allclose(gradient(f, np.array([1.0, 3.0])), [0.0, 30.0])

    def g(x):
        y = np.ascontiguousarray(x)
        y[0] = 2.0
        return np.sum(x * x)

    with pytest.raises(KernelError, match="is written in place"):
        gradient(g, np.array([1.0, 3.0]))
