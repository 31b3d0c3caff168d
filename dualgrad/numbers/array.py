"""An inactive buffer: an array at level 0, where derivatives may be written later.

``np.zeros(n)`` in a lifted function makes one.  It behaves as an ndarray and is turned into
one wherever it meets a function that knows no numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from dualgrad.core.words import Word

from .number import BATCHED, OWN, Level, Number, View, evaluate, make, settled

GROUND = Level("an inactive buffer", depth=0)


class Array(Number):
    """A buffer without derivative; writing a number into it makes it a number of that kind."""

    __slots__ = ()

    @staticmethod
    def _interpret(level: Level, word: Word, args: list[Any]) -> Any:
        return wrap(evaluate(word)(*(a._primal if isinstance(a, Array) else a for a in args)))

    def _look(self, view: Any, argument: Any) -> tuple[Any, Any]:
        return view(self._primal, argument), None

    def _snapshot(self) -> Any:
        return make(Array, GROUND, self._primal.copy(), None) if type(self._primal) is ndarray else self._primal

    def _own(self) -> None:
        self._primal = self._primal.copy()

    def _write(self, chain: tuple[View, ...], index: Any, value: Any) -> None:
        content = self._primal
        for view, argument in chain:
            content = view(content, argument)
        content[index] = value._primal if isinstance(value, Array) else value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> ndarray:
        current = settled(self)
        if type(current) is not Array:
            return Number.__array__(current)
        return np.array(current._primal, dtype, copy=copy)

    def __float__(self) -> float:
        current = settled(self)
        return float(current._primal) if type(current) is Array else Number.__float__(current)

    def __int__(self) -> int:
        current = settled(self)
        return int(current._primal) if type(current) is Array else Number.__int__(current)

    def item(self, *args: Any) -> Any:
        current = settled(self)
        return current._primal.item(*args) if type(current) is Array else Number.item(current)


def wrap(value: Any) -> Any:
    """Arrays of floats as frozen buffers; everything else as it is."""
    if type(value) is ndarray and value.dtype.kind in "fc":
        return make(Array, GROUND, value, None)
    return value


def buffer(value: ndarray) -> Any:
    """A fresh array as a buffer of its own."""
    if value.dtype.kind not in "fc":
        return value
    new = make(Array, GROUND, value, None)
    new._memory = OWN
    return new


def room_for(content: Any, value: Any) -> Any:
    """Content into which ``value`` can be written: plain arrays become buffers for numbers."""
    if isinstance(value, Number) and type(content) is ndarray:
        return buffer(content)
    return content


def looked(content: Any, chain: tuple[View, ...], lead: int = 0) -> Any:
    """Content seen through views, past ``lead`` leading axes (0 or 1)."""
    for view, argument in chain:
        content = (BATCHED[view] if lead else view)(content, argument)
    return content
