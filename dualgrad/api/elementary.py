"""A user's row of the table: an elementwise function with its derivative as text."""

from __future__ import annotations

import ast
import difflib
import itertools
import keyword
import re
from collections.abc import Callable
from functools import cached_property, update_wrapper
from typing import Any

import numpy as np

from dualgrad.backends.steps import Pattern, jet_step, jvp_step, linear_step
from dualgrad.core.build import Builder
from dualgrad.core.errors import ArgumentError, StructureError
from dualgrad.core.words import USER, WORDS, Word
from dualgrad.kernels import InNopython
from dualgrad.numbers.dual import Dual
from dualgrad.numbers.functions.making import operand
from dualgrad.numbers.functions.table import UFUNCS
from dualgrad.numbers.number import Number, apply
from dualgrad.rules import declare
from dualgrad.rules.text import NUMBERS, parse, shape_of

DOMAINS: dict[str, tuple[float, float]] = {
    "real": (-1.2, 1.2), "positive": (0.3, 2.5), "nonzero": (0.4, 1.8), "above -1": (-0.7, 2.0),
    "within 1": (-0.8, 0.8), "above 1": (1.2, 3.0),
}  # fmt: skip
Interval = str | tuple[float, float]


def elementary(
    header: str,
    f: Callable[..., Any],
    *,
    domain: Interval | tuple[Interval, ...] = "real",
    closed: dict[str, str] | None = None,
    check: bool = True,
    **derivatives: str,
) -> Callable[..., Any]:
    """Enter a row into the table: an elementwise function and its derivative, once, for every mode and order.

    Parameters
    ----------
    header : str
        ``"name"`` or ``"name(a, b)"``; without arguments these are those of the derivatives, in order.
    f : callable
        The value, of arrays and numbers, element by element: a ufunc (which can then be called with numbers itself) or
        any function of arrays.
    **derivatives : str
        ``dx="..."`` for each argument x: the partial derivative, written with ``+ - * / **``, comparisons, numbers,
        ``pi``, ``inf``, ``nan``, the arguments, the result ``y``, and names of the table (`where`, `exp`, …).
    domain : str, (low, high), or a tuple of these for several arguments
        Where the row holds, and is checked: "real", "positive", "nonzero", "above -1", "above 1", "within 1".
    closed : dict, optional
        For series, another spelling of a derivative whose words lead to ever new ones.
    check : bool
        Compare the derivatives with differences of ``f`` at points of the domain.

    Returns
    -------
    callable
        It works on plain arrays and numbers and in all modes and orders.

    Raises
    ------
    ArgumentError
        At once, where a name is unknown or taken, a derivative is missing, is no expression of the table, or does not
        agree with differences of ``f``.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> gaussian = dg.elementary("gaussian", lambda x: np.exp(-x * x), dx="-2*x*y")
    >>> dg.grad(gaussian)(1.0), dg.derivative(gaussian, 4)(0.0)
    (np.float64(-0.7357588823428847), np.float64(12.0))
    """
    name, args = _header(header, derivatives)
    if not callable(f):
        raise ArgumentError(f"elementary: f={f!r:.60} is not a function")
    if isinstance(f, np.ufunc) and f in UFUNCS and UFUNCS[f].name != name:
        raise ArgumentError(f"elementary: {f!r} has a row already, {UFUNCS[f].name}", hint="use it as it is")
    for text in (*derivatives.values(), *(closed or {}).values()):
        _check_text(name, text, {*args, "y"})
    old = WORDS.pop(name, None), getattr(USER, name, None)
    several = isinstance(domain, tuple) and not isinstance(domain[0], (float, int))
    intervals: Any = domain if several else (domain,) * len(args)
    word = declare.elementary(
        f"{name}({', '.join(args)})",
        domain=("real",) * len(args),
        text=f"user.{name}({', '.join(f'{{{k}}}' for k in range(len(args)))})",
        closed=closed,
        ufunc=_value(name, f),
        **dict[str, Any](derivatives),
    )
    call = Row(word, f)
    setattr(USER, name, call)
    try:
        for active in itertools.product((False, True), repeat=len(args)):
            if any(active):
                _build(word, active)
        if check:
            _check_values(word, [*map(_interval, intervals)], derivatives)
    except BaseException:
        WORDS.pop(name)
        if old[0] is not None:
            WORDS[name] = old[0]
            setattr(USER, name, old[1])
        raise
    if isinstance(f, np.ufunc):
        UFUNCS[f] = word
    return call


