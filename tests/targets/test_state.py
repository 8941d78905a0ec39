"""Saving, restoring and continuing."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hand_made import HYPERPARAMETERS, MOMENTUM, RULES, THERMOSTAT, Load, class_name

from symplectic_codegen.rule.rule import UpdateRule


def keywords(rule: UpdateRule, loss: float) -> dict[str, float]:
    return {"loss": loss} if rule.needs_loss else {}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_continuing_is_bitwise_the_same(load: Load, target: str, rule: UpdateRule) -> None:
    generator = np.random.default_rng(0)
    start = [generator.standard_normal((7, 5)), np.asfortranarray(generator.random((3, 9)))]
    grads = [[generator.standard_normal(w.shape) for w in start] for _ in range(6)]
    make = getattr(load(target, rule), class_name(rule))
    values = HYPERPARAMETERS[rule.name]
    whole = [w.copy(order="K") for w in start]
    never_stopped = make(whole, **values)
    parts = [w.copy(order="K") for w in start]
    first = make(parts, **values)
    for k in range(3):
        never_stopped.step(grads[k], **keywords(rule, 0.5 + k))
        first.step(grads[k], **keywords(rule, 0.5 + k))
    saved = pickle.loads(pickle.dumps(first.state_dict()))
    first.step(grads[0], **keywords(rule, 1.0))  # must not reach what was saved
    parts = [w.copy(order="K") for w in whole]
    defaults = {name: value for name, value in values.items() if name in {"lr", "grads"}}
    second = make(parts, **defaults)
    second.load_state_dict(saved)
    for k in range(3, 6):
        never_stopped.step(grads[k], **keywords(rule, 0.5 + k))
        second.step(grads[k], **keywords(rule, 0.5 + k))
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_equal(second.state_dict(), never_stopped.state_dict())


def test_targets_can_replace_each_other(load: Load) -> None:
    w = [np.ones(5, np.float32)]
    first = load("numpy", THERMOSTAT).Thermostat(w, lr=0.1)
    first.step([w[0]], loss=1.0)
    second = load("numba", THERMOSTAT).Thermostat(w, lr=0.2)
    second.load_state_dict(first.state_dict())
    np.testing.assert_equal(second.state_dict(), first.state_dict())
    assert second.lr == 0.1


def broken_states(state: dict[str, Any]) -> dict[str, tuple[Any, type[Exception]]]:
    buffers, values = state["buffers"], state["hyperparameters"]
    wrong = {
        "not a dict": [1, 2],
        "missing": {k: v for k, v in state.items() if k != "step"},
        "unknown": {**state, "extra": 1},
        "negative step": {**state, "step": -1},
        "fractional step": {**state, "step": 1.5},
        "hyperparameter": {**state, "hyperparameters": {**values, "lr": -1.0}},
        "other name": {**state, "hyperparameters": {"rate": 1.0}},
        "scalars": {**state, "scalars": {"U": 1.0}},
        "number of arrays": {**state, "buffers": {"X": []}},
        "shape": {**state, "buffers": {"X": [buffers["X"][0][:2], buffers["X"][1]]}},
        "dtype": {**state, "buffers": {"X": [b.astype(np.float32) for b in buffers["X"]]}},
        "no arrays": {**state, "buffers": {"X": [[0.0] * 3, [0.0] * 4]}},
        "text": {**state, "scalars": {"U": "x", "t": 0.0}},
    }
    types = {"not a dict", "fractional step", "no arrays"}
    return {
        name: (value, TypeError if name in types else ValueError) for name, value in wrong.items()
    }


def test_a_state_that_does_not_fit_changes_nothing(load: Load, target: str) -> None:
    optimizer = load(target, THERMOSTAT).Thermostat([np.ones(3), np.ones(4)], lr=0.1)
    optimizer.step([np.ones(3), np.ones(4)], loss=1.0)
    state = optimizer.state_dict()
    for name, (wrong, error) in broken_states(optimizer.state_dict()).items():
        with pytest.raises(error):
            optimizer.load_state_dict(wrong)
        np.testing.assert_equal(optimizer.state_dict(), state, err_msg=name)


def test_copies_are_refused(load: Load, target: str) -> None:
    """A copy would update arrays that no model uses, or through addresses of other arrays."""
    optimizer = load(target, MOMENTUM).Momentum([np.ones(3)], lr=0.1)
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="state_dict"):
            attempt(optimizer)
