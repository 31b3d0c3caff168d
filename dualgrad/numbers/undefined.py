"""A result whose derivative does not exist: it has a value, and whatever needs more than that raises.

``np.linalg.eigh`` gives values and vectors; where eigenvalues agree the vectors have no derivative.  A function
that uses the values alone must not notice, so the error waits until the vectors are used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dualgrad.core.errors import DualgradError

from .level import Level
from .number import OWN, Number, make, plain

LEVEL = Level("a result without derivative", depth=float("inf"))


class Undefined(Number):
    """A value and the error that says why it has no derivative."""

    __slots__ = ()

    @property
    def primal(self) -> Any:
        return self._primal

    def __repr__(self) -> str:
        return f"Undefined({self._primal!r})"

    def _look(self, view: Any, argument: Any) -> tuple[Any, Any]:
        return view(self._primal, argument), self._linear

    def _own(self) -> None:
        """Whatever reads a number that may be written takes a copy first."""
        error: DualgradError = self._linear
        raise type(error)(error.what, error.why, error.hint)

    def _write(self, *_: Any) -> None:
        self._own()


def undefined(value: Any, error: DualgradError) -> Any:
    """A value that raises this error when it is used with its derivative."""
    new = make(Undefined, LEVEL, plain(value), error)
    new._memory = OWN
    return new


def through(f: Callable[[Any], Any], x: Any) -> Any:
    """``f(x)``; of a result without derivative it is another one."""
    return undefined(f(plain(x)), x._linear) if isinstance(x, Undefined) else f(x)
