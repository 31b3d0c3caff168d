"""Products of arrays: what NumPy refuses is refused, structural zeros stay zero, long signals need no tables."""

import tracemalloc

import numpy as np
import pytest

import dualgrad as dg

inf = np.inf
M = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.einsum("ij,jk", x, x),
        lambda x: np.einsum("ij", x, x),
        lambda x: np.einsum("i", x),
        lambda x: np.einsum("ij->ik", x),
        lambda x: np.einsum("ij->ii", x),
        lambda x: np.einsum("...j,...j->j", x, x),
        lambda x: np.einsum("i!->i", x),
        lambda x: np.einsum("ii->i", x[:, :1]),
        lambda x: np.tensordot(x, x, 1),
        lambda x: np.convolve(x, x),
        lambda x: np.convolve(x[0], x[0, :0]),
        lambda x: np.convolve(x[0], x[0], "other"),
        lambda x: np.cross(x[:, :1], x[:, :1]),
        lambda x: np.linalg.cross(x[:, :2], x[:, :2]),
    ],
)
def test_what_numpy_refuses_is_refused(call):
    for run in (call, dg.jacfwd(call), dg.jacrev(call)):
        with pytest.raises(ValueError):
            run(M)


@pytest.mark.parametrize(
    ("product", "matrix"),
    [
        (lambda v: np.einsum("ij,j->i", M[:, :2], v), M[:, :2]),
        (lambda v: np.einsum("j,ij->i", v, M[:, :2]), M[:, :2]),
        (lambda v: np.convolve(v, [1.0, 2.0]), [[1, 0], [2, 1], [0, 2]]),
        (lambda v: np.convolve([1.0, 2.0, 3.0], v, "valid"), [[2, 1], [3, 2]]),
        (lambda v: np.correlate(v, [1.0, 2.0], "full"), [[2, 0], [1, 2], [0, 1]]),
        (lambda v: np.correlate([1.0, 2.0, 3.0], v), [[1, 2], [2, 3]]),
    ],
)
def test_structural_zeros_never_meet_infinities(product, matrix):
    """The Jacobian of a product of roots at (0, 4): infinite where the root of 0 enters, exact elsewhere."""
    matrix = np.array(matrix, float)
    wanted = np.stack([np.where(matrix[:, 0] == 0, 0.0, inf), matrix[:, 1] / 4], 1)
    if matrix[0, 0] == 0:  # a numeric zero factor times inf is NaN, in both modes
        wanted[matrix[:, 0] == 0, 0] = np.nan
    x = np.array([0.0, 4.0])
    forward, reverse = (mode(lambda x: product(np.sqrt(x)))(x) for mode in (dg.jacfwd, dg.jacrev))
    np.testing.assert_array_equal(forward, reverse)
    np.testing.assert_array_equal(forward[:, 1], wanted[:, 1])
    np.testing.assert_array_equal(forward[matrix[:, 0] != 0, 0], inf)


def test_a_long_convolution_needs_no_table():
    x, k = np.ones(100_000), np.ones(500)
    tracemalloc.start()
    dg.grad(lambda x, k: np.sum(np.convolve(x, k) ** 2), (0, 1))(x, k)
    dg.jvp(lambda x, k: np.convolve(x, k), (x, k), (x, k))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * x.nbytes


def test_a_contraction_is_one_entry_of_the_tape():
    _, lin = dg.linearize(lambda x: np.einsum("ij,kj->ik", x, x), M)
    assert str(lin).count("contract(") == 2
    _, lin = dg.linearize(lambda x: np.tensordot(x, M, ((0, 1), (0, 1))), M)
    assert str(lin).count("contract(") == 1 and str(lin).count("\n") < 6


def test_einsum_of_views_of_a_buffer_sees_what_was_written():
    def f(x):
        y = np.zeros((2, 3))
        y[0] = x
        y[1] = np.einsum("i,i->i", y[0], y[0])
        return np.einsum("ij->j", y)

    np.testing.assert_allclose(dg.jacrev(f)(M[1]), np.diag(1 + 2 * M[1]))


def test_options_of_products_are_followed_or_refused():
    x = np.arange(6.0).reshape(2, 3)
    out = np.zeros((2, 2))
    assert np.array_equal(dg.jvp(lambda x: np.einsum("ij,kj", x, x, out=np.zeros((2, 2))), (x,), (x,))[0], x @ x.T)
    with pytest.raises(dg.UnsupportedError, match="axes"):
        dg.jacfwd(lambda x: np.matmul(x, x, axes=[(0, 1), (1, 0), (0, 1)]))(x)
    with pytest.raises(dg.UnsupportedError, match="axes"):
        dg.jacfwd(lambda x: np.vecdot(x, x, axes=[0, 0, ()]))(x)
    with pytest.raises(dg.LostDerivativeError):
        dg.jacfwd(lambda x: np.dot(x, x.T, out=out))(x)
