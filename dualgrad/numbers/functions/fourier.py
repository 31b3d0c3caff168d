"""``np.fft``: four linear words along one axis (two transforms and their adjoints), all else composed of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from dualgrad.backends.arrays import is_complex
from dualgrad.backends.fourier import EXCHANGED, Norm, counts
from dualgrad.core.words import WORDS

from ..array import with_memory
from ..number import apply_linear
from .complex import conj, whole
from .shapes import roll
from .table import means

FFT, FFT_BACK, RFFT, RFFT_BACK = (WORDS[name] for name in ("fft", "fft_back", "rfft", "rfft_back"))


def _prepared(x: Any, n: int | None, axis: int, norm: Norm | None) -> tuple[Any, int, Norm]:
    """``x`` of length n along an axis counted from the end, cut or followed by zeros."""
    norm = "backward" if norm is None else norm
    if norm not in EXCHANGED:
        raise ValueError(f'Invalid norm value {norm}; should be "backward", "ortho" or "forward".')
    axis = normalize_axis_index(axis, x.ndim) - x.ndim
    size = x.shape[axis]
    n = size if n is None else int(n)
    if n < 1:
        raise ValueError(f"Invalid number of FFT data points ({n}) specified.")
    place = (..., slice(min(n, size)), *(slice(None),) * (-axis - 1))
    if n < size:
        x = x[place]
    elif n > size:
        x = apply_linear(WORDS["scatter"], x, place, (*x.shape[:axis], n, *x.shape[x.ndim + axis + 1 :]))
    return x, axis, norm


@means(np.fft.fft)
def fft(a: Any, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: Any = None) -> Any:
    return apply_linear(FFT, *_prepared(a, n, axis, norm))


@means(np.fft.ifft)
def ifft(a: Any, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: Any = None) -> Any:
    a, axis, norm = _prepared(a, n, axis, norm)
    return apply_linear(FFT_BACK, a, axis, EXCHANGED[norm])


@means(np.fft.rfft)
def rfft(a: Any, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: Any = None) -> Any:
    if is_complex(a):
        raise TypeError("rfft takes real numbers; the spectrum of complex ones has no redundant half: use np.fft.fft")
    return apply_linear(RFFT, *_prepared(a, n, axis, norm))


@means(np.fft.irfft)
def irfft(a: Any, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: Any = None) -> Any:
    n = 2 * (a.shape[axis] - 1) if n is None else int(n)
    if n < 1:
        raise ValueError(f"Invalid number of FFT data points ({n}) specified.")
    a, axis, norm = _prepared(a, n // 2 + 1, axis, norm)
    a = a if is_complex(a) else whole(a)
    shape = (*a.shape[:axis], n, *a.shape[a.ndim + axis + 1 :])
    return apply_linear(RFFT_BACK, a * counts(n, axis, a.dtype), axis, EXCHANGED[norm], shape)


@means(np.fft.hfft)
def hfft(a: Any, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: Any = None) -> Any:
    return irfft(conj(a), n, axis, EXCHANGED[norm or "backward"])


@means(np.fft.ihfft)
def ihfft(a: Any, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: Any = None) -> Any:
    return conj(rfft(a, n, axis, EXCHANGED[norm or "backward"]))


# Several axes, one after another


def _axes(x: Any, s: Any, axes: Any, half: bool = False) -> list[tuple[int, int | None]]:
    """Each axis with the length of its transform; ``half``: the last has only half a spectrum of it."""
    if axes is None:
        axes = range(x.ndim) if s is None else range(-len(s), 0)
    axes = [normalize_axis_index(a, x.ndim) for a in axes]
    sizes = [x.shape[a] for a in axes] if s is None else [x.shape[a] if n == -1 else n for n, a in zip(s, axes)]
    if s is not None and len(s) != len(axes):
        raise ValueError("Shape and axes have different lengths.")
    if half and s is None:
        sizes[-1] = 2 * (x.shape[axes[-1]] - 1)
    return [*zip(axes, sizes)]


def _each(transform: Callable[..., Any], x: Any, plan: Sequence[tuple[int, int | None]], norm: Norm | None) -> Any:
    for axis, n in plan:
        x = transform(x, n, axis, norm)
    return with_memory(x)


@means(np.fft.fftn)
def fftn(a: Any, s: Any = None, axes: Any = None, norm: Norm | None = None, out: Any = None) -> Any:
    return _each(fft, a, _axes(a, s, axes)[::-1], norm)


@means(np.fft.ifftn)
def ifftn(a: Any, s: Any = None, axes: Any = None, norm: Norm | None = None, out: Any = None) -> Any:
    return _each(ifft, a, _axes(a, s, axes)[::-1], norm)


@means(np.fft.rfftn)
def rfftn(a: Any, s: Any = None, axes: Any = None, norm: Norm | None = None, out: Any = None) -> Any:
    *others, (axis, n) = _axes(a, s, axes)
    return _each(fft, rfft(a, n, axis, norm), others[::-1], norm)


@means(np.fft.irfftn)
def irfftn(a: Any, s: Any = None, axes: Any = None, norm: Norm | None = None, out: Any = None) -> Any:
    *others, (axis, n) = _axes(a, s, axes, half=True)
    return irfft(_each(ifft, a, others, norm), n, axis, norm)


@means(np.fft.fft2)
def fft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Norm | None = None, out: Any = None) -> Any:
    return fftn(a, s, axes, norm)


@means(np.fft.ifft2)
def ifft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Norm | None = None, out: Any = None) -> Any:
    return ifftn(a, s, axes, norm)


@means(np.fft.rfft2)
def rfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Norm | None = None, out: Any = None) -> Any:
    return rfftn(a, s, axes, norm)


@means(np.fft.irfft2)
def irfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Norm | None = None, out: Any = None) -> Any:
    return irfftn(a, s, axes, norm)


# The zero frequency in the middle


def _shifted(x: Any, axes: Any, back: bool) -> Any:
    axes = [*range(x.ndim)] if axes is None else [axes] if np.ndim(axes) == 0 else [*axes]
    return roll(x, [-(x.shape[a] // 2) if back else x.shape[a] // 2 for a in axes], axes)


@means(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    return _shifted(x, axes, False)


@means(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    return _shifted(x, axes, True)
