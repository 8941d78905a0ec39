"""Compositions of flows as text: which pieces of H act, in which order, for which part of the step.

    B/2 A B/2                   drift for half a step, kick and cool, drift for half a step
    B(1/3) A B(2/3)             parts may be numbers or expressions in hyperparameters
    C [B] K B                   a readout: K reads the gradient where B would take the weights
    C K [C K] B                 a readout: B reads the momenta where C K would take them
    {B/2 A B/2}(2) {B/2 A B/2}(-1)   a composition, scaled
    A B*                        a drift whose sums over momenta are those before the step

What the letters stand for is said by `LETTERS`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final

import sympy as sp

from symplectic_codegen.errors import HamiltonianSyntaxError, SpecError
from symplectic_codegen.language.hamiltonian import hyperparameter_names, parse_scalar

LETTERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "A": "potential and thermal part together: kick and cooling, with the gradient frozen",
        "K": "the potential alone: kick",
        "C": "the thermal part alone: cooling",
        "E": "the thermostat: what of the thermal part is not linear in U, or reads the momenta",
        "B": "the kinetic part: drift",
        "D": "the dilation: decoupled decay of the weights",
        "M": "the memory fields, driven by the gradient of the step",
        "F": "Rayleigh friction; not Hamiltonian",
        "N": "noise on the momenta; not Hamiltonian",
        "O": "the noise that cooling has left of it: exact Ornstein-Uhlenbeck; not Hamiltonian",
        "P": "projection of the momenta to the energy surface; not Hamiltonian",
    }
)
KICKS, CLOCKS, MOVERS = "AK", "AC", "BD"  # read the gradient; advance beta; move the weights
OPTIONAL: Final = "EDMFNOP"  # passed over where there is nothing of the kind
_MAX_PIECES = 64
_CLOSING = {"[": "]", "{": "}"}
_WORD = re.compile(r"([A-Z])(\*?)")
_FRACTION = re.compile(r"/([0-9]{1,3})")


@dataclass(frozen=True)
class Piece:
    """A piece of H and the part of the step for which its flow acts.

    Args:
        letter: one of `LETTERS`.
        part: a number, or an expression in hyperparameters; negative is backwards in time.
        is_lagged: whether sums over momenta are taken from before the step, and corrected after.
    """

    letter: str
    part: sp.Expr = sp.S.One
    is_lagged: bool = False

    def scaled(self, factor: sp.Expr) -> Piece:
        """The same piece for `factor` times the time."""
        return Piece(self.letter, standard_part(factor * self.part), self.is_lagged)

    def __str__(self) -> str:
        name = self.letter + "*" * self.is_lagged
        if self.part == 1:
            return name
        if self.part.is_Rational and self.part.p == 1:
            return f"{name}/{self.part.q}"
        return f"{name}({self.part})"


@dataclass(frozen=True)
class Readout:
    """`piece` reads the state that `ahead` would lead to; `ahead` itself moves nothing.

    >>> print(parse_composition("C [B] K B")[1])
    [B] K
    """

    ahead: tuple[Piece, ...]
    piece: Piece

    def __str__(self) -> str:
        return f"[{' '.join(map(str, self.ahead))}] {self.piece}"


Item = Piece | Readout
Composition = tuple[Item, ...]


def own_piece(item: Item) -> Piece:
    """The piece that moves the state."""
    return item.piece if isinstance(item, Readout) else item


def composition_text(composition: Composition) -> str:
    """The text that `parse_composition` reads.

    >>> composition_text(parse_composition("{B/2 A B/2}(1/3)  {B/2 A B/2}(2/3)"))
    'B/6 A/3 B/6 B/3 A(2/3) B/3'
    """
    return " ".join(map(str, composition))


def composition_names(text: str) -> tuple[str, ...]:
    """The hyperparameters in a composition, in the order of the text.

    >>> composition_names("B(alpha/(1 + alpha)) A B(1/(1 + alpha))")
    ('alpha',)
    """
    if not is_composition(text):
        return ()
    parts = [text[start:end] for start, end in _parentheses(text)]
    return tuple(dict.fromkeys(name for part in parts for name in hyperparameter_names(part)))


def is_composition(text: str) -> bool:
    """Whether `text` is meant as a composition, and not as the name of an integrator."""
    return bool(re.match(r"\s*[\[{A-Z]", text))


def parse_composition(
    text: str, symbols: Mapping[str, sp.Symbol] = MappingProxyType({})
) -> Composition:
    """A composition from its text; `symbols` are those to use for some hyperparameters.

    >>> [str(p) for p in parse_composition("B/2 A B/2")]
    ['B/2', 'A', 'B/2']

    Raises:
        SpecError: it is no composition, or a piece does not act for one whole step.
    """
    composition = tuple(_Reader(text, symbols).items())
    pieces = [own_piece(item) for item in composition]
    if not pieces or len(pieces) > _MAX_PIECES:
        raise SpecError(f"integrator {text!r}: give between 1 and {_MAX_PIECES} pieces")
    for letters, what in ((KICKS, "kicks"), (CLOCKS, "cooling"), ("B", "drifts")):
        total = sum((p.part for p in pieces if p.letter in letters), sp.S.Zero)
        if sp.simplify(total - 1) != 0:
            raise SpecError(
                f"integrator {text!r}: its {what} ({' or '.join(letters)}) add up to {total} of a "
                "step, not to 1"
            )
    for letter in OPTIONAL:
        total = sum((p.part for p in pieces if p.letter == letter), sp.S.Zero)
        if total != 0 and sp.simplify(total - 1) != 0:
            raise SpecError(f"integrator {text!r}: {letter} adds up to {total} of a step, not to 1")
    if any(p.is_lagged and p.letter != "B" for p in pieces):
        raise SpecError(f"integrator {text!r}: only the drift can lag, as B*")
    return composition


@cache
def standard_part(part: sp.Expr) -> sp.Expr:
    """A part in a form that is the same for the same number.

    Numbers with one root in them become polynomials in it, as 1/(2 - 2**(1/3)) does.

    >>> standard_part(1 / (2 - sp.cbrt(2)))
    2**(2/3)/6 + 2**(1/3)/3 + 2/3
    """
    roots = [p for p in part.atoms(sp.Pow) if p.base.is_Integer and p.exp.is_Rational]
    bases = {p.base for p in roots if not p.exp.is_integer}
    if part.free_symbols or len(bases) != 1:
        return sp.cancel(part) if part.free_symbols else sp.expand(part)
    (base,) = bases
    field = sp.QQ.algebraic_field(base ** sp.Rational(1, sp.ilcm(1, *(p.exp.q for p in roots))))
    return field.to_sympy(field.from_sympy(part))


class _Reader:
    """Reads a composition from left to right."""

    def __init__(self, text: str, symbols: Mapping[str, sp.Symbol]) -> None:
        self.text = text
        self.symbols = symbols
        self.place = 0

    def items(self, closing: str = "") -> Iterator[Item]:
        while True:
            self._skip()
            if self.place >= len(self.text):
                if closing:
                    raise self._error(f"a {closing!r} is missing")
                return
            character = self.text[self.place]
            if closing and character == closing:
                self.place += 1
                return
            if character == "{":
                yield from self._group()
            elif character == "[":
                yield self._readout()
            else:
                yield self._piece()

    def _group(self) -> Iterator[Item]:
        self.place += 1
        inside = list(self.items("}"))
        factor = self._part()
        for item in inside:
            if isinstance(item, Readout):
                ahead = tuple(p.scaled(factor) for p in item.ahead)
                yield Readout(ahead, item.piece.scaled(factor))
            else:
                yield item.scaled(factor)

    def _readout(self) -> Readout:
        self.place += 1
        ahead = []
        for item in self.items("]"):
            if isinstance(item, Readout):
                raise self._error("a readout cannot be inside a readout")
            ahead.append(item)
        self._skip()
        if not ahead or self.place >= len(self.text) or self.text[self.place] in "[]{}":
            raise self._error("a readout is written as in '[B] K': pieces, then the one that reads")
        piece = self._piece()
        moves = {p.letter for p in ahead}
        if piece.letter in KICKS:
            fitting = moves <= set("BCD")
        else:
            fitting = piece.letter == "B" and moves <= set("AKCF")
        if not fitting:
            raise self._error(
                "a kick (A or K) can read ahead of a drift, and a drift (B) ahead of a kick or of "
                "cooling; nothing else can be read out"
            )
        return Readout(tuple(ahead), piece)

    def _piece(self) -> Piece:
        match = _WORD.match(self.text, self.place)
        if match is None or match[1] not in LETTERS:
            raise self._error(
                "no piece of a composition; write pieces as in 'B/2 A B/2' or 'B(1/3)', with the "
                f"letters {' '.join(LETTERS)}"
            )
        self.place = match.end()
        part = self._part()
        if self.place < len(self.text) and self.text[self.place] not in " \t\n[]{}":
            raise self._error("pieces are separated by spaces")
        return Piece(match[1], part, bool(match[2]))

    def _part(self) -> sp.Expr:
        fraction = _FRACTION.match(self.text, self.place)
        if fraction:
            if int(fraction[1]) == 0:
                raise self._error("this takes no part of the step")
            self.place = fraction.end()
            return sp.Rational(1, int(fraction[1]))
        if self.place >= len(self.text) or self.text[self.place] != "(":
            return sp.S.One
        spans = [end for start, end in _parentheses(self.text) if start == self.place]
        if not spans:
            raise self._error("'(' is never closed")
        inside = self.text[self.place + 1 : spans[0] - 1]
        try:
            part = parse_scalar(inside, self.symbols)
        except HamiltonianSyntaxError as error:
            raise SpecError(f"integrator {self.text!r}: {error}") from None
        moving = sorted(s.name for s in part.free_symbols if s.name in ("beta", "t", "tau", "d"))
        if moving:
            raise self._error(f"{moving[0]} cannot be in a part of the step")
        if part == 0:
            raise self._error("this takes no part of the step")
        self.place = spans[0]
        return standard_part(part)

    def _skip(self) -> None:
        while self.place < len(self.text) and self.text[self.place] in " \t\n":
            self.place += 1

    def _error(self, message: str) -> SpecError:
        line = " ".join(self.text.split("\n"))
        return SpecError(f"integrator: {message}\n{line}\n{' ' * min(self.place, len(line))}^")


def _parentheses(text: str) -> list[tuple[int, int]]:
    """(start, end) of the outermost parentheses that are closed."""
    found, depth, start = [], 0, 0
    for place, character in enumerate(text):
        if character == "(":
            start = place if depth == 0 else start
            depth += 1
        elif character == ")" and depth:
            depth -= 1
            if depth == 0:
                found.append((start, place + 1))
    return found
