"""Numbers in nopython code: every function of the table against Python's numbers, and code that no reader reads."""

import math
import operator
import pickle
import re
import subprocess
import sys
import tomllib
from collections import namedtuple

import numba
import numpy as np
import oracles
import pytest
from numba import njit
from numba.experimental import jitclass
from scipy import special

import dualgrad as dg
from dualgrad import native
from dualgrad.backends.compiled_special import known_functions
from dualgrad.core.words import USER, WORDS
from dualgrad.native.operations import ONE_WORD, compositions, takes, word
from dualgrad.numbers.compiled import floats_of
from dualgrad.numbers.number import apply

native.init()
pytestmark = pytest.mark.kernel
inf, nan = np.inf, np.nan

# Functions that are one word, by the way they are written.
NAMES = {f: c.args[0] for f, c in compositions().items() if getattr(c, "func", None) is word}
SPELLED = {getattr(operator, n): n for names in ONE_WORD.values() for n in names.split() if not n.startswith("i")}
REFUSED = {"bessel_i0", *vars(USER)}  # it has no compiled form; other tests enter rows when they are collected


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
    """Value and partials, or coefficients, along the first axis."""
    return np.moveaxis(floats_of(x), -1, 0)


def expected(table, args):
    """What Python's numbers give, entry by entry."""
    found = [apply(WORDS[name], *(a[i] for a in args)) for i, name in enumerate(table.values())]
    return np.array([parts(y) for y in found]).T


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
            found, wanted = parts(f(x)), expected(UNARY, [x])
            known = [name not in ("gamma", "gammaln") for name in UNARY.values()]  # C and SciPy differ at poles
            assert_same(np.where(known, found, 0), np.where(known, wanted, 0), UNARY)


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
        if kind == "jet" and not np.isfinite(values[0, 0]):  # an exponent known at run time: inf/inf
            known = np.array([name != "power" for name in BINARY.values()])
            found, wanted = np.where(known, found, 0), np.where(known, wanted, 0)
        assert_same(found, wanted, BINARY)


# Powers, kinds of results, types


ALONG, WIDE, SERIES = dg.Dual(2.0, 1.0), dg.Dual(2.0, np.array([1.0, 0.5])), dg.Jet([2.0, 1.0, 0.5])


def same(found, wanted):
    """Whether two numbers, or tuples of them, are the same to rounding."""
    if isinstance(wanted, tuple):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    if isinstance(wanted, dg.Dual | dg.Jet):
        return type(found) is type(wanted) and np.allclose(parts(found), parts(wanted), 1e-13, 1e-15, equal_nan=True)
    return bool(np.all(found == wanted)) and np.shape(found) == np.shape(wanted)


@njit
def powers(x):
    return x**0, x**1, x**2, x**3, x**2.0, x**0.5, 2.0**x


@pytest.mark.parametrize("value", [2.0, 0.5, 0.0, -1.5])
@pytest.mark.parametrize("kind", [dg.Dual, dg.Jet])
def test_constant_exponents_are_those_of_python(kind, value):
    x = dg.Dual(value, 1.0) if kind is dg.Dual else dg.Jet([value, 1.0, 0.5])
    with np.errstate(all="ignore"):
        wanted = tuple(apply(WORDS["power"], x, p) for p in (0, 1, 2, 3, 2.0, 0.5))
    found = njit(powers.py_func, error_model="numpy")(x)
    assert same(found[:-1], wanted) and same(found[-1], apply(WORDS["power"], 2.0, x))


@njit
def raised(x, n):
    return x**n


@pytest.mark.parametrize("value", [0.0, 2.0, -0.5])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
def test_integer_exponents_that_are_arguments(n, value):
    for x in (dg.Dual(value, 1.0), dg.Jet([value, 1.0, 0.5, 0.25])):
        assert same(raised(x, n), apply(WORDS["power"], x, n))


@njit
def discretes(x):
    whole = math.floor(x), round(x), np.sign(x), x // 1.5
    return x < 3, x == x, 1 < x <= 2.5, x != 2, bool(x), not x, np.isnan(x), whole


@pytest.mark.parametrize("x", [ALONG, WIDE, SERIES])
def test_comparisons_and_other_discrete_functions_see_the_value(x):
    found = discretes(x)
    assert found == discretes.py_func(2.0)
    assert not any(isinstance(v, dg.Dual | dg.Jet) for v in found)


