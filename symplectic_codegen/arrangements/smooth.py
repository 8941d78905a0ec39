"""Functions of which nothing is known but that they are smooth.

SymPy writes the derivative of an undefined function at a point that is itself an expression as a
`Subs`, and two equal ones need not look equal. Here every partial derivative is a function of its
own, with the indices in order: the chain rule gives products of them, and two derivatives are the
same expression when they are the same function. So an identity that follows from the chain rule is
proved by expanding.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import sympy as sp

from symplectic_codegen.algebra.samples import reproducible_value

__all__ = ["Smooth", "concrete", "smooth"]


class Smooth(sp.Function):
    """A partial derivative of an arbitrary smooth function; `places` says by which arguments."""

    stem: str = ""
    places: tuple[int, ...] = ()

    @classmethod
    def eval(cls, *arguments: sp.Expr) -> None:
        """Nothing is known of the value."""
        return

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative by one argument: again such a function."""
        places = tuple(sorted((*self.places, argindex)))
        return _derivative(self.stem, places)(*self.args)


@cache
def _derivative(stem: str, places: tuple[int, ...]) -> Any:
    # SymPy tells functions apart by their classes: each must be made once.
    name = stem if not places else f"{stem}_{''.join(map(str, places))}"
    return type(name, (Smooth,), {"stem": stem, "places": places})


def smooth(name: str) -> Any:
    """An arbitrary smooth function, to be applied to any number of arguments.

    >>> x, y = sp.symbols("x y", real=True)
    >>> f, g = smooth("f"), smooth("g")
    >>> sp.diff(f(g(x), y), x)
    f_1(g(x), y)*g_1(x)
    """
    return _derivative(name, ())


def concrete(expr: sp.Expr) -> sp.Expr:
    """`expr` with a polynomial in the place of each arbitrary function: to refute, not to prove.

    >>> x = sp.Symbol("x", real=True)
    >>> f = smooth("f")
    >>> sp.expand(concrete(sp.diff(f(x), x)) - sp.diff(concrete(f(x)), x))
    0
    """
    return expr.replace(lambda e: isinstance(e, Smooth), _polynomial)


def _polynomial(applied: Any) -> sp.Expr:
    places = [sp.Dummy(f"a{i}", real=True) for i, _ in enumerate(applied.args)]
    weights = [reproducible_value(f"{applied.stem}{i}", 0) for i, _ in enumerate(places)]
    total = sp.Add(*(c * x for c, x in zip(weights, places, strict=True)))
    value = total + total**3 / 5 + sp.Add(*(x**2 * (i + 1) for i, x in enumerate(places)))
    for place in applied.places:
        value = sp.diff(value, places[place - 1])
    return value.xreplace(dict(zip(places, applied.args, strict=True)))
