"""Which functions of numbers a kernel takes from `vector_math` in place of NumPy's.

A loop that LLVM can vectorise gains four to eight times; a single call gains little or loses.  So a function is
respelled if one of its calls stands in an innermost counted loop and hangs on nothing that the turns hand on; then all
its calls in the kernel are, so that the same argument gives the same bits wherever it stands.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from dualgrad.core.program import FLOAT, Atom, Block, For, If, Let, Program, Statement, Store, Var, While
from dualgrad.core.walk import blocks_of, walk
from dualgrad.core.words import Word

from .polynomials import FORMULAS

MODULE = "vector_math"
CALL = re.compile(rf"\bnp\.({'|'.join(FORMULAS)})\(")


def wanted() -> bool:
    """``DUALGRAD_VECTOR_MATH=0`` switches all of this off."""
    return os.environ.get("DUALGRAD_VECTOR_MATH", "1") != "0"


def available() -> bool:
    """Whether the processor multiplies and adds with one rounding, which the formulas rely on."""
    from . import vector_math

    return bool(vector_math.widths())


def respelled(program: Program) -> Mapping[Word, str]:
    """The texts of words where they are applied to numbers of type float64."""
    if not wanted() or not available():
        return {}
    chosen = {name for s in walk(program.body) if isinstance(s, For) for name in in_each_turn(s)}
    words = {s.word for s in walk(program.body) if isinstance(s, Let) and chosen.intersection(functions(s))}
    return {w: CALL.sub(lambda m: f"{MODULE}.{m[1]}(" if m[1] in chosen else m[0], str(w.text)) for w in words}


def functions(let: Let) -> set[str]:
    """The functions that a word's text calls, if its arguments are float64."""
    on_floats = isinstance(let.word.text, str) and all(a.type == FLOAT for a in let.args)
    return set(CALL.findall(str(let.word.text))) if on_floats else set()


def in_each_turn(loop: For) -> Iterator[str]:
    """The functions that an innermost loop calls with arguments that no turn before decides."""
    inside = list(inner_first(loop.body))
    if any(isinstance(s, (For, While)) or isinstance(s, Let) and s.word.name == "checked" for s in inside):
        return
    stored = {s.array: s.index for s in inside if isinstance(s, Store)}
    handed: set[Atom] = {c.inner for c in loop.carries}
    for s in inside:
        if isinstance(s, Let):
            memory = s.args[0] if s.word.name == "load" else None
            elsewhere = isinstance(memory, Var) and stored.get(memory, s.args[1:]) != s.args[1:]
            if elsewhere or handed.intersection(s.args):
                handed.add(s.target)
            else:
                yield from functions(s)
        elif isinstance(s, If):
            handed.update(j.out for j in s.joins if handed & {s.test, j.then, j.orelse})


def inner_first(block: Block) -> Iterator[Statement]:
    """Every statement of a block, after those of the blocks inside it."""
    for s in block:
        for inside in blocks_of(s):
            yield from inner_first(inside)
        yield s
