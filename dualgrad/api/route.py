"""Where the verbs part: an ``@njit`` function goes to compiled kernels, everything else to numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from numbers import Integral
from typing import Any

import numpy as np

from dualgrad.core.containers import flatten, unflatten
from dualgrad.core.errors import ArgumentError, KernelError
from dualgrad.kernels import CAREFUL, LIBM, Chain, Recipe, Transform, as_kernel, derive, hooks, is_plain
from dualgrad.kernels import is_kernel as is_dispatcher
from dualgrad.lifting import python_of
from dualgrad.numbers.calls import Function, Given, Rest, apply_function, content, is_float, kept, stacked, zero_like
from dualgrad.numbers.masked import Masked
from dualgrad.numbers.number import Number, plain, store

PUSHFORWARD = Transform("pushforward", (), ("primals", "tangents"))
PULLBACK = Transform("pullback", (), ("primals", "cotangents"))
JET = Transform("jet", (), ("primals", "series"))
TAYLOR = Transform("taylor", (), ("x", "direction", "order"))
EFFECTS = Transform("effects")
MASKED_PUSHFORWARD = (Transform("pushforward", (True,), ("primals", "tangents", "masks")), CAREFUL)
MASKED_PULLBACK = (Transform("pullback", (True,), ("primals", "cotangents", "masks")), CAREFUL)


def is_kernel(f: Any) -> bool:
    """Whether a verb takes the compiled way: for a kernel, unless kernels run as Python at the moment."""
    return is_dispatcher(f) and python_of(f) is None


def kernel(f: Any, *, vector_math: bool = True) -> Any:
    """An ``@njit`` function that can be called with numbers too.

    Parameters
    ----------
    f : numba dispatcher, or a plain function of the numba subset
    vector_math : bool
        Whether derivatives may compute exp, log, sin, cos, tanh, expm1 and log1p by polynomials in loops that are
        vectorised, four to eight times faster and within two units in the last place; without it, and where the
        environment has ``DUALGRAD_VECTOR_MATH=0``, they call the C library.

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
    return as_kernel(f, vector_math)


def source(f: Any, *args: Any) -> str:
    """The generated source of a compiled derivative.

    Parameters
    ----------
    f : a derived kernel, such as ``dg.grad(kernel)``
    *args
        Example arguments, whose types decide; without them, the source of all that was compiled so far.

    Returns
    -------
    str
        The text of the module that is compiled, one after the other for several types of arguments.

    Raises
    ------
    ArgumentError
        Where ``f`` is no compiled derivative.
    KernelError
        Where the kernel uses what cannot be differentiated.

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


def with_checkpoints(verb: str, f: Any, every: Any) -> Any:
    """A kernel with marks on its outermost loops for the ``checkpoint=`` of a verb; unchanged without one."""
    from dualgrad.transforms.checkpoint import SCHEDULES

    if every is None:
        return f
    if not is_dispatcher(f):
        raise ArgumentError(
            f"{verb}: checkpoint= is for @njit functions, not for {f!r:.60}",
            why="only a kernel's source has loops that can be seen",
            hint="wrap the body of a Python loop in dg.checkpoint, or a kernel that is called in dg.checkpoint(kernel)",
        )
    spacings = SCHEDULES.get(every, ()) if isinstance(every, str) else every
    spacings = tuple(spacings) if isinstance(spacings, (tuple, list)) else (spacings,)
    whole = all(isinstance(n, Integral) and not isinstance(n, bool) and int(n) > 0 for n in spacings)
    if not spacings or not (whole or isinstance(every, str)):
        raise ArgumentError(
            f"{verb}: checkpoint={every!r}",
            why="it says after how many turns of a loop the state is kept",
            hint='pass a number, numbers from the longest to the shortest, "sqrt" or "cbrt"',
        )
    return derive(f, (Transform("checkpoint", tuple(int(n) if whole else n for n in spacings)),))


class AsPython:
    """A kernel as a function of Python, whose Jacobian may be worked out in pieces and by other processes."""

    def __init__(self, f: Any):
        self.f = as_kernel(f)
        self.__name__, self.__doc__ = self.f.__name__, self.f.__doc__

    def __call__(self, *args: Any) -> Any:
        return self.f(*args)


def in_pieces(f: Any, chunk: Any, executor: Any) -> Any:
    """A kernel whose Jacobian is asked for in pieces is called by the numbers of each; else ``f``."""
    return f if not is_kernel(f) or chunk is None and executor is None else AsPython(f)


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
    steps: tuple[Transform, ...]
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

    careful = True

    def __init__(self, base: Any, chain: Chain):
        self.base, self.chain = base, chain

    def derived(self, *steps: Transform) -> Any:
        return derive(self.base, (*self.chain, *steps))

    def rest(self, given: Given) -> tuple[list[Any], Any, Rest]:
        """The pullback runs the kernel again, at the same point."""
        primals = [*map(kept, given.primals)]
        outs, form = flatten(self(*given.tree(primals)))
        return outs, form, KernelRest(self, given, primals, [*map(content, outs)], form)

    def __call__(self, *args: Any) -> Any:
        return self.derived()(*args)

    def pushforward(self, primals: Any, tangents: Any) -> Any:
        return self.derived(PUSHFORWARD)(primals, of_types(primals, tangents))

    def pullback(self, primals: Any, cotangents: Any) -> Any:
        return self.derived(PULLBACK)(primals, cotangents)

    def jet(self, primals: Any, series: Any) -> Any:
        return self.derived(JET)(primals, of_types(primals, series))

    @property
    def name(self) -> str:  # type: ignore[override]
        """``grad_rosenbrock``, for programs that are printed."""
        return "_".join([*(step.name for step in reversed(self.chain) if step != LIBM), self.base.__name__])


class KernelRest(Rest):
    """The linear rest of a kernel's call: its pushforward and pullback, with masks if tangents have them."""

    leading = True

    def __init__(self, word: KernelWord, given: Given, primals: list[Any], outs: list[Any], form: Any):
        self.word, self.given, self.primals, self.outs, self.form = word, given, given.tree(primals), outs, form

    def push(self, dots: list[Any]) -> list[Any]:
        given, filled = self.given, self.given.filled(dots)
        if not any(isinstance(d, Masked) for d in dots):
            return flatten(self.word.pushforward(self.primals, given.tree([*map(content, filled)]))[1])[0]
        values, masks = zip(*map(parted, filled))
        chain = self.word.derived(*MASKED_PUSHFORWARD)
        _, found, marks = chain(self.primals, of_types(self.primals, given.tree(values)), given.tree(masks))
        return [*map(rejoined, flatten(found)[0], flatten(marks)[0])]

    def pull(self, cts: list[Any], lead: int | None = None) -> list[Any]:
        if lead is None:
            return self.pull_one(cts)
        each = [self.pull_one([None if c is None else c[n] for c in cts]) for n in range(lead)]
        return [stacked(list(parts)) for parts in zip(*each)]

    def pull_one(self, cts: list[Any]) -> list[Any]:
        """A result that nothing used has a structural zero."""
        given = self.given
        if not any(isinstance(c, Masked) for c in cts):
            filled = [zero_like(y) if c is None else content(c) for c, y in zip(cts, self.outs)]
            back = self.word.pullback(self.primals, unflatten(self.form, filled))[1]
            return [*map(content, given.among(flatten(back)[0]))]
        pairs = [parted(zero_like(y) if c is None or not is_float(y) else c) for c, y in zip(cts, self.outs)]
        values, masks = (unflatten(self.form, part) for part in zip(*pairs))
        _, back, marks = self.word.derived(*MASKED_PULLBACK)(self.primals, values, masks)
        return given.among([*map(rejoined, flatten(back)[0], flatten(marks)[0])])


