"""The example predicts the norms of a network that the generated optimizer trains."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.scripts import script


@pytest.fixture(scope="module")
def example() -> ModuleType:
    return script("examples/norm_dynamics.py")


def test_the_prediction_holds(
    example: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "norms.png"
    example.main(["--quick", "--picture", str(picture)])
    printed = capsys.readouterr().out
    errors = re.findall(r"exact recursion (\S+), implicit RMSProp (\S+)", printed)
    assert len(errors) == 2
    for exact, slow in errors:
        assert float(exact) < 1e-10  # rounding alone, as it adds up in a recursion
        assert float(slow) < 0.1
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_its_network_is_normalised(example: ModuleType) -> None:
    """The loss does not change with the scale of a layer; its gradient is orthogonal to it."""
    task = example.problem()
    y = task.target(0)
    loss, gradients = example.loss_and_gradients(task.layers, task.x, y)
    scaled, _ = example.loss_and_gradients([3 * task.layers[0], task.layers[1] / 2], task.x, y)
    assert scaled == pytest.approx(loss, rel=1e-12)
    for layer, gradient in zip(task.layers, gradients, strict=True):
        assert abs((layer * gradient).sum()) < 1e-12
    step = 1e-6
    moved = [task.layers[0].copy(), task.layers[1]]
    moved[0][1, 2] += step
    ahead, _ = example.loss_and_gradients(moved, task.x, y)
    assert (ahead - loss) / step == pytest.approx(gradients[0][1, 2], rel=1e-3, abs=1e-8)


def test_it_would_notice_a_loss_without_the_symmetry(example: ModuleType) -> None:
    """With a gradient along the weights the exact recursion is off: the error means something."""
    rng = np.random.default_rng(0)
    w = rng.standard_normal(5)
    optimizer = example.generated_class()([w], **example.OPTIONS)
    rows = []
    for _ in range(50):
        before = w.copy()
        optimizer.step([before])  # the loss |w|^2/2
        rows.append((before @ before, (w - before) @ (w - before), before @ before))
    assert example.predict(example.Layer(*np.array(rows).T)).exact_error > 1e-3
