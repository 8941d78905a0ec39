"""Numbers under control: what is checked before SymPy computes, and after.

SymPy evaluates eagerly: ``2**(10**40)`` never comes back, and ``exp(10**40*log(2))`` is the same in
disguise. So exponents are bounded before each operation, and every number in each result after.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import sympy as sp

from symplectic_codegen.algebra.functions import Huber
from symplectic_codegen.errors import Span
from symplectic_codegen.language import limits
from symplectic_codegen.language.syntax import RefusedError


def _inverse(f: Callable[[float], float]) -> Callable[[float], float]:
    return lambda x: 1 / f(x)


# SymPy rewrites among these on its own, e.g. tan(x + pi/2) = -cot(x).
_FLOAT: Final[Mapping[type[sp.Basic], Callable[..., float]]] = MappingProxyType(
    {
        sp.Pow: math.pow,
        sp.exp: math.exp,
        sp.log: math.log,
        sp.sin: math.sin,
        sp.cos: math.cos,
        sp.tan: math.tan,
        sp.cot: _inverse(math.tan),
        sp.sec: _inverse(math.cos),
        sp.csc: _inverse(math.sin),
        sp.asin: math.asin,
        sp.acos: math.acos,
        sp.atan: math.atan,
        sp.acot: lambda x: math.atan(1 / x),
        sp.sinh: math.sinh,
        sp.cosh: math.cosh,
        sp.tanh: math.tanh,
        sp.coth: _inverse(math.tanh),
        sp.sech: _inverse(math.cosh),
        sp.csch: _inverse(math.sinh),
        sp.asinh: math.asinh,
        sp.acosh: math.acosh,
        sp.atanh: math.atanh,
        sp.erf: math.erf,
        sp.erfc: math.erfc,
        sp.Abs: abs,
        sp.sign: lambda x: float((x > 0) - (x < 0)),
        sp.Add: lambda *terms: math.fsum(terms),
        sp.Mul: lambda *factors: math.prod(factors),
        sp.Min: min,
        sp.Max: max,
        Huber: lambda x, delta: min(abs(x), delta) * (abs(x) - min(abs(x), delta) / 2),
    }
)


class Guard:
    """The checks for one text. It remembers what it has seen, so that a parse stays linear."""

    def __init__(self) -> None:
        self._values: dict[sp.Basic, float | None] = {}
        self._terms: dict[sp.Basic, int] = {}

    def admit(self, expr: sp.Basic, span: Span) -> None:
        """Refuse a result with a number that is too large, not real or not defined."""
        stack: list[tuple[sp.Basic, bool]] = [(expr, False)]
        while stack:
            part, opened = stack.pop()
            if part in self._values:
                continue
            if opened or not part.args:
                self._values[part] = self._value(part, span)
                self._terms[part] = self._expanded(part, span)
            else:
                stack.append((part, True))
                stack.extend((argument, False) for argument in part.args)

    def value(self, expr: sp.Basic, span: Span) -> float | None:
        """About how large a constant is; None for what depends on a name."""
        self.admit(expr, span)
        return self._values[expr]

    def before_power(self, base: sp.Expr, exponent: sp.Expr, span: Span) -> None:
        """Refuse a power before it is computed."""
        if exponent.is_Rational and exponent.q > limits.MAX_ROOT:
            raise RefusedError(
                f"the exponent {exponent} has a denominator above {limits.MAX_ROOT}",
                span,
                _simpler_exponent(exponent),
            )
        _check_factors(exponent, limits.MAX_POWER, "an exponent", span)
        if base == 0 and exponent.is_negative:
            raise RefusedError("division by zero", span)
        for factor in sp.Mul.make_args(base):
            if isinstance(factor, sp.exp):
                self.before_exp(factor.args[0] * exponent, span)
        b, e = self.value(base, span), self.value(exponent, span)
        if b is not None and e is not None:
            _bounded(lambda: 1.0 if e == 0 else math.pow(b, e), span)

    def before_exp(self, argument: sp.Expr, span: Span) -> None:
        """Refuse an exponential before SymPy looks for logarithms in its argument."""
        _check_factors(argument, limits.MAX_EXP_FACTOR, "the argument of exp", span)
        for term in sp.Add.make_args(argument):
            value = self.value(term, span)
            if value is not None and abs(value) > limits.MAX_EXP_FACTOR:
                raise RefusedError("this number is too large or too small", span)

    def _expanded(self, part: sp.Basic, span: Span) -> int:
        """How many terms `part` has when multiplied out, which SymPy does to find a sign."""
        counts = [self._terms[argument] for argument in part.args]
        terms = 1
        if part.is_Add:
            terms = sum(counts)
        elif part.is_Mul:
            terms = math.prod(counts)
        elif part.is_Pow and counts[0] > 1:
            power = sum(map(_coefficient, sp.Add.make_args(part.args[1])))
            terms = math.comb(counts[0] + power - 1, power)
        if terms > limits.MAX_TERMS:
            raise RefusedError(f"multiplied out, this has more than {limits.MAX_TERMS} terms", span)
        return terms

    def _value(self, part: sp.Basic, span: Span) -> float | None:
        if part.is_Rational:
            bits = max(abs(int(part.p)).bit_length(), int(part.q).bit_length())
            if bits > limits.MAX_BITS:
                raise RefusedError(
                    f"this computes a number of more than {limits.MAX_BITS} bits", span
                )
            return int(part.p) / int(part.q)
        if part is sp.I:
            raise RefusedError("this is not a real number", span)
        if part in (sp.zoo, sp.nan, sp.oo, -sp.oo):
            raise RefusedError("this is undefined or infinite", span)
        if isinstance(part, sp.NumberSymbol):
            return float(part)
        values = [self._values[argument] for argument in part.args]
        if isinstance(part, sp.Pow):
            _check_factors(part.args[1], limits.MAX_POWER, "an exponent", span)
            if values[0] is not None and values[0] < 0 and values[1] is None:
                raise RefusedError("a negative number to a variable power is not real", span)
        if isinstance(part, sp.log) and part.args[0].is_negative:
            raise RefusedError("the logarithm of a negative number is not real", span)
        if isinstance(part, sp.exp):
            _check_factors(part.args[0], limits.MAX_EXP_FACTOR, "the argument of exp", span)
        if not values or None in values:
            return None
        function = _FLOAT.get(part.func)
        if function is None:
            raise RefusedError("this number cannot be computed", span)
        return _bounded(lambda: function(*values), span)


def _check_factors(expr: sp.Expr, limit: int, what: str, span: Span) -> None:
    for term in sp.Add.make_args(expr):
        coefficient = term.as_coeff_Mul()[0]
        if coefficient.is_Rational and abs(coefficient) > limit:
            raise RefusedError(
                f"a number in {what} is larger than {limit}",
                span,
                "make it a hyperparameter: give it a name here, and the number as its default",
            )


def _coefficient(term: sp.Expr) -> int:
    """The size of the number in front, rounded up."""
    number = term.as_coeff_Mul()[0]
    return (
        int(abs(number)) + 1 if number.is_Rational and not number.is_Integer else abs(int(number))
    )


def _bounded(compute: Callable[[], float], span: Span) -> float:
    try:
        value = compute()
    except OverflowError:
        value = math.inf
    except ZeroDivisionError:
        raise RefusedError("division by zero", span) from None
    except ValueError:
        raise RefusedError("this is not a real number, or not defined", span) from None
    if not abs(value) <= limits.MAX_MAGNITUDE:
        raise RefusedError(f"this number is larger than {limits.MAX_MAGNITUDE:.0e}", span)
    return value


def _simpler_exponent(exponent: sp.Rational) -> str:
    near = sp.Rational(exponent).limit_denominator(limits.MAX_ROOT)
    return f"close to it is {near}"
