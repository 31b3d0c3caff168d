"""Indices that are proven not to be negative: the proofs hold, the hard cases stay signed, and bounds are kept."""

import random

import numpy as np
import pytest
from kernel_fuzzer import function
from numba import njit

import dualgrad as dg
from dualgrad.api.compiled import Function
from dualgrad.core.build import Builder
from dualgrad.core.printer import to_source
from dualgrad.core.program import INT, Const, For, If, Let, Type, Var, While
from dualgrad.core.words import WORDS
from dualgrad.read import read_kernel
from dualgrad.transforms.forms import Facts, Form
from dualgrad.transforms.ranges import Ranges

# Random functions of integers, run with a check of every claim


class Integers:
    """Writes a function of three integers and an array of integers."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.names, self.count = ["n", "m", "k"], 0

    def literal(self):
        return str(self.r.randint(-2, 3))

    def expression(self, depth=2):
        r = self.r
        if depth == 0 or r.random() < 0.15:
            return r.choice([*self.names, *self.names, self.literal(), "len(x)", "x[n % 5]"])
        a, b = self.expression(depth - 1), self.expression(depth - 1)
        forms = ["({a} + {b})", "({a} - {b})", "({a} * {b})", "({a} // {c})", "({a} % {c})", "min({a}, {b})"]
        forms += ["max({a}, {b})", "abs({a})", "(-{a})", "({a} if {t} else {b})", "({a} + {one})", "({b} - 1 - {a})"]
        c = r.choice([str(r.choice([-3, -2, 2, 3])), "len(x)", f"max({b}, 1)", f"(1 + abs({b}))"])
        return r.choice(forms).format(a=a, b=b, c=c, t=self.test(depth - 1), one=r.choice("123"))

    def test(self, depth=1):
        a, b = self.expression(depth), self.expression(depth) if self.r.random() < 0.5 else self.r.choice("0012")
        found = f"{a} {self.r.choice(['<', '<=', '>', '>=', '==', '!='])} {b}"
        other = f"{self.r.choice(self.names)} {self.r.choice(['<', '>='])} {self.literal()}"
        return self.r.choice([found, found, f"not ({found})", f"({found} and {other})", f"({found} or {other})"])

    def block(self, depth):
        outer = list(self.names)
        lines = [line for _ in range(self.r.randint(1, 3)) for line in self.statement(depth)]
        self.names = outer
        return lines

    def statement(self, depth):
        kind, r = self.r.random(), self.r
        if kind < 0.45 or depth == 3:
            if r.random() < 0.4:
                return [f"{r.choice('pqs')} {r.choice(['+=', '-=', '+='])} {r.choice(['1', '2', self.expression(1)])}"]
            return [f"{r.choice('pqs')} = {self.expression()}"]
        if kind < 0.65:
            lines = [f"if {self.test()}:", *self.indented(self.block(depth + 1))]
            return lines + (["else:", *self.indented(self.block(depth + 1))] if r.random() < 0.5 else [])
        self.count += 1
        v = f"i{self.count}"
        if kind < 0.75:
            head = [f"{v} = 0", f"while {self.test()} and {v} < 4:", f"    {v} += 1"]
            return head + self.indented(self.block(depth + 1))
        run = r.choice(["{a}", "{c}, {a}", "{a}, {c}, -1", "{a} - 1, -1, -1", "{c}, {a}, 2", "{a}, {c}, {d}"])
        run = run.format(a=f"min({self.expression(1)}, 6)", c=f"max({self.expression(1)}, -5)", d=r.choice(["-2", "3"]))
        self.names += [v]
        lines = [f"for {v} in range({run}):", *self.indented([f"total += {self.expression()}", *self.block(depth + 1)])]
        self.names.remove(v)
        return lines

    def indented(self, lines):
        return ["    " + line for line in lines]

    def text(self):
        self.names += ["p", "q", "s"]
        body = ["total = 0", "p = 0", "q = n % 3", "s = len(x)", *self.block(0), *self.block(0)]
        result = f"total + p + q + s + {self.expression()}"
        return "\n".join(["def main(n, m, k, x):", *self.indented([*body, f"return {result}"])]) + "\n"


def claims(program):
    """The integers claimed to be natural where they are bound, carries included."""
    found = set()

    def look(s):
        bound = [s.target] if isinstance(s, Let) else []
        if isinstance(s, For):
            bound = [s.var, *(c.inner for c in s.carries)]
        for v in bound:
            if v.type == INT:
                (found.add if ranges.is_natural(v) else found.discard)(v)

    ranges = Ranges(program)
    ranges.walk(look)
    return found


def with_checks(block, claimed):
    """The block with a statement that raises after each binding of what is claimed."""
    out = []
    for s in block:
        before = []
        if isinstance(s, (For, While)):
            inner = ([s.var] if isinstance(s, For) else []) + [c.inner for c in s.carries]
            for v in inner:
                before += raising(v) if v in claimed else []
            s.body = before + with_checks(s.body, claimed)
        elif isinstance(s, If):
            s.then, s.orelse = with_checks(s.then, claimed), with_checks(s.orelse, claimed)
        out.append(s)
        if isinstance(s, Let) and s.target in claimed:
            out += raising(s.target)
    return out


def raising(v):
    b = Builder()
    ok = b.ge(v, Const(0, INT))
    b.emit(WORDS["checked"], v, ok, error="AssertionError", where="", message=f"{v.name} was claimed to be natural")
    return b.block


def holding(text):
    """How many claims were made about a function; they are tried at many arguments."""
    with function(text, None) as f:
        read = read_kernel(f, [INT, INT, INT, Type("int64", 1)])
    program = Function.of(read, 4).program
    claimed = claims(program)
    program.body = with_checks(program.body, claimed)
    names = {"np": np}
    source = to_source(program)
    exec(compile(source, "<checked>", "exec"), names)
    r = random.Random(0)
    for _ in range(40):
        args = [r.choice([-7, -3, -2, -1, 0, 1, 2, 3, 5, 8]) for _ in range(3)]
        try:
            names[program.name](*args, np.array([r.randint(-9, 9) for _ in range(5)]))
        except AssertionError as error:
            raise AssertionError(f"{error} at {args}\n{text}\n{source}") from None
        except (ZeroDivisionError, OverflowError, RuntimeWarning):  # of the function itself: integers do not overflow
            continue
    return len(claimed)


def test_no_claim_about_a_random_function_of_integers_is_wrong(pytestconfig):
    total = sum(holding(Integers(seed).text()) for seed in range(3000 if pytestconfig.getoption("--long") else 150))
    assert total > 300


def test_a_wrong_claim_would_be_found(monkeypatch):
    monkeypatch.setattr(Facts, "prove", lambda self, form: form.const >= 0)
    with pytest.raises(AssertionError, match="was claimed to be natural"):
        for seed in range(20):
            holding(Integers(seed).text())


# The prover


def test_a_form_is_proven_by_facts_that_add_up_to_it():
    i, j, n = (Var(name, INT) for name in "ijn")
    facts = Facts()
    facts.add([Form.of(i), Form.of(n).minus(Form.of(i)).minus(1), Form.of(j).minus(Form.of(i))])
    assert facts.prove(Form.of(n).minus(1))
    assert facts.prove(Form.of(j).times(2).plus(Form.of(n)))
    assert facts.prove(Form.of(n).minus(1).minus(Form.of(i)))
    assert not facts.prove(Form.of(n).minus(2).minus(Form.of(i)))
    assert not facts.prove(Form.of(n).minus(Form.of(j)))
    facts.forget(2)
    assert not facts.prove(Form.of(j))
    assert facts.prove(Form.of(n))


# Which indices become unsigned


def text_of(f, *args):
    return dg.source(dg.grad(f), *args)


@njit
def downward(x):
    total = 0.0
    for i in range(len(x) - 1, 0, -1):
        total += x[i] * x[i - 1] * x[len(x) - 1 - i]
    return total


@njit
def packed(x):
    total, p = 0.0, 0
    for i in range(3):
        for j in range(i + 1):
            total += x[p] * x[p] * (i - j)
            p += 1
    while p > 0:
        p -= 1
        total += x[p] * x[p // 2] * x[min(p, 2)]
    return total


@njit
def guarded(x, index):
    total = 0.0
    for i in range(len(index)):
        k = index[i]
        if k >= 0:
            total += x[k] * x[k]
        total += x[index[i] % len(x)] ** 3
    return total


@njit
def from_the_end(x, index):
    """Indices that count from the end, or may."""
    total = x[-1] * x[-2]
    for i in range(-len(x), len(x)):
        total += x[i] * x[i]
    for i in range(1, len(x)):
        total += x[-i] * x[i - 2]
    for k in index:
        total += x[k] ** 3
        x[k - 1] += 0.5 * x[k]
    for i in range(len(x)):
        total += x[i] * x[i - len(x)] if i % 2 else x[-1 - i]
    return total


INDEX = np.array([-5, 5, 0, -1, 3])
X = np.linspace(0.5, 1.5, 6)


@pytest.mark.parametrize("f, args", [(downward, (X,)), (packed, (X,)), (guarded, (X, INDEX))])
def test_an_index_that_cannot_be_negative_is_unsigned(f, args):
    accesses = [line for line in text_of(f, *args).splitlines() if "x_bar[" in line]
    names = {part.split("]")[0] for line in accesses for part in line.split("x_bar[")[1:]}
    source = text_of(f, *args)
    for name in names:
        assert name.startswith("np.uintp") or f"{name} = np.uintp(" in source or name.isdigit(), (name, source)


def test_an_index_that_may_be_negative_stays_signed():
    @njit
    def f(x, k, n):
        total = x[k] * x[n - 3]
        for i in range(k, n):
            total += x[i] * x[i - n]
        return total

    assert "uintp" not in text_of(f, X, 1, 3)


# Value, forward and reverse mode where numba checks every index


def differences(f, x, v, *rest):
    h = 1e-6
    return (f(x + h * v, *rest) - f(x - h * v, *rest)) / (2 * h)


@pytest.mark.kernel
@pytest.mark.parametrize("f, rest", [(downward, ()), (packed, ()), (guarded, (INDEX,)), (from_the_end, (INDEX,))])
def test_indices_of_every_kind_keep_their_bounds_in_every_mode(f, rest):
    checked = njit(boundscheck=True)(f.py_func)
    v = np.cos(np.arange(6.0))
    expected = differences(f.py_func, X, v, *rest)
    value, slope = dg.jvp(lambda x: dg.kernel(checked)(x, *rest), (X,), (v,))
    np.testing.assert_allclose(value, f.py_func(X.copy(), *rest), rtol=1e-14)
    np.testing.assert_allclose(slope, expected, rtol=1e-7)
    np.testing.assert_allclose(dg.grad(checked)(X, *rest) @ v, expected, rtol=1e-7)


@pytest.mark.kernel
def test_an_index_out_of_bounds_still_raises():
    @njit(boundscheck=True)
    def f(x, n):
        total = 0.0
        for i in range(n):
            total += x[i] * x[i]
        return total

    assert dg.grad(f)(X, 6) @ np.ones(6) == pytest.approx(2 * X.sum())
    with pytest.raises(IndexError):
        dg.grad(f)(X, 7)
