"""What generated text calls in place of NumPy's functions of numbers: ``vector_math.exp(x)`` and the like.

Numba knows each as a function of a float64.  Its code comes from `polynomials` by way of `lanes`; it is made once
in a process and linked into every kernel that calls it, so that a kernel on disk needs nothing but itself.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.codegen import JITCodeLibrary
from numba.core.registry import cpu_target
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin

from .lanes import DOUBLE, module_text, symbol
from .polynomials import FORMULAS


@cache
def widths() -> tuple[int, ...]:
    """How many numbers a vector of this processor has; none if it cannot multiply and add with one rounding."""
    triple, _, flags = cpu_target.target_context.codegen().magic_tuple()  # type: ignore[attr-defined]
    features = flags.split(",")
    if "+avx512f" in features:
        return (8,)
    if "+fma" in features:
        return (4,)
    return (2,) if triple.startswith(("aarch64", "arm64")) else ()


class Part(JITCodeLibrary):
    """A library that is only linked into others: it is optimised, but no machine code is made of it by itself."""

    def _finalize_final_module(self) -> None:
        self._finalized = True


@cache
def library(name: str) -> Any:
    """The code of a function, ready to be linked into kernels."""
    codegen = cpu_target.target_context.codegen()
    text = module_text(name, widths(), llvm.get_process_triple(), str(codegen.target_data))  # type: ignore[attr-defined]
    made = Part(codegen, f"dualgrad.{name}")
    made.add_llvm_module(llvm.parse_assembly(text))
    made.finalize()
    return made


def declare(name: str) -> None:
    """Make a name of this module a function that numba can call with a float64."""

    def function(x: Any) -> Any:
        return getattr(np, name)(x)

    function.__name__ = function.__qualname__ = name
    globals()[name] = function  # numba looks for it there

    @infer_global(function)
    class _Function(AbstractTemplate):
        key = function

        def generic(self, args: Any, kws: Any) -> Any:
            return signature(types.float64, types.float64) if args == (types.float64,) else None

    @lower_builtin(function, types.float64)
    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        context.active_code_library.add_linking_library(library(name))
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')  # LLVM's own choice is 256
        kind = ir.FunctionType(DOUBLE, [DOUBLE])
        known = builder.module.globals.get(symbol(name))
        return builder.call(known or ir.Function(builder.module, kind, symbol(name)), args)


for _name in FORMULAS:
    declare(_name)
