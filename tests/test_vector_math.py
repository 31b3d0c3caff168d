"""Vector math: right to the last digits for every argument, found by the vectoriser, used where it pays."""

import math
import pickle
import re

import mpmath
import numpy as np
import pytest
from numba import njit

import dualgrad as dg
from dualgrad.backends import dispatcher, fingerprint, vector_math
from dualgrad.backends.modules import place_for
from dualgrad.backends.polynomials import FORMULAS

if not vector_math.widths():
    pytest.skip("this processor rounds a*b + c twice: the C library is used", allow_module_level=True)

NAMES = sorted(FORMULAS)
INF, NAN = np.inf, np.nan
TINY, LEAST, LARGEST = 2.0**-1022, 5e-324, np.finfo(float).max
GREATEST_LOG = 709.782712893384  # exp of it is finite, that of the next float is not


def looped(name):
    """The function in a loop that is vectorised, in one that is not, and in one that calls it in some turns."""
    f = getattr(vector_math, name)

    @njit(error_model="numpy")
    def each(x):
        y = np.empty_like(x)
        for i in range(len(x)):
            y[i] = f(x[i])
        return y

    @njit(error_model="numpy")
    def one_by_one(x):
        y, i = np.empty_like(x), 0
        while i < len(x) and y[i - 1] is not None:
            y[i] = f(x[i])
            i += 1
        return y

    @njit(error_model="numpy")
    def some(x, chosen):
        y = np.zeros_like(x)
        for i in range(len(x)):
            if chosen[i]:
                y[i] = f(x[i])
        return y

    return each, one_by_one, some


LOOPS = {name: looped(name) for name in NAMES}


def same(x, y):
    """Equal in all bits, zeros' signs included; NaN equals NaN."""
    np.testing.assert_array_equal(x, y)
    np.testing.assert_array_equal(np.signbit(x) & ~np.isnan(x), np.signbit(y) & ~np.isnan(y))


EDGES = {
    "exp": [(0.0, 1), (-0.0, 1), (INF, INF), (-INF, 0), (NAN, NAN), (710, INF), (np.nextafter(GREATEST_LOG, INF), INF),
            (LARGEST, INF), (-LARGEST, 0), (-746, 0), (-745.2, 0), (-745.13, LEAST), (LEAST, 1)],
    "expm1": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -1), (NAN, NAN), (np.nextafter(GREATEST_LOG, INF), INF),
              (LARGEST, INF), (-LARGEST, -1), (-50, -1), (LEAST, LEAST), (-LEAST, -LEAST), (TINY, TINY)],
    "log": [(0.0, -INF), (-0.0, -INF), (1, 0.0), (INF, INF), (-INF, NAN), (-1, NAN), (-LEAST, NAN), (NAN, NAN)],
    "log1p": [(0.0, 0.0), (-0.0, -0.0), (-1, -INF), (INF, INF), (-INF, NAN), (np.nextafter(-1, -2), NAN), (-2, NAN),
              (NAN, NAN), (LEAST, LEAST), (-LEAST, -LEAST), (TINY, TINY), (-1e-17, -1e-17)],
    "sin": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN), (NAN, NAN), (LEAST, LEAST), (-TINY, -TINY)],
    "cos": [(0.0, 1), (-0.0, 1), (INF, NAN), (-INF, NAN), (NAN, NAN), (LEAST, 1)],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (INF, 1), (-INF, -1), (NAN, NAN), (LARGEST, 1), (-25, -1), (LEAST, LEAST),
             (-TINY, -TINY), (1e-10, 1e-10)],
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_edges_are_exact_in_every_lane(name):
    points, expected = (np.array(column, float) for column in zip(*EDGES[name], strict=True))
    for shift in range(8):
        each = LOOPS[name][0](np.tile(np.roll(points, shift), 8))
        same(each, np.tile(np.roll(expected, shift), 8))
    same(LOOPS[name][1](points), expected)


