"""Particles as parts, and the wirings that make chains and graphs of them.

A particle is a system that shows where it is: Q = ℝ, ♯ = 1/mass, f⁺(q) = q, U = its on-site energy.
A wiring adds the energy of its edges; what comes back through it to a particle is the force of its
edges. So the dynamics of a graph follow from two small potentials and the composition alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import sympy as sp

from symplectic_codegen.arrangements.arrangement import (
    UNIT,
    Arrangement,
    ArrangementError,
    Interface,
    Parameters,
)
from symplectic_codegen.arrangements.composition import nest, wire

__all__ = ["chain", "graph", "particle", "springs"]

Onsite = Callable[[sp.Expr], sp.Expr]
Pair = Callable[[sp.Expr, sp.Expr], sp.Expr]


def particle(name: str, inverse_mass: sp.Expr, onsite: Onsite = lambda q: sp.S.Zero) -> Arrangement:
    """A particle that shows its place, called `name`.

    Args:
        name: of its coordinate.
        inverse_mass: its sharp map; in Φ_conf the learning rate.
        onsite: its energy as a function of its place.

    >>> particle("q1", 1 / sp.Symbol("m")).output
    (q1,)
    """
    q = sp.Symbol(name, real=True)
    shown = Interface((), (sp.Symbol(f"{name}_seen", real=True),))
    return Arrangement((), shown, (q,), (), Parameters.scaled([q], inverse_mass), onsite(q))


def springs(
    places: Sequence[str],
    edges: Mapping[tuple[int, int], Pair],
    ends: Mapping[int, Callable[[sp.Expr], sp.Expr]] | None = None,
) -> Arrangement:
    """The wiring of a directed graph: nothing but the energies of its edges.

    Args:
        places: names of the vertices.
        edges: for each edge (from, to), counted from 0, its energy as a function of both places.
        ends: further energies of single vertices, such as a spring to a wall.

    Raises:
        ArrangementError: an edge has an end that is no vertex.
    """
    seen = [sp.Symbol(f"{name}_seen", real=True) for name in places]
    for a, b in edges:
        if not (0 <= a < len(seen) and 0 <= b < len(seen)):
            raise ArrangementError(
                f"the edge ({a}, {b}) has an end that is none of the {len(seen)} vertices, which "
                "are counted from 0"
            )
    energy = sp.Add(*(pair(seen[a], seen[b]) for (a, b), pair in edges.items()))
    energy += sp.Add(*(wall(seen[v]) for v, wall in (ends or {}).items()))
    return wire([Interface((), (s,)) for s in seen], UNIT, potential=energy)


def graph(
    particles: Sequence[Arrangement],
    edges: Mapping[tuple[int, int], Pair],
    ends: Mapping[int, Callable[[sp.Expr], sp.Expr]] | None = None,
) -> Arrangement:
    """Particles on the vertices of a directed graph: a closed system.

    >>> parts = [particle("a", sp.Integer(1)), particle("b", sp.Integer(1))]
    >>> graph(parts, {(0, 1): lambda x, y: (y - x)**2 / 2}).potential
    (-a + b)**2/2
    """
    names = [str(part.parameters.coordinates[0]) for part in particles]
    return nest(springs(names, edges, ends), *particles)


def chain(particles: Sequence[Arrangement], pair: Pair, ends: str = "fixed") -> Arrangement:
    """Particles in a row, each with an edge to the next.

    Args:
        particles: from left to right.
        pair: the energy of an edge, as a function of its left and right place.
        ends: "fixed" (edges to walls at 0), "free", or "periodic".

    Raises:
        ArrangementError: there is no such kind of end.
    """
    last = len(particles) - 1
    edges: dict[tuple[int, int], Pair] = {(i, i + 1): pair for i in range(last)}
    if ends == "periodic":
        return graph(particles, {**edges, (last, 0): pair})
    if ends == "free":
        return graph(particles, edges)
    if ends != "fixed":
        raise ArrangementError(f"ends are fixed, free or periodic, not {ends!r}")
    if last == 0:
        return graph(particles, edges, {0: lambda q: pair(sp.S.Zero, q) + pair(q, sp.S.Zero)})
    walls = {0: lambda q: pair(sp.S.Zero, q), last: lambda q: pair(q, sp.S.Zero)}
    return graph(particles, edges, walls)
