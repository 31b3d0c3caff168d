"""Which indices cannot be negative, by a proof; those become unsigned.

``A[i]`` with a signed ``i`` asks each time whether i counts from the end, and such a choice keeps a loop from
being vectorised.  The walk collects facts (`dualgrad.transforms.forms`): loop variables lie between the ends of
their range, lengths and remainders are not negative, a branch is entered only where its test holds, a carried
counter keeps a bound if it enters with it and every turn preserves it.  What the facts do not show stays signed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from ..core.build import Builder, is_const
from ..core.program import (
    BOOL,
    INT,
    Atom,
    Block,
    Carry,
    Const,
    For,
    If,
    Let,
    Program,
    Statement,
    Store,
    Type,
    Var,
    While,
    variable,
)
from ..core.walk import walk
from .activity import array_families, shared_arrays
from .forms import Facts, Form

NARROW = ("bool", "int8", "int16", "int32", "uint8", "uint16", "uint32")
ONE = Form(1)


def is_integer(type: Type) -> bool:
    return type.rank == 0 and (type == INT or type.dtype in NARROW)


class Ranges:
    """What is known of a program's integers, found on a walk through it."""

    at: Callable[[Statement], None]

    def __init__(self, program: Program):
        self.program, self.facts = program, Facts()
        self.forms: dict[Var, Form] = {}
        self.lengths: dict[tuple[Var, int], Form] = {}
        self.lets: dict[Atom, Let] = {s.target: s for s in walk(program.body) if isinstance(s, Let)}
        branches = [s for s in walk(program.body) if isinstance(s, If)]
        self.joins: dict[Atom, tuple[Atom, ...]] = {j.out: (j.then, j.orelse) for s in branches for j in s.joins}
        self.naturals = made_of_integers(program)

    def walk(self, at: Callable[[Statement], None]) -> None:
        """Call ``at`` with each statement when what is known of it is known: perhaps again, and the last call counts.

        Memory holds no negative integer if none is stored into it, given that none is loaded from it.
        """
        self.at = at
        params = self.program.params
        known = -1
        while len(self.naturals) != known:
            known = len(self.naturals)
            self.facts.forget(0)
            self.facts.add(Form.of(v) for v in params if is_integer(v.type) and v.type.dtype.startswith("u"))
            self.block(self.program.body)

    def form(self, atom: Atom) -> Form:
        """An integer as a form; that of a variable which is no sum is itself."""
        if isinstance(atom, Const):
            return Form(int(atom.value))
        return self.forms.get(atom) or Form.of(atom)

    def proves(self, form: Form) -> bool:
        return self.facts.prove(form)

    def is_natural(self, atom: Atom) -> bool:
        """Whether an integer is known not to be negative."""
        return is_integer(atom.type) and self.proves(self.form(atom))

    # Statements

    def block(self, block: Block) -> None:
        for s in block:
            if isinstance(s, Let):
                if self.counts(s.target):
                    self.let(s)
                elif s.word.name in ("full", "copy"):
                    self.array(s)
                self.at(s)
            elif isinstance(s, Store):
                if s.array in self.naturals and not self.is_natural(s.value):
                    group = self.naturals[s.array]
                    self.naturals = {v: g for v, g in self.naturals.items() if g is not group}
                self.at(s)
            elif isinstance(s, If):
                self.branch(s)
            else:
                self.loop(s)

    def loop(self, s: For | While) -> None:
        """What holds of a carry at first and is preserved by every turn holds always."""
        holding = [pair for c in s.carries if c.inner.type == INT for pair in self.invariants(s, c)]
        while True:
            self.entering(s)
            mark = len(self.facts.log)
            self.facts.add(bound for _, bound in holding)
            if isinstance(s, For):
                self.facts.add(self.of_turn(s))
            else:
                self.block(s.cond)
                self.facts.add(self.of_test(s.test, True))
            self.at(s)
            self.block(s.body)
            kept = [(c, bound) for c, bound in holding if self.preserved(c, bound)]
            self.facts.forget(mark)
            if len(kept) == len(holding):
                break
            holding = kept
        self.facts.add(bound.put(c.inner, Form.of(c.out)) for c, bound in holding)

    def entering(self, s: For | While) -> None:
        """Called before a loop, with the facts that hold there."""

    def invariants(self, s: For | While, c: Carry) -> list[tuple[Carry, Form]]:
        """Bounds of a carry that hold when it enters: zero, what it enters with, and the range of the loop."""
        init, inner = self.form(c.init), Form.of(c.inner)
        bounds = [inner, inner.minus(init), init.minus(inner)]
        if isinstance(s, For):
            ends = map(self.form, (s.start, s.stop))
            bounds += [bound for end in ends for bound in (end.minus(inner).minus(ONE), inner.minus(end).minus(ONE))]
        return [(c, bound) for bound in bounds if self.proves(bound.put(c.inner, init))]

    def preserved(self, c: Carry, bound: Form) -> bool:
        """Whether a turn keeps a bound; a value that every turn multiplies would soon leave 64 bits."""
        values = (self.form(a) for a in self.alternatives(c.next))
        return not self.multiplies(c.next, c.inner) and all(self.proves(bound.put(c.inner, v)) for v in values)

    def alternatives(self, atom: Atom) -> Iterator[Atom]:
        """The values between which a number was chosen."""
        s = self.lets.get(atom)
        if s is not None and s.word.name == "where":
            for a in s.args[1:]:
                yield from self.alternatives(a)
        else:
            yield atom

    def multiplies(self, atom: Atom, v: Var) -> bool:
        """Whether an integer is made of a multiple of ``v``; a remainder of it is small again."""
        if atom in self.joins:
            return any(self.multiplies(a, v) for a in self.joins[atom])
        s = self.lets.get(atom)
        if s is None or s.word.name == "mod" or not self.counts(atom):
            return False
        if abs(self.form(atom).terms.get(v, 0)) > 1:
            return True
        scales = s.word.name not in ("add", "sub", "neg", "move", "cast", "where", "minimum", "maximum", "floordiv")
        return any(scales and self.reaches(a, v) or self.multiplies(a, v) for a in s.args)

    def reaches(self, atom: Atom, v: Var) -> bool:
        """Whether an integer depends on ``v`` (but by a remainder)."""
        s = self.lets.get(atom)
        made = s.args if s is not None and s.word.name != "mod" else ()
        inside = self.joins.get(atom, made)
        return atom is v or any(self.reaches(a, v) for a in inside)

    def of_turn(self, s: For) -> Iterator[Form]:
        """A turn is made only between the ends of the range."""
        start, stop, step, var = *map(self.form, (s.start, s.stop, s.step)), Form.of(s.var)
        if self.proves(step.minus(ONE)):
            yield from (var.minus(start), stop.minus(var).minus(ONE))
        elif self.proves(Form(-1).minus(step)):
            yield from (start.minus(var), var.minus(stop).minus(ONE))

    def branch(self, s: If) -> None:
        sides: list[list[tuple[bool, bool, bool]]] = []
        joins = [j for j in s.joins if j.out.type == INT]
        for block, truth in ((s.then, True), (s.orelse, False)):
            mark = len(self.facts.log)
            self.facts.add(self.of_test(s.test, truth))
            self.side(block)
            sides.append([self.compared(*map(self.form, (j.then, j.orelse))) for j in joins] if truth else
                         [self.compared(*map(self.form, (j.orelse, j.then))) for j in joins])  # fmt: skip
            self.facts.forget(mark)
        self.at(s)
        for j, then, orelse in zip(joins, *sides, strict=True):
            self.facts.add(between(Form.of(j.out), self.form(j.then), self.form(j.orelse), then, orelse))

    def side(self, block: Block) -> None:
        self.block(block)

    def compared(self, taken: Form, other: Form) -> tuple[bool, bool, bool]:
        """Of the value taken: whether it is natural, at least the other one, at most the other one."""
        return self.proves(taken), self.proves(taken.minus(other)), self.proves(other.minus(taken))

    def of_test(self, test: Atom, truth: bool) -> list[Form]:
        """What a test that has this outcome says about integers."""
        s = self.lets.get(test)
        if s is None:
            return []
        name = s.word.name
        if name == "not_":
            return self.of_test(s.args[0], not truth)
        if name == ("and_" if truth else "or_"):
            return [fact for a in s.args for fact in self.of_test(a, truth)]
        if name not in ("lt", "le", "gt", "ge", "eq", "ne") or not all(is_integer(a.type) for a in s.args):
            return []
        a, b = map(self.form, s.args)
        if name in ("eq", "ne"):
            return [a.minus(b), b.minus(a)] if (name == "eq") == truth else []
        if name in ("gt", "ge"):
            a, b = b, a
        strict = name in ("lt", "gt")  # a < b or a <= b
        return [b.minus(a).minus(int(strict))] if truth else [a.minus(b).minus(int(not strict))]

    # Words that make integers, and arrays, whose lengths are integers

    def array(self, s: Let) -> None:
        """A buffer is as long as it was made."""
        if s.word.name == "full":
            found = [*map(self.form, s.args[1:])]
        else:
            lengths = [self.lengths.get((variable(s.args[0]), k)) for k in range(s.target.type.rank)]
            found = [n for n in lengths if n is not None]
        if len(found) == s.target.type.rank:
            self.lengths.update(((s.target, k), n) for k, n in enumerate(found))
            self.facts.add(found)

    def let(self, s: Let) -> None:
        self.forms.pop(s.target, None)
        rule = getattr(self, "of_" + s.word.name.rstrip("_"), None) if all(self.counts(a) for a in s.args) else None
        if rule is not None:
            self.facts.add(rule(s, Form.of(s.target), *map(self.form, s.args)) or ())
        elif s.word.name == "shape":
            array, axis = s.args[0], s.params["axis"]
            assert isinstance(array, Var)
            self.forms[s.target] = self.lengths.setdefault((array, axis), Form.of(s.target))
            self.facts.add([self.forms[s.target]])
        elif s.word.name == "cast" and s.args[0].type == BOOL:
            self.facts.add([Form.of(s.target), ONE.minus(Form.of(s.target))])
        elif s.word.name == "where" and all(is_integer(a.type) for a in s.args):
            self.of_choice(s)
        elif s.word.name == "checked":
            self.forms[s.target] = self.form(s.args[0])
            self.facts.add(self.of_test(s.args[1], True))
        elif s.target.type.dtype.startswith("u") or s.word.name == "load" and s.args[0] in self.naturals:
            self.facts.add([Form.of(s.target)])

    @staticmethod
    def counts(atom: Atom) -> bool:
        return is_integer(atom.type) and atom.type.dtype != "bool"

    def of_move(self, s: Let, y: Form, a: Form) -> None:
        self.forms[s.target] = a

    def of_cast(self, s: Let, y: Form, a: Form) -> list[Form] | None:
        if s.target.type == INT:  # wider than what is counted
            self.forms[s.target] = a
            return None
        return [y] if s.target.type.dtype.startswith("u") else None

    def of_add(self, s: Let, y: Form, a: Form, b: Form) -> None:
        self.sum_of(s, a.plus(b))

    def of_sub(self, s: Let, y: Form, a: Form, b: Form) -> None:
        self.sum_of(s, a.minus(b))

    def of_neg(self, s: Let, y: Form, a: Form) -> None:
        self.sum_of(s, a.times(-1))

    def sum_of(self, s: Let, form: Form) -> None:
        """Narrow integers wrap around."""
        if s.target.type == INT:
            self.forms[s.target] = form

    def of_mul(self, s: Let, y: Form, a: Form, b: Form) -> Iterator[Form]:
        if s.target.type != INT:
            return
        if not a.terms or not b.terms:
            self.forms[s.target] = a.times(b.const) if not b.terms else b.times(a.const)
        elif self.proves(a) and self.proves(b):
            yield y
            for one, other in ((a, b), (b, a)):
                if self.proves(one.minus(ONE)):
                    yield y.minus(other)

    def of_floordiv(self, s: Let, y: Form, a: Form, b: Form) -> Iterator[Form]:
        """A division by zero gives zero, or raises."""
        if s.target.type != INT:
            return
        if not b.terms and b.const:
            if abs(b.const) == 1:
                self.forms[s.target] = a.times(b.const)
            else:
                a, n = a.times(1 if b.const > 0 else -1), abs(b.const)
                yield from (a.plus(y, -n), y.times(n).minus(a).plus(n - 1))
                b = Form(n)
        if self.proves(a) and self.proves(b):
            yield from (y, a.minus(y))

    def of_mod(self, s: Let, y: Form, a: Form, b: Form) -> Iterator[Form]:
        """A remainder has the sign of the divisor."""
        if self.proves(b):
            yield y
            if self.proves(b.minus(ONE)):
                yield b.minus(y).minus(ONE)

    def of_maximum(self, s: Let, y: Form, a: Form, b: Form) -> Iterator[Form]:
        yield from (y.minus(a), y.minus(b))

    def of_minimum(self, s: Let, y: Form, a: Form, b: Form) -> Iterator[Form]:
        yield from (a.minus(y), b.minus(y))
        if self.proves(a) and self.proves(b):
            yield y

    def of_absolute(self, s: Let, y: Form, a: Form) -> Iterator[Form]:
        yield from (y, y.minus(a), y.plus(a))

    def of_length(self, s: Let, y: Form, start: Form, stop: Form, step: Form) -> Iterator[Form]:
        yield y
        if step == ONE:
            if self.proves(stop.minus(start)):
                self.forms[s.target] = stop.minus(start)
            yield y.minus(stop).plus(start)

    def of_choice(self, s: Let) -> None:
        test, *args = s.args
        sides = []
        for k, truth in ((0, True), (1, False)):
            mark = len(self.facts.log)
            self.facts.add(self.of_test(test, truth))
            sides.append(self.compared(self.form(args[k]), self.form(args[1 - k])))
            self.facts.forget(mark)
        self.facts.add(between(Form.of(s.target), self.form(args[0]), self.form(args[1]), *sides))