rng = np.random.default_rng(1)
WIDE = 2.0 ** rng.uniform(-1074, 1023.9, 300)
NEXT_TO_QUARTERS = [728.849495632832, 1.0e22, 5.706742263549464e16, 6381956970095103 * 2.0**797, np.pi, 22.0, 710.0,
                    np.pi * 2.0**34, 1.2853022199154463e174]  # fmt: skip
POINTS = {
    "exp": [rng.uniform(-745.1, GREATEST_LOG, 500), rng.uniform(-1, 1, 300), rng.uniform(-745, -708, 100)],
    "expm1": [rng.uniform(-40, GREATEST_LOG, 300), rng.uniform(-1, 1, 500), WIDE[WIDE < 700], -WIDE],
    "log": [rng.uniform(0.5, 2, 500), WIDE, 1 + 2.0 ** rng.uniform(-52, -2, 100), 1 - 2.0 ** rng.uniform(-53, -2, 100)],
    "log1p": [rng.uniform(-0.9, 1, 500), WIDE, -WIDE[WIDE < 1], -1 + 2.0 ** rng.uniform(-53, -2, 100)],
    "sin": [rng.uniform(-100, 100, 500), WIDE, -WIDE, np.pi / 4 * rng.integers(1, 2**40, 200), NEXT_TO_QUARTERS],
    "cos": [rng.uniform(-100, 100, 500), WIDE, -WIDE, np.pi / 4 * rng.integers(1, 2**40, 200), NEXT_TO_QUARTERS],
    "tanh": [rng.uniform(-1, 1, 500), rng.uniform(-21, 21, 300), WIDE, -WIDE],
}


@pytest.mark.parametrize("name", NAMES)
def test_errors_stay_within_two_units_in_the_last_place(name):
    x = np.concatenate(POINTS[name])
    for point, found in zip(x.tolist(), LOOPS[name][0](x).tolist(), strict=True):
        with mpmath.workprec(1300 if abs(point) > 1e9 else 150):
            true = getattr(mpmath, name)(mpmath.mpf(point))
            unit = mpmath.mpf(2) ** max(mpmath.frexp(true)[1] - 53, -1074)
            assert abs(found - true) <= 2 * unit, (point, found, true)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_bits_in_every_kind_of_loop(name):
    each, one_by_one, some = LOOPS[name]
    x = np.concatenate([*POINTS[name], [e for e, _ in EDGES[name]]])
    whole, chosen = each(x), rng.uniform(size=len(x)) < 0.5
    same(whole, one_by_one(x))
    same(np.where(chosen, whole, 0.0), some(x, chosen))
    for start in range(1, 9):  # a loop's last turns are not vectors
        same(whole[start:], each(x[start:]))


@pytest.mark.parametrize("name", NAMES)
def test_loops_are_vectorised_also_where_only_some_turns_call(name):
    width = vector_math.widths()[0]
    each, _, some = LOOPS[name]
    each(np.ones(3)), some(np.ones(3), np.ones(3, bool))
    for loop in (each, some):
        (code,), (assembly,) = loop.inspect_llvm().values(), loop.inspect_asm().values()
        own = [f for f in code.split("\ndefine ")[1:] if "@dualgrad_" not in f.partition("{")[0]]
        assert any(re.search(rf"call [^@\n]*<{width} x double> @dualgrad_{name}_{width}(_masked)?\(", f) for f in own)
        assert width == 2 or re.search(rf"vfn?madd\w+pd.*%{'zmm' if width == 8 else 'ymm'}", assembly)


# ---- where kernels use it


@njit
def damped(x, rate):
    s = 0.0
    for i in range(len(x)):
        s += np.exp(-rate * x[i]) * np.tanh(x[i])
    return s + np.exp(rate)


@njit
def iterated(x):
    for _ in range(20):
        x = x + 0.1 * np.exp(-x) * np.cos(x)
    return x


@njit
def stored(x):
    y = np.zeros(len(x))
    y[0] = x[0]
    for i in range(len(x) - 1):
        y[i + 1] = np.tanh(y[i]) + x[i]
    return y[-1]


