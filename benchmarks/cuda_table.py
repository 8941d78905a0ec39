"""Registers, bytes and instructions of every kernel in generated/cuda, as NVRTC compiles it.

    python benchmarks/cuda_table.py           # print the table
    python benchmarks/cuda_table.py --write   # and put it into docs/cuda.md

No GPU is needed; `pip install "symplectic-codegen[cuda]" nvidia-cuda-nvdisasm` is.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
from importlib.metadata import version
from inspect import signature
from pathlib import Path
from types import ModuleType

from symplectic_codegen.validation.cubin import ARCHITECTURES, compile_kernels

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "cuda.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
HEAD = (
    "| entry | launches | scalars | bytes | "
    + " | ".join(f"registers {a}" for a in ARCHITECTURES)
    + " | instructions sm_90 | bfloat16: bytes | its registers sm_90 |"
)


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"table_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def traffic(source: str, parameter: int) -> int:
    """Bytes per element of all launches; a parameter and its gradient have `parameter` bytes."""
    total = 0
    for body in re.findall(r"void elements\w*\(.*?\n}\n", source, re.DOTALL):
        names = re.findall(r"(?:load|store)<N>\(at\.(\w+)", body)
        total += sum((parameter if name in ("w", "G") else 4) for name in names if name != "master")
    return total


def row(path: Path) -> str:
    module = load(path)
    source, name = module._source(), module.PROVENANCE["name"]
    on_host = "capturable" in signature(module.Kernels.__init__).parameters
    space = f"symplectic::{name}"
    place = f"{space}::{'GIVEN' if on_host else 'COMPUTED'}"
    kernels = [f"{space}::{kernel}<float, false, {place}>" for kernel in module._KERNELS]
    halves = [f"{space}::{k}<{space}::bfloat16, false, {place}>" for k in module._KERNELS]
    registers, instructions = [], 0.0
    for architecture in ARCHITECTURES:
        codes = compile_kernels(source, kernels, architecture).values()
        registers.append("+".join(str(code.registers) for code in codes))
        assert all(code.spills == 0 and code.stack == 0 for code in codes)
        if architecture == "sm_90":
            instructions = sum(code.per_element(4) for code in codes)
    half = compile_kernels(source, halves, "sm_90").values()
    cells = [
        name,
        str(len(kernels)),
        "host or device" if on_host else "device",
        str(traffic(source, 4)),
        *registers,
        f"{instructions:.1f}",
        str(traffic(source, 2)),
        "+".join(str(code.registers) for code in half),
    ]
    return f"| {' | '.join(cells)} |"


def table() -> str:
    lines = [HEAD, "|---|" + "---:|" * (HEAD.count("|") - 2)]
    lines += [row(path) for path in sorted((ROOT / "generated" / "cuda").glob("*.py"))]
    note = f"NVRTC {version('nvidia-cuda-nvrtc')}; no kernel of this table has stack or spills."
    return "\n".join([*lines, "", note]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    text = table()
    print(text, end="")
    if parser.parse_args().write:
        page = PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(before + BEGIN + text + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
