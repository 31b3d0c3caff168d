"""The first line whose primal, tangent or cotangent is not finite.

While the switch is on, the generated function of every word is replaced by one that looks at what it found: the
function objects stay, for many caches hold them, and their code is exchanged.  Tapes note the user's line of each
entry, so that a sweep knows it too.  What was seen is told when a transform ends with a result that is not finite;
where the result is finite (a branch that was not selected, a structural zero) nothing is said.
"""

from __future__ import annotations

import linecache
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ContextDecorator, contextmanager
from functools import partial
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple

import numpy as np

from dualgrad.api.evaluate import evaluate
from dualgrad.backends import watch
from dualgrad.backends.steps import MADE, Step
from dualgrad.core.errors import NonFiniteError, is_users
from dualgrad.core.forms import brief
from dualgrad.numbers.masked import Masked
from dualgrad.numbers.number import Number, current
from dualgrad.numbers.recorded import STORE

_LOCK = threading.Lock()
HINT = (
    "keep arguments away from the point where it has no derivative; where a branch excludes the point, choose the "
    "argument first (f(np.where(ok, x, 1.0))); give a limit that you know by dg.custom_jvp"
)


class debug_nans(ContextDecorator):
    """Name the first line whose primal, tangent or cotangent is not finite, if a derivative is not.

    Within a ``with`` block (or between ``debug_nans.on()`` and ``debug_nans.off()``) every word of the eager numbers
    is looked at, in all modes and at all levels of nesting: values and tangents when they are made, cotangents when the
    sweep comes back.  When a transform ends with a result that is not finite, `NonFiniteError` says where that
    began.  A result that is finite is never questioned, whatever happened in branches that were not selected.

    ``@njit`` functions run within the block as the Python functions that they were compiled from, so that their
    lines can be named.  A derivative of a kernel that was made before the block is compiled code and not looked into.

    Parameters
    ----------
    infs : bool
        Whether infinities count as well as NaN.

    Raises
    ------
    NonFiniteError
        From the transform, with file, line, source text, the word, which of the three it was, and the word's inputs.

    Notes
    -----
    Nothing is done while it is off: the words' code is as generated, and a transform asks once whether it is on.
    While it is on, functions run four to fifty times slower.  It is on for all threads of the process.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> def distance(x):
    ...     s = np.sum(x * x)
    ...     return np.sqrt(s)
    >>> with dg.debug_nans():
    ...     dg.grad(distance)(np.zeros(2))
    Traceback (most recent call last):
        ...
    dualgrad.core.errors.NonFiniteError: grad: a cotangent of sqrt is not finite: inf
      where: <doctest ...>:3, in distance: return np.sqrt(s)
      why:   its inputs were y = 0, cotangent = 1
      do:    keep arguments away from ...
    """

    def __init__(self, infs: bool = True):
        self.infs = infs

    def __enter__(self) -> debug_nans:
        self.on(self.infs)
        return self

    def __exit__(self, *_: Any) -> None:
        self.off()

    def _recreate_cm(self) -> debug_nans:
        return debug_nans(self.infs)

    @staticmethod
    def on(infs: bool = True) -> None:
        """Switch it on until `off`; blocks may be nested."""
        with _LOCK:
            _SWITCH.append(infs)
            _set()

    @staticmethod
    def off() -> None:
        """Switch it off, or back to what it was before the last `on`."""
        with _LOCK:
            if _SWITCH:
                _SWITCH.pop()
            _set()


_SWITCH: list[bool] = []
_ORIGINAL: dict[Callable[..., Any], CodeType] = {}


def _set() -> None:
    """Exchange the code of all words' functions for code that looks, or back."""
    if _SWITCH:
        watch.watcher = _Looker(_SWITCH[-1])
        for function in list(MADE):
            watch.watcher.made(function)
    else:
        watch.watcher = None
        for function, code in _ORIGINAL.items():
            function.__code__ = code  # type: ignore[attr-defined]
        _ORIGINAL.clear()


