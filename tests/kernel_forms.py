"""Kernels of forms that strangers write: globals, constants, guards, tuples, masks; more entries of `kernels.CASES`."""

from __future__ import annotations

import math
import types

import kernels
import numba
import numpy as np
from kernels import CASES, Case, X, Y, case, numbers, softplus
from numba import njit, prange, vectorize

import dualgrad as dg

WEIGHTS = np.array([0.5, 1.5, 2.5])
DESIGN = np.arange(6.0).reshape(2, 3)
ORDER = np.array([0, 2, 1, 2])
UNIT = np.array(1.5)
M = numbers(3, 4, seed=60)
module = types.ModuleType("module")
module.softplus, module.weights = softplus, WEIGHTS


# Constants


@case(X)
@njit
def global_arrays(x):
    """Numba freezes them; they are read as arrays, as indices, and as what is looped over."""
    s = x[0] * WEIGHTS[1] + np.sum(WEIGHTS * x[:3]) + WEIGHTS @ x[3:]
    for k in ORDER:
        s += x[k] * k
    return s, DESIGN @ x[:3], DESIGN


def weighted(weights, scale):
    @njit
    def closed(x):
        return np.sum(weights * x[:3]) * scale + weights[0]

    return closed


CASES.append(Case("array_of_a_closure", weighted(WEIGHTS, 2.0), (X,)))


@case(X)
@njit
def attributes_of_modules(x):
    return module.softplus(x[0]) + module.softplus(x[1], sharp=x[2]) + kernels.SCALE * np.sum(module.weights) * x[3]


@case(X)
@njit
def options(x, mode="square", weights=None, offset=None):
    """What is no number is known in advance."""
    if weights is not None:
        return x[0]
    s = x[1] if mode != "square" else x[1] ** 2
    if mode == "square" and offset is None:
        s *= x[2]
    return s


# Guards


@case(X, 3)
@njit
def guards(x, n):
    """Doc."""
    if len(x) < n:
        raise ValueError("too short")
    assert n > 0, "positive"
    if x[0] > 0:
        y = x[0] * 2
    else:
        raise ValueError
    for i in range(n):
        if x[i] > 100:
            raise OverflowError("large")
        y *= x[i]
    return y


@case(2.0)
@njit
def converges_or_raises(a):
    x = a
    for _ in range(60):
        new = 0.5 * (x + a / x)
        if abs(new - x) < 1e-14:
            return new
        x = new
    raise ArithmeticError("no convergence")


# Integers, truth values, membership


@case(X)
@njit
def bits(x):
    s = 0.0
    for i in range(6):
        if i & 1 and i not in (3, 4):
            s += x[i]
        s += x[i] * ((i << 1) + (i >> 1)) + (i ^ 3) * x[i] + (i | 2) * x[i] + (~i) * x[i]
        if i in (1, 3):
            s *= x[i]
    q, r = divmod(7, 3)
    return s * q + r, x[q] * np.logical_and(s > 0, x[0]) + np.logical_xor(s > 0, x[0] > 0)


@case(0.7, -1.2, X)
@njit
def other_functions(x, y, v):
    s = math.degrees(x) + math.radians(y) + math.copysign(x, y) + np.copysign(y, x) + np.positive(x)
    t = np.float_power(x, 2.5) + np.nan_to_num(y) + np.degrees(x) + np.radians(y) + np.around(x) + sum((x, y))
    u = np.nan_to_num(v) + np.copysign(v, y) + np.degrees(v) + v.real + np.real(v) + v.imag + v.conj()
    return s * t, u, np.ptp(v)


# Tuples


@case(X)
@njit
def loops_over_tuples(x):
    s = 0.0
    for v in (x[0], x[1] * 2, x[2]):
        s += v * v
        if s > 100:
            break
    for k, (a, b) in enumerate(((x[3], x[4]), (x[4], x[5]))):
        s *= a + k * b
    for row, c in zip((x[:2], x[2:4]), (2.0, x[5])):
        s += np.sum(row) * c
    return s


@case((0.4, 1.2, 0.9), 2)
@njit
def tuple_at_run_time(t, n):
    s = 0.0
    for i in range(len(t)):
        s += t[i] * t[i - n] * i
    return s


# Indices


@case(M)
@njit
def every_index(a):
    s = 0.0
    for i, j in np.ndindex(a.shape):
        s += a[i, j] ** (i + 1) * j
    for index in np.ndindex(3, 4):
        s += a[index] ** 2
    for (i, j), v in np.ndenumerate(a):
        s += v * i * j
    for v in a.flat:
        s = s * 0.5 + v
    return s


@case(M, np.array([2, -1, 0, 2]))
@njit
def gathered(a, k):
    rows = a[k] * 2.0
    v = a[0]
    a[0, 0] = 3.0
    return np.sum(rows * rows), v[k] * v[ORDER], rows