@njit
def until(x):
    i = 0
    while i < len(x) and x[i] > 0:
        x[i] = np.log(x[i])
        i += 1


@njit
def beside_an_opaque_call(x):
    s = 0.0
    for i in range(len(x)):
        s += np.exp(x[i]) * math.erf(x[i])
    return s


@njit
def single(x):
    s = np.float32(0.0)
    for i in range(len(x)):
        s += np.exp(x[i])
    return s


@njit
def logistic(x):
    s = 0.0
    for i in range(len(x)):
        s += np.logaddexp(0.0, x[i])
    return s


X = np.linspace(-1.0, 2.0, 37)


def flat(result):
    return result if isinstance(result, tuple) else (result,)


def text_of(f, *args):
    return dg.source(f, *args).partition("def ")[2]


def test_a_function_is_respelled_everywhere_if_one_call_stands_in_a_vectorisable_loop():
    text = text_of(dg.grad(damped, argnums=(0, 1)), X, 0.5)
    assert text.count("vector_math.exp(") == 2 and text.count("vector_math.tanh(") == 1
    assert "np.exp(" not in text and "np.tanh(" not in text


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (iterated, (0.3,)),
        (stored, (X,)),
        (until, (X,)),
        (single, (X.astype(np.float32),)),
        (beside_an_opaque_call, (X + 2,)),
    ],
)
def test_what_cannot_be_vectorised_and_other_types_keep_the_c_library(f, args):
    text = dg.source(dg.pushforward(f), args, args)
    assert "vector_math" not in text and re.search(r"np\.(exp|tanh|log)\(", text)


def test_functions_inside_a_word_are_respelled():
    text = text_of(dg.grad(logistic), X)
    assert "1.0 / (1.0 + vector_math.exp(-" in text
    np.testing.assert_allclose(dg.grad(logistic)(X), 1 / (1 + np.exp(-X)), rtol=1e-15)


