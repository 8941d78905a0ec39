"""Integrators: how exact flows of the pieces are composed into one step."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from symplectic_codegen.errors import SpecError


@dataclass(frozen=True)
class Integrator:
    """A composition of flows.

    Args:
        name: as on the command line.
        composition: pieces in the order in which their flows act; "A" is the joint flow of
            potential and thermal part (kick and cooling, gradient frozen), "B" of the kinetic part.
        description: one line for a person.
    """

    name: str
    composition: tuple[str, ...]
    description: str


INTEGRATORS: dict[str, Integrator] = {
    "lie-trotter": Integrator(
        "lie-trotter",
        ("A", "B"),
        "the paper's scheme: kick and cooling together, then drift with the new momenta",
    ),
}


def get_integrator(name: str) -> Integrator:
    """The integrator called `name`.

    Raises:
        SpecError: there is none; the message lists those that exist.
    """
    if name in INTEGRATORS:
        return INTEGRATORS[name]
    close = get_close_matches(name, INTEGRATORS, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    known = ", ".join(INTEGRATORS)
    raise SpecError(f"unknown integrator '{name}'.{hint} Known: {known}")
