"""Where a kernel comes from: its syntax tree, the objects its names stand for, and the fence with its messages."""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from typing import Any, NoReturn

from dualgrad.core.errors import KernelError

PROGRAMS = "a kernel becomes a program of let, store, for, while and if over numbers and arrays"

# Syntax outside of the fence: what it is | what to do.
SYNTAX = {
    "Yield": "a generator | write the values into an array argument",
    "YieldFrom": "a generator | write the values into an array argument",
    "Try": "try/except | test for the condition with if",
    "With": "a with block (object mode included) | do that part in Python, outside of the kernel",
    "List": "a list | use an array: np.zeros(n) and stores, or np.array([a, b])",
    "ListComp": "a list comprehension | use an array: np.zeros(n) and a loop",
    "GeneratorExp": "a generator expression | write the loop",
    "Dict": "a dict | pass numbers and arrays as arguments",
    "Set": "a set | use an array",
    "JoinedStr": "a string | keep it outside of the kernel",
    "Lambda": "a lambda | define the function beside the kernel and decorate it with @njit",
    "FunctionDef": "a nested function | define the function beside the kernel and decorate it with @njit",
    "Starred": "a star argument | write the arguments out",
    "kwonly": "a keyword-only argument | make it an ordinary argument",
}

# Everything else that is refused: what | why | what to do.  {code} is the user's expression.
REFUSED = {
    "source": "the source of {name} cannot be read | functions made by exec or typed at >>> have no text to derive from"
    " | put the function into a file or a notebook cell",
    "object mode": "{name} is compiled in object mode | {programs} | decorate it with @njit",
    "arity": "{name} takes {wanted} arguments, not {given} | each parameter needs a type | give one for each",
    "undefined": "the name {code} is not defined | no argument, variable or global has it | define it",
    "unbound": "the variable {code} is read where it may not be bound yet | the lines above have to say what it is"
    " | give {code} a value before the loop or branch",
    "unsure": "the array {code} is made on some paths only | its memory must exist on all"
    " | make it before the loop or branch",
    "unclear": "{code} may mean different things here | paths that meet (branches, turns of a loop) bind it to several"
    " arrays | use one array and store into it, or give each its own name",
    "array": "{code} is an array where a number is needed | {programs} | take an element or a sum",
    "global store": "the global array {array} is written | numba freezes global arrays | pass it as an argument",
    "no number": "{code} ({kind}) is used as a number | {programs} | use numbers and arrays",
    "no array": "{code} is indexed, but is not an array | {programs} | pass it as an array",
    "tuple index": "a tuple is indexed by what is not known in advance | its parts are variables | use an array",
    "index": "fancy indexing cannot be differentiated in a kernel | an index is an integer, a slice, ... or None"
    " | write the loop over the indices, or np.where(mask, a, b) for a mask",
    "step": "the step of a slice is not known in advance | whether it goes up or down decides where it ends"
    " | write a literal step, or the loop",
    "lengths": "{code} brings together arrays of {a} and {b} entries | shapes are broadcast as in NumPy"
    " | check the shapes",
    "store": "{code} is assigned, but is not in memory | it is a part of an expression | give the array a name first",
    "store rank": "an array of {a} dimensions is stored into a part of {b} | shapes are broadcast as in NumPy"
    " | store it row by row, or reshape it",
    "overlap": "{code} is updated in place by what overlaps it | numba and NumPy do different things here"
    " | write a = a + b, or use a copy",
    "rebound": "the array {array} is written in place, and the name may mean another array here"
    " | a loop or branch bound it anew, or it may be a view (reshape, ravel): what changes depends on the path"
    " | copy the array when it gets this name: {array} = {array}.copy()",
    "rank": "{code} has to have {rank} dimensions here | {programs} | reshape it",
    "no matrix": "{code} is no product of vectors and matrices | one or two dimensions are known | write the loops",
    "dtype": "the dtype {code} is not known in a kernel | it has to be a NumPy dtype | write np.float64 or the like",
    "indices": "{code} has too many indices | the array's rank is {rank} | leave some out",
    "unpack": "{code} is assigned what is no tuple or array of that length | {programs}"
    " | assign one by one, with indices",
    "attribute": "{code} is not known in a kernel | {programs}"
    " | use indices, .shape, .size, .ndim, .T and .sum() of arrays, .real and .imag",
    "operator": "the operator {kind} cannot be differentiated in a kernel | {programs} | write it in other words",
    "complex": "{name} of complex numbers is not read in kernels | they have no order | use .real, .imag or abs(z)",
    "choice": "the value of {code} is not a truth value | it chooses between numbers | write a if c else b",
    "loop": "a loop over {code} cannot be differentiated | {programs} | loop over range, an array, enumerate or zip",
    "call": "{function}(...) cannot be differentiated in a kernel | it is no word, no buffer, and no other kernel"
    " | write it as a loop, or as an @njit function of its own",
    "number": "{function}(...) makes a number inside of a kernel that is differentiated itself"
    " | numbers of nopython code do not nest: a value has one derivative"
    " | call the function as it is, or let dg.grad, dg.jvp or dg.derivative take the inner derivative",
    "call arguments": "these arguments of {function} are not read in kernels | {reason} | write it in other words",
    "raise": "{code} is raised | an exception of a kernel is one of Python's, with literal arguments"
    ' | write raise ValueError("what is wrong")',
    "guvectorize": "{function} was made by @guvectorize | it loops over axes that a kernel does not see"
    " | call an @njit function that gets whole arrays",
    "recursion": "{function} calls itself | a program has no calls | write the recursion as a loop",
    "some paths": "some paths of {name} return a value and some return nothing | the result must have one structure"
    " | return a value on every path",
    "mixed": "{name} returns different things on different paths | each place of the result has to be a number on all"
    " paths, or an array of one rank | return the same kinds of things on every path",
    "result": "{code}: a result has to be made of numbers and whole arrays | {programs} | return numbers and arrays",
}


