"""Taylor mode as a transform of whole functions: n-th derivatives of numbers, and series in and out."""

from __future__ import annotations

import math
from typing import Any

from dualgrad.core.build import Builder
from dualgrad.core.errors import ArgumentError
from dualgrad.core.program import INT, Atom, Const, If, Var
from dualgrad.transforms.jet import jet as jet_program

from .compiled import (
    ONE,
    ZERO,
    Check,
    Function,
    beside,
    beside_arrays,
    finished,
    has_tangent,
    placed,
    refuse_complex,
    renamed,
    variables,
)


def derivative(f: Function, n: int = 1) -> Function:
    """n-th derivative of a function of one number: the coefficient of order n along direction 1, times n!."""
    x = f.params[0]
    if not has_tangent(x) or x.type.rank:
        what = f"derivative of {f.name}: the argument is not one number"
        raise ArgumentError(what, hint="use dg.jacobian or dg.taylor")
    refuse_complex("derivative", f, [x])
    program = jet_program(f.program, tuple(v is x for v in f.program.params))
    coeffs = program.params.pop()
    params = renamed(f.params, f.program.params, program.params)
    b = Builder()
    b.zeros([Const(n + 1, INT)], x.type.dtype, coeffs)
    b.store(coeffs, (ZERO,), params[0])
    if n:
        b.store(coeffs, (ONE,), 1.0)
    b.block += program.body

    def nth(c: Atom) -> Atom:
        def value(i: Builder, at: tuple[Any, ...]) -> Atom:
            return i.mul(i.load(c, *at, Const(n, INT)), float(math.factorial(n)))

        out = b.zeros(b.dims(c)[:-1], c.type.dtype, name="out")
        if not out.type.rank:
            return value(b, ())
        b.each(b.dims(out), lambda i, at: i.store(out, at, value(i, at)))
        return out

    return finished(f"derivative_{f.name}", params, b.block, placed(f.result, [nth(c) for c in program.results]))


def jet(f: Function) -> Function:
    """``(primals, series) -> (out, out_series)``; the order leads on both sides."""
    given = f.program.params
    program = jet_program(f.program, tuple(map(has_tangent, given)))
    primals = renamed(f.params, given, program.params[: len(given)])
    b = Builder()
    sources = [v for v in variables(primals) if has_tangent(v)]
    coeffs = program.params[len(given) :]
    series = beside(primals, [joined(b, v, c) for v, c in zip(sources, coeffs, strict=True)], "_series")
    b.block += program.body
    pairs = [parted(b, c) for c in program.results]
    result = (placed(f.result, [first for first, _ in pairs]), placed(f.result, [rest for _, rest in pairs]))
    found = finished(f"jet_{f.name}", (primals, series), b.block, result)
    found.checks = beside_arrays("series", f.params)
    return found


def taylor(f: Function) -> Function:
    """``(x, direction, order) -> coefficients`` 0…order of ``t -> f(x + t*direction)``; the order leads."""
    if len(f.params) != 1 or not has_tangent(f.params[0]) or type(f.result) is tuple:
        what = f"taylor of {f.name}: it must take one float or array and return one"
        raise ArgumentError(what, hint="use dg.jet for several arguments and results")
    program = jet_program(f.program, (True,))
    x, coeffs = program.params
    direction, order = Var("direction", x.type), Var("order", INT)
    b = Builder()
    b.zeros([*b.dims(x), b.add(order, 1)], x.type.dtype, coeffs)
    shape = b.dims(x)
    b.each(shape, lambda i, at: i.store(coeffs, (*at, ZERO), i.load(x, *at) if at else x))
    along = Builder()
    along.each(shape, lambda i, at: i.store(coeffs, (*at, ONE), i.load(direction, *at) if at else direction))
    b.block.append(If(b.gt(order, ZERO), along.block, []))
    b.block += program.body
    out = program.results[0]
    if out.type.rank > 1:
        *ends, size = b.dims(out)
        rows = b.zeros([size, *ends], out.type.dtype, name="rows")
        b.each(b.dims(out), lambda i, at: i.store(rows, (at[-1], *at[:-1]), i.load(out, *at)))
        out = rows
    found = finished(f"taylor_{f.name}", (x, direction, order), b.block, out)
    found.checks = (Check("like", (1,), (0,)),) if x.type.rank else ()
    return found


def joined(b: Builder, primal: Var, coeffs: Var) -> Var:
    """Coefficients 0…K (last axis) from a primal and a parameter with orders 1…K (first axis), which is returned."""
    series = Var(primal.name + "_series", coeffs.type)
    order = b.shape(series, axis=0)
    b.zeros([*b.dims(primal), b.add(order, 1)], primal.type.dtype, coeffs)

    def fill(inner: Builder, at: tuple[Var, ...]) -> None:
        inner.store(coeffs, (*at, ZERO), inner.load(primal, *at) if at else primal)
        inner.each([order], lambda i, k: i.store(coeffs, (*at, i.add(*k, 1)), i.load(series, *k, *at)))

    b.each(b.dims(primal), fill)
    return series


def parted(b: Builder, coeffs: Atom) -> tuple[Atom, Atom]:
    """Order 0, and orders 1…K on a leading axis."""
    *shape, size = b.dims(coeffs)
    order = b.sub(size, 1)
    out = b.zeros(shape, coeffs.type.dtype, name="out") if shape else b.load(coeffs, ZERO, name="out")
    rest = b.zeros([order, *shape], coeffs.type.dtype, name="out_series")

    def fill(inner: Builder, at: tuple[Var, ...]) -> None:
        if at:
            inner.store(out, at, inner.load(coeffs, *at, ZERO))
        inner.each([order], lambda i, k: i.store(rest, (*k, *at), i.load(coeffs, *at, i.add(*k, 1))))

    b.each(shape, fill)
    return out, rest
