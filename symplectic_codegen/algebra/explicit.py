"""Expressions of symbolic dimension d, written out for an explicit d = 1, 2, 3, ...

The explicit form exists to check the symbolic one with SymPy's own differentiation, and to study
small systems. Nothing here differentiates sums: every sum is written out first.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy as sp

from symplectic_codegen.algebra.symbols import Component, G, L, X, Y, d, w
from symplectic_codegen.algebra.vector import HessianProduct, Total


@dataclass(frozen=True)
class Coordinates:
    """The symbols w1..wd, X1..Xd, Y1..Yd and an opaque loss L(w1, ..., wd).

    Scalars (U, beta, t, hyperparameters) need no writing out and stay themselves.

    >>> Coordinates(2).X
    (X1, X2)
    >>> Coordinates(2).G
    (Derivative(L(w1, w2), w1), Derivative(L(w1, w2), w2))
    """

    dim: int
    w: tuple[sp.Symbol, ...] = field(init=False, repr=False)
    X: tuple[sp.Symbol, ...] = field(init=False, repr=False)
    Y: tuple[sp.Symbol, ...] = field(init=False, repr=False)
    L: sp.Expr = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise ValueError(f"a phase space needs at least one weight, not {self.dim}")
        for vector in (w, X, Y):
            symbols = tuple(_component_symbol(vector, i) for i in range(self.dim))
            object.__setattr__(self, vector.name, symbols)
        object.__setattr__(self, "L", sp.Function("L", real=True)(*self.w))

    @property
    def G(self) -> tuple[sp.Expr, ...]:
        """The gradient of the opaque loss."""
        return tuple(sp.diff(self.L, symbol) for symbol in self.w)

    def component(self, vector: Component, index: int) -> sp.Symbol:
        """The symbol of one entry; `index` counts from 0, the names from 1.

        >>> Coordinates(3).component(Component("m"), 0)
        m1
        """
        if not 0 <= index < self.dim:
            raise ValueError(f"there is no component {index} in dimension {self.dim}")
        return _component_symbol(vector, index)


def instantiate(
    expr: sp.Expr, coords: Coordinates, index: int | None = None, *, loss: sp.Expr | None = None
) -> sp.Expr:
    """`expr` written out for `coords.dim` weights; of a component expression, entry `index`.

    Sums become explicit, G becomes the gradient of the loss, `HessianProduct(q)` the sum over j of
    L_ij q_j, and d the number of weights.

    Args:
        expr: a scalar or component expression of symbolic dimension.
        coords: the explicit coordinates.
        index: which entry (from 0) to take; needed where `expr` is a component expression.
        loss: a SymPy expression in `coords.w` that stands for the loss; opaque if not given.

    Raises:
        ValueError: a component stands outside every sum and no index is given, or a symbol of
            `expr` has the name of an explicit coordinate.

    >>> from symplectic_codegen.algebra.symbols import beta
    >>> at = Coordinates(2)
    >>> instantiate(beta * Total(X**2) * d, at)
    2*beta*(X1**2 + X2**2)
    >>> instantiate(G * X, at, 1, loss=at.w[0] * at.w[1])
    X2*w1
    >>> instantiate(HessianProduct(X), at, 0, loss=at.w[0] * at.w[1])
    X2
    """
    if index is not None and not 0 <= index < coords.dim:
        raise ValueError(f"there is no component {index} in dimension {coords.dim}")
    clash = expr.free_symbols & {*coords.w, *coords.X, *coords.Y}
    if clash:
        names = ", ".join(sorted(str(symbol) for symbol in clash))
        raise ValueError(f"{names}: taken by the explicit coordinates, rename the parameter")
    return _Writer(coords, coords.L if loss is None else loss).write(expr, index)


class _Writer:
    """One instantiation: remembers the derivatives of the loss and the sums written out so far."""

    def __init__(self, coords: Coordinates, loss: sp.Expr) -> None:
        self._coords = coords
        self._loss = loss
        self._gradient: dict[int, sp.Expr] = {}
        self._hessian: dict[tuple[int, int], sp.Expr] = {}
        self._written: dict[tuple[sp.Expr, int | None], sp.Expr] = {}

    def write(self, expr: sp.Expr, index: int | None) -> sp.Expr:
        rule: dict[sp.Basic, sp.Basic] = {}
        stack: list[sp.Basic] = [expr]
        while stack:
            node = stack.pop()
            if node not in rule:
                value = self._value(node, index)
                if value is None:
                    stack.extend(node.args)
                else:
                    rule[node] = value
        # xreplace looks a node up before it descends, so that sums are replaced as a whole.
        return expr.xreplace(rule)

    def _value(self, node: sp.Basic, index: int | None) -> sp.Expr | None:
        if isinstance(node, Component):
            if index is None:
                raise ValueError(f"{node.name} stands outside every sum: which component of it?")
            return self._g(index) if node == G else self._coords.component(node, index)
        if node == L:
            return self._loss
        if node == d:
            return sp.Integer(self._coords.dim)
        if isinstance(node, Total):
            return self._sum(node)
        if isinstance(node, HessianProduct):
            if index is None:
                raise ValueError("a HessianProduct stands outside every sum: which component?")
            return self._product(node, index)
        return None

    def _sum(self, total: Total) -> sp.Expr:
        key = (total, None)
        if key not in self._written:
            terms = (self.write(total.body, i) for i in range(self._coords.dim))
            self._written[key] = sp.Add(*terms)
        return self._written[key]

    def _product(self, product: HessianProduct, index: int) -> sp.Expr:
        key = (product, index)
        if key not in self._written:
            q = product.args[0]
            terms = (self._h(index, j) * self.write(q, j) for j in range(self._coords.dim))
            self._written[key] = sp.Add(*terms)
        return self._written[key]

    def _g(self, i: int) -> sp.Expr:
        if i not in self._gradient:
            self._gradient[i] = sp.diff(self._loss, self._coords.w[i])
        return self._gradient[i]

    def _h(self, i: int, j: int) -> sp.Expr:
        key = (min(i, j), max(i, j))
        if key not in self._hessian:
            self._hessian[key] = sp.diff(self._g(key[0]), self._coords.w[key[1]])
        return self._hessian[key]


def _component_symbol(vector: Component, index: int) -> sp.Symbol:
    return sp.Symbol(f"{vector.name}{index + 1}", **vector.assumptions0)
