"""What a function closes over: the numbers in its cells, and the same function with other numbers there."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import CellType, FunctionType
from typing import Any

from dualgrad.core.containers import flatten, unflatten
from dualgrad.numbers.number import Number, bare


def closed_over(f: Any, seen: tuple[Any, ...] = ()) -> Iterator[Any]:
    """The numbers in the cells of a function, and in those of the functions in its cells."""
    for content in _cells(f):
        if isinstance(content, FunctionType):
            if content not in seen:
                yield from closed_over(content, (*seen, f))
        else:
            yield from filter(_is_number, flatten(content)[0])


def closing_over(f: Any, numbers: Iterator[Any], seen: tuple[Any, ...] = ()) -> Any:
    """The function with other numbers in the places where `closed_over` found some."""
    if isinstance(f, partial):
        return partial(closing_over(f.func, numbers, seen), *f.args, **f.keywords)
    if not isinstance(f, FunctionType) or not any(True for _ in closed_over(f, seen)):
        return f
    cells = []
    for cell, content in zip(f.__closure__ or (), _cells(f)):
        if isinstance(content, FunctionType):
            new = content if content in seen else closing_over(content, numbers, (*seen, f))
        else:
            leaves, structure = flatten(content)
            new = unflatten(structure, [next(numbers) if _is_number(x) else x for x in leaves])
        cells.append(CellType(new) if new is not content else cell)
    g = FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, tuple(cells))
    g.__kwdefaults__ = f.__kwdefaults__
    return g


def _cells(f: Any) -> list[Any]:
    """The contents of the cells of a function."""
    f = f.func if isinstance(f, partial) else f
    contents = []
    for cell in getattr(f, "__closure__", None) or ():
        try:
            contents.append(cell.cell_contents)
        except ValueError:  # not filled yet
            contents.append(None)
    return contents


def _is_number(x: Any) -> bool:
    return isinstance(bare(x), Number)
