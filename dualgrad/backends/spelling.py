"""What a compiled kernel spells in another way than the words say: functions of numbers, and new memory.

A function of numbers may be taken from `vector_math` in place of NumPy.  A loop that LLVM can vectorise gains four to
eight times; a single call gains little or loses.  So a function is respelled if one of its calls stands in an innermost
counted loop and hangs on nothing that the turns hand on; then all its calls in the kernel are, so that one argument
has one value wherever it stands.  New arrays are marked as such (`memory`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

from dualgrad.core.program import FLOAT, Atom, Block, For, If, Let, Program, Statement, Store, Var, While
from dualgrad.core.walk import blocks_of, walk

from .polynomials import FORMULAS

CALL = re.compile(rf"\bnp\.({'|'.join(FORMULAS)})\(")
# Calls that LLVM can neither look into nor repeat for each lane of a vector.
OPAQUE = re.compile(r"\bnp\.(arcsinh|arccosh|arctanh|hypot|logaddexp2?)\(|\b(special|user|math)\.")


def wanted() -> bool:
    """``DUALGRAD_VECTOR_MATH=0`` switches vector math off."""
    return os.environ.get("DUALGRAD_VECTOR_MATH", "1") != "0"


def available() -> bool:
    """Whether the processor multiplies and adds with one rounding, which the formulas rely on."""
    from . import vector_math

    return bool(vector_math.widths())


def spelling(program: Program, math: bool = True) -> Callable[[Let, str], str]:
    """How the words of a compiled program are spelled: with vector math or without it, and new memory as such."""
    loops = [s for s in walk(program.body) if isinstance(s, For)] if math and wanted() and available() else []
    chosen = {name for loop in loops for name in in_each_turn(loop)}

    def spell(let: Let, text: str) -> str:
        if (let.word.makes or let.word.name in ("full", "copy")) and let.target.type.rank > 0:
            return f"fresh_array({text})"
        if chosen and chosen.intersection(functions(let)):
            return CALL.sub(lambda call: f"vector_math.{call[1]}(" if call[1] in chosen else call[0], text)
        return text

    return spell


def functions(let: Let) -> set[str]:
    """The functions that a word's text calls, if its arguments are float64."""
    on_floats = isinstance(let.word.text, str) and all(a.type == FLOAT for a in let.args)
    return set(CALL.findall(str(let.word.text))) if on_floats else set()


def in_each_turn(loop: For) -> Iterator[str]:
    """The functions that an innermost loop calls with arguments that no turn before decides."""
    inside = list(inner_first(loop.body))
    if any(isinstance(s, (For, While)) or isinstance(s, Let) and stops_vectors(s) for s in inside):
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


def stops_vectors(let: Let) -> bool:
    """Whether a loop with this statement is not vectorised: it may raise, or calls what LLVM does not know."""
    return let.word.name in ("checked", "fail", "call") or let.word.makes or OPAQUE.search(text_of(let)) is not None


def text_of(let: Let) -> str:
    """The text of a word, also where it is made from the arguments' types."""
    if isinstance(let.word.text, str):
        return let.word.text
    found = let.word.text(["x"] * len(let.args), let.params, [a.type for a in let.args])
    return found if isinstance(found, str) else found[0]


def inner_first(block: Block) -> Iterator[Statement]:
    """Every statement of a block, after those of the blocks inside it."""
    for s in block:
        for inside in blocks_of(s):
            yield from inner_first(inside)
        yield s
