"""The CUDA target without a GPU: its kernels, compiled for the host, behind its own launcher.

A C++ compiler makes a library of the generated `.cu` file and of `emulation/cuda_runtime.h`, which
stands in for the device: grid, blocks, threads, shared memory, barriers and shuffles. `HostDevice`
takes the place of the launcher's `_Device`; everything else of the three files runs as it is, so
that tables, arguments and index arithmetic are tested together with the formulas. Arrays are those
of NumPy; arrays of uint16 stand for bfloat16.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from symplectic_codegen.errors import SymplecticCodegenError
from symplectic_codegen.generation import cache_folder

EMULATION = Path(__file__).parent / "emulation"
ORDERS = ("forward", "backward", "random")
_FLAGS = (
    "-std=c++17",
    "-O1",
    "-ffp-contract=off",
    "-U_FORTIFY_SOURCE",  # it forbids jumps between stacks
    "-fPIC",
    "-shared",
    "-DSYMPLECTIC_KERNELS_ONLY",
)


class NoCompilerError(SymplecticCodegenError):
    """There is no C++ compiler, or it refuses a generated file."""


def compiler() -> str | None:
    """The C++ compiler of this machine; None if there is none."""
    chosen = os.environ.get("CXX", "")
    names = (chosen, "g++", "clang++", "c++")
    return next((path for name in names if name and (path := shutil.which(name))), None)


def build(source: str, name: str, kernels: Sequence[str], flags: Sequence[str] = ()) -> Path:
    """A library with some of the kernels of a `.cu` file, kept for the next time.

    Args:
        source: the `.cu` file, with its header put in.
        name: for the name of the library.
        kernels: their names in C++, with template arguments.
        flags: further options of the compiler.

    Raises:
        NoCompilerError: there is no compiler, or what it says.
    """
    found = compiler()
    if found is None:
        raise NoCompilerError("there is no C++ compiler (g++, clang++, or CXX) to run kernels with")
    text = source + _glue(kernels)
    emulation = (EMULATION / "cuda_runtime.h").read_text(encoding="utf-8")
    words = [found, *_FLAGS, *flags]
    digest = hashlib.sha256("\0".join([text, emulation, *words]).encode()).hexdigest()[:20]
    library = cache_folder() / f"{name}_{digest}.so"
    if library.is_file():
        return library
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.cpp"
        path.write_text(text, encoding="utf-8")
        made = Path(folder) / "made.so"
        done = subprocess.run(
            [*words, "-I", str(EMULATION), str(path), "-o", str(made)],
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise NoCompilerError(f"the C++ compiler refuses {name}.cu: {done.stderr[:2000]}")
        # Atomic: another process may be loading the same library.
        temporary = library.with_suffix(f".{os.getpid()}")
        shutil.copy(made, temporary)
        os.replace(temporary, library)
    return library


def _glue(kernels: Sequence[str]) -> str:
    """C functions that run the kernels by their numbers."""
    cases = "\n".join(
        f"    if (number == {k}) {{ emulation::launch({name}, grid, threads, argument); }}"
        for k, name in enumerate(kernels)
    )
    return f"""
extern "C" void emulate(int number, unsigned grid, unsigned threads, const void* argument) {{
{cases}
}}

