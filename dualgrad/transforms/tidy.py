"""Tidy: fold what is known, share what is equal, drop what nothing reads.

Nothing here changes a value, NaN and infinities included: a product with a literal zero
stays a product, because only structural zeros (never emitted at all) may vanish.
"""

from __future__ import annotations

from typing import Any

from dualgrad.core.build import fold
from dualgrad.core.program import (
    Atom,
    Carry,
    For,
    If,
    Join,
    Let,
    Program,
    Statement,
    Store,
    Var,
    While,
    blocks_of,
    vars_bound,
    walk,
)

Names = dict[Var, Atom]
EFFECTS = ("full", "copy", "grow", "load", "series")  # words that must not be shared


def tidy(program: Program) -> Program:
    """The same program, smaller."""
    while True:
        names: Names = {}
        body = _share(program.body, names, {})
        results = [_name(a, names) for a in program.results]
        program = Program(program.name, program.params, body, results, program.linear)
        program.body = _drop(program)
        if not _settle(program):
            return program


def _name(atom: Atom, names: Names) -> Atom:
    while isinstance(atom, Var) and atom in names:
        atom = names[atom]
    return atom


def _key(atom: Atom) -> Any:
    """0.0 and -0.0 are equal but not the same value."""
    return atom if isinstance(atom, Var) else (repr(atom.value), atom.type)


def _share(block: list[Statement], names: Names, known: dict[Any, Var]) -> list[Statement]:
    """Fold, and give equal values (of words without memory) one variable."""
    out: list[Statement] = []
    known = dict(known)
    for s in block:
        if isinstance(s, Let):
            args = tuple(_name(a, names) for a in s.args)
            same = fold(s.word.name, args)
            key = (s.word.name, tuple(map(_key, args)), tuple(sorted(s.params.items())), s.target.type)
            if same is None and s.word.name == "move" and args[0].type == s.target.type:
                same = args[0]
            if same is None and s.word.name not in EFFECTS:
                same = known.get(key)
            if same is not None:
                names[s.target] = same
                continue
            known[key] = s.target
            out.append(Let(s.target, s.word, args, s.params, s.line))
        elif isinstance(s, Store):
            index = tuple(_name(a, names) for a in s.index)
            out.append(Store(_name(s.array, names), index, _name(s.value, names), s.accumulate, s.line))
        elif isinstance(s, If):
            new = If(_name(s.test, names), _share(s.then, names, known), _share(s.orelse, names, known), [], s.line)
            new.joins = [Join(j.out, _name(j.then, names), _name(j.orelse, names)) for j in s.joins]
            out.append(new)
        else:
            out.append(_share_loop(s, names, known))
    return out


def _share_loop(s: For | While, names: Names, known: dict[Any, Var]) -> For | While:
    inits = [_name(c.init, names) for c in s.carries]
    if isinstance(s, For):
        head = [_name(a, names) for a in (s.start, s.stop, s.step)]
        new: For | While = For(s.var, *head, _share(s.body, names, known), [], s.reverse, s.line)
    else:
        cond = _share(s.cond, names, known)
        new = While(cond, _name(s.test, names), _share(s.body, names, known), [], s.line)
    new.carries = [
        Carry(c.inner, init, _name(c.next, names), c.out) for c, init in zip(s.carries, inits, strict=True)
    ]
    return new


def _settle(program: Program) -> bool:
    """Remove carries that never change and joins of one value; whether anything was removed."""
    names: Names = {}
    for s in walk(program.body):
        if isinstance(s, (For, While)):
            for c in list(s.carries):
                if c.next is c.inner or c.next == c.init:
                    names[c.inner] = names[c.out] = c.init
                    s.carries.remove(c)
        elif isinstance(s, If):
            for j in list(s.joins):
                if j.then == j.orelse:
                    names[j.out] = j.then
                    s.joins.remove(j)
    if names:
        program.body = _share(program.body, names, {})
        program.results = [_name(a, names) for a in program.results]
    return bool(names)


def _drop(program: Program) -> list[Statement]:
    """Dead code elimination: mark from the results and the parameters' memory, keep what is marked."""
    live = {a for a in program.results if isinstance(a, Var)} | set(program.params)
    size = -1
    while len(live) != size:
        size = len(live)
        _mark(program.body, live)
    return _keep(program.body, live)


def _mark(block: list[Statement], live: set[Var]) -> bool:
    """Add what live statements read; whether the block has a live statement."""
    alive = False
    for s in reversed(block):
        reads: tuple[Atom, ...] = ()
        if isinstance(s, Let):
            reads = s.args if s.target in live else ()
            alive |= s.target in live
        elif isinstance(s, Store):
            reads = (*s.index, s.value) if s.array in live else ()
            alive |= s.array in live
        else:
            reads = _mark_control(s, live)
            alive |= is_live(s, live)
        live.update(a for a in reads if isinstance(a, Var))
    return alive


def _mark_control(s: For | While | If, live: set[Var]) -> tuple[Atom, ...]:
    reads: list[Atom] = []
    if isinstance(s, If):
        for j in s.joins:
            if j.out in live:
                reads += [j.then, j.orelse]
    else:
        for c in s.carries:
            if c.out in live or c.inner in live:
                reads += [c.init, c.next]
    live.update(a for a in reads if isinstance(a, Var))
    if is_live(s, live):
        reads += [s.start, s.stop, s.step] if isinstance(s, For) else [s.test]
    live.update(a for a in reads if isinstance(a, Var))
    for inner in blocks_of(s):
        _mark(inner, live)
    return tuple(reads)


def is_live(s: Statement, live: set[Var]) -> bool:
    """Whether something that a statement does is read."""
    if isinstance(s, Store):
        return s.array in live
    if any(v in live for v in vars_bound(s) if not (isinstance(s, For) and v is s.var)):
        return True
    bodies = [s.body] if isinstance(s, While) else blocks_of(s)
    return any(is_live(t, live) for inner in bodies for t in inner)


def _keep(block: list[Statement], live: set[Var]) -> list[Statement]:
    out: list[Statement] = []
    for s in block:
        if not is_live(s, live):
            continue
        if isinstance(s, For):
            s.body = _keep(s.body, live)
        elif isinstance(s, While):
            s.cond, s.body = _keep(s.cond, live), _keep(s.body, live)
        elif isinstance(s, If):
            s.then, s.orelse = _keep(s.then, live), _keep(s.orelse, live)
            s.joins = [j for j in s.joins if j.out in live]
        if isinstance(s, (For, While)):
            s.carries = [c for c in s.carries if c.out in live or c.inner in live]
        out.append(s)
    return out
