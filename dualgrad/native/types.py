"""Duals and series as numba's types: a value beside N partials or K higher coefficients, in one vector.

In registers a number is ``{double, <N x double>}``, in memory ``{double, [N x double]}``: an array of numbers is plain
memory, 1 + N floats for each.  N or K belongs to the type.  Integers and floats become numbers whose lanes are zero,
so that ``s = 0.0; s += x`` has one type; a number never becomes a float by itself.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models, register_default
from numba.core.errors import TypingError
from numba.core.imputils import lower_cast, lower_constant
from numba.core.typeconv import Conversion

from dualgrad.backends.fingerprint import CannotFingerprint, fingerprint
from dualgrad.core.errors import UnsupportedError

DUAL, JET = "Dual", "Jet"
REALS = (types.Integer, types.Float, types.Boolean)


@cache
def table() -> str:
    """Names the text of dualgrad in the types, so that machine code which others keep on disk is not used after it
    changed."""
    try:
        return fingerprint()
    except CannotFingerprint:
        return "edited"


class NumberType(types.Type):
    """A value of a float type, and ``lanes`` more of them."""

    kind: str

    def __init__(self, dtype: types.Float, lanes: int, name: str):
        self.dtype, self.lanes, self.table = dtype, lanes, table()
        super().__init__(name)

    @property
    def key(self) -> Any:
        return self.name, self.table

    def of(self, dtype: types.Float) -> NumberType:
        """The same number with floats of another precision."""
        raise NotImplementedError

    def unify(self, typingctx: Any, other: types.Type) -> types.Type | None:
        if isinstance(other, REALS):
            return self.of(float_of(self.dtype, other))
        if isinstance(other, NumberType) and self.of(other.dtype) == other:
            return self.of(float_of(self.dtype, other.dtype))
        return None

    def can_convert_from(self, typingctx: Any, other: types.Type) -> Conversion | None:
        return Conversion.safe if isinstance(other, REALS) else None

    def can_convert_to(self, typingctx: Any, other: types.Type) -> Conversion | None:
        if isinstance(other, NumberType) and self.of(other.dtype) == other:
            return Conversion.promote if other.dtype.bitwidth > self.dtype.bitwidth else Conversion.unsafe
        return None


class DualType(NumberType):
    """A value and N partials; of one direction without an axis, ``directions`` is None."""

    kind = DUAL

    def __init__(self, dtype: types.Float, directions: int | None):
        self.directions = directions
        axis = "" if directions is None else f", directions={directions}"
        super().__init__(dtype, 1 if directions is None else directions, f"Dual({dtype}{axis})")

    def of(self, dtype: types.Float) -> DualType:
        return DualType(dtype, self.directions)


class JetType(NumberType):
    """The coefficients 0…K of a series."""

    kind = JET

    def __init__(self, dtype: types.Float, order: int):
        self.order = order
        super().__init__(dtype, order, f"Jet({dtype}, order={order})")

    def of(self, dtype: types.Float) -> JetType:
        return JetType(dtype, self.order)


class NumberArray(types.Array):
    """An array of numbers; unlike numba's own arrays of them it can go to Python and come from there."""

    def __init__(self, dtype: Any, ndim: int, layout: Any, readonly: bool = False, aligned: bool = True):
        text = f"{'' if not readonly else 'readonly '}numbers({dtype}, {ndim}d, {layout})"
        super().__init__(dtype, ndim, layout, readonly, text, aligned)

    def copy(self, dtype: Any = None, ndim: Any = None, layout: Any = None, readonly: Any = None) -> Any:
        dtype = self.dtype if dtype is None else dtype
        kind: Any = NumberArray if isinstance(dtype, NumberType) else types.Array
        ndim, layout = self.ndim if ndim is None else ndim, layout or self.layout
        return kind(dtype, ndim, layout, not self.mutable if readonly is None else readonly, aligned=self.aligned)

    def unify(self, typingctx: Any, other: types.Type) -> types.Type | None:
        found: Any = super().unify(typingctx, other)
        return found and NumberArray(self.dtype, self.ndim, found.layout, not found.mutable, found.aligned)


def common(name: str, args: tuple[Any, ...]) -> NumberType | None:
    """The type of number that all arguments can become; None if there is no number among them."""
    numbers = [t for t in args if isinstance(t, NumberType)]
    if not numbers:
        return None
    first = numbers[0]
    for t in numbers:
        if t.of(first.dtype) != first:
            raise refused(
                f"{name}: {first} and {t} meet",
                "numbers with different directions or orders belong to different derivatives",
                "make all of them with the same number of directions, or of coefficients",
            )
    for t in args:
        if not isinstance(t, (NumberType, *REALS, types.Omitted)):
            parts, loop = "take real and imaginary parts", "write the loop over the entries"
            hint = parts if isinstance(t, types.Complex) else loop
            raise refused(f"{name}: {first} and {t} meet", "numbers meet real numbers, one by one", hint)
    return first


