"""Generated gradient transformations: numbers, pytrees, types, and life inside of JAX and optax."""

# ruff: noqa: E402  (without JAX the rest is not even imported)
from __future__ import annotations

import dataclasses
import functools
import io
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")

import jax.numpy as jnp
import numpy as np
from hand_made import (
    BIAS_CORRECTED,
    BLOCK_NORM,
    COVERAGE,
    GLOBAL_NORM,
    GUARDED,
    HYPERPARAMETERS,
    ITERATED,
    MOMENTUM,
    NOISY,
    RELATIVISTIC,
    RULES,
    SWAPPING,
    THERMOSTAT,
    Load,
    add,
    call,
    document,
    mul,
    sub,
    term,
)
from optax_runs import assert_within, compare, flat, kept, random_leaves

from symplectic_codegen.errors import TargetError
from symplectic_codegen.rule.expression import Op
from symplectic_codegen.rule.interpreter import Bounded
from symplectic_codegen.rule.noise import standard_normal
from symplectic_codegen.rule.rule import (
    Assign,
    Buffer,
    Interval,
    Parameter,
    Reduction,
    ScalarState,
    Stage,
    Store,
    UpdateRule,
)
from symplectic_codegen.targets import TARGETS, Document

SIZES = (0, 1, 33, 1025)
REAL = ("float32", "float64")
PLAIN = tuple(rule for rule in RULES if rule is not COVERAGE)
# What is special about rules, for what costs a compilation each.
SPECIAL_RULES = (THERMOSTAT, BLOCK_NORM, GUARDED)
by_name = {"ids": lambda rule: rule.name}


def make(load: Load, rule: UpdateRule, **changes: Any) -> Any:
    """The transformation with the values of the tests."""
    return getattr(load("optax", rule), rule.name)(**(HYPERPARAMETERS[rule.name] | changes))


def keywords(rule: UpdateRule, loss: float) -> dict[str, Any]:
    return {"value": jnp.asarray(loss)} if rule.needs_loss else {}


def run(solver: Any, params: Any, all_grads: Any, jit: bool = False, **more: Any) -> Any:
    """The parameters and the state after some steps."""
    state, update = solver.init(params), jax.jit(solver.update) if jit else solver.update
    for grads in all_grads:
        updates, state = update(grads, state, params, **more)
        params = optax.apply_updates(params, updates)
    return params, state


def equal(one: Any, other: Any) -> bool:
    """Two trees are the same, to the bit."""
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    same = all(np.array_equal(a, b, equal_nan=True) and a.dtype == b.dtype for a, b in pairs)
    return same and jax.tree.structure(one) == jax.tree.structure(other)


# Numbers.


@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize("rule", RULES, **by_name)
def test_three_steps_on_a_list(load: Load, rule: UpdateRule, dtype: str) -> None:
    with jax.enable_x64(dtype == "float64"):
        sizes = SIZES if rule is not COVERAGE else (0, 33)
        params = random_leaves(sizes, dtype, 1)
        grads = [random_leaves(sizes, dtype, seed) for seed in (2, 3, 4)]
        w = compare(load("optax", rule), rule, params, grads)
    # The tolerance means something: half of the digits of the type at the very least.
    relative = np.median(w.error / np.maximum(np.abs(w.value), 1e-3))
    assert relative < np.sqrt(np.finfo(dtype).eps)


@pytest.mark.parametrize("rule", [THERMOSTAT, BLOCK_NORM, NOISY, ITERATED], **by_name)
def test_single_precision_leaves_with_double_precision_scalars(
    load: Load, rule: UpdateRule
) -> None:
    with jax.enable_x64(True):
        params = random_leaves((3, 33), "float32", 1)
        grads = [random_leaves((3, 33), "float32", seed) for seed in (2, 3, 4)]
        compare(load("optax", rule), rule, params, grads)


@pytest.mark.parametrize("rule", [RELATIVISTIC, GLOBAL_NORM, ITERATED], **by_name)
def test_without_compilation(load: Load, rule: UpdateRule) -> None:
    params = random_leaves((3, 40), "float32", 1)
    grads = [random_leaves((3, 40), "float32", seed) for seed in (2, 3, 4)]
    compare(load("optax", rule), rule, params, grads, wrap=lambda update: update)


# No products that overflow: where they are added, a fused multiplication does not.
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 3.0, 1e-30, 1e30, 1e38, -1e38, np.inf, -np.inf, np.nan)


@pytest.mark.parametrize("dtype", REAL)
def test_every_operation_on_special_values(load: Load, dtype: str) -> None:
    G, w = (a.ravel() for a in np.meshgrid(np.array(SPECIAL), np.array(SPECIAL)))
    with jax.enable_x64(dtype == "float64"):
        pairs = [jnp.asarray(w, dtype)], [[jnp.asarray(G, dtype)]]
        compare(load("optax", COVERAGE), COVERAGE, *pairs, {"p": 0.3, "q": 0.7})


@pytest.mark.parametrize("p", [0.0, -0.0, 1e-300, 1e-20, 0.3, -1.0, -2.0, 800.0, -800.0, 1e300])
@pytest.mark.parametrize("q", [-1.5, 1e300])
def test_every_operation_on_known_scalars(load: Load, p: float, q: float) -> None:
    """Without a warning and without an error, whatever the values are."""
    with jax.enable_x64(True):
        empty = jnp.zeros(0)
        values = {"p": p, "q": q}
        compare(load("optax", COVERAGE), COVERAGE, [empty], [[empty]], values, wrap=lambda f: f)


def test_every_operation_on_traced_scalars(load: Load) -> None:
    """Hyperparameters that are arrays give what numbers give, in the precision that they have."""
    nothing = jnp.zeros(0)
    state = make(load, COVERAGE).init(nothing)

    @jax.jit
    def step(p: Any, q: Any) -> Any:
        return make(load, COVERAGE, p=p, q=q).update(nothing, state, nothing)[1]

    for p, q in itertools.product(
        (0.0, 1e-20, 0.3, 0.999, -1.0, -2.0, 80.0, -80.0), (0.0, -1.5, 2.0)
    ):
        single = {"p": np.float32(p), "q": np.float32(q)}
        exact = {name: float(value) for name, value in single.items()}
        known = make(load, COVERAGE, **exact).update(nothing, state, nothing)[1]
        traced = step(**single)
        for scalar in COVERAGE.states:
            a, b = (np.float64(kept(COVERAGE, s, scalar.name)) for s in (known, traced))
            # 32 units of the function, and that of the argument where the function is steep.
            slope = 1 + abs(p) + abs(q) if scalar.name in _STEEP else 1
            where = f"{scalar.name} at {exact}"
            np.testing.assert_allclose(b, a, rtol=slope * 2.0**-19, atol=1e-37, err_msg=where)


