"""The CUDA kernels on the host: formulas, index arithmetic, sums, launches, state, refusals."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hand_made import (
    BIAS_CORRECTED,
    BLOCK_NORM,
    COVERAGE,
    GLOBAL_NORM,
    GUARDED,
    HYPERPARAMETERS,
    ITERATED,
    LR,
    MOMENTUM,
    NOISY,
    RULES,
    STORES,
    SWAPPING,
    THERMOSTAT,
    Load,
    X,
    add,
    call,
    class_name,
    div,
    document,
    mul,
    sub,
    term,
)
from test_values import SIZES, SPECIAL, assert_within, compare, random_arrays

from symplectic_codegen.rule.expression import Op
from symplectic_codegen.rule.interpreter import Bounded, initial_state, interpret, rounding_bounds
from symplectic_codegen.rule.noise import standard_normal
from symplectic_codegen.rule.rule import (
    Assign,
    Buffer,
    Parameter,
    Reduction,
    ScalarState,
    Stage,
    Store,
    UpdateRule,
)
from symplectic_codegen.targets import TARGETS
from symplectic_codegen.validation import host_device
from symplectic_codegen.validation.host_device import build, compiler, on_host

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")

BARE = 7777.0  # what lies around arrays
LARGE = 1_000_007


def names_of(rules: tuple[UpdateRule, ...]) -> Any:
    return pytest.mark.parametrize("rule", rules, ids=lambda rule: rule.name)


def has_choice(rule: UpdateRule) -> bool:
    """Whether scalars can be computed on the host or on the device."""
    return not rule.reductions and not rule.block_states


def make(module: ModuleType, rule: UpdateRule, params: Any, **more: Any) -> Any:
    values = HYPERPARAMETERS[rule.name]
    return getattr(module, class_name(rule))(params, **values, **more)


def keywords(rule: UpdateRule, loss: float = 0.75) -> dict[str, float]:
    return {"loss": loss} if rule.needs_loss else {}


def device_of(optimizer: Any) -> Any:
    return optimizer._device


@names_of(RULES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_three_steps_on_a_list(load: Load, rule: UpdateRule, dtype: str) -> None:
    for more in ({}, {"capturable": True}) if has_choice(rule) else ({},):
        params = random_arrays(SIZES, dtype, 1)
        grads = [random_arrays(SIZES, dtype, seed) for seed in (2, 3, 4)]
        compare(load, "cuda", rule, params, grads, **more)


@pytest.mark.parametrize("size", SIZES)
def test_one_array_of_each_size(load: Load, size: int) -> None:
    for rule in (MOMENTUM, GLOBAL_NORM):
        params = random_arrays((size,), "float32", 1)
        compare(load, "cuda", rule, params, [random_arrays((size,), "float32", 2)] * 3)


@names_of((MOMENTUM, GLOBAL_NORM, BLOCK_NORM))
def test_a_million_elements(load: Load, rule: UpdateRule) -> None:
    params = random_arrays((LARGE, 5), "float32", 1)
    compare(load, "cuda", rule, params, [random_arrays((LARGE, 5), "float32", 2)])


@pytest.mark.slow
@names_of(tuple(rule for rule in RULES if rule not in (NOISY, COVERAGE)))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_million_elements_of_every_rule(load: Load, rule: UpdateRule, dtype: str) -> None:
    params = random_arrays((17, LARGE, 5), dtype, 1)
    compare(load, "cuda", rule, params, [random_arrays((17, LARGE, 5), dtype, k) for k in (2, 3)])


def test_every_operation_on_special_values(load: Load) -> None:
    for dtype in ("float32", "float64"):
        with np.errstate(all="ignore"):
            special = np.array(SPECIAL, dtype)
        G, w = (a.ravel() for a in np.meshgrid(special, special))
        compare(load, "cuda", COVERAGE, [w.copy()], [[G.copy()]], {"p": 0.3, "q": 0.7})


@pytest.mark.parametrize(
    "p", [0.0, -0.0, 1e-300, 1e-20, 0.3, -0.3, -1.0, -2.0, 800.0, -800.0, 1e300]
)
@pytest.mark.parametrize("q", [0.0, -1.5, 2.0, 1e300])
def test_every_operation_among_scalars_of_the_device(load: Load, p: float, q: float) -> None:
    one = np.zeros(1)
    values = {"p": p, "q": q}
    compare(load, "cuda", COVERAGE, [one], [[one.copy()]], values, capturable=True)


def surrounded(size: int, offset: int, seed: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """(base, array): random numbers that start `offset` elements after a multiple of 64 bytes."""
    itemsize = np.dtype(dtype).itemsize
    base = np.full(size + 160, BARE, dtype)
    begin = -(-base.ctypes.data // 64) * 64 - base.ctypes.data
    first = begin // itemsize + 16 + offset
    array = base[first : first + size]
    array[...] = np.random.default_rng(seed).standard_normal(size)
    return base, array


@names_of((MOMENTUM, GLOBAL_NORM, SWAPPING))
@pytest.mark.parametrize("w_offset", [0, 1, 2, 3])
@pytest.mark.parametrize("G_offset", [0, 1, 3])
def test_any_alignment_and_nothing_outside(
    load: Load, rule: UpdateRule, w_offset: int, G_offset: int
) -> None:
    for dtype in ("float32", "float64"):
        for size in (1, 3, 31, 33, 1025, 4097):
            base, w = surrounded(size, w_offset, 1, dtype)
            other, G = surrounded(size, G_offset, 2, dtype)
            kept = G.copy()
            plain = w.copy()
            compare(load, "cuda", rule, [w], [[G], [G]])
            compare(load, "cuda", rule, [plain], [[kept], [kept]])
            inside = (base != BARE).sum() + (other != BARE).sum()
            assert inside == 2 * size
            np.testing.assert_array_equal(G, kept)


def test_state_lies_between_guards_that_stay(load: Load) -> None:
    module = load("cuda", BLOCK_NORM)
    params = random_arrays((0, 1, 5, 4096, 4097, 8193), "float32", 1)
    optimizer = make(module, BLOCK_NORM, params)
    for seed in (2, 3):
        optimizer.step(random_arrays((0, 1, 5, 4096, 4097, 8193), "float32", seed), loss=1.0)
    memories = device_of(optimizer).memories
    assert len(memories) >= 6
    assert all(memory.untouched_outside() for memory in memories)


@pytest.fixture(scope="session")
def sanitized(load: Load) -> dict[str, ModuleType]:
    """Modules whose kernels end the program at undefined behaviour, such as misalignment."""
    return {rule.name: load("cuda", rule) for rule in (MOMENTUM, BLOCK_NORM, NOISY)}


_SANITIZED = """
import importlib.util, sys
import numpy as np
from symplectic_codegen.validation.host_device import on_host
path, cls, values, loss = sys.argv[1], sys.argv[2], eval(sys.argv[3]), eval(sys.argv[4])
spec = importlib.util.spec_from_file_location("sanitized", path)
module = importlib.util.module_from_spec(spec)
sys.modules["sanitized"] = module
spec.loader.exec_module(module)
on_host(module, flags=("-fsanitize=undefined", "-fno-sanitize-recover=all", "-static-libubsan"))
memory = np.zeros(30000, np.float32)
for shift in range(4):
    for size in (0, 1, 31, 4097):
        w, G = memory[shift : shift + size], memory[8192 : 8192 + size]
        G2 = memory[16385 : 16385 + size]
        opt = getattr(module, cls)([w], **values)
        opt.step([G], **loss)
        opt.step([G2], **loss)
