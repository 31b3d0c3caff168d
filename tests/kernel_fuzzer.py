"""Random kernels: the text of a Python function, arguments for it, and that function run as it stands.

A kernel is written statement by statement into a scope that knows which names are bound and
how large indices may become, so that most kernels run.  What does not (an index out of
range, a name that was not bound) is thrown away: `sample` draws again.  Numbers stay small
because most of what is assigned goes through tanh, sine or a damped sum.

`Original` runs the same text with every comparison, rounding and choice recorded: where two
points make different decisions, differences between them mean nothing.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import itertools
import linecache
import math
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

FLOATS = ("a", "b", "c", "d", "e", "s", "t")
INTS = ("p", "q", "m")
INDICES = ("i", "j", "k", "l")
FLAGS = ("ok", "late")
ARRAYS = ("w", "u", "buffer", "more")
RARE = (
    "np.expm1({0})", "math.log1p({0} ** 2)", "math.asin(0.5 * {0})", "np.arccos(0.6 * {0})", "math.cosh({0})", "np.sinh({0})",
    "np.reciprocal(1.7 + {0} ** 2)", "math.tan(0.6 * {0})", "math.pow(2.5 + {0}, 1.5)", "float({0})", "(1.2 + {0} ** 2) ** -2",
)  # fmt: skip
LARGEST = 1e3  # kernels that make larger numbers are thrown away
LONGEST = 40_000  # … and those that take more decisions

Lines = list[str]


@dataclass
class Scope:
    """What is bound where a statement is written."""

    floats: list[str] = field(default_factory=list)
    ints: dict[str, tuple[int, int] | None] = field(default_factory=dict)  # bounds, where they are known
    flags: list[str] = field(default_factory=list)
    arrays: dict[str, tuple[int, ...]] = field(default_factory=dict)
    depth: int = 0
    loop: bool = False
    indices: bool = False  # whether there is an array of integers, "index"

    def inner(self, loop: bool | None = None) -> Scope:
        """The scope of a block inside."""
        copy = Scope(list(self.floats), dict(self.ints), list(self.flags), dict(self.arrays), self.depth + 1)
        copy.loop, copy.indices = self.loop if loop is None else loop, self.indices
        return copy

    def vectors(self) -> list[str]:
        return [n for n, shape in self.arrays.items() if len(shape) == 1]


@dataclass
class Helper:
    """A function that a kernel may call: the kinds of its parameters (``"float"``, ``"int"`` or a length)."""

    name: str
    params: list[tuple[str, Any]]
    result: str
    writes: bool
    default: bool
    text: str


class Writer:
    """Writes one function; ``result`` lists what it returns: ``"float"``, ``"int"``, the name of an array, or lists of these."""

    def __init__(self, r: random.Random, budget: int, result: Any, helpers: list[Helper], fixed: tuple[str, ...] = ()):
        self.r, self.budget, self.result, self.helpers, self.fixed = r, budget, result, helpers, set(fixed)
        self.may_return = True
        self.calls = 0

    def chance(self, p: float) -> bool:
        return self.r.random() < p

    # Numbers

    def literal(self) -> str:
        return self.r.choice(["0.3", "0.7", "1.1", "-0.4", "0.5", "2", "1", "1.6", "-0.9"])

    def float_leaf(self, scope: Scope) -> str:
        kind = self.r.choices(["name", "element", "literal", "int", "call"], [12, 12, 4, 2, 2])[0]
        if kind == "name" and scope.floats:
            return self.r.choice(scope.floats)
        if kind == "element" and scope.arrays:
            return self.element(scope)
        if kind == "int" and scope.ints:
            return f"0.2 * ({self.r.choice(list(scope.ints))} % 5)"
        if kind == "call":
            return self.called(scope, [h for h in self.helpers if h.result == "float"]) or self.literal()
        return self.literal()

    def called(self, scope: Scope, helpers: list[Helper]) -> str | None:
        """A call of one of the helpers, if there are arguments for it."""
        if not helpers or self.calls > 4:
            return None
        self.calls += 1
        found = self.r.choice(helpers)
        arguments = [self.argument(scope, found, kind) for _, kind in found.params]
        if None in arguments:
            return None
        texts = [str(a) for a in arguments]
        if found.default:
            name = found.params[-1][0]
            texts[-1:] = self.r.choice([[], texts[-1:], [f"{name}={texts[-1]}"]])
        return f"{found.name}({', '.join(texts)})"

    def argument(self, scope: Scope, helper: Helper, kind: Any) -> str | None:
        if kind == "float":
            return self.small(scope, 1)
        if kind == "int":
            return self.integer(scope)
        known = {n: s for n, s in scope.arrays.items() if not (helper.writes and n in self.fixed)}
        fitting = [n for n, s in known.items() if s == (kind,)]
        fitting += [f"{n}[{self.index(scope, s[0], f'len({n})')}]" for n, s in known.items() if s[1:] == (kind,)]
        return self.r.choice(fitting) if fitting else None

    def expression(self, scope: Scope, depth: int = 2) -> str:
        """A float expression of moderate size."""
        if depth == 0 or self.chance(0.2):
            return self.float_leaf(scope)

        def e() -> str:
            return self.expression(scope, depth - 1)

        forms: list[tuple[int, Callable[[], str]]] = [
            (5, lambda: f"{e()} + {e()}"),
            (3, lambda: f"{e()} - ({e()})"),
            (6, lambda: f"({e()}) * ({e()})"),
            (2, lambda: f"({e()}) / (1.5 + ({e()}) ** 2)"),
            (1, lambda: f"-({e()})"),
            (5, lambda: self.bounded(e())),
            (1, lambda: f"math.exp(0.5 * math.sin({e()}))"),
            (1, lambda: f"math.sqrt(1.2 + np.square({e()}))"),
            (1, lambda: f"np.log(1.5 + ({e()}) ** 2)"),
            (1, lambda: f"math.atan2({e()}, 1.5 + ({e()}) ** 2)"),
            (1, lambda: f"({e()}) ** {self.r.choice(['2', '3', '1', '2.0'])}"),
            (1, lambda: f"(1.3 + math.cos({e()})) ** {self.r.choice(['0.5', '-1', '1.5', 'math.sin(' + e() + ')'])}"),
            (1, lambda: f"{self.r.choice(['abs', 'math.fabs', 'np.abs'])}({e()})"),
            (2, lambda: f"{self.r.choice(['min', 'max', 'np.maximum', 'np.minimum'])}({e()}, {e()})"),
            (2, lambda: f"({e()} if {self.condition(scope, 1)} else {e()})"),
            (1, lambda: f"({e()}) % {self.r.choice(['1.7', f'(1.2 + ({e()}) ** 2)'])}"),
            (1, lambda: f"({e()}) // 0.7 * ({e()})"),
            (1, lambda: self.r.choice(RARE).format(self.bounded(e()))),
            (1, lambda: f"np.hypot({e()}, 1.1 + math.sin({e()}) ** 2)"),
            (1, lambda: f"np.sign({e()}) * ({e()})"),
            (1, lambda: f"math.floor({e()}) * ({e()})"),
            (1, lambda: f"({self.integer(scope)} % 4) * ({e()})"),
            (1, lambda: f"({e()}) ** ({self.integer(scope)} % 3)"),
        ]
        return self.r.choices([f for _, f in forms], [w for w, _ in forms])[0]()

    def bounded(self, text: str) -> str:
        return f"{self.r.choice(['math.sin', 'np.cos', 'math.tanh', 'np.tanh', 'np.sin', 'math.erf', 'np.arctan'])}({text})"

    def small(self, scope: Scope, depth: int = 2) -> str:
        """An expression whose value may be assigned again and again."""
        if not scope.loop and self.chance(0.4):
            return self.expression(scope, depth)
        if self.chance(0.25):
            return f"0.5 * {self.float_leaf(scope)} + 0.4 * {self.float_leaf(scope)}"
        if self.chance(0.15):
            return self.float_leaf(scope)
        return self.bounded(self.expression(scope, depth))

    def integer(self, scope: Scope) -> str:
        names = list(scope.ints) or ["2"]
        if scope.indices and self.chance(0.2):
            return f"index[{self.index(scope, 3, 'len(index)')}]"
        forms = [
            "{0}",
            "{0} + {1}",
            "{0} - {1}",
            "2 * {0} + 1",
            "{0} // 2",
            "abs({0} - 3)",
            "min({0}, {1})",
            "{0} + 3",
            "len({2})",
        ]
        form = self.r.choice(forms if scope.arrays else forms[:-1])
        if self.chance(0.05):
            return f"{self.r.choice(['int', 'round', 'math.floor', 'math.ceil'])}(2.5 * {self.float_leaf(scope)})"
        text = form.format(self.r.choice(names), self.r.choice(names), self.r.choice(list(scope.arrays) or [""]))
        return f"({text})" if " " in text else text

    # Places

    def index(self, scope: Scope, n: int, length: str) -> str:
        """An integer between -n and n - 1."""
        known = [(v, b) for v, b in scope.ints.items() if b is not None]
        good = [v for v, (low, high) in known if -n <= low and high < n]
        good += [f"{v} - {k}" for v, (low, high) in known for k in (1, 2) if -n <= low - k and high - k < n]
        good += [f"-1 - {v}" for v, (low, high) in known if low >= 0 and high < n]
        good += [f"-{v}" for v, (low, high) in known if low >= 0 and high <= n]
        good += [f"{v} + 1" for v, (low, high) in known if low >= -n and high < n - 1]
        good += [f"{length} - 1 - {v}" for v, (low, high) in known if low >= 0 and high < n]
        if good and self.chance(0.7):
            return self.r.choice(good)
        if scope.indices and n >= 3 and self.chance(0.2):
            return f"index[{self.r.choice(['0', '1', '-1'])}]"
        if scope.ints and self.chance(0.6):
            return f"{self.integer(scope)} % {self.r.choice([length, str(n)])}"
        return str(self.r.randint(-n, n - 1))

    def place(self, scope: Scope, names: list[str]) -> str:
        name = self.r.choice(names)
        shape = scope.arrays[name]
        parts = [self.index(scope, n, f"{name}.shape[{k}]" if k or self.chance(0.5) else f"len({name})")
                 for k, n in enumerate(shape)]  # fmt: skip
        return f"{name}[{']['.join(parts)}]" if self.chance(0.2) else f"{name}[{', '.join(parts)}]"

    def element(self, scope: Scope) -> str:
        return self.place(scope, list(scope.arrays))

    def writable(self, scope: Scope) -> list[str]:
        return [n for n in scope.arrays if n not in self.fixed]

    def condition(self, scope: Scope, depth: int = 2) -> str:
        sign = self.r.choice(["<", ">", "<=", ">="])
        forms = [
            lambda: f"{self.float_leaf(scope)} {sign} {self.r.choice(['0.1', '0.6', '1.0', '-0.2', '0'])}",
            lambda: f"{self.float_leaf(scope)} {sign} {self.float_leaf(scope)}",
            lambda: (
                f"{self.integer(scope)} % {self.r.choice('23')} {self.r.choice(['==', '!='])} {self.r.choice('01')}"
            ),
            lambda: f"{self.integer(scope)} {sign} {self.r.choice(list(scope.ints) or ['2'])}",
            lambda: f"-0.3 < {self.float_leaf(scope)} <= 0.9",
        ]
        if scope.flags:
            forms.append(lambda: self.r.choice(scope.flags))
        numbers = [h for h in self.helpers if h.result == "float"]
        if numbers and self.chance(0.3):
            forms.append(lambda: f"{self.called(scope, numbers) or '0.4'} {sign} {self.r.choice(['0.2', '0.8'])}")
        if depth and self.chance(0.3):
            a, b = self.condition(scope, depth - 1), self.condition(scope, depth - 1)
            return self.r.choice([f"({a} and {b})", f"({a} or {b})", f"not ({a})", f"({a} and not {b})"])
        return self.r.choice(forms)()

    # Statements

    def block(self, size: int, scope: Scope) -> Lines:
        lines: Lines = []
        while size > 0 and self.budget > 0:
            size, self.budget = size - 1, self.budget - 1
            kinds = [k for k in STATEMENTS if k not in BLOCKS or scope.depth < 4 and self.budget > 1]
            lines += getattr(self, self.r.choices(kinds, [STATEMENTS[k] for k in kinds])[0])(scope)
        return lines or ["pass"]

    def assign(self, scope: Scope) -> Lines:
        value = self.small(scope)
        if scope.floats and self.chance(0.6):
            name = self.r.choice(scope.floats)
        else:
            name = self.r.choice([n for n in FLOATS if n not in scope.ints])
        lines = [f"{name} = {value}"]
        if name not in scope.floats:
            scope.floats.append(name)
            if self.chance(0.3):
                lines = [f"{name} = {self.r.choice(['0', '0.0', '1'])}"]
        return lines

    def augment(self, scope: Scope) -> Lines:
        if not scope.floats:
            return self.assign(scope)
        name = self.r.choice(scope.floats)
        return [f"{name} {self.r.choice(['+=', '-='])} {self.r.choice(['', '0.3 * '])}({self.small(scope)})"
                if self.chance(0.8) else f"{name} *= {self.bounded(self.expression(scope))}"]  # fmt: skip

    def count(self, scope: Scope) -> Lines:
        """An integer that is carried by hand."""
        name = self.r.choice(list(scope.ints) if self.chance(0.05) and scope.ints else INTS)
        known = name in scope.ints
        step = self.r.choice(["1", "2", "1", *scope.ints])
        forms = [f"{name} = {self.integer(scope)}", f"{name} = {self.r.randint(0, 3)}"]
        if known:
            forms += [
                f"{name} += {step}",
                f"{name} += 1",
                f"{name} -= {step}",
                f"{name} = ({name} * 3 + 1) % 7",
                f"{name} = {name} + {step}",
            ]
        if scope.indices and self.chance(0.15):
            i, j = self.index(scope, 3, "len(index)"), self.index(scope, 3, "len(index)")
            swap = f"index[{i}], index[{j}] = index[{j}], index[{i}]"
            return [self.r.choice([f"index[{i}] = {self.integer(scope)} % 3", f"index[{i}] += 1", swap])]
        scope.ints[name] = None
        return [self.r.choice(forms)]

    def flag(self, scope: Scope) -> Lines:
        name = self.r.choice(FLAGS)
        lines = [f"{name} = {self.condition(scope)}"]
        scope.flags = list({**dict.fromkeys(scope.flags), name: None})
        return lines

    def store(self, scope: Scope) -> Lines:
        names = self.writable(scope)
        if not names:
            return self.assign(scope)
        place = self.place(scope, names)
        form = self.r.choices(["=", "+=", "-=", "*=", "/="], [6, 5, 2, 1, 1])[0]
        value = {"*=": self.bounded(self.expression(scope)), "/=": f"(1.2 + ({self.float_leaf(scope)}) ** 2)"}.get(form)
        return [f"{place} {form} {value or self.small(scope)}"]

    def swap(self, scope: Scope) -> Lines:
        r, names = self.r, self.writable(scope)
        forms = []
        if len(scope.floats) > 1:
            a, b = r.sample(scope.floats, 2)
            forms += [
                f"{a}, {b} = {b}, {a}",
                f"{a}, {b} = {b}, {self.small(scope)}",
                f"{a}, {b} = math.tanh({a} + {b}), {a}",
            ]
            if len(scope.floats) > 2:
                a, b, c = r.sample(scope.floats, 3)
                forms.append(f"{a}, {b}, {c} = {b}, {c}, {a}")
        if names:
            x, y = self.place(scope, names), self.place(scope, names)
            forms.append(f"{x}, {y} = {y}, {x}")
            if scope.floats:
                a = r.choice(scope.floats)
                forms += [f"{a}, {x} = {x}, {a}", f"{a} = {x} = {self.small(scope)}"]
        pairs = [(v, w) for v in names for w in names if v < w and scope.arrays[v] == scope.arrays[w]]
        if pairs:
            v, w = r.choice(pairs)
            forms += [f"{v}, {w} = {w}, {v}"] * (1 + 2 * scope.loop)
        free = [n for n, bounds in scope.ints.items() if bounds is None]
        if len(free) > 1:
            p, q = r.sample(free, 2)
            forms += [f"{p}, {q} = {q}, {p}", f"{p}, {q} = {q} + 1, {p}"]
        return [r.choice(forms)] if forms else self.assign(scope)

    def branch(self, scope: Scope) -> Lines:
        heads = [f"if {self.condition(scope)}:"]
        heads += [f"elif {self.condition(scope)}:"] * self.chance(0.25)
        heads += ["else:"] * self.chance(0.5)
        lines, scopes = [], []
        for head in heads:
            inner = scope.inner()
            scopes.append(inner)
            lines += [head, *indented(self.block(self.r.randint(1, 3), inner))]
        if heads[-1] == "else:":
            scope.floats = [n for n in scopes[0].floats if all(n in s.floats for s in scopes)]
        elif self.chance(0.05):
            scope.floats, scope.ints = scopes[0].floats, dict(scopes[0].ints)  # bound on some paths only
        return lines

    def jump(self, scope: Scope) -> Lines:
        before = self.block(1, scope.inner()) if self.chance(0.3) else []
        if scope.loop and self.chance(0.75):
            leave = [self.r.choice(["break", "continue"])]
        elif self.may_return:
            leave = [self.returned(scope)]
        else:
            return self.assign(scope)
        return [f"if {self.condition(scope)}:", *indented(before + leave)]

    def loop(self, scope: Scope) -> Lines:
        inner = scope.inner(loop=True)
        free = [n for n in INDICES if n not in scope.ints or self.chance(0.1)] or list(INDICES)
        i = self.r.choice(free)
        inner.ints.pop(i, None)
        head, bounds = self.head(scope, inner, i)
        if bounds is not None:
            inner.ints[i] = bounds
        lines = [head, *indented(self.block(self.r.randint(1, 4), inner))]
        if self.chance(0.1):
            lines += ["else:", *indented(self.block(1, scope.inner()))]
        scope.ints.pop(i, None)
        if bounds is not None and bounds[0] <= bounds[1]:
            scope.ints[i] = inner.ints.get(i)
        return lines

    def head(self, scope: Scope, inner: Scope, i: str) -> tuple[str, tuple[int, int] | None]:
        """The line that opens a ``for``, and the bounds of its index."""
        r, vectors = self.r, scope.vectors()
        kind = r.choices(
            ["plain", "ragged", "down", "stepped", "counted", "elements", "enumerate", "zip"], [6, 4, 3, 2, 2, 2, 1, 1]
        )[0]
        known = [(v, b) for v, b in scope.ints.items() if b is not None]
        v = r.choice(vectors) if vectors else ""
        n = scope.arrays[v][0] if v else 3
        length = r.choice([f"len({v})", f"{v}.shape[0]", f"{v}.size", str(n)]) if v else "3"
        if kind == "ragged" and known:
            j, (low, high) = r.choice(known)
            forms = [
                (f"range({j})", (0, high - 1)), (f"range({j}, {length})", (low, n - 1)),
                (f"range({j} + 1, {length})", (low + 1, n - 1)), (f"range(max({j} - 1, 0), min({j} + 2, {length}))", (max(low - 1, 0), n - 1)),
                (f"range({length} - {j})", (0, n - 1 - low)), (f"range({j}, -1, -1)", (0, high)),
            ]  # fmt: skip
            form, bounds = r.choice(forms)
            return f"for {i} in {form}:", bounds
        if kind == "down":
            form, bounds = r.choice([(f"range({length} - 1, -1, -1)", (0, n - 1)), (f"range({length} - 1, 0, -2)", (1, n - 1)),
                                     ("range(-1, -3, -1)", (-2, -1)), (f"range(2, -{length}, -2)", (-n + 1, 2))])  # fmt: skip
            return f"for {i} in {form}:", bounds
        if kind == "stepped":
            form, bounds = r.choice(
                [
                    (f"range(0, {length}, 2)", (0, n - 1)),
                    (f"range(1, {length}, 3)", (1, n - 1)),
                    ("range(2, 2)", (2, 2)),
                ]
            )
            return f"for {i} in {form}:", bounds
        if kind == "counted" and scope.ints:
            return f"for {i} in range({self.integer(scope)} % 4):", (0, 3)
        e = r.choice([f for f in FLOATS if f not in scope.ints])
        if kind in ("elements", "enumerate") and v:
            inner.floats = list({**dict.fromkeys(inner.floats), e: None})
            if kind == "elements":
                return f"for {e} in {v}:", None
            return f"for {i}, {e} in enumerate({v}):", (0, n - 1)
        if kind == "zip" and len(vectors) > 1:
            f = r.choice([f for f in FLOATS if f not in scope.ints and f != e])
            inner.floats = list({**dict.fromkeys(inner.floats), e: None, f: None})
            return f"for {e}, {f} in zip({', '.join(r.sample(vectors, 2))}):", None
        matrices = [n for n, shape in scope.arrays.items() if len(shape) == 2]
        if kind == "elements" and matrices:
            matrix, row = r.choice(matrices), self.new_array(scope)
            if row and matrix not in self.fixed:
                inner.arrays[row] = scope.arrays[matrix][1:]
                return f"for {row} in {matrix}:", None
        first = r.choice([0, 0, 0, 1])
        return f"for {i} in range({length}):" if not first else f"for {i} in range(1, {length}):", (first, n - 1)

    def while_(self, scope: Scope) -> Lines:
        """A loop that a counter ends at the latest."""
        turns = self.r.choice([n for n in INTS if n not in scope.ints] or [""])
        if not turns:
            return self.loop(scope)
        inner, most = scope.inner(loop=True), self.r.randint(2, 6)
        inner.ints[turns] = None
        body = self.block(self.r.randint(1, 4), inner)
        step = f"{turns} += {self.r.choice(['1', '1', '2'])}"
        start = f"{turns} = {self.r.choice(['0', '0', '1'])}"
        scope.ints[turns] = None
        if self.chance(0.3):
            return [start, "while True:", *indented([step, f"if {turns} > {most}:", "    break", *body])]
        test = f"{turns} < {most}"
        if self.chance(0.7):
            test = self.r.choice([f"{test} and {self.condition(scope, 1)}", f"{self.condition(scope, 1)} and {test}"])
        last = not any(line.strip() == "continue" for line in body) and self.chance(0.6)
        lines = [start, f"while {test}:", *indented([*body, step] if last else [step, *body])]
        return lines + (["else:", *indented(self.block(1, scope.inner()))] if self.chance(0.05) else [])

    def march(self, scope: Scope) -> Lines:
        """A counter by hand that runs over an array, up or down, perhaps while a condition holds."""
        p = self.r.choice([n for n in INTS if n not in scope.ints] or [""])
        vectors = scope.vectors()
        if not p or not vectors:
            return self.while_(scope)
        x = self.r.choice(vectors)
        n, inner = scope.arrays[x][0], scope.inner(loop=True)
        inner.ints[p] = (0, n - 1)
        start, test, step = self.r.choice([
            ("0", f"{p} < len({x})", f"{p} += {self.r.choice('112')}"), (f"len({x}) - 1", f"{p} >= 0", f"{p} -= {self.r.choice('112')}"),
        ])  # fmt: skip
        if self.chance(0.4):
            test += f" and {self.r.choice([f'{x}[{p}] > -0.5', self.condition(inner, 1)])}"
        body = self.block(self.r.randint(0, 3), inner)
        if any(line.strip() == "continue" for line in body):
            return self.while_(scope)
        scope.ints[p] = None
        return [f"{p} = {start}", f"while {test}:", *indented([line for line in body if line != "pass"] + [step])]

    def pair(self, scope: Scope) -> Lines:
        """A tuple keeps what its names meant."""
        if len(scope.floats) < 2:
            return self.assign(scope)
        a, b, c = self.r.choice(scope.floats), self.r.choice(scope.floats), self.r.choice(scope.floats)
        last = self.r.choice(
            [f"{c} = math.sin(pair[0] * pair[-1])", f"{a}, {b} = pair", f"{c} = 0.5 * pair[1] + 0.3 * {a}"]
        )
        return [f"pair = ({a}, {self.small(scope)})", f"{a} = {self.small(scope)}", last]

    def new_array(self, scope: Scope) -> str:
        return self.r.choice([n for n in ARRAYS if n not in scope.arrays] or [""])

    def fill(self, scope: Scope) -> Lines:
        """A local buffer, or one more name of an array or of its row."""
        name, r = self.new_array(scope), self.r
        if not name:
            return self.store(scope)
        n = r.choice([3, 4])
        old = r.choice(list(scope.arrays) or [""])
        kind = r.choices(
            ["zeros", "empty", "ones", "full", "array", "like", "copy", "name", "row", "matrix"],
            [4, 3, 1, 1, 2, 2, 2, 1, 3, 1],
        )[0]
        shape: tuple[int, ...] = (n,)
        lines = [f"{name} = np.zeros({n})"]
        if kind == "empty":
            k = r.choice([v for v in INDICES if v not in scope.ints] or ["k"])
            inner = scope.inner(loop=False)
            inner.ints[k] = (0, n - 1)
            lines = [f"{name} = np.empty({n})", f"for {k} in range({n}):", f"    {name}[{k}] = {self.small(inner)}"]
        elif kind == "ones":
            lines = [f"{name} = np.ones({n})"]
        elif kind == "full":
            lines = [f"{name} = np.full({n}, {self.small(scope, 1)})"]
            lines = [line.replace(", 1)", ", 1.0)").replace(", 2)", ", 2.0)") for line in lines]
        elif kind == "array":
            lines = [f"{name} = np.array([{', '.join(self.small(scope, 1) for _ in range(n))}, 0.1])"]
            shape = (n + 1,)
        elif kind == "matrix":
            lines, shape = [f"{name} = np.zeros(({n}, 3))"], (n, 3)
        elif old and kind in ("like", "copy", "name"):
            form = {
                "like": f"np.{r.choice(['zeros', 'ones'])}_like({old})",
                "copy": r.choice([f"{old}.copy()", f"np.copy({old})"]),
                "name": old,
            }
            lines, shape = [f"{name} = {form[kind]}"], scope.arrays[old]
            if kind == "name" and old in self.fixed:
                return self.store(scope)
        elif kind == "row":
            matrices = [x for x, s in scope.arrays.items() if len(s) == 2 and x not in self.fixed]
            if not matrices:
                return self.store(scope)
            matrix = r.choice(matrices)
            shape = scope.arrays[matrix][1:]
            lines = [f"{name} = {matrix}[{self.index(scope, scope.arrays[matrix][0], f'len({matrix})')}]"]
        scope.arrays[name] = shape
        return lines

    # Whole arrays

    def view(self, scope: Scope, n: int, names: list[str] | None = None) -> str | None:
        """A view of n entries."""
        r, found = self.r, []
        for name, shape in scope.arrays.items():
            if names is not None and name not in names:
                continue
            if shape == (n,):
                found += [name, name, f"{name}[::-1]", f"{name}[:]"]
            if len(shape) == 1 and shape[0] > n:
                extra = shape[0] - n
                found += [f"{name}[{extra}:]", f"{name}[:-{extra}]", f"{name}[:{n}]", f"{name}[-{n}:]", f"{name}[{n - 1}::-1]"]
            if len(shape) == 2 and shape[1] == n:
                found += [f"{name}[{self.index(scope, shape[0], f'len({name})')}]"] * 2
            if len(shape) == 2 and shape[0] == n:
                found += [f"{name}[:, {self.index(scope, shape[1], f'{name}.shape[1]')}]"] * 2
        return r.choice(found) if found else None

    def whole(self, scope: Scope, n: int, depth: int = 2) -> str:
        """An expression of n entries."""
        leaf = self.view(scope, n) or f"np.full({n}, 0.6)"
        if depth == 0 or self.chance(0.2):
            return leaf

        def e() -> str:
            return self.whole(scope, n, depth - 1)

        matrices = [m for m, shape in scope.arrays.items() if shape == (n, 3)]
        forms = [
            lambda: f"{e()} + {e()}",
            lambda: f"{e()} - 0.5 * ({e()})",
            lambda: f"({e()}) * ({e()})",
            lambda: f"({e()}) / (1.5 + ({e()}) ** 2)",
            lambda: f"{self.r.choice(['np.sin', 'np.tanh', 'np.cos', 'np.arctan'])}({e()})",
            lambda: f"{self.float_leaf(scope)} * ({e()})",
            lambda: f"({e()}) ** 2",
            lambda: f"-({e()})",
            lambda: f"({e()}).copy()",
        ]
        if matrices and self.view(scope, 3):
            forms.append(lambda: f"{self.r.choice(matrices)} @ ({self.view(scope, 3)})")
        return self.r.choice(forms)()

    def reduced(self, scope: Scope) -> str:
        """A number made of an array."""
        n = self.r.choice([3, 4])
        form = self.r.choice(["np.sum({0})", "np.mean({0})", "({0}) @ ({1})", "np.var({0})", "np.dot({0}, {1})", "np.prod(np.sin({0}))",
                              "({0})[1]", "({0}).sum()"])  # fmt: skip
        return f"np.tanh({form.format(self.whole(scope, n), self.whole(scope, n, 1))})"

    def array(self, scope: Scope) -> Lines:
        """A statement of whole arrays: a new one, a name bound again, a store into a view, an update in place, a number."""
        r, names = self.r, self.writable(scope)
        kind = r.choices(["new", "again", "store", "update", "number"], [3, 3, 3, 2, 4])[0]
        n = r.choice([3, 4])
        if kind == "new":
            name = self.new_array(scope)
            if name:
                lines = [f"{name} = np.tanh({self.whole(scope, n)})"]
                scope.arrays[name] = (n,)
                return lines
        if kind == "again":
            local = [v for v in ARRAYS if scope.arrays.get(v) in ((3,), (4,)) and v not in self.fixed]
            if local:
                name = r.choice(local)
                return [f"{name} = np.sin({self.whole(scope, scope.arrays[name][0])})"]
        place = self.view(scope, n, names) if names else None
        if kind == "store" and place and "[" in place:
            value = r.choice([f"np.cos({self.whole(scope, n)})", self.small(scope, 1), f"0.5 * {self.view(scope, n) or '0.3'}"])
            return [f"{place} = {value}"]
        if kind == "update" and place:
            sign = r.choice(["+=", "-=", "*="])
            return [f"{place} {sign} np.sin({self.whole(scope, n)})"]
        name = r.choice([f for f in FLOATS if f not in scope.ints])
        lines = [f"{name} = {self.reduced(scope)}"]
        scope.floats = list({**dict.fromkeys(scope.floats), name: None})
        return lines

    def call(self, scope: Scope) -> Lines:
        if not self.helpers:
            return self.assign(scope)
        helper = self.r.choice(self.helpers)
        text = self.called(scope, [helper])
        if text is None:
            return self.store(scope)
        if helper.result == "none" or self.chance(0.1) and helper.writes:
            return [text]
        name = self.r.choice([n for n in FLOATS if n not in scope.ints])
        if helper.result == "float":
            lines = [f"{name} = {text}" if name not in scope.floats or self.chance(0.5) else f"{name} += 0.3 * {text}"]
            scope.floats = list({**dict.fromkeys(scope.floats), name: None})
            return lines
        if helper.result == "pair":
            other = self.r.choice([n for n in FLOATS if n not in scope.ints and n != name])
            scope.floats = list({**dict.fromkeys(scope.floats), name: None, other: None})
            return [f"{name}, {other} = {text}"]
        array = self.new_array(scope)
        if array:
            scope.arrays[array] = (3,)
            return [f"{array} = {text}"]
        return [text]

    def back(self, scope: Scope) -> Lines:
        """A statement about what was written before: read, overwritten, read again."""
        names = self.writable(scope)
        if not names or not scope.floats:
            return self.assign(scope)
        place, s = self.place(scope, names), self.r.choice(scope.floats)
        return [
            f"{s} = math.sin({s} + {place} * {place})",
            f"{place} = {self.small(scope)}",
            f"{s} += 0.5 * {place} * {s}",
        ]

    def returned(self, scope: Scope, last: bool = False) -> str:
        def text(kind: Any) -> str:
            if type(kind) is list:
                return "(" + "".join(text(k) + ", " for k in kind).rstrip() + ")"
            if kind == "int":
                return self.integer(scope)
            return everything() if kind == "float" and last else self.expression(scope) if kind == "float" else kind

        def everything() -> str:
            """Most of what was worked out has some weight in the result."""
            parts = [
                *self.r.sample(scope.floats, min(3, len(scope.floats))),
                *(self.place(scope, [n]) for n in scope.arrays),
            ]
            return " + ".join(
                [f"{self.r.choice(['0.5', '1.5', '-0.7'])} * {part}" for part in parts] or [self.expression(scope)]
            )

        return "return" if self.result is None else f"return {text(self.result)}"


STATEMENTS = {
    "assign": 6, "augment": 6, "count": 4, "flag": 1, "store": 8, "swap": 3, "branch": 5, "jump": 4, "loop": 8, "while_": 3,
    "march": 2, "fill": 3, "call": 4, "back": 2, "pair": 1, "array": 5,
}  # fmt: skip


BLOCKS = ("loop", "while_", "march", "branch", "fill")


def indented(lines: Lines) -> Lines:
    return ["    " + line for line in lines]


def helper(r: random.Random, name: str, helpers: list[Helper]) -> Helper:
    """A small function: numbers and vectors in, a number, a pair, a buffer or nothing out."""
    params: list[tuple[str, Any]] = [("x", r.choice([3, 4]))]
    params += [("y", r.choice([3, 4]))] * (r.random() < 0.4) + [("c", "float")] * (r.random() < 0.6)
    params += [("p", "int")] * (r.random() < 0.3)
    r.shuffle(params)
    default = params[-1][1] == "float" and r.random() < 0.6
    result = r.choice(["float", "float", "pair", "none", "array"])
    writes = result == "none" or r.random() < 0.6
    arrays: dict[str, tuple[int, ...]] = {n: (k,) for n, k in params if isinstance(k, int)}
    shape = {"float": "float", "pair": ["float", "float"], "none": None, "array": "out"}[result]
    writer = Writer(r, r.randint(2, 6), shape, helpers, () if writes else tuple(arrays))
    scope = Scope(
        [n for n, k in params if k == "float"], {n: None for n, k in params if k == "int"}, [], dict(arrays), 1
    )
    writer.may_return = result in ("float", "pair", "none")
    lines: Lines = []
    if result == "array":
        lines.append(f"out = np.{r.choice(['zeros', 'ones'])}(3)")
        scope.arrays["out"] = (3,)
    lines += writer.block(6, scope)
    lines.append(writer.returned(scope, last=True))
    text = "\n".join([f"def {name}({', '.join(n for n, _ in params)}{'=0.7' * default}):", *indented(lines)])
    return Helper(name, params, result, writes, default, text)


def slope(r: random.Random, found: Helper, name: str) -> Helper | None:
    """The gradient of a helper by one of its arguments, as one more helper."""
    chosen = [k for k, (_, kind) in enumerate(found.params) if kind in ("float", 3)]
    if found.result != "float" or not chosen:
        return None
    k = r.choice(chosen)
    result = "float" if found.params[k][1] == "float" else "array"
    return Helper(name, found.params, result, False, found.default, f"{name} = gradient({found.name}, {k})")


@dataclass(frozen=True)
class Sample:
    """A kernel's text with arguments; ``written`` are the positions of the arrays that one without result changes."""

    seed: int
    source: str
    args: tuple[Any, ...]
    written: tuple[int, ...]
    single: bool

    def __str__(self) -> str:
        shown = ", ".join(repr(a).replace("\n", "") for a in self.args)
        return f"seed {self.seed}\n\n{self.source}\n\nmain({shown})"


