"""The step-through table: its text, and every number in it against jvp, vjp, jets and differences of the rest."""

import sys
import xml.etree.ElementTree as XML

import numpy as np
import pytest
from eager_cases import CASES
from numba import njit

import dualgrad as dg

X = np.array([1.0, 2.0, 0.5])


def helper(a, b):
    c = a * b
    return c + np.sin(a)


def busy(x, n):
    s = 0.0
    r = np.zeros(3)
    for i in range(n):
        r[i] = x[i] * x[0]
        s += helper(r[i], 2.0)
    k = 0
    while k < 2:
        k += 1
        if k == 1:
            s = s * s
    a, b = x[0], s
    return np.sum(r) + a * b


def aliased(x):
    y = x * x
    z = y
    y = y + z
    return np.sum(y * z)


def in_place(x):
    y = x.copy()
    y[1:] *= y[:-1]
    y += 1.0
    v = y[1:]
    v[0] = np.exp(v[0])
    return np.sum(y)


def selected(x):
    y = np.sqrt(x)
    z = np.where(x < 1.0, x, y)
    return np.sum(z)


def containers(x):
    pair = (x[0], x[1] * x[2])
    d = {"a": pair[0] * pair[1]}
    big = [v * 2.0 for v in x]
    return d["a"] + sum(big)


def inner_derivative(x):
    g = dg.grad(lambda t: np.sum(t**3))(x)
    return np.sum(g * x)



def row(explanation, name, k=-1):
    return [r for r in explanation.rows if r.name == name][k]


def close(a, b, tolerance=1e-12):
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_the_table_to_the_letter():
    first = in_place.__code__.co_firstlineno
    assert str(dg.explain(in_place, X, direction=np.array([1.0, 0.0, 0.0]))).splitlines() == [
        "line  code                   name    primal     tangent  cotangent",
        "────  ─────────────────────  ──────  ─────────  ───────  ───────────────────",
        f"{first}    def in_place(x):       x       [1 2 0.5]  [1 0 0]  [41.1711 20.5855 2]",
        f"{first + 1}      y = x.copy()         y       [1 2 0.5]  [1 0 0]  [41.1711 20.5855 2]",
        f"{first + 2}      y[1:] *= y[:-1]      y[1:]   [2 1]      [2 0]    [20.0855 1]",
        f"{first + 3}      y += 1.0             y       [2 3 2]    [1 2 0]  [1 20.0855 1]",
        f"{first + 4}      v = y[1:]            v       [3 2]      [2 0]    [20.0855 1]",
        f"{first + 5}      v[0] = np.exp(v[0])  v[0]    20.0855    40.1711  1",
        f"{first + 6}      return np.sum(y)     return  24.0855    41.1711  1",
    ]


def test_loops_have_turns_and_calls_are_indented():
    found = dg.explain(busy, X, 2)
    turns = [(r.name, r.turns) for r in found.rows if r.function == "busy" and r.name in ("i", "r[0]", "r[1]", "s")]
    assert turns == [
        ("s", ()), ("i", (1,)), ("r[0]", (1,)), ("s", (1,)), ("i", (2,)), ("r[1]", (2,)), ("s", (2,)), ("s", (1,)),
    ]  # fmt: skip
    assert [r.primal for r in found.rows if r.name == "i"] == [0, 1]
    assert [r.outcome for r in found.rows if r.source == "while k < 2:"] == [True, True, False]
    assert [r.outcome for r in found.rows if r.source == "if k == 1:"] == [True, False]
    inner = [r for r in found.rows if r.function == "helper"]
    assert [r.name for r in inner] == ["a", "b", "c", "return"] * 2 and {r.depth for r in inner} == {1}
    text = str(found)
    assert "│ def helper(a, b):" in text and "while k < 2: → False" in text and "turn" in text
    assert all(r.line == busy.__code__.co_firstlineno + 4 for r in found.rows if r.name.startswith("r["))


