"""The laws of a row: what every line of the table promises, checked against independent oracles."""

import itertools
import math
import operator

import mpmath
import numpy as np
import oracles
import pytest
import sympy
from numba import njit
from numba.np.numpy_support import as_dtype
from scipy.sparse import csr_array

import dualgrad as dg
import dualgrad.rules  # noqa: F401  (importing enters the rows)
from dualgrad.backends.steps import Pattern, jet_step, jvp_step, linear_step
from dualgrad.backends.systems import Sparse
from dualgrad.core.build import Builder
from dualgrad.core.check import check
from dualgrad.core.errors import UnsupportedError
from dualgrad.core.printer import to_source
from dualgrad.core.program import BOOL, FLOAT, INT, Program, Var
from dualgrad.core.words import KINDS, USER, WORDS
from dualgrad.rules.text import NUMBERS, OPERATORS, rule_names

ORDER = 10
N = 2  # directions

ROWS = [w for w in WORDS.values() if not hasattr(USER, w.name)]  # without what other tests enter when collected
ELEMENTARY = [w for w in ROWS if w.kind in ("elementary", "family")]
FAMILIES = [w for w in ROWS if w.kind == "family"]
SMOOTH = [w for w in ROWS if w.elementwise and w.kind != "discrete"]  # whose derivative is declared
DISCRETE = [w for w in ROWS if w.kind == "discrete" and isinstance(w.ufunc, np.ufunc)]
# Of arrays as a whole; for words of kernels that make matrices see `test_matrix_products`.
STRUCTURAL = [w for w in ROWS if w.kind == "linear" and not w.elementwise and not w.makes]


def domains(word):
    """The domain of each argument."""
    return word.rule.domain or ("real",) * len(word.rule.args)


def smooth(word):
    """By which arguments the word can be differentiated: no truths, nor what an elementary row keeps constant."""
    known = word.rule.derivatives or word.rule.args
    return tuple(d != "truth" and a in known for a, d in zip(word.rule.args, domains(word), strict=True))


def patterns(word):
    """Every choice of active arguments."""
    can = [(False, True) if on else (False,) for on in smooth(word)]
    return [active for active in itertools.product(*can) if any(active)]


def flags(active):
    """``x`` for an active argument, ``-`` for another."""
    return "".join("x" if on else "-" for on in active)


def each(rows):
    return pytest.mark.parametrize("word", rows, ids=lambda w: w.name)


PATTERNS = [(w, a) for w in SMOOTH for a in patterns(w)]
JETS = [(w, a) for w, a in PATTERNS if w.name != "cast"]  # eager numbers know cast as the word astype


def each_of(pairs):
    return pytest.mark.parametrize("word, active", pairs, ids=[f"{w.name}-{flags(a)}" for w, a in pairs])


each_pattern, each_jet = each_of(PATTERNS), each_of(JETS)


def chosen(values, active):
    return [v for v, on in zip(values, active, strict=True) if on]


scalar = oracles.scalar


def inner(a, b):
    return sum(float(np.sum(np.conj(x) * y).real) for x, y in zip(a, b, strict=True))


def random_like(x, rng, lead=()):
    """A random value of the shape and field of ``x``."""
    shape = (*lead, *np.shape(x))
    v = rng.normal(size=shape)
    return scalar(v + 1j * rng.normal(size=shape) if np.iscomplexobj(x) else v)


# A row is written with words of the table


@each(ROWS)
def test_a_row_is_of_a_known_kind_and_every_rule_mentions_words_and_arguments_only(word):
    assert word.kind in KINDS
    rule = word.rule
    own = {*rule.args, *(f"{a}_shape" for a in rule.args), *NUMBERS, *WORDS}
    tangents = {f"d{a}" for a in rule.args}
    for text in (*rule.derivatives.values(), *rule.closed.values()):
        assert rule_names(text) <= own | {"y"}
    for text in rule.nth.values():
        assert rule_names(text) <= own | {"k"}
    for text in rule.transposes.values():
        assert rule_names(text) <= own | {"ct"}
    assert rule.jvp is None or rule_names(rule.jvp) <= own | {"y"} | tangents
    assert set(OPERATORS.values()) <= set(WORDS)


@each(ELEMENTARY)
def test_an_elementary_row_has_a_derivative_by_an_argument(word):
    assert word.rule.derivatives.keys() <= set(word.rule.args)
    assert any(smooth(word))
    assert word.rule.closed.keys() <= word.rule.derivatives.keys()


@each(FAMILIES)
def test_a_family_names_its_derivative_of_order_k(word):
    assert word.rule.nth.keys() == word.rule.derivatives.keys() == {word.rule.args[-1]}


CONSTANT = [(w, a) for w in ELEMENTARY for a in w.rule.args if a not in w.rule.derivatives]


@pytest.mark.parametrize("word, arg", CONSTANT, ids=[f"{w.name}-{a}" for w, a in CONSTANT])
@pytest.mark.parametrize("step", [jvp_step, linear_step, jet_step])
def test_an_argument_without_derivative_is_refused_by_name(word, arg, step):
    active = tuple(a == arg for a in word.rule.args)
    with pytest.raises(UnsupportedError, match=f"{word.name} has no derivative by its argument {arg}"):
        step(Pattern(word, active))


@each(ELEMENTARY)
def test_the_table_is_closed_under_differentiation(word):
    kinds = {"elementary", "family", "linear", "bilinear", "quotient", "selecting", "discrete"}
    for text in (*word.rule.derivatives.values(), *word.rule.closed.values(), *word.rule.nth.values()):
        mentioned = [WORDS[name] for name in rule_names(text) if name in WORDS and name not in word.rule.args]
        assert all(w.kind in kinds and w.elementwise for w in mentioned)
        assert all(w.rule.derivatives for w in mentioned if w.kind in ("elementary", "family"))


@each(SMOOTH)
def test_a_row_has_a_domain_for_each_argument_and_the_domain_a_sampler(word, rng):
    assert len(domains(word)) == len(word.rule.args)
    for d, x in zip(domains(word), oracles.sample(domains(word), rng, (5,)), strict=True):
        assert np.shape(x) == (() if d == "index" else (5,))


@each(STRUCTURAL)
def test_a_linear_word_is_the_partner_of_its_partner_and_has_a_batched_twin(word):
    assert word.rule.batched in WORDS
    first = word.rule.args[0]
    assert set(word.rule.transposes) == {first}
    partner = WORDS[word.rule.transposes[first].split("(")[0]]
    assert partner.rule.transposes[partner.rule.args[0]].split("(")[0] == word.name


