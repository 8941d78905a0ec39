"""Exact flows of the pieces of a separable Hamiltonian, over one step of learning time.

A flow is a map z -> z+ of the coordinates (U, w; beta, X), written in component expressions. Both
flows follow from one sentence each:

*Kick and cooling* (potential V(w, beta, t) and thermal E(U, beta, t) together): w rests, so the
loss gradient is frozen; beta runs along its thermal law P; and the momenta collect the gradient of
the one function Phi(w, b) = integral of V + E_0 along P:

    Y+ = Y + (k/h) dPhi/dw,    U+ = (U - (k/h) dPhi/db) / (dP/db),    beta+ = P.

*Drift* (kinetic T(X, beta, t)): Y and beta rest, so w and U run straight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import sympy as sp
from sympy.integrals.manualintegrate import manualintegrate

from symplectic_codegen.algebra.memory import Memory
from symplectic_codegen.algebra.proof import vanishes
from symplectic_codegen.algebra.symbols import START, L, U, X, Y, beta, h, k, t, tau, w
from symplectic_codegen.algebra.vector import Total, gradient, outer_totals
from symplectic_codegen.errors import NotSeparableError
from symplectic_codegen.geometry.phase_space import PhaseSpace
from symplectic_codegen.mechanics.temperature import Temperature, thermal_law


@dataclass(frozen=True)
class Flow:
    """The exact flow of `generator` over [s, s + tau].

    Args:
        name: "kick and cooling", "dilation", "memory" or "drift".
        generator: the piece of H that generates it.
        updates: new value of each coordinate, in the old ones; coordinates left out rest.
        impulses: the parts of the new Y, before the coupling turns them into X: pairs of
            (time weight, component expression); empty for the other flows.
        stretch: by what a dilation multiplies Y; 1 for the other flows.
        advance: the part of a step by which beta moves along its thermal law.
    """

    name: str
    generator: sp.Expr
    updates: Mapping[sp.Symbol, sp.Expr]
    impulses: tuple[tuple[sp.Expr, sp.Expr], ...] = ()
    stretch: sp.Expr = sp.S.One
    advance: sp.Expr = sp.S.Zero

    def over(self, part: sp.Rational, offset: sp.Rational) -> Flow:
        """The same flow over [s + offset tau, s + (offset + part) tau]."""
        moved = {tau: part * tau, START: START + offset * tau}
        return Flow(
            self.name,
            self.generator,
            {z: new.xreplace(moved) for z, new in self.updates.items()},
            tuple((weight.xreplace(moved), force) for weight, force in self.impulses),
            self.stretch.xreplace(moved),
            part * self.advance,
        )

    def apply(self, expr: sp.Expr) -> sp.Expr:
        """`expr` as a function of the old coordinates, after the flow."""
        return expr.xreplace(dict(self.updates))


def kick_and_cool(
    space: PhaseSpace, potential: sp.Expr, thermal: sp.Expr, temperature: Temperature
) -> Flow:
    """The joint exact flow of potential and thermal part.

    Raises:
        NotSeparableError: beta has no closed form, E is not linear in U, or a time weight has no
            closed-form integral.
    """
    if temperature.propagator is None:
        raise NotSeparableError(
            f"the temperature is feedback: {temperature.reason}. A composition of exact flows "
            "needs β(t) in closed form"
        )
    if sp.diff(thermal, U, 2) != 0:
        raise NotSeparableError(f"the thermal part {thermal} is not linear in U")
    cooled = temperature.propagator.subs(t, START + tau)
    rest_energy = sp.expand(thermal - U * sp.diff(thermal, U))
    by_shape: dict[sp.Expr, sp.Expr] = {}  # function of w -> its factor in (beta, t)
    for term in sp.Add.make_args(sp.expand_mul(potential + rest_energy)):
        if term == 0:
            continue
        in_time, in_space = term.as_independent(w, *_spatial_atoms(term), as_Add=False)
        if in_space.has(beta, t):
            raise NotSeparableError(
                f"the potential term {term} is not a product of a function of (β, t) and a "
                "function of w, so its impulse has no closed-form time integral"
            )
        by_shape[in_space] = by_shape.get(in_space, sp.S.Zero) + in_time
    weights = [
        (_integrate_along(sp.factor_terms(in_time), temperature), shape)
        for shape, in_time in by_shape.items()
    ]
    stretch = sp.diff(cooled, beta)
    impulses = tuple(
        (k / h * weight, gradient(shape, w)) for weight, shape in weights if gradient(shape, w) != 0
    )
    kicked = space.coupling + sp.Add(*(weight * force for weight, force in impulses))
    inverse = space.solve_coupling()
    return Flow(
        "kick and cooling",
        potential + thermal,
        {
            beta: cooled,
            X: inverse.xreplace({beta: cooled, Y: kicked}),
            U: U * _short(1 / stretch)
            - k
            / h
            * sp.Add(*(_short(sp.diff(weight, beta) / stretch) * v for weight, v in weights)),
        },
        impulses,
        advance=sp.S.One,
    )


def kick(space: PhaseSpace, potential: sp.Expr) -> Flow:
    """The flow of the potential alone: beta rests.

    Raises:
        NotSeparableError: the potential depends on time, which rests with beta.
    """
    if potential.has(t):
        raise NotSeparableError(
            "a potential that depends on t must be kicked along with the cooling: use the piece A"
        )
    alone = kick_and_cool(space, potential, sp.S.Zero, thermal_law(sp.S.Zero))
    return replace(alone, name="kick", advance=sp.S.Zero)


def cool(space: PhaseSpace, thermal: sp.Expr, temperature: Temperature) -> Flow:
    """The flow of the thermal part alone."""
    return replace(kick_and_cool(space, sp.S.Zero, thermal, temperature), name="cooling")


def drift(space: PhaseSpace, kinetic: sp.Expr) -> Flow:
    """The exact flow of the kinetic part: X and beta rest.

    Raises:
        NotSeparableError: an explicit time dependence has no closed-form integral.
    """
    brackets = space.bracket_with_coordinates(kinetic)
    if brackets[X] != 0 or any(brackets[z].has(w, U) for z in (w, U)):
        raise NotSeparableError(
            "under this coupling the kinetic flow is no straight line: X does not rest, or the "
            "speed changes with w or U"
        )
    return Flow(
        "drift",
        kinetic,
        {
            w: w - k / h * _integrate_time(brackets[w]),
            U: U - k / h * _integrate_time(brackets[U]),
        },
    )


def dilate(space: PhaseSpace, factor: sp.Expr) -> Flow:
    """The exact flow of factor(beta, t) sum Y_j w^j: w shrinks as Y grows, beta rests."""
    rate = k / h * _integrate_time(factor)
    moment = Total(space.coupling * w)
    kept = space.coupling * sp.exp(rate)
    return Flow(
        "dilation",
        factor * moment,
        {
            w: w * sp.exp(-rate),
            X: space.solve_coupling().xreplace({Y: kept}),
            U: U - sp.diff(rate, beta) * moment,
        },
        stretch=sp.exp(rate),
    )


def relax(field: Memory) -> Flow:
    """The exact motion of a memory field over one step, its source frozen. Not Hamiltonian.

    With s' = rate (q - s), the distance to q decays as the solution of u' = -rate u. The weights of
    all sources so far add up to the solution of u' = rate (1 - u), u(0) = 0; a normalized field is
    s/u, and is stepped as such.
    """
    end = {t: START + tau}
    decay = sp.powsimp(_solved(-field.rate * beta).xreplace(end) / beta)
    if not field.normalized:
        new = decay * field + (1 - decay) * field.source
    else:
        weight = thermal_law(field.rate * (1 - beta)).profile(sp.S.Zero)
        assert weight is not None
        before, after = weight.xreplace({t: START}), weight.xreplace(end)
        new = decay * before / after * field + (1 - decay) / after * field.source
    return Flow("memory", sp.S.Zero, {field: new})


def memory_velocity(field: Memory) -> sp.Expr:
    """ds/dt of a memory field."""
    rate = field.rate
    if field.normalized:
        weight = thermal_law(rate * (1 - beta)).profile(sp.S.Zero)
        rate = rate / weight
    return rate * (field.source - field)


def _solved(rate: sp.Expr) -> sp.Expr:
    propagator = thermal_law(rate).propagator
    assert propagator is not None
    return propagator


def _short(expr: sp.Expr) -> sp.Expr:
    return sp.factor(expr) if expr.is_rational_function() else sp.powsimp(sp.factor_terms(expr))


def _spatial_atoms(term: sp.Expr) -> tuple[sp.Expr, ...]:
    """What a potential term is made of in space: the loss, and sums over w."""
    return (L, *outer_totals(term))


def _integrate_along(weight: sp.Expr, temperature: Temperature) -> sp.Expr:
    """The integral of `weight`(beta, t) along the thermal law over [s, s + tau]."""
    assert temperature.propagator is not None
    elapsed = sp.Dummy("elapsed", positive=True)
    path = weight.xreplace({t: START + elapsed, beta: _at(temperature.propagator, elapsed)})
    return _definite(sp.powsimp(path), elapsed)


def _at(propagator: sp.Expr, elapsed: sp.Expr) -> sp.Expr:
    return propagator.subs(t, START + elapsed)


def _integrate_time(rate: sp.Expr) -> sp.Expr:
    if not rate.has(t):
        return tau * rate
    elapsed = sp.Dummy("elapsed", positive=True)
    return _definite(rate.xreplace({t: START + elapsed}), elapsed)


def _definite(integrand: sp.Expr, elapsed: sp.Symbol) -> sp.Expr:
    """The integral over elapsed from 0 to tau, accepted only if its derivative is the integrand."""
    if not integrand.has(elapsed):
        return integrand * tau
    # SymPy's other integrators find more and can search for minutes; what this one finds is enough
    # for exponentials, powers and their products, the rest is refused.
    for form in (integrand, sp.expand(sp.powsimp(integrand))):
        parts = [manualintegrate(term, elapsed) for term in sp.Add.make_args(form)]
        antiderivative = _without_branches(sp.Add(*parts))
        if antiderivative is None:
            continue
        if vanishes(sp.powsimp(sp.diff(antiderivative, elapsed) - integrand)):
            return antiderivative.subs(elapsed, tau) - antiderivative.subs(elapsed, 0)
    raise NotSeparableError(
        f"the impulse weight ∫ {integrand} dt has no closed form that could be verified"
    )


def _without_branches(antiderivative: sp.Expr) -> sp.Expr | None:
    """The generic branch of a Piecewise: the exceptional values are limits of it."""
    result = antiderivative.replace(lambda e: isinstance(e, sp.Piecewise), lambda e: e.args[0][0])
    return None if result.has(sp.Integral) else result