def draw(seed: int) -> Sample:
    """A kernel that may fail."""
    r = random.Random(seed)
    helpers: list[Helper] = []
    for k in range(r.choice([0, 0, 1, 1, 2])):
        helpers.append(helper(r, f"helper{k}", list(helpers)))
    single = r.random() < 0.06
    if helpers and not single and r.random() < 0.6:
        derived = slope(r, min(helpers, key=lambda h: h.result != "float"), "slope")
        helpers += [derived, derived] if derived else []
    params: dict[str, Any] = {"x": (r.choice([3, 4]),)}
    if r.random() < 0.5:
        params["y"] = (r.choice([3, 4]),)
    if r.random() < 0.35:
        params["A"] = (r.choice([2, 3]), r.choice([3, 4]))
    params |= {n: "float" for n in ("c", "d") if r.random() < 0.6}
    params |= {"n": "int"} if r.random() < 0.4 else {}
    params |= {"index": "indices"} if r.random() < 0.15 else {}
    params |= {"both": "tuple"} if r.random() < 0.1 else {}
    params = dict(r.sample(list(params.items()), len(params)))
    arrays = {n: s for n, s in params.items() if isinstance(s, tuple)}
    result: Any = r.choice(
        [
            "float",
            "float",
            "float",
            ["float", "float"],
            "x",
            ["float", "x"],
            ["float", ["x", "int"]],
            "out",
            ["out", "x"],
            None,
        ]
    )
    fixed = tuple(n for n in arrays if n != "x" and r.random() < 0.4)
    budget = r.randint(6, 22) if r.random() < 0.9 else 45
    writer = Writer(r, budget, result, helpers, fixed)
    args = tuple(argument(r, kind, single) for kind in params.values())
    ints = {n: (a, a) for n, a, k in zip(params, args, params.values(), strict=True) if k == "int"}
    scope = Scope([n for n, k in params.items() if k == "float"], dict(ints), [], dict(arrays))
    scope.indices = "index" in params and result is not None
    if scope.indices and type(result) is list and r.random() < 0.5:
        result.append("index")
    lines: Lines = []
    if "both" in params:
        lines.append("v, g = both")
        scope.arrays["v"] = (3,)
        scope.floats.append("g")
        if result is None:
            writer.fixed.add("v")
    if result is None:
        lines += [f"{n}[{', '.join('0' * len(s))}] {r.choice(['+=', '='])} {writer.small(scope, 1)}"
                  for n, s in arrays.items() if n not in fixed]  # fmt: skip
    if result is not None and "out" in result:
        scope.arrays["out"] = (3,)
        lines.append("out = np.zeros(3)")
    lines += writer.block(12, scope)
    if result is not None or r.random() < 0.2:
        lines.append(writer.returned(scope, last=True))
    main = "\n".join([f"def main({', '.join(params)}):", *indented(lines)])
    written = () if result is not None else tuple(k for k, n in enumerate(params) if n in arrays and n not in fixed)
    texts = dict.fromkeys(h.text for h in helpers)
    return Sample(seed, "\n\n\n".join([*texts, main]) + "\n", args, written, single)


