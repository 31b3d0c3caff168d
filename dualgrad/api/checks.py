"""Derivatives compared with differences of the function itself, with each other, and again one order higher."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dualgrad.core.containers import flatten, paths, unflatten
from dualgrad.core.errors import ArgumentError, CheckError
from dualgrad.lifting import lift
from dualgrad.numbers.number import Number, plain

from .evaluate import as_primal, is_differentiable
from .forward import jvp
from .reverse import vjp
from .route import is_kernel, kernel
from .series import jet

MODES = ("jvp", "vjp", "jet")
LEVELS = 8  # of steps, each half as long as the one before


def check_derivatives(
    f: Callable[..., Any],
    *args: Any,
    order: int = 2,
    modes: Sequence[str] = MODES,
    rtol: float | None = None,
    step: float = 0.02,
    seed: int = 0,
) -> None:
    """Check the derivatives of a function at a point; silent if they are right.

    Each argument is moved along a random direction of its own.  Then

    - ``jvp`` and the series of order 1 must agree with differences of ``f``, extrapolated to step zero;
    - ``vjp`` must satisfy the adjoint identity ``⟨ct, f'(x) v⟩ = ⟨f'(x)ᵀ ct, v⟩`` with these;
    - each further coefficient of a series must agree with differences of the one before;
    - the functions ``x -> jvp``, ``x -> vjp`` are checked in the same way, up to ``order``.

    Parameters
    ----------
    f : callable
        A function or an ``@njit`` function; of one that returns None, the arrays it writes are the result.
    *args
        Where to check, in any containers; ints, strings and the like are constants.
    order : int
        The highest order of the derivatives that are checked.
    modes : sequence of {"jvp", "vjp", "jet"}
    rtol : float, optional
        Relative to the size of the derivative and of the function; by default 1e-6 (float32: 2e-2).
    step : float
        The longest step of the differences, relative to the entries of the argument (absolute below 1).
    seed : int
        Of the random directions.

    Raises
    ------
    CheckError
        An `AssertionError` that names mode, argument, result and both numbers.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.check_derivatives(lambda p: np.sum(np.sin(p["x"]) * p["y"]), {"x": np.ones(3), "y": 2.0}, order=3)
    >>> @dg.custom_jvp
    ... def wrong(x):
    ...     return x**2
    >>> wrong.defjvp(lambda p, t: (wrong(*p), p[0] * t[0])) and dg.check_derivatives(wrong, 3.0)
    Traceback (most recent call last):
        ...
    dualgrad.core.errors.CheckError: jvp of wrong by argument [0] is not the derivative of the function...
    """
    if not isinstance(order, (int, np.integer)) or isinstance(order, bool) or order < 1:
        raise ArgumentError(f"check_derivatives: the order must be a whole number, 1 or more, not {order!r}")
    modes = (modes,) if isinstance(modes, str) else tuple(modes)
    unknown = [m for m in modes if m not in MODES]
    if unknown or not modes:
        raise ArgumentError(f"check_derivatives: modes={modes!r}", hint=f"modes are {', '.join(map(repr, MODES))}")
    name = getattr(f, "__name__", "f")
    _Check(_of_leaves(f, args, name), modes, rtol, step, np.random.default_rng(seed)).run(order)


class _Problem:
    """A function of float arrays with float arrays for results, and what the user calls all of these."""

    def __init__(self, f: Callable[..., Any], leaves: list[Any], names: list[str], title: str, outputs: Any = None):
        self.f, self.leaves, self.names, self.title, self.outputs = f, leaves, names, title, outputs

    def value(self, leaves: Sequence[Any]) -> list[Any]:
        with np.errstate(all="ignore"):
            return [np.asarray(plain(y)) for y in self.f(*leaves)]


def _of_leaves(f: Callable[..., Any], args: tuple[Any, ...], name: str) -> _Problem:
    """``f`` as a function of the floats among its arguments."""
    leaves, structure = flatten(args)
    chosen = [k for k, x in enumerate(leaves) if is_differentiable(x) and as_primal(x).dtype == getattr(
        x, "dtype", as_primal(x).dtype) and not isinstance(x, int)]  # fmt: skip
    if not chosen:
        raise ArgumentError("check_derivatives: no argument is a float or an array of floats")
    callee = kernel(f) if is_kernel(f) else f
    outputs: list[str] = []

    def function(*floats: Any) -> tuple[Any, ...]:
        new = [x.copy() if type(x) is np.ndarray else x for x in leaves]
        for k, x in zip(chosen, floats):
            new[k] = x.copy() if hasattr(x, "copy") and np.ndim(x) else x
        given = unflatten(structure, new)
        out = (lift(callee) if any(isinstance(x, Number) for x in floats) else f)(*given)
        found, form = flatten(given if out is None else out)
        picked = [(p, y) for p, y in zip(paths(form), found) if _is_float(y)]
        outputs[:] = [p for p, _ in picked]
        return tuple(y for _, y in picked)

    names = [paths(structure)[k] for k in chosen]
    return _Problem(function, [as_primal(leaves[k]) for k in chosen], names, name, outputs)


def _is_float(y: Any) -> bool:
    return isinstance(y, float) or getattr(y, "dtype", np.dtype(int)).kind in "fc"


class _Check:
    """The comparison of one function's derivatives, and of its derivatives' derivatives."""

    def __init__(self, problem: _Problem, modes: Any, rtol: Any, step: float, rng: Any):
        self.problem, self.modes, self.step, self.rng = problem, modes, step, rng
        single = any(x.dtype.itemsize // (1 + (x.dtype.kind == "c")) < 8 for x in problem.leaves)
        self.rtol = rtol if rtol is not None else 2e-2 if single else 1e-6
        self.given = rtol
        self.eps = float(np.finfo(np.result_type(*problem.leaves)).eps)
        self.longest = step * (5 if single else 1)

    def run(self, order: int) -> None:
        problem = self.problem
        outs = problem.value(problem.leaves)
        cts = [self.random(y) for y in outs]
        back = vjp(problem.f, *problem.leaves)[1](tuple(cts)) if "vjp" in self.modes else None
        for k, name in enumerate(problem.names):
            x = problem.leaves[k]
            v = (self.random(x) * np.maximum(1.0, np.abs(x))).astype(x.dtype)
            wanted = self.differences(lambda leaves: problem.value(leaves), k, v)
            if "jvp" in self.modes:
                dots = jvp(problem.f, tuple(problem.leaves), self.along(k, v))[1]
                self.compare("jvp", name, dots, wanted, "is not the derivative of the function")
            if back is not None:
                pairing = [np.asarray(np.sum(np.real(np.conj(c) * d))) for c, (d, _) in zip(cts, wanted)]
                errors = [float(np.sum(np.abs(c) * e)) for c, (_, e) in zip(cts, wanted)]
                size = sum(float(np.sum(np.abs(c * d))) for c, (d, _) in zip(cts, wanted))
                ours = np.sum(np.real(np.conj(plain(back[k])) * v))
                target = [(np.asarray(sum(pairing)), np.asarray(sum(errors) + self.rtol * size))]
                self.compare("vjp", name, (ours,), target, "does not satisfy the adjoint identity", [""])
            if "jet" in self.modes:
                self.series(k, name, v, wanted, order)
        if order > 1:
            for mode, f in self.derivatives(cts):
                inner = _Problem(f, problem.leaves, problem.names, f"{mode} of {problem.title}", problem.outputs)
                _Check(inner, self.modes, self.given, self.step, self.rng).run(order - 1)

    def derivatives(self, cts: list[Any]) -> Iterator[tuple[str, Callable[..., Any]]]:
        """First derivatives as functions, which are checked in turn."""
        f, leaves = self.problem.f, self.problem.leaves
        if "jvp" in self.modes:
            tangents = tuple(map(self.random, leaves))
            yield "jvp", lambda *x: jvp(f, x, tangents)[1]
        if "vjp" in self.modes:
            yield "vjp", lambda *x: vjp(f, *x)[1](tuple(cts))

    def series(self, k: int, name: str, v: Any, wanted: Any, order: int) -> None:
        """Each coefficient is the derivative of the one before, divided by its order."""
        problem = self.problem

        def coefficient(n: int, leaves: Sequence[Any]) -> list[Any]:
            zeros = [np.zeros(x.shape, x.dtype)[()] for x in leaves]
            series = [[v if j == k and m == 0 else z for m in range(n)] for j, z in enumerate(zeros)]
            return [np.asarray(plain(s[n - 1])) for s in jet(problem.f, tuple(leaves), tuple(series))[1]]

        self.compare("jet", name, coefficient(1, problem.leaves), wanted, "is not the derivative of the function")
        for n in range(2, order + 1):
            before = self.differences(lambda leaves, n=n: coefficient(n - 1, leaves), k, v)
            scaled = [(d / n, e / n) for d, e in before]
            what = f"has a coefficient of order {n} that does not follow from the one before"
            self.compare("jet", name, coefficient(n, problem.leaves), scaled, what)

    def random(self, x: Any) -> Any:
        """A direction like ``x``."""
        v = self.rng.uniform(0.5, 1.0, np.shape(x)) * self.rng.choice([-1.0, 1.0], np.shape(x))
        if x.dtype.kind == "c":
            v = v * np.exp(1j * self.rng.uniform(0, 2 * np.pi, np.shape(x)))
        return np.asarray(v).astype(x.dtype)[()]

    def along(self, k: int, v: Any) -> tuple[Any, ...]:
        return tuple(v if j == k else np.zeros(x.shape, x.dtype)[()] for j, x in enumerate(self.problem.leaves))

    def differences(self, f: Callable[..., list[Any]], k: int, v: Any) -> list[tuple[Any, Any]]:
        """Derivatives along v by Richardson's extrapolation of central differences, with estimates of their errors.

        Row n of the table has steps of the longest divided by 2ⁿ; each column removes one more even power of the step
        from the error.  Taken is the entry that differs least from its neighbours, for every entry of the result.
        """
        leaves = self.problem.leaves
        h = self.longest
        rows: list[list[Any]] = []
        best: list[tuple[Any, Any]] = []
        for n in range(LEVELS):
            up, down = (f([x + s * h * v if j == k else x for j, x in enumerate(leaves)]) for s in (1.0, -1.0))
            row = [[(a - b) / (2 * h) for a, b in zip(up, down)]]
            noise = [self.eps * np.maximum(np.abs(a), np.abs(b)) / h for a, b in zip(up, down)]
            for m in range(1, n + 1):
                row.append([p + (p - q) / (4**m - 1) for p, q in zip(row[m - 1], rows[n - 1][m - 1])])
                new = [(d, np.maximum(np.abs(d - p), np.abs(d - q)) + e)
                       for d, p, q, e in zip(row[m], row[m - 1], rows[n - 1][m - 1], noise)]  # fmt: skip
                best = [_better(a, b) for a, b in zip(best, new)] if best else new
            rows.append(row)
            h /= 2
        return best

    def compare(self, mode: str, name: str, found: Any, wanted: Any, what: str, outputs: Any = None) -> None:
        problem = self.problem
        for d, (w, error), output in zip(found, wanted, problem.outputs if outputs is None else outputs):
            d, finite = np.asarray(plain(d)), np.isfinite(w)
            size = np.max(np.abs(w[finite]), initial=0.0) if w.ndim else np.abs(w)
            off = np.abs(d - w) > self.rtol * np.maximum(size, 1.0) + 4 * error
            off |= np.isnan(d) & finite
            unsure = finite & (error > 1e3 * self.rtol * np.maximum(size, 1.0))
            if not np.any(off & finite) and not np.any(unsure):
                continue
            at = np.unravel_index(int(np.argmax((off & finite) | unsure)), w.shape)
            entry = f", entry {tuple(int(i) for i in at)}" if at else ""
            why = "the function may not be smooth here, or change faster than step=" if np.any(unsure) else ""
            raise CheckError(
                f"{mode} of {problem.title} by argument {name} {what}"
                f"{f' (result {output}{entry})' if output or entry else ''}: "
                f"{d[at]:.10g} against {w[at]:.10g} by differences, which are good to {error[at]:.2g}",
                why=why,
                hint="check the rule, or choose another point or step=" if why else "check the rule of what it calls",
            )


def _better(a: tuple[Any, Any], b: tuple[Any, Any]) -> tuple[Any, Any]:
    """For every entry, the value with the smaller error."""
    first = ~(b[1] < a[1]) & np.isfinite(a[1])
    return np.where(first, a[0], b[0]), np.where(first, a[1], b[1])
