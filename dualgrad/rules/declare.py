"""How a row of the table is declared: one function for each kind of word.

A row is a header (``"arctan2(a, b)"``) and rules, all text.  What a kind declares and
what is derived from it is told in each function; nothing is executed here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dualgrad.core.program import BOOL, FLOAT, Type
from dualgrad.core.words import Word, register

ANY_RANK = -1


@dataclass(frozen=True)
class Rule:
    """What a row declares.

    ``jvp`` is text in the tangents ``d<arg>``; ``transposes`` maps an argument in which
    the word is linear to text in the cotangent ``ct``.  ``derivatives`` (elementary rows)
    maps each argument to its partial derivative (one that it lacks has to be a constant),
    ``closed`` to a spelling of it that the Taylor recurrences can use where the first one
    never closes, ``nth`` the argument of a family to its derivative of any order k.  A word
    that divides names the one that it undoes, its ``inverse``; a product of matrices says in ``lengths`` which axis of
    either factor is an axis of the result.
    """

    args: tuple[str, ...]
    jvp: str | None = None
    transposes: dict[str, str] = field(default_factory=dict)
    derivatives: dict[str, str] = field(default_factory=dict)
    closed: dict[str, str] = field(default_factory=dict)
    nth: dict[str, str] = field(default_factory=dict)
    batched: str | None = None
    inverse: str | None = None
    domain: tuple[str, ...] = ()
    lengths: tuple[int, int] = (0, 0)


def rank_of(types: list[Type]) -> int:
    """Broadcast rank; −1 where a rank is not known statically."""
    ranks = [t.rank for t in types]
    return ANY_RANK if ANY_RANK in ranks else max(ranks, default=0)


def promoted(types: list[Type], params: dict[str, Any]) -> Type:
    """NumPy's promotion of array types, which is also numba's of scalars."""
    dtype = np.result_type(*(t.dtype for t in types)).name
    return Type("int64" if dtype == "bool" else dtype, rank_of(types))


def floating(types: list[Type], params: dict[str, Any]) -> Type:
    """As `promoted`, integers to float64."""
    found = promoted(types, params)
    return found if found.differentiable else Type("float64", found.rank)


def truth(types: list[Type], params: dict[str, Any]) -> Type:
    """bool of the broadcast rank."""
    return Type(BOOL.dtype, rank_of(types))


def like_first(types: list[Type], params: dict[str, Any]) -> Type:
    """The type of the first argument."""
    return types[0]


def any_array(types: list[Type], params: dict[str, Any]) -> Type:
    """The first argument's dtype at a rank known only at run time."""
    return Type(types[0].dtype if types and types[0].differentiable else FLOAT.dtype, ANY_RANK)


def _header(header: str) -> tuple[str, tuple[str, ...]]:
    found = re.fullmatch(r"(\w+)\((.*)\)", header)
    assert found, header
    name, args = found.groups()
    return name, tuple(a.strip() for a in args.split(","))


def _ufunc(name: str) -> Any:
    """NumPy's ufunc of this name."""
    found = getattr(np, name, None)
    return found if isinstance(found, np.ufunc) else None


def _call(name: str, args: tuple[str, ...]) -> str:
    return f"np.{name}({', '.join(f'{{{k}}}' for k in range(len(args)))})"


def elementary(
    header: str,
    *,
    domain: tuple[str, ...] | str = "real",
    text: str | Callable[..., str] | None = None,
    closed: dict[str, str] | None = None,
    ufunc: Any = None,
    precedence: int = 100,
    infer: Callable[..., Type] = floating,
    compiled: bool = True,
    **derivatives: str,
) -> Word:
    """A differentiable function applied element by element.

    Declared: the partial derivative ``d<arg>`` by each argument, as a function of the
    result ``y`` and the arguments; the domain test points are drawn from.  Derived: jvp,
    residuals and transpose (the jvp is linear), the Taylor recurrence, the tests.
    """
    name, args = _header(header)
    partials = {a: derivatives["d" + a] for a in args if "d" + a in derivatives}
    jvp = " + ".join(f"({text})*d{a}" for a, text in partials.items())
    domain = (domain,) * len(args) if isinstance(domain, str) else domain
    rule = Rule(args, jvp, derivatives=partials, closed=closed or {}, domain=domain)
    ufunc = ufunc or _ufunc(name)
    word = Word(name, "elementary", infer, text or _call(name, args), rule, elementwise=True, ufunc=ufunc)
    word.precedence, word.compiled = precedence, compiled
    return register(word)