@case(X)
@njit
def masked_stores(x):
    y = x * x
    y[y > 1.0] = x[0]
    m = x < 0.8
    y[~m] = 2.0 * y[0]
    x[m] = 0.0
    return y, x


@case(X, Y)
@njit(parallel=True)
def parallel_loops(x, y):
    s = 0.0
    for i in prange(len(x)):
        s += x[i] ** 2
        y[i] = s * 0 + x[i] * 3.0
    for i in numba.prange(1, len(x)):
        s += x[i]
    return s, y


# Views that have nothing in common, given to helpers that write


@njit
def mixed(a, b, c):
    for i in range(len(a)):
        a[i] = a[i] * b[i] + c
        b[i] = a[i] * a[i] - b[i]
    return a[-1] * b[0]


@case(numbers(6, seed=61), numbers(3, 4, seed=62), 0.7)
@njit
def disjoint_views(x, m, c):
    s = mixed(x[:3], x[3:], c)
    s += mixed(x[::2], x[1::2], s)
    for k in range(2):
        s += mixed(m[k], m[k + 1], c) + mixed(m[:, k], m[:, 3 - k], c)
    return s * x[0] + np.sum(m)


@case(numbers(6, seed=63), 3)
@njit
def downward_and_negative(x, n):
    """Overwritten in a dynamic loop and read again, from the end, by counters kept by hand."""
    p, s = len(x) - 1, 0.0
    while p >= -n:
        if s > 3.0:
            break
        s += x[p] * x[p - 1]
        x[p] = math.sin(s) + x[-p]
        p -= 2
    for i in range(-1, -n - 1, -1):
        x[i] *= x[i + 1] + s
        if x[i] < -50.0:
            return x[0]
    return s * x[-2] + x[2]


# Functions


@vectorize
def bump(a, b):
    return a * b + math.sin(a) if a > 0.5 else a


@case(X, Y)
@njit
def vectorized(x, y):
    return bump(x, y) + bump(x[0], 0.7)


@njit
def twice(f, x):
    return f(f(x, 2.0), sharp=x)


@case(X)
@njit
def functions_as_arguments(x):
    return twice(softplus, x[0]) * twice(softplus, x[1])


@njit
def scaled(v, k=2):
    return v * k


@case(1.3, X)
@njit
def several_specialisations(s, x):
    return scaled(s) + scaled(x)[1] + scaled(2) * s + scaled(x[:3], x[0])[2] * scaled(k=3, v=s)


# Rules of the user's own


@dg.custom_jvp
def log1pexp(x):
    return np.log1p(np.exp(x))


@log1pexp.defjvp
def _(primals, tangents):
    (x,), (t,) = primals, tangents
    return log1pexp(x), t / (1 + np.exp(-x))


@dg.custom_jvp
@njit
def own_exp(x):
    """Its rule calls it again; what it does itself the reader would refuse."""
    parts = [1.0]
    for k in range(1, 30):
        parts.append(parts[-1] * x / k)
    return sum(parts)


@own_exp.defjvp
def _(primals, tangents):
    y = own_exp(*primals)
    return y, y * tangents[0]


@dg.custom_vjp
def moments(x, w):
    return np.sum(x * x) * w, x * w


def moments_fwd(x, w):
    return moments(x, w), (x, w)


def moments_bwd(residuals, ct):
    x, w = residuals
    c, d = ct
    s = 0.0
    for i in range(len(x)):
        s += x[i] * x[i] * c + x[i] * d[i]
    return 2 * x * c * w + d * w, s


moments.defvjp(moments_fwd, moments_bwd)


@dg.custom_jvp
def scaled_pair(p, k=2):
    return (p[0] * p[1] * k, (p[0] + k, k))


@scaled_pair.defjvp
def _(primals, tangents):
    (p, k), (t, s) = primals, tangents
    return scaled_pair(p, k), (t[0] * p[1] * k + p[0] * t[1] * k + p[0] * p[1] * s, (t[0] + s, 0))


gaussian = dg.elementary("gaussian_of_kernels", lambda x: np.exp(-x * x), dx="-2*x*y")


@case(0.7)
@njit
def rules_for_numbers(x):
    return log1pexp(x * x) * x + dg.stop_gradient(0.3 * 2) * own_exp(x)


@case(X, 0.4)
@njit
def rules_in_loops(x, c):
    s = 1.0
    for i in range(len(x)):
        if x[i] > 0.6:
            s = s * 0.5 * own_exp(0.3 * x[i]) + log1pexp(s - c)
        s += gaussian(x[i]) * c
    return s


@case(X, 0.7)
@njit
def rules_for_arrays(x, w):
    a, b = moments(x, w * w)
    c = moments(b * 2.0, own_exp(w))[1]
    return a * np.sum(b * b) + np.sum(gaussian(c) * x), c


@case(0.4, 1.3)
@njit
def rules_for_tuples(a, b):
    p, (q, k) = scaled_pair((a, b))
    r = scaled_pair((q, a), 3)
    return p * q * k + r[0] * r[1][0]
