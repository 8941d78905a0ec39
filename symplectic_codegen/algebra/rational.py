"""An exact zero test for expressions that are rational in sums, powers and exponentials.

Every sum over components is linear, so it is opened. A power b**e with a symbolic exponent is a
product of whole powers of a few b**m, and exp(e) one of e**m. With a symbol for each of these, the
expression is a rational function: its numerator is expanded, and powers of roots are reduced. Zero
is a proof; anything else is not, since symbols that depend on each other count as independent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import sympy as sp

from symplectic_codegen.algebra.forms import multiplied_out
from symplectic_codegen.algebra.vector import Total, outer_totals

_LARGEST = 4000  # operations of a fraction whose numerator is expanded
_NESTING = 8  # powers inside bases of powers


def is_zero_rational(expr: sp.Expr) -> bool:
    """Whether `expr` vanishes as a rational function of its sums and powers.

    >>> a, x, y = sp.symbols("a x y", positive=True)
    >>> is_zero_rational(x**a / (x**a + 1) + 1 / (x**(2*a) / x**a + 1) - 1)
    True
    >>> is_zero_rational(sp.sqrt(x + y) - (x + y)/sp.sqrt(x + y)), is_zero_rational(x - y)
    (True, False)
    """
    opened = _opened(expr)
    sums = {total: sp.Dummy("R", real=True) for total in outer_totals(opened)}
    powers = _Powers()
    rational = opened.xreplace(sums)
    for _ in range(_NESTING):
        found = list(dict.fromkeys(_broken_powers(rational)))
        if not found:
            break
        rational = rational.xreplace(powers.named(found))
    if sp.count_ops(rational) > _LARGEST:
        return False
    numerator = sp.expand(sp.fraction(sp.together(rational))[0])
    for root, q, base in powers.roots:
        numerator = sp.expand(sp.fraction(sp.together(_reduced(numerator, root, q, base)))[0])
    return bool(numerator == 0)


def _opened(expr: sp.Expr) -> sp.Expr:
    """`expr` with every sum as a combination of sums of products, the inner ones first."""
    if not expr.args or not expr.has(Total):
        return expr
    parts = [_opened(argument) for argument in expr.args]
    return Total(multiplied_out(parts[0])) if isinstance(expr, Total) else expr.func(*parts)


def _broken_powers(expr: sp.Expr) -> Iterator[sp.Expr]:
    """The powers of `expr` whose exponents are no integers, but not those inside others."""
    if isinstance(expr, sp.Pow | sp.exp) and not expr.as_base_exp()[1].is_Integer:
        yield expr
        return
    for argument in expr.args:
        yield from _broken_powers(argument)


@dataclass
class _Powers:
    """Symbols for powers; b**(x + y) = b**x b**y and (b**x)**n = b**(n x) for whole n, b != 0."""

    units: dict[tuple[sp.Expr, sp.Expr], tuple[sp.Symbol, int]] = field(default_factory=dict)
    roots: list[tuple[sp.Symbol, int, sp.Expr]] = field(default_factory=list)  # root**q = base

    def named(self, powers: list[sp.Expr]) -> dict[sp.Expr, sp.Expr]:
        """What stands for each of the powers."""
        shared: dict[tuple[sp.Expr, sp.Expr], int] = {}
        for power in powers:
            base, exponent = power.as_base_exp()
            for monomial, ratio in _terms(exponent):
                shared[base, monomial] = int(sp.ilcm(shared.get((base, monomial), 1), ratio.q))
        for (base, monomial), q in shared.items():
            known = self.units.get((base, monomial))
            if known is None or known[1] % q:
                unit = sp.Dummy("P", positive=True)
                self.units[base, monomial] = (unit, q)
                if monomial == 1 and q > 1:
                    self.roots.append((unit, q, base))
        return {power: self._product(*power.as_base_exp()) for power in powers}

    def _product(self, base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
        factors = []
        for monomial, ratio in _terms(exponent):
            unit, q = self.units[base, monomial]
            whole = monomial == 1 and ratio.is_Integer
            factors.append(base**ratio if whole else unit ** (ratio * q))
        return sp.Mul(*factors)


def _terms(exponent: sp.Expr) -> Iterable[tuple[sp.Expr, sp.Rational]]:
    """The terms of an exponent as (monomial, rational factor)."""
    for term in sp.Add.make_args(sp.expand(exponent)):
        ratio, monomial = term.as_coeff_Mul(rational=True)
        yield monomial, ratio


def _reduced(numerator: sp.Expr, root: sp.Symbol, q: int, base: sp.Expr) -> sp.Expr:
    """`numerator` with root**q = base used as far as it goes."""
    if not numerator.has(root):
        return numerator
    if base.is_Symbol:
        numerator = numerator.xreplace({base: root**q})
        return sp.expand(numerator)
    result: sp.Expr = sp.S.Zero
    for (power,), coefficient in sp.Poly(numerator, root).terms():
        result += coefficient * base ** (power // q) * root ** (power % q)
    return result
