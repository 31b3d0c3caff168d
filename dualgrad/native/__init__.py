"""Numbers as value types of nopython code, their operations written from the table.

Reading order: `types` (the numbers as numba's types), `functions` (which functions take them, and how numba is told),
`programs` (what a function does to numbers, as a program), `operations` and `emit` (a program as machine code),
`making` (from floats to numbers and back), `arrays` and `elementwise`, `boxing` (from Python and back), `ruled`
(users' own rules).

Numba calls `init` before it compiles anything (its entry point ``numba_extensions``).  It has to be quick, for most
programs have no such numbers: it brings numba's types and templates only, and the table is read when a template
first meets a number.
"""

from __future__ import annotations

from collections.abc import Callable

_started = False
_waiting: list[Callable[[], None]] = []


def init(refresh: bool = False) -> None:
    """Tell numba about numbers; where it is compiling already, ``refresh`` what it knows."""
    global _started
    if not _started:
        _started = True
        from dualgrad.backends import compiled_special  # tells numba about SciPy's functions

        from . import functions

        functions.register()
        compiled_special.hooks["numbers"] = functions.special_function
        for action in _waiting:
            action()
    if refresh:
        look_again()


def when_started(action: Callable[[], None]) -> None:
    """Do this when numba has been told, or now if it was."""
    if _started:
        action()
        look_again()
    else:
        _waiting.append(action)


def look_again() -> None:
    """Let numba see what was registered; it does so itself before it compiles a function."""
    from numba.core.registry import cpu_target

    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()
