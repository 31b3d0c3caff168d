"""``np.einsum``: subscripts are read once, each operand is prepared, and pairs are contracted by one word.

A letter that an operand has twice means its diagonal; an axis of length one that meets a longer one is dropped; a
letter that only one operand has and the result has not is summed.  What is left are products of two operands in which
every letter is in the other operand or in the result, so that the transposes are einsums too (`contract`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from string import ascii_letters, ascii_lowercase, ascii_uppercase
from typing import Any

import numpy as np

from dualgrad.core.words import WORDS

from ..array import as_value
from ..number import apply
from .making import strong
from .table import means

EINSUM = WORDS["einsum"]
SUBLISTS = ascii_uppercase + ascii_lowercase  # NumPy's letters for the integers of a sublist


@means(np.einsum)
def einsum(*operands: Any, optimize: Any = False, dtype: Any = None, order: str = "K") -> Any:
    subscripts, operands = _called(operands)
    operands = tuple(strong(x) if dtype is None else strong(x).astype(dtype) for x in operands)
    letters, out = read(subscripts, tuple(map(np.ndim, operands)))
    sizes = _sizes(letters, operands)
    terms = [_squeezed(x, own, sizes) for x, own in zip(operands, letters)]
    for together in _path(letters, out, operands, optimize):
        chosen = [terms.pop(k) for k in sorted(together, reverse=True)][::-1]
        rest = {c for _, own in terms for c in own}
        while len(chosen) > 1:
            a, b, *chosen = chosen
            needed = rest.union(out, *(own for _, own in chosen))
            chosen = [_pair(a, b, needed, out if not (terms or chosen) else None), *chosen]
        terms.append(chosen[0])
    x, own = _summed(*terms[0], set(out))
    return np.transpose(x, [own.index(c) for c in out]) if own != out else as_value(x)


def _called(operands: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """Subscripts and operands, also of the call with a sublist after each operand."""
    if isinstance(operands[0], str):
        return operands[0].replace(" ", ""), operands[1:]
    *lists, last = operands[1::2] if len(operands) % 2 == 0 else (*operands[1:-1:2], operands[-1])
    lists = ["".join("..." if k is Ellipsis else SUBLISTS[k] for k in sub) for sub in (*lists, last)]
    count = len(operands) // 2
    text = ",".join(lists[:count])
    return (text if len(operands) % 2 == 0 else f"{text}->{lists[-1]}"), tuple(operands[: 2 * count : 2])


@lru_cache(4096)
def read(subscripts: str, ranks: tuple[int, ...]) -> tuple[tuple[str, ...], str]:
    """Letters of each operand and of the result, every axis behind an ellipsis with a letter of its own."""
    given, arrow, out = subscripts.partition("->")
    inputs = given.split(",")
    if len(inputs) != len(ranks):
        raise ValueError(f"einsum: {len(inputs)} groups of subscripts for {len(ranks)} operands")
    free = "".join(c for c in ascii_letters if c not in subscripts)
    hidden = [rank - len(s.replace("...", "")) for s, rank in zip(inputs, ranks)]
    for s, rank, extra in zip(inputs, ranks, hidden):
        if extra < 0 or extra and "..." not in s:
            raise ValueError(f"einsum: subscripts {s!r} for an operand with {rank} axes")
    broadcast = free[: max((h for s, h in zip(inputs, hidden) if "..." in s), default=0)]
    letters = tuple(s.replace("...", broadcast[len(broadcast) - max(h, 0) :]) for s, h in zip(inputs, hidden))
    named = given.replace("...", "").replace(",", "")
    if not arrow:
        out = "..." + "".join(sorted(c for c, n in Counter(named).items() if n == 1))
    elif broadcast and "..." not in out:
        raise ValueError("einsum: the result has no ellipsis for the axes that are broadcast")
    out = out.replace("...", broadcast)
    bad = [c for c in out if c not in named + broadcast] + [c for c, n in Counter(out).items() if n > 1]
    if bad or not (named + out).isalpha() and named + out:
        raise ValueError(f"einsum: invalid subscripts {subscripts!r}")
    return letters, out


def _sizes(letters: Sequence[str], operands: Sequence[Any]) -> dict[str, int]:
    """The length of each letter's axis; axes of length one are broadcast."""
    sizes: dict[str, int] = {}
    for own, x in zip(letters, operands):
        inside = dict(zip(own, np.shape(x)))
        for c, n in zip(own, np.shape(x)):
            if n != inside[c]:
                raise ValueError(f"einsum: an operand has the axis {c!r} twice, of lengths {n} and {inside[c]}")
            if n != sizes.get(c, n) and 1 not in (n, sizes[c]):
                raise ValueError(f"einsum: axes {c!r} of lengths {sizes[c]} and {n}")
            sizes[c] = n if sizes.get(c, 1) == 1 else sizes[c]
    return sizes


def _squeezed(x: Any, own: str, sizes: dict[str, int]) -> tuple[Any, str]:
    """An operand without axes that are broadcast, and with the diagonal of letters that it has twice."""
    drop = [n == 1 and sizes[c] != 1 for c, n in zip(own, np.shape(x))]
    if any(drop):
        x = x[tuple(0 if d else slice(None) for d in drop)]
        own = "".join(c for c, d in zip(own, drop) if not d)
    for c in [c for c, n in Counter(own).items() if n > 1]:
        while own.count(c) > 1:
            first = own.index(c)
            second = own.index(c, first + 1)
            x = np.diagonal(x, 0, first, second)
            own = own[:first] + own[first + 1 : second] + own[second + 1 :] + c
    return x, own


def _summed(x: Any, own: str, needed: set[str]) -> tuple[Any, str]:
    """Without the axes that nobody needs."""
    axes = tuple(k for k, c in enumerate(own) if c not in needed)
    return (np.sum(x, axes), "".join(c for c in own if c in needed)) if axes else (x, own)


def _pair(a: tuple[Any, str], b: tuple[Any, str], needed: set[str], out: str | None) -> tuple[Any, str]:
    """The product of two operands; its letters are those needed, in the order ``out`` where that is given."""
    (x, left), (y, right) = _summed(*a, needed | set(b[1])), _summed(*b, needed | set(a[1]))
    if out is None or set(out) - set(left + right):
        out = "".join(c for c in dict.fromkeys(left + right) if c in needed)
    return apply(EINSUM, x, y, left, right, out), out


def _path(letters: Sequence[str], out: str, operands: Sequence[Any], optimize: Any) -> list[tuple[int, ...]]:
    """Which operands are multiplied next: two at once, or as ``np.einsum_path`` says."""
    if len(operands) < 3:
        return [tuple(range(len(operands)))]
    models = [np.broadcast_to(0.0, np.shape(x)) for x in operands]
    return np.einsum_path(f"{','.join(letters)}->{out}", *models, optimize=optimize or "greedy")[0][1:]
