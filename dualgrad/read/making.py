"""NumPy's functions that make, rearrange and join arrays, or choose between entries."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from dualgrad.core.program import Atom, Const, Type, const
from dualgrad.core.words import WORDS

from .arguments import FLOAT, arguments, array, axis_of, dtype_of, literal, shape_of, values
from .values import Array, Value
from .views import ONE, ZERO

# Arrays that are made


def buffer(r: Any, node: ast.Call, fill: float | None, like: bool) -> Array:
    """``np.zeros(shape, dtype)`` and its relatives; ``fill`` is None where it is an argument."""
    given = arguments(r, node, "shape dtype?" if fill is not None else "shape fill_value dtype?")
    model = r.value(given["shape"])
    value = r.atom(given["fill_value"]) if fill is None else const(fill)
    of_array = like and isinstance(model, Array)
    shape = r.shape(model) if of_array else shape_of(r, node, model)
    dtype = dtype_of(r, given, model.type.dtype if of_array else value.type.dtype)
    if not shape:
        r.source.refuse(node, "call arguments", reason="an array has one dimension or more")
    shape = tuple(map(r.steady, shape))
    return r.made(r.b.full(r.cast(value, dtype), *shape, dtype=dtype), shape)


def literal_array(r: Any, node: ast.Call) -> Array:
    """``np.array([a, b, c])`` of numbers, of lists of numbers, or a copy."""
    given = arguments(r, node, "object dtype?")
    content = given["object"]
    if not isinstance(content, (ast.List, ast.Tuple)):
        return r.fresh(array(r, content), dtype_of(r, given, ""))
    rows = [n.elts if isinstance(n, (ast.List, ast.Tuple)) else None for n in content.elts]
    if not rows or any((row is None) != (rows[0] is None) for row in rows) or len({len(x or ()) for x in rows}) > 1:
        r.source.refuse(node, "call arguments", reason="a list of numbers, or of lists of as many numbers, is known")
    flat = [n for row in rows for n in row or ()] if rows[0] is not None else content.elts
    atoms = [r.number(n, r.value(n)) for n in flat]
    dtype = dtype_of(r, given, np.result_type(*(a.type.dtype for a in atoms)).name)
    shape = (len(rows),) if rows[0] is None else (len(rows), len(rows[0]))
    new = r.zeros(tuple(map(const, shape)), dtype)
    for index, a in zip(np.ndindex(*shape), atoms, strict=True):
        r.put(new, tuple(map(const, index)), a)
    return new


def arange(r: Any, node: ast.Call) -> Array:
    given = arguments(r, node, "start stop? step? dtype?")
    start = r.atom(given["start"])
    stop = r.atom(given["stop"]) if "stop" in given else None
    step = r.atom(given["step"]) if "step" in given else ONE
    if stop is None:
        start, stop = ZERO, start
    if any(a.type.differentiable for a in (start, stop, step)):
        count = r.b.maximum(r.b.cast(r.b.ceil(r.b.div(r.b.sub(stop, start), step)), dtype="int64"), ZERO)
    else:
        count = r.b.length(start, stop, step)
    dtype = dtype_of(r, given, FLOAT if any(a.type.differentiable for a in (start, stop, step)) else "int64")
    return r.expression((count,), lambda k: r.cast(r.b.add(start, r.b.mul(k[0], step)), dtype))


def linspace(r: Any, node: ast.Call) -> Array:
    given = arguments(r, node, "start stop num?")
    start, stop = r.atom(given["start"]), r.atom(given["stop"])
    count = r.atom(given["num"]) if "num" in given else const(50)
    last = r.b.maximum(r.b.sub(count, 1), ONE)
    return r.expression(
        (count,), lambda k: r.b.add(r.cast(start, FLOAT), r.b.mul(r.b.sub(stop, start), r.b.div(k[0], last)))
    )


def eye(r: Any, node: ast.Call) -> Array:
    given = arguments(r, node, "N M? dtype?")
    n = r.atom(given["N"])
    m = r.atom(given["M"]) if "M" in given else n
    one, nought = (Const(v, Type(FLOAT)) for v in (1.0, 0.0))
    dtype = dtype_of(r, given, FLOAT)
    return r.expression((n, m), lambda k: r.cast(r.b.where(r.b.eq(*k), one, nought), dtype))


def copy(r: Any, node: ast.Call) -> Array:
    return r.fresh(array(r, arguments(r, node, "a")["a"]))


def same(r: Any, node: ast.Call) -> Array:
    """``np.asarray`` of an array is that array."""
    given = arguments(r, node, "a dtype?")
    if isinstance(given["a"], (ast.List, ast.Tuple)):
        return literal_array(r, node)
    found = array(r, given["a"])
    dtype = dtype_of(r, given, found.type.dtype)
    return found if dtype == found.type.dtype else r.fresh(found, dtype)


def contiguous(r: Any, node: ast.Call) -> Array:
    """A copy, where NumPy's may be the array itself (`Reader.guard` looks for writes)."""
    given = array(r, arguments(r, node, "a")["a"])
    new = r.fresh(given)
    if given.is_memory:
        r.guard(new.source, given.source)
    return new


