"""How a transform calls the user's function: arguments to leaves, leaves to numbers, results back to plain arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from dualgrad import native
from dualgrad.backends import watch
from dualgrad.core.containers import difference, flatten, paths, unflatten
from dualgrad.core.errors import ArgumentError, DualgradError, OverlapError, StructureError
from dualgrad.lifting import lift
from dualgrad.numbers.array import GROUND, Array
from dualgrad.numbers.level import Level
from dualgrad.numbers.masked import dense
from dualgrad.numbers.number import OWN, Number, bare, current, make, plain

_FIRST = [0]


class Call:
    """One call of ``f``: which leaves of its arguments are differentiated by, and what to put in their place."""

    def __init__(
        self, verb: str, f: Callable[..., Any], args: Sequence[Any], argnums: Any, kwargs: dict[str, Any] | None = None
    ):
        self.verb, self.f, self.args, self.kwargs, self.given = verb, f, list(args), kwargs or {}, argnums
        if argnums == 0 and args and type(args[0]) is ndarray and args[0].dtype.kind == "f":  # the usual case
            self.single, self.argnums, self.leaves, self.structure, self.active = True, _FIRST, args[:1], None, _FIRST
            self.primals = self.leaves
            return
        self.single = not isinstance(argnums, (tuple, list))
        self.argnums = [_position(verb, n, len(args)) for n in ([argnums] if self.single else argnums)]
        chosen = [args[n] for n in self.argnums]
        self.leaves, self.structure = flatten(chosen[0] if self.single else tuple(chosen))
        self.active = [k for k, leaf in enumerate(self.leaves) if is_differentiable(leaf)]
        if not self.active or len(set(self.argnums)) < len(self.argnums):
            raise _no_argument(verb, argnums, self.argnums, chosen)
        self.primals = [as_primal(self.leaves[k]) for k in self.active]

    def __reduce__(self) -> Any:
        return Call, (self.verb, self.f, self.args, self.given, self.kwargs)

    def run(self, numbers: Sequence[Any], has_aux: bool = False) -> tuple[Any, Any]:
        """``(result, aux)`` of the function called with numbers for the active leaves."""
        args = [*self.args]
        if watch.watcher is not None:
            watch.watcher.begin()
        if len(args) > len(self.argnums):
            args = [a if n in self.argnums else buffered(a) for n, a in enumerate(args)]
        if self.structure is None:
            args[self.argnums[0]] = numbers[0]
        else:
            leaves = list(self.leaves)
            for k, number in zip(self.active, numbers):
                leaves[k] = number
            new = unflatten(self.structure, leaves)
            for n, value in zip(self.argnums, [new] if self.single else new):
                args[n] = value
        out = evaluate(self.f, args, self.kwargs)
        if len(args) > 1 or self.structure is not None:
            refuse_overlap(self.verb, self.args, args)
        if has_aux and not (isinstance(out, tuple) and len(out) == 2):
            got = f"a tuple of {len(out)}" if isinstance(out, tuple) else type(out).__name__
            raise StructureError(
                f"{self.verb}: with has_aux=True the function returns a pair (result, aux), it returned {got}",
                hint="return result, aux; or leave has_aux=True out",
            )
        out, aux = out if has_aux else (out, None)
        if out is None:
            out = written(self.verb, args)
        elif isinstance(out, Number):
            out._level.check()
        elif type(out) is not np.float64:
            _check_result(self.verb, out)
        return out, aux

    def pack(self, derivatives: Sequence[Any]) -> Any:
        """Derivatives by the active leaves in the structure of the arguments; zeros for the others."""
        if self.structure is None:
            return derivatives[0]
        leaves = [0.0 if isinstance(leaf, (bool, str)) else leaf for leaf in self.leaves]
        for k, d in zip(self.active, derivatives):
            leaves[k] = d
        return unflatten(self.structure, leaves)

    def match(self, tangents: Any, what: str = "tangent") -> list[Any]:
        """Tangents (or the like) of the active leaves, checked against their primals."""
        leaves, structure = flatten(tangents)
        if structure != self.structure or len(leaves) != len(self.leaves):
            raise StructureError(
                f"{self.verb}: the {what}s are not structured as the primals: "
                + difference(tangents, self.structure, f"the {what}"),
                why=f"primals: {self.structure or 'one array'}; {what}s: {structure or 'one array'}",
                hint=f"give one {what} for each primal, in the same containers (tuples in, tuples out)",
            )
        names = paths(self.structure)
        return [fitting(leaves[k], p, f"{self.verb}: the {what}{names[k]}") for k, p in zip(self.active, self.primals)]


def _position(verb: str, n: Any, count: int) -> int:
    if not isinstance(n, (int, np.integer)) or isinstance(n, bool):
        raise ArgumentError(f"{verb}: argnums must be an int or a tuple of ints, not {n!r}")
    if not -count <= n < count:
        raise ArgumentError(
            f"{verb}: argnums={n}, but the function was called with {count} positional arguments",
            hint="pass the arguments that are differentiated by position",
        )
    return int(n) % count


def _no_argument(verb: str, argnums: Any, positions: list[int], chosen: list[Any]) -> ArgumentError:
    """What is wrong with the choice of arguments."""
    if len(set(positions)) < len(positions):
        return ArgumentError(
            f"{verb}: argnums={argnums} names an argument twice",
            why="there is one derivative for each argument",
        )
    kinds = " and ".join(f"argument {n} is {_kind(a)}" for n, a in zip(positions, chosen))
    return ArgumentError(
        f"{verb}: no argument to differentiate by",
        why=f"{kinds}: no float, and no plain array of floats"
        if kinds
        else "argnums is empty, or the function has no argument",
        hint="pass floats or arrays of floats (np.asarray(x, float)), or choose other arguments with argnums=",
    )


def _kind(a: Any) -> str:
    name = type(a).__name__
    return f"{name} of dtype {a.dtype}" if isinstance(a, np.ndarray) else name


def is_differentiable(leaf: Any) -> bool:
    """Floats and ints, and arrays of them; bool, str and other objects are static."""
    kind = type(leaf)
    if kind is ndarray or isinstance(leaf, np.generic):
        return leaf.dtype.kind in "fciu"
    return isinstance(leaf, Number) or isinstance(leaf, (int, float, complex)) and kind is not bool


def as_primal(leaf: Any) -> Any:
    """Content for a number: an array of floats, a NumPy scalar, or a number."""
    leaf = bare(leaf)
    if isinstance(leaf, ndarray):
        leaf = np.asarray(leaf)
        return leaf if leaf.dtype.kind in "fc" else leaf.astype(float)
    if isinstance(leaf, (Number, np.floating, np.complexfloating)):
        return leaf
    return np.complex128(leaf) if isinstance(leaf, complex) else np.float64(leaf)


def buffered(arg: Any) -> Any:
    """An argument that is not differentiated by: an array that the function may write without changing the caller's."""
    return make(Array, GROUND, arg, None) if type(arg) is ndarray and arg.dtype.kind in "fc" else arg


