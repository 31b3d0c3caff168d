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
import cmath
import contextlib
import copy
import dis
import functools
import math
import os
import sys
import sysconfig
import types
from abc import ABCMeta
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from importlib import import_module
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from dualgrad.backends import watch
from dualgrad.kernels import as_kernel, is_kernel
from dualgrad.numbers.functions import vectorized
from dualgrad.numbers.lifted import BUILTINS, CASTS, REPLACED

_ON: ContextVar[bool] = ContextVar("dualgrad_lifting", default=True)
_AS_PYTHON: ContextVar[bool] = ContextVar("dualgrad_kernels_as_python", default=False)
_FOREIGN = ("dualgrad", "numpy", "scipy", "numba", "builtins", "optree")
_POLYNOMIALS = "numpy.polynomial"  # ordinary Python, which is lifted as the user's
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
    function = type(f) is types.FunctionType
    python = None if function else python_of(f)
    if python is not None:
        return _lift_function(python) if _ON.get() else python
    if not _ON.get():
        return f
    if isinstance(f, types.FunctionType):
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
            return clone or f
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
        clones[f] = code, _contents(f), None  # naming f here would keep it, and what it closes over, for ever
        return f
    cells = tuple(map(_new_cell, f.__closure__ or ()))
    called = _only_called(code)
    home = _live_globals(f.__globals__, called)
    defaults = f.__defaults__ and tuple(map(lifted, f.__defaults__))
    clone = types.FunctionType(code, home, f.__name__, defaults, cells)
    clone.__kwdefaults__ = f.__kwdefaults__ and {name: lifted(v) for name, v in f.__kwdefaults__.items()}
    clone.__qualname__, clone.__module__ = f.__qualname__, f.__module__
    clones[f] = code, _contents(f), clone  # before the cells are filled: functions may name each other
    for new, old in zip(cells, f.__closure__ or ()):
        if new is not old:
            new.cell_contents = _meaning(old.cell_contents, called)
    return clone


def _new_cell(cell: types.CellType) -> types.CellType:
    """The user's own cell, unless it holds a module or function that may mean something else here."""
    value = _content(cell)
    kind = type(value)
    liftable = kind in _REPLACEABLE or kind in _HOLDING
    liftable = liftable or _is_distribution(kind) or is_kernel(value) or ABCMeta in (kind, type(kind))
    return types.CellType() if liftable else cell


def _is_foreign(f: types.FunctionType) -> bool:
    """Whether this is code of a library that is never lifted (a wrapper's ``__module__`` is what it wraps)."""
    name = str(f.__globals__.get("__name__", ""))
    if name.partition(".")[0] not in _FOREIGN or name.startswith(_POLYNOMIALS):
        return False
    return vars(sys.modules.get(name, types)) is f.__globals__


# Types of what holds code or names.
_HOLDING = (types.FunctionType, types.MethodType, types.ModuleType, functools.partial, np.vectorize)