# Derivatives are sympy's


@pytest.fixture(scope="module")
def calculus():
    rows = {w.name: (w.rule.args, w.rule.derivatives) for w in ELEMENTARY}
    return oracles.Calculus(rows, [w.name for w in DISCRETE])


def points(word, rng, count=2):
    """Exact points of the domain of the arguments that are no truths."""
    rest = [d for d in domains(word) if d != "truth"]
    return [[mpmath.mpf(float(x)) for x in oracles.sample(rest, rng)] for _ in range(count)]


@each(ELEMENTARY)
def test_derivatives_to_order_4_are_those_of_sympy(word, calculus, rng):
    xs = sympy.symbols(word.rule.args, real=True)
    ours, theirs = {(): calculus.words[word.name](*xs)}, {(): oracles.FUNCTIONS[word.name](*xs)}
    at = points(word, rng)
    for order in range(5):
        for by in itertools.combinations_with_replacement(chosen(xs, smooth(word)), order):
            for table in (ours, theirs):
                if by:
                    table[by] = sympy.diff(table[by[:-1]], by[-1])
            f, g = calculus.evaluator(xs, ours[by]), oracles.evaluator(xs, theirs[by])
            with mpmath.workdps(oracles.DIGITS):
                assert all(oracles.close(f(*p), g(*p)) for p in at), by


CLOSED = [(w, a) for w in ELEMENTARY for a in w.rule.closed]


@pytest.mark.parametrize("word, arg", CLOSED, ids=[f"{w.name}-{a}" for w, a in CLOSED])
def test_the_closed_spelling_is_the_derivative(word, arg, calculus, rng):
    xs = sympy.symbols(word.rule.args, real=True)
    env = dict(zip(word.rule.args, xs, strict=True)) | {"y": calculus.words[word.name](*xs)}
    f, g = (calculus.evaluator(xs, calculus.read(t[arg], env)) for t in (word.rule.closed, word.rule.derivatives))
    with mpmath.workdps(oracles.DIGITS):
        assert all(oracles.close(f(*p), g(*p)) for p in points(word, rng))


@pytest.mark.parametrize("truth", [False, True])
@each([w for w in SMOOTH if w not in ELEMENTARY])
def test_jvp_and_transposes_of_a_row_are_sympys_derivative_times_the_tangent(word, truth, calculus, rng):
    names = [a for a, d in zip(word.rule.args, domains(word), strict=True) if d != "truth"]
    truths = [truth] * (len(word.rule.args) - len(names))
    xs, dots, ct = sympy.symbols(names, real=True), sympy.symbols([f"d{n}" for n in names]), sympy.Symbol("ct")
    y = oracles.FUNCTIONS[word.name](*truths, *xs)
    slopes = [sympy.diff(y, x) for x in xs]
    env = dict(zip(word.rule.args, [*truths, *xs], strict=True)) | {"y": y, "ct": ct} | {d.name: d for d in dots}
    env |= {name: lambda a: a for name in ("move", "cast", "conj")}
    pairs = [(word.rule.jvp, sum(s * d for s, d in zip(slopes, dots, strict=True)))]
    pairs += [(text, slopes[names.index(a)] * ct) for a, text in word.rule.transposes.items()]
    for text, wanted in pairs:
        free = [*xs, *dots, ct]
        f, g = calculus.evaluator(free, calculus.read(text, env)), oracles.evaluator(free, wanted)
        with mpmath.workdps(oracles.DIGITS):
            rest = [mpmath.mpf(k) / 7 for k in range(3, 4 + len(dots))]
            assert all(oracles.close(f(*p, *rest), g(*p, *rest)) for p in points(word, rng))


# Jets: Taylor series of order 10


def random_series(word, active, rng, *shapes):
    """Arguments where the active ones are series with the order leading."""
    args = oracles.sample(domains(word), rng, *shapes)
    for k, on in enumerate(active):
        if on:
            tail = [0.7**j * rng.uniform(-1, 1, np.shape(args[k])) for j in range(1, ORDER + 1)]
            args[k] = np.stack([args[k], *tail])
    return args


def assert_series(found, wanted):
    assert np.shape(found) == wanted.shape
    error = np.abs(found - wanted) / np.maximum(np.abs(wanted), 1e-3 * np.max(np.abs(wanted)))
    assert np.max(error) <= 1e-10


@each_jet
def test_a_jet_is_the_series_that_mpmath_finds(word, active, rng):
    args = random_series(word, active, rng, (2,))
    assert_series(jet_step(Pattern(word, active))(*args), oracles.series(word.name, args, active))


@each_jet
def test_a_jet_of_scalars_is_an_entry_of_the_jet_of_arrays(word, active, rng):
    step = jet_step(Pattern(word, active))
    args = random_series(word, active, rng, (3,))
    found = step(*args)
    for i in range(3):
        entry = [a[:, i].copy() if on else a[i] if np.ndim(a) else a for a, on in zip(args, active, strict=True)]
        np.testing.assert_allclose(step(*entry), found[:, i], rtol=1e-13, atol=1e-300)


SHAPES = {  # of one, two and three arguments, and how far the first must be lifted
    1: [((),), ((2, 3),), ((0, 3),)],
    2: [((), ()), ((3,), (3,)), ((3,), (2, 3)), ((2, 3), (3,)), ((2, 1), (3,)), ((), (2, 3)), ((2, 3), ())],
    3: [((), (), ()), ((3,), (2, 1), ()), ((), (3,), (2, 3)), ((2, 3), (), (2, 1))],
}


@each_jet
def test_coefficients_broadcast_as_values_do(word, active, rng):
    step = jet_step(Pattern(word, active))
    for shapes in SHAPES[len(active)][1:]:
        args = random_series(word, active, rng, *shapes)
        shape = np.broadcast_shapes(*(np.shape(a)[on:] for a, on in zip(args, active, strict=True)))
        whole = [oracles.spread(a, shape, on) if np.ndim(a) else a for a, on in zip(args, active, strict=True)]
        lifted = [oracles.spread(a, shape, True) if on else a for a, on in zip(args, active, strict=True)]
        np.testing.assert_allclose(step(*lifted), step(*whole), rtol=1e-13)