def astype(r: Any, node: ast.Call) -> Array:
    given = arguments(r, node, "a dtype")
    return r.fresh(array(r, given["a"]), dtype_of(r, given, ""))


def fill(r: Any, node: ast.Call) -> None:
    given = arguments(r, node, "a value")
    target = array(r, given["a"])
    r.assign_into(node, target, r.atom(given["value"]))


# Arrays rearranged


def reshape(r: Any, node: ast.Call) -> Array:
    """A view of an array of one axis; of several axes a copy, which must not be written then."""
    given, *sizes = node.args
    flat = array(r, given)
    shape = shape_of(r, node, r.value(sizes[0]) if len(sizes) == 1 else tuple(map(r.value, sizes)))
    if len(flat.axes) > 1 or not flat.is_memory:
        flat = raveled(r, node, flat)
    return r.spread(node, flat, shape)


def ravel(r: Any, node: ast.Call, copies: bool) -> Array:
    given = array(r, arguments(r, node, "a")["a"])
    if len(given.axes) == 1:
        return r.fresh(given) if copies else given
    return raveled(r, node, given, copies)


def raveled(r: Any, node: ast.AST, given: Array, copies: bool = False) -> Array:
    """The entries in one row: new memory, where NumPy's may be a view (`Reader.guard` looks for writes)."""
    shape, size = r.shape(given), ONE
    for n in shape:
        size = r.b.mul(size, n)
    new = r.zeros((size,), given.type.dtype)
    rows = r.spread(node, new, shape) if len(shape) > 1 else new
    r.loops(shape, lambda k: r.put(rows, k, r.entry(given, k)))
    if not copies and given.is_memory:
        r.guard(new.source, given.source)
    return new


def transpose(r: Any, node: ast.Call) -> Array:
    return r.transposed(array(r, arguments(r, node, "a")["a"]))


def flip(r: Any, node: ast.Call) -> Array:
    given = arguments(r, node, "a axis?")
    found, axis = array(r, given["a"]), literal(r, node, given, "axis")
    down = ast.Slice(None, None, ast.copy_location(ast.Constant(-1), node))
    axes = [axis is None or k == axis_of(r, node, axis, len(found.axes)) for k in range(len(found.axes))]
    return r.subscripted(node, found, [down if turned else ast.Slice() for turned in axes])


def expand_dims(r: Any, node: ast.Call) -> Array:
    given = arguments(r, node, "a axis")
    found, axis = array(r, given["a"]), literal(r, node, given, "axis")
    places: list[Any] = [ast.Slice()] * len(found.axes)
    assert axis is not None  # the function requires it
    places.insert(axis_of(r, node, axis, len(places) + 1), None)
    return r.subscripted(node, found, places)


def roll(r: Any, node: ast.Call) -> Array:
    given = arguments(r, node, "a shift")
    (found, shift) = r.operands(*given.values())
    found = r.settled(found)
    n = r.length(found, 0)
    return r.expression((n,), lambda k: r.entry(found, (r.b.mod(r.b.sub(k[0], shift), n),)), found)


def diag(r: Any, node: ast.Call) -> Array:
    found = r.settled(array(r, arguments(r, node, "v")["v"]))
    if len(found.axes) == 2:
        return r.expression((diagonal_length(r, found),), lambda k: r.entry(found, (k[0], k[0])), found)
    n, nought = r.length(found, 0), r.cast(const(0), found.type.dtype)
    return r.expression((n, n), lambda k: r.b.where(r.b.eq(*k), r.entry(found, k[:1]), nought), found)


def diagonal_length(r: Any, found: Array) -> Atom:
    n, m = r.shape(found)
    return n if n == m else r.b.minimum(n, m)


def triangle(r: Any, node: ast.Call, keep: str) -> Array:
    """``np.tril`` and ``np.triu``."""
    given = arguments(r, node, "m k?")
    found, shift = array(r, given["m"], 2), r.atom(given["k"]) if "k" in given else ZERO
    nought = r.cast(const(0), found.type.dtype)

    def at(k: Any) -> Atom:
        return r.b.where(r.b.emit(WORDS[keep], r.b.sub(k[1], k[0]), shift), r.entry(found, k), nought)

    return r.expression(r.shape(found), at, found)


def diff(r: Any, node: ast.Call) -> Array:
    found = array(r, arguments(r, node, "a")["a"])
    *keep, last = [ast.Slice()] * len(found.axes)
    ends = [ast.copy_location(ast.Constant(k), node) for k in (1, -1)]
    after = r.subscripted(node, found, [*keep, ast.Slice(ends[0], None)])
    before = r.subscripted(node, found, [*keep, ast.Slice(None, ends[1])])
    return r.elementwise(node, "sub", after, before)


# Arrays joined


