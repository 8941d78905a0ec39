"""Several processes make the step that one process would make."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("torch_threads")
if not torch.distributed.is_available():
    pytest.skip("this PyTorch is not built for several processes", allow_module_level=True)

from hand_made import (  # noqa: E402
    BLOCK_NORM,
    GLOBAL_NORM,
    HYPERPARAMETERS,
    MOMENTUM,
    NOISY,
    THERMOSTAT,
    Load,
)
from torch_tools import optimizer_class  # noqa: E402
from torch_worker import BY_NAME, STEPS, batch, model, train  # noqa: E402

WORKER = Path(__file__).with_name("torch_worker.py")
RULES = (MOMENTUM, GLOBAL_NORM, BLOCK_NORM, THERMOSTAT, NOISY)
WAYS = ("loop", "fused")


def scenarios() -> list[str]:
    names = [rule.name for rule in RULES]
    found = [f"fsdp:{name}:{way}" for name in names for way in WAYS]
    found += [f"columns:{name}:{way}" for name in names for way in WAYS]
    found += [f"hybrid:{name}:loop" for name in ("global_norm", "block_norm", "thermostat")]
    found += [f"ddp:{name}:{way}" for name in ("global_norm", "thermostat") for way in WAYS]
    found += [f"zero:{name}:{way}" for name in ("momentum", "global_norm") for way in WAYS]
    found += ["zero:thermostat:loop", "zero:block_norm:fused"]
    found += [f"overflow:global_norm:{way}" for way in WAYS]
    return found


def run(size: int, folder: Path, modules: Path, names: list[str]) -> dict[str, Any]:
    """What `size` processes make of the scenarios."""
    pytest.importorskip("numba")
    out, store = folder / f"out_{size}.pt", folder / f"store_{size}_{len(names)}"
    environment = (
        {**os.environ, "GLOO_SOCKET_IFNAME": "lo"} if Path("/sys/class/net/lo").exists() else None
    )
    processes = [
        subprocess.Popen(
            [sys.executable, WORKER, str(rank), str(size), store, modules, out, *names],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        for rank in range(size)
    ]
    try:
        outputs = [process.communicate(timeout=300)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * size, "\n".join(outputs)
    found: dict[str, Any] = torch.load(out, weights_only=True)
    return found


@pytest.fixture(scope="module")
def modules(load: Load) -> Path:
    paths = [Path(str(load("torch", rule).__file__)) for rule in RULES]
    return paths[0].parent


@pytest.fixture(scope="module", params=[2, 3])
def found(
    request: pytest.FixtureRequest, modules: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    return run(request.param, tmp_path_factory.mktemp("processes"), modules, scenarios())


def alone(load: Load, name: str, steps: int = STEPS) -> tuple[Any, Any]:
    """The model and the optimizer after the same training in one process."""
    net = model()
    make = optimizer_class(load, BY_NAME[name])
    optimizer = make(net.parameters(), **HYPERPARAMETERS[name])
    train(net, optimizer, name, range(steps))
    return net, optimizer


def assert_close(found: list[torch.Tensor], expected: list[torch.Tensor]) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b.detach(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_fully_sharded(load: Load, found: dict[str, Any], rule: Any, way: str) -> None:
    net, optimizer = alone(load, rule.name)
    states = [v for p in net.parameters() for v in optimizer.state[p].values()]
    assert_close(found[f"fsdp:{rule.name}:{way}"], [*net.parameters(), *states])


@pytest.mark.parametrize("name", ["global_norm", "block_norm", "thermostat"])
def test_replicas_on_a_mesh_count_once(load: Load, found: dict[str, Any], name: str) -> None:
    net, _ = alone(load, name)
    assert_close(found[f"hybrid:{name}:loop"], list(net.parameters()))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_split_along_columns(load: Load, found: dict[str, Any], rule: Any, way: str) -> None:
    params = [torch.nn.Parameter(p.detach().clone()) for p in model().parameters()]
    for k, p in enumerate(params):
        p.grad = p.detach() + k
    optimizer = optimizer_class(load, rule)(params, **HYPERPARAMETERS[rule.name])
    for number in range(STEPS):
        optimizer.step(**({"loss": 0.5 + number} if rule.needs_loss else {}))
    assert_close(found[f"columns:{rule.name}:{way}"], params)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["global_norm", "thermostat"])
def test_replicas(load: Load, found: dict[str, Any], name: str, way: str) -> None:
    net, _ = alone(load, name)
    assert_close(found[f"ddp:{name}:{way}"], list(net.parameters()))


@pytest.mark.parametrize(
    "case",
    ["momentum:loop", "momentum:fused", "global_norm:loop", "global_norm:fused"]
    + ["thermostat:loop", "block_norm:fused"],
)
def test_zero_redundancy(load: Load, found: dict[str, Any], case: str) -> None:
    name = case.split(":")[0]
    net, _ = alone(load, name)
    later, _ = alone(load, name, STEPS + 2)
    assert_close(found[f"zero:{case}"], [*net.parameters(), *later.parameters()])


@pytest.mark.parametrize("way", WAYS)
def test_all_processes_skip_a_step_or_none(load: Load, found: dict[str, Any], way: str) -> None:
    net = model()
    optimizer = optimizer_class(load, GLOBAL_NORM)(
        net.parameters(), **HYPERPARAMETERS["global_norm"]
    )
    train(net, optimizer, "global_norm", range(1, 2))
    assert_close(found[f"overflow:global_norm:{way}"], list(net.parameters()))


def test_a_checkpoint_for_another_number_of_processes(
    load: Load, modules: Path, tmp_path: Path
) -> None:
    cases = [(name, way) for name in ("global_norm", "block_norm") for way in WAYS]
    cases += [("thermostat", "loop")]
    run(3, tmp_path, modules, [f"save:{n}:{w}:{tmp_path}/{n}_{w}" for n, w in cases])
    names = [f"resume:{n}:{w}:{tmp_path}/{n}_{w}" for n, w in cases]
    found = run(2, tmp_path, modules, names)
    for scenario, (name, _) in zip(names, cases, strict=True):
        net, _ = alone(load, name, STEPS + 2)
        assert_close(found[scenario], list(net.parameters()))


def test_what_the_tests_assume() -> None:
    """Shares of a batch have one size, so that the mean of their losses is the loss."""
    for size in (2, 3):
        assert len({len(batch(0, rank, size)) for rank in range(size)}) == 1
    assert THERMOSTAT.needs_loss
