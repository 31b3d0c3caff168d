"""Chunks bound the memory of Jacobians and Hessians; executors are given the chunks."""

import pickle
import tracemalloc
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
from numba import njit

import dualgrad as dg

X = np.linspace(0.1, 1.0, 7)


@dataclass
class State:
    u: np.ndarray
    v: float


def curve(x, scale=1.0):
    return np.cumsum(np.sin(x) * x[::-1]) * scale


def energy(x):
    return np.sum(np.sin(x) * x[::-1]) ** 2


def of_containers(s, k):
    return {"a": s.u * s.v * k, "s": State(np.sum(s.u), s.v**2)}


def with_aux(x):
    return np.sin(x[:2]) * x[2], {"n": len(x)}


class Inline:
    """The smallest executor: it runs at once, and counts."""

    def __init__(self):
        self.count = 0

    def submit(self, f, *args):
        self.count += 1
        future = Future()
        future.set_result(pickle.loads(pickle.dumps(f))(*pickle.loads(pickle.dumps(args))))
        return future


@pytest.fixture(scope="module")
def threads():
    with ThreadPoolExecutor(3) as pool:
        yield pool


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2) as pool:
        yield pool


VERBS = {"jacfwd": dg.jacfwd, "jacrev": dg.jacrev, "jacobian": dg.jacobian}


@pytest.mark.parametrize("kind", ["threads", "processes", "inline"])
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("chunk", [None, 2, 100])
def test_executors_change_no_jacobian(kind, verb, chunk, request):
    executor = Inline() if kind == "inline" else request.getfixturevalue(kind)
    options = {"chunk": chunk, "executor": executor}
    make = VERBS[verb]
    np.testing.assert_array_equal(make(curve, **options)(X, scale=2.0), make(curve)(X, scale=2.0))
    np.testing.assert_array_equal(make(energy, **options)(X), make(energy)(X))
    found, aux = make(with_aux, has_aux=True, **options)(X)
    assert aux == {"n": 7} and np.array_equal(found, make(with_aux, has_aux=True)(X)[0])
    s = State(X[:3], 2.0)
    ours, theirs = make(of_containers, **options)(s, 2), make(of_containers)(s, 2)
    np.testing.assert_array_equal(ours["a"].u, theirs["a"].u)
    assert ours["s"].v.v == theirs["s"].v.v == 4.0 and isinstance(ours["s"].u, State)


@pytest.mark.parametrize("kind", ["threads", "processes", "inline"])
def test_executors_change_no_hessian(kind, request):
    executor = Inline() if kind == "inline" else request.getfixturevalue(kind)
    np.testing.assert_array_equal(dg.hessian(energy, chunk=3, executor=executor)(X), dg.hessian(energy)(X))
    if kind == "inline":
        assert executor.count == 3


def test_without_chunk_each_worker_has_its_share():
    counting = Inline()
    counting._max_workers = 4
    dg.jacfwd(curve, executor=counting)(X)
    assert counting.count == 4


def test_threads_inside_transforms(threads):
    total = lambda x: np.sum(dg.jacfwd(curve, chunk=2, executor=threads)(x) ** 2)  # noqa: E731
    plain = lambda x: np.sum(dg.jacfwd(curve)(x) ** 2)  # noqa: E731
    np.testing.assert_allclose(dg.grad(total)(X), dg.grad(plain)(X))


def test_what_was_switched_off_is_off_in_workers(threads):
    def f(x):
        return np.full(3, np.zeros(1).item() if type(np.zeros(1)) is np.ndarray else 1.0) * x

    with dg.lifting(False):
        assert dg.jacfwd(f, executor=threads)(X[:3]).tolist() == np.zeros((3, 3)).tolist()


@pytest.mark.parametrize("verb", VERBS)
def test_what_cannot_be_sent_says_why(verb, processes):
    with pytest.raises(dg.ArgumentError) as info:
        VERBS[verb](lambda x: x * 2, chunk=2, executor=processes)(X)
    text = str(info.value)
    assert "cannot send the function to another process" in text and "at the top of a module" in text
    with pytest.raises(dg.ArgumentError, match="has no submit"):
        VERBS[verb](curve, executor=3)(X)
    for chunk in (0, -1, 2.5, True):
        with pytest.raises(dg.ArgumentError, match="must be a whole number"):
            VERBS[verb](curve, chunk=chunk)(X)


