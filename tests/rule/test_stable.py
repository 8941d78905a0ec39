"""Stable rewrites: each identity proved, the value never changed, the accuracy gained."""

from __future__ import annotations

import random

import mpmath
import numpy as np
import pytest
import sympy as sp

from symplectic_codegen.rule.expression import Call, Op, Ref
from symplectic_codegen.rule.interpreter import FLOAT64, evaluate
from symplectic_codegen.rule.lower import freeze
from symplectic_codegen.rule.stable import (
    ELEMENT_REWRITES,
    SCALAR_REWRITES,
    Expm1,
    Exprel,
    Hypot,
    Log1p,
    Log1prel,
    Phi2,
    Rewrite,
    expand_definitions,
    stabilize,
)

a, b, g, q = sp.symbols("a b g q", positive=True)
r = sp.Symbol("r", real=True)
n = sp.Symbol("n", positive=True, integer=True)


@pytest.mark.parametrize("rewrite", [*SCALAR_REWRITES, *ELEMENT_REWRITES], ids=lambda r: r.name)
def test_the_identity_behind_each_rewrite(rewrite: Rewrite) -> None:
    left, right = (expand_definitions(side) for side in rewrite.identity)
    difference = sp.expand_log(sp.powsimp(sp.expand(left - right)), force=True)
    assert sp.simplify(difference) == 0
    assert rewrite.gain


def value_at(expr: sp.Expr, point: dict[sp.Symbol, sp.Expr]) -> sp.Expr:
    return sp.N(expand_definitions(expr).xreplace(point), 60, maxn=2000)


POINTS = [
    {a: sp.Rational(3, 7), b: sp.Rational(11, 5), g: sp.Rational(5, 9), q: sp.Rational(2, 3),
     r: sp.Rational(-4, 3), n: sp.Integer(3)},
    {a: sp.Rational(13, 4), b: sp.Rational(1, 9), g: sp.Rational(7, 6), q: sp.Rational(8, 5),
     r: sp.Rational(5, 7), n: sp.Integer(11)},
]  # fmt: skip


def assert_kept(expr: sp.Expr) -> sp.Expr:
    stable, _ = stabilize(expr)
    for point in POINTS:
        before, after = value_at(expr, point), value_at(stable, point)
        assert abs(before - after) <= sp.Float("1e-45") * (1 + abs(before)), stable
    return stable


HOSTILE = {
    "one difference": 1 - sp.exp(-g * q),
    "two differences": sp.exp(a) - sp.exp(b) + sp.exp(g) - sp.exp(q),
    "three terms": 2 * sp.exp(a) - sp.exp(b) - sp.exp(g),
    "equal coefficients": sp.exp(a) + sp.exp(b) - 2 * sp.exp(g),
    "duplicates": 3 * sp.exp(a) - 3 * sp.exp(b) + 3 * sp.exp(g) - 3 * sp.exp(q) + 3,
    "equal exponents": a * sp.exp(q) - b * sp.exp(q) + sp.exp(q),
    "polynomial coefficients": (a + b) * sp.exp(-g * q) - a - b,
    "nested": sp.exp(1 - sp.exp(-g * q)) - 1,
    "in a denominator": 1 / (1 - sp.exp(-g * q)) - 1 / (1 - sp.exp(-q)),
    "squares": (1 - sp.exp(-g * q)) ** 2 / g**2,
    "symbolic sign": (sp.exp(r * q) - 1) / r,
    "five": sum((-1) ** i * sp.exp(i * g * q) for i in range(5)),
    "binomial": 1 - 3 * sp.exp(-g) + 3 * sp.exp(-2 * g) - sp.exp(-3 * g),
    "ratio": (1 - sp.exp(-g * q)) / (1 - sp.exp(-g * a)),
    "logarithm": sp.log(1 + a * g) / g,
    "ratio of logarithms": sp.log(1 + a * g) / sp.log(1 + b * g),
    "difference of logarithms": sp.log(1 + a) - sp.log(1 + b),
    "log of a sum": sp.log(1 + a + b + sp.exp(q)),
    "log over its argument": sp.log(a) / (a - 1),
    "inverse log": (a - 1) / sp.log(a),
    "powers": ((n + q) ** 4 - (n + q - 1) ** 4) / (n + q) ** 3,
    "fractional powers": (1 + a) ** sp.Rational(1, 3) - (1 + b) ** sp.Rational(1, 3),
    "symbolic power": (1 + a) ** q - (1 + b) ** q,
    "tower": sp.exp(-sp.exp(-a)) - sp.exp(-sp.exp(-b)),
    "mixed": sp.exp(-a) * sp.log(1 + g) - sp.log(1 + g),
    "number exponents": sp.exp(a) - sp.E,
    "second difference": (sp.exp(r * q) - 1 - r * q) / r**2 + (1 - sp.exp(-g * q)) / g - q,
    "second difference at the end": q * sp.exp(-g * q) - (1 - sp.exp(-g * q)) / g,
    "ratios of powers": 1 - ((a + b) / (a + b + g)) ** sp.Rational(2, 3) + sp.sqrt(a / (a + g)) - 1,
    "shared": (sp.exp(-g * q) - sp.exp(-2 * g * q)) / (1 - sp.exp(-2 * g * q)),
}


