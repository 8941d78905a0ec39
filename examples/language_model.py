"""Train a small transformer on Python's own source text with generated optimizers for PyTorch.

A byte-level language model (two layers by default) reads the standard library of the Python that
runs it. The optimizers: AdamW of PyTorch, AdamW generated from its Hamiltonian, generated momentum,
and generated relativistic momentum of degree one, with a speed limit for all weights together.
Prints the losses, draws their curves into one picture, and says how far the two AdamW are apart.

    python examples/language_model.py [--quick] [--steps 300] [--picture language_model.png]

It runs on a GPU where PyTorch finds one.
"""

from __future__ import annotations

import argparse
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

import symplectic_codegen as sc

SEED = 0
HELD_OUT = 20_000  # bytes for the validation loss
Make = Callable[[Any], torch.optim.Optimizer]


@dataclass(frozen=True)
class Size:
    """Of the model and its batches."""

    width: int = 96
    heads: int = 4
    layers: int = 2
    context: int = 64
    batch: int = 16


class Block(nn.Module):
    """Attention and a feed-forward network, each behind a normalisation."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.heads = size.heads
        self.before_attention = nn.LayerNorm(size.width)
        self.mix = nn.Linear(size.width, 3 * size.width)
        self.merge = nn.Linear(size.width, size.width)
        self.before_network = nn.LayerNorm(size.width)
        self.network = nn.Sequential(
            nn.Linear(size.width, 4 * size.width), nn.GELU(), nn.Linear(4 * size.width, size.width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        many, length, width = x.shape
        mixed = self.mix(self.before_attention(x))
        shape = (many, length, 3, self.heads, width // self.heads)
        query, key, value = mixed.view(shape).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.merge(seen.transpose(1, 2).reshape(many, length, width))
        return x + self.network(self.before_network(x))


class LanguageModel(nn.Module):
    """Scores for the next byte after each byte."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.bytes = nn.Embedding(256, size.width)
        self.places = nn.Embedding(size.context, size.width)
        self.blocks = nn.Sequential(*(Block(size) for _ in range(size.layers)))
        self.norm = nn.LayerNorm(size.width)
        for table in (self.bytes, self.places):
            nn.init.normal_(table.weight, std=0.05)

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        places = torch.arange(text.shape[1], device=text.device)
        x = self.blocks(self.bytes(text) + self.places(places))
        return self.norm(x) @ self.bytes.weight.t()

    def loss(self, text: torch.Tensor) -> torch.Tensor:
        scores = self(text[:, :-1])
        return functional.cross_entropy(scores.flatten(0, 1), text[:, 1:].flatten())


def read_text(enough: int = 1_000_000) -> torch.Tensor:
    """The first modules of the standard library, in the order of their names, as bytes."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    parts, length = [], 0
    for path in sorted(folder.glob("*.py")):
        parts.append(path.read_bytes())
        length += len(parts[-1])
        if length > enough:
            break
    return torch.frombuffer(bytearray(b"".join(parts)), dtype=torch.uint8).long()


def batches(text: torch.Tensor, size: Size, steps: int) -> list[torch.Tensor]:
    """The same pieces of text for every optimizer."""
    generator = torch.Generator().manual_seed(SEED)
    starts = torch.randint(len(text) - size.context - 1, (steps, size.batch), generator=generator)
    offsets = torch.arange(size.context + 1)
    return [text[row[:, None] + offsets] for row in starts]


def train(
    make: Make, size: Size, pieces: list[torch.Tensor], held_out: torch.Tensor, device: str
) -> tuple[list[float], float, float]:
    """The loss of each step, the validation loss at the end, and seconds per step."""
    torch.manual_seed(SEED)
    model = LanguageModel(size).to(device)
    optimizer = make(model.parameters())
    losses = []
    start = time.perf_counter()
    for piece in pieces:
        optimizer.zero_grad()
        loss = model.loss(piece.to(device))
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    seconds = (time.perf_counter() - start) / len(pieces)
    with torch.no_grad():
        rows = held_out[: len(held_out) // size.context * size.context].view(-1, size.context)
        validation = model.loss(rows.to(device)).item()
    return torch.stack(losses).tolist(), validation, seconds


def optimizers(device: str) -> dict[str, Make]:
    """What is compared; `fused` is the compiled code for the CPU."""
    fused = device == "cpu"
    names = ("adamw", "momentum", "relativistic_degree_one")
    adamw, momentum, relativistic = (sc.load(sc.catalog.load(n), target="torch") for n in names)
    decay = {"lr": 3e-3, "weight_decay": 0.01}
    return {
        "AdamW of PyTorch": lambda params: torch.optim.AdamW(params, **decay, fused=fused),
        "AdamW, generated": lambda params: adamw(params, **decay, fused=fused),
        "momentum, generated": lambda params: momentum(params, lr=1.0, fused=fused),
        "relativistic, generated": lambda params: relativistic(params, lr=2.0, s=0.2, fused=fused),
    }


def smooth(values: list[float], share: float = 0.9) -> list[float]:
    """A moving average, for the picture."""
    mean, result = values[0], []
    for value in values:
        mean = share * mean + (1 - share) * value
        result.append(mean)
    return result


def draw(curves: dict[str, list[float]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2), constrained_layout=True)
    for (name, losses), style in zip(curves.items(), ("-", "--", "-", "-"), strict=True):
        axes.plot(smooth(losses), style, label=name)
    axes.set_xlabel("step")
    axes.set_ylabel("cross entropy per byte (moving average)")
    axes.set_title("A small transformer reads the standard library")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--quick", action="store_true", help="a smaller model, 30 steps")
    parser.add_argument("--picture", type=Path, default=Path("language_model.png"))
    arguments = parser.parse_args()
    if arguments.steps < 1:
        parser.error("--steps must be at least 1")
    size = Size(width=32, context=32, batch=8) if arguments.quick else Size()
    steps = 30 if arguments.quick else arguments.steps
    device = "cuda" if torch.cuda.is_available() else "cpu"

    text = read_text()
    pieces = batches(text[:-HELD_OUT], size, steps)
    curves = {}
    print(f"{'optimizer':<26}{'last losses':>12}{'held out':>10}{'ms/step':>9}")
    for name, make in optimizers(device).items():
        losses, validation, seconds = train(make, size, pieces, text[-HELD_OUT:], device)
        curves[name] = losses
        last = sum(losses[-20:]) / len(losses[-20:])
        print(f"{name:<26}{last:>12.4f}{validation:>10.4f}{1e3 * seconds:>9.1f}")
    theirs, ours, *_ = curves.values()
    apart = max(abs(a - b) / b for a, b in zip(ours, theirs, strict=True))
    print(f"the two AdamW: losses differ by at most {apart:.1e} of their value in {steps} steps")
    draw(curves, arguments.picture)
    print(f"curves: {arguments.picture}")


if __name__ == "__main__":
    main()
