"""Evidence: a generated optimizer against its closed form and its high-precision oracle."""

from __future__ import annotations

from symplectic_codegen.validation.ladder import (
    Oracle,
    validate_derivation,
    validate_paths,
    validate_source,
)
from symplectic_codegen.validation.report import Report, Rung, ValidationInputError

__all__ = [
    "Oracle",
    "Report",
    "Rung",
    "ValidationInputError",
    "validate_derivation",
    "validate_paths",
    "validate_source",
]
