"""Numbers cross from Python to nopython code and back: `typeof` says which may, and as which type.

A number comes with all of its floats in one array (`floats`), and goes back the same way.  What belongs to a transform
stays outside: nopython code has no levels, so it can neither keep such numbers apart nor tell that one has ended.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import NativeValue, box, unbox
from numba.np.arrayobj import make_array
from numba.np.numpy_support import from_dtype

from .arrays import looking
from .types import DUAL, DualType, JetType, NumberArray, NumberType, first_of, lane


def typeof(kind: str, dtype: np.dtype, rank: int, lanes: int | None) -> types.Type:
    """The type of a number of ``rank`` axes; ``lanes`` is None for the tangent of one direction without an axis."""
    if kind == DUAL:
        number: NumberType = DualType(from_dtype(dtype), lanes)
    else:
        assert lanes is not None
        number = JetType(from_dtype(dtype), lanes)
    return NumberArray(number, rank, "C", readonly=True) if rank else number


def floats_array(type: Any) -> types.Array:
    """The type of the array of floats as which a number comes from Python."""
    if isinstance(type, NumberArray):
        number: Any = type.dtype
        return types.Array(number.dtype, type.ndim + 1, "C" if type.layout == "C" else "A", not type.mutable)
    return types.Array(type.dtype, 1, "C")


@unbox(DualType)
@unbox(JetType)
def from_python(type: Any, number: Any, c: Any) -> NativeValue:
    """The value of a Python number."""
    floats, failed = python_floats(number, c)
    value = cgutils.alloca_once(c.builder, c.context.get_value_type(type))
    with c.builder.if_then(c.builder.not_(failed)):
        array_type = floats_array(type)
        array = c.unbox(array_type, floats).value
        data = make_array(array_type)(c.context, c.builder, array).data
        stored = c.builder.bitcast(data, c.context.get_data_type(type).as_pointer())
        model = c.context.data_model_manager[type]
        c.builder.store(model.load_from_data_pointer(c.builder, stored), value)
        c.context.nrt.decref(c.builder, array_type, array)
        c.pyapi.decref(floats)
    return NativeValue(c.builder.load(value), is_error=failed)


@unbox(NumberArray)
def array_from_python(type: Any, number: Any, c: Any) -> NativeValue:
    """A Python number with axes: its floats in new memory, which nobody writes."""
    floats, failed = python_floats(number, c)
    value = cgutils.alloca_once(c.builder, c.context.get_value_type(type))
    with c.builder.if_then(c.builder.not_(failed)):
        given = floats_array(type)
        view = looking(lambda shape, strides, n, size: (shape[:-1], strides[:-1]))
        array = view(c.context, c.builder, type(given), [c.unbox(given, floats).value])
        c.builder.store(array, value)
        c.pyapi.decref(floats)
    return NativeValue(c.builder.load(value), is_error=failed)


def python_floats(number: Any, c: Any) -> tuple[Any, Any]:
    """The array that the number gives when it is asked, and whether that failed."""
    floats = c.pyapi.call_method(number, "_floats", ())
    return floats, cgutils.is_null(c.builder, floats)


def register(boxed: Any) -> None:
    """``boxed(kind, axis, dtype, floats)`` makes a Python number; ``axis`` says whether directions have one."""

    def call(type: Any, floats: Any, c: Any) -> Any:
        axis = not isinstance(type, DualType) or type.directions is not None
        maker = c.pyapi.unserialize(c.pyapi.serialize_object((boxed, type.kind, axis, str(type.dtype))))
        make, *static = (c.pyapi.tuple_getitem(maker, k) for k in range(4))
        found = c.pyapi.call_function_objargs(make, [*static, floats])
        c.pyapi.decref(floats)
        c.pyapi.decref(maker)
        return found

    @box(DualType)
    @box(JetType)
    def to_python(type: Any, value: Any, c: Any) -> Any:
        parts = [first_of(c.builder, value), *(lane(c.builder, value, k) for k in range(type.lanes))]
        doubles = [c.context.cast(c.builder, p, type.dtype, types.float64) for p in parts]
        objects = [c.pyapi.float_from_double(d) for d in doubles]
        floats = c.pyapi.tuple_pack(objects)
        for o in objects:
            c.pyapi.decref(o)
        return call(type, floats, c)

    @box(NumberArray)
    def array_to_python(type: Any, value: Any, c: Any) -> Any:
        wanted = floats_array(type)
        view = looking(lambda shape, strides, n, size: ([*shape, n], [*strides, size]), type.dtype.lanes + 1)
        return call(type.dtype, c.box(wanted, view(c.context, c.builder, wanted(type), [value])), c)
