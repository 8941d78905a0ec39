"""How fast the generated Numba code is, next to what it should be compared with.

Run it on a quiet machine, with the package importable:

    python benchmarks/cpu.py [--rounds 31] [--case 10m] [--threads N]

All contenders of a case work on the same gradients in one process. A round times each of them once,
in shuffled order, with an untimed call before each timed call. What counts is the ratio within a
round: absolute times move with the machine, ratios hardly do. The table shows the median of the
rounds, with the 10th and the 90th percentile.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numba
import numpy as np

import symplectic_codegen as sc
from symplectic_codegen.performance_report import traffic

LR, MU = 1e-3, 0.9
MOMENTUM_BYTES = 20  # float32: read w, G, X; write w, X
AXPY_BYTES = 12  # float32: read x, y; write y
# Rules in one table: a metric, then sums over all momenta (exact, or one step late) and over those
# of each parameter.
RULES = (
    "momentum",
    "adam",
    "adamw",
    "relativistic_degree_one",
    "relativistic_lagged",
    "relativistic_per_block",
)

Arrays = list[np.ndarray]
Step = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """Sizes of the tensors of one parameter list."""

    name: str
    sizes: tuple[int, ...]
    calls: int  # in one timed block, so that the clock resolves it

    @property
    def elements(self) -> int:
        return sum(self.sizes)


def transformer(layers: int = 12, width: int = 384, vocabulary: int = 1024) -> tuple[int, ...]:
    """The 148 tensors (21.8M elements) of a small language model."""
    block = (width,) * 4
    block += (3 * width * width, 3 * width, width * width, width)
    block += (4 * width * width, 4 * width, 4 * width * width, width)
    return (vocabulary * width, 256 * width, *(block * layers), width, width)


CASES = (
    Case("10m", (10_000_000,), 1),
    Case("transformer", transformer(), 1),
    Case("500x1000", (1000,) * 500, 1),
    Case("1x1000", (1000,), 50),
)


@numba.njit(parallel=True, fastmath={"contract", "nsz"}, error_model="numpy")
def axpy(y, x, a):
    for i in numba.prange(y.size):
        y[i] += a * x[i]


@numba.njit(parallel=True, fastmath={"contract", "nsz"}, error_model="numpy")
def hand_written(w, G, X, lr, mu, dampening):
    for i in numba.prange(w.size):
        x = mu * X[i] + dampening * G[i]
        X[i] = x
        w[i] -= lr * x


@numba.njit(fastmath={"contract", "nsz"}, error_model="numpy")
def hand_written_serial(w, G, X, lr, mu, dampening):
    for i in range(w.size):
        x = mu * X[i] + dampening * G[i]
        X[i] = x
        w[i] -= lr * x


def generated_class() -> Any:
    """The generated Numba momentum of the catalogue, as a user would import it."""
    return sc.load(sc.catalog.load("momentum"), target="numba")


def arrays(case: Case, seed: int) -> Arrays:
    generator = np.random.default_rng(seed)
    return [generator.standard_normal(size, dtype=np.float32) for size in case.sizes]


def contenders(case: Case, optimizer_class: Any) -> dict[str, Step]:
    """What is timed; each has its own parameters and buffers, the gradients are shared."""
    grads = arrays(case, 0)
    scalars = np.float32(LR), np.float32(MU), np.float32(1 - MU)
    optimizer = optimizer_class(arrays(case, 1), lr=LR, momentum=MU)

    # The kernel alone, on the optimizer's own arrays and with the table that `step` would make.
    module = sys.modules[optimizer_class.__module__]
    (group,) = (g for g in optimizer._all_groups if g.members)
    table = group.table.copy()
    table[1] = [g.ctypes.data for g in grads]
    threads = module._threads(case.elements)
    kernel_words = (table, group.starts, group.like)

    def kernel() -> None:
        if threads > 1:
            module._parallel_update(*kernel_words, threads, *scalars)
        else:
            module._serial_update(*kernel_words, *scalars)

    numpy_w, numpy_x = arrays(case, 1), [np.zeros_like(g) for g in grads]
    scratch = [np.empty_like(g) for g in grads]

    def numpy_step() -> None:
        for w, G, X, s in zip(numpy_w, grads, numpy_x, scratch, strict=True):
            np.multiply(G, scalars[2], out=s)
            X *= scalars[1]
            X += s
            np.multiply(X, scalars[0], out=s)
            w -= s

    hand_w, hand_x = arrays(case, 1), [np.zeros_like(g) for g in grads]
    kernels = [hand_written if g.size >= 65536 else hand_written_serial for g in grads]

    def hand_step() -> None:
        for one, w, G, X in zip(kernels, hand_w, grads, hand_x, strict=True):
            one(w, G, X, *scalars)

    total = sum(case.sizes)
    y, x = np.zeros(total, np.float32), np.ones(total, np.float32)
    a = np.float32(1e-3)
    return {
        "axpy": lambda: axpy(y, x, a),
        "generated": lambda: optimizer.step(grads),
        "its kernel": kernel,
        "hand-written": hand_step,
        "numpy": numpy_step,
    }


def rules(case: Case) -> tuple[dict[str, Step], dict[str, int]]:
    """One generated optimizer for each of `RULES`, and the bytes that it moves per element."""
    grads = arrays(case, 0)
    total = case.elements
    y, x, a = np.zeros(total, np.float32), np.ones(total, np.float32), np.float32(1e-3)
    steps: dict[str, Step] = {"axpy": lambda: axpy(y, x, a)}
    moved = {"axpy": AXPY_BYTES}
    for name in RULES:
        spec = sc.catalog.load(name)
        optimizer = sc.load(spec, target="numba")(arrays(case, 1), lr=LR)
        steps[name] = partial(optimizer.step, grads)
        moved[name] = sum(sweep.bytes(4) for sweep in traffic(sc.derive(spec).rule))
    return steps, moved


def report_rules(case: Case, times: dict[str, list[float]], moved: dict[str, int]) -> None:
    print(f"\nrules on {case.name}: {len(case.sizes)} tensors, {case.elements:,} float32")
    head = f"{'us':>10}{'bytes':>7}{'GB/s':>8}{'of axpy':>9}   time of momentum = 1"
    print(f"{'':24}{head}")
    for name, seconds in times.items():
        rate = case.elements * moved[name] / median(seconds) / 1e9
        axpys = zip(times["axpy"], seconds, strict=True)
        share = moved[name] / AXPY_BYTES * median(their / ours for their, ours in axpys)
        pairs = zip(seconds, times["momentum"], strict=True)
        ratio, low, high = spread([ours / momentum for ours, momentum in pairs])
        print(
            f"{name:24}{1e6 * median(seconds):10.1f}{moved[name]:7}{rate:8.1f}{100 * share:7.0f} %"
            f"   {ratio:.2f} ({low:.2f} .. {high:.2f})"
        )


def other_seconds() -> float | None:
    """CPU seconds used by everyone so far, less our own; None where nobody knows."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _idle, _wait, irq, softirq, *rest = (int(field) for field in fields)
    steal = rest[0] if rest else 0
    busy = user + nice + system + irq + softirq + steal
    return busy / 100 - time.process_time()


