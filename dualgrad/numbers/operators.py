"""Python's operators on numbers; importing this module gives numbers theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from dualgrad.core.words import WORDS, Word

from .number import Number, apply, as_number, write_out
from .sparse import product

OPERANDS = (Number, ndarray, int, float, complex, np.generic)


def _operator(word: Word, swapped: bool = False) -> Callable[[Any, Any], Any]:
    def operator(self: Any, other: Any) -> Any:
        if not isinstance(other, OPERANDS):
            if word.name == "matmul" and hasattr(other, "tocsc"):
                return product(self, other, swapped)
            if not isinstance(other, (list, tuple)):
                return NotImplemented
            other = as_number(other)
        return apply(word, other, self) if swapped else apply(word, self, other)

    return operator


def _in_place(word: Word) -> Callable[[Any, Any], Any]:
    def operator(self: Any, other: Any) -> Any:
        result = apply(word, self, other if isinstance(other, OPERANDS) else as_number(other))
        return write_out(self, result) if self._is_array() else result

    return operator


OPERATORS = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "pow": "power", "matmul": "matmul",
    "mod": "mod", "floordiv": "floordiv",
}  # fmt: skip
COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")

for _name, _word in OPERATORS.items():
    setattr(Number, f"__{_name}__", _operator(WORDS[_word]))
    setattr(Number, f"__r{_name}__", _operator(WORDS[_word], swapped=True))
    setattr(Number, f"__i{_name}__", _in_place(WORDS[_word]))
for _name in COMPARISONS:
    setattr(Number, f"__{_name}__", _operator(WORDS[_name]))
Number.__neg__ = lambda self: apply(WORDS["neg"], self)  # type: ignore[attr-defined, operator]
Number.__divmod__ = lambda self, other: (self // other, self % other)  # type: ignore[attr-defined, operator]
Number.__rdivmod__ = lambda self, other: (other // self, other % self)  # type: ignore[attr-defined, operator]
Number.__pos__ = lambda self: self.copy()  # type: ignore[attr-defined, operator]
Number.__abs__ = lambda self: apply(WORDS["absolute"], self)  # type: ignore[attr-defined, operator]
