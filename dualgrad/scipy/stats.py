"""``scipy.stats``: densities and distribution functions of common distributions, by SciPy's names.

They are compositions of functions that have derivatives: by the variable, ``loc``, ``scale`` and by every parameter
that the special functions below them can be differentiated by; by others they raise.
Plain arguments go to SciPy.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from importlib import import_module
from typing import Any

import numpy as np

from dualgrad.core.errors import UnsupportedError
from dualgrad.numbers.functions.making import chosen, operand
from dualgrad.numbers.functions.table import numbers_in, unwrapped
from dualgrad.numbers.number import plain

__all__ = [
    "bernoulli", "beta", "binom", "cauchy", "chi2", "dirichlet", "expon", "gamma", "laplace", "logistic", "lognorm",
    "multivariate_normal", "norm", "poisson", "t", "uniform", "weibull_min",
]  # fmt: skip
LOG_2PI = 1.8378770664093453


class _Special:
    """`scipy.special`, imported when first needed."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module("scipy.special"), name)


sp: Any = _Special()
DERIVED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "pdf": ("logpdf", np.exp), "pmf": ("logpmf", np.exp), "sf": ("cdf", lambda p: 1 - p),
    "logcdf": ("cdf", np.log), "logsf": ("sf", np.log),
}  # fmt: skip
TAILS = {"logcdf": ("cdf", "sf"), "logsf": ("sf", "cdf")}
BELOW = {"cdf": 0.0, "sf": 1.0, "logcdf": -np.inf, "logsf": 0.0}
ABOVE = {"cdf": 1.0, "sf": 0.0, "logcdf": 0.0, "logsf": -np.inf}


class Distribution:
    """A distribution: its functions of the standardized variable and of its shape parameters.

    Parameters
    ----------
    name : str
        In `scipy.stats`.
    shapes : str
        Names of the shape parameters.
    support : tuple
        Ends of the support of the standardized variable; a callable of the shapes.
    inside : float
        A point inside, put in place of those outside.
    functions : callable
        ``logpdf`` (of a discrete distribution ``logpmf``), ``cdf``, ``sf``, …: of the variable and the shapes.
    """

    def __init__(self, name: str, shapes: str = "", support: Any = (-np.inf, np.inf), inside: float = 0.5,
                 valid: Callable[..., Any] | None = None, **functions: Any):  # fmt: skip
        self.name, self.shapes, self.support, self.inside = name, shapes.split(), support, inside
        self.valid = valid or (lambda *shapes: reduce(np.logical_and, [s > 0 for s in shapes], True))
        self.functions, self.discrete = functions, "logpmf" in functions

    def __repr__(self) -> str:
        return f"<dualgrad.scipy.stats.{self.name}>"

    def __getattr__(self, method: str) -> Any:
        if method.startswith("_"):
            raise AttributeError(method)
        theirs = getattr(getattr(import_module("scipy.stats"), self.name), method)

        def call(*args: Any, **options: Any) -> Any:
            if not any(n._level.depth for n in numbers_in((*args, *options.values()))):
                return theirs(*map(unwrapped, args), **{k: unwrapped(v) for k, v in options.items()})
            return self.evaluate(method, *args, **options)

        return call

    def __call__(self, *args: Any, **options: Any) -> Frozen:
        return Frozen(self, args, options)

    def evaluate(self, method: str, x: Any, *args: Any, **options: Any) -> Any:
        """A function of numbers."""
        if self._find(method) is None:
            raise UnsupportedError(
                f"scipy.stats.{self.name}.{method} has no derivative rule",
                why="it was called with a number that carries a derivative",
                hint="densities and distribution functions have one",
            )
        names = [*self.shapes, "loc", "scale"][: -1 if self.discrete else None]
        given = {"loc": 0.0, "scale": 1.0, **dict(zip(names, args)), **options}
        shapes, loc, scale = [operand(given[n]) for n in self.shapes], operand(given["loc"]), operand(given["scale"])
        z = operand(x) - loc if self.discrete else (operand(x) - loc) / scale
        value, ends = plain(z), self.support
        low, high = ends(*map(plain, shapes)) if callable(ends) else ends
        inside = (value >= low) & (value <= high) | np.isnan(value)
        if method in ("logpmf", "pmf"):
            inside = inside & (value == np.floor(value))
        elif method in BELOW:
            inside = inside & (value < high) & (self.discrete | (value > low)) | np.isnan(value)
        found = self._find(method)(chosen(inside, z, self.inside), *shapes, scale=scale)
        outside: Any = {"pdf": 0.0, "pmf": 0.0}.get(method, -np.inf)
        if method in BELOW:
            outside = chosen(value < high, BELOW[method], ABOVE[method])
        found = chosen(inside, found, outside)
        good = self.valid(*map(plain, shapes)) & (plain(scale) > 0)
        return found if np.all(good) else chosen(good, found, np.nan)

    def _find(self, method: str) -> Any:
        """The function, or how it follows from another."""
        own = self.functions.get(method)
        if own is None and method in TAILS and {"cdf", "sf"} <= self.functions.keys():
            return self._logarithm(*TAILS[method])
        if own is not None and method == "logpdf":
            return lambda z, *shapes, scale: own(z, *shapes) - np.log(scale)
        if own is not None:
            return lambda z, *shapes, scale: own(z, *shapes)
        if method not in DERIVED:
            return None
        source, step = DERIVED[method]
        inner = self._find(source)
        return inner and (lambda z, *shapes, scale: step(inner(z, *shapes, scale=scale)))

    def _logarithm(self, name: str, other: str) -> Any:
        """The logarithm of one of the two tails, from the other where that is the smaller one."""

        def logarithm(z: Any, *shapes: Any, scale: Any) -> Any:
            value, rest = (self.functions[n](z, *shapes) for n in (name, other))
            small = plain(value) < 0.5
            return chosen(small, np.log(chosen(small, value, 1.0)), np.log1p(-chosen(small, 0.0, rest)))

        return logarithm


