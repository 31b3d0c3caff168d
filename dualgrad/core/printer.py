"""Programs print as Python: the text one reads is the text that runs.

`to_text` writes one statement a line with types, for reading; `to_source` folds
values that are used once into the expression that uses them, for NumPy or numba.
"""

from __future__ import annotations

import keyword
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from .program import Atom, Block, Const, For, If, Let, Program, Statement, Store, Var, While
from .walk import atoms_read, walk

_LONGEST_FOLD = 100
# Names that the words' texts use, and the text around them.
RESERVED = frozenset(
    """np math special user vector_math fresh_array share_memory careful flush restore plus dot dot_nt dot_tn
    StructureError OverlapError range len abs float int bool complex""".split()  # noqa: SIM905
)
COMPARISON, POWER = 5, 40  # precedences that need brackets on both sides: Python chains comparisons


class Text(NamedTuple):
    """Source of an expression, how tightly it binds, and the variables it reads."""

    source: str
    precedence: int = 100
    reads: frozenset[Var] = frozenset()


def to_text(program: Program, width: int = 100) -> str:
    """The program with types, one statement a line; a ``def`` longer than ``width`` is broken."""
    return Printer(program, fold=False).definition(typed=True, width=width)


def to_source(
    program: Program,
    header: str | None = None,
    returns: str | None = None,
    taken: Iterable[str] = (),
    spell: Callable[[Let, str], str] | None = None,
) -> str:
    """Python source of the program as one function.

    ``header`` replaces the ``def`` line's text after the name and may unpack arguments on
    further lines; ``{name}`` fields in it and in ``returns`` are not interpreted.  No variable
    gets a name that is ``taken``.  ``spell(let, text)`` may change the text of a word, or the
    source where that is made by a function.
    """
    printer = Printer(program, fold=True)
    printer.spell = spell or printer.spell
    printer.taken.update(taken)
    return printer.definition(header=header, returns=returns)


