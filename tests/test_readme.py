"""What the README and the pages of docs/ show is run."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from symplectic_codegen.cli import main

ROOT = Path(__file__).resolve().parents[1]
Run = Callable[..., dict[str, Any]]


def section(page: str, heading: str) -> str:
    """What is under a heading."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.search(rf"^(##+) {heading}\n(.*?)(?=^##+ |\Z)", text, re.M | re.S)
    assert found, f"{page} has no {heading!r}"
    return found[2]


def snippets(page: str, heading: str, language: str = "python") -> list[str]:
    """The code under a heading."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", section(page, heading), re.M | re.S)
    assert found, f"{page} has no code under {heading!r}"
    return found


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs code beside the generated files of a target."""
    monkeypatch.chdir(tmp_path)

    def execute(code: str, page: str, target: str, *modules: str) -> dict[str, Any]:
        monkeypatch.syspath_prepend(str(ROOT / "generated" / target))
        for name in modules:
            monkeypatch.delitem(sys.modules, name, raising=False)
        scope: dict[str, Any] = {}
        exec(compile(code, page, "exec"), scope)
        for name in modules:
            del sys.modules[name]
        return scope

    return execute


def test_in_jax(run: Run) -> None:
    pytest.importorskip("optax")
    (code,) = snippets("README.md", "In JAX")
    scope = run(code, "README.md", "optax", "momentum")
    assert scope["loss"](scope["params"]) < 1e-6


def test_use_it_in_jax(run: Run) -> None:
    jax = pytest.importorskip("jax")
    pytest.importorskip("optax")
    network, injected = snippets("docs/jax.md", "Use it in JAX")
    scope = run(network, "docs/jax.md", "optax", "adamw")
    assert scope["value"] < 1e-2  # 0.2 without weights, 0.09 for the best constant
    assert scope["step"]._cache_size() == 1
    scope = run(injected, "docs/jax.md", "optax", "momentum")
    assert jax.numpy.abs(scope["w"]).max() < 0.03  # of 3
    assert float(scope["state"].inner_opt_state.hyperparams["lr"]) == pytest.approx(0.1)


@pytest.mark.usefixtures("one_thread")
def test_in_pytorch(run: Run) -> None:
    pytest.importorskip("numba")
    (code,) = snippets("README.md", "In PyTorch")
    scope = run(code, "README.md", "torch", "momentum")
    assert scope["loss"].item() < 1e-6


@pytest.mark.usefixtures("one_thread")
def test_use_it_in_pytorch(run: Run) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("numba")
    (code,) = snippets("docs/torch.md", "Use it in PyTorch")
    scope = run(code, "docs/torch.md", "torch", "adamw")
    assert scope["loss"].item() < 1e-2  # 0.2 without weights, 0.09 for the best constant
    saved = torch.load("optimizer.pt", weights_only=True)
    assert [group["weight_decay"] for group in saved["param_groups"]] == [0.01, 0.0]


RECIPES = "Recipes: what else a training step does, in the same pass"


@pytest.mark.usefixtures("one_thread")
def test_recipes(run: Run) -> None:
    pytest.importorskip("numba")
    (code,) = snippets("docs/torch.md", RECIPES)
    scope = run(code, "docs/torch.md", "torch")
    w, average = scope["w"].detach(), scope["average"]
    assert not scope["w"].grad.any()
    assert w.abs().max() < 0.2
    assert 0 < (average - w).abs().max() < 0.2


def test_the_report_of_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (shown,) = snippets("docs/torch.md", RECIPES, "console")
    command, *lines = shown.splitlines()
    found = CliRunner().invoke(main, shlex.split(command.removeprefix("$ symplectic-codegen ")))
    assert found.exit_code == 0, found.output
    assert "\n".join(lines) in found.output


@pytest.fixture
def one_thread() -> Any:
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trained(folder: Path, size: int) -> str:
    """What `size` processes print that train where the checkpoint in the folder ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    lo = {"GLOO_SOCKET_IFNAME": "lo"} if Path("/sys/class/net/lo").exists() else {}
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(size), **lo}
    path = {"PYTHONPATH": str(ROOT / "generated" / "torch"), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "train.py"],
            cwd=folder,
            env={**os.environ, **common, **path, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    try:
        outputs = [process.communicate(timeout=200) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * size, outputs
    return outputs[0][0].strip()


def test_use_it_with_fsdp2(tmp_path: Path) -> None:
    """The file trains and goes on with other numbers of processes as one process does."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("numba")
    if not torch.distributed.is_available():
        pytest.skip("this PyTorch is not built for several processes")
    (code,) = snippets("docs/torch.md", "Use it with FSDP2")
    printed = []
    for name, sizes in (("alone", (1, 1)), ("together", (3, 2))):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "train.py").write_text(code, encoding="utf-8")
        printed.append([trained(folder, size) for size in sizes])
    alone, together = ([float(text.removeprefix("loss ")) for text in p] for p in printed)
    assert alone[1] < 0.9 * alone[0]
    assert together == pytest.approx(alone, abs=3e-6)
