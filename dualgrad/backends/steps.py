"""Eager words: a NumPy call is a program of one word, transformed like any other and run at once.

For each way a word is applied (`Pattern`) the same `jvp`, `linearize`, `transpose` and
`jet` that serve kernels write a program; it is printed as a few lines of NumPy and kept.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from dualgrad.core.build import Builder, is_const
from dualgrad.core.printer import to_source
from dualgrad.core.program import BOOL, FLOAT, Atom, Block, Const, Let, Program, Type, Var, const, variable
from dualgrad.core.walk import free_vars
from dualgrad.core.words import USER, WORDS, Word
from dualgrad.rules.arrays import BETWEEN
from dualgrad.transforms.jet import Recurrence, Series
from dualgrad.transforms.jvp import tangent
from dualgrad.transforms.ssa import ssa
from dualgrad.transforms.tidy import tidy
from dualgrad.transforms.transpose import transposed

from . import arrays, matrices, special, systems, watch

ARRAY, COMPLEX = Type(FLOAT.dtype, -1), Type("complex128", -1)
SHAPE = Type("shape", -1)
MUL, DIV = WORDS["mul"], WORDS["div"]


class Pattern(NamedTuple):
    """How a word is applied.

    ``active`` flags the arguments that carry a tangent; ``literals`` holds a Python number
    for each argument that is baked in (exponents).  With ``lift``, directions lead: one
    number for each active argument, the axes to insert after the first so that its
    tangents broadcast like the result's.  With ``reduce``, cotangents are summed back to
    the arguments' shapes.  ``complex`` says that the linear rest is one over complex numbers.
    With ``double`` all arguments are arrays of 64-bit floats, and so may constants be.
    """

    word: Word
    active: tuple[bool, ...]
    literals: tuple[Any, ...] = ()
    lift: tuple[int, ...] | None = None
    reduce: bool = False
    complex: bool = False
    double: bool = False


class Step(NamedTuple):
    """The two halves of a word: ``forward(*args) -> (y, *residuals)``, the linear rest, its transpose.

    It ``is_linear`` if its rest needs neither the result nor an argument that is active.
    """

    forward: Callable[..., Any]
    push: Callable[..., Any]
    pull: Callable[..., Any]
    linear: Program
    name: str
    is_linear: bool


class OneWord:
    """The program ``y = word(*args)`` of a pattern."""

    def __init__(self, pattern: Pattern):
        word, rule = pattern.word, pattern.word.rule
        literals = pattern.literals or (None,) * len(rule.args)
        self.pattern, self.rule = pattern, rule
        array = COMPLEX if pattern.complex and word.name not in BETWEEN else ARRAY
        types = {"truth": Type(BOOL.dtype, -1), "complex": COMPLEX}
        self.args: list[Atom] = [
            Var(a, types.get(d, array)) if lit is None else const(lit)
            for a, lit, d in zip(rule.args, literals, rule.domain or ("real",) * len(rule.args), strict=True)
        ]
        self.params = [a for a in self.args if isinstance(a, Var)]
        self.sources = [variable(a) for a, on in zip(self.args, pattern.active, strict=True) if on]
        self.dots = [Var(f"{a.name}_dot", a.type) for a in self.sources]
        params = {"dtype": "float64"} if word.name == "cast" else {}
        if word.kind == "linear" and not word.elementwise:
            array = word.infer([self.args[0].type], {})
        self.let = Let(Var("y", array), word, tuple(self.args), params)
        self.shapes = {dot: Var(f"{a.name}_shape", SHAPE) for a, dot in zip(self.sources, self.dots, strict=True)}

    def tangent(self, b: Builder) -> Any:
        """The tangent's statements; a word with a leading axis where directions lead."""
        found: dict[Atom, Var] = dict(zip(self.sources, self.dots, strict=True))
        dots = [found.get(a) if isinstance(a, Var) else None for a in self.args]
        dot = tangent(self.let, dots, b, batched=self.lifted and not self.pattern.word.elementwise)
        _divide(b.block)
        return dot

    @property
    def lifted(self) -> bool:
        return self.pattern.lift is not None


def _divide(block: Block) -> None:
    """``1/d * t`` as ``t/d``, which is one operation."""
    over = {s.target: s.args[1] for s in block if isinstance(s, Let) and s.word is DIV and is_const(s.args[0], 1)}
    for k, s in enumerate(block):
        if isinstance(s, Let) and s.word is MUL and s.args[0] in over:
            block[k] = Let(s.target, DIV, (s.args[1], over[variable(s.args[0])]), s.params, s.line)


# What the texts of words name.
NAMES: dict[str, Any] = {**vars(arrays), **vars(matrices), **vars(systems)}
NAMES |= {"np": np, "math": math, "special": special, "user": USER}


MADE: WeakKeyDictionary[Callable[..., Any], tuple[str, str]] = WeakKeyDictionary()  # functions: their word and mode


def run(source: str, name: str, pattern: Pattern, mode: str = "") -> Callable[..., Any]:
    """The function that a text defines; it computes a word in a mode."""
    namespace = {**NAMES, "__dualgrad_generated__": True}
    tree = _Named(namespace).visit(ast.parse(source)) if pattern.double else source
    exec(compile(tree, f"<dualgrad {pattern.word.name} {mode or name}>", "exec"), namespace)
    made = namespace[name]
    MADE[made] = pattern.word.name, mode or name
    if watch.watcher is not None:
        watch.watcher.made(made)
    return made


