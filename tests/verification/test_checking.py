"""From relations to verdicts, and what counts as a failure."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from symplectic_codegen.verification.checking import Finding, check_claim
from symplectic_codegen.verification.claims import ARBITRARY, Case, Claim, Source, Verdict
from symplectic_codegen.verification.relations import SourceError
from symplectic_codegen.verification.trusted import compare, forgotten

CONSTANT = ARBITRARY.having(hamiltonian="beta/(2*k)*dot(X, X) + beta*c**2/k*L")
COOLED = ARBITRARY.having(hamiltonian="beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U")


def found(claim: Claim, **dimensions: str) -> Finding:
    return check_claim(Source("s", "S", "R", (claim,), dimensions=dimensions), claim)


RIGHT = Claim("a.1", "x", states=("bracket(U, X_i) = -X_i/beta",))
WRONG = Claim("a.1", "x", states=("bracket(U, X_i) = X_i/beta",))


def test_proved_and_refuted() -> None:
    assert found(RIGHT).verdict is Verdict.PROVED
    assert found(RIGHT).ok
    refuted = found(WRONG)
    assert refuted.verdict is Verdict.REFUTED
    assert refuted.problems == ("the verdict is 'refuted', recorded is 'proved'",)
    assert refuted.counterexample is not None
    assert found(replace(WRONG, verdict=Verdict.REFUTED)).ok


def test_a_counterexample_is_one() -> None:
    """Putting the shown numbers into both sides by hand gives the shown values."""
    counterexample = found(WRONG).counterexample
    assert counterexample is not None
    point = dict(counterexample.point)
    assert point["i"] == "1"
    x, beta = (Fraction(point[name].replace("−", "-")) for name in ("X₁", "β"))
    assert Fraction(counterexample.left.replace("−", "-")) == -x / beta
    assert Fraction(counterexample.right.replace("−", "-")) == x / beta


def test_corrected() -> None:
    claim = replace(WRONG, correct=RIGHT.states, verdict=Verdict.CORRECTED)
    assert found(claim).ok
    still_wrong = replace(claim, correct=("bracket(U, X_i) = 2*X_i/beta",))
    assert found(still_wrong).verdict is Verdict.REFUTED
    assert not found(still_wrong).ok


def test_true_under_assumptions() -> None:
    claim = Claim(
        "a.1",
        "x",
        states=("rate(beta) = 0",),
        on=COOLED,
        assuming=Case("constant temperature", on=CONSTANT),
        verdict=Verdict.ASSUMING,
    )
    assert found(claim).ok
    assert found(replace(claim, assuming=Case("no", on=COOLED))).verdict is Verdict.REFUTED
    assert found(replace(claim, on=CONSTANT)).verdict is Verdict.PROVED


def test_numerical() -> None:
    # True, and beyond the rewriting: the sign of an expression that cannot be factored.
    claim = Claim("a.1", "x", states=("exp(a) > 1 + a + a**2/2",), verdict=Verdict.NUMERICAL)
    assert found(claim).ok
    assert found(replace(claim, states=("exp(a) > 1 + a + a**2",))).verdict is Verdict.REFUTED


def test_not_checkable_needs_a_reason() -> None:
    claim = Claim("a.1", sentence="It is good.", verdict=Verdict.NOT_CHECKABLE)
    with pytest.raises(SourceError, match="say why"):
        found(claim)
    assert found(replace(claim, reason="A judgement.")).ok


def test_a_false_repair_or_step_is_a_failure() -> None:
    refuted = replace(WRONG, verdict=Verdict.REFUTED)
    assert found(replace(refuted, repair=Case("right", RIGHT.states))).ok
    assert "repair" in found(replace(refuted, repair=Case("no", WRONG.states))).problems[0]
    assert "step" in found(replace(RIGHT, steps=(Case("no", WRONG.states),))).problems[0]


UNITS = {"U": "energy", "beta": "information/energy", "h": "energy*time", "k": "information",
         "t": "time", "H": "energy"}  # fmt: skip


def test_units_are_part_of_the_record() -> None:
    claim = Claim(
        "a.1",
        "x",
        states=("-rate(U) = k*partial(H, beta)",),
        correct=("-h*rate(U) = k*partial(H, beta)",),
        on=ARBITRARY.having(coupling="X"),
        verdict=Verdict.CORRECTED,
        balanced=False,
    )
    assert found(claim, **UNITS).ok
    assert "units do not agree" in found(replace(claim, balanced=True), **UNITS).problems[0]
    balanced = replace(claim, states=("-h*rate(U) = 2*k*partial(H, beta)",))
    assert found(balanced, **UNITS).problems == (
        "the units agree, but are recorded as not agreeing",
    )
    definition = Claim("a.2", "x", defines=("U = beta",), reason="d", verdict=Verdict.NOT_CHECKABLE)
    assert "units do not agree" in found(definition, **UNITS).problems[0]


def test_values_are_compared() -> None:
    finding = found(RIGHT)
    stored = {"a.1": finding.values}
    assert compare(finding, stored) == []
    assert "no trusted value" in compare(finding, {})[0]
    ((text, points),) = finding.values["printed"].items()
    left, right = points[0]
    changed = {"a.1": {"printed": {text: [[left, right + "1"], points[1]]}}}
    assert compare(finding, changed) == []  # the 31st digit is rounding
    wrong = {"a.1": {"printed": {text: [[left[:-4] + "1111", right], points[1]]}}}
    assert "is trusted" in compare(finding, wrong)[0]
    extra = {"a.1": {"printed": {text: points, "a = b": points}}}
    assert compare(finding, extra) == ["no longer stated, printed: a = b"]
    assert forgotten({"a.1": {}, "b.7": {}}, ["a.1"]) == [
        "b.7: stored, but no claim has this label"
    ]
