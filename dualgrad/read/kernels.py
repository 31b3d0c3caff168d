"""A whole kernel: parameters, body, results; kernels that it calls are read in place."""

from __future__ import annotations

import ast
from typing import Any

from dualgrad.core.program import Atom, Const, Let, Program, Statement, Store, Var
from dualgrad.core.walk import walk
from dualgrad.core.words import WORDS
from dualgrad.transforms.activity import chooses_by
from dualgrad.transforms.checkpoint import marked
from dualgrad.transforms.ssa import ssa

from .jumps import RESULT, ends, is_none, without_jumps
from .source import Source
from .statements import Statements
from .values import ArgType, Array, Read, ReadAgain, Static, Unclear, Value, as_value, is_number, leaves, mapped, wrap


def read_kernel(f: Any, argtypes: list[ArgType]) -> Read:
    """The source of ``f`` (a numba dispatcher or a plain function) as a program in surface form.

    Parameters
    ----------
    f : callable
        Its text is found by `inspect`, and so is that of the kernels it calls.
    argtypes : list
        For each argument a `Type`, a tuple of these, or a `Const` that fixes it; what is
        missing at the end takes its default.

    Raises
    ------
    KernelError
        Where the function uses what cannot be differentiated, with the user's line.
    """
    wanted: set[Any] = set()
    while True:
        reader = Reader(Source(f))
        reader.wanted = wanted
        try:
            return reader.read(list(argtypes))
        except ReadAgain:
            continue


