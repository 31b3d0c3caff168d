"""``np.linalg``: systems, determinants, inverses and factorizations, said with the implicit words.

The words take stacks of matrices of one stack; here NumPy's vectors, broadcasting, triangles and options become that.
A factorization is computed once, from the plain matrix, and its parts are given to the words.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Literal

import numpy as np

from dualgrad.core.errors import GaugeError
from dualgrad.core.words import WORDS

from ..array import wrap
from ..number import Number, apply, plain
from ..undefined import through, undefined
from .complex import squared
from .making import chosen, operand
from .table import DISCRETE, F, mapped, means, only_buffers, unsupported, unwrapped

Triangle = Literal["L", "U", "l", "u"]


def of_matrices(*functions: Any) -> Callable[[F], F]:
    """Enter the meaning of functions whose results may have no derivative: without numbers they are NumPy's own."""

    def enter(f: F) -> F:
        @wraps(f)
        def meaning(*args: Any, **options: Any) -> Any:
            if not only_buffers((*args, *options.values())):
                return f(*args, **options)
            found = functions[0](*mapped(unwrapped, args), **{k: unwrapped(v) for k, v in options.items()})
            if not isinstance(found, tuple):
                return wrap(found)
            parts = map(wrap, found)
            return type(found)(*parts) if hasattr(found, "_fields") else tuple(parts)

        return means(*functions)(meaning)  # type: ignore[return-value]

    return enter


def word(name: str, *args: Any) -> Any:
    """A word of matrices; a part whose derivative does not exist raises only when it is used."""
    try:
        return apply(WORDS[name], *args)
    except GaugeError as error:
        return undefined(apply(WORDS[name], *map(plain, args)), error)


def mT(a: Any) -> Any:
    return np.swapaxes(a, -1, -2)


def adjoint(a: Any) -> Any:
    return np.conjugate(mT(a)) if a.dtype.kind == "c" else mT(a)


def symmetrized(a: Any, lower: bool = True) -> Any:
    """The symmetric (Hermitian) matrix that a function sees which reads one triangle."""
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    triangle = np.tri(a.shape[-1], dtype=bool)
    whole = chosen(triangle if lower else triangle.T, a, adjoint(a))
    return chosen(np.eye(a.shape[-1], dtype=bool), np.real(a), whole) if a.dtype.kind == "c" else whole


# Where there is no derivative


def spoiled(found: Any, bad: Any, by: Any, value: Any = None) -> Any:
    """The same numbers; the derivative of those that are ``bad`` is NaN, as far as it comes from ``by``."""
    if not np.any(bad):
        return found
    zero = np.power(1.0, by * np.nan) - 1.0
    return chosen(bad, (plain(found) if value is None else value) + zero, found)


def of_finite(found: Any, a: Any) -> Any:
    """What was found from each of a stack of matrices; of one with infinities or NaN its derivative is NaN."""
    if np.all(np.isfinite(plain(a))):
        return found
    whole = (*a.shape[:-2], *(1,) * (np.ndim(found) + 2 - a.ndim))
    bad = ~np.reshape(np.all(np.isfinite(plain(a)), axis=(-2, -1)), whole)
    return spoiled(found, bad, np.reshape(np.sum(parts_of(a), axis=(-2, -1)), whole))


def negligible(w: Any) -> Any:
    """What is rounding beside the largest of these values."""
    value = np.abs(plain(w))
    size = np.max(value, axis=-1, keepdims=True, initial=0.0)
    return size * (4 * value.shape[-1] * np.finfo(value.dtype).eps)


def alone(w: Any, singular: bool = False) -> Any:
    """Values without their vectors: those that agree share their derivatives; a singular value has none at zero.

    Zero is the mean of both sides there, and the second derivative is infinite.
    """
    value, size = plain(w), negligible(w)
    n = value.shape[-1]
    same = np.abs(value[..., :, None] - value[..., None, :]) <= size[..., None]
    zero = (np.abs(value) <= size) & singular
    if np.count_nonzero(same) == value.size and not np.any(zero) or not np.all(np.isfinite(value)):
        return w
    for _ in range(n.bit_length()):
        same = same @ same
    share = (same / np.maximum(np.sum(same, -1, keepdims=True), 1) * ~zero[..., None]).astype(value.dtype)
    change = w - value
    found = value + (share @ change[..., None])[..., 0]
    return found + chosen(zero, np.power(change, 1.5), 0.0) if np.any(zero) else found


