"""The order of a composition of exact flows, from the free algebra of its pieces.

A composition exp(a1 X1) exp(a2 X2) ... of exact flows has order p for *every* choice of the pieces
exactly if it agrees with exp(X + Y + ...) in all words of up to p letters, where the letters X, Y,
... do not commute. That is decided here in exact arithmetic, with the parts as algebraic numbers or
in symbols. (A linear problem decides nothing: there most words coincide.)
"""

from __future__ import annotations

from functools import cache
from math import factorial
from typing import Any

import sympy as sp
from sympy.polys.constructor import construct_domain

from symplectic_codegen.errors import SpecError
from symplectic_codegen.language.composition import Composition, Piece, Readout

Word = tuple[str, ...]
Series = dict[Word, Any]  # coefficients in a field of SymPy
LARGEST = 6  # words of up to so many letters are compared


@cache
def order_of(composition: Composition, limit: int = LARGEST) -> int:
    """The largest order, up to `limit`, that the composition has for all pieces.

    >>> from symplectic_codegen.language.composition import parse_composition
    >>> [order_of(parse_composition(text)) for text in ("A B", "B/2 A B/2", "A B(1)")]
    [1, 2, 1]

    Raises:
        SpecError: a readout is no flow.
    """
    pieces = _plain(composition)
    numbers = [p.part for p in pieces]
    field, parts = construct_domain([*numbers, sp.Rational(1, 2)], extension=True, field=True)
    letters = sorted({letter for p in pieces for letter in _letters(p, pieces)})
    product: Series = {(): field.one}
    for piece, part in zip(pieces, parts, strict=False):
        product = times(product, exponential(_letters(piece, pieces), part, limit, field), limit)
    whole = exponential(tuple(letters), field.one, limit, field)
    for degree in range(1, limit + 1):
        words = {w for w in (*product, *whole) if len(w) == degree}
        if any(product.get(w, field.zero) != whole.get(w, field.zero) for w in words):
            return degree - 1
    return limit


def _plain(composition: Composition) -> tuple[Piece, ...]:
    pieces = []
    for item in composition:
        if isinstance(item, Readout):
            raise SpecError(f"the readout {item} is no flow: the free algebra says nothing of it")
        pieces.append(item)
    return tuple(pieces)


def _letters(piece: Piece, pieces: tuple[Piece, ...]) -> tuple[str, ...]:
    """What a piece is the sum of: A is K + C where these occur by themselves."""
    split = any(p.letter in "KC" for p in pieces)
    return ("C", "K") if piece.letter == "A" and split else (piece.letter,)


def exponential(letters: tuple[str, ...], part: Any, limit: int, field: Any) -> Series:
    """exp(part (X + Y + ...)) in words of up to `limit` letters."""
    result: Series = {(): field.one}
    words: list[Word] = [()]
    power = field.one
    for degree in range(1, limit + 1):
        words = [(*word, letter) for word in words for letter in letters]
        power = power * part
        coefficient = power / field.convert(factorial(degree))
        result |= dict.fromkeys(words, coefficient)
    return result


def times(left: Series, right: Series, limit: int) -> Series:
    """The product, in words of up to `limit` letters."""
    result: Series = {}
    for a, x in left.items():
        for b, y in right.items():
            if len(a) + len(b) <= limit:
                word = (*a, *b)
                result[word] = result[word] + x * y if word in result else x * y
    return {word: c for word, c in result.items() if c}
