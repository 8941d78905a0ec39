"""Apply a change to all expressions of a rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from symplectic_codegen.rule.expression import Expr
from symplectic_codegen.rule.rule import Assign, Element, Iterate, Stage, UpdateRule

Change = Callable[[Expr], Expr]


def map_assigns(assigns: tuple[Assign, ...], change: Change) -> tuple[Assign, ...]:
    """`assigns` with `change` applied to every right-hand side."""
    return tuple(replace(a, expr=change(a.expr)) for a in assigns)


def map_element(element: Element, change: Change) -> Element:
    """`element` with `change` applied to every right-hand side."""
    if isinstance(element, Assign):
        return replace(element, expr=change(element.expr))
    return Iterate(
        map_assigns(element.variables, change),
        map_assigns(element.body, change),
        element.carry,
        element.rounds,
    )


def map_elements(stage: Stage, change: Change) -> Stage:
    """`stage` with `change` applied to what is computed per element."""
    return replace(
        stage,
        elements=tuple(map_element(e, change) for e in stage.elements),
        reductions=tuple(replace(r, expr=change(r.expr)) for r in stage.reductions),
    )


def map_scalars(rule: UpdateRule, change: Change) -> UpdateRule:
    """`rule` with `change` applied to what is computed once per step."""
    return replace(
        rule,
        stages=tuple(
            replace(stage, scalars=map_assigns(stage.scalars, change)) for stage in rule.stages
        ),
        epilogue=map_assigns(rule.epilogue, change),
        guards=tuple(replace(g, expr=change(g.expr)) for g in rule.guards),
    )


def map_rule(rule: UpdateRule, change: Change) -> UpdateRule:
    """`rule` with `change` applied everywhere."""
    rule = map_scalars(rule, change)
    return replace(rule, stages=tuple(map_elements(stage, change) for stage in rule.stages))
