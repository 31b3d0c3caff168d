"""Ordinary NumPy functions as data: each takes one array (or float) and returns one array (or float).

Nothing here knows that it will be differentiated.
"""

import math
from dataclasses import dataclass
from math import sin as math_sin
from typing import Any

import numpy as np
from numpy import zeros

A = np.array([[1.0, -0.5, 0.25], [0.3, 2.0, -1.0], [0.7, 0.1, 1.5]])
INDEX = np.array([2, 0, 0])


@dataclass(frozen=True)
class Case:
    f: Any
    x: Any

    @property
    def name(self):
        return self.f.__name__


CASES: list[Case] = []
VECTOR = np.array([0.7, 1.3, 0.4])
MATRIX = np.array([[0.7, 1.3, 0.4], [1.1, 0.2, 0.9]])


def case(x):
    def enter(f):
        CASES.append(Case(f, x))
        return f

    return enter


# Elementwise and broadcasting


@case(0.8)
def scalar_composite(t):
    return np.exp(np.sin(t)) / (1 + t * t)


@case(VECTOR)
def elementary_words(x):
    return np.tanh(x) + np.log(x) * np.sqrt(x) - np.expm1(x) / np.log1p(x) + np.cos(x) * np.tan(x) + np.arctan(x)


@case(VECTOR)
def powers(x):
    return x**2 + x**-1 + x**0.5 + x**2.5 + 2.0**x + x**x + np.square(x) + np.reciprocal(x)


@case(VECTOR)
def reflected_operators(x):
    return (2 - x) / (3 + x) + 1 / x - (-x) + abs(x - 1) + (5.0 * x) % 0.6


@case(VECTOR)
def broadcast_up(x):
    return x * np.array([[1.0], [2.0]]) + np.ones((2, 3)) / x


@case(VECTOR)
def broadcast_against_itself(x):
    return x[:, None] * x[None, :] + x


@case(VECTOR)
def arctan2_hypot(x):
    return np.arctan2(x, x[::-1]) + np.hypot(x, 2.0)


@case(VECTOR)
def selections(x):
    return np.where(x > 0.5, x * x, np.sin(x)) + np.maximum(x, 0.5) + np.minimum(x, x[::-1]) + np.clip(x, 0.5, 1.0)


@case(VECTOR)
def branches(x):
    s = 0.0
    for k in range(3):
        s = s + x[k] * x[k] if x[k] > 0.5 else s - np.exp(x[k])
    while s < 10:
        s = s * 1.5
    return s


# Structure


@case(MATRIX)
def sums(x):
    return np.sum(x * x, axis=0) + x.sum(axis=-1)[0] * np.mean(x) + x.mean(0) * np.sum(x, axis=(0, 1))


@case(MATRIX)
def keepdims(x):
    return x / np.sum(x, axis=1, keepdims=True)


@case(MATRIX)
def reshaping(x):
    return x.reshape(3, 2).T @ x.reshape(3, -1) + x.ravel()[:4].reshape(2, 2) * x.flatten()[0]


@case(MATRIX)
def transposing(x):
    return x.T * np.swapaxes(x, 0, 1) + np.transpose(x * 2)[::-1]


@case(MATRIX)
def indexing(x):
    return x[0] * x[-1, ::-1] + x[1, 2] * x[:, 0].sum() + x[..., 1][0]


@case(VECTOR)
def fancy_indexing(x):
    return x[INDEX] * x[x > 0.5][0] + x[[0, 1, 1]]


@case(np.arange(1.0, 13.0).reshape(3, 2, 2) / 7)
def separated_fancy_indexing(x):
    i = np.array([0, 1, 1])
    return x[i, :, i % 2] * x[0, 1, 1]


@case(MATRIX)
def joining(x):
    return np.concatenate([x[0], x[1] * 2]) * np.stack([x[0, 0]] * 6) + np.hstack([x[1], x[0]])


@case(MATRIX)
def joining_2d(x):
    return np.vstack([x, x[0] * x[1]]) + np.column_stack([x.T, x[0] + 1])


@case(MATRIX)
def axes(x):
    return np.expand_dims(x, 1).squeeze() * np.moveaxis(x, 0, 1).T + np.broadcast_to(x[0], (2, 3)) + np.flip(x, 1)


@case(VECTOR)
def cumulative(x):
    return np.cumsum(x * x) * np.roll(x, 1) + np.diff(x, axis=0).sum()


@case(MATRIX)
def extremes(x):
    return np.max(x, axis=0) * np.min(x) + x.max() - np.prod(x, axis=0) + np.prod(x)


@case(MATRIX)
def statistics(x):
    return np.var(x, axis=0) + np.std(x) + np.linalg.norm(x) * x[0]


@case(np.arange(9.0).reshape(3, 3) / 5 + A)
def diagonals(x):
    return np.trace(x) * np.diag(x) + np.diagonal(x, 1).sum() + np.diag(x[0]) @ x[1]


# Products


@case(VECTOR)
def matrix_products(x):
    return A @ x + x @ A + (x @ x) * x + np.dot(A, x) * np.outer(x, x).sum()


@case(MATRIX)
def matrix_matrix(x):
    return x @ A @ x.T + np.matmul(x, x[0]).sum() + np.tensordot(x, x, ((1,), (1,)))


@case(MATRIX)
def contractions(x):
    return np.einsum("ij,kj,kl->il", x, x, x) * np.einsum("...j,jk", x, A) + np.cross(x, x[::-1])


