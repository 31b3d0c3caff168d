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
from dualgrad.core.check import check
from dualgrad.core.errors import KernelError, StructureError
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


# The fence: each refusal says what, where, why and what to do

FENCE = []


def fenced(what, do, *argtypes):
    def enter(f):
        FENCE.append(pytest.param(f, what, do, argtypes or (VECTOR,), id=f.__name__))
        return f

    return enter


GLOBAL_ARRAY = np.ones(3)


@fenced("a generator cannot be differentiated", "array argument")
def generator(x):
    for v in x:
        yield v * 2


@fenced("try/except cannot", "with if")
def trying(x):
    try:
        y = x[0]
    except Exception:
        y = 0.0
    return y


@fenced("a with block (object mode included) cannot", "outside of the kernel")
def object_mode(x):
    with numba.objmode():
        print(x)


@fenced("a list cannot", "np.zeros(n)")
def lists(x):
    y = [x[0], x[1]]
    return y[0]


@fenced("a list comprehension cannot", "np.zeros(n)")
def comprehension(x):
    y = [v * 2 for v in x]
    return y[0]


@fenced("a dict cannot", "arguments")
def dicts(x):
    y = {1: x[0]}
    return y[1]


@fenced("a set cannot", "array")
def sets(x):
    y = {1, 2}
    return x[0] * len(y)


class OwnError(Exception):
    pass


@fenced("OwnError is raised", "raise ValueError")
def raising(x):
    if x[0] < 0:
        raise OwnError
    return x[0]


@fenced("is raised", "raise ValueError")
def raising_what_is_computed(x):
    if x[0] < 0:
        raise ValueError(x)
    return x[0]


@fenced("'fast' (str) is used as a number", "numbers and arrays")
def strings(x):
    return x[0] * "fast"


@fenced("the operator LShift cannot", "other words", FLOAT)
def shift(x):
    return x << 2


@fenced("a lambda cannot", "@njit")
def lambdas(x):
    g = lambda v: v  # noqa: E731
    return g(x[0])


@fenced("a nested function cannot", "@njit")
def nested_function(x):
    def g(v):
        return v

    return g(x[0])


@fenced("a star argument cannot", "write the arguments out", FLOAT, FLOAT)
def star_parameter(*x):
    return x[0]


@fenced("a star argument cannot", "write the arguments out", (FLOAT, FLOAT))
def star_call(x):
    return max(*x)


@fenced("fancy indexing cannot", "write the loop", MATRIX, Type("int64", 1))
def fancy_index(x, k):
    return x[k, 1:][0]


@fenced("fancy indexing cannot", "np.where(mask, a, b)")
def mask_index(x):
    return x[x > 0.5][0]


@fenced("the step of a slice is not known", "literal step", VECTOR, Type("int64"))
def step_at_run_time(x, k):
    return x[::k][0]


@fenced("x + x is an array where a number is needed", "a sum")
def array_as_number(x):
    return math.sqrt(0.5) if x + x else 0.0


@fenced("brings together arrays of 2 and 3 entries", "check the shapes")
def lengths_that_differ(x):
    return np.zeros(2) + np.ones(3)


@fenced("x[1:] is updated in place by what overlaps it", "use a copy")
def overlapping_update(x):
    x[1:] += x[:-1]
    return x


@fenced("an array of 2 dimensions is stored into a part of 1", "row by row", MATRIX)
def store_of_rank(x):
    x[0] = x
    return x


@fenced("the array x is written in place, and the name may mean another array", "x.copy()")
def written_after_rebinding(x):
    for _ in range(3):
        x[0] = 2.0
        x = x * 2.0
    return x


@fenced("is written in place, and the name may mean another array", ".copy()", MATRIX)
def written_through_a_copy(x):
    y = x.ravel()
    x[0, 0] = 2.0
    return y


@fenced("np.linalg.eigvals(...) cannot be differentiated in a kernel", "@njit function of its own", MATRIX)
def unknown_call(x):
    return np.linalg.eigvals(x)


@fenced("x.partition(...) cannot be differentiated in a kernel", "write it as a loop")
def unknown_method(x):
    return x.partition(2)


@fenced("x.flags is not known in a kernel", ".shape", MATRIX)
def unknown_attribute(x):
    return x.flags


@fenced("these arguments of np.sum are not read", "other words", MATRIX, Type("int64"))
def axis_at_run_time(x, k):
    return np.sum(x, axis=k)


@fenced("is no product of vectors and matrices", "write the loops", Type("float64", 3))
def product_of_rank_three(x):
    return x @ x


@fenced("the global array GLOBAL_ARRAY is written", "as an argument")
def global_array(x):
    GLOBAL_ARRAY[0] = 1.0
    return x[0]


@numba.guvectorize(["void(float64[:], float64[:])"], "(n)->(n)")
def GUFUNC(x, out):  # noqa: N802
    out[0] = x[0]


