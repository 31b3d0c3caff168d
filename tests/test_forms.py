"""What numbers, linear maps and programs look like: text to the letter, well-formed HTML and SVG, balanced LaTeX."""

import re
import xml.etree.ElementTree as XML

import numpy as np
import pytest
from eager_cases import CASES

import dualgrad as dg
from dualgrad.core.drawing import LARGEST, draw
from dualgrad.core.forms import brief, folded
from dualgrad.core.layout import Node, layered

T = dg.Jet([0.0, 1.0, 0.0, 0.0])
SVG = "{http://www.w3.org/2000/svg}"


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def mixed(x):
    h = np.tanh(np.arange(6.0).reshape(2, 3) @ x)
    r = np.zeros(3)
    r[0] = h[0] * h[1]
    r[1:] = h + np.sum(x)
    return r


def several(x, w):
    return np.sin(x) * x[0], w * x, np.ones(2)


def maps():
    x = np.array([0.1, 0.2, 0.3])
    for f, *args in ((rosenbrock, x), (mixed, x), (several, x, 2.0), (np.conj, 1 + 2j), (np.fft.fft, x)):
        yield dg.linearize(f, *args)[1]


MAPS = [*maps()]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (T, "t + O(t⁴)"),
        (1 / (1 - T), "1 + t + t² + t³ + O(t⁴)"),
        (np.exp(-T), "1 - t + 0.5 t² - 0.166667 t³ + O(t⁴)"),
        (T - T, "0 + O(t⁴)"),
        (dg.Jet([2.0]), "2 + O(t)"),
        (dg.Jet([np.nan, -np.inf]), "nan - inf t + O(t²)"),
        (dg.Jet([[1.0, 2.0], [0.0, 0.0], [0.0, 1.0]]), "[1 2] + [0 1] t² + O(t³)"),
        (dg.Jet([1 + 2j, 1j]), "(1+2j) + (0+1j) t + O(t²)"),
        (dg.Dual(2.0, 1.0) ** 2, "4 + 4 ε"),
        (dg.Dual(2.0, -1.0), "2 - 1 ε"),
        (dg.Dual(2.0, [1.0, 0.0]), "2 + 1 ε₁ + 0 ε₂"),
        (dg.Dual([1.0, 2.0], [0.5, 0.0]), "[1 2] + [0.5 0] ε"),
        (dg.Dual(np.arange(100.0), np.ones(100)), "[0 1 … 98 99] + [1 1 … 1 1] ε"),
        (dg.Dual(0.0, np.arange(12.0)), "0 + 0 ε₁ + 1 ε₂ + 2 ε₃ + … (9 more directions)"),
        (dg.Dual(dg.Dual(2.0, 1.0), dg.Dual(1.0, 0.0)), "(2 + 1 ε) + (1 + 0 ε) ε′"),
        (dg.Dual(1e-20, 123456789.0), "1e-20 + 1.23457e+08 ε"),
    ],
)
def test_numbers_as_text(number, text):
    assert str(number) == f"{number}" == text


def test_repr_is_what_one_would_write_and_large_arrays_are_short():
    assert repr(T) == "Jet([0.0, 1.0, 0.0, 0.0])" and repr(dg.Dual(2.0, 1.0)) == "Dual(2.0, tangent=1.0)"
    large = repr(dg.Dual(np.arange(1000.0), np.ones(1000)))
    assert len(large) < 200 and "of shape (1000,)" in large
    assert len(str(dg.Jet(np.ones((50, 40, 3))))) < 2000


def test_a_number_prints_inside_the_function_that_is_differentiated(capsys):
    dg.jvp(lambda x: print(x, f"{x:.2f}") or x, (3.0,), (2.0,))
    assert capsys.readouterr().out == "3 + 2 ε 3.00\n"

    def buffered(x):
        r = np.zeros(2)
        print(r)
        r[0] = x
        print(r)
        return r[0]

    dg.grad(buffered)(3.0)
    assert capsys.readouterr().out == "[0. 0.]\n[3 0] (recorded)\n"


