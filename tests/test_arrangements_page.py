"""The code of docs/arrangements.md runs, and the example measures what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_runs() -> None:
    pytest.importorskip("numba")
    text = (ROOT / "docs" / "arrangements.md").read_text(encoding="utf-8")
    snippets = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    assert len(snippets) > 5
    scope: dict[str, Any] = {}
    for snippet in snippets:
        exec(compile(snippet, "arrangements.md", "exec"), scope)


def example() -> dict[str, Any]:
    path = ROOT / "examples" / "lattice.py"
    import importlib.util
    import sys

    spec = importlib.util.spec_from_file_location("lattice_example", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["lattice_example"] = module
    spec.loader.exec_module(module)
    return vars(module)


def test_kinks_keep_their_shape_and_the_breather_its_period() -> None:
    pytest.importorskip("numba")
    scope = example()
    # Errors of second order in the distance of particles: a quarter at half the distance.
    for name in ("sine_gordon", "phi4"):
        coarse, fine = (scope["kink"](name, dx=dx, duration=10.0).error for dx in (0.08, 0.04))
        assert fine < 1e-2
        assert np.log2(coarse / fine) == pytest.approx(2, abs=0.3)
    coarse, fine = (scope["breather_center"](size=size).error for size in (513, 1025))
    assert fine < 1e-2
    assert np.log2(coarse / fine) == pytest.approx(2, abs=0.3)


def test_waves_have_the_derived_frequencies_and_energy_does_not_drift() -> None:
    pytest.importorskip("numba")
    scope = example()
    assert scope["dispersion"]().error < 1e-12
    errors = scope["energy"](size=200, blocks=40).measured
    assert abs(errors[-10:].mean() - errors[10:20].mean()) < 5e-4
