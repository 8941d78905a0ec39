"""Kernels on the host: libraries of one process have nothing to do with each other."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from symplectic_codegen.validation.host_device import build, compiler

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")

SOURCE = """
#include <cuda_runtime.h>

namespace {space} {{
struct Arguments {{
    int* found;
}};
__global__ void numbers(Arguments a) {{
    a.found[blockIdx.x * blockDim.x + threadIdx.x] = 1;
}}
}}  // namespace {space}
"""


def numbers(space: str, threads: int) -> np.ndarray:
    """What 3 blocks of `threads` threads write."""
    library = ctypes.CDLL(str(build(SOURCE.format(space=space), space, [f"{space}::numbers"])))
    found = np.zeros(3 * 256, np.int32)
    library.emulate(0, 3, threads, ctypes.byref(ctypes.c_void_p(found.ctypes.data)))
    return found


def test_libraries_with_blocks_of_different_sizes() -> None:
    for space, threads in (("small", 64), ("large", 256), ("small", 64)):
        found = numbers(space, threads)
        assert found[: 3 * threads].all()
        assert not found[3 * threads :].any()
