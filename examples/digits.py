"""Train a small neural network on handwritten digits with generated optimizers.

The network (64-128-10, ReLU, softmax) and its gradient are plain NumPy; the optimizers are
generated from their Hamiltonians when the script starts, the last one from a Hamiltonian typed
here. The data set ships with scikit-learn. Prints the test accuracy and a loss curve of each
optimizer, and draws the curves into a picture.

    python examples/digits.py [--epochs 30] [--picture digits.png]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import symplectic_codegen as sc

Arrays = list[np.ndarray]

# In no catalogue: each weight has a speed limit of its own, and the momenta cool exponentially.
MINE = "beta/k*(sum(sqrt(1 + X**2)) + c**2*L) + h*gamma/k*beta*U"
NAMES = ("lr = tau/h", "momentum = exp(-gamma*tau)", "zeta = c**2/(h*gamma)")

HIDDEN, BATCH, SEED = 128, 32, 0


@dataclass(frozen=True)
class Data:
    """Images as rows in [0, 1], labels 0..9."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def read_data() -> Data:
    """1797 images of 8x8 pixels, a fifth of them for the test."""
    digits = load_digits()
    x = (digits.data / 16.0).astype(np.float32)
    parts = train_test_split(
        x, digits.target, test_size=0.2, random_state=SEED, stratify=digits.target
    )
    return Data(parts[0], parts[2], parts[1], parts[3])


def initial_weights(rng: np.random.Generator) -> Arrays:
    """He initialisation of both layers."""
    sizes = [(64, HIDDEN), (HIDDEN, 10)]
    weights: Arrays = []
    for fan_in, fan_out in sizes:
        scale = np.sqrt(2.0 / fan_in)
        weights.append((scale * rng.standard_normal((fan_in, fan_out))).astype(np.float32))
        weights.append(np.zeros(fan_out, np.float32))
    return weights


def loss_and_gradients(weights: Arrays, x: np.ndarray, y: np.ndarray) -> tuple[float, Arrays]:
    """Cross entropy of the softmax, and its gradient by the chain rule."""
    w1, b1, w2, b2 = weights
    z = x @ w1 + b1
    a = np.maximum(z, 0)
    scores = a @ w2 + b2
    scores = scores - scores.max(axis=1, keepdims=True)
    exp = np.exp(scores)
    p = exp / exp.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    loss = float(-np.log(p[rows, y] + 1e-12).mean())
    ds = p
    ds[rows, y] -= 1
    ds /= len(y)
    da = (ds @ w2.T) * (z > 0)
    return loss, [x.T @ da, da.sum(axis=0), a.T @ ds, ds.sum(axis=0)]


def accuracy(weights: Arrays, x: np.ndarray, y: np.ndarray) -> float:
    """The share of images that are recognised."""
    w1, b1, w2, b2 = weights
    return float((np.argmax(np.maximum(x @ w1 + b1, 0) @ w2 + b2, axis=1) == y).mean())


def train(
    cls: Any, options: dict[str, float], data: Data, epochs: int
) -> tuple[list[float], float]:
    """Mean loss of each epoch, and the accuracy on the test images at the end."""
    rng = np.random.default_rng(SEED)
    weights = initial_weights(rng)
    optimizer = cls(weights, **options)
    losses = []
    for _ in range(epochs):
        order = rng.permutation(len(data.y_train))
        total = 0.0
        batches = range(0, len(order) - BATCH + 1, BATCH)
        for start in batches:
            rows = order[start : start + BATCH]
            loss, gradients = loss_and_gradients(weights, data.x_train[rows], data.y_train[rows])
            optimizer.step(gradients)
            total += loss
        losses.append(total / len(batches))
    return losses, accuracy(weights, data.x_test, data.y_test)


def sparkline(values: list[float]) -> str:
    """Losses as a line of blocks, on a logarithmic scale."""
    blocks = "▁▂▃▄▅▆▇█"
    logs = np.log(np.maximum(values, 1e-6))
    low, high = logs.min(), logs.max()
    return "".join(blocks[int(7 * (v - low) / (high - low or 1))] for v in logs)


def draw(curves: dict[str, list[float]], path: Path) -> None:
    """The loss curves, into a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2), constrained_layout=True)
    for name, losses in curves.items():
        axes.semilogy(range(1, len(losses) + 1), losses, label=name)
    axes.set_xlabel("epoch")
    axes.set_ylabel("training loss")
    axes.set_title("Handwritten digits, optimizers generated from Hamiltonians")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=130)
    plt.close(figure)


def optimizers() -> dict[str, tuple[Any, dict[str, float]]]:
    """Generated classes with the options they are run with."""
    mine = sc.Spec.from_expression(MINE, "mine", reparams=NAMES)
    catalogue = sc.catalog.load
    return {
        "gradient descent": (sc.load(catalogue("gradient_descent")), {"lr": 1.0}),
        "momentum": (sc.load(catalogue("momentum")), {"lr": 1.0, "momentum": 0.9}),
        "bias-corrected momentum": (
            sc.load(catalogue("debiased_momentum")),
            {"lr": 1.0, "momentum": 0.9},
        ),
        "relativistic, degree one": (
            sc.load(catalogue("relativistic_degree_one")),
            {"lr": 1.0, "momentum": 0.9, "s": 1.0},
        ),
        "mine": (sc.load(mine), {"lr": 1.0, "momentum": 0.9, "zeta": 1.0}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--picture", type=Path, default=Path("digits.png"))
    arguments = parser.parse_args()
    if arguments.epochs < 1:
        parser.error("--epochs must be at least 1")

    data = read_data()
    curves = {}
    print(f"{'optimizer':<26}{'test accuracy':>14}{'last loss':>12}   loss by epoch")
    for name, (cls, options) in optimizers().items():
        losses, score = train(cls, options, data, arguments.epochs)
        curves[name] = losses
        print(f"{name:<26}{score:>14.4f}{losses[-1]:>12.2e}   {sparkline(losses)}")
    draw(curves, arguments.picture)
    print(f"curves: {arguments.picture}")


if __name__ == "__main__":
    main()