def dependent(a: Any, r: Any, columns: int) -> bool:
    """Whether one of the first columns depends on those before it; ``r`` is the triangle of a factorization."""
    columns = max(0, min(columns, r.shape[-2]))
    left = np.abs(np.diagonal(r, axis1=-2, axis2=-1))[..., :columns]
    length = np.max(np.abs(a), axis=-2, initial=0.0)[..., :columns]
    return bool(np.any((length < np.inf) & (left <= length * (4 * max(a.shape[-2:]) * np.finfo(length.dtype).eps))))


# Systems and inverses


@of_matrices(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    a, b = operand(a), operand(b)
    if np.ndim(b) == 1:
        return solve(a, b[:, None])[..., 0]
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = np.broadcast_to(a, (*stack, *a.shape[-2:])), np.broadcast_to(b, (*stack, *b.shape[-2:]))
    found = word("solve", a, b)
    if isinstance(a, Number) and not np.all(np.isfinite(plain(found))):
        bad = ~np.all(np.isfinite(plain(found)), axis=(-2, -1), keepdims=True)
        found = spoiled(found, bad, np.sum(parts_of(a), axis=(-2, -1), keepdims=True))
    return found


def parts_of(a: Any) -> Any:
    """A real number that changes with both parts of a complex one."""
    return np.real(a) + np.imag(a) if a.dtype.kind == "c" else a


@of_matrices(np.linalg.inv)
def inv(a: Any) -> Any:
    return word("inv", operand(a))


@of_matrices(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    a, b = operand(a), operand(b)
    if axes is not None:
        kept = [k for k in range(a.ndim) if k not in axes]
        a = np.transpose(a, [*kept, *axes])
    rest = a.shape[np.ndim(b) - a.ndim :]
    n = int(np.prod(rest))
    return np.reshape(solve(np.reshape(a, (n, n)), np.reshape(b, (n,))), rest)


@of_matrices(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    n = int(np.prod(a.shape[ind:]))
    return np.reshape(inv(np.reshape(a, (n, n))), (*a.shape[ind:], *a.shape[:ind]))


@of_matrices(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """The derivative along matrices of the same rank: across a change of rank the pseudo-inverse jumps."""
    a, options = operand(a), {} if rtol is None else {"rtol": rtol}
    a = symmetrized(a) if hermitian and np.size(a) else a
    return word("pinv_of", a, np.linalg.pinv(plain(a), *(() if rcond is None else (rcond,)), **options))


@of_matrices(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """By the pseudo-inverse."""
    a, b = operand(a), operand(b)
    _, residuals, rank, s = np.linalg.lstsq(plain(a), plain(b), rcond)
    rtol = np.finfo(s.dtype).eps * max(a.shape) if rcond is None else np.finfo(s.dtype).eps if rcond == -1 else rcond
    x = pinv(a, rtol) @ b
    if residuals.size:
        left = b - a @ x
        residuals = np.reshape(np.sum(squared(left), axis=0), residuals.shape)
    return x, residuals, rank, svdvals(a)


# Determinants


@of_matrices(np.linalg.det)
def det(a: Any) -> Any:
    """Where the matrix is singular or nearly so, its small part is split off and expanded without division."""
    a = operand(a)
    if not np.all(np.isfinite(plain(a))) or a.shape[-1] == 0 or not _nearly_singular(plain(a)):
        return of_finite(word("det", a), a)
    u, s, vh = np.linalg.svd(plain(a))
    small = int(np.max(np.count_nonzero(s <= 1e-7 * s[..., :1], axis=-1)))
    sign = np.linalg.det(u) * np.linalg.det(vh)
    turned = adjoint(u) @ a @ adjoint(vh)
    r = a.shape[-1] - small
    regular, column, row = turned[..., :r, :r], turned[..., :r, r:], turned[..., r:, :r]
    rest = turned[..., r:, r:]
    if r == 0:
        return sign * polynomial_det(rest)
    return sign * word("det", regular) * polynomial_det(rest - row @ solve(regular, column))


def _nearly_singular(a: Any) -> bool:
    try:
        return not bool(np.all(np.linalg.cond(a, 1) < 1e7))
    except np.linalg.LinAlgError:
        return True


def polynomial_det(a: Any) -> Any:
    """The determinant by Faddeev and LeVerrier: a polynomial of the entries, right to all orders at any matrix."""
    n, unit = a.shape[-1], np.eye(a.shape[-1], dtype=a.dtype)
    m, c = unit, np.ones((), a.dtype)
    for k in range(1, n + 1):
        m = a @ m
        c = np.trace(m, axis1=-2, axis2=-1) * (-1.0 / k)
        m = m + c[..., None, None] * unit
    return c * (-1.0) ** n


@of_matrices(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    a = operand(a)
    found = np.linalg.slogdet(plain(a))
    bad = ~(found.logabsdet > -np.inf)
    change = np.sum(parts_of(a), axis=(-2, -1)) if np.any(bad) else None
    if change is not None:
        a = chosen(bad[..., None, None], np.eye(a.shape[-1], dtype=a.dtype), a)
    if a.dtype.kind != "c":
        return type(found)(found.sign, spoiled(word("log_abs_det", a), bad, change, found.logabsdet))
    log = word("log_det", a)
    sign = spoiled(np.exp(1j * np.imag(log)), bad, change, found.sign)
    return type(found)(sign, spoiled(np.real(log), bad, change, found.logabsdet))


# Factorizations


@of_matrices(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """Reads one triangle, and is differentiated as a function of that triangle."""
    factor = word("cholesky", symmetrized(operand(a), not upper))
    return adjoint(factor) if upper else factor


@of_matrices(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """Of a wide matrix the left square decides; the rest of R follows from it."""
    a = operand(a)
    m, n = a.shape[-2:]
    if mode == "raw" or mode not in ("reduced", "complete", "r"):
        raise unsupported(f"np.linalg.qr with mode={mode!r}", "use mode='reduced'")
    found = np.linalg.qr(plain(a))
    square = a[..., :, :m] if m < n else a
    parts = found.Q, np.ascontiguousarray(found.R[..., :, :m])
    if dependent(plain(square), parts[1], n if m > n or a.dtype.kind == "c" else m - 1):
        q, r = (undefined(part, dependence("np.linalg.qr")) for part in found)
    else:
        q, r = word("qr_q", square, *parts), word("qr_r", square, *parts)
        if m < n:
            r = np.concatenate([r, adjoint(q) @ a[..., :, m:]], axis=-1)
    if mode == "r":
        return r
    if mode == "complete" and m > n:
        return _complete(a, r)
    return type(found)(q, r)


def dependence(name: str) -> GaugeError:
    """The error of a factorization that goes column by column."""
    return GaugeError(
        f"{name} of a matrix with a column that depends on those before it has no derivative",
        why="the next column of the left factor is then any one that is orthogonal to them (its gauge), or a choice "
        "of pivots",
        hint="leave the column out, use np.linalg.pinv or lstsq (along matrices of one rank), or add a multiple of "
        "the identity",
    )


def _complete(a: Any, r: Any) -> Any:
    found = np.linalg.qr(plain(a), "complete")
    zeros = np.zeros((*a.shape[:-2], a.shape[-2] - a.shape[-1], a.shape[-1]), a.dtype)
    error = GaugeError(
        "np.linalg.qr with mode='complete': Q of a tall matrix has no derivative",
        why="its last columns are any orthonormal basis of a complement (their gauge)",
        hint="use mode='reduced'",
    )
    return type(found)(undefined(found.Q, error), np.concatenate([r, zeros], axis=-2))


@of_matrices(np.linalg.eigh)
def eigh(a: Any, UPLO: Triangle = "L") -> Any:
    """Reads one triangle, and is differentiated as a function of that triangle."""
    a = symmetrized(operand(a), UPLO.upper() == "L")
    found = np.linalg.eigh(plain(a), UPLO)
    values, vectors = hermitian_parts(a, *found)
    return type(found)(values, vectors)


@of_matrices(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: Triangle = "L") -> Any:
    a = symmetrized(operand(a), UPLO.upper() == "L")
    return alone(hermitian_parts(a, *np.linalg.eigh(plain(a), UPLO))[0])


def hermitian_parts(a: Any, w: Any, v: Any) -> tuple[Any, Any]:
    """Eigenvalues, which are real, and vectors of a Hermitian matrix, from their plain values."""
    parts = w.astype(a.dtype), v
    vectors = word("eigh_phased" if a.dtype.kind == "c" else "eigh_vectors", a, *parts)
    return of_finite(np.real(word("eigh_values", a, *parts)), a), vectors


@of_matrices(np.linalg.eig)
def eig(a: Any) -> Any:
    a = operand(a)
    found = np.linalg.eig(plain(a))
    if _defective(found.eigenvectors):
        return type(found)(*(undefined(part, _defect()) for part in found))
    return type(found)(word("eig_values", a, *found), word("eig_vectors", a, *found))


@of_matrices(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    a = operand(a)
    found = np.linalg.eig(plain(a))
    if _defective(found.eigenvectors):
        return undefined(found.eigenvalues, _defect())
    return alone(word("eig_values", a, *found))


def _defective(v: Any) -> bool:
    """Whether there are fewer vectors than columns."""
    return bool(v.size) and not np.all(np.linalg.cond(v, 1) < 0.01 / np.finfo(v.dtype).eps)


def _defect() -> GaugeError:
    return GaugeError(
        "eigenvalues and vectors of a defective matrix have no derivative",
        why="it has fewer eigenvectors than rows; a change of size t moves its eigenvalues by a root of t",
        hint="use a function of the matrix without them (its trace, np.linalg.matrix_power, dg.scipy.linalg.expm)",
    )


@of_matrices(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    a = operand(a)
    if hermitian:
        return _svd_of_hermitian(a, compute_uv)
    found = np.linalg.svd(plain(a), full_matrices)
    m, n = a.shape[-2:]
    if m < n:
        values, long, short = _tall_svd(adjoint(a), adjoint(found.Vh), found.S, found.U, compute_uv)
        return type(found)(short, values, through(adjoint, long)) if compute_uv else values
    values, long, short = _tall_svd(a, found.U, found.S, adjoint(found.Vh), compute_uv)
    return type(found)(long, values, through(adjoint, short)) if compute_uv else values


def _svd_of_hermitian(a: Any, vectors: bool) -> Any:
    """From the eigenvalues, by their size; the signs go to the right factor."""
    if not vectors:
        return np.sort(np.abs(eigvalsh(a)), axis=-1)[..., ::-1]
    w, v = eigh(a)
    order = np.argsort(np.abs(plain(w)), axis=-1)[..., ::-1]
    w, v = np.take_along_axis(w, order, axis=-1), np.take_along_axis(v, order[..., None, :], axis=-1)
    found = np.linalg.svd(np.eye(1))
    return type(found)(v, np.abs(w), adjoint(v * np.sign(plain(w))[..., None, :]))


def _tall_svd(a: Any, u: Any, s: Any, v: Any, vectors: bool) -> tuple[Any, Any, Any]:
    """Values, left and right vectors of a matrix with at least as many rows as columns."""
    m, n = a.shape[-2:]
    parts = u[..., :n], s.astype(a.dtype), v
    values = of_finite(np.real(word("svd_values", a, *parts)), a)
    if not vectors:
        return alone(values, singular=True), None, None
    if a.dtype.kind == "c":
        return _complex_pairs(a, u, s, v, values)
    short = word("svd_short", a, *parts)
    if m == n:
        return values, word("svd_short", mT(a), v, s, u), short
    return values, word("svd_long", a, *parts) if u.shape[-1] == n else undefined(u, _complement()), short


def _complex_pairs(a: Any, u: Any, s: Any, v: Any, values: Any) -> tuple[Any, Any, Any]:
    """Both vectors of a pair have one phase; at the value zero each has its own."""
    parts = u[..., : s.shape[-1]], s.astype(a.dtype), v
    if np.any(s <= negligible(s)):
        error = GaugeError(
            "np.linalg.svd of a complex matrix with the singular value zero: its vectors have no derivative",
            why="there the phases of the left and of the right vector are free, each for itself (their gauge)",
            hint="use the values alone (np.linalg.svdvals), np.linalg.pinv, or np.linalg.eigh of a.conj().T @ a",
        )
        return values, undefined(u, error), undefined(v, error)
    long = word("svd_long_phased", a, *parts) if u.shape[-1] == s.shape[-1] else undefined(u, _complement())
    return values, long, word("svd_short_phased", a, *parts)


def _complement() -> GaugeError:
    return GaugeError(
        "np.linalg.svd with full_matrices=True: the larger factor of a matrix that is not square has no derivative",
        why="its last vectors are any orthonormal basis of a complement (their gauge)",
        hint="use full_matrices=False",
    )


@of_matrices(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    return svd(x, False, False)


DISCRETE |= {np.linalg.matrix_rank}
