"""A function with rules of its own is one word: a kernel, a custom rule, a linear function, a checkpoint.

Such a `Function` says what it makes of tangents (``tangents``), of series (``series``), and of a tape (``rest``: its
value and its linear rest), each for the leaves of a `Given` call.  A function that has ``pushforward``, ``pullback``
and ``jet`` over whole containers, as a kernel has, needs to say no more.  All of them are called with values or with
numbers of lower levels, so transforms nest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

import numpy as np

from dualgrad.backends import watch
from dualgrad.core.containers import flatten, unflatten
from dualgrad.core.errors import UnsupportedError

from .dual import Dual
from .functions import stack
from .jet import Jet
from .level import Level
from .masked import Masked, dense
from .masked import zeros as masked_zeros
from .number import Number, bare, make
from .recorded import Recorded, Special


class Given:
    """The arguments of a call: their leaves, and which of them carry derivatives of the level that interprets it."""

    def __init__(self, args: Sequence[Any]):
        found, self.structure = flatten(tuple(args))
        self.leaves = [*map(bare, found)]
        numbers = [a for a in self.leaves if isinstance(a, Number)]
        self.top: Any = max(numbers, key=lambda a: a._level.depth) if numbers else None
        self.level: Any = None if self.top is None else self.top._level
        self.active = [isinstance(a, Number) and a._level is self.level for a in self.leaves]
        self.numbers = self.among(self.leaves)
        # the values without the derivative of this level; they may be numbers of lower levels
        self.primals = [bare(a._value()) if on else a for a, on in zip(self.leaves, self.active)]

    def at(self, primals: list[Any]) -> Given:
        """The same call at other values."""
        other = copy(self)
        other.primals = primals
        return other

    def forget(self) -> None:
        """Let go of the numbers: their tape holds the rest of the call, which holds this; all of it would live on."""
        self.leaves, self.numbers, self.top, self.level = self.primals, [], None, None

    def tree(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """Leaves in the containers of the arguments."""
        return unflatten(self.structure, leaves)

    def among(self, leaves: Sequence[Any]) -> list[Any]:
        """What stands in the places that carry a derivative."""
        return [a for a, on in zip(leaves, self.active) if on]

    def filled(self, derivatives: Sequence[Any]) -> list[Any]:
        """Derivatives in these places, zeros in the others."""
        waiting = iter(derivatives)
        return [next(waiting) if on else zero_like(a) for a, on in zip(self.leaves, self.active)]


class Rest:
    """The linear rest of a call on a tape; ``push`` and ``pull`` take and give lists of arrays.

    With ``leading`` it understands cotangents with a leading axis, masks, and None for a result nobody used.
    """

    leading = False

    def __init__(self, push: Callable[..., Any] | None = None, pull: Callable[..., Any] | None = None):
        if push is not None:
            self.push = push  # type: ignore[method-assign]
        if pull is not None:
            self.pull = pull  # type: ignore[method-assign]

    def push(self, dots: list[Any]) -> list[Any]:
        """Tangents of the results for those of the active arguments."""
        raise NotImplementedError

    def pull(self, cts: list[Any], lead: int | None = None) -> list[Any]:
        """Cotangents of the active arguments for those of the results."""
        raise NotImplementedError


class Function:
    """A function with rules of its own; see the module's text."""

    name = "function"
    linear = False  # in all arguments that carry derivatives
    careful = False  # whether its rest understands masks

    def __call__(self, *args: Any) -> Any:
        raise NotImplementedError

    def pushforward(self, primals: Any, tangents: Any) -> Any:
        """``(out, out_tangent)``"""
        raise NotImplementedError

    def pullback(self, primals: Any, cotangents: Any) -> Any:
        """``(out, cotangents)``"""
        raise NotImplementedError

    def jet(self, primals: Any, series: Any) -> Any:
        """``(out, out_series)``"""
        raise NotImplementedError

    def tangents(self, given: Given, dots: list[Any]) -> tuple[list[Any], list[Any], Any]:
        """Results, their tangents, and the structure of the results, for tangents of the active leaves."""
        out, out_dot = self.pushforward(given.tree(given.primals), given.tree(given.filled(dots)))
        outs, form = flatten(out)
        return outs, flatten(out_dot)[0], form

    def directions(self, given: Given, dots: list[Any], count: int) -> tuple[list[Any], list[Any], Any]:
        """`tangents` for so many directions, which lead; one after the other."""
        pushed = [self.tangents(given, [t[k] for t in dots]) for k in range(count)]
        return _joined(pushed) if pushed else self._none(given)

    def _none(self, given: Given) -> tuple[list[Any], list[Any], Any]:
        outs, form = flatten(self(*given.tree(given.primals)))
        return outs, [np.zeros((0, *np.shape(y))) for y in outs], form

    def series(self, given: Given, coeffs: list[Any]) -> tuple[list[Any], Any]:
        """Coefficients of the results, and their structure, for the coefficients of the active leaves."""
        order = len(coeffs[0]) - 1
        waiting = iter(coeffs)
        primals = given.tree(given.primals)
        series = given.tree([next(waiting)[1:] if on else zero_series(a, order)
                             for a, on in zip(given.leaves, given.active)])  # fmt: skip
        out, out_series = self.jet(primals, series)
        outs, form = flatten(out)
        rows = flatten(out_series)[0]
        return [stack([y, *(s[k] for k in range(order))]) for y, s in zip(outs, rows)], form

    def rest(self, given: Given) -> tuple[list[Any], Any, Rest]:
        """Results, their structure and the linear rest; the pullback runs the function again, at the same point."""
        primals = given.tree([*map(kept, given.primals)])
        outs, form = flatten(self(*primals))

        def push(dots: list[Any]) -> list[Any]:
            return flatten(self.pushforward(primals, given.tree(given.filled(dots)))[1])[0]

        def pull(cts: list[Any], lead: int | None = None) -> list[Any]:
            return given.among(flatten(self.pullback(primals, unflatten(form, cts))[1])[0])

        return outs, form, Rest(push, pull)


