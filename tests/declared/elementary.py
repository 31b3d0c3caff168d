"""Ufuncs of one and two arguments."""

import numpy as np

from declared import declare

PLAIN = {
    "real": (np.exp, np.exp2, np.expm1, np.sin, np.cos, np.tan, np.sinh, np.cosh, np.tanh, np.arctan, np.arcsinh,
             np.deg2rad, np.rad2deg, np.radians, np.degrees, np.square, np.positive, np.negative, np.float_power),
    "positive": (np.sqrt, np.log, np.log2, np.log10),
    "nonzero": (np.absolute, np.fabs, np.cbrt, np.reciprocal),
    "above 1": (np.arccosh,),
    "above -1": (np.log1p,),
    "within 1": (np.arcsin, np.arccos, np.arctanh),
}  # fmt: skip
for _domain, _functions in PLAIN.items():
    for _f in _functions:
        if _f.nin == 1:
            declare(_f, domain=_domain)

Y = np.array([0.7, -1.9, 1.3])
APART = np.array([1.13, -0.77, 2.45])  # far from the steps of what follows
for _f in (np.hypot, np.logaddexp, np.logaddexp2, np.arctan2, np.fmax, np.fmin, np.maximum, np.minimum, np.add,
           np.subtract, np.multiply, np.divide, np.true_divide):  # fmt: skip
    declare(_f, lambda x, f=_f: f(x, Y.astype(x.dtype)[: x.size]), lambda x, f=_f: f(0.3, x), x=APART)

declare(np.fmod, lambda x: np.fmod(x, 0.31), lambda x: np.fmod(7.1, x), x=APART)
declare(np.remainder, lambda x: np.mod(x, 0.31), lambda x: np.remainder(-7.1, x), x=APART)
declare(np.divmod, lambda x: divmod(x, 0.31)[1], lambda x: np.divmod(-7.1, x)[1], lambda x: divmod(7.1, x)[1], x=APART)
declare(np.power, lambda x: np.power(x, 2.5), lambda x: np.power(1.5, x), lambda x: np.power(x, x), domain="positive")
declare(np.float_power, lambda x: np.float_power(x, 2.5), lambda x: np.float_power(1.5, x), domain="positive")
declare(np.copysign, lambda x: np.copysign(x, -1.0), lambda x: x * np.copysign(2.0, x), domain="nonzero")
declare(np.heaviside, lambda x: x * np.heaviside(x, 0.5), lambda x: np.heaviside(0.0, x), domain="nonzero")
declare(np.modf, lambda x: np.modf(3 * x)[0], lambda x: x * np.modf(3 * x)[1], x=APART)
declare(np.frexp, lambda x: np.frexp(x)[0], lambda x: x * np.frexp(x)[1].astype(x.dtype), x=APART)
declare(np.ldexp, lambda x: np.ldexp(x, 3), lambda x: np.ldexp(x, np.arange(3)[: x.size]))
