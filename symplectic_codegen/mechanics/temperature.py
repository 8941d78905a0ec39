"""The thermal law h dbeta/dt = k dH/dU: solved in closed form, or classified as feedback.

The solution is kept as a *propagator*: beta at time t for beta = b at time s. The profile of an
optimizer is the propagator from beta(0) = beta0; the cooling map of one step is the propagator over
that step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import sympy as sp
from sympy.integrals.manualintegrate import manualintegrate

from symplectic_codegen.algebra.display import Formula, Printable
from symplectic_codegen.algebra.forms import exponential_as_power
from symplectic_codegen.algebra.proof import Claim, Verdict, vanishes
from symplectic_codegen.algebra.symbols import START, L, U, beta, beta0, t
from symplectic_codegen.algebra.vector import components, outer_totals


@dataclass(frozen=True)
class Temperature(Printable):
    """The motion of beta.

    Args:
        kind: "constant", "exponential", "shifted exponential", "power law", "autonomous",
            "explicit time", or "feedback" (no law of its own: beta and U are state).
        rate: dbeta/dt.
        propagator: beta(t) for beta(s) = beta, as an expression in beta, t and s; None if feedback.
        claim: the check that the propagator solves the law.
        reason: why there is no closed form.
    """

    kind: str
    rate: sp.Expr
    propagator: sp.Expr | None
    claim: Claim
    reason: str = ""

    def profile(self, initial: sp.Expr = beta0) -> sp.Expr | None:
        """beta(t) from beta(0) = `initial`."""
        if self.propagator is None:
            return None
        return _tidy(self.propagator.subs(START, 0).subs(beta, initial))

    def formulas(self) -> tuple[Formula, ...]:
        """The profile from beta(0) = beta0, or why there is none."""
        profile = self.profile()
        if profile is None:
            return (Formula(f"feedback: {self.reason}", rf"\text{{feedback: {self.reason}}}"),)
        solution = Formula.equation("β(t)", r"\beta(t)", profile)
        return (Formula(f"{self.kind}: {solution.text}", solution.latex),)


def thermal_law(rate: sp.Expr) -> Temperature:
    """Solve dbeta/dt = `rate`.

    >>> gamma = sp.Symbol("gamma", positive=True)
    >>> thermal_law(gamma * beta).profile()
    beta0*exp(gamma*t)
    >>> thermal_law(gamma * beta * U).kind
    'feedback'
    """
    if rate.has(U, L) or components(rate) or outer_totals(rate):
        return _feedback(rate, "∂H/∂U depends on " + _dependence(rate))
    solved = _solve(rate)
    if solved is None:
        return _feedback(rate, f"no closed form was found for dβ/dt = {rate}")
    kind, propagator = solved
    if not _solves(propagator, rate):
        return _feedback(rate, f"the closed form of dβ/dt = {rate} could not be verified")
    claim = Claim(
        "β(t) solves h β̇ = k ∂H/∂U", Verdict.PROVED, "substituted into its differential equation"
    )
    return Temperature(kind, rate, propagator, claim)


def law_at_rest(rate: sp.Expr) -> Temperature:
    """Solve dbeta/dt = `rate` where everything else in it rests: the loss, sums over components.

    This is the motion of beta inside the flow of a piece of H; `thermal_law` is its motion by
    itself, which in such a case it has not.

    >>> law_at_rest(L * beta).propagator.subs(START, 0)
    beta*exp(L*t)
    """
    resting = [symbol for symbol in (L,) if rate.has(symbol)] + outer_totals(rate)
    names = {
        q: sp.Dummy(f"q{i}", positive=True) if q.is_positive else sp.Dummy(f"q{i}", real=True)
        for i, q in enumerate(resting)
    }
    law = thermal_law(rate.xreplace(names))
    if law.propagator is None:
        return law
    back = {name: q for q, name in names.items()}
    return replace(law, rate=rate, propagator=law.propagator.xreplace(back))


def cooling_map(rate: sp.Expr, kind: str) -> sp.Expr:
    """beta at time t for beta at time s, by a map of the momenta that is not exact.

    With the friction r = (dbeta/dt)/beta, one step takes X to X/(1 + r tau) ("implicit": r at its
    end), (1 - r tau/2)/(1 + r tau/2) X ("cayley": r in its middle) or (1 - r tau) X ("explicit": r
    at its beginning). X follows beta as 1/beta, hence beta the reciprocal.

    >>> gamma = sp.Symbol("gamma", positive=True)
    >>> cooling_map(gamma * beta, "implicit").subs(START, 0)
    beta*(gamma*t + 1)
    """
    elapsed = t - START
    friction = sp.cancel(rate / beta)
    if kind == "implicit":
        return beta * (1 + friction * elapsed)
    if kind == "explicit":
        return beta / (1 - friction.subs(t, START) * elapsed)
    half = friction.subs(t, (START + t) / 2) * elapsed / 2
    return beta * (1 + half) / (1 - half)


def _solves(propagator: sp.Expr, rate: sp.Expr) -> bool:
    """Whether `propagator` starts at beta and moves at `rate`, exactly."""
    if not vanishes(sp.powsimp(propagator.subs(t, START) - beta)):
        return False
    positive = _positive_bases(propagator)
    opened = propagator.xreplace(positive)
    residual = sp.diff(propagator, t).xreplace(positive) - rate.subs(beta, opened)
    for base, symbol in positive.items():
        # What is left over is one power of the base times something rational in it.
        residual = _tidy_powers(sp.expand(residual), symbol)
        broken = sorted(
            (p.exp for p in residual.atoms(sp.Pow) if p.base == symbol and not p.exp.is_integer),
            key=sp.default_sort_key,
        )
        if broken:
            residual = _tidy_powers(sp.expand(residual * symbol ** -broken[0]), symbol)
        residual = residual.xreplace({symbol: base})
    return vanishes(sp.powsimp(residual))


def _tidy_powers(expr: sp.Expr, symbol: sp.Symbol) -> sp.Expr:
    """`expr` with the exponents of `symbol` in lowest terms, so that equal ones are seen."""
    joined = sp.expand(sp.powsimp(expr))
    return joined.replace(
        lambda e: e.is_Pow and e.base == symbol, lambda e: symbol ** sp.cancel(e.exp)
    )


def _positive_bases(propagator: sp.Expr) -> dict[sp.Expr, sp.Symbol]:
    """Symbols for the sums that are raised to a power: positive wherever beta is defined."""
    bases = {power.base for power in propagator.atoms(sp.Pow) if power.base.is_Add}
    ordered = sorted(bases, key=sp.default_sort_key)
    return {base: sp.Dummy(f"base{i}", positive=True) for i, base in enumerate(ordered)}


def _dependence(rate: sp.Expr) -> str:
    names = [name for symbol, name in ((U, "U"), (L, "the loss L")) if rate.has(symbol)]
    return " and ".join(names) or "the weights or momenta"


def _feedback(rate: sp.Expr, reason: str) -> Temperature:
    claim = Claim("β and U are state, integrated with the step", Verdict.ASSUMED, reason)
    return Temperature("feedback", rate, None, claim, reason)


def _solve(rate: sp.Expr) -> tuple[str, sp.Expr] | None:
    solved = _closed_form(rate)
    if solved is None:
        return None
    kind, propagator = solved
    # exp(gamma log(1 + t)) is a power, and integrates as one.
    return kind, propagator.replace(sp.exp, exponential_as_power)


def _closed_form(rate: sp.Expr) -> tuple[str, sp.Expr] | None:
    elapsed = t - START
    if rate == 0:
        return "constant", beta
    if not rate.has(beta):
        integral = _integral(rate)
        kind = "explicit time" if rate.has(t) else "autonomous"
        return None if integral is None else (kind, beta + integral)
    in_time, in_beta = sp.expand_mul(sp.factor_terms(rate)).as_independent(beta, as_Add=False)
    if in_beta.has(t):
        return _linear(rate)
    clock = _integral(in_time) if in_time.has(t) else in_time * elapsed
    if clock is None:
        return None
    kind, propagator = _separable(in_beta, clock)
    if propagator is None:
        return None
    return ("explicit time" if in_time.has(t) else kind), propagator


def _linear(rate: sp.Expr) -> tuple[str, sp.Expr] | None:
    """Solve dbeta/dt = a beta + q(t) by its integrating factor."""
    slope = sp.diff(rate, beta)
    if slope.has(beta, t):
        return None
    source = sp.expand(rate - slope * beta)
    moment = sp.Dummy("t", nonnegative=True)
    driven = sp.powsimp(sp.expand(sp.exp(slope * (t - moment)) * source.subs(t, moment)))
    antiderivative = sp.Add(
        *(manualintegrate(sp.powsimp(term), moment) for term in sp.Add.make_args(driven))
    )
    if antiderivative.has(sp.Integral, sp.Piecewise):
        return None
    collected = antiderivative.subs(moment, t) - antiderivative.subs(moment, START)
    return "explicit time", beta * sp.exp(slope * (t - START)) + collected


def _separable(g: sp.Expr, clock: sp.Expr) -> tuple[str, sp.Expr | None]:
    """Solve dbeta/dclock = g(beta)."""
    slope = sp.diff(g, beta)
    if not slope.has(beta):
        offset = sp.cancel((g - slope * beta) / slope)
        kind = "exponential" if offset == 0 else "shifted exponential"
        return kind, (beta + offset) * sp.exp(slope * clock) - offset
    shift, exponent = _shifted_power(g)
    if shift != 0:
        moved = g.subs(beta, beta - shift)
        kind, solution = _separable(sp.powsimp(sp.factor(moved)), clock)
        if solution is not None and exponent != 1:
            return "autonomous", solution.subs(beta, beta + shift) - shift
    bernoulli = _bernoulli(g, clock)
    if bernoulli is not None:
        return "autonomous", bernoulli
    power = sp.simplify(beta * slope / g)
    if not power.has(beta):
        scale = sp.simplify(g / beta**power)
        inverse = sp.simplify(1 - power)
        # beta^(1-p) grows linearly; written relative to its start, so that it is beta at clock 0.
        growth = 1 + inverse * scale * clock * beta ** (-inverse)
        return "power law", beta * growth ** (1 / inverse)
    return "autonomous", _by_quadrature(g, clock)


def _shifted_power(g: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """(c, p) for g = a (beta + c)**p; (0, 1) for anything else."""
    moving = [f for f in sp.Mul.make_args(sp.factor(g)) if f.has(beta)]
    if len(moving) == 1 and moving[0].is_Pow and moving[0].base.is_Add:
        base = moving[0].base
        slope = sp.diff(base, beta)
        if not slope.has(beta) and not moving[0].exp.has(beta):
            return sp.cancel((base - slope * beta) / slope), moving[0].exp
    return sp.S.Zero, sp.S.One


def _bernoulli(g: sp.Expr, clock: sp.Expr) -> sp.Expr | None:
    """Solve dbeta/dclock = a beta + b beta**p: u = beta**(1 - p) moves linearly."""
    terms: dict[sp.Expr, sp.Expr] = {}
    for term in sp.Add.make_args(sp.expand(g)):
        scale, power = term.as_independent(beta, as_Add=False)
        base, exponent = power.as_base_exp()
        if base != beta or exponent.has(beta):
            return None
        terms[exponent] = terms.get(exponent, sp.S.Zero) + scale
    if len(terms) != 2 or 1 not in terms:
        return None
    a = terms.pop(sp.S.One)
    ((p, b),) = terms.items()
    q = sp.expand(1 - p)
    # beta**q = (beta**q + b/a) exp(q a clock) - b/a, relative to its start.
    grown = sp.exp(q * a * clock)
    return beta * (grown + b / a * beta**-q * (grown - 1)) ** (1 / q)


def _by_quadrature(g: sp.Expr, clock: sp.Expr) -> sp.Expr | None:
    target = sp.Dummy("target", positive=True)
    quadrature = sp.integrate(1 / g, beta)
    if quadrature.has(sp.Integral):
        return None
    try:
        solutions = sp.solve(sp.Eq(quadrature.subs(beta, target), quadrature + clock), target)
    except NotImplementedError:
        return None
    at_start = [s for s in solutions if vanishes(s.subs(t, START) - beta)]
    return at_start[0] if len(at_start) == 1 else None


def _integral(rate: sp.Expr) -> sp.Expr | None:
    moment = sp.Dummy("t", nonnegative=True)
    integral = sp.integrate(rate.subs(t, moment), (moment, START, t))
    return None if integral.has(sp.Integral) else integral


def _tidy(expr: sp.Expr) -> sp.Expr:
    """Pull beta0 out of powers of products, where the exponents combine."""
    return sp.powsimp(sp.expand_power_base(sp.powsimp(expr)))
