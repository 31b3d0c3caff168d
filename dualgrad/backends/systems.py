"""The functions that the texts of SciPy's systems name: triangular, Sylvester and sparse ones.

They take arrays, or numbers that carry derivatives themselves and are asked to interpret the word.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy import ndarray


def _asked(name: str, *stacks: Any) -> Any:
    """What a number among the arguments makes of the word, whose arguments have one stack; None if all are plain."""
    number = next((a for a in stacks if not isinstance(a, ndarray)), None)
    if number is None:
        return None
    lead = np.broadcast_shapes(*(s.shape[:-2] for s in stacks))
    return number.__dualgrad_apply__(name, *(np.broadcast_to(s, lead + s.shape[-2:]) for s in stacks))


def _each(solve: Callable[..., Any], *stacks: Any) -> Any:
    """A function of matrices over stacks that broadcast."""
    if all(s.ndim == 2 for s in stacks):
        return solve(*stacks)
    lead = np.broadcast_shapes(*(s.shape[:-2] for s in stacks))
    stacks = tuple(np.broadcast_to(s, lead + s.shape[-2:]).reshape(-1, *s.shape[-2:]) for s in stacks)
    found = [solve(*matrices) for matrices in zip(*stacks)]
    whole = np.stack(found) if found else np.zeros((0, *stacks[-1].shape[1:]), stacks[-1].dtype)
    return whole.reshape(lead + whole.shape[1:])


def _triangular(lower: bool) -> Callable[..., Any]:
    def solve(a: Any, b: Any) -> Any:
        from scipy.linalg import solve_triangular

        return solve_triangular(a, b, lower=lower, check_finite=False)

    return solve


def solve_lower(a: Any, b: Any) -> Any:
    """Solve with lower triangular matrices; what is above the diagonal is not read."""
    found = _asked("solve_lower", a, b)
    return _each(_triangular(True), a, b) if found is None else found


def solve_upper(a: Any, b: Any) -> Any:
    found = _asked("solve_upper", a, b)
    return _each(_triangular(False), a, b) if found is None else found


def sylvester(a: Any, b: Any, q: Any) -> Any:
    """The y with ``a y + y b = q``."""
    found = _asked("sylvester", a, b, q)
    if found is not None:
        return found
    from scipy.linalg import solve_sylvester

    dtype = np.result_type(a, b, q)  # of real and complex matrices together SciPy does not find the solution
    return _each(solve_sylvester, a.astype(dtype), b.astype(dtype), q.astype(dtype))


def sylvester_back(y: Any, a: Any, b: Any) -> Any:
    return a @ y + y @ b


# Sparse matrices are constants


class Sparse:
    """A sparse matrix that does not change: products and solutions with it and its transpose."""

    def __init__(self, matrix: Any):
        self.matrix = matrix
        self.dtype = np.dtype("O")  # no coefficient that arithmetic could touch

    def __repr__(self) -> str:
        return f"<{'x'.join(map(str, self.matrix.shape))} sparse>"

    @lru_cache(1)  # noqa: B019 (it lives as long as the tape that holds it)
    def factors(self) -> Any:
        from scipy.sparse.linalg import splu

        return splu(self.matrix.tocsc())

    def solve(self, x: ndarray, trans: str) -> ndarray:
        """Columns at a time, real or complex."""
        if x.dtype.kind == "c":
            return self.solve(x.real, trans) + 1j * self.solve(x.imag, trans)
        found = self.factors().solve(np.asarray(x, self.matrix.dtype), trans)
        return found.astype(np.result_type(self.matrix.dtype, x.dtype))


def _sparse(name: str, apply: Callable[[Sparse, Any], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """A function of columns, along the first axis, and along the second."""

    def word(x: Any, a: Sparse) -> Any:
        if not isinstance(x, ndarray):
            return x.__dualgrad_apply__(name, x, a)
        found = apply(a, np.ascontiguousarray(x.reshape(len(x), -1)))
        return found.reshape(len(found), *x.shape[1:])

    def batched(x: Any, a: Sparse) -> Any:
        return np.moveaxis(word(np.moveaxis(x, 0, -1), a), -1, 0)

    return word, batched


sparse_times, sparse_times_batched = _sparse("sparse_times", lambda a, x: a.matrix @ x)
sparse_times_back, sparse_times_back_batched = _sparse("sparse_times_back", lambda a, x: a.matrix.T @ x)
sparse_solve, sparse_solve_batched = _sparse("sparse_solve", lambda a, x: a.solve(x, "N"))
sparse_solve_back, sparse_solve_back_batched = _sparse("sparse_solve_back", lambda a, x: a.solve(x, "T"))
