"""A transform runs a clone of the user's function in which NumPy, math and float understand numbers.

``np.zeros(n)``, ``np.array([a, b])`` and ``math.sin(x)`` cannot be dispatched on numbers, so
the clone (same code object, same line numbers) has globals that read through, live, to the
original's, but where these names mean the functions below.  Nested functions, closures and
the user's other functions that it names are cloned when they are reached; installed
libraries are left alone.  Nothing is patched.

Functions that assign globals keep their own; there a number raises, and the message says
what to write.  ``with dg.lifting(False):`` switches all of it off.
"""

from __future__ import annotations

import builtins
import contextlib
import dis
import functools
import itertools
import math
import os
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from importlib import import_module
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from dualgrad.backends import watch
from dualgrad.core.words import WORDS
from dualgrad.kernels import as_kernel, is_kernel
from dualgrad.numbers.array import buffer
from dualgrad.numbers.functions import arange, array, vectorized
from dualgrad.numbers.functions.moving import joined
from dualgrad.numbers.functions.table import (
    DISCRETE,
    FUNCTIONS,
    not_handed_over,
    numbers_in,
    only_buffers,
    parameters,
    refusal,
)
from dualgrad.numbers.number import Number, apply, plain

_ON: ContextVar[bool] = ContextVar("dualgrad_lifting", default=True)
_AS_PYTHON: ContextVar[bool] = ContextVar("dualgrad_kernels_as_python", default=False)
_FOREIGN = ("dualgrad", "numpy", "scipy", "numba", "builtins", "optree")
_LIBRARIES = tuple({os.path.join(sysconfig.get_path(p), "") for p in ("stdlib", "platstdlib", "purelib", "platlib")})


@contextlib.contextmanager
def lifting(on: bool) -> Iterator[None]:
    """Switch lifting on or off within a ``with`` block."""
    token = _ON.set(on)
    try:
        yield
    finally:
        _ON.reset(token)


@contextlib.contextmanager
def kernels_as_python() -> Iterator[None]:
    """Within a ``with`` block a kernel is lifted as the Python function that it was compiled from."""
    token = _AS_PYTHON.set(True)
    try:
        yield
    finally:
        _AS_PYTHON.reset(token)


def as_python() -> bool:
    """Whether kernels run as Python here: within such a block, and where somebody watches."""
    return _AS_PYTHON.get() or watch.watcher is not None


def python_of(f: Any) -> Any:
    """The Python function of a kernel, where kernels run as Python; a derived kernel has none."""
    if as_python() and is_kernel(f) and (not hasattr(f, "recipe") or f.recipe.is_plain):
        return f.py_func
    return None


def is_lifting() -> bool:
    """Whether lifting is on here."""
    return _ON.get()


def lift(f: Callable[..., Any]) -> Callable[..., Any]:
    """The clone of ``f``, or ``f`` itself where there is nothing to lift."""
    python = python_of(f)
    if python is not None:
        return _lift_function(python) if _ON.get() else python
    if not _ON.get():
        return f
    if type(f) is types.FunctionType:
        return _of_scipy(f) if (f.__module__ or "").startswith("scipy.") else _lift_function(f)
    if isinstance(f, types.MethodType):
        if _is_distribution(type(f.__self__)):
            return getattr(_of_scipy(f.__self__), f.__name__)
        return types.MethodType(lift(f.__func__), f.__self__)
    if isinstance(f, functools.partial):
        return functools.partial(lift(f.func), *f.args, **f.keywords)
    if is_kernel(f):
        return as_kernel(f)
    call = getattr(type(f), "__call__", None)  # noqa: B004 (inherited ones too)
    return types.MethodType(lift(call), f) if type(call) is types.FunctionType else f


# Clones, and those made where kernels run as Python: their cells hold other functions.
_CLONES: tuple[WeakKeyDictionary[types.FunctionType, tuple[Any, ...]], ...] = WeakKeyDictionary(), WeakKeyDictionary()


def _lift_function(f: types.FunctionType) -> Callable[..., Any]:
    known = _CLONES[as_python()].get(f)
    if known is not None:
        code, cells, clone = known
        if code is f.__code__ and (not cells or cells == _contents(f)):
            return clone
    return _clone(f)


