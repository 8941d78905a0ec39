"""Every entry of the catalogue under every symmetry: all that is claimed is proved, or refused."""

from __future__ import annotations

import pytest

import symplectic_codegen as sc
from symplectic_codegen.algebra.proof import Verdict
from symplectic_codegen.errors import SymmetryError
from symplectic_codegen.symmetry.generators import GENERATORS

REFUSED = {
    "bbi": "projection",
    "ecd_sep": "projection",
    "langevin": "noise",
    "sghmc": "noise",
    "rsgd": "Rayleigh friction",
    "gradient_descent": "keeps no momenta",
    "rmsprop": "keeps no momenta",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sc.catalog.names())
def test_what_is_claimed_is_proved(name: str) -> None:
    derivation = sc.derive(sc.catalog.load(name))
    for symmetry in GENERATORS:
        if name in REFUSED:
            with pytest.raises(SymmetryError, match=REFUSED[name]):
                derivation.noether(symmetry)
            continue
        found = derivation.noether(symmetry)
        assert {claim.verdict for claim in found.claims} == {Verdict.PROVED}
        assert found.recursion is not None or dict(found.refused)["recursion of the charge"]
