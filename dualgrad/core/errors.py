"""One family of errors; every message says what happened, where, why, and what to do instead."""

from __future__ import annotations

import linecache
import os
import sys
from types import FrameType
from typing import Any

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_STDLIB = os.path.dirname(os.__file__)


class DualgradError(Exception):
    """Base of every error raised by dualgrad.

    Parameters
    ----------
    what : str
        What happened, in one sentence.
    why : str, optional
        The reason.
    hint : str, optional
        What to write instead.
    where : str, optional
        File and line of the user's code; found on the stack when not given.
    """

    def __init__(self, what: str, why: str = "", hint: str = "", where: str | None = None):
        self.what, self.why, self.hint = what, why, hint
        self.where = user_line() if where is None else line_of(where) if where.startswith("@") else where
        rows = [what, self.where and f"  where: {self.where}", why and f"  why:   {why}", hint and f"  do:    {hint}"]
        super().__init__("\n".join(row for row in rows if row))

    def __reduce__(self) -> tuple:
        return (type(self), (self.what, self.why, self.hint, self.where))


class UnsupportedError(DualgradError, TypeError):
    """A function has no rule, or not in this mode."""


class UnsupportedAttributeError(UnsupportedError, AttributeError):
    """A number has no attribute of an ndarray; ``hasattr`` says so too."""


class LostDerivativeError(DualgradError, TypeError):
    """A number would have become a plain float and lost its derivative."""


class GaugeError(DualgradError, ValueError):
    """A result is defined only up to a choice (of basis, of phase), and a derivative depends on it."""


class EscapedNumberError(DualgradError, ValueError):
    """A number was used after the transform that made it had ended."""


class StructureError(DualgradError, ValueError):
    """Wrong structure, shape or dtype of a primal, tangent or cotangent."""


class ArgumentError(DualgradError, TypeError):
    """An argument of a transform is of the wrong kind."""


class KernelError(DualgradError, TypeError):
    """The fence: an ``@njit`` function uses something that cannot be differentiated."""


class OverlapError(DualgradError, ValueError):
    """Arrays given to a function that writes one of them share memory."""


class ConvergenceError(DualgradError, ArithmeticError):
    """An iteration did not find what it looked for."""


class NonFiniteError(DualgradError, FloatingPointError):
    """A primal, tangent or cotangent is not finite (raised within `debug_nans`)."""


class CheckError(DualgradError, AssertionError):
    """A derivative does not agree with what it was compared with."""


class ProgramError(DualgradError, ValueError):
    """A program breaks the rules of `dualgrad.core.program` (a defect in dualgrad)."""


def is_users(frame: FrameType) -> bool:
    """Whether a frame runs the user's code: not dualgrad, NumPy, SciPy, numba, Python's library or generated code."""
    name = frame.f_code.co_filename
    library = any(f"{os.sep}{p}{os.sep}" in name for p in ("numpy", "numba", "scipy"))
    library |= name.startswith(_STDLIB) and "site-packages" not in name
    library |= name.startswith((_HERE, "<dualgrad", "<frozen", "<__array"))
    if name == "<string>":  # methods that named tuples and dataclasses write
        library = str(frame.f_globals.get("__name__")).startswith(("dualgrad", "namedtuple_"))
    return not library and "__dualgrad_generated__" not in frame.f_globals


def line_of(place: str) -> str:
    """File, line and text of ``@module:function+offset|text``, as compiled code knows a line of the user's.

    Compiled code outlives an edit above the function, so the line is looked up when the error is made; of a function
    inside another one, which has no name that could be looked up, by its text.
    """
    address, _, text = place[1:].partition("|")
    module, _, rest = address.partition(":")
    name, _, offset = rest.rpartition("+")
    found: Any = sys.modules.get(module)
    file = str(getattr(found, "__file__", None) or module)
    for part in name.split("."):
        found = getattr(found, part, None)
    code = getattr(getattr(found, "py_func", found), "__code__", None)
    if code is not None:
        return f"{code.co_filename}:{code.co_firstlineno + int(offset)}, in {code.co_name}: {text}"
    lines = [n for n, line in enumerate(linecache.getlines(file), 1) if line.strip() == text]
    return f"{file}{''.join(f':{n}' for n in lines[:1])}, in {name.rpartition('.')[2]}: {text}"


def user_line() -> str:
    """``file:line`` of the innermost frame of the user's code."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if is_users(frame):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}, in {frame.f_code.co_name}"
        frame = frame.f_back
    return ""


def array_made(frame: FrameType | None) -> tuple[str, str]:
    """What asked for a plain array in this frame, and what to do instead: the user, or a function of SciPy."""
    name = ""
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("scipy."):
        name, frame = frame.f_code.co_name, frame.f_back
    if name:
        return f"SciPy's {name}, called with a number", (
            "import SciPy outside of the function: there the functions that dg.scipy has work under SciPy's own names; "
            "give others a rule with dg.custom_jvp, and solvers dg.implicit_root"
        )
    return "a plain array made from, or written with, a number", (
        "make the buffer with np.zeros_like(x) or np.zeros(n) inside the function that is differentiated, "
        "build arrays of numbers with np.stack or np.concatenate"
    )
