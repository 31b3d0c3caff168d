"""Functions of numbers in compiled loops, per element: vector math beside the C library, NumPy and jitted JAX."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import peers
from figures import Rows, ratio
from gradbench_gates import named
from numba import njit
from problems import Array
from report import Row
from timing import Call, Race

NAMES = ("exp", "log", "sin", "cos", "tanh", "expm1", "log1p")
COUNT = 20_000  # they stay in the second level of the cache, and JAX's call costs little beside them
NANO = 1e9 / COUNT


def functions() -> Rows:
    """Nanoseconds per element of an array that is written into another one; JAX makes a new one."""
    from dualgrad.backends import vector_math

    points = np.random.default_rng(0).uniform(-3.0, 3.0, COUNT)
    for name in NAMES:
        x, out = np.abs(points) + 1e-3 if name.startswith("log") else points, np.empty(COUNT)
        contenders: dict[str, Call] = {
            "vector math": (filled(getattr(vector_math, name)), x, out),
            "C library": (filled(getattr(np, name)), x, out),
            "NumPy": (getattr(np, name), x, out),
        }
        race = Race(contenders | peers.optional(peers.jax_ufunc, name, x))
        yield named(name, Row("vector math", NANO * race.median("vector math"), "ns"))
        yield named(name, ratio(race, "vector math", "C library", limit=0.6))
        for other in ("NumPy", "JAX"):
            yield named(name, ratio(race, "vector math", other))


def filled(f: Callable[[float], float]) -> Callable[[Array, Array], None]:
    """A compiled loop over an array."""

    @njit(error_model="numpy")
    def each(x: Array, out: Array) -> None:
        for i in range(len(x)):
            out[i] = f(x[i])

    return each


EVALS = {"functions": functions}