def refused(what: str, why: str, hint: str) -> TypingError:
    """Numba shows the text of this error, and the user's line."""
    return TypingError(str(UnsupportedError(what, why, hint, where="")))


def float_of(*given: types.Type) -> types.Float:
    """The float that numba gives to a sum of these: integers count as float64."""
    small = (types.float32, types.boolean)
    return types.float32 if all(types.unliteral(t) in small for t in given) else types.float64


@register_default(DualType)
@register_default(JetType)
class NumberModel(models.PrimitiveModel):
    """How a number lies in registers and in memory."""

    def __init__(self, dmm: Any, fe_type: NumberType):
        one = dmm.lookup(fe_type.dtype).get_value_type()
        self.lanes = fe_type.lanes
        self.vector, self.stored = ir.VectorType(one, fe_type.lanes), ir.ArrayType(one, fe_type.lanes)
        self.align = fe_type.dtype.bitwidth // 8
        super().__init__(dmm, fe_type, ir.LiteralStructType([one, self.vector]))

    def get_data_type(self) -> ir.Type:
        return ir.LiteralStructType([self.vector.element, self.stored])

    def as_data(self, builder: Any, value: Any) -> Any:
        """By way of memory, which LLVM removes: a vector is stored whole."""
        with builder.goto_entry_block():
            place = builder.alloca(self.get_data_type())
        builder.store(builder.extract_value(value, 0), cgutils.gep_inbounds(builder, place, 0, 0))
        lanes = builder.bitcast(cgutils.gep_inbounds(builder, place, 0, 1), self.vector.as_pointer())
        builder.store(builder.extract_value(value, 1), lanes, align=self.align)
        return builder.load(place)

    def from_data(self, builder: Any, value: Any) -> Any:
        place = cgutils.alloca_once_value(builder, value)
        return self.load_from_data_pointer(builder, place)

    def load_from_data_pointer(self, builder: Any, ptr: Any, align: int | None = None) -> Any:
        first = builder.load(cgutils.gep_inbounds(builder, ptr, 0, 0), align=align)
        lanes = builder.bitcast(cgutils.gep_inbounds(builder, ptr, 0, 1), self.vector.as_pointer())
        return packed(builder, first, builder.load(lanes, align=align or self.align))


register_default(NumberArray)(models.ArrayModel)


# Numbers in registers


def packed(builder: Any, first: Any, vector: Any) -> Any:
    """A number of its value and its lanes."""
    pair = ir.Constant(ir.LiteralStructType([first.type, vector.type]), ir.Undefined)
    return builder.insert_value(builder.insert_value(pair, first, 0), vector, 1)


def first_of(builder: Any, number: Any) -> Any:
    return builder.extract_value(number, 0)


def vector_of(builder: Any, number: Any) -> Any:
    return builder.extract_value(number, 1)


def lane(builder: Any, number: Any, k: int) -> Any:
    return builder.extract_element(vector_of(builder, number), ir.IntType(32)(k))


def vector_from(builder: Any, values: list[Any]) -> Any:
    """A vector of scalars."""
    vector = ir.Constant(ir.VectorType(values[0].type, len(values)), ir.Undefined)
    for k, value in enumerate(values):
        vector = builder.insert_element(vector, value, ir.IntType(32)(k))
    return vector


def recast(builder: Any, number: Any, wanted: NumberType) -> Any:
    """A number with floats of another precision."""
    first, vector = first_of(builder, number), vector_of(builder, number)
    one: Any = ir.DoubleType() if wanted.dtype == types.float64 else ir.FloatType()
    if first.type == one:
        return number
    change = builder.fpext if isinstance(one, ir.DoubleType) else builder.fptrunc
    return packed(builder, change(first, one), change(vector, ir.VectorType(one, wanted.lanes)))


def constant(context: Any, builder: Any, type: NumberType, value: Any) -> Any:
    """The number of this type that has this value and no derivative."""
    return packed(builder, value, ir.Constant(ir.VectorType(value.type, type.lanes), None))


@lower_cast(types.Integer, NumberType)
@lower_cast(types.Float, NumberType)
@lower_cast(types.Boolean, NumberType)
def real_to_number(context: Any, builder: Any, given: types.Type, wanted: NumberType, value: Any) -> Any:
    return constant(context, builder, wanted, context.cast(builder, value, given, wanted.dtype))


@lower_cast(NumberType, NumberType)
def number_to_number(context: Any, builder: Any, given: NumberType, wanted: NumberType, value: Any) -> Any:
    return recast(builder, value, wanted)


@lower_constant(DualType)
@lower_constant(JetType)
def global_number(context: Any, builder: Any, type: NumberType, number: Any) -> Any:
    """A number that a function closes over, or that is a global, is frozen as numba freezes arrays."""
    floats = number._floats() if hasattr(number, "_floats") else [number, *[0.0] * type.lanes]  # numba's own zeros
    first, *rest = (context.get_constant(type.dtype, float(v)) for v in floats)
    return ir.Constant.literal_struct([first, ir.Constant(ir.VectorType(first.type, type.lanes), rest)])
