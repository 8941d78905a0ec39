"""The passes in their order, and the report of what each one did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from symplectic_codegen.passes.cleanup import (
    drop_unread_buffers,
    drop_unused,
    fold_constants,
    inline_copies,
)
from symplectic_codegen.passes.hoisting import hoist_scalars
from symplectic_codegen.passes.powers import multiply_out_powers
from symplectic_codegen.passes.sharing import share_subexpressions
from symplectic_codegen.rule.expression import operation_count
from symplectic_codegen.rule.rule import UpdateRule


@dataclass(frozen=True)
class Pass:
    """A named rewriting of rules."""

    name: str
    apply: Callable[[UpdateRule], UpdateRule]
    purpose: str


PASSES: tuple[Pass, ...] = (
    Pass("fold constants", fold_constants, "exact arithmetic on literals"),
    Pass("hoist scalars", hoist_scalars, "what is the same for all elements is computed once"),
    Pass("multiply out powers", multiply_out_powers, "x*x instead of pow(x, 2) in the sweep"),
    Pass("share subexpressions", share_subexpressions, "nothing is computed twice"),
    Pass("inline copies", inline_copies, "no names for names"),
    Pass("drop unread buffers", drop_unread_buffers, "no traffic for what nobody reads"),
    Pass("drop unused", drop_unused, "nothing is computed in vain"),
)


@dataclass(frozen=True)
class ReportLine:
    """Operations after a pass: once per step (float64, host), and per element."""

    name: str
    per_step: int
    per_element: int


def count_operations(rule: UpdateRule) -> tuple[int, int]:
    """Operations per step and per element."""
    per_step = sum(operation_count(expr) for expr in rule.scalar_expressions)
    per_element = sum(operation_count(a.expr) for a in rule.body)
    per_element += sum(operation_count(r.expr) + 1 for r in rule.reductions)
    return per_step, per_element


def run_passes(rule: UpdateRule) -> tuple[UpdateRule, tuple[ReportLine, ...]]:
    """The rule after all passes, and the operation counts before and after each."""
    lines = [ReportLine("as derived", *count_operations(rule))]
    for item in PASSES:
        rule = item.apply(rule)
        lines.append(ReportLine(item.name, *count_operations(rule)))
    return rule, tuple(lines)
