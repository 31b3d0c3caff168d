"""How generated code reaches the careful form of itself, which is compiled only when a NaN first asks for it.

A compiled derivative that may have multiplied structural zeros ends with
``return careful(__name__, results, *arguments)``: the results, or if there is a NaN among them those of the careful
form.  In machine code this is a loop over the results and a call through a cell of memory.  The cell is empty at
first; then a function of Python is asked, by the module's name, for the address of the careful form.  That function
is reached by a symbol that the linker knows, not by an address, so that machine code from disk finds it in any
process; it takes the GIL, so that code without the GIL may call it.  All of this is written in LLVM's language
because numba would need a tenth of a second for the loops alone.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin

SYMBOL = "dualgrad_careful"
log = logging.getLogger("dualgrad")
hooks: dict[str, Callable[[str], Any]] = {}  # "compiled": of a module, the compile result of its careful form


def careful(module: str, results: Any, *args: Any) -> Any:
    """The results of a derivative at ``args``, without NaN that come only from structural zeros."""
    return hooks["compiled"](module).entry_point(*args) if has_nan(results) else results


def has_nan(results: Any) -> bool:
    """Whether one of the numbers in arrays and nested tuples is NaN."""
    if isinstance(results, tuple):
        return any(map(has_nan, results))
    return bool(np.any(np.not_equal(results, results)))


@infer_global(careful)
class _Careful(AbstractTemplate):
    key = careful

    def generic(self, args: Any, kws: Any) -> Any:
        if isinstance(args[0], types.StringLiteral):
            return signature(types.unliteral(args[1]), args[0], *map(types.unliteral, args[1:]))
        return None


@ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_char_p)
def _address(module: bytes) -> int:
    """Where the careful form of a module begins; 0 if there is none."""
    try:
        result = hooks["compiled"](module.decode())
        return result.library.get_pointer_to_function(result.fndesc.llvm_func_name)
    except BaseException:  # nothing may pass through the machine code that waits for an answer
        log.exception("the careful form of %s cannot be made", module.decode())
        return 0


llvmlite.binding.add_symbol(SYMBOL, ctypes.cast(_address, ctypes.c_void_p).value)


@lower_builtin(careful, types.StringLiteral, types.Any, types.VarArg(types.Any))
def _lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    kind, results = sig.return_type, args[1]
    nans = cgutils.alloca_once_value(builder, ir.Constant(ir.IntType(64), 0))
    _count(context, builder, kind, results, nans)
    found = cgutils.alloca_once_value(builder, results)
    with builder.if_else(cgutils.is_not_null(builder, builder.load(nans)), likely=False) as (again, fine):
        with again:
            function = _careful_form(context, builder, sig)
            call = context.call_conv.call_function
            status, value = call(builder, function, kind, sig.args[2:], args[2:])
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            builder.store(value, found)
        with fine:
            context.nrt.incref(builder, kind, results)
    return builder.load(found)


def _count(context: Any, builder: Any, kind: Any, value: Any, nans: Any) -> None:
    """Add the number of NaN in a value to the integer in memory at ``nans``."""
    if isinstance(kind, types.BaseTuple):
        for k, part in enumerate(kind):  # type: ignore[arg-type, var-annotated]
            _count(context, builder, part, builder.extract_value(value, k), nans)
    elif isinstance(kind, types.Array) and isinstance(kind.dtype, types.Float | types.Complex):
        array = context.make_array(kind)(context, builder, value)
        if kind.layout not in "CF":
            raise NotImplementedError(f"a derivative that is a view, {kind}")
        with cgutils.for_range(builder, array.nitems) as loop:
            entry = context.unpack_value(builder, kind.dtype, builder.gep(array.data, [loop.index]))
            _count(context, builder, kind.dtype, entry, nans)
    elif isinstance(kind, types.Complex):
        for part in (builder.extract_value(value, k) for k in (0, 1)):
            _count(context, builder, kind.underlying_float, part, nans)
    elif isinstance(kind, types.Float):
        bit = builder.zext(builder.fcmp_unordered("uno", value, value), ir.IntType(64))
        builder.store(builder.add(builder.load(nans), bit), nans)


def _careful_form(context: Any, builder: Any, sig: Any) -> Any:
    """A pointer to the careful form, which is looked for once."""
    pointer, given = cgutils.voidptr_t, sig.args[2:]
    cell = cgutils.add_global_variable(builder.module, pointer, "careful_form")
    cell.initializer, cell.linkage = pointer(None), "internal"
    with cgutils.if_unlikely(builder, cgutils.is_null(builder, builder.load(cell))):
        ask = cgutils.get_or_insert_function(builder.module, ir.FunctionType(pointer, [pointer]), SYMBOL)
        name = context.insert_const_string(builder.module, sig.args[0].literal_value)
        builder.store(builder.call(ask, [name]), cell)
    address = builder.load(cell)
    with cgutils.if_unlikely(builder, cgutils.is_null(builder, address)):
        message = "a derivative with NaN cannot be computed again with care: the log of 'dualgrad' says why"
        context.call_conv.return_user_exc(builder, RuntimeError, (message,))
    return builder.bitcast(address, context.call_conv.get_function_type(sig.return_type, given).as_pointer())