_STEEP = {"Sh_pow", "Sh_powm1", "Sh_exp", "Sh_expm1", "Sh_exprel", "Sh_sinh", "Sh_cosh", "Sh_tan"}


@pytest.mark.parametrize("rule", [MOMENTUM, RELATIVISTIC], **by_name)
def test_nan_and_infinity_stay_where_they_are(load: Load, rule: UpdateRule) -> None:
    w, G = random_leaves((100, 100), "float32", 5)
    G = G.at[jnp.array([3, 20, 57, 99])].set(jnp.array([jnp.nan, jnp.inf, -jnp.inf, jnp.nan]))
    compare(load("optax", rule), rule, [w], [[G], [G]])
    params, _ = run(make(load, rule), w, [G])
    assert np.isfinite(np.delete(params, [3, 20, 57, 99])).all()


def test_infinity_flows_as_in_optax(load: Load) -> None:
    G = jnp.array([1.0, jnp.inf, -jnp.inf, jnp.nan])
    theirs = optax.chain(optax.ema(0.9, debias=False), optax.scale(-0.125))
    ours = make(load, MOMENTUM)
    found, expected = (run(s, jnp.zeros(4), [G, G])[0] for s in (ours, theirs))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("loss", [np.inf, -np.inf, np.nan, 1e30])
def test_no_loss_raises(load: Load, loss: float) -> None:
    params, grads = [jnp.ones(5)], [[jnp.ones(5)]] * 3
    compare(load("optax", THERMOSTAT), THERMOSTAT, params, grads, losses=(loss, 1.0, 1.0))


# Precision of scalars where JAX has no double precision.


def test_momentum_close_to_one(load: Load) -> None:
    """1 - momentum and its powers are right although they vanish in single precision."""
    values = {"lr": 0.1, "momentum": 1 - 2.0**-30}
    (w,), (G,) = random_leaves((40,), "float32", 6), random_leaves((40,), "float32", 7)
    _, state = run(make(load, MOMENTUM, **values), w, [G])
    exact = np.asarray(G, np.float64) * 2.0**-30
    np.testing.assert_allclose(state.X, exact, rtol=2 * 2.0**-24)


BOTH_CORRECTED = UpdateRule(
    "both_corrected",
    (Parameter("lr"), Parameter("momentum")),
    (Buffer("X"),),
    (
        Stage(
            (
                Assign("correction", call(Op.POWM1, "momentum", "n")),
                Assign("rate", mul("lr", call(Op.POW, "momentum", "n"))),
            ),
            (
                Assign("X_new", add("X", mul("rate", "G"))),
                Assign("w_new", add("w", call(Op.DIV, mul("lr", "G"), "correction"))),
            ),
            (Store("X", "X_new"), Store("w", "w_new")),
        ),
    ),
)


@pytest.mark.parametrize("count", [0, 1, 9, 999, 100_000])
def test_powers_of_the_step_count(load: Load, count: int) -> None:
    """x**n and x**n - 1 to single precision although x is rounded and n is large."""
    solver = load("optax", BOTH_CORRECTED).both_corrected(lr=1.0, momentum=0.999)
    state = solver.init(jnp.zeros(1))._replace(count=jnp.asarray(count, jnp.int32))
    change, state = jax.jit(solver.update)(jnp.ones(1), state, jnp.zeros(1))
    z = (count + 1) * np.log(0.999)
    # log(x) is known; n*log(x) carries two roundings, the functions a few more.
    bound = (2 * abs(z) + 16) * 2.0**-24
    np.testing.assert_allclose(1 / change[0], np.expm1(z), rtol=bound)
    np.testing.assert_allclose(state.X[0], np.exp(z), rtol=bound, atol=2e-38)


TIMED = UpdateRule(
    "timed",
    (Parameter("tau"),),
    (),
    (Stage((), (Assign("w_new", sub("w", mul("t", "G"))),), (Store("w", "w_new"),)),),
    (ScalarState("t", term(0)), ScalarState("down", term(3))),
    (
        Assign("t_new", add("t", "tau")),
        Assign("down_new", sub("down", add("tau", call(Op.MUL, "tau", "L")))),
    ),
    (Store("t", "t_new"), Store("down", "down_new")),
)


def test_rounding_does_not_pile_up_in_a_time(load: Load) -> None:
    """After 300 000 steps of 0.1 the naive sum is 4 % off in single precision."""
    solver = load("optax", TIMED).timed(tau=0.1)
    steps = 300_000

    @jax.jit
    def many(state: Any) -> Any:
        def body(state: Any, _: None) -> tuple[Any, None]:
            more = {"value": jnp.asarray(0.5)}
            return solver.update(jnp.zeros(1), state, jnp.zeros(1), **more)[1], None

        return jax.lax.scan(body, state, None, length=steps)[0]

    state = many(solver.init(jnp.zeros(1)))
    tau = float(np.float32(0.1))
    np.testing.assert_allclose(state.t, steps * tau, rtol=2.0**-24)
    np.testing.assert_allclose(state.down, 3 - steps * tau * 1.5, rtol=2.0**-22)
    naive = functools.reduce(lambda t, _: t + np.float32(tau), range(steps), np.float32(0))
    assert abs(naive / (steps * tau) - 1) > 1e-3
    # Infinity leaves no NaN behind in what rounding has left out.
    far = state._replace(t=jnp.asarray(jnp.inf))
    _, far = solver.update(jnp.zeros(1), far, jnp.zeros(1), value=0.5)
    assert far.t == jnp.inf
    assert far.t_rest == 0


def test_a_cycle_counts_beyond_what_floats_count(load: Load) -> None:
    cycle = UpdateRule(
        "cycling",
        (),
        (),
        (
            Stage(
                (Assign("part", call(Op.CYCLE, sub("n", 1), 1, 2, 3)),),
                (Assign("w_new", sub("w", mul("part", "G"))),),
                (Store("w", "w_new"),),
            ),
        ),
    )
    solver = load("optax", cycle).cycling()
    for count in (0, 1, 2, 3, 2**24 + 1, 2**24 + 2, 2**30 + 1):
        state = solver.init(jnp.zeros(1))._replace(count=jnp.asarray(count, jnp.int32))
        change, _ = jax.jit(solver.update)(jnp.ones(1), state, jnp.zeros(1))
        assert change[0] == -(count % 3 + 1)


