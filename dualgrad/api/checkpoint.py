"""Time for memory: a function that keeps its arguments instead of its residuals, and runs again in the pullback."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from dualgrad.core.containers import flatten
from dualgrad.lifting import lift
from dualgrad.numbers.calls import Function, Given, Rest, apply_function, is_float, kept
from dualgrad.numbers.masked import Masked
from dualgrad.numbers.recorded import Recorded

from .closures import closed_over, closing_over
from .evaluate import Call
from .fitting import results
from .linearity import RecordedRest
from .reverse import Recording
from .route import is_kernel, with_checkpoints


def checkpoint(f: Callable[..., Any], every: Any = None) -> Callable[..., Any]:
    """The same function, of which reverse mode keeps fewer residuals: it runs again what it needs.

    Parameters
    ----------
    f : callable
        A function without side effects, whose pullback runs it again.  Numbers that it closes over are arguments, too.
        Or an ``@njit`` function, whose derivatives run parts of its loops again.
    every : int, tuple of int, "sqrt" or "cbrt"
        Of an ``@njit`` function: after how many turns of its outermost loops the state is kept.  Several numbers divide
        the turns between again, from the longest blocks to the shortest.  For n turns, "sqrt" (the default) keeps √n
        states and what √n turns leave, and runs every turn twice; "cbrt" keeps 3 times n to the power 1/3, and runs
        every turn three times.

    Returns
    -------
    callable
        With the same values and derivatives.  Forward mode and series pass through it as if it were not there.
        Of an ``@njit`` function a kernel, for which all of this holds also where it is called by other kernels.

    Raises
    ------
    ValueError
        Where f writes into its arguments.
    KernelError
        Where a loop of a kernel changes arrays by several names.
    ArgumentError
        Where ``every`` is none of these, or f no kernel.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> layer = dg.checkpoint(lambda x: np.sin(np.exp(x)))
    >>> round(dg.grad(lambda x: layer(layer(x)))(0.5), 6)
    np.float64(0.315936)
    >>> from numba import njit
    >>> @njit
    ... def logistic(x, n):
    ...     for t in range(n):
    ...         x = 3.2 * x * (1.0 - x)
    ...     return x
    >>> round(dg.grad(dg.checkpoint(logistic, "cbrt"))(0.3, 10), 6)
    -3.988208
    """
    if is_kernel(f) or every is not None:
        return with_checkpoints("checkpoint", f, "sqrt" if every is None else every)

    @wraps(f, updated=())
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        return _Checkpoint(f)(args, kwargs, tuple(closed_over(f)))

    return checkpointed


class _Checkpoint(Function):
    """``f`` as a function of its arguments, its keywords, and what it closes over."""

    def __init__(self, f: Callable[..., Any]):
        self.f, self.name = f, f"checkpoint of {getattr(f, '__name__', 'f')}"

    def __call__(self, args: Any, kwargs: Any, closed: Any) -> Any:
        """On a tape one entry, on the tapes below it as well."""
        if type(Given((args, kwargs, closed)).top) is Recorded:
            return apply_function(self, (args, kwargs, closed))
        return self.run(args, kwargs, closed)

    def run(self, args: Any, kwargs: Any, closed: Any) -> Any:
        return lift(closing_over(self.f, iter(closed)))(*args, **kwargs)

    def rest(self, given: Given) -> tuple[list[Any], Any, Rest]:
        given.primals = primals = [_read_only(kept(p)) for p in given.primals]
        outs, form = results(self(*given.tree(primals)))
        return outs, form, _Again(self, given, primals)


class _Again(Rest):
    """The linear rest, recorded when it is asked for and then forgotten."""

    leading = True

    def __init__(self, function: _Checkpoint, given: Given, primals: list[Any]):
        self.function, self.given, self.primals = function, given, primals

    def _recorded(self) -> RecordedRest:
        function, given, primals = self.function, self.given, self.primals

        def run(*chosen: Any) -> Any:
            waiting = iter(chosen)
            out = function.run(*given.tree([next(waiting) if on else p for p, on in zip(primals, given.active)]))
            return tuple(y if is_float(y) else 0.0 for y in flatten(out)[0])

        chosen = given.among(primals)
        with np.errstate(all="ignore"):
            return RecordedRest(Recording(Call(function.name, run, chosen, tuple(range(len(chosen))))))

    def push(self, dots: list[Any]) -> list[Any]:
        return self._recorded().push(dots)

    def pull(self, cts: list[Any], lead: int | None = None) -> list[Any]:
        if any(isinstance(c, Masked) for c in cts):
            return self._recorded().pull(cts, lead)
        return _Pullback(self, lead)(self.primals, cts, ())


class _Pullback(_Checkpoint):
    """A checkpoint's pullback, which is a checkpoint itself to the tape that records it."""

    def __init__(self, again: _Again, lead: int | None):
        self.again, self.lead, self.name = again, lead, f"pullback of {again.function.name}"

    def run(self, primals: list[Any], cts: list[Any], closed: Any) -> list[Any]:
        return _Again(self.again.function, self.again.given, primals)._recorded().pull(cts, self.lead)


def _read_only(a: Any) -> Any:
    """A copy that raises when f writes into it: the write would not be seen outside."""
    if type(a) is np.ndarray:
        a.flags.writeable = False
    return a
