"""Matrix functions: each is one line of matrix calculus, its jvp.

Read ``implicit("inv(a)", "np.linalg.inv({0})", "-(y @ da @ y)")`` as: with ``y = inv(a)``, the tangent of y is
``-y da y``.  The transpose follows by transposing that line, second derivatives by differentiating it, and the
Taylor series by solving ``y' = -y a' y`` order by order (`dualgrad.transforms.implicit`).

All arguments are stacks of matrices, of one stack; `dualgrad.numbers.functions.linalg` makes them so.  Words
that read one triangle of a matrix (eigh, cholesky) get it symmetrized: their tangents are symmetric.

*Parts.*  A factorization has several results.  It is computed once, from the plain matrix; each result is a word
of the matrix and all the plain parts, whose value is its own part.  ``eigh_values(a, w, v)`` is ``w``, and its line
says how it depends on ``a``.
"""

from __future__ import annotations

from dualgrad.core.words import Word, register

from .declare import Rule, any_array, implicit, linear
from .text import ZEROS

# Words that are linear in their first argument: transpose, and what they undo if they divide.

MATRIX_WORDS: list[tuple[str, str, str, str | None]] = [
    ("right_times(x, b)", "np.matmul({0}, {1})", "right_times(ct, mT(b))", None),
    ("left_times(x, a)", "np.matmul({1}, {0})", "left_times(ct, mT(a))", None),
    ("left_divide(x, a)", "np.linalg.solve({1}, {0})", "left_divide(ct, mT(a))", "left_times"),
    ("lower_divide(x, a)", "solve_lower({1}, {0})", "upper_divide(ct, mT(a))", "left_times"),
    ("upper_divide(x, a)", "solve_upper({1}, {0})", "lower_divide(ct, mT(a))", "left_times"),
    ("sylvester_of(x, a, b)", "sylvester({1}, {2}, {0})", "sylvester_of(ct, mT(a), mT(b))", "sylvester_back"),
    ("sylvester_back(x, a, b)", "sylvester_back({0}, {1}, {2})", "sylvester_back(ct, mT(a), mT(b))", None),
    ("mT(x)", "mT({0})", "mT(ct)", None),
    ("adjoint(x)", "adjoint({0})", "adjoint(ct)", None),
    ("diagonal_part(x)", "diagonal_part({0})", "diagonal_matrix(ct)", None),
    ("diagonal_matrix(x)", "diagonal_matrix({0})", "diagonal_part(ct)", None),
    ("inner_with(x, c)", "inner_with({0}, {1})", "scaled_by(ct, c)", None),
    ("scaled_by(x, c)", "scaled_by({0}, {1})", "inner_with(ct, c)", None),
    ("over_gaps(x, w)", "over_gaps({0}, {1})", "over_gaps(ct, w)", "times_gaps"),
    ("times_gaps(x, w)", "times_gaps({0}, {1})", "times_gaps(ct, w)", None),
    ("over_sums(x, w)", "over_sums({0}, {1})", "over_sums(ct, w)", "times_sums"),
    ("times_sums(x, w)", "times_sums({0}, {1})", "times_sums(ct, w)", None),
    ("over_columns(x, s)", "over_columns({0}, {1})", "over_columns(ct, s)", "times_columns"),
    ("phases_over(x, s)", "phases_over({0}, {1})", "phases_over(ct, s)", "times_columns"),
    ("times_columns(x, s)", "times_columns({0}, {1})", "times_columns(ct, s)", None),
]

for _header, _text, _transpose, _inverse in MATRIX_WORDS:
    _name, _args = _header.split("(")
    _partner, _rest = _transpose.split("(", 1)
    _twin = f"{_name}_batched"
    linear(_header, _text, _transpose, batched=_twin, inverse=_inverse)
    _same = "left_divide_batched({0}, {1})" if _name == "left_divide" else _text
    linear(f"{_twin}({_args}", _same, f"{_partner}_batched({_rest}", batched=_twin, inverse=_inverse)
    ZEROS[_name] = ZEROS[_twin] = lambda b, x, *rest: None

# Products and solutions with a sparse matrix, a constant: its vectors and columns lie along the first axis.

