"""Programs: what is checked, printed and tidied, and what the transforms make of a few small ones."""

import math
import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dualgrad.rules  # noqa: F401  (importing enters the rows)
from dualgrad.core.build import Builder
from dualgrad.core.check import check
from dualgrad.core.errors import ProgramError
from dualgrad.core.printer import literal, to_source
from dualgrad.core.program import FLOAT, INT, Carry, Const, For, If, Join, Let, Program, Store, Type, Var, While, const
from dualgrad.core.words import WORDS
from dualgrad.transforms.jet import jet
from dualgrad.transforms.jvp import jvp
from dualgrad.transforms.linearize import linearize
from dualgrad.transforms.ssa import ssa
from dualgrad.transforms.tidy import tidy
from dualgrad.transforms.transpose import transpose, transposed

INF, NAN = math.inf, math.nan
VECTOR = Type("float64", 1)
ZERO, ONE = const(0), const(1)


def function(program):
    """The program as a Python function."""
    names = {"np": np, "math": math}
    exec(to_source(program), names)
    return names[program.name]


# A few programs, each with a loop, a branch or memory


def horner():
    """``c[0] + c[1]*x + …`` from the last coefficient down."""
    c, x = Var("c", VECTOR), Var("x", FLOAT)
    k, y, out = Var("k", INT), Var("y", FLOAT), Var("y", FLOAT)
    b, body = Builder(), Builder()
    n = b.shape(c, axis=0)
    value = body.add(body.mul(y, x), body.load(c, k))
    b.block.append(For(k, ZERO, n, ONE, body.block, [Carry(y, const(0.0), value, out)], reverse=True))
    return Program("horner", [c, x], b.block, [out])


def newton():
    """The square root of ``a``, by iteration."""
    a, x, out = Var("a", FLOAT), Var("x", FLOAT), Var("x", FLOAT)
    cond, body = Builder(), Builder()
    test = cond.gt(cond.absolute(cond.sub(cond.mul(x, x), a)), 1e-12)
    following = body.mul(0.5, body.add(x, body.div(a, x)))
    return Program("newton", [a], [While(cond.block, test, body.block, [Carry(x, a, following, out)])], [out])


def softened():
    """``x**2/2`` near zero, ``|x| - 1/2`` elsewhere, times ``exp(-y)``."""
    x, y, joined = Var("x", FLOAT), Var("y", FLOAT), Var("z", FLOAT)
    b, then, orelse = Builder(), Builder(), Builder()
    size = b.absolute(x)
    small, large = then.mul(0.5, then.power(x, 2)), orelse.sub(size, 0.5)
    b.block.append(If(b.lt(size, 1.0), then.block, orelse.block, [Join(joined, small, large)]))
    return Program("softened", [x, y], b.block, [b.mul(joined, b.exp(b.neg(y)))])


def running_product():
    """A buffer of the products of the first entries, written in place."""
    x, k = Var("x", VECTOR), Var("k", INT)
    b, body = Builder(), Builder()
    n = b.shape(x, axis=0)
    out = b.copy(x, name="out")
    body.store(out, (k,), body.mul(body.load(out, body.sub(k, 1)), body.load(x, k)))
    b.block.append(For(k, ONE, n, ONE, body.block))
    return Program("running_product", [x], b.block, [out])


def forgotten():
    """An entry that is overwritten with a constant, then read."""
    x = Var("x", VECTOR)
    b = Builder()
    out = b.copy(x, name="out")
    first = b.load(out, ZERO)
    b.store(out, (ZERO,), 2.0)
    b.store(out, (ONE,), b.mul(b.load(out, ZERO), b.mul(first, first)), accumulate=True)
    return Program("forgotten", [x], b.block, [out])


PROGRAMS = [
    (horner, (np.array([0.5, -2.0, 1.5, 0.7]), 0.9)), (newton, (2.3,)), (softened, (0.6, 0.4)), (softened, (-1.6, 0.4)),
    (running_product, (np.array([0.5, -2.0, 1.5]),)), (forgotten, (np.array([0.5, -2.0, 1.5]),)),
]  # fmt: skip
each_program = pytest.mark.parametrize("make, args", PROGRAMS, ids=[f"{m.__name__}{len(a)}" for m, a in PROGRAMS])


# Literals

LITERALS = [
    (0.1, "float64"), (-2.5, "float64"), (-0.0, "float64"), (5e-324, "float64"), (1e308, "float64"), (INF, "float64"),
    (-INF, "float64"), (NAN, "float64"), (0.1, "float32"), (-0.0, "float32"), (NAN, "float32"), (-INF, "float32"),
    (3, "int64"), (-3, "int64"), (-7, "int32"), (2**63 + 1, "uint64"), (True, "bool"), (False, "bool"),
    (1.5 - 2j, "complex128"), (2j, "complex64"),
]  # fmt: skip