class LiveGlobals(dict):
    """Globals of a clone: empty, every name is looked up in the original's at the moment it is used."""

    __slots__ = ("called", "numpy", "original")

    def __init__(self, original: dict[str, Any], called: frozenset[str]):
        names = {name: BUILTINS[name] for name in called if name in BUILTINS}
        super().__init__(__builtins__={**vars(builtins), **names, "__import__": self.load})
        self.original, self.called, self.numpy = original, called, _meaning(np, called)

    def __missing__(self, name: str) -> Any:
        value = self.original[name]
        if value is np:
            return self.numpy
        if name in self.called and value is getattr(np, name, None):
            return CASTS[name]
        return lifted(value)

    def load(self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        """An import statement in the function's body."""
        module = __import__(name, self.original, locals, fromlist, level)
        meaning = _meaning(module, self.called)
        return _LiftedNames(module) if fromlist and meaning is module else meaning


_GLOBALS: dict[tuple[int, frozenset[str]], LiveGlobals] = {}


def _live_globals(original: dict[str, Any], called: frozenset[str]) -> LiveGlobals:
    key = id(original), called
    found = _GLOBALS.get(key)
    if found is None or found.original is not original:
        found = _GLOBALS[key] = LiveGlobals(original, called)
    return found


def _meaning(value: Any, called: frozenset[str]) -> Any:
    """`lifted`, in code that only calls these types."""
    return _numpy(called.intersection(CASTS)) if value is np else lifted(value)


def lifted(value: Any) -> Any:
    """What a global or a closed-over variable means in a clone."""
    kind = type(value)
    if kind is types.FunctionType:
        if value in REPLACED:
            return REPLACED[value]
        name = value.__module__ or ""
        if value.__code__.co_filename.startswith(_LIBRARIES) and not name.startswith(_POLYNOMIALS):
            return _of_scipy(value) if name.startswith("scipy.") else value
        return _lift_function(value)
    if kind is types.ModuleType:
        found = value.__name__ in _SCIPY or value.__name__.startswith(_POLYNOMIALS)
        if as_python() and value.__name__.partition(".")[0] not in _FOREIGN:  # kernels in a module of the user's
            file = getattr(value, "__file__", None) or ""
            found = found or value.__name__ not in sys.builtin_module_names and not file.startswith(_LIBRARIES)
        return _LiftedNames(value) if found else NAMESPACES.get(value, value)
    if kind is types.MethodType or kind is functools.partial:
        return lift(value)
    if kind is np.vectorize:
        return _Vectorize(value)
    if _is_distribution(kind):
        return _of_scipy(value)
    if is_kernel(value):
        python = python_of(value)
        return as_kernel(value) if python is None else _lift_function(python)
    if kind is ABCMeta or type(kind) is ABCMeta or hasattr(value, "_implementation"):
        return _of_polynomials(value)
    if kind in _REPLACEABLE:
        return REPLACED.get(value, value)
    return value


def _of_polynomials(value: Any) -> Any:
    """A class of ``np.polynomial``, one of its instances, or a function that NumPy itself dispatches."""
    owner = value if hasattr(value, "__name__") else type(value)
    if not owner.__module__.startswith(_POLYNOMIALS):
        return REPLACED.get(value, value) if owner is value else value
    if owner is not value:
        new = copy.copy(value)
        new.__class__ = _lift_class(owner)  # type: ignore[arg-type]
        return new
    if not isinstance(value, type):
        return _lift_function(value._implementation)
    return value if value.__abstractmethods__ else _lift_class(value)  # type: ignore[attr-defined]


@functools.cache
def _lift_class(cls: type) -> type:
    """A subclass of one of ``np.polynomial``, whose methods are lifted."""
    names: dict[str, Any] = {}
    for base in reversed(cls.__mro__[:-1]):
        names |= {k: _lift_member(v) for k, v in vars(base).items() if k not in ("__dict__", "__weakref__")}
    return type(cls)(cls.__name__, (cls,), names)


def _lift_member(member: Any) -> Any:
    if isinstance(member, (staticmethod, classmethod)):
        return type(member)(lifted(member.__func__))
    return lifted(member) if isinstance(member, types.FunctionType) else member


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
    """Names like ``float`` and ``np.float64`` that are only called here, never used as types."""
    code_of = _instructions(code)
    uses: dict[bool, set[str]] = {True: set(), False: set()}
    for k, i in enumerate(code_of):
        if i.opname in _NAMING and (i.argval in BUILTINS or i.argval in CASTS):
            uses[_has_null(i) or _is_attribute_called(code_of, k)].add(i.argval)
    return frozenset(uses[True] - uses[False])


_NAMING = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_ATTR", "LOAD_METHOD")


def _has_null(i: Any) -> bool:
    """Whether the instruction leaves room on the stack beside what it loads, which is going to be called."""
    return i.opname == "LOAD_GLOBAL" and i.arg & 1 == 1


def _is_attribute_called(code: tuple[Any, ...], k: int) -> bool:
    """Whether an attribute is loaded for a call.  Versions of Python say so in different places."""
    i = code[k]
    if i.opname != "LOAD_ATTR" or sys.version_info >= (3, 12) and i.arg & 1:
        return i.opname in ("LOAD_METHOD", "LOAD_ATTR")
    around = [c.opname if 0 <= n < len(code) else "" for n in (k - 2, k + 1) for c in code[n : n + 1]]
    return "PUSH_NULL" in around or _has_null(code[k - 1])


# What a clone is given


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


# Modules whose names mean something else in a clone


REPLACED[np.vectorize] = _Vectorize
_REPLACEABLE = {type(f) for f in REPLACED}


def _namespace(module: types.ModuleType) -> types.SimpleNamespace:
    """The module's names, with the functions above in place of its own."""
    names = {k: v for k, v in vars(module).items() if not k.startswith("__")}
    meaning = {k: REPLACED.get(v, v) if type(v) in _REPLACEABLE else v for k, v in names.items()}
    space = _Namespace(**{k: lifted(v) if type(v) is types.ModuleType else v for k, v in meaning.items()})
    space._module = module
    return space


class _Namespace(types.SimpleNamespace):
    """Names that are not there yet (lazy submodules) come from the module."""

    def __getattr__(self, name: str) -> Any:
        return lifted(getattr(self._module, name))


class _LiftedNames:
    """A module whose names mean here what they mean in a clone."""

    def __init__(self, module: types.ModuleType):
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return lifted(getattr(self._module, name))


@functools.cache
def _numpy(casts: frozenset[str]) -> Any:
    """NumPy's names, these types among them meaning functions."""
    if not casts:
        return NAMESPACES[np]
    return _Namespace(**{**vars(NAMESPACES[np]), **{name: CASTS[name] for name in casts}})


_ROOMS = ("integrate", "linalg", "signal", "special", "stats", "sparse.linalg")
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


NAMESPACES: dict[Any, Any] = {}
for _module in (math, cmath, np.linalg, np.fft, np):  # the last one names those before it
    NAMESPACES[_module] = _namespace(_module)