def argument(r: random.Random, kind: Any, single: bool) -> Any:
    if kind == "int":
        return r.randint(1, 3)
    if kind == "tuple":
        return argument(r, (3,), single), argument(r, "float", single)
    if kind == "indices":
        return np.array([r.randint(0, 2) for _ in range(3)])
    if kind == "float":
        value = round(r.uniform(-1.5, 1.8), 3)
        return np.float32(value) if single else value
    values = np.array([round(r.uniform(-1.3, 1.6), 3) for _ in range(math.prod(kind))]).reshape(kind)
    return values.astype(np.float32) if single else values


def sample(seed: int) -> Sample:
    """A kernel that runs at its arguments."""
    for k in itertools.count():
        found = draw(1000 * seed + k)
        if runs(found):
            return replace(found, seed=seed)
    raise AssertionError


def runs(found: Sample) -> bool:
    """Whether the original gives finite, moderate numbers."""
    try:
        result, _ = Original(found)(found.args)
    except (IndexError, UnboundLocalError, ZeroDivisionError, OverflowError, ValueError, TooLong):
        return False
    return bool(len(result)) and all(np.all(np.abs(np.asarray(a, float)) < LARGEST) for a in result)


# Running


_numbers = itertools.count()


@contextlib.contextmanager
def function(source: str, gradient: Any = None) -> Iterator[Callable[..., Any]]:
    """The kernel as a function whose text `inspect` finds; ``gradient`` makes what a derived helper stands for."""
    file = f"<kernel {next(_numbers)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    names: dict[str, Any] = {"np": np, "math": math, "__name__": "fuzzed", "gradient": gradient}
    try:
        exec(compile(source, file, "exec"), names)
        yield names["main"]
    finally:
        del linecache.cache[file]


