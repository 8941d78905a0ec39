"""A composed step, what is proved of it, and its form as update equations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import sympy as sp

from symplectic_codegen.algebra.forms import shortest
from symplectic_codegen.algebra.notation import to_unicode
from symplectic_codegen.algebra.proof import Claim, Verdict, find_nonzero, vanishes, zero_claim
from symplectic_codegen.algebra.symbols import START, Component, X, beta, t, tau, w
from symplectic_codegen.algebra.vector import Total, directional, gradient
from symplectic_codegen.discretization.flows import Flow, drift, kick_and_cool
from symplectic_codegen.discretization.integrators import Integrator
from symplectic_codegen.errors import NotSeparableError
from symplectic_codegen.geometry.phase_space import (
    COORDINATES,
    PhaseSpace,
    independent_pairs,
)
from symplectic_codegen.mechanics.equations import Equations
from symplectic_codegen.mechanics.structure import Separation
from symplectic_codegen.mechanics.temperature import Temperature


@dataclass(frozen=True)
class Scheme:
    """One step of learning time tau from time s, as a composition of exact flows."""

    integrator: Integrator
    space: PhaseSpace
    equations: Equations
    temperature: Temperature
    flows: tuple[Flow, ...]

    @cached_property
    def map(self) -> Mapping[sp.Symbol, sp.Expr]:
        """z+ as functions of z, the gradient G and the loss L at the old w."""
        current: dict[sp.Symbol, sp.Expr] = {z: z for z in COORDINATES}
        for flow in self.flows:
            current = {
                z: flow.updates[z].xreplace(current) if z in flow.updates else current[z]
                for z in COORDINATES
            }
        return current

    def claims(self) -> tuple[Claim, ...]:
        """Everything that is proved of this step."""
        return (self.check_symplectic(), self.check_conformal(), self.check_order())

    def check_symplectic(self) -> Claim:
        """The step preserves the Poisson tensor on the extended space, for every loss and d.

        Each flow is shown to satisfy {f o Phi, g o Phi} = {f, g} o Phi on coordinates; a
        composition of such maps is one.
        """
        residuals = [r for flow in self.flows for r in self._poisson_residuals(flow)]
        smooth = _smoothness_note(self.flows)
        return zero_claim(
            f"the step on (U, w, β, X) is exactly symplectic{smooth}",
            residuals,
            "exact, symbolic d, any loss: each flow preserves Π",
        )

    def _poisson_residuals(self, flow: Flow) -> list[sp.Expr]:
        residuals = []
        for f, g in independent_pairs():
            mapped = self.space.bracket(flow.apply(f), flow.apply(g))
            residuals.append(mapped - flow.apply(self.space.bracket(f, g)))
        return residuals

    def check_conformal(self) -> Claim:
        """On (w, X) alone the step multiplies sum dX_j dw^j by beta(s)/beta(s + tau)."""
        factor = beta / self.map[beta]
        method = "exact, symbolic d, any loss: each flow scales the bracket {w, X}"
        if not vanishes(self.space.coupling - beta * X):
            return Claim(
                "the coupling is not Y = βX: on (w, X) no constant conformal factor is claimed",
                Verdict.ASSUMED,
                "not checked",
            )
        a, b = Component("a"), Component("b")
        residuals: list[sp.Expr] = []
        for flow in self.flows:
            scale = beta / flow.updates.get(beta, beta)
            w_a, w_b = flow.apply(Total(a * w)), flow.apply(Total(b * w))
            X_a, X_b = flow.apply(Total(a * X)), flow.apply(Total(b * X))
            residuals += [
                _canonical_bracket(w_a, X_b) - scale * Total(a * b),
                _canonical_bracket(w_a, w_b),
                _canonical_bracket(X_a, X_b),
            ]
        return zero_claim(
            f"on (w, X) the step is conformally symplectic: Σ dX∧dw is multiplied by "
            f"β(t−τ)/β(t) = {to_unicode(shortest(factor))}",
            residuals,
            method,
        )

    def check_order(self) -> Claim:
        """The order of the step, from its Taylor series in tau against that of the motion."""
        velocity = self.equations.velocity
        first = [
            _at_zero(sp.diff(self.map[z], tau)) - velocity[z].xreplace({t: START})
            for z in COORDINATES
        ]
        claim = zero_claim(
            "consistent with the equations of motion: the step agrees through τ¹",
            first,
            "Taylor series, symbolic d",
        )
        if claim.verdict is not Verdict.PROVED:
            return claim
        second = self._second_order_defect(w)
        if second is not None and not vanishes(second) and find_nonzero(second) is not None:
            return Claim(
                "order 1: the step agrees with the equations of motion through τ¹, not through τ²",
                Verdict.PROVED,
                "Taylor series, symbolic d; a point where the τ² terms differ",
            )
        return claim

    def _second_order_defect(self, z: sp.Symbol) -> sp.Expr | None:
        velocity = self.equations.velocity
        moves = {**velocity, t: sp.S.One}
        if velocity[z].has(sp.Derivative):
            return None
        exact = directional(velocity[z], moves).xreplace({t: START})
        return _at_zero(sp.diff(self.map[z], tau, 2)) - exact


def _canonical_bracket(f: sp.Expr, g: sp.Expr) -> sp.Expr:
    return Total(gradient(f, w) * gradient(g, X) - gradient(f, X) * gradient(g, w))


def _at_zero(expr: sp.Expr) -> sp.Expr:
    value = expr.subs(tau, 0)
    return sp.limit(expr, tau, 0) if value.has(sp.nan, sp.zoo) else value


def _smoothness_note(flows: tuple[Flow, ...]) -> str:
    kinks = (sp.Abs, sp.sign, sp.Min, sp.Max)
    if any(flow.generator.has(*kinks) for flow in flows):
        return " away from the kinks of H (there the subgradient rule is used)"
    return ""


def build_scheme(
    integrator: Integrator,
    space: PhaseSpace,
    equations: Equations,
    separation: Separation,
    temperature: Temperature,
) -> Scheme:
    """Compose the exact flows that `integrator` asks for.

    Raises:
        NotSeparableError: a term has no exact flow; the message names it.
    """
    if not separation.is_complete:
        worst = separation.obstructions[0]
        raise NotSeparableError(
            f"the Hamiltonian does not split into exact flows: in the term {worst.term}, "
            f"{worst.reason}. The integrator '{integrator.name}' needs "
            "H = potential(w, β, t) + thermal(U, β, t) + kinetic(X, β, t)"
        )
    if separation.kinetic == 0:
        raise NotSeparableError(
            "H has no kinetic term, so the weights never move; add one, for example "
            "beta/(2*k)*dot(X, X)"
        )
    pieces = {
        "A": kick_and_cool(space, separation.potential, separation.thermal, temperature),
        "B": drift(space, separation.kinetic),
    }
    flows = tuple(pieces[name] for name in integrator.composition)
    return Scheme(integrator, space, equations, temperature, flows)
