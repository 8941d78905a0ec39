"""How far a step is from the law of the charge: the first power of tau at which they part.

The charge after a step, J(z(tau)), and the charge along the motion are expanded in tau, for a loss
with the symmetry: its identity and the derivative of it are put into both. The series of the step
is exact through tau^2 (a step knows the gradient and one derivative of it), so a defect is found at
tau^1 or tau^2, or shown to begin later.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial

import sympy as sp

from symplectic_codegen.algebra.display import Formula, Printable
from symplectic_codegen.algebra.functions import away_from_kinks
from symplectic_codegen.algebra.proof import Claim, Verdict, vanishes
from symplectic_codegen.algebra.symbols import START, U, X, beta, t, tau, w
from symplectic_codegen.algebra.vector import directional
from symplectic_codegen.discretization.scheme import Scheme
from symplectic_codegen.errors import SymmetryError
from symplectic_codegen.symmetry.charge import NoetherLaw, tidy
from symplectic_codegen.symmetry.witness import witness

KNOWN = 2  # the series of a step is exact through this power of tau


@dataclass(frozen=True)
class Defect(Printable):
    """J after a step less J along the motion: leading*tau^power + ...

    Args:
        power: the first power of tau with a defect; KNOWN + 1 if it was not reached.
        leading: its coefficient, 0 if it was not reached.
    """

    power: int
    leading: sp.Expr
    verdict: Verdict

    @property
    def order(self) -> int:
        """Through which power of tau the step follows the law of the charge."""
        return self.power - 1

    def claim(self) -> Claim:
        """What is shown."""
        method = "Taylor series, symbolic d, any loss with the symmetry"
        if self.power > KNOWN:
            statement = f"the step follows the law of J through τ^{KNOWN} at least"
        else:
            statement = f"the step follows the law of J through τ^{self.order}, not further"
            method += "; a point where the defect is not zero, for an invariant loss"
        return Claim(statement, self.verdict, method)

    def formulas(self) -> tuple[Formula, ...]:
        """The leading term."""
        if self.power > KNOWN:
            return ()
        return (
            Formula.equation(
                f"defect of J in a step, at τ^{self.power}",
                rf"[\tau^{self.power}]\,\delta J",
                self.leading,
            ),
        )


def charge_defect(law: NoetherLaw, scheme: Scheme) -> Defect:
    """Expand the charge over one step of `scheme`, and along the motion.

    Raises:
        SymmetryError: the step has no series of this kind.
    """
    if len(scheme.calls) > 1:
        raise SymmetryError("a step takes several gradients, and its series is not derived here")
    if scheme.fields:
        raise SymmetryError(
            "memory fields have no rate at the start, so the charge has no series in τ"
        )
    new = dict(scheme.map)
    after = law.charge.xreplace({z: new[z] for z in (U, w, beta, X)})
    moves = {**law.equations.velocity, t: sp.S.One}
    motion = law.charge
    for power in range(1, KNOWN + 1):
        motion = law.generator.impose(directional(motion, moves))
        after = sp.diff(after, tau)
        there = _at_zero(after)
        gap = law.generator.impose(away_from_kinks(there - motion.xreplace({t: START})))
        if not vanishes(gap):
            leading = tidy(law.in_charges(gap) / factorial(power))
            shown = bool(witness(gap, law.generator))
            return Defect(power, leading, Verdict.PROVED if shown else Verdict.ASSUMED)
    return Defect(KNOWN + 1, sp.S.Zero, Verdict.PROVED)


def _at_zero(expr: sp.Expr) -> sp.Expr:
    value = expr.subs(tau, 0)
    if value.has(sp.nan, sp.zoo, sp.oo):
        raise SymmetryError("the step has no series in τ at τ = 0")
    return value
