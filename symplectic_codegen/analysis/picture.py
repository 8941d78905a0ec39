"""Pictures of an analysis. Matplotlib is an optional extra, imported when a picture is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import wrap
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from symplectic_codegen.analysis.analyze import Analysis
from symplectic_codegen.analysis.energy_picture import draw_energies
from symplectic_codegen.analysis.spectrum_picture import draw_eigenvalues, draw_stability
from symplectic_codegen.errors import OutputError, SpecError

Painter: TypeAlias = Callable[[Analysis, Any], str]  # draws into a figure, returns its title

PICTURES: Final[Mapping[str, Painter]] = MappingProxyType(
    {
        "stability": draw_stability,
        "eigenvalues": draw_eigenvalues,
        "energy": draw_energies,
    }
)
SUFFIXES: Final = (".png", ".svg", ".pdf")
_TITLE_WIDTH = 62  # characters that fit over a picture


def draw(analysis: Analysis, kind: str, path: Path) -> None:
    """Draw one of `PICTURES` into a file; the suffix says in which format.

    Raises:
        SpecError: the kind or the suffix is unknown.
        AnalysisError: there is nothing to draw for this rule.
        OutputError: Matplotlib is not installed, or the file cannot be written.
    """
    if kind not in PICTURES:
        raise SpecError(f"there is no picture {kind!r}; there are {', '.join(PICTURES)}")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise SpecError(f"{path.name}: a picture ends in one of {', '.join(SUFFIXES)}")
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise OutputError(
            "a picture needs Matplotlib: pip install 'symplectic-codegen[report]'"
        ) from None
    settings: dict[Any, Any] = {
        "svg.hashsalt": "symplectic-codegen",
        "font.size": 10,
        "axes.titlesize": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with rc_context(settings):
        figure = Figure(figsize=(7.2, 4.8), layout="constrained")
        title = PICTURES[kind](analysis, figure)
        figure.axes[0].set_title("\n".join(wrap(title, _TITLE_WIDTH)))
        # No date: the same analysis gives the same file.
        metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix)
        try:
            figure.savefig(path, dpi=160, metadata=metadata)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from None
