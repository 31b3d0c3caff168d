"""What NumPy's names mean for numbers: the tables, and how a function enters them.

A composition is an ordinary function over numbers, entered under the NumPy function it stands for::

    @means(np.trace, method=True)
    def trace(x, offset=0, axis1=0, axis2=1): ...

It is written with functions that have a meaning already, so it works in every mode; a derivative is never
written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np

from dualgrad.core.errors import UnsupportedError
from dualgrad.core.words import WORDS

from ..number import Number, current

F = TypeVar("F", bound=Callable[..., Any])

UFUNCS = {w.ufunc: w for w in WORDS.values() if isinstance(w.ufunc, np.ufunc)}  # those that are one word
# Elementary words of one argument; the derivative of abs depends on the dtype.
ELEMENTARY = {u: w for u, w in UFUNCS.items() if w.kind == "elementary" and u.nin == 1 and u is not np.absolute}
COMPOSED: dict[np.ufunc, Callable[..., Any]] = {}  # those that are said with words
REDUCTIONS: dict[np.ufunc, Callable[..., Any]] = {}  # what their `reduce` is
FUNCTIONS: dict[Any, Callable[..., Any]] = {}
METHODS: dict[str, Any] = {}  # of ndarray
# Ufuncs and functions of the value alone.
DISCRETE_UFUNCS = {
    np.isfinite, np.isinf, np.isnan, np.signbit, np.logical_and, np.logical_or, np.logical_not, np.logical_xor,
    np.sign, np.floor, np.ceil, np.trunc, np.rint, np.floor_divide,
}  # fmt: skip
DISCRETE = {
    np.argmax, np.argmin, np.argsort, np.all, np.any, np.nonzero, np.count_nonzero, np.searchsorted, np.array_equal,
    np.allclose, np.isclose, np.iscomplexobj, np.isrealobj, np.result_type, np.sign, np.round, np.fix, np.argwhere,
    np.flatnonzero, np.lexsort, np.digitize, np.shares_memory, np.may_share_memory, np.can_cast, np.unravel_index,
}  # fmt: skip


def means(*functions: Any, method: bool | str = False) -> Callable[[F], F]:
    """Enter a function as the meaning of NumPy functions, and as ndarray's method of its name or the one given."""

    def enter(f: F) -> F:
        FUNCTIONS.update(dict.fromkeys(functions, f))
        if method:
            METHODS[f.__name__ if method is True else method] = f
        return f

    return enter


def unsupported(what: str, hint: str = "") -> UnsupportedError:
    return UnsupportedError(
        f"{what} has no derivative rule",
        why="it was called with a number that carries a derivative",
        hint=hint or "say it with functions that have one, or use dg.stop_gradient(x) where only the value counts",
    )


def mapped(f: Callable[[Any], Any], args: Iterable[Any]) -> list[Any]:
    return [type(a)(mapped(f, a)) if type(a) in (list, tuple) else f(a) for a in args]


def numbers_in(args: Iterable[Any]) -> list[Number]:
    """The numbers among arguments, in lists and tuples too."""
    found: list[Number] = []
    for a in args:
        if isinstance(a, Number):
            found.append(current(a))
        elif type(a) in (list, tuple):
            found += numbers_in(a)
    return found


def only_buffers(args: Iterable[Any]) -> bool:
    """Whether no argument carries a derivative."""
    return all(n._level.depth == 0 for n in numbers_in(args))


def unwrapped(a: Any) -> Any:
    """The memory of an inactive buffer; other values as they are."""
    return current(a)._primal if isinstance(a, Number) else a
