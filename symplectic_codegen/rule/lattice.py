"""The rule of particles on a chain or graph: sweeps and energies in the language of rules."""

from __future__ import annotations

from dataclasses import dataclass

from symplectic_codegen.rule.expression import Expr, references
from symplectic_codegen.rule.rule import Assign, InvalidRuleError, Parameter

__all__ = ["PLACES", "LatticeRule", "LatticeSweep"]

# Names with a meaning in the expressions of a rule.
PLACES = ("q", "p", "force", "other", "left", "right", "weight")


@dataclass(frozen=True)
class LatticeSweep:
    """What becomes of each particle, in q, p and force.

    Args:
        assigned: common parts, in order.
        q: the new place; None if it rests.
        p: the new momentum; None if it rests.
    """

    assigned: tuple[Assign, ...]
    q: Expr | None
    p: Expr | None

    @property
    def exprs(self) -> tuple[Expr, ...]:
        """All expressions."""
        ends = tuple(e for e in (self.q, self.p) if e is not None)
        return (*(a.expr for a in self.assigned), *ends)

    @property
    def reads_force(self) -> bool:
        """Whether the force is needed."""
        return any("force" in references(e) for e in self.exprs)


@dataclass(frozen=True)
class LatticeRule:
    """Particles, edges and their steps.

    Args:
        name: snake_case.
        graph: "chain" or "sparse".
        ends: of a chain: "fixed", "free" or "periodic".
        parameters: as the user meets them; the step among them.
        coefficients: scalars that are computed once from the parameters.
        onsite: the force of a particle on itself, in q.
        outward: that of an edge on its left end, in q, other and weight.
        inward: that of an edge on its right end.
        is_symmetric: whether both are the same.
        kinetic: energy of a momentum p.
        onsite_energy: of a place q.
        pair_energy: of an edge, in left, right and weight.
        opening: sweeps before the first step.
        body: sweeps of a step.
        closing: sweeps after the last step.

    Raises:
        InvalidRuleError: an expression reads a name that there is not.
    """

    name: str
    graph: str
    ends: str
    parameters: tuple[Parameter, ...]
    coefficients: tuple[Assign, ...]
    onsite: Expr
    outward: Expr
    inward: Expr
    is_symmetric: bool
    kinetic: Expr
    onsite_energy: Expr
    pair_energy: Expr
    opening: tuple[LatticeSweep, ...]
    body: tuple[LatticeSweep, ...]
    closing: tuple[LatticeSweep, ...]

    def __post_init__(self) -> None:
        known = {p.name for p in self.parameters}
        for assign in self.coefficients:
            _check(assign.expr, known)
            known.add(assign.name)
        for sweep in self.sweeps:
            here = known | {"q", "p", "force"}
            for assign in sweep.assigned:
                _check(assign.expr, here)
                here.add(assign.name)
            for expr in (sweep.q, sweep.p):
                if expr is not None:
                    _check(expr, here)
        for expr, places in (
            (self.onsite, {"q"}),
            (self.outward, {"q", "other", "weight"}),
            (self.inward, {"q", "other", "weight"}),
            (self.kinetic, {"p"}),
            (self.onsite_energy, {"q"}),
            (self.pair_energy, {"left", "right", "weight"}),
        ):
            _check(expr, known | places)

    @property
    def sweeps(self) -> tuple[LatticeSweep, ...]:
        """All sweeps, in order."""
        return (*self.opening, *self.body, *self.closing)

    @property
    def has_momenta(self) -> bool:
        """Whether the momenta take part."""
        return any(s.p is not None for s in self.sweeps)


def _check(expr: Expr, known: set[str]) -> None:
    if unknown := sorted(references(expr) - known):
        raise InvalidRuleError(f"{unknown[0]} is read and never defined")
