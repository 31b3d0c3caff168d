"""A fingerprint names everything a kernel's derivative depends on: equal fingerprints, equal machine code.

The walk starts at a function and visits its code and the code inside it, constants, defaults, closure cells, and
every global or module attribute that this code names; functions and dispatchers met there in the same way.  Line
numbers and file names are left out: moving a function keeps its derivative.  Python's library, NumPy, SciPy, numba
and dualgrad count by name and version.  An object of another kind takes part through ``__dualgrad_fingerprint__()``,
which returns what it depends on; without that it raises `CannotFingerprint`, and the kernel is not cached: stale
derivatives are wrong derivatives.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from .modules import IMPORTED

BY_VERSION = frozenset(sys.stdlib_module_names | {"numpy", "scipy", "numba", "llvmlite", "dualgrad"})
LITERALS = (type(None), type(...), bool, int, float, complex, str, bytes)

Description = tuple[str, str | bytes, Iterable[Any]]


class CannotFingerprint(Exception):
    """The walk met an object whose contents it cannot know."""


def fingerprint(*things: Any) -> str:
    """Twenty hexadecimal digits that change when anything reachable from ``things`` changes."""
    digest = hashlib.blake2b(digest_size=10)
    _feed(digest, (versions(), things), {})
    return digest.hexdigest()


@cache
def versions() -> tuple[str, ...]:
    """Python, NumPy, and the text of dualgrad itself, if that is the text this process runs."""
    package, own = Path(__file__).parent.parent, hashlib.blake2b()
    for path in sorted(package.rglob("*.py")):
        if path.stat().st_mtime > IMPORTED:
            raise CannotFingerprint(f"{path}, which was edited after its import")
        own.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return sys.version, np.__version__, own.hexdigest()


def _feed(digest: Any, thing: Any, met: dict[int, tuple[int, Any]]) -> None:
    """Write a thing and its parts, each with kind and lengths so that no two things read alike.

    ``met`` numbers the things with an identity (and keeps them alive, so their ids stay theirs): cycles end there.
    """
    kind, data, parts = describe(thing) if id(thing) not in met else ("again", str(met[id(thing)][0]), ())
    if kind in ("function", "dispatcher", "own"):
        met[id(thing)] = (len(met), thing)
    raw, parts = data.encode() if isinstance(data, str) else data, list(parts)
    digest.update(f"{kind} {len(raw)} {len(parts)}:".encode() + raw)
    for part in parts:
        _feed(digest, part, met)


def describe(thing: Any) -> Description:
    """Kind, own data, and parts of a thing."""
    kind = type(thing)
    if kind in LITERALS:
        return kind.__name__, repr(thing), ()
    if isinstance(thing, (tuple, list)):
        return "sequence", f"{kind.__qualname__} {getattr(kind, '_fields', '')}", thing
    if kind in (dict, set, frozenset):
        return kind.__name__, "", thing.items() if kind is dict else sorted(thing, key=repr)
    if isinstance(thing, np.dtype):
        return "dtype", str(thing), ()
    if isinstance(thing, (np.generic, np.ndarray)) and not thing.dtype.hasobject:
        array = np.asarray(thing)
        return "array", array.tobytes(), (array.dtype, array.shape, array.strides, array.flags.writeable)
    if isinstance(thing, CodeType):
        return _describe_code(thing)
    if isinstance(thing, ModuleType):
        return "module", thing.__name__, ()
    if hasattr(thing, "__dualgrad_fingerprint__") and not isinstance(thing, type):
        return "own", "", (thing.__dualgrad_fingerprint__(),)
    if counts_by_version(thing):
        package = sys.modules.get(thing.__module__.partition(".")[0])
        return "named", f"{thing.__module__}.{thing.__name__}", (str(getattr(package, "__version__", "")),)
    if isinstance(thing, np.ufunc) and "(vectorized)" not in thing.__name__:  # frompyfunc's say so
        return "ufunc", thing.__name__, ()
    if isinstance(thing, FunctionType):
        return _describe_function(thing)
    if isinstance(thing, type) and issubclass(thing, (tuple, BaseException)):
        fields = getattr(thing, "_fields", ()), getattr(thing, "_field_defaults", {})
        return "class", f"{thing.__module__}.{thing.__qualname__}", fields
    if kind.__module__.startswith("numba.") and hasattr(thing, "py_func"):
        return "dispatcher", "", (thing.py_func, thing.targetoptions, thing.locals)
    if hasattr(thing, "mangling_args"):  # a numba type; numba too knows it by its class and key
        return "type", kind.__qualname__, (thing.dispatcher if hasattr(thing, "dispatcher") else thing.key,)
    raise CannotFingerprint(f"{kind.__module__}.{kind.__qualname__} {thing!r:.80}")


def counts_by_version(thing: Any) -> bool:
    """Whether a module, or what its module knows under its name, belongs to a package whose version says it all."""
    module = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", None)
    if not isinstance(module, str) or module.partition(".")[0] not in BY_VERSION:
        return False
    known = sys.modules.get(module)
    return known is thing or getattr(known, getattr(thing, "__name__", ""), None) is thing


def _describe_code(code: CodeType) -> Description:
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    names = (code.co_name, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    return "code", code.co_code, (counts, names, code.co_consts, code.co_exceptiontable)


def _describe_function(function: FunctionType) -> Description:
    names = sorted(set(_names_in(function.__code__)))
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    found = list(_look_up(names, function.__globals__))
    return "function", "", (function.__code__, function.__defaults__, function.__kwdefaults__, cells, found)


def _names_in(code: CodeType) -> Iterator[str]:
    """The globals and attributes that a code object, or one inside it, may look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _look_up(names: list[str], scope: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """The values that ``names`` may stand for: globals, and attributes of modules among the globals."""
    for name in names:
        if name in scope:
            value = scope[name]
            yield name, value
            if isinstance(value, ModuleType) and value.__name__ not in path and not counts_by_version(value):
                yield from _look_up(names, vars(value), (*path, value.__name__))
