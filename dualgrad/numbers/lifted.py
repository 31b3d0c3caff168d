"""What names mean in lifted code: functions of NumPy, ``math`` and Python that understand numbers.

NumPy hands calls over to numbers only where one of the arguments is one.  Functions that make arrays, take lists of
numbers, or do not ask their arguments at all stand here beside their twins that do.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .array import as_value, buffer
from .functions import arange, array
from .functions.moving import joined
from .functions.table import DISCRETE, FUNCTIONS, not_handed_over, numbers_in, only_buffers, parameters, refusal
from .mathematics import MEANINGS
from .number import Number, plain

# Python's names that are types too: where they are only called they mean these functions


def _float(x: Any = 0.0) -> Any:
    return x if isinstance(x, Number) and x._level.depth else float(plain(x))


def _int(x: Any = 0, *base: Any) -> int:
    return int(plain(x), *base)


def _complex(*parts: Any) -> Any:
    if not any(isinstance(p, Number) for p in parts):
        return complex(*parts)
    return parts[0] + 0j if len(parts) == 1 else parts[0] + 1j * parts[1]


def _isinstance(x: Any, kinds: Any) -> bool:
    """A number is what its value is: an array, or a float."""
    return isinstance(x, kinds) or isinstance(x, Number) and isinstance(plain(x), kinds)


def _type(x: Any, *rest: Any) -> Any:
    return type(x, *rest) if rest or not isinstance(x, Number) else type(plain(x))


BUILTINS: dict[str, Any] = {
    "float": _float, "int": _int, "complex": _complex, "isinstance": _isinstance, "type": _type,
}  # fmt: skip


def _cast(kind: type) -> Callable[..., Any]:
    """One of NumPy's types of scalars, called with a number."""

    def cast(x: Any = 0, *rest: Any) -> Any:
        if not isinstance(x, Number):
            return kind(x, *rest)
        found = x.astype(kind)
        return as_value(found) if hasattr(found, "dtype") else found

    return cast


# By the names of NumPy: float64(x), np.complex128(x)
CASTS: dict[str, Any] = {
    name: _cast(getattr(np, name)) for name in (
        "float16", "float32", "float64", "longdouble", "half", "single", "double", "complex64", "complex128", "csingle",
        "cdouble", "int8", "int16", "int32", "int64", "intp", "int_", "uint8", "uint16", "uint32", "uint64", "bool_",
    )
}  # fmt: skip


def _creation(function: Callable[..., Any]) -> Callable[..., Any]:
    """A NumPy function whose result can receive numbers."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return _received(function(*args, **kwargs))
        except TypeError:
            for n in numbers_in([*args, *kwargs.values()]):
                n.__index__()  # a length: it says what to write instead
            raise

    return call


def _received(made: Any) -> Any:
    return buffer(made) if type(made) is np.ndarray else made


def _full(shape: Any, fill_value: Any, dtype: Any = None, **options: Any) -> Any:
    if not isinstance(fill_value, Number):
        return buffer(np.full(shape, fill_value, dtype, **options))
    out = buffer(np.zeros(shape, fill_value.dtype if dtype is None else dtype))
    out[...] = fill_value
    return out


def _asarray(values: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, **options: Any) -> Any:
    if isinstance(values, Number):
        return array(values, dtype, copy=copy, order=order)
    options |= {"order": order, "copy": copy}
    return array(values, dtype) if type(values) in (list, tuple) else np.asarray(values, dtype, **options)


def _contiguous(function: Callable[..., Any], order: str) -> Callable[..., Any]:
    """``np.ascontiguousarray`` or its twin: of a number without axes they make an array with one."""

    @functools.wraps(function)
    def call(a: Any, dtype: Any = None, **options: Any) -> Any:
        if type(a) in (list, tuple) or isinstance(a, Number):
            return np.atleast_1d(_asarray(a, dtype, order))
        return function(a, dtype, **options)

    return call


def _arange(*args: Any, **options: Any) -> Any:
    numbers = any(isinstance(a, Number) for a in (*args, *options.values()))
    return arange(*args, **options) if numbers else np.arange(*args, **options)


def _checked_finite(values: Any, dtype: Any = None, order: Any = None) -> Any:
    x = _asarray(values, dtype)
    if not np.all(np.isfinite(plain(x))):
        raise ValueError("array must not contain infs or NaNs")
    return x


def _ndenumerate(x: Any) -> Iterator[tuple[Any, Any]]:
    return ((index, x[index]) for index in np.ndindex(*np.shape(x))) if isinstance(x, Number) else np.ndenumerate(x)


def _isscalar(x: Any) -> bool:
    return not x._is_array() if isinstance(x, Number) else np.isscalar(x)


def _refusing(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that NumPy does not hand over: with a number in its arguments it raises what the table says."""

    @functools.wraps(function, updated=())
    def call(*args: Any, **options: Any) -> Any:
        if only_buffers([*args, *options.values()]):
            return function(*map(plain, args), **{k: plain(v) for k, v in options.items()})
        raise refusal(function)

    return call


