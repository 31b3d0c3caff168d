"""NumPy's functions on numbers: each is a word, or is said with words, or has no derivative.

`array_ufunc` and `array_function` are where NumPy's two protocols arrive.  The methods of
ndarray are the same functions.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from dualgrad.backends.arrays import axes_of
from dualgrad.core.errors import UnsupportedError
from dualgrad.core.words import WORDS

from .array import buffer, wrap
from .number import Number, apply, apply_linear, current, plain, store, view_of, write_out

UFUNCS = {w.ufunc: w for w in WORDS.values() if isinstance(w.ufunc, np.ufunc)}
# Ufuncs and functions of the value alone.
DISCRETE_UFUNCS = {
    np.isfinite, np.isinf, np.isnan, np.signbit, np.logical_and, np.logical_or, np.logical_not, np.logical_xor,
    np.sign, np.floor, np.ceil, np.trunc, np.rint, np.floor_divide,
}  # fmt: skip
DISCRETE = {
    np.argmax, np.argmin, np.argsort, np.all, np.any, np.nonzero, np.count_nonzero, np.searchsorted, np.array_equal,
    np.allclose, np.isclose, np.iscomplexobj, np.isrealobj, np.result_type, np.sign, np.round, np.fix, np.argwhere,
    np.flatnonzero, np.lexsort, np.digitize, np.shares_memory, np.may_share_memory, np.can_cast, np.unravel_index,
}  # fmt: skip


# The protocols; the tables they look into are at the end


def array_ufunc(self: Any, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
    """``__array_ufunc__``"""
    if any(hasattr(a, "__dualgrad_masked__") for a in inputs):
        return NotImplemented
    result = call_ufunc(ufunc, method, inputs, options)
    return result if out is None else write_out(out[0], result)


def array_function(self: Any, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """``__array_function__``"""
    found = FUNCTIONS.get(function)
    if found is None or kwargs or len(types) > 1:
        return general_function(function, types, args, kwargs)
    return found(*args)


def call_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """A ufunc or one of its methods, without ``out``."""
    if options.get("where", True) is not True or options.get("dtype") is not None and method == "__call__":
        raise unsupported(f"np.{ufunc.__name__} with where= or dtype=", "use np.where(test, a, b), x.astype(dtype)")
    if method == "__call__":
        word = UFUNCS.get(ufunc) or special_word(ufunc)
        if word is not None:
            return apply(word, *map(operand, inputs))
        if ufunc in DISCRETE_UFUNCS:
            return ufunc(*map(plain, inputs))
        if ufunc in COMPOSED:
            return COMPOSED[ufunc](*map(operand, inputs))
    elif method == "reduce" and ufunc in REDUCTIONS:
        if options.get("initial", np._NoValue) is not np._NoValue:
            raise unsupported(f"np.{ufunc.__name__}.reduce with initial=")
        return REDUCTIONS[ufunc](*inputs, axis=options.get("axis", 0), keepdims=options.get("keepdims", False))
    elif method == "accumulate" and ufunc is np.add:
        return cumsum(*inputs, options.get("axis", 0))
    elif method == "at" and ufunc is np.add:
        x, index, value = inputs
        rest = np.shape(plain(x)[index])
        return store(x, ..., x + apply_linear(WORDS["scatter"], broadcast_to(value, rest), index, x.shape))
    elif method == "outer":
        a, b = inputs
        return call_ufunc(ufunc, "__call__", (reshape(a, np.shape(a) + (1,) * np.ndim(b)), b), {})
    if only_buffers(inputs):
        return wrap(getattr(ufunc, method)(*map(unwrapped, inputs), **options))
    raise unsupported(f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}"))


def general_function(function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A NumPy function with options, without a rule, or with more than one kind of argument."""
    if any(hasattr(t, "__dualgrad_masked__") for t in types):
        return NotImplemented
    found = FUNCTIONS.get(function)
    if found is not None:
        for option in ("casting", "initial", "where"):
            if kwargs.get(option, np._NoValue) is not np._NoValue:
                raise unsupported(f"np.{function.__name__} with {option}=", "use np.where(test, x, 0)")
        result = found(*args, **{k: v for k, v in kwargs.items() if k != "out"})
        return result if kwargs.get("out") is None else write_out(kwargs["out"], result)
    if function in DISCRETE:
        return function(*_mapped(plain, args), **{k: plain(v) for k, v in kwargs.items()})
    if only_buffers((*args, *kwargs.values())):
        return wrap(function(*_mapped(unwrapped, args), **{k: unwrapped(v) for k, v in kwargs.items()}))
    raise unsupported(f"np.{getattr(function, '__name__', function)}")