print("clean")
"""


@names_of((MOMENTUM, BLOCK_NORM, NOISY))
def test_nothing_is_undefined(sanitized: dict[str, ModuleType], rule: UpdateRule) -> None:
    module = sanitized[rule.name]
    words = [
        str(module.__file__),
        class_name(rule),
        repr(HYPERPARAMETERS[rule.name]),
        repr(keywords(rule)),
    ]
    done = subprocess.run(
        [sys.executable, "-c", _SANITIZED, *words], capture_output=True, text=True
    )
    if "libubsan" in done.stderr:
        pytest.skip("the compiler has no sanitizer")
    assert done.stdout == "clean\n", done.stderr[-2000:]


@names_of((GLOBAL_NORM, THERMOSTAT, BLOCK_NORM))
def test_sums_are_bitwise_the_same_in_any_order(load: Load, rule: UpdateRule) -> None:
    module = load("cuda", rule)
    sizes = (9000, 3, 40_001, 0, 5000)
    results = []
    for order, processors in (("forward", 3), ("backward", 1), ("random", 7), ("random", 2)):
        cls = on_host(module, order=order, processors=processors)
        params = random_arrays(sizes, "float32", 1)
        optimizer = make(module, rule, params)
        assert isinstance(device_of(optimizer), cls)
        for seed in (2, 3, 4):
            optimizer.step(random_arrays(sizes, "float32", seed), **keywords(rule))
        results.append((np.concatenate(params), optimizer.state_dict()))
    on_host(module)
    for w, state in results[1:]:
        np.testing.assert_array_equal(w, results[0][0])
        np.testing.assert_equal(state, results[0][1])


def test_one_long_array_is_summed_by_a_whole_block(load: Load) -> None:
    """More than 1024 chunks; the terms are whole numbers, so that the sum is exact."""
    size = 1100 * 4096 + 3
    module = load("cuda", GLOBAL_NORM)
    G, w = np.ones(size, np.float32), np.zeros(size, np.float32)
    optimizer = module.GlobalNorm([w, np.zeros(3, np.float32)], lr=1.0, momentum=0.0)
    optimizer.step([G, np.ones(3, np.float32)])
    assert set(w.tolist()) == {float(np.float32(-1 / (1 + (size + 3) / 2)))}


def test_sizes_beyond_32_bits_make_larger_chunks(load: Load) -> None:
    """Nothing is computed: the table alone is looked at."""
    module = load("cuda", MOMENTUM)
    w, X = 16 * 10**12, 32 * 10**12
    sizes = (7, 5 * 2**31, 2**33)
    memory = [module.Memory("float32", size, w, (X,)) for size in sizes]
    kernels = module.Kernels(memory, {"lr": 0.1, "momentum": 0.9})
    (group,) = kernels._groups
    arguments = group.arguments
    chunk, chunks = int(arguments["chunk"]), int(arguments["chunks"])
    assert chunk % 4096 == 0
    assert chunks <= 65536 + len(memory)
    assert chunks == sum(-(-m.size // chunk) for m in memory)
    rows = np.frombuffer(
        ctypes.string_at(int(arguments["arrays"]), 3 * module._ARRAY.itemsize), module._ARRAY
    )
    assert rows["size"].tolist() == sorted(sizes, reverse=True)
    assert rows["origin"].tolist() == [7, 7 + 5 * 2**31, 0]


def test_lists_may_mix_types(load: Load) -> None:
    names = ("float32", "float64", "float32", "float64")
    for rule in (GLOBAL_NORM, BLOCK_NORM, THERMOSTAT):
        params = [random_arrays((300 * k + 50,), name, k)[0] for k, name in enumerate(names)]
        grads = [random_arrays((300 * k + 50,), name, k + 9)[0] for k, name in enumerate(names)]
        oracle_w = np.concatenate([p.astype(np.float64) for p in params])
        oracle_G = np.concatenate([g.astype(np.float64) for g in grads])
        arithmetic = rounding_bounds("float32")
        values = HYPERPARAMETERS[rule.name]
        state = initial_state(rule, values, oracle_w.size, arithmetic, len(params))
        blocks = [p.size for p in params]
        optimizer = make(load("cuda", rule), rule, params)
        w = arithmetic.vector(oracle_w)
        for _ in range(2):
            optimizer.step(grads, **keywords(rule))
            state, w = interpret(rule, values, state, w, oracle_G, 0.75, arithmetic, blocks=blocks)
        assert_within(np.concatenate([p.astype(np.float64) for p in params]), w)
        saved = optimizer.state_dict()
        for name, value in state.scalars.items():
            assert_within(np.array(saved["scalars"][name]), value)


LONE = UpdateRule(
    "lone",
    (LR,),
    (X,),
    (
        Stage(
            (Assign("rate", div("lr", add(1, "S"))),),
            (Assign("X_new", add("X", "G")), Assign("w_new", sub("w", mul("rate", "X_new")))),
            STORES,
            (Reduction("R", mul("X_new", "X_new")),),
        ),
    ),
    (ScalarState("S", term(0)),),
    (Assign("S_new", add("S", "R")),),
    (Store("S", "S_new"),),
)


def test_one_of_everything(load: Load) -> None:
    """A struct of one number is a struct."""
    params = random_arrays((50, 5000), "float32", 1)
    grads = [random_arrays((50, 5000), "float32", seed) for seed in (2, 3)]
    compare(load, "cuda", LONE, params, grads, {"lr": 0.1})


# Names that mean something in C++, in the kernels or in the launcher.
CPLUSPLUS = UpdateRule(
    "auto",
    (Parameter("double", Fraction(1, 2)), Parameter("linux", None), Parameter("stream", None)),
    (Buffer("origin"), Buffer("long"), Buffer("master")),
    (
        Stage(
            (
                Assign("exp", mul("double", call(Op.EXP, call(Op.NEG, "linux")))),
                Assign("own", sub(1, "exp")),
            ),
            (
                Assign("at", add("origin", mul("exp", "G"))),
                Assign("step", sub("long", mul("own", "at"))),
                Assign("int", sub("w", mul("linux", call(Op.TANH, add("step", "master"))))),
            ),
            (
                Store("origin", "at"),
                Store("long", "step"),
                Store("master", "at"),
                Store("w", "int"),
            ),
            (Reduction("sums", mul("at", "step")), Reduction("block", mul("at", "at"))),
        ),
        Stage(
            (Assign("view", div("stream", add(1, call(Op.ABS, "sums")))),),
            (Assign("this", sub("w", mul("view", "long"))),),
            (Store("w", "this"),),
        ),
    ),
    (ScalarState("values", term("double")), ScalarState("unsigned", term(0))),
    (Assign("next", add("values", "block")), Assign("new", add("unsigned", "sums"))),
    (Store("values", "next"), Store("unsigned", "new")),
)


def test_names_that_mean_something_else(load: Load) -> None:
    params = random_arrays((50, 5000), "float32", 1)
    grads = [random_arrays((50, 5000), "float32", seed) for seed in (2, 3)]
    values = {"double": 0.5, "linux": 0.25, "stream": 0.1}
    compare(load, "cuda", CPLUSPLUS, params, grads, values)
    saved = load("cuda", CPLUSPLUS).Auto(params, **values).state_dict()
    assert set(saved["buffers"]) == {"origin", "long", "master"}
    assert set(saved["scalars"]) == {"values", "unsigned"}


# Launches.


@names_of(RULES)
def test_launches_of_a_step(load: Load, rule: UpdateRule) -> None:
    """One for each pass that has to wait for a sum of the one before; no other."""
    waits = {"global_norm": 2, "block_norm": 2}
    sizes = (5000, 3, 0, 7)
    params = random_arrays(sizes, "float32", 1)
    grads = random_arrays(sizes, "float32", 2)
    optimizer = make(load("cuda", rule), rule, params)
    device = device_of(optimizer)
    optimizer.step(grads, **keywords(rule))
    first = [name for name, _ in device.launches]
    assert len(first) == 1 + waits.get(rule.name, 1)
    assert "gradients_kernel" in first[0]
    device.launches.clear()
    optimizer.step(grads, **keywords(rule))
    names = [name for name, _ in device.launches]
    assert len(names) == waits.get(rule.name, 1)
    assert all("step_kernel" in name for name in names)


def test_the_grid_is_no_larger_than_the_device(load: Load) -> None:
    optimizer = make(load("cuda", MOMENTUM), MOMENTUM, random_arrays((4096 * 50,), "float32", 1))
    optimizer.step(random_arrays((4096 * 50,), "float32", 2))
    device = device_of(optimizer)
    assert device.launches[-1][1] == device.processors * 2
    small = make(load("cuda", MOMENTUM), MOMENTUM, random_arrays((4096 * 2 + 1,), "float32", 1))
    small.step(random_arrays((4096 * 2 + 1,), "float32", 2))
    assert device_of(small).launches[-1][1] in (3, 4)


def test_many_arrays_need_no_more_launches(load: Load) -> None:
    count = 1000
    params = [np.full(3, 1.0, np.float32) for _ in range(count)]
    grads = [np.full(3, float(k), np.float32) for k in range(count)]
    optimizer = load("cuda", MOMENTUM).Momentum(params, lr=1.0, momentum=0.0)
    optimizer.step(grads)
    tables = [name for name, _ in device_of(optimizer).launches if "gradients" in name]
    assert len(tables) == 3
    np.testing.assert_array_equal(np.array(params)[:, 0], 1.0 - np.arange(count))


@names_of((MOMENTUM, GLOBAL_NORM, BLOCK_NORM))
def test_none_leaves_a_parameter_and_its_state_alone(load: Load, rule: UpdateRule) -> None:
    sizes = (700, 5000, 9)
    params = random_arrays(sizes, "float32", 1)
    optimizer = make(load("cuda", rule), rule, params)
    optimizer.step(random_arrays(sizes, "float32", 2), **keywords(rule))
    before, state = [w.copy() for w in params], optimizer.state_dict()
    grads: list[Any] = random_arrays(sizes, "float32", 3)
    # What the absent one would add to the sums, had it taken part.
    grads[1] = None
    optimizer.step(grads, **keywords(rule))
    after = optimizer.state_dict()
    np.testing.assert_array_equal(params[1], before[1])
    np.testing.assert_array_equal(after["buffers"]["X"][1], state["buffers"]["X"][1])
    if "blocks" in state:
        assert after["blocks"]["S"][1] == state["blocks"]["S"][1]
    # The others move as if it were not there.
    rest = [before[0].copy(), before[2].copy()]
    alone = make(load("cuda", rule), rule, rest)
    fewer = optimizer.state_dict()
    fewer |= {"step": state["step"], "scalars": state["scalars"]}
    fewer["buffers"] = {"X": [state["buffers"]["X"][k] for k in (0, 2)]}
    if "blocks" in state:
        fewer["blocks"] = {"S": state["blocks"]["S"][[0, 2]]}
    alone.load_state_dict(fewer)
    alone.step([grads[0], grads[2]], **keywords(rule))
    np.testing.assert_array_equal(np.concatenate([params[0], params[2]]), np.concatenate(rest))


# Scaled gradients, skipped steps, scalars on the device.


def test_gradients_are_divided_by_their_scale(load: Load) -> None:
    w, plain = random_arrays((1000,), "float32", 1) + random_arrays((1000,), "float32", 1)
    (G,) = random_arrays((1000,), "float32", 2)
    scale = np.array([1024.0], np.float32)
    one = make(load("cuda", MOMENTUM), MOMENTUM, [w])
    two = make(load("cuda", MOMENTUM), MOMENTUM, [plain])
    one.step([G * scale], grad_scale=scale)
    two.step([G])
    np.testing.assert_array_equal(w, plain)


@names_of(RULES)
def test_a_step_can_be_skipped_on_the_device(load: Load, rule: UpdateRule) -> None:
    """As if it had not been asked for: no state moves, no step is counted."""
    more = {"capturable": True} if has_choice(rule) else {}
    sizes = (1000, 40)
    once, twice = random_arrays(sizes, "float32", 1), random_arrays(sizes, "float32", 1)
    grads = random_arrays(sizes, "float32", 2)
    broken = [np.full(size, np.nan, np.float32) for size in sizes]
    yes, no = np.ones(1, np.float32), np.zeros(1, np.float32)
    first, second = (make(load("cuda", rule), rule, p, **more) for p in (once, twice))
    first.step(broken, found_inf=yes, **keywords(rule, np.nan))
    assert first.state_dict()["step"] == 0
    for found in (no, yes, no):
        used = broken if found is yes else grads
        first.step(used, found_inf=found, **keywords(rule))
    for _ in range(2):
        second.step(grads, **keywords(rule))
    np.testing.assert_array_equal(np.concatenate(once), np.concatenate(twice))
    np.testing.assert_equal(first.state_dict(), second.state_dict())


def test_who_counts_on_the_host_cannot_be_skipped(load: Load) -> None:
    params = random_arrays((10,), "float32", 1)
    optimizer = make(load("cuda", BIAS_CORRECTED), BIAS_CORRECTED, params)
    before = params[0].copy()
    with pytest.raises(ValueError, match="capturable=True"):
        optimizer.step([np.ones(10, np.float32)], found_inf=np.ones(1, np.float32))
    np.testing.assert_array_equal(params[0], before)
    # Where nothing depends on the number of the step there is nothing to count.
    free = make(load("cuda", MOMENTUM), MOMENTUM, params)
    free.step([np.ones(10, np.float32)], found_inf=np.ones(1, np.float32))
    np.testing.assert_array_equal(params[0], before)


def test_a_replayed_step_reads_what_was_uploaded(load: Load) -> None:
    """What a captured step would do: its arguments are frozen, its scalars are not."""
    module = load("cuda", BIAS_CORRECTED)
    params = random_arrays((100,), "float64", 1)
    plain = [params[0].copy()]
    optimizer = make(module, BIAS_CORRECTED, params, capturable=True)
    other = make(module, BIAS_CORRECTED, plain, capturable=True)
    grads = random_arrays((100,), "float64", 2)
    optimizer.step(grads)
    other.step(grads)
    device = device_of(optimizer)
    device.capturing = lambda stream: True
    optimizer.step(grads)
    other.step(grads)
    np.testing.assert_array_equal(params[0], plain[0])
    arguments = optimizer._kernels._groups[0].arguments.copy()
    kernel, _ = optimizer._kernels._groups[0].kernels[0]
    optimizer.lr = other.lr = 0.5
    optimizer.upload()
    device.launch(kernel, 1, arguments, 0)
    other.step(grads)
    np.testing.assert_array_equal(params[0], plain[0])
    assert optimizer.state_dict()["step"] == other.state_dict()["step"] == 3


def test_the_loss_may_stay_on_the_device(load: Load) -> None:
    for rule in (THERMOSTAT, GUARDED):
        for dtype in ("float32", "float64", "float16"):
            one, two = random_arrays((50,), "float32", 1), random_arrays((50,), "float32", 1)
            grads = random_arrays((50,), "float32", 2)
            there = make(load("cuda", rule), rule, one)
            here = make(load("cuda", rule), rule, two)
            there.step(grads, loss=np.array(0.625, dtype))
            here.step(grads, loss=0.625)
            np.testing.assert_array_equal(one[0], two[0])
            np.testing.assert_equal(there.state_dict(), here.state_dict())


def test_a_guard_on_the_host_and_on_the_device(load: Load) -> None:
    module = load("cuda", GUARDED)
    for more in ({}, {"capturable": True}):
        params = random_arrays((50,), "float32", 1)
        before = params[0].copy()
        optimizer = module.Guarded(params, lr=0.1, floor=0.5, **more)
        grads = random_arrays((50,), "float32", 2)
        message = "the loss must stay above floor"
        if more:
            optimizer.step(grads, loss=0.25)
            with pytest.raises(ValueError, match=message):
                optimizer.check()
        else:
            with pytest.raises(ValueError, match=message):
                optimizer.step(grads, loss=0.25)
        np.testing.assert_array_equal(params[0], before)
        assert optimizer.state_dict()["step"] == 0
        optimizer.step(grads, loss=0.75)
        optimizer.check()
        assert not np.array_equal(params[0], before)
        assert optimizer.state_dict()["step"] == 1


# Addresses instead of arrays, for other front ends.


def kernels_on(
    module: ModuleType, rule: UpdateRule, params: list[np.ndarray], **more: Any
) -> tuple[Any, list[list[np.ndarray]]]:
    """`Kernels` on given memory, and the buffers."""
    buffers = [[np.zeros_like(w) for _ in rule.buffers] for w in params]
    memory = [
        module.Memory(w.dtype.name, w.size, w.ctypes.data, tuple(b.ctypes.data for b in row))
        for w, row in zip(params, buffers, strict=True)
    ]
    return module.Kernels(memory, HYPERPARAMETERS[rule.name], **more), buffers


def addresses(grads: list[Any]) -> list[int]:
    return [0 if G is None else G.ctypes.data for G in grads]


def test_steps_on_addresses(load: Load) -> None:
    module = load("cuda", BIAS_CORRECTED)
    sizes = (1000, 7)
    one, two = random_arrays(sizes, "float32", 1), random_arrays(sizes, "float32", 1)
    kernels, buffers = kernels_on(module, BIAS_CORRECTED, one)
    optimizer = make(module, BIAS_CORRECTED, two)
    for seed in (2, 3):
        grads = random_arrays(sizes, "float32", seed)
        kernels.step(addresses(grads), HYPERPARAMETERS[BIAS_CORRECTED.name], factor=-2.0)
        optimizer.step([np.float32(-2) * G for G in grads])
        optimizer.lr = HYPERPARAMETERS[BIAS_CORRECTED.name]["lr"]
    np.testing.assert_array_equal(np.concatenate(one), np.concatenate(two))
    state = optimizer.state_dict()
    for row, X_of_two in zip(buffers, state["buffers"]["X"], strict=True):
        np.testing.assert_array_equal(row[0], X_of_two)
    assert kernels.state()["step"] == 2
    saved = kernels.state()
    other, _ = kernels_on(module, BIAS_CORRECTED, one)
    other.restore(saved)
    assert other.state() == saved


def test_parameters_with_scalars_of_their_own(load: Load) -> None:
    """As groups of parameters with other hyperparameters, or first gradients that came late."""
    module = load("cuda", MOMENTUM)
    (launch,) = module.LAUNCHES
    assert launch == {
        "stages": ("update",),
        "scalars": ("lr", "momentum", "dampening"),
        "sums": (),
    }
    sizes = (5000, 7, 0, 4097)
    one, two = random_arrays(sizes, "float32", 1), random_arrays(sizes, "float32", 1)
    kernels, _ = kernels_on(module, MOMENTUM, one)
    alone = [module.Momentum([w], lr=0.1 * k + 0.1, momentum=0.5) for k, w in enumerate(two)]
    rows = np.array([[0.1 * k + 0.1, 0.5, 1 - 0.5] for k in range(4)])
    for seed in (2, 3, 4):
        grads: list[Any] = random_arrays(sizes, "float32", seed)
        grads[1] = None if seed == 3 else grads[1]
        sums = kernels.sweep(0, addresses(grads), rows)
        assert sums.shape == (4, 0)
        for optimizer, G in zip(alone, grads, strict=True):
            if G is not None:
                optimizer.step([G])
    np.testing.assert_array_equal(np.concatenate(one), np.concatenate(two))
    # Two launches where rows differ; one, where one row is enough.
    device = kernels._device
    device.launches.clear()
    kernels.sweep(0, addresses(grads), rows)
    assert ["gradients" in name for name, _ in device.launches] == [True, False]
    device.launches.clear()
    kernels.sweep(0, addresses(grads), np.repeat(rows[:1], 4, axis=0))
    assert [name.rpartition("::")[2] for name, _ in device.launches] == ["GIVEN>"]
    kernels.sweep(0, [0] * 4, rows)
    assert len(device.launches) == 1


def test_sweeps_give_their_sums(load: Load) -> None:
    """What `step` does with a global norm, done by hand: a front end may add up over processes."""
    module = load("cuda", GLOBAL_NORM)
    assert [launch["sums"] for launch in module.LAUNCHES] == [("R",), ()]
    assert [launch["scalars"] for launch in module.LAUNCHES] == [
        ("momentum", "dampening"),
        ("rate",),
    ]
    values = HYPERPARAMETERS[GLOBAL_NORM.name]
    names = ("float32", "float64", "float32")
    one = [random_arrays((900 * k + 5,), name, k)[0] for k, name in enumerate(names)]
    two = [w.copy() for w in one]
    kernels, buffers = kernels_on(module, GLOBAL_NORM, one)
    optimizer = make(module, GLOBAL_NORM, two)
    for seed in (5, 6):
        grads: list[Any] = [
            random_arrays((900 * k + 5,), name, k + seed)[0] for k, name in enumerate(names)
        ]
        grads[2] = None if seed == 6 else grads[2]
        rows = np.array([[values["momentum"], 1 - values["momentum"]]] * 3)
        sums = kernels.sweep(0, addresses(grads), rows)
        squares = [
            0.0 if G is None else float(np.sum(b[0].astype(np.float64) ** 2))
            for G, b in zip(grads, buffers, strict=True)
        ]
        np.testing.assert_allclose(sums[:, 0], squares, rtol=1e-5)
        rate = values["lr"] / (1 + sums[:, 0].sum() / 2)
        kernels.sweep(1, addresses(grads), np.full((3, 1), rate))
        optimizer.step(grads)
    for w, other in zip(one, two, strict=True):
        np.testing.assert_array_equal(w, other)


def test_sweeps_with_scalars_of_blocks_and_with_noise(load: Load) -> None:
    module = load("cuda", BLOCK_NORM)
    first, second = module.LAUNCHES
    assert first["sums"] == ("square", "work")
    assert set(first["scalars"]) == {"momentum", "gain", "rate"}
    assert set(second["scalars"]) == {"lr", "trust"}
    params = random_arrays((300, 5000), "float64", 1)
    w, G = [p.copy() for p in params], random_arrays((300, 5000), "float64", 2)
    kernels, buffers = kernels_on(module, BLOCK_NORM, params)
    given = {"momentum": (0.9, 0.8), "gain": (0.1, 0.3), "rate": (0.5, 0.25)}
    rows = np.array([[given[name][k] for name in first["scalars"]] for k in range(2)])
    sums = kernels.sweep(0, addresses(G), rows)
    for k in range(2):
        X_new = given["gain"][k] * G[k]
        np.testing.assert_allclose(buffers[k][0], X_new, rtol=1e-15)
        np.testing.assert_allclose(params[k], w[k] - given["rate"][k] * X_new, rtol=1e-13)
        expected = [np.sum(X_new**2), np.sum(X_new * G[k])]
        np.testing.assert_allclose(sums[k], expected, rtol=1e-12)
    noisy = load("cuda", NOISY)
    values = HYPERPARAMETERS["noisy"]
    one, two = random_arrays((50, 9000), "float32", 1), random_arrays((50, 9000), "float32", 1)
    kernels, _ = kernels_on(noisy, NOISY, one, seed=7)
    optimizer = make(noisy, NOISY, two, seed=7)
    G = random_arrays((50, 9000), "float32", 2)
    given = {"lr": values["lr"], "momentum": values["momentum"]}
    given["dampening"] = 1 - given["momentum"]
    row = [given[name] for name in noisy.LAUNCHES[0]["scalars"]]
    kernels.sweep(0, addresses(G), np.array([row, row]), noise=np.array([[7, 1, 0], [7, 1, 50]]))
    optimizer.step(G)
    np.testing.assert_array_equal(np.concatenate(one), np.concatenate(two))


# Numbers of 16 bits.


def bits_of(values: np.ndarray, dtype: str) -> np.ndarray:
    """float32 rounded to 16 bits, ties to even, in the array that stands for this type."""
    if dtype == "float16":
        with np.errstate(over="ignore"):
            return values.astype(np.float16)
    bits = values.astype(np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(values), 0x7FFF, rounded).astype(np.uint16)


def values_of(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.float16:
        return array.astype(np.float32)
    return (array.astype(np.uint32) << 16).view(np.float32)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@names_of((MOMENTUM, GLOBAL_NORM, ITERATED))
def test_parameters_of_16_bits(load: Load, rule: UpdateRule, dtype: str) -> None:
    """State in float32; the parameter is rounded once, or carried exactly by a master copy."""
    sizes = (1025, 7, 0)
    arithmetic = rounding_bounds("float32")
    values = HYPERPARAMETERS[rule.name]
    for masters in (False, True):
        params = [bits_of(p, dtype) for p in random_arrays(sizes, "float32", 1)]
        optimizer = make(load("cuda", rule), rule, params, master_weights=masters)
        w = arithmetic.vector(np.concatenate([values_of(p) for p in params]))
        state = initial_state(rule, values, len(w), arithmetic)
        for seed in (2, 3):
            grads = [bits_of(g, dtype) for g in random_arrays(sizes, "float32", seed)]
            optimizer.step(grads)
            G = np.concatenate([values_of(g) for g in grads]).astype(np.float64)
            state, w = interpret(rule, values, state, w, G, None, arithmetic)
            found = np.concatenate([values_of(p) for p in params]).astype(np.float64)
            ulp = np.abs(w.value) * (2.0**-8 if dtype == "bfloat16" else 2.0**-11) + 2.0**-25
            assert (np.abs(found - w.value) <= w.error + ulp).all()
            if masters:
                exact = np.concatenate([m.ravel() for m in optimizer.state_dict()["masters"]])
                assert_within(exact, w)
                again = bits_of(exact, dtype)
                np.testing.assert_array_equal(again, np.concatenate(params))
            else:
                w = Bounded(found, w.error)  # the next step starts from the rounded parameter
                w = arithmetic.vector(found)
        buffers = np.concatenate(optimizer.state_dict()["buffers"]["X"])
        assert buffers.dtype == np.float32
        if not masters and rule is not ITERATED:
            assert_within(buffers, state.buffers["X"])


_CONVERSIONS = """
extern "C" void widen_all(int half, const unsigned short* bits, float* wide, long long count) {{
    for (long long k = 0; k < count; ++k) {{
        wide[k] = half ? {n}::widen({n}::float16{{bits[k]}}) : {n}::widen({n}::bfloat16{{bits[k]}});
    }}
}}

