"""The Noether charge of a symmetry, and its equation of motion.

A field xi on the weights is moved to phase space by its momentum map J = sum_i Y_i xi_i(w): the
point transformation w' = xi(w) is the flow of J, and leaves U and beta alone. From the motion
dz/dt = -(k/h) {z, H} follows

    dJ/dt = (k/h) {H, J} = (k/h) (the rate at which H changes along the group).

A term of H that the group leaves alone adds nothing, whatever the loss is. The thermal part never
adds anything: cooling shows only in the sum of the momenta themselves, P = J/beta, as friction.

Source: H. Tanaka, D. Kunin, Noether's learning dynamics, NeurIPS 2021: the charge moves by the
explicit breaking of the potential and by kinetic symmetry breaking.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import sympy as sp

from symplectic_codegen.algebra.display import Formula, Printable
from symplectic_codegen.algebra.memory import memories
from symplectic_codegen.algebra.notation import to_latex, to_unicode
from symplectic_codegen.algebra.proof import Claim, Verdict, vanishes, zero_claim
from symplectic_codegen.algebra.symbols import G, L, U, X, beta, beta0, h, k, t, w
from symplectic_codegen.algebra.vector import Total, components, directional, outer_totals
from symplectic_codegen.errors import SymmetryError
from symplectic_codegen.geometry.phase_space import PhaseSpace
from symplectic_codegen.mechanics.equations import Equations
from symplectic_codegen.mechanics.structure import Separation
from symplectic_codegen.mechanics.temperature import Temperature
from symplectic_codegen.symmetry.generators import (
    Generator,
    sums_factored,
    sums_multiplied_out,
    with_invariant_loss,
)
from symplectic_codegen.symmetry.witness import witness

# The charge, and the charge without beta. (Q is taken: the mass of a thermostat.)
J, P = sp.Symbol("J", real=True), sp.Symbol("P", real=True)

_PARTS = {
    "kinetic": "the kinetic energy",
    "potential": "the potential of the weights",
    "thermal": "the thermal part",
    "thermostat": "the thermostat",
    "dilation": "the dilation",
    "rest": "what couples the weights with the rest",
}


@dataclass(frozen=True)
class Breaking:
    """What one part of H adds to dJ/dt, the loss being invariant."""

    part: str
    rate: sp.Expr

    @property
    def title(self) -> str:
        """The part in words."""
        return _PARTS[self.part]


@dataclass(frozen=True)
class NoetherLaw(Printable):
    """The charge of a symmetry on a phase space, and how it moves.

    Args:
        generator: the symmetry of the loss.
        space: with the coupling that the charge is made with.
        equations: of motion.
        hamiltonian: in the coordinates of the space.
        separation: its parts.
        temperature: how beta moves.
        initial: beta at time 0.

    Raises:
        SymmetryError: H reads the gradient, which the group moves too.
    """

    generator: Generator
    space: PhaseSpace
    equations: Equations
    hamiltonian: sp.Expr
    separation: Separation
    temperature: Temperature
    initial: sp.Expr = beta0

    def __post_init__(self) -> None:
        if self.hamiltonian.has(G):
            raise SymmetryError(
                "H contains the gradient of the loss, so its change along the group needs the "
                "Hessian and no identity of the loss removes it: there is no law for the charge"
            )

    @cached_property
    def charge(self) -> sp.Expr:
        """J = sum_i Y_i xi_i(w)."""
        return Total(sp.expand_mul(self.space.coupling * self.generator.field))

    @cached_property
    def bare_charge(self) -> sp.Expr:
        """P = J/beta; with the coupling Y = beta X the sum of the momenta along the group."""
        return sp.expand(self.charge / beta)

    @cached_property
    def loss_rate(self) -> sp.Expr:
        """What a loss without the symmetry adds to dJ/dt."""
        return k / h * sp.diff(self.hamiltonian, L) * self.generator.invariance

    @cached_property
    def breakings(self) -> tuple[Breaking, ...]:
        """The parts of H that the group does not leave alone, with what they add to dJ/dt."""
        found = ((part, self._rate_of(expr)) for part, expr in self._parts())
        return tuple(Breaking(part, rate) for part, rate in found if not vanishes(rate))

    def _parts(self) -> Iterator[tuple[str, sp.Expr]]:
        parts = self.separation
        yield "potential", parts.potential
        yield "kinetic", parts.kinetic
        yield "thermal", parts.thermal
        yield "thermostat", parts.thermostat
        yield "dilation", parts.dilation * Total(self.space.coupling * w)
        yield "rest", sp.Add(*(o.term for o in parts.obstructions))

    def _rate_of(self, part: sp.Expr) -> sp.Expr:
        """(k/h) {part, J} for an invariant loss."""
        constant, back = with_invariant_loss(part)
        bracket = self.space.bracket(constant, self.charge).xreplace(dict(back))
        return tidy(sums_multiplied_out(k / h * bracket))

    @cached_property
    def rate(self) -> sp.Expr:
        """dJ/dt for a loss with the symmetry."""
        return sp.Add(*(b.rate for b in self.breakings))

    @cached_property
    def is_conserved(self) -> bool:
        """Whether the group leaves all of H alone."""
        return not self.breakings

    @cached_property
    def friction(self) -> sp.Expr:
        """(dbeta/dt)/beta, the rate at which cooling takes from P."""
        return sp.cancel(sp.expand(self.equations.beta / beta))

    @cached_property
    def bare_rate(self) -> sp.Expr:
        """dP/dt, in P and the sums that break the symmetry."""
        moved = sp.expand(sp.expand(self.in_charges(self.rate) / beta).subs(J, beta * P))
        share = sp.expand(sp.cancel(moved.coeff(P) - self.friction))
        return tidy(moved.coeff(P, 0)) + share * P

    def in_charges(self, expr: sp.Expr) -> sp.Expr:
        """`expr` with J in the place of its sum."""
        plain = sp.expand(sums_multiplied_out(expr))
        scale, sums = sp.expand(self.charge).as_independent(Total, as_Add=False)
        if not isinstance(sums, Total):
            return plain  # a rotation's charge is no single sum
        return sp.expand(plain.xreplace({sums: J / scale}))

    @cached_property
    def own_rate(self) -> sp.Expr | None:
        """f where dJ/dt = f J with a known f: zero for a conserved charge. None for other laws."""
        share = self.in_charges(self.rate).coeff(J)
        alone = vanishes(self.in_charges(self.rate) - share * J)
        return share if alone and is_constant(share) else None

    @cached_property
    def profile(self) -> sp.Expr | None:
        """beta(t), where it follows a law of its own that can start at time 0."""
        profile = self.temperature.profile(self.initial)
        singular = profile is not None and profile.has(sp.nan, sp.zoo)
        return None if singular else profile

    @cached_property
    def decay(self) -> sp.Expr | None:
        """P(t)/P(0) where it follows from the symmetry alone; None where it does not."""
        if self.profile is None or self.own_rate is None:
            return None
        start = self.profile.subs(t, 0)
        if start == 0 or start.has(sp.nan, sp.zoo):
            return None  # infinite temperature at the start: P begins without a value
        return sp.powsimp(sp.simplify(sp.exp(self.own_rate * t) * start / self.profile))

    def decay_over(self, step: sp.Expr, start: sp.Expr) -> sp.Expr | None:
        """What the motion leaves of P in the time `step` from `start`, by the symmetry alone."""
        if self.profile is None or self.own_rate is None:
            return None
        before, after = (self.profile.subs(t, time) for time in (start, start + step))
        return sp.exp(self.own_rate * step) * before / after

    @property
    def verdict(self) -> str:
        """One sentence: conserved, decays, or broken by what."""
        parts = " and ".join(b.title for b in self.breakings)
        first = f"J is broken by {parts}" if parts else "J is conserved (proved)"
        if self.own_rate is None:
            return first
        if parts:
            first = f"{first}, and moves as {to_unicode(sp.exp(self.own_rate * t))}"
        if self.decay == 1:
            return f"{first}; so is P, as β rests" if not parts else f"{first}; P is conserved"
        if self.decay is not None:
            return f"{first}; P = J/β decays as {to_unicode(self.decay)}"
        if self.temperature.propagator is None:
            return f"{first}; P = J/β decays by no law of its own: {self.temperature.reason}"
        if self.profile is None:
            return f"{first}; P = J/β, with dβ/dt = {to_unicode(self.equations.beta)}"
        return f"{first}; P = J/β, with β(t) = {to_unicode(self.profile)}"

    def claims(self) -> tuple[Claim, ...]:
        """The law against the equations of motion, for every loss; what is conserved or broken."""
        motion = directional(self.charge, dict(self.equations.velocity))
        residual = sums_factored(sums_multiplied_out(motion - self.loss_rate - self.rate))
        given = " at given memory fields" if memories(self.hamiltonian) else ""
        first = zero_claim(
            "dJ/dt is the sum of the terms above, and of the derivative of the loss along the "
            f"group where that is not zero{given}",
            [residual],
            "exact, symbolic d, any loss: against the equations of motion",
        )
        if self.is_conserved:
            statement = f"J is conserved for every loss with this symmetry{given}"
            return (first, Claim(statement, first.verdict, "each part of H commutes with J"))
        return (first, *(_broken(b, self.generator) for b in self.breakings))

    def formulas(self) -> tuple[Formula, ...]:
        """The identity, the charge, and its equation of motion."""
        rows = [
            _relation(self.generator.invariance, "= 0 at every w: the loss is invariant", "= 0"),
            Formula.equation("J", "J", self.charge),
        ]
        rows += [
            Formula.equation(f"{b.part} term of dJ/dt", rf"\dot J_{{\text{{{b.part}}}}}", b.rate)
            for b in self.breakings
        ]
        rows.append(Formula.equation("dJ/dt", r"\dot J", self.in_charges(self.rate)))
        rows.append(Formula.equation("P = J/β", r"P = J/\beta", self.bare_charge))
        rows.append(Formula.equation("dP/dt", r"\dot P", self.bare_rate))
        return tuple(rows)


def _broken(breaking: Breaking, generator: Generator) -> Claim:
    """That a term is not zero, which takes a point."""
    statement = f"{breaking.title} is not invariant"
    found = witness(breaking.rate, generator)
    if not found:
        return Claim(statement, Verdict.ASSUMED, "the term vanishes at all points looked at")
    return Claim(statement, Verdict.PROVED, f"its term is {found}")


def _relation(expr: sp.Expr, text: str, latex: str) -> Formula:
    return Formula(f"{to_unicode(expr)} {text}", f"{to_latex(expr)} {latex}")


def tidy(expr: sp.Expr) -> sp.Expr:
    """Term by term in lowest terms, each as a product."""
    terms = sp.Add.make_args(sp.expand_mul(sp.expand(expr)))
    return sp.Add(*(sp.factor_terms(sp.powsimp(term)) for term in terms))


def is_known(expr: sp.Expr) -> bool:
    """Whether `expr` is a scalar that no state decides: hyperparameters, beta and t at most."""
    return not (components(expr) or outer_totals(expr) or expr.has(U, L, X))


def is_constant(expr: sp.Expr) -> bool:
    """Whether `expr` is made of hyperparameters alone."""
    return is_known(expr) and not expr.has(beta, t)
