"""The rows of an array that a block of turns touches, where they move with the turns: ``u[t + 1] = f(u[t])``."""

from __future__ import annotations

from typing import NamedTuple

from ..core.build import Builder
from ..core.program import INT, Atom, Const, For, Let, Store, Var
from ..core.walk import atoms_read, vars_bound, walk
from .checkpoint import AGAIN
from .forms import Form


class Window(NamedTuple):
    """In turn t the index by ``axis`` is ``scale*t + rest`` and between ``low`` and ``high`` more."""

    axis: int
    scale: int
    rest: Form
    low: int
    high: int

    def height(self, size: Atom, b: Builder) -> Atom:
        """The number of rows that a block of ``size`` turns touches, and those between."""
        turns = b.mul(b.sub(size, 1), abs(self.scale))
        return b.add(turns, self.high - self.low + 1)

    def lowest(self, turn: Atom, size: Atom, b: Builder) -> Atom:
        """The lowest row of the block that begins with a turn; negative rows count from the end, as in NumPy."""
        end = turn if self.scale > 0 else b.sub(b.add(turn, size), 1)
        row = b.add(b.mul(end, self.scale), self.low)
        for v, n in self.rest.terms.items():
            row = b.add(row, b.mul(v, n))
        return row


def window(blocks: For, array: Var) -> Window | None:
    """The window of an array in a loop of blocks; None if not all of its entries there move with the turns."""
    turns = turns_of(blocks)
    if turns is None:
        return None
    inside = {v for s in walk(blocks.body) for v in vars_bound(s)} - {turns.var}
    lets = {s.target: s for s in walk(blocks.body) if isinstance(s, Let)}
    touched = []
    for s in walk(blocks.body):
        if isinstance(s, Store) and s.array is array:
            touched.append(s.index)
        elif isinstance(s, Let) and s.word.name == "load" and s.args[0] is array:
            touched.append(s.args[1:])
        elif array in atoms_read(s) and not (isinstance(s, Let) and s.word.name == "shape"):
            return None
    for axis in range(array.type.rank):
        rows = [affine(index[axis], lets) for index in touched if len(index) > axis]
        if len(rows) == len(touched) and (found := same_step(rows, turns.var, inside)):
            return Window(axis, *found)
    return None


def turns_of(blocks: For) -> For | None:
    """The loop over single turns inside loops of blocks."""
    loop = blocks
    while loop.checkpoint == AGAIN:
        inner = [s for s in loop.body if isinstance(s, For) and s.start is loop.var]
        if len(inner) != 1 or sum(not isinstance(s, Let) for s in loop.body) != 1:
            return None
        loop = inner[0]
    return loop


def affine(atom: Atom, lets: dict[Var, Let]) -> Form:
    """An integer as far as it is made of sums and multiples."""
    if isinstance(atom, Const):
        return Form(atom.value)
    let = lets.get(atom)
    name = let.word.name if let is not None else ""
    if let is None or name not in ("add", "sub", "neg", "mul", "move") or atom.type != INT:
        return Form.of(atom)
    a, *others = [affine(x, lets) for x in let.args]
    if not others:
        return a.times(-1) if name == "neg" else a
    b = others[0]
    if name != "mul":
        return a.plus(b, 1 if name == "add" else -1)
    if a.terms and b.terms:
        return Form.of(atom)
    return b.times(a.const) if b.terms else a.times(b.const)


def same_step(rows: list[Form], turn: Var, inside: set[Var]) -> tuple[int, Form, int, int] | None:
    """``scale, rest, low, high`` if all rows differ by constants only and move with the turns."""
    if not rows or any(row.terms != rows[0].terms for row in rows):
        return None
    terms = dict(rows[0].terms)
    scale = terms.pop(turn, 0)
    if not scale or not inside.isdisjoint(terms):
        return None
    constants = [row.const for row in rows]
    return scale, Form(0, terms), min(constants), max(constants)
