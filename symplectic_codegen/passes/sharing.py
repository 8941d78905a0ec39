"""Common subexpressions get a name."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from symplectic_codegen.passes.hoisting import _all_names
from symplectic_codegen.rule.expression import (
    Call,
    Expr,
    Number,
    Op,
    Ref,
    rebuild,
    references,
    walk,
)
from symplectic_codegen.rule.rule import Assign, Element, Stage, UpdateRule


def share_subexpressions(rule: UpdateRule) -> UpdateRule:
    """Name what is computed more than once: per step across scalars, per element in each sweep.

    Two assignments with the same right-hand side become one value with two names, which the pass
    that inlines copies resolves.
    """
    taken = _all_names(rule)
    rule = _share_scalars(rule, taken)
    return replace(rule, stages=tuple(_share_elements(stage, taken) for stage in rule.stages))


def _share_scalars(rule: UpdateRule, taken: set[str]) -> UpdateRule:
    first = rule.stages[0]
    later = [a for stage in rule.stages[1:] for a in stage.scalars] + list(rule.epilogue)
    defined_late = {a.name for a in later} | {r.name for r in rule.reductions}
    occurrences: Counter[Expr] = Counter()
    seen: set[Expr] = set()
    for assign in (*first.scalars, *later):
        if assign.expr in seen:
            # A whole right-hand side that occurs twice is one value with two names.
            occurrences.update([assign.expr] * 2)
            continue
        seen.add(assign.expr)
        occurrences.update(n for n in walk(assign.expr) if _is_costly(n))
    # Only what is known before the first sweep can be shared by everything after it.
    known = {
        expr
        for expr, count in occurrences.items()
        if count > 1 and not references(expr) & defined_late
    }
    values: dict[Expr, Ref] = {}
    scalars = _assign_once(first.scalars, known, taken, "common", values)
    stages = [replace(first, scalars=scalars)]
    for stage in rule.stages[1:]:
        stages.append(replace(stage, scalars=_use(stage.scalars, values)))
    return replace(rule, stages=tuple(stages), epilogue=_use(rule.epilogue, values))


def _share_elements(stage: Stage, taken: set[str]) -> Stage:
    occurrences: Counter[Expr] = Counter()
    for expr in stage.element_expressions:
        occurrences.update(n for n in walk(expr) if isinstance(n, Call))
    known = {expr for expr, count in occurrences.items() if count > 1}
    elements: list[Element] = []
    values: dict[Expr, Ref] = {}
    for element in stage.elements:
        if isinstance(element, Assign):
            elements += _assign_once((element,), known, taken, "shared", values)
            continue
        # What a round computes is its own: after the round its variables mean something else.
        inside = dict(values)
        body = _assign_once(element.body, known, taken, "shared", inside)
        elements.append(replace(element, variables=_use(element.variables, values), body=body))
    reductions = tuple(
        replace(r, expr=_replace(r.expr, values, r.expr in values)) for r in stage.reductions
    )
    return replace(stage, elements=tuple(elements), reductions=reductions)


_CHEAP = (Op.ADD, Op.SUB, Op.MUL, Op.DIV, Op.NEG)


def _is_costly(node: Expr) -> bool:
    """Whether a scalar is worth a name: a function call. The rest stays as one reads it."""
    if not isinstance(node, Call) or node.op in _CHEAP:
        return False
    return not (node.op is Op.POW and isinstance(node.args[1], Number))


def _assign_once(
    assigns: tuple[Assign, ...],
    known: set[Expr],
    taken: set[str],
    base: str,
    values: dict[Expr, Ref],
) -> tuple[Assign, ...]:
    """`assigns` with a new assignment in front of the first use of each known expression.

    `values` says which of these have a name already, and grows.
    """
    result: list[Assign] = []
    for assign in assigns:
        if assign.expr in known and assign.expr not in values:
            # The assignment itself is the name of a shared value.
            inner = _introduce(assign.expr, known, values, taken, base, result, whole=False)
            values[assign.expr] = Ref(assign.name)
            result.append(replace(assign, expr=inner))
        else:
            inner = _introduce(assign.expr, known, values, taken, base, result, whole=True)
            result.append(replace(assign, expr=inner))
    return tuple(result)


def _introduce(
    expr: Expr,
    known: set[Expr],
    values: dict[Expr, Ref],
    taken: set[str],
    base: str,
    result: list[Assign],
    whole: bool,
) -> Expr:
    if whole and expr in values:
        return values[expr]
    if not isinstance(expr, Call):
        return expr
    arguments = tuple(
        _introduce(a, known, values, taken, base, result, whole=True) for a in expr.args
    )
    rebuilt = Call(expr.op, arguments)
    if not (whole and expr in known):
        return rebuilt
    name, number = base, 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    taken.add(name)
    result.append(Assign(name, rebuilt))
    values[expr] = Ref(name)
    return values[expr]


def _use(assigns: tuple[Assign, ...], values: dict[Expr, Ref]) -> tuple[Assign, ...]:
    return tuple(replace(a, expr=_replace(a.expr, values, True)) for a in assigns)


def _replace(expr: Expr, values: dict[Expr, Ref], whole: bool) -> Expr:
    if whole and expr in values:
        return values[expr]
    if isinstance(expr, Call):
        return Call(expr.op, tuple(_replace(a, values, True) for a in expr.args))
    return rebuild(expr, lambda node: node)
