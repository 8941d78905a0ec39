"""Generated optimizers next to those of `torch.optim`, over 1000 steps on a network."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("torch_threads")

from symplectic_codegen import catalog  # noqa: E402
from symplectic_codegen.driver import Derivation, derive  # noqa: E402
from symplectic_codegen.generation import load  # noqa: E402
from symplectic_codegen.rule.interpreter import (  # noqa: E402
    initial_state,
    interpret,
    rounding_bounds,
)

STEPS = 1000
WARM = 500  # 0.9**500 is nothing next to 1
SGD, RMSPROP, ADAM, ADAMW, NADAM = (
    torch.optim.SGD, torch.optim.RMSprop, torch.optim.Adam, torch.optim.AdamW, torch.optim.NAdam
)  # fmt: skip

# (entry, its hyperparameters, the peer, its hyperparameters)
PEERS: dict[str, tuple[str, dict[str, Any], Any, dict[str, Any]]] = {
    "sgd": ("gradient_descent", {"lr": 0.1}, SGD, {"lr": 0.1}),
    "momentum": ("heavy_ball", {"lr": 0.02, "momentum": 0.9}, SGD, {"lr": 0.02, "momentum": 0.9}),
    "nesterov": (
        "nesterov",
        {"lr": 0.02, "momentum": 0.9},
        SGD,
        {"lr": 0.02, "momentum": 0.9, "nesterov": True},
    ),
    "weight decay": (
        "weight_decay",
        {"lr": 0.02, "momentum": 0.75, "zeta": 4.0, "decay": 0.01},
        SGD,
        {"lr": 0.02, "momentum": 0.75, "weight_decay": 0.01},
    ),
    "rmsprop": ("rmsprop", {"lr": 1e-3, "alpha": 0.97}, RMSPROP, {"lr": 1e-3, "alpha": 0.97}),
    "adam": ("adam", {"betas": (0.9, 0.99)}, ADAM, {"betas": (0.9, 0.99)}),
    "adamw": (
        "adamw",
        {"lr": 1e-3, "betas": (0.8, 0.95), "weight_decay": 0.1},
        ADAMW,
        {"lr": 1e-3, "betas": (0.8, 0.95), "weight_decay": 0.1},
    ),
    # So large a decay of the momentum's own schedule leaves the constant momentum of the paper.
    "nadam": ("nadam", {"lr": 2e-3}, NADAM, {"lr": 2e-3, "momentum_decay": 1e9}),
}
LONG = ("sgd", "nesterov", "weight decay", "rmsprop", "adamw", "nadam")  # in single precision


def rates(peer: str) -> list[float]:
    """The learning rate of each step.

    The bias corrections of the two NAdam differ by powers of the momentum, and torch keeps its own
    in single precision: the weights wait until they are 1.
    """
    lr = PEERS[peer][3].get("lr", 1e-3)
    return [1e-300] * (WARM if peer == "nadam" else 0) + [lr] * STEPS


@cache
def derivation(name: str) -> Derivation:
    return derive(catalog.load(name))


@cache
def generated(name: str, *recipes: str) -> Any:
    return load(derivation(name), "torch", recipes=recipes)


def network(dtype: torch.dtype) -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)).to(
        dtype
    )


def train(
    net: torch.nn.Module,
    optimizer: Any,
    rates: list[float],
    around: Callable[[float], None] = lambda lr: None,
) -> None:
    dtype = next(net.parameters()).dtype
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(32, 4, generator=generator, dtype=torch.float64)
    y = torch.stack([x[:, 0] * x[:, 1], x[:, 2].abs()], dim=1)
    x, y = x.to(dtype), y.to(dtype)
    for lr in rates:
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        (net(x) - y).square().mean().backward()
        around(lr)
        optimizer.step()


@pytest.mark.parametrize("fused", [False, True], ids=["loop", "fused"])
@pytest.mark.parametrize("peer", PEERS)
def test_a_thousand_steps_in_double_precision(peer: str, fused: bool) -> None:
    """Both get the gradients of one training: own ones would let chaos into the comparison."""
    name, values, cls, options = PEERS[peer]
    theirs = network(torch.float64)
    params = [torch.nn.Parameter(p.detach().clone()) for p in theirs.parameters()]
    optimizer = generated(name)(params, **values, fused=fused)

    def follow(lr: float) -> None:
        optimizer.param_groups[0]["lr"] = lr
        for p, q in zip(params, theirs.parameters(), strict=True):
            p.grad = q.grad
        optimizer.step()

    train(theirs, cls(theirs.parameters(), **options), rates(peer), follow)
    start = list(network(torch.float64).parameters())
    for p, q, before in zip(params, theirs.parameters(), start, strict=True):
        scale = float(q.detach().abs().max())
        assert float((q - before).detach().abs().max()) > 1e-2 * scale  # it has learned something
        assert float((p - q).detach().abs().max()) <= 1e-12 * scale


@pytest.mark.parametrize(
    "peer", ["momentum", "adam", *(pytest.param(p, marks=pytest.mark.slow) for p in LONG)]
)
def test_a_thousand_steps_in_single_precision(peer: str) -> None:
    """On the same gradients the two are as close as rounding errors, analysed step by step, allow.

    The analysis is of our way to compute a step; theirs has about as many operations. So each may
    be off by the bound.
    """
    name, values, cls, options = PEERS[peer]
    theirs = network(torch.float32)
    params = [torch.nn.Parameter(p.detach().clone()) for p in theirs.parameters()]
    optimizer = generated(name)(params, **values, fused=True)
    rule, numbers = derivation(name).rule, rounding_bounds("float32")
    plain = _flat_values(values)
    used = {p.name: plain.get(p.name, float(p.default or 0)) for p in rule.parameters}
    w = numbers.vector(_joined(params))
    state = initial_state(rule, used, len(w), numbers)

    def follow(lr: float) -> None:
        nonlocal state, w
        optimizer.param_groups[0]["lr"] = used["lr"] = lr
        grads = [q.grad for q in theirs.parameters()]
        for p, g in zip(params, grads, strict=True):
            p.grad = g.clone()
        optimizer.step()
        state, w = interpret(rule, used, state, w, _joined(grads), None, numbers)

    train(theirs, cls(theirs.parameters(), **options), rates(peer), follow)
    expected, found = _joined(list(theirs.parameters())), _joined(params)
    error = np.abs(found - expected)
    assert (error <= 2 * w.error).all()
    # The bound says something: of an element it is a small part.
    assert np.median(w.error / np.abs(expected)) < 1e-2


def _flat_values(values: dict[str, Any]) -> dict[str, float]:
    """betas as beta1 and beta2."""
    flat = {}
    for name, value in values.items():
        if isinstance(value, tuple):
            flat |= {f"{name[:-1]}{k}": number for k, number in enumerate(value, 1)}
        else:
            flat[name] = value
    return flat


def _joined(tensors: list[torch.Tensor]) -> Any:
    return torch.cat([t.detach().reshape(-1) for t in tensors]).double().numpy()


@pytest.mark.parametrize("fused", [False, True], ids=["loop", "fused"])
def test_recipes_do_what_torch_does_around_a_step(fused: bool) -> None:
    """Clipping, decay, averages and zeroing, against the functions of PyTorch for them."""
    recipes = ("clip-norm", "decoupled-decay", "ema", "zero-grad")
    ours, theirs = network(torch.float64), network(torch.float64)
    one = generated("adam", *recipes)(
        ours.parameters(), lr=1e-2, max_norm=0.1, weight_decay=0.1, ema_decay=0.9, fused=fused
    )
    average = torch.optim.swa_utils.AveragedModel(
        theirs, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    )
    other = ADAMW(theirs.parameters(), lr=1e-2, weight_decay=0.1)
    other.register_step_post_hook(lambda *_: average.update_parameters(theirs))
    norms = []

    def clip(lr: float) -> None:
        norms.append(torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.1).item())

    one.zero_grad = lambda: None  # the step does it
    train(ours, one, [1e-2] * 200)
    train(theirs, other, [1e-2] * 200, clip)
    assert min(norms) < 0.1 < max(norms)
    pairs = zip(ours.parameters(), theirs.parameters(), average.module.parameters(), strict=True)
    for p, q, mean in pairs:
        torch.testing.assert_close(p.detach(), q.detach(), rtol=1e-11, atol=1e-12)
        torch.testing.assert_close(one.state[p]["ema"], mean.detach(), rtol=1e-11, atol=1e-12)
        assert not p.grad.any()


def test_gradients_are_zeroed_in_any_layout() -> None:
    """Also those that the compiled step sees as copies, and when a scaler skips a step."""
    make = generated("gradient_descent", "zero-grad")
    for fused in (False, True):
        params = [torch.nn.Parameter(torch.zeros(3, 4)), torch.nn.Parameter(torch.zeros(2) + 0j)]
        params.append(torch.nn.Parameter(torch.zeros(2, 6)[:, ::2]))
        grads = [torch.ones(4, 3).t(), (torch.ones(2) * 1j).conj(), torch.ones(2, 3)]
        for p, g in zip(params, grads, strict=True):
            p.grad = g
        optimizer = make(params, lr=1.0, fused=fused)
        versions = [p.grad._version for p in params]
        optimizer.step()
        for p, version in zip(params, versions, strict=True):
            assert p.detach().any()
            assert not p.grad.any()
            assert p.grad._version > version
    p = torch.nn.Parameter(torch.zeros(3))
    optimizer = make([p], lr=1.0, fused=True)
    scaler = torch.amp.GradScaler("cpu")
    scaler.scale(torch.tensor(1.0))
    p.grad = torch.full((3,), torch.inf)
    scaler.step(optimizer)
    assert not p.grad.any()
    assert not p.detach().any()
