"""Singular points and structural zeros of kernels: in every mode what the eager numbers say.

The generated source runs as plain Python, with NumPy's numbers for Python's, because these divide by zero with an
exception; a few kernels are compiled and called from Python, nopython code, threads and the disk cache.
"""

import ast
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from kernel_fuzzer import function, sample
from numba import njit, typeof
from test_kernel_fuzz import REFUSED, Gradient, is_real, leaves

import dualgrad as dg
from dualgrad.api import chain
from dualgrad.backends import careful, dispatcher
from dualgrad.core.errors import KernelError
from dualgrad.kernels import CAREFUL, Transform

inf, nan = np.inf, np.nan
PUSH = Transform("pushforward", (), ("primals", "tangents"))
PULL = Transform("pullback", (), ("primals", "cotangents"))
JET = Transform("jet", (), ("primals", "series"))
GRAD = Transform("grad", (0,))
FWD, REV = Transform("jacobian", (0, "fwd")), Transform("jacobian", (0, "rev"))


class NumPyLiterals(ast.NodeTransformer):
    """Floats divide as NumPy's do."""

    def visit_Constant(self, node):
        return ast.parse(f"np.float64({node.value!r})", mode="eval").body if type(node.value) is float else node


def run(f, steps, *args):
    """A chain at these arguments; its text runs as Python in which numbers are NumPy's."""
    generated = chain.generate(f, tuple(steps), tuple(typeof(a) for a in args))
    names = {"__name__": generated.entry}
    tree = ast.fix_missing_locations(NumPyLiterals().visit(ast.parse(generated.source)))
    exec(compile(tree, generated.entry, "exec"), names)

    def again(module, results, *args):
        return run(f, (*steps, CAREFUL), *args) if careful.has_nan(results) else results

    names |= {"float": np.float64, "careful": again}
    with np.errstate(all="ignore"):
        return names[generated.entry](*args)


def same(found, wanted):
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(leaves(found), leaves(wanted), strict=True))


def slopes(f, x):
    """The derivative of a scalar kernel in every mode of first order."""
    x = np.float64(x)
    one = np.float64(1.0)
    return {
        "pushforward": run(f, [PUSH], (x,), (one,))[1],
        "pullback": run(f, [PULL], (x,), one)[1][0],
        "grad": run(f, [GRAD], x),
        "jacobian, fwd": run(f, [FWD], x),
        "jacobian, rev": run(f, [REV], x),
        "jet": run(f, [JET], (x,), (np.ones(1),))[1][0],
        "derivative": run(f, [Transform("derivative", (1,))], x),
    }


SINGULAR = [
    ("abs(x)", 0.0, 0.0),
    ("max(x, 0.0)", 0.0, 0.5),
    ("min(x, x)", 1.0, 1.0),
    ("min(max(x, 0.0), 1.0)", 0.0, 0.5),
    ("np.sqrt(x)", 0.0, inf),
    ("x**0.5", 0.0, inf),
    ("np.sqrt(x)*np.sqrt(x)", 0.0, nan),
    ("np.sqrt(x*x)", 0.0, nan),
    ("x if x < 1 else np.sqrt(x)", 0.0, 1.0),
    ("x if x < 1 else np.sqrt(x)", -1.0, 1.0),
    ("x if x < 1 else np.sqrt(x)", 4.0, 0.25),
    ("0.0 if x < 1 else np.sqrt(0.0 if x < 1 else x)", 0.0, 0.0),
    ("x**0", 0.0, 0.0),
    ("x**1", 0.0, 1.0),
    ("x**2.0", 0.0, 0.0),
    ("x**3.0", -2.0, 12.0),
    ("0.0**x", 2.0, 0.0),
    ("np.power(0.0, x)", 0.0, 0.0),
    ("np.power(0.0, x)", -1.0, -inf),
    ("np.floor(x)", 1.5, 0.0),
    ("np.sign(x)", 1.5, 0.0),
    ("x // 2", 5.0, 0.0),
    ("7.5 % x", 2.0, -3.0),
    ("np.hypot(x, 0.0)", 0.0, 0.0),
    ("np.arctan2(x, x)", 0.0, nan),
]


@pytest.mark.parametrize(("text", "x", "answer"), SINGULAR)
def test_singular_points(text, x, answer):
    with function(f"def main(x):\n    return {text}\n") as f:
        for mode, found in slopes(f, x).items():
            assert same(found, answer), f"{mode}: {found}"


# Zeros by construction: the kernel, a point, and its Jacobian there

