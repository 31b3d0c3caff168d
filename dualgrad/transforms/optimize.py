"""What makes a program fast: memory that is not asked, work done once for all turns, sums in registers."""

from __future__ import annotations

from dataclasses import replace

from ..core.build import Builder
from ..core.program import Block, For, Let, Program
from ..core.walk import blocks_of, rebuilt, walk
from .fusion import ascending, fused
from .invariant import hoisted, promoted
from .memory import arrays_read, arrays_stored, forwarded
from .ranges import unsigned
from .tidy import tidy


def settled(program: Program) -> Program:
    """Before a derivative is taken: what the derivative would keep or work out again is made little."""
    return hoisted(forwarded(program))


def optimized(program: Program) -> Program:
    """The last word before a program is printed."""
    program = fused(tidy(hoisted(forwarded(program))))
    return unsigned(ascending(tidy(promoted(hoisted(forwarded(program))))))


def flushing(program: Program) -> Program:
    """The program with flush-to-zero around the loops of a reverse sweep in which small numbers could grow smaller.

    Only loops in which nothing can raise or return, so that the processor's mode is always restored.
    """
    return replace(program, body=_flushing(program.body))


def _flushing(block: Block) -> Block:
    b = Builder()
    for s in block:
        if isinstance(s, For) and s.sweep and feeds_itself(s) and not raises(s):
            b.line = s.line
            mode = b.flush(name="mode")
            b.block.append(s)
            b.restore(mode)
        else:
            b.block.append(rebuilt(s, lambda a: a, _flushing) if blocks_of(s) else s)
    return b.block


def feeds_itself(s: For) -> bool:
    """Whether a turn of a loop goes on with numbers of the turn before."""
    memory = {a for a in arrays_stored([s]) & arrays_read([s]) if a.type.differentiable}
    return bool(memory) or any(c.inner.type.differentiable for t in walk([s]) for c in getattr(t, "carries", ()))


def raises(s: For) -> bool:
    """Whether a loop has statements that may raise: checks, calls, and new memory."""
    lets = [t for t in walk([s]) if isinstance(t, Let) and t.word.name not in ("load", "frozen")]
    return any(t.word.kind == "memory" or t.word.name in ("checked", "fail") or t.target.type.rank for t in lets)
