"""A word is an operation; its kind says what is derived from its declaration.

The table of words lives in `dualgrad.rules`; here is only what a word *is*, and
the one dictionary `WORDS` that the table fills.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from .program import Type

KINDS = ("elementary", "family", "linear", "bilinear", "quotient", "implicit", "selecting", "discrete", "memory")


@dataclass(eq=False)
class Word:
    """One row of the table.

    Attributes
    ----------
    name, kind : str
        The kind (see `KINDS`) decides how the transforms treat the word.
    infer : callable
        ``infer(types, params) -> Type`` of the result.
    text : str or callable
        Python source of one application: a format string over the arguments' texts, or
        ``text(args, params, types) -> source`` or ``(source, precedence)``.
    rule : Any
        What the kind declares: an `Elementary` row, a transpose, a pair of transposes, …
    elementwise : bool
        Whether the word broadcasts its arguments like a ufunc.
    ufunc : Any
        The NumPy callable this word stands for, if any.
    precedence : int
        How tightly the text binds, for brackets; 100 is a call or a name.
    compiled : bool
        Whether numba knows the functions of the text.
    makes : bool
        Whether each application in a kernel makes new memory, as a product of matrices does.
    """

    name: str
    kind: str
    infer: Callable[[list[Type], dict[str, Any]], Type]
    text: str | Callable[..., Any]
    rule: Any = None
    elementwise: bool = False
    ufunc: Any = None
    precedence: int = 100
    compiled: bool = True
    makes: bool = False

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> Any:
        return (WORDS.__getitem__, (self.name,))


WORDS: dict[str, Word] = {}
USER = ModuleType("user")  # the functions of rows that users add, by name; texts call them as ``user.name(...)``


def register(word: Word) -> Word:
    """Enter a word into the one dictionary; a name can be taken once."""
    if word.name in WORDS:
        raise ValueError(f"the word {word.name!r} is in the table already")
    WORDS[word.name] = word
    return word
