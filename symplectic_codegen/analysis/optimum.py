"""The best hyperparameters for curvatures between two ends, derived.

For a rule with trace T = 1 + D - B (lambda + shift) and a determinant D free of lambda, the slowest
eigenvalue over [lambda_min, lambda_max] is least where the motion is critically damped at both
ends, T = 2 sqrt(D) at the lower and T = -2 sqrt(D) at the upper one. Heavy ball, gradient descent,
and every other conformal rule with one gradient per step are of this form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from symplectic_codegen.algebra.display import Formula, Printable
from symplectic_codegen.algebra.forms import readable
from symplectic_codegen.algebra.notation import to_latex, to_unicode
from symplectic_codegen.algebra.proof import Claim, Verdict
from symplectic_codegen.analysis.domain import Domain
from symplectic_codegen.analysis.linear_step import LinearStep, single_call
from symplectic_codegen.analysis.parameters import LARGEST, SMALLEST
from symplectic_codegen.analysis.stability import damped
from symplectic_codegen.errors import AnalysisError

_LOW, _HIGH = sp.Dummy("low", positive=True), sp.Dummy("high", positive=True)  # roots of the ends
_ROOT = sp.Dummy("root", positive=True)  # of the determinant


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


def optimum(
    step: LinearStep, domain: Domain, steps: Sequence[sp.Symbol], others: Sequence[sp.Symbol]
) -> Optimum:
    """The best values of two hyperparameters, or of one where there is no second.

    Args:
        steps: hyperparameters that make up the step size: the gain is solved for them first.
        others: the rest: the determinant is solved for these first.

    Raises:
        AnalysisError: nothing contracts, the trace has another form, or no hyperparameter is left
            to choose.

    >>> from symplectic_codegen import catalog
    >>> from symplectic_codegen.analysis.domain import domain_of
    >>> from symplectic_codegen.analysis.linear_step import linear_step
    >>> from symplectic_codegen.driver import derive
    >>> d = derive(catalog.load("gradient_descent"))
    >>> print(optimum(linear_step(d), domain_of(d), [sp.Symbol("lr", positive=True)], []))
    lr = 2/(λ_max + λ_min)
    rate = (λ_max − λ_min)/(λ_max + λ_min)
    """
    single_call(step)
    if step.gain is None:
        raise AnalysisError(
            "the trace is not of the form 1 + D − B·λ, so critical damping at both ends of a "
            "range of curvatures is not known to be best"
        )
    D, B = step.determinant, step.gain
    if sp.simplify(D - 1) == 0:
        raise AnalysisError("the step preserves area: no choice of hyperparameters contracts")
    domain = damped(step, domain)
    if any(domain.sign(expr) != 1 for expr in (1 - D, B)):
        raise AnalysisError("the step is not damped for every choice of its hyperparameters")
    found = _critical(D, B, domain, steps, others) or _balanced(D, B, domain, steps, others)
    if found is None or any(step.shift.has(symbol) for symbol in found[0]):
        raise AnalysisError(
            "the equations T = ±2·√(D) at the two ends of the range could not be solved for the "
            "hyperparameters of this rule"
        )
    ends = {_LOW: sp.sqrt(SMALLEST + step.shift), _HIGH: sp.sqrt(LARGEST + step.shift)}
    values = {s: _tidy(value).xreplace(ends) for s, value in found[0].items()}
    present = step.matrix.free_symbols
    free = tuple(s for s in (*steps, *others) if s in present and s not in values)
    return Optimum(values, sp.cancel(found[1]).xreplace(ends), free, _proof())


Found = tuple[dict[sp.Symbol, sp.Expr], sp.Expr]


def _critical(
    D: sp.Expr, B: sp.Expr, domain: Domain, steps: Sequence[sp.Symbol], others: Sequence[sp.Symbol]
) -> Found | None:
    """Values of two hyperparameters with critical damping at both ends, and the rate."""
    root, gain = _critical_at_both_ends()
    known = {_ROOT: root}
    for symbol in (s for s in (*others, *steps) if D.has(s)):
        damped = _solve(D - _ROOT**2, symbol, domain)
        if damped is None:
            continue
        for other in (s for s in (*steps, *others) if s != symbol):
            # The first solution may be in terms of the second, as in gamma = -log(D)/tau.
            value = _solve_monomial(B.xreplace({symbol: damped}), gain, other)
            if value is not None:
                first = damped.xreplace({other: value})
                return {other: value.xreplace(known), symbol: first.xreplace(known)}, root
    return None


def _balanced(
    D: sp.Expr, B: sp.Expr, domain: Domain, steps: Sequence[sp.Symbol], others: Sequence[sp.Symbol]
) -> Found | None:
    """The value of the gain with T(low) = -T(high), for a determinant that is given."""
    kappa = (_HIGH**2 - _LOW**2) / (_HIGH**2 + _LOW**2)
    for symbol in (s for s in (*steps, *others) if not D.has(s)):
        value = _solve_monomial(B, 2 * (1 + D) / (_LOW**2 + _HIGH**2), symbol)
        if value is not None and not any(D.has(s) for s in (*steps, *others)):
            T = (1 + D) * kappa
            return {symbol: value}, T if D == 0 else (T + sp.sqrt(T**2 - 4 * D)) / 2
    return None


def _critical_at_both_ends() -> tuple[sp.Expr, sp.Expr]:
    """sqrt(D) and B from (1 - sqrt(D))**2 = B low**2 and (1 + sqrt(D))**2 = B high**2."""
    p, B, gap = sp.symbols("p B gap", positive=True)
    equations = [1 + p**2 - B * _LOW**2 - 2 * p, 1 + p**2 - B * _HIGH**2 + 2 * p]
    solutions = sp.solve(equations, [p, B], dict=True)
    # The other solution has sqrt(D) > 1: it is unstable.
    inside = [s for s in solutions if Domain({}).sign((1 - s[p]).subs(_HIGH, _LOW + gap)) == 1]
    assert len(inside) == 1
    return sp.factor(inside[0][p]), sp.factor(inside[0][B])


def _solve(expr: sp.Expr, symbol: sp.Symbol, domain: Domain) -> sp.Expr | None:
    """The one root in `symbol` that can be positive, checked by substitution."""
    try:
        roots = sp.solve(expr, symbol)
    except NotImplementedError:
        return None
    roots = [r for r in roots if not r.has(sp.I) and sp.simplify(expr.xreplace({symbol: r})) == 0]
    positive = [r for r in roots if domain.sign(r) != -1]
    return positive[0] if len(positive) == 1 else None


def _tidy(value: sp.Expr) -> sp.Expr:
    if value.is_rational_function():
        value = readable(sp.cancel(value))
    else:
        value = sp.powsimp(
            value.replace(lambda e: e.is_Add and e.is_rational_function(), lambda e: sp.factor(e))
        )
    # An even power hides which of the two is larger.
    return value.replace(
        lambda e: e.is_Pow and e.base == _LOW - _HIGH and e.exp.is_even,
        lambda e: (_HIGH - _LOW) ** e.exp,
    )


def _solve_monomial(expr: sp.Expr, value: sp.Expr, symbol: sp.Symbol) -> sp.Expr | None:
    """`symbol` from expr = value, where expr is a power of it times something free of it."""
    rest, power = sp.factor_terms(sp.powsimp(expr)).as_independent(symbol, as_Add=False)
    base, exponent = power.as_base_exp()
    if base != symbol or not exponent.is_Rational:
        return None
    return (value / rest) ** (1 / exponent)


def _proof() -> Claim:
    """Why critical damping at both ends is best, each step checked by exact algebra.

    Given D, the largest |T| over the range is least if the ends balance: |T| = (1 + D) kappa with
    kappa = (high - low)/(high + low) < 1. The spectral radius rho grows with |T|, and rho**2 -
    (1 + D) kappa rho + D = 0 gives drho/dD = (kappa - 1/rho)/(1 - D/rho**2) < 0 while the roots are
    real. So D grows until they meet, and there rho = sqrt(D) cannot be less: D is their product.
    """
    rho, D, kappa = sp.symbols("rho D kappa")
    curve = rho**2 - (1 + D) * kappa * rho + D
    slope = -sp.diff(curve, D) / sp.diff(curve, rho)
    on_curve = {kappa: (rho + D / rho) / (1 + D)}
    stated = slope - (kappa - 1 / rho) / (1 - D / rho**2)
    root, _ = _critical_at_both_ends()
    meeting = (1 + root**2) * (_HIGH**2 - _LOW**2) / (_HIGH**2 + _LOW**2) - 2 * root
    holds = sp.simplify(stated.subs(on_curve)) == 0 and sp.simplify(meeting) == 0
    return Claim(
        "no choice of these hyperparameters has a smaller spectral radius over the whole range",
        Verdict.PROVED if holds else Verdict.ASSUMED,
        "the eigenvalues multiply to D; below critical damping the larger one falls as D grows",
    )
