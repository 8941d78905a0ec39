"""Where the sources are, and how one is read: those that ship with the package, or a file."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from symplectic_codegen.verification.claims import Source
from symplectic_codegen.verification.relations import SourceError

# What a file that somebody is writing can do wrong when it is run.
_FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def sources_folder() -> Path:
    """Where the sources are: inside an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "derivations"
    return installed if installed.is_dir() else package.parent / "derivations"


def source_paths() -> tuple[Path, ...]:
    """The files of the sources that ship, the paper first."""
    paths = sorted(sources_folder().glob("*.py"))
    return tuple(sorted(paths, key=lambda p: (p.stem != "learning_dynamics", p.stem)))


def find_source(name: str) -> Path:
    """The file of a source, by its name or its path.

    Raises:
        SourceError: there is none.
    """
    if name.endswith(".py"):
        path = Path(name)
        if not path.is_file():
            raise SourceError(f"there is no file {name}")
        return path
    known = {path.stem: path for path in source_paths()}
    if name in known:
        return known[name]
    close = get_close_matches(name, known, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    raise SourceError(
        f"there is no source '{name}'.{hint} Known: {', '.join(known)}, or a path that ends in .py"
    )


def load_source(path: Path) -> Source:
    """The source that a file defines as SOURCE. This runs the file.

    Raises:
        SourceError: the file defines none, or two claims have one label.
    """
    unique = f"symplectic_codegen_source_{path.stem}"
    spec = importlib.util.spec_from_file_location(unique, path)
    if spec is None or spec.loader is None:
        raise SourceError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[unique] = module  # dataclasses of the file look their module up by name
    try:
        spec.loader.exec_module(module)
    except _FAILURES as error:
        raise SourceError(f"{path}: {type(error).__name__}: {error}") from None
    source = getattr(module, "SOURCE", None)
    if not isinstance(source, Source):
        raise SourceError(f"{path} defines no SOURCE: write SOURCE = Source(name=..., claims=...)")
    _check(source, path)
    return source


def _check(source: Source, path: Path) -> None:
    if not _NAME.fullmatch(source.name):
        raise SourceError(f"{path}: the name {source.name!r} is not snake_case")
    labels = [claim.label for claim in source.claims]
    if repeated := _repeated(labels):
        raise SourceError(f"{path}: two claims have the label {repeated!r}")
    known = {picture.name for picture in source.pictures}
    for claim in source.claims:
        for name in claim.pictures:
            if name not in known:
                raise SourceError(f"{path}: {claim.label} refers to no picture: {name!r}")
        if not (claim.printed or claim.sentence):
            raise SourceError(f"{path}: {claim.label} has neither a formula nor a sentence")


def _repeated(labels: Sequence[str]) -> str | None:
    seen: set[str] = set()
    for label in labels:
        if label in seen:
            return label
        seen.add(label)
    return None
