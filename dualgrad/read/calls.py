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
from dualgrad.core.program import Atom, Const, Type, Var, const
from dualgrad.core.words import WORDS

from .arguments import Given, arguments
from .products import FUNCTIONS, METHODS
from .values import Array, Static, Value, is_number, leaves, mapped, wrap

LIBRARIES = ("numpy", "scipy", "numba")
OTHER_NAMES = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "asinh": "arcsinh", "acosh": "arccosh",
    "atanh": "arctanh", "fabs": "absolute", "pow": "power", "lgamma": "gammaln", "radians": "deg2rad",
    "degrees": "rad2deg",
}  # fmt: skip


@cache
def scalar_words() -> dict[Any, str]:
    """The functions that are one word: NumPy's ufuncs, their namesakes in `math`, and a few builtins."""
    words = [w for w in WORDS.values() if w.elementwise]
    found = {w.ufunc: w.name for w in words if w.ufunc is not None}
    names = {OTHER_NAMES.get(name, name): function for name, function in vars(math).items()}
    found |= {names[w.name]: w.name for w in words if w.name in names}
    found |= {abs: "absolute", pow: "power", np.fabs: "absolute", math.fabs: "absolute"}
    return found | {np.radians: "deg2rad", np.degrees: "rad2deg", np.float_power: "power"}


def special_words() -> dict[Any, str]:
    """SciPy's functions, if anybody has imported them."""
    from dualgrad.backends.compiled_special import known_functions

    return known_functions()


def read_call(r: Any, node: Any) -> Value:
    """What a call means; ``r`` is the `Reader` of the function that calls."""
    if any(part.arg is None for part in node.keywords):
        r.source.fence(node, "Starred")
    if any(isinstance(part, ast.Starred) for part in node.args):
        node = ast.copy_location(ast.Call(node.func, spread_arguments(r, node), node.keywords), node)
    base = r.value(node.func.value) if isinstance(node.func, ast.Attribute) else None
    if is_number(base) and node.func.attr in ("conjugate", "conj"):
        return r.elementwise(node, "conj", base)
    if isinstance(base, Array):
        if node.func.attr not in METHODS:
            r.source.refuse(node, "call")
        call = ast.Call(node.func, [Given(base, node.func.value), *node.args], node.keywords)
        return METHODS[node.func.attr](r, ast.copy_location(call, node))
    value = r.value(node.func)
    function = value.object if isinstance(value, Static) else None
    if isinstance(function, Hashable):
        if function in HANDLERS:
            return HANDLERS[function](r, node)
        if function in FUNCTIONS:
            return FUNCTIONS[function](r, node)
        if name := scalar_words().get(function) or special_words().get(function):
            return word(r, node, name)
    if hasattr(getattr(function, "_dispatcher", None), "py_func"):
        if getattr(function, "signature", None) is not None:
            r.source.refuse(node, "guvectorize")
        return vectorized(r, node, function)
    if name := getattr(function, "__dualgrad_word__", ""):
        return stopped(r, node) if name == "stopped" else word(r, node, name)
    if hasattr(function, "__dualgrad_called__"):
        return called(r, node, function)
    if hasattr(function, "__dualgrad_program__") or hasattr(function, "py_func") or is_user_function(function):
        return kernel(r, node, function)
    if isinstance(function, type) and (function in (float, int, bool, complex) or issubclass(function, np.generic)):
        return r.cast(r.atom(arguments(r, node, "x")["x"]), np.dtype(function).name)
    made = str(getattr(function, "__module__", "")).startswith("dualgrad.numbers")
    r.source.refuse(node, "number" if made else "call")


def spread_arguments(r: Any, node: ast.Call) -> list[ast.expr]:
    """The arguments of a call with the parts of a tuple in the place of ``*tuple``."""
    found: list[ast.expr] = []
    for part in node.args:
        value = r.value(part.value) if isinstance(part, ast.Starred) else None
        if value is not None and type(value) is not tuple:
            r.source.fence(node, "Starred")
        found += [part] if value is None else [Given(v, part) for v in value]
    return found