@njit
def chosen(x, y):
    return max(x, y), min(x, y, 0.0), max(x, 1.0, y), np.clip(x, 0.0, 2.0), np.where(y > x, x, y), abs(-x), +x


def test_choices_of_numbers_split_ties():
    x, y = dg.Dual(2.0, (1.0, 0.0)), dg.Dual(2.0, (0.0, 1.0))
    half = dg.Dual(2.0, (0.5, 0.5))
    lower = dg.Dual(0.0, (0.0, 0.0))
    assert same(chosen(x, y), (half, lower, half, dg.Dual(2.0, (0.5, 0.0)), y, x, x))


@njit
def accumulated(x, n):
    s, f = 0.0, 1
    for k in range(n):
        s += x * k
        f *= x
    y = x if n > 2 else 3
    return s, f, y


@pytest.mark.parametrize("n", [0, 1, 4])
def test_constants_that_become_numbers_have_no_derivative(n):
    wanted = accumulated.py_func(WIDE, n)
    assert same(accumulated(WIDE, n), tuple(v if isinstance(v, dg.Dual) else dg.Dual(v, (0.0, 0.0)) for v in wanted))


def test_single_precision_follows_numbas_promotion():
    f = njit(lambda x: (x * x, np.sin(x), x * 2.0, x + 1, x * np.float32(3)))
    found = f(dg.Dual(np.float32(0.5), np.float32(1)))
    assert [v.dtype.name for v in found] == ["float32", "float32", "float64", "float64", "float32"]
    assert [v.tangent.dtype for v in found] == [v.dtype for v in found]
    np.testing.assert_allclose([float(v.tangent) for v in found], [1, math.cos(0.5), 2, 1, 3], rtol=1e-7)
    t = dg.Jet(np.array([0.5, 1.0, 0.25], np.float32))
    for ours, theirs in zip(f(t), f.py_func(t), strict=True):
        np.testing.assert_allclose(ours.coeffs, theirs.coeffs, rtol=1e-6)
    assert [v.dtype.name for v in f(t)] == [v.dtype.name for v in found]


def test_a_division_by_zero_does_what_it_does_to_floats():
    raising, quiet = njit(lambda x: 1 / x), njit(lambda x: 1 / x, error_model="numpy")
    zero = dg.Dual(0.0, 1.0)
    with pytest.raises(ZeroDivisionError):
        raising(zero)
    assert same(quiet(zero), dg.Dual(inf, -inf))
    assert same(njit(lambda x: np.sqrt(x))(zero), dg.Dual(0.0, inf))  # only the derivative divides
    product = njit(lambda x, y: np.sqrt(x * x + y * y))(zero, zero)
    assert product.primal == 0 and np.isnan(product.tangent)


# Making numbers and taking them apart


@njit
def made(x):
    one, two, series = dg.Dual(x, 1.0), dg.Dual(primal=x, tangent=(1, 0.0)), dg.Jet((x, 1.0, 0.0, 0.0))
    y = np.exp(series)
    return one.primal, one.tangent, (two * two).tangent, y.coeffs, y.derivatives(), y.order, y.primal, two


def test_numbers_are_made_and_taken_apart_in_nopython_code():
    found = made(0.5)
    assert found[:2] == (0.5, 1.0) and same(found[-1], dg.Dual(0.5, (1.0, 0.0)))
    np.testing.assert_allclose(found[2], [1.0, 0.0])
    np.testing.assert_allclose(found[3], math.exp(0.5) / np.array([1, 1, 2, 6]), rtol=1e-15)
    np.testing.assert_allclose(found[4], np.full(4, math.exp(0.5)), rtol=1e-15)
    assert found[5:7] == (3, math.exp(0.5))
    python = made.py_func(0.5)
    assert all(np.allclose(a, b) for a, b in zip(found[:-1], python[:-1], strict=True)) and same(found[-1], python[-1])


@pytest.mark.parametrize("n", [1, 2, 3, 7, 16, 33])
def test_any_number_of_directions_and_orders(n):
    x = dg.Dual(1.5, np.linspace(-1, 1, n))
    f = njit(lambda x: np.exp(x * x) / x)
    assert same(f(x), np.exp(x * x) / x)
    if n < 20:
        t = dg.Jet([1.5, 1.0, *np.zeros(n - 1)])
        assert same(f(t), np.exp(t * t) / t)


# Code that no reader reads


