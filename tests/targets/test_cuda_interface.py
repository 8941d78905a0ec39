"""The C interface of the kernels, and the emulation that both are tested with."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand_made import (
    BIAS_CORRECTED,
    BLOCK_NORM,
    GUARDED,
    HYPERPARAMETERS,
    MOMENTUM,
    NOISY,
    THERMOSTAT,
    Load,
    class_name,
)
from test_values import random_arrays

from symplectic_codegen.rule.rule import UpdateRule
from symplectic_codegen.validation.host_device import EMULATION, compiler

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")

SIZES = (4100, 0, 7, 9000)
INVALID, REFUSED = -1, -2
P = ctypes.c_void_p


def library_of(load: Load, rule: UpdateRule, folder: Path) -> ctypes.CDLL:
    """The whole `.cu` file, with its C interface, for the host."""
    source = Path(str(load("cuda", rule).__file__)).parent / f"{rule.name}.cu"
    made = folder / f"lib{rule.name}.so"
    words = ["-std=c++17", "-O1", "-ffp-contract=off", "-U_FORTIFY_SOURCE", "-fPIC", "-shared"]
    subprocess.run(
        [str(compiler()), *words, "-I", str(EMULATION), "-x", "c++", str(source), "-o", str(made)],
        check=True,
    )
    return ctypes.CDLL(str(made))


class Driver:
    """A list of arrays, stepped by the C interface."""

    def __init__(
        self, library: ctypes.CDLL, rule: UpdateRule, params: list[Any], on_device: int = 1
    ) -> None:
        self.rule, self.library, self.params = rule, library, params
        names = [b.name for b in rule.buffers]
        fields = [("w", P), ("master", P), *((n, P) for n in names), ("size", ctypes.c_longlong)]
        row = type("Row", (ctypes.Structure,), {"_fields_": fields})
        self.buffers = [[np.full_like(w, 99.0) for _ in names] for w in params]
        rows = (row * len(params))()
        for item, w, buffers in zip(rows, params, self.buffers, strict=True):
            item.w, item.master, item.size = w.ctypes.data, None, w.size
            for name, buffer in zip(names, buffers, strict=True):
                setattr(item, name, buffer.ctypes.data)
        values = [HYPERPARAMETERS[rule.name][p.name] for p in rule.parameters]
        self.values = (ctypes.c_double * len(values))(*values)
        kind = {"float32": 0, "float64": 1}[params[0].dtype.name]
        self.only_on_device = bool(rule.reductions or rule.block_states)
        words: list[Any] = [rows, ctypes.c_longlong(len(params)), kind]
        words += [self.values] if rule.states else []
        words += [ctypes.c_ulonglong(0)] if rule.needs_noise else []
        words += [] if self.only_on_device else [on_device]
        self.handle = P()
        self.code = self.call("init", ctypes.byref(self.handle), *words, None)

    def call(self, name: str, *words: Any) -> int:
        return int(getattr(self.library, f"{self.rule.name}_{name}")(*words))

    def step(
        self, grads: list[Any], loss: float = 0.75, found_inf: Any = None, scale: Any = None
    ) -> int:
        pointers = (P * len(grads))(*(None if G is None else G.ctypes.data for G in grads))
        words: list[Any] = [self.handle, pointers, self.values]
        words += [ctypes.c_double(loss)] if self.rule.needs_loss else []
        words += [None if x is None else P(x.ctypes.data) for x in (scale, found_inf)]
        return self.call("step_list", *words, None)

    def saved(self) -> tuple[np.ndarray, np.ndarray]:
        """Steps and states as doubles and whole numbers, and the states of blocks."""
        room = np.zeros(1 + len(self.rule.states))
        blocks = np.zeros((len(self.params), len(self.rule.block_states)))
        more = [P(blocks.ctypes.data)] if self.rule.block_states else []
        assert self.call("save", self.handle, P(room.ctypes.data), *more, None) == 0
        return room, blocks

    def restore(self, saved: tuple[np.ndarray, np.ndarray]) -> None:
        room, blocks = saved
        more = [P(blocks.ctypes.data)] if self.rule.block_states else []
        assert self.call("restore", self.handle, P(room.ctypes.data), *more, None) == 0


@pytest.mark.parametrize(
    "rule",
    [MOMENTUM, THERMOSTAT, BIAS_CORRECTED, BLOCK_NORM, NOISY],
    ids=lambda rule: rule.name,
)
def test_the_c_interface_does_what_the_launcher_does(
    load: Load, tmp_path: Path, rule: UpdateRule
) -> None:
    library = library_of(load, rule, tmp_path)
    keywords = {"loss": 0.75} if rule.needs_loss else {}
    for dtype in ("float32", "float64"):
        one, two = random_arrays(SIZES, dtype, 1), random_arrays(SIZES, dtype, 1)
        make = getattr(load("cuda", rule), class_name(rule))
        more = {} if rule.reductions or rule.block_states else {"capturable": True}
        launcher = make(one, **HYPERPARAMETERS[rule.name], **more)
        driver = Driver(library, rule, two)
        assert driver.code == 0
        if more:
            # Scalars on the host, here in C++: no other bits.
            three = random_arrays(SIZES, dtype, 1)
            host = Driver(library, rule, three, on_device=0)
        for seed in (2, 3, 4):
            grads: list[Any] = random_arrays(SIZES, dtype, seed)
            grads[2] = None if seed == 3 else grads[2]
            launcher.step(grads, **keywords)
            assert driver.step(grads) == 0
            if seed == 3:
                saved = driver.saved()
                assert saved[0].view(np.uint64)[0] == 2
                broken = [np.full_like(w, np.nan) for w in two]
                assert driver.step(broken, found_inf=np.ones(1, np.float32)) == 0
                np.testing.assert_equal(driver.saved(), saved)
                driver.restore(saved)
            if more:
                assert host.step(grads) == 0
        np.testing.assert_array_equal(np.concatenate(one), np.concatenate(two))
        state = launcher.state_dict()
        for k, buffers in enumerate(driver.buffers):
            for name, buffer in zip((b.name for b in rule.buffers), buffers, strict=True):
                np.testing.assert_array_equal(buffer, state["buffers"][name][k])
        room, blocks = driver.saved()
        assert room.view(np.uint64)[0] == 3
        assert room[1:].tolist() == [state["scalars"][s.name] for s in rule.states]
        for column, block in zip(blocks.T, rule.block_states, strict=True):
            np.testing.assert_array_equal(column, state["blocks"][block.name])
        if more:
            np.testing.assert_array_equal(np.concatenate(three), np.concatenate(two))
            np.testing.assert_array_equal(host.saved()[0], room)
        getattr(library, f"{rule.name}_free")(driver.handle)


def test_one_array_and_return_codes(load: Load, tmp_path: Path) -> None:
    library = library_of(load, GUARDED, tmp_path)
    library.guarded_message.restype = ctypes.c_char_p
    (w,) = random_arrays((10,), "float32", 1)
    before = w.copy()
    for on_device in (0, 1):
        w[...] = before
        driver = Driver(library, GUARDED, [w], on_device)
        G = np.ones(10, np.float32)
        tail = [None, None, None]
        words = [driver.handle, P(G.ctypes.data), driver.values]
        # floor is -1/2: outside of its domain the step is refused, on the host with a code.
        code = driver.call("step", *words, ctypes.c_double(-0.75), *tail)
        assert code == (0 if on_device else REFUSED)
        np.testing.assert_array_equal(w, before)
        assert driver.saved()[0].view(np.uint64)[0] == 0
        assert driver.call("step", *words, ctypes.c_double(0.5), *tail) == 0
        np.testing.assert_allclose(w, before - 0.1, rtol=1e-6)
    assert driver.call("step", None, *words[1:], ctypes.c_double(0.5), *tail) == INVALID
    assert b"must be" in library.guarded_message(INVALID)
    assert b"domain" in library.guarded_message(REFUSED)
    assert library.guarded_message(0) == b"no error"
    crooked = np.zeros(41, np.uint8)[1:].view(np.float32)
    assert Driver(library, GUARDED, [crooked]).code == INVALID


_EMULATED = """
#include <cuda_runtime.h>

