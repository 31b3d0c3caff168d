"""Linear algebra at its hard points: high orders, repeated eigenvalues, singular matrices, triangles, errors."""

import time

import numpy as np
import pytest

import dualgrad as dg

RNG = np.random.default_rng(7)
K = 10
I3 = np.eye(3)


def tail(*shape, scale=0.4):
    """Coefficients 1…K of a series."""
    return np.stack([scale**k * RNG.normal(size=shape) / np.sqrt(shape[0]) for k in range(1, K + 1)])


def symmetric(a):
    return (a + np.swapaxes(a, -1, -2)) / 2


def cauchy(a, b):
    """The coefficients of the product of two series of matrices."""
    return np.stack([sum(a[j] @ b[k - j] for j in range(k + 1)) for k in range(len(a))])


def series(f, a, rest):
    out, coefficients = dg.jet(f, (a,), (rest,))
    return np.concatenate([np.stack([a]), rest]), [
        np.stack([o, *c]) for o, c in zip(out, coefficients, strict=True)
    ] if isinstance(out, tuple) else np.stack([out, *coefficients])  # fmt: skip


def close(a, b, tolerance=1e-10):
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def transposed(a):
    return np.swapaxes(a, -1, -2)


def diagonals(w):
    return np.stack([np.diag(row) for row in w])


def one(n):
    return np.concatenate([np.eye(n)[None], np.zeros((K, n, n))])


# Series of order 10 satisfy the equations that define them, coefficient by coefficient


def test_series_of_a_solution():
    a, b = RNG.normal(size=(50, 50)) / 7 + 3 * np.eye(50), RNG.normal(size=(50, 2))
    da, db = tail(50, 50), tail(50, 2)
    x, xs = dg.jet(np.linalg.solve, (a, b), (da, db))
    close(cauchy(np.stack([a, *da]), np.stack([x, *xs])), np.stack([b, *db]))


def test_series_of_eigenvalues_and_vectors():
    q = np.linalg.qr(RNG.normal(size=(20, 20)))[0]
    start = symmetric(q * np.arange(20.0) @ q.T)
    a, (w, v) = series(lambda a: tuple(np.linalg.eigh(a)), start, symmetric(tail(20, 20)))
    close(cauchy(cauchy(transposed(v), a), v), diagonals(w))
    close(cauchy(transposed(v), v), one(20))


def test_series_of_a_cholesky_factor():
    a, factor = series(np.linalg.cholesky, symmetric(RNG.normal(size=(8, 8))) + 9 * np.eye(8), symmetric(tail(8, 8)))
    close(cauchy(factor, transposed(factor)), a)
    assert np.all(np.triu(factor, 1) == 0)


def test_series_of_qr_and_svd_factors():
    a, (q, r) = series(lambda a: tuple(np.linalg.qr(a)), RNG.normal(size=(7, 4)), tail(7, 4))
    close(cauchy(q, r), a)
    close(cauchy(transposed(q), q), one(4))
    close(np.tril(r, -1), 0)
    a, (u, s, vh) = series(lambda a: tuple(np.linalg.svd(a, full_matrices=False)), RNG.normal(size=(6, 4)), tail(6, 4))
    close(cauchy(cauchy(u, diagonals(s)), vh), a, 1e-8)
    close(cauchy(vh, transposed(vh)), one(4), 1e-8)


def test_series_of_determinants_are_polynomials():
    a, b = RNG.normal(size=(2, 4, 4))
    for m in (a, a - np.outer(a[:, 0], np.eye(4)[0]), np.outer(a[0], a[1]), 0 * a):  # also where it is singular
        found = dg.taylor(np.linalg.det, m, 6, b).coeffs
        at = np.linspace(-1, 1, 7)
        wanted = np.polynomial.polynomial.polyfit(at, [np.linalg.det(m + t * b) for t in at], 6)
        close(found, wanted, 1e-9)