@njit
def fibonacci(x, n):
    return x if n < 2 else fibonacci(x, n - 1) * x + fibonacci(x, n - 2)


@njit
def caught(x):
    try:
        if x > 1:
            raise ValueError("too large")
        y = x * x
    except Exception:
        y = x**3
    return y


@njit
def squarings(x, n):
    y = x
    for _ in range(n):
        yield y
        y = y * y


@njit
def of_generator(x):
    s = 0.0
    for y in squarings(x, 3):
        s += y
    return s


@njit
def of_containers(x):
    values = [x, x * x]
    values.append(np.sin(x))
    table = {0: x}
    table[1] = values[2]
    s = 0.0
    for v in values:
        s += v
    return s, table[1], len(values), values


@njit
def newton(f, y, x):
    """As a library would write it: a function given as an argument, a derivative of its own inside, a tuple back."""
    for _ in range(30):
        d = f(dg.Dual(x.primal, 1.0))
        x = x - (f(x) - y) / d.tangent
    return x, f(x)


@njit
def cube(x):
    return x * x * x + x


@pytest.mark.parametrize("x", [ALONG, WIDE, SERIES], ids=["along", "wide", "series"])
def test_recursion_exceptions_generators_and_containers(x):
    assert same(fibonacci(x, 5), fibonacci.py_func(x, 5))
    for value in (x, x - 1.5):
        assert same(caught(value), caught.py_func(value))
    assert same(of_generator(x), x + x * x + (x * x) * (x * x))
    assert all(map(same, squarings(x, 2), [x, x * x]))
    total, last, count, values = of_containers(x)
    assert count == 3 and same(last, np.sin(x)) and same(total, x + x * x + np.sin(x)) and same(values[1], x * x)


def test_a_derivative_inside_and_one_outside():
    x, residual = newton(cube, dg.Dual(10.0, 1.0), dg.Dual(1.0, 0.0))
    np.testing.assert_allclose([x.primal, x.tangent], [2.0, 1 / 13], rtol=1e-12)
    np.testing.assert_allclose([residual.primal, residual.tangent], [10.0, 1.0], rtol=1e-12)


def test_numbers_in_classes_named_tuples_and_optionals():
    Pair = namedtuple("Pair", "a b")

    @jitclass([("x", numba.typeof(WIDE))])
    class Holder:
        def __init__(self, x):
            self.x = x

        def squared(self):
            return self.x * self.x

    @njit
    def f(x, p):
        h = Holder(x)
        h.x = h.x + 1.0
        return h.squared(), Pair(p.a * p.b, p.b), x if x > 0 else None

    squared, pair, itself = f(WIDE, Pair(WIDE, WIDE))
    assert same(squared, (WIDE + 1.0) * (WIDE + 1.0)) and same(itself, WIDE)
    assert same(tuple(pair), (WIDE * WIDE, WIDE))
    assert f(-WIDE, Pair(WIDE, WIDE))[2] is None and same(Holder(WIDE).x, WIDE)


# Arrays


@njit
def waves(x, n):
    out = dg.zeros(n, x)
    for k in range(n):
        out[k] = np.sin(x * k)
    return out


@pytest.mark.parametrize("x", [ALONG, WIDE, SERIES, 2.0], ids=["along", "wide", "series", "float"])
def test_zeros_receive_what_the_argument_is(x):
    found, wanted = waves(x, 3), waves.py_func(x, 3)
    if isinstance(x, float):
        np.testing.assert_allclose(found, wanted)
    else:
        np.testing.assert_allclose(parts(found), parts(wanted), rtol=1e-14)
        assert type(found) is type(x) and found.shape == (3,)


GRID = dg.Dual(np.arange(1.0, 7).reshape(2, 3), np.random.default_rng(0).normal(size=(2, 2, 3)))


@njit
def rearranged(a):
    b = a.copy()
    b[0] = b[1]
    b[1, 0] += 5
    b[1, 1] *= b[0, 0]
    b[:, 2] = 3.0
    c = np.zeros_like(b)
    c.primal[:] = b.primal
    c.tangent[1] = 7.0
    return b, c, b.T, b[1:, ::2], b.sum(), b.reshape(6)[4], a.primal, a.tangent


