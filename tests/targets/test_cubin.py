"""What NVRTC makes of the kernels: registers, spills, wide accesses, no double in float kernels."""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import replace
from functools import cache
from inspect import signature
from pathlib import Path
from types import ModuleType

import pytest
from hand_made import BLOCK_NORM, COVERAGE, MOMENTUM, NOISY, RULES, Load, document

from symplectic_codegen import catalog
from symplectic_codegen.rule.rule import UpdateRule
from symplectic_codegen.targets import TARGETS
from symplectic_codegen.validation.cubin import (
    ARCHITECTURES,
    KernelCode,
    compile_kernels,
    missing,
)

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

GENERATED = Path(__file__).resolve().parents[2] / "generated" / "cuda"
REPRESENTATIVE = ("momentum", "adam", "relativistic")
QUICK = [(name, arch) for name in catalog.names() for arch in ("sm_90",)]
QUICK += [(name, arch) for name in REPRESENTATIVE for arch in ARCHITECTURES if arch != "sm_90"]


@cache
def committed(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"cubin_{name}", GENERATED / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def kernels_of(module: ModuleType, types: tuple[str, ...], masters: bool = False) -> list[str]:
    """The names of the kernels for some types, with scalars on the host and on the device."""
    space = f"symplectic::{module.PROVENANCE['name']}"
    both = "capturable" in signature(module.Kernels.__init__).parameters
    places = ("GIVEN", "COMPUTED", "LISTED") if both else ("COMPUTED", "LISTED")
    return [
        f"{space}::{kernel}<{module._TYPES[kind][0]}, {str(masters).lower()}, {space}::{place}>"
        for kernel in module._KERNELS
        for kind in types
        for place in places
        if place != "LISTED" or kind == "float32"  # of the others two ways are enough
    ]


def elements_of(source: str, kernel: str) -> str:
    """The text of what a kernel does with elements."""
    suffix = re.search(r"step_kernel(_\d+)?", kernel).group(1) or ""  # type: ignore[union-attr]
    (body,) = re.findall(rf"void elements{suffix}\(.*?\n}}\n", source, re.DOTALL)
    return str(body)


def accesses(source: str, kernel: str, has_master: bool) -> int:
    """How many packs of neighbours a launch reads and writes, by its text."""
    body = elements_of(source, kernel)
    found = re.findall(r"(?:load|store)<N>\(at\.(\w+)", body)
    loads_w = "at.w + i);" in body and "all_w = load<N>(at.w" in body
    plain = [name for name in found if name != "master"]
    if has_master:
        # The parameter is read from its master copy.
        return len(found) - (1 if loads_w else 0)
    return len(plain)


def check(module: ModuleType, name: str, code: KernelCode) -> None:
    where = f"{name}: {code.registers} registers"
    source = module._source()
    assert code.spills == 0, where
    assert code.stack == 0, where
    assert code.registers <= (64 if "<float," in name else 80), where
    wide = accesses(source, name, ", true" in name.partition("<")[2].partition(",")[2][:6])
    if wide >= 2:
        assert code.wide_accesses >= wide, where
    else:
        # A sweep that only counts elements: the compiler drops the load.
        assert "store<N>" not in elements_of(source, name), where
        assert "sums);" in elements_of(source, name), where
    if "<float," in name or "16," in name:
        blocks = "own_coefficients" in source
        if re.search(r"= .*\b(?:sin|cos|tan)\(", source):
            return  # CUDA reduces large arguments in double precision
        assert code.doubles_at_elements == (), where
        computed = blocks and name.endswith("::COMPUTED>")
        assert computed or code.doubles_at_chunks == (), where
        sums = "sum_arrays" in source
        if name.endswith("::GIVEN>") or (name.endswith("::LISTED>") and not sums):
            assert code.doubles == (), where
    elif wide >= 2:
        assert code.doubles_at_elements != (), where


@pytest.mark.parametrize(("name", "architecture"), QUICK)
def test_the_catalogue_in_float32(name: str, architecture: str) -> None:
    module = committed(name)
    names = kernels_of(module, ("float32",))
    for kernel, code in compile_kernels(module._source(), names, architecture).items():
        check(module, kernel, code)


@pytest.mark.parametrize("name", REPRESENTATIVE)
def test_other_types(name: str) -> None:
    module = committed(name)
    names = kernels_of(module, ("float64", "bfloat16", "float16"))
    names += kernels_of(module, ("bfloat16",), masters=True)
    for kernel, code in compile_kernels(module._source(), names, "sm_90").items():
        check(module, kernel, code)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", catalog.names())
def test_the_whole_matrix(name: str, architecture: str) -> None:
    module = committed(name)
    names = kernels_of(module, ("float32", "float64", "bfloat16", "float16"))
    names += kernels_of(module, ("bfloat16", "float16"), masters=True)
    for kernel, code in compile_kernels(module._source(), names, architecture).items():
        check(module, kernel, code)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_construct_in_float32(load: Load, rule: UpdateRule) -> None:
    module = load("cuda", rule)
    names = kernels_of(module, ("float32",))
    for kernel, code in compile_kernels(module._source(), names, "sm_90").items():
        if rule is not COVERAGE:
            check(module, kernel, code)
        else:
            assert code.wide_accesses >= 2  # with 33 buffers, local memory is fair


TRIGONOMETRIC = {"e_sin", "e_cos", "e_tan"}


def test_functions_of_float_are_no_functions_of_double(load: Load) -> None:
    """All but these three: CUDA reduces arguments above 100,000 in double precision."""
    (stage,) = COVERAGE.stages
    kept = replace(
        stage,
        elements=tuple(e for e in stage.elements if getattr(e, "name", "") not in TRIGONOMETRIC),
        stores=tuple(s for s in stage.stores if s.source not in TRIGONOMETRIC),
    )
    rule = replace(COVERAGE, name="no_trigonometry", stages=(kept,))
    files = TARGETS["cuda"].emit(rule, document(rule, "cuda"))
    header, kernels = files["cuda/no_trigonometry.cuh"], files["cuda/no_trigonometry.cu"]
    source = kernels.replace('#include "no_trigonometry.cuh"', header, 1)
    name = (
        "symplectic::no_trigonometry::step_kernel<float, false, symplectic::no_trigonometry::GIVEN>"
    )
    code = compile_kernels(source, [name], "sm_90")[name]
    assert code.doubles == ()
    with_them = load("cuda", COVERAGE)
    (name, *_) = kernels_of(with_them, ("float32",))
    assert compile_kernels(with_them._source(), [name], "sm_90")[name].doubles != ()


def test_scalars_of_blocks_are_for_chunks_and_not_for_elements(load: Load) -> None:
    module = load("cuda", BLOCK_NORM)
    first = kernels_of(module, ("float32",))[0]
    code = compile_kernels(module._source(), [first], "sm_90")[first]
    assert code.doubles_at_elements == ()
    assert code.doubles_at_chunks != ()


@pytest.mark.parametrize("architecture", ["sm_75", "sm_100"])
def test_without_contraction(architecture: str) -> None:
    """--fmad=false: no product is merged with a sum; momentum has no other use for FFMA."""
    module = committed("momentum")
    name = kernels_of(module, ("float32",))[0]
    source = module._source()
    loops = {}
    for strict in (False, True):
        code = compile_kernels(source, [name], architecture, strict)[name]
        (loop, *_) = code.vector_loops
        body = code.instructions[loop.first : loop.last + 1]
        loops[strict] = [i for i in body if i in code.contracted]
    assert len(loops[False]) >= 4
    assert loops[True] == []


def test_the_search_finds_what_it_searches_for(load: Load) -> None:
    """A double constant, a narrow access, and arithmetic that a spill would need."""
    module = load("cuda", MOMENTUM)
    name = kernels_of(module, ("float32",))[0]
    source = module._source()
    leaky = source.replace("step.momentum * X +", "1.0000001 * step.momentum * X +")
    assert leaky != source
    code = compile_kernels(leaky, [name], "sm_90")[name]
    assert code.doubles_at_elements != ()
    assert code.doubles != ()
    narrow = source.replace("alignas(sizeof(T) * N < 16 ? sizeof(T) : 16)", "alignas(sizeof(T))")
    assert narrow != source
    assert compile_kernels(narrow, [name], "sm_90")[name].wide_accesses == 0
    crowded = source.replace("__launch_bounds__(THREADS, BLOCKS<W>)", "__launch_bounds__(1024, 2)")
    assert crowded != source
    squeezed = compile_kernels(crowded, [name], "sm_90")[name]
    assert squeezed.registers <= 32
    noisy = load("cuda", NOISY)
    busy = noisy._source().replace(
        "__launch_bounds__(THREADS, BLOCKS<W>)", "__launch_bounds__(1024, 2)"
    )
    (first, *_) = kernels_of(noisy, ("float64",))
    assert compile_kernels(busy, [first], "sm_90")[first].spills > 0
