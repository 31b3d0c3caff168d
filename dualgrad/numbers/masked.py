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
from numpy.lib.mixins import NDArrayOperatorsMixin

from dualgrad.backends import arrays, systems

from .array import room_for


class Masked(NDArrayOperatorsMixin):
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
        return Masked(*(np.array(v) if isinstance(v, np.generic) else v.copy() for v in (self.values, self.mask)))

    def astype(self, dtype: Any, order: str = "K") -> Masked:
        return Masked(self.values.astype(dtype, order=order), self.mask.copy())

    @property
    def real(self) -> Masked:
        return _Part(self.values.real, self.mask)

    @property
    def imag(self) -> Masked:
        return _Part(self.values.imag, self.mask)

    def __getitem__(self, index: Any) -> Masked:
        return type(self)(self.values[index], self.mask[index])

    def __setitem__(self, index: Any, value: Any) -> None:
        value = masked(value)
        self.values = room_for(self.values, value.values)
        self.values[index] = value.values
        self.mask[index] = value.mask

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **options: Any) -> Any:
        if method == "reduce" and ufunc is np.add:
            return _linear(np.add.reduce)(*args, **options)
        rule = _UFUNCS.get(ufunc) if method == "__call__" else None
        return NotImplemented if rule is None else rule(*args)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        rule = _FUNCTIONS.get(function)
        return NotImplemented if rule is None else rule(*args, **kwargs)

    def __dualgrad_apply__(self, name: str, *args: Any) -> Any:
        return _WORDS[name](*args)


class _Part(Masked):
    """The real or imaginary part as a view: what is written there says nothing of the other part, zero or not."""

    __slots__ = ()

    def __setitem__(self, index: Any, value: Any) -> None:
        before = self.mask.copy()
        super().__setitem__(index, value)
        self.mask |= before


def masked(value: Any) -> Masked:
    """A value as a masked one; a literal zero is structural, everything else is a number."""
    if isinstance(value, Masked):
        return value
    literal = type(value) in (int, float, complex)
    structural = literal and value == 0
    value = np.asarray(value) if literal else value
    return Masked(value, np.full(np.shape(value), not structural))


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


def _where(test: Any, a: Any, b: Any) -> Masked:
    a, b = masked(a), masked(b)
    return Masked(np.where(test, a.values, b.values), np.where(test, a.mask, b.mask))


def _matmul(a: Any, b: Any) -> Masked:
    """The product entry by entry, so that structural zeros stay out of every sum."""
    product = np.expand_dims(arrays.rows(a), -1) * np.expand_dims(arrays.columns(b), -3)
    return arrays.dropped(np.add.reduce(product, -2), a.ndim, b.ndim)


def _einsum(subscripts: str, a: Any, b: Any) -> Masked:
    """A contraction entry by entry, for the same reason."""
    operands, out = subscripts.split("->")
    letters = operands.split(",")
    whole = [*out, *(c for c in letters[0] if c not in out)]
    a, b = (np.transpose(x, [own.index(c) for c in whole if c in own]) for x, own in zip((a, b), letters))
    first, second = (tuple(slice(None) if c in own else None for c in whole) for own in letters)
    return np.add.reduce(a[first] * b[second], tuple(range(len(out), len(whole))))


def _convolve(a: Any, b: Any, mode: str = "full") -> Masked:
    """A convolution entry by entry: the products lie in a table, whose oblique lines are summed."""
    product = np.expand_dims(a, 0) * np.expand_dims(b, 1)
    rows, size, short = product.shape[0], sum(product.shape) - 1, min(product.shape)

    def oblique(x: Any) -> Any:
        padded = np.concatenate([x, np.zeros((rows, rows), x.dtype)], 1)
        return np.add.reduce(np.reshape(np.reshape(padded, (-1,))[:-rows], (rows, size)), 0)

    whole = Masked(oblique(product.values), oblique(product.mask) != 0)
    return whole if mode == "full" else whole[short - 1 : size - short + 1]


def _linear(f: Callable[..., Any]) -> Callable[..., Masked]:
    """A structural word acts on values and mask alike; a view stays one, of both."""

    def word(m: Masked, *rest: Any, **options: Any) -> Masked:
        mask = np.asarray(f(m.mask, *rest, **options))
        return Masked(f(m.values, *rest, **options), mask if mask.dtype == bool else mask != 0)

    return word


def _solving(f: Callable[..., Any], axes: tuple[int, ...] | None = (-2,)) -> Callable[..., Masked]:
    """A system of equations mixes the entries of each right side."""

    def word(*args: Any) -> Masked:
        (m,) = (a for a in args if isinstance(a, Masked))
        values = f(*(a.values if a is m else a for a in args))
        return Masked(values, np.broadcast_to(np.any(m.mask, axes, keepdims=True), values.shape).copy())

    return word


def _mixing(f: Callable[..., Any]) -> Callable[..., Masked]:
    """A transform along an axis: no entry is structurally zero if one of those it is made of is not."""

    def mixed(m: Masked, axis: int, *rest: Any) -> Masked:
        values = f(m.values, axis, *rest)
        return Masked(values, np.broadcast_to(np.any(m.mask, axis, keepdims=True), values.shape).copy())

    return mixed


def _stack(parts: list[Any], axis: int = 0) -> Masked:
    parts = [masked(p) for p in parts]
    return Masked(np.stack([p.values for p in parts], axis), np.stack([p.mask for p in parts], axis))


_UFUNCS: dict[Any, Callable[..., Any]] = {
    np.add: _add,
    np.subtract: lambda a, b: _add(a, -masked(b)),
    np.negative: lambda a: Masked(-a.values, a.mask),
    np.multiply: lambda a, b: _scale(a, b, np.multiply) if isinstance(a, Masked) else _scale(b, a, np.multiply),
    np.divide: lambda a, b: _scale(a, b, np.divide),
    np.matmul: _matmul,
    np.conjugate: lambda a: Masked(np.conjugate(a.values), a.mask),
}
_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: _where,
    np.shape: lambda m: m.shape,
    np.ndim: lambda m: m.ndim,
    np.stack: _stack,
    np.einsum: _einsum,
    np.convolve: _convolve,
    np.linalg.solve: _solving(np.linalg.solve),
    **{f: _linear(f) for f in (np.reshape, np.transpose, np.broadcast_to, np.expand_dims, np.moveaxis, np.flip,
                               np.swapaxes, np.squeeze, np.array, np.copy, np.cumsum)},
}  # fmt: skip
_WORDS = {
    **{f.__name__: _linear(f) for f in (arrays.spread, arrays.sum_to, arrays.scatter, arrays.clear, arrays.whole)},
    **{f.__name__: _mixing(f) for f in (arrays.fft, arrays.fft_back, arrays.rfft, arrays.rfft_back)},
    **{f.__name__: _solving(f) for f in (systems.solve_lower, systems.solve_upper)},
    "sylvester": _solving(systems.sylvester, (-2, -1)),
    **{name: _solving(f, None) for name, f in vars(systems).items() if name.startswith("sparse_")},
}
