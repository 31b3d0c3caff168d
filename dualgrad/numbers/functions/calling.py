"""Functions that call a function of the user: on parts of an array, along its axes, entry by entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..array import with_memory
from ..number import Number, plain
from .making import array, chosen, operand, stack
from .table import means, only_buffers, unsupported


@means(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **options: Any) -> Any:
    """Each function gets the entries where its condition holds; later conditions come on top."""
    x, tests = operand(x), plain(condlist)
    if np.isscalar(tests) or not isinstance(tests[0], (list, tuple, np.ndarray)) and np.ndim(x) != 0:
        tests = [tests]
    tests = np.array([np.broadcast_to(plain(t), np.shape(x)) for t in tests], bool)
    functions = list(funclist)
    if len(functions) == len(tests) + 1:
        tests = np.concatenate([tests, ~np.any(tests, axis=0, keepdims=True)])
    elif len(functions) != len(tests):
        raise ValueError(f"np.piecewise: {len(tests)} conditions need as many functions, or one more")
    y = np.zeros_like(x) if isinstance(x, Number) else array(np.zeros_like(x))
    for test, f in zip(tests, functions):
        if not callable(f):
            y = chosen(test, f, y)
        elif np.any(test):
            if np.ndim(x):
                y[test] = f(x[test], *args, **options)
            else:
                y = np.copy(f(x, *args, **options))
    return with_memory(y)


@means(np.apply_along_axis)
def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **options: Any) -> Any:
    rows = np.moveaxis(operand(arr), axis, -1)
    shape = np.shape(rows)[:-1]
    if 0 in shape:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    found = [operand(func1d(rows[index], *args, **options)) for index in np.ndindex(*shape)]
    whole = np.reshape(stack(found), (*shape, *np.shape(found[0])))
    k = axis % (len(shape) + 1)
    inner = np.ndim(found[0])
    return np.moveaxis(whole, range(len(shape), len(shape) + inner), range(k, k + inner)) if inner else whole


@means(np.apply_over_axes)
def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    found = operand(a)
    for axis in np.ravel(axes).tolist():
        result = func(found, axis)
        found = result if np.ndim(result) == np.ndim(found) else np.expand_dims(result, axis)
    return found


def vectorized(spec: np.vectorize, f: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """A call of ``np.vectorize(f)`` with numbers among the arguments: ``f`` for each entry, results put together."""
    if only_buffers([*args, *options.values()]):
        return spec(*map(plain, args), **{k: plain(v) for k, v in options.items()})
    if spec.signature is not None:
        raise unsupported("np.vectorize with a signature", "call the function in a loop and np.stack the results")
    given = dict[int | str, Any](enumerate(args)) | options
    spread = {k: operand(v) for k, v in given.items() if k not in spec.excluded}
    shape = np.broadcast_shapes(*map(np.shape, spread.values()))
    spread = {k: np.broadcast_to(v, shape) for k, v in spread.items()}
    found = []
    for index in np.ndindex(*shape):
        here = given | {k: v[index] for k, v in spread.items()}
        found.append(f(*(here[k] for k in range(len(args))), **{k: here[k] for k in options}))
    if not found:
        return np.zeros(shape)
    if isinstance(found[0], tuple):
        return tuple(np.reshape(stack(list(column)), shape) for column in zip(*found))
    return np.reshape(stack(found), shape) if shape else found[0]
