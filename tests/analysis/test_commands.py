"""`analyze`, `verdict` and `list literature` for people who make mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import symplectic_codegen as sc
from symplectic_codegen.analysis.analyze import analyze
from symplectic_codegen.cli import main
from symplectic_codegen.driver import derive
from symplectic_codegen.errors import OutOfTimeError
from symplectic_codegen.report import as_text
from symplectic_codegen.resources import time_limit


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words), catch_exceptions=False)


MOMENTUM = ["analyze", "--catalog", "momentum", "--quantity", "step"]
RULE = ["verdict", "X = mu*X + G", "w = w - lr*X"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["analyze"], "give one of"),
        (["analyze", " "], "the text is empty"),
        (["analyze", "beta*(L"], "never closed"),
        (["analyze", "--catalog", "momentun"], "did you mean 'momentum'"),
        ([*MOMENTUM, "--quantity", "stabilty"], "did you mean 'stability'"),
        ([*MOMENTUM, "--order", "-3"], "lies between 0 and"),
        ([*MOMENTUM, "--order", "50"], "lies between 0 and"),
        ([*MOMENTUM, "--loss", "w**"], "a value is expected"),
        ([*MOMENTUM, "--loss", "X"], "depends on w alone"),
        (["verdict", ""], "nothing is proposed"),
        (["verdict", "X*"], "a value is expected"),
        (["verdict", "w ="], "a value is expected"),
        (["verdict", "foo(X)"], "no function 'foo'"),
        (["verdict", "X/0"], "division by zero"),
        (["verdict", "X", "--given", "1x"], "no name for a vector"),
        (["verdict", "X/norm(X)", "--save", "x.toml"], "whole update rule"),
        (["list", "catalog", "--format", "markdown"], "markdown is for the literature"),
    ],
)
def test_bad_input_is_a_sentence(words: list[str], message: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith("symplectic-codegen: ")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("x.gif", [], "a picture ends in"),
        ("no/x.png", [], "cannot write"),
        ("x.png", ["--plot", "pie"], "there is no picture 'pie'"),
        ("x.png", ["--plot", "energy"], "needs a loss"),
    ],
)
def test_a_picture_that_cannot_be(
    name: str, options: list[str], message: str, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    result = run(*MOMENTUM, "--picture", str(tmp_path / name), *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_spec_that_cannot_be_written(tmp_path: Path) -> None:
    result = run(*RULE, "--save", str(tmp_path))
    assert result.exit_code == 2
    assert str(tmp_path) in result.stderr


def test_a_saved_spec_is_analyzed(tmp_path: Path) -> None:
    path = tmp_path / "rule.toml"
    assert run(*RULE, "--save", str(path)).exit_code == 0
    result = run("analyze", "--spec", str(path), "--quantity", "stability")
    assert result.exit_code == 0
    assert "stable if and only if" in result.output


def test_out_of_time_is_no_refusal() -> None:
    """It stops the whole, and is not printed as the reason why one quantity does not exist."""
    analysis = analyze(sc.catalog.load("adam"))
    with pytest.raises(OutOfTimeError), time_limit(0.05):
        _ = analysis.findings
    with pytest.raises(OutOfTimeError), time_limit(0.05):
        as_text(derive(sc.catalog.load("adam")))
