"""Integrators: named compositions of flows, and how a composition is run with one gradient a call.

`symplectic_codegen.language.composition` says how a composition is written and what its letters
stand for. The trajectory is what the composition makes, read at the start of a step; what is *run*
begins where a gradient is read, so that the stored weights are those at which it is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

import sympy as sp

from symplectic_codegen.errors import SpecError
from symplectic_codegen.language.composition import (
    CLOCKS,
    KICKS,
    MOVERS,
    Composition,
    Piece,
    Readout,
    composition_text,
    is_composition,
    own_piece,
    parse_composition,
    standard_part,
)


@dataclass(frozen=True)
class Integrator:
    """A composition of flows.

    Args:
        name: as on the command line; the composition itself where it has no other name.
        composition: in the order in which they act. Pieces that H has not are passed over.
        description: one line for a person.
    """

    name: str
    composition: Composition
    description: str

    @property
    def is_symmetric(self) -> bool:
        """Whether the step is its own adjoint: then its order is even."""
        return self.composition == self.composition[::-1]

    @property
    def readouts(self) -> tuple[Readout, ...]:
        """The pieces that read a state which is not kept."""
        return tuple(item for item in self.composition if isinstance(item, Readout))

    def restricted(self, letters: Iterable[str]) -> Integrator:
        """The same integrator without the pieces that H has not."""
        kept = set(letters)
        items = tuple(item for item in self.composition if own_piece(item).letter in kept)
        return Integrator(self.name, items, self.description)


@dataclass(frozen=True)
class Instruction:
    """A piece to run.

    Args:
        ahead: a drift reads the momenta where these pieces would lead to.
        undo: a kick was given the gradient where pieces had led to; these lead back the weights,
            with the momenta from before the kick.
    """

    piece: Piece
    ahead: tuple[Piece, ...] = ()
    undo: tuple[Piece, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether it is a flow of one piece and nothing else."""
        return not (self.ahead or self.undo or self.piece.is_lagged)

    def __str__(self) -> str:
        text = str(Readout(self.ahead, self.piece) if self.ahead else self.piece)
        return f"{text} (undo {' '.join(map(str, self.undo))})" if self.undo else text


@dataclass(frozen=True)
class Program:
    """What is run.

    Args:
        calls: for each gradient that a step needs, what is done with it, in order.
        before: what has to be undone on the stored variables to be on the trajectory.
    """

    calls: tuple[tuple[Instruction, ...], ...]
    before: tuple[Instruction, ...]


_READ = None  # the place in a list of instructions where the gradient is read


def program_of(composition: Composition) -> Program:
    """The composition as calls with one gradient each, read at the stored weights.

    Where the weights have moved before the gradient is read, the stored variables are those of the
    trajectory after the leading pieces: a conjugate step, with the same orbits. A kick that reads
    ahead stores the weights ahead, and first takes back, with the old momenta, what was only ahead.

    >>> program = program_of(parse_composition("C/2 B/2 K B/2 C/2"))
    >>> [" ".join(map(str, call)) for call in program.calls], " ".join(map(str, program.before))
    (['K B/2 C B/2'], 'C/2 B/2')
    >>> [" ".join(map(str, call)) for call in program_of(parse_composition("C [B] K B")).calls]
    ['K (undo B(-1)) B C B']
    """
    steps: list[Instruction | None] = []
    for item in composition:
        if isinstance(item, Readout) and item.piece.letter in KICKS:
            steps += [Instruction(p) for p in item.ahead]
            steps.append(_READ)
            back = tuple(p.scaled(sp.S.NegativeOne) for p in reversed(item.ahead))
            steps.append(Instruction(item.piece, undo=back))
        elif isinstance(item, Readout):
            steps.append(Instruction(item.piece, item.ahead))
        else:
            steps += [_READ] if item.letter in KICKS else []
            steps.append(Instruction(item))
    steps = _without_repeated_reads(steps)
    first = steps.index(_READ)
    if not any(_moves(s) for s in steps[:first]):
        # What comes before the gradient leaves the weights alone: nothing need be turned round.
        steps = [_READ, *steps[:first], *steps[first + 1 :]]
        first = 0
    before = tuple(s for s in steps[:first] if s is not None)
    rotated = steps[first:] + steps[:first]
    calls: list[list[Instruction]] = []
    for step in rotated:
        if step is None:
            calls.append([])
        else:
            calls[-1].append(step)
    return Program(tuple(_merged(call) for call in calls), before)


def _moves(step: Instruction | None) -> bool:
    return step is not None and (step.piece.letter in MOVERS or bool(step.undo))


