"""What dualgrad promises about speed and exactness, measured beside its peers in one run.

    python benchmarks/gates.py [names…] [--markdown]

Names: words, large, memory, matrices, series, eager, lstm, while, kernel, order40, import, size, stiff, parallel,
numbers, functions, checkpoints, directions, sweeps, taylor, compiling; these by default. The evals of GradBench take
some minutes: gradbench-gmm, gradbench-lstm, gradbench-ba, gradbench-ode, gradbench-rosenbrock, or all of them by the
name gradbench; each runs in a process of its own, on one thread.
Exits with 1 if a limit is not met.
Kernels are compiled into a temporary cache unless DUALGRAD_CACHE_DIR names one.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import peers
import problems
import processes
from array_gates import ARRAY_GATES
from checkpoint_gates import checkpoints
from differences import gradient_by_differences, hvp_by_differences, series_by_differences
from figures import MICRO, MILLI, Rows, elementwise_error, error, inner, ratio
from gradbench import in_jax
from gradbench import lstm as recurrent
from gradbench_gates import EVALS
from native_gates import nopython_numbers
from parallel_gates import parallel
from report import Missing, Row, as_markdown, as_text, machine
from speed_gates import SPEED_GATES
from timing import Race, compilations


def eager() -> Rows:
    """The gradient of a plain NumPy function, and its Hessian by nesting."""
    import dualgrad as dg

    x, f = problems.rosenbrock_point(10), problems.rosenbrock
    contenders = {"value": (f, x), "gradient": (dg.grad(f), x)}
    race = Race(contenders | peers.optional(peers.autograd_rosenbrock, x))
    gradient, hessian = problems.rosenbrock_gradient(x), problems.rosenbrock_hessian(x)
    yield Row("gradient, error", error(dg.grad(f)(x), gradient), limit=1e-14)
    yield Row("hessian, error", error(dg.hessian(f)(x), hessian), limit=1e-14)
    yield Row("jacobian of grad, error", error(dg.jacobian(dg.grad(f))(x), hessian), limit=1e-14)
    yield Row("NumPy value", MICRO * race.median("value"), "µs")
    yield Row("gradient", MICRO * race.median("gradient"), "µs")
    yield ratio(race, "gradient", "value", limit=10)
    yield ratio(race, "gradient", "HIPS autograd", limit=0.25)


def lstm() -> Rows:
    """Gradient and Hessian-vector product of an LSTM written as scalar loops (l = 2, b = 14, c = 1024)."""
    arguments = recurrent.point()
    tangents = recurrent.tangents(arguments)
    rivals = peers.optional(in_jax.lstm, *arguments, tangents[:2])
    reference = {name: function(*args) for name, (function, *args) in rivals.items()}
    value = recurrent.loss(*arguments)
    plain = recurrent.loss.py_func(*arguments)
    yield Row("numba value against plain Python's, error", error(value, plain), limit=1e-12)
    if rivals:
        yield Row("numba value against JAX's, error", error(value, reference["JAX value"]), limit=1e-12)

    import dualgrad as dg

    gradient = dg.grad(recurrent.loss, argnums=(0, 1))
    hvp = dg.pushforward(gradient)
    slopes, product = gradient(*arguments), hvp(arguments, tangents)[1]
    _, slope, curvature = series_by_differences(recurrent.loss, arguments, tangents, order=2)
    yield Row("gradient against differences, error", error(inner(slopes, tangents[:2]), slope), limit=1e-9)
    yield Row("hvp against differences, error", error(inner(product, tangents[:2]), 2 * curvature), limit=1e-6)
    if rivals:
        yield Row("gradient against JAX's, error", error(slopes, reference["JAX gradient"]), limit=1e-11)
        yield Row("hvp against JAX's, error", error(product, reference["JAX hvp"][1]), limit=1e-11)
    ours = {"gradient": (gradient, *arguments), "hvp": (hvp, arguments, tangents)}
    race = Race({"value": (recurrent.loss, *arguments)} | ours | rivals)
    for name in race.seconds:
        yield Row(name, MILLI * race.median(name), "ms")
    yield ratio(race, "gradient", "value", limit=2)
    yield ratio(race, "gradient", "JAX gradient", limit=0.5)
    yield ratio(race, "gradient", "JAX gradient, unrolled")
    yield ratio(race, "hvp", "value", limit=4)
    yield ratio(race, "hvp", "JAX hvp")


def in_place_while() -> Rows:
    """jvp, vjp, hvp and jet of in-place stores inside a data-dependent while, against differences and each other."""
    import dualgrad as dg

    f, point = problems.relaxation, problems.relaxation_point()
    v, w = problems.relaxation_directions()
    series = tuple(np.stack([np.asarray(part), *np.zeros((3, *np.shape(part)))]) for part in v)

    value, slope = dg.jvp(f, point, v)
    gradient = dg.vjp(f, *point)[1](1.0)
    product, other = dg.hvp(f, point, v), dg.hvp(f, point, w)
    head, tail = dg.jet(f, point, series)
    expected = series_by_differences(f, point, v, order=4)

    yield Row("jvp against differences, error", error((value, slope), expected[:2]), limit=1e-9)
    yield Row("vjp against differences, error", error(gradient, gradient_by_differences(f, point)), limit=1e-9)
    yield Row("hvp against differences, error", error(product, hvp_by_differences(f, point, v)), limit=1e-7)
    yield Row("jet of order 4 against differences, error", error((head, *tail), expected), limit=1e-5)
    yield Row("jvp against vjp, error", error(slope, inner(gradient, v)), limit=1e-13)
    yield Row("jvp against jet, error", error(slope, tail[0]), limit=1e-13)
    yield Row("hvp against jet, error", error(inner(product, v), 2 * tail[1]), limit=1e-12)
    yield Row("hvp against its transpose, error", error(inner(product, w), inner(other, v)), limit=1e-12)


def kernel() -> Rows:
    """The gradient of a ten-vector kernel: called from Python, from nopython code, from the disk cache."""
    import dualgrad as dg

    x, f, by_hand = problems.rosenbrock_point(10), problems.rosenbrock_kernel, problems.rosenbrock_kernel_gradient
    gradient = dg.grad(f)
    yield Row("gradient, error", error(gradient(x), problems.rosenbrock_gradient(x)), limit=1e-14)

    contenders = {"value": (f, x), "gradient": (gradient, x), "gradient by hand": (by_hand, x)}
    race = Race(contenders | peers.optional(peers.jax_rosenbrock, x))
    yield Row("numba value, from Python", MICRO * race.median("value"), "µs")
    yield Row("gradient, from Python", MICRO * race.median("gradient"), "µs", limit=0.6)
    yield ratio(race, "gradient", "value")
    yield ratio(race, "gradient", "gradient by hand")
    yield ratio(race, "gradient", "JAX")

    calls = 1000
    loops = {"gradient": gradient, "gradient by hand": by_hand}
    race = Race({f"{name}, nopython": (problems.gradient_loop(call), x.copy(), calls) for name, call in loops.items()})
    yield Row("gradient, from nopython code", MICRO * race.median("gradient, nopython") / calls, "µs", limit=0.2)
    yield ratio(race, "gradient, nopython", "gradient by hand, nopython")

    cold, warm = processes.first_calls()
    yield Row("first call, nothing cached", cold, "s")
    yield Row("first call, from the disk cache", warm, "s", limit=0.5)
    found = processes.derivatives_around_an_edit()
    yield Row("derivative before and after editing a callee, error", error(found, (6.0, 6.0, 9.0)), limit=1e-14)


def order40() -> Rows:
    """The Taylor coefficients of exp(sin t) / (1 + t²) to order 40, with the order known at run time only."""
    import dualgrad as dg

    t, expected = 0.3, problems.bump_coefficients(0.3, 40)
    with compilations() as first:
        dg.taylor(problems.bump_kernel, t, 5)
    with compilations() as further:
        series = {order: dg.taylor(problems.bump_kernel, t, order).coeffs for order in (5, 20, 40)}
    yield Row("functions compiled for order 5", len(first))
    yield Row("further ones for orders 20 and 40", len(further), limit=0)
    for order, coeffs in series.items():
        yield Row(f"kernel, order {order}, error", elementwise_error(coeffs, expected[: order + 1]), limit=1e-10)
    plain = dg.taylor(problems.bump, t, 40).coeffs
    yield Row("plain function, order 40, error", elementwise_error(plain, expected), limit=1e-10)

    race = Race({f.__name__: (dg.taylor, f, t, 40) for f in (problems.bump_kernel, problems.bump)})
    yield Row("kernel, order 40", MICRO * race.median("bump_kernel"), "µs")
    yield Row("plain function, order 40", MICRO * race.median("bump"), "µs")


def import_time() -> Rows:
    """What `import dualgrad` adds to NumPy's import."""
    seconds, numba, scipy = processes.import_seconds()
    yield Row("import after NumPy's", seconds, "s", limit=0.1)
    yield Row("of numba and SciPy, imported with it", numba + scipy, limit=0)