def test_cotangents_are_derivatives_by_each_name():
    """Each against the gradient of the rest of the function, written out by hand."""
    found, n = dg.explain(busy, X, 3), 3
    r = X * X[0]
    total = sum(2 * v + np.sin(v) for v in r)
    close(row(found, "x").cotangent, dg.grad(busy)(X, n))
    close(row(found, "r[1]").cotangent, 1 + X[0] * 2 * total * (2 + np.cos(r[1])))
    close(row(found, "a", 1).cotangent, X[0] * 2 * total * (2 + np.cos(r[1])))  # in helper, second turn
    close(row(found, "c", 0).cotangent, X[0] * 2 * total)
    assert row(found, "a").cotangent == total**2 and row(found, "b").cotangent == X[0]
    assert row(found, "s", 0).cotangent is None  # a constant
    close(row(found, "s", -2).cotangent, X[0] * 2 * total)
    close(row(found, "return").tangent, dg.jvp(lambda x: busy(x, n), (X,), (np.ones(3),))[1])
    close(row(found, "r[2]").tangent, X[2] + X[0])


def test_each_name_has_its_own_cotangent():
    found = dg.explain(aliased, X)
    y = X * X
    close([r.cotangent for r in found.rows if r.name == "y"], [4 * y, y])
    close(found["z"].cotangent, 4 * y)  # y is z: what is said is the derivative by the object from here on
    close(found["x"].cotangent, dg.grad(aliased)(X))


def test_memory_is_seen_as_it_is_at_that_line():
    found = dg.explain(in_place, X)
    e = np.exp(3.0)
    names = [r.name for r in found.rows]
    assert names == ["x", "y", "y[1:]", "y", "v", "v[0]", "return"]
    close(found.rows[2].cotangent, [e, 1.0])
    close(found.rows[3].primal, [2.0, 3.0, 2.0])
    close(found.rows[3].cotangent, [1.0, e, 1.0])
    close(found.rows[4].tangent, [3.0, 2.5])
    assert found["v[0]"].cotangent == 1.0
    close(found["v[0]"].primal, e)
    close(found["x"].cotangent, dg.grad(in_place)(X))


def test_structural_zeros_stay_zero():
    found = dg.explain(selected, np.array([-1.0, 0.0, 4.0]))
    close(found["x"].cotangent, [1.0, 1.0, 0.25])
    close(found["y"].cotangent, [0.0, 0.0, 1.0])
    close(found["z"].tangent, [1.0, 1.0, 0.25])


def test_containers_and_transforms_inside():
    found = dg.explain(containers, X)
    assert [r.name for r in found.rows] == ["x", "pair[0]", "pair[1]", "d['a']", "big[0]", "big[1]", "big[2]", "return"]
    close(found["pair[0]"].cotangent, X[1] * X[2])
    found = dg.explain(inner_derivative, X)
    close(found["g"].primal, 3 * X**2)
    close(found["g"].cotangent, X)
    close(found["x"].cotangent, 9 * X**2)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_ends_are_those_of_jvp_and_vjp_for_every_function(case):
    rng = np.random.default_rng(4)
    v = rng.normal(size=np.shape(case.x))[()]
    out, dot = dg.jvp(case.f, (case.x,), (v,))
    w = np.cos(np.arange(np.size(out))).reshape(np.shape(out))[()]
    found = dg.explain(case.f, case.x, direction=v, cotangent=w)
    close(found.rows[0].cotangent, dg.vjp(case.f, case.x)[1](w)[0])
    last = found.rows[-1]
    assert last.name == "return" and last.depth == 0
    close(last.primal, out)
    if last.tangent is not None:
        close(last.tangent, dot)
        close(last.cotangent, w)
    assert np.shape(found.rows[0].tangent) == np.shape(case.x)
    XML.fromstring(found._repr_html_())


@pytest.mark.parametrize("f", [busy, aliased, in_place, containers], ids=lambda f: f.__name__)
def test_series_are_those_of_taylor(f):
    rest = (2,) if f is busy else ()
    found = dg.explain(f, X, *rest, order=3)
    close(found["return"].coeffs, dg.taylor(lambda x: f(x, *rest), X, 3, np.ones(3)).coeffs)
    plain = dg.explain(f, X, *rest)
    for a, b in zip(found.rows, plain.rows, strict=True):
        assert (a.name, a.line, a.turns) == (b.name, b.line, b.turns)
        if b.tangent is not None:
            close(a.coeffs[0], b.primal)
            close(a.coeffs[1], b.tangent)
    assert "O(t⁴)" in str(found) and "cotangent" not in str(found)
    XML.fromstring(found._repr_html_())


