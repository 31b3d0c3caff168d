"""A derivative at a point as a linear map: apply it, transpose it, multiply it, look at it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from dualgrad.backends import watch
from dualgrad.backends.arrays import is_complex
from dualgrad.core.containers import unflatten
from dualgrad.core.errors import StructureError
from dualgrad.core.forms import beside, block, brief, folded, pre, table
from dualgrad.core.formulas import to_latex
from dualgrad.core.printer import to_text
from dualgrad.core.program import Program
from dualgrad.numbers.masked import seeded
from dualgrad.numbers.number import plain
from dualgrad.numbers.sweeps import push

from .evaluate import fitting, fresh, has_nan, zeros_beside

if TYPE_CHECKING:
    from dualgrad.core.drawing import Drawing

    from .reverse import Recording


class _Matrix:
    """What a linear map and its transpose share: flat vectors, dense and SciPy form, the printed program."""

    shape: tuple[int, int]
    dtype: Any
    T: Any
    program: Any

    def _flat(self, v: Any) -> Any:
        raise NotImplementedError

    def _complex_dense(self) -> Any:
        raise NotImplementedError

    def __matmul__(self, v: Any) -> Any:
        """Product with a flat vector, or with a matrix column by column."""
        v = v if getattr(type(v), "__dualgrad_number__", False) else np.asarray(v)
        if v.ndim not in (1, 2) or v.shape[0] != self.shape[1]:
            raise StructureError(f"a linear map of shape {self.shape} times an array of shape {v.shape}")
        if v.ndim == 1:
            return self._flat(v)
        columns = [self._flat(v[:, k]) for k in range(v.shape[1])]
        return np.stack(columns, 1) if columns else np.zeros((self.shape[0], 0))

    def to_dense(self) -> Any:
        """The (transposed) Jacobian as a matrix; where numbers are complex, the transpose is the adjoint.

        Raises
        ------
        StructureError
            Where the map of complex numbers is linear over the real numbers only: then no matrix is it.
        """
        if self.dtype.kind == "c":
            return self._complex_dense()
        if self.shape[0] < self.shape[1]:
            return self.T.to_dense().T
        return self @ np.eye(self.shape[1], dtype=self.dtype)

    def as_linear_operator(self) -> Any:
        """As a ``scipy.sparse.linalg.LinearOperator``."""
        from scipy.sparse.linalg import LinearOperator

        return LinearOperator(
            self.shape, lambda v: self @ np.ravel(v), lambda v: self.T @ np.ravel(v), dtype=self.dtype
        )

    def draw(self, transpose: bool = True) -> Drawing:
        """The linear program as a picture, beside its mirror image: the transpose.

        Words are boxes, variables the arrows between them.  The transpose has the same boxes and every arrow
        reversed; where one side sums (a plus sign), the other copies (a dot).

        Parameters
        ----------
        transpose : bool
            Whether the transpose is drawn too.

        Returns
        -------
        Drawing
            Jupyter shows it; ``.save("name.svg")`` writes it; ``.svg`` is its text.

        Raises
        ------
        StructureError
            For a program of more than 120 words.

        Examples
        --------
        >>> import numpy as np, dualgrad as dg
        >>> out, lin = dg.linearize(lambda x: np.sin(x) * x[0], np.ones(3))
        >>> lin.draw()
        <Drawing of f beside its transpose, 6 words>
        """
        from dualgrad.core.drawing import draw

        return draw(self.program, transpose)

    def __str__(self) -> str:
        return str(self.program)

    def _repr_latex_(self) -> str | None:
        return to_latex(self.program, self.T.program)

    def _repr_html_(self) -> str:
        """The program beside its transpose, and the constants that both name."""
        lin: Any = self if isinstance(self, LinearMap) else self.T
        title = f"{lin.name}: derivative at a point, a linear map of shape {lin.shape[0]} × {lin.shape[1]}"
        both = [("linear map", pre(to_text(lin.program, 58))), ("transpose", pre(to_text(lin.T.program, 58)))]
        constants = lin.program.params[: len(lin.program.params) - lin.program.linear]
        rows = [(v.name, str(v.type), brief(c)) for v, c in zip(constants, lin.constants)]
        rows = folded(rows, 12, lambda n: ("…", "", f"{n} more"))
        names = table(("constant", "type", "value"), rows) if rows else ""
        return block(title, beside(*(both if lin is self else both[::-1])), names)


class LinearMap(_Matrix):
    """The derivative of a function at a point.

    ``lin(*tangents)`` gives the tangent of the result, ``lin.T(ct)`` a tuple with one
    cotangent for each primal.  As a matrix it has one row for each entry of the result and one
    column for each entry of the arguments, both flattened in order.

    Where numbers are complex, the map is linear over the real numbers, and ``lin.T`` is its adjoint
    under ``Re(sum(conj(a)*b))``.
    """

    def __init__(self, recording: Recording, name: str):
        self.recording, self.name = recording, name
        self.rows = recording.values
        self.columns = recording.call.primals
        self.shape = sum(map(np.size, self.rows)), sum(map(np.size, self.columns))
        fields = [p.dtype for p in self.columns] + [v.dtype for v in self.rows if is_complex(v)]
        self.dtype = np.result_type(float if not self.rows else np.float32, *fields)

    def __call__(self, *tangents: Any) -> Any:
        return unflatten(self.recording.structure, self._push(self.recording.call.match(tangents)))

    def _push(self, dots: list[Any]) -> list[Any]:
        recording = self.recording
        with np.errstate(all="ignore"):
            found = push(recording.tape, dots, recording.refs)
            if has_nan(found):
                found = push(recording.tape, [seeded(d) for d in dots], recording.refs, True)
        pushed = [zeros_beside(v) if d is None else fresh(d, v.dtype) for v, d in zip(recording.values, found)]
        if watch.watcher is not None:
            watch.watcher.judge(recording.call.verb, "tangent", pushed)
        return pushed

    def _flat(self, v: Any) -> Any:
        return _joined(self._push(_cut(v, self.columns)))

    def _complex_dense(self) -> Any:
        real = np.zeros((), self.dtype).real.dtype
        matrix = self @ np.eye(self.shape[1], dtype=real)
        by_complex = np.concatenate([np.full(np.size(p), is_complex(p)) for p in self.columns])
        if by_complex.any():  # along i it must be i times what it is along 1
            along_i = self._push([np.full(p.shape, 1j if is_complex(p) else 0, p.dtype)[()] for p in self.columns])
            gap, size = _joined(along_i) - 1j * (matrix @ by_complex), np.abs(plain(matrix)) @ by_complex
            if np.any(np.abs(plain(gap)) > 1e-6 * size):
                raise StructureError(
                    f"{self!r} has no complex matrix",
                    why="it is linear over the real numbers only, as conj, abs and real parts are",
                    hint="apply it to vectors, or differentiate by real and imaginary parts",
                )
        return matrix

    @property
    def T(self) -> Transposed:
        """The transpose: ``lin.T(ct)`` gives a tuple with one cotangent for each primal."""
        return Transposed(self)

    @cached_property
    def program(self) -> Program:
        """The linear program: constants, then the tangents in which it is linear."""
        from .linear_program import linear_program

        return linear_program(self.recording, self.name)

    @cached_property
    def constants(self) -> list[Any]:
        """The values of the program's first parameters, which are known at this point."""
        from .linear_program import constants_of

        return constants_of(self.recording)

    def __repr__(self) -> str:
        return f"<LinearMap of {self.name}, {self.shape[0]} x {self.shape[1]}; print it to see its program>"