class Reader(Statements):
    """Reads one function; ``caller`` is the reader of the function that calls it."""

    def __init__(self, source: Source, caller: Reader | None = None):
        super().__init__()
        self.source = source
        self.active: list[Any] = [source.function]
        self.sources: dict[Any, Source] = {}
        self.suspects: list[Any] = []  # results of derivatives that multiply structural zeros
        if caller is not None:
            self.inlined, self.b, self.inits, self.sources = True, caller.b, caller.inits, caller.sources
            self.caller, self.head, self.dims, self.fresh_arrays = caller, caller.head, caller.dims, caller.fresh_arrays
            self.origins, self.own_stores, self.guards = caller.origins, caller.own_stores, caller.guards
            self.chosen, self.frozen = caller.chosen, caller.frozen
            self.wanted, self.arguments = caller.wanted, caller.arguments
            self.active += caller.active
            self.suspects = caller.suspects
        self.body = without_jumps(source.tree)
        names = (n for s in self.body for n in ast.walk(s) if isinstance(n, ast.Name))
        self.local = {*source.params, *(n.id for n in names if isinstance(n.ctx, ast.Store))}

    def read(self, argtypes: list[ArgType]) -> Read:
        names, defaults = self.source.params, self.source.function.__defaults__ or ()
        missing = len(names) - len(argtypes)
        if not 0 <= missing <= len(defaults):
            self.source.refuse(self.source.tree, "arity", wanted=len(names), given=len(argtypes))
        argtypes = argtypes + [wrap(d) for d in defaults[len(defaults) - missing :]]
        params = tuple(parameter(name, t) for name, t in zip(names, argtypes, strict=True))
        variables = [v for v in leaves(params) if isinstance(v, Var)]
        self.arguments.update(variables)
        found = self.run([mapped(as_value, p) for p in params])
        result = mapped(lambda v: self.owned(v).var if isinstance(v, Array) else v, found)
        self.check_writes(self.b.block)
        stored = written(self.b.block)
        for array in self.frozen.values():
            if array.var in stored:
                self.source.refuse(self.source.tree, "global store", array=array.var.name)
        writes = tuple(k for k, v in enumerate(variables) if v in stored)
        results = leaves(result) if result is not None else [variables[k] for k in writes]
        inits: list[Statement] = [Let(v, WORDS["move"], (zero,)) for v, zero in self.inits.items()]
        program = Program(self.source.name, variables, inits + self.head + self.b.block, results)
        return Read(program, params, result, writes, decides=chooses_by(program.body, self.suspects))

    def owned(self, array: Array) -> Array:
        """An array as a result: a view becomes an array of its own."""
        own = array.is_memory and array.is_whole and array not in self.frozen.values()
        return array if own else self.fresh(array)

    def run(self, args: list[Value]) -> Value:
        """Emit the body for these arguments; what it returns."""
        for name, value in zip(self.source.params, args, strict=True):
            self.assign(ast.copy_location(ast.Name(name), self.source.tree), value)
        self.block(self.body)
        tree = self.source.tree
        returns = [n for n in ast.walk(tree) if isinstance(n, ast.Return)]
        valued = [n for n in returns if not is_none(n.value)]
        if not valued:
            return None
        if len(valued) < len(returns) or not ends(tree.body):
            self.source.refuse(tree, "some paths")
        value = self.value_Name(ast.copy_location(ast.Name(RESULT), valued[-1]))
        for leaf in leaves(value):
            if isinstance(leaf, Unclear):
                self.source.refuse(tree, "mixed")
            if not is_number(leaf) and not isinstance(leaf, Array):
                self.source.refuse(valued[-1].value or tree, "result")
        return value

    # Calls to other kernels

    def inline(self, node: ast.Call, f: Any, args: list[Value]) -> Value:
        """Read another kernel here, with the arguments in place of its parameters."""
        recipe = getattr(f, "recipe", None)
        marks = recipe.chain if recipe is not None and recipe.is_plain else ()
        f = recipe.base if recipe is not None and recipe.is_plain else f  # `dg.kernel` around it changes nothing here
        if hasattr(f, "__dualgrad_program__"):
            return self.splice(node, f.__dualgrad_program__([mapped(lambda v: v.type, a) for a in args]), args)
        function = getattr(f, "py_func", f)
        if function in self.active:
            self.source.refuse(node, "recursion")
        source = self.sources.get(function) or self.sources.setdefault(function, Source(f))
        block, before = self.b.block, len(self.b.block)
        value = Reader(source, self).run(args)
        for step in marks:  # how it is spelled is decided by the whole
            if step.name == "checkpoint":
                block[before:] = marked(block[before:], step.options)
        return value

    def splice(self, node: ast.Call, read: Read, args: list[Value]) -> Value:
        """Copy a program here; its parameters become names of the arguments."""
        copy = ssa(read.program)
        params, results = iter(copy.params), iter(copy.results)
        parts = []  # the callee sees whole arrays: a part is copied in, and out again if it was written
        for k, (param, arg) in enumerate(zip(leaves(read.params), leaves(tuple(args)), strict=True)):
            if isinstance(arg, Array) and not (arg.is_memory and arg.is_whole):
                new = self.fresh(arg)
                parts += [(arg, new)] if k in read.writes else []
                arg = new
            if isinstance(param, Var):
                self.b.bind(next(params), arg.var if isinstance(arg, Array) else arg)
        self.b.block += copy.body
        self.suspects += copy.results if read.zeros else ()
        for arg, new in parts:
            self.assign_into(node, arg, new)
        return mapped(lambda _: self.spliced(next(results)), read.result)

    def spliced(self, atom: Atom) -> Value:
        """A result of another program; the lengths of an array are known from here on."""
        if isinstance(atom, Var) and atom.type.rank:
            self.dims[atom] = tuple(self.b.dims(atom))
        return as_value(atom)


def written(block: list[Statement]) -> set[Any]:
    """The arrays that are stored into, by every name that they may have."""
    found: set[Any] = {s.array for s in walk(block) if isinstance(s, Store)}
    names = [s for s in walk(block) if isinstance(s, Let) and s.word.name == "move" and s.target.type.rank]
    size = -1
    while len(found) != size:
        size = len(found)
        found |= {s.args[0] for s in names if s.target in found}
    return found


def parameter(name: str, t: Any) -> Any:
    """The variables of one parameter."""
    if type(t) is tuple:
        return tuple(parameter(f"{name}_{k}", part) for k, part in enumerate(t))
    return t if isinstance(t, (Const, Static)) else Static(None) if t is None else Var(name, t)
