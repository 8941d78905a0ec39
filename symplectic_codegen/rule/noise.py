"""The random numbers of noisy rules, as every target must make them.

Element number e gets in step n a number that depends on the seed, e and n alone: Philox4x32-10, a
counter-based generator (Salmon, Moraes, Dror, Shaw 2011), with counter (e, n) and the seed as its
key gives two uniform numbers, and Box and Muller's formula a standard normal one. So a run can be
repeated, on any number of threads, by any target, from any saved step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

_WORD = 0xFFFFFFFF
_ROUNDS = 10


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Philox4x32-10: four pseudo-random words of 32 bits.

    >>> [f"{word:08x}" for word in philox((0, 0, 0, 0), (0, 0))]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    (a, b, c, d), (k, m) = counter, key
    for _ in range(_ROUNDS):
        p, q = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (q >> 32) ^ b ^ k, q & _WORD, (p >> 32) ^ d ^ m, p & _WORD
        k, m = (k + 0x9E3779B9) & _WORD, (m + 0xBB67AE85) & _WORD
    return a, b, c, d


def uniforms(seed: int, step: int, element: int) -> tuple[Fraction, Fraction]:
    """Two numbers in (0, 1), exactly."""
    counter = (element & _WORD, element >> 32, step & _WORD, step >> 32)
    a, b, _, _ = philox(counter, (seed & _WORD, seed >> 32))
    return Fraction(2 * a + 1, 2**33), Fraction(2 * b + 1, 2**33)


def standard_normal(seed: int, step: int, elements: Iterable[int]) -> list[float]:
    """The numbers of some elements in one step, in double precision.

    >>> [round(x, 6) for x in standard_normal(0, 1, range(3))]
    [1.06759, 0.404967, -0.029979]
    """
    pairs = (uniforms(seed, step, element) for element in elements)
    return [math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * float(v)) for u, v in pairs]
