"""``scipy.sparse`` with numbers: a sparse matrix is a constant, ``A @ x`` works by itself."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    if name == "linalg":
        return import_module(".linalg", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