FRESH = """
def main(x):
    y = np.zeros(3)
    y[1] = x[1]
    s = 0.0
    for i in range(3):
        s += np.sqrt(y[i])
    return s
"""
UNREAD = """
def main(x):
    y = np.zeros(2)
    y[0] = np.sqrt(x[0])
    y[1] = x[1] * x[0]
    return y[1]
"""
ROOTS = """
def main(x):
    y = np.zeros(2)
    for i in range(2):
        y[i] = np.sqrt(x[i])
    return y
"""
PART = """
def main(x):
    y = np.zeros(2)
    for i in range(2):
        y[i] = np.sqrt(x[i])
    s = 0.0
    for i in range(1, 2):
        s += y[i] * x[i]
    return s
"""
MIXED = """
def main(x):
    y = np.empty(2)
    for i in range(2):
        y[i] = np.sqrt(x[i])
    out = np.zeros(2)
    for i in range(2):
        for j in range(2):
            out[i] += (2.0 if i == j else 1.0) * y[j]
    return out
"""
CLEARED = """
def main(x):
    y = x.copy()
    for i in range(2):
        y[i] = np.sqrt(y[i])
    y[0] = 3.0
    return y[0] * y[1]
"""
CARRIED = """
def main(x):
    c = 0.0
    s = 0.0
    for i in range(2):
        s += np.sqrt(c) * x[1]
        c = x[i] + 1.0
    return s
"""
NEVER = """
def main(x):
    y = np.zeros(2)
    for i in range(2):
        if x[i] > 0.0:
            y[i] = x[i]
    k = 0
    s = 0.0
    while k < 2:
        s += y[k] ** 0.5
        k += 1
    return s
"""
TWO = """
def main(x):
    return np.sqrt(x[0]), x[1] * x[1]
"""
BRANCH = """
def main(x):
    y = np.zeros(2)
    for i in range(2):
        if x[i] < 0.5:
            y[i] = x[i]
        else:
            y[i] = np.sqrt(x[i])
    z = y.copy()
    z[0] = 0.0
    return np.sqrt(z[0]) + y[0] * z[1]
"""
WRITTEN = """
def main(x):
    for i in range(2):
        x[i] = np.sqrt(x[i])
    x[0] = 1.0
"""
ZEROS = [
    pytest.param(FRESH, [5.0, 4.0], [0.0, 0.25], id="fresh"),
    pytest.param(UNREAD, [0.0, 1.0], [1.0, 0.0], id="unread"),
    pytest.param(ROOTS, [0.0, 1.0], [[inf, 0.0], [0.0, 0.5]], id="roots"),
    pytest.param(PART, [0.0, 1.0], [0.0, 1.5], id="part"),
    pytest.param(MIXED, [0.0, 1.0], [[inf, 0.5], [inf, 1.0]], id="mixed"),
    pytest.param(CLEARED, [0.0, 1.0], [0.0, 1.5], id="cleared"),
    pytest.param(CARRIED, [3.0, 2.0], [0.5, 2.0], id="carried"),
    pytest.param(NEVER, [0.0, 4.0], [0.0, 0.25], id="never"),
    pytest.param(TWO, [0.0, 1.0], ([inf, 0.0], [0.0, 2.0]), id="two results"),
    pytest.param(BRANCH, [0.0, 4.0], [2.0, 0.0], id="branch"),
    pytest.param(WRITTEN, [0.0, 4.0], [[0.0, 0.0], [0.0, 0.25]], id="written"),
]


def jacobian_by_tangents(f, x):
    """Column by column, with tangents that the user passes: a zero among them is a number."""
    return [run(f, [PUSH], (x,), (e,))[1] for e in np.eye(len(x))]


@pytest.mark.parametrize(("source", "x", "answer"), ZEROS)
def test_zeros_by_construction_are_never_multiplied(source, x, answer):
    x = np.array(x)
    with function(source) as f:
        for steps in [[FWD], [REV]] + [[GRAD]] * (np.ndim(answer) == 1 and type(answer) is list):
            found = run(f, steps, x)
            assert same(found, tuple(map(np.array, answer)) if type(answer) is tuple else np.array(answer)), steps


@pytest.mark.parametrize("source", [FRESH, NEVER, CARRIED])
def test_zeros_inside_of_a_pushforward(source):
    """The user's tangents are numbers; a fresh buffer and what no path wrote are not."""
    x = np.array([0.0 if source is NEVER else 3.0, 4.0])
    with function(source) as f:
        gradient = run(f, [GRAD], x)
        assert np.all(np.isfinite(gradient))
        for t in (np.array([1.0, 2.0]), np.array([0.0, 1.0])):
            assert np.isclose(run(f, [PUSH], (x,), (t,))[1], gradient @ t, rtol=1e-14)