@fenced("GUFUNC was made by @guvectorize", "@njit function that gets whole arrays")
def generalized_ufunc(x):
    return GUFUNC(x, x)


@fenced("recursive calls itself", "as a loop")
def recursive(x):
    return x[0] if x[0] < 1 else recursive(x)


@fenced("a may mean different things here", "give each its own name", VECTOR, MATRIX)
def array_of_a_branch(a, b):
    if a[0] > 0:
        a = b
    return a[0]


@fenced("the array w is made on some paths only", "before the loop or branch")
def array_on_one_path(x):
    if x[0] > 0:
        w = x.copy()
    return w[0]


@fenced("the array row is made on some paths only", "before the loop or branch", MATRIX)
def row_on_one_path(x):
    s = 0.0
    for i in range(len(x)):
        if i % 2 == 0:
            row = x[i]
        s += row[0]
    return s


@fenced("a loop over enumerate(x, start=2) cannot", "enumerate")
def keyword_of_enumerate(x):
    s = 0.0
    for i, v in enumerate(x, start=2):
        s += i * v
    return s


@fenced("these arguments of np.sqrt are not read", "other words", FLOAT)
def keyword_of_ufunc(x):
    return np.sqrt(x, where=True)


@fenced("these arguments of round are not read", "other words", FLOAT)
def too_many_arguments(x):
    return round(x, 2)


@fenced("the variable previous is read where it may not be bound yet", "give previous a value")
def read_before_bound(x):
    s = 0.0
    for i in range(3):
        if i > 0:
            s += previous  # noqa: F821
        previous = x[i]  # noqa: F841
    return s


@fenced("some paths of half return a value and some return nothing", "on every path")
def half(x):
    if x[0] > 0:
        return x[0]


@fenced("results_of_two_kinds returns different things on different paths", "the same kinds of things")
def results_of_two_kinds(x):
    if x[0] > 0:
        return x[0], (x, 1)
    return x[1], (2.0, 1)


@fenced("v may mean different things here", "its own name")
def part_of_a_tuple_of_two_kinds(x):
    t = x[0], x
    if x[0] > 0:
        t = x[1], 2.0
    u, v = t
    return u * v


@fenced("the value of x[0] or 1.0 is not a truth value", "a if c else b")
def choice_by_or(x):
    return x[0] or 1.0


@fenced("a loop over 3 cannot", "range")
def loop_over_number(x):
    for _ in 3:
        pass


@fenced("the name undefined_name is not defined", "define it")
def undefined(x):
    return undefined_name * x[0]  # noqa: F821


@fenced("takes 1 arguments, not 2", "one for each", VECTOR, VECTOR)
def arity(x):
    return x[0]


@fenced("these arguments of kernels.softplus", "other words")
def wrong_call(x):
    return kernels.softplus()


@fenced("sign of complex numbers", "use .real, .imag or abs", Type("complex128"))
def complex_sign(z):
    return np.sign(z)


@pytest.mark.parametrize(("f", "what", "do", "argtypes"), FENCE)
def test_the_fence_says_what_where_why_and_what_to_do(f, what, do, argtypes):
    with pytest.raises(KernelError) as caught:
        read_kernel(f, list(argtypes))
    error = caught.value
    assert what in error.what and do in error.hint
    file, line, text = re.match(r"(.*):(\d+), in \w+: (.*)", error.where).groups()
    assert file == __file__ and text == Path(file).read_text().splitlines()[int(line) - 1].strip()
    assert error.why and (error.hint or not do)


def test_the_fence_names_the_line_in_the_callee():
    @njit
    def caller(x):
        return kernels.made(2, x[0])[0] + lambdas(x)

    with pytest.raises(KernelError, match=r"a lambda.*\n.*in lambdas: g = lambda"):
        read_kernel(caller, [VECTOR])


def test_a_function_without_source_is_refused():
    names = {}
    exec("def f(x):\n    return x", names)
    with pytest.raises(KernelError, match="the source of f cannot be read(.|\n)*into a file or a notebook cell"):
        read_kernel(names["f"], [FLOAT])


def test_source_in_the_line_cache_is_enough():
    """As in Jupyter, where cells are no files."""
    import linecache

    text = "def f(x):\n    return x * 2\n"
    linecache.cache["<cell 1>"] = (len(text), None, text.splitlines(True), "<cell 1>")
    names = {}
    exec(compile(text, "<cell 1>", "exec"), names)
    assert compiled(read_kernel(names["f"], [FLOAT]).program)(3.0) == 6.0


def test_lambdas_and_object_mode_are_refused():
    with pytest.raises(KernelError, match="a lambda"):
        read_kernel(lambda x: x, [FLOAT])
    with pytest.raises(KernelError, match="an argument of type unicode_type"):
        types_of([numba.types.unicode_type])
    forced = numba.jit(forceobj=True)(arity)
    with pytest.raises(KernelError, match="object mode"):
        read_kernel(forced, [VECTOR])
