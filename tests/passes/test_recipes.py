"""Recipes: what they change, and what they refuse; with numbers from the interpreter."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from symplectic_codegen import catalog
from symplectic_codegen.driver import derive
from symplectic_codegen.errors import TargetError
from symplectic_codegen.generation import generate
from symplectic_codegen.passes.recipes import RECIPES, with_recipes
from symplectic_codegen.performance_report import as_text, traffic
from symplectic_codegen.provenance import read_provenance
from symplectic_codegen.rule.expression import Call, Number, Op, Ref
from symplectic_codegen.rule.interpreter import initial_state, interpret
from symplectic_codegen.rule.rule import (
    Assign,
    InvalidRuleError,
    Parameter,
    Stage,
    Store,
    UpdateRule,
)

MOMENTUM = derive(catalog.load("momentum"))
VALUES = {"lr": 0.25, "momentum": 0.5, "zeta": 1.0}


def steps(rule: UpdateRule, values: dict[str, float], grads: list[list[float]]) -> Any:
    """The state and the weights after some steps from (1, -2)."""
    w: Any = np.array([1.0, -2.0])
    state = initial_state(rule, values, 2)
    for G in grads:
        state, w = interpret(rule, values, state, w, np.array(G))
    return state, w


def values_of(rule: UpdateRule, **more: float) -> dict[str, float]:
    return {p.name: {**VALUES, **more}[p.name] for p in rule.parameters}


GRADS = [[3.0, 4.0], [0.3, -0.4], [-6.0, 8.0]]


def test_clipping() -> None:
    rule = with_recipes(MOMENTUM.rule, ["clip-norm"])
    found = steps(rule, values_of(rule, max_norm=1.0), GRADS)[1]
    clipped = [[g * min(1.0, 1.0 / (np.hypot(*G) + 1e-6)) for g in G] for G in GRADS]
    expected = steps(MOMENTUM.rule, values_of(MOMENTUM.rule), clipped)[1]
    np.testing.assert_allclose(found, expected, rtol=1e-15)
    nan = steps(rule, values_of(rule, max_norm=1.0), [[np.nan, 1.0]])[1]
    assert np.isnan(nan).all()  # as torch.nn.utils.clip_grad_norm_ makes of it


def test_averages_begin_with_the_first_weights() -> None:
    rule = with_recipes(MOMENTUM.rule, ["ema"])
    values = values_of(rule, ema_decay=0.75)
    weights = [steps(rule, values, GRADS[: k + 1])[1] for k in range(3)]
    expected = weights[0]
    for w in weights[1:]:
        expected = 0.75 * expected + 0.25 * w
    state, w = steps(rule, values, GRADS)
    np.testing.assert_allclose(state.buffers["ema"], expected, rtol=1e-15)
    np.testing.assert_array_equal(w, steps(MOMENTUM.rule, values_of(MOMENTUM.rule), GRADS)[1])


def test_decoupled_decay() -> None:
    rule = with_recipes(MOMENTUM.rule, ["decoupled-decay"])
    found = steps(rule, values_of(rule, weight_decay=0.5), GRADS)[1]
    w, X = np.array([1.0, -2.0]), np.zeros(2)
    for G in GRADS:
        w = w * (1 - 0.25 * 0.5)
        X = 0.5 * X + 0.5 * np.array(G)
        w = w - 0.25 * X
    np.testing.assert_allclose(found, w, rtol=1e-15)


def test_decay_reaches_every_sweep_that_reads_the_weights() -> None:
    """Also one before the sweep that changes them, and its sums."""
    square = Call(Op.MUL, (Ref("w"), Ref("w")))
    from symplectic_codegen.rule.rule import Reduction

    rule = UpdateRule(
        "two_sweeps",
        (Parameter("lr"),),
        (),
        (
            Stage(reductions=(Reduction("R", square),)),
            Stage(
                elements=(Assign("w_new", Call(Op.MUL, (Ref("w"), Ref("R")))),),
                stores=(Store("w", "w_new"),),
            ),
            Stage(
                elements=(Assign("w_end", Call(Op.ADD, (Ref("w"), Ref("G")))),),
                stores=(Store("w", "w_end"),),
            ),
        ),
    )
    changed = with_recipes(rule, ["decoupled-decay"])
    values = {"lr": 1.0, "weight_decay": 0.5}
    found = steps(changed, values, [[10.0, 20.0]])[1]
    half = np.array([0.5, -1.0])
    np.testing.assert_array_equal(found, half * (half @ half) + np.array([10.0, 20.0]))


def test_order_and_repetition_do_not_matter() -> None:
    names = list(RECIPES)
    assert with_recipes(MOMENTUM.rule, names) == with_recipes(MOMENTUM.rule, names[::-1])
    assert with_recipes(MOMENTUM.rule, []) is MOMENTUM.rule


@pytest.mark.parametrize("name", catalog.names())
def test_every_entry_takes_every_recipe_that_fits(name: str) -> None:
    rule = derive(catalog.load(name)).rule
    names = {p.name for p in rule.parameters}
    for recipe in RECIPES:
        fits = recipe != "decoupled-decay" or ("lr" in names and "weight_decay" not in names)
        if fits:
            assert with_recipes(rule, [recipe]) != rule
        else:
            with pytest.raises(TargetError, match="decoupled-decay needs"):
                with_recipes(rule, [recipe])


def test_what_is_refused() -> None:
    with pytest.raises(TargetError, match="there is no recipe 'clip'; did you mean 'clip-norm'"):
        with_recipes(MOMENTUM.rule, ["clip"])
    with pytest.raises(TargetError, match="needs the name ema_decay"):
        with_recipes(with_recipes(MOMENTUM.rule, ["ema"]), ["ema"])
    still = UpdateRule("still", (), (), (Stage(),))
    for recipe, message in (
        ("zero-grad", "reads the gradient"),
        ("ema", "changes the weights"),
        ("decoupled-decay", 'hyperparameter lr: introduce it, for example with --reparam "lr'),
    ):
        with pytest.raises(TargetError, match=message):
            with_recipes(still, [recipe])
    one = Assign("one", Number(Fraction(1)))
    with pytest.raises(InvalidRuleError, match="zero only"):
        UpdateRule("bad", (), (), (Stage((), (one,), (Store("G", "one"),)),))


def test_targets_for_arrays_leave_gradients_alone() -> None:
    for target in ("numpy", "numba"):
        with pytest.raises(TargetError, match="leaves gradients as they are"):
            generate(MOMENTUM, target, name="m", recipes=["zero-grad"])
        (text,) = generate(MOMENTUM, target, name="m", recipes=["clip-norm", "ema"]).values()
        provenance = read_provenance(text)
        assert provenance is not None
        assert provenance["recipes"] == ["clip-norm", "ema"]
        assert provenance["command"].endswith("--recipe clip-norm --recipe ema")


def test_the_report_counts_bytes() -> None:
    names = ("clip-norm", "ema", "zero-grad", "decoupled-decay")
    rule = with_recipes(MOMENTUM.rule, names)
    assert [(t.reads, t.writes) for t in traffic(rule)] == [(1, 0), (4, 4)]
    text = as_text("m", MOMENTUM.compiled, names)
    assert "in all: 36 bytes in float32" in text
    assert "without recipes: 20 bytes in float32" in text
    assert "as passes of their own: 56 bytes in float32" in text