def made_of_integers(program: Program) -> dict[Atom, object]:
    """Arrays of integers that the program makes, all zero at first, with what says which of them may be one memory."""
    families = array_families(program)
    shared = shared_arrays(program) - set(families)
    found: dict[Atom, object] = {}
    for s in walk(program.body):
        if isinstance(s, Let) and s.target.type.dtype == "int64" and s.word.name == "full" and is_const(s.args[0], 0):
            found[s.target] = families.get(s.target, s.target)
    kept = {id(f): f for f in families.values() if all(v in found for v in f.origins) and shared.isdisjoint(f.members)}
    found = {v: f for v, f in found.items() if (id(families[v]) in kept if v in families else v not in shared)}
    return found | {v: f for f in kept.values() if f.origins for v in f.members}


def between(y: Form, a: Form, b: Form, then: tuple[bool, bool, bool], orelse: tuple[bool, bool, bool]) -> list[Form]:
    """What is known of a value that is a or b, from `Ranges.compared` of each where it is taken."""
    found = [y] if then[0] and orelse[0] else []
    for other, (_, least, most) in ((b, then), (a, orelse)):
        found += [y.minus(other)] * least + [other.minus(y)] * most
    return found


# Unsigned indices


def unsigned(program: Program) -> Program:
    """The program with every index that is known not to be negative turned into an unsigned integer."""
    naturals: dict[int, list[bool]] = {}  # by the statement that indexes
    bound: set[Var] = set()  # natural wherever they are visible
    used = {a for s in walk(program.body) for a in indices(s) if isinstance(a, Var)}

    def look(s: Statement) -> None:
        if index := indices(s):
            naturals[id(s)] = [isinstance(a, Var) and ranges.is_natural(a) for a in index]
        v = s.var if isinstance(s, For) else s.target if isinstance(s, Let) else None
        if v in used:
            (bound.add if ranges.is_natural(v) else bound.discard)(v)

    ranges = Ranges(program)
    ranges.walk(look)
    return replace(program, body=_Unsigned(naturals, bound).block(program.body, {}))


