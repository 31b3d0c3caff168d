"""Independent judges of the table: sympy derivatives, mpmath series, dense adjoints, points to test at.

Nothing of dualgrad is imported here.  A function is known by the name of its word and written
once, in sympy; its derivatives, and its values to any number of digits, follow from that.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy
from sympy import Piecewise

DIGITS = 40


class Floor(sympy.Function):
    """The floor, with the derivative it has wherever it has one."""

    def fdiff(self, argindex=1):
        return sympy.Integer(0)


def where(test: Any, a: Any, b: Any) -> Any:
    """``a if test else b``; a test that sympy cannot decide becomes a case distinction."""
    if test in (True, False):
        return a if test else b
    return Piecewise((a, test), (b, True))


ARGUMENTS = sympy.symbols("x:3", real=True)
TOWERS: dict[str, Callable[..., Any]] = {}  # the functions of `tower`, of mpmath numbers
SERIES: dict[str, Callable[..., Any]] = {}  # the k-th derivative of functions for which mpmath's own is too slow


def tower(name: str, f: Callable[..., Any], numeric: bool = False) -> Any:
    """The n-th derivative of ``f`` by its last argument: a sympy function of n and the arguments."""

    def value(n: Any, *args: Any) -> Any:
        return mpmath.diff(f, *args, int(n)) if numeric else nth(f, int(n), len(args))(*args)

    TOWERS[f"tower_{name}"] = value
    SERIES[name] = lambda k, n, *args: value(n + k, *args)

    def fdiff(self, argindex=1):
        return self.func(self.args[0] + 1, *self.args[1:])

    return type(f"tower_{name}", (sympy.Function,), {"fdiff": fdiff})


@cache
def derivative(f: Callable[..., Any], n: int, count: int) -> Any:
    """The n-th derivative by the last of so many arguments."""
    if n == 0:
        return f(*ARGUMENTS[:count])
    return sympy.expand(sympy.diff(derivative(f, n - 1, count), ARGUMENTS[count - 1]))


@cache
def nth(f: Callable[..., Any], n: int, count: int) -> Callable[..., Any]:
    """`derivative` of mpmath numbers."""
    return evaluator(ARGUMENTS[:count], derivative(f, n, count))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "neg": lambda a: -a,
    "move": lambda a: a,
    "conj": lambda a: a,
    "cast": lambda a: a,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "mod": lambda a, b: a - b * Floor(a / b),
    "fmod": lambda a, b: a - b * where(a / b > 0, Floor(a / b), -Floor(-a / b)),
    "floordiv": lambda a, b: Floor(a / b),
    "rint": lambda x: Floor(x + sympy.Rational(1, 2)),
    "where": where,
    "maximum": lambda a, b: where(a > b, a, b),
    "minimum": lambda a, b: where(a < b, a, b),
    "sqrt": sympy.sqrt,
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1 / x,
    "power": lambda x, p: x**p,
    "exp": sympy.exp,
    "expm1": lambda x: sympy.exp(x) - 1,
    "log": sympy.log,
    "log1p": lambda x: sympy.log(1 + x),
    "exp2": lambda x: 2**x,
    "log2": lambda x: sympy.log(x, 2),
    "log10": lambda x: sympy.log(x, 10),
    "cbrt": lambda x: where(x > 0, x ** sympy.Rational(1, 3), -((-x) ** sympy.Rational(1, 3))),
    "sigmoid": lambda x: 1 / (1 + sympy.exp(-x)),
    "logaddexp": lambda a, b: sympy.log(sympy.exp(a) + sympy.exp(b)),
    "logaddexp2": lambda a, b: sympy.log(2**a + 2**b, 2),
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "sinh": sympy.sinh,
    "cosh": sympy.cosh,
    "tanh": sympy.tanh,
    "arcsin": sympy.asin,
    "arccos": sympy.acos,
    "arctan": sympy.atan,
    "arctan2": sympy.atan2,
    "arcsinh": sympy.asinh,
    "arccosh": sympy.acosh,
    "arctanh": sympy.atanh,
    "hypot": lambda a, b: sympy.sqrt(a * a + b * b),
    "absolute": lambda x: where(x > 0, x, -x),
    "sign": lambda x: where(x > 0, sympy.Integer(1), sympy.Integer(-1)),
    "floor": Floor,
    "deg2rad": lambda x: x * sympy.pi / 180,
    "rad2deg": lambda x: x * 180 / sympy.pi,
    "fraction": lambda x: x - where(x > 0, Floor(x), -Floor(-x)),
    "fmax": lambda a, b: where(a > b, a, b),
    "fmin": lambda a, b: where(a < b, a, b),
    "isnan": lambda x: False,
    "isinf": lambda x: False,
}

SPECIAL: dict[str, Callable[..., Any]] = {
    "erf": sympy.erf,
    "erfc": sympy.erfc,
    "erfinv": sympy.erfinv,
    "erfcinv": lambda x: sympy.erfinv(1 - x),
    "erfcx": lambda x: sympy.exp(x * x) * sympy.erfc(x),
    "dawsn": lambda x: sympy.sqrt(sympy.pi) / 2 * sympy.exp(-x * x) * sympy.erfi(x),
    "ndtr": lambda x: sympy.erfc(-x / sympy.sqrt(2)) / 2,
    "ndtri": lambda x: sympy.sqrt(2) * sympy.erfinv(2 * x - 1),
    "log_ndtr": lambda x: sympy.log(sympy.erfc(-x / sympy.sqrt(2)) / 2),
    "gamma": sympy.gamma,
    "rgamma": lambda x: 1 / sympy.gamma(x),
    "gammaln": sympy.loggamma,
    "loggamma": sympy.loggamma,
    "digamma": lambda x: sympy.polygamma(0, x),
    "polygamma": sympy.polygamma,
    "beta": lambda a, b: sympy.gamma(a) * sympy.gamma(b) / sympy.gamma(a + b),
    "betaln": lambda a, b: sympy.loggamma(a) + sympy.loggamma(b) - sympy.loggamma(a + b),
    "gammainc": lambda a, x: sympy.lowergamma(a, x) / sympy.gamma(a),
    "gammaincc": lambda a, x: sympy.uppergamma(a, x) / sympy.gamma(a),
    "betainc": lambda a, b, x: sympy.betainc(a, b, 0, x) * sympy.gamma(a + b) / sympy.gamma(a) / sympy.gamma(b),
    "stdtr": lambda v, x: sympy.Rational(1, 2) + x * sympy.gamma((v + 1) / 2) / sympy.sqrt(sympy.pi * v)
    / sympy.gamma(v / 2) * sympy.hyper([sympy.Rational(1, 2), (v + 1) / 2], [sympy.Rational(3, 2)], -x * x / v),
    "expit": lambda x: 1 / (1 + sympy.exp(-x)),
    "logit": lambda x: sympy.log(x / (1 - x)),
    "log_expit": lambda x: -sympy.log(1 + sympy.exp(-x)),
    "xlogy": lambda a, b: a * sympy.log(b),
    "xlog1py": lambda a, b: a * sympy.log(1 + b),
    "entr": lambda x: -x * sympy.log(x),
    "rel_entr": lambda a, b: a * sympy.log(a / b),
    "kl_div": lambda a, b: a * sympy.log(a / b) - a + b,
    "huber": lambda d, r: where(r > d, d * (r - d / 2), where(r < -d, d * (-r - d / 2), r * r / 2)),
    "pseudo_huber": lambda d, r: d * d * (sympy.sqrt(1 + (r / d) ** 2) - 1),
    "boxcox": lambda x, p: (x**p - 1) / p,
    "boxcox1p": lambda x, p: ((1 + x) ** p - 1) / p,
    "inv_boxcox": lambda x, p: (1 + p * x) ** (1 / p),
    "inv_boxcox1p": lambda x, p: (1 + p * x) ** (1 / p) - 1,
    "exprel": lambda x: (sympy.exp(x) - 1) / x,
    "exponential_mean": tower("exponential_mean", lambda x: (sympy.exp(x) - 1) / x),
    "cosm1": lambda x: sympy.cos(x) - 1,
    "exp1": lambda x: sympy.expint(1, x),
    "expi": sympy.Ei,
    "expn": sympy.expint,
    "sinc": lambda x: sympy.sin(sympy.pi * x) / (sympy.pi * x),
    "cardinal": tower("cardinal", lambda x: sympy.sin(x) / x),
    "si": sympy.Si,
    "ci": sympy.Ci,
    "shi": sympy.Shi,
    "chi": sympy.Chi,
    "ellipk": sympy.elliptic_k,
    "ellipe": sympy.elliptic_e,
    "elliptic_k": tower("elliptic_k", mpmath.ellipk, numeric=True),
    "elliptic_e": tower("elliptic_e", mpmath.ellipe, numeric=True),
    "besselj": tower("besselj", sympy.besselj),
    "bessely": tower("bessely", sympy.bessely),
    "besseli": tower("besseli", sympy.besseli),
    "besselk": tower("besselk", sympy.besselk),
    "besselie": tower("besselie", lambda v, x: sympy.exp(-x) * sympy.besseli(v, x)),
    "besselke": tower("besselke", lambda v, x: sympy.exp(x) * sympy.besselk(v, x)),
    "bessel_i0": lambda x: sympy.besseli(0, x),
}
for _letter, _bessel in [("j", sympy.besselj), ("y", sympy.bessely), ("i", sympy.besseli), ("k", sympy.besselk)]:
    SPECIAL |= {f"{_letter}{n}": lambda x, n=n, f=_bessel: f(n, x) for n in (0, 1)}
    SPECIAL[f"{_letter}v"] = _bessel
SPECIAL |= {"yn": sympy.bessely, "kn": sympy.besselk}
for _letter, _bessel, _sign in [("i", sympy.besseli, -1), ("k", sympy.besselk, 1)]:
    SPECIAL |= {f"{_letter}{n}e": lambda x, n=n, f=_bessel, s=_sign: sympy.exp(s * x) * f(n, x) for n in (0, 1)}
    SPECIAL[f"{_letter}ve"] = lambda v, x, f=_bessel, s=_sign: sympy.exp(s * x) * f(v, x)
FUNCTIONS |= SPECIAL
for _name in ("y0", "y1", "yv", "yn", "k0", "k1", "kv", "kn", "k0e", "k1e", "kve", "bessel_i0", "gammaincc"):
    SERIES[_name] = lambda k, *args, f=SPECIAL[_name]: nth(f, k, len(args))(*args)


# Points.  A sampler gets a generator, a shape and the argument's position.

SAMPLERS: dict[str, Callable[[np.random.Generator, tuple[int, ...], int], Any]] = {
    "real": lambda rng, shape, k: rng.uniform(-1.2, 1.2, shape),
    "positive": lambda rng, shape, k: rng.uniform(0.3, 2.5, shape),
    "nonzero": lambda rng, shape, k: rng.uniform(0.4, 1.8, shape) * rng.choice([-1.0, 1.0], shape),
    "unit": lambda rng, shape, k: rng.uniform(0.15, 0.85, shape),
    "order": lambda rng, shape, k: rng.integers(1, 4, shape).astype(float),
    "degree": lambda rng, shape, k: rng.choice([0.75, 1.5, 2.25], shape),
    "index": lambda rng, shape, k: 2.0,  # of a derivative: one number for all
    "above 1": lambda rng, shape, k: rng.uniform(1.2, 3.0, shape),
    "above -1": lambda rng, shape, k: rng.uniform(-0.7, 2.0, shape),
    "within 1": lambda rng, shape, k: rng.uniform(-0.8, 0.8, shape),
    "distinct": lambda rng, shape, k: rng.integers(-4, 5, shape) / 2 + k / 4,
    "apart": lambda rng, shape, k: rng.permutation(np.prod(shape, dtype=int)).reshape(shape) * 0.23 - 0.9,
    "truth": lambda rng, shape, k: rng.integers(0, 2, shape).astype(bool),
}


def sample(domains: Sequence[str], rng: np.random.Generator, *shapes: tuple[int, ...]) -> list[Any]:
    """One random array from each domain; one shape may serve them all, none means scalars."""
    shapes = shapes if len(shapes) == len(domains) else (shapes or ((),)) * len(domains)
    return [scalar(SAMPLERS[d](rng, s, k)) for k, (d, s) in enumerate(zip(domains, shapes, strict=True))]


def scalar(value: Any) -> Any:
    """NumPy's scalar for an array without axes."""
    return value if np.ndim(value) else np.asarray(value)[()]


