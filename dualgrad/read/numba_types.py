"""Numba's types as the types of programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from dualgrad.core.fence import refuse
from dualgrad.core.program import Type

from .values import ArgType, Static, wrap


def types_of(numba_types: Iterable[Any]) -> list[ArgType | None]:
    """``array(float64, 2d, C)`` is ``Type("float64", 2)``; tuples stay tuples, omitted arguments are constants."""
    return [_type_of(t) for t in numba_types]


def _type_of(given: Any) -> ArgType | None:
    from numba import types

    t: Any = types.unliteral(given)
    if isinstance(t, types.Omitted):
        return wrap(t.value)  # type: ignore[return-value]
    if isinstance(t, types.Array) and t.ndim and isinstance(t.dtype, (types.Number, types.Boolean)):
        return Type(t.dtype.name, t.ndim)
    if isinstance(t, (types.Number, types.Boolean)):
        return Type(t.name)
    if isinstance(t, types.BaseTuple):
        return tuple(types_of(t))  # type: ignore[arg-type]
    if t == types.none:  # beside a result None
        return None
    if getattr(t, "kind", None) in ("Dual", "Jet"):
        refuse("nested number", None, given=t)
    refuse("argument", None, given=given)


def numba_type(given: Any) -> Any:
    """The type of numba for a program's type, or for what is known in advance."""
    from numba import typeof, types
    from numba.np.numpy_support import from_dtype

    if not isinstance(given, Type):
        return typeof(given.object if isinstance(given, Static) else given.value)
    scalar = types.boolean if given.dtype == "bool" else from_dtype(np.dtype(given.dtype))
    return types.Array(scalar, given.rank, "C") if given.rank else scalar
