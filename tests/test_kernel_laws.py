"""The laws of differentiation over every kernel of `kernels`, on the generated source run as plain Python.

Compiling is left to other tests: the text that runs here is the text that numba gets.
The reference is always differences of the *original* function.
"""

import ast
import inspect
import itertools
import math
import re

import numpy as np
import pytest
from kernel_fuzzer import function
from kernels import CASES, arguments
from numba import typeof

from dualgrad.api import chain
from dualgrad.backends.careful import has_nan
from dualgrad.core.check import check
from dualgrad.core.errors import KernelError, OverlapError, StructureError
from dualgrad.kernels import CAREFUL, Transform
from dualgrad.read import read_kernel, types_of
from dualgrad.transforms.jet import jet
from dualgrad.transforms.jvp import jvp
from dualgrad.transforms.linearize import linearize
from dualgrad.transforms.ssa import ssa


class Gradient:
    """What a kernel sees of ``grad(f, k)``: a program to put in the place of the call."""

    def __init__(self, f, k):
        self.f, self.chain = f, (Transform("grad", (k,)),)
        self.__signature__ = inspect.signature(f)

    def __call__(self, *args):
        raise AssertionError("the reader reads calls, it does not make them")

    def __dualgrad_program__(self, types):
        return chain.program_of(self.f, self.chain, types)


PUSH = Transform("pushforward", (), ("primals", "tangents"))
PULL = Transform("pullback", (), ("primals", "cotangents"))
JET = Transform("jet", (), ("primals", "series"))
# A derivative refuses arguments that share memory one of which is written; differences cannot follow step control.
ELSEWHERE = ("same_array_twice", "adaptive_euler")
SMOOTH = [pytest.param(c, id=c.name) for c in CASES if c.smooth and c.name not in ELSEWHERE]


def derived(f, steps, *args):
    """The generated source for these arguments, run as Python."""
    generated = chain.generate(f, tuple(steps), tuple(typeof(a) for a in args))
    namespace = {"__name__": generated.entry, **generated.injected}
    exec(compile(generated.source, f"<{generated.entry}>", "exec"), namespace)

    def careful(module, results, *args):
        return derived(f, (*steps, CAREFUL), *args)(*args) if has_nan(results) else results

    namespace["careful"] = careful
    return namespace[generated.entry]


class Endless(ValueError):
    """A loop that does not end, as a loop may at NaN or infinity."""


class NumPyLiterals(ast.NodeTransformer):
    """Floats divide as NumPy's do, and loops do not turn for ever."""

    def visit_While(self, node):
        self.generic_visit(node)
        return ast.While(node.test, [*ast.parse("_turned()").body, *node.body], node.orelse)

    def visit_Constant(self, node):
        return ast.parse(f"np.float64({node.value!r})", mode="eval").body if type(node.value) is float else node


def run_on_numpy(f, steps, *args):
    """A chain at these arguments; its text runs as Python in which numbers are NumPy's."""
    generated = chain.generate(f, tuple(steps), tuple(typeof(a) for a in args))
    names = {"__name__": generated.entry, **generated.injected}
    tree = ast.fix_missing_locations(NumPyLiterals().visit(ast.parse(generated.source)))
    exec(compile(tree, generated.entry, "exec"), names)

    def again(module, results, *args):
        return run_on_numpy(f, (*steps, CAREFUL), *args) if has_nan(results) else results

    turns = itertools.count()

    def turned():
        if next(turns) > 5000:
            raise Endless

    names |= {"float": np.float64, "careful": again, "_turned": turned}
    with np.errstate(all="ignore"):
        return names[generated.entry](*args)


def leaves(tree):
    return [leaf for part in tree for leaf in leaves(part)] if isinstance(tree, tuple) else [tree]


def is_real(a):
    return isinstance(a, float) or np.asarray(a).dtype.kind == "f"


def tree_map(f, tree, *rest):
    if isinstance(tree, tuple):
        return tuple(tree_map(f, *parts) for parts in zip(tree, *rest, strict=True))
    return f(tree, *rest)


