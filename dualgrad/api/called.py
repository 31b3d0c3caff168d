"""Functions with rules of their own inside kernels: what nopython code calls, and the rule as a program.

Nopython code sees the dispatcher of the function itself.  A kernel that is differentiated keeps the call (the word
``call``), so the function may do what the reader refuses; its rule has to be a kernel.
"""

from __future__ import annotations

from typing import Any

from dualgrad.core.build import Builder
from dualgrad.core.errors import KernelError, UnsupportedError
from dualgrad.core.program import Atom, Const, If, Let, Program, Store, Type, Var, While, zero
from dualgrad.core.walk import atoms_read, walk
from dualgrad.read import read_kernel
from dualgrad.read.numba_types import numba_type, types_of
from dualgrad.read.values import Static, leaves, mapped
from dualgrad.transforms.activity import active_vars
from dualgrad.transforms.linearize import linearize
from dualgrad.transforms.ssa import ssa
from dualgrad.transforms.tidy import needed
from dualgrad.transforms.transpose import transposed


class CustomCall:
    """A `custom_jvp` or `custom_vjp` function called with arguments of known types: the protocol of `call`.

    ``form`` has for each argument its type, nested tuples of types, or what it is if it is known in advance.
    """

    def __init__(self, custom: Any, form: tuple[Any, ...]):
        self.custom, self.form, self.thing, self.name = custom, form, custom, custom.__name__
        self.key = id(custom), form
        dispatcher = custom.dispatcher
        try:
            signature = tuple(mapped(numba_type, part) for part in form)
            dispatcher.compile(tuple(map(as_one, signature)))
        except Exception as problem:
            raise KernelError(
                f"{self.name} cannot be called in a kernel with these arguments",
                why=f"numba does not compile it: {str(problem).strip().splitlines()[-1]:.200}",
                hint="write it so that numba does, or differentiate the caller as a Python function",
            ) from None
        self.result = types_of([dispatcher.nopython_signatures[-1].return_type])[0]
        self.results: list[Any] = leaves(self.result)
        if not self.results or not all(isinstance(t, Type) for t in self.results):
            raise KernelError(
                f"{self.name} returns nothing that has a derivative",
                why="the result of a function with a rule is made of numbers and arrays",
                hint="return what it computes",
            )
        self.type = self.result if isinstance(self.result, Type) else Type("tuple")
        places = [path for path, _ in paths(self.result)]
        self.items = [
            {"k": k, "path": "".join(f"[{n}]" for n in path), "type": t}
            for k, (path, t) in enumerate(zip(places, self.results, strict=True))
        ]

    @property
    def variables(self) -> list[Type]:
        """The types of the arguments that are not known in advance."""
        return [t for t in leaves(self.form) if isinstance(t, Type)]

    def text(self, args: list[str]) -> str:
        waiting = iter(args)
        parts = [argument(mapped(lambda t: next(waiting) if isinstance(t, Type) else literal(t), p)) for p in self.form]
        return f"{self.name}({', '.join(parts)})"

    # The rule

    def split(self, form: tuple[Any, ...]) -> tuple[list[Any], tuple[Any, ...]]:
        """What is never differentiated by, and the rest."""
        nondiff = self.custom.nondiff
        return [form[n] for n in nondiff], tuple(p for n, p in enumerate(form) if n not in nondiff)

    def rule(self, active: tuple[bool, ...], reverse: bool) -> Program:
        """``(arguments, tangents of the active ones) -> (results, their tangents)``."""
        custom = self.custom
        flags = iter(active)
        on = [mapped(lambda t: isinstance(t, Type) and next(flags), part) for part in self.form]
        if any(any(leaves(on[n])) for n in custom.nondiff):
            raise UnsupportedError(
                f"{self.name}: an argument in nondiff_argnums carries a derivative",
                why="the rule does not say what its derivative is",
                hint="take it out of nondiff_argnums, or use dg.stop_gradient",
            )
        if custom.bwd is not None and (reverse or custom.rule is None):
            return self.of_vjp(active)
        if custom.rule is None:
            raise UnsupportedError(
                f"{self.name} has no rule that a kernel can read",
                hint=f"call {self.name}.defjvp(rule) or {self.name}.defvjp(fwd, bwd)",
            )
        return self.of_jvp(active)

    def arranged(self, nondiff: list[Any], rest: tuple[Any, ...]) -> list[Var]:
        """The variables of the arguments in the order of the call."""
        return [v for p in self.custom.merged(nondiff, list(rest)) for v in leaves(p) if isinstance(v, Var)]

    def of_jvp(self, active: tuple[bool, ...]) -> Program:
        """The user's jvp rule; tangents of inactive arguments are zero."""
        nondiff, rest = self.split(self.form)
        still = mapped(lambda p: zero(p.type) if isinstance(p, Const) else p, rest)
        read = read_kernel(self.custom.rule, [*nondiff, rest, still])
        if type(read.result) is not tuple or len(read.result) != 2:
            raise wrong(f"the jvp rule of {self.name} must return a pair (out, out_tangent)")
        *first, primals, tangents = read.params
        given, dots = self.arranged(first, primals), iter(v for v in leaves(tangents) if isinstance(v, Var))
        by_place = dict(zip([v for v in leaves(primals) if isinstance(v, Var)], dots, strict=True))
        b, params = Builder(), list(given)
        for v, on in zip(given, active, strict=True):
            dot = by_place.get(v)
            if on:
                assert dot is not None
                params.append(dot)
            elif dot is not None:
                zeros(dot, v, b)
        values = [*read.program.body]
        out, out_dot = leaves(read.result[0]), leaves(read.result[1])
        b.block += values
        results = self.fitted(out, out_dot, b, f"the jvp rule of {self.name}")
        return Program(f"{self.name}_rule", params, b.block, results)

    def fitted(self, out: list[Atom], dots: list[Atom], b: Builder, what: str) -> list[Atom]:
        """Values and tangents as the function's own results have them."""
        if [t.rank for t in self.results] != [a.type.rank for a in out] or len(out) != len(dots):
            raise wrong(f"{what}: its result is not structured as that of {self.name}")
        for t, y, d in zip(self.results, out, dots, strict=True):
            if d.type.rank != y.type.rank and t.differentiable:
                raise wrong(f"{what}: a tangent is not shaped like its result")
        found = [cast(y, t, b) for t, y in zip(self.results, out, strict=True)]
        return found + [cast(d, t, b) for t, d in zip(self.results, dots, strict=True) if t.differentiable]

    def of_vjp(self, active: tuple[bool, ...]) -> Program:
        """``fwd``, and ``bwd`` transposed: it has to be linear in the cotangent."""
        custom, (nondiff, _) = self.custom, self.split(self.form)
        fwd = read_kernel(custom.fwd, list(self.form))
        if type(fwd.result) is not tuple or len(fwd.result) != 2:
            raise wrong(f"fwd of {self.name} must return a pair (out, residuals)")
        out, residuals = fwd.result
        typed = mapped(lambda a: a if isinstance(a, Const) else a.type, residuals)
        bwd = read_kernel(custom.bwd, [*nondiff, typed, mapped(lambda a: a.type, out)])
        back = ssa(bwd.program)
        back.body = needed(back)
        flags = dict.fromkeys(bwd.program.params, False)
        flags.update({v: v.type.differentiable for v in leaves(bwd.params[-1]) if isinstance(v, Var)})
        if type(bwd.result) is not tuple:
            raise wrong(f"bwd of {self.name} must return a tuple with one cotangent for each argument")
        self.check_linear(back, [v for v, on in zip(back.params, flags.values(), strict=True) if on])
        split = linearize(back, tuple(flags.values()))
        *first, kept, cts = placed_like(bwd.params, bwd.program.params, split.program.params)
        linear = Program(
            back.name, [*split.residuals, *split.linear_params], split.tangent, split.tangents, len(split.linear_params)
        )
        linear.body = needed(linear)
        block, seeds, found = transposed(linear, dict(zip(split.linear_params, split.sources, strict=True)))
        b = Builder([*fwd.program.body])
        rest = self.split(fwd.params)
        bind_all(leaves(first), leaves(rest[0]), b)
        bind_all(list(leaves(kept)), leaves(residuals), b)
        for v, y in zip((v for v in leaves(cts) if isinstance(v, Var)), leaves(out), strict=True):
            zeros(v, y, b)
        b.block += split.primal
        params = self.arranged(*rest)
        params += self.seeded(bwd.result, rest[1], params, active, iter(seeds), b)
        b.block += block
        by_ct = dict(zip((v for v in leaves(cts) if v.type.differentiable), found, strict=True))
        dots = [by_ct.get(v, zero(y.type)) for v, y in zip(leaves(cts), leaves(out), strict=True)]
        return Program(f"{self.name}_rule", params, b.block, self.fitted(leaves(out), dots, b, f"fwd of {self.name}"))

    def seeded(
        self, result: Any, rest: tuple[Any, ...], given: list[Var], active: tuple[bool, ...], seeds: Any, b: Builder
    ) -> list[Var]:
        """Bind the tangents that the transpose of ``bwd`` takes: those of the arguments, or zeros."""
        if len(result) != len(rest):
            raise wrong(f"bwd of {self.name} returns {len(result)} cotangents for {len(rest)} arguments")
        tangents = {v: Var(v.name + "_dot", v.type) for v, on in zip(given, active, strict=True) if on}
        for part, argument in zip(result, rest, strict=True):
            if part is None:
                continue
            for ct, v in zip(leaves(part), leaves(argument), strict=True):
                if not ct.type.differentiable:
                    continue
                seed = next(seeds)
                if v in tangents:
                    b.bind(seed, tangents[v])
                else:
                    zeros(seed, v, b)
        return list(tangents.values())

    def check_linear(self, back: Program, cotangents: list[Var]) -> None:
        """Raise unless a program is linear in these parameters."""
        linear = active_vars(back, cotangents)
        for s in walk(back.body):
            if not is_linear(s, linear):
                raise KernelError(
                    f"bwd of {self.name} is not linear in the cotangent",
                    why="a kernel differentiates through the transpose of what bwd does to it",
                    hint=f"give {self.name}.defjvp(rule), or differentiate the caller as a Python function",
                )


