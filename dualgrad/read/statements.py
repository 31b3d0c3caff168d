"""Statements: what names mean from line to line, and where paths meet.

Each binding of a name makes a new variable.  Where two paths meet (after an ``if``, at the
start of a loop's next turn) and a name means different variables, one of them takes the
value on both; int and float meet in float, as in numba.  A loop is read again until the
meanings at the end of its body are those at its start.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable
from functools import partial
from typing import Any

from dualgrad.core.program import BOOL, INT, Atom, Const, For, If, Statement, Store, Var, While, const
from dualgrad.core.walk import walk

from .arguments import Given, choose
from .loops import Turns, from_zero, parts_of, turns
from .meeting import Loop, Meeting, at_once
from .values import Array, Bound, Static, Unclear, Value, is_number, leaves, mapped, unified
from .views import ZERO


class Statements(Meeting):
    """The statements of one function."""

    def block(self, body: list[ast.stmt]) -> None:
        for s in body:
            self.line = s.lineno
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
        value = self.settled(value) if len(s.targets) > 1 else value
        for target in s.targets:
            self.assign(target, value)

    def read_AnnAssign(self, s: ast.AnnAssign) -> None:
        if s.value is not None:
            self.assign(s.target, self.value(s.value))

    def read_AugAssign(self, s: ast.AugAssign) -> None:
        old = self.place(s.target) if isinstance(s.target, ast.Subscript) else self.value(s.target)
        if isinstance(old, Array):
            return self.update(s, old)
        self.assign(s.target, self.binary(s, s.op, old, *self.operands(s.value)))

    def update(self, s: ast.AugAssign, place: Array) -> None:
        """``a[i] += v`` accumulates; every other update loads, operates and stores."""
        if place.axes:
            (value,) = self.operands(s.value)
            return self.update_into(s, place, value)
        value, block = self.apart(lambda: self.atom(s.value))
        dtype = place.type.dtype
        value_stores = any(isinstance(t, Store) for t in walk(block))
        if isinstance(s.op, (ast.Add, ast.Sub)) and not value_stores and unified(place.type, value.type).dtype == dtype:
            self.b.block += block
            value = self.b.neg(value) if isinstance(s.op, ast.Sub) else value
            self.put(place, (), value, accumulate=True)
        else:
            old = self.load(place)
            self.b.block += block
            self.put(place, (), self.binary(s, s.op, old, value))

    def place(self, target: ast.Subscript) -> Array:
        """The part of an array that a store writes."""
        place = self.element(target, self.value(target.value))
        return place if place.is_memory else self.source.refuse(target, "store")

    def assign(self, target: ast.expr, value: Value) -> None:
        if isinstance(target, ast.Name):
            self.env[target.id] = Bound(self.bind(target, target.id.strip("."), value))
        elif isinstance(target, ast.Subscript):
            if not self.assign_where(target, value):
                self.assign_into(target, self.place(target), value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            if isinstance(value, Array) and value.axes:
                value = self.unpacked(target, self.settled(value), len(target.elts))
            if type(value) is not tuple or len(value) != len(target.elts):
                self.source.refuse(target, "unpack")
            for element, part in zip(target.elts, mapped(self.stable, value), strict=True):
                self.assign(element, part)
        else:
            self.source.fence(target)

    def unpacked(self, node: ast.AST, array: Array, count: int) -> tuple[Value, ...]:
        """The entries along the first axis of an array, which has to have that many."""
        fits = self.b.eq(self.length(array, 0), const(count))
        if isinstance(fits, Const) and not fits.value:
            self.source.refuse(node, "unpack")
        start = self.checked(ZERO, fits, f"{self.source.name}: {ast.unparse(node)} = ... needs {count} entries")
        rest = [None] * (len(array.axes) - 1)
        parts = [self.part(array, [self.b.add(start, const(k)), *rest]) for k in range(count)]
        return tuple(part if part.axes else self.load(part) for part in parts)

    def assign_where(self, target: ast.Subscript, value: Value) -> bool:
        """``x[mask] = number``; False where the index is no mask."""
        if isinstance(target.slice, (ast.Slice, ast.Tuple)) or not is_number(value):
            return False
        mask = self.apart(lambda: self.value(target.slice))[0]
        if not isinstance(mask, Array) or mask.type.dtype != "bool":
            return False
        mask, place = self.settled(self.value(target.slice)), self.value(target.value)
        if not isinstance(place, Array) or not place.is_memory:
            self.source.refuse(target, "store")
        if len(mask.axes) != len(place.axes):
            self.source.refuse(target, "index")
        _, shape = self.fitted(target, place, mask)
        self.loops(shape, lambda k: choose(
            self, self.entry(mask, k), lambda: self.put(place, k, value), lambda: None))  # fmt: skip
        return True

    def bind(self, node: ast.AST, name: str, value: Value) -> Value:
        """What a name means after it is bound to a value: numbers are copied, arrays are not."""
        if type(value) is tuple:
            return tuple(self.bind(node, f"{name}_{k}", part) for k, part in enumerate(value))
        if isinstance(value, Array):
            value = self.stable(value)
        made = value.source if isinstance(value, Array) else value
        if isinstance(made, Var) and made.name == "t":
            made.name = name  # a temporary gets the name that it was made for
        if value is None or isinstance(value, (Array, Static, Unclear)):
            return value
        atom = self.number(node, value)
        var = Var(name, atom.type)
        self.write(var, atom)
        return var

    # What raises

    def read_Assert(self, s: ast.Assert) -> None:
        error = ast.Call(ast.Name("AssertionError"), [s.msg] if s.msg else [], [])
        test = ast.copy_location(ast.UnaryOp(ast.Not(), s.test), s)
        fails = ast.copy_location(ast.Raise(ast.fix_missing_locations(ast.copy_location(error, s))), s)
        self.read_If(ast.copy_location(ast.If(test, [fails], []), s))

    def read_Raise(self, s: ast.Raise) -> None:
        """An exception of Python with literal arguments; what follows is never reached."""
        node: Any = s.exc
        args = node.args if isinstance(node, ast.Call) else []
        kind: Any = None if node is None else self.value(node.func if isinstance(node, ast.Call) else node)
        name = getattr(getattr(kind, "object", None), "__name__", "")
        if (
            not name
            or getattr(builtins, name, None) is not kind.object
            or not all(isinstance(a, ast.Constant) for a in args)
        ):
            self.source.refuse(node or s, "raise")
        self.b.fail(error=f"{name}({', '.join(map(ast.unparse, args))})")

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
        self.path_names = (a, b)
        lost = [any(isinstance(t, ast.Raise) for t in body[-1:]) for body in (s.body, s.orelse)]
        if lost[0] != lost[1]:
            self.env = self.after(start, b if lost[0] else a)
            self.b.block.append(If(test, then, orelse, [], s.lineno))
            return None
        self.env = {name: Bound(bound.value, False) for name, bound in {**a, **b}.items()}
        for name in [name for name in a if name in b]:  # a set would be in another order in each process
            value = self.meet(name, s.lineno, (a[name], then), (b[name], orelse))
            self.env[name] = Bound(value, a[name].sure and b[name].sure)
        if then or orelse:
            self.b.block.append(If(test, then, orelse, [], s.lineno))
        self.measure_pending()

    def after(self, start: dict[str, Bound], end: dict[str, Bound]) -> dict[str, Bound]:
        """What names mean after a branch whose other side raises: arrays that it made are memory of that side alone."""

        def lasts(name: str, bound: Bound) -> bool:
            return bound.sure and (start.get(name) == bound or all(map(is_number, leaves(bound.value))))

        return {name: Bound(bound.value, lasts(name, bound)) for name, bound in end.items()}

    def turn(self, line: int, body: Callable[[], None]) -> list[Statement]:
        """Read a loop's body until names mean the same at its end and at its start."""
        loop = Loop()
        while True:
            before = self.env
            self.env = dict(before)
            _, block = self.apart(body)
            loop.block, loop.end = block, []
            self.spared(before, loop)
            self.path_names = (before, self.env)
            new = {n: Bound(loop.lasting(x.value), False) for n, x in self.env.items() if n not in before}
            meets = {
                name: self.meet(name, line, (x, self.b.block), (self.env[name], loop.end), loop)
                for name, x in before.items()
            }
            block += at_once(loop.end)
            self.env = {name: Bound(value, before[name].sure) for name, value in meets.items()}
            if all(value == before[name].value for name, value in meets.items()):
                self.env |= new
                return block

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

        block = self.turn(s.lineno, body)
        self.b.block.append(While(cond, test, block, [], s.lineno))

    def loop_on_flag(self, s: ast.stmt, read_test: Callable[[], Atom], read_body: Callable[[], None]) -> None:
        """A test that writes memory has derivatives: it is worked out before the loop and at the end of each turn."""
        flag = Var("test", BOOL)
        self.b.bind(flag, read_test())

        def body() -> None:
            read_body()
            self.b.bind(flag, read_test())

        block = self.turn(s.lineno, body)
        self.b.block.append(While([], flag, block, [], s.lineno))

    def read_For(self, s: Any) -> None:
        parts = parts_of(self, s.iter)
        if parts is not None:
            return self.over_parts(s, parts)
        run = turns(self, s.iter)
        if s.until:
            return self.counted(s, run)
        index = Var(s.target.id if isinstance(s.target, ast.Name) else "k", INT)

        def body() -> None:
            self.assign(s.target, run.element(index))
            self.block(s.body)

        block = self.turn(s.lineno, body)
        self.b.block.append(For(index, run.start, run.stop, run.step, block, [], False, s.lineno))

    def over_parts(self, s: Any, parts: tuple[Value, ...]) -> None:
        """A loop over a tuple is its body once for each part; what follows a break is skipped."""
        for part in parts:
            body = [ast.copy_location(ast.Assign([s.target], Given(part, s.iter)), s), *s.body]
            if s.until:
                body = [ast.copy_location(ast.If(ast.BoolOp(ast.And(), s.until), body, []), s)]
            self.block(ast.fix_missing_locations(ast.Module(body, [])).body)

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
