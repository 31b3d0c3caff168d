"""Dtypes, and what only the value of a number says."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from dualgrad.core.words import WORDS

from ..number import apply_linear, lost, plain
from .complex import real, whole
from .table import DISCRETE, FUNCTIONS, METHODS, OF_VALUE, of_value


def astype(x: Any, dtype: Any, **options: Any) -> Any:
    """Floats of another precision, or complex; integers and booleans are values without derivative."""
    dtype = np.dtype(dtype)
    if dtype.kind == "O" and x._level.depth:
        raise lost(x, "an array of objects made from a number", "leave dtype=object out: arrays of numbers need it not")
    if dtype.kind not in "fc":
        return plain(x).astype(dtype)
    if dtype.kind == "c" and x.dtype.kind != "c":
        x = whole(x)
    elif dtype.kind != "c" and x.dtype.kind == "c":
        warnings.warn("Casting complex values to real discards the imaginary part", np.exceptions.ComplexWarning, 2)
        x = real(x)
    return x.copy() if dtype == x.dtype else apply_linear(WORDS["astype"], x, dtype)


def _of_value(name: str) -> Callable[..., Any]:
    function = of_value(getattr(np, name))
    return lambda self, *args, **options: function(self, *args, **options)


DISCRETE |= {np.ravel_multi_index}
FUNCTIONS |= {
    np.astype: lambda x, dtype, /, *, copy=True, device=None: astype(x, dtype),
    np.array_repr: lambda arr, *args, **options: repr(arr),
    np.array_str: lambda a, *args, **options: str(a),
    np.array2string: lambda a, *args, **options: str(a),
}
METHODS |= {
    "__round__": lambda self, *digits: np.round(plain(self), *digits) if digits or self.ndim else round(plain(self)),
    "astype": astype,
    **{name: _of_value(name) for name in OF_VALUE},
}
