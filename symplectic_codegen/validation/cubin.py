"""What the compiler for the device makes of generated kernels; no GPU is needed for this.

NVRTC compiles as the launcher does. Registers, stack and spills come from its own report; memory
accesses, arithmetic in double precision and the length of loops from the disassembly.
"""

from __future__ import annotations

import io
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

ARCHITECTURES = ("sm_75", "sm_80", "sm_90", "sm_100")

_WIDE = re.compile(r"\b(?:LDG|STG)\S*\.(?:128|ENL2\.256)\b")
_DOUBLE = re.compile(
    r"\bD(?:ADD|MUL|FMA|SETP|MNMX|SET)\b|\b(?:F2F|F2I|I2F|FRND)\S*F64|\bMUFU\S*64H"
)
_CONTRACTED = re.compile(r"\b[FD]FMA\b")
_ENTRY = re.compile(r"Compiling entry function '(\w+)'")
_STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_REGISTERS = re.compile(r"Used (\d+) registers")
_INSTRUCTION = re.compile(r"/\*([0-9a-f]{4,})\*/\s+(.+?)\s*;")
_LABEL = re.compile(r"^(\.L_x_\d+):")
_BRANCH = re.compile(r"\bBRA\b.*`\((\.L_x_\d+)\)")


def missing() -> str:
    """What is not installed of NVRTC and nvdisasm; empty if both are here."""
    packages = ("cuda.core", "cuda.bindings")
    try:
        lacking = [name for name in packages if find_spec(name) is None]
    except ModuleNotFoundError:  # there is no package "cuda" at all
        lacking = list(packages)
    if lacking:
        return f"{', '.join(lacking)} not installed"
    if _disassembler() is None:
        return "nvdisasm (nvidia-cuda-nvdisasm) is not installed"
    return ""


def _disassembler() -> str | None:
    from cuda.pathfinder import find_nvidia_binary_utility

    return find_nvidia_binary_utility("nvdisasm")


@dataclass(frozen=True)
class Loop:
    """A loop in machine code: places in a list of instructions, both included."""

    first: int
    last: int

    def inside(self, other: Loop) -> bool:
        return self != other and other.first <= self.first and self.last <= other.last


@dataclass(frozen=True)
class KernelCode:
    """One kernel for one architecture.

    Args:
        registers: of a thread.
        stack: bytes of local memory that the compiler reports, spills among them.
        spills: bytes that are stored to local memory for want of registers.
        instructions: the machine code.
        loops: its loops.
    """

    registers: int
    stack: int
    spills: int
    instructions: tuple[str, ...]
    loops: tuple[Loop, ...]

    @property
    def vector_loops(self) -> tuple[Loop, ...]:
        """The innermost loops that move 16 bytes at a time."""
        moving = [loop for loop in self.loops if self._has(_WIDE, loop)]
        return tuple(loop for loop in moving if not any(other.inside(loop) for other in moving))

    @property
    def wide_accesses(self) -> int:
        """How many accesses of 16 bytes there are in the innermost loops."""
        return sum(len(self._found(_WIDE, loop)) for loop in self.vector_loops)

    @property
    def doubles(self) -> tuple[str, ...]:
        """All instructions in double precision."""
        return tuple(i for i in self.instructions if _DOUBLE.search(i))

    @property
    def doubles_at_elements(self) -> tuple[str, ...]:
        """Those that are executed for elements: in loops with accesses of 16 bytes, or in them."""
        found = [i for loop in self.vector_loops for i in self._found(_DOUBLE, loop)]
        return tuple(found)

    @property
    def doubles_at_chunks(self) -> tuple[str, ...]:
        """Those in the loop over chunks, which holds the loop over elements."""
        around = [
            loop
            for loop in self.loops
            if any(inner == loop or inner.inside(loop) for inner in self.vector_loops)
        ]
        found = [i for loop in around for i in self._found(_DOUBLE, loop)]
        return tuple(dict.fromkeys(found))

    @property
    def contracted(self) -> tuple[str, ...]:
        """Products that are merged with sums."""
        return tuple(i for i in self.instructions if _CONTRACTED.search(i))

    def per_element(self, elements: int) -> float:
        """Instructions of the vector loop for one element, if a round has so many.

        Loops inside of it are not counted: they are for the ends of an array.
        """
        sizes = []
        for loop in self.vector_loops:
            places = set(range(loop.first, loop.last + 1))
            for other in self.loops:
                if other.inside(loop):
                    places -= set(range(other.first, other.last + 1))
            sizes.append(len(places))
        return max(sizes, default=0) / elements

    def _found(self, pattern: re.Pattern[str], loop: Loop) -> list[str]:
        return [i for i in self.instructions[loop.first : loop.last + 1] if pattern.search(i)]

    def _has(self, pattern: re.Pattern[str], loop: Loop) -> bool:
        return bool(self._found(pattern, loop))


