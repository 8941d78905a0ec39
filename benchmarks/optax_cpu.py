"""How fast generated gradient transformations are, next to hand-written ones in the same jit.

Run it on a quiet machine, with the package and its extra `optax` installed:

    python benchmarks/optax_cpu.py [--rounds 31] [--case 10m] [--rule adam] [--quick]

Both contenders of a rule work on the same gradients, each on parameters and a state of its own,
which are donated to the compiled step (updates, and their addition to the parameters). A round
times each of them once, in shuffled order, with an untimed call before each timed call; a round in
which other processes were busy does not count. What counts is the ratio within a round.
"""

from __future__ import annotations

import argparse
import functools
import random
import time
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from cpu import CASES, Case, arrays, other_seconds, spread

import symplectic_codegen as sc

BUSY = 0.05  # of a core, by other processes, makes a round worthless
TRIES = 3  # how many rounds may be worthless for each one that counts

Step = Callable[[], object]


class BoundedState(NamedTuple):
    """Momenta of `bounded_momentum`."""

    momenta: optax.Updates


def bounded_momentum(lr: float, momentum: float, s: float) -> optax.GradientTransformation:
    """Relativistic momentum as one would write it by hand: a global norm, no checks."""

    def init(params: Any) -> BoundedState:
        return BoundedState(optax.tree.zeros_like(params))

    def update(updates: Any, state: BoundedState, params: Any = None) -> tuple[Any, BoundedState]:
        del params
        momenta = jax.tree.map(
            lambda g, m: momentum * m + (1 - momentum) * g, updates, state.momenta
        )
        rate = -lr * s / jnp.sqrt(s**2 + optax.tree.norm(momenta, squared=True))
        return jax.tree.map(lambda m: rate * m, momenta), BoundedState(momenta)

    return optax.GradientTransformation(init, update)


# The catalogue's entry, its hyperparameters, and the same thing written by hand.
RULES: dict[str, tuple[dict[str, float], Callable[[], Any]]] = {
    "heavy_ball": ({"lr": 1e-3, "momentum": 0.9}, lambda: optax.sgd(1e-3, momentum=0.9)),
    "adam": ({"lr": 1e-3}, lambda: optax.adam(1e-3)),
    "adamw": ({"lr": 1e-3, "weight_decay": 0.01}, lambda: optax.adamw(1e-3, weight_decay=0.01)),
    "relativistic_degree_one": (
        {"lr": 1e-3, "momentum": 0.9, "s": 1.0},
        lambda: bounded_momentum(1e-3, 0.9, 1.0),
    ),
}


def step_of(solver: Any, params: Any, grads: Any) -> Step:
    """One compiled step with donation, as a function that keeps what it needs for the next one."""

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def compiled(params: Any, state: Any, grads: Any) -> Any:
        updates, state = solver.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    carry = (params, solver.init(params))

    def step() -> None:
        nonlocal carry
        carry = compiled(*carry, grads)
        jax.block_until_ready(carry)

    return step


def contenders(case: Case, rule: str) -> dict[str, Step]:
    values, by_hand = RULES[rule]
    generated = sc.load(sc.catalog.load(rule), target="optax")(**values)
    grads = [jnp.asarray(a) for a in arrays(case, 0)]
    return {
        name: step_of(solver, [jnp.array(a) for a in arrays(case, 1)], grads)
        for name, solver in (("generated", generated), ("hand-written", by_hand()))
    }


def run(case: Case, steps: dict[str, Step], rounds: int, seed: int) -> dict[str, list[float]]:
    """Seconds per call of each contender, in the rounds that count; all of them if none does."""
    shuffle = random.Random(seed).shuffle
    names = list(steps)
    quiet: dict[str, list[float]] = {name: [] for name in steps}
    everything: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()  # compile
        step()
    for _ in range(TRIES * rounds):
        if len(quiet[names[0]]) == rounds:
            break
        shuffle(names)
        before, begin = other_seconds(), time.perf_counter()
        times = {}
        for name in names:
            step = steps[name]
            step()
            start = time.perf_counter()
            for _ in range(case.calls):
                step()
            times[name] = (time.perf_counter() - start) / case.calls
        after, elapsed = other_seconds(), time.perf_counter() - begin
        others = 0.0 if before is None or after is None else after - before
        # The counters tick in hundredths of a second: one tick says nothing about a short round.
        is_quiet = others <= max(BUSY * elapsed, 0.011)
        for name, seconds in times.items():
            everything[name].append(seconds)
            if is_quiet:
                quiet[name].append(seconds)
    return quiet if len(quiet[names[0]]) >= 2 else everything


def report(case: Case, rule: str, times: dict[str, list[float]], rounds: int) -> None:
    print(f"\n{rule}, {case.name}: {len(case.sizes)} tensors, {case.elements:,} float32")
    print(f"{'':14}{'us':>10}{'p10':>10}{'p90':>10}   hand-written / generated")
    for name, seconds in times.items():
        middle, low, high = spread(seconds)
        line = f"{name:14}{1e6 * middle:10.1f}{1e6 * low:10.1f}{1e6 * high:10.1f}"
        if name == "generated":
            pairs = zip(times["hand-written"], seconds, strict=True)
            ratios = [theirs / ours for theirs, ours in pairs]
            ratio, ratio_low, ratio_high = spread(ratios)
            line += f"   {ratio:.2f} ({ratio_low:.2f} .. {ratio_high:.2f})"
        print(line)
    counted = len(times["generated"])
    if counted != rounds:
        print(f"WARNING: {counted} rounds instead of {rounds}: other processes were busy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--quick", action="store_true", help="3 rounds of the smallest case")
    parser.add_argument("--case", choices=[case.name for case in CASES], action="append")
    parser.add_argument("--rule", choices=list(RULES), action="append")
    options = parser.parse_args()
    smallest = min(CASES, key=lambda case: case.elements)
    names = options.case or [case.name for case in ([smallest] if options.quick else CASES)]
    rounds = 3 if options.quick else options.rounds
    summary = []
    for rule in options.rule or RULES:
        for seed, case in enumerate(case for case in CASES if case.name in names):
            times = run(case, contenders(case, rule), rounds, seed)
            report(case, rule, times, rounds)
            pairs = zip(times["hand-written"], times["generated"], strict=True)
            summary.append((rule, case.name, median(theirs / ours for theirs, ours in pairs)))
    print("\nhand-written / generated, median of the rounds; above 1 the generated code is faster")
    for rule, case_name, ratio in summary:
        print(f"{rule:26}{case_name:14}{ratio:6.2f}")
    versions = f"JAX {jax.__version__}, optax {optax.__version__}, NumPy {np.__version__}"
    print(f"\n{jax.devices()[0].platform}, {versions}")


if __name__ == "__main__":
    main()
