"""The fence: each refusal says what, where, why and what to do, as its row says; the docs page is made of the rows."""

import math
import re
from pathlib import Path

import kernels
import numba
import numpy as np
import pytest
from numba import njit
from test_read import FLOAT, MATRIX, VECTOR, compiled

import dualgrad as dg
from dualgrad.core.errors import KernelError, StructureError
from dualgrad.core.fence import REFUSED, REVERSE, SYNTAX
from dualgrad.core.program import Type
from dualgrad.read import read_kernel, types_of
from dualgrad.read.page import page

ROWS = {**SYNTAX, **REFUSED, **REVERSE}

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


@fenced("a star argument that is no tuple", "write the arguments out", FLOAT, FLOAT)
def star_parameter(*x):
    return x[0]


@fenced("a star argument that is no tuple", "write the arguments out")
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


@fenced("a generator that asks another one cannot", "array argument")
def generator_of_generators(x):
    yield from generator(x)


@fenced("a generator expression cannot", "loop")
def generator_expression(x):
    return sum(v * 2 for v in x)


@fenced("a dict comprehension cannot", "arguments")
def dict_comprehension(x):
    y = {k: x[k] for k in range(2)}
    return y[0]


@fenced("a set comprehension cannot", "array")
def set_comprehension(x):
    y = {v for v in x}  # noqa: C416
    return len(y) * x[0]


@fenced("a formatted string cannot", "outside of the kernel")
def formatted(x):
    text = f"{x}"
    return len(text) * x[0]


@fenced("a class cannot", "arguments of their own")
def class_inside(x):
    class Pair:
        pass

    return x[0]


@fenced("a keyword-only argument cannot", "an ordinary argument")
def keyword_only(x, *, k=2):
    return x[0] * k


@fenced("a global statement cannot", "return the value")
def global_statement(x):
    global GLOBAL_ARRAY
    GLOBAL_ARRAY = x
    return x[0]


def around(count):
    @fenced("a nonlocal statement cannot", "return the value")
    def nonlocal_statement(x):
        nonlocal count
        count += 1
        return x[0]

    return count


around(0)


@fenced("a del statement cannot", "leave it out")
def deleting(x):
    y = x[0]
    z = y * 2
    del y
    return z


@fenced("an assignment expression (:=) cannot", "a line of its own")
def walrus(x):
    return x[0] if (n := len(x)) > 2 else n


@fenced("a match statement cannot", "if and elif", Type("int64"))
def matching(n):
    match n:
        case 1:
            return 2.0
    return 1.0


@fenced("an import in a function cannot", "top of the module")
def importing(x):
    import math

    return math.sin(x[0])


@fenced("an import in a function cannot", "top of the module")
def importing_from(x):
    from math import sin

    return sin(x[0])


@fenced("dg.Dual(...) makes a number inside of a kernel", "dg.derivative", FLOAT)
def number_inside(x):
    return dg.Dual(x, 1.0).tangent


@fenced("y is indexed, but is not an array", "as an array")
def indexed_number(x):
    y = x[0]
    return y[1]


@fenced("a tuple is indexed by what is not known in advance", "use an array", VECTOR, Type("int64"))
def tuple_of_arrays(x, k):
    return (x, x[1:])[k]


@fenced("x[0, 1] has too many indices", "leave some out")
def too_many_indices(x):
    return x[0, 1]


@fenced("(x + 1)[0] is assigned, but is not in memory", "a name first")
def store_into_expression(x):
    (x + 1)[0] = 2.0
    return x[0]


@fenced("x has to have 2 dimensions here", "reshape it")
def rank_of_argument(x):
    return np.tril(x)


@fenced("the dtype object is not known", "np.float64")
def dtype_of_objects(x):
    return np.zeros(3, dtype=object)


@fenced("is assigned what is no tuple or array of that length", "one by one")
def unpacked_too_short(x):
    a, b = x[0], x[1], x[2]  # noqa
    return a


@fenced("a result has to be made of numbers and whole arrays", "return numbers and arrays")
def module_returned(x):
    return math


def pattern(text):
    """A regular expression for a row's text with its fields filled in."""
    return re.sub(r"\\\{[^{}]*\\\}", ".*", re.escape(text))


def row_of(error):
    """The keys of the rows that an error may come from."""
    parts = (error.what, error.why, error.hint)
    return [key for key, row in ROWS.items() if all(re.fullmatch(pattern(a), b, re.S) for a, b in zip(row[1:], parts))]


@pytest.mark.parametrize(("f", "what", "do", "argtypes"), FENCE)
def test_the_fence_says_what_where_why_and_what_to_do(f, what, do, argtypes):
    with pytest.raises(KernelError) as caught:
        read_kernel(f, list(argtypes))
    error = caught.value
    assert what in error.what and do in error.hint
    assert row_of(error)
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


