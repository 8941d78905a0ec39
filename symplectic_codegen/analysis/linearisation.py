"""Linearisation at the minimum (X, w) = (0, 0) of a quadratic loss, and what stands in its way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count

import sympy as sp

from symplectic_codegen.algebra.forms import positive_factors, readable
from symplectic_codegen.algebra.memory import Memory
from symplectic_codegen.algebra.operators import jacobian
from symplectic_codegen.algebra.symbols import Component, G, X, w
from symplectic_codegen.algebra.vector import Total, UnknownDerivativeError
from symplectic_codegen.analysis.parameters import CURVATURE
from symplectic_codegen.discretization.flows import NOISE
from symplectic_codegen.driver import Derivation
from symplectic_codegen.errors import AnalysisError


def in_curvature(expr: sp.Expr) -> sp.Expr:
    """`expr` as a polynomial in the curvature with factored coefficients, where it is one."""
    if not expr.is_polynomial(CURVATURE):
        return sp.factor_terms(sp.expand(expr))
    terms = sp.Poly(expr, CURVATURE).terms()
    # In a sum a minus sign stands in front: - (1 - p) lambda, not (p - 1) lambda.
    return sp.Add(*(positive_factors(readable(c)) * CURVATURE**power for (power,), c in terms))


def tidy(expr: sp.Expr) -> sp.Expr:
    """A rational expression as one fraction, its factors as polynomials in the curvature.

    >>> p = sp.Symbol("p", positive=True)
    >>> tidy(1 / (2 * p - 2 * CURVATURE * p))
    1/(2*p*(1 - lambda_))
    """
    product = positive_factors(sp.factor(expr if expr.is_Mul else sp.cancel(expr)))
    factors = []
    for factor in sp.Mul.make_args(product):
        base, power = factor.as_base_exp()
        small = base.is_Add and base.has(CURVATURE) and sp.count_ops(base) < _SMALL
        factors.append(in_curvature(base) ** power if small else factor)
    return sp.Mul(*factors)


def solve_linear(
    equations: Sequence[sp.Expr], unknowns: Sequence[sp.Symbol]
) -> tuple[sp.Expr, ...] | None:
    """The one solution of linear equations, tidied; None if there is none.

    Exponentials, logarithms and roots are symbols meanwhile: elimination is rational.

    >>> p, x = sp.symbols("p x")
    >>> solve_linear([x * sp.exp(p) - sp.exp(p) - 1], [x])
    ((exp(p) + 1)*exp(-p),)
    """
    atoms = {
        node
        for e in equations
        for node in e.atoms(sp.Function, sp.Pow)
        if isinstance(node, sp.Function) or not node.exp.is_integer
    }
    names = {node: sp.Dummy(positive=node.is_positive) for node in atoms}
    back = {name: node for node, name in names.items()}
    opened = [sp.expand(e.xreplace(names)) for e in equations]
    solution = next(iter(sp.linsolve(opened, *unknowns)), None)
    if solution is None or any(entry.has(*unknowns) for entry in solution):
        return None
    return tuple(tidy(sp.factor(sp.cancel(entry)).xreplace(back)) for entry in solution)


_SMALL = 60  # operations: longer sums are left as they are


def frozen_fields(fields: Iterable[Memory], derivation: Derivation) -> dict[sp.Symbol, sp.Expr]:
    """A value for each memory field, under a name that the spec does not use.

    Of a field that cannot be negative it is a square, which keeps the root of a metric simple.
    """
    spec = derivation.spec
    taken = {p.name for p in spec.hyperparameters} | {r.name for r in spec.reparametrization}
    names = (name for number in count(1) if (name := f"r{number}") not in taken)
    return {
        f: sp.Symbol(name, positive=True) ** (2 if f.is_nonnegative else 1)
        for f, name in zip(dict.fromkeys(fields), names, strict=False)
    }


def slope_at_minimum(image: sp.Expr, variable: Component) -> sp.Expr:
    """d image_i/d variable_i at the minimum, where terms that couple components must vanish."""
    try:
        slope = jacobian(image.xreplace({G: _FREE}), _FREE if variable == G else variable)
    except UnknownDerivativeError:
        raise AnalysisError("the step reads the Hessian of the loss: it is no matrix") from None
    if any(value_at_minimum(u) != 0 and value_at_minimum(v) != 0 for u, v in slope.rank_ones):
        raise AnalysisError("at the minimum the step couples the components of the weights")
    return value_at_minimum(slope.diagonal)


_FREE = Component("free_gradient")  # G is no function of w here: what it does is added by hand
_KINKS = (sp.sign, sp.Heaviside, sp.DiracDelta, sp.Derivative, sp.Piecewise)


def value_at_minimum(expr: sp.Expr) -> sp.Expr:
    """The value at (X, w, G) = (0, 0, 0).

    Raises:
        AnalysisError: there is no value, because the rule has a kink or a pole there.
    """
    zero = dict.fromkeys((X, w, G, NOISE, _FREE), sp.S.Zero)
    value = expr.replace(lambda e: isinstance(e, Total), lambda e: Total(e.body.xreplace(zero)))
    value = value.xreplace(zero)
    singular = value.has(sp.nan, sp.zoo, sp.oo)
    if singular or any(node.args[0].xreplace(zero) == 0 for node in _kinks(expr)):
        raise AnalysisError(
            "the rule is not smooth at the minimum (X, w) = (0, 0), so it has no linearisation "
            "there; on a quadratic it ends in a cycle or a slow approach that no matrix describes"
        )
    return value


def _kinks(expr: sp.Expr) -> list[sp.Expr]:
    return [node for node in sp.preorder_traversal(expr) if isinstance(node, _KINKS)]
