"""Forward mode: run the function on dual numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from dualgrad.backends import watch
from dualgrad.core.containers import flatten, unflatten
from dualgrad.numbers.dual import Dual
from dualgrad.numbers.level import Level
from dualgrad.numbers.masked import Masked, seeded
from dualgrad.numbers.number import bare, make, plain

from .evaluate import Call, as_tuple, fresh, has_nan, strip, value_at, zeros_beside
from .fields import Basis, check_fields, largest, require_holomorphic
from .route import in_pieces, is_kernel, kernel_route
from .spread import over, pieces


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], *, has_aux: bool = False) -> Any:
    """Value and directional derivative.

    Parameters
    ----------
    f : callable
        A function of the primals.
    primals, tangents : tuple
        The arguments, and one tangent for each, structured and shaped alike.
    has_aux : bool
        ``f`` returns ``(result, aux)``; aux is not differentiated.

    Returns
    -------
    out, out_tangent : same structure and shapes
        And ``aux`` with ``has_aux``.

    Raises
    ------
    StructureError
        Where a tangent does not have the structure, shape or dtype of its primal.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.jvp(np.sin, (0.0,), (2.0,))
    (np.float64(0.0), np.float64(2.0))
    """
    primals, tangents = as_tuple("jvp", "primals", primals), as_tuple("jvp", "tangents", tangents)
    if is_kernel(f):
        return kernel_route("pushforward", f)(primals, tangents)
    call = Call("jvp", f, primals, tuple(range(len(primals))))
    dots = call.match(tangents)
    out, outs, out_dots, aux = forward(call, dots, lambda: [*map(seeded, dots)], (), has_aux)
    result = unflatten(out, outs), unflatten(out, out_dots)
    return (*result, aux) if has_aux else result


def forward(
    call: Call, seeds: list[Any], masked: Callable[[], list[Any]], lead: tuple[int, ...], has_aux: bool = False
) -> tuple[Any, list[Any], list[Any], Any]:
    """Structure, values and tangents of the results, and aux.

    The function runs on plain tangents first, and again on ``masked()`` ones where a NaN came out.
    """
    with np.errstate(all="ignore"):
        found = _once(call, seeds, lead, has_aux, False)
        if has_nan(found[2]):
            found = _once(call, masked(), lead, has_aux, True)
    structure, outs, dots, aux = found
    if watch.watcher is not None:
        watch.watcher.judge(call.verb, "tangent", [*outs, *dots])
    return structure, outs, [fresh(d, _dtype_of(v, d)) for v, d in zip(outs, dots)], aux


def _dtype_of(value: Any, dot: Any) -> Any:
    """A tangent has the dtype of its value: float64 of one from float32 and float64, complex of ``x + 1j``."""
    dtype = getattr(value, "dtype", dot.dtype)
    return dtype if dtype.kind in "fc" else None


def _once(call: Call, seeds: list[Any], lead: tuple[int, ...], has_aux: bool, careful: bool) -> Any:
    level = Level(call.verb, careful)
    try:
        out, aux = call.run([make(Dual, level, p, t) for p, t in zip(call.primals, seeds)], has_aux)
        leaves, structure = flatten(out)
        leaves = [*map(bare, leaves)]
        values = [fresh(value_at(x, level)) for x in leaves]
        dots = [x._linear if isinstance(x, Dual) and x._level is level else None for x in leaves]
        dots = [zeros_beside(v, lead) if d is None else d for v, d in zip(values, dots)]
        return structure, values, dots, strip(aux, level) if has_aux else None
    finally:
        level.end()


def pushforward(f: Callable[..., Any]) -> Callable[[Sequence[Any], Sequence[Any]], Any]:
    """``pushforward(f)(primals, tangents)`` is ``jvp(f, primals, tangents)`` as a function of the point.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.pushforward(np.exp)((0.0,), (3.0,))
    (np.float64(1.0), np.float64(3.0))
    """
    if is_kernel(f):
        return kernel_route("pushforward", f)

    @wraps(f, updated=())
    def pushed(primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        return jvp(f, primals, tangents)

    return pushed


# Jacobians by columns


def jacfwd(
    f: Callable[..., Any],
    argnums: Any = 0,
    has_aux: bool = False,
    *,
    holomorphic: bool = False,
    chunk: int | None = None,
    executor: Any = None,
) -> Callable[..., Any]:
    """The Jacobian by forward mode: one evaluation with a direction for every entry of the arguments.

    Parameters, results and errors as of `jacobian`.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.jacfwd(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    f = in_pieces(f, chunk, executor)
    if is_kernel(f):
        options = {"has_aux": has_aux, "holomorphic": holomorphic, "chunk": chunk, "executor": executor}
        return kernel_route("jacobian", f, argnums=argnums, mode="fwd", **options)

    @wraps(f, updated=())
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        call = Call("jacfwd", f, args, argnums, kwargs)
        return columns(call, has_aux, chunk, executor, holomorphic)

    return jacobian


def columns(
    call: Call, has_aux: bool = False, chunk: int | None = None, executor: Any = None, holomorphic: bool = False
) -> Any:
    """The Jacobian of a call, column by column."""
    basis = Basis(call.primals, holomorphic)
    results = over(executor, _Columns(call, has_aux, holomorphic), pieces(basis.size, chunk, executor) or [range(0)])
    out, _, aux = results[0]
    outs, structure = flatten(out)
    check_fields(call.verb, call.primals, outs, holomorphic)
    dots = [np.concatenate(parts) if len(parts) > 1 else parts[0] for parts in zip(*(r[1] for r in results))]
    if holomorphic:
        _check_along_i(call, dots, has_aux)
    blocks = [call.pack(_split(basis, d, o)) for d, o in zip(dots, outs)]
    found = unflatten(structure, blocks)
    return (found, aux) if has_aux else found


class _Columns:
    """Columns of the Jacobian of a call; what is sent to another process is the call."""

    def __init__(self, call: Call, has_aux: bool, holomorphic: bool):
        self.call, self.has_aux, self.holomorphic = call, has_aux, holomorphic

    def __call__(self, piece: range) -> tuple[Any, list[Any], Any]:
        """The result, the directions of its leaves, and aux."""
        seeds = Basis(self.call.primals, self.holomorphic).seeds(piece)

        def careful() -> list[Any]:
            return [Masked(s, s != 0) for s in seeds]

        structure, outs, dots, aux = forward(self.call, seeds, careful, (len(piece),), self.has_aux)
        return unflatten(structure, outs), dots, aux


def _split(basis: Basis, dots: Any, out: Any) -> list[Any]:
    """Directions to the end, one block for each leaf of the arguments."""
    blocks = []
    for k, p in enumerate(basis.leaves):
        block = np.moveaxis(basis.block(dots, k), 0, -1)
        shape = (*np.shape(out), *p.shape)
        blocks.append(fresh(np.reshape(block, shape)) if shape else block[0])
    return blocks


def _check_along_i(call: Call, dots: list[Any], has_aux: bool) -> None:
    """Along i in all entries at once the derivative must be i times the sum of the columns."""
    seeds = [np.full(p.shape, 1j, p.dtype)[()] for p in call.primals]
    along_i = forward(call, seeds, lambda: [seeded(s) for s in seeds], (), has_aux)[2]
    bound = largest([np.sum(np.abs(plain(d)), 0) for d in dots])
    require_holomorphic(call.verb, along_i, [np.sum(d, 0) for d in dots], bound)
