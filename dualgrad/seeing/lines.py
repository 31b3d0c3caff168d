"""Which lines of the user's functions run, in which turn of which loop, and what names they bind.

Python's own tracing tells when a line begins; the source tells which statement that is.  A statement is handed on
when it has ended, with the frame as it is then.  Without source there are lines and no names.
"""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from dualgrad.core.errors import is_users

_COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
_GENERATOR = 0x20 | 0x80 | 0x200  # flags of code that does not run from its first to its last line
_LOOPS = (ast.For, ast.While)


@dataclass(frozen=True)
class Statement:
    """A statement of a file, the header alone where it has a body."""

    node: ast.stmt
    loops: tuple[ast.stmt, ...]  # those around it, outer ones first, and itself if it is one
    indent: int  # how many statements of its function are around it


_FILES: dict[str, tuple[list[str], dict[int, Statement]]] = {}


def statement_at(frame: FrameType, line: int) -> Statement | None:
    """The innermost statement of the user's file that stands at a line."""
    name = frame.f_code.co_filename
    lines = linecache.getlines(name, frame.f_globals)
    known = _FILES.get(name)
    if known is None or known[0] is not lines and known[0] != lines:
        known = _FILES[name] = lines, _statements("".join(lines))
    return known[1].get(line)


def _statements(text: str) -> dict[int, Statement]:
    """The innermost statement at each line of a file."""
    found: dict[int, Statement] = {}

    def visit(nodes: list[ast.stmt], loops: tuple[ast.stmt, ...], indent: int) -> None:
        for node in nodes:
            inner = loops + (node,) if isinstance(node, _LOOPS) else loops
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
            for line in range(first, (node.end_lineno or node.lineno) + 1):
                found[line] = Statement(node, inner, indent)
            new = isinstance(node, (ast.FunctionDef, ast.ClassDef))
            inside = () if new else inner
            for name in ("body", "orelse", "handlers", "finalbody", "cases"):
                # what follows a loop that was not broken is no part of its turns
                around = loops if name == "orelse" and isinstance(node, _LOOPS) else inside
                for part in getattr(node, name, ()):
                    visit([part] if isinstance(part, ast.stmt) else part.body, around, 1 if new else indent + 1)

    with suppress(SyntaxError):
        visit(ast.parse(text).body, (), 0)
    return found


def source_line(frame: FrameType, line: int) -> str:
    """The text of a line, without indentation."""
    return linecache.getline(frame.f_code.co_filename, line, frame.f_globals).strip()


def head_of(frame: FrameType) -> tuple[int, str]:
    """Line and text of the ``def`` of the function that runs; a lambda's is its line."""
    first = frame.f_code.co_firstlineno
    found = statement_at(frame, first)
    if found is None or not isinstance(found.node, ast.FunctionDef) or frame.f_code.co_name == "<lambda>":
        return first, source_line(frame, first)
    return found.node.lineno, text_of(found, frame, found.node.lineno)


def text_of(statement: Statement | None, frame: FrameType, line: int) -> str:
    """A statement's text in one line; of one with a body the header."""
    if statement is None or frame.f_code.co_name == "<lambda>":
        return source_line(frame, line)
    node = statement.node
    body = getattr(node, "body", None)
    last = body[0].lineno - 1 if body and body[0].lineno > node.lineno else node.end_lineno or node.lineno
    lines = [source_line(frame, k) for k in range(node.lineno, last + 1)]
    return " ".join(part for part in lines if part and not part.startswith("#"))


@dataclass
class Done:
    """A statement that has ended: where, in which turns, with what in the frame, and whether its body comes next."""

    frame: FrameType
    line: int
    statement: Statement | None
    turns: tuple[int, ...]
    depth: int
    enters: bool | None = None
    result: tuple[Any, ...] = ()  # of a function that returned


@dataclass
class _Running:
    """A function that runs: its frame's depth, the statement that it is in, the turns of its loops."""

    depth: int
    line: int = 0
    at: Statement | None = None
    instruction: int = -1
    turns: dict[ast.stmt, int] = field(default_factory=dict)
    raised: bool = False


