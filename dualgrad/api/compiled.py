"""The verbs as transforms of whole functions: a `Function` in, a `Function` out.

A function is a program whose parameters and results are nested tuples of variables.

A verb that multiplies tangents or cotangents has two forms.  The plain one treats a structural zero as any number and
says whether it may multiply one (`Function.zeros`); the careful one carries masks (`dualgrad.transforms.masked`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Any, NamedTuple

from dualgrad.core.build import Builder
from dualgrad.core.errors import ArgumentError
from dualgrad.core.program import (
    BOOL,
    INT,
    Atom,
    Const,
    For,
    If,
    Let,
    Program,
    Spacing,
    Statement,
    Type,
    Var,
    const,
    retyped,
    variable,
    zero,
)
from dualgrad.core.walk import free_vars, walk
from dualgrad.read import Read
from dualgrad.read.values import leaves, mapped
from dualgrad.transforms.checkpoint import marked
from dualgrad.transforms.jvp import jvp, matched, prepare
from dualgrad.transforms.linearize import linearize
from dualgrad.transforms.masked import masked, multiplies_zeros, with_masks
from dualgrad.transforms.optimize import settled
from dualgrad.transforms.rows import inside
from dualgrad.transforms.ssa import ssa
from dualgrad.transforms.tidy import needed, tidy
from dualgrad.transforms.transpose import transposed

CHUNK = 4  # directions that a compiled forward Jacobian carries at once
ROWS = 4  # so few results, of lengths that the kernel says, are differentiated by rows, each written out
ZERO, ONE = Const(0, INT), Const(1, INT)
Path = tuple[int, ...]


class Check(NamedTuple):
    """What two arrays must satisfy: "apart" in memory, one "like" the other or a "series" of it, both as "long"."""

    kind: str
    a: Path
    b: Path


@dataclass
class Function:
    """A program with structure, and what is checked of its arguments before it runs."""

    program: Program
    params: tuple[Any, ...]
    result: Any
    checks: tuple[Check, ...] = ()
    written: tuple[Var, ...] = ()  # the parameters that it writes
    returns: bool = True
    zeros: bool = False  # whether it multiplies structural zeros as if they were numbers

    @property
    def name(self) -> str:
        return self.program.name

    @staticmethod
    def of(read: Read, count: int) -> Function:
        """A kernel called with ``count`` arguments; one that returns nothing has the arrays it wrote for results."""
        program = ssa(read.program)
        program.body = needed(program)  # a name that nothing reads may mean any array
        program = settled(program)
        params = renamed(read.params[:count], read.program.params, program.params)
        result = read.result
        if result is None:
            result = read.program.results[0] if len(read.program.results) == 1 else tuple(read.program.results)
        written = tuple(program.params[k] for k in read.writes)
        returns = read.result is not None
        return Function(program, params, placed(result, program.results), must_be_apart(read), written, returns)


def must_be_apart(read: Read) -> tuple[Check, ...]:
    """A derivative writes copies of the arrays its kernel writes: no other argument may be a view of one."""
    paths = [(path, v) for path, v in paths_of(read.params) if isinstance(v, Var) and v.type.rank]
    written = [read.program.params[k] for k in read.writes]
    return tuple(
        Check("apart", a, b)
        for k, (a, v) in enumerate(paths)
        for b, w in paths[k + 1 :]
        if v.type.dtype == w.type.dtype and (v in written or w in written)
    )


def beside_arrays(kind: str, primals: tuple[Any, ...]) -> tuple[Check, ...]:
    """Second arguments (tangents, series) that belong to the arrays of the first."""
    found = [(path, v) for path, v in paths_of(primals) if has_tangent(v)]
    checks = [Check(kind, (1, *path), (0, *path)) for path, v in found if v.type.rank]
    if kind == "series":
        checks += [Check("long", (1, *path), (1, *found[0][0])) for path, _ in found[1:]]
    return tuple(checks)


def written_paths(read: Read) -> tuple[Path, ...]:
    """Where among the arguments the arrays are that a kernel writes."""
    written = [read.program.params[k] for k in read.writes]
    return tuple(path for path, v in paths_of(read.params) if isinstance(v, Var) and v in written)


def paths_of(structure: Any, path: Path = ()) -> list[tuple[Path, Any]]:
    """Every leaf of nested tuples with the positions that lead to it."""
    if type(structure) is not tuple:
        return [(path, structure)]
    return [found for k, part in enumerate(structure) for found in paths_of(part, (*path, k))]


def renamed(structure: Any, old: Iterable[Atom], new: Iterable[Atom]) -> Any:
    """The structure with each variable replaced by the one in its place."""
    table = {a: b for a, b in zip(old, new, strict=True) if isinstance(a, Var)}
    return mapped(lambda a: table.get(a, a) if isinstance(a, Var) else a, structure)


def placed(structure: Any, values: Iterable[Any]) -> Any:
    """The structure with its leaves replaced from left to right."""
    following = iter(values)
    return mapped(lambda _: next(following), structure)


def variables(structure: Any) -> list[Var]:
    return [v for v in leaves(structure) if isinstance(v, Var)]


def has_tangent(atom: Any) -> bool:
    return isinstance(atom, Var) and atom.type.differentiable


def beside(structure: Any, values: Iterable[Any], suffix: str) -> Any:
    """The structure with ``values`` for what is differentiable; for the rest parameters that nothing reads."""
    following = iter(values)

    def passive(a: Any) -> Any:
        return Var(a.name + suffix, a.type) if isinstance(a, Var) else a

    return mapped(lambda a: next(following) if has_tangent(a) else passive(a), structure)


def finished(name: str, params: tuple[Any, ...], body: list[Statement], result: Any) -> Function:
    """Single assignment and tidied, with the structure carried over."""
    old = variables(params)
    program = tidy(ssa(Program(name, old, body, leaves(result))))
    return Function(program, renamed(params, old, program.params), placed(result, program.results))


def effects(f: Function) -> Function:
    """``(result, contents of the written arrays)`` without writing: what eager numbers need of a kernel."""
    results = leaves(f.result) if f.returns else []
    program = prepare(Program(f.name, f.program.params, f.program.body, [*results, *f.written]))
    result = placed(f.result, program.results[: len(results)]) if f.returns else None
    params = renamed(f.params, f.program.params, program.params)
    return finished(f"effects_{f.name}", params, program.body, (result, tuple(program.results[len(results) :])))


def checkpoint(f: Function, *spacings: Spacing) -> Function:
    """The same function with marks on its outermost loops, for the reverse mode of what follows."""
    return replace(f, program=replace(f.program, body=marked(f.program.body, spacings)))


# Forward and reverse


def pushforward(f: Function, masks: bool = False, careful: bool = False) -> Function:
    """``(primals, tangents) -> (out, out_tangent)``; or ``(…, masks) -> (…, out_mask)``, for eager numbers."""
    given = f.program.params
    program = jvp(f.program, tuple(map(has_tangent, given)))
    seeds = {dot: mask_of(dot) for dot in program.params[len(given) :]} if masks else {}
    body, marks = with_masks(program, seeds) if careful else (program.body, [])
    primals = renamed(f.params, given, program.params[: len(given)])
    tangents = beside(primals, program.params[len(given) :], "_dot")
    values, dots = program.results[: len(f.program.results)], iter(program.results[len(f.program.results) :])
    out = placed(f.result, values)
    dot = mapped(lambda a: next(dots) if a.type.differentiable else Const(0.0, Type("float64")), out)
    params: tuple[Any, ...] = (primals, tangents)
    result: tuple[Any, ...] = (out, dot)
    if masks:
        params += (beside(primals, seeds.values(), "_mask"),)
        result += (masks_beside(out, marks[len(values) :]),)
    found = finished(f"pushforward_{f.name}", params, body, result)
    found.checks, found.zeros = beside_arrays("like", f.params), not careful and multiplies_zeros(program)
    return found


@dataclass
class Reversed:
    """A function split into its forward sweep and a reverse sweep, to be placed where it is wanted.

    The reverse sweep is a linear program; its free variables are bound by the forward sweep.
    """

    forward: list[Statement]
    reverse: Program
    gradients: dict[Var, Atom]
    params: tuple[Any, ...]
    result: Any

    @property
    def cotangents(self) -> list[Var]:
        return self.reverse.params[len(self.reverse.params) - self.reverse.linear :]

    @staticmethod
    def of(f: Function, wanted: list[Var], owned: bool = False) -> Reversed:
        """Linearize by the wanted parameters and transpose; the sweep may write to cotangents that are ``owned``."""
        flags = tuple(v in wanted for v in f.program.params)
        split = linearize(f.program, flags)
        params, dots = [*split.residuals, *split.linear_params], split.linear_params
        linear = Program(f.name, params, split.tangent, split.tangents, len(dots))
        linear.body = needed(linear)  # what has no influence has no cotangent, not even a zero
        block, cotangents, results = transposed(linear, dict(zip(dots, split.sources, strict=True)), owned)
        free = free_vars(block, results, set(cotangents))
        reverse = tidy(ssa(Program(f.name, [*free, *cotangents], block, results, len(cotangents))))
        forward = Builder(split.primal)
        for new, old in zip(reverse.params, free, strict=False):
            forward.bind(new, old)
        sources = [v for v, on in zip(f.program.params, flags, strict=True) if on]
        return Reversed(
            forward.block, reverse, dict(zip(sources, reverse.results, strict=True)),
            renamed(f.params, f.program.params, split.program.params), placed(f.result, split.program.results),
        )  # fmt: skip

    def sweep(self, careful: bool, masks: dict[Var, Var] | None = None) -> list[Statement]:
        """The reverse sweep; ``masks`` are those of cotangents that are not numbers everywhere."""
        return masked(self.reverse, masks) if careful else self.reverse.body


def masks_beside(structure: Any, masks: Iterable[Atom]) -> Any:
    """The structure with masks for what is differentiable."""
    following = iter(masks)
    return mapped(lambda a: next(following) if a.type.differentiable else Const(False, BOOL), structure)


def pullback(f: Function, masks: bool = False, careful: bool = False) -> Function:
    """``(primals, cotangents) -> (out, cotangents of the primals)``; or with masks, as `pushforward`."""
    r = Reversed.of(f, [v for v in variables(f.params) if has_tangent(v)])
    cts = iter(r.cotangents)  # a constant result has one too, which nothing reads
    cotangents = mapped(lambda a: next(cts) if a.type.differentiable else Var("unread", a.type), r.result)
    back = mapped(lambda a: r.gradients[a] if has_tangent(a) else Const(0.0, Type("float64")), f.params)
    seeds = {ct: mask_of(ct) for ct in r.cotangents} if masks else {}
    sweep, marks = with_masks(r.reverse, seeds) if careful else (r.reverse.body, [])
    params: tuple[Any, ...] = (r.params, cotangents)
    result: tuple[Any, ...] = (r.result, back)
    if masks:
        waiting = iter(seeds.values())
        params += (mapped(lambda a: next(waiting) if a.type.differentiable else Var("unread", a.type), r.result),)
        by = dict(zip(r.gradients, marks, strict=True))
        result += (mapped(lambda a: by.get(a, Const(False, BOOL)), f.params),)
    found = finished(f"pullback_{f.name}", params, r.forward + sweep, result)
    found.zeros = not careful and multiplies_zeros(r.reverse)
    return found


def grad(f: Function, argnums: Any = 0, value: bool = False, careful: bool = False) -> Function:
    """Gradient of a function whose result is one real number."""
    if type(f.result) is tuple or f.result.type not in (Type("float64"), Type("float32")):
        raise ArgumentError(
            f"grad of {f.name}: the result is not one real number",
            why="a gradient is the derivative of a real scalar",
            hint="use dg.jacobian for arrays and tuples",
        )
    by = selected(f, argnums, "grad")
    r = Reversed.of(f, variables(by))
    b = Builder(r.forward)
    for ct in r.cotangents:
        b.bind(ct, Const(1.0, ct.type))
    gradient = mapped(lambda v: r.gradients[v], by)
    name = f"value_and_grad_{f.name}" if value else f"grad_{f.name}"
    body = b.block + r.sweep(careful)
    found = finished(name, r.params, body, (r.result, gradient) if value else gradient)
    found.zeros = not careful and multiplies_zeros(r.reverse)
    return found


def selected(f: Function, argnums: Any, verb: str) -> Any:
    """The parameters a verb differentiates by, in the structure of ``argnums``."""
    for n in (argnums,) if isinstance(argnums, int) else argnums:
        if not -len(f.params) <= n < len(f.params):
            raise ArgumentError(f"{verb}: argnums={argnums}, but {f.name} was called with {len(f.params)} arguments")
        for v in leaves(f.params[n]):
            if not has_tangent(v):
                raise ArgumentError(f"{verb} of {f.name} by argument {n}: a value of type {v.type} has no derivative")
    return f.params[argnums] if isinstance(argnums, int) else tuple(f.params[n] for n in argnums)


# Jacobians


def is_complex(v: Atom) -> bool:
    return v.type.dtype.startswith("complex")


def refuse_complex(verb: str, f: Function, by: Iterable[Atom]) -> None:
    """Raise if an argument is complex: only for a holomorphic function is the derivative by it one number."""
    if any(map(is_complex, by)):
        raise ArgumentError(
            f"{verb} of the kernel {f.name} by a complex argument",
            why="the derivative is one complex number only if the kernel is holomorphic",
            hint=f"use dg.jvp and dg.vjp, or dg.{verb}(lambda z: dg.kernel({f.name})(z), holomorphic=True)",
        )


def jacobian(f: Function, argnums: Any = 0, mode: str = "auto", careful: bool = False) -> Function:
    """For each result and each chosen argument an array of shape ``out.shape + in.shape``."""
    by = selected(f, argnums, "jacobian")
    refuse_complex("jacobian", f, leaves(by))
    if any(is_complex(o) for o in leaves(f.result)):
        mode = "fwd"  # a row of complex results would need two sweeps
    elif mode == "auto":
        rows = [literal_lengths(o, f) for o in leaves(f.result)]
        few = all(n is not None for n in rows) and sum(prod(n or ()) for n in rows) <= ROWS
        has_arrays = any(x.type.rank for x in variables(by))
        mode = "rev" if not any(o.type.rank for o in leaves(f.result)) or few and has_arrays else "fwd"
    return jacobian_by_rows(f, by, careful) if mode == "rev" else jacobian_by_columns(f, by, careful)


def literal_lengths(out: Atom, f: Function) -> list[int] | None:
    """The lengths of a result, if the kernel itself says them."""
    made = {s.target: s.args[1:] for s in walk(f.program.body) if isinstance(s, Let) and s.word.name == "full"}
    lengths = made.get(out) if isinstance(out, Var) and out.type.rank else ()  # type: ignore[call-overload]
    if lengths is None or not all(isinstance(n, Const) for n in lengths):
        return None
    return [n.value for n in lengths if isinstance(n, Const)]


def jacobian_by_rows(f: Function, by: Any, careful: bool) -> Function:
    """One forward sweep, then a reverse sweep for each entry of the results."""
    inputs = variables(by)
    r = Reversed.of(f, inputs, owned=True)
    now = dict(zip(variables(f.params), variables(r.params), strict=True))
    outs = [o for o in leaves(r.result) if o.type.differentiable]
    masks = {ct: mask_of(ct) for ct in r.cotangents if len(outs) > 1 or ct.type.rank}
    reverse = r.sweep(careful, masks)
    b = Builder(r.forward)
    table: list[list[Atom]] = []
    known = [literal_lengths(o, f) for o in leaves(f.result) if o.type.differentiable]
    for p, out in enumerate(outs):
        row = [b.zeros([*b.dims(out), *b.dims(now[x])], out.type.dtype, name="jac") for x in inputs]
        table.append(row)

        def sweep(inner: Builder, at: tuple[Atom, ...], p: int = p, row: list[Atom] = row) -> None:
            for k, (ct, out) in enumerate(zip(r.cotangents, outs, strict=True)):
                for var in (ct, masks[ct]) if careful and ct in masks else (ct,):
                    lengths = known[k]
                    seed(inner, var, inner.dims(out) if lengths is None else lengths, at if k == p else None)
            body, left = reverse, list[tuple[int, Var]]()
            for q, x in enumerate(inputs):
                filled = inside(body, r.gradients[x], variable(row[q]), at) if row[q].type.rank else None
                body, left = (body, [*left, (q, x)]) if filled is None else (filled, left)
            inner.block += body
            for q, x in left:
                row[q] = copied(inner, r.gradients[x], row[q], at)

        lengths = known[p]
        if lengths is not None and prod(lengths) <= ROWS:
            for cell in product(*map(range, lengths)):
                sweep(b, tuple(map(const, cell)))
        else:
            b.each(b.dims(out), sweep)
    rows = iter(table)

    def row_of(o: Atom) -> Any:
        if o.type.differentiable:
            return placed(by, next(rows))
        shapes = [[*b.dims(o), *b.dims(now[x])] for x in inputs]
        return placed(by, [b.zeros(s, o.type.dtype, name="jac") if s else zero(o.type) for s in shapes])

    result = mapped(row_of, r.result)
    found = finished(f"jacobian_{f.name}", r.params, b.block, result)
    found.zeros = not careful and multiplies_zeros(r.reverse, masks)
    return found


def mask_of(v: Var) -> Var:
    """A variable for the mask of a seed."""
    return Var(v.name + "_mask", Type("bool", v.type.rank))


def seed(b: Builder, var: Var, shape: Sequence[Any], at: tuple[Any, ...] | None) -> None:
    """Bind a variable (or a mask) to zero, or to the unit vector with its one at ``at``."""
    one = retyped(ONE, Type(var.type.dtype))
    if shape:
        b.zeros(shape, var.type.dtype, var)
        if all(isinstance(n, int) for n in shape) and prod(shape) <= ROWS:  # each entry is known
            for cell in product(*map(range, shape)):
                b.store(var, cell, zero(one.type))
        if at is not None:
            b.store(var, at, one)
    else:
        b.bind(var, one if at is not None else zero(var.type))


def copied(b: Builder, source: Atom, target: Atom, at: tuple[Any, ...]) -> Atom:
    """Write a gradient into the Jacobian's row; where both are numbers it is, as it is now, the Jacobian itself."""
    if not target.type.rank:
        entry = Var("jac", target.type)
        b.bind(entry, matched(source, entry.type, b))
        return entry

    def write(i: Builder, cell: tuple[Var, ...]) -> None:
        value = i.load(source, *cell) if cell else source
        i.store(target, (*at, *cell), matched(value, Type(target.type.dtype), i))

    b.each(b.dims(source), write)
    return target


