"""Checkpointed loops of kernels: the same derivatives from less memory, in every reverse verb."""

import math
import tracemalloc
from collections import Counter

import numpy as np
import pytest
from kernels import CASES, Case, arguments
from numba import njit, typeof
from test_kernel_laws import ELSEWHERE, PULL, PUSH, derived, leaves, random_like

import dualgrad as dg
from dualgrad.api import chain
from dualgrad.core.check import check
from dualgrad.core.errors import ArgumentError, KernelError
from dualgrad.core.program import For, While
from dualgrad.core.walk import walk
from dualgrad.kernels import CAREFUL, Transform
from dualgrad.read import types_of
from dualgrad.transforms.checkpoint import SCHEDULES
from dualgrad.transforms.linearize import linearize

GRAD = Transform("grad", (0,))
SPACINGS = [(1,), (2,), (7, 2), (1000,), *SCHEDULES.values()]
LOOPS: list[Case] = []


def every(*spacings):
    return Transform("checkpoint", spacings)


def loop(*args):
    """Enter a kernel with a time loop and a real result."""

    def enter(f):
        LOOPS.append(Case(f.__name__, f, args))
        return f

    return enter


X = np.array([0.3, 0.5, 0.7, 0.2])


@loop(0.7, 23)
@njit
def pendulum(x, n):
    v = 0.0
    for _ in range(n):
        v = v - 0.1 * math.sin(x)
        x = x + 0.1 * v
    return x * x + v


@loop(X, 0.2, 17)
@njit
def heat(u, k, n):
    """Buffers that exchange their names; which is which depends on the number of turns in a block."""
    u = u.copy()
    w = np.zeros_like(u)
    for _ in range(n):
        for i in range(1, len(u) - 1):
            w[i] = u[i] + k * (u[i - 1] - 2.0 * u[i] + u[i + 1]) + 0.1 * math.sin(u[i])
        u, w = w, u
    s = 0.0
    for i in range(len(u)):
        s += u[i] * w[i] * (i + 1)
    return s


@loop(X, 11)
@njit
def trajectory(x, n):
    """Every state has a row of its own, and the rows around it are read."""
    u = np.zeros((n + 2, 4))
    for i in range(4):
        u[0, i] = x[i]
        u[1, i] = x[i] * x[i]
    for t in range(n):
        for i in range(4):
            u[t + 2, i] = u[t + 1, i] + 0.1 * math.sin(u[t, i - 1]) + 0.5 * u[t + 2, i]
    s = 0.0
    for t in range(n + 2):
        s += u[t, 1] * u[t, 2]
    return s


@loop(X, 9)
@njit
def adjoint_by_hand(x, n):
    """Columns, from the last to the first."""
    u = np.zeros((4, n))
    u[:, n - 1] = x
    for t in range(n - 2, -1, -1):
        for i in range(4):
            u[i, t] = u[i, t + 1] * x[i] + math.sin(u[i - 1, t + 1])
    return u[0, 0] + u[2, 3]


@loop(X, 9)
@njit
def periodic(x, n):
    """The row before the first is the last, as negative indices say."""
    u = np.ones(n)
    u[n - 1] = x[0]
    for t in range(n):
        u[t] = math.sin(u[t - 1]) + x[1] * u[t]
    return u[n - 1] * u[0]


@loop(X, 8)
@njit
def strided(x, n):
    u = np.ones(2 * n + 4)
    for t in range(1, 2 * n, 2):
        u[t + 2] = math.sin(u[t] * x[0]) + x[1] * u[t - 1]
    return u[2 * n + 1] + u[5]


@loop(X, 9, 3)
@njit
def ring(x, n, m):
    """Rows that are used again and again are kept whole."""
    u = np.ones((m, 4))
    u[0] = x
    for t in range(n):
        for i in range(4):
            u[(t + 1) % m, i] = math.sin(u[t % m, i]) + 0.3 * u[(t + 2) % m, i - 1]
    return np.sum(u)


@loop(1.7, 40)
@njit
def until_settled(x, n):
    """A while loop whose turns are not known beforehand."""
    y, k = x, 0
    while abs(y * y - x) > 1e-3 and k < n:
        y = y - 0.1 * (y * y - x) / y
        k += 1
    return y * y * y + 0.01 * k


