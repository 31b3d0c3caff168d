"""Programs are made faster, never different: the text before and after, over random loops and at hard sizes."""

import random

import numpy as np
from kernel_fuzzer import function
from numba import typeof
from test_kernel_laws import PULL, PUSH, derived, leaves

from dualgrad.api import chain, compiled
from dualgrad.core.program import For
from dualgrad.core.walk import walk
from dualgrad.transforms.optimize import optimized


class Loops:
    """Writes a kernel of loops over arrays that one could fuse, or only seems to."""

    def __init__(self, seed):
        self.r, self.depth = random.Random(seed), 0

    def index(self, i, low, high):
        """An index into n entries; the loop's variable is between ``low`` and ``n - high``."""
        forms = [i] * 6 + [f"{i} - 1"] * (low > 0) + [f"{i} + 1"] * (high > 0)
        return self.r.choice([*forms, f"n - 1 - {i}", f"-1 - {i}", "0", "-1"])

    def expression(self, i=None, j=None, bounds=(0, 0), depth=2):
        r = self.r
        if depth == 0 or r.random() < 0.2:
            forms = ["t", "a", "0.3", "1.1"]
            if i:
                forms += [f"{name}[{self.index(i, *bounds)}]" for name in "xyuvw"]
                forms += [f"m[{self.index(i, *bounds)}, {j or r.choice('012')}]", f"0.1 * {i}"]
            forms += [f"s[{j or r.choice('012')}]", f"s[{j or '1'}]"]
            return r.choice(forms)
        p, q = (self.expression(i, j, bounds, depth - 1) for _ in range(2))
        forms = ["{p} + {q}", "({p}) * ({q})", "np.sin({p})", "({p}) - ({q})", "np.tanh({p})", "({p}) ** 2"]
        return r.choice(forms).format(p=p, q=q)

    def store(self, i, j, bounds):
        r = self.r
        value = f"np.sin({self.expression(i, j, bounds)})"
        places = [f"{r.choice('uvw')}[{self.index(i, *bounds)}]"] * 4 + [f"s[{j or r.choice('012')}]"] * 2 + ["t"] * 2
        places += [f"m[{self.index(i, *bounds)}, {j or r.choice('012')}]"] * 2
        return f"{r.choice(places)} {r.choice(['=', '=', '+='])} {value}"

    def body(self, i, bounds):
        r, lines = self.r, []
        for _ in range(r.randint(1, 4)):
            kind = r.random()
            if kind < 0.6:
                lines.append(self.store(i, None, bounds))
            elif kind < 0.85:
                ends = r.choice(["3", "3", "3", "2, -1, -1", "1, 3", "i % 3" if i == "i" else "2"])
                inner = ["    " + self.store(i, "j", bounds) for _ in range(r.randint(1, 2))]
                lines += [f"for j in range({ends}):", *inner]
            else:
                lines += [f"if {self.expression(i, None, bounds, 1)} > 0.2:", "    " + self.store(i, None, bounds)]
        return lines

    def loop(self):
        whole = [("n", (0, 0))] * 3 + [("n - 1, -1, -1", (0, 0))] * 2
        head, bounds = self.r.choice([*whole, ("1, n", (1, 0)), ("n - 1", (0, 1))])
        return [f"for i in range({head}):", *("    " + line for line in self.body("i", bounds))]

    def text(self):
        head = ["n = len(x)", "t = 0.5"]
        head += [f"{name} = np.zeros(n)" for name in "uvw"] + ["m = np.zeros((n, 3))", "s = np.zeros(3)"]
        lines = [line for _ in range(self.r.randint(2, 5)) for line in self.loop()]
        end = ["for i in range(n):", "    t += u[i] * v[i] + w[i] + m[i, 1]", "return t + s[0] * s[2]"]
        return "\n".join(["def main(x, y, a):", *("    " + line for line in [*head, *lines, *end])]) + "\n"


def plain(monkeypatch):
    """Switch off everything that makes programs faster."""
    monkeypatch.setattr(chain, "optimized", lambda program: program)
    monkeypatch.setattr(compiled, "settled", lambda program: program)


def loops_saved(f, steps, args):
    read = chain.read_chain(f, tuple(steps), chain.types_of([typeof(a) for a in args]))
    before = sum(isinstance(s, For) for s in walk(read.program.body))
    return before - sum(isinstance(s, For) for s in walk(optimized(read.program).body))


def compare(text, monkeypatch):
    """Gradient, tangents, and the tangents of the gradient, of both forms, at several sizes; loops that were saved."""
    with function(text, None) as f:
        args, dots, ct = at_size(5)
        chains = [[PUSH], (args, dots)], [[PULL], (args, ct)], [[PULL, PUSH], ((args, ct), (dots, ct))]
        for steps, given in chains:
            fast = derived(f, steps, *given)
            with monkeypatch.context() as patch:
                plain(patch)
                slow = derived(f, steps, *given)
            for n in (5, 1, 2, 0):
                args, dots, ct = at_size(n)
                given = {1: (args, dots if steps == [PUSH] else ct), 2: ((args, ct), (dots, ct))}[len(steps)]
                expected = run(slow, given)
                if expected is IndexError:  # of the kernel itself
                    continue
                for a, b in zip(leaves(run(fast, given)), leaves(expected), strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11, err_msg=text)
        return loops_saved(f, [PULL], (args, ct))


def at_size(n):
    """Arguments, tangents, and the cotangent of the result."""
    r = np.random.default_rng(n)
    return (r.normal(size=n), r.normal(size=n), 0.4), (r.normal(size=n), r.normal(size=n), 0.7), 0.3


def run(text, args):
    try:
        return text(*args)
    except IndexError as error:
        return type(error)


def test_random_loops_mean_the_same_before_and_after(pytestconfig, monkeypatch):
    seeds = range(3000 if pytestconfig.getoption("--long") else 40)
    saved = [compare(Loops(seed).text(), monkeypatch) for seed in seeds]
    assert sum(k > 0 for k in saved) > len(saved) / 20
