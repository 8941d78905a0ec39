"""A scheme as update equations: what is assigned, in order, with named coefficients.

This is the last symbolic form. The thermal law is put in, so that beta is gone; what varies from
step to step is either the number n of the step or the time s at its start. Every assignment reads
the current values, as a program does: after "X <- ...", X means the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from itertools import zip_longest

import sympy as sp

from symplectic_codegen.algebra.display import Formula, Printable
from symplectic_codegen.algebra.forms import is_negative, shortest
from symplectic_codegen.algebra.memory import Memory
from symplectic_codegen.algebra.notation import to_ascii, to_latex, to_unicode
from symplectic_codegen.algebra.proof import vanishes
from symplectic_codegen.algebra.symbols import (
    START,
    Component,
    G,
    L,
    U,
    X,
    Y,
    beta,
    beta0,
    d,
    t,
    tau,
    w,
)
from symplectic_codegen.algebra.vector import is_scalar, outer_totals
from symplectic_codegen.discretization.flows import Flow
from symplectic_codegen.discretization.scheme import Scheme
from symplectic_codegen.errors import NotSeparableError
from symplectic_codegen.mechanics.temperature import Temperature

STEP_NUMBER = sp.Symbol("n", positive=True, integer=True)  # 1 in the first step


class Clock(Enum):
    """What of the time of a step its coefficients depend on."""

    NONE = "none"
    STEP_NUMBER = "step number"
    TIME = "time"


@dataclass(frozen=True)
class Coefficient:
    """A scalar of the step, computed once."""

    symbol: sp.Symbol
    expr: sp.Expr
    meaning: str


@dataclass(frozen=True)
class Assignment:
    """target <- expr, in current values and coefficients."""

    target: sp.Symbol
    expr: sp.Expr


@dataclass(frozen=True)
class UpdateEquations(Printable):
    """One step of the optimizer, symbolically.

    Args:
        coefficients: in order of use.
        assignments: in order; targets are X, w and, if the energy is stepped, U.
        clock: what the coefficients depend on.
        domain: (expression, meaning) pairs; a step needs each expression to be positive.
    """

    coefficients: tuple[Coefficient, ...]
    assignments: tuple[Assignment, ...]
    clock: Clock
    domain: tuple[tuple[sp.Expr, str], ...]

    def inlined(self) -> tuple[Assignment, ...]:
        """The assignments with every coefficient written out."""
        values = {c.symbol: c.expr for c in self.coefficients}
        return tuple(Assignment(a.target, a.expr.xreplace(values)) for a in self.assignments)

    def formulas(self) -> tuple[Formula, ...]:
        """The assignments with every coefficient written out."""
        return tuple(
            Formula.equation(to_unicode(a.target), to_latex(a.target), a.expr, "←", r"\leftarrow")
            for a in self.inlined()
        )


def update_equations(
    scheme: Scheme,
    parameters: Callable[[sp.Expr], sp.Expr],
    initial_beta: sp.Expr = beta0,
    with_energy: bool = False,
    reserved: Collection[str] = (),
) -> UpdateEquations:
    """The update equations of `scheme`.

    Args:
        parameters: puts user-facing parameters in the place of physical ones.
        initial_beta: beta at time 0; the symbol beta0 or a number.
        with_energy: step U too (needs the value of the loss).
        reserved: names of hyperparameters, which no coefficient may take.
    """
    profile = scheme.temperature.profile(initial_beta)
    if profile is None:
        raise NotSeparableError(f"the temperature is feedback: {scheme.temperature.reason}")
    namer = _Namer(reserved)
    assignments: list[Assignment] = []
    linear = _is_linear(scheme)
    clock = scheme.offset  # where beta is, in steps from the start of this one
    program = scheme.program
    absorbed = False  # whether the kick just made has taken the stretch of the dilation after it
    for flow, following in zip_longest(program, program[1:]):
        start = profile.subs(t, START + clock * tau)
        if X in flow.updates and flow.stretch == 1:
            clock += flow.advance
            end = profile.subs(t, START + clock * tau)
            absorbed = linear and following is not None and _only_stretches(following)
            stretch = following.stretch.subs(beta, end) if absorbed else sp.S.One
            updates = _kick(scheme, flow, start, end, stretch, namer)
        elif flow.stretch != 1:
            updates = _dilation(flow, start, absorbed, namer)
            absorbed = False
        elif w in flow.updates:
            updates = _rest(flow, start, namer)
        else:
            updates = [_relaxation(field, new, namer) for field, new in flow.updates.items()]
        # U first: its update reads the old momenta where a flow changes both.
        ordered = sorted(updates, key=lambda a: a.target != U)
        kept = [a for a in ordered if a.target != U or (with_energy and a.expr != U)]
        assignments += kept
    used = set().union(*(a.expr.free_symbols for a in assignments))
    raw = [c for c in namer.coefficients if c.symbol in used]
    coefficients, ticks = _on_clock(raw, parameters)
    # A coefficient that has become a number is no coefficient: 0*X and 1*G go away.
    numbers = {c.symbol: c.expr for c in coefficients if c.expr.is_Rational}
    return UpdateEquations(
        tuple(c for c in coefficients if c.symbol not in numbers),
        tuple(Assignment(a.target, a.expr.xreplace(numbers)) for a in assignments),
        ticks,
        _domain(scheme.temperature, profile, parameters),
    )


class _Namer:
    """Collects coefficients under readable names, each name once."""

    def __init__(self, reserved: Collection[str]) -> None:
        self.coefficients: list[Coefficient] = []
        self.reserved = frozenset(reserved)

    def name(self, base: str, expr: sp.Expr, meaning: str) -> sp.Expr:
        if expr.is_number:
            return expr
        for known in self.coefficients:
            if known.expr == expr:
                return known.symbol
        taken = self.reserved | {c.symbol.name for c in self.coefficients}
        name, number = base, 2
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        symbol = sp.Symbol(name, real=True)
        self.coefficients.append(Coefficient(symbol, expr, meaning))
        return symbol


def _is_linear(scheme: Scheme) -> bool:
    """Whether Y = m(beta) X, so that the momenta are updated by a linear formula."""
    slope = sp.diff(scheme.space.coupling, X)
    return not slope.has(X) and vanishes(scheme.space.coupling - slope * X)


def _only_stretches(flow: Flow) -> bool:
    """Whether this is a dilation that leaves U alone: then a kick can take over its stretch."""
    return bool(flow.stretch != 1 and flow.updates[U] == U)


def _dilation(flow: Flow, at: sp.Expr, absorbed: bool, namer: _Namer) -> list[Assignment]:
    """w, U and (unless the kick before it has `absorbed` the stretch) X after a dilation."""
    shrink = namer.name("shrink", 1 / flow.stretch.subs(beta, at), "decay of the weights")
    energy = _factored(flow.updates[U].subs(beta, at), namer)
    result = [Assignment(w, shrink * w), Assignment(U, energy)]
    if not absorbed:
        result.append(Assignment(X, _collect(flow.updates[X].subs(beta, at), namer, {})))
    return result


def _relaxation(field: sp.Symbol, new: sp.Expr, namer: _Namer) -> Assignment:
    """A memory field after the step, as decay and gain."""
    assert isinstance(field, Memory)
    keep = namer.name("memory", sp.diff(new, field), f"what stays of {field.name}")
    gain = namer.name("intake", new.xreplace({field: sp.S.Zero}) / field.source, "what comes in")
    return Assignment(field, keep * field + gain * field.source)


def _kick(
    scheme: Scheme,
    flow: Flow,
    before: sp.Expr,
    after: sp.Expr,
    stretch: sp.Expr,
    namer: _Namer,
) -> list[Assignment]:
    """X and U after kick and cooling, with beta = `before` -> `after`, and X stretched."""
    space = scheme.space
    slope = sp.diff(space.coupling, X)
    if not _is_linear(scheme):
        # A nonlinear coupling: Y is formed, kicked, and turned back into X.
        old = space.coupling.subs(beta, before)
        total = _collect(old, namer, {})
        for weight, force in flow.impulses:
            total += (
                namer.name(
                    _impulse_name(force),
                    weight.subs(beta, before),
                    f"impulse weight of {_shape(force)}",
                )
                * force
            )
        inverse = space.solve_coupling().subs(beta, after)
        momenta = Assignment(X, _collect(inverse, namer, {Y: total}))
        return [Assignment(U, _factored(flow.updates[U].subs(beta, before), namer)), momenta]
    mass_before, mass_after = slope.subs(beta, before), slope.subs(beta, after) / stretch
    decay = namer.name(
        "decay", mass_before / mass_after, "beta(t-tau)/beta(t): what cooling leaves of the momenta"
    )
    kicked = decay * X
    for weight, force in flow.impulses:
        scalar, direction = _split(force)
        gain = namer.name(
            _impulse_name(direction),
            weight.subs(beta, before) * scalar / mass_after,
            f"impulse of {_shape(direction)}: time average of the thermal mass over the step",
        )
        kicked += gain * _collect(direction, namer, {})
    # Named after the momenta, so that shared coefficients are called decay and impulse.
    energy = Assignment(U, _factored(flow.updates[U].subs(beta, before), namer))
    return [energy, Assignment(X, kicked)]


def _rest(flow: Flow, at: sp.Expr, namer: _Namer) -> list[Assignment]:
    """w and U after a drift at beta = `at`."""
    moved = sp.expand_mul(flow.updates[w].subs(beta, at) - w)
    result: sp.Expr = w
    for term in sp.Add.make_args(moved):
        scalar, direction = _split(term)
        sign = -1 if is_negative(scalar) else 1
        rate = namer.name("rate", sign * scalar, "learning rate of the drift")
        result += sign * rate * _collect(direction, namer, {})
    energy = _factored(flow.updates[U].subs(beta, at), namer)
    return [Assignment(U, energy), Assignment(w, result)]


def _is_known(expr: sp.Expr) -> bool:
    """Whether `expr` can be a coefficient: no components, sums, or values of the run in it."""
    return is_scalar(expr) and not outer_totals(expr) and not expr.has(L, U, d)


def _split(term: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """A product as (coefficient, the rest with components and sums)."""
    scalar: list[sp.Expr] = []
    rest: list[sp.Expr] = []
    for factor in sp.Mul.make_args(sp.factor_terms(term)):
        (scalar if _is_known(factor) else rest).append(factor)
    return sp.Mul(*scalar), sp.Mul(*rest)


def _collect(expr: sp.Expr, namer: _Namer, values: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
    """`expr` with its largest scalar subexpressions named."""
    if expr in values:
        return values[expr]
    if expr.is_number or expr in (L, U, d) or isinstance(expr, Component):
        return expr
    if _is_known(expr):
        return namer.name("scale", expr, "scalar of the step")
    if expr.is_Mul or expr.is_Add:
        known = [a for a in expr.args if _is_known(a) and not a.is_number]
        others = [a for a in expr.args if a not in known]
        parts = [_collect(a, namer, values) for a in others]
        if known:
            parts.append(namer.name("scale", expr.func(*known), "scalar of the step"))
        return expr.func(*parts)
    return expr.func(*(_collect(a, namer, values) for a in expr.args))


def _factored(update: sp.Expr, namer: _Namer) -> sp.Expr:
    """An update of U as a sum of named coefficients times U, L and sums over components."""
    by_quantity: dict[sp.Expr, sp.Expr] = {}
    for term in sp.Add.make_args(sp.expand_mul(sp.factor_terms(update))):
        coefficient, quantity = term.as_independent(U, L, d, *outer_totals(term), as_Add=False)
        by_quantity[quantity] = by_quantity.get(quantity, sp.S.Zero) + coefficient
    result: sp.Expr = sp.S.Zero
    for quantity, coefficient in by_quantity.items():
        sign = -1 if is_negative(coefficient) else 1
        base = {U: "energy_decay", L: "energy_work"}.get(quantity, "energy_drift")
        named = namer.name(base, sign * coefficient, "coefficient of the internal energy")
        result += sign * named * _collect(quantity, namer, {})
    return result


def _impulse_name(direction: sp.Expr) -> str:
    if direction == G:
        return "impulse"
    if direction == w:
        return "pull"
    return "force"


def _shape(direction: sp.Expr) -> str:
    return {G: "the loss gradient", w: "the weights"}.get(direction, str(direction))


def _on_clock(
    raw: list[Coefficient], parameters: Callable[[sp.Expr], sp.Expr]
) -> tuple[tuple[Coefficient, ...], Clock]:
    """Coefficients in user-facing parameters, on the simplest clock that serves them.

    If, with s = (n - 1) tau, the step tau cancels, the number of the step is enough and the rule
    stays right when the step size is scheduled. Otherwise time itself is kept.
    """
    # Short in physical parameters first: what cancels there need not cancel in user-facing ones.
    physical = [shortest(c.expr) for c in raw]
    in_time = [shortest(parameters(e)) for e in physical]
    if not any(e.has(START) for e in in_time):
        return _with(raw, in_time), Clock.NONE
    at_step = (STEP_NUMBER - 1) * tau
    counted = [
        shortest(parameters(sp.powsimp(e.subs(START, at_step).replace(sp.exp, _expanded))))
        if e.has(START)
        else known
        for e, known in zip(physical, in_time, strict=True)
    ]
    step_symbols = parameters(tau).free_symbols
    dated = [e for e in counted if e.has(STEP_NUMBER)]
    timed = [e.as_independent(STEP_NUMBER, as_Add=False)[1] for e in dated]
    if not any(e.free_symbols & step_symbols for e in timed):
        return _with(raw, counted), Clock.STEP_NUMBER
    return _with(raw, in_time), Clock.TIME


def _expanded(exponent: sp.Expr) -> sp.Expr:
    return sp.exp(sp.expand(exponent))


def _with(raw: list[Coefficient], exprs: list[sp.Expr]) -> tuple[Coefficient, ...]:
    return tuple(replace(c, expr=e) for c, e in zip(raw, exprs, strict=True))


def _domain(
    temperature: Temperature, profile: sp.Expr, parameters: Callable[[sp.Expr], sp.Expr]
) -> tuple[tuple[sp.Expr, str], ...]:
    """Conditions for beta(t) to exist, and to be positive, up to the end of the step."""
    conditions = []
    # A beta that never falls stays positive; of any other profile the sign is watched.
    if not temperature.rate.is_nonnegative and not profile.is_positive:
        end = parameters(sp.expand(profile.subs(t, START + tau)))
        conditions.append(
            (
                end,
                "this step would end where the thermal parameter is not positive: "
                f"beta(t) = {to_ascii(profile)}",
            )
        )
    # A power of a sum comes from the quadrature of the thermal law: beyond a zero of the sum the
    # formula may go on, the motion does not.
    bases = [p.base for p in profile.atoms(sp.Pow) if p.base.is_Add]
    bases += [e.args[0] for e in profile.atoms(sp.log)]
    bases += [sp.pi / 2 - e.args[0] for e in profile.atoms(sp.tan)]
    for base in sorted(set(bases), key=sp.default_sort_key):
        if not base.has(t) or base.is_positive:
            continue
        end = parameters(sp.expand(base.subs(t, START + tau)))
        conditions.append(
            (
                end,
                "this step would leave the domain of the thermal law: beta(t) exists only while "
                f"{to_ascii(base)} > 0",
            )
        )
    return tuple(conditions)