@loop(X, 30)
@njit
def left_early(x, n):
    s = 1.0
    for t in range(n):
        s += 0.1 * math.sin(s) * x[t % 4]
        if s > 2.0:
            break
        s *= 1.0 + 0.01 * s
    return s


@loop(X, 30)
@njit
def returned_early(x, n):
    u = x.copy()
    for t in range(n):
        if t == 2:
            continue
        for i in range(4):
            u[i] = u[i] + 0.1 * math.sin(u[i - 1])
            if u[i] > 1.3:
                return u[i] * u[i - 1]
    return u[0]


@njit
def step(u, h):
    return u + h * math.sin(u) / (1.0 + u * u)


@njit
def evolve(u, n):
    for _ in range(n):
        u = step(u, 0.1)
    return u


@loop(X, 7)
@njit
def loops_in_callees(x, n):
    s = evolve(x[0], n)
    for i in range(4):
        s += evolve(s * x[i], i * 2)
    return s


EVOLVE = {spacing: dg.checkpoint(evolve, spacing) for spacing in (3, "sqrt")}
evolve_by_three = EVOLVE[3]


@loop(X, 7)
@njit
def checkpointed_callees(x, n):
    """The loops of a callee are marked, inside a loop that may be."""
    s = evolve_by_three(x[0], n)
    for i in range(4):
        s += evolve_by_three(s * x[i], i * 2)
    return s


@loop(X, 9)
@njit
def triangular(x, n):
    s = x[0]
    for t in range(n):
        for j in range(t % 5):
            s += 0.01 * math.sin(s * x[j % 4]) * s
    return s


@loop(X, True, 9)
@njit
def in_a_branch(x, forced, n):
    a, s = x.copy(), 0.3
    if forced:
        for t in range(n):
            a[t % 4] = math.sin(a[t % 4] + s)
            s += a[t % 3] * s
    else:
        for _ in range(n):
            s = s * s
    return s + a[1]


@loop(X, 9)
@njit
def overwritten_afterwards(x, n):
    """What the loop reads has other contents when it is run again."""
    k, s = x * x, x[0]
    for t in range(n):
        s = math.sin(s) + k[t % 4] * s * 0.1
    k[:] = s
    return s + np.sum(k * x)


@loop(X, 3)
@njit
def random_numbers(x, seed):
    """Integers and truths are state, too."""
    s, hits = x[0], np.zeros(4, np.int64)
    seen = False
    for _ in range(20):
        seed = (1103 * seed + 12345) % 65536
        hits[seed % 4] += 1
        seen = seen or seed % 7 == 0
        s = math.sin(s + 0.1 * hits[seed % 4]) * (x[1] if seen else x[2])
    return s


@loop(X, 5)
@njit
def two_time_loops(x, n):
    u, s = x.copy(), 0.0
    for _ in range(n):
        u = u + 0.1 * np.sin(u) * u[0]
    for t in range(2 * n):
        s = s * u[t % 4] + math.cos(s)
    return s


@loop(X, 9)
@njit
def written_only(x, n):
    """Stores that nothing reads in the loop need no state."""
    out, s = np.zeros(n), x[0]
    for t in range(n):
        s = math.sin(s) * x[1] + s
        out[t] = s * s
    return np.sum(out)


each_loop = pytest.mark.parametrize("case", LOOPS, ids=lambda c: c.name)


def by_differences(f, args, h=1e-6):
    """The gradient by the first argument."""
    x = np.asarray(args[0], float)
    found = np.zeros(x.shape)
    for k in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[k] += h
        down[k] -= h
        found[k] = (f(up[()], *args[1:]) - f(down[()], *args[1:])) / (2 * h)
    return found


@each_loop
def test_gradients(case):
    plain = derived(case.f, (GRAD,), *case.args)(*case.args)
    np.testing.assert_allclose(plain, by_differences(case.f, case.args), rtol=1e-6, atol=1e-8)
    for spacings in SPACINGS:
        f = derived(case.f, (every(*spacings), GRAD), *case.args)
        np.testing.assert_allclose(f(*case.args), plain, rtol=1e-12, atol=1e-14)


