"""A whole kernel: parameters, body, results; and kernels that call kernels, read in place."""

from __future__ import annotations

import ast
from typing import Any

from dualgrad.core.program import Const, Let, Program, Statement, Store, Var, atoms_read, walk
from dualgrad.core.words import WORDS
from dualgrad.transforms.ssa import ssa

from .jumps import RESULT, ends, is_none, without_jumps
from .source import Source
from .statements import Statements, bound_names
from .values import ArgType, Array, Bound, Read, Static, Unclear, Value, as_value, leaves, mapped, wrap


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
    return Reader(Source(f)).read(list(argtypes))


class Reader(Statements):
    """Reads one function; ``caller`` is the reader of the function that calls it."""

    def __init__(self, source: Source, caller: Reader | None = None):
        super().__init__()
        self.source, self.inlined = source, caller is not None
        self.active: list[Any] = [source.function]
        self.sources: dict[Any, Source] = {}
        if caller is not None:
            self.b, self.named, self.inits, self.sources = caller.b, caller.named, caller.inits, caller.sources
            self.active += caller.active
        self.body = without_jumps(source.tree)
        self.assigned = bound_names(self.body)
        self.local = {*self.assigned, *source.params}

    def read(self, argtypes: list[ArgType]) -> Read:
        names, defaults = self.source.params, self.source.function.__defaults__ or ()
        missing = len(names) - len(argtypes)
        if not 0 <= missing <= len(defaults):
            what = f"{self.source.name} takes {len(names)} arguments, not {len(argtypes)}"
            self.source.refuse(self.source.tree, what)
        argtypes = argtypes + [wrap(d) for d in defaults[len(defaults) - missing :]]
        params = tuple(parameter(name, t) for name, t in zip(names, argtypes, strict=True))
        result = mapped(lambda v: v.var if isinstance(v, Array) else v, self.run([mapped(as_value, p) for p in params]))
        return self.program([v for v in leaves(params) if isinstance(v, Var)], params, result)

    def program(self, variables: list[Var], params: tuple[Any, ...], result: Any) -> Read:
        body = self.b.block
        same = {s.target: s.args[0] for s in walk(body) if isinstance(s, Let) and s.word.name == "move"}
        stored = {root(s.array, same) for s in walk(body) if isinstance(s, Store)}
        writes = tuple(k for k, v in enumerate(variables) if v in stored)
        results = leaves(result) if result is not None else [variables[k] for k in writes]
        read = {a for s in walk(body) for a in atoms_read(s)}.union(results)
        inits: list[Statement] = [Let(v, WORDS["move"], (zero,)) for v, zero in self.inits.items() if v in read]
        return Read(Program(self.source.name, variables, inits + body, results), params, result, writes)

    def run(self, args: list[Value]) -> Value:
        """Emit the body for these arguments; what it returns."""
        self.named.update(leaf for leaf in leaves(tuple(args)) if isinstance(leaf, Var))  # names, not temporaries
        for name, value in zip(self.source.params, args, strict=True):
            if name in self.assigned:
                self.assign(ast.copy_location(ast.Name(name), self.source.tree), value)
            else:
                self.env[name] = Bound(value)
        self.block(self.body)
        return self.result()

    def result(self) -> Value:
        tree = self.source.tree
        returns = [n for n in ast.walk(tree) if isinstance(n, ast.Return)]
        valued = [
            n for n in returns if not (n.value is None or isinstance(n.value, ast.Constant) and n.value.value is None)
        ]
        if not valued:
            return None
        if len(valued) < len(returns) or not ends(tree.body):
            what = f"some paths of {tree.name} return a value and some return nothing"
            self.source.refuse(tree, what, hint="return a value on every path")
        value = self.value_Name(ast.copy_location(ast.Name(RESULT), valued[-1]))
        for leaf in leaves(value):
            if isinstance(leaf, (Static, Unclear)) or isinstance(leaf, Array) and leaf.prefix and not self.inlined:
                what = f"{ast.unparse(valued[-1])}: this is no number and no whole array"
                self.source.refuse(valued[-1], what, hint="return numbers, arrays and tuples of these")
        return value

    # Calls to other kernels

    def inline(self, node: ast.Call, f: Any, args: list[Value]) -> Value:
        """Read another kernel here, with the arguments in place of its parameters."""
        if hasattr(f, "__dualgrad_program__"):
            return self.splice(node, f.__dualgrad_program__([mapped(lambda v: v.type, a) for a in args]), args)
        function = getattr(f, "py_func", f)
        if function in self.active:
            hint = "write the recursion as a loop"
            self.source.refuse(node, f"{ast.unparse(node.func)} calls itself", "a program has no calls", hint)
        source = self.sources.get(function) or self.sources.setdefault(function, Source(f))
        line = self.b.line
        result = Reader(source, self).run(args)
        self.b.line = line
        return result

    def splice(self, node: ast.Call, read: Read, args: list[Value]) -> Value:
        """Copy a program here; its parameters become names of the arguments."""
        copy = ssa(read.program)
        params = iter(copy.params)
        for param, arg in zip(leaves(read.params), leaves(tuple(args)), strict=True):
            if isinstance(arg, Array) and arg.prefix:
                what = f"{ast.unparse(node.func)} is given a part of an array"
                self.source.refuse(node, what, "a derived kernel takes whole arrays", "copy the part by a loop")
            if isinstance(param, Var):
                self.b.bind(next(params), arg.var if isinstance(arg, Array) else arg)
        self.b.block += copy.body
        results = iter(copy.results)
        return mapped(lambda _: as_value(next(results)), read.result)


def root(var: Any, same: dict[Var, Any]) -> Any:
    """The array that a name given by `Reader.splice` stands for."""
    while var in same:
        var = same[var]
    return var


def parameter(name: str, t: ArgType) -> Any:
    """The variables of one parameter."""
    if type(t) is tuple:
        return tuple(parameter(f"{name}_{k}", part) for k, part in enumerate(t))
    return t if isinstance(t, Const) else Var(name, t)