def _without_repeated_reads(steps: list[Instruction | None]) -> list[Instruction | None]:
    """Without reading a gradient where the weights have not moved since the last one."""
    kept: list[Instruction | None] = []
    for step in steps:
        since = kept[_last_read(kept) :] if _READ in kept else None
        if step is _READ and since is not None and not any(map(_moves, since)):
            continue
        kept.append(step)
    # The last gradient of a step may be the first one of the next step.
    first, last = kept.index(_READ), _last_read(kept)
    if first != last and not any(map(_moves, kept[last:] + kept[:first])):
        kept = kept[last:] + kept[:first] + kept[first + 1 : last]
        return [*kept[1:], kept[0]] if kept[0] is not _READ else kept
    return kept


def _last_read(steps: list[Instruction | None]) -> int:
    return len(steps) - 1 - steps[::-1].index(_READ)


def _merged(call: list[Instruction]) -> tuple[Instruction, ...]:
    """Neighbours of one kind as one piece: flows of the same piece add up."""
    result: list[Instruction] = []
    for step in call:
        last = result[-1] if result else None
        plain = last is not None and last.is_plain and step.is_plain
        if plain and last is not None and last.piece.letter == step.piece.letter:
            total = standard_part(last.piece.part + step.piece.part)
            result[-1:] = [Instruction(Piece(step.piece.letter, total))] if total != 0 else []
        else:
            result.append(step)
    return tuple(result)


_SYMMETRIC = "B/2 E/2 A E/2 B/2"
_JUMP = "1/(2 - 2**(1/3))"
_SUZUKI = "1/(4 - 4**(1/3))"

_NAMED = (
    (
        "lie-trotter",
        "P F E A O D M B",
        "the paper's scheme, kick and cooling together, then drift with the new momenta",
    ),
    ("drift-first", "B P F E A O D M", "Lie-Trotter in the other order"),
    (
        "strang",
        "B/2 P F/2 E/2 A O E/2 F/2 D M B/2",
        "symmetric, the gradient in the middle of the step",
    ),
    ("strang-kick", "A/2 E/2 B E/2 A/2", "symmetric, the gradient at both ends of the step"),
    (
        "conformal-leapfrog",
        "C/2 B/2 K B/2 C/2",
        "symmetric, cooling outside (Franca et al. 2020)",
    ),
    ("nesterov", "C [B] K D M B", "the gradient is read one drift ahead of the weights"),
    (
        "lagged-norm",
        "P F E A O D M B*",
        "as lie-trotter, sums over the momenta one step late and corrected: one sweep, not two",
    ),
    (
        "triple-jump",
        f"{{{_SYMMETRIC}}}({_JUMP}) {{{_SYMMETRIC}}}(1 - 2*{_JUMP}) {{{_SYMMETRIC}}}({_JUMP})",
        "order 4, three gradients a step (Yoshida 1990); its clock leaves the step",
    ),
    (
        "suzuki",
        " ".join(
            [f"{{{_SYMMETRIC}}}({part})" for part in (*[_SUZUKI] * 2, f"1 - 4*{_SUZUKI}")]
            + [f"{{{_SYMMETRIC}}}({_SUZUKI})"] * 2
        ),
        "order 4, five gradients a step (Suzuki 1990); its clock stays inside the step",
    ),
)

# Name -> (composition, description). Read when asked for: roots of numbers take SymPy a while.
INTEGRATORS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {name: (text, description) for name, text, description in _NAMED}
)


def get_integrator(
    name: str, symbols: Mapping[str, sp.Symbol] = MappingProxyType({})
) -> Integrator:
    """The integrator called `name`, or the one that a composition describes.

    Args:
        symbols: those to use for hyperparameters in a composition.

    Raises:
        SpecError: there is none; the message lists those that exist.
    """
    if name in INTEGRATORS:
        text, description = INTEGRATORS[name]
        return Integrator(name, parse_composition(text), f"{text}: {description}")
    if is_composition(name):
        composition = parse_composition(name, symbols)
        return Integrator(composition_text(composition), composition, "given by the user")
    close = get_close_matches(name, INTEGRATORS, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    known = ", ".join(INTEGRATORS)
    raise SpecError(
        f"unknown integrator '{name}'.{hint} Known: {known}, or a composition such as 'B/2 A B/2'"
    )


def clock_parts(pieces: Iterable[Piece]) -> sp.Expr:
    """By how many steps the clock of beta moves in `pieces`."""
    return sp.Add(*(p.part for p in pieces if p.letter in CLOCKS))
