"""Generated CUDA kernels on a GPU: are they right, and how fast are they?

    python benchmarks/gpu.py            # everything, at most eight minutes
    python benchmarks/gpu.py --quick    # without the largest arrays
    python benchmarks/gpu.py --host     # no GPU: the part about right results, emulated

It needs NumPy, PyTorch with CUDA, and nvcc on the PATH; this package need not be installed. Where
cuda.core and cuda.bindings are installed too, the Python launcher is measured beside the C
interface. Every contender works on its own copy of the same arrays; rounds are in random order, and
times are those of events on the device.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import inspect
import itertools
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
GENERATED = ROOT / "generated"
EMULATION = ROOT / "symplectic_codegen" / "validation" / "emulation"
MINUTES = 8
STARTED = time.perf_counter()
P = ctypes.c_void_p
CODES = {"float32": 0, "float64": 1, "bfloat16": 2, "float16": 3}
MEASURED = {"momentum": "SGD", "adam": "Adam", "relativistic": ""}  # and their rivals in torch


def left() -> float:
    """Seconds until the script has to be done."""
    return 60 * MINUTES - (time.perf_counter() - STARTED)


def say(*words: object) -> None:
    print(*words, flush=True)


# Libraries, and what their functions want.


def load_module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def class_of(module: ModuleType) -> Any:
    name = "".join(part.capitalize() for part in module.PROVENANCE["name"].split("_"))
    return getattr(module, name)


def build(name: str, folder: Path, on_host: bool, strict: bool = False) -> Path:
    """The library of one optimizer."""
    made = folder / f"lib{name}{'_strict' if strict else ''}.so"
    source = str(GENERATED / "cuda" / f"{name}.cu")
    if on_host:
        words = ["c++", "-std=c++17", "-O1", "-ffp-contract=off", "-U_FORTIFY_SOURCE", "-fPIC"]
        words += ["-shared", "-I", str(EMULATION), "-x", "c++", source, "-o", str(made)]
    else:
        words = ["nvcc", "-std=c++17", "-O3", "-arch=native", "-shared", "-Xcompiler", "-fPIC"]
        words += ["--fmad=false"] if strict else []
        words += [source, "-o", str(made)]
    subprocess.run(words, check=True)
    return made


class Optimizer:
    """One generated optimizer through its C interface; arrays are given by their addresses."""

    def __init__(
        self,
        library: ctypes.CDLL,
        launcher: ModuleType,
        values: dict[str, float],
        dtype: str,
        arrays: Sequence[tuple[int, Sequence[int], int]],
        on_device: bool = False,
        stream: int = 0,
    ) -> None:
        """`arrays` are (address of w, addresses of its buffers, size)."""
        self.library, self.name = library, launcher.PROVENANCE["name"]
        arguments = inspect.signature(launcher.Kernels.__init__).parameters
        self.needs_loss = "loss" in inspect.signature(launcher.Kernels.step).parameters
        names = [f"b{k}" for k in range(len(launcher._BUFFERS))]
        fields = [("w", P), ("master", P), *((n, P) for n in names), ("size", ctypes.c_longlong)]
        row = type("Row", (ctypes.Structure,), {"_fields_": fields})
        rows = (row * len(arrays))()
        for item, (w, buffers, size) in zip(rows, arrays, strict=True):
            item.w, item.size = w, size
            for n, address in zip(names, buffers, strict=True):
                setattr(item, n, address)
        numbers = [values[n] for n in launcher._HYPERPARAMETERS]
        self.values = (ctypes.c_double * max(len(numbers), 1))(*numbers)
        self.has_values = bool(numbers)
        words: list[Any] = [rows, ctypes.c_longlong(len(arrays)), CODES[dtype]]
        words += [self.values] if hasattr(launcher, "_STATES") and numbers else []
        words += [ctypes.c_ulonglong(0)] if "seed" in arguments else []
        words += [int(on_device)] if "capturable" in arguments else []
        self.handle = P()
        self.call("init", ctypes.byref(self.handle), *words, P(stream))

    def call(self, function: str, *words: Any) -> None:
        code = getattr(self.library, f"{self.name}_{function}")(*words)
        if code != 0:
            self.library[f"{self.name}_message"].restype = ctypes.c_char_p
            text = self.library[f"{self.name}_message"](code)
            raise RuntimeError(f"{self.name}_{function}: {text.decode()}")

    def prepare(
        self, gradients: Sequence[int], loss: float = 0.0, stream: int = 0
    ) -> Callable[[], None]:
        """A step with everything converted for C, to be called again and again."""
        pointers = (P * len(gradients))(*gradients)
        words: list[Any] = [self.handle, pointers]
        words += [self.values] if self.has_values else []
        words += [ctypes.c_double(loss)] if self.needs_loss else []
        words += [None, None, P(stream)]
        function = getattr(self.library, f"{self.name}_step_list")

        def step() -> None:
            if function(*words) != 0:
                self.call("step_list", *words)

        return step

    def close(self) -> None:
        getattr(self.library, f"{self.name}_free")(self.handle)


def hyperparameters(module: ModuleType) -> dict[str, float]:
    """The defaults; where there is none, a number inside the bounds."""
    values = {}
    for name, parameter in inspect.signature(class_of(module)).parameters.items():
        if name not in module._HYPERPARAMETERS:
            continue
        if parameter.default is not inspect.Parameter.empty:
            values[name] = float(parameter.default)
            continue
        inside = getattr(module, "_BOUNDS", {}).get(name, ("", lambda x: True))[1]
        values[name] = next(v for v in (0.05, 0.5, 1.5, 2.5, -0.5, 10.0) if inside(v))
    return values


# Right results.


class HostMemory:
    """Arrays of NumPy, where the device is emulated."""

    def put(self, array: np.ndarray) -> Any:
        return array.copy()

    def address(self, array: Any) -> int:
        return int(array.ctypes.data)

    def get(self, array: Any) -> np.ndarray:
        return np.array(array)

    def wait(self) -> None:
        pass


class DeviceMemory:
    """Tensors of PyTorch."""

    def __init__(self) -> None:
        import torch

        self.torch = torch

    def put(self, array: np.ndarray) -> Any:
        return self.torch.from_numpy(array.copy()).cuda()

    def address(self, array: Any) -> int:
        return int(array.data_ptr())

    def get(self, array: Any) -> np.ndarray:
        result: np.ndarray = array.cpu().numpy()
        return result

    def wait(self) -> None:
        self.torch.cuda.synchronize()


SIZES = (0, 1, 3, 31, 33, 1023, 1025, 200_003)


def check_entry(
    name: str, library: ctypes.CDLL, memory: Any, seed: int, dtype: str, exact: bool = False
) -> tuple[str, float]:
    """Three steps against the NumPy target in float64, from poisoned memory, at all alignments.

    With `exact` the NumPy target runs in the same type, and the bits have to be the same.
    """
    launcher = load_module(GENERATED / "cuda" / f"{name}.py")
    oracle_module = load_module(GENERATED / "numpy" / f"{name}.py")
    values = hyperparameters(launcher)
    generator = np.random.default_rng(seed)
    guard, poison = 64, np.nan
    kind = np.dtype(dtype)
    bases, places, oracle_w, buffers = [], [], [], []
    for k, size in enumerate(SIZES):
        shift = k % 4  # elements from a multiple of 16 bytes
        base = np.full(size + 2 * guard + 4, poison, kind)
        base[guard + shift : guard + shift + size] = generator.standard_normal(size)
        oracle_w.append(base[guard + shift : guard + shift + size].astype(np.float64))
        bases.append(memory.put(base))
        places.append(memory.address(bases[-1]) + (guard + shift) * kind.itemsize)
        row = [memory.put(np.full(size + 2 * guard + 4, poison, kind)) for _ in launcher._BUFFERS]
        buffers.append((row, shift))
    arrays = [
        (w, [memory.address(b) + (guard + shift) * kind.itemsize for b in row], size)
        for w, (row, shift), size in zip(places, buffers, SIZES, strict=True)
    ]
    if exact:
        oracle_w = [w.astype(kind) for w in oracle_w]
    oracle = class_of(oracle_module)(oracle_w, **values)
    optimizer = Optimizer(library, launcher, values, dtype, arrays)
    for n in range(3):
        gradients = [generator.standard_normal(size).astype(kind) for size in SIZES]
        padded = [np.concatenate([np.full(k % 3, poison, kind), G, np.full(9, poison, kind)])
                  for k, G in enumerate(gradients)]  # fmt: skip
        kept = [memory.put(G) for G in padded]
        addresses = [memory.address(G) + (k % 3) * kind.itemsize for k, G in enumerate(kept)]
        loss = 0.75 + 0.1 * n
        optimizer.prepare(addresses, loss)()
        memory.wait()
        more = {"loss": loss} if optimizer.needs_loss else {}
        oracle.step([G.astype(oracle_w[0].dtype) for G in gradients], **more)
    optimizer.close()
    worst, eps = 0.0, float(np.finfo(kind).eps)
    state = oracle.state_dict()["buffers"]
    for k, size in enumerate(SIZES):
        shift = k % 4
        inside = slice(guard + shift, guard + shift + size)
        pairs = [(memory.get(bases[k]), oracle_w[k])]
        pairs += [
            (memory.get(b), state[label][k])
            for b, label in zip(buffers[k][0], launcher._BUFFERS, strict=True)
        ]
        for found, wanted in pairs:
            outside = np.ones(found.size, bool)
            outside[inside] = False
            if not np.isnan(found[outside]).all():
                return "wrote outside of an array", math.inf
            if size == 0:
                continue
            if exact and not np.array_equal(found[inside], wanted):
                return "other bits than NumPy", math.inf
            scale = max(1.0, float(np.abs(wanted).max()))
            error = float(np.abs(found[inside].astype(np.float64) - wanted).max())
            worst = max(worst, error / (eps * scale) if not math.isnan(error) else math.inf)
    return ("right" if worst <= 64 else "WRONG"), worst


def check_all(names: Sequence[str], libraries: dict[str, ctypes.CDLL], memory: Any) -> bool:
    seed = int.from_bytes(os.urandom(4), "little")
    say(f"\nRight results, {len(SIZES)} arrays, 3 steps, poisoned memory, seed {seed}")
    say(f"{'':28}{'float32':>24}{'float64':>24}")
    good = True
    for name in names:
        cells = []
        for dtype in ("float32", "float64"):
            verdict, worst = check_entry(name, libraries[name], memory, seed, dtype)
            good &= verdict == "right"
            cells.append(f"{verdict} ({worst:.1f} eps)")
        say(f"{name:28}{cells[0]:>24}{cells[1]:>24}")
    return good


# Speed.


def transformer() -> list[int]:
    """148 tensors with 21.8 million elements: 12 layers of width 384."""
    d, layers, words = 384, 12, 1000
    sizes = [words * d - 128, 128 * d, d, d]
    for _ in range(layers):
        sizes += [3 * d * d, 3 * d, d * d, d, 4 * d * d, 4 * d, 4 * d * d, d, d, d, d, d]
    return sizes[:148]


CASES = {
    "1e5": [100_000],
    "1e7": [10_000_000],
    "list of 148": transformer(),
    "1e9": [1_000_000_000],
}


def device_times(contenders: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Microseconds of the device for one call of each, in rounds of random order."""
    import torch

    times: dict[str, list[float]] = {name: [] for name in contenders}
    for call in contenders.values():
        for _ in range(3):
            call()
    torch.cuda.synchronize()
    for _ in range(rounds):
        order = list(contenders)
        random.shuffle(order)
        for name in order:
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            contenders[name]()
            begin.record()
            for _ in range(4):
                contenders[name]()
            end.record()
            torch.cuda.synchronize()
            times[name].append(begin.elapsed_time(end) * 1000 / 4)
    return times


