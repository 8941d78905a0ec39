"""The Baker-Campbell-Hausdorff series of any composition, in the free algebra.

Words in noncommuting letters are multiplied out, log(exp(a) exp(b) ...) is taken as a power series,
and the result, which is a Lie polynomial, is written in the Lyndon basis: no coefficient is typed
in. Coefficients are exact: rationals, algebraic numbers, or rational functions of symbols.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import sympy as sp
from sympy.polys.constructor import construct_domain

from symplectic_codegen.discretization.orders import Series, Word, exponential, times

Factor: TypeAlias = tuple[tuple[str, ...], sp.Expr]  # exp(part (X + Y + ...))
Bracketing: TypeAlias = "str | tuple[Bracketing, Bracketing]"  # a letter, or [left, right]


@dataclass(frozen=True)
class _Algebra:
    """Series in words of up to `degree` letters, with coefficients in `field`."""

    field: Any
    degree: int

    @property
    def unit(self) -> Series:
        return {(): self.field.one}

    def add(self, a: Mapping[Word, Any], b: Mapping[Word, Any], factor: Any) -> Series:
        """a + factor b."""
        result = dict(a)
        for word, c in b.items():
            result[word] = result[word] + factor * c if word in result else factor * c
        return {word: c for word, c in result.items() if c}

    def logarithm(self, a: Series) -> Series:
        """log(a) for a series with constant term 1."""
        rest = self.add(a, self.unit, -self.field.one)
        result: Series = {}
        power = self.unit
        for n in range(1, self.degree + 1):
            power = times(power, rest, self.degree)
            result = self.add(result, power, self.field.convert(sp.Rational((-1) ** (n + 1), n)))
        return result

    def exponential(self, a: Series) -> Series:
        """exp(a) for a series without constant term."""
        result, power = self.unit, self.unit
        for n in range(1, self.degree + 1):
            scaled = {word: c / self.field.convert(n) for word, c in a.items()}
            power = times(power, scaled, self.degree)
            result = self.add(result, power, self.field.one)
        return result

    def composition(self, factors: Sequence[tuple[tuple[str, ...], Any]]) -> Series:
        """The product of the exponentials, in order; parts are elements of the field."""
        result = self.unit
        for letters, part in factors:
            factor = exponential(letters, part, self.degree, self.field)
            result = times(result, factor, self.degree)
        return result


def _setting(
    factors: Sequence[Factor], degree: int
) -> tuple[_Algebra, list[tuple[tuple[str, ...], Any]]]:
    numbers = [part for _, part in factors]
    field, parts = construct_domain([*numbers, sp.Rational(1, 2)], extension=True, field=True)
    paired = list(zip((letters for letters, _ in factors), parts, strict=False))
    return _Algebra(field, degree), paired


def lie_series(factors: Sequence[Factor], degree: int) -> dict[Word, sp.Expr]:
    """log(exp(c1 X1) exp(c2 X2) ...) in the Lyndon basis, shortest words first.

    >>> for word, c in lie_series([(("A",), sp.S.One), (("B",), sp.S.One)], 3).items():
    ...     print(bracketed(word), c)
    A 1
    B 1
    [A, B] 1/2
    [A, [A, B]] 1/12
    [[A, B], B] 1/12
    """
    algebra, parts = _setting(factors, degree)
    lyndon = _to_lyndon(algebra.logarithm(algebra.composition(parts)), algebra)
    return {word: algebra.field.to_sympy(c) for word, c in lyndon.items()}


def _to_lyndon(polynomial: Series, algebra: _Algebra) -> Series:
    """Coefficients of a Lie polynomial on the brackets of Lyndon words.

    The least word of such a polynomial of one degree is a Lyndon word, and the expansion of its
    bracket begins with it: so the coefficients can be read off one after the other.

    Raises:
        ValueError: it is no Lie polynomial.
    """
    rest, result = dict(polynomial), {}
    while rest:
        word = min(rest, key=lambda w: (len(w), w))
        if not is_lyndon(word):
            raise ValueError(f"no Lie polynomial: the word {' '.join(word)} is left over")
        result[word] = rest[word]
        rest = algebra.add(rest, expand(standard_bracketing(word)), -rest[word])
    return result


def is_lyndon(word: Word) -> bool:
    """Whether `word` is smaller than all its proper suffixes."""
    return bool(word) and all(word < word[i:] for i in range(1, len(word)))


@cache
def standard_bracketing(word: Word) -> Bracketing:
    """The bracket of a Lyndon word: split before its longest proper Lyndon suffix."""
    if len(word) == 1:
        return word[0]
    start = next(i for i in range(1, len(word)) if is_lyndon(word[i:]))
    return standard_bracketing(word[:start]), standard_bracketing(word[start:])


@cache
def _expanded(bracketing: Bracketing) -> tuple[tuple[Word, int], ...]:
    if isinstance(bracketing, str):
        return (((bracketing,), 1),)
    left, right = (_expanded(part) for part in bracketing)
    commutator: dict[Word, int] = {}
    for u, a in left:
        for v, b in right:
            commutator[u + v] = commutator.get(u + v, 0) + a * b
            commutator[v + u] = commutator.get(v + u, 0) - a * b
    return tuple((word, c) for word, c in commutator.items() if c)


def expand(bracketing: Bracketing) -> dict[Word, int]:
    """A bracket as words: [a, b] = ab - ba.

    >>> expand(("A", "B"))
    {('A', 'B'): 1, ('B', 'A'): -1}
    """
    return dict(_expanded(bracketing))


def bracketed(word: Word) -> str:
    """The bracket of a Lyndon word, for print."""
    return _text(standard_bracketing(word))


def _text(bracketing: Bracketing) -> str:
    if isinstance(bracketing, str):
        return bracketing
    return f"[{_text(bracketing[0])}, {_text(bracketing[1])}]"


def reproduces(series: Mapping[Word, sp.Expr], factors: Sequence[Factor], degree: int) -> bool:
    """Whether the exponential of a combination of Lyndon brackets is the composition again."""
    algebra, parts = _setting(factors, degree)
    polynomial: Series = {}
    for word, c in series.items():
        brackets = expand(standard_bracketing(word))
        polynomial = algebra.add(polynomial, brackets, algebra.field.from_sympy(c))
    again = algebra.exponential(polynomial)
    return not algebra.add(again, algebra.composition(parts), -algebra.field.one)


def of_degree(series: Mapping[Word, sp.Expr], degree: int) -> dict[Word, sp.Expr]:
    """The words of one length."""
    return {word: c for word, c in series.items() if len(word) == degree}
