"""Constants, copies, and what nobody reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from symplectic_codegen.passes.mapping import map_assigns, map_element, map_elements, map_rule
from symplectic_codegen.rule.expression import (
    Call,
    Expr,
    Number,
    Op,
    Ref,
    rebuild,
    references,
    substitute,
)
from symplectic_codegen.rule.rule import (
    GRADIENT,
    PARAMETER,
    Assign,
    Element,
    Stage,
    Store,
    UpdateRule,
    assignments_in,
)

_EXACT: dict[Op, Callable[[Fraction, Fraction], Fraction]] = {
    Op.ADD: lambda a, b: a + b,
    Op.SUB: lambda a, b: a - b,
    Op.MUL: lambda a, b: a * b,
}


def fold_constants(rule: UpdateRule) -> UpdateRule:
    """Literals are combined exactly; factors 1 and terms 0 go away.

    x*0 stays: it is not 0 for an infinite or undefined x.
    """
    return map_rule(rule, lambda expr: rebuild(expr, _fold))


def _fold(node: Expr) -> Expr:
    if not isinstance(node, Call):
        return node
    args = node.args
    values = [a.value if isinstance(a, Number) else None for a in args]
    if node.op is Op.NEG and values[0] is not None:
        return Number(-values[0])
    if len(args) != 2:
        return node
    left, right = values
    if left is not None and right is not None:
        if node.op in _EXACT:
            return Number(_EXACT[node.op](left, right))
        if node.op is Op.DIV and right != 0:
            return Number(left / right)
    if node.op is Op.MUL and left == 1:
        return args[1]
    if node.op in (Op.MUL, Op.DIV) and right == 1:
        return args[0]
    if node.op is Op.ADD and left == 0:
        return args[1]
    if node.op in (Op.ADD, Op.SUB) and right == 0:
        return args[0]
    if node.op is Op.POW and right == 1:
        return args[0]
    return node


def inline_copies(rule: UpdateRule) -> UpdateRule:
    """A value that only renames another, or a literal, is replaced by what it stands for."""
    copies: dict[str, Expr] = {}

    def inline(expr: Expr) -> Expr:
        return substitute(expr, copies)

    kept_values = {store.source for store in rule.state_stores}
    stages = []
    for stage in rule.stages:
        kept = []
        for assign in stage.scalars:
            expr = inline(assign.expr)
            if isinstance(expr, Ref) or (
                isinstance(expr, Number) and assign.name not in kept_values
            ):
                copies[assign.name] = expr
            else:
                kept.append(replace(assign, expr=expr))
        inlined_stage = replace(map_elements(stage, inline), scalars=tuple(kept))
        stages.append(_inline_element_copies(inlined_stage))
    inlined = replace(
        rule,
        stages=tuple(stages),
        epilogue=map_assigns(rule.epilogue, inline),
        state_stores=tuple(_renamed(s, copies) for s in rule.state_stores),
        guards=tuple(replace(g, expr=inline(g.expr)) for g in rule.guards),
    )
    return fold_constants(inlined)


def _renamed(store: Store, copies: dict[str, Expr]) -> Store:
    source = copies.get(store.source)
    return replace(store, source=source.name) if isinstance(source, Ref) else store


def _inline_element_copies(stage: Stage) -> Stage:
    """An element value that only renames an earlier one is replaced by it, also where stored."""
    own: set[str] = set()
    copies: dict[str, Expr] = {}
    elements: list[Element] = []
    for element in stage.elements:
        element = map_element(element, lambda expr: substitute(expr, copies))
        if isinstance(element, Assign):
            if isinstance(element.expr, Ref) and element.expr.name in own:
                copies[element.name] = element.expr
                continue
            own.add(element.name)
        else:
            own |= {a.name for a in assignments_in((element,))}
        elements.append(element)
    names = {name: expr.name for name, expr in copies.items() if isinstance(expr, Ref)}
    return replace(
        stage,
        elements=tuple(elements),
        stores=tuple(replace(s, source=names.get(s.source, s.source)) for s in stage.stores),
        reductions=tuple(replace(r, expr=substitute(r.expr, copies)) for r in stage.reductions),
    )


def drop_unused(rule: UpdateRule) -> UpdateRule:
    """Scalars, elements and sums that reach no store, state or guard go away."""
    needed: set[str] = {store.source for store in rule.state_stores}
    for guard in rule.guards:
        needed |= references(guard.expr)
    epilogue = _live(rule.epilogue, needed)
    stages = []
    for stage in reversed(rule.stages):
        reductions = tuple(r for r in stage.reductions if r.name in needed)
        for reduction in reductions:
            needed |= references(reduction.expr)
        needed |= {store.source for store in stage.stores}
        elements = _live_elements(stage.elements, needed)
        scalars = _live(stage.scalars, needed)
        stages.append(replace(stage, scalars=scalars, elements=elements, reductions=reductions))
    return replace(rule, stages=tuple(reversed(stages)), epilogue=epilogue)


def _live_elements(elements: tuple[Element, ...], needed: set[str]) -> tuple[Element, ...]:
    """As `_live`; an iteration stays as a whole if anything of it is needed."""
    kept: list[Element] = []
    for element in reversed(elements):
        if isinstance(element, Assign):
            kept += _live((element,), needed)
        elif needed & {a.name for a in assignments_in((element,))}:
            for assign in assignments_in((element,)):
                needed |= references(assign.expr)
            kept.append(element)
    return tuple(reversed(kept))


def drop_unread_buffers(rule: UpdateRule) -> UpdateRule:
    """A buffer that is written but never read is no state: it goes away, with its traffic."""
    read = {
        name
        for stage in rule.stages
        for expr in stage.element_expressions
        for name in references(expr)
    }
    kept = {b.name for b in rule.buffers if b.name in read}
    stages = tuple(
        replace(
            stage,
            stores=tuple(s for s in stage.stores if s.target in kept | {PARAMETER, GRADIENT}),
        )
        for stage in rule.stages
    )
    buffers = tuple(b for b in rule.buffers if b.name in kept)
    return replace(rule, stages=stages, buffers=buffers)


def _live(assigns: tuple[Assign, ...], needed: set[str]) -> tuple[Assign, ...]:
    """The needed ones among `assigns`, the last first; `needed` grows by what they read."""
    kept = []
    for assign in reversed(assigns):
        if assign.name in needed:
            needed |= references(assign.expr)
            kept.append(assign)
    return tuple(reversed(kept))
