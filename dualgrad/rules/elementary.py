"""THE table: every elementary function once, with its derivative.

Read ``elementary("tanh(x)", dx="(1 - y)*(1 + y)")`` as: tanh has one argument ``x``, and
with ``y = tanh(x)`` its derivative is (1 − y)(1 + y).  The dual rule, the Taylor
recurrence of every order, reverse mode, the generated source and the tests against sympy
and mpmath all come from this line.

Laws of a row (each a test over the whole table): the derivative is written with
``+ - * /``, constants and words of the table; the rows are closed under differentiation;
the result ``y`` is used where that is stable.  A singular point that IEEE arithmetic
alone would get wrong is spelled out with ``where``, which selects and never multiplies.
"""

from __future__ import annotations

import numpy as np

from .declare import discrete, elementary, floating

# Powers and roots

elementary("sqrt(x)", dx="0.5/y", domain="positive")
elementary("square(x)", dx="2*x", infer=floating, text="np.square({0})")
elementary("reciprocal(x)", dx="-y*y", domain="nonzero", text="1.0 / {0}", precedence=20)
elementary(
    "power(x, p)",
    dx="p*x**where(x == 0, where(p == 0, 1, p - 1), p - 1)",  # the derivative of x**0 at 0 is 0, without 1/0
    dp="where(x == 0, where(p < 0, -y, 0), y*log(x))",
    # Taylor: x y' = p y x' needs no further powers (x ** (p - 1) would never close).
    closed={"x": "p*(y/x)", "p": "y*log(x)"},
    domain=("positive", "real"),
    text="{0} ** {1}",
    precedence=40,
)

# Exponentials and logarithms

elementary("exp(x)", dx="y")
elementary("expm1(x)", dx="exp(x)")  # y + 1 loses all digits for large negative x
elementary("log(x)", dx="1/x", domain="positive")
elementary("log1p(x)", dx="1/(1 + x)", domain="above -1")

# Circular and hyperbolic functions

elementary("sin(x)", dx="cos(x)")
elementary("cos(x)", dx="-sin(x)")
elementary("tan(x)", dx="1 + y*y")
elementary("sinh(x)", dx="cosh(x)")
elementary("cosh(x)", dx="sinh(x)")
elementary("tanh(x)", dx="(1 - y)*(1 + y)")
elementary("arcsin(x)", dx="1/sqrt((1 - x)*(1 + x))", domain="within 1")
elementary("arccos(x)", dx="-1/sqrt((1 - x)*(1 + x))", domain="within 1")
elementary("arctan(x)", dx="1/(1 + x*x)")
elementary("hypot(a, b)", da="where(y == 0, 0, a/y)", db="where(y == 0, 0, b/y)", domain="nonzero")
elementary("arctan2(a, b)", da="b/hypot(a, b)/hypot(a, b)", db="-a/hypot(a, b)/hypot(a, b)", domain="nonzero")

# Special functions


def _erf_text(args, params, types) -> str:  # noqa: ANN001
    return f"math.erf({args[0]})" if types[0].rank == 0 else f"special.erf({args[0]})"


elementary("erf(x)", dx="1.1283791670955126*exp(-x*x)", text=_erf_text)

# Pieces

elementary("absolute(x)", dx="sign(x)", domain="nonzero", text="abs({0})", ufunc=np.absolute)

discrete("sign(x)")
discrete("floor(x)", infer=floating)
discrete("ceil(x)", infer=floating)
discrete("trunc(x)", infer=floating)
discrete("rint(x)", infer=floating)
