"""The source of an ``@njit`` function becomes a program; what cannot be differentiated stops at the fence.

Reading order: `source` (syntax tree, names, refusals) → `jumps` (break, continue, return)
→ `values` (what an expression can mean) → `expressions` → `calls` → `statements`.
"""

from .numba_types import types_of
from .statements import read_kernel
from .values import Read

__all__ = ["Read", "read_kernel", "types_of"]