def test_the_time_of_a_series_grows_no_faster_than_the_square_of_its_order():
    a = symmetric(RNG.normal(size=(6, 6))) + np.diag(np.arange(6.0) * 4)
    b = symmetric(RNG.normal(size=(6, 6))) / 100

    def seconds(order, runs):
        found = []
        for _ in range(runs):
            start = time.perf_counter()
            dg.taylor(lambda x: np.linalg.eigh(x)[1], a, order, b)
            found.append(time.perf_counter() - start)
        return min(found)

    seconds(2, 1)
    assert seconds(160, 2) < 3 * 64 * seconds(20, 3)  # K² is 64 times, K³ 512 times


# Repeated eigenvalues


def test_symmetric_functions_of_repeated_eigenvalues_are_right():
    def f(a):
        return np.sum(np.exp(np.linalg.eigvalsh(a)))  # the trace of exp(a), whose gradient is exp(a)

    q = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
    for w in ([2.0, 2.0, 2.0], [1.0, 1.0, 3.0]):
        a = symmetric(q * np.array(w) @ q.T)
        close(symmetric(dg.grad(f)(a)), q * np.exp(w) @ q.T)
        v = symmetric(RNG.normal(size=(3, 3)))
        close(dg.jvp(f, (a,), (v,))[1], np.sum(v * (q * np.exp(w) @ q.T)))
        close(symmetric(dg.grad(lambda a: np.sum(np.exp(np.linalg.eigh(a)[0])))(a)), q * np.exp(w) @ q.T)
        close(dg.jvp(lambda a: np.sum(np.exp(np.linalg.eigh(a).eigenvalues)), (a,), (v,))[1], dg.jvp(f, (a,), (v,))[1])


def test_singular_values_that_agree_are_right_in_symmetric_functions():
    close(dg.grad(lambda a: np.linalg.norm(a, "nuc"))(3 * I3), I3)
    close(dg.grad(lambda a: np.sum(np.linalg.svd(a)[1] ** 2))(3 * I3), 6 * I3)
    close(dg.jvp(lambda a: np.sum(np.linalg.svd(a).S ** 2), (3 * I3,), (I3 + 1,))[1], 6 * 6)


def through_vectors(a):
    w, v = np.linalg.eigh(a)
    return np.sum((v * w**2) @ v.T)


@pytest.mark.parametrize(
    "call",
    [
        lambda: dg.grad(through_vectors)(I3),
        lambda: dg.jvp(through_vectors, (I3,), (I3 + 1,)),
        lambda: dg.taylor(through_vectors, I3, 2, I3 + 1),
        lambda: dg.jvp(lambda a: np.linalg.eigh(a)[1], (I3,), (I3 + 1,)),
        lambda: dg.jvp(lambda a: np.linalg.eigh(a)[1][0, 0] * 1.0, (I3,), (I3 + 1,)),
        lambda: dg.jacrev(lambda a: np.linalg.svd(a)[0] * 1.0)(I3),
        lambda: dg.hessian(lambda a: np.sum(np.linalg.eigvalsh(a) ** 2))(I3),
    ],
)
def test_vectors_of_repeated_values_are_refused_and_the_gauge_is_named(call):
    with pytest.raises(dg.DualgradError) as info:
        call()
    assert "gauge" in str(info.value)
    assert "eigvalsh" in str(info.value)
    assert "test_linalg.py" in str(info.value)


def test_a_direction_that_does_not_split_repeated_values_is_no_obstacle():
    v = np.diag([1.0, 1.0, 0.0])
    close(dg.jvp(through_vectors, (I3,), (v,))[1], 4.0)


def test_vectors_without_derivative_can_be_looked_at():
    def f(a):
        w, v = np.linalg.eigh(a)
        assert v.shape == (3, 3)
        return w * dg.stop_gradient(v)[0, 0]

    close(dg.jvp(f, (I3,), (I3,))[1], [1, 1, 1])


def test_the_larger_factor_of_a_complete_decomposition_has_a_gauge():
    a = RNG.normal(size=(4, 2))
    for f in (lambda a: np.linalg.svd(a)[0] * 1.0, lambda a: np.linalg.qr(a, "complete")[0] * 1.0):
        with pytest.raises(dg.DualgradError, match="gauge"):
            dg.jvp(f, (a,), (a,))


# Determinants


