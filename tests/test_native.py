"""Numbers in nopython code: every function of the table against Python's numbers, and code that no reader reads."""

import itertools
import math
import operator

import numba
import numpy as np
import oracles
import pytest
from numba import njit

import dualgrad as dg
from dualgrad import native
from dualgrad.core.words import WORDS
from dualgrad.native.operations import ONE_WORD, compositions, takes, word
from dualgrad.numbers.number import apply

native.init()
pytestmark = pytest.mark.kernel
inf, nan = np.inf, np.nan

# Functions that are one word, by the way they are written.
NAMES = {f: n for f, n in ((f, c.args[0]) for f, c in compositions().items() if getattr(c, "func", None) is word)}
SPELLED = {getattr(operator, n): n for names in ONE_WORD.values() for n in names.split() if not n.startswith("i")}
REFUSED = {"gamma", "gammaln", "sinc", "bessel_i0"}  # these, or their derivatives, have no compiled form


def spelled(function):
    """The function in the text of a kernel; none for operators in place."""
    if getattr(function, "__module__", "") == "_operator":
        return f"operator.{SPELLED[function]}" if function in SPELLED else None
    if function in (abs, pow):
        return function.__name__
    return f"{'math' if function in vars(math).values() else 'np'}.{function.__name__}"


def rows(count):
    """The text of functions of so many arguments that are words with a derivative, and their words."""
    found = {spelled(f): name for f, name in NAMES.items() if takes(f, count) and name not in REFUSED}
    return {text: name for text, name in found.items() if text and WORDS[name].kind != "discrete"}


UNARY, BINARY = rows(1), rows(2)


def compiled(table, active):
    """One compiled function that applies all rows, each to its own entries of the arguments."""
    params = [f"x{k}" for k in range(len(active))]
    lines = [f"def apply({', '.join(params)}):", f"    out = dg.zeros({len(table)}, x{active.index(True)}[0])"]
    for i, text in enumerate(table):
        lines.append(f"    out[{i}] = {text}({', '.join(f'{p}[{i}]' for p in params)})")
    scope = {"np": np, "math": math, "operator": operator, "dg": dg}
    exec("\n".join([*lines, "    return out"]), scope)
    return njit(scope["apply"], error_model="numpy")


def numbers(kind, values, rng):
    """Numbers with these values: duals of two directions or of one, or series of order 3."""
    if kind == "jet":
        return dg.Jet(np.concatenate([[values], 0.5 * rng.normal(size=(3, len(values)))]))
    return dg.Dual(values, rng.normal(size=(2, len(values)) if kind == "directions" else len(values)))


def parts(x):
    return x.coeffs if isinstance(x, dg.Jet) else np.vstack([[x.primal], np.atleast_2d(x.tangent)])


def expected(table, args):
    """What Python's numbers give, entry by entry."""
    found = [apply(WORDS[name], *(a[i] for a in args)) for i, name in enumerate(table.values())]
    zeros = 0 * parts(next(a for a in args if isinstance(a, (dg.Dual, dg.Jet)))[:1])[1:, 0]
    return np.array([parts(y)[:, 0] if y.ndim else scalar_parts(y, zeros) for y in found]).T


def scalar_parts(y, zeros):
    if isinstance(y, dg.Jet):
        return y.coeffs
    return np.append(y.primal, y.tangent) if isinstance(y, dg.Dual) else np.append(y, zeros)


def assert_same(found, wanted, table):
    for text, ours, theirs in zip(table, found.T, wanted.T, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13, err_msg=text)


EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, inf, -inf, nan, 1e-310, 300.0]


@pytest.mark.parametrize("kind", ["directions", "one", "jet"])
def test_every_function_of_one_argument_is_that_of_python(kind, rng):
    f = compiled(UNARY, (True,))
    domains = [WORDS[name].rule.domain or ("real",) for name in UNARY.values()]
    for _ in range(3):
        x = numbers(kind, np.array([oracles.sample(d, rng)[0] for d in domains]), rng)
        assert_same(parts(f(x)), expected(UNARY, [x]), UNARY)
    with np.errstate(all="ignore"):
        for edge in EDGES:
            x = numbers(kind, np.full(len(UNARY), edge), rng)
            assert_same(parts(f(x)), expected(UNARY, [x]), UNARY)


PAIRS = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (-2.0, 3.0), (0.0, -1.0), (2.0, 0.5), (inf, 1.0), (nan, 1.0),
         (1.0, inf), (-inf, -inf), (1.0, nan), (0.0, 2.0), (-2.0, 2.5), (0.0, -0.0)]  # fmt: skip


@pytest.mark.parametrize("active", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("kind", ["directions", "jet"])
def test_every_function_of_two_arguments_is_that_of_python(kind, active, rng):
    f = compiled(BINARY, active)
    points = [np.array([oracles.sample(WORDS[n].rule.domain, rng) for n in BINARY.values()], float).T for _ in range(3)]
    points += [np.array(pair)[:, None].repeat(len(BINARY), 1) for pair in PAIRS]
    for values in points:
        args = [numbers(kind, v, rng) if on else v for v, on in zip(values, active, strict=True)]
        with np.errstate(all="ignore"):
            found, wanted = parts(f(*args)), expected(BINARY, args)
        if kind == "jet" and not np.isfinite(values[0, 0]):  # with an exponent known at run time only, the series has inf/inf
            known = np.array([name != "power" for name in BINARY.values()])
            found, wanted = np.where(known, found, 0), np.where(known, wanted, 0)
        assert_same(found, wanted, BINARY)