def _header(header: str, derivatives: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    """Name and arguments, checked."""
    found = re.fullmatch(r"\s*(\w+)\s*(?:\((.*)\))?\s*", header)
    wrong = [d for d in derivatives if not (d.startswith("d") and d[1:].isidentifier())]
    if found is None or wrong:
        raise ArgumentError(
            f"elementary: {wrong[0] if wrong else header!r}: not understood",
            hint='write elementary("name(a, b)", f, da="...", db="...")',
        )
    name, inside = found.groups()
    args = tuple(a.strip() for a in inside.split(",")) if inside else tuple(d[1:] for d in derivatives)
    if not name.isidentifier() or keyword.iskeyword(name) or hasattr(Builder, name) or name in (*NUMBERS, "y"):
        raise ArgumentError(f"elementary: {name!r} cannot be the name of a row", hint="choose another name")
    if name in WORDS and not hasattr(USER, name):
        hint = "use it as it is, or choose another name"
        raise ArgumentError(f"elementary: {name!r} is in the table already", hint=hint)
    bad = [a for a in args if not a.isidentifier() or keyword.iskeyword(a) or a in (*NUMBERS, "y") or a in WORDS]
    if bad or not args or len(set(args)) != len(args):
        culprit = repr(bad[0]) if bad else "a name given twice, or none,"
        raise ArgumentError(f"elementary: {name}({', '.join(args)}): {culprit} cannot be an argument")
    wanted, given = {f"d{a}" for a in args}, set(derivatives)
    if wanted != given:
        lacks = [f"the derivative {d}= is missing" for d in sorted(wanted - given)]
        extra = [f"{d}= belongs to no argument" for d in sorted(given - wanted)]
        raise ArgumentError(
            f"elementary: {name}({', '.join(args)}): {(lacks + extra)[0]}",
            why="a derivative that nobody wrote down would be zero without a message",
            hint="give one for each argument; '0' where the function does not depend on it",
        )
    return name, args


def _check_text(name: str, text: Any, known: set[str]) -> None:
    """Raise where a derivative is not written with what the table has."""
    try:
        tree = parse(text)
    except (SyntaxError, TypeError):
        raise ArgumentError(f"elementary: {name}: {text!r} is not an expression") from None
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Name):
            if node.id not in known and node.id not in NUMBERS:
                raise _unknown(name, text, node.id, known | set(NUMBERS))
            continue
        if isinstance(node, ast.Constant):
            if isinstance(node.value, (int, float)):
                continue
            raise ArgumentError(f"elementary: {name}: {node.value!r} in {text!r} is not a number")
        try:
            word, operands = shape_of(node)
        except (ValueError, KeyError):
            raise ArgumentError(
                f"elementary: {name}: {ast.unparse(node)!r} in {text!r} is not understood",
                why="a derivative is made of + - * / **, comparisons and words of the table",
            ) from None
        usable = {n for n, w in WORDS.items() if w.elementwise}
        if word not in usable:
            raise _unknown(name, text, word, usable)
        if len(operands) != len(WORDS[word].rule.args):
            raise ArgumentError(
                f"elementary: {name}: {ast.unparse(node)!r} in {text!r}: "
                f"{word} takes {len(WORDS[word].rule.args)} arguments, not {len(operands)}"
            )
        nodes += operands


def _unknown(name: str, text: str, unknown: str, known: set[str]) -> ArgumentError:
    near = difflib.get_close_matches(unknown, sorted(known), 3)
    return ArgumentError(
        f"elementary: {name}: {unknown!r} in {text!r} is unknown",
        why="a derivative is written with its arguments, the result y, and words of the table",
        hint=f"did you mean {' or '.join(near)}?" if near else f"names: {', '.join(sorted(known))[:200]}",
    )


