"""Claims with verdicts, and the zero test behind them.

A claim is *proved* only by an exact symbolic identity. Where the rewriting does not reach zero,
the difference is evaluated at reproducible random points to many digits: one non-zero value
refutes the claim, and a claim that survives says how many points and digits it held at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

import mpmath
import sympy as sp

from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.rational import is_zero_rational
from symplectic_codegen.algebra.samples import reproducible_value
from symplectic_codegen.algebra.symbols import d
from symplectic_codegen.algebra.vector import HessianProduct, Total, components, outer_totals

DIGITS = 50  # working precision of numerical checks
POINTS = 12  # random points per numerical check
_SEARCHED = 400  # operations; in larger residuals the search for zero is not worth its time
_DIMENSION = 3  # explicit dimension of numerical checks


class Verdict(Enum):
    """What is known of a claim."""

    PROVED = "proved"
    NUMERICAL = "holds numerically"
    ASSUMED = "assumed"
    REFUTED = "refuted"


@dataclass(frozen=True)
class Claim:
    """A statement, what is known of it, and how."""

    statement: str
    verdict: Verdict
    method: str
    detail: str = ""

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return self.verdict is not Verdict.REFUTED

    def __str__(self) -> str:
        detail = f"; {self.detail}" if self.detail else ""
        return f"{self.verdict.value}: {self.statement} ({self.method}{detail})"


def vanishes(expr: sp.Expr, *, thorough: bool = False) -> bool:
    """Whether `expr` is identically zero by exact rewriting; False means "not shown".

    Args:
        expr: a scalar or component expression.
        thorough: search in large expressions too, which can take long.

    >>> from symplectic_codegen.algebra.symbols import X
    >>> vanishes(Total((X + 1)**2) - Total(X**2) - 2*Total(X) - d)
    True
    """
    if expr == 0:
        return True
    expanded = sp.expand(expr)
    if expanded == 0:
        return True
    # Most residuals are rational in the sums and powers they contain: cheaper than any search.
    if is_zero_rational(expr):
        return True
    whole = _without_broken_powers(expanded)
    if sp.count_ops(whole) > _SEARCHED and not thorough:
        return False
    if sp.expand(sp.fraction(sp.together(whole))[0]) == 0:
        return True
    merged = merge_totals(whole)
    if merged == 0:
        return True
    return bool(sp.simplify(merged) == 0)


def _without_broken_powers(expr: sp.Expr) -> sp.Expr:
    """`expr` with s**(p/q) turned into whole powers of a root of s, where s > 0.

    An exact change of variable. It spares `simplify` its search among radicals.
    """
    for symbol in sorted(expr.free_symbols, key=lambda s: str(s.name)):
        if not symbol.is_positive:
            continue
        exponents = {p.exp for p in expr.atoms(sp.Pow) if p.base == symbol and p.exp.is_Rational}
        q = sp.ilcm(1, *(e.q for e in exponents)) if exponents else 1
        if q > 1:
            root = sp.Dummy(f"{symbol.name}_root", positive=True)
            expr = sp.expand(sp.together(expr.subs(symbol, root**q)))
    return expr


def merge_totals(expr: sp.Expr) -> sp.Expr:
    """`expr` with sums that share a coefficient put under one sum, whose body is simplified.

    >>> from symplectic_codegen.algebra.symbols import X
    >>> merge_totals(Total(X**2 / sp.sqrt(1 + X**2)) + Total(1 / sp.sqrt(1 + X**2)))
    Total(sqrt(X**2 + 1))
    """
    totals = outer_totals(expr)
    if not totals:
        return expr
    names = {R: sp.Dummy(f"R{i}") for i, R in enumerate(totals)}
    opened = expr.xreplace(names)
    bodies: dict[sp.Expr, sp.Expr] = {}
    rest = opened
    for R, name in names.items():
        weight = opened.coeff(name, 1)
        if weight == 0 or any(weight.has(other) for other in names.values()):
            continue
        rest = rest - sp.expand(weight * name)
        number, factor = sp.factor_terms(weight).as_coeff_Mul()
        bodies[factor] = bodies.get(factor, sp.S.Zero) + number * R.body
    merged = sp.Add(*(factor * Total(_tidy(body)) for factor, body in bodies.items()))
    return merged + sp.expand(rest).xreplace({name: R for R, name in names.items()})


def _tidy(body: sp.Expr) -> sp.Expr:
    if not body.is_Add:
        return body
    together = sp.factor_terms(sp.together(body))
    if together == 0:
        return together
    return sp.simplify(body) if not body.has(HessianProduct) else sp.expand(body)


def zero_claim(statement: str, exprs: Iterable[sp.Expr], method: str) -> Claim:
    """The claim that every one of `exprs` is identically zero."""
    open_ = [expr for expr in exprs if not vanishes(expr)]
    if not open_:
        return Claim(statement, Verdict.PROVED, method)
    for expr in open_:
        counterexample = find_nonzero(expr)
        if counterexample is not None:
            point, value = counterexample
            where = ", ".join(f"{name} = {v}" for name, v in point.items())
            return Claim(statement, Verdict.REFUTED, method, f"residual {value} at {where}")
    return Claim(
        statement,
        Verdict.NUMERICAL,
        f"{POINTS} points, {DIGITS - 10} digits",
        "no exact proof was found",
    )


def find_nonzero(expr: sp.Expr) -> tuple[dict[str, str], str] | None:
    """A point where `expr` is not zero, and the value there; None if it vanishes at all points."""
    coordinates = Coordinates(_DIMENSION)
    index = 0 if components(expr) else None
    explicit = instantiate(expr, coordinates, index, loss=_polynomial_loss(coordinates.w))
    explicit = explicit.xreplace({d: sp.Integer(_DIMENSION)})
    symbols = sorted(explicit.free_symbols, key=lambda s: str(s.name))
    evaluate = sp.lambdify(symbols, list(sp.Add.make_args(explicit)), "mpmath", dummify=True)
    for number in range(POINTS):
        point = [reproducible_value(s.name, number) for s in symbols]
        with mpmath.workdps(DIGITS):
            try:
                terms = evaluate(*(mpmath.mpf(v.p) / v.q for v in point))
            except (ZeroDivisionError, TypeError):
                continue  # a pole, or a maximum of what is not real: no value at this point
            value, scale = mpmath.fsum(terms), 1 + mpmath.fsum(abs(term) for term in terms)
            if not mpmath.isfinite(value):
                continue
            if abs(value) > scale * mpmath.mpf(10) ** (10 - DIGITS):
                where = {s.name: str(v) for s, v in zip(symbols, point, strict=True)}
                return where, mpmath.nstr(value, 6)
    return None


def _polynomial_loss(ws: Sequence[sp.Symbol]) -> sp.Expr:
    """A cubic with a full, non-constant Hessian: generic enough to expose a wrong identity."""
    s = sp.Add(*((i + 1) * x for i, x in enumerate(ws)))
    return s**3 / 7 + sp.Add(*(x**2 * (i + 2) for i, x in enumerate(ws))) + sp.Mul(*ws) / 3
