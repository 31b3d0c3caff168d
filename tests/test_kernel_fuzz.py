"""The laws of differentiation over random kernels: what nobody thought of writing down in `kernels`.

Each kernel goes through every transform, each program is checked after each one, and the
generated source is run as plain Python beside differences of the original.  ``python
tests/test_kernel_fuzz.py 1000 500`` runs five hundred kernels from seed 1000 on and shrinks
what fails.
"""

from __future__ import annotations

import random
import sys
import traceback
from collections import Counter

import numpy as np
import pytest
import test_kernel_laws
from kernel_fuzzer import Original, Sample, copied, function, sample, shrunk
from numba import njit, typeof
from test_kernel_laws import (
    JET,
    PULL,
    PUSH,
    Gradient,
    derived,
    dot,
    flat,
    is_real,
    leaves,
    random_like,
    shifted,
    tree_map,
)

from dualgrad.api import chain
from dualgrad.core import printer
from dualgrad.core.check import check
from dualgrad.core.errors import KernelError
from dualgrad.kernels import Transform
from dualgrad.read import read_kernel, types_of
from dualgrad.transforms.jet import jet
from dualgrad.transforms.jvp import jvp
from dualgrad.transforms.linearize import linearize
from dualgrad.transforms.ssa import ssa
from dualgrad.transforms.transpose import transpose

FEW, MANY, COMPILED = 60, 5000, 2
DIRECTIONS = 3
# What may be refused: by the reader, and by reverse mode
REFUSED = ("a part of an array", "may mean different things", "made on some paths only", "means one array or another",
           "is written in place", "by what overlaps it")  # fmt: skip


def real(tree, out):
    """The leaves of a tree, as one vector, that belong to the real ones of the result."""
    pairs = zip(leaves(tree), leaves(out), strict=True)
    return flat(tuple(np.asarray(a, float) for a, b in pairs if is_real(b)))


def rebuilt(tree, values):
    """The structure with its leaves replaced from left to right."""
    following = iter(values)
    return tree_map(lambda _: next(following), tree)


class Unsuitable(Exception):
    """A kernel whose differences say nothing: other decisions nearby, or too much noise."""


class Case:
    """One kernel, its derivatives as they are asked for, and how well they have to agree."""

    def __init__(self, found: Sample, f):
        self.sample, self.f = found, f
        self.args = copied(found.args)
        self.original, self.texts = Original(found), {}
        self.tangents = random_like(self.args, 1)
        self.h = 2e-2 if found.single else 1e-3
        self.loose = 3e-3 if found.single else 0.0
        self.out, self.dots = self.run([PUSH], self.args, self.tangents)
        self.cts = random_like(self.out, 2)

    def derived(self, steps, *args):
        """The text of a chain as a function, made once: its arguments always have the same types."""
        key = tuple(steps)
        if key not in self.texts:
            self.texts[key] = derived(self.f, steps, *args)
        return self.texts[key]

    def program(self):
        return ssa(read_kernel(self.f, types_of([typeof(a) for a in self.args])).program)

    def run(self, steps, *args):
        """A chain at these arguments; what it was given must not change, and the results are the caller's own."""
        before = tree_map(np.copy, args)
        with np.errstate(all="ignore"):
            result = self.derived(steps, *args)(*args)
        for a, b in zip(leaves(args), leaves(before), strict=True):
            assert np.array_equal(a, b), f"{steps} changes an argument"
        arrays = [a for a in leaves(args) if isinstance(a, np.ndarray)]
        assert not any(np.shares_memory(a, b) for a in arrays for b in leaves(result) if isinstance(b, np.ndarray))
        return result

    def results(self, args):
        """The original's real results as one vector, and its decisions."""
        found, decisions = self.original(args)
        assert len(found) == len(leaves(self.out)), "the derivative has another number of results"
        real = [np.ravel(a).astype(float) for a, b in zip(found, leaves(self.out), strict=True) if is_real(b)]
        return np.concatenate(real) if real else np.zeros(0), decisions

    def same_decisions(self):
        at = [self.results(shifted(self.args, self.tangents, k * self.h))[1] for k in (0, -2, -1, 1, 2)]
        if any(d != at[0] for d in at):
            raise Unsuitable("decisions")

    def agree(self, found, wanted, tolerance=1e-9, scale=None):
        """Equal up to the tolerance, relative to the largest number around."""
        found, wanted = np.asarray(found, float), np.asarray(wanted, float)
        assert found.shape == wanted.shape
        scale = 1 + max(np.abs(wanted), default=0.0) if scale is None else scale
        np.testing.assert_allclose(found / scale, wanted / scale, rtol=0, atol=max(tolerance, self.loose))

    def differences(self, f, found, *directed):
        """``found`` is the derivative of ``f`` along the tangents; halving the step shows how exact differences are."""

        def five_points(h):
            at = {k: f(h * k) for k in (-2, -1, 1, 2)}
            return (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * h)

        coarse, fine = five_points(self.h), five_points(self.h / 2)
        scale = 1 + max(np.abs(fine), default=0.0)
        noise = max(np.abs(coarse - fine), default=0.0) / scale
        if noise > (1e-2 if self.sample.single else 1e-5):
            raise Unsuitable("noise")
        self.agree(found, fine, 1e-7 + 2 * noise, scale)

    def along(self, h):
        return shifted(self.args, self.tangents, h)


