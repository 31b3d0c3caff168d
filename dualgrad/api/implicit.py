"""Functions that are defined by an equation: derivatives of the solution, not of the iterations that found it.

Where ``f(x, θ) = 0`` defines x(θ), one step of Newton's method started at the solution, ``x - J⁻¹ f(x, θ)`` with θ
carrying a derivative and the Jacobian J by x a constant, has the value x and the right first derivative; each further
step makes one more order of a series right.  This one formula serves every mode: it is run on the numbers themselves.
What it multiplies by, x and J, may depend on numbers of lower levels, so the solution is asked for again there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import numpy as np

from dualgrad.backends.arrays import is_complex
from dualgrad.core.containers import flatten, unflatten
from dualgrad.core.errors import ArgumentError, ConvergenceError, StructureError, UnsupportedError
from dualgrad.lifting import lift
from dualgrad.numbers.calls import Given
from dualgrad.numbers.functions.making import concatenate
from dualgrad.numbers.jet import Jet
from dualgrad.numbers.number import Number, bare

from .evaluate import as_primal, is_differentiable
from .forward import jacfwd, jvp
from .linear import LinearFunction
from .reverse import linearize, vjp
from .route import is_kernel, kernel


def implicit_root(
    f: Callable[..., Any], solve: Callable[..., Any], *, linear_solve: Callable[..., Any] | None = None
) -> Callable[..., Any]:
    """The solution of an equation as a differentiable function of its parameters.

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` is zero at the solution; structured and shaped as x, which is a number, an array, or
        containers of them.  It is differentiated.
    solve : callable
        ``solve(*args)`` finds x from plain values, by any means; it is never differentiated.
    linear_solve : callable, optional
        ``linear_solve(matvec, b)`` solves ``matvec(u) = b`` for u, all structured as x, by iterations for example; with
        the Jacobian of f by x and with its transpose.  Without it, the Jacobian is made and factorised.

    Returns
    -------
    callable
        ``x(*args)``; derivatives of every order by its arguments, in every mode.

    Raises
    ------
    StructureError
        Where f does not have as many entries as x.
    UnsupportedError
        Where f closes over a number that carries a derivative: pass it as an argument.
    numpy.linalg.LinAlgError
        Where the Jacobian of f by x is singular.

    Notes
    -----
    From f(x(θ), θ) = 0 follows ∂f/∂x · dx = -∂f/∂θ · dθ.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> root = dg.implicit_root(lambda x, a: x**2 - a, np.sqrt)
    >>> dg.grad(root)(4.0), dg.derivative(root, 2)(4.0)
    (np.float64(0.25), np.float64(-0.03125))
    """
    return ImplicitFunction(f, solve, linear_solve)


def fixed_point(
    f: Callable[..., Any],
    x0: Any,
    *args: Any,
    solve: Callable[..., Any] | None = None,
    linear_solve: Callable[..., Any] | None = None,
    tol: float = 1e-13,
    maxiter: int = 1000,
) -> Any:
    """The solution of ``x = f(x, *args)``, found by iterating f from ``x0``.

    Parameters
    ----------
    f : callable
        A contraction; x is a number, an array, or containers of them.
    x0
        Where to start; it has no influence on the derivative.
    *args
        Parameters, which the result can be differentiated by.
    solve : callable, optional
        ``solve(f, x0, *args)`` finds the solution from plain values, instead of plain iteration.
    linear_solve : callable, optional
        As for `implicit_root`; the matrix is the Jacobian of ``f(x) - x``.
    tol, maxiter
        The iteration ends when a step is shorter than ``tol * max(1, |x|)``.

    Raises
    ------
    ConvergenceError
        If ``maxiter`` steps were not enough.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> x = lambda a: dg.fixed_point(lambda x, a: np.cos(a * x), 1.0, a)
    >>> round(x(1.0), 6), round(dg.grad(x)(1.0), 6)
    (np.float64(0.739085), np.float64(-0.297474))
    """
    start = unflatten(*_plain(x0))
    f = kernel(f) if is_kernel(f) else f

    def residual(x: Any, *args: Any) -> Any:
        return _minus(lift(f)(x, *args), x)

    def find(*args: Any) -> Any:
        return solve(f, start, *args) if solve is not None else _iterate(f, start, args, tol, maxiter)

    update_wrapper(residual, f, updated=())
    return ImplicitFunction(residual, find, linear_solve)(*args)


def _plain(tree: Any) -> tuple[Any, list[Any]]:
    from .evaluate import stop_gradient

    leaves, structure = flatten(stop_gradient(tree))
    return structure, [as_primal(x) if is_differentiable(x) else x for x in leaves]


def _minus(a: Any, b: Any) -> Any:
    left, structure = flatten(a)
    right = flatten(b)[0]
    if len(left) != len(right) or any(np.shape(p) != np.shape(q) for p, q in zip(left, right)):
        raise StructureError(
            "fixed_point: f does not return what x is",
            why=f"x has shapes {[np.shape(q) for q in right]}, f returned shapes {[np.shape(p) for p in left]}",
        )
    return unflatten(structure, [p - q for p, q in zip(left, right)])


def _iterate(f: Callable[..., Any], x: Any, args: tuple[Any, ...], tol: float, maxiter: int) -> Any:
    """Plain iteration."""
    for _ in range(maxiter):
        new = f(x, *args)
        steps = [np.max(np.abs(d), initial=0.0) for d in flatten(_minus(new, x))[0]]
        sizes = [np.max(np.abs(v), initial=1.0) for v in flatten(new)[0]]
        x = new
        if all(d <= tol * s for d, s in zip(steps, sizes)):
            return x
    raise ConvergenceError(
        f"fixed_point: no convergence in {maxiter} iterations; the last step was {max(steps):.3g}",
        why="plain iteration converges where f is a contraction near the solution",
        hint="start nearer, allow more steps with maxiter=, or give solve=",
    )


class ImplicitFunction:
    """The solution of ``f(x, *args) = 0`` as a function of ``args``; see `implicit_root`."""

    def __init__(self, f: Callable[..., Any], solve: Callable[..., Any], linear_solve: Any = None):
        for what, g in {"f": f, "solve": solve, "linear_solve": linear_solve}.items():
            if not (callable(g) or g is None and what == "linear_solve"):
                raise ArgumentError(f"implicit_root: {what}={g!r:.60} is not a function")
        self.f, self.solve, self.linear_solve = kernel(f) if is_kernel(f) else f, solve, linear_solve
        self.__name__ = f"root of {getattr(f, '__name__', 'f')}"

    def __repr__(self) -> str:
        return f"<{self.__name__}>"

    def __call__(self, *args: Any) -> Any:
        given = Given(args)
        if given.top is None:
            return self._solved(given.tree(given.leaves))
        given.level.check()
        primals, numbers = given.tree(given.primals), given.tree(given.leaves)
        root = self(*primals)
        start = _Vector(root)
        inverse = self._inverse(root, start, primals)
        x = start.flat(root)
        for _ in range(given.top.order if isinstance(given.top, Jet) else 1):
            value = start.flat(lift(self.f)(start.tree(x), *numbers), f"{self.__name__}: f")
            if not (isinstance(value, Number) and value._level is given.level):
                break  # it does not depend on the arguments
            x = x - inverse(value - value.primal)
        return start.tree(x)

    def _solved(self, args: tuple[Any, ...]) -> Any:
        """The solution at plain values."""
        root = self.solve(*args)
        found = flatten(lift(self.f)(root, *args))[0]
        if any(isinstance(bare(v), Number) for v in found):
            raise UnsupportedError(
                f"{self.__name__}: f depends on a number that is not among its arguments",
                why="the solution would lose its derivative by what f closes over",
                hint="pass it as an argument: f(x, a), solve(a), root(a)",
            )
        return root

    def _inverse(self, root: Any, start: _Vector, args: Any) -> LinearFunction:
        """``b -> J⁻¹ b`` for the Jacobian of f by x at the solution, on flat arrays."""
        if self.linear_solve is not None:
            there, back = (self._solver(root, start, args, product) for product in (_push, _pull))
            return LinearFunction(there, back, name="linear_solve", transparent=True)

        def f(x: Any) -> Any:
            return start.flat(lift(self.f)(start.tree(x), *args), f"{self.__name__}: f")

        unknown = start.flat(root)
        matrix = jacfwd(f, holomorphic=unknown.dtype.kind == "c")(unknown)
        if isinstance(matrix, Number):
            return LinearFunction(
                lambda b: np.linalg.solve(matrix, b),
                lambda b: np.linalg.solve(np.conj(matrix.T), b),
                lambda bs: np.linalg.solve(matrix, bs.T).T,
                name="solve",
                transparent=True,
            )
        lu = _factorised(matrix)
        return LinearFunction(lu, lambda b: lu(b, 2), lambda bs: lu(bs.T).T, name="solve")

    def _solver(self, root: Any, start: _Vector, args: Any, product: Callable[..., Any]) -> Callable[..., Any]:
        """The solution of a linear system by the user's solver, which is an implicit function of x, args and b."""

        def system(u: Any, root: Any, args: Any, b: Any) -> Any:
            found = flatten(product(lambda x: lift(self.f)(x, *args), root, u))[0]
            return unflatten(start.structure, [p - q for p, q in zip(found, flatten(b)[0])])

        def find(root: Any, args: Any, b: Any) -> Any:
            _, lin = linearize(lambda x: lift(self.f)(x, *args), root)
            return self.linear_solve(lin if product is _push else lambda u: lin.T(u)[0], b)

        solved = ImplicitFunction(system, find, self.linear_solve)
        return lambda b: start.flat(solved(root, args, start.tree(b)), "linear_solve: its result")


def _push(f: Callable[..., Any], x: Any, u: Any) -> Any:
    return jvp(f, (x,), (u,))[1]


def _pull(f: Callable[..., Any], x: Any, u: Any) -> Any:
    return vjp(f, x)[1](u)[0]


def _factorised(matrix: Any) -> Callable[..., Any]:
    """The solution of plain systems with one matrix, by its factors where SciPy is there."""
    try:
        from scipy.linalg import get_lapack_funcs
    except ImportError:
        return lambda b, trans=0: np.linalg.solve(np.conj(matrix.T) if trans else matrix, b)
    getrf, getrs = get_lapack_funcs(("getrf", "getrs"), (matrix,))
    lu, pivots, info = getrf(matrix)
    if info > 0:
        raise np.linalg.LinAlgError("Singular matrix: the Jacobian of f by x has no inverse at the solution")
    return lambda b, trans=0: getrs(lu, pivots, b, trans)[0]


class _Vector:
    """An unknown as one flat array of real numbers, and back; of complex leaves the real parts come first."""

    def __init__(self, tree: Any):
        leaves, self.structure = flatten(tree)
        self.shapes = [np.shape(bare(x)) for x in leaves]
        self.complex = [is_complex(bare(x)) for x in leaves]
        self.size = sum((1 + z) * int(np.prod(s)) for s, z in zip(self.shapes, self.complex))

    def flat(self, tree: Any, what: str = "the solution") -> Any:
        leaves = flatten(tree)[0]
        alike = self.complex if len(leaves) == len(self.complex) else [False] * len(leaves)
        parts: list[Any] = []
        for x, z in zip(leaves, alike):
            v = np.reshape(as_primal(x), (-1,))
            parts += [v.real, v.imag] if z or is_complex(v) else [v]
        found = parts[0] if len(parts) == 1 else concatenate(parts)
        if found.shape != (self.size,):
            shapes = [np.shape(bare(x)) for x in leaves]
            raise StructureError(
                f"{what} has {found.size} entries for {self.size} unknowns",
                why=f"x has shapes {self.shapes}, the equations have shapes {shapes}",
                hint="return one equation for each unknown",
            )
        return found

    def tree(self, flat: Any) -> Any:
        leaves, start = [], 0
        for shape, z in zip(self.shapes, self.complex):
            parts = []
            for _ in range(1 + z):
                stop = start + int(np.prod(shape))
                parts.append(np.reshape(flat[start:stop], shape) if shape else flat[start])
                start = stop
            leaves.append(parts[0] + 1j * parts[1] if z else parts[0])
        return unflatten(self.structure, leaves)
