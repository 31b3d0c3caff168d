"""A kernel with its transforms: programs with structured parameters and results.

Each transform takes a `Function` and gives a `Function`, so a chain of any length is one
program in the end, printed once and compiled once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from dualgrad.core.build import Builder
from dualgrad.backends.modules import Generated
from dualgrad.core.errors import ArgumentError
from dualgrad.core.printer import to_source
from dualgrad.core.program import INT, Atom, Const, For, If, Let, Program, Statement, Type, Var
from dualgrad.core.words import WORDS
from dualgrad.kernel import Chain
from dualgrad.read import Read, read_kernel, types_of
from dualgrad.read.values import leaves, mapped
from dualgrad.transforms.jet import jet as jet_program
from dualgrad.transforms.jvp import jvp
from dualgrad.transforms.linearize import linearize
from dualgrad.transforms.ssa import ssa
from dualgrad.transforms.tidy import tidy
from dualgrad.transforms.transpose import transposed

CHUNK = 4  # directions that a compiled forward Jacobian carries at once
ZERO, ONE = Const(0, INT), Const(1, INT)


Path = tuple[int, ...]


@dataclass
class Function:
    """A program whose parameters and results are nested tuples of variables."""

    program: Program
    params: tuple[Any, ...]
    result: Any
    apart: tuple[tuple[Path, Path], ...] = ()  # pairs of array arguments that must not share memory

    @property
    def name(self) -> str:
        return self.program.name


def function_of(read: Read) -> Function:
    """A kernel that returns nothing has the arrays it wrote for results."""
    program = ssa(read.program)
    params = renamed(read.params, read.program.params, program.params)
    apart = must_be_apart(read)
    if read.result is None:
        results = program.results
        return Function(program, params, results[0] if len(results) == 1 else tuple(results), apart)
    return Function(program, params, renamed(read.result, read.program.results, program.results), apart)


def must_be_apart(read: Read) -> tuple[tuple[Path, Path], ...]:
    """An array that the kernel writes has a copy of its own in a derivative: no other argument may be a view of it."""
    paths = [(path, v) for path, v in paths_of(read.params) if isinstance(v, Var) and v.type.rank]
    written = [read.program.params[k] for k in read.writes]
    return tuple(
        (a, b)
        for k, (a, v) in enumerate(paths)
        for b, w in paths[k + 1 :]
        if v.type.dtype == w.type.dtype and (v in written or w in written)
    )


def paths_of(structure: Any, path: Path = ()) -> list[tuple[Path, Any]]:
    """Every leaf of nested tuples with the positions that lead to it."""
    if type(structure) is not tuple:
        return [(path, structure)]
    return [found for k, part in enumerate(structure) for found in paths_of(part, (*path, k))]


def renamed(structure: Any, old: Iterable[Atom], new: Iterable[Atom]) -> Any:
    """The structure with each variable replaced by the one in its place."""
    table = {a: b for a, b in zip(old, new, strict=True) if isinstance(a, Var)}
    return mapped(lambda a: table.get(a, a) if isinstance(a, Var) else a, structure)


def finished(name: str, params: tuple[Any, ...], body: list[Statement], result: Any) -> Function:
    """Single assignment and tidied, with the structure carried over."""
    old = [v for v in leaves(params) if isinstance(v, Var)]
    values = leaves(result)
    program = tidy(ssa(Program(name, old, body, values)))
    results = iter(program.results)
    return Function(program, renamed(params, old, program.params), mapped(lambda _: next(results), result))


def variables(structure: Any) -> list[Var]:
    return [v for v in leaves(structure) if isinstance(v, Var)]


def differentiable(structure: Any) -> list[bool]:
    return [v.type.differentiable for v in variables(structure)]


# The transforms


def pushforward(f: Function) -> Function:
    """``(primals, tangents) -> (out, out_tangent)``."""
    active = differentiable(f.params)
    program = jvp(f.program, tuple(active))
    count = len(variables(f.params))
    primals = renamed(f.params, variables(f.params), program.params[:count])
    dots = iter(program.params[count:])
    tangents = mapped(
        lambda a: next(dots) if isinstance(a, Var) and a.type.differentiable else passive(a, "_dot"), primals
    )
    values = leaves(f.result)
    out_dots = iter(program.results[len(values) :])
    outs = iter(program.results[: len(values)])
    out = mapped(lambda _: next(outs), f.result)
    dot = mapped(lambda a: next(out_dots) if a.type.differentiable else Const(0.0, Type("float64")), out)
    return finished(f"pushforward_{f.name}", (primals, tangents), program.body, (out, dot))


def passive(atom: Atom, suffix: str) -> Atom:
    """The place of a tangent, cotangent or series that has no meaning: a parameter that nothing reads."""
    return Var(atom.name + suffix, atom.type) if isinstance(atom, Var) else atom


def _name(atom: Atom) -> str:
    return atom.name if isinstance(atom, Var) else "c"


@dataclass
class Reversed:
    """A program split into its forward sweep and a reverse sweep that can be placed where it is wanted."""

    primal: list[Statement]
    reverse: list[Statement]
    cotangents: list[Var]
    gradients: dict[Var, Atom]
    params: tuple[Any, ...]
    result: Any


def reverse(f: Function, wanted: list[Var]) -> Reversed:
    """Linearize by the wanted parameters and transpose."""
    flags = tuple(v in wanted for v in f.program.params)
    split = linearize(f.program, flags)
    linear = Program(
        f.name, [*split.residuals, *split.linear_params], split.tangent, split.tangents, len(split.linear_params)
    )
    like = dict(zip(split.linear_params, split.sources, strict=True))
    block, cotangents, results = transposed(linear, like)
    params = renamed(f.params, f.program.params, split.program.params)
    sources = [v for v, on in zip(f.program.params, flags, strict=True) if on]
    values = iter(split.program.results)
    result = mapped(lambda _: next(values), f.result)
    return Reversed(split.primal, block, cotangents, dict(zip(sources, results, strict=True)), params, result)


def pullback(f: Function) -> Function:
    """``(primals, cotangents) -> (out, cotangents of the primals)``."""
    wanted = [v for v in variables(f.params) if v.type.differentiable]
    r = reverse(f, wanted)
    cts = iter(r.cotangents)
    cotangents = mapped(
        lambda a: next(cts) if a.type.differentiable else passive(a, "_bar"), r.result
    )
    back = mapped(lambda a: r.gradients.get(a, Const(0.0, Type("float64"))) if isinstance(a, Var) else Const(0.0, Type("float64")), f.params)
    return finished(f"pullback_{f.name}", (r.params, cotangents), r.primal + r.reverse, (r.result, back))


def selected(f: Function, argnums: int | tuple[int, ...], verb: str) -> Any:
    """The parameters a verb differentiates by, in the structure of ``argnums``."""
    numbers = (argnums,) if isinstance(argnums, int) else argnums
    chosen = []
    for n in numbers:
        if not -len(f.params) <= n < len(f.params):
            raise ArgumentError(f"{verb}: argnums={argnums}, but {f.name} has {len(f.params)} arguments")
        param = f.params[n]
        for v in leaves(param):
            if not isinstance(v, Var) or not v.type.differentiable and v.type.dtype != "int64":
                raise ArgumentError(f"{verb} by argument {n} of {f.name}: a {v.type} has no derivative")
        chosen.append(param)
    return chosen[0] if isinstance(argnums, int) else tuple(chosen)


def grad(f: Function, argnums: Any = 0, value: bool = False) -> Function:
    """Gradient of a function whose result is one real number."""
    if not isinstance(f.result, (Var, Const)) or f.result.type.rank or not f.result.type.differentiable:
        raise ArgumentError(
            f"grad of {f.name}: the result is not one real number",
            why="a gradient is the derivative of a scalar",
            hint="use dg.jacobian for arrays and tuples",
        )
    by = selected(f, argnums, "grad")
    r = reverse(f, variables(by))
    body = [*r.primal, *(Let(v, WORDS["move"], (Const(1.0, v.type),)) for v in r.cotangents), *r.reverse]
    gradient = mapped(lambda v: r.gradients[v], by)
    name = ("value_and_grad_" if value else "grad_") + f.name
    return finished(name, r.params, body, (r.result, gradient) if value else gradient)


def jacobian(f: Function, argnums: Any = 0, mode: str = "auto") -> Function:
    """``out.shape + in.shape`` for each result and each chosen argument."""
    by, outs = selected(f, argnums, "jacobian"), leaves(f.result)
    if mode == "auto":
        mode = "rev" if all(o.type.rank == 0 for o in outs) else "fwd"
    rows = jacobian_by_rows(f, by) if mode == "rev" else jacobian_by_columns(f, by)
    return rows


def counted(b: Builder, bounds: list[Atom], body: Callable[[Builder, tuple[Atom, ...]], None]) -> None:
    """Nested loops over all indices below the bounds."""
    index: list[Atom] = []
    inner = b
    for bound in bounds:
        k = Var("k", INT)
        block = Builder()
        inner.block.append(For(k, ZERO, bound, ONE, block.block))
        index.append(k)
        inner = block
    body(inner, tuple(index))


def dims(b: Builder, array: Atom) -> list[Atom]:
    return [b.shape(array, axis=k) for k in range(array.type.rank)]


def zeros(b: Builder, dtype: str, shape: Iterable[Atom], name: str) -> Atom:
    """A buffer of zeros; of no dimensions, the number zero."""
    shape = list(shape)
    zero = Const(0.0, Type(dtype))
    return b.full(zero, *shape, dtype=dtype, name=name) if shape else zero


def jacobian_by_rows(f: Function, by: Any) -> Function:
    """One forward sweep, then a reverse sweep for each entry of the result."""
    inputs = variables(by)
    r = reverse(f, inputs)
    b = Builder([*r.primal])
    outs = leaves(r.result)
    table: dict[tuple[int, int], Atom] = {}
    seeds = iter(r.cotangents)
    cts = [next(seeds) if o.type.differentiable else None for o in outs]
    new_inputs = dict(zip(variables(f.params), variables(r.params), strict=True))
    for p, out in enumerate(outs):
        shape = dims(b, out) if out.type.rank else []
        for q, x in enumerate(inputs):
            cells = dims(b, new_inputs[x]) if x.type.rank else []
            table[p, q] = zeros(b, out.type.dtype, [*shape, *cells], "jac")

        def row(inner: Builder, at: tuple[Atom, ...], p: int = p) -> None:
            for k, (ct, other) in enumerate(zip(cts, outs, strict=True)):
                if ct is None:
                    continue
                one = Const(1.0, Type(ct.type.dtype))
                if other.type.rank:
                    inner.block.append(Let(ct, WORDS["full"], (Const(0.0, Type(ct.type.dtype)), *dims(inner, other)), {"dtype": ct.type.dtype}))
                    if k == p:
                        inner.store(ct, at, one)
                else:
                    inner.bind(ct, one if k == p else Const(0.0, ct.type))
            inner.block += r.reverse
            for q, x in enumerate(inputs):
                gradient = r.gradients[x]
                if x.type.rank:
                    jac = table[p, q]
                    counted(
                        inner, dims(inner, gradient),
                        lambda b, cell, jac=jac, gradient=gradient: b.store(jac, (*at, *cell), b.load(gradient, *cell)),
                    )  # fmt: skip
                elif at:
                    inner.store(table[p, q], at, gradient)
                else:
                    table[p, q] = gradient

        if cts[p] is not None:
            counted(b, shape, row)
    structured = _by_structure(r.result, by, table)
    return finished(f"jacobian_{f.name}", r.params, b.block, structured)


def _by_structure(result: Any, by: Any, table: dict[tuple[int, int], Atom]) -> Any:
    outs = iter(range(len(leaves(result))))

    def of_out(_: Any) -> Any:
        p, ins = next(outs), iter(range(len(variables(by))))
        return mapped(lambda _: table[p, next(ins)], by)

    return mapped(of_out, result)


def jacobian_by_columns(f: Function, by: Any) -> Function:
    """Forward sweeps that carry a few directions at once, over all entries of the chosen arguments."""
    inputs = variables(by)
    flags = tuple(v in inputs for v in f.program.params)
    value = ssa(f.program)
    b = Builder([*value.body])
    params = renamed(f.params, f.program.params, value.params)
    renames = dict(zip(f.program.params, value.params, strict=True))
    outs = value.results
    table: dict[tuple[int, int], Atom] = {}
    for q, x in enumerate(inputs):
        here = renames[x]
        lanes = CHUNK if x.type.rank else 1
        cells = dims(b, here) if x.type.rank else []
        for p, out in enumerate(outs):
            table[p, q] = zeros(b, out.type.dtype, [*(dims(b, out) if out.type.rank else []), *cells], "jac")
        count: Atom = ONE
        for n in cells:
            count = b.mul(count, n)

        def sweep(inner: Builder, first: Atom, x: Var = x, q: int = q, cells: list[Atom] = cells, lanes: int = lanes, count: Atom = count) -> None:
            step = jvp(f.program, tuple(on and v is x for v, on in zip(f.program.params, flags, strict=True)), lanes)
            for new, old in zip(step.params, value.params, strict=False):
                inner.block.append(Let(new, WORDS["move"], (old,)))
            dot = step.params[-1]
            inner.block.append(Let(dot, WORDS["full"], (Const(0.0, Type(dot.type.dtype)), *cells, Const(lanes, INT)), {"dtype": dot.type.dtype}))
            for d in range(lanes):
                at = inner.add(first, d)
                then = Builder()
                then.store(dot, (*unravelled(then, at, cells), Const(d, INT)), 1.0)
                inner.block.append(If(inner.lt(at, count), then.block, []))
            inner.block += step.body
            dots = iter(step.results[len(outs) :])
            for p, out in enumerate(outs):
                if out.type.differentiable:
                    scatter(inner, table[p, q], out, next(dots), first, cells, lanes, count)

        k = Var("first", INT)
        block = Builder()
        sweep(block, k)
        b.block.append(For(k, ZERO, count, Const(lanes, INT), block.block))
    for p, out in enumerate(outs):
        for q, x in enumerate(inputs):
            if isinstance(table[p, q], Var) and not out.type.rank and not x.type.rank:
                table[p, q] = b.load(table[p, q], ZERO)
    return finished(f"jacobian_{f.name}", params, b.block, _by_structure(f.result, by, table))


def unravelled(b: Builder, flat: Atom, cells: list[Atom]) -> tuple[Atom, ...]:
    """The index of a flat position, last axis fastest."""
    index: list[Atom] = []
    for n in reversed(cells[1:]):
        index.append(b.mod(flat, n))
        flat = b.floordiv(flat, n)
    return (flat, *reversed(index)) if cells else ()


def scatter(
    b: Builder, jac: Atom, out: Atom, dots: Atom, first: Atom, cells: list[Atom], lanes: int, count: Atom
) -> None:
    """Write the columns that one sweep found."""
    for d in range(lanes):
        at = b.add(first, d)
        then = Builder()
        cell = unravelled(then, at, cells)
        lane = Const(d, INT)

        def entry(inner: Builder, index: tuple[Atom, ...], cell: tuple[Atom, ...] = cell, lane: Const = lane) -> None:
            inner.store(jac, (*index, *cell), inner.load(dots, *index, lane))

        counted(then, dims(then, dots)[:-1], entry)
        b.block.append(If(b.lt(at, count), then.block, []))


def derivative(f: Function, n: int = 1) -> Function:
    """n-th derivative of a function of one number."""
    (x,) = variables(f.params[:1])
    if x.type.rank:
        raise ArgumentError(f"derivative of {f.name}: the argument is not one number", hint="use dg.jacobian or dg.taylor")
    program = jet_program(f.program, tuple(v.name == x.name and k == 0 for k, v in enumerate(f.program.params)))
    coeffs = program.params.pop()
    b = Builder()
    b.block.append(Let(coeffs, WORDS["full"], (Const(0.0, Type(x.type.dtype)), Const(n + 1, INT)), {"dtype": x.type.dtype}))
    b.store(coeffs, (ZERO,), program.params[0])
    if n:
        b.store(coeffs, (ONE,), 1.0)
    b.block += program.body
    factorial = 1.0
    for k in range(2, n + 1):
        factorial *= k
    params = renamed(f.params, f.program.params, program.params)

    def nth(c: Atom) -> Atom:
        if c.type.rank == 1:
            return b.mul(b.load(c, Const(n, INT)), factorial)
        out = zeros(b, c.type.dtype, dims(b, c)[:-1], "out")
        counted(b, dims(b, out), lambda i, at: i.store(out, at, i.mul(i.load(c, *at, Const(n, INT)), factorial)))
        return out

    results = iter(program.results)
    result = mapped(lambda _: nth(next(results)), f.result)
    return finished(f"derivative_{f.name}", params, b.block, result)


def jet(f: Function) -> Function:
    """``(primals, series) -> (out, out_series)``; the order leads on both sides."""
    active = tuple(differentiable(f.params))
    program = jet_program(f.program, active)
    count = len(active)
    primals = renamed(f.params, f.program.params, program.params[:count])
    b = Builder()
    coeffs = iter(program.params[count:])

    def series_of(v: Any) -> Any:
        if not isinstance(v, Var) or not v.type.differentiable:
            return passive(v, "_series")
        series, coeff = Var(v.name + "_series", Type(v.type.dtype, v.type.rank + 1)), next(coeffs)
        order = b.shape(series, axis=0)
        shape = dims(b, v) if v.type.rank else []
        b.block.append(Let(coeff, WORDS["full"], (Const(0.0, Type(v.type.dtype)), *shape, b.add(order, 1)), {"dtype": v.type.dtype}))

        def fill(inner: Builder, at: tuple[Atom, ...]) -> None:
            inner.store(coeff, (*at, ZERO), inner.load(v, *at) if at else v)
            counted(inner, [order], lambda i, k: i.store(coeff, (*at, i.add(k[0], 1)), i.load(series, *k, *at)))

        counted(b, shape, fill)
        return series

    series = mapped(series_of, primals)
    b.block += program.body

    def split(c: Atom) -> tuple[Atom, Atom]:
        *shape, size = dims(b, c)
        order = b.sub(size, 1)
        out = zeros(b, c.type.dtype, shape, "out") if shape else b.load(c, ZERO, name="out")
        rest = zeros(b, c.type.dtype, [order, *shape], "out_series")

        def fill(inner: Builder, at: tuple[Atom, ...]) -> None:
            if at:
                inner.store(out, at, inner.load(c, *at, ZERO))
            counted(inner, [order], lambda i, k: i.store(rest, (*k, *at), i.load(c, *at, i.add(k[0], 1))))

        counted(b, shape, fill)
        return out, rest

    pairs = [split(c) for c in program.results]
    firsts, rests = iter(p[0] for p in pairs), iter(p[1] for p in pairs)
    out = mapped(lambda _: next(firsts), f.result)
    return finished(f"jet_{f.name}", (primals, series), b.block, (out, mapped(lambda _: next(rests), f.result)))


TRANSFORMS: dict[str, Callable[..., Function]] = {
    "grad": grad,
    "value_and_grad": lambda f, argnums=0: grad(f, argnums, value=True),
    "jacobian": jacobian,
    "pushforward": pushforward,
    "pullback": pullback,
    "derivative": derivative,
    "jet": jet,
}


def read_chain(base: Any, chain: Chain, argtypes: list[Any]) -> Function:
    """The function that a chain makes of a kernel, for arguments of these types.

    A transform with parameters of its own (``primals, tangents``) is applied to the
    function of what came before it at the types of its primals.
    """
    if not chain:
        found = function_of(read_kernel(base, argtypes))
        found.params = found.params[: len(argtypes)]  # arguments left to their defaults are constants
        return found
    *before, last = chain
    nested = last.parameters[:1] == ("primals",)
    if nested:
        argtypes = list(argtypes[0])
    else:
        argtypes = promoted(argtypes, last.options[0] if last.options and last.name != "derivative" else 0)
    inner = read_chain(base, tuple(before), argtypes)
    found = TRANSFORMS[last.name](inner, *last.options)
    found.apart = tuple(((0, *a), (0, *b)) for a, b in inner.apart) if nested else inner.apart
    return found


def promoted(argtypes: list[Any], argnums: Any) -> list[Any]:
    """Integers that a function is differentiated by become floats."""
    chosen = {n % len(argtypes) for n in ((argnums,) if isinstance(argnums, int) else argnums)} if argtypes else set()

    def as_float(t: Any) -> Any:
        return Type("float64", t.rank) if isinstance(t, Type) and t.dtype.startswith(("int", "uint")) else t

    return [mapped(as_float, t) if k in chosen else t for k, t in enumerate(argtypes)]


def generate(base: Any, chain: Chain, argtypes: Any) -> Generated:
    """The hook of `dualgrad.kernel`: numba types in, source out."""
    given = types_of(argtypes)
    f = read_chain(base, chain, given)
    title = " of ".join([*(step.name for step in reversed(chain)), base.__name__])
    names = chain[-1].parameters if len(chain[-1].parameters) == len(f.params) else ()
    head = "\n    ".join(header(f, names, given))
    slots = iter(range(len(f.program.results)))
    returns = "return " + tuple_text(mapped(lambda _: f"{{{next(slots)}}}", f.result))
    imports = ["import math", "", "import numpy as np"]
    if f.apart:
        imports += ["", "from dualgrad.core.errors import OverlapError"]
    text = "\n".join([f'"""{title}, generated by dualgrad."""', "", *imports, "", "", to_source(f.program, head, returns)])
    return Generated(text, f.name)


def header(f: Function, names: tuple[str, ...], given: list[Any]) -> list[str]:
    """The ``def`` line after the name, and lines that take tuples apart, convert integers and look for overlaps."""
    distinct_names(f)
    tops, lines, texts = [], [], {}
    for k, p in enumerate(f.params):
        top = names[k] if names else f"args{k}" if type(p) is tuple else _name(p)
        tops.append(top)
        for path, v in paths_of(p):
            texts[k, *path] = top + "".join(f"[{n}]" for n in path)
            if isinstance(v, Var) and (path or top != v.name):
                lines.append(f"{v.name} = {texts[k, *path]}")
        if isinstance(p, Var) and isinstance(given[k], Type) and given[k].dtype != p.type.dtype:
            tops[-1] = f"{top}_given"
            lines.append(f"{p.name} = {tops[-1]}.astype(np.float64)" if p.type.rank else f"{p.name} = float({tops[-1]})")
    for a, b in f.apart:
        x, y = texts[a], texts[b]
        lines.append(f"if {x}.size and {y}.size and {end(x)} > {start(y)} and {end(y)} > {start(x)}:")
        lines.append("    raise OverlapError(")
        lines.append(f"        'arguments {x} and {y} share memory, and one of them is written; pass copies')")
    return [f"({', '.join(tops)}):", *lines]


def distinct_names(f: Function) -> None:
    """Give the parameters names that differ."""
    taken: set[str] = {f.name, "np", "math", "primals", "tangents", "cotangents", "series"}
    for v in dict.fromkeys([*f.program.params, *variables(f.params)]):
        stem, k = v.name, 0
        while v.name in taken:
            k += 1
            v.name = f"{stem}{k}"
        taken.add(v.name)


def start(array: str) -> str:
    return f"{array}.ctypes.data"


def end(array: str) -> str:
    return f"{array}.ctypes.data + {array}.nbytes"


def tuple_text(structure: Any) -> str:
    if type(structure) is tuple:
        return "(" + "".join(tuple_text(p) + ", " for p in structure).rstrip() + ")"
    return structure


def program_of(base: Any, chain: Chain, argtypes: list[Any]) -> Read:
    """What the reader puts in place of a call to a derived kernel."""
    f = read_chain(base, chain, argtypes)
    return Read(f.program, f.params, f.result, ())
