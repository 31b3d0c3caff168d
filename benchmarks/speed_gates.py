"""Gates of compiled derivatives: directions, Taylor series, sweeps that die away, and the time to compile."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import processes
from figures import MICRO, Rows, error, ratio
from numba import njit
from report import Missing, Row
from timing import Race, compilations


@njit
def waves(p, x):
    """Bound by what it computes: sines and exponentials of eight parameters."""
    total = 0.0
    for t in x:
        total += math.sin(p[0] * t + p[1]) * math.exp(-p[2] * t * t) * p[3]
        total += math.tanh(p[4] * t + p[5]) * math.exp(p[6] * math.sin(t + p[7]))
    return total


@njit
def polynomial(p, x):
    """Bound by its few operations for each number: Horner's rule."""
    total = 0.0
    for t in x:
        total += ((((((p[7] * t + p[6]) * t + p[5]) * t + p[4]) * t + p[3]) * t + p[2]) * t + p[1]) * t + p[0]
    return total


@njit
def diffusion(u, k, steps):
    """Bound by memory: three points of the neighbourhood, swept many times."""
    n = u.shape[0]
    v, w = u.copy(), u.copy()
    for _ in range(steps):
        for i in range(1, n - 1):
            w[i] = v[i] + k * (v[i - 1] - 2.0 * v[i] + v[i + 1])
        for i in range(1, n - 1):
            v[i] = w[i]
    return v


@njit
def damped(x, n):
    """The influence of the first step halves in every step, until it is no normal number."""
    s = x[0]
    for k in range(n):
        s = 0.5 * s + x[1] * x[k % 2] * x[k % 2]
    return s


def directions() -> Rows:
    """A tangent beside the value, and eight at once."""
    import dualgrad as dg

    p, x = np.linspace(0.3, 0.9, 8), np.linspace(-1.0, 1.0, 4000)
    for f, one, eight in ((waves, 1.6, 4.0), (polynomial, 2.2, 12.0)):
        push, columns, gradient = dg.pushforward(f), dg.jacobian(f, mode="fwd"), dg.grad(f)
        apart = error(columns(p, x), gradient(p, x))
        yield Row(f"{f.__name__}, columns against the gradient, error", apart, limit=1e-12)
        calls = {"value": (f, p, x), "jvp": (push, (p, x), (p, x)), "eight directions": (columns, p, x)}
        race = Race(calls | {"gradient": (gradient, p, x)})
        yield Row(f"{f.__name__}, value", MICRO * race.median("value"), "µs")
        yield named(f, ratio(race, "jvp", "value", limit=one))
        yield named(f, ratio(race, "eight directions", "value", limit=eight))
        yield named(f, ratio(race, "gradient", "value"))
    u = np.linspace(-1.0, 1.0, 4000)
    calls = {"value": (diffusion, u, 0.1, 20), "jvp": (dg.pushforward(diffusion), (u, 0.1, 20), (u, 0.2, 0))}
    yield named(diffusion, ratio(Race(calls), "jvp", "value", limit=2.2))


def named(f: Callable[..., object], row: Row | Missing) -> Row | Missing:
    """A row that says whose it is."""
    return replace(row, quantity=f"{f.__name__}, {row.quantity}")


def sweeps() -> Rows:
    """A step of a reverse sweep whose cotangents die away, beside one whose do not."""
    import dualgrad as dg

    gradient, few, many = dg.grad(damped), 1000, 100_000
    x = np.array([0.7, 1.3])
    race = Race({"few": (gradient, x, few), "many": (gradient, x, many)}, batch_seconds=0.02)
    per_step = {name: race.median(name) / n for name, n in (("few", few), ("many", many))}
    yield Row("a step, cotangents below 1e-308", 1000 * MICRO * per_step["many"], "ns")
    yield Row("beside a step of 1000, most of them normal", per_step["many"] / per_step["few"], "×", limit=2)


def series() -> Rows:
    """Order 40 of exp(sin t) / (1 + t²) as a kernel: the compiled function, and the verb around it."""
    import problems

    import dualgrad as dg
    from dualgrad.api.route import TAYLOR
    from dualgrad.kernels import derive

    with compilations() as compiled:
        dg.taylor(problems.bump_kernel, 0.3, 5)
    yield Row("functions compiled for every order", len(compiled), limit=1)
    kernel = derive(problems.bump_kernel, (TAYLOR,))
    race = Race({"kernel": (kernel, 0.3, 1.0, 40), "verb": (dg.taylor, problems.bump_kernel, 0.3, 40)})
    yield Row("order 40, compiled function", MICRO * race.median("kernel"), "µs", limit=4)
    yield Row("order 40, dg.taylor", MICRO * race.median("verb"), "µs", limit=4)
    first, _ = processes.first_calls("dg.taylor(bump_kernel, 0.3, 5)")
    yield Row("first call, numba imported, nothing cached", first, "s", limit=1)


def compiling() -> Rows:
    """The first call of a gradient in a new process that has imported numba, and the same from the disk cache."""
    for name, call, limit in (
        ("ten lines", "dg.grad(rosenbrock_kernel)(rosenbrock_point())", 1.5),
        ("gmm", "dg.grad(gmm.posterior, argnums=(0, 1, 2, 3))(*gmm.point(2, 5, 10))", 4.0),
    ):
        cold, warm = processes.first_calls(call)
        yield Row(f"gradient of {name}, compiled", cold, "s", limit=limit)
        yield Row(f"gradient of {name}, from the disk cache", warm, "s", limit=0.4)


SPEED_GATES: dict[str, Callable[[], Rows]] = {
    "directions": directions,
    "sweeps": sweeps,
    "taylor": series,
    "compiling": compiling,
}
