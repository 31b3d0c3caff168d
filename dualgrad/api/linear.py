"""Linear functions that the user declares with their transposes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from typing import Any

from dualgrad.core.containers import flatten, unflatten
from dualgrad.core.errors import ArgumentError, UnsupportedError
from dualgrad.lifting import lift
from dualgrad.numbers.calls import Function, Given, Rest, apply_function, zero_like
from dualgrad.numbers.functions import stack
from dualgrad.numbers.number import Number, bare

from .fitting import fitted, results
from .linearity import linear_transpose
from .spread import Named


class LinearFunction(Named):
    """A function that is linear in its first argument; see `linear`.

    What is ``transparent`` may close over numbers of lower levels: at these it is called as it is.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        transpose: Callable[..., Any] | None = None,
        batched: Callable[..., Any] | None = None,
        name: str | None = None,
        transparent: bool = False,
    ):
        self.f, self.transpose, self.batched, self.transparent = f, transpose, batched, transparent
        update_wrapper(self, f, updated=())
        self.__name__ = getattr(f, "__name__", "f") if name is None else name
        self.__qualname__ = getattr(f, "__qualname__", self.__name__)

    def __call__(self, x: Any, *rest: Any) -> Any:
        if any(isinstance(bare(a), Number) for a in flatten(rest)[0]):
            raise UnsupportedError(
                f"{self.__name__}: an argument after the first carries a derivative",
                why="dg.linear declares a function linear in its first argument, and says nothing of the others",
                hint="declare a dg.custom_jvp whose rule calls it, or use dg.stop_gradient",
            )
        return apply_function(_Word(self, rest), (x,))

    def __repr__(self) -> str:
        return f"<linear {self.__name__}>"

    def below(self, f: Callable[..., Any], x: Any, rest: Sequence[Any], what: str, transpose: Any = None) -> Any:
        """``f`` (this function, its transpose or its twin) at values that may be numbers of lower levels."""
        if self.transparent:
            return f(x, *rest)
        return LinearFunction(f, transpose, name=f"{self.__name__}{what}")(x, *rest)

    def transposed(self, x: Any, rest: Sequence[Any], ct: Any) -> Any:
        """The transpose at a cotangent, for an argument like ``x``; linear again."""
        if self.transpose is None:
            return linear_transpose(lambda v: lift(self.f)(v, *rest), x)(ct)[0]
        return self.below(self.transpose, ct, rest, "_transpose", self.f)


class _Word(Function):
    """A linear function for given further arguments."""

    linear = True

    def __init__(self, owner: LinearFunction, rest: Sequence[Any]):
        self.owner, self.others, self.name = owner, rest, owner.__name__

    def __call__(self, x: Any) -> Any:
        return self.owner.f(x, *self.others)

    def value(self, leaves: Sequence[Any], given: Given) -> tuple[list[Any], Any]:
        """Results and their structure, at values that may be numbers of lower levels."""
        (x,) = given.tree(leaves)
        return results(self.owner.below(self.owner.f, x, self.others, "", self.owner.transpose))

    def stacked(self, stacks: list[Any], given: Given) -> list[Any]:
        """The results for each entry of a leading axis of the active leaves, zeros in the places of the others."""
        if self.owner.batched is not None and len(given.leaves) == 1:
            (xs,) = given.tree(stacks)
            return results(self.owner.below(self.owner.batched, xs, self.others, "_batched"))[0]
        rows = [self.value(given.filled([s[k] for s in stacks]), given)[0] for k in range(len(stacks[0]))]
        return [stack([*column]) for column in zip(*rows)]

    def tangents(self, given: Given, dots: list[Any]) -> tuple[list[Any], list[Any], Any]:
        outs, form = self.value(given.primals, given)
        return outs, self.value(given.filled(dots), given)[0], form

    def directions(self, given: Given, dots: list[Any], count: int) -> tuple[list[Any], list[Any], Any]:
        if count == 0:
            return self._none(given)
        outs, form = self.value(given.primals, given)
        return outs, self.stacked(dots, given), form

    def series(self, given: Given, coeffs: list[Any]) -> tuple[list[Any], Any]:
        firsts, form = self.value(given.primals, given)
        if len(coeffs[0]) == 1:
            return [stack([y]) for y in firsts], form
        rest = self.stacked([c[1:] for c in coeffs], given)
        return [stack([y, *(r[k] for k in range(len(r)))]) for y, r in zip(firsts, rest)], form

    def rest(self, given: Given) -> tuple[list[Any], Any, Rest]:
        outs, form = self.value(given.primals, given)
        like = [zero_like(p) if hasattr(p, "dtype") else p for p in given.primals]
        (x,) = given.tree(like)

        def pull(cts: list[Any], lead: int | None = None) -> list[Any]:
            found = self.owner.transposed(x, self.others, unflatten(form, cts))
            return given.among(fitted((found,), given.structure, like, f"the transpose of {self.name}: argument "))

        return outs, form, Rest(lambda dots: self.value(given.filled(dots), given)[0], pull)


def linear(
    f: Callable[..., Any] | None = None,
    *,
    transpose: Callable[..., Any] | None = None,
    batched: Callable[..., Any] | None = None,
    name: str | None = None,
) -> Any:
    """A function that is linear in its first argument, with its transpose.

    Parameters
    ----------
    f : callable
        ``f(x, *rest)``, linear in ``x`` (an array, a number, or containers of them); the rest are constants.  It may do
        what dualgrad cannot differentiate.
    transpose : callable, optional
        ``transpose(ct, *rest)`` gives a cotangent shaped like ``x`` for one shaped like the result.  Without it,
        ``f`` is recorded and transposed, which asks for functions with rules.
    batched : callable, optional
        ``batched(xs, *rest)`` does for all entries of a leading axis at once what ``f`` does for one; for one array.
        It serves several directions and series.
    name : str, optional

    Returns
    -------
    callable
        It works on plain arrays and in all modes and orders: its derivative is itself.

    Raises
    ------
    UnsupportedError
        When called with a further argument that carries a derivative.
    StructureError
        Where the transpose returns what is not shaped like the argument.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> shift = dg.linear(lambda x, n: np.roll(x, n), transpose=lambda ct, n: np.roll(ct, -n))
    >>> dg.grad(lambda x: shift(x, 1)[0] ** 2)(np.array([1.0, 2.0, 3.0]))
    array([0., 0., 6.])
    """
    if f is None:
        return partial(linear, transpose=transpose, batched=batched, name=name)
    for what, g in {"f": f, "transpose": transpose, "batched": batched}.items():
        if not (callable(g) or g is None and what != "f"):
            raise ArgumentError(f"linear: {what}={g!r:.60} is not a function")
    return LinearFunction(f, transpose, batched, name)


