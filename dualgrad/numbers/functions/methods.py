"""What else an ndarray has: facts about its memory, and what only an array of floats can do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualgrad.core.errors import UnsupportedError

from ..number import Number, current, plain
from .table import METHODS, unsupported


def _refused(name: str, hint: str) -> Callable[..., Any]:
    """A method that would show or change bytes, of which a number has none."""

    def method(self: Any, *args: Any, **options: Any) -> Any:
        raise UnsupportedError(
            f"x.{name}() of a number that carries a derivative",
            why="its value and its derivative are not the bytes of one array",
            hint=hint,
        )

    return method


def _view(x: Number, dtype: Any = None, type: Any = None) -> Any:
    """``x.view()``: the same memory; of another dtype it would be another function of the bytes."""
    if (dtype is None or isinstance(dtype, np.dtype) and dtype == x.dtype) and type is None:
        return x[...]
    raise unsupported("x.view(dtype)", "use x.astype(dtype), x.real, x.imag or a + 1j*b")


def _contains(x: Number, value: Any) -> bool:
    return bool(np.any(plain(x) == plain(value)))


BYTES = "use dg.stop_gradient(x) where only the value counts"
METHODS |= {
    "itemsize": property(lambda self: self.dtype.itemsize),
    "nbytes": property(lambda self: self.size * self.dtype.itemsize),
    "device": property(lambda self: "cpu"),
    "flags": property(lambda self: current(self)._ground().flags),  # of the values' memory
    "view": _view,
    "__contains__": _contains,
    "resize": _refused("resize", "use np.resize(x, shape), which returns a new array"),
    **{name: _refused(name, BYTES) for name in (
        "tobytes", "tofile", "dump", "dumps", "byteswap", "getfield", "setfield",
    )},
}  # fmt: skip
