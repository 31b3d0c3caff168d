"""Complex numbers in every mode: the jvp is the limit of differences, the pullback its adjoint under Re<a, b>."""

from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import pytest
from test_eager_laws import interpreted

import dualgrad as dg
from dualgrad.api.linear_program import constants_of
from dualgrad.core.check import check

Z = np.array([1 + 2j, 0.5 - 1j, -0.3 + 0.2j])
X = np.array([0.3, 0.7, 1.1])
A = np.array([[1.0, -0.5, 0.25], [0.3, 2.0, -1.0], [0.7, 0.1, 1.5]])
C = A + 1j * A.T

inf = np.inf


def filled(z):
    y = np.zeros(4, complex)
    y[0] = z[0] * 2
    y[1:] = z.real * 1j
    y[2] += z[1].imag
    return y * y[::-1]


def parts_written(z):
    y = z * 1
    y.real = z.imag * 2
    y.imag[1] = z[0].real
    y.real[1:] += y.imag[:-1]
    return y * z


def buffer_of_parts(x):
    y = np.zeros((2, 2), complex)
    y.real[0] = x[:2]
    y.imag[:, 1] = x[1:] * x[0]
    return y @ y


HOLOMORPHIC = {
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos, "tan": np.tan, "sinh": np.sinh,
    "cosh": np.cosh, "tanh": np.tanh, "arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan,
    "expm1": np.expm1, "log1p": np.log1p, "log2": np.log2, "log10": np.log10, "exp2": np.exp2, "square": np.square,
    "reciprocal": np.reciprocal,
    "integer power": lambda z: z**3 + z**-2,
    "real power": lambda z: z**2.5,
    "complex power": lambda z: z ** (1 + 0.5j),
    "power of a constant": lambda z: 2.0**z + (1 + 1j) ** z,
    "power of itself": lambda z: z**z,
    "arithmetic": lambda z: (3 - z) / (z * z + 1j) - 2 / z + z / (3 + 1j),
    "broadcast": lambda z: z[:, None] * z * X,
    "products": lambda z: C @ z + z @ A + (z @ z) * z + np.outer(z, z) @ X,
    "structure": lambda z: np.cumsum(z)[::-1].reshape(3, 1).T + np.roll(z, 1) + np.sum(z * z) + np.prod(z) + np.mean(z),
    "joined": lambda z: np.concatenate([z[1:], z[:2] * z[0]]) + np.stack([z[0], 1.0, z[1], 2j]),
}  # fmt: skip
REAL_LINEAR = {
    "conj": lambda z: np.conj(z) * z[::-1] + z.conj(),
    "parts": lambda z: z.real * z + np.imag(z) * 1j,
    "abs": lambda z: np.abs(z) * z,
    "sign": np.sign,
    "selected": lambda z: np.where(X > 0.5, z, z.real) + np.where(z.imag > 0, z, 0),
    "real with complex": lambda z: X + 1j * z.imag + z.real * (1 + 2j) + z.real * C[0],
    "filled": filled,
    "parts written": parts_written,
    "transposed product": lambda z: np.outer(z, np.conj(z)) @ z,
    "astype": lambda z: z.real.astype(complex) * z,
}
TO_REAL = {
    "absolute": np.abs,
    "angle": np.angle,
    "angle in degrees": lambda z: np.angle(z, deg=True),
    "parts": lambda z: z.real * z.imag,
    "squared": lambda z: np.abs(z) ** 2,
    "vdot": lambda z: np.vdot(z, z).real,
    "norm": np.linalg.norm,
    "var, std": lambda z: np.var(z) * np.std(z),
    "sum of squares": lambda z: np.sum(z * z.conj()).real,
    "view of a part": lambda z: z.reshape(3, 1).real.T[0, ::-1] * z[1].imag,
    "close to real": lambda z: np.real_if_close(z * np.conj(z)),
}
FROM_REAL = {
    "times i": lambda x: 1j * x,
    "exp(ix)": lambda x: np.exp(1j * x),
    "plus a constant": lambda x: (x + 1j) * (x + 2j),
    "complex array": lambda x: x * C[0] + x**2 * C[1],
    "product": lambda x: C @ x,
    "a list": lambda x: np.array([x[0], 1j * x[1], x[2] * x[0]]),
    "astype": lambda x: x.astype(complex) ** 2.5,
    "written": lambda x: filled(x + 1j * x[::-1]),
    "parts written": buffer_of_parts,
    "complex()": lambda x: complex(x[0], x[1]) * complex(x[2]),
    "power": lambda x: x ** (1 + 1j),
    "there and back": lambda x: np.abs(np.exp((1 + 2j) * x)) + (x + 1j * x * x).imag,
    "lifted": lambda x: np.full(3, x[1] * 1j) + np.ones(3, complex) * x,
    "mixed sizes": lambda x: (x[:, None] * 1j + x) * x[0],
}


