"""Random NumPy programs: generated as source text by a seed, checked by the laws of differentiation, shrunk on failure.

A program is a few statements over arrays of rank 0 to 3.  The generator knows only shapes and dtypes: it picks an
operation and operands that may fit, runs the statement on the argument, and keeps it if NumPy takes it and the values
stay moderate.  So the table below is all there is to say about an operation.

Run ``python tests/numpy_fuzzer.py 0 1000`` for a range of seeds (``hard`` as a third word: zeros, ties, infinities
and NaN in the argument); failures are printed with as few statements as keep them failing.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

# Operations.  {a}, {b}, {c} are arrays; {k} is an axis of a, {s} an index into a, {n} a small integer, {r} a constant.

SMOOTH = [
    "np.sin({a})", "np.cos({a}) * {r}", "np.tanh({a})", "np.exp({a} * 0.3)", "np.sqrt(np.abs({a}) + 0.5)",
    "np.log({a} * {a} + 0.7)", "{a} * {a}", "-{a}", "{a} ** 2", "{a} ** 3 * 0.1", "1 / (1.5 + {a} * {a})",
    "np.arctan({a})", "np.log1p({a} ** 2)", "np.sinh({a} * 0.3)", "np.square({a})", "np.expm1({a} * {r} * 0.2)",
    "2.0 ** {a}", "(np.abs({a}) + 0.3) ** {r}", "np.reciprocal({a} ** 2 + 1)", "np.cbrt({a} + 9)", "{a} / {r}",
    "np.positive({a})", "np.exp2({a} * 0.3)", "np.sinc({a} * 0.3)", "np.deg2rad({a})", "np.nan_to_num({a})",
]  # fmt: skip
PAIRS = [
    "{a} + {b}", "{a} - {b}", "{a} * {b}", "{a} / (2 + {b} * {b})", "np.hypot({a}, {b} + 3)",
    "np.arctan2({a}, {b} ** 2 + 1)", "np.logaddexp({a}, {b})", "np.power(np.abs({a}) + 0.5, {b})",
    "{a} * 0.5 + {r} * {b}", "np.add({a}, {b})", "np.multiply({a}, {b}) - {r}",
    "np.true_divide({a}, np.exp({b} * 0.2))",
]  # fmt: skip
CHOICES = [
    "np.maximum({a}, {b})", "np.minimum({a}, {r})", "np.where({a} > {b}, {a}, {b} * 2)", "np.abs({a})",
    "np.where({a} > 0.1, np.sin({a}), {b})", "np.clip({a}, -0.5, {r} + 1)", "np.fmax({a}, {b})", "{a} % 1.7",
    "np.where({a} < {r}, 0.0, {a})", "np.maximum({a}, 0)", "np.select([{a} > 0.5, {a} < -0.5], [{a} ** 2, {b}], {r})",
    "np.copysign({a}, {b})", "np.heaviside({a}, 0.5) * {b}", "np.floor({a} * 3) * {b}", "np.sign({a}) * {b}",
    "np.where({a} > 0, np.sqrt(np.where({a} > 0, {a}, 1.0)), {b})", "{a} * ({b} > 0)",
]  # fmt: skip
REDUCTIONS = [
    "np.sum({a}, {k})", "np.mean({a}, axis={k}, keepdims=True)", "{a}.sum()", "np.max({a}, {k})", "{a}.min()",
    "np.prod({a}, {k})", "np.var({a})", "np.std({a} + np.arange({a}.size).reshape({a}.shape), {k})",
    "np.cumsum({a}, {k})", "np.cumprod({a}, {k})", "np.linalg.norm({a} + 0.1)", "np.median({a}, {k})",
    "np.ptp({a}, {k})", "np.log(np.sum(np.exp({a}), {k}, keepdims=True))", "np.add.reduce({a}, {k})",
    "np.average({a}, {k})", "np.trapezoid({a}, axis={k})", "np.quantile({a}, 0.3)", "np.cumsum({a})",
    "np.sum({a} * {b}, {k}, keepdims=True)", "{a}.mean(-1)", "np.nansum({a}, {k})",
]  # fmt: skip
SHAPES = [
    "{a}.ravel()", "{a}.T", "np.expand_dims({a}, {k})", "{a}[None]", "{a}[..., None]", "np.squeeze({a})",
    "np.flip({a}, {k})", "np.roll({a}, {n}, {k})", "np.tile({a}, {n})", "np.repeat({a}, 2, {k})",
    "np.concatenate([{a}, {a} * {r}], {k})", "np.stack([{a}, {a} ** 2])", "np.stack([{a}, {b}], -1)",
    "{a}.reshape(-1)", "np.swapaxes({a}, 0, -1)", "np.broadcast_to({a}, (2, *{a}.shape))", "np.atleast_2d({a})",
    "np.moveaxis({a}, {k}, 0)", "np.concatenate([{a}, {b}])", "np.sort({a}, {k})", "np.triu({a})", "np.diagonal({a})",
    "np.trace({a}) * {r}", "np.diag({a})", "np.array([{r}, 1.0]) * {a}", "np.pad({a}, 1)", "np.delete({a}, 0, {k})",
    "np.hstack([{a}, {b}])", "np.rot90({a})", "np.reshape({a}, (1, -1))", "np.split({a}, 2)[1]", "np.fliplr({a})",
    "np.diff({a}, axis={k})", "np.gradient({a}, axis={k})", "np.take({a}, [0, -1, 0], {k})",
    "np.array([[{r}, 0.3]]) + {a}[..., :1]", "np.array([{a}, {b}])", "np.tril({a}) * {r}", "np.append({a}, {b})",
]  # fmt: skip
INDICES = [
    "{a}[0]", "{a}[-1]", "{a}[1:]", "{a}[::-1]", "{a}[..., 0]", "{a}[:, 1:]", "{a}[::2]", "{a}[[0, 1, 0]]",
    "{a}[{a} > 0]", "{a}[:, [0, -1]]", "{a}[..., ::-1]", "{a}[np.array([[0, 1], [1, 0]])]", "{a}[None, ..., 0]",
    "{a}[{a} < {a}.mean()]", "{a}[0, ..., [0, 0]]",
    "{a}[np.argsort({a}.ravel() if {a}.ndim < 1 else {a}[:, 0] if {a}.ndim > 1 else {a})]", "{a}[:0]",
    "{a}[np.ix_([0, 1], [1, 0])]", "{a}[np.argmax({a}, 0)]", "{a}.flat[0] * {r}", "{a}[()]", "{a}[...]",
]  # fmt: skip
PRODUCTS = [
    "{a} @ {b}", "{a} @ {b}.T", "np.dot({a}, {b})", "np.outer({a}, {b})", "np.tensordot({a}, {b}, 1)",
    "np.inner({a}, {b})", "np.einsum('ij,jk->ik', {a}, {b})", "np.einsum('ij,ij->i', {a}, {b})",
    "np.einsum('...i,...i', {a}, {b})", "np.vdot({a}, {b})", "np.einsum('i,j->ji', {a}, {b})",
    "np.einsum('ij->', {a})", "np.einsum('ii->i', {a} @ {a}.T)", "np.einsum('ij,j,i->j', {a}, {b}, {c})",
    "np.kron({a}, {b})", "np.convolve({a}, {b})", "np.correlate({a}, {b}, 'same')", "np.cross({a}, {b})",
    "np.matmul({a}, np.swapaxes({b}, -1, -2))", "np.interp({a}, [-2.0, 0.1, 3.0], [1.0, 0.3, -0.5])",
    "np.polyval({a}, {b})", "np.vander({a}, 3)", "np.einsum('bij,bj->bi', {a}, {b})",
]  # fmt: skip
WRITES = [  # {v} is the new variable
    "{v} = {a}.copy()\n{v}{s} = {r}", "{v} = {a} * 1.0\n{v}{s} += {b}", "{v} = {a}.copy()\n{v}{s} *= {a}{s}",
    "{v} = np.zeros({a}.shape)\n{v}{s} = {a}{s} * {r}\n{v}[0] += {b}",
    "{v} = {a} + 0.0\nw = {v}[1:]\nw *= {b}\n{v}[0] = w[0] if w.ndim else {r}",
    "{v} = {a}.copy()\nw = {v}.reshape(-1)[::2]\nw -= {r}\n{v} *= 0.5", "{v} = {a}.copy()\n{v}[{v} > 0] = {r}",
    "{v} = {a} * {r}\n{v}[{v} < 0.3] *= 0.5", "{v} = np.empty_like({a})\nnp.multiply({a}, {b}, out={v})\n{v} -= {a}",
    "{v} = np.zeros((2,) + {a}.shape)\n{v}[0] = {a}\n{v}[1] = {v}[0] * {a}",
    "{v} = {a}.copy()\nnp.add.at({v}, [0, 0, 1], {b})", "{v} = {a}.T.copy()\n{v}.T[0] = {b}",
    "{v} = np.full({a}.shape, {r})\n{v}{s} = {b}", "{v} = {a}.copy()\n{v}[:] = {v}[::-1]\n{v} += {a}",
    "{v} = {a}\n{v} = {v} + {r}\n{v} /= 2",
]  # fmt: skip
FLOWS = [
    "{v} = {a} * 0.0\nfor i in range({n}):\n    {v} = {v} * 0.5 + np.sin({a} * (i + 1))",
    "if np.sum({a}) > 0.2:\n    {v} = {a} * {b}\nelse:\n    {v} = {a} - 0.3 * {b}",
    "{v} = {r}\nfor i in range(len({a})):\n    if {a}.ravel()[i] > 0:\n        {v} = {v} + {a}[i]",
    "{v} = np.sum({a}) * 0.1 + 1\nwhile np.max(np.abs({v})) < 4:\n    {v} = {v} * 1.6 + 0.1",
    "{v} = np.zeros({n} + 1)\nfor i in range({n}):\n    {v}[i + 1] = 0.5 * {v}[i] + {a}.ravel()[i]",
    "{v} = [{a} * i for i in range({n})]\n{v} = sum({v})", "{v} = {a}\nfor row in {b}:\n    {v} = {v} + row * 0.5",
    "parts = []\nfor i in range({n}):\n    parts.append({a} ** (i + 1) * 0.5)\n{v} = np.stack(parts)",
]  # fmt: skip
MATRICES = [
    "np.linalg.inv({a} @ {a}.T + 2 * np.eye(len({a})))", "np.linalg.det({a} * 0.3 + np.eye({a}.shape[-1]))",
    "np.linalg.solve({a} @ {a}.T + 2 * np.eye(len({a})), {b})", "np.linalg.slogdet({a} @ {a}.T + np.eye(len({a})))[1]",
    "np.linalg.eigvalsh({a} @ {a}.T + np.diag(np.arange(len({a}))))", "np.fft.fft({a}).real", "np.fft.rfft({a}).imag",
    "np.linalg.cholesky({a} @ {a}.T + np.eye(len({a})))", "np.linalg.norm({a} + 2, 1)", "np.fft.irfft({a} + 1j * {b})",
    "np.linalg.matrix_power({a} * 0.5, 2)", "np.linalg.pinv({a} + np.eye(*{a}.shape) * 3)",
    "np.linalg.qr({a} + 3 * np.eye(*{a}.shape))[1]", "np.linalg.norm({a}, axis=-1)",
    "np.linalg.multi_dot([{a}, {b}, {c}])", "np.real(np.exp(1j * {a}) * {b})", "np.abs({a} + 1j * {b} + 2)",
    "np.angle({a} + 3 + 1j * {b})",
]  # fmt: skip
RARE = [
    "np.unique({a})", "np.partition({a}, 1)", "np.bincount([0, 1, 1], {a})",
    "np.polyfit(np.arange(len({a})), {a}, 1) + 0.37",
    "np.meshgrid({a}, {b})[0]", "np.array_split({a}, 2)[0]", "np.insert({a}, 1, {r})", "np.resize({a}, (2, 2))",
    "np.choose(({a} > 0).astype(int), [{a}, {b}])", "np.linspace({a}, {b}, 3)", "np.corrcoef({a} + 1)",
    "np.cov({a}, {b})", "np.percentile({a}, 40, {k})", "np.nanmean({a}, {k})", "np.logaddexp.reduce({a}, {k})",
    "np.maximum.accumulate({a}, {k})", "np.add.outer({a}, {b})", "np.apply_along_axis(np.cumsum, {k}, {a})",
    "np.piecewise({a}, [{a} > 0], [np.sin, {r}])", "np.geomspace(0.5, 1 + {a} ** 2, 3)", "np.block([[{a}, {b}]])",
    "np.compress([True, False, True], {a}, {k})", "np.modf({a})[0]",
    "np.take_along_axis({a}, np.argsort({a}, {k}), {k})", "np.roots({a} + 3).real.sum()", "np.r_[{a}, {b}]",
    "np.divmod({a}, 0.7)[1]",
]  # fmt: skip
OTHERS = [
    "{a}.astype(np.float32)", "{a}.astype(np.float32) * {r}", "np.arange({a}.size).reshape({a}.shape) * {a}",
    "np.ones({a}.shape, int) + {a}", "{a} + np.array([1, 2])", "{a} * 2", "np.full_like({a}, {r}) * {a}",
]  # fmt: skip
TABLE = [(SMOOTH, 5), (PAIRS, 4), (CHOICES, 3), (REDUCTIONS, 3), (SHAPES, 4), (INDICES, 3), (PRODUCTS, 3), (WRITES, 4),
         (FLOWS, 2), (OTHERS, 0.6), (MATRICES, 2), (RARE, 3)]  # fmt: skip
PLACES = ["[0]", "[-1]", "[1:]", "[::2]", "[...]", "[..., 0]", "[[0, 1]]", "[:, 0]", "[:1]", "[{a} > 0]", "[..., ::-1]"]

# At hard points: nothing that keeps away from singular points.

RAW = [
    "np.sqrt({a})", "np.log({a})", "1 / {a}", "{a} ** 0.5", "{a} ** 2", "np.abs({a})", "np.exp({a})", "{a} ** -1",
    "{a} ** 0", "np.tanh({a})", "np.arctan({a})", "np.square({a})", "-{a}", "np.log1p({a})", "np.sign({a})",
    "np.arcsin({a})", "np.cbrt({a})", "{a} ** 1.5", "np.sinc({a})", "{a} * 0.0", "{a} * {r}",
]  # fmt: skip
RAW_PAIRS = [
    "{a} * {b}", "{a} / {b}", "{a} + {b}", "{a} - {b}", "np.hypot({a}, {b})", "np.arctan2({a}, {b})", "{a} ** {b}",
    "np.logaddexp({a}, {b})", "np.maximum({a}, {b})", "np.minimum({a}, {b})", "np.fmin({a}, {b})",
]  # fmt: skip
RAW_CHOICES = [
    "np.where({a} > 0, np.sqrt({a}), {b})", "np.where({a} == 0, 0.0, 1 / {a})", "np.where(np.isfinite({a}), {a}, 0.0)",
    "np.maximum({a}, 0)", "np.clip({a}, 0, 1)", "np.where({a} > {b}, np.log({a}), {b})",
    "np.where(np.isnan({a}), {b}, {a})", "np.nan_to_num({a})", "np.select([{a} > 0], [np.log({a})], {b})",
]  # fmt: skip
RAW_REST = [  # whether the extreme of 0.0 and -0.0 is the one or the other is an accident: adding zero settles it
    "np.sum({a}, {k})", "np.max({a}, {k}) + 0.0", "np.min({a}) + 0.0", "np.prod({a}, {k})",
    "np.mean({a})", "{a}[0]", "{a}[::-1]",
    "{a}[1:]", "{a}[[0, 1, 0]]", "{a}[{a} > 0]", "np.concatenate([{a}, {b}])", "{a}.T", "{a} @ {b}",
    "np.einsum('i,i->i', {a}, {b})", "np.cumsum({a}, {k})", "np.linalg.norm({a})", "np.sort({a})",
    "np.outer({a}, {b})", "np.dot(np.ravel({a}), np.ravel({b}))", "np.diff({a})",
    "np.convolve({a}, {b})", "np.std({a})", "np.nansum({a})",
    "np.median({a}) + 0.0", "np.cumprod({a}, {k})",
]  # fmt: skip
RAW_WRITES = [
    "{v} = {a}.copy()\n{v}[0] = {r}", "{v} = {a} * 1.0\n{v}[{v} > 0] = 0.5",
    "{v} = np.zeros({a}.shape)\n{v}[1:] = {a}[1:]",
    "{v} = np.zeros({a}.shape)\nm = np.isfinite({a})\n{v}[m] = {a}[m] ** 0.5", "{v} = {a} * 1.0\n{v}[0] *= {v}[-1]",
]  # fmt: skip
HARD = [(RAW, 4), (RAW_PAIRS, 4), (RAW_CHOICES, 4), (RAW_REST, 4), (RAW_WRITES, 1)]
HARD_VALUES = [0.0, -0.0, 0.0, 1.0, 1.0, -1.0, 0.5, 2.0, 2.0, -2.0, np.inf, -np.inf, np.nan]
ARGUMENTS = [(), (3,), (4,), (2, 3), (3, 3), (2, 1), (2, 2, 3), (1,), (5,)]
LARGEST, LONGEST = 30.0, 40  # values and sizes that a statement may make
OVERFLOW = 1e300  # at hard points; what is larger counts as infinite


@dataclass(frozen=True)
class Program:
    """Statements that bind ``v1``, ``v2``, …; the result is what is left of ``outputs`` in one row."""

    seed: int
    x: Any
    statements: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def text(self) -> str:
        body = "\n".join(self.statements).split("\n")
        result = f"return np.concatenate([np.ravel(v) for v in ({', '.join(self.outputs)},)])"
        return "\n    ".join(["def program(x):", *body, result]) + "\n"

    @property
    def single(self) -> bool:
        """Whether some of it is worked out in single precision."""
        return "float32" in self.text

    def function(self) -> Any:
        names: dict[str, Any] = {"np": np, "__name__": "fuzzed"}
        exec(compile(self.text, f"<program {self.seed}>", "exec"), names)
        return names["program"]


def generate(seed: int, hard: bool = False) -> Program:
    """The program of this seed."""
    rng = np.random.default_rng([seed, hard])
    shape = ARGUMENTS[rng.integers(len(ARGUMENTS))]
    x = rng.choice(HARD_VALUES, shape) if hard else rng.uniform(-1.5, 1.5, shape)
    x = np.asarray(x)[()] if shape == () else x
    names: dict[str, Any] = {"x": x}
    statements: list[str] = []
    table = HARD if hard else TABLE
    weights = np.array([w for _, w in table], float)
    wanted = rng.integers(2, 7) if hard else rng.integers(5, 16)
    for _ in range(300):
        if len(statements) == wanted:
            break
        operations = table[rng.choice(len(table), p=weights / weights.sum())][0]
        new = f"v{len(statements) + 1}"
        template = operations[rng.integers(len(operations))]
        statement = filled(template, new, names, rng)
        found = attempt(statement, new, names, hard)
        if found is not None and (found.ndim or template not in WRITES):  # arrays without axes are left alone
            names[new] = found
            statements.append(statement)
    outputs = [v for v in names if v != "x"][-3:] or ["x"]
    return Program(seed, x, tuple(statements), tuple(outputs))


def filled(template: str, new: str, names: dict[str, Any], rng: np.random.Generator) -> str:
    """The template with variables (recent ones more often), an axis, a place and constants."""
    pool = list(names)
    a, b, c = (pool[-1 - min(int(rng.geometric(0.35)) - 1, len(pool) - 1)] for _ in range(3))
    if rng.random() < 0.2:
        b = a
    k = int(rng.integers(-1, max(np.ndim(names[a]), 1)))
    n, r = int(rng.integers(1, 4)), round(float(rng.uniform(0.2, 1.5)), 2)
    fill = {"a": a, "b": b, "c": c, "k": k, "n": n, "r": r, "v": new}
    place = PLACES[rng.integers(len(PLACES))].format(**fill)
    text = template.format(**fill, s=place)
    return text if "{v}" in template else f"{new} = {text}"


def attempt(statement: str, new: str, names: dict[str, Any], hard: bool) -> Any:
    """What the statement binds, if NumPy takes it and the value is fit to go on with."""
    here = {name: v.copy() for name, v in names.items()} | {"np": np}
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error")
            exec(statement, here)
    except Exception:  # whatever NumPy says
        return None
    value = here.get(new)
    if not isinstance(value, (np.ndarray, np.floating)) or value.dtype.kind != "f":
        return None
    if value.ndim > 3 or value.size > LONGEST:
        return None
    if not hard and not (np.all(np.isfinite(value)) and np.max(np.abs(value), initial=0.0) < LARGEST):
        return None
    kept = all(np.array_equal(here[n], v, equal_nan=True) for n, v in names.items())
    return value[()] if kept else None  # an array without axes counts as a number: numbers cannot be written


# The laws


class Broken(AssertionError):
    """A law that a program breaks; the first word names it."""


def same(law: str, found: Any, wanted: Any, tolerance: float) -> None:
    found, wanted = np.asarray(found), np.asarray(wanted)
    if found.shape != wanted.shape:
        raise Broken(f"{law}: shapes {found.shape} and {wanted.shape}")
    scale = max(1.0, float(np.max(np.abs(wanted), initial=0.0, where=np.isfinite(wanted))))
    if not np.allclose(found, wanted, rtol=tolerance, atol=tolerance * scale, equal_nan=True):
        raise Broken(f"{law}:\n{found}\n{wanted}")


def same_at_hard_point(law: str, found: Any, wanted: Any) -> None:
    """Finite entries agree, and so do those that are not finite.

    Whether such an entry is infinite or NaN may depend on the order of the sums where a value with an infinite slope
    is used twice: with slopes 1 and 0, one mode works out 1*inf + 0*inf, the other (1 + 0)*inf.  The greatest floats
    count as infinite: half of one and half of it are finite, its double and the half of that are not.
    """
    finite = np.abs(found) < OVERFLOW
    if np.shape(found) != np.shape(wanted) or not np.array_equal(finite, np.abs(wanted) < OVERFLOW):
        raise Broken(f"{law}: not finite in different places\n{found}\n{wanted}")
    same(law, np.where(finite, found, 0.0), np.where(finite, wanted, 0.0), 1e-9)


def limit(f: Any, x: Any, v: Any, h: float) -> Any:
    """The derivative by differences, or None where two steps do not agree."""
    def central(k: float) -> Any:
        return (8 * (f(x + k * v) - f(x - k * v)) - (f(x + 2 * k * v) - f(x - 2 * k * v))) / (12 * k)

    try:
        found = [central(h), central(h / 2)]
    except (ValueError, IndexError, AttributeError, TypeError):  # shapes that depend on values changed
        return None
    scale = max(1.0, float(np.max(np.abs(found[1]), initial=0.0)))
    return found[1] if np.allclose(*found, rtol=1e-6, atol=1e-6 * scale) else None


def check(program: Program) -> None:
    """All laws at an ordinary point."""
    import dualgrad as dg

    f, x = program.function(), program.x
    rng = np.random.default_rng(program.seed)
    v = rng.normal(size=np.shape(x))[()]
    exact = 3e-4 if program.single else 1e-9
    value, before = f(np.copy(x)[()]), np.copy(x)
    out, dot = dg.jvp(f, (x,), (v,))
    same("value", out, value, 1e-6 if program.single else 1e-12)
    if out.dtype != value.dtype or dot.dtype != value.dtype:
        raise Broken(f"dtype: {out.dtype}, {dot.dtype}, {value.dtype}")
    expected = None if program.single else limit(f, x, v, 1e-3)
    if expected is not None:
        same("differences", dot, expected, 1e-5)
    y, pullback = dg.vjp(f, x)
    w = rng.normal(size=np.shape(y)).astype(y.dtype)
    (ct,) = pullback(w)
    size = max(1.0, float(np.linalg.norm(w) * np.linalg.norm(dot)))
    same("adjoint", np.sum(ct * v) / size, np.sum(w * dot) / size, exact)
    same("jacobians", dg.jacfwd(f)(x), dg.jacrev(f)(x), exact)
    series = dg.jet(f, (x,), ([v, 0 * v],))[1]
    same("jet1", series[0], dot, exact)
    same("jet2", 2 * series[1], dg.jvp(lambda x: dg.jvp(f, (x,), (v,))[1], (x,), (v,))[1], 100 * exact)
    if not program.single:
        g = lambda x: np.sum(w * f(x))  # noqa: E731
        forward = dg.jvp(dg.grad(g), (x,), (v,))[1]
        same("hvp", forward, dg.grad(lambda x: np.sum(dg.grad(g)(x) * v))(x), 1e-8)
    if not np.array_equal(x, before):
        raise Broken("argument: it was changed")


def check_hard(program: Program) -> None:
    """At a hard point: both Jacobians have the same entries, also in what is infinite or NaN."""
    import dualgrad as dg

    f, x = program.function(), program.x
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same("value", dg.jvp(f, (x,), (np.ones_like(x),))[0], f(x), 1e-12)
        same_at_hard_point("jacobians", dg.jacfwd(f)(x), dg.jacrev(f)(x))


def failure(program: Program, hard: bool = False) -> str | None:
    """What goes wrong, in words that begin with the law or the error's name."""
    try:
        with np.errstate(all="ignore"):  # rounding decides whether the variance of equal numbers is zero
            (check_hard if hard else check)(program)
    except Broken as broken:
        return str(broken)
    except Exception as error:  # every error is a finding
        return f"{type(error).__name__}: {error}"
    return None


