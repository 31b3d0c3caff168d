"""``scipy.signal``: convolutions and correlations of signals of any rank, directly or by Fourier transforms.

Each function takes plain arrays too and then is SciPy's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualgrad.backends.arrays import axes_of, is_complex
from dualgrad.numbers.functions.complex import conj
from dualgrad.numbers.functions.making import operand
from dualgrad.numbers.number import plain

from .means import stands_for

__all__ = ["convolve", "correlate", "fftconvolve", "oaconvolve"]

_meaning = stands_for("scipy.signal")


@_meaning
def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """Convolve two arrays of the same rank.

    Parameters
    ----------
    in1, in2 : array_like
        Real or complex, of the same rank.
    mode : {"full", "same", "valid"}
        Everything, as much as ``in1`` from the middle, or only where the signals overlap completely.
    method : {"auto", "direct", "fft"}
        By products or by Fourier transforms; "auto" asks SciPy which is faster.

    Returns
    -------
    array

    Raises
    ------
    ValueError
        For different ranks, or an unknown mode or method.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(lambda x: dg.scipy.signal.convolve(x, [1.0, 2.0, 3.0], "valid")[0])(np.ones(3))
    array([3., 2., 1.])
    """
    a, b = _signals(in1, in2)
    if np.ndim(a) == 0:
        return a * b
    if method not in ("auto", "direct", "fft"):
        raise ValueError("Acceptable method flags are 'auto', 'direct', or 'fft'.")
    if method == "auto":
        from scipy.signal import choose_conv_method

        method = choose_conv_method(plain(a), plain(b), mode)
    full = _by_transforms if method == "fft" else _by_products
    return _part(full(a, b, range(np.ndim(a))), np.shape(a), np.shape(b), mode, range(np.ndim(a)))


@_meaning
def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """Correlate two arrays: the convolution with the second one reversed and conjugated.

    Parameters, results and errors as of `convolve`.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.grad(lambda x: dg.scipy.signal.correlate(x, [1.0, 2.0, 3.0], "valid")[0])(np.ones(3))
    array([1., 2., 3.])
    """
    a, b = _signals(in1, in2)
    return convolve(a, np.flip(conj(b)) if np.ndim(b) else conj(b), mode, method)


@_meaning
def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    """Convolve two arrays by Fourier transforms, along all axes or some; the others broadcast.

    Parameters
    ----------
    in1, in2 : array_like
        Real or complex, of the same rank.
    mode : {"full", "same", "valid"}
        As for `convolve`.
    axes : int or sequence of int, optional

    Returns
    -------
    array

    Raises
    ------
    ValueError
        For different ranks, or shapes that do not broadcast on the other axes.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.jacobian(lambda x: dg.scipy.signal.fftconvolve(x, [1.0, 2.0])[1])(np.ones(2)).round(12)
    array([2., 1.])
    """
    a, b = _signals(in1, in2)
    if np.ndim(a) == 0:
        return a * b
    axes = axes_of(axes if axes is None or np.ndim(axes) == 0 else tuple(axes), np.ndim(a))
    if 0 in (np.size(plain(a)), np.size(plain(b))):
        return np.array([])
    axes = [k for k in axes if np.shape(a)[k] != 1 and np.shape(b)[k] != 1]  # elsewhere a product is enough
    return _part(_by_transforms(a, b, axes), np.shape(a), np.shape(b), mode, axes)


@_meaning
def oaconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    """The convolution of `fftconvolve`, which here computes it; parameters as there.

    Examples
    --------
    >>> import numpy as np, dualgrad as dg
    >>> dg.jacobian(lambda x: dg.scipy.signal.oaconvolve(x, [1.0, 2.0])[1])(np.ones(2)).round(12)
    array([2., 1.])
    """
    return fftconvolve(in1, in2, mode, axes)


def _signals(a: Any, b: Any) -> tuple[Any, Any]:
    a, b = (operand(x) if hasattr(x, "dtype") or type(x) in (list, tuple) else np.asarray(x) for x in (a, b))
    if np.ndim(a) != np.ndim(b):
        raise ValueError("in1 and in2 should have the same dimensionality")
    return a, b


def _by_transforms(a: Any, b: Any, axes: Sequence[int]) -> Any:
    """The whole convolution: a product of spectra, long enough that nothing comes around."""
    if not axes:
        return a * b
    from scipy.fft import next_fast_len

    real = not (is_complex(a) or is_complex(b))
    sizes = [np.shape(a)[k] + np.shape(b)[k] - 1 for k in axes]
    lengths = [next_fast_len(n, real) for n in sizes]
    there, back = (np.fft.rfftn, np.fft.irfftn) if real else (np.fft.fftn, np.fft.ifftn)
    found = back(there(a, lengths, axes) * there(b, lengths, axes), lengths, axes)
    place = dict(zip(axes, sizes))
    return found[tuple(slice(place.get(k)) for k in range(np.ndim(found)))]


def _by_products(a: Any, b: Any, axes: Sequence[int]) -> Any:
    """The whole convolution, each entry a sum of products: windows of one signal times the other, reversed."""
    if len(axes) == 1:
        return np.convolve(a, b)
    sizes = [m + n - 1 for m, n in zip(np.shape(a), np.shape(b))]
    padded = np.pad(a, [(n - 1, n - 1) for n in np.shape(b)])
    grid = np.indices((*sizes, *np.shape(b)), sparse=True)
    windows = padded[tuple(grid[k] + grid[k + len(sizes)] for k in axes)]
    return np.tensordot(windows, np.flip(b), len(sizes))


def _part(full: Any, first: tuple[int, ...], second: tuple[int, ...], mode: str, axes: Sequence[int]) -> Any:
    """What a mode leaves of a whole convolution of signals of these shapes."""
    if mode == "full":
        return full
    if mode == "same":
        sizes = list(first)
    elif mode == "valid":
        gaps = [first[k] - second[k] for k in axes]
        if min(gaps, default=0) < 0 < max(gaps, default=0):
            raise ValueError("For 'valid' mode, one must be at least as large as the other in every dimension")
        sizes = [abs(first[k] - second[k]) + 1 if k in axes else n for k, n in enumerate(np.shape(full))]
    else:
        raise ValueError("acceptable mode flags are 'valid', 'same', or 'full'")
    starts = [(n - size) // 2 for n, size in zip(np.shape(full), sizes)]
    return full[tuple(slice(start, start + size) for start, size in zip(starts, sizes))]
