"""Functions with rules that users wrote, called with numbers in nopython code: a row of the table, or a jvp rule.

What numba compiles for such a call is a small function in the place of the user's own: it applies the row's word, or
it calls the rule once for each direction.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit, types
from numba.core.typing.templates import signature
from numba.extending import intrinsic

from dualgrad.core.errors import UnsupportedError
from dualgrad.core.words import WORDS

from .making import lanes, value
from .types import DualType, NumberType, common


def define(name: str, parameters: list[str], lines: list[str], scope: dict[str, Any]) -> Any:
    """A compiled function of this text."""
    text = "\n    ".join([f"def {name}({', '.join(parameters)}):", *lines])
    exec(compile(text, f"<dualgrad {name} of numbers>", "exec"), scope)
    return njit(scope[name])


class Named:
    """A word of the table in the place of a user's row."""

    def __init__(self, name: str):
        self.word, self.__name__, self.__dualgrad_word__ = WORDS[name], name, name


@cache
def of_word(name: str) -> Any:
    """A word of the table, applied to numbers."""
    import dualgrad.rules  # noqa: F401  (fills the table)

    return of_row(Named(name))


def of_row(row: Any) -> Any:
    """A row of the table, applied to numbers."""

    @intrinsic  # type: ignore[misc]
    def applied(typingctx: Any, args: Any) -> Any:
        from . import operations  # which reads the table

        kind: Any = common(row.__name__, tuple(args))
        result = operations.result_type(row, kind, tuple(args))

        def lower(context: Any, builder: Any, sig: Any, values: Any) -> Any:
            parts = tuple(builder.extract_value(values[0], k) for k in range(len(args)))
            return operations.lower(row, context, builder, signature(result, *args), parts)

        return result(args), lower

    parameters = list(row.word.rule.args)
    return define(row.__name__, parameters, [f"return applied(({', '.join(parameters)},))"], {"applied": applied})


def of_rule(custom: Any, args: tuple[Any, ...], make: Any) -> Any:
    """A `custom_jvp` function called with numbers of these types; ``make`` is `Dual`."""
    name = custom.__name__
    numbers = [k for k, t in enumerate(args) if isinstance(t, NumberType)]
    kind = common(name, tuple(args[k] for k in numbers))
    if not isinstance(kind, DualType) or custom.rule is None or set(numbers) & set(custom.nondiff):
        culprit = args[numbers[0]] if numbers else "tuple of numbers"
        raise UnsupportedError(
            f"{custom!r} was called with a {culprit} in nopython code",
            why="a jvp rule is known for duals, by the arguments that are not in nondiff_argnums",
            hint="call it with x.primal, and make the number of its value and of what the rule gives",
        )
    parameters = [f"x{k}" for k in range(len(args))]
    nondiff = "".join(f"x{k}, " for k in custom.nondiff)
    rest = [k for k in range(len(args)) if k not in custom.nondiff]
    primals = "".join(f"value(x{k}), " if k in numbers else f"x{k}, " for k in rest)
    lines = [f"p = ({primals})", *(f"t{k} = lanes(x{k})" for k in numbers)]
    lines += [f"z{k} = {'np.zeros_like' if isinstance(args[k], types.Array) else '0 * '}(x{k})"
              for k in rest if k not in numbers]  # fmt: skip
    for d in range(kind.lanes):
        tangents = "".join(f"t{k}[{d}], " if k in numbers else f"z{k}, " for k in rest)
        lines.append(f"y, d{d} = rule({nondiff}p, ({tangents}))")
    partials = "d0" if kind.directions is None else "(" + "".join(f"d{d}, " for d in range(kind.lanes)) + ")"
    rule = custom.rule if hasattr(custom.rule, "py_func") else njit(custom.rule)
    scope = {"np": np, "rule": rule, "make": make, "value": value, "lanes": lanes}
    return define(name, parameters, [*lines, f"return make(y, {partials})"], scope)