def _check_result(verb: str, out: Any) -> None:
    """Raise for a result that has no derivative, and for a number of a transform that has ended."""
    leaves, structure = flatten(out)
    for k, x in enumerate(leaves):
        if isinstance(x, Number):
            x._level.check()
        elif not isinstance(x, (int, float, complex)) and getattr(x, "dtype", np.dtype("O")).kind not in "fciub":
            path = paths(structure)[k]
            kind = f"an array of dtype {x.dtype}" if hasattr(x, "dtype") else f"{type(x).__name__} ({x!r:.30})"
            raise StructureError(
                f"{verb}: the function returned {kind}" + (f" in {path} of its result" if path else ""),
                why="only numbers and arrays of numbers have derivatives",
                hint="return (result, aux) with has_aux=True, or leave it out",
            )


def written(verb: str, args: list[Any]) -> Any:
    """What a function that returns None has written: the final contents of its arguments, in their order."""
    found = [x for a in args for x in flatten(a)[0] if isinstance(x, Number) and x._memory is OWN]
    if not found:
        raise ArgumentError(
            f"{verb}: the function returned None and wrote to none of its arguments",
            why="the result of a function that returns None is what it wrote",
            hint="is a return missing?",
        )
    return found[0] if len(found) == 1 else tuple(found)


