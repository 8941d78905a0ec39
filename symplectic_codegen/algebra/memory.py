"""Memory fields: vectors that relax towards a source, s' = rate (source - s).

They are no coordinates of phase space. For the brackets a memory field is a given function; its own
motion is dissipative and driven, which every statement about a rule that uses one says.
"""

from __future__ import annotations

import sympy as sp

from symplectic_codegen.algebra.symbols import Component


class Memory(Component):
    """The generic component of a memory field, known by its source and rate.

    Args:
        source: the component expression that it follows; t in it is the end of the step.
        rate: of relaxation, per unit of learning time.
        normalized: whether the weights of all sources so far add up to one. The plain field starts
            at zero, so early on they add up to less: what Adam corrects as a bias.

    >>> from symplectic_codegen.algebra.symbols import G
    >>> Memory(G**2, sp.Symbol("nu"), True)
    average(G**2, nu)
    """

    __slots__ = ("normalized", "rate", "source")

    source: sp.Expr
    rate: sp.Expr
    normalized: bool

    def __new__(cls, source: sp.Expr, rate: sp.Expr, normalized: bool) -> Memory:
        kind = "average" if normalized else "ema"
        sign = {"nonnegative": True} if source.is_nonnegative else {}
        field = super().__new__(cls, f"{kind}({source}, {rate})", **sign)
        field.source, field.rate, field.normalized = source, rate, normalized
        return field

    def _eval_subs(self, old: sp.Basic, new: sp.Basic) -> None:
        """A field is a quantity of its own: substitution does not reach its source."""


class ScalarMemory(sp.Symbol):
    """ema(a, rate) of a constant a: the weight of all that a memory of this rate has seen, times a.

    A known function of time, a (1 - exp(-rate t)), but frozen between the steps of the memory
    fields like these themselves: what a metric needs that is not normalized.

    >>> ScalarMemory(sp.S.One, sp.Symbol("nu")).is_positive
    True
    """

    __slots__ = ("rate", "source")

    source: sp.Expr
    rate: sp.Expr

    def __new__(cls, source: sp.Expr, rate: sp.Expr) -> ScalarMemory:
        sign = {"positive": True} if source.is_positive else {"real": True}
        field = super().__new__(cls, f"ema({source}, {rate})", **sign)
        field.source, field.rate = source, rate
        return field

    def value(self, time: sp.Expr) -> sp.Expr:
        """Its value if it was stepped last at `time`."""
        return self.source * (1 - sp.exp(-self.rate * time))

    def _eval_subs(self, old: sp.Basic, new: sp.Basic) -> None:
        """Substitution does not reach its source."""


class GradientAt(Component):
    """The generic component of the gradient of the loss at a point that is not w.

    >>> from symplectic_codegen.algebra.symbols import X, w
    >>> GradientAt(w + X)
    grad(X + w)
    """

    __slots__ = ("point",)

    point: sp.Expr

    def __new__(cls, point: sp.Expr) -> GradientAt:
        gradient = super().__new__(cls, f"grad({point})")
        gradient.point = point
        return gradient

    def _eval_subs(self, old: sp.Basic, new: sp.Basic) -> None:
        """A quantity of its own: substitution does not reach its point."""


Field = Memory | ScalarMemory


def memories(expr: sp.Expr) -> tuple[Field, ...]:
    """The memory fields in `expr`, in a reproducible order."""
    return tuple(sorted(expr.atoms(Memory, ScalarMemory), key=lambda field: str(field.name)))
