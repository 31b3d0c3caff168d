"""Jacobians, Hessians and products with them, composed of the two modes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, update_wrapper, wraps
from typing import Any

import numpy as np

from dualgrad.core.errors import ArgumentError

from .evaluate import Call
from .forward import columns, jacfwd, jvp
from .reverse import Recording, grad, jacrev, rows
from .route import in_pieces, is_kernel, kernel_route, with_checkpoints


def jacobian(
    f: Callable[..., Any],
    argnums: Any = 0,
    has_aux: bool = False,
    *,
    mode: str = "auto",
    holomorphic: bool = False,
    chunk: int | None = None,
    executor: Any = None,
    checkpoint: Any = None,
) -> Callable[..., Any]:
    """The Jacobian of a function.

    Parameters
    ----------
    f : callable
    argnums : int or tuple of int
        The arguments to differentiate by.
    has_aux : bool
        ``f`` returns ``(result, aux)``; the Jacobian comes with aux.
    mode : {"auto", "fwd", "rev"}
        By columns (`jacfwd`) or by rows (`jacrev`); "auto" takes rows where the result has fewer
        entries than the arguments.
    holomorphic : bool
        The function takes complex numbers to complex numbers, and has a complex derivative.
    chunk : int, optional
        At most so many directions or cotangents at once, which bounds the memory.
    executor : optional
        Anything with ``submit(f, *args)`` that returns a future (threads, processes, a cluster); it is given the
        chunks, or without ``chunk`` an equal share for each worker.  Processes need a function that can be pickled.
    checkpoint
        As for `value_and_grad`.

    Returns
    -------
    callable
        Its results have the shape ``out.shape + in.shape``, in the containers of the result, and in those
        of the arguments inside; with aux if ``has_aux``.  By a complex argument of a real result the entry is
        the gradient ``∂f/∂x + i ∂f/∂y``.

    Raises
    ------
    ArgumentError
        Where there is nothing to differentiate by, or the mode is unknown.
    StructureError
        For a complex result of complex arguments without ``holomorphic=True``, and where that is not true.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.jacobian(lambda x: np.array([x[0] * x[1], x[1]]))(np.array([2.0, 3.0]))
    array([[3., 2.],
           [0., 1.]])
    """
    if mode not in ("auto", "fwd", "rev"):
        raise ArgumentError(f"jacobian: mode={mode!r}", hint='modes are "auto", "fwd" and "rev"')
    f = in_pieces(with_checkpoints("jacobian", f, checkpoint), chunk, executor)
    if is_kernel(f):
        options = {"has_aux": has_aux, "holomorphic": holomorphic, "chunk": chunk, "executor": executor}
        return kernel_route("jacobian", f, argnums=argnums, mode=mode, **options)
    if mode == "fwd":
        return jacfwd(f, argnums, has_aux, holomorphic=holomorphic, chunk=chunk, executor=executor)
    if mode == "rev":
        return jacrev(f, argnums, has_aux, holomorphic=holomorphic, chunk=chunk, executor=executor)

    @wraps(f, updated=())
    def matrix(*args: Any, **kwargs: Any) -> Any:
        call = Call("jacobian", f, args, argnums, kwargs)
        inputs = sum(p.size for p in call.primals)
        if inputs <= 1:
            return columns(call, has_aux, chunk, executor, holomorphic)
        with np.errstate(all="ignore"):
            recording = Recording(call, has_aux)
            if sum(map(np.size, recording.values)) < inputs:
                found = rows(recording, chunk, holomorphic, executor)
                return (found, recording.aux) if has_aux else found
        return columns(call, has_aux, chunk, executor, holomorphic)

    return matrix


def hessian(
    f: Callable[..., Any],
    argnums: Any = 0,
    has_aux: bool = False,
    *,
    holomorphic: bool = False,
    chunk: int | None = None,
    executor: Any = None,
    checkpoint: Any = None,
) -> Callable[..., Any]:
    """The Hessian, forward over reverse; of shape ``out.shape + in.shape + in.shape``.

    Parameters, results and errors as of `jacobian`.  A real function of complex arguments has no complex Hessian:
    `hvp` gives its products.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])
    """
    f = with_checkpoints("hessian", f, checkpoint)
    if is_kernel(f) and (chunk is not None or executor is not None) and not has_aux and not holomorphic:
        f = in_pieces(kernel_route("grad", f, argnums=argnums), chunk, executor)
        return jacfwd(f, argnums, chunk=chunk, executor=executor)
    if is_kernel(f):
        options = {"has_aux": has_aux, "holomorphic": holomorphic, "chunk": chunk, "executor": executor}
        return kernel_route("hessian", f, argnums=argnums, **options)
    slope = update_wrapper(partial(_slope, f, argnums, has_aux, holomorphic), f, updated=())
    return jacfwd(slope, argnums, has_aux, holomorphic=holomorphic, chunk=chunk, executor=executor)


def _slope(f: Callable[..., Any], argnums: Any, has_aux: bool, holomorphic: bool, *args: Any, **kwargs: Any) -> Any:
    """The Jacobian by rows, as a function that can be sent to another process."""
    return jacrev(f, argnums, has_aux, holomorphic=holomorphic)(*args, **kwargs)


def hvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], *, checkpoint: Any = None) -> Any:
    """Product of the Hessian of a scalar function with a vector, without the Hessian: jvp of grad.

    Parameters
    ----------
    f : callable
        A real scalar-valued function of the primals.
    primals, tangents : tuple
        As for `jvp`.
    checkpoint
        As for `value_and_grad`.

    Returns
    -------
    array, or tuple of arrays
        Shaped like the gradient: an array for one primal, a tuple for several.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    array([6., 0.])
    """
    primals = tuple(primals)
    argnums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    return jvp(grad(f, argnums, checkpoint=checkpoint), primals, tuple(tangents))[1]