def unsupported(what: str, hint: str = "") -> UnsupportedError:
    return UnsupportedError(
        f"{what} has no derivative rule",
        why="it was called with a number that carries a derivative",
        hint=hint or "say it with functions that have one, or use dg.stop_gradient(x) where only the value counts",
    )


def _mapped(f: Callable[[Any], Any], args: Iterable[Any]) -> list[Any]:
    return [type(a)(_mapped(f, a)) if type(a) in (list, tuple) else f(a) for a in args]


def numbers_in(args: Iterable[Any]) -> list[Number]:
    """The numbers among arguments, in lists and tuples too."""
    found: list[Number] = []
    for a in args:
        if isinstance(a, Number):
            found.append(current(a))
        elif type(a) in (list, tuple):
            found += numbers_in(a)
    return found


def only_buffers(args: Iterable[Any]) -> bool:
    """Whether no argument carries a derivative."""
    return all(n._level.depth == 0 for n in numbers_in(args))


def unwrapped(a: Any) -> Any:
    """The memory of an inactive buffer; other values as they are."""
    return current(a)._primal if isinstance(a, Number) else a


def operand(a: Any) -> Any:
    return array(a) if type(a) in (list, tuple) else a


def special_word(ufunc: Any) -> Any:
    """The row of a ufunc of ``scipy.special``, if there is one of its name."""
    word = WORDS.get(ufunc.__name__)
    if word is None or word.kind != "elementary" or word.ufunc is not None:
        return None
    UFUNCS[ufunc] = word
    return word


# Making arrays


def array(values: Any, dtype: Any = None, *, copy: Any = True, **options: Any) -> Any:
    """``np.array`` of numbers, or of nested lists with numbers in them."""
    if isinstance(values, Number):
        return values.copy() if copy or dtype is None else values
    if type(values) in (list, tuple) and numbers_in(values):
        return stack([array(v) if type(v) in (list, tuple) else v for v in values])
    return buffer(np.array(_mapped(unwrapped, values) if type(values) in (list, tuple) else values, dtype, **options))


def join(shape: tuple[int, ...], parts: Sequence[tuple[Any, Any]]) -> Any:
    """One array put together from parts at places."""
    dtype = np.result_type(*(getattr(v, "dtype", type(v)) for _, v in parts))
    out = buffer(np.zeros(shape, dtype if dtype.kind in "fc" else float))
    for place, value in parts:
        store(out, place, value)
    out._memory = None
    return out


def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    arrays = list(arrays)
    shape = np.shape(arrays[0])
    if any(np.shape(a) != shape for a in arrays):
        raise ValueError("all input arrays must have the same shape")
    axis = axis % (len(shape) + 1)
    whole = (*shape[:axis], len(arrays), *shape[axis:])
    return join(whole, [((*(slice(None),) * axis, k), a) for k, a in enumerate(arrays)])


def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    arrays = [ravel(a) for a in arrays] if axis is None else [operand(a) for a in arrays]
    axis = (axis or 0) % np.ndim(arrays[0])
    parts, start = [], 0
    for a in arrays:
        stop = start + np.shape(a)[axis]
        parts.append(((*(slice(None),) * axis, slice(start, stop)), a))
        start = stop
    shape = np.shape(arrays[0])
    return join((*shape[:axis], start, *shape[axis + 1 :]), parts)


def full_like(x: Any, fill_value: Any, dtype: Any = None, *, shape: Any = None, **options: Any) -> Any:
    out = buffer(np.zeros(x.shape if shape is None else shape, x.dtype if dtype is None else dtype))
    if not (isinstance(fill_value, int) and fill_value == 0):
        out[...] = fill_value
    return out


