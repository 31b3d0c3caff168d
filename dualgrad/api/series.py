"""Taylor mode: run the function on series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from math import factorial
from typing import Any

import numpy as np

from dualgrad.backends import watch
from dualgrad.core.containers import flatten, unflatten
from dualgrad.core.errors import ArgumentError, StructureError
from dualgrad.kernels import derive
from dualgrad.numbers.functions import stack
from dualgrad.numbers.jet import Jet
from dualgrad.numbers.level import Level
from dualgrad.numbers.number import Number, bare, make

from .evaluate import Call, as_primal, as_tuple, fitting, fresh, is_differentiable, value_at, whole_order
from .fields import check_fields, largest, require_holomorphic
from .route import TAYLOR, is_kernel, kernel_route

HIGHEST, COST = 10_000, "the cost of a series grows with the square of its order"  # what is beyond is a slip


def jet(f: Callable[..., Any], primals: Sequence[Any], series: Sequence[Any]) -> Any:
    """Taylor coefficients of ``f(x₁(t), x₂(t), …)`` from those of its arguments.

    Parameters
    ----------
    f : callable
        A function of positional arguments, each a float or an array.
    primals : tuple
        The arguments at t = 0.
    series : tuple
        ``series[i][k - 1]`` is the coefficient of tᵏ of the i-th argument, k = 1…K, shaped like its
        primal: an array of shape ``(K,) + primal.shape`` or a list.  Coefficients, not derivatives.

    Returns
    -------
    out, out_series
        The result, and its coefficients of orders 1…K in the same form.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.jet(np.exp, (0.0,), ([1.0, 0.0, 0.0],))[1]
    array([1.        , 0.5       , 0.16666667])
    """
    primals, series = as_tuple("jet", "primals", primals), as_tuple("jet", "series", series)
    if is_kernel(f):
        return kernel_route("jet", f)(primals, tuple(np.asarray(s) if isinstance(s, list) else s for s in series))
    call = Call("jet", f, primals, tuple(range(len(primals))))
    if len(series) != len(primals) or len(call.leaves) != len(primals):
        raise StructureError(
            f"jet: {len(primals)} primals and {len(series)} series",
            why="each argument is one array, with one series",
        )
    coeffs = [_coefficients(p, series[k], k) for k, p in zip(call.active, call.primals)]
    orders = {len(c) for c in coeffs}
    if len(orders) > 1:
        raise StructureError(f"jet: series of different lengths: {sorted(n - 1 for n in orders)}")
    structure, found = _run(call, coeffs)
    return unflatten(structure, [fresh(c[0]) for c in found]), unflatten(structure, [fresh(c[1:]) for c in found])


def _coefficients(primal: Any, series: Any, k: int) -> Any:
    """The primal and its series as one array."""
    if not isinstance(series, (list, tuple)) and np.ndim(series) == 0:
        raise StructureError(
            f"jet: series[{k}] is {type(series).__name__}, not a list or an array of coefficients",
            why="series[i][k - 1] is the coefficient of order k of argument i",
            hint="write jet(f, (x,), ([x1, x2],))",
        )
    count = len(series)
    rows = [fitting(s, primal, f"jet: coefficient {n + 1} of series[{k}]") for n, s in enumerate(series)]
    if any(isinstance(a, Number) for a in (primal, *rows)):
        return stack([primal, *rows])
    return np.array([primal, *rows]).reshape(count + 1, *primal.shape)


def _run(call: Call, coeffs: list[Any]) -> tuple[Any, list[Any]]:
    """Structure and coefficients of the results."""
    level = Level(call.verb)
    order = len(coeffs[0]) - 1
    try:
        with np.errstate(all="ignore"):
            out, _ = call.run([make(Jet, level, c, None) for c in coeffs])
            leaves, structure = flatten(out)
            leaves = [*map(bare, leaves)]
            found = [
                x._primal if isinstance(x, Jet) and x._level is level else _constant(value_at(x, level), order)
                for x in leaves
            ]
            if watch.watcher is not None:
                watch.watcher.judge(call.verb, "series", found)
            return structure, [fresh(c) for c in found]
    finally:
        level.end()


def _constant(value: Any, order: int) -> Any:
    value = as_primal(value)
    return stack([value, *[np.zeros(value.shape, value.dtype)] * order])


def taylor(f: Callable[..., Any], x: Any, order: int, direction: Any = None) -> Jet:
    """The series of ``t -> f(x + t * direction)``.

    Parameters
    ----------
    f : callable
        A function of one float or array that returns one float or array.
    x : float or array
    order : int
        The highest order K.
    direction : like x, optional
        1 for a scalar ``x``; required for arrays.

    Returns
    -------
    Jet
        With coefficients 0…K.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.taylor(np.sin, 0.0, 3)
    Jet([0.0, 1.0, 0.0, -0.16666666666666666])
    """
    if is_kernel(f) and type(x) in (float, np.float64) and direction is None:  # the usual case
        return Jet(derive(f, (TAYLOR,))(x, 1.0, whole_order("taylor", order, HIGHEST, COST)))
    call = Call("taylor", f, (x,), 0)
    if len(call.primals) != 1 or call.structure is not None:
        raise ArgumentError("taylor: x must be one float or array", hint="use dg.jet for several arguments")
    if is_kernel(f) and not any(isinstance(v, Number) for v in (call.primals[0], direction)):
        first, along = _ends(call.primals[0], direction, "taylor")
        return Jet(derive(f, (TAYLOR,))(first, along, whole_order("taylor", order, HIGHEST, COST)))
    coeffs = line_of(call.primals[0], order, direction, "taylor")
    if is_kernel(f):
        out, rest = kernel_route("jet", f)((coeffs[0],), (coeffs[1:],))
        return Jet(fresh(stack([out, *rest])))
    structure, found = _run(call, [coeffs])
    if structure is not None:
        raise StructureError("taylor: the function must return one float or array", hint="use dg.jet for containers")
    return Jet(found[0])


def line_of(x: Any, order: int, direction: Any, verb: str) -> Any:
    """Coefficients of x + t * direction."""
    order = whole_order(verb, order, HIGHEST, COST)
    rows = [*_ends(x, direction, verb)][: order + 1]
    return stack(rows + [np.zeros(x.shape, x.dtype)] * (order + 1 - len(rows)))


def _ends(x: Any, direction: Any, verb: str) -> tuple[Any, Any]:
    """The coefficients of orders 0 and 1 of x + t * direction."""
    if direction is None:
        if x.ndim:
            raise ArgumentError(f"{verb}: give a direction shaped like x, {x.shape}", why="x is an array")
        direction = np.ones((), x.dtype)[()]
    return x, fitting(direction, x, f"{verb}: the direction")


def derivative(f: Callable[..., Any], n: int = 1, *, holomorphic: bool = False) -> Callable[..., Any]:
    """The n-th derivative of a function of one scalar.

    Parameters
    ----------
    f : callable
        A function whose first argument is a float; it may return arrays and containers.
    n : int
        The order.
    holomorphic : bool
        The argument and the result are complex, and the function has a complex derivative.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.derivative(np.sin, 3)(0.0)
    np.float64(-1.0)
    """
    n = whole_order("derivative", n, 170, "171! is beyond floating point; dg.taylor gives coefficients, without n!")
    if is_kernel(f):
        return kernel_route("derivative", f, n=n, holomorphic=holomorphic)

    @wraps(f, updated=())
    def nth(x: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_differentiable(x) or np.ndim(x):
            raise ArgumentError(
                f"derivative: the argument must be one number, not {type(x).__name__} of shape {np.shape(x)}",
                hint="use dg.jacobian, or dg.taylor with a direction",
            )
        call = Call("derivative", f, (x, *args), 0, kwargs)
        line = line_of(call.primals[0], n, None, "derivative")
        structure, found = _run(call, [line])
        check_fields("derivative", call.primals, [c[0] for c in found], holomorphic)
        if holomorphic and n:
            _, along_i = _run(call, [line[:2] * np.array([1, 1j])])
            slopes = [c[1] for c in found]
            require_holomorphic("derivative", [c[1] for c in along_i], slopes, largest(slopes))
        return unflatten(structure, [fresh(c[n] * float(factorial(n))) for c in found])

    return nth
