"""The reader: a program that was read gives the values of the kernel it was read from, in Python and in numba."""

import math
import re
import subprocess
import sys
from pathlib import Path

import kernels
import numba
import numpy as np
import pytest
from kernels import CASES, arguments
from numba import njit
from random_kernels import EXAMPLE
from random_kernels import load as random_kernels

from dualgrad.api.chain import outside_things
from dualgrad.backends import dots
from dualgrad.core.check import check
from dualgrad.core.errors import StructureError
from dualgrad.core.printer import Printer
from dualgrad.core.program import Const, If, Let, Type, While
from dualgrad.core.walk import walk
from dualgrad.read import read_kernel, types_of
from dualgrad.transforms.ssa import ssa

FLOAT, VECTOR, MATRIX = Type("float64"), Type("float64", 1), Type("float64", 2)


def read(case):
    return read_kernel(case.f, types_of([numba.typeof(a) for a in case.args]))


def flat(value):
    """Numbers and arrays in nested tuples, from left to right."""
    return [leaf for part in value for leaf in flat(part)] if type(value) is tuple else [value]


def source(program, fold=False):
    """Statement by statement: folding is for single assignment."""
    return Printer(program, fold).definition()


def compiled(program, fold=False):
    names = {"np": np, "math": math, "StructureError": StructureError, **outside_things(program)}
    names |= {name: getattr(dots, name) for name in ("plus", "dot", "dot_nt", "dot_tn")}
    exec(source(program, fold), names)
    return names[program.name]


def expected(case):
    """What the kernel returns, or the arrays it wrote."""
    args = arguments(case)
    before = flat(arguments(case))
    out = case.f(*args)
    if out is not None:
        return flat(out)
    return [a for a, b in zip(flat(args), before, strict=True) if np.ndim(a) and not np.array_equal(a, b)]


def assert_same(found, wanted, single=False):
    """Where ``single``, Python's float32 by int is float32 and numba's is float64."""
    found = flat(found)
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6 if single or np.asarray(b).dtype == np.float32 else 1e-12)


def is_single(case):
    return any(np.asarray(a).dtype == np.float32 for a in flat(arguments(case)))


cases = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)


@pytest.mark.filterwarnings("ignore:.*faster on contiguous arrays")  # of numba, about the kernel itself
@cases
def test_the_program_is_the_kernel_in_python(case):
    program = read(case).program
    assert_same(compiled(program)(*flat(arguments(case))), expected(case), is_single(case))


@cases
def test_the_program_in_single_assignment_is_the_kernel(case):
    program = check(ssa(read(case).program))
    assert_same(compiled(program, fold=True)(*flat(arguments(case))), expected(case), is_single(case))


@pytest.mark.kernel
@cases
def test_the_program_is_the_kernel_in_numba(case):
    f = njit(compiled(read(case).program))
    assert_same(f(*flat(arguments(case))), expected(case))


@cases
def test_types_are_those_of_numba(case):
    r = read(case)
    if r.result is None:
        return
    case.f(*arguments(case))
    wanted = case.f.nopython_signatures[-1].return_type
    structure = types_of([wanted])[0]
    assert [a.type for a in flat(r.result)] == flat(structure)


@cases
def test_writes_are_the_arrays_that_change(case):
    r = read(case)
    args = flat(arguments(case))
    before = [np.copy(a) for a in args]
    compiled(r.program)(*args)
    changed = {id(a) for a, b in zip(args, before, strict=True) if not np.array_equal(a, b)}
    assert changed == {id(args[k]) for k in r.writes}


def value_and_memory(f):
    x, a, n = EXAMPLE
    x = x.copy()
    with np.errstate(all="ignore"):
        return [f(x, a, n), x]


def test_random_kernels_read_right(tmp_path):
    seeds = range(100)
    for seed, f in zip(seeds, random_kernels(seeds, tmp_path), strict=True):
        program = read_kernel(f, [VECTOR, FLOAT, Type("int64")]).program
        try:
            wanted = value_and_memory(f)
        except (OverflowError, UnboundLocalError, ValueError):
            continue
        for form, found in (("surface", compiled(program)), ("ssa", compiled(check(ssa(program)), fold=True))):
            for a, b in zip(value_and_memory(found), wanted, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, err_msg=f"seed {seed} as {form}")


# The form of what is read


def test_a_loop_without_break_stays_a_for_and_one_with_break_becomes_a_while():
    assert not any(isinstance(s, While) for s in walk(read_kernel(kernels.matmul, [MATRIX, MATRIX]).program.body))
    assert any(isinstance(s, While) for s in walk(read_kernel(kernels.break_out, [VECTOR, FLOAT]).program.body))


