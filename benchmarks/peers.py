"""The same problems in other libraries, imported when asked for; one that is not installed is reported and left out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from problems import Array
from timing import Call

Function = Callable[..., Any]


def optional(build: Callable[..., dict[str, Any]], *args: object) -> dict[str, Any]:
    """What `build(*args)` offers, or nothing, with the reason printed, where its library is missing."""
    try:
        return build(*args)
    except ImportError as error:
        print(f"peer left out: {error}", file=sys.stderr)
        return {}


def autograd_rosenbrock(x: Array) -> dict[str, Call]:
    """HIPS autograd: the eager gradient."""
    import autograd
    import autograd.numpy as anp

    def function(x):
        return anp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    return {"HIPS autograd": (autograd.grad(function), x)}


def autograd_chain(x: Array, count: int) -> dict[str, Call]:
    """HIPS autograd: the gradient through a chain of one word."""
    import autograd
    import autograd.numpy as anp

    def f(x):
        for _ in range(count):
            x = anp.sin(x)
        return anp.sum(x)

    return {f"HIPS autograd sin gradient {count}": (autograd.grad(f), x)}


def jax_eager_chain(x: Array, count: int) -> dict[str, Call]:
    """JAX without jit: the gradient through a chain of one word."""
    jax = _jax()

    def f(x):
        for _ in range(count):
            x = jax.numpy.sin(x)
        return x.sum()

    return {f"JAX eager sin gradient {count}": (_waiting(jax.grad(f)), jax.numpy.asarray(x))}


def autograd_field(x: Array) -> dict[str, Call]:
    """HIPS autograd: a dense Jacobian."""
    import autograd
    import autograd.numpy as anp

    def f(x):
        return anp.sin(x) * anp.sum(x * x) + anp.cumsum(x) * x

    return {"HIPS autograd": (autograd.jacobian(f), x)}


def torch_field(x: Array) -> dict[str, Call]:
    """PyTorch: a dense Jacobian by forward mode."""
    import torch

    def f(x):
        return torch.sin(x) * torch.sum(x * x) + torch.cumsum(x, 0) * x

    return {"torch.func": (torch.func.jacfwd(f), torch.from_numpy(x))}


def autograd_hessian(x: Array) -> dict[str, Call]:
    """HIPS autograd: the Hessian of the chained Rosenbrock function."""
    import autograd
    import autograd.numpy as anp

    def f(x):
        return anp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    return {"HIPS autograd": (autograd.hessian(f), x)}


def torch_hessian(x: Array) -> dict[str, Call]:
    """PyTorch: the Hessian of the chained Rosenbrock function."""
    import torch

    def f(x):
        return torch.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    return {"torch.func": (torch.func.hessian(f), torch.from_numpy(x))}


def jax_rosenbrock(x: Array) -> dict[str, Call]:
    """Jitted JAX: the gradient, a NumPy array in and out."""
    jax = _jax()
    jnp = jax.numpy

    def function(x):
        return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    gradient = jax.jit(jax.grad(function))
    return {"JAX": (lambda x: np.asarray(gradient(x)), x)}


def jax_ufunc(name: str, x: Array) -> dict[str, Call]:
    """Jitted JAX: a function of numbers on an array."""
    jax = _jax()
    return {"JAX": (_waiting(jax.jit(getattr(jax.numpy, name))), jax.numpy.asarray(x))}


def _jax() -> Any:
    """JAX in double precision."""
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax


def _waiting(function: Function) -> Function:
    """The function, returning once its result has been computed."""
    import jax

    return lambda *args: jax.block_until_ready(function(*args))
