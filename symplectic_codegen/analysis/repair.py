"""The nearest velocity that has a kinetic energy: one reduction replaced by another.

Take a term phi(R) e_i, a function of a sum R times an elementwise factor. Its curl is phi'(R) times
(e_i r_j' - e_j r_i'), r the body of R, and vanishes exactly where r' is proportional to e. So R is
replaced by the sum whose gradient is e, with the constant that makes it R again where e is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

from symplectic_codegen.algebra.symbols import X
from symplectic_codegen.algebra.vector import Total, is_scalar, outer_totals, split_scalar
from symplectic_codegen.analysis.potential import antiderivative, curl


@dataclass(frozen=True)
class Repair:
    """An integrable velocity.

    Args:
        velocity: without curl.
        replaced: which sums were replaced, and by what.
    """

    velocity: sp.Expr
    replaced: Mapping[sp.Expr, sp.Expr]


def repair(velocity: sp.Expr) -> Repair | None:
    """The velocity with its sums replaced so that it has no curl; None if it is not of that form.

    >>> from symplectic_codegen.algebra.symbols import Component
    >>> g = Component("g")
    >>> repair(g * X / (1 + Total(X**2))).velocity
    X*g/(Total(X**2*g) + 1)
    """
    terms: list[sp.Expr] = []
    replaced: dict[sp.Expr, sp.Expr] = {}
    for term in sp.Add.make_args(velocity):
        scalar, factor = split_scalar(term)
        sums = [R for R in outer_totals(scalar) if X in R.body.free_symbols]
        if outer_totals(factor) or not factor.has(X):
            return None
        primitive = antiderivative(factor, X) if sums else None
        if sums and primitive is None:
            return None
        rules = {R: _like(R, factor, primitive) for R in sums}
        if any(replaced.get(R, S) != S for R, S in rules.items()):
            return None  # one sum would have to become two
        replaced |= {R: S for R, S in rules.items() if R != S}
        terms.append(scalar.xreplace(rules) * factor)
    repaired = sp.Add(*terms)
    if not replaced or not curl(repaired).is_zero:
        return None
    return Repair(repaired, replaced)


def _like(old: Total, factor: sp.Expr, primitive: sp.Expr) -> sp.Expr:
    """The sum with the primitive of `factor`, as large as the old one where these agree."""
    ratio = sp.factor_terms(sp.simplify(sp.diff(old.body, X) / factor))
    number, rest = ratio.as_coeff_Mul()
    scale, _ = split_scalar(rest)
    if is_scalar(ratio):
        scale = rest
    return Total(sp.factor_terms(sp.expand_mul(number * scale * primitive)))
