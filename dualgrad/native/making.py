"""From floats to numbers and back: `Dual` and `Jet` called in nopython code, and the attributes of numbers.

The classes themselves live some floors up; `register` is given them.
"""

from __future__ import annotations

from math import factorial
from typing import Any

import numpy as np
from numba import types
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import CallableTemplate, infer_global
from numba.extending import intrinsic, overload, overload_attribute, overload_method

from dualgrad.backends.dispatcher import is_number_type

from .types import (
    REALS,
    DualType,
    JetType,
    NumberArray,
    NumberType,
    first_of,
    float_of,
    lane,
    packed,
    refused,
    vector_from,
)

WHY = "the number of directions and the order are a part of the type, which numba knows before anything runs"


def real(name: str, type: types.Type) -> types.Type:
    """A type that has to be that of a real number."""
    if isinstance(type, NumberType):
        raise refused(f"{name} of {type}", "numbers of nopython code do not nest: a value has one derivative",
                      "take x.primal, or nest the transforms: dg.derivative(f, 2), dg.hessian(f)")  # fmt: skip
    if not isinstance(type, REALS):
        raise refused(f"{name} of {type}", WHY, "give floats or tuples of floats: dg.Dual(x, (1.0, 0.0))")
    return type


def is_tuple(type: Any) -> bool:
    return isinstance(type, types.BaseTuple)


def dual_type(primal: Any, tangent: Any) -> DualType:
    """The type of ``Dual(primal, tangent)``."""
    dtype = float_of(real("a Dual", primal))
    if is_tuple(tangent) and len(tangent):
        for t in tangent:
            real("a Dual with a tangent", t)
        return DualType(dtype, len(tangent))
    if isinstance(tangent, types.Array):
        raise refused("a Dual whose tangent is an array", WHY, "give a tuple of floats, one for each direction")
    real("a Dual with a tangent", tangent)
    return DualType(dtype, None)


def jet_type(coeffs: Any) -> JetType:
    """The type of ``Jet(coeffs)``."""
    if not is_tuple(coeffs) or len(coeffs) < 2:
        raise refused(f"a Jet of {coeffs}", WHY, "give a tuple of two or more floats: dg.Jet((x, 1.0, 0.0))")
    return JetType(float_of(*(real("a Jet", t) for t in coeffs)), len(coeffs) - 1)


def register(dual: type, jet: type) -> None:
    """Teach numba to call the two classes."""

    @infer_global(dual)
    class MakeDual(CallableTemplate):
        key = dual

        def generic(self) -> Any:
            def typer(primal: types.Type, tangent: types.Type) -> Any:
                return dual_type(primal, tangent)

            return typer

    @infer_global(jet)
    class MakeJet(CallableTemplate):
        key = jet

        def generic(self) -> Any:
            def typer(coeffs: types.Type) -> Any:
                return jet_type(coeffs)

            return typer

    lower_builtin(dual, types.Any, types.Any)(lower_dual)
    lower_builtin(jet, types.Any)(lower_jet)


def parts(context: Any, builder: Any, type: Any, value: Any, wanted: types.Type) -> list[Any]:
    """A float, or the floats of a tuple."""
    if is_tuple(type):
        pieces = [builder.extract_value(value, k) for k in range(len(type))]
        return [context.cast(builder, p, t, wanted) for p, t in zip(pieces, type)]
    return [context.cast(builder, value, type, wanted)]


def lower_dual(context: Any, builder: Any, sig: Any, args: tuple[Any, Any]) -> Any:
    dtype = sig.return_type.dtype
    (first,) = parts(context, builder, sig.args[0], args[0], dtype)
    return packed(builder, first, vector_from(builder, parts(context, builder, sig.args[1], args[1], dtype)))


def lower_jet(context: Any, builder: Any, sig: Any, args: tuple[Any]) -> Any:
    first, *rest = parts(context, builder, sig.args[0], args[0], sig.return_type.dtype)
    return packed(builder, first, vector_from(builder, rest))


# Attributes


def register_stop(stop_gradient: Any) -> None:
    """Teach numba ``stop_gradient``: numbers become floats, other values stay."""

    @overload(stop_gradient)  # type: ignore[misc]
    def stopped(x):
        if isinstance(x, NumberType):
            return lambda x: value(x)
        if isinstance(x, NumberArray):
            return lambda x: x.primal
        if is_number_type(x):
            raise refused(f"dg.stop_gradient of {x}", "it holds numbers inside", "take its parts, one by one")
        return lambda x: x


@intrinsic  # type: ignore[misc]
def value(typingctx: Any, x: Any) -> Any:
    """The value without its derivative."""

    def lower(context: Any, builder: Any, sig: Any, args: tuple[Any]) -> Any:
        return first_of(builder, args[0])

    return x.dtype(x), lower


@intrinsic  # type: ignore[misc]
def lanes(typingctx: Any, x: Any) -> Any:
    """The partials, or the coefficients from order 1 on, as a tuple."""

    def lower(context: Any, builder: Any, sig: Any, args: tuple[Any]) -> Any:
        found = [lane(builder, args[0], k) for k in range(len(sig.return_type))]
        return context.make_tuple(builder, sig.return_type, found)

    return types.UniTuple(x.dtype, x.lanes)(x), lower


@overload_attribute(NumberType, "primal", inline="always")  # type: ignore[misc]
def primal_of(x):
    return lambda x: value(x)


@overload_attribute(DualType, "tangent")  # type: ignore[misc]
def tangent_of(x):
    if x.directions is None:
        return lambda x: lanes(x)[0]
    return lambda x: np.array(lanes(x))


@overload_attribute(JetType, "coeffs")  # type: ignore[misc]
def coeffs_of(x):
    return lambda x: np.array((value(x),) + lanes(x))


@overload_attribute(JetType, "order")  # type: ignore[misc]
def order_of(x):
    order = x.order
    return lambda x: order


@overload_method(JetType, "derivatives")  # type: ignore[misc]
def derivatives(x):
    factors = np.array([float(factorial(k)) for k in range(x.order + 1)])
    return lambda x: x.coeffs * factors.astype(x.coeffs.dtype)
