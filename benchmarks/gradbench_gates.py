"""GradBench's evals beside their peers: gmm, lstm, ba, ode, and the small functions that are called from Python.

Run through `gates.py`, which gives each a process with one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import peers
import problems
from figures import MICRO, MILLI, Rows, error, ratio
from gradbench import ba as bundle
from gradbench import gmm as mixtures
from gradbench import in_autograd, in_casadi, in_jax, in_torch
from gradbench import lstm as recurrent
from gradbench import ode as chain
from report import Missing, Row
from timing import Call, Race

Calls = dict[str, Call]
SLOW = ("PyTorch", "HIPS autograd", "CasADi")


def gmm() -> Rows:
    """The gradient of the log posterior: loops, products of matrices, and derived by hand."""
    import dualgrad as dg

    by = (0, 1, 2, 3)
    loops, matrices = (dg.grad(f, argnums=by) for f in (mixtures.posterior, mixtures.posterior_of_matrices))
    hvp = dg.pushforward(loops)
    for d, k in ((2, 5), (2, 25), (10, 5), (10, 25), (64, 5), (64, 25)):
        point = mixtures.point(d, k, 1000)
        expected = mixtures.gradient_by_hand(*point)
        for name, gradient in (("loops", loops), ("matrices", matrices)):
            yield Row(f"d={d} k={k}: gradient, {name}, error", error(gradient(*point), expected), limit=1e-11)
        ours: Calls = {
            "value": (mixtures.posterior, *point),
            "value, matrices": (mixtures.posterior_of_matrices, *point),
            "gradient": (loops, *point),
            "gradient, matrices": (matrices, *point),
            "gradient by hand": (mixtures.gradient_by_hand, *point),
            "hvp": (hvp, point, directions(point, by)),
        }
        race, slow = races(ours, rivals("gmm", point), "gradient")
        yield from times(f"d={d} k={k}", race, slow)
        for row in (
            ratio(race, "gradient", "value"),
            ratio(race, "gradient", "gradient by hand", limit=1.3),
            ratio(race, "gradient", "JAX gradient"),
            ratio(race, "gradient, matrices", "value, matrices"),
            ratio(race, "gradient, matrices", "JAX gradient", limit=1.0),
            ratio(race, "hvp", "value", limit=5.0),
            *(ratio(slow, "gradient", f"{peer} gradient") for peer in SLOW[:2]),
        ):
            yield named(f"d={d} k={k}", row)


def lstm() -> Rows:
    """The gradient of the loss by all weights."""
    import dualgrad as dg

    gradient = dg.grad(recurrent.loss, argnums=(0, 1))
    hvp = dg.pushforward(gradient)
    for layers, characters in ((2, 1024), (2, 4096), (4, 1024), (4, 4096)):
        size = f"l={layers} c={characters}"
        point = recurrent.point(layers, 14, characters)
        ours: Calls = {
            "value": (recurrent.loss, *point),
            "gradient": (gradient, *point),
            "hvp": (hvp, point, directions(point, (0, 1))),
        }
        peers_here = rivals("lstm", point) if characters == 1024 else rivals("lstm", point, (in_jax,))
        yield from agreement(size, ours, peers_here, "gradient", 1e-11)
        race, slow = races(ours, peers_here, "gradient")
        yield from times(size, race, slow)
        for row in (
            ratio(race, "gradient", "value", limit=2.0),
            ratio(race, "gradient", "JAX gradient", limit=0.4),
            ratio(race, "gradient", "JAX gradient, unrolled"),
            ratio(race, "hvp", "value", limit=5.0),
            ratio(race, "hvp", "JAX hvp"),
            *(ratio(slow, "gradient", f"{peer} gradient") for peer in SLOW[:2] if characters == 1024),
        ):
            yield named(size, row)


def ba() -> Rows:
    """The sparse Jacobian of 31843 observations: its entries, row by row."""
    point = bundle.point()
    entries = bundle.sparse_jacobian()
    ours: Calls = {"value": (bundle.residuals, *point), "Jacobian": (entries, *point)}
    peers_here = rivals("ba", point)
    yield from agreement("", ours, peers_here, "Jacobian", 1e-10)
    race, slow = races(ours, peers_here, "Jacobian")
    yield from times("", race, slow)
    yield ratio(race, "Jacobian", "value")
    fastest = min((n for n in ("JAX jacrev", "JAX jacfwd") if n in race), key=race.median, default="JAX jacrev")
    yield ratio(race, "Jacobian", fastest, limit=0.3)
    for peer in SLOW:
        yield ratio(slow, "Jacobian", f"{peer} Jacobian")


def ode() -> Rows:
    """The gradient of the sum of the final state, the steps as loops and as whole arrays."""
    import dualgrad as dg

    loops, arrays = dg.grad(chain.total), dg.grad(chain.total_of_arrays)
    hvp = dg.pushforward(loops)
    for n in (100, 1000):
        point = chain.point(n, 100)
        ours: Calls = {
            "value": (chain.total, *point),
            "gradient": (loops, *point),
            "gradient, arrays": (arrays, *point),
            "hvp": (hvp, point, (np.ones(n), 0)),
        }
        peers_here = rivals("ode", point)
        yield from agreement(f"n={n}", ours, peers_here, "gradient", 1e-12)
        race, slow = races(ours, peers_here, "gradient")
        yield from times(f"n={n}", race, slow)
        for row in (
            ratio(race, "gradient", "value"),
            ratio(race, "gradient", "JAX gradient", limit=0.4),
            ratio(race, "gradient, arrays", "JAX gradient", limit=0.4),
            ratio(race, "hvp", "value", limit=5.0),
            *(ratio(slow, "gradient", f"{peer} gradient") for peer in SLOW),
        ):
            yield named(f"n={n}", row)


def rosenbrock() -> Rows:
    """Gradient of ten numbers and Hessian of a hundred, called from Python with NumPy arrays in and out."""
    import dualgrad as dg

    gradient, hessian = dg.grad(problems.rosenbrock_kernel), dg.hessian(problems.rosenbrock_kernel)
    for what, call, n, limit in (("gradient", gradient, 10, 0.6), ("hessian", hessian, 100, None)):
        x = problems.rosenbrock_point(n)
        expected = getattr(problems, f"rosenbrock_{what}")(x)
        yield Row(f"{what}, n={n}, error", error(call(x), expected), limit=1e-14)
        jax = peers.optional(in_jax.rosenbrock, x)
        race = Race({what: (call, x)} | {name: jax[name] for name in jax if name.endswith(what)})
        for name in race.seconds:
            yield Row(f"{name}, n={n}", MICRO * race.median(name), "µs", limit if name == what else None)
        yield ratio(race, what, f"JAX {what}", limit=1 / 8)


def rivals(name: str, point: tuple, libraries: Iterable[Any] = (in_jax, in_torch, in_autograd, in_casadi)) -> Calls:
    """The calls of the libraries that have the eval and are installed."""
    found: Calls = {}
    for library in libraries:
        if hasattr(library, name):
            found |= peers.optional(getattr(library, name), *point)
    return found


def agreement(size: str, ours: Calls, others: Calls, what: str, limit: float) -> Rows:
    """The largest difference of each peer's derivative from ours: there is no need to trust either."""
    function, *arguments = ours[what]
    expected = function(*arguments)
    for name, (peer, *point) in others.items():
        if what in name or name.startswith("JAX jac"):
            found = peer(*point)
            found = [np.asarray(part) for part in found] if isinstance(found, tuple | list) else np.asarray(found)
            yield named(size, Row(f"{what} against {name}, error", error(found, expected), limit=limit))


