"""A straight-line program as formulas: a line a statement, ``\\dot x`` for tangents, ``\\bar x`` for cotangents."""

from __future__ import annotations

import re

from .forms import latex
from .printer import Printer
from .program import Atom, Const, Let, Program

LONGEST = 40  # statements

# How words are written; {0}, {1} are the arguments.  The others are functions by name.
WRITTEN = {
    "add": "{0} + {1}", "sub": "{0} - {1}", "mul": r"{0} \odot {1}", "div": r"{0} \oslash {1}", "neg": "-{0}",
    "matmul": r"{0}\, {1}", "matmul_left": r"{0}\, {1}", "matmul_right": r"{1}\, {0}",
    "sqrt": r"\sqrt{{{0}}}", "conj": r"\overline{{{0}}}", "getitem": r"{{{0}}}_{{[{1}]}}",
    "sum": r"\textstyle\sum {0}",
}  # fmt: skip


def to_latex(*programs: Program) -> str | None:
    """Programs side by side between ``$$``; None where there are loops, branches or stores."""
    parts = [*map(aligned, programs)]
    found = [part for part in parts if part is not None]
    return "$$" + r" \qquad ".join(found) + "$$" if len(found) == len(parts) else None


def aligned(program: Program) -> str | None:
    """The lines of a program; None where there are loops, branches or stores, or too many lines for a formula."""
    if len(program.body) > LONGEST or not all(isinstance(s, Let) for s in program.body):
        return None
    printer = Printer(program, fold=False)

    def text(a: Atom) -> str:
        if isinstance(a, Const):
            numeric = isinstance(a.value, (int, float, complex)) and not isinstance(a.value, bool)
            return latex(a.value) if numeric else _plain(repr(a.value))
        return name_latex(printer.name(a))

    lines = []
    for s in program.body:
        assert isinstance(s, Let)
        args = [text(a) for a in s.args]
        written = WRITTEN.get(s.word.name)
        value = written.format(*args) if written else rf"\operatorname{{{_escaped(s.word.name)}}}({', '.join(args)})"
        lines.append(rf"{text(s.target)} &= {value}")
    results = ", ".join(map(text, program.results))
    params = ", ".join(name_latex(printer.name(v)) for v in program.params[len(program.params) - program.linear :])
    head = rf"\operatorname{{{_escaped(program.name)}}}({params}) &= ({results})"
    body = r" \\ ".join([*lines, head])
    return rf"\begin{{aligned}}[t] {body} \end{{aligned}}"


def name_latex(name: str) -> str:
    """``x1_dot`` as ``\\dot{x}_{1}``."""
    found = re.fullmatch(r"([A-Za-z]\w*?)(\d*)((?:_dot|_bar)*)(\d*)", name)
    if not found:
        return rf"\mathrm{{{_escaped(name)}}}"
    stem, index, marks, turn = found.groups()
    text = stem if len(stem) == 1 else rf"\mathit{{{_escaped(stem)}}}"
    for mark in re.findall(r"dot|bar", marks):
        text = rf"\{mark}{{{text}}}"
    index = ",".join(filter(None, (index, turn)))
    return text + (f"_{{{index}}}" if index else "")


def _escaped(text: str) -> str:
    return re.sub(r"([_#%&$])", r"\\\1", text)


def _plain(text: str) -> str:
    return rf"\mathtt{{{_escaped(text).replace('{', chr(92) + '{').replace('}', chr(92) + '}')}}}"