class _Named(ast.NodeTransformer):
    """Floats in a text become arrays without axes: NumPy works them out faster than Python's with small arrays."""

    def __init__(self, namespace: dict[str, Any]):
        self.namespace = namespace

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if type(node.value) is not float:
            return node
        name = f"constant_{len(self.namespace)}"
        self.namespace[name] = value = np.array(node.value)
        value.flags.writeable = False
        return ast.copy_location(ast.Name(name, ast.Load()), node)


def header(params: list[str], *lines: str) -> str:
    """The rest of a ``def`` line, and lines that prepare the arguments."""
    return "\n    ".join([f"({', '.join(params)}):", *lines])


def lift_lines(one: OneWord) -> list[str]:
    """Insert axes so that tangents with leading directions broadcast like the result's."""
    lift = one.pattern.lift
    if lift is None or not one.pattern.word.elementwise:
        return []
    return [f"{d.name} = insert_axes({d.name}, {n})" for d, n in zip(one.dots, lift, strict=True) if n > 0]


@lru_cache(4096)
def jvp_step(pattern: Pattern) -> Callable[..., Any]:
    """``step(*args, *tangents) -> (y, y_dot)``."""
    one = OneWord(pattern)
    b = Builder([one.let])
    dot = one.tangent(b)
    program = tidy(ssa(Program("step", [*one.params, *one.dots], b.block, [one.let.target, _zero(dot)])))
    names = [v.name for v in program.params]
    return run(to_source(program, header(names, *lift_lines(one))), "step", pattern, "jvp")


def _zero(dot: Any) -> Any:
    return Const(0.0, FLOAT) if dot is None else dot


@lru_cache(4096)
def linear_step(pattern: Pattern) -> Step:
    """The halves of a word for `linearize` and `vjp`."""
    one = OneWord(pattern)
    b = Builder()
    dot = _zero(one.tangent(b))
    tangents = free_vars(b.block, [dot], set(one.dots))
    linear = Program(f"{pattern.word.name}_linear", [*tangents, *one.dots], b.block, [dot], len(one.dots))
    back, cts, bars = transposed(linear, one.shapes)
    reads = set(tangents) | set(free_vars(back, bars, set(cts)))
    residuals = [v for v in (*one.params, one.let.target) if v in reads]
    shapes = [s for d, s in one.shapes.items() if s in reads or pattern.reduce]
    kept = [*residuals, *shapes]
    push = tidy(ssa(Program("push", [*kept, *one.dots], b.block, [dot])))
    pull = tidy(ssa(Program("pull", [*kept, *cts], back, bars)))
    linear = ssa(Program(linear.name, [*kept, *one.dots], b.block, [dot], len(one.dots)))
    return Step(
        run(_forward(one, residuals, shapes), "forward", pattern),
        run(to_source(push, header([v.name for v in push.params], *lift_lines(one))), "push", pattern),
        run(to_source(pull, returns=_reduced(one)), "pull", pattern),
        linear,
        pattern.word.name,
        not {one.let.target, *one.sources}.intersection(residuals),
    )


def _forward(one: OneWord, residuals: list[Var], shapes: list[Var]) -> str:
    values = [v.name for v in residuals] + [f"np.shape({s.name.removesuffix('_shape')})" for s in shapes]
    program = Program("forward", one.params, [one.let], [one.let.target])
    body = to_source(program)
    if not values:
        return body.replace("return ", "return (", 1).rstrip() + ",)\n"
    return body.replace("return ", "y = ", 1) + f"    return y, {', '.join(values)}\n"


def _reduced(one: OneWord) -> str:
    """The pull's return line: a tuple, each cotangent summed back to its argument's shape where asked."""
    lead = int(one.lifted)
    parts = [
        f"unbroadcast({{{k}}}, {s.name}, {lead})" if one.pattern.reduce else f"{{{k}}}"
        for k, s in enumerate(one.shapes.values())
    ]
    return f"return ({', '.join(parts)},)"


@lru_cache(4096)
def jet_step(pattern: Pattern) -> Callable[..., Any]:
    """``step(*args) -> coefficients``; active arguments are coefficient arrays, the order leading."""
    one = OneWord(pattern)
    if pattern.word.kind == "linear" and not pattern.word.elementwise:  # orders are one more leading axis
        return jet_of_linear(one)
    body, allocations = Builder(), Builder()
    size = Var("size", Type("int64"))

    def allocate(type: Type, squared: bool = False) -> Var:
        return variable(allocations.series(allocations.mul(size, size) if squared else size))

    recurrence = Recurrence(body, size, allocate)
    args: list[Any] = list(one.args)
    for k, a in enumerate(one.args):
        if a in one.sources:
            args[k] = Series(body.load(a, Const(0, size.type)), variable(a))
    firsts = tuple(a.first if isinstance(a, Series) else a for a in args)
    first = body.emit(pattern.word, *firsts, **one.let.params)
    y = recurrence.word(pattern.word, args, first)
    recurrence.run()
    memory = y.memory
    if memory is None:
        memory = recurrence.new(first).memory
    program = tidy(ssa(Program("step", [*one.params, size], allocations.block + body.block, [variable(memory)])))
    names, lead = [v.name for v in one.params], one.sources[0].name
    text = to_source(program, header(names, f"{program.params[-1].name} = len({lead})"), "return stacked({0})")
    return run(text, "step", pattern, "jet")


def jet_of_linear(one: OneWord) -> Callable[..., Any]:
    """A structural word acts on all coefficients at once."""
    b = Builder()
    y = b.emit(WORDS[f"{one.pattern.word.name}_batched"], *one.args)
    return run(to_source(tidy(ssa(Program("step", one.params, b.block, [y])))), "step", one.pattern, "jet")