def test_a_users_zero_is_a_number():
    with function(ROOTS) as f:
        x, t = np.array([0.0, 1.0]), np.array([0.0, 1.0])
        assert same(run(f, [PUSH], (x,), (t,))[1], [nan, 0.5])
        assert same(run(f, [PULL], (x,), t)[1][0], [nan, 0.5])
        assert same(run(f, [PULL], (x,), np.ones(2))[1][0], [inf, 0.5])


SECOND = [
    pytest.param(UNREAD, [0.0, 1.0], [[0.0, 1.0], [1.0, 0.0]], id="unread"),
    pytest.param(FRESH, [5.0, 4.0], [[0.0, 0.0], [0.0, -1 / 32]], id="fresh"),
    pytest.param(PART, [0.0, 1.0], [[0.0, 0.0], [0.0, 0.75]], id="part"),
    pytest.param(NEVER, [0.0, 4.0], [[0.0, 0.0], [0.0, -1 / 32]], id="never"),
    pytest.param(CLEARED, [0.0, 1.0], [[0.0, 0.0], [0.0, -0.75]], id="cleared"),
]


@pytest.mark.parametrize(("source", "x", "answer"), SECOND)
def test_second_derivatives(source, x, answer):
    x, answer = np.array(x), np.array(answer)
    with function(source) as f:
        for steps in ([GRAD, FWD], [GRAD, REV], [FWD, FWD], [FWD, REV], [REV, FWD], [REV, REV]):
            assert same(run(f, steps, x), answer), steps
        for t in np.array([[1.0, 2.0], [0.5, -1.0]]):
            assert same(run(f, [GRAD, PUSH], (x,), (t,))[1], answer @ t)
            assert same(run(f, [GRAD, PULL], (x,), t)[1][0], answer @ t)


def test_third_derivatives():
    x, answer = np.array([0.0, 4.0]), np.zeros((2, 2, 2))
    answer[1, 1, 1] = 3 / 8 * 4**-2.5
    with function(NEVER) as f:
        for steps in ([GRAD, FWD, FWD], [GRAD, REV, FWD], [FWD, FWD, REV]):
            assert same(run(f, steps, x), answer), steps


INNER = """
def inner(x):
    y = np.zeros(2)
    y[0] = np.sqrt(x[0])
    y[1] = x[1] * x[1] * x[0]
    return y[1]


slope = gradient(inner, 0)


def main(x):
    g = slope(x)
    return g[0] * x[1] + g[1]
"""


def test_gradients_that_a_kernel_calls_are_careful_too():
    """The value is x1**3 + 2 x0 x1."""
    x, answer = np.array([0.0, 3.0]), np.array([6.0, 27.0])
    with function(INNER, Gradient) as f:
        assert run(f, [PUSH], (x,), (np.ones(2),)) == (27.0, 33.0)
        assert same(run(f, [GRAD], x), answer)
        assert same(run(f, [FWD], x), answer)


# Agreement of forward and reverse mode at points where derivatives are infinite or not numbers

POINTS = (0.0, 0.0, 1.0, -1.0, inf, nan, 0.5)


def at_hard_points(found, r):
    """The arguments of a random kernel with some numbers replaced."""

    def hard(a):
        if not is_real(a):
            return a
        values = np.where(r.random(np.shape(a)) < 0.4, r.choice(POINTS, np.shape(a)), a)
        return values if np.ndim(a) else np.float64(values)

    return tuple(tuple(map(hard, a)) if type(a) is tuple else hard(a) for a in found.args)


@pytest.mark.parametrize("block", range(4))
def test_forward_and_reverse_mode_agree_in_value_and_in_nan(block, pytestconfig):
    """Unit vectors as tangents and as cotangents, over random kernels at points with 0, ties, inf and NaN."""
    count = 250 if pytestconfig.getoption("--long") else 15
    compared = 0
    for seed in range(block * count, (block + 1) * count):
        found = sample(seed)
        args = at_hard_points(found, np.random.default_rng(seed))
        chosen = tuple(k for k, a in enumerate(args) if all(map(is_real, leaves(a))))
        with function(found.source, Gradient) as f:
            try:
                columns, rows = (run(f, [Transform("jacobian", (chosen, m))], *args) for m in ("fwd", "rev"))
            except (ValueError, OverflowError, IndexError):  # NaN as an index, in the original too
                continue
            except KernelError as error:
                assert any(known in str(error) for known in REFUSED)
                continue
        tolerance = 1e-4 if found.single else 1e-9
        for a, b in zip(leaves(columns), leaves(rows), strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=str(found))
        compared += 1
    assert compared > 0.8 * count


# Machine code


@njit
def roots(x):
    y = np.zeros(len(x))
    for i in range(len(x)):
        y[i] = np.sqrt(x[i])
    return y