def test_numbers_of_transforms_are_not_pickled():
    for mode in (dg.jacfwd, dg.jacrev, lambda f: dg.derivative(lambda t: f(t * X))):
        with pytest.raises(dg.UnsupportedError, match="cannot be pickled"):
            mode(lambda x: pickle.dumps(x) and x)(X if mode in (dg.jacfwd, dg.jacrev) else 1.0)
    for number in (dg.Dual(X, X), dg.Jet([X, X])):
        again = pickle.loads(pickle.dumps(np.sin(number)))
        assert type(again) is type(number)
        np.testing.assert_array_equal(again.primal, np.sin(X))
        assert (again + number).shape == X.shape


@dg.custom_jvp
def ruled(x):
    return np.sin(x)


ruled.defjvp(lambda p, t: (ruled(*p), np.cos(p[0]) * t[0]))


@dg.linear(transpose=lambda ct: ct[::-1])
def turned(x):
    return x[::-1]


def by_rules(x):
    return turned(ruled(x)) * solved(x)


def square_minus(x, a):
    return x**2 - a


solved = dg.implicit_root(square_minus, np.sqrt)


def test_functions_with_rules_are_sent_by_name(processes):
    for f in (ruled, turned, solved, by_rules):
        np.testing.assert_array_equal(dg.jacrev(f, chunk=3, executor=processes)(X), dg.jacrev(f)(X))
        np.testing.assert_array_equal(dg.jacfwd(f, chunk=3, executor=processes)(X), dg.jacfwd(f)(X))
    assert pickle.loads(pickle.dumps(ruled)) is ruled and pickle.loads(pickle.dumps(turned)) is turned


def wide(x):
    """Small in and out, with much in between."""
    return np.stack([np.sum(np.sin(np.outer(x, W))), np.sum(np.cos(np.outer(x, W)))])


W = np.linspace(0, 1, 2000)
WIDE = np.linspace(0, 1, 40)


def wide_energy(x):
    return np.sum(wide(x) ** 2)


def tall(x):
    """As many results as arguments, so that many cotangents are pulled."""
    return np.sum(np.sin(np.outer(x, W)), 1)


def peak(f):
    f(WIDE)
    tracemalloc.start()
    f(WIDE)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


@pytest.mark.parametrize(
    ("verb", "f", "factor"),
    [(dg.jacfwd, wide, 0.25), (dg.hessian, wide_energy, 0.3), (dg.jacrev, tall, 0.25), (dg.jacobian, tall, 0.25)],
    ids=["jacfwd", "hessian", "jacrev", "jacobian"],
)
def test_memory_is_bounded_by_the_chunk(verb, f, factor):
    assert peak(verb(f, chunk=4)) < factor * peak(verb(f))
    assert peak(verb(f, chunk=2, executor=Inline())) < factor * peak(verb(f))


# Kernels: the compiled derivative is one function; in pieces it is called by the numbers of each


@njit
def curve_of_a_kernel(x):
    out = np.zeros(len(x))
    s = 0.0
    for i in range(len(x)):
        s += np.sin(x[i]) * x[-1 - i]
        out[i] = s
    return out


@njit
def energy_of_a_kernel(x):
    s = 0.0
    for i in range(len(x)):
        s += np.sin(x[i]) * x[-1 - i]
    return s * s


@pytest.mark.kernel
@pytest.mark.parametrize("kind", ["threads", "processes", "inline"])
@pytest.mark.parametrize("chunk", [None, 3])
def test_executors_and_chunks_change_no_derivative_of_a_kernel(kind, chunk, request):
    executor = Inline() if kind == "inline" else request.getfixturevalue(kind)
    options = {"chunk": chunk, "executor": executor}
    for make in VERBS.values():
        np.testing.assert_allclose(make(curve_of_a_kernel, **options)(X), make(curve)(X), rtol=1e-14, atol=1e-16)
    found = dg.hessian(energy_of_a_kernel, **options)(X)
    np.testing.assert_allclose(found, dg.hessian(energy)(X), rtol=1e-13)
    if kind == "inline":
        assert executor.count >= 4


@pytest.mark.kernel
def test_chunks_alone_work_for_kernels():
    for make in VERBS.values():
        np.testing.assert_allclose(make(curve_of_a_kernel, chunk=2)(X), make(curve)(X), rtol=1e-14, atol=1e-16)
    np.testing.assert_allclose(dg.hessian(energy_of_a_kernel, chunk=3)(X), dg.hessian(energy)(X), rtol=1e-13)
