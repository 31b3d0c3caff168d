"""Statements: what names mean from line to line, and where paths meet.

Going forward, each name means a number's variable, an array, or a tuple of these.  Where
two paths meet (after an ``if``, at the start of a loop's next turn) a number that is int on
one and float on the other becomes float, as in numba; a loop is read again until the
meanings at the end of its body are those at its start.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from dualgrad.core.build import is_const
from dualgrad.core.program import INT, Atom, Const, For, If, Let, Statement, Store, Type, Var, While, const, walk

from .expressions import Expressions
from .loops import Turns, turns
from .values import Array, Bound, Static, Unclear, Value, leaves, mapped, unified

MIXED = "two paths that meet here (branches, or the turns of a loop) bind it to different arrays"
Side = tuple[Bound, list[Statement]]  # what a name means at the end of a path, and the path


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
        if len(s.targets) > 1:
            value = self.bind(s, ".t", value)
        for target in s.targets:
            self.assign(target, value)

    def read_AnnAssign(self, s: ast.AnnAssign) -> None:
        if s.value is not None:
            self.assign(s.target, self.value(s.value))

    def read_AugAssign(self, s: ast.AugAssign) -> None:
        if isinstance(s.target, ast.Subscript):
            self.update(s, s.target)
        else:
            old = self.atom(ast.copy_location(ast.Name(s.target.id), s.target))
            self.assign(s.target, self.binary(s, s.op, old, self.atom(s.value)))

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
        if place.type.rank:
            what = f"{ast.unparse(target)}, a part of an array, is assigned as a whole"
            self.source.refuse(target, what, hint="write the loop over its elements")
        return place

    def assign(self, target: ast.expr, value: Value) -> None:
        if isinstance(target, ast.Name):
            self.env[target.id] = Bound(self.bind(target, target.id, value))
        elif isinstance(target, ast.Subscript):
            place = self.place(target)
            self.b.store(place.var, place.prefix, self.cast(self.number(target, value), place.type.dtype))
        elif isinstance(target, (ast.Tuple, ast.List)):
            self.unpack(target, value)
        else:
            self.source.fence(target, f"assigning to {ast.unparse(target)}")

    def unpack(self, target: ast.Tuple | ast.List, value: Value) -> None:
        if type(value) is not tuple or len(value) != len(target.elts):
            self.source.refuse(
                target, f"{ast.unparse(target)} is assigned what is no tuple of that length", hint="use indices"
            )
        names = {n.id for n in ast.walk(target) if isinstance(n, ast.Name)} & self.env.keys()
        overwritten = {leaf for name in names for leaf in leaves(self.env[name].value)}
        value = mapped(lambda leaf: self.stable(leaf) if leaf in overwritten else leaf, value)
        for element, part in zip(target.elts, value, strict=True):
            self.assign(element, part)

    def bind(self, node: ast.AST, name: str, value: Value) -> Value:
        """What a name means after it is bound to a value: numbers are copied, arrays are not."""
        if type(value) is tuple:
            return tuple(self.bind(node, f"{name}_{k}", part) for k, part in enumerate(value))
        if isinstance(value, (Array, Static)):
            if isinstance(value, Array) and value.var.name == "t":
                value.var.name = name.strip(".")
            return value
        atom = self.number(node, value)
        now = self.env[name].value if name in self.env else None
        target = now if self.may_bind(now, atom.type) else self.variable(name, atom.type)
        if not self.renamed(atom, target):
            self.write(target, atom)
        return target

    def variable(self, name: str, type: Type) -> Var:
        var = Var(name.strip("."), type)
        self.named.add(var)
        return var

    def may_bind(self, value: Value, type: Type) -> bool:
        return isinstance(value, Var) and value in self.named and value.type == type

    def renamed(self, atom: Atom, target: Var) -> bool:
        """Let the statement that made a temporary bind the target itself, if nothing in between minds."""
        for s in reversed(self.b.block if atom not in self.named else []):
            if isinstance(s, Let) and s.target is atom:
                s.target = target
                return True
            if not isinstance(s, Let) or s.target is target or target in s.args or atom in s.args:
                break
        return False

    # Where paths meet

    def read_If(self, s: ast.If) -> None:
        test = self.truth(s.test)
        if isinstance(test, Const):
            return self.block(s.body if test.value else s.orelse)
        start = self.env
        paths = []
        for body in (s.body, s.orelse):
            self.env = dict(start)
            _, block = self.apart(lambda body=body: self.block(body))
            paths.append((self.env, block))
        (a, then), (b, orelse) = paths
        self.env = {}
        for name in {**a, **b}:
            if name in a and name in b:
                self.env[name] = self.meet(name, (a[name], then), (b[name], orelse))
            else:
                self.env[name] = Bound(a.get(name, b.get(name)).value, False)
        if then or orelse:
            self.b.block.append(If(test, then, orelse, [], s.lineno))

    def turn(self, body: Callable[[], None]) -> list[Statement]:
        """Read a loop's body until names mean the same at its end and at its start."""
        while True:
            before = dict(self.env)
            _, block = self.apart(body)
            after, self.env = self.env, dict(before)
            for name, bound in before.items():
                value = self.meet(name, (bound, self.b.block), (after[name], block)).value
                self.env[name] = Bound(value, bound.sure)
            if all(self.env[name].value == bound.value for name, bound in before.items()):
                self.env |= {name: Bound(b.value, False) for name, b in after.items() if name not in before}
                return block

    def meet(self, name: str, a: Side, b: Side) -> Bound:
        """One meaning for a name that two paths leave with different ones."""
        (x, x_sure), (y, y_sure) = a[0], b[0]
        sure = x_sure and y_sure
        if x == y:
            return Bound(x, sure)
        if type(x) is type(y) is tuple and len(x) == len(y):
            pairs = [((Bound(p, x_sure), a[1]), (Bound(q, y_sure), b[1])) for p, q in zip(x, y, strict=True)]
            return Bound(tuple(self.meet(name, *pair).value for pair in pairs), sure)
        if not all(isinstance(v, (Var, Const)) for v in (x, y)):
            return Bound(
                x if isinstance(x, Unclear) else Unclear("two paths that meet here bind it to different arrays"), sure
            )
        found = unified(x.type, y.type)
        target = next((v for v in (x, y) if self.may_bind(v, found)), None) or self.variable(name, found)
        for bound, block in (a, b):
            if bound.value is not target:
                if not bound.sure:
                    self.settle(ast.Pass(), name, bound.value)
                with self.into(block):
                    self.write(target, bound.value)
        return Bound(target, sure)

    # Loops

    def read_While(self, s: ast.While) -> None:
        self.loop_while(s, lambda: self.truth(s.test), lambda: self.block(s.body))

    def loop_while(self, s: ast.stmt, read_test: Callable[[], Atom], read_body: Callable[[], None]) -> None:
        cond: list[Statement] = []
        test: Atom = const(True)

        def body() -> None:
            nonlocal test, cond
            test, cond = self.apart(read_test)
            read_body()

        block = self.turn(body)
        self.b.block.append(While(cond, test, block, [], s.lineno))

    def read_For(self, s: ast.For) -> None:
        run = turns(self, s.iter)
        if s.until:  # type: ignore[attr-defined]
            return self.counted(s, run)
        name = s.target.id if isinstance(s.target, ast.Name) else ""
        loop = For(Var("k", INT), run.start, run.stop, run.step, [], [], False, s.lineno)
        last, loops = self.loops.get(name) or (self.variable(name, INT), [])
        is_new = name not in self.env or self.env[name].value is last
        if run.is_range and name and is_new and name not in bound_names(s.body):
            loop.var.name = name
            loop.body = self.turn(lambda: self.indexed(name, loop.var, s.body))
            self.env[name] = Bound(last, False)
            self.loops[name] = (last, [*loops, loop])
        else:
            loop.body = self.turn(lambda: self.assign(s.target, run.element(loop.var)) or self.block(s.body))
        self.b.block.append(loop)

    def indexed(self, name: str, index: Var, body: list[ast.stmt]) -> None:
        """A body in which the name means the loop's own variable."""
        before = self.env.pop(name, None)
        self.env[name] = Bound(index)
        self.block(body)
        del self.env[name]
        if before is not None:
            self.env[name] = before

    def counted(self, s: ast.For, run: Turns) -> None:
        """A ``for`` that may be left early is a ``while`` with a counter."""
        run = run._replace(start=self.stable(run.start), stop=self.stable(run.stop), step=self.stable(run.step))
        plain = is_const(run.start, 0) and is_const(run.step, 1)
        count = run.stop if plain else self.b.length(run.start, run.stop, run.step)
        k = self.variable("k", INT)
        self.b.bind(k, const(0))

        def test() -> Atom:
            flags = [self.value_Name(ast.Name(flag)) for flag in s.until]  # type: ignore[attr-defined]
            return self.fold("and_", (self.b.lt(k, count), *(self.b.not_(flag) for flag in flags)))

        def body() -> None:
            self.assign(s.target, run.element(self.b.add(run.start, self.b.mul(k, run.step))))
            self.block(s.body)
            self.b.bind(k, self.b.add(k, const(1)))

        self.loop_while(s, test, body)


def bound_names(body: list[ast.stmt]) -> set[str]:
    """Every name that statements bind."""
    nodes = (n for s in body for n in ast.walk(s))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


__all__ = ["Any", "Statements", "bound_names"]
