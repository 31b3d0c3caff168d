"""Checkpoints: a loop becomes a loop of blocks of turns, and reverse mode keeps what each block starts from.

A mark says how long the blocks are.  ``(100,)`` makes blocks of 100 turns; a second number divides each block again.
A number below one is a power of the number of turns: ``(0.5,)`` makes √n blocks of √n turns.  Written out, every mark
is ``(1,)``, on a loop each of whose turns runs again in the linear program (`Unzip.rerun`); its turns are blocks, in
which plain loops turn.

The turns of a ``while`` are not known beforehand: there the k-th block has k turns (k² for the power 2/3), so that n
turns make √2n blocks of at most √2n turns.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from ..core.build import Builder, is_const
from ..core.program import INT, Atom, Block, Carry, Const, For, If, Program, Spacing, Statement, Var, While
from ..core.walk import blocks_of, free_vars, rebuilt
from .ssa import ssa

SCHEDULES: dict[str, tuple[Spacing, ...]] = {"sqrt": (0.5,), "cbrt": (2 / 3, 0.5)}
AGAIN: tuple[Spacing, ...] = (1,)
ZERO, ONE = Const(0, INT), Const(1, INT)


def marked(block: Block, spacings: tuple[Spacing, ...]) -> Block:
    """The block with a mark on each of its outermost loops that has none."""

    def mark(s: Statement) -> Statement:
        if isinstance(s, If):
            return rebuilt(s, lambda a: a, lambda inner: [*map(mark, inner)])
        return replace(s, checkpoint=s.checkpoint or spacings) if isinstance(s, (For, While)) else s

    return [*map(mark, block)]


def written_out(program: Program, keeping: Collection[int]) -> Program:
    """The program with its marked loops in blocks, but for those (by id) that keep nothing."""

    def block(old: Block) -> Block:
        return [new for s in old for new in statement(s)]

    def statement(s: Statement) -> Block:
        if not blocks_of(s):
            return [s]
        new = rebuilt(s, lambda a: a, block)
        if not isinstance(new, (For, While)) or not new.checkpoint:
            return [new]
        return in_blocks(new) if id(s) in keeping else [replace(new, checkpoint=())]

    return ssa(replace(program, body=block(program.body)))


def in_blocks(s: For | While) -> Block:
    """A marked loop as a loop of blocks, with the statements that precede it."""
    if s.checkpoint == AGAIN or not s.checkpoint:
        return [s]
    return for_in_blocks(s) if isinstance(s, For) else while_in_blocks(s)


def inner_carries(s: For | While) -> tuple[list[Carry], list[Carry]]:
    """The carries of the loop of blocks, and those of the loop inside."""
    leaving = [Var(c.out.name, c.out.type) for c in s.carries]
    outer = [Carry(c.inner, c.init, last, c.out) for c, last in zip(s.carries, leaving, strict=True)]
    inner = [Carry(c.inner, c.inner, c.next, last) for c, last in zip(s.carries, leaving, strict=True)]
    return outer, inner


def for_in_blocks(s: For) -> Block:
    """Turns are numbered; the loop of blocks runs over the number of the first."""
    b, body, turn = Builder(line=s.line), Builder(line=s.line), Builder(line=s.line)
    spacing, *rest = s.checkpoint
    count = b.length(s.start, s.stop, s.step, name="count")
    size: Atom = Const(spacing, INT)
    if isinstance(spacing, float):
        power = b.power(b.cast(count, dtype="float64"), spacing)
        size = b.add(b.cast(power, dtype="int64"), 1, name="size")
    first, k = Var("first", INT), Var("turn", INT)
    end = body.minimum(body.add(first, size), count, name="end")
    if not s.reverse and is_const(s.start, 0) and is_const(s.step, 1):
        k = s.var
    else:
        ordered = turn.sub(turn.sub(count, 1), k) if s.reverse else k
        turn.bind(s.var, turn.add(s.start, turn.mul(ordered, s.step)))
    outer, inner = inner_carries(s)
    inside = For(k, first, end, ONE, turn.block + s.body, inner, line=s.line, checkpoint=tuple(rest))
    body.block += in_blocks(inside)
    b.block.append(For(first, ZERO, count, size, body.block, outer, line=s.line, checkpoint=AGAIN))
    return b.block


def while_in_blocks(s: While) -> Block:
    """The loop inside ends with its block or with the loop; the loop of blocks asks again whether there is a turn."""
    body, turn, cond = Builder(line=s.line), Builder(line=s.line), Builder(line=s.line)
    spacing, *rest = s.checkpoint
    outer, inner = inner_carries(s)
    size: Atom = Const(spacing, INT)
    if isinstance(spacing, float):
        number, following = Var("number", INT), Var("number", INT)
        size = number if spacing == 0.5 else body.mul(number, number, name="size")
        body.bind(following, body.add(number, 1))
        outer.append(Carry(number, ONE, following, Var("number", INT)))
    k, done = Var("turn", INT), Var("turn", INT)
    turn.bind(done, turn.add(k, 1))
    inner.append(Carry(k, ZERO, done, Var("turn", INT)))
    block, test = copied(s.cond, s.test)
    cond.block += block
    more = cond.and_(cond.lt(k, size), test)
    inside = While(cond.block, more, s.body + turn.block, inner, s.line, tuple(rest))
    body.block += in_blocks(inside)
    return [While(s.cond, s.test, body.block, outer, s.line, AGAIN)]


def copied(block: Block, result: Atom) -> tuple[Block, Atom]:
    """The block with variables of its own, and its result."""
    free = free_vars(block, [result], set())
    copy = ssa(Program("copy", free, block, [result]))
    names: dict[Atom, Atom] = dict(zip(copy.params, free, strict=True))

    def renamed(block: Block) -> Block:
        return [rebuilt(s, lambda a: names.get(a, a), renamed) for s in block]

    return renamed(copy.body), names.get(copy.results[0], copy.results[0])
