"""A kernel with a chain of transforms: one program in the end, printed once and compiled once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

from dualgrad.backends.modules import Generated
from dualgrad.backends.spelling import spelling
from dualgrad.core.errors import DualgradError, KernelError, StructureError
from dualgrad.core.fence import refuse
from dualgrad.core.printer import RESERVED, to_source
from dualgrad.core.program import Let, Program, Type, Var
from dualgrad.core.walk import walk
from dualgrad.core.words import USER
from dualgrad.kernels import CAREFUL, LIBM, Chain
from dualgrad.read import Read, read_kernel, types_of
from dualgrad.read.source import Source
from dualgrad.read.values import leaves, mapped
from dualgrad.transforms.optimize import flushing, optimized

from . import compiled, compiled_series
from .by_numbers import by_numbers
from .compiled import Check, Function, paths_of, placed, variables

MULTIPLYING = frozenset(["grad", "value_and_grad", "jacobian", "pushforward", "pullback"])  # they have a careful form
TRANSFORMS: dict[str, Callable[..., Function]] = {
    "checkpoint": compiled.checkpoint,
    "effects": compiled.effects,
    "grad": compiled.grad,
    "value_and_grad": partial(compiled.grad, value=True),
    "jacobian": compiled.jacobian,
    "pushforward": compiled.pushforward,
    "pullback": compiled.pullback,
    "derivative": compiled_series.derivative,
    "jet": compiled_series.jet,
    "taylor": compiled_series.taylor,
}
IMPORTS = {  # what generated text imports, by what it then contains
    "vector_math.": "from dualgrad.backends import vector_math",
    "careful(": "from dualgrad.backends.careful import careful",
    "share_memory(": "from dualgrad.backends.overlap import share_memory",
    "fresh_array(": "from dualgrad.backends.memory import fresh_array",
    "flush()": "from dualgrad.backends.subnormals import flush, restore",
    "StructureError(": "from dualgrad.core.errors import OverlapError, StructureError",
    "OverlapError(": "from dualgrad.core.errors import OverlapError, StructureError",
}


@dataclass
class Reading:
    """How the kernels that are read at the moment are differentiated, and what was met."""

    careful: bool = False  # derivatives carry masks
    zeros: bool = False  # a derivative inside a kernel multiplies structural zeros


READING: ContextVar[Reading] = ContextVar("READING")


@contextmanager
def reading(careful: bool) -> Iterator[Reading]:
    """What is read inside, derivatives that kernels call included, is of one form."""
    token = READING.set(Reading(careful))
    try:
        yield READING.get()
    finally:
        READING.reset(token)


def read_chain(base: Any, chain: Chain, argtypes: list[Any]) -> Function:
    """The function that a chain makes of a kernel, for arguments of these types.

    A transform with parameters of its own (``primals, tangents``) is applied to the
    function of what came before it at the types of its primals.
    """
    if chain[-1:] == (CAREFUL,):
        with reading(careful=True):
            return read_chain(base, chain[:-1], argtypes)
    if not chain:
        return Function.of(read_base(base, argtypes), len(argtypes))
    *before, last = chain
    if last == LIBM:  # says how the text is spelled
        return read_chain(base, tuple(before), argtypes)
    nested = last.parameters[:1] == ("primals",)
    if nested:
        argtypes = promoted_beside(*argtypes[:2]) if last.name != "pullback" else promoted_alone(list(argtypes[0]))
    elif last.name == "taylor":
        argtypes = [as_float(argtypes[0])]
    elif last.name not in ("effects", "checkpoint"):
        argtypes = promoted(argtypes, last.options[0] if last.options and last.name != "derivative" else 0)
    inner = read_chain(base, tuple(before), argtypes)
    form = {"careful": READING.get(Reading()).careful} if last.name in MULTIPLYING else {}
    found = TRANSFORMS[last.name](inner, *last.options, **form)
    found.zeros |= inner.zeros
    inside = [Check(c.kind, (0, *c.a), (0, *c.b)) for c in inner.checks] if nested else inner.checks
    found.checks = (*inside, *found.checks)
    return found


def read_base(base: Any, argtypes: list[Any]) -> Read:
    """A kernel; derivatives that it calls carry masks if it decides by them: no result would show their NaN."""
    outer = READING.get(Reading())
    with reading(outer.careful) as met:
        found = read_kernel(base, argtypes)
    if found.decides:
        with reading(careful=True):
            return read_kernel(base, argtypes)
    outer.zeros |= met.zeros
    return found


def as_float(t: Any) -> Any:
    """An integer type as float64."""
    return Type("float64", t.rank) if isinstance(t, Type) and t.dtype.startswith(("int", "uint")) else t


def promoted(argtypes: list[Any], argnums: Any) -> list[Any]:
    """Integers that a function is differentiated by become floats."""
    chosen = {n % len(argtypes) for n in ((argnums,) if isinstance(argnums, int) else argnums)} if argtypes else set()
    return [mapped(as_float, t) if k in chosen else t for k, t in enumerate(argtypes)]


def promoted_beside(primals: Any, tangents: Any) -> list[Any]:
    """Integers whose tangent is a float become floats."""
    if type(primals) is tuple and type(tangents) is tuple and len(primals) == len(tangents):
        return [
            tuple(promoted_beside(p, t)) if type(p) is tuple else as_float(p) if has_float(t) else p
            for p, t in zip(primals, tangents)
        ]
    raise StructureError("primals and tangents of a kernel are tuples, with one entry for each argument")


def has_float(t: Any) -> bool:
    return isinstance(t, Type) and t.differentiable


def promoted_alone(primals: list[Any]) -> list[Any]:
    """Integers are counts and indices, unless there is nothing else to differentiate by."""
    flat = leaves(tuple(primals))
    return primals if any(map(has_float, flat)) else [mapped(as_float, t) for t in primals]


def generate(base: Any, chain: Chain, argtypes: Any) -> Generated:
    """The hook of `dualgrad.kernels`: numba types in, source out."""
    given = types_of(argtypes)
    try:
        with lines_of(base), reading(careful=False) as met:
            f = read_chain(base, chain, given)
            refuse_uncompiled(f)
    except KernelError:
        found = by_numbers(base, chain, argtypes)
        if found is None:
            raise
        return found
    if chain[-1] == CAREFUL:
        chain = chain[:-1]
    f.zeros |= met.zeros
    title = " of ".join([*(step.name for step in reversed(chain) if step != LIBM), base.__name__])
    injected = outside_things(f.program)
    distinct_names(f, injected)
    names = chain[-1].parameters if len(chain[-1].parameters) == len(f.params) else ()
    head = "\n    ".join(header(f, names, given))
    results = tuple_text(placed(f.result, (f"{{{k}}}" for k in range(len(f.program.results)))))
    arguments = head[1 : head.index(")")]
    program = optimized(f.program)
    if not checks_bounds(base):  # an index out of bounds would raise in a sweep
        program = flushing(program)
    if f.zeros:
        results = f"careful(__name__, {results}, {arguments})"
    taken = {*arguments.split(", ")} - {v.name for v in f.program.params}
    spell = spelling(program, math=LIBM not in chain)
    source = to_source(program, head, f"return {results}", taken, spell)
    own = list(dict.fromkeys(line for name, line in IMPORTS.items() if name in source))
    if products := sorted({s.word.name for s in walk(program.body) if isinstance(s, Let) and s.word.makes}):
        own.append(f"from dualgrad.backends.dots import {', '.join(products)}")
    special = sorted(set(re.findall(r"\bspecial\.(\w+)", source)))
    if special:  # machine code from disk refers to SciPy's by address
        own += ["from dualgrad.backends import compiled_special as special", "", f"special.load(*{special})"]
    imports = ["import math", "", "import numpy as np", *[""] * bool(own), *own]
    preamble = "\n".join([f'"""{title}, generated by dualgrad."""', "", *imports, "", "", ""])
    return Generated(preamble + source, f.name, injected)


def outside_things(program: Program) -> dict[str, Any]:
    """What a program takes from its surroundings, global arrays and functions with rules, by the names it has there."""
    found: dict[str, Any] = {}
    for s in walk(program.body):
        if isinstance(s, Let) and s.word.name in ("frozen", "call"):
            of, stem, k = s.params["of"], s.params["of"].name, 0
            while of.name in RESERVED or found.get(of.name, of.thing) is not of.thing:
                k += 1
                of.name = f"{stem}_{k}"
            found[of.name] = of.thing
        elif isinstance(s, Let) and hasattr(USER, s.word.name):
            found["user"] = USER
    return found


@contextmanager
def lines_of(base: Any) -> Iterator[None]:
    """Transforms know a line by its number; the user reads file, line and text."""
    try:
        yield
    except DualgradError as error:
        if not error.where.startswith("line "):
            raise
        where = Source(base).place(int(error.where.removeprefix("line ")))
        raise type(error)(error.what, error.why, error.hint, where) from None


def checks_bounds(base: Any) -> bool:
    """Whether numba checks the indices of a kernel."""
    from numba import config

    asked = getattr(base, "targetoptions", {}).get("boundscheck")
    return bool(config.BOUNDSCHECK if asked is None else asked)  # type: ignore[attr-defined]


def refuse_uncompiled(f: Function) -> None:
    """Raise where a derivative needs a function that numba lacks and SciPy does not give it."""
    from dualgrad.backends.compiled_special import is_known

    for s in walk(f.program.body):
        if isinstance(s, Let) and not (s.word.compiled or is_known(s.word.name) and not s.target.type.rank):
            refuse("no function", f"line {s.line}", name=f.name, word=s.word.name)


def header(f: Function, names: tuple[str, ...], given: list[Any]) -> list[str]:
    """The ``def`` line after the name, and lines that take tuples apart, convert integers and look for overlaps."""
    tops, lines, texts = [], [], {}
    for k, p in enumerate(f.params):
        top = names[k] if names else f"args{k}" if type(p) is tuple else getattr(p, "name", "constant")
        tops.append(top)
        found = dict(paths_of(given[k]))
        for path, v in paths_of(p):
            text = texts[k, *path] = top + "".join(f"[{n}]" for n in path)
            if not isinstance(v, Var):
                continue
            if found.get(path, v.type).rank != v.type.rank:
                raise StructureError(f"{f.name}: {text} has {found[path].rank} axes, not {v.type.rank}")
            if found[path].dtype != v.type.dtype and v.type.differentiable:
                if not path:
                    text = tops[-1] = f"{top}_given"
                text = f"{text}.astype(np.{v.type.dtype})" if v.type.rank else f"np.{v.type.dtype}({text})"
            if text != v.name:
                lines.append(f"{v.name} = {text}")
    for check in f.checks:
        lines += check_lines(check.kind, texts[check.a], texts[check.b])
    return [f"({', '.join(tops)}):", *lines]


def check_lines(kind: str, a: str, b: str) -> list[str]:
    """Statements that raise where two arguments do not fit together."""
    if kind == "apart":
        message = f"{a} and {b} share memory, and one of them is written: pass copies"
        return _raising(f"share_memory({a}, {b})", "OverlapError", message)
    if kind == "like":
        return _raising(f"{a}.shape != {b}.shape", "StructureError", f"{a} is not shaped like {b}")
    if kind == "long":
        return _raising(f"len({a}) != len({b})", "StructureError", f"{a} and {b} have different lengths")
    return _raising(f"{a}.shape[1:] != {b}.shape", "StructureError", f"the coefficients in {a} are not shaped like {b}")


def _raising(test: str, error: str, message: str) -> list[str]:
    return [f"if {test}:", f"    raise {error}({message!r})"]


def distinct_names(f: Function, others: Iterable[str] = ()) -> None:
    """Give the parameters names that differ."""
    taken: set[str] = {f.name, *RESERVED, *others, "primals", "tangents", "cotangents", "series", "masks"}
    taken.update(f"args{k}" for k in range(len(f.params)))
    for v in dict.fromkeys([*f.program.params, *variables(f.params)]):
        stem, k = v.name, 0
        while v.name in taken:
            k += 1
            v.name = f"{stem}{k}"
        taken.add(v.name)


def tuple_text(structure: Any) -> str:
    if structure is None:
        return "None"
    if type(structure) is tuple:
        return "(" + "".join(tuple_text(p) + ", " for p in structure).rstrip() + ")"
    return structure


def program_of(base: Any, chain: Chain, argtypes: list[Any]) -> Read:
    """What the reader puts in place of a call to a derived kernel."""
    if not chain:
        return read_kernel(base, argtypes)
    f = read_chain(base, chain, argtypes)
    READING.get(Reading()).zeros |= f.zeros
    return Read(f.program, f.params, f.result, (), zeros=f.zeros)
