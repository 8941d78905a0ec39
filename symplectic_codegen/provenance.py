"""Who made a generated file, from what, and whether somebody changed it since.

Needs the standard library only: a vendored copy is checked without SymPy and without templates.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

VERSION = "0.1.0"
MANIFEST = "manifest.json"
SUFFIXES = (".py", ".cuh", ".cu")  # of generated files
UNSEALED = "0" * 64  # what stands in the place of the hash while it is computed

_SEAL = re.compile(r'("body_sha256": ")([0-9a-f]{64})(")')
# In C++ the assignment stands in a comment at the end of the file.
_IN_COMMENT = re.compile(r"^/\*[^\n]*\n\n(PROVENANCE = \{\n.*?^\}\n)\*/", re.MULTILINE | re.DOTALL)


class State(Enum):
    """What is known of a generated file."""

    UNTOUCHED = "untouched"
    EDITED = "edited"
    STALE = "stale"
    UNKNOWN = "not generated"


@dataclass(frozen=True)
class Finding:
    """The state of one file, and why."""

    path: str
    state: State
    reason: str

    @property
    def ok(self) -> bool:
        return self.state is State.UNTOUCHED


def seal(text: str) -> str:
    """`text` with the hash of its own body in PROVENANCE.

    Raises:
        ValueError: there is not exactly one unsealed place.
    """
    if len(_SEAL.findall(text)) != 1:
        raise ValueError("a generated file has exactly one body_sha256")
    return _SEAL.sub(lambda m: m.group(1) + _body_hash(text) + m.group(3), text)


def _body_hash(text: str) -> str:
    blank = _SEAL.sub(lambda m: m.group(1) + UNSEALED + m.group(3), text)
    return hashlib.sha256(blank.encode()).hexdigest()


def read_provenance(text: str) -> Mapping[str, Any] | None:
    """The PROVENANCE of a generated file, read without running it; None if it has none.

    >>> text = 'int x;\\n\\n/* Made from:\\n\\nPROVENANCE = {\\n    "name": "x",\\n}\\n*/\\n'
    >>> read_provenance(text)
    {'name': 'x'}
    """
    commented = _IN_COMMENT.search(text)
    if commented is not None:
        text = commented.group(1)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            (target,) = node.targets
            if isinstance(target, ast.Name) and target.id == "PROVENANCE":
                try:
                    value = ast.literal_eval(node.value)
                except (ValueError, TypeError, SyntaxError, RecursionError):
                    return None
                return value if isinstance(value, dict) else None
    return None


def inspect(path: Path, name: str, text: str, manifest: Mapping[str, Any] | None) -> Finding:
    """The state of one generated file.

    Args:
        path: for the report.
        name: path relative to the manifest.
        text: the content.
        manifest: the manifest beside it, if there is one.
    """
    shown = path.as_posix()
    seals = _SEAL.findall(text)
    if len(seals) != 1:
        return Finding(shown, State.UNKNOWN, "it has no PROVENANCE of this generator")
    recorded = seals[0][1]
    if _body_hash(text) != recorded:
        return Finding(
            shown, State.EDITED, "its text does not match its body_sha256: somebody changed it"
        )
    entry = (manifest or {}).get("files", {}).get(name)
    if manifest is not None and entry is None:
        return Finding(shown, State.STALE, f"{MANIFEST} beside it does not list it")
    if entry is not None and entry["body_sha256"] != recorded:
        return Finding(shown, State.STALE, f"{MANIFEST} beside it lists another version of it")
    provenance = read_provenance(text) or {}
    made_by = provenance.get("generator version", "an unknown version")
    if made_by != VERSION:
        return Finding(shown, State.STALE, f"made by version {made_by}; this is version {VERSION}")
    return Finding(shown, State.UNTOUCHED, "its text matches its body_sha256")


def manifest_text(files: Mapping[str, str]) -> str:
    """The manifest of generated files, given by relative path."""
    entries = {}
    for path, text in sorted(files.items()):
        provenance = read_provenance(text) or {}
        entries[path] = {
            "name": provenance.get("name"),
            "target": provenance.get("target"),
            "spec_sha256": provenance.get("spec_sha256"),
            "body_sha256": _SEAL.findall(text)[0][1],
        }
    data = {"format": 1, "generator version": VERSION, "files": entries}
    return json.dumps(data, indent=2) + "\n"


def read_manifest(text: str) -> Mapping[str, Any] | None:
    """A manifest from its text; None if it is none."""
    try:
        data = json.loads(text)
    except ValueError:
        return None
    usable = isinstance(data, dict) and isinstance(data.get("files"), dict)
    return data if usable else None


def inspect_all(paths: Iterable[Path]) -> list[Finding]:
    """The state of every generated file under `paths`.

    Raises:
        OSError: a path cannot be read.
    """
    findings = []
    for root in paths:
        if root.is_dir():
            # A tree is judged file by file; the manifest also knows what is missing.
            findings += _inspect_tree(root)
        else:
            findings.append(_inspect_file(root))
    return findings


def _inspect_file(path: Path) -> Finding:
    for folder in list(path.resolve().parents)[:3]:
        manifest = folder / MANIFEST
        if manifest.is_file():
            name = path.resolve().relative_to(folder).as_posix()
            known = read_manifest(manifest.read_text(encoding="utf-8"))
            return inspect(path, name, _read(path), known)
    return inspect(path, path.name, _read(path), None)


def _inspect_tree(root: Path) -> list[Finding]:
    findings = [
        _inspect_file(path)
        for path in sorted(root.rglob("*"))
        if path.suffix in SUFFIXES and "__pycache__" not in path.parts and path.is_file()
    ]
    if (root / MANIFEST).is_file():
        known = read_manifest(_read(root / MANIFEST)) or {"files": {}}
        for name in sorted(known["files"]):
            if not (root / name).is_file():
                missing = (root / name).as_posix()
                findings.append(Finding(missing, State.STALE, f"{MANIFEST} lists it; it is gone"))
    return findings


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
