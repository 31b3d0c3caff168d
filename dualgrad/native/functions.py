"""Which functions may take numbers, and how numba is told: one template and one lowering for all.

Every function of NumPy that acts entry by entry, of `math`, and every operator gets a template that does nothing
unless a number, or an array of numbers, is among the arguments.  Only then the table is read (`operations`), which
says what the function is.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numba import types
from numba.core.errors import TypingError
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature

from dualgrad.core.errors import DualgradError

from .types import NumberArray, NumberType, common, refused

OPERATORS = """add sub mul truediv pow mod floordiv iadd isub imul itruediv ipow imod ifloordiv neg pos lt le gt ge eq
ne not_ truth""".split()  # noqa: SIM905
IN_PLACE = ("iadd", "isub", "imul", "itruediv", "ipow", "imod", "ifloordiv")
BUILTINS = {abs: (1,), bool: (1,), round: (1,), pow: (2,), max: (2, 3, 4, 5, 6), min: (2, 3, 4, 5, 6)}
THREE = {np.where: (types.Boolean, types.Number), np.clip: (types.Number,)}
LOST = {
    float: "x.primal is the value without its derivative", int: "int(x.primal) is the whole part of the value",
    complex: "numbers in nopython code are real",
}  # fmt: skip


def candidates() -> Iterator[tuple[Any, tuple[int, ...]]]:
    """Functions that may take numbers, and of how many arguments."""
    yield from BUILTINS.items()
    for name in OPERATORS:
        yield getattr(operator, name), (1,) if name in ("neg", "pos", "not_", "truth") else (2,)
    for ufunc in {id(f): f for f in vars(np).values() if isinstance(f, np.ufunc)}.values():
        if ufunc.nout == 1 and ufunc.nin <= 2:
            yield ufunc, (ufunc.nin,)
    for function in vars(math).values():
        if callable(function) and not isinstance(function, type):
            yield function, (1, 2)
    yield from ((np.round, (1,)), (np.sinc, (1,)))
    for function in THREE:
        yield function, (3,)


def template_for(function: Any) -> type[AbstractTemplate]:
    """The typing of a function where numbers are among its arguments."""

    class Template(AbstractTemplate):
        key = function
        metadata = {"target": "cpu"}  # asked before numba's own, which do not expect such arrays

        def generic(self, args: tuple[types.Type, ...], kws: Any) -> Any:
            if kws or not any(isinstance(t, (NumberType, NumberArray)) for t in args):
                return None
            if any(isinstance(t, types.Array) for t in args):
                return loop_for(function, args).get_call_type(self.context, args, {})
            from . import operations

            if not operations.takes(function, len(args)):
                return None
            kind: Any = common(function.__name__, args)
            given = tuple(types.int64 if isinstance(t, types.Integer) else t for t in args)
            try:
                return signature(operations.result_type(function, kind, given), *given)
            except DualgradError as reason:
                raise TypingError(str(reason)) from None

    return Template


def loop_for(function: Any, args: tuple[Any, ...]) -> types.Dispatcher:
    """What is called where an array of numbers is among the arguments of a function that acts entry by entry."""
    from .elementwise import looped
    from .operations import takes

    operation = getattr(function, "__module__", "") == "_operator"
    if not (isinstance(function, np.ufunc) or function is abs or operation) or not takes(function, len(args)):
        raise refused(f"{function.__name__} of an array of numbers", "it does not act entry by entry",
                      "write the loop over the entries")  # fmt: skip
    in_place = operation and function.__name__ in IN_PLACE and isinstance(args[0], NumberArray)
    return looped(function, args, in_place)


def lowering_for(function: Any) -> Callable[..., Any]:
    """The code of a function where numbers are among its arguments."""

    def lower(context: Any, builder: Any, sig: Any, args: tuple[Any, ...]) -> Any:
        if any(isinstance(t, types.Array) for t in sig.args):
            found: Any = loop_for(function, sig.args)
            called = found.get_call_type(context.typing_context, sig.args, {})
            return context.get_function(found, called)(builder, args)
        from . import operations

        return operations.lower(function, context, builder, sig, args)

    return lower


def special_function(name: str) -> Any:
    """What is called where numbers are among the arguments of a function of SciPy."""
    from .ruled import of_word

    return of_word(name)


def refusal_for(function: Any, hint: str) -> type[AbstractTemplate]:
    """The typing of a function that would lose the derivative."""

    class Template(AbstractTemplate):
        key = function

        def generic(self, args: tuple[types.Type, ...], kws: Any) -> Any:
            if args and isinstance(args[0], NumberType):
                raise refused(f"{function.__name__}(x) of a {args[0]}", "a number would lose its derivative", hint)

    return Template


def register() -> None:
    """Tell numba about every function."""
    for function, counts in candidates():
        infer_global(function, types.Function(template_for(function)))
        lower = lowering_for(function)
        for pattern in itertools.chain.from_iterable(map(partial(patterns, function), counts)):
            lower_builtin(function, *pattern)(lower)
    for function, hint in LOST.items():
        infer_global(function, types.Function(refusal_for(function, hint)))


def patterns(function: Any, count: int) -> Iterator[tuple[Any, ...]]:
    """The kinds of arguments with which a function is lowered here."""
    first = THREE.get(function, ())
    for pattern in itertools.product((NumberType, types.Number), repeat=count):
        if NumberType in pattern and (types.Boolean not in first or pattern[0] is types.Number):
            yield (types.Boolean, *pattern[1:]) if types.Boolean in first else pattern
    if count < 3:
        for pattern in itertools.product((NumberArray, types.Array, NumberType, types.Number), repeat=count):
            if NumberArray in pattern or {types.Array, NumberType} == set(pattern):
                yield pattern
    if function in (operator.pow, operator.ipow):
        yield NumberType, types.Omitted  # an exponent that is a constant of the function
