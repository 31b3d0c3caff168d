"""``ufunc.reduce`` and ``ufunc.accumulate`` entry after entry, for ufuncs that have no better way."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..number import plain
from .making import chosen, operand, stack
from .reducing import NONE, folded, prepared
from .table import unsupported


def reduced(
    ufunc: np.ufunc, x: Any, axis: Any = 0, dtype: Any = None, keepdims: bool = False,
    initial: Any = NONE, where: Any = True,
) -> Any:  # fmt: skip
    x = prepared(operand(x), dtype, True, 0.0)
    keepdims = keepdims and x.ndim > 0
    x = np.atleast_1d(x)  # for a reduction a number has an axis
    rows, ones = folded(x, axis)
    looked_at = None if where is True else folded(np.broadcast_to(plain(where), x.shape), axis)[0]
    if initial is NONE and (looked_at is not None or not len(rows)):
        ufunc.reduce(plain(x), axis, where=plain(where))  # NumPy says why it cannot
        if len(rows) or ufunc.identity is None:
            raise unsupported(f"np.{ufunc.__name__}.reduce with where=", "give initial= too")
        initial = x.dtype.type(ufunc.identity) + np.zeros(rows.shape[1:], x.dtype)
    found, first = (rows[0].copy(), 1) if initial is NONE else (initial, 0)
    for k in range(first, len(rows)):
        new = ufunc(found, rows[k])
        found = new if looked_at is None else chosen(looked_at[k], new, found)
    return np.reshape(found, ones) if keepdims else found


def accumulated(ufunc: np.ufunc, x: Any, axis: Any = 0, dtype: Any = None) -> Any:
    rows = np.moveaxis(prepared(operand(x), dtype, True, 0.0), axis, 0)
    found = [rows[k] for k in range(min(1, len(rows)))]
    for k in range(1, len(rows)):
        found.append(ufunc(found[-1], rows[k]))
    return np.moveaxis(stack(found), 0, axis) if found else np.moveaxis(rows, 0, axis)
