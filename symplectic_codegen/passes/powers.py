"""Powers as multiplications, roots and reciprocals, per element only."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from symplectic_codegen.passes.mapping import map_elements
from symplectic_codegen.rule.expression import ONE, Call, Expr, Number, Op, rebuild
from symplectic_codegen.rule.rule import UpdateRule

_LONGEST = 8  # x**8 takes three multiplications; beyond that, pow is no slower


def multiply_out_powers(rule: UpdateRule) -> UpdateRule:
    """x**2 -> x*x, x**(3/2) -> x*sqrt(x), x**-2 -> 1/(x*x) in the sweeps.

    On the host, where a power costs nothing, ``c**2`` stays as a person writes it.
    """
    return replace(
        rule,
        stages=tuple(
            map_elements(stage, lambda expr: rebuild(expr, _expand)) for stage in rule.stages
        ),
    )


def _expand(node: Expr) -> Expr:
    if not (isinstance(node, Call) and node.op is Op.POW and isinstance(node.args[1], Number)):
        return node
    base, exponent = node.args[0], node.args[1].value
    if abs(exponent) > _LONGEST or exponent.denominator > 2:
        return node
    power = _positive_power(base, abs(exponent))
    return power if exponent > 0 else Call(Op.DIV, (ONE, power))


def _positive_power(base: Expr, exponent: Fraction) -> Expr:
    if exponent == 0:
        return ONE
    whole, half = divmod(exponent, 1)
    root = Call(Op.SQRT, (base,)) if half else None
    if whole == 0:
        assert root is not None
        return root
    product = _repeated(base, int(whole))
    return product if root is None else Call(Op.MUL, (product, root))


def _repeated(base: Expr, count: int) -> Expr:
    """base**count by squaring; the shared squares become one name in a later pass."""
    if count == 1:
        return base
    half = _repeated(base, count // 2)
    square = Call(Op.MUL, (half, half))
    return Call(Op.MUL, (square, base)) if count % 2 else square
