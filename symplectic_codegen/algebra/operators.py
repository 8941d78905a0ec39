"""Linear maps between vectors of symbolic dimension: a diagonal plus a few rank-one terms.

Every Jacobian of an elementwise-plus-sums expression has this shape, and sums, products and
inverses (Woodbury) stay in it, so that a d x d block costs the same for every d.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp
from sympy.matrices.exceptions import NonInvertibleMatrixError

from symplectic_codegen.algebra.symbols import Component, G, L, d, w
from symplectic_codegen.algebra.vector import (
    HessianProduct,
    Total,
    UnknownDerivativeError,
    _gradient_of_total,
    _Opened,
    is_scalar,
    outer_totals,
    split_scalar,
)
from symplectic_codegen.errors import GeometryError


@dataclass(frozen=True)
class Operator:
    """The d x d matrix delta_ij diagonal_i + sum_a u^a_i v^a_j.

    >>> from symplectic_codegen.algebra.symbols import X, beta
    >>> Operator(beta).inverse().diagonal
    1/beta
    """

    diagonal: sp.Expr = sp.S.Zero
    rank_ones: tuple[tuple[sp.Expr, sp.Expr], ...] = ()

    def apply(self, q: sp.Expr) -> sp.Expr:
        """The component expression of the image of the vector q."""
        return self.diagonal * q + sp.Add(*(u * Total(v * q) for u, v in self.rank_ones))

    def bilinear(self, p: sp.Expr, q: sp.Expr) -> sp.Expr:
        """The scalar p . (self q)."""
        return Total(p * self.apply(q))

    @property
    def transposed(self) -> Operator:
        return Operator(self.diagonal, tuple((v, u) for u, v in self.rank_ones))

    def __add__(self, other: Operator) -> Operator:
        return _compact(self.diagonal + other.diagonal, self.rank_ones + other.rank_ones)

    def __neg__(self) -> Operator:
        return Operator(-self.diagonal, tuple((-u, v) for u, v in self.rank_ones))

    def __sub__(self, other: Operator) -> Operator:
        return self + (-other)

    def __matmul__(self, other: Operator) -> Operator:
        pairs = [(self.diagonal * u, v) for u, v in other.rank_ones]
        pairs += [(u, other.diagonal * v) for u, v in self.rank_ones]
        pairs += [(u * Total(v * p), q) for u, v in self.rank_ones for p, q in other.rank_ones]
        return _compact(self.diagonal * other.diagonal, tuple(pairs))

    def inverse(self) -> Operator:
        """The inverse by Woodbury's identity; `determinant` says where it exists.

        Raises:
            GeometryError: the operator is singular everywhere, for d > number of rank-one terms.
        """
        self._require_diagonal()
        scaled = [(u / self.diagonal, v) for u, v in self.rank_ones]
        if not scaled:
            return Operator(1 / self.diagonal)
        try:
            core = self._core().inv()
        except NonInvertibleMatrixError as error:
            raise GeometryError("the operator is singular: its determinant vanishes") from error
        pairs = tuple(
            (-sp.simplify(core[a, b]) * scaled[a][0], scaled[b][1] / self.diagonal)
            for a in range(len(scaled))
            for b in range(len(scaled))
        )
        return _compact(1 / self.diagonal, pairs)

    def determinant(self) -> sp.Expr:
        """The determinant; a product over i stays inert where the diagonal varies with i."""
        self._require_diagonal()
        if is_scalar(self.diagonal):
            leading = self.diagonal**d
        else:
            # prod_i a_i = exp(sum_i log |a_i|) up to sign; only its zeros matter here.
            leading = sp.exp(Total(sp.log(sp.Abs(self.diagonal))))
        if not self.rank_ones:
            return leading
        return leading * sp.factor(sp.simplify(self._core().det()))

    def _require_diagonal(self) -> None:
        if self.diagonal == 0:
            raise GeometryError("the operator has no diagonal part, hence no inverse for general d")

    def _core(self) -> sp.Matrix:
        n = len(self.rank_ones)
        return sp.Matrix(
            n,
            n,
            lambda a, b: (
                sp.Integer(int(a == b))
                + Total(self.rank_ones[a][1] * self.rank_ones[b][0] / self.diagonal)
            ),
        )


def _compact(diagonal: sp.Expr, pairs: tuple[tuple[sp.Expr, sp.Expr], ...]) -> Operator:
    """Merge rank-one terms that share their right factor, with its scalars moved left."""
    by_right: dict[sp.Expr, sp.Expr] = {}
    for u, v in pairs:
        if u == 0 or v == 0:
            continue
        scale, right = split_scalar(v)
        own, left = split_scalar(u)
        scalar = own * scale
        if outer_totals(scalar):
            scalar = sp.factor_terms(sp.cancel(scalar))
        by_right[right] = by_right.get(right, sp.S.Zero) + scalar * left
    merged = tuple((u, v) for v, u in by_right.items() if sp.expand(u) != 0)
    return Operator(sp.expand(diagonal) if diagonal.is_Add else diagonal, merged)


def jacobian(field: sp.Expr, vector: Component) -> Operator:
    """The operator d(field_i)/d(vector_j).

    >>> from symplectic_codegen.algebra.symbols import X
    >>> jacobian(X * Total(X**2), X)
    Operator(diagonal=Total(X**2), rank_ones=((2*X, X),))
    """
    opened = _Opened(field)
    blocked = vector == w and (field.has(G) or field.has(HessianProduct))
    if blocked or any(product.args[0].has(vector) for product in opened.products):
        raise UnknownDerivativeError("the Hessian of the loss is no diagonal operator")
    pairs = [(opened.partial(L), G)] if vector == w else []
    pairs += [(opened.partial(R), _gradient_of_total(R, vector)) for R in opened.totals]
    return _compact(opened.partial(vector), tuple(pairs))
