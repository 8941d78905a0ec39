"""From physical parameters to the names that users know: lr = tau/h, momentum = exp(-gamma tau).

Each user-facing name is given as an expression in physical parameters. The engine solves for as
many physical parameters as there are names, those without a default first, and puts the solution
into every coefficient of the rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import sympy as sp

from symplectic_codegen.algebra.forms import positive_denominator
from symplectic_codegen.algebra.proof import Claim, Verdict, vanishes
from symplectic_codegen.errors import ReparametrizationError

_MAX_CHOICES = 24  # sets of unknowns that are tried before giving up


@dataclass(frozen=True)
class ParameterMap:
    """Physical parameters in terms of user-facing ones, with the check that it is their inverse."""

    physical: Mapping[sp.Symbol, sp.Expr]
    claim: Claim

    def apply(self, expr: sp.Expr) -> sp.Expr:
        """`expr` in user-facing parameters."""
        return expr.xreplace(dict(self.physical)) if self.physical else expr


def solve_parameters(
    definitions: Sequence[tuple[sp.Symbol, sp.Expr]],
    required: Sequence[sp.Symbol],
    optional: Sequence[sp.Symbol],
) -> ParameterMap:
    """Solve name_i = expression_i for physical parameters.

    Args:
        definitions: pairs (user-facing symbol, expression in physical symbols).
        required: physical parameters without a default; they are eliminated first.
        optional: physical parameters with a default, eliminated only if needed.

    Raises:
        ReparametrizationError: no choice of unknowns can be solved, or the solution is not unique.

    >>> lr, tau, h = sp.symbols("lr tau h", positive=True)
    >>> solve_parameters([(lr, tau / h)], [tau], [h]).physical
    {tau: h*lr}
    """
    if not definitions:
        return ParameterMap({}, Claim("no reparametrisation", Verdict.PROVED, "nothing to solve"))
    present = set().union(*(expr.free_symbols for _, expr in definitions))
    unknowns = [s for s in (*required, *optional) if s in present]
    for name, expr in definitions:
        if not expr.free_symbols & set(unknowns):
            raise ReparametrizationError(
                f"the reparametrisation {name} = {expr} contains no parameter of this Hamiltonian"
            )
    if len(unknowns) < len(definitions):
        raise ReparametrizationError(
            f"{len(definitions)} names cannot be solved for {len(unknowns)} parameters "
            f"({', '.join(map(str, unknowns))}): take away a --reparam"
        )
    ambiguous: list[dict[sp.Symbol, sp.Expr]] = []
    choices = combinations(range(len(unknowns)), len(definitions))
    for number, choice in enumerate(choices):
        if number >= _MAX_CHOICES:
            break
        solutions = _solve([(n, e) for n, e in definitions], [unknowns[i] for i in choice])
        solutions = [s for s in solutions if _is_inverse(definitions, s)]
        if len(solutions) == 1:
            claim = Claim(
                ", ".join(f"{name} = {expr}" for name, expr in definitions)
                + " solved for "
                + ", ".join(str(s) for s in solutions[0]),
                Verdict.PROVED,
                "substituted back",
            )
            return ParameterMap(solutions[0], claim)
        if len(solutions) > 1 and not ambiguous:
            ambiguous = solutions
    text = "; ".join(f"{name} = {expr}" for name, expr in definitions)
    if ambiguous:
        listed = " or ".join(
            ", ".join(f"{s} = {e}" for s, e in solution.items()) for solution in ambiguous
        )
        raise ReparametrizationError(f"the reparametrisation {text} is not unique: {listed}")
    raise ReparametrizationError(
        f"the reparametrisation {text} cannot be solved for "
        f"{', '.join(str(s) for s in unknowns)} in closed form"
    )


def _is_inverse(
    definitions: Sequence[tuple[sp.Symbol, sp.Expr]], solution: Mapping[sp.Symbol, sp.Expr]
) -> bool:
    return all(
        vanishes(expr.xreplace(dict(solution)) - name, thorough=True) for name, expr in definitions
    )


def _solve(
    equations: list[tuple[sp.Expr, sp.Expr]], unknowns: list[sp.Symbol]
) -> list[dict[sp.Symbol, sp.Expr]]:
    """All solutions found by eliminating one unknown after the other."""
    if not equations:
        return [{}]
    # The equation with the fewest unknowns first: a triangular system needs no search at all.
    equations = sorted(equations, key=lambda e: len((e[1] - e[0]).free_symbols & set(unknowns)))
    left, right = equations[0]
    for unknown in unknowns:
        if not (right - left).has(unknown):
            continue
        found: list[dict[sp.Symbol, sp.Expr]] = []
        for value in _roots(right - left, unknown):
            rest = [
                (a.xreplace({unknown: value}), b.xreplace({unknown: value}))
                for a, b in equations[1:]
            ]
            if any(sp.simplify(a - b) == 0 for a, b in rest):
                continue  # the names are not independent
            others = [u for u in unknowns if u != unknown]
            for solution in _solve(rest, others):
                value_now = sp.powsimp(value.xreplace(solution))
                if not value_now.free_symbols & set(unknowns):
                    found.append({unknown: value_now, **solution})
        if found:
            return found
    return []


def _roots(equation: sp.Expr, unknown: sp.Symbol) -> list[sp.Expr]:
    """Closed-form roots, positive unless nothing is known of their sign."""
    try:
        roots = sp.solve(equation, unknown)
    except NotImplementedError:
        return []
    real = [r for r in roots if r.is_real is not False and r.is_negative is not True]
    kept: list[sp.Expr] = []
    for root in real:
        # Of a pair +-r the engine means the positive one: units and rates are positive.
        if root.could_extract_minus_sign() and any(vanishes(root + other) for other in real):
            continue
        kept.append(root.replace(sp.log, _tidy_log))
    return kept


def _tidy_log(argument: sp.Expr) -> sp.Expr:
    """log(x y**p/z) as log(x) + p log(y) - log(z), with each factor written as positive."""
    numerator, denominator = sp.fraction(positive_denominator(argument))
    above, below = (sp.Mul.make_args(side) for side in (numerator, denominator))
    return sp.Add(*(_log(f) for f in above), *(-_log(f) for f in below))


def _log(factor: sp.Expr) -> sp.Expr:
    base, exponent = factor.as_base_exp()
    return exponent * sp.log(base) if base.is_positive else sp.log(factor)
