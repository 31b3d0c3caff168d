"""A function line by line: what each line binds, with its primal, its tangent and its cotangent, or its series.

The function runs once, on recording numbers, while its lines are traced.  A name that is bound gets a slot of the
tape of its own, so that the cotangent found there is the derivative of the result by that name and nothing else; of
memory that is written, the two sweeps stop at that moment of the recording and look.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualgrad.api.evaluate import Call, fitting, has_nan, whole_order
from dualgrad.api.reverse import Recording
from dualgrad.api.series import line_of
from dualgrad.core.containers import flatten, unflatten
from dualgrad.core.errors import ArgumentError, StructureError
from dualgrad.core.forms import block, brief, columns, series_text, table
from dualgrad.numbers.jet import Jet
from dualgrad.numbers.level import Level
from dualgrad.numbers.masked import seeded
from dualgrad.numbers.number import make, plain

from .rows import Row, Seen, of_level, of_tape, seen_while, sweep_cotangents, sweep_tangents


class Explanation:
    """What `explain` found; it prints as a table, in Jupyter as HTML.

    Attributes
    ----------
    rows : list of Row
        In the order in which they ran: what was bound, with plain values as ``primal``, ``tangent``, ``cotangent`` and
        ``coeffs``, and the line, the function and the turns of loops where that was.
    left_out : int
        How many names were bound between the first and the last of them that are kept.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> found = dg.explain(lambda x: np.sin(x) * x, 0.0)
    >>> [row.name for row in found.rows]
    ['x', 'return']
    >>> found["x"].cotangent
    np.float64(0.0)
    """

    def __init__(self, name: str, seen: Seen, order: int | None, cotangents: bool):
        self.name, self.order, self.cotangents = name, order, cotangents
        self.rows, self.left_out = [k.row for k in seen.kept], seen.left_out

    def __getitem__(self, name: str) -> Row:
        """The last row that binds a name."""
        for row in reversed(self.rows):
            if row.name == name:
                return row
        raise KeyError(name)

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        header, rows = ["line", "turn", "code", "name", "primal"], []
        header += ["series"] if self.order is not None else ["tangent", *["cotangent"] * self.cotangents]
        before = None
        file = self.rows[0].file if self.rows else ""
        for row in self.rows:
            place = (row.file, row.line, row.source, row.turns, row.depth)
            line = str(row.line) if row.file == file else f"{os.path.basename(row.file)}:{row.line}"
            outcome = "" if row.outcome is None or row.source.startswith("for ") else f" → {row.outcome}"
            source = row.source if len(row.source) <= 60 else row.source[:59] + "…"
            code = "│ " * row.depth + "  " * row.indent + source + outcome
            values = [row.coeffs] if self.order is not None else [row.tangent, *[row.cotangent] * self.cotangents]
            shown = ["" if v is None else brief(v, shape=True) for v in [row.primal, *values]]
            if self.order is not None and row.coeffs is not None:
                shown[1] = series_text(row.coeffs)
            first = place != before or row.name == before
            rows.append([line if first else "", "·".join(map(str, row.turns)), code if first else "", row.name, *shown])
            before = place
        if self.left_out:
            note = ["…", "", f"{self.left_out} more"] + [""] * (len(header) - 3)
            rows.insert((len(rows) + 1) // 2, note)
        if not any(row[1] for row in rows):
            header, rows = header[:1] + header[2:], [row[:1] + row[2:] for row in rows]
        return header, rows

    def __str__(self) -> str:
        return columns(*self._cells())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return block(f"{self.name}, line by line", table(*self._cells()))


def explain(
    f: Callable[..., Any],
    *args: Any,
    direction: Any = None,
    cotangent: Any = None,
    order: int | None = None,
    limit: int = 80,
) -> Explanation:
    """A table of the lines of a function as they run, with the derivatives of what they bind.

    For each line: its number and text, the names it binds, and for each of them the primal, the tangent along one
    direction (forward mode: read downwards) and the cotangent, the derivative of the result by this name (reverse
    mode: read upwards).  Loops show their turns; functions of yours that are called are shown too, indented.  An
    ``@njit`` function runs as the Python function that it was compiled from.

    Parameters
    ----------
    f : callable
    *args
        Its arguments.  Those with floats in them are differentiated by; whole numbers only if there are no floats.
    direction : like the argument, or a tuple with one for each argument with floats in it
        The tangent; ones if it is not given.
    cotangent : like the result
        Of the result; 1 where that is one number.  Without it, an array has no cotangents.
    order : int
        Taylor coefficients up to this order along the direction, instead of tangents and cotangents.
    limit : int
        So many names are kept, the first and the last ones.

    Returns
    -------
    Explanation
        It prints itself; ``explanation.rows`` are the rows, ``explanation["y"]`` the last one that binds ``y``.

    Raises
    ------
    ArgumentError
        If no argument is a number or an array of numbers.

    Notes
    -----
    A name for a part of memory (a slice) shows the cotangent of the memory that it looks at.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> def f(x):
    ...     y = x * x
    ...     for k in range(2):
    ...         y = y + k * x
    ...     return y
    >>> dg.explain(f, 3.0)
    line  turn  code                  name    primal  tangent  cotangent
    ────  ────  ────────────────────  ──────  ──────  ───────  ─────────
    1           def f(x):             x       3       1        7
    2             y = x * x           y       9       6        1
    3     1       for k in range(2):  k       0
    4     1         y = y + k * x     y       9       6        1
    3     2       for k in range(2):  k       1
    4     2         y = y + k * x     y       12      7        1
    5             return y            return  12      7        1
    """
    call = _call(f, args)
    name = getattr(f, "__name__", "f")
    if order is not None:
        order = whole_order("explain", order, 1000, "a table of it cannot be read")
        return _series(call, name, direction, order, limit)
    dots, seen = _directions(call, direction), Seen(limit)
    with np.errstate(all="ignore"):
        recording = seen_while(lambda: Recording(call), seen, of_tape)
        seeds = _seeds(recording, cotangent)
        for careful in (False, True):
            sweep_tangents(recording.tape, [*map(seeded, dots)] if careful else dots, seen.kept, careful)
            if seeds is not None:
                pairs = [(ref, seeded(ct) if careful else ct) for ref, ct in seeds]
                sweep_cotangents(recording.tape, pairs, seen.kept, careful)
            if not has_nan([v for k in seen.kept for v in (k.row.tangent, k.row.cotangent) if v is not None]):
                break
    return Explanation(name, seen, None, seeds is not None)


def _call(f: Callable[..., Any], args: Sequence[Any]) -> Call:
    """The call, differentiated by all arguments with floats in them."""

    def has(kinds: str, a: Any) -> bool:
        return any(np.asarray(plain(leaf)).dtype.kind in kinds for leaf in flatten(a)[0])

    for kinds in ("fc", "iu"):
        chosen = tuple(k for k, a in enumerate(args) if has(kinds, a))
        if chosen:
            return Call("explain", f, args, chosen)
    raise ArgumentError("explain: no argument is a number or an array of numbers", hint="pass the point: explain(f, x)")


def _directions(call: Call, direction: Any) -> list[Any]:
    if direction is None:
        return [np.ones(p.shape, p.dtype)[()] for p in call.primals]
    if len(call.argnums) == 1 and not (isinstance(direction, tuple) and len(direction) == 1):
        direction = (direction,)
    return call.match(direction, "direction")


def _seeds(recording: Recording, cotangent: Any) -> list[tuple[Any, Any]] | None:
    """Refs and cotangents of the results; None where there is no one number and none was given."""
    values = recording.values
    if cotangent is None:
        if len(values) != 1 or np.ndim(values[0]) or not hasattr(values[0], "dtype"):
            return None
        cotangent = unflatten(recording.structure, [values[0].dtype.type(1)])
    leaves, structure = flatten(cotangent)
    if structure != recording.structure:
        raise StructureError("explain: the cotangent is not structured as the result")
    cts = [fitting(ct, v, "explain: the cotangent") for ct, v in zip(leaves, values)]
    return [(ref, ct) for ref, ct in zip(recording.refs, cts) if ref is not None]


def _series(call: Call, name: str, direction: Any, order: int, limit: int) -> Explanation:
    level, seen = Level("explain"), Seen(limit)
    lines = [line_of(p, order, d, "explain") for p, d in zip(call.primals, _directions(call, direction))]
    try:
        with np.errstate(all="ignore"):
            seen_while(lambda: call.run([make(Jet, level, c, None) for c in lines]), seen, of_level(level))
    finally:
        level.end()
    return Explanation(name, seen, order, False)
