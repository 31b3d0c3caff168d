"""One object for Python, nopython code and numbers, tried with kernels whose source is written by hand."""

import copy
import gc
import inspect
import logging
import pickle
import re
import subprocess
import sys
import threading

import numba
import numpy as np
import pytest
from numba import njit

import dualgrad as dg
from dualgrad import kernels
from dualgrad.backends import careful, dispatcher, fingerprint
from dualgrad.backends.modules import Generated
from dualgrad.core.errors import ArgumentError, KernelError, ProgramError
from dualgrad.kernels import Transform, as_kernel, derive, is_kernel

GRAD = (Transform("grad"),)
PUSHFORWARD = (Transform("pushforward", (), ("primals", "tangents")),)

GRADIENT_OF_ROSENBROCK = """
import numpy as np

def entry(x):
    x_bar = np.zeros(x.shape[0])
    for i in range(x.shape[0] - 1):
        a_bar = 200.0 * (x[i + 1] - x[i] * x[i])
        x_bar[i + 1] += a_bar
        x_bar[i] += -2.0 * a_bar * x[i] - 2.0 * (1.0 - x[i])
    return x_bar
"""
DOUBLE = "def entry(x):\n    return 2.0 * x\n"


class Number:
    """Stands for Dual, Jet and the others: unknown to numba, and rude when asked."""

    __dualgrad_number__ = True

    @property
    def _numba_type_(self):
        raise TypeError("use dg.kernel")