class TooLong(Exception):
    """More decisions than a test has time for."""


def leaves(tree: Any) -> list[Any]:
    return [leaf for part in tree for leaf in leaves(part)] if isinstance(tree, tuple) else [tree]


def copied(tree: Any) -> Any:
    if isinstance(tree, tuple):
        return tuple(map(copied, tree))
    return tree.copy() if isinstance(tree, np.ndarray) else tree


def differences(f: Callable[..., Any], k: int) -> Callable[..., Any]:
    """The gradient of a function by its k-th argument, by five-point differences; it leaves its arguments alone."""
    h = 1e-3

    def along(args: tuple[Any, ...], unit: Any) -> float:
        def at(n: int) -> float:
            moved = copied(args)
            return f(*moved[:k], moved[k] + n * h * unit, *moved[k + 1 :])

        return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h)

    def gradient(*given: Any, **named: Any) -> Any:
        bound = inspect.signature(f).bind(*given, **named)
        bound.apply_defaults()
        args = bound.args
        if isinstance(args[k], np.ndarray):
            return np.array([along(args, unit) for unit in np.eye(len(args[k]))])
        return along(args, 1.0)

    return gradient


class Original:
    """The kernel run as Python: ``(results, decisions)``, the results as a tuple of leaves."""

    def __init__(self, found: Sample):
        self.written, self.decisions = found.written, []
        tree = ast.fix_missing_locations(_Recorded().visit(ast.parse(found.source)))
        names: dict[str, Any] = {"np": np, "math": math, "decide": self.decide, "rounded": self.rounded}
        names["gradient"] = differences
        exec(compile(tree, "<original>", "exec"), names)
        self.main = names["main"]

    def __call__(self, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], list[Any]]:
        self.decisions = []
        copies = copied(args)
        with np.errstate(all="ignore"):
            result = self.main(*copies)
        found = [copies[k] for k in self.written] if result is None else leaves(result)
        return copied(tuple(found)), self.decisions

    def note(self, decision: Any) -> None:
        self.decisions.append(decision)
        if len(self.decisions) > LONGEST:
            raise TooLong

    def decide(self, f: Callable[..., Any], *args: Any) -> Any:
        """A function that chooses or rounds; which of its arguments is the larger decides."""
        result = f(*args)
        if len(args) == 2:
            self.note(int(np.sign(args[0] - args[1])))
        else:
            self.note(int(np.sign(args[0])) if f in (abs, math.fabs, np.abs) else result)
        return result

    def rounded(self, a: Any, b: Any, f: Callable[..., Any]) -> Any:
        self.note(math.floor(a / b))
        return f(a, b)


