"""The laws of differentiation over ordinary NumPy functions, in every mode and order of nesting."""

import numpy as np
import pytest
from eager_cases import CASES

import dualgrad as dg
from dualgrad.api.linear_program import constants_of
from dualgrad.core.check import check
from dualgrad.core.program import Var
from dualgrad.numbers.number import evaluate

CASE = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)


def close(a, b, tolerance=1e-12):
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * 10)


def direction(x, seed):
    rng = np.random.default_rng(seed)
    v = rng.normal(size=np.shape(x))
    return v if np.ndim(x) else np.float64(v)


def differences(f, x, v):
    """Fourth-order central differences of the original function."""
    h = 1e-3
    d = [np.asarray(f(x + k * h * v)) for k in (-2, -1, 1, 2)]
    return (d[0] - 8 * d[1] + 8 * d[2] - d[3]) / (12 * h)


def weighted(f, x):
    """A scalar function from an array function."""
    w = np.cos(np.arange(np.size(f(x)))).reshape(np.shape(f(x)))
    return lambda z: np.sum(w * f(z))


@CASE
def test_value_is_that_of_the_function(case):
    before = np.copy(case.x)
    value = case.f(case.x)
    for out in (
        dg.jvp(case.f, (case.x,), (case.x,))[0],
        dg.vjp(case.f, case.x)[0],
        dg.jet(case.f, (case.x,), ([case.x],))[0],
    ):
        close(out, value)
        assert np.shape(out) == np.shape(value)
        assert np.asarray(out).dtype == np.asarray(value).dtype
    assert np.array_equal(case.x, before)


@CASE
def test_jvp_is_the_limit_of_differences(case):
    v = direction(case.x, 1)
    _, dot = dg.jvp(case.f, (case.x,), (v,))
    np.testing.assert_allclose(dot, differences(case.f, case.x, v), rtol=2e-8, atol=2e-8)


@CASE
def test_adjoint_identity(case):
    v = direction(case.x, 2)
    y, pullback = dg.vjp(case.f, case.x)
    w = direction(y, 3)
    (ct,) = pullback(w)
    assert np.shape(ct) == np.shape(case.x)
    close(np.sum(ct * v), np.sum(w * dg.jvp(case.f, (case.x,), (v,))[1]))


@CASE
def test_linear_map_is_jvp_and_vjp(case):
    v = direction(case.x, 4)
    y, lin = dg.linearize(case.f, case.x)
    w = direction(y, 5)
    close(lin(v), dg.jvp(case.f, (case.x,), (v,))[1])
    close(lin.T(w)[0], dg.vjp(case.f, case.x)[1](w)[0])
    close(lin @ np.ravel(v), np.ravel(lin(v)))
    close(lin.to_dense(), lin.T.to_dense().T)


@CASE
def test_jet_of_order_one_is_jvp(case):
    v = direction(case.x, 6)
    out, series = dg.jet(case.f, (case.x,), ([v],))
    close(series[0], dg.jvp(case.f, (case.x,), (v,))[1])


@CASE
def test_jet_of_order_two_is_jvp_of_jvp(case):
    v = direction(case.x, 7)
    series = dg.jet(case.f, (case.x,), ([v, 0 * v],))[1]
    second = dg.jvp(lambda x: dg.jvp(case.f, (x,), (v,))[1], (case.x,), (v,))[1]
    close(2 * series[1], second, 1e-11)


@CASE
def test_jacobians_agree_and_hold_the_jvp(case):
    v = direction(case.x, 8)
    forward, reverse = dg.jacfwd(case.f)(case.x), dg.jacrev(case.f)(case.x)
    assert np.shape(forward) == np.shape(reverse) == np.shape(case.f(case.x)) + np.shape(case.x)
    close(forward, reverse)
    close(dg.jacfwd(case.f, chunk=2)(case.x), forward)
    close(dg.jacrev(case.f, chunk=2)(case.x), forward)
    close(np.tensordot(forward, v, np.ndim(case.x)), dg.jvp(case.f, (case.x,), (v,))[1])


@CASE
def test_second_derivatives_do_not_depend_on_the_order_of_modes(case):
    f = weighted(case.f, case.x)
    reference = dg.jacfwd(dg.jacfwd(f))(case.x)
    for outer, inner in ((dg.jacfwd, dg.jacrev), (dg.jacrev, dg.jacfwd), (dg.jacrev, dg.jacrev)):
        close(outer(inner(f))(case.x), reference, 1e-11)
    close(dg.hessian(f)(case.x), reference, 1e-11)
    v = direction(case.x, 9)
    close(dg.hvp(f, (case.x,), (v,)), np.tensordot(reference, v, np.ndim(case.x)), 1e-11)


@CASE
def test_jet_nests_with_the_other_modes(case):
    f, x = weighted(case.f, case.x), case.x
    u, v = direction(x, 10), direction(x, 11)

    def along(z):
        return dg.jet(f, (z,), ([v, 0 * v],))[1][1]

    def slope(z):
        return dg.jvp(f, (z,), (u,))[1]

    def slope_by_reverse(z):
        return np.sum(dg.grad(f)(z) * u)

    third = dg.jet(slope, (x,), ([v, 0 * v],))[1][1]
    close(dg.jvp(along, (x,), (u,))[1], third, 1e-10)
    close(np.sum(dg.grad(along)(x) * u), third, 1e-10)
    close(dg.jet(slope_by_reverse, (x,), ([v, 0 * v],))[1][1], third, 1e-10)


def interpreted(program, values):
    """A straight-line program run statement by statement."""
    known = dict(zip(program.params, values, strict=True))

    def value(atom):
        return known[atom] if isinstance(atom, Var) else getattr(atom.value, "value", atom.value)

    for s in program.body:
        known[s.target] = evaluate(s.word)(*map(value, s.args))
    return [value(a) for a in program.results]


@CASE
def test_linear_program_and_its_transpose_compute_what_they_print(case):
    y, lin = dg.linearize(case.f, case.x)
    constants = constants_of(lin.recording)
    v, w = direction(case.x, 12), direction(y, 13)
    (dot,) = interpreted(check(lin.program), [*constants, v])
    close(np.broadcast_to(dot, np.shape(y)), lin(v))
    (ct,) = interpreted(check(lin.T.program), [*constants, w])
    close(np.broadcast_to(ct, np.shape(case.x)), lin.T(w)[0])
    assert str(lin).startswith("def ") and str(lin.T).startswith("def ")
