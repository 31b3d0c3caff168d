"""How values, series and tables look: as text, as HTML without scripts or colours, as LaTeX.

Numbers are shown with six digits, large arrays by their first and last entries; what is shown here is for reading,
the value itself is never rounded.  Nested numbers show themselves.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

EDGE, MANY, WIDTH = 2, 8, 100  # entries at either end of an axis; entries shown in full; characters in a row
GREY = "rgba(128,128,128,.45)"  # seen on white and on black
_CELL = f"border:none;border-bottom:1px solid {GREY};padding:2px 10px;text-align:left;vertical-align:top"
_MONO = "font-family:monospace;white-space:pre"

Term = tuple[Any, str]  # a coefficient, and the symbol that it stands before


def scalar(x: Any) -> str:
    """A number with six digits; a complex one in parentheses."""
    if isinstance(x, (complex, np.complexfloating)):
        return f"({x.real:.6g}{x.imag:+.6g}j)"
    if isinstance(x, (float, np.floating)):
        return f"{x + 0.0:.6g}"
    return str(x)


def brief(x: Any, shape: bool = False) -> str:
    """A value in one line; with ``shape``, that of an array too large to be seen whole is told."""
    if getattr(type(x), "__dualgrad_number__", False):
        return f"({x})"
    if not isinstance(x, (np.ndarray, np.generic, float, complex)):
        text = " ".join(repr(x).split())
        return text if len(text) <= 40 else text[:39] + "…"
    a = np.asarray(x)
    if not a.ndim or a.dtype.kind not in "fcbiu":
        return scalar(a[()]) if not a.ndim else f"array of {a.dtype}"
    if not a.size:
        return f"[] of shape {a.shape}"
    text = np.array2string(
        a, WIDTH * WIDTH, separator=" ", threshold=MANY, edgeitems=EDGE if a.ndim == 1 else 1, formatter={"all": scalar}
    ).replace("...", "…")
    return " ".join(text.split()) + (f" of shape {a.shape}" if shape and a.size > MANY else "")


def raised(n: int) -> str:
    """A number as an exponent."""
    return str(n).translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))


def lowered(n: int) -> str:
    """A number as an index."""
    return str(n).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def is_zero(x: Any) -> bool:
    """Whether a coefficient can be left out."""
    return not getattr(type(x), "__dualgrad_number__", False) and not np.any(x)


def total(terms: Iterable[Term], show: Callable[[Any], str], space: str = " ", explicit: bool = False) -> list[str]:
    """Terms with their signs; ``explicit`` coefficients are written even where they are 1."""
    found: list[str] = []
    for c, symbol in terms:
        text = show(c)
        if symbol and text in ("1", "-1") and not explicit:
            text = text.replace("1", "")
            text += symbol
        elif symbol:
            text += space + symbol
        if not found:
            found.append(text)
        else:
            found.append(f"- {text[1:]}" if text.startswith("-") else f"+ {text}")
    return found


def joined(parts: Sequence[str]) -> str:
    """A sum in as many lines as it needs, each with whole terms."""
    lines = [""]
    for part in parts:
        if lines[-1] and len(lines[-1]) + len(part) >= WIDTH:
            lines.append("   ")
        lines[-1] += (" " if lines[-1] else "") + part
    return "\n".join(lines)


# Series and dual numbers


def _series(coeffs: Any, power: Callable[[int], str]) -> tuple[list[Term], str]:
    """The terms that are not zero (the first if all are), and the order of the rest."""
    terms = [(c, power(k)) for k, c in enumerate(coeffs) if not is_zero(c)]
    return terms or [(coeffs[0], "")], power(len(coeffs))


def _power(k: int) -> str:
    return "" if k == 0 else "t" if k == 1 else f"t{raised(k)}"


def _power_latex(k: int) -> str:
    return "" if k == 0 else "t" if k == 1 else f"t^{{{k}}}"


def series_text(coeffs: Any) -> str:
    """``1 + 2 t + 3 t² + O(t³)``"""
    terms, rest = _series(coeffs, _power)
    return joined([*folded(total(terms, brief), 20, lambda n: f"+ … ({n} more terms)"), f"+ O({rest})"])


def series_latex(coeffs: Any) -> str:
    """The same, for formulas."""
    terms, rest = _series(coeffs, _power_latex)
    return f"$\\displaystyle {' '.join(total(terms, latex, chr(92) + ', '))} + O({rest})$"


def series_html(coeffs: Any, derivatives: Any, title: str) -> str:
    """The series, and a table of coefficients and derivatives."""
    rows = [(f"t{raised(k)}", brief(c), brief(d)) for k, (c, d) in enumerate(zip(coeffs, derivatives))]
    rows = folded(rows, 12, lambda n: (f"… {n} more", "", ""))
    return block(title, pre(series_text(coeffs)), table(("power", "coefficient", "derivative at 0"), rows))


def directions(primal: Any, tangent: Any) -> list[Any] | None:
    """The tangents where there are several, else None."""
    return [*tangent] if np.ndim(tangent) > np.ndim(primal) else None


def _nesting(primal: Any) -> int:
    """How many numbers are inside one another."""
    return 1 + _nesting(primal.primal) if getattr(type(primal), "__dualgrad_number__", False) else 0


def _dual(primal: Any, tangent: Any, unit: str, unit_of: Callable[[int], str]) -> list[Term]:
    several = directions(primal, tangent)
    if several is None:
        return [(primal, ""), (tangent, unit)]
    shown = several if len(several) <= MANY else several[:3]
    return [(primal, ""), *((t, unit_of(k + 1)) for k, t in enumerate(shown))]


def dual_text(primal: Any, tangent: Any) -> str:
    """``0.5 + 1 ε``; directions are counted: ``0.5 + 1 ε₁ + 0 ε₂``."""
    unit = "ε" + "′" * _nesting(primal)
    parts = total(_dual(primal, tangent, unit, lambda k: f"{unit}{lowered(k)}"), brief, explicit=True)
    more = len(directions(primal, tangent) or ()) + 1 - len(parts)
    return joined([*parts, *([f"+ … ({more} more directions)"] if more > 0 else [])])


def dual_latex(primal: Any, tangent: Any) -> str:
    """The same, for formulas."""
    terms = _dual(primal, tangent, r"\varepsilon", lambda k: rf"\varepsilon_{{{k}}}")
    more = len(directions(primal, tangent) or ()) + 1 - len(terms)
    parts = total(terms, latex, r"\, ", explicit=True) + ([r"+ \cdots"] if more > 0 else [])
    return f"$\\displaystyle {' '.join(parts)}$"


def dual_html(primal: Any, tangent: Any, title: str) -> str:
    """A table of the value and its tangents."""
    several = directions(primal, tangent)
    rows = [("tangent", brief(tangent))]
    if several is not None:
        rows = [(f"along ε{lowered(k + 1)}", brief(t)) for k, t in enumerate(several)]
    rows = folded(rows, 12, lambda n: (f"… {n} more", ""))
    return block(title, table(None, [("primal", brief(primal)), *rows]))


# LaTeX of values


def latex(x: Any) -> str:
    """A number, vector or matrix; of large ones the corners."""
    if getattr(type(x), "__dualgrad_number__", False):
        found = x._repr_latex_() if hasattr(x, "_repr_latex_") else None
        return rf"\left({found.strip('$').removeprefix(chr(92) + 'displaystyle ')}\right)" if found else r"\mathrm{?}"
    a = np.asarray(x)
    if a.ndim == 0:
        return _latex_scalar(a[()])
    if a.ndim > 2 or not a.size:
        return r"\mathrm{array}_{" + r"\times ".join(map(str, a.shape)) + "}"
    rows = [[_latex_scalar(v) for v in _ends(row, r"\cdots")] for row in np.atleast_2d(a)[_rows(a)]]
    if a.ndim == 2 and len(a) > MANY:
        rows.insert(3, [r"\vdots"] * len(rows[0]))
    return r"\begin{bmatrix}" + r" \\ ".join(" & ".join(row) for row in rows) + r"\end{bmatrix}"


def _rows(a: Any) -> Any:
    return [0, 1, 2, -1] if a.ndim == 2 and len(a) > MANY else slice(None)


def _ends(row: Any, between: str) -> list[Any]:
    return [*row] if len(row) <= MANY else [*row[:3], between, row[-1]]


def _latex_scalar(v: Any) -> str:
    if isinstance(v, str):
        return v
    if isinstance(v, (complex, np.complexfloating)):
        imaginary = _latex_scalar(v.imag)
        return f"({_latex_scalar(v.real)}{imaginary if imaginary.startswith('-') else '+' + imaginary}i)"
    if v != v:
        return r"\mathrm{NaN}"
    if abs(v) == float("inf"):
        return r"\infty" if v > 0 else r"-\infty"
    mantissa, _, exponent = scalar(v).partition("e")
    return mantissa + (rf"\times 10^{{{int(exponent)}}}" if exponent else "")


# HTML


def escape(text: str) -> str:
    return html.escape(text, quote=True)


def pre(text: str, limit: int = 80) -> str:
    """Text as it is, in one width; of more lines than ``limit`` the first and last ones."""
    text = "\n".join(folded(text.rstrip().split("\n"), limit, lambda n: f"    … {n} more lines"))
    style = f"{_MONO};margin:2px 0;padding:0;background:none;color:inherit;line-height:1.35;overflow-x:auto"
    return f'<pre style="{style}">{escape(text)}</pre>'


def block(title: str, *parts: str) -> str:
    """A titled piece of a page."""
    head = f'<div style="margin-bottom:3px"><b>{escape(title)}</b></div>' if title else ""
    return f'<div style="margin:4px 0;overflow-x:auto">{head}{"".join(parts)}</div>'


def beside(*parts: tuple[str, str]) -> str:
    """Titled pieces side by side, with a thin line between them."""
    style = f"flex:1 1 20em;min-width:0;border-left:1px solid {GREY};padding:0 12px"
    inside = "".join(f'<div style="{style}">{block(title, content)}</div>' for title, content in parts)
    return f'<div style="display:flex;flex-wrap:wrap;gap:8px 0">{inside}</div>'


def table(header: Sequence[str] | None, rows: Iterable[Sequence[str]]) -> str:
    """A table of text."""

    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f'<{tag} style="{_CELL};{_MONO}">{escape(c)}</{tag}>' for c in cells) + "</tr>"

    head = f"<thead>{line(header, 'th')}</thead>" if header else ""
    body = "".join(line(row, "td") for row in rows)
    return f'<table style="border-collapse:collapse;margin:2px 0">{head}<tbody>{body}</tbody></table>'


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as text, columns aligned, a rule below the header."""
    whole = [header, *rows]
    widths = [max(len(row[k]) for row in whole) for k in range(len(header))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in whole]
    return "\n".join([lines[0], "  ".join("─" * w for w in widths), *lines[1:]])


def folded(rows: Sequence[Any], limit: int, note: Callable[[int], Any]) -> list[Any]:
    """The rows, or the first and last of them with a note between."""
    if len(rows) <= limit:
        return [*rows]
    head = (limit + 1) // 2
    tail = limit - head
    return [*rows[:head], note(len(rows) - limit), *rows[len(rows) - tail :]]