STRETCHED = UpdateRule(
    "stretched",
    (Parameter("lr"), Parameter("decay")),
    (),
    (
        Stage(
            (Assign("shrink", sub(1, mul("lr", "decay"))),),
            (
                Assign("w_mid", mul("shrink", "w")),
                Assign("w_new", sub("w_mid", mul("lr", "G"))),
            ),
            (Store("w", "w_new"),),
        ),
    ),
)


def test_small_changes_keep_their_digits(load: Load) -> None:
    """New weights less old ones would be zero here."""
    solver = load("optax", STRETCHED).stretched(lr=1e-5, decay=1e-5)
    params, grads = jnp.full(3, 3.0), jnp.full(3, 1e-7)
    changes, _ = solver.update(grads, solver.init(params), params)
    np.testing.assert_allclose(changes, -1e-10 * 3.0 - 1e-12, rtol=4 * 2.0**-24)
    assert equal(optax.apply_updates(params, changes), params)


# Hyperparameters.


def test_schedules(load: Load) -> None:
    """A schedule gets the number of steps before this one, as optax's own transformations do it."""
    schedule = optax.piecewise_constant_schedule(0.5, {1: 0.25, 2: 0.5})
    grads = [random_leaves((5,), "float32", seed)[0] for seed in range(4)]
    found, _ = run(make(load, MOMENTUM, lr=schedule), jnp.zeros(5), grads)
    theirs = optax.chain(optax.ema(0.9, debias=False), optax.scale_by_learning_rate(schedule))
    expected, _ = run(theirs, jnp.zeros(5), grads)
    np.testing.assert_allclose(found, expected, rtol=8 * 2.0**-24)


def test_every_hyperparameter_may_be_a_schedule(load: Load) -> None:
    def rising(count: Any) -> Any:
        return 0.5 + 0.1 * count

    grads = [random_leaves((5,), "float32", seed)[0] for seed in range(3)]
    found, _ = run(make(load, MOMENTUM, momentum=rising), jnp.zeros(5), grads)
    w, X = np.zeros(5), np.zeros(5)
    for count, G in enumerate(grads):
        mu = 0.5 + 0.1 * count
        X = mu * X + (1 - mu) * np.asarray(G, np.float64)
        w = w - 0.125 * X
    np.testing.assert_allclose(found, w, rtol=32 * 2.0**-24, atol=1e-7)


def test_a_schedule_that_is_constant_is_as_good_as_a_number(load: Load) -> None:
    grads = [random_leaves((5,), "float32", 0)[0]] * 3
    numbers = run(make(load, BIAS_CORRECTED), jnp.zeros(5), grads)
    schedule = optax.constant_schedule(HYPERPARAMETERS["bias_corrected"]["momentum"])
    assert equal(run(make(load, BIAS_CORRECTED, momentum=schedule), jnp.zeros(5), grads), numbers)


def test_initial_states_follow_the_hyperparameters(load: Load) -> None:
    assert make(load, THERMOSTAT, gain=0.25).init(jnp.zeros(1)).U == 0.5
    schedule = optax.constant_schedule(jnp.asarray(0.125))
    assert make(load, THERMOSTAT, gain=schedule).init(jnp.zeros(1)).U == 0.25


@pytest.mark.parametrize("rule", SPECIAL_RULES, **by_name)
def test_inject_hyperparams(load: Load, rule: UpdateRule) -> None:
    values = HYPERPARAMETERS[rule.name]
    factory = getattr(load("optax", rule), rule.name)
    params = random_leaves((5, 3), "float32", 1)
    grads = [random_leaves((5, 3), "float32", 2)] * 3
    injected, state = run(
        optax.inject_hyperparams(factory)(**values), params, grads, **keywords(rule, 0.5)
    )
    plain, _ = run(factory(**values), params, grads, **keywords(rule, 0.5))
    for a, b in zip(injected, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=2.0**-16, atol=1e-6)
    assert set(state.hyperparams) >= set(values)


def test_injected_hyperparameters_can_be_changed(load: Load) -> None:
    solver = optax.inject_hyperparams(make_momentum(load))(lr=0.5, momentum=0.0)
    params, G = jnp.zeros(3), jnp.ones(3)
    state = solver.init(params)
    _, state = solver.update(G, state, params)
    state.hyperparams["lr"] = jnp.asarray(0.25)
    updates, _ = solver.update(G, state, params)
    np.testing.assert_array_equal(updates, jnp.full(3, -0.25))


