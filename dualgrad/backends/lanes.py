"""Formulas become LLVM functions: of one number, and of vectors of them, which LLVM's loop vectoriser finds by name.

A function's attribute ``vector-function-abi-variant`` names what may stand for several calls of it at once; LLVM then
vectorises a loop around it as if it were an instruction.  Unlike code written into the loop, a vector function may look
whether *any* of its numbers is outside the range of the formula, and treat them one by one.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from . import polynomials
from .reduction import far

DOUBLE, INT, BIT = ir.DoubleType(), ir.IntType(64), ir.IntType(1)


class Number:
    """A float64, int64 or truth value of a machine; operators write instructions."""

    def __init__(self, machine: Lanes, value: Any):
        self.machine, self.value = machine, value

    @property
    def is_float(self) -> bool:
        return self.machine.kind(self.value) == DOUBLE

    def _write(self, operation: str, left: Any, right: Any) -> Number:
        pair = [self.machine.value(a, like=self) for a in (left, right)]
        name = f"f{operation}" if self.is_float and operation in ("add", "sub", "mul", "div") else operation
        return Number(self.machine, getattr(self.machine.builder, name)(*pair))

    def __add__(self, other: Any) -> Number:
        return self._write("add", self, other)

    def __radd__(self, other: Any) -> Number:
        return self._write("add", other, self)

    def __sub__(self, other: Any) -> Number:
        return self._write("sub", self, other)

    def __rsub__(self, other: Any) -> Number:
        return self._write("sub", other, self)

    def __mul__(self, other: Any) -> Number:
        return self._write("mul", self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Number:
        return self._write("div", self, other)

    def __rtruediv__(self, other: Any) -> Number:
        return self._write("div", other, self)

    def __and__(self, other: Any) -> Number:
        return self._write("and_", self, other)

    def __lshift__(self, other: Any) -> Number:
        return self._write("shl", self, other)

    def __rshift__(self, other: Any) -> Number:
        return self._write("ashr", self, other)

    def __neg__(self) -> Number:
        if self.is_float:
            return Number(self.machine, self.machine.builder.fneg(self.value))
        return self._write("sub", 0, self)

    def __abs__(self) -> Number:
        return self.machine.intrinsic("llvm.fabs", self)

    def _compare(self, sign: str, other: Any) -> Number:
        builder = self.machine.builder
        compare = builder.fcmp_ordered if self.is_float else builder.icmp_signed
        return Number(self.machine, compare(sign, self.value, self.machine.value(other, like=self)))

    def __lt__(self, other: Any) -> Number:
        return self._compare("<", other)

    def __gt__(self, other: Any) -> Number:
        return self._compare(">", other)

    def __eq__(self, other: Any) -> Number:  # type: ignore[override]
        return self._compare("==", other)


class Lanes:
    """A machine whose numbers are vectors of some width; of width 1, plain numbers."""

    def __init__(self, builder: Any, width: int):
        self.builder, self.width = builder, width

    def type(self, kind: Any) -> Any:
        return kind if self.width == 1 else ir.VectorType(kind, self.width)

    def kind(self, value: Any) -> Any:
        return value.type if self.width == 1 else value.type.element

    def constant(self, value: float, kind: Any) -> Any:
        return ir.Constant(self.type(kind), value if self.width == 1 else [ir.Constant(kind, value)] * self.width)

    def value(self, a: Any, like: Any = None) -> Any:
        """What LLVM calls the number; a Python number becomes a constant."""
        if isinstance(a, Number):
            return a.value
        return self.constant(a, DOUBLE if like is None or like.is_float else INT)

    def wrap(self, value: Any) -> Number:
        return Number(self, value)

    def number(self, x: float) -> Number:
        return Number(self, self.constant(x, DOUBLE))

    def intrinsic(self, name: str, *args: Any) -> Number:
        values = [self.value(a) for a in args]
        suffix = "f64" if self.width == 1 else f"v{self.width}f64"
        return Number(self, self.builder.call(declared(self.builder.module, f"{name}.{suffix}", values), values))

    def fma(self, a: Any, b: Any, c: Any) -> Number:
        """a*b + c, rounded once."""
        return self.intrinsic("llvm.fma", a, b, c)

    def where(self, test: Number, a: Any, b: Any) -> Number:
        return Number(self, self.builder.select(test.value, self.value(a), self.value(b)))

    def copysign(self, size: Number, sign: Number) -> Number:
        return self.intrinsic("llvm.copysign", size, sign)

    def bits(self, x: Number) -> Number:
        return Number(self, self.builder.bitcast(x.value, self.type(INT)))

    def number_of_bits(self, k: Number) -> Number:
        return Number(self, self.builder.bitcast(k.value, self.type(DOUBLE)))

    def flip_sign(self, x: Number, k: Number) -> Number:
        """x with its sign changed where the highest bit of k is set."""
        mask = self.builder.and_(k.value, self.constant(-(2**63), INT))
        return self.number_of_bits(Number(self, self.builder.xor(self.bits(x).value, mask)))


def module_text(name: str, widths: tuple[int, ...], triple: str, layout: str) -> str:
    """An LLVM module with a function of one number and its vector forms."""
    module = ir.Module(f"dualgrad.{name}")
    module.triple, module.data_layout = triple, layout
    scalar = define(module, name, 1)
    variants = []
    for width in widths:
        plain = define(module, name, width)
        masked = define_masked(module, plain, width)
        for letter, form in (("N", plain), ("M", masked)):
            variants.append(f"_ZGV_LLVM_{letter}{width}v_{scalar.name}({form.name})")
    if variants:
        attach(scalar, f'"vector-function-abi-variant"="{",".join(variants)}"')
        keep(module, [f for f in module.functions if not f.is_declaration])
    return str(module)


def symbol(name: str, width: int = 1) -> str:
    return f"dualgrad_{name}" + (f"_{width}" if width > 1 else "")


def attach(function: Any, *attributes: str) -> None:
    """Add attributes, also those that llvmlite's own list does not have."""
    for attribute in attributes:
        set.add(function.attributes, attribute)


