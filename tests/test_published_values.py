"""The example with published values: the authors' loops, and the numbers on the page."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.scripts import ROOT, script

PAGE = (ROOT / "docs" / "analysis.md").read_text(encoding="utf-8")


EXAMPLE = script("examples/published_values.py")
QUADRATIC, CURVATURES = EXAMPLE.correlated_quadratic()


def authors(name: str, values: dict[str, float]) -> Iterator[np.ndarray]:
    """Where the methods of the paper read their gradients: Section 2 and Algorithm 1."""
    x, v = QUADRATIC.start, np.zeros_like(QUADRATIC.start)
    mu, delta = values["momentum"], values.get("delta", 0.0)
    epsilon, alpha = values.get("lr", values.get("epsilon")), values.get("alpha", 0.0)

    def bounded(u: np.ndarray) -> np.ndarray:
        return np.asarray(u / np.sqrt(1 + delta * (u @ u)))

    while True:
        if name == "heavy_ball":
            yield x
            v = mu * v - epsilon * QUADRATIC.gradient(x)
            x = x + v
        elif name == "nesterov":
            yield x + mu * v
            v = mu * v - epsilon * QUADRATIC.gradient(x + mu * v)
            x = x + v
        else:
            half = x + bounded(np.sqrt(mu) * v)
            yield half
            v = np.sqrt(mu) * v - epsilon * QUADRATIC.gradient(half)
            x = alpha * half + (1 - alpha) * x + bounded(v)
            v = np.sqrt(mu) * v


@pytest.mark.parametrize("name", EXAMPLE.QUADRATIC)
def test_the_gradients_are_read_where_the_authors_read_them(name: str) -> None:
    values = EXAMPLE.QUADRATIC[name]
    weights = QUADRATIC.start.copy()
    optimizer = EXAMPLE.optimizer_class(name)([weights], **values)
    # A perturbation grows at most by its transient; a step rounds each weight a few times.
    for number, theirs in zip(range(200), authors(name, values), strict=False):
        scale = np.abs(QUADRATIC.start).max()
        assert np.abs(weights - theirs).max() <= 32 * (number + 1) * 2.0**-53 * scale
        optimizer.step([QUADRATIC.gradient(weights)])


def test_the_derived_values_contract_as_derived() -> None:
    values = EXAMPLE.derived_values(CURVATURES)
    losses = EXAMPLE.run("heavy_ball", values, QUADRATIC)
    # At both ends of the spectrum the eigenvalues are double: n^2 rate^(2n), rate^2 = momentum.
    measured = (losses[800] / losses[400]) ** (1 / 400)
    assert measured / values["momentum"] == pytest.approx(1, abs=2 * np.log(2) / 400 + 1e-3)
    for other in EXAMPLE.QUADRATIC:
        assert losses[-1] < EXAMPLE.run(other, EXAMPLE.QUADRATIC[other], QUADRATIC)[-1]


def test_the_page_shows_these_losses() -> None:
    curves = EXAMPLE.on_quadratic(CURVATURES) | EXAMPLE.on_chain()
    for title, (name, values) in curves.items():
        problem = EXAMPLE.rosenbrock() if "tuned" in title else QUADRATIC
        losses = EXAMPLE.run(name, values, problem)
        (line,) = [row for row in PAGE.splitlines() if row.startswith(f"    {title} ")]
        steps, *shown = line[4:].removeprefix(title).split()
        assert abs(int(steps) - int(EXAMPLE.steps_to(losses, 1e-6))) <= 1
        for number, cell in zip((1, 5, 10), shown, strict=True):
            found = losses[number * problem.steps // 10]
            # Sums of two machines are rounded differently: late losses agree in size.
            assert found == pytest.approx(float(cell), rel=0.5) or found < 1e-20
