"""A tangent or cotangent that knows which of its entries are zero by construction.

Sweeps run on plain arrays first.  Only if a NaN comes out they are repeated with these:
a structural zero (a seed off the diagonal, what a ``where`` did not select, a fresh
buffer) times a factor is exactly zero, whatever the factor; a sum is zero where all its
terms are.  What the user passed as a tangent is an ordinary number, zero or not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualgrad.backends import arrays

from .array import room_for


class Masked:
    """``values``, which are structural zeros where ``mask`` is false."""

    __slots__ = ("mask", "values")
    __dualgrad_masked__ = True
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, values: Any, mask: Any):
        self.values, self.mask = values, mask

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def ndim(self) -> int:
        return self.values.ndim

    @property
    def dtype(self) -> Any:
        return self.values.dtype

    def __repr__(self) -> str:
        return f"Masked({self.values!r}, {self.mask!r})"

    def copy(self) -> Masked:
        return Masked(self.values.copy(), self.mask.copy())

    def __getitem__(self, index: Any) -> Masked:
        return Masked(self.values[index], self.mask[index])

    def __setitem__(self, index: Any, value: Any) -> None:
        value = masked(value)
        self.values = room_for(self.values, value.values)
        self.values[index] = value.values
        self.mask[index] = value.mask

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **options: Any) -> Any:
        if method == "reduce" and ufunc is np.add:
            axis, *_, keepdims = (*args[1:], None, None, None, False)[:4] if len(args) > 1 else (0, False)
            keepdims = options.get("keepdims", keepdims)
            axis = options.get("axis", axis)
            return _linear(np.add.reduce, np.logical_or.reduce)(self, axis, None, None, keepdims)
        rule = _UFUNCS.get(ufunc) if method == "__call__" else None
        return NotImplemented if rule is None else rule(*args)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        rule = _FUNCTIONS.get(function)
        return NotImplemented if rule is None else rule(*args, **kwargs)

    def __dualgrad_apply__(self, name: str, *args: Any) -> Any:
        return _WORDS[name](*args)

    def __neg__(self) -> Masked:
        return Masked(-self.values, self.mask)

    def __add__(self, other: Any) -> Masked:
        return _add(self, other)

    def __radd__(self, other: Any) -> Masked:
        return _add(other, self)

    def __sub__(self, other: Any) -> Masked:
        return _add(self, -masked(other))

    def __rsub__(self, other: Any) -> Masked:
        return _add(other, -self)

    def __mul__(self, other: Any) -> Masked:
        return _scale(self, other, np.multiply)

    def __rmul__(self, other: Any) -> Masked:
        return _scale(self, other, np.multiply)

    def __truediv__(self, other: Any) -> Masked:
        return _scale(self, other, np.divide)

    def __matmul__(self, other: Any) -> Masked:
        return np.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Masked:
        return np.matmul(other, self)


def masked(value: Any) -> Masked:
    """A value as a masked one; a literal zero is structural, everything else is a number."""
    if isinstance(value, Masked):
        return value
    structural = isinstance(value, (int, float)) and not isinstance(value, np.generic) and value == 0
    return Masked(np.asarray(value) if structural or isinstance(value, (int, float)) else value,
                  np.full(np.shape(value), not structural))  # fmt: skip


def seeded(value: Any) -> Masked:
    """A user's tangent: numbers everywhere."""
    return Masked(value, np.full(np.shape(value), True))


def dense(value: Any) -> Any:
    """The plain values."""
    return value.values if isinstance(value, Masked) else value


def zeros(shape: tuple[int, ...], dtype: Any) -> Masked:
    """Nothing but structural zeros."""
    return Masked(np.zeros(shape, dtype), np.zeros(shape, bool))


def _add(a: Any, b: Any) -> Masked:
    a, b = masked(a), masked(b)
    return Masked(a.values + b.values, a.mask | b.mask)


def _scale(m: Masked, factor: Any, operation: Callable[..., Any]) -> Masked:
    mask = np.broadcast_to(m.mask, np.broadcast_shapes(m.shape, np.shape(factor)))
    return Masked(np.where(mask, operation(m.values, factor), 0.0), mask)


def _multiply(a: Any, b: Any) -> Masked:
    return _scale(a, b, np.multiply) if isinstance(a, Masked) else _scale(b, a, np.multiply)


def _where(test: Any, a: Any, b: Any) -> Masked:
    a, b = masked(a), masked(b)
    return Masked(np.where(test, a.values, b.values), np.where(test, a.mask, b.mask))


def _matmul(a: Any, b: Any) -> Masked:
    """The product entry by entry, so that structural zeros stay out of every sum."""
    left, right = np.ndim(a) == 1, np.ndim(b) == 1
    a = np.expand_dims(a, 0) if left else a
    b = np.expand_dims(b, -1) if right else b
    product = np.expand_dims(a, -1) * np.expand_dims(b, -3)
    whole = np.add.reduce(product, -2)
    whole = whole[..., 0, :] if left else whole
    return whole[..., 0] if right else whole


def _linear(on_values: Callable[..., Any], on_mask: Callable[..., Any] | None = None) -> Callable[..., Masked]:
    """A structural word acts on values and mask alike."""

    def word(m: Masked, *rest: Any, **options: Any) -> Masked:
        found = (on_mask or on_values)(m.mask, *rest, **options)
        return Masked(on_values(m.values, *rest, **options), np.asarray(found) != 0)

    return word


def _scatter_mask(mask: Any, index: Any, shape: Any) -> Any:
    return arrays.scatter(mask.astype(float), index, shape)


def _stack(parts: list[Any], axis: int = 0) -> Masked:
    parts = [masked(p) for p in parts]
    return Masked(np.stack([p.values for p in parts], axis), np.stack([p.mask for p in parts], axis))


_UFUNCS: dict[Any, Callable[..., Any]] = {
    np.add: _add,
    np.subtract: lambda a, b: _add(a, -masked(b)),
    np.negative: lambda a: -a,
    np.multiply: _multiply,
    np.divide: lambda a, b: _scale(a, b, np.divide),
    np.matmul: _matmul,
    np.conjugate: lambda a: Masked(np.conjugate(a.values), a.mask),
}
_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: _where,
    np.shape: lambda m: m.shape,
    np.ndim: lambda m: m.ndim,
    np.stack: _stack,
    np.cumsum: _linear(np.cumsum),
    **{f: _linear(f) for f in (np.reshape, np.transpose, np.broadcast_to, np.expand_dims, np.moveaxis, np.flip,
                               np.swapaxes, np.squeeze, np.array, np.copy)},
}  # fmt: skip
_WORDS: dict[str, Callable[..., Any]] = {
    "spread": _linear(arrays.spread),
    "sum_to": _linear(arrays.sum_to, lambda mask, shape: arrays.sum_to(mask.astype(float), shape)),
    "scatter": _linear(arrays.scatter, _scatter_mask),
    "clear": lambda m, index: Masked(arrays.clear(m.values, index), arrays.clear(m.mask, index)),
}
