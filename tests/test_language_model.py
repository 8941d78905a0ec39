"""The comparison that the example of a language model makes, on a small model."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.scripts import script

torch = pytest.importorskip("torch")
pytest.importorskip("numba")


@pytest.fixture(scope="module")
def example() -> ModuleType:
    return script("examples/language_model.py")


def test_the_example_tells_one_adamw_from_another(example: ModuleType) -> None:
    size = example.Size(width=16, context=16, batch=4)
    pieces = example.batches(example.read_text(10_000), size, 10)
    theirs, ours, *_ = example.optimizers("cpu").values()

    def distance(**options: float) -> float:
        def change(params: object) -> torch.optim.Optimizer:
            optimizer = ours(params)
            optimizer.param_groups[0].update(options)
            return optimizer

        found: float = example.distance(theirs, change, size, pieces, "cpu")
        return found

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert 0 < distance() < 1
        assert distance(weight_decay=0.02) > 1
        assert distance(eps=1e-5) > 1
    finally:
        torch.set_num_threads(before)
