"""Products of SciPy's sparse matrices, which are constants, with numbers: ``A @ x`` and ``x @ A``.

SciPy asks for an array first; it gets one without content (`Number.__array__`), and leaves the product to us.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualgrad.backends.systems import Sparse
from dualgrad.core.errors import UnsupportedError
from dualgrad.core.words import WORDS

from .number import Number, apply_linear, view_of


def constant(matrix: Any) -> Sparse:
    """A sparse matrix as an argument of a word; a copy, which nobody writes."""
    if matrix.dtype.kind == "c":
        raise UnsupportedError(
            "a complex sparse matrix times a number has no derivative rule",
            why="sparse constants are real",
            hint="use its real and imaginary parts",
        )
    return Sparse(matrix.astype(float).copy() if matrix.dtype.kind != "f" else matrix.copy())


def product(x: Number, matrix: Any, swapped: bool) -> Any:
    """``matrix @ x`` if swapped, else ``x @ matrix``."""
    if swapped:
        return apply_linear(WORDS["sparse_times"], x, constant(matrix))
    columns = view_of(x, np.transpose, None)
    return view_of(apply_linear(WORDS["sparse_times_back"], columns, constant(matrix)), np.transpose, None)
