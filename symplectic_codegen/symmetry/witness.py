"""A point at which something is not zero, for a loss that has the symmetry.

That a term breaks a symmetry takes one loss with it and one point. The losses here are examples of
each kind in three dimensions; the values of everything else are reproducible.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType

import mpmath
import sympy as sp

from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.functions import away_from_kinks, elementary
from symplectic_codegen.algebra.samples import reproducible_value
from symplectic_codegen.algebra.symbols import L0, d
from symplectic_codegen.symmetry.generators import BLOCK, Generator

DIMENSION, POINTS, DIGITS = 3, 6, 40


def _of_differences(w: Sequence[sp.Symbol]) -> sp.Expr:
    first, second = w[0] - w[1], w[1] - w[2]
    return first**3 / 5 + 2 * first * second + second**2


def _of_directions(w: Sequence[sp.Symbol]) -> sp.Expr:
    square = sp.Add(*(x**2 for x in w))
    return (w[0] ** 2 + 2 * w[0] * w[1] + 3 * w[1] * w[2]) / square


def _of_length(w: Sequence[sp.Symbol]) -> sp.Expr:
    square = sp.Add(*(x**2 for x in w))
    return square + square**2 / 7


INVARIANT_LOSSES: MappingProxyType[str, Callable[[Sequence[sp.Symbol]], sp.Expr]] = (
    MappingProxyType(
        {"translation": _of_differences, "scaling": _of_directions, "rotation": _of_length}
    )
)


def witness(expr: sp.Expr, generator: Generator) -> str:
    """Where a scalar expression is not zero for an invariant loss, in words; "" if nowhere found.

    >>> from symplectic_codegen.algebra.symbols import G, w
    >>> from symplectic_codegen.algebra.vector import Total
    >>> from symplectic_codegen.symmetry.generators import scaling
    >>> witness(Total(G * w), scaling())
    ''
    """
    at = Coordinates(DIMENSION)
    loss = INVARIANT_LOSSES[generator.name](at.w)
    # All weights as one block: a special case of every block.
    whole = away_from_kinks(expr.xreplace({BLOCK: sp.S.One}))
    explicit = elementary(instantiate(whole, at, loss=loss)).xreplace({d: sp.Integer(DIMENSION)})
    symbols = sorted(explicit.free_symbols - {L0}, key=lambda s: str(s.name))
    evaluate = sp.lambdify(symbols, explicit.xreplace({L0: sp.S.One}), "mpmath", dummify=True)
    for number in range(POINTS):
        values = [reproducible_value(str(s.name), number) for s in symbols]
        with mpmath.workdps(DIGITS):
            try:
                value = evaluate(*(mpmath.mpf(v.p) / v.q for v in values))
            except (ZeroDivisionError, TypeError):
                continue  # a pole, or an order of what is not real
            if mpmath.isfinite(value) and abs(value) > mpmath.mpf(10) ** (10 - DIGITS):
                return f"{mpmath.nstr(value, 6)} at point {number} of an invariant loss"
    return ""
