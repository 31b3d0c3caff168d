"""Kernels as data: name, function, example arguments.  Every law about kernels runs over them.

Arguments are copied before each use (`arguments`); a kernel without result is judged by the
arrays it writes.  ``SMOOTH`` marks those whose derivatives exist in a neighbourhood of the
example (there are few others).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

SCALE = 1.5
STEPS = 4
GAINS = (0.5, 2.0)
VERBOSE = False


class Case(NamedTuple):
    """One kernel with example arguments."""

    name: str
    f: Any
    args: tuple[Any, ...]
    smooth: bool = True


CASES: list[Case] = []


def case(*args, smooth=True):
    """Enter an ``@njit`` function into the list."""

    def enter(f):
        CASES.append(Case(f.__name__, f, args, smooth))
        return f

    return enter


def arguments(case):
    """Fresh copies of the example; an array that is given twice stays one array."""
    copies = {}

    def copy(a):
        if isinstance(a, tuple):
            return tuple(map(copy, a))
        return copies.setdefault(id(a), a.copy()) if isinstance(a, np.ndarray) else a

    return tuple(map(copy, case.args))


def numbers(*shape, seed=0, low=0.4, high=1.6):
    return np.random.default_rng(seed).uniform(low, high, shape)


X = numbers(6)
Y = numbers(6, seed=1)
A = numbers(4, 4, seed=2)
SPD = A @ A.T + 4 * np.eye(4)


# Straight lines


@case(0.7)
@njit
def polynomial(x):
    y = x * x
    y = y * x + 3
    return 2.0 * y - x / 4


@case(0.7, 1.3)
@njit
def elementary(x, y):
    a = math.exp(x) + np.log(y) + math.sqrt(x * y) + np.sin(x) * math.cos(y) - np.tan(x)
    b = np.tanh(x) + np.expm1(y) + np.log1p(x) + np.arctan2(x, y) + math.atan2(y, x) + math.erf(x)
    return a * b + abs(-x) + np.square(y) + np.reciprocal(x) + math.fabs(y)


@case(1.3, 3)
@njit
def powers(x, n):
    return x**2 + x**-1 + x**0.5 + x**n + 2.0**x + n**2 * x + pow(x, 3) + math.pow(x, 1.5) + x ** (n - 1)


@case(0.7, 2)
@njit
def powers_at_zero(x, n):
    z = (x - 0.7) * x
    return z**n + x * z ** (n + 1) + x * z ** (n - 1) + z ** (n - 2) * x + z**2 + z ** (0.5 * n)


@case(1.2, 7, 3)
@njit
def integers(x, n, m):
    q, r = n // m, n % m
    return x * q + r * x * x + x * (n / m) + x * abs(m - n) + min(n, m) * x + float(n) + x * int(3.7) - x * (-n // 2)


@case(1.2, 0.7)
@njit
def swapped_scalars(a, b):
    a, b = b, a * b
    a, b = b, a
    c = d = a / b
    d += a
    return c * d


@case(X, Y, 3)
@njit
def swapped_arrays(a, b, n):
    for t in range(n):
        for i in range(len(a)):
            b[i] = math.sin(a[i]) + a[i] * a[(i + 1) % len(a)] + 0.1 * t * b[i]
        a, b = b, a
    s = 0.0
    for i in range(len(a)):
        s += a[i] * a[i] + b[i]
    return s


@case(X, 5)
@njit
def rotated_buffers(x, n):
    """Three names in turn, by a while loop; what the first buffer was called is still read."""
    a, b, c = np.zeros(3), np.ones(3), x.copy()
    first = a
    k = 0
    while k < n:
        for i in range(3):
            a[i] = 0.5 * math.sin(b[i]) * c[i]
        a, b, c = b, c, a
        k += 1
    return a[0] * b[1] + c[2] * first[0], b


@case(X, Y, 2)
@njit
def swapped_in_nested_loops(x, y, n):
    u, v = x, y
    for i in range(n):
        u, v = v, u
        for j in range(i + 1):
            u[j] = v[j] * v[1] + math.cos(u[j])
            u, v = v, u
        v[2] *= u[0]


@case(2.2, 0.7)
@njit
def mod_and_rounding(x, y):
    return x % y + math.floor(x) * y + round(x) * y + np.floor(y) * x + np.ceil(x) + np.sign(-x) * y


@case(1.1, (0.3, 0.4), (X, 2.0))
@njit
def tuples(s, p, q):
    a, b = p
    x, c = q
    t = (a * s, b)
    t = (t[1], t[0] * c)
    return t[0] + t[1] * x[0] * GAINS[1], t


@case(X)
@njit
def defaults_and_constants(x, scale=2.0, power=2):
    s = 0.0
    for k in range(STEPS):
        s += SCALE * x[k] ** power * scale + np.pi * GAINS[0]
    if VERBOSE:
        s = 0.0
    return s


# Loops


@case(X, Y)
@njit
def dot(x, y):
    s = 0
    for i in range(len(x)):
        s += x[i] * y[i]
    return s


@case(X)
@njit
def norm(x):
    s = 0.0
    for v in x:
        s += v * v
    return math.sqrt(s)


@case(numbers(7, seed=3))
@njit
def rosenbrock(x):
    total = 0.0
    for i in range(x.shape[0] - 1):
        total += 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return total


@case(numbers(5, seed=4), 0.8)
@njit
def horner(c, x):
    y = 0.0
    for k in range(c.size - 1, -1, -1):
        y = y * x + c[k]
    return y


@case(0.3, 3.1, 9)
@njit
def logistic_map(x, r, n):
    for _ in range(n):
        x = r * x * (1 - x)
    return x


@case(X, Y)
@njit
def enumerate_and_zip(x, y):
    s = 0.0
    for i, v in enumerate(x):
        s += i * v
    for a, (k, b) in zip(x, enumerate(y, 2)):
        s += a * b * k
    for k, a in zip(range(1, 9, 2), x):
        s += k * a * a
    return s


@case(X)
@njit
def running_max(x):
    best, where = x[0], 0
    for i in range(1, len(x)):
        if x[i] > best:
            best, where = x[i], i
    return best * x[where - 1]


@case(numbers(3, 4, seed=5), numbers(4, 2, seed=6))
@njit
def matmul(a, b):
    n, m = a.shape
    p = b.shape[1]
    c = np.zeros((n, p))
    for i in range(n):
        for j in range(p):
            for k in range(m):
                c[i, j] += a[i, k] * b[k, j]
    return c


@case(SPD, X[:4].copy())
@njit
def triangular_solve(a, b):
    n = len(b)
    x = b.copy()
    for i in range(n):
        for j in range(i):
            x[i] -= a[i, j] * x[j]
        x[i] /= a[i, i]
    return x


@case(SPD)
@njit
def cholesky(a):
    n = a.shape[0]
    for j in range(n):
        for k in range(j):
            a[j, j] -= a[j, k] * a[j, k]
        a[j, j] = math.sqrt(a[j, j])
        for i in range(j + 1, n):
            for k in range(j):
                a[i, j] -= a[i, k] * a[j, k]
            a[i, j] /= a[j, j]
        for i in range(j):
            a[i, j] = 0.0


@case(X, 3)
@njit
def stencil_in_place(u, steps):
    n = len(u)
    for _ in range(steps):
        for i in range(1, n - 1):
            u[i] = 0.25 * u[i - 1] + 0.5 * u[i] + 0.25 * u[i + 1]


@case(X)
@njit
def ragged(x):
    s = 0.0
    for i in range(len(x)):
        for j in range(i, min(i + 2, len(x))):
            s += x[i] * x[j] * (j - i + 1)
    return s


@case(X, Y)
@njit
def read_after_overwrite(x, y):
    s = 0.0
    for i in range(len(x)):
        s += x[i] * y[i]
        x[i] = x[i] * s
        y[i] += x[i] * x[i]
    return s * x[0] + y[-1]


@case(X)
@njit
def negative_indices(x):
    s = x[-1] * x[-2]
    for i in range(1, 4):
        s += x[-i] * x[i - 3] * i
    for i in range(len(x) - 1, 0, -2):
        s *= x[i]
    return s


@case(X)
@njit
def index_after_loop(x):
    for i in range(4):
        x[i] *= 2
    s = x[i]
    for i in range(2, 5):
        s += x[i]
    return s * x[i] * i


@case(X)
@njit
def bound_in_one_branch(x):
    s = 0.0
    for i in range(len(x)):
        if i % 2 == 0:
            t = x[i]
        s += t * t * i
    return s


@case(X)
@njit
def becomes_float(x):
    count = 0
    last = 1
    for i in range(len(x)):
        for j in range(2):
            if x[i] > 1:
                last = x[i] * (j + 1)
            count += last
    return count * last


# Branches and jumps


@case(0.7, 1.2)
@njit
def branch(x, y):
    if x > y:
        z = x * x
    elif x < 0.5 * y:
        z = 0
    else:
        z = x * y + 1
    return z * y


@case(X, 1.1)
@njit
def branches_in_loops(x, c):
    s = 0.0
    for i in range(len(x)):
        if 0.5 < x[i] <= c and not (i > 2 and i < 4):
            s += math.log(x[i])
        elif x[i] > c or i == 3:
            s -= x[i] ** 2
    return s


@case(X, 1.0)
@njit
def conditional_expressions(x, c):
    s = 0.0
    for i in range(len(x)):
        s += math.sqrt(x[i] - c) if x[i] > c else x[i] * c
        m = i if i < 3 else 3
        s += x[m] * (1 if c > 2 else c)
    return s


@case(X, 0.9)
@njit
def short_circuit(x, c):
    i, n = 0, len(x)
    while i < n and x[i] > 0.5:
        i += 1
    k = n
    ok = k >= n or x[k] > c
    return x[i - 1] * c if ok else c * c


@case(X, 1.4)
@njit
def break_out(x, limit):
    s = 0.0
    for i in range(len(x)):
        if s > limit:
            break
        s += x[i] * x[i]
        x[i] = s
    return s * x[i]


@case(X)
@njit
def break_and_continue(x):
    s = 1.0
    for v in x:
        if v < 0.8:
            continue
        s *= v
        if s > 2.0:
            s += v
            break
    else:
        s = 0.0
    while True:
        s = s / 2
        if s < 0.1:
            break
        elif s > 0.2:
            continue
        s -= 0.01
    return s


@case(X, 1.0)
@njit
def early_return(x, c):
    if c < 0:
        return 0
    for i in range(len(x)):
        for j in range(i):
            if x[i] * x[j] > c:
                return x[i] * x[j] * i
    return c


@case(X, 0.2)
@njit
def early_return_with_stores(x, c):
    for i in range(len(x)):
        x[i] = x[i] * x[i]
        if x[i] < c:
            return
        x[i] = x[i] + c


@case(X, 1e-8)
@njit
def array_returned_early(x, tolerance):
    y = np.zeros(len(x))
    for _ in range(50):
        change = 0.0
        for i in range(len(x)):
            new = math.cos(y[i]) * x[i]
            change = max(change, abs(new - y[i]))
            y[i] = new
        if change < tolerance:
            return y, change
    return y, 0


@case(2.0)
@njit
def newton(a):
    x = a
    while abs(x * x - a) > 1e-12:
        x = 0.5 * (x + a / x)
    return x


@case(X, 3.0)
@njit
def while_with_stores(x, limit):
    p, s = 0, 0.0
    while s < limit:
        x[p] = x[p] * x[p] + 0.1 * s
        s += x[p]
        p += 1
        if p == len(x):
            p = 0
    return s


@case(X, 2)
@njit
def counter_by_hand(x, stride):
    s, p, q = 0.0, 0, len(x) - 1
    while p < q:
        s += x[p] * x[q] ** 2
        x[p] = s
        p += stride
        q -= 1
    return s * x[0]


@case(0.9, 2.5)
@njit
def nested_whiles(x, limit):
    n, y = 0, x
    while y < limit:
        z = y
        while z < limit:
            z = z * 1.3 + 0.1 * x
            n += 1
        y += z * 0.3
    return y * z + n


@case(X, X)
@njit
def same_array_twice(x, y):
    for i in range(len(x)):
        x[i] = x[i] * y[i]
    return x[0] * y[1]


# Buffers


@case(X, 3)
@njit
def buffers_in_loops(x, n):
    s = 0.0
    for k in range(n):
        w = np.zeros(len(x))
        for i in range(len(x)):
            w[i] = x[i] * x[i - k]
        for i in range(len(x)):
            s += w[i] * w[-1 - i]
    return s


@case(X)
@njit
def kinds_of_buffers(x):
    a, b = np.ones_like(x), np.empty(x.shape)
    c = np.full((2, 3), x[0])
    d = np.array([x[1], x[2] * 2, 3])
    e = np.zeros(3, dtype=np.int64)
    e[0] = x.ndim
    e[1] += 2
    for i in range(x.size):
        b[i] = a[i] * x[i] + c[i % 2, i % 3] * d[e[1]] * e[0]
    return b


@case(numbers(3, 4, seed=7))
@njit
def rows(a):
    s = 0.0
    for row in a:
        for v in row:
            s += v * v
    last = a[-1]
    for j in range(len(last)):
        last[j] = a[0][j] * s
        a[1][j] += last[j]
    return s


@case(X, 0.3)
@njit
def copies_of_constants(x, c):
    """Copies become active where the copied array never does, and in a branch, a loop and the outermost block."""
    w = np.ones(3)
    s = 0.0
    for i in range(3):
        u = w.copy()
        u[0] += x[i]
        s += u[0] * u[0]
    w[1] = 3.0
    v = w.copy()
    v[2] = c
    return s * v[1] * v[2]


@case(0.3, X)
@njit
def copied_in_a_branch(c, x):
    out = np.zeros(3)
    if c < 0.1:
        return out, x
    more = x.copy()
    for k in range(4):
        out[k - 1] = c * more[k]
    more[1] += out[-1]
    return out, x


@case(X)
@njit
def copied_in_vain(x):
    w = x.copy()
    w[0] = 2.0
    return x


@case(X, 0.8)
@njit
def buffer_in_a_branch(x, c):
    if c > 0.5:
        w = np.zeros((4, 3))
        for v in x:
            w[1][-3] += v * v * c
        return w[-3, 0]
    return c


@case(X, numbers(3, seed=13))
@njit
def skipped_turns(x, y):
    """The turns that leave something behind begin late: a tape grows by more than twice its size."""
    for i in range(12):
        k = 0
        while k < 5:
            k += 1
            if i < 11:
                continue
            x[k] /= y[1] + x[k]
    return x[1] * x[2]


# Calls


@njit
def softplus(x, sharp=1.0):
    if x > 30:
        return x
    return math.log1p(math.exp(sharp * x)) / sharp


@njit
def smooth(u, c):
    u[0] = u[0] * c
    for i in range(1, len(u)):
        u[i] = c * u[i] + (1 - c) * u[i - 1]
    return u[-1]


@njit
def sum_and_product(x, y):
    return x + y, x * y


@njit
def made(n, x):
    w = np.empty(n)
    for i in range(n):
        w[i] = x * (i + 1)
    return w


@case(X, 0.7)
@njit
def calls(x, c):
    s = softplus(c) + softplus(x[0], sharp=c)
    for _ in range(2):
        s += smooth(x, c)
    a, b = sum_and_product(s, c)
    w = made(3, a)
    return w[2] * b + sum_and_product(w[0], b)[1]


@case(X, 0.4, 1.2)
@njit
def nothing_returned_of_much(y, c, d):
    """Tapes that grow side by side, of which one is active."""
    w = np.zeros(3)
    for _ in range(0, -1, -1):
        for _ in range(len(y)):
            d *= math.cos(w[1])
            t = np.tanh(abs(c + 1.6))  # noqa: F841
    return 0.5


@case(X, 0.4, 1.2)
@njit
def zero_in_disguise(x, c, d):
    """A carried value that is active for all one can see and whose tangent is never written."""
    s, t = 0.0, 1.0
    for i in range(len(x)):
        s = 0.5 * s * c + d**0
        t = t * s + x[i]
        if i > 2:
            s = s + c**0
    return t * s


@case(X, 0.9)
@njit
def calls_in_a_condition(x, c):
    """The test of a loop writes what its body reads."""
    s, n = 0.0, 0
    while smooth(x, c) > 0.2 and n < 3 or smooth(x, 0.5) < -1:
        s += x[0] * c
        n += 1
        if n == 2:
            continue
        s *= x[2]
    return s + x[1]


@case(numbers(3, 4, seed=8), 0.6)
@njit
def calls_on_rows(a, c):
    s = 0.0
    for i in range(a.shape[0]):
        s += smooth(a[i], c)
    return s * a[0, 1]


def closure(factor, inner):
    @njit
    def closed(x):
        return factor * inner(x, 2.0) * x

    return closed


CASES.append(Case("closure", closure(3.0, softplus), (0.7,)))


# Whole algorithms


@njit
def sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x))


@case(numbers(4, 3, 5, seed=9, low=-0.5, high=0.5), numbers(5, 2, seed=10))
@njit
def lstm(weights, inputs):
    n = weights.shape[1]
    h, c, new = np.zeros(n), np.zeros(n), np.zeros(n)
    loss = 0.0
    for t in range(inputs.shape[0]):
        for i in range(n):
            gates = np.zeros(4)
            for g in range(4):
                z = 0.0
                for j in range(2):
                    z += weights[g, i, j] * inputs[t, j]
                for j in range(n):
                    z += weights[g, i, 2 + j] * h[j]
                gates[g] = math.tanh(z) if g == 3 else sigmoid(z)
            c[i] = gates[0] * c[i] + gates[1] * gates[3]
            new[i] = gates[2] * math.tanh(c[i])
        for i in range(n):
            h[i] = new[i]
            loss += (h[i] - inputs[t, 0]) ** 2
    return loss


@case(numbers(3, 2, seed=11), numbers(3, seed=12), 0.05, 4)
@njit
def leapfrog(position, mass, dt, steps):
    n, d = position.shape
    velocity = np.zeros_like(position)
    for _ in range(steps):
        for i in range(n):
            for j in range(n):
                if i == j:
                    continue
                r2 = 0.01
                for k in range(d):
                    r2 += (position[j, k] - position[i, k]) ** 2
                for k in range(d):
                    velocity[i, k] += dt * mass[j] * (position[j, k] - position[i, k]) / r2**1.5
        for i in range(n):
            for k in range(d):
                position[i, k] += dt * velocity[i, k]
    energy = 0.0
    for i in range(n):
        for k in range(d):
            energy += 0.5 * mass[i] * velocity[i, k] ** 2
    return energy, velocity


@case(1.3, 1e-3)
@njit
def adaptive_euler(y, tolerance):
    t, h, n = 0.0, 0.5, 0
    while t < 1.0 and n < 1000:
        if t + h > 1.0:
            h = 1.0 - t
        full = y + h * math.cos(y)
        half = y + h / 2 * math.cos(y)
        half += h / 2 * math.cos(half)
        n += 1
        if abs(full - half) > tolerance:
            h *= 0.5
            continue
        y = half
        t += h
        h *= 1.5
    return y


@case(np.array([0.9, 0.2, 0.7, 0.4]))
@njit
def insertion_sort(x):
    for i in range(1, len(x)):
        v = x[i]
        j = i - 1
        while j >= 0 and x[j] > v:
            x[j + 1] = x[j]
            j -= 1
        x[j + 1] = v
    s = 0.0
    for i in range(len(x)):
        s += x[i] ** (i + 1)
    return s


@case(np.arange(5), np.array([2, 0, 2, 1]), X, smooth=False)
@njit
def indirect(counts, index, x):
    s = 0.0
    for k in index:
        counts[k] += 1
        s += x[counts[k] - 1] * x[index[k % 4]]
    return s, counts[2]


@case(np.float32(0.7), X.astype(np.float32))
@njit
def single_precision(s, x):
    for i in range(len(x)):
        x[i] = x[i] * s + np.float32(2)
        s = s * x[i] / np.float32(3)
    return s


@case(np.float32(0.7), X.astype(np.float32))
@njit
def mixed_precision(s, x):
    t = math.atan2(s, 1.5 + s) * x[0]
    s = s**2 if s < 1 else 0.5
    x[0] = s * t


import array_kernels  # noqa: E402, F401  (enters more kernels)
import kernel_forms  # noqa: E402, F401