def make_momentum(load: Load) -> Any:
    return load("optax", MOMENTUM).momentum


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0.1", "lr must be a number"),
        (None, "lr must be a number"),
        (True, "lr must be a number"),
        (1j, "lr must be a number"),
        (-1.0, r"lr must be in \(0, inf\)"),
        (0.0, r"lr must be in \(0, inf\)"),
        (float("nan"), "lr must be finite"),
        (np.array([0.1, 0.2]), "lr must be a number"),
    ],
)
def test_hyperparameters_that_are_refused(load: Load, value: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        make_momentum(load)(lr=value)


@pytest.mark.parametrize("value", [1, np.float32(1), np.float64(1), np.array(1.0), jnp.array(1.0)])
def test_kinds_of_numbers(load: Load, value: Any) -> None:
    solver = make_momentum(load)(lr=value, momentum=0.0)
    assert solver.update(jnp.ones(1), solver.init(jnp.ones(1)))[0][0] == -1


def test_narrow_hyperparameters_are_no_reason_to_compute_in_their_type(load: Load) -> None:
    """inject_hyperparams makes bfloat16 of them where the parameters are of this type."""
    narrow = {"lr": jnp.bfloat16(0.1), "momentum": jnp.bfloat16(0.9)}
    wide = {name: jnp.float32(value) for name, value in narrow.items()}
    params, grads = jnp.ones(3), [jnp.ones(3)] * 3
    expected = run(make(load, BIAS_CORRECTED, **wide), params, grads)
    assert equal(run(make(load, BIAS_CORRECTED, **narrow), params, grads), expected)


def test_arrays_that_are_no_scalars_are_refused(load: Load) -> None:
    solver = make_momentum(load)(lr=jnp.ones(2))
    with pytest.raises(ValueError, match=r"single number .* shape \(2,\)"):
        solver.update(jnp.ones(2), solver.init(jnp.ones(2)))
    solver = make(load, THERMOSTAT)
    with pytest.raises(ValueError, match="single number"):
        solver.update(jnp.ones(2), solver.init(jnp.ones(2)), value=jnp.ones(2))
    with pytest.raises(TypeError, match="value"):
        solver.update(jnp.ones(2), solver.init(jnp.ones(2)))


# Trees.


def nested(leaves: list[Any]) -> Any:
    """A tree with dicts, tuples, None and empty containers."""
    return {
        "layers": [{"kernel": leaves[0], "bias": leaves[1], "frozen": None}, {}],
        "head": (leaves[2], ()),
        "masked": optax.MaskedNode(),
        "scale": leaves[3],
    }


@pytest.mark.parametrize("rule", PLAIN, **by_name)
def test_trees_of_any_form(load: Load, rule: UpdateRule) -> None:
    shapes = ((3, 4), (4,), (), (2, 0))
    generator = np.random.default_rng(0)
    leaves, G = ([jnp.asarray(generator.random(s), jnp.float32) for s in shapes] for _ in "ab")
    # The order of leaves in a tree is that of its keys.
    order = jax.tree.leaves(nested([0, 1, 2, 3]))
    solver, more = make(load, rule), keywords(rule, 0.5)
    in_tree, state = run(solver, nested(leaves), [nested(G)] * 2, **more)
    in_list, _ = run(solver, [leaves[i] for i in order], [[G[i] for i in order]] * 2, **more)
    assert jax.tree.structure(in_tree) == jax.tree.structure(nested(leaves))
    assert equal(jax.tree.leaves(in_tree), in_list)
    for buffer in rule.buffers:
        like = kept(rule, state, buffer.name)
        assert jax.tree.structure(like) == jax.tree.structure(nested(leaves))


@pytest.mark.parametrize("rule", RULES, **by_name)
@pytest.mark.parametrize("empty", [{}, (), None, {"a": None}], ids=str)
def test_trees_without_leaves(load: Load, rule: UpdateRule, empty: Any) -> None:
    solver = make(load, rule)
    params = empty if empty is not None else {"a": ()}
    state = solver.init(params)
    updates, state = solver.update(params, state, params, **keywords(rule, 0.5))
    assert updates == params
    assert state.count == 1


@pytest.mark.parametrize("rule", PLAIN, **by_name)
def test_what_has_no_gradient_takes_no_part(load: Load, rule: UpdateRule) -> None:
    params = dict(zip("abc", random_leaves((5, 7, 4), "float32", 1), strict=True))
    params["m"] = {"x": jnp.ones(2), "y": jnp.arange(3)}  # a part of the model that is left out
    first = dict(zip("abc", random_leaves((5, 7, 4), "float32", 2), strict=True))
    first["m"] = {"x": jnp.ones(2), "y": None}
    solver, more = make(load, rule), keywords(rule, 0.5)
    _, state = solver.update(first, solver.init(params), params, **more)
    second = first | {"b": None, "m": None}
    updates, after = solver.update(second, state, params, **more)
    assert updates["b"] is None
    assert updates["m"] is None
    for buffer in rule.buffers:
        old, new = (kept(rule, s, buffer.name) for s in (state, after))
        assert equal(new["b"], old["b"])
        assert equal(new["m"], old["m"])
        assert not equal(new["a"], old["a"]) or rule is SWAPPING
    for block in rule.block_states:
        old, new = (np.asarray(kept(rule, s, block.name)) for s in (state, after))
        assert (old == new).tolist() == [False, True, False, True, True]
    if rule is NOISY or rule.block_states:
        return
    # The others move as if it were not there at all.
    part = "ac"
    fields = {f: getattr(state, f) for f in state._fields}
    trees = {f: {k: v[k] for k in part} for f, v in fields.items() if isinstance(v, dict)}
    less = [{k: tree[k] for k in part} for tree in (second, params)]
    expected, _ = solver.update(less[0], state._replace(**trees), less[1], **more)
    assert equal({k: updates[k] for k in part}, expected)


def test_a_tree_that_does_not_fit_is_refused(load: Load) -> None:
    solver = make(load, MOMENTUM)
    with pytest.raises(ValueError, match=r"[Dd]ict"):
        solver.update({"b": jnp.ones(2)}, solver.init({"a": jnp.ones(2)}))


@pytest.mark.parametrize("rule", [ITERATED, BLOCK_NORM, NOISY], **by_name)
def test_rules_that_need_the_parameters_say_so(load: Load, rule: UpdateRule) -> None:
    solver = make(load, rule)
    message = re.escape(f"{rule.name} needs the parameters: update(grads, state, params)")
    with pytest.raises(ValueError, match=message):
        solver.update(jnp.ones(2), solver.init(jnp.ones(2)), **keywords(rule, 0.5))


@pytest.mark.parametrize("rule", [MOMENTUM, RELATIVISTIC, GLOBAL_NORM, THERMOSTAT], **by_name)
def test_other_rules_do_not_need_them(load: Load, rule: UpdateRule) -> None:
    solver, G = make(load, rule), jnp.ones(2)
    alone, _ = solver.update(G, solver.init(G), **keywords(rule, 0.5))
    assert equal(alone, solver.update(G, solver.init(G), G, **keywords(rule, 0.5))[0])


# Types.


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float8_e5m2", "float8_e4m3fn"])
@pytest.mark.parametrize("rule", PLAIN, **by_name)
def test_narrow_parameters_have_wide_state(load: Load, rule: UpdateRule, dtype: str) -> None:
    wide = [leaf.astype(dtype).astype(jnp.float32) for leaf in random_leaves((9, 5), "float32", 1)]
    grads = [leaf.astype(dtype).astype(jnp.float32) for leaf in random_leaves((9, 5), "float32", 2)]
    narrow, narrow_grads = ([leaf.astype(dtype) for leaf in t] for t in (wide, grads))
    solver, more = make(load, rule), keywords(rule, 0.5)
    start = solver.init(narrow)
    assert equal(start, solver.init(wide))
    updates, state = solver.update(narrow_grads, start, narrow, **more)
    expected, wide_state = solver.update(grads, solver.init(wide), wide, **more)
    # All is computed in single precision; the updates are rounded once, at the end.
    assert equal(state, wide_state)
    assert equal(updates, [leaf.astype(dtype) for leaf in expected])
    assert optax.apply_updates(narrow, updates)[0].dtype == dtype


def test_small_gradients_are_not_lost_in_narrow_parameters(load: Load) -> None:
    """In bfloat16 a moving average with weight 1/1000 would stand still after a few steps."""
    solver = make_momentum(load)(lr=1.0, momentum=0.999)
    G = jnp.ones(3, jnp.bfloat16)
    _, state = run(solver, jnp.zeros(3, jnp.bfloat16), [G] * 500)
    np.testing.assert_allclose(state.X, -np.expm1(500 * np.log(0.999)), rtol=1e-4)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_accumulators_in_a_type_of_their_own(load: Load, dtype: str) -> None:
    solver = make(load, MOMENTUM, accumulator_dtype=dtype)
    params, G = jnp.zeros(5), random_leaves((5,), "float32", 3)[0]
    state = solver.init(params)
    updates, after = jax.jit(solver.update)(G, state, params)
    assert state.X.dtype == after.X.dtype == dtype
    assert updates.dtype == jnp.float32
    wide, full = jax.jit(make(load, MOMENTUM).update)(G, make(load, MOMENTUM).init(params), params)
    assert equal(after.X, full.X.astype(dtype))
    assert equal(updates, wide)


def test_gradients_in_another_type_than_the_parameters(load: Load) -> None:
    """The updates have the type of the parameters, to which they are added."""
    solver = make(load, MOMENTUM)
    params, G = jnp.zeros(3), jnp.ones(3, jnp.bfloat16)
    updates, _ = solver.update(G, solver.init(params), params)
    assert updates.dtype == jnp.float32
    narrow = params.astype(jnp.bfloat16)
    assert solver.update(jnp.ones(3), solver.init(narrow), narrow)[0].dtype == jnp.bfloat16
    assert solver.update(G, solver.init(params))[0].dtype == jnp.bfloat16


def test_trees_may_mix_types(load: Load) -> None:
    with jax.enable_x64(True):
        types = ("float64", "float32", "bfloat16")
        params = {t: jnp.ones(4, t) for t in types}
        grads = {t: jnp.full(4, 0.5, t) for t in types}
        solver = make(load, GLOBAL_NORM)
        updates, state = jax.jit(solver.update)(grads, solver.init(params), params)
        assert {k: v.dtype.name for k, v in updates.items()} == {t: t for t in types}
        assert [state.X[t].dtype.name for t in types] == ["float64", "float32", "float32"]
        X = 0.1 * 0.5
        expected = -0.1 / (1 + 12 * X * X / 2) * X
        for t in types:
            eps = float(jnp.finfo(t).eps)
            np.testing.assert_allclose(np.float64(updates[t]), expected, rtol=max(eps, 1e-7))
        np.testing.assert_allclose(updates["float64"], expected, rtol=1e-7)


def test_complex_numbers_are_refused_with_the_way_out(load: Load) -> None:
    solver = make(load, RELATIVISTIC)
    z = {"a": jnp.array([3 + 4j])}
    with pytest.raises(TypeError, match=r"params\['a'\] is complex64; wrap .*split_real_and_im"):
        solver.init(z)
    with pytest.raises(TypeError, match=r"updates\['a'\] is complex64"):
        solver.update(z, solver.init({"a": jnp.ones(1)}))
    split = optax.contrib.split_real_and_imaginary(solver)
    found, _ = run(split, z, [z, z])
    real, _ = run(solver, {"a": jnp.array([3.0, 4.0])}, [{"a": jnp.array([3.0, 4.0])}] * 2)
    np.testing.assert_allclose(found["a"][0], real["a"][0] + 1j * real["a"][1])


@pytest.mark.parametrize("dtype", ["int32", "bool"])
def test_what_is_no_gradient_is_refused(load: Load, dtype: str) -> None:
    solver = make(load, MOMENTUM)
    with pytest.raises(TypeError, match=rf"updates\[1\] is {dtype}, which is no type of grad"):
        solver.update([jnp.ones(1), jnp.ones(1, dtype)], solver.init([jnp.ones(1)] * 2))


def test_one_dtype(load: Load) -> None:
    text = Document("Momentum", "t", "h", ("u",), dtypes=("float32",))
    (source,) = TARGETS["optax"].emit(MOMENTUM, text).values()
    module: dict[str, Any] = {"__name__": "one_dtype"}
    exec(compile(source, "one_dtype", "exec"), module)
    solver = module["momentum"](lr=0.1)
    assert solver.init({"a": jnp.ones(1), "n": jnp.arange(1)}).X["a"].dtype == jnp.float32
    with pytest.raises(TypeError, match=r"params\['a'\] is bfloat16; .* for float32 only"):
        solver.init({"a": jnp.ones(1, jnp.bfloat16)})


@pytest.mark.parametrize("rule", [BLOCK_NORM, NOISY], **by_name)
def test_strict_promotion(load: Load, rule: UpdateRule) -> None:
    solver, w = make(load, rule), jnp.ones(3)
    expected = run(solver, w, [w, w], **keywords(rule, 0.5))
    with jax.numpy_dtype_promotion("strict"):
        assert equal(run(solver, w, [w, w], **keywords(rule, 0.5)), expected)


# Inside of JAX.


@pytest.mark.parametrize("rule", PLAIN, **by_name)
def test_no_second_compilation_with_donation(load: Load, rule: UpdateRule) -> None:
    solver, more = make(load, rule), keywords(rule, 0.5)
    traces = 0

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params: Any, state: Any, grads: Any) -> Any:
        nonlocal traces
        traces += 1
        updates, state = solver.update(grads, state, params, **more)
        return optax.apply_updates(params, updates), state

    leaves = random_leaves((5, 3), "float32", 1)
    expected = run(solver, leaves, [leaves] * 3, jit=True, **more)
    params = [leaf.copy() for leaf in leaves]
    state = jax.jit(solver.init)(params)
    for _ in range(3):
        old = jax.tree.leaves(state)
        params, state = step(params, state, leaves)
    assert traces == 1
    assert all(leaf.is_deleted() for leaf in old)
    assert not any(leaf.weak_type for leaf in jax.tree.leaves((params, state)))
    for a, b in zip(jax.tree.leaves((params, state)), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rule", SPECIAL_RULES, **by_name)
def test_scan_over_steps(load: Load, rule: UpdateRule) -> None:
    solver, leaves = make(load, rule), random_leaves((5, 3), "float32", 1)
    grads = [random_leaves((5, 3), "float32", seed) for seed in (2, 3, 4)]

    def body(carry: Any, grads: Any) -> Any:
        params, state = carry
        updates, state = solver.update(grads, state, params, **keywords(rule, 0.5))
        return (optax.apply_updates(params, updates), state), None

    stacked = jax.tree.map(lambda *rows: jnp.stack(rows), *grads)
    found, _ = jax.lax.scan(body, (leaves, solver.init(leaves)), stacked)
    expected = run(solver, leaves, grads, **keywords(rule, 0.5))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rule", SPECIAL_RULES, **by_name)
def test_vmap_over_models_and_learning_rates(load: Load, rule: UpdateRule) -> None:
    name, value = next(iter(HYPERPARAMETERS[rule.name].items()))
    rates = jnp.asarray([value, 0.75 * value])
    models = random_leaves(((2, 5), (2, 3)), "float32", 1)  # type: ignore[arg-type]

    def train(rate: Any, params: Any) -> Any:
        solver = make(load, rule, **{name: rate})
        return run(solver, params, [params] * 2, **keywords(rule, 0.5))

    together = jax.vmap(train)(rates, models)
    for i in range(2):
        alone = train(rates[i], [leaf[i] for leaf in models])
        one = jax.tree.map(lambda leaf, i=i: leaf[i], together)
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_gradients_of_a_hyperparameter(load: Load) -> None:
    """Meta-learning: d loss/d lr through three steps, against differences."""

    def final(lr: Any) -> Any:
        solver = make_momentum(load)(lr=lr, momentum=0.5)
        w = jnp.array([1.0, -2.0])
        state = solver.init(w)
        for _ in range(3):
            updates, state = solver.update(2 * w, state, w)
            w = optax.apply_updates(w, updates)
        return w @ w

    slope = jax.grad(final)(0.1)
    difference = (final(0.11) - final(0.09)) / 0.02
    np.testing.assert_allclose(slope, difference, rtol=1e-2)


@pytest.mark.parametrize("rule", SPECIAL_RULES, **by_name)
def test_a_state_is_arrays_that_can_be_saved(load: Load, rule: UpdateRule) -> None:
    solver, leaves = make(load, rule), random_leaves((5, 3), "float32", 1)
    more = keywords(rule, 0.5)
    params, state = run(solver, leaves, [leaves] * 2, **more)
    file = io.BytesIO()
    np.savez(file, *jax.tree.leaves(state))
    file.seek(0)
    saved = np.load(file)
    restored = jax.tree.unflatten(
        jax.tree.structure(solver.init(leaves)), [jnp.asarray(saved[k]) for k in saved.files]
    )
    assert equal(restored, state)
    assert isinstance(restored, tuple)
    assert restored._fields[0] == "count"
    update = jax.jit(solver.update)
    assert equal(update(leaves, restored, params, **more), update(leaves, state, params, **more))


def test_evaluating_shapes_costs_nothing(load: Load) -> None:
    solver = make(load, BLOCK_NORM)
    big = jax.ShapeDtypeStruct((10**9, 10**3), jnp.bfloat16)
    state = jax.eval_shape(solver.init, {"w": big})
    assert state.X["w"].dtype == jnp.float32
    updates, _ = jax.eval_shape(solver.update, {"w": big}, state, {"w": big}, value=0.5)
    assert (updates["w"].shape, updates["w"].dtype) == (big.shape, big.dtype)


_SHARDED = """
import os, sys
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
os.environ["JAX_PLATFORMS"] = "cpu"
sys.path.insert(0, {folder!r})
import jax, jax.numpy as jnp, numpy as np, optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
assert len(jax.devices()) == 4
mesh = Mesh(np.array(jax.devices()).reshape(2, 2), ("x", "y"))
places = {{"a": P("x", "y"), "b": P(("x", "y")), "c": P()}}
random = np.random.default_rng(0)
params = {{"a": random.standard_normal((8, 4)), "b": random.standard_normal(12), "c": np.ones(3)}}
params = {{k: jnp.asarray(v, jnp.float32) for k, v in params.items()}}
for name, values, more in {cases!r}:
    module = __import__(name)
    solver = getattr(module, values.pop("factory"))(**values)
    def train(params, solver=solver, more=more):
        state = solver.init(params)
        def step(carry, _):
            params, state = carry
            grads = jax.tree.map(lambda w: 0.5 * w, params)
            updates, state = solver.update(grads, state, params, **more)
            return (optax.apply_updates(params, updates), state), None
        return jax.lax.scan(step, (params, state), None, length=5)[0]
    one = jax.jit(train)(params)
    spread = {{k: jax.device_put(v, NamedSharding(mesh, places[k])) for k, v in params.items()}}
    many = jax.jit(train)(spread)
    assert len(many[0]["a"].sharding.device_set) == 4
    eager = solver.init(spread)
    for leaf in jax.tree.leaves(eager):
        if leaf.shape == (8, 4):
            assert leaf.sharding.is_equivalent_to(spread["a"].sharding, 2), leaf.sharding
    for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(many), strict=True):
        np.testing.assert_allclose(x, y, rtol=2e-6, atol=1e-6)
    print("ok", name)
"""


def test_sharded_parameters(load: Load) -> None:
    """Four devices: sums over all elements, norms of leaves and random numbers are the same."""
    rules = (GLOBAL_NORM, THERMOSTAT, BLOCK_NORM, NOISY)
    paths = [Path(str(load("optax", rule).__file__)) for rule in rules]
    cases = [
        (
            p.stem,
            {"factory": r.name, **HYPERPARAMETERS[r.name]},
            {"value": 0.5} if r.needs_loss else {},
        )
        for p, r in zip(paths, rules, strict=True)
    ]
    script = _SHARDED.format(folder=str(paths[0].parent), cases=cases)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ok") == len(rules)


# Inside of optax.


def test_chains(load: Load) -> None:
    solver = optax.chain(
        optax.clip_by_global_norm(1.0),
        make(load, THERMOSTAT),
        optax.scale_by_schedule(lambda n: 2.0),
    )
    params, G = jnp.zeros(3), jnp.array([3.0, 0.0, 4.0])
    updates, _ = solver.update(G, solver.init(params), params, value=0.5)
    alone = make(load, THERMOSTAT)
    expected, _ = alone.update(G / 5, alone.init(params), params, value=0.5)
    np.testing.assert_allclose(updates, 2 * expected, rtol=1e-6)


@pytest.mark.parametrize("rule", [*SPECIAL_RULES, NOISY], **by_name)
def test_masked(load: Load, rule: UpdateRule) -> None:
    """Only what is let through is seen: sums, norms and random numbers are those of the rest."""
    params = dict(zip("abc", random_leaves((5, 7, 4), "float32", 1), strict=True))
    solver, more = make(load, rule), keywords(rule, 0.5)
    masked = optax.masked(solver, {"a": True, "b": False, "c": True})
    found, state = run(masked, params, [params] * 2, **more)
    part = {k: params[k] for k in "ac"}
    alone, own_state = run(solver, part, [part] * 2, **more)
    assert equal({k: found[k] for k in "ac"}, alone)
    assert equal(jax.tree.leaves(state.inner_state), jax.tree.leaves(own_state))


def test_multi_transform(load: Load) -> None:
    params = dict(zip("abc", random_leaves((5, 7, 4), "float32", 1), strict=True))
    solvers = {"fast": make(load, GLOBAL_NORM), "hot": make(load, THERMOSTAT)}
    labels = {"a": "fast", "b": "hot", "c": "fast"}
    both = optax.multi_transform(solvers, labels)
    found, _ = run(both, params, [params] * 2, value=0.5)
    fast, _ = run(solvers["fast"], {k: params[k] for k in "ac"}, [{k: params[k] for k in "ac"}] * 2)
    hot, _ = run(solvers["hot"], params["b"], [params["b"]] * 2, value=0.5)
    np.testing.assert_allclose(
        flat([found["a"], found["c"]]), flat([fast["a"], fast["c"]]), rtol=1e-6
    )
    np.testing.assert_allclose(found["b"], hot, rtol=1e-6)


@pytest.mark.parametrize("rule", SPECIAL_RULES, **by_name)
def test_multi_steps(load: Load, rule: UpdateRule) -> None:
    solver, more = make(load, rule), keywords(rule, 0.5)
    params = random_leaves((5, 3), "float32", 1)
    grads = [random_leaves((5, 3), "float32", seed) for seed in range(4)]
    several = optax.MultiSteps(solver, every_k_schedule=2)
    found, state = run(several, params, grads, **more)
    means = [[(a + b) / 2 for a, b in zip(grads[k], grads[k + 1], strict=True)] for k in (0, 2)]
    expected, own = run(solver, params, means, **more)
    pairs = zip(
        jax.tree.leaves((found, state.inner_opt_state)),
        jax.tree.leaves((expected, own)),
        strict=True,
    )
    for a, b in pairs:
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_apply_if_finite(load: Load, dtype: str) -> None:
    solver = optax.apply_if_finite(make(load, GLOBAL_NORM), max_consecutive_errors=3)
    params, G = jnp.ones(3, dtype), jnp.ones(3, dtype)
    state = solver.init(params)
    updates, after = jax.jit(solver.update)(G.at[1].set(jnp.nan), state, params)
    assert equal(updates, jnp.zeros(3, dtype))
    assert equal(after.inner_state, state.inner_state)
    updates, _ = jax.jit(solver.update)(G, after, params)
    assert (updates < 0).all()


def test_gradients_accumulate_with_other_wrappers(load: Load) -> None:
    solver = optax.lookahead(make(load, MOMENTUM), sync_period=2, slow_step_size=0.5)
    params = optax.LookaheadParams.init_synced(jnp.ones(3))
    state = solver.init(params)
    for _ in range(2):
        updates, state = solver.update(jnp.ones(3), state, params)
        params = optax.apply_updates(params, updates)
    fast, _ = run(make(load, MOMENTUM), jnp.ones(3), [jnp.ones(3)] * 2)
    np.testing.assert_allclose(params.fast, (1 + fast) / 2, rtol=1e-6)


@pytest.mark.parametrize("rule", RULES, **by_name)
def test_tree_tools_find_their_way(load: Load, rule: UpdateRule) -> None:
    """What is shaped like the parameters is told from what is not, also for shardings."""
    solver = make(load, rule)
    params = {"a": jnp.ones((2, 3)), "b": jnp.ones(4)}
    state = solver.init(params)
    marked = optax.tree.map_params(
        solver, lambda leaf: "params", state, transform_non_params=lambda leaf: "other"
    )
    for buffer in rule.buffers:
        assert kept(rule, marked, buffer.name) == {"a": "params", "b": "params"}
    for item in (*rule.states, *rule.block_states):
        assert kept(rule, marked, item.name) == "other"
    assert marked.count == "other"
    assert optax.tree.get(state, "count") == 0


# Guards.


def test_a_refused_step_raises_where_it_can(load: Load) -> None:
    solver = make(load, GUARDED, floor=1.0)
    w = jnp.ones(3)
    state = solver.init(w)
    for loss in (0.5, 1.0, float("nan"), jnp.asarray(0.5)):
        with pytest.raises(ValueError, match="the loss must stay above floor"):
            solver.update(w, state, w, value=loss)
    with pytest.raises(ValueError, match="the loss must stay above floor"):
        jax.jit(lambda w, state: solver.update(w, state, w, value=0.5))(w, state)
    updates, after = solver.update(w, state, w, value=2.0)
    assert np.isfinite(updates).all()
    assert after.count == 1


REFUSING = UpdateRule(
    "refusing",
    (Parameter("lr"),),
    (Buffer("X"),),
    (
        Stage(
            (),
            (Assign("X_new", add("X", "G")), Assign("w_new", sub("w", mul("lr", "X_new")))),
            (Store("X", "X_new"), Store("w", "w_new")),
            (Reduction("R", mul("X_new", "X_new")),),
        ),
    ),
    (ScalarState("U", term(0)),),
    (Assign("U_new", add("U", "R")),),
    (Store("U", "U_new"),),
)


def test_a_refused_step_is_nan_in_compiled_code(load: Load) -> None:
    """The parameters show it, the state is good for going on from."""
    guards = tuple(
        dataclasses.replace(g, expr=e, message=m)
        for g, e, m in (
            (GUARDED.guards[0], sub("L", 1), "the loss must stay above one"),
            (GUARDED.guards[0], sub(5, "n"), "there are four steps"),
        )
    )
    rule = dataclasses.replace(REFUSING, guards=guards)
    solver = load("optax", rule).refusing(lr=0.5)
    w = {"a": jnp.ones(3), "b": jnp.ones(2, jnp.bfloat16)}
    update = jax.jit(solver.update)
    _, state = update(w, solver.init(w), w, value=2.0)
    for loss in (1.0, 0.5, jnp.nan):
        updates, after = update(w, state, w, value=loss)
        assert all(np.isnan(np.float32(leaf)).all() for leaf in jax.tree.leaves(updates))
        assert updates["b"].dtype == jnp.bfloat16
        assert equal(after, state)
    for _ in range(3):
        updates, state = update(w, state, w, value=2.0)
        assert np.isfinite(updates["a"]).all()
    updates, after = update(w, state, w, value=2.0)
    assert np.isnan(updates["a"]).all()
    assert after.count == 4
    with pytest.raises(ValueError, match="there are four steps"):
        solver.update(w, state, w, value=2.0)


# Random numbers.


@pytest.mark.parametrize("x64", [False, True])
def test_noise_depends_on_seed_step_and_place_alone(load: Load, x64: bool) -> None:
    """Leaves, missing gradients, compilation and the precision of scalars change none of it."""
    with jax.enable_x64(x64):
        values = {"lr": 1.0, "momentum": 0.0, "seed": 5}
        expected = np.array(standard_normal(5, 2, range(24)))
        trees = [jnp.zeros(24), jnp.zeros((6, 4)), [jnp.zeros(10), jnp.zeros((2, 7))]]
        for params in trees:
            for jit in (False, True) if params is trees[-1] else (False,):
                solver = make(load, NOISY, **values)
                update = jax.jit(solver.update) if jit else solver.update
                none = jax.tree.map(lambda leaf: None, params)
                _, state = update(none, solver.init(params), params)
                _, state = update(params, state, params)
                found = flat(jax.tree.leaves(state.X))
                np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
                if x64:
                    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-14)


