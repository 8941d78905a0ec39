"""The launcher on NVIDIA's own packages, NVRTC included, over a stand-in for the driver."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from inspect import signature
from pathlib import Path

import pytest
from hand_made import BIAS_CORRECTED, GLOBAL_NORM, Load

from symplectic_codegen.rule.rule import UpdateRule
from symplectic_codegen.validation.cubin import missing
from symplectic_codegen.validation.host_device import build, compiler

pytestmark = [
    pytest.mark.skipif(compiler() is None, reason="no C++ compiler"),
    pytest.mark.skipif(bool(missing()), reason=missing()),
    pytest.mark.skipif(sys.platform != "linux", reason="the driver is a shared library of Linux"),
]

_SETTING = """
import gc, importlib.util, json, os, sys
import numpy as np

spec = importlib.util.spec_from_file_location("launcher", sys.argv[1])
launcher = importlib.util.module_from_spec(spec)
sys.modules["launcher"] = launcher
spec.loader.exec_module(launcher)


class OfProtocol:
    '''An array of any library with __cuda_array_interface__.'''

    def __init__(self, array):
        self.array = array

    @property
    def __cuda_array_interface__(self):
        return {**self.array.__array_interface__, "version": 3}


class Place:
    type, index = "cuda", 0


class LikeTorch:
    '''What the launcher asks of a tensor of PyTorch.'''

    device = Place()

    def __init__(self, array, dtype=None):
        self.array = array
        self.dtype = f"torch.{dtype or array.dtype.name}"
        self.shape = array.shape

    def data_ptr(self):
        return self.array.ctypes.data

    def stride(self):
        return tuple(s // self.array.itemsize for s in self.array.strides)


class Stream:
    cuda_stream = 7


class Current:
    current_stream = staticmethod(lambda device: Stream())


class Torch:
    cuda = Current


sys.modules["torch"] = Torch


def log():
    with open(os.environ["DRIVER_LOG"]) as file:
        return file.read().splitlines()


generator = np.random.default_rng(0)
w = [generator.standard_normal(n).astype(np.float32) for n in (5000, 3, 0)]
G = [generator.standard_normal(n).astype(np.float32) for n in (5000, 3, 0)]
"""


def run(
    load: Load, rule: UpdateRule, script: str, folder: Path, types: tuple[str, ...] = ("float",)
) -> dict[str, object]:
    """What a script prints that steps an optimizer over the stand-in."""
    from cuda.core import Program, ProgramOptions

    module = load("cuda", rule)
    source, name = module._source(), rule.name
    space = f"symplectic::{name}"
    both = "capturable" in signature(module.Kernels.__init__).parameters
    places = ("GIVEN", "COMPUTED", "LISTED") if both else ("COMPUTED", "LISTED")
    kernels = [
        f"{space}::{kernel}<{kind}, false, {space}::{place}>"
        for kernel in module._KERNELS
        for kind in types
        for place in places
    ]
    kernels.append(f"{space}::gradients_kernel")
    options = ProgramOptions(std="c++17", arch="sm_90")
    code = Program(source, code_type="c++", options=options).compile(
        "cubin", name_expressions=kernels
    )
    table = "".join(f"{code.symbol_mapping[k].decode()} {n}\n" for n, k in enumerate(kernels))
    (folder / "kernels").write_text(table, encoding="utf-8")
    (folder / "log").touch()
    words = [str(compiler()), "-std=c++17", "-O1", "-shared", "-fPIC"]
    driver = Path(__file__).parent / "driver.cpp"
    subprocess.run([*words, str(driver), "-o", str(folder / "libcuda.so.1"), "-ldl"], check=True)
    done = subprocess.run(
        [sys.executable, "-c", _SETTING + script, str(module.__file__)],
        env={
            **os.environ,
            "LD_LIBRARY_PATH": str(folder),
            "DRIVER_KERNELS": str(folder / "kernels"),
            "DRIVER_LIBRARY": str(build(source, name, kernels)),
            "DRIVER_LOG": str(folder / "log"),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, object] = json.loads(done.stdout)
    return result


def test_steps_over_the_protocol(load: Load, tmp_path: Path) -> None:
    script = """
plain = [a.copy() for a in w]
opt = launcher.GlobalNorm([OfProtocol(a) for a in w], lr=0.1)
grads = [OfProtocol(a) for a in G]
opt.step(grads)
before = len(log())
opt.step(grads, stream=Stream())
second = log()[before:]
state = opt.state_dict()
X = np.zeros(5003, np.float32)
flat, g = np.concatenate(plain), np.concatenate(G)
for _ in range(2):
    X = np.float32(0.9) * X + np.float32(1 - 0.9) * g
    flat -= np.float32(0.1 / (1 + np.sum(X.astype(np.float64) ** 2) / 2)) * X
close = bool(np.allclose(np.concatenate(w), flat, rtol=1e-5, atol=1e-7))
other = launcher.GlobalNorm([OfProtocol(a) for a in w], lr=0.1)
other.load_state_dict(state)
same = str(other.state_dict()) == str(state)
del opt, other
gc.collect()
print(json.dumps({"close": close, "second": second, "step": state["step"], "same": same,
                  "log": log()}))
"""
    found = run(load, GLOBAL_NORM, script, tmp_path)
    assert found["close"]
    assert found["step"] == 2
    assert found["same"]
    # In a steady state: two launches in the given stream, and nothing else at all.
    second = found["second"]
    assert isinstance(second, list)
    assert [line.split(" ")[0] for line in second] == ["launch", "launch"]
    assert all(line.endswith(" in 7") for line in second)
    assert "step_kernel_1" in second[0]
    assert "step_kernel_2" in second[1]
    assert isinstance(found["log"], list)
    count = Counter(line.split(" ")[0] for line in found["log"])
    assert count["free"] == count["allocate"] > 0
    assert count["load"] == 1  # for both optimizers


def test_capture_waits_for_nothing_and_copies_nothing(load: Load, tmp_path: Path) -> None:
    script = """
params = [LikeTorch(a) for a in w]
grads = [LikeTorch(a) for a in G]
opt = launcher.BiasCorrected(params, lr=0.1, capturable=True)
opt.step(grads, stream=3)
before = len(log())
opt.step(grads, stream=99)  # the stand-in refuses every copy while this stream is captured
kept = log()[before:]
opt.step(grads, stream=3)
again = [LikeTorch(a.copy()) for a in G]
before = len(log())
opt.step(again, stream=99)
moved = log()[before:]
print(json.dumps({"kept": kept, "moved": moved, "step": opt._kernels.state(3)["step"]}))
"""
    found = run(load, BIAS_CORRECTED, script, tmp_path)
    kept, moved = found["kept"], found["moved"]
    assert isinstance(kept, list)
    assert isinstance(moved, list)
    assert [line.split(" ")[0] for line in kept] == ["launch"]
    # Gradients that lie elsewhere are told by a launch of their own, which is captured too.
    assert ["gradients_kernel" in line for line in moved] == [True, False]
    assert found["step"] == 2  # what is captured does not run


def test_tensors_of_16_bits_and_what_is_wrong(load: Load, tmp_path: Path) -> None:
    script = """
def refused(call):
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


bits = (np.float32([1.0, 2.0, 3.0]).view(np.uint32) >> 16).astype(np.uint16)
ones = (np.float32([1.0, 1.0, 1.0]).view(np.uint32) >> 16).astype(np.uint16)
opt = launcher.BiasCorrected([LikeTorch(bits, "bfloat16")], lr=0.5, momentum=0.0, strict=True)
opt.step([LikeTorch(ones, "bfloat16")], stream=1)
values = (bits.astype(np.uint32) << 16).view(np.float32).tolist()
far = LikeTorch(w[0])
far.device = Place()
far.device.index = 5
on_cpu = LikeTorch(w[0])
on_cpu.device = Place()
on_cpu.device.type = "cpu"
print(json.dumps({
    "values": values,
    "far": refused(lambda: launcher.BiasCorrected([far], lr=0.5)),
    "cpu": refused(lambda: launcher.BiasCorrected([on_cpu], lr=0.5)),
    "other": refused(lambda: opt.step([LikeTorch(w[1])], stream=1)),
}))
"""
    kind = f"symplectic::{BIAS_CORRECTED.name}::bfloat16"
    found = run(load, BIAS_CORRECTED, script, tmp_path, (kind,))
    assert found["values"] == [0.5, 1.5, 2.5]
    assert found["far"] == "RuntimeError: CUDA: invalid device ordinal"
    assert str(found["cpu"]).startswith("TypeError: params[0] is on the device")
    assert str(found["other"]).startswith("TypeError: grads[0] is float32")
