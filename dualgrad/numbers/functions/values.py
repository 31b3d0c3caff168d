"""Dtypes, parts of complex numbers, and what only the value of a number says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualgrad.core.words import WORDS

from ..number import apply_linear, plain, store
from .table import METHODS, means, unsupported


@means(np.real)
def real(x: Any) -> Any:
    if x.dtype.kind == "c":
        raise unsupported("np.real of complex numbers")
    return x


def astype(x: Any, dtype: Any, **options: Any) -> Any:
    """Floats of another precision; integers and booleans are values without derivative."""
    dtype = np.dtype(dtype)
    if dtype.kind not in "fc":
        return plain(x).astype(dtype)
    return x.copy() if dtype == x.dtype else apply_linear(WORDS["astype"], x, dtype)


def _of_value(name: str) -> Callable[..., Any]:
    return lambda self, *args, **options: getattr(plain(self), name)(*args, **options)


METHODS |= {
    "__round__": lambda self, digits=0: np.round(plain(self), digits),
    "astype": astype,
    "conj": real,
    "conjugate": real,
    "real": property(real),
    "fill": lambda self, value: store(self, ..., value),
    **{name: _of_value(name) for name in (
        "argmax", "argmin", "argsort", "all", "any", "nonzero", "round", "searchsorted",
    )},
}  # fmt: skip
