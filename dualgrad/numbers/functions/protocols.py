"""Where NumPy's two protocols arrive: a ufunc or function is looked up in the tables and called."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from dualgrad.core.words import WORDS

from ..array import wrap
from ..number import apply, plain, write_out
from .making import operand
from .table import (
    COMPOSED,
    DISCRETE,
    DISCRETE_UFUNCS,
    ELEMENTARY,
    FUNCTIONS,
    METHODS,
    UFUNCS,
    arguments,
    mapped,
    numbers_in,
    of_value,
    only_buffers,
    parameters,
    refusal,
    unsupported,
    unwrapped,
)
from .ufunc_methods import called, placed
from .ufunc_methods import method as method_of


def array_ufunc(self: Any, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
    """``__array_ufunc__``"""
    word = ELEMENTARY.get(ufunc)
    if word is not None and out is None and not options and len(inputs) == 1:  # the usual case
        return self._alone(word)
    if any(hasattr(a, "__dualgrad_masked__") for a in inputs):
        return NotImplemented
    result = call_ufunc(ufunc, method, inputs, options, out)
    return result if out is None else placed(out, result)


def array_function(self: Any, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """``__array_function__``"""
    found = FUNCTIONS.get(function)
    if found is None or kwargs or len(types) > 1:
        return general_function(function, types, args, kwargs)
    return found(*args)


def call_ufunc(
    ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], options: dict[str, Any], out: Any = None
) -> Any:
    """A ufunc or one of its methods; ``out`` is read where ``where=`` leaves it as it is."""
    if out is not None and not options and not numbers_in(inputs):
        return getattr(ufunc, method)(*inputs)
    if method == "__call__":
        if not options.keys() <= {"axis", "axes", "keepdims"} and not _selects_all(options):
            return called(ufunc, inputs, out, options)
        word = UFUNCS.get(ufunc) or special_word(ufunc)
        axes = {k: v for k, v in options.items() if k != "where"}  # of products of vectors
        if axes.keys() - parameters(COMPOSED.get(ufunc, np.absolute)).keys():
            raise unsupported(f"np.{ufunc.__name__} with {next(iter(axes))}=", "use np.moveaxis before and after")
        if word is not None:
            return apply(word, *map(operand, inputs))
        if ufunc in DISCRETE_UFUNCS:
            return ufunc(*map(plain, inputs))
        if ufunc in COMPOSED:
            return COMPOSED[ufunc](*map(operand, inputs), **axes)
    elif ufunc in DISCRETE_UFUNCS or ufunc in UFUNCS and UFUNCS[ufunc].kind == "discrete":
        return getattr(ufunc, method)(*map(plain, inputs), **{k: plain(v) for k, v in options.items()})
    elif ufunc in UFUNCS or ufunc in COMPOSED or special_word(ufunc):
        return method_of(ufunc, method, inputs, options)
    if only_buffers(inputs):
        return wrap(getattr(ufunc, method)(*map(unwrapped, inputs), **options))
    raise refusal(ufunc) if method == "__call__" else unsupported(f"np.{ufunc.__name__}.{method}")


def general_function(function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A NumPy function with options, without a rule, or with more than one kind of argument."""
    if any(hasattr(t, "__dualgrad_masked__") for t in types):
        return NotImplemented
    found = FUNCTIONS.get(function)
    if found is not None:
        out = None if "out" in parameters(found) else kwargs.pop("out", None)
        args, kwargs = arguments(function, found, args, kwargs)
        result = found(*args, **kwargs)
        return result if out is None else write_out(out, result)
    if function in DISCRETE:
        return of_value(function)(*args, **kwargs)
    if only_buffers((*args, *kwargs.values())):
        return wrap(function(*mapped(unwrapped, args), **{k: unwrapped(v) for k, v in kwargs.items()}))
    raise refusal(function)


def _selects_all(options: dict[str, Any]) -> bool:
    return options.keys() == {"where"} and options["where"] is True


def special_word(ufunc: np.ufunc) -> Any:
    """The row of a ufunc of ``scipy.special``, if there is one of its name."""
    name = ufunc.__name__
    module = sys.modules.get("scipy.special")
    if name in PAIRS and ufunc not in COMPOSED and getattr(module, name, None) is ufunc:
        COMPOSED[ufunc] = lambda x: tuple(apply(WORDS[part], x) for part in PAIRS[name])
    word = WORDS.get(RENAMED.get(name, name))
    if module is None or word is None or not word.elementwise or getattr(module, name, None) is not ufunc:
        return None
    UFUNCS[ufunc] = word
    return word


RENAMED = {"psi": "digamma"}
PAIRS = {"sici": ("si", "ci"), "shichi": ("shi", "chi")}  # words of what has two results
METHODS |= {"__array_ufunc__": array_ufunc, "__array_function__": array_function}
