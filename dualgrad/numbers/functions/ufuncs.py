"""Ufuncs that are said with words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualgrad.core.words import WORDS

from ..number import apply, plain
from .reducing import root
from .table import COMPOSED


def _times(factor: float) -> Callable[..., Any]:
    return lambda x: x * factor


COMPOSED |= {
    np.positive: lambda x: x.copy(),
    np.fabs: np.absolute,
    np.float_power: lambda a, b: apply(WORDS["power"], a, b),
    np.hypot: lambda a, b: root(a * a + b * b, (plain(a) == 0) & (plain(b) == 0)),
    np.log2: lambda x: np.log(x) * (1 / np.log(2.0)),
    np.log10: lambda x: np.log(x) * (1 / np.log(10.0)),
    np.exp2: lambda x: np.exp(x * np.log(2.0)),
    np.cbrt: lambda x: np.sign(x) * np.absolute(x) ** (1 / 3),
    **dict.fromkeys((np.deg2rad, np.radians), _times(np.pi / 180)),
    **dict.fromkeys((np.rad2deg, np.degrees), _times(180 / np.pi)),
}
