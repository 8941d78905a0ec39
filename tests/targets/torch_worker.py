"""One of several processes that train together; run as a program by the tests.

    python torch_worker.py RANK SIZE STORE MODULES OUT SCENARIO [SCENARIO ...]

The first process writes what each scenario returns to OUT, a file.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.distributed.tensor import Replicate, Shard, distribute_tensor

sys.path.insert(0, str(Path(__file__).parent))
from hand_made import HYPERPARAMETERS, RULES, class_name

BY_NAME = {rule.name: rule for rule in RULES}
STEPS = 3
Train = Callable[..., Any]


def model() -> torch.nn.Module:
    """Seven and three rows: shards of two or three processes are uneven."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 3)
    ).double()


def batch(number: int, rank: int = 0, size: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(number)
    return torch.randn(12, 5, generator=generator, dtype=torch.float64)[rank::size]


def train(
    net: torch.nn.Module,
    optimizer: Any,
    name: str,
    numbers: range = range(STEPS),
    rank: int = 0,
    size: int = 1,
    mean: bool = False,
) -> None:
    """Some steps on the rank's share of each batch."""
    for number in numbers:
        optimizer.zero_grad()
        loss = net(batch(number, rank, size)).square().mean()
        loss.backward()
        value = loss.detach().clone()
        if mean:
            dist.all_reduce(value)
            value /= size
        optimizer.step(**({"loss": value} if BY_NAME[name].needs_loss else {}))


def whole(values: Any) -> list[torch.Tensor]:
    """Parameters as one process would have them."""
    return [(p.full_tensor() if hasattr(p, "full_tensor") else p).detach().clone() for p in values]


class Worker:
    def __init__(self, rank: int, size: int, modules: Path) -> None:
        self.rank, self.size, self.modules = rank, size, modules

    def cls(self, name: str) -> Any:
        path = self.modules / f"generated_torch_{name}.py"
        if path.stem not in sys.modules:
            spec = importlib.util.spec_from_file_location(path.stem, path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[path.stem] = module
            spec.loader.exec_module(module)
        return getattr(sys.modules[path.stem], class_name(BY_NAME[name]))

    def optimizer(self, name: str, params: Any, fused: bool = False) -> Any:
        return self.cls(name)(params, **HYPERPARAMETERS[name], fused=fused)

    def sharded(self, mesh: Any = None) -> torch.nn.Module:
        net = model()
        for layer in (net[0], net[2]):
            fully_shard(layer, mesh=mesh)
        return fully_shard(net, mesh=mesh)

    def fsdp(self, name: str, way: str) -> list[torch.Tensor]:
        net = self.sharded()
        optimizer = self.optimizer(name, net.parameters(), way == "fused")
        train(net, optimizer, name, rank=self.rank, size=self.size)
        states = [v for p in net.parameters() for v in optimizer.state[p].values()]
        return whole(net.parameters()) + whole(states)

    def hybrid(self, name: str, way: str) -> list[torch.Tensor]:
        """Every process has everything; the mesh says so."""
        net = self.sharded(init_device_mesh("cpu", (self.size, 1), mesh_dim_names=("a", "b")))
        optimizer = self.optimizer(name, net.parameters(), way == "fused")
        train(net, optimizer, name, rank=self.rank, size=self.size)
        return whole(net.parameters())

    def columns(self, name: str, way: str) -> list[torch.Tensor]:
        """Parameters split along their second axis, replicated ones beside them."""
        mesh = init_device_mesh("cpu", (self.size,))
        params = []
        for k, p in enumerate(model().parameters()):
            place = Shard(1) if p.dim() == 2 else Replicate()
            params.append(torch.nn.Parameter(distribute_tensor(p.detach(), mesh, [place])))
            params[k].grad = distribute_tensor(p.detach() + k, mesh, [Replicate()])
        optimizer = self.optimizer(name, params, way == "fused")
        for number in range(STEPS):
            loss = {"loss": 0.5 + number} if BY_NAME[name].needs_loss else {}
            optimizer.step(**loss)
        return whole(params)

    def ddp(self, name: str, way: str) -> list[torch.Tensor]:
        net = torch.nn.parallel.DistributedDataParallel(model())
        optimizer = self.optimizer(name, net.parameters(), way == "fused")
        reduce = dist.all_reduce

        def none(*args: Any, **kwargs: Any) -> None:
            raise AssertionError("replicas have nothing to add up")

        needs_loss = BY_NAME[name].needs_loss
        if not needs_loss:
            dist.all_reduce = none
        try:
            train(net, optimizer, name, rank=self.rank, size=self.size, mean=needs_loss)
        finally:
            dist.all_reduce = reduce
        return whole(net.parameters())

    def zero(self, name: str, way: str) -> list[torch.Tensor]:
        net = torch.nn.parallel.DistributedDataParallel(model())
        make = self.cls(name)
        if name != "momentum":
            make = partial(make, shard_group=dist.group.WORLD)
        optimizer = ZeroRedundancyOptimizer(
            net.parameters(), make, **HYPERPARAMETERS[name], fused=way == "fused"
        )
        train(net, optimizer, name, rank=self.rank, size=self.size)
        optimizer.consolidate_state_dict(to=0)
        if self.rank:
            return []
        # All of the state, in a process of its own.
        alone = model()
        alone.load_state_dict(net.module.state_dict())
        again = self.optimizer(name, alone.parameters())
        again.load_state_dict(optimizer.state_dict())
        train(alone, again, name, range(STEPS, STEPS + 2))
        return whole(net.parameters()) + whole(alone.parameters())

    def save(self, name: str, way: str, folder: str) -> list[torch.Tensor]:
        net = self.sharded()
        optimizer = self.optimizer(name, net.parameters(), way == "fused")
        train(net, optimizer, name, rank=self.rank, size=self.size)
        state = get_state_dict(net, optimizer)
        dist.checkpoint.save({"model": state[0], "optimizer": state[1]}, checkpoint_id=folder)
        return []

    def resume(self, name: str, way: str, folder: str) -> list[torch.Tensor]:
        net = self.sharded()
        optimizer = self.optimizer(name, net.parameters(), way == "fused")
        state = get_state_dict(net, optimizer)
        saved = {"model": state[0], "optimizer": state[1]}
        dist.checkpoint.load(saved, checkpoint_id=folder)
        set_state_dict(
            net,
            optimizer,
            model_state_dict=saved["model"],
            optim_state_dict=saved["optimizer"],
        )
        train(net, optimizer, name, range(STEPS, STEPS + 2), self.rank, self.size)
        return whole(net.parameters())

    def overflow(self, name: str, way: str) -> list[torch.Tensor]:
        """One process alone has an infinite gradient; all of them skip the step."""
        net = self.sharded()
        optimizer = self.optimizer(name, net.parameters(), way == "fused")
        scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
        for number in range(2):
            optimizer.zero_grad()
            loss = net(batch(number, self.rank, self.size)).square().mean()
            scaler.scale(loss).backward()
            if number == 0 and self.rank == self.size - 1:
                net[0].weight.grad.to_local().fill_(torch.inf)
            scaler.step(optimizer)
            scaler.update()
        return whole(net.parameters())


def main() -> None:
    rank, size, store, modules, out, *scenarios = sys.argv[1:]
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{store}", rank=int(rank), world_size=int(size)
    )
    worker = Worker(int(rank), int(size), Path(modules))
    found = {}
    for scenario in scenarios:
        kind, *arguments = scenario.split(":")
        found[scenario] = getattr(worker, kind)(*arguments)
    if not worker.rank:
        torch.save(found, out)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
