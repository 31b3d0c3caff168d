"""An inactive buffer: an array at level 0, where derivatives may be written later.

``np.zeros(n)`` in a lifted function makes one.  It behaves as an ndarray and is turned into
one wherever it meets a function that knows no numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from dualgrad.core.words import Word

from .level import Level
from .number import BATCHED, OWN, Number, View, current, evaluate, make, settled

GROUND = Level("an inactive buffer", depth=0)


class Array(Number):
    """A buffer without derivative; writing a number into it makes it a number of that kind."""

    __slots__ = ()

    @staticmethod
    def _interpret(level: Level, word: Word, args: list[Any]) -> Any:
        return wrap(evaluate(word)(*(a._primal if isinstance(a, Array) else a for a in args)))

    def _look(self, view: Any, argument: Any) -> tuple[Any, Any]:
        return view(self._primal, argument), None

    def _write(self, chain: tuple[View, ...], index: Any, value: Any) -> None:
        looked(self._primal, chain)[index] = value._primal if isinstance(value, Array) else value

    def __str__(self) -> str:
        return str(self.primal)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> ndarray:
        now = settled(self)
        return np.array(now._primal, dtype, copy=copy) if type(now) is Array else Number.__array__(now)


def _of_content(name: str) -> Any:
    """A method of the array inside, while there is nothing to differentiate."""

    def method(self: Any, *args: Any) -> Any:
        now = current(self)
        return getattr(now._primal if type(now) is Array else now, name)(*args)

    return method


for _name in ("__float__", "__int__", "__index__", "item"):
    setattr(Array, _name, _of_content(_name))


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


def with_memory(x: Any) -> Any:
    """A number without axes as the array that NumPy makes of it: other names for it see what is written."""
    if not isinstance(x, Number) or x.shape or x._is_array():
        return x
    room = buffer(np.zeros((), x.dtype))
    room[...] = x
    room._memory = None
    return room


def as_value(x: Any) -> Any:
    """An array without axes as the value in it, which is what NumPy gives in many places."""
    return x if x.shape else x[()]


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
