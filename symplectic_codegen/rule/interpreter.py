"""Run one step of an `UpdateRule` directly: the oracle that generated code is compared with.

The interpreter is pure and knows nothing about targets. What a number is, is decided by an
`Arithmetic`:

* `FLOAT64`: IEEE double precision, NaN and infinity flow and nothing raises;
* `MPMATH`: 50 digits;
* `EXACT`: fractions, for rules that need only the four operations and whole powers;
* `rounding_bounds("float32")`: double precision values, each with a bound on how far an honest
  evaluation in that type may be from it. Tolerances are taken from here, not tuned.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import accumulate
from typing import Any, Protocol, Self

import mpmath
import numpy as np

from symplectic_codegen.rule.expression import Expr, Number, Op, Ref
from symplectic_codegen.rule.rule import (
    GRADIENT,
    LOSS,
    NOISE,
    PARAMETER,
    STEP,
    Iterate,
    Stage,
    UpdateRule,
)

Value = Any  # a scalar or a vector of the arithmetic in use


class Arithmetic(Protocol):
    """What the interpreter needs to know about numbers; scalars combine with vectors."""

    def scalar(self, value: Value) -> Value:
        """A number given by the user, or an exact constant."""

    def vector(self, values: Sequence[Value]) -> Value:
        """The elements of all parameters (gradients, buffers), one after the other."""

    def apply(self, op: Op, *args: Value) -> Value:
        """`op`, element by element."""

    def total(self, values: Value, size: int) -> Value:
        """The sum of a vector of `size` elements, or of a scalar repeated that often."""

    def fill(self, value: Value, size: int) -> Value:
        """A vector of `size` elements: `value` itself if it is one, else copies of it."""

    def block_totals(self, values: Value, blocks: Sequence[int]) -> Value:
        """The sums over blocks of so many elements each, as a vector."""

    def spread(self, values: Value, blocks: Sequence[int]) -> Value:
        """Each of the values as often as its block has elements."""

    def whole(self, value: Value) -> int:
        """The value of a whole number."""

    def cast(self, value: Value) -> Value:
        """A scalar of the step as the sweeps see it."""

    def element(self) -> Arithmetic:
        """The arithmetic of the sweeps."""

    def is_positive(self, value: Value) -> bool:
        """Whether a guard holds; NaN does not."""


@dataclass(frozen=True)
class State:
    """What an optimizer keeps between steps.

    Args:
        buffers: one vector per buffer, over the elements of all parameters.
        scalars: the scalar states.
        steps: how many steps were made.
        blocks: one vector per block state, with a value per block.
    """

    buffers: Mapping[str, Value] = field(default_factory=dict)
    scalars: Mapping[str, Value] = field(default_factory=dict)
    steps: int = 0
    blocks: Mapping[str, Value] = field(default_factory=dict)


def evaluate(expr: Expr, values: Mapping[str, Value], arithmetic: Arithmetic) -> Value:
    """The value of `expr`.

    >>> from symplectic_codegen.rule.expression import ONE, Call
    >>> evaluate(Call(Op.DIV, (ONE, Ref("x"))), {"x": Fraction(3)}, EXACT)
    Fraction(1, 3)
    >>> print(evaluate(Call(Op.DIV, (ONE, Ref("x"))), {"x": np.float64(0)}, FLOAT64))
    inf
    """
    if isinstance(expr, Number):
        return arithmetic.scalar(expr.value)
    if isinstance(expr, Ref):
        return values[expr.name]
    arguments = [evaluate(a, values, arithmetic) for a in expr.args]
    if expr.op is Op.CYCLE:
        index, *choices = arguments
        return choices[arithmetic.whole(index) % len(choices)]
    if expr.op is Op.BLOCK_SUM:
        return arithmetic.total(arguments[0], len(arguments[0]))
    return arithmetic.apply(expr.op, *arguments)


def initial_state(
    rule: UpdateRule,
    hyperparameters: Mapping[str, Value],
    size: int,
    arithmetic: Arithmetic | None = None,
    blocks: int = 1,
) -> State:
    """The state before the first step of `blocks` parameters with `size` elements in all."""
    numbers = arithmetic or FLOAT64
    zero = numbers.scalar(0)
    values = {name: numbers.scalar(value) for name, value in hyperparameters.items()}
    return State(
        {b.name: numbers.vector([zero] * size) for b in rule.buffers},
        {
            s.name: zero if s.starts_with_loss else evaluate(s.initial, values, numbers)
            for s in rule.states
        },
        0,
        {b.name: numbers.vector([zero] * blocks) for b in rule.block_states},
    )


def interpret(
    rule: UpdateRule,
    hyperparameters: Mapping[str, Value],
    state: State,
    w: Value,
    G: Value,
    loss: Value = None,
    arithmetic: Arithmetic | None = None,
    noise: Value = None,
    blocks: Sequence[int] | None = None,
) -> tuple[State, Value]:
    """One step: the new state and the new parameters; nothing given is changed.

    Args:
        rule: what to compute.
        hyperparameters: a value for each hyperparameter of the rule.
        state: from `initial_state` or the step before.
        w: the elements of all parameters, as a vector of the arithmetic.
        G: the elements of all gradients, in the same order.
        loss: the value of the loss, for a rule that needs it.
        arithmetic: what numbers are; `FLOAT64` unless told.
        noise: a standard normal number per element, for a rule that needs it.
        blocks: how many elements each parameter has; all in one unless told.

    Raises:
        ValueError: a guard of the rule does not hold.

    >>> from symplectic_codegen.rule.expression import Call
    >>> from symplectic_codegen.rule.rule import Assign, Parameter, Stage, Store
    >>> descent = UpdateRule(
    ...     "descent",
    ...     (Parameter("lr"),),
    ...     (),
    ...     (
    ...         Stage(
    ...             elements=(
    ...                 Assign(
    ...                     "w_new",
    ...                     Call(Op.SUB, (Ref("w"), Call(Op.MUL, (Ref("lr"), Ref("G"))))),
    ...                 ),
    ...             ),
    ...             stores=(Store("w", "w_new"),),
    ...         ),
    ...     ),
    ... )
    >>> rates = {"lr": Fraction(1, 2)}
    >>> start = initial_state(descent, rates, 1, EXACT)
    >>> interpret(descent, rates, start, (Fraction(3),), (Fraction(1),), arithmetic=EXACT)[1]
    (Fraction(5, 2),)
    """
    numbers = arithmetic or FLOAT64
    sweep = numbers.element()
    w, G = numbers.vector(w), numbers.vector(G)
    sizes = (len(w),) if blocks is None else tuple(blocks)
    scalars = {name: numbers.scalar(value) for name, value in hyperparameters.items()}
    scalars |= {**state.scalars, **state.blocks, STEP: numbers.scalar(state.steps + 1)}
    if rule.needs_loss:
        if loss is None:
            raise ValueError(f"the rule {rule.name} needs the value of the loss")
        scalars[LOSS] = numbers.scalar(loss)
    if state.steps == 0:
        first = [s for s in rule.states if s.starts_with_loss]
        scalars |= {s.name: evaluate(s.initial, scalars, numbers) for s in first}
    for guard in rule.guards:
        if not numbers.is_positive(evaluate(guard.expr, scalars, numbers)):
            raise ValueError(guard.message)
    arrays = {PARAMETER: w, GRADIENT: G, **state.buffers}
    if rule.needs_noise:
        if noise is None:
            raise ValueError(f"the rule {rule.name} needs noise")
        arrays[NOISE] = numbers.vector(noise)
    many = rule.block_values
    for stage in rule.stages:
        for scalar in stage.scalars:
            scalars[scalar.name] = evaluate(scalar.expr, scalars, numbers)
        values = {
            name: sweep.spread(sweep.cast(value), sizes) if name in many else sweep.cast(value)
            for name, value in scalars.items()
        }
        scalars |= _sweep(stage, values | arrays, arrays, sizes, sweep)
    for assignment in rule.epilogue:
        scalars[assignment.name] = evaluate(assignment.expr, scalars, numbers)
    kept = {store.target: scalars[store.source] for store in rule.state_stores}
    new_state = State(
        {b.name: arrays[b.name] for b in rule.buffers},
        {s.name: kept.get(s.name, scalars[s.name]) for s in rule.states},
        state.steps + 1,
        {s.name: kept.get(s.name, scalars[s.name]) for s in rule.block_states},
    )
    return new_state, arrays[PARAMETER]


def _sweep(
    stage: Stage,
    values: dict[str, Value],
    arrays: dict[str, Value],
    sizes: tuple[int, ...],
    sweep: Arithmetic,
) -> dict[str, Value]:
    """The reductions of one sweep; `arrays` get what it stores."""
    size = sum(sizes)
    for element in stage.elements:
        if not isinstance(element, Iterate):
            values[element.name] = evaluate(element.expr, values, sweep)
            continue
        for variable in element.variables:
            values[variable.name] = evaluate(variable.expr, values, sweep)
        for _ in range(element.rounds):
            for assignment in element.body:
                values[assignment.name] = evaluate(assignment.expr, values, sweep)
            values |= {store.target: values[store.source] for store in element.carry}
    sums = {}
    for reduction in stage.reductions:
        summands = evaluate(reduction.expr, values, sweep)
        if reduction.per_block:
            sums[reduction.name] = sweep.block_totals(sweep.fill(summands, size), sizes)
        else:
            sums[reduction.name] = sweep.total(summands, size)
    for store in stage.stores:
        arrays[store.target] = sweep.fill(values[store.source], size)
    return sums


def _exprel(x: Value) -> Value:
    divisor = np.where((x == 0) | np.isposinf(x), 1.0, x)
    return np.where(x == 0, 1.0, np.expm1(x) / divisor)[()]


def _phi2(x: Value) -> Value:
    # Horner's scheme of the series up to x^16/18!, good to double precision where |x| <= 1.
    is_small = np.abs(x) <= 1
    near = np.where(is_small, x, 0.0)
    series: Value = 1.0
    for k in range(18, 2, -1):
        series = 1.0 + near * series / k
    divisor = np.where(is_small | np.isposinf(x), 1.0, x)
    return np.where(is_small, series / 2.0, (np.expm1(x) / divisor - 1.0) / divisor)[()]


def _log1prel(x: Value) -> Value:
    divisor = np.where((x == 0) | np.isposinf(x), 1.0, x)
    return np.where(x == 0, 1.0, np.where(np.isposinf(x), 0.0, np.log1p(x) / divisor))[()]


def _powm1(x: Value, y: Value) -> Value:
    positive = np.where(x > 0, x, 1.0)
    return np.where(x > 0, np.expm1(y * np.log(positive)), np.power(x, y) - 1)[()]


_erf = np.vectorize(math.erf, otypes=[np.float64])

_NUMPY: dict[Op, Callable[..., Value]] = {
    Op.ADD: np.add,
    Op.SUB: np.subtract,
    Op.MUL: np.multiply,
    Op.DIV: np.divide,
    Op.NEG: np.negative,
    Op.POW: np.power,
    Op.SQRT: np.sqrt,
    Op.EXP: np.exp,
    Op.LOG: np.log,
    Op.EXPM1: np.expm1,
    Op.LOG1P: np.log1p,
    Op.POWM1: _powm1,
    Op.EXPREL: _exprel,
    Op.PHI2: _phi2,
    Op.LOG1PREL: _log1prel,
    Op.HYPOT: np.hypot,
    Op.ABS: np.abs,
    Op.SIGN: np.sign,
    Op.SIN: np.sin,
    Op.COS: np.cos,
    Op.TAN: np.tan,
    Op.ATAN: np.arctan,
    Op.SINH: np.sinh,
    Op.COSH: np.cosh,
    Op.TANH: np.tanh,
    Op.ASINH: np.arcsinh,
    Op.ERF: lambda x: _erf(x)[()] if np.size(x) else np.asarray(x),
    Op.MIN: np.minimum,
    Op.MAX: np.maximum,
}


@dataclass(frozen=True)
class Float64:
    """IEEE double precision; vectors are NumPy arrays."""

    def scalar(self, value: Value) -> Value:
        return np.float64(float(value))

    def vector(self, values: Sequence[Value]) -> Value:
        return np.array(values, np.float64)

    def apply(self, op: Op, *args: Value) -> Value:
        with np.errstate(all="ignore"):
            return _NUMPY[op](*args)

    def total(self, values: Value, size: int) -> Value:
        with np.errstate(all="ignore"):
            return np.float64(np.sum(np.broadcast_to(values, size)))

    def fill(self, value: Value, size: int) -> Value:
        return np.array(np.broadcast_to(value, size))

    def block_totals(self, values: Value, blocks: Sequence[int]) -> Value:
        return np.array([self.total(part, part.size) for part in _parts(values, blocks)])

    def spread(self, values: Value, blocks: Sequence[int]) -> Value:
        return np.repeat(values, blocks)

    def whole(self, value: Value) -> int:
        return int(value)

    def cast(self, value: Value) -> Value:
        return value

    def element(self) -> Float64:
        return self

    def is_positive(self, value: Value) -> bool:
        return bool(value > 0)


FLOAT64 = Float64()


def _parts(values: Value, blocks: Sequence[int]) -> list[Value]:
    """A vector cut into its blocks."""
    ends = list(accumulate(blocks))
    return [values[end - size : end] for size, end in zip(blocks, ends, strict=True)]


@dataclass(frozen=True)
class Elementwise:
    """Vectors as tuples of any Python numbers.

    Args:
        number: makes a number out of a fraction, an int, or a number.
        functions: what the operations do; one that is missing is refused.
    """

    number: Callable[[Value], Value]
    functions: Mapping[Op, Callable[..., Value]]

    def scalar(self, value: Value) -> Value:
        return self.number(value)

    def vector(self, values: Sequence[Value]) -> Value:
        return tuple(self.number(value) for value in values)

    def apply(self, op: Op, *args: Value) -> Value:
        if op not in self.functions:
            raise ValueError(f"this arithmetic has no {op.spelling}")
        function = self.functions[op]
        sizes = [len(a) for a in args if isinstance(a, tuple)]
        if not sizes:
            return function(*args)
        columns = [a if isinstance(a, tuple) else (a,) * sizes[0] for a in args]
        return tuple(function(*values) for values in zip(*columns, strict=True))

    def total(self, values: Value, size: int) -> Value:
        return sum(self.fill(values, size), self.number(0))

    def fill(self, value: Value, size: int) -> Value:
        return value if isinstance(value, tuple) else (value,) * size

    def block_totals(self, values: Value, blocks: Sequence[int]) -> Value:
        return tuple(self.total(part, len(part)) for part in _parts(values, blocks))

    def spread(self, values: Value, blocks: Sequence[int]) -> Value:
        return tuple(v for v, size in zip(values, blocks, strict=True) for _ in range(size))

    def whole(self, value: Value) -> int:
        return int(value)

    def cast(self, value: Value) -> Value:
        return value

    def element(self) -> Elementwise:
        return self

    def is_positive(self, value: Value) -> bool:
        return bool(value > 0)


def _whole_power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        raise ValueError("fractions have whole powers only")
    return Fraction(base**exponent.numerator)


_FIELD: dict[Op, Callable[..., Value]] = {
    Op.ADD: lambda x, y: x + y,
    Op.SUB: lambda x, y: x - y,
    Op.MUL: lambda x, y: x * y,
    Op.DIV: lambda x, y: x / y,
    Op.NEG: lambda x: -x,
    Op.ABS: abs,
    Op.SIGN: lambda x: (x > 0) - (x < 0),
    Op.MIN: min,
    Op.MAX: max,
}

EXACT = Elementwise(
    Fraction,
    {**_FIELD, Op.POW: _whole_power, Op.POWM1: lambda x, y: _whole_power(x, y) - 1},
)


def _mpmath(digits: int) -> Elementwise:
    mp = mpmath.MPContext()
    mp.dps = digits

    def number(value: Value) -> Value:
        if isinstance(value, Fraction):
            return mp.mpf(value.numerator) / value.denominator
        # NumPy's scalars are no numbers to mpmath; their value is a double exactly.
        return mp.mpf(value if isinstance(value, int | mp.mpf) else float(value))

    def exprel(x: Value) -> Value:
        return mp.mpf(1) if x == 0 else mp.expm1(x) / x

    def phi2(x: Value) -> Value:
        if x == 0:
            return mp.mpf(1) / 2
        with mp.extradps(2 * max(0, -int(mp.floor(mp.log10(abs(x))))) + 5):
            return (mp.expm1(x) - x) / x**2

    def log1prel(x: Value) -> Value:
        return mp.mpf(1) if x == 0 else mp.log1p(x) / x

    functions: dict[Op, Callable[..., Value]] = {
        **_FIELD,
        Op.POW: lambda x, y: x**y,
        Op.SQRT: mp.sqrt,
        Op.EXP: mp.exp,
        Op.LOG: mp.log,
        Op.EXPM1: mp.expm1,
        Op.LOG1P: mp.log1p,
        Op.POWM1: lambda x, y: mp.powm1(x, y) if x != 0 else x**y - 1,
        Op.EXPREL: exprel,
        Op.PHI2: phi2,
        Op.LOG1PREL: log1prel,
        Op.HYPOT: mp.hypot,
        Op.SIN: mp.sin,
        Op.COS: mp.cos,
        Op.TAN: mp.tan,
        Op.ATAN: mp.atan,
        Op.SINH: mp.sinh,
        Op.COSH: mp.cosh,
        Op.TANH: mp.tanh,
        Op.ASINH: mp.asinh,
        Op.ERF: mp.erf,
    }
    return Elementwise(number, functions)


MPMATH = _mpmath(50)


@dataclass(frozen=True)
class Bounded:
    """A value and how far from it a rounded evaluation may be."""

    value: Value
    error: Value

    def __len__(self) -> int:
        return len(self.value)


def _slope(op: Op, x: Value, y: Value) -> Value:
    """|f'(x)|, where y = f(x)."""
    slopes: dict[Op, Callable[[], Value]] = {
        Op.EXP: lambda: y,
        Op.LOG: lambda: 1 / x,
        Op.EXPM1: lambda: y + 1,
        Op.LOG1P: lambda: 1 / (1 + x),
        Op.EXPREL: lambda: np.exp(np.maximum(x, 0)),  # exprel' = int s e^(xs) ds <= e^max(x, 0)
        Op.PHI2: lambda: np.exp(np.maximum(x, 0)) / 6,  # = int s (1 - s) e^(xs) ds
        Op.LOG1PREL: lambda: 1 / (1 + np.minimum(x, 0)),  # = int s/(1 + xs)^2 ds
        Op.SIN: lambda: np.cos(x),
        Op.COS: lambda: np.sin(x),
        Op.TAN: lambda: 1 + y * y,
        Op.ATAN: lambda: 1 / (1 + x * x),
        Op.SINH: lambda: np.cosh(x),
        Op.COSH: lambda: np.sinh(x),
        Op.TANH: lambda: 1 - y * y,
        Op.ASINH: lambda: 1 / np.hypot(1, x),
        Op.ERF: lambda: 2 / np.sqrt(np.pi) * np.exp(-x * x),
    }
    return np.abs(slopes[op]())