@dataclass(frozen=True)
class Case:
    name: str
    f: Any
    x: Any


CASES = [
    *(Case(f"{kind}: {name}", f, x) for kind, table, x in [
        ("holomorphic", HOLOMORPHIC, Z), ("real-linear", REAL_LINEAR, Z), ("to real", TO_REAL, Z),
        ("from real", FROM_REAL, X),
    ] for name, f in table.items()),
]  # fmt: skip


def each(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda c: c.name)


def inner(a, b):
    """The real inner product under which reverse mode is the adjoint of forward mode."""
    return float(np.sum(np.conj(a) * b).real)


def direction(x, seed):
    rng = np.random.default_rng(seed)
    v = rng.normal(size=np.shape(x))
    return np.asarray(v + 1j * rng.normal(size=np.shape(x)) if np.iscomplexobj(x) else v)[()]


def close(a, b, tolerance=1e-11):
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * 10)


def differences(f, x, v):
    h = 1e-3
    return (f(x - 2 * h * v) - 8 * f(x - h * v) + 8 * f(x + h * v) - f(x + 2 * h * v)) / (12 * h)


@each(CASES)
def test_jvp_is_the_limit_of_differences_and_has_the_dtype_of_the_value(case):
    v = direction(case.x, 1)
    value, dot = dg.jvp(case.f, (case.x,), (v,))
    close(value, case.f(case.x))
    close(dot, differences(case.f, case.x, v), 1e-7)
    assert dot.dtype == value.dtype == np.asarray(case.f(case.x)).dtype


@each(CASES)
def test_the_pullback_is_the_adjoint_under_the_real_inner_product(case):
    v = direction(case.x, 2)
    value, pullback = dg.vjp(case.f, case.x)
    w = direction(value, 3)
    (ct,) = pullback(w)
    assert ct.dtype == case.x.dtype and ct.shape == case.x.shape
    close(inner(w, dg.jvp(case.f, (case.x,), (v,))[1]), inner(ct, v))
    lin = dg.linearize(case.f, case.x)[1]
    close(lin(v), dg.jvp(case.f, (case.x,), (v,))[1])
    close(lin.T(w)[0], ct)


@each(CASES)
def test_linear_programs_compute_what_they_print(case):
    value, lin = dg.linearize(case.f, case.x)
    constants = constants_of(lin.recording)
    v, w = direction(case.x, 13), direction(value, 14)
    (dot,) = interpreted(check(lin.program), [*constants, v])
    close(np.broadcast_to(dot, np.shape(value)), lin(v))
    (ct,) = interpreted(check(lin.T.program), [*constants, w])
    close(np.broadcast_to(ct, np.shape(case.x)), lin.T(w)[0])


@each(CASES)
def test_jet_of_order_one_is_jvp_and_of_order_three_is_nested(case):
    v = direction(case.x, 4)
    series = dg.jet(case.f, (case.x,), ([v, 0 * v, 0 * v],))[1]
    close(series[0], dg.jvp(case.f, (case.x,), (v,))[1])

    def slope(f):
        return lambda z: dg.jvp(f, (z,), (v,))[1]

    close(6 * series[2], slope(slope(slope(case.f)))(case.x), 1e-9)


@each(CASES)
def test_second_derivatives_do_not_depend_on_the_order_of_modes(case):
    f, w = case.f, direction(case.f(case.x), 5)
    u, v = direction(case.x, 6), direction(case.x, 7)

    def scalar(z):
        return np.sum(np.conj(w) * f(z)).real

    def slope(z):
        return dg.jvp(scalar, (z,), (u,))[1]

    reference = dg.jvp(slope, (case.x,), (v,))[1]
    close(inner(dg.jvp(dg.grad(scalar), (case.x,), (v,))[1], u), reference, 1e-9)
    close(inner(dg.hvp(scalar, (case.x,), (v,)), u), reference, 1e-9)
    close(inner(dg.grad(slope)(case.x), v), reference, 1e-9)
    close(inner(dg.grad(lambda z: inner_of(dg.grad(scalar)(z), u))(case.x), v), reference, 1e-9)
    close(inner(dg.grad(lambda z: dg.jet(scalar, (z,), ([u],))[1][0])(case.x), v), reference, 1e-9)


