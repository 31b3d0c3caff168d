"""Linear functions: recorded at zero, tested for linearity, pushed and transposed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dualgrad.backends.steps import Step
from dualgrad.core.containers import flatten, unflatten
from dualgrad.core.errors import UnsupportedError
from dualgrad.lifting import lift
from dualgrad.numbers.calls import Call as FunctionCall
from dualgrad.numbers.calls import Rest
from dualgrad.numbers.masked import Masked
from dualgrad.numbers.masked import zeros as masked_zeros
from dualgrad.numbers.number import Number
from dualgrad.numbers.sweeps import push

from .evaluate import Call, zeros_beside
from .reverse import Recording


class RecordedRest(Rest):
    """The linear rest that a recording holds, or with ``swap`` its transpose."""

    leading = True

    def __init__(self, recording: Recording, swap: bool = False):
        self.recording, self.swap = recording, swap

    def push(self, dots: list[Any]) -> list[Any]:
        return self._pull(dots) if self.swap else self._push(dots)

    def pull(self, cts: list[Any], lead: int | None = None) -> list[Any]:
        return self._push(cts) if self.swap else self._pull(cts, lead)

    def _push(self, dots: list[Any]) -> list[Any]:
        recording, careful = self.recording, any(isinstance(d, Masked) for d in dots)
        found = push(recording.tape, dots, recording.refs, careful)
        return [_zeros(v, None, careful) if d is None else d for v, d in zip(recording.values, found)]

    def _pull(self, cts: list[Any], lead: int | None = None) -> list[Any]:
        recording, careful = self.recording, any(isinstance(c, Masked) for c in cts)
        found = recording.sweep(cts, lead, careful)
        return [_zeros(p, lead, careful) if c is None else c for p, c in zip(recording.call.primals, found)]


def _zeros(like: Any, lead: int | None, careful: bool) -> Any:
    shape = () if lead is None else (lead,)
    return masked_zeros(shape + like.shape, like.dtype) if careful else zeros_beside(like, shape)


def record_linear(name: str, f: Callable[..., Any], like: Sequence[Any], why: str, hint: str) -> Recording:
    """The recording of a linear function of arrays, made at zero; what is not linear is refused."""
    call = Call(name, f, [np.zeros(x.shape, x.dtype)[()] for x in like], tuple(range(len(like))))
    with np.errstate(all="ignore"):
        recording = Recording(call, has_aux=True)
    culprit = next(filter(None, map(_not_linear, recording.tape.entries)), None)
    if culprit is None and any(_is_offset(v) for v in recording.values):
        culprit = "its value at zero is not zero"
    if culprit is not None:
        raise UnsupportedError(f"{name} is not linear: {culprit}", why=why, hint=hint)
    return recording


def _not_linear(entry: Any) -> str | None:
    """What is not linear about an entry of a tape."""
    step = entry[0]
    if isinstance(step, Step) and not step.is_linear:
        return f"the word `{step.name}` is applied to what it depends on"
    if isinstance(step, FunctionCall) and not step.linear:
        return f"it calls `{step.name}`, which is not known to be linear"
    return None


def _is_offset(v: Any) -> bool:
    while isinstance(v, Number):
        v = v.primal
    return bool(np.any((v != 0) & ~np.isnan(v)))


def probe(recording: Recording, f: Callable[..., Any], name: str, why: str, hint: str) -> None:
    """Compare a recording with the function at a random point: decisions by value leave no trace on a tape."""
    rng = np.random.default_rng(7)
    point = [np.asarray(rng.normal(size=p.shape)).astype(p.dtype)[()] for p in recording.call.primals]
    with np.errstate(all="ignore"):
        wanted, found = flatten(f(*point)[0])[0], RecordedRest(recording).push(point)
    for w, d in zip(wanted, found):
        w, d = np.asarray(w), np.asarray(d)
        scale = np.max(np.abs(d), initial=1e-300)
        off = np.abs(w - d) > (1e-3 if d.dtype.itemsize <= 4 else 1e-6) * scale
        if w.shape != d.shape or np.any(off & np.isfinite(w) & np.isfinite(d)):
            raise UnsupportedError(f"{name} is not linear: it decides by values", why=why, hint=hint)


def linear_transpose(f: Callable[..., Any], *like: Any) -> Callable[[Any], tuple[Any, ...]]:
    """The transpose of a linear function.

    Parameters
    ----------
    f : callable
        A linear function of its arguments.
    *like
        Arguments, of which only structure, shapes and dtypes count.

    Returns
    -------
    callable
        Takes a cotangent structured and shaped as the result of ``f``, gives a tuple with one for each argument.

    Raises
    ------
    UnsupportedError
        Where ``f`` is not linear: affine, a product of its arguments, decisions by value.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.linear_transpose(np.cumsum, np.ones(3))(np.array([1.0, 0.0, 2.0]))
    (array([3., 2., 2.]),)
    """
    leaves, structure = flatten(like)
    name = f"linear_transpose: {getattr(f, '__name__', f)}"
    why, hint = "only a linear function has a transpose", "use dg.vjp, or dg.linearize at a point"

    def function(*arrays: Any) -> Any:
        return lift(f)(*unflatten(structure, arrays)), None

    def example(x: Any) -> Any:
        return x if hasattr(x, "dtype") and x.dtype.kind in "fc" else np.zeros(getattr(x, "shape", ()))

    examples = [*map(example, leaves)]
    recording = record_linear(name, function, examples, why, hint)
    if not any(isinstance(v, Number) for v in recording.values):
        probe(recording, function, name, why, hint)

    def transposed(cotangent: Any) -> tuple[Any, ...]:
        return unflatten(structure, recording.pullback(cotangent))

    transposed.__name__ = f"{getattr(f, '__name__', 'f')}_transpose"
    return transposed