def parts(r: Any, node: ast.Call, names: str) -> tuple[list[Array], dict[str, ast.expr]]:
    """The arrays of a literal tuple or list."""
    given = arguments(r, node, names)
    first = next(iter(given.values()))
    if isinstance(first, (ast.Tuple, ast.List)):
        found = r.operands(*first.elts)
    else:
        value = r.value(first)
        found = (
            list(value)
            if type(value) is tuple
            else r.source.refuse(node, "call arguments", reason="a tuple of arrays is known")
        )
    if not found or not all(isinstance(v, Array) for v in found) or len({len(v.axes) for v in found}) > 1:
        r.source.refuse(node, "call arguments", reason="a tuple of arrays of one rank is known")
    return found, given


def joined(r: Any, node: ast.AST, arrays: Sequence[Array], axis: int) -> Array:
    """Arrays one after the other along an axis."""
    shapes = [r.shape(v) for v in arrays]
    shape = list(shapes[0])
    for other in shapes[1:]:
        for k, n in enumerate(other):
            shape[k] = r.b.add(shape[k], n) if k == axis else r.agreed(node, shape[k], n)
    new = r.zeros(shape, np.result_type(*(v.type.dtype for v in arrays)).name)
    start: Atom = ZERO
    for v, own in zip(arrays, shapes, strict=True):
        bounds = [n if k == axis else shape[k] for k, n in enumerate(own)]

        def write(index: Sequence[Atom], v: Array = v, start: Atom = start) -> None:
            r.put(new, [r.b.add(start, i) if k == axis else i for k, i in enumerate(index)], r.entry(v, index))

        r.loops(bounds, write)
        start = r.b.add(start, own[axis])
    return new


def concatenate(r: Any, node: ast.Call) -> Array:
    arrays, given = parts(r, node, "arrays axis?")
    return joined(r, node, arrays, axis_of(r, node, literal(r, node, given, "axis") or 0, len(arrays[0].axes)))


def stack(r: Any, node: ast.Call) -> Array:
    arrays, given = parts(r, node, "arrays axis?")
    axis = axis_of(r, node, literal(r, node, given, "axis") or 0, len(arrays[0].axes) + 1)
    return joined(r, node, [widened(r, node, v, axis) for v in arrays], axis)


def widened(r: Any, node: ast.AST, v: Array, axis: int) -> Array:
    places: list[Any] = [ast.Slice()] * len(v.axes)
    places.insert(axis, None)
    return r.subscripted(node, v, places)


def stacked(r: Any, node: ast.Call, axis: int, widen: int | None) -> Array:
    """``np.vstack``, ``np.hstack`` and ``np.column_stack``; ``widen`` is the axis that vectors get first, if any."""
    arrays, _ = parts(r, node, "arrays")
    if len(arrays[0].axes) == 1:
        if widen is None:
            return joined(r, node, arrays, 0)
        arrays = [widened(r, node, v, widen) for v in arrays]
    return joined(r, node, arrays, axis)


# Entry by entry


def where(r: Any, node: ast.Call) -> Value:
    test, a, b = values(r, node, "condition x y")
    dtype = np.result_type(a.type.dtype, b.type.dtype).name

    def chosen(c: Atom, x: Atom, y: Atom) -> Atom:
        return r.b.where(r.cast(c, "bool"), r.cast(x, dtype), r.cast(y, dtype))

    if not any(isinstance(v, Array) for v in (test, a, b)):
        r.source.refuse(node, "call arguments", reason="np.where of numbers makes an array without axes")
    return r.mapped(node, chosen, test, a, b)


def clip(r: Any, node: ast.Call) -> Value:
    found, low, high = values(r, node, "a a_min a_max")
    dtype = found.type.dtype

    def clipped(x: Atom, low: Atom, high: Atom) -> Atom:
        return r.cast(r.b.minimum(r.b.maximum(x, r.cast(low, dtype)), r.cast(high, dtype)), dtype)

    return r.mapped(node, clipped, found, low, high) if isinstance(found, Array) else clipped(found, low, high)


def buffers() -> dict[Any, Callable[..., Value]]:
    found: dict[Any, Callable[..., Value]] = {}
    for name, value in (("zeros", 0.0), ("empty", 0.0), ("ones", 1.0), ("full", None)):
        found[getattr(np, name)] = partial(buffer, fill=value, like=False)
        found[getattr(np, f"{name}_like")] = partial(buffer, fill=value, like=True)
    return found


MAKING: dict[Any, Callable[..., Value]] = {
    **buffers(),
    np.array: literal_array, np.asarray: same, np.arange: arange, np.linspace: linspace, np.eye: eye,
    np.identity: eye, np.copy: copy, np.ascontiguousarray: contiguous, np.reshape: reshape,
    np.ravel: partial(ravel, copies=False),
    np.transpose: transpose, np.flip: flip, np.expand_dims: expand_dims, np.roll: roll, np.diag: diag, np.diff: diff,
    np.tril: partial(triangle, keep="le"), np.triu: partial(triangle, keep="ge"),
    np.concatenate: concatenate, np.stack: stack, np.vstack: partial(stacked, axis=0, widen=0),
    np.hstack: partial(stacked, axis=1, widen=None), np.column_stack: partial(stacked, axis=1, widen=1),
    np.where: where, np.clip: clip,
}  # fmt: skip