# The laws; each raises where it does not hold


def pushforward_is_the_directional_derivative_of_the_original(c):
    value, _ = c.results(c.args)
    c.agree(flat(c.out), value, 1e-8 if "gradient(" in c.sample.source else 1e-12)
    for x, y in zip(leaves(c.out), c.original(c.args)[0], strict=True):
        assert is_real(x) or np.array_equal(x, y)
    c.differences(lambda h: c.results(c.along(h))[0], real(c.dots, c.out))


def pullback_is_the_adjoint_of_the_pushforward(c):
    value, back = c.run([PULL], c.args, c.cts)
    np.testing.assert_array_equal(flat(value), flat(c.out))
    c.agree([dot(c.tangents, back)], [dot(c.cts, c.dots)])


def forward_over_reverse_is_the_derivative_of_the_pullback(c):
    back = c.derived([PULL], c.args, c.cts)
    point, direction = (c.args, c.cts), (c.tangents, tree_map(lambda a: a * 0, c.cts))
    out, dots = c.run([PULL, PUSH], point, direction)
    c.differences(lambda h: flat(back(c.along(h), c.cts)), real(dots, out))


def reverse_over_reverse_is_the_adjoint_of_forward_over_reverse(c):
    point = (c.args, c.cts)
    direction = random_like(point, 3)
    out, dots = c.run([PULL, PUSH], point, direction)
    cts = random_like(out, 4)
    _, back = c.run([PULL, PULL], point, cts)
    c.agree([dot(direction, back)], [dot(cts, dots)])


def reverse_over_forward_is_the_adjoint_of_forward_over_forward(c):
    point = (c.args, c.tangents)
    direction = random_like(point, 5)
    out, dots = c.run([PUSH, PUSH], point, direction)
    cts = random_like(out, 6)
    _, back = c.run([PUSH, PULL], point, cts)
    c.agree([dot(direction, back)], [dot(cts, dots)])


def jets_are_nested_pushforwards(c):
    second = random_like(c.args, 7)
    series = tree_map(lambda t, s: np.stack([t, s, 0 * t]) if is_real(t) else t, c.tangents, second)
    out, coefficients = c.run([JET], c.args, series)
    np.testing.assert_array_equal(flat(out), flat(c.out))
    direction = (c.tangents, tree_map(lambda s: 2 * s if is_real(s) else s, second))
    _, (_, again) = c.run([PUSH, PUSH], (c.args, c.tangents), direction)
    rows = [a for a in leaves(coefficients) if is_real(a)]
    if rows:
        c.agree(np.concatenate([np.ravel(a[0]) for a in rows]), real(c.dots, c.out))
        c.agree(np.concatenate([np.ravel(a[1]) for a in rows]), real(again, c.out) / 2)


def third_coefficient_is_a_third_of_the_derivative_of_the_second(c):
    series = tree_map(lambda t: np.stack([t, 0 * t, 0 * t]) if is_real(t) else t, c.tangents)
    taylor = c.derived([JET], c.args, series)

    def order(k, args):
        _, coefficients = taylor(args, series)
        rows = [np.ravel(a[k - 1]).astype(float) for a in leaves(coefficients) if is_real(a)]
        return np.concatenate(rows) if rows else np.zeros(0)

    c.differences(lambda h: order(2, c.along(h)), 3 * order(3, c.args))


def directions_are_single_pushforwards(c):
    program = c.program()
    active = tuple(v.type.differentiable for v in program.params)
    many = check(jvp(program, active, DIRECTIONS))
    tangents = [random_like(c.args, 10 + k) for k in range(DIRECTIONS)]
    stacked = [np.stack(parts, -1) for parts in zip(*map(leaves, tangents), strict=True) if is_real(parts[0])]
    values = text_of(many)(*leaves(copied(c.args)), *stacked)
    dots = values[len(program.results) :]
    for k, t in enumerate(tangents):
        _, wanted = c.run([PUSH], c.args, t)
        c.agree(flat(tuple(np.asarray(d)[..., k] for d in dots)), real(wanted, c.out), 1e-12)