def random_like(tree, seed):
    rng = np.random.default_rng(seed)

    def draw(a):
        if not is_real(a):
            return np.zeros_like(a) if isinstance(a, np.ndarray) else a
        return rng.normal(size=np.shape(a)).astype(np.asarray(a).dtype) if np.ndim(a) else type(a)(rng.normal())

    return tree_map(draw, tree)


def dot(a, b):
    pairs = zip(leaves(a), leaves(b), strict=True)
    return sum(float(np.sum(np.multiply(x, y))) for x, y in pairs if is_real(x))


def flat(tree):
    found = [np.ravel(a) for a in leaves(tree) if is_real(a)]
    return np.concatenate(found) if found else np.zeros(0)


def original(case, args):
    """What the kernel returns, or the arrays it wrote."""
    copies = tree_map(lambda a: a.copy() if isinstance(a, np.ndarray) else a, args)
    before = tree_map(np.copy, copies)
    result = tree_map(lambda a: float(a) if type(a) is int else a, case.f.py_func(*copies))
    if result is None:
        changed = [
            a for a, b in zip(copies, before, strict=True) if isinstance(a, np.ndarray) and not np.array_equal(a, b)
        ]
        result = changed[0] if len(changed) == 1 else tuple(changed)
    return result


def shifted(args, tangents, h):
    def moved(a, t):
        if isinstance(a, float):
            return type(a)(a + h * t)
        return a + a.dtype.type(h) * t if is_real(a) else a

    return tree_map(moved, args, tangents)


def differences(f, args, tangents, h):
    """Central differences of order eight, over steps of half of ``h``, of a function's real results."""

    def around(k):
        return flat(f(shifted(args, tangents, k * h / 2))) - flat(f(shifted(args, tangents, -k * h / 2)))

    return (around(1) * 4 / 5 - around(2) / 5 + around(3) * 4 / 105 - around(4) / 280) / (h / 2)


def tolerances(args, double=2e-7):
    single = any(np.asarray(a).dtype == np.float32 for a in leaves(args))
    return {"rtol": 2e-2, "atol": 2e-3} if single else {"rtol": double, "atol": double / 10}


def step(args):
    return 1e-2 if any(np.asarray(a).dtype == np.float32 for a in leaves(args)) else 1e-3


@pytest.mark.parametrize("case", SMOOTH)
def test_pushforward_is_the_directional_derivative_of_the_original(case):
    args = arguments(case)
    tangents = random_like(args, 1)
    out, dots = derived(case.f, [PUSH], args, tangents)(args, tangents)
    out = tree_map(lambda a: float(a) if type(a) is int else a, out)
    np.testing.assert_allclose(flat(out), flat(original(case, args)), rtol=1e-6 if step(args) > 1e-3 else 1e-13)
    wanted = differences(lambda a: original(case, a), args, tangents, step(args))
    np.testing.assert_allclose(flat(dots), wanted, **tolerances(args))


@pytest.mark.parametrize("case", SMOOTH)
def test_pullback_is_the_adjoint_of_the_pushforward(case):
    args = arguments(case)
    tangents = random_like(args, 1)
    out, dots = derived(case.f, [PUSH], args, tangents)(args, tangents)
    cts = random_like(out, 2)
    value, back = derived(case.f, [PULL], args, cts)(args, cts)
    np.testing.assert_allclose(flat(value), flat(out), rtol=1e-6 if step(args) > 1e-3 else 1e-14)  # sums are reordered
    assert math.isclose(dot(tangents, back), dot(cts, dots), rel_tol=1e-3 if step(args) > 1e-3 else 1e-9, abs_tol=1e-9)


@pytest.mark.parametrize("case", SMOOTH)
def test_forward_over_reverse_is_the_derivative_of_the_pullback(case):
    args = arguments(case)
    tangents = random_like(args, 1)
    cts = random_like(original(case, args), 2)
    point, direction = (args, cts), (tangents, tree_map(lambda a: a * 0, cts))
    back = derived(case.f, [PULL], args, cts)
    _, dots = derived(case.f, [PULL, PUSH], point, direction)(point, direction)
    wanted = differences(lambda a: back(*a), point, direction, step(args))
    np.testing.assert_allclose(flat(dots), wanted, **tolerances(args, 1e-6))


