"""Exact derivatives, of any order, of the NumPy and Numba code you already have."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .api.checkpoint import checkpoint
    from .api.checks import check_derivatives
    from .api.custom import custom_jvp, custom_vjp
    from .api.elementary import elementary
    from .api.evaluate import stop_gradient
    from .api.forward import jacfwd, jvp, pushforward
    from .api.implicit import fixed_point, implicit_root
    from .api.linear import linear
    from .api.linear_map import LinearMap
    from .api.linearity import linear_transpose
    from .api.matrices import hessian, hvp, jacobian
    from .api.reverse import grad, jacrev, linearize, pullback, value_and_grad, vjp
    from .api.route import kernel, source
    from .api.series import derivative, jet, taylor
    from .api.vmap import vmap
    from .core.errors import (
        ArgumentError,
        CheckError,
        ConvergenceError,
        DualgradError,
        EscapedNumberError,
        GaugeError,
        KernelError,
        LostDerivativeError,
        NonFiniteError,
        OverlapError,
        StructureError,
        UnsupportedError,
    )
    from .lifting import lifting
    from .numbers.compiled import as_duals, seed, zeros
    from .numbers.dual import Dual
    from .numbers.jet import Jet
    from .seeing.explain import explain
    from .seeing.nans import debug_nans

# Where each public name lives; it is imported when it is first used.
_PLACES = {
    "api.forward": "jvp jacfwd pushforward",
    "api.reverse": "vjp linearize grad value_and_grad jacrev pullback",
    "api.checkpoint": "checkpoint",
    "api.checks": "check_derivatives",
    "api.custom": "custom_jvp custom_vjp",
    "api.elementary": "elementary",
    "api.implicit": "fixed_point implicit_root",
    "api.linear": "linear",
    "api.linear_map": "LinearMap",
    "api.linearity": "linear_transpose",
    "api.matrices": "jacobian hessian hvp",
    "api.series": "jet taylor derivative",
    "api.vmap": "vmap",
    "core.errors": "DualgradError UnsupportedError LostDerivativeError EscapedNumberError StructureError ArgumentError "
    "KernelError OverlapError ConvergenceError GaugeError CheckError NonFiniteError",
    "api.evaluate": "stop_gradient",
    "api.route": "kernel source",
    "lifting": "lifting",
    "numbers.compiled": "as_duals seed zeros",
    "numbers.dual": "Dual",
    "numbers.jet": "Jet",
    "seeing.explain": "explain",
    "seeing.nans": "debug_nans",
}
_HOME = {name: place for place, names in _PLACES.items() for name in names.split()}

__all__ = [  # noqa: F822
    "ArgumentError", "CheckError", "ConvergenceError", "Dual", "DualgradError", "EscapedNumberError",
    "GaugeError", "Jet", "KernelError", "LinearMap", "LostDerivativeError", "NonFiniteError", "OverlapError",
    "StructureError", "UnsupportedError", "as_duals", "check_derivatives", "checkpoint", "custom_jvp", "custom_vjp",
    "debug_nans", "derivative", "elementary", "explain", "fixed_point", "grad", "hessian", "hvp", "implicit_root",
    "jacfwd", "jacobian", "jacrev", "jet", "jvp", "kernel", "lifting", "linear", "linear_transpose", "linearize",
    "pullback", "pushforward", "seed", "source", "stop_gradient", "taylor", "value_and_grad", "vjp", "vmap", "zeros",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in ("scipy", "interop"):
        return import_module(f".{name}", __name__)
    if name == "_numba_type_":  # numba asks the package what it is: from now on it knows what is in it
        import_module(".numbers.compiled", __name__)
        import_module(".native", __name__).init(refresh=True)
    place = _HOME.get(name)
    if place is None:
        raise AttributeError(f"module 'dualgrad' has no attribute {name!r}")
    value = getattr(import_module(f".{place}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__", "interop", "scipy"])


class _Package(ModuleType):
    """The package; a submodule named like a public function does not hide it."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