@njit
def first_root_unread(x):
    y = np.zeros(2)
    y[0] = np.sqrt(x[0])
    y[1] = x[1] * x[0]
    return y[1]


@pytest.fixture
def compilations(monkeypatch):
    """The titles of what was compiled since the test began."""
    titles = []
    build = dispatcher.build
    monkeypatch.setattr(dispatcher, "build", lambda p, recipe, *a: titles.append(recipe.title) or build(p, recipe, *a))
    return titles


@pytest.mark.kernel
def test_the_careful_form_is_compiled_when_a_nan_asks_for_it(compilations):
    gradient = dg.grad(first_root_unread)
    assert np.array_equal(gradient(np.array([4.0, 1.0])), [1.0, 4.0])
    assert not any("careful" in title for title in compilations)
    for _ in range(2):
        assert np.array_equal(gradient(np.array([0.0, 1.0])), [1.0, 0.0])
    assert np.array_equal(gradient(np.array([4.0, 1.0])), [1.0, 4.0])
    assert sum("careful" in title for title in compilations) <= 1


@pytest.mark.kernel
@pytest.mark.parametrize("mode", ["fwd", "rev"])
def test_compiled_jacobians_have_exact_zeros(mode):
    jacobian = dg.jacobian(roots, mode=mode)
    assert np.array_equal(jacobian(np.array([0.0, 1.0])), [[inf, 0.0], [0.0, 0.5]])
    assert np.array_equal(jacobian(np.array([0.0, nan])), [[inf, 0.0], [0.0, nan]], equal_nan=True)
    assert np.array_equal(jacobian(np.array([])), np.zeros((0, 0)))


@pytest.mark.kernel
def test_kernels_without_products_of_zeros_have_no_careful_form():
    assert "careful" not in dg.source(dg.grad(total), np.ones(3))
    assert "careful" in dg.source(dg.grad(first_root_unread), np.ones(2))


@njit
def total(x):
    s = 0.0
    for i in range(len(x)):
        s += np.sqrt(x[i])
    return s


@pytest.mark.kernel
def test_nopython_code_and_threads_get_the_careful_form_too():
    value_and_gradient = dg.value_and_grad(first_root_unread)

    @njit(nogil=True)
    def caller(x, n):
        s = np.zeros(2)
        for _ in range(n):
            value, g = value_and_gradient(x)
            s += g + value
        return s

    found = []
    threads = [threading.Thread(target=lambda: found.append(caller(np.array([0.0, 1.0]), 100))) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == 4
    assert all(np.array_equal(f, [100.0, 0.0]) for f in found)


@pytest.mark.kernel
def test_errors_of_the_careful_form_reach_the_caller(monkeypatch, caplog):
    @njit
    def other(x):
        y = np.zeros(2)
        y[0] = np.sqrt(x[0])
        y[1] = x[1] / x[0]
        return y[1]

    gradient = dg.grad(other)
    gradient(np.ones(2))
    monkeypatch.setitem(careful.hooks, "compiled", lambda module: 1 / 0)
    with pytest.raises(RuntimeError, match="cannot be computed again with care: the log of 'dualgrad'"):
        gradient(np.array([0.0, 0.0]))
    assert "ZeroDivisionError" in caplog.text
    monkeypatch.undo()
    assert np.isnan(gradient(np.array([0.0, 0.0]))).any()


USERS = """
import numpy as np
from numba import njit
import dualgrad as dg

@njit
def f(x):
    y = np.zeros(2)
    y[0] = np.sqrt(x[0])
    y[1] = x[1] * x[0]
    return y[1]

gradient = dg.grad(f)

@njit(cache=True)
def caller(x):
    return gradient(x)
"""


@pytest.mark.kernel
def test_machine_code_from_disk_finds_its_careful_form(tmp_path):
    """Also when it comes linked into a function that the user caches, and no kernel was called before."""
    (tmp_path / "users.py").write_text(USERS)

    def first(point, call="users.caller", then=""):
        text = f"import numpy as np, users\nprint({call}(np.array({point})))\n{then}"
        path = os.pathsep.join([str(tmp_path), str(Path(dg.__file__).parent.parent)])
        environment = os.environ | {"PYTHONPATH": path, "DUALGRAD_CACHE_DIR": str(tmp_path / "cache")}
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert first([4.0, 1.0]) == "[1. 4.]"
    hits = "print(sum(users.caller.stats.cache_hits.values()))"
    assert first([0.0, 1.0], then=hits) == "[1. 0.]\n1"
    assert first([0.0, 1.0], "users.gradient") == "[1. 0.]"
    assert len(list((tmp_path / "cache").glob("*careful*.nbc"))) == 1