class Frozen:
    """A distribution with its parameters."""

    def __init__(self, distribution: Distribution, args: tuple[Any, ...], options: dict[str, Any]):
        self.distribution, self.args, self.options = distribution, args, options

    def __getattr__(self, method: str) -> Any:
        function = getattr(self.distribution, method)
        return lambda *x, **options: function(*x, *self.args, **self.options, **options)


POSITIVE, UNIT = (0.0, np.inf), (0.0, 1.0)

norm = Distribution(
    "norm", logpdf=lambda z: -0.5 * (z * z + LOG_2PI), cdf=lambda z: sp.ndtr(z), sf=lambda z: sp.ndtr(-z),
    logcdf=lambda z: sp.log_ndtr(z), logsf=lambda z: sp.log_ndtr(-z),
)  # fmt: skip
t = Distribution(
    "t", "df", cdf=lambda z, v: sp.stdtr(v, z), sf=lambda z, v: sp.stdtr(v, -z),
    logpdf=lambda z, v: sp.gammaln(0.5 * (v + 1)) - sp.gammaln(0.5 * v) - 0.5 * np.log(np.pi * v)
    - 0.5 * (v + 1) * np.log1p(z * z / v),
)  # fmt: skip
beta = Distribution(
    "beta", "a b", UNIT, cdf=lambda z, a, b: sp.betainc(a, b, z), sf=lambda z, a, b: sp.betainc(b, a, 1 - z),
    logpdf=lambda z, a, b: sp.xlogy(a - 1, z) + sp.xlog1py(b - 1, -z) - sp.betaln(a, b),
)  # fmt: skip
gamma = Distribution(
    "gamma", "a", POSITIVE, cdf=lambda z, a: sp.gammainc(a, z), sf=lambda z, a: sp.gammaincc(a, z),
    logpdf=lambda z, a: sp.xlogy(a - 1, z) - z - sp.gammaln(a),
)  # fmt: skip
chi2 = Distribution(
    "chi2", "df", POSITIVE, cdf=lambda z, v: sp.gammainc(0.5 * v, 0.5 * z),
    sf=lambda z, v: sp.gammaincc(0.5 * v, 0.5 * z),
    logpdf=lambda z, v: sp.xlogy(0.5 * v - 1, z) - 0.5 * z - sp.gammaln(0.5 * v) - 0.5 * np.log(2.0) * v,
)  # fmt: skip
expon = Distribution(
    "expon", "", POSITIVE, logpdf=lambda z: -z, cdf=lambda z: -np.expm1(-z), sf=lambda z: np.exp(-z), logsf=lambda z: -z
)
uniform = Distribution("uniform", "", UNIT, logpdf=lambda z: 0.0 * z, cdf=lambda z: z)
laplace = Distribution(
    "laplace", logpdf=lambda z: -np.log(2.0) - np.absolute(z),
    cdf=lambda z: chosen(plain(z) > 0, 1 - 0.5 * np.exp(-np.absolute(z)), 0.5 * np.exp(-np.absolute(z))),
    sf=lambda z: chosen(plain(z) > 0, 0.5 * np.exp(-np.absolute(z)), 1 - 0.5 * np.exp(-np.absolute(z))),
)  # fmt: skip
logistic = Distribution(
    "logistic", logpdf=lambda z: -z - 2 * np.logaddexp(0.0, -z), cdf=lambda z: sp.expit(z), sf=lambda z: sp.expit(-z),
    logcdf=lambda z: sp.log_expit(z), logsf=lambda z: sp.log_expit(-z),
)  # fmt: skip
cauchy = Distribution(
    "cauchy", logpdf=lambda z: -np.log(np.pi) - np.log1p(z * z), cdf=lambda z: np.arctan2(1.0, -z) / np.pi,
    sf=lambda z: np.arctan2(1.0, z) / np.pi,
)  # fmt: skip
lognorm = Distribution(
    "lognorm", "s", POSITIVE, cdf=lambda z, s: sp.ndtr(np.log(z) / s), sf=lambda z, s: sp.ndtr(-np.log(z) / s),
    logpdf=lambda z, s: -0.5 * ((np.log(z) / s) ** 2 + LOG_2PI) - np.log(s * z),
)  # fmt: skip
weibull_min = Distribution(
    "weibull_min", "c", POSITIVE, cdf=lambda z, c: -np.expm1(-(z**c)), sf=lambda z, c: np.exp(-(z**c)),
    logpdf=lambda z, c: np.log(c) + sp.xlogy(c - 1, z) - z**c, logsf=lambda z, c: -(z**c),
)  # fmt: skip
poisson = Distribution(
    "poisson", "mu", POSITIVE, 0.0, lambda mu: mu >= 0,
    logpmf=lambda k, mu: sp.xlogy(k, mu) - sp.gammaln(k + 1) - mu,
    cdf=lambda k, mu: sp.gammaincc(np.floor(k) + 1, mu), sf=lambda k, mu: sp.gammainc(np.floor(k) + 1, mu),
)  # fmt: skip
binom = Distribution(
    "binom", "n p", lambda n, p: (0.0, n), 0.0, lambda n, p: (n >= 0) & (p >= 0) & (p <= 1),
    logpmf=lambda k, n, p: sp.gammaln(n + 1) - sp.gammaln(k + 1) - sp.gammaln(n - k + 1) + sp.xlogy(k, p)
    + sp.xlog1py(n - k, -p),
    cdf=lambda k, n, p: sp.betainc(n - np.floor(k), np.floor(k) + 1, 1 - p),
    sf=lambda k, n, p: sp.betainc(np.floor(k) + 1, n - np.floor(k), p),
)  # fmt: skip
bernoulli = Distribution(
    "bernoulli", "p", UNIT, 0.0, lambda p: (p >= 0) & (p <= 1),
    logpmf=lambda k, p: sp.xlogy(k, p) + sp.xlog1py(1 - k, -p),
)  # fmt: skip


