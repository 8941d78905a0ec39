"""The law of the charge, against the literature and against mechanics written out by hand."""

from __future__ import annotations

import pytest
import sympy as sp

import symplectic_codegen as sc
from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.proof import Verdict
from symplectic_codegen.algebra.symbols import U, X, beta, c, h, k, t, w
from symplectic_codegen.algebra.vector import Total
from symplectic_codegen.errors import SymmetryError
from symplectic_codegen.symmetry.charge import NoetherLaw

COOLING = " + h*gamma/k*beta*U"
MOMENTUM = "beta/(2*k)*dot(X, X) + beta*c**2/k*L" + COOLING
DECAY = "beta/(2*k)*dot(X, X) + beta*c**2/k*(L + lamda/2*dot(w, w))" + COOLING
RELATIVISTIC = "beta/k*sqrt(dot(X, X) + 1) + beta*c**2/k*L" + COOLING
ELEMENTWISE = "beta/k*sum(sqrt(1 + X**2)) + beta*c**2/k*L" + COOLING
DILATION = MOMENTUM + " + h*lamda/k*beta*dot(X, w)"
MIRROR = "beta/(2*k)*sum(w**2*X**2) + beta*c**2/k*L" + COOLING
gamma, lamda = sp.symbols("gamma lamda", positive=True)


def law(hamiltonian: str, symmetry: str, **options: bool) -> NoetherLaw:
    return sc.derive(hamiltonian).noether(symmetry, **options).law


@pytest.mark.parametrize("symmetry", ["translation", "rotation"])
@pytest.mark.parametrize("hamiltonian", [MOMENTUM, RELATIVISTIC])
def test_tanaka_and_kunin_conserved_charges(hamiltonian: str, symmetry: str) -> None:
    """d/dt(e^{gamma t} Q) = 0: the charge of the momenta decays with the friction."""
    found = law(hamiltonian, symmetry)
    assert found.is_conserved
    assert found.decay == sp.exp(-gamma * t)
    assert all(claim.verdict is Verdict.PROVED for claim in found.claims())
    assert found.verdict == "J is conserved (proved); P = J/β decays as exp(−γ·t)"


def test_kinetic_symmetry_breaking_of_scaling() -> None:
    """With m w' = p the kinetic term of d(w.p)/dt is 2T; here X = -h w', and c = 1."""
    found = law(MOMENTUM, "scaling")
    (breaking,) = found.breakings
    assert breaking.part == "kinetic"
    kinetic = beta / (2 * k) * Total(X**2)
    assert sp.expand(breaking.rate + 2 * k / h * kinetic) == 0
    assert "broken by the kinetic energy" in found.verdict


def test_the_potential_breaks_by_its_own_derivative() -> None:
    for symmetry, pairing in (("translation", Total(w)), ("scaling", Total(w**2))):
        found = law(DECAY, symmetry)
        (rate,) = (b.rate for b in found.breakings if b.part == "potential")
        assert sp.expand(rate - beta * c**2 * lamda / h * pairing) == 0
    assert law(DECAY, "rotation").is_conserved


def test_a_kinetic_energy_without_rotations_breaks_them() -> None:
    found = law(ELEMENTWISE, "rotation")
    assert [b.part for b in found.breakings] == ["kinetic"]
    assert law(ELEMENTWISE, "translation").is_conserved


def test_mirror_descent_is_scale_invariant_and_nothing_else() -> None:
    assert law(MIRROR, "scaling").is_conserved
    assert not law(MIRROR, "translation").is_conserved


def test_the_dilation_stretches_the_charge_of_translation() -> None:
    found = law(DILATION, "translation")
    assert found.own_rate == lamda
    assert found.decay == sp.exp(t * (lamda - gamma))
    assert "moves as exp" in found.verdict


def test_rest_of_beta_and_of_a_thermostat() -> None:
    still = law("beta/(2*k)*dot(X, X) + beta*c**2/k*L", "translation")
    assert still.decay == 1
    assert "so is P" in still.verdict
    heat = sc.derive(sc.catalog.load("nose_hoover")).noether("translation").law
    assert heat.is_conserved
    assert heat.decay is None
    assert "depends on U" in heat.verdict


HAMILTONIANS = [MOMENTUM, DECAY, RELATIVISTIC, ELEMENTWISE, DILATION, MIRROR]


@pytest.mark.parametrize("symmetry", ["translation", "scaling"])
@pytest.mark.parametrize("hamiltonian", HAMILTONIANS)
def test_against_hamiltons_equations_written_out(hamiltonian: str, symmetry: str) -> None:
    """In canonical pairs (U, beta), (w, Y) and d = 2, with an invariant loss, by hand."""
    derivation = sc.derive(hamiltonian)
    found = derivation.noether(symmetry).law
    at = Coordinates(2)
    (w1, w2), (X1, X2) = at.w, at.X
    loss = (w1 - w2) ** 3 if symmetry == "translation" else w1 * w2 / (w1**2 + w2**2)
    Y = sp.symbols("Y1:3", real=True)
    canonical = {X1: Y[0] / beta, X2: Y[1] / beta}
    H = instantiate(derivation.hamiltonian, at, loss=loss).subs(canonical)
    charge = Y[0] + Y[1] if symmetry == "translation" else w1 * Y[0] + w2 * Y[1]
    # -h z' = k {z, H}
    moves = {
        w1: -k / h * sp.diff(H, Y[0]),
        w2: -k / h * sp.diff(H, Y[1]),
        Y[0]: k / h * sp.diff(H, w1),
        Y[1]: k / h * sp.diff(H, w2),
    }
    rate = sum(sp.diff(charge, z) * speed for z, speed in moves.items())
    claimed = instantiate(found.rate, at, loss=loss).subs(canonical)
    assert sp.simplify(rate - claimed) == 0
    assert sp.diff(charge, U) == 0


@pytest.mark.parametrize("coupling", ["beta*sinh(X)", "beta*X*(1 + alpha*U)"])
def test_another_coupling(coupling: str) -> None:
    """The charge is made of the canonical momentum, whatever that is."""
    derivation = sc.derive(MOMENTUM, coupling=coupling)
    found = derivation.noether("translation").law
    assert sp.expand(found.charge - Total(derivation.space.coupling)) == 0
    assert all(claim.holds for claim in found.claims())


def test_a_block() -> None:
    found = law(DECAY, "scaling", block=True)
    names = {str(s) for total in found.charge.atoms(Total) for s in total.body.free_symbols}
    assert names == {"a", "w", "X"}
    assert all(claim.verdict is Verdict.PROVED for claim in found.claims())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("langevin", "noise beside it"),
        ("rsgd", "Rayleigh friction beside it"),
        ("bbi", "projection to an energy beside it"),
        ("gradient_descent", "keeps no momenta"),
    ],
)
def test_where_it_makes_no_sense(name: str, reason: str) -> None:
    with pytest.raises(SymmetryError, match=reason):
        sc.derive(sc.catalog.load(name)).noether("scaling")


def test_a_hamiltonian_that_reads_the_gradient() -> None:
    with pytest.raises(SymmetryError, match="contains the gradient"):
        sc.derive(MOMENTUM + " + dot(G, G)").noether("translation")
