"""GradBench's evals, small: kernels that others think of, against differences of them or closed forms."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import dualgrad as dg
from benchmarks.gradbench import ba, gmm, ht, lstm, nested, ode, small

pytestmark = pytest.mark.kernel

HAND = ht.hand(vertices=12, triangles=9)
THETA, US, NEAREST, OBSERVED = ht.point(HAND, 4)
CAMERAS, POINTS, WEIGHTS, SEEN, FEATURES = ba.point(3, 5, 8)

# Name, kernel, arguments, the arguments to differentiate by.
CASES = {
    "gmm": (gmm.posterior, gmm.point(3, 2, 7), (0, 1, 2, 3)),
    "gmm of matrices": (gmm.posterior_of_matrices, gmm.point(3, 2, 7), (0, 1, 2, 3)),
    "lstm": (lstm.loss, lstm.point(2, 3, 6), (0, 1, 2)),
    "ba block": (ba.reprojection, (CAMERAS[0], POINTS[0], WEIGHTS[0], FEATURES[0]), (0, 1, 2)),
    "ba": (ba.residuals, (CAMERAS, POINTS, WEIGHTS, SEEN, FEATURES), (0, 1, 2)),
    "ode": (ode.total, ode.point(5, 4), (0,)),
    "ode of arrays": (ode.total_of_arrays, ode.point(5, 4), (0,)),
    "ht": (ht.residuals, (THETA, *HAND[:-1], NEAREST, OBSERVED), (0,)),
    "ht on the surface": (ht.surface_residuals, (THETA, US, *HAND, NEAREST, OBSERVED), (0, 1)),
    "kmeans": (small.cost, small.clusters(3, 11, 2), (0,)),
    "lse": (small.log_sum_exp, (small.exponents(6),), (0,)),
    "llsq": (small.misfit, (small.coefficients(4), 20), (0,)),
    "det": (small.determinant(4), (small.matrix(4),), (0,)),
    "det of lists": (small.determinant_of_lists, (small.matrix(4),), (0,)),
}
# What compiles in a second or so; the others run with --long.
QUICK = ("kmeans", "lse", "llsq")
cases = pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.long) for n in CASES])


def directional(f, arguments, tangents, h=1e-5):
    """The derivative along ``tangents`` by differences of the function itself."""
    ahead, behind = (
        np.asarray(f(*(a + step * t if t is not None else a for a, t in zip(arguments, tangents, strict=True))))
        for step in (h, -h)
    )
    return (ahead - behind) / (2 * h)


@cases
def test_both_modes_agree_with_differences(name, rng):
    f, arguments, by = CASES[name]
    tangents = [np.asarray(rng.normal(size=np.shape(a)))[()] if k in by else None for k, a in enumerate(arguments)]
    expected = directional(f, arguments, tangents)
    full = tuple(np.zeros_like(a)[()] if t is None else t for a, t in zip(arguments, tangents, strict=True))
    value, slope = dg.jvp(f, arguments, full)
    scale = np.max(np.abs(expected))
    np.testing.assert_allclose(value, f(*arguments), rtol=1e-12)
    np.testing.assert_allclose(slope, expected, atol=1e-7 * scale)
    cotangent = np.asarray(rng.normal(size=np.shape(value)))[()]
    _, back = dg.vjp(f, *arguments)
    cotangents = back(cotangent)
    adjoint = sum(np.sum(cotangents[k] * tangents[k]) for k in by)
    np.testing.assert_allclose(adjoint, np.sum(cotangent * slope), rtol=1e-10)


@pytest.mark.long
def test_gmm_is_the_derivative_by_hand():
    point = gmm.point(4, 3, 10)
    expected = gmm.gradient_by_hand(*point)
    for f in (gmm.posterior, gmm.posterior_of_matrices):
        for found, by_hand in zip(dg.grad(f, argnums=(0, 1, 2, 3))(*point), expected, strict=True):
            np.testing.assert_allclose(found, by_hand, rtol=1e-10, atol=1e-12)


@pytest.mark.long
def test_the_sparse_jacobian_of_ba_is_that_of_all_residuals():
    scipy_sparse = pytest.importorskip("scipy.sparse")
    columns, starts = ba.pattern(len(CAMERAS), len(POINTS), SEEN)
    data = ba.sparse_jacobian()(CAMERAS, POINTS, WEIGHTS, SEEN, FEATURES)
    found = scipy_sparse.csr_array((data, columns, starts)).toarray()
    dense = dg.jacobian(ba.residuals, argnums=(0, 1, 2))(CAMERAS, POINTS, WEIGHTS, SEEN, FEATURES)
    expected = np.concatenate([part.reshape(len(found), -1) for part in dense], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.long
def test_a_step_of_kmeans_leads_to_the_means():
    centroids, points = small.clusters(3, 11, 2)
    nearest = np.argmin(np.sum((points[:, None] - centroids) ** 2, axis=2), axis=1)
    means = np.stack([points[nearest == k].mean(axis=0) for k in range(3)])
    np.testing.assert_allclose(centroids - small.newton_direction()(centroids, points), means, rtol=1e-12)


@pytest.mark.long
def test_closed_forms_of_the_small_evals():
    x = small.exponents(6)
    weights = np.exp(x - x.max())
    np.testing.assert_allclose(dg.grad(small.log_sum_exp)(x), weights / weights.sum(), rtol=1e-12)
    c, t = small.coefficients(4), np.linspace(-1, 1, 20)
    powers = t[:, None] ** np.arange(4)
    np.testing.assert_allclose(dg.grad(small.misfit)(c, 20), powers.T @ (powers @ c - np.sign(t)), rtol=1e-10)
    a = small.matrix(4)
    for f in (small.determinant(4), small.determinant_of_lists):
        np.testing.assert_allclose(dg.grad(f)(a), np.linalg.det(a) * np.linalg.inv(a).T, rtol=1e-10)


MODES = ("forward", "reverse")


@pytest.mark.long
@pytest.mark.parametrize("inner", MODES)
@pytest.mark.parametrize("outer", MODES)
def test_derivatives_inside_descents(outer, inner):
    miss, control = nested.particle(outer, inner)
    w = control(np.array([0.0]))
    np.testing.assert_allclose(w, 0.20719187, rtol=1e-6)  # GradBench's answer
    start = np.array([0.0, 8.0])
    along = partial(miss, start=start)
    np.testing.assert_allclose(
        nested.gradient(miss, outer)(w + 0.1, start), [directional(along, [w + 0.1], [np.ones(1)])], rtol=1e-6
    )
    x, y = nested.saddle(outer, inner)(np.array([1.0, 1.0]))
    np.testing.assert_allclose((x, y), np.zeros((2, 2)), atol=1e-4)
