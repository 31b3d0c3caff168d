"""What the functions of ``math`` and ``cmath`` mean for numbers; other arguments go to these functions themselves."""

from __future__ import annotations

import cmath
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualgrad.core.words import WORDS

from .number import Number, apply, plain


def _of_numbers(function: Callable[..., Any], numeric: Callable[..., Any]) -> Callable[..., Any]:
    """A function that takes numbers too."""
    return functools.wraps(function)(
        lambda *args, **options: (numeric if any(isinstance(a, Number) for a in args) else function)(*args, **options)
    )


def _of_sequences(function: Callable[..., Any], numeric: Callable[..., Any]) -> Callable[..., Any]:
    """A function of sequences in which there may be numbers."""

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        args = tuple([list(a) if hasattr(a, "__iter__") else a for a in args])
        inside = [x for a in args if isinstance(a, list) for x in a] + [*options.values()]
        return (numeric if any(isinstance(x, Number) for x in inside) else function)(*args, **options)

    return call


def _of_value(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **options: function(*map(plain, args), **{k: plain(v) for k, v in options.items()})


def _word(name: str) -> Callable[..., Any]:
    return lambda *args: apply(WORDS[name], *args)


def _log(x: Any, base: Any = None) -> Any:
    return np.log(x) if base is None else np.log(x) / np.log(base)


def _hypot(*parts: Any) -> Any:
    return functools.reduce(np.hypot, parts) if len(parts) > 1 else np.absolute(parts[0])


def _remainder(x: Any, y: Any) -> Any:
    """What is left of x beside the nearest multiple of y."""
    left = np.fmod(x, y)
    return left - y * np.rint((plain(left) - math.remainder(plain(x), plain(y))) / plain(y))


def _product(values: Any, start: Any = 1.0) -> Any:
    return functools.reduce(lambda a, b: a * b, values, start)


_SAME = ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "expm1", "log1p", "sqrt", "log2", "log10", "exp2", "cbrt",
         "degrees", "radians", "fmod", "copysign", "frexp", "ldexp", "modf")  # fmt: skip
_NAMED = {
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2, "asinh": np.arcsinh,
    "acosh": np.arccosh, "atanh": np.arctanh, "fabs": np.absolute, "pow": np.power, "log": _log, "hypot": _hypot,
    "erf": _word("erf"), "erfc": _word("erfc"), "gamma": _word("gamma"), "lgamma": _word("gammaln"),
    "remainder": _remainder, "fma": lambda x, y, z: x * y + z,
    **{name: getattr(np, name) for name in _SAME},
}  # fmt: skip
_SEQUENCES = {
    "fsum": sum, "prod": _product,
    "dist": lambda p, q: _hypot(*(a - b for a, b in zip(p, q, strict=True))),
    "sumprod": lambda p, q: sum(a * b for a, b in zip(p, q, strict=True)),
}  # fmt: skip
_VALUES = ("floor", "ceil", "trunc", "isnan", "isinf", "isfinite", "isclose", "ulp", "nextafter")


# Complex numbers, of double precision whatever the argument


def _complex(x: Any) -> Any:
    return x.astype(complex) if isinstance(x, Number) else np.complex128(x)


def _of_complex(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: f(*map(_complex, args))


def _rect(r: Any, phi: Any) -> Any:
    return r * np.cos(phi) + 1j * (r * np.sin(phi))


_COMPLEX = {
    **{name: _of_complex(_NAMED[name]) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "sqrt", "asin",
                                                    "acos", "atan", "asinh", "acosh", "atanh", "log", "log10")},
    "phase": _of_complex(np.angle), "rect": _rect,
    "polar": _of_complex(lambda z: (np.absolute(z), np.angle(z))),
}  # fmt: skip


def _present(module: Any, names: Any) -> dict[Callable[..., Any], Any]:
    """Those that this version of Python has."""
    return {getattr(module, name): names[name] for name in names if hasattr(module, name)}


MEANINGS: dict[Callable[..., Any], Callable[..., Any]] = {
    **{f: _of_numbers(f, numeric) for f, numeric in _present(math, _NAMED).items()},
    **{f: _of_sequences(f, numeric) for f, numeric in _present(math, _SEQUENCES).items()},
    **{f: _of_numbers(f, _of_value(f)) for f in _present(math, dict.fromkeys(_VALUES))},
    **{f: _of_numbers(f, numeric) for f, numeric in _present(cmath, _COMPLEX).items()},
    **{f: _of_numbers(f, _of_value(f)) for f in (cmath.isfinite, cmath.isinf, cmath.isnan, cmath.isclose)},
}
