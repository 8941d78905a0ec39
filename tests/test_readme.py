"""What the README shows is run."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


def snippet(heading: str) -> str:
    """The Python code under a heading."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"^### {heading}\n.*?^```python\n(.*?)^```$", text, re.M | re.S)
    assert found, f"the README has no code under {heading!r}"
    return found[1]


def test_in_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optax")
    monkeypatch.syspath_prepend(str(ROOT / "generated" / "optax"))
    scope: dict[str, Any] = {}
    exec(compile(snippet("In JAX"), "README.md", "exec"), scope)
    del sys.modules["momentum"]
    assert scope["loss"](scope["params"]) < 1e-6
