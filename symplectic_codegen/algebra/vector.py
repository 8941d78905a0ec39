"""Calculus with vectors of symbolic dimension d, at a cost that does not depend on d.

A scalar is a SymPy expression in which components occur only under `Total`, the sum over all
components. The one rule behind everything is the chain rule through sums: for
H(..., R_a) with R_a = sum_i r_a(w_i, X_i, ...),

    dH/dX_i = sum_a (dH/dR_a) * dr_a/dX_i.

The loss L is opaque. Only dL/dw = G is known; where a second derivative appears it is kept as the
product of the (symmetric) Hessian with a vector, `HessianProduct`.
"""

from __future__ import annotations

import sympy as sp

from symplectic_codegen.algebra.symbols import Component, G, L, d, w


class UnknownDerivativeError(Exception):
    """A third derivative of the loss was asked for. Never reaches a user: callers refuse first."""


def components(expr: sp.Expr) -> set[Component]:
    """The components on which `expr` depends outside every sum: empty for a scalar."""
    return {s for s in expr.free_symbols if isinstance(s, Component)}


def is_scalar(expr: sp.Expr) -> bool:
    """Whether `expr` is a scalar, i.e. every component in it is summed over."""
    return not components(expr)


class Total(sp.Function):
    """Sum of a component expression over all d components. Linear, and scalars come out.

    >>> from symplectic_codegen.algebra.symbols import X, beta
    >>> Total(3 * beta * X**2 + beta)
    beta*d + 3*beta*Total(X**2)
    """

    nargs = 1
    is_commutative = True
    is_real = True

    @classmethod
    def eval(cls, body: sp.Expr) -> sp.Expr | None:
        if body.is_Add:
            return sp.Add(*(cls(term) for term in body.args))
        scalar, rest = split_scalar(body)
        if rest == 1:
            return scalar * d
        if scalar != 1:
            return scalar * cls(rest)
        return _orient_hessian(cls, rest)

    @property
    def body(self) -> sp.Expr:
        """What is summed."""
        return self.args[0]

    @property
    def free_symbols(self) -> set[sp.Basic]:
        return {s for s in self.body.free_symbols if not isinstance(s, Component)}

    def _eval_derivative(self, symbol: sp.Symbol) -> sp.Expr:
        if isinstance(symbol, Component):
            return sp.S.Zero
        return Total(sp.diff(self.body, symbol))

    def _eval_is_nonnegative(self) -> bool | None:
        return True if self.body.is_nonnegative else None

    def _eval_is_nonpositive(self) -> bool | None:
        return True if self.body.is_nonpositive else None


class BlockTotal(sp.Function):
    """The sum of a component expression over the block of components that a component belongs to.

    A block is one parameter array. Like `Total` it is linear, and scalars come out.

    >>> from symplectic_codegen.algebra.symbols import X, beta
    >>> BlockTotal(beta * X**2)
    beta*BlockTotal(X**2)
    """

    nargs = 1
    is_commutative = True
    is_real = True

    @classmethod
    def eval(cls, body: sp.Expr) -> sp.Expr | None:
        if body.is_Add:
            return sp.Add(*(cls(term) for term in body.args))
        scalar, rest = split_scalar(body)
        return scalar * cls(rest) if scalar != 1 else None

    @property
    def body(self) -> sp.Expr:
        """What is summed."""
        return self.args[0]

    @property
    def free_symbols(self) -> set[sp.Basic]:
        return {s for s in self.body.free_symbols if not isinstance(s, Component)}

    def _eval_is_nonnegative(self) -> bool | None:
        return True if self.body.is_nonnegative else None


class Blocks(sp.Function):
    """The sum over all blocks of an expression in sums over a block."""

    nargs = 1
    is_commutative = True
    is_real = True

    @classmethod
    def eval(cls, body: sp.Expr) -> sp.Expr | None:
        if body.is_Add:
            return sp.Add(*(cls(term) for term in body.args))
        if not body.has(BlockTotal):
            return None
        factors = sp.Mul.make_args(body)
        scalars = [f for f in factors if not f.has(BlockTotal)]
        rest = sp.Mul(*(f for f in factors if f.has(BlockTotal)))
        return sp.Mul(*scalars) * cls(rest) if scalars else None


def one_block(expr: sp.Expr) -> sp.Expr:
    """`expr` where one parameter array is all there is.

    >>> from symplectic_codegen.algebra.symbols import X
    >>> one_block(BlockTotal(X**2))
    Total(X**2)
    """
    expr = expr.replace(lambda e: isinstance(e, BlockTotal), lambda e: Total(e.body))
    return expr.replace(lambda e: isinstance(e, Blocks), lambda e: e.args[0])


class HessianProduct(sp.Function):
    """The vector (d^2 L / dw dw) q for a component expression q. Linear in q."""

    nargs = 1
    is_commutative = True
    is_real = True

    @classmethod
    def eval(cls, q: sp.Expr) -> sp.Expr | None:
        if q == 0:
            return sp.S.Zero
        if q.is_Add:
            return sp.Add(*(cls(term) for term in q.args))
        scalar, rest = split_scalar(q)
        return scalar * cls(rest) if scalar != 1 else None

    @property
    def free_symbols(self) -> set[sp.Basic]:
        # The Hessian is taken at w, so the product is a component even where q is constant.
        return self.args[0].free_symbols | {w}

    def _eval_derivative(self, symbol: sp.Symbol) -> sp.Expr:
        if isinstance(symbol, Component):
            # d(H q)_i/dX_j is no diagonal operator; `gradient` treats it by symmetry instead.
            return sp.S.Zero
        return HessianProduct(sp.diff(self.args[0], symbol))


