"""A composed step: symplectic by its Jacobian, conformal, of order one; wrong steps are exposed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp

from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.proof import Verdict
from symplectic_codegen.algebra.symbols import G, L, U, X, beta, c, h, k, t, tau, w
from symplectic_codegen.algebra.vector import Total
from symplectic_codegen.discretization.flows import Flow
from symplectic_codegen.discretization.integrators import INTEGRATORS, get_integrator
from symplectic_codegen.discretization.scheme import Scheme, build_scheme
from symplectic_codegen.errors import NotSeparableError, SpecError
from symplectic_codegen.geometry.explicit import (
    exterior_derivative,
    poisson_tensor,
    thermodynamic_chart,
)
from symplectic_codegen.geometry.phase_space import PhaseSpace
from symplectic_codegen.mechanics.equations import equations_of_motion
from symplectic_codegen.mechanics.structure import separate
from symplectic_codegen.mechanics.temperature import START, thermal_law

gamma, b = sp.symbols("gamma b", positive=True)
norm = Total(X**2)
COOLING = h * gamma / k * beta * U

HAMILTONIANS = {
    "momentum": beta * norm / (2 * k) + beta * c**2 / k * L + COOLING,
    "relativistic": sp.sqrt(norm + k**2 / beta**2) + beta * c**2 / k * L + COOLING,
    "elementwise": beta * Total(sp.sqrt(1 + X**2)) + beta * (L + Total(w**2) / 3) + COOLING,
    "Adam": beta * norm / (2 * k) + (beta + b) * L + gamma * (beta + b) * U,
    "power law": beta * sp.log(1 + norm) + L + gamma * beta ** sp.Rational(2, 3) * U,
    "constant": beta * Total(sp.cosh(X)) + beta * L,
}


@cache
def scheme(name: str) -> Scheme:
    H = HAMILTONIANS[name]
    space = PhaseSpace()
    motion = equations_of_motion(space, H)
    law = thermal_law(motion.beta)
    return build_scheme(get_integrator("lie-trotter"), space, motion, separate(H), law)


def explicit_map(step: Scheme, dim: int, loss: sp.Expr | None = None) -> list[sp.Expr]:
    """z+ in the order of the explicit chart."""
    at = Coordinates(dim)
    new = step.map
    rows = [instantiate(new[U], at, loss=loss)]
    rows += [instantiate(new[w], at, i, loss=loss) for i in range(dim)]
    rows += [instantiate(new[beta], at, loss=loss)]
    rows += [instantiate(new[X], at, i, loss=loss) for i in range(dim)]
    return [row.doit() for row in rows]


def omega(dim: int, point: Mapping[sp.Symbol, sp.Expr]) -> sp.Matrix:
    """d(beta dU + beta X dw) by hand: dbeta ^ (dU + X dw) + beta dX ^ dw."""
    size = 2 * (dim + 1)
    at = Coordinates(dim)
    first = dim + 2
    matrix = sp.zeros(size, size)
    B = point[beta]
    matrix[dim + 1, 0] = 1
    for i in range(dim):
        matrix[dim + 1, 1 + i] = point[at.X[i]]
        matrix[first + i, 1 + i] = B
    return matrix - matrix.T


NUMBERS = {
    gamma: sp.Rational(7, 10), b: sp.Rational(4, 5), h: sp.Rational(11, 10),
    k: sp.Rational(9, 10), c: sp.Rational(6, 5), tau: sp.Rational(3, 8), START: sp.Rational(1, 4),
}  # fmt: skip


def start(dim: int) -> dict[sp.Symbol, sp.Expr]:
    chart, _ = thermodynamic_chart(dim)
    values = [sp.Rational(7 - 3 * i, 5 + i) for i in range(len(chart.coordinates))]
    return dict(zip(chart.coordinates, values, strict=True)) | {beta: sp.Rational(7, 5)}


def concrete_loss(dim: int) -> sp.Expr:
    ws = Coordinates(dim).w
    return sp.cos(sum((i + 1) * x for i, x in enumerate(ws))) + sp.prod(ws) ** 2 / 3


def symplectic_defect(step: Scheme, dim: int) -> sp.Float:
    """The largest entry of J^T Omega(z+) J - Omega(z), at one point with 40 digits."""
    chart, _ = thermodynamic_chart(dim)
    new = [row.subs(NUMBERS) for row in explicit_map(step, dim, concrete_loss(dim))]
    point = start(dim)
    jacobian = sp.Matrix(
        [[sp.N(sp.diff(row, z).subs(point), 40) for z in chart.coordinates] for row in new]
    )
    image = {z: sp.N(row.subs(point), 40) for z, row in zip(chart.coordinates, new, strict=True)}
    defect = jacobian.T * omega(dim, image) * jacobian - omega(dim, point)
    return max(abs(entry) for entry in defect)


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("name", HAMILTONIANS)
def test_the_jacobian_of_the_composed_step_is_symplectic(name: str, dim: int) -> None:
    assert symplectic_defect(scheme(name), dim) < sp.Float("1e-33")


def test_the_jacobian_is_symplectic_for_an_opaque_loss() -> None:
    # geometry_facts.md, 3.2, fact 26, exactly and in symbols at d = 1.
    chart, _ = thermodynamic_chart(1)
    new = explicit_map(scheme("momentum"), 1)
    jacobian = sp.Matrix([[sp.diff(row, z) for z in chart.coordinates] for row in new])
    image = dict(zip(chart.coordinates, new, strict=True))
    old = {z: z for z in chart.coordinates}
    defect = jacobian.T * omega(1, image) * jacobian - omega(1, old)
    assert sp.simplify(defect) == sp.zeros(4, 4)
    assert sp.simplify(jacobian.det() - sp.exp(gamma * tau) * sp.exp(-2 * gamma * tau)) == 0


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("name", HAMILTONIANS)
def test_the_weights_and_momenta_contract_by_the_cooling(name: str, dim: int) -> None:
    at = Coordinates(dim)
    rows = explicit_map(scheme(name), dim, concrete_loss(dim))
    new = [row.subs(NUMBERS) for row in (*rows[1 : dim + 1], *rows[dim + 2 :])]
    point = start(dim)
    jacobian = sp.Matrix(
        [[sp.N(sp.diff(row, z).subs(point), 40) for z in (*at.w, *at.X)] for row in new]
    )
    factor = (beta / rows[dim + 1]).subs(NUMBERS).subs(point)
    assert abs(jacobian.det() - sp.N(factor, 40) ** dim) < sp.Float("1e-33")


@pytest.mark.parametrize("name", HAMILTONIANS)
def test_the_claims_of_the_step_are_proved(name: str) -> None:
    claims = scheme(name).claims()
    assert [str(claim) for claim in claims if claim.verdict is not Verdict.PROVED] == []
    assert "order 1:" in claims[-1].statement


@pytest.mark.parametrize("name", ["relativistic", "Adam"])
def test_the_measured_order_is_the_proved_one(name: str) -> None:
    # Nonlinear force and non-quadratic T: a linear problem would certify anything.
    at = Coordinates(2)
    chart, theta = thermodynamic_chart(2)
    tensor = poisson_tensor(exterior_derivative(theta))
    values = {s: v for s, v in NUMBERS.items() if s not in (tau, START)}
    H = instantiate(HAMILTONIANS[name], at, loss=concrete_loss(2))
    field = tensor.hamiltonian_vector_field(H)
    velocity = [(-k / h * field[z]).subs(values) for z in chart.coordinates]
    right = sp.lambdify((t, *chart.coordinates), velocity, "numpy")
    z0 = np.array([float(v) for v in start(2).values()])
    end = 0.5
    exact = solve_ivp(
        lambda moment, z: right(moment, *z), (0, end), z0, "DOP853", rtol=1e-12, atol=1e-13
    ).y[:, -1]
    rows = [row.subs(values) for row in explicit_map(scheme(name), 2, concrete_loss(2))]
    step = sp.lambdify((tau, START, *chart.coordinates), rows, "numpy")
    errors = []
    for count in (64, 128, 256):
        z = z0
        for i in range(count):
            z = np.array(step(end / count, i * end / count, *z))
        errors.append(np.abs(z - exact).max())
    orders = [np.log2(a / e) for a, e in pairwise(errors)]
    assert orders == pytest.approx([1.0, 1.0], abs=0.08)


# Wrong steps. Each is one change away from the right one, and no claim may let it pass.


def changed(step: Scheme, piece: str, **updates: sp.Expr) -> Scheme:
    """`step` with some updates of one of its flows replaced."""
    by_name = {"U": U, "w": w, "beta": beta, "X": X}
    (flow,) = step.pieces[piece]
    new = {by_name[name]: value for name, value in updates.items()}
    wrong = replace(flow, updates={**flow.updates, **new})
    return replace(step, pieces={**step.pieces, piece: (wrong,)})


def verdicts(step: Scheme) -> dict[str, Verdict]:
    return {
        "symplectic": step.check_symplectic().verdict,
        "conformal": step.check_conformal().verdict,
        "order": step.check_order().verdict,
    }


def right_one() -> tuple[Scheme, Flow, Flow]:
    step = scheme("relativistic")
    kick, drift = step.flows
    return step, kick, drift


def test_decay_applied_twice_is_refuted() -> None:
    step, kick, _ = right_one()
    wrong = changed(step, "A", X=kick.updates[X] * sp.exp(-gamma * tau))
    assert verdicts(wrong) == dict.fromkeys(("symplectic", "conformal", "order"), Verdict.REFUTED)


def test_a_missing_energy_update_is_refuted() -> None:
    step, _, drift = right_one()
    for piece in ("A", "B"):
        found = verdicts(changed(step, piece, U=U))
        assert found["symplectic"] is Verdict.REFUTED
        assert found["order"] is Verdict.REFUTED
        # On (w, X) alone nothing is wrong, and nothing must be said to be.
        assert found["conformal"] is Verdict.PROVED
    assert U in drift.updates


def test_a_drift_at_the_wrong_temperature_is_refuted() -> None:
    step, kick, drift = right_one()
    late = {beta: kick.updates[beta]}
    wrong = changed(step, "B", w=drift.updates[w].xreplace(late))
    assert wrong.check_symplectic().verdict is Verdict.REFUTED
    assert symplectic_defect(wrong, 1) > sp.Float("1e-3")


def test_a_force_with_the_wrong_sign_is_refuted() -> None:
    step, kick, _ = right_one()
    wrong = changed(step, "A", X=kick.updates[X].xreplace({G: -G}))
    assert wrong.check_order().verdict is Verdict.REFUTED
    assert wrong.check_symplectic().verdict is Verdict.REFUTED


def test_weights_that_move_in_the_kick_are_refuted() -> None:
    step, _, _ = right_one()
    wrong = changed(step, "A", w=w - tau * X)
    assert wrong.check_symplectic().verdict is Verdict.REFUTED


def test_a_scaled_impulse_is_refuted() -> None:
    # Symplectic on (w, X), and so close to right that only U and the order give it away.
    step, kick, _ = right_one()
    wrong = changed(step, "A", X=kick.updates[X].xreplace({G: G * sp.Rational(1001, 1000)}))
    assert wrong.check_conformal().verdict is Verdict.PROVED
    assert wrong.check_symplectic().verdict is Verdict.REFUTED
    assert wrong.check_order().verdict is Verdict.REFUTED


def test_the_reversed_composition_is_symplectic_too_and_told_apart() -> None:
    step, kick, drift = right_one()
    reverse = replace(step, integrator=get_integrator("B A"))
    assert [flow.name for flow in reverse.flows] == [drift.name, kick.name]
    assert reverse.check_symplectic().verdict is Verdict.PROVED
    assert reverse.check_order().verdict is Verdict.PROVED
    assert reverse.map[w] != step.map[w]
    assert symplectic_defect(step, 1) < sp.Float("1e-33")


@pytest.mark.parametrize(
    ("H", "words"),
    [
        (beta * norm + beta * L * norm, "couples the loss with the momenta"),
        (beta * norm + U**2 * L, "couples the weights w with U"),
        (beta * norm + Total(G**2), "Hessian"),
        (beta * L + COOLING, "no kinetic term"),
        (beta * norm + beta * L + U**2 * beta**2, "no flow in closed form"),
    ],
)
def test_what_does_not_split_is_refused_with_its_reason(H: sp.Expr, words: str) -> None:
    space = PhaseSpace()
    motion = equations_of_motion(space, H)
    with pytest.raises(NotSeparableError, match=words):
        build_scheme(
            get_integrator("lie-trotter"), space, motion, separate(H), thermal_law(motion.beta)
        )


def test_integrators_are_found_by_name() -> None:
    assert all(get_integrator(name).name == name for name in INTEGRATORS)
    with pytest.raises(SpecError, match="Did you mean 'lie-trotter'"):
        get_integrator("lie-troter")
    with pytest.raises(SpecError, match="lie-trotter"):
        get_integrator("runge-kutta")