def refuse_overlap(verb: str, given: Sequence[Any], numbers: Sequence[Any]) -> None:
    """Raise if the function wrote into an argument whose memory another one shares: each number has memory of its own.
    """
    leaves = (x for n in numbers for x in ((n,) if isinstance(n, (Number, ndarray)) else flatten(n)[0]))
    if not any(isinstance(x, Number) and x._memory is OWN for x in leaves):
        return  # as nearly always
    pairs = [pair for a, b in zip(given, numbers) for pair in zip(flatten(a)[0], flatten(b)[0])]
    for k, (a, number) in enumerate(pairs):
        if isinstance(number, Number) and number._memory is OWN:
            for j, (b, _) in enumerate(pairs):
                if j != k and overlap(a, b):
                    raise OverlapError(
                        f"{verb}: two arrays among the arguments share memory, and the function writes one of them",
                        why="each argument has a derivative of its own, so the other would not see what is written",
                        hint="pass copies, or write into a copy",
                    )


def overlap(a: Any, b: Any) -> bool:
    """Whether writing one of two arguments changes the other."""
    if isinstance(a, Number) and isinstance(b, Number):
        roots = [x._memory if isinstance(x._memory, Number) else x for x in (a, b)]
        if roots[0] is not roots[1] and a._linear is b._linear:
            return False  # one is a copy of the other, and they part when one is written
    a, b = (current(x)._ground() if isinstance(x, Number) else x for x in (a, b))
    return type(a) is type(b) is ndarray and bool(np.may_share_memory(a, b) and np.shares_memory(a, b))


def copies(leaves: Sequence[Any]) -> list[Any]:
    """The leaves with copies of the arrays among them, which share memory where the arrays do."""
    grounds = [ground(x) if type(x) is ndarray else None for x in leaves]
    copied: dict[int, ndarray] = {}

    def shared(k: int) -> bool:
        others = (j for j, g in enumerate(grounds) if g is grounds[k] and j != k)
        return any(np.may_share_memory(leaves[k], leaves[j]) for j in others)

    def copy(x: ndarray, memory: ndarray) -> ndarray:
        if id(memory) not in copied:
            copied[id(memory)] = memory.copy("K")
        new = copied[id(memory)]
        start, first = (a.__array_interface__["data"][0] for a in (x, memory))
        return np.ndarray(x.shape, x.dtype, new, start - first, x.strides) if new.strides == memory.strides else x

    several = len({id(g) for g in grounds}) < len(grounds)
    return [x if g is None else copy(x, g) if several and shared(k) else x.copy()
            for k, (x, g) in enumerate(zip(leaves, grounds))]  # fmt: skip


def ground(x: ndarray) -> ndarray:
    """The array whose memory this one looks at."""
    while type(x.base) is ndarray:
        x = x.base
    return x


def evaluate(f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """The user's function, lifted; our errors come out as ours."""
    try:
        return lift(f)(*args, **kwargs)
    except DualgradError:
        raise
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, DualgradError):
            cause = cause.__cause__ or cause.__context__
        if cause is None and not callable(f):
            raise ArgumentError(f"{f!r:.60} is not a function") from None
        if cause is None:
            raise
        raise cause from None