class Multivariate(Distribution):
    """A distribution of vectors, by its ``logpdf`` and perhaps its ``entropy``."""

    def __init__(self, name: str, **functions: Any):
        super().__init__(name, **functions)

    def evaluate(self, method: str, *args: Any, **options: Any) -> Any:
        if method == "entropy" and "entropy" in self.functions:
            return self.functions["entropy"](*args, **options)
        if method not in ("logpdf", "pdf"):
            raise UnsupportedError(f"scipy.stats.{self.name}.{method} has no derivative rule")
        found = self.functions["logpdf"](*args, **options)
        return np.exp(found) if method == "pdf" else found


def _normal(x: Any, mean: Any = 0.0, cov: Any = 1.0, allow_singular: bool = False) -> Any:
    x, mean = operand(x), operand(mean)
    cov, n = _covariance(mean, cov)
    away = np.reshape(x - mean, (-1, n))
    if allow_singular:  # on the plane that the eigenvectors of positive eigenvalues span
        size, n = _pseudo_determinant(cov)
        turned = np.linalg.pinv(cov, hermitian=True) @ np.transpose(away)
    else:
        turned, size = np.linalg.solve(cov, np.transpose(away)), np.linalg.slogdet(cov)[1]
    found = -0.5 * (np.sum(away * np.transpose(turned), axis=-1) + n * LOG_2PI + size)
    shape = np.shape(x)[:-1] if np.shape(cov)[-1] > 1 or np.ndim(x) > 1 else np.shape(x)
    found = np.reshape(found, shape if np.ndim(x) else ())
    if allow_singular:
        theirs = import_module("scipy.stats").multivariate_normal.logpdf
        value = theirs(plain(x), plain(mean), plain(cov), allow_singular=True)
        found = chosen(np.isfinite(value), found, value)
    return found


def _covariance(mean: Any, cov: Any) -> tuple[Any, int]:
    """The matrix that a variance, or one for each component, stands for; and its size."""
    cov = operand(cov)
    n = np.shape(mean)[-1] if np.ndim(mean) else np.shape(cov)[-1] if np.ndim(cov) else 1
    return cov * np.eye(n) if np.ndim(cov) == 0 else np.diag(cov) if np.ndim(cov) == 1 else cov, n


def _pseudo_determinant(cov: Any) -> tuple[Any, int]:
    """The logarithm of the product of the positive eigenvalues, and how many they are."""
    w = np.linalg.eigvalsh(cov)
    value = plain(w)
    keep = value > 1e6 * np.finfo(value.dtype).eps * np.max(np.abs(value))
    return np.sum(np.log(w[keep])), int(np.count_nonzero(keep))


def _normal_entropy(mean: Any = None, cov: Any = 1.0) -> Any:
    cov, n = _covariance(0.0 if mean is None else mean, cov)
    return 0.5 * (n * (LOG_2PI + 1) + np.linalg.slogdet(cov)[1])


def _dirichlet(x: Any, alpha: Any) -> Any:
    x, alpha = operand(x), operand(alpha)
    columns = np.reshape(alpha, (-1,) + (1,) * (np.ndim(x) - 1))
    whole = sp.gammaln(np.sum(alpha)) - np.sum(sp.gammaln(alpha))
    return np.sum(sp.xlogy(columns - 1, x), axis=0) + whole


multivariate_normal = Multivariate("multivariate_normal", logpdf=_normal, entropy=_normal_entropy)
dirichlet = Multivariate("dirichlet", logpdf=_dirichlet)