@case(VECTOR)
def convolutions(x):
    y = np.convolve(x, np.sin(x), "same") + np.correlate(x, [0.5, -1.0], "full")[:3]
    return y * np.convolve(np.ones(4), x, "valid").sum() + np.correlate(np.arange(5.0), x)


@case(np.arange(12.0).reshape(2, 2, 3) / 10)
def stacked_products(x):
    return x @ A @ np.swapaxes(x, 1, 2) + (x @ x[0, 0])[:, None, :] + x[0] @ A[0]


@case(VECTOR)
def stacked_broadcast(x):
    return np.matmul(np.ones((2, 1, 3)) * x, np.ones((3, 2)) * x[:, None]) + np.matmul(x, np.ones((2, 3, 2)))[:, None]


# Writing in place


@case(VECTOR)
def buffer_by_elements(x):
    y = np.zeros(4)
    for i in range(3):
        y[i + 1] = y[i] * 0.5 + np.sin(x[i])
    return y


@case(VECTOR)
def views_of_views(x):
    y = x * 1.0
    v = y[1:]
    w = v[::-1]
    w[0] = x[0] * y[1]
    v[0] += 3 * y[2]
    return y * v.sum() + w[1]


@case(VECTOR)
def overwritten_after_use(x):
    h = np.tanh(x)
    z = h * h
    h[0] = 0.0
    h[1:] *= x[:2]
    return z + h * z


@case(VECTOR)
def in_place_operators(x):
    y = x.copy()
    y += x**2
    y *= y
    y -= 0.5
    y /= x
    t = x[0]
    t += 1
    return y * t + x[0]


@case(MATRIX)
def views_by_reshape_and_transpose(x):
    y = np.zeros((2, 3))
    y.T[0] = x[:, 0] * 2
    y.reshape(-1)[3:] += x[0]
    y.ravel()[1] = x[1, 1]
    y[:, ::2] *= x[:, :2]
    return y * x


@case(VECTOR)
def buffer_views_taken_before(x):
    y = zeros(4)
    front, back = y[:2], y[2:]
    back[:] = x[:2]
    front[...] = back * x[2]
    y[1:3] = y[0:2]
    return y + np.ones_like(y) * front.sum()


@case(MATRIX)
def flat_entries(x):
    y = np.zeros((3, 2)).T
    y.flat[1:] = x.flat[:3] * x.flat[5]
    y.flat[0] = x[1, 1]
    y.T.flat = y.T.flat[::-1] * 2.0
    return y * sum(v * v for v in x.flat)


@case(VECTOR)
def constant_overwrites(x):
    y = x * x
    y[1] = 7.0
    z = y * x
    y[:] = 1.0
    return z + y


@case(VECTOR)
def out_arguments(x):
    y = np.zeros_like(x)
    np.multiply(x, x, out=y)
    np.add(y, 1.0, out=y[1:2]) if False else np.sin(y[1:], out=y[1:])
    np.add.at(y, INDEX, x)
    return y


@case(MATRIX)
def stores_with_masks(x):
    y = np.zeros_like(x)
    y[x > 0.5] = x[x > 0.5] ** 2
    y[INDEX[:2] // 2, INDEX[:2]] = x[0, :2] * x[1, :2]
    y[0, :] += x[1]
    return y


@case(VECTOR)
def broadcast_stores(x):
    y = np.zeros((2, 3))
    y[:] = x
    y[0] = x[1]
    y[:, 1] = y[:, 2] * x[0]
    return y


@case(MATRIX)
def stores_of_values_with_more_axes(x):
    y = np.ones((2, 3))
    y[0] = x[:1] * 2
    y[:, 1] = x[None, :, 0]
    y[..., 0] = x[None, None, :, 1]
    return y * x


@case(MATRIX)
def views_of_chosen_rows(x):
    y = x[[0, 1, 0]]
    y.reshape(-1)[::2] -= 0.5 * x[0, 0]
    y.ravel()[3:5] *= x[0, :2]
    return y * x[1]


@case(VECTOR)
def reductions_of_numbers(x):
    t = x[0] * x[1]
    s = np.sum(t, 0) + np.prod(t, -1) * np.max(t, 0)
    return s + np.cumsum(t, 0) * np.cumprod(t, -1) + np.take(t, [0, 0], 0)


@case(VECTOR)
def buffers_without_axes(x):
    s = np.sum(x * x)
    y = np.empty_like(s)
    np.multiply(s, x[0], out=y)
    y -= s
    return y**2 * x


@case(VECTOR)
def plain_constants_that_change(x):
    w = np.array([1.0, 2.0, 3.0])
    s = 0.0
    for _ in range(3):
        s = s + np.sum(w * x * x)
        w *= 0.5
    return s


# What lifting reaches


def _helper(n):
    return np.zeros(n)


@case(VECTOR)
def lifted_names(x):
    y = _helper(3)
    y[0] = math.sin(x[0]) + math_sin(x[1]) * math.exp(float(x[2]))
    y[1] = math.atan2(x[1], x[0]) + math.pow(x[2], 3)

    def inner(a, b):
        return np.array([a, b, math.log(a)])

    return y + inner(x[2], x[0]) + np.full(3, x[1]) + np.array([[x[0], 1.0, x[1]]])[0]


@case(VECTOR)
def closures(x):
    def step(v):
        out = np.empty(2)
        out[0], out[1] = v[1], -v[0] * x[2]
        return out

    v = x[:2]
    for _ in range(3):
        v = v + 0.1 * step(v)
    return v


@case(2.0)
def from_scalar_to_array(t):
    return np.array([t, t * t, 1.0]) * np.linspace(0.0, t, 3)


@case(VECTOR)
def constant_result(x):
    return np.arange(3.0)
