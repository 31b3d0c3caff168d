"""Surface form → single assignment: a value that a loop changes becomes a carry, one that branches change a join.

The reader and the transpose bind a variable as often as they like; here every binding
gets a variable of its own, and moves disappear into the names they stand for.
"""

from __future__ import annotations

from typing import Any

from ..core.program import Atom, Block, Carry, Const, For, If, Join, Let, Program, Statement, Var, While, retyped, zero
from ..core.walk import atoms_read, rebuilt, vars_bound, walk

Env = dict[Var, Any]


def ssa(program: Program) -> Program:
    """The same program with fresh variables, each bound once."""
    params = [Var(v.name, v.type) for v in program.params]
    env: Env = dict(zip(program.params, params, strict=True))
    naming = _Naming(program)
    body = naming.block(program.body, env)
    results = [naming.value(a, env) for a in program.results]
    return Program(program.name, params, body, results, program.linear)


class _Naming:
    def __init__(self, program: Program):
        self.reads: dict[Atom, set[int]] = {}  # the ids of the statements that read a variable
        for statement in walk(program.body):
            for atom in atoms_read(statement):
                self.reads.setdefault(atom, set()).add(id(statement))
        self.results = set(program.results)

    def value(self, atom: Atom, env: Env) -> Atom:
        return env[atom] if isinstance(atom, Var) else atom

    def block(self, block: Block, env: Env) -> Block:
        out: Block = []
        for s in block:
            if isinstance(s, Let):
                self.let(s, env, out)
            elif isinstance(s, If):
                out.append(self.branch(s, env))
            elif isinstance(s, For) and turns_once(s):
                out += self.once(s, env)
            elif isinstance(s, (For, While)):
                out.append(self.loop(s, env))
            else:
                out.append(rebuilt(s, lambda a: self.value(a, env), list))
        return out

    def let(self, s: Let, env: Env, out: Block) -> None:
        args = tuple(self.value(a, env) for a in s.args)
        if s.word.name == "move" and (args[0].type == s.target.type or isinstance(args[0], Const)):
            env[s.target] = retyped(args[0], s.target.type)
            return
        target = env[s.target] = Var(s.target.name, s.target.type)
        out.append(Let(target, s.word, args, s.params, s.line))

    def changed(self, s: Statement, env: Env) -> list[Var]:
        """Variables bound again inside ``s`` whose value may be needed outside of one turn or branch."""
        inside = list(walk([s]))[1:]
        here = {id(s), *map(id, inside)}
        bound = dict.fromkeys(v for t in inside for v in vars_bound(t) if not is_structural(t, v))
        return [v for v in bound if v in env or v in self.results or self.reads.get(v, set()) - here]

    def once(self, s: For, env: Env) -> Block:
        """A loop of one turn is its body."""
        env[s.var] = s.start
        env.update({c.inner: retyped(self.value(c.init, env), c.inner.type) for c in s.carries})
        body = self.block(s.body, env)
        env.update({c.out: retyped(self.value(c.next, env), c.out.type) for c in s.carries})
        return body

    def loop(self, s: For | While, env: Env) -> For | While:
        changed = self.changed(s, env)
        body_env = dict(env)
        carries = []
        pairs: list[tuple[Var, Atom, Var, Atom]] = [(v, v, v, env.get(v, zero(v.type))) for v in changed]
        pairs += [(c.inner, c.next, c.out, self.value(c.init, env)) for c in s.carries]
        for source, _, _, init in pairs:
            inner = body_env[source] = Var(source.name, source.type)
            carries.append((inner, retyped(init, source.type)))
        if isinstance(s, For):
            start, stop, step = (self.value(a, env) for a in (s.start, s.stop, s.step))
            var = body_env[s.var] = Var(s.var.name, s.var.type)
            body = self.block(s.body, body_env)
            new: For | While = For(var, start, stop, step, body, [], s.reverse, s.line, s.checkpoint, s.sweep)
        else:
            cond_env = dict(body_env)
            cond = self.block(s.cond, cond_env)
            test = self.value(s.test, cond_env)
            new = While(cond, test, self.block(s.body, body_env), [], s.line, s.checkpoint)
        for (inner, init), (source, following, result, _) in zip(carries, pairs, strict=True):
            last = Var(result.name, source.type)
            new.carries.append(Carry(inner, init, retyped(self.value(following, body_env), source.type), last))
            env[result] = last
        return new

    def branch(self, s: If, env: Env) -> If:
        changed = self.changed(s, env)
        then_env, else_env = dict(env), dict(env)
        test = self.value(s.test, env)
        then, orelse = self.block(s.then, then_env), self.block(s.orelse, else_env)
        new = If(test, then, orelse, [], s.line)
        pairs = [(v, then_env.get(v, zero(v.type)), else_env.get(v, zero(v.type))) for v in changed]
        pairs += [(j.out, self.value(j.then, then_env), self.value(j.orelse, else_env)) for j in s.joins]
        for var, a, b in pairs:
            if a is b or a == b:
                env[var] = a
                continue
            joined = env[var] = Var(var.name, var.type)
            new.joins.append(Join(joined, retyped(a, var.type), retyped(b, var.type)))
        return new


def turns_once(s: For) -> bool:
    """Whether it is known beforehand that a loop makes exactly one turn."""
    ends = [a.value for a in (s.start, s.stop, s.step) if isinstance(a, Const)]
    return len(ends) == 3 and ends[2] != 0 and len(range(*ends)) == 1


def is_structural(s: Statement, var: Var) -> bool:
    """Loop variables and carries belong to their own loop, joins' and loops' results do not."""
    if isinstance(s, For) and var is s.var:
        return True
    return isinstance(s, (For, While)) and any(var is c.inner for c in s.carries)