def compile_kernels(
    source: str, names: Sequence[str], architecture: str, strict: bool = False
) -> dict[str, KernelCode]:
    """Machine code for some kernels of a `.cu` file whose header is put in.

    Args:
        source: the file.
        names: the kernels in C++, with template arguments.
        architecture: such as "sm_90".
        strict: whether no product may be merged with a sum.
    """
    from cuda.core import Program, ProgramOptions

    log = io.StringIO()
    options = ProgramOptions(std="c++17", arch=architecture, fma=not strict, ptxas_options="-v")
    program = Program(source, code_type="c++", options=options)
    code = program.compile("cubin", name_expressions=list(names), logs=log)
    mangled = {name: code.symbol_mapping[name].decode() for name in names}
    usage = _usage(log.getvalue())
    listings = _disassembled(bytes(code.code))
    return {name: _kernel(usage[symbol], listings[symbol]) for name, symbol in mangled.items()}


def _usage(log: str) -> dict[str, tuple[int, int, int]]:
    """(registers, stack, spills) of each kernel, as ptxas reports them."""
    found: dict[str, tuple[int, int, int]] = {}
    symbol, stack, spills = "", 0, 0
    for line in log.splitlines():
        if match := _ENTRY.search(line):
            symbol, stack, spills = match.group(1), 0, 0
        elif match := _STACK.search(line):
            # Functions that are called are reported too; the kernel needs the most of them.
            stack = max(stack, int(match.group(1)))
            spills = max(spills, int(match.group(2)) + int(match.group(3)))
        elif match := _REGISTERS.search(line):
            found[symbol] = (int(match.group(1)), stack, spills)
    return found


@cache
def _disassembled(code: bytes) -> dict[str, str]:
    """The listing of each kernel."""
    tool = _disassembler()
    assert tool is not None
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        Path(file.name).write_bytes(code)
        done = subprocess.run([tool, "-c", file.name], capture_output=True, text=True, check=True)
    listings: dict[str, str] = {}
    for part in done.stdout.split("\t.section\t.text.")[1:]:
        symbol = part.partition(",")[0]
        listings[symbol] = part
    return listings


def _kernel(usage: tuple[int, int, int], listing: str) -> KernelCode:
    instructions: list[str] = []
    labels: dict[str, int] = {}
    branches: list[tuple[int, str]] = []
    for line in listing.splitlines():
        if match := _LABEL.match(line):
            labels[match.group(1)] = len(instructions)
        elif match := _INSTRUCTION.search(line):
            text = match.group(2)
            if branch := _BRANCH.search(text):
                branches.append((len(instructions), branch.group(1)))
            instructions.append(text)
    loops = {
        Loop(labels[label], place)
        for place, label in branches
        # A branch to itself only fills the end of the section.
        if label in labels and labels[label] < place
    }
    ordered = sorted(loops, key=lambda loop: (loop.first, loop.last))
    return KernelCode(*usage, tuple(instructions), tuple(ordered))
