# ruff: noqa: E402  (without JAX the rest is not even imported)
"""Generated transformations beside optax's own: 1000 steps on real gradients of a small network."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")

import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_digits

import symplectic_codegen as sc
from symplectic_codegen.driver import derive
from symplectic_codegen.rule.interpreter import Bounded, initial_state
from symplectic_codegen.validation.traced import (
    TracedRounding,
    known,
    stored,
    traced_bounds,
)

STEPS = 1000
BATCH = 32


def ema(decay: float, debias: bool, lr: float) -> Any:
    return optax.chain(optax.ema(decay, debias=debias), optax.scale(-lr))


# The catalogue's entry, its hyperparameters, and what optax calls the same thing.
PEERS: dict[str, tuple[dict[str, float], Callable[[], Any]]] = {
    "gradient_descent": ({"lr": 0.1}, lambda: optax.sgd(0.1)),
    "heavy_ball": ({"lr": 0.02, "momentum": 0.9}, lambda: optax.sgd(0.02, momentum=0.9)),
    "nesterov": (
        {"lr": 0.02, "momentum": 0.9},
        lambda: optax.sgd(0.02, momentum=0.9, nesterov=True),
    ),
    "momentum": ({"lr": 0.2, "momentum": 0.9}, lambda: ema(0.9, False, 0.2)),
    "debiased_momentum": ({"lr": 0.2, "momentum": 0.9}, lambda: ema(0.9, True, 0.2)),
    "weight_decay": (
        {"lr": 0.2, "momentum": 0.9, "decay": 0.01},
        lambda: optax.chain(optax.add_decayed_weights(0.01), ema(0.9, False, 0.2)),
    ),
    "rmsprop": (
        {"lr": 0.001, "alpha": 0.99, "eps": 1e-8},
        lambda: optax.rmsprop(0.001, decay=0.99, eps=1e-8, eps_in_sqrt=False),
    ),
    "adam": (
        {"lr": 0.003, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
        lambda: optax.adam(0.003, b1=0.9, b2=0.999, eps=1e-8),
    ),
    "adamw": (
        {"lr": 0.003, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.1},
        lambda: optax.adamw(0.003, b1=0.9, b2=0.999, eps=1e-8, weight_decay=0.1),
    ),
    "adabelief": (
        {"lr": 0.003, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "eps_square": 1e-8},
        lambda: optax.adabelief(0.003, b1=0.9, b2=0.999, eps=1e-8, eps_root=1e-8),
    ),
    "lion": (
        {"lr": 0.0003, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.1},
        lambda: optax.lion(0.0003, b1=0.9, b2=0.99, weight_decay=0.1),
    ),
    "signum": (
        {"lr": 0.0003, "momentum": 0.9},
        lambda: optax.chain(optax.ema(0.9, debias=False), optax.sign_sgd(0.0003)),
    ),
}
LONG = ("adabelief", "lion", "signum")
WARM = 500  # 0.9**500 is nothing next to 1


@cache
def data() -> tuple[np.ndarray, np.ndarray]:
    digits = load_digits()
    return digits.data / 16.0, digits.target


def network() -> dict[str, Any]:
    """64-16-10, with the weights of He."""
    generator = np.random.default_rng(0)
    return {
        "hidden": jnp.asarray(generator.standard_normal((64, 16)) / 6),
        "bias": jnp.zeros(16, float),
        "out": jnp.asarray(generator.standard_normal((16, 10)) / 3),
    }


def loss(params: Any, x: Any, y: Any) -> Any:
    """Cross entropy; tanh is smooth, so that the trajectories of two codes can stay together."""
    scores = jnp.tanh(x @ params["hidden"] + params["bias"]) @ params["out"]
    return optax.softmax_cross_entropy_with_integer_labels(scores, y).mean()


def train(solver: Any, steps: int = STEPS) -> tuple[Any, Any, Any]:
    """The parameters and the loss of each step, and the gradients."""
    images, labels = (jnp.asarray(a) for a in data())
    params = network()

    def step(carry: Any, number: Any) -> Any:
        params, state = carry
        rows = (number * BATCH + jnp.arange(BATCH)) % len(labels)
        value, grads = jax.value_and_grad(loss)(params, images[rows], labels[rows])
        updates, state = solver.update(grads, state, params)
        params = optax.apply_updates(params, updates)
        return (params, state), (params, value, grads)

    run = jax.jit(lambda carry: jax.lax.scan(step, carry, jnp.arange(steps))[1])
    return run((params, solver.init(params)))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in PEERS]
)
def test_the_same_as_optax(name: str) -> None:
    values, peer = PEERS[name]
    derivation = derive(sc.catalog.load(name))
    factory = sc.load(derivation, target="optax")
    with jax.enable_x64(True):
        ours, our_losses, _ = train(factory(**values))
        theirs, losses, grads = train(peer())
        # The network has learned; all losses, and all parameters in all steps, are the same.
        assert np.mean(losses[-50:]) < 0.6 * np.mean(losses[:5])
        np.testing.assert_allclose(our_losses, losses, rtol=1e-12)
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12 * float(jnp.abs(b).max()))
        # In single precision, along these gradients, rounding can be bounded: the generated code
        # ends where optax ends in double precision, to within a running error analysis.
        bias = np.asarray(grads["bias"]).astype(np.float32)
        start = np.asarray(network()["out"])[:, 0].astype(np.float32)
        exact = follow(peer(), start.astype(np.float64), bias.astype(np.float64))
    bounds = rounding(derivation.rule, values, start, bias)
    errors = np.abs(np.float64(follow(factory(**values), start, bias)) - exact)
    assert (errors <= bounds.error).all(), np.max(errors / bounds.error)
    # The bound is none that everything would meet, and optax's own code comes no closer.
    assert np.median(bounds.error) < 0.05 * np.median(np.abs(exact - start))
    peers = np.abs(np.float64(follow(peer(), start, bias)) - exact)
    assert errors.max() <= 2 * peers.max() + 2.0**-24


def test_nadam_after_its_corrections() -> None:
    """The bias corrections differ by powers of the momentum: the weights wait until they are 1."""
    factory = sc.load(sc.catalog.load("nadam"), target="optax")
    with jax.enable_x64(True):

        def rate(count: Any) -> Any:
            return jnp.where(count < WARM, 0.0, 0.003)

        ours, our_losses, _ = train(factory(lr=rate), WARM + STEPS)
        theirs, losses, _ = train(optax.nadam(rate), WARM + STEPS)
        assert np.mean(losses[-50:]) < 0.6 * np.mean(losses[:5])
        np.testing.assert_allclose(our_losses, losses, rtol=1e-12)
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12 * float(jnp.abs(b).max()))


def follow(solver: Any, start: Any, grads: Any) -> Any:
    """The parameters after one step along each of the gradients."""

    def step(carry: Any, G: Any) -> Any:
        params, state = carry
        updates, state = solver.update(G, state, params)
        return (optax.apply_updates(params, updates), state), None

    w = jnp.asarray(start)
    run = jax.jit(lambda carry, grads: jax.lax.scan(step, carry, grads)[0][0])
    return np.asarray(run((w, solver.init(w)), jnp.asarray(grads)))


def rounding(rule: Any, values: dict[str, float], start: Any, grads: Any) -> Bounded:
    """A running error analysis of the same steps."""
    numbers = traced_bounds("float32")
    analysis = TracedRounding(numbers)
    given = {p.name: values.get(p.name, p.default) for p in rule.parameters}
    state = initial_state(rule, known(given), len(start), numbers)
    w = numbers.vector(start)
    for G in grads:
        state = stored(state, numbers)
        step = analysis.step(rule, given, state, w, numbers.vector(G), None, analysis.noise(1, 0))
        state, w = step
    return w