def jacobian_by_columns(f: Function, by: Any, careful: bool) -> Function:
    """Forward sweeps that carry `CHUNK` directions at once, over all entries of the chosen arguments."""
    inputs = variables(by)
    value = prepare(f.program)
    now = dict(zip(f.program.params, value.params, strict=True))
    b = Builder([*value.body])
    table: list[list[Atom]] = [[] for _ in value.results]
    zeros = False
    for x in inputs:
        cells = b.dims(now[x])
        directions = CHUNK if cells else 1
        step = jvp(f.program, tuple(v is x for v in f.program.params), directions)
        seeds = {step.params[-1]: mask_of(step.params[-1])} if cells else {}
        zeros |= not careful and multiplies_zeros(step, seeds)
        columns = [b.zeros([*b.dims(o), *(cells or [ONE])], o.type.dtype, name="jac") for o in value.results]
        count: Atom = ONE
        for n in cells:
            count = b.mul(count, n)
        primals = [now[v] for v in f.program.params]
        sweep = Sweep(step, primals, cells, count, directions, seeds if careful else None)
        first = Var("first", INT)
        b.block.append(For(first, ZERO, count, Const(directions, INT), sweep.body(first, columns)))
        for row, column, out in zip(table, columns, value.results, strict=True):
            row.append(column if cells else flattened(b, column, out))
    rows = iter(table)
    result = mapped(lambda _: placed(by, next(rows)), f.result)
    found = finished(f"jacobian_{f.name}", renamed(f.params, f.program.params, value.params), b.block, result)
    found.zeros = zeros
    return found


