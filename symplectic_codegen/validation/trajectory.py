"""Rungs 2 and 3: 50-digit trajectories, and what rounding may make of them.

The tolerance of a comparison with a trajectory is derived, not tuned. Let J_k be the Jacobian of
step k along the exact trajectory, and let delta_k bound the error that one honest evaluation of
step k can make in the type of the sweeps (a running error analysis of the rule, operation by
operation, plus half a unit for the rounding of gradient and loss). To first order the error after
step n is at most

    sum over k <= n of |J_n J_(n-1) ... J_(k+1)| delta_k,

component by component. A factor 1.1 covers the second order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy as sp

from symplectic_codegen.algebra.symbols import START, beta0, t, tau
from symplectic_codegen.driver import Derivation
from symplectic_codegen.rule.interpreter import (
    FLOAT64,
    Bounded,
    RoundingBounds,
    evaluate,
    initial_state,
    interpret,
    rounding_bounds,
)
from symplectic_codegen.rule.interpreter import State as RuleState
from symplectic_codegen.rule.noise import standard_normal
from symplectic_codegen.rule.rule import UpdateRule
from symplectic_codegen.validation.evaluation import (
    MP,
    TIME,
    State,
    Value,
    field_names,
    rational,
    start_state,
    symbolic_step,
    value_of,
)
from symplectic_codegen.validation.identity import difference, in_domain, needed_parameters
from symplectic_codegen.validation.problem import (
    DIMENSION,
    START_W,
    STEPS,
    Loss,
    hyperparameters,
    is_point,
)
from symplectic_codegen.validation.report import Rung, judged

Floats = npt.NDArray[np.float64]

FEWEST_STEPS = 10
LARGEST = 10**6  # a trajectory that leaves this range tests overflow, not the rule
AGREEMENT = Fraction(1, 10**40)
SECOND_ORDER = 1.1
_DOUBLINGS = 40
_SHIFT = Fraction(1, 10**60)  # from a bound value whose physical parameter is infinite


class NoOracleError(Exception):
    """No trajectory could be made; the caller turns it into a failed rung."""


@dataclass(frozen=True)
class Rounding:
    """How code rounds that has its scalars in double precision.

    Args:
        numbers: the rounding of its operations.
    """

    numbers: RoundingBounds

    def step(
        self,
        rule: UpdateRule,
        hyperparameters: Mapping[str, Any],
        state: RuleState,
        w: Bounded,
        G: Bounded,
        loss: Any,
        noise: Bounded,
        blocks: Sequence[int] | None = None,
    ) -> tuple[RuleState, Bounded]:
        """One step from exact values; what the code may be off is the error of the result."""
        return interpret(rule, hyperparameters, state, w, G, loss, self.numbers, noise, blocks)

    def noise(self, step: int, size: int) -> Bounded:
        """The random numbers of a step, with what rounding and library functions do to them."""
        exact = np.array(standard_normal(0, step, range(size)))
        numbers = self.numbers
        return Bounded(exact, np.abs(exact) * numbers.element_unit + 64 * numbers.unit)


@lru_cache(maxsize=4)
def rounding_of(dtype: str) -> Rounding:
    """The rounding of sweeps in `dtype`; a pure function of its name."""
    return Rounding(rounding_bounds(dtype))


@dataclass(frozen=True)
class Trajectory:
    """A 50-digit trajectory of the symbolic update equations.

    Args:
        point: the hyperparameters, exactly.
        states: before the first step, and after each one.
    """

    derivation: Derivation
    loss: Loss
    point: Mapping[str, Fraction]
    states: tuple[State, ...]

    @property
    def steps(self) -> int:
        return len(self.states) - 1

    @property
    def rule(self) -> UpdateRule:
        return self.derivation.rule

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What of a state the rule keeps."""
        rule = self.rule
        return ("w", *(b.name for b in rule.buffers), *(s.name for s in rule.states))

    def step(self, state: State, number: int, G: Value = None, loss: Value = None) -> State:
        """One exact step; gradient and loss are taken at the state unless given."""
        if G is None:
            G = self.loss.gradient(state["w"], MP)
        if loss is None:
            loss = self.loss.value(state["w"], MP)
        return symbolic_step(
            self.derivation.update,
            self.fields,
            self.parameters,
            state,
            number,
            G,
            loss,
        )

    @cached_property
    def fields(self) -> dict[sp.Symbol, str]:
        return field_names(self.derivation)

    @cached_property
    def parameters(self) -> dict[str, Value]:
        return {name: rational(value, MP) for name, value in self.point.items()}

    @cached_property
    def step_size(self) -> Value:
        return value_of(self.derivation.parameters.apply(tau), self.parameters, MP)

    def flat(self, state: State) -> list[Value]:
        """The numbers of a state in one row."""
        row: list[Value] = []
        for name in self.names:
            value = state[name]
            row += value if isinstance(value, tuple) else [value]
        return row

    @cached_property
    def jacobians(self) -> tuple[Floats, ...]:
        """The Jacobian of each step, by differences of 10**-25 at 50 digits."""
        small = MP.mpf(10) ** -25
        result = []
        for number in range(1, self.steps + 1):
            before, base = self.states[number - 1], self.flat(self.states[number])
            columns = [
                [(b - a) / small for a, b in zip(base, self.flat(moved), strict=True)]
                for moved in (self.step(state, number) for state in self._perturbed(before, small))
            ]
            result.append(np.array(columns, np.float64).T)
        return tuple(result)

    def _perturbed(self, state: State, small: Value) -> list[State]:
        moved = []
        for name in self.names:
            value = state[name]
            if isinstance(value, tuple):
                moved += [
                    {**state, name: (*value[:i], value[i] + small, *value[i + 1 :])}
                    for i in range(len(value))
                ]
            else:
                moved.append({**state, name: value + small})
        return moved

    @cached_property
    def _bounds_so_far(self) -> dict[Rounding, tuple[Floats, ...]]:
        return {}

    def bounds(self, rounding: Rounding) -> tuple[Floats, ...]:
        """How far from each state a run may be that rounds like this."""
        known = self._bounds_so_far
        if rounding not in known:
            known[rounding] = self._bounds(rounding)
        return known[rounding]

    def _bounds(self, rounding: Rounding) -> tuple[Floats, ...]:
        rule, numbers = self.rule, rounding.numbers
        used = needed_parameters(rule, self.point)
        size = len(self.flat(self.states[0]))
        # Start data are exact, so that the first bound is zero.
        propagated: list[Floats] = []
        result = [np.zeros(size)]
        for number in range(1, self.steps + 1):
            before = self.states[number - 1]
            w = np.array(before["w"], np.float64)
            G = np.array(self.loss.gradient(before["w"], MP), np.float64)
            loss = float(self.loss.value(before["w"], MP))
            new, moved = rounding.step(
                rule,
                used,
                bounded_state(rule, before, number - 1, numbers),
                Bounded(w, np.zeros_like(w)),
                Bounded(G, np.abs(G) * numbers.element_unit + numbers.element_tiny),
                Bounded(np.float64(loss), np.float64(abs(loss) * numbers.unit)),
                rounding.noise(number, w.size),
            )
            own = np.concatenate(
                [
                    moved.error,
                    *(new.buffers[b.name].error for b in rule.buffers),
                    *(np.atleast_1d(new.scalars[s.name].error) for s in rule.states),
                ]
            )
            jacobian = self.jacobians[number - 1]
            propagated = [jacobian @ p for p in propagated] + [np.diag(own)]
            result.append(
                SECOND_ORDER * np.sum([np.abs(p).sum(axis=1) for p in propagated], axis=0)
            )
        return tuple(result)


