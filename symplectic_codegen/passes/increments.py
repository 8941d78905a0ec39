"""A rule that computes what is added to the weights, for libraries that do the adding themselves.

The difference of new and old weights would lose the digits that a small step has. Where the new
weights are the old ones and something more, this something is taken itself; where the old ones are
multiplied by s, it is (s - 1)*w, with s - 1 in a form without cancellation; s may be a scalar, or
differ from element to element.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from symplectic_codegen.passes.cleanup import drop_unused
from symplectic_codegen.passes.hoisting import _all_names
from symplectic_codegen.passes.mapping import map_elements
from symplectic_codegen.rule.expression import (
    ONE,
    ZERO,
    Call,
    Expr,
    Number,
    Op,
    Ref,
    references,
    substitute,
)
from symplectic_codegen.rule.rule import (
    GRADIENT,
    NOISE,
    PARAMETER,
    Assign,
    Buffer,
    Stage,
    Store,
    UpdateRule,
)


def as_increments(rule: UpdateRule, name: str = "change") -> tuple[UpdateRule, str]:
    """`rule` without stores to the weights, and the buffer that gets their change instead.

    The buffer is no state: the first sweep that moves the weights sets it, later ones add to it.

    Args:
        rule: any rule.
        name: what the buffer is called, if the rule does not use the name itself.

    >>> from symplectic_codegen.rule.rule import Parameter
    >>> slope = Call(Op.MUL, (Ref("lr"), Ref("G")))
    >>> move = Assign("w_new", Call(Op.SUB, (Ref("w"), slope)))
    >>> stage = Stage((), (move,), (Store("w", "w_new"),))
    >>> found, change = as_increments(UpdateRule("descent", (Parameter("lr"),), (), (stage,)))
    >>> [f"{a.name} = {a.expr}" for a in found.body]
    ['change_new = -lr*G']
    """
    taken = _all_names(rule)
    change = _fresh(name, taken)
    scalars: dict[str, Expr] = {}
    stages: list[Stage] = []
    weights = PARAMETER  # what the weights of the moment are called
    for number, stage in enumerate(rule.stages):
        scalars |= {a.name: a.expr for a in stage.scalars}
        has_moved = any(s.target == change for earlier in stages for s in earlier.stores)
        if has_moved:
            weights = _fresh("w_now", taken)
            stage = _after_a_move(stage, change, weights)
        if any(store.target == PARAMETER for store in stage.stores):
            stage = _Sweep(rule, stage, scalars, weights, taken).moving(change, has_moved)
        elif not has_moved and number == len(rule.stages) - 1:
            nothing = Assign(_fresh(f"{change}_new", taken), ZERO)
            stores = (*stage.stores, Store(change, nothing.name))
            stage = replace(stage, elements=(*stage.elements, nothing), stores=stores)
        stages.append(stage)
    buffers = (*rule.buffers, Buffer(change, "what is added to the weights"))
    return drop_unused(replace(rule, stages=tuple(stages), buffers=buffers)), change


def summand(expr: Expr, name: str) -> Expr | None:
    """What `expr` adds to `name`, if it is a sum with `name` as a term; else None.

    >>> print(summand(Call(Op.ADD, (Ref("t"), Ref("tau"))), "t"))
    tau
    """

    def increment(node: Expr) -> Expr | None:
        if node == Ref(name):
            return ZERO
        return _of_sum(node, increment) if isinstance(node, Call) else None

    return increment(expr)


def _of_sum(node: Call, increment: Callable[[Expr], Expr | None]) -> Expr | None:
    """The increment of a sum, from that of one of its terms."""
    if node.op not in (Op.ADD, Op.SUB):
        return None
    left, right = node.args
    found = increment(left)
    if found is not None:
        return _plus(found, right) if node.op is Op.ADD else _minus(found, right)
    found = increment(right) if node.op is Op.ADD else None
    return None if found is None else _plus(found, left)


def _after_a_move(stage: Stage, change: str, weights: str) -> Stage:
    """The stage, with the weights as they are by then under the name `weights`."""
    now = Assign(weights, Call(Op.ADD, (Ref(PARAMETER), Ref(change))))
    moved = map_elements(stage, lambda expr: substitute(expr, {PARAMETER: Ref(weights)}))
    stores = tuple(replace(s, source=weights) if s.source == PARAMETER else s for s in moved.stores)
    return replace(moved, elements=(now, *moved.elements), stores=stores)


@dataclass(frozen=True)
class _Sweep:
    """A sweep that moves the weights.

    Args:
        rule: what it belongs to.
        stage: the sweep.
        scalars: the definitions of all scalars so far.
        weights: what the weights before it are called.
        taken: names that are in use; grows.
    """

    rule: UpdateRule
    stage: Stage
    scalars: Mapping[str, Expr]
    weights: str
    taken: set[str]

    def moving(self, change: str, has_moved: bool) -> Stage:
        """The sweep with a store of the change in place of that of the weights."""
        (source,) = (s.source for s in self.stage.stores if s.target == PARAMETER)
        stretches: list[Assign] = []
        found = self._increment(Ref(source), stretches)
        if found is None:
            found = Call(Op.SUB, (Ref(source), Ref(self.weights)))
        if has_moved:
            found = _plus(Ref(change), found)
        new = Assign(_fresh(f"{change}_new", self.taken), found)
        stores = tuple(
            Store(change, new.name) if s.target == PARAMETER else s for s in self.stage.stores
        )
        return replace(
            self.stage,
            scalars=(*self.stage.scalars, *stretches),
            elements=(*self.stage.elements, new),
            stores=stores,
        )

    def _increment(self, expr: Expr, stretches: list[Assign]) -> Expr | None:
        """expr - w, if w is a term of `expr` or of what it stands for; else None.

        `stretches` gets the scalars that it needs.
        """
        if expr == Ref(self.weights):
            return ZERO
        if isinstance(expr, Ref):
            defined = self._definitions.get(expr.name)
            return None if defined is None else self._increment(defined, stretches)
        if not isinstance(expr, Call):
            return None
        if expr.op is Op.MUL:
            for factor, vector in (expr.args, expr.args[::-1]):
                if not references(factor) & self._varying:
                    return self._stretched(factor, vector, stretches)
            for factor, vector in (expr.args, expr.args[::-1]):
                if (d := self._increment(vector, stretches)) is not None:
                    return self._scaled(factor, d)
        return _of_sum(expr, lambda term: self._increment(term, stretches))

    def _stretched(self, factor: Expr, vector: Expr, stretches: list[Assign]) -> Expr | None:
        """factor*vector - w with vector = w + d: (factor - 1)*w + factor*d."""
        d = self._increment(vector, stretches)
        if d is None:
            return None
        value = _minus_one(factor, self.scalars, self._at_least_zero)
        value = Call(Op.SUB, (factor, ONE)) if value is None else value
        stem = factor.name if isinstance(factor, Ref) else "factor"
        name = _fresh(f"{stem}_minus_1", self.taken)
        stretches.append(Assign(name, value))
        stretch = Call(Op.MUL, (Ref(name), Ref(self.weights)))
        return stretch if d == ZERO else _plus(stretch, Call(Op.MUL, (factor, d)))

    def _scaled(self, factor: Expr, d: Expr) -> Expr | None:
        """factor*(w + d) - w with a factor for each element, if factor - 1 has a stable form."""
        known = {**self.scalars, **self._definitions}
        value = _minus_one(factor, known, self._at_least_zero)
        if value is None:
            return None
        stretch = Call(Op.MUL, (Ref(self.weights), value))
        return stretch if d == ZERO else _plus(stretch, Call(Op.MUL, (factor, d)))

    @property
    def _varying(self) -> set[str]:
        buffers = {b.name for b in self.rule.buffers}
        return {PARAMETER, GRADIENT, NOISE, *buffers, *(a.name for a in self.stage.assigned)}

    @property
    def _at_least_zero(self) -> set[str]:
        bounds = {p.name: p.interval.lower for p in self.rule.parameters}
        return {name for name, lower in bounds.items() if lower is not None and lower >= 0}

    @property
    def _definitions(self) -> dict[str, Expr]:
        """What stands for which name at the end of the sweep.

        The variables of an iteration have moved on by then, so nothing that uses them does.
        """
        found: dict[str, Expr] = {}
        for element in self.stage.elements:
            if isinstance(element, Assign):
                found[element.name] = element.expr
                continue
            moved_on = {variable.name for variable in element.variables}
            for assign in element.body:
                if not references(assign.expr) & moved_on:
                    found[assign.name] = assign.expr
            found |= {store.target: Ref(store.source) for store in element.carry}
        return found


def _minus_one(expr: Expr, scalars: Mapping[str, Expr], at_least_zero: set[str]) -> Expr | None:
    """expr - 1 without cancellation for values near 1; None if no such form is known."""
    if isinstance(expr, Number):
        return Number(expr.value - 1)
    if isinstance(expr, Ref):
        defined = scalars.get(expr.name)
        return None if defined is None else _minus_one(defined, scalars, at_least_zero)
    left, right = expr.args[0], expr.args[-1]
    if expr.op is Op.SUB and left == ONE:
        return _negative(right)
    if expr.op is Op.ADD and ONE in expr.args:
        return right if left == ONE else left
    if expr.op is Op.EXP:
        return Call(Op.EXPM1, expr.args)
    if expr.op is Op.POW and isinstance(left, Ref) and left.name in at_least_zero:
        return Call(Op.POWM1, expr.args)
    if expr.op is Op.MUL:
        # x*y - 1 = (x - 1)*y + (y - 1)
        first, second = (_minus_one(a, scalars, at_least_zero) for a in expr.args)
        if first is not None and second is not None:
            return _plus(Call(Op.MUL, (first, right)), second)
    return None


def _plus(x: Expr, y: Expr) -> Expr:
    if ZERO in (x, y):
        return y if x == ZERO else x
    return Call(Op.SUB, (x, _negative(y))) if _has_sign(y) else Call(Op.ADD, (x, y))


def _minus(x: Expr, y: Expr) -> Expr:
    return _negative(y) if x == ZERO else Call(Op.SUB, (x, y))


def _negative(expr: Expr) -> Expr:
    """-expr with the sign at the first factor: it changes no digit, and people write it there."""
    if isinstance(expr, Number):
        return Number(-expr.value)
    if isinstance(expr, Call) and expr.op is Op.NEG:
        return expr.args[0]
    if isinstance(expr, Call) and expr.op in (Op.MUL, Op.DIV):
        return Call(expr.op, (_negative(expr.args[0]), expr.args[1]))
    if isinstance(expr, Call) and expr.op is Op.SUB:
        return Call(Op.SUB, (expr.args[1], expr.args[0]))
    return Call(Op.NEG, (expr,))


def _has_sign(expr: Expr) -> bool:
    """Whether the first factor of a product carries a minus."""
    if isinstance(expr, Call) and expr.op in (Op.MUL, Op.DIV):
        return _has_sign(expr.args[0])
    return isinstance(expr, Call) and expr.op is Op.NEG


def _fresh(name: str, taken: set[str]) -> str:
    """`name`, with a number behind it if it is taken; from now on it is."""
    found, number = name, 2
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    taken.add(found)
    return found
