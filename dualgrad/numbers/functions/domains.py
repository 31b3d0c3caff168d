"""``np.emath``: functions that go to complex numbers where a real result does not exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualgrad.backends.arrays import is_complex

from ..number import plain
from .making import strong
from .table import means
from .values import astype

Test = Callable[[Any], Any]


def _negative(x: Any) -> Any:
    return x < 0


def _outside(x: Any) -> Any:
    return np.abs(x) > 1


def _prepared(x: Any, test: Test) -> Any:
    """The argument, complex if one of its entries is outside of the real domain."""
    x = strong(x)
    if is_complex(x) or not np.any(test(plain(x))):
        return x
    return astype(x, np.result_type(x.dtype, np.complex64))


def _enter(function: Any, numeric: Callable[..., Any], test: Test) -> None:
    means(function)(lambda x: numeric(_prepared(x, test)))


for _name in ("sqrt", "log", "log2", "log10"):
    _enter(getattr(np.emath, _name), getattr(np, _name), _negative)
for _name in ("arccos", "arcsin", "arctanh"):
    _enter(getattr(np.emath, _name), getattr(np, _name), _outside)


@means(np.emath.logn)
def logn(n: Any, x: Any) -> Any:
    return np.log(_prepared(x, _negative)) / np.log(_prepared(n, _negative))


@means(np.emath.power)
def power(x: Any, p: Any) -> Any:
    return np.power(_prepared(x, _negative), p)
