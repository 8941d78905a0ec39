"""`UpdateRule`: what one step of an optimizer computes, independent of any language.

A step runs through *stages*. A stage evaluates scalars once (on the host, in float64), then sweeps
once over all elements of all parameters; the sweep assigns element values, stores them, and may add
up *reductions* over all elements, which later stages and the epilogue can use. A rule without
global coupling has one stage: its `prologue` and its `body`.

A reduction, and a state, may also have one value per *block*, a block being the elements of one
parameter array. A scalar that is computed from such a value has one value per block itself; the
operation `Op.BLOCK_SUM` adds the values of the blocks that take part in the step.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from keyword import iskeyword

from symplectic_codegen.rule.expression import (
    HOST_ONLY,
    ZERO,
    Call,
    Expr,
    Number,
    Op,
    Ref,
    references,
    walk,
)

PARAMETER = "w"  # the element of a parameter
GRADIENT = "G"  # the element of its gradient
NOISE = "xi"  # a standard normal number of the element's own, new in every step
LOSS = "L"  # the value of the loss, where a rule asks for it
STEP = "n"  # the number of the step being made: 1, 2, 3, ...


class InvalidRuleError(ValueError):
    """A rule that no target could run: a bug in the engine, never the user's."""


@dataclass(frozen=True)
class Assign:
    """name = expr, once; `meaning` becomes a comment in the generated code."""

    name: str
    expr: Expr
    meaning: str = ""


@dataclass(frozen=True)
class Store:
    """Write the value called `source` to the parameter ("w"), a buffer, or a state.

    The gradient ("G") can be set to zero.
    """

    target: str
    source: str


@dataclass(frozen=True)
class Iterate:
    """A fixed number of rounds of an iteration for one element.

    After the last round the variables, and what the body assigned, have their last values.

    Args:
        variables: what is carried from round to round, with its start value.
        body: assigned in each round, in order; may use the variables.
        carry: which value of the body each variable has in the next round.
        rounds: how many; at least one.
    """

    variables: tuple[Assign, ...]
    body: tuple[Assign, ...]
    carry: tuple[Store, ...]
    rounds: int


Element = Assign | Iterate


@dataclass(frozen=True)
class Buffer:
    """A state with one value per element of a parameter, zero before the first step."""

    name: str
    meaning: str = ""


@dataclass(frozen=True)
class ScalarState:
    """A scalar kept between steps in float64, e.g. U or t.

    `initial` is in hyperparameters; if it uses the loss, it is evaluated in the first step.
    """

    name: str
    initial: Expr
    meaning: str = ""

    @property
    def starts_with_loss(self) -> bool:
        """Whether the first step gives it its initial value."""
        return LOSS in references(self.initial)


@dataclass(frozen=True)
class BlockState:
    """A state in float64 with one value per parameter array, zero before the first step."""

    name: str
    meaning: str = ""


@dataclass(frozen=True)
class Reduction:
    """name = the sum of `expr` over all elements of all parameters that take part in the step.

    With `per_block`, one sum for each parameter.
    """

    name: str
    expr: Expr
    meaning: str = ""
    per_block: bool = False


@dataclass(frozen=True)
class Guard:
    """The step is refused unless the value of `expr` is positive; `message` says what it means."""

    expr: Expr
    message: str


@dataclass(frozen=True)
class Interval:
    """Bounds of a hyperparameter; None is unbounded.

    >>> str(Interval(Fraction(0), Fraction(1), upper_closed=False))
    '[0, 1)'
    >>> Interval(Fraction(0), None).contains(0.0)
    True
    """

    lower: Fraction | None = Fraction(0)
    upper: Fraction | None = None
    lower_closed: bool = True
    upper_closed: bool = True

    def contains(self, value: float) -> bool:
        if self.lower is not None and (
            value < self.lower or (value == self.lower and not self.lower_closed)
        ):
            return False
        return self.upper is None or not (
            value > self.upper or (value == self.upper and not self.upper_closed)
        )

    def __str__(self) -> str:
        left = "[" if self.lower_closed and self.lower is not None else "("
        right = "]" if self.upper_closed and self.upper is not None else ")"
        lower = "-inf" if self.lower is None else str(self.lower)
        upper = "inf" if self.upper is None else str(self.upper)
        return f"{left}{lower}, {upper}{right}"


@dataclass(frozen=True)
class Parameter:
    """A hyperparameter as the user of the generated code meets it; no default means required."""

    name: str
    default: Fraction | None = None
    interval: Interval = field(default_factory=Interval)
    meaning: str = ""


