"""Expressions become lets: each method reads one kind of syntax node and returns what it means."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from dualgrad.core.build import Builder
from dualgrad.core.program import BOOL, Atom, Const, For, If, Let, Statement, Var, const
from dualgrad.core.words import WORDS

from .calls import read_call
from .source import Source
from .values import Array, Bound, Static, Unclear, Value, cast_literal, leaves, unified, wrap

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
NOT_COMPLEX = ("absolute", "arctan2", "sign", "maximum", "minimum", "floordiv", "mod", "lt", "le", "gt", "ge")
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
        self.named: set[Var] = set()  # variables of names: the ones that may be bound again
        self.inits: dict[Var, Const] = {}  # what is bound at the start because some path does not
        self.loops: dict[str, tuple[Var, list[For]]] = {}  # loop variables that nobody has read after the loop

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
        if isinstance(value, (Var, Const)):
            return value
        if isinstance(value, Array):
            self.source.refuse(
                node, f"{ast.unparse(node)} is an array in an expression of numbers",
                "expressions of whole arrays are not read yet", "write the loop over its elements",
            )  # fmt: skip
        if isinstance(value, Static) and isinstance(value.object, np.ndarray):
            self.source.refuse(
                node, f"{ast.unparse(node)} is a global array", "numba freezes it, and its derivative would be lost",
                "pass it as an argument",
            )  # fmt: skip
        kind = type(value.object).__name__ if isinstance(value, Static) else "tuple" if value else "call without result"
        self.source.refuse(node, f"{ast.unparse(node)} ({kind}) is used as a number", hint="use numbers and arrays")

    def value_Constant(self, node: ast.Constant) -> Value:
        if type(node.value) in (bool, int, float, complex):
            return const(node.value)
        if node.value is None or node.value is ...:
            self.source.refuse(node, f"{node.value} is used as a value", hint="use numbers and arrays")
        self.source.fence(node, "a string", "keep texts outside of the kernel")

    def value_Name(self, node: ast.Name) -> Value:
        bound = self.env.get(node.id)
        if bound is None:
            if node.id not in self.local:
                return wrap(self.source.lookup(node))
            self.source.refuse(
                node, f"the variable {node.id} is read where it may not be bound yet",
                "what it is has to be known from the lines above", f"give {node.id} a value before the loop or branch",
            )  # fmt: skip
        if isinstance(bound.value, Unclear):
            self.source.refuse(node, f"{node.id} may mean different things here", bound.value.why,
                               "use one array and store into it, or give each its own name")  # fmt: skip
        if not bound.sure:
            self.settle(node, node.id, bound.value)
        return bound.value

    def settle(self, node: ast.AST, name: str, value: Value) -> None:
        """Make a name that only some paths have bound safe to read: its variables start as zero."""
        for leaf in leaves(value):
            if isinstance(leaf, Array):
                self.source.refuse(node, f"the array {name} is made on some paths only", "its memory must exist on all",
                                   "make it before the loop or branch")  # fmt: skip
            if isinstance(leaf, Var):
                self.inits[leaf] = cast_literal(const(0), leaf.type.dtype)
        var, loops = self.loops.get(name, (None, []))
        if var is value:
            for loop in loops:
                loop.body.insert(0, Let(var, WORDS["move"], (loop.var,), {}, loop.line))
            del self.loops[name]
        self.env[name] = Bound(value)

    def value_Tuple(self, node: ast.Tuple) -> Value:
        return tuple(self.value(e) for e in node.elts)

    def value_Attribute(self, node: ast.Attribute) -> Value:
        base = self.value(node.value)
        if isinstance(base, Static) and hasattr(base.object, node.attr):
            return wrap(getattr(base.object, node.attr))
        if isinstance(base, Array) and node.attr in ("shape", "ndim", "size", "dtype"):
            if node.attr in ("ndim", "dtype"):
                return const(base.type.rank) if node.attr == "ndim" else Static(np.dtype(base.type.dtype))
            shape = self.shape(base)
            return shape if node.attr == "shape" else self.fold("mul", shape)
        self.source.refuse(node, f"{ast.unparse(node)} is not known in a kernel",
                           hint="use indices, .shape, .size, .ndim and .copy()")  # fmt: skip

    def shape(self, array: Array) -> tuple[Atom, ...]:
        return tuple(self.b.shape(array.var, axis=len(array.prefix) + k) for k in range(array.type.rank))

    def value_Subscript(self, node: ast.Subscript) -> Value:
        base = self.value(node.value)
        if type(base) is tuple:
            k = self.value(node.slice)
            if not isinstance(k, Const) or k.type.dtype != "int64" or not -len(base) <= k.value < len(base):
                self.source.refuse(node, "a tuple is indexed by a value not known in advance", hint="use an array")
            return base[k.value]
        return self.part(self.element(node, base))

    def part(self, place: Array) -> Value:
        """An element, or the part of an array that a few indices leave."""
        return Array(place.var, tuple(map(self.stable, place.prefix))) if place.type.rank else self.load(place)

    def element(self, node: ast.Subscript, base: Value) -> Array:
        """The place that a subscript names."""
        if not isinstance(base, Array):
            self.number(node.value, base)
            self.source.refuse(node, f"{ast.unparse(node.value)} is indexed, but is not an array")
        index = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        atoms = [leaf for n in index for leaf in leaves(self.value(n))]
        for k, atom in enumerate(atoms):
            if not isinstance(atom, (Var, Const)) or "int" not in atom.type.dtype:
                self.source.refuse(
                    node, "fancy indexing cannot be differentiated in a kernel",
                    "an index has to be an integer", "write the loop over the indices",
                )  # fmt: skip
            if isinstance(atom, Const) and atom.value < 0:
                atom = self.b.sub(self.b.shape(base.var, axis=len(base.prefix) + k), const(-atom.value))
            atoms[k] = atom
        if len(atoms) > base.type.rank:
            self.source.refuse(node, f"too many indices for an array of rank {base.type.rank}")
        return Array(base.var, base.prefix + tuple(atoms))

    def load(self, place: Array) -> Atom:
        """An element; integers are numba's 64 bits wide."""
        found = self.b.load(place.var, *place.prefix)
        return self.cast(found, "int64") if found.type.dtype.startswith(("int", "uint")) else found

    def stable(self, atom: Atom) -> Atom:
        """The value an atom has now, whatever happens to its name later."""
        return self.b.move(atom) if atom in self.named else atom

    # Operators

    def apply(self, node: ast.AST, name: str, *args: Atom) -> Atom:
        """One word on numbers, with numba's rules for integers."""
        if name in ON_INTEGERS and not any(a.type.differentiable for a in args):
            return ON_INTEGERS[name](self.b, *args)
        if name in NOT_COMPLEX and any("complex" in a.type.dtype for a in args):
            self.source.refuse(node, f"{name} of complex numbers is not read in kernels", hint="use real numbers")
        return self.b.emit(WORDS[name], *args)

    def fold(self, name: str, args: tuple[Atom, ...]) -> Atom:
        """``a word b word c …``"""
        result = args[0]
        for a in args[1:]:
            result = self.b.emit(WORDS[name], result, a)
        return result

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
        return self.apply(node, name, a, b) if name else self.source.fence(node, f"the operator {type(op).__name__}")

    def value_UnaryOp(self, node: ast.UnaryOp) -> Atom:
        if isinstance(node.op, ast.Not):
            a = self.truth(node.operand)
            return const(not a.value) if isinstance(a, Const) else self.b.not_(a)
        a = self.atom(node.operand)
        if isinstance(node.op, ast.Invert):
            return self.b.not_(a) if a.type.dtype == "bool" else self.source.fence(node, "the operator ~")
        return self.b.neg(a) if isinstance(node.op, ast.USub) else a

    def value_Compare(self, node: ast.Compare) -> Atom:
        left, result = self.atom(node.left), None
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            if type(op) not in COMPARE:
                self.source.fence(node, f"the comparison {type(op).__name__}")

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
        if isinstance(node, ast.BoolOp):
            result = self.truth(node.values[0])
            for right in node.values[1:]:
                result = self.both(isinstance(node.op, ast.And), result, lambda right=right: self.truth(right))
            return result
        return self.cast(self.atom(node), "bool")

    def value_BoolOp(self, node: ast.BoolOp) -> Atom:
        for part in node.values:
            if self.apart(lambda part=part: self.atom(part))[0].type != BOOL:
                what = f"the value of {ast.unparse(node)} is not a truth value"
                self.source.refuse(node, what, "`and` and `or` would choose between numbers", "write a if c else b")
        return self.truth(node)

    def both(self, conjunction: bool, left: Atom, read_right: Callable[[], Atom]) -> Atom:
        """``left and right`` (or ``or``): the right side is worked out only where it is needed."""
        if isinstance(left, Const):
            return read_right() if bool(left.value) is conjunction else left
        right, block = self.apart(read_right)
        if all(isinstance(s, Let) and s.word.name in HARMLESS for s in block):
            self.b.block.extend(block)
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
