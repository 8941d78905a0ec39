"""From a Hamiltonian to a proved, fast, vendorable optimizer.

>>> import symplectic_codegen as sc
>>> d = sc.derive("beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U")
>>> print(d.temperature)
exponential: β(t) = β₀·exp(γ·t)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from symplectic_codegen.provenance import VERSION as __version__

if TYPE_CHECKING:
    from symplectic_codegen import catalog as catalog
    from symplectic_codegen.analysis.analyze import Analysis as Analysis
    from symplectic_codegen.analysis.analyze import analyze as analyze
    from symplectic_codegen.analysis.verdict import Judgement as Judgement
    from symplectic_codegen.analysis.verdict import verdict as verdict
    from symplectic_codegen.driver import Derivation as Derivation
    from symplectic_codegen.driver import derive as derive
    from symplectic_codegen.errors import SymplecticCodegenError as SymplecticCodegenError
    from symplectic_codegen.generation import generate as generate
    from symplectic_codegen.generation import load as load
    from symplectic_codegen.language.hamiltonian import Hamiltonian as Hamiltonian
    from symplectic_codegen.language.spec import Spec as Spec
    from symplectic_codegen.lattices import Lattice as Lattice
    from symplectic_codegen.verification.verify import verify as verify

# SymPy takes a quarter of a second to import: only what is asked for is loaded (PEP 562).
_PLACES = {
    "Analysis": "symplectic_codegen.analysis.analyze",
    "Derivation": "symplectic_codegen.driver",
    "Judgement": "symplectic_codegen.analysis.verdict",
    "Hamiltonian": "symplectic_codegen.language.hamiltonian",
    "Lattice": "symplectic_codegen.lattices",
    "Spec": "symplectic_codegen.language.spec",
    "SymplecticCodegenError": "symplectic_codegen.errors",
    "analyze": "symplectic_codegen.analysis.analyze",
    "derive": "symplectic_codegen.driver",
    "generate": "symplectic_codegen.generation",
    "load": "symplectic_codegen.generation",
    "verdict": "symplectic_codegen.analysis.verdict",
    "verify": "symplectic_codegen.verification.verify",
}

__all__ = [
    "Analysis",
    "Derivation",
    "Hamiltonian",
    "Judgement",
    "Lattice",
    "Spec",
    "SymplecticCodegenError",
    "__version__",
    "analyze",
    "catalog",
    "derive",
    "generate",
    "load",
    "verdict",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "catalog":
        return import_module("symplectic_codegen.catalog")
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
