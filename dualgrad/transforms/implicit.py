"""The series of an implicit word, solved order by order from its jvp.

With ``y' = L(a, y; a')`` for a jvp that is linear in the tangents, ``k y_k`` is the coefficient of order k-1 of L,
and that needs coefficients of y below k only.  The coefficients that the text of the jvp names become series like
any value; each linear statement becomes a series that is filled one order behind them, in one of the shapes
linear, Cauchy product and quotient.  So a product of two series costs one sum per order, and K orders cost K²
products of matrices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.build import Builder
from ..core.program import Atom, Let, Program, Var, variable, zero
from ..core.walk import lets
from ..core.words import WORDS, Word
from .jvp import matched, tangent
from .series import ONE, Series, is_series, plain, scaled, total
from .tidy import tidy

if TYPE_CHECKING:
    from .jet import Recurrence

Known = dict[Atom, Series]


def follow(recurrence: Recurrence, word: Word, args: list[Any], y: Series) -> None:
    """Add the steps that fill ``y``, the series of ``word(*args)``."""
    atoms = tuple(Var(n, a.first.type) if is_series(a) else plain(a) for n, a in zip(word.rule.args, args, strict=True))
    values: Known = {v: a for v, a in zip(atoms, args, strict=True) if is_series(a)}
    slopes: Known = {}
    text, result, tangents = _jvp(word, atoms, values, y)

    def step(b: Builder, k: Atom) -> None:
        behind = b.sub(k, ONE)
        for v, dot in tangents.items():
            x = values[v]
            b.store(variable(slopes[dot].memory), (behind,), b.mul(x.at(k, b), scaled(b, k, x)))
        for s in text:
            if s.target in slopes:
                b.store(variable(slopes[s.target].memory), (behind,), _coefficient(s, slopes, values, behind, b))
        slope = b.div(slopes[result].at(behind, b), scaled(b, k, y))
        b.store(variable(y.memory), (k,), matched(slope, y.first.type, b))

    recurrence.steps.append(step)  # comes first: y_k needs what the text names only below k
    for dot in tangents.values():
        slopes[dot] = Series(dot, recurrence.allocate(dot.type))
    for s in text:
        if any(a in slopes for a in s.args):
            slopes[s.target] = Series(s.target, recurrence.allocate(s.target.type))
        else:
            found = recurrence.word(s.word, [values.get(a, a) for a in s.args])
            values[s.target] = found


def _jvp(word: Word, atoms: tuple[Atom, ...], values: Known, y: Series) -> tuple[list[Let], Atom, dict[Atom, Var]]:
    """The statements of the jvp, its result, and the tangents by argument; ``y`` enters the values."""
    let = Let(Var("y", y.first.type), word, atoms)
    tangents: dict[Atom, Var] = {v: Var(f"{variable(v).name}_dot", v.type) for v in values}
    b = Builder()
    dot = tangent(let, [tangents.get(a) if isinstance(a, Var) else None for a in atoms], b)
    assert dot is not None
    values[let.target] = y
    inputs = [a for a in (*atoms, let.target) if isinstance(a, Var)]
    program = tidy(Program("jvp", [*inputs, *tangents.values()], b.block, [dot]))
    return list(lets(program.body)), program.results[0], tangents


def _coefficient(s: Let, slopes: Known, values: Known, k: Atom, b: Builder) -> Atom:
    """The coefficient of order k of a linear statement."""
    moving = [a for a in s.args if is_series(values.get(a))]

    def at(j: Atom, order: Atom | None, b: Builder, word: Word = s.word, x: Series | None = None) -> Atom:
        """The statement with its linear arguments at order j, its coefficients at ``order`` (None: the value)."""
        args = []
        for a in s.args:
            if a in slopes:
                args.append((x or slopes[a]).at(j, b))
            elif a in moving and order is not None:
                args.append(values[a].at(order, b))
            elif word is not s.word and isinstance(a, Var):  # the product of a quotient is linear in all coefficients
                args.append(b.mul(plain(values.get(a, a)), 0.0))
            else:
                args.append(plain(values.get(a, a)))
        return b.emit(word, *args)

    if not moving:
        return at(k, None, b)
    inverse = s.word.rule.inverse
    if inverse is None:
        return total(b, zero(s.target.type), b.add(k, ONE), lambda b, j: at(j, b.sub(k, j), b))
    product, quotient = WORDS[inverse], slopes[s.target]
    numerator = next(a for a in s.args if a in slopes)
    rest = total(b, slopes[numerator].at(k, b), k, lambda b, j: b.neg(at(j, b.sub(k, j), b, product, quotient)))
    return b.emit(s.word, *(rest if a is numerator else plain(values.get(a, a)) for a in s.args))