@each_loop
def test_second_derivatives(case):
    """Forward over reverse, reverse over forward, and reverse over reverse."""
    steps = (GRAD, Transform("jacobian", (0, "fwd")))
    plain = derived(case.f, steps, *case.args)(*case.args)
    slope = derived(case.f, (GRAD,), *case.args)
    ct = np.random.default_rng(0).normal(size=np.shape(case.args[0]))
    curvature = by_differences(lambda *args: np.sum(ct * slope(*args)), case.args)
    np.testing.assert_allclose(plain @ ct if np.ndim(plain) else plain * ct, curvature, rtol=1e-5, atol=1e-7)
    for marks in ((every(3),), (every(*SCHEDULES["cbrt"]),)):
        for mode in ("fwd", "rev"):
            f = derived(case.f, (*marks, GRAD, Transform("jacobian", (0, mode))), *case.args)
            np.testing.assert_allclose(f(*case.args), plain, rtol=1e-9, atol=1e-11)
    careful = derived(case.f, (every(2), GRAD, CAREFUL), *case.args)
    np.testing.assert_allclose(careful(*case.args), slope(*case.args), rtol=1e-12, atol=1e-14)


CHECKED = [c for c in CASES if c.name not in ELSEWHERE]
CHECKED += [  # the same in double, where rounding hides nothing
    Case("singles_in_double", c.f, (c.args[0].astype(float), float(c.args[1])), smooth=False)
    for c in CASES
    if c.name == "single_arrays"
]


@pytest.mark.parametrize("k, case", list(enumerate(CHECKED)), ids=[c.name for c in CHECKED])
def test_every_kernel_keeps_its_derivatives(k, case):
    args = arguments(case)
    out = derived(case.f, (PUSH,), args, args)(args, arguments(case))[0]
    ct = random_like(out, 1)
    plain = derived(case.f, (PULL,), args, ct)(args, ct)
    found = derived(case.f, (every(*SPACINGS[k % len(SPACINGS)]), PULL), args, ct)(arguments(case), ct)
    for a, b in zip(leaves(plain), leaves(found), strict=True):
        single = np.asarray(a).dtype in (np.float32, np.complex64)  # sums in another order differ by its roundings
        np.testing.assert_allclose(b, a, rtol=1e-6 if single else 1e-10, atol=1e-6 if single else 1e-12)


def program(case, *spacings):
    steps = (every(*spacings),) if spacings else ()
    return chain.read_chain(case.f, steps, types_of(tuple(map(typeof, case.args)))).program


@each_loop
def test_programs_are_legal_and_say_what_is_checkpointed(case):
    marked = check(program(case, 5, 2))
    assert "# checkpoint=(5, 2)" in str(marked)
    split = linearize(marked, tuple(v.type.differentiable for v in marked.params))
    forward, linear = check(split.forward()), check(split.linear())
    marks = {s.checkpoint for s in walk(forward.body + linear.body) if isinstance(s, (For, While))}
    assert marks <= {(), (1,)} and len(marks) == 2
    assert "# checkpoint=(1,)" in str(linear)


def test_a_loop_that_keeps_nothing_stays_as_it_is():
    @njit
    def total(x):
        s = 0.0
        for v in x:
            s += v * v
        return s

    plain, marked = (chain.generate(total, (*s, GRAD), (typeof(X),)).source for s in ((), (every(3),)))
    assert marked.replace(" of checkpoint", "") == plain


# Memory and work