def attribute(r: Any, node: ast.Attribute, base: Array) -> Value:
    """An attribute of an array."""
    name = node.attr
    if name in ("shape", "size"):
        return r.shape(base) if name == "shape" else r.fold("mul", r.shape(base))
    if name in ("real", "imag"):
        return base if name == "real" and "complex" not in base.type.dtype else part_of(r, node, base, name)
    if name in ("T", "ndim"):
        return r.transposed(base) if name == "T" else const(len(base.axes))
    return Static(np.dtype(base.type.dtype)) if name == "dtype" else r.source.refuse(node, "attribute")


def is_user_function(function: Any) -> bool:
    return isinstance(function, FunctionType) and function.__module__.partition(".")[0] not in LIBRARIES


def word(r: Any, node: ast.Call, name: str) -> Value:
    """A function that is one word, of numbers or entry by entry."""
    given = arguments(r, node, " ".join(WORDS[name].rule.args))
    return r.elementwise(node, name, *r.operands(*given.values()))


def logical(r: Any, node: ast.Call, name: str) -> Value:
    """NumPy's logic, of numbers by their truth."""
    given = arguments(r, node, "a" if name == "not_" else "a b")
    parts = r.operands(*given.values())

    def of_entries(*atoms: Atom) -> Atom:
        return r.b.emit(WORDS[name], *(r.cast(a, "bool") for a in atoms))

    return r.mapped(node, of_entries, *parts) if any(isinstance(p, Array) for p in parts) else of_entries(*parts)


def unchanged(r: Any, node: ast.Call) -> Value:
    """``np.positive``"""
    return r.operands(arguments(r, node, "x")["x"])[0]


def copysign(r: Any, node: ast.Call) -> Value:
    """The absolute value with another number's sign, that of zero included."""
    x, y = r.operands(*arguments(r, node, "x y").values())
    sizes, signs = r.elementwise(node, "absolute", x), r.elementwise(node, "signed_one", y)
    return r.elementwise(node, "mul", sizes, signs)


def nan_to_num(r: Any, node: ast.Call) -> Value:
    """NaN and infinities replaced by numbers, which are constants."""
    (x,) = r.operands(arguments(r, node, "x")["x"])
    largest = float(np.finfo(x.type.dtype).max) if x.type.differentiable else 0.0

    def replaced(v: Atom) -> Atom:
        if not v.type.differentiable:
            return v
        low, high, nought = (r.cast(const(n), v.type.dtype) for n in (-largest, largest, 0.0))
        v = r.b.where(r.b.isnan(v), nought, v)
        return r.b.where(r.b.gt(v, high), high, r.b.where(r.b.lt(v, low), low, v))

    return r.mapped(node, replaced, x) if isinstance(x, Array) else replaced(x)


def quotient_and_rest(r: Any, node: ast.Call) -> Value:
    """``divmod``"""
    a, b = map(r.atom, arguments(r, node, "a b").values())
    return r.apply(node, "floordiv", a, b), r.apply(node, "mod", a, b)


def vectorized(r: Any, node: ast.Call, function: Any) -> Value:
    """A function made by ``@vectorize`` is a kernel of numbers, entry by entry."""
    kernel = function._dispatcher.py_func
    parts = r.operands(*arguments(r, node, " ".join(inspect.signature(kernel).parameters)).values())

    def of_entries(*atoms: Atom) -> Atom:
        return r.number(node, r.inline(node, kernel, list(atoms)))

    return r.mapped(node, of_entries, *parts) if any(isinstance(p, Array) for p in parts) else of_entries(*parts)


def to_integer(r: Any, node: ast.Call, name: str) -> Atom:
    return r.cast(r.apply(node, name, r.atom(arguments(r, node, "x")["x"])), "int64")


def rounded(r: Any, node: ast.Call) -> Value:
    """``np.round`` to whole numbers."""
    return r.elementwise(node, "rint", *r.operands(arguments(r, node, "x")["x"]))


