"""A number stands in for an array inside a transform: a handle on content that carries a derivative.

Every kind of number (`Array`, `Dual`, `Jet`, `Recorded`) says what a word does to it
(`_interpret`), how a view looks at it (`_look`), and how it is written (`_own`, `_adopt`,
`_write`).  Everything else is here, once: operators, NumPy's protocols, aliasing, levels.

*Levels.*  A transform has a level; what has a lower level is constant to it.  `apply` finds
the highest level among the arguments of a word and lets that kind of number interpret it.
The content of a number may be numbers of lower levels, so transforms nest.

*Memory.*  ``_memory`` says who may write the content:

- ``None``: frozen, nobody will; any number of others may share it.
- ``OWN``: this number was written and its content is its own.  Whoever uses it takes a copy.
- another number: this one is a view of it, through the views in ``_chain``.

The first write to a frozen number copies its content once, so no caller's array, no
residual and no other number ever changes.  Writing a number of a higher level promotes the
memory in place (its class changes).  A view notices either by ``_source``, the content it
was taken from, and looks again.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from functools import cache
from operator import getitem
from typing import Any

import numpy as np
from numpy import ndarray

import dualgrad.rules  # noqa: F401  (fills the table)
from dualgrad.backends import arrays
from dualgrad.backends.arrays import is_basic
from dualgrad.backends.steps import NAMES
from dualgrad.core.errors import LostDerivativeError, UnsupportedError, array_made
from dualgrad.core.program import Type
from dualgrad.core.words import WORDS, Word

from .level import Level

View = tuple[Callable[..., Any], Any]  # a function that takes a view, and its argument

OWN: Any = object()
BATCHED: dict[Callable[..., Any], Callable[..., Any]] = {
    getitem: arrays.getitem_batched,
    np.transpose: arrays.transpose_batched,
    np.reshape: arrays.reshape_batched,
    np.broadcast_to: arrays.broadcast_to_batched,
    arrays.part: arrays.part_batched,
}
REALS = (int, float, np.integer, np.floating)
ANYTHING = Type("float64", -1)
POWER, SIGN = WORDS["power"], WORDS["sign"]
OF_COMPLEX: dict[Word, Callable[[Any], Any]] = {}  # what words of real numbers mean for complex ones


class Number:
    """Base of the numbers; see the module's text."""

    __slots__ = ("_chain", "_level", "_linear", "_memory", "_primal", "_source")
    __dualgrad_number__ = True
    __array_priority__ = 1000.0
    __hash__ = None  # type: ignore[assignment]

    _level: Level
    _primal: Any
    _linear: Any
    _memory: Any
    _chain: tuple[View, ...]
    _source: Any
    astype: Callable[..., Any]  # of the methods of `dualgrad.numbers.functions`

    # What each kind of number says

    @staticmethod
    def _interpret(level: Level, word: Word, args: list[Any]) -> Any:
        """The word applied; ``args`` are frozen, at least one of them at ``level``."""
        raise NotImplementedError

    def _alone(self, word: Word) -> Any:
        """An elementary word of this number alone; kinds of number say how without detours."""
        return apply(word, self)

    def _look(self, view: Callable[..., Any], argument: Any) -> tuple[Any, Any]:
        """Content ``(primal, linear)`` of a view of this number."""
        raise NotImplementedError

    def _adopt(self, old: Any, like: Number) -> None:
        """Take constant content ``old`` into this number, which has just become one of the kind of ``like``."""
        raise NotImplementedError

    def _write(self, chain: tuple[View, ...], index: Any, value: Any) -> None:
        """``content[chain][index] = value`` for content of its own."""
        raise NotImplementedError

    def _own(self) -> None:
        """Replace shared content by a copy."""
        self._primal = self._primal.copy()

    def _is_array(self) -> bool:
        """Whether this stands for an array, which has memory, or for an element, which is a value."""
        primal = self._primal
        return type(primal) is ndarray or isinstance(primal, Number) and primal._is_array()

    def _ground(self) -> Any:
        """The plain array under all levels, for its strides."""
        primal = self._primal
        return primal._ground() if isinstance(primal, Number) else primal

    # Content and shape

    @property
    def primal(self) -> Any:
        """The value without this level's derivative."""
        return settled(self)._value()

    def _value(self) -> Any:
        return self._primal

    @property
    def shape(self) -> tuple[int, ...]:
        return self._primal.shape

    @property
    def dtype(self) -> np.dtype:
        return self._primal.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def T(self) -> Any:
        return view_of(self, np.transpose, None)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a number without axes")
        return self.shape[0]

    def __iter__(self) -> Any:
        return (self[k] for k in range(len(self)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({settled(self)._primal!r})"

    def __format__(self, spec: str) -> str:
        return format(plain(self), spec) if spec else str(self)

    def __dualgrad_apply__(self, name: str, *args: Any) -> Any:
        return apply(WORDS[name], *args)

    # Indexing

    def __getitem__(self, index: Any) -> Any:
        if type(index) is tuple and not index and not self._is_array():
            return self  # an element, which is a value
        if is_basic(index):
            return view_of(self, getitem, index)
        return apply(WORDS["getitem"], self, index_of(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        store(self, index, value)

    def copy(self, order: str = "C") -> Any:
        """A number that shares nothing that anyone writes, and lies in C order."""
        now = settled(self)
        root = now._memory if isinstance(now._memory, Number) else now  # a cotangent's memory lies as its shape says
        scattered = any(isinstance(g, ndarray) and not g.flags.c_contiguous for g in (now._ground(), root._ground()))
        return snapshot(now) if scattered else alias(now)

    __copy__ = copy

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    # A number is not a float

    def __bool__(self) -> bool:
        return bool(plain(self))

    def __float__(self) -> float:
        raise lost(self, "float(x), or an element of a plain array that is set to x",
                   "make the array with np.zeros_like(x) or np.zeros(n) inside the function that is differentiated; "
                   "use NumPy's functions instead of float and math")  # fmt: skip

    def __int__(self) -> int:
        raise lost(self, "int(x)", "use dg.stop_gradient(x) where only the value counts")

    def __index__(self) -> int:
        raise LostDerivativeError(
            "a number that carries a derivative was used as an index, a size or a count",
            why="what one differentiates by is made of floats: 2 becomes 2.0, in containers too",
            hint="pass it in an argument that is not differentiated by (argnums=), or write int(dg.stop_gradient(n))",
        )

    def __complex__(self) -> complex:
        raise lost(self, "complex(x)", "write the expression with NumPy functions")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> ndarray:
        caller = sys._getframe(1)  # a sparse matrix asks before it lets us multiply: nothing it could use
        if caller.f_code.co_name == "_matmul_dispatch" and caller.f_globals["__name__"].startswith("scipy.sparse"):
            return np.array(None)
        raise lost(self, *array_made(caller))

    def item(self, *args: Any) -> Any:
        raise lost(self, "x.item()", "index the number: x[i]")

    def tolist(self) -> Any:
        return [v.tolist() if v.ndim else v for v in self] if self.ndim else self

    def __reduce__(self) -> Any:
        raise UnsupportedError(
            f"a number of {self._level.verb} cannot be pickled",
            why="its derivative belongs to one run of a transform in one process",
            hint="give a process executor to the outermost transform, and threads to those inside",
        )

    # NumPy's protocols and ndarray's methods are added by `dualgrad.numbers.functions`, numba's by `compiled`.


# Content that stays


def lost(x: Number, what: str, hint: str) -> LostDerivativeError:
    return LostDerivativeError(
        f"{what}: a number would become a plain float and lose its derivative",
        why=f"it is a {type(x).__name__} of {x._level.verb}, which plain Python and NumPy memory cannot hold",
        hint=hint,
    )


def make(kind: type[Number], level: Level, primal: Any, linear: Any) -> Any:
    """A frozen number."""
    new = object.__new__(kind)
    new._level = level
    new._primal = primal
    new._linear = linear
    new._memory = None
    return new


def alias(x: Number) -> Any:
    """Another handle on frozen content."""
    return make(type(x), x._level, x._primal, x._linear)


def current(x: Any) -> Any:
    """The number, its content renewed if it is a view of memory that was replaced."""
    memory = x._memory
    if memory is not None and memory is not OWN and memory._primal is not x._source:
        look_again(x)
    return x


def settled(x: Any) -> Any:
    """The number with content that nobody will write."""
    memory = x._memory
    if memory is None:
        return x
    if memory is not OWN and current(x)._memory._memory is not OWN:
        return x
    return snapshot(x)


def snapshot(x: Any) -> Any:
    """A frozen copy of content that may change."""
    copy = alias(x)
    copy._own()
    return copy


def bare(x: Any) -> Any:
    """Content that nobody will write: a settled number, the array of an inactive buffer, other values as they are."""
    if not isinstance(x, Number):
        return x
    x = x if x._memory is None else settled(x)
    return x if x._level.depth else x._primal


def look_again(x: Any) -> None:
    """Renew a view after its memory was copied or promoted."""
    root = x._memory
    primal, linear = root._primal, root._linear
    seen = make(type(root), root._level, primal, linear)
    for view, argument in x._chain:
        seen._primal, seen._linear = seen._look(view, argument)
    x.__class__ = type(root)
    x._level, x._primal, x._linear, x._source = root._level, seen._primal, seen._linear, primal


def plain(x: Any) -> Any:
    """The value without any derivative."""
    while isinstance(x, Number):
        x = x.primal
    return x


def view_of(x: Any, view: Callable[..., Any], argument: Any) -> Any:
    """A number that is a view of ``x``; where NumPy copies (an element), a frozen number."""
    if not x._is_array():  # an element has no memory that one could look at
        return apply_linear(WORDS[view.__name__], x, argument)
    memory = x._memory
    if memory is None or memory is OWN:
        root, chain = x, ((view, argument),)
    else:
        root, chain = memory, (*current(x)._chain, (view, argument))
    new = object.__new__(type(x))
    new._level = x._level
    new._primal, new._linear = x._look(view, argument)
    new._memory, new._chain, new._source = root, chain, root._primal
    if not new._is_array():
        if new._level.depth == 0:
            return new._primal
        if root._memory is OWN:
            return snapshot(new)
        new._memory = None
    return new


# Writing


def store(target: Any, index: Any, value: Any) -> None:
    """``target[index] = value``, seen by every view of the same memory."""
    root, chain = target, ()
    if target._memory is not None and target._memory is not OWN:
        root, chain = target._memory, target._chain
    if isinstance(value, (list, tuple)):
        value = as_number(value)
    if isinstance(value, Number):
        if value._memory is root and value._chain[:-1] == chain and value._chain[-1] == (getitem, index):
            return  # y[i] += v has written in place already
        value = settled(value)
        if arrays.is_complex(value) and not arrays.is_complex(target):
            raise UnsupportedError(
                "a complex number would be written into a real array",
                why="its imaginary part would be lost",
                hint="make the array complex: np.zeros(n, complex), or write x.real",
            )
        if value._level.depth > root._level.depth:
            promote(root, value)
    if root._memory is None:
        root._own()
        root._memory = OWN
    if not is_basic(index):
        index, value = last_of_each(index_of(index), value, target.shape)
    root._write(chain, index, value)


def promote(root: Any, like: Number) -> None:
    """Let memory of a lower level hold numbers of the level of ``like``."""
    old = make(type(root), root._level, root._primal, root._linear)
    old._memory = root._memory
    root.__class__, root._level = type(like), like._level
    root._adopt(old._primal.view() if old._level.depth == 0 else old, like)  # another object: views notice


def index_of(index: Any) -> Any:
    """An index without numbers in it, and with arrays that stay as they are now."""
    if isinstance(index, tuple):
        return tuple(index_of(i) for i in index)
    if isinstance(index, Number) and index.dtype.kind not in "biu":
        index.__index__()
    if isinstance(index, (list, Number)):
        return np.asarray(plain(index))
    return index.copy() if isinstance(index, ndarray) else index


def last_of_each(index: Any, value: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """The same assignment without entries that are written twice: the last of their values stays, as in NumPy."""
    places = arrays.places_of(index, shape)
    if places is None or np.unique(places).size == places.size:
        return index, value
    hits = np.arange(math.prod(shape)).reshape(shape)[index]
    _, found = np.unique(hits.ravel()[::-1], return_index=True)
    last = hits.size - 1 - found
    if np.ndim(value):
        value = np.reshape(value, np.shape(value)[max(0, np.ndim(value) - hits.ndim) :])
        value = np.ravel(np.broadcast_to(value, hits.shape))[last]
    return np.unravel_index(hits.ravel()[last], shape), value


def write_out(out: Any, result: Any) -> Any:
    """The ``out=`` argument of a ufunc."""
    if isinstance(out, Number):
        store(out, ..., result)
    elif isinstance(result, Number) and result._level.depth > 0:
        raise LostDerivativeError(
            "a number would be written into a plain array and lose its derivative",
            why="`array += number` and `out=array` write into memory that holds only floats",
            hint="make the array with np.zeros_like(x), np.array(...) or np.zeros(n) inside the function "
            "that is differentiated, or write `array = array + number`",
        )
    else:
        out[...] = plain(result)
    return out


def as_number(values: Any) -> Any:
    """Nested lists and tuples as one array or number, as ``np.array`` does."""
    from .functions import array

    return array(values)


# Words


def apply(word: Word, *args: Any) -> Any:
    """Let the number of the highest level among ``args`` interpret the word."""
    if word.kind == "discrete":
        if word is SIGN and arrays.is_complex(args[0]):
            return OF_COMPLEX[word](args[0])
        return evaluate(word)(*map(plain, args))
    top: Any = None
    ready = []
    for a in args:
        if isinstance(a, Number):
            if a._memory is not None:
                a = settled(a)
            if top is None or a._level.depth > top._level.depth:
                top = a
        elif type(a) is complex:
            a = _numpys(a, args)
        ready.append(a)
    if top is None:
        return evaluate(word)(*ready)
    if word in OF_COMPLEX and top.dtype.kind == "c":
        return OF_COMPLEX[word](top)
    return top._interpret(top._level, word, ready)


def _numpys(z: complex, args: Sequence[Any]) -> Any:
    """A Python complex number as NumPy's, of the precision it meets: with a NumPy scalar it would give Python's."""
    met = [a.dtype for a in args if hasattr(a, "dtype")]
    return np.result_type(np.complex64, *met).type(z)


def apply_linear(word: Word, x: Any, *rest: Any) -> Any:
    """`apply` for a structural word: only its first argument can carry a derivative."""
    if not isinstance(x, Number):
        return evaluate(word)(x, *rest)
    if x._memory is not None:
        x = settled(x)
    return x._interpret(x._level, word, [x, *rest])


@cache
def evaluate(word: Word) -> Callable[..., Any]:
    """The word as a function of plain values."""
    if word.ufunc is not None:
        return word.ufunc
    if word.name == "where":
        return np.where
    if not isinstance(word.text, str) and hasattr(arrays, word.name):
        return getattr(arrays, word.name)
    names = [f"a{k}" for k in range(len(word.rule.args))]
    text = word.text.format(*names) if isinstance(word.text, str) else word.text(names, {}, [ANYTHING] * len(names))
    return eval(f"lambda {', '.join(names)}: {text}", {**NAMES})


def operands(kind: type[Number], level: Level, word: Word, args: Sequence[Any]) -> Any:
    """How a number of this kind and level reads arguments: ``(active, literals, values)``.

    An exponent that decides by its value which path is taken is a literal of the word, not one of the values.
    """
    level.check()
    active = tuple([type(a) is kind and a._level is level for a in args])
    values = [a._primal if on else without_array(a) for a, on in zip(args, active)]
    exponent = exponent_of(args[1]) if word is POWER and isinstance(args[1], REALS) else None
    if exponent is None:
        if word.ufunc is not None and any(type(v) in (int, float) for v in values):
            values = _adopted(values, np.result_type(*(a.dtype for a, on in zip(args, active) if on)))
        return active, (None,) * len(args), values
    base = values[0]
    if isinstance(args[1], np.generic):  # NumPy's scalars promote
        dtype = np.result_type(base.dtype, args[1])
        base = base if dtype == base.dtype else base.astype(dtype)
    return active, (None, exponent), [base]


def _adopted(values: list[Any], dtype: np.dtype) -> list[Any]:
    """Python numbers as scalars of the dtype that they adopt in NumPy."""
    return [dtype.type(v) if type(v) in (int, float) else v for v in values]


def exponent_of(p: Any) -> Any:
    """An integer-valued exponent as an int, ±½ as they are, otherwise None."""
    if -64 <= p <= 64 and p == int(p):
        return int(p)
    return float(p) if p in (0.5, -0.5) else None


def without_array(a: Any) -> Any:
    """Content of an inactive buffer; other values as they are."""
    return a._primal if isinstance(a, Number) and a._level.depth == 0 else a
