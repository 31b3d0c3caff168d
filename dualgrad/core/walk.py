"""Ways through a program: every statement, what each one reads and binds, and the same statement over other atoms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from .program import Atom, Block, Carry, For, If, Join, Let, Statement, Store, Var, While, variable


def blocks_of(statement: Statement) -> list[Block]:
    """The blocks directly inside a statement."""
    if isinstance(statement, For):
        return [statement.body]
    if isinstance(statement, While):
        return [statement.cond, statement.body]
    if isinstance(statement, If):
        return [statement.then, statement.orelse]
    return []


def walk(block: Block) -> Iterator[Statement]:
    """Every statement of a block and of the blocks inside, outer ones first."""
    for statement in block:
        yield statement
        for inner in blocks_of(statement):
            yield from walk(inner)


def lets(block: Block) -> Iterator[Let]:
    """The statements of a straight line."""
    for statement in block:
        assert isinstance(statement, Let)
        yield statement


def atoms_read(statement: Statement) -> Iterator[Atom]:
    """The atoms a statement itself reads (not those read in its inner blocks)."""
    if isinstance(statement, Let):
        yield from statement.args
    elif isinstance(statement, Store):
        yield statement.array
        yield from statement.index
        yield statement.value
    elif isinstance(statement, If):
        yield statement.test
        yield from (a for j in statement.joins for a in (j.then, j.orelse))
    else:
        yield from head_of(statement)
        yield from (a for c in statement.carries for a in (c.init, c.next))


def head_of(loop: For | While) -> tuple[Atom, ...]:
    """What says how often a loop turns."""
    return (loop.start, loop.stop, loop.step) if isinstance(loop, For) else (loop.test,)


def vars_bound(statement: Statement) -> Iterator[Var]:
    """The variables a statement itself binds, loop variables and carries included."""
    if isinstance(statement, Let):
        yield statement.target
    elif isinstance(statement, (For, While)):
        if isinstance(statement, For):
            yield statement.var
        yield from (v for c in statement.carries for v in (c.inner, c.out))
    elif isinstance(statement, If):
        yield from (j.out for j in statement.joins)


def free_vars(block: Block, results: list[Atom], bound: set[Var]) -> list[Var]:
    """Variables read in a block that nothing in it binds, in the order of reading."""
    bound = bound | {v for s in walk(block) for v in vars_bound(s)}
    reads = [a for s in walk(block) for a in atoms_read(s)] + list(results)
    return list(dict.fromkeys(a for a in reads if isinstance(a, Var) and a not in bound))


def rebuilt(s: Statement, atom: Callable[[Atom], Atom], block: Callable[[Block], Block]) -> Statement:
    """The statement with its blocks replaced, and then the atoms that it reads; it binds what it did."""
    if isinstance(s, Let):
        return Let(s.target, s.word, tuple([atom(a) for a in s.args]), s.params, s.line)
    if isinstance(s, Store):
        array, index = variable(atom(s.array)), tuple([atom(a) for a in s.index])
        return Store(array, index, atom(s.value), s.accumulate, s.line)
    if isinstance(s, If):
        test, then, orelse = atom(s.test), block(s.then), block(s.orelse)
        return If(test, then, orelse, [Join(j.out, atom(j.then), atom(j.orelse)) for j in s.joins], s.line)
    if isinstance(s, For):
        start, stop, step = map(atom, head_of(s))
        new: For | While = For(s.var, start, stop, step, block(s.body), [], s.reverse, s.line, s.checkpoint, s.sweep)
    else:
        cond = block(s.cond)
        new = While(cond, atom(s.test), block(s.body), [], s.line, s.checkpoint)
    new.carries = [Carry(c.inner, atom(c.init), atom(c.next), c.out) for c in s.carries]
    return new


def substituted(block: Block, names: Mapping[Atom, Atom]) -> Block:
    """The block with other atoms for those that it reads."""
    return [rebuilt(s, lambda a: names.get(a, a), lambda inner: substituted(inner, names)) for s in block]
