"""The evals in HIPS autograd: eager NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import gmm as mixtures

Call = tuple[Any, ...]


def gmm(alpha: Any, means: Any, q: Any, lower: Any, x: Any, gamma: float, m: int) -> dict[str, Call]:
    """The log posterior with all components at once, as a stack of products of matrices."""
    import autograd
    import autograd.numpy as anp
    from autograd.scipy.special import logsumexp

    (k, d), n = means.shape, len(x)
    rest = mixtures.constants(k, d, n, gamma, m)
    place = np.zeros((d * (d - 1) // 2, d * d))  # autograd has no writes: a constant matrix puts entries in place
    column, row = np.triu_indices(d, 1)
    place[np.arange(len(place)), row * d + column] = 1

    def posterior(alpha, means, q, lower):
        factors = (lower @ place).reshape(k, d, d) + anp.exp(q)[:, :, None] * np.eye(d)
        products = anp.matmul(x - means[:, None], anp.transpose(factors, (0, 2, 1)))
        terms = alpha + anp.sum(q, 1) - 0.5 * anp.sum(products**2, 2).T
        likelihood = anp.sum(logsumexp(terms, 1)) - n * logsumexp(alpha)
        return likelihood + m * anp.sum(q) - 0.5 * gamma**2 * anp.sum(factors**2) + rest

    return {"HIPS autograd gradient": (autograd.grad(posterior, (0, 1, 2, 3)), alpha, means, q, lower)}


def lstm(main_params: Any, extra_params: Any, state: Any, sequence: Any) -> dict[str, Call]:
    """The loss, its loop over bits as arrays."""
    import autograd
    import autograd.numpy as anp

    def loss(main_params, extra_params):
        weights = anp.reshape(main_params[0::2], (len(state) // 2, 4, -1))
        biases = anp.reshape(main_params[1::2], weights.shape)
        hidden, cell, total = list(state[0::2]), list(state[1::2]), 0.0
        for now, then in zip(sequence[:-1], sequence[1:], strict=True):
            signal = now * extra_params[0]
            for k in range(len(weights)):
                gates = anp.stack([signal, hidden[k], signal, hidden[k]]) * weights[k] + biases[k]
                forget, ingate, outgate = (1 / (1 + anp.exp(-gates[j])) for j in range(3))
                cell[k] = cell[k] * forget + ingate * anp.tanh(gates[3])
                signal = hidden[k] = outgate * anp.tanh(cell[k])
            prediction = signal * extra_params[1] + extra_params[2]
            total = total + anp.sum(then * (prediction - anp.log(anp.sum(anp.exp(prediction)) + 2)))
        return -total / (len(sequence) - 1) / sequence.shape[1]

    return {"HIPS autograd gradient": (autograd.grad(loss, (0, 1)), main_params, extra_params)}


def ba(cameras: Any, points: Any, weights: Any, seen: Any, features: Any) -> dict[str, Call]:
    """The Jacobian's entries: each of the two residuals of all observations, and two sweeps back."""
    import autograd
    import autograd.numpy as anp

    inputs = np.concatenate([cameras[seen[:, 0]], points[seen[:, 1]], weights[:, None]], axis=1)

    def cross(a, b):
        return anp.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])

    def residuals(inputs):
        columns = inputs.T
        rotation, p = columns[:3], columns[11:14] - columns[3:6]
        angle = anp.sqrt(anp.sum(rotation**2, 0))
        w = rotation / angle
        turned = p * anp.cos(angle) + cross(w, p) * anp.sin(angle) + w * anp.sum(w * p, 0) * (1 - anp.cos(angle))
        seen = turned[:2] / turned[2]
        r = anp.sum(seen**2, 0)
        scale = columns[6] * (1 + columns[9] * r + columns[10] * r * r)
        return columns[14] * (seen * scale + columns[7:9] - features.T)

    one = np.zeros((2, 2, len(weights)))
    one[0, 0] = one[1, 1] = 1
    slope = autograd.elementwise_grad(lambda weights: 1 - weights**2)

    def entries(inputs, weights):
        back, _ = autograd.make_vjp(residuals)(inputs)
        return np.concatenate([np.stack([back(one[k]) for k in (0, 1)], 1).ravel(), slope(weights)])

    return {"HIPS autograd Jacobian": (entries, inputs, weights)}


def ode(x: Any, s: int) -> dict[str, Call]:
    """The sum of the final state."""
    import autograd
    import autograd.numpy as anp

    def total(x):
        h, y = 2.0 / s, np.zeros(len(x))

        def slopes(y):
            return anp.concatenate([x[:1], x[1:] * y[:-1]])

        for _ in range(s):
            k1 = slopes(y)
            k2 = slopes(y + h / 2 * k1)
            k3 = slopes(y + h / 2 * k2)
            k4 = slopes(y + h * k3)
            y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return anp.sum(y)

    return {"HIPS autograd gradient": (autograd.grad(total), x)}
