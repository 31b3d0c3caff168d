"""The evals in PyTorch: eager, in double precision, one thread."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import gmm as mixtures

Call = tuple[Any, ...]


def leaves(*arrays: Any) -> list[Any]:
    """Tensors by which a gradient is asked for."""
    import torch

    torch.set_num_threads(1)
    return [torch.tensor(array, requires_grad=True) for array in arrays]


def gradient(function: Any) -> Any:
    """The gradient as a function of the tensors."""
    import torch

    return lambda *tensors: torch.autograd.grad(function(*tensors), tensors)


def gmm(alpha: Any, means: Any, q: Any, lower: Any, x: Any, gamma: float, m: int) -> dict[str, Call]:
    """The log posterior with all components at once, as a stack of products of matrices."""
    import torch

    point = leaves(alpha, means, q, lower)
    (k, d), n = means.shape, len(x)
    x, rest = torch.tensor(x), mixtures.constants(k, d, n, gamma, m)
    column, row = map(torch.tensor, np.triu_indices(d, 1))

    def posterior(alpha, means, q, lower):
        factors = torch.diag_embed(torch.exp(q))
        factors = factors.index_put((torch.arange(k)[:, None], row, column), lower, accumulate=True)
        products = (x - means[:, None]) @ factors.transpose(1, 2)
        terms = alpha + q.sum(1) - 0.5 * (products**2).sum(2).T
        likelihood = torch.logsumexp(terms, 1).sum() - n * torch.logsumexp(alpha, 0)
        return likelihood + m * q.sum() - 0.5 * gamma**2 * (factors**2).sum() + rest

    return {"PyTorch gradient": (gradient(posterior), *point)}


def lstm(main_params: Any, extra_params: Any, state: Any, sequence: Any) -> dict[str, Call]:
    """The loss, its loop over bits as tensors."""
    import torch

    point = leaves(main_params, extra_params)
    state, sequence = torch.tensor(state), torch.tensor(sequence)

    def loss(main_params, extra_params):
        in_weight, out_weight, out_bias = extra_params
        weights = main_params[0::2].reshape(len(state) // 2, 4, -1)
        biases = main_params[1::2].reshape(weights.shape)
        hidden, cell, total = list(state[0::2]), list(state[1::2]), 0.0
        for now, then in zip(sequence[:-1], sequence[1:], strict=True):
            signal = now * in_weight
            for k, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
                gates = torch.stack([signal, hidden[k], signal, hidden[k]]) * weight + bias
                forget, ingate, outgate = torch.sigmoid(gates[:3])
                cell[k] = cell[k] * forget + ingate * torch.tanh(gates[3])
                signal = hidden[k] = outgate * torch.tanh(cell[k])
            prediction = signal * out_weight + out_bias
            total = total + torch.sum(then * (prediction - torch.log(torch.sum(torch.exp(prediction)) + 2)))
        return -total / (len(sequence) - 1) / sequence.shape[1]

    return {"PyTorch gradient": (gradient(loss), *point)}


def ba(cameras: Any, points: Any, weights: Any, seen: Any, features: Any) -> dict[str, Call]:
    """The Jacobian's entries: each of the two residuals of all observations summed, and two sweeps back."""
    import torch

    inputs = np.concatenate([cameras[seen[:, 0]], points[seen[:, 1]], weights[:, None]], axis=1)
    (inputs, weights), features = leaves(inputs, weights), torch.tensor(features)

    def residuals(inputs):
        rotation, centre, focus, principal, radial, point, weight = torch.split(inputs, [3, 3, 1, 2, 2, 3, 1], dim=1)
        p = point - centre
        angle = torch.sqrt(torch.sum(rotation**2, 1, keepdim=True))
        w = rotation / angle
        across = torch.linalg.cross(w, p) * torch.sin(angle)
        turned = p * torch.cos(angle) + across + w * torch.sum(w * p, 1, keepdim=True) * (1 - torch.cos(angle))
        seen = turned[:, :2] / turned[:, 2:]
        r = torch.sum(seen**2, 1, keepdim=True)
        return weight * (seen * (1 + radial[:, :1] * r + radial[:, 1:] * r * r) * focus + principal - features)

    def entries(inputs, weights):
        found = residuals(inputs)
        rows = [torch.autograd.grad(found[:, k].sum(), inputs, retain_graph=k == 0)[0] for k in (0, 1)]
        (slopes,) = torch.autograd.grad((1 - weights**2).sum(), weights)
        return torch.cat([torch.stack(rows, 1).ravel(), slopes])

    return {"PyTorch Jacobian": (entries, inputs, weights)}


def ode(x: Any, s: int) -> dict[str, Call]:
    """The sum of the final state."""
    import torch

    def total(x):
        h, y = 2.0 / s, torch.zeros_like(x)

        def slopes(y):
            return torch.cat([x[:1], x[1:] * y[:-1]])

        for _ in range(s):
            k1 = slopes(y)
            k2 = slopes(y + h / 2 * k1)
            k3 = slopes(y + h / 2 * k2)
            k4 = slopes(y + h * k3)
            y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return torch.sum(y)

    return {"PyTorch gradient": (gradient(total), *leaves(x))}