for _name in ("sparse_times", "sparse_solve"):
    for _word, _other in ((_name, f"{_name}_back"), (f"{_name}_back", _name)):
        linear(f"{_word}(x, a)", f"{_word}({{0}}, {{1}})", f"{_other}(ct, a)", batched=f"{_word}_batched")
        linear(f"{_word}_batched(x, a)", f"{_word}_batched({{0}}, {{1}})", f"{_other}_batched(ct, a)",
               batched=f"{_word}_batched")  # fmt: skip
        ZEROS[_word] = ZEROS[f"{_word}_batched"] = lambda b, x, *rest: None

# Masks of the shape of a matrix

for _name in (
    "lower_half", "strictly_lower", "upper", "corner", "free_corner", "ones", "largest", "real_row", "zeros_of_row",
):  # fmt: skip
    register(Word(_name, "discrete", any_array, f"{_name}({{0}})", Rule(("a",))))

# Systems and determinants

implicit("solve(a, b)", "np.linalg.solve({0}, {1})", "left_divide(db - da @ y, a)")
implicit("solve_lower(a, b)", "solve_lower({0}, {1})", "lower_divide(db - da @ y, a)")
implicit("solve_upper(a, b)", "solve_upper({0}, {1})", "upper_divide(db - da @ y, a)")
implicit("sylvester(a, b, q)", "sylvester({0}, {1}, {2})", "sylvester_of(dq - da @ y - y @ db, a, b)")
implicit("sqrtm(a, r)", "r", "sylvester_of(da, y, y)")  # y dy + dy y = da
implicit("inv(a)", "np.linalg.inv({0})", "-(y @ da @ y)")
implicit("det(a)", "np.linalg.det({0})", "y*inner_with(da, mT(inv(a)))")
implicit("log_abs_det(a)", "np.linalg.slogdet({0})[1]", "inner_with(da, mT(inv(a)))")
implicit("log_det(a)", "log_det({0})", "inner_with(da, mT(inv(a)))")
implicit(
    "pinv_of(a, p)", "p",
    "y @ adjoint(y) @ adjoint(da) - y @ adjoint(y) @ adjoint(da) @ a @ y - y @ da @ y"
    " + adjoint(da) @ adjoint(y) @ y - y @ a @ adjoint(da) @ adjoint(y) @ y",
)  # fmt: skip

# Factorizations.  The triangle of a product is what the factor does not leave to the other one.

implicit("cholesky(a)", "np.linalg.cholesky({0})", "y @ (lower_half(y)*(inv(y) @ da @ adjoint(inv(y))))")

# A square matrix may be singular by its last column: the other factor does not depend on that, and what divides by the
# last entry of the diagonal divides by one instead (`corner`; of orthogonal matrices if they are real, `free_corner`).

_R = "(qr_r(a, q, r) - free_corner(q)*qr_r(a, q, r) + free_corner(q))"
_TURN = f"adjoint(qr_q(a, q, r)) @ da @ inv({_R})"
_SKEW = f"(lower_half(r)*({_TURN}) - adjoint(lower_half(r)*({_TURN})))"  # on the diagonal its imaginary part
implicit("qr_q(a, q, r)", "q", f"y @ {_SKEW} + da @ inv({_R}) - y @ ({_TURN})")
implicit("qr_r(a, q, r)", "r", f"upper(r)*(adjoint(qr_q(a, q, r)) @ da - {_SKEW} @ y)")

_U = "(lu_upper(a, l, u) - corner(u)*lu_upper(a, l, u) + corner(u))"
_LEFT = f"strictly_lower(l)*(inv(lu_lower(a, l, u)) @ da @ inv({_U}))"
implicit("lu_lower(a, l, u)", "l", f"y @ ({_LEFT})")
implicit("lu_upper(a, l, u)", "u", f"upper(l)*(inv(lu_lower(a, l, u)) @ da - ({_LEFT}) @ y)")

implicit("eigh_values(a, w, v)", "w", "diagonal_part(adjoint(eigh_vectors(a, w, v)) @ da @ eigh_vectors(a, w, v))")
implicit("eigh_vectors(a, w, v)", "v", "y @ over_gaps(adjoint(y) @ da @ y, eigh_values(a, w, v))")

# LAPACK makes one entry of each complex vector real; in that gauge `_phased` turns a tangent z of the vectors y.