# Values and Taylor coefficients to many digits


@cache
def value_of(name: str, count: int, *truths: bool) -> Callable[..., Any]:
    """The function of ``count`` mpmath numbers; arguments that are truths come before them and are fixed."""
    xs = sympy.symbols(f"x:{count}", real=True)
    return evaluator(xs, FUNCTIONS[name](*truths, *xs))


def evaluator(symbols: Sequence[Any], expression: Any, words: Mapping[str, Any] | None = None) -> Callable[..., Any]:
    """The expression as a function of mpmath numbers."""
    known = {"Floor": mpmath.floor, **TOWERS, **(words or {})}
    return sympy.lambdify(symbols, expression, modules=[known, "mpmath"], cse=True)


def taylor(name: str, args: Sequence[Any], order: int) -> np.ndarray:
    """Coefficients of ``t -> f(args(t))`` at 0: an argument is a truth, a number, or its own coefficients."""
    truths = [bool(a) for a in args if isinstance(a, (bool, np.bool_))]
    rest = [np.atleast_1d(a) for a in args if not isinstance(a, (bool, np.bool_))]
    f = value_of(name, len(rest), *truths)
    with mpmath.workdps(DIGITS):
        if name in SERIES:
            *constant, x = args
            found = composed([SERIES[name](k, *map(_exact, constant), _exact(x[0])) for k in range(order + 1)], x)
            return np.array([float(c) for c in found])
        polynomials = [[mpmath.mpf(float(c)) for c in reversed(a)] for a in rest]
        found = mpmath.taylor(lambda t: f(*(mpmath.polyval(p, t) for p in polynomials)), 0, order)
        return np.array([float(c) for c in found])


