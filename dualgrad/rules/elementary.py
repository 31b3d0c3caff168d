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

from .arithmetic import OF_GREATER, OF_SMALLER
from .declare import arithmetic, discrete, elementary, floating

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

elementary("cbrt(x)", dx="1/(3*y*y)", domain="nonzero")

# Exponentials and logarithms

elementary("exp(x)", dx="y")
elementary("expm1(x)", dx="exp(x)")  # y + 1 loses all digits for large negative x
elementary("log(x)", dx="1/x", domain="positive")
elementary("log1p(x)", dx="1/(1 + x)", domain="above -1")
elementary("exp2(x)", dx="0.6931471805599453*y")
elementary("log2(x)", dx="1.4426950408889634/x", domain="positive")
elementary("log10(x)", dx="0.4342944819032518/x", domain="positive")
elementary(
    "sigmoid(x)", dx="y*sigmoid(-x)", closed={"x": "y*(1 - y)"}, text="1.0 / (1.0 + np.exp(-{0}))", precedence=20,
)  # fmt: skip

# The share of a in exp(a) + exp(b); of two equal infinities each has half.
_LEAD = "where(isinf(a), where(a == b, 0, a - b), a - b)"
elementary("logaddexp(a, b)", da=f"sigmoid({_LEAD})", db=f"sigmoid(-{_LEAD})")
elementary("logaddexp2(a, b)", da=f"sigmoid(0.6931471805599453*{_LEAD})", db=f"sigmoid(-0.6931471805599453*{_LEAD})")

# Circular and hyperbolic functions

elementary("sin(x)", dx="cos(x)")
elementary("cos(x)", dx="-sin(x)")
elementary("tan(x)", dx="1 + y*y")
elementary("sinh(x)", dx="cosh(x)")
elementary("cosh(x)", dx="sinh(x)")
elementary("tanh(x)", dx="(1 - y)*(1 + y)")
# Two roots, not one: on the branch cuts of complex numbers the sign of a zero decides, which 1 - x and x + 1 lose.
_ROOTS = "(sqrt(where(x == 1, 0, -(x - 1)))*sqrt(x - (-1)))"
elementary("arcsin(x)", dx=f"1/{_ROOTS}", domain="within 1")
elementary("arccos(x)", dx=f"-1/{_ROOTS}", domain="within 1")
elementary("arctan(x)", dx="1/(1 + x*x)")
elementary("arcsinh(x)", dx="1/hypot(1, x)")
elementary("arccosh(x)", dx="1/(sqrt(x - 1)*sqrt(x - (-1)))", domain="above 1")  # NaN below 1, no overflow
elementary("arctanh(x)", dx="1/((1 - x)*(1 + x))", domain="within 1")
elementary("hypot(a, b)", da="where(y == 0, 0, a/y)", db="where(y == 0, 0, b/y)", domain="nonzero")
elementary("arctan2(a, b)", da="b/hypot(a, b)/hypot(a, b)", db="-a/hypot(a, b)/hypot(a, b)", domain="nonzero")

# Pieces

elementary("absolute(x)", dx="sign(x)", domain="nonzero", text="abs({0})", ufunc=np.absolute)
elementary("fraction(x)", dx="1", text="np.modf({0})[0]", domain="nonzero", compiled=False)

for _name, _factor in [("deg2rad", "0.017453292519943295"), ("rad2deg", "57.29577951308232")]:
    arithmetic(f"{_name}(x)", "linear", f"np.{_name}({{0}})", f"{_factor}*dx", x=f"{_factor}*ct", infer=floating,
               ufunc=getattr(np, _name))  # fmt: skip
arithmetic("fmod(a, b)", "selecting", "np.fmod({0}, {1})", "da - rint((a - y)/b)*db",
           ufunc=np.fmod, domain=("real", "nonzero"))  # fmt: skip
for _name, _tangent in [("fmax", OF_GREATER), ("fmin", OF_SMALLER)]:  # a NaN is the other argument
    arithmetic(f"{_name}(a, b)", "selecting", f"np.{_name}({{0}}, {{1}})",
               f"where(isnan(a), db, where(isnan(b), da, {_tangent}))",
               ufunc=getattr(np, _name), domain="distinct")  # fmt: skip

discrete("sign(x)")
discrete("floor(x)", infer=floating)
discrete("ceil(x)", infer=floating)
discrete("trunc(x)", infer=floating)
discrete("rint(x)", infer=floating)
discrete("spacing(x)", infer=floating)
