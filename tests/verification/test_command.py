"""`symplectic-codegen verify`, end to end, with a paper of one's own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from symplectic_codegen.cli import main

PAPER = """
from symplectic_codegen.verification.claims import ARBITRARY, Claim, Source, Verdict

SOURCE = Source(
    name="my_paper",
    title="My paper <1>",
    reference="Me, 2026",
    errata=True,
    claims=(
        Claim("motion.1", r"\\dot w = -X/h", states=("rate(w_i) = -X_i/h",),
              on=ARBITRARY.having(hamiltonian="beta/(2*k)*dot(X, X) + beta*L")),
        Claim("motion.2", r"\\{w, X\\} = 1", states=("bracket(w_i, X_j) = delta_ij",),
              correct=("bracket(w_i, X_j) = delta_ij/beta",), verdict=Verdict.CORRECTED,
              reason="The factor 1/beta is missing."),
    ),
)
"""


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["verify", "--jobs", "1", *words], catch_exceptions=False)


@pytest.fixture
def paper(tmp_path: Path) -> Path:
    path = tmp_path / "my_paper.py"
    path.write_text(PAPER, encoding="utf-8")
    return path


def test_a_paper_of_ones_own(paper: Path) -> None:
    first = run(str(paper))
    assert first.exit_code == 1
    assert "no trusted value" in first.output
    update = run(str(paper), "--update-values")
    assert update.exit_code == 0, update.output
    assert "no trusted value for printed: rate(w_i) = -X_i/h" in update.output
    assert (paper.parent / "trusted" / "my_paper.json").exists()
    again = run(str(paper))
    assert again.exit_code == 0
    assert "2 claims: 1 proved, 1 proved after correction; all as recorded" in again.output


def test_a_changed_claim_is_noticed(paper: Path) -> None:
    run(str(paper), "--update-values")
    paper.write_text(PAPER.replace("-X_i/h", "X_i/h"))
    changed = run(str(paper))
    assert changed.exit_code == 1
    assert "the verdict is 'refuted', recorded is 'proved'" in changed.output
    paper.write_text(PAPER.replace("verdict=Verdict.CORRECTED", "verdict=Verdict.PROVED"))
    assert run(str(paper)).exit_code == 1


def test_an_edited_value_is_noticed(paper: Path) -> None:
    run(str(paper), "--update-values")
    stored = paper.parent / "trusted" / "my_paper.json"
    text = stored.read_text()
    data = json.loads(text)
    points = data["claims"]["motion.1"]["printed"]["rate(w_i) = -X_i/h"]
    points[0][0] = "0.1" + points[0][0].lstrip("-0.")[:20]
    stored.write_text(json.dumps(data))
    result = run(str(paper))
    assert result.exit_code == 1
    assert "is trusted" in result.output
    stored.write_text("{")
    assert run(str(paper)).exit_code == 2
    stored.unlink()
    assert run(str(paper)).exit_code == 1


def test_reports_and_errata(paper: Path, tmp_path: Path) -> None:
    run(str(paper), "--update-values")
    files = [tmp_path / "out" / name for name in ("r.html", "r.md", "r.json")]
    errata = tmp_path / "out" / "errata.md"
    words = [w for f in files for w in ("--report", str(f))] + ["--errata", str(errata)]
    missing = run(str(paper), *words, "--check")
    assert missing.exit_code == 1
    assert not files[0].exists()
    assert run(str(paper), *words).exit_code == 0
    assert run(str(paper), *words, "--check").exit_code == 0
    page = files[0].read_text()
    assert "My paper &lt;1&gt;" in page
    assert "<math" in page
    assert "The factor 1/beta is missing." in errata.read_text()
    data = json.loads(files[2].read_text())
    assert data["ok"]
    assert data["sources"][0]["claims"][1]["verdict"] == "proved after correction"
    errata.write_text("edited")
    stale = run(str(paper), *words, "--check")
    assert stale.exit_code == 1
    assert "not current" in stale.output


def test_one_claim_in_detail(paper: Path) -> None:
    run(str(paper), "--update-values")
    result = run(str(paper), "--claim", "motion.2")
    assert result.exit_code == 0
    for line in ("✗ bracket(w_i, X_j) = delta_ij", "1/2 against 1 at β = 2, i = 1, j = 1",
                 "✓ bracket(w_i, X_j) = delta_ij/beta"):  # fmt: skip
        assert line in result.output


BAD_FILES = [
    ("SOURCE = 1", "defines no SOURCE"),
    ("x = (", "SyntaxError"),
    ("import nothing_of_the_kind", "nothing_of_the_kind"),
    (PAPER.replace("motion.2", "motion.1"), "two claims have the label"),
    (PAPER.replace("rate(w_i) = ", "rate(w_i) "), "is no relation"),
    (PAPER.replace("-X_i/h", "-X_i/h)"), "closes nothing"),
    (PAPER.replace("rate(w_i) =", "rote(w_i) ="), "there is no function 'rote'"),
    (PAPER.replace("dot(X, X)", "dot(X, L)"), "L is a scalar"),
    (PAPER.replace('name="my_paper"', 'name="My paper"'), "is not snake_case"),
    ("raise ValueError('no')", "ValueError: no"),
]


@pytest.mark.parametrize(("text", "message"), BAD_FILES)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    result = run(str(path))
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


BAD_OPTIONS = [
    (["nothing"], "there is no source 'nothing'"),
    (["franca_2021"], "Did you mean 'franca_2020'?"),
    (["nothing.py"], "there is no file"),
    (["--claim", "nothing.1"], "there is no claim"),
    (["--report", "x.pdf"], "a report ends in"),
    (["--claim", "evolution.2", "--report", "x.md"], "--claim shows one claim"),
    (["franca_2020", "--mutation"], "name none"),
    (["franca_2020", "--claim", "momentum.1", "--update-values"], "--claim shows one claim"),
]


@pytest.mark.parametrize(("words", "message"), BAD_OPTIONS)
def test_bad_options(words: list[str], message: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert message in result.output


def test_errata_are_for_a_source_that_wants_them(tmp_path: Path) -> None:
    result = run("bravetti_contact", "--errata", str(tmp_path / "e.md"))
    assert result.exit_code == 2
    assert "errata" in result.output


def test_in_parallel_and_without_a_terminal(paper: Path) -> None:
    run(str(paper), "--update-values")
    done = subprocess.run(
        [sys.executable, "-m", "symplectic_codegen", "verify", str(paper), "--jobs", "2"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