EXPONENTS = [0, 1, 2, 3, 4, 7, -1, -3, 0.5, -0.5, 2.0, 3.0, 2.5, 64]


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_the_jet_of_a_power_with_a_literal_exponent(exponent, rng):
    word = WORDS["power"]
    args = random_series(word, (True, False), rng, (2,))
    if float(exponent).is_integer():
        args[0][0, 0] *= -1
    found = jet_step(Pattern(word, (True, False), (None, exponent)))(args[0])
    assert_series(found, oracles.series("power", [args[0], exponent], (True, False)))


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, 7, 0.0, 1.0, 2.0, 3.0])
def test_the_jet_of_an_integer_power_is_a_polynomial_also_at_zero(exponent, rng):
    x = rng.uniform(-1, 1, ORDER + 1)
    x[0] = 0
    found = jet_step(Pattern(WORDS["power"], (True, False), (None, exponent)))(x)
    wanted = np.array([1.0] + [0.0] * ORDER)
    for _ in range(int(exponent)):
        wanted = np.convolve(wanted, x)[: ORDER + 1]
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-15)
    column = jet_step(Pattern(WORDS["power"], (True, False), (None, exponent)))(np.stack([x, x + 1], axis=1))
    np.testing.assert_allclose(column[:, 0], wanted, rtol=1e-12, atol=1e-15)


# Tangents and cotangents


def dots_of(args, active, rng, lead=()):
    return [scalar(rng.normal(size=(*lead, *np.shape(a)))) for a, on in zip(args, active, strict=True) if on]


@each_pattern
def test_the_tangent_is_the_first_coefficient_of_the_series(word, active, rng):
    args = oracles.sample(domains(word), rng, (3,))
    dots = dots_of(args, active, rng)
    value, tangent = jvp_step(Pattern(word, active))(*args, *dots)
    left = iter(dots)
    both = [np.stack([a, next(left)]) if on else a for a, on in zip(args, active, strict=True)]
    wanted = oracles.series(word.name, both, active)
    np.testing.assert_allclose(value, wanted[0], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(tangent, wanted[1], rtol=1e-13, atol=1e-15)


@each_jet
def test_the_jet_of_order_1_is_the_jvp(word, active, rng):
    args = oracles.sample(domains(word), rng, (3,))
    dots = dots_of(args, active, rng)
    left = iter(dots)
    both = [np.stack([a, next(left)]) if on else a for a, on in zip(args, active, strict=True)]
    found = jet_step(Pattern(word, active))(*both)
    np.testing.assert_allclose(found, np.stack(jvp_step(Pattern(word, active))(*args, *dots)), rtol=1e-14, atol=1e-16)


def broadcast_cases(word, active, rng):
    """Arguments of shapes that broadcast."""
    for shapes in SHAPES[len(active)]:
        args = oracles.sample(domains(word), rng, *shapes)
        yield args, np.broadcast_shapes(*map(np.shape, args))


@each_pattern
def test_push_is_the_tangent_and_pull_its_adjoint(word, active, rng):
    jvp_, halves = jvp_step(Pattern(word, active)), linear_step(Pattern(word, active, reduce=True))
    for args, shape in broadcast_cases(word, active, rng):
        dots, ct = dots_of(args, active, rng), scalar(rng.normal(size=shape))
        value, tangent = jvp_(*args, *dots)
        y, *residuals = halves.forward(*args)
        pushed = halves.push(*residuals, *dots)
        cts = halves.pull(*residuals, ct)
        np.testing.assert_array_equal(y, value)
        np.testing.assert_allclose(pushed, tangent, rtol=1e-15)
        assert [np.shape(c) for c in cts] == [np.shape(a) for a in chosen(args, active)]
        assert inner(cts, dots) == pytest.approx(inner([ct], [np.broadcast_to(pushed, shape)]), rel=1e-12, abs=1e-14)


@each_pattern
def test_pull_without_reduction_is_the_same_where_nothing_broadcasts(word, active, rng):
    plain, reduced = (linear_step(Pattern(word, active, reduce=r)) for r in (False, True))
    args = oracles.sample(domains(word), rng, (4,))
    ct = rng.normal(size=4)
    found, wanted = (s.pull(*s.forward(*args)[1:], ct) for s in (plain, reduced))
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(np.broadcast_to(a, (4,)), b)


@each_pattern
def test_directions_lead_in_both_sweeps(word, active, rng):
    single, linear = jvp_step(Pattern(word, active)), linear_step(Pattern(word, active, reduce=True))
    for args, shape in broadcast_cases(word, active, rng):
        lift = tuple(len(shape) - np.ndim(a) for a in chosen(args, active))
        pattern = Pattern(word, active, (), lift, True)
        lifted, halves = jvp_step(pattern), linear_step(pattern)
        dots, ct = dots_of(args, active, rng, (N,)), rng.normal(size=(N, *shape))
        wanted = np.stack([np.broadcast_to(single(*args, *(d[n] for d in dots))[1], shape) for n in range(N)])
        value, tangent = lifted(*args, *dots)
        y, *residuals = halves.forward(*args)
        np.testing.assert_array_equal(y, value)
        np.testing.assert_allclose(np.broadcast_to(tangent, (N, *shape)), wanted, rtol=1e-14)
        np.testing.assert_allclose(np.broadcast_to(halves.push(*residuals, *dots), (N, *shape)), wanted, rtol=1e-14)
        parts = [linear.pull(*linear.forward(*args)[1:], scalar(ct[n])) for n in range(N)]
        for found, rows in zip(halves.pull(*residuals, ct), zip(*parts, strict=True), strict=True):
            np.testing.assert_allclose(found, np.stack(rows), rtol=1e-13, atol=1e-15)


@each_jet
def test_derivatives_have_the_precision_of_the_values(word, active, rng):
    args = [a if a.dtype == bool else a.astype(np.float32) for a in oracles.sample(domains(word), rng, (3,))]
    dots = [d.astype(np.float32) for d in dots_of(args, active, rng)]
    halves = linear_step(Pattern(word, active))
    y, *residuals = halves.forward(*args)
    found = [*jvp_step(Pattern(word, active))(*args, *dots), y, halves.push(*residuals, *dots)]
    found += halves.pull(*residuals, y)
    left = iter(dots)
    both = [np.stack([a, next(left)]) if on else a for a, on in zip(args, active, strict=True)]
    found.append(jet_step(Pattern(word, active))(*both))
    assert {np.asarray(f).dtype for f in found} == {np.dtype(np.float32)}


@each(DISCRETE)
def test_the_tangent_of_a_discrete_word_is_zero(word, rng):
    count = len(word.rule.args)
    active = (True,) * count
    args = oracles.sample(["nonzero"] * count, rng, (3,))
    value, tangent = jvp_step(Pattern(word, active))(*args, *args)
    np.testing.assert_array_equal(value, word.ufunc(*args))
    assert np.all(np.asarray(tangent) == 0)


# Structural words: cases are (word, first argument, the others)

X = np.arange(1.0, 25).reshape(2, 3, 4) / 7
I, J = np.array([0, 1, 1]), np.array([2, 0, 2])
MASK = np.array([True, False, True])
INDICES = [
    0, -1, slice(None, None, -1), ..., None, (), (0, 2), (..., 1), (slice(1), 1), (None, 0), (slice(None), None, 1),
    I, [1, 0], np.array([[0, 1], [1, 1]]), X[:, :, 0] > 1, X > 2, (slice(None), MASK), (I, J), (I, slice(None), I),
    (0, slice(None), J), (slice(None), I, J), (slice(None), 1, J), (I, None, J), (I, ..., J), (..., J),
    (0, I), (np.int64(1), slice(None), I[:, None]), (I[:, None], slice(None), J[None, :2]), (1, MASK, 0),
    np.array([], dtype=int), (slice(0), 1),
]  # fmt: skip
AXES = [(None, False), (0, False), (-1, False), ((0, 2), False), ((2, -2), True), (1, True), (None, True), ((), False)]
BROADCASTS = [
    ((3,), (2, 3)), ((), (2, 3)), ((2, 1), (2, 3)), ((2, 3), (2, 3)), ((1, 3), (4, 2, 3)), ((1,), (0,)), ((), ()),
]  # fmt: skip
PRODUCTS = [
    ((2, 3), (3, 4)), ((3,), (3, 4)), ((2, 3), (3,)), ((3,), (3,)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)),
    ((5, 1, 2, 3), (6, 3, 4)), ((5, 2, 3), (3,)), ((3,), (5, 3, 4)), ((1, 2, 3), (5, 3, 4)), ((0, 3), (3, 2)),
]  # fmt: skip