@pytest.mark.parametrize("expr", HOSTILE.values(), ids=HOSTILE)
def test_hostile_expressions_keep_their_value(expr: sp.Expr) -> None:
    assert_kept(expr)


@pytest.mark.parametrize("seed", range(12))
def test_random_sums_of_exponentials_keep_their_value(seed: int) -> None:
    draw = random.Random(seed)
    exponents = [sp.S.Zero, a, -a, g * q, -g * q, g * (a + b), r * q, a - b, 2 * a]
    coefficients = [1, -1, 1, -1, 2, a, -a, a + b, -(a + b)]
    expr = sp.Add(
        *(
            draw.choice(coefficients) * sp.exp(draw.choice(exponents))
            for _ in range(draw.randint(3, 5))
        )
    )
    expr = expr * draw.choice([1, 1 / g, sp.exp(-a), 1 / (1 + sp.exp(q)), 1 / q**2])
    assert_kept(expr)


def test_a_chain_keeps_values_and_names_what_it_used() -> None:
    expr = (1 - sp.exp(-g * q)) / g * sp.log(1 + a * b) / b
    stable, used = stabilize(expr)
    assert stable == q * Exprel(-g * q) * a * Log1prel(a * b)
    assert set(used) == {"difference of exponentials", "exprel", "log1p", "log1prel"}
    assert stabilize(stable)[0] == stable
    assert stabilize(a + b) == (a + b, ())


def test_a_sum_over_a_vanishing_rate_keeps_its_limit() -> None:
    frozen = freeze(stabilize((1 - sp.exp(-g * q)) / g + sp.log(1 + a * g) / g)[0])
    values = {"g": np.float64(0), "q": np.float64(0.75), "a": np.float64(0.5)}
    assert evaluate(frozen, values, FLOAT64) == 1.25


@pytest.mark.parametrize(
    ("inert", "definition"),
    [
        (Expm1(a), sp.exp(a) - 1),
        (Log1p(a), sp.log(1 + a)),
        (Exprel(a), (sp.exp(a) - 1) / a),
        (Log1prel(a), sp.log(1 + a) / a),
        (Phi2(a), (sp.exp(a) - 1 - a) / a**2),
        (Hypot(a, b), sp.sqrt(a**2 + b**2)),
        (Expm1(Log1p(a) * b), (1 + a) ** b - 1),
    ],
)
def test_definitions(inert: sp.Expr, definition: sp.Expr) -> None:
    assert sp.simplify(expand_definitions(inert) - definition) == 0


# Accuracy in float64, against mpmath.

EDGES = [0.0, 1e-300, -1e-300, 1e-17, -1e-17, 1e-8, -1e-8, 1e-3, 0.5, -0.5, 1.0, 30.0, -30.0]


