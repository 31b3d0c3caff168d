"""``scipy.integrate``: solutions of ordinary differential equations, with derivatives by start, times and arguments.

Values are those of SciPy's solvers.  Derivatives of any order are solutions of larger equations (`dualgrad.api.flow`),
as exact as the tolerances ``rtol`` and ``atol`` say.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from dualgrad.api.closures import closed_over, closing_over
from dualgrad.api.flow import Solver, along, flat, without_numbers
from dualgrad.api.route import is_kernel, kernel
from dualgrad.core.containers import flatten, unflatten
from dualgrad.core.errors import ConvergenceError, UnsupportedError
from dualgrad.lifting import lift
from dualgrad.numbers.functions.making import concatenate
from dualgrad.numbers.functions.table import unwrapped
from dualgrad.numbers.number import Number, bare, plain

__all__ = ["odeint", "solve_ivp"]


def odeint(
    func: Callable[..., Any], y0: Any, t: Any, args: tuple[Any, ...] = (), Dfun: Any = None, col_deriv: Any = 0,
    full_output: Any = 0, ml: Any = None, mu: Any = None, rtol: Any = None, atol: Any = None, tcrit: Any = None,
    h0: float = 0.0, hmax: float = 0.0, hmin: float = 0.0, ixpr: Any = 0, mxstep: int = 0, mxhnil: int = 0,
    mxordn: int = 12, mxords: int = 5, printmessg: Any = 0, tfirst: bool = False,
) -> Any:  # fmt: skip
    """`scipy.integrate.odeint`, differentiable by ``y0``, ``t`` and ``args``.

    Parameters
    ----------
    func : callable
        ``func(y, t, *args)``, with ``tfirst`` ``func(t, y, *args)``: a NumPy or ``@njit`` function.  Numbers that it
        closes over count as arguments.
    y0 : (n,) array_like
    t : (m,) array_like
        The first is where ``y0`` holds.
    args : tuple
        Containers of floats and arrays, and anything else.
    Dfun, col_deriv, ml, mu, tcrit, h0
        As in SciPy, for the value; the larger equations of derivatives make do without.
    rtol, atol, hmax, hmin, mxstep, mxordn, mxords, mxhnil, ixpr, printmessg, tfirst, full_output
        As in SciPy.

    Returns
    -------
    (m, n) array

    Raises
    ------
    UnsupportedError
        For ``full_output`` where something carries a derivative, and for complex numbers.

    Notes
    -----
    Reverse mode solves y backwards from each point of ``t`` to the one before: of a stiff equation with long gaps
    take forward mode (`jacfwd`), or more points.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> def end(k):
    ...     return dg.scipy.integrate.odeint(lambda y, t: -k * y, [1.0], [0.0, 2.0], rtol=1e-10, atol=1e-12)[-1, 0]
    >>> round(dg.grad(end)(0.5), 8), round(-2 * np.exp(-1.0), 8)  # the solution is exp(-k t)
    (np.float64(-0.73575888), np.float64(-0.73575888))
    """
    own = {"Dfun": Dfun, "col_deriv": col_deriv, "ml": ml, "mu": mu, "tcrit": tcrit, "h0": h0}
    options = {"hmax": hmax, "hmin": hmin, "ixpr": ixpr, "mxstep": mxstep, "mxhnil": mxhnil, "mxordn": mxordn,
               "mxords": mxords, "printmessg": printmessg}  # fmt: skip
    theirs = import_module("scipy.integrate").odeint
    equation = Equation("odeint", func, y0, t, args, tfirst)
    if not equation.active:
        own |= {"full_output": full_output, "rtol": rtol, "atol": atol, "tfirst": tfirst}
        return theirs(equation.guarded(), *map(_plain, (y0, t, args)), **own, **options)
    if full_output:
        raise UnsupportedError(
            "odeint with full_output= has no derivative", why="what it reports belongs to one equation, not to "
            "those of the derivatives", hint="leave it out where a derivative is taken",
        )  # fmt: skip

    def run(rhs: Any, y0: Any, grid: Any, numbers: Any, solver: Solver) -> Any:
        jac = {**own, "Dfun": Dfun and equation.calling(Dfun, numbers)} if solver.original else {}
        return theirs(rhs, y0, grid, rtol=solver.rtol, atol=solver.atol, **jac, **options)

    default = 1.49012e-8
    solver = Solver("odeint", run, default if rtol is None else rtol, default if atol is None else atol)
    return along(solver, equation.rhs, equation.y0, equation.t, equation.numbers)


def solve_ivp(
    fun: Callable[..., Any], t_span: Any, y0: Any, method: Any = "RK45", t_eval: Any = None,
    dense_output: bool = False, events: Any = None, vectorized: bool = False, args: tuple[Any, ...] | None = None,
    **options: Any,
) -> Any:  # fmt: skip
    """`scipy.integrate.solve_ivp`, its result's ``y`` differentiable by ``y0``, the times and ``args``.

    Parameters
    ----------
    fun : callable
        ``fun(t, y, *args)``, a NumPy or ``@njit`` function; numbers that it closes over count as arguments.
    t_span : pair of floats
    y0 : (n,) array_like
    method, vectorized
        As in SciPy.
    t_eval : (m,) array_like, optional
        Without it, the points of the solver's steps, which are constants, but for the two ends.
    args : tuple, optional
    rtol, atol, max_step, min_step, first_step, jac, jac_sparsity, lband, uband
        As in SciPy; those from ``first_step`` on are for the value, and the equations of derivatives make do without.

    Returns
    -------
    Bunch
        SciPy's result, with derivatives in ``y``, and in ``t`` where the times carry some.

    Raises
    ------
    UnsupportedError
        For ``events`` and ``dense_output`` where something carries a derivative, and for complex numbers.
    ConvergenceError
        Where the solver gives up.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> def end(k):
    ...     found = dg.scipy.integrate.solve_ivp(lambda t, y: -k * y, (0.0, 2.0), [1.0], rtol=1e-10, atol=1e-12)
    ...     return found.y[0, -1]
    >>> round(dg.grad(end)(0.5), 8)
    np.float64(-0.73575888)
    """
    theirs = import_module("scipy.integrate").solve_ivp
    times = [*t_span, *(() if t_eval is None else t_eval)]
    equation = Equation("solve_ivp", fun, y0, times, args or (), tfirst=True)
    asked = {"dense_output": dense_output, "events": events, "vectorized": vectorized}
    if not equation.active:
        given = map(_plain, (t_span, y0, method, t_eval))
        return theirs(equation.guarded(), *given, **asked, args=args and _plain(args), **options)
    for name, value in {"dense_output": dense_output, "events": events}.items():
        if value:
            raise UnsupportedError(
                f"solve_ivp with {name}= has no derivative",
                why="only the solution at given times has one",
                hint="name the times with t_eval=",
            )
    own = {k: options.pop(k) for k in ("first_step", "jac", "jac_sparsity", "lband", "uband") if k in options}
    span = tuple(plain(equation.t)[:2])

    def solved(rhs: Any, span: Any, y0: Any, at: Any, numbers: Any, solver: Solver) -> Any:
        extra = dict(own) if solver.original else {}
        if callable(extra.get("jac")):
            extra["jac"] = equation.calling(extra["jac"], numbers)
        found = theirs(lambda t, y: rhs(y, t), span, y0, method, at, rtol=solver.rtol, atol=solver.atol,
                       **extra, **options)  # fmt: skip
        if found.status < 0:
            raise ConvergenceError(f"solve_ivp: {found.message}", why="the solver gave up")
        return found

    def run(rhs: Any, y0: Any, grid: Any, numbers: Any, solver: Solver) -> Any:
        end = span[1] if solver.original else grid[-1]
        return np.concatenate([y0[None], solved(rhs, (grid[0], end), y0, grid[1:], numbers, solver).y.T])

    solver = Solver("solve_ivp", run, options.pop("rtol", 1e-3), options.pop("atol", 1e-6))
    values = [plain(n) for n in equation.numbers]
    at = None if t_eval is None else plain(equation.t)[2:]
    found = solved(lambda y, t: plain(equation.rhs(y, t, *values)), span, plain(equation.y0), at, values, solver)
    if t_eval is None:
        t = concatenate([equation.t[:1], found.t[1:-1], equation.t[1:2]])
        rows = along(solver, equation.rhs, equation.y0, t, equation.numbers)
    else:
        t = equation.t[2:]
        rows = along(solver, equation.rhs, equation.y0, concatenate([equation.t[:1], t]), equation.numbers)[1:]
    found.t, found.y = t, rows.T
    return found


def _plain(a: Any) -> Any:
    return type(a)(map(_plain, a)) if type(a) in (list, tuple) else unwrapped(a)


class Equation:
    """A user's right-hand side and its arguments, the numbers among them taken out as parameters."""

    def __init__(self, name: str, func: Any, y0: Any, t: Any, args: Any, tfirst: bool):
        self.name, self.tfirst, self.func = name, tfirst, kernel(func) if is_kernel(func) else func
        self.closed = [*map(bare, closed_over(self.func))]
        leaves, self.structure = flatten(tuple(args) if isinstance(args, (tuple, list)) else (args,))
        self.leaves = [*map(bare, leaves)]
        self.places = [k for k, a in enumerate(self.leaves) if isinstance(a, Number)]
        self.numbers = [*self.closed, *(self.leaves[k] for k in self.places)]
        self.y0, self.t = flat(y0), flat(t)
        self.active = any(isinstance(bare(a), Number) for a in (self.y0, self.t, *self.numbers))
        self.last: tuple[Any, Any] = ((), None)
        if any(a.dtype.kind == "c" for a in self.numbers):
            raise UnsupportedError(
                f"{name}: a complex number that carries a derivative",
                why="the equation of its derivatives is solved in real numbers",
                hint="pass real and imaginary parts as two real numbers",
            )

    def guarded(self) -> Callable[..., Any]:
        """The user's function for SciPy, where nothing that it is given carries a derivative."""
        f = lift(self.func)
        return lambda *given: without_numbers(self.name, f(*given))

    def rhs(self, y: Any, t: Any, *numbers: Any) -> Any:
        """dy/dt at other numbers."""
        known, call = self.last
        if len(known) != len(numbers) or any(a is not b for a, b in zip(known, numbers)) or not known:
            func = closing_over(self.func, iter(numbers[: len(self.closed)])) if self.closed else self.func
            call = self.calling(func, numbers)
            self.last = numbers, call
        return flat(call(t, y) if self.tfirst else call(y, t))

    def calling(self, f: Any, numbers: Any) -> Callable[..., Any]:
        """``f`` with its further arguments at other numbers."""
        leaves, waiting = list(self.leaves), iter(numbers[len(self.closed) :])
        for k in self.places:
            leaves[k] = next(waiting)
        args, f = unflatten(self.structure, leaves), lift(f)
        return lambda *given: f(*given, *args)
