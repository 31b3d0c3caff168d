"""Calls: NumPy's and Python's functions as words, buffers, and other kernels read in place."""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Callable, Hashable
from functools import cache, partial
from types import FunctionType
from typing import Any

import numpy as np

from dualgrad import rules  # noqa: F401  (fills the table)
from dualgrad.core.program import Atom, Const, Type, const
from dualgrad.core.words import WORDS

from .values import Array, Static, Value, wrap

LIBRARIES = ("numpy", "scipy", "numba")
OTHER_NAMES = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "asinh": "arcsinh", "acosh": "arccosh",
    "atanh": "arctanh", "fabs": "absolute", "pow": "power", "lgamma": "gammaln",
}  # fmt: skip


@cache
def scalar_words() -> dict[Any, str]:
    """The functions that are one word: NumPy's ufuncs, their namesakes in `math`, and a few builtins."""
    words = [w for w in WORDS.values() if w.elementwise]
    found = {w.ufunc: w.name for w in words if w.ufunc is not None}
    names = {OTHER_NAMES.get(name, name): function for name, function in vars(math).items()}
    found |= {names[w.name]: w.name for w in words if w.name in names}
    found |= {abs: "absolute", pow: "power", np.fabs: "absolute", math.fabs: "absolute"}
    return found | {np.logical_and: "and_", np.logical_or: "or_", np.logical_not: "not_"}


def read_call(r: Any, node: Any) -> Value:
    """What a call means; ``r`` is the `Reader` of the function that calls."""
    for part in (*node.args, *node.keywords):
        if isinstance(part, ast.Starred) or isinstance(part, ast.keyword) and part.arg is None:
            r.source.fence(node, "Starred")
    base = r.value(node.func.value) if isinstance(node.func, ast.Attribute) else None
    if isinstance(base, Array):
        return copied(r, node, base) if node.func.attr == "copy" else r.source.refuse(node, "call")
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
        return r.cast(r.atom(arguments(r, node, "x")["x"]), np.dtype(function).name)
    r.source.refuse(node, "call")


def is_user_function(function: Any) -> bool:
    return isinstance(function, FunctionType) and function.__module__.partition(".")[0] not in LIBRARIES


def arguments(r: Any, node: ast.Call, names: str) -> dict[str, ast.expr]:
    """The call's arguments by name (a name with ``?`` may be missing)."""
    wanted = names.replace("?", "").split()
    given = {**dict(zip(wanted, node.args, strict=False)), **{str(k.arg): k.value for k in node.keywords}}
    needed = {n for n in names.split() if not n.endswith("?")}
    if len(node.args) > len(wanted) or not needed <= set(given) <= set(wanted):
        r.source.refuse(node, "call arguments", reason=f"those known are {', '.join(wanted)}")
    return {name: given[name] for name in wanted if name in given}


def word(r: Any, node: ast.Call, name: str) -> Atom:
    return r.apply(node, name, *map(r.atom, arguments(r, node, " ".join(WORDS[name].rule.args)).values()))


def to_integer(r: Any, node: ast.Call, name: str) -> Atom:
    return r.cast(word(r, node, name), "int64")


def extreme(r: Any, node: ast.Call, name: str) -> Atom:
    if len(node.args) < 2 or node.keywords:
        r.source.refuse(node, "call arguments", reason="two numbers or more are known")
    return r.fold(name, [r.atom(n) for n in node.args])


def part(r: Any, node: ast.Call, which: str) -> Atom:
    return r.part_of(r.atom(arguments(r, node, "val")["val"]), which)


def angle(r: Any, node: ast.Call) -> Atom:
    z = r.atom(arguments(r, node, "z")["z"])
    return r.apply(node, "arctan2", r.part_of(z, "imag"), r.part_of(z, "real"))


def of_parts(r: Any, node: ast.Call) -> Atom:
    """``complex(a, b)``"""
    found = [r.atom(n) for n in arguments(r, node, "real imag?").values()]
    if len(found) == 1:
        return r.cast(found[0], "complex128")
    real, imag = (r.b.whole(r.cast(p, "float64"), Const(w, Type("shape", -1))) for p, w in zip(found, ("real", "imag")))
    return r.b.add(real, imag)


def length(r: Any, node: ast.Call) -> Atom:
    value = r.value(arguments(r, node, "x")["x"])
    if type(value) is tuple:
        return const(len(value))
    return r.shape(value)[0] if isinstance(value, Array) else r.source.refuse(node.args[0], "no array")


def copy(r: Any, node: ast.Call) -> Array:
    return copied(r, node, r.value(arguments(r, node, "a")["a"]))


def copied(r: Any, node: ast.Call, array: Value) -> Array:
    if not isinstance(array, Array) or array.prefix:
        r.source.refuse(node, "part")
    return Array(r.b.copy(array.var))


def buffer(r: Any, node: ast.Call, fill: float | None, like: bool) -> Array:
    """``np.zeros(shape, dtype)`` and its relatives; ``fill`` is None where it is an argument."""
    given = arguments(r, node, "shape dtype?" if fill is not None else "shape fill_value dtype?")
    model = r.value(given["shape"])
    value = r.atom(given["fill_value"]) if fill is None else const(fill)
    if like and isinstance(model, Array):
        shape, dtype = r.shape(model), np.dtype(model.type.dtype)
    else:
        shape, dtype = model if type(model) is tuple else (model,), np.dtype(value.type.dtype)
    if "dtype" in given:
        dtype = np.dtype(getattr(r.value(given["dtype"]), "object", object))
    if not shape or dtype.hasobject:
        r.source.refuse(node, "call arguments", reason="shape and dtype have to be known, and of one dimension or more")
    return Array(r.b.full(r.cast(value, dtype.name), *(r.number(node, n) for n in shape), dtype=dtype.name))


def vector(r: Any, node: Any) -> Array:
    """``np.array([a, b, c])`` of numbers."""
    if len(node.args) != 1 or node.keywords or not isinstance(node.args[0], (ast.List, ast.Tuple)):
        r.source.refuse(node, "call arguments", reason="a list of numbers is known")
    atoms = [r.atom(n) for n in node.args[0].elts]
    dtype = np.result_type(*(a.type.dtype for a in atoms)).name
    array = r.b.full(r.cast(const(0), dtype), const(len(atoms)), dtype=dtype)
    for k, a in enumerate(atoms):
        r.b.store(array, (const(k),), r.cast(a, dtype))
    return Array(array)


def kernel(r: Any, node: ast.Call, function: Any) -> Value:
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
    np.real: partial(part, which="real"), np.imag: partial(part, which="imag"), np.angle: angle, complex: of_parts,
    len: length, np.copy: copy, np.array: vector,
    max: partial(extreme, name="maximum"), min: partial(extreme, name="minimum"),
    math.floor: partial(to_integer, name="floor"), math.ceil: partial(to_integer, name="ceil"),
    math.trunc: partial(to_integer, name="trunc"), round: partial(to_integer, name="rint"),
    np.full: partial(buffer, fill=None, like=False), np.full_like: partial(buffer, fill=None, like=True),
    np.zeros: partial(buffer, fill=0.0, like=False), np.zeros_like: partial(buffer, fill=0.0, like=True),
    np.empty: partial(buffer, fill=0.0, like=False), np.empty_like: partial(buffer, fill=0.0, like=True),
    np.ones: partial(buffer, fill=1.0, like=False), np.ones_like: partial(buffer, fill=1.0, like=True),
}  # fmt: skip
