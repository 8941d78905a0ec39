"""The radius under the update rule: |w|^2 from step to step, for a scale-invariant loss.

Where a step is a kick X¹ = m X + b w + g G, then w+ = s w + r X¹ and X+ = e X¹ + f w, all with
constants, the momenta can be eliminated. The squared radius R alone then obeys

    R_{n+1} = now R_n + before R_{n-1} + step |w_{n+1} - w_n|^2 + last |w_n - w_{n-1}|^2,

exactly and at every step size: the law of Tanaka and Kunin without its limit. Where R moves slowly
against the memory of the momenta it becomes a recursion of first order, and R^2 an exponential
average of squared gradients on the unit sphere: RMSProp, with a rate and a step that are derived.

Sources: H. Tanaka, D. Kunin, NeurIPS 2021 (the law, the reading as RMSProp); R. Wan et al.,
Spherical motion dynamics, NeurIPS 2021 (the angle of a step at equilibrium).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sympy as sp

from symplectic_codegen.algebra.display import Formula, Printable
from symplectic_codegen.algebra.forms import shortest
from symplectic_codegen.algebra.proof import Claim, vanishes, zero_claim
from symplectic_codegen.algebra.symbols import START, G, X, w
from symplectic_codegen.discretization.update import STEP_NUMBER
from symplectic_codegen.errors import SymmetryError
from symplectic_codegen.symmetry.charge import is_constant
from symplectic_codegen.symmetry.generators import Generator, sums_multiplied_out
from symplectic_codegen.symmetry.radius import LinearMap, linear_formula, linear_map
from symplectic_codegen.symmetry.recursion import Trace


@dataclass(frozen=True)
class LinearStep:
    """X¹ = kick of (X, w, G), then w+ = drift of (X¹, w) and X+ = kept of (X¹, w)."""

    kick: LinearMap
    drift: LinearMap
    kept: LinearMap


@dataclass(frozen=True)
class RadiusRecursion(Printable):
    """R_{n+1} = now R_n + before R_{n-1} + step |Δw_{n+1}|^2 + last |Δw_n|^2, exactly."""

    generator: Generator
    rule: LinearStep
    now: sp.Expr
    before: sp.Expr
    step: sp.Expr
    last: sp.Expr

    def claim(self) -> Claim:
        """The recursion against the step itself, for every loss with the symmetry."""
        sums, kick, drift, kept = (
            self.generator.sum,
            self.rule.kick,
            self.rule.drift,
            self.rule.kept,
        )
        # w and X are those after step n: the weights before it follow.
        determinant = drift.weights * kept.momenta - drift.momenta * kept.weights
        previous = (kept.momenta * w - drift.momenta * X) / determinant
        following = drift.of(kick.of(X, w, G), w, sp.S.Zero)
        law = (
            self.now * sums(w**2)
            + self.before * sums(sp.expand(previous**2))
            + self.step * sums(sp.expand((following - w) ** 2))
            + self.last * sums(sp.expand((w - previous) ** 2))
        )
        residual = self.generator.impose(sums(sp.expand(following**2)) - law)
        return zero_claim(
            "R of the weights obeys this recursion at every step size, for every loss with the "
            "symmetry",
            [sums_multiplied_out(residual)],
            "exact, symbolic d: against the update equations",
        )

    def formulas(self) -> tuple[Formula, ...]:
        """The recursion."""
        return (
            linear_formula(
                "R(n+1)",
                "R_{n+1}",
                [
                    (self.now, "R(n)", "R_n"),
                    (self.before, "R(n−1)", "R_{n-1}"),
                    (self.step, "|Δw(n+1)|²", r"|\Delta w_{n+1}|^2"),
                    (self.last, "|Δw(n)|²", r"|\Delta w_n|^2"),
                ],
            ),
        )


def linear_step(run: Trace) -> LinearStep:
    """The step as two linear maps.

    Raises:
        SymmetryError: it is none with constant coefficients.
    """
    if len(run.values) != 1:
        raise SymmetryError("the momenta change more than once in a step")
    ((name, value),) = run.values.items()
    kick = linear_map(value)
    drift, kept = (linear_map(e.xreplace({name: X})) for e in (run.weights, run.momenta))
    read_again = any(e.has(X) for e in (run.weights, run.momenta))
    if kick is None or drift is None or kept is None or read_again:
        raise SymmetryError("the step is not linear in the weights, the momenta and the gradient")
    if drift.gradient != 0 or kept.gradient != 0:
        raise SymmetryError("the gradient moves the weights beside the momenta")
    known = tuple(_coefficients(kick, drift, kept))
    if any(not is_constant(e) or e.has(STEP_NUMBER, START) for e in known):
        raise SymmetryError("the coefficients of the step change from step to step")
    determinant = drift.weights * kept.momenta - drift.momenta * kept.weights
    if drift.momenta == 0 or kick.momenta == 0 or vanishes(determinant):
        raise SymmetryError("the step keeps nothing of the weights or of the momenta")
    return LinearStep(kick, drift, kept)


def _coefficients(*maps: LinearMap) -> Iterator[sp.Expr]:
    for m in maps:
        yield from (m.momenta, m.weights, m.gradient)


def radius_recursion(run: Trace, generator: Generator) -> RadiusRecursion:
    """Eliminate the momenta from a step.

    Raises:
        SymmetryError: the generator is not scaling, or the step is no linear one.
    """
    if generator.name != "scaling":
        raise SymmetryError("the recursion of the radius belongs to scaling")
    rule = linear_step(run)
    s, r = rule.drift.weights, rule.drift.momenta
    m, b = rule.kick.momenta, rule.kick.weights
    old, now, step, last = (sp.Dummy(x) for x in ("R_old", "R", "step", "last"))
    pairing, square, next_square, new = (sp.Dummy(x) for x in ("wX", "XX", "XX_next", "R_next"))
    # Step n: what R and the length of the step say about w.X and |X|^2.
    known = sp.solve(
        [
            s**2 * old + 2 * s * r * pairing + r**2 * square - now,
            (s - 1) ** 2 * old + 2 * (s - 1) * r * pairing + r**2 * square - last,
        ],
        [pairing, square],
        dict=True,
    )[0]
    e, f = rule.kept.momenta, rule.kept.weights
    charge = s * f * old + (s * e + r * f) * known[pairing] + r * e * known[square]
    after = m * charge + b * now  # w.X+: the gradient is orthogonal to w
    found = sp.solve(
        [
            s**2 * now + 2 * s * r * after + r**2 * next_square - new,
            (s - 1) ** 2 * now + 2 * (s - 1) * r * after + r**2 * next_square - step,
        ],
        [new, next_square],
        dict=True,
    )[0]
    law = sp.expand(found[new])
    parts = [sp.factor_terms(sp.expand(law.coeff(z))) for z in (now, old, step, last)]
    return RadiusRecursion(generator, rule, *parts)


@dataclass(frozen=True)
class ImplicitRmsprop(Printable):
    """R_{n+1} = keep R_n + gain |g|^2/R_n, with g the gradient on the unit sphere.

    Then R^2 is, to first order in its change, an exponential average of |g|^2 with the factor
    `average`, and the unit vector moves by -rate g/sqrt(average of |g|^2): RMSProp on the sphere.
    For a gradient that changes slowly against the memory of the momenta; `keep` is of second order
    in the decay of the weights, `average` and `rate2` = rate**2 are of first.
    """

    keep: sp.Expr
    gain: sp.Expr
    average: sp.Expr
    rate2: sp.Expr | None

    def formulas(self) -> tuple[Formula, ...]:
        """The recursion, and the two numbers of RMSProp."""
        terms = [(self.keep, "R", "R"), (self.gain, "|ĝ|²/R", r"\frac{|\hat g|^2}{R}")]
        law = linear_formula("R⁺", "R^+", terms, "≈")
        if self.rate2 is None:
            return (law,)
        average, rate = "factor of the average, R² of |ĝ|²", "its step, of ŵ against ĝ/√(average)"
        return (
            law,
            Formula.equation(average, r"\rho", self.average, "≈", r"\approx"),
            Formula.equation(rate, r"\eta", sp.sqrt(self.rate2), "≈", r"\approx"),
        )

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is said where the weights do not decay."""
        if self.rate2 is not None:
            return ()
        return ("nothing is forgotten without decay: R² adds up |ĝ|², as AdaGrad does",)


