"""SciPy's functions under dualgrad's name: plain results for plain arrays, series of high order, sparse constants."""

from math import factorial

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
import scipy.special
from scipy.linalg import expm
from scipy.sparse.linalg import spsolve

import dualgrad as dg

RNG = np.random.default_rng(3)
A = RNG.normal(size=(5, 5))
K = 10
GRID = scipy.sparse.diags_array([-1.0, 2.5, -1.0], offsets=[-1, 0, 1], shape=(6, 6)).tocsr()


def close(a, b, tolerance=1e-10):
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def cauchy(a, b):
    return np.stack([sum(a[j] @ b[k - j] for j in range(k + 1)) for k in range(len(a))])


def test_plain_arrays_are_left_to_scipy():
    for name in ("expm", "inv", "lu", "lu_factor", "eigh", "toeplitz"):
        found, wanted = getattr(dg.scipy.linalg, name)(A), getattr(scipy.linalg, name)(A)
        for f, w in zip(np.atleast_1d(found[0]), np.atleast_1d(wanted[0]), strict=True):
            np.testing.assert_array_equal(f, w)
    assert set(dg.scipy.linalg.__all__) <= set(dir(scipy.linalg))
    assert np.array_equal(dg.scipy.linalg.expm(A.tolist()), scipy.linalg.expm(A))


def test_series_of_functions_of_matrices():
    found = dg.taylor(lambda t: dg.scipy.linalg.expm(t * A), 0.0, K).coeffs
    power = np.eye(5)
    for k in range(K + 1):
        close(found[k], power / factorial(k))
        power = power @ A
    start, rest = A @ A.T + np.eye(5), np.stack([0.5**k * RNG.normal(size=(5, 5)) for k in range(1, K + 1)])
    series = np.concatenate([start[None], rest])
    x, xs = dg.jet(dg.scipy.linalg.sqrtm, (start,), (rest,))
    root = np.stack([x, *xs])
    close(cauchy(root, root), series, 1e-8)
    x, xs = dg.jet(dg.scipy.linalg.logm, (start,), (rest,))
    back, backs = dg.jet(dg.scipy.linalg.expm, (x,), (xs,))
    close(np.stack([back, *backs]), series, 1e-7)


def test_the_derivative_of_the_exponential_is_scipys():
    for a in (A, 8 * A, 1e-9 * A):
        e = RNG.normal(size=(5, 5))
        value, dot = dg.jvp(dg.scipy.linalg.expm, (a,), (e,))
        wanted = scipy.linalg.expm_frechet(a, e)
        for f, w in zip((value, dot), wanted, strict=True):
            np.testing.assert_allclose(f, w, rtol=1e-9, atol=1e-12 * np.abs(w).max())


def test_stacks_of_exponentials():
    stack = RNG.normal(size=(2, 3, 3))
    close(dg.jvp(dg.scipy.linalg.expm, (stack,), (stack,))[0], scipy.linalg.expm(stack))


def test_options_that_change_the_result_are_refused_and_those_of_the_computation_are_not():
    dg.grad(lambda a: dg.scipy.linalg.det(a, check_finite=False, overwrite_a=True))(A)
    with pytest.raises(dg.UnsupportedError, match="subset_by_index"):
        dg.grad(lambda a: np.sum(dg.scipy.linalg.eigh(a, subset_by_index=[0, 1])[0]))(A)


def test_roots_and_logarithms_of_real_matrices_with_negative_eigenvalues_are_complex():
    a, t = np.array([[1.0, 2.0], [3.0, -0.5]]), np.array([[0.3, -0.2], [0.1, 0.5]])
    h = 1e-6
    for name in ("sqrtm", "logm"):
        f, theirs = getattr(dg.scipy.linalg, name), getattr(scipy.linalg, name)
        value, slope = dg.jvp(f, (a,), (t,))
        close(value, theirs(a))
        np.testing.assert_allclose(slope, (theirs(a + h * t) - theirs(a - h * t)) / (2 * h), atol=1e-8)
        close(np.sum(dg.grad(lambda a, f=f: np.sum(f(a).imag))(a) * t), np.sum(slope.imag))


