"""Rung 1a: the rule that targets are given computes the function that was derived.

The final rule (lowered, made stable, passed through all passes) is turned back into SymPy
expressions and compared with the symbolic update: by exact rewriting, and at reproducible points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

import sympy as sp

from symplectic_codegen.algebra.functions import InTurn, elementary
from symplectic_codegen.algebra.samples import reproducible_value
from symplectic_codegen.algebra.symbols import L0, START, G, L, U, X, beta, tau, w
from symplectic_codegen.algebra.vector import Total, one_block
from symplectic_codegen.discretization.flows import NOISE
from symplectic_codegen.discretization.update import STEP_NUMBER
from symplectic_codegen.driver import Derivation
from symplectic_codegen.rule.expression import Expr, Number, Op, Ref
from symplectic_codegen.rule.interpreter import MPMATH, State, interpret
from symplectic_codegen.rule.rule import Assign, Element, UpdateRule
from symplectic_codegen.validation.evaluation import (
    MP,
    TIME,
    Environment,
    Value,
    field_names,
    name_of,
    noise_of,
    rational,
    symbolic_step,
    value_of,
)
from symplectic_codegen.validation.problem import DIMENSION, fraction, hyperparameters
from symplectic_codegen.validation.report import Rung, judged

POINTS = 12
TOLERANCE = Fraction(1, 10**42)

_SYMPY: Mapping[Op, Callable[..., sp.Expr]] = {
    Op.ADD: lambda x, y: x + y,
    Op.SUB: lambda x, y: x - y,
    Op.MUL: lambda x, y: x * y,
    Op.DIV: lambda x, y: x / y,
    Op.NEG: lambda x: -x,
    Op.POW: lambda x, y: x**y,
    Op.SQRT: sp.sqrt,
    Op.EXP: sp.exp,
    Op.LOG: sp.log,
    Op.EXPM1: lambda x: sp.exp(x) - 1,
    Op.LOG1P: lambda x: sp.log(1 + x),
    Op.POWM1: lambda x, y: x**y - 1,
    Op.EXPREL: lambda x: (sp.exp(x) - 1) / x,
    Op.PHI2: lambda x: (sp.exp(x) - 1 - x) / x**2,
    Op.LOG1PREL: lambda x: sp.log(1 + x) / x,
    Op.HYPOT: lambda x, y: sp.sqrt(x**2 + y**2),
    Op.ABS: sp.Abs,
    Op.SIGN: sp.sign,
    Op.SIN: sp.sin,
    Op.COS: sp.cos,
    Op.TAN: sp.tan,
    Op.ATAN: sp.atan,
    Op.SINH: sp.sinh,
    Op.COSH: sp.cosh,
    Op.TANH: sp.tanh,
    Op.ASINH: sp.asinh,
    Op.ERF: sp.erf,
    Op.MIN: sp.Min,
    Op.MAX: sp.Max,
    Op.CYCLE: InTurn,
    Op.BLOCK_SUM: lambda x: x,  # one parameter array stands for all
}


def thaw(expr: Expr, values: Mapping[str, sp.Expr]) -> sp.Expr:
    """An expression of a rule in SymPy.

    >>> x = sp.Symbol("x")
    >>> from symplectic_codegen.rule.expression import Call
    >>> thaw(Call(Op.EXPREL, (Ref("x"),)), {"x": x})
    (exp(x) - 1)/x
    """
    if isinstance(expr, Number):
        return sp.Rational(expr.value.numerator, expr.value.denominator)
    if isinstance(expr, Ref):
        return values[expr.name]
    return _SYMPY[expr.op](*(thaw(argument, values) for argument in expr.args))


def rule_map(derivation: Derivation) -> dict[str, sp.Expr]:
    """What one step of the final rule makes of w, the buffers and the scalar states."""
    rule = derivation.rule
    values = _inputs(derivation)
    values |= {s.name: _carried(rule, s.name, values) for s in rule.block_states}
    for stage in rule.stages:
        for scalar in stage.scalars:
            values[scalar.name] = thaw(scalar.expr, values)
        local = dict(values)
        for element in stage.elements:
            _assign(element, local)
        for reduction in stage.reductions:
            values[reduction.name] = Total(thaw(reduction.expr, local))
        for store in stage.stores:
            values[store.target] = local[store.source]
    for assignment in rule.epilogue:
        values[assignment.name] = thaw(assignment.expr, values)
    after = {store.target: values[store.source] for store in rule.state_stores}
    kept = ["w", *(b.name for b in rule.buffers), *(s.name for s in rule.states)]
    return {name: after.get(name, values[name]) for name in kept}


def _carried(rule: UpdateRule, name: str, values: Mapping[str, sp.Expr]) -> sp.Expr:
    """What a state per block was made of in the step before: the same sum, of what is stored now.

    Only that makes the rule the function that was derived, so it is what has to be shown.
    """
    (source,) = (store.source for store in rule.state_stores if store.target == name)
    last = rule.stages[-1]
    sums = {r.name: r.expr for r in last.reductions}
    if source not in sums:
        return values.get(name, sp.Symbol(name, real=True))
    stored = {store.source: values[store.target] for store in last.stores}
    return Total(thaw(sums[source], {**values, **stored}))


def _assign(element: Element, values: dict[str, sp.Expr]) -> None:
    """Put what a sweep assigns into `values`; an iteration is written out."""
    if isinstance(element, Assign):
        values[element.name] = thaw(element.expr, values)
        return
    for variable in element.variables:
        _assign(variable, values)
    for _ in range(element.rounds):
        for assignment in element.body:
            _assign(assignment, values)
        values |= {store.target: values[store.source] for store in element.carry}


def update_map(derivation: Derivation) -> dict[str, sp.Expr]:
    """What one step of the derived update equations makes of w, X, U and t."""
    fields = field_names(derivation)
    update = derivation.update
    current: dict[sp.Symbol, sp.Expr] = {w: w, X: X, U: U, **{f: f for f in fields}}
    for assignment in update.inlined():
        current[assignment.target] = one_block(assignment.expr.xreplace(current))
    after = _inputs(derivation)[TIME] + update.time_step
    found = {"w": current[w], "X": current[X], TIME: after, L0.name: L0}
    found |= {name_of(s.symbol): current[s.symbol] for s in update.states}
    return found | {name: current[f] for f, name in fields.items()}


def _inputs(derivation: Derivation) -> dict[str, sp.Expr]:
    """The symbols that stand for the inputs of the rule, by their names in it."""
    spec = derivation.spec
    values: dict[str, sp.Expr] = {p.name: p.symbol for p in spec.hyperparameters}
    values |= {r.name: sp.Symbol(r.name, positive=True) for r in spec.reparametrization}
    states = [s.symbol for s in derivation.update.states]
    for symbol in (w, X, G, L, L0, U, STEP_NUMBER, START, NOISE, *states):
        values[name_of(symbol)] = symbol
    return values | {name: field for field, name in field_names(derivation).items()}


def check_identity(derivation: Derivation) -> Rung:
    """The rule and the symbolic update are one function."""
    name = "symbolic identity of rule and update equations"
    from_rule, from_update = rule_map(derivation), update_map(derivation)
    open_ = [k for k, e in from_rule.items() if not _is_zero(e - from_update[k])]
    domain = derivation.update.domain
    inputs = _inputs(derivation)
    guards = derivation.rule.guards
    if len(guards) != len(domain) or not all(
        _is_zero(thaw(guard.expr, inputs) - elementary(expr))
        for guard, (expr, _) in zip(guards, domain, strict=True)
    ):
        return judged(name, False, "the guards of the rule are not the domain of the update")
    found = [_difference_at(derivation, number) for number in range(POINTS)]
    differences = [value for value in found if value is not None]
    if len(differences) < POINTS // 2:
        return judged(name, False, "no oracle: too few points lie where β(t) exists")
    worst = max(differences)
    proof = "proved for every input" if not open_ else f"not shown exactly for {', '.join(open_)}"
    detail = f"{proof}; holds at {len(differences)} points to 42 digits"
    if worst > rational(TOLERANCE, MP):
        detail = f"relative difference {MP.nstr(worst, 3)} at {len(differences)} points"
    return judged(name, worst <= rational(TOLERANCE, MP), detail)


def _is_zero(expr: sp.Expr) -> bool:
    """Cheap exact rewriting; False means not shown."""
    if expr == 0:
        return True
    plain = sp.powsimp(sp.expand(expr))
    return bool(plain == 0 or sp.expand(sp.numer(sp.together(sp.expand(expr)))) == 0)


def _difference_at(derivation: Derivation, number: int) -> Value | None:
    """The largest relative difference of rule and update at a reproducible point.

    None where the point is outside the domain of the step.
    """
    rule = derivation.rule
    point = hyperparameters(derivation, number)
    step = number * number + 1

    def some(name: str) -> Fraction:
        return fraction(reproducible_value(name, number)) - Fraction(3, 4)

    vectors = {v: tuple(some(f"{v}{i}") for i in range(DIMENSION)) for v in ("w", "X", "G")}
    loss, energy = some("L"), some("U")
    parameters = {k: rational(v, MP) for k, v in point.items()}
    step_size = value_of(derivation.parameters.apply(tau), parameters, MP)
    fields = field_names(derivation)
    # Scalar states anywhere; what is called beta is positive.
    kept = {name_of(s.symbol): some(s.symbol.name) for s in derivation.update.states}
    kept |= {name: value + 1 for name, value in kept.items() if name == beta.name}
    kept |= {"U": energy, "L0": fraction(reproducible_value("L0", number))}
    scalars = {name: rational(value, MP) for name, value in kept.items()}
    env = {**parameters, **scalars, "L": rational(loss, MP), "n": MP.mpf(step)}
    env[TIME] = (step - 1) * step_size
    # The first step, or a larger loss, where the domain leaves this place out.
    places = [(number, value) for value in (loss, loss + 1) for number in (step, 1)]
    inside = (
        place
        for place in places
        if in_domain(
            derivation,
            {
                **env,
                "n": MP.mpf(place[0]),
                TIME: (place[0] - 1) * step_size,
                "L": rational(place[1], MP),
            },
        )
    )
    chosen = next(inside, None)
    if chosen is None:
        return None
    step, loss = chosen
    env |= {"n": MP.mpf(step), "L": rational(loss, MP)}
    time = env[TIME] = (step - 1) * step_size
    # Memory fields of squares are not negative.
    vectors |= {
        name: tuple(some(f"{name}{i}") ** 2 for i in range(DIMENSION)) for name in fields.values()
    }
    exact = {k: tuple(rational(x, MP) for x in v) for k, v in vectors.items()}
    expected = symbolic_step(
        derivation.update,
        fields,
        parameters,
        {
            **{name: exact[name] for name in ("w", "X", *fields.values())},
            **scalars,
            TIME: time,
        },
        step,
        exact["G"],
        rational(loss, MP),
    )
    state = State(
        {b.name: exact[b.name] for b in rule.buffers},
        {s.name: time if s.name == TIME else scalars[s.name] for s in rule.states},
        step - 1,
        {
            s.name: (value_of(total, {**env, **exact}, MP, DIMENSION),)
            for s in rule.block_states
            for total in (_carried(rule, s.name, _inputs(derivation)),)
        },
    )
    used = needed_parameters(rule, point)
    noise = noise_of(step, DIMENSION)
    new, weights = interpret(rule, used, state, exact["w"], exact["G"], loss, MPMATH, noise)
    found = {"w": weights, **new.buffers, **new.scalars}
    return difference(found, expected)


def in_domain(derivation: Derivation, env: Environment) -> bool:
    """Whether β(t) exists up to the end of the step."""
    return all(value_of(expr, env, MP) > 0 for expr, _ in derivation.update.domain)


def difference(found: Mapping[str, Value], expected: Mapping[str, Value]) -> Value:
    """The largest difference, relative to the larger of 1 and the expected value."""
    worst = MP.mpf(0)
    for name, value in found.items():
        for a, b in zip(_tuple(value), _tuple(expected[name]), strict=True):
            relative = abs(a - b) / max(MP.mpf(1), abs(b))
            if MP.isnan(relative):
                return MP.inf
            worst = max(worst, relative)
    return worst


def _tuple(value: Value) -> tuple[Value, ...]:
    return value if isinstance(value, tuple) else (value,)


def needed_parameters(rule: UpdateRule, point: Mapping[str, Fraction]) -> dict[str, Fraction]:
    """The values that the rule asks for; defaults for those of recipes, which no point has."""
    defaults = {p.name: p.default for p in rule.parameters if p.default is not None}
    values = {**defaults, **point}
    return {p.name: values[p.name] for p in rule.parameters}