def test_large_arrays_are_abbreviated():
    assert brief(np.arange(1000.0), shape=True) == "[0 1 … 998 999] of shape (1000,)"
    assert brief(np.eye(30)) == "[[1 … 0] … [0 … 1]]"
    assert brief(np.zeros((0, 3))) == "[] of shape (0, 3)" and brief("x" * 60).endswith("…")
    assert folded([1, 2, 3, 4, 5], 3, lambda n: f"{n}") == [1, 2, "2", 5]


def pages():
    yield from (np.exp(T), dg.Jet(np.ones((30, 40))), dg.Dual(2.0, 1.0), dg.Dual(np.ones(30), np.eye(30)))
    yield dg.Dual(dg.Dual(2.0, 1.0), dg.Dual(1.0, 0.0))
    for lin in MAPS:
        yield from (lin, lin.T, lin.program)


@pytest.mark.parametrize("shown", [*pages()], ids=lambda s: type(s).__name__)
def test_html_is_well_formed_and_has_neither_scripts_nor_colours(shown):
    page = shown._repr_html_()
    tree = XML.fromstring(page)
    assert not tree.findall(".//script") and not re.search(r"[:# ](?:[0-9a-f]{6}|black|white)\b(?!-)", page)
    assert len(page) < 30_000


@pytest.mark.parametrize("shown", [*pages()], ids=lambda s: type(s).__name__)
def test_latex_is_balanced(shown):
    text = shown._repr_latex_()
    assert text.startswith("$") and text.endswith("$") and text.count("$") in (2, 4)
    bare = re.sub(r"\\[{}]", "", text)
    depth = np.cumsum([{"{": 1, "}": -1}.get(c, 0) for c in bare])
    assert depth[-1] == 0 and depth.min() >= 0
    assert re.findall(r"\\begin\{(\w+)\}", text) == re.findall(r"\\end\{(\w+)\}", text)[::-1] or "bmatrix" in text
    assert text.count(r"\left(") == text.count(r"\right)")
    assert not re.search(r"\}_\{[^{}]*\}_", text)  # two indices at one symbol


def test_latex_to_the_letter():
    assert np.exp(T)._repr_latex_() == r"$\displaystyle 1 + t + 0.5\, t^{2} + 0.166667\, t^{3} + O(t^{4})$"
    assert dg.Dual(2.0, [1.0, -0.5])._repr_latex_() == (
        r"$\displaystyle 2 + 1\, \varepsilon_{1} - 0.5\, \varepsilon_{2}$"
    )
    assert dg.Dual([1e-20, np.inf], [np.nan, 0.0])._repr_latex_() == (
        r"$\displaystyle \begin{bmatrix}1\times 10^{-20} & \infty\end{bmatrix} + "
        r"\begin{bmatrix}\mathrm{NaN} & 0\end{bmatrix}\, \varepsilon$"
    )
    _, lin = dg.linearize(lambda x: 3.0 * x[1:], np.ones(3))
    assert r"t &= {\dot{x}_{1}}_{[\mathtt{1:}]} \\ t_{1} &= 3 \odot t" in lin._repr_latex_()
    left, right = lin._repr_latex_().split(r"\qquad")
    assert r"\dot{x}_{1}" in left and r"\bar{y}_{1}" in right and r"\bar" not in left


def test_a_linear_map_shows_its_program_beside_its_transpose_with_shapes():
    lin = MAPS[0]
    assert "x1_dot: float64[3]" in str(lin) and "y1_bar: float64)" in str(lin.T)
    page = "".join(XML.fromstring(lin._repr_html_()).itertext())
    assert "linear map of shape 1 × 3" in page and "rosenbrock_linear(" in page and "rosenbrock_transpose(" in page
    assert "[0.1 0.2]" in page  # the value of a constant
    assert page.index("rosenbrock_linear(") < page.index("rosenbrock_transpose(")


# Pictures


