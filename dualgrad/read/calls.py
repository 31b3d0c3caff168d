"""Calls: NumPy's and Python's functions as words, buffers, and other kernels read in place."""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Callable, Hashable
from functools import cache, partial
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from dualgrad import rules  # noqa: F401  (fills the table)
from dualgrad.core.program import Atom, const
from dualgrad.core.words import WORDS

from .values import Array, Static, Value, wrap

if TYPE_CHECKING:
    from .kernels import Reader

OTHER_NAMES = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "asinh": "arcsinh", "acosh": "arccosh",
    "atanh": "arctanh", "fabs": "absolute", "pow": "power", "lgamma": "gammaln",
}  # fmt: skip
LIBRARIES = ("numpy", "scipy", "numba")
TO_INTEGER = {math.floor: "floor", math.ceil: "ceil", math.trunc: "trunc", round: "rint"}


@cache
def scalar_words() -> dict[Any, str]:
    """The functions that are one word: NumPy's ufuncs, their namesakes in `math`, and a few builtins."""
    found = {w.ufunc: w.name for w in WORDS.values() if w.elementwise and w.ufunc is not None}
    for name, function in vars(math).items():
        word = WORDS.get(OTHER_NAMES.get(name, name))
        if word and word.elementwise:
            found[function] = word.name
    by_hand = {abs: "absolute", pow: "power", np.fabs: "absolute"}
    return {**found, **by_hand, np.logical_and: "and_", np.logical_or: "or_", np.logical_not: "not_"}


def read_call(r: Reader, node: ast.Call) -> Value:
    """What a call means."""
    for part in (*node.args, *node.keywords):
        if isinstance(part, ast.Starred) or isinstance(part, ast.keyword) and part.arg is None:
            r.source.fence(node, "Starred")
    base = r.value(node.func.value) if isinstance(node.func, ast.Attribute) else None
    if isinstance(base, Array):
        return copy(r, node, base) if node.func.attr == "copy" else r.source.refuse(node, "call")
    value = r.value(node.func)
    function = value.object if isinstance(value, Static) else None
    if isinstance(function, Hashable):
        if function in HANDLERS:
            return HANDLERS[function](r, node)
        if function in scalar_words():
            return word(r, node, scalar_words()[function])
    if hasattr(function, "__dualgrad_program__") or hasattr(function, "py_func") or is_user_function(function):
        return kernel(r, node, function)
    if isinstance(function, type) and (function in (float, int, bool, complex) or issubclass(function, np.generic)):
        return r.cast(numbers(r, node, "x")[0], np.dtype(function).name)
    r.source.refuse(node, "call")


def is_user_function(function: Any) -> bool:
    return isinstance(function, FunctionType) and function.__module__.partition(".")[0] not in LIBRARIES


def arguments(r: Reader, node: ast.Call, names: str) -> dict[str, Value]:
    """The call's arguments by name (a name with ``?`` may be missing)."""
    wanted = names.replace("?", "").split()
    given = {**dict(zip(wanted, node.args, strict=False)), **{str(k.arg): k.value for k in node.keywords}}
    needed = {n for n in names.split() if not n.endswith("?")}
    if len(node.args) > len(wanted) or not needed <= set(given) <= set(wanted):
        r.source.refuse(node, "call arguments", reason=f"those known are {', '.join(wanted)}")
    return {name: r.value(given[name]) for name in wanted if name in given}


def numbers(r: Reader, node: ast.Call, names: str) -> list[Atom]:
    return [r.number(node, value) for value in arguments(r, node, names).values()]


def word(r: Reader, node: ast.Call, name: str) -> Atom:
    return r.apply(node, name, *numbers(r, node, " ".join(WORDS[name].rule.args)))


def to_integer(r: Reader, node: ast.Call, name: str) -> Atom:
    return r.cast(word(r, node, name), "int64")


def extreme(r: Reader, node: ast.Call, name: str) -> Atom:
    if len(node.args) < 2 or node.keywords:
        r.source.refuse(node, "call arguments", reason="two numbers or more are known")
    return r.fold(name, [r.atom(n) for n in node.args])


def length(r: Reader, node: ast.Call) -> Atom:
    (value,) = arguments(r, node, "x").values()
    if type(value) is tuple:
        return const(len(value))
    return r.shape(value)[0] if isinstance(value, Array) else r.source.refuse(node.args[0], "no array")


def copy(r: Reader, node: ast.Call, array: Array | None = None) -> Array:
    found = array or arguments(r, node, "array")["array"]
    return (
        Array(r.b.copy(found.var)) if isinstance(found, Array) and not found.prefix else r.source.refuse(node, "part")
    )


def buffer(r: Reader, node: ast.Call, fill: float | None, like: bool) -> Array:
    """``np.zeros(shape, dtype)`` and its relatives; ``fill`` is None where it is an argument."""
    given = arguments(r, node, "shape dtype?" if fill is not None else "shape fill_value dtype?")
    model, value = given["shape"], r.number(node, given.get("fill_value", const(fill or 0.0)))
    shape = model if type(model) is tuple else r.shape(model) if isinstance(model, Array) and like else (model,)
    default = Static((model if like and isinstance(model, Array) else value).type.dtype)
    dtype = np.dtype(getattr(given.get("dtype", default), "object", "O")).name
    if not shape or dtype == "object":
        r.source.refuse(node, "call arguments", reason="shape and dtype have to be known, and of one dimension or more")
    return Array(r.b.full(r.cast(value, dtype), *(r.number(node, n) for n in shape), dtype=dtype))


def vector(r: Reader, node: ast.Call) -> Array:
    """``np.array([a, b, c])`` of numbers."""
    if len(node.args) != 1 or node.keywords or not isinstance(node.args[0], (ast.List, ast.Tuple)):
        r.source.refuse(node, "call arguments", reason="a list of numbers is known")
    atoms = [r.atom(n) for n in node.args[0].elts]
    dtype = np.result_type(*(a.type.dtype for a in atoms)).name
    array = r.b.full(r.cast(const(0), dtype), const(len(atoms)), dtype=dtype)
    for k, a in enumerate(atoms):
        r.b.store(array, (const(k),), r.cast(a, dtype))
    return Array(array)


def kernel(r: Reader, node: ast.Call, function: Any) -> Value:
    """Another kernel, with all of its arguments."""
    args, keywords = [r.value(n) for n in node.args], {str(k.arg): r.value(k.value) for k in node.keywords}
    try:
        bound = inspect.signature(getattr(function, "py_func", function)).bind(*args, **keywords)
    except TypeError as error:
        r.source.refuse(node, "call arguments", reason=error)
    given = dict(bound.arguments)
    bound.apply_defaults()
    return r.inline(node, function, [given[n] if n in given else wrap(v) for n, v in bound.arguments.items()])


HANDLERS: dict[Any, Callable[[Any, ast.Call], Value]] = {
    len: length, np.copy: copy, np.array: vector,
    max: partial(extreme, name="maximum"), min: partial(extreme, name="minimum"),
    **{f: partial(to_integer, name=name) for f, name in TO_INTEGER.items()},
    np.zeros: partial(buffer, fill=0.0, like=False), np.ones: partial(buffer, fill=1.0, like=False),
    np.empty: partial(buffer, fill=0.0, like=False), np.full: partial(buffer, fill=None, like=False),
    np.zeros_like: partial(buffer, fill=0.0, like=True), np.ones_like: partial(buffer, fill=1.0, like=True),
    np.empty_like: partial(buffer, fill=0.0, like=True), np.full_like: partial(buffer, fill=None, like=True),
}  # fmt: skip
