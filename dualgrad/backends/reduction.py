"""Angles of any size: the remainder of x modulo pi/2 for floats beyond the reach of a few products.

Payne and Hanek's method: of x (2/pi) = m 2**e (2/pi), with an integer m, those binary digits of 2/pi that make
multiples of 4 are left out; the next 192 digits times m, modulo 2**192, are the quarter turn and a fraction.  It is
right to 2**-128, and no float is nearer to a multiple of pi/2 than 2**-62.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir

from .polynomials import HALF_PI

INT, WIDE, DOUBLE = ir.IntType(64), ir.IntType(192), ir.DoubleType()
AHEAD, WORDS = 64, 21  # zeros ahead of the digits, for exponents that need none of them left out


@cache
def two_over_pi(bits: int) -> int:
    """The first binary digits of 2/pi, by Machin's formula."""
    unit = 1 << (bits + 64)
    return (unit << bits + 1) // (16 * _arctan(unit, 5) - 4 * _arctan(unit, 239))


def _arctan(unit: int, n: int) -> int:
    """``unit*arctan(1/n)``"""
    total, power, k = 0, unit // n, 1
    while power:
        total += power // k if k % 4 == 1 else -(power // k)
        power, k = power // (n * n), k + 2
    return total


def table(module: Any) -> Any:
    """The digits as words in LLVM's memory, the first ones first."""
    name, kind = "dualgrad_two_over_pi", ir.ArrayType(INT, WORDS)
    if name not in module.globals:
        digits = two_over_pi(64 * WORDS - AHEAD)
        words = [(digits >> 64 * k) & (2**64 - 1) for k in reversed(range(WORDS))]
        made = ir.GlobalVariable(module, kind, name)
        made.initializer, made.global_constant, made.linkage = ir.Constant(kind, words), True, "linkonce_odr"
    return module.globals[name]


def far(m: Any, x: Any) -> tuple[Any, Any, Any]:
    """``(k, r, rest)`` with x = k pi/2 + r + rest up to whole turns, for one number of at least 2**36."""
    b, bits = m.builder, m.bits(x).value
    exponent = b.and_(b.lshr(bits, INT(52)), INT(2047))
    mantissa = b.or_(b.and_(bits, INT(2**52 - 1)), INT(2**52))
    mantissa = b.select(b.icmp_signed("<", bits, INT(0)), b.neg(mantissa), mantissa)
    start = b.add(exponent, INT(AHEAD - 2 - 1075))
    product = b.mul(b.sext(mantissa, WIDE), window(b, start))
    k = b.trunc(b.lshr(b.add(product, WIDE(2**189)), WIDE(190)), INT)
    fraction = b.ashr(b.shl(product, WIDE(2)), WIDE(64))
    high, middle, low = (m.wrap(part(b, fraction, shift, shift < 86)) * 2.0 ** (shift - 128) for shift in (86, 43, 0))
    total = high + middle
    left = ((high - total) + middle) + low
    turn = total + left
    left = (total - turn) + left
    r = turn * HALF_PI[0]
    rest = m.fma(turn, HALF_PI[0], -r) + m.fma(turn, HALF_PI[1], left * HALF_PI[0])
    return m.wrap(k), r, rest + (x - x)  # infinity has no angle


def window(b: Any, start: Any) -> Any:
    """192 digits from a position on."""
    first, shift = b.lshr(start, INT(6)), b.and_(start, INT(63))
    digits = table(b.module)
    words = [b.load(b.gep(digits, [INT(0), b.add(first, INT(k))], inbounds=True)) for k in range(4)]
    found = WIDE(0)
    for a, c in zip(words, words[1:], strict=False):
        joined = b.call(b.module.declare_intrinsic("llvm.fshl", [INT], ir.FunctionType(INT, [INT] * 3)), [a, c, shift])
        found = b.or_(b.shl(found, WIDE(64)), b.zext(joined, WIDE))
    return found


def part(b: Any, fraction: Any, shift: int, masked: bool) -> Any:
    """Digits of a fraction as an exact float: 43 of them, or the first ones with the sign."""
    digits = b.trunc(b.ashr(fraction, WIDE(shift)), INT)
    return b.sitofp(b.and_(digits, INT(2**43 - 1)) if masked else digits, DOUBLE)
