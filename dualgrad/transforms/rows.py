"""A buffer that a sweep fills becomes a part of an array: a row of a Jacobian is made where it lies, not copied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..core.program import Atom, Block, Let, Statement, Store, Var
from ..core.walk import atoms_read, rebuilt, vars_bound, walk


def inside(block: Block, buffer: Atom, array: Var, at: tuple[Atom, ...]) -> Block | None:
    """The block with ``array[at]``, which holds zeros, in place of a buffer that it makes; None if that cannot be."""
    if buffer.type.dtype != array.type.dtype:
        return None
    made = [s for s in block if isinstance(s, Let) and s.target is buffer and s.word.name == "full"]
    if not made or not all(map(entries_only(buffer), walk([s for s in block if s is not made[0]]))):
        return None
    return _moved([s for s in block if s is not made[0]], buffer, array, at)


def entries_only(buffer: Atom) -> Callable[[Statement], bool]:
    """Whether a statement mentions the buffer for its entries and lengths alone."""

    def test(s: Statement) -> bool:
        if isinstance(s, Store):
            return s.value is not buffer and (s.array is not buffer or bool(s.index))
        if isinstance(s, Let) and s.word.name in ("load", "shape"):
            return s.target is not buffer
        return buffer not in (*atoms_read(s), *vars_bound(s))

    return test


def _moved(block: Block, buffer: Atom, array: Var, at: tuple[Atom, ...]) -> Block:
    out: Block = []
    for s in block:
        if isinstance(s, Store) and s.array is buffer:
            s = replace(s, array=array, index=(*at, *s.index))
        elif isinstance(s, Let) and s.word.name == "load" and s.args[0] is buffer:
            s = replace(s, args=(array, *at, *s.args[1:]))
        elif isinstance(s, Let) and s.word.name == "shape" and s.args[0] is buffer:
            s = replace(s, args=(array,), params={"axis": s.params["axis"] + len(at)})
        else:
            s = rebuilt(s, lambda a: a, lambda inner: _moved(inner, buffer, array, at))
        out.append(s)
    return out
