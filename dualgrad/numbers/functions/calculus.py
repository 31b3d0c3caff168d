"""Gradients on grids, integrals by trapezoids, interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualgrad.backends.arrays import axes_of

from ..number import Number, plain
from .making import chosen, concatenate, operand
from .table import means
from .values import astype


def _at(axis: int, *where: Any) -> Any:
    """An index along an axis."""
    return (*(slice(None),) * axis, *where)


# Gradients


@means(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Second-order differences inside, of first or second order at the ends."""
    f = operand(f)
    axes = axes_of(axis, np.ndim(f))
    one_for_all = len(varargs) == 1 and np.ndim(varargs[0]) == 0
    spacings = [operand(v) for v in (varargs * len(axes) if one_for_all else varargs)] or [1.0] * len(axes)
    if len(spacings) != len(axes):
        raise TypeError("invalid number of arguments")
    if edge_order not in (1, 2):
        raise ValueError("'edge_order' must be 1 or 2")
    found = [_slope(f, h, ax, edge_order) for h, ax in zip(spacings, axes)]
    return found[0] if len(found) == 1 else tuple(found)


def _slope(f: Any, spacing: Any, axis: int, edge_order: int) -> Any:
    """The gradient along one axis, for one distance or given coordinates."""
    n = np.shape(f)[axis]
    if n < edge_order + 1:
        raise ValueError("Shape of array too small to calculate a numerical gradient")
    if np.ndim(spacing) == 1 and len(spacing) != n:
        raise ValueError("when 1d, distances must match the length of the corresponding dimension")
    h = _steps(spacing, np.ndim(f) - axis)

    def piece(start: int, stop: int) -> Any:
        return f[_at(axis, slice(start, n + stop if stop <= 0 else stop))]

    def ends(*nodes: int) -> Any:
        """The derivative at the first of three (or two) nodes of the parabola (line) through them."""
        first, *others = (f[_at(axis, slice(k % n, k % n + 1))] for k in nodes)
        p, q = h(nodes[0], nodes[1]), h(nodes[0], nodes[-1])
        if len(others) == 1:
            return (others[0] - first) / p
        return (q / p * (others[0] - first) - p / q * (others[1] - first)) / (q - p)

    middle, before, after = piece(1, -1), piece(0, -2), piece(2, 0)
    left, right = h(slice(0, n - 2), slice(1, n - 1)), h(slice(1, n - 1), slice(2, n))
    inside = (left / right * (after - middle) + right / left * (middle - before)) / (left + right)
    sides = [(0, 1), (-1, -2)] if edge_order == 1 else [(0, 1, 2), (-1, -2, -3)]
    slope = concatenate([ends(*sides[0]), inside, ends(*sides[1])], axis)
    return astype(slope, f.dtype) if slope.dtype != f.dtype and f.dtype.kind in "fc" else slope


def _steps(spacing: Any, rank: int) -> Any:
    """``h(i, j)``: the distance from node i to node j (or those of slices of nodes), to be broadcast along an axis."""
    if np.ndim(spacing) == 0:
        return lambda i, j: spacing * (1 if isinstance(i, slice) else j - i)

    def between(i: Any, j: Any) -> Any:
        h = spacing[j] - spacing[i]
        return np.reshape(h, (-1, *(1,) * (rank - 1))) if isinstance(i, slice) else h

    return between


# Integrals


@means(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    y, d = operand(y), dx
    (of_y,) = axes_of(axis, np.ndim(y))
    if x is not None:
        x = operand(x)
        d = np.diff(x, axis=axis if np.ndim(x) > 1 else -1)
        d = np.reshape(d, (-1, *(1,) * (np.ndim(y) - of_y - 1))) if np.ndim(x) == 1 else d
    pairs = y[_at(of_y, slice(1, None))] + y[_at(of_y, slice(None, -1))]
    return np.sum(d * pairs / 2.0, axis)


# Interpolation


@means(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Piecewise linear interpolation; at a knot the derivative by ``x`` is that of the piece on the right.

    The last knot has no piece on its right: there the derivative is zero, as beyond it.
    """
    x, xp, fp = (_double(v) for v in (x, xp, fp))
    if period is not None:
        x, xp, fp = _periodic(x, xp, fp, abs(period))
        left = right = None
    left, right = fp[0] if left is None else left, fp[-1] if right is None else right
    at, knots = plain(x), plain(xp)
    if len(knots) == 1:
        inside: Any = fp[0] + 0.0 * at
    else:
        k = np.clip(np.searchsorted(knots, at, "right") - 1, 0, len(knots) - 2)
        inside = fp[k] + (fp[k + 1] - fp[k]) / (xp[k + 1] - xp[k]) * (x - xp[k])
    inside = chosen(at == knots[-1], fp[-1], inside)
    return chosen(at < knots[0], left, chosen(at > knots[-1], right, inside))


def _double(v: Any) -> Any:
    """Interpolation is worked out in double precision, whatever it is given."""
    v = operand(v) if isinstance(v, (Number, list, tuple)) else np.asarray(v)[()]
    return v if v.dtype in (float, complex) else v.astype(float)


def _periodic(x: Any, xp: Any, fp: Any, period: Any) -> tuple[Any, Any, Any]:
    """Everything in one period, the knots in order, with one knot more at each end."""
    x, xp = x % period, xp % period
    order = np.argsort(plain(xp))
    xp, fp = xp[order], fp[order]
    return x, concatenate([xp[-1:] - period, xp, xp[:1] + period]), concatenate([fp[-1:], fp, fp[:1]])


@means(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Any:
    """Each entry is moved by a whole number of periods, which has no derivative."""
    p = operand(p)
    value, length = plain(p), plain(period)
    turns = np.rint((np.unwrap(value, discont, axis, period=length) - value) / length)
    return p + turns * period
