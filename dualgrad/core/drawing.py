"""A linear program as a picture beside its mirror image, the transpose: the same boxes, every arrow reversed.

Words are boxes and variables are the arrows between them.  Where the program sums (``+`` in a circle), its transpose
copies (a dot), and where a variable is read twice it is the other way round; so nothing has to be said twice.  The
picture is SVG without scripts; it takes the colour of the text around it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from os import PathLike
from typing import Any

from . import forms
from .errors import StructureError
from .forms import brief
from .layout import Node, layered
from .printer import Printer
from .program import Atom, Const, Let, Program, Var

LARGEST = 120  # boxes that a picture can hold
CHARACTER, HEIGHT, ROW, MARGIN, LONGEST = 7.3, 24.0, 66.0, 16.0, 26
DOT, RING = 13.0, 6.0  # from a box to the dot below it; the radius of a sum

# What a box says, and what it says in the mirror; {x} is the argument that is no tangent.
LABELS = {
    "mul": ("× {x}", "× {x}"), "div": ("÷ {x}", "÷ {x}"), "neg": ("−", "−"),
    "matmul_left": ("· @ {x}", "· @ {x}ᵀ"), "matmul_right": ("{x} @ ·", "{x}ᵀ @ ·"),
    "getitem": ("[{x}]", "scatter [{x}]"), "scatter": ("scatter [{x}]", "[{x}]"), "clear": ("clear [{x}]",) * 2,
    "sum": ("sum", "spread"), "spread": ("spread", "sum"), "reshape": ("reshape {x}", "reshape back"),
    "broadcast_to": ("broadcast {x}", "sum to shape"), "sum_to": ("sum to {x}", "broadcast"),
}  # fmt: skip


class Drawing:
    """A picture: Jupyter shows it, `save` writes it, ``svg`` is its text.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> out, lin = dg.linearize(lambda x: np.sum(x * x), np.ones(3))
    >>> picture = lin.draw()
    >>> picture
    <Drawing of f beside its transpose, 4 words>
    """

    def __init__(self, svg: str, what: str):
        self.svg, self.what = svg, what

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | PathLike[str]) -> None:
        """Write the picture to a file, whose name should end in ``.svg``."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.svg)

    def __repr__(self) -> str:
        return f"<Drawing of {self.what}>"


def draw(program: Program, transpose: bool = True) -> Drawing:
    """The picture of a straight-line program, and with ``transpose`` of its mirror.

    Raises
    ------
    StructureError
        For a program with loops or branches, and for one that is too large.
    """
    picture = _Picture(program)
    count = sum(n.kind in ("word", "plus") for n in picture.nodes)
    title = program.name.removesuffix("_linear").removesuffix("_transpose")
    what = f"{title}{' beside its transpose' if transpose else ''}, {count} words"
    if count > LARGEST:
        raise StructureError(
            f"a drawing of {count} words would be too large to be read (at most {LARGEST})",
            hint="print the program instead, or draw a smaller part of the function",
        )
    return Drawing(picture.svg(transpose), what)


@dataclass
class _Place:
    """Where a node's arrows start and end."""

    x: float
    top: float
    bottom: float


