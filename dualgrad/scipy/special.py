"""``scipy.special``: the functions that are no ufuncs.  Its ufuncs take numbers as they are, and are passed on.

Each function takes plain arrays too and then is SciPy's own.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from dualgrad.core.words import WORDS
from dualgrad.numbers.functions.making import chosen, operand
from dualgrad.numbers.number import apply, plain

from .means import stands_for

__all__ = ["log_softmax", "logsumexp", "multigammaln", "polygamma", "softmax", "softplus"]

_meaning = stands_for("scipy.special")


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    return getattr(import_module("scipy.special"), name)


def _largest(x: Any, axis: Any) -> Any:
    """The largest values along an axis where they are finite, else zero: a shift that does not overflow."""
    top = np.max(plain(x), axis=axis, keepdims=True)
    return chosen(np.isfinite(top), top, 0.0).astype(top.dtype)


@_meaning
def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """The logarithm of a sum of exponentials.

    Parameters
    ----------
    a : array_like
        Of infinite entries that are the largest each has the same share.
    axis : int or tuple of ints, optional
    b : array_like, optional
        Factors of the exponentials.
    keepdims, return_sign : bool

    Returns
    -------
    array or number
        With ``return_sign`` also the sign of the sum.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(dg.scipy.special.logsumexp)(np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    a = operand(a)
    used = a if b is None else chosen(plain(b) == 0, -np.inf, a)
    shift = _largest(used, axis)
    terms = np.exp(a - shift) if b is None else chosen(plain(b) == 0, 0.0, operand(b) * np.exp(used - shift))
    total = np.sum(terms, axis=axis, keepdims=True)
    sign = np.sign(plain(total))
    found = np.log(np.absolute(total) if return_sign else total) + shift
    if b is None:
        top = np.max(a, axis=axis, keepdims=True)
        found = chosen(np.isinf(plain(top)), top, found)
    if not keepdims:
        found, sign = np.squeeze(found, axis)[()], np.squeeze(sign, axis)[()]
    return (found, sign) if return_sign else found


@_meaning
def softmax(x: Any, axis: Any = None) -> Any:
    """Exponentials divided by their sum.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.jacobian(dg.scipy.special.softmax)(np.zeros(2))
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    """
    x = operand(x)
    e = np.exp(x - _largest(x, axis))
    return e / np.sum(e, axis=axis, keepdims=True)


@_meaning
def log_softmax(x: Any, axis: Any = None) -> Any:
    """The logarithm of `softmax`, without loss where that underflows."""
    x = operand(x)
    x = x - _largest(x, axis)
    return x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True))


@_meaning
def polygamma(n: Any, x: Any) -> Any:
    """The n-th derivative of digamma; n is a constant."""
    return apply(WORDS["polygamma"], operand(n), operand(x))


@_meaning
def softplus(x: Any) -> Any:
    """``log(1 + exp(x))``"""
    return np.logaddexp(0.0, operand(x))


@_meaning
def multigammaln(a: Any, d: int) -> Any:
    """The logarithm of the multivariate gamma function of dimension d."""
    gammaln = import_module("scipy.special").gammaln
    a = operand(a)
    return sum(gammaln(a - 0.5 * j) for j in range(d)) + 0.25 * d * (d - 1) * np.log(np.pi)
