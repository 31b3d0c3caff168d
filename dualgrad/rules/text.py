"""A rule is a line of Python over words; here it is read once and written into programs.

``"da*b + a*db"`` is the rule of ``mul``: names are the arguments, ``y`` the result,
``d<name>`` the tangent of an argument.  Evaluating it with a tangent that is
structurally zero (``None``) drops the terms it multiplies, so one line serves every
pattern of active arguments.

Parts free of tangents are coefficients and go to one builder, parts linear in the
tangents to another.  With the same builder twice the result is a jvp; with two it is
already linearized.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from dualgrad.core.build import ARITHMETIC, COMPARISONS, Builder
from dualgrad.core.program import Atom, Const
from dualgrad.core.words import WORDS

OPERATORS: dict[type, str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "power", ast.USub: "neg",
    ast.MatMult: "matmul", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne",
}  # fmt: skip

NUMBERS = {"inf": float("inf"), "nan": float("nan"), "pi": 3.141592653589793}


@lru_cache(None)
def parse(rule: str) -> ast.expr:
    """The expression tree of a rule."""
    return ast.parse(rule, mode="eval").body


class Writer:
    """Writes rules: coefficients to one builder, what is linear in the tangents to the other."""

    batched = False  # whether tangents have a leading axis that structural words must pass over

    def __init__(
        self,
        env: Mapping[str, Any],
        coefficients: Builder,
        linear: Builder,
        tangents: frozenset[str] = frozenset(),
    ):
        self.env, self.coefficients, self.linear, self.tangents = env, coefficients, linear, tangents

    def write(self, rule: str) -> Any:
        """The atom the rule evaluates to; None for a structural zero."""
        return self.value(parse(rule))[0]

    def value(self, node: ast.expr) -> tuple[Any, bool]:
        """``(atom or None, whether it is linear in the tangents)``."""
        if isinstance(node, ast.Constant):
            return node.value, False
        if isinstance(node, ast.Name):
            if node.id in self.env:
                return self.env[node.id], node.id in self.tangents
            return NUMBERS[node.id], False
        name, operands = shape_of(node)
        values, flags = zip(*(self.value(o) for o in operands), strict=True)
        if not any(flags):
            return emit(self.coefficients, name, values), False
        if name == "matmul":  # in a rule all factors are stacks of matrices, of one stack
            name, values = ("right_times", values) if flags[0] else ("left_times", values[::-1])
        if self.batched and f"{name}_batched" in WORDS:
            name = f"{name}_batched"
        if any(v is None for v in values):
            return ZEROS[name](self.linear, *values), True
        return emit(self.linear, name, values), True


def shape_of(node: ast.expr) -> tuple[str, list[ast.expr]]:
    """Word and operands of one node of a rule."""
    if isinstance(node, ast.BinOp):
        return OPERATORS[type(node.op)], [node.left, node.right]
    if isinstance(node, ast.UnaryOp):
        return OPERATORS[type(node.op)], [node.operand]
    if isinstance(node, ast.Compare):
        return OPERATORS[type(node.ops[0])], [node.left, node.comparators[0]]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id, node.args
    raise ValueError(f"a rule cannot contain {ast.unparse(node)}")


def emit(b: Builder, name: str, values: tuple[Any, ...]) -> Any:
    """One word; literals among themselves are worked out here and now."""
    values = tuple(v.value if isinstance(v, Const) and isinstance(v.value, int) else v for v in values)
    literals = [v.value if isinstance(v, Const) else v for v in values]
    if name == "where" and isinstance(literals[0], bool):
        return values[1] if literals[0] else values[2]
    if all(isinstance(v, (bool, int, float)) for v in literals) and name in EVALUATE:
        return EVALUATE[name](*literals)
    return getattr(b, name)(*values)


EVALUATE: dict[str, Callable[..., Any]] = {**ARITHMETIC, **COMPARISONS}


def _sub_zero(b: Builder, x: Atom | None, y: Atom | None) -> Atom | None:
    return (b.neg(y) if y is not None else None) if x is None else x


def _where_zero(b: Builder, test: Atom, x: Atom | None, y: Atom | None) -> Atom | None:
    if x is None and y is None:
        return None
    return b.where(test, 0.0 if x is None else x, 0.0 if y is None else y)


# What a word makes of structural zeros (None) among its linear operands.
ZEROS: dict[str, Callable[..., Atom | None]] = {
    "add": lambda b, x, y: y if x is None else x,
    "sub": _sub_zero,
    "mul": lambda b, x, y: None,
    "div": lambda b, x, y: None,
    "neg": lambda b, x: None,
    "matmul": lambda b, x, y: None,
    "where": _where_zero,
}


def rule_names(rule: str) -> set[str]:
    """The names a rule mentions."""
    return {n.id for n in ast.walk(parse(rule)) if isinstance(n, ast.Name)}