def _looking(*args: Any) -> Any:
    return _looked_at(*args)  # type: ignore[name-defined]  # noqa: F821  (in the globals of the function that it replaces)


class Event(NamedTuple):
    """Something that was not finite."""

    which: str
    word: str
    value: Any
    inputs: list[tuple[str, Any]]
    place: tuple[str, int, str]


class _State(threading.local):
    """What a thread is doing: events since the transform began, the line of the entry that a sweep is at."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.places: list[tuple[Any, str]] = []


class _Looker:
    """The watcher that `debug_nans` puts in place."""

    def __init__(self, infs: bool):
        self.infs, self.state = infs, _State()

    # What is not finite

    def bad(self, x: Any) -> bool:
        """Whether a value has an entry that is not finite, and not a structural zero."""
        while isinstance(x, Number):
            x = current(x)._primal
        if isinstance(x, Masked):
            return self.bad(np.where(x.mask, _plain(x.values), 0.0))
        if not hasattr(x, "dtype") or x.dtype.kind not in "fc":
            return False
        return not np.all(np.isfinite(x)) if self.infs else bool(np.any(np.isnan(x)))

    def note(self, which: str, word: str, value: Any, inputs: Sequence[tuple[str, Any]]) -> None:
        place, nested = self.place()
        if self.state.places:  # a word of a sweep finds derivatives
            kind = self.state.places[-1][1]
            which = kind if which == "primal" else f"{which} of the {kind}"
        event = Event(which, word, _plain(value), [(n, _plain(v)) for n, v in inputs], place)
        if not nested:
            raise _error("a number made by hand", event)
        self.state.events.append(event)

    def place(self) -> tuple[tuple[str, int, str], bool]:
        """The user's line that is at work, and whether a transform is."""
        if self.state.places and self.state.places[-1][0] is not None:
            return self.state.places[-1][0], True
        frame: FrameType | None = sys._getframe(2)
        while frame is not None and not is_users(frame):
            frame = frame.f_back
        line = ("", 0, "") if frame is None else (frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
        return line, bool(self.state.places) or _inside()

    # What the words and transforms tell

    def made(self, function: Any) -> None:
        word, mode = MADE[function]
        if mode in ("push", "pull"):
            return  # sweeps look at what these find
        original = function if function not in _ORIGINAL else None
        if original is not None:
            _ORIGINAL[function] = function.__code__
        real = FunctionType(_ORIGINAL[function], function.__globals__)
        function.__globals__["_looked_at"] = partial(self.word, word, mode, real)
        function.__code__ = _looking.__code__

    def word(self, word: str, mode: str, real: Any, *args: Any) -> Any:
        """A word's function, and a look at what it found."""
        out = real(*args)
        if mode == "jet":
            found = {"series": out}
        elif mode == "jvp":
            found = {"primal": out[0], "tangent": out[1]}
        else:
            found = {"primal": out[0]}
        for which, value in found.items():
            if self.bad(value):
                which, value = _coefficient(value) if which == "series" else (which, value)
                self.note(which, word, value, [*zip(real.__code__.co_varnames, args)])
                break
        return out

    def begin(self) -> None:
        if not self.state.places and not _inside():
            self.state.events.clear()

    def called(self, name: str, **found: Any) -> None:
        for which, value in found.items():
            if self.bad(value):
                which, value = _coefficient(value) if which == "series" else (which, value)
                self.note(which, name, value, [])
                break

    def tape(self, tape: Any) -> None:
        tape.lines = lines = []
        append = tape.append

        def noting(entry: Any) -> None:
            lines.append(self.place()[0])
            append(entry)

        tape.append = noting

    def forward(self, sweep: Any) -> None:
        self.again(sweep)
        for k, (step, residuals, refs) in enumerate(sweep.tape.entries):
            with self.at(sweep, k, "tangent"):
                sweep.up(k, k + 1)
                value = sweep.slots[k]
                if value is not None and self.bad(value):
                    tangents = [("tangent", sweep.read(r)) for r in refs if r is not None]
                    self.note("primal", step.name, value, [*_residuals(step, residuals), *tangents])

    def reverse(self, sweep: Any) -> None:
        self.again(sweep)
        entries = sweep.tape.entries
        for k in range(len(entries) - 1, -1, -1):
            step, residuals, refs = entries[k]
            ct = sweep.cts[k]
            if ct is None and step is not STORE:
                continue
            with self.at(sweep, k, "cotangent"):
                sweep.down(k + 1, k)
                for ref in refs:
                    value = None if ref is None else sweep.cts[ref[0] if isinstance(ref, tuple) else ref]
                    if value is not None and self.bad(value):
                        self.note("primal", step.name, value, [*_residuals(step, residuals), ("cotangent", ct)])
                        break

    def again(self, sweep: Any) -> None:
        """The second sweep, with masks for structural zeros, knows better than the first."""
        if sweep.careful:
            self.begin()

    @contextmanager
    def at(self, sweep: Any, k: int, kind: str) -> Iterator[None]:
        """The sweep is at entry k of its tape."""
        lines, places = sweep.tape.lines, self.state.places
        place = lines[k] if lines is not None and k < len(lines) else places[-1][0] if places else None
        places.append((place, kind))
        try:
            yield
        finally:
            places.pop()

    def judge(self, verb: str, what: str, values: Sequence[Any]) -> None:
        if self.state.places or _inside():
            return  # the transform around this one will say
        events, self.state.events = self.state.events, []
        for value in values:
            if self.bad(value):
                which, value = _coefficient(value) if what == "series" else (what, value)
                raise _error(verb, events[0] if events else Event(which, "", _plain(value), [], ("", 0, "")))


def _plain(x: Any) -> Any:
    while isinstance(x, (Number, Masked)):
        x = current(x)._primal if isinstance(x, Number) else x.values
    return x


def _coefficient(coeffs: Any) -> tuple[str, Any]:
    """The first coefficient that is not finite."""
    for k, c in enumerate(_plain(coeffs)):
        if not np.all(np.isfinite(c)):
            return ("primal" if k == 0 else f"coefficient of order {k}"), c
    return "series", coeffs


def _residuals(step: Any, residuals: Sequence[Any]) -> list[tuple[str, Any]]:
    """What the linear rest of a word knows, by name."""
    if not isinstance(step, Step):
        return []
    return [(p.name, r) for p, r in zip(step.linear.params, residuals) if not p.name.endswith("_shape")]


_EVALUATE = evaluate.__code__


def _inside() -> bool:
    """Whether a transform is running the user's function."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code is _EVALUATE:
            return True
        frame = frame.f_back
    return False


def _error(verb: str, event: Event) -> NonFiniteError:
    file, line, function = event.place
    text = linecache.getline(file, line).strip()
    where = f"{file}:{line}, in {function}" + (f": {text}" if text else "") if file else None
    article = "the" if event.which == "primal" or event.which.startswith("coeff") else "a"
    if not event.word:
        what = f"{verb}: {article} {event.which} of the result is not finite: {brief(event.value)}"
        return NonFiniteError(what, "no word of the function made it: it came in with the arguments", HINT, where)
    what = f"{verb}: {article} {event.which} of {event.word} is not finite: {brief(event.value)}"
    inputs = ", ".join(f"{name} = {brief(value)}" for name, value in event.inputs)
    broken = [n for n, v in event.inputs if np.asarray(v).dtype.kind in "fc" and np.isnan(v).any()]
    why = f"its inputs were {inputs}" if inputs else ""
    why += f"; {broken[0]} was NaN already, before any word" if broken else ""
    return NonFiniteError(what, why, HINT, where)
