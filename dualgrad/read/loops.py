"""What a ``for`` runs over: range, arrays, enumerate and zip are all index loops."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from dualgrad.core.build import is_const
from dualgrad.core.program import Atom, const

from .values import Array, Value

if TYPE_CHECKING:
    from .expressions import Expressions


class Turns(NamedTuple):
    """A range, and what the loop's target gets at each of its numbers."""

    start: Atom
    stop: Atom
    step: Atom
    element: Callable[[Atom], Value]


def turns(r: Expressions, node: Any) -> Turns:
    """What ``for … in node`` runs over."""
    called = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
    args = node.args if called in ("range", "prange", "enumerate", "zip") else []
    if args and (node.keywords or any(isinstance(n, ast.Starred) for n in args)):
        r.source.refuse(node, "loop")
    if called in ("range", "prange"):
        given = [r.cast(r.atom(n), "int64") for n in args]
        start, stop, step = [const(0), *given, const(1)] if len(given) == 1 else [*given, const(1)][:3]
        return Turns(start, stop, step, lambda k: k)
    if called == "enumerate":
        count, element = from_zero(r, turns(r, args[0]))
        first = r.atom(args[1]) if len(args) > 1 else const(0)
        return Turns(const(0), count, const(1), lambda k: (r.b.add(k, first), element(k)))
    if called == "zip":
        parts = [from_zero(r, turns(r, n)) for n in args]
        count = r.fold("minimum", [c for c, _ in parts])
        return Turns(const(0), count, const(1), lambda k: tuple(element(k) for _, element in parts))
    array = r.settled(r.value(node))
    if not isinstance(array, Array):
        r.source.refuse(node, "loop")
    return Turns(const(0), r.shape(array)[0], const(1), lambda k: row(r, array, k))


def row(r: Expressions, array: Array, k: Atom) -> Value:
    """What a loop over an array gets in turn k."""
    part = r.part(array, [k, *[None] * (len(array.axes) - 1)])
    return part if part.axes else r.load(part)


def from_zero(r: Expressions, run: Turns) -> tuple[Atom, Callable[[Atom], Value]]:
    """The number of turns, and what the target gets in turn k."""
    start, stop, step, element = run
    if is_const(start, 0) and is_const(step, 1):
        return stop, element
    start, step = r.stable(start), r.stable(step)
    return r.b.length(start, stop, step), lambda k: element(r.b.add(start, r.b.mul(k, step)))
