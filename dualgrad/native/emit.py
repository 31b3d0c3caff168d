"""A program of scalars written as LLVM code into the function that numba is compiling, with no compilation of its own.

Sizes are known: what depends on them alone (lengths, indices, bounds of loops) is worked out here, so that loops over
orders are written out and series become registers.  A tangent may be a vector; then the words of its line act on all
lanes.  The words of the value are lowered as numba lowers them for floats, with its own exceptions; the linear
rest follows NumPy (a division by zero is inf or NaN) and may contract products and sums.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.np.numpy_support import from_dtype

from dualgrad.backends import compiled_special as special
from dualgrad.core.build import ARITHMETIC, COMPARISONS
from dualgrad.core.program import Atom, Block, Const, For, If, Let, Program, Store, Type, Var
from dualgrad.core.words import USER, Word

FLAGS = ("contract",)
FLOATS: dict[str, str] = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
INTEGERS: dict[str, str] = {"add": "add", "sub": "sub", "mul": "mul"}
KNOWN: dict[str, Callable[..., Any]] = {
    **ARITHMETIC, **COMPARISONS, "minimum": min, "maximum": max, "div": operator.truediv, "and_": operator.and_,
    "or_": operator.or_, "not_": operator.not_, "move": lambda a: a,
}  # fmt: skip
SIGNS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
OPERATORS: dict[type, Any] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow, ast.Mod: operator.mod, ast.FloorDiv: operator.floordiv, ast.USub: operator.neg,
}  # fmt: skip
NAMES = {
    "np": np, "math": math, "special": special, "user": USER, "abs": abs, "float": float, "int": int, "bool": bool,
}  # fmt: skip


def numba_type(type: Type) -> types.Type:
    """The type of a scalar."""
    return from_dtype(np.dtype(type.dtype))


class Emitter:
    """Writes a program; ``env`` maps variables to LLVM values, to Python numbers, and arrays to their memory."""

    def __init__(self, context: Any, builder: Any, values: frozenset[Word] = frozenset()):
        self.context, self.builder = context, builder
        self.env: dict[Atom, Any] = {}
        self.sizes: dict[Var, int] = {}
        self.waiting = set(values)  # words whose next application makes the value

    def run(self, program: Program, given: Mapping[Atom, Any]) -> None:
        """Write the program with these values for its parameters."""
        self.env.update(given)
        self.block(program.body)

    # Values

    def get(self, atom: Atom) -> Any:
        """An LLVM value, or a Python number where it is known."""
        return atom.value if isinstance(atom, Const) else self.env[atom]

    def scalar(self, atom: Atom, type: Type | None = None) -> Any:
        """An LLVM value of the atom's own type or of another one."""
        value, given = self.get(atom), numba_type(atom.type)
        wanted = numba_type(type or atom.type)
        if not isinstance(value, ir.Value):
            return self.context.get_constant(wanted, wanted_python(wanted)(value))
        if isinstance(value.type, ir.VectorType):
            return value
        return self.context.cast(self.builder, value, given, wanted)

    def memory(self, type: Type, size: int) -> Any:
        """Memory for a series."""
        return cgutils.alloca_once(self.builder, ir.ArrayType(self.context.get_value_type(numba_type(type)), size))

    def series(self, array: Var, values: list[Any]) -> None:
        """Bind an array parameter to memory filled with values."""
        self.env[array], self.sizes[array] = self.memory(array.type, len(values)), len(values)
        for k, value in enumerate(values):
            self.builder.store(value, self.place(array, k))

    def loaded(self, array: Any) -> list[Any]:
        """All entries of an array."""
        return [self.builder.load(self.place(array, k)) for k in range(self.sizes[array])]

    def place(self, array: Atom, index: Any) -> Any:
        return cgutils.gep_inbounds(self.builder, self.env[array], 0, index)

    # Statements

    def block(self, block: Block) -> None:
        for s in block:
            if isinstance(s, Let):
                self.env[s.target] = self.let(s)
            elif isinstance(s, Store):
                (index,) = s.index
                place = self.place(s.array, self.get(index))
                value = self.scalar(s.value, Type(s.array.type.dtype))
                if s.accumulate:
                    value = self.builder.fadd(self.builder.load(place), value, flags=FLAGS)
                self.builder.store(value, place)
            elif isinstance(s, For):
                self.loop(s)
            elif isinstance(s, If):
                self.branch(s)
            else:
                raise NotImplementedError(type(s).__name__)

    def loop(self, s: For) -> None:
        """A loop of known bounds is written out."""
        start, stop, step = map(self.get, (s.start, s.stop, s.step))
        for c in s.carries:
            self.env[c.inner] = self.get(c.init)
        if isinstance(start, int) and isinstance(stop, int) and isinstance(step, int):
            turns = range(start, stop, step)
            for k in reversed(turns) if s.reverse else turns:
                self.env[s.var] = k
                self.block(s.body)
                self.env.update(zip([c.inner for c in s.carries], [self.get(c.next) for c in s.carries], strict=True))
        else:  # turns do the same; each happens if it is to happen
            self.turns(s)
        for c in s.carries:
            self.env[c.out] = self.env[c.inner]

    def turns(self, s: For) -> None:
        """A loop whose number of turns is known at run time; it carries nothing but memory."""
        assert not s.carries and not s.reverse and self.get(s.step) == 1
        start, stop = (self.scalar(a) for a in (s.start, s.stop))
        with cgutils.for_range_slice(self.builder, start, stop, self.context.get_constant(types.int64, 1)) as (k, _):
            self.env[s.var] = k
            self.block(s.body)

    def branch(self, s: If) -> None:
        test = self.get(s.test)
        if not isinstance(test, ir.Value):
            self.block(s.then if test else s.orelse)
            for j in s.joins:
                self.env[j.out] = self.get(j.then if test else j.orelse)
            return
        ends: list[tuple[list[Any], Any]] = []
        with self.builder.if_else(test) as (then, orelse):
            for side, block, name in ((then, s.then, "then"), (orelse, s.orelse, "orelse")):
                with side:
                    self.block(block)
                    values = [self.scalar(getattr(j, name), j.out.type) for j in s.joins]
                    ends.append((values, self.builder.block))
        for k, j in enumerate(s.joins):
            self.env[j.out] = phi = self.builder.phi(ends[0][0][k].type)
            for values, end in ends:
                phi.add_incoming(values[k], end)

    # Words

    def let(self, s: Let) -> Any:
        name, values = s.word.name, [self.get(a) for a in s.args]
        if name in MEMORY:
            return MEMORY[name](self, s)
        if not any(isinstance(v, ir.Value) for v in values):
            if name in KNOWN:
                return KNOWN[name](*values)
            if name == "cast":
                return wanted_python(numba_type(s.target.type))(*values)
        if s.word in self.waiting and s.word.name not in DIRECT:
            self.waiting.discard(s.word)
        elif any(isinstance(v, ir.Value) and isinstance(v.type, ir.VectorType) for v in values):
            return self.on_lanes(s)
        elif name in DIRECT:
            return DIRECT[name](self, s)
        elif name in FLOATS and s.word not in self.waiting:
            return self.arithmetic(s)
        return self.text(s)

    def arithmetic(self, s: Let) -> Any:
        type = s.target.type
        a, b = (self.scalar(x, type) for x in s.args)
        if type.differentiable:
            return getattr(self.builder, FLOATS[s.word.name])(a, b, flags=FLAGS)
        return getattr(self.builder, INTEGERS[s.word.name])(a, b)

    def on_lanes(self, s: Let) -> Any:
        """A word that is linear in one or two vectors."""
        name, type = s.word.name, s.target.type
        vector = next(v.type for a in s.args if isinstance((v := self.get(a)), ir.Value)
                      and isinstance(v.type, ir.VectorType))  # fmt: skip
        if name in ("move", "cast", "conj"):
            return self.get(s.args[0])
        if name == "where":
            test = self.scalar(s.args[0])
            a, b = (self.spread(self.scalar(x, type), vector) for x in s.args[1:])
            return self.builder.select(test, a, b)
        operands = [self.spread(self.scalar(x, type), vector) for x in s.args]
        if name == "neg":
            return self.builder.fneg(*operands)
        return getattr(self.builder, FLOATS[name])(*operands, flags=FLAGS)

    def spread(self, value: Any, vector: Any) -> Any:
        """The same scalar in all lanes."""
        if isinstance(value.type, ir.VectorType):
            return value
        one = self.builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None)
        return self.builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), zeros)

    def negated(self, s: Let) -> Any:
        value = self.scalar(s.args[0])
        return self.builder.fneg(value) if s.target.type.differentiable else self.builder.neg(value)

    def compared(self, s: Let) -> Any:
        found = np.result_type(*(a.type.dtype for a in s.args))
        common, sign = Type(found.name), SIGNS[s.word.name]
        a, b = (self.scalar(x, common) for x in s.args)
        if not common.differentiable:
            return self.builder.icmp_signed(sign, a, b)
        return (self.builder.fcmp_unordered if sign == "!=" else self.builder.fcmp_ordered)(sign, a, b)

    def selected(self, s: Let) -> Any:
        test = self.get(s.args[0])
        if not isinstance(test, ir.Value):
            return self.scalar(s.args[1 if test else 2], s.target.type)
        return self.builder.select(test, *(self.scalar(x, s.target.type) for x in s.args[1:]))

    def logic(self, s: Let) -> Any:
        return getattr(self.builder, s.word.name)(*map(self.scalar, s.args))

    # The text of a word, as numba lowers it

    def text(self, s: Let) -> Any:
        """The word's own text of scalars; numba finds the implementations of what it names."""
        names = {f"a{k}": a for k, a in enumerate(s.args)}
        types_ = [a.type for a in s.args]
        text = s.word.text
        source = text.format(*names, **s.params) if isinstance(text, str) else text(list(names), s.params, types_)
        source = source[0] if isinstance(source, tuple) else source
        value, type = self.node(ast.parse(source, mode="eval").body, names)
        return self.context.cast(self.builder, value, type, numba_type(s.target.type))

    def node(self, node: ast.expr, names: Mapping[str, Atom]) -> tuple[Any, types.Type]:
        """An expression's value and type."""
        if isinstance(node, ast.Constant):
            type = {bool: types.boolean, int: types.int64, float: types.float64}[node.value.__class__]
            return self.context.get_constant(type, node.value), type
        if isinstance(node, ast.Name):
            atom = names[node.id]
            return self.scalar(atom), numba_type(atom.type)
        if isinstance(node, ast.UnaryOp):
            return self.call(OPERATORS[type_(node.op)], [node.operand], names)
        if isinstance(node, ast.BinOp):
            return self.call(OPERATORS[type_(node.op)], [node.left, node.right], names)
        if isinstance(node, ast.Call):
            found, kind = self.call(function_of(node.func), node.args, names)
            by_address = ast.unparse(node.func).startswith("special.")
            return special.mark(self.context, self.builder, found) if by_address else found, kind
        raise NotImplementedError(ast.unparse(node))

    def call(self, function: Any, nodes: list[ast.expr], names: Mapping[str, Atom]) -> tuple[Any, types.Type]:
        """A function of scalars, by numba's own typing and lowering."""
        pairs = [self.node(n, names) for n in nodes]
        typing = self.context.typing_context
        given = [type for _, type in pairs]
        found = typing.resolve_value_type(function)
        signature = found.get_call_type(typing, tuple(given), {})
        implementation = self.context.get_function(found, signature)
        cast = [self.context.cast(self.builder, v, t, to) for (v, t), to in zip(pairs, signature.args, strict=True)]
        return implementation(self.builder, cast), signature.return_type

    # Memory

    def full(self, s: Let) -> Any:
        """A series of zeros."""
        value, size = s.args[0], self.get(s.args[1])
        self.env[s.target], self.sizes[s.target] = self.memory(s.target.type, size), size
        for k in range(size):
            self.builder.store(self.scalar(value, Type(s.target.type.dtype)), self.place(s.target, k))
        return self.env[s.target]

    def load(self, s: Let) -> Any:
        return self.builder.load(self.place(s.args[0], self.get(s.args[1])))

    def shape(self, s: Let) -> int:
        return self.sizes[s.args[0]]  # type: ignore[index]


MEMORY: dict[str, Callable[[Emitter, Let], Any]] = {"full": Emitter.full, "load": Emitter.load, "shape": Emitter.shape}
DIRECT: dict[str, Callable[[Emitter, Let], Any]] = {
    "neg": Emitter.negated, "where": Emitter.selected, "and_": Emitter.logic, "or_": Emitter.logic,
    "conj": lambda e, s: e.scalar(s.args[0]), "not_": lambda e, s: e.builder.not_(e.scalar(s.args[0])),
    "move": lambda e, s: e.scalar(s.args[0]), "cast": lambda e, s: e.scalar(s.args[0], s.target.type),
    **dict.fromkeys(SIGNS, Emitter.compared),
}  # fmt: skip
type_ = type


def wanted_python(type: types.Type) -> Callable[[Any], Any]:
    """The Python type of constants of a numba type."""
    return bool if isinstance(type, types.Boolean) else int if isinstance(type, types.Integer) else float


def function_of(node: ast.expr) -> Any:
    """What a name or an attribute in a text stands for."""
    if isinstance(node, ast.Attribute):
        return getattr(function_of(node.value), node.attr)
    assert isinstance(node, ast.Name)
    return NAMES[node.id]
