"""Linear algebra as kernels: functions of the kernel subset that are read in place like any callee.

Elimination, substitution and search have derivatives of every order because loops have; no
rule is written for them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def require(index: int, ok: bool) -> int:
    """``index``; the kernel raises `LinAlgError` if ``ok`` does not hold.  The reader knows this function."""
    if not ok:
        raise np.linalg.LinAlgError("the matrix is singular, or not positive definite")
    return index


def solve(matrix: Any, right: Any) -> Any:
    """The solution of ``matrix @ x = right``, both with two axes: elimination above and below, with row pivots.

    Loops whose lengths are known beforehand leave short programs and tapes of exact size.
    """
    a, x = matrix.copy(), right.copy()
    n, m = x.shape
    for k in range(n):
        p = k
        for i in range(k + 1, n):
            if abs(a[i, k]) > abs(a[p, k]):
                p = i
        p = require(p, a[p, k] != 0)
        for j in range(n):
            a[k, j], a[p, j] = a[p, j], a[k, j]
        for j in range(m):
            x[k, j], x[p, j] = x[p, j], x[k, j]
        for i in range(n):
            if i != k:
                f = a[i, k] / a[k, k]
                for j in range(n):
                    a[i, j] -= f * a[k, j]
                for j in range(m):
                    x[i, j] -= f * x[k, j]
    for i in range(n):
        for j in range(m):
            x[i, j] /= a[i, i]
    return x


def det(matrix: Any) -> Any:
    """Elimination with full pivots down to two rows, so that it is right to second order also at rank n - 2.

    A pivot of zero leaves nothing to eliminate.  The loop goes on all the same: loops that are never left early have
    tapes of exact size.
    """
    a, n, d = matrix.copy(), len(matrix), 1.0
    for k in range(n - 2):
        p, q = k, k
        for i in range(k, n):
            for j in range(k, n):
                if abs(a[i, j]) > abs(a[p, q]):
                    p, q = i, j
        for j in range(n):
            a[k, j], a[p, j] = a[p, j], a[k, j]
        for i in range(n):
            a[i, k], a[i, q] = a[i, q], a[i, k]
        d *= a[k, k] if (p == k) == (q == k) else -a[k, k]
        for i in range(n):
            if i > k and a[k, k] != 0:
                f = a[i, k] / a[k, k]
                for j in range(n):
                    a[i, j] -= f * a[k, j]
    if n == 1:
        return a[0, 0]
    if n > 1:
        d *= a[n - 2, n - 2] * a[n - 1, n - 1] - a[n - 2, n - 1] * a[n - 1, n - 2]
    return d


def cholesky(matrix: Any) -> Any:
    """The lower triangular factor of a symmetric matrix, of which the lower half is read."""
    n = len(matrix)
    low = np.zeros_like(matrix)
    for j in range(n):
        d = matrix[j, j]
        for k in range(j):
            d -= low[j, k] * low[j, k]
        j = require(j, d > 0)
        low[j, j] = math.sqrt(d)
        for i in range(j + 1, n):
            s = matrix[i, j]
            for k in range(j):
                s -= low[i, k] * low[j, k]
            low[i, j] = s / low[j, j]
    return low


def sort(values: Any) -> Any:
    """The entries in ascending order: stable insertion."""
    x = values.copy()
    for i in range(1, len(x)):
        v = x[i]
        j = i - 1
        while j >= 0 and x[j] > v:
            x[j + 1] = x[j]
            j -= 1
        x[j + 1] = v
    return x


def median(values: Any) -> Any:
    x, n = sort(values), len(values)
    return 0.5 * (x[(n - 1) // 2] + x[n // 2])


def interp(x: Any, points: Any, values: Any) -> Any:
    """Piecewise linear interpolation at one number, constant beyond the ends."""
    n = len(points)
    if x >= points[n - 1]:
        return values[n - 1]
    k = 0
    while k < n and points[k] <= x:
        k += 1
    if k == 0:
        return values[0]
    slope = (values[k] - values[k - 1]) / (points[k] - points[k - 1])
    return slope * (x - points[k - 1]) + values[k - 1]
