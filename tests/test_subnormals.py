"""Flush-to-zero in reverse sweeps: the mode is put back, values keep their subnormals, gradients their digits."""

import platform

import numpy as np
import pytest
from numba import njit

import dualgrad as dg
from dualgrad.backends.subnormals import flush, restore
from dualgrad.core.words import WORDS

TINY = np.float64(1e-310)
X86 = platform.machine().lower() in ("x86_64", "amd64")


def keeps_subnormals():
    return TINY * 0.5 != 0.0


@njit
def damped(x, n):
    """The influence of the start is halved in every step."""
    s = x[0]
    for k in range(n):
        s = 0.5 * s + x[1] * x[k % 2] * x[k % 2]
    return s


@njit
def tiny(x):
    """Its value is subnormal."""
    s = 1.0
    for k in range(len(x)):
        s *= x[k]
    return s


@njit
def checked(x, y):
    """Raises where the lengths differ: in the forward sweep, before anything is flushed."""
    s = 1.0
    for _ in range(3):
        s = 0.5 * s + np.sum(x * y)
    return s


@njit
def running(x, factor, out):
    for k in range(len(out)):
        x *= factor
        out[k] = x
    return out


@njit
def flushed(x, factor, out):
    mode = flush()
    running(x, factor, out)
    restore(mode)
    return out


@pytest.mark.kernel
@pytest.mark.skipif(not X86, reason="only x86 has the register")
def test_between_flush_and_restore_subnormals_are_zero():
    assert np.all(running(1e-300, 0.01, np.ones(9)) > 0.0)
    found = flushed(1e-300, 0.01, np.ones(9))
    assert found[2] > 0.0 and np.all(found[4:] == 0.0)
    assert np.all(running(1e-300, 0.01, np.ones(9)) > 0.0)
    assert keeps_subnormals()


@pytest.mark.kernel
def test_the_words_have_the_types_of_numba():
    @njit
    def modes():
        mode = flush()
        return mode, restore(mode)

    modes()
    found = [str(t) for t in modes.nopython_signatures[0].return_type]
    assert found == [WORDS[name].infer([], {}).dtype for name in ("flush", "restore")]


@pytest.mark.kernel
def test_the_gradient_keeps_its_digits_and_the_thread_its_mode():
    x = np.array([0.7, 1.3])
    assert "mode = flush()" in dg.source(dg.grad(damped), x, 5)
    for n in (5, 60, 3000):
        found = dg.grad(damped)(x, n)
        assert keeps_subnormals()
        with np.errstate(under="ignore"):
            np.testing.assert_allclose(found, dg.grad(damped.py_func)(x, n), rtol=1e-12, atol=1e-300)


@pytest.mark.kernel
def test_a_value_keeps_its_subnormals():
    x = np.array([1e-160, 1e-155, 0.25])
    value, gradient = dg.value_and_grad(tiny)(x)
    assert value == tiny(x) != 0.0
    np.testing.assert_allclose(gradient[:2], [x[1] * 0.25, x[0] * 0.25], rtol=1e-15)


@pytest.mark.kernel
def test_the_mode_is_put_back_where_a_derivative_raises():
    x = np.ones(3)
    dg.grad(checked)(x, x)
    with pytest.raises(dg.DualgradError):
        dg.grad(checked)(x, np.ones(4))
    assert keeps_subnormals()


def test_where_indices_are_checked_nothing_is_flushed():
    x = np.array([0.7, 1.3])
    assert "flush" not in dg.source(dg.grad(njit(boundscheck=True)(damped.py_func)), x, 5)


def test_a_sweep_without_chains_is_left_alone():
    @njit
    def total(x):
        s = 0.0
        for v in x:
            s += v * v
        return s

    assert "flush" not in dg.source(dg.grad(total), np.ones(3))