def extreme(r: Any, node: ast.Call, name: str) -> Value:
    """Python's ``max`` and ``min``."""
    if len(node.args) == 1 and not node.keywords:
        value = r.value(node.args[0])
        call = ast.copy_location(ast.Call(node.func, [Given(value, node.args[0])], []), node)
        if isinstance(value, Array):
            return FUNCTIONS[np.max if name == "maximum" else np.min](r, call)
    if len(node.args) < 2 or node.keywords:
        r.source.refuse(node, "call arguments", reason="two numbers or more, or an array, are known")
    return r.fold(name, [r.atom(n) for n in node.args])


def part(r: Any, node: ast.Call, which: str) -> Value:
    (z,) = r.operands(arguments(r, node, "val")["val"])
    return part_of(r, node, z, which)


def part_of(r: Any, node: ast.AST, z: Value, which: str) -> Value:
    """Real or imaginary parts, of a number or entry by entry."""
    return r.mapped(node, lambda v: r.part_of(v, which), z) if isinstance(z, Array) else r.part_of(z, which)


def angle(r: Any, node: ast.Call) -> Value:
    (z,) = r.operands(arguments(r, node, "z")["z"])
    return r.elementwise(node, "arctan2", part_of(r, node, z, "imag"), part_of(r, node, z, "real"))


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


def stopped(r: Any, node: ast.Call) -> Value:
    """``stop_gradient``: numbers and arrays that are constants; neither such an array nor its original is written."""

    def stop(v: Value) -> Value:
        if not isinstance(v, Array):
            return r.b.stopped(v) if is_number(v) and v.type.differentiable else v
        new = r.fresh(r.mapped(node, r.b.stopped, v)) if v.type.differentiable else v
        if v.is_memory and new is not v:
            r.guard(new.source, v.source)
        return new

    return mapped(stop, r.value(arguments(r, node, "x")["x"]))


def called(r: Any, node: ast.Call, function: Any) -> Value:
    """A function with a rule of its own is called as it is; its rule is read when it is differentiated."""
    args = [r.settled(v) for v in bound_arguments(r, node, function.f)]

    def given(v: Value) -> Value:
        return r.owned(v).var if isinstance(v, Array) else v

    args = [mapped(given, v) for v in args]
    form = tuple(mapped(lambda v: v.type if isinstance(v, Var) else v, v) for v in args)
    of = function.__dualgrad_called__(form)
    result = r.b.call(*(v for v in leaves(tuple(args)) if isinstance(v, Var)), of=of)
    if type(of.result) is not tuple:
        return r.spliced(result)
    parts = iter([r.spliced(r.b.item(result, **params)) for params in of.items])
    return mapped(lambda _: next(parts), of.result)


def kernel(r: Any, node: ast.Call, function: Any) -> Value:
    """Another kernel, with all of its arguments."""
    return r.inline(node, function, bound_arguments(r, node, function))


def bound_arguments(r: Any, node: ast.Call, function: Any) -> list[Value]:
    """The values of all parameters of a function that is called."""
    args, keywords = [r.value(n) for n in node.args], {str(k.arg): r.value(k.value) for k in node.keywords}
    try:
        bound = inspect.signature(getattr(function, "py_func", function)).bind(*args, **keywords)
    except TypeError as error:
        r.source.refuse(node, "call arguments", reason=error)
    given = dict(bound.arguments)
    bound.apply_defaults()
    return [given[n] if n in given else wrap(v) for n, v in bound.arguments.items()]


HANDLERS: dict[Any, Callable[[Any, ast.Call], Value]] = {
    np.real: partial(part, which="real"), np.imag: partial(part, which="imag"), np.angle: angle, complex: of_parts,
    len: length, np.round: rounded, np.around: rounded, np.positive: unchanged, np.nan_to_num: nan_to_num,
    np.copysign: copysign, math.copysign: copysign, divmod: quotient_and_rest,
    **{getattr(np, f"logical_{n}"): partial(logical, name=w) for n, w in (
        ("and", "and_"), ("or", "or_"), ("xor", "ne"), ("not", "not_"))},
    max: partial(extreme, name="maximum"), min: partial(extreme, name="minimum"),
    math.floor: partial(to_integer, name="floor"), math.ceil: partial(to_integer, name="ceil"),
    math.trunc: partial(to_integer, name="trunc"), round: partial(to_integer, name="rint"),
}  # fmt: skip
