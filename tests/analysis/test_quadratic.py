"""The step on a quadratic against the literature, whose formulas only these tests hold."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest
import sympy as sp

import symplectic_codegen as sc
from symplectic_codegen.algebra.symbols import START
from symplectic_codegen.analysis.analyze import analyze
from symplectic_codegen.analysis.domain import Domain
from symplectic_codegen.analysis.linear_step import (
    LinearStep,
    linear_step,
    linearised_step,
    settled,
)
from symplectic_codegen.analysis.parameters import CURVATURE, LARGEST, NOISE, SMALLEST
from symplectic_codegen.analysis.stability import Condition
from symplectic_codegen.driver import derive
from symplectic_codegen.errors import AnalysisError
from symplectic_codegen.language.bounds import Bounds
from symplectic_codegen.language.spec import Spec

lr, momentum, zeta, dampening, decay = sp.symbols("lr momentum zeta dampening decay", positive=True)
beta1, eps, r1 = sp.symbols("beta1 eps r1", positive=True)
gamma, tau, c, h = sp.symbols("gamma tau c h", positive=True)
lam = CURVATURE
MOMENTUM = "beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U"
NAMES = ["lr = tau/h", "momentum = exp(-gamma*tau)", "zeta = c**2/(h*gamma)"]


@cache
def of(name: str) -> sc.Analysis:
    return analyze(sc.catalog.load(name))


def equal(a: sp.Expr, b: sp.Expr) -> bool:
    return bool(sp.simplify(sp.powdenest(a - b, force=True)) == 0)


def limit_of(condition: Condition) -> sp.Expr:
    """The largest curvature that a condition allows."""
    (found,) = sp.solve(condition.left - condition.right, lam)
    return found


# What the literature says of the largest stable curvature, in the parameters of each entry.
STABLE = {
    # Franca et al. (2020): S = h**2 lambda/m <= 2 (1 + mu) for the classical momentum
    "heavy_ball": 2 * (1 + momentum) / (lr * (1 - dampening)),
    "momentum": 2 * (1 + momentum) / (lr * zeta * (1 - momentum)),
    "gradient_descent": 2 / lr,
    "accumulation": 4 / (lr * zeta),
    "weight_decay": 2 * (1 + momentum) / (lr * zeta * (1 - momentum)) - decay,
    # Cohen et al. (2022), adaptive gradient methods at the edge of stability: 38/lr at beta1 = 0.9
    "adam": 2 * (1 + beta1) / ((1 - beta1) * lr) * (r1 + eps),
    "rmsprop": 2 * (r1 + eps) / lr,
    "debiased_momentum": 2 * (1 + momentum) / (lr * zeta * (1 - momentum)),
    "relativistic_degree_one": 2 * (1 + momentum) / (lr * zeta * (1 - momentum)),
}


@pytest.mark.parametrize("name", STABLE)
def test_stability_of_the_literature(name: str) -> None:
    (condition,) = of(name).stability.essential
    assert equal(limit_of(condition), STABLE[name])


def test_adam_at_its_defaults_is_stable_up_to_38() -> None:
    (condition,) = of("adam").stability.at_defaults
    assert equal(limit_of(condition), 38 * (r1 + eps) / lr)


def with_integrator(integrator: str) -> sc.Analysis:
    return analyze(Spec.from_expression(MOMENTUM, integrator=integrator, reparams=NAMES))


def test_the_conformal_leapfrog_is_stable_to_four() -> None:
    """Franca et al.: S <= 4 for the leapfrog, S = h**2 lambda/m = c**2 tau**2 lambda/h**2 here."""
    condition = with_integrator("conformal-leapfrog").stability.essential[-1]
    S = lr * zeta * -sp.log(momentum) * lam  # with zeta = c**2/(h gamma) and lr = tau/h
    assert equal(condition.left / condition.right, S / 4)


def test_nesterov_is_the_least_stable_and_not_conformal() -> None:
    """S <= 2 (1 + mu)/(1 + 2 mu), det = mu (1 - S) for NAG, in S = epsilon lambda."""
    step = with_integrator("nesterov").step
    S = sp.Symbol("S")
    force = -lr * zeta * sp.log(momentum) * lam
    assert equal(step.determinant, momentum * (1 - force))
    edge = (1 + step.trace + step.determinant).subs(lr, S / (zeta * -sp.log(momentum) * lam))
    (limit,) = sp.solve(sp.simplify(edge), S)
    assert equal(limit, 2 * (1 + momentum) / (1 + 2 * momentum))


def test_polyaks_optimum() -> None:
    """Polyak (1964): ((sqrt M - sqrt m)/(sqrt M + sqrt m))**2 and 4/(sqrt M + sqrt m)**2."""
    best = of("heavy_ball").optimum
    m, M = sp.sqrt(SMALLEST), sp.sqrt(LARGEST)
    assert equal(best.values[momentum], ((M - m) / (M + m)) ** 2)
    assert equal(best.values[lr], 4 / (M + m) ** 2 / (1 - dampening))
    assert equal(best.rate, (M - m) / (M + m))
    assert best.free == (dampening,)
    assert best.claim.verdict.value == "proved"


def test_the_optimum_of_an_average_and_of_gradient_descent() -> None:
    average = of("momentum").optimum
    assert equal(average.values[lr], 1 / (zeta * sp.sqrt(SMALLEST * LARGEST)))
    descent = of("gradient_descent").optimum
    assert equal(descent.values[lr], 2 / (SMALLEST + LARGEST))
    assert equal(descent.rate, (LARGEST - SMALLEST) / (LARGEST + SMALLEST))
    decayed = of("weight_decay").optimum
    shifted = {SMALLEST: SMALLEST + decay, LARGEST: LARGEST + decay}
    assert equal(decayed.rate, average.rate.xreplace(shifted))


@pytest.mark.parametrize("kappa", [3, 20, 400])
@pytest.mark.parametrize("name", ["momentum", "heavy_ball", "gradient_descent"])
def test_nothing_on_a_grid_beats_the_optimum(name: str, kappa: float) -> None:
    """The spectral radius on a fine grid of hyperparameters and curvatures, by NumPy."""
    analysis = of(name)
    best = analysis.optimum
    ends = {SMALLEST: sp.Integer(1), LARGEST: sp.Integer(kappa)}
    ends |= {zeta: sp.S.One, dampening: sp.S.Zero}
    promised = float(best.rate.subs(ends))
    fixed = {zeta: 1, dampening: 0}
    matrix = sp.lambdify((lr, momentum, lam), analysis.step.matrix.subs(fixed), "numpy")
    curvatures = np.geomspace(1, kappa, 40)

    def radius(rate: float, mu: float) -> float:
        stack = np.array([matrix(rate, mu, x) for x in curvatures], dtype=float)
        return float(np.abs(np.linalg.eigvals(stack)).max())

    chosen = {s: float(v.subs(ends)) for s, v in best.values.items()}
    reached = radius(chosen[lr], chosen.get(momentum, 0.0))
    # Where two eigenvalues meet, rounding of the matrix moves them by its square root.
    assert reached == pytest.approx(promised, abs=1e-6)
    rates = chosen[lr] * np.geomspace(0.1, 6, 25)
    moments = np.linspace(0, 0.99, 25) if momentum in best.values else [0.0]
    assert min(radius(a, b) for a, b in itertools.product(rates, moments)) > promised - 1e-6


def numbers(analysis: sc.Analysis) -> dict[sp.Symbol, sp.Rational]:
    values = {lr: "1/5", momentum: "7/10", zeta: "3/2", lam: "4/3", decay: "1/7", dampening: "1/4"}
    values |= {beta1: "7/10", eps: "1/9", r1: "5/7", NOISE: "2/3", sp.Symbol("r1"): "5/7"}
    values |= {gamma: "3/5", tau: "2/5", c: "1", h: "1", sp.Symbol("weight_decay"): "1/8"}
    present = analysis.step.matrix.free_symbols | {NOISE}
    return {s: sp.Rational(v) for s, v in values.items() if s in present}


@pytest.mark.parametrize(
    "name", ["momentum", "heavy_ball", "weight_decay", "adam", "gradient_descent", "relativistic"]
)
def test_the_stationary_covariance_is_a_sum_over_the_past(name: str) -> None:
    """Sum of M**n b b^T (M**n)^T, added up numerically: no Lyapunov equation."""
    analysis = of(name)
    at = numbers(analysis)
    M = np.array(analysis.step.matrix.subs(at).evalf(30), dtype=float)
    b = np.array(analysis.step.noise.subs(at).evalf(30), dtype=float)
    covariance, term = np.zeros((2, 2)), b
    for _ in range(4000):
        covariance += term @ term.T
        term = M @ term
    covariance *= float(at[NOISE]) ** 2
    found = analysis.noise
    for entry, value in ((found.momenta, covariance[0, 0]), (found.mixed, covariance[0, 1])):
        assert float(entry.subs(at)) == pytest.approx(value, rel=1e-10)
    assert float(found.weights.subs(at)) == pytest.approx(covariance[1, 1], rel=1e-10)


def test_the_variance_of_sgd_with_momentum() -> None:
    """Liu, Ziyin, Ueda (2021): lr/(1-mu) sigma**2/(lam (2 - lr lam/(1+mu))) for undamped SGDM."""
    variance = of("heavy_ball").noise.weights.subs(dampening, 0)
    expected = lr / (1 - momentum) * NOISE**2 / (lam * (2 - lr * lam / (1 + momentum)))
    assert equal(variance, expected)


def test_the_rules_own_noise_enters_the_stationary_state() -> None:
    plain = Spec.from_expression(MOMENTUM, reparams=NAMES)
    shaken = analyze(plain.replace(more={"noise": "s"}))
    assert shaken.step.shaking.shape == (2, 1)
    extra = shaken.noise.weights.subs(NOISE, 0)
    assert extra != 0
    assert equal(shaken.noise.weights - extra, analyze(plain).noise.weights)


def test_critical_damping_of_the_flow() -> None:
    flow = of("momentum").flow
    assert flow.friction == gamma
    assert equal(flow.stiffness, c**2 * lam / h**2)
    assert equal(flow.critical_friction, 2 * c * sp.sqrt(lam) / h)
    assert equal(flow.best_friction, 2 * c * sp.sqrt(SMALLEST) / h)


def test_three_over_t() -> None:
    """Su, Boyd, Candes (2014): the friction of Nesterov's flow is 3/t, here with an offset."""
    flow = of("nesterov_flow").flow
    t, t0 = sp.Symbol("t", nonnegative=True), sp.Symbol("t0", positive=True)
    assert equal(flow.law, 3 / (t + t0))
    assert flow.friction == 0


