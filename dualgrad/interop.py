"""What SciPy, iminuit and nlopt want of a function: one call makes it of a NumPy or ``@njit`` function.

Each function here has the name of the consumer and returns the arguments that go there, mostly a dict to unpack:
``minimize(x0=x0, **dg.interop.minimize(f))``.  Value and derivative of one point come from one evaluation: the last
point is remembered, by its bytes.  Jacobians are dense arrays of ``out.shape + (n,)``, gradients of shape ``(n,)``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any, NamedTuple

import numpy as np

from dualgrad.api.evaluate import as_primal
from dualgrad.api.flow import flat
from dualgrad.api.matrices import hessian as hessian_of
from dualgrad.api.matrices import jacobian
from dualgrad.api.reverse import grad, linearize, value_and_grad
from dualgrad.api.route import is_kernel, kernel
from dualgrad.api.series import taylor
from dualgrad.api.spread import over
from dualgrad.core.containers import flatten
from dualgrad.core.errors import ArgumentError
from dualgrad.lifting import lift

__all__ = [
    "curve_fit", "iminuit", "least_squares", "minimize", "nlopt", "odeint", "over_shards", "quad", "root",
    "root_scalar", "solve_ivp",
]  # fmt: skip

Function = Callable[..., Any]


def minimize(f: Function, *, hess: bool = False, hessp: bool = False) -> dict[str, Function]:
    """For `scipy.optimize.minimize` and those like it: ``fun``, ``jac``, and on demand ``hess`` and ``hessp``.

    Parameters
    ----------
    f : callable
        ``f(x, *args)``, one real number of an array of shape (n,).
    hess : bool
        The Hessian, (n, n), for trust-exact, dogleg and trust-constr.
    hessp : bool
        Its product with a vector, for Newton-CG, trust-ncg, trust-krylov: the gradient is linearized once a point.

    Returns
    -------
    dict
        Functions of ``(x, *args)``; ``hessp`` of ``(x, p, *args)``.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> from scipy.optimize import minimize
    >>> rosenbrock = lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    >>> found = minimize(x0=np.zeros(4), method="trust-exact", **dg.interop.minimize(rosenbrock, hess=True))
    >>> found.x.round(3)
    array([1., 1., 1., 1.])
    """
    _check("minimize", f)
    both, slope = _Last(value_and_grad(f)), grad(f)

    def linear(x: Any, *args: Any) -> Any:
        return linearize(lambda x: slope(x, *args), x)[1]

    products, curvature = _Last(linear), hessian_of(f)
    made: dict[str, Function] = {
        "fun": lambda x, *args: float(both(_array(x), *args)[0]),
        "jac": lambda x, *args: np.array(both(_array(x), *args)[1]),
    }
    if hess:
        made["hess"] = lambda x, *args: np.asarray(curvature(_array(x), *args))
    if hessp:
        made["hessp"] = lambda x, p, *args: np.array(products(_array(x), *args)(_array(p)))
    return made


def least_squares(f: Function, **options: Any) -> dict[str, Function]:
    """For `scipy.optimize.least_squares` and `leastsq`: ``fun`` and ``jac`` of residuals.

    Parameters
    ----------
    f : callable
        ``f(x, *args)``: the residuals, an array or a list.
    **options
        As of `jacobian`: ``mode``, ``chunk``, ``executor``.

    Returns
    -------
    dict
        The Jacobian, (m, n), is made together with the value.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> from scipy.optimize import least_squares
    >>> t, y = np.arange(4.0), np.array([2.0, 1.0, 0.5, 0.25])
    >>> found = least_squares(x0=[1.0, -1.0], **dg.interop.least_squares(lambda p: p[0] * np.exp(p[1] * t) - y))
    >>> found.x.round(6)
    array([ 2.      , -0.693147])
    """
    both = _Jacobian("least_squares", f, 0, options, ahead=True)
    return {"fun": lambda x, *args: both.value(_array(x), *args), "jac": lambda x, *args: both.jac(_array(x), *args)}


def root(f: Function, **options: Any) -> dict[str, Function]:
    """For `scipy.optimize.root` (hybr, lm): ``fun`` and ``jac`` of equations; parameters as of `least_squares`.

    The Jacobian is made where it is asked for: these methods update it in between.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> from scipy.optimize import root
    >>> root(x0=[1.0, 0.5], **dg.interop.root(lambda x: [x[0] ** 2 + x[1] ** 2 - 1, x[0] - x[1]])).x.round(6)
    array([0.707107, 0.707107])
    """
    both = _Jacobian("root", f, 0, options, ahead=False)
    return {"fun": lambda x, *args: both.value(_array(x), *args), "jac": lambda x, *args: both.jac(_array(x), *args)}


def root_scalar(f: Function, *, fprime2: bool = False) -> dict[str, Function]:
    """For `scipy.optimize.root_scalar`: ``f`` and ``fprime`` (newton), with ``fprime2`` that too (halley).

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` of one number.
    fprime2 : bool
        Value and both derivatives are then one series.

    Examples
    --------
    >>> import dualgrad as dg
    >>> from scipy.optimize import root_scalar
    >>> round(root_scalar(x0=1.0, **dg.interop.root_scalar(lambda x: x**3 - 2, fprime2=True)).root, 9)
    np.float64(1.25992105)
    """
    _check("root_scalar", f)
    held = kernel(f) if is_kernel(f) else f

    def series(x: Any, *args: Any) -> Any:
        return taylor(lambda x: lift(held)(x, *args), as_primal(x), 1 + fprime2).derivatives()

    parts = _Last(series)
    made: dict[str, Function] = {
        "f": lambda x, *args: float(parts(x, *args)[0]),
        "fprime": lambda x, *args: float(parts(x, *args)[1]),
    }
    return {**made, "fprime2": lambda x, *args: float(parts(x, *args)[2])} if fprime2 else made


def curve_fit(f: Function, **options: Any) -> dict[str, Function]:
    """For `scipy.optimize.curve_fit`: the model ``f(x, *params)`` and its Jacobian ``jac(x, *params)``.

    Parameters
    ----------
    f : callable
        The parameters are numbers; their names and number stay visible.
    **options
        As of `jacobian`.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> from scipy.optimize import curve_fit
    >>> t = np.linspace(0.0, 3.0, 20)
    >>> def model(t, a, k):
    ...     return a * np.exp(-k * t)
    >>> params, covariance = curve_fit(xdata=t, ydata=model(t, 2.5, 1.3), **dg.interop.curve_fit(model))
    >>> params.round(6)
    array([2.5, 1.3])
    """
    _check("curve_fit", f)
    held = kernel(f) if is_kernel(f) else f

    def of_vector(p: Any, x: Any) -> Any:
        return lift(held)(x, *(p[k] for k in range(len(p))))

    both = _Jacobian("curve_fit", of_vector, 0, options, ahead=True)

    @wraps(getattr(f, "py_func", f), updated=())
    def model(x: Any, *params: Any) -> Any:
        return both.value(_array(params), x)

    return {"f": model, "jac": lambda x, *params: both.jac(_array(params), x)}


def solve_ivp(f: Function, **options: Any) -> dict[str, Function]:
    """For `scipy.integrate.solve_ivp` (Radau, BDF, LSODA): ``fun`` and ``jac`` of ``(t, y, *args)``.

    Parameters
    ----------
    f : callable
        ``f(t, y, *args)``: dy/dt, an array or a list.
    **options
        As of `jacobian`.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> from scipy.integrate import solve_ivp
    >>> stiff = lambda t, y: [-1000 * y[0] + y[1], -y[1]]
    >>> solve_ivp(t_span=(0, 5), y0=[1.0, 1.0], method="Radau", **dg.interop.solve_ivp(stiff)).nlu < 40
    True
    """
    both = _Jacobian("solve_ivp", f, 1, options, ahead=False)
    return {"fun": lambda t, y, *args: both.value(as_primal(t), _array(y), *args),
            "jac": lambda t, y, *args: both.jac(as_primal(t), _array(y), *args)}  # fmt: skip


def odeint(f: Function, *, tfirst: bool = False, **options: Any) -> dict[str, Any]:
    """For `scipy.integrate.odeint`: ``func``, ``Dfun`` and ``tfirst``.

    Parameters
    ----------
    f : callable
        ``f(y, t, *args)``, with ``tfirst`` ``f(t, y, *args)``.
    **options
        As of `jacobian`.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> from scipy.integrate import odeint
    >>> odeint(y0=[1.0], t=[0.0, 1.0], **dg.interop.odeint(lambda y, t: -y))[-1].round(6)
    array([0.367879])
    """
    both = _Jacobian("odeint", f, 1 if tfirst else 0, options, ahead=False)
    given: Function = lambda a, b: (as_primal(a), _array(b)) if tfirst else (_array(a), as_primal(b))  # noqa: E731
    return {"func": lambda a, b, *args: both.value(*given(a, b), *args),
            "Dfun": lambda a, b, *args: both.jac(*given(a, b), *args), "tfirst": tfirst}  # fmt: skip


def quad(f: Function) -> dict[str, Any]:
    """For `scipy.integrate.quad` and `nquad`: a `scipy.LowLevelCallable`, which calls machine code without Python.

    Parameters
    ----------
    f : ``@njit`` function
        Of floats, ``f(x, *args)``; a derivative such as ``dg.grad(kernel)`` is one too.

    Returns
    -------
    dict
        With ``func``.

    Raises
    ------
    ArgumentError
        For what is not compiled.

    Examples
    --------
    >>> import dualgrad as dg
    >>> from numba import njit
    >>> from scipy.integrate import quad
    >>> @njit
    ... def cube(x, a):
    ...     return a * x**3
    >>> value, error = quad(a=0.0, b=1.0, args=(2.0,), **dg.interop.quad(dg.grad(cube)))  # of 6 x²
    >>> round(value, 9)
    2.0
    """
    _check("quad", f)
    if not is_kernel(f):
        raise ArgumentError(
            f"interop.quad: {getattr(f, '__name__', f)!s:.60} is not compiled",
            why="a LowLevelCallable holds the address of machine code",
            hint="compile it with numba.njit, or give quad the function itself",
        )
    from numba import carray, cfunc, types
    from numba.np.unsafe.ndarray import to_fixed_tuple
    from scipy import LowLevelCallable

    count = len(inspect.signature(getattr(f, "py_func", f)).parameters)

    @cfunc(types.float64(types.intc, types.CPointer(types.float64)))
    def entry(n: Any, values: Any) -> Any:
        return f(*to_fixed_tuple(carray(values, (count,)), count))  # type: ignore[call-arg]

    address = entry.ctypes
    address.keep = entry  # type: ignore[attr-defined]  # the machine code lives as long as the address is held
    return {"func": LowLevelCallable(address)}


class Minuit(NamedTuple):
    """Function and gradient, to be called by numbers or by one array."""

    fcn: Function
    grad: Function


def iminuit(f: Function) -> Minuit:
    """For `iminuit.Minuit`: the function, its parameters' names still visible, and ``grad``.

    Parameters
    ----------
    f : callable
        ``f(a, b, …)`` of numbers, or ``f(x)`` of one array.

    Examples
    --------
    >>> import dualgrad as dg
    >>> fcn, grad = dg.interop.iminuit(lambda a, b: (a - 1) ** 2 + a * b)
    >>> fcn(2.0, 3.0), grad(2.0, 3.0)  # Minuit(fcn, 2.0, 3.0, grad=grad)
    (7.0, array([5., 2.]))
    """
    _check("iminuit", f)

    def both(*xs: Any) -> Any:
        if len(xs) == 1 and np.ndim(xs[0]):
            return value_and_grad(f)(_array(xs[0]))
        return value_and_grad(f, tuple(range(len(xs))))(*map(as_primal, xs))

    last = _Last(both)

    @wraps(getattr(f, "py_func", f), updated=())
    def fcn(*xs: Any) -> float:
        return float(last(*xs)[0])

    return Minuit(fcn, lambda *xs: np.array(last(*xs)[1], float))


def nlopt(f: Function, *, vector: bool = False) -> Function:
    """For nlopt: ``form(x, grad)``, which returns the value and writes the gradient in place where it is asked for.

    Parameters
    ----------
    f : callable
        Objective or constraint of an array.
    vector : bool
        Constraints, an array of them, for ``add_inequality_mconstraint``: ``form(result, x, grad)``.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> form, grad = dg.interop.nlopt(lambda x: x[0] * x[1] ** 2), np.zeros(2)
    >>> form(np.array([2.0, 3.0]), grad), grad  # opt.set_min_objective(form)
    (18.0, array([ 9., 12.]))
    """
    if not vector:
        both, value = minimize(f), kernel(f) if is_kernel(f) else f

        def form(x: Any, grad: Any) -> float:
            if grad.size:
                grad[:] = both["jac"](x)
                return both["fun"](x)
            return float(lift(value)(x))

        return form
    many = _Jacobian("nlopt", f, 0, {}, ahead=False)

    def forms(result: Any, x: Any, grad: Any) -> None:
        if grad.size:
            grad[:] = many.jac(_array(x))
        result[:] = many.value(_array(x))

    return forms


def over_shards(f: Function, shards: Sequence[Any], *, executor: Any = None) -> Function:
    """Value and gradient of a sum over shards of data, each of them work for one worker.

    Parameters
    ----------
    f : callable
        ``f(x, shard)``, the part of one shard: a real number.
    shards : sequence
        Anything that can be sent: arrays, or names of files that ``f`` reads.
    executor : optional
        Anything with ``submit``, see `jacobian`.

    Returns
    -------
    callable
        ``x -> (value, gradient)``, summed in the order of the shards: ``minimize(found, x0, jac=True)``.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> misfit = lambda x, shard: np.sum((x - shard) ** 2)
    >>> with ThreadPoolExecutor(2) as pool:
    ...     dg.interop.over_shards(misfit, [np.array([1.0, 2.0]), np.array([4.0])], executor=pool)(2.0)
    (5.0, -2.0)
    """
    _check("over_shards", f)

    def total(x: Any) -> tuple[Any, Any]:
        parts = over(executor, partial(_of_shard, f, x), shards)
        value, slopes = parts[0]
        for v, s in parts[1:]:
            value, slopes = value + v, slopes + s
        return float(value), slopes if np.ndim(slopes) else float(slopes)

    return total


def _of_shard(f: Function, x: Any, shard: Any) -> Any:
    return value_and_grad(f)(x, shard)


# One evaluation for a value and its derivatives


class _Last:
    """A function that remembers its last call, by the values of the arguments.

    Threads may share it: what is remembered is replaced as a whole.
    """

    def __init__(self, f: Function):
        self.f = f
        self.known: tuple[Any, Any] = (None, None)

    def __call__(self, *args: Any) -> Any:
        key = _key(args)
        known, found = self.known
        if known != key:
            found = self.f(*args)
            self.known = key, found
        return found


def _key(args: Any) -> list[Any]:
    """What tells one call from another: bytes of arrays, values of numbers, the identity of other things."""
    leaves, structure = flatten(args)
    return [structure, *map(_content, leaves)]


def _content(a: Any) -> Any:
    if isinstance(a, (np.ndarray, np.generic)) and a.dtype.kind != "O":
        return a.shape, a.dtype, a.tobytes()
    return (type(a), a) if isinstance(a, (int, float, complex, str)) else _Same(a)


class _Same:
    """Equal to itself only."""

    def __init__(self, thing: Any):
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.thing is self.thing

    __hash__ = None  # type: ignore[assignment]


class _Jacobian:
    """An array of numbers and its Jacobian by one argument; ``ahead``: both at once, whichever is asked for."""

    def __init__(self, consumer: str, f: Function, by: int, options: dict[str, Any], ahead: bool):
        _check(consumer, f)
        self.f, self.by, self.ahead = kernel(f) if is_kernel(f) else f, by, ahead
        self.compiled = jacobian(self.f, by) if is_kernel(f) and not options else None
        self.options, self.last = options, _Last(self._both)

    def _both(self, *args: Any) -> tuple[Any, Any]:
        if self.compiled is not None:
            return flat(self.f(*args)), self.compiled(*args)

        def f(x: Any) -> Any:
            value = flat(lift(self.f)(*args[: self.by], x, *args[self.by + 1 :]))
            return value, value

        found, value = jacobian(f, has_aux=True, **self.options)(args[self.by])
        return value, found

    def value(self, *args: Any) -> Any:
        known, found = self.last.known
        if self.ahead or known is not None and known == _key(args):
            return np.array(self.last(*args)[0])
        return flat(self.f(*args))

    def jac(self, *args: Any) -> Any:
        return np.array(self.last(*args)[1])


def _array(x: Any) -> Any:
    return np.asarray(x, float)


def _check(consumer: str, f: Any) -> None:
    if not callable(f):
        raise ArgumentError(f"interop.{consumer}: {f!r:.60} is not a function", hint="pass the function itself")
