"""A text's function of arrays, which a number as first argument interprets as the word of its name."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np


def interpreted(f: Callable[..., Any]) -> Callable[..., Any]:
    """Let a number as first argument interpret the word named like ``f``."""
    name = f.__name__

    @wraps(f)
    def word(x: Any, *rest: Any) -> Any:
        if isinstance(x, (np.ndarray, np.generic)):
            return f(x, *rest)
        return x.__dualgrad_apply__(name, x, *rest)

    return word