def peak(f, *args):
    tracemalloc.start()
    f(*args)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def long(f, n):
    """Arguments for about n turns."""
    return {"pendulum": (0.7, n), "heat": (np.linspace(0, 1, 6), 0.2, n // 4), "spiral": (0.3, n)}[f.__name__]


@njit
def spiral(x, n):
    """A while loop of n turns."""
    k = 0
    while k < n:
        x = x + 0.001 * math.sin(x) * math.cos(x)
        k += 1
    return x


@pytest.mark.parametrize("f", [pendulum, heat, spiral])
@pytest.mark.parametrize("schedule, growth", [(None, 16), ("sqrt", 4), ("cbrt", 16 ** (1 / 3))])
def test_memory_grows_as_promised(f, schedule, growth):
    """Arrays of Python's run of the generated source; what does not grow is measured without a turn and taken off."""
    marks = (every(*SCHEDULES[schedule]),) if schedule else ()
    gradient = derived(f, (*marks, GRAD), *long(f, 0))
    empty, small, large = (peak(gradient, *long(f, n)) for n in (0, 400, 6400))
    assert (large - empty) / (small - empty) < 1.5 * growth


@pytest.mark.parametrize("schedule, runs", [(None, 1), (10, 2), ((100, 10), 3), ("sqrt", 2), ("cbrt", 3)])
@pytest.mark.parametrize("f", [pendulum, spiral])
def test_turns_run_again_as_often_as_promised(f, schedule, runs):
    counts = Counter()

    class Counting:
        def __getattr__(self, name):
            counts[name] += 1
            return getattr(np, name)

    spacings = SCHEDULES[schedule] if isinstance(schedule, str) else schedule
    spacings = spacings if isinstance(spacings, tuple) else (spacings,) if spacings else ()
    gradient = derived(f, (every(*spacings), GRAD) if spacings else (GRAD,), *long(f, 0))
    gradient.__globals__["np"] = Counting()
    gradient(*long(f, 1000))
    sines = 1000 * (runs if f is pendulum else runs + 1)  # the slope of the spiral's product has one more
    assert counts["sin"] <= sines and (schedule is None or counts["sin"] > 1000 * (runs - 1))


# Tapes whose size is known beforehand


@njit
def shifted_triangle(x, n):
    s = x[0]
    for i in range(2, n, 2):
        for j in range(1, i - 1):
            s += 0.1 * math.sin(s * x[j % 4])
    return s


@njit
def capped(x, n):
    s = x[0]
    for i in range(n):
        for j in range(min(3, i * i)):
            s += 0.1 * math.sin(s * x[j])
    return s


@njit
def exchanged_lengths(x, n):
    a, b = x.copy(), np.ones(3)
    for _ in range(n):
        for i in range(len(a) - 1):
            a[i] = math.sin(a[i] * b[1]) + a[i + 1]
        a, b = b, a
    return a[0] * b[1]


@pytest.mark.parametrize("f", [shifted_triangle, capped, exchanged_lengths])
@pytest.mark.parametrize("n", [0, 1, 7])
def test_a_bound_on_the_turns_makes_tapes_that_do_not_grow(f, n):
    assert "concatenate" not in chain.generate(f, (GRAD,), (typeof(X), typeof(n))).source
    for steps in ((GRAD,), (every(2), GRAD)):
        np.testing.assert_allclose(derived(f, steps, X, n)(X, n), by_differences(f, (X, n)), rtol=1e-6, atol=1e-9)


# Verbs, compiled


@njit
def relaxed(u, k, n):
    """An array that is written in place, and nothing returned."""
    for _ in range(n):
        for i in range(1, len(u)):
            u[i] = u[i] + k * math.sin(u[i - 1] - u[i])


@njit
def spin(x, k, n):
    a, b = x[0], x[1]
    for _ in range(n):
        a, b = b, a + k * math.sin(b)
    return a * b


@njit
def spin_in_place(x, k, n):
    for _ in range(n):
        x[0], x[1] = x[1], x[0] + k * math.sin(x[1])


@njit
def spun(x):
    return spin(x, 0.2, 57)


def test_every_reverse_verb():
    x, v, k, n = np.array([0.3, 0.5]), np.array([1.0, -2.0]), 0.2, 57
    slope, curvature = dg.grad(spin)(x, k, n), dg.hessian(spin)(x, k, n)

    def same(found, wanted):
        np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-13)

    same(dg.grad(spin, checkpoint="sqrt")(x, k, n), slope)
    same(dg.value_and_grad(spin, checkpoint="sqrt")(x, k, n)[1], slope)
    same(dg.grad(spin, (0, 1), checkpoint=7)(x, k, n)[1], dg.grad(spin, 1)(x, k, n))
    same(dg.hessian(spin, checkpoint="cbrt")(x, k, n), curvature)
    same(dg.hvp(spun, (x,), (v,), checkpoint=5), curvature @ v)
    columns = dg.jacobian(spin_in_place, mode="fwd")(x, k, n)
    for found in (dg.jacobian(spin_in_place, mode="rev", checkpoint=(9, 3)), dg.jacrev(spin_in_place, checkpoint=4)):
        same(found(x, k, n), columns)
    out, back = dg.vjp(spin_in_place, x, k, n, checkpoint=8)
    same(back(v)[0], v @ columns)
    same(dg.pullback(spin_in_place, checkpoint=8)((x, k, n), v)[0], out)
    same(dg.linearize(spin_in_place, x, k, n, checkpoint=8)[1].T(v)[0], v @ columns)
    assert x[1] == 0.5


def test_a_checkpointed_kernel_is_a_kernel():
    """It has the values of the original, from Python, nopython code and numbers, and writes what that writes."""
    marked, x = dg.checkpoint(relaxed, 5), np.array([0.3, 0.5, 0.7, 0.2])
    ours, theirs = x.copy(), x.copy()
    assert marked(ours, 0.2, 12) is None
    relaxed(theirs, 0.2, 12)
    np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(ours, x)

    def loss(relax):
        def f(x):
            y = np.sin(x)
            relax(y, 0.2, 12)
            return np.sum(y * y)

        return f

    for mode in (dg.grad, dg.jacfwd, dg.hessian):
        plain = mode(loss(dg.kernel(relaxed)))(x)
        np.testing.assert_allclose(mode(loss(marked))(x), plain, rtol=1e-12, atol=1e-14)

    slope = dg.grad(pendulum, checkpoint="sqrt")

    @njit
    def caller(x):
        y = np.array([x, x * x, 0.1])
        marked(y, 0.3, 6)
        return y[2] + slope(x, 30)

    plain = dg.grad(pendulum)(0.7, 30)
    y = np.array([0.7, 0.49, 0.1])
    relaxed(y, 0.3, 6)
    assert caller(0.7) == pytest.approx(y[2] + plain, rel=1e-12)
    h = 1e-5
    assert dg.grad(caller)(0.7) == pytest.approx((caller(0.7 + h) - caller(0.7 - h)) / (2 * h), rel=1e-7)


@njit
def many_steps(x, n):
    v, dt = 0.0, 10.0 / n
    for _ in range(n):
        v = v - dt * math.sin(x)
        x = x + dt * v
    return x * x + v


def test_a_million_steps():
    """Memory that the process asks for is taken from its peak, which only grows: the careful one goes first."""
    import resource

    def grown(f):
        f(1.0, 10)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        value = f(1.0, 1_000_000)
        return value, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    gradient = dg.grad(many_steps, checkpoint="sqrt")
    value, memory = grown(gradient)
    assert memory < 1000  # kilobytes
    h = 1e-5
    slope = (many_steps(1.0 + h, 1_000_000) - many_steps(1.0 - h, 1_000_000)) / (2 * h)
    assert value == pytest.approx(slope, rel=1e-8)
    assert dg.grad(many_steps)(1.0, 1_000_000) == pytest.approx(value, rel=1e-12)


# What is refused


def message(error, call):
    with pytest.raises(error) as info:
        call()
    return str(info.value)


@pytest.mark.parametrize("spacing", [0, -3, 2.5, "log", (), (10, "sqrt"), True, (5, 0)])
def test_a_spacing_is_a_number_of_turns(spacing):
    text = message(ArgumentError, lambda: dg.grad(pendulum, checkpoint=spacing))
    assert f"checkpoint={spacing!r}" in text and '"sqrt"' in text


def test_a_python_loop_cannot_be_seen():
    text = message(ArgumentError, lambda: dg.grad(np.sin, checkpoint=10))
    assert "@njit" in text and "dg.checkpoint" in text
    assert "@njit" in message(ArgumentError, lambda: dg.checkpoint(np.sin, 10))


def test_two_names_for_one_array():
    @njit
    def f(x, n):
        a, b = x.copy(), x * x
        first = a
        for _ in range(n):
            for i in range(len(a)):
                b[i] = math.sin(a[i]) * first[0]
            a, b = b, a
        return a[0]

    gradient = derived(f, (GRAD,), X, 3)(X, 3)
    np.testing.assert_allclose(gradient, by_differences(f, (X, 3)), rtol=1e-7)
    text = message(KernelError, lambda: derived(f, (every(2), GRAD), X, 3))
    line = f.py_func.__code__.co_firstlineno + 4
    assert "other names" in text and f":{line}, in f: for _ in range(n):" in text