CHOICES = {"abs", "math.fabs", "np.abs", "min", "max", "np.maximum", "np.minimum", "math.floor", "math.ceil", "int", "round", "np.sign"}


class _Recorded(ast.NodeTransformer):
    """Puts ``decide`` and ``rounded`` around what is discontinuous."""

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        return ast.Call(ast.Name("decide", ast.Load()), [ast.Name("bool", ast.Load()), node], [])

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if ast.unparse(node.func) in CHOICES:
            return ast.Call(ast.Name("decide", ast.Load()), [node.func, *node.args], [])
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if not isinstance(node.op, (ast.Mod, ast.FloorDiv)):
            return node
        function = "mod" if isinstance(node.op, ast.Mod) else "floordiv"
        quoted = ast.parse(f"__import__('operator').{function}", mode="eval").body
        return ast.Call(ast.Name("rounded", ast.Load()), [node.left, node.right, quoted], [])


# Shrinking


def shrunk(found: Sample, fails: Callable[[Sample], bool], most: int = 400) -> Sample:
    """A smaller kernel that fails too: statements dropped, blocks opened, expressions replaced by their parts."""
    tried = 0
    while True:
        for source in smaller(found.source):
            tried += 1
            if tried > most:
                return found
            candidate = replace(found, source=source)
            if runs_still(candidate) and fails(candidate):
                found = candidate
                break
        else:
            return found