@dataclass(frozen=True)
class RoundingBounds:
    """First-order running error analysis of an evaluation on the host and in sweeps.

    Args:
        unit: the unit roundoff of this level.
        tiny: the absolute error that underflow can add.
        element_unit: the unit roundoff of the sweeps.
        element_tiny: the same of the sweeps.
        limit: what is larger than this is infinite.
        element_limit: the same in the sweeps.
        ulps: how many units a library function (exp, hypot, ...) may be off.
        root_ulps: the same for the square root, which IEEE 754 wants to be rounded correctly.
    """

    unit: float
    tiny: float
    element_unit: float
    element_tiny: float
    limit: float = math.inf
    element_limit: float = math.inf
    ulps: float = 8.0
    root_ulps: float = 1.0

    def scalar(self, value: Value) -> Value:
        if isinstance(value, Bounded):
            return value
        number = np.float64(float(value))
        # A constant is rounded to the type it is used in, input is taken as it is.
        error = abs(number) * self.unit if isinstance(value, Fraction) else np.float64(0.0)
        return Bounded(number, error)

    def vector(self, values: Sequence[Value]) -> Value:
        if isinstance(values, Bounded):
            return values
        numbers = np.array([getattr(v, "value", v) for v in values], np.float64)
        return Bounded(numbers, np.zeros_like(numbers))

    def _rounded(self, value: Value, error: Value, ulps: float = 1.0) -> Bounded:
        value = np.where(np.abs(value) > self.limit, np.copysign(np.inf, value), value)
        tiny = np.where((value == 0) & (error == 0), 0.0, self.tiny)  # an exact zero is one
        return Bounded(value, error * 1.001 + ulps * self.unit * np.abs(value) + tiny)

    def apply(self, op: Op, *args: Value) -> Value:
        with np.errstate(all="ignore"):
            return self._apply(op, *args)

    def _apply(self, op: Op, *args: Bounded) -> Bounded:
        value = _NUMPY[op](*(a.value for a in args))
        x, a = args[0].value, args[0].error
        if op in {Op.NEG, Op.ABS, Op.SIGN}:
            return Bounded(value, np.where(np.abs(x) > a, 0.0, 2.0) if op is Op.SIGN else a)
        if op is Op.SQRT:
            # |sqrt(x + a) - sqrt(x)| = a/(sqrt(x + a) + sqrt(x)), and near zero at most sqrt(a).
            near = 4 * a >= x
            error = np.where(near, np.sqrt(a), 0.54 * a / value)
            return self._rounded(value, error, self.root_ulps)
        if len(args) == 1:
            return self._rounded(value, _slope(op, x, value) * a, self.ulps)
        y, b = args[1].value, args[1].error
        if op in {Op.ADD, Op.SUB}:
            return self._rounded(value, a + b)
        if op is Op.MUL:
            return self._rounded(value, np.abs(x) * b + np.abs(y) * a + a * b)
        if op is Op.DIV:
            return self._rounded(value, (a + np.abs(value) * b) / np.maximum(np.abs(y) - b, 0))
        if op in {Op.MIN, Op.MAX}:
            return Bounded(value, np.maximum(a, b))
        if op is Op.HYPOT:
            return self._rounded(value, a + b, self.ulps)
        # pow: the exponent's error counts as often as the base has logarithms
        log = np.where(b > 0, np.abs(np.log(np.abs(x))), 0.0)
        own = np.where(a > 0, np.abs(y) * a / np.abs(x), 0.0)
        if op is Op.POWM1:
            # expm1(z) with z = y log x: z carries its rounding errors, in proportion to |z| e^z.
            power = np.abs(value + 1)
            z = np.abs(np.where(x > 0, y * np.log(np.where(x > 0, x, 1.0)), 0.0))
            inner = own + log * b + 4 * self.ulps * self.unit * z
            return self._rounded(value, power * inner, self.ulps)
        return self._rounded(value, np.abs(value) * (own + log * b), self.ulps)

    def total(self, values: Bounded, size: int) -> Bounded:
        numbers = np.broadcast_to(values.value, size)
        magnitude = np.sum(np.abs(numbers))
        # Blocks of 2048 in the type of the sweeps, in any order; then double precision.
        depth = min(size, 2048) * self.element_unit + (size / 2048 + 64) * 2.0**-53
        error = np.sum(np.broadcast_to(values.error, size)) + depth * magnitude
        return Bounded(np.float64(np.sum(numbers)), error)

    def fill(self, value: Bounded, size: int) -> Bounded:
        return Bounded(
            np.array(np.broadcast_to(value.value, size)),
            np.array(np.broadcast_to(value.error, size)),
        )

    def block_totals(self, values: Bounded, blocks: Sequence[int]) -> Bounded:
        pairs = zip(_parts(values.value, blocks), _parts(values.error, blocks), strict=True)
        sums = [self.total(Bounded(v, e), v.size) for v, e in pairs]
        return Bounded(np.array([s.value for s in sums]), np.array([s.error for s in sums]))

    def spread(self, values: Bounded, blocks: Sequence[int]) -> Bounded:
        return Bounded(np.repeat(values.value, blocks), np.repeat(values.error, blocks))

    def whole(self, value: Bounded) -> int:
        return int(value.value)

    def cast(self, value: Bounded) -> Bounded:
        return self._rounded(value.value, value.error)

    def element(self) -> Self:
        return replace(
            self, unit=self.element_unit, tiny=self.element_tiny, limit=self.element_limit
        )

    def is_positive(self, value: Bounded) -> bool:
        return bool(value.value > 0)


def rounding_bounds(dtype: str, root_ulps: float = 1.0) -> RoundingBounds:
    """Double-precision values with a bound for an evaluation that sweeps in `dtype`.

    Args:
        dtype: float32 or float64.
        root_ulps: how many half units in the last place a square root may be off.

    >>> half = rounding_bounds("float32").element().scalar(Fraction(1, 3))
    >>> float(half.error) == 2.0**-24 / 3
    True
    """
    info = np.finfo(dtype)
    return RoundingBounds(
        2.0**-53,
        5e-324,
        float(info.eps) / 2,
        float(info.smallest_subnormal),
        element_limit=float(info.max),
        root_ulps=root_ulps,
    )
