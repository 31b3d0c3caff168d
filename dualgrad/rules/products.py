"""Products of whole matrices in kernels, and sums: three words closed under transposition, and the sum of two terms.

Each application makes a new array.  A word is linear in either factor, and its transposes are words of the three.
The functions that the texts name are in `dualgrad.backends.dots`; `dualgrad.transforms.entries` writes the same
products as loops, for what works on entries.
"""

from __future__ import annotations

from typing import Any

from dualgrad.core.program import Type
from dualgrad.core.words import Word, register

from .declare import Rule
from .text import ZEROS


def _matrix(types: list[Type], params: dict[str, Any]) -> Type:
    return types[0]


def _product(name: str, rows: int, columns: int, a: str, b: str) -> None:
    """``name(a, b)``: the axis of ``a`` along its rows, that of ``b`` along its columns, and the two transposes."""
    rule = Rule(("a", "b"), f"{name}(da, b) + {name}(a, db)", {"a": a, "b": b}, lengths=(rows, columns))
    register(Word(name, "bilinear", _matrix, f"{name}({{0}}, {{1}})", rule, makes=True))
    ZEROS[name] = lambda b, x, y: None


register(
    Word(
        "plus", "linear", _matrix, "plus({0}, {1})",
        Rule(("a", "b"), "plus(da, db)", {"a": "ct", "b": "ct"}, lengths=(0, 1)), makes=True,
    )  # fmt: skip
)
ZEROS["plus"] = lambda b, x, y: y if x is None else x
_product("dot", 0, 1, a="dot_nt(ct, b)", b="dot_tn(a, ct)")
_product("dot_nt", 0, 0, a="dot(ct, b)", b="dot_tn(ct, a)")  # a @ b.T
_product("dot_tn", 1, 1, a="dot_nt(b, ct)", b="dot(a, ct)")  # a.T @ b
