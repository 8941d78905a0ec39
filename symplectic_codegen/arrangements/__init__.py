"""Systems composed from parts: arrangements, their two semantics, and lattices of particles."""

from __future__ import annotations

from symplectic_codegen.arrangements.arrangement import (
    UNIT,
    Arrangement,
    Interface,
    Parameters,
)
from symplectic_codegen.arrangements.composition import (
    identity,
    nest,
    parallel,
    series,
    tensor,
    wire,
)
from symplectic_codegen.arrangements.semantics import (
    Machine,
    backward,
    configuration,
    dual,
    phase,
    plug,
)

__all__ = [
    "UNIT",
    "Arrangement",
    "Interface",
    "Machine",
    "Parameters",
    "backward",
    "configuration",
    "dual",
    "identity",
    "nest",
    "parallel",
    "phase",
    "plug",
    "series",
    "tensor",
    "wire",
]