CONTRACTIONS = [
    ("ab", "bc", "ac"), ("abc", "cbd", "da"), ("ab", "ab", ""), ("abc", "ac", "cba"), ("a", "b", "ba"), ("", "a", "a"),
    ("ab", "", "ba"), ("abd", "bcd", "bac"), ("a", "a", "a"), ("a", "a", ""),
]  # fmt: skip


def numbers(*shape):
    return np.random.default_rng(list(shape)).normal(size=shape)


def structural_cases():
    for axis, keepdims in AXES:
        yield "sum", X, (axis, keepdims)
        yield "spread", np.sum(X, axis, keepdims=keepdims), (X.shape, axis, keepdims)
    yield "sum", np.array(2.0), (None, False)
    for shape in [(6, 4), (-1,), (4, -1, 2), (1, 2, 3, 4)]:
        yield "reshape", X, (shape,)
    yield "reshape", X[:1, :1, :1], ((),)
    yield "reshape", np.zeros((0, 3)), ((3, 0),)
    for axes in [None, (2, 0, 1), (-1, 0, 1), (0, 1, 2)]:
        yield "transpose", X, (axes,)
        yield "untranspose", X, (axes,)
    for index in INDICES:
        yield "getitem", X, (index,)
        yield "scatter", np.sqrt(X[index]), (index, X.shape)
        yield "clear", X, (index,)
    for small, large in BROADCASTS:
        yield "broadcast_to", numbers(*small), (large,)
        yield "sum_to", numbers(*large), (small,)
    for axis, norm in ((-1, "backward"), (-2, "forward"), (-3, "ortho")):
        yield "fft", X + 1j * X**2, (axis, norm)
        yield "fft_back", X + 1j * X**2, (axis, norm)
        yield "rfft", X, (axis, norm)
        yield "rfft_back", np.fft.rfft(X, None, axis) * (1 + 2j), (axis, norm, X.shape)
    for axis in (0, 1, -1):
        yield "cumsum", X, (axis,)
        yield "cumsum_back", X, (axis,)
    yield "cumsum", X[0, 0], (None,)
    yield "cumsum_back", X[0, 0], (None,)
    for which in ("real", "imag"):
        yield "part", X * (1 + 2j), (which,)
        yield "part", np.array(1 + 2j), (which,)
        yield "whole", X, (which,)
        yield "whole", np.float64(0.5), (which,)
    yield "astype", X.astype(np.float32), (np.dtype(float),)
    yield "astype_back", X, (np.dtype(float),)
    for left, right in PRODUCTS:
        a, b = numbers(*left), numbers(*right)
        yield "matmul_left", a, (b,)
        yield "matmul_right", b, (a,)
        yield "matmul_left_back", a @ b, (b, left)
        yield "matmul_right_back", a @ b, (a, right)
    for letters, others, out in CONTRACTIONS:
        x, other = (numbers(*("abcd".index(c) + 2 for c in own)) for own in (letters, others))
        yield "contract", x, (other, letters, others, out)
    for n, m in [(5, 3), (3, 3), (1, 1), (4, 1)]:
        yield "convolved", numbers(n), (numbers(m),)
        yield "convolved", numbers(m), (numbers(n),)
        yield "correlated", numbers(n), (numbers(m),)
        yield "correlated_by", numbers(m), (numbers(n),)


SPARSE = Sparse(csr_array(numbers(3, 3) + 3 * np.eye(3)))
I3 = np.eye(3)


