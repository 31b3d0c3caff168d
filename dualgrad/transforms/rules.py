"""Functions with rules of their own, called in a program: ``y = f(x)`` by the rule ``(x, x') -> (y, y')``.

The word ``call`` enters such a function whole; ``item`` takes its results apart where there are several.  A transform
that differentiates by what it is called with first writes the rule in its place::

    p = held(x);  t = seed(x);  v, d = rule(p, t);  y = rejoined(v, d)

``held`` is x without its tangent, ``seed`` zero with the tangent of x, and ``rejoined`` v with the tangent of d: the
rule is differentiated by t alone, in which it is linear.  What remains after the transform is its values: x, zero and
v.  So the next transform finds calls and no traces of the last one, and rules are differentiated like anything else.
"""

from __future__ import annotations

from typing import Any, Protocol

from ..core.build import Builder
from ..core.errors import KernelError
from ..core.program import Atom, Block, Let, Program, Statement, Type, Var, zero
from ..core.walk import rebuilt, walk
from ..core.words import WORDS
from .activity import active_vars
from .ssa import ssa

DEEPEST = 20  # rules that call functions with rules, by their tangents


class Called(Protocol):
    """What ``call`` says of its function in ``of=``."""

    name: str
    type: Type

    def rule(self, active: tuple[bool, ...], reverse: bool) -> Program:
        """``(arguments, tangents of the active ones) -> (results, tangents of the differentiable ones)``."""


def with_rules(program: Program, active: tuple[bool, ...], reverse: bool = False) -> Program:
    """The program with a rule in the place of each function that is called with what carries a tangent."""
    for _ in range(DEEPEST):
        sources = [v for v, a in zip(program.params, active, strict=True) if a]
        found = active_vars(program, sources)
        if not any(isinstance(s, Let) and s.word.name == "call" and s.target in found for s in walk(program.body)):
            return program
        body = _rewritten(program.body, found, {}, reverse)
        program = Program(program.name, program.params, body, program.results, program.linear)
    raise KernelError(
        f"{program.name}: the rules of its functions call each other without end",
        hint="write the tangent of a rule without calling the function on tangents",
    )


def _rewritten(block: Block, active: set[Var], parts: dict[Atom, Any], reverse: bool) -> Block:
    b = Builder()
    for s in block:
        b.line = s.line
        if isinstance(s, Let) and s.word.name == "call" and s.target in active:
            flags = tuple(a in active for a in s.args)
            values = spliced(s, s.params["of"].rule(flags, reverse), flags, b)
            half = values[: len(values) // 2]
            parts[s.target] = list(zip(half, values[len(values) // 2 :], strict=True))
            if s.target.type.dtype != "tuple":
                rejoin(s.target, parts[s.target][0], b)
        elif isinstance(s, Let) and s.word.name == "item" and s.args[0] in parts:
            rejoin(s.target, parts[s.args[0]][s.params["k"]], b)
        else:
            b.block.append(rebuilt(s, lambda a: a, lambda inner: _rewritten(inner, active, parts, reverse)))
    return b.block


def rejoin(target: Var, result: tuple[Any, Any], b: Builder) -> None:
    """Bind a result of a rule, a value and its tangent; a discrete one has no tangent."""
    value, tangent = result
    if tangent is None:
        b.bind(target, value)
    else:
        b.block.append(Let(target, WORDS["rejoined"], (value, tangent), {}, b.line))


def spliced(s: Let, rule: Program, active: tuple[bool, ...], b: Builder) -> list[Atom | None]:
    """Write a rule for the arguments of a call; its results, and their tangents (None of a discrete one)."""
    rule = ssa(rule)
    primals, tangents = rule.params[: len(s.args)], iter(rule.params[len(s.args) :])
    for p, a, on in zip(primals, s.args, active, strict=True):
        b.block.append(Let(p, WORDS["held"], (a,), {}, s.line))
        if on:
            b.block.append(Let(next(tangents), WORDS["seed"], (a,), {}, s.line))
    b.block += rule.body
    values = [*rule.results]
    count = len(s.params["of"].results)
    dots = iter(values[count:])
    return [*values[:count], *(next(dots) if v.type.differentiable else None for v in values[:count])]


def plain(s: Statement, b: Builder) -> None:
    """A statement as it is when its transform is over."""
    if not isinstance(s, Let) or s.word.name not in ("held", "seed", "rejoined"):
        b.block.append(s)
    elif s.word.name == "seed":
        b.line = s.line
        if s.target.type.rank:
            b.zeros(b.dims(s.args[0]), s.target.type.dtype, target=s.target)
        else:
            b.bind(s.target, zero(s.target.type))
    else:
        word = WORDS["copy" if s.target.type.rank else "move"]
        b.block.append(Let(s.target, word, s.args[:1], {}, s.line))
