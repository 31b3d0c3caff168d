"""Linear forms of integers, and what is known of them: a prover of ``form >= 0``.

A fact is a form that is not negative.  A form is proven if facts, each times a positive number, add up to it
with nothing but a number that is not negative left over: ``n - 1 - i`` follows from ``stop - 1 - i`` where the
loop's ``stop`` is n.  Integers are those of mathematics: what overflows 64 bits is nobody's index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..core.program import Var

STEPS, DEEP = 60, 6  # how long and how deep the prover searches


class Form:
    """``const + Σ factor · variable``, over integers."""

    __slots__ = ("const", "terms")

    def __init__(self, const: int = 0, terms: Mapping[Var, int] | None = None):
        self.const, self.terms = const, dict(terms or {})

    @staticmethod
    def of(v: Var) -> Form:
        return Form(0, {v: 1})

    def plus(self, other: Form | int, factor: int = 1) -> Form:
        """``self + factor * other``"""
        if isinstance(other, int):
            return Form(self.const + factor * other, self.terms)
        found = Form(self.const + factor * other.const, self.terms)
        for v, c in other.terms.items():
            if total := found.terms.get(v, 0) + factor * c:
                found.terms[v] = total
            else:
                found.terms.pop(v, None)
        return found

    def minus(self, other: Form | int) -> Form:
        return self.plus(other, -1)

    def times(self, factor: int) -> Form:
        return Form().plus(self, factor)

    def put(self, v: Var, value: Form) -> Form:
        """The form with a variable replaced."""
        factor = self.terms.get(v, 0)
        return self.plus(Form.of(v), -factor).plus(value, factor)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Form) and self.const == other.const and self.terms == other.terms

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return " ".join([str(self.const), *(f"{c:+}*{v.name}" for v, c in self.terms.items())])


class Facts:
    """Forms that are not negative where the walk through a program stands."""

    def __init__(self) -> None:
        self.known: dict[Var, list[Form]] = {}
        self.log: list[Form] = []

    def add(self, forms: Iterable[Form]) -> None:
        for form in forms:
            if form.terms:
                self.log.append(form)
                for v in form.terms:
                    self.known.setdefault(v, []).append(form)

    def forget(self, mark: int) -> None:
        """Forget what was added since ``len(log)`` was ``mark``."""
        while len(self.log) > mark:
            for v in self.log.pop().terms:
                self.known[v].pop()

    def prove(self, form: Form) -> bool:
        """Whether the facts show that a form is not negative."""
        self.steps = STEPS
        return self._search(form, DEEP)

    def _search(self, form: Form, depth: int) -> bool:
        if not form.terms:
            return form.const >= 0
        self.steps -= 1
        if depth == 0 or self.steps < 0:
            return False
        best: tuple[Var, list[Form]] | None = None
        for v, c in form.terms.items():  # one variable has to go, whichever it is: that with fewest ways
            ways = [f for f in self.known.get(v, ()) if (f.terms[v] > 0) == (c > 0)]
            if not ways:
                return False
            if best is None or len(ways) < len(best[1]):
                best = v, ways
        assert best is not None  # the form has terms
        v, ways = best
        return any(
            self._search(form.times(abs(f.terms[v])).plus(f, -abs(form.terms[v])), depth - 1) for f in reversed(ways)
        )