def stiff() -> Rows:
    """Calls of a right-hand side by SciPy's Radau on a stiff Brusselator of 200 points, to t = 2."""
    from scipy.integrate import solve_ivp

    import dualgrad as dg

    f, start = problems.brusselator(200)
    calls = {"ours": 0, "differences": 0}

    def counted(name: str, t: float, z: problems.Array) -> problems.Array:
        calls[name] += 1
        return f(t, z)

    options = {"t_span": (0, 2), "y0": start, "method": "Radau"}
    found = solve_ivp(**dg.interop.solve_ivp(partial(counted, "ours")), **options)
    expected = solve_ivp(partial(counted, "differences"), **options)
    yield Row("solution against differences', error", error(found.y[:, -1], expected.y[:, -1]), limit=1e-2)
    yield Row("calls with our Jacobian", calls["ours"])
    yield Row("calls with differences", calls["differences"])
    yield Row("calls, ours / differences", calls["ours"] / calls["differences"], "×", limit=0.2)


def size() -> Rows:
    """The length of the library."""
    import dualgrad

    files = Path(dualgrad.__file__).parent.rglob("*.py")
    yield Row("lines of dualgrad/", sum(len(path.read_text().splitlines()) for path in files), limit=4999)


GATES: dict[str, Callable[[], Rows]] = {
    **ARRAY_GATES,  # first: in a heap that others have left behind, large arrays take twice the time
    "eager": eager,
    "lstm": lstm,
    "while": in_place_while,
    "kernel": kernel,
    "order40": order40,
    "import": import_time,
    "size": size,
    "stiff": stiff,
    "parallel": parallel,
    "numbers": nopython_numbers,
    "checkpoints": checkpoints,
    "functions": partial(processes.rows_on_one_thread, "vector_gates", "functions"),
    **SPEED_GATES,
}
LONG: dict[str, Callable[[], Rows]] = {
    f"gradbench-{name}": partial(processes.rows_on_one_thread, "gradbench_gates", name) for name in EVALS
}
NAMES = (*GATES, *LONG, "gradbench")


def measured(names: list[str]) -> Iterator[tuple[str, Row | Missing]]:
    """The rows of the gates named; what a gate raises becomes its last row."""
    for name in names:
        try:
            for row in (GATES | LONG)[name]():
                yield name, row
        except Exception as reason:  # a gate that fails must not hide the others
            yield name, Missing("stopped", f"{type(reason).__name__}: {reason}".splitlines()[0], met=False)


def main() -> int:
    """Measure, print, and tell by the exit status whether every limit is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(NAMES)}")
    parser.add_argument("--markdown", action="store_true", help="print the table of the documentation")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"unknown gate: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    names = [name for given in options.names or GATES for name in (LONG if given == "gradbench" else (given,))]
    with tempfile.TemporaryDirectory() as cache:
        os.environ.setdefault("DUALGRAD_CACHE_DIR", cache)
        rows = list(measured(names))
    print(f"{machine()}\n\n{as_markdown(rows) if options.markdown else as_text(rows)}")
    return int(any(row.met is False for _, row in rows))


if __name__ == "__main__":
    sys.exit(main())
