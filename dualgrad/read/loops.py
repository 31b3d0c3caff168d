"""What a ``for`` runs over: range, arrays, enumerate and zip are all index loops."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from dualgrad.core.program import Atom, const

from .values import Array, Static, Value

if TYPE_CHECKING:
    from .expressions import Expressions


class Turns(NamedTuple):
    """A range, and what the loop's target gets at each index."""

    start: Atom
    stop: Atom
    step: Atom
    element: Callable[[Atom], Value]
    is_range: bool = False


def turns(r: Expressions, node: ast.expr) -> Turns:
    """What ``for … in node`` runs over."""
    if not isinstance(node, ast.Call) or isinstance(node.func, ast.Attribute) and node.func.attr == "copy":
        array = r.value(node)
        if not isinstance(array, Array):
            no_loop(r, node)
        return Turns(const(0), r.shape(array)[0], const(1), lambda k: r.part(Array(array.var, (*array.prefix, k))))
    called = r.value(node.func)
    called = called.object if isinstance(called, Static) else None
    if called is range or getattr(called, "__name__", "") == "prange":
        given = [r.cast(r.atom(n), "int64") for n in node.args]
        start, stop, step = (const(0), *given, const(1)) if len(given) == 1 else (*given, const(1))[:3]
        return Turns(start, stop, step, lambda k: k, True)
    if called is enumerate:
        count, element = from_zero(r, turns(r, node.args[0]))
        first = r.atom(node.args[1]) if len(node.args) > 1 else const(0)
        return Turns(const(0), count, const(1), lambda k: (r.b.add(k, first), element(k)))
    if called is builtins.zip:
        parts = [from_zero(r, turns(r, n)) for n in node.args]
        count = r.fold("minimum", tuple(c for c, _ in parts))
        return Turns(const(0), count, const(1), lambda k: tuple(element(k) for _, element in parts))
    return no_loop(r, node)


def from_zero(r: Expressions, run: Turns) -> tuple[Atom, Callable[[Atom], Value]]:
    """Number of turns, and what the target gets in turn k."""
    if not run.is_range:
        return run.stop, run.element
    count = r.b.length(run.start, run.stop, run.step)
    return count, lambda k: r.b.add(run.start, r.b.mul(k, run.step))


def no_loop(r: Expressions, node: ast.expr) -> Turns:
    hint = "loop over range, an array, enumerate or zip"
    r.source.refuse(node, f"a loop over {ast.unparse(node)} cannot be differentiated in a kernel", hint=hint)