def _contents(f: types.FunctionType) -> tuple[int, ...]:
    """Identities of what a closure holds: a clone is made again when they change."""
    return tuple(id(_content(c)) for c in f.__closure__ or ())


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _clone(f: types.FunctionType) -> Callable[..., Any]:
    code, clones = f.__code__, _CLONES[as_python()]
    if _is_foreign(f) or _assigns_globals(code):
        clones[f] = code, _contents(f), f
        return f
    cells = tuple(map(_new_cell, f.__closure__ or ()))
    home = _live_globals(f.__globals__, _only_called(code))
    defaults = f.__defaults__ and tuple(map(lifted, f.__defaults__))
    clone = types.FunctionType(code, home, f.__name__, defaults, cells)
    clone.__kwdefaults__ = f.__kwdefaults__ and {name: lifted(v) for name, v in f.__kwdefaults__.items()}
    clone.__qualname__, clone.__module__ = f.__qualname__, f.__module__
    clones[f] = code, _contents(f), clone  # before the cells are filled: functions may name each other
    for new, old in zip(cells, f.__closure__ or ()):
        if new is not old:
            new.cell_contents = lifted(old.cell_contents)
    return clone


def _new_cell(cell: types.CellType) -> types.CellType:
    """The user's own cell, unless it holds a module or function that may mean something else here."""
    kind = type(_content(cell))
    liftable = kind in _REPLACEABLE or kind in (types.FunctionType, types.ModuleType, np.vectorize)
    liftable = liftable or _is_distribution(kind) or python_of(_content(cell)) is not None
    return types.CellType() if liftable else cell


def _is_foreign(f: types.FunctionType) -> bool:
    """Whether this is code of a library that is never lifted (a wrapper's ``__module__`` is what it wraps)."""
    name = str(f.__globals__.get("__name__", ""))
    return name.partition(".")[0] in _FOREIGN and vars(sys.modules.get(name, types)) is f.__globals__


class LiveGlobals(dict):
    """Globals of a clone: empty, every name is looked up in the original's at the moment it is used."""

    __slots__ = ("original",)

    def __init__(self, original: dict[str, Any], names: dict[str, Any]):
        super().__init__(__builtins__=names)
        self.original = original

    def __missing__(self, name: str) -> Any:
        return lifted(self.original[name])


_GLOBALS: dict[tuple[int, frozenset[str]], LiveGlobals] = {}


def _live_globals(original: dict[str, Any], called: frozenset[str]) -> LiveGlobals:
    key = id(original), called
    found = _GLOBALS.get(key)
    if found is None or found.original is not original:
        names = {**vars(builtins), **{name: BUILTINS[name] for name in called}}
        found = _GLOBALS[key] = LiveGlobals(original, names)
    return found


def lifted(value: Any) -> Any:
    """What a global or a closed-over variable means in a clone."""
    kind = type(value)
    if kind is types.FunctionType:
        if value in REPLACED:
            return REPLACED[value]
        if value.__code__.co_filename.startswith(_LIBRARIES):
            return _of_scipy(value) if (value.__module__ or "").startswith("scipy.") else value
        return _lift_function(value)
    if kind is types.ModuleType:
        return _ScipyNames(value) if value.__name__ in _SCIPY else NAMESPACES.get(value, value)
    if kind is np.vectorize:
        return _Vectorize(value)
    if _is_distribution(kind):
        return _of_scipy(value)
    if kind in _REPLACEABLE:
        return REPLACED.get(value, value)
    python = python_of(value)
    return value if python is None else _lift_function(python)


# What the code of a function does with names


@functools.cache
def _instructions(code: types.CodeType) -> tuple[Any, ...]:
    own = tuple(dis.get_instructions(code))
    return own + tuple(i for c in code.co_consts if isinstance(c, types.CodeType) for i in _instructions(c))


@functools.cache
def _assigns_globals(code: types.CodeType) -> bool:
    return any(i.opname in ("STORE_GLOBAL", "DELETE_GLOBAL") for i in _instructions(code))