class _Picture:
    def __init__(self, program: Program):
        self.program = program
        self.printer = Printer(program, fold=False)
        self.nodes: list[Node] = []
        self.edges: list[tuple[Node, Node]] = []
        self.made: dict[Var, Node] = {}
        self.minus: set[tuple[int, int]] = set()  # edges that a sum subtracts
        self.inputs()
        for s in program.body:
            self.word(s)
        for k, r in enumerate(program.results):
            self.result(k, r)
        self.layers = layered(self.nodes, self.edges, lambda n: n.kind == "result")

    # From the program to boxes

    def node(self, label: str, kind: str, partner: str = "", title: str = "") -> Node:
        short = label if len(label) <= LONGEST else label[: LONGEST - 1] + "…"
        partner = partner or short
        partner = partner if len(partner) <= LONGEST else partner[: LONGEST - 1] + "…"
        width = 20.0 if kind == "plus" else max(30.0, max(len(short), len(partner)) * CHARACTER + 14)
        new = Node(short, width, kind, title or label, partner)
        self.nodes.append(new)
        return new

    def inputs(self) -> None:
        count = self.program.linear or len(self.program.params)
        for v in self.program.params[len(self.program.params) - count :]:
            name = self.printer.name(v)
            self.made[v] = self.node(name, "input", _turned(name), f"{name}: {v.type}")

    def word(self, s: Any) -> None:
        if not isinstance(s, Let):
            raise StructureError(
                f"a drawing of {self.program.name}: programs with loops, branches or stores are not drawn",
                why="a box would stand for many turns",
                hint="print the program: it is text that one can read",
            )
        active = [a for a in s.args if isinstance(a, Var) and a in self.made]
        if not active:  # what is known before the tangents come
            self.printer.texts[s.target] = self.printer.expression(s)
            return
        if s.word.name in ("add", "sub") and len(active) == 2:
            new = self.node("+", "plus", "", "sum; in the transpose a copy")
            if s.word.name == "sub":
                self.minus.add((id(self.made[active[1]]), id(new)))
        else:
            new = self.node(*self.labels(s, active))
        for a in active:
            self.edges.append((self.made[a], new))
        self.made[s.target] = new

    def labels(self, s: Let, active: list[Var]) -> tuple[str, str, str, str]:
        others = [self.text(a) for a in s.args if not (isinstance(a, Var) and a in self.made)]
        name = s.word.name.removesuffix("_batched")
        fill = others[0] if others else ""
        label, partner = LABELS.get(name, (name, self.partner(s, active)))
        if len(active) == 2 and name == "mul":
            label, partner = "×", ""
        title = f"{name}({', '.join(['·'] * len(active) + others)})"
        return label.replace("{x}", fill), "word", partner.replace("{x}", fill), title

    def partner(self, s: Let, active: list[Var]) -> str:
        """The word of the transpose, by the head of the text that declares it."""
        transposes = getattr(s.word.rule, "transposes", {})
        which = next((k for k, a in enumerate(s.args) if a is active[0]), 0)
        names = getattr(s.word.rule, "args", ())
        found = re.match(r"(\w+)\(", transposes.get(names[which], "") if which < len(names) else "")
        return found.group(1) if found else f"{s.word.name}ᵀ"

    def text(self, a: Atom) -> str:
        if not isinstance(a, Const):
            return self.printer.atom(a).source
        return brief(a.value) if isinstance(a.value, (int, float, complex)) else repr(a.value)

    def result(self, k: int, r: Atom) -> None:
        several = len(self.program.results) > 1
        name = f"y{k + 1}" if several else "y"
        linear = self.program.linear
        if self.program.name.endswith("_transpose"):
            name = f"x{k + 1}_bar"
        elif linear:
            name += "_dot"
        new = self.node(name, "result", _turned(name))
        if isinstance(r, Var) and r in self.made:
            self.edges.append((self.made[r], new))
        else:
            new.label = new.partner = f"{new.label} = {self.text(r)}"[:LONGEST]
            new.width = len(new.label) * CHARACTER + 14

    # From boxes to a picture

    def svg(self, transpose: bool) -> str:
        natural = max(n.x + n.width / 2 for layer in self.layers for n in layer)
        width = max(natural, 120.0)
        height = MARGIN + 22 + ROW * (len(self.layers) - 1) + HEIGHT + MARGIN
        whole = (2 * MARGIN + width) * (2 if transpose else 1)
        left = MARGIN + (width - natural) / 2
        parts = [self.half(False, lambda x: left + x)]
        if self.program.linear:
            parts.append(_caption(MARGIN + width / 2, "linear map ↓" if transpose else "linear map"))
        if transpose:
            parts.append(
                f'<path d="M{whole / 2:.1f} 4V{height - 4:.1f}" stroke="currentColor" stroke-opacity=".5" '
                'stroke-dasharray="3 5" fill="none"/>'
            )
            parts.append(self.half(True, lambda x: whole - left - x))
            parts.append(_caption(whole - MARGIN - width / 2, "transpose ↑"))
        name = forms.escape(self.program.name)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {whole:.0f} {height:.0f}" style="max-width:100%;height:auto" role="img" aria-label="{name}" '
            'font-family="ui-monospace,Menlo,Consolas,monospace" font-size="12" fill="currentColor">'
            f"<title>{name}</title>{''.join(parts)}</svg>"
        )

    def half(self, mirror: bool, across: Any) -> str:
        places = {id(n): self.place(n, across) for layer in self.layers for n in layer}
        parts = []
        for layer in self.layers:
            for n in layer:
                if n.kind != "bend":
                    parts += [self.arrow(n, below, places, mirror) for below in n.below]
        for layer in self.layers:
            parts += [self.box(n, places[id(n)], mirror) for n in layer if n.kind != "bend"]
        return "".join(parts)

    def place(self, n: Node, across: Any) -> _Place:
        middle = MARGIN + 22 + HEIGHT / 2 + ROW * n.layer
        half = 0.0 if n.kind == "bend" else RING if n.kind == "plus" else HEIGHT / 2
        return _Place(across(n.x), middle - half, middle + half)

    def arrow(self, start: Node, next: Node, places: dict[int, _Place], mirror: bool) -> str:
        """The way of a variable through its bends; its head is where it is read."""
        a = places[id(start)]
        y = a.bottom + (DOT + (RING if mirror else 3) if len(start.below) > 1 else 0)
        path = [f"M{a.x:.1f} {y:.1f}"]
        x = a.x
        while True:
            b = places[id(next)]
            to = b.top - (0 if mirror or next.kind == "bend" else 5)
            half = (y + to) / 2
            path.append(f"C{x:.1f} {half:.1f} {b.x:.1f} {half:.1f} {b.x:.1f} {to:.1f}")
            x, y = b.x, to
            if next.kind != "bend":
                break
            next = next.below[0]
        line = f'<path d="{"".join(path)}" fill="none" stroke="currentColor" stroke-opacity=".75"/>'
        if (id(start), id(next)) in self.minus:
            line += f'<text x="{x + (9 if x <= a.x else -9):.1f}" y="{y - 7:.1f}" text-anchor="middle">−</text>'
        if not mirror:
            return line + _head(x, y + 5, 1)
        return line + (_head(a.x, a.bottom, -1) if len(start.below) == 1 else "")

    def box(self, n: Node, p: _Place, mirror: bool) -> str:
        middle = (p.top + p.bottom) / 2
        parts = []
        if len(n.below) > 1:  # a copy, or in the mirror a sum
            down = -1 if mirror else 1
            end = p.bottom + DOT - (RING if mirror else 0)
            parts.append(f'<path d="M{p.x:.1f} {p.bottom:.1f}V{end:.1f}" stroke="currentColor"/>')
            parts.append(_sum(p.x, p.bottom + DOT) if mirror else _dot(p.x, p.bottom + DOT))
            parts += [_head(p.x, p.bottom, down)] if mirror else []
        if n.kind == "plus":
            parts.append(_dot(p.x, middle, p.top) if mirror else _sum(p.x, middle))
        else:
            rounded = 12 if n.kind in ("input", "result") else 3
            parts.append(
                f'<rect x="{p.x - n.width / 2:.1f}" y="{p.top:.1f}" width="{n.width:.1f}" height="{HEIGHT}" '
                f'rx="{rounded}" fill="rgba(128,128,128,.13)" stroke="currentColor" stroke-opacity=".6"/>'
                f'<text x="{p.x:.1f}" y="{middle + 4:.1f}" text-anchor="middle">'
                f"{forms.escape(n.partner if mirror else n.label)}</text>"
            )
        return f"<g><title>{forms.escape(n.title)}</title>{''.join(parts)}</g>"


def _turned(name: str) -> str:
    """What stands in the mirror for a tangent, or for a cotangent."""
    if name.endswith("_dot"):
        return name.removesuffix("_dot") + "_bar"
    return name.removesuffix("_bar") + "_dot" if name.endswith("_bar") else f"{name}_bar"


def _head(x: float, y: float, down: int) -> str:
    return f'<path d="M{x - 3.5:.1f} {y - 6 * down:.1f}L{x + 3.5:.1f} {y - 6 * down:.1f}L{x:.1f} {y:.1f}Z"/>'


def _dot(x: float, y: float, top: float | None = None) -> str:
    stem = "" if top is None else f'<path d="M{x:.1f} {top:.1f}V{y + RING:.1f}" stroke="currentColor"/>'
    return f'{stem}<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'


def _sum(x: float, y: float) -> str:
    cross = f"M{x - 4:.1f} {y:.1f}H{x + 4:.1f}M{x:.1f} {y - 4:.1f}V{y + 4:.1f}"
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RING:.0f}" fill="none" stroke="currentColor"/>'
        f'<path d="{cross}" stroke="currentColor"/>'
    )


def _caption(x: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="18" text-anchor="middle" font-style="italic" opacity=".8">{text}</text>'
