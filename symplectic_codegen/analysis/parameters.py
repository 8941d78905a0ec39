"""What the analysis adds to the hyperparameters of a spec, and how it reads these beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

from symplectic_codegen.algebra.notation import to_unicode, unicode_name
from symplectic_codegen.algebra.vector import is_scalar
from symplectic_codegen.driver import Derivation

CURVATURE = sp.Symbol("lambda_", positive=True)  # lambda in the loss lambda/2 w**2
SMALLEST, LARGEST = sp.symbols("lambda_min lambda_max", positive=True)
NOISE = sp.Symbol("sigma", positive=True)  # the standard deviation of the gradient

_OWN = {unicode_name(s.name): s for s in (CURVATURE, SMALLEST, LARGEST, NOISE)}


@dataclass(frozen=True)
class Reading:
    """What takes the place of hyperparameters: another name, or a number.

    Args:
        renamed: those that would be printed like a symbol of the analysis.
        values: those that are read at their default.
    """

    renamed: Mapping[sp.Symbol, sp.Symbol]
    values: Mapping[sp.Symbol, sp.Rational]

    def read(self, expr: sp.Expr) -> sp.Expr:
        """`expr` with the names and values put in."""
        return expr.xreplace({**self.renamed, **self.values})

    def name(self, symbol: sp.Symbol) -> sp.Symbol:
        """What a hyperparameter is called here."""
        return self.renamed.get(symbol, symbol)

    def notes(self, *exprs: sp.Expr) -> tuple[str, ...]:
        """What a reader of `exprs` has to know."""
        present = set().union(*(e.free_symbols for e in exprs))
        rows = [
            f"{new.name} is what H calls {to_unicode(old)}, which is "
            f"{_MEANINGS[_OWN[to_unicode(old)]]} here"
            for old, new in self.renamed.items()
            if new in present
        ]
        if self.values:
            shown = ", ".join(f"{to_unicode(s)} = {v}" for s, v in self.values.items())
            rows.append(f"at {shown}, which the spec has as default: --set takes another value")
        return tuple(rows)


_MEANINGS = {
    CURVATURE: "the curvature",
    SMALLEST: "the smallest curvature",
    LARGEST: "the largest curvature",
    NOISE: "the noise of the gradient",
}


def reading_of(derivation: Derivation, *, shapes: bool = False) -> Reading:
    """How the analysis reads the hyperparameters of a spec.

    Args:
        shapes: put in the defaults of those that occur in exponents, as a in norm(X)**a: what a
            function is like at zero depends on them.

    >>> from symplectic_codegen.driver import derive
    >>> reading_of(derive("sigma*dot(X, X) + L")).renamed
    {sigma: sigma_H}
    """
    spec = derivation.spec
    symbols = [p.symbol for p in spec.hyperparameters]
    symbols += [sp.Symbol(r.name, positive=True) for r in spec.reparametrization]
    taken = {str(s.name) for s in symbols}
    renamed = {
        s: _fresh(f"{s.name.rstrip('_')}_H", taken) for s in symbols if unicode_name(s.name) in _OWN
    }
    return Reading(renamed, _shapes(derivation) if shapes else {})


def _fresh(name: str, taken: set[str]) -> sp.Symbol:
    while name in taken:
        name += "_"
    return sp.Symbol(name, positive=True)


def _shapes(derivation: Derivation) -> dict[sp.Symbol, sp.Rational]:
    exponents = [
        p.exp
        for p in derivation.hamiltonian.atoms(sp.Pow)
        if p.exp.free_symbols and is_scalar(p.exp)
    ]
    found: set[sp.Basic] = set().union(*(e.free_symbols for e in exponents))
    return {
        p.symbol: p.default
        for p in derivation.spec.hyperparameters
        if p.symbol in found and p.default is not None
    }
