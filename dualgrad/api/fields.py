"""Real and complex arguments and results: which directions make a Jacobian, and what its entries mean.

A derivative is linear over the real numbers.  Of a real leaf the unit vectors tell it; of a complex
one the unit vectors and i times them, unless the function is holomorphic, where the second half
follows from the first.  The entry of a Jacobian is then

* real → real, real → complex: the partial derivative,
* complex → real: ``∂f/∂x + i ∂f/∂y``, the gradient, which is what a cotangent is,
* complex → complex: the complex derivative, of a holomorphic function only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dualgrad.backends.arrays import is_complex, whole
from dualgrad.core.errors import StructureError
from dualgrad.numbers.number import plain


class Basis:
    """Directions through leaves: the unit vectors in order, then i times those of complex leaves."""

    def __init__(self, leaves: Sequence[Any], holomorphic: bool):
        self.leaves = leaves
        second = [] if holomorphic else [k for k, x in enumerate(leaves) if is_complex(x)]
        self.rows = [(k, 1.0) for k in range(len(leaves))] + [(k, 1j) for k in second]
        self.start: dict[Any, int] = {}
        self.size = 0
        for row in self.rows:
            self.start[row] = self.size
            self.size += math.prod(np.shape(leaves[row[0]]))

    def seeds(self, piece: range) -> list[Any]:
        """These directions, cut into leaves, the directions leading."""
        seeds: list[Any] = [0] * len(self.leaves)
        for k, factor in self.rows:
            leaf = self.leaves[k]
            unit = np.eye(len(piece), math.prod(np.shape(leaf)), piece.start - self.start[k, factor], leaf.dtype)
            seeds[k] = unit if factor == 1 else seeds[k] + 1j * unit
        return [seed.reshape(len(piece), *np.shape(x)) for seed, x in zip(seeds, self.leaves)]

    def block(self, found: Any, k: int) -> Any:
        """What the directions through leaf ``k`` gave: along i times a unit vector it is the imaginary part."""
        size, start, second = math.prod(np.shape(self.leaves[k])), self.start[k, 1.0], self.start.get((k, 1j))
        block = found[start : start + size]
        return block if second is None else block + whole(found[second : second + size], "imag")


def check_fields(verb: str, primals: Sequence[Any], values: Sequence[Any], holomorphic: bool) -> None:
    """Raise where a derivative is not one number for each pair of entries."""
    if holomorphic:
        for leaves, what in ((primals, "an argument"), (values, "a result")):
            if not all(map(is_complex, leaves)):
                raise StructureError(
                    f"{verb}: holomorphic=True, but {what} is real",
                    why="holomorphic functions take complex numbers to complex numbers",
                    hint="pass complex arguments, or leave holomorphic=True out",
                )
    elif any(map(is_complex, primals)) and any(map(is_complex, values)):
        raise StructureError(
            f"{verb}: a complex function of complex numbers",
            why="its derivative is a 2x2 matrix for each pair of entries, one complex number only if it is holomorphic",
            hint="say holomorphic=True if it is; otherwise use dg.jvp and dg.vjp, or real and imaginary parts",
        )


def require_holomorphic(verb: str, along_i: Sequence[Any], along_1: Sequence[Any], scale: float) -> None:
    """Raise if the derivative along i is not i times that along 1 (``scale`` says how large their terms are)."""
    for a, b in zip(along_i, along_1):
        a, b = plain(a), plain(b)
        gap = np.abs(a - 1j * b)
        allowed = np.sqrt(np.finfo(gap.dtype).eps) * scale + np.finfo(gap.dtype).eps
        if np.any(gap[np.isfinite(gap)] > allowed if np.ndim(gap) else gap > allowed):
            raise StructureError(
                f"{verb}: holomorphic=True, but the function is not holomorphic here",
                why="its derivative in the direction i is not i times that in the direction 1",
                hint="use dg.jvp and dg.vjp, or real and imaginary parts",
            )


def largest(values: Sequence[Any]) -> float:
    """The largest finite magnitude, a bound for what was summed."""
    found = [np.abs(plain(v)) for v in values]
    return max((float(np.max(v, initial=0.0, where=np.isfinite(v))) for v in found), default=0.0)