def test_arrays_are_memory_whose_views_alias():
    b, c, turned, part, total, entry, primal, tangent = rearranged(GRID)
    wanted = GRID.copy()
    wanted[0] = wanted[1]
    wanted[1, 0] += 5
    wanted[1, 1] *= wanted[0, 0]
    wanted[:, 2] = 3.0
    assert same(b, wanted) and same(turned, wanted.T) and same(part, wanted[1:, ::2])
    assert same(total, wanted.sum()) and same(entry, wanted[1, 1])
    assert np.array_equal(c.primal, wanted.primal) and np.array_equal(c.tangent[1], np.full((2, 3), 7.0))
    assert not c.tangent[0].any()
    assert np.array_equal(primal, GRID.primal) and np.array_equal(tangent, GRID.tangent)


@njit
def whole(a, x, c):
    b = np.exp(-a) * a[0] + a[:, :1] / c
    b[0] *= x
    b += b[0] - c
    return b, a > 2.0, x * c, np.sum(b)


@pytest.mark.parametrize("kind", ["dual", "jet"])
def test_functions_of_whole_arrays_broadcast_as_in_python(kind):
    rng = np.random.default_rng(2)
    a = GRID if kind == "dual" else dg.Jet(rng.normal(size=(2, 2, 3)))
    found, wanted = (f(a, a[1, 2], np.array([1.0, 2.0, 4.0])) for f in (whole, whole.py_func))
    assert np.array_equal(found[1], wanted[1]) and found[1].dtype == bool
    for ours, theirs in zip(found, wanted, strict=True):
        if not isinstance(theirs, np.ndarray):
            np.testing.assert_allclose(parts(ours), parts(theirs), rtol=1e-12, atol=1e-13)


def test_shapes_that_do_not_broadcast_raise():
    f = njit(lambda a, b: a * b)
    assert f(GRID, np.ones((2, 1))).shape == (2, 3)
    assert f(GRID[:0], np.ones((1, 3))).shape == (0, 3)
    with pytest.raises(ValueError, match="arrays of numbers whose shapes do not broadcast"):
        f(GRID, np.ones((3, 3)))


def test_series_have_arrays_too():
    x = dg.Jet(np.random.default_rng(1).normal(size=(4, 5)))
    f = njit(lambda a: (a[1] * a[2], a.coeffs, a.primal, a[::-1]))
    product, coeffs, primal, back = f(x)
    assert same(product, x[1] * x[2]) and np.array_equal(coeffs, x.coeffs) and same(back, x[::-1])
    assert np.array_equal(primal, x.primal)


@njit
def chunked(x):
    out = np.empty((x.size, x.size))
    for start in range(0, x.size, 2):
        duals = dg.seed(x, 2, start)
        for i in range(x.size):
            y = duals[i] * duals[i - 1]
            out[i, start : start + 2] = y.tangent[: x.size - start]
    return out


def test_a_jacobian_in_chunks():
    x = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    wanted = dg.jacobian(lambda x: x * np.roll(x, 1))(x)
    np.testing.assert_array_equal(chunked(x), wanted)
    np.testing.assert_array_equal(chunked.py_func(x), wanted)


@njit
def in_place(buffer):
    duals = dg.as_duals(buffer, 2)
    for i in range(len(duals)):
        duals[i] = duals[i] * duals[i]
    buffer[0, 0] = 7.0
    return duals[0].primal


def test_floats_seen_as_duals_are_the_same_memory():
    buffer = np.array([[3.0, 1.0, 0.0], [5.0, 0.0, 1.0]])
    assert in_place(buffer) == 7.0
    np.testing.assert_array_equal(buffer, [[7.0, 6.0, 0.0], [25.0, 0.0, 10.0]])
    with pytest.raises(ValueError, match="1 [+] directions floats"):
        in_place(np.ones((2, 4)))
    with pytest.raises(dg.StructureError, match="3 directions of a buffer of shape"):
        dg.as_duals(buffer, 3)


# Levels


def test_numbers_of_a_transform_stay_outside():
    for transform in (lambda f: dg.jvp(f, (2.0,), (1.0,)), lambda f: dg.vjp(f, 2.0), lambda f: dg.taylor(f, 2.0, 2)):
        with pytest.raises(dg.UnsupportedError, match="decorate the function with dg.kernel"):
            transform(lambda x: HELD[0](x))
        with pytest.raises(dg.UnsupportedError, match="decorate the function with dg.kernel"):
            transform(lambda x: HELD[1]((x, 1.0)))
    assert dg.jvp(lambda x: cube(x), (2.0,), (1.0,)) == (10.0, 13.0)  # called by its name it is a kernel
    kept = []
    dg.jvp(lambda x: kept.append(x) or x, (2.0,), (1.0,))
    with pytest.raises(dg.UnsupportedError, match="number that carries a derivative"):
        cube(kept[0])
    escaped = kept[0]
    with pytest.raises(dg.UnsupportedError, match="number that carries a derivative"):
        njit(lambda: escaped * 2.0)()


