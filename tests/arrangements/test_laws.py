"""The laws of composition on arbitrary arrangements, and that the checks can fail."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sympy as sp

from symplectic_codegen.algebra.proof import Verdict
from symplectic_codegen.arrangements import (
    Arrangement,
    Interface,
    Machine,
    configuration,
    identity,
    nest,
    parallel,
    phase,
    plug,
)
from symplectic_codegen.arrangements.laws import (
    check_associative,
    check_functorial,
    check_identity,
    generic,
    residuals,
    zero,
)

SEMANTICS = (configuration, phase)


def interface(name: str, size: int = 1) -> Interface:
    return Interface.named(name, size, size)


def tree(size: int = 1) -> tuple[Arrangement, list[Arrangement], list[list[Arrangement]]]:
    """f of two boxes, g in each of them, with one and two boxes, and what goes into these."""
    n = [interface(f"N{i}", size) for i in (1, 2)]
    m = [interface(f"M{i}", size) for i in (1, 2, 3)]
    left = [interface(f"L{i}", size) for i in (1, 2, 3)]
    f = generic("f", n, interface("P", size))
    gs = [generic("g1", m[:1], n[0]), generic("g2", m[1:], n[1])]
    hs = [
        [generic("h1", left[:1], m[0])],
        [generic(f"h{i}", left[i - 1 : i], m[i - 1]) for i in (2, 3)],
    ]
    return f, gs, hs


def test_identities_are_neutral() -> None:
    f, _, _ = tree()
    assert check_identity(f).verdict is Verdict.PROVED


def test_nesting_is_associative() -> None:
    assert check_associative(*tree()).verdict is Verdict.PROVED


@pytest.mark.parametrize("semantics", SEMANTICS)
@pytest.mark.parametrize("size", [1, 2])
def test_dynamics_of_a_composite_are_the_composite_of_the_dynamics(semantics, size) -> None:  # type: ignore[no-untyped-def]
    boxes = [interface("N1", size), interface("N2", size)]
    inner = [interface("M1", size), interface("M2", size)]
    f = generic("f", boxes, interface("P", size), parameters=size)
    gs = [generic(f"g{i + 1}", [inner[i]], boxes[i], parameters=size) for i in range(2)]
    assert check_functorial(semantics, f, *gs).verdict is Verdict.PROVED


def test_damping_is_functorial_too() -> None:
    c = sp.Symbol("c", positive=True)

    def damped(f: Arrangement) -> Machine:
        return phase(f, c)

    f, gs, _ = tree()
    assert check_functorial(damped, f, *gs).verdict is Verdict.PROVED


@pytest.mark.parametrize("semantics", SEMANTICS)
def test_the_machine_of_an_identity_is_neutral_among_machines(semantics) -> None:  # type: ignore[no-untyped-def]
    N = interface("N")
    f = generic("f", [interface("M")], N)
    machine = semantics(f)
    found = residuals(plug(semantics(identity(N)), machine), machine)
    assert zero("neutral", list(found)).verdict is Verdict.PROVED


@pytest.mark.parametrize("semantics", SEMANTICS)
def test_parts_in_parallel_do_not_see_each_other(semantics) -> None:  # type: ignore[no-untyped-def]
    f = generic("f", [interface("M")], interface("N"))
    g = generic("g", [interface("K")], interface("L"))
    together = semantics(parallel(f, g)).next
    alone = {**semantics(f).next, **semantics(g).next}
    assert all(sp.expand(together[z] - alone[z]) == 0 for z in alone)
    assert set(together) == set(alone)


def test_a_wrong_law_is_refuted() -> None:
    """Kick, then drift, with readouts before the drift, is not what a composite does."""
    f, gs, _ = tree()

    def wrong(arrangement: Arrangement) -> Machine:
        machine = phase(arrangement)
        return replace(machine, position=arrangement.output)

    assert check_functorial(wrong, f, *gs).verdict is Verdict.REFUTED


def test_a_dropped_potential_is_noticed() -> None:
    f, gs, _ = tree()
    composite = nest(f, *gs)
    poorer = replace(composite, potential=f.potential)
    assert zero("same", list(residuals(composite, poorer))).verdict is Verdict.REFUTED
