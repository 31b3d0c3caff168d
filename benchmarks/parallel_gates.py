"""What an executor gains: Jacobian columns and shards of data by two threads, by two processes, and by neither."""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import numpy as np
from figures import MILLI, Rows, error
from numba import njit
from report import Row
from timing import Race

POINT = np.linspace(0.1, 1.0, 64)
GRID = np.linspace(0.0, 1.0, 4000)
DATA = np.random.default_rng(0).normal(size=(4, 200_000))


def large(x: Any) -> Any:
    """Few words on large arrays: NumPy works without the interpreter's lock."""
    return np.sum(np.sin(np.outer(x, GRID)) ** 2, 1)


def small(x: Any) -> Any:
    """Many words on numbers: the interpreter's lock is held all the time."""
    y = x
    for _ in range(300):
        y = 0.99 * y + 0.01 * np.roll(y, 1) * y
    return y


def misfit(p: Any, data: Any) -> Any:
    """A sum over data in NumPy."""
    return np.sum(np.log(np.cosh(p[0] + p[1] * data)) ** 2)


@njit
def kernel_misfit(p, data):
    s = 0.0
    for v in data:
        s += math.log(math.cosh(p[0] + p[1] * v)) ** 2
    return s


def parallel() -> Rows:
    """Two workers against none, on this machine's cores."""
    import dualgrad as dg

    p = np.array([0.3, 0.7])

    def tasks(executor: Any) -> dict[str, tuple[Any, ...]]:
        made: dict[str, tuple[Any, ...]] = {
            f"columns, {f.__name__} words": (dg.jacfwd(f, chunk=32, executor=executor), POINT) for f in (large, small)
        }
        for name, f in {"shards, NumPy": misfit, "shards, kernel": kernel_misfit}.items():
            made[name] = dg.interop.over_shards(f, list(DATA), executor=executor), p
        return made

    with ThreadPoolExecutor(2) as threads, ProcessPoolExecutor(2) as processes:
        ways = {"alone": tasks(None), "threads": tasks(threads), "processes": tasks(processes)}
        for task, (alone, x) in ways["alone"].items():
            contenders = {way: ways[way][task] for way in ways}
            yield Row(f"{task}: threads, error", error(contenders["threads"][0](x), alone(x)), limit=1e-12)
            race = Race(contenders, rounds=11, batch_seconds=0.1)
            yield Row(f"{task}, alone", MILLI * race.median("alone"), "ms")
            for way in ("threads", "processes"):
                yield Row(f"{task}: {way} / alone", race.ratio(way, "alone"), "×")
