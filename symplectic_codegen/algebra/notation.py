"""Formulas for people: Unicode for terminals, ASCII for source code, LaTeX for papers."""

from __future__ import annotations

from functools import reduce
from typing import Any

import sympy as sp
from sympy.printing.latex import LatexPrinter
from sympy.printing.precedence import precedence
from sympy.printing.str import StrPrinter

from symplectic_codegen.algebra.functions import Huber, InTurn
from symplectic_codegen.algebra.memory import Memory, ScalarMemory
from symplectic_codegen.algebra.symbols import START, Component, G, t, tau
from symplectic_codegen.algebra.vector import Blocks, BlockTotal, HessianProduct, Total

_GREEK = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "epsilon": "ε",
    "zeta": "ζ",
    "eta": "η",
    "theta": "θ",
    "kappa": "κ",
    "lamda": "λ",
    "lam": "λ",
    "lambda_": "λ",  # a Python keyword needs the underscore
    "lambda_min": "λ_min",
    "lambda_max": "λ_max",
    "mu": "μ",
    "nu": "ν",
    "rho": "ρ",
    "sigma": "σ",
    "tau": "τ",
    "omega": "ω",
}
_LATEX = {
    "lambda_": r"\lambda",
    "lambda_min": r"\lambda_{\min}",
    "lambda_max": r"\lambda_{\max}",
}
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_ASCII = str.maketrans({"β": "beta", "τ": "tau", "γ": "gamma", "−": "-", "Σ": "sum of", "∧": "^",
                        "¹": "^1", "²": "^2", "Π": "Pi", "→": "->", "·": "*"})  # fmt: skip


def lowered(digits: object) -> str:
    """A whole number as a subscript.

    >>> lowered(12)
    '₁₂'
    """
    return str(digits).translate(_SUBSCRIPTS)


def raised(number: object) -> str:
    """A whole number as a superscript.

    >>> raised(-1)
    '⁻¹'
    """
    return str(number).translate(_SUPERSCRIPTS)


def sentence_in_ascii(text: str) -> str:
    """What a claim says, for a comment in source code.

    >>> sentence_in_ascii("Σ dX∧dw is multiplied by β")
    'sum of dX^dw is multiplied by beta'
    """
    return text.translate(_ASCII)


def unicode_name(name: str) -> str:
    """A symbol's name as a physicist writes it.

    >>> unicode_name("beta0")
    'β₀'
    """
    stem = name.rstrip("0123456789")
    digits = name[len(stem) :]
    if stem in _GREEK:
        return _GREEK[stem] + lowered(digits)
    return name


def at_end_of_step(expr: sp.Expr) -> sp.Expr:
    """`expr` with the start of the step written t - tau, as the paper does."""
    return expr.subs(START, t - tau) if expr.has(START) else expr


