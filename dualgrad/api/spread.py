"""A computation in pieces, one after the other or given to an executor."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Sequence
from typing import Any

from dualgrad.core.errors import ArgumentError, DualgradError
from dualgrad.lifting import is_lifting, lifting


class Named:
    """An object that a decorator made of a function: it is pickled by the name it has in its module."""

    __name__: str
    __qualname__: str

    def __reduce_ex__(self, protocol: Any) -> Any:
        found: Any = sys.modules.get(self.__module__)
        for part in self.__qualname__.split("."):
            found = getattr(found, part, None)
        return self.__qualname__ if found is self else super().__reduce_ex__(protocol)


def pieces(total: int, chunk: int | None, executor: Any = None) -> list[range]:
    """``range(total)`` in pieces of at most ``chunk``; without it one for each worker."""
    if chunk is not None and (not isinstance(chunk, int) or isinstance(chunk, bool) or chunk < 1):
        raise ArgumentError(f"chunk={chunk!r}: it must be a whole number, 1 or more")
    if chunk is None:
        workers = 1 if executor is None else getattr(executor, "_max_workers", None) or os.cpu_count() or 1
        chunk = max(1, -(-total // workers))
    return [range(k, min(k + chunk, total)) for k in range(0, total, chunk)]


def over(executor: Any, task: Callable[[range], Any], todo: Sequence[range]) -> list[Any]:
    """``task`` of each piece, in order."""
    if executor is None:
        return [task(piece) for piece in todo]
    if not callable(getattr(executor, "submit", None)):
        raise ArgumentError(
            f"executor={executor!r:.60} has no submit",
            hint="pass a concurrent.futures executor, or anything with submit(f, *args) -> future",
        )
    try:
        waiting = [executor.submit(_run, task, piece, is_lifting()) for piece in todo]
        return [future.result() for future in waiting]
    except DualgradError:
        raise
    except Exception as error:
        if isinstance(error, pickle.PicklingError) or "pickle" in str(error):
            raise ArgumentError(
                f"the executor cannot send the function to another process: {error}",
                why="a process gets functions by name: lambdas and functions inside functions have none it could find",
                hint="define the function at the top of a module, or use threads",
            ) from None
        raise


def _run(task: Callable[[range], Any], piece: range, lifted: bool) -> Any:
    """The task as it would run here: a worker does not know what was switched off."""
    with lifting(lifted):
        return task(piece)