@pytest.mark.parametrize("case", SMOOTH)
def test_reverse_over_reverse_is_the_adjoint_of_forward_over_reverse(case):
    args = arguments(case)
    cts = random_like(original(case, args), 2)
    point = (args, cts)
    direction = random_like(point, 3)
    out, dots = derived(case.f, [PULL, PUSH], point, direction)(point, direction)
    cts2 = random_like(out, 4)
    _, back = derived(case.f, [PULL, PULL], point, cts2)(point, cts2)
    assert math.isclose(
        dot(direction, back), dot(cts2, dots), rel_tol=1e-2 if step(args) > 1e-3 else 1e-8, abs_tol=1e-8
    )


@pytest.mark.parametrize("case", SMOOTH)
def test_jets_agree_with_nested_pushforwards(case):
    args = arguments(case)
    tangents = random_like(args, 1)
    series = tree_map(lambda t: np.stack([t, 0 * t, 0 * t]) if is_real(t) else t, tangents)
    out, coefficients = derived(case.f, [JET], args, series)(args, series)
    point, zero = (args, tangents), tree_map(lambda t: t * 0, tangents)
    (value, first), (_, second) = derived(case.f, [PUSH, PUSH], point, (tangents, zero))(point, (tangents, zero))
    np.testing.assert_allclose(flat(out), flat(value), rtol=1e-6 if step(args) > 1e-3 else 1e-14)  # sums are reordered
    rows = [a for a in leaves(coefficients) if is_real(a)]
    single = step(args) > 1e-3
    tolerance = {"rtol": 1e-3, "atol": 1e-4} if single else {"rtol": 1e-9, "atol": 1e-10}
    np.testing.assert_allclose(np.concatenate([np.ravel(a[0]) for a in rows]), flat(first), **tolerance)
    np.testing.assert_allclose(np.concatenate([np.ravel(a[1]) for a in rows]), flat(second) / 2, **tolerance)


@pytest.mark.parametrize("case", SMOOTH)
def test_every_transform_gives_a_legal_program(case):
    args = arguments(case)
    program = check(ssa(read_kernel(case.f, types_of([typeof(a) for a in args])).program))
    active = tuple(v.type.differentiable for v in program.params)
    check(jvp(program, active))
    check(jvp(program, active, 3))
    check(jet(program, active))
    split = linearize(program, active)
    check(split.forward())
    check(split.linear())


def test_names_of_builtins_are_free():
    def kernel(x):
        abs = 0.0
        len, max = 0.5, x[0]
        for range in x:
            abs += range * len
            max = max * math.fabs(abs - 3.0)
        return max

    x = np.array([0.3, 0.5])
    _, back = derived(kernel, [PULL], (x,), 1.0)((x,), 1.0)
    wanted = differences(lambda a: np.array([kernel(*a)]), (x,), (np.ones(2),), 1e-3)
    np.testing.assert_allclose(np.sum(back[0]), wanted, rtol=1e-7)


def test_a_power_has_its_mixed_derivative_where_the_exponent_is_zero():
    def kernel(x, p):
        return x**p

    point, direction = ((2.0, 0.0), 1.0), ((0.0, 1.0), 0.0)
    _, (_, dots) = derived(kernel, [PULL, PUSH], point, direction)(point, direction)
    np.testing.assert_allclose(dots, [0.5, math.log(2.0) ** 2], rtol=1e-12)


def test_arguments_that_share_written_memory_are_refused():
    (case,) = (c for c in CASES if c.name == "same_array_twice")
    args = arguments(case)
    with pytest.raises(OverlapError, match="share memory"):
        derived(case.f, [PUSH], args, args)(args, args)
    apart = (args[0], args[0].copy())
    derived(case.f, [PUSH], apart, apart)(apart, apart)


NAMED_ON_ONE_PATH = """
def main(a, b):
    for i in range(3):
        if a[i] > b[i]:
            a, b = b, a
        a[i] = math.sin(b[i]) * a[0]
    return a[0] + b[1]
"""


