"""Grids between numbers: each node is a number, a constant share of the way from start to stop."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..number import plain
from .making import operand
from .table import means
from .values import astype


def _shares(num: int, endpoint: bool, rank: int) -> Any:
    """How far each node is along the way, to be broadcast against ends of this rank."""
    return np.reshape(np.linspace(0.0, 1.0, num, endpoint), (-1, *(1,) * rank))


def _finished(y: Any, dtype: Any, axis: int) -> Any:
    return np.moveaxis(y if dtype is None else astype(y, dtype), 0, axis) if axis else astype(y, dtype or y.dtype)


def _ends(*values: Any) -> tuple[Any, ...]:
    """The ends as floats of at least double precision, as NumPy's grids are; and their rank."""
    found = tuple(operand(v) for v in values)
    return (*(v * np.float64(1.0) for v in found), max(map(np.ndim, found)))


@means(np.linspace)
def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None, axis: int = 0
) -> Any:
    start, stop, rank = _ends(start, stop)
    y = start + (stop - start) * _shares(num, endpoint, rank)
    y = _finished(y, dtype, axis)
    return (y, (stop - start) / max(num - endpoint, 1)) if retstep else y


@means(np.logspace)
def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    start, stop, rank = _ends(start, stop)
    exponents = start + (stop - start) * _shares(num, endpoint, max(rank, np.ndim(base)))
    return _finished(np.power(base, exponents), dtype, axis)


@means(np.geomspace)
def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    start, stop, rank = _ends(start, stop)
    if np.any(plain(start) == 0) or np.any(plain(stop) == 0):
        raise ValueError("Geometric sequence cannot include zero")
    return _finished(start * (stop / start) ** _shares(num, endpoint, rank), dtype, axis)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    """``np.arange`` of numbers, which NumPy does not hand over; how many nodes there are is a matter of values."""
    start, stop = (0, start) if stop is None else (start, stop)
    like = np.arange(*map(plain, (start, stop, step)))
    y = start + step * np.arange(len(like), dtype=like.dtype)
    return y if dtype is None else astype(y, dtype)
