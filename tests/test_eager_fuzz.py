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


# Arrays with two axes: every way of indexing, views of all kinds, swapped buffers, functions that write

BLOCKS = [
    lambda a: a.T, lambda a: a[::-1], lambda a: a[:, 1:], lambda a: a[1:, ::2], lambda a: np.rot90(a), np.fliplr,
    lambda a: np.hsplit(a, [1])[1], lambda a: np.swapaxes(a, 0, 1), lambda a: a[None][0],
    lambda a: np.atleast_3d(a)[..., 0],
    lambda a: a.view(), lambda a: np.moveaxis(a, 0, 1)[:, ::-1],
]  # fmt: skip
CHANGED = [
    lambda a, b: np.cos(a), lambda a, b: a * b[0, 0], lambda a, b: np.sum(b, axis=0)[:1] + a, lambda a, b: b[-1, -1],
    lambda a, b: np.roll(a, 1, axis=1), lambda a, b: np.tril(a) - 0.2, lambda a, b: np.cumsum(a, 1) * 0.3,
    lambda a, b: a[:1] * a, lambda a, b: 0.7, lambda a, b: np.mean(b) * np.flip(a), lambda a, b: a @ a.T @ a * 0.1,
]  # fmt: skip


def _write(rng, kind, a, b):
    """One statement that changes ``a``."""
    rows, columns = a.shape
    value = CHANGED[rng.integers(len(CHANGED))]
    i, j = rng.integers(rows, size=3), rng.integers(columns, size=3)
    mask = rng.random(a.shape) < 0.5
    if kind == 0:
        a[...] = value(a, b)
    elif kind == 1:
        a[mask] += b[0, 0]
    elif kind == 2:
        a[i, j] = np.sin(a[i, j] + b[0, -1] * np.arange(3.0))  # places may repeat: the last value stays
    elif kind == 3:
        a[i] -= 0.5 * a[i[::-1]]
    elif kind == 4:
        a[:, j[0]] = a[:, j[1]] * b[-1, 0]
    elif kind == 5:
        a[mask] = np.tanh(a[mask] * b[0, 0])
    elif kind == 6:
        np.copyto(a, value(a, b), where=mask)
    elif kind == 7:
        np.fill_diagonal(a, b[0, 0] * b[-1, -1])
    elif kind == 8:
        a.flat[int(i[0])] = b[0, 0] ** 2
    elif kind == 9:
        np.add.at(a, (i, j), b[0, 0] * 0.5)
    elif kind == 10:
        np.multiply(a, b[0, 0] + 0.5, out=a)
    else:
        a[int(i[0]), int(j[0])] += b[0, 0] * a[0, 0]


def blocks(seed):
    """``f(x)`` over arrays with two axes."""

    def f(x):
        rng = np.random.default_rng(seed)
        pool = [np.stack([x, x[::-1]]), np.outer(x, x[:3]), np.zeros((3, 4)), np.ones_like(x)[:4].reshape(2, 2)]
        for _ in range(10):
            p, q = rng.integers(len(pool), size=2)
            kind = rng.integers(14)
            if kind < 12:
                _write(rng, kind, pool[p], pool[q])
            elif kind == 12 and min(pool[p].shape) > 1:
                pool.append(BLOCKS[rng.integers(len(BLOCKS))](pool[p]))
            elif pool[p].shape == pool[q].shape:
                pool[p], pool[q] = pool[q], pool[p]
        total = 0.0
        for k, a in enumerate(pool):
            total = total + np.sum(np.sin(0.3 * a + k))
        return total

    return f


def run_copy(f, x):
    return f(x.copy())


def agree(f, x, seed):
    """All modes agree, with each other and with differences of the function itself."""
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
    np.testing.assert_allclose(dg.jacrev(dg.grad(f))(x) @ v, product, rtol=1e-8, atol=1e-9)


POINT = np.array([0.7, 0.2, 0.9, 0.4, 1.1])


@pytest.mark.parametrize("seed", range(150))
def test_random_programs(seed):
    agree(program(seed), POINT, seed)


@pytest.mark.parametrize("seed", range(100))
def test_random_programs_of_blocks(seed):
    agree(blocks(seed), POINT, seed)
