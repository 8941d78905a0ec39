"""Where the hyperparameters of a spec may lie, and what follows for the sign of an expression.

A sign is proved, not sampled: each parameter is written as a rational function of a variable that
runs over all positive numbers, and a polynomial whose coefficients have one sign has that sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

from symplectic_codegen.algebra.symbols import tau
from symplectic_codegen.analysis.parameters import reading_of
from symplectic_codegen.driver import Derivation
from symplectic_codegen.language.bounds import Bounds

_POSITIVE = Bounds(lower_closed=False)


@dataclass(frozen=True)
class Domain:
    """The open box of the hyperparameters; a symbol that is not listed is positive.

    >>> p, q = sp.symbols("p q", positive=True)
    >>> Domain({p: Bounds.parse("[0, 1)")}).sign(q * (1 - p) / (1 + p))
    1
    """

    bounds: Mapping[sp.Symbol, Bounds]

    def sign(self, expr: sp.Expr) -> int | None:
        """1, -1 or 0 if `expr` has that sign inside the whole box; None if that is not shown."""
        result = 1
        numerator, denominator = sp.fraction(sp.together(expr))
        for side in (numerator, denominator):
            for factor, power in _factors(side):
                sign = self._sign_of_factor(factor)
                if sign is None or (sign == 0 and side is denominator):
                    return None
                result *= sign if power % 2 else sign * sign
        return result

    def below(self, symbol: sp.Symbol, bound: sp.Rational) -> Domain:
        """The part of the box where `symbol` is less than `bound`."""
        old = self.bounds.get(symbol, _POSITIVE)
        upper = bound if old.upper is None else min(old.upper, bound)
        new = Bounds(old.lower, upper, old.lower_closed, upper == old.upper and old.upper_closed)
        return Domain({**self.bounds, symbol: new})

    def limit(self, expr: sp.Expr, variable: sp.Symbol) -> sp.Expr | None:
        """The limit for `variable` to infinity, for any point in the box; None if not found.

        It may be infinite.
        """
        if not expr.has(variable):
            return expr
        faded = expr.replace(lambda e: self._fades(e, variable), lambda e: sp.S.Zero)
        if not faded.has(variable, sp.nan, sp.zoo, sp.oo):
            return faded
        below_one = {
            s: sp.exp(-sp.Dummy(f"{s.name}_", positive=True))
            for s in sorted(expr.free_symbols, key=lambda s: str(s.name))
            if (b := self.bounds.get(s)) is not None and b.upper is not None and b.upper <= 1
        }
        back = {image.args[0].args[1]: -sp.log(s) for s, image in below_one.items()}
        opened = sp.powsimp(sp.expand_power_base(expr.xreplace(below_one)))
        try:
            value = sp.limit(opened, variable, sp.oo)
        except (NotImplementedError, ValueError):
            return None
        if value in (sp.oo, -sp.oo):
            return value
        if value.has(sp.Limit, sp.oo, sp.zoo, sp.nan, sp.AccumBounds):
            return None
        return sp.powsimp(value).xreplace(back)

    def _fades(self, node: sp.Expr, variable: sp.Symbol) -> bool:
        """Whether `node` is a power that goes to zero as `variable` grows."""
        if isinstance(node, sp.exp):
            return self.sign(sp.diff(node.args[0], variable)) == -1
        if not (node.is_Pow and node.exp.has(variable)) or node.base.has(variable):
            return False
        grows = self.sign(sp.diff(node.exp, variable)) == 1
        return grows and self.sign(node.base) == 1 and self.sign(1 - node.base) == 1

    def _sign_of_factor(self, factor: sp.Expr) -> int | None:
        if factor.is_positive:
            return 1
        if factor.is_negative:
            return -1
        if factor == 0:
            return 0
        image = self._on_positive_numbers(factor)
        if image is None:
            return None
        numerator, denominator = sp.fraction(sp.together(image))
        signs = [_sign_of_coefficients(side) for side in (numerator, denominator)]
        return None if None in signs else (signs[0] or 0) * (signs[1] or 0)

    def _on_positive_numbers(self, expr: sp.Expr) -> sp.Expr | None:
        """`expr` with each parameter as a function of a number that is anywhere above zero."""
        for e in sorted(expr.atoms(sp.exp), key=sp.default_sort_key):
            sign = self.sign(e.args[0])
            if sign is None or sign == 0:
                return None
            free = sp.Dummy(positive=True)
            expr = expr.xreplace({e: 1 / (1 + free) if sign < 0 else 1 + free})
        for e in sorted(expr.atoms(sp.log), key=sp.default_sort_key):
            sign = self.sign(e.args[0] - 1)
            if sign is None or sign == 0:
                return None
            expr = expr.xreplace({e: sign * sp.Dummy(positive=True)})
        rules = {}
        for s in sorted(expr.free_symbols, key=lambda s: str(s.name)):
            image = _image(self.bounds.get(s, _POSITIVE if s.is_positive else None))
            if image is None:
                return None
            rules[s] = image
        return expr.xreplace(rules)


def _image(bounds: Bounds | None) -> sp.Expr | None:
    if bounds is None:
        return None
    free = sp.Dummy(positive=True)
    low, high = bounds.lower, bounds.upper
    if low is not None and low == high:
        return low
    if low is not None and high is not None:
        return (low + high * free**2) / (1 + free**2)
    if low is not None:
        return low + free**2  # a square, so that roots of a parameter stay polynomial
    return None


def _factors(expr: sp.Expr) -> list[tuple[sp.Expr, int]]:
    pairs = []
    for factor in sp.Mul.make_args(sp.factor(expr)):
        base, power = factor.as_base_exp()
        pairs.append((base, int(power)) if power.is_Integer else (factor, 1))
    return pairs


def _sign_of_coefficients(expr: sp.Expr) -> int | None:
    expanded = sp.expand(expr)
    if expanded == 0:
        return 0
    signs = {
        1 if term.is_positive else -1 if term.is_negative else 0
        for term in sp.Add.make_args(expanded)
    }
    return signs.pop() if len(signs) == 1 and 0 not in signs else None


def domain_of(derivation: Derivation) -> Domain:
    """The box in which the spec of `derivation` allows its hyperparameters."""
    spec, name = derivation.spec, reading_of(derivation).name
    bounds = {name(p.symbol): p.bounds for p in spec.hyperparameters}
    bounds |= {name(sp.Symbol(r.name, positive=True)): r.bounds for r in spec.reparametrization}
    return Domain(bounds)


def defaults_of(derivation: Derivation) -> dict[sp.Symbol, sp.Rational]:
    """The user-facing parameters to which the spec gives a value, but for the step size."""
    step = derivation.parameters.apply(tau).free_symbols
    rows = [
        (sp.Symbol(r.name, positive=True), r.default) for r in derivation.spec.reparametrization
    ]
    name = reading_of(derivation).name
    return {name(s): value for s, value in rows if value is not None and s not in step}
