"""Elementary functions without branches: range reduction, a polynomial, reconstruction.

Each function is written once, for numbers of a machine (`lanes.Lanes`): ``m.fma``, ``m.where``, ``m.bits``, operators.
The same lines make the code for one number and for a vector of 2, 4 or 8, so both give the same bits.  The
polynomials are minimax ones.  Errors stay near one unit in the last place: `docs/vector_math.md` has the table.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Machine = Any
Number = Any
Reduction = Callable[[Machine, Number], tuple[Number, Number, Number]]

LOG2_E = 1.4426950408889634
LN2 = (0.6931471805599453, 2.3190468138462996e-17)  # the sum of both has 106 bits
TWO_OVER_PI = 0.6366197723675814
HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)
SQRT_HALF = 0.7071067811865476
INF, NAN = math.inf, math.nan
ROUND = 1.5 * 2.0**52  # t + ROUND has no digits after the point, and its last bits are the integer

# (exp(r) - 1 - r)/r² for |r| <= log(2)/2
EXP = (0.5, 0.16666666666666685, 0.04166666666666673, 0.00833333333331662, 0.0013888888888858558,
       0.0001984126989736193, 2.4801587373569994e-05, 2.7557233929240984e-06, 2.755723347351703e-07,
       2.5112348604125086e-08, 2.092691551163868e-09)  # fmt: skip
# (log((1 + s)/(1 - s)) - 2s)/s³ in s² for |s| <= 3 - sqrt(8)
LOG = (0.6666666666666735, 0.3999999999941111, 0.285714287432593, 0.22222198476224614, 0.18183569732552246,
       0.15313903309495017, 0.14797508217555186)  # fmt: skip
# (sin(r) - r)/r³ and (cos(r) - 1 + r²/2)/r⁴ in r² for |r| <= pi/4
SIN = (-0.16666666666666632, 0.008333333333322316, -0.0001984126982972519, 2.7557313662027397e-06,
       -2.5050753257594096e-08, 1.589650445910065e-10)  # fmt: skip
COS = (0.0416666666666666, -0.001388888888887399, 2.4801587289395014e-05, -2.7557314326049407e-07,
       2.087571956024578e-09, -1.1359448711687689e-11)  # fmt: skip


def polynomial(m: Machine, x: Number, coeffs: Any) -> Number:
    """Estrin's scheme: neighbours are joined, then pairs, then fours; half the depth of Horner's."""
    terms = list(coeffs)
    while len(terms) > 1:
        odd = terms[2 * (len(terms) // 2) :]
        terms = [m.fma(x, b, a) for a, b in zip(terms[::2], terms[1::2], strict=False)] + odd
        x = x * x
    return terms[0]


def nearest(m: Machine, x: Number, factor: float) -> tuple[Number, Number]:
    """The integer nearest to ``factor*x``, as a float and as an integer."""
    shifted = m.fma(x, factor, ROUND)
    return shifted - ROUND, m.bits(shifted) - m.bits(m.number(ROUND))


def power_of_two(m: Machine, k: Number) -> Number:
    """2**k for integers of normal powers."""
    return m.number_of_bits((k + 1023) << 52)


def clipped(m: Machine, x: Number, low: float, high: float) -> Number:
    """x between bounds; NaN stays."""
    x = m.where(x < low, low, x)
    return m.where(x > high, high, x)


# Exponentials: with k the integer nearest to x/log(2) and r = x - k log(2), exp(x) is 2**k (1 + r + t)


def exponential(m: Machine, x: Number) -> tuple[Number, Number, Number]:
    """``(k, r, t)``."""
    n, k = nearest(m, x, LOG2_E)
    exact = m.fma(n, -LN2[0], x)
    r = m.fma(n, -LN2[1], exact)
    rest = m.fma(n, -LN2[1], exact - r)
    return k, r, m.fma(r * r, polynomial(m, r, EXP), rest)


def exp(m: Machine, x: Number) -> Number:
    k, r, t = exponential(m, clipped(m, x, -746.0, 710.0))
    half = k >> 1  # 2**k itself may be out of range where the result is not
    return (1.0 + (r + t)) * power_of_two(m, half) * power_of_two(m, k - half)


def minus_one(m: Machine, x: Number, scale: float) -> tuple[Number, Number]:
    """``scale (exp(x) - 1)`` as an unevaluated sum, for a scale that is a power of two."""
    k, r, t = exponential(m, x)
    power = power_of_two(m, k) * scale if scale >= 1 else power_of_two(m, k + int(math.log2(scale)))
    first = power - scale
    high = m.fma(power, r, first)
    low = m.fma(power, r, first - high)
    return high, m.fma(power, t, low)


def expm1(m: Machine, x: Number) -> Number:
    high, low = minus_one(m, clipped(m, x, -50.0, 710.0), 0.5)  # 2**1024 is no number
    return m.where(abs(x) < 2.0**-54, x, 2.0 * (high + low))


def tanh(m: Machine, x: Number) -> Number:
    """With e = exp(2|x|) - 1 it is e/(e + 2)."""
    size = abs(x)
    first, second = minus_one(m, 2.0 * m.where(size > 20.0, 20.0, size), 1.0)
    high = first + second
    low = (first - high) + second
    bottom = high + 2.0
    rest = m.where(high > 2.0, (high - bottom) + 2.0, (2.0 - bottom) + high) + low
    inverse = 1.0 / bottom
    quotient = high * inverse
    remainder = m.fma(-quotient, bottom, high) + m.fma(-quotient, rest, low)
    y = m.fma(remainder, inverse, quotient)
    return m.where(size < 2.0**-28, x, m.copysign(y, x))


# Logarithms: with x = 2**k (1 + f), 1 + f between sqrt(1/2) and sqrt(2), and s = f/(2 + f), log(x) is
# k log(2) + 2s + 2s³/3 + …; 2s is f - s f, and s f is f²/2 - s f²/2: the large part is exact


def scaled(m: Machine, x: Number) -> tuple[Number, Number, Number]:
    """``(k, k as a float, f)`` of a normal number x."""
    bits = m.bits(x)
    k = (bits - m.bits(m.number(SQRT_HALF))) >> 52
    n = m.number_of_bits(k + m.bits(m.number(ROUND))) - ROUND
    return k, n, m.number_of_bits(bits - (k << 52)) - 1.0


def logarithm(m: Machine, n: Number, f: Number, low: Number) -> Number:
    """``n log(2) + log(1 + f) + low`` for a small ``low``."""
    s = f / (2.0 + f)
    z, half = s * s, 0.5 * f * f
    rest = m.fma(s, m.fma(z, polynomial(m, z, LOG), half), m.fma(n, LN2[1], low))
    return m.fma(n, LN2[0], f - (half - rest))


def log(m: Machine, x: Number) -> Number:
    tiny = x < 2.0**-1022
    _, n, f = scaled(m, m.where(tiny, x * 2.0**54, x))
    y = logarithm(m, m.where(tiny, n - 54.0, n), f, m.number(0.0))
    y = m.where(x < INF, y, x)  # infinity and NaN
    return m.where(x == 0.0, -INF, m.where(x < 0.0, NAN, y))


def log1p(m: Machine, x: Number) -> Number:
    """The logarithm of 1 + x, whose rounding error is known exactly."""
    total = 1.0 + x
    part = total - 1.0
    error = (1.0 - (total - part)) + (x - part)
    k, n, f = scaled(m, total)
    error = error * power_of_two(m, -k)
    whole = f + error
    rest = (f - whole) + error
    y = logarithm(m, n, whole, m.fma(-rest, whole, rest))
    y = m.where(x < INF, y, x)
    y = m.where(abs(x) < 2.0**-54, x, y)
    return m.where(x == -1.0, -INF, m.where(x < -1.0, NAN, y))


# Sine and cosine: with k the integer nearest to 2x/pi and x = k pi/2 + r + rest, to twice the digits of a float

NEAR = 2.0**36  # up to here three products give r; the rest of the floats is the matter of `reduction`


def near(m: Machine, x: Number) -> tuple[Number, Number, Number]:
    """``(k, r, rest)``."""
    n, k = nearest(m, x, TWO_OVER_PI)
    exact = m.fma(n, -HALF_PI[0], x)
    second = n * HALF_PI[1]
    r = exact - second  # either may be the larger one: Knuth's sum gives the error
    part = r - exact
    error = (exact - (r - part)) - (second + part)
    return k, r, m.fma(n, -HALF_PI[2], error - m.fma(n, HALF_PI[1], -second))


def waves(m: Machine, r: Number, rest: Number) -> tuple[Number, Number]:
    """Sine and cosine of ``r + rest``, at most pi/4."""
    z = r * r
    half = 0.5 * z
    one = 1.0 - half
    cosine = one + m.fma(z * z, polynomial(m, z, COS), m.fma(-r, rest, (1.0 - one) - half))
    return r + m.fma(z * r, polynomial(m, z, SIN), m.fma(-half, rest, rest)), cosine


def sin(m: Machine, x: Number, reduced: Reduction = near) -> Number:
    k, r, rest = reduced(m, x)
    sine, cosine = waves(m, r, rest)
    y = m.flip_sign(m.where((k & 1) == 0, sine, cosine), k << 62)
    return m.where(x == 0.0, x, y)


def cos(m: Machine, x: Number, reduced: Reduction = near) -> Number:
    k, r, rest = reduced(m, x)
    sine, cosine = waves(m, r, rest)
    return m.flip_sign(m.where((k & 1) == 0, cosine, sine), (k + 1) << 62)


FORMULAS = {f.__name__: f for f in (exp, log, sin, cos, tanh, expm1, log1p)}
LIMITS = {"sin": NEAR, "cos": NEAR}
