"""Who watches the derivatives while they are made: nobody, or the one that `dualgrad.seeing.nans` puts here.

Without a watcher each transform asks once whether there is one, and a word never does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol


class Watcher(Protocol):
    """What a watcher is told."""

    def made(self, function: Callable[..., Any]) -> None:
        """A word's function was generated; it is in `dualgrad.backends.steps.MADE`."""

    def begin(self) -> None:
        """A transform is about to run the user's function."""

    def called(self, name: str, **found: Any) -> None:
        """A function with rules of its own has found a primal, a tangent, a series."""

    def tape(self, tape: Any) -> None:
        """A tape was made; its entries can be noted."""

    def forward(self, sweep: Any) -> None:
        """Run a sweep of tangents."""

    def reverse(self, sweep: Any) -> None:
        """Run a sweep of cotangents."""

    def judge(self, verb: str, what: str, values: Sequence[Any]) -> None:
        """A transform has found these values."""


watcher: Watcher | None = None
