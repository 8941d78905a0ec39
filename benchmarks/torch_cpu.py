"""How fast the generated optimizers for PyTorch are on the CPU, next to those of `torch.optim`.

Run it on a quiet machine, with the package, PyTorch and Numba installed:

    python benchmarks/torch_cpu.py [--quick] [--case transformer] [--rounds 21] [--compile]
        [--calls 200]

All contenders of a case change the same parameters and read the same gradients, in one process, and
whole steps are timed. A round times each of them once, in shuffled order, with an untimed step
before the timed ones: as many as make a round of half a second, or `--calls` of them; after many,
small tensors are where the step before has left them, in the caches. What counts are ratios within
a round: absolute times move with the machine, ratios hardly do. A round during which other
processes used more than a twentieth of the processors does not count, and is made again.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import numba
import torch
from cpu import axpy, other_seconds, transformer

import symplectic_codegen as sc

Step = Callable[[], object]
LR, MU = 1e-6, 0.9  # small: thousands of steps on the same gradients must stay finite
NOISE = 0.05  # of the processors, used by others
SHORTEST = 0.5  # seconds of a round: what others use is counted in hundredths

# Bytes per element in float32: what is read and written of w, G and the states.
BYTES = {"momentum": 20, "adam": 28, "global norm": 28, "axpy": 12}


@dataclass(frozen=True)
class Case:
    """Sizes of a list of parameters.

    Args:
        wanted: least ratios of whole steps to those of torch with fused=True.
    """

    name: str
    sizes: tuple[int, ...]
    wanted: dict[str, float]

    @property
    def elements(self) -> int:
        return sum(self.sizes)


CASES = (
    Case("10m", (10_000_000,), {"momentum": 1.0, "adam": 1.0}),
    Case("50m", (50_000_000,), {"momentum": 1.0, "adam": 1.0}),
    Case("transformer", transformer(), {"momentum": 1.15, "adam": 1.15, "global norm": 1.05}),
    Case("500x1000", (1000,) * 500, {"momentum": 3.0, "adam": 5.0}),
    Case("1x1000", (1000,), {"momentum": 1.2, "adam": 1.2}),
)
QUICK = ("500x1000", "1x1000")


def contenders(case: Case, compiled: bool) -> Iterator[tuple[str, dict[str, Step]]]:
    """(family, its contenders); the first is the peer of the ratios, the second is ours."""
    generator = torch.Generator().manual_seed(0)
    params = [torch.nn.Parameter(torch.randn(n, generator=generator)) for n in case.sizes]
    for p in params:
        p.grad = torch.randn(p.shape, generator=generator)
    catalogue = {name: sc.catalog.load(name) for name in ("heavy_ball", "adam")}
    ours = {name: sc.load(spec, target="torch") for name, spec in catalogue.items()}
    norm = sc.load(sc.catalog.load("relativistic_degree_one"), target="torch")
    sgd = {"lr": LR, "momentum": MU}
    for family, cls, options, mine in (
        ("momentum", torch.optim.SGD, sgd, ours["heavy_ball"]),
        ("adam", torch.optim.Adam, {"lr": LR}, ours["adam"]),
    ):
        steps: dict[str, Step] = {
            "torch fused": cls(params, **options, fused=True).step,
            "generated": mine(params, **options, fused=True).step,
            "generated, loop": mine(params, **options, foreach=False).step,
            "torch foreach": cls(params, **options, foreach=True).step,
            "torch loop": cls(params, **options, foreach=False).step,
        }
        if compiled:
            steps["torch.compile"] = torch.compile(cls(params, **options, foreach=True).step)
        if importlib.util.find_spec("optax") is not None:
            steps["optax"] = optax_step(family, params)
        yield family, steps
    # Two sweeps with a sum over all parameters between them, against fused SGD with none.
    yield (
        "global norm",
        {
            "torch fused": torch.optim.SGD(params, **sgd, fused=True).step,
            "generated": norm(params, **sgd, fused=True).step,
        },
    )
    yield "axpy", {"axpy": axpy_step(case)}


def axpy_step(case: Case) -> Step:
    """y += a*x in place on one array of all elements: the bandwidth of the machine."""
    y, x = torch.zeros(case.elements).numpy(), torch.ones(case.elements).numpy()
    return lambda: axpy(y, x, 1e-3)


def optax_step(family: str, params: list[torch.nn.Parameter]) -> Step:
    """The transformation of optax under jit, with donated buffers."""
    import jax
    import optax

    rule = optax.sgd(LR, momentum=MU) if family == "momentum" else optax.adam(LR)
    values = [jax.numpy.asarray(p.detach().numpy()) for p in params]
    grads = [jax.numpy.asarray(p.grad.numpy()) for p in params]

    def update(values: Any, state: Any, grads: Any) -> Any:
        changes, state = rule.update(grads, state, values)
        return optax.apply_updates(values, changes), state

    run = jax.jit(update, donate_argnums=(0, 1))
    kept = [values, rule.init(values)]

    def step() -> None:
        kept[:] = jax.block_until_ready(run(*kept, grads))

    return step


def repetitions(steps: dict[str, Step]) -> int:
    """How many calls make a block, so that a round is long enough."""
    start = time.perf_counter()
    for step in steps.values():
        step()
    once = time.perf_counter() - start
    return max(1, min(1000, round(SHORTEST / once)))


def measure(
    steps: dict[str, Step], rounds: int, seed: int, limit: float, calls: int | None
) -> tuple[dict[str, list[float]], int]:
    """Seconds per step, round by round, and how many rounds were quiet.

    Args:
        calls: steps in a row; None chooses them.
        limit: no round begins after so many seconds, if there are two already.
    """
    end = time.perf_counter() + limit
    for step in steps.values():
        step()  # compile, allocate
    calls = calls or repetitions(steps)
    shuffle, names = random.Random(seed).shuffle, list(steps)
    quiet: list[dict[str, float]] = []
    loud: list[dict[str, float]] = []
    while len(quiet) < rounds and len(quiet) + len(loud) < 3 * rounds:
        if time.perf_counter() > end and len(quiet) + len(loud) > 1:
            break
        shuffle(names)
        before, begin, times = other_seconds(), time.perf_counter(), {}
        for name in names:
            step = steps[name]
            step()
            start = time.perf_counter()
            for _ in range(calls):
                step()
            times[name] = (time.perf_counter() - start) / calls
        after, elapsed = other_seconds(), time.perf_counter() - begin
        known = before is not None and after is not None and elapsed > SHORTEST / 2
        share = (after - before) / elapsed / (os.cpu_count() or 1) if known else 0.0
        (quiet if share <= NOISE else loud).append(times)
    # Where it never was quiet, loud rounds are better than none; the report says so.
    used = quiet if len(quiet) >= min(5, rounds) else quiet + loud
    return {name: [times[name] for times in used] for name in steps}, len(quiet)


def spread(values: list[float]) -> tuple[float, float, float]:
    """Median, 10th and 90th percentile."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return median(ordered), ordered[round(0.1 * last)], ordered[round(0.9 * last)]


