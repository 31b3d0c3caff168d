"""Calls: NumPy's and Python's functions as words, buffers, and other kernels read in place."""

from __future__ import annotations

import ast
import builtins
import inspect
import math
from collections.abc import Callable, Hashable
from functools import cache, partial
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from dualgrad import rules  # noqa: F401  (fills the table)
from dualgrad.core.program import Atom, Const, const
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
            r.source.fence(node, "a star argument", "write the arguments out")
    if isinstance(node.func, ast.Attribute):
        base = r.value(node.func.value)
        if isinstance(base, Array):
            return copy(r, node, base) if node.func.attr == "copy" else unsupported(r, node)
    function = r.value(node.func)
    function = function.object if isinstance(function, Static) else unsupported(r, node)
    if isinstance(function, Hashable):
        if function in HANDLERS:
            return HANDLERS[function](r, node)
        if function in scalar_words():
            return word(r, node, scalar_words()[function])
    if hasattr(function, "__dualgrad_program__") or hasattr(function, "py_func") or is_user_function(function):
        return kernel(r, node, function)
    if isinstance(function, type) and (function in (float, int, bool, complex) or issubclass(function, np.generic)):
        (value,) = arguments(r, node, "x").values()
        return r.cast(r.number(node, value), np.dtype(function).name)
    return unsupported(r, node)


def is_user_function(function: Any) -> bool:
    return isinstance(function, FunctionType) and function.__module__.partition(".")[0] not in LIBRARIES


def unsupported(r: Reader, node: ast.Call) -> Any:
    r.source.refuse(
        node, f"{ast.unparse(node.func)}(...) cannot be differentiated in a kernel",
        "it is no word of the table, no buffer, and no other kernel",
        "write it as a loop, or as an @njit function of its own",
    )  # fmt: skip


def arguments(r: Reader, node: ast.Call, names: str) -> dict[str, Value]:
    """The call's arguments by name (a name with ``?`` may be missing)."""
    wanted = names.split()
    given = dict(zip((n.rstrip("?") for n in wanted), node.args, strict=False))
    given.update({k.arg: k.value for k in node.keywords if k.arg})
    known, needed = {n.rstrip("?") for n in wanted}, {n for n in wanted if not n.endswith("?")}
    if len(node.args) > len(wanted) or not needed <= set(given) <= known:
        r.source.refuse(node, f"these arguments of {ast.unparse(node.func)} cannot be read in a kernel",
                        hint=f"give {', '.join(wanted)}")  # fmt: skip
    return {name: r.value(value) for name, value in given.items()}


def word(r: Reader, node: ast.Call, name: str) -> Atom:
    values = arguments(r, node, " ".join(WORDS[name].rule.args)) if not node.keywords else unsupported(r, node)
    return r.apply(node, name, *(r.number(n, v) for n, v in zip(node.args, values.values(), strict=True)))


def to_integer(r: Reader, node: ast.Call, name: str) -> Atom:
    return r.cast(word(r, node, name), "int64")


def extreme(r: Reader, node: ast.Call, name: str) -> Atom:
    if len(node.args) < 2 or node.keywords:
        unsupported(r, node)
    return r.fold(name, tuple(r.atom(n) for n in node.args))


def length(r: Reader, node: ast.Call) -> Atom:
    (value,) = arguments(r, node, "x").values()
    if type(value) is tuple:
        return const(len(value))
    return r.shape(value)[0] if isinstance(value, Array) else r.number(node, None)


def copy(r: Reader, node: ast.Call, array: Array | None = None) -> Array:
    found = array or arguments(r, node, "array")["array"]
    if not isinstance(found, Array) or found.prefix:
        r.source.refuse(node, "only whole arrays can be copied in a kernel", hint="make a buffer and write the loop")
    return Array(r.b.copy(found.var))


def buffer(r: Reader, node: ast.Call, fill: float | None, like: bool) -> Array:
    """``np.zeros(shape, dtype)`` and its relatives; ``fill`` is None where it is an argument."""
    given = arguments(r, node, ("model" if like else "shape") + (" fill_value" if fill is None else "") + " dtype?")
    model, value = next(iter(given.values())), given.get("fill_value", const(fill or 0.0))
    if like and not isinstance(model, Array):
        unsupported(r, node)
    value = r.number(node, value)
    default = Static(model.type.dtype if like else value.type.dtype)
    dtype = np.dtype(getattr(given.get("dtype", default), "object", "O")).name
    shape = r.shape(model) if like else model if type(model) is tuple else (r.number(node, model),)
    if not shape:
        r.source.refuse(node, "an array without dimensions is not read in kernels", hint="use a number")
    return Array(r.b.full(r.cast(value, dtype), *shape, dtype=dtype))


def vector(r: Reader, node: ast.Call) -> Array:
    """``np.array([a, b, c])`` of numbers."""
    if len(node.args) != 1 or node.keywords or not isinstance(node.args[0], (ast.List, ast.Tuple)):
        unsupported(r, node)
    atoms = [r.atom(n) for n in node.args[0].elts]
    dtype = np.result_type(*(a.type.dtype for a in atoms)).name
    array = r.b.full(r.cast(const(0), dtype), const(len(atoms)), dtype=dtype)
    for k, a in enumerate(atoms):
        r.b.store(array, (const(k),), r.cast(a, dtype))
    return Array(array)


def kernel(r: Reader, node: ast.Call, function: Any) -> Value:
    """Another kernel: its program, with the arguments in place of its parameters."""
    try:
        bound = inspect.signature(getattr(function, "py_func", function)).bind(
            *(r.value(n) for n in node.args), **{str(k.arg): r.value(k.value) for k in node.keywords}
        )
    except TypeError as error:
        r.source.refuse(node, f"{ast.unparse(node.func)} is called with the wrong arguments", str(error))
    given = bound.arguments.copy()
    bound.apply_defaults()
    args = [given[name] if name in given else wrap(value) for name, value in bound.arguments.items()]
    for a in args:
        if isinstance(a, Static) or a is None:
            r.source.refuse(node, f"an argument of {ast.unparse(node.func)} is neither number nor array")
    return r.inline(node, function, args)


HANDLERS: dict[Any, Callable[[Any, ast.Call], Value]] = {
    len: length, np.copy: copy, np.array: vector,
    max: partial(extreme, name="maximum"), builtins.min: partial(extreme, name="minimum"),
    **{f: partial(to_integer, name=name) for f, name in TO_INTEGER.items()},
    np.zeros: partial(buffer, fill=0.0, like=False), np.ones: partial(buffer, fill=1.0, like=False),
    np.empty: partial(buffer, fill=0.0, like=False), np.full: partial(buffer, fill=None, like=False),
    np.zeros_like: partial(buffer, fill=0.0, like=True), np.ones_like: partial(buffer, fill=1.0, like=True),
    np.empty_like: partial(buffer, fill=0.0, like=True), np.full_like: partial(buffer, fill=None, like=True),
}  # fmt: skip

__all__ = ["Const", "read_call"]