def matrix_cases():
    """A stack of matrices and coefficients of the same stack."""
    a, b, w = numbers(2, 3, 3), numbers(2, 3, 3) + 4 * np.eye(3), numbers(2, 3) + np.arange(3.0) * 5 + 2
    for name in ("right_times", "left_times", "left_divide", "inner_with"):
        yield name, a, (b,)
        yield name, a[0], (b[0],)
    for name in ("lower_divide", "upper_divide"):
        yield name, a, (b,)
        yield name, a[0], (b[0],)
    for name in ("sylvester_of", "sylvester_back"):
        yield name, a, (b, b)
        yield name, a[0], (b[0], b[1])
    for name in ("sparse_times", "sparse_times_back", "sparse_solve", "sparse_solve_back"):
        yield name, a[0], (SPARSE,)
        yield name, a[0, 0], (SPARSE,)
    for name in ("over_gaps", "times_gaps", "over_sums", "times_sums", "over_columns", "times_columns"):
        yield name, a, (w,)
    yield "phases_over", a, (w,)
    for name in ("mT", "adjoint", "diagonal_part"):
        yield name, a, ()
    yield "diagonal_matrix", w, ()
    yield "scaled_by", w[:, 0], (b,)
    yield "scaled_by", w[0, 0], (b[0],)


def cleared(x, index):
    x = x.copy()
    x[index] = 0
    return x


def along(x, axis, matrix):
    return np.moveaxis(np.moveaxis(x, axis, -1) @ matrix, -1, axis)


NUMPY = {
    "sum": lambda x, axis, keepdims: np.sum(x, axis, keepdims=keepdims),
    "reshape": np.reshape,
    "transpose": np.transpose,
    "getitem": operator.getitem,
    "clear": cleared,
    "broadcast_to": np.broadcast_to,
    "cumsum": np.cumsum,
    "astype": np.ndarray.astype,
    "fft": lambda x, axis, norm: np.fft.fft(x, None, axis, norm),
    "rfft": lambda x, axis, norm: np.fft.rfft(x, None, axis, norm),
    "fft_back": lambda x, axis, norm: along(x, axis, np.conj(np.fft.fft(np.eye(x.shape[axis]), norm=norm))),
    "rfft_back": lambda x, axis, norm, shape: oracles.adjoint(lambda z: np.fft.rfft(z, None, axis, norm), shape)(x),
    "part": getattr,
    "whole": lambda x, which: x * (1 + 0j if which == "real" else 1j),
    "matmul_left": np.matmul,
    "matmul_right": lambda b, a: np.matmul(a, b),
    "contract": lambda x, other, letters, others, out: np.einsum(f"{letters},{others}->{out}", x, other),
    "convolved": np.convolve,
    "correlated": lambda x, kernel: np.correlate(x, kernel),
    "correlated_by": lambda kernel, x: np.correlate(x, kernel),
    # Words that exist as transposes: the transpose of NumPy's function, by its matrix.
    "spread": lambda x, shape, axis, keepdims: oracles.adjoint(lambda z: np.sum(z, axis, keepdims=keepdims), shape)(x),
    "untranspose": lambda x, axes: np.transpose(x, axes if axes is None else np.argsort(np.arange(3)[list(axes)])),
    "scatter": lambda x, index, shape: oracles.adjoint(lambda z: z[index], shape)(x),
    "sum_to": lambda x, shape: oracles.adjoint(lambda z: np.broadcast_to(z, np.shape(x)), shape)(x),
    "cumsum_back": lambda x, axis: oracles.adjoint(lambda z: np.cumsum(z, axis), x.shape)(x),
    "astype_back": lambda x, dtype: x,
    "matmul_left_back": lambda x, b, shape: oracles.adjoint(lambda a: a @ b, shape)(x),
    "matmul_right_back": lambda x, a, shape: oracles.adjoint(lambda b: a @ b, shape)(x),
}

OFF = 1 - np.eye(3)
NUMPY |= {
    "right_times": np.matmul,
    "left_times": lambda x, a: a @ x,
    "left_divide": lambda x, a: np.linalg.inv(a) @ x,
    "inner_with": lambda x, c: np.einsum("...ij,...ij", x, c),
    "scaled_by": lambda x, c: np.einsum("...,...ij->...ij", x, c),
    "lower_divide": lambda x, a: np.linalg.solve(np.tril(a), x),
    "upper_divide": lambda x, a: np.linalg.solve(np.triu(a), x),
    "sylvester_back": lambda x, a, b: a @ x + x @ b,
    "sylvester_of": lambda x, a, b: np.linalg.solve(
        np.einsum("...ik,jl->...ijkl", a, I3).reshape(*a.shape[:-2], 9, 9)
        + np.einsum("ik,...lj->...ijkl", I3, b).reshape(*a.shape[:-2], 9, 9),
        x.reshape(*x.shape[:-2], 9, 1),
    ).reshape(x.shape),
    "sparse_times": lambda x, a: a.matrix.toarray() @ x,
    "sparse_times_back": lambda x, a: a.matrix.toarray().T @ x,
    "sparse_solve": lambda x, a: np.linalg.solve(a.matrix.toarray(), x),
    "sparse_solve_back": lambda x, a: np.linalg.solve(a.matrix.toarray().T, x),
    "over_gaps": lambda x, w: OFF * x / (w[..., None, :] - w[..., None] + np.eye(3)),
    "times_gaps": lambda x, w: x * (w[..., None, :] - w[..., None]),
    "over_sums": lambda x, w: OFF * x / (w[..., None, :] + w[..., None]),
    "times_sums": lambda x, w: OFF * x * (w[..., None, :] + w[..., None]),
    "over_columns": lambda x, s: x / s[..., None, :],
    "times_columns": lambda x, s: x * s[..., None, :],
    "phases_over": lambda x, s: 0 * x,  # of complex matrices: their diagonals over s
    "mT": lambda x: x.swapaxes(-1, -2),
    "adjoint": lambda x: x.swapaxes(-1, -2),
    "diagonal_part": lambda x: np.einsum("...ii->...i", x),
    "diagonal_matrix": lambda x: np.einsum("...i,ij->...ij", x, np.eye(3)),
}
CASES = [*structural_cases(), *matrix_cases()]
each_case = pytest.mark.parametrize("name, x, rest", CASES, ids=[f"{c[0]}{k}" for k, c in enumerate(CASES)])


def test_every_structural_word_has_a_reference_and_cases():
    plain = {w.name for w in STRUCTURAL if not w.name.endswith("_batched")}
    assert set(NUMPY) == plain == {name for name, _, _ in CASES}


def first_active(word):
    return (True,) + (False,) * (len(word.rule.args) - 1)


