"""The transforms users know, composed of jvp, linearize and transpose."""

from __future__ import annotations

from dualgrad.core.program import Const, Program, Var

from .jvp import jvp
from .linearize import linearize
from .ssa import ssa
from .tidy import tidy
from .transpose import transposed


def pullback(program: Program, active: tuple[bool, ...], keep_value: bool = True) -> Program:
    """``(primals, cotangents) -> (results, cotangents of the active parameters)`` in one program."""
    split = linearize(program, active)
    linear = Program(program.name, [*split.residuals, *split.linear_params], split.tangent, split.tangents, len(split.linear_params))
    like = dict(zip(split.linear_params, split.sources, strict=True))
    block, cotangents, results = transposed(linear, like)
    values = list(split.program.results) if keep_value else []
    whole = Program(f"{program.name}_vjp", [*split.program.params, *cotangents], split.primal + block, values + results)
    return tidy(ssa(whole))


def value_and_grad(program: Program, active: tuple[bool, ...], keep_value: bool = True) -> Program:
    """The pullback of a scalar program at cotangent 1."""
    whole = pullback(program, active, keep_value)
    seed = whole.params.pop()
    one = Const(1.0, seed.type)
    body = [*whole.body]
    fixed = Program(f"{program.name}_grad", whole.params, body, whole.results)
    return tidy(ssa(bound(fixed, seed, one)))


def bound(program: Program, var: Var, value: Const) -> Program:
    """The program with a former parameter fixed to a constant."""
    from dualgrad.core.program import Let
    from dualgrad.core.words import WORDS

    return Program(program.name, program.params, [Let(var, WORDS["move"], (value,)), *program.body], program.results)


__all__ = ["jvp", "pullback", "value_and_grad"]
