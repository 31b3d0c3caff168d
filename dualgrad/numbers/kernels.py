"""A kernel called with numbers is one word, whose rule was derived by its own transforms.

The kernel gives its ``name`` and three methods that accept numbers of lower levels again:
``pushforward(primals, tangents) -> (out, out_tangent)``, ``pullback(primals, cts) -> (out, cts)``
and ``jet(primals, series) -> (out, out_series)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualgrad.core.containers import flatten, unflatten

from .dual import Dual
from .functions import stack
from .jet import Jet
from .masked import dense
from .number import Number, bare, make
from .recorded import Recorded, Special


def apply_kernel(kernel: Any, args: Sequence[Any]) -> Any:
    """Let the numbers of the highest level among ``args`` interpret a call of the kernel."""
    leaves, structure = flatten(tuple(args))
    leaves = [*map(bare, leaves)]
    numbers = [a for a in leaves if isinstance(a, Number)]
    if not numbers:
        return kernel(*unflatten(structure, leaves))
    top = max(numbers, key=lambda a: a._level.depth)
    active = [isinstance(a, Number) and a._level is top._level for a in leaves]
    interpret = {Dual: _dual, Jet: _jet, Recorded: _recorded}[type(top)]
    return interpret(kernel, top._level, leaves, active, structure)


def _zero(a: Any) -> Any:
    """The tangent of an argument that has none."""
    dtype = getattr(a, "dtype", np.dtype(float))
    return np.zeros(np.shape(a), dtype if dtype.kind in "fc" else float)[()]


def _dual(kernel: Any, level: Any, leaves: list[Any], active: list[bool], structure: Any) -> Any:
    """N directions are N pushforwards."""
    level.check()
    primals = unflatten(structure, [a._primal if on else a for a, on in zip(leaves, active)])
    counts = {a._linear.shape[0] for a, on in zip(leaves, active) if on and a._linear.ndim > a._primal.ndim}

    def push(pick: Any) -> tuple[list[Any], list[Any], Any]:
        dots = [pick(dense(a._linear)) if on else _zero(a) for a, on in zip(leaves, active)]
        out, out_dot = kernel.pushforward(primals, unflatten(structure, dots))
        outs, form = flatten(out)
        return outs, flatten(out_dot)[0], form

    if counts:
        (count,) = counts
        pushed = [push(lambda t, k=k: t[k]) for k in range(count)]
        outs, _, form = pushed[0] if pushed else push(lambda t: np.zeros(t.shape[1:], t.dtype))
        dots = [stack([p[1][n] for p in pushed]) if pushed else np.zeros((0, *np.shape(y))) for n, y in enumerate(outs)]
    else:
        outs, dots, form = push(lambda t: t)
    return unflatten(form, [_number(Dual, level, y, d) for y, d in zip(outs, dots)])


def _number(kind: type[Number], level: Any, y: Any, linear: Any) -> Any:
    """A number for a result of floats; other results have no derivative."""
    y = _content(y)
    return make(kind, level, y, _content(linear)) if y.dtype.kind in "fc" else y


def _jet(kernel: Any, level: Any, leaves: list[Any], active: list[bool], structure: Any) -> Any:
    level.check()
    order = next(a.order for a, on in zip(leaves, active) if on)
    primals = [a._primal[0] if on else a for a, on in zip(leaves, active)]
    series = [a._primal[1:] if on else stack([_zero(a)] * order) if order else np.zeros((0, *np.shape(a)))
              for a, on in zip(leaves, active)]  # fmt: skip
    out, out_series = kernel.jet(unflatten(structure, primals), unflatten(structure, series))
    outs, form = flatten(out)
    rows = flatten(out_series)[0]
    jets = [make(Jet, level, stack([y, *(s[k] for k in range(order))]), None) for y, s in zip(outs, rows)]
    return unflatten(form, jets)


def _recorded(kernel: Any, tape: Any, leaves: list[Any], active: list[bool], structure: Any) -> Any:
    """One entry for the whole kernel, and one for each of its results if there are several.

    The value is computed now, by the kernel; the pullback runs it again, at the same point.
    """
    primals = unflatten(structure, [_kept(a._primal if on else a) for a, on in zip(leaves, active)])
    outs, form = flatten(kernel(*primals))
    refs = tuple(a._linear for a, on in zip(leaves, active) if on)
    zeros = [*map(_zero, outs)]

    def pull(k: int, ct: Any) -> tuple[Any, ...]:
        ct = dense(ct)
        if ct.ndim > zeros[k].ndim:  # cotangents with a leading axis, one by one
            return tuple(stack(list(each)) for each in zip(*(pull(k, c) for c in ct)))
        cts = [ct if j == k else z for j, z in enumerate(zeros)]
        back = flatten(kernel.pullback(primals, unflatten(form, cts))[1])[0]
        return tuple(_content(c) for c, on in zip(back, active) if on)

    def push(k: int, *dots: Any) -> Any:
        waiting = iter(dots)
        tangents = [dense(next(waiting)) if on else _zero(a) for a, on in zip(leaves, active)]
        return _content(flatten(kernel.pushforward(primals, unflatten(structure, tangents))[1])[0][k])

    step = Special(kernel.name, push, pull)

    def recorded(k: int, y: Any) -> Any:
        if y.dtype.kind not in "fc":
            return y
        tape.shapes[len(tape.entries)] = y.shape, y.dtype
        return tape.emit(step, (y, k), refs)

    return unflatten(form, [recorded(k, _content(y)) for k, y in enumerate(outs)])


def _content(x: Any) -> Any:
    """What a compiled function returns, with Python floats as NumPy's."""
    return x if hasattr(x, "dtype") else np.asarray(x)[()]


def _kept(a: Any) -> Any:
    return a.copy() if type(a) is np.ndarray else a