def test_the_branch_not_taken_is_a_branch():
    @njit
    def f(x):
        return math.sqrt(x) if x > 0 else x

    assert any(isinstance(s, If) for s in read_kernel(f, [FLOAT]).program.body)


def test_a_guard_protects_what_stands_behind_it():
    """`i < n and x[i] > 0` loads x[i] inside of a branch."""
    outside = [s for s in read_kernel(kernels.short_circuit, [VECTOR, FLOAT]).program.body if isinstance(s, While)]
    assert all(s.word.name != "load" for s in outside[0].cond if isinstance(s, Let))
    compiled(read_kernel(kernels.short_circuit, [VECTOR, FLOAT]).program)(np.ones(3), 0.5)


def test_an_integer_exponent_stays_an_integer():
    @njit
    def f(x):
        return x**3 + x**-2

    lets = [s for s in read_kernel(f, [FLOAT]).program.body if isinstance(s, Let)]
    assert [s.args[1] for s in lets if s.word.name == "power"] == [Const(3, Type("int64")), Const(-2, Type("int64"))]


def test_an_accumulating_store_is_one_statement():
    text = str(read_kernel(kernels.leapfrog, [MATRIX, VECTOR, FLOAT, Type("int64")]).program)
    assert re.search(r"position\[\w+, \w+\] \+= ", text) and re.search(r"velocity\[\w+, \w+\] \+= ", text)


def test_reading_is_deterministic(child_environment):
    """The text names the cache file, so it may not depend on the order of a set."""
    code = "from test_read import *; print(hash(tuple(ord(c) for case in CASES for c in str(read(case).program))))"
    texts = set()
    for seed in "12":
        environment = {**child_environment, "PYTHONHASHSEED": seed}
        run = subprocess.run(
            [sys.executable, "-c", code], env=environment, cwd=Path(__file__).parent, capture_output=True
        )
        texts.add(run.stdout)
    assert len(texts) == 1 and texts.pop()


def test_statements_know_their_lines():
    first = kernels.rosenbrock.py_func.__code__.co_firstlineno
    assert {s.line - first for s in walk(read_kernel(kernels.rosenbrock, [VECTOR]).program.body)} == {2, 3, 4, 5, 6}


def test_parameters_and_results_keep_their_structure():
    r = read_kernel(kernels.tuples, [FLOAT, (FLOAT, FLOAT), (VECTOR, FLOAT)])
    s, (p0, p1), (x, q1) = r.params
    assert r.program.params == [s, p0, p1, x, q1] and x.type == VECTOR
    total, (a, b) = r.result
    assert r.program.results == [total, a, b]


def test_a_missing_or_fixed_argument_is_a_constant():
    r = read_kernel(kernels.defaults_and_constants, [VECTOR, Const(3.0, FLOAT)])
    assert r.params[1:] == (Const(3.0, FLOAT), Const(2, Type("int64"))) and len(r.program.params) == 1
    x = kernels.X
    assert_same(compiled(r.program)(x), [kernels.defaults_and_constants(x, 3.0)])


def test_results_of_a_kernel_that_returns_nothing_are_the_arrays_it_wrote():
    r = read_kernel(kernels.smooth.py_func, [VECTOR, FLOAT])
    assert r.result is not None and r.writes == (0,)
    r = read_kernel(kernels.stencil_in_place, [VECTOR, Type("int64")])
    assert r.result is None and r.program.results == [r.params[0]] and r.writes == (0,)


def test_a_derived_kernel_is_put_in_place():
    class Derived:
        def __dualgrad_program__(self, argtypes):
            return read_kernel(kernels.smooth, argtypes)

        def __call__(self, u, c): ...

    derived = Derived()

    def f(x, c):
        y = x
        return derived(y, c) * derived(x, c)

    r = read_kernel(f, [VECTOR, FLOAT])
    x, y = kernels.X.copy(), kernels.X.copy()
    assert_same(compiled(r.program)(x, 0.3), [kernels.smooth(y, 0.3) * kernels.smooth(y, 0.3)])
    assert_same((x,), [y])
    assert r.writes == (0,)


def test_numba_types():
    from numba import types

    f8 = types.float64
    given = [f8[:, ::1], f8, types.literal(3), types.UniTuple(f8[:], 2), types.Omitted(2.5), types.boolean]
    pair = (VECTOR, VECTOR)
    assert types_of(given) == [MATRIX, FLOAT, Type("int64"), pair, Const(2.5, FLOAT), Type("bool")]
