"""What only the generator knows about memory: an array that a kernel has just made shares none with any other.

LLVM asks before each loop whether its arrays overlap, and gives up where more than a few of them are written.  A
pointer that a function returns as ``noalias`` is known to be the only way to its memory, as that of C's ``malloc`` is.
It is then handed to a function that LLVM cannot look into, which might have kept it: so it is not known to be private,
and no store to it moves past the call that releases the memory.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.imputils import impl_ret_borrowed
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin

POINTER = ir.IntType(8).as_pointer()


def fresh_array(array: Any) -> Any:
    """The array itself; the kernel reaches its memory only by what is made of the result."""
    return array


@infer_global(fresh_array)
class _FreshArray(AbstractTemplate):
    key = fresh_array

    def generic(self, args: Any, kws: Any) -> Any:
        return signature(args[0], args[0]) if len(args) == 1 and isinstance(args[0], types.Array) else None


@lower_builtin(fresh_array, types.Array)
def _lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    array = context.make_array(sig.return_type)(context, builder, args[0])
    data = builder.call(opaque(builder.module, "dualgrad_fresh", POINTER), [builder.bitcast(array.data, POINTER)])
    builder.call(opaque(builder.module, "dualgrad_known", ir.VoidType()), [data])
    array.data = builder.bitcast(data, array.data.type)
    return impl_ret_borrowed(context, builder, sig.return_type, array._getvalue())


def opaque(module: Any, name: str, result: Any) -> Any:
    """A function that returns its argument, or nothing; LLVM neither inlines nor analyses it."""
    function = module.globals.get(name)
    if function is None:
        function = ir.Function(module, ir.FunctionType(result, [POINTER]), name)
        function.linkage = "linkonce_odr"
        for attribute in ("noinline", "optnone", "nounwind"):
            function.attributes.add(attribute)
        builder = ir.IRBuilder(function.append_basic_block("entry"))
        if result == POINTER:
            function.return_value.add_attribute("noalias")
            builder.ret(function.args[0])
        else:
            builder.ret_void()
    return function
