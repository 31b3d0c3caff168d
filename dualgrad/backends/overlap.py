"""Whether two arrays have an element in common, exact for what views usually are: halves, rows, columns, every n-th."""

from __future__ import annotations

from typing import Any

from numba.extending import register_jitable


@register_jitable  # type: ignore[misc]
def share_memory(a: Any, b: Any) -> bool:
    """Whether they may; arrays that interleave with one period are compared within the period."""
    if a.size == 0 or b.size == 0:
        return False
    low_a, high_a, period_a, length_a = extent(a)
    low_b, high_b, period_b, length_b = extent(b)
    if high_a <= low_b or high_b <= low_a:
        return False
    if period_a == period_b and period_a > 0:
        span_a = high_a - low_a - (length_a - 1) * period_a
        span_b = high_b - low_b - (length_b - 1) * period_a
        shift = (low_b - low_a) % period_a
        return span_a > shift or shift + span_b > period_a
    return True


@register_jitable  # type: ignore[misc]
def extent(a: Any) -> tuple[int, int, int, int]:
    """The first address, the one after the last, the largest step between entries, and how often it is taken."""
    low = a.ctypes.data
    high = low + a.itemsize
    period, length = 0, 1
    for k in range(a.ndim):
        step, count = a.strides[k], a.shape[k]
        if count > 1:
            low += min(step, 0) * (count - 1)
            high += max(step, 0) * (count - 1)
            if abs(step) > period:
                period, length = abs(step), count
    return low, high, period, length
