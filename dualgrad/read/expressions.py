"""Expressions become lets: each method reads one kind of syntax node and returns what it means."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial, reduce
from typing import Any

import numpy as np

from dualgrad.core.build import Builder
from dualgrad.core.program import BOOL, Atom, Const, If, Let, Statement, Type, Var, const, zero
from dualgrad.core.words import WORDS

from .calls import read_call
from .source import Source
from .values import Array, Bound, Static, Unclear, Value, cast_literal, is_number, leaves, unified, wrap

BINARY = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "power", ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
}  # fmt: skip
LOGIC = {ast.BitAnd: "and_", ast.BitOr: "or_", ast.BitXor: "ne"}
COMPARE: dict[type, Any] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}  # fmt: skip
# How numba's integers differ from the words for floats.
ON_INTEGERS: dict[str, Callable[..., Atom]] = {
    "power": lambda b, x, p: b.intpower(x, p),
    "absolute": lambda b, x: b.maximum(x, b.neg(x)),
    "square": lambda b, x: b.mul(x, x),
}
NOT_COMPLEX = ("arctan2", "sign", "maximum", "minimum", "floordiv", "mod", "lt", "le", "gt", "ge")
# Words that may be worked out ahead of a test: they read no memory, cannot fail, and cost nothing.
HARMLESS = (
    "add", "sub", "mul", "neg", "move", "cast", "maximum", "minimum", "lt", "le", "gt", "ge", "eq", "ne", "and_", "or_",
    "not_", "isnan", "shape",
)  # fmt: skip


class Expressions:
    """The state of reading one function, and its expressions."""

    source: Source
    local: set[str]  # every name the function binds
    inlined: bool = False

    def __init__(self) -> None:
        self.env: dict[str, Bound] = {}
        self.b = Builder()
        self.inits: dict[Var, Const] = {}  # what the program binds first
        self.own: set[Var] = set()  # variables of the loop at hand for names that mean one array or another

    @contextmanager
    def into(self, block: list[Statement]) -> Iterator[None]:
        """Emit into another block."""
        outer, self.b.block = self.b.block, block
        try:
            yield
        finally:
            self.b.block = outer

    def apart(self, read: Callable[[], Any]) -> tuple[Any, list[Statement]]:
        """What is read, and the statements it takes, in a block of their own."""
        block: list[Statement] = []
        with self.into(block):
            return read(), block

    # Values

    def value(self, node: ast.expr) -> Value:
        method = getattr(self, f"value_{type(node).__name__}", None)
        return method(node) if method else self.source.fence(node)

    def atom(self, node: ast.expr) -> Atom:
        """The value of an expression that has to be a number."""
        return self.number(node, self.value(node))

    def number(self, node: ast.AST, value: Value) -> Atom:
        if is_number(value):
            return value
        if isinstance(value, Array):
            self.source.refuse(node, "array")
        thing = value.object if isinstance(value, Static) else value
        if isinstance(thing, np.ndarray):
            self.source.refuse(node, "global array")
        self.source.refuse(node, "no number", kind=type(thing).__name__)

    def value_Constant(self, node: ast.Constant) -> Value:
        return const(node.value) if type(node.value) in (bool, int, float, complex) else self.source.fence(node)

    def value_Name(self, node: ast.Name) -> Value:
        bound = self.env.get(node.id)
        if bound is None:
            return self.source.refuse(node, "unbound") if node.id in self.local else wrap(self.source.lookup(node))
        if isinstance(bound.value, Unclear):
            self.source.refuse(node, "unclear")
        for leaf in () if bound.sure else leaves(bound.value):
            if isinstance(leaf, Var):
                self.start_at_zero(leaf)
            elif not isinstance(leaf, Array) or leaf.prefix or not self.is_made(leaf):
                self.source.refuse(node, "unsure")
        return bound.value

    def start_at_zero(self, var: Var) -> None:
        """Bind a variable that some path reads and does not bind."""
        self.inits[var] = cast_literal(const(0), var.type.dtype)

    def is_made(self, array: Array) -> bool:
        """Whether an array exists on every path: a name that is bound on all of them means it."""
        return any(array in leaves(bound.value) for bound in self.env.values() if bound.sure)

    def value_Tuple(self, node: ast.Tuple) -> Value:
        return tuple(self.value(e) for e in node.elts)

    def value_Attribute(self, node: ast.Attribute) -> Value:
        base, name = self.value(node.value), node.attr
        if isinstance(base, Static) and hasattr(base.object, name):
            return wrap(getattr(base.object, name))
        if name in ("real", "imag") and is_number(base):
            return self.part_of(base, name)
        if not isinstance(base, Array) or name not in ("shape", "size", "ndim", "dtype"):
            self.source.refuse(node, "attribute")
        if name in ("shape", "size"):
            return self.shape(base) if name == "shape" else self.fold("mul", self.shape(base))
        return const(base.type.rank) if name == "ndim" else Static(np.dtype(base.type.dtype))

    def part_of(self, z: Atom, which: str) -> Atom:
        """The real or imaginary part of a number."""
        if "complex" in z.type.dtype:
            return self.b.part(z, Const(which, Type("shape", -1)))
        return z if which == "real" else zero(z.type)

    def shape(self, array: Array) -> tuple[Atom, ...]:
        return tuple(self.b.shape(array.var, axis=len(array.prefix) + k) for k in range(array.type.rank))

    def value_Subscript(self, node: ast.Subscript) -> Value:
        base = self.value(node.value)
        if type(base) is not tuple:
            return self.part(self.element(node, base))
        k = self.value(node.slice)
        if not isinstance(k, Const) or not -len(base) <= k.value < len(base):
            self.source.refuse(node, "tuple index")
        return base[k.value]

    def part(self, place: Array) -> Value:
        """An element, or the part of an array that a few indices leave."""
        return Array(place.var, tuple(map(self.stable, place.prefix))) if place.type.rank else self.load(place)

    def element(self, node: ast.Subscript, base: Value) -> Array:
        """The place that a subscript names."""
        if not isinstance(base, Array):
            self.source.refuse(node.value, "no array") if is_number(base) else self.number(node.value, base)
        nodes = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        index = [leaf for n in nodes for leaf in leaves(self.value(n))]
        for k, atom in enumerate(index):
            if not is_number(atom) or "int" not in atom.type.dtype:
                self.source.refuse(node, "index")
            if isinstance(atom, Const) and atom.value < 0:
                index[k] = self.b.sub(self.b.shape(base.var, axis=len(base.prefix) + k), const(-atom.value))
        if len(index) > base.type.rank:
            self.source.refuse(node, "indices", rank=base.type.rank)
        return Array(base.var, base.prefix + tuple(index))

    def load(self, place: Array) -> Atom:
        """An element; integers are numba's 64 bits wide."""
        found = self.b.load(place.var, *place.prefix)
        return self.cast(found, "int64") if "int" in found.type.dtype else found

    def stable(self, value: Value) -> Value:
        """The value that a variable has now, whatever happens to it later."""
        return self.b.move(value) if isinstance(value, Var) else value

    # Operators

    def apply(self, node: ast.AST, name: str, *args: Atom) -> Atom:
        """One word on numbers, with numba's rules for integers."""
        if name in ON_INTEGERS and not any(a.type.differentiable for a in args):
            return ON_INTEGERS[name](self.b, *args)
        if name == "absolute" and "complex" in args[0].type.dtype:
            return self.b.hypot(self.part_of(args[0], "real"), self.part_of(args[0], "imag"))
        if name in NOT_COMPLEX and any("complex" in a.type.dtype for a in args):
            self.source.refuse(node, "complex", name=name)
        return self.b.emit(WORDS[name], *args)

    def fold(self, name: str, args: Iterable[Atom]) -> Atom:
        """``a word b word c …``"""
        return reduce(lambda a, b: self.b.emit(WORDS[name], a, b), args)

    def cast(self, atom: Atom, dtype: str) -> Atom:
        if atom.type.dtype == dtype:
            return atom
        if isinstance(atom, Const):
            return cast_literal(atom, dtype)
        return self.b.ne(atom, const(0)) if dtype == "bool" else self.b.cast(atom, dtype=dtype)

    def value_BinOp(self, node: ast.BinOp) -> Atom:
        return self.binary(node, node.op, self.atom(node.left), self.atom(node.right))

    def binary(self, node: ast.AST, op: ast.operator, a: Atom, b: Atom) -> Atom:
        logic = a.type.dtype == b.type.dtype == "bool" and LOGIC.get(type(op))
        name = logic or BINARY.get(type(op))
        return self.apply(node, name, a, b) if name else self.source.refuse(node, "operator", kind=type(op).__name__)

    def value_UnaryOp(self, node: ast.UnaryOp) -> Atom:
        if isinstance(node.op, ast.Not):
            a = self.truth(node.operand)
            return const(not a.value) if isinstance(a, Const) else self.b.not_(a)
        a = self.atom(node.operand)
        if isinstance(node.op, ast.Invert):
            return self.b.not_(a) if a.type == BOOL else self.source.refuse(node, "operator", kind="~")
        return self.b.neg(a) if isinstance(node.op, ast.USub) else a

    def value_Compare(self, node: ast.Compare) -> Atom:
        left, result = self.atom(node.left), None
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            if type(op) not in COMPARE:
                self.source.refuse(node, "operator", kind=type(op).__name__)

            def step(op: ast.cmpop = op, right_node: ast.expr = right_node) -> Atom:
                nonlocal left
                first, left = left, self.atom(right_node)
                if isinstance(first, Const) and isinstance(left, Const):
                    return const(bool(COMPARE[type(op)](first.value, left.value)))
                return self.apply(node, COMPARE[type(op)].__name__, first, left)

            result = step() if result is None else self.both(True, result, step)
        assert result is not None
        return result

    def truth(self, node: ast.expr) -> Atom:
        """An expression used as a condition."""
        return self.logic(node, self.truth) if isinstance(node, ast.BoolOp) else self.cast(self.atom(node), "bool")

    def value_BoolOp(self, node: ast.BoolOp) -> Atom:
        def read(part: ast.expr) -> Atom:
            atom = self.atom(part)
            return atom if atom.type == BOOL else self.source.refuse(node, "choice")

        return self.logic(node, read)

    def logic(self, node: ast.BoolOp, read: Callable[[ast.expr], Atom]) -> Atom:
        result = read(node.values[0])
        for part in node.values[1:]:
            result = self.both(isinstance(node.op, ast.And), result, partial(read, part))
        return result

    def both(self, conjunction: bool, left: Atom, read_right: Callable[[], Atom]) -> Atom:
        """``left and right`` (or ``or``): the right side is worked out only where it is needed."""
        if isinstance(left, Const):
            return read_right() if bool(left.value) is conjunction else left
        right, block = self.apart(read_right)
        if all(isinstance(s, Let) and s.word.name in HARMLESS for s in block):
            self.b.block += block
            if isinstance(right, Const):
                return left if bool(right.value) is conjunction else right
            return self.b.and_(left, right) if conjunction else self.b.or_(left, right)
        test = Var("test", BOOL)
        self.b.bind(test, left)
        with self.into(block):
            self.b.bind(test, right)
        branches = (block, []) if conjunction else ([], block)
        self.b.block.append(If(test, *branches, [], self.b.line))
        return test

    def value_IfExp(self, node: ast.IfExp) -> Value:
        test = self.truth(node.test)
        if isinstance(test, Const):
            return self.value(node.body if test.value else node.orelse)
        a, then = self.apart(lambda: self.atom(node.body))
        b, orelse = self.apart(lambda: self.atom(node.orelse))
        found = unified(a.type, b.type)
        if not then and not orelse:
            return self.b.where(test, self.cast(a, found.dtype), self.cast(b, found.dtype))
        result = Var("t", found)
        for block, value in ((then, a), (orelse, b)):
            with self.into(block):
                self.write(result, value)
        self.b.block.append(If(test, then, orelse, [], self.b.line))
        return result

    def write(self, target: Var, value: Atom) -> None:
        """``target = value``, cast to the target's type."""
        if isinstance(value, Const) or value.type == target.type:
            self.b.bind(target, self.cast(value, target.type.dtype))
        else:
            self.b.block.append(Let(target, WORDS["cast"], (value,), {"dtype": target.type.dtype}, self.b.line))

    def value_Call(self, node: ast.Call) -> Value:
        return read_call(self, node)
