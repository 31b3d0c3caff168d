"""The evals in JAX: jitted, in double precision, and timed until the result is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import gmm as mixtures

Call = tuple[Any, ...]
Function = Callable[..., Any]


def jax64() -> Any:
    """JAX in double precision."""
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax


def waiting(function: Function) -> Function:
    """The function jitted, returning once its result has been computed."""
    jax = jax64()
    jitted = jax.jit(function)
    return lambda *args: jax.block_until_ready(jitted(*args))


def gmm(alpha: Any, means: Any, q: Any, lower: Any, x: Any, gamma: float, m: int) -> dict[str, Call]:
    """The log posterior with all components at once, as a stack of products of matrices."""
    jax = jax64()
    jnp = jax.numpy
    (k, d), n = means.shape, len(x)
    rest = mixtures.constants(k, d, n, gamma, m)
    column, row = np.triu_indices(d, 1)

    def posterior(alpha, means, q, lower):
        factors = jnp.zeros((k, d, d)).at[:, row, column].set(lower) + jax.vmap(jnp.diag)(jnp.exp(q))
        products = (x - means[:, None]) @ factors.transpose(0, 2, 1)
        terms = alpha + q.sum(1) - 0.5 * (products**2).sum(2).T
        likelihood = jax.nn.logsumexp(terms, 1).sum() - n * jax.nn.logsumexp(alpha)
        return likelihood + m * q.sum() - 0.5 * gamma**2 * (factors**2).sum() + rest

    x, *point = map(jnp.asarray, (x, alpha, means, q, lower))

    def product(point, direction):
        return jax.jvp(jax.grad(posterior, (0, 1, 2, 3)), point, direction)

    return {
        "JAX value": (waiting(posterior), *point),
        "JAX gradient": (waiting(jax.grad(posterior, (0, 1, 2, 3))), *point),
        "JAX hvp": (waiting(product), point, [jnp.ones_like(p) for p in point]),
    }


def lstm(main_params: Any, extra_params: Any, state: Any, sequence: Any, direction: Any = None) -> dict[str, Call]:
    """The loss, its loop over bits as arrays and its loop over characters as a scan, plain and with steps unrolled."""
    jax = jax64()
    jnp = jax.numpy
    state, sequence, *point = map(jnp.asarray, (state, sequence, main_params, extra_params))
    direction = [jnp.ones_like(p) for p in point] if direction is None else list(map(jnp.asarray, direction))

    def loss(main_params, extra_params, unroll=1):
        in_weight, out_weight, out_bias = extra_params
        weights = main_params[0::2].reshape(len(state) // 2, 4, -1)
        biases = main_params[1::2].reshape(weights.shape)

        def step(state, characters):
            signal, target = characters[0] * in_weight, characters[1]
            after = []
            for weight, bias, hidden, cell in zip(weights, biases, state[0::2], state[1::2], strict=True):
                gates = jnp.stack([signal, hidden, signal, hidden]) * weight + bias
                forget, ingate, outgate = jax.nn.sigmoid(gates[:3])
                cell = cell * forget + ingate * jnp.tanh(gates[3])
                signal = outgate * jnp.tanh(cell)
                after += [signal, cell]
            prediction = signal * out_weight + out_bias
            log_normaliser = jnp.log(jnp.sum(jnp.exp(prediction)) + 2)
            return jnp.stack(after), jnp.sum(target * (prediction - log_normaliser))

        _, scores = jax.lax.scan(step, state, (sequence[:-1], sequence[1:]), unroll=unroll)
        return -jnp.mean(scores) / sequence.shape[1]

    def unrolled(main_params, extra_params):
        return loss(main_params, extra_params, unroll=4)

    def product(point, direction):
        return jax.jvp(jax.grad(loss, (0, 1)), point, direction)

    return {
        "JAX value": (waiting(loss), *point),
        "JAX gradient": (waiting(jax.grad(loss, (0, 1))), *point),
        "JAX gradient, unrolled": (waiting(jax.grad(unrolled, (0, 1))), *point),
        "JAX hvp": (waiting(product), point, direction),
    }


def ba(cameras: Any, points: Any, weights: Any, seen: Any, features: Any) -> dict[str, Call]:
    """The Jacobian's entries: blocks by forward and by reverse mode, mapped over the observations."""
    jax = jax64()
    jnp = jax.numpy

    def reprojection(inputs, feature):
        rotation, centre, focus, principal, radial, point, weight = jnp.split(inputs, [3, 6, 7, 9, 11, 14])
        p = point - centre
        square = jnp.sum(rotation**2)
        angle = jnp.sqrt(jnp.where(square == 0, 1.0, square))
        w = rotation / angle
        turned = p * jnp.cos(angle) + jnp.cross(w, p) * jnp.sin(angle) + w * (w @ p) * (1 - jnp.cos(angle))
        x, y, z = jnp.where(square == 0, p + jnp.cross(rotation, p), turned)
        seen = jnp.stack([x, y]) / z
        r = jnp.sum(seen**2)
        return weight * (seen * (1 + radial[0] * r + radial[1] * r * r) * focus + principal - feature)

    def residuals(cameras, points, weights):
        inputs = jnp.concatenate([cameras[seen[:, 0]], points[seen[:, 1]], weights[:, None]], axis=1)
        return jnp.concatenate([jax.vmap(reprojection)(inputs, features).ravel(), 1 - weights**2])

    def entries(derivative):
        def of_blocks(cameras, points, weights):
            inputs = jnp.concatenate([cameras[seen[:, 0]], points[seen[:, 1]], weights[:, None]], axis=1)
            return jnp.concatenate([jax.vmap(derivative(reprojection))(inputs, features).ravel(), -2 * weights])

        return of_blocks

    cameras, points, weights, seen, features = map(jnp.asarray, (cameras, points, weights, seen, features))
    point = cameras, points, weights
    return {
        "JAX value": (waiting(residuals), *point),
        "JAX jacrev": (waiting(entries(jax.jacrev)), *point),
        "JAX jacfwd": (waiting(entries(jax.jacfwd)), *point),
    }


def ode(x: Any, s: int) -> dict[str, Call]:
    """The sum of the final state, the steps as a scan."""
    jax = jax64()
    jnp = jax.numpy
    x = jnp.asarray(x)

    def total(x):
        h = 2.0 / s

        def slopes(y):
            return jnp.concatenate([x[:1], x[1:] * y[:-1]])

        def step(y, _):
            k1 = slopes(y)
            k2 = slopes(y + h / 2 * k1)
            k3 = slopes(y + h / 2 * k2)
            k4 = slopes(y + h * k3)
            return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None

        return jnp.sum(jax.lax.scan(step, jnp.zeros_like(x), None, length=s)[0])

    def product(x, direction):
        return jax.jvp(jax.grad(total), (x,), (direction,))

    return {
        "JAX value": (waiting(total), x),
        "JAX gradient": (waiting(jax.grad(total)), x),
        "JAX hvp": (waiting(product), x, jnp.ones_like(x)),
    }


def rosenbrock(x: Any) -> dict[str, Call]:
    """Gradient and Hessian of the chained function, NumPy arrays in and out."""
    jax = jax64()
    jnp = jax.numpy

    def function(x):
        return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    gradient, hessian = jax.jit(jax.grad(function)), jax.jit(jax.hessian(function))
    return {
        "JAX gradient": (lambda x: np.asarray(gradient(x)), x),
        "JAX hessian": (lambda x: np.asarray(hessian(x)), x),
    }