def bounded_state(rule: UpdateRule, state: State, steps: int, numbers: RoundingBounds) -> RuleState:
    """A state with double precision values; only sums that are carried along have an error."""

    def exactly(value: Value) -> Bounded:
        number = np.array(value, np.float64) if isinstance(value, tuple) else np.float64(value)
        return Bounded(number, np.zeros_like(number))

    buffers = {b.name: exactly(state[b.name]) for b in rule.buffers}
    scalars = {s.name: exactly(state[s.name]) for s in rule.states}
    return RuleState(buffers, scalars, steps, carried_sums(rule, buffers, (DIMENSION,), numbers))


def carried_sums(
    rule: UpdateRule,
    buffers: Mapping[str, Bounded],
    blocks: Sequence[int],
    numbers: RoundingBounds,
) -> dict[str, Bounded]:
    """The states per block that are sums over what is stored, as the step before has made them."""
    sources = {store.target: store.source for store in rule.state_stores}
    last = rule.stages[-1]
    sums = {r.name: r.expr for r in last.reductions}
    stored = {s.source: buffers[s.target] for s in last.stores if s.target in buffers}
    found = {}
    for block in rule.block_states:
        expr = sums[sources[block.name]]
        values = evaluate(expr, {**buffers, **stored}, numbers.element())
        found[block.name] = numbers.block_totals(values, blocks)
    return found


