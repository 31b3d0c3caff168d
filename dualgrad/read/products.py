"""Products of vectors and matrices, and linear algebra, whose kernels are in `library`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from dualgrad.core.program import Atom, Const, const
from dualgrad.core.words import WORDS

from . import library
from .arguments import FLOAT, arguments, array, values
from .making import MAKING, astype, fill, ravel, raveled, widened
from .reductions import REDUCTIONS
from .values import Array, Value
from .views import ZERO

SMALL = 6  # matrices up to here are multiplied by loops, which see their lengths


def matmul(r: Any, node: ast.AST, a: Value, b: Value) -> Value:
    """``a @ b`` of vectors and matrices."""
    if not isinstance(a, Array) or not isinstance(b, Array):
        r.source.refuse(node, "no matrix")
    ranks = len(a.axes), len(b.axes)
    if max(ranks) > 2:
        r.source.refuse(node, "no matrix")
    a, b = (v if ranks == (1, 1) else r.settled(v) for v in (a, b))
    n = r.agreed(node, r.length(a, len(a.axes) - 1), r.length(b, 0))
    dtype = np.result_type(a.type.dtype, b.type.dtype).name
    nought = r.cast(const(0), dtype)
    if ranks == (1, 1):
        return r.folded((n,), nought, lambda t, k: r.b.add(t, r.b.mul(r.entry(a, k), r.entry(b, k))))
    if ranks == (2, 1):  # a number for each row
        return r.expression((r.length(a, 0),), lambda i: r.folded((n,), nought, lambda t, k: r.b.add(
            t, r.b.mul(r.entry(a, (*i, *k)), r.entry(b, k)))), a, b)  # fmt: skip
    if ranks == (2, 2) and worth_a_call(n, *r.shape(a), *r.shape(b)) and dtype in ("float64", "float32"):
        return product(r, node, a, b, dtype)
    outer = r.shape(a)[:-1]
    new = r.zeros((*outer, r.length(b, 1)), dtype)

    def add(index: Sequence[Atom]) -> None:  # the rows of b are added up: the innermost loop runs along memory
        *i, k, j = index
        r.put(new, (*i, j), r.b.mul(r.entry(a, (*i, k)), r.entry(b, (k, j))), accumulate=True)

    r.loops((*outer, n, r.length(b, 1)), add)
    return new


def worth_a_call(*lengths: Atom) -> bool:
    """Whether a product of matrices may be large: nothing is known of some length, or all are."""
    return not all(isinstance(n, Const) and n.value <= SMALL for n in lengths)


def product(r: Any, node: Any, a: Array, b: Array, dtype: str) -> Array:
    """A product of matrices as one word; a transposed factor is read where it lies."""
    r.same_length(node, r.length(a, 1), r.length(b, 0))
    flipped = is_flipped(b), is_flipped(a)
    if all(flipped):
        a, flipped = r.fresh(a), (True, False)
    left, right = (r.transposed(v) if flip else v for v, flip in zip((a, b), reversed(flipped), strict=True))
    factors = [in_memory(r, v, dtype).var for v in (left, right)]
    name = {(False, False): "dot", (True, False): "dot_nt", (False, True): "dot_tn"}[flipped]
    return r.made(r.b.emit(WORDS[name], *factors, name="product"), (r.length(a, 0), r.length(b, 1)))


def is_flipped(v: Array) -> bool:
    """Whether an array is the transpose of what lies in memory."""
    return v.is_memory and not v.is_whole and Array(v.source, v.offsets, v.axes[::-1]).is_whole


def in_memory(r: Any, v: Array, dtype: str) -> Array:
    """All of a variable, a copy if need be."""
    return v if v.is_memory and v.is_whole and v.type.dtype == dtype else r.fresh(v, dtype)


def dot(r: Any, node: ast.Call) -> Value:
    a, b = values(r, node, "a b")
    if isinstance(a, Array) and isinstance(b, Array):
        return matmul(r, node, a, b)
    return r.elementwise(node, "mul", a, b)


def outer(r: Any, node: ast.Call) -> Array:
    a, b = (v if len(v.axes) == 1 else raveled(r, node, v, True) for v in values(r, node, "a b"))
    return r.elementwise(node, "mul", widened(r, node, a, 1), widened(r, node, b, 0))


def conjugate(r: Any, node: ast.Call) -> Value:
    (z,) = values(r, node, "z")
    return r.elementwise(node, "conj", z)


# Kernels of the library


def solve(r: Any, node: ast.Call) -> Array:
    a, b = map(partial(as_floats, r), values(r, node, "a b"))
    if len(b.axes) == 1:
        found = r.inline(node, library.solve, [square(r, node, a), widened(r, node, b, 1)])
        return r.part(found, [None, ZERO])
    return r.inline(node, library.solve, [square(r, node, a), b])


def as_floats(r: Any, v: Value) -> Array:
    return v if v.type.differentiable else r.fresh(v, FLOAT)


def square(r: Any, node: ast.AST, v: Array) -> Array:
    """A matrix with as many rows as columns."""
    if len(v.axes) != 2:
        r.source.refuse(node, "no matrix")
    n = r.agreed(node, *r.shape(v))
    return v if n == r.length(v, 0) else Array(v.source, v.offsets, tuple(axis._replace(count=n) for axis in v.axes))


def inverse(r: Any, node: ast.Call) -> Array:
    a = square(r, node, as_floats(r, array(r, arguments(r, node, "a")["a"], 2)))
    n = r.length(a, 0)
    one, nought = (r.cast(const(v), a.type.dtype) for v in (1.0, 0.0))
    return r.inline(node, library.solve, [a, r.expression((n, n), lambda k: r.b.where(r.b.eq(*k), one, nought))])


def of_matrix(r: Any, node: ast.Call, f: Any) -> Value:
    return r.inline(node, f, [square(r, node, as_floats(r, array(r, arguments(r, node, "a")["a"], 2)))])


def of_vector(r: Any, node: ast.Call, f: Any) -> Value:
    v = array(r, arguments(r, node, "a")["a"])
    return r.inline(node, f, [v if len(v.axes) == 1 else raveled(r, node, v, True)])


def interp(r: Any, node: ast.Call) -> Value:
    x, points, heights = values(r, node, "x xp fp")
    points, heights = r.settled(points), r.settled(heights)

    def at(x: Atom) -> Atom:
        return r.inline(node, library.interp, [x, points, heights])

    return r.mapped(node, at, x) if isinstance(x, Array) else at(x)


def require(r: Any, node: ast.Call) -> Atom:
    """`library.require`, which the program does itself."""
    index, ok = arguments(r, node, "index ok").values()
    user = r.user()
    line = user.source.text.get(user.line, "").strip()
    message = f"{user.source.name}: a matrix is singular, or not positive definite, in {line}"
    return r.checked(r.atom(index), r.truth(ok), message, "np.linalg.LinAlgError")


FUNCTIONS: dict[Any, Callable[..., Value]] = {
    **MAKING, **REDUCTIONS,
    np.dot: dot, np.vdot: dot, np.matmul: dot, np.outer: outer, np.linalg.solve: solve, np.linalg.inv: inverse,
    np.linalg.det: partial(of_matrix, f=library.det), np.linalg.cholesky: partial(of_matrix, f=library.cholesky),
    np.sort: partial(of_vector, f=library.sort), np.median: partial(of_vector, f=library.median), np.interp: interp,
    library.require: require,
}  # fmt: skip

METHODS: dict[str, Callable[..., Value]] = {
    **{f.__name__: FUNCTIONS[f] for f in (
        np.sum, np.prod, np.mean, np.var, np.std, np.max, np.min, np.argmax, np.argmin, np.any, np.all,
        np.copy, np.reshape, np.ravel, np.transpose, np.cumsum, np.cumprod, np.dot,
    )},
    "flatten": partial(ravel, copies=True), "astype": astype, "fill": fill,
    "conj": conjugate, "conjugate": conjugate,
}  # fmt: skip