class Transposed(_Matrix):
    """The transpose of a `LinearMap`."""

    def __init__(self, lin: LinearMap):
        self.T, self.shape, self.dtype = lin, lin.shape[::-1], lin.dtype

    def __call__(self, cotangent: Any) -> tuple[Any, ...]:
        return self.T.recording.pullback(cotangent)

    def _flat(self, v: Any) -> Any:
        with np.errstate(all="ignore"):
            return _joined(self.T.recording.pull(_cut(v, self.T.rows)))

    def _complex_dense(self) -> Any:
        return np.conj(self.T.to_dense()).T

    @cached_property
    def program(self) -> Program:
        """The transposed program."""
        from .linear_program import transposed_program

        return transposed_program(self.T.recording, self.T.program)

    def __repr__(self) -> str:
        return f"<transpose of {self.T!r:.80}>"


def _cut(v: Any, leaves: Sequence[Any]) -> list[Any]:
    """A flat vector in pieces like the leaves."""
    pieces, start = [], 0
    for leaf in leaves:
        shape = np.shape(leaf)
        stop = start + math.prod(shape)
        piece = np.reshape(v[start:stop], shape)
        if is_complex(leaf) != is_complex(v):
            piece = fitting(piece, leaf, "a piece of the vector")
        pieces.append(piece if shape else piece[()])
        start = stop
    return pieces


def _joined(parts: list[Any]) -> Any:
    return np.concatenate([np.reshape(p, (-1,)) for p in parts]) if parts else np.zeros(0)