def make_trajectory(derivation: Derivation, loss: Loss, number: int) -> Trajectory:
    """A trajectory of up to `STEPS` steps that stays bounded and inside the domain.

    Raises:
        NoOracleError: there is none at the step sizes that were tried.
    """
    longest: Trajectory | None = None
    for shrink in range(8):
        point = hyperparameters(derivation, number, shrink)
        found = _run(derivation, loss, point)
        if found.steps == STEPS:
            return found
        if longest is None or found.steps > longest.steps:
            longest = found
    if longest is None or longest.steps < FEWEST_STEPS:
        raise NoOracleError(
            f"no oracle: at no step size that was tried do {FEWEST_STEPS} steps stay finite "
            "and inside the domain of β(t)"
        )
    return longest


def _run(derivation: Derivation, loss: Loss, point: Mapping[str, Fraction]) -> Trajectory:
    weights = tuple(rational(x, MP) for x in START_W)
    parameters = {name: rational(value, MP) for name, value in point.items()}
    start = start_state(derivation.update, field_names(derivation), parameters, weights)
    empty = Trajectory(derivation, loss, point, (start,))
    states = [start]
    for number in range(1, STEPS + 1):
        value = loss.value(states[-1]["w"], MP)
        env = {**parameters, **states[-1], "n": MP.mpf(number), "L": value}
        env |= {"L0": value} if number == 1 else {}
        try:
            if not in_domain(derivation, env):
                break
            new = empty.step(states[-1], number)
        except (ZeroDivisionError, OverflowError):
            break
        if not all(_is_moderate(x) for x in Trajectory.flat(empty, new)):
            break
        states.append(new)
    return Trajectory(derivation, loss, point, tuple(states))


def _is_moderate(value: Value) -> bool:
    return not isinstance(value, MP.mpc) and bool(abs(value) <= LARGEST)


def check_forms(trajectory: Trajectory) -> Rung:
    """The update in physical parameters makes the same trajectory as the user-facing one."""
    name = f"50-digit trajectory on {trajectory.loss.name}"
    physical, shifted = _physical_point(trajectory)
    derivation = trajectory.derivation
    state = trajectory.states[0]
    worst = MP.mpf(0)
    for number in range(1, trajectory.steps + 1):
        state = symbolic_step(
            derivation.physical_update,
            trajectory.fields,
            physical,
            state,
            number,
            trajectory.loss.gradient(state["w"], MP),
            trajectory.loss.value(state["w"], MP),
        )
        expected = trajectory.states[number]
        worst = max(worst, difference({k: state[k] for k in state if k != TIME}, expected))
    limit = f"; {', '.join(shifted)} taken {float(_SHIFT):.0e} from the bound" if shifted else ""
    return judged(
        name,
        worst <= rational(AGREEMENT, MP),
        f"physical and user-facing form differ by {MP.nstr(worst, 2)}, bound 1e-40, "
        f"{trajectory.steps} steps, d={DIMENSION}{limit}",
    )


def check_domain(trajectory: Trajectory) -> Rung:
    """Where β(t) is no positive number, the update says so: its domain leaves nothing out."""
    name = "domain of β(t)"
    derivation = trajectory.derivation
    if derivation.temperature.propagator is None:
        return Rung(name, "not applicable", f"β is state: {derivation.temperature.reason}")
    if derivation.spec.cooling != "exact":
        return Rung(name, "not applicable", f"β follows the {derivation.spec.cooling} cooling map")
    physical, _ = _physical_point(trajectory)
    initial = sp.S.Zero if physical.get("beta0") == 0 else beta0
    profile = derivation.temperature.profile(initial)
    if profile is None:
        return judged(name, False, "no oracle: β(t) has no closed form")
    first: int | None = None
    for exponent in range(_DOUBLINGS + 1):
        step = 2**exponent
        end = {**physical, "d": MP.mpf(DIMENSION), TIME: step * physical["tau"]}
        try:
            value = value_of(profile.xreplace({t: START}), end, MP)
            exists = isinstance(value, MP.mpf) and bool(value > 0)
        except ZeroDivisionError:
            exists = False
        if exists:
            continue
        first = step if first is None else first
        before = {"n": MP.mpf(step), TIME: (step - 1) * trajectory.step_size}
        if in_domain(derivation, {**trajectory.parameters, **before}):
            return judged(name, False, f"after step {step} β(t) > 0 fails, and no guard says so")
    where = "nowhere" if first is None else f"from step {first} at the latest"
    return judged(
        name, True, f"β(t) > 0 fails {where}, looked at up to 2**{_DOUBLINGS} steps; guards agree"
    )