def test_noise_of_other_leaves_stays_when_a_gradient_is_missing(load: Load) -> None:
    solver = make(load, NOISY, lr=1.0, momentum=0.0)
    params = [jnp.zeros(5), jnp.zeros(3)]
    _, state = solver.update([None, params[1]], solver.init(params), params)
    np.testing.assert_allclose(state.X[1], standard_normal(0, 1, range(5, 8)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1, 2**32 + 1, 2**64 - 1])
def test_seeds(load: Load, seed: int) -> None:
    solver = make(load, NOISY, lr=1.0, momentum=0.0, seed=seed)
    _, state = solver.update(jnp.zeros(9), solver.init(jnp.zeros(9)), jnp.zeros(9))
    np.testing.assert_allclose(state.X, standard_normal(seed, 1, range(9)), rtol=1e-5, atol=1e-6)


def test_seeds_can_be_traced(load: Load) -> None:
    def noise(seed: Any) -> Any:
        solver = make(load, NOISY, lr=1.0, momentum=0.0, seed=seed)
        return solver.update(jnp.zeros(9), solver.init(jnp.zeros(9)), jnp.zeros(9))[1].X

    found = jax.vmap(noise)(jnp.arange(3))
    for seed in range(3):
        np.testing.assert_allclose(
            found[seed], standard_normal(seed, 1, range(9)), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("seed", [-1, 2**64, 0.5, True, "1", None, jnp.array(0.5)])
def test_seeds_that_are_refused(load: Load, seed: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="seed must be"):
        make(load, NOISY, seed=seed)


def test_noise_beyond_32_bits(load: Load) -> None:
    module = load("optax", NOISY)
    seed, start = (jnp.uint32(3), jnp.uint32(0)), 2**32 - 2
    found = module._normal(seed, jnp.asarray(7), start, (4,))
    expected = standard_normal(3, 7, range(start, start + 4))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"at most 2\*\*32"):
        module._normal(seed, jnp.asarray(7), 0, (2**17, 2**17))


