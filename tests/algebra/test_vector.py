"""The vector calculus against SymPy's own differentiation in explicit dimension."""

from __future__ import annotations

import pytest
import sympy as sp

from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.symbols import Component, G, L, U, X, beta, d, t, w
from symplectic_codegen.algebra.vector import (
    HessianProduct,
    Total,
    UnknownDerivativeError,
    components,
    directional,
    gradient,
    is_scalar,
    outer_totals,
)

DIMS = [1, 2, 3, 5]
X2 = Total(X**2)

SCALARS = {
    "quadratic": beta * X2 / 2 + beta * L + beta * U,
    "relativistic": Total(sp.sqrt(1 + X**2)) + L,
    "relativistic, radial": sp.sqrt(X2 + 1 / beta**2),
    "logarithmic": sp.log(1 + X2 / 2),
    "nested": Total(X * w * X2),
    "nested inside a function": Total(sp.cos(w * Total(X * w))),
    "nested twice": Total(sp.exp(-X * Total(sp.sin(w * Total(X * w))))),
    "loss as a factor": L * Total(X * sp.exp(-w)) + L**2 * U,
    "loss inside a sum": Total(sp.exp(X * L)),
    "gradient": Total(X * G) + sp.sqrt(1 + Total(G**2)),
    "gradient, nested": Total(sp.exp(X * Total(G * w))),
    "everything": beta * L * Total(X * G) / (1 + Total(w**2)) + d * Total(sp.tanh(X) * w**3),
    "dimension": Total(X) ** 2 / d - Total(w) * U,
}

HESSIANS = {
    "quadratic form": Total(X * HessianProduct(X)),
    "square": Total(HessianProduct(X) ** 2),
    "constant": Total(HessianProduct(sp.sin(X))),
    "with gradient": Total(X**2 * HessianProduct(G)),
    "sum in the argument": Total(w * HessianProduct(sp.exp(X * X2))),
    "product of products": Total(X * HessianProduct(HessianProduct(X))),
    "nested product": Total(sp.sin(w) * HessianProduct(w * HessianProduct(X**2))),
    "inside an inner sum": Total(sp.cos(X * Total(X * HessianProduct(X)))),
}


def assert_equal(left: sp.Expr, right: sp.Expr) -> None:
    # Expansion is enough for what is here, and fails fast where simplification would take minutes.
    assert sp.expand(left - right) == 0, f"{left} is not {right}"


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.parametrize("vector", [X, w], ids=str)
def test_gradient(name: str, vector: Component, dim: int) -> None:
    at = Coordinates(dim)
    symbolic = gradient(SCALARS[name], vector)
    explicit = instantiate(SCALARS[name], at)
    for i in range(dim):
        expected = sp.diff(explicit, at.component(vector, i))
        assert_equal(instantiate(symbolic, at, i), expected)


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("name", HESSIANS)
def test_gradient_through_the_hessian(name: str, dim: int) -> None:
    at = Coordinates(dim)
    symbolic = gradient(HESSIANS[name], X)
    explicit = instantiate(HESSIANS[name], at)
    for i in range(dim):
        assert_equal(instantiate(symbolic, at, i), sp.diff(explicit, at.X[i]))


@pytest.mark.parametrize("name", HESSIANS)
def test_third_derivatives_of_the_loss_are_refused(name: str) -> None:
    with pytest.raises(UnknownDerivativeError):
        gradient(HESSIANS[name], w)
    with pytest.raises(UnknownDerivativeError):
        directional(HESSIANS[name], {w: X})


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("name", SCALARS)
def test_directional_derivative(name: str, dim: int) -> None:
    at = Coordinates(dim)
    moves = {w: X / beta, X: -G + X * U, beta: beta * t, U: Total(X * w)}
    symbolic = directional(SCALARS[name], moves)
    explicit = instantiate(SCALARS[name], at)
    expected = sum(
        sp.diff(explicit, at.component(z, i)) * instantiate(moves[z], at, i)
        for z in (w, X)
        for i in range(dim)
    ) + sum(sp.diff(explicit, z) * instantiate(moves[z], at) for z in (beta, U))
    assert_equal(instantiate(symbolic, at), expected)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_directional_derivative_of_a_vector(dim: int) -> None:
    at = Coordinates(dim)
    moves = {w: w * X2, X: sp.sin(X)}
    vector = G * Total(X * w) + X * L
    symbolic = directional(vector, moves)
    for i in range(dim):
        explicit = instantiate(vector, at, i)
        expected = sum(
            sp.diff(explicit, at.component(z, j)) * instantiate(moves[z], at, j)
            for z in (w, X)
            for j in range(dim)
        )
        assert_equal(instantiate(symbolic, at, i), expected)


@pytest.mark.parametrize("symbol", [beta, L], ids=str)
def test_derivative_of_a_sum_by_a_scalar(symbol: sp.Symbol) -> None:
    assert sp.diff(Total(sp.exp(X * symbol)), symbol) == Total(X * sp.exp(X * symbol))


def test_a_sum_does_not_depend_on_a_component() -> None:
    assert sp.diff(X * X2, X) == X2
    assert is_scalar(X2)
    assert components(w * Total(X) + beta) == {w}
    assert components(HessianProduct(sp.S.One)) == {w}


def test_total_is_linear_and_scalars_come_out() -> None:
    assert Total(sp.S.Zero) == 0
    assert Total(beta * X + U * X2) == beta * Total(X) + U * d * X2
    assert Total(X * Total(X * w)) == Total(X) * Total(X * w)
    assert Total(X**2).is_nonnegative
    assert Total(-(X**2)).is_nonpositive


def test_the_hessian_is_symmetric() -> None:
    assert Total(w * HessianProduct(X)) == Total(X * HessianProduct(w))
    assert Total(X**2 * sp.sin(w) * HessianProduct(G)) == Total(
        G * HessianProduct(X**2 * sp.sin(w))
    )
    assert HessianProduct(beta * X + w) == beta * HessianProduct(X) + HessianProduct(w)
    assert HessianProduct(sp.S.Zero) == 0


def test_gradient_is_symmetric_in_second_order() -> None:
    """The second derivatives along two directions do not depend on the order."""
    p, q = Component("p"), Component("q")
    for scalar in SCALARS.values():
        along = [Total(v * gradient(scalar, X)) for v in (p, q)]
        twice = [Total(v * gradient(first, X)) for v, first in zip((q, p), along, strict=True)]
        at = Coordinates(2)
        assert_equal(instantiate(twice[0], at), instantiate(twice[1], at))


def test_outer_totals_are_the_outermost_in_a_fixed_order() -> None:
    inner = Total(X * w)
    outer = Total(sp.exp(X * inner))
    assert outer_totals(outer + inner**2) == sorted([inner, outer], key=sp.default_sort_key)
    assert outer_totals(outer) == [outer]
