"""Complex numbers and their parts.

What is not holomorphic is said with real and imaginary parts, which are views; conj is a word of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualgrad.backends.arrays import is_complex, part
from dualgrad.core.words import WORDS

from ..array import as_value, with_memory, wrap
from ..number import OF_COMPLEX, SIGN, Number, apply, apply_linear, plain, store, view_of
from .table import COMPOSED, DISCRETE, METHODS, UFUNCS, means


@means(np.real)
def real(x: Any) -> Any:
    return _part(x, "real") if is_complex(x) else x


@means(np.imag)
def imag(x: Any) -> Any:
    if is_complex(x):
        return _part(x, "imag")
    return wrap(np.zeros(x.shape, x.dtype)[... if x._is_array() else ()])


def _part(z: Any, which: str) -> Any:
    """A view of an array, as NumPy gives; of an element, which has no memory, a value."""
    return view_of(z, part, which) if z.ndim else apply_linear(WORDS["part"], z, which)


def whole(x: Any, which: str = "real") -> Any:
    """The complex number of which ``x`` is one part; the other is zero."""
    return apply_linear(WORDS["whole"], x, which)


def conj(x: Any) -> Any:
    """The conjugate; a real number is its own."""
    if not is_complex(x):
        return x
    return apply(WORDS["conj"], x) if isinstance(x, Number) else np.conjugate(x)


def squared(x: Any) -> Any:
    """``|x|**2``, smooth also at 0."""
    if not is_complex(x):
        return x * x
    return x.real * x.real + x.imag * x.imag


def absolute(z: Any) -> Any:
    """``|z|``; its derivative is ``Re(conj(z) dz)/|z|``, at 0 it is 0."""
    return np.hypot(real(z), imag(z))


def sign(z: Any) -> Any:
    """``z/|z|``, the direction of a complex number; at 0 it is 0, and so is its derivative."""
    zero = plain(z) == 0
    return np.where(zero, 0.0, z / np.where(zero, 1.0, absolute(z)))[()]


@means(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    found = np.arctan2(imag(z), real(z))
    return found * (180 / np.pi) if deg else found


@means(np.real_if_close)
def real_if_close(z: Any, tol: float = 100) -> Any:
    return with_memory(z if np.iscomplexobj(np.real_if_close(plain(z), tol)) else real(z))


def _set_part(which: str) -> Any:
    def set_part(z: Any, value: Any) -> None:
        if not is_complex(z):
            if which == "imag":
                raise TypeError("a real number does not have an imaginary part to set")
            return store(z, ..., value)
        target = view_of(z, part, which)
        if not z._is_array():
            raise AttributeError(f"the part {which!r} of a complex number, which has no memory, cannot be set")
        return store(target, ..., value)

    return set_part


del UFUNCS[np.conjugate]  # of a real number it is a copy
COMPOSED[np.conjugate] = lambda z: conj(z) if is_complex(z) else as_value(z.copy())
OF_COMPLEX |= {
    WORDS["absolute"]: absolute,
    WORDS["arcsinh"]: lambda z: -1j * np.arcsin(1j * z),  # its row is one of real numbers
    SIGN: sign,
}
DISCRETE |= {np.iscomplex, np.isreal}
METHODS |= {
    "conj": conj,
    "conjugate": conj,
    "real": property(real, _set_part("real")),
    "imag": property(imag, _set_part("imag")),
}