@pytest.mark.parametrize("value, dtype", LITERALS)
def test_a_literal_prints_as_source_of_its_value_and_type(value, dtype):
    found = eval(literal(Const(value, Type(dtype))).source, {"np": np})
    wanted = np.dtype(dtype).type(value)
    assert np.asarray(found).dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)
    assert np.signbit(np.real(found)) == np.signbit(np.real(wanted))


# Brackets: printed expressions mean what they were built from

MEANING = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv, "neg": operator.neg,
    "power": operator.pow, "mod": operator.mod, "floordiv": operator.floordiv, "maximum": np.maximum,
    "absolute": abs, "sqrt": np.sqrt, "where": lambda c, a, b: a if c else b, "lt": operator.lt, "ge": operator.ge,
    "eq": operator.eq, "and_": lambda a, b: a and b, "or_": lambda a, b: a or b, "not_": operator.not_,
    "reciprocal": lambda a: 1.0 / a,
}  # fmt: skip
NAMES = "abc"
VALUES = [np.float64(v) for v in (0.7, -1.3, 2.9)]


def trees():
    """Expressions as nested tuples (word, *operands): a variable's name, a literal, or an expression.

    Each has a variable among its operands, so that Python computes with NumPy's numbers throughout.
    """
    literals = st.sampled_from([2.0, 0.5, -3.0, 1.0, 2, -1])
    numbers = st.deferred(lambda: st.one_of(st.sampled_from(NAMES), st.sampled_from(NAMES), arithmetic, chosen))
    any_ = st.one_of(numbers, literals)
    two = st.sampled_from(["add", "sub", "mul", "div", "mod", "floordiv", "maximum"])
    arithmetic = st.one_of(
        st.tuples(two, numbers, any_),
        st.tuples(two, st.sampled_from([2.0, -3.0]), numbers),
        st.tuples(st.sampled_from(["neg", "absolute", "sqrt"]), numbers),
        st.tuples(st.just("power"), numbers, any_),
        st.tuples(st.just("power"), st.just(2.0), numbers),
    )
    comparison = st.tuples(st.sampled_from(["lt", "ge", "eq"]), numbers, any_)
    truths = st.recursive(
        comparison,
        lambda t: st.one_of(st.tuples(st.sampled_from(["and_", "or_"]), t, t), st.tuples(st.just("not_"), t)),
        max_leaves=4,
    )
    chosen = st.tuples(st.just("where"), truths, numbers, any_)
    return numbers


def meaning(tree):
    """The value of an expression, by its operators."""
    if type(tree) is tuple:
        return MEANING[tree[0]](*map(meaning, tree[1:]))
    return VALUES[NAMES.index(tree)] if type(tree) is str else tree


def program_of(tree):
    """The expression as a program."""
    params = [Var(n, FLOAT) for n in NAMES]
    b = Builder()

    def write(tree):
        if type(tree) is tuple:
            return getattr(b, tree[0])(*map(write, tree[1:]))
        return params[NAMES.index(tree)] if type(tree) is str else tree

    return Program("f", params, b.block, [write(tree)])


def assert_prints_right(tree):
    program = program_of(tree)
    with np.errstate(all="ignore"):
        wanted = meaning(tree)
        for version in (program, tidy(ssa(program))):
            np.testing.assert_array_equal(function(check(version))(*VALUES), wanted, err_msg=to_source(version))


@given(trees())
def test_a_printed_expression_means_what_it_was_built_from(tree):
    assert_prints_right(tree)


LT, GE = ("lt", "a", "b"), ("ge", "b", "c")
BRACKETED = [
    ("mul", "a", ("add", "b", "c")), ("sub", "a", ("sub", "b", "c")), ("div", "a", ("mul", "b", "c")),
    ("div", ("div", "a", "b"), ("div", "b", "c")), ("mod", "a", ("mul", "b", "c")), ("neg", ("add", "a", "b")),
    ("neg", ("neg", "a")), ("neg", ("power", "c", 2)), ("power", ("neg", "a"), 2), ("power", "a", ("neg", "b")),
    ("power", ("power", "c", "a"), "b"), ("power", "c", ("power", "a", "b")), ("power", -3.0, ("power", "c", 2)),
    ("sub", "a", ("neg", "b")), ("mul", ("neg", "a"), ("neg", "b")), ("sub", "a", -3.0), ("power", "a", -1),
    ("add", ("where", LT, "a", "b"), "c"), ("where", ("where", LT, GE, ("not_", GE)), "a", "b"),
    ("where", LT, ("where", GE, "a", "b"), ("where", GE, "b", "c")), ("not_", ("and_", LT, GE)),
    ("and_", ("or_", LT, GE), ("not_", LT)), ("and_", ("not_", LT), GE), ("eq", ("not_", LT), ("not_", GE)),
    ("lt", ("where", LT, "a", "b"), "c"), ("absolute", ("sub", "a", "c")), ("sqrt", ("where", LT, "a", "c")),
    ("reciprocal", ("add", "a", "b")), ("mul", "a", ("reciprocal", "b")), ("div", "a", ("reciprocal", "b")),
    ("power", ("reciprocal", "c"), 2),
]  # fmt: skip