def fitting(value: Any, primal: Any, what: str) -> Any:
    """A tangent as content of the shape and dtype of its primal."""
    value = as_primal(value) if is_differentiable(value) else value
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if dtype is None or dtype.kind not in "fciub":
        kind = type(value).__name__ if dtype is None else f"an array of dtype {dtype}"
        raise StructureError(f"{what} is {kind}, its primal has shape {primal.shape} and dtype {primal.dtype}")
    if shape != primal.shape:
        raise StructureError(f"{what} has shape {shape}, its primal has shape {primal.shape}")
    if dtype != primal.dtype:
        if dtype.kind == "c" and primal.dtype.kind != "c":
            raise StructureError(f"{what} has dtype {dtype}, its primal has dtype {primal.dtype}")
        value = value.astype(primal.dtype)
    return value


def whole_order(verb: str, order: Any, highest: int, why: str) -> int:
    """An order of differentiation: a whole number, not negative and not absurd."""
    if not isinstance(order, (int, np.integer)) or isinstance(order, bool) or order < 0:
        raise ArgumentError(f"{verb}: the order must be a whole number, not {order!r}", hint="0 is the function itself")
    if order > highest:
        raise ArgumentError(f"{verb}: the order {order} is above {highest}", why=why)
    return int(order)


def as_tuple(verb: str, what: str, given: Any) -> tuple[Any, ...]:
    """Primals, tangents or series, which are given in a tuple or list."""
    if isinstance(given, (tuple, list)):
        return tuple(given)
    raise ArgumentError(
        f"{verb}: {what} are a tuple, not {type(given).__name__}", hint=f"one argument x is given as (x,): {what}=(x,)"
    )


def value_at(x: Any, level: Level) -> Any:
    """A result without the derivative of this level."""
    x = bare(x)
    return x.primal if isinstance(x, Number) and x._level is level else x


def strip(tree: Any, level: Level) -> Any:
    """Aux output: numbers of this level become values."""
    leaves, structure = flatten(tree)
    return unflatten(structure, [fresh(value_at(x, level)) for x in leaves])


def fresh(x: Any, dtype: Any = None) -> Any:
    """A result that shares no memory with anything: writable, C-contiguous."""
    x = bare(dense(x))
    if dtype is not None and x.dtype != dtype:
        x = (x.real if x.dtype.kind == "c" != dtype.kind else x).astype(dtype)
    return x.copy() if type(x) is ndarray else x


class StopGradient:
    """The value of ``x``, a constant to every derivative.

    Parameters
    ----------
    x : number, array, or nested container

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(lambda x: x * dg.stop_gradient(x))(3.0)
    np.float64(3.0)
    """

    __name__, __dualgrad_word__ = "stop_gradient", "stopped"

    def __call__(self, x: Any) -> Any:
        leaves, structure = flatten(x)
        return unflatten(structure, [bare(plain(leaf)) if isinstance(leaf, Number) else leaf for leaf in leaves])

    def __reduce__(self) -> str:
        return "stop_gradient"

    def __dualgrad_fingerprint__(self) -> tuple[str]:
        return ("stop_gradient",)


    @property
    def _numba_type_(self) -> None:
        """Numba asks the object first, and then what was registered for it."""
        native.init(refresh=True)


stop_gradient = StopGradient()


def _introduce() -> None:
    from dualgrad.native.making import register_stop

    register_stop(stop_gradient)


native.when_started(_introduce)


def zeros_beside(x: Any, lead: tuple[int, ...] = ()) -> Any:
    """The tangent of a result that does not depend on the arguments."""
    dtype = getattr(x, "dtype", np.dtype(float))
    zeros = np.zeros(lead + np.shape(x), dtype if dtype.kind in "fc" else float)
    return zeros if zeros.ndim else zeros[()]


def has_nan(values: Sequence[Any]) -> bool:
    """Whether there is a NaN anywhere, also in the derivatives inside."""
    return any(
        has_nan([v._primal, v._linear]) if isinstance(v, Number) else hasattr(v, "dtype") and nan_inside(dense(v))
        for v in values
    )


def nan_inside(v: Any) -> bool:
    """Whether plain values hold a NaN; infinities of both signs may count, which costs a second look, no more."""
    total = np.vdot(v, v) if v.size < 1000 else np.add.reduce(v, None)
    return total != total
