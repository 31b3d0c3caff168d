"""What functions of numbers are: the type of their results, and their code, all from the table.

A function of NumPy, `math` or Python is a word (the reader of kernels knows which) or a small composition of words.
Its result is a number where it depends on one smoothly, otherwise what it is for floats.
"""

from __future__ import annotations

import math
import operator
from functools import cache, partial, reduce
from typing import Any

import numpy as np
from numba import types
from numba.np.numpy_support import from_dtype

from dualgrad.core.build import Builder
from dualgrad.core.program import Atom
from dualgrad.core.words import WORDS
from dualgrad.read.calls import scalar_words

from .emit import Emitter
from .programs import Compose, Meaning, Operation, lanes_of, meaning
from .types import DUAL, NumberType, common, constant, first_of, float_of, lane, packed, recast, vector_from, vector_of

ONE_WORD = {
    "add": "add iadd", "sub": "sub isub", "mul": "mul imul", "div": "truediv itruediv", "power": "pow ipow",
    "mod": "mod imod", "floordiv": "floordiv ifloordiv", "neg": "neg", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge",
    "eq": "eq", "ne": "ne",
}  # fmt: skip


def word(name: str, b: Builder, *atoms: Atom) -> Atom:
    return b.emit(WORDS[name], *atoms)


def extreme(name: str, b: Builder, *atoms: Atom) -> Atom:
    """Python's ``max`` and ``min`` of two or more."""
    return reduce(partial(word, name, b), atoms)


def whole(name: str, b: Builder, x: Atom) -> Atom:
    """A discrete word as an integer."""
    return b.cast(word(name, b, x), dtype="int64")


def clipped(b: Builder, x: Atom, low: Atom, high: Atom) -> Atom:
    return b.minimum(b.maximum(x, low), high)


COMPOSED: dict[Any, Compose] = {
    max: partial(extreme, "maximum"), min: partial(extreme, "minimum"),
    bool: lambda b, x: b.ne(x, 0.0), operator.truth: lambda b, x: b.ne(x, 0.0),
    operator.not_: lambda b, x: b.eq(x, 0.0), operator.pos: lambda b, x: x,
    math.floor: partial(whole, "floor"), math.ceil: partial(whole, "ceil"), math.trunc: partial(whole, "trunc"),
    round: partial(whole, "rint"), np.round: partial(word, "rint"), np.clip: clipped,
}  # fmt: skip


@cache
def compositions() -> dict[Any, Compose]:
    """Every function that acts on numbers."""
    names = {getattr(operator, n): w for w, names in ONE_WORD.items() for n in names.split()}
    names |= {np.where: "where", **scalar_words()}
    return {f: partial(word, name) for f, name in names.items() if name not in ("and_", "or_", "not_")} | COMPOSED


def composition_of(function: Any) -> Compose | None:
    """What a function of numbers is composed of; a user's row is its word."""
    name = getattr(function, "__dualgrad_word__", None)
    return partial(word, name) if name else compositions().get(function)


def takes(function: Any, count: int) -> bool:
    """Whether a function takes numbers, this many arguments."""
    compose = compositions().get(function)
    if compose is None:
        return False
    if function in (max, min):
        return count > 1
    known: dict[Any, int] = {np.clip: 3}
    name = compose.args[0] if isinstance(compose, partial) and compose.func is word else ""
    return count == (len(WORDS[name].rule.args) if name else known.get(function, 1))


def result_type(function: Any, kind: NumberType, args: tuple[types.Type, ...]) -> types.Type:
    """The type of a function's result; ``kind`` is that of the numbers among the arguments."""
    values = [t.value if isinstance(t, types.Omitted) else None for t in args]
    return result_of(kind, meaning(operation(function, kind, args, values)))


def operation(function: Any, kind: NumberType, args: tuple[Any, ...], values: list[Any]) -> Operation:
    """The operation on arguments of these types; Python numbers among the values are literals."""
    literals = tuple([v if isinstance(v, (bool, int, float)) else None for v in values])
    active = tuple([isinstance(t, NumberType) for t in args])
    dtype = str(float_of(*(t.dtype if on else t for t, on in zip(args, active))))  # numbers of two precisions meet
    dtypes = tuple([dtype if on else dtype_of(t, v) for t, on, v in zip(args, active, literals)])
    compose = composition_of(function)
    assert compose is not None
    return Operation(function.__name__, compose, kind.kind, dtypes, active, literals)


def dtype_of(type: types.Type, literal: Any) -> str:
    if literal is not None:
        return {bool: "bool", int: "int64", float: "float64"}[literal.__class__]
    return "bool" if isinstance(type, types.Boolean) else str(types.unliteral(type))


def result_of(kind: NumberType, found: Meaning) -> types.Type:
    dtype: Any = types.boolean if found.dtype == "bool" else from_dtype(np.dtype(found.dtype))
    return kind.of(dtype) if found.active else dtype


# Code


def lower(function: Any, context: Any, builder: Any, sig: Any, args: tuple[Any, ...]) -> Any:
    """The code of a function applied to numbers."""
    kind = common(function.__name__, sig.args)
    assert kind is not None
    values = [t.value if isinstance(t, types.Omitted) else v for t, v in zip(sig.args, args)]
    op = operation(function, kind, sig.args, values)
    result = result_of(kind, meaning(op))
    number = kind.of(from_dtype(np.dtype(op.dtypes[op.active.index(True)])))
    values = [recast(builder, v, number) if on else v for v, on in zip(values, op.active)]
    found = write(context, builder, op, number, [v for v, known in zip(values, op.literals) if known is None])
    return context.cast(builder, found, result, sig.return_type)


def write(context: Any, builder: Any, op: Operation, kind: NumberType, values: list[Any]) -> Any:
    """The result of an operation; ``values`` has a value for each argument that is no literal."""
    found = meaning(op)
    emitter = Emitter(context, builder, found.values)
    flags = [on for on, literal in zip(op.active, op.literals) if literal is None]
    given: dict[Any, Any] = {}
    numbers = [v for v, on in zip(values, flags) if on]
    given.update(zip(found.program.params, [first_of(builder, v) if on else v for v, on in zip(values, flags)]))
    if not found.active:
        emitter.run(found.program, given)
        return emitter.scalar(found.program.results[0])
    lanes = lanes_of(found.program, len(numbers))
    if op.kind == DUAL:
        emitter.run(found.program, given | {p: vector_of(builder, v) for p, v in zip(lanes, numbers)})
        return dual_result(context, emitter, kind, found.program.results)
    for p, v in zip(lanes, numbers):
        emitter.series(p, [first_of(builder, v), *(lane(builder, v, k) for k in range(kind.lanes))])
    emitter.run(found.program, given)
    first, *rest = emitter.loaded(found.program.results[0])
    return packed(builder, first, vector_from(builder, rest))


def dual_result(context: Any, emitter: Emitter, kind: NumberType, results: list[Any]) -> Any:
    """The number of a value and its tangent, which may be a literal zero."""
    value, tangent = results
    first = emitter.scalar(value)
    blank = vector_of(emitter.builder, constant(context, emitter.builder, kind, first))
    return packed(emitter.builder, first, emitter.spread(emitter.scalar(tangent), blank.type))
