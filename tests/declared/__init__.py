"""NumPy's functions, one declaration each; every declaration is put through all laws of `test_declared`.

``declare(np.roll, lambda x: np.roll(x, 2), lambda x: np.roll(x, 1, axis=0), shape=(2, 3))`` says: these calls
prove the function; each takes one array and returns one array (or number).  Nothing here imports dualgrad.

Options
-------
shape, domain
    The argument is drawn from a domain of `oracles.SAMPLERS`, in this shape.
x
    The argument itself, where a drawn one will not do.
without
    Laws that do not apply, as ``{"empty": "why"}``: "empty" (an argument of size zero), "single" (float32),
    "strided" (a non-contiguous argument), "jet", "second" (second derivatives).
complex
    The calls are proven for complex arguments too, with an imaginary part beside what is drawn or given.
tolerance
    Relative to the values, of the comparison with differences of the function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from oracles import sample

DECLARED: list[Declared] = []


@dataclass(frozen=True)
class Declared:
    """One call of a function, to be proven."""

    function: Any
    call: Callable[..., Any]
    name: str
    shape: tuple[int, ...]
    domain: str
    given: Any
    without: dict[str, str] = field(default_factory=dict)
    tolerance: float = 1e-7
    complex: bool = False

    @property
    def x(self) -> Any:
        """The argument."""
        rng = np.random.default_rng(list(self.name.encode()))
        x = sample((self.domain,), rng, self.shape)[0] if self.given is None else np.array(self.given)[()]
        return x + 1j * rng.uniform(0.2, 1.2, np.shape(x)) if self.complex else x


def declare(
    function: Any,
    *calls: Callable[..., Any],
    shape: tuple[int, ...] = (3,),
    domain: str = "real",
    x: Any = None,
    without: dict[str, str] | None = None,
    tolerance: float = 1e-7,
    complex: bool = False,
) -> None:
    """Enter calls that prove ``function``; without a call, the function itself is one."""
    module = getattr(function, "__module__", None) or "numpy"
    title = f"{module.split('.')[-1]}.{getattr(function, '__name__', function)}"
    for k, call in enumerate(calls or (function,)):
        name = title if len(calls) < 2 else f"{title}-{k}"
        options = without or {}, tolerance
        DECLARED.append(Declared(function, call, name, shape, domain, x, *options))
        if complex:
            DECLARED.append(Declared(function, call, f"{name}-complex", shape, domain, x, *options, True))


for _file in sorted(Path(__file__).parent.glob("[a-z]*.py")):
    import_module(f"declared.{_file.stem}")