extern "C" void narrow_all(int half, const float* wide, unsigned short* bits, long long count) {{
    for (long long k = 0; k < count; ++k) {{
        bits[k] = half ? {n}::narrow<{n}::float16>(wide[k]).bits
                       : {n}::narrow<{n}::bfloat16>(wide[k]).bits;
    }}
}}
"""


def test_every_number_of_16_bits_and_every_tie(load: Load) -> None:
    module = load("cuda", MOMENTUM)
    source = module._source() + _CONVERSIONS.format(n="symplectic::momentum")
    library = ctypes.CDLL(str(build(source, "conversions", [])))
    bits = np.arange(65536, dtype=np.uint16)
    for half in (0, 1):
        wide = np.empty(65536, np.float32)
        library.widen_all(half, bits.ctypes, wide.ctypes, ctypes.c_longlong(65536))
        expected = values_of(bits.view(np.float16) if half else bits)
        np.testing.assert_array_equal(wide, expected)
        # Every number, the ties between neighbours, and what lies just beside them.
        with np.errstate(all="ignore"):
            finite = np.sort(expected[np.isfinite(expected)]).astype(np.float64)
            ties = ((finite[1:] + finite[:-1]) / 2).astype(np.float32)
            samples = np.concatenate(
                [
                    expected,
                    ties,
                    np.nextafter(ties, np.float32(np.inf)),
                    np.nextafter(ties, np.float32(-np.inf)),
                    np.float32([65504, 65519.996, 65520, 65536, 3e38, np.inf, -np.inf, np.nan]),
                ]
            ).astype(np.float32)
        narrow = np.empty(samples.size, np.uint16)
        library.narrow_all(half, samples.ctypes, narrow.ctypes, ctypes.c_longlong(samples.size))
        found = values_of(narrow.view(np.float16) if half else narrow)
        wanted = values_of(bits_of(samples, "float16" if half else "bfloat16"))
        np.testing.assert_array_equal(found, wanted)
        zeros = samples == 0
        np.testing.assert_array_equal(np.signbit(found[zeros]), np.signbit(samples[zeros]))


# Random numbers.

_NORMALS = """
extern "C" void normals(
    unsigned long long seed, unsigned long long step, long long count, float* one, double* two) {
    for (long long k = 0; k < count; ++k) {
        one[k] = symplectic::noisy::normal(symplectic::noisy::philox(seed, step, k), float());
        two[k] = symplectic::noisy::normal(symplectic::noisy::philox(seed, step, k), double());
    }
}

