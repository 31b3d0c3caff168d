"""Matrices at which something has no derivative: of lower rank, with singular values that agree or are zero."""

import numpy as np
import pytest

import dualgrad as dg

RNG = np.random.default_rng(11)
I3 = np.eye(3)
ROW = np.array([1.0, -0.5, 2.0])
TALL = RNG.normal(size=(4, 3))
RANK2 = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.5, -1.0]])


def differences(f, a, v, h=1e-5):
    return (f(a + h * v) - f(a - h * v)) / (2 * h)


def agree(f, a, tolerance=1e-7):
    """The derivative in all modes is that of central differences."""
    v = RNG.normal(size=a.shape)
    wanted = differences(f, a, v)
    np.testing.assert_allclose(dg.jvp(f, (a,), (v,))[1], wanted, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(dg.taylor(f, a, 1, v).coeffs[1], wanted, rtol=tolerance, atol=tolerance)
    axes = a.ndim
    np.testing.assert_allclose(np.tensordot(dg.jacrev(f)(a), v, axes), wanted, rtol=tolerance, atol=tolerance)


def is_nan_in_every_mode(f, a):
    for found in (dg.jacfwd(f)(a), dg.jacrev(f)(a), dg.jvp(f, (a,), (np.ones_like(a),))[1],
                  dg.jet(f, (a,), (np.ones((1, *a.shape)),))[1][0]):  # fmt: skip
        assert np.all(np.isnan(found))


# QR and LU


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("a", [
    np.broadcast_to(ROW, (2, 3)), np.ones((2, 2)), RNG.normal(size=(3, 2)) @ RNG.normal(size=(2, 3)),
    np.stack([RNG.normal(size=(2, 2)), np.ones((2, 2))]),
], ids=["rows", "ones", "rank 2", "stack"])  # fmt: skip
def test_qr_of_a_matrix_that_is_singular_by_its_last_column_has_a_derivative(a, part):
    agree(lambda a: np.linalg.qr(a)[part], np.array(a))


def test_series_of_qr_where_it_is_singular():
    a = np.broadcast_to(ROW, (2, 3)).copy()
    b = RNG.normal(size=a.shape)
    q, r = (dg.taylor(lambda a, k=k: np.linalg.qr(a)[k], a, 4, b).coeffs for k in (0, 1))
    product = [sum(q[j] @ r[k - j] for j in range(k + 1)) for k in range(5)]
    np.testing.assert_allclose(product, [a, b, *np.zeros((3, 2, 3))], atol=1e-10)


ZERO_COLUMN = TALL * [1, 0, 1]
ZERO_IN_SQUARE = RNG.normal(size=(3, 3)) * [1, 0, 1]


@pytest.mark.parametrize("a", [
    np.outer(np.arange(1.0, 4.0), [1, 2]), ZERO_COLUMN, np.ones((3, 3)), ZERO_IN_SQUARE, np.zeros((2, 2)),
    np.stack([TALL, ZERO_COLUMN]), np.ones((2, 2)) + 0j,
], ids=["tall", "zero column", "rank 1", "inner column", "zero", "stack", "complex"])  # fmt: skip
@pytest.mark.parametrize("mode", ["reduced", "complete", "r"])
def test_qr_of_dependent_columns_names_the_gauge(a, mode):
    def f(a):
        found = np.linalg.qr(a, mode)
        return np.real(found if mode == "r" else found[1]) * 1.0

    for call in (lambda: dg.jvp(f, (a,), (a + 1,)), lambda: dg.vjp(f, a), lambda: dg.taylor(f, a, 1, a + 1)):
        with pytest.raises(dg.GaugeError, match="column that depends on those before it") as info:
            call()
        assert "pinv" in str(info.value) and "test_singular.py" in str(info.value)


def test_small_columns_are_not_dependent_ones():
    scale, v = np.array([1, 1e-18, 1]), RNG.normal(size=TALL.shape)
    found, wanted = (dg.jvp(lambda a: np.linalg.qr(a)[1], (TALL * s,), (v * s,))[1] for s in (scale, 1))
    np.testing.assert_allclose(found, wanted * scale, rtol=1e-9)
    f = dg.jvp(lambda a: np.linalg.qr(a)[1], (np.diag([1.0, 1e-18, 2.0]),), (I3,))[1]
    np.testing.assert_allclose(np.abs(f), I3)


def test_factors_of_dependent_columns_can_be_looked_at():
    found = dg.jvp(lambda a: a * np.linalg.qr(dg.stop_gradient(a))[1][0, 0] + np.linalg.qr(a)[0].shape[0],
                   (np.ones((3, 2)),), (np.ones((3, 2)),))  # fmt: skip
    np.testing.assert_allclose(np.abs(found[1]), np.sqrt(3.0))


def test_lu_of_singular_matrices():
    pytest.importorskip("scipy")
    singular = np.array([[4.0, 1.0, 2.0], [2.0, 3.0, 1.0], [1.0, 0.25, 0.5]])
    for part in (1, 2):
        agree(lambda a, part=part: dg.scipy.linalg.lu(a)[part], singular)
    with pytest.raises(dg.GaugeError, match=r"scipy\.linalg\.lu"):
        dg.jvp(lambda a: dg.scipy.linalg.lu(a)[2] * 1.0, (ZERO_IN_SQUARE,), (I3,))


# Along matrices of one rank


def test_pseudo_inverses_follow_matrices_of_the_same_rank():
    left, right = RNG.normal(size=(4, 2)), RNG.normal(size=(2, 3))
    b = RNG.normal(size=4)
    agree(lambda left: np.linalg.pinv(left @ right), left)
    agree(lambda left: np.linalg.lstsq(left @ right, b, rcond=1e-10)[0], left)

    def laplacian(w):
        edges = np.array([[1.0, -1, 0], [0, 1, -1], [1, 0, -1]])
        return np.linalg.pinv((edges.T * w) @ edges, 1e-10)

    agree(laplacian, np.array([1.0, 2.0, 0.5]))


# Singular values and eigenvalues alone


OF_VALUES = {
    "svdvals": np.linalg.svdvals,
    "svd": lambda a: np.linalg.svd(a, compute_uv=False),
    "nuc": lambda a: np.linalg.norm(a, "nuc", (-2, -1)),
    "2": lambda a: np.linalg.norm(a, 2, (-2, -1)),
    "-2": lambda a: np.linalg.norm(a, -2, (-2, -1)),
    "cond": lambda a: np.linalg.cond(a, -2),
}


@pytest.mark.parametrize("f", OF_VALUES.values(), ids=OF_VALUES)
@pytest.mark.parametrize("a", [RANK2, ZERO_COLUMN, np.ones((3, 4)), np.stack([RANK2, I3 + RANK2])],
                         ids=["rank 2", "zero column", "rank 1", "stack"])  # fmt: skip
def test_a_singular_value_of_zero_has_the_mean_of_both_sides(f, a):
    v = RNG.normal(size=a.shape)
    wanted = differences(f, a, v, 1e-7)
    np.testing.assert_allclose(dg.jvp(f, (a,), (v,))[1], wanted, atol=2e-6)
    np.testing.assert_allclose(np.tensordot(dg.jacrev(f)(a), v, a.ndim), wanted, atol=2e-6)


def test_singular_values_beside_their_vectors_go_with_them():
    def f(a):
        u, s, vh = np.linalg.svd(a)
        return (u * s) @ vh

    v = RNG.normal(size=(3, 3))
    np.testing.assert_allclose(dg.jvp(f, (RANK2,), (v,))[1], v, atol=1e-9)
    np.testing.assert_allclose(dg.hessian(lambda a: np.sum(np.linalg.svd(a)[1] ** 2))(RANK2).reshape(9, 9),
                               2 * np.eye(9), atol=1e-9)  # fmt: skip


def test_second_derivatives_at_a_singular_value_of_zero_are_not_finite():
    assert not np.all(np.isfinite(dg.hessian(lambda a: np.sum(np.linalg.svdvals(a) ** 2))(RANK2)))


def test_values_that_agree_share_their_derivatives():
    q = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
    v = RNG.normal(size=(3, 3))
    for a in (2 * I3, 2 * q):  # those of q agree but for rounding
        inner = np.sum(a * v) / 2
        for f in (lambda a: np.linalg.norm(a, 2), lambda a: np.linalg.norm(a, -2), lambda a: np.linalg.svdvals(a)[1]):
            np.testing.assert_allclose(dg.jvp(f, (a,), (v,))[1], inner / 3)
            np.testing.assert_allclose(dg.grad(f)(a), a / 6)
        assert abs(dg.jvp(np.linalg.cond, (a,), (v,))[1]) < 1e-12
    v = v + v.T
    s = (q * [1.0, 1.0, 5.0]) @ q.T
    s = (s + s.T) / 2
    plane = q[:, :2].T @ v @ q[:, :2]
    wanted = [np.trace(plane) / 2] * 2
    np.testing.assert_allclose(dg.jvp(np.linalg.eigvalsh, (s,), (v,))[1][:2], wanted)
    np.testing.assert_allclose(differences(np.linalg.eigvalsh, s, v)[:2], wanted, atol=1e-4)
    np.testing.assert_allclose(dg.jvp(np.linalg.eigvals, (I3,), (v,))[1], [np.trace(v) / 3] * 3)


def test_condition_numbers_and_logarithms_of_singular_matrices_have_no_derivative():
    for a in (RANK2, ZERO_COLUMN, np.ones((2, 2))):
        is_nan_in_every_mode(np.linalg.cond, a)
    assert dg.jvp(lambda a: np.linalg.cond(a, 1), (RANK2,), (I3,))[0] == np.linalg.cond(RANK2, 1)
    for p in (1, -1, np.inf, "fro"):
        is_nan_in_every_mode(lambda a, p=p: np.linalg.cond(a, p), np.ones((2, 2)))
    assert dg.jvp(np.linalg.slogdet, (np.ones((2, 2)),), (np.eye(2),))[0][1] == -np.inf
    for a in (np.ones((2, 2)), np.zeros((3, 3)), np.array([[1.0, 2.0], [2.0, 4.0]])):
        is_nan_in_every_mode(lambda a: np.linalg.slogdet(a)[1], a)
    stack = np.stack([np.ones((2, 2)), np.diag([2.0, 4.0])])
    found = dg.grad(lambda a: np.linalg.slogdet(a)[1][1])(stack)  # the singular one is left out
    np.testing.assert_allclose(found, [np.zeros((2, 2)), np.diag([0.5, 0.25])])


def test_solutions_that_are_not_finite_have_no_derivative_by_the_matrix():
    a = np.array([[2.0, 1.0], [1.0, 3.0]])
    for b in (np.array([np.inf, 1.0]), np.array([np.nan, 1.0])):
        is_nan_in_every_mode(lambda a, b=b: np.linalg.solve(a, b), a)
        for jacobian in (dg.jacfwd, dg.jacrev):
            np.testing.assert_allclose(jacobian(lambda b: np.linalg.solve(a, b))(b), np.linalg.inv(a))


@pytest.mark.parametrize("a", [np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [0.0, 0.0]])])
def test_eigenvalues_of_defective_matrices_are_refused(a):
    for f in (lambda a: np.linalg.eigvals(a) * 1.0, lambda a: np.linalg.eig(a)[0] * 1.0):
        for call in (lambda f=f: dg.jvp(f, (a,), (np.eye(2),)), lambda f=f: dg.vjp(f, a)):
            with pytest.raises(dg.GaugeError, match="defective") as info:
                call()
            assert "trace" in str(info.value)
