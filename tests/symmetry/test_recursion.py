"""The recursions of charge and norm, against optimizers run by hand in exact rationals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise

import pytest
import sympy as sp

import symplectic_codegen as sc
from symplectic_codegen.algebra.symbols import Component, G, X, w
from symplectic_codegen.algebra.vector import Total
from symplectic_codegen.errors import SymmetryError
from symplectic_codegen.symmetry.charge import P
from symplectic_codegen.symmetry.generators import P_AXIS, Q_AXIS
from symplectic_codegen.symmetry.noether import Noether
from symplectic_codegen.symmetry.radius import R
from tests.symmetry.by_hand import (
    LOSSES,
    START_W,
    START_X,
    Vector,
    dot,
    evaluate,
    exact,
)

LR, MU, ZETA, DECAY = Fraction(1, 7), Fraction(2, 3), Fraction(3, 5), Fraction(1, 4)
SCALARS = {"lr": LR, "momentum": MU, "zeta": ZETA, "decay": DECAY}
STEPS = 4  # exact rationals of a nonlinear gradient grow fast
PLANE = ([Fraction(1), Fraction(2), Fraction(-1)], [Fraction(0), Fraction(1), Fraction(3)])
X1 = Component("X¹")  # the momenta after the kick, as the recursion calls them

Step = Callable[[Vector, Vector, Vector], tuple[Vector, Vector, Vector]]


def heavy_ball(decay: Fraction) -> Step:
    """X <- mu X + (1 - mu) zeta (g + decay w), w <- w - lr X."""

    def step(ws: Vector, xs: Vector, gs: Vector) -> tuple[Vector, Vector, Vector]:
        new = [
            MU * x + (1 - MU) * ZETA * (g + decay * a) for a, x, g in zip(ws, xs, gs, strict=True)
        ]
        return [a - LR * x for a, x in zip(ws, new, strict=True)], new, new

    return step


def nesterov(ws: Vector, xs: Vector, gs: Vector) -> tuple[Vector, Vector, Vector]:
    """w <- w - lr (mu X + (1 + mu) zeta g), X <- mu (X + zeta g), as stored."""
    moved = [a - LR * (MU * x + (1 + MU) * ZETA * g) for a, x, g in zip(ws, xs, gs, strict=True)]
    new = [MU * (x + ZETA * g) for x, g in zip(xs, gs, strict=True)]
    return moved, new, new


def kick_drift_cool(ws: Vector, xs: Vector, gs: Vector) -> tuple[Vector, Vector, Vector]:
    """X¹ = X + zeta (g + decay w), w <- w - lr X¹, X <- mu X¹: the composition K B C."""
    kicked = [x + ZETA * (g + DECAY * a) for a, x, g in zip(ws, xs, gs, strict=True)]
    moved = [a - LR * x for a, x in zip(ws, kicked, strict=True)]
    return moved, [MU * x for x in kicked], kicked


KICK_DRIFT_COOL = sc.Spec.from_expression(
    "beta/(2*k)*dot(X, X) + beta*c**2/k*(L + decay/2*dot(w, w)) + h*gamma/k*beta*U",
    reparams=("lr = tau/h", "momentum = exp(-gamma*tau)", "zeta = tau*c**2/h"),
    integrator="K B C",
)

RULES: dict[str, Step] = {
    "kick_drift_cool": kick_drift_cool,
    "momentum": heavy_ball(Fraction(0)),
    "weight_decay": heavy_ball(DECAY),
    "nesterov": nesterov,
}


def charge(symmetry: str, ws: Vector, xs: Vector) -> Fraction:
    """The generator paired with the momenta, by hand."""
    if symmetry == "translation":
        return sum(xs, Fraction(0))
    if symmetry == "scaling":
        return dot(ws, xs)
    p, q = PLANE
    return dot(p, ws) * dot(q, xs) - dot(q, ws) * dot(p, xs)


def trajectory(rule: Step, symmetry: str) -> Iterator[tuple[Vector, Vector, Vector, Vector]]:
    """(w, X, gradient, X¹) of each step."""
    ws, xs = START_W, START_X
    for _ in range(STEPS):
        gs = LOSSES[symmetry](ws)
        moved, new, named = rule(ws, xs, gs)
        yield ws, xs, gs, named
        ws, xs = moved, new
    yield ws, xs, LOSSES[symmetry](ws), xs


def found(name: str, symmetry: str) -> Noether:
    spec = KICK_DRIFT_COOL if name == "kick_drift_cool" else sc.catalog.load(name)
    return sc.derive(spec).noether(symmetry)


@pytest.mark.parametrize("symmetry", LOSSES)
@pytest.mark.parametrize("name", RULES)
def test_the_recursions_hold_in_exact_rationals(name: str, symmetry: str) -> None:
    recursion = found(name, symmetry).recursion
    assert recursion is not None
    rows = list(trajectory(RULES[name], symmetry))
    for (ws, xs, gs, named), (moved, new, _, _) in pairwise(rows):
        vectors = {w: ws, X: xs, G: gs, X1: named, P_AXIS: PLANE[0], Q_AXIS: PLANE[1]}
        scalars = SCALARS | {"P": charge(symmetry, ws, xs), "R": dot(ws, ws)}
        predicted = evaluate(recursion.charge, vectors, scalars)
        assert predicted == exact(charge(symmetry, moved, new))
        if symmetry == "scaling":
            assert recursion.radius is not None
            assert evaluate(recursion.radius, vectors, scalars) == exact(dot(moved, moved))


def test_a_loss_without_the_symmetry_breaks_the_recursion() -> None:
    """The recursion is about invariant losses: the test above can fail."""
    recursion = found("momentum", "translation").recursion
    assert recursion is not None
    gs = LOSSES["scaling"](START_W)
    _, new, _ = RULES["momentum"](START_W, START_X, gs)
    scalars = SCALARS | {"P": sum(START_X, Fraction(0))}
    value = evaluate(recursion.charge, {w: START_W, X: START_X}, scalars)
    assert value != exact(sum(new, Fraction(0)))


@pytest.mark.parametrize("name", ["momentum", "weight_decay", "kick_drift_cool"])
def test_the_norm_alone_obeys_a_recursion_of_second_order(name: str) -> None:
    law = found(name, "scaling").steps
    assert law is not None
    weights = [ws for ws, *_ in trajectory(RULES[name], "scaling")]
    values = {k: exact(v) for k, v in SCALARS.items()}
    now, before, step, last = (
        e.subs({s: values[s.name] for s in e.free_symbols})
        for e in (law.now, law.before, law.step, law.last)
    )
    for old, mid, new in zip(weights, weights[1:], weights[2:], strict=False):
        after = [b - a for a, b in zip(mid, new, strict=True)]
        ahead = [b - a for a, b in zip(old, mid, strict=True)]
        predicted = (
            now * exact(dot(mid, mid))
            + before * exact(dot(old, old))
            + step * exact(dot(after, after))
            + last * exact(dot(ahead, ahead))
        )
        assert predicted == exact(dot(new, new))
    assert law.claim().verdict.value == "proved"


def test_momentum_as_it_is_written_in_the_literature() -> None:
    """P' = mu P - lr |X'|^2, and R'' - (1 + mu) R' + mu R = |dw'|^2 + mu |dw|^2."""
    mu, lr = sp.symbols("momentum lr", positive=True)
    noether = found("momentum", "scaling")
    assert noether.recursion is not None
    assert noether.steps is not None
    assert sp.expand(noether.recursion.charge - mu * P + lr * Total(X1**2)) == 0
    law = noether.steps
    assert [sp.expand(e) for e in (law.now, law.before, law.step, law.last)] == [
        1 + mu,
        -mu,
        1,
        mu,
    ]


def test_the_step_at_equilibrium_is_that_of_spherical_motion_dynamics() -> None:
    """Wan et al.: the angle of a step settles at sqrt(2 eta lambda/(1 + alpha)).

    Their SGD has the buffer v <- alpha v + g + lambda w and w <- w - eta v: here dampening 0.
    """
    spec = sc.Spec.from_expression(
        "beta/(2*k)*dot(X, X) + beta*c**2/k*(L + lamda/2*dot(w, w)) + h*gamma/k*beta*U",
        reparams=(
            "eta = tau/h",
            "alpha = exp(-gamma*tau)",
            "unit = c**2/h*(1 - exp(-gamma*tau))/gamma",
        ),
    )
    slow = sc.derive(spec).noether("scaling").rmsprop
    assert slow is not None
    assert slow.rate2 is not None
    eta, lamda, alpha, unit = (
        next(s for s in slow.rate2.free_symbols if s.name == name)
        for name in ("eta", "lamda", "alpha", "unit")
    )
    rate2 = slow.rate2.subs(unit, 1)
    assert sp.simplify(rate2 - 2 * eta * lamda / (1 + alpha)) == 0
    assert R not in slow.keep.free_symbols


def test_without_decay_the_norm_adds_up_gradients() -> None:
    """R R' = gain g^2, with gain = lr^2 zeta^2 (1 + mu)/(1 - mu): AdaGrad's sum, in R^2."""
    slow = found("momentum", "scaling").rmsprop
    assert slow is not None
    mu, lr, zeta = (
        next(s for s in slow.gain.free_symbols if s.name == name)
        for name in ("momentum", "lr", "zeta")
    )
    assert (slow.keep, slow.average, slow.rate2) == (1, 1, None)
    assert sp.simplify(slow.gain - lr**2 * zeta**2 * (1 + mu) / (1 - mu)) == 0
    assert "AdaGrad" in slow.sentences[0]


def test_the_slow_law_is_the_slow_limit() -> None:
    """With a gradient that stands still on the sphere the law's error vanishes with the step."""
    slow = found("weight_decay", "scaling").rmsprop
    assert slow is not None

    def error(lr: float) -> float:
        mu, decay, size = 0.8, 0.5, 1.0
        values = {"lr": lr, "momentum": mu, "zeta": 1.0, "decay": decay}
        keep, gain = (
            float(e.subs({s: values[s.name] for s in e.free_symbols}))
            for e in (slow.keep, slow.gain)
        )
        # In the plane: f has the gradient size/|w| along the angle, everywhere.
        a, b, x, y = 1.0, 0.0, 0.0, 0.0
        predicted = 1.0
        for _ in range(int(2 / lr)):
            square = a * a + b * b
            g = (-b * size / square, a * size / square)
            x = mu * x + (1 - mu) * (g[0] + decay * a)
            y = mu * y + (1 - mu) * (g[1] + decay * b)
            a, b = a - lr * x, b - lr * y
            predicted = keep * predicted + gain * size**2 / predicted
        return abs(predicted / (a * a + b * b) - 1)

    errors = [error(lr) for lr in (0.04, 0.02, 0.01)]
    assert errors[0] < 0.02
    assert errors[1] < 0.6 * errors[0]
    assert errors[2] < 0.6 * errors[1]


