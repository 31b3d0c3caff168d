"""Where the verbs part: an ``@njit`` function goes to compiled kernels, everything else to numbers."""

from __future__ import annotations

from typing import Any

from dualgrad.core.errors import KernelError
from dualgrad.kernel import is_kernel


def kernel_route(verb: str, f: Any, **options: Any) -> Any:
    """The derived kernel that ``verb`` makes of an ``@njit`` function."""
    raise KernelError(f"{verb} of the kernel {f.__name__!r} is not there yet")


__all__ = ["is_kernel", "kernel_route"]
