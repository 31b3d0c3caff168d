"""Flush-to-zero: around a reverse sweep, numbers too small to be normal become zero.

Cotangents of a long sweep often die away; arithmetic with subnormal numbers is twenty times slower.  On x86 a
register says how they are treated: `flush` sets it and returns what it held, `restore` puts that back.  On other
processors, and in Python, neither does anything.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import lower_builtin

FLUSH_TO_ZERO = 0x8040  # results, and arguments


def flush() -> int:
    """Treat subnormal numbers as zeros from here on; the processor's mode until now."""
    return 0


def restore(mode: int) -> int:
    """Go back to a mode that `flush` returned."""
    return mode


@infer_global(flush)
class _Flush(ConcreteTemplate):
    key = flush
    cases = [signature(types.uint32)]


@infer_global(restore)
class _Restore(ConcreteTemplate):
    key = restore
    cases = [signature(types.uint32, types.uint32)]


def _control(context: Any, builder: Any, name: str, place: Any) -> None:
    """One of the two instructions that move the register, on processors that have it."""
    word = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t])
    function = cgutils.get_or_insert_function(builder.module, word, f"llvm.x86.sse.{name}")
    builder.call(function, [builder.bitcast(place, cgutils.voidptr_t)])


def _has_register(context: Any) -> bool:
    return context.codegen().target_data is not None and context.codegen()._tm.triple.startswith(("x86_64", "i686"))


@lower_builtin(flush)
def _lower_flush(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    mode = cgutils.alloca_once_value(builder, ir.Constant(ir.IntType(32), 0))
    if _has_register(context):
        _control(context, builder, "stmxcsr", mode)
        new = cgutils.alloca_once(builder, ir.IntType(32))
        builder.store(builder.or_(builder.load(mode), ir.Constant(ir.IntType(32), FLUSH_TO_ZERO)), new)
        _control(context, builder, "ldmxcsr", new)
    return builder.load(mode)


@lower_builtin(restore, types.uint32)
def _lower_restore(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    if _has_register(context):
        _control(context, builder, "ldmxcsr", cgutils.alloca_once_value(builder, args[0]))
    return args[0]