class _UnicodePrinter(StrPrinter):
    """SymPy's plain printer with Greek letters, sums over i and small powers raised."""

    def __init__(self, index: str = "") -> None:
        super().__init__({"order": "none"})
        self._index = index

    def _inner_index(self) -> str:
        return "ₖ" if self._index else "ᵢ"

    def _print_Symbol(self, expr: sp.Symbol) -> str:
        if expr == G:
            return "∇L" if not self._index else f"∂{self._index}L"
        name = unicode_name(expr.name)
        return name + self._index if isinstance(expr, Component) else name

    def _print_Component(self, expr: sp.Symbol) -> str:
        return self._print_Symbol(expr)

    def _print_Memory(self, expr: Memory) -> str:
        kind = "average" if expr.normalized else "ema"
        return f"{kind}({self._print(expr.source)}, {self._print(expr.rate)})"

    def _print_ScalarMemory(self, expr: ScalarMemory) -> str:
        return f"ema({self._print(expr.source)}, {self._print(expr.rate)})"

    def _print_Add(self, expr: sp.Expr, order: Any = None) -> str:
        text = ""
        for term in _positive_first(reading_order(expr.args)):
            negative = _is_negated(term)
            printed = self._print(-term if negative else term)
            sign = ("-" if negative else "") if not text else (" - " if negative else " + ")
            text += sign + printed
        return text

    def _print_Mul(self, expr: sp.Expr) -> str:
        coefficient, _ = expr.as_coeff_Mul()
        if coefficient.is_negative:
            return "-" + self._print(-expr)
        above, below = [], []
        for factor in expr.args:
            if factor.is_Rational:
                above += [sp.Integer(factor.p)] if factor.p != 1 else []
                below += [sp.Integer(factor.q)] if factor.q != 1 else []
            elif factor.is_Pow and factor.exp.is_Rational and factor.exp < 0:
                below.append(factor.base ** (-factor.exp))
            else:
                above.append(factor)
        top = "·".join(self._factor(f, expr) for f in reading_order(above)) or "1"
        if not below:
            return top
        bottom = "·".join(self._factor(f, expr) for f in reading_order(below))
        return f"{top}/({bottom})" if len(below) > 1 else f"{top}/{bottom}"

    def _factor(self, factor: sp.Expr, parent: sp.Expr) -> str:
        return self.parenthesize(factor, precedence(parent))

    def _print_Pow(self, expr: sp.Expr, rational: bool = False) -> str:
        base, exponent = expr.base, expr.exp
        if exponent == sp.S.Half:
            return f"√({self._print(base)})"
        if exponent.is_Rational and exponent < 0:
            return f"1/{self.parenthesize(base**-exponent, precedence(expr) - 1)}"
        inner = self.parenthesize(base, precedence(expr) + 1)
        inner = f"({inner})" if isinstance(base, Total) else inner
        if exponent.is_Integer and 0 < exponent < 100:
            return inner + raised(exponent)
        return f"{inner}^{self.parenthesize(exponent, precedence(expr) + 1)}"

    def _print_exp(self, expr: sp.Expr) -> str:
        power, rest = expr.args[0].as_coeff_Mul()
        if isinstance(rest, Total) and isinstance(rest.body, sp.log):
            # exp(sum_i log a_i) is how a product over components is kept.
            index = self._inner_index()
            factor = _UnicodePrinter(index).doprint(rest.body.args[0])
            exponent = "" if power == 1 else raised(power)
            return f"Π{index} ({factor}){exponent}"
        return f"exp({self._print(expr.args[0])})"

    def _print_Abs(self, expr: sp.Expr) -> str:
        return f"|{self._print(expr.args[0])}|"

    def _print_Total(self, expr: Total) -> str:
        body = expr.body
        index = self._inner_index()
        inner = _UnicodePrinter(index)
        if body.is_Add:
            return f"Σ{index}({inner.doprint(body)})"
        return f"Σ{index} {inner.doprint(body)}"

    def _print_BlockTotal(self, expr: BlockTotal) -> str:
        index = self._inner_index()
        inner = _UnicodePrinter(index).doprint(expr.body)
        return f"Σ{index}∈block ({inner})" if expr.body.is_Add else f"Σ{index}∈block {inner}"

    def _print_Blocks(self, expr: Blocks) -> str:
        return f"Σ_blocks ({self._print(expr.args[0])})"

    def _print_InTurn(self, expr: InTurn) -> str:
        values = ", ".join(self._print(value) for value in expr.args[1:])
        return f"({values})[{self._print(expr.args[0])}]"

    def _print_HessianProduct(self, expr: HessianProduct) -> str:
        return f"∇²L·({self._print(expr.args[0])})"


class _AsciiPrinter(StrPrinter):
    """The language of Hamiltonians, for docstrings of generated code."""

    def __init__(self) -> None:
        super().__init__({"order": "none"})

    def _print_Add(self, expr: sp.Expr, order: Any = None) -> str:
        terms = reading_order(expr.args)
        return super()._print_Add(sp.Add(*terms, evaluate=False), order="none")

    def _print_Total(self, expr: Total) -> str:
        return f"sum({self._print(expr.body)})"

    def _print_BlockTotal(self, expr: BlockTotal) -> str:
        return f"block_sum({self._print(expr.body)})"

    def _print_Blocks(self, expr: Blocks) -> str:
        return f"sum_over_blocks({self._print(expr.args[0])})"

    def _print_InTurn(self, expr: InTurn) -> str:
        index, *values = expr.args
        return f"({', '.join(map(self._print, values))})[({self._print(index)}) mod {len(values)}]"

    def _print_Huber(self, expr: Huber) -> str:
        return f"huber({', '.join(map(self._print, expr.args))})"

    def _print_Abs(self, expr: sp.Expr) -> str:
        return f"abs({self._print(expr.args[0])})"

    def _print_Min(self, expr: sp.Expr) -> str:
        return self._pairwise("min", expr)

    def _print_Max(self, expr: sp.Expr) -> str:
        return self._pairwise("max", expr)

    def _pairwise(self, name: str, expr: sp.Expr) -> str:
        first, *rest = (self._print(argument) for argument in reading_order(expr.args))
        return reduce(lambda a, b: f"{name}({a}, {b})", rest, first)


