"""Functions of arrays of numbers, entry by entry: loops that numba compiles, with NumPy's broadcasting.

Numba's own loops are chosen by NumPy's dtypes, which arrays of numbers do not have.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit, types
from numba.np.numpy_support import as_dtype

from .arrays import numbers
from .types import NumberType, common, refused

NO_ARRAY = -1
MESSAGE = "arrays of numbers whose shapes do not broadcast"


def entry(t: Any) -> Any:
    """The type of an entry."""
    return t.dtype if isinstance(t, types.Array) else t


def looped(function: Any, args: tuple[Any, ...], in_place: bool) -> types.Dispatcher:
    """What numba calls for a function of these arguments, which are arrays and numbers."""
    from . import operations

    entries = tuple(map(entry, args))
    kind: Any = common(function.__name__, entries)
    result = operations.result_type(function, kind, entries)
    ranks = tuple(t.ndim if isinstance(t, types.Array) else NO_ARRAY for t in args)
    if in_place and ranks[0] != max(ranks):
        raise refused(f"{function.__name__} of an array of numbers", "the array has fewer axes than what it takes",
                      "write a = a + b")  # fmt: skip
    return types.Dispatcher(loop_of(function, ranks, result, in_place))


@cache
def loop_of(function: Any, ranks: tuple[int, ...], result: Any, in_place: bool) -> Any:
    """A loop over the entries of arguments of these ranks, as text that numba compiles."""
    rank = max(ranks)
    names = [f"x{k}" for k in range(len(ranks))]
    lines, parts = [], []
    for axis in range(rank):
        sides = [f"{x}.shape[{axis - rank + r}]" for x, r in zip(names, ranks) if r >= rank - axis]
        lines += broadcast(f"n{axis}", sides, in_place)
    for x, r in zip(names, ranks):
        index = [f"i{a} if {x}.shape[{a - rank + r}] != 1 else 0" for a in range(rank - max(r, 0), rank)]
        parts.append(x if r == NO_ARRAY else f"{x}[{', '.join(index) or '()'}]")
    shape, place = (", ".join(f"{letter}{a}" for a in range(rank)) for letter in "ni")
    made = f"numbers(np.zeros(({shape}{', ' * bool(rank)}length), dtype), kind)"
    empty = f"np.empty(({shape}{',' * (rank == 1)}), dtype)"
    lines.append(f"out = {'x0' if in_place else made if isinstance(result, NumberType) else empty}")
    lines += ["    " * a + f"for i{a} in range(n{a}):" for a in range(rank)]
    lines += ["    " * rank + f"out[{place or '()'}] = f({', '.join(parts)})", "return out"]
    dtype = as_dtype(result.dtype if isinstance(result, NumberType) else result)
    length = getattr(result, "lanes", 0) + 1
    scope = {"np": np, "f": function, "numbers": numbers, "kind": result, "length": length, "dtype": dtype}
    exec("\n    ".join([f"def loop({', '.join(names)}):", *lines]), scope)
    return njit(scope["loop"])


def broadcast(n: str, sides: list[str], in_place: bool) -> list[str]:
    """Lines that find the length of an axis, and raise where lengths differ."""
    lines = [f"{n} = {sides[0]}"]
    for side in sides[1:]:
        lines.append(f"{n} = {side} if {n} == 1 else {n}")
    for k, side in enumerate(sides):
        exact = in_place and k == 0  # the array that changes keeps its shape
        lines.append(f"if {side} != {n}{'' if exact else f' and {side} != 1'}: raise ValueError({MESSAGE!r})")
    return lines
