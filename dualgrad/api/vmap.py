"""A function of one example as a function of a batch: the examples one by one, the results stacked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from dualgrad.core.containers import flatten, paths, prefixed, unflatten
from dualgrad.core.errors import ArgumentError, StructureError
from dualgrad.lifting import lift
from dualgrad.numbers.calls import content
from dualgrad.numbers.functions import stack
from dualgrad.numbers.number import Number, bare

from .route import is_kernel, kernel


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """A function that applies ``f`` to every entry along an axis of its arguments.

    Parameters
    ----------
    f : callable
    in_axes : int, None, or containers of these
        The axis of each argument that holds the batch, None for what all examples share; a tuple has one entry for
        each argument, and an entry may go into its containers.  Keyword arguments have the batch along axis 0.
    out_axes : int, None, or containers of these
        Where the batch is put in the results; None for a result that is the same for all examples.

    Returns
    -------
    callable
        It can be differentiated in all modes, and nested.

    Raises
    ------
    StructureError
        Where the batch has different lengths in different arguments, or results have different shapes.
    ArgumentError
        Where there is no batch.

    Notes
    -----
    It runs ``f`` once for each example, so it is a convenience, not a way to speed.  Functions of whole arrays
    are faster where NumPy broadcasts.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.vmap(np.dot, in_axes=(0, None))(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 1.0]))
    array([3., 7.])
    >>> dg.vmap(dg.grad(lambda x: x**3))(np.array([1.0, 2.0]))
    array([ 3., 12.])
    """
    f = kernel(f) if is_kernel(f) else f

    @wraps(f, updated=())
    def batched(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = flatten((args, kwargs))
        leaves = [*map(content, leaves)]
        axes = _axes(in_axes, args, structure)
        size = _size(leaves, axes, [p[3:] for p in paths(structure)])
        results: list[list[Any]] = []
        form = None
        for k in range(max(size, 1)):
            examples = [_example(x, axis, k, size) for x, axis in zip(leaves, axes)]
            new_args, new_kwargs = unflatten(structure, examples)
            found, new_form = flatten(lift(f)(*new_args, **new_kwargs))
            if k and (new_form != form or len(found) != len(results[0])):
                raise StructureError("vmap: the results of two examples are not structured alike")
            form = new_form
            results.append([*map(content, found)])
        where = prefixed(out_axes, form, "vmap: out_axes")
        names = paths(form)
        columns = [_column([r[n] for r in results][:size], results[0][n], where[n], names[n])
                   for n in range(len(results[0]))]  # fmt: skip
        return unflatten(form, columns)

    return batched


def _axes(in_axes: Any, args: tuple[Any, ...], structure: Any) -> list[int | None]:
    """The axis of each leaf of ``(args, kwargs)``."""
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    if isinstance(in_axes, tuple) and len(in_axes) != len(args):
        raise ArgumentError(
            f"vmap: in_axes has {len(in_axes)} entries for {len(args)} arguments",
            hint="give one for each positional argument, or one for all",
        )
    return prefixed((in_axes, 0), structure, "vmap: in_axes", hide=1)


def _size(leaves: list[Any], axes: Sequence[int | None], names: list[str]) -> int:
    """The length of the batch."""
    sizes: dict[str, int] = {}
    for x, axis, name in zip(leaves, axes, names):
        if axis is None:
            continue
        if not isinstance(axis, (int, np.integer)) or isinstance(axis, bool):
            raise ArgumentError(f"vmap: in_axes: {axis!r} is not an axis")
        rank = np.ndim(x) if hasattr(x, "dtype") else 0
        if not -rank <= axis < rank:
            raise ArgumentError(
                f"vmap: argument {name} has {rank} axes, and no axis {axis}",
                hint="give in_axes=None for what all examples share",
            )
        sizes[name] = x.shape[axis]
    if not sizes:
        raise ArgumentError("vmap: no argument holds a batch", hint="call the function itself, or give in_axes=")
    if len(set(sizes.values())) > 1:
        lengths = ", ".join(f"{name}: {n}" for name, n in sizes.items())
        raise StructureError(f"vmap: the batch has different lengths in different arguments ({lengths})")
    return next(iter(sizes.values()))


def _example(x: Any, axis: int | None, k: int, size: int) -> Any:
    """Entry k along the axis, which the function may write; of an empty batch, an example made of zeros."""
    if axis is None:
        return x
    index = (slice(None),) * (axis % x.ndim)
    if size == 0:
        return np.zeros(x.shape[: axis % x.ndim] + x.shape[axis % x.ndim + 1 :], x.dtype)[()]
    entry = x[(*index, k)]
    return entry.copy() if type(entry) is np.ndarray else entry


def _column(values: list[Any], first: Any, axis: Any, name: str) -> Any:
    """One result of all examples."""
    if axis is None:
        if any(isinstance(v, Number) or not np.array_equal(v, first) for v in values):
            raise StructureError(
                f"vmap: result {name or 'of the function'} differs between examples, and its out_axes is None",
                hint="give an axis",
            )
        return first
    if not (hasattr(first, "dtype") and first.dtype.kind in "fciub"):
        raise StructureError(f"vmap: result {name or 'of the function'} is {type(first).__name__}, not an array")
    shapes = {np.shape(v) for v in values}
    if len(shapes) > 1:
        raise StructureError(f"vmap: result {name or 'of the function'} has different shapes: {sorted(shapes)}")
    rank = first.ndim + 1
    if not -rank <= axis < rank:
        raise ArgumentError(f"vmap: out_axes={axis} for a result of shape {first.shape}")
    if not values:
        return np.zeros((*first.shape[: axis % rank], 0, *first.shape[axis % rank :]), first.dtype)
    return bare(stack(values, axis)) if any(isinstance(v, Number) for v in values) else np.stack(values, axis)
