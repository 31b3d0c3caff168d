"""What a Taylor series is while a program is written, and the sums that all recurrences use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..core.build import Builder
from ..core.program import INT, Atom, Const, For, Type, Var
from ..rules.declare import promoted
from .jvp import matched

ZERO, ONE = Const(0, INT), Const(1, INT)


@dataclass(eq=False)
class Series:
    """Coefficients of one value: order 0 is an atom, the rest lie in memory (None: a constant)."""

    first: Atom
    memory: Var | None = None

    def at(self, k: Atom, b: Builder) -> Atom:
        return b.load(self.memory, k)


def is_series(value: Any) -> bool:
    """Whether a value has coefficients beyond order 0."""
    return isinstance(value, Series) and value.memory is not None


def plain(value: Any) -> Any:
    """Order 0."""
    return value.first if isinstance(value, Series) else value


def as_atom(value: Any, like: Series) -> Atom:
    """A structural zero or a literal as an atom of the series' type."""
    if isinstance(value, (Var, Const)):
        return value
    return Const(0.0 if value is None else float(value), Type(like.first.type.dtype))


def scaled(b: Builder, k: Atom, like: Series) -> Atom:
    """An order as a number of the series' type (int times float32 would be float64)."""
    return b.cast(k, dtype="float32") if like.first.type.dtype == "float32" else k


def total(b: Builder, start: Atom, count: Atom, term: Callable[[Builder, Atom], Atom]) -> Atom:
    """``start + Σ_{j<count} term(j)``."""
    j, body = Var("j", INT), Builder(line=b.line)
    value = term(body, j)
    acc = Var("acc", value.type if isinstance(start, Const) else promoted([start.type, value.type], {}))
    b.bind(acc, Const(start.value, acc.type) if isinstance(start, Const) else matched(start, acc.type, b))
    body.bind(acc, body.add(acc, value))
    b.block.append(For(j, ZERO, count, ONE, body.block, line=b.line))
    return acc