def _exact(x: Any) -> Any:
    return mpmath.mpf(float(x))


def composed(derivatives: Sequence[Any], x: Sequence[Any]) -> list[Any]:
    """Coefficients of ``f(x(t))`` from the derivatives of f at ``x[0]``, by Horner's rule."""
    u = [mpmath.mpf(0), *map(_exact, x[1:])]
    u += [mpmath.mpf(0)] * (len(derivatives) - len(u))
    found = [mpmath.mpf(0)] * len(derivatives)
    for m in reversed(range(len(derivatives))):
        found = [mpmath.fsum(found[j] * u[k - j] for j in range(k + 1)) for k in range(len(derivatives))]
        found[0] += derivatives[m] / mpmath.factorial(m)
    return found


def series(name: str, args: Sequence[Any], active: Sequence[bool]) -> np.ndarray:
    """`taylor` of every entry: an active argument has its coefficients along axis 0, others are plain."""
    order = max(len(a) for a, on in zip(args, active, strict=True) if on) - 1
    shape = np.broadcast_shapes(*(np.shape(a)[on:] for a, on in zip(args, active, strict=True)))
    whole = [spread(a, shape, on) for a, on in zip(args, active, strict=True)]
    out = np.empty((order + 1, *shape))
    for at in np.ndindex(shape):
        entry = [a[(slice(None), *at)] if on else a[at] for a, on in zip(whole, active, strict=True)]
        out[(slice(None), *at)] = taylor(name, entry, order)
    return out


