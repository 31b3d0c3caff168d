"""What becomes of each public name of NumPy: ``python -m dualgrad.catalogue``.

A name is *differentiable* (a word, or said with words), *discrete* (a function of values, whose derivative is zero),
*passing* (it works beside numbers and never sees a derivative) or *refused* (it raises, and the message says what to
write instead).  All is read from the tables that the numbers themselves use, for the NumPy that is installed.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from dualgrad.core.words import WORDS
from dualgrad.lifting import REPLACED
from dualgrad.numbers.functions import outside, table
from dualgrad.numbers.functions.protocols import special_word
from dualgrad.numbers.number import Number
from dualgrad.scipy import special as special_functions

KINDS = ("differentiable", "discrete", "passing", "refused")


CALLING = {np.poly1d, getattr(np, "row_stack", None)}  # ordinary Python of NumPy's that numbers go through


class Entry(NamedTuple):
    """One public name and what becomes of it; ``kind`` is None where nothing is known."""

    name: str
    kind: str | None
    note: str = ""


def entries() -> list[Entry]:
    """Every public callable of ``numpy``, ``numpy.linalg`` and ``numpy.fft``, every attribute of ndarray, and the
    functions of ``scipy.special`` that have a rule.

    Examples
    --------
    >>> from dualgrad.catalogue import entries
    >>> next(e for e in entries() if e.name == "numpy.tanh").kind
    'differentiable'
    """
    found = [_function(name, f) for name, f in _functions()]
    found += [_method(name) for name in dir(np.ndarray) if not name.startswith("_")]
    return found + [_special(name) for name in special_names()]


def _functions() -> Iterator[tuple[str, Any]]:
    for module in (np, np.linalg, np.fft):
        for name in sorted(module.__all__):
            if callable(getattr(module, name)):
                yield f"{module.__name__}.{name}", getattr(module, name)


def _function(name: str, f: Any) -> Entry:
    if name in outside.PASSING:
        return Entry(name, "passing", outside.PASSING[name])
    word = next((w for w in WORDS.values() if w.ufunc is f), None) or table.UFUNCS.get(f)
    if word is not None:
        return Entry(name, "discrete" if word.kind == "discrete" else "differentiable", f"{word.kind} word")
    if f in table.DISCRETE or f in table.DISCRETE_UFUNCS:
        return Entry(name, "discrete")
    if f in table.FUNCTIONS or f in table.COMPOSED:
        return Entry(name, "differentiable", "said with words")
    if name in outside.REFUSED:
        return Entry(name, "refused", outside.REFUSED[name].instead)
    if f in CALLING:
        return Entry(name, "differentiable", "it calls functions that are")
    return Entry(name, "differentiable", "in lifted functions") if f in REPLACED else Entry(name, None)


def _method(attribute: str) -> Entry:
    name = f"ndarray.{attribute}"
    if name in outside.PASSING:
        return Entry(name, "passing", outside.PASSING[name])
    if name in outside.REFUSED:
        return Entry(name, "refused", outside.REFUSED[name].instead)
    if attribute in table.OF_VALUE:
        return Entry(name, "discrete")
    return Entry(name, "differentiable" if hasattr(Number, attribute) else None)


def _special(name: str) -> Entry:
    discrete = name in WORDS and WORDS[name].kind == "discrete"
    return Entry(f"scipy.special.{name}", "discrete" if discrete else "differentiable")


def special_names() -> list[str]:
    """The functions of ``scipy.special`` that have a rule; none where SciPy is not installed."""
    try:
        from scipy import special
    except ImportError:
        return []
    ufuncs = {n: f for n, f in vars(special).items() if isinstance(f, np.ufunc) and not n.startswith("_")}
    found = {n for n, f in ufuncs.items() if special_word(f) is not None or f in table.COMPOSED}
    return sorted(found | {n for n in special_functions.__all__ if hasattr(special, n)})


def to_text(found: list[Entry]) -> str:
    """The catalogue as one reads it: for each kind its names, the refused ones with what to write instead."""
    counts = Counter(e.kind for e in found)
    lines = [f"NumPy {np.__version__}: " + ", ".join(f"{counts[k]} {k}" for k in KINDS if counts[k])]
    for kind in KINDS:
        lines += ["", f"{kind.capitalize()}", "-" * len(kind)]
        names = [e for e in found if e.kind == kind]
        if kind == "refused":
            lines += [f"{e.name}: {e.note}" for e in names]
        else:
            lines += _filled([e.name for e in names])
    return "\n".join(lines)


def _filled(names: list[str], width: int = 100) -> list[str]:
    """Names in rows."""
    rows = [""]
    for name in names:
        if len(rows[-1]) + len(name) > width:
            rows.append("")
        rows[-1] += ("  " if rows[-1] else "") + name
    return rows


if __name__ == "__main__":
    sys.stdout.write(to_text(entries()) + "\n")