@functools.cache
def _only_called(code: types.CodeType) -> frozenset[str]:
    """Builtins like ``float`` that are only called here, never used as a type."""
    uses = [i for i in _instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME") and i.argval in BUILTINS]
    return frozenset(i.argval for i in uses) - {i.argval for i in uses if i.opname == "LOAD_NAME" or not i.arg & 1}


# What names mean in a clone


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


def _creation(function: Callable[..., Any]) -> Callable[..., Any]:
    """A NumPy function whose result can receive numbers."""
    return functools.wraps(function)(lambda *args, **kwargs: _received(function(*args, **kwargs)))


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


class _Vectorize:
    """``np.vectorize`` of a lifted function."""

    def __init__(self, pyfunc: Any = None, *args: Any, **options: Any):
        if pyfunc is None:  # a decorator with options
            self.make = lambda f: _Vectorize(f, *args, **options)
            return
        self.spec = pyfunc if isinstance(pyfunc, np.vectorize) else np.vectorize(pyfunc, *args, **options)

    def __call__(self, *args: Any, **options: Any) -> Any:
        if not hasattr(self, "spec"):
            return self.make(*args)
        return vectorized(self.spec, lift(self.spec.pyfunc), args, options)


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


def _math(function: Callable[..., Any], numeric: Callable[..., Any]) -> Callable[..., Any]:
    """A function of `math` that takes numbers too."""
    return functools.wraps(function)(
        lambda *args: (numeric if any(isinstance(a, Number) for a in args) else function)(*args)
    )


def _on_plain(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: function(*map(plain, args))


def _log(x: Any, base: Any = None) -> Any:
    return np.log(x) if base is None else np.log(x) / np.log(base)


def _erf(x: Any) -> Any:
    return apply(WORDS["erf"], x)


_SAME = ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "expm1", "log1p", "sqrt", "hypot", "log2", "log10",
         "exp2", "cbrt", "degrees", "radians")  # fmt: skip
MATH: dict[Any, Any] = {
    **{getattr(math, name): getattr(np, name) for name in _SAME if hasattr(math, name)},
    math.asin: np.arcsin, math.acos: np.arccos, math.atan: np.arctan, math.atan2: np.arctan2, math.fabs: np.absolute,
    math.pow: np.power, math.log: _log, math.erf: _erf, math.erfc: lambda x: 1.0 - _erf(x),
    math.fsum: lambda values: sum(values), math.prod: lambda values: functools.reduce(lambda a, b: a * b, values, 1.0),
    math.asinh: np.arcsinh, math.acosh: np.arccosh, math.atanh: np.arctanh, math.fmod: np.fmod,
    **{f: _on_plain(f) for f in (math.floor, math.ceil, math.trunc, math.isnan, math.isinf, math.isfinite,
                                 math.isclose)},
}  # fmt: skip
REPLACED: dict[Any, Any] = {
    **{f: _of_lists(f) for f in (*FUNCTIONS, *DISCRETE) if _takes_an_array(f)},
    **{f: _creation(f) for f in (np.zeros, np.ones, np.empty, np.eye, np.identity, np.zeros_like, np.ones_like,
                                 np.empty_like, np.copy)},
    np.full: _full, np.array: array, np.asarray: _asarray, np.asanyarray: _asarray,
    np.ascontiguousarray: _contiguous(np.ascontiguousarray, "C"),
    np.asfortranarray: _contiguous(np.asfortranarray, "F"),
    np.arange: _arange, np.vectorize: _Vectorize, np.ndenumerate: _ndenumerate, np.isscalar: _isscalar,
    np.r_: _Joiner(np.r_), np.c_: _Joiner(np.c_),
    **{f: _of_stacks(f) for f in (np.concatenate, np.stack, np.hstack, np.vstack, np.dstack, np.column_stack)},
    np.fromiter: _fromiter, np.asarray_chkfinite: _checked_finite,
    **{f: _refusing(f) for f in not_handed_over()},
    **{f: _overlooked(f) for f in (np.select, np.pad, np.trapezoid, np.unwrap, np.polyint, np.full_like)},
    **{f: _math(f, numeric) for f, numeric in MATH.items()},
}  # fmt: skip
_REPLACEABLE = {type(f) for f in REPLACED}


def _namespace(module: types.ModuleType) -> types.SimpleNamespace:
    """The module's names, with the functions above in place of its own."""
    names = {k: v for k, v in vars(module).items() if not k.startswith("__")}
    meaning = {k: REPLACED.get(v, v) if type(v) in _REPLACEABLE else v for k, v in names.items()}
    space = _Namespace(**{k: NAMESPACES.get(v, v) if type(v) is types.ModuleType else v for k, v in meaning.items()})
    space._module = module
    return space


class _Namespace(types.SimpleNamespace):
    """Names that are not there yet (lazy submodules) come from the module."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


_ROOMS = ("linalg", "signal", "special", "stats", "sparse.linalg")
_SCIPY = {"scipy", "scipy.sparse", *(f"scipy.{room}" for room in _ROOMS)}


def _is_distribution(kind: type) -> bool:
    return kind.__module__.startswith("scipy.stats.")


@functools.cache
def _of_scipy(function: Any) -> Any:
    """Our function of the same name, if there is one (`dualgrad.scipy`): SciPy's cannot see numbers."""
    name = getattr(function, "__name__", type(function).__name__.removesuffix("_gen"))  # a distribution has none
    for room in _ROOMS:
        if getattr(sys.modules.get(f"scipy.{room}"), name, None) is function:
            ours = import_module(f"dualgrad.scipy.{room}")
            return getattr(ours, name) if name in ours.__all__ else function
    return function


class _ScipyNames:
    """A module of SciPy, whose functions mean ours where we have them."""

    def __init__(self, module: types.ModuleType):
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return lifted(getattr(self._module, name))


NAMESPACES: dict[Any, Any] = {}
for _module in (math, np.linalg, np.fft, np):  # the last one names those before it
    NAMESPACES[_module] = _namespace(_module)