@pytest.mark.parametrize("tree", BRACKETED, ids=str)
def test_operators_are_bracketed_where_python_binds_them_otherwise(tree):
    assert_prints_right(tree)


@pytest.mark.parametrize("tree", [("reciprocal", ("mul", "a", "b")), ("reciprocal", ("reciprocal", "a"))], ids=str)
def test_a_reciprocal_brackets_the_product_that_it_divides_by(tree):
    assert_prints_right(tree)


@pytest.mark.parametrize("tree", [("eq", LT, GE), ("lt", LT, "c")], ids=str)
def test_comparisons_of_comparisons_are_not_chained(tree):
    assert_prints_right(tree)


@pytest.mark.parametrize("name, rest", [("getitem", "index"), ("astype", "dtype"), ("move", None)])
def test_an_expression_is_bracketed_before_an_index_or_a_method(name, rest):
    vector, b = Type("float64", 1), Builder()
    x, y, z = Var("x", vector), Var("y", vector), Var("z", vector)
    given_ = {"index": slice(0, 2), "dtype": np.float32}.get(rest)
    extra = [] if rest is None else [Var(rest, INT)]
    result = b.mul(z, b.emit(WORDS[name], b.add(x, y), *extra))
    f = function(check(Program("f", [x, y, z, *extra], b.block, [result])))
    a = np.array([0.1, 0.2])
    found = f(a, 3 * a, 5 * a, *([] if rest is None else [given_]))
    np.testing.assert_allclose(found, 5 * a * (4 * a), rtol=1e-6)


# The checker


def test_the_checker_returns_the_program_it_was_given():
    program = horner()
    assert check(program) is program


X, Y, WHOLE = Var("x", FLOAT), Var("y", FLOAT), Var("n", INT)
ARRAY = Var("a", VECTOR)
ADD = Let(Y, WORDS["add"], (X, X))


def loop(start=ZERO, carry=()):
    return For(Var("i", INT), start, WHOLE, ONE, [], list(carry))


C, D, WHOLE_SUM = Var("c", FLOAT), Var("d", FLOAT), Var("c", INT)
BROKEN = [
    ("is bound twice", [ADD, ADD]),
    ("is bound twice", [If(const(True), [ADD], [ADD])]),
    ("should be float64", [Let(WHOLE_SUM, WORDS["add"], (X, X))]),
    ("cannot be stored", [Store(ARRAY, (WHOLE,), WHOLE)]),
    ("cannot be stored", [Store(ARRAY, (WHOLE, WHOLE), X)]),
    ("types differ", [loop(carry=[Carry(C, WHOLE, C, D)])]),
    ("types differ", [loop(carry=[Carry(C, X, WHOLE, D)])]),
    ("types differ", [loop(carry=[Carry(C, X, C, Var("d", INT))])]),
    ("types differ", [If(const(True), [], [], [Join(D, X, WHOLE)])]),
]
PLACES = {
    "a loop's bound": [loop(start=Y)],
    "a let": [Let(D, WORDS["neg"], (Y,))],
    "a store": [Store(ARRAY, (Y,), X)],
    "a carry's next value": [loop(carry=[Carry(Var("c", FLOAT), X, Y, Var("d", FLOAT))])],
    "a test": [If(Var("t", FLOAT), [], [])],
    "a value bound in one branch": [If(const(True), [ADD], []), Let(Var("z", FLOAT), WORDS["neg"], (Y,))],
    "a value bound in a loop": [For(Var("i", INT), ZERO, WHOLE, ONE, [ADD]), Let(Var("z", FLOAT), WORDS["neg"], (Y,))],
    "a join from the other branch": [If(const(True), [ADD], [], [Join(Var("j", FLOAT), X, Y)])],
    "the test of a while": [While([], Y, [])],
}