class _LatexPrinter(LatexPrinter):
    """SymPy's LaTeX with the paper's letters; vectors are bold."""

    def __init__(self, inside_sum: bool = False) -> None:
        super().__init__({"mul_symbol": None})
        self._inside_sum = inside_sum

    def _print_Component(self, expr: sp.Symbol, style: str = "plain") -> str:
        if expr == G:
            return r"\partial_i L" if self._inside_sum else r"\nabla L"
        return f"{expr.name}_i" if self._inside_sum else rf"\mathbf{{{expr.name}}}"

    def _print_Memory(self, expr: Memory, style: str = "plain") -> str:
        return (
            rf"\left\langle {self._print(expr.source)} \right\rangle_{{{self._print(expr.rate)}}}"
        )

    def _print_Total(self, expr: Total, exp: str | None = None) -> str:
        inner = _LatexPrinter(inside_sum=True).doprint(expr.body)
        text = rf"\sum_i {inner}" if not expr.body.is_Add else rf"\sum_i \left({inner}\right)"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"

    def _print_BlockTotal(self, expr: BlockTotal, exp: str | None = None) -> str:
        inner = _LatexPrinter(inside_sum=True).doprint(expr.body)
        text = rf"\sum_{{i \in \mathrm{{block}}}} \left({inner}\right)"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"

    def _print_Blocks(self, expr: Blocks, exp: str | None = None) -> str:
        text = rf"\sum_{{\mathrm{{blocks}}}} \left({self._print(expr.args[0])}\right)"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"

    def _print_HessianProduct(self, expr: HessianProduct, exp: str | None = None) -> str:
        return rf"\nabla^2 L \left({self._print(expr.args[0])}\right)"

    def _print_Symbol(self, expr: sp.Symbol, style: str = "plain") -> str:
        if expr.name in _LATEX:
            return _LATEX[expr.name]
        if expr.name in ("lr", "momentum") or "_" in expr.name:
            return r"\mathrm{" + expr.name.replace("_", r"\_") + "}"
        return super()._print_Symbol(expr)


def _is_negated(term: sp.Expr) -> bool:
    return bool(term.as_coeff_Mul()[0].is_negative)


def _positive_first(terms: list[sp.Expr]) -> list[sp.Expr]:
    """The first positive term in front, so that no sum starts with a minus sign needlessly."""
    first = next((term for term in terms if not _is_negated(term)), terms[0])
    return [first, *(term for term in terms if term is not first)]


def reading_order(terms: Any) -> list[sp.Expr]:
    """Numbers, then parameters, then w, X, G: reproducible, and close to how it is said."""

    def rank(e: sp.Expr) -> tuple[bool, int, bool, str]:
        names = [c.name for c in e.free_symbols if isinstance(c, Component)]
        position = max((i for i, n in enumerate(("w", "Y", "X", "G")) if n in names), default=-1)
        if position < 0 and e.has(Total):
            position = 4
        return (not e.is_number, position, bool(e.is_Function), str(e))

    return sorted(terms, key=rank)


def to_unicode(expr: sp.Expr, index: str = "") -> str:
    """`expr` for a terminal; `index` is put to components that are not summed over.

    >>> from symplectic_codegen.algebra.symbols import X, beta, k
    >>> to_unicode(beta * Total(X**2) / (2 * k))
    'β·Σᵢ Xᵢ²/(2·k)'
    """
    return _UnicodePrinter(index).doprint(at_end_of_step(expr)).replace("-", "−")


def to_ascii(expr: sp.Expr) -> str:
    """`expr` for a comment in source code, in the language of Hamiltonians.

    >>> from symplectic_codegen.algebra.symbols import X, beta
    >>> to_ascii(beta * Total(X**2))
    'beta*sum(X**2)'
    """
    return _AsciiPrinter().doprint(at_end_of_step(expr))


def to_latex(expr: sp.Expr) -> str:
    """`expr` for a paper."""
    return _LatexPrinter().doprint(at_end_of_step(expr))
