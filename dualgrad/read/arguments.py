"""What the arguments of a call are: by name, as values, as arrays, as what has to be known in advance."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np

from dualgrad.core.program import Atom, Const, If

from .values import Array, Value

FLOAT = "float64"


class Given(ast.expr):
    """A piece of syntax whose value has been read already."""

    _fields = ()

    def __init__(self, given: Value, node: ast.AST):
        super().__init__()
        self.given = given
        ast.copy_location(self, node)


def arguments(r: Any, node: ast.Call, names: str) -> dict[str, ast.expr]:
    """The call's arguments by name (a name with ``?`` may be missing)."""
    wanted = names.replace("?", "").split()
    given = {**dict(zip(wanted, node.args, strict=False)), **{str(k.arg): k.value for k in node.keywords}}
    needed = {n for n in names.split() if not n.endswith("?")}
    if len(node.args) > len(wanted) or not needed <= set(given) <= set(wanted):
        r.source.refuse(node, "call arguments", reason=f"those known are {', '.join(wanted)}")
    return {name: given[name] for name in wanted if name in given}


def values(r: Any, node: ast.Call, names: str) -> list[Value]:
    """The call's arguments, numbers or arrays; None for what is missing."""
    given = arguments(r, node, names)
    found = dict(zip(given, r.operands(*given.values()), strict=True))
    return [found.get(name) for name in names.replace("?", "").split()]


def array(r: Any, node: ast.expr, rank: int | None = None) -> Array:
    """An argument that has to be an array."""
    value = r.value(node)
    if not isinstance(value, Array):
        r.source.refuse(node, "no array")
    if rank is not None and len(value.axes) != rank:
        r.source.refuse(node, "rank", rank=rank)
    return value


def literal(r: Any, node: ast.Call, given: dict[str, ast.expr], name: str) -> int | None:
    """An argument that has to be known in advance, such as an axis; None if it is missing."""
    value = r.value(given[name]) if name in given else None
    if value is not None and not (isinstance(value, Const) and isinstance(value.value, int)):
        r.source.refuse(node, "call arguments", reason=f"{name} has to be a literal integer")
    return None if value is None else value.value


def dtype_of(r: Any, given: dict[str, ast.expr], default: str) -> str:
    """The dtype that a call asks for."""
    if "dtype" not in given:
        return default
    thing = getattr(r.value(given["dtype"]), "object", object)
    found = np.dtype(object) if thing is object else np.dtype(thing)
    return r.source.refuse(given["dtype"], "dtype") if found.hasobject else found.name


def shape_of(r: Any, node: ast.AST, value: Value) -> tuple[Atom, ...]:
    """A shape as it is given: a number or a tuple."""
    return tuple(r.cast(r.number(node, n), "int64") for n in (value if type(value) is tuple else (value,)))


def axis_of(r: Any, node: ast.Call, axis: int, rank: int) -> int:
    return axis % rank if -rank <= axis < rank else r.source.refuse(node, "call arguments", reason=f"rank {rank}")


def choose(r: Any, test: Atom, then: Callable[[], Any], orelse: Callable[[], Any]) -> None:
    """An ``if`` whose branches are written by these."""
    (_, a), (_, b) = r.apart(then), r.apart(orelse)
    r.b.block.append(If(test, a, b, [], r.b.line))