def inner_of(a, b):
    return np.sum(np.conj(b) * a).real


@each(CASES)
def test_jacobians_by_real_and_imaginary_parts_agree(case):
    """As a function of real numbers, with real results, in both modes and in chunks."""
    f, complex_argument = case.f, np.iscomplexobj(case.x)

    def split(p):
        y = f(p[0] + 1j * p[1] if complex_argument else p[0])
        return np.stack([np.real(y), np.imag(y)])

    p = np.stack([case.x.real, case.x.imag]) if complex_argument else case.x[None]
    forward = dg.jacfwd(split)(p)
    assert forward.dtype == float
    close(dg.jacrev(split)(p), forward)
    close(dg.jacrev(split, chunk=2)(p), forward)
    v = direction(case.x, 8)
    dot = dg.jvp(case.f, (case.x,), (v,))[1]
    along = np.tensordot(forward, np.stack([v.real, v.imag]) if complex_argument else v[None], p.ndim)
    close(along[0] + 1j * along[1], dot)


@each([c for c in CASES if c.name.startswith("from real")])
def test_jacobians_of_complex_results_by_real_arguments_are_complex(case):
    forward = dg.jacfwd(case.f)(case.x)
    close(dg.jacrev(case.f)(case.x), forward)
    close(dg.jacobian(case.f)(case.x), forward)
    close(dg.jacfwd(case.f, chunk=2)(case.x), forward)
    close(dg.jacrev(case.f, chunk=3)(case.x), forward)
    v = direction(case.x, 9)
    close(forward @ v, dg.jvp(case.f, (case.x,), (v,))[1])
    close(dg.linearize(case.f, case.x)[1].to_dense(), forward.reshape(-1, 3))


@each([c for c in CASES if c.name.startswith("to real")])
def test_jacobians_of_real_results_by_complex_arguments_are_gradients(case):
    forward = dg.jacfwd(case.f)(case.x)
    close(dg.jacrev(case.f)(case.x), forward)
    close(dg.jacobian(case.f)(case.x), forward)
    v = direction(case.x, 10)
    close(np.sum((np.conj(forward) * v).real, -1), dg.jvp(case.f, (case.x,), (v,))[1])
    f, w = case.f, np.cos(np.arange(np.size(case.f(case.x)))).reshape(np.shape(case.f(case.x)))
    close(dg.grad(lambda z: np.sum(w * f(z)))(case.x), np.tensordot(w, forward, w.ndim))


@each([c for c in CASES if c.name.startswith("holomorphic")])
def test_holomorphic_jacobians_obey_cauchy_and_riemann(case):
    forward = dg.jacfwd(case.f, holomorphic=True)(case.x)
    for other in (dg.jacrev, dg.jacobian):
        close(other(case.f, holomorphic=True)(case.x), forward)
    v = direction(case.x, 11)
    dot = dg.jvp(case.f, (case.x,), (v,))[1]
    close(forward @ v, dot)
    close(dg.jvp(case.f, (case.x,), (1j * v,))[1], 1j * dot)
    lin = dg.linearize(case.f, case.x)[1]
    close(lin.to_dense(), forward.reshape(-1, 3))
    close(lin.T.to_dense(), lin.to_dense().conj().T)
    w = direction(np.ravel(case.f(case.x)), 12)
    operator = lin.as_linear_operator()
    close(operator @ v, np.ravel(dot))
    close(operator.H @ w, lin.to_dense().conj().T @ w)

    def scalar(z):
        return np.sum(case.f(z))

    close(dg.grad(scalar, holomorphic=True)(case.x), np.sum(forward.reshape(-1, 3), 0))
    hessian = dg.hessian(scalar, holomorphic=True)(case.x)
    close(hessian, dg.jacfwd(dg.jacfwd(scalar, holomorphic=True), holomorphic=True)(case.x), 1e-9)


def test_the_gradient_of_a_real_function_is_the_direction_of_ascent():
    assert dg.grad(lambda z: abs(z) ** 2)(3 + 4j) == 6 + 8j
    assert dg.grad(lambda z: z.real)(3 + 4j) == 1
    assert dg.grad(lambda z: z.imag)(3 + 4j) == 1j
    value, slope = dg.value_and_grad(lambda x, z: np.sum((x * z).imag ** 2), (0, 1))(X, Z)
    assert [s.dtype for s in slope] == [float, complex]
    step = 1e-4
    assert np.sum((X * (Z + step * slope[1])).imag ** 2) > value


