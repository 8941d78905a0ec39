"""The mutation test: what is changed, and that changes are noticed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from symplectic_codegen.verification.claims import ARBITRARY, Claim, Source
from symplectic_codegen.verification.mutation import mutants, run_mutants
from symplectic_codegen.verification.mutation_score import (
    mutation_path,
    read_score,
    run_mutation,
    score_text,
)
from symplectic_codegen.verification.relations import parse_relations
from symplectic_codegen.verification.sources import load_source, source_paths


def changed(text: str) -> set[str]:
    (relation,) = parse_relations(text)
    return {m.relation.text for m in mutants(relation)}


def test_every_sign_factor_and_symbol_is_changed() -> None:
    found = changed("-h*rate(X_i) = 2*k*w_i - U")
    for expected in (
        "h*rate(X_i) = 2*k*w_i - U",  # a sign
        "-h*rate(X_i) = 2*k*w_i + U",
        "-h/rate(X_i) = 2*k*w_i - U",  # a factor
        "1*rate(X_i) = 2*k*w_i - U",
        "-h*rate(X_i) = 3*k*w_i - U",  # a number
        "-h*rate(X_i) = 2*1*w_i - U",
        "-h*rate(X_j) = 2*k*w_i - U",  # an index
        "-h*rate(w_i) = 2*k*w_i - U",  # a symbol
        "-k*rate(X_i) = 2*k*w_i - U",
    ):
        assert expected in found, expected
    assert "-h*rate(X_i) = 2*k*w_i - U" not in found
    assert changed("a < b") >= {"a > b"}


def test_a_claim_that_says_nothing_lets_changes_pass() -> None:
    empty = Claim("a.1", "x", states=("0*beta = 0*U",))
    outcomes = run_mutants(Source("s", "S", "R", (empty,)), empty)
    assert any(o.noticed == "no" for o in outcomes)
    full = Claim("a.2", "x", states=("bracket(U, X_i) = -X_i/beta",))
    outcomes = run_mutants(Source("s", "S", "R", (full,)), full)
    assert outcomes
    assert not [o for o in outcomes if o.noticed == "no"]


def test_a_sample_of_all_claims() -> None:
    """One change of every relation; the slow test makes all of them."""
    noticed = total = 0
    for path in source_paths():
        source = load_source(path)
        for claim in source.claims:
            for outcome in run_mutants(source, claim, sample=1):
                total += 1
                noticed += outcome.noticed != "no"
                assert outcome.noticed != "no" or claim.survivors, outcome
    assert total > 200
    assert noticed / total > 0.9


def test_the_stored_result_is_explained() -> None:
    score = read_score(mutation_path())
    assert score is not None
    assert score.noticed / score.total > 0.98
    assert all(s.reason for s in score.survivors)
    assert json.loads(score_text(score)) == json.loads(mutation_path().read_text())
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert f"{score.noticed} of {score.total} cases" in readme
    assert f"the other {score.total - score.noticed} are" in readme


@pytest.mark.slow
def test_the_stored_result_is_current() -> None:
    stored, now = read_score(mutation_path()), run_mutation(source_paths(), jobs=1)
    assert stored is not None
    assert now.total == stored.total
    assert now.survivors == stored.survivors


def test_arbitrary_setting_has_no_hamiltonian() -> None:
    assert ARBITRARY.hamiltonian is None
