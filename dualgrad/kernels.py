"""An ``@njit`` function, and what is derived from it, as one object that Python, nopython code and numbers can call.

A kernel is a numba dispatcher ``base`` and a chain of transforms applied to it from left to right.  How source is
generated for given argument types, and how the chain acts on numbers, is said by the two `hooks`, which the floor
above sets; here it is only decided which object stands for which chain.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from .backends.modules import Generated  # at import: it lets Python find generated modules by name
from .core.errors import ArgumentError

if TYPE_CHECKING:
    from .backends.dispatcher import ArgTypes, KernelDispatcher


class Transform(NamedTuple):
    """One step of a chain: its name, hashable options, and the new function's parameters where they differ."""

    name: str
    options: tuple[Any, ...] = ()
    parameters: tuple[str, ...] = ()


Chain = tuple[Transform, ...]
CAREFUL = Transform("careful")  # at the end of a chain: all of it with masks for structural zeros
LIBM = Transform("libm")  # at the start of a chain: functions of numbers are those of the C library


def _not_set(*_: Any) -> Any:
    raise RuntimeError("the hooks of dualgrad.kernels are not set: import dualgrad")


@dataclass
class Hooks:
    """What a kernel cannot know by itself.

    generate : (base, chain, argtypes) -> Generated, for a chain that is not empty
    interpret : (base, chain, args) -> the derived function's value at numbers
    program : (base, chain, argtypes) -> the program that another kernel, which calls this one, reads in its place
    """

    generate: Callable[[Any, Chain, ArgTypes], Generated] = _not_set
    interpret: Callable[[Any, Chain, tuple[Any, ...]], Any] = _not_set
    program: Callable[[Any, Chain, list[Any]], Any] = _not_set


hooks = Hooks()


@dataclass(frozen=True)
class Recipe:
    """A numba dispatcher and the transforms applied to it."""

    base: Any
    chain: Chain

    @property
    def is_plain(self) -> bool:
        """Whether it has the values of its base: it has no transforms but marks for what follows."""
        return is_plain(self.chain)

    @property
    def title(self) -> str:
        """``grad of rosenbrock``"""
        steps = [step.name for step in reversed(self.chain) if step != LIBM] or ["kernel"]
        return " of ".join([*steps, self.base.__name__])

    @property
    def label(self) -> str:
        """``grad_rosenbrock``"""
        return self.title.replace(" of ", "_")

    @property
    def signature(self) -> inspect.Signature:
        """Of the last transform that has its own, or of the function itself."""
        for step in reversed(self.chain):
            if step.parameters:
                kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
                return inspect.Signature([inspect.Parameter(name, kind) for name in step.parameters])
        return inspect.signature(self.base.py_func)

    def generate(self, argtypes: ArgTypes) -> Generated:
        return hooks.generate(self.base, self.chain, argtypes)

    def interpret(self, args: tuple[Any, ...]) -> Any:
        return hooks.interpret(self.base, self.chain, args)

    def careful(self) -> Recipe:
        """The recipe of the careful form of this derivative."""
        return Recipe(self.base, (*self.chain, CAREFUL))

    def program(self, argtypes: list[Any]) -> Any:
        return hooks.program(self.base, self.chain, argtypes)

    def dispatcher(self) -> KernelDispatcher:
        """The one object of this recipe; it lives as long as the base."""
        from .backends.dispatcher import KernelDispatcher

        made = vars(self.base).setdefault("_dualgrad_kernels", {})
        return made.get(self.chain) or made.setdefault(self.chain, KernelDispatcher(self))


def is_plain(chain: Chain) -> bool:
    return all(step.name in ("checkpoint", "libm") for step in chain)


def is_kernel(f: Any) -> bool:
    """Whether ``f`` is a numba dispatcher; derived kernels are.  Does not import numba."""
    registry = sys.modules.get("numba.core.registry")
    return registry is not None and isinstance(f, registry.CPUDispatcher)


def derive(base: Any, chain: Chain) -> KernelDispatcher:
    """The kernel that ``chain`` makes of ``base``; of a derived kernel, the longer chain on its base."""
    made = getattr(base, "_dualgrad_kernels", None)
    if made is not None and chain in made:
        return made[chain]
    if not is_kernel(base):
        why, hint = "it is not an @njit function", "decorate the function with numba.njit, or pass it through dg.kernel"
        raise ArgumentError(f"cannot derive a kernel from {base!r:.80}", why, hint)
    inner = getattr(base, "recipe", Recipe(base, ()))
    return Recipe(inner.base, inner.chain + chain).dispatcher()


class InNopython:
    """A function with rules that nopython code may call: numba sees the dispatcher of the plain function behind it."""

    f: Callable[..., Any]

    @cached_property
    def dispatcher(self) -> Any:
        from numba import njit

        from .backends.dispatcher import RuledDispatcher

        return RuledDispatcher(self, Recipe(self.f if is_kernel(self.f) else njit(self.f), ()))

    @property
    def _numba_type_(self) -> Any:
        from numba import types

        return types.Dispatcher(self.dispatcher)


def as_kernel(f: Any, vector_math: bool = True) -> Any:
    """An ``@njit`` function, or a plain function of the numba subset, made callable with numbers.

    Without ``vector_math`` what is derived from it calls the C library's functions only.
    Where numba is switched off (``NUMBA_DISABLE_JIT``) a plain function stays what it is.
    """
    if isinstance(f, FunctionType):
        from numba import njit

        f = njit(f)
        if not is_kernel(f):
            return f
    found = derive(f, ())
    base, chain = found.recipe.base, found.recipe.chain
    return found if vector_math or LIBM in chain else derive(base, (LIBM, *chain))
