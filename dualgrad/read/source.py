"""Where a kernel comes from: its syntax tree, the objects its names stand for, and the fence with its messages."""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from typing import Any, NoReturn

from dualgrad.core.errors import KernelError

PROGRAMS = "a kernel becomes a program of let, store, for, while and if over numbers and arrays"

# What the fence refuses by its syntax: name in the message, way out.
FENCE: dict[str, tuple[str, str]] = {
    "Yield": ("a generator", "write the values into an array argument"),
    "YieldFrom": ("a generator", "write the values into an array argument"),
    "Try": ("try/except", "test for the condition with if"),
    "With": ("a with block (object mode included)", "do that part in Python, outside of the kernel"),
    "Raise": ("raise", "check the arguments in Python, before the kernel is called"),
    "Assert": ("assert", "check the arguments in Python, before the kernel is called"),
    "List": ("a list", "use an array: np.zeros(n) and stores, or np.array of numbers"),
    "ListComp": ("a list comprehension", "use an array: np.zeros(n) and a loop"),
    "GeneratorExp": ("a generator expression", "write the loop"),
    "Dict": ("a dict", "pass arrays and numbers as arguments"),
    "DictComp": ("a dict comprehension", "pass arrays and numbers as arguments"),
    "Set": ("a set", "use an array"),
    "SetComp": ("a set comprehension", "use an array"),
    "JoinedStr": ("a string", "keep texts outside of the kernel"),
    "Lambda": ("a lambda", "define the function beside the kernel and decorate it with @njit"),
    "FunctionDef": ("a nested function", "define the function beside the kernel and decorate it with @njit"),
    "ClassDef": ("a class", "pass its fields as arguments"),
    "Starred": ("a star argument", "write the arguments out"),
    "Slice": ("a slice of an array", "write the loop over its elements"),
    "Import": ("an import", "import at the top of the file"),
    "ImportFrom": ("an import", "import at the top of the file"),
    "Delete": ("del", "leave it out"),
    "Global": ("assigning a global", "return the value"),
    "Nonlocal": ("assigning a variable of an outer function", "return the value"),
    "NamedExpr": ("an assignment inside an expression", "assign on a line of its own"),
    "Match": ("match", "write if and elif"),
}


class Source:
    """The syntax tree of a function with the file's own line numbers."""

    def __init__(self, f: Any):
        self.function = getattr(f, "py_func", f)
        self.name: str = self.function.__name__
        self.file: str = self.function.__code__.co_filename
        self.tree = self.parse()
        if getattr(f, "targetoptions", {}).get("forceobj"):
            self.refuse(self.tree, f"{self.name} is compiled in object mode", hint="decorate it with @njit")
        self.params = [a.arg for a in (*self.tree.args.posonlyargs, *self.tree.args.args)]
        star = self.tree.args.vararg or self.tree.args.kwarg
        if star or self.tree.args.kwonlyargs:
            self.fence(self.tree, "a star argument" if star else "a keyword-only argument", FENCE["Starred"][1])

    def parse(self) -> ast.FunctionDef:
        try:
            lines, first = inspect.getsourcelines(self.function)
            tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
        except (OSError, TypeError, SyntaxError):
            raise KernelError(
                f"the source of {self.name} cannot be read",
                "a derivative is made from the text, and Python keeps none for functions made by exec or typed at >>>",
                "put the function into a file or a notebook cell",
                where=self.file,
            ) from None
        ast.increment_lineno(tree, first - 1)
        self.text = dict(enumerate(lines, first))
        if not isinstance(tree, ast.FunctionDef):
            self.fence(tree, *FENCE["Lambda"])
        return tree

    def refuse(self, node: ast.AST, what: str, why: str = PROGRAMS, hint: str = "") -> NoReturn:
        """Raise the error that names the user's line."""
        line = getattr(node, "lineno", 0)
        where = f"{self.file}:{line}, in {self.name}: {self.text.get(line, '').strip()}"
        raise KernelError(what, why, hint, where) from None

    def fence(self, node: ast.AST, thing: str = "", hint: str = "write it in other words") -> NoReturn:
        """Refuse a piece of syntax."""
        if not thing:
            kind = type(node).__name__
            thing, hint = FENCE.get(kind, (f"{kind} syntax", hint))
        self.refuse(node, f"{thing} cannot be differentiated in a kernel", hint=hint)

    def lookup(self, node: ast.Name) -> Any:
        """The object that a name not assigned in the function stands for."""
        code, cells = self.function.__code__, self.function.__closure__ or ()
        for name, cell in zip(code.co_freevars, cells, strict=True):
            if name == node.id:
                try:
                    return cell.cell_contents
                except ValueError:
                    break
        for names in (self.function.__globals__, vars(builtins)):
            if node.id in names:
                return names[node.id]
        self.refuse(node, f"the name {node.id} is not defined", "no argument, variable or global has it", "define it")
