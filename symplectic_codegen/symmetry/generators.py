"""One-parameter groups that move the weights: translation, scaling, rotation.

A loss may be invariant under w' = xi(w). Then sum_i xi_i(w) dL/dw_i = 0 at every w; this identity,
and its derivative by w, is all that is known of such a loss here.

Source: H. Tanaka, D. Kunin, Noether's learning dynamics, NeurIPS 2021, section on symmetries: a
softmax is invariant under translations of what enters it, a normalised layer under scaling.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import sympy as sp

from symplectic_codegen.algebra.symbols import Component, G, L, w
from symplectic_codegen.algebra.vector import HessianProduct, Total, gradient
from symplectic_codegen.errors import SymmetryError

BLOCK = Component("a")  # a constant vector: 1 on the block that the symmetry moves, 0 elsewhere
P_AXIS, Q_AXIS = Component("p"), Component("q")  # constant vectors that span a plane


@dataclass(frozen=True)
class Generator:
    """A vector field on the weights.

    Args:
        name: "translation", "scaling" or "rotation".
        field: xi(w), a component expression.
        weight: what sums over the moved block are weighted with: 1 for all weights, or `BLOCK`.

    >>> scaling().invariance
    Total(G*w)
    """

    name: str
    field: sp.Expr
    weight: sp.Expr = sp.S.One

    @property
    def invariance(self) -> sp.Expr:
        """The derivative of the loss along the field: zero where the loss has the symmetry."""
        return Total(sp.expand_mul(G * self.field))

    def sum(self, body: sp.Expr) -> sp.Expr:
        """The sum of a component expression over the moved block."""
        return Total(self.weight * body)

    def impose(self, expr: sp.Expr) -> sp.Expr:
        """`expr` for a loss that has the symmetry: the identity and its derivative put in.

        >>> scaling().impose(3 * Total(w * HessianProduct(G)) + Total(G * w))
        -3*Total(G**2)
        """
        plain = sp.expand(sums_multiplied_out(expr))
        hessians = {
            node: self._hessian(node) for node in plain.atoms(Total) if node.has(HessianProduct)
        }
        plain = sp.expand(sums_multiplied_out(plain.xreplace(hessians)))
        # A rotation's identity relates two sums: one of them is expressed by the other.
        solved = _solved_for_a_sum(self.invariance)
        return sp.expand(plain.xreplace(solved)) if solved else plain

    def _hessian(self, node: Total) -> sp.Expr:
        """A sum with a Hessian product, by the derivative of the identity."""
        known, image = self._known_product()
        factors = sp.Mul.make_args(node.body)
        products = [f for f in factors if isinstance(f, HessianProduct)]
        if len(products) != 1:
            return node
        q, p = products[0].args[0], sp.Mul(*(f for f in factors if f is not products[0]))
        # The Hessian is symmetric, so it may act on either side.
        if q == known:
            return Total(sp.expand_mul(p * image))
        return Total(sp.expand_mul(q * image)) if p == known else node

    def _known_product(self) -> tuple[sp.Expr, sp.Expr]:
        """(q, H q): what 0 = d/dw (xi . G) = (H xi) + (dxi/dw)^T G says about the Hessian H."""
        whole = gradient(self.invariance, w)
        products = sorted(whole.atoms(HessianProduct), key=sp.default_sort_key)
        product = products[-1]
        return product.args[0], sp.expand(sp.solve(whole, product)[0])


def _solved_for_a_sum(identity: sp.Expr) -> dict[sp.Expr, sp.Expr]:
    """One of the sums over the gradient in an identity, from the others."""
    over_gradient = [R for R in identity.atoms(Total) if R.body.has(G)]
    if not over_gradient:
        return {}
    chosen = max(over_gradient, key=sp.default_sort_key)
    return {chosen: sp.solve(identity, chosen)[0]}


def sums_multiplied_out(expr: sp.Expr) -> sp.Expr:
    """`expr` with the bodies of its sums multiplied out, so that scalars come out of them."""
    return expr.replace(lambda e: isinstance(e, Total), lambda e: Total(sp.expand(e.body)))


def sums_factored(expr: sp.Expr) -> sp.Expr:
    """`expr` with the bodies of its sums in lowest terms, so that scalars come out of quotients."""
    return expr.replace(
        lambda e: isinstance(e, Total), lambda e: Total(sp.factor(sp.cancel(e.body)))
    )


def translation(block: bool = False) -> Generator:
    """w_i -> w_i + e, for all weights or those of a block; Q is the sum of their momenta.

    >>> translation(block=True).field
    a
    """
    weight = BLOCK if block else sp.S.One
    return Generator("translation", weight, weight)


def scaling(block: bool = False) -> Generator:
    """w_i -> e w_i, for all weights or those of a block.

    Of a block whose weight is 1 on one part and -1 on another it is the rescaling symmetry of two
    layers with a homogeneous function between them.

    >>> scaling(block=True).field
    a*w
    """
    weight = BLOCK if block else sp.S.One
    return Generator("scaling", weight * w, weight)


def rotation(_block: bool = False) -> Generator:
    """A rotation in the plane of two arbitrary constant vectors p and q: xi = (p.w) q - (q.w) p.

    These span all rotations; a block is what p and q are zero outside of.

    >>> rotation().field
    -p*Total(q*w) + q*Total(p*w)
    """
    field = Total(P_AXIS * w) * Q_AXIS - Total(Q_AXIS * w) * P_AXIS
    return Generator("rotation", field)


GENERATORS = MappingProxyType(
    {"translation": translation, "scaling": scaling, "rotation": rotation}
)


def generator_named(name: str, block: bool = False) -> Generator:
    """The generator of that name.

    Raises:
        SymmetryError: there is none.
    """
    if name not in GENERATORS:
        raise SymmetryError(f"no symmetry is called {name!r}: there are {', '.join(GENERATORS)}")
    return GENERATORS[name](block)


def with_invariant_loss(expr: sp.Expr) -> tuple[sp.Expr, Mapping[sp.Symbol, sp.Expr]]:
    """`expr` with the loss as a constant of the group, and how to put the loss back."""
    constant = sp.Dummy("L", real=True)
    return expr.xreplace({L: constant}), {constant: L}