def test_object_mode_is_refused():
    with pytest.raises(KernelError, match="an argument of type unicode_type"):
        types_of([numba.types.unicode_type])
    forced = numba.jit(forceobj=True)(arity)
    with pytest.raises(KernelError, match="object mode"):
        read_kernel(forced, [VECTOR])


def test_lambdas_are_read_where_they_stand():
    factor = 3.0
    pair = lambda x: factor * x, lambda x: x * x + (lambda y: 2.0)(x) if x > 100 else x * x  # noqa: E731
    assert compiled(read_kernel(pair[0], [FLOAT]).program)(2.0) == 6.0
    with pytest.raises(KernelError, match="a lambda cannot"):
        read_kernel(pair[1], [FLOAT])
    many = [
        njit(lambda x: x + 1.0), njit(lambda x: x * x), njit(lambda x,
        y=2.0: x * y * factor),
    ]  # fmt: skip
    assert [compiled(read_kernel(f, [FLOAT]).program)(3.0) for f in many] == [4.0, 9.0, 18.0]


# What is found out later


@njit
def by_a_name(x, y, c):
    if c > 0:
        z = x
    else:
        z = y
    s = 0.0
    for i in range(2):
        z[i] = z[i] * x[i]
        s += z[i] * y[i]
    return s


@njit
def special(x):
    return np.sinc(x)


@njit
def rows_made_in_a_loop(x, n):
    s = 0.0
    for k in range(n):
        w = x[: k + 1] * s
        s += w[k] * w[0] if k > 0 else x[k]
    return s


def later(f, *args):
    with pytest.raises(KernelError) as caught:
        f(*args)
    file, line, text = re.match(r"(.*):(\d+), in \w+: (.*)", caught.value.where).groups()
    assert file == __file__ and text == Path(file).read_text().splitlines()[int(line) - 1].strip()
    return row_of(caught.value)


TEXTLESS: dict = {}
exec("def textless(x):\n    return x", TEXTLESS)
FOUND_LATER = {"source", "object mode", "argument", "nested number", "names", "kept array", "no function"}


@pytest.mark.kernel
def test_where_only_reverse_is_impossible_forward_mode_works():
    x, y = np.array([0.3, 0.5, 0.7]), np.array([1.0, 2.0, 0.5])
    assert later(dg.grad(by_a_name), x, y, 1) == ["names"]
    out, dot = dg.jvp(by_a_name, (x, y, 1), (y, x, 0))
    h = 1e-6
    wanted = (by_a_name(x + h * y, y + h * x, 1) - by_a_name(x - h * y, y - h * x, 1)) / (2 * h)
    assert dot == pytest.approx(wanted, rel=1e-8)
    assert dg.jacfwd(by_a_name)(x, y, 1) @ y == pytest.approx(dg.jvp(by_a_name, (x, y, 1), (y, 0 * x, 0))[1])


def test_every_row_has_an_example():
    met = set()
    for f, _, _, argtypes in (case.values for case in FENCE):
        with pytest.raises(KernelError) as caught:
            read_kernel(f, list(argtypes))
        met.update(row_of(caught.value))
    assert set(ROWS) - FOUND_LATER <= met


def test_the_docs_page_is_printed_from_the_rows(root):
    text = (root / "docs" / "kernel_language.md").read_text()
    assert text == page(), "python -m dualgrad.read.page > docs/kernel_language.md"
    for row in ROWS.values():
        assert row.construct.replace("|", "\\|") in text


# Errors at run time name the line too


@njit
def lengths_meet(x, y):
    z = x * 2
    return np.sum(z + y)


@njit
def through_a_helper(x):
    y = np.linalg.inv(x)
    return y[0, 0]


def in_a_closure(cut):
    @njit
    def by_path(x, n):
        if n > 2:
            y = x[:cut] * 2
        else:
            y = x[1:] * x[0]
        return np.sum(y * x[:cut])

    return by_path


@pytest.mark.kernel
def test_lengths_that_differ_at_run_time_name_the_line():
    for f, args, line in (
        (lengths_meet, (np.ones(3), np.ones(4)), "return np.sum(z + y)"),
        (in_a_closure(2), (np.ones(5), 1), "y = x[1:] * x[0]"),
    ):
        with pytest.raises(StructureError, match="arrays of different lengths meet") as caught:
            dg.grad(f)(*args)
        file, number, text = re.match(r"(.*):(\d+), in \w+: (.*)", caught.value.where).groups()
        assert file == __file__ and text == line == Path(file).read_text().splitlines()[int(number) - 1].strip()


@pytest.mark.kernel
def test_a_singular_matrix_names_the_line():
    with pytest.raises(np.linalg.LinAlgError, match=r"through_a_helper: a matrix is singular.*y = np.linalg.inv\(x\)"):
        dg.grad(through_a_helper)(np.zeros((2, 2)))


# Forward mode of what has no program


