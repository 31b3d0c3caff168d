"""How a function stands in for one of SciPy: plain arguments go to SciPy, numbers to the composition."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from inspect import signature
from typing import Any, TypeVar

from dualgrad.core.errors import UnsupportedError
from dualgrad.numbers.functions.table import numbers_in, unwrapped

F = TypeVar("F", bound=Callable[..., Any])


def stands_for(module: str) -> Callable[[F], F]:
    """Let a function stand for the one of its name in a module of SciPy.

    Options that say how SciPy computes (``overwrite_a``, ``check_finite``, a LAPACK driver) mean nothing here.
    """

    def enter(f: F) -> F:
        known = signature(f).parameters

        @wraps(f)
        def call(*args: Any, **options: Any) -> Any:
            if not any(n._level.depth for n in numbers_in((*args, *options.values()))):
                theirs = getattr(import_module(module), f.__name__)
                return theirs(*map(_plain, args), **{k: unwrapped(v) for k, v in options.items()})
            for name in [name for name in options if name not in known]:
                if not name.startswith(("overwrite_", "check_finite", "lapack_driver")):
                    raise UnsupportedError(
                        f"{module}.{f.__name__} with {name}= has no derivative rule",
                        why="it was called with a number that carries a derivative",
                        hint="leave the option out, or use dg.stop_gradient(x) where only the value counts",
                    )
                del options[name]
            return f(*args, **options)

        return call  # type: ignore[return-value]

    return enter


def _plain(a: Any) -> Any:
    return type(a)(map(_plain, a)) if type(a) in (list, tuple) else unwrapped(a)
