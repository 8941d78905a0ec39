"""Writing out symbolic dimension for d = 1, 2, 3, ..."""

from __future__ import annotations

import pytest
import sympy as sp

from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.symbols import Component, G, L, U, X, Y, beta, d, w
from symplectic_codegen.algebra.vector import HessianProduct, Total

AT = Coordinates(2)
W1, W2 = AT.w
X1, X2 = AT.X


def test_coordinates_are_real_and_named_from_one() -> None:
    assert [s.name for s in (*AT.w, *AT.X, *AT.Y)] == ["w1", "w2", "X1", "X2", "Y1", "Y2"]
    assert all(s.is_real for s in (*AT.w, *AT.X, *AT.Y))
    assert sp.Symbol("X2", real=True) == X2
    assert AT.L.is_real
    assert Coordinates(2) == AT
    assert hash(Coordinates(2)) == hash(AT)


@pytest.mark.parametrize("dim", [0, -1])
def test_a_phase_space_has_a_weight(dim: int) -> None:
    with pytest.raises(ValueError, match="at least one weight"):
        Coordinates(dim)


def test_sums_of_sums_are_written_out() -> None:
    nested = Total(sp.exp(X * Total(w**2)))
    square = W1**2 + W2**2
    assert instantiate(nested, AT) == sp.exp(X1 * square) + sp.exp(X2 * square)


def test_the_dimension_becomes_a_number() -> None:
    assert instantiate(Total(beta) ** d + d, AT) == 4 * beta**2 + 2


def test_components_of_any_name() -> None:
    m = Component("m", positive=True)
    entry = instantiate(U * m * Y, AT, 1)
    assert entry == U * sp.Symbol("m2", positive=True) * AT.Y[1]


def test_opaque_loss() -> None:
    assert instantiate(L * G, AT, 0) == AT.L * sp.Derivative(AT.L, W1)
    hessian = [[sp.diff(AT.L, a, b) for b in AT.w] for a in AT.w]
    assert instantiate(HessianProduct(X), AT, 1) == hessian[1][0] * X1 + hessian[1][1] * X2
    nested = instantiate(HessianProduct(HessianProduct(X)), AT, 0)
    matrix = sp.Matrix(hessian)
    assert sp.expand(nested - (matrix * matrix * sp.Matrix(AT.X))[0]) == 0


def test_given_loss() -> None:
    loss = W1**3 * W2
    assert instantiate(Total(X * G) + L, AT, loss=loss) == (
        3 * W1**2 * W2 * X1 + W1**3 * X2 + W1**3 * W2
    )
    assert instantiate(HessianProduct(X), AT, 0, loss=loss) == 6 * W1 * W2 * X1 + 3 * W1**2 * X2


@pytest.mark.parametrize("expr", [X, G * Total(X), HessianProduct(sp.S.One)])
def test_a_component_needs_an_index(expr: sp.Expr) -> None:
    with pytest.raises(ValueError, match="which component"):
        instantiate(expr, AT)
    instantiate(expr, AT, 1)


@pytest.mark.parametrize("index", [2, -1])
def test_an_index_is_in_range(index: int) -> None:
    with pytest.raises(ValueError, match="no component"):
        instantiate(X, AT, index)
    with pytest.raises(ValueError, match="no component"):
        AT.component(X, index)


def test_a_parameter_is_not_mistaken_for_a_coordinate() -> None:
    parameter = sp.Symbol("X1", real=True)
    with pytest.raises(ValueError, match="rename"):
        instantiate(parameter * X, AT, 0)
