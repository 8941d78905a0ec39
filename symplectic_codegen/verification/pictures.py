"""Pictures of a report: what is drawn, as data; `drawing` turns it into SVG."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Curve:
    """A polygon, with what it is in a legend; `closed` ones are filled."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    label: str = ""
    closed: bool = False


@dataclass(frozen=True)
class Panel:
    """One set of axes."""

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    log_y: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture of a report.

    Args:
        name: by which claims refer to it.
        caption: what is to be seen, and why it matters.
        draw: the panels, computed when a report is written.
    """

    name: str
    caption: str
    draw: Callable[[], tuple[Panel, ...]]