def test_arguments_directions_and_results_of_every_kind():
    def f(p, scale, name="a", *rest, flag=True):
        return {"u": p["a"] * scale, "v": p["b"]}

    found = dg.explain(f, {"a": 2.0, "b": X}, 3.0, direction=({"a": 1.0, "b": 2 * X}, 0.5),
                       cotangent={"u": 1.0, "v": np.ones(3)})  # fmt: skip
    assert found["p['a']"].cotangent == 3.0 and found["scale"].cotangent == 2.0 and found["name"].primal == "a"
    assert found["return['u']"].tangent == 1.0 * 3.0 + 2.0 * 0.5
    assert dg.explain(lambda x: x * 2.0, X)["x"].cotangent is None  # no one result, and no cotangent given
    assert dg.explain(lambda n: n * n, 3)["n"].cotangent == 6.0
    assert dg.explain(np.sin, 0.5).rows == []
    assert dg.explain(lambda x: np.sin(x), 0.5)["return"].cotangent == 1.0


def test_what_is_bound_to_large_containers_and_objects_is_shown_as_it_was():
    def f(x):
        many = [v * 2.0 for v in np.concatenate([x, x])]
        s = slice(0, 2)
        many[0] = many[1]
        pair = (x[s], many)
        return sum(many) + pair[0][0]

    found = dg.explain(f, X)
    assert found["many"].primal == [2.0, 4.0, 1.0, 2.0, 4.0, 1.0] and str(found["s"].primal) == "slice(0, 2, None)"
    assert found["many[0]"].primal == 4.0 and "slice(0, 2, None)" in str(found)


def test_errors():
    with pytest.raises(dg.ArgumentError, match="no argument is a number"):
        dg.explain(lambda s: s, "a")
    with pytest.raises(dg.StructureError, match="explain: the direction.0. has shape"):
        dg.explain(aliased, X, direction=np.ones(2))
    with pytest.raises(dg.StructureError, match="the cotangent is not structured as the result"):
        dg.explain(aliased, X, cotangent=(1.0, 2.0))
    with pytest.raises(ZeroDivisionError):
        dg.explain(lambda x: x * (1 / 0), 1.0)
    assert sys.gettrace() is None or "explain" not in repr(sys.gettrace())


def test_long_runs_are_folded():
    def long(x):
        for k in range(5000):
            x = x + k
        return x * x

    found = dg.explain(long, 1.0, limit=20)
    assert len(found.rows) == 20 and found.left_out == 5000 * 2 + 2 - 20
    assert found["x"].cotangent == found["return"].tangent == found.rows[0].cotangent == 2 * (1 + 4999 * 2500)
    assert f"{found.left_out} more" in str(found) and len(str(found).splitlines()) == 23


def test_statements_of_several_lines_and_of_one():
    def f(x):
        y = (
            x
            + x * x
        )
        for k in range(3): y = y + k  # noqa: E701
        z = [
            y * v
            for v in (1.0, 2.0)
        ]
        if (w := z[0]) > 0:
            return w * z[1]
        return x

    found = dg.explain(f, 2.0)
    assert [r.primal for r in found.rows if r.name == "y"][0] == 6.0
    assert found["y"].primal == 9.0 and found["z[1]"].primal == 18.0 and found["w"].primal == 9.0
    assert found["y"].cotangent == 2 * 2 * 9.0 and "y = ( x + x * x )" in str(found)


def test_complex_and_single_precision():
    found = dg.explain(lambda z: np.real(z * z), 1 + 2j)
    assert found["z"].cotangent == np.conj(2 * (1 + 2j)) and found["z"].tangent == 1.0
    assert dg.explain(lambda z: z * z, 1 + 2j)["return"].tangent == 2 * (1 + 2j)
    found = dg.explain(lambda x: np.sum(np.exp(x)), X.astype(np.float32))
    assert found["x"].cotangent.dtype == found["return"].tangent.dtype == np.float32


