"""All that follows from one symmetry of the loss, for a system and for its update rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import sympy as sp

from symplectic_codegen.algebra.display import Formula, Printable
from symplectic_codegen.algebra.memory import memories
from symplectic_codegen.algebra.proof import Claim, Verdict, vanishes, zero_claim
from symplectic_codegen.algebra.symbols import START, X, beta, beta0, tau
from symplectic_codegen.discretization.scheme import Scheme
from symplectic_codegen.discretization.update import STEP_NUMBER, UpdateEquations
from symplectic_codegen.errors import SymmetryError, SymplecticCodegenError
from symplectic_codegen.geometry.phase_space import PhaseSpace
from symplectic_codegen.mechanics.equations import Equations
from symplectic_codegen.mechanics.structure import Separation
from symplectic_codegen.mechanics.temperature import Temperature
from symplectic_codegen.symmetry.charge import NoetherLaw
from symplectic_codegen.symmetry.defect import Defect, charge_defect
from symplectic_codegen.symmetry.generators import BLOCK, Generator
from symplectic_codegen.symmetry.radius import (
    OverdampedLaw,
    RadiusLaw,
    overdamped_law,
    radius_law,
)
from symplectic_codegen.symmetry.recursion import Recursion, recursion
from symplectic_codegen.symmetry.steps import (
    ImplicitRmsprop,
    RadiusRecursion,
    implicit_rmsprop,
    radius_recursion,
)

T = TypeVar("T")
KEPT = "the step keeps the law of J exactly: its factor is that of the motion over a step"


@dataclass(frozen=True)
class System:
    """What a symmetry is looked at in.

    Args:
        scheme, update, physical_update: asked for when needed; each may raise what has no rule.
        bound: puts in the hyperparameters that have one value only, as the rule does.
        initial_beta: beta at time 0.
        foreign: what of the motion is not of the Hamiltonian, in words ("noise", ...).
        per_block: whether sums run over each parameter array by itself.
    """

    space: PhaseSpace
    equations: Equations
    hamiltonian: sp.Expr
    separation: Separation
    temperature: Temperature
    scheme: Callable[[], Scheme]
    update: Callable[[], UpdateEquations]
    physical_update: Callable[[], UpdateEquations]
    bound: Callable[[sp.Expr], sp.Expr]
    initial_beta: sp.Expr = beta0
    foreign: tuple[str, ...] = ()
    per_block: bool = False


@dataclass(frozen=True)
class Part:
    """A heading with formulas, claims, and sentences that are neither."""

    title: str
    formulas: tuple[Formula, ...] = ()
    claims: tuple[Claim, ...] = ()
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Noether(Printable):
    """The charge of a symmetry, its law, and what the rule makes of it.

    Args:
        law: the charge and its equation of motion.
        radius, overdamped: the law of |w|^2 and its limit without inertia; of scaling only.
        recursion: the charge under the rule, exactly.
        steps, rmsprop: |w|^2 from step to step, exactly, and its slow form.
        defect: where the series of step and motion part.
        exact: whether a charge that decays by itself does so in the step as in the motion.
        refused: what there is not, with the reason.
        stored: where the stored variables are, if not on the trajectory.
        notes: what the letters in the formulas mean.
    """

    law: NoetherLaw
    radius: RadiusLaw | None = None
    overdamped: OverdampedLaw | None = None
    recursion: Recursion | None = None
    steps: RadiusRecursion | None = None
    rmsprop: ImplicitRmsprop | None = None
    defect: Defect | None = None
    exact: Claim | None = None
    refused: tuple[tuple[str, str], ...] = ()
    stored: str = ""
    notes: tuple[str, ...] = ()

    @property
    def generator(self) -> Generator:
        """The symmetry."""
        return self.law.generator

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Everything that is claimed."""
        return tuple(claim for part in self.parts() for claim in part.claims)

    def formulas(self) -> tuple[Formula, ...]:
        """The formulas of all parts."""
        return tuple(formula for part in self.parts() for formula in part.formulas)

    def parts(self) -> Iterator[Part]:
        """The report, heading by heading."""
        name = self.generator.name
        yield Part(
            f"Noether charge of {name}",
            self.law.formulas(),
            self.law.claims(),
            (*self.notes, f"verdict: {self.law.verdict}"),
        )
        if self.radius is not None:
            yield Part("Squared norm of the weights", self.radius.formulas(), self.radius.claims())
        if self.overdamped is not None:
            yield Part(
                "Without inertia (to first order in it): an average of squared gradients",
                self.overdamped.formulas(),
                sentences=("ĝ is the gradient at w/|w|; the gradient at w is ĝ/|w|",),
            )
        if self.recursion is not None:
            verdict = f"verdict: {self.recursion.verdict}"
            exact = () if self.exact is None else (self.exact,)
            stored = (f"of what is stored: {self.stored}",) if self.stored else ()
            yield Part(
                f"Under the update rule: the charge of {name}, exactly",
                self.recursion.formulas(),
                exact,
                (*stored, verdict),
            )
        if self.steps is not None:
            yield Part(
                "Under the update rule: the squared norm, exactly",
                self.steps.formulas(),
                (self.steps.claim(),),
            )
        if self.rmsprop is not None:
            yield Part(
                "Implicit RMSProp of the rule (gradients that change slowly)",
                self.rmsprop.formulas(),
                sentences=self.rmsprop.sentences,
            )
        if self.defect is not None:
            yield Part("Step against motion", self.defect.formulas(), (self.defect.claim(),))
        if self.refused:
            yield Part(
                "Not derived", sentences=tuple(f"{what}: {why}" for what, why in self.refused)
            )


