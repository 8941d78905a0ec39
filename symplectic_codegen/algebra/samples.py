"""Reproducible values for symbols, where an expression is looked at in numbers."""

from __future__ import annotations

import hashlib

import sympy as sp


def reproducible_value(name: str, number: int) -> sp.Rational:
    """A rational in (1/4, 5/4) that depends on nothing but the name and the number of the point."""
    digest = hashlib.sha256(f"{name}/{number}".encode()).digest()
    return sp.Rational(1, 4) + sp.Rational(int.from_bytes(digest[:2], "big"), 65536)