def test_derivatives_of_one_complex_number():
    z = 0.3 + 0.4j
    close(dg.derivative(np.sin, 3, holomorphic=True)(z), -np.cos(z))
    close(dg.derivative(lambda t: np.exp(2j * t), 2)(0.5), -4 * np.exp(1j))
    close(dg.value_and_grad(lambda z: z**3, holomorphic=True)(z), (z**3, 3 * z**2))
    close(dg.taylor(np.exp, z, 5, direction=1j).coeffs, np.exp(z) * 1j ** np.arange(6) / [1, 1, 2, 6, 24, 120])
    close(dg.grad(lambda z: z**3, holomorphic=True)(np.complex64(z)), 3 * z**2, 1e-6)
    assert dg.grad(lambda z: z**3, holomorphic=True)(np.complex64(z)).dtype == np.complex64
    assert dg.grad(lambda x: abs(np.exp(1j * x) + x))(np.float32(0.3)).dtype == np.float32


SINGULAR = [
    ("abs at 0", abs, 0j, 0.0),
    ("abs at 0, times a finite number", lambda z: abs(z) * 3, 0j, 0.0),
    ("abs squared at 0", lambda z: abs(z) ** 2, 0j, 0.0),
    ("abs on an axis", abs, 2j, 1j),
    ("norm at 0", lambda z: np.linalg.norm(np.stack([z, z])), 0j, 0.0),
    ("sign at 0", lambda z: np.sign(z).real, 0j, 0.0),
    ("angle at 0", np.angle, 0j, complex(np.nan, np.nan)),
    ("where keeps the other branch out", lambda z: np.where(True, z, np.sqrt(z * 0)).real, 1 + 1j, 1.0),
]


@pytest.mark.parametrize(("f", "z", "answer"), [pytest.param(*row[1:], id=row[0]) for row in SINGULAR])
def test_singular_points(f, z, answer):
    assert np.array_equal(dg.grad(f)(z), answer, equal_nan=True)
    assert np.array_equal(dg.jacfwd(f)(z), answer, equal_nan=True)
    along = [dg.jvp(f, (z,), (v,))[1] for v in (1 + 0j, 1j)]
    assert np.array_equal(along, [np.real(answer), np.imag(answer)], equal_nan=True)


def test_structural_zeros_stay_zero_in_sweeps_of_complex_numbers():
    z = np.array([0j, 1 + 1j])
    assert np.array_equal(dg.grad(lambda z: np.abs(np.sqrt(z)[1]))(z)[0], 0)
    assert np.array_equal(dg.jacrev(lambda z: np.sqrt(z)[1:].real)(z)[0, 0], 0)
    assert np.array_equal(dg.jacfwd(lambda z: np.sqrt(z)[1:].real)(z)[0, 0], 0)
    x = np.array([0.0, 1.0])
    for mode in (dg.jacfwd, dg.jacrev):
        found = mode(lambda x: (np.sqrt(x) * (1 + 2j)).imag)(x)
        assert np.array_equal(found, [[inf, 0], [0, 1]])


ROOTS = {
    "holomorphic": (dg.implicit_root(lambda x, a: x**2 - a, np.sqrt), np.sqrt),
    "by conj": (
        dg.implicit_root(lambda x, a: x + 0.3 * np.conj(x) - a, lambda a: (a - 0.3 * np.conj(a)) / 0.91),
        lambda a: (a - 0.3 * np.conj(a)) / 0.91,
    ),
    "fixed point": (
        lambda a: dg.fixed_point(lambda x, a: 0.2 * x * x + a / 3, 0 * a, a),
        lambda a: 2.5 - np.sqrt(6.25 - a * 5 / 3),
    ),
}


@pytest.mark.parametrize(("root", "solution"), ROOTS.values(), ids=ROOTS)
@pytest.mark.parametrize("a", [1 + 2j, Z], ids=["number", "array"])
def test_solutions_of_complex_equations(root, solution, a):
    v, w = direction(a, 15), direction(a, 16)
    close(dg.jvp(root, (a,), (v,)), dg.jvp(solution, (a,), (v,)), 1e-10)
    close(dg.vjp(root, a)[1](w)[0], dg.vjp(solution, a)[1](w)[0], 1e-10)
    close(dg.jet(root, (a,), ([v, w, v],))[1], dg.jet(solution, (a,), ([v, w, v],))[1], 1e-9)


