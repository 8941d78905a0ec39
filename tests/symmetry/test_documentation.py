"""docs/noether.md: each snippet is run, and prints what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "noether.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(python|text)\n(.*?)^```$", PAGE, re.M | re.S)


def test_the_snippets_print_what_the_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    scope: dict[str, Any] = {}
    printed = ""
    outputs = 0
    for kind, text in BLOCKS:
        if kind == "python":
            exec(compile(text, "noether.md", "exec"), scope)
            printed += capsys.readouterr().out
        else:
            assert printed == text
            printed, outputs = "", outputs + 1
    assert printed == ""
    assert outputs >= 7
