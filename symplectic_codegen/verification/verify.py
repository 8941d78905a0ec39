"""Checking whole sources, on all processors, and comparing with what is recorded."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from symplectic_codegen.errors import SymplecticCodegenError
from symplectic_codegen.files import write_files
from symplectic_codegen.resources import time_limit
from symplectic_codegen.verification.checking import Finding, check_claim
from symplectic_codegen.verification.claims import Source, Verdict
from symplectic_codegen.verification.relations import SourceError
from symplectic_codegen.verification.sources import find_source, load_source, source_paths
from symplectic_codegen.verification.trusted import (
    Values,
    compare,
    forgotten,
    read_values,
    trusted_path,
    values_text,
)

CLAIM_SECONDS = 120  # a claim that takes longer is given up: SymPy can search for ever
Progress = Callable[[Iterable[Finding], int], Iterable[Finding]]


@dataclass(frozen=True)
class SourceReport:
    """One source with its findings, in the order of its claims.

    >>> report = verify("franca_2020", claim="momentum.1")
    >>> report.ok, report.sources[0].findings[0].verdict.value
    (True, 'proved')
    """

    path: Path
    source: Source
    findings: tuple[Finding, ...]
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every verdict is the recorded one and every value the trusted one."""
        return not self.problems and all(f.ok for f in self.findings)

    def count(self, verdict: Verdict) -> int:
        """How many claims have this verdict."""
        return sum(f.verdict is verdict for f in self.findings)


@dataclass(frozen=True)
class Verification:
    """All sources that were verified."""

    sources: tuple[SourceReport, ...]

    @property
    def ok(self) -> bool:
        """Whether everything is as recorded."""
        return all(s.ok for s in self.sources)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings."""
        return tuple(f for s in self.sources for f in s.findings)


def verify(
    *names: str,
    claim: str | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Verification:
    """Check the claims of sources against the engine, the recorded verdicts and trusted values.

    Args:
        names: names of sources that ship, or paths of files that end in .py; all that ship if none.
        claim: the label of one claim.
        jobs: processes. With more than one, a script needs its ``if __name__ == "__main__":``.
        progress: wraps the findings as they come, for a progress display.

    Raises:
        SymplecticCodegenError: there is no such source or claim, or one is not well formed.

    >>> verify("learning_dynamics", claim="evolution.12").sources[0].findings[0].verdict.value
    'proved after correction'
    """
    paths = [find_source(name) for name in names] or list(source_paths())
    sources = [(path, load_source(path)) for path in paths]
    work = [
        (path, c.label) for path, source in sources for c in source.claims
        if claim in (None, c.label)
    ]  # fmt: skip
    if not work:
        raise SourceError(_no_claim(claim, [source for _, source in sources]))
    if min(jobs, len(work)) == 1:
        loaded = dict(sources)
        stream: Iterator[Finding] = (_check_in(loaded[path], label) for path, label in work)
    else:
        stream = _in_parallel(work, jobs)
    found = list((progress or _silent)(stream, len(work)))
    by_path: dict[Path, list[Finding]] = {path: [] for path in paths}
    for (path, _), finding in zip(work, found, strict=True):
        by_path[path].append(finding)
    return Verification(
        tuple(
            _compared(path, source, by_path[path], whole=claim is None)
            for path, source in sources
            if by_path[path]
        )
    )


def update_values(verification: Verification) -> tuple[Verification, list[str]]:
    """Store the values that were found as the trusted ones.

    Returns:
        The verification as it is then, and what has changed, one line each.
    """
    lines: list[str] = []
    updated: list[SourceReport] = []
    for report in verification.sources:
        stored = read_values(report.path)
        changed = [f"{f.label}: {line}" for f in report.findings for line in compare(f, stored)]
        changed += forgotten(stored, [c.label for c in report.source.claims])
        lines += [f"{report.source.name}: {line}" for line in changed]
        if changed:
            target = trusted_path(report.path)
            text = values_text(report.source.name, report.findings)
            write_files(target.parent, {target.name: text})
        plain = [replace(f, problems=_own_problems(f, stored)) for f in report.findings]
        updated.append(_compared(report.path, report.source, plain, whole=True))
    return Verification(tuple(updated)), lines


def _own_problems(finding: Finding, stored: Values) -> tuple[str, ...]:
    """The problems of a finding apart from those of its stored values."""
    about_values = set(compare(finding, stored))
    return tuple(problem for problem in finding.problems if problem not in about_values)


def _compared(path: Path, source: Source, findings: Sequence[Finding], whole: bool) -> SourceReport:
    stored = read_values(path)
    checked = tuple(replace(f, problems=(*f.problems, *compare(f, stored))) for f in findings)
    labels = [c.label for c in source.claims]
    return SourceReport(path, source, checked, tuple(forgotten(stored, labels)) if whole else ())


def _in_parallel(work: Sequence[tuple[Path, str]], jobs: int) -> Iterator[Finding]:
    """The findings in the order of the work, whichever process computes them."""
    # Spawned workers: a process that is forked while a display thread runs can hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(work)), mp_context=context) as pool:
        yield from pool.map(_check, *zip(*work, strict=True), chunksize=2)


def _check(path: Path, label: str) -> Finding:
    return _check_in(_loaded(path), label)


@lru_cache(maxsize=32)
def _loaded(path: Path) -> Source:
    """For a worker, which lives for one verification and gets the claims of a source one by one."""
    return load_source(path)


def _check_in(source: Source, label: str) -> Finding:
    claim = source.claim(label)
    assert claim is not None
    try:
        with time_limit(CLAIM_SECONDS):
            return check_claim(source, claim)
    except SymplecticCodegenError as error:
        # As one plain error: others carry more than can be sent from one process to another.
        raise SourceError(f"{source.name}, claim {label}: {error}") from None


def _silent(findings: Iterable[Finding], _count: int) -> Iterable[Finding]:
    return findings


def _no_claim(label: str | None, sources: Sequence[Source]) -> str:
    if label is None:
        return "the source has no claims"
    sections = sorted({c.label.rpartition(".")[0] for s in sources for c in s.claims})
    return f"there is no claim {label!r}; the sections are {', '.join(sections)}"
