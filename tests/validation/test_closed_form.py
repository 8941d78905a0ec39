"""Closed forms against formulas that were derived by hand, as exact identities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

import pytest
import sympy as sp

import symplectic_codegen as sc
from symplectic_codegen.analysis.linear_step import linear_step
from symplectic_codegen.analysis.parameters import CURVATURE
from symplectic_codegen.driver import derive
from symplectic_codegen.rule.interpreter import EXACT, initial_state, interpret
from symplectic_codegen.validation.closed_form import chebyshev

lr, momentum, zeta = sp.symbols("lr momentum zeta", positive=True)
n = sp.Symbol("n", positive=True, integer=True)
STEPS = 20
GRADIENT = (Fraction(3, 2), Fraction(-2, 5))

Formula = Callable[[int, Fraction, Fraction, Fraction], tuple[Fraction, Fraction]]


def follow(name: str, values: Mapping[str, Fraction]) -> list[tuple[Fraction, ...]]:
    """Weights after each step on 1/2 (3/2 w0**2 - 2/5 w1**2), without rounding."""
    rule = derive(sc.catalog.load(name)).rule
    assert {p.name for p in rule.parameters} == set(values)
    state, w = initial_state(rule, values, 2, EXACT), (Fraction(1), Fraction(-3, 7))
    rows = []
    for _ in range(STEPS):
        G = tuple(a * x for a, x in zip(GRADIENT, w, strict=True))
        state, w = interpret(rule, values, state, w, G, arithmetic=EXACT)
        rows.append(w)
    return rows


def by_hand(formula: Formula) -> list[tuple[Fraction, ...]]:
    """The same with v, w = formula(number, v, w, gradient)."""
    w = [Fraction(1), Fraction(-3, 7)]
    v = [Fraction(0), Fraction(0)]
    rows = []
    for number in range(1, STEPS + 1):
        for i, curvature in enumerate(GRADIENT):
            v[i], w[i] = formula(number, v[i], w[i], curvature * w[i])
        rows.append(tuple(w))
    return rows


ETA, MU, Z, DAMP, LAMBDA = (Fraction(*f) for f in ((1, 10), (9, 10), (4, 3), (1, 4), (1, 100)))


def torch_sgd(number: int, v: Fraction, w: Fraction, g: Fraction) -> tuple[Fraction, Fraction]:
    v = MU * v + (1 - DAMP) * g
    return v, w - ETA * v


def adam_first_moment(
    number: int, m: Fraction, w: Fraction, g: Fraction
) -> tuple[Fraction, Fraction]:
    m = MU * m + (1 - MU) * g
    return m, w - ETA * Z * m / (1 - MU**number)


def l2_penalty(number: int, v: Fraction, w: Fraction, g: Fraction) -> tuple[Fraction, Fraction]:
    v = MU * v + Z * (1 - MU) * (g + LAMBDA * w)
    return v, w - ETA * v


def fading_penalty(number: int, v: Fraction, w: Fraction, g: Fraction) -> tuple[Fraction, Fraction]:
    v = MU * v + Z * (1 - MU) * g + LAMBDA * ETA * MU**number * w
    return v, w - ETA * v


def accumulation(number: int, v: Fraction, w: Fraction, g: Fraction) -> tuple[Fraction, Fraction]:
    v = v + Z * g
    return v, w - ETA * v


def gradient_descent(
    number: int, v: Fraction, w: Fraction, g: Fraction
) -> tuple[Fraction, Fraction]:
    return v, w - ETA * g


@pytest.mark.parametrize(
    ("name", "formula", "values"),
    [
        ("heavy_ball", torch_sgd, {"lr": ETA, "momentum": MU, "dampening": DAMP}),
        ("debiased_momentum", adam_first_moment, {"lr": ETA, "momentum": MU, "zeta": Z}),
        ("weight_decay", l2_penalty, {"lr": ETA, "momentum": MU, "zeta": Z, "decay": LAMBDA}),
        (
            "fading_weight_decay",
            fading_penalty,
            {"lr": ETA, "momentum": MU, "zeta": Z, "decay": LAMBDA}
            | {"k": Fraction(1), "beta0": Fraction(1)},
        ),
        ("accumulation", accumulation, {"lr": ETA, "zeta": Z}),
        ("gradient_descent", gradient_descent, {"lr": ETA}),
    ],
)
def test_known_methods_in_exact_rationals(
    name: str, formula: Formula, values: Mapping[str, Fraction]
) -> None:
    assert follow(name, values) == by_hand(formula)


def zero(matrix: sp.Matrix) -> bool:
    return all(sp.simplify(e) == 0 for e in matrix)


def step_of(name: str) -> sp.Matrix:
    step = linear_step(derive(sc.catalog.load(name)))
    assert step is not None
    return step


def test_the_matrix_of_momentum() -> None:
    step, gain = step_of("momentum"), zeta * (1 - momentum)
    expected = [[momentum, gain * CURVATURE], [-lr * momentum, 1 - lr * gain * CURVATURE]]
    assert zero(step.matrix - sp.Matrix(expected))
    assert sp.expand(step.trace - (1 + momentum - lr * gain * CURVATURE)) == 0
    assert step.determinant == momentum
    assert step.is_constant
    point = {lr: sp.Rational(1, 3), zeta: 1, momentum: sp.Rational(3, 5), CURVATURE: 7}
    assert zero((step.power(sp.Integer(5)) - step.matrix**5).subs(point))


def test_the_matrix_of_gradient_descent_forgets() -> None:
    step = step_of("gradient_descent")
    assert zero(step.matrix - sp.Matrix([[0, CURVATURE], [0, 1 - lr * CURVATURE]]))
    assert step.determinant == 0
    assert sp.simplify(step.power(sp.Integer(7))[1, 1] - (1 - lr * CURVATURE) ** 7) == 0


def test_accumulation_never_forgets() -> None:
    assert step_of("accumulation").determinant == 1


def test_the_bias_correction_is_a_changing_matrix() -> None:
    step = step_of("debiased_momentum")
    assert not step.is_constant
    assert sp.simplify(step.matrix[0, 0] - (momentum - momentum**n) / (1 - momentum**n)) == 0
    with pytest.raises(ValueError, match="no power"):
        step.power(sp.Integer(2))


@pytest.mark.parametrize("name", ["relativistic", "relativistic_degree_one"])
def test_a_nonlinear_rule_has_no_matrix(name: str) -> None:
    assert linear_step(derive(sc.catalog.load(name))) is None


@pytest.mark.parametrize("exponent", [1, 2, 5])
def test_the_power_of_the_matrix(exponent: int) -> None:
    step = step_of("momentum")
    point = {lr: sp.Rational(1, 3), momentum: sp.Rational(1, 2), zeta: 2, CURVATURE: 3}
    formula = step.power(sp.Integer(exponent)).subs(point)
    assert zero(formula - step.matrix.subs(point) ** exponent)


def test_the_power_where_the_eigenvalues_meet() -> None:
    # (1 + mu - q)**2 = 4 mu at mu = 1/4 gives q = 1/4: a critically damped oscillator.
    point = {momentum: sp.Rational(1, 4), lr: 1, zeta: 1, CURVATURE: sp.Rational(1, 3)}
    step = step_of("momentum")
    M = step.matrix.subs(point)
    assert sp.simplify(step.trace.subs(point) ** 2 - 4 * M.det()) == 0
    for exponent in (1, 2, 9):
        formula = step.double_root_power(sp.Integer(exponent)).subs(point)
        assert zero(formula - M**exponent)
        s = chebyshev(M.trace(), M.det(), exponent, sp.Integer(1))
        assert s == exponent * (M.trace() / 2) ** (exponent - 1)


def test_the_sum_in_trace_and_determinant_satisfies_its_recurrence() -> None:
    T, D = sp.symbols("T D")
    s = [chebyshev(T, D, N, sp.Integer(1)) for N in range(12)]
    assert s[:2] == [0, 1]
    for before, here, after in zip(s, s[1:], s[2:], strict=False):
        assert sp.expand(after - T * here + D * before) == 0