@pytest.mark.parametrize("message, body", BROKEN, ids=[f"{m}-{k}" for k, (m, _) in enumerate(BROKEN)])
def test_the_checker_says_which_rule_a_program_breaks(message, body):
    with pytest.raises(ProgramError, match=message):
        check(Program("f", [ARRAY, WHOLE, X], body, []))


@pytest.mark.parametrize("place", PLACES)
def test_the_checker_finds_what_is_read_outside_its_block(place):
    with pytest.raises(ProgramError, match="is read where it is not bound"):
        check(Program("f", [ARRAY, WHOLE, X], PLACES[place], []))


def test_the_checker_looks_at_the_results():
    with pytest.raises(ProgramError, match="in the results"):
        check(Program("f", [X], [], [Y]))


# Transforms: program -> program


def derived(make):
    """Everything the transforms make of a program."""
    program = make()
    active = tuple(v.type.differentiable for v in program.params)
    split = linearize(program, active)
    yield from (jvp(program, active), jvp(program, active, 3), split.forward(), split.linear(), jet(program, active))
    if not any(v.type.rank for v in program.params):
        yield transpose(split.linear())


@each_program
def test_every_transform_of_a_legal_program_is_legal(make, args):
    check(make())
    for program in derived(make):
        check(program)


@each_program
def test_tidy_keeps_the_meaning_and_done_twice_is_tidy_done_once(make, args):
    once = check(tidy(make()))
    assert str(tidy(once)) == str(once)
    np.testing.assert_array_equal(function(once)(*args), function(make())(*args))
    for program in derived(make):
        small = check(tidy(ssa(program)))
        assert str(tidy(ssa(small))) == str(small)


@each_program
def test_the_jvp_is_the_derivative_and_push_of_the_linear_program_the_same(make, args):
    program = make()
    f, active = function(program), tuple(v.type.differentiable for v in program.params)
    dots = [np.cos(np.arange(np.size(a)) + k).reshape(np.shape(a))[()] for k, a in enumerate(args)]
    value, tangent = function(jvp(program, active))(*args, *dots)
    h = 1e-6
    ahead, behind = (f(*(a + s * h * d for a, d in zip(args, dots, strict=True))) for s in (1, -1))
    np.testing.assert_array_equal(value, f(*args))
    np.testing.assert_allclose(tangent, (ahead - behind) / (2 * h), rtol=1e-7, atol=1e-9)
    split = linearize(program, active)
    found = function(split.forward())(*args)
    y, residuals = (found[0], found[1:]) if split.residuals else (found, ())
    np.testing.assert_array_equal(y, value)
    np.testing.assert_allclose(function(split.linear())(*residuals, *dots), tangent, rtol=1e-14)
    coefficients = [np.stack([a, d, 0 * d], axis=-1) for a, d in zip(args, dots, strict=True)]
    series = function(jet(program, active))(*args, *coefficients)
    np.testing.assert_allclose(series[..., 0], value, rtol=1e-14)
    np.testing.assert_allclose(series[..., 1], tangent, rtol=1e-13)


def gradients_at(make, args, ct):
    """Forward sweep and transpose in one program: the cotangent of each argument."""
    program = make()
    split = linearize(program, (True,) * len(args))
    linear = Program("linear", [*split.residuals, *split.linear_params], split.tangent, split.tangents, len(args))
    back, cts, bars = transposed(linear, dict(zip(split.linear_params, split.sources, strict=True)))
    reverse = check(tidy(ssa(Program("reverse", [*split.program.params, *cts], split.primal + back, bars))))
    found = function(reverse)(*args, ct)
    return found if len(args) > 1 else (found,)


