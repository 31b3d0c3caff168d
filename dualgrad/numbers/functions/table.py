"""What NumPy's names mean for numbers: the tables, and how a function enters them.

A composition is an ordinary function over numbers, entered under the NumPy function it stands for::

    @means(np.trace, method=True)
    def trace(x, offset=0, axis1=0, axis2=1): ...

It is written with functions that have a meaning already, so it works in every mode; a derivative is never
written here.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable, Iterable, Sequence
from functools import cache, wraps
from typing import Any, TypeVar

import numpy as np

from dualgrad.core.errors import UnsupportedError
from dualgrad.core.words import WORDS

from ..number import Number, current, plain, write_out
from .outside import REFUSED

F = TypeVar("F", bound=Callable[..., Any])


class Table(dict[Any, Any]):
    """Meanings by what they are the meaning of; of each there is one, whichever file is read last."""

    def __setitem__(self, key: Any, value: Any) -> None:
        if key in self:
            raise ValueError(f"{key!r} has a meaning already")
        super().__setitem__(key, value)

    def __ior__(self, other: Any) -> Table:  # type: ignore[override, misc]
        for key, value in other.items():
            self[key] = value
        return self


UFUNCS = {w.ufunc: w for w in WORDS.values() if isinstance(w.ufunc, np.ufunc)}  # those that are one word
# Elementary words of one argument that mean the same for complex numbers.
ELEMENTARY = {
    u: w
    for u, w in UFUNCS.items()
    if w.kind == "elementary" and u.nin == 1 and u not in (np.absolute, np.arcsinh)
}
COMPOSED = Table()  # those that are said with words
REDUCTIONS = Table()  # what their `reduce` is
FUNCTIONS = Table()
METHODS = Table()  # of ndarray
# Methods that are functions of the value alone.
OF_VALUE = ("argmax", "argmin", "argsort", "argpartition", "all", "any", "nonzero", "round", "searchsorted")
# Ufuncs and functions of the value alone.
DISCRETE_UFUNCS = {
    np.isfinite, np.isinf, np.isnan, np.signbit, np.logical_and, np.logical_or, np.logical_not, np.logical_xor,
    np.sign, np.floor, np.ceil, np.trunc, np.rint, np.floor_divide, np.spacing, np.nextafter,
}  # fmt: skip
DISCRETE = {
    np.argmax, np.argmin, np.argsort, np.all, np.any, np.nonzero, np.count_nonzero, np.searchsorted, np.array_equal,
    np.allclose, np.isclose, np.iscomplexobj, np.isrealobj, np.result_type, np.sign, np.round, np.fix, np.argwhere,
    np.flatnonzero, np.lexsort, np.digitize, np.shares_memory, np.may_share_memory, np.can_cast, np.unravel_index,
    np.isin, np.array_equiv, np.isneginf, np.isposinf, np.isreal, np.iscomplex, np.around, np.common_type,
    np.tril_indices_from, np.triu_indices_from, np.diag_indices_from, np.argpartition, np.nanargmax, np.nanargmin,
    np.min_scalar_type, np.einsum_path,
}  # fmt: skip


def means(*functions: Any, method: bool | str = False) -> Callable[[F], F]:
    """Enter a function as the meaning of NumPy functions, and as ndarray's method of its name or the one given.

    It has NumPy's parameters, as many as it understands: options that it lacks are refused.  Where one of them is
    ``out``, its result is written there; the function itself need not look at it.
    """

    def enter(f: F) -> F:
        meaning = _writing_out(f) if "out" in parameters(f) else f
        for function in dict.fromkeys(functions):  # some are one function under two names
            FUNCTIONS[function] = meaning
        if method:
            METHODS[f.__name__ if method is True else method] = meaning
        return f

    return enter


@cache
def parameters(f: Callable[..., Any]) -> dict[str, Any]:
    """Names and defaults of the parameters, in order; none of a builtin that does not tell."""
    try:
        return {name: p.default for name, p in inspect.signature(f).parameters.items()}
    except ValueError:
        return {}


def _writing_out(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its result written into ``out``."""
    place = [*parameters(f)].index("out")

    @wraps(f)
    def call(*args: Any, **options: Any) -> Any:
        out = options.pop("out", None)
        if len(args) > place:
            out, args = args[place], (*args[:place], None, *args[place + 1 :])
        result = f(*args, **options)
        return result if out is None else write_out(out[0] if type(out) is tuple else out, result)

    return call


@cache
def of_value(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the values alone; where it writes into numbers, their derivatives become zero."""

    def call(*args: Any, **options: Any) -> Any:
        return function(*mapped(plain, args), **{k: plain(v) for k, v in options.items()})

    return _writing_out(wraps(function)(call)) if "out" in parameters(function) else call


def arguments(function: Any, found: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Arguments of a NumPy function as its meaning ``found`` takes them; what it does not understand is refused."""
    known, theirs = parameters(found), parameters(function)
    if "options" in known or kwargs.keys() <= known.keys():
        return args, kwargs
    kwargs = dict(kwargs)
    for name in [*theirs][len(args) :]:  # a leading argument by NumPy's name for it
        if name not in kwargs or name in known:
            break
        args = (*args, kwargs.pop(name))
    for name in kwargs.keys() - known.keys():
        value, default = kwargs.pop(name), theirs.get(name)
        if not (value is None or value is np._NoValue or value is default or name == "casting" and value == default):
            raise unsupported(f"np.{function.__name__} with {name}={value!r}")
    return args, kwargs


def unsupported(what: str, hint: str = "", why: str = "") -> UnsupportedError:
    return UnsupportedError(
        f"{what} has no derivative rule",
        why=why or "it was called with a number that carries a derivative",
        hint=hint or "say it with functions that have one, or use dg.stop_gradient(x) where only the value counts",
    )


def refusal(function: Any) -> UnsupportedError:
    """The error of a function without a meaning, with what `outside` says about it."""
    name = name_of(function)
    row = REFUSED.get(name)
    if row is None and type(function).__module__.startswith("numba."):  # made by @vectorize or @guvectorize
        hint = "call it in an @njit function that goes through dg.kernel, or write that function with a loop"
        return unsupported(name, hint)
    return unsupported(name.replace("numpy.", "np.", 1), row.instead if row else "", row.why if row else "")


def name_of(function: Any) -> str:
    """A function's public name; a ufunc that is not one of NumPy's is one of SciPy's."""
    name = getattr(function, "__name__", str(function))
    home = getattr(function, "__module__", None)
    if isinstance(function, np.ufunc):
        known = getattr(sys.modules.get("scipy.special"), name, None)
        home = "numpy" if getattr(np, name, None) is function else "scipy.special" if known is function else home
    return f"{home or 'numpy'}.{name}"


def not_handed_over() -> list[Any]:
    """The refused functions that do not ask the numbers: no ufuncs, none with NumPy's dispatch."""
    named = [getattr(np, n.removeprefix("numpy."), None) for n in REFUSED if n.startswith("numpy.")]
    return [f for f in named if type(f) in (types.FunctionType, types.BuiltinFunctionType, type)]


def mapped(f: Callable[[Any], Any], args: Iterable[Any]) -> list[Any]:
    return [type(a)(mapped(f, a)) if type(a) in (list, tuple) else f(a) for a in args]


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