class Source:
    """The syntax tree of a function with the file's own line numbers."""

    def __init__(self, f: Any):
        self.function = getattr(f, "py_func", f)
        self.name: str = self.function.__name__
        self.file: str = self.function.__code__.co_filename
        self.text: dict[int, str] = {}
        self.tree = self.parse()
        if getattr(f, "targetoptions", {}).get("forceobj"):
            self.refuse(self.tree, "object mode")
        parameters = self.tree.args
        self.params = [a.arg for a in (*parameters.posonlyargs, *parameters.args)]
        if parameters.vararg or parameters.kwarg or parameters.kwonlyargs:
            self.fence(self.tree, "kwonly" if parameters.kwonlyargs else "Starred")

    def parse(self) -> ast.FunctionDef:
        try:
            lines, first = inspect.getsourcelines(self.function)
            tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
        except (OSError, TypeError, SyntaxError):
            self.refuse(ast.Pass(lineno=self.function.__code__.co_firstlineno), "source")
        ast.increment_lineno(tree, first - 1)
        self.text = dict(enumerate(lines, first))
        return tree if isinstance(tree, ast.FunctionDef) else self.fence(tree, "Lambda")

    def refuse(self, node: ast.AST, key: str, **fields: Any) -> NoReturn:
        """Raise the error of this key that names the user's line."""
        code = ast.unparse(node).strip(".") if isinstance(node, ast.expr) else ""
        function = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        fields = {"code": code, "function": function, "name": self.name, "programs": PROGRAMS, **fields}
        self.error(node, *(text.format(**fields) for text in REFUSED[key].split(" | ")))

    def fence(self, node: ast.AST, kind: str = "") -> NoReturn:
        """Refuse a piece of syntax."""
        kind = kind or type(node).__name__
        thing, hint = SYNTAX.get(kind, f"the syntax {kind} | write it in other words").split(" | ")
        self.error(node, f"{thing} cannot be differentiated in a kernel", PROGRAMS, hint)

    def error(self, node: ast.AST, what: str, why: str, hint: str) -> NoReturn:
        line = getattr(node, "lineno", 0)
        where = f"{self.file}:{line}, in {self.name}: {self.text.get(line, '').strip()}"
        raise KernelError(what, why, hint, where) from None

    def lookup(self, node: ast.Name) -> Any:
        """The object that a name not bound in the function stands for."""
        code, cells = self.function.__code__, self.function.__closure__ or ()
        if node.id in code.co_freevars:
            try:
                return cells[code.co_freevars.index(node.id)].cell_contents
            except ValueError:
                self.refuse(node, "undefined")
        for names in (self.function.__globals__, vars(builtins)):
            if node.id in names:
                return names[node.id]
        self.refuse(node, "undefined")
