"""Use a generated optimizer from its folder: of this project nothing is installed."""

import importlib.util
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path.cwd()))  # a vendored file lies beside the script that uses it
assert importlib.util.find_spec("symplectic_codegen") is None

from mine import Mine  # noqa: E402

for options in ({"foreach": False}, {"foreach": True}, {"fused": True}):
    w = torch.nn.Parameter(torch.linspace(-1, 1, 10))
    optimizer = Mine([w], tau=0.1, gamma=1.0, **options)
    before = float(w.detach() @ w.detach())
    for _ in range(300):
        optimizer.zero_grad()
        (w @ w).backward()
        optimizer.step()
    after = float(w.detach() @ w.detach())
    assert after < 0.1 * before, (options, before, after)
    print(f"mine in PyTorch {torch.__version__}, {options}: {before:.3g} -> {after:.3g}")
