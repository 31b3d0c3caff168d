"""``ufunc.reduce`` and ``ufunc.accumulate`` entry after entry, for ufuncs that have no better way."""

from __future__ import annotations

from typing import Any

import numpy as np

from .making import operand, stack
from .table import unsupported


def reduced(ufunc: np.ufunc, x: Any, axis: Any = 0, keepdims: bool = False) -> Any:
    rows = _rows(ufunc, x, axis)
    if not len(rows):
        raise ValueError(f"zero-size array to reduction operation {ufunc.__name__}")
    found = rows[0]
    for k in range(1, len(rows)):
        found = ufunc(found, rows[k])
    return np.expand_dims(found, axis) if keepdims and np.ndim(x) else found


def accumulated(ufunc: np.ufunc, x: Any, axis: Any = 0) -> Any:
    rows = _rows(ufunc, x, axis)
    found = [rows[k] for k in range(min(1, len(rows)))]
    for k in range(1, len(rows)):
        found.append(ufunc(found[-1], rows[k]))
    return np.moveaxis(stack(found), 0, axis) if found else np.moveaxis(rows, 0, axis)


def _rows(ufunc: np.ufunc, x: Any, axis: Any) -> Any:
    """The entries along an axis, in front."""
    x = np.atleast_1d(operand(x))  # for a reduction a number has an axis
    if axis is None and np.ndim(x) == 1:
        axis = 0
    if not isinstance(axis, int):
        raise unsupported(f"np.{ufunc.__name__} over several axes", "reduce one axis after the other")
    return np.moveaxis(x, axis, 0)
