"""The commands that the pages show print what the pages show, and the table is the command's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from symplectic_codegen.cli import main

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "analysis.md").read_text(encoding="utf-8")
BLOCK = re.compile(
    r"^```bash(?P<fails> fails)?\n(?P<line>[^\n]*)\n```\n\n```text\n(?P<output>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
COMMANDS = [pytest.param(m, id=m["line"]) for m in BLOCK.finditer(PAGE)]


def test_every_command_is_shown_with_its_output() -> None:
    assert len(COMMANDS) == PAGE.count("```bash") == PAGE.count("```text") > 5


@pytest.mark.parametrize("shown", COMMANDS)
def test_command(shown: re.Match[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(shown["line"])
    assert program == "symplectic-codegen"
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == (1 if shown["fails"] else 0), result.output
    assert result.stdout == shown["output"]
    written = [Path(a) for a in arguments if a.endswith((".png", ".toml"))]
    assert all(path.stat().st_size > 0 for path in written)


GUIDE = (DOCS / "hamiltonians.md").read_text(encoding="utf-8")
EXCERPT = re.compile(r"^```console\n\$ (?P<line>[^\n]*)\n(?P<shown>.*?)^```$", re.M | re.S)
EXCERPTS = [(m["line"], m["shown"]) for m in EXCERPT.finditer(GUIDE)]


def test_every_command_of_the_guide_is_found() -> None:
    assert len(EXCERPTS) == GUIDE.count("```") // 2 > 15


@pytest.mark.parametrize(("line", "shown"), EXCERPTS)
def test_excerpt(line: str, shown: str) -> None:
    """The lines between two `...` stand in the output, together and in this order."""
    program, *arguments = shlex.split(line)
    assert program == "symplectic-codegen"
    output = CliRunner().invoke(main, arguments).output
    if "...\n" not in shown:
        assert output == shown
    for part in filter(None, shown.split("...\n")):
        _, found, output = output.partition(part)
        assert found == part


def test_the_table_of_the_literature() -> None:
    result = CliRunner().invoke(main, ["list", "literature", "--format", "markdown"])
    assert result.exit_code == 0
    assert result.output == (DOCS / "catalogue.md").read_text(encoding="utf-8")
