"""What both ways through a step for PyTorch have to know about a rule.

In a list of parameters each one counts its own steps, from its first gradient on, as in
`torch.optim`. So each has its own copy of the scalars that a rule keeps, and every scalar of a step
has one value per parameter.
"""

from __future__ import annotations

from collections.abc import Iterator

from symplectic_codegen.errors import TargetError
from symplectic_codegen.rule.expression import ZERO, Op, references
from symplectic_codegen.rule.rule import STEP, UpdateRule
from symplectic_codegen.targets.array_module import Prepared
from symplectic_codegen.targets.printing import operations

COUNT = "step"  # the key of the number of steps that a parameter has made


def kept_scalars(prepared: Prepared) -> tuple[str, ...]:
    """The keys of the scalars that are kept for each parameter.

    Raises:
        TargetError: two things have one key.
    """
    original, rule = prepared.original, prepared.rule
    # The first step gives a state its initial value, so steps must be counted.
    starts = any(state.initial != ZERO for state in rule.states)
    names = [s.name for s in original.states] + [s.name for s in original.block_states]
    keys = ((COUNT,) if rule.needs_step_count or starts else ()) + tuple(names)
    everything = [COUNT, *names, *(b.name for b in original.buffers)]
    for name in everything:
        if everything.count(name) > 1:
            raise TargetError(f"the state {name} needs another name: something else has this one")
    return keys


def kept_sources(prepared: Prepared) -> Iterator[tuple[str, str]]:
    """(key of a kept scalar, name of its value after the step) wherever it changes."""
    rule, original = prepared.rule, prepared.original
    stored = {store.target: store.source for store in rule.state_stores}
    if COUNT in kept_scalars(prepared):
        yield COUNT, STEP
    for state, new in zip(original.states, rule.states, strict=True):
        if new.name in stored or new.initial != ZERO:
            yield state.name, stored.get(new.name, new.name)
    for block, new_block in zip(original.block_states, rule.block_states, strict=True):
        if new_block.name in stored:
            yield block.name, stored[new_block.name]


def used_names(prepared: Prepared) -> set[str]:
    """All scalars that anything in the step refers to, or that are kept as they are."""
    rule = prepared.rule
    sources = {source for _, source in kept_sources(prepared)}
    used = {name for expr in rule.scalar_expressions for name in references(expr)}
    used |= {name for state in rule.states for name in references(state.initial)}
    used |= {name for sweep in prepared.sweeps for name in sweep.scalars}
    return used | sources


def sums_blocks(rule: UpdateRule) -> bool:
    """Whether numbers of all parameters are added on the host."""
    return Op.BLOCK_SUM in operations(rule.scalar_expressions)


def couples(rule: UpdateRule) -> bool:
    """Whether parameters see each other."""
    return bool(rule.reductions) or sums_blocks(rule)


def spreads(rule: UpdateRule) -> bool:
    """Whether processes that hold different parameters have to know of each other."""
    return couples(rule) or rule.needs_loss or rule.needs_noise