def apply_function(function: Function, args: Sequence[Any]) -> Any:
    """Let the numbers of the highest level among ``args`` interpret a call of the function."""
    given = Given(args)
    if given.top is None:
        return function(*given.tree(given.leaves))
    given.level.check()
    interpret = {Dual: _dual, Jet: _jet, Recorded: _recorded}[type(given.top)]
    return interpret(function, given)


def _dual(function: Function, given: Given) -> Any:
    dots = [content(a._linear) for a in given.numbers]
    counts = {t.shape[0] for t, a in zip(dots, given.numbers) if t.ndim > a.ndim}
    count = counts.pop() if counts else None
    careful = given.level.careful and function.careful
    found = _through_rest(function, given, dots, count) if careful else None
    if found is None:
        dots = [*map(dense, dots)]
        found = function.tangents(given, dots) if count is None else function.directions(given, dots, count)
    outs, dots, form = found
    return unflatten(form, [_number(Dual, function, given.level, y, d) for y, d in zip(outs, dots)])


def _through_rest(function: Function, given: Given, dots: list[Any], count: int | None) -> Any:
    """Masked tangents pushed through the linear rest; None where it cannot be had."""
    try:
        outs, form, rest = function.rest(given)
    except UnsupportedError:  # a rule that does with tangents what a tape cannot
        return None
    if count is None:
        return outs, rest.push(dots), form
    pushed = [(outs, rest.push([t[k] for t in dots]), form) for k in range(count)]
    return _joined(pushed) if pushed else None


def _joined(pushed: list[Any]) -> tuple[list[Any], list[Any], Any]:
    """Directions one by one as directions that lead."""
    outs, _, form = pushed[0]
    return outs, [stacked([*parts]) for parts in zip(*(p[1] for p in pushed))], form


def _number(kind: type[Number], function: Function, level: Level, y: Any, linear: Any) -> Any:
    """A number for a result of floats; other results have no derivative."""
    y = below(level, function, y)
    if watch.watcher is not None:
        watch.watcher.called(function.name, primal=y, tangent=linear)
    return make(kind, level, y, below(level, function, linear)) if is_float(y) else y


def _jet(function: Function, given: Given) -> Any:
    found, form = function.series(given, [bare(a._primal) for a in given.numbers])
    level = given.level
    if watch.watcher is not None:
        for c in found:
            watch.watcher.called(function.name, series=c)
    jets = [make(Jet, level, below(level, function, c), None) if is_float(c) else c[0] for c in found]
    return unflatten(form, jets)


def _recorded(function: Function, given: Given) -> Any:
    """One entry for the whole call; if there are several results, one more for each of them."""
    tape = given.level
    refs = tuple(a._linear for a in given.numbers)
    outs, form, rest = function.rest(given)
    given.forget()
    outs = [below(tape, function, y) for y in outs]
    if watch.watcher is not None:
        for y in outs:
            watch.watcher.called(function.name, primal=y)
    floats = [k for k, y in enumerate(outs) if is_float(y)]
    calls = Call(function, [outs[k] for k in floats], outs, rest)
    several = len(floats) != 1
    slot = tape.slot(calls, (), refs) if floats and several else None

    def recorded(k: int, y: Any) -> Any:
        if not is_float(y):
            return y
        tape.complex |= y.dtype.kind == "c"
        tape.shapes[len(tape.entries)] = y.shape, y.dtype
        return tape.emit(Part(calls, k), (y,), (slot,)) if several else tape.emit(calls, (y,), refs)

    return unflatten(form, [recorded(k, y) for k, y in enumerate(outs)])