# Why there is no matrix, no rate of it, or no region of stability.
WITHOUT_REGION = {
    "bbi": "reads the loss",
    "bregman_exponential": "grows without bound",
    "bregman_polynomial": "grows without bound",
    "clipped_momentum": "not smooth at the minimum",
    "ecd_sep": "reads the loss",
    "lion": "not smooth at the minimum",
    "loss_cooling": "reads the energy U, the loss",
    "mirror_descent": "higher orders decide",
    "normalized_momentum": "not smooth at the minimum",
    "nose_hoover": "reads the energy U",
    "relativistic_lagged": "reads the sum that the last drift was made with",
    "signum": "not smooth at the minimum",
}


@pytest.mark.parametrize("name", WITHOUT_REGION)
def test_what_has_no_region_says_why(name: str) -> None:
    with pytest.raises(AnalysisError, match=WITHOUT_REGION[name]):
        _ = (of(name).rate, of(name).stability)


@pytest.mark.parametrize("name", sorted(set(sc.catalog.names()) - set(WITHOUT_REGION)))
def test_the_rate_is_the_spectral_radius(name: str) -> None:
    """Both branches against NumPy's eigenvalues at curvatures on both sides of each edge."""
    analysis = of(name)
    at = {s: v for s, v in numbers(analysis).items() if s != lam}
    left = analysis.step.matrix.free_symbols - set(at) - {lam}
    at |= {s: sp.Rational(1, 3) for s in left}
    rate = analysis.rate
    for curvature in (sp.Rational(1, 50), sp.Rational(1, 2), sp.Integer(3), sp.Integer(40)):
        here = {**at, lam: curvature}
        M = np.array(analysis.step.matrix.subs(here).evalf(30), dtype=float)
        T, D = (complex(sp.N(e.subs(here), 30)).real for e in (
            analysis.step.trace, analysis.step.determinant))  # fmt: skip
        expected = np.abs(np.linalg.eigvals(M)).max()
        branch = (
            rate.oscillating if T**2 < 4 * D and rate.oscillating is not None else rate.monotone
        )
        assert abs(complex(sp.N(branch.subs(here), 30))) == pytest.approx(expected, rel=1e-9)
        stable = all(
            float(cond.left.subs(here)) < float(cond.right.subs(here))
            for cond in analysis.stability.conditions
        )
        if not analysis.stability.is_marginal:
            assert stable == (expected < 1)


