"""Functions of complex numbers and of their parts."""

import numpy as np

from declared import declare

for _f in (
    np.exp, np.log, np.sqrt, np.sin, np.cos, np.tan, np.sinh, np.cosh, np.tanh, np.arctan, np.expm1, np.log1p,
    np.square, np.reciprocal, np.arcsinh, np.log2, np.log10, np.exp2,
):  # fmt: skip
    declare(_f, domain="positive", complex=True)
declare(np.arcsin, domain="within 1", complex=True)
declare(np.arccos, domain="within 1", complex=True)
declare(np.power, lambda z: z**3, lambda z: z**2.5, lambda z: z ** (1 + 1j), lambda z: 2.0**z, lambda z: z**z,
        domain="positive", complex=True)  # fmt: skip
declare(np.conjugate, np.conj, lambda z: z.conj() * z, lambda z: np.conjugate(z), complex=True)
declare(np.real, np.real, lambda z: z.real * z, complex=True)
declare(np.imag, np.imag, lambda z: z.imag * z, complex=True)
declare(np.absolute, np.absolute, lambda z: abs(z) * z, domain="nonzero", complex=True)
declare(np.sign, lambda z: np.sign(z) * z, domain="nonzero", complex=True)
declare(np.angle, np.angle, lambda z: np.angle(z, True), domain="nonzero", complex=True)
declare(np.real_if_close, lambda z: np.real_if_close(z * np.conj(z)), complex=True)
declare(np.where, lambda z: np.where(z.real > 0, z, 2), complex=True)
declare(np.sum, lambda z: np.sum(z, 0), lambda z: np.cumsum(z, 1), lambda z: np.prod(z, 1), shape=(2, 3), complex=True)
declare(np.var, np.var, lambda z: np.std(z, 0), np.mean, shape=(2, 3), complex=True,
        without={"empty": "NumPy warns of a mean of nothing"})  # fmt: skip
declare(np.nan_to_num, lambda z: np.nan_to_num(np.where(z.real > 0, z, complex(np.nan, 2.0))) * z, complex=True)
declare(np.linalg.norm, shape=(2, 3), complex=True)
declare(np.nanvar, np.nanvar, lambda z: np.var(z, 1, where=z.real > -0.5), lambda z: np.nanstd(z, 0), shape=(2, 3),
        complex=True, without={"empty": "NumPy warns of a mean of nothing"})  # fmt: skip
declare(np.cov, np.cov, lambda z: np.cov(z, fweights=[1, 2, 1]), shape=(2, 3), complex=True,
        without={"empty": "NumPy warns of a mean of nothing"})  # fmt: skip
declare(np.convolve, lambda z: np.convolve(z, z[:2]), lambda z: np.correlate(z, z[:2], "same"), shape=(4,),
        complex=True)  # fmt: skip
declare(np.einsum, lambda z: np.einsum("ij,kj->ik", z, np.conj(z)), lambda z: np.vecdot(z, z), shape=(2, 3),
        complex=True)  # fmt: skip
declare(np.matmul, lambda z: z @ np.conj(z.T), lambda z: np.vdot(z, z), lambda z: np.outer(z, z),
        shape=(2, 3), complex=True)  # fmt: skip
