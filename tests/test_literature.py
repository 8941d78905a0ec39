"""Generated rules against the formulas of the literature, which only these tests hold.

Trajectories are compared in exact rationals where the formulas are rational: error 0, not small.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

import symplectic_codegen as sc
from symplectic_codegen.algebra.memory import Memory
from symplectic_codegen.algebra.symbols import G, X, w
from symplectic_codegen.discretization.update import STEP_NUMBER
from symplectic_codegen.driver import derive

GRADIENTS = [Fraction(3, 7), Fraction(-5, 11), Fraction(1, 3), Fraction(-2, 9), Fraction(8, 5)] * 4


def trajectory(name: str, values: dict[str, Fraction], steps: int = 20) -> list[sp.Expr]:
    """w after each step of the symbolic update, exactly."""
    update = derive(sc.catalog.load(name)).update
    point = {sp.Symbol(k, positive=True): sp.Rational(v) for k, v in values.items()}
    assignments = update.inlined()
    targets = {a.target for a in assignments}
    state: dict[sp.Symbol, sp.Expr] = dict.fromkeys(targets, sp.S.Zero)
    state[w] = sp.Rational(1)
    result = []
    for n in range(steps):
        g = sp.Rational(GRADIENTS[n])
        for a in assignments:
            expr = a.expr.xreplace({STEP_NUMBER: sp.Integer(n + 1)}).xreplace(point)
            state[a.target] = without_roots_below(expr.xreplace({**state, G: g}))
        result.append(state[w])
    return result


def without_roots_below(value: sp.Expr) -> sp.Expr:
    """A sum of rational multiples of roots, the only form of such a number; a rational as it is."""
    if value.is_Rational:
        return value
    terms = sp.Add.make_args(sp.expand(value))
    return sp.Add(*(sp.expand(sp.radsimp(term)) for term in terms))


def adam(n: int, m: sp.Expr, v: sp.Expr, b1: sp.Rational, b2: sp.Rational) -> tuple[sp.Expr, ...]:
    """Kingma and Ba, Algorithm 1: bias-corrected moments."""
    return m / (1 - b1**n), v / (1 - b2**n)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam_and_adamw_exactly(name: str) -> None:
    lr, b1, b2, eps, decay = (
        sp.Rational(*x) for x in ((1, 100), (9, 10), (99, 100), (1, 1000), (1, 10))
    )
    values = {"lr": lr, "beta1": b1, "beta2": b2, "eps": eps}
    if name == "adamw":
        values["weight_decay"] = decay
    ours = trajectory(name, values)
    m = v = sp.S.Zero
    weight = sp.Rational(1)
    for n, mine in enumerate(ours, 1):
        g = sp.Rational(GRADIENTS[n - 1])
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        m_hat, v_hat = adam(n, m, v, b1, b2)
        if name == "adamw":
            weight *= 1 - lr * decay
        weight = without_roots_below(weight - lr * m_hat / (sp.sqrt(v_hat) + eps))
        assert mine == weight
    assert n == len(ours) == 20


def test_rmsprop_exactly() -> None:
    lr, alpha, eps = sp.Rational(1, 50), sp.Rational(9, 10), sp.Rational(1, 1000)
    ours = trajectory("rmsprop", {"lr": lr, "alpha": alpha, "eps": eps})
    v, weight = sp.S.Zero, sp.Rational(1)
    for mine, fraction in zip(ours, GRADIENTS, strict=True):
        g = sp.Rational(fraction)
        v = alpha * v + (1 - alpha) * g**2
        weight = without_roots_below(weight - lr * g / (sp.sqrt(v) + eps))
        assert mine == weight


Formula = Callable[[int, sp.Expr, sp.Expr, sp.Expr], tuple[sp.Expr, sp.Expr]]
_LR, _MU, _D = sp.Rational(1, 10), sp.Rational(9, 10), sp.Rational(1, 4)

MOMENTUM: dict[str, tuple[dict[str, Fraction], Formula]] = {
    "gradient_descent": ({"lr": _LR}, lambda n, v, x, g: (v, x - _LR * g)),
    "accumulation": (
        {"lr": _LR, "zeta": sp.S.One},
        lambda n, v, x, g: (v + g, x - _LR * (v + g)),
    ),
    "momentum": (
        {"lr": _LR, "momentum": _MU, "zeta": sp.S.One},
        lambda n, v, x, g: (_MU * v + (1 - _MU) * g, x - _LR * (_MU * v + (1 - _MU) * g)),
    ),
    # torch.optim.SGD
    "heavy_ball": (
        {"lr": _LR, "momentum": _MU, "dampening": _D},
        lambda n, v, x, g: (_MU * v + (1 - _D) * g, x - _LR * (_MU * v + (1 - _D) * g)),
    ),
    # Adam's first moment, with its bias correction
    "debiased_momentum": (
        {"lr": _LR, "momentum": _MU, "zeta": sp.S.One},
        lambda n, v, x, g: (
            _MU * v + (1 - _MU) * g,
            x - _LR * (_MU * v + (1 - _MU) * g) / (1 - _MU**n),
        ),
    ),
    # the L2 penalty decay/2 |w|^2 added to the loss
    "weight_decay": (
        {"lr": _LR, "momentum": _MU, "zeta": sp.S.One, "decay": _D},
        lambda n, v, x, g: (
            _MU * v + (1 - _MU) * (g + _D * x),
            x - _LR * (_MU * v + (1 - _MU) * (g + _D * x)),
        ),
    ),
}


@pytest.mark.parametrize("name", MOMENTUM)
def test_momentum_family_exactly(name: str) -> None:
    values, formula = MOMENTUM[name]
    velocity, weight = sp.S.Zero, sp.Rational(1)
    for n, mine in enumerate(trajectory(name, values), 1):
        velocity, weight = formula(n, velocity, weight, sp.Rational(GRADIENTS[n - 1]))
        assert mine == weight


@pytest.mark.parametrize("target", ["numpy", "numba"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_generated_adamw_is_adamw(target: str, dtype: type) -> None:
    rng = np.random.default_rng(3)
    start = rng.standard_normal(50).astype(dtype)
    ours, x = start.copy(), start.astype(np.float64)
    optimizer = sc.load(sc.catalog.load("adamw"), target)([ours], lr=0.01, weight_decay=0.1)
    m = v = np.zeros(50)
    steps = 300
    for n in range(1, steps + 1):
        g = rng.standard_normal(50).astype(dtype)
        optimizer.step([g])
        g = g.astype(np.float64)
        x = x * (1 - 0.01 * 0.1)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        x = x - 0.01 * (m / (1 - 0.9**n)) / (np.sqrt(v / (1 - 0.999**n)) + 1e-8)
    # Each step rounds w a few times; errors of independent steps add up at most linearly.
    unit = float(np.finfo(dtype).eps) / 2
    assert np.abs(ours - x).max() <= steps * 8 * unit * (1 + np.abs(x).max())


def test_conformal_leapfrog_is_the_heavy_ball_with_averaged_drift() -> None:
    """Franca et al. 2020, Algorithm 1 at alpha = 1, delta = 0: half drifts around the cooling."""
    update = derive(sc.catalog.load("momentum"), integrator="conformal-leapfrog").update
    steps = {a.target: a.expr for a in update.inlined()}
    mu, zeta, lr = sp.symbols("momentum zeta lr", positive=True)
    # v1 = v - eps g (the stored v is cooled already); x = x + v1/2 + mu v1/2; v = mu v1.
    kicked = X - zeta * sp.log(mu) * G
    assert [a.target for a in update.assignments] == [w, X]
    assert sp.simplify(steps[X] - mu * kicked) == 0
    assert sp.simplify(steps[w] - (w - lr * (1 + mu) / 2 * kicked)) == 0


def test_memory_fields_are_told_apart() -> None:
    nu = sp.Symbol("nu", positive=True)
    assert Memory(G**2, nu, True) != Memory(G**2, nu, False)
    assert Memory(G**2, nu, True) == Memory(G**2, nu, True)