@pytest.mark.parametrize(
    ("name", "symmetry", "factor"),
    [
        ("lion", "translation", "beta2"),
        ("mirror_descent", "scaling", "momentum"),
        ("rgd_conformal", "rotation", "momentum"),
        ("hamiltonian_descent", "translation", "1/(friction + 1)"),
    ],
)
def test_charges_that_a_rule_multiplies(name: str, symmetry: str, factor: str) -> None:
    recursion = found(name, symmetry).recursion
    assert recursion is not None
    assert str(recursion.factor) == factor


def test_the_charge_of_a_thermostat_is_kept_with_its_temperature() -> None:
    """P beta is conserved by the step, with the beta that the step computes."""
    derivation = sc.derive(sc.catalog.load("nose_hoover"))
    recursion = derivation.noether("translation").recursion
    assert recursion is not None
    (new_beta,) = [s.new for s in derivation.update.states if s.symbol.name == "beta"]
    (beta,) = [s.symbol for s in derivation.update.states if s.symbol.name == "beta"]
    assert recursion.factor is not None
    assert sp.simplify(recursion.factor * new_beta / beta - 1) == 0
    assert "the state decides" in recursion.verdict


def test_what_has_no_recursion_says_why() -> None:
    reasons = dict(found("relativistic", "scaling").refused)
    assert "change from step to step" in reasons["recursion of the squared norm"]
    with pytest.raises(SymmetryError, match="keeps no momenta"):
        found("gradient_descent", "scaling")
