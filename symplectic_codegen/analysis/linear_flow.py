"""The continuous motion on the quadratic lambda/2 w**2: friction, frequency, critical damping."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from symplectic_codegen.algebra.display import Formula, Printable
from symplectic_codegen.algebra.forms import readable
from symplectic_codegen.algebra.memory import ScalarMemory, memories
from symplectic_codegen.algebra.notation import to_latex, to_unicode
from symplectic_codegen.algebra.symbols import G, L, U, X, beta, t, w
from symplectic_codegen.analysis.domain import domain_of
from symplectic_codegen.analysis.linearisation import (
    frozen_fields,
    in_curvature,
    slope_at_minimum,
)
from symplectic_codegen.analysis.parameters import CURVATURE, SMALLEST, Reading, reading_of
from symplectic_codegen.analysis.wording import prefixed, suffixed
from symplectic_codegen.driver import Derivation
from symplectic_codegen.errors import AnalysisError


@dataclass(frozen=True)
class LinearFlow(Printable):
    """w'' + friction w' + stiffness w = 0 on each eigendirection, for late times.

    Args:
        friction: what takes the speed away, per unit of learning time.
        stiffness: the square of the frequency without friction.
        law: the friction at time t, where it changes with time.
        notes: what was assumed.
    """

    friction: sp.Expr
    stiffness: sp.Expr
    law: sp.Expr | None = None
    notes: tuple[str, ...] = ()

    @property
    def critical_friction(self) -> sp.Expr:
        """The friction below which the motion oscillates."""
        return 2 * sp.sqrt(self.stiffness)

    @property
    def best_friction(self) -> sp.Expr:
        """Critical damping at the smallest curvature: the fastest slowest direction."""
        return self.critical_friction.xreplace({CURVATURE: SMALLEST})

    def formulas(self) -> tuple[Formula, ...]:
        """The equation of motion, critical damping, and the best friction."""
        motion = r"\ddot{w} + \text{friction}\,\dot{w} + \text{stiffness}\,w = 0"
        rows = [
            Formula("ẅ + friction·ẇ + stiffness·w = 0", motion),
            Formula.equation("stiffness", r"\text{stiffness}", self.stiffness),
        ]
        if self.law is not None:
            rows.append(Formula.equation("friction(t)", r"\text{friction}(t)", self.law))
        friction = Formula.equation("friction", r"\text{friction}", self.friction)
        if self.friction == 0:
            words = " in the limit" if self.law is not None else ", for ever"
            return (*rows, suffixed(friction, words))
        name = to_unicode(self.friction), to_latex(self.friction)
        critical = Formula.equation(*name, self.critical_friction)
        best = Formula.equation(*name, self.best_friction)
        decay = Formula.equation("decay rate", r"\text{decay rate}", self.friction / 2)
        return (
            *rows,
            friction,
            prefixed("critically damped at ", critical),
            suffixed(decay, " per unit of time where the motion oscillates"),
            prefixed("fastest for all curvatures from λ_min on: ", best),
        )


def linear_flow(derivation: Derivation, reading: Reading | None = None) -> LinearFlow:
    """The equations of motion on a quadratic, linearised at the minimum, for late times.

    Raises:
        AnalysisError: they have no linearisation there, or no limit; nothing pulls w back.
    """
    velocity = dict(derivation.equations.velocity)
    velocity[X] -= derivation.spec.expression("friction") or sp.S.Zero
    profile = derivation.temperature.profile()
    if profile is None:
        raise AnalysisError(f"the temperature is feedback: {derivation.temperature.reason}")
    reading = reading or reading_of(derivation)
    settled = _settled_memories(velocity[w] + velocity[X])
    velocity = {z: v.xreplace(settled) for z, v in velocity.items()}
    frozen = frozen_fields(memories(velocity[w] + velocity[X]), derivation)
    rows = []
    for z in (X, w):
        moved = reading.read(velocity[z]).xreplace(frozen)
        if moved.has(U, L):
            raise AnalysisError(f"the motion of {z.name} reads the energy or the loss")
        by_X, by_w, by_G = (slope_at_minimum(moved, s) for s in (X, w, G))
        rows.append([by_X, by_w + CURVATURE * by_G])
    A = sp.Matrix(rows).subs(beta, reading.read(profile))
    # While A10 changes, the elimination of X adds to the friction what is not in the trace.
    law = readable(-A.trace()) if A.trace().has(t) and not A[1, 0].has(t) else None
    notes = [f"{to_unicode(f)} is held at the value {to_unicode(s)}" for f, s in frozen.items()]
    notes += [f"{to_unicode(f)} has reached {to_unicode(value)}" for f, value in settled.items()]
    notes += reading.notes(A)
    if A.has(t):
        domain = domain_of(derivation)
        limits = [domain.limit(entry, t) for entry in A]
        if any(entry is None or entry.has(sp.oo) for entry in limits):
            raise AnalysisError("the equations of motion have no limit for late times")
        A = sp.Matrix(2, 2, limits)
        notes.append("for late times: friction and stiffness change with t")
    # w'' = A10 X' + A11 w', with a constant A10 in the limit.
    friction, stiffness = -A.trace(), sp.factor(A.det())
    if stiffness == 0:
        raise AnalysisError("to first order nothing pulls w back: there is no frequency")
    return LinearFlow(readable(friction), in_curvature(stiffness), law, tuple(notes))


def _settled_memories(expr: sp.Expr) -> dict[sp.Basic, sp.Expr]:
    """What memories of a constant have become at late times."""
    return {m: m.source for m in memories(expr) if isinstance(m, ScalarMemory)}
