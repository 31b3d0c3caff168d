"""Statements: what names mean from line to line, and where paths meet.

Going forward, each name means a variable, an array, or a tuple of these.  Where two paths
meet (after an ``if``, at the start of a loop's next turn) a number that is int on one and
float on the other becomes float, as in numba; a loop is read again until the meanings at
the end of its body are those at its start.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

from dualgrad.core.build import is_const
from dualgrad.core.program import (
    INT,
    Atom,
    Const,
    For,
    If,
    Let,
    Program,
    Statement,
    Store,
    Type,
    Var,
    While,
    atoms_read,
    const,
    walk,
)

from .expressions import Expressions, unified
from .jumps import RESULT, ends, without_jumps
from .source import Source
from .values import ArgType, Array, Bound, Read, Static, Unclear, Value, leaves, mapped, wrap

Env = dict[str, Bound]


class Turns(NamedTuple):
    """What a ``for`` runs over: a range, and what the target gets at each index."""

    start: Atom
    stop: Atom
    step: Atom
    element: Callable[[Atom], Value]
    is_range: bool = False


def read_kernel(f: Any, argtypes: list[ArgType]) -> Read:
    """The source of ``f`` (a numba dispatcher or a plain function) as a program in surface form.

    Parameters
    ----------
    f : callable
        Its text is read with `inspect`, and again what it calls.
    argtypes : list
        For each argument a `Type`, a tuple of these, or a `Const` that fixes it; what is
        missing at the end takes its default.

    Raises
    ------
    KernelError
        Where the function uses what cannot be differentiated, with the user's line.
    """
    return Reader(f).read(list(argtypes))


class Reader(Expressions):
    """Reads one function; ``callers`` are the functions being read around it."""

    def __init__(self, f: Any, callers: tuple[Any, ...] = (), known: dict[Any, Read] | None = None):
        super().__init__()
        self.source = Source(f)
        self.callers = (*callers, self.source.function)
        self.known: dict[Any, Read] = {} if known is None else known
        tree = self.source.tree
        self.body = without_jumps(tree)
        self.assigned = bound_names(self.body)
        self.local = {*self.assigned, *self.source.params}
        self.returns = [n for n in ast.walk(tree) if isinstance(n, ast.Return) and not is_none(n.value)]

    def read(self, argtypes: list[ArgType]) -> Read:
        params = self.parameters(argtypes)
        self.block(self.body)
        result = self.result()
        program_params = [v for v in leaves(params) if isinstance(v, Var)]
        stored = {s.array for s in walk(self.b.block) if isinstance(s, Store)}
        writes = tuple(k for k, v in enumerate(program_params) if v in stored)
        results = leaves(result) if result is not None else [program_params[k] for k in writes]
        read = {a for s in walk(self.b.block) for a in atoms_read(s)}.union(results)
        inits = Reader.inits_of(self.inits, read)
        return Read(Program(self.source.name, program_params, inits + self.b.block, results), params, result, writes)

    @staticmethod
    def inits_of(inits: dict[Var, Const], read: set[Atom]) -> list[Statement]:
        from dualgrad.core.words import WORDS

        return [Let(v, WORDS["move"], (zero,)) for v, zero in inits.items() if v in read]

    def parameters(self, argtypes: list[ArgType]) -> tuple[Any, ...]:
        """Bind the parameters; those that the function assigns get variables of their own."""
        names, defaults = self.source.params, self.source.function.__defaults__ or ()
        missing = len(names) - len(argtypes)
        if not 0 <= missing <= len(defaults):
            self.source.refuse(self.source.tree, f"{self.source.name} takes {len(names)} arguments, not {len(argtypes)}")
        argtypes = argtypes + [wrap(d) for d in defaults[len(defaults) - missing :]]  # type: ignore[misc]
        params = tuple(parameter(name, t) for name, t in zip(names, argtypes, strict=True))
        for name, param in zip(names, params, strict=True):
            value = mapped(lambda v: Array(v) if v.type.rank else v, param)
            self.env[name] = Bound(value)
            if name in self.assigned:
                del self.env[name]
                self.assign(ast.Name(name), value)
        return params

    def result(self) -> Any:
        """What the function returns, as nested tuples of atoms; None if nothing."""
        if not self.returns:
            return None
        tree = self.source.tree
        bare = any(isinstance(n, ast.Return) and is_none(n.value) for n in ast.walk(tree))
        if bare or not ends(tree.body):
            self.source.refuse(tree, f"some paths of {tree.name} return a value and some return nothing",
                               hint="return a value on every path")  # fmt: skip
        last = self.returns[-1]
        value = self.value_Name(ast.copy_location(ast.Name(RESULT), last))
        for leaf in leaves(value):
            if isinstance(leaf, (Static, Unclear)) or isinstance(leaf, Array) and leaf.prefix:
                self.source.refuse(last, f"{ast.unparse(last)}: it is no number and no whole array",
                                   hint="return numbers, arrays and tuples of these")  # fmt: skip
        return mapped(lambda leaf: leaf.var if isinstance(leaf, Array) else leaf, value)

    def callee(self, node: ast.Call, f: Any, argtypes: list[ArgType]) -> Read:
        """Another kernel's program, read once for each combination of argument types."""
        derived = getattr(f, "__dualgrad_program__", None)
        if derived is not None:
            return derived(argtypes)
        if getattr(f, "py_func", f) in self.callers:
            self.source.refuse(node, f"{ast.unparse(node.func)} calls itself", "a program has no calls, it would not end",
                               "write the recursion as a loop")  # fmt: skip
        key = (f, *map(str, argtypes))
        if key not in self.known:
            self.known[key] = Reader(f, self.callers, self.known).read(argtypes)
        return self.known[key]

    # Statements

    def block(self, body: list[ast.stmt]) -> None:
        for s in body:
            self.b.line = s.lineno
            method = getattr(self, f"read_{type(s).__name__}", None)
            if method is None:
                self.source.fence(s)
            method(s)

    def read_Pass(self, s: ast.Pass) -> None:
        pass

    def read_Expr(self, s: ast.Expr) -> None:
        if isinstance(s.value, ast.Call):
            self.value(s.value)
        elif not isinstance(s.value, ast.Constant):
            self.source.fence(s.value)

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
            old = self.atom(ast.copy_location(ast.Name(s.target.id), s.target))
            self.assign(s.target, self.binary(s, s.op, old, self.atom(s.value)))

    def update(self, s: ast.AugAssign, target: ast.Subscript) -> None:
        """``a[i] += v`` accumulates; every other update loads, operates and stores."""
        place = self.place(target)
        block: list[Statement] = []
        with self.into(block):
            value = self.atom(s.value)
        calls_store = any(isinstance(t, Store) for t in walk(block))
        dtype = place.type.dtype
        if isinstance(s.op, (ast.Add, ast.Sub)) and not calls_store and unified(place.type, value.type).dtype == dtype:
            self.b.block.extend(block)
            value = self.b.neg(value) if isinstance(s.op, ast.Sub) else value
            self.b.store(place.var, place.prefix, self.cast(value, dtype), accumulate=True)
        else:
            old = self.load(place)
            self.b.block.extend(block)
            self.b.store(place.var, place.prefix, self.cast(self.binary(s, s.op, old, value), dtype))

    def place(self, target: ast.Subscript) -> Array:
        """The element that a store writes."""
        place = self.element(target, self.value(target.value))
        if place.type.rank:
            self.source.refuse(target, "a store into a part of an array", "whole arrays are not read yet",
                               "write the loop over its elements")  # fmt: skip
        return place

    def assign(self, target: ast.expr, value: Value) -> None:
        if isinstance(target, ast.Name):
            self.env[target.id] = Bound(self.bind(target, target.id, value))
        elif isinstance(target, ast.Subscript):
            place = self.place(target)
            number = self.cast(self.number(target, value), place.type.dtype)
            self.b.store(place.var, place.prefix, number)
        elif isinstance(target, (ast.Tuple, ast.List)):
            self.unpack(target, value)
        else:
            self.source.fence(target, target, f"assigning to {ast.unparse(target)}")

    def unpack(self, target: ast.Tuple | ast.List, value: Value) -> None:
        if type(value) is not tuple or len(value) != len(target.elts):
            self.source.refuse(target, f"{ast.unparse(target)} is assigned something that is no tuple of that length",
                               hint="index the array and assign one by one")  # fmt: skip
        overwritten = {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}
        old = {leaf for n in overwritten if n in self.env for leaf in leaves(self.env[n].value)}
        parts = [mapped(lambda leaf: self.stable(leaf) if leaf in old else leaf, part) for part in value]
        for element, part in zip(target.elts, parts, strict=True):
            self.assign(element, part)

    def bind(self, node: ast.AST, name: str, value: Value) -> Value:
        """What a name means after it is bound to a value: numbers are copied, arrays are not."""
        if type(value) is tuple:
            return tuple(self.bind(node, f"{name}_{k}", part) for k, part in enumerate(value))
        if isinstance(value, Array) and value.var.name == "t":
            value.var.name = name.strip(".")
        if isinstance(value, (Array, Static)):
            return value
        atom = self.number(node, value)
        now = self.env[name].value if name in self.env else None
        target = now if now in self.named and now.type == atom.type else self.variable(name, atom.type)  # type: ignore
        if not self.renamed(atom, target):  # type: ignore[arg-type]
            self.write(target, atom)  # type: ignore[arg-type]
        return target

    def variable(self, name: str, type: Type) -> Var:
        var = Var(name.strip("."), type)
        self.named.add(var)
        return var

    def renamed(self, atom: Atom, target: Var) -> bool:
        """Let the statement that made a temporary bind the target itself, if nothing in between minds."""
        if atom in self.named:
            return False
        for s in reversed(self.b.block):
            if isinstance(s, Let) and s.target is atom:
                s.target = target
                return True
            if not isinstance(s, Let) or s.target is target or target in s.args or atom in s.args:
                return False
        return False

    # Branches

    def read_If(self, s: ast.If) -> None:
        test = self.truth(s.test)
        if isinstance(test, Const):
            return self.block(s.body if test.value else s.orelse)
        start, line = self.env, s.lineno
        sides: list[tuple[Env, list[Statement]]] = []
        for body in (s.body, s.orelse):
            self.env = dict(start)
            block: list[Statement] = []
            with self.into(block):
                self.block(body)
            sides.append((self.env, block))
        (a, then), (b, orelse) = sides
        self.env = {}
        for name in {**a, **b}:
            x, y = a.get(name), b.get(name)
            if x is None or y is None:
                self.env[name] = Bound((x or y).value, False)  # type: ignore[union-attr]
            else:
                self.env[name] = Bound(self.meet(name, (x, then), (y, orelse)), x.sure and y.sure)
        if then or orelse:
            self.b.block.append(If(test, then, orelse, [], line))

    def meet(self, name: str, x: tuple[Bound, list[Statement]], y: tuple[Bound, list[Statement]]) -> Value:
        """One meaning for a name that two branches leave with different ones."""
        (a, then), (b, orelse) = x, y
        if a.value == b.value:
            return a.value
        if type(a.value) is tuple and type(b.value) is tuple and len(a.value) == len(b.value):
            pairs = zip(a.value, b.value, strict=True)
            return tuple(
                self.meet(name, (Bound(p, a.sure), then), (Bound(q, b.sure), orelse)) for p, q in pairs
            )  # fmt: skip
        if not is_number(a.value) or not is_number(b.value):
            return Unclear("it is bound to different arrays, or to an array and a number, in the two branches of an if")
        found = unified(a.value.type, b.value.type)
        fits = [v for v in (a.value, b.value) if v in self.named and v.type == found]
        target = fits[0] if fits else self.variable(name, found)
        for bound, block in (x, y):
            if bound.value is not target:
                self.move(name, target, bound, block)
        return target

    def move(self, name: str, target: Var, bound: Bound, block: list[Statement]) -> None:
        """Add ``target = value`` to a block."""
        if not bound.sure:
            self.settle(ast.Pass(), name, bound.value)
        with self.into(block):
            self.write(target, bound.value)  # type: ignore[arg-type]

    # Loops

    def turn(self, body: Callable[[], None]) -> list[Statement]:
        """Read a loop's body until names mean the same at its end and at its start."""
        while True:
            before, block = dict(self.env), []
            with self.into(block):
                body()
            after, self.env = self.env, dict(before)
            for name, bound in before.items():
                value = self.header(name, bound, after[name], block)
                self.env[name] = Bound(value, bound.sure)
            if all(self.env[name].value == bound.value for name, bound in before.items()):
                break
        for name, bound in after.items():
            self.env.setdefault(name, Bound(bound.value, False))
        return block

    def header(self, name: str, start: Bound, end: Bound, body: list[Statement]) -> Value:
        """What a name means at the start of every turn, given what it means before the loop and after a turn."""
        x, y = start.value, end.value
        if x == y or isinstance(x, Unclear):
            return x
        if type(x) is tuple and type(y) is tuple and len(x) == len(y):
            return tuple(
                self.header(name, Bound(p, start.sure), Bound(q, end.sure), body) for p, q in zip(x, y, strict=True)
            )
        if not is_number(x) or not is_number(y):
            return Unclear("a turn of the loop leaves it bound to another array, or to a number, than it found it bound to")
        found = unified(x.type, y.type)
        if x in self.named and x.type == found:
            self.move(name, x, end, body)
            return x
        target = self.variable(name, found)
        self.move(name, target, start, self.b.block)
        return target

    def read_While(self, s: ast.While) -> None:
        cond: list[Statement] = []
        test: Atom = const(True)

        def body() -> None:
            nonlocal test
            cond.clear()
            with self.into(cond):
                test = self.truth(s.test)
            self.block(s.body)

        block = self.turn(body)
        self.b.block.append(While(cond, test, block, [], s.lineno))

    def read_For(self, s: ast.For) -> None:
        turns = self.turns(s.iter)
        if s.until:  # type: ignore[attr-defined]
            return self.counted(s, turns)
        name = s.target.id if isinstance(s.target, ast.Name) else "k"
        loop = For(Var(name, INT), turns.start, turns.stop, turns.step, [], [], False, s.lineno)
        before = self.env.get(name)
        last, loops = self.loops.get(name, (self.variable(name, INT), []))
        free = before is None or before.value is last
        if not (turns.is_range and isinstance(s.target, ast.Name) and free and name not in bound_names(s.body)):
            loop.var.name = "k"
            loop.body = self.turn(lambda: (self.assign(s.target, turns.element(loop.var)), self.block(s.body))[1])
        else:
            loop.body = self.turn(lambda: self.indexed(name, loop.var, s.body))
            self.env[name] = Bound(last, False)
            self.loops[name] = (last, [*loops, loop])
        self.b.block.append(loop)

    def indexed(self, name: str, index: Var, body: list[ast.stmt]) -> None:
        """A body in which the name means the loop's own variable."""
        before = self.env.pop(name, None)
        self.env[name] = Bound(index)
        self.block(body)
        del self.env[name]
        if before is not None:
            self.env[name] = before

    def counted(self, s: ast.For, turns: Turns) -> None:
        """A ``for`` that may be left early is a ``while`` with a counter."""
        plain = is_const(turns.start, 0) and is_const(turns.step, 1)
        count = turns.stop if plain else self.b.length(turns.start, turns.stop, turns.step)
        count, k = self.stable(count), self.variable("k", INT)
        self.b.bind(k, const(0))
        cond: list[Statement] = []
        test: Atom = const(True)

        def body() -> None:
            nonlocal test
            cond.clear()
            with self.into(cond):
                test = self.b.lt(k, count)
                for flag in s.until:  # type: ignore[attr-defined]
                    test = self.b.and_(test, self.b.not_(self.value_Name(ast.Name(flag))))
            self.assign(s.target, turns.element(self.b.add(turns.start, self.b.mul(k, turns.step))))
            self.block(s.body)
            self.b.bind(k, self.b.add(k, const(1)))

        block = self.turn(body)
        self.b.block.append(While(cond, test, block, [], s.lineno))

    def turns(self, node: ast.expr) -> Turns:
        """What ``for … in node`` runs over."""
        function = self.value(node.func) if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)) else None
        called = function.object if isinstance(function, Static) else None
        if called is range or getattr(called, "__name__", "") == "prange":
            assert isinstance(node, ast.Call)
            given = [self.stable(self.atom(n)) for n in node.args]
            start, stop = (const(0), given[0]) if len(given) == 1 else given[:2]
            return Turns(start, stop, given[2] if len(given) == 3 else const(1), lambda k: k, True)
        if called is enumerate:
            inner, first = self.turns(node.args[0]), self.atom(node.args[1]) if len(node.args) > 1 else const(0)
            count, element = self.from_zero(inner)
            return Turns(const(0), count, const(1), lambda k: (self.b.add(k, first), element(k)))
        if called is builtins.zip:
            parts = [self.from_zero(self.turns(n)) for n in node.args]
            count = self.fold("minimum", tuple(c for c, _ in parts))
            return Turns(const(0), count, const(1), lambda k: tuple(element(k) for _, element in parts))
        array = self.value(node)
        if not isinstance(array, Array):
            self.no_loop(node)
        return Turns(const(0), self.shape(array)[0], const(1), lambda k: self.item(array, k))

    def no_loop(self, node: ast.expr) -> NoReturn:
        self.source.refuse(node, f"a loop over {ast.unparse(node)} cannot be differentiated in a kernel",
                           hint="loop over range, an array, enumerate or zip")  # fmt: skip

    def item(self, array: Array, k: Atom) -> Value:
        part = Array(array.var, (*array.prefix, k))
        return part if part.type.rank else self.load(part)

    def from_zero(self, turns: Turns) -> tuple[Atom, Callable[[Atom], Value]]:
        """Number of turns, and what the target gets in turn k."""
        if not turns.is_range:
            return turns.stop, turns.element
        count = self.b.length(turns.start, turns.stop, turns.step)
        return count, lambda k: self.b.add(turns.start, self.b.mul(k, turns.step))


def parameter(name: str, t: ArgType) -> Any:
    """The variables of one parameter."""
    if type(t) is tuple:
        return tuple(parameter(f"{name}_{k}", part) for k, part in enumerate(t))
    return t if isinstance(t, Const) else Var(name, t)  # type: ignore[arg-type]


def bound_names(body: list[ast.stmt]) -> set[str]:
    """Every name that statements bind."""
    nodes = (n for s in body for n in ast.walk(s))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def is_number(value: Value) -> bool:
    return isinstance(value, (Var, Const))


def is_none(node: ast.expr | None) -> bool:
    return node is None or isinstance(node, ast.Constant) and node.value is None
