"""Random programs of views, writes and reads: every mode agrees with differences of the program as it stands."""

import numpy as np
import pytest

import dualgrad as dg

VIEWS = [
    lambda a: a[1:], lambda a: a[::-1], lambda a: a[:-1], lambda a: a[::2], lambda a: a, lambda a: a[1:-1],
    lambda a: a.reshape(-1), lambda a: a[None, :].T[:, 0], lambda a: a.reshape(1, -1)[0],
]  # fmt: skip
VALUES = [
    lambda a, b: np.sin(a), lambda a, b: a * b[0], lambda a, b: b.sum() * a, lambda a, b: a[::-1] * 0.5 + b[-1],
    lambda a, b: np.ones(len(a)), lambda a, b: a * a, lambda a, b: 0.3, lambda a, b: b[0] * b[-1], lambda a, b: a,
    lambda a, b: np.concatenate([a[:1], a[1:] * b[0]]), lambda a, b: np.where(a > 0.5, a, b[0]),
]  # fmt: skip


def program(seed):
    """``f(x)`` that makes buffers, views of views, and writes into them."""

    def f(x):
        rng = np.random.default_rng(seed)
        pool = [x, x * 1.0, np.zeros(5), np.zeros_like(x)]
        for _ in range(12):
            a, b = pool[rng.integers(len(pool))], pool[rng.integers(len(pool))]
            kind = rng.integers(7)
            if kind == 0 and len(a) > 2:
                pool.append(VIEWS[rng.integers(len(VIEWS))](a))
            elif kind == 1:
                a[...] = VALUES[rng.integers(len(VALUES))](a, b)
            elif kind == 2:
                a += VALUES[rng.integers(len(VALUES))](a, b)
            elif kind == 3:
                a *= np.cos(b[0])
            elif kind == 4:
                i = int(rng.integers(len(a)))
                a[i] = np.tanh(b[i % len(b)] * a[0])
            elif kind == 5:
                a[int(rng.integers(len(a))) :] += b[0]
            else:
                pool.append(VALUES[rng.choice([0, 1, 2, 5, 9])](a, b))
        total = 0.0
        for k, a in enumerate(pool):
            total = total + np.sum(np.sin(a + k))
        return total

    return f


def run_copy(f, x):
    return f(x.copy())


@pytest.mark.parametrize("seed", range(150))
def test_random_programs(seed, request):
    f, x = program(seed), np.array([0.7, 0.2, 0.9, 0.4, 1.1])
    rng = np.random.default_rng(seed)
    u, v = rng.normal(size=5), rng.normal(size=5)
    h = 1e-4
    d = [run_copy(f, x + k * h * v) for k in (-2, -1, 1, 2)]
    expected = (d[0] - 8 * d[1] + 8 * d[2] - d[3]) / (12 * h)
    before = x.copy()
    value, slope = dg.jvp(f, (x,), (v,))
    assert np.array_equal(x, before)
    np.testing.assert_allclose(value, run_copy(f, x), rtol=1e-12)
    if abs(d[3] - d[0]) < 1e-2:  # else too steep for differences
        np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-6)
    gradient = dg.grad(f)(x)
    np.testing.assert_allclose(gradient @ v, slope, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(dg.jacfwd(f)(x), gradient, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(dg.linearize(f, x)[1](v), slope, rtol=1e-9, atol=1e-11)
    series = dg.jet(f, (x,), ([v, 0 * v],))[1]
    np.testing.assert_allclose(series[0], slope, rtol=1e-9, atol=1e-11)
    curvature = dg.jvp(lambda x: dg.jvp(f, (x,), (v,))[1], (x,), (v,))[1]
    np.testing.assert_allclose(2 * series[1], curvature, rtol=1e-8, atol=1e-9)
    product = dg.hvp(f, (x,), (v,))
    np.testing.assert_allclose(product @ v, curvature, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(dg.grad(lambda x: dg.jvp(f, (x,), (v,))[1])(x), product, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(dg.grad(lambda x: np.sum(dg.grad(f)(x) * v))(x), product, rtol=1e-8, atol=1e-9)
    along = dg.grad(lambda x: dg.jet(f, (x,), ([v],))[1][0])(x)
    np.testing.assert_allclose(along @ u, product @ u, rtol=1e-8, atol=1e-9)