def boxes(svg):
    """(title of the word, text, middle across, middle down) of every box, and how many arrow heads there are."""
    tree = XML.fromstring(svg)
    found = []
    for group in tree.findall(f"{SVG}g"):
        rect, text = group.find(f"{SVG}rect"), group.find(f"{SVG}text")
        if rect is not None:
            x, y, w, h = (float(rect.get(k)) for k in ("x", "y", "width", "height"))
            found.append((group.find(f"{SVG}title").text, text.text, x + w / 2, y + h / 2, w))
    return found, float(tree.get("width")), float(tree.get("height"))


EVERY = [*MAPS, *(dg.linearize(c.f, c.x)[1] for c in CASES)]


@pytest.mark.parametrize("lin", EVERY, ids=lambda m: m.name)
def test_the_transpose_has_the_same_boxes_in_the_mirror(lin):
    found, width, height = boxes(lin.draw().svg)
    left, right = found[: len(found) // 2], found[len(found) // 2 :]
    for (title, _, x, y, w), (partner, _, x2, y2, w2) in zip(left, right, strict=True):
        assert title == partner and y == y2 and w == w2 and abs(x + x2 - width) < 0.7
        assert x + w / 2 < width / 2 < x2 - w2 / 2 and 0 < y < height and x - w / 2 > 0
    for k, (_, _, x, y, w) in enumerate(found):  # no box covers another
        assert not any(abs(y - v) < 1 and abs(x - u) < (w + z) / 2 for _, _, u, v, z in found[k + 1 :])


def test_a_picture_says_the_words_and_their_partners(tmp_path):
    picture = MAPS[1].draw()
    texts = [b[1] for b in boxes(picture.svg)[0]]
    assert {"c1 @ ·", "c1ᵀ @ ·", "scatter [0]", "[0]", "sum", "spread", "x1_dot", "x1_bar", "y_dot"} <= set(texts)
    assert picture._repr_svg_() is picture.svg and "beside its transpose" in repr(picture)
    picture.save(tmp_path / "picture.svg")
    assert XML.parse(tmp_path / "picture.svg").getroot().tag == f"{SVG}svg"
    assert not re.search(r"<script|#[0-9a-f]{3}", picture.svg)
    alone = MAPS[1].draw(transpose=False)
    assert "x1_bar" not in alone.svg and boxes(alone.svg)[1] < boxes(picture.svg)[1]
    assert "x1_bar" in MAPS[1].T.draw().svg


def test_a_large_program_is_abbreviated_in_a_notebook_and_whole_as_text():
    _, lin = dg.linearize(lambda x: [x := np.sin(x) * x for _ in range(300)][-1], 0.5)
    assert "more lines" in lin._repr_html_() and len(lin._repr_html_()) < 20_000
    assert lin._repr_latex_() is None and str(lin).count("\n") > 300


def test_a_program_with_loops_and_a_large_one_are_refused():
    from numba import njit

    from dualgrad.core.program import FLOAT, Type
    from dualgrad.read import read_kernel

    @njit
    def total(x):
        s = 0.0
        for v in x:
            s += v
        return s

    program = read_kernel(total, [Type(FLOAT.dtype, 1)]).program
    with pytest.raises(dg.StructureError, match="loops, branches or stores are not drawn"):
        draw(program)
    assert program._repr_latex_() is None and "for " in program._repr_html_()

    def long(x):
        for k in range(LARGEST + 1):
            x = x * (k + 1.5)
        return x

    with pytest.raises(dg.StructureError, match="too large to be read"):
        dg.linearize(long, 1.0)[1].draw()


def test_layers_keep_order_and_distance(rng):
    nodes = [Node(str(k), float(rng.integers(20, 90))) for k in range(25)]
    edges = [(nodes[a], nodes[b]) for b in range(1, 25) for a in {int(rng.integers(b)), int(rng.integers(b))}]
    layers = layered(nodes, edges, lambda n: False)
    for node in nodes:
        assert all(a.layer == node.layer - 1 for a in node.above)  # bends stand between
    for layer in layers:
        for a, b in zip(layer, layer[1:]):
            assert b.x - b.width / 2 - a.x - a.width / 2 > 17.9
