"""What the targets of lattices share: functions of a particle or an edge, and who needs what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from symplectic_codegen.errors import TargetError
from symplectic_codegen.rule.expression import Expr, Number, references
from symplectic_codegen.rule.lattice import PLACES, LatticeRule, LatticeSweep

__all__ = [
    "LatticeDocument",
    "Piece",
    "SweepCode",
    "check_names",
    "needed",
    "pieces_of",
    "scalars_of",
    "sweeps_of",
]


@dataclass(frozen=True)
class LatticeDocument:
    """What a generated file says about itself.

    Args:
        class_name: CamelCase.
        title: one line.
        energy: the whole energy, as typed.
        update: the derived steps, in words of mathematics.
        notes: what is proved; one paragraph each.
        provenance: the entries of PROVENANCE.
    """

    class_name: str
    title: str
    energy: str
    update: tuple[str, ...]
    notes: tuple[str, ...]
    provenance: dict[str, object]


@dataclass(frozen=True)
class Piece:
    """A function of a particle or an edge.

    Args:
        name: as in generated code.
        arguments: places, then scalars.
        expr: its value.
        meaning: one line.
    """

    name: str
    arguments: tuple[str, ...]
    expr: Expr
    meaning: str

    @property
    def is_zero(self) -> bool:
        """Whether there is no such force or energy."""
        return isinstance(self.expr, Number) and self.expr.value == 0

    @property
    def scalars(self) -> tuple[str, ...]:
        """The hyperparameters that it needs."""
        return tuple(a for a in self.arguments if a not in PLACES)

    def call(self, *places: str) -> str:
        """A call at some places; weights are left out where no argument asks for them."""
        wanted = [a for a in self.arguments if a in PLACES]
        return f"{self.name}({', '.join([*places[: len(wanted)], *self.scalars])})"


def pieces_of(rule: LatticeRule) -> dict[str, Piece]:
    """All functions, by what they are."""
    weight = ("weight",) if rule.graph == "sparse" else ()
    edge = ("q", "other", *weight)
    table: tuple[tuple[str, str, tuple[str, ...], Expr, str], ...] = (
        ("onsite", "onsite_force", ("q",), rule.onsite, "What a particle's own energy does to it."),
        ("outward", "edge_force", edge, rule.outward, "What an edge does to its left end."),
        ("inward", "back_force", edge, rule.inward, "What an edge does to its right end."),
        ("kinetic", "kinetic_energy", ("p",), rule.kinetic, "The energy of a momentum."),
        ("potential", "onsite_energy", ("q",), rule.onsite_energy, "The energy of a place."),
        ("pair", "edge_energy", ("left", "right", *weight), rule.pair_energy,
         "The energy of an edge."),
    )  # fmt: skip
    names = [p.name for p in rule.parameters]

    def piece(name: str, places: tuple[str, ...], expr: Expr, meaning: str) -> Piece:
        used = references(expr)
        return Piece(name, (*places, *(n for n in names if n in used)), expr, meaning)

    return {key: piece(name, places, expr, text) for key, name, places, expr, text in table}


def needed(rule: LatticeRule, pieces: dict[str, Piece]) -> list[Piece]:
    """The functions that code for this rule calls."""
    return [
        piece
        for key, piece in pieces.items()
        if not (piece.is_zero and key in ("onsite", "potential"))
        and not (key == "inward" and rule.is_symmetric)
        and not (key == "kinetic" and not rule.has_momenta)
    ]


def scalars_of(rule: LatticeRule, exprs: Iterable[Expr]) -> tuple[str, ...]:
    """The parameters and coefficients that some expressions read, in order."""
    used = set().union(*(references(e) for e in exprs))
    known = [*(p.name for p in rule.parameters), *(a.name for a in rule.coefficients)]
    return tuple(n for n in known if n in used)


@dataclass(frozen=True)
class SweepCode:
    """A sweep with its name, and whether places go to other memory than they come from."""

    name: str
    sweep: LatticeSweep

    @property
    def is_apart(self) -> bool:
        """Whether new places must not overwrite old ones, which neighbours still read."""
        return self.sweep.q is not None and self.sweep.reads_force


def sweeps_of(rule: LatticeRule) -> dict[str, tuple[SweepCode, ...]]:
    """The sweeps of opening, body and closing, named."""
    return {
        part: tuple(
            SweepCode(f"{part}{i + 1 if len(sweeps) > 1 else ''}", s) for i, s in enumerate(sweeps)
        )
        for part, sweeps in (
            ("opening", rule.opening),
            ("body", rule.body),
            ("closing", rule.closing),
        )
    }


# Names that generated code uses for itself, in either language.
_OWN = frozenset(
    (
        *PLACES,
        *("here", "last", "before", "after", "begin", "end", "new", "spare", "steps", "parallel"),
        *(
            "block",
            "blocks",
            "total",
            "whole",
            "parts",
            "graph",
            "walls",
            "left_wall",
            "right_wall",
        ),
        *("starts", "others", "weights", "back_starts", "back_others", "back_weights", "tails"),
        *(
            "heads",
            "edge_weights",
            "self",
            "np",
            "math",
            "njit",
            "prange",
            "count",
            "energy",
            "step",
        ),
        *("Real", "Arguments", "a", "i", "k", "new_q", "momentum", "value", "name"),
    )
)


def check_names(rule: LatticeRule, reserved: Iterable[str]) -> None:
    """Refuse hyperparameters that have the name of something in the generated code.

    Raises:
        TargetError: with the name.
    """
    taken = _OWN | set(reserved) | {piece.name for piece in pieces_of(rule).values()}
    for parameter in rule.parameters:
        if parameter.name in taken:
            raise TargetError(
                f"the hyperparameter {parameter.name} has a name that generated code uses for "
                "itself; choose another"
            )