@dataclass(frozen=True)
class Stage:
    """Scalars once, then one sweep over the elements.

    Args:
        scalars: in order; may use hyperparameters, scalar states, n, L, earlier scalars and the
            reductions of earlier stages.
        elements: in order; may use w, G, buffers, any scalar so far, and earlier elements.
        stores: element values that the sweep writes back.
        reductions: sums over element values.
    """

    scalars: tuple[Assign, ...] = ()
    elements: tuple[Element, ...] = ()
    stores: tuple[Store, ...] = ()
    reductions: tuple[Reduction, ...] = ()

    @property
    def assigned(self) -> tuple[Assign, ...]:
        """All assignments of the sweep, those inside iterations too."""
        return assignments_in(self.elements)

    @property
    def element_expressions(self) -> tuple[Expr, ...]:
        """Everything that is evaluated per element."""
        return (*(a.expr for a in self.assigned), *(r.expr for r in self.reductions))


@dataclass(frozen=True)
class UpdateRule:
    """One step of an optimizer, checked on construction.

    Raises:
        InvalidRuleError: a name used before it is defined, defined twice, or not an identifier.
    """

    name: str
    parameters: tuple[Parameter, ...]
    buffers: tuple[Buffer, ...]
    stages: tuple[Stage, ...]
    states: tuple[ScalarState, ...] = ()
    epilogue: tuple[Assign, ...] = ()
    state_stores: tuple[Store, ...] = ()
    guards: tuple[Guard, ...] = ()
    block_states: tuple[BlockState, ...] = ()

    @property
    def prologue(self) -> tuple[Assign, ...]:
        """The scalars computed before the first sweep."""
        return self.stages[0].scalars

    @property
    def body(self) -> tuple[Assign, ...]:
        """All element assignments, in order."""
        return tuple(a for stage in self.stages for a in stage.assigned)

    @property
    def reductions(self) -> tuple[Reduction, ...]:
        """All sums over elements, in order."""
        return tuple(r for stage in self.stages for r in stage.reductions)

    @property
    def scalar_expressions(self) -> tuple[Expr, ...]:
        """Everything that is evaluated once per step."""
        scalars = [a.expr for stage in self.stages for a in stage.scalars]
        scalars += [a.expr for a in self.epilogue]
        return (*scalars, *(guard.expr for guard in self.guards))

    @property
    def needs_loss(self) -> bool:
        """Whether `step` must be given the value of the loss."""
        return self._mentions(LOSS)

    @property
    def needs_step_count(self) -> bool:
        """Whether anything depends on the number of the step."""
        return self._mentions(STEP) or self.needs_noise

    @property
    def needs_noise(self) -> bool:
        """Whether elements get random numbers."""
        return self._mentions(NOISE)

    def _mentions(self, name: str) -> bool:
        per_element = (expr for stage in self.stages for expr in stage.element_expressions)
        initial = (state.initial for state in self.states)
        everything = (*self.scalar_expressions, *per_element, *initial)
        return any(name in references(expr) for expr in everything)

    @property
    def clears_gradients(self) -> bool:
        """Whether gradients are zero after a step."""
        return any(store.target == GRADIENT for stage in self.stages for store in stage.stores)

    @property
    def block_values(self) -> frozenset[str]:
        """Names of what has one value per block: states, sums, and scalars made of them."""
        found = {s.name for s in self.block_states}

        def add(assigns: Iterable[Assign]) -> None:
            for assign in assigns:
                if _references_outside_sums(assign.expr) & found:
                    found.add(assign.name)

        for stage in self.stages:
            add(stage.scalars)
            found.update(r.name for r in stage.reductions if r.per_block)
        add(self.epilogue)
        return frozenset(found)

    def __post_init__(self) -> None:
        if not self.stages:
            raise InvalidRuleError("a rule needs at least one stage")
        if not self.name.isidentifier() or iskeyword(self.name):
            raise InvalidRuleError(f"the name of a rule is an identifier, not {self.name!r}")
        if len({b.name for b in self.buffers}) != len(self.buffers):
            raise InvalidRuleError("a buffer is defined twice")
        kept = [store.target for store in self.state_stores]
        if len(set(kept)) != len(kept):
            raise InvalidRuleError("a state is stored twice")
        known = _Scope()
        known.define((p.name for p in self.parameters), "hyperparameter")
        for state in self.states:
            known.require(state.initial, f"initial value of {state.name}", also=(LOSS,))
        known.define((s.name for s in self.states), "scalar state")
        known.define((s.name for s in self.block_states), "block state")
        known.define((LOSS, STEP), "input")
        for guard in self.guards:
            known.require(guard.expr, "guard")
        for stage in self.stages:
            for scalar in stage.scalars:
                known.require(scalar.expr, scalar.name)
                known.define((scalar.name,), "scalar")
            self._check_sweep(stage, known.copy())
            known.define((r.name for r in stage.reductions), "reduction")
        for assignment in self.epilogue:
            known.require(assignment.expr, assignment.name)
            known.define((assignment.name,), "epilogue")
        states = {s.name for s in self.states} | {s.name for s in self.block_states}
        for store in self.state_stores:
            if store.target not in states:
                raise InvalidRuleError(f"store to unknown state {store.target}")
            known.check(store.source, "state store")
        self._check_blocks()

    def _check_sweep(self, stage: Stage, local: _Scope) -> None:
        """Element names live inside their own sweep; later stages read the stored buffers."""
        buffers = {b.name for b in self.buffers}
        local.define((PARAMETER, GRADIENT, NOISE, *sorted(buffers)), "element input")
        for element in stage.elements:
            if isinstance(element, Iterate):
                _check_iteration(element, local)
            else:
                local.require(element.expr, element.name)
                local.define((element.name,), "element")
        zeros = {a.name for a in stage.assigned if a.expr == ZERO}
        for store in stage.stores:
            if store.target not in buffers | {PARAMETER, GRADIENT}:
                raise InvalidRuleError(f"store to unknown buffer {store.target}")
            if store.target == GRADIENT and store.source not in zeros:
                raise InvalidRuleError("a gradient can be set to zero only")
            local.check(store.source, "store")
        targets = [store.target for store in stage.stores]
        if len(set(targets)) != len(targets):
            raise InvalidRuleError("a sweep stores to one place twice")
        for reduction in stage.reductions:
            local.require(reduction.expr, reduction.name)

    def _check_blocks(self) -> None:
        """A value per block is no scalar: not in a guard, not in a scalar state."""
        many = self.block_values
        for guard in self.guards:
            if _references_outside_sums(guard.expr) & many:
                raise InvalidRuleError("a guard is one condition, not one per block")
        blocks = {s.name for s in self.block_states}
        for store in self.state_stores:
            if (store.source in many) != (store.target in blocks):
                raise InvalidRuleError(
                    f"state {store.target}: one value and one value per block do not fit"
                )
        host = [a.expr for stage in self.stages for a in stage.scalars]
        for expr in (*host, *(a.expr for a in self.epilogue)):
            for node in walk(expr):
                summed = isinstance(node, Call) and node.op is Op.BLOCK_SUM
                if summed and not references(node) & many:
                    raise InvalidRuleError("a sum over blocks of what is no value per block")
        for stage in self.stages:
            for expr in stage.element_expressions:
                if any(isinstance(n, Call) and n.op in HOST_ONLY for n in walk(expr)):
                    raise InvalidRuleError("a sweep cannot compute what only the host can")


