"""Integrators: how exact flows of the pieces of H are composed into one step.

A composition is written as the pieces in the order in which they act, each with the part of the
step that it takes: ``B/2 A B/2``. The pieces are

    A  potential and thermal part together: kick and cooling, with the gradient frozen
    K  the potential alone: kick          C  the thermal part alone: cooling
    B  the kinetic part: drift            D  the dilation: decoupled decay of the weights
    M  the memory fields, driven by the gradient of the step
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

import sympy as sp

from symplectic_codegen.errors import SpecError

KICKS, CLOCKS, MOVERS = "AK", "AC", "BD"  # read the gradient; advance beta; move the weights
_PIECE = re.compile(r"([AKCBDM])(?:/(\d{1,2})|\((\d{1,2})/(\d{1,2})\))?")
_MAX_PIECES = 24


@dataclass(frozen=True)
class Piece:
    """A piece of H and the part of the step for which its flow acts."""

    letter: str
    part: sp.Rational = sp.S.One

    def __str__(self) -> str:
        if self.part == 1:
            return self.letter
        if self.part.p == 1:
            return f"{self.letter}/{self.part.q}"
        return f"{self.letter}({self.part.p}/{self.part.q})"


@dataclass(frozen=True)
class Integrator:
    """A composition of flows.

    Args:
        name: as on the command line; the composition itself where it has no other name.
        composition: the pieces in the order in which they act. M and D are passed over where H has
            no memory field or dilation.
        description: one line for a person.
    """

    name: str
    composition: tuple[Piece, ...]
    description: str

    @property
    def is_symmetric(self) -> bool:
        """Whether the step is its own adjoint: then its order is even."""
        return self.composition == self.composition[::-1]


@dataclass(frozen=True)
class Program:
    """What is run: the composition, rotated so that it begins with reading the gradient.

    Args:
        pieces: in the order in which they act on the stored variables.
        before: what has to be undone on the stored variables to be on the trajectory.
    """

    pieces: tuple[Piece, ...]
    before: tuple[Piece, ...]

    @property
    def offset(self) -> sp.Rational:
        """How far beta has advanced, in steps, when the gradient is read."""
        return sum((p.part for p in self.before if p.letter in CLOCKS), sp.S.Zero)


def one_gradient_program(composition: Iterable[Piece]) -> Program:
    """Rotate a composition so that one gradient per step, at the stored weights, is enough.

    The stored variables are those of the trajectory after the leading pieces: a conjugate step,
    with the same orbits.

    >>> program = one_gradient_program(parse_composition("C/2 B/2 K B/2 C/2"))
    >>> " ".join(str(p) for p in program.pieces), " ".join(str(p) for p in program.before)
    ('K B/2 C B/2', 'C/2 B/2')

    Raises:
        SpecError: the weights move between kicks, so that a step needs several gradients.
    """
    pieces = list(composition)
    kicks = [i for i, piece in enumerate(pieces) if piece.letter in KICKS]
    moves = [i for i, piece in enumerate(pieces) if piece.letter in MOVERS]
    start = kicks[0]
    if moves and moves[0] > kicks[0]:
        # Kicks at the end of a step read the gradient of the next one's start: begin with them.
        trailing = [i for i in kicks if i > moves[-1]]
        start = trailing[0] if trailing else start
    rotated = _merged(pieces[start:] + pieces[:start])
    letters = [piece.letter for piece in rotated]
    last_kick = max(i for i, letter in enumerate(letters) if letter in KICKS)
    if any(letter in "B" for letter in letters[:last_kick]):
        count = sum(letter in KICKS for letter in letters)
        raise SpecError(
            f"the composition {' '.join(map(str, pieces))} moves the weights between kicks: a step "
            f"would need {count} gradients, and an optimizer gets one"
        )
    return Program(tuple(rotated), tuple(pieces[:start]))


def _merged(pieces: list[Piece]) -> list[Piece]:
    """Neighbours of one kind as one piece: flows of the same piece add up."""
    result: list[Piece] = []
    for piece in pieces:
        if result and result[-1].letter == piece.letter:
            result[-1] = Piece(piece.letter, result[-1].part + piece.part)
        else:
            result.append(piece)
    return result


def parse_composition(text: str) -> tuple[Piece, ...]:
    """A composition from its text.

    >>> [str(p) for p in parse_composition("B/2 A B/2")]
    ['B/2', 'A', 'B/2']

    Raises:
        SpecError: it is no composition, or a piece does not act for one whole step.
    """
    pieces = []
    for word in text.split():
        match = _PIECE.fullmatch(word)
        if match is None:
            raise SpecError(
                f"integrator {text!r}: {word!r} is no piece; write pieces as in 'B/2 A B/2' or "
                "'B(1/3)', with the letters A K C B D M"
            )
        letter, under, p, q = match.groups()
        over, below = (p or 1), (under or q or 1)
        if int(below) == 0 or int(over) == 0:
            raise SpecError(f"integrator {text!r}: {word!r} takes no part of the step")
        pieces.append(Piece(letter, sp.Rational(int(over), int(below))))
    if not pieces or len(pieces) > _MAX_PIECES:
        raise SpecError(f"integrator {text!r}: give between 1 and {_MAX_PIECES} pieces")
    for letters, what in ((KICKS, "kicks"), (CLOCKS, "cooling"), ("B", "drifts")):
        total = sum((x.part for x in pieces if x.letter in letters), sp.S.Zero)
        if total != 1:
            raise SpecError(
                f"integrator {text!r}: its {what} ({' or '.join(letters)}) add up to {total} of a "
                "step, not to 1"
            )
    for letter in "DM":
        total = sum((x.part for x in pieces if x.letter == letter), sp.S.Zero)
        if total not in (0, 1):
            raise SpecError(f"integrator {text!r}: {letter} adds up to {total} of a step, not to 1")
    return tuple(pieces)


def _named(name: str, composition: str, description: str) -> Integrator:
    return Integrator(name, parse_composition(composition), f"{composition}: {description}")


INTEGRATORS: dict[str, Integrator] = {
    integrator.name: integrator
    for integrator in (
        _named(
            "lie-trotter",
            "A D M B",
            "the paper's scheme, kick and cooling together, then drift with the new momenta",
        ),
        _named("drift-first", "B A D M", "Lie-Trotter in the other order"),
        _named("strang", "B/2 A D M B/2", "symmetric, the gradient in the middle of the step"),
        _named("strang-kick", "A/2 B A/2", "symmetric, the gradient at both ends of the step"),
        _named(
            "conformal-leapfrog",
            "C/2 B/2 K B/2 C/2",
            "symmetric, cooling outside (Franca et al. 2020)",
        ),
    )
}


def get_integrator(name: str) -> Integrator:
    """The integrator called `name`, or the one that a composition describes.

    Raises:
        SpecError: there is none; the message lists those that exist.
    """
    if name in INTEGRATORS:
        return INTEGRATORS[name]
    if re.fullmatch(r"[AKCBDM0-9/() ]+", name):
        one_gradient_program(composition := parse_composition(name))
        return Integrator(" ".join(map(str, composition)), composition, "given by the user")
    close = get_close_matches(name, INTEGRATORS, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    known = ", ".join(INTEGRATORS)
    raise SpecError(
        f"unknown integrator '{name}'.{hint} Known: {known}, or a composition such as 'B/2 A B/2'"
    )
