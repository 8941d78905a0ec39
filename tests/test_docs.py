"""The commands that the pages show run, and the table is what the command prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from symplectic_codegen.cli import main

DOCS = Path(__file__).parent.parent / "docs"
BLOCK = re.compile(r"^```bash( fails)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMANDS = [
    pytest.param(line, 1 if fails else 0, id=line)
    for fails, block in BLOCK.findall((DOCS / "analysis.md").read_text(encoding="utf-8"))
    for line in block.splitlines()
]


@pytest.mark.parametrize(("line", "code"), COMMANDS)
def test_command(line: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(line)
    assert program == "symplectic-codegen"
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, result.output
    assert "Stability" in result.output or "Hamiltonian" in result.output
    assert [p.exists() for p in map(Path, arguments) if p.suffix == ".png"] in ([], [True])


def test_the_table_of_the_literature() -> None:
    result = CliRunner().invoke(main, ["list", "literature", "--format", "markdown"])
    assert result.exit_code == 0
    assert result.output == (DOCS / "catalogue.md").read_text(encoding="utf-8")