def new_function(module: Any, kind: Any, name: str) -> tuple[Any, Any]:
    """A function without effects, and a builder of its code; it may be linked into a program several times."""
    function = ir.Function(module, kind, name)
    function.linkage = "linkonce_odr"
    attach(function, "noinline", "nounwind", "willreturn", "memory(none)")
    return function, ir.IRBuilder(function.append_basic_block("entry"))


def define(module: Any, name: str, width: int) -> Any:
    """``double f(double)`` or its form for vectors."""
    kind = Lanes(None, width).type(DOUBLE)
    function, builder = new_function(module, ir.FunctionType(kind, [kind]), symbol(name, width))
    m = Lanes(builder, width)
    x = Number(m, function.args[0])
    formula: Any = polynomials.FORMULAS[name]
    if name in polynomials.LIMITS:
        outside = abs(x) > polynomials.LIMITS[name]
        with builder.if_then(outside.value if width == 1 else any_of(builder, outside.value, width), likely=False):
            builder.ret(formula(m, x, far).value if width == 1 else one_by_one(builder, symbol(name), x.value, width))
    builder.ret(formula(m, x).value)
    return function


def any_of(builder: Any, bits: Any, width: int) -> Any:
    return builder.call(declared(builder.module, f"llvm.vector.reduce.or.v{width}i1", [bits], BIT), [bits])


def declared(module: Any, name: str, values: list[Any], result: Any = None) -> Any:
    """An intrinsic of LLVM for values of these types; by default the result's type is that of the values."""
    kind = ir.FunctionType(result or values[0].type, [v.type for v in values])
    return module.globals.get(name) or ir.Function(module, kind, name)


def one_by_one(builder: Any, name: str, x: Any, width: int) -> Any:
    """The function of one number for each lane."""
    y = x
    for k in range(width):
        lane = ir.Constant(ir.IntType(32), k)
        value = builder.call(builder.module.globals[name], [builder.extract_element(x, lane)])
        y = builder.insert_element(y, value, lane)
    return y


def define_masked(module: Any, plain: Any, width: int) -> Any:
    """The form for loops that apply a function in some turns only: numbers that do not count are replaced by one."""
    kind, mask = plain.type.pointee.return_type, ir.VectorType(BIT, width)
    function, builder = new_function(module, ir.FunctionType(kind, [kind, mask]), f"{plain.name}_masked")
    ones = Lanes(builder, width).constant(1.0, DOUBLE)
    builder.ret(builder.call(plain, [builder.select(function.args[1], function.args[0], ones)]))
    return function


def keep(module: Any, functions: list[Any]) -> None:
    """Nothing calls vector forms before the vectoriser does; LLVM must not drop them."""
    pointer = ir.IntType(8).as_pointer()
    names = ir.ArrayType(pointer, len(functions))
    used = ir.GlobalVariable(module, names, "llvm.compiler.used")
    used.initializer = ir.Constant(names, [f.bitcast(pointer) for f in functions])
    used.linkage, used.section = "appending", "llvm.metadata"
