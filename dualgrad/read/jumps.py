"""Jumps become flags: after this pass a body has no break, continue or return.

``return v`` becomes ``.result = v; .done = True``, ``break`` raises a flag that ends its
loop, ``continue`` one that skips the rest of the turn; what follows runs only if no flag is
up.  After ``if c: <jump>`` the rest simply moves into the else branch, and a flag that
nobody tests is not set.  A loop that may be left early carries its flags as ``until``.
"""

from __future__ import annotations

import ast

RESULT, DONE = ".result", ".done"  # names that no Python variable can have
JUMPS = (ast.Return, ast.Break, ast.Continue)
Loop = ast.For | ast.While
Block = list[ast.stmt]


def without_jumps(function: ast.FunctionDef) -> Block:
    """The body of a function with its jumps rewritten."""
    body = _Jumps().block(function.body, 0)
    whole = ast.Module([assign(DONE, ast.Constant(False), function), *body], [])
    tested = {n.id for n in ast.walk(whole) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    tested.update(flag for n in ast.walk(whole) for flag in getattr(n, "until", ()))
    return _Untested(tested).visit(ast.fix_missing_locations(whole)).body


def ends(body: Block) -> bool:
    """Whether control never leaves a block at its end."""
    last = body[-1] if body else None
    if isinstance(last, ast.If):
        return ends(last.body) and ends(last.orelse)
    if isinstance(last, ast.While) and isinstance(last.test, ast.Constant) and last.test.value:
        return not any("break" in flag for s in last.body for flag in raised(s, 0))
    return isinstance(last, JUMPS)


def is_none(value: ast.expr | None) -> bool:
    """Whether a return gives back nothing."""
    return value is None or isinstance(value, ast.Constant) and value.value is None


def raised(s: ast.stmt, loop: int) -> set[str]:
    """The flags that a statement inside the given loop may raise for what follows it."""
    if isinstance(s, ast.Return):
        return {DONE}
    if isinstance(s, (ast.Break, ast.Continue)):
        return {f".{type(s).__name__.lower()}{loop}"}
    if isinstance(s, ast.If):
        return {flag for inner in s.body + s.orelse for flag in raised(inner, loop)}
    if isinstance(s, Loop):
        done = {DONE} if any(isinstance(n, ast.Return) for n in ast.walk(s)) else set()
        return done.union(*(raised(inner, loop) for inner in s.orelse))
    return set()


class _Jumps:
    loops = 0

    def block(self, body: Block, loop: int) -> Block:
        """A block of the given loop (0: of none): jumps rewritten, what follows them guarded."""
        out: Block = []
        for k, s in enumerate(body):
            rest, flags = body[k + 1 :], raised(s, loop)
            if isinstance(s, JUMPS):
                value = s.value if isinstance(s, ast.Return) else None
                result = [] if is_none(value) else [assign(RESULT, value, s)]
                return out + result + [assign(flag, ast.Constant(True), s) for flag in flags]
            if isinstance(s, ast.If) and flags and rest and ends(s.body):
                return out + [self.branch(s, s.body, s.orelse + rest, loop)]
            if isinstance(s, ast.If) and flags and rest and ends(s.orelse):
                return out + [self.branch(s, s.body + rest, s.orelse, loop)]
            out += self.inside(s, loop)
            if flags:
                return out + (guard(flags, self.block(rest, loop), s) if rest else [])
        return out

    def branch(self, s: ast.If, body: Block, orelse: Block, loop: int) -> ast.If:
        return at(s, ast.If(s.test, self.block(body, loop), self.block(orelse, loop)))

    def inside(self, s: ast.stmt, loop: int) -> Block:
        if isinstance(s, ast.If):
            return [self.branch(s, s.body, s.orelse, loop)]
        return self.loop(s, loop) if isinstance(s, Loop) else [s]

    def loop(self, s: Loop, outer: int) -> Block:
        self.loops += 1
        here, skip = self.loops, f".continue{self.loops}"
        until = sorted(set().union(*(raised(inner, here) for inner in s.body)) - {skip})
        body = [assign(skip, ast.Constant(False), s), *self.block(s.body, here)]
        if isinstance(s, ast.While):
            new: Loop = ast.While(ast.BoolOp(ast.And(), [*lowered(until), s.test]) if until else s.test, body, [])
        else:
            new = ast.For(s.target, s.iter, body, [])
            new.until = until  # type: ignore[attr-defined]
        orelse = self.block(s.orelse, outer)
        after = guard(until, orelse, s) if until and orelse else orelse
        return [assign(f".break{here}", ast.Constant(False), s), at(s, new), *after]


def assign(name: str, value: ast.expr, place: ast.stmt) -> ast.stmt:
    return at(place, ast.Assign([ast.Name(name, ast.Store())], value))


def lowered(flags: set[str] | list[str]) -> list[ast.expr]:
    """Tests that no flag is up."""
    return [ast.UnaryOp(ast.Not(), ast.Name(flag, ast.Load())) for flag in sorted(flags)]


def guard(flags: set[str] | list[str], body: Block, place: ast.stmt) -> Block:
    return [at(place, ast.If(ast.BoolOp(ast.And(), lowered(flags)), body, []))]


def at(place: ast.AST, node):  # noqa: ANN001, ANN201  (any node in, the same node out)
    return ast.copy_location(node, place)


class _Untested(ast.NodeTransformer):
    """Leaves out the flags that nobody tests."""

    def __init__(self, tested: set[str]):
        self.tested = tested

    def visit_Assign(self, node: ast.Assign) -> ast.Assign | None:
        name = getattr(node.targets[0], "id", "")
        return None if name.startswith(".") and name != RESULT and name not in self.tested else node