@njit
def of_tuple(pair):
    return pair[0] * pair[1]


HELD = [cube, of_tuple]  # lifted code makes kernels of what it calls by name


def test_a_users_number_is_a_constant_to_a_transform():
    value, tangent = dg.jvp(lambda x: HELD[0](ALONG) * x, (3.0,), (1.0,))
    assert same(value, 3.0 * cube(ALONG)) and same(tangent, cube(ALONG))


def test_a_number_that_a_function_closes_over_is_frozen():
    y = dg.Dual(3.0, (1.0, 2.0))
    f = njit(lambda x: x * y)
    assert same(f(2.0), 2.0 * y) and same(f(WIDE), WIDE * y)


NESTED = [
    (dg.Dual(ALONG, dg.Dual(1.0, 0.0)), "Dual of numbers"), (dg.Dual(1j, 1.0), "Dual of complex128"),
    (dg.Dual(1.0, np.zeros(0)), "has no derivative"), (dg.Jet([1.0]), "has no derivative"),
]  # fmt: skip


@pytest.mark.parametrize(("x", "message"), NESTED)
def test_numbers_that_nopython_code_cannot_hold(x, message):
    with pytest.raises(dg.UnsupportedError, match=f"an @njit function was called with a .*{message}"):
        cube(x)


def test_stop_gradient_makes_numbers_floats():
    f = njit(lambda x: dg.stop_gradient(x) * x)
    assert same(f(WIDE), 2.0 * WIDE) and f(3.0) == 9.0 and same(f(SERIES), 2.0 * SERIES)


def test_kernels_take_numbers_and_their_derivatives_do_not():
    kernel, slope = dg.kernel(cube), dg.grad(cube)
    assert same(njit(lambda x: kernel(x))(WIDE), cube(WIDE))
    with pytest.raises(dg.KernelError, match="a derivative of a kernel was called with a Dual(.|\n)*do not nest"):
        njit(lambda x: slope(x))(WIDE)
    with pytest.raises(dg.KernelError, match=r"dg.Dual\(...\) makes a number inside(.|\n)*do not nest"):
        dg.grad(derivative_inside)(2.0)


@njit
def derivative_inside(x):
    return dg.Dual(x, 1.0).tangent * x


# Errors at typing: numba shows their text and the user's line


def stored(x):
    a = np.zeros(3)
    a[0] = x
    return a


REFUSALS = [
    (lambda x: float(x), (WIDE,), "float.* would lose its derivative.* x.primal is the value"),
    (lambda x: int(x), (WIDE,), "int.* would lose its derivative.*int.x.primal. is the whole part"),
    (stored, (WIDE,), r"is stored into an array.*dg.zeros\(shape, x\) in the place of np.zeros"),
    (lambda x: x + dg.Dual(1.0, (1.0, 0.0, 0.0)), (WIDE,), "add: Dual.*directions=2.* and Dual.*directions=3.* meet"),
    (lambda x, y: x * y, (ALONG, SERIES), "mul: Dual.* and Jet.* meet.*belong to different derivatives"),
    (lambda x: dg.Dual(x, 1.0), (WIDE,), "a Dual of Dual.*do not nest.*nest the transforms"),
    (lambda x: dg.Jet((x, 1.0)), (SERIES,), "a Jet of Jet.*do not nest"),
    (lambda x: dg.Dual(x, np.ones(2)), (1.0,), "tangent is an array.*part of the type.*give a tuple"),
    (lambda x: dg.Jet((x,)), (1.0,), "a Jet of .*two or more floats"),
    (lambda x: x * 1j, (WIDE,), "complex128 meet.*real and imaginary parts"),
    (lambda x: x * np.ones(2, np.complex128), (WIDE,), "complex128 meet.*real and imaginary parts"),
    (lambda a: math.sin(a), (GRID,), "sin of an array of numbers.*loop over the entries"),
    (lambda a: max(a, 1.0), (GRID,), "max of an array of numbers.*loop over the entries"),
    (lambda x, n: dg.seed(x, n), (np.ones(3), 2), "directions that is computed.*literal or a global constant"),
    (lambda x: dg.seed(x, 2), (1.0,), "dg.seed of float64.*give an array of floats"),
    (lambda x: dg.as_duals(x, 1), (np.ones((2, 2)).T,), "floats of a dual lie together.*ascontiguousarray"),
]