def indices(s: Statement) -> tuple[Atom, ...]:
    """The indices of a load or a store."""
    if isinstance(s, Store):
        return s.index
    return s.args[1:] if isinstance(s, Let) and s.word.name == "load" else ()


class _Unsigned:
    """Writes the casts: where a number is bound if it is natural there, else before its first use in a block."""

    def __init__(self, naturals: dict[int, list[bool]], bound: set[Var]):
        self.naturals, self.bound = naturals, bound

    def block(self, block: Block, known: dict[Atom, Atom]) -> Block:
        b, known = Builder(), dict(known)
        for s in block:
            b.line = s.line
            if index := indices(s):
                natural = self.naturals[id(s)]
                new = [self.cast(a, b, known) if n else a for a, n in zip(index, natural, strict=True)]
                if isinstance(s, Store):
                    s = replace(s, index=tuple(new))
                elif isinstance(s, Let):
                    s = replace(s, args=(s.args[0], *new))
            elif isinstance(s, For):
                inner, turn = dict(known), Builder(line=s.line)
                if s.var in self.bound:
                    self.cast(s.var, turn, inner)
                s = replace(s, body=turn.block + self.block(s.body, inner))
            elif isinstance(s, If):
                s = replace(s, then=self.block(s.then, known), orelse=self.block(s.orelse, known))
            elif isinstance(s, While):
                s = replace(s, cond=self.block(s.cond, known), body=self.block(s.body, known))
            b.block.append(s)
            if isinstance(s, Let) and s.target in self.bound:
                self.cast(s.target, b, known)
        return b.block

    def cast(self, atom: Atom, b: Builder, known: dict[Atom, Atom]) -> Atom:
        if atom not in known:
            assert isinstance(atom, Var)
            known[atom] = b.unsigned(atom, name=atom.name)
        return known[atom]