@pytest.mark.parametrize("name", ["momentum", "adam", "weight_decay", "relativistic_degree_one"])
def test_the_edges_are_where_the_eigenvalues_meet(name: str) -> None:
    analysis = of(name)
    rate = analysis.rate
    assert rate.edges is not None
    shift = rate.curvature - lam
    for edge in rate.edges:
        disc = (analysis.step.trace**2 - 4 * analysis.step.determinant).subs(lam, edge - shift)
        assert equal(disc, sp.S.Zero)


def test_a_linear_step_is_exact_and_says_nothing() -> None:
    step = linearised_step(derive(sc.catalog.load("momentum")))
    exact = linear_step(derive(sc.catalog.load("momentum")))
    assert exact is not None
    assert exact.matrix == step.matrix
    assert step.notes == ()


def test_what_was_assumed_is_said() -> None:
    notes = " ".join(of("adam").step.notes)
    assert "average" in notes
    assert "held at the value" in notes
    assert "limit for late steps" in notes
    assert "linearised at the minimum" in " ".join(of("relativistic").step.notes)


def test_the_limit_of_late_steps_is_the_limit() -> None:
    """The matrix of step 400 of bias-corrected momentum, against the limit."""
    analysis = of("debiased_momentum")
    n = sp.Symbol("n", positive=True, integer=True)
    at = {lr: sp.Rational(1, 5), momentum: sp.Rational(9, 10), zeta: 1, lam: sp.Rational(3, 2)}
    late = analysis.first_step.matrix.subs(n, 400).subs(at)
    difference = (late - analysis.step.matrix.subs(at)).evalf(40)
    assert max(abs(e) for e in difference) < 1e-17


