"""One run of a transform is a level; a number belongs to one, and says so when it is used after its end."""

from __future__ import annotations

import itertools
import os
import sys
from typing import Any, ClassVar

from dualgrad.core.errors import EscapedNumberError

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Level:
    """One run of a transform.  Depths are never used twice, so no two levels unify."""

    __slots__ = ("alive", "careful", "depth", "made", "verb")

    depth: float
    made: Any
    depths: ClassVar = itertools.count(1000)

    def __init__(self, verb: str, careful: bool = False, depth: float | None = None):
        self.verb, self.careful, self.alive = verb, careful, True
        self.depth, self.made = (next(Level.depths), caller()) if depth is None else (depth, None)

    def end(self) -> None:
        self.alive = False

    def check(self) -> None:
        """Raise if the transform has ended."""
        if not self.alive:
            refuse(self.verb, self.depth, self.made)


def refuse(verb: str, depth: float, made: Any, *_: Any) -> None:
    """The error of a number of a level that has ended; ``made`` is the user's file, line and function."""
    where = "{}:{}, in {}".format(*made) if made else ""
    raise EscapedNumberError(
        f"a number of a transform that has ended was used ({verb}, level {depth}, made at {where})",
        why="its derivative belongs to that one run of the transform; here it would be lost or be a wrong one",
        hint="return what you need from the function (has_aux=True), do not keep it in a global or a cache",
    )


def caller() -> tuple[str, int, str]:
    """The innermost frame outside dualgrad, as cheaply as possible."""
    frame: Any = sys._getframe(2)
    while frame.f_code.co_filename.startswith(_HERE) and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name
