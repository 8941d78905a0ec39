"""Which exact flows a Hamiltonian splits into, and which structure it keeps."""

from __future__ import annotations

import pytest
import sympy as sp

from symplectic_codegen.algebra.proof import Verdict
from symplectic_codegen.algebra.symbols import G, L, U, X, beta, c, h, k, t, w
from symplectic_codegen.algebra.vector import Total
from symplectic_codegen.mechanics.structure import (
    conservation,
    depends_on_weights,
    homogeneity,
    separate,
)

gamma = sp.Symbol("gamma", positive=True)
T = beta * Total(X**2) / (2 * k)
V = beta * c**2 / k * L
E = h * gamma / k * beta * U


def test_the_pieces_of_momentum() -> None:
    pieces = separate(T + V + E)
    assert (pieces.kinetic, pieces.potential, pieces.thermal) == (T, V, E)
    assert pieces.is_complete
    assert pieces.obstructions == ()


@pytest.mark.parametrize(
    "H",
    [
        (beta + gamma) * (L + Total(w**2)) + T + beta**3,
        sp.sqrt(Total(X**2) + k**2 / beta**2) * (1 + t) + L * t + beta * sp.sin(t),
        beta * (Total(X**2) + L + U) * (1 + beta),
        (L + Total(w**2)) ** 2 + Total(sp.cosh(X)) * beta,
    ],
)
def test_the_pieces_add_up_and_depend_on_the_right_things(H: sp.Expr) -> None:
    pieces = separate(H)
    assert pieces.is_complete
    assert sp.expand(pieces.potential + pieces.thermal + pieces.kinetic - H) == 0
    assert not pieces.potential.has(X, U)
    assert not pieces.kinetic.has(w, L, U)
    assert not pieces.thermal.has(w, L, X)


@pytest.mark.parametrize(
    ("term", "words"),
    [
        (gamma * beta * L * Total(X**2), "couples the loss with the momenta"),
        (U**2 * L, "couples the weights w with U, and is not linear"),
        (U * Total(w * X), "couples the weights w, the momenta X and the energy U"),
        (Total(G**2), "needs the Hessian of the loss"),
        (Total(G * X), "needs the Hessian of the loss"),
        (sp.exp(L + Total(X**2)), "couples the loss with the momenta"),
        (sp.sqrt(L + U), "couples the weights w with U"),
    ],
)
def test_obstructions_are_named_with_their_reason(term: sp.Expr, words: str) -> None:
    pieces = separate(T + V + E + term)
    assert not pieces.is_complete
    (obstruction,) = pieces.obstructions
    assert sp.expand(obstruction.term - term) == 0
    assert words in obstruction.reason
    # What has a piece keeps it.
    assert (pieces.kinetic, pieces.potential, pieces.thermal) == (T, V, E)


@pytest.mark.parametrize(
    ("term", "piece"),
    [
        (gamma * beta * Total(X**2 / (1 + w**2)), "kinetic"),
        (gamma * beta * U * L, "thermal"),
        (gamma * beta * U**2, "thermostat"),
        (beta * U * Total(X**2), "thermostat"),
        (beta * sp.sin(L), "potential"),
    ],
)
def test_what_couples_has_its_piece_where_there_is_a_flow(term: sp.Expr, piece: str) -> None:
    pieces = separate(T + V + E + term)
    assert pieces.is_complete
    assert getattr(pieces, piece).has(*term.atoms(sp.Function, sp.Symbol))
    total = pieces.potential + pieces.thermal + pieces.kinetic + pieces.thermostat
    assert sp.expand(total - (T + V + E + term)) == 0


def test_a_dilation_is_a_piece_of_its_own() -> None:
    pieces = separate(T + V + E + gamma * beta * Total(X * w))
    assert pieces.is_complete
    assert pieces.dilation == gamma
    assert (pieces.kinetic, pieces.potential, pieces.thermal) == (T, V, E)


def test_a_product_is_multiplied_out_before_it_is_called_an_obstruction() -> None:
    assert separate(beta * (Total(X**2) + L)).is_complete
    assert separate((Total(X**2) + 1) ** 2 + L).is_complete
    # A square that does couple stays one.
    assert not separate((Total(X**2) + L) ** 2).is_complete


def test_dependence_on_the_weights_goes_through_the_loss() -> None:
    assert depends_on_weights(sp.exp(L))
    assert depends_on_weights(Total(G))
    assert depends_on_weights(Total(sp.sin(w)))
    assert not depends_on_weights(Total(X) * beta * U)


@pytest.mark.parametrize(
    ("H", "contact"),
    [
        (T + V + E, True),
        (beta * (sp.sqrt(Total(X**2) + 1) + sp.sin(U) + L), True),
        (T + V + E + gamma * Total(w**2), False),
        (sp.sqrt(Total(X**2) + k**2 / beta**2) + V + E, False),
        (beta**2 * U, False),
    ],
)
def test_contact_motion_is_recognised(H: sp.Expr, contact: bool) -> None:
    claim = homogeneity(H)
    assert claim.verdict is Verdict.PROVED
    assert ("is homogeneous" in claim.statement) is contact
    assert ("is not homogeneous" in claim.statement) is not contact


@pytest.mark.parametrize(
    ("H", "conserved"),
    [(T + V + E, True), (T + t * V, False), (T + V + sp.sin(t) ** 2 + sp.cos(t) ** 2, True)],
)
def test_conservation_of_energy(H: sp.Expr, conserved: bool) -> None:
    claim = conservation(H)
    assert claim.verdict is Verdict.PROVED
    assert ("is conserved" in claim.statement) is conserved