def cofactors(a):
    n = len(a)
    minors = [[np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for j in range(n)] for i in range(n)]
    return np.array(minors) * (-1.0) ** np.add.outer(np.arange(n), np.arange(n))


def test_determinants_of_lower_rank_have_gradients_and_hessians():
    u, v = RNG.normal(size=(2, 4, 4))
    for rank in range(5):
        a = u[:, :rank] @ v[:rank]
        close(dg.grad(np.linalg.det)(a), cofactors(a))
        close(dg.hessian(np.linalg.det)(a), dg.jacfwd(lambda a: np.stack([  # each minor is a determinant
            np.stack([(-1.0) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for j in range(4)])
            for i in range(4)]))(a), 1e-8)  # fmt: skip


# Triangles


def test_what_reads_one_triangle_has_no_derivative_by_the_other():
    a = symmetric(RNG.normal(size=(3, 3))) + 5 * I3
    for f in (np.linalg.cholesky, np.linalg.eigvalsh, lambda a: np.linalg.eigh(a)[1]):
        j = dg.jacfwd(f)(a)
        assert np.all(j[..., 0, 1] == 0)
        assert np.any(j[..., 1, 0] != 0)
    j = dg.jacrev(lambda a: np.linalg.cholesky(a, upper=True))(a)
    assert np.all(j[..., 1, 0] == 0)
    nan = np.where(np.tri(3, dtype=bool), a, np.nan)  # not read at all
    close(dg.jacrev(np.linalg.eigvalsh)(nan), dg.jacrev(np.linalg.eigvalsh)(a))


# Matrices without derivative


def test_buffers_without_derivative_are_left_to_numpy():
    def f(x):
        a = np.zeros((3, 2))
        a[:] = np.arange(6.0).reshape(3, 2)
        u, s, vh = np.linalg.svd(a)
        q, r = np.linalg.qr(a, "complete")
        z = np.linalg.svd(np.eye(2) * 1j).S
        w, v = np.linalg.eigh(np.eye(2))
        return x * (u[0, 0] + s[0] + vh[0, 0] + q[0, 0] + r[0, 0] + z[0] + np.linalg.lstsq(a, a[:, 0])[0][0] + v[0, 0])

    close(dg.grad(f)(2.0), f(1.0))
    close(dg.derivative(f, 1)(2.0), f(1.0))


def test_results_are_written_as_arrays():
    def f(a):
        w, v = np.linalg.eigh(a @ a.T + I3)
        w[0] = 0
        v[:, 1] *= w[1]
        factor = np.linalg.cholesky(a @ a.T + I3)
        factor[0] = 2
        return np.sum(v * factor) + w.sum()

    a = RNG.normal(size=(3, 3))
    close(dg.grad(f)(a), dg.jacfwd(f)(a))
    h = 1e-6 * I3
    close(np.sum(dg.grad(f)(a) * I3), (f(a + h) - f(a - h)) / 2e-6, 1e-6)


def test_structural_zeros_pass_through_systems():
    b = np.diag([4.0, 3.0, 2.0]) + 0.1
    for solve in (np.linalg.solve, lambda a, x: np.linalg.inv(a) @ x, dg.scipy.linalg.solve_triangular):

        def f(x, solve=solve):  # the second column of the right sides is never touched by the root of zero
            return solve(b, np.stack([x, np.sqrt(np.where(x > 0, 1.0, x))], axis=1))[:, 0]

        x = np.array([0.0, 1.0, 2.0])
        close(dg.jacfwd(f)(x), dg.jacrev(f)(x))
        assert np.all(np.isfinite(dg.jacrev(f)(x)))


# Errors


def test_linear_algebra_errors_are_numpys():
    for call in (
        lambda: dg.grad(lambda a: np.sum(np.linalg.cholesky(a)))(-I3),
        lambda: dg.jvp(np.linalg.inv, (np.zeros((2, 2)),), (np.eye(2),)),
        lambda: dg.grad(lambda a: np.sum(np.linalg.eigvalsh(a)))(np.ones((2, 3))),
    ):
        with pytest.raises(np.linalg.LinAlgError):
            call()