_SEED = (jnp.uint32(0), jnp.uint32(0))


def test_noise_is_standard_normal(load: Load) -> None:
    numbers = np.float64(load("optax", NOISY)._normal(_SEED, jnp.asarray(1), 0, (200_000,)))
    # Five standard errors of the first four moments.
    for power, moment, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        error = abs(np.mean(numbers**power) - moment)
        assert error < 5 * np.sqrt(spread / numbers.size)


# The text.


@pytest.mark.parametrize("rule", RULES, **by_name)
def test_the_example_of_the_docstring_runs(load: Load, rule: UpdateRule) -> None:
    module = load("optax", rule)
    lines = str(module.__doc__).split("Example::\n")[1].split("\n\n\n")[0].splitlines()
    block = [line[4:] for line in lines if line.startswith("    ") or not line.strip()]
    scope: dict[str, Any] = dict(vars(module))
    exec("\n".join(block), scope)
    loss = float(scope["params"] @ scope["params"])
    assert not loss > 10 or rule in (COVERAGE, NOISY, SWAPPING), loss


_ALONE = """
import json, sys, time
sys.modules["symplectic_codegen"] = None  # any import of it fails
import jax, jax.numpy as jnp, numpy, optax
start = time.perf_counter()
sys.path.insert(0, {folder!r})
import {module} as module
seconds = time.perf_counter() - start
solver = module.momentum(lr=0.5)
w = jnp.arange(5.0)
updates, _ = solver.update(jnp.ones(5), solver.init(w), w)
packages = sorted(name for name in sys.modules if "." not in name)
print(json.dumps([seconds, (w + updates).tolist(), packages]))
"""


