"""A rule as a gradient transformation: pure functions, a state with fields, weights not moved."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

from symplectic_codegen.passes.increments import as_increments, summand
from symplectic_codegen.rule.expression import Expr, references
from symplectic_codegen.rule.rule import (
    GRADIENT,
    NOISE,
    PARAMETER,
    Iterate,
    UpdateRule,
    assignments_in,
)
from symplectic_codegen.targets.array_module import Prepared, Sweep, names_in, prepare
from symplectic_codegen.targets.printing import fresh, python_names


@dataclass(frozen=True)
class Function:
    """A sweep as a function of the leaves of some trees and of scalars.

    Args:
        name: what it is called.
        sweep: what it computes.
        arrays: the arrays it reads, or the gradient if it reads none, so that it knows the shape.
        sources: what it returns for each buffer that it sets; sums over elements come after these.
    """

    name: str
    sweep: Sweep
    arrays: tuple[str, ...]
    sources: dict[str, str]

    @property
    def scalars(self) -> tuple[str, ...]:
        """The scalars it needs, after the arrays."""
        return self.sweep.scalars

    @property
    def results(self) -> list[str]:
        """Buffers and sums, in the order in which it returns them."""
        return [*self.sources, *(r.name for r in self.sweep.reductions)]

    @cached_property
    def varying(self) -> set[str]:
        """What is no scalar inside of it."""
        found = set(self.arrays)
        for element in self.sweep.elements:
            if isinstance(element, Iterate):
                found |= {a.name for a in assignments_in((element,))}
            elif references(element.expr) & found:
                found.add(element.name)
        return found


def _function(name: str, sweep: Sweep, order: list[str]) -> Function:
    read = {name for expr in sweep.exprs for name in references(expr)}
    read |= {store.source for store in sweep.stores}
    arrays = tuple(name for name in (*sweep.arrays, NOISE) if name in read)
    stored = {store.target: store.source for store in sweep.stores}
    sources = {name: stored[name] for name in order if name in stored}
    return Function(name, sweep, arrays or (GRADIENT,), sources)


@dataclass(frozen=True)
class Accumulation:
    """A state that is only added to; in single precision rounding would pile up in it.

    Args:
        state: its name.
        term: what a step adds.
        rest: the field of the state with what rounding has left out so far.
    """

    state: str
    term: Expr
    rest: str


@dataclass(frozen=True)
class Transformation:
    """A rule in the names of the generated code.

    Args:
        prepared: the rule; its last buffer is no state but the change of the weights.
        functions: one per sweep.
        fields: what buffers and states are called in the state.
        accumulations: by the scalar that is the new value of the state.
        state_class: what the class of the state is called.
    """

    prepared: Prepared
    functions: tuple[Function, ...]
    fields: dict[str, str]
    accumulations: dict[str, Accumulation]
    state_class: str

    @property
    def rule(self) -> UpdateRule:
        """What is computed, in the names of the generated code."""
        return self.prepared.rule

    @property
    def original(self) -> UpdateRule:
        """The rule as it was given, in the names that users type."""
        return self.prepared.original

    @property
    def change(self) -> str:
        """The name of what is added to the weights."""
        return self.rule.buffers[-1].name

    @property
    def buffers(self) -> list[str]:
        """The names of the buffers that are kept."""
        return [b.name for b in self.rule.buffers[:-1]]

    @property
    def blocks(self) -> list[str]:
        """The names of the states with a value for each leaf."""
        return [s.name for s in self.rule.block_states]

    @property
    def sources(self) -> dict[str, str]:
        """The scalar that each state gets as its new value."""
        started = {s.name: s.name for s in self.rule.states if s.starts_with_loss}
        return started | {store.target: store.source for store in self.rule.state_stores}

    @property
    def rests(self) -> dict[str, str]:
        """The field with what rounding has left out of a state, where there is one."""
        return {a.state: a.rest for a in self.accumulations.values()}

    @property
    def reads_weights(self) -> bool:
        """Whether what is added to the weights depends on them."""
        return any(PARAMETER in function.arrays for function in self.functions)

    @property
    def needs_params(self) -> bool:
        """Whether a step must know the parameters, be it only how many there are."""
        return self.reads_weights or bool(self.blocks) or self.rule.needs_noise

    @property
    def taken(self) -> set[str]:
        """All names of the rule; a new set, to which others can be added."""
        return {*names_in(self.rule), *self.rests.values()}


def as_transformation(
    rule: UpdateRule, state_class: str, reserved: frozenset[str], fields: frozenset[str]
) -> Transformation:
    """The rule with the change of the weights as a result.

    Args:
        rule: any rule.
        state_class: what the class of the state is called.
        reserved: names that generated functions use.
        fields: names that the state uses.

    >>> from symplectic_codegen.rule.expression import Call, Op, Ref
    >>> from symplectic_codegen.rule.rule import Assign, Stage, Store
    >>> move = Assign("w_new", Call(Op.SUB, (Ref("w"), Ref("G"))))
    >>> rule = UpdateRule("descent", (), (), (Stage((), (move,), (Store("w", "w_new"),)),))
    >>> (sweep,) = as_transformation(rule, "S", frozenset(), frozenset()).functions
    >>> sweep.arrays, sweep.results
    (('G',), ['change'])
    """
    moved, _ = as_increments(rule)
    prepared = prepare(moved, reserved, in_place=False)
    renamed = prepared.rule
    kept = [b.name for b in renamed.buffers[:-1]]
    kept += [s.name for s in renamed.states]
    kept += [s.name for s in renamed.block_states]
    names = python_names(kept, fields)
    sweeps = prepared.sweeps
    called = ["_sweep"] if len(sweeps) == 1 else [f"_sweep_{k + 1}" for k in range(len(sweeps))]
    order = [renamed.buffers[-1].name, *(b.name for b in renamed.buffers[:-1])]
    return Transformation(
        dataclasses.replace(prepared, original=rule),
        tuple(_function(n, s, order) for n, s in zip(called, sweeps, strict=True)),
        names,
        _accumulations(renamed, names, {*names.values(), *fields, *reserved}),
        state_class,
    )


def _accumulations(
    rule: UpdateRule, fields: dict[str, str], taken: set[str]
) -> dict[str, Accumulation]:
    scalars = [a for stage in rule.stages for a in stage.scalars]
    defined = {a.name: a.expr for a in (*scalars, *rule.epilogue)}
    used = taken | set(names_in(rule))
    found: dict[str, Accumulation] = {}
    for store in rule.state_stores:
        expr = defined.get(store.source)
        term = None if expr is None else summand(expr, store.target)
        if term is not None:
            rest = fresh(f"{fields[store.target]}_rest", used)
            used.add(rest)
            found[store.source] = Accumulation(store.target, term, rest)
    return found
