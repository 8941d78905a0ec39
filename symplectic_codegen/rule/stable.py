"""Rewrites that remove cancellation and removable singularities before code is written.

Each rewrite names the identity it uses. The identities are proved in the tests, the result of a
chain of rewrites is compared with what went in at 50 digits, and the limits at a removable
singularity (the friction gamma -> 0, say) come out as ordinary values: exprel(0) = 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from symplectic_codegen.algebra.forms import positive_denominator
from symplectic_codegen.algebra.samples import reproducible_value


class _Inert(sp.Function):
    """A function that SymPy must not rewrite."""

    nargs = 1
    is_real = True

    def definition(self) -> sp.Expr:
        """The same value in elementary functions."""
        raise NotImplementedError


class Expm1(_Inert):
    """exp(x) - 1 without cancellation at small x."""

    def definition(self) -> sp.Expr:
        return sp.exp(self.args[0]) - 1


class Log1p(_Inert):
    """log(1 + x) without cancellation at small x."""

    def definition(self) -> sp.Expr:
        return sp.log(1 + self.args[0])


class Exprel(_Inert):
    """(exp(x) - 1)/x, continued by 1 to x = 0."""

    is_positive = True

    def definition(self) -> sp.Expr:
        return (sp.exp(self.args[0]) - 1) / self.args[0]


class Phi2(_Inert):
    """(exp(x) - 1 - x)/x**2, continued by 1/2 to x = 0."""

    is_positive = True

    def definition(self) -> sp.Expr:
        return (sp.exp(self.args[0]) - 1 - self.args[0]) / self.args[0] ** 2


class Log1prel(_Inert):
    """log(1 + x)/x, continued by 1 to x = 0."""

    is_positive = True

    def definition(self) -> sp.Expr:
        return sp.log(1 + self.args[0]) / self.args[0]


class Powm1(sp.Function):
    """x**y - 1 for x >= 0 without cancellation for x near 1."""

    nargs = 2
    is_real = True

    def definition(self) -> sp.Expr:
        return self.args[0] ** self.args[1] - 1


class Hypot(sp.Function):
    """sqrt(x**2 + y**2) without overflow."""

    nargs = 2
    is_nonnegative = True

    def definition(self) -> sp.Expr:
        return sp.sqrt(self.args[0] ** 2 + self.args[1] ** 2)


def expand_definitions(expr: sp.Expr) -> sp.Expr:
    """`expr` in elementary functions."""
    return expr.replace(lambda e: isinstance(e, _Inert | Powm1 | Hypot), lambda e: e.definition())


@dataclass(frozen=True)
class Rewrite:
    """One rewrite rule.

    Args:
        name: as in the report.
        identity: pair of equal expressions in x, y, p: what the rule relies on.
        apply: rewrites one node whose arguments are already rewritten; None leaves it.
        gain: what it is for.
    """

    name: str
    identity: tuple[sp.Expr, sp.Expr]
    apply: Callable[[sp.Expr], sp.Expr | None]
    gain: str


_x, _y, _p = sp.symbols("x y p", positive=True)


def _difference_of_exponentials(e: sp.Expr) -> sp.Expr | None:
    """c exp(a) - c exp(b) -> c exp(b) expm1(a - b) for one pair of terms of a sum."""
    if not e.is_Add:
        return None
    # (a + b) exp(x) - a has its pair inside the product.
    e = sp.Add(*(sp.expand_mul(term) if term.has(sp.exp) else term for term in e.args))
    if not e.is_Add:
        return None
    terms = [_exponential(term) for term in e.args]
    for i, (c1, a1) in enumerate(terms):
        for c2, a2 in terms[i + 1 :]:
            if a1 == a2 or sp.expand(c1 + c2) != 0:
                continue
            # The larger exponent outside keeps expm1 in (-1, 0] where the sign is known.
            (c_out, out), inner = ((c2, a2), a1) if _is_larger(a2, a1) else ((c1, a1), a2)
            pair = -c_out * sp.exp(out) * Expm1(sp.expand(inner - out))
            rest = sp.Add(
                *(t for t, k in zip(e.args, terms, strict=True) if k not in ((c1, a1), (c2, a2)))
            )
            return pair + rest
    return None


def _exponential(term: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """A term as (coefficient, exponent) of an exponential; exponent 0 for other terms."""
    exponentials = [f for f in sp.Mul.make_args(term) if isinstance(f, sp.exp)]
    exponent = sp.Add(*(f.args[0] for f in exponentials))
    return term / sp.Mul(*exponentials), exponent


def _dominant_exponential(e: sp.Expr) -> sp.Expr | None:
    """exp(x) + c -> exp(x) (1 + c exp(-x)) for x >= 0: in a ratio, exp(x) then cancels."""
    if not e.is_Add:
        return None
    terms = [_exponential(term) for term in e.args]
    for _, largest in terms:
        if largest != 0 and all(_is_larger(largest, other) for _, other in terms):
            inner = sp.Add(*(c * sp.exp(sp.expand(a - largest)) for c, a in terms))
            return sp.exp(largest) * inner
    return None


def _is_larger(a: sp.Expr, b: sp.Expr) -> bool:
    return bool(sp.expand(a - b).is_nonnegative)


def _difference_of_like_powers(e: sp.Expr) -> sp.Expr | None:
    """x**p - x**q -> x**q powm1(x, p - q), where an exponent is not a number."""
    if not e.is_Add or len(e.args) != 2:
        return None
    (c1, x1, p1), (c2, x2, p2) = (_symbol_power(term) for term in e.args)
    base = x1 if x1 != 1 else x2
    if {x1, x2} - {base, sp.S.One} or base == 1 or c1 + c2 != 0 or (p1 - p2).is_number:
        return None
    # The exponent that is a number outside: x**1 for mu - mu**n, x**0 for 1 - mu**n.
    (c, outer), inner = ((c1, p1), p2) if p1.is_number else ((c2, p2), p1)
    return -c * base**outer * Powm1(base, sp.expand(inner - outer))


def _symbol_power(term: sp.Expr) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """A term as (coefficient, positive symbol, exponent); the symbol is 1 if there is none."""
    coefficient, rest = sp.powsimp(term).as_coeff_Mul()
    base, exponent = rest.as_base_exp()
    if base.is_Symbol and base.is_positive and not base.is_integer:
        return coefficient, base, exponent
    return term, sp.S.One, sp.S.Zero


def _difference_of_powers(e: sp.Expr) -> sp.Expr | None:
    """x**p - y**p -> (x - y)(x**(p-1) + ... + y**(p-1)) for a small whole p and positive x, y."""
    if not e.is_Add or len(e.args) != 2:
        return None
    (c1, b1, p1), (c2, b2, p2) = (_power(term) for term in e.args)
    if p1 != p2 or c1 + c2 != 0 or not (_is_nonnegative(b1) and _is_nonnegative(b2)):
        return None
    if p1.is_Integer and 2 <= p1 <= 8:
        n = int(p1)
        total = sp.Add(*(b1**i * b2 ** (n - 1 - i) for i in range(n)))
        return c1 * sp.expand(b1 - b2) * total
    if not p1.is_Integer:
        # x**p - y**p = -x**p expm1(p log(y/x)), and y/x = 1 + (y - x)/x.
        return -c1 * b1**p1 * Expm1(p1 * Log1p(sp.expand(b2 - b1) / b1))
    return None


def _is_nonnegative(base: sp.Expr) -> bool:
    """Whether `base` is known to be >= 0, using that a positive integer is at least 1."""
    from_one = {
        s: 1 + sp.Dummy("m", nonnegative=True, integer=True)
        for s in base.free_symbols
        if s.is_integer and s.is_positive
    }
    return bool(base.xreplace(from_one).is_nonnegative)


def _power(term: sp.Expr) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    coefficient, rest = term.as_coeff_Mul()
    scalars = [f for f in sp.Mul.make_args(rest) if not (f.is_Pow and f.base.is_Add)]
    powers = [f for f in sp.Mul.make_args(rest) if f.is_Pow and f.base.is_Add]
    if len(powers) != 1:
        return term, sp.S.One, sp.S.Zero
    return coefficient * sp.Mul(*scalars), powers[0].base, powers[0].exp


def _power_near_one(e: sp.Expr) -> sp.Expr | None:
    """(x/y)**p -> exp(p log1p((x - y)/y)) where x - y is free of what x and y share."""
    if not e.is_Pow or e.exp.is_number or e.base.is_Symbol:
        return None
    above, below = sp.fraction(sp.together(e.base))
    gap = sp.expand(above - below)
    if (
        not (below.is_Add and above.has(*below.free_symbols))
        or gap.free_symbols >= above.free_symbols
    ):
        return None
    return sp.exp(e.exp * Log1p(gap / below))


def _logarithm(e: sp.Expr) -> sp.Expr | None:
    """log(1 + x) -> log1p(x)."""
    if not isinstance(e, sp.log) or not e.args[0].is_Add:
        return None
    terms = e.args[0].args
    if sp.S.One not in terms:
        return None
    return Log1p(sp.Add(*(t for t in terms if t != 1)))


def _relative_exponential(e: sp.Expr) -> sp.Expr | None:
    """expm1(r D)/D -> r exprel(r D), and ratios of two expm1."""
    return _relative(e, Expm1, Exprel)


def _relative_logarithm(e: sp.Expr) -> sp.Expr | None:
    """log1p(r D)/D -> r log1prel(r D); log(u)/(u - 1) -> log1prel(u - 1), and inverses."""
    if not e.is_Mul:
        return None
    for factor in e.args:
        base, power = factor.as_base_exp()
        if isinstance(base, sp.log) and power in (1, -1):
            for other in e.args:
                offset, opposite = other.as_base_exp()
                sign = sp.cancel(offset / (base.args[0] - 1)) if offset.is_Add else sp.S.Zero
                if opposite == -power and sign in (1, -1):
                    rest = e / factor / other
                    return rest * sign * Log1prel(base.args[0] - 1) ** power
    return _relative(e, Log1p, Log1prel)


def _relative(e: sp.Expr, absolute: type[_Inert], relative: type[_Inert]) -> sp.Expr | None:
    if not e.is_Mul:
        return None
    found = [
        (factor, *factor.as_base_exp())
        for factor in e.args
        if isinstance(factor.as_base_exp()[0], absolute)
    ]
    powers = {power for _, _, power in found}
    if {sp.S.One, sp.S.NegativeOne} <= powers:
        # A ratio of two: both vanish together, and the quotient of their arguments stays finite.
        result = e
        for factor, base, power in found:
            argument = base.args[0]
            result = result / factor * (argument * relative(argument)) ** power
        rational = sp.powsimp(sp.factor_terms(sp.cancel(_rational_part(result))))
        return rational * _inert_part(result)
    for factor, base, power in found:
        if power not in (1, -1):
            continue
        argument = base.args[0]
        rest = e / factor
        divisor = _divisor(rest, argument, int(power))
        if divisor is not None:
            ratio = sp.cancel(argument / divisor)
            return sp.factor_terms(rest * divisor**power) * (ratio * relative(argument)) ** power
    return None


def _distributed(e: sp.Expr) -> sp.Expr | None:
    """(expm1(r D) + log1p(q D))/D -> r exprel(r D) + q log1prel(q D): each term has its limit."""
    if not e.is_Mul:
        return None
    sums = [f for f in e.args if f.is_Add and f.has(Expm1, Log1p, Phi2)]
    if len(sums) != 1:
        return None
    rest = e / sums[0]
    changed = [
        _relative_exponential(rest * term)
        or _relative_logarithm(rest * term)
        or _cancelled(rest, term)
        for term in sums[0].args
    ]
    if any(term is None for term in changed):
        return None
    return sp.Add(*changed)


def _cancelled(rest: sp.Expr, term: sp.Expr) -> sp.Expr | None:
    """The product of the two, where nothing is left of the denominator of `rest`."""
    product = rest * term
    left = sp.fraction(_rational_part(product))[1].free_symbols
    return None if left & sp.fraction(_rational_part(rest))[1].free_symbols else product


def _second_difference(e: sp.Expr) -> sp.Expr | None:
    """exprel(x) - 1 -> x phi2(x), expm1(x) - x -> x**2 phi2(x) and, with what phi2 is at -x,
    exp(x) - exprel(x) -> x exp(x) phi2(-x): for one pair of terms of a sum."""
    if not e.is_Add:
        return None
    for first in e.args:
        found = [f for f in sp.Mul.make_args(first) if isinstance(f, Exprel | Expm1)]
        if len(found) != 1:
            continue
        x, c = found[0].args[0], first / found[0]
        power = 1 if isinstance(found[0], Exprel) else 2
        for second in e.args:
            if sp.expand(second + c * x ** (power - 1)) == 0:
                return e - first - second + c * x**power * Phi2(x)
            if power == 1 and sp.expand(sp.powsimp(second * sp.exp(-x) + c)) == 0:
                return e - first - second - c * x * sp.exp(x) * Phi2(-x)
    return None


def _ratio_of_powers(e: sp.Expr) -> sp.Expr | None:
    """c - c (x/y)**p -> -c expm1(p log1p((x - y)/y)), x - y being free of what x and y share."""
    if not e.is_Add or len(e.args) != 2:
        return None
    for first, second in (e.args, e.args[::-1]):
        roots = [f for f in sp.Mul.make_args(second) if f.is_Pow and f.exp.is_Rational]
        roots = [f for f in roots if not (f.exp.is_Integer or f.base.is_number)]
        if not roots or sp.expand(first + second / sp.Mul(*roots)) != 0:
            continue
        base, power = roots[0].as_base_exp()
        # SymPy parts roots of quotients of what is positive.
        if any(root.exp != -power or not root.base.is_positive for root in roots[1:]):
            continue
        near = _power_near_one(sp.Pow(base / sp.Mul(*(root.base for root in roots[1:])), _p))
        if near is not None:
            return -first * Expm1(near.args[0].xreplace({_p: power}))
    return None


def _rational_part(e: sp.Expr) -> sp.Expr:
    return sp.Mul(*(f for f in sp.Mul.make_args(e) if not f.has(_Inert)))


def _inert_part(e: sp.Expr) -> sp.Expr:
    return sp.Mul(*(f for f in sp.Mul.make_args(e) if f.has(_Inert)))


def _divisor(rest: sp.Expr, argument: sp.Expr, power: int) -> sp.Expr | None:
    """A factor 1/D of `rest` (D, if power is -1) that makes argument/D free of D."""
    numerator, denominator = sp.fraction(rest)
    side = denominator if power == 1 else numerator
    shared = [
        f for f in sp.Mul.make_args(side) if not f.is_number and f in sp.Mul.make_args(argument)
    ]
    return sp.Mul(*shared) if shared else None


def _hypotenuse(e: sp.Expr) -> sp.Expr | None:
    """sqrt(x**2 + y**2) -> hypot(x, y), where both terms are evident squares."""
    if not (e.is_Pow and e.exp in (sp.S.Half, -sp.S.Half) and e.base.is_Add):
        return None
    if len(e.base.args) != 2:
        return None
    roots = [_square_root(term) for term in e.base.args]
    if any(root is None for root in roots):
        return None
    return Hypot(*roots) ** (2 * e.exp)


def _square_root(term: sp.Expr) -> sp.Expr | None:
    if not term.is_nonnegative:
        return None
    factors = []
    for factor in sp.Mul.make_args(term):
        base, power = factor.as_base_exp()
        if power.is_Integer and power % 2 == 0 and base.is_real:
            factors.append(base ** (power // 2))
        elif (factor.is_nonnegative and not factor.is_Add and factor.is_number) or (
            factor.is_positive and factor.is_Symbol
        ):
            factors.append(sp.sqrt(factor))
        else:
            return None
    return sp.Mul(*factors)


_TERM_BY_TERM = Rewrite(
    "term by term",
    ((Expm1(_p * _x) + Log1p(_y * _x)) / _x, _p * Exprel(_p * _x) + _y * Log1prel(_y * _x)),
    _distributed,
    "the limit of each term where the rate goes to zero",
)

SCALAR_REWRITES: tuple[Rewrite, ...] = (
    Rewrite(
        "difference of exponentials",
        (sp.exp(_x) - sp.exp(_y), -sp.exp(_x) * Expm1(_y - _x)),
        _difference_of_exponentials,
        "no cancellation for close exponents, no overflow where the larger one cancels",
    ),
    Rewrite(
        "dominant exponential",
        (sp.exp(_x) + _y, sp.exp(_x) * (1 + _y * sp.exp(-_x))),
        _dominant_exponential,
        "no overflow after many steps",
    ),
    Rewrite(
        "difference of like powers",
        (_x**_p - _x**_y, _x**_y * Powm1(_x, _p - _y)),
        _difference_of_like_powers,
        "no cancellation in the first steps of a slow average",
    ),
    Rewrite(
        "difference of powers",
        (_x**_p - _y**_p, -(_x**_p) * Expm1(_p * Log1p((_y - _x) / _x))),
        _difference_of_powers,
        "no cancellation after many steps",
    ),
    Rewrite(
        "power near one",
        ((_x / _y) ** _p, sp.exp(_p * Log1p((_x - _y) / _y))),
        _power_near_one,
        "a large power of a ratio close to one keeps its digits",
    ),
    Rewrite(
        "ratio of powers",
        (1 - (_x / _y) ** _p, -Expm1(_p * Log1p((_x - _y) / _y))),
        _ratio_of_powers,
        "no cancellation where the ratio is close to one",
    ),
    Rewrite("log1p", (sp.log(1 + _x), Log1p(_x)), _logarithm, "no rounding of 1 + x"),
    _TERM_BY_TERM,
    Rewrite(
        "exprel",
        (Expm1(_p * _x) / _x, _p * Exprel(_p * _x)),
        _relative_exponential,
        "the limit where the rate goes to zero",
    ),
    Rewrite(
        "log1prel",
        (Log1p(_p * _x) / _x, _p * Log1prel(_p * _x)),
        _relative_logarithm,
        "the limit where the rate goes to zero",
    ),
    Rewrite(
        "phi2",
        (Expm1(_x) - _x + sp.exp(_y) - Exprel(_y), _x**2 * Phi2(_x) + _y * sp.exp(_y) * Phi2(-_y)),
        _second_difference,
        "the limit of a double pole where the rate goes to zero",
    ),
    _TERM_BY_TERM,  # once more, for what the second difference has left
)

ELEMENT_REWRITES: tuple[Rewrite, ...] = (
    Rewrite(
        "hypot",
        (sp.sqrt(_x**2 + _y**2), Hypot(_x, _y)),
        _hypotenuse,
        "no overflow for large momenta",
    ),
)


def stabilize(
    expr: sp.Expr, rewrites: tuple[Rewrite, ...] = SCALAR_REWRITES
) -> tuple[sp.Expr, tuple[str, ...]]:
    """`expr` rewritten, and the names of the rewrites that were used.

    >>> gamma, tau = sp.symbols("gamma tau", positive=True)
    >>> stabilize((1 - sp.exp(-gamma * tau)) / gamma)
    (tau*Exprel(-gamma*tau), ('difference of exponentials', 'exprel'))
    """
    used: list[str] = []
    current = expr
    for rewrite in rewrites:
        for _ in range(8):  # a sum of several pairs needs one round per pair
            changed = _bottom_up(current, rewrite.apply)
            if changed == current:
                break
            used.append(rewrite.name)
            current = _tidy(changed)
    if current != expr:
        _check_same(expr, current)
    return current, tuple(dict.fromkeys(used))


def _tidy(e: sp.Expr) -> sp.Expr:
    """Common factors out of sums, so that exponentials meet and cancel."""
    numerator, denominator = sp.fraction(sp.factor_terms(e))
    ratio = sp.factor_terms(numerator) / sp.factor_terms(denominator)
    return positive_denominator(sp.powsimp(ratio).replace(sp.exp, _tidy_exponential))


def _tidy_exponential(exponent: sp.Expr) -> sp.Expr:
    opened = sp.expand(exponent)
    return sp.exp(sp.factor_terms(opened) if opened.has(Log1p) else opened)


def _bottom_up(e: sp.Expr, apply: Callable[[sp.Expr], sp.Expr | None]) -> sp.Expr:
    if not e.args:
        return e
    rebuilt = e.func(*(_bottom_up(argument, apply) for argument in e.args))
    changed = apply(rebuilt)
    return rebuilt if changed is None else changed


def _check_same(old: sp.Expr, new: sp.Expr) -> None:
    """The value at three reproducible points, to 40 digits; a difference is a bug."""
    symbols = sorted(old.free_symbols, key=lambda s: str(s.name))
    elementary = expand_definitions(new)
    for number in range(3):
        point = {
            s: sp.Integer(number + 3) if s.is_integer else reproducible_value(s.name, number)
            for s in symbols
        }
        try:
            a, b = (sp.N(e.xreplace(point), 50) for e in (old, elementary))
        except ValueError:
            continue  # a logarithm of something negative inside a maximum
        if abs(a - b) > (abs(a) + 1) * sp.Float("1e-40"):
            raise AssertionError(f"a stable rewrite changed {old} into {new}")
