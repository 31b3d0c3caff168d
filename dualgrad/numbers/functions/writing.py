"""Functions that write into an array: all of them are assignments.

A number is written where it stands; a plain array takes plain values only, else the derivative would be lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..number import Number, plain, store, write_out
from .making import operand
from .moving import gather
from .table import METHODS, means, only_buffers


def write(target: Any, index: Any, value: Any) -> None:
    """``target[index] = value``"""
    if isinstance(target, Number):
        store(target, index, value)
    elif only_buffers([value]):
        target[index] = plain(value)
    else:
        write_out(target, operand(value))


def write_flat(target: Any, places: Any, values: Any, repeat: bool = True) -> None:
    """Values at places of the flattened array; too few of them are repeated, too many are cut off."""
    places = np.ravel(places)
    if repeat:
        values = np.resize(operand(values), places.size)
    if np.shape(target):
        write(target, np.unravel_index(places, np.shape(target)), values)
    elif places.size:
        write(target, ..., values[-1] if np.ndim(values) else values)


@means(np.copyto)
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    mask = plain(where)
    if mask is True:
        return write(dst, ..., src)
    mask = np.broadcast_to(mask, np.shape(dst))
    return write(dst, mask, np.broadcast_to(operand(src), np.shape(dst))[mask])


@means(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    write_flat(arr, np.flatnonzero(plain(mask)), vals)


@means(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    places = np.flatnonzero(plain(mask))
    values = operand(values)
    write_flat(a, places, np.ravel(values)[places % np.size(values)], repeat=False)


@means(np.put, method=True)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    size, ind = np.size(a), np.asarray(plain(ind))
    if mode == "raise":
        if np.any((ind < -size) | (ind >= size)):
            raise IndexError(f"an index is out of bounds for size {size}")
        ind = ind % max(size, 1)
    write_flat(a, ind % size if mode == "wrap" else np.clip(ind, 0, size - 1), v)


@means(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    indices = np.asarray(plain(indices))
    places = np.take_along_axis(np.arange(np.size(arr)).reshape(np.shape(arr)), indices, axis)
    write_flat(arr, places, np.ravel(np.broadcast_to(operand(values), indices.shape)), repeat=False)


@means(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    where = np.zeros(np.shape(a), bool)
    np.fill_diagonal(where, True, wrap)
    write_flat(a, np.flatnonzero(where), val)


class Flat:
    """``x.flat``: the entries in C order; what is assigned to them is written into ``x``."""

    def __init__(self, base: Any):
        self.base = base

    def __len__(self) -> int:
        return self.base.size

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        return gather(self.base, np.arange(len(self))[index])

    def __setitem__(self, index: Any, value: Any) -> None:
        write_flat(self.base, np.arange(len(self))[index], value)


def _assign_flat(x: Any, values: Any) -> None:
    write_flat(x, np.arange(x.size), values)


def _sort(x: Any, axis: int = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> None:
    store(x, ..., np.sort(x, axis))


def _partition(x: Any, kth: Any, axis: int = -1, kind: str = "introselect", order: Any = None) -> None:
    store(x, ..., np.partition(x, kth, axis))


METHODS |= {
    "fill": lambda self, value: store(self, ..., value),
    "flat": property(Flat, _assign_flat),
    "sort": _sort,
    "partition": _partition,
}
