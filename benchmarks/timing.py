"""Several calls timed in turn, so that the machine's noise falls on all of them alike.

One round times every contender once, in a shuffled order; two contenders are compared by the median of their ratios,
taken round by round.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

Call = tuple[Any, ...]
"""A function followed by its arguments."""


class Race:
    """Seconds per call of each contender: `seconds[name]` has one entry per round."""

    def __init__(self, contenders: Mapping[str, Call], rounds: int = 21, batch_seconds: float = 0.008):
        timers = {name: _timer(*call) for name, call in contenders.items()}
        batches = {name: _batch_size(timer, batch_seconds) for name, timer in timers.items()}
        times: dict[str, list[float]] = {name: [] for name in timers}
        shuffle = np.random.default_rng(0).permutation
        for _ in range(rounds):
            for name in shuffle(list(timers)):
                times[name].append(timers[name].timeit(batches[name]) / batches[name])
        self.seconds = {name: np.array(values) for name, values in times.items()}

    def __contains__(self, name: str) -> bool:
        return name in self.seconds

    def median(self, name: str) -> float:
        """Median seconds of one call."""
        return float(np.median(self.seconds[name]))

    def ratio(self, name: str, other: str) -> float:
        """How many times longer `name` takes than `other`: the median over the rounds."""
        return float(np.median(self.seconds[name] / self.seconds[other]))


def _timer(function: Callable[..., object], *args: object) -> timeit.Timer:
    """A timer of `function(*args)` written out by name: unpacking a tuple would cost as much as a small kernel."""
    names = {f"a{i}": arg for i, arg in enumerate(args)}
    return timeit.Timer(f"f({', '.join(names)})", globals={"f": function, **names})


def _batch_size(timer: timeit.Timer, seconds: float) -> int:
    """Calls that fill `seconds`; the first call (compilation, caches) is not counted."""
    timer.timeit(1)
    calls = 1
    while (elapsed := timer.timeit(calls)) < seconds:
        calls = max(2 * calls, int(calls * seconds / max(elapsed, 1e-9)))
    return calls


@contextmanager
def compilations() -> Iterator[list[str]]:
    """The list of functions that numba compiles (rather than loads) inside the `with` block."""
    from numba.core import event

    compiled: list[str] = []

    class Recorder(event.Listener):
        def on_start(self, event: event.Event) -> None:
            compiled.append(event.data["dispatcher"].py_func.__name__)

        def on_end(self, event: event.Event) -> None:
            pass

    with event.install_listener("numba:compile", Recorder()):
        yield compiled
