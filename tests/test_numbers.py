"""Dual and Jet made by hand, outside of any transform; the structural words; kernels as one word."""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.backends import arrays
from dualgrad.numbers.calls import Function, apply_function


def test_dual_prints_and_computes():
    x = dg.Dual([1.0, 2.0], [1.0, 0.0])
    assert repr(x * x) == "Dual([1.0, 4.0], tangent=[2.0, 0.0])"
    assert repr(dg.Dual(2.0, 1.0) ** 3) == "Dual(8.0, tangent=12.0)"
    y = np.sin(x)[0] + x.sum()
    assert y.tangent == np.cos(1.0) + 1 and y.primal == np.sin(1.0) + 3


def test_dual_carries_directions_in_front():
    x = dg.Dual(np.ones((2, 3)), np.arange(24.0).reshape(4, 2, 3))
    y = (x * np.arange(3.0)).sum(axis=1) @ np.array([1.0, 2.0])
    assert y.tangent.shape == (4,)
    np.testing.assert_array_equal(y.tangent, (x.tangent * np.arange(3.0)).sum(2) @ [1.0, 2.0])
    with pytest.raises(dg.StructureError):
        dg.Dual(np.ones(3), np.ones((3, 2)))


def test_numbers_made_by_hand_nest_without_confusion():
    x = dg.Dual(dg.Dual(2.0, 1.0), dg.Dual(1.0, 0.0))
    y = x * x * x
    assert y.tangent.tangent == 12.0 and y.primal.tangent == 12.0
    j = dg.Jet(dg.Dual([2.0, 1.0, 0.0], [1.0, 0.0, 0.0]))
    assert np.array_equal((j**3).coeffs.tangent, [12.0, 12.0, 3.0])
    assert dg.grad(lambda a: (dg.Dual(a, 1.0) ** 2).tangent)(2.0) == 2.0


def test_jet_is_a_polynomial():
    t = dg.Jet([0.5, 1.0, 0.0, 0.0])
    y = np.exp(t) * t
    assert np.allclose(y.derivatives(), np.exp(0.5) * (0.5 + np.arange(4)))
    assert y.order == 3 and y.shape == () and y.primal == y.coeffs[0]
    assert np.isclose(y(0.1), 0.6 * np.exp(0.6), atol=1e-4)
    assert np.array_equal(dg.Jet([[1.0, 2.0], [3.0, 4.0]])(2.0), [7.0, 10.0])


def test_views_write_through_in_numbers_made_by_hand():
    for x in (dg.Dual(np.ones(3), np.zeros(3)), dg.Jet(np.array([[1.0, 1, 1], [0, 0, 0]]))):
        v = x[1:]
        v[0] = v[1] * 3
        v *= 2
        assert np.array_equal(x.primal, [1, 6, 2])


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("other", [1, 2, 3, 4])
def test_batched_matmul_words(rng, rank, other):
    a = rng.normal(size=(2, 3, 3)[-rank:] if rank > 1 else (3,))
    b = rng.normal(size=(2, 2, 3, 3)[-other:] if other > 1 else (3,))
    stack = rng.normal(size=(5, *a.shape))
    np.testing.assert_allclose(arrays.matmul_left_batched(stack, b), np.stack([s @ b for s in stack]))
    np.testing.assert_allclose(arrays.matmul_right_batched(stack, b), np.stack([b @ s for s in stack]))
    ct, ct2 = rng.normal(size=(5, *(a @ b).shape)), rng.normal(size=(5, *(b @ a).shape))
    left = arrays.matmul_left_back_batched(ct, b, a.shape)
    right = arrays.matmul_right_back_batched(ct2, b, a.shape)
    np.testing.assert_allclose(left, np.stack([arrays.matmul_left_back(c, b, a.shape) for c in ct]))
    np.testing.assert_allclose(right, np.stack([arrays.matmul_right_back(c, b, a.shape) for c in ct2]))
    np.testing.assert_allclose(np.sum(ct[0] * (a @ b)), np.sum(left[0] * a))
    np.testing.assert_allclose(np.sum(ct2[0] * (b @ a)), np.sum(right[0] * a))