struct Arguments {{
    unsigned* out;
    int how;
}};

__global__ void kernel(const __grid_constant__ Arguments a) {{
    __shared__ unsigned memory[64];
    const unsigned t = threadIdx.x;
    memory[t] = t + 100 * blockIdx.x;
    {body}
}}

int main() {{
    unsigned out[256] = {{}};
    Arguments arguments{{out, 0}};
    void* list[] = {{&arguments}};
    for (int order = 0; order < 3; ++order) {{
        emulation::settings.order = static_cast<emulation::Order>(order);
        std::memset(out, 0, sizeof out);
        cudaLaunchKernel(kernel, dim3(2), dim3(64), list, 0, nullptr);
        unsigned long long hash = 0;
        for (unsigned k = 0; k < 256; ++k) {{
            hash = hash * 31 + out[k];
        }}
        std::printf("%llu %u %u\\n", hash, out[1], out[70]);
    }}
}}
"""


def emulated(body: str, folder: Path) -> subprocess.CompletedProcess[str]:
    source = folder / "kernel.cpp"
    source.write_text(_EMULATED.format(body=body), encoding="utf-8")
    words = [str(compiler()), "-std=c++17", "-O1", "-U_FORTIFY_SOURCE", "-I", str(EMULATION)]
    subprocess.run([*words, str(source), "-o", str(folder / "kernel")], check=True)
    return subprocess.run([str(folder / "kernel")], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("body", "second", "last"),
    [
        # What another thread wrote before the barrier is seen behind it.
        ("__syncthreads(); a.out[blockIdx.x * 64 + t] = memory[63 - t];", 62, 157),
        # A value from a lane further on; the last ones keep their own.
        (
            "a.out[blockIdx.x * 64 + t] = __shfl_down_sync(0xffffffffu, memory[t], 3);",
            4,
            100 + 9,
        ),
        (
            "const unsigned x = __shfl_down_sync(~0u, t, 16) + __shfl_down_sync(~0u, t, 1);"
            "a.out[blockIdx.x * 64 + t] = x;",
            17 + 2,
            22 + 7,
        ),
        # Every block counts once; the order does not matter to a sum.
        ("if (t == 0) { atomicAdd(a.out + 1, 5u); } if (t == 6) { a.out[70] = gridDim.x; }", 10, 2),
    ],
)
def test_the_emulation(body: str, second: int, last: int, tmp_path: Path) -> None:
    done = emulated(body, tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {tuple(line.split()) for line in done.stdout.splitlines()}
    assert len(rows) == 1  # in whatever order threads and blocks run
    assert rows.pop()[1:] == (str(second), str(last))


@pytest.mark.parametrize(
    "body",
    [
        "if (t < 32) { __syncthreads(); }",
        "if (t < 32) {\n __syncthreads();\n } else {\n __syncthreads();\n }",
        "if (t % 2 == 0) { a.out[t] = __shfl_down_sync(~0u, t, 1); }",
    ],
)
def test_the_emulation_notices_threads_that_do_not_meet(body: str, tmp_path: Path) -> None:
    done = emulated(body, tmp_path)
    assert done.returncode != 0
    assert "wait for each other at different places" in done.stderr


def test_a_missing_barrier_shows_in_some_order(tmp_path: Path) -> None:
    """Why the order of threads can be chosen at all."""
    done = emulated("a.out[blockIdx.x * 64 + t] = memory[63 - t];", tmp_path)
    assert len({line.split()[0] for line in done.stdout.splitlines()}) > 1