def _physical_point(trajectory: Trajectory) -> tuple[dict[str, Value], tuple[str, ...]]:
    """Physical parameters at the point; a bound name at a singular value is moved a little."""
    derivation = trajectory.derivation
    values = dict(trajectory.parameters)
    shifted: tuple[str, ...] = ()
    physical = _mapped(derivation, values)
    if physical is None:
        bound = [r.name for r in derivation.spec.reparametrization if is_point(r.bounds)]
        for name in bound:
            values[name] += rational(_SHIFT, MP)
        shifted = tuple(bound)
        physical = _mapped(derivation, values)
    if physical is None:
        raise NoOracleError("no oracle: the physical parameters are not finite at the point")
    return {**values, **physical}, shifted


def _mapped(derivation: Derivation, values: Mapping[str, Value]) -> dict[str, Value] | None:
    expressions: dict[sp.Symbol, sp.Expr] = {tau: tau, **derivation.parameters.physical}
    try:
        found = {str(s.name): value_of(e, values, MP) for s, e in expressions.items()}
    except ZeroDivisionError:
        return None
    return found if all(MP.isfinite(x) for x in found.values()) else None


def check_interpreter(trajectory: Trajectory) -> Rung:
    """The float64 interpreter of the rule follows the 50-digit trajectory."""
    rule = trajectory.rule
    used = needed_parameters(rule, trajectory.point)
    w: Any = np.array([float(x) for x in START_W])
    state = initial_state(rule, used, DIMENSION)
    worst = Worst()
    for number in range(1, trajectory.steps + 1):
        exact = tuple(MP.mpf(float(x)) for x in w)
        G = np.array(trajectory.loss.gradient(exact, MP), np.float64)
        loss = float(trajectory.loss.value(exact, MP))
        noise = standard_normal(0, number, range(DIMENSION))
        state, w = interpret(rule, used, state, w, G, loss, FLOAT64, noise)
        found = {"w": w, **state.buffers, **state.scalars}
        row = np.concatenate([np.atleast_1d(found[name]) for name in trajectory.names])
        expected = trajectory.flat(trajectory.states[number])
        bounds = trajectory.bounds(rounding_of("float64"))[number]
        worst = worst.with_row(row, expected, bounds, 2.0**-52)
    return judged(
        f"float64 interpreter on {trajectory.loss.name}",
        worst.ok,
        f"{worst}, {trajectory.steps} steps, d={DIMENSION}",
    )


@dataclass(frozen=True)
class Worst:
    """The largest error so far, in units of its bound and in units in the last place."""

    ratio: float = 0.0
    ulps: float = 0.0
    bound: float = 0.0

    @property
    def ok(self) -> bool:
        return self.ratio <= 1.0

    def with_row(self, found: Any, expected: list[Value], bounds: Floats, eps: float) -> Worst:
        """This, or what is worse in a row of numbers; NaN is the worst of all."""
        result = self
        for a, b, bound in zip(found, expected, bounds, strict=True):
            error = float(abs(MP.mpf(float(a)) - b)) if np.isfinite(a) else np.inf
            if not np.isfinite(error):
                ratio = np.inf
            else:
                ratio = 0.0 if error == 0 else error / bound if bound else np.inf
            unit = eps * max(abs(float(b)), float(np.finfo(np.float64).tiny))
            if ratio > result.ratio:
                result = Worst(ratio, error / unit, float(bound) / unit)
        return result

    def __str__(self) -> str:
        if self.ratio == 0:
            return "no error"
        return f"max error {self.ulps:.3g} ulp where the bound is {self.bound:.3g} ulp"
