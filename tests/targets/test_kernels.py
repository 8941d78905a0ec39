"""What makes the Numba kernels fast, and what must not break them: SIMD, threads, fork."""

from __future__ import annotations

import multiprocessing
import platform
import re
import sys
import threading
from types import ModuleType

import numpy as np
import pytest
from hand_made import COVERAGE, GLOBAL_NORM, MOMENTUM, RELATIVISTIC, Load, document

from symplectic_codegen.rule.rule import UpdateRule
from symplectic_codegen.targets import TARGETS

numba = pytest.importorskip("numba")

# Arithmetic in double precision; moves also carry other things.
DOUBLE = re.compile(
    r"\bv?(?:add|sub|mul|div|sqrt|min|max|fn?m(?:add|sub)\d*|cvtss2|cvtps2|cvtsi2)[sp]d\b"
)
PACKED = re.compile(r"\bv?(?:mul|fn?m(?:add|sub)\d*)ps\b")
X86 = pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="reads x86 assembly")


def fresh(rule: UpdateRule, name: str) -> ModuleType:
    """The module compiled in memory: code from the cache has no assembly to look at."""
    (source,) = TARGETS["numba"].emit(rule, document(rule, "numba")).values()
    module = ModuleType(f"{name}_{rule.name}")
    sys.modules[module.__name__] = module
    source = source.replace('"cache": True', '"cache": False').replace("cache=True", "cache=False")
    exec(compile(source, name, "exec"), module.__dict__)
    return module


def assembly(function: object) -> str:
    return "\n".join(function.inspect_asm().values())  # type: ignore[attr-defined]


@X86
@pytest.mark.parametrize("rule", [MOMENTUM, RELATIVISTIC], ids=lambda rule: rule.name)
def test_float32_kernels_are_packed_and_free_of_doubles(rule: UpdateRule) -> None:
    module = fresh(rule, "asm")
    arrays = [np.ones(64, np.float32) for _ in range(3)]
    module.update(*arrays, *[np.float32(0.5)] * 3)
    text = assembly(module.update)
    assert PACKED.search(text)
    assert not DOUBLE.search(text)
    assert "hypotf" not in text


@X86
def test_no_operation_leaks_into_double_precision() -> None:
    module = fresh(COVERAGE, "asm")
    count = len(COVERAGE.buffers) + 2
    module.update(*[np.ones(8, np.float32) for _ in range(count)])
    text = assembly(module.update)
    assert not DOUBLE.search(text)
    for name in ("expf", "expm1f", "log1pf", "powf", "tanhf", "erff", "asinhf"):
        assert name in text, name


@X86
def test_sums_are_packed() -> None:
    module = fresh(GLOBAL_NORM, "asm")
    arrays = [np.ones(5000, np.float32) for _ in range(2)]
    module.stage_1(*arrays, *[np.float32(0.5)] * 2)
    text = assembly(module._block_stage_1)
    assert PACKED.search(text)
    assert re.search(r"\bv?(?:add|fmadd\d*)ps\b.*[xyz]mm", text)


def test_a_sum_is_reproducible_and_accurate(load: Load) -> None:
    module = load("numba", GLOBAL_NORM)
    G = np.full(3_000_000, 0.1, np.float32)
    results = []
    for _ in range(3):
        X = np.zeros_like(G)
        one = np.float32(1.0)
        results.append(module.stage_1(G, X, np.float32(0.0), one))
    assert len(set(results)) == 1
    assert results[0] == pytest.approx(3e6 * float(np.float32(0.1)) ** 2, rel=1e-6)


HYPOT = (0.0, -0.0, 1e-45, 1e-38, 1e-20, 1.0, 3.0, -4.0, 1e19, 3e38, np.inf, -np.inf, np.nan)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_hypot_within_two_units(load: Load, dtype: type) -> None:
    hypot = load("numba", RELATIVISTIC)._hypot
    generator = np.random.default_rng(0)
    values = [dtype(v) for v in HYPOT] + list(generator.lognormal(0, 20, 60).astype(dtype))
    for x in values:
        for y in values:
            with np.errstate(all="ignore"):
                wide = np.hypot(np.longdouble(x), np.longdouble(y))
                exact = dtype(wide)
            found = dtype(hypot(x, y))
            if np.isfinite(exact):
                assert abs(np.longdouble(found) - wide) <= 2 * np.spacing(exact), (x, y)
            else:
                np.testing.assert_equal(found, exact)


def test_two_threads_step_two_optimizers(load: Load) -> None:
    module = load("numba", GLOBAL_NORM)
    size = 100_000

    def work(w: np.ndarray) -> None:
        optimizer = module.GlobalNorm([w], lr=0.1)
        for _ in range(50):
            optimizer.step([np.ones(size, np.float32)])

    first = np.zeros(size, np.float32)
    work(first)
    if numba.threading_layer() == "workqueue":
        pytest.skip("Numba's workqueue layer allows one Python thread at a time")
    arrays = [np.zeros(size, np.float32) for _ in range(2)]
    threads = [threading.Thread(target=work, args=(w,)) for w in arrays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for w in arrays:
        np.testing.assert_array_equal(w, first)


def _step_in_child(optimizer: object, w: np.ndarray, queue: object) -> None:
    optimizer.step([np.ones_like(w)])  # type: ignore[attr-defined]
    queue.put(w[:3].tolist())  # type: ignore[attr-defined]


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_works_without_the_threads_of_its_parent(load: Load) -> None:
    w = np.zeros(200_000, np.float32)
    optimizer = load("numba", MOMENTUM).Momentum([w], lr=1.0, momentum=0.0)
    optimizer.step([np.ones_like(w)])
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_step_in_child, args=(optimizer, w, queue))
    child.start()
    assert queue.get(timeout=30) == [-2.0, -2.0, -2.0]
    child.join(30)
    assert child.exitcode == 0


def test_the_number_of_threads_changes_no_elementwise_result(load: Load) -> None:
    module = load("numba", MOMENTUM)
    results = []
    for threads in (1, 2):
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        w = [np.linspace(0, 1, size, dtype=np.float32) for size in (70_001, 0, 17, 40_003)]
        optimizer = module.Momentum(w, lr=0.1)
        for _ in range(3):
            optimizer.step([p * np.float32(0.5) for p in w])
        results.append(np.concatenate(w))
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    np.testing.assert_array_equal(*results)
