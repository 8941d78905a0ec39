"""The equations of motion for symbolic d against the paper's four, written out for explicit d."""

from __future__ import annotations

import pytest
import sympy as sp

from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.symbols import L, U, X, Y, beta, c, h, k, t, w
from symplectic_codegen.algebra.vector import Total
from symplectic_codegen.geometry.phase_space import PhaseSpace
from symplectic_codegen.mechanics.equations import equations_of_motion, hamiltonian_on

gamma = sp.Symbol("gamma", positive=True)

HAMILTONIANS = {
    "momentum": beta * Total(X**2) / (2 * k) + beta * c**2 / k * L + h * gamma / k * beta * U,
    "relativistic": sp.sqrt(Total(X**2) + k**2 / beta**2) + beta * L + gamma * beta**2 * U,
    "contact": beta * (Total(X**4) + L + sp.sin(U)),
    "not separable": U * Total(X * sp.cos(w)) * beta**2 + sp.exp(-L) * Total(X**2),
    "explicit time": (1 + t**2) * Total(sp.cosh(X)) + beta * t * L + U**2 / beta,
}


def assert_zero(difference: sp.Expr) -> None:
    assert sp.expand(difference) == 0 or sp.simplify(difference) == 0, difference


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("H", HAMILTONIANS.values(), ids=HAMILTONIANS)
def test_the_four_equations_of_the_paper(H: sp.Expr, dim: int) -> None:
    # "The Hermosis equations of learning", with SymPy's own differentiation by each X_i and w_i.
    coords = Coordinates(dim)
    explicit = instantiate(H, coords)
    motion = equations_of_motion(PhaseSpace(), H)
    slope_U, slope_beta = sp.diff(explicit, U), sp.diff(explicit, beta)
    work = sum(Xi * sp.diff(explicit, Xi) for Xi in coords.X)
    assert_zero(instantiate(motion.beta, coords) - k / h * slope_U)
    assert_zero(instantiate(motion.U, coords) + k / h * (slope_beta - work / beta))
    for i, (wi, Xi) in enumerate(zip(coords.w, coords.X, strict=True)):
        assert_zero(instantiate(motion.w, coords, i) + k / (h * beta) * sp.diff(explicit, Xi))
        force = k / (h * beta) * (sp.diff(explicit, wi) - Xi * slope_U)
        assert_zero(instantiate(motion.X, coords, i) - force)


def test_momentum_as_in_the_notes() -> None:
    # geometry_facts.md, 3.1, fact 19.
    motion = equations_of_motion(PhaseSpace(), HAMILTONIANS["momentum"])
    assert_zero(motion.beta - gamma * beta)
    assert_zero(motion.w + X / h)
    assert_zero(motion.U + gamma * U - Total(X**2) / (2 * h) + c**2 * L / h)


def test_the_momenta_obey_the_integral_form() -> None:
    # h d(beta X)/dt = k dH/dw, the first step of the paper's section "Integration".
    for H in HAMILTONIANS.values():
        motion = equations_of_motion(PhaseSpace(), H)
        coords = Coordinates(2)
        for i in range(2):
            total = instantiate(h * (beta * motion.X + X * motion.beta), coords, i)
            assert_zero(total - k * sp.diff(instantiate(H, coords), coords.w[i]))


def test_the_canonical_momentum_is_put_in() -> None:
    space = PhaseSpace(beta * sp.sinh(X))
    assert hamiltonian_on(space, Total(Y**2)) == beta**2 * Total(sp.sinh(X) ** 2)
    # In (w, Y) the motion is canonical: dw/dt = -(k/h) dH/dY.
    motion = equations_of_motion(space, Total(Y**2) / 2)
    assert_zero(motion.w + k / h * beta * sp.sinh(X))
    assert motion.X == 0
