"""Everything that is the same for all elements is computed once, on the host, in float64."""

from __future__ import annotations

from dataclasses import replace

from symplectic_codegen.passes.mapping import map_elements
from symplectic_codegen.rule.expression import ONE, Call, Expr, Number, Op, Ref, references
from symplectic_codegen.rule.rule import (
    GRADIENT,
    NOISE,
    PARAMETER,
    Assign,
    Reduction,
    Stage,
    UpdateRule,
)


def hoist_scalars(rule: UpdateRule) -> UpdateRule:
    """Move scalar subexpressions out of the sweeps; scalar factors of a product first meet.

    ``rate*X/(1 + sum/2)`` becomes ``factor*X`` with ``factor = rate/(1 + sum/2)``: one
    multiplication per element where there was a multiplication and a division.
    """
    taken = _all_names(rule)
    stages = []
    for stage in rule.stages:
        hoister = _Hoister(rule, stage, taken)
        hoisted = map_elements(stage, hoister.hoist)
        stages.append(replace(hoisted, scalars=stage.scalars + tuple(hoister.new)))
    return replace(rule, stages=tuple(stages))


def _all_names(rule: UpdateRule) -> set[str]:
    names = {p.name for p in rule.parameters} | {s.name for s in rule.states}
    names |= {a.name for a in rule.epilogue} | {b.name for b in rule.buffers}
    names |= {s.name for s in rule.block_states}
    for stage in rule.stages:
        items: tuple[Assign | Reduction, ...] = (
            *stage.scalars,
            *stage.assigned,
            *stage.reductions,
        )
        names |= {item.name for item in items}
    return names


class _Hoister:
    def __init__(self, rule: UpdateRule, stage: Stage, taken: set[str]) -> None:
        self.varying = {PARAMETER, GRADIENT, NOISE} | {b.name for b in rule.buffers}
        self.varying |= {a.name for a in stage.assigned}
        self.taken = taken
        self.new: list[Assign] = []

    def is_scalar(self, expr: Expr) -> bool:
        return not references(expr) & self.varying

    def hoist(self, expr: Expr) -> Expr:
        if isinstance(expr, Number | Ref):
            return expr
        if self.is_scalar(expr):
            return self._name(expr)
        if expr.op in (Op.MUL, Op.DIV):
            return self._product(expr)
        return Call(expr.op, tuple(self.hoist(a) for a in expr.args))

    def _product(self, expr: Call) -> Expr:
        above, below = _factors(expr)
        scalars_above = [f for f in above if self.is_scalar(f)]
        scalars_below = [f for f in below if self.is_scalar(f)]
        element_above = [self.hoist(f) for f in above if not self.is_scalar(f)]
        element_below = [self.hoist(f) for f in below if not self.is_scalar(f)]
        factors: list[Expr] = []
        if scalars_above or scalars_below:
            scalar = _chain(scalars_above)
            if scalars_below:
                scalar = Call(Op.DIV, (scalar, _chain(scalars_below)))
            factors = [self.hoist(scalar)]
        numerator = _chain([f for f in factors if f != ONE] + element_above)
        if not element_below:
            return numerator
        return Call(Op.DIV, (numerator, _chain(element_below)))

    def _name(self, expr: Expr) -> Ref:
        for known in self.new:
            if known.expr == expr:
                return Ref(known.name)
        name, number = "factor", 2
        while name in self.taken:
            name, number = f"factor_{number}", number + 1
        self.taken.add(name)
        self.new.append(Assign(name, expr, "the same for all elements"))
        return Ref(name)


def _factors(expr: Expr) -> tuple[list[Expr], list[Expr]]:
    """The factors above and below the line of a chain of products and quotients."""
    if isinstance(expr, Call) and expr.op is Op.MUL:
        above, below = _factors(expr.args[0])
        above2, below2 = _factors(expr.args[1])
        return above + above2, below + below2
    if isinstance(expr, Call) and expr.op is Op.DIV:
        above, below = _factors(expr.args[0])
        above2, below2 = _factors(expr.args[1])
        return above + below2, below + above2
    return [expr], []


def _chain(factors: list[Expr]) -> Expr:
    if not factors:
        return ONE
    result = factors[0]
    for factor in factors[1:]:
        result = Call(Op.MUL, (result, factor))
    return result
