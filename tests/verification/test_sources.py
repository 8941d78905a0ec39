"""The sources that ship: all is as recorded, and the committed report and errata are current."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import symplectic_codegen as sc
from symplectic_codegen.verification.claims import Verdict
from symplectic_codegen.verification.command import summary
from symplectic_codegen.verification.mutation_score import mutation_path, read_score
from symplectic_codegen.verification.reports import errata_text, report_text, same_report
from symplectic_codegen.verification.sources import load_source, source_paths

FOLDER = Path(__file__).parents[2] / "derivations"
VOID = {"meta", "br", "link", "img", "input", "hr", "mspace", "use", "path", "line"}


def test_everything_is_as_recorded_and_the_committed_files_are_current() -> None:
    verification = sc.verify()
    assert verification.ok, [(f.label, f.problems) for f in verification.findings if f.problems]
    assert len(verification.findings) > 100
    assert {f.verdict for f in verification.findings} >= {
        Verdict.PROVED,
        Verdict.CORRECTED,
        Verdict.REFUTED,
        Verdict.ASSUMING,
        Verdict.NOT_CHECKABLE,
    }
    for finding in verification.findings:
        if finding.verdict in (Verdict.CORRECTED, Verdict.REFUTED, Verdict.ASSUMING):
            assert finding.counterexample is not None, finding.label
    report = report_text(verification, ".html", read_score(mutation_path()))
    assert same_report((FOLDER / "report.html").read_text(encoding="utf-8"), report)
    readme = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    assert summary(verification) in readme
    errata = errata_text(verification.sources[0])
    assert (FOLDER / "errata.md").read_text(encoding="utf-8") == errata


class _Balance(HTMLParser):
    """Raises if a tag is closed that is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.identifiers: list[str] = []
        self.targets: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        values = dict(attrs)
        if "id" in values:
            self.identifiers.append(str(values["id"]))
        target = values.get("href") or ""
        if target.startswith("#"):
            self.targets.append(target[1:])
        assert "src" not in values
        assert not target.startswith("http")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open
            assert self.open.pop() == tag


def test_the_page_is_one_file_without_scripts_whose_links_lead_somewhere() -> None:
    page = _Balance()
    page.feed((FOLDER / "report.html").read_text(encoding="utf-8"))
    assert page.open == []
    assert "script" not in page.tags
    assert {"math", "svg", "details", "nav", "figure"} <= page.tags
    assert set(page.targets) <= set(page.identifiers)
    repeated = {i for i in page.identifiers if page.identifiers.count(i) > 1}
    assert repeated == set()


def test_what_counts_as_the_same_report() -> None:
    page = '<math alttext="a" x="1"><mi>a</mi></math><figure data-values="7"><svg>1</svg>text'
    assert same_report(page, page.replace("<mi>a</mi>", "<mi>A</mi>").replace(">1<", ">2<"))
    for old, new in (('alttext="a"', 'alttext="b"'), ("7", "8"), ("text", "txet")):
        assert not same_report(page, page.replace(old, new, 1))


def test_nothing_on_the_page_is_unfinished() -> None:
    text = (FOLDER / "report.html").read_text(encoding="utf-8")
    plain = re.sub(r"<svg\b.*?</svg>", "", text, flags=re.DOTALL)
    for word in ("merror", "undefined", "{{ ", " }}", "None", "placeholder"):
        assert word not in plain, word


@pytest.mark.parametrize("path", source_paths(), ids=lambda p: p.stem)
def test_labels_are_sections_and_ordinals_in_order(path: Path) -> None:
    sections: list[str] = []
    last = 0
    for claim in load_source(path).claims:
        section, _, number = claim.label.rpartition(".")
        if not sections or sections[-1] != section:
            assert section not in sections, f"{section} is interrupted"
            sections.append(section)
            last = 0
        assert int(number) == last + 1, claim.label
        last = int(number)
        if claim.verdict in (Verdict.CORRECTED, Verdict.REFUTED, Verdict.ASSUMING):
            assert claim.reason, claim.label


def test_every_displayed_equation_of_the_paper_is_there() -> None:
    """44 displayed blocks in version 0.1.0; the two-line ones are one claim each."""
    paper = load_source(FOLDER / "learning_dynamics.py")
    assert sum(bool(claim.printed) for claim in paper.claims) == 44
