"""Statements: what names mean from line to line, and where paths meet.

Each binding of a name makes a new variable.  Where two paths meet (after an ``if``, at the
start of a loop's next turn) and a name means different variables, one of them takes the
value on both; int and float meet in float, as in numba.  A loop is read again until the
meanings at the end of its body are those at its start.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from dualgrad.core.program import BOOL, INT, Atom, Const, For, If, Let, Statement, Store, Var, While, const
from dualgrad.core.walk import walk
from dualgrad.core.words import WORDS

from .expressions import Expressions
from .loops import Turns, from_zero, turns
from .values import Array, Bound, Static, Unclear, Value, is_number, mapped, unified

Side = tuple[Bound, list[Statement]]  # what a name means at the end of a path, and the path


def at_once(moves: list[Statement]) -> list[Statement]:
    """Moves of which none sees the effect of another: arrays first get names of their own."""
    between = {s.target: Var(s.target.name, s.target.type) for s in moves if isinstance(s, Let) and s.target.type.rank}
    first = [replace(s, target=between[s.target]) for s in moves if isinstance(s, Let) and s.target in between]
    rest = [s for s in moves if not (isinstance(s, Let) and s.target in between)]
    return [*first, *rest, *(Let(v, WORDS["move"], (w,)) for v, w in between.items())]


class Statements(Expressions):
    """The statements of one function."""

    def block(self, body: list[ast.stmt]) -> None:
        for s in body:
            if not self.inlined:
                self.b.line = s.lineno
            method = getattr(self, f"read_{type(s).__name__}", None)
            method(s) if method else self.source.fence(s)

    def read_Pass(self, s: ast.Pass) -> None:
        pass

    def read_Expr(self, s: ast.Expr) -> None:
        if not isinstance(s.value, ast.Constant):
            self.value(s.value)

    # Binding and storing

    def read_Assign(self, s: ast.Assign) -> None:
        value = self.value(s.value)
        for target in s.targets:
            self.assign(target, value)

    def read_AnnAssign(self, s: ast.AnnAssign) -> None:
        if s.value is not None:
            self.assign(s.target, self.value(s.value))

    def read_AugAssign(self, s: ast.AugAssign) -> None:
        if isinstance(s.target, ast.Subscript):
            self.update(s, s.target)
        else:
            self.assign(s.target, self.binary(s, s.op, self.atom(s.target), self.atom(s.value)))

    def update(self, s: ast.AugAssign, target: ast.Subscript) -> None:
        """``a[i] += v`` accumulates; every other update loads, operates and stores."""
        place, (value, block) = self.place(target), self.apart(lambda: self.atom(s.value))
        dtype = place.type.dtype
        value_stores = any(isinstance(t, Store) for t in walk(block))
        if isinstance(s.op, (ast.Add, ast.Sub)) and not value_stores and unified(place.type, value.type).dtype == dtype:
            self.b.block += block
            value = self.b.neg(value) if isinstance(s.op, ast.Sub) else value
            self.b.store(place.var, place.prefix, self.cast(value, dtype), accumulate=True)
        else:
            old = self.load(place)
            self.b.block += block
            self.b.store(place.var, place.prefix, self.cast(self.binary(s, s.op, old, value), dtype))

    def place(self, target: ast.Subscript) -> Array:
        """The element that a store writes."""
        place = self.element(target, self.value(target.value))
        return self.source.refuse(target, "row store") if place.type.rank else place

    def assign(self, target: ast.expr, value: Value) -> None:
        if isinstance(target, ast.Name):
            self.env[target.id] = Bound(self.bind(target, target.id.strip("."), value))
        elif isinstance(target, ast.Subscript):
            place = self.place(target)
            self.b.store(place.var, place.prefix, self.cast(self.number(target, value), place.type.dtype))
        elif isinstance(target, (ast.Tuple, ast.List)):
            if type(value) is not tuple or len(value) != len(target.elts):
                self.source.refuse(target, "unpack")
            for element, part in zip(target.elts, mapped(self.stable, value), strict=True):
                self.assign(element, part)
        else:
            self.source.fence(target)

    def bind(self, node: ast.AST, name: str, value: Value) -> Value:
        """What a name means after it is bound to a value: numbers are copied, arrays are not."""
        if type(value) is tuple:
            return tuple(self.bind(node, f"{name}_{k}", part) for k, part in enumerate(value))
        made = value.var if isinstance(value, Array) else value
        if isinstance(made, Var) and made.name == "t":
            made.name = name  # a temporary gets the name that it was made for
        if isinstance(value, (Array, Static)):
            return value
        atom = self.number(node, value)
        var = Var(name, atom.type)
        self.write(var, atom)
        return var

    # Where paths meet

    def read_If(self, s: ast.If) -> None:
        test = self.truth(s.test)
        if isinstance(test, Const):
            return self.block(s.body if test.value else s.orelse)
        start, paths = self.env, []
        for body in (s.body, s.orelse):
            self.env = dict(start)
            _, block = self.apart(partial(self.block, body))
            paths.append((self.env, block))
        (a, then), (b, orelse) = paths
        self.env = {name: Bound(bound.value, False) for name, bound in {**a, **b}.items()}
        for name in [name for name in a if name in b]:  # a set would be in another order in each process
            value = self.meet(name, (a[name], then), (b[name], orelse))
            self.env[name] = Bound(value, a[name].sure and b[name].sure)
        if then or orelse:
            self.b.block.append(If(test, then, orelse, [], s.lineno))

    def turn(self, body: Callable[[], None]) -> list[Statement]:
        """Read a loop's body until names mean the same at its end and at its start."""
        own: set[Var] = set()
        while True:
            before = self.env
            self.env = dict(before)
            _, block = self.apart(body)
            self.own = own
            new = {n: Bound(self.lasting(x.value), False) for n, x in self.env.items() if n not in before}
            end: list[Statement] = []  # names of arrays are exchanged all at once, when the turn is over
            meets = {name: self.meet(name, (x, self.b.block), (self.env[name], end)) for name, x in before.items()}
            block += at_once(end)
            self.env = {name: Bound(value, before[name].sure) for name, value in meets.items()}
            self.own = set()
            if all(value == before[name].value for name, value in meets.items()):
                self.env |= new
                return block

    def lasting(self, value: Value) -> Value:
        """What a name means after a turn, when names of arrays have been exchanged."""
        return mapped(lambda v: Unclear() if isinstance(v, Array) and v.var in self.own else v, value)

    def meet(self, name: str, a: Side, b: Side) -> Value:
        """One meaning for a name that two paths leave with different ones."""
        (x, x_sure), (y, y_sure) = a[0], b[0]
        if x == y or isinstance(x, Unclear):
            return x
        if type(x) is type(y) is tuple and len(x) == len(y):
            pairs = zip(x, y, strict=True)
            return tuple(self.meet(name, (Bound(p, x_sure), a[1]), (Bound(q, y_sure), b[1])) for p, q in pairs)
        if isinstance(x, Array) and isinstance(y, Array) and x_sure and y_sure:
            return self.meet_arrays(name, (x, a[1]), (y, b[1]))
        if not is_number(x) or not is_number(y):
            return Unclear()
        found = unified(x.type, y.type)
        target = next((v for v in (x, y) if v.type == found), None) or Var(name.strip("."), found)
        for bound, block in (a, b):
            if bound.value is not target:
                if not bound.sure:
                    self.start_at_zero(bound.value)
                with self.into(block):
                    self.write(target, bound.value)
        return target

    def meet_arrays(self, name: str, a: tuple[Array, list[Statement]], b: tuple[Array, list[Statement]]) -> Value:
        """A variable for a name that means one array or another."""
        (x, _), (y, _) = a, b
        if x.prefix or y.prefix or x.type != y.type:
            return Unclear()
        target = x.var if x.var in self.own else Var(name.strip("."), x.type)
        self.own.add(target)
        for array, block in (a, b):
            if array.var is not target:
                with self.into(block):
                    self.b.bind(target, array.var)
        return Array(target)

    # Loops

    def read_While(self, s: ast.While) -> None:
        self.loop_while(s, lambda: self.truth(s.test), lambda: self.block(s.body))

    def loop_while(self, s: ast.stmt, read_test: Callable[[], Atom], read_body: Callable[[], None]) -> None:
        cond: list[Statement] = []
        test: Atom = const(True)
        if any(isinstance(t, Store) for t in walk(self.apart(read_test)[1])):
            return self.loop_on_flag(s, read_test, read_body)

        def body() -> None:
            nonlocal test, cond
            test, cond = self.apart(read_test)
            read_body()

        block = self.turn(body)
        self.b.block.append(While(cond, test, block, [], s.lineno))

    def loop_on_flag(self, s: ast.stmt, read_test: Callable[[], Atom], read_body: Callable[[], None]) -> None:
        """A test that writes memory has derivatives: it is worked out before the loop and at the end of each turn."""
        flag = Var("test", BOOL)
        self.b.bind(flag, read_test())

        def body() -> None:
            read_body()
            self.b.bind(flag, read_test())

        block = self.turn(body)
        self.b.block.append(While([], flag, block, [], s.lineno))

    def read_For(self, s: Any) -> None:
        run = turns(self, s.iter)
        if s.until:
            return self.counted(s, run)
        index = Var(s.target.id if isinstance(s.target, ast.Name) else "k", INT)

        def body() -> None:
            self.assign(s.target, run.element(index))
            self.block(s.body)

        block = self.turn(body)
        self.b.block.append(For(index, run.start, run.stop, run.step, block, [], False, s.lineno))

    def counted(self, s: Any, run: Turns) -> None:
        """A ``for`` that may be left early is a ``while`` with a counter."""
        count, element = from_zero(self, run)
        count, k = self.stable(count), Var("k", INT)
        self.b.bind(k, const(0))

        def test() -> Atom:
            return self.fold("and_", [self.b.lt(k, count), *map(self.truth, s.until)])

        def body() -> None:
            self.assign(s.target, element(k))
            self.block(s.body)
            self.b.bind(k, self.b.add(k, const(1)))

        self.loop_while(s, test, body)