def relative_error(op: Op, x: float) -> float:
    with mpmath.workdps(60):
        exact = mpmath.mpf(x)
        if op is Op.EXPREL:
            known = mpmath.mpf(1) if x == 0 else mpmath.expm1(exact) / exact
        elif op is Op.PHI2:  # the integral that it is; mpmath has it as a confluent 1F1
            known = mpmath.hyp1f1(1, 3, exact) / 2
        else:
            known = mpmath.mpf(1) if x == 0 else mpmath.log1p(exact) / exact
        found = evaluate(Call(op, (Ref("x"),)), {"x": np.float64(x)}, FLOAT64)
        return float(abs(mpmath.mpf(float(found)) - known) / abs(known))


@pytest.mark.parametrize("x", [*EDGES, 700.0, -700.0, -1e4, 709.0])
def test_exprel_is_accurate(x: float) -> None:
    assert relative_error(Op.EXPREL, x) <= 4 * 2.0**-53


@pytest.mark.parametrize("x", [*EDGES, -1.0, -1 - 2.0**-52, 1 + 2.0**-52, -2.5, 700.0, -700.0])
def test_phi2_is_accurate(x: float) -> None:
    assert relative_error(Op.PHI2, x) <= 8 * 2.0**-53


@pytest.mark.parametrize("x", [*(e for e in EDGES if e > -1), -1 + 2.0**-53, -0.999, 1e300])
def test_log1prel_is_accurate(x: float) -> None:
    assert relative_error(Op.LOG1PREL, x) <= 4 * 2.0**-53


CANCELLING = {
    "impulse": (1 - sp.exp(-g * q)) / g,
    "two rates": (sp.exp(-g * q) - sp.exp(-2 * g * q)) / g,
    "power weights": ((n + q) ** 4 - (n + q - 1) ** 4) / (n + q) ** 3,
    "log": sp.log(1 + g * q) / g,
    "ratio": (1 - sp.exp(-g * q)) / (1 - sp.exp(-g)),
    "double pole": (sp.exp(-g * q) - 1 + g * q) / g**2,
    "double pole in a sum": ((1 - sp.exp(-g * q)) / g - q * sp.exp(-g * q)) / g,
    "growing double pole": (q - (1 - sp.exp(-g * q)) / g) * sp.exp(g * q) / g,
    "power of a ratio": (1 - sp.sqrt((n + g) / (n + g + g * q))) / g,
}


@pytest.mark.parametrize("rate", [1e-12, 1e-6, 1e-2, 1.0])
@pytest.mark.parametrize("expr", CANCELLING.values(), ids=CANCELLING)
def test_the_result_does_not_cancel(expr: sp.Expr, rate: float) -> None:
    frozen = freeze(stabilize(expr)[0])
    values = {"g": np.float64(rate), "q": np.float64(0.75), "n": np.float64(10**6)}
    found = float(evaluate(frozen, values, FLOAT64))
    exact = {s: sp.Rational(float(values[s.name])) for s in expr.free_symbols}
    known = sp.N(expr.xreplace(exact), 40, maxn=2000)
    assert abs(sp.Float(found, 40) - known) <= 40 * 2.0**-53 * abs(known)


def test_the_limit_of_a_vanishing_rate_is_a_number() -> None:
    frozen = freeze(stabilize((1 - sp.exp(-g * q)) / g)[0])
    assert evaluate(frozen, {"g": np.float64(0), "q": np.float64(0.75)}, FLOAT64) == 0.75


def test_hypot_replaces_evident_squares_only() -> None:
    hypotenuse = stabilize(sp.sqrt(r**2 + a**2), ELEMENT_REWRITES)[0]
    assert isinstance(hypotenuse, Hypot)
    assert set(hypotenuse.args) == {a, r}
    for left_alone in (sp.sqrt(r + a**2), sp.sqrt(r**3 + a**2), sp.sqrt(r**2 - a**2)):
        assert stabilize(left_alone, ELEMENT_REWRITES) == (left_alone, ())
