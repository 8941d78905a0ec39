"""Results that print themselves: as text in a terminal, as LaTeX in a paper or a notebook."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from symplectic_codegen.algebra.notation import to_latex, to_unicode


@dataclass(frozen=True)
class Formula:
    """One displayed formula, in both notations.

    >>> print(Formula.equation("ẇ", r"\\dot{w}", sp.Symbol("beta") ** 2))
    ẇ = β²
    """

    text: str
    latex: str

    @classmethod
    def equation(
        cls, text: str, latex: str, value: sp.Expr, sign: str = "=", latex_sign: str = "="
    ) -> Formula:
        """left-hand side, sign, value."""
        return cls(f"{text} {sign} {to_unicode(value)}", f"{latex} {latex_sign} {to_latex(value)}")

    def __str__(self) -> str:
        return self.text


def aligned(formula: Formula) -> str:
    """The LaTeX of a formula with an alignment mark at its relation."""
    for relation in (" = ", r" \leftarrow "):
        if relation in formula.latex:
            return formula.latex.replace(relation, f" &{relation[1:]}", 1)
    return formula.latex


class Printable:
    """Mixin: anything that consists of formulas."""

    def formulas(self) -> tuple[Formula, ...]:
        """The formulas, in order."""
        raise NotImplementedError

    def __str__(self) -> str:
        return "\n".join(formula.text for formula in self.formulas())

    def latex(self) -> str:
        """All formulas as one aligned block."""
        rows = [aligned(formula) for formula in self.formulas()]
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    def _repr_latex_(self) -> str:
        return f"$$\n{self.latex()}\n$$"
