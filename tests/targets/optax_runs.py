"""Steps of generated gradient transformations beside those of the interpreter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from hand_made import HYPERPARAMETERS

from symplectic_codegen.rule.interpreter import Bounded, State, initial_state
from symplectic_codegen.rule.rule import UpdateRule
from symplectic_codegen.targets.optax_target import transformation
from symplectic_codegen.validation.traced import TracedRounding, known, stored, traced_bounds

LOSSES = (0.75, 0.5, 0.25)


def assert_within(found: Any, oracle: Bounded, scale: float = 1.0) -> None:
    """`found` is the oracle's value, or NaN or infinite like it, or as close as it must be."""
    found = np.asarray(found)
    values = found.astype(np.float64).ravel()
    exact = np.asarray(oracle.value).astype(found.dtype).astype(np.float64).ravel()
    with np.errstate(all="ignore"):
        same = (values == exact) | (np.isnan(values) & np.isnan(exact))
        close = np.abs(values - np.ravel(oracle.value)) <= scale * np.ravel(oracle.error)
    bad = np.flatnonzero(~(same | close))
    assert bad.size == 0, (
        f"{bad.size} wrong, first at {bad[0]}: {values[bad[0]]!r}, not "
        f"{np.ravel(oracle.value)[bad[0]]!r} +- {np.ravel(oracle.error)[bad[0]]!r}"
    )


def random_leaves(sizes: Sequence[int], dtype: str, seed: int) -> list[Any]:
    """Random arrays of the given sizes."""
    generator = np.random.default_rng(seed)
    return [jnp.asarray(generator.standard_normal(size), dtype) for size in sizes]


def flat(leaves: Sequence[Any]) -> np.ndarray:
    """All elements in a row."""
    return np.concatenate([np.ravel(leaf) for leaf in leaves])


def kept(rule: UpdateRule, state: Any, name: str) -> Any:
    """What a state keeps under the name that the rule has for it."""
    shape = transformation(rule, "")
    pairs = zip(
        (*rule.buffers, *rule.states, *rule.block_states),
        (*shape.buffers, *(s.name for s in shape.rule.states), *shape.blocks),
        strict=True,
    )
    (field,) = (shape.fields[new] for old, new in pairs if old.name == name)
    return getattr(state, field)


def compare(
    module: Any,
    rule: UpdateRule,
    params: list[Any],
    all_grads: Sequence[list[Any]],
    values: Mapping[str, float] | None = None,
    losses: Sequence[float] = LOSSES,
    wrap: Callable[[Any], Any] = jax.jit,
) -> Bounded:
    """Some steps in both ways; the parameters as the oracle sees them in the end."""
    given = values or HYPERPARAMETERS[rule.name]
    numbers = traced_bounds(params[0].dtype.name, jnp.zeros([]).dtype.name)
    rounding = TracedRounding(numbers)
    solver = getattr(module, rule.name)(**given)
    state, update = solver.init(params), wrap(solver.update)
    w, blocks = numbers.vector(flat(params)), [p.size for p in params]
    oracle = initial_state(rule, known(given), len(w), numbers, len(params))
    oracle = stored(oracle, numbers)
    for number, (grads, loss) in enumerate(zip(all_grads, losses, strict=False), 1):
        more = {"value": jnp.asarray(loss)} if rule.needs_loss else {}
        updates, state = update(grads, state, params, **more)
        params = optax.apply_updates(params, updates)
        noise = rounding.noise(number, len(w) if rule.needs_noise else 0)
        G = numbers.vector(flat(grads))
        oracle, w = rounding.step(rule, given, oracle, w, G, loss, noise, blocks)
    check(rule, params, state, w, oracle)
    return w


def check(rule: UpdateRule, params: list[Any], state: Any, w: Bounded, oracle: State) -> None:
    """Parameters and state are as near to the oracle's as they must be."""
    dtype = params[0].dtype
    assert_within(flat(params), w)
    for buffer in rule.buffers:
        leaves = kept(rule, state, buffer.name)
        assert all(leaf.dtype == dtype for leaf in leaves)
        assert_within(flat(leaves), oracle.buffers[buffer.name])
    for scalar in rule.states:
        found = kept(rule, state, scalar.name)
        assert (found.shape, found.dtype) == ((), jnp.zeros([]).dtype)
        assert_within(found, oracle.scalars[scalar.name])
    for block in rule.block_states:
        assert_within(kept(rule, state, block.name), oracle.blocks[block.name])
    assert int(state.count) == oracle.steps