def test_zero_has_norm_zero_and_so_is_the_derivative():
    for p in (None, "fro", "nuc", 2, 1, np.inf):
        close(dg.grad(lambda a, p=p: np.linalg.norm(a, p))(np.zeros((3, 2))), np.zeros((3, 2)))
    for p in (None, 1, 2, 3, np.inf):
        close(dg.grad(lambda a, p=p: np.linalg.norm(a, p))(np.zeros(3)), np.zeros(3))


def test_the_rank_is_a_value():
    assert dg.jvp(lambda a: a * np.linalg.matrix_rank(a), (I3,), (I3,))[1][0, 0] == 3


OF_INFINITE = {
    "svdvals": np.linalg.svdvals, "norm 2": lambda a: np.linalg.norm(a, 2), "norm -2": lambda a: np.linalg.norm(a, -2),
    "nuc": lambda a: np.linalg.norm(a, "nuc"), "det": np.linalg.det, "cond": np.linalg.cond,
    "cond 1": lambda a: np.linalg.cond(a, 1), "cond fro": lambda a: np.linalg.cond(a, "fro"),
    "qr": lambda a: np.linalg.qr(a)[1], "eigvalsh": np.linalg.eigvalsh,
    "stack": lambda a: np.linalg.svdvals(np.stack([np.eye(2), a]))[1],
}  # fmt: skip
OF_NAN = {
    "slogdet": lambda a: np.linalg.slogdet(a)[1], "inv": np.linalg.inv, "solve": lambda a: np.linalg.solve(a, a[0]),
    **{k: v for k, v in OF_INFINITE.items() if k in ("det", "cond 1", "cond fro", "qr")},
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name, bad", [*((name, np.inf) for name in OF_INFINITE), *((name, np.nan) for name in OF_NAN)])
def test_of_a_matrix_that_is_not_finite_the_derivative_is_nan_in_every_mode(name, bad):
    f = (OF_INFINITE | OF_NAN)[name]

    def total(a):
        return np.sum(f(a))

    a, t = np.array([[bad, 1.0], [0.5, 2.0]]), np.array([[0.3, 0.1], [0.2, 0.4]])
    value, slope = dg.jvp(total, (a,), (t,))
    np.testing.assert_array_equal(value, total(a))
    assert np.isnan(slope)
    assert np.isnan(dg.jet(total, (a,), ([t],))[1][0])
    read = np.tri(2, dtype=bool) | (name != "eigvalsh")
    np.testing.assert_array_equal(np.isnan(dg.grad(total)(a)), read)


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (2, 4)])
def test_singular_vectors_of_complex_matrices(shape):
    """In LAPACK's own phases; what does not depend on phases is right whatever they are."""
    a, t = (RNG.normal(size=shape) + 1j * RNG.normal(size=shape) for _ in range(2))

    def rebuilt(a):
        u, s, vh = np.linalg.svd(a, full_matrices=False)
        return (u * s**3) @ vh

    def product(a):  # a (a^H a), which is the same
        return a @ np.conj(a.T) @ a

    close(dg.jvp(rebuilt, (a,), (t,))[1], dg.jvp(product, (a,), (t,))[1])
    close(dg.vjp(rebuilt, a)[1](t)[0], dg.vjp(product, a)[1](t)[0])
    tail = np.stack([t, 0.3 * t.conj(), 0.1 * t, 0.05 * t, 0 * t])
    close(dg.jet(rebuilt, (a,), (tail,))[1], dg.jet(product, (a,), (tail,))[1], 1e-9)

    def curvature(f):
        return dg.hessian(lambda x: np.sum(np.abs(f(x + 1j * a.imag)) ** 2))(a.real.copy())

    close(curvature(rebuilt), curvature(product), 1e-8)


def test_the_vectors_of_a_singular_value_zero_of_a_complex_matrix_name_their_gauge():
    a = np.array([[1.0, 1j], [1j, -1.0]])
    close(dg.jvp(lambda a: np.linalg.svd(a)[1] ** 2, (a,), (a,))[1], [8.0, 0.0])
    for k in (0, 2):
        with pytest.raises(dg.GaugeError, match="(?s)singular value zero.*phases"):
            dg.jacfwd(lambda x, k=k: np.linalg.svd(a * x)[k] * 1.0)(1.0)