def shrunk(program: Program, hard: bool = False) -> Program:
    """A program with as few statements and outputs as keep it failing in the same way."""
    kind = (failure(program, hard) or "").partition(":")[0]

    def still(p: Program) -> bool:
        try:
            with np.errstate(all="ignore"):
                p.function()(p.x)
        except Exception:  # no program any more
            return False
        return (failure(p, hard) or "").partition(":")[0] == kind

    progress = True
    while progress:
        progress = False
        smaller = [replace(program, outputs=(o,)) for o in program.outputs if len(program.outputs) > 1]
        for k in range(len(program.statements) - 1, -1, -1):
            rest = program.statements[:k] + program.statements[k + 1 :]
            kept = tuple(o for o in program.outputs if f"v{_number(program.statements[k])}" != o)
            last = tuple(f"v{_number(s)}" for s in rest[-1:])
            smaller.append(replace(program, statements=rest, outputs=kept or last or ("x",)))
        for candidate in smaller:
            if still(candidate):
                program, progress = candidate, True
                break
    return program


def _number(statement: str) -> str:
    """The number of the variable that a statement binds."""
    return statement[statement.index("v") + 1 :].partition(" ")[0] if statement.startswith("v") else _inside(statement)


def _inside(statement: str) -> str:
    return next(line.strip() for line in statement.split("\n") if line.strip().startswith("v"))[1:].partition(" ")[0]


def run(start: int, stop: int, hard: bool) -> dict[str, int]:
    """Print the shrunk failures of a range of seeds; how many there are of each kind.  A refusal is only counted."""
    kinds: dict[str, int] = {}
    for seed in range(start, stop):
        program = generate(seed, hard)
        found = failure(program, hard)
        if found is None:
            continue
        kind = found.partition("\n")[0] if found.startswith("UnsupportedError") else found.partition(":")[0]
        kinds[kind] = kinds.get(kind, 0) + 1
        if kind == found.partition(":")[0]:
            small = shrunk(program, hard)
            print(f"# seed {seed}, x = {small.x!r}\n{small.text}# {failure(small, hard)}\n", flush=True)
    return kinds


if __name__ == "__main__":
    first, last, *words = sys.argv[1:]
    print(f"programs {first} to {last}: failures: {run(int(first), int(last), 'hard' in words) or 'none'}")
