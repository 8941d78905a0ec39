"""Claims about systems composed from parts."""

from __future__ import annotations

import pytest
import sympy as sp

from symplectic_codegen.arrangements import UNIT, Arrangement, Parameters
from symplectic_codegen.arrangements.smooth import smooth
from symplectic_codegen.verification.checking import check_claim
from symplectic_codegen.verification.claims import Claim, Setting, Source, Verdict
from symplectic_codegen.verification.relations import SourceError

q1, eta = sp.Symbol("q1", real=True), sp.Symbol("eta", positive=True)
V = smooth("V")(q1)
SETTING = Setting(
    arrangement=Arrangement((), UNIT, (), (), Parameters.scaled([q1], eta), V), where={"V": V}
)


def verdict(text: str) -> Verdict:
    claim = Claim("a.1", sentence="a", states=(text,), on=SETTING)
    return check_claim(Source("s", "S", "R", (claim,)), claim).verdict


def test_right_and_wrong_claims_are_told_apart() -> None:
    assert verdict("configuration(q1) = q1 - eta*partial(V, q1)") is Verdict.PROVED
    assert verdict("configuration(q1) = q1 + eta*partial(V, q1)") is Verdict.REFUTED
    assert verdict("phase(q1) = q1 + eta*d_q1") is Verdict.PROVED
    # The kick is taken where the drift has led to.
    assert verdict("phase(d_q1) = d_q1 - partial(V, q1)") is Verdict.REFUTED
    assert verdict("bracket(damped(q1, c), damped(d_q1, c)) = 1 - c") is Verdict.PROVED


def test_what_has_no_meaning_is_refused() -> None:
    with pytest.raises(SourceError, match="a machine takes steps and has no rate"):
        verdict("rate(q1) = 0")
    with pytest.raises(SourceError, match="eta is no parameter of the arrangement"):
        verdict("xi(eta) = 0")
