"""Kernels of whole arrays, slices and views; more entries of `kernels.CASES`."""

from __future__ import annotations

import math

import numpy as np
from kernels import SPD, A, X, Y, case, numbers
from numba import njit

M = numbers(3, 4, seed=20)
B = numbers(4, 3, seed=21)
V = numbers(4, seed=22)
W = numbers(4, 4, seed=23, low=-0.5, high=0.5)


# Views


@case(X)
@njit
def slices(x):
    y = x[1:-1]
    z = x[::-1]
    w = x[4:0:-2]
    u = x[:10]
    return y[0] * z[1] * w[-1] + u[5] * len(w) + x[-3:][0] * y[1:][0] + x[2:2].size + x[:-2][-1] + x[-20:][1]


@case(X, 1, 4)
@njit
def slices_at_run_time(x, i, j):
    s = 0.0
    for k in range(-8, 9):
        s += np.sum(x[k:j]) * (k + 20) + np.sum(x[i:k]) * k + np.sum(x[k::-1]) - np.sum(x[:k:-2]) * 0.3
    return s


@case(X)
@njit
def views_alias_their_base(x):
    y = x[1:5]
    y[0] = 3.0 * y[1]
    z = y[::-1]
    z[0] *= y[0]
    y[1:3] = 2.0
    x[3] = z[0] * x[1]
    return y[2] * z[1] * x[4] + y[3]


@case(M.copy())
@njit
def rows_and_columns(a):
    a[0] += a[1]
    a[:, 2] *= 2.0
    a[1, 1:] = a[2, :-1] * a[0, 1:]
    a[2] = 0.5
    a.T[3] -= a[:, 0]
    b = a[1:, ::2]
    b[0, 1] = b[1, 0] * 3.0
    return a


@case(numbers(2, 3, 4, seed=24))
@njit
def three_axes(a):
    b = a[:, 1]
    c = a[..., 2]
    d = a[1, ..., ::-1]
    b[0] = c[1, 0] * b[1]
    return np.sum(b * d[0]) + np.sum(a[0, :, None, 1] * c[:, 0]) + a.T[3, 2, 1]


@case(X)
@njit
def shifted_store(x):
    x[1:] = x[:-1] + 1.0
    x[:-1] = x[1:] * x[:-1]
    x[::2] = x[::-2]
    x[:] = x * x
    return x


@case(X, Y)
@njit
def names_of_arrays(x, y):
    z = x
    z += y
    w = u = x * y
    w -= 0.5
    z[1:] *= u[:-1]
    return np.sum(x) * np.sum(u)


@case(numbers(12, seed=25))
@njit
def reshaped(x):
    a = x[:6].reshape(2, 3)
    b = x[6:].reshape((3, -1))
    a[0] *= 2.0
    c = (a @ b).reshape(-1)
    return np.sum(c * c.ravel()[::-1]) + np.sum(x) + np.sum(np.ascontiguousarray(a.T).reshape(-1) * x[:6])


@case(M, V)
@njit
def new_axes(a, v):
    b = v[:, None] * v[None, :]
    c = a * v + a[:, :1] * v[np.newaxis]
    return b, np.sum(c, axis=0), np.expand_dims(v, 0) - c


# Expressions


@case(X, Y, 0.7)
@njit
def one_loop(a, b, c):
    return a + b * np.exp(-c * a) - np.sqrt(a / b) + 2 * a**2 - a**-1.5 + (-a) ** 3


@case(X, Y)
@njit
def choices(a, b):
    m = (a > b) | (a < 0.6)
    n = ~m & (b > 0.5)
    return (
        np.where(m, a * b, np.maximum(a, 0.9)) + np.where(n, 0.0, np.minimum(a, b)) * np.clip(a, 0.5, 1.2) + np.abs(-a)
    )


@case(M, V)
@njit
def reductions(a, v):
    s = np.sum(a) * np.mean(v) + a.sum() - v.mean() * np.prod(v) + v.prod()
    t = np.var(a) + v.std() + np.linalg.norm(v) * np.linalg.norm(a)
    u = np.max(a) * v.min() + a[1].max() - np.min(a * 2.0) + v[np.argmax(v)] * v.argmin() + a[0, a[1].argmax()]
    k = np.all(v > 0.0) + np.any(v > 1.5) + np.sum(v > 0.9)
    return s * t + u * k, np.sum(a * a, axis=0), a.sum(axis=1), np.sum(a, -1)