def spread(a: Any, shape: tuple[int, ...], lead: bool) -> np.ndarray:
    """Broadcast to a shape; the axes after the first, where directions or orders lead."""
    a = np.asarray(a)
    fill = (1,) * (len(shape) - a.ndim + lead)
    return np.broadcast_to(a.reshape(a.shape[:lead] + fill + a.shape[lead:]), a.shape[:lead] + shape)


# The calculus that a table of derivatives defines, in sympy


class _Powers(ast.NodeTransformer):
    def visit_BinOp(self, node):
        node = self.generic_visit(node)
        if not isinstance(node.op, ast.Pow):
            return node
        return ast.Call(ast.Name("power", ast.Load()), [node.left, node.right], [])


class Calculus:
    """Sympy functions that know no derivative but the texts of their rows.

    ``rows`` maps a name to its arguments and the text of the derivative by each; differentiating
    again and again uses the table and the chain rule only.
    """

    def __init__(self, rows: Mapping[str, tuple[Sequence[str], Mapping[str, str]]], constant: Sequence[str]):
        self.words: dict[str, Any] = {"where": where, "pi": sympy.pi}
        for name, (args, partials) in rows.items():
            self.words[name] = self.function(name, args, partials)
        for name in constant:
            self.words[name] = type(f"word_{name}", (sympy.Function,), {"fdiff": lambda f, k=1: sympy.Integer(0)})
        self.words |= {name: FUNCTIONS[name] for name in ("isnan", "isinf")}  # decided: points are finite

    def function(self, name: str, args: Sequence[str], partials: Mapping[str, str]) -> Any:
        def fdiff(f, argindex=1):
            env = dict(zip(args, f.args, strict=True)) | {"y": f}
            return self.read(partials[args[argindex - 1]], env)

        return type(f"word_{name}", (sympy.Function,), {"fdiff": fdiff})

    def read(self, text: str, env: Mapping[str, Any]) -> Any:
        """The expression that a rule's text stands for."""
        tree = ast.fix_missing_locations(_Powers().visit(ast.parse(text, mode="eval")))
        return sympy.sympify(eval(compile(tree, text, "eval"), {**self.words, **env}))

    def evaluator(self, symbols: Sequence[Any], expression: Any) -> Callable[..., Any]:
        """The expression as a function of mpmath numbers; the words have their true values."""
        return evaluator(symbols, expression, {f"word_{n}": true_value(n) for n in self.words if n != "pi"})


def true_value(name: str) -> Callable[..., Any]:
    """The function with mpmath numbers, whatever the number of its arguments."""
    return lambda *args: value_of(name, len(args))(*args)


def close(found: Any, wanted: Any, tolerance: float = 1e-14) -> bool:
    """Whether two mpmath numbers agree, relative to the larger of the second and one."""
    return abs(found - wanted) <= tolerance * max(1, abs(wanted))


# Linear algebra


def adjoint(f: Callable[[np.ndarray], Any], shape: tuple[int, ...]) -> Callable[[Any], np.ndarray]:
    """The transpose of a linear function of an array of this shape, by its whole matrix."""

    def transposed(ct: Any) -> np.ndarray:
        out = np.empty(shape)
        for at in np.ndindex(shape):
            unit = np.zeros(shape)
            unit[at] = 1
            out[at] = np.sum(ct * np.conj(f(unit))).real
        return out

    return transposed
