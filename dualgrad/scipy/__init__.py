"""SciPy's functions that cannot see our numbers, under SciPy's names.

``dg.scipy.linalg.expm(a)`` is ``scipy.linalg.expm(a)`` for plain arrays, and has derivatives where ``a`` carries
one.  SciPy itself is imported when a function is called.  Inside a function that is differentiated SciPy's own names
mean these functions (`dualgrad.lifting`).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_ROOMS = ("integrate", "linalg", "signal", "sparse", "special", "stats")


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS})