def report(case: Case, family: str, times: dict[str, list[float]], quiet: int, rounds: int) -> None:
    size = BYTES[family]
    peer = next(iter(times.values()))
    for name, seconds in times.items():
        middle, low, high = spread(seconds)
        rate = case.elements * size / middle / 1e9
        ratio, least, most = spread([b / a for a, b in zip(seconds, peer, strict=True)])
        note = f"{ratio:6.2f} ({least:.2f} .. {most:.2f})" if len(times) > 1 else ""
        if name == "generated" and family in case.wanted:
            note += f"   wanted {case.wanted[family]}"
        print(
            f"  {family:12}{name:17}{1e6 * middle:11.1f}{1e6 * low:11.1f}{1e6 * high:11.1f}"
            f"{rate:8.1f}  {note}".rstrip()
        )
    if quiet < rounds:
        print(f"  WARNING: the machine was not quiet: {quiet} of {rounds} rounds were")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--quick", action="store_true", help="few rounds of the smaller cases")
    parser.add_argument("--case", choices=[case.name for case in CASES], action="append")
    parser.add_argument(
        "--compile", action="store_true", help="torch.compile too (needs a C++ compiler)"
    )
    parser.add_argument("--calls", type=int, help="steps in a row (default: half a second a round)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    numba.set_num_threads(min(options.threads, numba.config.NUMBA_NUM_THREADS))
    names = options.case or (QUICK if options.quick else [case.name for case in CASES])
    rounds = 3 if options.quick else options.rounds
    for seed, case in enumerate(case for case in CASES if case.name in names):
        print(f"\n{case.name}: {len(case.sizes)} tensors, {case.elements:,} float32")
        print(f"  {'':29}{'us':>11}{'p10':>11}{'p90':>11}{'GB/s':>8}  faster than torch fused by")
        for family, steps in contenders(case, options.compile):
            limit = 10.0 if options.quick else 300.0
            times, quiet = measure(steps, rounds, seed, limit, options.calls)
            report(case, family, times, quiet, rounds)
    print(f"\n{options.threads} threads, PyTorch {torch.__version__}, Numba {numba.__version__}")


if __name__ == "__main__":
    main()