def test_a_complex_solution_of_a_real_argument():
    root = dg.implicit_root(lambda x, a: x**2 + a, lambda a: np.sqrt(-a + 0j))
    close(dg.jvp(root, (2.0,), (1.0,))[1], 0.5j / np.sqrt(2))
    close(dg.vjp(root, 2.0)[1](1j)[0], 0.5 / np.sqrt(2))


def test_a_value_that_is_complex_only_on_the_way_costs_no_dtype():
    def spectrum_like(x):
        return np.sum(np.abs(C @ x) ** 2)

    assert dg.grad(spectrum_like)(X).dtype == float
    close(dg.hessian(spectrum_like)(X), 2 * (C.conj().T @ C).real)
    close(dg.jacfwd(dg.jacfwd(spectrum_like))(X), 2 * (C.conj().T @ C).real)
    close(dg.jacrev(dg.jacrev(spectrum_like))(X), 2 * (C.conj().T @ C).real)


def test_discrete_functions_of_complex_numbers_look_at_the_value():
    def f(z):
        assert np.all(np.iscomplex(z)) and not np.any(np.isreal(z)) and np.iscomplexobj(z)
        assert np.all(z == Z) and np.all(z != 0)
        return np.where(np.isfinite(z), z, 0).real

    assert np.array_equal(dg.jacrev(f)(Z), np.eye(3))


def test_linear_programs_of_complex_functions_print_the_conjugate():
    lin = dg.linearize(lambda z: z * C[0] + z.imag, Z)[1]
    assert "conj(" in str(lin.T) and "conj(" not in str(lin)
    assert "'imag'" in str(lin)