extern "C" void emulate_in_order(int order, unsigned seed) {{
    emulation::settings.order = static_cast<emulation::Order>(order);
    emulation::settings.seed = seed;
}}
"""


class _Memory:
    """Bytes that stand for memory of the device, between guard bytes."""

    GUARD = 256

    def __init__(self, size: int) -> None:
        room = size + 3 * self.GUARD
        self._bytes = np.full(room, 0xA5, np.uint8)
        start = self._bytes.ctypes.data + self.GUARD
        self.address = -(-start // 256) * 256
        self._begin = self.address - self._bytes.ctypes.data
        self._size = size

    def untouched_outside(self) -> bool:
        """Whether nothing was written before or behind it."""
        before, behind = self._bytes[: self._begin], self._bytes[self._begin + self._size :]
        return bool((before == 0xA5).all() and (behind == 0xA5).all())


class HostDevice:
    """What the launcher's `_Device` does, on the host. Made by `on_host`."""

    source: Any
    name = ""
    flags: tuple[str, ...] = ()
    processors = 3
    order = "forward"

    def __init__(self, number: int) -> None:
        self.number = number
        self.launches: list[tuple[str, int]] = []
        self.memories: list[_Memory] = []
        self._compiled: dict[str, tuple[ctypes.CDLL, int]] = {}

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass

    @classmethod
    def of(cls, array: Any) -> HostDevice:
        del array
        return cls(0)

    def view(self, array: Any) -> Any:
        if not isinstance(array, np.ndarray | np.generic):
            raise TypeError(f"a {type(array).__name__} is no array on a GPU")
        array = np.asarray(array)
        dtype = "bfloat16" if array.dtype == np.uint16 else array.dtype.name
        strides = tuple(step // array.itemsize for step in array.strides)
        address = array.__array_interface__["data"][0]
        return self.source.module._View(address, array.shape, strides, dtype, array.flags.writeable)

    def stream(self, given: Any, array: Any) -> int:
        del array
        return 0 if given is None else int(given)

    def capturing(self, stream: int) -> bool:
        del stream
        return False

    def allocate(self, size: int) -> _Memory:
        memory = _Memory(max(size, 1))
        self.memories.append(memory)
        return memory

    def clear(self, address: int, size: int, stream: int) -> None:
        del stream
        ctypes.memset(address, 0, size)

    def write(self, address: int, array: npt.NDArray[Any], stream: int) -> None:
        del stream
        data = np.ascontiguousarray(array)
        ctypes.memmove(address, data.ctypes.data, data.nbytes)

    def read(self, address: int, size: int, dtype: Any, stream: int) -> npt.NDArray[Any]:
        del stream
        data = np.empty(size, dtype)
        ctypes.memmove(data.ctypes.data, address, data.nbytes)
        return data

    def compile(self, names: Sequence[str], strict: bool) -> list[tuple[Any, int]]:
        del strict  # the host never merges products with sums
        missing = [name for name in _relatives(names) if name not in self._compiled]
        if not self._compiled.keys() >= set(names):
            library = ctypes.CDLL(str(build(self.source.text, self.name, missing, self.flags)))
            library.emulate.argtypes = [
                ctypes.c_int,
                ctypes.c_uint,
                ctypes.c_uint,
                ctypes.c_void_p,
            ]
            for number, name in enumerate(missing):
                self._compiled[name] = (library, number)
        return [((name, *self._compiled[name]), self.processors * 2) for name in names]

    def launch(self, kernel: Any, blocks: int, arguments: npt.NDArray[Any], stream: int) -> None:
        del stream
        name, library, number = kernel
        self.launches.append((name, blocks))
        library.emulate_in_order(ORDERS.index(self.order), len(self.launches))
        library.emulate(number, blocks, 256, arguments.ctypes.data)


def _relatives(names: Sequence[str]) -> list[str]:
    """Kernels that are likely needed together: reading the file is most of a compilation."""
    found: dict[str, None] = {}
    for name in names:
        head, bracket, arguments = name.partition("<")
        if not bracket:
            found[name] = None
            continue
        kind, *flags = arguments.rstrip(">").split(", ")
        space = kind.rpartition("::")[0]
        halves = (f"{space}::bfloat16", f"{space}::float16")
        kinds, masters = (halves, ("false", "true")) if space else (("float", "double"), ("false",))
        source = flags[1].rpartition("::")[2]
        others = ("GIVEN", "COMPUTED") if source == "GIVEN" else (source,)
        prefix = head.rpartition("::")[0]
        found |= dict.fromkeys(
            f"{head}<{one}, {master}, {prefix}::{other}>"
            for one in kinds
            for master in masters
            for other in others
        )
    return list(found)


def on_host(module: ModuleType, **settings: Any) -> type[HostDevice]:
    """Let the launcher of a generated module run its kernels on the host.

    Args:
        module: the imported launcher, with its other two files beside it; changed.
        settings: attributes of the device: `order`, `processors`, `flags`.

    Returns:
        The class of the devices that the launcher will make.
    """

    class Source:
        def __init__(self) -> None:
            self.module = module
            self.text: str = module._source()

    attributes = {"source": Source(), "name": module.PROVENANCE["name"], **settings}
    cls = type("HostDevice", (HostDevice,), attributes)
    module._Device = cls  # type: ignore[attr-defined]
    return cls
