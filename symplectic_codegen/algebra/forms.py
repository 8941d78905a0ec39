"""Exact rewriting of scalars into short forms that a person would write."""

from __future__ import annotations

import sympy as sp

from symplectic_codegen.algebra.samples import reproducible_value


def shortest(expr: sp.Expr) -> sp.Expr:
    """The shortest of several exact forms, with a positive denominator; ties go to products.

    `sympy.simplify` would do more and take seconds; the forms tried here are the ones that occur
    in coefficients of update rules: ratios of exponentials and of powers.

    >>> a, x = sp.symbols("a x", positive=True)
    >>> shortest((sp.exp(a * x) - 1) * sp.exp(-a * x))
    1 - exp(-a*x)
    """
    for _ in range(3):  # a shorter form may be short enough for what costs more
        shorter = _shorter(expr)
        if sp.count_ops(shorter) >= sp.count_ops(expr):
            return shorter
        expr = shorter
    return expr


def _shorter(expr: sp.Expr) -> sp.Expr:
    expr = sp.powsimp(sp.expand_power_base(_factor_bases(expr))).replace(
        sp.exp, exponential_as_power
    )
    expr = expr.replace(lambda e: e.is_Mul, _power_into_sum)
    forms = [sp.factor_terms(expr), expr]
    if expr.has(sp.exp, sp.Pow) and not _is_delicate(expr):
        together = sp.powsimp(sp.together(expr))
        forms += [together, sp.powsimp(sp.expand_mul(together)), sp.powsimp(sp.cancel(together))]
        forms += [sp.factor_terms(form) for form in forms]
        if sp.count_ops(expr) < 60:
            forms.append(sp.factor(together))
    if expr.is_rational_function() and sp.count_ops(expr) < 60:
        forms.append(sp.factor(expr))
    return positive_denominator(min(forms, key=lambda form: (sp.count_ops(form), form.is_Add)))


def _is_delicate(expr: sp.Expr) -> bool:
    """Whether multiplying out would tear apart differences that code must keep together."""
    return bool(expr.has(sp.log)) or any(
        power.base.is_Add and power.exp != -1 for power in expr.atoms(sp.Pow)
    )


def _factor_bases(expr: sp.Expr) -> sp.Expr:
    """Take common factors out of sums that are raised to a power, where they may cancel."""
    return expr.replace(
        lambda e: e.is_Pow and e.base.is_Add,
        lambda e: sp.factor_terms(sp.together(e.base)) ** e.exp,
    )


def multiplied_out(expr: sp.Expr, *, nested: bool = False) -> sp.Expr:
    """Products over sums multiplied out; what stands in denominators and functions stays.

    Args:
        nested: go on until no product over a sum is left.

    >>> a, b, c = sp.symbols("a b c")
    >>> multiplied_out(a * (b + 1) / ((c + 1) * (c + 2)))
    a*b/((c + 1)*(c + 2)) + a/((c + 1)*(c + 2))
    """
    terms = []
    for term in sp.Add.make_args(expr):
        factors = sp.Mul.make_args(term)
        below = [f for f in factors if f.is_Pow and f.exp.could_extract_minus_sign()]
        above = sp.Mul(*(f for f in factors if f not in below))
        opened = sp.expand_mul(above, deep=False)
        terms += [part * sp.Mul(*below) for part in sp.Add.make_args(opened)]
    result = sp.Add(*terms)
    return multiplied_out(result, nested=True) if nested and result != expr else result


def collected(expr: sp.Expr, *kinds: type[sp.Basic] | sp.Basic) -> sp.Expr:
    """Terms that agree in the factors with one of `kinds` in them as one, its coefficient short.

    >>> a, b, x, y = sp.symbols("a b x y", positive=True)
    >>> collected(a * x * y + a * b * x * y + x / 2, x)
    x*(a*b*y + a*y + 1/2)
    """
    coefficients: dict[sp.Expr, sp.Expr] = {}
    for term in sp.Add.make_args(expr):
        coefficient, rest = term.as_independent(*kinds, as_Add=False)
        coefficients[rest] = coefficients.get(rest, sp.S.Zero) + coefficient
    return sp.Add(*(readable(c) * rest for rest, c in coefficients.items()))


def _power_into_sum(product: sp.Expr) -> sp.Expr:
    """x**p (c + y/x**p) as c x**p + y, for a sum x, where that is shorter."""
    for power in product.args:
        if not (power.is_Pow and power.base.is_Add and power.exp.is_positive):
            continue
        for factor in product.args:
            if factor.is_Add and factor.has(power.base):
                inside = sp.Add(*(sp.powsimp(power * term) for term in factor.args))
                shorter = product / (power * factor) * inside
                if sp.count_ops(shorter) < sp.count_ops(product):
                    return shorter
    return product