def runs_still(candidate: Sample) -> bool:
    with contextlib.suppress(Exception):
        return runs(candidate)
    return False


def smaller(source: str) -> Iterator[str]:
    """Every text that is one step smaller, the larger steps first."""
    tree = ast.parse(source)
    for k, node in enumerate(ast.walk(tree)):
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            if not isinstance(block, list):
                continue
            for at, s in enumerate(block):
                inside = [*getattr(s, "body", []), *getattr(s, "orelse", [])]
                if isinstance(s, ast.FunctionDef):
                    inside = []
                if not isinstance(s, ast.Pass):
                    yield edited(tree, k, name, at, [])
                if inside:
                    yield edited(tree, k, name, at, inside)
    for k, node in enumerate(ast.walk(tree)):
        for name, part in ast.iter_fields(node):
            if isinstance(part, ast.expr) and not isinstance(getattr(part, "ctx", ast.Load()), ast.Store):
                parts = [n for n in ast.iter_child_nodes(part) if isinstance(n, ast.expr)]
                if isinstance(node, (ast.Call, ast.Attribute)) and name in ("func", "value"):
                    continue
                if isinstance(part, (ast.Constant, ast.Name)):
                    continue
                simple = (
                    [] if name == "value" and isinstance(node, ast.Subscript) else [ast.Constant(0.5), ast.Constant(1)]
                )
                for new in simple + parts:
                    yield edited(tree, k, name, None, new)


def edited(tree: ast.AST, node: int, name: str, at: int | None, new: Any) -> str:
    """The text with one block or expression replaced; the node is known by its place in the walk."""
    copy = deepcopy(tree)
    found = next(itertools.islice(ast.walk(copy), node, None))
    if at is None:
        setattr(found, name, new)
    else:
        block = getattr(found, name)
        block[at : at + 1] = new
        if not block and name == "body":
            block.append(ast.Pass())
    return ast.unparse(ast.fix_missing_locations(copy)) + "\n"


__all__ = ["Original", "Sample", "copied", "function", "sample", "shrunk"]