def noether(system: System, generator: Generator) -> Noether:
    """Everything that follows from a symmetry of the loss.

    Args:
        system: the Hamiltonian, its motion and its rule.
        generator: see `generator_named`.

    Raises:
        SymmetryError: the motion is not that of a Hamiltonian, or no momenta are kept.
    """
    if system.foreign:
        raise SymmetryError(
            f"Noether's theorem is about the motion of a Hamiltonian, and this one has "
            f"{' and '.join(system.foreign)} beside it; take that out to see the law without"
        )
    refused: list[tuple[str, str]] = []
    update = _try(system.update, "the update rule", refused)
    if update is not None and not _keeps_momenta(update):
        raise SymmetryError(
            "the rule keeps no momenta from one step to the next (it is the limit without inertia),"
            " so there is no charge to follow: Σ ξ·X is then Σ ξ·∇L, which the symmetry makes 0"
        )
    law = NoetherLaw(
        generator,
        system.space,
        system.equations,
        system.hamiltonian,
        system.separation,
        system.temperature,
        system.initial_beta,
    )
    radius = overdamped = None
    if generator.name == "scaling":
        radius = _try(lambda: radius_law(law), "law of the squared norm", refused)
        if radius is not None:
            known = radius
            overdamped = _try(lambda: overdamped_law(known), "limit without inertia", refused)
    found = Noether(law, radius, overdamped, notes=tuple(_notes(system, generator)))
    if update is not None:
        found = _with_rule(found, system, update, refused)
    return replace(found, refused=tuple(refused))


def _with_rule(
    found: Noether, system: System, update: UpdateEquations, refused: list[tuple[str, str]]
) -> Noether:
    """`found`, and what an update rule makes of it."""
    generator, law = found.generator, found.law
    scheme = system.scheme()
    defect = _try(lambda: charge_defect(law, scheme), "series of the charge in τ", refused)
    found = replace(found, defect=defect, stored=_stored(scheme))
    if not vanishes(system.space.coupling - beta * X):
        why = "P = Σ X·ξ is J/β for the coupling Y = βX alone"
        refused.append(("recursion of the charge", why))
        return found
    rec = _try(lambda: recursion(update, generator), "recursion of the charge", refused)
    if rec is None:
        return found
    found = replace(found, recursion=rec)
    if rec.factor is not None:
        exact = _same_decay(law, system)
        found = replace(found, exact=exact)
        if exact is not None and exact.statement == KEPT and exact.verdict is Verdict.PROVED:
            found = replace(found, defect=None)  # there is none at any power of τ
    if generator.name != "scaling":
        return found
    what = "recursion of the squared norm"
    steps = _try(lambda: radius_recursion(rec.trace, generator), what, refused)
    if steps is None:
        return found
    rmsprop = _try(lambda: implicit_rmsprop(steps), "implicit RMSProp", refused)
    return replace(found, steps=steps, rmsprop=rmsprop)


def _stored(scheme: Scheme) -> str:
    """Where the stored variables are, if not on the trajectory."""
    before = [str(s) for s in scheme.program.before if s.piece.letter in scheme.pieces]
    return f"the trajectory {' '.join(before)} ahead" if before else ""


def _same_decay(law: NoetherLaw, system: System) -> Claim | None:
    """Whether the factor of a step is that of the motion over it."""
    factor = recursion(system.physical_update(), law.generator).factor
    numbered = factor is not None and factor.has(STEP_NUMBER)
    motion = law.decay_over(tau, (STEP_NUMBER - 1) * tau if numbered else START)
    if factor is None or motion is None or motion.has(sp.nan, sp.zoo):
        return None
    claim = zero_claim(
        KEPT,
        [sp.simplify(sp.powsimp(system.bound(motion)) - factor)],
        "exact, at every step size",
    )
    if claim.holds:
        return claim
    return Claim(
        "the factor of a step is not that of the motion over it: the rule cools by another map",
        Verdict.PROVED,
        claim.detail,
    )


def _notes(system: System, generator: Generator) -> Iterator[str]:
    if generator.weight == BLOCK:
        yield "a is 1 on the block that the symmetry moves, 0 elsewhere"
    if generator.name == "rotation":
        yield "p and q are any two constant vectors: the plane of the rotation"
    if memories(system.hamiltonian):
        yield "memory fields count as given; under the rule they are the values that the step reads"
    if system.per_block:
        yield "each parameter array is a system by itself: sums run over one of them"


def _keeps_momenta(update: UpdateEquations) -> bool:
    return any(a.expr.has(X) for a in update.inlined() if a.target == X)


def _try(make: Callable[[], T], what: str, refused: list[tuple[str, str]]) -> T | None:
    """What `make` derives, or the reason why there is none, noted."""
    try:
        return make()
    except SymplecticCodegenError as error:
        refused.append((what, str(error)))
        return None
