"""The solution of an ordinary differential equation as one word: values by a solver that knows plain numbers only.

Forward mode and Taylor mode solve one larger equation: its unknowns are the parts of a number (value and tangent, or
all coefficients), its right-hand side is that of the user, run on such a number.  Reverse mode runs the adjoint
equation from one point of the grid back to the one before it; its right-hand side is the user's pullback.  Both
are flows again, so every mode can be differentiated by every other.

The grid is plain.  `along` takes one that carries derivatives: it moves the solution from the plain grid to the points
themselves by its Taylor series in time, of which as many terms count as the derivative has orders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dualgrad.core.errors import StructureError, UnsupportedError
from dualgrad.numbers.calls import Function, Given, Rest, apply_function, kept
from dualgrad.numbers.functions.making import array, concatenate, stack
from dualgrad.numbers.jet import Jet
from dualgrad.numbers.number import Number, bare, plain

from .forward import jvp
from .reverse import vjp
from .series import jet

Rhs = Callable[..., Any]  # (y, t, *parameters) -> dy/dt, all of them flat arrays or numbers


@dataclass(frozen=True)
class Solver:
    """``run(rhs, y0, grid, parameters, solver)`` gives one row for each point of the grid, all of it plain.

    ``original`` says that it is the user's equation, and not a larger one made of it.
    """

    name: str
    run: Callable[..., Any]
    rtol: Any
    atol: Any
    original: bool = True

    def repeated(self, count: int) -> Solver:
        """For so many copies of the unknowns, one after the other."""
        wider = [tol if np.ndim(tol) == 0 else np.tile(tol, count) for tol in (self.rtol, self.atol)]
        return replace(self, rtol=wider[0], atol=wider[1], original=False)

    def strictest(self) -> Solver:
        """For other unknowns, which have no tolerances of their own."""
        return replace(self, rtol=np.min(self.rtol), atol=np.min(self.atol), original=False)


def along(solver: Solver, rhs: Rhs, y0: Any, t: Any, parameters: Sequence[Any]) -> Any:
    """The solution at the points ``t``, which starts with ``y0`` at the first; any of them may carry derivatives."""
    t, grid = bare(t), plain(t)
    if not isinstance(t, Number):
        return flow(solver, rhs, y0, grid, parameters)
    order = _orders(t)
    start = _moved(rhs, y0, t[0], grid[0] - t[0], parameters, order)
    rows = flow(solver, rhs, start, grid, parameters)
    at = [_moved(rhs, rows[k], grid[k], t[k] - grid[k], parameters, order) for k in range(1, len(grid))]
    return stack([y0 + 0.0, *at])


def flow(solver: Solver, rhs: Rhs, y0: Any, grid: Any, parameters: Sequence[Any]) -> Any:
    """The solution at a plain grid."""
    return apply_function(Flow(solver, rhs, grid), (y0, *parameters))


class Flow(Function):
    """The solution as a function of its start and the parameters."""

    def __init__(self, solver: Solver, rhs: Rhs, grid: Any):
        self.solver, self.rhs, self.grid, self.name = solver, rhs, grid, solver.name

    def __call__(self, y0: Any, *parameters: Any) -> Any:
        if Given((y0, *parameters)).top is not None:
            return flow(self.solver, self.rhs, y0, self.grid, parameters)

        def rhs(y: Any, t: Any) -> Any:
            found = without_numbers(self.name, self.rhs(y, t, *parameters))
            if np.shape(found) != np.shape(y):
                raise StructureError(f"{self.name}: {np.size(found)} derivatives for {np.size(y)} unknowns")
            return found

        return self.solver.run(rhs, np.asarray(y0, float), self.grid, parameters, self.solver)

    def pushforward(self, primals: Any, tangents: Any) -> Any:
        (y0, *parameters), (y0_dot, *dots), n, count = primals, tangents, len(primals[0]), len(primals) - 1
        value = self(*primals)

        def rhs(z: Any, t: Any, *both: Any) -> Any:
            at, along = (z[:n], *both[:count]), (z[n:], *both[count:])
            return concatenate(jvp(lambda y, *p: self.rhs(y, t, *p), at, along))

        solver = self.solver.repeated(2)
        rows = flow(solver, rhs, concatenate([y0, y0_dot]), self.grid, (*parameters, *dots))
        return value, rows[:, n:]

    def jet(self, primals: Any, series: Any) -> Any:
        (y0, *parameters), (y0_series, *rest), n, count = primals, series, len(primals[0]), len(primals) - 1
        order, value = len(y0_series), self(*primals)

        def rhs(z: Any, t: Any, *both: Any) -> Any:
            z = np.reshape(z, (order + 1, n))
            out, found = jet(lambda y, *p: self.rhs(y, t, *p), (z[0], *both[:count]), (z[1:], *both[count:]))
            return concatenate([out, np.reshape(found, (-1,))])

        start = concatenate([y0, np.reshape(y0_series, (-1,))])
        rows = flow(self.solver.repeated(order + 1), rhs, start, self.grid, (*parameters, *rest))
        return value, np.moveaxis(np.reshape(rows[:, n:], (len(self.grid), order, n)), 1, 0)

    def rest(self, given: Given) -> tuple[list[Any], Any, Rest]:
        primals = given.tree([*map(kept, given.primals)])
        rows = self(*primals)

        def push(dots: list[Any]) -> list[Any]:
            return [self.pushforward(primals, given.tree(given.filled(dots)))[1]]

        def pull(cts: list[Any], lead: int | None = None) -> list[Any]:
            return given.among(self.adjoint(rows, primals, cts[0]))

        return [rows], None, Rest(push, pull)

    def adjoint(self, rows: Any, primals: Any, ct: Any) -> list[Any]:
        """Cotangents of the start and the parameters for one of the rows.

        With λ = ∂L/∂y(t) and μ = ∂L/∂p of what comes later, ``λ' = -λ ∂f/∂y`` and ``μ' = -λ ∂f/∂p``; at a point of
        the grid λ grows by its cotangent.
        """
        y0, *parameters = primals
        n, sizes = len(y0), [int(np.size(plain(p))) for p in parameters]

        def rhs(z: Any, t: Any, *parameters: Any) -> Any:
            out, back = vjp(lambda y, *p: self.rhs(y, t, *p), z[:n], *parameters)
            return concatenate([out, *(-np.reshape(c, (-1,)) for c in back(z[n : 2 * n]))])

        solver, grid, last = self.solver.strictest(), self.grid, len(self.grid) - 1
        found = concatenate([ct[last], np.zeros(sum(sizes))])
        for k in range(last, 0, -1):
            if grid[k] != grid[k - 1]:
                z = flow(solver, rhs, concatenate([rows[k], found]), grid[[k, k - 1]], parameters)
                found = z[1, n:]
            found = concatenate([found[:n] + ct[k - 1], found[n:]])
        ends = np.cumsum([n, *sizes])
        parts = [found[end - size : end] for end, size in zip(ends[1:], sizes)]
        return [found[:n], *(np.reshape(c, np.shape(plain(p))) for c, p in zip(parts, parameters))]


def _orders(t: Any) -> int:
    """How many powers of t minus its value can differ from zero."""
    total = 0
    while isinstance(t, Number):
        total += len(t.coeffs) - 1 if isinstance(t, Jet) else 1
        t = bare(t.primal)
    return total


def _moved(rhs: Rhs, y: Any, t: Any, step: Any, parameters: Sequence[Any], order: int) -> Any:
    """The solution through ``y`` at ``t``, a step later: its Taylor series in time, from ``(k + 1) y_{k+1} = f_k``."""
    series = [rhs(y, t, *parameters)]
    for k in range(1, order):
        time = np.array([1.0] + [0.0] * (k - 1))
        found = jet(lambda y, t: rhs(y, t, *parameters), (y, t), (stack(series), time))[1]
        series.append(found[k - 1] / (k + 1))
    moved = series[-1]
    for c in series[-2::-1]:
        moved = c + step * moved
    return y + step * moved


def flat(values: Any) -> Any:
    """What a user's function returns, as one flat array."""
    values = array(values) if type(values) in (list, tuple) else values
    return np.reshape(values if isinstance(values, Number) else np.asarray(values, float), (-1,))


def without_numbers(name: str, values: Any) -> Any:
    """What a right-hand side returns at plain arguments."""
    if any(isinstance(bare(v), Number) for v in (values if type(values) in (list, tuple) else (values,))):
        raise UnsupportedError(
            f"{name}: the right-hand side depends on a number that is not among its arguments",
            why="the solution would lose its derivative by what the function holds",
            hint="pass it in args=: func(y, t, a) with args=(a,)",
        )
    return bare(values)
