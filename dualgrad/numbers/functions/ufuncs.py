"""Ufuncs that are said with words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualgrad.core.words import WORDS

from ..array import as_value
from ..number import apply, plain
from .making import chosen, operand
from .table import COMPOSED, FUNCTIONS, UFUNCS


def modf(x: Any) -> tuple[Any, Any]:
    return apply(WORDS["fraction"], x), np.trunc(plain(x))


def frexp(x: Any) -> tuple[Any, Any]:
    exponent = np.frexp(plain(x))[1]
    return ldexp(x, -exponent), exponent


def ldexp(x: Any, n: Any) -> Any:
    """``x * 2**n`` in two factors, so that neither overflows where the product does not."""
    n = plain(n)
    half, one = n // 2, x.dtype.type(1)
    return x * np.ldexp(one, half) * np.ldexp(one, n - half)


def copysign(a: Any, b: Any) -> Any:
    return abs(a) * _of_value(lambda b: np.copysign(1.0, b), b)


def sinc(x: Any) -> Any:
    """Complex numbers near zero have a series."""
    x = operand(x)
    if x.dtype.kind != "c":
        return apply(WORDS["sinc"], x)
    y = np.pi * x
    near = abs(plain(y)) < 0.5
    square, away = chosen(near, y * y, 0.0), chosen(near, 1.0, y)
    series: Any = 1.0
    for k in range(14, 0, -2):
        series = 1.0 - square * series / (k * (k + 1))
    return chosen(near, series, np.sin(away) / away)


def heaviside(a: Any, b: Any) -> Any:
    return chosen(plain(a) == 0, b, _of_value(lambda a: np.heaviside(a, 0.0), a))


def _of_value(f: Callable[..., Any], x: Any) -> Any:
    """``f`` of the value; of a Python number a Python number, which adopts the dtype that it meets."""
    value = f(plain(x))
    return value if hasattr(x, "dtype") else float(value)


def float_power(a: Any, b: Any) -> Any:
    """The power in double precision at least."""
    a, b = (x.astype(np.result_type(x, float)) if hasattr(x, "dtype") else float(x) for x in (a, b))
    return apply(WORDS["power"], a, b)


COMPOSED |= {
    np.positive: lambda x: as_value(x.copy()),
    np.fabs: np.absolute,
    np.copysign: copysign,
    np.heaviside: heaviside,
    np.float_power: float_power,
    np.divmod: lambda a, b: (np.floor_divide(plain(a), plain(b)), np.remainder(a, b)),
    np.modf: modf,
    np.frexp: frexp,
    np.ldexp: ldexp,
}
FUNCTIONS |= {np.sinc: sinc, np.i0: lambda x: apply(WORDS["bessel_i0"], x)}
UFUNCS |= {np.radians: WORDS["deg2rad"], np.degrees: WORDS["rad2deg"]}