@pytest.mark.parametrize(("f", "args", "message"), REFUSALS, ids=[r[2].partition(".")[0][:20] for r in REFUSALS])
def test_what_would_be_lost_or_mixed_up_is_refused_at_typing(f, args, message):
    with pytest.raises(numba.TypingError) as caught:
        njit(f)(*args)
    text = str(caught.value)
    assert re.search(message, text.replace("\n", " ")) and "test_native.py" in text


def test_an_array_that_comes_from_python_is_not_written():
    @njit
    def f(a):
        a[0, 0] = 1.0

    with pytest.raises(numba.TypingError, match="Cannot modify readonly array"):
        f(GRID)


# Types, caches, the entry point


@pytest.mark.parametrize("x", [ALONG, WIDE, SERIES, GRID])
def test_types_pickle(x):
    t = numba.typeof(x)
    assert pickle.loads(pickle.dumps(t)) == t
    assert numba.typeof(x) is t


CACHED = '''
import numpy as np, dualgrad as dg, sys
from numba import njit
from math import sin

@njit(cache=True)
def f(x, n):
    return sin(x) * dg.Dual(n, (1.0, 0.0))

print(f(dg.Dual(2.0, (1.0, 0.5)), 3), *f.stats.cache_hits.values())
'''


def test_functions_of_numbers_are_cached_on_disk(tmp_path, child_environment):
    script = tmp_path / "script.py"
    script.write_text(CACHED)
    environment = {**child_environment, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    run = [sys.executable, str(script)]
    texts = [subprocess.run(run, env=environment, capture_output=True, text=True, check=True).stdout for _ in "12"]
    number, first, second = texts[0][:-2].strip(), texts[0].split()[-1:], texts[1].split()[-1:]
    assert texts[1].startswith(number) and first != second == ["1"]


def test_numba_finds_the_numbers_by_its_entry_point(root, child_environment):
    """Nothing but the function that the package's metadata name makes a function compiled before known."""
    points = tomllib.loads((root / "pyproject.toml").read_text())["project"]["entry-points"]["numba_extensions"]
    module, _, name = points["init"].partition(":")
    code = f"""
import sys, importlib
from numba import njit
from math import sin
getattr(importlib.import_module("{module}"), "{name}")()
assert not any(m in sys.modules for m in ("dualgrad.rules", "dualgrad.numbers", "dualgrad.read"))
f = njit(lambda x: sin(x))
f(1.0)
from dualgrad import Dual
print(njit(lambda x: f(Dual(x, 1.0)))(0.0))
"""
    run = [sys.executable, "-W", "error", "-c", code]
    assert "ε" in subprocess.run(run, env=child_environment, capture_output=True, text=True, check=True).stdout


def test_with_the_compiler_switched_off_python_does_the_same(child_environment):
    code = """
import numpy as np, dualgrad as dg
from numba import njit

@njit
def f(x):
    out = dg.zeros(2, x)
    out[0] = x * x
    s = 0.0
    for k in range(3):
        s += x * k
    out[1] = s + dg.Dual(1.0, (1.0, 0.0))
    d = dg.as_duals(np.ones((1, 3)), 2)
    return out, dg.seed(np.ones(2), 2)[1], dg.stop_gradient(x), d[0], out.primal, out.tangent

print(*map(repr, f(dg.Dual(2.0, (1.0, 0.5)))))
"""
    run = [sys.executable, "-W", "error", "-c", code]
    off, on = (
        subprocess.run(run, env={**child_environment, "NUMBA_DISABLE_JIT": k}, capture_output=True, text=True).stdout
        for k in "10"
    )
    assert off and off.replace("np.float64(2.0)", "2.0") == on


@dg.custom_jvp
@njit
def ruled(x, k):
    return x * x * k


@ruled.defjvp
@njit
def rule(primals, tangents):  # ten times what is right, so that one sees it
    (x, k), (dx, dk) = primals, tangents
    return ruled(x, k), 20 * x * k * dx + 10 * x * x * dk


def test_rules_of_users_hold_for_numbers_in_nopython_code():
    f = njit(lambda x, k: ruled(x, k) * x)
    assert f(3.0, 2.0) == 54.0
    for x in (ALONG, WIDE):
        ten = dg.Dual(8.0, 10 * (2 * 2.0 * 2.0) * x.tangent)
        assert same(njit(lambda x: ruled(x, 2))(x), ten) and same(f(x, 2), ten * x)
        both = dg.Dual(8.0, 10 * (8.0 + 4.0) * x.tangent)
        assert same(njit(lambda x: ruled(k=x, x=x))(x), both)
    with pytest.raises(dg.UnsupportedError, match="custom_jvp ruled> was called with a Jet(.|\n)*known for duals"):
        njit(lambda x: ruled(x, 2))(SERIES)

    @dg.custom_vjp
    @njit
    def other(x):
        return x

    with pytest.raises(dg.UnsupportedError, match="custom_vjp other> was called with a Dual"):
        njit(lambda x: other(x))(WIDE)


def test_rows_of_users_take_numbers_in_nopython_code():
    bump = dg.elementary("native_bump(x, a)", lambda x, a: np.exp(-a * x * x), dx="-2*a*x*y", da="-x*x*y")
    f = njit(lambda x, a: bump(x, a) + bump(x, 2))
    assert f(0.5, 1.0) == np.exp(-0.25) + np.exp(-0.5)
    for x in (ALONG, WIDE, SERIES):
        assert same(f(x, 1.0), bump(x, 1.0) + bump(x, 2)) and same(f(x, x), bump(x, x) + bump(x, 2))


LACKING = ("exprel", "ellipk", "ellipe", "i0e", "i1e")  # families whose derivatives have no compiled form
SPECIAL = {f: name for f, name in known_functions().items() if f.nin == 1 and name not in LACKING}
SPECIAL = {f: name for f, name in SPECIAL.items() if WORDS[name].kind != "discrete"}


@pytest.mark.parametrize("x", [dg.Dual(0.4, np.array([1.0, 0.5])), dg.Jet([0.4, 1.0, 0.3])], ids=["dual", "jet"])
def test_functions_of_scipy_are_those_of_python(x):
    lines = ["def apply(x):", f"    out = dg.zeros({len(SPECIAL)}, x)"]
    lines += [f"    out[{k}] = special.{f.__name__}(x)" for k, f in enumerate(SPECIAL)]
    scope = {"dg": dg, "special": special}
    exec("\n".join([*lines, "    return out"]), scope)
    table = {f.__name__: name for f, name in SPECIAL.items()}
    wanted = np.array([parts(f(x)) for f in SPECIAL]).T
    assert_same(parts(njit(scope["apply"], error_model="numpy")(x)), wanted, table)


USES_SCIPY = """
import warnings
from math import gamma
import dualgrad as dg
from numba import njit
from numba.core.errors import NumbaWarning
from dualgrad import native
from scipy import special

native.init(refresh=True)
warnings.filterwarnings("ignore", "(.|\\n)*dynamic globals", NumbaWarning)

@njit(cache=True)
def f(x):
    return special.j0(x) + gamma(x)

print(f(2.0), f(dg.Dual(2.0, 1.0)))
"""


def test_code_with_scipys_addresses_is_not_kept_by_numba(tmp_path, child_environment):
    script = tmp_path / "script.py"
    script.write_text(USES_SCIPY)
    environment = {**child_environment, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    run = [sys.executable, "-W", "error", str(script)]
    texts = [subprocess.run(run, env=environment, capture_output=True, text=True, check=True).stdout for _ in "12"]
    assert texts[0] == texts[1] and "ε" in texts[0]


def test_functions_of_scipy_of_several_arguments():
    f = njit(lambda x, a: (special.gammainc(a, x), special.xlogy(x, x), special.jv(a, x), special.betainc(a, 2.0, x)))
    for x in (dg.Dual(0.4, np.array([1.0, 0.5])), dg.Jet([0.4, 1.0, 0.3, 0.2])):
        assert same(f(x, 1.5), f.py_func(x, 1.5))
    with pytest.raises(dg.UnsupportedError, match="gammainc has no derivative by its argument a"):
        f(dg.Dual(0.4, 1.0), dg.Dual(1.5, 1.0))


def test_what_holds_numbers_is_not_stopped():
    with pytest.raises(numba.TypingError, match="holds numbers inside"):
        njit(lambda x: dg.stop_gradient((x, x)))(WIDE)
