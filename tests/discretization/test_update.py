"""Update equations against the formulas that the literature prints."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import pytest
import sympy as sp

from symplectic_codegen import catalog
from symplectic_codegen.algebra.symbols import G, L, U, X, beta0, c, h, k, tau, w
from symplectic_codegen.algebra.vector import Total
from symplectic_codegen.discretization.update import STEP_NUMBER, Clock, UpdateEquations
from symplectic_codegen.driver import Derivation, derive
from symplectic_codegen.errors import SymplecticCodegenError
from symplectic_codegen.language.spec import Spec
from symplectic_codegen.mechanics.temperature import START

gamma, b, lam, s = sp.symbols("gamma b lam s", positive=True)
lr, momentum, zeta, dampening, decay, offset = sp.symbols(
    "lr momentum zeta dampening decay offset", positive=True
)
n = STEP_NUMBER
MOMENTUM = "beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U"


def same(left: sp.Expr, right: sp.Expr) -> bool:
    return bool(sp.simplify(sp.expand(left - right)) == 0)


def steps(update: UpdateEquations) -> list[tuple[sp.Symbol, sp.Expr]]:
    return [(a.target, a.expr) for a in update.inlined()]


def value(update: UpdateEquations, target: sp.Symbol) -> sp.Expr:
    (expr,) = [e for z, e in steps(update) if z == target]
    return expr


def assert_step(update: UpdateEquations, momenta: sp.Expr, weights: sp.Expr) -> None:
    assert [z for z, _ in steps(update)] == [X, w]
    assert same(value(update, X), momenta), value(update, X)
    assert same(value(update, w), weights), value(update, w)


def catalogued(name: str) -> UpdateEquations:
    return derive(catalog.load(name)).update


def test_momentum_is_an_exponential_average() -> None:
    update = catalogued("momentum")
    assert_step(update, momentum * X + (1 - momentum) * zeta * G, w - lr * X)
    assert update.clock is Clock.NONE


def test_momentum_in_physical_parameters() -> None:
    mu = sp.exp(-gamma * tau)
    update = derive(MOMENTUM).update
    assert_step(update, mu * X + c**2 / h * (1 - mu) / gamma * G, w - tau / h * X)


def test_heavy_ball_is_the_form_of_torch() -> None:
    update = catalogued("heavy_ball")
    assert_step(update, momentum * X + (1 - dampening) * G, w - lr * X)


def test_constant_temperature_accumulates() -> None:
    update = derive("beta/(2*k)*dot(X, X) + beta*c**2/k*L").update
    assert_step(update, X + tau * c**2 / h * G, w - tau / h * X)
    assert_step(catalogued("accumulation"), X + zeta * G, w - lr * X)


def test_gradient_descent_is_the_limit() -> None:
    assert_step(catalogued("gradient_descent"), G, w - lr * X)


def test_weight_decay() -> None:
    update = catalogued("weight_decay")
    force = G + decay * w
    assert_step(update, momentum * X + (1 - momentum) * zeta * force, w - lr * X)


def test_bias_correction_is_the_cooling_of_an_infinitely_hot_start() -> None:
    update = catalogued("debiased_momentum")
    keep = (1 - momentum ** (n - 1)) * momentum / (1 - momentum**n)
    gain = (1 - momentum) / (1 - momentum**n) * zeta
    assert_step(update, keep * X + gain * G, w - lr * X)
    assert update.clock is Clock.STEP_NUMBER
    # The same as m_n = mu m + (1 - mu) g, divided by 1 - mu^n, over five steps.
    gradients = [sp.Rational(3), sp.Rational(-2), sp.Rational(5), sp.Rational(1, 3), sp.Rational(4)]
    mu = sp.Rational(9, 10)
    ours, average = sp.S.Zero, sp.S.Zero
    for number, g in enumerate(gradients, 1):
        point = {n: number, momentum: mu, zeta: 1, X: ours, G: g}
        ours = value(update, X).subs(point)
        average = mu * average + (1 - mu) * g
        assert ours == average / (1 - mu**number)


def test_the_power_law_has_friction_three_over_t() -> None:
    update = catalogued("nesterov_flow")
    ratio = ((n + offset - 1) / (n + offset)) ** 3
    gain = zeta / 4 * ((n + offset) - (n + offset - 1) ** 4 / (n + offset) ** 3)
    assert_step(update, ratio * X + gain * G, w - lr * X)
    large = sp.series(ratio.subs(n, 1 / s), s, 0, 2).removeO()
    assert sp.expand(large - (1 - 3 * s)) == 0


def test_the_relativistic_velocity_of_degree_one() -> None:
    update = catalogued("relativistic_degree_one")
    keep = momentum * X + (1 - momentum) * zeta * G
    assert_step(update, keep, w - lr * s * X / sp.sqrt(Total(X**2) + s**2))


def test_the_relativistic_velocity_of_the_paper() -> None:
    # v = (1/h) X / sqrt(beta^2 X^2/k^2 + 1), at constant beta.
    update = derive("sqrt(dot(X, X) + k**2/beta**2) + beta*c**2/k*L").update
    velocity = X / h / sp.sqrt(beta0**2 * Total(X**2) / k**2 + 1)
    moved = value(update, w) - w
    R = sp.Symbol("R", positive=True)
    assert same((moved + tau * velocity).xreplace({Total(X**2): R}), sp.S.Zero)


def test_the_papers_harmonic_term_fades() -> None:
    update = derive("dot(X, X)*beta/2 + lam/2*dot(w, w) + beta*L + h*gamma/k*beta*U").update
    pull = sp.diff(value(update, X), w)
    expected = k * lam * tau / (h * beta0) * sp.exp(-gamma * (START + tau))
    assert same(pull, expected)


def test_the_energy_is_stepped_as_in_the_notes() -> None:
    # catalogue.md, fact 8: kick, then drift.
    update = derive(Spec.from_expression(MOMENTUM).replace(with_energy=True)).update
    mu = sp.exp(-gamma * tau)
    late = steps(update)[1][0]
    assert [z for z, _ in steps(update)] == [X, late, w, U]
    kicked = mu * U - (1 - mu) / gamma * c**2 / h * L
    # The sum is that of the new momenta: it stands behind their assignment.
    assert same(value(update, late), kicked + tau / (2 * h) * Total(X**2))
    assert value(update, U) == late


def test_the_energy_of_the_shifted_profile() -> None:
    text = "beta/(2*k)*dot(X, X) + (beta + b)*c**2/k*L + h*gamma/k*(beta + b)*U"
    update = derive(Spec.from_expression(text).replace(with_energy=True)).update
    mu = sp.exp(-gamma * tau)
    late = value(update, steps(update)[1][0])
    assert same(late.xreplace({Total(X**2): sp.S.Zero}), mu * U - (1 - mu) / gamma * c**2 / h * L)


def test_coefficients_do_not_take_the_names_of_hyperparameters() -> None:
    for text, name in ((MOMENTUM, "decay"), (MOMENTUM, "impulse"), (MOMENTUM, "rate")):
        renamed = text.replace("gamma", name)
        update = derive(renamed).update
        assert name not in {c_.symbol.name for c_ in update.coefficients}
        swapped = [
            (z, e.xreplace({sp.Symbol(name, positive=True): gamma})) for z, e in steps(update)
        ]
        assert all(same(e, value(derive(text).update, z)) for z, e in swapped)


CLOCKS = {
    "none": (MOMENTUM, ("lr = tau/h",), Clock.NONE),
    "time": ("sqrt(dot(X, X) + k**2/beta**2) + L + gamma*beta*U", (), Clock.TIME),
    "steps": (
        "beta*dot(X, X)/2 + beta*L + lam*dot(w, w) + gamma*beta*U",
        ("lr = tau/h", "momentum = exp(-gamma*k*tau/h)"),
        Clock.STEP_NUMBER,
    ),
}


@pytest.mark.parametrize(("text", "reparams", "clock"), CLOCKS.values(), ids=CLOCKS)
def test_the_simplest_clock_is_used(text: str, reparams: Sequence[str], clock: Clock) -> None:
    derivation = derive(Spec.from_expression(text, reparams=list(reparams)))
    assert derivation.update.clock is clock
    used = set().union(*(c_.expr.free_symbols for c_ in derivation.update.coefficients))
    assert (START in used) is (clock is Clock.TIME)
    assert (n in used) is (clock is Clock.STEP_NUMBER)


# Every symbol of the update must be a user-facing one: eliminated parameters are gone everywhere.

ELIMINATED = {
    "in the velocity": "beta*log(1 + gamma*dot(X, X)) + L + gamma*beta*U",
    "in a function of X": "beta*sum(cosh(gamma*X)) + beta*L + gamma*beta*U",
    "in a function of w": "beta*dot(X, X) + beta*L + beta*sum(cos(gamma*w)) + gamma*beta*U",
    "in the temperature": "sqrt(dot(X, X) + k**2/beta**2) + beta*L + gamma*beta*U",
    "in a sum": "sum(sqrt(X**2 + k**2/beta**2)) + beta*L + gamma*beta*U",
}


@pytest.mark.parametrize("with_energy", [False, True])
@pytest.mark.parametrize("text", ELIMINATED.values(), ids=ELIMINATED)
def test_eliminated_parameters_are_gone_from_the_rule(text: str, with_energy: bool) -> None:
    spec = Spec.from_expression(text, reparams=["lr = tau/h", "momentum = exp(-gamma*tau)"])
    derivation = derive(spec.replace(with_energy=with_energy))
    gone = {p.name for p in derivation.parameters.physical}
    assert gone == {"tau", "gamma"}
    left = set().union(*(e.free_symbols for _, e in steps(derivation.update)))
    assert not {symbol.name for symbol in left} & gone
    assert gone.isdisjoint(p.name for p in derivation.rule.parameters)


@pytest.mark.parametrize(
    "text",
    [
        "dot(X, X)*d + L",
        "beta*dot(X, X)/(2*d) + beta*L",
        "beta*dot(X, X)/2 + beta*L + gamma*beta*U/d",
        "beta*sum(X**2 + 1)/2 + beta*L + gamma*beta*U",
    ],
)
def test_the_number_of_weights_is_expressed_or_refused(text: str) -> None:
    spec = Spec.from_expression(text).replace(with_energy=True)
    derivation: Derivation = derive(spec)
    with contextlib.suppress(SymplecticCodegenError):
        assert derivation.rule.stages


# beta > 0 is a condition of the phase space: a step that would leave it must be refused.

ENDING = {
    "linear": "beta*dot(X, X)/2 + beta*L - gamma*U",
    "square root": "beta*dot(X, X)/2 + beta*L - gamma*sqrt(beta)*U",
    "shifted": "beta*dot(X, X)/2 + beta*L + gamma*(beta - 2)*U",
    "blow-up": "beta*dot(X, X)/2 + beta*L + gamma*beta**2*U",
    "tangent": "beta*dot(X, X)/2 + beta*L + gamma*(1 + beta**2)*U",
}


@pytest.mark.parametrize("text", ENDING.values(), ids=ENDING)
def test_a_temperature_that_ends_in_finite_time_has_a_guard(text: str) -> None:
    derivation = derive(text)
    point = {gamma: 1, h: 1, k: 1, c: 1, beta0: 1, tau: sp.Rational(1, 16)}
    # All of these end before t = 3, some of them at beta = 0 and some at infinity.
    late = {**point, START: 3}
    conditions = [condition.subs(late) for condition, _ in derivation.update.domain]
    assert any(sp.N(value_) <= 0 for value_ in conditions), derivation.temperature.profile()
    early = {**point, START: 0}
    starts = [condition.subs(early) for condition, _ in derivation.update.domain]
    assert all(sp.N(value_) > 0 for value_ in starts)