def jacobians_are_the_pushforward_in_both_modes(c):
    chosen = tuple(k for k, a in enumerate(c.args) if all(map(is_real, leaves(a))))
    tangents = leaves(tuple(c.tangents[k] for k in chosen))
    columns = c.run([Transform("jacobian", (chosen, "fwd"))], *c.args)
    rows = c.run([Transform("jacobian", (chosen, "rev"))], *c.args)
    c.agree(flat(rows), flat(columns))
    real = [n for n, out in enumerate(leaves(c.out)) if is_real(out)]
    count = len(tangents)
    parts = [leaves(columns)[n * count : (n + 1) * count] for n in range(len(leaves(c.out)))]
    for n, dots in zip(real, [leaves(c.dots)[n] for n in real], strict=True):
        total = sum(np.tensordot(j, t, np.ndim(t)) for j, t in zip(parts[n], tangents, strict=True))
        c.agree(np.ravel(total), np.ravel(dots))


def other_arguments_may_be_constants(c):
    """Only some numbers and arrays are differentiated by: in reverse mode and in Taylor mode."""
    program, r = c.program(), random.Random(c.sample.seed)
    active = tuple(v.type.differentiable and r.random() < 0.5 for v in program.params)
    if not any(active):
        return
    args, all_tangents = leaves(c.args), leaves(c.tangents)
    tangents = [t if on else 0 * t for t, on in zip(all_tangents, active, strict=True)]
    structured = rebuilt(c.args, tangents)
    _, dots = c.run([PUSH], c.args, structured)

    split = linearize(program, active)
    linear = check(split.linear())
    assert len(linear.params) == len(split.residuals) + sum(active)
    forward = text_of(split.forward())(*copied(tuple(args)))
    residuals = forward[len(program.results) :]
    found = text_of(linear)(*residuals, *(t for t, on in zip(copied(tuple(tangents)), active, strict=True) if on))
    c.agree(flat(tuple(np.asarray(d, float) for d in found)), real(dots, c.out), 1e-12)

    coeffs = [np.stack([a, t, 0 * t], -1) for a, t, on in zip(args, tangents, active, strict=True) if on]
    series = text_of(check(jet(program, active)))(*copied(tuple(args)), *coeffs)
    first = [s[..., 1] if is_real(o) else 0 for s, o in zip(series, leaves(c.out), strict=True)]
    c.agree(real(tuple(first), c.out), real(dots, c.out))


def reverse_mode_goes_through_series_and_series_through_reverse_mode(c):
    if c.sample.seed % 5:
        return
    series = tree_map(lambda t: np.stack([t, 0.5 * t]) if is_real(t) else t, c.tangents)
    point = (c.args, series)
    direction = random_like(point, 8)
    out, dots = c.run([JET, PUSH], point, direction)
    cts = random_like(out, 9)
    _, back = c.run([JET, PULL], point, cts)
    c.agree([dot(direction, back)], [dot(cts, dots)])
    point, direction = (c.args, c.cts), random_like((c.args, c.cts), 10)
    _, dots = c.run([PULL, PUSH], point, direction)
    out, coefficients = c.run([PULL, JET], point, tree_map(lambda t: np.stack([t, t]) if is_real(t) else t, direction))
    c.agree(real(tree_map(lambda a: a[0] if is_real(a) and np.ndim(a) else a, coefficients), out), real(dots, out))


def programs_are_legal_after_every_pass(c):
    program = check(c.program())
    active = tuple(v.type.differentiable for v in program.params)
    check(jvp(program, active))
    check(jet(program, active))
    split = linearize(program, active)
    check(split.forward())
    linear = check(split.linear())
    like = dict(zip(linear.params[len(linear.params) - linear.linear :], split.program.params, strict=False))
    if not any(v.type.rank for v in like):
        check(transpose(linear, like))


LAWS = [
    pushforward_is_the_directional_derivative_of_the_original,
    pullback_is_the_adjoint_of_the_pushforward,
    forward_over_reverse_is_the_derivative_of_the_pullback,
    reverse_over_reverse_is_the_adjoint_of_forward_over_reverse,
    reverse_over_forward_is_the_adjoint_of_forward_over_forward,
    jets_are_nested_pushforwards,
    third_coefficient_is_a_third_of_the_derivative_of_the_second,
    directions_are_single_pushforwards,
    jacobians_are_the_pushforward_in_both_modes,
    other_arguments_may_be_constants,
    reverse_mode_goes_through_series_and_series_through_reverse_mode,
    programs_are_legal_after_every_pass,
]


def text_of(program):
    """The program's source run as Python; the results as a tuple."""
    import math

    names = {"np": np, "math": math}
    slots = range(len(program.results))
    text = printer.to_source(program, returns="return (" + "".join(f"{{{k}}}, " for k in slots) + ")")
    exec(compile(text, "<program>", "exec"), names)
    return names[program.name]