class Printer:
    def __init__(self, program: Program, fold: bool):
        self.program = program
        self.names: dict[Var, str] = {}
        self.taken: set[str] = {program.name, *RESERVED}
        outside = (s for s in walk(program.body) if isinstance(s, Let) and s.word.name in ("frozen", "call"))
        self.taken.update(s.params["of"].name for s in outside)
        self.texts: dict[Var, Text] = {}
        self.lines: list[str] = []
        self.depth = 1
        self.spell: Callable[[Let, str], str] = lambda let, text: text
        self.uses = Counter(a for s in walk(program.body) for a in atoms_read(s)) if fold else Counter()
        self.uses.update(program.results if fold else ())

    def definition(
        self, typed: bool = False, header: str | None = None, returns: str | None = None, width: int = 100
    ) -> str:
        program = self.program
        params = [f"{self.name(v)}: {v.type}" if typed else self.name(v) for v in program.params]
        if typed and 0 < program.linear < len(params):
            params.insert(-program.linear, "/")
        self.block(program.body)
        values = [self.atom(a).source for a in program.results]
        self.line("return " + ", ".join(values) if returns is None else returns.format(*values))
        inside = ", ".join(params)
        if typed and len(inside) + len(program.name) + 7 > width:
            inside = "\n    " + "\n    ".join(textwrap.wrap(inside, width - 4)) + "\n"
        head = f"def {program.name}" + (header or f"({inside}):")
        return "\n".join([head, *self.lines]).rstrip() + "\n"

    # Names and expressions

    def name(self, var: Var) -> str:
        if var not in self.names:
            self.names[var] = self.fresh(var.name)
        return self.names[var]

    def fresh(self, wish: str) -> str:
        stem = re.sub(r"\W", "_", wish) or "t"
        name, k = stem, 0
        while name in self.taken or keyword.iskeyword(name):
            k += 1
            name = f"{stem}_{k}" if stem[-1:].isdigit() else f"{stem}{k}"
        self.taken.add(name)
        return name

    def atom(self, atom: Atom) -> Text:
        if isinstance(atom, Const):
            return literal(atom)
        return self.texts.get(atom) or Text(self.name(atom), 100, frozenset((atom,)))

    def expression(self, let: Let) -> Text:
        word, args = let.word, [self.atom(a) for a in let.args]
        reads = frozenset().union(*(a.reads for a in args))
        if not isinstance(word.text, str):
            types = [a.type for a in let.args]
            found = word.text([bracket(a, 2) for a in args], let.params, types)
            source, level = found if isinstance(found, tuple) else (found, word.precedence)
            return Text(self.spell(let, source), level, reads)
        if word.text == "{0}":
            return args[0]
        # An operator brackets looser operands; all but its first also those that bind alike.
        level, alike = word.precedence, word.precedence in (COMPARISON, POWER)
        first = [word.text.startswith(f"{{{k}}}") for k in range(len(args))]
        if level < 100:
            parts = [bracket(a, level + (alike or not leads)) for a, leads in zip(args, first, strict=True)]
        else:  # a call, an index or a method: only what stands before it needs brackets
            parts = [bracket(a, 100) if leads else a.source for a, leads in zip(args, first, strict=True)]
        return Text(self.spell(let, word.text).format(*parts, **let.params), level, reads)

    # Statements

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    @contextmanager
    def indented(self) -> Iterator[None]:
        """What is written inside is one deeper, and never nothing."""
        mark = len(self.lines)
        self.depth += 1
        yield
        if len(self.lines) == mark:
            self.line("pass")
        self.depth -= 1

    def block(self, block: Block) -> None:
        for k, statement in enumerate(block):
            if isinstance(statement, Let):
                self.let(statement, block, k)
            elif isinstance(statement, Store):
                whole = ":" * statement.array.type.rank
                index = ", ".join([self.atom(a).source for a in statement.index] or whole)
                sign = "+=" if statement.accumulate else "="
                self.line(f"{self.name(statement.array)}[{index}] {sign} {self.atom(statement.value).source}")
            elif isinstance(statement, For):
                self.loop(statement)
            elif isinstance(statement, While):
                self.loop_while(statement)
            else:
                self.branch(statement)

    def let(self, let: Let, block: Block, k: int) -> None:
        if let.word.name == "frozen":
            self.texts[let.target] = self.expression(let)
            return
        if let.word.name == "fail":
            self.line(self.expression(let).source)
            return
        if let.word.name == "checked":
            value, ok = map(self.atom, let.args)
            self.line(f"if not {bracket(ok, 5)}:")
            error, message, where = (let.params[n] for n in ("error", "message", "where"))
            more = f", '', '', {where!r}" if error == "StructureError" else ""
            self.line(f"    raise {error}({message!r}{more})")
            self.line(f"{self.name(let.target)} = {value.source}")
            return
        text = self.expression(let)
        if let.word.name == "restore":
            self.line(text.source)
        elif self.uses[let.target] == 1 and self.foldable(let, text, block, k):
            self.texts[let.target] = text
        else:
            self.line(f"{self.name(let.target)} = {text.source}")

    def foldable(self, let: Let, text: Text, block: Block, k: int) -> bool:
        """Whether the one use is in the same block, with nothing between that could change the value."""
        if let.target.type.rank and let.word.kind == "memory" or len(text.source) > _LONGEST_FOLD:
            return False
        if let.word.name in ("full", "grow", "flush") or let.word.makes:
            return False
        if text.precedence == 1 and any(a is let.target for a in self.program.results):
            return False  # numba takes no conditional expression in a long tuple
        for later in block[k + 1 :]:
            if let.target in self.read_on_entry(later):
                return True
            if not isinstance(later, Let) and self.touches_memory(let):
                return False
        return not self.touches_memory(let) and self.used_at_end(let.target, block)

    def read_on_entry(self, statement: Statement) -> set[Atom]:
        """The atoms evaluated once, before anything inside the statement runs."""
        if isinstance(statement, For):
            return {statement.start, statement.stop, statement.step, *(c.init for c in statement.carries)}
        if isinstance(statement, While):
            return {c.init for c in statement.carries}
        return {statement.test} if isinstance(statement, If) else set(atoms_read(statement))

    def used_at_end(self, var: Var, block: Block) -> bool:
        """The use is as a loop's next value, a branch's join or a result of this very block."""
        if block is self.program.body:
            return any(a is var for a in self.program.results)
        for s in walk(self.program.body):
            if isinstance(s, (For, While)) and s.body is block:
                return any(c.next is var for c in s.carries)
            if isinstance(s, While) and s.cond is block:
                return s.test is var
            if isinstance(s, If) and (s.then is block or s.orelse is block):
                return any((j.then if s.then is block else j.orelse) is var for j in s.joins)
        return False

    def touches_memory(self, let: Let) -> bool:
        """Whether the let, or a value folded into it, reads memory."""
        if let.word.kind == "memory":
            return True
        return any(isinstance(a, Var) and a in self.texts and "[" in self.texts[a].source for a in let.args)

    def enter(self, loop: For | While) -> None:
        """Carried values share one name with the loop's result."""
        for c in loop.carries:
            text = self.atom(c.init).source
            name = self.names[c.inner] = self.names[c.out] = self.fresh(c.out.name)
            self.line(f"{name} = {text}")

    def leave(self, loop: For | While) -> None:
        pairs = [(c.inner, self.atom(c.next)) for c in loop.carries if c.next is not c.inner]
        clash = any(v in t.reads for k, (v, _) in enumerate(pairs) for _, t in pairs[k + 1 :])
        if clash:
            self.line(f"{', '.join(self.name(v) for v, _ in pairs)} = {', '.join(t.source for _, t in pairs)}")
        else:
            for v, t in pairs:
                self.line(f"{self.name(v)} = {t.source}")

    def loop(self, loop: For) -> None:
        self.enter(loop)
        start, stop, step = (self.atom(a) for a in (loop.start, loop.stop, loop.step))
        self.line(f"for {self.name(loop.var)} in {range_text(start, stop, step, loop.reverse)}:{mark_text(loop)}")
        with self.indented():
            self.block(loop.body)
            self.leave(loop)

    def loop_while(self, loop: While) -> None:
        self.enter(loop)
        self.line("while True:" + mark_text(loop))
        mark = len(self.lines)
        with self.indented():
            self.block(loop.cond)
            test = self.atom(loop.test).source
            if len(self.lines) == mark:
                self.lines[-1] = self.lines[-1].replace("True", test, 1)
            else:
                self.line(f"if not ({test}):")
                self.line("    break")
            self.block(loop.body)
            self.leave(loop)

    def branch(self, branch: If) -> None:
        self.line(f"if {self.atom(branch.test).source}:")
        names = [self.name(j.out) for j in branch.joins]
        with self.indented():
            self.block(branch.then)
            for name, join in zip(names, branch.joins, strict=True):
                self.line(f"{name} = {self.atom(join.then).source}")
        if branch.orelse or branch.joins:
            self.line("else:")
            with self.indented():
                self.block(branch.orelse)
                for name, join in zip(names, branch.joins, strict=True):
                    self.line(f"{name} = {self.atom(join.orelse).source}")


