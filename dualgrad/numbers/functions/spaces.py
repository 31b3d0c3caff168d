"""Grids between numbers: each node is a number, a constant share of the way from start to stop."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..number import plain
from .making import operand
from .table import means
from .values import astype


def _shares(num: int, endpoint: bool, start: Any, stop: Any, base: Any = 0.0) -> Any:
    """How far each node is along the way, to be broadcast against ends and base, and in their precision."""
    dtype = np.finfo(np.result_type(start.dtype, stop.dtype)).dtype
    rank = max(map(np.ndim, (start, stop, base)))
    return np.reshape(np.linspace(0.0, 1.0, num, endpoint, dtype=dtype), (-1, *(1,) * rank))


def _finished(y: Any, dtype: Any, axis: int) -> Any:
    return np.moveaxis(y if dtype is None else astype(y, dtype), 0, axis) if axis else astype(y, dtype or y.dtype)


def _end(value: Any) -> Any:
    """An end as a float; one of Python's is of double precision, as NumPy has it."""
    value = operand(value) * 1.0
    return value if hasattr(value, "dtype") else np.asarray(value)[()]


@means(np.linspace)
def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None, axis: int = 0
) -> Any:
    start, stop = _end(start), _end(stop)
    y = start + (stop - start) * _shares(num, endpoint, start, stop)
    y = _finished(y, dtype, axis)
    return (y, (stop - start) / max(num - endpoint, 1)) if retstep else y


@means(np.logspace)
def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    start, stop = _end(start), _end(stop)
    exponents = start + (stop - start) * _shares(num, endpoint, start, stop, base)
    return _finished(np.power(base, exponents), dtype, axis)


@means(np.geomspace)
def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    start, stop = (_end(v) * np.float64(1.0) for v in (start, stop))  # NumPy's are of double precision at least
    if np.any(plain(start) == 0) or np.any(plain(stop) == 0):
        raise ValueError("Geometric sequence cannot include zero")
    return _finished(start * (stop / start) ** _shares(num, endpoint, start, stop), dtype, axis)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    """``np.arange`` of numbers, which NumPy does not hand over; how many nodes there are is a matter of values."""
    start, stop = (0, start) if stop is None else (start, stop)
    like = np.arange(*map(plain, (start, stop, step)))
    y = start + step * np.arange(len(like), dtype=like.dtype)
    return y if dtype is None else astype(y, dtype)