def test_names_that_mean_one_array_or_another():
    """Where decisions exchange them, forward mode follows, and reverse mode says that it does not."""
    args, tangents = (np.array([0.2, 0.9, 0.1]), np.array([0.5, 0.3, 0.7])), (np.ones(3), np.array([1.0, -2.0, 0.5]))
    with function(NAMED_ON_ONE_PATH) as f:
        slope = derived(f, [PUSH], args, tangents)(args, tangents)[1]
        expected = differences(lambda x: f(*map(np.copy, x)), args, tangents, 1e-3)
        np.testing.assert_allclose(slope, expected, rtol=1e-9)
        with pytest.raises(KernelError) as caught:
            derived(f, [PULL], args, 1.0)
    message = str(caught.value)
    assert "means one array or another, which reverse mode cannot follow" in message
    assert "(a, b = b, a)" in message and "use forward mode (jvp)" in message and "in main: for " in message


SLOPE_IN_A_LOOP = """
def root(c, x):
    y = x
    while abs(y * y - c) > 0.05:
        y = 0.5 * (y + c / y)
    return y


slope = gradient(root, 0)


def main(x, n):
    s = 1.0
    for i in range(n):
        for j in range(i, 3):
            s = 0.5 * s + slope(1.0 + s * x[j], 3.0 + i)
            if s > 0.8:
                s *= slope(4.0 + x[i], 1.0)
    return s
"""


def test_a_loop_may_call_the_gradient_of_a_loop():
    """The tapes of the inner gradient grow; they are made anew in each turn."""
    args, cts = (np.array([0.3, 0.8, 0.5]), 3), 1.0
    tangents = (np.array([1.0, -0.5, 2.0]), 0)
    with function(SLOPE_IN_A_LOOP, Gradient) as f:
        _, slope = derived(f, [PUSH], args, tangents)(args, tangents)
        _, back = derived(f, [PULL], args, cts)(args, cts)
        original = derived(f, [Transform("effects")], *args)
        expected = differences(lambda x: original(*x)[0], args, tangents, 1e-3)
        np.testing.assert_allclose(slope, expected, rtol=1e-8)
        np.testing.assert_allclose(dot(tangents, back), slope, rtol=1e-12)
        curvature = derived(f, [PULL, PULL], (args, cts), (1.0, back))
        _, (second, _) = curvature((args, cts), (1.0, back))
        assert np.all(np.isfinite(second[0]))


EXCHANGED_WITH_A_CONSTANT = """
def main(a, b, n):
    for i in range(n):
        a[0] += math.sin(b[1]) * b[0]
        a, b = b, a
    return a[0] * b[0] + a[1]
"""


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_a_constant_may_be_exchanged_with_what_is_differentiated(n):
    args = (np.array([0.3, 0.5]), np.array([0.7, -0.2]), n)
    with function(EXCHANGED_WITH_A_CONSTANT) as f:
        for k in (0, 1):
            expected = []
            for e in np.eye(2):
                direction = tuple(e if j == k else np.zeros(2) for j in (0, 1)) + (0,)
                expected.append(differences(lambda x: f(*map(np.copy, x)), args, direction, 1e-3)[0])
            for mode in ("fwd", "rev"):
                found = derived(f, [Transform("jacobian", (k, mode))], *args)(*args)
                np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
            program = ssa(read_kernel(f, types_of([typeof(a) for a in args])).program)
            check(jet(program, tuple(j == k for j in range(3))))


EXACT = ["kalman", "lotka_volterra", "recurrent", "lstm_of_arrays", "determinant", "gradient_descent"]


@pytest.mark.parametrize("name", EXACT)
def test_loops_whose_lengths_are_known_keep_numbers_in_tapes_of_exact_size(name):
    """The lengths of arrays that a time loop makes are known before it, checked ones too."""
    (case,) = (c for c in CASES if c.name == name)
    args = arguments(case)
    cts = random_like(original(case, args), 1)
    text = chain.generate(case.f, (PULL,), (typeof(args), typeof(cts))).source
    assert "_kept" in text and "_kept.shape" not in text and ", np.zeros((at" not in text


