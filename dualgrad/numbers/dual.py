"""Dual numbers: a value and its tangent, or N tangents with the directions leading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy import ndarray

from dualgrad.backends import arrays
from dualgrad.backends.steps import Pattern, jvp_step
from dualgrad.core import forms
from dualgrad.core.errors import StructureError
from dualgrad.core.words import WORDS, Word

from . import operators  # noqa: F401  (numbers have theirs before kinds of number replace some)
from .array import looked, room_for
from .level import Level
from .masked import zeros as masked_zeros
from .number import BATCHED, Number, View, apply, make, operands, settled, without_array

LONGEST = 60  # entries that are printed one by one


class Dual(Number):
    """A value and its derivative along one direction, or along N directions.

    Parameters
    ----------
    primal : array_like
        The value, of shape ``S``.
    tangent : array_like
        Of shape ``S``, or ``(N,) + S`` for N directions.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> y = np.sin(dg.Dual(0.0, 1.0))
    >>> y
    Dual(0.0, tangent=1.0)
    >>> print(y)
    0 + 1 ε
    """

    __slots__ = ()

    def __init__(self, primal: Any, tangent: Any):
        self._primal, self._linear = content(primal), content(tangent)
        self._memory = None
        self._level = permanent("Dual", self._primal, self._linear)
        lead = self._linear.ndim - self._primal.ndim
        if lead not in (0, 1) or self._linear.shape[lead:] != self._primal.shape:
            raise StructureError(
                f"a tangent of shape {self._linear.shape} for a value of shape {self._primal.shape}",
                hint="give the tangent the shape of the value, or (N,) + that shape for N directions",
            )

    @property
    def tangent(self) -> Any:
        """The derivative of the value."""
        return settled(self)._linear

    def __reduce__(self) -> Any:
        return Number.__reduce__(self) if self._level.made else (Dual, (self.primal, self.tangent))

    def __repr__(self) -> str:
        now = settled(self)
        return f"Dual({show(now._primal)}, tangent={show(now._linear)})"

    def __str__(self) -> str:
        now = settled(self)
        return forms.dual_text(now._primal, now._linear)

    def _repr_html_(self) -> str:
        now = settled(self)
        title = "Dual" + (f" of shape {now.shape}" if now.shape else "")
        return forms.dual_html(now._primal, now._linear, title)

    def _repr_latex_(self) -> str:
        now = settled(self)
        return forms.dual_latex(now._primal, now._linear)

    @staticmethod
    def _interpret(level: Level, word: Word, args: Sequence[Any]) -> Any:
        if level.alive:
            found = _along_one(level, word, args)
            if found is not None:
                return found
        active, literals, values = operands(Dual, level, word, args)
        duals = [a for a, on in zip(args, active) if on]
        tangents = [a._linear for a in duals]
        lift = None
        if any(t.ndim > a._primal.ndim for t, a in zip(tangents, duals)):
            lift = (0,) * len(duals)
            if word.elementwise:
                rank = max(map(np.ndim, values))
                lift = tuple([rank - a._primal.ndim for a in duals])
        step = jvp_step(Pattern(word, active, literals, lift))
        primal, tangent = step(*values, *tangents)
        shape = primal.shape if lift is None else (*_directions(tangents), *primal.shape)
        if np.shape(tangent) != shape:
            tangent = np.broadcast_to(tangent, shape)
        if tangent.dtype != primal.dtype and primal.dtype.kind == tangent.dtype.kind:
            tangent = tangent.astype(primal.dtype)  # SciPy's functions and their derivatives may promote differently
        return make(Dual, level, primal, tangent)

    def _alone(self, word: Word) -> Any:
        value, tangent, level = self._primal, self._linear, self._level
        if self._memory is None and level.alive and type(value) is type(tangent) and value.ndim == tangent.ndim:
            steps = _DOUBLE if value.dtype is DOUBLE and type(value) is ndarray else _STEPS
            step = steps.get(word) or steps.setdefault(
                word, jvp_step(Pattern(word, (True,), (None,), double=steps is _DOUBLE))
            )
            new = object.__new__(Dual)
            new._level = level
            new._primal, new._linear = step(value, tangent)
            new._memory = None
            return new
        return apply(word, self)

    def _look(self, view: Any, argument: Any) -> tuple[Any, Any]:
        tangent = self._linear
        lifted = tangent.ndim > self._primal.ndim
        return view(self._primal, argument), (BATCHED[view] if lifted else view)(tangent, argument)

    def _own(self) -> None:
        """Here the tangent takes the dtype of the value: that of ``x + 1j`` is real until it is written."""
        self._primal, self._linear = self._primal.copy(), self._linear.astype(self._primal.dtype, order="C")
        if isinstance(self._linear, np.generic):  # of an array without axes
            self._linear = np.array(self._linear)

    def _adopt(self, old: Any, like: Any) -> None:
        lead = like._linear.shape[: like._linear.ndim - like._primal.ndim]
        zeros = masked_zeros if like._level.careful else np.zeros
        self._primal, self._linear = old, zeros(lead + old.shape, old.dtype)

    def _write(self, chain: tuple[View, ...], index: Any, value: Any) -> None:
        lead = self._linear.ndim - self._primal.ndim
        active = type(value) is Dual and value._level is self._level
        primal, tangent = (value._primal, value._linear) if active else (without_array(value), None)
        if isinstance(primal, Number) and type(self._primal) is ndarray or (
            isinstance(tangent, Number) and type(self._linear) is ndarray
        ):  # both change, so that views notice
            self._primal, self._linear = room_for(self._primal.copy(), self), room_for(self._linear, self)
        place = looked(self._primal, chain)
        if lead and tangent is not None:
            tangent = arrays.insert_axes(tangent, np.ndim(place[index]) - np.ndim(primal))
        place[index] = primal
        slopes = looked(self._linear, chain, lead)
        if lead:
            tangent = None if tangent is None else arrays.led(tangent, index)
            index = arrays.below(index)
        slopes[index] = 0 if tangent is None else tangent


_STEPS: dict[Any, Callable[..., Any]] = {}
_DOUBLE: dict[Any, Callable[..., Any]] = {}  # for arrays of 64-bit floats
DOUBLE = np.dtype(float)


def _along_one(level: Level, word: Word, args: Sequence[Any]) -> Any:
    """What `Dual._interpret` does, without detours, for plain content and one direction; None where it does not apply.
    """
    flags, values, tangents = [], [], []
    for a in args:
        kind = type(a)
        if kind is Dual and a._level is level:
            value, tangent = a._primal, a._linear
            if type(tangent) is not type(value) or tangent.ndim != value.ndim:
                return None
            flags.append(True)
            values.append(value)
            tangents.append(tangent)
        elif kind is ndarray:
            flags.append(False)
            values.append(a)
        else:
            return None
    key = word, *flags
    step = _STEPS.get(key)
    if step is None:
        step = _STEPS[key] = jvp_step(Pattern(word, tuple(flags), (None,) * len(flags)))
    primal, tangent = step(*values, *tangents)
    if tangent.shape != primal.shape:
        tangent = np.broadcast_to(tangent, primal.shape)
    return make(Dual, level, primal, tangent)


def _directions(tangents: list[Any]) -> tuple[int, ...]:
    counts = {t.shape[0] for t in tangents}
    if len(counts) > 1:
        raise StructureError(f"duals with different numbers of directions meet: {sorted(counts)}")
    return (counts.pop(),)


# Numbers that users make, outside of any transform


def content(value: Any) -> Any:
    """What a number made by hand holds: an array of floats, a NumPy scalar, or a number."""
    if isinstance(value, Number):
        return settled(value)
    value = np.asarray(value)
    value = value if value.dtype.kind in "fc" else value.astype(float)
    return value if value.ndim else value[()]


def permanent(verb: str, *inside: Any) -> Level:
    """The level of numbers made by hand around these contents: just above theirs, a Jet below a Dual.

    Transforms have whole depths from 1000 on; in between there is room for thousands of nested numbers.
    """
    below = max((v._level.depth for v in inside if isinstance(v, Number)), default=0)
    whole = int(below) if below >= 1000 else 0
    unit = 1e-4 if whole else 1
    nesting = (round((below - whole) / unit) + 1) // 2 + 1
    return _level(verb, whole + unit * (2 * nesting - (verb == "Jet")))


@lru_cache(4096)
def _level(verb: str, depth: float) -> Level:
    return Level(verb, depth=depth)


def show(value: Any) -> str:
    """Content as the numbers print it."""
    if isinstance(value, Number):
        return repr(value)
    if np.size(value) > LONGEST:
        return np.array2string(value, threshold=0, separator=", ").replace("\n", "") + f" of shape {np.shape(value)}"
    return repr(value.tolist()) if np.ndim(value) else repr(value.item() if isinstance(value, np.generic) else value)


def _binary(word: Word, general: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """An operator that goes the short way where both operands are settled."""

    step = jvp_step(Pattern(word, (True, True), (None, None)))

    def operator(self: Any, other: Any) -> Any:
        if type(other) is Dual and self._memory is None and other._memory is None and self._level is other._level:
            a, b, da, db, level = self._primal, other._primal, self._linear, other._linear, self._level
            if level.alive and type(a) is type(da) and type(b) is type(db):
                if a.shape == b.shape == da.shape == db.shape:
                    new = object.__new__(Dual)
                    new._level = level
                    new._primal, new._linear = step(a, b, da, db)
                    new._memory = None
                    return new
                found = _along_one(level, word, (self, other))
                if found is not None:
                    return found
        return general(self, other)

    return operator


for _name, _dunder in {"add": "__add__", "sub": "__sub__", "mul": "__mul__", "div": "__truediv__"}.items():
    setattr(Dual, _dunder, _binary(WORDS[_name], getattr(Number, _dunder)))
