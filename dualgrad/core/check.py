"""The checker: what every transform's output must satisfy.

Single assignment, no variable read outside the block that binds it, types as the words
infer them, carries and joins of one type.
"""

from __future__ import annotations

from .errors import ProgramError
from .program import Atom, For, If, Let, Program, Statement, Store, Var, While


def check(program: Program) -> Program:
    """Return the program, or raise `ProgramError` saying which statement is wrong."""
    seen: set[Var] = set()
    scope: set[Var] = set()
    for v in program.params:
        _bind(v, scope, seen)
    _block(program.body, scope, seen)
    for a in program.results:
        _read(a, scope, "the results")
    return program


def _bind(var: Var, scope: set[Var], seen: set[Var]) -> None:
    if var in seen:
        raise ProgramError(f"{var} is bound twice", where="")
    seen.add(var)
    scope.add(var)


def _read(atom: Atom, scope: set[Var], where: object) -> None:
    if isinstance(atom, Var) and atom not in scope:
        raise ProgramError(f"{atom} is read where it is not bound, in {where}", where="")


def _same(a: Atom, b: Atom, where: object) -> None:
    if a.type != b.type:
        raise ProgramError(f"types differ: {a!r} is {a.type}, {b!r} is {b.type}, in {where}", where="")


def _block(block: list[Statement], scope: set[Var], seen: set[Var]) -> None:
    for s in block:
        if isinstance(s, Let):
            for a in s.args:
                _read(a, scope, s)
            expected = s.word.infer([a.type for a in s.args], s.params)
            if expected != s.target.type:
                raise ProgramError(f"{s.target} should be {expected}, in {s}", where="")
            _bind(s.target, scope, seen)
        elif isinstance(s, Store):
            for a in (s.array, s.value, *s.index):
                _read(a, scope, s)
            if len(s.index) not in (0, s.array.type.rank) or s.value.type.dtype != s.array.type.dtype:
                raise ProgramError(f"{s.value!r} ({s.value.type}) cannot be stored in {s}", where="")
        elif isinstance(s, If):
            _branch(s, scope, seen)
        else:
            _loop(s, scope, seen)


def _branch(s: If, scope: set[Var], seen: set[Var]) -> None:
    _read(s.test, scope, s)
    then, orelse = set(scope), set(scope)
    _block(s.then, then, seen)
    _block(s.orelse, orelse, seen)
    for j in s.joins:
        _read(j.then, then, j)
        _read(j.orelse, orelse, j)
        _same(j.then, j.out, j)
        _same(j.orelse, j.out, j)
        _bind(j.out, scope, seen)


def _loop(s: For | While, scope: set[Var], seen: set[Var]) -> None:
    for c in s.carries:
        _read(c.init, scope, c)
        _same(c.init, c.inner, c)
        _same(c.inner, c.out, c)
    inside = set(scope)
    for c in s.carries:
        _bind(c.inner, inside, seen)
    if isinstance(s, For):
        for a in (s.start, s.stop, s.step):
            _read(a, scope, s)
        _bind(s.var, inside, seen)
    else:
        within = set(inside)
        _block(s.cond, within, seen)
        _read(s.test, within, s.test)
    _block(s.body, inside, seen)
    for c in s.carries:
        _read(c.next, inside, c)
        _same(c.next, c.inner, c)
        _bind(c.out, scope, seen)