def of_types(primals: Any, tangents: Any) -> Any:
    """Integers have integers for tangents: with floats, the kernel would take floats for them."""
    found, form = flatten(primals)
    dots = zip(found, flatten(tangents)[0], strict=True)
    floats = (float, complex)
    return unflatten(form, [t if is_float(p) or isinstance(p, floats) else np.zeros_like(p)[()] for p, t in dots])


def parted(tangent: Any) -> tuple[Any, Any]:
    """Values and mask; what has no mask is a structural zero."""
    if not isinstance(tangent, Masked):
        return tangent, np.zeros(np.shape(tangent), bool)[()]
    return content(tangent.values), content(tangent.mask)


def rejoined(values: Any, mask: Any) -> Masked:
    return Masked(content(values), content(mask))


def interpret(base: Any, chain: Chain, args: tuple[Any, ...]) -> Any:
    """The hook of `dualgrad.kernels`: a call with numbers, and the arrays it writes."""
    written = writes_of(base, tuple(type_of(a) for a in args)) if is_plain(chain) else ()
    if not written:
        return apply_function(KernelWord(base, chain), args)
    result, contents = apply_function(KernelWord(base, (*chain, EFFECTS)), args)
    for path, values in zip(written, contents, strict=True):
        target: Any = args
        for k in path:
            target = target[k]
        if isinstance(target, Number):
            store(target, ..., values)
        else:
            target[...] = values  # raises where a derivative would be lost
    return result


def value_of(f: Any, args: tuple[Any, ...]) -> Any:
    """The result of a kernel, or the contents of the arrays it writes; the caller's arrays stay as they are."""
    recipe = getattr(f, "recipe", None) or Recipe(f, ())
    written = writes_of(recipe.base, tuple(type_of(a) for a in args)) if recipe.is_plain else ()
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

    from .by_numbers import writes_nothing
    from .compiled import written_paths

    try:
        return written_paths(read_kernel(base, list(types)))
    except KernelError:
        if writes_nothing(base):  # forward mode may go through it all the same
            return ()
        raise


def generate(base: Any, chain: Chain, argtypes: Any) -> Any:
    """The hook of `dualgrad.kernels`: what compiles is imported when something compiles."""
    from .chain import generate

    return generate(base, chain, argtypes)


def program(base: Any, chain: Chain, argtypes: list[Any]) -> Any:
    """The hook of `dualgrad.kernels`: the program of a kernel that another one calls."""
    from .chain import program_of

    return program_of(base, chain, argtypes)


hooks.generate, hooks.interpret, hooks.program = generate, interpret, program

__all__ = ["with_checkpoints", "is_kernel", "kernel", "kernel_route", "source", "value_of"]