class Tracer:
    """What `sys.settrace` calls; it hands on each statement that has ended."""

    def __init__(self, called: Callable[[FrameType, int], None], done: Callable[[Done], None]):
        self.called, self.done = called, done
        self.running: dict[FrameType, _Running] = {}

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        """A function begins."""
        code = frame.f_code
        if event != "call" or code.co_name in _COMPREHENSIONS or code.co_flags & _GENERATOR or not is_users(frame):
            return None
        self.running[frame] = _Running(len(self.running))
        self.called(frame, len(self.running) - 1)
        return self.local

    def local(self, frame: FrameType, event: str, arg: Any) -> Any:
        state = self.running.get(frame)
        if state is None:
            return None
        if event == "line":
            state.raised = False
            self.line(frame, state)
        elif event == "exception":
            state.raised = True
        elif event == "return":
            del self.running[frame]
            if not (state.raised and arg is None):
                self.end(frame, state, None, (arg,))
        return self.local

    def line(self, frame: FrameType, state: _Running) -> None:
        now = statement_at(frame, frame.f_lineno)
        if state.line and now is not None and now is state.at and _goes_on(now, frame.f_lasti > state.instruction):
            state.instruction = frame.f_lasti
            return
        before = state.at if state.line else None
        if state.line:
            self.end(frame, state, now)
        if now is not None and isinstance(now.node, _LOOPS) and now.node not in (before.loops if before else ()):
            state.turns.pop(now.node, None)  # entered from outside
        state.line, state.at, state.instruction = frame.f_lineno, now, frame.f_lasti

    def end(self, frame: FrameType, state: _Running, after: Statement | None, result: tuple[Any, ...] = ()) -> None:
        """The statement that ran has ended."""
        at = state.at
        enters = None
        if at is not None and isinstance(at.node, (ast.If, *_LOOPS)):
            enters = after is not None and after.node is not at.node and _inside(after.node, at.node)
            if isinstance(at.node, _LOOPS) and enters:
                state.turns[at.node] = state.turns.get(at.node, 0) + 1
            if isinstance(at.node, ast.For) and not enters:
                return
        turns = tuple(state.turns[n] for n in (at.loops if at else ()) if n in state.turns)
        self.done(Done(frame, state.line, at, turns, state.depth, enters, result))


def _goes_on(statement: Statement, forward: bool) -> bool:
    """Whether a line begins within a statement that has begun: one of several lines, or with a comprehension in it."""
    around = statement.loops[-1:]
    turns = statement.node in around or any(loop.lineno == statement.node.lineno for loop in around)
    return forward or not turns


def _inside(node: ast.stmt, header: Any) -> bool:
    """Whether a statement belongs to the body of another."""
    body = header.body
    return body[0].lineno <= node.lineno <= (body[-1].end_lineno or 0)


@contextmanager
def traced(tracer: Tracer) -> Iterator[None]:
    """Let the tracer see what runs within a ``with`` block; a debugger's own tracing goes on after it."""
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        yield
    finally:
        sys.settrace(before)


# Names


def targets(statement: Statement | None) -> list[ast.expr]:
    """What a statement binds or writes, in order."""
    node: Any = statement.node if statement else None
    if isinstance(node, ast.Assign):
        found = node.targets
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.For)):
        found = [node.target]
    elif isinstance(node, ast.With):
        found = [item.optional_vars for item in node.items if item.optional_vars]
    else:
        found = []
    parts = [node.test] if isinstance(node, (ast.If, ast.While)) else [getattr(node, "value", None)]
    walrus = [n.target for p in parts if p is not None for n in ast.walk(p) if isinstance(n, ast.NamedExpr)]
    return [*walrus, *(flat for t in found for flat in _flat(t))]


def _flat(target: ast.expr) -> Iterator[ast.expr]:
    if isinstance(target, (ast.Tuple, ast.List)):
        for part in target.elts:
            yield from _flat(part)
    else:
        yield target.value if isinstance(target, ast.Starred) else target


def value_at(target: ast.expr, frame: FrameType) -> tuple[str, Any, Any]:
    """Name, object and index (None for all of it) of what was bound or written; raises where it cannot be told."""
    if isinstance(target, ast.Subscript):
        index = _value(target.slice, frame, "_AT[{}]")
        return f"{ast.unparse(target.value)}[{written(index)}]", _value(target.value, frame), (index,)
    return ast.unparse(target), _value(target, frame), None


_HARMLESS = (ast.Name, ast.Attribute, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Slice, ast.Tuple, ast.Subscript,
             ast.expr_context, ast.operator, ast.unaryop)  # fmt: skip


class _Index:
    """What stands between brackets."""

    def __getitem__(self, index: Any) -> Any:
        return index


_AT = _Index()


def _value(node: ast.expr, frame: FrameType, form: str = "{}") -> Any:
    """The value of an expression that does nothing but read."""
    if not all(isinstance(n, _HARMLESS) for n in ast.walk(node)):
        raise ValueError("the expression may have effects")
    return eval(form.format(ast.unparse(node)), frame.f_globals, {**frame.f_locals, "_AT": _AT})


def written(index: Any) -> str:
    """An index as one writes it."""
    if isinstance(index, slice):
        start, stop, step = ("" if v is None else str(v) for v in (index.start, index.stop, index.step))
        return f"{start}:{stop}" + (f":{step}" if step else "")
    if isinstance(index, tuple):
        return ", ".join(map(written, index))
    return "..." if index is ... else str(index) if isinstance(index, int) or hasattr(index, "dtype") else repr(index)
