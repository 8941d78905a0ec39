"""Functions of the language that SymPy does not have, with derivatives that read well."""

from __future__ import annotations

from typing import Any

import sympy as sp


class Huber(sp.Function):
    """x**2/2 for abs(x) <= delta, and the straight line delta*abs(x) - delta**2/2 beyond.

    >>> x = sp.Symbol("x", real=True)
    >>> Huber(x, 1).diff(x)
    Max(-1, Min(1, x))
    """

    nargs = 2
    is_real = True
    is_nonnegative = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        x, delta = self.args
        if argindex == 1:
            # Of a norm, which is never negative, only one side is cut.
            clipped = sp.Min(x, delta)
            return clipped if x.is_nonnegative else sp.Max(-delta, clipped)
        return sp.Max(sp.Abs(x) - delta, 0)

    def definition(self) -> sp.Expr:
        """The same value in elementary functions."""
        x, delta = self.args
        inside = sp.Min(sp.Abs(x), delta)
        return inside * (sp.Abs(x) - inside / 2)

    def _eval_evalf(self, prec: int) -> Any:
        return self.definition()._eval_evalf(prec)


def elementary(expr: sp.Expr) -> sp.Expr:
    """`expr` without functions of this module, and without SymPy's step function.

    >>> x = sp.Symbol("x", real=True)
    >>> elementary(sp.Heaviside(x))
    sign(x)/2 + 1/2
    """
    expr = expr.replace(lambda e: isinstance(e, Huber), lambda e: e.definition())
    return expr.replace(
        lambda e: isinstance(e, sp.Heaviside), lambda e: (1 + sp.sign(e.args[0])) / 2
    )


def away_from_kinks(expr: sp.Expr) -> sp.Expr:
    """`expr` without what is zero but at a point: the derivative of a step."""
    return expr.replace(lambda e: isinstance(e, sp.DiracDelta), lambda e: sp.S.Zero)


class InTurn(sp.Function):
    """InTurn(i, a, b, c): a, b, c in turn as i counts 0, 1, 2, ...

    >>> InTurn(sp.Integer(4), 5, 7, 9)
    7
    """

    is_real = True

    @classmethod
    def eval(cls, index: sp.Expr, *values: sp.Expr) -> sp.Expr | None:
        if len(set(values)) == 1:
            return values[0]
        return values[int(index) % len(values)] if index.is_Integer else None
