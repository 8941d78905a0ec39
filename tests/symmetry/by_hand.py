"""Losses with a symmetry, optimizers and sums, written down without the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import sympy as sp

from symplectic_codegen.algebra.symbols import Component, d
from symplectic_codegen.algebra.vector import Total

Vector = list[Fraction]
Gradient = Callable[[Sequence[Fraction]], Vector]


def scale_invariant(w: Sequence[Fraction]) -> Vector:
    """The gradient of (w0 w1 + 2 w1 w2 - w0^2)/|w|^2."""
    a, b, c = w
    square = a * a + b * b + c * c
    top = a * b + 2 * b * c - a * a
    inner = [b - 2 * a, a + 2 * c, 2 * b]
    return [(g * square - top * 2 * x) / square**2 for g, x in zip(inner, w, strict=True)]


def translation_invariant(w: Sequence[Fraction]) -> Vector:
    """The gradient of (w0 - w1)^3 + (w0 - w1)(w1 - w2) - (w2 - w0)^2."""
    a, b, c = w
    u, v, x = a - b, b - c, c - a
    return [3 * u**2 + v + 2 * x, -3 * u**2 - v + u, -u - 2 * x]


def rotation_invariant(w: Sequence[Fraction]) -> Vector:
    """The gradient of s^2/7 - s for s = |w|^2."""
    s = sum(x * x for x in w)
    return [(2 * s / 7 - 1) * 2 * x for x in w]


LOSSES: Mapping[str, Gradient] = {
    "translation": translation_invariant,
    "scaling": scale_invariant,
    "rotation": rotation_invariant,
}
START_W = [Fraction(3, 2), Fraction(-2, 3), Fraction(4, 5)]
START_X = [Fraction(1, 3), Fraction(1, 2), Fraction(-1, 5)]


def dot(a: Sequence[Fraction], b: Sequence[Fraction]) -> Fraction:
    """The scalar product."""
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))


def exact(value: Fraction) -> sp.Rational:
    """A fraction as SymPy's."""
    return sp.Rational(value.numerator, value.denominator)


def evaluate(
    expr: sp.Expr,
    vectors: Mapping[Component, Sequence[Fraction]],
    scalars: Mapping[str, Fraction],
) -> sp.Expr:
    """The value of a scalar expression, its sums written out by hand."""
    n = len(next(iter(vectors.values())))
    rows = [{v: exact(x[i]) for v, x in vectors.items()} for i in range(n)]

    def written_out(node: sp.Expr) -> sp.Expr:
        return sp.Add(*(node.body.xreplace(row) for row in rows))

    plain = expr.replace(lambda e: isinstance(e, Total), written_out).xreplace({d: sp.Integer(n)})
    return plain.subs({s: exact(scalars[s.name]) for s in plain.free_symbols})
