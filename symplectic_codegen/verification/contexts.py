"""Which kind of context a setting has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symplectic_codegen.verification.arranged import ArrangementContext
from symplectic_codegen.verification.claims import Setting
from symplectic_codegen.verification.context import Context, ExplicitContext, SymbolicContext


def make_context(setting: Setting, where: Mapping[str, Any]) -> Context:
    """The context of a setting, with the definitions of a claim added."""
    if setting.arrangement is not None:
        return ArrangementContext(setting, where)
    kind = SymbolicContext if setting.dim is None else ExplicitContext
    return kind(setting, where)
