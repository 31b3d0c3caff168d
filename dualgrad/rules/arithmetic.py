"""Arithmetic, selection, comparisons, and the words of memory.

These words have no derivative of their own: a linear word is its own jvp, a bilinear one
has the product rule, a selecting one passes on the tangent of what it selected.  Each
also declares its transpose; no elementary function needs one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualgrad.core.program import BOOL, INT, Type

from .declare import arithmetic, discrete, floating, like_first, memory, promoted, rank_of, truth


def _where_text(args: list[str], params: dict[str, Any], types: list[Type]) -> tuple[str, int]:
    if all(t.rank == 0 for t in types):
        return f"{args[1]} if {args[0]} else {args[2]}", 1
    return f"np.where({', '.join(args)})[()]", 100  # of numbers a number, not an array without axes


def _where_type(types: list[Type], params: dict[str, Any]) -> Type:
    return Type(promoted(types[1:], params).dtype if types[1].dtype != "bool" else "bool", rank_of(types))


def _text_of_cast(args: list[str], params: dict[str, Any], types: list[Type]) -> str:
    name = {"float64": "float", "int64": "int", "bool": "bool"}.get(params["dtype"])
    if types[0] == BOOL and name == "float":
        name = None  # numba has no float(True)
    return f"{name}({args[0]})" if name and types[0].rank == 0 else f"np.{params['dtype']}({args[0]})"


def _type_of_cast(types: list[Type], params: dict[str, Any]) -> Type:
    return Type(params["dtype"], types[0].rank)


def _text_of_conj(args: list[str], params: dict[str, Any], types: list[Type]) -> str:
    return f"conj({args[0]})" if types[0].rank < 0 else f"np.conj({args[0]})"


# Linear, bilinear, quotient

arithmetic("add(a, b)", "linear", "{0} + {1}", "da + db", a="ct", b="ct", precedence=10, ufunc=np.add)
arithmetic("sub(a, b)", "linear", "{0} - {1}", "da - db", a="ct", b="-ct", precedence=10, ufunc=np.subtract)
arithmetic("neg(a)", "linear", "-{0}", "-da", a="-ct", precedence=30, ufunc=np.negative)
arithmetic("move(a)", "linear", "{0}", "move(da)", a="ct", infer=like_first)
arithmetic("mul(a, b)", "bilinear", "{0} * {1}", "da*b + a*db", a="ct*b", b="a*ct", precedence=20, ufunc=np.multiply)
arithmetic(
    "div(a, b)", "quotient", "{0} / {1}", "(da - y*db)/b", a="ct/b", precedence=20, infer=floating, ufunc=np.divide,
    domain=("real", "nonzero"), inverse="mul",
)  # fmt: skip
arithmetic("conj(a)", "linear", _text_of_conj, "conj(da)", a="conj(ct)", infer=like_first, ufunc=np.conjugate)
arithmetic("cast(a)", "linear", _text_of_cast, "cast(da)", a="cast(ct)", infer=_type_of_cast)

# Selection: the tangent of what was selected; ties split it equally

OF_GREATER = "where(a > b, da, where(a < b, db, 0.5*(da + db)))"
OF_SMALLER = "where(a < b, da, where(a > b, db, 0.5*(da + db)))"

arithmetic(
    "where(c, a, b)", "selecting", _where_text, "where(c, da, db)", a="where(c, ct, 0)", b="where(c, 0, ct)",
    precedence=1, infer=_where_type, domain=("truth", "real", "real"),
)  # fmt: skip
arithmetic("maximum(a, b)", "selecting", "np.maximum({0}, {1})", OF_GREATER, ufunc=np.maximum, domain="distinct")
arithmetic("minimum(a, b)", "selecting", "np.minimum({0}, {1})", OF_SMALLER, ufunc=np.minimum, domain="distinct")

# Comparisons, logic and integers

for _name, _sign, _ufunc in [
    ("lt", "<", np.less), ("le", "<=", np.less_equal), ("gt", ">", np.greater),
    ("ge", ">=", np.greater_equal), ("eq", "==", np.equal), ("ne", "!=", np.not_equal),
]:  # fmt: skip
    discrete(f"{_name}(a, b)", f"{{0}} {_sign} {{1}}", precedence=5, infer=truth, ufunc=_ufunc)
discrete("and_(a, b)", "{0} and {1}", precedence=3, infer=truth)
discrete("or_(a, b)", "{0} or {1}", precedence=2, infer=truth)
discrete("not_(a)", "not {0}", precedence=4, infer=truth)
discrete("isnan(x)", infer=truth)
discrete("isinf(x)", infer=truth)
discrete("isfinite(x)", infer=truth)
for _name, _sign, _level in [
    ("bit_or", "|", 6), ("bit_xor", "^", 7), ("bit_and", "&", 8), ("shift_left", "<<", 9), ("shift_right", ">>", 9),
]:  # fmt: skip
    discrete(f"{_name}(a, b)", f"{{0}} {_sign} {{1}}", precedence=_level)
discrete("flip_bits(a)", "~{0}", precedence=30)
discrete("signed_one(a)", "np.copysign(1.0, {0})", infer=floating)
discrete("intpower(a, b)", "{0} ** {1}", precedence=40)
discrete("floordiv(a, b)", "{0} // {1}", precedence=20, ufunc=np.floor_divide)
arithmetic("mod(a, b)", "selecting", "{0} % {1}", "da - floordiv(a, b)*db", precedence=20, ufunc=np.remainder,
           domain=("real", "nonzero"))  # fmt: skip

# Memory.  The transforms know these words by name.


def _load_text(args: list[str], params: dict[str, Any], types: list[Type]) -> str:
    return f"{args[0]}[{', '.join(args[1:]) or '()'}]"


def _load_type(types: list[Type], params: dict[str, Any]) -> Type:
    rank = types[0].rank
    return Type(types[0].dtype, rank if rank < 0 else rank - (len(types) - 1))


def _full_text(args: list[str], params: dict[str, Any], types: list[Type]) -> str:
    shape = f"({args[1]},)" if len(args) == 2 else f"({', '.join(args[1:])})"
    if args[0] in ("0.0", "0", "False"):
        return f"np.zeros({shape}, np.{_scalar(params['dtype'])})"
    return f"np.full({shape}, {args[0]}, np.{_scalar(params['dtype'])})"


def _scalar(dtype: str) -> str:
    return "bool_" if dtype == "bool" else dtype


def _full_type(types: list[Type], params: dict[str, Any]) -> Type:
    return Type(params["dtype"], len(types) - 1)


# Functions with rules of their own (`dualgrad.transforms.rules`), and what is a constant whatever it was made of.


def _call_text(args: list[str], params: dict[str, Any], types: list[Type]) -> str:
    return params["of"].text(args)


memory("call(arguments)", _call_text, lambda types, params: params["of"].type)
memory("item(results)", lambda args, params, types: f"{args[0]}{params['path']}", lambda types, params: params["type"])
discrete("held(x)", "{0}", infer=like_first)
discrete("stopped(x)", "{0}", infer=like_first)
memory("seed(x)", "{0}", like_first)
memory("rejoined(value, tangent)", "{0}", like_first)
memory("frozen()", lambda args, params, types: params["of"].name, lambda types, params: params["of"].type)
memory("load(array, index)", _load_text, _load_type)
memory("full(value, shape)", _full_text, _full_type)
memory("series(size)", "[0.0] * {0}", lambda types, params: Type("float64", -1))
memory("copy(array)", "{0}.copy()", like_first)
memory(  # the array, at least twice as long (further entries zero) if it has no entry at the index
    "grow(array, index)",
    "{0} if {1} < {0}.shape[0] else np.concatenate(({0}, np.zeros(({1} + 1,) + {0}.shape[1:], {0}.dtype)))",
    like_first,
)
discrete("flush()", "flush()", infer=lambda types, params: Type("uint32"))  # see `dualgrad.backends.subnormals`
discrete("restore(mode)", "restore({0})", infer=lambda types, params: Type("uint32"))
# The first argument, an integer, where the second holds; the printer writes the statement that raises.
discrete("checked(a, ok)", "{0}", infer=like_first)
discrete("unsigned(i)", "np.uintp({0})", infer=lambda types, params: Type("uint64"))  # of what is not negative
# A statement that raises; no number comes of it.
discrete("fail()", "raise {error}", infer=lambda types, params: INT)
discrete("shape(array)", "{0}.shape[{axis}]", infer=lambda types, params: INT)
discrete("length(start, stop, step)", "len(range({0}, {1}, {2}))", infer=lambda types, params: INT)