def is_linear(s: Any, linear: set[Var]) -> bool:
    """Whether a statement treats variables that stand for a linear function as such."""
    if isinstance(s, Store):
        return not any(a in linear for a in s.index)
    if isinstance(s, If):
        return s.test not in linear
    if not isinstance(s, Let):
        heads = [s.test] if isinstance(s, While) else [s.start, s.stop, s.step]
        return not any(a in linear for a in heads)
    met = [a for a in atoms_read(s) if a in linear]
    if not met:
        return True
    if s.word.kind in ("linear", "memory"):
        return s.word.name != "call"
    if s.word.name == "where":
        return s.args[0] not in linear and all(a in linear or is_zero(a) for a in s.args[1:])
    if s.word.kind == "bilinear":
        return len(met) == 1
    if s.word.kind == "quotient":
        return s.args[1] not in linear
    return s.word.name in ("shape", "held")


def is_zero(atom: Atom) -> bool:
    return isinstance(atom, Const) and atom.value == 0


def wrong(what: str) -> Exception:
    from dualgrad.core.errors import StructureError

    return StructureError(what)


def zeros(target: Var, like: Atom, b: Builder) -> None:
    """Bind a variable to zeros of another's shape."""
    if target.type.rank:
        b.zeros(b.dims(like), target.type.dtype, target=target)
    else:
        b.bind(target, zero(target.type))


