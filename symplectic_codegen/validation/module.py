"""Rung 4: a generated module against the oracles above it.

A step of the module is compared in two ways: with the exact step from the very state that the
module was in (no error of earlier steps can hide or excuse anything), and, over the whole run, with
the 50-digit trajectory. Both tolerances come from a rounding analysis of the rule.

The module may have been edited into anything, so it is not trusted: what it raises is a finding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from symplectic_codegen.algebra.symbols import L0, beta
from symplectic_codegen.generation import import_source
from symplectic_codegen.rule.interpreter import Bounded
from symplectic_codegen.rule.interpreter import State as RuleState
from symplectic_codegen.rule.rule import BlockState, UpdateRule
from symplectic_codegen.validation.evaluation import MP, TIME, State
from symplectic_codegen.validation.identity import in_domain, needed_parameters
from symplectic_codegen.validation.problem import DIMENSION, START_W
from symplectic_codegen.validation.report import Rung, judged
from symplectic_codegen.validation.trajectory import (
    Rounding,
    Trajectory,
    Worst,
    carried_sums,
    rounding_of,
)

T = TypeVar("T")
Array = npt.NDArray[Any]

# A scalar, no elements, rows, columns, a view with gaps, more than one SIMD register.
_SHAPES: tuple[tuple[int, ...], ...] = ((), (0,), (3,), (2, 5), (7, 3), (261,))
_LARGE = 70001  # generated code shares work between threads from 65536 elements
_ROUNDS = 4
_RUNAWAY = 50  # cosh of it is still a float32; the trajectories stay far below


class ForeignError(Exception):
    """The module under test raised, or returned what it must not return."""


def foreign(what: str, call: Callable[[], T]) -> T:
    """The result of a call into the module under test.

    Raises:
        ForeignError: it raised anything.
    """
    try:
        return call()
    except (Exception, SystemExit) as error:
        # The file may have been edited to do anything: whatever it raises is its failure, and
        # must not stop the validation of the next file. Ctrl-C still does.
        raise ForeignError(f"{what} raised {type(error).__name__}: {error}") from error


def load_module(
    name: str,
    text: str,
    others: Mapping[str, str] | None = None,
    prepare: Callable[[ModuleType], object] | None = None,
) -> ModuleType:
    """A generated file as a module: it is executed.

    Args:
        name: of the optimizer.
        text: the file.
        others: files that lie beside it, by their names.
        prepare: what is done with the module before it is used.

    Raises:
        ForeignError: it cannot be imported.
    """
    module: ModuleType = foreign("importing it", lambda: import_source(name, text, others))
    if prepare is not None:
        foreign("preparing it", lambda: prepare(module))
    return module


def public_of(module: ModuleType, name: str) -> Any:
    """The optimizer class, or factory, of a generated module.

    Raises:
        ForeignError: it has no such class or function.
    """
    public = vars(module).get(name)
    if not callable(public):
        raise ForeignError(f"it has no {name}")
    return public


class Layouts(Enum):
    """How the parameters of an optimizer may lie in memory."""

    ANY = "with gaps, in either order"
    DENSE = "without gaps, in either order"
    ROWS = "row by row: its arrays have no layout of their own"


@dataclass(frozen=True)
class Subject:
    """The optimizer under test, and the rule that it claims to be.

    Args:
        make_optimizer: (parameters, hyperparameters) -> an optimizer that changes the parameters
            in place, with the interface of the array targets.
        rule: what it claims to compute.
        label: what it is called in the report.
        rounding: how it rounds in each type.
        most_steps: up to which number it counts.
        layouts: how its parameters may lie in memory.
        own_clocks: whether each parameter counts its own steps.
    """

    make_optimizer: Callable[[list[Array], Mapping[str, float]], Any]
    rule: UpdateRule
    label: str = "module"
    rounding: Callable[[str], Rounding] = rounding_of
    most_steps: int = 2**62
    layouts: Layouts = Layouts.ANY
    own_clocks: bool = False

    def make(self, params: Sequence[Array], values: Mapping[str, float]) -> Run:
        """An optimizer on `params`, which it changes in place."""
        arrays = list(params)
        optimizer = foreign("the constructor", lambda: self.make_optimizer(arrays, values))
        return Run(self.rule, arrays, optimizer, self.rounding(arrays[0].dtype.name))


@dataclass(frozen=True)
class Run:
    """An optimizer at work."""

    rule: UpdateRule
    params: list[Array]
    optimizer: Any
    rounding: Rounding

    @property
    def blocks(self) -> tuple[BlockState, ...]:
        return self.rule.block_states

    def step(self, grads: Sequence[Array | None], loss: float) -> None:
        more = {"loss": loss} if self.rule.needs_loss else {}
        foreign("step", lambda: self.optimizer.step(list(grads), **more))
        if hasattr(self.optimizer, "check"):  # a device refuses steps later
            foreign("check", lambda: self.optimizer.check())

    def saved(self) -> dict[str, Any]:
        """Its state_dict, with the entries that are promised."""
        state = foreign("state_dict", lambda: self.optimizer.state_dict())
        try:
            return {
                "hyperparameters": dict(state["hyperparameters"]),
                "step": int(state["step"]),
                "scalars": {s.name: float(state["scalars"][s.name]) for s in self.rule.states},
                "buffers": {
                    b.name: [np.array(a) for a in state["buffers"][b.name]]
                    for b in self.rule.buffers
                },
                "blocks": {s.name: np.array(state["blocks"][s.name]) for s in self.blocks},
            }
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ForeignError(f"state_dict is not as documented: {error!r}") from error

    def restore(self, state: Mapping[str, Any]) -> None:
        foreign("load_state_dict", lambda: self.optimizer.load_state_dict(state))


def check_trajectory(subject: Subject, trajectory: Trajectory, dtype: str) -> Rung:
    """The module on the test problem, step by step and over the whole run."""
    name = f"{dtype} {subject.label} on {trajectory.loss.name}"
    try:
        local, whole = _follow(subject, trajectory, dtype)
    except ForeignError as error:
        return judged(name, False, str(error))
    return judged(
        name,
        local.ok and whole.ok,
        f"each step: {local}; whole run: {whole}; {trajectory.steps} steps, d={DIMENSION}",
    )


def _follow(subject: Subject, trajectory: Trajectory, dtype: str) -> tuple[Worst, Worst]:
    rule = subject.rule
    used = needed_parameters(rule, trajectory.point)
    w = np.array([float(x) for x in START_W], dtype)
    run = subject.make([w], {k: float(v) for k, v in used.items()})
    eps = float(np.finfo(dtype).eps)
    local, whole = Worst(), Worst()
    saved = run.saved()
    for number in range(1, trajectory.steps + 1):
        before = _exact_state(w, saved)
        if not all(MP.isfinite(x) for x in before["w"]):
            raise ForeignError(f"after step {number - 1} the parameters are not finite")
        if not all(abs(x) <= _RUNAWAY for x in before["w"]):
            raise ForeignError(f"after step {number - 1} the parameters have run away")
        G = np.array([float(x) for x in trajectory.loss.gradient(before["w"], MP)], dtype)
        loss = float(trajectory.loss.value(before["w"], MP))
        exact_G = tuple(MP.mpf(float(g)) for g in G)
        expected = trajectory.step(before, number, exact_G, MP.mpf(loss))
        bound = _bound(run, used, w, saved, number, G, loss)
        run.step([G], loss)
        saved = run.saved()
        if saved["step"] != number:
            raise ForeignError(f"after step {number} it counts {saved['step']}")
        found = _row(rule, w, saved)
        local = local.with_row(found, trajectory.flat(expected), bound, eps)
        flat = trajectory.flat(trajectory.states[number])
        whole = whole.with_row(found, flat, trajectory.bounds(run.rounding)[number], eps)
    return local, whole


def _exact_state(w: Array, saved: Mapping[str, Any]) -> State:
    """The state of the module as exact numbers."""
    zero = MP.mpf(0)
    state: State = {"X": (zero,) * w.size, "U": zero, "t": zero, "L0": zero}
    state["w"] = tuple(MP.mpf(float(x)) for x in w)
    for name, (array, *_) in saved["buffers"].items():
        state[name] = tuple(MP.mpf(float(x)) for x in array)
    for name, value in saved["scalars"].items():
        state[name] = MP.mpf(value)
    return state


def _row(rule: UpdateRule, w: Array, saved: Mapping[str, Any]) -> list[float]:
    row = [float(x) for x in w]
    for buffer in rule.buffers:
        row += [float(x) for x in saved["buffers"][buffer.name][0]]
    return row + [saved["scalars"][s.name] for s in rule.states]


def _bound(
    run: Run,
    used: Mapping[str, Any],
    w: Array,
    saved: Mapping[str, Any],
    number: int,
    G: Array,
    loss: float,
) -> npt.NDArray[np.float64]:
    buffers = {name: arrays[0] for name, arrays in saved["buffers"].items()}
    before = Before(buffers, saved["scalars"], number - 1, (w.size,))
    noise = run.rounding.noise(number, w.size)
    new, moved = _bounded_step(run, used, w, before, G, loss, noise)
    return np.concatenate(
        [
            moved.error,
            *(new.buffers[b.name].error for b in run.rule.buffers),
            *(np.atleast_1d(new.scalars[s.name].error) for s in run.rule.states),
        ]
    )


@dataclass(frozen=True)
class Before:
    """What a module had saved before a step; the arrays of all parameters that take part in one."""

    buffers: Mapping[str, Array]
    scalars: Mapping[str, float]
    steps: int
    sizes: tuple[int, ...]


def _bounded_step(
    run: Run,
    used: Mapping[str, Any],
    w: Array,
    before: Before,
    G: Array,
    loss: float,
    noise: Bounded,
) -> tuple[RuleState, Bounded]:
    """One step in double precision, with a bound for what the module may make of it."""

    def exactly(value: Any) -> Bounded:
        array = np.asarray(value, np.float64)[()]
        return Bounded(array, np.zeros_like(array))

    buffers = {name: exactly(array) for name, array in before.buffers.items()}
    state = RuleState(
        buffers,
        {name: exactly(value) for name, value in before.scalars.items()},
        before.steps,
        carried_sums(run.rule, buffers, before.sizes, run.rounding.numbers),
    )
    return run.rounding.step(
        run.rule, used, state, exactly(w), exactly(G), loss, noise, before.sizes
    )


def check_shapes(subject: Subject, trajectory: Trajectory, dtype: str) -> Rung:
    """Arrays of many shapes and layouts; a gradient None leaves everything of its own alone."""
    shapes = f"{len(_SHAPES)} shapes and {_LARGE} elements, with None gradients"
    name = f"{dtype} {subject.label} on {shapes}"
    try:
        ratio, count = _many(subject, trajectory, dtype)
    except ForeignError as error:
        return judged(name, False, str(error))
    return judged(
        name,
        ratio <= 1,
        f"largest error is {ratio:.2g} of its bound in {count} values; None moves nothing",
    )


def _many(subject: Subject, trajectory: Trajectory, dtype: str) -> tuple[float, int]:
    rule = subject.rule
    used = needed_parameters(rule, trajectory.point)
    values = {k: float(v) for k, v in used.items()}
    random = np.random.default_rng(20250101)
    ratio, count = 0.0, 0
    small = [random.standard_normal(shape).astype(dtype) for shape in _SHAPES]
    small = [_laid_out(w, subject.layouts) for w in small]
    large = [random.standard_normal(_LARGE).astype(dtype)]
    for params, rounds in ((small, min(_ROUNDS, trajectory.steps)), (large, 1)):
        run = subject.make(params, values)
        for number in range(1, rounds + 1):
            # Which gradient is None in which step. With clocks of their own parameters would be at
            # different steps after that, so that one is last.
            absences = {rounds: 4} if subject.own_clocks else {2: 4, 3: 0}
            absent = absences.get(number) if len(params) > 1 else None
            grads = [
                None if i == absent else _like(w, random.standard_normal(w.shape))
                for i, w in enumerate(params)
            ]
            worse, more = _compare_step(run, used, grads, number)
            ratio, count = max(ratio, worse), count + more
    return ratio, count


def _like(w: Array, values: Array) -> Array:
    """The values in the type of `w`, and in its order in memory."""
    return np.array(values, w.dtype, order="F" if w.flags.fnc else "C")


def _laid_out(array: Array, layouts: Layouts) -> Array:
    """The same values; some arrays Fortran-ordered or strided, as far as they may be."""
    if array.shape == (7, 3) and layouts is not Layouts.ROWS:
        return np.asfortranarray(array)
    if array.shape == (2, 5) and layouts is Layouts.ANY:
        wide = np.zeros((2, 10), array.dtype)
        wide[:, ::2] = array
        return wide[:, ::2]
    return array


def _compare_step(
    run: Run, used: Mapping[str, Any], grads: Sequence[Array | None], number: int
) -> tuple[float, int]:
    """The largest error of a step in units of its bound, and how many values were compared."""
    rule, loss = run.rule, 0.625
    before = run.saved()
    old = [w.copy() for w in run.params]
    active = [i for i, G in enumerate(grads) if G is not None]
    kept_grads = [None if G is None else G.copy() for G in grads]

    def joined(arrays: Sequence[Array]) -> Array:
        return np.concatenate([np.ravel(arrays[i]) for i in active])

    sizes = [w.size for w in old]
    noise = run.rounding.noise(number, sum(sizes))
    place = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    # Random numbers are counted in the order in which elements lie in memory.
    place = [
        p.reshape(w.shape, order="F" if w.flags.fnc else "C")
        for p, w in zip(place, run.params, strict=True)
    ]
    taking_part = joined(place)
    new, moved = _bounded_step(
        run,
        used,
        joined(old),
        Before(
            {b.name: joined(before["buffers"][b.name]) for b in rule.buffers},
            before["scalars"],
            number - 1,
            tuple(sizes[i] for i in active),
        ),
        np.concatenate([np.ravel(G) for G in grads if G is not None]),
        loss,
        Bounded(noise.value[taking_part], noise.error[taking_part]),
    )
    run.step(grads, loss)
    after = run.saved()
    for i in range(len(grads)):
        kept, given = kept_grads[i], grads[i]
        if kept is not None and rule.clears_gradients:
            kept = np.zeros_like(kept)
        if kept is not None and given is not None and not _same(kept, given):
            raise ForeignError(f"step {number} changed gradient {i}")
        pairs = [("the parameter", old[i], run.params[i])]
        for b in rule.buffers:
            pairs.append((b.name, before["buffers"][b.name][i], after["buffers"][b.name][i]))
        for what, a, b_ in pairs:
            if given is None and not _same(a, b_):
                raise ForeignError(f"step {number} moved {what} {i}, whose gradient is None")
            if a.shape != b_.shape or a.dtype != b_.dtype:
                raise ForeignError(f"step {number} changed shape or type of {what} {i}")
    compared = [(joined(run.params), moved)]
    compared += [(joined(after["buffers"][b.name]), new.buffers[b.name]) for b in rule.buffers]
    compared += [
        (np.atleast_1d(after["scalars"][s.name]), new.scalars[s.name]) for s in rule.states
    ]
    worst = max(_ratio(found, expected) for found, expected in compared)
    return worst, sum(found.size for found, _ in compared)


def _ratio(found: Array, expected: Bounded) -> float:
    # Twice the bound: the value compared with is itself rounded.
    error = np.abs(found.astype(np.float64) - np.atleast_1d(expected.value))
    bound = 2 * np.atleast_1d(expected.error)
    with np.errstate(all="ignore"):
        ratios = np.where(error == 0, 0.0, error / bound)
    if np.isnan(ratios).any():
        return math.inf
    return float(np.max(ratios, initial=0.0))


def _same(a: Array, b: Array) -> bool:
    return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())


def check_state(subject: Subject, trajectory: Trajectory, dtype: str) -> Rung:
    """An optimizer that is saved and restored goes on bit for bit as one that was not."""
    name = f"{dtype} {subject.label}, state_dict round trip"
    try:
        problem = _round_trip(subject, trajectory, dtype)
    except ForeignError as error:
        return judged(name, False, str(error))
    return judged(name, not problem, problem or "bitwise equal over 3 further steps")


def _round_trip(subject: Subject, trajectory: Trajectory, dtype: str) -> str:
    used = needed_parameters(subject.rule, trajectory.point)
    values = {k: float(v) for k, v in used.items()}
    random = np.random.default_rng(20250102)
    params = [random.standard_normal(shape).astype(dtype) for shape in ((5,), (3, 2))]
    grads = [[random.standard_normal(w.shape).astype(dtype) for w in params] for _ in range(6)]
    first = subject.make(params, values)

    def gradients(number: int) -> list[Array]:
        return [G.copy() for G in grads[number]]

    for number in range(3):
        first.step(gradients(number), 0.5 + number)
    taken = foreign("state_dict", lambda: first.optimizer.state_dict())
    frozen = first.saved()
    copies = [w.copy() for w in params]
    # Other hyperparameters, to see that they are restored too.
    second = subject.make(copies, {k: _other(subject, k, v) for k, v in values.items()})
    for number in range(3, 6):
        first.step(gradients(number), 0.5 + number)
    second.restore(taken)
    restored = second.saved()
    if not _equal_states(frozen, restored):
        return "state_dict is no copy, or load_state_dict does not restore all of it"
    for number in range(3, 6):
        second.step(gradients(number), 0.5 + number)
    same = all(_same(a, b) for a, b in zip(params, copies, strict=True))
    if not same or not _equal_states(first.saved(), second.saved()):
        return "after load_state_dict the steps are not bitwise those of the original"
    return ""


def _other(subject: Subject, name: str, value: float) -> float:
    (parameter,) = (p for p in subject.rule.parameters if p.name == name)
    for candidate in (value * 0.75, value * 1.25):
        if parameter.interval.contains(candidate):
            return candidate
    return value


def _equal_states(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    plain = all(a[key] == b[key] for key in ("hyperparameters", "step", "scalars"))
    blocks = all(_same(values, b["blocks"][name]) for name, values in a["blocks"].items())
    return (
        plain
        and blocks
        and all(
            len(arrays) == len(b["buffers"][name])
            and all(_same(x, y) for x, y in zip(arrays, b["buffers"][name], strict=True))
            for name, arrays in a["buffers"].items()
        )
    )


def check_guards(subject: Subject, trajectory: Trajectory, dtype: str) -> Rung:
    """Outside the domain of β(t) a step is refused with ValueError, and changes nothing."""
    name = f"{dtype} {subject.label} outside the domain of β(t)"
    rule = subject.rule
    if not rule.guards:
        return Rung(name, "not applicable", "β(t) exists for all times: the rule has no guard")
    outside = _outside(rule, trajectory)
    if outside is None:
        return Rung(name, "not applicable", "β(t) exists for the first 2**40 steps at this point")
    step, scalars, loss = outside
    if step > subject.most_steps:
        return Rung(name, "not applicable", f"β(t) exists for {subject.most_steps} steps")
    used = needed_parameters(rule, trajectory.point)
    w = np.array([float(x) for x in START_W], dtype)
    try:
        run = subject.make([w], {k: float(v) for k, v in used.items()})
        state = foreign("state_dict", lambda: run.optimizer.state_dict())
        state["step"] = step - 1
        state["scalars"] |= scalars
        run.restore(state)
        before, old = run.saved(), w.copy()
        try:
            run.step([w.copy()], loss)
        except ForeignError as error:
            if not isinstance(error.__cause__, ValueError):
                return judged(name, False, str(error))
        else:
            return judged(name, False, f"step {step} lies outside and was not refused")
        unchanged = _same(old, w) and _equal_states(before, run.saved())
    except ForeignError as error:
        return judged(name, False, str(error))
    detail = "nothing was changed" if unchanged else "but something was changed"
    return judged(name, unchanged, f"step {step} is refused with ValueError; {detail}")


def _outside(
    rule: UpdateRule, trajectory: Trajectory
) -> tuple[int, dict[str, float], float] | None:
    """The number, the scalar states and the loss of a step that lies outside the domain.

    A thermal parameter that is state is made negative, a loss very negative; of step numbers a
    power of two is looked for.
    """
    names = {s.name for s in rule.states}
    if beta.name in names:
        return 2, {beta.name: -1.0}, 0.5  # the first step may begin with the initial value
    steps = (2**exponent for exponent in range(41))
    for loss, step in [*((0.5, step) for step in steps), (-1e6, 1)]:
        time = (step - 1) * trajectory.step_size
        env = {**trajectory.parameters, **trajectory.states[0], "n": MP.mpf(step), TIME: time}
        env |= {"L": MP.mpf(loss), L0.name: MP.mpf(loss)}
        if not in_domain(trajectory.derivation, env):
            return step, {TIME: float(time)} if TIME in names else {}, loss
    return None
