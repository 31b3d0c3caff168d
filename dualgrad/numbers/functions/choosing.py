"""Functions that choose among entries by their values."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualgrad.core.words import WORDS

from ..number import apply, plain
from .making import operand
from .table import FUNCTIONS, means


@means(np.where)
def where(test: Any, a: Any = None, b: Any = None) -> Any:
    if a is None:
        return np.nonzero(plain(test))
    return apply(WORDS["where"], np.asarray(plain(test), bool), operand(a), operand(b))


@means(np.clip, method=True)
def clip(x: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = a_min if min is None else min, a_max if max is None else max
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


def _triangle(keep: Any) -> Any:
    """``np.tril`` and ``np.triu``: zeros are not touched by what stands in their place."""

    def call(m: Any, k: int = 0) -> Any:
        mask = keep(np.ones(m.shape[-2:] if m.ndim > 1 else m.shape * 2, bool), k)
        return where(mask, m, np.zeros(1, m.dtype))

    return call


FUNCTIONS |= {np.tril: _triangle(np.tril), np.triu: _triangle(np.triu)}
