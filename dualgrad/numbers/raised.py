"""Series through a first-order rule: ``x(t), x'(t) -> y'(t)``.

The coefficient of order k of the result is that of order k - 1 of its derivative, divided by k; so the rule is run
once on series that are one order shorter.  It may call the function again, which is then one order shorter still.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from dualgrad.core.containers import flatten

from .calls import Function, Given, apply_function, content, is_float, zero_like
from .functions import stack
from .jet import Jet
from .level import Level
from .number import Number, bare, make

Found = tuple[list[Any], Any]  # the coefficients of the results, and their structure

_KNOWN: ContextVar[dict[Any, Found] | None] = ContextVar("dualgrad_series", default=None)


def raised(function: Function, given: Given, coeffs: list[Any], identity: Any) -> Found:
    """Coefficients of the results from ``function.tangents``.

    What was found for the same function (``identity``) and coefficients during one call is not computed twice: a rule
    that calls the function twice would otherwise double the cost with every order.
    """
    known = _KNOWN.get()
    if known is not None:
        return _remembered(known, function, given, coeffs, identity)
    token = _KNOWN.set({})
    try:
        return _raise(function, given, coeffs)
    finally:
        _KNOWN.reset(token)


def _remembered(known: dict[Any, Found], function: Function, given: Given, coeffs: list[Any], identity: Any) -> Found:
    waiting = iter(coeffs)
    parts = [next(waiting) if on else a for a, on in zip(given.leaves, given.active)]
    if any(isinstance(p, Number) for p in parts):
        return _raise(function, given, coeffs)
    values = [(p.shape, p.dtype, p.tobytes()) if hasattr(p, "tobytes") else p for p in parts]
    key = identity, given.structure, *given.active, *values
    try:
        hash(key)
    except TypeError:
        return _raise(function, given, coeffs)
    if key not in known:
        known[key] = _raise(function, given, coeffs)
    return known[key]


def _raise(function: Function, given: Given, coeffs: list[Any]) -> Found:
    order = len(coeffs[0]) - 1
    if order == 0:
        leaves, form = _flat(apply_function(function, given.tree(given.primals)))
        return [_series([y]) for y in leaves], form
    if order == 1:
        outs, dots, form = function.tangents(given, [c[1] for c in coeffs])
        return [_series([y, d]) for y, d in zip(outs, dots)], form
    level = Level(function.name)
    try:
        waiting = iter([make(Jet, level, c[:order], None) for c in coeffs])
        here = given.at([next(waiting) if on else a for a, on in zip(given.leaves, given.active)])
        speeds = [make(Jet, level, stack([c[k] * float(k) for k in range(1, order + 1)]), None) for c in coeffs]
        outs, dots, form = function.tangents(here, speeds)
        return [_integrated(level, bare(y), bare(d), order) for y, d in zip(outs, dots)], form
    finally:
        level.end()


def _flat(out: Any) -> Found:
    leaves, form = flatten(out)
    return [*map(content, leaves)], form


def _series(rows: list[Any]) -> Any:
    """Coefficients of a float; of anything else the value alone."""
    return stack(rows) if is_float(rows[0]) else rows[:1]


def _integrated(level: Level, y: Any, dot: Any, order: int) -> Any:
    """The series of a result from its first coefficient and the series of its derivative."""
    first = y._primal[0] if isinstance(y, Jet) and y._level is level else y
    if isinstance(dot, Jet) and dot._level is level:
        return _series([first, *(dot._primal[k] / float(k + 1) for k in range(order))])
    return _series([first, dot, *[zero_like(first)] * (order - 1)])