LENGTHS_THAT_DO_NOT_FIT = """
def main(a, x, n):
    for k in range(n):
        y = np.zeros(len(x))
        for i in range(len(x)):
            y[i] = x[i] * x[i]
        x = np.sin(a @ y)
    return np.sum(x)
"""


def test_a_length_that_is_checked_in_a_loop_is_checked_where_it_was():
    """A loop of no turns has nothing to check; else the check raises, in both modes."""
    a, x = np.ones((2, 3)), np.array([0.5, 0.25])
    with function(LENGTHS_THAT_DO_NOT_FIT) as f:
        for steps, seed in (([PUSH], (a, x, 0)), ([PULL], 1.0)):
            text = derived(f, steps, (a, x, 0), seed)
            assert text((a, x, 0), seed)[0] == 0.75
            with pytest.raises(StructureError, match="different lengths meet in a @ y"):
                text((a, x, 1), seed)


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_the_determinant_in_kernels_has_two_derivatives_at_any_rank(rank):
    def kernel(a):
        return np.linalg.det(a)

    rng = np.random.default_rng(rank)
    a = rng.integers(-3, 4, (4, rank)).astype(float) @ rng.integers(-3, 4, (rank, 4)).astype(float)
    t, u = rng.normal(size=(2, 4, 4))
    point, direction = ((a,), (t,)), ((u,), (0 * t,))
    _, (first, second) = derived(kernel, [PUSH, PUSH], point, direction)(point, direction)

    def coefficients(direction):
        """Of det(a + h direction), a polynomial of degree four in h: exact from its values at five points."""
        at = range(-2, 3)
        values = [np.linalg.det(a + h * direction) for h in at]
        return np.polynomial.Polynomial.fit(at, values, 4).convert().coef

    slope = coefficients(u)[1]
    mixed = coefficients(t + u)[2] - coefficients(t)[2] - coefficients(u)[2]
    np.testing.assert_allclose([first, second], [slope, mixed], atol=1e-8)
    _, (back,) = derived(kernel, [PULL], (a,), 1.0)((a,), 1.0)
    np.testing.assert_allclose(np.sum(back * u), slope, atol=1e-8)


USUAL_NAMES = """
def main(p, x):
    a = np.zeros(2)
    b = 0.0
    for c in range(2):
        a[c] = math.sqrt(x[c]) * p[0]
        b += a[c] * p[1]
    d, e, h = b * a[0], b + 1.0, b * 2.0
    return d * e + h
"""
NAMES_OF_THE_TEXT = {
    "a": "careful", "b": "primals", "d": "tangents", "e": "series", "h": "cotangents", "c": "args0",
    "p": "StructureError", "x": "OverlapError",
}  # fmt: skip


@pytest.mark.parametrize("steps", [[PUSH], [PULL], [PULL, PUSH], [PULL, JET], [Transform("grad", ((0, 1),))]])
def test_a_kernel_may_use_the_names_that_the_text_around_it_uses(steps):
    """Also where a NaN, of the root at zero, has the arguments handed to the careful form."""
    other = re.sub(r"\b[abcdehpx]\b", lambda m: NAMES_OF_THE_TEXT[m[0]], USUAL_NAMES)
    primals = ((0.5, 2.0), np.array([0.0, 0.25]))
    pair = (primals, 1.0)
    series = tree_map(lambda t: np.stack([t, t]), random_like(pair, 1))
    point = {
        ("pushforward",): (primals, random_like(primals, 1)),
        ("pullback",): pair,
        ("pullback", "pushforward"): (pair, random_like(pair, 2)),
        ("pullback", "jet"): (pair, series),
        ("grad",): primals,
    }[tuple(step.name for step in steps)]
    with np.errstate(all="ignore"):
        with function(USUAL_NAMES) as f:
            wanted = derived(f, steps, *point)(*point)
        with function(other) as f:
            found = derived(f, steps, *point)(*point)
    for a, b in zip(leaves(found), leaves(wanted), strict=True):
        np.testing.assert_array_equal(a, b)
