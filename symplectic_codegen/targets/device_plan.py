"""How a rule becomes launches on a device, and which scalars each of them needs.

A launch makes one pass over memory. Consecutive stages share one launch unless a later one waits
for a sum of an earlier one: a sum is known only when the pass that makes it has ended. Where
scalars depend on such sums they are evaluated on the device, so that nothing waits for the host.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from symplectic_codegen.rule.expression import Call, Expr, Op, Ref, rebuild, references
from symplectic_codegen.rule.rule import (
    LOSS,
    STEP,
    Assign,
    Guard,
    Reduction,
    UpdateRule,
)
from symplectic_codegen.targets.array_module import Prepared, Sweep
from symplectic_codegen.targets.printing import fresh


@dataclass(frozen=True)
class Total:
    """The sum of `expr` over the parameters that take part in the step."""

    name: str
    expr: Expr


@dataclass(frozen=True)
class Launch:
    """One pass over memory.

    Args:
        number: from 1.
        sweeps: what it does with each element, one after the other.
    """

    number: int
    sweeps: tuple[Sweep, ...]

    @property
    def arrays(self) -> tuple[str, ...]:
        """The arrays it touches, w and G first."""
        return tuple(dict.fromkeys(name for sweep in self.sweeps for name in sweep.arrays))

    @property
    def stored(self) -> frozenset[str]:
        """The arrays it writes to."""
        return frozenset(store.target for sweep in self.sweeps for store in sweep.stores)

    @property
    def loaded(self) -> frozenset[str]:
        """The arrays whose old values it needs."""
        found: set[str] = set()
        written: set[str] = set()
        for sweep in self.sweeps:
            used = {name for expr in sweep.exprs for name in references(expr)}
            used |= {store.source for store in sweep.stores}
            found |= used & set(sweep.arrays) - written
            written |= {store.target for store in sweep.stores}
        return frozenset(found)

    @property
    def reductions(self) -> tuple[Reduction, ...]:
        """The sums it makes."""
        return tuple(r for sweep in self.sweeps for r in sweep.reductions)

    @property
    def makes_noise(self) -> bool:
        """Whether elements get random numbers."""
        return any(sweep.makes_noise for sweep in self.sweeps)

    @property
    def block_scalars(self) -> bool:
        """Whether it needs scalars that have one value per parameter."""
        return any(sweep.block_scalars for sweep in self.sweeps)


@dataclass(frozen=True)
class Plan:
    """A rule as the device sees it.

    Args:
        prepared: the rule, in the names of the generated code.
        program: every scalar of the step, in order; sums over parameters are names in it.
        totals: these sums over parameters, in the order in which they can be computed.
        launches: the passes over memory.
        guards: the guards, in the terms of `program`.
    """

    prepared: Prepared
    program: tuple[Assign, ...]
    totals: tuple[Total, ...]
    launches: tuple[Launch, ...]
    guards: tuple[Guard, ...]

    @property
    def rule(self) -> UpdateRule:
        return self.prepared.rule

    @property
    def only_on_device(self) -> bool:
        """Whether its scalars depend on sums, which only the device knows."""
        return bool(self.rule.reductions or self.rule.block_states)

    @property
    def has_guards(self) -> bool:
        return bool(self.guards)

    @property
    def counts_steps(self) -> bool:
        """Whether a step depends on its number, or on a state that steps change."""
        return self.rule.needs_step_count or bool(self.rule.states)

    def needed(self, wanted: Iterable[str]) -> tuple[Assign, ...]:
        """The scalars that have to be computed to know those in `wanted`, in order."""
        needed = set(wanted)
        kept: list[Assign] = []
        for assign in reversed(self.program):
            if assign.name in needed:
                needed |= references(assign.expr)
                kept.append(assign)
        return tuple(reversed(kept))

    def totals_for(self, wanted: Iterable[str]) -> tuple[Total, ...]:
        """The sums over parameters that are needed to know `wanted`, in order."""
        names = set(wanted)
        found: list[Total] = []
        for total in reversed(self.totals):
            inputs = set(names)
            for assign in self.needed(names):
                inputs |= references(assign.expr)
            if total.name in inputs:
                names |= references(total.expr)
                found.append(total)
        return tuple(reversed(found))

    def inputs_of(self, wanted: Iterable[str]) -> set[str]:
        """The sums, states and hyperparameters on which `wanted` depend, directly or not."""
        names = set(wanted)
        for total in reversed(self.totals_for(names)):
            names |= references(total.expr)
        for assign in self.needed(names):
            names |= references(assign.expr)
        return names

    def suffix(self, sweep: Sweep) -> str:
        """What the names that belong to a stage end with; nothing if there is one stage."""
        return "" if len(self.rule.stages) == 1 else sweep.name.removeprefix("stage")

    def launch_suffix(self, launch: Launch) -> str:
        """What the names that belong to a launch end with; nothing if there is one launch."""
        return "" if len(self.launches) == 1 else f"_{launch.number}"

    @property
    def global_sums(self) -> tuple[str, ...]:
        """The sums over all parameters."""
        return tuple(r.name for r in self.rule.reductions if not r.per_block)

    @property
    def epilogue_names(self) -> tuple[str, ...]:
        """What the states become."""
        return tuple(store.source for store in self.rule.state_stores)


def make_plan(prepared: Prepared) -> Plan:
    """The launches of a rule, and its scalars in a form that the device can evaluate."""
    rule = prepared.rule
    taken = {assign.name for stage in rule.stages for assign in stage.scalars}
    taken |= {assign.name for assign in rule.epilogue} | {r.name for r in rule.reductions}
    taken |= {s.name for s in rule.states} | {p.name for p in rule.parameters} | {LOSS, STEP}
    taken |= {s.name for s in rule.block_states}
    totals: list[Total] = []

    def name_total(node: Expr) -> Expr:
        if not (isinstance(node, Call) and node.op is Op.BLOCK_SUM):
            return node
        for total in totals:
            if total.expr == node.args[0]:
                return Ref(total.name)
        name = fresh(f"total_{len(totals) + 1}", taken)
        taken.add(name)
        totals.append(Total(name, node.args[0]))
        return Ref(name)

    def rewritten(assign: Assign) -> Assign:
        return Assign(assign.name, rebuild(assign.expr, name_total), assign.meaning)

    guards = tuple(Guard(rebuild(g.expr, name_total), g.message) for g in rule.guards)
    scalars = [a for stage in rule.stages for a in stage.scalars]
    program = tuple(rewritten(a) for a in (*scalars, *rule.epilogue))
    bare = Plan(prepared, program, tuple(totals), (), guards)
    groups: list[list[Sweep]] = []
    for sweep in prepared.sweeps:
        waits = bare.inputs_of(sweep.scalars)
        if not groups or {r.name for s in groups[-1] for r in s.reductions} & waits:
            groups.append([])
        groups[-1].append(sweep)
    launches = tuple(Launch(number, tuple(group)) for number, group in enumerate(groups, 1))
    return Plan(prepared, program, tuple(totals), launches, guards)
