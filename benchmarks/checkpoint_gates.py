"""A million time steps: what the gradient of a time loop costs in time and memory, checkpointed and not."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import processes
from differences import series_by_differences
from figures import MILLI, Rows, error
from numba import njit
from report import Missing, Row
from timing import Race

STEPS = 10**6
SCHEDULES: dict[str, Any] = {"unchecked": None, "sqrt": "sqrt", "cbrt": "cbrt", "every 100": 100}
MEGA = 1e-6


@njit
def pendulum(x, n):
    """Two numbers that a loop carries."""
    v, dt = 0.0, 10.0 / n
    for _ in range(n):
        v = v - dt * math.sin(x)
        x = x + dt * v
    return x * x + v


@njit
def reaction(u0, k, n):
    """A reaction that diffuses on a ring, in two buffers that exchange their names."""
    u, w, dt = u0.copy(), np.zeros_like(u0), 2.0 / n
    for _ in range(n):
        for i in range(len(u)):
            w[i] = u[i] + dt * (k * (u[i - 1] - 2.0 * u[i] + u[i + 1 - len(u)]) + u[i] * (1.0 - u[i] * u[i]))
        u, w = w, u
    s = 0.0
    for i in range(len(u)):
        s += u[i] * u[i] * (i + 1)
    return s


@njit
def logistic(r, x, n):
    """The end of the loop depends on what it computes."""
    t, s = 0, 0.0
    while t < n and s < n:
        x = r * x * (1.0 - x)
        s += x * x
        t += 1
    return s / n


PROBLEMS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "pendulum": (pendulum, (1.0, STEPS)),
    "reaction": (reaction, (np.linspace(0.1, 0.4, 8), 0.3, STEPS)),
    "logistic": (logistic, (3.2, 0.3, STEPS)),
}

PEAK = """
import dualgrad as dg
from checkpoint_gates import PROBLEMS, SCHEDULES
f, args = PROBLEMS[{name!r}]
gradient = dg.grad(f, checkpoint=SCHEDULES[{schedule!r}])
gradient(*args[:-1], 10)

def status(field):
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(field))

with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the peak begins anew
before = status("VmRSS")
gradient(*args)
print(status("VmHWM") - before)
"""


def peak(name: str, schedule: str) -> float:
    """Bytes of memory that a gradient takes at most, in a process of its own."""
    return float(processes.run(PEAK.format(name=name, schedule=schedule)))


def at(f: Any, n: int, *args: Any) -> float:
    """A problem with n steps."""
    return f(*args, n)


def checkpoints() -> Rows:
    """Gradients of a million steps: results, time and memory."""
    import dualgrad as dg

    for name, (f, args) in PROBLEMS.items():
        gradients = {s: dg.grad(f, checkpoint=every) for s, every in SCHEDULES.items()}
        found = {s: gradient(*args) for s, gradient in gradients.items()}
        v = np.linspace(1.0, 0.5, np.size(args[0])) if np.ndim(args[0]) else 1.0
        tangents = (v, *(0.0 for _ in args[1:-1]))
        slope = series_by_differences(partial(at, f, args[-1]), args[:-1], tangents, order=1)[1]
        yield Row(f"{name}, gradient against differences, error", error(np.sum(found["sqrt"] * v), slope), limit=1e-6)
        race = Race({"value": (f, *args)} | {s: (g, *args) for s, g in gradients.items()}, rounds=5)
        yield Row(f"{name}, value of a million steps", MILLI * race.median("value"), "ms")
        try:
            bytes_of = {s: peak(name, s) for s in SCHEDULES}
        except RuntimeError as problem:  # no /proc
            bytes_of = {}
            yield Missing(f"{name}, memory", str(problem))
        for schedule in SCHEDULES:
            if schedule != "unchecked":
                same = error(found[schedule], found["unchecked"])
                yield Row(f"{name}, {schedule}: gradient against unchecked, error", same, limit=1e-12)
            yield Row(f"{name}, {schedule}: gradient / value", race.ratio(schedule, "value"), "×")
            if schedule != "unchecked":
                yield Row(f"{name}, {schedule}: time / unchecked", race.ratio(schedule, "unchecked"), "×", limit=3)
            if bytes_of:
                limit = None if schedule == "unchecked" else 0.05 * bytes_of["unchecked"] * MEGA
                yield Row(f"{name}, {schedule}: memory", MEGA * bytes_of[schedule], "MB", limit=limit)
