"""The symplectic form and the brackets of a phase space, as formulas."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from symplectic_codegen.algebra.display import Formula, Printable
from symplectic_codegen.algebra.notation import to_latex, to_unicode
from symplectic_codegen.algebra.operators import Operator
from symplectic_codegen.algebra.symbols import Component, U, X, beta, w
from symplectic_codegen.geometry.phase_space import PhaseSpace

_PAIRS = ((U, beta), (U, w), (U, X), (w, beta), (beta, X), (w, w), (w, X), (X, X))


@dataclass(frozen=True)
class SymplecticForm(Printable):
    """theta and Omega = d theta, with the domain on which it is non-degenerate."""

    space: PhaseSpace

    def formulas(self) -> tuple[Formula, ...]:
        """One-form, two-form, determinant with its domain, invariant volume."""
        coupling = self.space.coupling
        det = self.space.determinant
        where = ", ".join(self.space.domain)
        return (
            Formula(
                f"θ = β dU + Σⱼ Yⱼ dwʲ   with Y = {to_unicode(coupling)}",
                rf"\theta = \beta\,dU + Y_j\,dw^j,\quad \mathbf{{Y}} = {to_latex(coupling)}",
            ),
            Formula(
                f"Ω = dθ = {self._two_form(True)}", rf"\Omega = d\theta = {self._two_form(False)}"
            ),
            Formula(
                f"det Ω = {to_unicode(det)}: non-degenerate where {where}",
                rf"\det\Omega = {to_latex(det)}",
            ),
            Formula.equation(
                "invariant volume density", r"\rho", sp.refine(self.space.volume_density)
            ),
        )

    def _two_form(self, text: bool) -> str:
        terms = []
        order = {z: i for i, z in enumerate((beta, X, U, w))}
        for (a, b), block in self.space.form.blocks.items():
            if order[a] > order[b]:
                continue
            terms += [
                _wedge(value, left, right, text) for value, left, right in _block_terms(block, a, b)
            ]
        return " + ".join(terms).replace("+ −", "− ").replace("+ -", "- ")


def _block_terms(
    block: sp.Expr | Operator, a: sp.Symbol, b: sp.Symbol
) -> list[tuple[str | sp.Expr, str, str]]:
    """A block as (coefficient, index pattern left, index pattern right)."""
    left = "i" if isinstance(a, Component) else ""
    right = ("j" if left else "i") if isinstance(b, Component) else ""
    if not isinstance(block, Operator):
        return [(block, f"{a.name}|{left}", f"{b.name}|{right}")]
    terms: list[tuple[str | sp.Expr, str, str]] = []
    # dw^dw and dX^dX pairs with equal indices vanish; each other pair occurs twice.
    if block.diagonal != 0 and a != b:
        terms.append((block.diagonal, f"{a.name}|i", f"{b.name}|i"))
    for u, v in block.rank_ones:
        factor = sp.Rational(1, 2) if a == b else sp.S.One
        coefficient = f"{_indexed(factor * u, 'i')}·{_indexed(v, 'j')}"
        terms.append((coefficient, f"{a.name}|i", f"{b.name}|j"))
    return terms


def _indexed(expr: sp.Expr, index: str) -> str:
    text = to_unicode(expr, {"i": "ᵢ", "j": "ⱼ"}[index])
    return f"({text})" if expr.is_Add else text


def _wedge(value: str | sp.Expr, left: str, right: str, text: bool) -> str:
    (a, i), (b, j) = left.split("|"), right.split("|")
    if text:
        scalar = value if isinstance(value, str) else _indexed(value, j or i or "i")
        factor = "" if scalar == "1" else f"{scalar} "
        return f"{factor}d{_coordinate(a, i)}∧d{_coordinate(b, j)}"
    scalar = value if isinstance(value, str) else to_latex(value)
    factor = "" if scalar == "1" else rf"{scalar}\,"
    return rf"{factor}d{_latex_coordinate(a, i)}\wedge d{_latex_coordinate(b, j)}"


def _coordinate(name: str, index: str) -> str:
    letter = {"beta": "β"}.get(name, name)
    if not index:
        return letter
    upper, lower = {"i": "ⁱ", "j": "ʲ"}, {"i": "ᵢ", "j": "ⱼ"}
    return letter + (upper if name == "w" else lower)[index]


def _latex_coordinate(name: str, index: str) -> str:
    letter = {"beta": r"\beta"}.get(name, name)
    if not index:
        return letter
    return f"{letter}^{{{index}}}" if name == "w" else f"{letter}_{{{index}}}"


@dataclass(frozen=True)
class Brackets(Printable):
    """The Poisson brackets of the coordinates, those that are not zero."""

    space: PhaseSpace

    def formulas(self) -> tuple[Formula, ...]:
        """One formula per pair of coordinates."""
        result = []
        for a, b in _PAIRS:
            block = self.space.poisson[a, b]
            if isinstance(block, Operator):
                if block.diagonal == 0 and not block.rank_ones:
                    continue
                text, latex = self._operator(block)
                result.append(_bracket(a, "i", b, "j", text, latex))
            elif block != 0:
                vector_first = isinstance(a, Component)
                index = "i" if vector_first or isinstance(b, Component) else ""
                text = _indexed(block, "i") if index else to_unicode(block)
                left = index if vector_first else ""
                right = index if isinstance(b, Component) else ""
                result.append(_bracket(a, left, b, right, text, to_latex(block)))
        return (*result, Formula("all others 0", r"\text{all others } 0"))

    def _operator(self, block: Operator) -> tuple[str, str]:
        texts, latexes = [], []
        if block.diagonal != 0:
            diagonal = _indexed(block.diagonal, "i")
            unit = diagonal[0] + "δᵢⱼ" + diagonal[1:] if diagonal.startswith("1/") else ""
            texts.append(unit[1:] if unit else f"{diagonal} δᵢⱼ")
            latexes.append(rf"{to_latex(block.diagonal)}\,\delta_{{ij}}")
        for u, v in block.rank_ones:
            texts.append(f"{_indexed(u, 'i')}·{_indexed(v, 'j')}")
            latexes.append(rf"\left({to_latex(u)}\right)_i \left({to_latex(v)}\right)_j")
        return " + ".join(texts), " + ".join(latexes)


def _bracket(a: sp.Symbol, i: str, b: sp.Symbol, j: str, text: str, latex: str) -> Formula:
    return Formula(
        f"{{{_coordinate(a.name, i)}, {_coordinate(b.name, j)}}} = {text}",
        rf"\{{{_latex_coordinate(a.name, i)}, {_latex_coordinate(b.name, j)}\}} = {latex}",
    )
