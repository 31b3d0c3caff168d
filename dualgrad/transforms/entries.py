"""Products of matrices as loops over their entries, where a transform works on numbers: lanes, series, masks.

Reverse mode keeps the factors of a product whole if their lengths are known before the outermost loop; it writes the
others out too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import replace

from ..core.build import Builder
from ..core.program import Atom, Block, Const, For, Let, Program, Var, While, variable
from ..core.walk import rebuilt, vars_bound, walk

# What the bounds of loops are made of: the ends of slices, checked lengths
INVARIANT = frozenset(
    """move checked length shape add sub mul neg floordiv mod maximum minimum where lt le gt ge eq ne and_ or_
    not_ cast power""".split()  # noqa: SIM905
)
Length = Atom | tuple[Var, int]
"""A number, or the axis of an array that has it."""


def is_product(s: object) -> bool:
    """Whether a statement multiplies matrices."""
    return isinstance(s, Let) and s.word.makes


def by_entries(program: Program) -> Program:
    """The program with each product of matrices written out."""
    return replace(program, body=spelt_out(program.body)) if any(map(is_product, walk(program.body))) else program


def spelt_out(block: Block, which: Callable[[Let], bool] = is_product) -> Block:
    """A block with some of its products as loops."""
    b = Builder()
    for s in block:
        if isinstance(s, Let) and s.word.makes and which(s):
            product_of_entries(s, b)
        else:
            b.block.append(rebuilt(s, lambda a: a, lambda inner: spelt_out(inner, which)))
    return b.block


def product_of_entries(s: Let, b: Builder) -> None:
    """Zeros, and a nest of loops that adds; where it can, the innermost one runs along memory."""
    b.line = s.line
    x, y = s.args
    if s.word.name == "plus":
        b.zeros(b.dims(x), s.target.type.dtype, s.target)
        b.each(b.dims(x), lambda body, at: body.store(s.target, at, body.add(body.load(x, *at), body.load(y, *at))))
        return
    (row, column), target = s.word.rule.lengths, s.target
    rows, inner, columns = b.shape(x, axis=row), b.shape(x, axis=1 - row), b.shape(y, axis=column)
    b.zeros([rows, columns], target.type.dtype, target)

    def add(body: Builder, i: Atom, k: Atom, j: Atom) -> None:
        left, right = ((i, k) if row == 0 else (k, i)), ((k, j) if column == 1 else (j, k))
        body.store(target, (i, j), body.mul(body.load(x, *left), body.load(y, *right)), accumulate=True)

    if column == 1:
        b.each([rows, inner, columns], lambda body, at: add(body, at[0], at[1], at[2]))
    else:
        b.each([rows, columns, inner], lambda body, at: add(body, at[0], at[2], at[1]))


# Lengths that are known before the outermost loop


def with_lengths_at_root(program: Program) -> Program:
    """The program, products of factors without such lengths and those inside checkpoints written out."""
    if not any(map(is_product, walk(program.body))):
        return program
    lets = {s.target: s for s in walk(program.body) if isinstance(s, Let)}
    bound, body = set(program.params), []
    for top in program.body:
        inside = {id(t) for s in walk([top]) if isinstance(s, (For, While)) and s.checkpoint for t in walk([s])}

        def unknown(s: Let, inside: Set[int] = inside) -> bool:
            return id(s) in inside or any(lengths_at_root(variable(a), bound, lets) is None for a in s.args)

        body += spelt_out([top], unknown)
        bound.update(vars_bound(top))
    return replace(program, body=body)


def lengths_at_root(array: Var, bound: Set[Var], lets: Mapping[Var, Let]) -> list[Length] | None:
    """The lengths of an array from what the outermost block has ``bound``; None if they are not known there."""
    if array in bound:
        return [(array, k) for k in range(array.type.rank)]
    s = lets.get(array)
    if s is None:
        return None
    if s.word.name == "full":
        return list(s.args[1:]) if all(is_known(a, bound, lets) for a in s.args[1:]) else None
    if s.word.makes:
        (a, b), (row, column) = (lengths_at_root(variable(f), bound, lets) for f in s.args), s.word.rule.lengths
        return None if a is None or b is None else [a[row], b[column]]
    return lengths_at_root(variable(s.args[0]), bound, lets) if s.word.name == "copy" else None


def is_known(a: Atom, bound: Set[Var], lets: Mapping[Var, Let]) -> bool:
    """Whether a number can be worked out from what is bound."""
    if isinstance(a, Const) or a in bound:
        return True
    s = lets.get(a)
    return s is not None and is_invariant(s) and all(is_known(v, bound, lets) for v in s.args)


def is_invariant(s: Let) -> bool:
    """Whether a number is the same wherever its arguments are; a division by zero would raise before its time."""
    divides = s.word.name in ("floordiv", "mod")
    return s.word.name in INVARIANT and not (divides and not (isinstance(s.args[1], Const) and s.args[1].value))