def split_scalar(term: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """`term` as (scalar factor, rest); a rest without components is 1."""
    scalars: list[sp.Expr] = []
    rest: list[sp.Expr] = []
    for factor in sp.Mul.make_args(term):
        (scalars if is_scalar(factor) else rest).append(factor)
    return sp.Mul(*scalars), sp.Mul(*rest)


def _orient_hessian(cls: type[Total], body: sp.Expr) -> sp.Expr | None:
    """Write sum p H q with (p, q) in one order, since the Hessian is symmetric."""
    factors = sp.Mul.make_args(body)
    products = [f for f in factors if isinstance(f, HessianProduct)]
    if len(products) != 1:
        return None
    (product,) = products
    q = product.args[0]
    p = sp.Mul(*(f for f in factors if f is not product))
    if sp.default_sort_key(p) <= sp.default_sort_key(q):
        return None
    return cls(q * HessianProduct(p))


def outer_totals(expr: sp.Expr) -> list[Total]:
    """The sums in `expr` that lie inside no other sum, in a reproducible order."""
    found: set[Total] = set()
    stack: list[sp.Basic] = [expr]
    while stack:
        node = stack.pop()
        if isinstance(node, Total):
            found.add(node)
        else:
            stack.extend(node.args)
    return sorted(found, key=sp.default_sort_key)


class _Opened:
    """An expression with its outermost sums and Hessian products replaced by symbols.

    Partial derivatives then hold them fixed; what they contribute is added by the caller.
    """

    def __init__(self, expr: sp.Expr) -> None:
        outer = _outermost(expr)
        self.totals = [node for node in outer if isinstance(node, Total)]
        self.products = [node for node in outer if isinstance(node, HessianProduct)]
        names: dict[sp.Basic, sp.Symbol] = {
            R: sp.Dummy(f"R{i}", real=True) for i, R in enumerate(self.totals)
        }
        names |= {P: Component(f"_P{i}") for i, P in enumerate(self.products)}
        self._name = names
        self._back = {name: node for node, name in names.items()}
        self._expr = expr.xreplace(names) if names else expr

    def partial(self, variable: sp.Symbol | Total | HessianProduct) -> sp.Expr:
        """Derivative by a symbol with all sums held fixed, or by one of the sums or products."""
        symbol = self._name.get(variable, variable)
        return sp.diff(self._expr, symbol).xreplace(self._back)


def _outermost(expr: sp.Expr) -> list[sp.Expr]:
    """The sums and Hessian products that lie inside no other, in a reproducible order."""
    found: set[sp.Basic] = set()
    stack: list[sp.Basic] = [expr]
    while stack:
        node = stack.pop()
        if isinstance(node, (Total, HessianProduct)):
            found.add(node)
        else:
            stack.extend(node.args)
    return sorted(found, key=sp.default_sort_key)


def gradient(scalar: sp.Expr, vector: Component) -> sp.Expr:
    """The component expression d(scalar)/d(vector_i).

    >>> from symplectic_codegen.algebra.symbols import X, beta
    >>> gradient(sp.sqrt(1 + Total(X**2)) + beta, X)
    X/sqrt(Total(X**2) + 1)
    """
    opened = _Opened(scalar)
    result: sp.Expr = opened.partial(L) * G if vector == w else sp.S.Zero
    for R in opened.totals:
        weight = opened.partial(R)
        if weight != 0:
            result += weight * _gradient_of_total(R, vector)
    return result


def _gradient_of_total(total: Total, vector: Component) -> sp.Expr:
    opened = _Opened(total.body)
    result = opened.partial(vector)
    if vector == w:
        result += Total(opened.partial(L)) * G
        result += HessianProduct(opened.partial(G))
    for product in opened.products:
        weight = opened.partial(product)
        if weight == 0:
            continue
        if vector == w:
            raise UnknownDerivativeError("third derivative of the loss")
        # sum p (H dq) = sum (H p) dq: the variation of q meets H p, which is held fixed.
        held = Component("held")
        pairing = gradient(Total(held * product.args[0]), vector)
        result += pairing.xreplace({held: HessianProduct(weight)})
    for R in opened.totals:
        weight = opened.partial(R)
        if weight != 0:
            result += Total(weight) * _gradient_of_total(R, vector)
    return result


def directional(expr: sp.Expr, moves: dict[sp.Symbol, sp.Expr]) -> sp.Expr:
    """The derivative of a scalar or component expression along z' = `moves`.

    `moves` gives the velocity of each coordinate (scalars, and components of w, X); L and G follow
    from the motion of w. This is the time derivative along a flow when `moves` is its vector field.

    >>> from symplectic_codegen.algebra.symbols import X, beta
    >>> directional(beta * Total(X**2), {beta: beta, X: -X})
    -beta*Total(X**2)
    """
    if expr.has(HessianProduct):
        raise UnknownDerivativeError("third derivative of the loss")
    speed = moves.get(w, sp.S.Zero)
    opened = _Opened(expr)
    result: sp.Expr = sp.S.Zero
    if speed != 0:
        result += opened.partial(L) * Total(G * speed)
        result += opened.partial(G) * HessianProduct(speed)
    for symbol, velocity in moves.items():
        result += opened.partial(symbol) * velocity
    for R in opened.totals:
        weight = opened.partial(R)
        if weight != 0:
            result += weight * Total(directional(R.body, moves))
    return result
