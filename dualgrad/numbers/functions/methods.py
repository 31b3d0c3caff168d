"""What else an ndarray has: facts about its memory, and what only an array of floats can do."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualgrad.core.errors import UnsupportedAttributeError, UnsupportedError

from ..number import Number, current, plain
from .outside import REFUSED, Refusal
from .table import METHODS, unsupported


def _refused(name: str, row: Refusal) -> Any:
    """A method or attribute that raises: it would show or change bytes, of which a number has none."""

    def method(self: Any, *args: Any, **options: Any) -> Any:
        raise UnsupportedError(f"x.{name}() of a number that carries a derivative", row.why, row.instead)

    def attribute(self: Any) -> Any:
        raise UnsupportedAttributeError(f"x.{name} of a number that carries a derivative", row.why, row.instead)

    return method if callable(getattr(np.ndarray, name)) else property(attribute)


def _view(x: Number, dtype: Any = None, type: Any = None) -> Any:
    """``x.view()``: the same memory; of another dtype it would be another function of the bytes."""
    if (dtype is None or isinstance(dtype, np.dtype) and dtype == x.dtype) and type is None:
        return x[...] if x._is_array() else x
    raise unsupported("x.view(dtype)", "use x.astype(dtype), x.real, x.imag or a + 1j*b")


def _contains(x: Number, value: Any) -> bool:
    return bool(np.any(plain(x) == plain(value)))


ATTRIBUTES = {f"ndarray.{name}" for name in dir(np.ndarray)}  # not all of NumPy's versions have all of them
METHODS |= {
    "itemsize": property(lambda self: self.dtype.itemsize),
    "nbytes": property(lambda self: self.size * self.dtype.itemsize),
    "device": property(lambda self: "cpu"),
    "flags": property(lambda self: current(self)._ground().flags),  # of the values' memory
    "view": _view,
    "choose": lambda self, choices, out=None, mode="raise": np.choose(plain(self), choices, out, mode),
    "__contains__": _contains,
    **{
        name.removeprefix("ndarray."): _refused(name.removeprefix("ndarray."), row)
        for name, row in REFUSED.items()
        if name in ATTRIBUTES and not hasattr(Number, name.removeprefix("ndarray."))
    },
}
