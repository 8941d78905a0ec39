"""Rules that say what is added to the weights: the same values, and no digits lost."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from symplectic_codegen import catalog
from symplectic_codegen.driver import derive
from symplectic_codegen.passes.increments import as_increments, summand
from symplectic_codegen.rule.expression import ONE, Call, Expr, Number, Op, Ref
from symplectic_codegen.rule.interpreter import (
    FLOAT64,
    MPMATH,
    State,
    initial_state,
    interpret,
)
from symplectic_codegen.rule.rule import (
    PARAMETER,
    Assign,
    Buffer,
    Interval,
    Iterate,
    Parameter,
    Stage,
    Store,
    UpdateRule,
)

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "targets"))
from hand_made import RULES
from test_passes import HYPER, SIZE, random_rule

w, G, X, lr = Ref("w"), Ref("G"), Ref("X"), Ref("lr")


def call(op: Op, *args: Expr) -> Call:
    return Call(op, args)


def num(value: int | Fraction) -> Number:
    return Number(Fraction(value))


def step(rule: UpdateRule, weights: object) -> tuple[State, object]:
    hyper = {p.name: HYPER.get(p.name, Fraction(2, 3)) for p in rule.parameters}
    state = initial_state(rule, hyper, SIZE, MPMATH, 2)
    force = MPMATH.vector([Fraction(1, 3), Fraction(-5, 7), Fraction(1, 9)])
    noise = MPMATH.vector([Fraction(-2, 3), Fraction(1, 5), Fraction(-1, 2)])
    loss = Fraction(5, 4)
    return interpret(rule, hyper, state, weights, force, loss, MPMATH, noise, (1, 2))


def assert_adds_up(rule: UpdateRule) -> None:
    weights = MPMATH.vector([Fraction(2, 3), Fraction(-1, 5), Fraction(7, 4)])
    moving, change = as_increments(rule)
    assert not any(s.target == PARAMETER for stage in moving.stages for s in stage.stores)
    old, moved = step(rule, weights)
    new, still = step(moving, weights)
    assert still == weights
    sums = MPMATH.apply(Op.ADD, weights, new.buffers[change])
    pairs = [(moved, sums)]
    pairs += [(old.buffers[b.name], new.buffers[b.name]) for b in rule.buffers]
    pairs += [((old.scalars[s.name],), (new.scalars[s.name],)) for s in rule.states]
    pairs += [(old.blocks[s.name], new.blocks[s.name]) for s in rule.block_states]
    for a, b in pairs:
        for x, y in zip(a, b, strict=True):  # type: ignore[call-overload]
            assert abs(x - y) <= 1e-35 * (1 + abs(x)), (rule, moving)


@pytest.mark.parametrize("seed", range(40))
def test_random_rules(seed: int) -> None:
    assert_adds_up(random_rule(seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(400))
def test_many_random_rules(seed: int) -> None:
    try:
        assert_adds_up(random_rule(20_000 + seed))
    except MemoryError:
        pytest.skip("the random rule overflows any arithmetic")


@pytest.mark.parametrize("rule", [r for r in RULES if r.name != "coverage"], ids=lambda r: r.name)
def test_hand_made_rules(rule: UpdateRule) -> None:
    assert_adds_up(rule)


@pytest.mark.parametrize("name", catalog.names())
def test_the_catalogue(name: str) -> None:
    """And no entry computes the change as a difference of weights."""
    rule = derive(catalog.load(name)).rule
    assert_adds_up(rule)
    moving, change = as_increments(rule)
    for stage in moving.stages:
        made = {a.name: a.expr for a in stage.assigned}
        for store in stage.stores:
            if store.target == change:
                expr = made[store.source]
                assert not (isinstance(expr, Call) and expr.op is Op.SUB and expr.args[1] == w)


def changes(*elements: Assign, scalars: tuple[Assign, ...] = ()) -> list[str]:
    """What the sweep assigns after the transformation; the last element was the new weight."""
    rule = UpdateRule(
        "rule",
        (Parameter("lr"), Parameter("mu"), Parameter("free", None, Interval(None, None))),
        (Buffer("X"),),
        (Stage(scalars, elements, (Store("w", elements[-1].name),)),),
    )
    (stage,) = as_increments(rule)[0].stages
    lines = [f"{a.name} = {a.expr}" for a in (*stage.scalars, *stage.assigned)]
    return [line for line in lines if not line.startswith(("X_", "shrink ="))]


SHRINK = call(Op.MUL, Ref("shrink"), w)
MINUS = call(Op.SUB, w, call(Op.MUL, lr, X))


@pytest.mark.parametrize(
    ("new", "change"),
    [
        (MINUS, "-lr*X"),
        (call(Op.ADD, w, X), "X"),
        (call(Op.ADD, X, w), "X"),
        (call(Op.SUB, w, call(Op.SUB, X, G)), "G - X"),
        (call(Op.SUB, w, call(Op.NEG, X)), "X"),
        (call(Op.SUB, w, call(Op.ADD, X, G)), "-(X + G)"),
        (call(Op.ADD, w, call(Op.DIV, call(Op.NEG, X), G)), "-X/G"),
        (call(Op.SUB, call(Op.SUB, w, X), G), "-X - G"),
        (call(Op.ADD, w, w), "w"),
        (w, "0"),
        # These are no sums with w as a term.
        (X, "w_new - w"),
        (call(Op.SUB, X, w), "w_new - w"),
        (call(Op.MUL, w, X), "w_new - w"),
        (call(Op.NEG, w), "w_new - w"),
        (call(Op.DIV, w, lr), "w_new - w"),
        (call(Op.TANH, w), "w_new - w"),
    ],
    ids=str,
)
def test_the_form_of_a_change(new: Expr, change: str) -> None:
    assert changes(Assign("w_new", new))[-1] == f"change_new = {change}"


@pytest.mark.parametrize(
    ("factor", "less_one"),
    [
        (call(Op.SUB, ONE, call(Op.MUL, lr, Ref("mu"))), "-lr*mu"),
        (call(Op.ADD, ONE, lr), "lr"),
        (call(Op.ADD, lr, ONE), "lr"),
        (call(Op.EXP, call(Op.NEG, lr)), "expm1(-lr)"),
        (call(Op.POW, Ref("mu"), lr), "powm1(mu, lr)"),
        (call(Op.POW, Ref("free"), lr), "shrink - 1"),  # it may be negative
        (num(Fraction(3, 4)), "-1/4"),
        (lr, "shrink - 1"),
        (
            call(Op.MUL, call(Op.EXP, lr), call(Op.SUB, ONE, Ref("mu"))),
            "expm1(lr)*(1 - mu) - mu",
        ),
        (call(Op.MUL, lr, call(Op.EXP, lr)), "shrink - 1"),
    ],
    ids=str,
)
def test_stretched_weights(factor: Expr, less_one: str) -> None:
    lines = changes(Assign("w_new", SHRINK), scalars=(Assign("shrink", factor),))
    assert lines == [f"shrink_minus_1 = {less_one}", "change_new = shrink_minus_1*w"]


def test_stretched_and_moved_weights() -> None:
    shrink = (Assign("shrink", call(Op.SUB, ONE, lr)),)
    kick = Assign("w_new", call(Op.SUB, Ref("w_mid"), X))
    assert changes(Assign("w_mid", SHRINK), kick, scalars=shrink)[-1] == (
        "change_new = shrink_minus_1*w - X"
    )
    both = call(Op.MUL, Ref("shrink"), Ref("w_mid"))
    lines = changes(Assign("w_mid", MINUS), Assign("w_new", both), scalars=shrink)
    assert lines[-1] == "change_new = shrink_minus_1*w - shrink*lr*X".replace(
        "- shrink*lr*X", "+ shrink*(-lr*X)"
    )


def test_what_an_iteration_ends_with() -> None:
    """A body that uses what has moved on is no definition any more."""
    start = (Assign("v", w),)
    body = (Assign("a", call(Op.SUB, w, call(Op.MUL, lr, X))),)
    safe = Iterate(start, body, (Store("v", "a"),), 3)
    assert _after(safe, "v") == "-lr*X"
    moved = (Assign("a", call(Op.SUB, w, call(Op.MUL, lr, Ref("v")))),)
    assert _after(Iterate(start, moved, (Store("v", "a"),), 3), "a") == "a - w"


def _after(iteration: Iterate, source: str) -> str:
    stage = Stage((), (iteration,), (Store("w", source),))
    moving, _ = as_increments(UpdateRule("rule", (Parameter("lr"),), (Buffer("X"),), (stage,)))
    (found,) = (a.expr for a in moving.body if a.name == "change_new")
    return str(found)


def test_names_of_the_rule_are_not_taken_over() -> None:
    elements = (Assign("change", X), Assign("change_2_new", call(Op.SUB, w, Ref("change"))))
    rule = UpdateRule(
        "rule", (), (Buffer("X"),), (Stage((), elements, (Store("w", "change_2_new"),)),)
    )
    moving, name = as_increments(rule)
    assert name == "change_2"
    assert [a.name for a in moving.body] == ["change", "change_2_new_2"]


def test_digits_that_a_difference_would_lose() -> None:
    """One millionth of a unit in the last place of the weights."""
    elements = (Assign("w_mid", SHRINK), Assign("w_new", call(Op.SUB, Ref("w_mid"), G)))
    scalars = (Assign("shrink", call(Op.SUB, ONE, lr)),)
    rule = UpdateRule(
        "rule", (Parameter("lr"),), (), (Stage(scalars, elements, (Store("w", "w_new"),)),)
    )
    moving, change = as_increments(rule)
    hyper = {"lr": np.float64(1e-22)}
    new, _ = interpret(
        moving, hyper, initial_state(moving, hyper, 1), np.array([3.0]), np.array([2e-22]),
        arithmetic=FLOAT64,
    )  # fmt: skip
    assert new.buffers[change] == pytest.approx([-5e-22], rel=1e-15)


@pytest.mark.parametrize(
    ("expr", "found"),
    [
        (call(Op.ADD, w, X), "X"),
        (call(Op.SUB, call(Op.ADD, X, w), G), "X - G"),
        (w, "0"),
        (X, "None"),
        (call(Op.SUB, X, w), "None"),
        (call(Op.MUL, num(2), w), "None"),
    ],
    ids=str,
)
def test_summands(expr: Expr, found: str) -> None:
    assert str(summand(expr, "w")) == found
