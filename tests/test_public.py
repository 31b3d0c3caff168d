"""Public names and small verbs."""

import numpy as np
import pytest
from numba import njit

import dualgrad as dg


@njit
def energy(x):
    s = 0.0
    for v in x:
        s += v**3
    return s


X = np.array([1.0, 2.0])


def test_every_public_name_is_there_and_documented():
    for name in dg.__all__:
        assert getattr(dg, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'gradient'"):
        dg.gradient  # noqa: B018


def test_stop_gradient_is_a_constant_at_every_level():
    assert dg.grad(lambda x: x * dg.stop_gradient(x))(3.0) == 3.0
    assert dg.grad(lambda x: dg.grad(lambda y: y * dg.stop_gradient(x * y))(x))(2.0) == 0.0
    assert dg.grad(lambda t: np.sum(t["a"] * dg.stop_gradient(t)["a"]))({"a": X})["a"].tolist() == [1.0, 2.0]


def test_a_linear_program_names_the_kernel_it_calls():
    kernel = dg.kernel(energy)
    _, lin = dg.linearize(lambda x: kernel(np.sin(x)), X)
    assert "energy_pushforward(" in str(lin)
    assert "energy_pullback0(" in str(lin.T)


def test_source_shows_the_generated_text():
    assert "def grad_energy(x):" in dg.source(dg.grad(energy), X)
    with pytest.raises(dg.ArgumentError, match="no compiled derivative"):
        dg.source(np.sin)
