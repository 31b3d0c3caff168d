"""Reverse mode: record the linear rest of a function, and run its transpose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np
from numpy import ndarray

from dualgrad.backends import watch
from dualgrad.backends.arrays import is_complex
from dualgrad.core.containers import difference, flatten, paths, unflatten
from dualgrad.core.errors import StructureError
from dualgrad.numbers.masked import Masked, seeded
from dualgrad.numbers.number import bare, plain
from dualgrad.numbers.recorded import Recorded, Tape
from dualgrad.numbers.sweeps import pull

from .evaluate import Call, copies, fitting, fresh, has_nan, nan_inside, strip, value_at, zeros_beside
from .fields import Basis, check_fields, largest, require_holomorphic
from .linear_map import LinearMap
from .route import in_pieces, is_kernel, kernel_route, value_of, with_checkpoints
from .spread import over, pieces

ONE = np.float64(1.0)


class Recording:
    """What running a function on recording numbers leaves behind."""

    def __init__(self, call: Call, has_aux: bool = False):
        self.call, self.has_aux = call, has_aux
        self.tape = tape = Tape(call.verb)
        try:
            out, aux = call.run([tape.input(p) for p in call.primals], has_aux)
            leaves, self.structure = flatten(out)
            self.values, self.refs = [], []
            for x in map(bare, leaves):
                active = type(x) is Recorded and x._level is tape
                self.values.append(x._primal if active else value_at(x, tape))
                self.refs.append(x._linear if active else None)
            self.aux: Any = strip(aux, tape) if has_aux else None
        finally:
            tape.end()
        if watch.watcher is not None:
            watch.watcher.judge(call.verb, "primal", self.values)

    def pull(self, cts: Sequence[Any], lead: int | None = None, careful: Sequence[Any] = ()) -> list[Any]:
        """Cotangents of the active leaves; ``lead`` of them at once if the cotangents have a leading axis."""
        found = self._pull(cts, lead, careful)
        if watch.watcher is not None:
            watch.watcher.judge(self.call.verb, "cotangent", found)
        return found

    def _pull(self, cts: Sequence[Any], lead: int | None, careful: Sequence[Any]) -> list[Any]:
        primals = self.call.primals
        found = self.sweep(cts, lead, False)
        ct = found[0]
        if len(found) == 1 and type(ct) is ndarray and ct.dtype == primals[0].dtype and ct.ndim and not nan_inside(ct):
            return [ct.copy()]  # the usual case
        if has_nan(found):
            found = self.sweep(careful or [seeded(ct) for ct in cts], lead, True)
        shape = () if lead is None else (lead,)
        return [zeros_beside(p, shape) if c is None else _like(fresh(c, p.dtype)) for c, p in zip(found, primals)]

    def sweep(self, cts: Sequence[Any], lead: int | None, careful: bool) -> list[Any]:
        """Cotangents of the active leaves as they come: None where there is none, masked if ``careful``."""
        seeds = [(ref, ct) for ref, ct in zip(self.refs, cts) if ref is not None and ct is not None]
        return pull(self.tape, seeds, range(len(self.call.primals)), lead, careful)

    def pullback(self, cotangent: Any) -> Any:
        """Cotangents of the arguments for one of the result, each in its containers."""
        leaves, structure = flatten(cotangent)
        if structure != self.structure or len(leaves) != len(self.values):
            raise StructureError(
                f"{self.call.verb}: the cotangent is not structured as the result: "
                + difference(cotangent, self.structure, "the cotangent"),
                why=f"result: {self.structure or 'one array'}; cotangent: {structure or 'one array'}",
                hint="give one cotangent for each array of the result, in the same containers",
            )
        names = paths(self.structure)
        cts = [
            ct if ref is None else fitting(ct, v, f"{self.call.verb}: the cotangent{path}")
            for ct, v, ref, path in zip(leaves, self.values, self.refs, names)
        ]
        with np.errstate(all="ignore"):
            return self.call.pack(self.pull(cts))

    def out(self) -> Any:
        """The result, plain again."""
        return unflatten(self.structure, [fresh(v) for v in self.values])


def _like(ct: Any) -> Any:
    """The cotangent of an argument without axes is a number."""
    return ct[()] if type(ct) is ndarray and not ct.ndim else ct


def _record(verb: str, f: Callable[..., Any], primals: Sequence[Any], has_aux: bool = False) -> Recording:
    """The recording of a function of all its positional arguments."""
    with np.errstate(all="ignore"):
        return Recording(Call(verb, f, primals, tuple(range(len(primals)))), has_aux)


def _kept(primals: Sequence[Any]) -> tuple[Any, ...]:
    """Copies of the caller's arrays, for derivatives that are used after the call."""
    leaves, structure = flatten(tuple(primals))
    return unflatten(structure, copies(leaves))


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False, checkpoint: Any = None) -> Any:
    """Value and pullback.

    Parameters
    ----------
    f : callable
    *primals
        The arguments, nested containers of floats and arrays.
    has_aux : bool
        ``f`` returns ``(result, aux)``.
    checkpoint : int, tuple of int, "sqrt" or "cbrt"
        Of an ``@njit`` function: what reverse mode keeps of its loops, see `value_and_grad`.

    Returns
    -------
    out
        The result.
    pullback : callable
        ``pullback(ct)`` takes a cotangent structured and shaped as the result and gives a tuple
        with one cotangent for each primal: the adjoint of the jvp under ``Re(sum(conj(a)*b))``, which for
        real numbers is the transpose.
    aux
        With ``has_aux``.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> out, pullback = dg.vjp(lambda a, b: a * b, 2.0, 3.0)
    >>> pullback(1.0)
    (np.float64(3.0), np.float64(2.0))
    """
    f = with_checkpoints("vjp", f, checkpoint)
    if is_kernel(f):
        back = kernel_route("pullback", f)
        kept = _kept(primals)
        return value_of(f, primals), lambda ct: back(kept, ct)[1]
    recording = _record("vjp", f, _kept(primals), has_aux)
    found = recording.out(), recording.pullback
    return (*found, recording.aux) if has_aux else found