def _phased(z: str, entry: str, values: str) -> str:
    return f"({z}) - 0.5*y*((ones(v) @ ({entry}*(({z}) - conj({z}))))/({values}))"


implicit(
    "eigh_phased(a, w, v)", "v",
    _phased("y @ over_gaps(adjoint(y) @ da @ y, eigh_values(a, w, v))", "real_row(v)",
            "ones(v) @ (real_row(v)*y) + zeros_of_row(v)"),
)  # fmt: skip

_TURN = "inv(eig_vectors(a, w, v)) @ da @ eig_vectors(a, w, v)"
_FREE = f"y @ over_gaps({_TURN}, eig_values(a, w, v))"
_UNIT = f"({_FREE} - 0.5*y*(ones(v) @ (conj(y)*({_FREE}) + y*conj({_FREE}))))"  # columns keep length one
implicit("eig_values(a, w, v)", "w", f"diagonal_part({_TURN})")
implicit("eig_vectors(a, w, v)", "v", _phased(_UNIT, "largest(v)", "ones(v) @ (largest(v)*y)"))

# a = u s vᴴ with at least as many rows as columns: v is square ("short"), u may be "long"

_TURN = "adjoint(svd_long(a, u, s, v)) @ da @ svd_short(a, u, s, v)"
_SCALED = f"times_columns({_TURN}, svd_values(a, u, s, v))"  # (uᴴ da v) s
_SIDED = f"adjoint(times_columns(adjoint({_TURN}), svd_values(a, u, s, v)))"  # s (uᴴ da v)
_QUOTIENT = "over_gaps(over_sums({0} + adjoint({0}), svd_values(a, u, s, v)), svd_values(a, u, s, v))"
implicit("svd_values(a, u, s, v)", "s", f"0.5*(diagonal_part({_TURN}) + conj(diagonal_part({_TURN})))")
_PHASE = f"0.25*phases_over({_TURN} - adjoint({_TURN}), svd_values(a, u, s, v))"  # shared by both sides
implicit("svd_short(a, u, s, v)", "v", f"y @ ({_QUOTIENT.format(_SIDED)} - {_PHASE})")
implicit(
    "svd_long(a, u, s, v)", "u",
    f"y @ ({_QUOTIENT.format(_SCALED)} + {_PHASE}) + over_columns(da @ svd_short(a, u, s, v)"
    " - y @ (adjoint(y) @ da @ svd_short(a, u, s, v)), svd_values(a, u, s, v))",
)  # fmt: skip

# Of a complex matrix every pair of vectors has a free phase.  LAPACK makes one entry of each short vector real, and the
# long one follows: what the tangent z of the short vectors turns them by is taken from both.

_OF_PAIRS = "(a, u, s, v)"
_LONG, _SHORT = f"svd_long_phased{_OF_PAIRS}", f"svd_short_phased{_OF_PAIRS}"
_FREE_PAIRS = {
    name: text.replace("svd_long(", "svd_long_phased(").replace("svd_short(", "svd_short_phased(")
    for name, text in {"turn": _TURN, "scaled": _QUOTIENT.format(_SCALED), "sided": _QUOTIENT.format(_SIDED),
                       "phase": _PHASE}.items()
}  # fmt: skip
_Z = f"({_SHORT} @ ({_FREE_PAIRS['sided']} - {_FREE_PAIRS['phase']}))"
_TURNED = (
    f"0.5*((ones(v) @ (real_row(v)*({_Z} - conj({_Z}))))/(ones(v) @ (real_row(v)*{_SHORT}) + zeros_of_row(v)))"
)
implicit(f"svd_short_phased{_OF_PAIRS}", "v", f"{_Z} - y*({_TURNED})".replace(_SHORT, "y"))
implicit(
    f"svd_long_phased{_OF_PAIRS}", "u",
    f"{_LONG} @ ({_FREE_PAIRS['scaled']} + {_FREE_PAIRS['phase']}) + over_columns(da @ {_SHORT}"
    f" - {_LONG} @ ({_FREE_PAIRS['turn']}), svd_values(a, u, s, v))"
    f" - {_LONG} @ diagonal_matrix(diagonal_part({_TURNED}))".replace(_LONG, "y"),
)  # fmt: skip
