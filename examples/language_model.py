"""Train a small transformer on Python's own source text with generated optimizers for PyTorch.

A byte-level language model (two layers by default) reads the standard library of the Python that
runs it. The optimizers: AdamW of PyTorch, AdamW generated from its Hamiltonian, generated momentum,
and generated relativistic momentum of degree one, with a speed limit for all weights together.
Prints the losses, draws their curves into one picture, and checks that the two AdamW are the same:
along one training both get the same gradients, and their parameters must stay as close as rounding
in float32 allows.

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
LR = 3e-3  # of AdamW
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


@dataclass(frozen=True)
class Run:
    """A training.

    Args:
        losses: of each step.
        held_out: the loss at the end, on text that was not seen.
        seconds: per step, without the first, in which code may be compiled.
    """

    losses: list[float]
    held_out: float
    seconds: float

    @property
    def last(self) -> float:
        """The mean of the last losses."""
        rest = self.losses[-20:]
        return sum(rest) / len(rest)


def new_model(size: Size, device: str) -> LanguageModel:
    """The same weights for every optimizer."""
    torch.manual_seed(SEED)
    return LanguageModel(size).to(device)


def train(
    make: Make, size: Size, pieces: list[torch.Tensor], held_out: torch.Tensor, device: str
) -> Run:
    model = new_model(size, device)
    optimizer = make(model.parameters())
    losses: list[torch.Tensor] = []
    start = 0.0
    for piece in pieces:
        if len(losses) == 1:
            losses[0].item()  # waits for the device
            start = time.perf_counter()
        optimizer.zero_grad()
        loss = model.loss(piece.to(device))
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    values = torch.stack(losses).tolist()
    seconds = (time.perf_counter() - start) / max(1, len(pieces) - 1)
    with torch.no_grad():
        rows = held_out[: len(held_out) // size.context * size.context].view(-1, size.context)
        return Run(values, model.loss(rows.to(device)).item(), seconds)


def distance(
    theirs: Make, ours: Make, size: Size, pieces: list[torch.Tensor], device: str
) -> float:
    """How far two optimizers are apart that get the same gradients, next to what rounding allows.

    Trainings of their own would let chaos into the comparison. In each step either may round a
    parameter, by half a unit of its last place, and change it by its learning rate times a quotient
    of two averages whose relative errors add up to some hundred units.

    Returns:
        The largest difference of two parameters, as a part of its bound.
    """
    model = new_model(size, device)
    params = list(model.parameters())
    copies = [nn.Parameter(p.detach().clone()) for p in params]
    one, other = theirs(params), ours(copies)
    largest = 0.0
    for piece in pieces:
        one.zero_grad()
        model.loss(piece.to(device)).backward()
        for p, q in zip(params, copies, strict=True):
            q.grad = p.grad
        one.step()
        other.step()
        largest = max(largest, *(p.detach().abs().max().item() for p in params))
    apart = max((p - q).detach().abs().max().item() for p, q in zip(params, copies, strict=True))
    unit = torch.finfo(torch.float32).eps
    return apart / (len(pieces) * unit * (largest + 200 * LR))


def optimizers(device: str) -> dict[str, Make]:
    """What is compared; `fused` is the compiled code for the CPU."""
    fused = device == "cpu"
    names = ("adamw", "momentum", "relativistic_degree_one")
    adamw, momentum, relativistic = (sc.load(sc.catalog.load(n), target="torch") for n in names)
    decay = {"lr": LR, "weight_decay": 0.01}
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
    if arguments.steps < 2:
        parser.error("--steps must be at least 2")
    size = Size(width=32, context=32, batch=8) if arguments.quick else Size()
    steps = 30 if arguments.quick else arguments.steps
    device = "cuda" if torch.cuda.is_available() else "cpu"

    if arguments.quick and device == "cpu":
        torch.set_num_threads(1)  # so small a model gains nothing from more

    text = read_text()
    pieces = batches(text[:-HELD_OUT], size, steps)
    makers = optimizers(device)
    curves = {}
    print(f"{'optimizer':<26}{'last losses':>12}{'held out':>10}{'ms/step':>9}")
    for name, make in makers.items():
        run = train(make, size, pieces, text[-HELD_OUT:], device)
        curves[name] = run.losses
        print(f"{name:<26}{run.last:>12.4f}{run.held_out:>10.4f}{1e3 * run.seconds:>9.1f}")
    draw(curves, arguments.picture)
    print(f"curves: {arguments.picture}")

    theirs, ours, *_ = makers.values()
    part = distance(theirs, ours, size, pieces[:100], device)
    print(f"the two AdamW: {100 * part:.2g} % apart of what rounding in float32 allows")
    if not part <= 1.0:
        raise SystemExit("the generated AdamW is not that of PyTorch")


if __name__ == "__main__":
    main()
