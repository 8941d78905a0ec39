"""Energies that never grow, along flows and along steps."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import symplectic_codegen as sc
from symplectic_codegen.algebra.symbols import L, X, beta, c, w
from symplectic_codegen.algebra.vector import Total
from symplectic_codegen.analysis.analyze import analyze
from symplectic_codegen.analysis.lyapunov import FlowEnergy, flow_energy
from symplectic_codegen.analysis.parameters import CURVATURE
from symplectic_codegen.driver import derive
from symplectic_codegen.errors import AnalysisError
from symplectic_codegen.language.spec import Spec

gamma = sp.Symbol("gamma", positive=True)


def test_the_standard_class() -> None:
    """d(T + c**2 L)/dt = -(beta'/beta) X . grad T, here for a relativistic T."""
    found = flow_energy(derive("beta/k*(sqrt(1 + dot(X, X)) + c**2*L) + h*gamma/k*beta*U"))
    R = Total(X**2)
    assert sp.simplify(found.energy - (sp.sqrt(1 + R) + c**2 * L)) == 0
    assert sp.simplify(found.rate + gamma * R / sp.sqrt(1 + R)) == 0
    assert [claim.verdict.value for claim in found.claims] == ["proved", "proved"]


RATES = [
    ("beta*(dot(X, X)/2 + L)", "F is conserved", "proved"),
    ("beta*(dot(X, X)/2 + L) + gamma*beta**2*U", "F never grows", "proved"),
    ("beta*(norm1(X) + L) + gamma*beta*U", "F never grows", "proved"),
    ("beta*dot(X, X)/2 + (beta + b)*L + gamma*(beta + b)*U", "F never grows where L ≥ 0", "proved"),
    ("beta*(dot(X, X)/2 + L) - gamma*beta*U", "F never grows", "assumed"),
    ("beta*(sum(cosh(X)) + L) + gamma*beta*U", "F never grows", "assumed"),
]


@pytest.mark.parametrize(("text", "statement", "verdict"), RATES)
def test_signs_of_rates(text: str, statement: str, verdict: str) -> None:
    claim = flow_energy(derive(text)).claims[-1]
    assert (claim.statement, claim.verdict.value) == (statement, verdict)


def energy_of(name: str) -> FlowEnergy | str:
    try:
        return flow_energy(derive(sc.catalog.load(name)))
    except AnalysisError as error:
        return str(error)


def test_the_rate_of_every_entry_that_has_one() -> None:
    found = {name: energy_of(name) for name in sc.catalog.names()}
    refused = {name: why for name, why in found.items() if isinstance(why, str)}
    assert all("no sum of a kinetic" in why for why in refused.values())
    assert len(refused) < len(found) / 2
    for energy in found.values():
        assert isinstance(energy, str) or energy.claims[0].verdict.value == "proved"


def test_rayleigh_friction_takes_energy() -> None:
    spec = Spec.from_expression("beta*(dot(X, X)/2 + L)", more={"friction": "D*X"})
    assert flow_energy(derive(spec)).rate.coeff(Total(X**2)).is_negative


def test_a_coupled_temperature_has_no_such_energy() -> None:
    with pytest.raises(AnalysisError, match="no sum of a kinetic"):
        flow_energy(derive("beta*dot(X, X)/2 + beta*L + beta*U*dot(X, X)"))


@pytest.mark.parametrize("name", ["momentum", "heavy_ball", "weight_decay", "adam", "relativistic"])
def test_both_functions_along_an_orbit(name: str) -> None:
    """Numerically, with no algebra of the engine: V shrinks by det M, W falls by the loss."""
    analysis = analyze(sc.catalog.load(name))
    found = analysis.step_energy
    left = sorted(analysis.step.matrix.free_symbols, key=str)
    at = {s: sp.Rational(1, 3 + i) for i, s in enumerate(left)}
    at[CURVATURE] = sp.Rational(2, 5)
    M = np.array(analysis.step.matrix.subs(at).evalf(25), dtype=float)
    assert found.area is not None
    assert found.future is not None
    V, W = (sp.lambdify((X, w), e.subs(at), "numpy") for e in (found.area, found.future))
    D, curvature = float(found.factor.subs(at)), float(at[CURVATURE])
    z, total = np.array([0.3, 1.0]), 0.0
    start = W(*z)
    for _ in range(400):
        new = M @ z
        assert V(*new) == pytest.approx(D * V(*z), rel=1e-9, abs=1e-14)
        assert W(*new) == pytest.approx(W(*z) - curvature * z[1] ** 2 / 2, rel=1e-8, abs=1e-13)
        total += curvature * z[1] ** 2 / 2
        z = new
    assert start == pytest.approx(total + W(*z), rel=1e-9)
    assert all(claim.verdict.value == "proved" for claim in found.claims)


def test_nothing_contracts_at_constant_temperature() -> None:
    found = analyze("beta*dot(X, X)/2 + beta*L").step_energy
    assert found.future is None
    assert found.factor == 1
    assert beta not in found.area.free_symbols  # type: ignore[union-attr]


def test_a_rule_without_memory_of_momenta_has_no_area() -> None:
    found = analyze(sc.catalog.load("gradient_descent")).step_energy
    assert found.area is None
    lr = sp.Symbol("lr", positive=True)
    expected = w**2 / (2 * lr * (2 - lr * CURVATURE))  # a geometric series
    assert found.future is not None
    assert sp.simplify(found.future - expected) == 0