def test_methods_partials_closures_and_switched_off_lifting():
    from functools import partial

    class Model:
        def __init__(self, scale):
            self.scale = scale

        def loss(self, x, power):
            y = self.scale * x**power
            return np.sum(y)

    model = Model(2.0)
    for f in (partial(model.loss, power=3), lambda x: model.loss(x, 3)):
        found = dg.explain(f, X)
        close(found["y"].cotangent, np.ones(3))
        close(found["x"].cotangent, 6 * X**2)
    with dg.lifting(False):
        close(dg.explain(lambda x: model.loss(x, 3), X)["x"].cotangent, 6 * X**2)


def test_an_explanation_inside_a_derivative_shows_plain_values():
    seen = []

    def f(x):
        seen.append(dg.explain(lambda t: t * t * t, x))
        return x * x

    assert dg.grad(f)(3.0) == 6.0
    assert seen[0]["t"].primal == 3.0 and seen[0]["t"].cotangent == 27.0


def test_without_source_there_are_lines_and_results():
    space = {}
    exec("def f(x):\n    y = x * x\n    return y * 3.0\n", space)
    found = dg.explain(space["f"], 2.0)
    assert [(r.line, r.name) for r in found.rows] == [(1, "x"), (2, ""), (3, "return")]
    assert found["x"].cotangent == 12.0 and found["return"].primal == 12.0


@njit
def squared(v):
    return v * v


@njit
def kernel(x, out):
    s = 0.0
    for k in range(x.size):
        if x[k] > 0:
            out[k] = squared(x[k])
            s += out[k]
    return s


def test_a_kernel_runs_as_the_function_that_it_was_compiled_from():
    x = np.array([1.0, -2.0, 3.0])
    out = np.zeros(3)
    found = dg.explain(kernel, x, out)
    close(found["x"].cotangent, [2.0, 0.0, 6.0])
    assert [r.name for r in found.rows if r.function == "squared"] == ["v", "return"] * 2
    assert not out.any() and found["out[2]"].cotangent == 1.0 and not kernel.signatures
    mixed = dg.explain(lambda t: np.sin(squared(t)), 1.5)  # called by an ordinary function, without dg.kernel
    close(mixed["v"].cotangent, np.cos(2.25) * 3.0)


def test_kernels_in_modules_run_as_python_too():
    import kernel_forms

    (case,) = (c for c in kernel_forms.CASES if c.name == "attributes_of_modules")
    found = dg.explain(case.f, *case.args)
    assert found["return"].primal == case.f.py_func(*case.args)
    assert "softplus" in {r.function for r in found.rows}


@pytest.mark.kernel
def test_kernels_of_the_suite_run_like_the_compiled_ones():
    """Values, and tangents against differences of the compiled originals."""
    import kernels

    seen = 0
    for case in kernels.CASES[::7]:
        if case.name == "same_array_twice":  # an array given twice is two arguments, and cannot be written
            with pytest.raises(dg.OverlapError):
                dg.explain(case.f, *kernels.arguments(case))
            continue
        value = case.f(*kernels.arguments(case))
        last = dg.explain(case.f, *kernels.arguments(case)).rows[-1]
        if last.name != "return" or not isinstance(value, float):
            continue
        close(last.primal, value, 1e-10)
        if case.smooth and all(np.asarray(a).dtype.kind == "f" for a in case.args if not isinstance(a, tuple)):
            h = 1e-6
            up, down = ([a + s * h if np.asarray(a).dtype.kind == "f" else a for a in kernels.arguments(case)]
                        for s in (1, -1))  # fmt: skip
            if not any(isinstance(a, tuple) for a in case.args):
                np.testing.assert_allclose(last.tangent, (case.f(*up) - case.f(*down)) / (2 * h), rtol=1e-5, atol=1e-5)
                seen += 1
    assert seen > 3
