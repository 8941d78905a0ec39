"""Generated optimizers for PyTorch, and the oracles of arrays for them."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from hand_made import Load, class_name

from symplectic_codegen.rule.rule import UpdateRule
from symplectic_codegen.validation.tensors import WAYS as VALIDATED
from symplectic_codegen.validation.tensors import ArrayOptimizer

WAYS = {**VALIDATED, "capturable": {"capturable": True}}
TENSOR_WAYS = tuple(way for way in WAYS if way != "fused")


def optimizer_class(load: Load, rule: UpdateRule) -> Any:
    """The generated class."""
    return getattr(load("torch", rule), class_name(rule))


def as_arrays(load: Load, options: dict[str, Any] | None = None) -> Load:
    """`load` for ways through a step, with classes that take arrays."""

    def get(way: str, rule: UpdateRule) -> Any:
        chosen = {**WAYS[way], **(options or {})}
        adapter = partial(ArrayOptimizer, optimizer_class(load, rule), rule, chosen)
        return SimpleNamespace(**{class_name(rule): adapter})

    return get


def parameters(
    *shapes: tuple[int, ...], dtype: torch.dtype = torch.float64, seed: int = 0
) -> list[torch.nn.Parameter]:
    """Random parameters, each with a gradient."""
    generator = torch.Generator().manual_seed(seed)
    made = [torch.nn.Parameter(torch.randn(s, generator=generator).to(dtype)) for s in shapes]
    new_gradients(made, seed)
    return made


def new_gradients(params: list[torch.nn.Parameter], seed: int) -> None:
    """Random gradients."""
    generator = torch.Generator().manual_seed(1000 + seed)
    for p in params:
        real = torch.randn(p.shape, generator=generator, dtype=torch.float64)
        if p.is_complex():
            real = torch.complex(real, torch.randn(p.shape, generator=generator).double())
        p.grad = real.to(p.dtype)


def snapshot(params: list[torch.nn.Parameter]) -> list[torch.Tensor]:
    """Copies of the values."""
    return [p.detach().clone() for p in params]


def step(optimizer: Any, rule: UpdateRule, loss: float = 0.75) -> None:
    """A step, with a loss where it is needed."""
    optimizer.step(**({"loss": loss} if rule.needs_loss else {}))