def linearize(f: Callable[..., Any], *primals: Any, has_aux: bool = False, checkpoint: Any = None) -> Any:
    """Value, and the derivative as a linear map that can be applied again and again, transposed, and printed.

    Parameters as of `vjp`.

    Returns
    -------
    out
        The result.
    lin : LinearMap
        ``lin(*tangents)``, ``lin.T(ct)``, ``lin @ flat``; ``print(lin)`` shows the linear program.
    aux
        With ``has_aux``.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> out, lin = dg.linearize(np.sin, 0.0)
    >>> lin(2.0), lin.T(3.0)
    (np.float64(2.0), (np.float64(3.0),))
    """
    f = with_checkpoints("linearize", f, checkpoint)
    if is_kernel(f):
        f = kernel_route("kernel", f)
    recording = _record("linearize", f, _kept(primals), has_aux)
    found = recording.out(), LinearMap(recording, getattr(f, "__name__", "f"))
    return (*found, recording.aux) if has_aux else found


def pullback(f: Callable[..., Any], *, checkpoint: Any = None) -> Callable[[Sequence[Any], Any], Any]:
    """``pullback(f)(primals, ct)`` gives ``(out, cotangents)``: a vjp as a function of the point.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.pullback(np.exp)((0.0,), 3.0)
    (np.float64(1.0), (np.float64(3.0),))
    """
    f = with_checkpoints("pullback", f, checkpoint)
    if is_kernel(f):
        return kernel_route("pullback", f)

    @wraps(f, updated=())
    def pulled(primals: Sequence[Any], cotangents: Any) -> Any:
        recording = _record("pullback", f, tuple(primals))
        return recording.out(), recording.pullback(cotangents)

    return pulled


