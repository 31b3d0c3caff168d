"""Special functions: SciPy's names, one row each.  SciPy itself is not imported here.

A *family* is a function whose derivatives never close, such as ``polygamma``: its row says what the k-th derivative
is.  Arguments by which no derivative is declared (orders, degrees of freedom) have to be constants.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualgrad.core.program import Type

from .declare import discrete, elementary, family

Text = Any


def _special(name: str, compiled: str | None = None) -> Text:
    """The function of `scipy.special`; of scalars in a kernel the function of `math`, where there is one."""

    def text(args: list[str], params: dict[str, Any], types: list[Type]) -> str:
        scalar = compiled and all(t.rank == 0 for t in types)
        return f"{compiled if scalar else 'special.' + name}({', '.join(args)})"

    return text


def _row(header: str, compiled: str | None = None, name: str | None = None, **options: Any) -> None:
    """A row named and written as the function of `scipy.special` is; of a kind that its options tell."""
    kind = family if "nth" in options else elementary
    name = name or header.partition("(")[0]
    kind(header, text=_special(name, compiled), compiled=compiled is not None, **options)


# Error functions and the normal distribution

_TERMS = 10  # of an asymptotic series in u = 1/(2 x²), used where x is large and the difference would cancel


def _asymptotic(test: str, sign: str) -> str:
    """``u (1 ∓ 3u (1 ∓ 5u (…)))``"""
    u = f"(0.5/where({test}, x*x, 1))"
    text = "1"
    for k in range(2 * _TERMS - 1, 1, -2):
        text = f"(1 {sign} {k}*{u}*{text})"
    return f"{u}*{text}"


_row("erf(x)", "math.erf", dx="1.1283791670955126*exp(-x*x)")
_row("erfc(x)", "math.erfc", dx="-1.1283791670955126*exp(-x*x)")
_row("erfinv(x)", dx="0.886226925452758*exp(y*y)", domain="within 1")
_row("erfcinv(x)", dx="-0.886226925452758*exp(y*y)", domain="unit")
_row("erfcx(x)", dx=f"where(x > 10, -1.1283791670955126*{_asymptotic('x > 10', '-')}, 2*x*y - 1.1283791670955126)")
_row("dawsn(x)", dx=f"where(absolute(x) > 10, -{_asymptotic('absolute(x) > 10', '+')}, 1 - 2*x*y)")
_row("ndtr(x)", dx="0.3989422804014327*exp(-0.5*x*x)")
_row("ndtri(x)", dx="2.5066282746310002*exp(0.5*y*y)", domain="unit")
_row("log_ndtr(x)", dx="0.7978845608028654/erfcx(-0.7071067811865476*x)")

# The gamma function and its relatives

_row("gamma(x)", "math.gamma", dx="y*digamma(x)", domain="positive")
_row("rgamma(x)", dx="where(x < 0.5, gamma(where(x < 0.5, 1 - x, 1))"
     "*(cos(pi*x) - digamma(where(x < 0.5, 1 - x, 1))*sin(pi*x)/pi), -y*digamma(where(x < 0.5, 1, x)))",
     domain="positive")  # by reflection, which is right at the poles of gamma too  # fmt: skip
discrete("gammasgn(x)", _special("gammasgn"), compiled=False)
_row("gammaln(x)", "math.lgamma", dx="digamma(x)", domain="positive")
_row("loggamma(x)", dx="digamma(x)", domain="positive")
_row("digamma(x)", nth="polygamma(k, x)", domain="positive")
_row("polygamma(n, x)", nth="polygamma(n + k, x)", domain=("order", "positive"))
_row("beta(a, b)", da="y*(digamma(a) - digamma(a + b))", db="y*(digamma(b) - digamma(a + b))", domain="positive")
_row("betaln(a, b)", da="digamma(a) - digamma(a + b)", db="digamma(b) - digamma(a + b)", domain="positive")
_row("gammainc(a, x)", dx="exp(xlogy(a - 1, x) - x - gammaln(a))", domain="positive")
_row("gammaincc(a, x)", dx="-exp(xlogy(a - 1, x) - x - gammaln(a))", domain="positive")
_row("betainc(a, b, x)", dx="exp(xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b))",
     domain=("positive", "positive", "unit"))  # fmt: skip
_row("stdtr(v, x)", dx="exp(gammaln(0.5*(v + 1)) - gammaln(0.5*v) - 0.5*log(pi*v) - 0.5*(v + 1)*log1p(x*x/v))",
     domain=("positive", "real"))  # fmt: skip

# Logistic functions, entropies, losses

_row("expit(x)", dx="y*expit(-x)", closed={"x": "y*(1 - y)"})
_row("logit(x)", dx="1/(x*(1 - x))", domain="unit")
_row("log_expit(x)", dx="expit(-x)")
_row("xlogy(a, b)", da="log(b)", db="where(a == 0, 0, a/b)", domain=("real", "positive"))
_row("xlog1py(a, b)", da="log1p(b)", db="where(a == 0, 0, a/(1 + b))", domain=("real", "above -1"))
_row("entr(x)", dx="-log(x) - 1", domain="positive")
_row("rel_entr(a, b)", da="log(a/b) + 1", db="where(a == 0, 0, -a/b)", domain="positive")
_row("kl_div(a, b)", da="log(a/b)", db="where(a == 0, 1, 1 - a/b)", domain="positive")
_row("huber(delta, r)", ddelta="where(absolute(r) > delta, absolute(r) - delta, 0)",
     dr="where(absolute(r) > delta, delta*sign(r), r)", domain=("positive", "nonzero"))  # fmt: skip
_row("pseudo_huber(delta, r)", ddelta="2*y/delta - r*r/hypot(delta, r)", dr="r/hypot(1, r/delta)",
     domain=("positive", "real"))  # fmt: skip
_row("boxcox(x, lmbda)", dx="x**(lmbda - 1)", dlmbda="log(x)*log(x)*exponential_mean(1, lmbda*log(x))",
     domain=("positive", "real"))  # fmt: skip
_row("boxcox1p(x, lmbda)", dx="(1 + x)**(lmbda - 1)",
     dlmbda="log1p(x)*log1p(x)*exponential_mean(1, lmbda*log1p(x))", domain=("above -1", "real"))  # fmt: skip
_row("inv_boxcox(x, lmbda)", dx="y/(1 + lmbda*x)", domain=("positive", "positive"))
_row("inv_boxcox1p(x, lmbda)", dx="(1 + y)/(1 + lmbda*x)", domain=("positive", "positive"))

# Exponential and trigonometric integrals

_row("exprel(x)", nth="exponential_mean(k, x)")
_row("exponential_mean(n, x)", nth="exponential_mean(n + k, x)", domain=("index", "real"))
_row("cosm1(x)", dx="-sin(x)")
_row("exp1(x)", dx="-exp(-x)/x", domain="positive")
_row("expi(x)", dx="exp(x)/x", domain="positive")
_row("expn(n, x)", dx="where(n == 0, -exp(-x)*(1 + 1/x)/x, -expn(where(n == 0, 1, n - 1), x))",
     closed={"x": "(y*(n - 1) - exp(-x))/x"}, domain=("order", "positive"))  # fmt: skip
family("sinc(x)", nth="pi**k*cardinal(k, pi*x)", ufunc=np.sinc)
_row("cardinal(n, x)", nth="cardinal(n + k, x)", domain=("index", "real"))
family("si(x)", nth="cardinal(k - 1, x)", text="special.sici({0})[0]", compiled=False)
elementary("ci(x)", dx="cos(x)/x", text="special.sici({0})[1]", domain="positive", compiled=False)
elementary("shi(x)", dx="0.5*(exprel(x) + exprel(-x))", text="special.shichi({0})[0]", compiled=False)
elementary("chi(x)", dx="cosh(x)/x", text="special.shichi({0})[1]", domain="positive", compiled=False)

# Elliptic integrals

_row("ellipk(m)", nth="elliptic_k(k, m)", domain="within 1")
_row("ellipe(m)", nth="elliptic_e(k, m)", domain="within 1")
_row("elliptic_k(n, m)", nth="elliptic_k(n + k, m)", domain=("index", "within 1"))
_row("elliptic_e(n, m)", nth="elliptic_e(n + k, m)", domain=("index", "within 1"))

# Bessel functions

for _derivative, _functions in {
    "besselj": ("j0(x)", "j1(x)", "jv(v, x)"),
    "bessely": ("y0(x)", "y1(x)", "yv(v, x)", "yn(v, x)"),
    "besseli": ("i0(x)", "i1(x)", "iv(v, x)"),
    "besselk": ("k0(x)", "k1(x)", "kv(v, x)", "kn(v, x)"),
    "besselie": ("i0e(x)", "i1e(x)", "ive(v, x)"),
    "besselke": ("k0e(x)", "k1e(x)", "kve(v, x)"),
}.items():
    for _header in _functions:
        _order = "v" if "v," in _header else _header[1]
        _domain = "positive" if _header[0] in "yk" or _header.endswith("e(x)") or "v" in _header else "real"
        _kind = "order" if _header[1] == "n" else "degree"
        _row(_header, nth=f"{_derivative}(k, {_order}, x)",
             domain=(_kind, _domain) if _order == "v" else _domain)  # fmt: skip
    _row(f"{_derivative}(n, v, x)", nth=f"{_derivative}(n + k, v, x)", domain=("index", "degree", "positive"))
family("bessel_i0(x)", nth="besseli(k, 0, x)", text="np.i0({0})", ufunc=np.i0, compiled=False)  # NumPy's own
