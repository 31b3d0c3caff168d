"""Discrete Fourier transforms along one axis, which is counted from the end, in pairs of adjoints.

The matrix F of `fft` is symmetric and its adjoint is n times the inverse: `ifft` with the scales of
"backward" and "forward" exchanged.  `rfft` gives the half of the spectrum that is not redundant; its
adjoint `rfft_back` is that exchanged `irfft`, which counts every entry that stands for two of the whole
spectrum twice and so takes it half.

An axis counted from the end is the same one where directions lead: each function is its own twin.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from .interpreted import interpreted

Norm = Literal["backward", "ortho", "forward"]
EXCHANGED: dict[Norm, Norm] = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


@interpreted
def fft(x: Any, axis: int, norm: Norm) -> Any:
    return np.fft.fft(x, None, axis, norm)


@interpreted
def fft_back(x: Any, axis: int, norm: Norm) -> Any:
    """The adjoint of `fft`."""
    return np.fft.ifft(x, None, axis, EXCHANGED[norm])


@interpreted
def rfft(x: Any, axis: int, norm: Norm) -> Any:
    return np.fft.rfft(x, None, axis, norm)


@interpreted
def rfft_back(x: Any, axis: int, norm: Norm, shape: tuple[int, ...]) -> Any:
    """The adjoint of `rfft` of real numbers of this shape."""
    n = shape[axis]
    return np.fft.irfft(x / counts(n, axis, x.dtype), n, axis, EXCHANGED[norm])


def counts(n: int, axis: int, dtype: Any) -> Any:
    """How many entries of a spectrum of length n each of its half stands for: two, but at the ends one."""
    found = np.full(n // 2 + 1, 2, np.zeros((), dtype).real.dtype)
    found[0] = 1
    if n % 2 == 0:
        found[-1] = 1
    return found.reshape(-1, *(1,) * (-axis - 1))


fft_batched, fft_back_batched, rfft_batched, rfft_back_batched = fft, fft_back, rfft, rfft_back