@each_case
def test_a_structural_word_is_numpys_and_its_own_tangent(name, x, rest, rng):
    word = WORDS[name]
    dot = random_like(x, rng)
    value, tangent = jvp_step(Pattern(word, first_active(word)))(x, *rest, dot)
    np.testing.assert_allclose(value, NUMPY[name](x, *rest), rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(tangent, NUMPY[name](dot, *rest), rtol=1e-14, atol=1e-14)
    assert np.shape(value) == np.shape(NUMPY[name](x, *rest))


@each_case
def test_the_pull_of_a_structural_word_is_its_adjoint(name, x, rest, rng):
    word = WORDS[name]
    step = linear_step(Pattern(word, first_active(word)))
    y, *residuals = step.forward(x, *rest)
    dot, ct = random_like(x, rng), random_like(y, rng)
    (back,) = step.pull(*residuals, ct)
    assert np.shape(back) == np.shape(x)
    assert inner([back], [dot]) == pytest.approx(inner([ct], [step.push(*residuals, dot)]), rel=1e-11, abs=1e-12)


@each_case
def test_directions_cotangents_and_orders_lead_through_a_structural_word(name, x, rest, rng):
    word = WORDS[name]
    pattern = Pattern(word, first_active(word), (), (0,))
    halves, single = linear_step(pattern), linear_step(Pattern(word, first_active(word)))
    y, *residuals = halves.forward(x, *rest)
    dots, cts = random_like(x, rng, (N,)), random_like(y, rng, (N,))
    wanted = np.stack([NUMPY[name](scalar(d), *rest) for d in dots])
    pushed = [jvp_step(pattern)(x, *rest, dots)[1], halves.push(*residuals, dots)]
    pushed.append(jet_step(Pattern(word, first_active(word)))(dots, *rest))
    for found in pushed:
        assert np.shape(found) == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=1e-13, atol=1e-14)
    (back,) = halves.pull(*residuals, cts)
    rows = [single.pull(*single.forward(x, *rest)[1:], scalar(ct))[0] for ct in cts]
    np.testing.assert_allclose(back, np.stack(rows), rtol=1e-13, atol=1e-14)


each_product = pytest.mark.parametrize("shapes", PRODUCTS, ids=str)
each_choice = pytest.mark.parametrize("active", [(True, False), (False, True), (True, True)], ids=flags)


@each_product
@each_choice
def test_the_product_of_matrices_in_every_mode(shapes, active, rng):
    word, args = WORDS["matmul"], [rng.normal(size=s) for s in shapes]
    dots = dots_of(args, active, rng)
    left = iter(dots)
    zeros = [next(left) if on else np.zeros(np.shape(a)) for a, on in zip(args, active, strict=True)]
    value, tangent = jvp_step(Pattern(word, active))(*args, *dots)
    np.testing.assert_array_equal(value, args[0] @ args[1])
    np.testing.assert_allclose(tangent, zeros[0] @ args[1] + args[0] @ zeros[1], rtol=1e-13, atol=1e-14)

    step = linear_step(Pattern(word, active))
    y, *residuals = step.forward(*args)
    ct = scalar(rng.normal(size=np.shape(y)))
    np.testing.assert_allclose(step.push(*residuals, *dots), tangent, rtol=1e-13, atol=1e-14)
    cts = step.pull(*residuals, ct)
    assert [np.shape(c) for c in cts] == [np.shape(a) for a in chosen(args, active)]
    assert inner(cts, dots) == pytest.approx(inner([ct], [tangent]), rel=1e-11, abs=1e-12)

    lifted = Pattern(word, active, (), (0,) * sum(active))
    many, bars = dots_of(args, active, rng, (N,)), rng.normal(size=(N, *np.shape(y)))
    rows = [jvp_step(Pattern(word, active))(*args, *(m[n] for m in many))[1] for n in range(N)]
    np.testing.assert_allclose(jvp_step(lifted)(*args, *many)[1], np.stack(rows), rtol=1e-13, atol=1e-14)
    halves = linear_step(lifted)
    _, *residuals2 = halves.forward(*args)
    np.testing.assert_allclose(halves.push(*residuals2, *many), np.stack(rows), rtol=1e-13, atol=1e-14)
    parts = [step.pull(*residuals, scalar(bar)) for bar in bars]
    for found, expected in zip(halves.pull(*residuals2, bars), zip(*parts, strict=True), strict=True):
        np.testing.assert_allclose(found, np.stack(expected), rtol=1e-13, atol=1e-14)


@each_product
@each_choice
def test_the_jet_of_a_product_of_matrices_is_the_product_of_the_series(shapes, active, rng):
    args = [rng.normal(size=(4, *s) if on else s) for s, on in zip(shapes, active, strict=True)]
    found = jet_step(Pattern(WORDS["matmul"], active))(*args)
    for k in range(4):
        if all(active):
            wanted = sum(args[0][j] @ args[1][k - j] for j in range(k + 1))
        else:
            wanted = np.matmul(*(a[k] if on else a for a, on in zip(args, active, strict=True)))
        np.testing.assert_allclose(found[k], wanted, rtol=1e-12, atol=1e-13)


# Singular points: partial derivatives by each argument; a dash is an exponent baked in as a literal