I = np.array([0, 1, 1])  # noqa: E741
INDICES = [
    np.s_[1], np.s_[1:, ::-1], np.s_[..., None, 0], np.s_[I], np.s_[:, I], np.s_[I, :, I], np.s_[0, :, I], np.s_[I, I],
    np.s_[I, I, I], np.s_[None, I, :, 1:], (np.eye(2, 3, dtype=bool),), np.s_[:, [True, False, True], I[:2]],
    np.s_[-1, ..., -2],
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_batched_getitem_and_scatter(rng, index):
    x = rng.normal(size=(5, 2, 3, 4))
    single = np.stack([v[index] for v in x])
    np.testing.assert_array_equal(arrays.getitem_batched(x, index), single)
    ct = rng.normal(size=single.shape)
    back = arrays.scatter_batched(ct, index, x.shape[1:])
    np.testing.assert_allclose(back, np.stack([arrays.scatter(c, index, x.shape[1:]) for c in ct]))
    np.testing.assert_allclose(np.sum(ct * single), np.sum(back * x))


STRUCTURAL = [
    ("sum", (1, False)), ("sum", ((0, 2), True)), ("sum", (None, False)), ("sum", (-1, True)), ("reshape", ((3, 8),)),
    ("reshape", ((4, -1),)), ("transpose", (None,)), ("transpose", ((2, 0, 1),)), ("transpose", ((-1, 0, 1),)),
    ("untranspose", ((2, 0, 1),)), ("broadcast_to", ((5, 2, 3, 4),)), ("cumsum", (1,)), ("cumsum", (-1,)),
    ("cumsum_back", (0,)),
    ("sum_to", ((3, 1),)), ("sum_to", ((),)), ("clear", (np.s_[1, ::2],)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "rest"), STRUCTURAL, ids=str)
def test_batched_structural_words_and_their_adjoints(rng, name, rest):
    from dualgrad.core.words import WORDS
    from dualgrad.numbers.number import evaluate
    from dualgrad.numbers.recorded import Tape
    from dualgrad.numbers.sweeps import pull

    x = rng.normal(size=(6, 2, 3, 4))
    word = evaluate(WORDS[name])
    single = np.stack([word(v, *rest) for v in x])
    np.testing.assert_allclose(getattr(arrays, f"{name}_batched")(x, *rest), single)
    from dualgrad.numbers.number import apply

    tape = Tape("test")
    y = apply(WORDS[name], tape.input(x[0]), *rest)
    ct = rng.normal(size=y.shape)
    (back,) = pull(tape, [(y._linear, ct)], [0])
    np.testing.assert_allclose(np.sum(back * x[0]), np.sum(ct * single[0]))
    cts = rng.normal(size=single.shape)
    (many,) = pull(tape, [(y._linear, cts)], [0], len(cts))
    rest = tuple(range(1, cts.ndim))
    np.testing.assert_allclose(np.sum(many * x[0], axis=(1, 2, 3)), np.sum(cts * single[0], axis=rest))


class Fake(Function):
    """A kernel whose transforms are dualgrad's own, of a plain function; it accepts numbers as a kernel does."""

    name = "fake"

    def __init__(self, f):
        self.f, self.pushforward, self.pullback = f, dg.pushforward(f), dg.pullback(f)

    def __call__(self, *args):
        if any(isinstance(a, (dg.Dual, dg.Jet)) or hasattr(a, "_level") for a in args):
            return apply_function(self, args)
        return self.f(*args)

    def jet(self, primals, series):
        return dg.jet(self.f, primals, series)


def test_a_kernel_is_one_word_in_every_mode():
    def body(x, n):
        return np.sin(x) * x[0] ** n, np.sum(x) * x

    kernel = Fake(body)

    def calls(g):
        def f(x):
            a, b = g(x * 2, 3)
            return np.sum(a * b) * x

        return f

    x, v = np.array([0.3, 0.8]), np.array([1.0, -0.5])
    ours, plain = calls(kernel), calls(body)
    np.testing.assert_allclose(dg.jvp(ours, (x,), (v,))[1], dg.jvp(plain, (x,), (v,))[1])
    np.testing.assert_allclose(dg.jacfwd(ours)(x), dg.jacfwd(plain)(x))
    np.testing.assert_allclose(dg.jacrev(ours)(x), dg.jacrev(plain)(x))
    np.testing.assert_allclose(dg.linearize(ours, x)[1](v), dg.jvp(plain, (x,), (v,))[1])
    np.testing.assert_allclose(dg.hessian(ours)(x), dg.hessian(plain)(x))
    np.testing.assert_allclose(dg.jacrev(dg.jacrev(ours))(x), dg.hessian(plain)(x))
    np.testing.assert_allclose(dg.jacrev(dg.jacfwd(ours))(x), dg.hessian(plain)(x))
    for a, b in zip(dg.jet(ours, (x,), ([v, v],)), dg.jet(plain, (x,), ([v, v],)), strict=True):
        np.testing.assert_allclose(a, b)