@case(M, B, V)
@njit
def products(a, b, v):
    c = a @ b
    return (
        np.trace(c) + v @ v,
        a @ v,
        b.T @ v,
        v @ b,
        np.dot(a, b @ a),
        np.outer(v, v[:2]),
        np.vdot(v, v) * np.dot(v, b[:, 0]),
    )


@case(X, Y, 1.2)
@njit
def joined(a, b, c):
    d = np.concatenate((a, b[1:3], a * c))
    e = np.stack((a, b))
    f = np.vstack((a, b * c))
    g = np.column_stack((a, b))
    return d, e * f, np.hstack((b, a)), g.T @ g, np.diff(d)


@case(V, 1.5, 4)
@njit
def grids(v, c, n):
    t = np.linspace(0.5, c, 5)
    k = np.arange(n)
    x = np.arange(1.0, 2.0, 0.3)
    d = np.diag(v) + np.eye(n) * c - np.identity(n)
    return (
        np.sum(t * t) * np.sum(x),
        d @ (k * v),
        np.diag(d),
        np.cumsum(t * c),
        np.cumprod(v),
        np.tril(d + c) @ v + np.triu(d)[0],
    )


@case(V)
@njit
def copies(v):
    a, b, c = v.copy(), np.copy(v[1:]), v.flatten()
    a[0] = 2.0 * v[1]
    b[0] = v[0]
    c += a
    z, o = np.zeros_like(v), np.ones_like(a)
    z[1:] += b * o[:-1]
    w = np.full_like(v, 3.0) * np.full(4, v[2])
    w.fill(2.0)
    return a, b * v[0], c, z * w * np.roll(v, 1) + v.T


@case(np.array([3, 1, 2, 0]), V, np.array([True, False, True, True]), smooth=False)
@njit
def other_dtypes(k, v, m):
    n = k * 2 + 1
    p = n // 3 + k % 2
    f = v * k + m * v
    return n, p, f, np.sum(k), np.mean(k), k / 2, m & (v > 0.7), np.where(m, k, 0), k**2, np.max(k), np.cumsum(m)


@case(V.astype(np.float32), np.float32(0.5), smooth=False)
@njit
def single_arrays(v, c):
    a = v * c + v * 2, v * 2.0, np.exp(v), v @ v, np.sum(v), np.mean(v), v**2, np.std(v), v > c
    b = np.where(v > c, v, v * c), np.outer(v, v), np.cumsum(v), np.linalg.norm(v), np.maximum(v, 0)
    return a, b, np.clip(v, 0.0, 1.0)


# Linear algebra


@case(SPD, V, B)
@njit
def solved(a, v, b):
    x = np.linalg.solve(a, v)
    y = np.linalg.solve(a, b)
    return x, y, np.linalg.inv(a), np.linalg.det(a), np.linalg.cholesky(a)


@case(A.copy(), 0.1)
@njit
def determinant(a, c):
    a[0] = a[1] * (1.0 + c) + a[2, ::-1]
    return np.linalg.det(a) + np.linalg.det(a[:2, 1:3]) * np.linalg.det(a[1:, 1:])


@case(SPD, V)
@njit
def gaussian_density(cov, x):
    low = np.linalg.cholesky(cov)
    z = np.linalg.solve(low, x)
    return -0.5 * np.sum(z**2) - np.sum(np.log(np.diag(low))) - 0.5 * len(x) * np.log(2 * np.pi)


@case(numbers(5, seed=26))
@njit
def order_statistics(x):
    y = np.sort(x)
    return y * np.arange(5.0), np.median(x) * np.interp(0.9, y, x)


# Time loops


@case(X, 0.1, 4)
@njit
def heat_by_slices(u, c, steps):
    for _ in range(steps):
        u[1:-1] += c * (u[2:] - 2.0 * u[1:-1].copy() + u[:-2])
    return u


@case(X, 0.1, 4)
@njit
def heat_by_new_arrays(u, c, steps):
    for _ in range(steps):
        new = u.copy()
        new[1:-1] = u[1:-1] + c * (u[2:] - 2.0 * u[1:-1] + u[:-2])
        u = new
    return u


@njit
def growth(z, r):
    return np.array([r[0] * z[0] - r[1] * z[0] * z[1], r[2] * z[0] * z[1] - r[3] * z[1]])