def run(case: Case, steps: dict[str, Step], rounds: int, seed: int) -> dict[str, list[float]]:
    """Seconds per call of each contender, round by round."""
    shuffle = random.Random(seed).shuffle
    times: dict[str, list[float]] = {name: [] for name in steps}
    names = list(steps)
    for step in steps.values():
        step()
    for _ in range(rounds):
        shuffle(names)
        for name in names:
            step = steps[name]
            step()
            start = time.perf_counter()
            for _ in range(case.calls):
                step()
            times[name].append((time.perf_counter() - start) / case.calls)
    return times


def timed(case: Case, steps: dict[str, Step], rounds: int, seed: int) -> dict[str, list[float]]:
    """`run`, with a warning if the machine was not quiet."""
    for step in steps.values():
        step()  # compile
    before, start = other_seconds(), time.perf_counter()
    times = run(case, steps, rounds, seed)
    after, elapsed = other_seconds(), time.perf_counter() - start
    # The counters tick in hundredths of a second, too coarse for the shortest cases.
    if before is not None and after is not None and elapsed > 0.2:
        others = max(0.0, after - before) / elapsed
        if others > 0.05:
            print(f"WARNING: other processes used {100 * others:.0f} % of a core meanwhile")
    return times


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, 10th and 90th percentile."""
    cuts = quantiles(values, n=10)
    return median(values), cuts[0], cuts[-1]


def report(case: Case, times: dict[str, list[float]]) -> None:
    print(f"\n{case.name}: {len(case.sizes)} tensors, {case.elements:,} float32")
    print(f"{'':14}{'us':>10}{'p10':>10}{'p90':>10}{'GB/s':>8}   generated is faster by")
    for name, seconds in times.items():
        middle, low, high = spread(seconds)
        size = AXPY_BYTES if name == "axpy" else MOMENTUM_BYTES
        rate = case.elements * size / middle / 1e9
        pairs = zip(seconds, times["generated"], strict=True)
        ratio, ratio_low, ratio_high = spread([theirs / ours for theirs, ours in pairs])
        if name == "axpy":
            share = ratio * MOMENTUM_BYTES / AXPY_BYTES
            note = f"generated has {100 * share:.0f} % of this bandwidth"
        else:
            note = f"{ratio:.2f} ({ratio_low:.2f} .. {ratio_high:.2f})"
        print(
            f"{name:14}{1e6 * middle:10.1f}{1e6 * low:10.1f}{1e6 * high:10.1f}{rate:8.1f}   {note}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--quick", action="store_true", help="5 rounds: shows that it runs")
    parser.add_argument("--case", choices=[case.name for case in CASES], action="append")
    parser.add_argument("--threads", type=int, default=numba.config.NUMBA_NUM_THREADS)
    options = parser.parse_args()
    numba.set_num_threads(options.threads)
    chosen = [case for case in CASES if not options.case or case.name in options.case]
    rounds = 5 if options.quick else options.rounds
    optimizer_class = generated_class()
    for seed, case in enumerate(chosen):
        report(case, timed(case, contenders(case, optimizer_class), rounds, seed))
    for seed, case in enumerate(chosen):
        if case.name in ("10m", "transformer"):
            steps, moved = rules(case)
            report_rules(case, timed(case, steps, rounds, seed), moved)
    layer = numba.threading_layer()
    print(
        f"\n{options.threads} threads ({layer}), NumPy {np.__version__}, Numba {numba.__version__}"
    )


if __name__ == "__main__":
    main()
