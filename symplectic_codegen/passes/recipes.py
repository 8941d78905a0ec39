"""What training scripts do around a step, done within its sweeps.

A recipe changes what the step computes, on request: it is no pass that keeps all values. Each is a
rewriting of rules, so that every target that knows the constructs can make use of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fractions import Fraction
from types import MappingProxyType

from symplectic_codegen.errors import TargetError
from symplectic_codegen.passes.mapping import map_elements
from symplectic_codegen.passes.pipeline import run_passes
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
    PARAMETER,
    STEP,
    Assign,
    Buffer,
    Interval,
    Parameter,
    Reduction,
    Stage,
    Store,
    UpdateRule,
)

LEARNING_RATE = "lr"
_SMALL = Number(Fraction(1, 10**6))  # as in torch.nn.utils.clip_grad_norm_


@dataclass(frozen=True)
class Recipe:
    """Something that is done in the same sweeps as the step.

    Args:
        name: how it is asked for.
        summary: what it does, in a few words.
        update: the line that it adds to the update.
        separate: array elements that it would read and write per parameter in passes of its own.
        apply: rewrites a rule.
        acts_before: whether the line comes before those of the rule.
    """

    name: str
    summary: str
    update: str
    separate: int
    apply: Callable[[UpdateRule], UpdateRule]
    acts_before: bool = False


def with_recipes(rule: UpdateRule, names: Iterable[str]) -> UpdateRule:
    """`rule` with recipes, in the order of `RECIPES`.

    Raises:
        TargetError: there is no such recipe, or it does not go with the rule.
    """
    chosen = [get_recipe(name) for name in names]
    if not chosen:
        return rule
    for recipe in RECIPES.values():
        if recipe in chosen:
            rule = recipe.apply(rule)
    return run_passes(rule)[0]


def get_recipe(name: str) -> Recipe:
    """The recipe called `name`.

    Raises:
        TargetError: there is none; the message names the closest one.

    >>> get_recipe("emma")
    Traceback (most recent call last):
    symplectic_codegen.errors.TargetError: there is no recipe 'emma'; did you mean 'ema'?
    """
    if name in RECIPES:
        return RECIPES[name]
    close = get_close_matches(name, RECIPES, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(RECIPES)}"
    raise TargetError(f"there is no recipe {name!r}; {hint}")


def _decoupled_decay(rule: UpdateRule) -> UpdateRule:
    """w is multiplied by 1 - lr*weight_decay before anything else."""
    if LEARNING_RATE not in {p.name for p in rule.parameters}:
        raise TargetError(
            f"the recipe decoupled-decay needs a hyperparameter {LEARNING_RATE}: "
            f'introduce it, for example with --reparam "{LEARNING_RATE} = tau/h"'
        )
    rule = _with_parameter(
        rule,
        "decoupled-decay",
        Parameter(
            "weight_decay",
            Fraction(1, 100),
            Interval(),
            "strength of the decay; a step leaves 1 - lr*weight_decay of the weights",
        ),
    )
    shrink, decayed = _free(rule, "shrink", "w_decayed")
    rate = Call(Op.MUL, (Ref(LEARNING_RATE), Ref("weight_decay")))
    scalar = Assign(shrink, Call(Op.SUB, (ONE, rate)), "what the decay leaves of the weights")
    stages = [replace(rule.stages[0], scalars=(scalar, *rule.stages[0].scalars))]
    stages += rule.stages[1:]
    # What is stored of w first is stored of the smaller w; until then all sweeps see that one.
    for k, stage in enumerate(stages):
        stages[k] = _read_instead(stage, PARAMETER, decayed, Ref(shrink))
        if any(store.target == PARAMETER for store in stage.stores):
            return replace(rule, stages=tuple(stages))
    raise TargetError("the recipe decoupled-decay needs a rule that changes the weights")


def _clip_norm(rule: UpdateRule) -> UpdateRule:
    """G is made shorter where its norm, over all parameters, is above max_norm."""
    bound = Interval(Fraction(0), None, lower_closed=False)
    meaning = "largest norm of the gradient of all parameters together"
    rule = _with_parameter(rule, "clip-norm", Parameter("max_norm", Fraction(1), bound, meaning))
    square, clip, clipped = _free(rule, "gradient_square", "clip", "G_clipped")
    norm = Call(Op.ADD, (Call(Op.SQRT, (Ref(square),)), _SMALL))
    quotient = Call(Op.DIV, (Ref("max_norm"), norm))
    scalar = Assign(clip, Call(Op.MIN, (quotient, ONE)), "by which the gradient is made shorter")
    total = Reduction(
        square, Call(Op.MUL, (Ref(GRADIENT), Ref(GRADIENT))), "square of the gradient's norm"
    )
    stages = [_read_instead(stage, GRADIENT, clipped, Ref(clip)) for stage in rule.stages]
    stages[0] = replace(stages[0], scalars=(scalar, *stages[0].scalars))
    return replace(rule, stages=(Stage(reductions=(total,)), *stages))


def _ema(rule: UpdateRule) -> UpdateRule:
    """A moving average of the weights; the first step makes it equal to them."""
    interval = Interval(Fraction(0), Fraction(1), upper_closed=False)
    meaning = "what a step leaves of the average of the weights"
    parameter = Parameter("ema_decay", Fraction(999, 1000), interval, meaning)
    rule = _with_parameter(rule, "ema", parameter)
    if "ema" in _names(rule):
        raise TargetError("the recipe ema needs the name ema, which the rule has already")
    keep, take, new = _free(rule, "keep", "take", "ema_new")
    last = max((k for k, s in enumerate(rule.stages) if _stored(s, PARAMETER)), default=None)
    if last is None:
        raise TargetError("the recipe ema needs a rule that changes the weights")
    stage = rule.stages[last]
    later = Call(Op.MIN, (Call(Op.SUB, (Ref(STEP), ONE)), ONE))  # 0 in the first step, then 1
    scalars = (
        Assign(keep, Call(Op.MUL, (Ref("ema_decay"), later)), "0 in the first step"),
        Assign(take, Call(Op.SUB, (ONE, Ref(keep)))),
    )
    average = Call(
        Op.ADD,
        (
            Call(Op.MUL, (Ref(keep), Ref("ema"))),
            Call(Op.MUL, (Ref(take), Ref(_stored(stage, PARAMETER)))),
        ),
    )
    stages = list(rule.stages)
    stages[last] = replace(
        stage,
        scalars=(*stage.scalars, *scalars),
        elements=(*stage.elements, Assign(new, average)),
        stores=(*stage.stores, Store("ema", new)),
    )
    buffers = (*rule.buffers, Buffer("ema", "moving average of the weights"))
    return replace(rule, buffers=buffers, stages=tuple(stages))


def _zero_grad(rule: UpdateRule) -> UpdateRule:
    """G is set to zero by the last sweep that reads it."""
    reading = [
        k
        for k, stage in enumerate(rule.stages)
        if any(GRADIENT in references(e) for e in stage.element_expressions)
        or any(store.source == GRADIENT for store in stage.stores)
    ]
    if not reading:
        raise TargetError("the recipe zero-grad needs a rule that reads the gradient")
    (nothing,) = _free(rule, "no_gradient")
    stages = list(rule.stages)
    stage = stages[reading[-1]]
    stages[reading[-1]] = replace(
        stage,
        elements=(*stage.elements, Assign(nothing, ZERO)),
        stores=(*stage.stores, Store(GRADIENT, nothing)),
    )
    return replace(rule, stages=tuple(stages))


def _with_parameter(rule: UpdateRule, recipe: str, parameter: Parameter) -> UpdateRule:
    if parameter.name in _names(rule):
        raise TargetError(
            f"the recipe {recipe} needs the name {parameter.name}, which the rule has already"
        )
    return replace(rule, parameters=(*rule.parameters, parameter))


def _read_instead(stage: Stage, name: str, new: str, factor: Expr) -> Stage:
    """`stage` with `factor` times what it read as `name`, under the name `new`."""
    values: dict[str, Expr] = {name: Ref(new)}
    changed = map_elements(stage, lambda expr: substitute(expr, values))
    stores = tuple(Store(s.target, new if s.source == name else s.source) for s in stage.stores)
    if changed == stage and stores == stage.stores:
        return stage
    product = Assign(new, Call(Op.MUL, (factor, Ref(name))))
    return replace(changed, elements=(product, *changed.elements), stores=stores)


def _stored(stage: Stage, target: str) -> str:
    """What the stage stores to `target`; "" if nothing."""
    return next((store.source for store in stage.stores if store.target == target), "")


def _free(rule: UpdateRule, *wanted: str) -> tuple[str, ...]:
    """Names for new values that nothing else has."""
    taken = _names(rule)
    found = []
    for name in wanted:
        while name in taken:
            name += "_"
        taken.add(name)
        found.append(name)
    return tuple(found)


def _names(rule: UpdateRule) -> set[str]:
    named = (rule.parameters, rule.buffers, rule.states, rule.block_states, rule.epilogue)
    names = {item.name for group in named for item in group}
    for stage in rule.stages:
        names |= {a.name for a in (*stage.scalars, *stage.assigned)}
        names |= {r.name for r in stage.reductions}
    return names | {PARAMETER, GRADIENT, STEP}


RECIPES = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            Recipe(
                "decoupled-decay",
                "weight decay as in AdamW",
                "w <- w*(1 - lr*weight_decay)",
                2,
                _decoupled_decay,
                acts_before=True,
            ),
            Recipe(
                "clip-norm",
                "gradient clipping by the norm over all parameters",
                "G <- G*min(1, max_norm/(norm(G) + 1e-06))",
                3,
                _clip_norm,
                acts_before=True,
            ),
            Recipe(
                "ema",
                "moving average of the weights",
                "ema <- ema_decay*ema + (1 - ema_decay)*w",
                3,
                _ema,
            ),
            Recipe("zero-grad", "gradients set to zero", "G <- 0", 1, _zero_grad),
        )
    }
)
