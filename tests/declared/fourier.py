"""Fourier transforms: odd and even lengths, shorter and longer than the axis, every norm and axis."""

import numpy as np

from declared import declare

for _f in (np.fft.fft, np.fft.ifft, np.fft.irfft, np.fft.hfft):
    declare(
        _f, _f, lambda x, f=_f: f(x, 3), lambda x, f=_f: f(x, 9, norm="ortho"), lambda x, f=_f: f(x, 2, -2),
        lambda x, f=_f: f(x, axis=0, norm="forward"), shape=(4, 5), complex=True,
    )  # fmt: skip
    declare(_f, shape=(4,), complex=True)
for _f in (np.fft.rfft, np.fft.ihfft):
    declare(
        _f, _f, lambda x, f=_f: f(x, 3), lambda x, f=_f: f(x, 8, norm="ortho"), lambda x, f=_f: f(x, 2, -2),
        lambda x, f=_f: f(x, 1), lambda x, f=_f: f(x, axis=0, norm="forward"), shape=(4, 5),
    )  # fmt: skip
    declare(_f, shape=(6,))
for _f in (np.fft.fftn, np.fft.ifftn, np.fft.irfftn):
    declare(
        _f, _f, lambda x, f=_f: f(x, (3, 5), (0, 1)), lambda x, f=_f: f(x, axes=(2, 0), norm="ortho"),
        lambda x, f=_f: f(x, (5, -1), (0, -1), norm="forward"), shape=(2, 3, 4), complex=True,
    )  # fmt: skip
declare(np.fft.rfftn, np.fft.rfftn, lambda x: np.fft.rfftn(x, (3, 5), (2, 0), "ortho"), shape=(2, 3, 4))
for _f in (np.fft.fft2, np.fft.ifft2, np.fft.irfft2):
    declare(_f, _f, lambda x, f=_f: f(x, (4, 3)), lambda x, f=_f: f(x, axes=(0, 1)), shape=(2, 3, 4), complex=True)
declare(np.fft.rfft2, np.fft.rfft2, lambda x: np.fft.rfft2(x, (4, 3), norm="forward"), shape=(3, 4))
for _f in (np.fft.fftshift, np.fft.ifftshift):
    declare(_f, _f, lambda x, f=_f: f(x, 1), lambda x, f=_f: f(x, (0, -1)), shape=(2, 3, 4), complex=True)
declare(np.fft.fft, lambda x: np.abs(np.fft.rfft(x * np.hanning(6))) ** 2, shape=(6,))
declare(np.fft.ifft, lambda x: np.fft.ifft(np.fft.fft(x) * np.fft.fft(x[::-1])).real, shape=(5,), complex=True)
