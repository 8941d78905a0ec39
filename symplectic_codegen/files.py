"""Writing generated files: all or nothing, and only what changed."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from symplectic_codegen.errors import OutputError


def write_files(root: Path, files: Mapping[str, str]) -> list[Path]:
    """Write `files` under `root`, each atomically; those that are current stay untouched.

    An interrupted run leaves for every file the old content or the new one.

    Returns:
        The paths that were written.

    Raises:
        OutputError: the folder or a file cannot be written; what is wrong, and where.
    """
    written = []
    try:
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if _current(path) != text:
                _replace(path, text)
                written.append(path)
    except OSError as error:
        where = error.filename or root
        raise OutputError(
            f"cannot write {where}: {error.strerror or error}. Give a folder that can be written "
            "with --out"
        ) from None
    return written


def _replace(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        # mkstemp makes private files; generated code is as readable as any other file.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def differences(root: Path, files: Mapping[str, str], known: set[str]) -> list[str]:
    """What keeps `root` from being exactly `files`, one line (or a short diff) each.

    Args:
        known: relative paths found under `root` that count as generated.
    """
    lines = []
    for name, text in files.items():
        current = _current(root / name)
        if current is None:
            lines.append(f"missing: {name}")
        elif current != text:
            diff = difflib.unified_diff(
                current.splitlines(),
                text.splitlines(),
                f"{name} (there)",
                f"{name} (now)",
                "",
                "",
                1,
                "",
            )
            lines.append("\n".join([f"differs: {name}", *list(diff)[:12]]))
    lines += [f"extra: {name}" for name in sorted(known - set(files))]
    return lines


def _current(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OutputError(f"cannot read {path}: {error.strerror or error}") from None
