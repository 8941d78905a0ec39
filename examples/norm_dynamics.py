"""Predict the norm of the weights of a normalised network from the symmetry of its loss.

A network of two layers, each divided by its norm, does not change when a layer is scaled. It is
trained by the generated optimizer `weight_decay` (momentum with weight decay). Noether's theorem
gives the motion of |w|^2 of each layer: exactly, from the lengths of the steps; and in the slow
limit from the gradients on the unit sphere alone, as RMSProp averages them. Both laws are derived
here from the Hamiltonian of the optimizer; nothing about them is typed in.

    python examples/norm_dynamics.py [--steps 6000] [--quick] [--picture norm_dynamics.png]
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

import symplectic_codegen as sc

NAME = "weight_decay"
GENERATED = Path(__file__).resolve().parents[1] / "generated" / "numpy" / f"{NAME}.py"
OPTIONS = {"lr": 0.005, "momentum": 0.9, "zeta": 1.0, "decay": 0.05}
INPUTS, HIDDEN, SAMPLES, GAIN, PERIOD, SEED = 12, 24, 256, 2.0, 1000, 1
START = (1.0, 0.4)  # norms of the layers at the start

Arrays = list[np.ndarray]


@dataclass(frozen=True)
class Layer:
    """What was measured of one layer, step by step: |w|^2, |Δw|^2, |gradient on the sphere|^2."""

    square: np.ndarray
    step: np.ndarray
    sphere: np.ndarray


@dataclass(frozen=True)
class Prediction:
    """|w|^2 of a layer by the exact recursion and by the slow law, with their relative errors."""

    exact: np.ndarray
    slow: np.ndarray
    exact_error: float
    slow_error: float


def generated_class() -> Any:
    """The optimizer, from the file that the generator wrote."""
    spec = importlib.util.spec_from_file_location(NAME, GENERATED)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.WeightDecay


def loss_and_gradients(layers: Arrays, x: np.ndarray, y: np.ndarray) -> tuple[float, Arrays]:
    """Squared error of GAIN tanh(GAIN x A/|A|) B/|B|, and its gradient by the chain rule."""
    a, b = (GAIN * layer / np.linalg.norm(layer) for layer in layers)
    hidden = np.tanh(x @ a)
    error = hidden @ b - y
    back = error / len(y)
    raw = [x.T @ (np.outer(back, b) * (1 - hidden**2)), hidden.T @ back]
    return float(0.5 * (error**2).mean()), [
        _through_norm(*pair) for pair in zip(layers, raw, strict=True)
    ]


def _through_norm(layer: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """The gradient by a layer from that by GAIN layer/|layer|: orthogonal to the layer."""
    norm = np.linalg.norm(layer)
    along = (layer * gradient).sum() / norm**2
    return GAIN / norm * (gradient - along * layer)


@dataclass(frozen=True)
class Problem:
    """Inputs, a target that turns slowly so that there is always something to learn, weights."""

    x: np.ndarray
    axes: np.ndarray
    layers: Arrays

    def target(self, step: int) -> np.ndarray:
        """What the network should say at a step."""
        angle = 2 * np.pi * step / PERIOD
        return np.sin(self.x @ (np.cos(angle) * self.axes[0] + np.sin(angle) * self.axes[1]))


def problem() -> Problem:
    """The problem, the same in each run."""
    rng = np.random.default_rng(SEED)
    x, axes = rng.standard_normal((SAMPLES, INPUTS)), rng.standard_normal((2, INPUTS)) / 2
    layers = [rng.standard_normal((INPUTS, HIDDEN)), rng.standard_normal(HIDDEN)]
    return Problem(x, axes, [s * w / np.linalg.norm(w) for s, w in zip(START, layers, strict=True)])


def train(steps: int) -> tuple[list[float], list[Layer]]:
    """Train on all samples at once; the losses, and what was measured of each layer."""
    task = problem()
    layers = task.layers
    optimizer = generated_class()(layers, **OPTIONS)
    losses: list[float] = []
    rows: list[list[tuple[float, float, float]]] = [[] for _ in layers]
    for number in range(steps):
        loss, gradients = loss_and_gradients(layers, task.x, task.target(number))
        before = [layer.copy() for layer in layers]
        optimizer.step(gradients)
        losses.append(loss)
        for row, old, new, gradient in zip(rows, before, layers, gradients, strict=True):
            square = float((old**2).sum())
            row.append((square, float(((new - old) ** 2).sum()), square * (gradient**2).sum()))
    return losses, [Layer(*np.array(row).T) for row in rows]


@cache
def derived_laws() -> tuple[Callable[..., float], Callable[..., float]]:
    """R(n+1) by the exact recursion, and by the slow law, with the numbers of this run put in."""
    found = sc.derive(sc.catalog.load(NAME)).noether("scaling", block=True)
    law, slow = found.steps, found.rmsprop
    assert law is not None
    assert slow is not None
    now, before, step, last = (_number(e) for e in (law.now, law.before, law.step, law.last))
    keep, gain = _number(slow.keep), _number(slow.gain)
    return (
        lambda R, old, next_step, last_step: (
            now * R + before * old + step * next_step + last * last_step
        ),
        lambda R, sphere: keep * R + gain * sphere / R,
    )


def _number(expr: sp.Expr) -> float:
    return float(expr.subs({s: OPTIONS[s.name] for s in expr.free_symbols}))


def predict(layer: Layer) -> Prediction:
    """|w|^2 from its first values and what drives it."""
    exact_law, slow_law = derived_laws()
    exact, slow = list(layer.square[:2]), [layer.square[0]]
    for n in range(1, len(layer.square) - 1):
        exact.append(exact_law(exact[n], exact[n - 1], layer.step[n], layer.step[n - 1]))
    for n in range(len(layer.square) - 1):
        slow.append(slow_law(slow[n], layer.sphere[n]))
    return Prediction(
        np.array(exact),
        np.array(slow),
        *(float(np.max(np.abs(np.array(p) / layer.square - 1))) for p in (exact, slow)),
    )


def draw(layers: list[Layer], predictions: list[Prediction], path: Path) -> None:
    """Measured and predicted norms, into a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2), constrained_layout=True)
    for number, (layer, prediction) in enumerate(zip(layers, predictions, strict=True), 1):
        color = f"C{number - 1}"
        axes.plot(layer.square, color=color, lw=4, alpha=0.35, label=f"layer {number}, measured")
        axes.plot(prediction.exact, color=color, lw=1, label="exact recursion")
        axes.plot(prediction.slow, color="k", lw=1, ls="--", label="implicit RMSProp")
    axes.set_xlabel("step")
    axes.set_ylabel("|w|²")
    axes.set_title("Norms under a scale-invariant loss, predicted from its symmetry")
    axes.grid(alpha=0.3)
    axes.legend(ncols=2)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def report(predictions: list[Prediction]) -> Iterator[str]:
    """The errors, one line for each layer."""
    for number, p in enumerate(predictions, 1):
        yield (
            f"layer {number}: relative error of |w|², largest of all steps: "
            f"exact recursion {p.exact_error:.1e}, implicit RMSProp {p.slow_error:.1e}"
        )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--quick", action="store_true", help="a tenth of the steps")
    parser.add_argument("--picture", type=Path, default=Path("norm_dynamics.png"))
    options = parser.parse_args(arguments)
    if options.steps < 10:
        parser.error("--steps must be at least 10")

    losses, layers = train(options.steps // 10 if options.quick else options.steps)
    predictions = [predict(layer) for layer in layers]
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f} in {len(losses)} steps of {NAME}")
    for layer, line in zip(layers, report(predictions), strict=True):
        print(f"|w|² {layer.square[0]:.3f} -> {layer.square[-1]:.3f}; {line}")
    draw(layers, predictions, options.picture)
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
