"""Where a step parts from the law of the charge: against integration of the motion."""

from __future__ import annotations

import mpmath
import pytest
import sympy as sp

import symplectic_codegen as sc
from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.symmetry.defect import KNOWN, Defect

DECAY = "beta/(2*k)*dot(X, X) + beta*c**2/k*(L + lamda/2*dot(w, w)) + h*gamma/k*beta*U"
GAMMA, LAMDA = mpmath.mpf("0.7"), mpmath.mpf("0.3")
START = [mpmath.mpf(x) for x in ("1.1", "-0.4", "0.6", "0.8")]  # w1, w2, X1, X2


def defect(hamiltonian: str, symmetry: str, integrator: str) -> Defect:
    found = sc.derive(hamiltonian, integrator=integrator).noether(symmetry).defect
    assert found is not None
    return found


def gradient(a: mpmath.mpf, b: mpmath.mpf) -> tuple[mpmath.mpf, mpmath.mpf]:
    """Of a b/(a^2 + b^2)."""
    square = a * a + b * b
    top = (b * b - a * a) / square**2
    return b * top, -a * top


def motion(tau: mpmath.mpf) -> mpmath.mpf:
    """beta w.X after the time tau, by Taylor integration; h = k = c = beta0 = 1."""

    def speed(_: mpmath.mpf, z: list[mpmath.mpf]) -> list[mpmath.mpf]:
        g = gradient(z[0], z[1])
        pull = [LAMDA * z[i] + g[i] - GAMMA * z[2 + i] for i in (0, 1)]
        return [-z[2], -z[3], *pull]

    a, b, x, y = mpmath.odefun(speed, 0, START)(tau)
    return mpmath.exp(GAMMA * tau) * (a * x + b * y)


def step(tau: mpmath.mpf) -> mpmath.mpf:
    """beta w.X after one step: kick and cooling with the gradient frozen, then the drift."""
    mu = mpmath.exp(-GAMMA * tau)
    a, b, x, y = START
    g = gradient(a, b)
    x = mu * x + (1 - mu) / GAMMA * (LAMDA * a + g[0])
    y = mu * y + (1 - mu) / GAMMA * (LAMDA * b + g[1])
    a, b = a - tau * x, b - tau * y
    return mpmath.exp(GAMMA * tau) * (a * x + b * y)


def test_the_leading_defect_of_momentum_is_what_integration_finds() -> None:
    found = defect(DECAY, "scaling", "lie-trotter")
    assert (found.power, found.order) == (2, 1)
    at = Coordinates(2)
    loss = at.w[0] * at.w[1] / (at.w[0] ** 2 + at.w[1] ** 2)
    explicit = instantiate(found.leading, at, loss=loss)
    values = dict(zip((*at.w, *at.X), START, strict=True))
    named = {"gamma": GAMMA, "lamda": LAMDA, "J": START[0] * START[2] + START[1] * START[3]}
    values |= {s: named.get(s.name, 1) for s in explicit.free_symbols - set(values)}
    with mpmath.workdps(30):
        leading = mpmath.mpf(str(sp.N(explicit.subs(values), 20)))
        ratios = [
            (step(mpmath.mpf(tau)) - motion(mpmath.mpf(tau))) / mpmath.mpf(tau) ** 2
            for tau in ("0.01", "0.005")
        ]
        errors = [abs(r / leading - 1) for r in ratios]
    assert errors[0] < 0.05
    assert errors[1] == pytest.approx(errors[0] / 2, rel=0.1)  # the next power of tau


def test_a_symmetric_step_has_no_defect_at_the_second_power() -> None:
    found = defect(DECAY, "scaling", "strang")
    assert found.power == KNOWN + 1
    assert found.formulas() == ()
    assert "through τ^2 at least" in found.claim().statement


def test_nesterovs_readout_breaks_rotations() -> None:
    found = defect(
        "beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U", "rotation", "nesterov"
    )
    assert found.power == 2
    assert found.claim().verdict.value == "proved"
    assert "for an invariant loss" in found.claim().method


def test_memory_fields_have_no_series() -> None:
    refused = dict(sc.derive(sc.catalog.load("adam")).noether("scaling").refused)
    assert "memory fields" in refused["series of the charge in τ"]
