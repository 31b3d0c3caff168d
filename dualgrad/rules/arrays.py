"""Structural words: linear functions that move, spread and sum entries, in pairs of transposes.

Read ``("sum(x, axis, keepdims)", text, "spread(ct, x_shape, axis, keepdims)")`` as: sum is
linear in ``x``, and its transpose spreads the cotangent over the shape ``x`` had.  Every word
has a twin ``<word>_batched`` that does the same where the first argument has one more leading
axis (directions, cotangents, Taylor orders), so that no rule ever counts axes.

Transposes are plain ones; where other arguments are complex, transposition conjugates them
(`dualgrad.transforms.transpose`).  The functions that the texts name are in `dualgrad.backends.arrays`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualgrad.core.program import Type
from dualgrad.core.words import Word, register

from .declare import Rule, any_array, linear, promoted
from .text import ZEROS


def _text_of_part(args: list[str], params: dict[str, Any], types: list[Type]) -> str:
    return f"part({args[0]}, {args[1]})" if types[0].rank else f"np.{args[1][1:-1]}({args[0]})"


def _text_of_whole(args: list[str], params: dict[str, Any], types: list[Type]) -> str:
    if types[0].rank:
        return f"whole({args[0]}, {args[1]})"
    number = f"complex({args[0]}, 0.0)" if args[1] == "'real'" else f"complex(0.0, {args[0]})"
    return number if types[0].dtype == "float64" else f"np.complex64({number})"


PAIRS: list[tuple[str, str | Callable[..., str], str]] = [
    ("sum(x, axis, keepdims)", "np.add.reduce({0}, {1}, None, None, {2})", "spread(ct, x_shape, axis, keepdims)"),
    ("spread(x, shape, axis, keepdims)", "spread({0}, {1}, {2}, {3})", "sum(ct, axis, keepdims)"),
    ("reshape(x, shape)", "np.reshape({0}, {1})", "reshape(ct, x_shape)"),
    ("transpose(x, axes)", "np.transpose({0}, {1})", "untranspose(ct, axes)"),
    ("untranspose(x, axes)", "untranspose({0}, {1})", "transpose(ct, axes)"),
    ("astype(x, dtype)", "{0}.astype({1})", "astype_back(ct, dtype)"),
    ("astype_back(x, dtype)", "{0}", "astype(ct, dtype)"),
    # Real and imaginary parts ("real", "imag"), and the complex number that has only that part.
    ("part(x, which)", _text_of_part, "whole(ct, which)"),
    ("whole(x, which)", _text_of_whole, "part(ct, which)"),
    ("getitem(x, index)", "{0}[{1}]", "scatter(ct, index, x_shape)"),
    ("scatter(x, index, shape)", "scatter({0}, {1}, {2})", "getitem(ct, index)"),
    ("clear(x, index)", "clear({0}, {1})", "clear(ct, index)"),
    ("broadcast_to(x, shape)", "np.broadcast_to({0}, {1})", "sum_to(ct, x_shape)"),
    ("sum_to(x, shape)", "sum_to({0}, {1})", "broadcast_to(ct, x_shape)"),
    ("cumsum(x, axis)", "np.cumsum({0}, {1})", "cumsum_back(ct, axis)"),
    ("cumsum_back(x, axis)", "cumsum_back({0}, {1})", "cumsum(ct, axis)"),
    # a @ b is linear in a given b, and in b given a; the last argument says which shape comes back.
    ("matmul_left(a, b)", "np.matmul({0}, {1})", "matmul_left_back(ct, b, a_shape)"),
    ("matmul_left_back(x, b, shape)", "matmul_left_back({0}, {1}, {2})", "matmul_left(ct, b)"),
    ("matmul_right(b, a)", "np.matmul({1}, {0})", "matmul_right_back(ct, a, b_shape)"),
    ("matmul_right_back(x, a, shape)", "matmul_right_back({0}, {1}, {2})", "matmul_right(ct, a)"),
    # einsum is linear in each operand, and its transpose an einsum where letters change places.
    (
        "contract(x, other, letters, others, out)",
        "contract({0}, {1}, {2}, {3}, {4})",
        "contract(ct, other, out, others, letters)",
    ),
    # Fourier transforms along an axis counted from the end; the adjoint of F is n times its inverse.
    ("fft(x, axis, norm)", "fft({0}, {1}, {2})", "fft_back(ct, axis, norm)"),
    ("fft_back(x, axis, norm)", "fft_back({0}, {1}, {2})", "fft(ct, axis, norm)"),
    ("rfft(x, axis, norm)", "rfft({0}, {1}, {2})", "rfft_back(ct, axis, norm, x_shape)"),
    ("rfft_back(x, axis, norm, shape)", "rfft_back({0}, {1}, {2}, {3})", "rfft(ct, axis, norm)"),
    ("convolved(x, kernel)", "convolved({0}, {1})", "correlated(ct, kernel)"),
    ("correlated(x, kernel)", "correlated({0}, {1})", "convolved(ct, kernel)"),
    ("correlated_by(kernel, x)", "correlated_by({0}, {1})", "correlated_by(ct, x)"),
]


def _real(types: list[Type], params: dict[str, Any]) -> Type:
    """The type of the parts of complex numbers."""
    return Type(np.zeros((), types[0].dtype).real.dtype.name, types[0].rank)


def _complex(types: list[Type], params: dict[str, Any]) -> Type:
    """The type of complex numbers with such parts."""
    return Type(np.result_type(types[0].dtype, np.complex64).name, types[0].rank)


# Words between real and complex numbers: the domain of the first argument, and the type of the result.
BETWEEN: dict[str, tuple[str, Callable[..., Type]]] = {
    **dict.fromkeys(("part", "rfft_back"), ("complex", _real)),
    **dict.fromkeys(("whole", "rfft"), ("real", _complex)),
}


def _declare(header: str, text: str | Callable[..., str], transpose: str) -> None:
    """The word and its batched twin."""
    name, arguments = header.split("(", 1)
    domain, infer = BETWEEN.get(name, ("", any_array))
    partner, rest = transpose.split("(", 1)
    slots = ", ".join(f"{{{k}}}" for k in range(arguments.count(",") + 1))
    twin = f"{name}_batched"
    options = {"batched": twin, "domain": domain, "infer": infer}
    linear(header, text, transpose, **options)
    linear(f"{twin}({arguments}", f"{twin}({slots})", f"{partner}_batched({rest}", **options)
    for word in (name, twin):
        ZEROS.setdefault(word, lambda b, x, *rest: None)


for _row in PAIRS:
    _declare(*_row)


def _bilinear(header: str, text: str, jvp: str, ufunc: Any = None, **transposes: str) -> None:
    """A product of its first two arguments; the others say which."""
    name, arguments = header.removesuffix(")").split("(")
    rule = Rule(tuple(arguments.split(", ")), jvp, transposes)
    register(Word(name, "bilinear", lambda types, params: promoted(types[:2], params), text, rule, ufunc=ufunc))


_bilinear(
    "matmul(a, b)", "np.matmul({0}, {1})", "matmul_left(da, b) + matmul_right(db, a)", np.matmul,
    a="matmul_left_back(ct, b, a_shape)", b="matmul_right_back(ct, a, b_shape)",
)  # fmt: skip
_bilinear(
    "einsum(a, b, left, right, out)", "contract({0}, {1}, {2}, {3}, {4})",
    "contract(da, b, left, right, out) + contract(db, a, right, left, out)",
    a="contract(ct, b, out, right, left)", b="contract(ct, a, out, left, right)",
)  # fmt: skip
_bilinear(
    "convolve(a, b)", "convolved({0}, {1})", "convolved(da, b) + convolved(db, a)",
    a="correlated(ct, b)", b="correlated(ct, a)",
)  # fmt: skip
_bilinear(
    "correlate(a, b)", "correlated({0}, {1})", "correlated(da, b) + correlated_by(db, a)",
    a="convolved(ct, b)", b="correlated_by(ct, a)",
)  # fmt: skip