def implicit_rmsprop(law: RadiusRecursion) -> ImplicitRmsprop:
    """The slow law of the radius under the rule.

    Raises:
        SymmetryError: the momenta never settle, so that nothing is slow against them.
    """
    kick, drift, kept = law.rule.kick, law.rule.drift, law.rule.kept
    lost = sp.expand(1 - kick.momenta * kept.momenta)
    if lost == 0:
        raise SymmetryError("the momenta keep everything: they never settle to the gradient")
    # X¹ that reproduces itself while w rests.
    resting = LinearMap(
        sp.S.Zero,
        (kick.weights + kick.momenta * kept.weights) / lost,
        kick.gradient / lost,
    )
    slow = LinearMap(drift.momenta, drift.weights - 1, drift.gradient).along(resting)
    pull, push = sp.factor(sp.cancel(slow.weights)), sp.factor(sp.cancel(slow.gradient))
    growth = 2 * pull  # of R in one step along the slow motion, by itself
    # R_{n-1} = R - D + (second difference), with D = R_{n+1} - R and the second difference of the
    # slow motion; |Δw|^2 = pull^2 R + push^2 |g|^2/R, as the gradient is homogeneous of degree -1.
    steps = law.step + law.last
    share = sp.expand(law.now + law.before - 1)
    share += law.before * growth**2 + steps * pull**2
    change = shortest(sp.factor(sp.cancel(share / (1 + law.before))))
    gain = shortest(sp.factor(sp.cancel(steps * push**2 / (1 + law.before))))
    rate2 = None if pull == 0 else sp.factor(sp.cancel(-(push**2) * growth / gain))
    return ImplicitRmsprop(1 + change, gain, 1 + 2 * growth, rate2)
