"""The arithmetics of the interpreter agree with each other, as far as each of them goes."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from symplectic_codegen.rule.expression import HOST_ONLY, Call, Expr, Number, Op, Ref
from symplectic_codegen.rule.interpreter import (
    EXACT,
    FLOAT64,
    MPMATH,
    State,
    evaluate,
    initial_state,
    interpret,
    rounding_bounds,
)
from symplectic_codegen.rule.rule import (
    Assign,
    BlockState,
    Buffer,
    Guard,
    Iterate,
    Parameter,
    Reduction,
    ScalarState,
    Stage,
    Store,
    UpdateRule,
)


def term(value: Expr | str | int) -> Expr:
    if isinstance(value, int):
        return Number(Fraction(value))
    return Ref(value) if isinstance(value, str) else value


def call(op: Op, *args: Expr | str | int) -> Expr:
    return Call(op, tuple(term(a) for a in args))


# Two stages, a reduction between them, a scalar state, the loss, the step count and a guard.
RULE = UpdateRule(
    "rule",
    (Parameter("lr"),),
    (Buffer("X"),),
    (
        Stage(
            (Assign("rate", call(Op.DIV, "lr", "n")),),
            (Assign("X_new", call(Op.ADD, "X", "G")),),
            (Store("X", "X_new"),),
            (Reduction("R", call(Op.MUL, "X_new", "X_new")), Reduction("N", Number(Fraction(1)))),
        ),
        Stage(
            (Assign("mean", call(Op.DIV, "R", "N")),),
            (
                Assign("move", call(Op.MUL, "rate", "X")),
                Assign("scaled", call(Op.DIV, "move", "mean")),
                Assign("w_new", call(Op.SUB, "w", "scaled")),
            ),
            (Store("w", "w_new"),),
        ),
    ),
    (ScalarState("U", call(Op.MUL, "lr", 2)),),
    (Assign("U_new", call(Op.ADD, "U", "L")),),
    (Store("U", "U_new"),),
    (Guard(call(Op.ADD, "L", 1), "the loss is too small"),),
)


def test_two_steps_in_fractions() -> None:
    values = {"lr": Fraction(1, 2)}
    state = initial_state(RULE, values, 2, EXACT)
    assert state == State({"X": (0, 0)}, {"U": Fraction(1)}, 0)
    w, G = (Fraction(1), Fraction(2)), (Fraction(1), Fraction(3))
    state, w = interpret(RULE, values, state, w, G, Fraction(1, 3), EXACT)
    assert state == State({"X": (1, 3)}, {"U": Fraction(4, 3)}, 1)
    assert w == (Fraction(9, 10), Fraction(17, 10))
    state, w = interpret(RULE, values, state, w, G, Fraction(0), EXACT)
    assert state == State({"X": (2, 6)}, {"U": Fraction(4, 3)}, 2)
    assert w == (Fraction(9, 10) - Fraction(1, 40), Fraction(17, 10) - Fraction(3, 40))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arithmetics_agree(dtype: str) -> None:
    values = {"lr": 0.1}
    generator = np.random.default_rng(0)
    w = generator.standard_normal(20)
    grads = generator.standard_normal((3, 20))
    bounds = rounding_bounds(dtype)
    results = {}
    for name, arithmetic in {"double": FLOAT64, "digits": MPMATH, "bounds": bounds}.items():
        state, now = initial_state(RULE, values, 20, arithmetic), w
        for G in grads:
            state, now = interpret(RULE, values, state, now, G, 0.25, arithmetic)
        results[name] = now
    np.testing.assert_array_equal(results["double"], results["bounds"].value)
    digits = np.array([float(x) for x in results["digits"]])
    assert (np.abs(results["double"] - digits) <= results["bounds"].error).all()
    assert results["bounds"].error.max() < 1e3 * np.finfo(dtype).eps


ARGUMENTS = (-1e3, -2.0, -0.7, -1e-9, 0.0, 1e-12, 0.3, 1.0, 5.0, 700.0)


ELEMENTARY = [op for op in Op if op not in HOST_ONLY]


@pytest.mark.parametrize("op", ELEMENTARY, ids=lambda op: op.name)
def test_every_operation_in_double_and_in_50_digits(op: Op) -> None:
    bounds = rounding_bounds("float64")
    expr = Call(op, (Ref("x"), Ref("y"))[: op.arity])
    checked = 0
    for x in ARGUMENTS:
        for y in ARGUMENTS if op.arity == 2 else (0.0,):
            numbers = {"x": np.float64(x), "y": np.float64(y)}
            found = evaluate(expr, numbers, FLOAT64)
            if not np.isfinite(found) or found == 0.0:
                continue
            exact = evaluate(expr, {n: mpmath.mpf(float(v)) for n, v in numbers.items()}, MPMATH)
            scalars = {name: bounds.scalar(v) for name, v in numbers.items()}
            allowed = float(evaluate(expr, scalars, bounds).error)
            assert abs(found - exact) <= allowed, (x, y)
            checked += 1
    assert checked >= 3


def test_nothing_raises_in_double_precision() -> None:
    specials = (0.0, -0.0, 1e308, -1e308, np.inf, -np.inf, np.nan)
    for op in ELEMENTARY:
        for x in specials:
            for y in specials:
                args = (np.float64(x), np.float64(y))[: op.arity]
                assert isinstance(FLOAT64.apply(op, *args), np.floating), op
    assert FLOAT64.apply(Op.EXPREL, np.float64(np.inf)) == np.inf
    assert FLOAT64.apply(Op.EXPREL, np.float64(-np.inf)) == 0.0
    assert FLOAT64.apply(Op.PHI2, np.float64(np.inf)) == np.inf
    assert FLOAT64.apply(Op.PHI2, np.float64(-np.inf)) == 0.0
    assert FLOAT64.apply(Op.LOG1PREL, np.float64(np.inf)) == 0.0
    assert np.isnan(FLOAT64.apply(Op.SIGN, np.float64(np.nan)))


def test_a_cycle_takes_its_values_in_turn() -> None:
    expr = Call(Op.CYCLE, (Ref("i"), Ref("a"), Number(Fraction(7)), Ref("c")))
    for arithmetic in (EXACT, FLOAT64, MPMATH, rounding_bounds("float32")):
        values = {name: arithmetic.scalar(v) for name, v in {"a": 5, "c": 9}.items()}
        found = [evaluate(expr, values | {"i": arithmetic.scalar(i)}, arithmetic) for i in range(7)]
        assert [float(getattr(x, "value", x)) for x in found] == [5, 7, 9, 5, 7, 9, 5]


def test_values_per_block_and_their_sum() -> None:
    stage = Stage(
        (Assign("all", call(Op.BLOCK_SUM, "S")),),
        (Assign("w_new", call(Op.ADD, call(Op.ADD, "w", "S"), "all")),),
        (Store("w", "w_new"),),
        (Reduction("R", Ref("G"), per_block=True), Reduction("T", Ref("G"))),
    )
    rule = UpdateRule(
        "blocks", (), (), (stage,), state_stores=(Store("S", "R"),), block_states=(BlockState("S"),)
    )
    G = tuple(Fraction(i) for i in range(1, 6))
    for arithmetic in (EXACT, FLOAT64, MPMATH, rounding_bounds("float64")):
        state = initial_state(rule, {}, 5, arithmetic, 2)
        state, w = interpret(rule, {}, state, (0,) * 5, G, arithmetic=arithmetic, blocks=(2, 3))
        state, w = interpret(rule, {}, state, (0,) * 5, G, arithmetic=arithmetic, blocks=(2, 3))
        numbers = getattr(w, "value", w)
        assert [float(x) for x in numbers] == [18, 18, 27, 27, 27]  # sums 3 and 12, together 15


def test_the_loss_of_the_first_step_is_kept() -> None:
    stage = Stage((), (Assign("w_new", call(Op.ADD, "w", "first")),), (Store("w", "w_new"),))
    rule = UpdateRule("first", (), (), (stage,), (ScalarState("first", call(Op.MUL, "L", 2)),))
    state, w = initial_state(rule, {}, 1, EXACT), (Fraction(0),)
    for loss in (3, 50, 70):
        state, w = interpret(rule, {}, state, w, (0,), loss, EXACT)
    assert (state.scalars["first"], w) == (6, (18,))


def test_an_iteration_carries_its_variables() -> None:
    """Newton's iteration for the root of 2, in fractions: 1, 3/2, 17/12, 577/408."""
    halved = call(Op.DIV, call(Op.ADD, "x", call(Op.DIV, 2, "x")), 2)
    newton = Iterate((Assign("x", term(1)),), (Assign("y", halved),), (Store("x", "y"),), 3)
    stage = Stage((), (newton,), (Store("w", "x"),))
    rule = UpdateRule("newton", (), (), (stage,))
    _, w = interpret(rule, {}, State(), (0,), (0,), arithmetic=EXACT)
    assert w == (Fraction(577, 408),)


