"""Formulas with words around them."""

from __future__ import annotations

from symplectic_codegen.algebra.display import Formula

_IN_LATEX = {"λ_min": r"$\lambda_{\min}$", "λ": r"$\lambda$"}


def prefixed(words: str, formula: Formula) -> Formula:
    """The words, then the formula.

    >>> print(prefixed("if ", Formula("x = 1", "x = 1")))
    if x = 1
    """
    return Formula(words + formula.text, rf"\text{{{_latex(words)}}} {formula.latex}")


def suffixed(formula: Formula, words: str) -> Formula:
    """The formula, then the words."""
    return Formula(formula.text + words, rf"{formula.latex} \text{{{_latex(words)}}}")


def _latex(words: str) -> str:
    for plain, latex in _IN_LATEX.items():
        words = words.replace(plain, latex)
    return words