def flattened(b: Builder, column: Atom, out: Atom) -> Atom:
    """The Jacobian by a number has no axis for it."""
    if not out.type.rank:
        return b.load(column, ZERO)
    flat = b.zeros(b.dims(out), out.type.dtype, name="jac")
    b.each(b.dims(out), lambda i, at: i.store(flat, at, i.load(column, *at, ZERO)))
    return flat


@dataclass
class Sweep:
    """One forward sweep along the directions ``first … first + directions − 1`` of an argument."""

    step: Program
    primals: list[Var]
    cells: list[Atom]
    count: Atom
    directions: int
    masks: dict[Var, Var] | None  # of the careful form

    def body(self, first: Var, columns: list[Atom]) -> list[Statement]:
        b = Builder()
        for param, primal in zip(self.step.params, self.primals, strict=False):
            b.bind(param, primal)
        dot = self.step.params[-1]
        for var in (dot, *(self.masks or {}).values()):
            b.zeros([*self.cells, Const(self.directions, INT)], var.type.dtype, var)
            one = retyped(ONE, Type(var.type.dtype))

            def seed(i: Builder, cell: tuple[Atom, ...], lane: Const, var: Var = var, one: Atom = one) -> None:
                i.store(var, (*cell, lane), one)

            self.lanes(b, first, seed)
        b.block += self.step.body if self.masks is None else masked(self.step, self.masks)
        dots = iter(self.step.results[len(columns) :])
        for out, column in zip(self.step.results, columns, strict=False):
            if out.type.differentiable:
                self.write(b, first, next(dots), column)
        return b.block

    def write(self, b: Builder, first: Var, dots: Atom, column: Atom) -> None:
        def lane_of(inner: Builder, cell: tuple[Atom, ...], lane: Const) -> None:
            place = cell or (ZERO,)
            inner.each(inner.dims(dots)[:-1], lambda i, at: i.store(column, (*at, *place), i.load(dots, *at, lane)))

        self.lanes(b, first, lane_of)

    def lanes(self, b: Builder, first: Var, write: Callable[[Builder, tuple[Atom, ...], Const], None]) -> None:
        """For each direction that exists, with its place in the argument."""
        for d in range(self.directions):
            flat = b.add(first, d)
            then = Builder()
            write(then, self.unravelled(then, flat), Const(d, INT))
            b.block.append(If(b.lt(flat, self.count), then.block, []))

    def unravelled(self, b: Builder, flat: Atom) -> tuple[Atom, ...]:
        """The index of a flat position, last axis fastest."""
        index: list[Atom] = []
        for n in reversed(self.cells[1:]):
            index.append(b.mod(flat, n))
            flat = b.floordiv(flat, n)
        return (flat, *reversed(index)) if self.cells else ()
