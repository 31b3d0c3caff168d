"""Functions that only move entries: NumPy itself tells where it puts them.

The function runs on positions in place of entries: 1, 2, 3, … through all the data it is given, 0 for a zero
that it fills in.  What comes out says, entry by entry, where the result comes from, and one gather takes it
from there.  Its transpose scatters; directions and Taylor coefficients have one more axis in front.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..array import with_memory
from ..number import Number, plain, write_out
from .making import concatenate, operand
from .shapes import ravel
from .table import FUNCTIONS, METHODS, means, parameters, unsupported
from .values import astype


def moves(function: Callable[..., Any], *data: str, dtype: str = "common", method: bool = False) -> None:
    """Enter a function that moves the entries of the arguments named in ``data``, of the first one if none is.

    The result has the common dtype of the data, or that of the first of them (``dtype="first"``).
    """
    names = [*parameters(function)]
    chosen = data or (names[0],)

    def call(*args: Any, **options: Any) -> Any:
        given = dict(zip(names, args)) | options
        out = given.get("out")
        positions = Positions()
        for name, value in given.items():
            given[name] = positions.of(value) if name in chosen else None if name == "out" else plain(value)
        leading = [given.pop(name) for name in names[: len(args)]]
        found = positions.gathered(function(*leading, **given), dtype)
        return found if out is None else write_out(out, found)

    call.__name__ = function.__name__
    FUNCTIONS[function] = call
    if method:
        METHODS[function.__name__] = call


class Positions:
    """The data of a call, and where each entry of it is when all are in one row; 0 is a zero."""

    def __init__(self) -> None:
        self.parts: list[Any] = []
        self.stop = 1

    def of(self, data: Any) -> Any:
        """Positions in the shape of the data: an array, a number, or nested lists of them."""
        if type(data) in (list, tuple):
            return type(data)(map(self.of, data)) if data else np.zeros(0, int)
        start, self.stop = self.stop, self.stop + np.size(data)
        self.parts.append(data)
        return np.arange(start, self.stop).reshape(np.shape(data))

    def gathered(self, where: Any, dtype: str = "common") -> Any:
        """The data from these positions; a result for each array of positions."""
        if type(where) in (list, tuple):
            return type(where)(self.gathered(w, dtype) for w in where)
        first = operand(self.parts[0])
        if len(self.parts) == 1 and np.all(where):
            found = gather(first, where - 1)
        else:
            kind = np.result_type(*(getattr(p, "dtype", type(p)) for p in self.parts))
            zero = np.zeros(1, kind if kind.kind in "fc" else float)
            found = gather(concatenate([zero, *self.parts], None), where)
        kind = getattr(first, "dtype", found.dtype)
        found = astype(found, kind) if dtype == "first" and found.dtype != kind else found
        return with_memory(found) if isinstance(where, np.ndarray) else found


def joined(joiner: Any, parts: tuple[Any, ...]) -> Any:
    """What ``np.r_`` or ``np.c_`` makes of parts with numbers among them."""
    positions = Positions()

    def of(part: Any) -> Any:
        return part if isinstance(part, str) else positions.of(np.r_[part] if isinstance(part, slice) else part)

    return positions.gathered(joiner[tuple(map(of, parts))])


def gather(x: Any, where: Any) -> Any:
    """Entries of ``x`` in C order at flat positions."""
    return ravel(x)[where if np.ndim(where) else int(where)] if isinstance(x, Number) else np.ravel(x)[where]


for _function in (np.tile, np.delete, np.resize, np.diagflat, np.block, np.dstack, np.take_along_axis):
    moves(_function)
moves(np.repeat, method=True)
moves(np.lib.stride_tricks.sliding_window_view)
moves(np.append, "arr", "values")
moves(np.insert, "arr", "values", dtype="first")
moves(np.compress, "a")
moves(np.extract, "arr")
moves(np.choose, "choices")
METHODS["compress"] = lambda self, condition, axis=None, out=None: np.compress(condition, self, axis, out)


# Padding

_EXTENDED = ("edge", "wrap", "symmetric", "reflect")


@means(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> Any:
    """Most modes put entries in new places; the others compute a border from the entries, axis by axis."""
    odd = options.get("reflect_type", "even") == "odd"
    positions = Positions()
    if mode in ("constant", "empty"):
        where = positions.of(array)
        values = positions.of(options.pop("constant_values", 0))
        return positions.gathered(np.pad(where, pad_width, constant_values=values, **options), "first")
    if mode in _EXTENDED and not odd:
        return positions.gathered(np.pad(positions.of(array), pad_width, mode, **options))
    if callable(mode):
        raise unsupported("np.pad with a function as mode")
    x = array
    for axis, widths in enumerate(np.broadcast_to(_as_pairs(pad_width), (x.ndim, 2)).tolist()):
        chosen = {k: _of_axis(v, axis, x.ndim) for k, v in options.items() if k != "reflect_type"}
        x = _reflected(x, widths, axis, mode) if odd else _bordered(x, widths, axis, mode, **chosen)
    return x


def _as_pairs(value: Any) -> Any:
    """One number, ``(before, after)``, or that for each axis."""
    return np.reshape(value, (-1, 1)) if np.size(value) == 1 else value


def _of_axis(value: Any, axis: int, rank: int) -> Any:
    """The two values of an axis for an option that is one number, a pair, or a pair for each axis."""
    if value is None or not isinstance(value, (list, tuple)):
        return value, value
    if isinstance(value[0], (list, tuple)):
        value = value[axis if len(value) == rank else 0]
    return (value[0], value[-1])


def _bordered(x: Any, widths: list[int], axis: int, mode: str, **options: Any) -> Any:
    """Borders of this width before and after, of values computed from the entries along the axis."""
    n, sides = x.shape[axis], []
    lengths = options.get("stat_length", (None, None))
    ends = options.get("end_values", (0, 0))
    for width, length, end, last in zip(widths, lengths, ends, (False, True)):
        if mode == "linear_ramp":
            edge = _piece(x, axis, n - 1 if last else 0)
            steps = np.reshape(np.arange(width) / max(width, 1), (-1, *(1,) * (x.ndim - 1 - axis)))
            sides.append(end + (edge - end) * (1 - steps - 1 / max(width, 1) if last else steps))
        else:
            m = n if length is None else min(length, n)
            part = _piece(x, axis, slice(n - m, n) if last else slice(0, m))
            value = getattr(np, {"maximum": "max", "minimum": "min"}.get(mode, mode))(part, axis, keepdims=True)
            sides.append(np.broadcast_to(value, (*x.shape[:axis], width, *x.shape[axis + 1 :])))
    return concatenate([astype(sides[0], x.dtype), x, astype(sides[1], x.dtype)], axis)


def _piece(x: Any, axis: int, where: Any) -> Any:
    return x[(*(slice(None),) * axis, slice(where, where + 1) if isinstance(where, int) else where)]


def _reflected(x: Any, widths: list[int], axis: int, mode: str) -> Any:
    """Twice the edge less the reflected entries, again and again where the border is wider than the array."""
    before, after = widths
    skip = int(mode == "reflect")
    while before or after:
        n = x.shape[axis] - skip
        left, right = min(before, n), min(after, n)
        first, last = _piece(x, axis, 0), _piece(x, axis, x.shape[axis] - 1)
        end = x.shape[axis] - skip
        x = concatenate([
            2 * first - np.flip(_piece(x, axis, slice(skip, skip + left)), axis), x,
            2 * last - np.flip(_piece(x, axis, slice(end - right, end)), axis),
        ], axis)  # fmt: skip
        before, after = before - left, after - right
    return x
