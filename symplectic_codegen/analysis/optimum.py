"""The best hyperparameters for curvatures between two ends, derived.

For a rule with trace T = 1 + D - B (lambda + shift) and a determinant D free of lambda, the slowest
eigenvalue over [lambda_min, lambda_max] is least where the motion is critically damped at both
ends, T = 2 sqrt(D) at the lower and T = -2 sqrt(D) at the upper one. Heavy ball, gradient descent,
and every other conformal rule with one gradient per step are of this form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

from symplectic_codegen.algebra.display import Formula, Printable
from symplectic_codegen.algebra.forms import readable
from symplectic_codegen.algebra.notation import to_latex, to_unicode
from symplectic_codegen.algebra.proof import Claim, Verdict
from symplectic_codegen.analysis.domain import Domain
from symplectic_codegen.analysis.linear_step import LinearStep
from symplectic_codegen.errors import AnalysisError

SMALLEST, LARGEST = sp.symbols("lambda_min lambda_max", positive=True)
_LOW, _GAP = sp.symbols("low gap", positive=True)  # roots of the ends: low, and low + gap


@dataclass(frozen=True)
class Optimum(Printable):
    """Hyperparameters with the smallest spectral radius over a range of curvatures.

    Args:
        values: the best value of each hyperparameter that is not free.
        rate: the spectral radius that they reach.
        free: hyperparameters whose value makes no difference once `values` are chosen.
        claim: why nothing does better.
    """

    values: Mapping[sp.Symbol, sp.Expr]
    rate: sp.Expr
    free: tuple[sp.Symbol, ...]
    claim: Claim

    def formulas(self) -> tuple[Formula, ...]:
        """The values, then the rate."""
        rows = [
            Formula.equation(to_unicode(s), to_latex(s), value) for s, value in self.values.items()
        ]
        return (*rows, Formula.equation("rate", r"\rho", self.rate))


def optimum(step: LinearStep, domain: Domain, order: tuple[sp.Symbol, ...]) -> Optimum:
    """The best values of the hyperparameters in `order`, those to be solved for first in front.

    Raises:
        AnalysisError: nothing contracts, the trace has another form, or no hyperparameter is left
            to choose.

    >>> from symplectic_codegen import catalog
    >>> from symplectic_codegen.analysis.domain import domain_of
    >>> from symplectic_codegen.analysis.linear_step import linear_step
    >>> from symplectic_codegen.driver import derive
    >>> d = derive(catalog.load("gradient_descent"))
    >>> print(optimum(linear_step(d), domain_of(d), (sp.Symbol("lr", positive=True),)))
    lr = 2/(λ_max + λ_min)
    rate = (λ_max − λ_min)/(λ_max + λ_min)
    """
    if step.gain is None:
        raise AnalysisError(
            "the trace is not of the form 1 + D − B·λ, so critical damping at both ends of a "
            "range of curvatures is not known to be best"
        )
    D, B = step.determinant, step.gain
    if sp.simplify(D - 1) == 0:
        raise AnalysisError("the step preserves area: no choice of hyperparameters contracts")
    low, high = SMALLEST + step.shift, LARGEST + step.shift
    for symbol in (s for s in order if D.has(s)):
        root, gain = _critical_at_both_ends(low, high)
        damped = _solve(D - root**2, symbol, domain)
        if damped is None:
            continue
        for other in (s for s in order if s != symbol and B.has(s)):
            rest = B.xreplace({symbol: damped})
            value = _solve(rest - gain, other, domain)
            if value is None or damped.has(other) or step.shift.free_symbols & {symbol, other}:
                continue
            values = {other: _in_ends(value), symbol: _in_ends(damped)}
            return Optimum(values, _in_ends(root), _free(step, values, order), _proof())
        break
    for symbol in (s for s in order if B.has(s) and not D.has(s) and not step.shift.has(s)):
        # D is given: the ends are balanced, T(low) = -T(high).
        value = _solve(B * (low + high) - 2 * (1 + D), symbol, domain)
        if value is not None:
            T = (1 + D) * (high - low) / (high + low)
            rate = T if D == 0 else (T + sp.sqrt(T**2 - 4 * D)) / 2
            values = {symbol: _in_ends(value)}
            return Optimum(values, sp.factor(rate), _free(step, values, order), _proof())
    raise AnalysisError(
        "the equations T = ±2·√(D) at the two ends of the range could not be solved for the "
        "hyperparameters of this rule"
    )


def _critical_at_both_ends(low: sp.Expr, high: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """sqrt(D) and B from (1 - sqrt(D))**2 = B low and (1 + sqrt(D))**2 = B high."""
    p, B = sp.symbols("p B", positive=True)
    equations = [1 + p**2 - B * _LOW**2 - 2 * p, 1 + p**2 - B * (_LOW + _GAP) ** 2 + 2 * p]
    solutions = sp.solve(equations, [p, B], dict=True)
    inside = [s for s in solutions if Domain({}).sign(1 - s[p]) == 1]
    assert len(inside) == 1
    back = {_LOW: sp.sqrt(low), _GAP: sp.sqrt(high) - sp.sqrt(low)}
    root, gain = (sp.factor(inside[0][s]).xreplace(back) for s in (p, B))
    return sp.cancel(root), sp.factor(sp.expand(sp.denom(gain))) ** -1 * sp.numer(gain)


def _solve(expr: sp.Expr, symbol: sp.Symbol, domain: Domain) -> sp.Expr | None:
    """The one positive root in `symbol`, checked by substitution."""
    try:
        roots = sp.solve(expr, symbol)
    except NotImplementedError:
        return None
    roots = [r for r in roots if not r.has(sp.I) and sp.simplify(expr.xreplace({symbol: r})) == 0]
    positive = [r for r in roots if domain.sign(r) != -1]
    return positive[0] if len(positive) == 1 else None


def _in_ends(expr: sp.Expr) -> sp.Expr:
    return sp.factor(sp.powsimp(expr), deep=False)


def _free(
    step: LinearStep, values: Mapping[sp.Symbol, sp.Expr], order: tuple[sp.Symbol, ...]
) -> tuple[sp.Symbol, ...]:
    present = step.matrix.free_symbols
    return tuple(s for s in order if s in present and s not in values)


def _proof() -> Claim:
    """Why critical damping at both ends is best, each step checked by exact algebra.

    Given D, the largest |T| over the range is least if the ends balance: |T| = (1 + D) kappa with
    kappa = (high - low)/(high + low) < 1. The spectral radius rho grows with |T|, and rho**2 -
    (1 + D) kappa rho + D = 0 gives drho/dD = (kappa - 1/rho)/(1 - D/rho**2) < 0 while the roots are
    real. So D grows until they meet, and there rho = sqrt(D) cannot be less: D is their product.
    """
    rho, D = sp.Symbol("rho"), sp.Symbol("D")
    high = (_LOW + _GAP) ** 2
    kappa = (high - _LOW**2) / (high + _LOW**2)
    slope = sp.Function("r")(D)
    defining = slope**2 - (1 + D) * kappa * slope + D
    derivative = sp.solve(sp.diff(defining, D), sp.diff(slope, D))[0].subs(slope, rho)
    # On the curve (1 + D) kappa = rho + D/rho; put in, the derivative is the one stated.
    stated = (kappa - 1 / rho) / (1 - D / rho**2)
    on_curve = derivative.subs(_GAP, _GAP) - (kappa * rho - 1) / (2 * rho - (1 + D) * kappa)
    same = sp.simplify(stated.subs(D, D) * (1 - D / rho**2) - (kappa - 1 / rho))
    root = _GAP / (2 * _LOW + _GAP)
    meet = sp.simplify((1 + root**2) * kappa - 2 * root)
    holds = all(sp.simplify(e) == 0 for e in (on_curve, same, meet))
    return Claim(
        "no choice of these hyperparameters has a smaller spectral radius over the whole range",
        Verdict.PROVED if holds else Verdict.ASSUMED,
        "the eigenvalues multiply to D; below critical damping the larger one falls as D grows",
    )
