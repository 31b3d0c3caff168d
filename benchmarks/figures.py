"""Errors and ratios as rows of a gate."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from problems import Array
from report import Missing, Row
from timing import Race

Rows = Iterator[Row | Missing]
MICRO = 1e6
MILLI = 1e3


def ratio(race: Race, name: str, other: str, limit: float | None = None) -> Row | Missing:
    """The row of a ratio of times."""
    quantity = f"{name} / {other}"
    if other not in race:
        return Missing(quantity, "peer not installed")
    return Row(quantity, race.ratio(name, other), "×", limit)


def error(found: object, expected: object) -> float:
    """The largest difference of any entry, relative to the largest entry expected; NaN where one is NaN."""
    found, expected = flat(found), flat(expected)
    if found.shape != expected.shape:
        raise ValueError(f"{found.size} numbers where {expected.size} are expected")
    return float(np.max(np.abs(found - expected)) / np.max(np.abs(expected)))


def elementwise_error(found: Array, expected: Array) -> float:
    """The largest relative difference of any entry from its own expected value."""
    return float(np.max(np.abs(found - expected) / np.abs(expected)))


def inner(left: object, right: object) -> float:
    """The inner product of two containers of arrays."""
    return float(flat(left) @ flat(right))


def flat(container: object) -> Array:
    """The numbers in a tuple, list, array or scalar, in order."""
    if isinstance(container, tuple | list):
        return np.concatenate([flat(part) for part in container])
    return np.ravel(np.asarray(container, dtype=float))
