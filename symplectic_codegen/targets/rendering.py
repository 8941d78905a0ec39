"""Jinja, set up so that a mistake in a template is an error and nothing is added or escaped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import jinja2


def template_folder() -> Path:
    """Where the templates are: inside an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "templates"


def render(template: str, context: Mapping[str, object]) -> str:
    """The text of `template`, a path relative to the template folder."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template_folder(), encoding="utf-8"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template(template).render(context)
