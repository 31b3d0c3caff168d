"""Arrays of numbers, and the floats that they are made of, as views of the same memory.

An array of numbers of shape S is an array of floats of shape ``S + (1 + N,)``.  Values are a view of it, and so are
tangents, with the directions leading as everywhere: shape ``(N,) + S``.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.core.typing.templates import AbstractTemplate, infer_global
from numba.extending import intrinsic, overload, overload_attribute, overload_classmethod
from numba.np.arrayobj import make_array, populate_array

from .types import REALS, DualType, JetType, NumberArray, NumberType, float_of, refused

WHY = "the number of directions is a part of the type, which numba knows before anything runs"


# Views


@intrinsic  # type: ignore[misc]
def floats(typingctx: Any, a: Any) -> Any:
    """The floats of an array of numbers, with one more axis at the end."""
    layout: Any = "C" if a.layout == "C" else "A"
    wanted = types.Array(a.dtype.dtype, a.ndim + 1, layout, readonly=not a.mutable)
    return wanted(a), looking(lambda shape, strides, n, size: ([*shape, n], [*strides, size]), a.dtype.lanes + 1)


@intrinsic  # type: ignore[misc]
def numbers(typingctx: Any, a: Any, kind: Any) -> Any:
    """Floats whose last axis makes up numbers of a kind."""
    wanted = NumberArray(kind.instance_type, a.ndim - 1, "C", readonly=not a.mutable)
    return wanted(a, kind), looking(lambda shape, strides, n, size: (shape[:-1], strides[:-1]))


@intrinsic  # type: ignore[misc]
def first_floats(typingctx: Any, a: Any) -> Any:
    """The values."""
    wanted = types.Array(a.dtype.dtype, a.ndim, "A", readonly=not a.mutable)
    return wanted(a), looking(lambda shape, strides, n, size: (shape, strides))


@intrinsic  # type: ignore[misc]
def other_floats(typingctx: Any, a: Any) -> Any:
    """Tangents, directions leading if they have an axis; coefficients, with those of order 0."""
    number, jet = a.dtype, isinstance(a.dtype, JetType)
    axis = jet or number.directions is not None
    wanted = types.Array(number.dtype, a.ndim + axis, "A", readonly=not a.mutable)

    def axes(shape: list[Any], strides: list[Any], n: Any, size: Any) -> Any:
        return ([n, *shape], [size, *strides]) if axis else (shape, strides)

    return wanted(a), looking(axes, number.lanes + jet, skipped=int(not jet))


def looking(axes: Any, length: int = 0, skipped: int = 0) -> Any:
    """The lowering of a view: ``axes`` makes shape and strides of the old ones, of a length and the size of a float.

    ``skipped`` floats of each number lie before the view.
    """

    def lower(context: Any, builder: Any, sig: Any, args: tuple[Any, ...]) -> Any:
        given, wanted = sig.args[0], sig.return_type
        old, new = make_array(given)(context, builder, args[0]), make_array(wanted)(context, builder)
        size = given.dtype.dtype.bitwidth // 8 if isinstance(given.dtype, NumberType) else given.dtype.bitwidth // 8
        shape, strides = (cgutils.unpack_tuple(builder, x) for x in (old.shape, old.strides))
        sizes = [context.get_constant(types.intp, n) for n in (length, size)]
        stored = context.get_data_type(wanted.dtype)
        data = cgutils.pointer_add(builder, old.data, context.get_constant(types.intp, skipped * size))
        itemsize = context.get_constant(types.intp, context.get_abi_sizeof(stored))
        pointer = builder.bitcast(data, stored.as_pointer())
        shape, strides = axes(shape, strides, *sizes)
        populate_array(new, pointer, shape, strides, itemsize, old.meminfo, old.parent)
        return impl_ret_borrowed(context, builder, wanted, new._getvalue())

    return lower


@overload_classmethod(NumberArray, "_allocate")  # type: ignore[misc]
def allocate(cls, size, align):
    """Memory of new arrays, which numba asks the class for."""
    return lambda cls, size, align: types.Array._allocate(size, align)


@overload_attribute(NumberArray, "primal")  # type: ignore[misc]
def primal_of(a):
    return lambda a: first_floats(a)


@overload_attribute(NumberArray, "tangent")  # type: ignore[misc]
def tangent_of(a):
    return (lambda a: other_floats(a)) if isinstance(a.dtype, DualType) else None


@overload_attribute(NumberArray, "coeffs")  # type: ignore[misc]
def coeffs_of(a):
    return (lambda a: other_floats(a)) if isinstance(a.dtype, JetType) else None


# Making


def register(zeros: Any, seed: Any, as_duals: Any) -> None:
    """Teach numba the functions that make arrays of numbers."""
    overload(zeros)(zeros_like_number)
    overload(seed, prefer_literal=True)(seeded)
    overload(as_duals, prefer_literal=True)(viewed_as_duals)


def zeros_like_number(shape, like):
    """``zeros(shape, like)``"""
    kind = like.dtype if isinstance(like, types.Array) else like
    if isinstance(kind, NumberType):
        dtype, length = kind.dtype, kind.lanes + 1
        if isinstance(shape, types.Integer):
            return lambda shape, like: numbers(np.zeros((shape, length), dtype), kind)
        return lambda shape, like: numbers(np.zeros(shape + (length,), dtype), kind)
    if isinstance(kind, REALS):
        dtype = float_of(kind)
        return lambda shape, like: np.zeros(shape, dtype)
    return None


def directions_of(name: str, given: Any) -> int:
    """The number of directions that a literal says."""
    if isinstance(given, types.IntegerLiteral):
        return given.literal_value
    if isinstance(given, types.Integer):
        raise refused(f"{name} with a number of directions that is computed", WHY,
                      "write it as a literal or a global constant: dg.seed(x, 8), dg.as_duals(a, 8)")  # fmt: skip
    raise refused(f"{name} with {given} for the number of directions", WHY, "give an integer")


def seeded(x, directions, start=0):
    """``seed(x, directions, start=0)``"""
    if not isinstance(x, types.Array) or isinstance(x, NumberArray):
        raise refused(f"dg.seed of {x}", "it makes an array of duals of an array of floats", "give an array of floats")
    n = directions_of("dg.seed", directions)
    kind = DualType(float_of(x.dtype), n)
    dtype = kind.dtype

    def seed(x, directions, start=0):
        buffer = np.zeros((x.size, n + 1), dtype)
        for i, v in enumerate(x.flat):
            buffer[i, 0] = v
        for k in range(max(start, 0), min(start + n, x.size)):
            buffer[k, 1 + k - start] = 1.0
        return numbers(buffer.reshape(x.shape + (n + 1,)), kind)

    return seed


def viewed_as_duals(buffer, directions):
    """``as_duals(buffer, directions)``"""
    if not isinstance(buffer, types.Array) or not isinstance(buffer.dtype, types.Float) or buffer.layout != "C":
        raise refused(f"dg.as_duals of {buffer}", "the floats of a dual lie together in memory",
                      "give a C-contiguous array of floats: np.ascontiguousarray(a)")  # fmt: skip
    kind = DualType(buffer.dtype, directions_of("dg.as_duals", directions))
    length = kind.lanes + 1

    def as_duals(buffer, directions):
        if buffer.shape[-1] != length:
            raise ValueError("dg.as_duals: the last axis has to hold a value and its partials, 1 + directions floats")
        return numbers(buffer, kind)

    return as_duals


@infer_global(operator.setitem)
class StoredInFloats(AbstractTemplate):
    """A number does not fit into an array of floats; numba's own message would not say what does."""

    key = operator.setitem

    def generic(self, args: tuple[types.Type, ...], kws: Any) -> Any:
        array, _, value = args
        if isinstance(value, NumberType) and isinstance(array, types.Array) and isinstance(array.dtype, REALS):
            raise refused(f"a {value} is stored into an {array}", "floats cannot hold a derivative",
                          "make the array with dg.zeros(shape, x) in the place of np.zeros(shape)")  # fmt: skip
        return None
