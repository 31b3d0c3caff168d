"""Forward mode of kernels that the reader refuses: numba compiles them for duals, which are values to it.

Recursion, lists, exceptions and generators have no program, so nothing can be derived from their text.  A dual goes
through them like any float.  This gives the pushforward, the forward Jacobian by it, and derivatives of numbers by
series; what a program is needed for (reverse mode, series of run-time order, more levels) stays refused.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from types import FunctionType
from typing import Any

from dualgrad.backends.modules import Generated
from dualgrad.core.errors import KernelError
from dualgrad.kernels import LIBM, Chain
from dualgrad.read.source import Source


def writes_nothing(f: Any, seen: set[Any] | None = None) -> bool:
    """Whether a function that the reader refuses, and those that it calls by name, store into no array."""
    seen = set() if seen is None else seen
    function = getattr(f, "py_func", f)
    if function in seen or not isinstance(function, FunctionType):
        return True
    seen.add(function)
    try:
        source = Source(function)
    except KernelError:
        return False
    nodes = list(ast.walk(source.tree))
    if any(isinstance(n, (ast.Subscript, ast.Attribute)) and isinstance(n.ctx, (ast.Store, ast.Del)) for n in nodes):
        return False
    names = {n.id for n in nodes if isinstance(n, ast.Name)}
    known = {**function.__globals__, **dict(zip(function.__code__.co_freevars, cells(function)))}
    called = [known[name] for name in names if hasattr(known.get(name), "py_func")]
    return all(writes_nothing(g, seen) for g in called)


def cells(function: FunctionType) -> list[Any]:
    return [c.cell_contents for c in function.__closure__ or ()]


def by_numbers(base: Any, chain: Chain, argtypes: Any) -> Generated | None:
    """The source of a forward transform that calls the kernel with duals; None where that is not possible."""
    steps = [step for step in chain if step != LIBM]
    if len(steps) != 1 or steps[0].name not in WRITERS or not writes_nothing(base):
        return None
    if not base.__name__.isidentifier() or base.__name__ in ("np", "njit", "Dual", "Jet", "as_duals", "paired"):
        return None
    from dualgrad import native
    from dualgrad.numbers import compiled  # noqa: F401  (numba learns of the numbers)

    native.init(refresh=True)
    return WRITERS[steps[0].name](base, steps[0].options, argtypes)


IMPORTS = "import numpy as np\n\nfrom dualgrad import Dual, Jet, as_duals\n\n\n"
PAIRED = '''def paired(x, x_dot):
    """An array of duals with one direction."""
    floats = np.empty(x.shape + (2,), x.dtype)
    floats[..., 0], floats[..., 1] = x, x_dot
    return as_duals(floats, 1)


paired = njit(paired)


'''


def result_of(base: Any, call: str, head: str, argtypes: Any) -> Any:
    """The numba type of a call's result; None where numba refuses it."""
    from numba import njit

    names: dict[str, Any] = {base.__name__: base}
    exec(f"from numba import njit\n{IMPORTS}{PAIRED}def typed{head}\n    return {call}\n", names)
    try:
        typed = njit(names["typed"])
        typed.compile(argtypes)
        return typed.overloads[tuple(argtypes)].signature.return_type
    except Exception:  # whatever numba raises: the reader's own error says more
        return None


def argument(path: str, dot: str, type: Any) -> str:
    """A dual for what is a float, an array of duals for an array of floats."""
    from numba import types

    if isinstance(type, types.BaseTuple):
        parts = (argument(f"{path}[{k}]", f"{dot}[{k}]", t) for k, t in enumerate(type.types))  # type: ignore[attr-defined]
        return f"({', '.join(parts)},)"
    if isinstance(type, types.Float):
        return f"Dual({path}, ({dot},))"
    if isinstance(type, types.Array) and isinstance(type.dtype, types.Float):
        return f"paired({path}, {dot})"
    return path


def parts_of(result: Any, path: str) -> tuple[str, str] | None:
    """The texts of a result's value and tangent; None where it is no number, no array and no tuple of these."""
    from numba import types

    if isinstance(result, types.BaseTuple):
        pairs = [parts_of(t, f"{path}[{k}]") for k, t in enumerate(result.types)]  # type: ignore[attr-defined]
        if not pairs or None in pairs:
            return None
        return tuple(f"({', '.join(column)},)" for column in zip(*pairs))  # type: ignore[arg-type, return-value]
    kind = getattr(getattr(result, "dtype", None) if isinstance(result, types.Array) else result, "kind", None)
    if kind == "Dual":
        ends = (".copy()", "[0].copy()") if isinstance(result, types.Array) else ("", "[0]")
        return f"{path}.primal{ends[0]}", f"{path}.tangent{ends[1]}"
    if isinstance(result, types.Float):
        return path, "0.0"
    if isinstance(result, types.Array) and isinstance(result.dtype, types.Float):
        return path, f"np.zeros_like({path})"
    return (path, "0.0") if isinstance(result, (types.Integer, types.Boolean)) else None


def pushforward(base: Any, options: Any, argtypes: Any) -> Generated | None:
    if options or len(argtypes) != 2 or len(argtypes[0]) != len(argtypes[1]):
        return None
    given = [argument(f"primals[{k}]", f"tangents[{k}]", t) for k, t in enumerate(argtypes[0])]
    call, head = f"{base.__name__}({', '.join(given)})", "(primals, tangents):"
    found = parts_of(result_of(base, call, head, argtypes), "y")
    if found is None:
        return None
    name = f"pushforward_{base.__name__}"
    return finished(base, name, f"def {name}{head}\n    y = {call}\n    return {found[0]}, {found[1]}\n", call)


def derivative(base: Any, options: Any, argtypes: Any) -> Generated | None:
    """The n-th derivative of a function of one number, by a series of that order."""
    from numba import types

    (order,) = options
    if len(argtypes) != 1 or not isinstance(argtypes[0], (types.Float, types.Integer)) or order < 1:
        return None
    series = f"(float(x), 1.0{', 0.0' * (order - 1)})"
    call, head = f"{base.__name__}(Jet({series}))", "(x):"
    if getattr(result_of(base, call, head, argtypes), "kind", None) != "Jet":
        return None
    name = f"derivative_{base.__name__}"
    return finished(base, name, f"def {name}{head}\n    return {call}.derivatives()[{order}]\n", call)


def finished(base: Any, name: str, text: str, call: str) -> Generated:
    title = name.replace("_", " of ", 1)
    helper = "from numba import njit\n" if "paired(" in call else ""
    text = IMPORTS.replace("import numpy as np\n", f"import numpy as np\n{helper}") + (PAIRED if helper else "") + text
    return Generated(f'"""{title} by numbers, generated by dualgrad."""\n\n{text}', name, {base.__name__: base})


WRITERS: dict[str, Callable[..., Generated | None]] = {"pushforward": pushforward, "derivative": derivative}
