"""What `symplectic-codegen verify` does: lines to print, files to write, and its exit status."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from symplectic_codegen.errors import OutputError
from symplectic_codegen.files import write_files
from symplectic_codegen.resources import processors
from symplectic_codegen.verification.checking import Evidence, Finding
from symplectic_codegen.verification.claims import Claim, Verdict
from symplectic_codegen.verification.mutation_score import (
    MutationScore,
    mutation_path,
    read_score,
    run_mutation,
    score_text,
)
from symplectic_codegen.verification.relations import SourceError
from symplectic_codegen.verification.reports import (
    MARKS,
    check_report_path,
    errata_text,
    report_text,
    same_report,
)
from symplectic_codegen.verification.sources import source_paths
from symplectic_codegen.verification.verify import (
    SourceReport,
    Verification,
    update_values,
    verify,
)

_COLOURS: Final = {
    Verdict.PROVED: "green",
    Verdict.NUMERICAL: "green",
    Verdict.CORRECTED: "yellow",
    Verdict.REFUTED: "red",
    Verdict.ASSUMING: "magenta",
    Verdict.NOT_CHECKABLE: "bright_black",
}


def run(
    names: Sequence[str],
    claim: str | None,
    reports: Sequence[Path],
    errata: Path | None,
    check: bool,
    update_values: bool,
    mutation: bool,
    jobs: int | None,
    progress: Callable[[Any, int], Any],
) -> Iterator[str]:
    """Verify, yield what is to be printed, and leave with status 1 if something does not hold.

    Raises:
        SymplecticCodegenError: the options or a source do not make sense.
    """
    _check_options(names, claim, reports, errata, update_values, mutation)
    workers = jobs or processors()
    verification = verify(*names, claim=claim, jobs=workers, progress=progress)
    if update_values:
        verification, lines = _updated(verification)
        yield from lines
    for report in verification.sources:
        yield from _source_lines(report, detailed=claim is not None)
    score = None
    if mutation:
        score = run_mutation(source_paths(), workers, progress)
        yield from _score_lines(score)
        path = mutation_path()
        if not check:
            write_files(path.parent, {path.name: score_text(score)})
    elif not names and claim is None:
        score = read_score(mutation_path())
    files = {path: report_text(verification, path.suffix, score) for path in reports}
    if errata is not None:
        files[errata] = errata_text(_with_errata(verification))
    stale = list(_store(files, check))
    if mutation and check and read_score(mutation_path()) != score:
        stale.append(f"not current: {mutation_path().name}; run verify --mutation")
    yield from stale
    yield summary(verification)
    if not verification.ok or (stale and check) or (score is not None and _unexplained(score)):
        raise SystemExit(1)


def _check_options(
    names: Sequence[str],
    claim: str | None,
    reports: Sequence[Path],
    errata: Path | None,
    update: bool,
    mutation: bool,
) -> None:
    for path in reports:
        check_report_path(path)
    if claim is not None and (reports or errata or update or mutation):
        raise SourceError(
            "--claim shows one claim; reports, errata, values and mutations are of whole sources"
        )
    if mutation and names:
        raise SourceError("--mutation runs over all sources that ship; name none")


def _updated(verification: Verification) -> tuple[Verification, list[str]]:
    updated, lines = update_values(verification)
    return updated, [*lines, f"{len(lines)} trusted values changed"]


def _store(files: Mapping[Path, str], check: bool) -> Iterator[str]:
    """Write the files, or say which are not current."""
    for path, text in files.items():
        if not check:
            write_files(path.parent, {path.name: text})
            yield f"written: {path}"
            continue
        try:
            there = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            yield f"missing: {path}"
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise OutputError(f"cannot read {path}: {error}") from None
        if not same_report(there, text):
            yield f"not current: {path}"


def _with_errata(verification: Verification) -> SourceReport:
    found = [report for report in verification.sources if report.source.errata]
    if len(found) != 1:
        raise SourceError("--errata is for one source that wants an errata list (errata=True)")
    return found[0]


def _source_lines(report: SourceReport, detailed: bool) -> Iterator[str]:
    yield f"{report.source.name}: {report.source.title}"
    yield from (f"  problem: {problem}" for problem in report.problems)
    width = max(len(f.label) for f in report.findings)
    for finding in report.findings:
        claim = report.source.claim(finding.label)
        assert claim is not None
        verdict = finding.verdict
        note = claim.reason if verdict is not Verdict.PROVED else ""
        line = f"  {MARKS[verdict]} {finding.label:<{width}}  {verdict.value}"
        line = click.style(line, fg=_COLOURS[verdict])  # seen on a terminal only
        yield line + (f": {_short(note)}" if note and not detailed else "")
        yield from (f"      problem: {problem}" for problem in finding.problems)
        if detailed:
            yield from _details(claim, finding)


def _short(text: str, width: int = 100) -> str:
    return text if len(text) <= width else text[: width - 1].rsplit(" ", 1)[0] + " …"


def _details(claim: Claim, finding: Finding) -> Iterator[str]:
    if claim.sentence:
        yield f"    “{claim.sentence}”"
    if claim.printed:
        yield f"    {claim.printed}"
    yield from _evidence_lines("as printed", finding.printed)
    yield from _evidence_lines("corrected", finding.correct)
    if finding.assuming is not None:
        yield from _evidence_lines(f"if {finding.assuming.text}", finding.assuming.evidence)
    if finding.repair is not None:
        yield from _evidence_lines(f"repair: {finding.repair.text}", finding.repair.evidence)
    for step in finding.steps:
        yield from _evidence_lines(f"step: {step.text}", step.evidence)
    for title, text in (("reason", claim.reason), ("remark", claim.remark)):
        if text:
            yield f"    {title}: {text}"


def _evidence_lines(title: str, evidence: Sequence[Evidence]) -> Iterator[str]:
    if not evidence:
        return
    yield f"    {title}"
    for e in evidence:
        mark = "✗" if e.status == "refuted" else "✓" if e.status == "proved" else "≈"
        yield f"      {mark} {e.text}"
        detail = str(e.counterexample) if e.counterexample else e.detail
        yield f"        {detail}"
        if e.units:
            yield f"        units: {e.units}"


def _score_lines(score: MutationScore) -> Iterator[str]:
    ways = ", ".join(f"{count} by {way}" for way, count in score.ways)
    yield f"mutation test: {score.noticed} of {score.total} changes are noticed ({ways})"
    yield from (f"  unexplained: {line}" for line in _unexplained(score))


def _unexplained(score: MutationScore) -> list[str]:
    return [f"{s.source} {s.label}: {s.mutated} ({s.change})" for s in score.survivors
            if not s.reason]  # fmt: skip


def summary(verification: Verification) -> str:
    """The last line: how many claims have which verdict, and whether all is as recorded."""
    counts = [(v, sum(s.count(v) for s in verification.sources)) for v in Verdict]
    listed = ", ".join(f"{count} {v.value}" for v, count in counts if count)
    wrong = sum(not f.ok for f in verification.findings)
    wrong += sum(len(s.problems) for s in verification.sources)
    state = "all as recorded" if not wrong else f"{wrong} not as recorded"
    return f"{len(verification.findings)} claims: {listed}; {state}"