def value_and_grad(
    f: Callable[..., Any],
    argnums: Any = 0,
    has_aux: bool = False,
    *,
    holomorphic: bool = False,
    checkpoint: Any = None,
) -> Callable[..., Any]:
    """A function that gives ``(value, gradient)`` of a real scalar-valued function.

    The gradient by a complex argument z = x + iy is ``∂f/∂x + i ∂f/∂y``, the direction of steepest ascent: that of
    ``abs(z)**2`` is ``2*z``.

    Parameters
    ----------
    f : callable
        Returns one real number (or ``(number, aux)`` with ``has_aux``).
    argnums : int or tuple of int
        The arguments to differentiate by.
    has_aux : bool
        The result is ``((value, aux), gradient)``.
    holomorphic : bool
        ``f`` takes complex numbers to a complex number, and the complex derivative is wanted.
    checkpoint : int, tuple of int, "sqrt" or "cbrt"
        For an ``@njit`` function with long loops: reverse mode keeps the state before every so many turns and runs the
        turns between again, see `checkpoint`.

    Returns
    -------
    callable
        The gradient has exactly the structure, shapes and dtypes of the arguments.

    Raises
    ------
    StructureError
        If the result is not one real number; with ``holomorphic``, if it is not complex or the function not
        holomorphic at this point.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """
    f = with_checkpoints("value_and_grad", f, checkpoint)
    if is_kernel(f):
        return kernel_route("value_and_grad", f, argnums=argnums, has_aux=has_aux, holomorphic=holomorphic)

    @wraps(f, updated=())
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        value, gradient, aux = _gradient(f, args, kwargs, argnums, has_aux, holomorphic)
        return ((value, aux), gradient) if has_aux else (value, gradient)

    return value_and_gradient


def grad(
    f: Callable[..., Any],
    argnums: Any = 0,
    has_aux: bool = False,
    *,
    holomorphic: bool = False,
    checkpoint: Any = None,
) -> Callable[..., Any]:
    """The gradient of a real scalar-valued function; parameters as in `value_and_grad`.

    Returns
    -------
    callable
        With ``has_aux`` it gives ``(gradient, aux)``.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(np.tanh)(0.0)
    np.float64(1.0)
    >>> dg.grad(lambda z: abs(z) ** 2)(3 + 4j)
    np.complex128(6+8j)
    """
    f = with_checkpoints("grad", f, checkpoint)
    if is_kernel(f):
        return kernel_route("grad", f, argnums=argnums, has_aux=has_aux, holomorphic=holomorphic)

    @wraps(f, updated=())
    def gradient(*args: Any, **kwargs: Any) -> Any:
        _, found, aux = _gradient(f, args, kwargs, argnums, has_aux, holomorphic)
        return (found, aux) if has_aux else found

    return gradient


def _gradient(f: Callable[..., Any], args: Any, kwargs: Any, argnums: Any, has_aux: bool, holomorphic: bool) -> Any:
    with np.errstate(all="ignore"):
        call = Call("grad", f, args, argnums, kwargs)
        recording = Recording(call, has_aux)
        value = _one_number(recording, holomorphic)
        if holomorphic:
            return value, rows(recording, None, True), recording.aux
        seed = ONE if type(value) is np.float64 else value.dtype.type(1)
        return value, call.pack(recording.pull([seed])), recording.aux


def _one_number(recording: Recording, holomorphic: bool) -> Any:
    value: Any = recording.values[0] if recording.values else None
    if recording.structure is None and (type(value) is np.float64 or np.shape(value) == ()):
        if type(value) is not np.float64 and is_complex(value) and not holomorphic:
            raise StructureError(
                "grad: the function must return one real number, it returned a complex one",
                why="a gradient is the direction of steepest ascent, and complex numbers have no order",
                hint="say holomorphic=True for the derivative of a holomorphic function of complex numbers, "
                "use dg.jacobian for a function of real ones, or return a real number such as abs(z)",
            )
        return value if hasattr(value, "dtype") else np.float64(value)
    shapes = ", ".join(str(np.shape(v)) for v in recording.values)
    raise StructureError(
        "grad: the function must return one real number, it returned "
        + (f"shape {shapes}" if recording.structure is None else f"a container, of shapes {shapes}"),
        why="a gradient is the derivative of a scalar",
        hint="use dg.jacobian for arrays, sum the result, or return (number, aux) with has_aux=True",
    )