def _value(name: str, f: Callable[..., Any]) -> Callable[..., Any]:
    """``f`` of plain values, with NumPy's numbers for Python's."""

    def value(*args: Any) -> Any:
        try:
            y = np.asarray(f(*args))
        except TypeError as error:
            if not any(map(np.ndim, args)):
                raise
            hint = "use np.vectorize(f)"
            raise ArgumentError(f"elementary: {name} does not take arrays: {error}", hint=hint) from None
        shape = np.broadcast_shapes(*map(np.shape, args))
        if y.shape != shape:
            raise StructureError(
                f"{name}: the result has shape {y.shape}, the arguments have shape {shape}",
                why="an elementary function acts element by element",
                hint="use np.vectorize, or dg.custom_jvp for other functions",
            )
        return y[()]

    return value


class Row(InNopython):
    """What the user calls: a row of the table."""

    def __init__(self, word: Word, f: Callable[..., Any]):
        self.f, self.word, self.__dualgrad_word__ = f, word, word.name
        update_wrapper(self, f, updated=())
        self.__name__ = self.__qualname__ = word.name

    def __call__(self, *args: Any) -> Any:
        args = tuple(map(operand, args))
        return apply(self.word, *args) if any(isinstance(a, Number) for a in args) else self.f(*args)

    @cached_property
    def _of_numbers(self) -> Any:
        from dualgrad.native.ruled import of_row

        return of_row(self)

    def __dualgrad_numbers__(self, args: tuple[Any, ...]) -> Any:
        """What nopython code calls with numbers."""
        return self._of_numbers

    def __dualgrad_fingerprint__(self) -> tuple[Any, ...]:
        rule = self.word.rule
        return self.__name__, self.f, rule.args, rule.derivatives, rule.closed


def _build(word: Word, active: tuple[bool, ...]) -> None:
    """Write the steps of every mode once, so that a row that cannot be used is known at once."""
    for make in (jvp_step, linear_step, jet_step):
        make(Pattern(word, active, (None,) * len(active)))


def _interval(domain: Interval) -> tuple[float, float]:
    if isinstance(domain, tuple) and len(domain) == 2 and domain[0] < domain[1]:
        return domain
    if isinstance(domain, str) and domain in DOMAINS:
        return DOMAINS[domain]
    raise ArgumentError(
        f"elementary: domain={domain!r}", hint=f"one of {', '.join(map(repr, DOMAINS))}, or (low, high)"
    )


def _check_values(word: Word, intervals: list[tuple[float, float]], texts: Any) -> None:
    """Compare each derivative with central differences of the word inside the domain."""
    if len(intervals) != len(word.rule.args):
        raise ArgumentError(f"elementary: {word.name}: {len(intervals)} domains for {len(word.rule.args)} arguments")
    places = np.array([0.11, 0.37, 0.62, 0.93])
    points = [low + (high - low) * np.roll(places, k) for k, (low, high) in enumerate(intervals)]
    for k, arg in enumerate(word.rule.args):
        low, high = intervals[k]
        h = 1e-4 * (high - low)

        def at(t: float, k: int = k) -> Any:
            return np.asarray(word.ufunc(*(p + t * (j == k) for j, p in enumerate(points))), float)

        with np.errstate(all="ignore"):
            wanted = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
            duals = [Dual(p, np.ones(p.shape)) if j == k else p for j, p in enumerate(points)]
            found = np.asarray(apply(word, *duals).tangent)
        wrong = ~(np.abs(found - wanted) <= 1e-5 * (1 + np.abs(wanted))) & np.isfinite(wanted)
        if np.any(wrong):
            n = int(np.argmax(wrong))
            where = ", ".join(f"{a}={p[n]:.4g}" for a, p in zip(word.rule.args, points))
            text = texts["d" + arg]
            raise ArgumentError(
                f"elementary: {word.name}: d{arg}={text!r} is {found[n]:.8g} at {where}, "
                f"differences give {wanted[n]:.8g}",
                why="the derivative does not belong to this function, or the point is outside its domain",
                hint="correct the text, give domain=, or check=False if you know better",
            )