@case(np.array([1.2, 0.8]), numbers(4, seed=27), 0.1, 5)
@njit
def lotka_volterra(z, r, dt, steps):
    for _ in range(steps):
        k1 = growth(z, r)
        k2 = growth(z + dt / 2 * k1, r)
        k3 = growth(z + dt / 2 * k2, r)
        k4 = growth(z + dt * k3, r)
        z = z + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return z


@case(W, numbers(4, 2, seed=28), numbers(3, 2, seed=29))
@njit
def recurrent(w, v, inputs):
    h = np.zeros(4)
    loss = 0.0
    for t in range(inputs.shape[0]):
        h = np.tanh(w @ h + v @ inputs[t])
        loss += np.sum(h**2)
    return loss, h


@case(X, Y, 3)
@njit
def swapped_buffers(a, b, n):
    u, w = a.copy(), b.copy()
    for k in range(n):
        for i in range(1, len(u)):
            w[i] = u[i - 1] * u[i] + 0.1 * k
        u, w = w, u
    return u[2] * w[3] + np.sum(u)


@case(X, 3)
@njit
def previous(x, n):
    old = x * 0.5
    older = old
    s = 0.0
    for _ in range(n):
        older = old
        old = x
        x = np.sin(x) * old + 0.1
        s += np.sum(old * older)
    return s, x, old * older


@case(X, 0.9)
@njit
def array_of_a_branch(x, c):
    y = x
    if c > 0.5:
        y = x * c
    else:
        y = x[::-1] + c
    z = y * 2.0 if c < 2.0 else y - 1.0
    if x[0] < c:
        return y * z
    return z


@case(numbers(2, seed=30), 1e-9)
@njit
def newton_system(x, tolerance):
    for _ in range(30):
        f = np.array([x[0] ** 2 + x[1] - 2.0, x[0] - x[1] ** 3])
        j = np.array([[2.0 * x[0], 1.0], [1.0, -3.0 * x[1] ** 2]])
        step = np.linalg.solve(j, f)
        x = x - step
        if np.max(np.abs(step)) < tolerance:
            break
    return x


@case(W)
@njit
def matrix_exponential(a):
    term = np.eye(4)
    total = np.eye(4)
    for k in range(1, 8):
        term = term @ a / k
        total = total + term
    return total


# Whole algorithms


@case(numbers(3, 4, seed=31), numbers(3, seed=32), numbers(3, seed=33), numbers(5, 4, seed=34), numbers(5, seed=35))
@njit
def neural_net(w1, b1, w2, inputs, targets):
    loss = 0.0
    for x, t in zip(inputs, targets):
        h = np.tanh(w1 @ x + b1)
        loss += (w2 @ h - t) ** 2
    return loss / len(targets)


@case(numbers(5, 2, seed=36), numbers(3, 2, seed=37))
@njit
def k_means_distance(points, centers):
    d = np.sum((points[:, None, :] - centers[None, :, :]) ** 2, axis=2)
    total = 0.0
    for row in d:
        total += np.min(row)
    return total, d


@case(0.3, 1.7)
@njit
def gauss_quadrature(a, b):
    nodes = np.array([-0.7745966692414834, 0.0, 0.7745966692414834])
    weights = np.array([5.0, 8.0, 5.0]) / 9.0
    x = 0.5 * (b - a) * nodes + 0.5 * (a + b)
    return 0.5 * (b - a) * np.sum(weights * np.exp(-x * x) * np.sin(x))


@case(numbers(5, seed=38), numbers(6, seed=39, low=2.5, high=3.5), numbers(5, seed=40), X)
@njit
def tridiagonal(lower, main, upper, right):
    n = len(main)
    c, d = np.zeros(n), right.copy()
    b = main[0]
    d[0] /= b
    for i in range(1, n):
        c[i - 1] = upper[i - 1] / b
        b = main[i] - lower[i - 1] * c[i - 1]
        d[i] = (d[i] - lower[i - 1] * d[i - 1]) / b
    for i in range(n - 2, -1, -1):
        d[i] -= c[i] * d[i + 1]
    return d


