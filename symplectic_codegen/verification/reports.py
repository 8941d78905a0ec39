"""A verification as a page, as Markdown, as JSON, and as a list of errata."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from latex2mathml.converter import convert

from symplectic_codegen.targets.rendering import render
from symplectic_codegen.verification.checking import CaseFinding, Evidence, Finding
from symplectic_codegen.verification.claims import Case, Claim, Setting, Source, Verdict
from symplectic_codegen.verification.drawing import can_draw, digest, draw
from symplectic_codegen.verification.formulas import text_latex
from symplectic_codegen.verification.mutation_score import MutationScore, Survivor
from symplectic_codegen.verification.pictures import Picture
from symplectic_codegen.verification.relations import SourceError
from symplectic_codegen.verification.verify import SourceReport, Verification

FORMATS: Final = (".html", ".md", ".json")
MARKS: Final = {
    Verdict.PROVED: "✓",
    Verdict.NUMERICAL: "≈",
    Verdict.CORRECTED: "✎",
    Verdict.REFUTED: "✗",
    Verdict.ASSUMING: "◐",
    Verdict.NOT_CHECKABLE: "·",
}
_CLASSES: Final = {v: v.name.lower().replace("_", "-") for v in Verdict}
_TO_CORRECT: Final = (Verdict.CORRECTED, Verdict.REFUTED, Verdict.ASSUMING)
_STRUCTURE: Final = re.compile(r"\\\{|\\\}|\\qquad|\\begin|\\end|\\left|\\right|[{}]")
_FORMULA: Final = re.compile(r'<math\b[^>]*( alttext="[^"]*")[^>]*>.*?</math>', re.DOTALL)
_DRAWING: Final = re.compile(r"<svg\b.*?</svg>", re.DOTALL)


def report_text(verification: Verification, suffix: str, score: MutationScore | None = None) -> str:
    """The report in the format that belongs to a file suffix.

    Raises:
        SourceError: there is no such format.
    """
    match suffix:
        case ".html":
            return _html(verification, score)
        case ".md":
            return _markdown(verification, score)
        case ".json":
            return json.dumps(_json(verification, score), indent=1, ensure_ascii=False) + "\n"
    raise SourceError(f"a report is a file ending in {', '.join(FORMATS)}, not {suffix!r}")


def same_report(there: str, now: str) -> bool:
    """Whether two reports say the same.

    How a curve and a formula are written out changes with the versions of Matplotlib and
    latex2mathml. Curves are compared by the digest of their data, which stands beside each drawing,
    formulas by their LaTeX, which each carries as its alternative text; all else by the letter.
    """
    return _content(there) == _content(now)


def _content(report: str) -> str:
    return _FORMULA.sub(r"\1", _DRAWING.sub("", report))


def errata_text(report: SourceReport) -> str:
    """What is to be corrected in a paper, in the order of its text."""
    rows = [
        (source_claim, finding)
        for source_claim, finding in _pairs(report)
        if finding.verdict in _TO_CORRECT
    ]
    source = report.source
    lines = [
        f"# Errata: {source.title}",
        "",
        f"{source.reference}.",
        "",
        f"{len(rows)} of {len(report.findings)} checked statements need a change; the others hold "
        "or make no checkable claim. Labels are sections, numbered in the order of the text. Every "
        "correction is machine-checked, every objection has a counterexample in numbers or an "
        "identity (details: report.html).",
        "",
        "| label | what is wrong |",
        "|---|---|",
        *(f"| [{c.label}](#{_anchor(c.label)}) | {c.reason} |" for c, _ in rows),
    ]
    for claim, finding in rows:
        lines += ["", f"## {claim.label}", "", *_erratum(claim, finding)]
    return "\n".join(lines) + "\n"


def _anchor(label: str) -> str:
    return label.replace(".", "")


def _erratum(claim: Claim, finding: Finding) -> Iterator[str]:
    if claim.sentence:
        yield f"Printed: “{claim.sentence}”"
    if claim.printed:
        yield from ("Printed:" if not claim.sentence else "", "", f"$$ {claim.printed} $$")
    yield ""
    if finding.verdict is Verdict.CORRECTED:
        yield from ("Correct:", "", f"$$ {_corrected(claim)} $$")
    elif finding.verdict is Verdict.ASSUMING and claim.assuming is not None:
        yield f"Add: {claim.assuming.text}."
    else:
        yield "Refuted as it stands."
    yield from ("", f"Reason: {claim.reason}")
    if finding.counterexample is not None:
        yield from ("", f"Counterexample to ${_refuted(finding)}$: {finding.counterexample}.")
    if claim.repair is not None:
        yield from ("", f"What makes it true: {claim.repair.text}:", "")
        yield f"$$ {_formulas(claim.repair.states)} $$"


def _corrected(claim: Claim) -> str:
    if claim.corrected:
        return claim.corrected
    changed = [text for text in claim.correct if text not in claim.states]
    return _formulas(changed or claim.correct)


def _formulas(texts: Sequence[str]) -> str:
    return r",\qquad ".join(text_latex(text) for text in texts)


def _pairs(report: SourceReport) -> Iterator[tuple[Claim, Finding]]:
    for finding in report.findings:
        claim = report.source.claim(finding.label)
        assert claim is not None
        yield claim, finding


# ------------------------------------------------------------------------------------------- page


def _html(verification: Verification, score: MutationScore | None) -> str:
    context = {
        "total": len(verification.findings),
        "counts": [
            {"mark": MARKS[v], "name": v.value, "class": _CLASSES[v], "count": count}
            for v in Verdict
            if (count := sum(s.count(v) for s in verification.sources))
        ],
        "ok": verification.ok,
        "mutation": _mutation_html(score),
        "sources": [_source_html(report) for report in verification.sources],
    }
    return render("report/report.html.jinja", context)


def _source_html(report: SourceReport) -> dict[str, Any]:
    source = report.source
    sections: list[dict[str, Any]] = []
    for claim, finding in _pairs(report):
        title = claim.label.rpartition(".")[0]
        if not sections or sections[-1]["title"] != title:
            sections.append({"title": title, "id": f"{source.name}.{title}", "claims": []})
        sections[-1]["claims"].append(_claim_html(source, claim, finding))
    return {
        "id": source.name,
        "title": escape(source.title),
        "reference": escape(source.reference),
        "notes": escape(source.notes),
        "counts": ", ".join(f"{count} {v.value}" for v in Verdict if (count := report.count(v))),
        "problems": [escape(problem) for problem in report.problems],
        "sections": sections,
    }


def _claim_html(source: Source, claim: Claim, finding: Finding) -> dict[str, Any]:
    corrected = finding.verdict is Verdict.CORRECTED
    shown = [p for p in source.pictures if p.name in claim.pictures]
    return {
        "id": f"{source.name}.{claim.label}",
        "label": escape(claim.label),
        "verdict": finding.verdict.value,
        "class": _CLASSES[finding.verdict],
        "mark": MARKS[finding.verdict],
        "printed": _mathml(claim.printed) if claim.printed else "",
        "sentence": escape(claim.sentence),
        "quoted": source.quoted,
        "corrected": _mathml(_corrected(claim)) if corrected else "",
        "reason": escape(claim.reason),
        "assuming": escape(claim.assuming.text) if claim.assuming else "",
        "counterexample": escape(str(finding.counterexample or "")),
        "counter_relation": _mathml(_refuted(finding)) if finding.counterexample else "",
        "units": escape(_units(finding)),
        "remark": escape(claim.remark),
        "repair": escape(claim.repair.text) if claim.repair else "",
        "repair_formulas": _rows_html(finding.repair.evidence) if finding.repair else [],
        "problems": [escape(problem) for problem in finding.problems],
        "statements": _statements_html(claim, finding),
        "pictures": [_picture_html(picture) for picture in shown
                     if _is_first(source, claim, picture)],
        "elsewhere": [
            {"name": p.name, "id": f"picture.{p.name}"} for p in shown
            if not _is_first(source, claim, p)
        ],
    }  # fmt: skip


def _is_first(source: Source, claim: Claim, picture: Picture) -> bool:
    """Whether this claim is the first to show the picture: it is drawn there, once."""
    first = next(c for c in source.claims if picture.name in c.pictures)
    return first.label == claim.label


def _refuted(finding: Finding) -> str:
    return next(e.latex for e in finding.printed if e.counterexample)


def _units(finding: Finding) -> str:
    return "; ".join(dict.fromkeys(e.units for e in finding.printed if e.units))


def _statements_html(claim: Claim, finding: Finding) -> list[dict[str, Any]]:
    """What was checked, in groups: shown folded."""
    groups: list[tuple[str, str, Sequence[Evidence]]] = []
    groups.append(("as printed", _setting(claim.on), finding.printed))
    groups.append(("corrected", _setting(claim.on), finding.correct))
    if claim.assuming is not None and finding.assuming is not None:
        groups.append(_group("under the assumption", claim, claim.assuming, finding.assuming))
    if claim.repair is not None and finding.repair is not None:
        groups.append(_group("repaired", claim, claim.repair, finding.repair))
    for step, found in zip(claim.steps, finding.steps, strict=True):
        groups.append(_group(f"step: {step.text}", claim, step, found))
    definitions = {**claim.where, **claim.on.where}
    where = ", ".join(f"{n} = {v}" for n, v in definitions.items() if isinstance(v, str))
    return [
        {
            "title": escape(title),
            "setting": escape(setting + (f"; where {where}" if where and number == 0 else "")),
            "rows": _rows_html(evidence),
        }
        for number, (title, setting, evidence) in enumerate(groups)
        if evidence
    ]


def _group(
    title: str, claim: Claim, case: Case, found: CaseFinding
) -> tuple[str, str, Sequence[Evidence]]:
    return title, _setting(case.on or claim.on), found.evidence


def _setting(setting: Setting) -> str:
    """A setting in one line."""
    parts = []
    if setting.catalog is not None:
        parts.append(f"catalogue entry {setting.catalog}")
    elif setting.hamiltonian is not None:
        parts.append(f"H = {setting.hamiltonian}")
    else:
        parts.append("any H")
    if setting.coupling == "X":
        parts.append("Y is the coordinate")
    if setting.dim is not None:
        parts.append(f"d = {setting.dim}")
    if setting.brackets:
        parts.append("with the printed brackets")
    parts += setting.reparam
    if setting.integrator != "lie-trotter":
        parts.append(f"integrator {setting.integrator}")
    return "; ".join(parts)


def _rows_html(evidence: Sequence[Evidence]) -> list[dict[str, str]]:
    return [
        {
            "math": _mathml(e.latex),
            "text": escape(e.text),
            "status": {"proved": "holds", "numerical": "holds", "refuted": "fails"}[e.status],
            "detail": escape(e.detail or str(e.counterexample)),
        }
        for e in evidence
    ]


def _picture_html(picture: Picture) -> dict[str, Any]:
    if not can_draw():
        note = "(not drawn: install symplectic-codegen[report])"
        return {"id": f"picture.{picture.name}", "caption": f"{escape(picture.caption)} {note}",
                "digest": "", "drawings": []}  # fmt: skip
    panels = picture.draw()
    return {
        "id": f"picture.{picture.name}",
        "caption": escape(picture.caption),
        "digest": digest(panels),
        "drawings": draw(picture, panels),
    }


def _mutation_html(score: MutationScore | None) -> dict[str, Any] | None:
    if score is None:
        return None
    return {
        "total": score.total,
        "noticed": score.noticed,
        "percent": f"{100 * score.noticed / score.total:.1f}",
        "ways": ", ".join(f"{count} by {way}" for way, count in score.ways),
        "survivors": [
            {
                "id": f"{first.source}.{first.label}",
                "label": escape(first.label),
                "reason": escape(first.reason),
                "changes": [{"mutated": escape(s.mutated), "change": escape(s.change)}
                            for s in (first, *others)],
            }
            for first, *others in _by_claim(score.survivors)
        ],
    }  # fmt: skip


def _by_claim(survivors: Sequence[Survivor]) -> list[list[Survivor]]:
    groups: dict[tuple[str, str], list[Survivor]] = {}
    for survivor in survivors:
        groups.setdefault((survivor.source, survivor.label), []).append(survivor)
    return list(groups.values())


def _mathml(latex: str) -> str:
    """MathML, in parts where the formula has wide gaps, so that they can wrap on a narrow page."""
    return "".join(f'<div class="part">{_formula(part)}</div>' for part in _parts(latex))


def _formula(latex: str) -> str:
    mathml = convert(latex, display="block")
    return mathml.replace("<math ", f'<math alttext="{escape(latex.strip())}" ', 1)


def _parts(latex: str) -> Iterator[str]:
    """The formula, cut at every gap that lies inside no braces and no environment."""
    depth, start = 0, 0
    for match in _STRUCTURE.finditer(latex):
        token = match[0]
        if token == r"\qquad" and depth == 0:
            yield latex[start : match.start()]
            start = match.end()
        elif token in (r"\begin", r"\left", "{"):
            depth += 1
        elif token in (r"\end", r"\right", "}"):
            depth -= 1
    yield latex[start:]


# --------------------------------------------------------------------------------- Markdown, JSON


def _markdown(verification: Verification, score: MutationScore | None) -> str:
    lines = ["# Verification", ""]
    for verdict in Verdict:
        count = sum(s.count(verdict) for s in verification.sources)
        if count:
            lines.append(f"- {MARKS[verdict]} {verdict.value}: {count}")
    if score is not None:
        lines.append(f"- mutation test: {score.noticed} of {score.total} changes are noticed")
    for report in verification.sources:
        lines += ["", f"## {report.source.title}", "", f"{report.source.reference}."]
        lines += [f"- **{problem}**" for problem in report.problems]
        for claim, finding in _pairs(report):
            lines += ["", *_claim_markdown(claim, finding, report.source.quoted)]
    return "\n".join(lines) + "\n"


def _claim_markdown(claim: Claim, finding: Finding, quoted: bool) -> Iterator[str]:
    yield f"### {claim.label}: {MARKS[finding.verdict]} {finding.verdict.value}"
    yield ""
    if claim.sentence:
        yield from (f"> {claim.sentence}" if quoted else claim.sentence, "")
    if claim.printed:
        yield from (f"$$ {claim.printed} $$", "")
    if finding.verdict is Verdict.CORRECTED:
        yield from ("Correct:", "", f"$$ {_corrected(claim)} $$", "")
    if claim.assuming is not None:
        yield from (f"Assumption: {claim.assuming.text}.", "")
    for title, text in (
        ("Reason", claim.reason),
        ("Counterexample", str(finding.counterexample or "")),
        ("Units", _units(finding)),
        ("Repair", claim.repair.text if claim.repair else ""),
        ("Remark", claim.remark),
    ):
        if text:
            yield from (f"{title}: {text}", "")
    for problem in finding.problems:
        yield from (f"**{problem}**", "")
    for group in _statement_groups(finding):
        yield f"- `{group.text}`: {group.status}" + (f" ({group.detail})" if group.detail else "")


def _statement_groups(finding: Finding) -> tuple[Evidence, ...]:
    cases = [c for c in (finding.assuming, finding.repair, *finding.steps) if c is not None]
    return (*finding.printed, *finding.correct, *(e for case in cases for e in case.evidence))


def _json(verification: Verification, score: MutationScore | None) -> dict[str, Any]:
    return {
        "ok": verification.ok,
        "mutation": None if score is None else {"total": score.total, "noticed": score.noticed},
        "sources": [
            {
                "name": report.source.name,
                "title": report.source.title,
                "reference": report.source.reference,
                "problems": list(report.problems),
                "claims": [_claim_json(c, f) for c, f in _pairs(report)],
            }
            for report in verification.sources
        ],
    }


def _claim_json(claim: Claim, finding: Finding) -> dict[str, Any]:
    return {
        "label": claim.label,
        "printed": claim.printed,
        "sentence": claim.sentence,
        "verdict": finding.verdict.value,
        "recorded": finding.recorded.value,
        "ok": finding.ok,
        "problems": list(finding.problems),
        "corrected": _corrected(claim) if finding.verdict is Verdict.CORRECTED else None,
        "assumption": claim.assuming.text if claim.assuming else None,
        "reason": claim.reason,
        "remark": claim.remark,
        "repair": claim.repair.text if claim.repair else None,
        "relations": [
            {
                "relation": e.text,
                "status": e.status,
                "detail": e.detail,
                "counterexample": str(e.counterexample) if e.counterexample else None,
                "units": e.units or None,
            }
            for e in _statement_groups(finding)
        ],
    }


def check_report_path(path: Path) -> None:
    """Refuse a report file of an unknown format before anything is computed.

    Raises:
        SourceError: it has none of the known suffixes.
    """
    if path.suffix not in FORMATS:
        raise SourceError(f"{path}: a report ends in {', '.join(FORMATS)}")
