"""The table of the literature: proposals as files, and what becomes of each optimizer."""

from __future__ import annotations

import re
from functools import cache

import pytest
import sympy as sp

import symplectic_codegen as sc
from symplectic_codegen.algebra.memory import memories
from symplectic_codegen.algebra.symbols import Component, beta, k
from symplectic_codegen.analysis.literature import (
    Row,
    Standing,
    as_markdown,
    jobs,
    standing_of,
    standing_of_proposal,
)
from symplectic_codegen.analysis.proposed import Proposal, judged, proposals
from symplectic_codegen.driver import derive
from symplectic_codegen.errors import SpecError

NAMES = [p.name for p in proposals()]
BY_NAME = {p.name: p for p in proposals()}
GOOD = """
name = "mine"
title = "Mine"
description = "It is mine."
proposal = "w = w - lr*G"
"""


@cache
def entry(name: str) -> Row:
    return standing_of(sc.catalog.load(name))


def test_every_entry_and_every_proposal_has_a_row() -> None:
    names = [name for name, _ in jobs()]
    assert sorted(names) == sorted([*sc.catalog.names(), *NAMES])
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", sc.catalog.names())
def test_exact_is_what_the_claims_of_the_step_say(name: str) -> None:
    """The claim about the whole step, not about some of its pieces, and without given fields."""
    derivation = derive(sc.catalog.load(name))
    claim = derivation.scheme.check_symplectic()
    whole = claim.statement.startswith("the step on (U, w, β, X) is exactly symplectic")
    closed = "memory fields" not in claim.statement and derivation.spec.time_step is None
    assert (entry(name).standing is Standing.EXACT) == (whole and closed)
    assert claim.verdict.value == "proved"


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        ("adam", "memory field"),
        ("nadam", "memory field .*; readout"),
        ("lion", "readout .*theta"),
        ("rsgd", "^Rayleigh friction$"),
        ("sghmc", "^noise$"),
        ("langevin", "^noise$"),
        ("bbi", "projection .*; time step"),
        ("relativistic_lagged", "from before the step"),
    ],
)
def test_the_pieces_beside_the_hamiltonian_are_named(name: str, pieces: str) -> None:
    assert entry(name).standing is Standing.EXTENDED
    assert re.search(pieces, entry(name).reason)


def test_vradam_its_ablation_and_its_repair() -> None:
    """The repair has the kinetic energy of the entry vradam_g, the ablation that of vr_momentum."""
    rejected = judged(BY_NAME["vradam"])
    assert standing_of_proposal(BY_NAME["vradam"]).standing is Standing.IMPOSSIBLE
    assert rejected.reason.startswith("curl of the velocity")
    assert "integrable with" in rejected.reason
    assert rejected.judgement is not None
    assert rejected.judgement.suggestion is not None
    repaired = rejected.judgement.suggestion.representation
    assert repaired is not None
    assert repaired.kinetic is not None
    assert sp.simplify(_plain(repaired.kinetic) - _kinetic("vradam_g")) == 0
    accepted = judged(BY_NAME["vradam_ablation"])
    assert accepted.outcome == "Hamiltonian"
    assert accepted.judgement is not None
    assert accepted.judgement.kinetic is not None
    assert sp.simplify(_plain(accepted.judgement.kinetic) - _kinetic("vr_momentum")) == 0


def _kinetic(name: str) -> sp.Expr:
    return _plain(derive(sc.catalog.load(name)).separation.kinetic * k / beta)


NAMED = {name: sp.Symbol(name, positive=True) for name in ("b", "eps")}
NAMED["strength"] = NAMED["b"]  # what the catalogue calls it


def _plain(kinetic: sp.Expr) -> sp.Expr:
    """With one name for the memory field and for each parameter."""
    metric = {field: Component("s", nonnegative=True) for field in memories(kinetic)}
    plain = kinetic.xreplace(metric)
    return plain.xreplace({s: NAMED[s.name] for s in plain.free_symbols if s.name in NAMED})


@pytest.mark.parametrize("name", NAMES)
def test_proposals_are_told_from_entries(name: str) -> None:
    proposal = BY_NAME[name]
    assert name not in sc.catalog.names()
    assert proposal.references
    assert bool(proposal.text) != bool(proposal.inexpressible)


def test_nothing_in_a_cell_is_markup() -> None:
    row = Row("x", "a|b*c", "proposal", Standing.EXACT, "p_q <r>", "T = |X|*2")
    assert "| `x` | a\\|b\\*c | proposal | `T = \\|X\\|*2`; p\\_q \\<r> |" in as_markdown([row])
    assert "## Extended" not in as_markdown([row])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('name = "mine"', "name ="), "no TOML"),
        (('name = "mine"', ""), "'name' is missing"),
        (('title = "Mine"', "title = 3"), "title must be a text"),
        (('title = "Mine"', 'title = "Mine"\nlr = "1"'), "no key 'lr'"),
        (('title = "Mine"', 'title = "Mine"\nreferences = [1]'), "references must be a list"),
        (('proposal = "w = w - lr*G"', ""), "one of the keys"),
        (('title = "Mine"', 'title = "Mine"\ninexpressible = "x"'), "one of the keys"),
    ],
)
def test_a_bad_file_says_what_is_wrong(change: tuple[str, str], message: str) -> None:
    assert Proposal.from_toml(GOOD).text == "w = w - lr*G"
    with pytest.raises(SpecError, match=message):
        Proposal.from_toml(GOOD.replace(*change), "mine.toml")