def copy_bandwidth() -> float:
    """GB/s of a copy on the device, read and written bytes together."""
    import torch

    size = min(1 << 28, torch.cuda.mem_get_info()[0] // 32)
    a, b = torch.empty(size, device="cuda"), torch.empty(size, device="cuda")
    (times,) = device_times({"copy": lambda: b.copy_(a)}, 20).values()
    return 8 * size / statistics.median(times) / 1000


def bytes_per_element(name: str) -> int:
    """What all launches of a float32 step read and write, by the text of the kernels."""
    import re

    text = (GENERATED / "cuda" / f"{name}.cu").read_text(encoding="utf-8")
    total = 0
    for body in re.findall(r"void elements\w*\(.*?\n}\n", text, re.DOTALL):
        names = re.findall(r"(?:load|store)<N>\(at\.(\w+)", body)
        total += 4 * sum(n != "master" for n in names)
    return total


def launches_of(call: Callable[[], None]) -> int:
    """How many kernels a call starts, as the profiler sees it."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    call()
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as record:
        call()
        torch.cuda.synchronize()
    events = [e for e in record.events() if e.device_type.name == "CUDA"]
    return sum(not e.name.startswith(("Memcpy", "Memset")) for e in events)


def contenders_for(
    name: str, library: ctypes.CDLL, sizes: Sequence[int]
) -> tuple[dict[str, Callable[[], None]], Callable[[], None]]:
    """What steps the same list, and how to free it."""
    import torch

    launcher = load_module(GENERATED / "cuda" / f"{name}.py")
    values = hyperparameters(launcher)
    stream = torch.cuda.current_stream().cuda_stream

    def tensors() -> list[Any]:
        return [torch.randn(n, device="cuda") * 0.1 for n in sizes]

    grads = tensors()
    w = tensors()
    states = [[torch.zeros_like(p) for _ in launcher._BUFFERS] for p in w]
    arrays = [
        (p.data_ptr(), [s.data_ptr() for s in row], p.numel())
        for p, row in zip(w, states, strict=True)
    ]
    optimizer = Optimizer(library, launcher, values, "float32", arrays, stream=stream)
    step = optimizer.prepare([g.data_ptr() for g in grads], 0.5, stream)
    found: dict[str, Callable[[], None]] = {"generated": step}
    keep: list[Any] = [grads, w, states, optimizer]
    with_packages = importlib.util.find_spec("cuda") is not None
    if with_packages and sum(sizes) < 10**8:
        params = tensors()
        own = class_of(launcher)(params, **values)
        more = {"loss": 0.5} if optimizer.needs_loss else {}
        found["its launcher"] = lambda: own.step(grads, **more)
        keep.append(own)
    rival = MEASURED[name]
    if rival:
        for label, option in (("torch fused", "fused"), ("torch foreach", "foreach")):
            if option == "foreach" and sum(sizes) > 10**8:
                continue
            params = [torch.nn.Parameter(t) for t in tensors()]
            for p, g in zip(params, grads, strict=True):
                p.grad = g
            keywords = {"momentum": 0.9} if rival == "SGD" else {}
            made = getattr(torch.optim, rival)(params, lr=1e-3, **{option: True}, **keywords)
            found[label] = made.step
            keep.append((params, made))

    def free() -> None:
        torch.cuda.synchronize()
        optimizer.close()
        found.clear()
        keep.clear()
        torch.cuda.empty_cache()

    return found, free


def measure(libraries: dict[str, ctypes.CDLL], quick: bool) -> None:
    import torch

    copy = copy_bandwidth()
    say(f"\nSpeed; a copy on this device moves {copy:.0f} GB/s")
    for name, (case, sizes) in itertools.product(MEASURED, CASES.items()):
        needed = sum(sizes) * 4 * 9
        if quick and sum(sizes) > 10**8:
            continue
        if needed > torch.cuda.mem_get_info()[0] or left() < 60:
            say(f"{name}, {case}: left out, for want of {'time' if left() < 60 else 'memory'}")
            continue
        contenders, free = contenders_for(name, libraries[name], sizes)
        rounds = 9 if sum(sizes) > 10**8 else 31
        times = device_times(contenders, rounds)
        moved = bytes_per_element(name) * sum(sizes)
        base = statistics.median(times["generated"])
        say(f"\n{name}, {case}: {len(sizes)} arrays, {sum(sizes):,} float32, {moved / 1e9:.3g} GB")
        say(f"{'':16}{'us':>10}{'p10':>10}{'p90':>10}{'GB/s':>8}{'of copy':>9}{'launches':>10}")
        for label, row in times.items():
            middle = statistics.median(row)
            deciles = statistics.quantiles(row, n=10)
            rate = moved / middle / 1000
            count = launches_of(contenders[label])
            say(
                f"{label:16}{middle:>10.1f}{deciles[0]:>10.1f}{deciles[-1]:>10.1f}{rate:>8.0f}"
                f"{100 * rate / copy:>8.0f}%{count:>10}   generated is {middle / base:.2f} as fast"
            )
        free()


def replay(libraries: dict[str, ctypes.CDLL]) -> bool:
    """Steps that are captured once and replayed give the bits of steps that are not."""
    import torch

    say("\nCUDA graphs: 10 steps, 9 of them replayed, against 10 steps one by one")
    good = True
    for name in MEASURED:
        launcher = load_module(GENERATED / "cuda" / f"{name}.py")
        values = hyperparameters(launcher)
        results = []
        for graphed in (False, True):
            torch.manual_seed(0)
            w = [torch.randn(n, device="cuda") for n in (100_000, 7, 5000)]
            states = [[torch.zeros_like(p) for _ in launcher._BUFFERS] for p in w]
            grads = [torch.randn_like(p) for p in w]
            arrays = [
                (p.data_ptr(), [s.data_ptr() for s in row], p.numel())
                for p, row in zip(w, states, strict=True)
            ]
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            handle = side.cuda_stream
            optimizer = Optimizer(
                libraries[name], launcher, values, "float32", arrays, True, handle
            )
            step = optimizer.prepare([g.data_ptr() for g in grads], 0.5, handle)
            with torch.cuda.stream(side):
                step()
            torch.cuda.synchronize()
            if graphed:
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph, stream=side):
                    step()
                for _ in range(9):
                    graph.replay()
            else:
                with torch.cuda.stream(side):
                    for _ in range(9):
                        step()
            torch.cuda.synchronize()
            results.append(torch.cat(w))
            optimizer.close()
        same = bool(torch.equal(*results))
        good &= same
        say(f"{name:28}{'the same bits' if same else 'OTHER BITS'}")
    return good


def sanitize(folder: Path) -> bool:
    """This script's check of results under NVIDIA's tool, where it is installed."""
    tool = shutil.which("compute-sanitizer")
    if tool is None:
        say("\ncompute-sanitizer: not on the PATH, not run")
        return True
    good = True
    for mode in ("memcheck", "racecheck", "initcheck"):
        words = [tool, "--tool", mode, "--error-exitcode", "9", sys.executable, __file__]
        done = subprocess.run([*words, "--only-check", str(folder)], capture_output=True, text=True)
        clean = done.returncode == 0
        good &= clean
        say(f"compute-sanitizer {mode:12}{'clean' if clean else done.stdout[-2000:]}")
    return good


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="without the largest arrays")
    parser.add_argument("--host", action="store_true", help="emulate the device; results only")
    parser.add_argument("--only", nargs="*", help="names of entries")
    parser.add_argument("--only-check", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    every = sorted(path.stem for path in (GENERATED / "cuda").glob("*.cu"))
    names = options.only or every
    if options.only_check:
        memory = DeviceMemory()
        for name in MEASURED:
            library = ctypes.CDLL(str(Path(options.only_check) / f"lib{name}.so"))
            verdict, _ = check_entry(name, library, memory, 1, "float32")
            assert verdict == "right", (name, verdict)
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if not options.host:
            import torch

            if not torch.cuda.is_available():
                raise SystemExit("there is no GPU here; --host emulates one, for results only")
            say(torch.cuda.get_device_name(), "| torch", torch.__version__, "|",
                subprocess.run(["nvcc", "--version"], capture_output=True, text=True,
                               check=True).stdout.strip().splitlines()[-1])  # fmt: skip
        with ThreadPoolExecutor(2 if options.host else os.cpu_count()) as pool:
            paths = dict(
                zip(names, pool.map(lambda n: build(n, folder, options.host), names), strict=True)
            )
        libraries = {name: ctypes.CDLL(str(path)) for name, path in paths.items()}
        say(f"built {len(libraries)} libraries in {time.perf_counter() - STARTED:.0f} s")
        memory = HostMemory() if options.host else DeviceMemory()
        good = check_all(names, libraries, memory)
        if "momentum" in names:
            strict = ctypes.CDLL(str(build("momentum", folder, options.host, strict=True)))
            verdict, _ = check_entry("momentum", strict, memory, 3, "float32", exact=True)
            good &= verdict == "right"
            say(f"momentum without contraction, against NumPy in float32: bits {verdict}")
        if not options.host:
            good &= replay(libraries)
            measure(libraries, options.quick)
            good &= sanitize(folder)
        say(f"\n{'all right' if good else 'SOMETHING IS WRONG'} after "
            f"{time.perf_counter() - STARTED:.0f} s")  # fmt: skip
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