def test_banded_systems():
    ab, b = RNG.normal(size=(4, 5)), RNG.normal(size=5)
    ab[2] += 5

    def f(ab, b):
        return scipy.linalg.solve_banded((1, 2), ab, b)

    value, slope = dg.jvp(f, (ab, b), (0.1 * ab, b[::-1]))
    close(value, f(ab, b))
    h = 1e-6
    there, back = f(ab + h * 0.1 * ab, b + h * b[::-1]), f(ab - h * 0.1 * ab, b - h * b[::-1])
    np.testing.assert_allclose(slope, (there - back) / (2 * h), atol=1e-8)
    p = dg.vjp(f, ab, b)[1](np.ones(5))
    close(np.sum(p[0] * 0.1 * ab) + p[1] @ b[::-1], np.sum(slope))
    assert np.all(p[0][0, :2] == 0)  # entries that are outside of the matrix


def test_generalized_vectors_of_equal_values_have_a_gauge():
    with pytest.raises(dg.GaugeError):
        dg.jacrev(lambda a: dg.scipy.linalg.eigh(a, 2 * np.eye(3))[1])(np.eye(3))


def test_scipys_own_names_mean_these_functions_in_lifted_functions():
    def by_module(a):
        return np.sum(scipy.linalg.expm(a) * scipy.linalg.inv(a)) + scipy.special.gamma(a[0, 0])

    def by_name(a):
        return np.sum(expm(a) * scipy.linalg.inv(a)) + scipy.special.gamma(a[0, 0])

    def solved(b):
        return np.sum(spsolve(GRID.tocsc(), b) * scipy.sparse.linalg.spsolve(GRID.tocsc(), b))

    a, v = A + 3 * np.eye(5), RNG.normal(size=(5, 5))
    wanted = (by_name(a + 1e-5 * v) - by_name(a - 1e-5 * v)) / 2e-5
    for f in (by_module, by_name):
        np.testing.assert_allclose(np.sum(dg.grad(f)(a) * v), wanted, rtol=1e-6)
    x = np.linalg.solve(GRID.toarray(), np.ones(6))
    close(dg.grad(solved)(np.ones(6)), 2 * np.linalg.solve(GRID.toarray().T, x))
    with dg.lifting(False), pytest.raises(dg.DualgradError):
        dg.grad(by_name)(a)


# Sparse constants


def test_products_with_sparse_matrices():
    x = RNG.normal(size=6)
    for kind in (scipy.sparse.csr_array, scipy.sparse.csc_array, scipy.sparse.csr_matrix, scipy.sparse.coo_array):
        matrix = kind(GRID)
        close(dg.jacrev(lambda x, m=matrix: m @ x)(x), GRID.toarray())
        close(dg.jacfwd(lambda x, m=matrix: x @ m)(x), GRID.toarray().T)
        close(dg.hessian(lambda x, m=matrix: x @ (m @ x))(x), GRID.toarray() + GRID.toarray().T)
    close(dg.taylor(lambda t: GRID @ (x * np.exp(t)), 0.0, 3).coeffs[3], GRID @ x / 6)


def test_a_sparse_matrix_is_kept_as_it_was():
    matrix, x = GRID.copy(), np.ones(6)
    _, pullback = dg.vjp(lambda x: matrix @ x, x)
    matrix.data[:] = 0
    close(pullback(x)[0], GRID.T @ x)


def test_what_else_sparse_matrices_do_with_numbers_raises():
    for f in (lambda x: GRID + x, lambda x: GRID.multiply(x), lambda x: GRID * x):
        with pytest.raises((dg.DualgradError, TypeError)):
            dg.jvp(f, (np.ones((6, 6)),), (np.ones((6, 6)),))
    with pytest.raises(dg.UnsupportedError, match="complex sparse"):
        dg.jvp(lambda x: (GRID * 1j) @ x, (np.ones(6),), (np.ones(6),))


def test_sparse_systems():
    b = RNG.normal(size=6)
    solve = dg.scipy.sparse.linalg.spsolve
    assert np.array_equal(solve(GRID.tocsc(), b), scipy.sparse.linalg.spsolve(GRID.tocsc(), b))
    inverse = np.linalg.inv(GRID.toarray())
    close(dg.jacrev(lambda b: solve(GRID, b))(b), inverse)
    close(dg.jacfwd(lambda b: solve(GRID, b * b))(b), inverse * 2 * b)
    close(dg.hessian(lambda b: np.sum(solve(GRID, b**3)))(b), np.diag(6 * b * inverse.sum(0)))