@njit
def power_by_recursion(x, n):
    if n == 0:
        return x**0
    return x * math.sin(power_by_recursion(x, n - 1))


@njit
def sum_over_a_tree(x, i):
    if i >= len(x):
        return x[0] * 0.0
    return x[i] ** 2 + sum_over_a_tree(x, 2 * i + 1) * sum_over_a_tree(x, 2 * i + 2) * x[0] + x[i]


@njit
def with_lists(x):
    values = [x]
    for _ in range(3):
        values.append(values[-1] * x)
    return sum(values), len(values)


@njit
def with_exceptions(x):
    try:
        y = x * x
        if x > 100:
            raise ValueError
    except Exception:
        y = x
    return y


@njit
def writing_recursion(x, i):
    if i < len(x):
        x[i] = x[i] * x[i - 1]
        writing_recursion(x, i + 1)
    return x[-1]


TREE = np.array([0.3, 0.5, 0.7, 0.9])
BY_NUMBERS = [
    (power_by_recursion, (0.7, 3), (1.5, 0)),
    (sum_over_a_tree, (TREE, 0), (TREE[::-1].copy(), 0)),
    (with_lists, (0.7,), (2.0,)),
    (with_exceptions, (0.7,), (1.0,)),
]


def first(value):
    return value[0] if isinstance(value, tuple) else value


@pytest.mark.kernel
@pytest.mark.parametrize(("f", "args", "dots"), BY_NUMBERS, ids=lambda v: getattr(v, "__name__", ""))
def test_forward_mode_goes_through_what_has_no_program(f, args, dots):
    def moved(h):
        return first(f(*(a + h * t if isinstance(t, (float, np.ndarray)) else a for a, t in zip(args, dots))))

    out, dot = dg.jvp(f, args, dots)
    assert first(out) == moved(0.0)
    assert first(dot) == pytest.approx((moved(1e-6) - moved(-1e-6)) / 2e-6, rel=1e-7)
    held = dg.jvp(lambda x: first(f(x, *args[1:])) * 2.0, args[:1], dots[:1])[1]
    assert held == pytest.approx(2 * first(dot), rel=1e-14)
    with pytest.raises(KernelError):
        dg.grad(f)(*args)


@pytest.mark.kernel
def test_derivatives_of_numbers_go_through_what_has_no_program():
    assert dg.derivative(with_exceptions, 2)(0.7) == pytest.approx(2.0)
    assert "by numbers" in dg.source(dg.derivative(with_exceptions), 0.7)


@pytest.mark.kernel
def test_what_has_no_program_and_writes_is_refused():
    with pytest.raises(KernelError, match="writing_recursion calls itself"):
        dg.jvp(writing_recursion, (TREE, 1), (TREE, 0))


# Numbers that meet what was not made for them


class Held:
    """Functions that are not lifted."""

    def __init__(self, f, arrange):
        self.f, self.arrange = f, arrange

    def __call__(self, x):
        return self.f(self.arrange(x))


@njit
def product(t):
    return t[0] * t[1]


@njit
def of_product(t):
    return product(t) + 1.0


@njit
def through_object_mode(x):
    with numba.objmode(y="float64"):
        y = slope_of_product(x)
    return y


def slope_of_product(x):
    return dg.grad(Held(product, Pair))(x)


class Pair(tuple):
    def __new__(cls, x):
        return super().__new__(cls, (x, x))


MODES = [dg.grad, lambda f: lambda x: dg.jvp(f, (x,), (1.0,)), lambda f: lambda x: dg.jet(f, (x,), ([1.0],))]


@pytest.mark.kernel
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "arrange", [lambda x: (x, x), lambda x: (x, 2.0), lambda x: [x, x]], ids=["two", "one", "list"]
)
@pytest.mark.parametrize("f", [product, of_product], ids=["called", "inside"])
def test_an_njit_function_that_meets_numbers_says_what_to_do(mode, arrange, f):
    with pytest.raises(dg.UnsupportedError, match="an @njit function was called with a number") as caught:
        mode(Held(f, arrange))(0.5)
    assert "dg.kernel" in caught.value.hint and __file__ in caught.value.where


@pytest.mark.kernel
def test_a_number_that_meets_an_njit_function_in_object_mode_says_what_to_do():
    with pytest.raises(dg.UnsupportedError, match="an @njit function was called with a number"):
        through_object_mode(0.5)


@numba.vectorize
def entrywise(x):
    return x * x


@pytest.mark.kernel
@pytest.mark.parametrize("f", [entrywise, GUFUNC])
def test_ufuncs_of_numba_say_what_to_do_with_numbers(f):
    with pytest.raises(dg.UnsupportedError, match="has no derivative rule") as caught:
        dg.jacfwd(lambda x: f(x))(np.ones(3))
    assert "scipy" not in caught.value.what
    if f is entrywise:
        assert "dg.kernel" in caught.value.hint
