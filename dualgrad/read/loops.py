"""What a ``for`` runs over: range, arrays, enumerate and zip are all index loops."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dualgrad.core.build import is_const
from dualgrad.core.program import Atom, const

from .values import Array, Value, mapped

if TYPE_CHECKING:
    from .expressions import Expressions


KNOWN = ("range", "prange", "enumerate", "zip", "ndindex", "ndenumerate", "literal_unroll")


class Turns(NamedTuple):
    """A range, and what the loop's target gets at each of its numbers."""

    start: Atom
    stop: Atom
    step: Atom
    element: Callable[[Atom], Value]


def called_in(node: Any) -> tuple[str, list[ast.expr]]:
    """The function that makes what is looped over, and its arguments."""
    name = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
    return (name, node.args) if name in KNOWN else ("", [])


def parts_of(r: Expressions, node: Any) -> tuple[Value, ...] | None:
    """What a loop over tuples gets in its turns; None where it is over a range or an array."""
    called, args = called_in(node)
    if called == "literal_unroll":
        return parts_of(r, args[0])
    if called == "enumerate" and len(args) == 1:
        parts = parts_of(r, args[0])
        return None if parts is None else tuple((const(k), part) for k, part in enumerate(parts))
    if called == "zip":
        several = [parts_of(r, n) for n in args]
        return None if None in several else tuple(zip(*several))  # type: ignore[arg-type]
    if not isinstance(node, (ast.Tuple, ast.Name, ast.Subscript)):
        return None
    value, block = r.apart(lambda: r.value(node))
    if type(value) is not tuple:
        return None
    r.b.block += block
    return tuple(mapped(r.stable, value))


def over_indices(r: Expressions, shape: Sequence[Atom], element: Callable[[tuple[Atom, ...]], Value]) -> Turns:
    """All indices of a shape in order."""
    shape = [r.stable(n) for n in shape]

    def at(k: Atom) -> Value:
        index: list[Atom] = []
        for n in reversed(shape[1:]):
            index.append(r.b.mod(k, n))
            k = r.b.floordiv(k, n)
        return element((k, *reversed(index)))

    return Turns(const(0), r.fold("mul", shape), const(1), at)


def turns(r: Expressions, node: Any) -> Turns:
    """What ``for … in node`` runs over."""
    called, args = called_in(node)
    if called and (node.keywords or any(isinstance(n, ast.Starred) for n in args)):
        r.source.refuse(node, "loop")
    if called == "ndindex":
        given = [n for v in map(r.value, args) for n in (v if type(v) is tuple else (v,))]
        return over_indices(r, [r.cast(r.number(node, n), "int64") for n in given], lambda index: index)
    if called == "ndenumerate" or isinstance(node, ast.Attribute) and node.attr == "flat":
        array = r.settled(r.value(args[0] if args else node.value))
        if not isinstance(array, Array):
            r.source.refuse(node, "loop")
        pairs = called == "ndenumerate"
        return over_indices(r, r.shape(array), lambda i: (i, r.load(array, i)) if pairs else r.load(array, i))
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