def _of_lists(function: Callable[..., Any]) -> Callable[..., Any]:
    """A NumPy function of arrays, which may be given as lists with numbers in them."""
    one = [name in _OF_ARRAY for name in parameters(function)]

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        for a in args:
            if type(a) is list or type(a) is tuple:
                args = tuple([_of_list(a) if k < len(one) and one[k] else a for k, a in enumerate(args)])
                break
        return function(*args, **kwargs)

    return call


def _of_list(a: Any) -> Any:
    return array(a) if type(a) in (list, tuple) and numbers_in(a) else a


def _of_stacks(function: Callable[..., Any]) -> Callable[..., Any]:
    """A NumPy function of several arrays, some of which may be lists with numbers in them."""

    @functools.wraps(function)
    def call(arrays: Any, *args: Any, **kwargs: Any) -> Any:
        if type(arrays) is list or type(arrays) is tuple:
            arrays = [array(a) if type(a) is list or type(a) is tuple else a for a in arrays]
        return function(arrays, *args, **kwargs)

    return call


def _fromiter(values: Any, dtype: Any, count: int = -1, **options: Any) -> Any:
    return array(list(values if count < 0 else itertools.islice(values, count)), dtype)


# NumPy's names for an argument that is one array, not a sequence of arrays.
_OF_ARRAY = {
    *("a", "b", "x", "y", "m", "v", "p", "f", "A", "u", "xp", "fp", "x1", "x2", "arr", "ary", "array", "weights"),
    *("values", "q"),
}


def _takes_an_array(function: Any) -> bool:
    """Whether the first argument is one array."""
    return next(iter(parameters(function)), None) in _OF_ARRAY


class _Joiner:
    """``np.r_`` and ``np.c_`` of numbers."""

    def __init__(self, original: Any):
        self.original = original

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        return joined(self.original, parts) if numbers_in(parts) else self.original[key]


def _overlooked(function: Callable[..., Any]) -> Callable[..., Any]:
    """A NumPy function that does not look for numbers in all of its arguments."""

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        return (function if only_buffers([*args, *options.values()]) else FUNCTIONS[function])(*args, **options)

    return call


REPLACED: dict[Any, Any] = {
    **{f: _of_lists(f) for f in (*FUNCTIONS, *DISCRETE) if _takes_an_array(f)},
    **{f: _creation(f) for f in (np.zeros, np.ones, np.empty, np.eye, np.identity, np.zeros_like, np.ones_like,
                                 np.empty_like, np.copy)},
    np.full: _full, np.array: array, np.asarray: _asarray, np.asanyarray: _asarray,
    np.ascontiguousarray: _contiguous(np.ascontiguousarray, "C"),
    np.asfortranarray: _contiguous(np.asfortranarray, "F"),
    np.arange: _arange, np.ndenumerate: _ndenumerate, np.isscalar: _isscalar,
    np.r_: _Joiner(np.r_), np.c_: _Joiner(np.c_),
    **{f: _of_stacks(f) for f in (np.concatenate, np.stack, np.hstack, np.vstack, np.dstack, np.column_stack)},
    np.fromiter: _fromiter, np.asarray_chkfinite: _checked_finite,
    **{f: _refusing(f) for f in not_handed_over()},
    **{f: _overlooked(f) for f in (np.select, np.pad, np.trapezoid, np.unwrap, np.polyint, np.full_like)},
    **MEANINGS,
}  # fmt: skip
