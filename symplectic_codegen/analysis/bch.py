"""The Baker-Campbell-Hausdorff series of any composition, in the free algebra.

Words in noncommuting letters with rational coefficients are multiplied out, log(exp(a) exp(b) ...)
is taken as a power series, and the result, which is a Lie polynomial, is written in the Lyndon
basis: no coefficient is typed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from typing import TypeAlias

Word: TypeAlias = tuple[str, ...]
Series: TypeAlias = Mapping[Word, Fraction]
Bracketing: TypeAlias = "str | tuple[Bracketing, Bracketing]"  # a letter, or [left, right]

_UNIT: Series = {(): Fraction(1)}


def multiply(a: Series, b: Series, degree: int) -> dict[Word, Fraction]:
    """The product, without words longer than `degree`."""
    result: dict[Word, Fraction] = {}
    for u, p in a.items():
        for v, q in b.items():
            if len(u) + len(v) <= degree:
                result[u + v] = result.get(u + v, Fraction(0)) + p * q
    return {word: c for word, c in result.items() if c}


def add(a: Series, b: Series, factor: Fraction = Fraction(1)) -> dict[Word, Fraction]:
    """a + factor b."""
    result = dict(a)
    for word, c in b.items():
        result[word] = result.get(word, Fraction(0)) + factor * c
    return {word: c for word, c in result.items() if c}


def exponential(a: Series, degree: int) -> dict[Word, Fraction]:
    """exp(a) for a series without constant term."""
    result, power = dict(_UNIT), dict(_UNIT)
    for n in range(1, degree + 1):
        power = {word: c / n for word, c in multiply(power, a, degree).items()}
        result = add(result, power)
    return result


def logarithm(a: Series, degree: int) -> dict[Word, Fraction]:
    """log(a) for a series with constant term 1."""
    rest = add(a, _UNIT, Fraction(-1))
    result: dict[Word, Fraction] = {}
    power = dict(_UNIT)
    for n in range(1, degree + 1):
        power = multiply(power, rest, degree)
        result = add(result, power, Fraction((-1) ** (n + 1), n))
    return result


def composition(factors: Sequence[tuple[str, Fraction]], degree: int) -> dict[Word, Fraction]:
    """exp(c1 l1) exp(c2 l2) ... for letters l with coefficients c, in that order."""
    result = dict(_UNIT)
    for letter, part in factors:
        result = multiply(result, exponential({(letter,): part}, degree), degree)
    return result


def lie_series(factors: Sequence[tuple[str, Fraction]], degree: int) -> dict[Word, Fraction]:
    """log(exp(c1 l1) exp(c2 l2) ...) in the Lyndon basis, shortest words first.

    >>> one = Fraction(1)
    >>> for word, c in lie_series([("A", one), ("B", one)], 3).items():
    ...     print(bracketed(word), c)
    A 1
    B 1
    [A, B] 1/2
    [A, [A, B]] 1/12
    [[A, B], B] 1/12
    """
    return to_lyndon(logarithm(composition(factors, degree), degree))


def to_lyndon(polynomial: Series) -> dict[Word, Fraction]:
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
        rest = add(rest, expand(standard_bracketing(word)), -rest[word])
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
def _expanded(bracketing: Bracketing) -> tuple[tuple[Word, Fraction], ...]:
    if isinstance(bracketing, str):
        return (((bracketing,), Fraction(1)),)
    left, right = (dict(_expanded(part)) for part in bracketing)
    degree = _degree(bracketing)
    commutator = add(multiply(left, right, degree), multiply(right, left, degree), Fraction(-1))
    return tuple(commutator.items())


def expand(bracketing: Bracketing) -> dict[Word, Fraction]:
    """A bracket as words: [a, b] = ab - ba."""
    return dict(_expanded(bracketing))


def _degree(bracketing: Bracketing) -> int:
    return 1 if isinstance(bracketing, str) else sum(_degree(part) for part in bracketing)


def bracketed(word: Word) -> str:
    """The bracket of a Lyndon word, for print."""
    return _text(standard_bracketing(word))


def _text(bracketing: Bracketing) -> str:
    if isinstance(bracketing, str):
        return bracketing
    return f"[{_text(bracketing[0])}, {_text(bracketing[1])}]"


def reproduces(series: Series, factors: Sequence[tuple[str, Fraction]], degree: int) -> bool:
    """Whether the exponential of a combination of Lyndon brackets is the composition again."""
    polynomial: dict[Word, Fraction] = {}
    for word, c in series.items():
        polynomial = add(polynomial, expand(standard_bracketing(word)), c)
    difference = add(exponential(polynomial, degree), composition(factors, degree), Fraction(-1))
    return not difference


def of_degree(series: Series, degree: int) -> dict[Word, Fraction]:
    """The words of one length."""
    return {word: c for word, c in series.items() if len(word) == degree}


def letters(factors: Iterable[tuple[str, Fraction]]) -> tuple[str, ...]:
    """The letters, each once, in order of appearance."""
    return tuple(dict.fromkeys(letter for letter, _ in factors))