def test_derivatives_are_those_of_the_c_library_to_the_last_digits():
    plain = dg.kernel(damped, vector_math=False)
    for transform in (dg.grad, dg.value_and_grad, lambda f: dg.jacobian(dg.grad(f))):
        (f, g) = (transform(k) for k in (damped, plain))
        for a, b in zip(flat(f(X, 0.5)), flat(g(X, 0.5)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-14, atol=1e-15)


# ---- the switch


def test_a_kernel_without_vector_math_is_the_same_function_with_other_derivatives():
    plain = dg.kernel(damped, vector_math=False)
    assert plain(X, 0.5) == damped(X, 0.5) and repr(plain) == "<dualgrad kernel of damped>"
    assert plain is dg.kernel(damped, vector_math=False) is not dg.kernel(damped)
    assert dg.kernel(plain, vector_math=False) is plain
    for f in (dg.kernel(dg.grad(damped), vector_math=False), pickle.loads(pickle.dumps(dg.grad(plain)))):
        assert "vector_math" not in dg.source(f, X, 0.5) and f is dg.grad(plain)
    assert repr(dg.grad(plain)) == "<dualgrad grad of damped>"
    np.testing.assert_allclose(dg.grad(lambda x: plain(np.sin(x), 0.5))(X), dg.grad(plain)(np.sin(X), 0.5) * np.cos(X))


def test_a_kernel_without_vector_math_may_write_arrays_and_stand_in_other_kernels():
    plain = dg.kernel(until, vector_math=False)
    same(*(dg.jvp(f, (X + 2,), (np.ones(37),))[1] for f in (plain, until)))
    assert "vector_math" not in dg.source(dg.pushforward(plain), (X,), (X,))
    inner = dg.kernel(damped, vector_math=False)

    @njit
    def outer(x):
        return 2 * inner(x, 0.5)

    np.testing.assert_allclose(dg.grad(outer)(X), 2 * dg.grad(damped)(X, 0.5), rtol=1e-14)


def test_the_environment_switches_it_off_and_is_part_of_the_fingerprint(monkeypatch):
    recipe, types = dg.grad(damped).recipe, tuple(dg.grad(damped).typeof_pyval(a) for a in (X, 0.5))
    monkeypatch.setattr(fingerprint, "versions", tuple)
    before = dispatcher.fingerprint_of(recipe, types)
    monkeypatch.setenv("DUALGRAD_VECTOR_MATH", "0")
    assert "vector_math" not in recipe.generate(types).source
    after = dispatcher.fingerprint_of(recipe, types)
    plain = dispatcher.fingerprint_of(dg.grad(dg.kernel(damped, vector_math=False)).recipe, types)
    assert None not in (before, after, plain) and len({before, after, plain}) == 3


def test_a_processor_without_fused_multiplication_keeps_the_c_library(monkeypatch):
    monkeypatch.setattr(vector_math, "widths", tuple)
    recipe, types = dg.grad(damped).recipe, tuple(dg.grad(damped).typeof_pyval(a) for a in (X, 0.5))
    assert "vector_math" not in recipe.generate(types).source


def test_machine_code_from_disk_needs_nothing_else(monkeypatch, tmp_path):
    monkeypatch.setenv("DUALGRAD_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(fingerprint, "versions", tuple)
    gradient = dg.grad(damped)
    types = tuple(gradient.typeof_pyval(a) for a in (X, 0.5))
    place = place_for(gradient.recipe.label, dispatcher.fingerprint_of(gradient.recipe, types))
    built = dispatcher.build(place.writable(), gradient.recipe, types)
    monkeypatch.setattr(vector_math, "library", None)
    loaded = dispatcher.load(place)
    assert "vector_math.exp" in place.source.read_text()
    np.testing.assert_array_equal(loaded.entry_point(X, 0.5), built.entry_point(X, 0.5))


# ---- new memory


@njit
def mixed(a, b, c):
    n = len(a)
    p, q, r, s, u, v = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    for i in range(n):
        p[i] = np.tanh(a[i] * b[i])
        q[i] = np.tanh(p[i] * c[i]) * a[i]
        r[i] = p[i] * q[i]
        s[i] = np.tanh(-r[i]) * q[i]
        u[i] = np.tanh(s[i] * r[i]) * b[i]
        v[i] = u[i] * s[i] * p[i]
    return np.sum(v)


def test_sweeps_over_a_dozen_arrays_are_vectorised(monkeypatch, tmp_path):
    monkeypatch.setenv("DUALGRAD_CACHE_DIR", str(tmp_path))
    gradient, args = dg.grad(mixed, argnums=(0, 1, 2)), (X, X[::-1].copy(), X + 1)
    assert "= fresh_array(np.zeros(" in dg.source(gradient, *args)
    types = tuple(gradient.typeof_pyval(a) for a in args)
    code = dispatcher.obtain(gradient.recipe, types)
    width = vector_math.widths()[0]
    text = code.library.get_llvm_str()
    own = [f for f in text.split("\ndefine ")[1:] if "@dualgrad_tanh" not in f.partition("{")[0]]
    assert any(f"<{width} x double> @dualgrad_tanh_{width}(" in f for f in own)


def test_a_new_array_is_its_own_and_lives_as_long_as_it_is_used():
    from dualgrad.backends.memory import fresh_array

    @njit
    def made(n):
        total, last = 0.0, np.zeros(n)
        for k in range(n):
            a = fresh_array(np.full(n, float(k)))
            view = a[1:]
            view[0] += last[0]
            total += np.sum(a)
            last = a
        return last, total

    last, total = made(50)
    a, expected = np.zeros(50), 0.0
    for k in range(50):
        before, a = a, np.full(50, float(k))
        a[1] += before[0]
        expected += a.sum()
    np.testing.assert_array_equal(last, a)
    assert total == expected
    last[:] = 7.0
    assert made(50)[0][0] == 49.0