extern "C" void normals_of(
    const unsigned* a, const unsigned* b, long long count, float* one, double* two) {
    for (long long k = 0; k < count; ++k) {
        one[k] = symplectic::noisy::normal(symplectic::noisy::Words{a[k], b[k]}, float());
        two[k] = symplectic::noisy::normal(symplectic::noisy::Words{a[k], b[k]}, double());
    }
}
"""


def test_random_numbers_are_those_of_all_targets(load: Load) -> None:
    module = load("cuda", NOISY)
    library = ctypes.CDLL(str(build(module._source() + _NORMALS, "normals", [])))
    count, seed, step = 2000, 2**63 + 12345, 2**32 + 7
    one, two = np.empty(count, np.float32), np.empty(count)
    library.normals(
        ctypes.c_ulonglong(seed), ctypes.c_ulonglong(step), ctypes.c_longlong(count),
        one.ctypes, two.ctypes,
    )  # fmt: skip
    exact = np.array(standard_normal(seed, step, range(count)))
    np.testing.assert_allclose(two, exact, rtol=1e-14)
    np.testing.assert_allclose(one, exact, rtol=4 * 2.0**-23)
    # Words at the ends of the unit interval and around the quarters of a turn.
    edges = [0, 1, 2, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 2, 2**32 - 1]
    edges += [k * 2**29 + d for k in range(1, 8) for d in (-2, -1, 0, 1)]
    a, b = (m.ravel().astype(np.uint32) for m in np.meshgrid(edges, edges))
    one, two = np.empty(a.size, np.float32), np.empty(a.size)
    library.normals_of(a.ctypes, b.ctypes, ctypes.c_longlong(a.size), one.ctypes, two.ctypes)
    import mpmath

    with mpmath.workdps(40):
        for k in range(a.size):
            u = (mpmath.mpf(int(a[k])) + 0.5) / 2**32
            v = (mpmath.mpf(int(b[k])) + 0.5) / 2**32
            value = mpmath.sqrt(-2 * mpmath.log(u)) * mpmath.cos(2 * mpmath.pi * v)
            # Cancellation in log and cos is absolute in double, and absent in float.
            assert abs(two[k] - value) <= 1e-15 * abs(value) + 4e-15
            assert abs(mpmath.mpf(float(one[k])) - value) <= 4 * 2.0**-23 * abs(value), k


# Without contraction: the same bits as the same expressions elsewhere.


@names_of((MOMENTUM, BIAS_CORRECTED, SWAPPING, GUARDED, ITERATED))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bitwise_the_same_as_numpy(load: Load, rule: UpdateRule, dtype: str) -> None:
    """Sums, products, quotients and roots are rounded in one way only."""
    one, two = random_arrays(SIZES, dtype, 1), random_arrays(SIZES, dtype, 1)
    first = make(load("cuda", rule), rule, one, strict=True)
    second = make(load("numpy", rule), rule, two)
    for seed in (2, 3, 4):
        grads = random_arrays(SIZES, dtype, seed)
        first.step(grads, **keywords(rule))
        second.step(grads, **keywords(rule))
    np.testing.assert_array_equal(np.concatenate(one), np.concatenate(two))
    np.testing.assert_equal(first.state_dict(), second.state_dict())


_BY_HAND = """
void step(float* w, const float* G, float* X, long long n, float lr, float mu, float nu) {
    for (long long i = 0; i < n; ++i) {
        X[i] = mu * X[i] + nu * G[i];
        w[i] = w[i] - lr * X[i];
    }
}
"""


def test_bitwise_the_same_as_c_by_hand(load: Load, tmp_path: Path) -> None:
    (tmp_path / "hand.c").write_text(_BY_HAND, encoding="utf-8")
    library = tmp_path / "hand.so"
    words = [str(compiler()), "-x", "c", "-O3", "-ffp-contract=off", "-shared", "-fPIC"]
    subprocess.run([*words, str(tmp_path / "hand.c"), "-o", str(library)], check=True)
    by_hand = ctypes.CDLL(str(library))
    w, plain = random_arrays((4099,), "float32", 1) + random_arrays((4099,), "float32", 1)
    X = np.zeros(4099, np.float32)
    optimizer = load("cuda", MOMENTUM).Momentum([w], lr=0.1, momentum=0.9, strict=True)
    for seed in range(2, 12):
        (G,) = random_arrays((4099,), "float32", seed)
        optimizer.step([G])
        numbers = [ctypes.c_float(v) for v in (0.1, 0.9, 1 - 0.9)]
        by_hand.step(plain.ctypes, G.ctypes, X.ctypes, ctypes.c_longlong(4099), *numbers)
    np.testing.assert_array_equal(w, plain)
    np.testing.assert_array_equal(optimizer.state_dict()["buffers"]["X"][0], X)


# State.


@names_of(RULES)
def test_continuing_is_bitwise_the_same(load: Load, rule: UpdateRule) -> None:
    for more in ({}, {"capturable": True}) if has_choice(rule) else ({},):
        generator = np.random.default_rng(0)
        start = [generator.standard_normal((7, 5)), np.asfortranarray(generator.random((3, 9)))]
        grads = [
            [np.array(generator.standard_normal(w.shape), order="K") for w in start]
            for _ in range(4)
        ]
        for row in grads:
            row[1] = np.asfortranarray(row[1])
        whole = [w.copy(order="K") for w in start]
        never_stopped = make(load("cuda", rule), rule, whole, **more)
        parts = [w.copy(order="K") for w in start]
        first = make(load("cuda", rule), rule, parts, **more)
        for k in range(2):
            never_stopped.step(grads[k], **keywords(rule))
            first.step(grads[k], **keywords(rule))
        saved = first.state_dict()
        second = make(load("cuda", rule), rule, parts, **more)
        second.load_state_dict(saved)
        for k in range(2, 4):
            never_stopped.step(grads[k], **keywords(rule))
            second.step(grads[k], **keywords(rule))
        for one, other in zip(whole, parts, strict=True):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_equal(second.state_dict(), never_stopped.state_dict())


@names_of((THERMOSTAT, BLOCK_NORM, NOISY))
def test_targets_can_replace_each_other(load: Load, rule: UpdateRule) -> None:
    w = random_arrays((9, 4), "float32", 1)
    first = make(load("numpy", rule), rule, w)
    first.step(random_arrays((9, 4), "float32", 2), **keywords(rule))
    second = make(load("cuda", rule), rule, w)
    second.load_state_dict(first.state_dict())
    np.testing.assert_equal(second.state_dict(), first.state_dict())


# Refusals.


def test_what_is_refused(load: Load) -> None:
    module = load("cuda", MOMENTUM)
    good = np.ones((3, 4), np.float32)
    wide = np.ones((3, 8), np.float32)
    read_only = np.ones(3, np.float32)
    read_only.flags.writeable = False
    cases: list[tuple[Any, type[Exception], str]] = [
        ([wide[:, ::2]], ValueError, "has gaps"),
        ([read_only], ValueError, "read-only"),
        ([np.ones(3, np.int32)], TypeError, "dtype int32"),
        ([good, good[1:]], ValueError, r"params\[0\] and params\[1\] share memory"),
        ([], ValueError, "empty"),
        (good, TypeError, "wrap a single array"),
        ([[1.0]], TypeError, "no array on a GPU"),
    ]
    for params, error, message in cases:
        with pytest.raises(error, match=message):
            module.Momentum(params, lr=0.1)
    optimizer = module.Momentum([good], lr=0.1)
    before = good.copy()
    grads: list[tuple[Any, type[Exception], str]] = [
        ([], ValueError, "empty"),
        ([good.copy(), good.copy()], ValueError, "1 parameters, but 2 gradients"),
        ([np.ones((4, 3), np.float32)], ValueError, "shape"),
        ([np.ones((3, 4))], TypeError, "is float64, the parameter is float32"),
        ([np.asfortranarray(good)], ValueError, "layout of the parameter"),
        ([good], ValueError, "shares memory"),
        (good.copy(), TypeError, "wrap a single array"),
    ]
    for given, error, message in grads:
        with pytest.raises(error, match=message):
            optimizer.step(given)
    np.testing.assert_array_equal(good, before)
    assert optimizer.state_dict()["step"] == 0
    with pytest.raises(ValueError, match=r"lr must be in \(0, inf\)"):
        optimizer.lr = -1.0
    with pytest.raises(AttributeError, match="no hyperparameter"):
        optimizer.weight = 1.0


# The files.

_ALONE = """
import json, sys, time
import numpy
sys.modules["symplectic_codegen"] = None
start = time.perf_counter()
sys.path.insert(0, {folder!r})
import {module} as module
seconds = time.perf_counter() - start
packages = sorted({{name.split(".")[0] for name in sys.modules}})
print(json.dumps([seconds, packages, sorted(module.__all__)]))
"""


def test_importing_needs_no_cuda(load: Load) -> None:
    path = Path(str(load("cuda", MOMENTUM).__file__))
    script = _ALONE.format(folder=str(path.parent), module=path.stem)
    rows = [
        json.loads(
            subprocess.run(
                [sys.executable, "-I", "-W", "error", "-c", script],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for _ in range(2)
    ]
    assert all(not {"cuda", "torch", "cupy", "sympy"} & set(packages) for _, packages, _ in rows)
    assert min(seconds for seconds, _, _ in rows) < 0.05
    assert rows[0][2] == ["Kernels", "LAUNCHES", "Memory", "Momentum", "PROVENANCE"]


def test_kernels_are_found_beside_the_launcher_or_missed_by_name(tmp_path: Path) -> None:
    files = {
        Path(path).name: text
        for path, text in TARGETS["cuda"].emit(MOMENTUM, document(MOMENTUM, "cuda")).items()
    }
    with zipfile.ZipFile(tmp_path / "vendored.zip", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    code = "import momentum; print(len(momentum._source()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(tmp_path / "vendored.zip")},
        capture_output=True,
        text=True,
    )
    assert int(done.stdout) > 10_000, done.stderr
    (tmp_path / "momentum.py").write_text(files["momentum.py"], encoding="utf-8")
    (tmp_path / "momentum.cu").write_text(files["momentum.cu"], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert "FileNotFoundError: momentum.cuh must lie beside" in done.stderr


def test_headers_of_several_optimizers_live_in_one_program(load: Load, tmp_path: Path) -> None:
    """And the header alone compiles without a warning, for the strictest reader."""
    names = []
    for rule in RULES:
        folder = Path(str(load("cuda", rule).__file__)).parent
        names.append(rule.name)
    program = "".join(f'#include "{name}.cuh"\n' for name in names) + "int main() {}\n"
    (tmp_path / "all.cpp").write_text(program, encoding="utf-8")
    done = subprocess.run(
        [str(compiler()), "-std=c++17", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror",
         "-fsyntax-only", "-I", str(folder), str(tmp_path / "all.cpp")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[:3000]


@pytest.mark.parametrize("name", ["finite", "exp", "signal", "class_", "std", "symplectic"])
def test_a_rule_may_be_called_like_a_function_of_c(name: str, tmp_path: Path) -> None:
    rule = replace(MOMENTUM, name=name)
    for path, text in TARGETS["cuda"].emit(rule, document(rule, "cuda")).items():
        (tmp_path / Path(path).name).write_text(text, encoding="utf-8")
    words = ["-std=c++17", "-Wall", "-Wno-unknown-pragmas", "-Werror", "-fsyntax-only", "-x", "c++"]
    done = subprocess.run(
        [str(compiler()), *words, "-I", str(host_device.EMULATION), str(tmp_path / f"{name}.cu")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[:3000]


@names_of(RULES)
def test_a_whole_file_compiles_without_a_warning(load: Load, rule: UpdateRule) -> None:
    path = Path(str(load("cuda", rule).__file__)).parent / f"{rule.name}.cu"
    done = subprocess.run(
        [str(compiler()), "-std=c++17", "-Wall", "-Wextra", "-Wno-unknown-pragmas", "-Werror",
         "-fsyntax-only", "-I", str(host_device.EMULATION), "-x", "c++", str(path)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[:3000]


def test_availability_has_a_reason() -> None:
    target = TARGETS["cuda"]
    absent = replace(target, requires=("no_such_package.core", "numpy"))
    assert absent.is_available().reason == "no_such_package.core is not installed"
    without = replace(target, requires=("numpy",), probe=lambda: "there is no driver of NVIDIA")
    assert without.is_available().reason == "there is no driver of NVIDIA"
    assert not without.is_available().ok
    assert replace(without, probe=lambda: "").is_available().ok
