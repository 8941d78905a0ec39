"""Diagonal-plus-rank-one operators against explicit matrices."""

from __future__ import annotations

import pytest
import sympy as sp

from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.operators import Operator, jacobian
from symplectic_codegen.algebra.symbols import Component, G, L, U, X, beta, w
from symplectic_codegen.algebra.vector import HessianProduct, Total, UnknownDerivativeError
from symplectic_codegen.errors import GeometryError

DIMS = [1, 2, 3]
X2 = Total(X**2)

OPERATORS = {
    "scalar": Operator(beta),
    "diagonal": Operator(1 + X**2),
    "rank one": Operator(beta, ((X, X),)),
    "rank one, not symmetric": Operator(1 + X**2, ((w, X),)),
    "rank two": Operator(beta, ((X, w), (U * w, sp.S.One))),
}


def matrix(operator: Operator, at: Coordinates) -> sp.Matrix:
    """The operator written out from its definition."""

    def entry(i: int, j: int) -> sp.Expr:
        value = instantiate(operator.diagonal, at, i) if i == j else sp.S.Zero
        for u, v in operator.rank_ones:
            value += instantiate(u, at, i) * instantiate(v, at, j)
        return value

    return sp.Matrix(at.dim, at.dim, entry)


def vector(expr: sp.Expr, at: Coordinates) -> sp.Matrix:
    return sp.Matrix([instantiate(expr, at, i) for i in range(at.dim)])


def is_zero(value: sp.Matrix | sp.Expr) -> bool:
    entries = list(value) if isinstance(value, sp.MatrixBase) else [value]
    return all(sp.cancel(sp.together(entry)) == 0 for entry in entries)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("name", OPERATORS)
def test_inverse(name: str, dim: int) -> None:
    at = Coordinates(dim)
    operator = OPERATORS[name]
    product = matrix(operator, at) * matrix(operator.inverse(), at)
    assert is_zero(product - sp.eye(dim))


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("name", OPERATORS)
def test_determinant(name: str, dim: int) -> None:
    at = Coordinates(dim)
    operator = OPERATORS[name]
    assert is_zero(instantiate(operator.determinant(), at) - matrix(operator, at).det())


@pytest.mark.parametrize("dim", DIMS)
def test_determinant_of_a_diagonal_of_either_sign_is_right_up_to_sign(dim: int) -> None:
    at = Coordinates(dim)
    product = sp.Mul(*at.X)
    assert sp.simplify(instantiate(Operator(X).determinant(), at) - sp.Abs(product)) == 0


@pytest.mark.parametrize("left", OPERATORS)
@pytest.mark.parametrize("right", OPERATORS)
def test_arithmetic(left: str, right: str) -> None:
    at = Coordinates(2)
    a, b = OPERATORS[left], OPERATORS[right]
    A, B = matrix(a, at), matrix(b, at)
    assert is_zero(matrix(a + b, at) - (A + B))
    assert is_zero(matrix(a - b, at) - (A - B))
    assert is_zero(matrix(a @ b, at) - A * B)
    assert is_zero(matrix(a.transposed, at) - A.T)
    assert is_zero(vector(a.apply(w * X), at) - A * vector(w * X, at))
    assert is_zero(
        instantiate(a.bilinear(w, X**2), at) - (vector(w, at).T * A * vector(X**2, at))[0]
    )


def test_a_difference_with_itself_is_empty() -> None:
    for operator in OPERATORS.values():
        assert operator - operator == Operator()


@pytest.mark.parametrize("dim", [1, 2, 3, 5])
@pytest.mark.parametrize("by", [X, w], ids=str)
@pytest.mark.parametrize(
    "field",
    [
        beta * X,
        X / sp.sqrt(1 + X**2),
        X / sp.sqrt(1 + X2),
        X * w * Total(X * w) + Total(X),
        sp.exp(w * Total(X * Total(sp.exp(X * Total(w))))),
        L * X + U * w,
    ],
    ids=str,
)
def test_jacobian(field: sp.Expr, by: Component, dim: int) -> None:
    at = Coordinates(dim)
    symbols = at.X if by == X else at.w
    difference = matrix(jacobian(field, by), at) - vector(field, at).jacobian(symbols)
    assert all(sp.expand(entry) == 0 for entry in difference) or is_zero(difference)


def test_jacobian_of_the_gradient_of_the_loss_by_moments() -> None:
    assert jacobian(G + beta * X, X) == Operator(beta)
    assert jacobian(HessianProduct(w) + beta * X, X) == Operator(beta)


@pytest.mark.parametrize(
    ("field", "by"),
    [(G, w), (HessianProduct(X), w), (HessianProduct(X), X), (X * HessianProduct(X**2), X)],
)
def test_the_hessian_is_no_diagonal_operator(field: sp.Expr, by: Component) -> None:
    with pytest.raises(UnknownDerivativeError):
        jacobian(field, by)


def test_singular_operators_are_refused() -> None:
    no_diagonal = Operator(sp.S.Zero, ((X, X),))
    with pytest.raises(GeometryError):
        no_diagonal.inverse()
    with pytest.raises(GeometryError):
        no_diagonal.determinant()
    projection = Operator(beta, ((X, -beta * X / X2),))
    assert projection.determinant() == 0
    with pytest.raises(GeometryError):
        projection.inverse()
