"""Fitting a mixture of Gaussians: the log posterior with a Wishart prior, in loops, in matrices, and derived by hand.

For k components in d dimensions: ``alpha`` (k,) the logarithms of the weights up to a constant, ``means`` (k, d), and
for the triangular factor Q of each precision matrix QᵀQ the logarithms of its diagonal ``q`` (k, d) and what is below,
column by column, ``lower`` (k, d (d - 1) / 2).  ``x`` (n, d) are the points, ``gamma`` and ``m`` the prior's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

Array = np.ndarray[Any, np.dtype[np.float64]]


@njit
def log_sum_exp(values):
    """The logarithm of the sum of exponentials, which may be large."""
    top = np.max(values)
    total = 0.0
    for v in values:
        total += math.exp(v - top)
    return top + math.log(total)


@njit
def constants(k, d, n, gamma, m):
    """What does not depend on the parameters."""
    freedom = d + m + 1
    log_gamma = 0.25 * d * (d - 1) * math.log(math.pi)
    for j in range(d):
        log_gamma += math.lgamma(0.5 * (freedom - j))
    prior = freedom * d * (math.log(gamma) - 0.5 * math.log(2.0)) - log_gamma
    return k * prior - 0.5 * n * d * math.log(2.0 * math.pi)


@njit
def posterior(alpha, means, q, lower, x, gamma, m):
    """The log posterior as scalar loops."""
    k, d = means.shape
    n = x.shape[0]
    diagonal = np.exp(q)
    centred = np.empty(d)
    product = np.empty(d)
    terms = np.empty(k)
    likelihood = 0.0
    for i in range(n):
        for c in range(k):
            for j in range(d):
                centred[j] = x[i, j] - means[c, j]
                product[j] = diagonal[c, j] * centred[j]
            p = 0
            for j in range(d):
                for row in range(j + 1, d):
                    product[row] += lower[c, p] * centred[j]
                    p += 1
            distance = 0.0
            trace = 0.0
            for j in range(d):
                distance += product[j] * product[j]
                trace += q[c, j]
            terms[c] = alpha[c] + trace - 0.5 * distance
        likelihood += log_sum_exp(terms)
    prior = 0.0
    for c in range(k):
        squares = 0.0
        for j in range(d):
            squares += diagonal[c, j] * diagonal[c, j]
            prior += m * q[c, j]
        for p in range(lower.shape[1]):
            squares += lower[c, p] * lower[c, p]
        prior -= 0.5 * gamma * gamma * squares
    return likelihood - n * log_sum_exp(alpha) + prior + constants(k, d, n, gamma, m)


@njit
def triangle(q, lower):
    """The triangular factor of one precision matrix."""
    d = q.shape[0]
    matrix = np.zeros((d, d))
    p = 0
    for j in range(d):
        matrix[j, j] = math.exp(q[j])
        for row in range(j + 1, d):
            matrix[row, j] = lower[p]
            p += 1
    return matrix


@njit
def posterior_of_matrices(alpha, means, q, lower, x, gamma, m):
    """The log posterior as products of matrices: all points at once, one component after the other."""
    k, d = means.shape
    n = x.shape[0]
    terms = np.empty((n, k))
    prior = 0.0
    for c in range(k):
        factor = triangle(q[c], lower[c])
        products = (x - means[c]) @ factor.T
        terms[:, c] = alpha[c] + np.sum(q[c]) - 0.5 * np.sum(products * products, axis=1)
        prior += m * np.sum(q[c]) - 0.5 * gamma * gamma * np.sum(factor * factor)
    likelihood = 0.0
    for i in range(n):
        likelihood += log_sum_exp(terms[i])
    return likelihood - n * log_sum_exp(alpha) + prior + constants(k, d, n, gamma, m)


@njit
def gradient_by_hand(alpha, means, q, lower, x, gamma, m):
    """The gradient by ``alpha, means, q, lower``, worked out on paper: no more than one sweep over the points."""
    k, d = means.shape
    n = x.shape[0]
    diagonal = np.exp(q)
    centred = np.empty((k, d))
    product = np.empty((k, d))
    weights = np.empty(k)
    slope = np.empty(d)
    by_alpha, by_means, by_q, by_lower = np.zeros(k), np.zeros((k, d)), np.zeros((k, d)), np.zeros(lower.shape)
    for i in range(n):
        for c in range(k):
            for j in range(d):
                centred[c, j] = x[i, j] - means[c, j]
                product[c, j] = diagonal[c, j] * centred[c, j]
            p = 0
            for j in range(d):
                for row in range(j + 1, d):
                    product[c, row] += lower[c, p] * centred[c, j]
                    p += 1
            weights[c] = alpha[c]
            for j in range(d):
                weights[c] += q[c, j] - 0.5 * product[c, j] * product[c, j]
        weights -= np.max(weights)
        total = 0.0
        for c in range(k):
            weights[c] = math.exp(weights[c])
            total += weights[c]
        for c in range(k):
            w = weights[c] / total
            by_alpha[c] += w
            for j in range(d):
                by_q[c, j] += w * (1.0 - product[c, j] * centred[c, j] * diagonal[c, j])
                slope[j] = diagonal[c, j] * product[c, j]
            p = 0
            for j in range(d):
                step = w * centred[c, j]
                down = 0.0
                for row in range(j + 1, d):
                    by_lower[c, p] -= step * product[c, row]
                    down += lower[c, p] * product[c, row]
                    p += 1
                by_means[c, j] += w * (slope[j] + down)
    weights[:] = np.exp(alpha - np.max(alpha))
    by_alpha -= n * weights / np.sum(weights)
    by_q += m - gamma * gamma * diagonal * diagonal
    by_lower -= gamma * gamma * lower
    return by_alpha, by_means, by_q, by_lower


def point(d: int, k: int, n: int) -> tuple[Array, Array, Array, Array, Array, float, int]:
    """Random parameters and points; ``gamma`` and ``m`` as GradBench has them."""
    random = np.random.default_rng(31337)
    x = random.normal(size=(n, d))
    parameters = random.normal(size=k), random.uniform(size=(k, d)), random.normal(size=(k, d))
    return *parameters, random.normal(size=(k, d * (d - 1) // 2)), x, 1.0, 0
