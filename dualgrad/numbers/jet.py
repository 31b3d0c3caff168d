"""Truncated Taylor series as numbers; the order of the coefficients is the leading axis."""

from __future__ import annotations

from math import factorial
from typing import Any

import numpy as np
from numpy import ndarray

from dualgrad.backends import arrays
from dualgrad.backends.steps import Pattern, jet_step
from dualgrad.core import forms
from dualgrad.core.errors import StructureError
from dualgrad.core.words import Word

from .array import looked, room_for
from .dual import content, permanent, show
from .level import Level
from .number import BATCHED, Number, View, make, operands, settled, without_array

_VIEWS = {view.__name__: view for view in BATCHED}


def _makes_array(view: Any, x: Any, *argument: Any) -> bool:
    """Whether NumPy makes an array, not a value, of what this view of ``x`` sees."""
    return isinstance(view(np.empty(x.shape) if x._is_array() else np.float64(0), *argument), ndarray)


class Jet(Number):
    """The series ``Σ coeffs[k] tᵏ`` of a value, up to an order K.

    Parameters
    ----------
    coeffs : array_like
        Of shape ``(K + 1,) + S``; ``coeffs[k]`` is the k-th derivative divided by k!.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> t = dg.Jet([0.0, 1.0, 0.0, 0.0])
    >>> (t * t + 1).coeffs
    array([1., 0., 1., 0.])
    >>> print(1 / (1 - t))
    1 + t + t² + t³ + O(t⁴)
    """

    __slots__ = ()  # `_linear` is True for an array without axes, whose coefficients look like those of an element

    def __init__(self, coeffs: Any):
        self._primal, self._linear, self._memory = content(coeffs), None, None
        if self._primal.ndim == 0:
            raise StructureError("a Jet needs at least one coefficient", hint="give an array, the order along axis 0")
        self._level = permanent("Jet", self._primal)

    @property
    def coeffs(self) -> Any:
        """Coefficients, order 0 first."""
        return settled(self)._primal

    def _value(self) -> Any:
        """The coefficient of order 0."""
        return self._primal[0]

    @property
    def order(self) -> int:
        """The highest order that is kept."""
        return self._primal.shape[0] - 1

    @property
    def shape(self) -> tuple[int, ...]:
        return self._primal.shape[1:]

    def derivatives(self) -> Any:
        """``coeffs[k] * k!``, the derivatives by t at 0."""
        c = settled(self)._primal
        factors = np.array([float(factorial(k)) for k in range(len(c))]).astype(c.dtype)
        return c * factors.reshape(-1, *(1,) * (c.ndim - 1))

    def __call__(self, t: Any) -> Any:
        """The polynomial at ``t``, by Horner's rule."""
        c = settled(self)._primal
        value = c[-1]
        for k in range(len(c) - 2, -1, -1):
            value = value * t + c[k]
        return value

    def __reduce__(self) -> Any:
        return Number.__reduce__(self) if self._level.made else (Jet, (self.coeffs,))

    def __repr__(self) -> str:
        return f"Jet({show(settled(self)._primal)})"

    def __str__(self) -> str:
        return forms.series_text(settled(self)._primal)

    def _repr_html_(self) -> str:
        title = f"Jet of order {self.order}" + (f", shape {self.shape}" if self.shape else "")
        return forms.series_html(settled(self)._primal, self.derivatives(), title)

    def _repr_latex_(self) -> str:
        return forms.series_latex(settled(self)._primal)

    @staticmethod
    def _interpret(level: Level, word: Word, args: list[Any]) -> Any:
        active, literals, values = operands(Jet, level, word, args)
        orders = {a.order for a, on in zip(args, active) if on}
        if len(orders) > 1:
            raise StructureError(f"series of different orders meet: {sorted(orders)}")
        if word.elementwise:
            whole = np.broadcast_shapes(*(a.shape if on else np.shape(a) for a, on in zip(args, active)))
            values = [
                arrays.broadcast_to_batched(v, whole) if on and a.shape != whole else v
                for a, v, on in zip(args, values, active)
            ]
        found = jet_step(Pattern(word, active, literals))(*values)
        made = found.ndim == 1 and word.name in _VIEWS and _makes_array(_VIEWS[word.name], *args)
        return make(Jet, level, found, True if made else None)

    def _is_array(self) -> bool:
        return self._primal.ndim > 1 or self._linear is True

    def _ground(self) -> Any:
        first = self._primal[0, ...]
        return first._ground() if isinstance(first, Number) else first

    def _look(self, view: Any, argument: Any) -> tuple[Any, Any]:
        found = BATCHED[view](self._primal, argument)
        return found, True if found.ndim == 1 and _makes_array(view, self, argument) else None

    def _adopt(self, old: Any, like: Any) -> None:
        self._primal = room_for(np.zeros((like.order + 1, *old.shape), old.dtype), old)
        self._primal[0] = old
        self._linear = True if not old.shape else None

    def _write(self, chain: tuple[View, ...], index: Any, value: Any) -> None:
        active = type(value) is Jet and value._level is self._level
        new = value._primal if active else without_array(value)
        if isinstance(new, Number) and type(self._primal) is ndarray:
            self._primal = room_for(self._primal.copy(), new)
        place = looked(self._primal, chain, 1)
        if active:
            rank = np.ndim(place[0][index])
            new = arrays.insert_axes(new, rank - (new.ndim - 1)) if rank != new.ndim - 1 else new
        else:
            place[arrays.below(index)] = 0
            place, new = place[:1], np.expand_dims(new, 0)
        place[arrays.below(index)] = arrays.led(new, index)
