"""SciPy's special functions for nopython code: of one number each, by the addresses that SciPy gives to C.

Generated kernels import this module under the name ``special``.  SciPy's compiled functions have addresses under
which LLVM may call them; they are looked up when a name is first asked for, in each process, so that machine code from
disk finds them.  Families that SciPy has no compiled name for are written here.
"""

from __future__ import annotations

import ctypes
import inspect
import math
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.core.registry import CPUDispatcher
from numba.core.typing.typeof import typeof_impl
from numba.extending import intrinsic

from dualgrad.core.errors import UnsupportedError

from .dispatcher import NumbersApart

# The names of the words' texts, and SciPy's compiled names where they differ.
SCIPY = {
    name: {"digamma": "psi"}.get(name, name)
    for name in """erfinv erfcinv erfcx dawsn ndtr ndtri log_ndtr gamma rgamma gammasgn gammaln loggamma digamma beta
    betaln gammainc gammaincc betainc stdtr expit logit log_expit xlogy xlog1py entr rel_entr kl_div huber pseudo_huber
    boxcox boxcox1p inv_boxcox inv_boxcox1p cosm1 exprel exp1 expi ellipk ellipe j0 j1 jv y0 y1 yv i0 i1 iv k0 k1
    kv i0e i1e ive k0e k1e kve erf erfc""".split()  # noqa: SIM905
}
SIGNATURES = {f"double ({'double, ' * n}int __pyx_skip_dispatch)": n for n in (1, 2, 3)}
WRITTEN: dict[str, Callable[[], Any]] = {}


def written(make: Callable[[], Any]) -> Callable[[], Any]:
    WRITTEN[make.__name__.removeprefix("make_")] = make
    return make


def is_known(name: str) -> bool:
    return name in SCIPY or name in WRITTEN


@cache
def __getattr__(name: str) -> Any:
    if name in WRITTEN:
        found = WRITTEN[name]()
    elif name in SCIPY:
        found = external(name)
    else:
        raise AttributeError(name)
    globals()[name] = found
    return found


def external(name: str) -> Any:
    """SciPy's function as one that nopython code calls."""
    import llvmlite.binding as llvm

    try:
        from scipy.special import cython_special
    except ImportError:
        raise UnsupportedError(
            "a derivative needs special functions, and SciPy is not installed", hint="pip install dualgrad[scipy]"
        ) from None
    wanted = SCIPY[name]
    for key, capsule in cython_special.__pyx_capi__.items():
        plain = key.split("_", 5)[-1] if key.startswith("__pyx_fuse_") else key
        signature = capsule_name(capsule)
        if (key == wanted or key.startswith("__pyx_fuse_") and key[12:].lstrip("_0123456789") == wanted) and (
            signature.decode() in SIGNATURES
        ):
            count = SIGNATURES[signature.decode()]
            symbol = f"dualgrad_scipy_{plain}"
            llvm.add_symbol(symbol, capsule_pointer(capsule, signature))
            double = types.float64
            f = types.ExternalFunction(symbol, double(*[double] * count, types.int32))
            return wrapped(name, f, count)
    raise UnsupportedError(f"SciPy has no compiled {wanted}", hint="differentiate it as a Python function")


def wrapped(name: str, f: Any, count: int) -> Any:
    args = ", ".join("xyz"[:count])
    floats = ", ".join(f"float({a})" for a in "xyz"[:count])
    names = {"f": f}
    exec(f"def {name}({args}):\n    return f({floats}, 0)\n", names)
    return Special(names[name])


class Special(NumbersApart, CPUDispatcher):
    """A function of SciPy, of floats; numbers of nopython code go by the word of its name."""

    def of_numbers(self, args: Any) -> Any:
        return hooks["numbers"](self.py_func.__name__)


hooks: dict[str, Callable[[str], Any]] = {}  # filled by `dualgrad.native`, some floors up


def capsule_name(capsule: Any) -> bytes:
    get = ctypes.pythonapi.PyCapsule_GetName
    get.restype, get.argtypes = ctypes.c_char_p, [ctypes.py_object]
    return get(capsule)


def capsule_pointer(capsule: Any, name: bytes) -> int:
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return get(capsule, name)


# The families: what is the n-th derivative in `special` for arrays, here for numbers

BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)


