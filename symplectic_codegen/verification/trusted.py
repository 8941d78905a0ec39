"""Trusted values: both sides of every relation at reproducible points, stored beside the sources.

A stored value is an oracle. A value that differs and a value that is missing are failures; stored
values change only by an explicit update, which says what it changes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import mpmath

from symplectic_codegen.verification.checking import Finding
from symplectic_codegen.verification.points import DIGITS
from symplectic_codegen.verification.relations import SourceError

FORMAT: Final = 1
_RELATIVE: Final = 10 ** (2 - DIGITS)

Values = dict[str, Any]


def trusted_path(source_file: Path) -> Path:
    """Where the values of a source are stored."""
    return source_file.parent / "trusted" / f"{source_file.stem}.json"


def read_values(source_file: Path) -> Values:
    """The stored values, by label; empty if there is no file (then every value is missing).

    Raises:
        SourceError: the file is not what an update writes.
    """
    path = trusted_path(source_file)
    if not path.exists():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: this is not JSON: {error}") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise SourceError(f"{path}: no trusted values of format {FORMAT}; write them anew with "
                          "verify --update-values")  # fmt: skip
    values = data.get("claims")
    if not isinstance(values, dict):
        raise SourceError(f"{path}: the key 'claims' is missing")
    return values


def values_text(source: str, findings: Sequence[Finding]) -> str:
    """The file of stored values."""
    claims = {f.label: f.values for f in findings if f.values}
    data = {"format": FORMAT, "source": source, "digits": DIGITS, "claims": claims}
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def compare(finding: Finding, stored: Values) -> list[str]:
    """How a finding differs from the stored values, one line each; empty if it does not."""
    known = stored.get(finding.label, {})
    lines: list[str] = []
    for part, relations in finding.values.items():
        old = known.get(part, {})
        for text, points in relations.items():
            if text not in old:
                lines.append(f"no trusted value for {part}: {text}")
            else:
                lines += _different(f"{part}: {text}", old[text], points)
        lines += [f"no longer stated, {part}: {text}" for text in old if text not in relations]
    lines += [f"no longer stated: {part}" for part in known if part not in finding.values]
    return lines


def forgotten(stored: Mapping[str, Any], labels: Sequence[str]) -> list[str]:
    """Stored labels that no claim has any more."""
    return [f"{label}: stored, but no claim has this label" for label in stored
            if label not in labels]  # fmt: skip


def _different(where: str, old: Any, new: Sequence[Sequence[str]]) -> list[str]:
    if not isinstance(old, list) or len(old) != len(new):
        return [f"the trusted values of {where} have another number of points"]
    lines = []
    for number, (before, now) in enumerate(zip(old, new, strict=True)):
        for side, a, b in zip(("left", "right"), before, now, strict=True):
            if not _same(a, b):
                lines.append(f"{where}: {side} side at point {number}: {a} is trusted, {b} found")
    return lines


def _same(a: str, b: str) -> bool:
    if a == b:
        return True
    if "undefined" in (a, b):
        return False
    with mpmath.workdps(DIGITS + 10):
        x, y = mpmath.mpf(a), mpmath.mpf(b)
        return bool(abs(x - y) <= _RELATIVE * (1 + abs(x)))
