"""Random programs over real and complex numbers: all modes agree with each other and with differences."""

import numpy as np
import pytest

import dualgrad as dg

A = np.array([[1.0, 2.0, 0.0], [1.0, 1.0, 1.0], [0.5, 0.0, -1.0]])
C = A + 1j * A.T
MASK = np.array([True, False, True])


def written(a, b):
    y = np.zeros_like(a, dtype=complex)
    y[:] = a
    y[1] = b[0]
    y.real[2] = np.real(b[1])
    return y * a


def imaginary_part_written(a, b):
    y = a * (1 + 0j)
    y.imag = np.real(b)
    y.imag[0] *= 2
    return y + b


def written_through_a_view(a, b):
    y = a * (1 + 0j)
    v = y[1:]
    v *= b[1:]
    y += 1j * a
    return y


def real_buffer(a, b):
    y = np.zeros_like(a, dtype=float)
    y[0] = np.real(a[0])
    y[1:] += np.imag(b[1:] * 1j)
    return y


UNARY = [
    np.sin, lambda v: np.exp(0.3 * v), np.conj, np.real, np.imag, np.abs, lambda v: np.abs(v) ** 2,
    lambda v: np.angle(v + 3), lambda v: v**2, lambda v: (v + 3) ** 1.5, lambda v: (v + 3) ** (1 + 0.5j), lambda v: -v,
    lambda v: v[::-1], np.cumsum, np.fft.fft, np.fft.ifft, lambda v: np.fft.irfft(v, 3), lambda v: np.fft.hfft(v, 3),
    lambda v: np.fft.rfft(np.real(v), 4), lambda v: v * (1 + 2j), lambda v: (2 - 1j) / (v + 3), lambda v: v + 1j,
    lambda v: v.astype(complex), lambda v: np.outer(v, v)[1], lambda v: C @ v, lambda v: A @ v,
    lambda v: v * np.sum(v), lambda v: np.where(np.real(v) > 0, v, 1.0), lambda v: v * np.vdot(v, v),
    lambda v: v * np.std(v + np.arange(3)), lambda v: np.roll(v, 1), lambda v: v[[0, 2, 2]],
    lambda v: np.stack([v[0], v[1] * 1j, v[2]]), lambda v: v * np.sign(v + 0.1j),
]  # fmt: skip
BINARY = [
    lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / (b + 4),
    lambda a, b: np.concatenate([a[:1], b[1:]]), lambda a, b: np.where(MASK, a, b),
    lambda a, b: np.real(a) + 1j * np.real(b), lambda a, b: np.sum(a.reshape(3, 1) * b, 0),
    written, imaginary_part_written, written_through_a_view, real_buffer,
]  # fmt: skip


def program(rng):
    """A function of three numbers: each step is applied to results of earlier ones."""
    steps = []
    for k in range(1, int(rng.integers(4, 10))):
        table = UNARY if rng.random() < 0.55 else BINARY
        steps.append((table[rng.integers(len(table))], rng.integers(k, size=1 if table is UNARY else 2)))

    def f(x):
        found = [x]
        for step, sources in steps:
            found.append(step(*(found[i] for i in sources)))
        return found[-1] * found[len(found) // 2]

    return f


def direction(rng, complex):
    v = rng.normal(size=3)
    return v + 1j * rng.normal(size=3) if complex else v


def inner(a, b):
    return np.sum(np.conj(a) * b).real


def close(a, b, tolerance):
    assert np.max(np.abs(np.asarray(a) - b)) <= tolerance * max(1.0, np.max(np.abs(b)))


@pytest.mark.parametrize("seed", range(150))
def test_all_modes_agree(seed):
    rng = np.random.default_rng(seed)
    complex = bool(seed % 2)
    f = program(rng)
    x, u, v = (direction(rng, complex) for _ in range(3))
    with np.errstate(all="ignore"):
        y = f(x)
    if not (np.all(np.isfinite(y)) and np.max(np.abs(y)) < 1e5):
        pytest.skip("the values are out of bounds")
    value, dot = dg.jvp(f, (x,), (v,))
    close(value, y, 1e-12)
    assert dot.dtype == y.dtype
    h = 1e-6
    close(dot, (f(x + h * v) - f(x - h * v)) / (2 * h), 1e-4)

    w = direction(rng, np.iscomplexobj(y))
    (ct,) = dg.vjp(f, x)[1](w)
    assert ct.dtype == x.dtype
    close(inner(ct, v), inner(w, dot), 1e-9)
    lin = dg.linearize(f, x)[1]
    close(lin(v), dot, 1e-10)
    series = dg.jet(f, (x,), ([v, 0 * v],))[1]
    close(series[0], dot, 1e-10)

    def slope(g, d):
        return lambda z: dg.jvp(g, (z,), (d,))[1]

    def scalar(z):
        return np.sum(np.conj(w) * f(z)).real

    close(2 * series[1], slope(slope(f, v), v)(x), 1e-8)
    reference = slope(slope(scalar, v), u)(x)
    close(inner(slope(dg.grad(scalar), u)(x), v), reference, 1e-7)
    close(inner(dg.grad(slope(scalar, v))(x), u), reference, 1e-7)
    close(inner(dg.grad(lambda z: np.sum(np.conj(v) * dg.grad(scalar)(z)).real)(x), u), reference, 1e-7)
    if not complex:
        close(dg.jacrev(f)(x), dg.jacfwd(f)(x), 1e-9)