def family(header: str, *, nth: str, **options: Any) -> Word:
    """An elementary function whose derivatives never close, by its last argument.

    Declared: ``nth``, its k-th derivative as text in ``k`` and the arguments.  Derived: the
    first derivative, and with it what every elementary word has; the Taylor recurrence of
    the whole tower of derivatives.
    """
    last = _header(header)[1][-1]
    options[f"d{last}"] = re.sub(r"\bk\b", "1", nth)
    word = elementary(header, **options)
    word.kind = "family"
    word.rule.nth[last] = nth
    return word


def arithmetic(
    header: str,
    kind: str,
    text: str | Callable[..., Any],
    jvp: str,
    *,
    precedence: int = 100,
    infer: Callable[..., Type] = promoted,
    ufunc: Any = None,
    domain: tuple[str, ...] | str = "real",
    inverse: str | None = None,
    **transposes: str,
) -> Word:
    """A linear, bilinear or selecting word applied element by element.

    Declared: its jvp in the tangents and, for each argument in which it is linear, the
    transpose by it as text in ``ct``.
    """
    name, args = _header(header)
    domain = (domain,) * len(args) if isinstance(domain, str) else domain
    rule = Rule(args, jvp, transposes, inverse=inverse, domain=domain)
    word = Word(name, kind, infer, text, rule, elementwise=True, ufunc=ufunc, precedence=precedence)
    return register(word)


def discrete(
    header: str,
    text: str | Callable[..., Any] | None = None,
    *,
    precedence: int = 100,
    infer: Callable[..., Type] = promoted,
    ufunc: Any = None,
    compiled: bool = True,
) -> Word:
    """A function whose derivative is zero wherever it has one."""
    name, args = _header(header)
    word = Word(name, "discrete", infer, text or _call(name, args), Rule(args), elementwise=True, precedence=precedence)
    word.ufunc, word.compiled = ufunc or getattr(np, name, None), compiled
    return register(word)


def linear(
    header: str,
    text: str | Callable[..., str],
    transpose: str,
    *,
    batched: str,
    domain: str = "",
    inverse: str | None = None,
    infer: Callable[..., Type] = any_array,
) -> Word:
    """A linear function of its first argument; the others are shapes, axes, indices and coefficients.

    Declared: its transpose in words and ``batched``, the word that does the same where
    the first argument has one more leading axis (directions, cotangents, Taylor orders).
    """
    name, args = _header(header)
    jvp = f"{name}(d{args[0]}{''.join(', ' + a for a in args[1:])})"
    domains = (domain, *("real",) * (len(args) - 1)) if domain else ()
    rule = Rule(args, jvp, {args[0]: transpose}, batched=batched, inverse=inverse, domain=domains)
    return register(Word(name, "linear", infer, text, rule))


def implicit(header: str, text: str, jvp: str) -> Word:
    """A function of matrices that is defined by equations.

    Declared: its jvp, linear in the tangents, in words of matrices.  Derived: residuals, the
    transpose, the Taylor series, higher derivatives.  Where the text is the name of an argument,
    the word is a part of a factorization, and the argument is its plain value.
    """
    name, args = _header(header)
    if text in args:
        slots = ", ".join(f"{{{k}}}" for k in range(len(args)))
        text = f"given('{name}', {args.index(text) - 1}, {slots})"
    return register(Word(name, "implicit", any_array, text, Rule(args, jvp)))


def memory(header: str, text: str | Callable[..., str], infer: Callable[..., Type]) -> Word:
    """A word that makes or reads memory; the transforms know each of these by name."""
    name, args = _header(header)
    return register(Word(name, "memory", infer, text, Rule(args)))