def readable(expr: sp.Expr) -> sp.Expr:
    """The shortest form, factored, with factors that are typically positive.

    >>> p, q = sp.symbols("p q", positive=True)
    >>> readable(p * q - q)
    q*(p - 1)
    >>> readable(2 * p + 2)
    2*(p + 1)
    """
    short = shortest(expr)
    factored = positive_factors(sp.factor(short))
    return min((factored, short), key=lambda e: (sp.count_ops(e) - e.is_Mul, e.is_Add))


def positive_factors(product: sp.Expr) -> sp.Expr:
    """A product whose factors are typically positive, with the sign in front."""
    sign, factors = sp.S.One, []
    for factor in sp.Mul.make_args(product):
        base, power = factor.as_base_exp()
        if base.is_Add and power.is_Integer and is_negative(base):
            sign *= sp.S.NegativeOne**power
            factor = _negated(base) ** power
        factors.append(factor)
    result = sp.Mul(sign, *factors)
    if not result.is_Add:
        return result
    # SymPy multiplies a number into a single sum; a person does not.
    numbers = [f for f in (sign, *factors) if f.is_number]
    number = sp.Mul(*numbers)
    sums = [f for f in factors if f.is_Add]
    if len(sums) != 1 or number in (1, -1):
        return result
    return sp.Mul(number, sums[0], evaluate=False)


def join_signs(expr: sp.Expr) -> sp.Expr:
    """`expr` with x sign(x) written |x|.

    >>> x = sp.Symbol("x", real=True)
    >>> join_signs(2 * x * sp.sign(x) + sp.sign(x))
    2*Abs(x) + sign(x)
    """

    def joined(product: sp.Expr) -> sp.Expr:
        for sign in product.args:
            if isinstance(sign, sp.sign) and sign.args[0] in product.args:
                return product / (sign * sign.args[0]) * sp.Abs(sign.args[0])
        return product

    return expr.replace(lambda e: e.is_Mul and e.has(sp.sign), joined)


def exponential_as_power(argument: sp.Expr) -> sp.Expr:
    """exp(a log b + c) as b**a exp(c).

    >>> a, b = sp.symbols("a b", positive=True)
    >>> exponential_as_power(a * sp.log(b))
    b**a
    """
    powers, rest = [], []
    argument = _cancelled_logarithms(argument)
    for term in sp.Add.make_args(sp.expand(argument) if argument.has(sp.log) else argument):
        logs = [f for f in sp.Mul.make_args(term) if isinstance(f, sp.log)]
        if len(logs) == 1:
            powers.append(logs[0].args[0] ** (term / logs[0]))
        else:
            rest.append(term)
    if not powers:
        return sp.exp(argument)
    return sp.Mul(*powers) * sp.exp(sp.Add(*rest))


def _cancelled_logarithms(argument: sp.Expr) -> sp.Expr:
    """(log(a) c + log(b) c)/c as log(a) + log(b), where logarithms occur in denominators."""
    if not sp.fraction(sp.together(argument))[1].has(sp.log):
        return argument
    names = {log: sp.Dummy() for log in sorted(argument.atoms(sp.log), key=sp.default_sort_key)}
    return sp.cancel(argument.xreplace(names)).xreplace({v: k for k, v in names.items()})


def is_negative(expr: sp.Expr) -> bool:
    """The sign of `expr` for small positive parameters: decides how to write it, never a proof."""
    point = {
        s: sp.Integer(5) if s.is_integer else reproducible_value(s.name, 0) / 4
        for s in expr.free_symbols
    }
    try:
        # Not put in as rationals: SymPy would work out a rational power exactly, for minutes.
        value = expr.evalf(15, subs=point)
    except ValueError:  # a logarithm of something negative inside a maximum, say
        return False
    return bool(value.is_comparable and value < 0)


def positive_denominator(expr: sp.Expr) -> sp.Expr:
    """`expr` with both parts of the fraction negated if the denominator is typically negative."""
    numerator, denominator = sp.fraction(expr)
    if not (denominator.is_Mul or denominator.is_Add):
        return expr
    factors = [f for f in sp.Mul.make_args(denominator) if f.is_Add and is_negative(f)]
    for factor in factors:
        denominator = denominator.xreplace({factor: _negated(factor)})
        numerator = _negated(numerator)
    return numerator / denominator


def _negated(expr: sp.Expr) -> sp.Expr:
    """-expr with the sign inside a sum, not in front of it."""
    if expr.is_Add:
        return sp.Add(*(-term for term in expr.args))
    sums = [f for f in sp.Mul.make_args(expr) if f.is_Add and is_negative(f)]
    if expr.is_Mul and sums:
        return expr.xreplace({sums[0]: _negated(sums[0])})
    return -expr
