"""Where the verbs part: an ``@njit`` function goes to compiled kernels, everything else to numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from dualgrad.core.errors import ArgumentError
from dualgrad.kernels import Chain, Transform, as_kernel, derive, hooks, is_kernel
from dualgrad.numbers.calls import Function, apply_function
from dualgrad.numbers.number import Number, plain, store

PUSHFORWARD = Transform("pushforward", (), ("primals", "tangents"))
PULLBACK = Transform("pullback", (), ("primals", "cotangents"))
JET = Transform("jet", (), ("primals", "series"))
EFFECTS = Transform("effects")


def kernel(f: Any) -> Any:
    """An ``@njit`` function that can be called with numbers too.

    Parameters
    ----------
    f : numba dispatcher, or a plain function of the numba subset

    Returns
    -------
    A dispatcher that runs the same machine code.  Called with a number it is one word, whose derivatives
    are compiled from the kernel's source; arrays that it writes may be numbers.

    Raises
    ------
    KernelError
        When it is differentiated, where its source uses what cannot be.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> from numba import njit
    >>> @dg.kernel
    ... @njit
    ... def total(x):
    ...     s = 0.0
    ...     for v in x:
    ...         s += v * v
    ...     return s
    >>> dg.grad(lambda x: total(np.sin(x)))(np.array([0.0, 1.0]))
    array([0.        , 0.90929743])
    """
    return as_kernel(f)


def source(f: Any, *args: Any) -> str:
    """The generated source of a compiled derivative.

    Parameters
    ----------
    f : a derived kernel, such as ``dg.grad(kernel)``
    *args
        Example arguments, whose types decide; without them, the source of all that was compiled so far.

    Examples
    --------
    >>> import dualgrad as dg
    >>> from numba import njit
    >>> @njit
    ... def cube(x):
    ...     return x * x * x
    >>> print(dg.source(dg.grad(cube), 2.0).split("\\n\\n\\n")[-1])
    def grad_cube(x):
        t = x * x
        return t + t + t
    <BLANKLINE>
    """
    if not hasattr(f, "inspect_source"):
        raise ArgumentError(f"source: {f!r:.60} is no compiled derivative", hint="pass dg.grad(kernel) or the like")
    return f.inspect_source(*args)


def kernel_route(verb: str, f: Any, **options: Any) -> Callable[..., Any]:
    """The derived kernel that ``verb`` makes of an ``@njit`` function."""
    for name in ("has_aux", "holomorphic", "executor", "chunk"):
        if options.pop(name, None) not in (None, False):
            raise ArgumentError(
                f"{verb} of the kernel {f.__name__}: {name}= is not for kernels",
                why="the derivative of a kernel is one compiled function",
                hint=f"wrap the kernel: dg.{verb}(lambda *args: dg.kernel({f.__name__})(*args), {name}=...)",
            )
    argnums = options.get("argnums", 0)
    argnums = tuple(argnums) if isinstance(argnums, (list, tuple)) else argnums
    if verb == "kernel":
        return as_kernel(f)
    if verb == "hessian":
        steps = (Transform("grad", (argnums,)), Transform("jacobian", (argnums, "fwd")))
    elif verb == "jacobian":
        steps = (Transform("jacobian", (argnums, options["mode"])),)
    elif verb == "derivative":
        steps = (Transform("derivative", (options["n"],)),)
    elif verb in ("grad", "value_and_grad"):
        steps = (Transform(verb, (argnums,)),)
    else:
        steps = ({"pushforward": PUSHFORWARD, "pullback": PULLBACK, "jet": JET}[verb],)
    return derive(f, steps)


class KernelWord(Function):
    """A kernel as a word of the eager numbers: its derivatives are the longer chains."""

    def __init__(self, base: Any, chain: Chain):
        self.base, self.chain = base, chain

    def __call__(self, *args: Any) -> Any:
        return derive(self.base, self.chain)(*args)

    def pushforward(self, primals: Any, tangents: Any) -> Any:
        return derive(self.base, (*self.chain, PUSHFORWARD))(primals, tangents)

    def pullback(self, primals: Any, cotangents: Any) -> Any:
        return derive(self.base, (*self.chain, PULLBACK))(primals, cotangents)

    def jet(self, primals: Any, series: Any) -> Any:
        return derive(self.base, (*self.chain, JET))(primals, series)

    @property
    def name(self) -> str:  # type: ignore[override]
        """``grad_rosenbrock``, for programs that are printed."""
        return "_".join([*(step.name for step in reversed(self.chain)), self.base.__name__])


def interpret(base: Any, chain: Chain, args: tuple[Any, ...]) -> Any:
    """The hook of `dualgrad.kernels`: a call with numbers, and the arrays it writes."""
    written = () if chain else writes_of(base, tuple(type_of(a) for a in args))
    if not written:
        return apply_function(KernelWord(base, chain), args)
    result, contents = apply_function(KernelWord(base, (EFFECTS,)), args)
    for path, content in zip(written, contents, strict=True):
        target: Any = args
        for k in path:
            target = target[k]
        if isinstance(target, Number):
            store(target, ..., content)
        else:
            target[...] = content  # raises where a derivative would be lost
    return result


def value_of(f: Any, args: tuple[Any, ...]) -> Any:
    """The result of a kernel, or the contents of the arrays it writes; the caller's arrays stay as they are."""
    written = () if hasattr(f, "recipe") and f.recipe.chain else writes_of(f, tuple(type_of(a) for a in args))
    if not written:
        return f(*args)
    result, contents = derive(f, (EFFECTS,))(*args)
    return result if result is not None else contents[0] if len(contents) == 1 else contents


def type_of(value: Any) -> Any:
    """The program type of an argument, for numbers by their plain value."""
    from dualgrad.core.program import Type

    if isinstance(value, tuple):
        return tuple(map(type_of, value))
    value = np.asarray(plain(value))
    return Type(value.dtype.name, value.ndim)


@lru_cache(1024)
def writes_of(base: Any, types: tuple[Any, ...]) -> tuple[tuple[int, ...], ...]:
    """Paths of the arguments that a kernel writes."""
    from dualgrad.read import read_kernel

    from .compiled import written_paths

    return written_paths(read_kernel(base, list(types)))


def generate(base: Any, chain: Chain, argtypes: Any) -> Any:
    """The hook of `dualgrad.kernels`: what compiles is imported when something compiles."""
    from .chain import generate

    return generate(base, chain, argtypes)


def program(base: Any, chain: Chain, argtypes: list[Any]) -> Any:
    """The hook of `dualgrad.kernels`: the program of a kernel that another one calls."""
    from .chain import program_of

    return program_of(base, chain, argtypes)


hooks.generate, hooks.interpret, hooks.program = generate, interpret, program

__all__ = ["is_kernel", "kernel", "kernel_route", "source", "value_of"]
