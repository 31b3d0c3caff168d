"""Figures that only a fresh Python process can tell: import times, the first call, and what the disk cache returns."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

IMPORTS = """
import sys
from time import perf_counter
import numpy
start = perf_counter()
import dualgrad
print(perf_counter() - start, "numba" in sys.modules, "scipy" in sys.modules)
"""

FIRST_CALL = """
from time import process_time
import numba
import dualgrad as dg
from problems import bump_kernel, rosenbrock_kernel, rosenbrock_point
from gradbench import gmm
start = process_time()
{call}
print(process_time() - start)
"""

CALLER = """
from numba import njit
from callee import power

@njit
def function(x):
    return power(x)
"""

CALLEE = """
from numba import njit

@njit
def power(x):
    return {factor} * x * x
"""

DERIVATIVE = """
import dualgrad as dg
from caller import function
print(dg.grad(function)(1.5))
"""


def import_seconds(runs: int = 7) -> tuple[float, bool, bool]:
    """Median seconds that `import dualgrad` adds after NumPy's import; whether it imported numba; whether SciPy."""
    outputs = [run(IMPORTS).split() for _ in range(runs)]
    seconds, numba, scipy = zip(*outputs, strict=True)
    return median(map(float, seconds)), "True" in numba, "True" in scipy


ROSENBROCK = "dg.grad(rosenbrock_kernel)(rosenbrock_point())"


def first_calls(call: str = ROSENBROCK, warm_runs: int = 3) -> tuple[float, float]:
    """Seconds of the first call in a new process that has numba: with an empty cache, and (median) from the disk.

    Seconds of the processor, which other processes disturb less.
    """
    with tempfile.TemporaryDirectory() as cache:
        cold, *warm = (float(run(FIRST_CALL.format(call=call), cache)) for _ in range(1 + warm_runs))
    return cold, median(warm)


def derivatives_around_an_edit() -> tuple[float, float, float]:
    """The derivative of a x² at 1.5 in three processes with one cache: a = 2, a = 2, a = 3.

    The function lives in one file and the callee that holds `a` in another, the only one that is edited; its size
    stays the same.
    """
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as folder:
        Path(folder, "caller.py").write_text(CALLER)
        values = []
        for factor in ("2.0", "2.0", "3.0"):
            Path(folder, "callee.py").write_text(CALLEE.format(factor=factor))
            values.append(float(run(DERIVATIVE, cache, folder)))
    first, again, edited = values
    return first, again, edited


ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
ROWS = """
import os, pickle, sys
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {{max(os.sched_getaffinity(0))}})
from {module} import EVALS
out = sys.stdout.buffer
sys.stdout = sys.stderr
pickle.dump(list(EVALS["{name}"]()), out)
"""


def rows_on_one_thread(module: str, name: str) -> Iterator[Any]:
    """The rows that `EVALS[name]()` of a module yields in a process that has one processor, and peers one thread."""
    yield from pickle.loads(_output(ROWS.format(module=module, name=name), ONE_THREAD))


def run(script: str, cache: str | None = None, *folders: str) -> str:
    """What a new Python process prints that runs `script`, with the benchmarks and `folders` importable."""
    return _output(script, {} if cache is None else {"DUALGRAD_CACHE_DIR": cache}, *folders).decode()


def _output(script: str, variables: dict[str, str], *folders: str) -> bytes:
    import dualgrad

    library = str(Path(dualgrad.__file__).parents[1])
    search = (*folders, str(Path(__file__).parent), library, os.environ.get("PYTHONPATH", ""))
    variables = variables | {"PYTHONPATH": os.pathsep.join(filter(None, search)), "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run([sys.executable, "-c", script], env=os.environ | variables, capture_output=True)
    if result.returncode:
        raise RuntimeError(result.stderr.decode().strip().splitlines()[-1])
    return result.stdout
