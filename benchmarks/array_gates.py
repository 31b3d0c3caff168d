"""Gates of ordinary NumPy code: small words, large arrays, memory, matrices, series of linear algebra."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import peers
import problems
from figures import MICRO, MILLI, Rows, error, ratio
from problems import Array
from report import Missing, Row
from timing import Race

FEW, MANY = 10, 60  # words in a chain: the difference is the cost of a word, without that of the call


def words() -> Rows:
    """What one elementwise word costs on ten numbers, in forward mode and in both sweeps of a gradient."""
    import dualgrad as dg

    x = np.linspace(-1.0, 1.0, 10)
    contenders: dict[str, tuple] = {}
    for name, word in problems.WORDS.items():
        for count in (FEW, MANY):
            f, total = problems.chain(word, count), problems.chain(word, count, summed=True)
            contenders[f"{name} jvp {count}"] = (lambda x, f=f: dg.jvp(f, (x,), (x,)), x)
            contenders[f"{name} gradient {count}"] = (dg.grad(total), x)
    for count in (FEW, MANY):
        contenders |= peers.optional(peers.autograd_chain, x, count) | peers.optional(peers.jax_eager_chain, x, count)
    race = Race(contenders, batch_seconds=0.004)

    def per_word(name: str) -> float:
        return MICRO * float(np.median(race.seconds[f"{name} {MANY}"] - race.seconds[f"{name} {FEW}"])) / (MANY - FEW)

    for name in problems.WORDS:
        yield Row(f"{name} on 10 numbers, jvp", per_word(f"{name} jvp"), "µs", limit=3)
        yield Row(f"{name} on 10 numbers, both sweeps of a gradient", per_word(f"{name} gradient"), "µs", limit=4)
    for peer in ("HIPS autograd sin gradient", "JAX eager sin gradient"):
        if f"{peer} {MANY}" in race:
            yield Row(f"{peer}: both sweeps", per_word(peer), "µs")
        else:
            yield Missing(peer, "peer not installed")


def large() -> Rows:
    """Derivatives of functions of a million numbers, as multiples of the NumPy value."""
    import dualgrad as dg

    x = np.random.default_rng(0).normal(size=10**6)
    v = np.ones_like(x)
    for f, forward, reverse in ((problems.composite, 2.6, 3.2), (problems.rosenbrock, 4.5, 6)):
        calls = {"value": (f, x), "jvp": (lambda x, f=f: dg.jvp(f, (x,), (v,)), x), "gradient": (dg.grad(f), x)}
        race = Race(calls, rounds=11, batch_seconds=0.02)
        yield Row(f"{f.__name__}, NumPy value", MILLI * race.median("value"), "ms")
        for mode, limit in (("jvp", forward), ("gradient", reverse)):
            yield Row(f"{f.__name__}, {mode} / value", race.ratio(mode, "value"), "×", limit)


def memory() -> Rows:
    """Peak memory, in arrays of the size of the argument."""
    import dualgrad as dg

    x = np.random.default_rng(0).normal(size=10**6)
    yield Row("composite, gradient: peak in arrays", peak(dg.grad(problems.composite), x) / x.nbytes, "", limit=12)
    x, chunk = np.linspace(0.1, 1.0, 1000), 50
    whole, parts = (peak(dg.jacfwd(problems.field, chunk=c), x) for c in (None, chunk))
    yield Row("Jacobian 1000 x 1000: peak of its columns in chunks of 50 / whole", parts / whole, "×", limit=0.7)


def matrices() -> Rows:
    """A dense Jacobian and a dense Hessian beside the peers' that make them from plain array code."""
    import dualgrad as dg

    x = np.linspace(0.1, 1.0, 1000)
    race = Race({"Jacobian": (dg.jacobian(problems.field), x)} | peers.optional(peers.autograd_field, x)
                | peers.optional(peers.torch_field, x), rounds=5, batch_seconds=0.01)  # fmt: skip
    yield Row("Jacobian 1000 x 1000", MILLI * race.median("Jacobian"), "ms")
    for peer in ("HIPS autograd", "torch.func"):
        yield ratio(race, "Jacobian", peer, limit=1)
    x = problems.rosenbrock_point(200)
    hessian = dg.hessian(problems.rosenbrock)
    yield Row("Hessian, n = 200, error", error(hessian(x), problems.rosenbrock_hessian(x)), limit=1e-13)
    race = Race({"Hessian": (hessian, x)} | peers.optional(peers.autograd_hessian, x)
                | peers.optional(peers.torch_hessian, x), rounds=5, batch_seconds=0.01)  # fmt: skip
    yield Row("Hessian, n = 200", MILLI * race.median("Hessian"), "ms")
    for peer in ("HIPS autograd", "torch.func"):
        yield ratio(race, "Hessian", peer, limit=1)


def series() -> Rows:
    """Taylor series of order 10 through linear algebra and the Fourier transform: exact, and in time K² at most."""
    import dualgrad as dg

    for name, (f, residual, size) in problems.SERIES.items():
        start, slope = problems.series_line(name, size)
        coeffs = dg.taylor(f, start, 10, slope).coeffs
        yield Row(f"{name}, order 10, error", residual(start, slope, coeffs), limit=1e-10)
        race = Race({str(k): (dg.taylor, f, start, k, slope) for k in (10, 20)}, rounds=7, batch_seconds=0.01)
        yield Row(f"{name}, order 10", MILLI * race.median("10"), "ms")
        yield Row(f"{name}, order 20 / order 10", race.ratio("20", "10"), "×", limit=4.5)


def peak(f: Callable[[Array], object], x: Array) -> float:
    """Bytes that a call allocates at most, beyond what was there."""
    f(x)
    tracemalloc.start()
    f(x)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return float(found)


ARRAY_GATES: dict[str, Callable[[], Rows]] = {
    "words": words,
    "large": large,
    "memory": memory,
    "matrices": matrices,
    "series": series,
}
