"""Linearize: values and the residuals they leave in one program, the linear rest in another.

The same pass as the jvp, with two blocks instead of one: primal statements go to the
forward program, tangent statements and their coefficients to the linear program, which
has the same loops and branches.  A primal value that the linear program needs is then

1. used as it is, if the outermost block binds it,
2. recomputed, if it is cheap and what it is made of is at hand: loop indices,
   arithmetic, loads from memory that does not change any more, induction variables,
3. kept otherwise: stored by the forward program in an array indexed by the loops'
   iteration numbers (`Tape`), and loaded by the linear one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, TypeGuard

from ..core.build import Builder, is_const
from ..core.fence import refuse
from ..core.program import (
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
    zero,
)
from ..core.walk import free_vars, substituted, vars_bound, walk
from ..core.words import WORDS
from .activity import array_families
from .checkpoint import written_out
from .entries import is_invariant, lengths_at_root, with_lengths_at_root
from .jvp import Derivative, prepare
from .rerun import Rerun
from .rules import with_rules
from .ssa import is_structural, ssa

CHEAP = frozenset(
    """add sub mul neg cast lt le gt ge eq ne and_ or_ not_ where floordiv mod shape length square absolute sign
    part whole conj checked maximum minimum""".split()  # noqa: SIM905
)
ZERO, ONE = Const(0, INT), Const(1, INT)


@dataclass
class Linearized:
    """Two programs that share variables; `forward` and `linear` close them.

    ``primal`` and ``tangent`` are the blocks, ``residuals`` the variables of the first that
    the second reads.
    """

    program: Program
    primal: Block
    tangent: Block
    residuals: list[Var]
    linear_params: list[Var]
    tangents: list[Atom]
    sources: list[Var]

    def forward(self) -> Program:
        """``(primals) -> (results, residuals)``."""
        results = [*self.program.results, *self.residuals]
        return ssa(Program(self.program.name + "_forward", self.program.params, self.primal, results))

    def linear(self) -> Program:
        """``(residuals, tangents) -> result tangents``."""
        params = [*self.residuals, *self.linear_params]
        name = self.program.name + "_linear"
        return ssa(Program(name, params, self.tangent, self.tangents, len(self.linear_params)))


def linearize(program: Program, active: tuple[bool, ...]) -> Linearized:
    """Split the derivative of a program at the point where it becomes linear.

    ``linearize : (a -> b) -> (a -> (b, r), (r, T a) -o T b)``
    """
    program = with_lengths_at_root(prepare(with_rules(program, active, reverse=True)))
    Unzip(program, active).refuse_unclear_names()
    if any(s.checkpoint for s in walk(program.body) if isinstance(s, (For, While))):
        program = written_out(program, Trial(program, active).keeping)
    unzip = Unzip(program, active)
    primal, linear = Builder(), Builder()
    unzip.root = unzip.primal = primal
    unzip.enter(linear)
    unzip.top(program.body, primal, linear)
    linear.block[:] = without_repeats(linear.block, primal.block)
    tangents = unzip.tangents_of_results(linear)
    free = free_vars(linear.block, tangents, {*unzip.linear_params})
    return Linearized(program, primal.block, linear.block, free, unzip.linear_params, tangents, unzip.sources)


@dataclass
class Level:
    """One loop around the statements at hand, and how its turns are numbered.

    ``index`` numbers the turn within all turns of a tape: one iteration number per loop
    where all trip counts are known when the outermost loop starts, else one running number.
    """

    index: tuple[Atom, ...] = ()
    sizes: tuple[Atom, ...] | None = ()  # None: not known beforehand, tapes grow
    loop: For | While | None = None
    turn: Atom | None = None
    triangular: bool = False  # one of the sizes is the longest of loops that differ


class Unzip(Derivative):
    """The derivative pass with two blocks; see the module's text for what is kept."""

    root: Builder

    def __init__(self, program: Program, active: tuple[bool, ...]):
        super().__init__(program, active)
        self.level = Level()
        self.tapes: list[Var] = []
        self.bound_at_root: set[Var] = set(program.params)
        self.position = 0
        self.sizes: dict[Var, list[Var]] = {}  # by the last name of a memory that grows: its final shape
        self.families = array_families(program)
        stores = ((s.array, k) for k, top in enumerate(program.body) for s in walk([top]) if isinstance(s, Store))
        self.last_store: dict[Var, int] = {}
        for array, k in stores:
            names = self.families[array].members if array in self.families else (array,)
            self.last_store.update(dict.fromkeys(names, k))

        self.lets = {s.target: s for s in walk(program.body) if isinstance(s, Let)}
        self.ranges: dict[Atom, For] = {s.var: s for s in walk(program.body) if isinstance(s, For)}

    def refuse_unclear_names(self) -> None:
        """A name for one array or another is followed where loops exchange names, and where a memory grows."""
        found = [(v, s) for s in walk(self.program.body) for v in vars_bound(s) if self.is_unclear(v)]
        for v, s in sorted(found, key=lambda pair: not isinstance(pair[1], (If, For, While))):  # where names meet
            refuse("names", f"line {s.line}", name=v.name)

    def is_unclear(self, v: Var) -> bool:
        family = self.families.get(v)
        several = family and not family.exchanged and (len(family.origins) > 1 or not family.final)
        return v in self.active and bool(several)

    def top(self, body: Block, primal: Builder, linear: Builder) -> None:
        for self.position, s in enumerate(body):
            self.block([s], primal, linear)
            self.bound_at_root.update(vars_bound(s))

    # A tape that grows (of a kernel that is a derivative itself) is one memory under many names; arrays whose names are
    # exchanged have tangents whose names are exchanged alike

    def is_exchanged(self, array: Var) -> bool:
        return array not in self.families or self.families[array].exchanged

    def shape_of(self, s: Let) -> list[Atom]:
        """A growing buffer has one tangent, as long as it is in the end."""
        if self.is_exchanged(s.target):
            return list(s.args[1:])
        final = self.families[s.target].final
        assert final is not None  # others are refused
        sizes = self.sizes[final] = [Var("size", INT) for _ in s.args[1:]]
        return [*sizes]

    def block(self, block: Block, primal: Builder, linear: Builder) -> None:
        """Each statement in turn; the length of a memory is known when the last of its names is."""
        for s in block:
            super().block([s], primal, linear)
            for v in vars_bound(s):
                for axis, size in enumerate(self.sizes.get(v, ())):
                    primal.block.append(Let(size, WORDS["shape"], (v,), {"axis": axis}, s.line))

    def copy(self, s: Let, linear: Builder) -> None:
        if s.word.name == "grow":
            self.dots[s.target] = self.dots[s.args[0]]
        else:
            super().copy(s, linear)

    def carried_dots(self, s: For | While, linear: Builder) -> list[Any]:
        arrays = [c for c in s.carries if c.inner in self.active and not self.is_exchanged(c.inner)]
        for c in arrays:
            self.dots[c.inner] = self.dots[c.out] = self.array_dot(c.init, linear)
        return super().carried_dots(replace(s, carries=[c for c in s.carries if c not in arrays]), linear)

    def joined_dots(self, s: If) -> list[Any]:
        arrays = [j for j in s.joins if j.out in self.active and j.out.type.rank > 0]
        for j in arrays:
            self.dots[j.out] = self.dots[j.then]
        return super().joined_dots(replace(s, joins=[j for j in s.joins if j not in arrays]))

    # Loops and branches, twice

    def body(self, s: For | While, level: Level, forward: Builder, linear: Builder) -> tuple[Block, list[Carry]]:
        """Write a loop's body to ``forward``; its linear part is returned, with the tangents that it carries."""
        outer, self.level = self.level, level
        tangent = Builder(line=s.line)
        waiting = self.carried_dots(s, linear)
        if s.checkpoint:
            Rerun(self, s, forward, tangent, linear).write()
        else:
            self.block(s.body, forward, tangent)
        self.provide(forward, tangent, s)
        self.level = outer
        return tangent.block, self.closed_dots(waiting)

    def loop(self, s: For, primal: Builder, linear: Builder) -> None:
        forward = Builder(line=s.line)
        level, after = self.enter_loop(s, forward, primal)
        body, carries = self.body(s, level, forward, linear)
        primal.block.append(replace(s, body=forward.block, carries=list(s.carries)))
        after(primal)
        if body or carries:
            linear.block.append(replace(s, body=body, carries=carries))

    def enter_loop(self, s: For, forward: Builder, primal: Builder) -> tuple[Level, Any]:
        """The level inside a ``for``, and what the forward program does after the loop."""
        turn: Atom = s.var
        if s.reverse or not is_const(s.start, 0) or not is_const(s.step, 1):
            turn = forward.sub(s.var, s.start, name="turn")
            if not is_const(s.step, 1):
                turn = forward.floordiv(turn, s.step, name="turn")
            if s.reverse:
                count = primal.length(s.start, s.stop, s.step, name="count")
                turn = forward.sub(forward.sub(count, 1), turn)
        bounds = (s.start, s.stop, s.step)
        sizes = self.level.sizes
        if sizes is not None and (known := self.at_root(*bounds)) is not None:
            size = self.root.length(*known, name="count")
            return Level((*self.level.index, turn), (*sizes, size), s, turn, self.level.triangular), lambda b: None
        if sizes is not None and (found := self.at_most(s)) is not None:
            size, triangular = found
            return Level((*self.level.index, turn), (*sizes, size), s, turn, triangular), lambda b: None
        base, running = self.running_number(primal)
        at = forward.add(base, turn, name="at")

        def after(b: Builder) -> None:
            b.bind(running, b.add(base, b.length(*bounds)))

        return Level((at,), None, s, turn), after

    def at_most(self, s: For) -> tuple[Atom, bool] | None:
        """The most turns that a loop makes, worked out before the outermost one; and whether others make fewer.

        One loop in a nest may be triangular (``for j in range(i)``): half of its tape is never touched.
        """
        if not (isinstance(s.start, Const) and isinstance(s.step, Const) and s.step.value > 0):
            return None
        for triangular in (False, True)[: 2 - self.level.triangular]:
            stop = self.bound(s.stop, triangular)
            if stop is not None:
                return self.root.length(s.start, stop, s.step, name="count"), triangular or self.level.triangular
        return None

    def bound(self, atom: Atom, triangular: bool) -> Atom | None:
        """A number at the root that an integer does not exceed: of exchanged arrays the longest, of a range its end."""
        known, let = self.at_root(atom), self.lets.get(variable(atom)) if isinstance(atom, Var) else None
        if known is not None:
            return known[0]
        if let is None:
            loop = self.ranges.get(atom) if triangular else None
            rising = loop is not None and isinstance(loop.step, Const) and loop.step.value > 0
            stop = self.bound(loop.stop, triangular) if loop is not None and rising else None
            return None if stop is None else self.root.sub(stop, 1)
        name, first = let.word.name, let.args[0]
        family = self.families.get(variable(first)) if name == "shape" else None
        if family is not None and family.exchanged and self.bound_at_root.issuperset(family.origins):
            return reduce(self.root.maximum, [self.root.shape(v, **let.params) for v in family.origins])
        if name in ("add", "sub") and isinstance(let.args[1], Const) or name == "checked":
            part = self.bound(first, triangular)
            return part if part is None or name == "checked" else self.root.emit(let.word, part, let.args[1])
        if name == "minimum":
            return next((b for a in let.args if (b := self.bound(a, triangular)) is not None), None)
        return None

    def at_root(self, *atoms: Atom) -> list[Atom] | None:
        """Numbers that are the same in every turn, worked out before the outermost loop; else None.

        Where a check would fail, its number is not used: the forward program raises before.
        """
        found = []
        for a in atoms:
            if isinstance(a, Var) and a not in self.bound_at_root:
                let = self.lets.get(a)
                if let is None or not is_invariant(let):
                    return None
                checked = let.word.name == "checked"
                known = self.at_root(*(let.args[:1] if checked else let.args))
                if known is None:
                    return None
                a = known[0] if checked else self.root.emit(let.word, *known, **let.params)
            found.append(a)
        return found

    def loop_while(self, s: While, primal: Builder, linear: Builder) -> None:
        """The linear program repeats the body as often as the forward program counted."""
        counter, count, turn = Var("count", INT), Var("count", INT), Var("turn", INT)
        forward = Builder(line=s.line)
        base, running = self.running_number(primal)
        primal.bind(counter, ZERO)
        forward.bind(turn, counter)
        level = Level((forward.add(base, turn, name="at"),), None, s, turn)
        body, carries = self.body(s, level, forward, linear)
        forward.bind(counter, forward.add(turn, 1))
        primal.block.append(replace(s, body=forward.block, carries=list(s.carries)))
        primal.bind(count, counter)
        primal.bind(running, primal.add(base, count))
        if body or carries:
            linear.block.append(For(turn, ZERO, count, ONE, body, carries, line=s.line, checkpoint=s.checkpoint))

    def running_number(self, primal: Builder) -> tuple[Atom, Var]:
        """The number of turns made before this loop starts, and the variable that counts them."""
        running = Var("turns", INT)
        if self.level.loop is None:
            return ZERO, running
        self.root.bind(running, ZERO)
        base = Var("base", INT)
        primal.bind(base, running)
        return base, running

    def branch(self, s: If, primal: Builder, linear: Builder) -> None:
        sides = []
        for old in (s.then, s.orelse):
            forward, tangent = Builder(line=s.line), Builder(line=s.line)
            self.block(old, forward, tangent)
            self.provide(forward, tangent, None)
            sides.append((forward.block, tangent.block))
        joins = self.joined_dots(s)
        (then, then_dot), (orelse, orelse_dot) = sides
        primal.block.append(If(s.test, then, orelse, list(s.joins), s.line))
        if then_dot or orelse_dot or joins:
            linear.block.append(If(s.test, then_dot, orelse_dot, joins, s.line))

    def provide(self, forward: Builder, tangent: Builder, loop: For | While | None) -> None:
        """Begin the linear block with every value of the forward block that it reads."""
        tangent.block[:] = without_repeats(tangent.block, forward.block)
        supply = Supply(self, forward, Builder(line=tangent.line), loop)
        needs = set(free_vars(tangent.block, [], set()))
        for v in supply.bound:
            if v in needs and v not in supply.ready:
                supply.provide(v)
        tangent.block[:0] = supply.prologue.block

    def tape(self, name: str, dtype: str, dims: list[Atom], forward: Builder) -> Var:
        """Memory for something that each turn keeps."""
        sizes = (Const(16, INT),) if self.level.sizes is None else self.level.sizes
        tape = self.root.full(zero(Type(dtype)), *sizes, *dims, dtype=dtype, name=name + "_kept")
        if self.level.sizes is None:
            forward.block.append(Let(tape, WORDS["grow"], (tape, self.level.index[0]), {}, forward.line))
        self.tapes.append(tape)
        return tape

    def lengths(self, array: Atom) -> list[Atom]:
        """The lengths of an array, worked out before the outermost loop."""
        found = lengths_at_root(variable(array), self.bound_at_root, self.lets)
        assert found is not None  # other products are written out
        known = iter(self.at_root(*(a for a in found if not isinstance(a, tuple))) or ())
        return [self.root.shape(a[0], axis=a[1]) if isinstance(a, tuple) else next(known) for a in found]

    def held(self, array: Atom, linear: Builder) -> Atom:
        """The matrix as it is now: itself if it stays so, else what the forward program copies."""
        if self.is_stable(array):
            return array
        assert self.primal is not None
        name, dims = variable(array).name, self.lengths(array)
        tape, index = self.tape(name, array.type.dtype, dims, self.primal), self.level.index
        self.primal.each(dims, lambda b, at: b.store(tape, (*index, *at), b.load(array, *at)))
        if self.level.loop is None:
            return tape
        held = linear.zeros(dims, array.type.dtype, name=name)
        linear.each(dims, lambda b, at: b.store(held, at, b.load(tape, *index, *at)))
        return held

    def refuse_kept_array(self, v: Var, line: int) -> None:
        refuse("kept array", f"line {line}", name=v.name)

    def is_stable(self, array: Atom) -> bool:
        """Whether memory holds in the reverse sweep what it held here: no store from here on."""
        return array in self.bound_at_root and self.last_store.get(array, -1) < self.position