def outcome(found: Sample, laws=None):
    """None where all laws hold, the reason where a kernel is unsuitable, else ``(law, error, trace)``."""
    reasons = []
    with function(found.source, Gradient) as f:
        law = None
        try:
            case = Case(found, f)
            case.same_decisions()
            for law in laws or LAWS:
                try:
                    law(case)
                except Unsuitable as why:
                    reasons.append(str(why))
        except Unsuitable as why:
            reasons.append(str(why))
        except KernelError as error:
            if any(known in str(error) for known in REFUSED):
                return ["refused"]
            return law.__name__ if law else "reading", type(error), traceback.format_exc()
        except Exception as error:
            name = law.__name__ if law else "reading"
            return name, type(error), traceback.format_exc()
    return reasons or None


def is_failure(result):
    return isinstance(result, tuple)


def report(found: Sample, result, shrink=True) -> str:
    """What failed, at which seed, and the smallest kernel found that fails alike."""
    law, error, trace = result
    wanted = [f for f in LAWS if f.__name__ == law] or [LAWS[0]]

    def alike(candidate):
        r = outcome(candidate, wanted)
        return is_failure(r) and r[1] is error and r[0] == law

    if shrink:
        found = shrunk(found, alike)
        again = outcome(found, wanted)
        trace = again[2] if is_failure(again) else trace
    return f"{law}: {error.__name__}\n{trace}\n{found}"


@pytest.fixture(autouse=True)
def _checked(monkeypatch):
    check_every_step(monkeypatch.setattr)


def check_every_step(setattr):
    """Every program that a chain makes goes through the checker; the beginnings that chains share are made once."""
    plain, made, bases = chain.read_chain, {}, []

    def checked(base, steps, argtypes):
        if bases != [base]:
            bases[:] = [base]
            made.clear()
        reading = chain.READING.get(chain.Reading())
        key = (steps, tuple(argtypes), reading.careful)
        if key not in made:
            before, reading.zeros = reading.zeros, False
            f = plain(base, steps, argtypes)
            check(f.program)
            made[key] = f, reading.zeros
            reading.zeros |= before
        f, zeros = made[key]
        reading.zeros |= zeros
        return f

    setattr(chain, "read_chain", checked)


def test_random_kernels_obey_the_laws(pytestconfig):
    reasons: Counter = Counter()
    count = MANY if pytestconfig.getoption("--long") else FEW
    for seed in range(count):
        found = sample(seed)
        result = outcome(found)
        if is_failure(result):
            pytest.fail(report(found, result), pytrace=False)
        reasons.update(result or ["all"])
    assert reasons["all"] > 0.9 * count and reasons["refused"] < 0.06 * count, reasons


@pytest.mark.kernel
def test_compiled_random_kernels_give_what_the_text_gives(pytestconfig):
    for seed in range(20 if pytestconfig.getoption("--long") else COMPILED):
        found = sample(seed)
        with function(found.source, Gradient) as f:
            case = Case(found, f)
            compiled_agrees(case)


def compiled_agrees(c):
    """The pullback's text compiled by numba, with its helpers in place, against the same text run as Python."""
    generated = chain.generate(c.f, (PULL,), (typeof(c.args), typeof(c.cts)))
    names: dict = {}
    exec(compile(generated.source, "<compiled>", "exec"), names)
    text = names[generated.entry]
    for x, y in zip(leaves(njit(text)(c.args, c.cts)), leaves(text(c.args, c.cts)), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-11, atol=1e-12 + c.loose)


POINTS = (0.0, 0.0, 1.0, -1.0, np.inf, np.nan, 0.5)


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
                both = ([Transform("jacobian", (chosen, mode))] for mode in ("fwd", "rev"))
                columns, rows = (test_kernel_laws.run_on_numpy(f, steps, *args) for steps in both)
            except (ValueError, OverflowError, IndexError):  # NaN as an index, in the original too
                continue
            except KernelError as error:
                assert any(known in str(error) for known in REFUSED)
                continue
        tolerance = 1e-4 if found.single else 1e-9
        for a, b in zip(leaves(columns), leaves(rows), strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=str(found))
        compared += 1
    assert compared > 0.75 * count  # others do not end at NaN, or are refused


def main(first, count, shrink=True):
    """Run many; print each failure and a summary."""
    check_every_step(setattr)
    reasons: Counter = Counter()
    for seed in range(first, first + count):
        if seed % 50 == 0:
            print(f"seed {seed}", dict(reasons), flush=True)
        found = sample(seed)
        result = outcome(found)
        if is_failure(result):
            name = f"FAILED {result[0]} {result[1].__name__}"
            reasons[name] += 1
            print("=" * 100, report(found, result, shrink and reasons[name] < 3), sep="\n", flush=True)
        else:
            reasons.update(result or ["all"])
    print(reasons)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), "fast" not in sys.argv)