def test_a_thermal_law_that_ends_has_no_late_steps() -> None:
    derivation = derive("beta*sum(cosh(X)) + beta*L + gamma*beta**2*U")
    step = linearised_step(derivation)
    assert step.matrix.has(START)
    with pytest.raises(AnalysisError, match="finite time only"):
        settled(step, derivation)


@pytest.mark.parametrize("kinetic", ["norm1(X)", "norm(X)", "sum(abs(X)**(3/2))"])
def test_kinks_at_the_minimum_are_refused(kinetic: str) -> None:
    with pytest.raises(AnalysisError, match="not smooth at the minimum"):
        linearised_step(derive(f"beta*{kinetic} + beta*L + gamma*beta*U"))


def test_an_unstable_rule_is_called_so() -> None:
    with pytest.raises(AnalysisError, match="unstable for every choice"):
        _ = analyze("beta*dot(X, X)/2 + beta*L - gamma*beta*U").stability


def test_a_kinetic_energy_without_quadratic_part_is_undecided() -> None:
    with pytest.raises(AnalysisError, match="higher orders decide"):
        _ = analyze("beta*sum(X**4) + beta*L + gamma*beta*U").stability


def test_several_gradients_a_step() -> None:
    """The triple jump: determinant exact, the edge of stability numerical and checked here."""
    spec = Spec.from_expression(MOMENTUM, integrator="triple-jump", reparams=NAMES)
    spec = spec.replace(sets={"momentum": "1/2", "zeta": "1"})
    analysis = analyze(spec)
    assert analysis.step.calls == 3
    assert equal(analysis.step.determinant, momentum)
    (condition,) = analysis.stability.at_defaults
    edge = float(condition.right)
    M = sp.lambdify(lr, analysis.step.matrix.subs({momentum: 0.5, zeta: 1, lam: 1}), "numpy")

    def radius(step: float) -> float:
        return np.abs(np.linalg.eigvals(np.array(M(step), dtype=float))).max()

    assert radius(0.999 * edge) < 1 < radius(1.001 * edge)


SIGNS = [
    (1 - momentum, 1),
    (momentum - 1, -1),
    ((1 - momentum) * lr / (1 + momentum), 1),
    (1 - sp.exp(-gamma * tau), 1),
    (sp.log(momentum), -1),
    (lr - momentum, None),
    (lr**2 - 2 * lr + 2, None),  # positive, but not by its coefficients: not shown
    (sp.S.Zero, 0),
]


@pytest.mark.parametrize(("expr", "sign"), SIGNS)
def test_signs_are_proved_or_not_claimed(expr: sp.Expr, sign: int | None) -> None:
    assert Domain({momentum: Bounds.parse("[0, 1)")}).sign(expr) == sign


def test_a_matrix_of_the_wrong_trace_has_no_gain() -> None:
    step = LinearStep(sp.Matrix([[1, 0], [0, lam**2]]), sp.zeros(2, 1))
    assert step.gain is None
    with pytest.raises(ValueError, match="not linear"):
        _ = step.shift
