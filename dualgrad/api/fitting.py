"""What the user's rules return, made content of numbers and checked against what it belongs to."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualgrad.core.containers import flatten, matched, paths
from dualgrad.core.errors import StructureError
from dualgrad.numbers.calls import is_float, zero_like
from dualgrad.numbers.number import bare

from .evaluate import as_primal, is_differentiable


def results(out: Any) -> tuple[list[Any], Any]:
    """Results as content."""
    leaves, form = flatten(out)
    return [as_primal(x) if is_differentiable(x) and not _is_integer(x) else bare(x) for x in leaves], form


def _is_integer(x: Any) -> bool:
    return isinstance(x, int) or getattr(x, "dtype", np.dtype(float)).kind in "iub"


def fitted(tree: Any, structure: Any, primals: list[Any], what: str) -> list[Any]:
    """Derivatives in the places of ``primals``, each like its primal; zeros for None and for what has none."""
    found = matched(tree, structure)
    derivatives = []
    for (value, problem), primal, path in zip(found, primals, paths(structure)):
        if not is_float(primal) and not isinstance(primal, (float, complex)):
            derivatives.append(zero_like(primal))
            continue
        if problem is not None:
            raise StructureError(f"{what}{path} {problem}", hint="return the same containers, None for zero")
        if value is None:
            derivatives.append(zero_like(primal))
            continue
        value, shape = as_primal(value) if is_differentiable(value) else value, np.shape(primal)
        if getattr(value, "shape", None) != shape:
            got = f"shape {value.shape}" if hasattr(value, "shape") else f"type {type(value).__name__}"
            raise StructureError(f"{what}{path} has {got}, it belongs to an array of shape {shape}")
        dtype = getattr(primal, "dtype", value.dtype)
        if value.dtype.kind == "c" and dtype.kind != "c":
            raise StructureError(f"{what}{path} has dtype {value.dtype}, it belongs to dtype {dtype}")
        derivatives.append(value if value.dtype == dtype else value.astype(dtype))
    return derivatives
