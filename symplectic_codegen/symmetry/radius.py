"""The law of |w|^2 under a scale-invariant loss, and what it averages without inertia.

Where the velocity is a known multiple of the momenta, w' = s X + u w, the charge of scaling is the
speed of the squared radius: R = sum w^2 has R' = 2 s P + 2 u R. The law of the charge becomes one
of second order for R, driven by |w'|^2:

    R'' = speed R' + radius R + source |w'|^2.

Source: H. Tanaka, D. Kunin, Noether's learning dynamics, NeurIPS 2021: the law
m R'' + gamma R' + 2 lambda R = 2 m |q'|^2, and its reading as RMSProp, R^2 being an exponential
average of the squared gradients on the unit sphere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sympy as sp

from symplectic_codegen.algebra.display import Formula, Printable
from symplectic_codegen.algebra.notation import to_latex, to_unicode
from symplectic_codegen.algebra.proof import Claim, vanishes, zero_claim
from symplectic_codegen.algebra.symbols import G, X, t, w
from symplectic_codegen.algebra.vector import Total, components, directional
from symplectic_codegen.errors import SymmetryError
from symplectic_codegen.symmetry.charge import (
    NoetherLaw,
    P,
    is_constant,
    is_known,
)
from symplectic_codegen.symmetry.generators import sums_multiplied_out

R = sp.Symbol("R", positive=True)  # |w|^2
R_RATE = sp.Symbol("R_rate", real=True)
SPEED2 = sp.Symbol("V", nonnegative=True)  # |dw/dt|^2


@dataclass(frozen=True)
class LinearMap:
    """momenta*X + weights*w + gradient*G, with scalars."""

    momenta: sp.Expr
    weights: sp.Expr
    gradient: sp.Expr

    @property
    def is_known(self) -> bool:
        """Whether no state decides the scalars."""
        return all(is_known(e) for e in (self.momenta, self.weights, self.gradient))

    @property
    def is_constant(self) -> bool:
        """Whether the scalars are made of hyperparameters alone."""
        return all(is_constant(e) for e in (self.momenta, self.weights, self.gradient))

    def of(self, momenta: sp.Expr, weights: sp.Expr, gradient: sp.Expr) -> sp.Expr:
        """The value of the map."""
        return self.momenta * momenta + self.weights * weights + self.gradient * gradient

    def along(self, momenta: LinearMap) -> LinearMap:
        """This map with X given by another one, which does not read X."""
        return LinearMap(
            self.momenta * momenta.momenta,
            self.weights + self.momenta * momenta.weights,
            self.gradient + self.momenta * momenta.gradient,
        )


def linear_map(expr: sp.Expr) -> LinearMap | None:
    """`expr` as a linear map with scalar coefficients, if it is one.

    >>> linear_map(3 * X - w)
    LinearMap(momenta=3, weights=-1, gradient=0)
    """
    # Sums over the momenta are scalars: they are held fixed.
    totals = sorted(expr.atoms(Total), key=sp.default_sort_key)
    names = {node: sp.Dummy(f"S{i}", real=True) for i, node in enumerate(totals)}
    back = {name: node for node, name in names.items()}
    plain = expr.xreplace(names)
    parts = [sp.simplify(sp.diff(plain, z)).xreplace(back) for z in (X, w, G)]
    if any(components(part) for part in parts):
        return None
    found = LinearMap(*parts)
    return found if vanishes(expr - found.of(X, w, G)) else None


@dataclass(frozen=True)
class RadiusLaw(Printable):
    """R'' = speed R' + radius R + source |w'|^2 for R = |w|^2, over the block that is scaled.

    Args:
        noether: the law of the charge of scaling.
        velocity: w' = s X + u w.
    """

    noether: NoetherLaw
    velocity: LinearMap
    speed: sp.Expr
    radius: sp.Expr
    source: sp.Expr

    @property
    def first(self) -> sp.Expr:
        """dR/dt in R and P."""
        return 2 * self.velocity.momenta * P + 2 * self.velocity.weights * R

    def claims(self) -> tuple[Claim, ...]:
        """The law against the equations of motion, for every loss with the symmetry."""
        sums = self.noether.generator.sum
        moves = self.noether.equations.velocity
        first = _imposed(self.noether, directional(sums(w**2), dict(moves)))
        second = _imposed(self.noether, directional(first, {**moves, t: sp.S.One}))
        velocity = self.velocity.of(X, w, G)
        law = self.speed * first + self.radius * sums(w**2) + self.source * sums(velocity**2)
        return (
            zero_claim(
                "R̈ follows this law for every loss with the symmetry",
                [sums_multiplied_out(second - law)],
                "exact, symbolic d: R differentiated twice along the equations of motion",
            ),
        )

    def formulas(self) -> tuple[Formula, ...]:
        """The radius, its speed, and the law."""
        square = self.noether.generator.sum(w**2)
        return (
            Formula.equation("R", "R", square),
            Formula.equation("dR/dt", r"\dot R", self.first),
            linear_formula(
                "R̈",
                r"\ddot R",
                [
                    (self.speed, "Ṙ", r"\dot R"),
                    (self.radius, "R", "R"),
                    (self.source, "|ẇ|²", r"|\dot{\mathbf w}|^2"),
                ],
            ),
        )


def radius_law(noether: NoetherLaw) -> RadiusLaw:
    """The law of |w|^2 from that of the charge of scaling.

    Raises:
        SymmetryError: the velocity is no known multiple of the momenta, or the law does not close.
    """
    if noether.generator.name != "scaling":
        raise SymmetryError("the law of the radius belongs to scaling")
    velocity = linear_map(noether.equations.w)
    if velocity is None or velocity.gradient != 0 or velocity.momenta == 0:
        raise SymmetryError(
            "|w|² has no law of its own: its speed 2 Σ w·ẇ is no function of the charge Σ w·X, as "
            f"the velocity ẇ = {noether.equations.w} is no multiple of X"
        )
    if not velocity.is_known:
        raise SymmetryError(
            "|w|² has no law of second order: its speed is the charge times "
            f"{2 * velocity.momenta}, which the state decides"
        )
    s, u = velocity.momenta, velocity.weights
    sums, moves = noether.generator.sum, noether.equations.velocity
    first = _imposed(noether, directional(sums(w**2), dict(moves)))
    second = _imposed(noether, directional(first, {**moves, t: sp.S.One}))
    # R' = 2 s P + 2 u R and |w'|^2 = s^2 |X|^2 + 2 s u P + u^2 R, solved for P and |X|^2.
    charge = (R_RATE - 2 * u * R) / (2 * s)
    momenta2 = (SPEED2 - u * R_RATE + u**2 * R) / s**2
    values = {sums(w * X): charge, sums(X**2): momenta2, sums(w**2): R}
    law = sp.expand(second.xreplace(values))
    speed, radius, source = (_short(law.coeff(z)) for z in (R_RATE, R, SPEED2))
    rest = law - sp.expand(speed * R_RATE + radius * R + source * SPEED2)
    if not (vanishes(rest) and all(is_known(e) for e in (speed, radius, source))):
        raise SymmetryError(
            "|w|² has no law of second order: its acceleration needs more than R, Ṙ and |ẇ|²"
        )
    return RadiusLaw(noether, velocity, speed, radius, source)


@dataclass(frozen=True)
class OverdampedLaw(Printable):
    """What is left of the law of R without inertia: R^2 averages squared gradients.

    d(R^2)/dt = -decay R^2 + source |g|^2, with g the gradient on the unit sphere. From the law
    R'' = ..., with R'' and |w'|^2 taken along the motion at resting momenta, X' = 0; what is left
    out is of second order in the inertia.

    Args:
        growth: R'/R along that motion.
        decay, source: of the law of R^2.
    """

    growth: sp.Expr
    decay: sp.Expr
    source: sp.Expr

    @property
    def stationary(self) -> sp.Expr:
        """R^2 / |g|^2 where the average has settled."""
        return _short(self.source / self.decay)

    def formulas(self) -> tuple[Formula, ...]:
        """The law, and where it settles."""
        squares = r"|\hat g|^2"
        rows = [
            linear_formula(
                "d(R²)/dt",
                r"\frac{d}{dt} R^2",
                [(-self.decay, "R²", "R^2"), (self.source, "|ĝ|²", squares)],
            )
        ]
        if self.decay != 0:
            settled = Formula.equation("R²/|ĝ|²", rf"R^2/{squares}", self.stationary, "→", r"\to")
            rows.append(settled)
        return tuple(rows)


def overdamped_law(law: RadiusLaw) -> OverdampedLaw:
    """The law of R^2 to first order in inertia.

    Raises:
        SymmetryError: there is no friction, or the coefficients move with time.
    """
    noether = law.noether
    force = linear_map(noether.equations.X)
    parts = (law.speed, law.radius, law.source)
    if force is None or not (force.is_constant and all(is_constant(e) for e in parts)):
        raise SymmetryError(
            "the limit without inertia is derived where the coefficients do not move with time"
        )
    if force.momenta == 0 or law.speed == 0:
        raise SymmetryError("without friction there is no limit without inertia")
    # X' = 0: the momenta that the friction holds.
    resting = LinearMap(sp.S.Zero, -force.weights / force.momenta, -force.gradient / force.momenta)
    slow = law.velocity.along(resting)
    growth = 2 * slow.weights  # of R' = 2 w.w', for the gradient is orthogonal to w
    # |w'|^2 = slow.weights^2 R + slow.gradient^2 |G|^2, and |G|^2 = |g|^2/R: the derivative of the
    # identity w.G = 0 makes G homogeneous of degree -1.
    share = (growth**2 - law.radius - law.source * slow.weights**2) / law.speed
    gain = -law.source * slow.gradient**2 / law.speed
    return OverdampedLaw(_short(growth), _short(-2 * share), _short(2 * gain))


def _imposed(noether: NoetherLaw, expr: sp.Expr) -> sp.Expr:
    return noether.generator.impose(expr)


def _short(expr: sp.Expr) -> sp.Expr:
    return sp.factor(sp.cancel(sp.expand(expr)))


_LATEX_SIGNS = {"=": "=", "≈": r"\approx"}


def linear_formula(
    text: str, latex: str, terms: Iterable[tuple[sp.Expr, str, str]], sign: str = "="
) -> Formula:
    """text = coefficient*name + ..., for names that are no symbols."""
    listed = list(terms)
    right = to_unicode(sp.Add(*(c * sp.Symbol(name) for c, name, _ in listed)))
    # The printer takes names apart: it is given marks, which are replaced by what they stand for.
    marks = [chr(ord("①") + i) for i in range(len(listed))]
    marked = to_latex(
        sp.Add(*(c * sp.Symbol(m) for (c, _, _), m in zip(listed, marks, strict=True)))
    )
    for mark, (_, _, tex) in zip(marks, listed, strict=True):
        marked = marked.replace(mark, f"{{{tex}}}")
    return Formula(f"{text} {sign} {right}", f"{latex} {_LATEX_SIGNS[sign]} {marked}")