def _check_iteration(iteration: Iterate, local: _Scope) -> None:
    if iteration.rounds < 1:
        raise InvalidRuleError("an iteration makes at least one round")
    for variable in iteration.variables:
        local.require(variable.expr, variable.name)
    local.define((v.name for v in iteration.variables), "variable")
    for assignment in iteration.body:
        local.require(assignment.expr, assignment.name)
        local.define((assignment.name,), "element")
    inside = {a.name for a in iteration.body}
    carried = [store.target for store in iteration.carry]
    if sorted(carried) != sorted(v.name for v in iteration.variables):
        raise InvalidRuleError("an iteration carries each of its variables exactly once")
    if not {store.source for store in iteration.carry} <= inside:
        raise InvalidRuleError("what an iteration carries is assigned in its body")


def assignments_in(elements: Iterable[Element]) -> tuple[Assign, ...]:
    """All assignments among `elements`, in order, those inside iterations too."""
    found: list[Assign] = []
    for element in elements:
        if isinstance(element, Iterate):
            found += [*element.variables, *element.body]
        else:
            found.append(element)
    return tuple(found)


def _references_outside_sums(expr: Expr) -> set[str]:
    """The names in `expr` that are not summed over blocks."""
    if isinstance(expr, Ref):
        return {expr.name}
    if isinstance(expr, Call) and expr.op is not Op.BLOCK_SUM:
        return set().union(*(_references_outside_sums(a) for a in expr.args))
    return set()


class _Scope:
    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = set(names)

    def copy(self) -> _Scope:
        return _Scope(self.names)

    def define(self, names: Iterable[str], what: str) -> None:
        for name in names:
            if not name.isidentifier() or iskeyword(name):
                raise InvalidRuleError(f"{what} {name!r} is not an identifier")
            if name in self.names:
                raise InvalidRuleError(f"{what} {name!r} is defined twice")
            self.names.add(name)

    def require(self, expr: Expr, where: str, also: tuple[str, ...] = ()) -> None:
        for name in sorted(references(expr) - set(also)):
            self.check(name, where)

    def check(self, name: str, where: str) -> None:
        if name not in self.names:
            raise InvalidRuleError(f"{where} uses {name!r} before it is defined")


def constant(value: int | Fraction) -> Number:
    """The exact constant `value`."""
    return Number(Fraction(value))