@each_program
def test_the_reverse_sweep_is_the_adjoint_of_the_jvp(make, args):
    program = make()
    dots = [np.cos(np.arange(np.size(a)) + k).reshape(np.shape(a))[()] for k, a in enumerate(args)]
    before = [np.copy(a) for a in args]
    _, tangent = function(jvp(program, (True,) * len(args)))(*args, *dots)
    ct = np.sin(np.arange(np.size(tangent)) + 1).reshape(np.shape(tangent))[()]
    kept = np.copy(ct)
    bars = gradients_at(make, args, ct)
    assert sum(np.sum(a * b) for a, b in zip(bars, dots, strict=True)) == pytest.approx(
        np.sum(kept * tangent), rel=1e-12
    )
    for a, b in zip([*args, ct], [*before, kept], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("make, args", [p for p in PROGRAMS if not any(map(np.ndim, p[1]))])
def test_the_transpose_is_the_adjoint_and_transposed_twice_a_program_is_itself(make, args):
    program = make()
    split = linearize(program, (True,) * len(args))
    _, *residuals = function(split.forward())(*args)
    linear = split.linear()
    back = transpose(linear)
    again = check(transpose(back))
    assert (linear.linear, back.linear, again.linear) == (len(args), 1, len(args))
    dots, ct = [0.7, -1.1][: len(args)], 1.9
    pushed = function(linear)(*residuals, *dots)
    cts = np.atleast_1d(function(back)(*residuals, ct))
    assert np.dot(cts, dots) == pytest.approx(ct * pushed, rel=1e-13)
    assert function(again)(*residuals, *dots) == pytest.approx(pushed, rel=1e-13)


def weighted():
    """``a -> w[1]*a[0] + w[2]*a[1] + …``, and the running sums on the way: linear in the array ``a``."""
    w, a, k = Var("w", VECTOR), Var("a_dot", VECTOR), Var("k", INT)
    b, body = Builder(), Builder()
    n = b.sub(b.shape(w, axis=0), 1)
    total, out = Var("t_dot", FLOAT), Var("t_dot", FLOAT)
    following = body.add(total, body.mul(body.load(w, body.add(k, 1)), body.load(a, k)))
    b.block.append(For(k, ZERO, n, ONE, body.block, [Carry(total, const(0.0), following, out)]))
    return Program("weighted_linear", [w, a], b.block, [out], 1)


def test_the_transpose_of_a_loop_over_an_array_scatters_and_twice_transposed_it_sums_again():
    linear = check(weighted())
    back = check(transpose(linear, {linear.params[1]: linear.params[0]}))
    again = check(transpose(back))
    w, a = np.array([0.3, 2.0, -1.0, 0.5]), np.array([1.0, 10.0, 100.0, 1000.0])
    np.testing.assert_array_equal(function(linear)(w, a), 2 - 10 + 50)
    np.testing.assert_array_equal(function(back)(w, 2.0), [4.0, -2.0, 1.0, 0.0])
    np.testing.assert_array_equal(function(again)(w, a), 2 - 10 + 50)


@pytest.mark.parametrize(("start", "stop", "step", "turns"), [(2, 3, 1, 1), (4, 1, -3, 1), (0, 2, 1, 2), (1, 1, 1, 0)])
def test_a_loop_of_one_turn_is_its_body(start, stop, step, turns):
    x, k, y, z, out, last = (Var(n, t) for n, t in zip("xkyzol", (FLOAT, INT, *[FLOAT] * 4), strict=True))
    body = Builder()
    carries = [Carry(y, x, z, out), Carry(z, const(3.0), body.mul(body.add(y, k), z), last)]
    b = Builder()
    b.block.append(For(k, const(start), const(stop), const(step), body.block, carries))
    program = Program("turns", [x], b.block, [out, last])
    found = check(ssa(program))
    assert function(found)(0.5) == function(program)(0.5)
    assert any(isinstance(s, For) for s in found.body) is (turns != 1)


GOLDEN = [
    (
        lambda: str(horner()),
        """
def horner(c: float64[:], x: float64):
    t = c.shape[0]
    y = 0.0
    for k in range(t - 1, -1, -1):
        t1 = y * x
        t2 = c[k]
        t3 = t1 + t2
        y = t3
    return y
""",
    ),
    (
        lambda: to_source(jvp(softened(), (True, False))),
        """
def softened_jvp(x, y, x_dot):
    t = abs(x)
    t1 = np.sign(x) * x_dot
    if t < 1.0:
        z = 0.5 * x ** 2
        z_dot = 0.5 * (2.0 * x * x_dot)
    else:
        z = t - 0.5
        z_dot = t1
    t2 = np.exp(-y)
    return z * t2, z_dot * t2
""",
    ),
    (
        lambda: str(transpose(linearize(softened(), (True, True)).linear())),
        """
def softened_transpose(x: float64, t: bool, t1: float64, z: float64, /, t_bar: float64):
    t2 = np.sign(x)
    t3 = z * t_bar
    t4 = t_bar * t1
    t5 = t1 * t3
    t6 = -t5
    if t:
        t7 = 2.0 * x
        t8 = 0.5 * t4
        t9 = t7 * t8
        x_bar = t9
        t_bar1 = 0.0
    else:
        x_bar = 0.0
        t_bar1 = t4
    t10 = t2 * t_bar1
    t11 = x_bar + t10
    return t11, t6
""",
    ),
]


@pytest.mark.parametrize("text, golden", GOLDEN, ids=["a loop with types", "a jvp as Python", "a transpose"])
def test_programs_print_as_they_always_did(text, golden):
    assert text() == golden.lstrip()
