"""The docs page on the kernel language, printed from what the reader knows and from the fence.

``python -m dualgrad.read.page > docs/kernel_language.md`` writes it; a test keeps both the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from dualgrad.backends.compiled_special import SCIPY
from dualgrad.core.fence import OTHER_SYNTAX, PROGRAMS, REFUSED, REVERSE, SYNTAX, Row

from .calls import HANDLERS, scalar_words
from .products import FUNCTIONS, METHODS

# What the reader reads beside functions: statement or expression | how.
SUPPORTED = """
    assignments | `a = b = x`, `a, (b, c) = t`, `x += 1` and the other augmented ones, annotations, stores into elements, slices and views
    loops | `for` over ranges of any step, `prange` (one turn after the other), arrays, tuples, `enumerate`, `zip`, `np.ndindex`, `np.ndenumerate`, `a.flat`; `while`; `break`, `continue`, `else`
    branches | `if`, `elif`, conditional expressions, chained comparisons, `and`, `or`, `not`, `in` of tuples, `is None`
    returns | early and several; numbers, arrays, nested tuples; a kernel that returns nothing has the arrays it wrote for results
    errors | `raise` of Python's exceptions with literal arguments, `assert`
    numbers | bool, int, float32, float64, complex64, complex128; `+ - * / // % ** @`; bits of integers
    arrays | n axes, negative indices, slices, `...`, `None`, views and rows that alias as in NumPy, an array of integers as the only index, `a[mask] = number`
    arguments | defaults and keywords; None and strings where they are known in advance; functions
    names from outside | numbers, tuples, arrays (frozen, as in numba), functions, attributes of modules
    other functions | `@njit` and plain functions of the same kind, with as many argument types as they are called with; `@vectorize`; derivatives made by dualgrad; functions with `dg.custom_jvp`, `dg.custom_vjp` or a row by `dg.elementary`; `dg.stop_gradient`
"""  # noqa: E501


def lines(text: str) -> list[list[str]]:
    return [line.strip().split(" | ") for line in text.strip().splitlines()]


def spelled(function: Any) -> str:
    """``np.sin``, ``math.sin``, ``len``"""
    name = getattr(function, "__name__", "")
    for home, module in (("np", np), ("np.linalg", np.linalg), ("math", math)):
        if getattr(module, name, None) is function:
            return f"{home}.{name}"
    return name if getattr(function, "__module__", "") == "builtins" else ""


def functions() -> dict[str, list[str]]:
    """The names of the functions that are read, by module."""
    known = {spelled(f) for f in (*scalar_words(), *HANDLERS, *FUNCTIONS)} - {""}
    homes = {home: sorted(n for n in known if n.rpartition(".")[0] == home) for home in ("np", "np.linalg", "math", "")}
    return homes | {"methods of arrays": sorted(f".{name}" for name in METHODS)}


def table(head: tuple[str, ...], rows: Iterable[Iterable[str]]) -> list[str]:
    """A Markdown table."""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *cells)]


def refused(rows: Iterable[Row]) -> list[str]:
    return table(("construct", "why", "instead"), [(code(r.construct), code(r.why), code(r.do)) for r in rows])


def code(text: str) -> str:
    """The fields of a message as dots."""
    for field in ("{code}", "{name!r}", "{name}", "{array}", "{rank}", "{reason}", "{function}"):
        text = text.replace(field, "…")
    return text.replace("*", "\\*").replace("<", "\\<") if "`" not in text else text


def page() -> str:
    """The page as Markdown."""
    syntax = [*SYNTAX.values(), OTHER_SYNTAX]
    out = [
        "# The kernel language",
        "",
        "What an `@njit` function may contain to be differentiated, and what it may not. This page is printed from the"
        " tables of the reader; the errors are made from the same rows.",
        "",
        "Types are numba's. What numba does not compile cannot be differentiated either.",
        "",
        "## What is read",
        "",
        *table(("", ""), lines(SUPPORTED)),
        "",
        "### Functions",
        "",
    ]
    for home, names in functions().items():
        title = {"np": "NumPy", "np.linalg": "Linear algebra", "math": "math", "": "Python"}.get(home, "Arrays")
        out += [f"{title}: " + ", ".join(f"`{n}`" for n in names) + ".", ""]
    out += ["`scipy.special`, of numbers: " + ", ".join(f"`{n}`" for n in sorted(SCIPY)) + ".", ""]
    out += [
        "## What is refused",
        "",
        "An error shows the file, the line and its text, the reason and the way out.",
        "",
        "Forward mode goes further: `jvp`, `pushforward` and `derivative` follow numbers through what has no program"
        " (recursion, lists, dicts, exceptions, generators, nested functions), if it writes into no array. So does a"
        " call with `dg.Dual` or `dg.Jet` in nopython code.",
        "",
        f"Syntax, because {PROGRAMS}:",
        "",
        *table(("construct", "instead"), {r.construct: (r.construct, code(r.do)) for r in syntax}.values()),
        "",
        *refused(REFUSED.values()),
        "",
        "## What is compiled, and when",
        "",
        "A derivative is compiled for the argument types that it meets, and kept on disk for other processes"
        " (`DUALGRAD_CACHE_DIR`). The logger `dualgrad` says at level INFO what was compiled, how long it took and"
        " where its source is: `logging.basicConfig(level=logging.INFO)`. `dg.source(dg.grad(f), x)` is that source.",
        "",
        "## What only reverse mode refuses",
        "",
        "`jvp`, `jacfwd`, `jet` and the other forward modes differentiate these.",
        "",
        *refused(REVERSE.values()),
    ]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    print(page(), end="")
