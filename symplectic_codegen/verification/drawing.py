"""Panels as SVG, for light and dark pages and for narrow ones."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import re
from typing import Any, Final

from symplectic_codegen.verification.pictures import Panel, Picture

_DIGITS: Final = 4  # of the drawn data: what an eye can tell apart, and what a digest can keep
_INK: Final = "#010203"  # stands for the colour of the page's text, which CSS decides
_COLOURS: Final = ("#2f7fd8", "#d9652b", "#2c9c64", "#a05fc4", "#b8901c")


def can_draw() -> bool:
    """Whether Matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def digest(panels: tuple[Panel, ...]) -> str:
    """The hash of what is drawn: the same data, whatever version of Matplotlib draws it."""
    rows = [
        [p.title, [[c.label, *([_rounded(v) for v in c.x], [_rounded(v) for v in c.y])]
                   for c in p.curves]]
        for p in panels
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def draw(picture: Picture, panels: tuple[Panel, ...]) -> list[str]:
    """One SVG element per panel, without width and height, so that the page scales it."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings: dict[str, Any] = {
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 10,
        "text.color": _INK,
        "axes.edgecolor": _INK,
        "axes.labelcolor": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "path.simplify": True,
    }
    elements = []
    for number, panel in enumerate(panels):
        salted: Any = settings | {"svg.hashsalt": f"{picture.name}{number}"}
        with mpl.rc_context(salted):
            figure = Figure(figsize=(4.4, 3.4), layout="constrained")
            _fill(figure.add_subplot(), panel)
            stream = io.StringIO()
            empty = {"Date": None, "Creator": None, "Format": None, "Type": None}
            figure.savefig(stream, format="svg", transparent=True, metadata=empty)
        elements.append(_bare(stream.getvalue(), f"{picture.name}{number}", panel.title))
    return elements


def _fill(axes: Any, panel: Panel) -> None:
    for number, curve in enumerate(panel.curves):
        colour = _COLOURS[number % len(_COLOURS)]
        x, y = [_rounded(v) for v in curve.x], [_rounded(v) for v in curve.y]
        if curve.closed:
            axes.fill(x, y, facecolor=colour, alpha=0.45, edgecolor=colour, label=curve.label)
        else:
            axes.plot(x, y, color=colour, linewidth=1.4, label=curve.label or None)
    if panel.log_y:
        axes.set_yscale("log")
    axes.set_title(panel.title, fontsize=10)
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    labelled = sum(bool(curve.label) for curve in panel.curves)
    if labelled:
        columns = 2 if labelled > 1 else 1
        axes.figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=9)


def _bare(svg: str, name: str, title: str) -> str:
    """The svg element alone, with identifiers of its own and the page's colour for ink."""
    element = svg[svg.index("<svg") :].strip()
    element = re.sub(r"<metadata>.*?</metadata>\s*", "", element, flags=re.DOTALL)
    head, rest = element.split(">", 1)
    head = re.sub(r'\s(width|height|xmlns:xlink|version)="[^"]*"', "", head)
    rest = rest.replace("xlink:href", "href")
    for identifier in sorted(set(re.findall(r'id="([^"]+)"', rest)), key=len, reverse=True):
        rest = rest.replace(f'id="{identifier}"', f'id="{name}-{identifier}"')
        rest = rest.replace(f'"#{identifier}"', f'"#{name}-{identifier}"')
        rest = rest.replace(f"url(#{identifier})", f"url(#{name}-{identifier})")
    rest = rest.replace(_INK, "currentColor")
    rest = "\n".join(line.rstrip() for line in rest.splitlines())
    return f'{head} role="img" aria-label="{title}">{rest}'


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS - 1}e}")