def bind_all(names: list[Any], values: list[Any], b: Builder) -> None:
    for name, value in zip(names, values, strict=True):
        if isinstance(name, Var):
            b.bind(name, value)


def cast(atom: Atom, type: Type, b: Builder) -> Atom:
    """A value with the dtype of a result."""
    return atom if atom.type.dtype == type.dtype or type.rank else b.cast(atom, dtype=type.dtype)


def placed_like(structure: Any, old: list[Any], new: list[Any]) -> Any:
    table = dict(zip(old, new, strict=True))
    return mapped(lambda a: table.get(a, a) if isinstance(a, Var) else a, structure)


def paths(structure: Any, path: tuple[int, ...] = ()) -> list[tuple[tuple[int, ...], Any]]:
    if type(structure) is not tuple:
        return [(path, structure)]
    return [found for k, part in enumerate(structure) for found in paths(part, (*path, k))]


def argument(part: Any) -> str:
    """Nested tuples of texts as one text."""
    return "(" + "".join(argument(p) + ", " for p in part).rstrip() + ")" if type(part) is tuple else part


def literal(thing: Any) -> str:
    return repr(thing.object if isinstance(thing, Static) else thing.value)


def as_one(part: Any) -> Any:
    from numba import types

    return types.Tuple(tuple(map(as_one, part))) if type(part) is tuple else part
