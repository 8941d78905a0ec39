"""What rounding may make of a step in JAX, where scalars are no longer in double precision.

Hyperparameters that are given as numbers are known while a step is traced, and so is what follows
from them alone: it is computed in double precision. What depends on the number of the step, on the
loss, or on a state is computed in JAX's default type. XLA rounds numbers below the normal range to
zero, in what it reads and in what it computes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from symplectic_codegen.passes.increments import as_increments
from symplectic_codegen.rule.expression import Op
from symplectic_codegen.rule.interpreter import Bounded, RoundingBounds, State, interpret
from symplectic_codegen.rule.rule import UpdateRule
from symplectic_codegen.validation.trajectory import Rounding

Value = Any


@dataclass(frozen=True)
class Known(Bounded):
    """A number that is known while a step is traced, in double precision."""


# Functions of XLA on the CPU that are further off than others, in units of half an ulp: 13 ulp were
# seen of the hyperbolic ones at large arguments, 119 of log1p in double precision.
_ROUGH = {Op.SINH: 32.0, Op.COSH: 32.0, Op.LOG1P: 256.0, Op.LOG1PREL: 256.0}

DOUBLE = RoundingBounds(2.0**-53, 5e-324, 2.0**-53, 5e-324)


@dataclass(frozen=True)
class TracedBounds(RoundingBounds):
    """Rounding bounds of an evaluation by XLA.

    Args:
        sum_unit: the unit roundoff in which sums over elements are taken.
    """

    sum_unit: float = 2.0**-24

    def scalar(self, value: Value) -> Value:
        if isinstance(value, Bounded):
            return value
        number = np.float64(float(value))
        if isinstance(value, Fraction):
            return Known(number, abs(number) * DOUBLE.unit)
        return Bounded(number, abs(number) * self.unit)

    def vector(self, values: Sequence[Value]) -> Value:
        given = super().vector(values)
        small = np.abs(given.value) < self.element_tiny
        return Bounded(given.value, given.error + np.where(small, np.abs(given.value), 0.0))

    def apply(self, op: Op, *args: Value) -> Value:
        if all(isinstance(a, Known) for a in args):
            found = DOUBLE.apply(op, *args)
            return Known(found.value, found.error)
        base = args[0]
        if op is Op.POW and isinstance(base, Known) and np.all(base.value > 0):
            # x**y = exp(y*log(x)), where log(x) is known
            logarithm = Known(np.log(base.value), base.error / base.value)
            with np.errstate(all="ignore"):
                return self.apply(Op.EXP, self.apply(Op.MUL, args[1], logarithm))
        if op is Op.POWM1 and isinstance(base, Known):
            return super().apply(op, base, self.met(args[1]))
        if op in _ROUGH and self.ulps < _ROUGH[op]:
            return replace(self, ulps=_ROUGH[op]).apply(op, *args)
        return super().apply(op, *map(self.met, args))

    def met(self, value: Bounded) -> Bounded:
        """The value as it is where it meets what is not known: rounded to the default type."""
        return self._rounded(value.value, value.error) if isinstance(value, Known) else value

    def total(self, values: Bounded, size: int) -> Bounded:
        numbers = np.broadcast_to(values.value, size)
        errors = np.broadcast_to(values.error, size)
        # In any order; underflow may happen in each term that is no exact zero.
        terms = np.count_nonzero((numbers != 0) | (errors != 0))
        error = size * self.sum_unit * np.sum(np.abs(numbers)) + terms * self.element_tiny
        return Bounded(np.float64(np.sum(numbers)), np.sum(errors) + error)


def traced_bounds(dtype: str, host: str = "float32") -> TracedBounds:
    """Bounds for leaves of type `dtype`, where JAX's default type is `host`."""
    element, scalar = np.finfo(dtype), np.finfo(host)
    return TracedBounds(
        float(scalar.eps) / 2,
        float(scalar.smallest_normal),
        float(element.eps) / 2,
        float(element.smallest_normal),
        float(scalar.max),
        float(element.max),
        sum_unit=float(scalar.eps) / 2,
    )


@dataclass(frozen=True)
class TracedRounding(Rounding):
    """How a step in JAX rounds that returns what is to be added to the weights."""

    numbers: TracedBounds

    def step(
        self,
        rule: UpdateRule,
        hyperparameters: Mapping[str, Any],
        state: State,
        w: Bounded,
        G: Bounded,
        loss: Any,
        noise: Bounded,
        blocks: Sequence[int] | None = None,
    ) -> tuple[State, Bounded]:
        moving, change = _increments(rule)
        kept = replace(state, scalars={n: self._read(v) for n, v in state.scalars.items()})
        given = known(hyperparameters)
        new, _ = interpret(moving, given, kept, w, G, loss, self.numbers, noise, blocks)
        moved = self.numbers.element().apply(Op.ADD, w, new.buffers[change])
        return stored(new, self.numbers), moved

    def _read(self, value: Bounded) -> Bounded:
        """A state is its field and what rounding has left out of it; a step reads the field."""
        return Bounded(value.value, value.error + self.numbers.unit * np.abs(value.value))


@lru_cache(maxsize=64)
def _increments(rule: UpdateRule) -> tuple[UpdateRule, str]:
    return as_increments(rule)


@lru_cache(maxsize=4)
def traced_rounding(dtype: str) -> TracedRounding:
    """The rounding of leaves in `dtype`, which is JAX's default type too."""
    return TracedRounding(traced_bounds(dtype, dtype))


def stored(state: State, numbers: TracedBounds) -> State:
    """The state as the next step finds it: no part of it is known any more."""

    def arrays(values: Mapping[str, Value]) -> dict[str, Value]:
        return {name: numbers.met(value) for name, value in values.items()}

    return State(state.buffers, arrays(state.scalars), state.steps, arrays(state.blocks))


def known(values: Mapping[str, Any]) -> dict[str, Known]:
    """Hyperparameters that are given as numbers."""
    return {name: Known(np.float64(float(v)), np.float64(0.0)) for name, v in values.items()}