@pytest.fixture
def handwritten(monkeypatch, tmp_path):
    """A function that says which source is generated from now on; it keeps the argument types it was asked for."""
    monkeypatch.setenv("DUALGRAD_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(fingerprint, "versions", tuple)  # other people may be editing dualgrad meanwhile
    asked = []

    def use(source, injected=None):
        def generate(base, chain, argtypes):
            asked.append(argtypes)
            if isinstance(source, Exception):
                raise source
            return Generated(source, "entry", injected or {})

        monkeypatch.setattr(kernels.hooks, "generate", generate)
        return asked

    monkeypatch.setattr(kernels.hooks, "interpret", lambda base, chain, args: (base, chain, args))
    return use


def rosenbrock_kernel():
    @njit
    def rosenbrock(x):
        """Valley."""
        s = 0.0
        for i in range(x.shape[0] - 1):
            s += 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2
        return s

    return rosenbrock


def square_kernel():
    @njit
    def square(x, k=2.0):
        return x * x

    return square


def differences(f, x, h=1e-6):
    """Central differences of a scalar function."""
    steps = h * np.eye(x.size)
    return np.array([(f(x + step) - f(x - step)) / (2 * h) for step in steps])


# ---- plain arguments, from Python and from nopython code


def test_gradient_from_python_agrees_with_differences(handwritten, rng):
    handwritten(GRADIENT_OF_ROSENBROCK)
    f, x = rosenbrock_kernel(), rng.normal(size=10)
    np.testing.assert_allclose(derive(f, GRAD)(x), differences(f, x), rtol=1e-6)


def test_gradient_from_nopython_code_is_the_same(handwritten, rng):
    handwritten(GRADIENT_OF_ROSENBROCK)
    g, x = derive(rosenbrock_kernel(), GRAD), rng.normal(size=10)

    @njit
    def caller(x):
        return 3.0 * g(x)

    np.testing.assert_array_equal(caller(x), 3.0 * g(x))


def test_source_is_generated_once_per_argument_types(handwritten):
    asked = handwritten(DOUBLE)
    g = derive(square_kernel(), (Transform("derivative", (("n", 1),), ("x",)),))
    assert (g(3.0), g(4.0), g(5), g(x=6.0), g(np.float32(2))) == (6.0, 8.0, 10.0, 12.0, 4.0)
    assert asked == [(numba.float64,), (numba.int64,), (numba.float32,)]


def test_a_literal_in_nopython_code_is_no_new_kernel(handwritten):
    asked = handwritten(DOUBLE)
    g = derive(square_kernel(), (Transform("derivative", (), ("x",)),))

    @njit
    def caller():
        return g(3) + g(4)

    assert caller() == 14.0
    assert asked == [(numba.int64,)]


def test_equal_functions_share_machine_code(handwritten):
    asked = handwritten(DOUBLE)
    results = [derive(square_kernel(), (Transform("derivative", (), ("x",)),))(3.0) for _ in range(3)]
    assert results == [6.0] * 3 and len(asked) == 1


def test_a_dropped_kernel_leaves_the_shared_code_to_others(handwritten):
    handwritten("def entry(x, k):\n    return 2.0 * x\n")
    first, second = derive(square_kernel(), GRAD), derive(square_kernel(), GRAD)
    assert first(3.0) == second(3.0)
    del first
    gc.collect()

    @njit
    def caller(x):
        return second(x)

    assert caller(3.0) == 6.0


def test_containers_and_defaults_are_numbas_affair(handwritten):
    asked = handwritten("def entry(primals, tangents):\n    return 2.0 * primals[0] * tangents[0], tangents[1]\n")
    g = derive(square_kernel(), PUSHFORWARD)
    out, tangent = g((3.0, np.ones(2)), (1.0, np.arange(2.0)))
    assert out == 6.0 and tangent.tolist() == [0.0, 1.0]
    assert g(tangents=(1.0, 2), primals=(3.0, 1)) == (6.0, 2)
    handwritten("def entry(x, k):\n    return k * x\n")
    assert derive(square_kernel(), GRAD)(3.0) == 6.0
    assert str(asked[-1]) == "(float64, omitted(default=2.0))"


def test_a_compiled_call_is_dispatched_without_python(handwritten):
    handwritten(GRADIENT_OF_ROSENBROCK)
    g, x, calls = derive(rosenbrock_kernel(), GRAD), np.linspace(0, 1, 10), []
    g(x)
    sys.setprofile(lambda frame, event, arg: calls.append(frame.f_code.co_name) if event == "call" else None)
    try:
        g(x)
    finally:
        sys.setprofile(None)
    assert not {"_compile_for_args", "compile", "_interpret", "typeof_pyval"} & set(calls)


def test_threads_that_come_together_compile_once(handwritten):
    asked = handwritten(DOUBLE)
    g, results = derive(square_kernel(), (Transform("derivative", (), ("x",)),)), []
    threads = [threading.Thread(target=lambda: results.append(g(3.0))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [6.0] * 6 and len(asked) == 1


def test_flags_keep_infinities_and_follow_boundscheck(handwritten):
    handwritten("def entry(x):\n    return x[7] / 0.0\n")

    @njit(boundscheck=True)
    def f(x):
        return x[7]

    with pytest.raises(IndexError):
        derive(f, GRAD)(np.ones(3))
    assert derive(f, GRAD)(np.ones(8)) == np.inf
    assert np.isnan(derive(f, GRAD)(np.zeros(8)))


# ---- numbers


@pytest.mark.parametrize("compiled_before", [False, True])
def test_numbers_are_handed_to_the_interpreter(handwritten, compiled_before):
    asked = handwritten("def entry(x, k):\n    return k * x\n")
    f, n = square_kernel(), Number()
    g = derive(f, GRAD)
    if compiled_before:
        g(1.0)
    count = len(asked)
    assert g(n) == (f, GRAD, (n, 2.0))
    assert g(1.0, n) == (f, GRAD, (1.0, n))
    assert g(k=n, x=3) == (f, GRAD, (3, n))
    assert g((1.0, (n, 2))) == (f, GRAD, ((1.0, (n, 2)), 2.0))
    assert g([n, 1.0])[2] == ([n, 1.0], 2.0)
    assert len(asked) == count
    assert g(3.0) == 6.0


def test_numbers_spread_over_rest_arguments(handwritten):
    @njit
    def f(x, *rest):
        return x + rest[0]

    n, k = Number(), as_kernel(f)
    assert k(1.0, 2.0, 3.0) == 3.0
    assert k(1.0, n, 3.0)[2] == (1.0, n, 3.0)
    assert k(n)[2] == (n,)


def test_py_func_interprets(handwritten):
    f = square_kernel()
    assert derive(f, GRAD).py_func(3.0) == (f, GRAD, (3.0, 2.0))
    assert derive(f, PUSHFORWARD).py_func(1, tangents=2) == (f, PUSHFORWARD, (1, 2))


# ---- identity, names, pickling


def test_one_object_per_function_and_chain(handwritten):
    f, g = square_kernel(), square_kernel()
    assert derive(f, GRAD) is derive(f, GRAD) is not derive(g, GRAD)
    assert derive(derive(f, GRAD), PUSHFORWARD) is derive(f, GRAD + PUSHFORWARD)
    assert derive(as_kernel(f), GRAD) is derive(f, GRAD)
    assert as_kernel(as_kernel(f)) is as_kernel(f) is not f


def test_names_and_signatures():
    f = rosenbrock_kernel()
    g = derive(derive(f, GRAD), (Transform("jacobian"),))
    assert repr(g) == "<dualgrad jacobian of grad of rosenbrock>"
    assert g.__name__ == "jacobian_grad_rosenbrock"
    assert g.__doc__ == "jacobian of grad of rosenbrock, compiled by dualgrad.\n\nValley."
    assert g.__wrapped__ is f and is_kernel(g)
    assert str(inspect.signature(g)) == "(x)"
    assert str(inspect.signature(derive(f, PUSHFORWARD))) == "(primals, tangents)"
    assert repr(as_kernel(f)) == "<dualgrad kernel of rosenbrock>" and as_kernel(f).py_func is f.py_func


def test_source_can_be_read(handwritten):
    asked = handwritten(DOUBLE)
    assert derive(square_kernel(), GRAD).inspect_source(3.0) == DOUBLE
    assert str(asked) == "[(float64, omitted(default=2.0))]"
    g = derive(square_kernel(), (Transform("derivative", (), ("x",)),))
    assert g.inspect_source() == ""
    assert g.inspect_source(3.0) == g.inspect_source(numba.float64) == DOUBLE
    g(3.0)
    assert g.inspect_source() == DOUBLE
    assert "return x * x" in as_kernel(square_kernel()).inspect_source()


def test_pickle_and_copy_give_the_same_object(handwritten):
    g = derive(square_kernel(), GRAD)
    assert pickle.loads(pickle.dumps(g)) is copy.deepcopy(g) is copy.copy(g) is g


def test_pickle_reaches_another_process(handwritten, tmp_path, child_environment):
    (tmp_path / "kernel.pickle").write_bytes(pickle.dumps(derive(square_kernel(), GRAD)))
    code = f"""
import pickle
from dualgrad import kernels
from dualgrad.backends.modules import Generated
kernels.hooks.generate = lambda *_: Generated("def entry(x, k):\\n    return k * x\\n", "entry")
g = pickle.load(open({str(tmp_path / "kernel.pickle")!r}, "rb"))
print(g, g(4.0))
"""
    done = subprocess.run([sys.executable, "-c", code], env=child_environment, capture_output=True, text=True)
    assert done.stdout == "<dualgrad grad of square> 8.0\n", done.stderr


def test_compiling_is_logged_with_its_time(handwritten, caplog):
    handwritten("def entry(x, k):\n    return k * x\n")
    with caplog.at_level(logging.INFO, "dualgrad"):
        derive(square_kernel(), GRAD)(3.0)
    assert caplog.messages[0].startswith("compiled grad of square(float64, omitted(default=2.0)) in 0.")


# ---- the empty chain: the user's own function, callable with numbers


def test_kernel_runs_the_functions_own_machine_code(handwritten):
    f, n = rosenbrock_kernel(), Number()
    k, x = as_kernel(f), np.linspace(0, 1, 5)
    assert k(x) == f(x) and k(n) == (f, (), (n,))
    assert k.signatures == f.signatures

    @njit
    def caller(x):
        return k(x) + 1.0

    assert caller(x) == f(x) + 1.0


def test_kernel_keeps_fixed_signatures(handwritten):
    @njit("float64(float64)")
    def f(x):
        return x / 2

    k, n = as_kernel(f), Number()

    @njit
    def caller(i):
        return k(i)

    assert (k(1.0), k(1), caller(3)) == (0.5, 0.5, 1.5)
    assert k(n)[2] == (n,)
    assert k.signatures == [(numba.float64,)]


def test_kernel_takes_plain_functions():
    def cube(x):
        return x**3

    assert as_kernel(cube)(2.0) == 8.0 and is_kernel(as_kernel(cube)) and not is_kernel(cube)


# ---- errors


def test_what_cannot_be_a_kernel_is_named():
    with pytest.raises(ArgumentError, match=r"cannot derive a kernel from 3(.|\n)*numba.njit"):
        as_kernel(3)


def test_an_error_of_the_generator_arrives_as_itself(handwritten):
    handwritten(KernelError("cannot differentiate `open`", why="it reads a file", where="here.py:1"))
    g = derive(square_kernel(), GRAD)

    @njit
    def caller(x):
        return g(x)

    @njit
    def caller_of_caller(x):
        return caller(x) + 1.0

    for f in (g, caller, caller_of_caller, caller_of_caller, g):
        with pytest.raises(KernelError) as caught:
            f(3.0)
        assert str(caught.value) == "cannot differentiate `open`\n  where: here.py:1\n  why:   it reads a file"


def test_a_kernel_compiles_after_its_generator_failed(handwritten):
    handwritten(KernelError("not yet"))
    g = derive(square_kernel(), GRAD)
    with pytest.raises(KernelError):
        g(3.0)
    handwritten("def entry(x, k):\n    return k * x\n")
    assert g(3.0) == 6.0


def test_an_argument_without_a_type_is_named(handwritten):
    asked = handwritten(DOUBLE)
    with pytest.raises(ArgumentError, match=r"grad of square cannot take k = re\.compile(.|\n)*no type for Pattern"):
        derive(square_kernel(), GRAD)(1.0, re.compile("abc"))
    assert asked == []


def test_refused_source_is_our_defect_and_names_the_file(handwritten, tmp_path):
    handwritten("def entry(x, k):\n    return x.no_such_thing\n")
    with pytest.raises(ProgramError) as caught:
        derive(square_kernel(), GRAD)(3.0)
    file = next(tmp_path.glob("*.py"))
    assert str(caught.value).startswith(f"numba refuses the source of grad of square: {file}")
    assert "no_such_thing" in str(caught.value)


# ---- how the module loads


def test_importing_the_module_imports_no_numba(child_environment):
    code = "import sys, dualgrad.kernels as k; assert not k.is_kernel(len); assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], env=child_environment, check=True)


def test_without_jit_a_plain_function_stays_what_it_is(child_environment):
    code = "import dualgrad.kernels as k; f = lambda x: x; assert k.as_kernel(f) is f"
    subprocess.run([sys.executable, "-c", code], env={**child_environment, "NUMBA_DISABLE_JIT": "1"}, check=True)


# The careful form, which is compiled when a NaN asks for it


@njit
def roots(x):
    y = np.zeros(len(x))
    for i in range(len(x)):
        y[i] = np.sqrt(x[i])
    return y


@njit
def first_root_unread(x):
    y = np.zeros(2)
    for i in range(2):
        y[i] = np.sqrt(x[i]) if i == 0 else x[1] * x[0]
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
    assert np.array_equal(jacobian(np.array([0.0, 1.0])), [[np.inf, 0.0], [0.0, 0.5]])
    assert np.array_equal(jacobian(np.array([0.0, np.nan])), [[np.inf, 0.0], [0.0, np.nan]], equal_nan=True)
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
        for i in range(2):
            y[i] = np.sqrt(x[i]) if i == 0 else x[1] / x[0]
        return y[1]

    gradient = dg.grad(other)
    gradient(np.ones(2))
    monkeypatch.setitem(careful.hooks, "compiled", lambda module: 1 / 0)
    with pytest.raises(RuntimeError, match="cannot be computed again with care: the log of 'dualgrad'"):
        gradient(np.array([0.0, 0.0]))
    assert "ZeroDivisionError" in caplog.text
    monkeypatch.undo()
    assert np.isnan(gradient(np.array([0.0, 0.0]))).any()


@njit
def root_and_square(x, a):
    return np.sqrt(x), x * x * a


@pytest.mark.kernel
def test_structural_zeros_of_eager_numbers_stay_so_in_kernels():
    f, g, x = dg.kernel(roots), dg.kernel(root_and_square), np.array([0.0, 1.0])
    for mode in (dg.jacfwd, dg.jacrev):
        assert np.array_equal(mode(lambda x: f(x))(x), [[np.inf, 0.0], [0.0, 0.5]])
        assert np.array_equal(mode(lambda x: f(x)[1:] * 2)(x), [[0.0, 1.0]])
        assert np.array_equal(mode(lambda x: np.sum(f(np.where(x > 0.5, x, 0.0))))(x), [0.0, 0.5])
        both = mode(lambda x: np.stack([g(x[0], 2.0)[1], g(x[1], x[0])[0]]))(x)
        assert np.array_equal(both, [[0.0, 0.0], [0.0, 0.5]])
    assert np.array_equal(dg.hessian(lambda x: np.sum(f(x)[1:]))(x), [[0.0, 0.0], [0.0, -0.25]])
    assert dg.grad(lambda x: g(x, 3.0)[1])(0.0) == 0.0
    numbers = np.array([0.0, 1.0])  # a user's zero is a number
    assert np.array_equal(dg.jvp(f, (x,), (numbers,))[1], [np.nan, 0.5], equal_nan=True)
    assert np.array_equal(dg.vjp(lambda x: f(x), x)[1](numbers)[0], [np.nan, 0.5], equal_nan=True)


@dg.kernel
@njit
def recursive(x, n):
    if n == 0:
        return x
    return recursive(np.sin(x), n - 1)


def test_a_kernel_that_calls_itself_is_refused_with_the_line():
    with pytest.raises(dg.KernelError, match=r"(?s)calls itself.*return recursive\(np.sin"):
        dg.jvp(recursive, (1.0, 2), (1.0, 0.0))