def jacrev(
    f: Callable[..., Any],
    argnums: Any = 0,
    has_aux: bool = False,
    *,
    holomorphic: bool = False,
    chunk: int | None = None,
    executor: Any = None,
    checkpoint: Any = None,
) -> Callable[..., Any]:
    """The Jacobian by reverse mode: one recording, one pull with a cotangent for every entry of the result.

    Parameters, results and errors as of `jacobian`.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.jacrev(np.sum)(np.array([1.0, 2.0]))
    array([1., 1.])
    """
    f = in_pieces(with_checkpoints("jacrev", f, checkpoint), chunk, executor)
    if is_kernel(f):
        options = {"has_aux": has_aux, "holomorphic": holomorphic, "chunk": chunk, "executor": executor}
        return kernel_route("jacobian", f, argnums=argnums, mode="rev", **options)

    @wraps(f, updated=())
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        with np.errstate(all="ignore"):
            recording = Recording(Call("jacrev", f, args, argnums, kwargs), has_aux)
            found = rows(recording, chunk, holomorphic, executor)
        return (found, recording.aux) if has_aux else found

    return jacobian


def rows(recording: Recording, chunk: int | None = None, holomorphic: bool = False, executor: Any = None) -> Any:
    """The Jacobian of a recording, row by row."""
    call, task = recording.call, _Rows(recording, holomorphic)
    check_fields(call.verb, call.primals, recording.values, holomorphic)
    basis, live = task.basis, task.live
    parts = over(executor, task, pieces(basis.size, chunk, executor))
    whole = [np.concatenate(p) if len(p) > 1 else p[0] for p in zip(*parts)]
    if holomorphic and whole:
        _check_along_i(recording, whole)
        whole = [np.conj(w) for w in whole]
    blocks = []
    for k, v in enumerate(recording.values):
        found = [basis.block(w, live.index(k)) for w in whole] if whole and k in live else [None] * len(call.primals)
        blocks.append(call.pack([_block(w, np.shape(v), p) for w, p in zip(found, call.primals)]))
    return unflatten(recording.structure, blocks)


class _Rows:
    """Rows of the Jacobian of a recording; another process gets the call and records it again."""

    def __init__(self, recording: Recording, holomorphic: bool):
        self.recording, self.holomorphic = recording, holomorphic
        self.live = [k for k, ref in enumerate(recording.refs) if ref is not None]
        self.basis = Basis([recording.values[k] for k in self.live], holomorphic)

    def __call__(self, piece: range) -> list[Any]:
        seeds: list[Any] = [None] * len(self.recording.refs)
        for n, seed in zip(self.live, self.basis.seeds(piece)):
            seeds[n] = seed
        careful = [None if s is None else Masked(s, s != 0) for s in seeds]
        with np.errstate(all="ignore"):
            return self.recording.pull(seeds, len(piece), careful)

    def __reduce__(self) -> Any:
        return _rows_again, (self.recording.call, self.recording.has_aux, self.holomorphic)


def _rows_again(call: Call, has_aux: bool, holomorphic: bool) -> _Rows:
    with np.errstate(all="ignore"):
        return _Rows(Recording(call, has_aux), holomorphic)


def _block(found: Any, shape: Any, primal: Any) -> Any:
    if found is None:
        return zeros_beside(primal, shape)
    block = np.reshape(found, (*shape, *primal.shape))
    return fresh(block) if block.ndim else block[()]


def _check_along_i(recording: Recording, found: list[Any]) -> None:
    """The pullback of i in all entries at once must be i times the sum of the rows."""
    seeds = [np.full(np.shape(v), 1j, v.dtype)[()] for v in recording.values]
    along_i = recording.pull(seeds)
    bound = largest([np.sum(np.abs(plain(w)), 0) for w in found])
    require_holomorphic(recording.call.verb, along_i, [np.sum(w, 0) for w in found], bound)
