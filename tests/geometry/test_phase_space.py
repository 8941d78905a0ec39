"""The phase space of symbolic d against the explicit one, and against known wrong answers."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import NamedTuple

import pytest
import sympy as sp

from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.operators import Operator
from symplectic_codegen.algebra.proof import Verdict
from symplectic_codegen.algebra.symbols import Component, G, L, U, X, Y, beta, c, d, k, w
from symplectic_codegen.algebra.vector import Total
from symplectic_codegen.errors import GeometryError
from symplectic_codegen.geometry.explicit import (
    Chart,
    PoissonTensor,
    SymplecticStructure,
    closedness_defect,
    exterior_derivative,
    push_forward_tensor,
    symplectic_structure,
    thermodynamic_chart,
)
from symplectic_codegen.geometry.phase_space import (
    COORDINATES,
    Block,
    BlockTensor,
    PhaseSpace,
    invert_elementwise,
)

a = sp.Symbol("a", positive=True)
norm = Total(X**2)


class Case(NamedTuple):
    coupling: sp.Expr
    dims: tuple[int, ...]
    domain: tuple[str, ...]


# Couplings with the largest d at which SymPy can still check them in well under a second.
CASES = {
    "default": Case(beta * X, (1, 2, 3, 5), ("β ≠ 0",)),
    "sinh": Case(beta * sp.sinh(X), (1, 2, 3, 5), ("β ≠ 0 for all i",)),
    "weights": Case(beta * X * sp.exp(w), (1, 2, 3, 5), ("β ≠ 0 for all i",)),
    "energy": Case((beta + U) * X, (1, 2, 3, 5), ("U + β ≠ 0",)),
    "cubic": Case(beta * (X + X**3), (1, 2, 3), ("β ≠ 0 for all i",)),
    "relativistic": Case(beta * X / sp.sqrt(1 + norm), (1, 2, 3), ("β ≠ 0",)),
    "radial": Case(beta * X * (1 + norm), (1, 2), ("β ≠ 0",)),
    "offset": Case(beta * X + a * w, (1, 2, 3), ("β ≠ 0",)),
}
POINTS = [(name, dim) for name, case in CASES.items() for dim in case.dims]


@cache
def explicit(name: str, dim: int) -> SymplecticStructure:
    _, theta = thermodynamic_chart(dim, CASES[name].coupling)
    return symplectic_structure(exterior_derivative(theta))


@cache
def space(name: str) -> PhaseSpace:
    return PhaseSpace(CASES[name].coupling)


def entry(block: Block, i: int, j: int, coords: Coordinates) -> sp.Expr:
    """Entry (i, j) of a block; the index of a scalar direction is not read."""
    if isinstance(block, Operator):
        diagonal = instantiate(block.diagonal, coords, i) if i == j else sp.S.Zero
        pairs = (instantiate(u, coords, i) * instantiate(v, coords, j) for u, v in block.rank_ones)
        return diagonal + sp.Add(*pairs)
    return sp.sympify(block)


def matrix_of(tensor: BlockTensor, dim: int) -> sp.Matrix:
    """A block tensor written out in the order (U, w1..wd, beta, X1..Xd)."""
    coords = Coordinates(dim)
    places = [(z, i) for z in COORDINATES for i in range(dim if isinstance(z, Component) else 1)]

    def value(row: int, column: int) -> sp.Expr:
        (z, i), (y, j) = places[row], places[column]
        block = tensor[z, y]
        if isinstance(block, Operator):
            return entry(block, i, j, coords)
        if isinstance(z, Component):
            return instantiate(block, coords, i)
        return instantiate(block, coords, j if isinstance(y, Component) else None)

    return sp.Matrix(len(places), len(places), value)


def assert_zero(difference: sp.Expr) -> None:
    assert sp.expand(difference) == 0 or sp.simplify(difference) == 0, difference


@pytest.mark.parametrize(("name", "dim"), POINTS)
def test_the_symplectic_form_is_the_explicit_one(name: str, dim: int) -> None:
    symbolic = matrix_of(space(name).form, dim)
    form = explicit(name, dim).form
    for i in range(symbolic.rows):
        for j in range(symbolic.cols):
            sign = 1 if i < j else -1
            known = sign * form.components.get((min(i, j), max(i, j)), sp.S.Zero)
            assert_zero(symbolic[i, j] - (0 if i == j else known))


@pytest.mark.parametrize(("name", "dim"), POINTS)
def test_the_poisson_tensor_is_the_explicit_one(name: str, dim: int) -> None:
    symbolic = matrix_of(space(name).poisson, dim)
    tensor = explicit(name, dim).tensor
    for i in range(symbolic.rows):
        for j in range(symbolic.cols):
            assert_zero(symbolic[i, j] - tensor.components.get((i, j), sp.S.Zero))


@pytest.mark.parametrize(
    ("name", "dim"), [("default", 2), ("weights", 2), ("energy", 2), ("relativistic", 1)]
)
def test_the_poisson_tensor_is_the_pushed_forward_canonical_one(name: str, dim: int) -> None:
    symbolic = matrix_of(space(name).poisson, dim)
    pushed = push_forward_tensor(dim, CASES[name].coupling)
    for i in range(symbolic.rows):
        for j in range(symbolic.cols):
            assert_zero(symbolic[i, j] - pushed.components.get((i, j), sp.S.Zero))


OBSERVABLES = {
    "quadratic": beta * Total(X**2) / (2 * k) + beta * c**2 / k * L + beta * U,
    "relativistic": sp.sqrt(Total(X**2) + k**2 / beta**2) + L + U**2,
    "mixed": U * Total(X * w) + Total(sp.cos(w) * X**2) / beta + L**2,
    "nested": sp.exp(-Total(X**4)) * Total(w**2 * X) + beta * U * L,
}


@pytest.mark.parametrize("H", OBSERVABLES.values(), ids=OBSERVABLES)
@pytest.mark.parametrize(
    ("name", "dim"),
    [("default", 1), ("default", 2), ("default", 5), ("sinh", 2), ("weights", 2), ("energy", 2)],
)
def test_the_hamiltonian_vector_field_is_the_explicit_one(name: str, dim: int, H: sp.Expr) -> None:
    coords = Coordinates(dim)
    loss = coords.w[0] ** 3 / 3 + sp.prod(coords.w)
    field = explicit(name, dim).tensor.hamiltonian_vector_field(instantiate(H, coords, loss=loss))
    brackets = space(name).bracket_with_coordinates(H)
    for z in COORDINATES:
        if isinstance(z, Component):
            for i in range(dim):
                value = instantiate(brackets[z], coords, i, loss=loss)
                assert_zero(value - field[coords.component(z, i)])
        else:
            assert_zero(instantiate(brackets[z], coords, loss=loss) - field[z])


def test_brackets_of_two_functions_agree_with_explicit_d() -> None:
    coords = Coordinates(3)
    loss = coords.w[0] * coords.w[1] * coords.w[2] + coords.w[1] ** 2
    tensor = explicit("default", 3).tensor
    functions = list(OBSERVABLES.values())
    for f, g in pairwise(functions):
        symbolic = instantiate(space("default").bracket(f, g), coords, loss=loss)
        written = (instantiate(f, coords, loss=loss), instantiate(g, coords, loss=loss))
        assert_zero(symbolic - tensor.bracket(*written))


@pytest.mark.parametrize("name", ["default", "energy", "relativistic", "radial", "offset"])
def test_the_determinant_is_the_explicit_one(name: str) -> None:
    for dim in CASES[name].dims:
        symbolic = instantiate(space(name).determinant, Coordinates(dim))
        assert_zero(symbolic - explicit(name, dim).determinant)
        density = instantiate(space(name).volume_density, Coordinates(dim))
        assert_zero(density**2 - symbolic)


@pytest.mark.parametrize("name", ["sinh", "weights", "cubic"])
def test_a_determinant_that_varies_with_the_component(name: str) -> None:
    # A product over components: compared at points, since it is written exp(sum log).
    for dim in CASES[name].dims:
        coords = Coordinates(dim)
        values = {s: sp.Rational(2 + i, 3) for i, s in enumerate((*coords.w, *coords.X, beta, U))}
        ours = instantiate(space(name).determinant, coords).xreplace(values)
        known = explicit(name, dim).determinant.xreplace(values)
        assert abs(sp.N(ours - known, 30)) < sp.Float("1e-25") * abs(sp.N(known))


@pytest.mark.parametrize("name", CASES)
def test_the_domain_is_stated(name: str) -> None:
    assert space(name).domain == CASES[name].domain


def test_the_paper_brackets_in_corrected_form() -> None:
    u, v = Component("u"), Component("v")
    assert space("default").bracket(U, beta) == 1
    assert_zero(space("default").bracket(Total(u * w), Total(v * X)) - Total(u * v) / beta)
    assert_zero(space("default").bracket(U, Total(u * X)) + Total(u * X) / beta)
    assert space("default").bracket(U, Total(u * w)) == 0
    assert space("default").bracket(beta, Total(u * w)) == 0
    assert space("default").bracket(beta, Total(u * X)) == 0
    assert space("default").bracket(Total(u * X), Total(v * X)) == 0
    assert space("default").determinant == beta ** (2 * d)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_the_bracket_as_printed_in_the_paper_fails_jacobi(dim: int) -> None:
    # learning_dynamics.txt prints {w, X} = delta, without the factor 1/beta.
    coords = Coordinates(dim)
    chart = Chart((U, *coords.w, beta, *coords.X))
    printed = {(U, beta): sp.S.One}
    printed |= dict.fromkeys(zip(coords.w, coords.X, strict=True), sp.S.One)
    printed |= {(U, Xi): -Xi / beta for Xi in coords.X}
    assert PoissonTensor.of(chart, printed).jacobi_defect() != {}
    corrected = printed | dict.fromkeys(zip(coords.w, coords.X, strict=True), 1 / beta)
    assert PoissonTensor.of(chart, corrected).jacobi_defect() == {}


@pytest.mark.parametrize("name", [n for n in CASES if n not in ("relativistic", "radial")])
def test_all_claims_are_proved(name: str) -> None:
    claims = space(name).claims()
    assert len(claims) == 5
    assert [str(claim) for claim in claims if claim.verdict is not Verdict.PROVED] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["relativistic", "radial"])
def test_claims_of_couplings_that_mix_components(name: str) -> None:
    claims = space(name).claims()
    assert [str(claim) for claim in claims if not claim.holds] == []


class WrongBracket(PhaseSpace):
    """A phase space whose tensor is the one printed in the paper."""

    @property
    def poisson(self) -> BlockTensor:  # type: ignore[override]
        blocks = dict(super().poisson.blocks)
        blocks[w, X] = Operator(sp.S.One)
        blocks[X, w] = Operator(-sp.S.One)
        return BlockTensor(blocks)


class WrongSign(PhaseSpace):
    """{X, w} has the sign of {w, X}."""

    @property
    def poisson(self) -> BlockTensor:  # type: ignore[override]
        blocks = dict(super().poisson.blocks)
        blocks[X, w] = blocks[w, X]
        return BlockTensor(blocks)


class NotClosed(PhaseSpace):
    """The form without its dbeta ^ X dw part, which is not closed."""

    @property
    def form(self) -> BlockTensor:  # type: ignore[override]
        blocks = {key: v for key, v in super().form.blocks.items() if set(key) != {w, beta}}
        return BlockTensor(blocks)


def test_the_checks_refute_a_wrong_bracket() -> None:
    wrong = WrongBracket()
    assert wrong.check_jacobi().verdict is Verdict.REFUTED
    assert wrong.check_nondegenerate().verdict is Verdict.REFUTED
    # It is antisymmetric and a derivation all the same: those checks must not be fooled.
    assert wrong.check_antisymmetry().verdict is Verdict.PROVED
    assert wrong.check_leibniz().verdict is Verdict.PROVED


def test_the_checks_refute_a_wrong_sign() -> None:
    assert WrongSign().check_antisymmetry().verdict is Verdict.REFUTED


def test_the_checks_refute_a_form_that_is_not_closed() -> None:
    assert NotClosed().check_closed().verdict is Verdict.REFUTED
    # The same in explicit coordinates: beta dX ^ dw alone is not closed.
    _, theta = thermodynamic_chart(1)
    form = exterior_derivative(theta)
    assert closedness_defect(form) == {}


@pytest.mark.parametrize(
    ("coupling", "words"),
    [
        (beta * w, "does not contain X"),
        (beta + 0 * X, "does not contain X"),
        (beta * U, "does not contain X"),
        (Total(X), "determinant 0"),
        (Total(X**2) * w, "determinant 0"),
        (beta * X + L * X, "cannot contain the loss"),
        (beta * X + G, "cannot contain the loss"),
    ],
)
def test_degenerate_couplings_are_refused(coupling: sp.Expr, words: str) -> None:
    with pytest.raises(GeometryError, match=words):
        PhaseSpace(coupling)


def test_a_rank_one_degenerate_coupling_is_not_certified() -> None:
    # Y = X/|X| has dY/dX X = 0: degenerate for every d.
    with pytest.raises(GeometryError):
        PhaseSpace(X / sp.sqrt(Total(X**2)))


@pytest.mark.parametrize(
    ("coupling", "inverse"),
    [
        (beta * X, Y / beta),
        (beta**2 * X, Y / beta**2),
        (beta * sp.sinh(X), sp.asinh(Y / beta)),
        (beta * sp.asinh(X / 2), 2 * sp.sinh(Y / beta)),
        (X + beta, Y - beta),
    ],
)
def test_couplings_are_inverted(coupling: sp.Expr, inverse: sp.Expr) -> None:
    assert_zero(invert_elementwise(coupling) - inverse)


@pytest.mark.parametrize("coupling", [beta * X**2, beta * sp.cos(X), X + sp.sinh(X) * beta])
def test_couplings_without_one_inverse_are_refused(coupling: sp.Expr) -> None:
    with pytest.raises(GeometryError, match="inverse"):
        invert_elementwise(coupling)


@pytest.mark.parametrize("name", ["energy", "weights", "relativistic"])
def test_no_inverse_is_offered_where_it_is_not_elementwise(name: str) -> None:
    with pytest.raises(GeometryError, match="inverse"):
        space(name).solve_coupling()


def test_divergence_is_d_times_the_cooling_rate() -> None:
    # geometry_facts.md, 3.1, fact 18: flat divergence of X_H is d H_U / beta.
    H = OBSERVABLES["mixed"]
    field = space("default").bracket_with_coordinates(H)
    flat = space("default").divergence(field)
    assert_zero(sp.expand(flat - d * Total(X * w) / beta))


def test_the_symbolic_path_does_not_depend_on_d() -> None:
    for block in space("default").poisson.blocks.values():
        if isinstance(block, Operator):
            assert len(block.rank_ones) <= 1
