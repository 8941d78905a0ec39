"""Functions that never grow: of the flow for any loss, and of the step on a quadratic.

For the flow, F = (k/beta)(kinetic + potential) is the energy per thermal mass, T + c**2 L in the
paper's setting. For the step z -> M z on a quadratic, the area between z and M z is a quadratic
form that every step multiplies by det M, since M^T J M = det(M) J in two dimensions; and the sum of
all future losses is one that each step lowers by the loss of the moment.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from symplectic_codegen.algebra.display import Formula, Printable
from symplectic_codegen.algebra.forms import collected, join_signs, multiplied_out
from symplectic_codegen.algebra.memory import memories
from symplectic_codegen.algebra.proof import Claim, Verdict, vanishes, zero_claim
from symplectic_codegen.algebra.symbols import L, U, X, beta, h, k, t, w
from symplectic_codegen.algebra.vector import Total, directional, gradient
from symplectic_codegen.analysis.domain import domain_of
from symplectic_codegen.analysis.linear_step import LinearStep, single_call
from symplectic_codegen.analysis.linearisation import solve_linear, tidy
from symplectic_codegen.analysis.parameters import CURVATURE
from symplectic_codegen.driver import Derivation
from symplectic_codegen.errors import AnalysisError


@dataclass(frozen=True)
class FlowEnergy(Printable):
    """The energy per thermal mass along the continuous motion, for symbolic d and any loss.

    Args:
        energy: F.
        rate: dF/dt.
        claims: the form of the rate, and its sign where it is known.
    """

    energy: sp.Expr
    rate: sp.Expr
    claims: tuple[Claim, ...]

    def formulas(self) -> tuple[Formula, ...]:
        """F and its rate."""
        return (
            Formula.equation("F", "F", self.energy),
            Formula.equation("dF/dt", r"\dot{F}", self.rate),
        )


@dataclass(frozen=True)
class StepEnergy(Printable):
    """Quadratic Lyapunov functions of the step on lambda/2 w**2.

    Args:
        area: a form that every step multiplies by `factor`; positive definite exactly where the
            eigenvalues are complex. None if the step forgets the momenta.
        future: the sum of the losses of this and all later steps; positive in the whole region of
            stability. None if nothing contracts.
    """

    area: sp.Expr | None
    factor: sp.Expr
    future: sp.Expr | None
    claims: tuple[Claim, ...]

    def formulas(self) -> tuple[Formula, ...]:
        """The forms, and what a step does to them."""
        rows = []
        if self.area is not None:
            rows.append(Formula.equation("V", "V", self.area))
            rows.append(Formula.equation("V after a step", "V^+", self.factor * sp.Symbol("V")))
        if self.future is not None:
            rows.append(Formula.equation("W = Σₙ L(wₙ)", r"W = \sum_n L(w_n)", self.future))
            after = sp.Symbol("W") - CURVATURE * w**2 / 2
            rows.append(Formula.equation("W after a step", "W^+", after))
        return tuple(rows)


def flow_energy(derivation: Derivation) -> FlowEnergy:
    """The energy per thermal mass and its exact rate.

    Raises:
        AnalysisError: H is no sum of kinetic, potential and thermal part.

    >>> from symplectic_codegen.driver import derive
    >>> print(flow_energy(derive("beta/k*(dot(X, X)/2 + c**2*L) + h*gamma/k*beta*U")))
    F = L·c² + Σᵢ Xᵢ²/2
    dF/dt = −γ·Σᵢ Xᵢ²
    """
    pieces = derivation.separation
    if not pieces.is_complete or pieces.thermostat.has(X):
        raise AnalysisError(
            "H is no sum of a kinetic, a potential and a thermal part, so there is no energy per "
            "thermal mass whose rate is known in this form"
        )
    rubbing = derivation.spec.expression("friction") or sp.S.Zero
    K, V = (multiplied_out(k / beta * part) for part in (pieces.kinetic, pieces.potential))
    velocity = dict(derivation.equations.velocity)
    velocity[X] -= rubbing
    speed, thermal = gradient(K, X), pieces.thermal + pieces.thermostat
    rate = _joined(directional(K + V, {**velocity, t: sp.S.One}))
    work, virial = Total(X * speed), Total(w * gradient(V, w))
    parts = {
        "−(β̇/β)·X·∇T": -velocity[beta] / beta * work,
        "δ·(X·∇T − w·∇V)": k / h * pieces.dilation * (work - virial),
        "(k/hβ)·∂E/∂w·∇T": k / (h * beta) * Total(gradient(thermal, w) * speed),
        "−friction·∇T": -Total(rubbing * speed),
        "β̇·∂F/∂β + ∂F/∂t": sp.diff(K + V, beta) * velocity[beta] + sp.diff(K + V, t),
    }
    present = {name: part for name, part in parts.items() if not vanishes(part)}
    frozen = " at given memory fields" if memories(pieces.kinetic) else ""
    claim = zero_claim(
        f"dF/dt = {' + '.join(present) or '0'}{frozen}",
        [rate - sp.Add(*present.values())],
        "symbolic d, any loss",
    )
    if claim.holds:
        # Its parts are shorter than the chain rule, in which much cancels.
        rate = _joined(sp.Add(*present.values()))
    rate = collected(rate, Total, U, L, t)
    return FlowEnergy(K + V, rate, (claim, _sign_claim(derivation, rate, claim)))


def _joined(expr: sp.Expr) -> sp.Expr:
    """Multiplied out, with x sign(x) as |x|."""
    opened = multiplied_out(sp.powsimp(expr), nested=True)
    return opened.replace(lambda e: isinstance(e, Total), _joined_body)


def _joined_body(total: Total) -> sp.Expr:
    """With factored denominators: what is a scalar in them comes out of the sum."""
    body = join_signs(multiplied_out(total.body))
    return Total(
        body.replace(
            lambda e: e.is_Pow and e.exp.is_negative and e.base.is_Add,
            lambda e: sp.factor(e.base) ** e.exp,
        )
    )


def _sign_claim(derivation: Derivation, rate: sp.Expr, form: Claim) -> Claim:
    """Whether F can only fall: every term of its rate is one with a known sign."""
    if not form.holds:
        return Claim("F never grows", Verdict.ASSUMED, "the form of its rate is not known")
    if rate == 0:
        return Claim("F is conserved", form.verdict, "its rate vanishes")
    positive = {L: sp.Symbol("L", nonnegative=True), t: sp.Symbol("t", positive=True)}
    domain = domain_of(derivation)
    for term in sp.Add.make_args(sp.expand_mul(rate.xreplace(positive))):
        number, factors = term.as_coeff_Mul()
        scalars = [f for f in sp.Mul.make_args(factors) if not f.is_nonnegative]
        if number > 0 or any(domain.sign(f) != 1 for f in scalars):
            return Claim(
                "F never grows", Verdict.ASSUMED, "not decided from the signs of its terms"
            )
    condition = " where L ≥ 0" if rate.has(L) else ""
    return Claim(f"F never grows{condition}", form.verdict, "no term of its rate is positive")


def step_energy(step: LinearStep) -> StepEnergy:
    """The two Lyapunov functions of a constant step, both proved by exact algebra.

    Raises:
        AnalysisError: it takes several gradients, or nothing contracts and X does not move w.

    >>> from symplectic_codegen.driver import derive
    >>> from symplectic_codegen.analysis.linear_step import linear_step
    >>> print(step_energy(linear_step(derive("beta*(dot(X, X)/2 + L)"))).area)
    X**2/2 + X*w*k*lambda_*tau/(2*h) + w**2*lambda_/2
    """
    single_call(step)
    claims: list[Claim] = []
    D = tidy(step.determinant)
    area = _area(step)
    if area is not None:
        claims.append(_area_claim(step, area))
    future = None if sp.simplify(D - 1) == 0 else _future(step)
    if future is not None:
        residual = _after(step, future) - future + CURVATURE * w**2 / 2
        holds = sp.simplify(residual) == 0
        claims.append(
            Claim(
                "every step lowers W by the loss of the moment, so W is a Lyapunov function "
                "wherever the step is stable",
                Verdict.PROVED if holds else Verdict.REFUTED,
                "exact algebra on a quadratic",
            )
        )
    if area is None and future is None:
        raise AnalysisError("the step has no quadratic Lyapunov function: w is not moved by X")
    return StepEnergy(area, D, future, tuple(claims))


def _area(step: LinearStep) -> sp.Expr | None:
    """X w+ - w X+, scaled so that X**2 has the coefficient 1/2."""
    (a, b), (c, e) = step.matrix.tolist()
    if c == 0:
        return None
    form = sp.expand(X * (c * X + e * w) - w * (a * X + b * w))
    scaled = {m: tidy(form.coeff(*m) / (2 * c)) for m in ((X, 2), (w, 2))}
    mixed = tidy((e - a) / (2 * c))
    return scaled[X, 2] * X**2 + mixed * X * w + scaled[w, 2] * w**2


def _area_claim(step: LinearStep, area: sp.Expr) -> Claim:
    residual = sp.simplify(_after(step, area) - step.determinant * area)
    form = sp.Poly(sp.expand(area), X, w)
    discriminant = form.coeff_monomial(X * w) ** 2 - 4 * form.coeff_monomial(
        X**2
    ) * form.coeff_monomial(w**2)
    c = step.matrix[1, 0]
    definite = sp.simplify(4 * c**2 * discriminant - (step.trace**2 - 4 * step.determinant)) == 0
    holds = residual == 0 and definite
    return Claim(
        "every step multiplies V by det M; V is positive definite exactly where the eigenvalues "
        "are complex",
        Verdict.PROVED if holds else Verdict.REFUTED,
        "exact algebra on a quadratic: V is the area between z and M z",
    )


def _future(step: LinearStep) -> sp.Expr | None:
    """The solution P of M^T P M - P = -Q for the loss Q."""
    M = step.matrix
    xx, xw, ww = sp.symbols("xx xw ww")
    P = sp.Matrix([[xx, xw], [xw, ww]])
    Q = sp.Matrix([[0, 0], [0, CURVATURE / 2]])
    defect = M.T * P * M - P + Q
    solution = solve_linear([defect[0, 0], defect[0, 1], defect[1, 1]], [xx, xw, ww])
    if solution is None:
        return None
    a, b, c = solution
    return a * X**2 + 2 * b * X * w + c * w**2


def _after(step: LinearStep, form: sp.Expr) -> sp.Expr:
    """The form after one step."""
    (a, b), (c, e) = step.matrix.tolist()
    return form.xreplace({X: a * X + b * w, w: c * X + e * w})
