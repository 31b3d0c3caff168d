"""Jumps become flags: after this pass a body has no break, continue or return.

``return v`` becomes ``.result = v; .done = True``, ``break`` raises a flag that ends its
loop, ``continue`` one that skips the rest of the turn; what follows runs only if no flag is
up.  After ``if c: <jump>`` the rest simply moves into the else branch.  A ``for`` that may
be left early carries its flags as ``until``, a ``while`` has them in its test.
"""

from __future__ import annotations

import ast
from typing import Any

RESULT, DONE = ".result", ".done"  # names that no Python variable can have
JUMPS = (ast.Return, ast.Break, ast.Continue)  # a raise needs no flag: nothing follows it
Loop = ast.For | ast.While
Block = list[ast.stmt]


def without_jumps(function: ast.FunctionDef) -> Block:
    """The body of a function with its jumps rewritten."""
    body = [setting(DONE, False), *_Jumps().block(function.body, 0)]
    return [ast.fix_missing_locations(ast.copy_location(s, s if hasattr(s, "lineno") else function)) for s in body]


def ends(body: Block) -> bool:
    """Whether control never leaves a block at its end."""
    last = body[-1] if body else None
    if isinstance(last, ast.If):
        return ends(last.body) and ends(last.orelse)
    if isinstance(last, ast.While) and isinstance(last.test, ast.Constant) and last.test.value:
        return not any("break" in flag for s in last.body for flag in raised(s, 0))
    return isinstance(last, (*JUMPS, ast.Raise))


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
                value: Any = getattr(s, "value", None)
                result = [] if is_none(value) else [ast.Assign([ast.Name(RESULT, ast.Store())], value)]
                new, rest = [*result, *(setting(flag, True) for flag in flags)], []
            elif isinstance(s, ast.If):
                then, orelse = s.body, s.orelse
                if flags and ends(then):
                    orelse, rest = orelse + rest, []
                elif flags and ends(orelse):
                    then, rest = then + rest, []
                new = [ast.If(s.test, self.block(then, loop), self.block(orelse, loop))]
            else:
                new = self.loop(s, loop) if isinstance(s, Loop) else [s]
            out += [ast.copy_location(n, s) for n in new]
            if flags:
                guarded = ast.If(ast.BoolOp(ast.And(), lowered(flags)), self.block(rest, loop), [])
                return [*out, ast.copy_location(guarded, s)] if rest else out
        return out

    def loop(self, s: Loop, outer: int) -> Block:
        self.loops += 1
        flags = set().union(*(raised(inner, self.loops) for inner in s.body))
        here, until = {f for f in flags if f != DONE}, {f for f in flags if "continue" not in f}
        skip = [setting(flag, False) for flag in here - until]
        body = [ast.copy_location(n, s) for n in skip] + self.block(s.body, self.loops)
        if isinstance(s, ast.While):
            new: Loop = ast.While(ast.BoolOp(ast.And(), [*lowered(until), s.test]) if until else s.test, body, [])
        else:
            new = ast.For(s.target, s.iter, body, [])
            new.until = lowered(until)  # type: ignore[attr-defined]
        after = self.block(s.orelse, outer)
        if until and after:
            after = [ast.If(ast.BoolOp(ast.And(), lowered(until)), after, [])]
        return [*(setting(flag, False) for flag in here & until), new, *after]


def setting(flag: str, value: bool) -> ast.stmt:
    return ast.Assign([ast.Name(flag, ast.Store())], ast.Constant(value))


def lowered(flags: set[str]) -> list[ast.expr]:
    """Tests that no flag is up."""
    return [ast.UnaryOp(ast.Not(), ast.Name(flag, ast.Load())) for flag in sorted(flags)]
