"""Special functions that the texts name: those of SciPy, and n-th derivatives that SciPy has no name for.

SciPy is imported when a text first asks for one of its functions.  What is written here takes numbers too: they are
asked to interpret the word of the same name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from dualgrad.core.errors import UnsupportedError


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(_scipy(), name)


def _scipy() -> Any:
    try:
        from scipy import special
    except ImportError:
        raise UnsupportedError(
            "a derivative needs special functions, and SciPy is not installed", hint="pip install dualgrad[scipy]"
        ) from None
    return special


def _word(f: Callable[..., Any]) -> Callable[..., Any]:
    """Let a number among the arguments interpret the word named like ``f``; results have the dtype of the last one."""
    name = f.__name__

    @wraps(f)
    def word(*args: Any) -> Any:
        for a in args:
            if hasattr(a, "__dualgrad_apply__"):
                return a.__dualgrad_apply__(name, *args)
        args = tuple([a.real if type(a) is complex and not a.imag else a for a in args])  # literals of complex programs
        dtype = getattr(args[-1], "dtype", np.dtype(float))
        return np.asarray(f(*args)).astype(dtype if dtype.kind in "fc" else float)[()]

    return word


@_word
def polygamma(n: Any, x: Any) -> Any:
    """The n-th derivative of digamma."""
    return _complex_polygamma(int(n), x) if np.iscomplexobj(x) else _scipy().polygamma(n, x)


def _complex_polygamma(n: int, z: Any) -> Any:
    """From the asymptotic series, which needs a large real part: ``f(z) = f(z + 1) ± n!/z**(n + 1)`` leads there."""
    if n == 0:
        return _scipy().digamma(z)
    far, total = 20 + n, np.zeros_like(z)
    while np.any(near := (z.real < far) & np.isfinite(z)):
        total = total + np.where(near, 1.0 / np.where(near, z, 1.0) ** (n + 1), 0.0)
        z = z + near
    series = (1.0 / n + 0.5 / z) / z**n
    for k, bernoulli in enumerate((1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510), 1):
        series = series + bernoulli * (math.comb(2 * k + n - 1, n) / (2 * k)) * z ** -(n + 2.0 * k)
    return (-1.0) ** (n + 1) * math.factorial(n) * (total + series)


# Bessel functions: a derivative is a combination of neighbouring orders.  With S the shift of the order by one, it is
# D = (S⁻¹ − S)/2 for J and Y, (S⁻¹ + S)/2 for I, minus that for K; e^∓x adds a constant.


def _shifted(f: Any, n: int, v: Any, x: Any, sign: int) -> Any:
    """``(S⁻¹ + sign*S)ⁿ`` applied."""
    return sum(math.comb(n, i) * sign**i * f(v - n + 2 * i, x) for i in range(n + 1))


def _squared(f: Any, n: int, v: Any, x: Any, sign: Any) -> Any:
    """``(S⁻¹ + S + 2*sign)ⁿ`` applied."""
    return sum(math.comb(2 * n, i) * sign**i * f(v + n - i, x) for i in range(2 * n + 1))


@_word
def besselj(n: Any, v: Any, x: Any) -> Any:
    """The n-th derivative of the Bessel function J of order v."""
    return 0.5 ** int(n) * _shifted(_scipy().jv, int(n), v, x, -1)


@_word
def bessely(n: Any, v: Any, x: Any) -> Any:
    """The n-th derivative of the Bessel function Y of order v."""
    return 0.5 ** int(n) * _shifted(_scipy().yv, int(n), v, x, -1)


@_word
def besseli(n: Any, v: Any, x: Any) -> Any:
    """The n-th derivative of the modified Bessel function I of order v."""
    return 0.5 ** int(n) * _shifted(_scipy().iv, int(n), v, x, 1)


@_word
def besselk(n: Any, v: Any, x: Any) -> Any:
    """The n-th derivative of the modified Bessel function K of order v."""
    return (-0.5) ** int(n) * _shifted(_scipy().kv, int(n), v, x, 1)


@_word
def besselie(n: Any, v: Any, x: Any) -> Any:
    """The n-th derivative of ``exp(-abs(x)) * I``; at the kink the mean of both sides."""
    n, ive = int(n), _scipy().ive
    sides = [0.5**n * _squared(ive, n, v, x, sign) for sign in (-1, 1)]
    return np.where(np.asarray(x) > 0, sides[0], np.where(np.asarray(x) < 0, sides[1], 0.5 * (sides[0] + sides[1])))


@_word
def besselke(n: Any, v: Any, x: Any) -> Any:
    """The n-th derivative of ``exp(x) * K``."""
    return (-0.5) ** int(n) * _squared(_scipy().kve, int(n), v, x, -1)


# Functions whose derivatives are again of their kind


def _recurrent(n: int, x: Any, wave: Callable[[int], Any]) -> Any:
    """``s_n`` of ``x s_k + k s_{k-1} = wave(k)``.

    Upwards the recurrence is stable for ``abs(x) >= n``, downwards (from where s is as good as zero) for smaller ones.
    """
    small = np.abs(x) < max(n, 1)
    near, far = np.where(small, x, 0.0), np.where(small, 1.0, x)
    down = np.zeros_like(x)
    for k in range(n + 30 + math.isqrt(80 * (n + 1)), n, -1):
        down = (wave(k) - near * down) / k
    up = wave(0) / far
    for k in range(1, n + 1):
        up = (wave(k) - k * up) / far
    return np.where(small, down, up)


@_word
def cardinal(n: Any, x: Any) -> Any:
    """The n-th derivative of ``sin(x)/x``."""
    x = np.asarray(x) if np.iscomplexobj(x) else np.asarray(x, float)
    finite = np.where(np.isinf(x), 1.0, x)
    waves = [np.sin(finite), np.cos(finite), -np.sin(finite), -np.cos(finite)]
    return np.where(np.isinf(x), 0.0, _recurrent(max(int(n), 0), finite, lambda k: waves[k % 4]))


@_word
def exponential_mean(n: Any, x: Any) -> Any:
    """``∫ tⁿ exp(xt) dt`` over 0…1: the n-th derivative of ``exprel``."""
    n, x, special = int(n), np.asarray(x, float), _scipy()
    far = np.where(x < -1, -x, 1.0)
    left = special.gammainc(n + 1, far) * np.exp(special.gammaln(n + 1) - (n + 1) * np.log(far))
    near = np.clip(x, -1.0, 700.0)
    waves = np.expm1(near), np.exp(near)
    right = np.where(x > 700, np.exp(x), _recurrent(n, near, lambda k: waves[min(k, 1)]))
    return np.where(x < -1, left, right)


@_word
def elliptic_k(n: Any, m: Any) -> Any:
    """The n-th derivative of ``ellipk``, from its hypergeometric series."""
    n, m, special = int(n), np.asarray(m, float), _scipy()
    factor = 0.5 * math.pi * special.poch(0.5, n) ** 2 / math.factorial(n)
    return factor * special.hyp2f1(0.5, 0.5, 1 + n, m) * (1 - m) ** -float(n)


@_word
def elliptic_e(n: Any, m: Any) -> Any:
    """The n-th derivative of ``ellipe``, from its hypergeometric series."""
    n, m, special = int(n), np.asarray(m, float), _scipy()
    factor = 0.5 * math.pi * special.poch(-0.5, n) * special.poch(0.5, n) / math.factorial(n)
    return factor * special.hyp2f1(1.5, 0.5, 1 + n, m) * (1 - m) ** (1.0 - n)
