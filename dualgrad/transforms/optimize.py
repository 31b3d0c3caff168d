"""What makes a program fast: memory that is not asked, work done once for all turns, sums in registers."""

from __future__ import annotations

from ..core.program import Program
from .fusion import fused
from .invariant import hoisted, promoted
from .memory import forwarded
from .ranges import unsigned
from .tidy import tidy


def settled(program: Program) -> Program:
    """Before a derivative is taken: what the derivative would keep or work out again is made little."""
    return hoisted(forwarded(program))


def optimized(program: Program) -> Program:
    """The last word before a program is printed."""
    program = fused(tidy(hoisted(forwarded(program))))
    return unsigned(tidy(promoted(hoisted(forwarded(program)))))