def bracket(text: Text, level: int) -> str:
    """The text, in parentheses if it binds more loosely than ``level``."""
    return f"({text.source})" if text.precedence < level else text.source


def literal(atom: Const) -> Text:
    """A constant as Python source that has exactly its type."""
    value, dtype = atom.value, atom.type.dtype
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        source = {"nan": "np.nan", "inf": "np.inf", "-inf": "(-np.inf)"}[repr(value)]
    else:
        source = repr(value)
    if dtype in ("float32", "complex64", "int32", "uint64"):
        return Text(f"np.{dtype}({source})")
    return Text(source, 30 if source.startswith("-") else 100)


def mark_text(loop: For | While) -> str:
    """What reverse mode is told about a loop, as a comment."""
    return f"  # checkpoint={loop.checkpoint}" if loop.checkpoint else ""


def range_text(start: Text, stop: Text, step: Text, reverse: bool) -> str:
    """``range(...)``, or the same numbers from the last to the first."""
    a, b, s = start.source, stop.source, step.source
    if not reverse:
        given = [a, b, s] if s != "1" else [a, b] if a != "0" else [b]
        return f"range({', '.join(given)})"
    if s == "1":
        before = "-1" if a == "0" else f"{bracket(start, 10)} - 1"
        return f"range({bracket(stop, 10)} - 1, {before}, -1)"
    if s == "-1":
        return f"range({bracket(stop, 10)} + 1, {bracket(start, 10)} + 1)"
    last = f"{bracket(start, 10)} + (len(range({a}, {b}, {s})) - 1) * {bracket(step, 21)}"
    return f"range({last}, {bracket(start, 10)} - {bracket(step, 11)}, -{bracket(step, 31)})"
