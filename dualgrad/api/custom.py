"""Functions whose derivative the user writes: one rule, and the other modes are derived from it.

A jvp rule serves reverse mode: its tangent part is recorded, which must be linear, and transposed.  A vjp rule serves
forward mode the other way round.  Either serves series: ``x(t), x'(t) -> y'(t)`` gives the coefficient of order k of
the result from those up to order k - 1 of what the rule computes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial, update_wrapper
from typing import Any

import numpy as np

from dualgrad.core.containers import flatten, unflatten
from dualgrad.core.errors import ArgumentError, LostDerivativeError, StructureError, UnsupportedError
from dualgrad.kernels import InNopython
from dualgrad.lifting import lift
from dualgrad.numbers.calls import Function, Given, Rest, apply_function, is_float, kept, zero_like
from dualgrad.numbers.dual import Dual
from dualgrad.numbers.number import Number, bare
from dualgrad.numbers.raised import raised

from .fitting import fitted, results
from .linearity import RecordedRest, probe, record_linear
from .spread import Named


class CustomFunction(Named, InNopython):
    """A function with rules; see `custom_jvp` and `custom_vjp`."""

    def __new__(cls, f: Any = None, nondiff_argnums: Sequence[int] = ()) -> Any:
        return partial(cls, nondiff_argnums=nondiff_argnums) if f is None else super().__new__(cls)

    def __init__(self, f: Callable[..., Any], nondiff_argnums: Sequence[int] = ()):
        verb = type(self).__name__
        if not callable(f):
            raise ArgumentError(f"{verb}: {f!r:.60} is not a function")
        self.f = f
        self.rule: Callable[..., Any] | None = None
        self.fwd: Callable[..., Any] | None = None
        self.bwd: Callable[..., Any] | None = None
        self.nondiff = tuple(sorted({nondiff_argnums} if isinstance(nondiff_argnums, int) else {*nondiff_argnums}))
        if any(not isinstance(n, int) or n < 0 for n in self.nondiff):
            raise ArgumentError(f"{verb}: nondiff_argnums={nondiff_argnums!r} must be positions, 0 or more")
        update_wrapper(self, f, updated=())
        self.__name__ = getattr(f, "__name__", "f")
        self.__qualname__ = getattr(f, "__qualname__", self.__name__)
        self.probed = False
        self.signature: inspect.Signature | None = None
        if not isinstance(f, np.ufunc):  # whose options have defaults too
            with suppress(TypeError, ValueError):
                self.signature = inspect.signature(f)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.__name__}>"

    # In nopython code

    def __dualgrad_called__(self, form: tuple[Any, ...]) -> Any:
        """This function as a kernel calls it, with arguments of these types."""
        from .called import CustomCall

        return CustomCall(self, form)

    def __dualgrad_numbers__(self, args: tuple[Any, ...]) -> Any:
        """What nopython code calls with numbers."""
        from dualgrad.native.ruled import of_rule

        made = vars(self).setdefault("_of_numbers", {})
        return made.get((self.rule, args)) or made.setdefault((self.rule, args), of_rule(self, args, Dual))

    def __dualgrad_fingerprint__(self) -> tuple[Any, ...]:
        return self.f, self.rule, self.fwd, self.bwd, self.nondiff

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set ``rule(primals, tangents) -> (out, out_tangent)``; arguments that are not differentiated come first."""
        self.rule = rule
        return rule

    def defjvps(self, *rules: Callable[..., Any] | None) -> None:
        """Set one ``rule(tangent, out, *primals)`` for each argument, or None where the derivative is zero."""

        def rule(*given: Any) -> Any:
            *nondiff, primals, tangents = given
            out = self(*self.merged(nondiff, primals))
            parts = [r(t, out, *nondiff, *primals) for r, t in zip(rules, tangents) if r is not None]
            leaves, form = flatten(out)
            columns = zip(*(flatten(p)[0] for p in parts)) if parts else [()] * len(leaves)
            return out, unflatten(form, [sum(c[1:], c[0]) if c else None for c in map(tuple, columns)])

        self.rule = rule

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Set ``fwd(*args) -> (out, residuals)`` and ``bwd(residuals, ct) -> cotangents``, one for each argument.

        Arguments that are not differentiated come first in ``bwd``.
        """
        self.fwd, self.bwd = fwd, bwd

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.signature is not None:
            try:
                bound = self.signature.bind(*args, **kwargs)
            except TypeError:
                return self.f(*args, **kwargs)  # which says what is wrong
            bound.apply_defaults()
            args, kwargs = bound.args, {k: v for k, v in bound.kwargs.items() if k in kwargs}
        if kwargs:
            raise ArgumentError(
                f"{self.__name__}: keyword arguments {sorted(kwargs)}",
                why="a custom rule has arguments by position only",
                hint="make them ordinary arguments, in nondiff_argnums if they are not differentiated",
            )
        nondiff = [args[n] for n in self.nondiff if n < len(args)]
        rest = [a for n, a in enumerate(args) if n not in self.nondiff]
        for n, a in zip(self.nondiff, nondiff):
            if any(isinstance(bare(x), Number) for x in flatten(a)[0]):
                raise UnsupportedError(
                    f"{self.__name__}: argument {n} is in nondiff_argnums, and carries a derivative",
                    why="the rule does not say what its derivative is",
                    hint="take it out of nondiff_argnums, or use dg.stop_gradient",
                )
        if self.rule is None and self.bwd is None and any(isinstance(bare(x), Number) for x in flatten(rest)[0]):
            raise UnsupportedError(
                f"{self.__name__} has no rule",
                why=f"it was made by {type(self).__name__}, and no rule was given",
                hint=f"call {self.__name__}.defjvp(rule) or {self.__name__}.defvjp(fwd, bwd)",
            )
        return apply_function(Ruled(self, nondiff), rest)

    def merged(self, nondiff: Sequence[Any], rest: Sequence[Any]) -> list[Any]:
        """All arguments in their order."""
        args = list(rest)
        for n, a in zip(self.nondiff, nondiff):
            args.insert(n, a)
        return args


class custom_jvp(CustomFunction):  # noqa: N801 (a decorator)
    """A function whose derivative is a rule.

    Parameters
    ----------
    f : callable
        A function of positional arguments; it is called as it is where nothing is differentiated, so it may do
        what dualgrad cannot differentiate.  An ``@njit`` function too.
    nondiff_argnums : tuple of int
        Arguments that are never differentiated by (functions, options); the rule gets them first.

    Notes
    -----
    ``defjvp(rule)`` sets ``rule(primals, tangents) -> (out, out_tangent)``.  Reverse mode transposes its part that
    depends on the tangents, which must be linear, and series are computed through it.  ``defvjp(fwd, bwd)`` may be
    given as well and is preferred in reverse mode.

    Raises
    ------
    StructureError
        When differentiated, where the rule's tangent does not have the structure and shapes of the result.
    UnsupportedError
        Where the rule is missing, or is not linear in the tangents.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> @dg.custom_jvp
    ... def log1pexp(x):
    ...     return np.log1p(np.exp(x))
    >>> @log1pexp.defjvp
    ... def rule(primals, tangents):
    ...     (x,), (t,) = primals, tangents
    ...     return log1pexp(x), t / (1 + np.exp(-x))
    >>> dg.grad(log1pexp)(1000.0)
    np.float64(1.0)
    """


class custom_vjp(CustomFunction):  # noqa: N801 (a decorator)
    """A function whose derivative is a rule for reverse mode.

    Parameters
    ----------
    f : callable
        As for `custom_jvp`.
    nondiff_argnums : tuple of int
        Arguments that are never differentiated by; ``fwd`` gets them in their places, ``bwd`` first.

    Notes
    -----
    ``defvjp(fwd, bwd)`` sets ``fwd(*args) -> (out, residuals)`` and ``bwd(residuals, ct) -> cotangents``, a tuple with
    one for each argument; None stands for zero.  Forward mode transposes ``bwd``, if it is linear in the cotangent.
    ``defjvp(rule)`` may be given as well and is preferred in forward mode.

    Raises
    ------
    StructureError
        When differentiated, where the cotangents do not have the structure and shapes of the arguments.
    UnsupportedError
        Where the rule is missing; in forward mode, where ``bwd`` is not linear in the cotangent.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> @dg.custom_vjp
    ... def clipped(x):
    ...     return x
    >>> clipped.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1, 1),))
    >>> dg.grad(lambda x: 5 * clipped(x))(2.0)
    np.float64(1.0)
    """


class Ruled(Function):
    """A custom function, for given values of its arguments that are not differentiated."""

    careful = True

    def __init__(self, custom: CustomFunction, nondiff: Sequence[Any]):
        self.custom, self.nondiff, self.name = custom, nondiff, custom.__name__

    def __call__(self, *args: Any) -> Any:
        return self.custom.f(*self.custom.merged(self.nondiff, args))

    def tangents(self, given: Given, dots: list[Any]) -> tuple[list[Any], list[Any], Any]:
        if self.custom.rule is not None or self.custom.bwd is None:
            return self._rule(given, dots)
        outs, form, rest = self._backward(given)
        return outs, self._transposed(outs, rest.pull).push(dots), form

    def rest(self, given: Given) -> tuple[list[Any], Any, Rest]:
        forward = given.level.careful  # a dual asks for it, with masked tangents
        if self.custom.bwd is None or forward and self.custom.rule is not None:
            return self._recorded(given)
        outs, form, rest = self._backward(given)
        return outs, form, self._transposed(outs, rest.pull) if forward else rest

    def series(self, given: Given, coeffs: list[Any]) -> tuple[list[Any], Any]:
        return raised(self, given, coeffs, (self.custom, *self.nondiff))

    # The rules, called and checked

    def _rule(self, given: Given, dots: list[Any]) -> tuple[list[Any], list[Any], Any]:
        """The user's jvp rule at tangents of the active leaves."""
        primals, tangents = given.tree(given.primals), given.tree(given.filled(dots))
        what = f"the jvp rule of {self.name}"
        assert self.custom.rule is not None
        found = lift(self.custom.rule)(*self.nondiff, primals, tangents)
        out, out_dot = _pair(found, what, "(out, out_tangent)")
        outs, form = results(out)
        return outs, fitted(out_dot, form, outs, f"{what}: the tangent of its result"), form

    def _recorded(self, given: Given) -> tuple[list[Any], Any, Rest]:
        """The tangent part of the jvp rule on a tape."""
        name, why = f"the jvp rule of {self.name}", "reverse mode transposes what the rule does to tangents"
        hint = "write the tangent as a linear function of the tangents, or give defvjp(fwd, bwd) too"

        def linear(*dots: Any) -> Any:
            outs, out_dots, form = self._rule(given, list(dots))
            return tuple(out_dots), (outs, form)

        with _derived(f"reverse mode of {self.name} is derived from its jvp rule", hint):
            recording = record_linear(name, linear, given.among(given.primals), why, hint)
        outs, form = recording.aux
        if not self.custom.probed and not any(isinstance(x, Number) for x in (*recording.values, *given.primals)):
            self.custom.probed = True
            probe(recording, linear, name, why, hint)
        return outs, form, RecordedRest(recording)

    def _backward(self, given: Given) -> tuple[list[Any], Any, Rest]:
        """The user's fwd, and bwd as the pullback."""
        custom, fwd, bwd = self.custom, self.custom.fwd, self.custom.bwd
        assert fwd is not None and bwd is not None
        contents = [*map(kept, given.primals)]
        what = f"fwd of {self.name}"
        found = lift(fwd)(*custom.merged(self.nondiff, given.tree(contents)))
        out, residuals = _pair(found, what, "(out, residuals)")
        outs, form = results(out)

        def pull(cts: list[Any], lead: int | None = None) -> list[Any]:
            found = lift(bwd)(*self.nondiff, residuals, unflatten(form, cts))
            label = f"bwd of {self.name}: the cotangent of argument "
            if not isinstance(found, (tuple, list)):
                raise StructureError(
                    f"bwd of {self.name} returned {type(found).__name__}, not a tuple",
                    hint="return a tuple with one cotangent for each argument, (ct,) for one",
                )
            return given.among(fitted(tuple(found), given.structure, contents, label))

        return outs, form, Rest(lambda dots: self._transposed(outs, pull).push(dots), pull)

    def _transposed(self, outs: list[Any], pull: Callable[..., Any]) -> Rest:
        """The pushforward that a pullback implies."""
        name, why = f"bwd of {self.name}", "forward mode transposes what bwd does to the cotangent"
        hint = f"give {self.name}.defjvp(rule) too"
        floats = [k for k, y in enumerate(outs) if is_float(y)]

        def linear(*cts: Any) -> Any:
            waiting = iter(cts)
            return tuple(pull([next(waiting) if k in floats else zero_like(y) for k, y in enumerate(outs)])), None

        with _derived(f"forward mode of {self.name} is derived from its vjp rule", hint):
            recording = record_linear(name, linear, [outs[k] for k in floats], why, hint)
        if not self.custom.probed and not any(isinstance(x, Number) for x in (*recording.values, *outs)):
            self.custom.probed = True
            probe(recording, linear, name, why, hint)
        return _OfFloats(recording, floats, outs)


class _OfFloats(RecordedRest):
    """A transposed recording, with zeros for the results that are not floats."""

    def __init__(self, recording: Any, floats: list[int], outs: list[Any]):
        super().__init__(recording, swap=True)
        self.floats, self.outs = floats, outs

    def push(self, dots: list[Any]) -> list[Any]:
        found = iter(super().push(dots))
        return [next(found) if k in self.floats else zero_like(y) for k, y in enumerate(self.outs)]


class _derived:  # noqa: N801 (a with block)
    """Says of an error inside that it arose where a missing rule was derived."""

    def __init__(self, what: str, hint: str):
        self.what, self.hint = what, hint

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, (UnsupportedError, LostDerivativeError)) and error.hint != self.hint:
            raise type(error)(error.what, why=f"{error.why}; {self.what}", hint=self.hint) from None


def _pair(found: Any, what: str, wanted: str) -> tuple[Any, Any]:
    if not (isinstance(found, (tuple, list)) and len(found) == 2):
        raise StructureError(f"{what} must return a pair {wanted}, it returned {type(found).__name__}")
    return found[0], found[1]
