"""The source of an ``@njit`` function becomes a program; what cannot be differentiated stops at the fence.

Reading order: `source` (syntax tree, names, refusals) → `jumps` (break, continue, return)
→ `values` (what a name can mean) → `expressions` → `calls` → `loops` → `statements` → `kernels`.
"""

from .kernels import read_kernel
from .numba_types import types_of
from .values import Read

__all__ = ["Read", "read_kernel", "types_of"]