INF, NAN = math.inf, math.nan
EDGES = [
    ("absolute", (0.0,), (0.0,)),
    ("absolute", (-0.0,), (0.0,)),
    ("absolute", (-INF,), (-1.0,)),
    ("sqrt", (0.0,), (INF,)),
    ("log", (0.0,), (INF,)),
    ("log1p", (-1.0,), (INF,)),
    ("reciprocal", (0.0,), (-INF,)),
    ("arcsin", (1.0,), (INF,)),
    ("arccos", (1.0,), (-INF,)),
    ("tanh", (INF,), (0.0,)),
    ("arctan", (-INF,), (0.0,)),
    ("erf", (INF,), (0.0,)),
    ("exp", (-INF,), (0.0,)),
    ("expm1", (-INF,), (0.0,)),
    ("arctan2", (0.0, 0.0), (NAN, NAN)),
    ("hypot", (0.0, 0.0), (0.0, 0.0)),
    ("arctan2", (0.0, -1.0), (-1.0, 0.0)),
    ("maximum", (1.0, 1.0), (0.5, 0.5)),
    ("maximum", (0.0, -0.0), (0.5, 0.5)),
    ("maximum", (-INF, 3.0), (0.0, 1.0)),
    ("maximum", (INF, INF), (0.5, 0.5)),
    ("minimum", (1.0, 1.0), (0.5, 0.5)),
    ("minimum", (-INF, 3.0), (1.0, 0.0)),
    ("div", (1.0, 0.0), (INF, -INF)),
    ("div", (0.0, 0.0), (INF, NAN)),
    ("cbrt", (0.0,), (INF,)),
    ("cbrt", (-8.0,), (1 / 12,)),
    ("log2", (0.0,), (INF,)),
    ("log10", (0.0,), (INF,)),
    ("exp2", (-INF,), (0.0,)),
    ("arcsinh", (INF,), (0.0,)),
    ("arcsinh", (-1e200,), (1e-200,)),
    ("arccosh", (1.0,), (INF,)),
    ("arccosh", (0.5,), (NAN,)),
    ("arccosh", (-2.0,), (NAN,)),
    ("arctanh", (-1.0,), (INF,)),
    ("logaddexp", (-INF, -INF), (0.5, 0.5)),
    ("logaddexp", (INF, INF), (0.5, 0.5)),
    ("logaddexp", (INF, 1.0), (1.0, 0.0)),
    ("logaddexp", (1.0, -INF), (1.0, 0.0)),
    ("logaddexp", (1e8, 1e8), (0.5, 0.5)),
    ("logaddexp", (-800.0, 0.0), (0.0, 1.0)),
    ("logaddexp2", (-INF, -INF), (0.5, 0.5)),
    ("logaddexp2", (-INF, 2.0), (0.0, 1.0)),
    ("fmax", (1.0, 1.0), (0.5, 0.5)),
    ("fmax", (NAN, 1.0), (0.0, 1.0)),
    ("fmin", (2.0, NAN), (1.0, 0.0)),
    ("fmod", (-5.5, 2.0), (1.0, 2.0)),
    ("fmod", (6.0, 0.1), (1.0, -59.0)),
    ("mod", (6.0, 0.1), (1.0, -59.0)),
    ("fraction", (3.0,), (1.0,)),
    ("mod", (5.5, 2.0), (1.0, -2.0)),
    ("mod", (-5.5, 2.0), (1.0, 3.0)),
    ("mod", (4.0, 2.0), (1.0, -2.0)),
    ("power", (0.0, 0.0), (0.0, 0.0)),
    ("power", (0.0, 1.0), (1.0, 0.0)),
    ("power", (0.0, 2.0), (0.0, 0.0)),
    ("power", (0.0, 0.5), (INF, 0.0)),
    ("power", (0.0, -1.0), (-INF, -INF)),
    ("power", (-2.0, 3.0), (12.0, NAN)),
    ("power", (-2.0, -1.0), (-0.25, NAN)),
    ("power", (-2.0, 0.0), (0.0, NAN)),
    ("power", (-2.0, 0.5), (NAN, NAN)),
]
LITERAL_EDGES = [
    (0.0, 0, 0.0), (0.0, 0.0, 0.0), (0.0, 1, 1.0), (0.0, 1.0, 1.0), (0.0, 2, 0.0), (0.0, 2.0, 0.0), (0.0, 3, 0.0),
    (0.0, 0.5, INF), (0.0, 1.5, 0.0), (0.0, -1, -INF), (-2.0, 3, 12.0), (-2.0, 3.0, 12.0), (-2.0, 2, -4.0),
    (-2.0, 0, 0.0), (-2.0, -1, -0.25), (-2.0, 0.5, NAN), (INF, 0, 0.0),
]  # fmt: skip
ONE = np.float64(1.0)


def partials(word, args, active, literals=()):
    """The derivative by the one active argument: by jvp, push, pull and the jet of order 1."""
    pattern = Pattern(word, active, literals)
    series = [np.stack([a, np.ones_like(a)]) if on else a for a, on in zip(args, active, strict=False)]
    halves = linear_step(pattern)
    _, *residuals = halves.forward(*args)
    tangent = jvp_step(pattern)(*args, ONE)[1]
    return [tangent, halves.push(*residuals, ONE), halves.pull(*residuals, ONE)[0], jet_step(pattern)(*series)[1]]


@pytest.mark.parametrize("name, args, wanted", EDGES, ids=[f"{n}{a}" for n, a, _ in EDGES])
def test_singular_points_have_the_derivatives_that_the_conventions_name(name, args, wanted):
    word, values = WORDS[name], [np.float64(a) for a in args]
    arrays_ = [np.array([a, 0.5 + k]) for k, a in enumerate(args)]  # beside a regular entry
    with np.errstate(all="ignore"):
        for k, derivative in enumerate(wanted):
            active = tuple(i == k for i in range(len(args)))
            for found in partials(word, values, active):
                np.testing.assert_array_equal(found, derivative)
            for found in partials(word, arrays_, active):
                np.testing.assert_array_equal(np.broadcast_to(found, (2,))[0], derivative)
        together = linear_step(Pattern(word, (True,) * len(args)))
        np.testing.assert_array_equal(together.pull(*together.forward(*values)[1:], ONE), wanted)


@pytest.mark.parametrize("base, exponent, wanted", LITERAL_EDGES)
def test_powers_with_a_literal_exponent_at_singular_points(base, exponent, wanted):
    with np.errstate(all="ignore"):
        for x in (np.float64(base), np.array([base, 1.5])):
            for found in partials(WORDS["power"], [x], (True, False), (None, exponent)):
                np.testing.assert_array_equal(np.broadcast_to(found, np.shape(x)).flat[0], wanted)


HARD = [0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, INF, -INF, NAN]


@each_of([(w, a) for w, a in JETS if sum(a) == 1])  # a numeric zero beside would multiply as IEEE says
def test_jvp_vjp_and_jet_agree_at_every_point_also_in_what_is_nan(word, active):
    few = {"truth": [True, False], "order": [1.0, 2.0], "index": [1.0]}
    grids = [np.array(few.get(d, HARD)) for d in domains(word)]
    points = [np.ravel(g) for g in np.meshgrid(*grids, indexing="ij")]
    points = [p[0] if d == "index" else p for p, d in zip(points, domains(word), strict=True)]
    whole = linear_step(Pattern(word, smooth(word)))
    with np.errstate(all="ignore"):
        tangent, *others = partials(word, points, active)
        for found in others:
            np.testing.assert_array_equal(*np.broadcast_arrays(found, tangent))
        cts = whole.pull(*whole.forward(*points)[1:], ONE)
        k = [i for i, on in enumerate(smooth(word)) if on].index(active.index(True))
        np.testing.assert_array_equal(*np.broadcast_arrays(cts[k], tangent))