def _like(value: int) -> Callable[..., Any]:
    return lambda x, dtype=None, *args, **options: full_like(x, value, dtype, **options)


# Shapes


def reshape(x: Any, shape: Any, order: str = "C", *, copy: Any = None) -> Any:
    if not isinstance(x, Number):
        return np.reshape(x, shape)
    if order != "C":
        raise unsupported(f"reshape with order={order!r}", "transpose before and after")
    shape = (int(shape),) if np.ndim(shape) == 0 else tuple(map(int, shape))
    memory = current(x)._ground()
    root = x._memory if isinstance(x._memory, Number) else x
    if root._ground().flags.c_contiguous and np.may_share_memory(np.reshape(memory, shape), memory):
        return view_of(x, np.reshape, shape)
    return apply_linear(WORDS["reshape"], x, shape)


def ravel(x: Any, order: str = "C") -> Any:
    return reshape(x, (-1,), order)


def transpose(x: Any, axes: Any = None) -> Any:
    return view_of(x, np.transpose, None if axes is None else tuple(axes))


def _moved(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that permutes axes: the shape (0, 1, 2, …) shows what it does."""
    return lambda x, *args, **options: transpose(x, function(np.empty(range(x.ndim)), *args, **options).shape)


swapaxes = _moved(np.swapaxes)


def expand_dims(x: Any, axis: Any) -> Any:
    rank = x.ndim + np.size(axis)
    new = axes_of(axis, rank)
    return x[tuple(None if k in new else slice(None) for k in range(rank))]


def squeeze(x: Any, axis: Any = None) -> Any:
    drop = [k for k, n in enumerate(x.shape) if n == 1] if axis is None else axes_of(axis, x.ndim)
    return x[tuple(0 if k in drop else slice(None) for k in range(x.ndim))] if drop else x


def broadcast_to(x: Any, shape: Any, subok: bool = False) -> Any:
    if not isinstance(x, Number):
        return np.broadcast_to(x, shape)
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return x if x.shape == shape else apply_linear(WORDS["broadcast_to"], x, shape)


def flip(x: Any, axis: Any = None) -> Any:
    axes = axes_of(axis, x.ndim)
    return x[tuple(slice(None, None, -1) if k in axes else slice(None) for k in range(x.ndim))]


def roll(x: Any, shift: int, axis: int | None = None) -> Any:
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), x.shape)
    return take(x, (np.arange(x.shape[axis]) - shift) % x.shape[axis], axis)


def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    if axis is None:
        return ravel(x)[indices]
    return x[(*(slice(None),) * (axis % x.ndim), np.asarray(indices) if np.ndim(indices) else indices)]


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    x = np.moveaxis(x, (axis1, axis2), (-2, -1))
    rows = np.arange(builtins.max(0, -offset), builtins.min(x.shape[-2], x.shape[-1] - offset))
    return x[..., rows, rows + offset]


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return sum(diagonal(x, offset, axis1, axis2), -1)


def diag(x: Any, k: int = 0) -> Any:
    if x.ndim == 2:
        return diagonal(x, k)
    n = x.size + abs(k)
    rows = np.arange(x.size) + builtins.max(0, -k)
    return join((n, n), [((rows, rows + k), x)])


# Sums, products, extremes


SUM = WORDS["sum"]


def sum(x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return apply_linear(SUM, x if dtype is None else astype(x, dtype), axis, keepdims)


def mean(x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    return sum(x, axis, dtype, keepdims=keepdims) / _count(x, axis)


def _count(x: Any, axis: Any) -> int:
    return math.prod(x.shape[a] for a in axes_of(axis, x.ndim))


def var(x: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    x = x if dtype is None else astype(x, dtype)
    centred = x - mean(x, axis, keepdims=True)
    return sum(centred * centred, axis, keepdims=keepdims) / (_count(x, axis) - ddof)


def std(x: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """Zero for equal values, and so is its derivative there."""
    return _root(var(x, axis, dtype, ddof=ddof, keepdims=keepdims))


def _root(square: Any, zero: Any = None) -> Any:
    """The square root with derivative zero where it is zero."""
    zero = plain(square) == 0 if zero is None else zero
    return where(zero, 0.0, np.sqrt(where(zero, 1.0, square)))


def cumsum(x: Any, axis: int | None = None) -> Any:
    return apply_linear(WORDS["cumsum"], ravel(x) if axis is None else x, 0 if axis is None else axis)


def diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    head = (slice(None),) * (axis % x.ndim)
    for _ in range(n):
        x = x[(*head, slice(1, None))] - x[(*head, slice(None, -1))]
    return x


def prod(x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    """Products of halves of halves: no division, so zeros among the factors are right to all orders."""
    x = x if dtype is None else astype(x, dtype)
    axes = axes_of(axis, x.ndim)
    kept = [k for k in range(x.ndim) if k not in axes]
    rest = tuple(x.shape[k] for k in kept)
    ones = tuple(1 if k in axes else n for k, n in enumerate(x.shape))
    x = reshape(transpose(x, [*axes, *kept]), (-1, *rest))
    while len(x) > 1:
        half = len(x) // 2
        pairs = x[:half] * x[half : 2 * half]
        x = pairs if len(x) % 2 == 0 else concatenate([pairs, x[2 * half :]])
    x = x[0] if len(x) else np.ones(rest)
    return reshape(x, ones) if keepdims else x


def _extreme(function: Any) -> Callable[..., Any]:
    """The mean of the entries that attain the extreme: ties share its derivative equally."""

    def extreme(x: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        value = plain(x)
        hit = value == function(value, axis=axis, keepdims=True)
        return sum(where(hit, x, 0.0), axis, keepdims=keepdims) / np.sum(hit, axis=axis, keepdims=keepdims)

    return extreme


max, min = _extreme(np.max), _extreme(np.min)


def where(test: Any, a: Any = None, b: Any = None) -> Any:
    if a is None:
        return np.nonzero(plain(test))
    return apply(WORDS["where"], np.asarray(plain(test), bool), operand(a), operand(b))


def clip(x: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = a_min if min is None else min, a_max if max is None else max
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


# Products of arrays


def dot(a: Any, b: Any) -> Any:
    a, b = operand(a), operand(b)
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b
    if np.ndim(b) > 2:
        return tensordot(a, b, ((-1,), (-2,)))
    return apply(WORDS["matmul"], a, b)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """A matrix product after the summed axes were moved together."""
    if np.ndim(axes) == 0:
        axes = range(-axes, 0), range(axes)
    left, right = (axes_of(tuple(np.ravel(ax).tolist()), np.ndim(x)) for x, ax in zip((a, b), axes))
    rows = [k for k in range(np.ndim(a)) if k not in left]
    columns = [k for k in range(np.ndim(b)) if k not in right]
    n = math.prod(np.shape(a)[k] for k in left)
    product = apply(
        WORDS["matmul"],
        reshape(np.transpose(a, [*rows, *left]), (-1, n)),
        reshape(np.transpose(b, [*right, *columns]), (n, -1)),
    )
    return reshape(product, [np.shape(a)[k] for k in rows] + [np.shape(b)[k] for k in columns])


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The 2-norm; zero at zero, and so is its derivative there."""
    if not (ord is None or ord == 2 and (x.ndim == 1 or isinstance(axis, int))):
        raise unsupported(f"np.linalg.norm with ord={ord!r}")
    return _root(sum(np.absolute(x) ** 2 if x.dtype.kind == "c" else x * x, axis, keepdims=keepdims))


def real(x: Any) -> Any:
    if x.dtype.kind == "c":
        raise unsupported("np.real of complex numbers")
    return x


def astype(x: Any, dtype: Any, **options: Any) -> Any:
    """Floats of another precision; integers and booleans are values without derivative."""
    dtype = np.dtype(dtype)
    if dtype.kind not in "fc":
        return plain(x).astype(dtype)
    return x.copy() if dtype == x.dtype else apply_linear(WORDS["astype"], x, dtype)


# What NumPy's names mean for numbers


def _times(factor: float) -> Callable[..., Any]:
    return lambda x: x * factor


COMPOSED: dict[np.ufunc, Callable[..., Any]] = {
    np.positive: lambda x: x.copy(),
    np.conjugate: real,
    np.fabs: np.absolute,
    np.float_power: lambda a, b: apply(WORDS["power"], a, b),
    np.hypot: lambda a, b: _root(a * a + b * b, (plain(a) == 0) & (plain(b) == 0)),
    np.log2: lambda x: np.log(x) * (1 / np.log(2.0)),
    np.log10: lambda x: np.log(x) * (1 / np.log(10.0)),
    np.exp2: lambda x: np.exp(x * np.log(2.0)),
    np.cbrt: lambda x: np.sign(x) * np.absolute(x) ** (1 / 3),
    **dict.fromkeys((np.deg2rad, np.radians), _times(np.pi / 180)),
    **dict.fromkeys((np.rad2deg, np.degrees), _times(180 / np.pi)),
}
REDUCTIONS: dict[np.ufunc, Callable[..., Any]] = {np.add: sum, np.multiply: prod, np.maximum: max, np.minimum: min}
METHODS = {f.__name__: f for f in (
    sum, mean, prod, cumsum, var, std, dot, ravel, squeeze, diagonal, trace, clip, take,
)} | {"max": max, "min": min, "swapaxes": swapaxes}  # fmt: skip
FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **{getattr(np, f.__name__): f for f in (
        stack, concatenate, full_like, reshape, transpose, expand_dims, broadcast_to, flip, roll, diag, diff, where,
        tensordot, real,
    )},
    **{getattr(np, name): f for name, f in METHODS.items()},
    **{f: _moved(f) for f in (np.moveaxis, np.rollaxis)},
    np.permute_dims: transpose,
    np.linalg.norm: norm,
    np.hstack: lambda arrays: concatenate([*map(np.atleast_1d, arrays)], 0 if np.ndim(arrays[0]) < 2 else 1),
    np.vstack: lambda arrays: concatenate([*map(np.atleast_2d, arrays)]),
    np.column_stack: lambda arrays: concatenate([a if np.ndim(a) > 1 else reshape(a, (-1, 1)) for a in arrays], 1),
    np.atleast_1d: lambda x: reshape(x, (1,)) if x.ndim == 0 else x,
    np.atleast_2d: lambda x: x if x.ndim >= 2 else reshape(x, (1, -1)),
    np.zeros_like: _like(0),
    np.empty_like: _like(0),
    np.ones_like: _like(1),
    np.copy: lambda x, *args, **options: x.copy(),
    np.shape: lambda x: x.shape,
    np.ndim: lambda x: x.ndim,
    np.size: lambda x, axis=None: x.size if axis is None else x.shape[axis],
    np.inner: lambda a, b: tensordot(a, b, ((-1,), (-1,))) if np.ndim(a) and np.ndim(b) else a * b,
    np.vdot: lambda a, b: apply(WORDS["matmul"], np.conj(ravel(a)), ravel(b)),
    np.outer: lambda a, b: reshape(a, (-1, 1)) * reshape(b, (1, -1)),
}  # fmt: skip


# Methods of ndarray


def _sized(f: Callable[..., Any]) -> Callable[..., Any]:
    """``x.reshape(2, 3)`` beside ``x.reshape((2, 3))``."""
    return lambda self, *args, **options: f(self, args[0] if len(args) == 1 else args or None, **options)


def _of_value(name: str) -> Callable[..., Any]:
    return lambda self, *args, **options: getattr(plain(self), name)(*args, **options)


METHODS |= {
    "__array_ufunc__": array_ufunc,
    "__array_function__": array_function,
    "__round__": lambda self, digits=0: np.round(plain(self), digits),
    "reshape": _sized(reshape),
    "transpose": _sized(transpose),
    "astype": astype,
    "conj": real,
    "conjugate": real,
    "real": property(real),
    "fill": lambda self, value: store(self, ..., value),
    "flatten": lambda self: ravel(self).copy(),
    **{name: _of_value(name) for name in (
        "argmax", "argmin", "argsort", "all", "any", "nonzero", "round", "searchsorted",
    )},
}  # fmt: skip
for _name, _method in METHODS.items():
    setattr(Number, _name, _method)
