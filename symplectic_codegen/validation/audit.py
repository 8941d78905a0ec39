"""Every scalar of the prologue in double precision, against the coefficient that was derived.

The points are spread over magnitudes: rates and steps from 1e-12, values close to either end of
their intervals, up to a million steps. At the closed ends themselves, where the derived coefficient
may be 0/0, its limit is what the code must give.

An evaluation of W roundings (a library function counts 8) is accepted if it is as good as exact
arithmetic on slightly wrong data, slightly rounded:

    |error| <= W u |f| (1 + sum over inputs |x df/dx / f|),    u = 2**-53.

The number of the step is exact, and so not among the inputs.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import sympy as sp

from symplectic_codegen.algebra.symbols import tau
from symplectic_codegen.driver import Derivation
from symplectic_codegen.rule.expression import Call, Expr, Op, references, substitute, walk
from symplectic_codegen.rule.interpreter import FLOAT64, evaluate
from symplectic_codegen.rule.rule import LOSS, STEP, Interval
from symplectic_codegen.validation.evaluation import (
    TIME,
    Context,
    Value,
    name_of,
    precise,
    value_of,
)
from symplectic_codegen.validation.identity import thaw
from symplectic_codegen.validation.problem import hyperparameters
from symplectic_codegen.validation.report import Rung, judged

POINTS = 96
LARGEST_STEP = 10**6
_UNIT = 2.0**-53
_DIGITS = 120
_CHEAP = frozenset({Op.ADD, Op.SUB, Op.MUL, Op.DIV, Op.NEG, Op.SQRT, Op.ABS, Op.MIN, Op.MAX})
_NORMAL = 1e-290  # below it underflow makes absolute errors


@dataclass(frozen=True)
class Scalar:
    """One scalar of the prologue.

    Args:
        expr: in hyperparameters, n and t alone.
        original: the coefficient as it was derived.
        roundings: W.
    """

    name: str
    expr: Expr
    original: sp.Expr
    roundings: int


@dataclass(frozen=True)
class Finding:
    """The error of one scalar at one point."""

    name: str
    point: Mapping[str, float]
    relative: float
    bound: float

    @property
    def ratio(self) -> float:
        return self.relative / self.bound

    def __str__(self) -> str:
        where = ", ".join(f"{k}={v:.6g}" for k, v in self.point.items())
        return (
            f"{self.name} is off by {self.relative / _UNIT / 2:.3g} ulp, "
            f"bound {self.bound / _UNIT / 2:.3g} ulp, at {where}"
        )


def scalars(derivation: Derivation) -> tuple[Scalar, ...]:
    """What the rule computes once per step from hyperparameters, n and t."""
    rule = derivation.rule
    known: dict[str, Expr] = {}
    blocked = {r.name for r in rule.reductions} | {LOSS}
    blocked |= ({s.name for s in rule.states} | {s.name for s in rule.block_states}) - {TIME}
    derived = {str(c.symbol.name): c.expr for c in derivation.update.coefficients}
    symbols = _symbols(derivation)
    found = []
    for assignment in (a for stage in rule.stages for a in stage.scalars):
        expr = substitute(assignment.expr, known)
        if references(expr) & blocked:
            blocked.add(assignment.name)
            continue
        known[assignment.name] = expr
        original = derived.get(assignment.name)
        if original is None:
            # A part that a pass took out: rung 1 proved that it stands for the same.
            original = thaw(expr, symbols)
        found.append(Scalar(assignment.name, expr, original, _roundings(expr)))
    return tuple(found)


def _symbols(derivation: Derivation) -> dict[str, sp.Expr]:
    names = {p.name for p in derivation.rule.parameters} | {STEP, TIME}
    symbols: dict[str, sp.Expr] = {name: sp.Symbol(name) for name in names}
    for coefficient in derivation.update.coefficients:
        symbols |= {name_of(s): s for s in coefficient.expr.free_symbols}
    return symbols


def _roundings(expr: Expr) -> int:
    calls = [node for node in walk(expr) if isinstance(node, Call)]
    return 1 + sum(1 if call.op in _CHEAP else 8 for call in calls)


def check_prologue(derivation: Derivation) -> Rung:
    """All scalars of the prologue at all points."""
    name = "prologue in float64 over all magnitudes"
    audited = scalars(derivation)
    if not audited:
        return Rung(name, "not applicable", "the rule computes no scalars before its sweep")
    mp = precise(_DIGITS)
    found: list[Finding] = []
    limits, poles = 0, 0
    for point, at_limit in points(derivation):
        for scalar in audited:
            finding = _compare(scalar, point, mp, at_limit)
            if finding is not None:
                found.append(finding)
                limits += at_limit
            else:
                poles += at_limit
    if not found:
        return judged(name, False, "no oracle: the coefficients are finite at no point")
    worst = max(found, key=lambda f: f.ratio)
    return judged(
        name,
        worst.ratio <= 1,
        f"{len(audited)} scalars, {len(found)} values, {limits} of them at ends of intervals"
        f"{f' (where {poles} more have no finite value)' if poles else ''}; "
        f"largest error relative to its bound: {worst}",
    )


def points(derivation: Derivation) -> Iterator[tuple[dict[str, float], bool]]:
    """Reproducible points, and whether one is an end of an interval."""
    rule = derivation.rule
    for number in range(POINTS):
        point = {p.name: _spread(p.name, p.interval, number) for p in rule.parameters}
        yield _with_clock(derivation, point, number), False
    for parameter in rule.parameters:
        for end in _ends(parameter.interval):
            for number in range(6):
                generic = hyperparameters(derivation, number)
                point = {p.name: float(generic[p.name]) for p in rule.parameters}
                point[parameter.name] = end
                yield _with_clock(derivation, point, number), True


def _ends(interval: Interval) -> list[float]:
    ends = []
    if interval.lower is not None and interval.lower_closed:
        ends.append(float(interval.lower))
    if interval.upper is not None and interval.upper_closed:
        ends.append(float(interval.upper))
    return ends


def _draw(name: str, number: int) -> float:
    """A number in [0, 1) that depends on nothing but its name and number."""
    digest = hashlib.sha256(f"audit/{name}/{number}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _spread(name: str, interval: Interval, number: int) -> float:
    """A value at some magnitude of its distance to an end of the interval."""
    magnitude, side = _draw(name, number), _draw(f"side of {name}", number)
    lower = 0.0 if interval.lower is None else float(interval.lower)
    if interval.upper is None:
        return lower + 10.0 ** (15 * magnitude - 12)
    upper = float(interval.upper)
    distance = (upper - lower) * 10.0 ** (-12 * magnitude) / 2
    value = lower + distance if side < 0.5 else upper - distance
    return value if interval.contains(value) else (lower + upper) / 2


def _with_clock(derivation: Derivation, point: dict[str, float], number: int) -> dict[str, float]:
    """The point with the number of a step, and the time at its start."""
    step = round(LARGEST_STEP ** _draw("n", number)) if number % 4 else 1 + number // 4 % 3
    moment = derivation.parameters.apply(tau)
    mp = precise(30)
    size = value_of(moment, {k: mp.mpf(v) for k, v in _all(derivation, point).items()}, mp)
    return {**point, STEP: float(step), TIME: float((step - 1) * size)}


def _all(derivation: Derivation, point: Mapping[str, float]) -> dict[str, float]:
    """The point, with generic values of what the rule does not use."""
    generic = hyperparameters(derivation, 0)
    return {name: float(value) for name, value in generic.items()} | dict(point)


def _compare(
    scalar: Scalar, point: Mapping[str, float], mp: Context, at_limit: bool
) -> Finding | None:
    """None where the coefficient has no finite value, or underflows, or is outside its domain."""
    exact = {name: mp.mpf(value) for name, value in point.items()}
    expected = _value(scalar.original, exact, mp)
    if expected is None and at_limit:
        expected = _limit(scalar.original, exact, mp)
    if expected is None or abs(expected) > 1e300:
        return None
    got = float(evaluate(scalar.expr, {k: np.float64(v) for k, v in point.items()}, FLOAT64))
    used = {k: v for k, v in point.items() if k in references(scalar.expr)}
    if abs(expected) < _NORMAL:
        # Zero, or underflow: absolutely small is all that can be asked for.
        return Finding(scalar.name, used, abs(got) / _NORMAL if got == got else math.inf, 2.0)
    error = float(abs(mp.mpf(got) - expected) / abs(expected)) if math.isfinite(got) else math.inf
    condition = _condition(scalar, exact, expected, mp)
    return Finding(scalar.name, used, error, scalar.roundings * _UNIT * (1 + condition))


def _value(expr: sp.Expr, env: Mapping[str, Value], mp: Context) -> Value | None:
    try:
        value = value_of(expr, env, mp)
    except ZeroDivisionError:
        return None
    return value if isinstance(value, mp.mpf) and mp.isfinite(value) else None


def _limit(expr: sp.Expr, env: Mapping[str, Value], mp: Context) -> Value | None:
    """The value where it is 0/0, from two points close by that must agree."""
    close = []
    for digits in (40, 44):
        small = mp.mpf(10) ** -digits
        # From inside: every interval that ends in 0 or 1 continues towards 1/2.
        moved = {k: v if k in (STEP, TIME) else v + small * (1 - 2 * v) for k, v in env.items()}
        close.append(_value(expr, moved, mp))
    near, nearer = close
    if near is None or nearer is None:
        return None
    return nearer if abs(near - nearer) <= abs(nearer) * mp.mpf(10) ** -30 else None


def _condition(scalar: Scalar, env: Mapping[str, Value], expected: Value, mp: Context) -> float:
    """Sum over the inputs of |x df/dx / f|, by differences of 10**-45 at 120 digits."""
    small = mp.mpf(10) ** -45
    total = mp.mpf(0)
    for name in sorted(references(scalar.expr) - {STEP}):
        if env[name] == 0:
            continue
        moved = _value(scalar.original, {**env, name: env[name] * (1 - small)}, mp)
        if moved is not None:
            total += abs(moved - expected) / small / abs(expected)
    return float(total)