def written_into_real(x):
    y = np.zeros(2)
    y[0] = x[0] * 1j
    return y


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: dg.grad(np.exp)(1j), dg.StructureError, "(?s)returned a complex one.*holomorphic=True"),
        (lambda: dg.grad(lambda x: x * 1j)(1.0), dg.StructureError, "(?s)returned a complex one.*dg.jacobian"),
        (lambda: dg.jacfwd(np.exp)(Z), dg.StructureError, "(?s)complex function of complex.*holomorphic=True"),
        (lambda: dg.jacrev(np.exp)(Z), dg.StructureError, "(?s)complex function of complex.*holomorphic=True"),
        (lambda: dg.derivative(np.exp)(1j), dg.StructureError, "(?s)complex function of complex.*holomorphic=True"),
        (lambda: dg.hessian(lambda z: np.sum(np.abs(z)))(Z), dg.StructureError, "complex function of complex"),
        (lambda: dg.grad(np.exp, holomorphic=True)(1.0), dg.StructureError, "an argument is real"),
        (lambda: dg.grad(np.abs, holomorphic=True)(1j), dg.StructureError, "a result is real"),
        (lambda: dg.grad(lambda z: z * abs(z), holomorphic=True)(1j), dg.StructureError, "not holomorphic here"),
        (lambda: dg.jacfwd(np.conj, holomorphic=True)(Z), dg.StructureError, "not holomorphic here"),
        (lambda: dg.jacrev(np.conj, holomorphic=True)(Z), dg.StructureError, "not holomorphic here"),
        (lambda: dg.derivative(np.conj, holomorphic=True)(1j), dg.StructureError, "not holomorphic here"),
        (lambda: dg.linearize(np.conj, Z)[1].to_dense(), dg.StructureError, "no complex matrix"),
        (lambda: dg.linearize(np.abs, Z)[1].to_dense(), dg.StructureError, "no complex matrix"),
        (lambda: dg.jvp(np.exp, (1.0,), (1j,)), dg.StructureError, "dtype complex128"),
        (lambda: dg.vjp(np.exp, 1.0)[1](1j), dg.StructureError, "dtype complex128"),
        (lambda: dg.jvp(written_into_real, (X,), (X,)), dg.UnsupportedError, "(?s)into a real array.*complex"),
        (lambda: dg.vjp(written_into_real, X), dg.UnsupportedError, "(?s)into a real array.*complex"),
        (lambda: dg.jet(written_into_real, (X,), ([X],)), dg.UnsupportedError, "(?s)into a real array.*complex"),
    ],
)
def test_what_has_no_meaning_is_refused_with_a_reason(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_leaves_of_both_fields_and_derivatives_by_both():
    def f(x, z):
        return {"real": np.sum(x * np.abs(z)), "complex": x * 1j}

    found = dg.jacobian(lambda x, z: f(x, z)["real"], (0, 1))(X, Z)
    close(found[0], np.abs(Z))
    close(found[1], X * Z / np.abs(Z))
    for mode in (dg.jacfwd, dg.jacrev):
        both = mode(f)(X, Z)
        close(both["complex"], 1j * np.eye(3))
        close(both["real"], np.abs(Z))
        with pytest.raises(dg.StructureError, match="complex function of complex"):
            mode(f, (0, 1))(X, Z)


def test_a_matrix_of_a_real_map_takes_real_vectors():
    lin = dg.linearize(np.sin, X)[1]
    with pytest.raises(dg.StructureError, match="dtype complex128"):
        lin @ (1j * X)
    lin = dg.linearize(lambda x: C @ x, X)[1]
    close(lin @ X, C @ X)
    close(lin.T @ Z, (C.conj().T @ Z).real)
    close(lin.as_linear_operator().rmatvec(Z), (C.conj().T @ Z).real)


def test_sinc_of_complex_numbers():
    z = np.array([0.31 + 0.2j, 1.5 + 2.3j, 0.0, 0.01 - 0.02j, 0.15 + 0.04j, 0.16 + 0.04j])
    h = 1e-5
    assert np.allclose(dg.jvp(np.sinc, (z,), (np.ones_like(z),))[0], np.sinc(z), rtol=1e-13)
    for direction in (1.0, 1j):
        dot = dg.jvp(np.sinc, (z,), (np.full_like(z, direction),))[1]
        difference = (np.sinc(z + h * direction) - np.sinc(z - h * direction)) / (2 * h)
        assert np.allclose(dot, difference, rtol=1e-7, atol=1e-9)
    series = dg.jet(np.sinc, (z,), (np.stack([np.ones_like(z), np.zeros_like(z), np.zeros_like(z)]),))[1]
    assert np.allclose(series[2][2:4], [0, np.pi**4 / 120 * 4 * z[3]], atol=1e-4)
    assert np.allclose(dg.jet(np.sinc, (0j,), (np.array([1, 0, 0, 0j]),))[1], [0, -(np.pi**2) / 6, 0, np.pi**4 / 120])


@pytest.mark.parametrize("name", ["digamma", "gamma", "loggamma", "rgamma"])
@pytest.mark.parametrize("z", [1 + 1j, 0.3 - 2j, -3.5 + 0.5j, 25 + 3j])
def test_series_of_the_complex_gamma_function_and_its_relatives(name, z):
    special = pytest.importorskip("scipy.special")
    f, exact = getattr(special, name), getattr(mpmath, name)
    _, series = dg.jet(f, (np.array(z),), ([1.0 + 0j, *[0j] * 4],))
    wanted = mpmath.taylor(exact, z, 5)[1:]
    np.testing.assert_allclose(series, [complex(c) for c in wanted], rtol=1e-9, atol=1e-13)


def test_bessel_functions_of_complex_numbers_in_reverse_mode():
    special = pytest.importorskip("scipy.special")
    z, w = np.array([1 + 1j, 0.3 - 2j]), np.array([0.3 - 1j, 1j])
    for f in (lambda z: special.jv(1, z), lambda z: special.iv(0.5, z), lambda z: special.kv(2, z)):
        slope = dg.jvp(f, (z,), (w,))[1]
        np.testing.assert_allclose(dg.vjp(f, z)[1](np.ones(2) + 0j)[0].conj() * w, slope, rtol=1e-12)
    si, h = lambda z: special.sici(z)[0], 1e-6
    np.testing.assert_allclose(dg.jvp(si, (z,), (w,))[1], (si(z + h * w) - si(z - h * w)) / (2 * h), rtol=1e-8)


@pytest.mark.parametrize("f", [np.arcsin, np.arccos, np.arctanh, np.arccosh, np.sqrt, np.log])
@pytest.mark.parametrize("x", [2.7, -2.7])
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_on_branch_cuts_the_sign_of_zero_decides_for_value_and_slope(f, x, zero):
    z, h = complex(x, zero), 1e-6
    slope = (f(complex(x + h, zero)) - f(complex(x - h, zero))) / (2 * h)
    np.testing.assert_allclose(dg.jvp(f, (z,), (1 + 0j,))[1], slope, rtol=1e-8)
    np.testing.assert_allclose(dg.grad(f, holomorphic=True)(z), slope, rtol=1e-8)