class Call(Special):
    """The entry of a call: its slot holds the tangent of its result, or a list of those of all results."""

    def __init__(self, function: Function, floats: list[Any], outs: list[Any], rest: Rest):
        self.name, self.linear, self.rest = function.name, function.linear, rest
        self.single = next(k for k, y in enumerate(outs) if is_float(y)) if len(floats) == 1 else None
        self.shapes = [(np.shape(y), y.dtype if is_float(y) else np.dtype(float)) for y in outs]

    def push(self, *dots: Any) -> Any:  # type: ignore[override]
        found = self.rest.push([*(dots if self.rest.leading else (content(dense(d)) for d in dots))])
        return found if self.single is None else content(found[self.single])

    def pull(self, ct: Any) -> tuple[Any, ...]:  # type: ignore[override]
        cts = ct if self.single is None else Parts({self.single: ct})
        k, one = next(iter(cts.items()))
        lead = one.shape[0] if one.ndim > len(self.shapes[k][0]) else None
        careful = isinstance(one, Masked)
        rest = self.rest
        if rest.leading:
            found = rest.pull([cts.get(k) for k in range(len(self.shapes))], lead)
        elif lead is None:
            found = rest.pull(self._filled(cts))
        else:  # one by one
            each = [self._filled({k: c[n] for k, c in cts.items()}) for n in range(lead)]
            found = [stacked(list(c)) for c in zip(*map(rest.pull, each))]
        return tuple(found if careful and rest.leading else map(content, found))

    def _filled(self, cts: dict[int, Any]) -> list[Any]:
        return [content(dense(cts[k])) if k in cts else np.zeros(*s)[()] for k, s in enumerate(self.shapes)]


class Part(Special):
    """One result of a call with several."""

    def __init__(self, call: Call, k: int):
        self.name, self.call, self.k = call.name, call, k

    def push(self, dots: list[Any]) -> Any:  # type: ignore[override]
        return content(dots[self.k])

    def pull(self, ct: Any) -> tuple[Any, ...]:  # type: ignore[override]
        return (Parts({self.k: ct}),)


class Parts(dict):
    """Cotangents of some results of one call; a sum of these is one by one."""

    def __add__(self, other: Parts) -> Parts:
        both = {k: self[k] + other[k] for k in self.keys() & other.keys()}
        return Parts({**self, **other, **both})


# Values that pass between a function and the numbers


def zero_like(a: Any) -> Any:
    """The tangent of an argument that has none."""
    dtype = getattr(a, "dtype", np.dtype(float))
    return np.zeros(np.shape(a) if hasattr(a, "dtype") else (), dtype if dtype.kind in "fc" else float)[()]


def zero_series(a: Any, order: int) -> Any:
    """The coefficients of orders 1… of an argument that is constant."""
    zero = zero_like(a)
    return stack([zero] * order) if order else np.zeros((0, *np.shape(zero)))


def content(x: Any) -> Any:
    """A value as numbers hold it: NumPy's numbers for Python's and for arrays without axes."""
    x = bare(x)
    if type(x) is np.ndarray and x.ndim == 0:
        return x[()]
    return x if isinstance(x, Masked) or hasattr(x, "dtype") else np.asarray(x)[()] if is_data(x) else x


def is_data(x: Any) -> bool:
    return isinstance(x, (int, float, complex))


def is_float(y: Any) -> bool:
    return hasattr(y, "dtype") and y.dtype.kind in "fc"


def below(level: Level, function: Function, y: Any) -> Any:
    """A result, which must not carry a derivative of the level that is being interpreted."""
    y = content(y)
    if isinstance(y, Number) and y._level.depth >= level.depth:
        raise UnsupportedError(
            f"{function.name}: its result depends on a number that is not among its arguments",
            why="a function with rules of its own has a derivative by its arguments only; "
            "one that it closes over would be lost",
            hint="pass the number as an argument",
        )
    return y


def kept(a: Any) -> Any:
    return a.copy() if type(a) is np.ndarray else a


def stacked(parts: list[Any]) -> Any:
    """Directions as one array, the direction leading; masked ones stay masked."""
    if any(isinstance(p, Masked) for p in parts):
        parts = [p if isinstance(p, Masked) else masked_zeros(np.shape(p), p.dtype) for p in parts]
        return np.stack(parts)
    return stack(parts)
