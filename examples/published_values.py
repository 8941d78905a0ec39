"""Heavy ball, Nesterov and relativistic gradient descent at published values, side by side.

Problems and values are those of G. Franca, J. Sulam, D. Robinson, R. Vidal, Conformal symplectic
and relativistic optimization (2020), and of their code: a quadratic whose curvatures are those of
a correlation matrix, rho^|i - j| with rho = 0.9 in 50 dimensions, started from N(0, 10); and the
Rosenbrock function of 100 variables, started from -2, 2, -2, ... For the quadratic they publish
values, found by 500 (1200 for the relativistic method) evaluations; beside them stands the heavy
ball at the values that `analyze` derives from the ends of the spectrum. For Rosenbrock they
publish curves only: `--tune` searches their ranges, with the same number of trials for each
method, and `ROSENBROCK` holds what it found.

    python examples/published_values.py [--picture published_values.png] [--tune]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import symplectic_codegen as sc
from symplectic_codegen.analysis.parameters import LARGEST, SMALLEST

Values = Mapping[str, float]
Methods = dict[str, tuple[str, Values]]  # by title: entry of the catalogue, its values
SEED, TRIALS = 0, 500

# The digits that the authors' code prints.
QUADRATIC: dict[str, Values] = {
    "heavy_ball": {"lr": 0.135174828572651, "momentum": 0.8499379865297774},
    "nesterov": {"lr": 0.06871232717323399, "momentum": 0.912707662292255},
    "rgd": {
        "epsilon": 0.11633421099281825,
        "momentum": 0.809296220797109,
        "delta": 0.8482795660957748,
        "alpha": 0.9319966444617991,
    },
}
ROSENBROCK: dict[str, Values] = {
    "heavy_ball": {"lr": 0.00040058351294807235, "momentum": 0.9750841963242955},
    "nesterov": {"lr": 0.0004506474752883561, "momentum": 0.9743590153145258},
    "rgd": {
        "epsilon": 0.0009171140052896174,
        "momentum": 0.9484392929878634,
        "delta": 13.01640761126561,
        "alpha": 0.9728116777073245,
    },
}
NAMES = {"heavy_ball": "heavy ball", "nesterov": "Nesterov", "rgd": "relativistic (Algorithm 1)"}
# Where the authors search on Rosenbrock; the learning rate on a logarithmic scale.
RANGES = {"lr": (1e-5, 1e-2), "epsilon": (1e-5, 1e-2), "momentum": (0.9, 0.99),
          "delta": (0.0, 30.0), "alpha": (0.0, 1.0)}  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """A function to minimise, its gradient, and where to start."""

    title: str
    loss: Callable[[np.ndarray], float]
    gradient: Callable[[np.ndarray], np.ndarray]
    start: np.ndarray
    steps: int


def correlated_quadratic(dimension: int = 50, rho: float = 0.9) -> tuple[Problem, np.ndarray]:
    """x Q x/2 with Q_ij = rho^|i - j|, and the eigenvalues of Q."""
    place = np.arange(dimension)
    matrix = rho ** np.abs(place[:, None] - place)
    problem = Problem(
        f"quadratic of correlation {rho}, {dimension} variables",
        lambda x: float(x @ matrix @ x) / 2,
        lambda x: matrix @ x,
        np.random.default_rng(SEED).normal(0, 10, dimension),
        1000,
    )
    return problem, np.linalg.eigvalsh(matrix)


def rosenbrock(dimension: int = 100) -> Problem:
    """The chain sum of 100 (x_(i+1) - x_i^2)^2 + (1 - x_i)^2."""

    def loss(x: np.ndarray) -> float:
        return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())

    def gradient(x: np.ndarray) -> np.ndarray:
        bend = x[1:] - x[:-1] ** 2
        result = np.zeros_like(x)
        result[:-1] = -400 * bend * x[:-1] - 2 * (1 - x[:-1])
        result[1:] += 200 * bend
        return result

    start = np.where(np.arange(dimension) % 2 == 0, -2.0, 2.0)
    return Problem(f"Rosenbrock, {dimension} variables", loss, gradient, start, 2000)


def run(name: str, values: Values, problem: Problem) -> np.ndarray:
    """The loss where the gradient is read, before each step and after the last."""
    weights = problem.start.copy()
    optimizer = optimizer_class(name)([weights], **values)
    losses = np.full(problem.steps + 1, np.inf)
    losses[0] = problem.loss(weights)
    with np.errstate(all="ignore"):  # a search meets values at which everything overflows
        for step in range(problem.steps):
            optimizer.step([problem.gradient(weights)])
            losses[step + 1] = problem.loss(weights)
            if not np.isfinite(losses[step + 1]):
                break
    return losses


@cache
def optimizer_class(name: str) -> Any:
    """The optimizer that is generated from the Hamiltonian of an entry of the catalogue."""
    return sc.load(sc.catalog.load(name), target="numpy")


def derived_values(curvatures: np.ndarray) -> Values:
    """The best values of the heavy ball for a range of curvatures, out of its derivation."""
    best = sc.analyze(sc.catalog.load("heavy_ball"), quantities=["optimum"]).optimum
    ends = {SMALLEST: curvatures.min(), LARGEST: curvatures.max()}
    fixed = dict.fromkeys(best.free, 0)
    return {str(s): float(e.subs(fixed).subs(ends)) for s, e in best.values.items()}


def tuned(name: str, problem: Problem) -> Values:
    """The values with the least loss at the end, among as many trials as any other method has."""
    rng = np.random.default_rng(SEED)
    best: tuple[float, Values] = (np.inf, {})
    for _ in range(TRIALS):
        values = {}
        for key in QUADRATIC[name]:
            low, high = RANGES[key]
            if key in ("lr", "epsilon"):
                values[key] = float(np.exp(rng.uniform(np.log(low), np.log(high))))
            else:
                values[key] = float(high - (high - low) * rng.random())  # in (low, high]
        best = min(best, (run(name, values, problem)[-1], values), key=lambda pair: pair[0])
    return best[1]


def on_quadratic(curvatures: np.ndarray) -> Methods:
    """The methods on the quadratic: at the published values, and at derived ones."""
    published = {f"{NAMES[name]}, published": (name, v) for name, v in QUADRATIC.items()}
    return published | {
        "heavy ball, derived by analyze": ("heavy_ball", derived_values(curvatures))
    }


def on_chain() -> Methods:
    """The methods on the Rosenbrock function."""
    return {f"{NAMES[name]}, tuned": (name, v) for name, v in ROSENBROCK.items()}


def steps_to(losses: np.ndarray, share: float) -> str:
    """After how many steps the loss stays below a share of that at the start."""
    above = np.flatnonzero(~(losses <= share * losses[0]))
    return str(above[-1] + 1) if above[-1] + 1 < len(losses) else "-"


def compare(problem: Problem, methods: Methods) -> dict[str, np.ndarray]:
    """The losses of each method, and a table of them."""
    checkpoints = [problem.steps // 10, problem.steps // 2, problem.steps]
    print(f"\n{problem.title}; loss at the start {problem.loss(problem.start):.3g}")
    heads = [f"loss at {n}" for n in checkpoints]
    print(f"{'method':<42}{'steps to 1e-6':>14}" + "".join(f"{head:>14}" for head in heads))
    curves = {}
    for title, (name, values) in methods.items():
        losses = curves[title] = run(name, values, problem)
        cells = "".join(f"{losses[n]:>14.2e}" for n in checkpoints)
        print(f"{title:<42}{steps_to(losses, 1e-6):>14}{cells}")
    return curves


def draw(results: Mapping[str, dict[str, np.ndarray]], path: Path) -> None:
    """The curves of each problem, beside each other."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(results), figsize=(11, 4.2), constrained_layout=True)
    for panel, (title, curves) in zip(axes, results.items(), strict=True):
        for name, losses in curves.items():
            panel.semilogy(losses, label=name, lw=1.2)
        panel.set_title(title)
        panel.set_xlabel("step")
        panel.set_ylabel("loss where the gradient is read")
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, default=Path("published_values.png"))
    parser.add_argument("--tune", action="store_true", help="search the values for Rosenbrock anew")
    arguments = parser.parse_args()
    quadratic, curvatures = correlated_quadratic()
    chain = rosenbrock()
    if arguments.tune:
        for name in ROSENBROCK:
            print(f"{name}: {tuned(name, chain)}")
        return
    results = {
        quadratic.title: compare(quadratic, on_quadratic(curvatures)),
        chain.title: compare(chain, on_chain()),
    }
    draw(results, arguments.picture)
    print(f"curves: {arguments.picture}")


if __name__ == "__main__":
    main()
