"""What a function does to numbers: the program of the function, carried through `jvp` or `jet`.

A function is a composition of words, most often of one.  Its program has scalars for parameters; the partials of a
dual stand for one scalar tangent (they are a vector when code is written for them), the coefficients of a series for
an array.  So there are no rules here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dualgrad.core.build import Builder
from dualgrad.core.errors import UnsupportedError
from dualgrad.core.program import Atom, Const, Let, Program, Type, Var, variable
from dualgrad.core.walk import walk
from dualgrad.core.words import Word
from dualgrad.transforms.activity import active_vars
from dualgrad.transforms.jet import jet
from dualgrad.transforms.jvp import jvp

from .types import DUAL

Compose = Callable[..., Atom]  # (builder, *atoms) -> atom


@dataclass(frozen=True)
class Operation:
    """A function applied to numbers: its name, how it is composed of words, and what its arguments are.

    ``dtypes`` has the dtype of each argument, ``active`` whether it is a number (of ``kind``), ``literals`` the value
    of each that is known in advance.
    """

    name: str
    compose: Compose
    kind: str
    dtypes: tuple[str, ...]
    active: tuple[bool, ...]
    literals: tuple[Any, ...]


@dataclass(frozen=True)
class Meaning:
    """An operation's program, whether its result is a number, its dtype, and the words that make the value."""

    program: Program
    active: bool
    dtype: str
    values: frozenset[Word]


@lru_cache(None)
def meaning(operation: Operation) -> Meaning:
    """The program of an operation; it raises if a word of it has no compiled form."""
    atoms = [
        Var(f"x{k}", Type(dtype)) if literal is None else Const(literal, Type(dtype))
        for k, (dtype, literal) in enumerate(zip(operation.dtypes, operation.literals, strict=True))
    ]
    b = Builder()
    result = operation.compose(b, *atoms)
    params = [a for a in atoms if isinstance(a, Var)]
    program = Program(operation.name, params, b.block, [result])
    flags = tuple(on for on, a in zip(operation.active, atoms, strict=True) if isinstance(a, Var))
    sources = [v for v, on in zip(params, flags, strict=True) if on]
    active = result.type.differentiable and result in active_vars(program, sources)
    words = frozenset(s.word for s in b.block if isinstance(s, Let))
    if active:
        program = (jvp if operation.kind == DUAL else jet)(program, flags)
    refuse_interpreted(operation, program)
    return Meaning(program, active, result.type.dtype, words)


def refuse_interpreted(operation: Operation, program: Program) -> None:
    """Raise where a program has a word that only Python can evaluate."""
    from dualgrad.backends.compiled_special import is_known

    for s in walk(program.body):
        if isinstance(s, Let) and not (s.word.compiled or is_known(s.word.name)):
            raise UnsupportedError(
                f"{operation.name} of a {operation.kind} is not known in nopython code",
                why=f"it needs {s.word.name}, which has no compiled form",
                hint=f"call it from Python: dg.{operation.kind} is a number there too",
                where="",
            )


def lanes_of(program: Program, count: int) -> list[Var]:
    """The last parameters of a program, which stand for tangents or coefficients."""
    return [variable(v) for v in program.params[len(program.params) - count :]] if count else []
