"""Where a kernel comes from: its syntax tree, the objects its names stand for, and its lines in what is refused."""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from pathlib import Path
from typing import Any, NoReturn

from dualgrad.core.errors import KernelError
from dualgrad.core.fence import OTHER_SYNTAX, SYNTAX, refuse

HERE = str(Path(__file__).parent)


class Source:
    """The syntax tree of a function with the file's own line numbers."""

    def __init__(self, f: Any):
        self.function = getattr(f, "py_func", f)
        self.name: str = self.function.__name__.replace("<lambda>", "lambda_")
        self.file: str = self.function.__code__.co_filename
        self.is_own = self.file.startswith(HERE)  # the library of `dualgrad.read`, which no user wrote
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
            if self.function.__name__ == "<lambda>":
                return self.parse_lambda()
            lines, first = inspect.getsourcelines(self.function)
            tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
        except (OSError, TypeError, SyntaxError):
            self.refuse(ast.Pass(lineno=self.function.__code__.co_firstlineno), "source")
        ast.increment_lineno(tree, first - 1)
        self.text = dict(enumerate(lines, first))
        return tree if isinstance(tree, ast.FunctionDef) else self.fence(tree, "Lambda")

    def parse_lambda(self) -> ast.FunctionDef:
        """A lambda as a function that returns its body; of several in a line, the one where the code is."""
        lines, _ = inspect.findsource(self.function)
        self.text = dict(enumerate(lines, 1))
        code = self.function.__code__
        places = [(line, column) for line, _, column, _ in code.co_positions() if line and column]

        def holds(n: ast.Lambda) -> bool:
            start, end = (n.body.lineno, n.body.col_offset), (n.body.end_lineno or 0, n.body.end_col_offset or 0)
            return all(start <= place <= end for place in places)

        found = [n for n in ast.walk(ast.parse("".join(lines))) if isinstance(n, ast.Lambda) and holds(n)]
        if not found or not places:
            self.fence(ast.Pass(lineno=code.co_firstlineno), "Lambda")
        node = found[-1]  # the innermost: it comes last
        returned = ast.copy_location(ast.Return(node.body), node.body)
        function = ast.FunctionDef("lambda_", node.args, [returned], [], None)
        return ast.fix_missing_locations(ast.copy_location(function, node))

    def refuse(self, node: ast.AST, key: str, **fields: Any) -> NoReturn:
        """Raise the error of this row, which names the user's line."""
        code = ast.unparse(node).strip(".") if isinstance(node, ast.expr) else ""
        function = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        fields = {"code": code, "function": function, "name": self.name, **fields}
        refuse(key, self.place(getattr(node, "lineno", 0)), **fields)

    def fence(self, node: ast.AST, kind: str = "") -> NoReturn:
        """Refuse a piece of syntax."""
        kind = kind or type(node).__name__
        if kind in SYNTAX:
            self.refuse(node, kind)
        what, why, do = OTHER_SYNTAX[1:]
        raise KernelError(what.format(kind=kind), why, do, self.place(getattr(node, "lineno", 0))) from None

    def place(self, line: int) -> str:
        """File, line and text, as errors show them."""
        return f"{self.file}:{line}, in {self.name}: {self.text.get(line, '').strip()}"

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
