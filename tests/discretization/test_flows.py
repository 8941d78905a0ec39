"""Flows are exact: each against a numerical integration of its own generator, for two weights."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp

from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.symbols import L, U, X, Y, beta, c, h, k, t, tau, w
from symplectic_codegen.algebra.vector import Total
from symplectic_codegen.discretization.flows import Flow, drift, kick_and_cool
from symplectic_codegen.errors import NotSeparableError
from symplectic_codegen.geometry.explicit import (
    exterior_derivative,
    poisson_tensor,
    thermodynamic_chart,
)
from symplectic_codegen.geometry.phase_space import PhaseSpace
from symplectic_codegen.mechanics.equations import equations_of_motion, hamiltonian_on
from symplectic_codegen.mechanics.temperature import START, thermal_law

gamma, b = sp.symbols("gamma b", positive=True)
VALUES = {
    gamma: 0.7, b: 0.8, h: 1.1, k: 0.9, c: 1.2, tau: 0.375, START: 0.25,
}  # fmt: skip
Z0 = (0.3, 0.9, -0.6, 1.4, 0.5, -0.8)  # U, w1, w2, beta, X1, X2
norm = Total(X**2)

KICKS = {
    "momentum": (beta * c**2 / k * L, gamma * beta * U),
    "constant": (beta * L, sp.S.Zero),
    "Adam": ((beta + b) * L, gamma * (beta + b) * U),
    "weight decay": (beta * L + Total(w**2) / 3, gamma * beta * U),
    "power law": (beta**2 * L + Total(sp.cos(w)), gamma * beta ** sp.Rational(2, 3) * U),
    "blow-up": (sp.sqrt(beta) * L, gamma / 5 * beta**2 * U),
    "explicit time": ((1 + t) * beta * L, gamma * beta * U),
    "linear": (beta * sp.exp(-t) * L, gamma * U),
    "rest energy": (beta * L, gamma * beta * U + beta**3 + sp.log(beta)),
    "function of the loss": (beta * sp.log(1 + L**2), gamma * beta * U),
    "product": (beta * L * Total(w**2), gamma * beta * U),
}
DRIFTS = {
    "quadratic": beta * norm / (2 * k),
    "relativistic": sp.sqrt(norm + k**2 / beta**2),
    "elementwise": beta**2 * Total(sp.cosh(X)) + norm,
    "explicit time": (1 + t**2) * beta * norm,
    "logarithmic": beta * sp.log(1 + norm) / b,
    "mixed": sp.exp(Total(X**4) / 5) * Total(X) / beta,
}


def loss(at: Coordinates) -> sp.Expr:
    w1, w2 = at.w
    return sp.cos(w1 + w2 / 2) + w1**2 / 3 + w1 * w2 / 5 + w2**2 / 2


def integrated(generator: sp.Expr, coupling: sp.Expr = beta * X) -> np.ndarray:
    """z after tau, by DOP853 with the explicit Poisson tensor: nothing from discretization/."""
    at = Coordinates(2)
    chart, theta = thermodynamic_chart(2, coupling)
    tensor = poisson_tensor(exterior_derivative(theta))
    field = tensor.hamiltonian_vector_field(instantiate(generator, at, loss=loss(at)))
    velocity = [(-k / h * field[z]).subs(VALUES) for z in chart.coordinates]
    right = sp.lambdify((t, *chart.coordinates), velocity, "numpy")
    span = (VALUES[START], VALUES[START] + VALUES[tau])
    solution = solve_ivp(
        lambda moment, z: right(moment, *z), span, Z0, method="DOP853", rtol=1e-13, atol=1e-14
    )
    return np.asarray(solution.y[:, -1])


def mapped(flow: Flow) -> np.ndarray:
    """z after the flow."""
    at = Coordinates(2)
    chart, _ = thermodynamic_chart(2)
    values = {**VALUES, **dict(zip(chart.coordinates, Z0, strict=True))}

    def value(z: sp.Symbol, index: int | None) -> float:
        expr = instantiate(flow.updates.get(z, z), at, index, loss=loss(at))
        return float(expr.doit().subs(values))

    rows = [(U, None), (w, 0), (w, 1), (beta, None), (X, 0), (X, 1)]
    return np.array([value(z, index) for z, index in rows])


@cache
def kick(name: str) -> Flow:
    potential, thermal = KICKS[name]
    law = thermal_law(equations_of_motion(PhaseSpace(), potential + thermal).beta)
    return kick_and_cool(PhaseSpace(), potential, thermal, law)


@pytest.mark.parametrize("name", KICKS)
def test_kick_and_cooling_are_exact(name: str) -> None:
    flow = kick(name)
    assert flow.name == "kick and cooling"
    assert w not in flow.updates
    np.testing.assert_allclose(mapped(flow), integrated(flow.generator), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", DRIFTS)
def test_the_drift_is_exact(name: str) -> None:
    flow = drift(PhaseSpace(), DRIFTS[name])
    assert set(flow.updates) == {w, U}
    np.testing.assert_allclose(mapped(flow), integrated(flow.generator), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("coupling", [beta * sp.sinh(X), beta**2 * X, X, beta * X + b])
def test_other_couplings_are_exact_too(coupling: sp.Expr) -> None:
    space = PhaseSpace(coupling)
    potential, thermal = beta * L + Total(w**2) / 3, gamma * beta * U
    law = thermal_law(equations_of_motion(space, potential + thermal).beta)
    flow = kick_and_cool(space, potential, thermal, law)
    np.testing.assert_allclose(
        mapped(flow), integrated(flow.generator, coupling), rtol=1e-11, atol=1e-11
    )
    kinetic = hamiltonian_on(space, Total(Y**2) / beta)
    np.testing.assert_allclose(
        mapped(drift(space, kinetic)), integrated(kinetic, coupling), rtol=1e-11, atol=1e-11
    )


def test_the_comparison_can_fail() -> None:
    flow = kick("momentum")
    wrong = replace(flow, updates={**flow.updates, U: U})
    assert not np.allclose(mapped(wrong), integrated(flow.generator), rtol=1e-6)
    wrong = replace(flow, updates={**flow.updates, X: flow.updates[X] + X * tau**3 / 1000})
    assert not np.allclose(mapped(wrong), integrated(flow.generator), rtol=1e-6)


@pytest.mark.parametrize(
    ("potential", "thermal", "words"),
    [
        (beta * L, U**2, "depends on U"),
        (sp.exp(beta * L), gamma * beta * U, "not a product"),
        (beta * L * sp.exp(-sp.exp(t)), gamma * beta**2 * U, "no closed form"),
    ],
)
def test_what_has_no_exact_flow_is_refused(
    potential: sp.Expr, thermal: sp.Expr, words: str
) -> None:
    law = thermal_law(equations_of_motion(PhaseSpace(), potential + thermal).beta)
    with pytest.raises(NotSeparableError, match=words):
        kick_and_cool(PhaseSpace(), potential, thermal, law)


def test_a_drift_that_is_not_straight_is_refused() -> None:
    # {w, X} = exp(-w)/beta changes as w moves: w does not run straight, even though X rests.
    with pytest.raises(NotSeparableError):
        drift(PhaseSpace(beta * X * sp.exp(w)), Total(X**2))
