"""How far vector math is from the truth, in units in the last place, beside the C library and NumPy.

    python benchmarks/ulps.py [points] [names…]

For each function and region: the largest error over random points (20,000 by default), against mpmath.  The regions
cover every finite argument; some are those where a formula is at its worst: edges of the reduced range, zeros, results
that are subnormal, arguments next to multiples of pi/2.  The table is that of docs/vector_math.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import mpmath
import numpy as np
from numba import njit
from report import machine

from dualgrad.backends import vector_math

Points = np.ndarray
rng = np.random.default_rng(0)
mpmath.mp.prec = 200


def line(low: float, high: float) -> Callable[[int], Points]:
    return lambda n: rng.uniform(low, high, n)


def scale(low: float, high: float, center: float = 0.0) -> Callable[[int], Points]:
    """Points whose distance from a center is of any order of magnitude, on both sides."""
    return lambda n: center + 2.0 ** rng.uniform(low, high, n) * rng.choice([-1.0, 1.0], n)


def next_to_quarters(n: int) -> Points:
    """Floats very near multiples of pi/2: the convergents of 2**e/(pi/2) for every exponent e."""
    return np.array([near for e in range(-52, 971) for near in convergents(e)])


def convergents(e: int) -> Iterator[float]:
    """The floats q 2**e where p/q are the best fractions for 2**e/(pi/2)."""
    with mpmath.workprec(2400):
        rest = mpmath.mpf(2) ** (e + 1) / mpmath.pi
        q, before = 1, 0
        for _ in range(60):
            rest = 1 / (rest - mpmath.floor(rest))
            q, before = int(mpmath.floor(rest)) * q + before, q
            if q >= 2**53:
                return
            yield float(q) * 2.0**e


WAVES = [
    ("up to 1", line(-1, 1)), ("up to 100", line(-100, 100)), ("2**-1074 … 2**36", scale(-1074, 36)),
    ("2**30 … 2**1023", scale(30, 1023)), ("next to k pi/2", next_to_quarters),
    ("floats of k pi/4", lambda n: np.pi / 4 * rng.integers(-(2**40), 2**40, n)),
]  # fmt: skip
REGIONS: dict[str, list[tuple[str, Callable[[int], Points]]]] = {
    "exp": [("up to 1", line(-1, 1)), ("all", line(-745.2, 709.8)), ("subnormal results", line(-745.2, -708)),
            ("largest results", line(709, 709.79)), ("small", scale(-1074, 0))],
    "expm1": [("up to 1", line(-1, 1)), ("all", line(-40, 709.8)), ("edge", line(0.34, 0.36)),
              ("small", scale(-1074, 0))],
    "log": [("1/2 … 2", line(0.5, 2)), ("all", lambda n: np.abs(scale(-1074, 1023.99)(n))),
            ("next to 1", scale(-53, -2, 1.0)), ("edges", line(1.40, 1.43))],
    "log1p": [("up to 1", line(-0.9, 1)), ("next to -1", lambda n: -1 + 2.0 ** rng.uniform(-53, -1, n)),
              ("large", lambda n: 2.0 ** rng.uniform(0, 1023.99, n)), ("small", scale(-1074, -1)),
              ("edges", line(-0.36, -0.28))],
    "tanh": [("up to 1", line(-1, 1)), ("all", line(-20, 20)), ("small", scale(-1074, 0)), ("edges", line(0.17, 0.21))],
    "sin": WAVES,
    "cos": WAVES,
}  # fmt: skip


def loop(f: Callable[[float], float]) -> Callable[[Points], Points]:
    """A compiled loop over an array."""

    @njit(error_model="numpy")
    def each(x: Points) -> Points:
        y = np.empty_like(x)
        for i in range(len(x)):
            y[i] = f(x[i])
        return y

    return each


def worst(truth: list[mpmath.mpf], found: Points) -> float:
    """The largest error in units in the last place of the true value's float."""
    pairs = [(t, y) for t, y in zip(truth, found.tolist(), strict=True) if y != float(t) or abs(y) < np.inf]
    errors = [abs(mpmath.mpf(y) - t) / unit(t) for t, y in pairs]
    return float(max(errors, default=0))


def unit(t: mpmath.mpf) -> mpmath.mpf:
    return mpmath.mpf(2) ** max(mpmath.frexp(t)[1] - 53, -1074)


def main() -> None:
    points, *names = sys.argv[1:] or ["20000"]
    print(f"{machine()}\n\n| function | arguments | ulp | C library | NumPy |\n| --- | --- | ---: | ---: | ---: |")
    for name in names or REGIONS:
        ours, libm, numpy = loop(getattr(vector_math, name)), loop(getattr(np, name)), getattr(np, name)
        for region, draw in REGIONS[name]:
            x = draw(int(points))
            with np.errstate(all="ignore"):
                results = ours(x), libm(x), numpy(x)
            with mpmath.workprec(2400 if region == "next to k pi/2" else 200):
                truth = [getattr(mpmath, name)(mpmath.mpf(v)) for v in x.tolist()]
            print(f"| {name} | {region} | " + " | ".join(f"{worst(truth, y):.3f}" for y in results) + " |", flush=True)


if __name__ == "__main__":
    main()