def test_generated_files_stand_alone(load: Load) -> None:
    path = Path(str(load("optax", MOMENTUM).__file__))
    script = _ALONE.format(folder=str(path.parent), module=path.stem)
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seconds, values, packages = json.loads(done.stdout)
    assert values == pytest.approx([k - 0.05 for k in range(5)])
    assert not {"sympy", "jinja2", "torch", "numba"} & set(packages)
    assert seconds < 1.0  # 2 ms on a quiet machine


@pytest.mark.parametrize("name", ["np", "jax", "optax", "updates", "value", "accumulator_dtype"])
def test_hyperparameters_that_clash_with_the_function(name: str) -> None:
    rule = UpdateRule("clash", (Parameter(name, None, Interval()),), (), (Stage(),))
    with pytest.raises(TargetError, match=f"hyperparameter {name} needs another name"):
        TARGETS["optax"].emit(rule, document(rule, "optax"))


def test_states_may_have_any_name(load: Load) -> None:
    rule = UpdateRule(
        "named",
        (Parameter("lr"),),
        (Buffer("index"), Buffer("change"), Buffer("state")),
        (
            Stage(
                (),
                (
                    Assign("params", add("index", "G")),
                    Assign("updates", add("change", mul("state", "G"))),
                    Assign("w_new", sub("w", mul("lr", add("params", "updates")))),
                ),
                (Store("index", "params"), Store("change", "updates"), Store("w", "w_new")),
            ),
        ),
        (ScalarState("count", term(0)), ScalarState("t_rest", term(1)), ScalarState("t", term(0))),
        (
            Assign("value", add("count", 2)),
            Assign("seed", add("t", "t_rest")),
        ),
        (Store("count", "value"), Store("t", "seed")),
    )
    solver = load("optax", rule).named(lr=0.5)
    params, state = run(solver, jnp.ones(3), [jnp.ones(3)] * 2)
    np.testing.assert_allclose(params, 1 - 0.5 * (1 + 0) - 0.5 * (2 + 0))
    assert state.count == 2
    found = {float(getattr(state, field)) for field in state._fields if field.startswith("count_")}
    assert 4.0 in found
    assert state.t == 2


def test_errors_carry_no_bound_of_zero() -> None:
    """The comparisons above can fail."""
    with pytest.raises(AssertionError, match="1 wrong"):
        assert_within(np.float32([1.0]), Bounded(np.array([1.1]), np.array([0.05])))