def test_what_where_does_not_select_is_a_structural_zero():
    word, active = WORDS["where"], (False, True, True)
    c, x, bad = np.array([True, False]), np.array([1.0, 2.0]), np.array([NAN, INF])
    halves = linear_step(Pattern(word, active))
    y, *residuals = halves.forward(c, x, x)
    dots = np.where(c, x, bad), np.where(c, bad, x)
    np.testing.assert_array_equal(halves.push(*residuals, *dots), x)
    np.testing.assert_array_equal(jvp_step(Pattern(word, active))(c, x, x, *dots)[1], x)
    np.testing.assert_array_equal(halves.pull(*residuals, bad), [[NAN, 0], [0, INF]])
    series = [np.stack([x, d]) for d in dots]
    np.testing.assert_array_equal(jet_step(Pattern(word, active))(c, *series), [x, x])


# Texts: the words that are printed compute what NumPy computes, in Python and in numba

LOGIC = {"and_", "or_", "not_"}
WHOLE = {"intpower", "length", "bit_or", "bit_xor", "bit_and", "shift_left", "shift_right", "flip_bits"}
POLES = {"shape", "cast", "gamma", "gammaln"}  # Python's gamma raises at its poles
STATEMENTS = {"checked", "fail", "flush", "restore"}  # that raise, or set the processor's mode: see `test_subnormals`
PRINTED = [w for w in ROWS if w.elementwise and w.compiled and w.name not in POLES | STATEMENTS]


def types_of(word):
    """The scalar types that a word takes in a kernel."""
    if word.name in LOGIC | WHOLE:
        return [BOOL if word.name in LOGIC else INT] * len(word.rule.args)
    return [BOOL if d == "truth" else FLOAT for d in domains(word)]


def one_program(words):
    """One program whose results are one application of each word, and of each cast."""
    params = {t: [Var(f"{t.dtype[0]}{k}", t) for k in range(3)] for t in (FLOAT, INT, BOOL)}
    b = Builder()
    results = []
    for word in words:
        taken = {t: iter(params[t]) for t in params}
        results.append(b.emit(word, *(next(taken[t]) for t in types_of(word))))
    results += [b.cast(params[FLOAT][0], dtype=d) for d in ("float64", "float32", "int64", "int32")]
    results += [b.cast(params[INT][0], dtype=d) for d in ("float64", "float32", "bool")]
    return check(Program("f", [v for vs in params.values() for v in vs], b.block, results))


@pytest.fixture(scope="module")
def printed():
    """All words in one function: in Python, compiled (once), and as a program."""
    program = one_program(PRINTED)
    slots = ["{}"] * len(program.results)
    parts = [f"({', '.join(slots[k : k + 20])},)" for k in range(0, len(slots), 20)]  # numba dislikes long tuples
    names = {"np": np, "math": math}
    exec(to_source(program, returns=f"return {', '.join(parts)}"), names)
    return names["f"], njit(error_model="numpy")(names["f"]), program


FLOATS = [(0.3, 0.8, 0.6), (0.8, 0.3, 0.6), (-0.4, 0.7, 0.2), (0.5, -0.5, 0.1), (-0.6, -0.9, 0.3)]
HARDER = [(0.0, 0.0, 0.0), (-0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (-2.0, 3.0, 1.0), (-2.0, 0.5, 1.0), (2.5, -1.0, 1.0)]


@pytest.mark.kernel
@pytest.mark.parametrize("floats", FLOATS + HARDER, ids=str)
@pytest.mark.parametrize("truths", [(True, False, False), (False, True, True)], ids=flags)
def test_every_scalar_word_means_the_same_in_numba_and_in_numpy(printed, floats, truths):
    python, compiled, _ = printed
    with np.errstate(all="ignore"):
        wanted = python(*map(np.float64, floats), 3, 2, 1, *truths)
    found = compiled(*floats, 3, 2, 1, *truths)
    flat = itertools.chain.from_iterable
    for word, a, b in itertools.zip_longest(PRINTED, flat(found), flat(wanted)):
        np.testing.assert_allclose(a, b, rtol=1e-14, atol=1e-300, err_msg=str(word))


@pytest.mark.kernel
def test_the_gamma_function_of_a_kernel_is_maths_and_its_derivative_is_scipys():
    @njit
    def f(x):
        return math.gamma(x) + math.lgamma(x) + math.erfc(x)

    from scipy import special

    for order in (1, 2, 3):
        wanted = dg.derivative(lambda x: special.gamma(x) + special.gammaln(x) + special.erfc(x), order)(1.5)
        assert dg.derivative(f, order)(1.5) == pytest.approx(wanted, rel=1e-13)
    assert dg.grad(f)(1.5) == pytest.approx(dg.derivative(f)(1.5), rel=1e-14)

    @njit
    def g(x, y):
        return math.gamma(y) * math.erfc(x)

    assert dg.grad(g)(0.5, 2.5) == pytest.approx(-2 / math.sqrt(math.pi) * math.exp(-0.25) * math.gamma(2.5), rel=1e-15)


@pytest.mark.kernel
def test_the_types_that_words_infer_are_those_of_numba(printed):
    compiled, program = printed[1:]
    compiled(0.5, 0.5, 0.5, 3, 2, 1, True, True, True)
    found = [as_dtype(t).name for part in compiled.nopython_signatures[-1].return_type for t in part]
    assert found == [a.type.dtype for a in program.results]


@each([w for w in ROWS if w.elementwise and isinstance(w.ufunc, np.ufunc)])
def test_the_text_of_a_word_is_its_ufunc(word, rng):
    args = oracles.sample(domains(word), rng, (50,))
    value = jvp_step(Pattern(word, (True,) * len(args)))(*args, *args)[0]
    np.testing.assert_array_equal(value, word.ufunc(*args))


@each([w for w in SMOOTH if w.name not in ("cast", "move")])
def test_values_are_those_of_the_oracle(word, rng):
    args = oracles.sample(domains(word), rng, (5,))
    active = patterns(word)[-1]
    value = linear_step(Pattern(word, active)).forward(*args)[0]
    wanted = oracles.series(word.name, [a[None] if on else a for a, on in zip(args, active, strict=True)], active)
    np.testing.assert_allclose(value, wanted[0], rtol=1e-12 if word.name in oracles.SPECIAL else 1e-14, atol=1e-16)
