"""``x.flat``: the entries in C order, to read and to write."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..number import Number, store
from .table import METHODS


class Flat:
    """What ``np.flatiter`` is for arrays."""

    __slots__ = ("base",)

    def __init__(self, base: Number):
        self.base = base

    def __len__(self) -> int:
        return math.prod(self.base.shape)

    def __iter__(self) -> Iterator[Any]:
        return iter(np.ravel(self.base))

    def __getitem__(self, index: Any) -> Any:
        found = np.ravel(self.base)[index]
        return found.copy() if found.ndim else found

    def __setitem__(self, index: Any, value: Any) -> None:
        """Values are repeated, or left over, as NumPy does; they go to the array, whatever its strides."""
        shape = self.base.shape
        where = np.arange(len(self))[index]
        if np.ndim(value):
            value = np.ravel(value)[np.arange(where.size) % np.size(value)]
            value = value if where.ndim else value[0]
        store(self.base, np.unravel_index(where, shape) if shape else (), value)


def _assign(self: Any, value: Any) -> None:
    Flat(self)[:] = value


METHODS["flat"] = property(Flat, _assign)
