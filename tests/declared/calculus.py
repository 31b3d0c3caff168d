"""Differences, gradients, integrals, interpolation, and polynomials by their coefficients."""

import numpy as np

from declared import declare

T = np.array([0.0, 0.5, 0.7, 1.5, 2.0])
SHORT = {"empty": "too few entries"}

declare(
    np.gradient,
    np.gradient,
    lambda x: np.gradient(x, 0.5, edge_order=2),
    lambda x: np.gradient(x, x * 0.1 + T),
    lambda x: np.gradient(x, x * 0.1 + T, edge_order=2),
    lambda x: np.gradient(np.sin(T), x[0] + 2),
    lambda x: np.gradient(T, x[0] + 2, edge_order=2),
    lambda x: np.gradient(x[:2]),
    shape=(5,),
    without=SHORT,
)
declare(
    np.gradient,
    lambda x: np.gradient(x, axis=1),
    lambda x: np.gradient(x, T[:3], 2.0)[0],
    lambda x: np.gradient(x, T[:3], 2.0, edge_order=2)[1],
    lambda x: np.stack(np.gradient(x, x[0, 0] + 2)),
    lambda x: np.gradient(x, T[:4], axis=-1),
    shape=(3, 4),
    without=SHORT,
)
declare(
    np.trapezoid,
    np.trapezoid,
    lambda x: np.trapezoid(x, T[:4]),
    lambda x: np.trapezoid(x, x * x, axis=0),
    lambda x: np.trapezoid(x, x[:, 0], axis=0),
    lambda x: np.trapezoid(x, dx=x[0, 0]),
    lambda x: np.trapezoid(T[:4], x),
    shape=(3, 4),
    without=SHORT,
)
declare(
    np.interp,
    lambda x: np.interp(x, [-1.0, 0.0, 0.3, 2.0], [0.0, 1.0, -1.0, 0.5]),
    lambda x: np.interp([0.1, 0.6, 3.0, -1.0], T, x),
    lambda x: np.interp([0.1, 0.6, 1.9], np.array([0.0, 0.5, 0.8, 1.5, 2.0]) + x * 0.1, T),
    lambda x: np.interp(np.sin(x), T, x, left=x[0], right=2.0),
    lambda x: np.interp(x[0], T, x),
    lambda x: np.interp(x * 5 + 0.1, T, x, period=1.7),
    lambda x: np.interp(x[1], [0.5], x[:1]),
    shape=(5,),
    without={"empty": "the knots have values"},
)
declare(
    np.unwrap,
    lambda x: np.unwrap(x * 9),
    lambda x: np.unwrap(x * 9, axis=0, discont=4.0),
    shape=(3, 4),
    without={"empty": "the first entry is taken"},
)
declare(np.unwrap, lambda x: np.unwrap(x * 7, period=3.0 + x[0]), x=[0.1, 0.5, -0.4, 0.35], without=SHORT)

P = [1.0, -0.5, 0.0, 2.0]
declare(
    np.polyval,
    lambda x: np.polyval(P, x),
    lambda x: np.polyval(x, 0.7),
    lambda x: np.polyval(x, x),
    lambda x: np.polyval(x[:0], x),
    lambda x: np.polyval(P, x[0]),
)
declare(np.polyadd, lambda x: np.polyadd(x, P), lambda x: np.polyadd(P, x[0]), lambda x: np.polyadd(x, x[1:]))
declare(np.polysub, lambda x: np.polysub(x, P), lambda x: np.polysub([1.0], x))
declare(
    np.polymul,
    lambda x: np.polymul(x, P),
    lambda x: np.polymul([0.0, 1.0], x),
    lambda x: np.polymul(x, x),
    without=SHORT,
)
declare(
    np.polydiv,
    lambda x: np.polydiv(x, [0.5, 1.0])[0],
    lambda x: np.polydiv(x, [0.5, 1.0])[1],
    lambda x: np.polydiv(P, x)[0],
    lambda x: np.polydiv(P, x)[1][-2:],  # how long it is depends on rounding
    lambda x: np.polydiv([1.0], x)[1] * x[0],
    domain="nonzero",
    without=SHORT,
)
declare(np.polyder, np.polyder, lambda x: np.polyder(x, 2), lambda x: np.polyder(x, 0), shape=(4,))
declare(
    np.polyint,
    np.polyint,
    lambda x: np.polyint(x, 2, [1.0, 2.0]),
    lambda x: np.polyint(x, 2, k=x[0]),
    without=SHORT,
)
declare(np.poly, np.poly, lambda x: np.poly(x[0] * x))
declare(
    np.vander,
    np.vander,
    lambda x: np.vander(x, 5, increasing=True),
    lambda x: np.vander(x, 2),
    lambda x: np.vander(x, 0),
)
declare(
    np.roots,
    lambda x: np.sum(np.roots(x + np.array([2.0, 1.0, -5.0, 1.0])) ** 2),
    lambda x: np.roots(np.stack([x[0] + 3, x[1] + 0.5, x[2] - 4, 0 * x[0]]))[2:] * x,
    lambda x: np.roots(np.stack([0.0 * x[0], x[0] + 3, x[1] + 0.5])),
    shape=(4,),
    without={"empty": "coefficients are taken by index", "single": "NumPy's eigenvalues are of double precision"},
)
declare(
    np.polyfit,
    lambda x: np.polyfit(x, np.sin(T), 2),
    lambda x: np.polyfit(T, x, 1),
    lambda x: np.polyfit(T + x / 9, x * x, 2, w=x + 3),
    lambda x: np.polyfit(T, np.stack([x, x * x], 1), 2),
    x=[0.1, 0.9, -0.6, 1.3, 0.4],
    without={"empty": "too few points", "single": "the tolerance of NumPy's is that of double precision"},
)

POLYNOMIAL = {"empty": "entries are taken by index", "single": "NumPy evaluates it in double precision"}
for _module in (np.polynomial.polynomial, np.polynomial.chebyshev, np.polynomial.legendre, np.polynomial.hermite):
    _name = {"polynomial": "polyval", "chebyshev": "chebval", "legendre": "legval", "hermite": "hermval"}
    _value = getattr(_module, _name[_module.__name__.rpartition(".")[2]])
    declare(_value, lambda x, f=_value: f(x, [1.0, -0.5, 0.3, 2.0]), without=POLYNOMIAL)

for _ufunc in (np.subtract, np.logaddexp, np.hypot, np.maximum, np.multiply):
    declare(
        _ufunc,
        lambda x, f=_ufunc: f.accumulate(x, 1),
        lambda x, f=_ufunc: f.reduce(x),
        lambda x, f=_ufunc: f.reduce(x, axis=-1, keepdims=True) * x,
        shape=(2, 3),
        domain="apart",
        without={"empty": "no first entry"},
    )
