"""Expressions become lets: each method reads one kind of syntax node and returns what it means."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from dualgrad.core.build import Builder
from dualgrad.core.program import BOOL, Atom, Const, If, Let, Statement, Store, Type, Var, const, zero
from dualgrad.core.words import WORDS

from .arguments import Given
from .calls import attribute, read_call
from .elements import Wholes
from .products import matmul
from .source import Source
from .values import (
    Array,
    Bound,
    Frozen,
    ReadAgain,
    Static,
    Unclear,
    Value,
    cast_literal,
    is_number,
    leaves,
    unified,
    whole,
    wrap,
)

BINARY = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "power", ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
}  # fmt: skip
LOGIC = {ast.BitAnd: "and_", ast.BitOr: "or_", ast.BitXor: "ne"}
BITS: dict[type, str] = {
    ast.BitAnd: "bit_and", ast.BitOr: "bit_or", ast.BitXor: "bit_xor", ast.LShift: "shift_left",
    ast.RShift: "shift_right",
}  # fmt: skip
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
Side = tuple[Bound, list[Statement]]  # what a name means at the end of a path, and the path


class Expressions(Wholes):
    """The state of reading one function, and its expressions."""

    source: Source
    local: set[str]  # every name the function binds
    inlined: bool = False

    def __init__(self) -> None:
        self.env: dict[str, Bound] = {}
        self.b = Builder()
        self.inits: dict[Var, Const] = {}  # what the program binds first
        self.head: list[Statement] = []
        self.frozen: dict[int, Array] = {}  # arrays found among globals and in closures
        self.dims: dict[Var, tuple[Atom, ...]] = {}
        self.fresh_arrays: set[Any] = set()  # made by the kernel itself
        self.arguments: set[Any] = set()  # given to it
        # What `meeting` knows of buffers: what they stand for, who fills them, what must not be written.
        self.origins: dict[Any, list[tuple[Any, bool]]] = {}
        self.own_stores: dict[int, Store] = {}
        self.guards: dict[Any, tuple[Any, ...]] = {}
        self.chosen: dict[Any, Any] = {}
        self.pending: list[Var] = []
        self.wanted: set[Any] = set()  # where a name has to get one meaning

    def apart(self, read: Callable[[], Any]) -> tuple[Any, list[Statement]]:
        """What is read, and the statements it takes, in a block of their own."""
        block: list[Statement] = []
        with self.into(block):
            return read(), block

    # Values

    if TYPE_CHECKING:  # what `Meeting` adds

        def meet_of_branches(self, name: str, a: Side, b: Side) -> Array: ...
        def measure_pending(self) -> None: ...

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
            return self.load(value) if not value.axes else self.source.refuse(node, "array")
        if isinstance(value, Unclear):
            self.source.refuse(node, "unclear")
        thing = value.object if isinstance(value, Static) else value
        self.source.refuse(node, "no number", kind=type(thing).__name__)

    def value_Constant(self, node: ast.Constant) -> Value:
        if node.value is None or node.value is ... or type(node.value) is str:
            return None if node.value is None else Static(node.value)
        return const(node.value) if type(node.value) in (bool, int, float, complex) else self.source.fence(node)

    def value_Given(self, node: Given) -> Value:
        return node.given

    def value_Name(self, node: ast.Name) -> Value:
        bound = self.env.get(node.id)
        if bound is None:
            return self.source.refuse(node, "unbound") if node.id in self.local else self.outside(node)
        for leaf in leaves(bound.value):
            if isinstance(leaf, Unclear) and leaf.places - self.wanted:
                self.wanted.update(leaf.places)
                raise ReadAgain
        if isinstance(bound.value, Unclear):
            self.source.refuse(node, "unclear")
        for leaf in () if bound.sure else leaves(bound.value):
            if isinstance(leaf, Var):
                self.start_at_zero(leaf)
            elif not isinstance(leaf, Array) or not self.is_made(leaf):
                self.source.refuse(node, "unsure")
        return bound.value

    def outside(self, node: ast.expr, thing: Any = None) -> Value:
        """What a name that the function does not bind stands for; an array is frozen, as in numba."""
        thing = self.source.lookup(node) if isinstance(node, ast.Name) else thing
        if not isinstance(thing, np.ndarray) or thing.dtype.kind not in "biufc":
            return wrap(thing)
        if not thing.ndim:
            return wrap(thing[()])
        if id(thing) not in self.frozen:
            name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "array")
            var = Var(name, Type(thing.dtype.name, thing.ndim))
            self.head.append(Let(var, WORDS["frozen"], (), {"of": Frozen(thing, name)}))
            self.dims[var] = tuple(map(const, thing.shape))
            self.frozen[id(thing)] = whole(var)
        return self.frozen[id(thing)]

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
        if isinstance(base, Array):
            return attribute(self, node, base)
        if name in ("real", "imag") and is_number(base):
            return self.part_of(base, name)
        if not isinstance(base, Static) or not hasattr(base.object, name):
            self.source.refuse(node, "attribute")
        return self.outside(node, getattr(base.object, name))

    def part_of(self, z: Atom, which: str) -> Atom:
        """The real or imaginary part of a number."""
        if "complex" in z.type.dtype:
            return self.b.part(z, Const(which, Type("shape", -1)))
        return z if which == "real" else zero(z.type)

    def value_Subscript(self, node: ast.Subscript) -> Value:
        base = self.value(node.value)
        if type(base) is not tuple:
            if isinstance(base, Array) and not isinstance(node.slice, (ast.Slice, ast.Tuple)):
                index = self.value(node.slice)
                if isinstance(index, Array) and "int" in index.type.dtype:
                    return self.gathered(base, index)
                node = ast.copy_location(ast.Subscript(node.value, Given(index, node.slice), node.ctx), node)
            place = self.element(node, base)
            return place if place.axes else self.load(place)
        if isinstance(node.slice, ast.Slice):
            ends: list[Any] = [e and self.value(e) for e in (node.slice.lower, node.slice.upper, node.slice.step)]
            if any(e is not None and not isinstance(e, Const) for e in ends):
                self.source.refuse(node, "tuple index")
            return base[slice(*[e and e.value for e in ends])]
        k = self.value(node.slice)
        if isinstance(k, Const) and -len(base) <= k.value < len(base):
            return base[k.value]
        if not isinstance(k, Var) or "int" not in k.type.dtype or not all(map(is_number, base)):
            self.source.refuse(node, "tuple index")
        return self.chosen_part(base, k)

    def gathered(self, base: Array, index: Array) -> Array:
        """``base[index]`` with an array of integers: entries, or rows, one for each of them."""
        index, rank = self.settled(index), len(index.axes)
        n, natural = self.length(base, 0), base.axes[0].count is None and base.is_memory

        def at(k: tuple[Atom, ...]) -> Atom:
            return self.entry(base, (self.wrapped(self.load(index, k[:rank]), n, natural), *k[rank:]))

        return self.expression((*self.shape(index), *self.shape(base)[1:]), at, base, index)

    def chosen_part(self, parts: tuple[Atom, ...], k: Var) -> Atom:
        """An entry of a tuple of numbers at an index known at run time."""
        n, type = const(len(parts)), reduce(unified, [p.type for p in parts])
        known = self.b.and_(self.b.le(self.b.neg(n), k), self.b.lt(k, n))
        index = self.wrapped(self.checked(k, known, "an index outside of a tuple"), n, False)
        found = self.cast(parts[-1], type.dtype)
        for i, part in enumerate(parts[:-1]):
            found = self.b.where(self.b.eq(index, const(i)), self.cast(part, type.dtype), found)
        return found

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

    def value_BinOp(self, node: ast.BinOp) -> Value:
        if isinstance(node.op, ast.MatMult):
            return matmul(self, node, *self.operands(node.left, node.right))
        return self.binary(node, node.op, *self.operands(node.left, node.right))

    def binary(self, node: ast.AST, op: ast.operator, a: Value, b: Value) -> Value:
        logic = a.type.dtype == b.type.dtype == "bool" and LOGIC.get(type(op))
        whole = "float" not in a.type.dtype + b.type.dtype and not logic and not isinstance(a, tuple)
        name = logic or BINARY.get(type(op)) or (BITS.get(type(op)) if whole else None)
        if not name:
            self.source.refuse(node, "operator", kind=type(op).__name__)
        return self.elementwise(node, name, a, b)

    def value_UnaryOp(self, node: ast.UnaryOp) -> Value:
        if isinstance(node.op, ast.Not):
            a = self.truth(node.operand)
            return const(not a.value) if isinstance(a, Const) else self.b.not_(a)
        (a,) = self.operands(node.operand)
        if isinstance(node.op, ast.Invert) and a.type.differentiable:
            self.source.refuse(node, "operator", kind="~")
        if isinstance(node.op, ast.UAdd):
            return a
        name = "neg"
        if isinstance(node.op, ast.Invert):
            name = "not_" if a.type.dtype == "bool" else "flip_bits"
        return self.elementwise(node, name, a) if isinstance(a, Array) else self.b.emit(WORDS[name], a)

    def static(self, node: ast.expr) -> Static | None:
        """What an expression is if it is no number and no array: None, a string, a function; else None."""
        if isinstance(node, (ast.Constant, ast.Name)):
            value = self.env[node.id].value if isinstance(node, ast.Name) and node.id in self.env else None
            value = self.value(node) if not isinstance(value, Unclear) else value
            return Static(None) if value is None else value if isinstance(value, Static) else None
        return None

    def compared_objects(self, node: ast.Compare) -> Atom | None:
        """``w is None``, ``mode == "fast"``: known in advance; None where numbers are compared."""
        op, (left, right) = node.ops[0], map(self.static, (node.left, node.comparators[0]))
        if isinstance(op, (ast.Is, ast.IsNot)) and (left or right):
            same = left is not None and right is not None and left.object is right.object
            return const(same is isinstance(op, ast.Is))
        if isinstance(op, (ast.Eq, ast.NotEq)) and left and right:
            return const((left.object == right.object) is isinstance(op, ast.Eq))
        return None

    def member(self, node: ast.Compare) -> Atom:
        """``x in (a, b)``"""
        x, parts = self.atom(node.left), self.value(node.comparators[0])
        if type(parts) is not tuple or not parts:
            self.source.refuse(node, "operator", kind="in")
        found = self.fold("or_", [self.compared(node, ast.Eq(), x, self.number(node, p)) for p in parts])
        if isinstance(node.ops[0], ast.In):
            return found
        return const(not found.value) if isinstance(found, Const) else self.b.not_(found)

    def value_Compare(self, node: ast.Compare) -> Value:
        if len(node.ops) == 1 and (known := self.compared_objects(node)) is not None:
            return known
        if len(node.ops) == 1 and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            return self.member(node)
        if len(node.ops) == 1 and type(node.ops[0]) in COMPARE:
            a, b = self.operands(node.left, node.comparators[0])
            if isinstance(a, Array) or isinstance(b, Array):
                return self.elementwise(node, COMPARE[type(node.ops[0])].__name__, a, b)
            return self.compared(node, node.ops[0], a, b)
        left, result = self.atom(node.left), None
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            if type(op) not in COMPARE:
                self.source.refuse(node, "operator", kind=type(op).__name__)

            def step(op: ast.cmpop = op, right_node: ast.expr = right_node) -> Atom:
                nonlocal left
                first, left = left, self.atom(right_node)
                return self.compared(node, op, first, left)

            result = step() if result is None else self.both(True, result, step)
        assert result is not None
        return result

    def compared(self, node: ast.AST, op: ast.cmpop, a: Atom, b: Atom) -> Atom:
        """Numbers compared; literals here and now."""
        if isinstance(a, Const) and isinstance(b, Const):
            return const(bool(COMPARE[type(op)](a.value, b.value)))
        return self.apply(node, COMPARE[type(op)].__name__, a, b)

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
        a, then = self.apart(lambda: self.settled(self.value(node.body)))
        b, orelse = self.apart(lambda: self.settled(self.value(node.orelse)))
        if isinstance(a, Array) and isinstance(b, Array) and len(a.axes) == len(b.axes):
            self.path_names = (self.env, self.env)
            found = self.meet_of_branches("chosen", (Bound(a), then), (Bound(b), orelse))
            self.b.block.append(If(test, then, orelse, [], self.b.line))
            self.measure_pending()
            return found
        a, b = self.number(node.body, a), self.number(node.orelse, b)
        type = unified(a.type, b.type)
        if not then and not orelse:
            return self.b.where(test, self.cast(a, type.dtype), self.cast(b, type.dtype))
        result = Var("t", type)
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
