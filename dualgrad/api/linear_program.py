"""The program of a tape: each entry's linear word in a row, so that one can read it and its transpose.

A scalar constant stands in the text, an array is a parameter; a write to memory becomes a
new value (``clear`` the place, add what was scattered there), so the program has no memory.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from dualgrad.backends.arrays import is_complex, part
from dualgrad.core.build import Builder
from dualgrad.core.program import Atom, Const, Program, Shaped, Type, Var, const
from dualgrad.core.walk import lets
from dualgrad.core.words import WORDS, Word
from dualgrad.numbers.array import looked
from dualgrad.numbers.calls import Call, Part
from dualgrad.numbers.number import REALS, evaluate, plain
from dualgrad.numbers.recorded import COPY, INPUT, STORE, ZERO, pattern_of
from dualgrad.rules.declare import Rule, any_array
from dualgrad.transforms.ssa import ssa
from dualgrad.transforms.tidy import tidy
from dualgrad.transforms.transpose import transposed

if TYPE_CHECKING:
    from .reverse import Recording

STATIC = Type("shape", -1)


class Written:
    """A static argument as one writes it: ``1:``, ``(3, 2)``, ``None``."""

    def __init__(self, value: Any):
        self.value = value

    def __repr__(self) -> str:
        return _text(self.value)


def _text(value: Any) -> str:
    if isinstance(value, slice):
        start, stop, step = ("" if v is None else str(v) for v in (value.start, value.stop, value.step))
        return f"{start}:{stop}" + (f":{step}" if step else "")
    if value is Ellipsis:
        return "..."
    if isinstance(value, ndarray):
        return np.array2string(value, separator=", ", threshold=6)
    if isinstance(value, tuple) and any(isinstance(v, (slice, ndarray)) or v is ... for v in value):
        return ", ".join(map(_text, value))
    return repr(value)


class _Rebuild:
    """Writes the linear program of a recording."""

    def __init__(self, recording: Recording, name: str):
        self.recording, self.name = recording, name
        self.b = Builder()
        self.constants: dict[int, Var] = {}
        self.held: list[Any] = []
        self.values: list[Any] = []

    def program(self) -> Program:
        inputs: list[Var] = []
        for step, residuals, refs in self.recording.tape.entries:
            if step is INPUT:
                dot = Var(f"x{len(inputs) + 1}_dot", _type(self.recording.call.primals[len(inputs)]))
                inputs.append(dot)
                self.values.append(dot)
            elif step is ZERO:
                self.values.append(const(0j if residuals[1].kind == "c" else 0.0))
            elif step is COPY:
                self.values.append(self.read(refs[0]))
            elif step is STORE:
                self.store(*residuals, *refs)
                self.values.append(None)
            elif isinstance(step, Call):
                dots = [*map(self.read, refs)]
                self.values.append(dots if step.single is None else self.called(step.name, step.single, dots))
            elif isinstance(step, Part):
                self.values.append(self.called(step.name, step.k, self.values[refs[0]]))
            else:
                self.values.append(self.inline(step, residuals, [*map(self.read, refs)], len(self.values)))
        results = [Const(0.0, Type("float64")) if r is None else self.read(r) for r in self.recording.refs]
        params = [*self.constants.values(), *inputs]
        program = Program(f"{self.name}_linear", params, self.b.block, results, len(inputs))
        return tidy(ssa(program))

    def called(self, name: str, result: int, dots: list[Atom]) -> Atom:
        """The tangent of one result of a function with rules of its own."""
        shape = self.recording.tape.shapes[len(self.values)][0]
        return self.b.emit(function_word(name if name.isidentifier() else "function", result, len(dots), shape), *dots)

    def inline(self, step: Any, residuals: tuple[Any, ...], dots: list[Atom], slot: int) -> Atom:
        """The statements of one step, its parameters replaced by what they are here."""
        if slot in self.recording.tape.shapes and pattern_of(step).reduce:
            shape = Const(Written(self.recording.tape.shapes[slot][0]), STATIC)
            dots = [self.b.emit(WORDS["broadcast_to"], dot, shape) for dot in dots]
        elementwise = pattern_of(step).word.elementwise
        given = [*(self.constant(r, elementwise) for r in residuals), *dots]
        env: dict[Any, Atom] = dict(zip(step.linear.params, given, strict=True))
        for s in step.linear.body:
            args = tuple(env.get(a, a) if isinstance(a, Var) else a for a in s.args)
            env[s.target] = self.b.emit(s.word, *args, **s.params)
        (result,) = step.linear.results
        return env.get(result, result) if isinstance(result, Var) else result

    def constant(self, value: Any, number: bool) -> Atom:
        """Scalars and static arguments as literals, arrays as parameters."""
        value = plain(value)
        if number and isinstance(value, REALS) and not isinstance(value, bool) or (
            isinstance(value, ndarray) and value.ndim == 0 and value.dtype.kind == "f"
        ):
            return Const(float(value), Type("float64"))
        if is_complex(value) and np.ndim(value) == 0:
            return Const(complex(value), Type("complex128"))
        if not isinstance(value, ndarray):
            return Const(Written(value), STATIC)
        if id(value) not in self.constants:
            self.held.append(value)
            self.constants[id(value)] = Var(f"c{len(self.constants) + 1}", _type(value))
        return self.constants[id(value)]

    def read(self, ref: Any) -> Atom:
        """The tangent that a ref names, seen through its views."""
        if type(ref) is not tuple:
            return self.values[ref]
        slot, chain = ref
        value = self.values[slot]
        for view, argument in chain:
            value = self.b.emit(WORDS[view.__name__], value, Const(Written(argument), STATIC))
        return value

    def store(self, slot: int, chain: tuple[Any, ...], ref: Any) -> None:
        """``slot[chain] = value`` as a new value of the slot."""
        shape = self.recording.tape.shapes[slot][0]
        parts = [argument for view, argument in chain if view is part]
        chain = tuple(step for step in chain if step[0] is not part)
        index = chain[0][1]
        if len(chain) > 1:  # the place as one index into the flat memory
            index = np.unravel_index(looked(np.arange(math.prod(shape)).reshape(shape), chain), shape)
        at = Const(Written(index), STATIC)
        old, new = self.values[slot], None if ref is None else self.read(ref)
        for which in parts:  # a write to one part of complex numbers leaves the other
            new = None if new is None else self.b.whole(new, Const(Written(which), STATIC))
            other = Const(Written("imag" if which == "real" else "real"), STATIC)
            if not isinstance(old, Const):
                rest = self.b.whole(self.b.part(self.b.getitem(old, at), other), other)
                new = rest if new is None else self.b.add(new, rest)
        kept = old if isinstance(old, Const) else self.b.emit(WORDS["clear"], old, at)
        if new is not None:
            kept = self.b.add(kept, self.b.emit(WORDS["scatter"], new, at, Const(Written(shape), STATIC)))
        self.values[slot] = kept


def function_word(name: str, result: int, count: int, shape: tuple[int, ...]) -> Word:
    """The linear rest of a kernel or custom function as one word; its transposes are words by name."""
    args = tuple(f"a{k}" for k in range(count))
    back = {a: f"{name}_pullback{k}(ct)" for k, a in enumerate(args)}
    for text in back.values():
        word = text.removesuffix("(ct)")
        WORDS.setdefault(word, Word(word, "linear", any_array, f"{word}({{0}})", Rule(("ct",))))
    push = f"{name}_pushforward{result or ''}"
    text = f"{push}({', '.join(f'{{{k}}}' for k in range(count))})"
    return Word(push, "linear", any_array, text, Rule(args, None, back), ufunc=lambda *_: np.zeros(shape))


def _type(value: Any) -> Type:
    return Shaped(value.dtype.name, value.shape)


def linear_program(recording: Recording, name: str) -> Program:
    """The linear program of a recording: constants, then one tangent for each primal."""
    return _Rebuild(recording, name if name.isidentifier() else "f").program()


def transposed_program(recording: Recording, program: Program) -> Program:
    """Its transpose: constants, then one cotangent for each result."""
    block, cotangents, results = transposed(program, _shapes(recording, program))
    for k, (ct, value) in enumerate(zip(cotangents, recording.values)):
        ct.name, ct.type = f"y{k + 1}_bar", _type(value) if hasattr(value, "dtype") else ct.type
    constants = program.params[: len(program.params) - program.linear]
    name = program.name.removesuffix("_linear") + "_transpose"
    return tidy(ssa(Program(name, [*constants, *cotangents], block, results, len(cotangents))))


def _shapes(recording: Recording, program: Program) -> dict[Var, Any]:
    """The shape of each variable, by running the program on its constants and zeros."""
    constants = constants_of(recording)
    tangents = [np.zeros(p.shape, p.dtype) for p in recording.call.primals]
    values: dict[Any, Any] = dict(zip(program.params, [*constants, *tangents], strict=True))
    for s in lets(program.body):
        args = [values[a] if isinstance(a, Var) else getattr(a.value, "value", a.value) for a in s.args]
        values[s.target] = evaluate(s.word)(*args)
    return {v: Const(Written(np.shape(value)), STATIC) for v, value in values.items()}


def constants_of(recording: Recording) -> list[Any]:
    """The values of the program's constants, in the order of its parameters."""
    rebuild = _Rebuild(recording, "f")
    rebuild.program()
    return rebuild.held