@case(numbers(2, seed=41), np.eye(2) + 0.1, numbers(2, 2, seed=42), numbers(3, 1, seed=43), 0.3)
@njit
def kalman(x, p, f, measured, noise):
    h = np.array([[1.0, 0.5]])
    loss = 0.0
    for z in measured:
        x = f @ x
        p = f @ p @ f.T + 0.1 * np.eye(2)
        y = z - h @ x
        s = h @ p @ h.T + noise
        k = p @ h.T @ np.linalg.inv(s)
        x = x + k @ y
        p = (np.eye(2) - k @ h) @ p
        loss += y @ np.linalg.solve(s, y) + np.log(np.linalg.det(s))
    return loss, x


@case(numbers(3, 2, seed=44), numbers(3, 2, seed=45), numbers(3, seed=46), 0.05, 3)
@njit
def n_body_by_rows(q, v, m, dt, steps):
    n = len(m)
    for _ in range(steps):
        force = np.zeros_like(q)
        for i in range(n):
            for j in range(n):
                if i != j:
                    d = q[j] - q[i]
                    force[i] += m[j] * d / (0.1 + d @ d) ** 1.5
        v += dt * force
        q += dt * v
    return q, 0.5 * np.sum(m * np.sum(v * v, axis=1))


@njit
def logistic(z):
    return 1.0 / (1.0 + np.exp(-z))


@case(numbers(8, 4, seed=47, low=-0.5, high=0.5), numbers(3, 2, seed=48))
@njit
def lstm_of_arrays(w, inputs):
    n = w.shape[0] // 4
    h, c = np.zeros(n), np.zeros(n)
    for x in inputs:
        z = w @ np.concatenate((x, h))
        c = logistic(z[:n]) * c + logistic(z[n : 2 * n]) * np.tanh(z[2 * n : 3 * n])
        h = logistic(z[3 * n :]) * np.tanh(c)
    return np.sum(h * c), h


@case(numbers(2, seed=49), numbers(2, 3, seed=50), numbers(2, 3, 3, seed=51), numbers(4, 3, seed=52))
@njit
def mixture(logits, means, factors, points):
    total = 0.0
    for x in points:
        terms = np.zeros(len(logits))
        for k in range(len(logits)):
            z = factors[k] @ (x - means[k])
            terms[k] = logits[k] - 0.5 * (z @ z) + np.sum(np.log(np.diag(factors[k])))
        top = np.max(terms)
        total += top + np.log(np.sum(np.exp(terms - top)))
    return total


@case(M, numbers(3, seed=53), 0.1, 4)
@njit
def gradient_descent(a, b, rate, steps):
    x = np.zeros(a.shape[1])
    for _ in range(steps):
        x -= rate * (a.T @ (a @ x - b))
    r = a @ x - b
    return 0.5 * r @ r


@case(SPD, V, 3)
@njit
def conjugate_gradients(a, b, steps):
    x = np.zeros_like(b)
    r = b.copy()
    p = r
    rs = r @ r
    for _ in range(steps):
        ap = a @ p
        alpha = rs / (p @ ap)
        x = x + alpha * p
        r = r - alpha * ap
        new = r @ r
        p = r + (new / rs) * p
        rs = new
    return x


@case(numbers(3, 4, seed=54))
@njit
def softmax_rows(z):
    e = np.exp(z - np.max(z))
    p = e / np.sum(e, axis=1).reshape(-1, 1)
    return -np.sum(p * np.log(p), axis=1)


@case(numbers(4, 4, seed=55), 0.2, 2)
@njit
def reaction_diffusion(u, d, steps):
    for _ in range(steps):
        lap = np.zeros_like(u)
        lap[1:-1, 1:-1] = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4.0 * u[1:-1, 1:-1]
        u = u + d * lap + 0.1 * u * (1.0 - u)
    return u


@case(numbers(6, seed=56))
@njit
def polynomial_fit(y):
    t = np.linspace(0.0, 1.0, 6)
    design = np.stack((np.ones(6), t, t**2), axis=1)
    c = np.linalg.solve(design.T @ design, design.T @ y)
    residual = y - design @ c
    return c, np.sqrt(np.sum(residual**2))


@case(0.7, 0.4, 5)
@njit
def random_walk_price(s, vol, n):
    z = np.sin(np.arange(1, n + 1) * 1.7)
    path = s * np.exp(np.cumsum(vol * z - 0.5 * vol * vol))
    return np.mean(np.maximum(path - 0.5, 0.0)), math.sqrt(path.var())
