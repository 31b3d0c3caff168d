"""Products of arrays, and norms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualgrad.backends.arrays import axes_of
from dualgrad.core.words import WORDS

from ..number import apply
from .making import operand
from .reducing import root
from .shapes import ravel, reshape
from .table import FUNCTIONS, means, unsupported


@means(np.dot, method=True)
def dot(a: Any, b: Any) -> Any:
    a, b = operand(a), operand(b)
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b
    if np.ndim(b) > 2:
        return tensordot(a, b, ((-1,), (-2,)))
    return apply(WORDS["matmul"], a, b)


@means(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """A matrix product after the summed axes were moved together."""
    if np.ndim(axes) == 0:
        axes = range(-axes, 0), range(axes)
    left, right = (axes_of(tuple(np.ravel(ax).tolist()), np.ndim(x)) for x, ax in zip((a, b), axes))
    rows = [k for k in range(np.ndim(a)) if k not in left]
    columns = [k for k in range(np.ndim(b)) if k not in right]
    n = math.prod(np.shape(a)[k] for k in left)
    product = apply(
        WORDS["matmul"],
        reshape(np.transpose(a, [*rows, *left]), (-1, n)),
        reshape(np.transpose(b, [*right, *columns]), (n, -1)),
    )
    return reshape(product, [np.shape(a)[k] for k in rows] + [np.shape(b)[k] for k in columns])


@means(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The 2-norm; zero at zero, and so is its derivative there."""
    if not (ord is None or ord == 2 and (x.ndim == 1 or isinstance(axis, int))):
        raise unsupported(f"np.linalg.norm with ord={ord!r}")
    return root(np.sum(np.absolute(x) ** 2 if x.dtype.kind == "c" else x * x, axis, keepdims=keepdims))


FUNCTIONS |= {
    np.inner: lambda a, b: tensordot(a, b, ((-1,), (-1,))) if np.ndim(a) and np.ndim(b) else a * b,
    np.vdot: lambda a, b: apply(WORDS["matmul"], np.conj(ravel(a)), ravel(b)),
    np.outer: lambda a, b: reshape(a, (-1, 1)) * reshape(b, (1, -1)),
}
