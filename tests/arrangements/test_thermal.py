"""Temperatures and norms of composites."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import symplectic_codegen as sc
from symplectic_codegen import catalog
from symplectic_codegen.algebra.proof import Verdict
from symplectic_codegen.algebra.symbols import U, beta, t
from symplectic_codegen.arrangements.thermal import (
    check_own_temperatures,
    check_shared_temperature,
    composite_tensor,
)
from symplectic_codegen.driver import Derivation, derive

gamma = sp.Symbol("gamma", positive=True)


def test_own_temperatures_keep_parts_apart() -> None:
    assert check_own_temperatures().verdict is Verdict.PROVED


def test_one_loss_and_two_temperatures_do_not_go_together() -> None:
    """The loss would push each weight once for every temperature."""
    assert check_own_temperatures(shared_loss=True).verdict is Verdict.REFUTED


@pytest.mark.parametrize("thermal", [sp.S.Zero, gamma * beta * U, U * sp.exp(-t) * beta**2])
def test_a_shared_temperature_that_runs_by_itself_keeps_parts_apart(thermal: sp.Expr) -> None:
    assert check_shared_temperature(thermal).verdict is Verdict.PROVED


def test_feedback_through_a_shared_temperature_is_refuted() -> None:
    assert check_shared_temperature(beta * U**2, 1).verdict is Verdict.REFUTED


def test_the_tensor_of_a_composite_satisfies_jacobi() -> None:
    for shared in (True, False):
        _, tensor = composite_tensor([1, 2], shared)
        assert not tensor.jacobi_defect()


KINDS = {
    "momentum": "compositional",
    "adam": "compositional",
    "relativistic_per_block": "compositional",
    "rgd": "not compositional",
    "normalized_momentum": "not compositional",
    "loss_cooling": "not compositional",
}


@pytest.mark.parametrize("name", KINDS)
def test_the_sentence_to_the_user(name: str) -> None:
    statement = Derivation(catalog.load(name)).composition.statement
    assert statement.partition(":")[0] == KINDS[name], statement


GLOBAL = "sqrt(1 + dot(X, X)) + L"


@pytest.mark.parametrize(("norms", "same"), [("global", False), ("block", True)])
def test_the_verdict_is_what_the_optimizer_does(norms: str, same: bool) -> None:
    """Two arrays under one optimizer move as under one each exactly if that was claimed."""
    spec = derive(GLOBAL).spec.replace(more={"norms": norms})
    claimed = Derivation(spec).composition.statement.startswith("compositional")
    assert claimed is same
    optimizer = sc.load(spec, target="numpy")
    rng = np.random.default_rng(5)
    start = [rng.normal(size=3), rng.normal(size=4)]
    together = [a.copy() for a in start]
    alone = [a.copy() for a in start]
    whole = optimizer(together, tau=0.3)
    parts = [optimizer([a], tau=0.3) for a in alone]
    for _ in range(3):
        whole.step([np.sin(a) for a in together])
        for part, a in zip(parts, alone, strict=True):
            part.step([np.sin(a)])
    equal = all(np.allclose(a, b, rtol=1e-12) for a, b in zip(together, alone, strict=True))
    assert equal is same