def test_inputs_are_not_changed() -> None:
    w, G = np.ones(3), np.ones(3)
    state = initial_state(RULE, {"lr": 0.1}, 3)
    interpret(RULE, {"lr": 0.1}, state, w, G, 0.0)
    np.testing.assert_array_equal(w, np.ones(3))
    np.testing.assert_array_equal(state.buffers["X"], np.zeros(3))
    assert state.steps == 0


def test_guards_and_the_loss() -> None:
    state = initial_state(RULE, {"lr": 0.1}, 1)
    for loss in (-1.0, np.nan):
        with pytest.raises(ValueError, match="the loss is too small"):
            interpret(RULE, {"lr": 0.1}, state, [1.0], [1.0], loss)
    with pytest.raises(ValueError, match="needs the value of the loss"):
        interpret(RULE, {"lr": 0.1}, state, [1.0], [1.0])


def test_fractions_refuse_what_is_not_rational() -> None:
    with pytest.raises(ValueError, match="no exp"):
        EXACT.apply(Op.EXP, Fraction(1))
    with pytest.raises(ValueError, match="whole powers"):
        EXACT.apply(Op.POW, Fraction(2), Fraction(1, 2))
    assert EXACT.apply(Op.POW, Fraction(2), Fraction(-3)) == Fraction(1, 8)