def races(ours: Calls, others: Calls, what: str) -> tuple[Race, Race]:
    """Jitted calls in many rounds; the derivative beside the eager peers, which take long, in a few."""
    slow = {name: call for name, call in others.items() if name.startswith(SLOW)}
    fast = {name: call for name, call in others.items() if name not in slow}
    few = Race({what: ours[what]} | slow, rounds=3, batch_seconds=0.001) if slow else Race({})
    return Race(ours | fast, rounds=11, batch_seconds=0.02), few


def times(size: str, *found: Race) -> Rows:
    """Milliseconds of every contender."""
    seen: set[str] = set()
    for race in found:
        for name in race.seconds:
            if name not in seen:
                yield named(size, Row(name, MILLI * race.median(name), "ms"))
        seen |= set(race.seconds)


def directions(point: tuple, by: tuple[int, ...]) -> tuple:
    """Ones for the arguments in ``by``, zeros for the others."""
    return tuple(np.full_like(x, float(k in by)) if np.ndim(x) else x * 0 for k, x in enumerate(point))


def named(size: str, row: Row | Missing) -> Row | Missing:
    """The row with the size before its quantity."""
    from dataclasses import replace

    return replace(row, quantity=f"{size}: {row.quantity}") if size else row


EVALS: dict[str, Callable[[], Rows]] = {"gmm": gmm, "lstm": lstm, "ba": ba, "ode": ode, "rosenbrock": rosenbrock}
