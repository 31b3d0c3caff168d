"""Numbers in nopython code: what Python's numbers are there, and the functions that make arrays of them.

Numba learns of them from its entry point ``numba_extensions`` (`dualgrad.native.init`), before it compiles anything;
where the package is not installed, when it first meets a number or the package.

*Levels.*  A value type has no level.  So only numbers that belong to no transform cross over: those that users make
of floats.  They are constants to every transform, here as in Python, and what comes back is again such a number.  A
number of a transform raises, whether it is an argument, a global or a part of a tuple.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualgrad import native
from dualgrad.core.errors import StructureError, UnsupportedError

from .array import wrap
from .dual import Dual
from .jet import Jet
from .number import Number, settled


def introduce() -> None:
    """Tell numba about the classes and functions that lie here."""
    from dualgrad.native import arrays, boxing, making

    making.register(Dual, Jet)
    arrays.register(zeros, seed, as_duals)
    boxing.register(boxed)


# From Python and back


def numba_type(number: Number) -> Any:
    """The numba type of a number that belongs to no transform."""
    if not isinstance(number, (Dual, Jet)) or number._level.made is not None:
        raise UnsupportedError(
            "an @njit function was called with a number that carries a derivative",
            why="numba compiles for floats and arrays of floats",
            hint="decorate the function with dg.kernel: then it can be called with numbers too",
        )
    now = settled(number)
    kind = type(now).__name__
    inside = (now._primal, now._linear) if kind == "Dual" else (now._primal,)
    if any(isinstance(part, Number) for part in inside):
        raise UnsupportedError(
            f"an @njit function was called with a {kind} of numbers",
            why="numbers of nopython code do not nest: a value has one derivative",
            hint="nest the transforms: dg.derivative(f, 2), dg.hessian(f)",
        )
    if now.dtype not in (np.float64, np.float32):
        raise UnsupportedError(
            f"an @njit function was called with a {kind} of {now.dtype}",
            why="numbers of nopython code are real",
            hint="take real and imaginary parts",
        )
    lanes = len(now._primal) - 1 if kind == "Jet" else len(now._linear) if now._linear.ndim > now.ndim else None
    if lanes == 0:
        raise UnsupportedError(
            f"an @njit function was called with a {kind} that has no derivative",
            why="it has no directions, or order 0",
            hint="pass its value: x.primal",
        )
    native.init()
    from dualgrad.native.boxing import typeof

    return typeof(kind, now.dtype, now.ndim, lanes)


def floats_of(number: Any) -> np.ndarray:
    """The floats of a number in the order of nopython code: the last axis has value and partials, or coefficients."""
    now = settled(number)
    if isinstance(now, Jet):
        return np.ascontiguousarray(np.moveaxis(now._primal, 0, -1))
    tangents = now._linear if now._linear.ndim > now.ndim else np.expand_dims(now._linear, 0)
    parts = [np.expand_dims(now._primal, -1), np.moveaxis(tangents, 0, -1)]
    return np.ascontiguousarray(np.concatenate(parts, axis=-1, dtype=now.dtype))


def boxed(kind: str, axis: bool, dtype: str, floats: Any) -> Any:
    """The number that nopython code returns as these floats; an array of them shares its memory."""
    floats = np.asarray(floats, dtype)
    if kind == "Jet":
        return Jet(np.moveaxis(floats, -1, 0))
    tangents = np.moveaxis(floats[..., 1:], -1, 0)
    return Dual(floats[..., 0], tangents if axis else tangents[0])


# Arrays of numbers


def zeros(shape: Any, like: Any) -> Any:
    """Zeros that can become what ``like`` is: the ``np.zeros`` of functions that take floats or numbers.

    In nopython code an array of floats cannot receive a number; this one has the type that is needed.

    Parameters
    ----------
    shape : int or tuple of int
        Shape of the array.
    like : float, Dual, Jet, or an array of these
        Says what the entries are.

    Returns
    -------
    ndarray, or an array of numbers
        In Python, zeros that can be written with numbers of any kind.

    Examples
    --------
    >>> import dualgrad as dg
    >>> from numba import njit
    >>> @njit
    ... def powers(x):
    ...     out = dg.zeros(3, x)
    ...     out[0] = 1.0
    ...     for k in range(1, 3):
    ...         out[k] = out[k - 1] * x
    ...     return out
    >>> powers(3.0)
    array([1., 3., 9.])
    >>> powers(dg.Dual(3.0, 1.0))
    Dual([1.0, 3.0, 9.0], tangent=[0.0, 1.0, 6.0])
    """
    dtype = getattr(like, "dtype", np.dtype(float))
    buffer = np.zeros(shape, dtype if dtype.kind == "f" else float)
    return wrap(buffer) if isinstance(like, Number) else buffer


def seed(x: Any, directions: int, start: int = 0) -> Dual:
    """An array of duals, whose k-th direction is that of the entry ``start + k`` of ``x``.

    A Jacobian in nopython code takes the directions in chunks of a fixed number.

    Parameters
    ----------
    x : ndarray
        The values, of any shape; entries are counted in C order.
    directions : int
        How many directions; in nopython code a literal or a global constant.
    start : int
        The entry that the first direction belongs to; directions beyond the last entry are zero.

    Returns
    -------
    Dual
        Of the shape of ``x``; in nopython code an array of duals.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> from numba import njit
    >>> @njit
    ... def gradient(x):
    ...     out = np.empty_like(x)
    ...     for start in range(0, x.size, 2):
    ...         y = np.exp(dg.Dual(0.0, (0.0, 0.0)))
    ...         for v in dg.seed(x, 2, start):
    ...             y *= v
    ...         out[start : start + 2] = y.tangent
    ...     return out
    >>> gradient(np.array([2.0, 3.0, 4.0, 5.0]))
    array([60., 40., 30., 24.])
    """
    x = np.asarray(x)
    x = x if x.dtype.kind == "f" else x.astype(float)
    return Dual(x, np.eye(directions, x.size, start, dtype=x.dtype).reshape(directions, *x.shape))


def as_duals(buffer: Any, directions: int) -> Dual:
    """Floats as duals: the last axis of ``buffer`` has a value and its partials.

    In nopython code the array of duals is a view of the buffer, and writes into either are seen in both.

    Parameters
    ----------
    buffer : ndarray
        C-contiguous floats of shape ``S + (1 + directions,)``.
    directions : int
        The number of directions; in nopython code a literal or a global constant.

    Returns
    -------
    Dual
        Of shape S; in nopython code an array of duals.

    Raises
    ------
    StructureError
        If the last axis has another length (in nopython code ``ValueError``).

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> from numba import njit
    >>> @njit
    ... def squares(buffer):
    ...     for i, v in enumerate(dg.as_duals(buffer, 2)):
    ...         dg.as_duals(buffer, 2)[i] = v * v
    >>> buffer = np.array([[3.0, 1.0, 0.0], [5.0, 0.0, 1.0]])
    >>> squares(buffer)
    >>> buffer
    array([[ 9.,  6.,  0.],
           [25.,  0., 10.]])
    """
    buffer = np.asarray(buffer)
    if buffer.shape[-1:] != (1 + directions,):
        raise StructureError(
            f"{directions} directions of a buffer of shape {buffer.shape}",
            hint="its last axis has to hold a value and its partials, 1 + directions floats",
        )
    return Dual(buffer[..., 0], np.moveaxis(buffer[..., 1:], -1, 0))


Number._numba_type_ = property(numba_type)  # type: ignore[attr-defined]
Number._floats = floats_of  # type: ignore[attr-defined]  # what `dualgrad.native.boxing` asks for
native.when_started(introduce)