class Trial(Unzip):
    """A linearization that is thrown away: which marked loops, by id, keep anything (``keeping``)?"""

    def __init__(self, program: Program, active: tuple[bool, ...]):
        super().__init__(program, active)
        self.keeping: set[int] = set()
        self.root = self.primal = Builder()
        linear = Builder()
        self.enter(linear)
        self.top(program.body, self.root, linear)

    def body(self, s: For | While, level: Level, forward: Builder, linear: Builder) -> tuple[Block, list[Carry]]:
        before = len(self.tapes)
        found = super().body(replace(s, checkpoint=()), level, forward, linear)
        if len(self.tapes) > before:
            self.keeping.add(id(s))
        return found

    def refuse_kept_array(self, v: Var, line: int) -> None:
        """It may be kept in a block."""


class Supply:
    """What one linear block needs of its forward block: recomputed or kept, in the ``prologue`` of the linear one.

    ``bound`` has what the forward block binds (None: a carry enters with it), ``ready`` what the linear block has.
    """

    def __init__(self, unzip: Unzip, forward: Builder, prologue: Builder, loop: For | While | None):
        self.unzip, self.level, self.forward, self.prologue = unzip, unzip.level, forward, prologue
        self.carries = [] if loop is None else loop.carries
        self.bound: dict[Atom, Statement | None] = {c.inner: None for c in self.carries}
        for s in forward.block:
            self.bound.update((v, s) for v in vars_bound(s) if not is_structural(s, v) and v not in unzip.tapes)
        self.ready: set[Atom | None] = {loop.var if isinstance(loop, For) else self.level.turn} if loop else set()

    def provide(self, v: Var) -> None:
        """Make ``v`` available in the linear block."""
        if self.recomputable(v):
            self.recompute(v)
        elif not self.induction(v):
            for a in self.level.index:
                self.recompute(a)
            self.keep(v)
        self.ready.add(v)

    def recomputable(self, v: Atom) -> bool:
        """Whether ``v`` can be had from what is at hand by cheap words alone."""
        if v in self.ready or v not in self.bound:
            return True
        s = self.bound[v]
        if not isinstance(s, Let):
            return False
        if s.word.name == "load":
            cheap = self.unzip.is_stable(s.args[0])
        elif s.word.name == "shape":
            cheap = s.args[0] in self.unzip.bound_at_root
        else:
            cheap = is_cheap(s)
        return cheap and all(map(self.recomputable, s.args))

    def recompute(self, v: Atom) -> None:
        if v in self.bound and v not in self.ready:
            s = self.bound[v]
            assert isinstance(s, Let)  # recomputable
            for a in s.args:
                self.recompute(a)
            self.prologue.block.append(s)
            self.ready.add(v)

    def induction(self, v: Var) -> bool:
        """``p = p + c`` each turn, with c fixed: p = p₀ + turn·c needs no memory."""
        carry = next((c for c in self.carries if c.inner is v), None)
        turn = self.level.turn
        s = self.bound.get(carry.next) if carry is not None else None
        if v.type != INT or not isinstance(s, Let) or s.word.name != "add" or s.args[0] is not v:
            return False
        assert carry is not None and turn is not None
        step = s.args[1]
        if step in self.bound:
            return False
        self.recompute(turn)
        self.prologue.bind(v, self.prologue.add(carry.init, self.prologue.mul(turn, step), name=v.name))
        return True

    def keep(self, v: Var) -> None:
        """Store ``v`` in the forward program, load it in the linear one."""
        level, forward, prologue = self.level, self.forward, self.prologue
        if v.type.rank > 0:
            self.unzip.refuse_kept_array(v, forward.line)
        if level.loop is None:
            kept = Var(v.name, v.type)
            forward.bind(kept, v)
            prologue.bind(v, kept)
            return
        tape = self.unzip.tape(v.name, v.type.dtype, [], forward)
        forward.store(tape, level.index, v)
        prologue.block.append(Let(v, WORDS["load"], (tape, *level.index)))


def without_repeats(tangent: Block, forward: Block) -> Block:
    """The linear block without the functions that the forward block works out too, as sin and cos do each other's."""
    known = {(s.word, s.args): s.target for s in forward if is_function(s)}
    again = (s for s in tangent if is_function(s) and (s.word, s.args) in known)
    names: dict[Atom, Atom] = {s.target: known[s.word, s.args] for s in again}
    rest = [s for s in tangent if not (isinstance(s, Let) and s.target in names)]
    return substituted(rest, names) if names else rest


def is_function(s: Statement) -> TypeGuard[Let]:
    return isinstance(s, Let) and s.word.kind in ("elementary", "family") and not is_cheap(s)


def is_cheap(s: Let) -> bool:
    """Arithmetic, and small powers; not "move", which copies a counter that the forward program changes."""
    if s.word.name == "power":
        exponent = s.args[1]
        return isinstance(exponent, Const) and isinstance(exponent.value, int) and 0 <= exponent.value <= 4
    return s.word.name in CHEAP