@written
def make_polygamma() -> Any:
    """From the asymptotic series, which needs a large argument: ``f(x) = f(x + 1) ± n!/x**(n + 1)`` leads there."""
    digamma = __getattr__("digamma")

    @njit
    def polygamma(n: Any, x: Any) -> Any:
        n, x = int(n), float(x)
        if n == 0:
            return digamma(x)
        if x == -math.inf:
            return math.nan  # and no number of steps leads away from there
        if x <= 0 and x == np.floor(x):
            return math.inf
        total = 0.0
        while x < 20 + n:
            total += x ** -(n + 1.0)
            x += 1.0
        total += (1.0 / n + 0.5 / x) / x**n
        factor = 1.0  # comb(2k + n - 1, n) / 2k is Π (n + i)/i over i < 2k, divided by 2k
        for k in range(len(BERNOULLI)):
            i = 2 * k + 1.0
            factor *= (n + i) / i if k == 0 else (n + i - 1) / (i - 1) * (n + i) / i
            total += BERNOULLI[k] * factor / (i + 1) * x ** -(n + i + 1)
        factorial = 1.0
        for i in range(2, n + 1):
            factorial *= i
        return (1.0 if n % 2 else -1.0) * factorial * total

    return polygamma


def shifted(name: str, of: str, step: int, sign: float, scale: float) -> None:
    """A family of Bessel functions: ``scaleⁿ (S⁻¹ + sign*S)ⁿ``, or with ``step`` 1 ``(S⁻¹ + S + 2*sign)ⁿ``."""

    def make() -> Any:
        f = __getattr__(of)

        @njit
        def derivative(n: Any, v: Any, x: Any) -> Any:
            n = int(n)
            count = n if step == 2 else 2 * n
            first = v - n if step == 2 else v + n
            total, binomial = 0.0, 1.0
            for i in range(count + 1):
                total += binomial * f(first + step * i, x)
                binomial *= sign * (count - i) / (i + 1)
            return scale**n * total

        return derivative

    WRITTEN[name] = make


shifted("besselj", "jv", 2, -1.0, 0.5)
shifted("bessely", "yv", 2, -1.0, 0.5)
shifted("besseli", "iv", 2, 1.0, 0.5)
shifted("besselk", "kv", 2, 1.0, -0.5)
shifted("besselke", "kve", -1, -1.0, -0.5)


@written
def make_kn() -> Any:
    return __getattr__("kv")


@written
def make_yn() -> Any:
    return __getattr__("yv")


@written
def make_cardinal() -> Any:
    """The n-th derivative of ``sin(x)/x``: its recurrence, upwards for large x and downwards for small."""

    @njit
    def wave(k: Any, x: Any) -> Any:
        k = k % 4
        return (math.sin(x) if k % 2 == 0 else math.cos(x)) * (1.0 if k < 2 else -1.0)

    @njit
    def cardinal(n: Any, x: Any) -> Any:
        n, x = max(int(n), 0), float(x)
        if math.isinf(x):
            return 0.0
        found = 0.0
        if abs(x) < max(n, 1):
            for k in range(n + 30 + int(math.sqrt(80.0 * (n + 1))), n, -1):
                found = (wave(k, x) - x * found) / k
            return found
        found = wave(0, x) / x
        for k in range(1, n + 1):
            found = (wave(k, x) - k * found) / x
        return found

    return cardinal


def load(*names: str) -> None:
    """Look up what machine code from disk refers to."""
    for name in names:
        getattr(sys.modules[__name__], name)


@cache
def scipy_functions() -> dict[Any, str]:
    from scipy import special

    return {getattr(special, name): name for name in SCIPY if hasattr(special, name)}


def known_functions() -> dict[Any, str]:
    """SciPy's functions and the names of their words, if anybody has imported them."""
    return scipy_functions() if "scipy.special" in sys.modules else {}


@typeof_impl.register(np.ufunc)
def type_of(function: Any, context: Any) -> Any:
    """To numba a function of SciPy is the dispatcher of its compiled form; NumPy's are known otherwise."""
    name = known_functions().get(function)
    return None if name is None else types.Dispatcher(for_users(name))


# Code that is not ours


def mark(context: Any, builder: Any, value: Any) -> Any:
    """The value, in code that numba will not keep on disk, where nobody looks up the addresses that it refers to."""
    pointer = context.add_dynamic_addr(builder, 1, info="SciPy's functions")
    return builder.select(cgutils.is_null(builder, pointer), value.type(math.nan), value)


@intrinsic  # type: ignore[misc]
def marked(typingctx: Any, value: Any) -> Any:
    return value(value), lambda context, builder, sig, args: mark(context, builder, args[0])


@cache
def for_users(name: str) -> Any:
    """SciPy's function as users' own functions call it."""
    plain = getattr(sys.modules[__name__], name)
    args = ", ".join(inspect.signature(plain.py_func).parameters)
    names = {"plain": plain, "marked": marked}
    exec(f"def {name}({args}):\n    return marked(plain({args}))\n", names)
    return Special(names[name])
