"""Interfaces, and arrangements of boxes inside a box.

An interface is a pair of spaces: what comes in, and what goes out. An arrangement of boxes
M₁, …, M_K inside a box N consists of

    a parameter space Q with a map ♯_q of covectors to vectors, which may depend on q,
    an output map f⁺: Q × M⁺ → N⁺,   an input map f⁻: Q × M⁺ × N⁻ → M⁻,
    a potential U: Q × M⁺ × N⁻ → ℝ,

with M⁺ the product of the outputs of all boxes. With no box inside it is a system, and a closed one
if N has neither input nor output. Source: D. Spivak, *Compositional Dynamics in Learning and
Mechanics*, arXiv:2606.28984.

Spaces are coordinate spaces of explicit dimension; a coordinate is a symbol. Symbols that are no
coordinates are constants.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

import sympy as sp

from symplectic_codegen.errors import SymplecticCodegenError

__all__ = ["NO_PARAMETERS", "UNIT", "Arrangement", "ArrangementError", "Interface", "Parameters"]


class ArrangementError(SymplecticCodegenError):
    """Parts that do not fit: what, where, and what to do."""


def _coordinates(stem: str, count: int) -> tuple[sp.Symbol, ...]:
    names = [stem] if count == 1 else [f"{stem}{i + 1}" for i in range(count)]
    return tuple(sp.Symbol(name, real=True) for name in names)


def _distinct(symbols: Iterable[sp.Symbol], what: str) -> None:
    seen: set[sp.Symbol] = set()
    for symbol in symbols:
        if symbol in seen:
            raise ArrangementError(
                f"{what}: the coordinate {symbol} occurs twice; rename one (Arrangement.renamed)"
            )
        seen.add(symbol)


@dataclass(frozen=True)
class Interface:
    """What comes into a box and what goes out of it.

    Args:
        inputs: coordinates of M⁻.
        outputs: coordinates of M⁺.

    Raises:
        ArrangementError: a coordinate occurs twice on one side.

    >>> Interface.named("N", 1, 2)
    Interface(inputs=(N_in,), outputs=(N_out1, N_out2))
    """

    inputs: tuple[sp.Symbol, ...]
    outputs: tuple[sp.Symbol, ...]

    def __post_init__(self) -> None:
        for side, symbols in (("inputs", self.inputs), ("outputs", self.outputs)):
            _distinct(symbols, f"the {side} of an interface")

    @classmethod
    def named(cls, name: str, inputs: int, outputs: int) -> Interface:
        """An interface of these dimensions, its coordinates named after it."""
        return cls(_coordinates(f"{name}_in", inputs), _coordinates(f"{name}_out", outputs))

    @property
    def shape(self) -> tuple[int, int]:
        """The dimensions of both spaces."""
        return len(self.inputs), len(self.outputs)


UNIT = Interface((), ())


@dataclass(frozen=True)
class Parameters:
    """The parameter space of an arrangement.

    Args:
        coordinates: q.
        sharp: ♯_q, the matrix that makes a velocity of a covector; in mechanics the inverse mass,
            in learning the rate.

    Raises:
        ArrangementError: the matrix has not the size of the space, or a coordinate occurs twice.

    >>> q, m = sp.symbols("q m")
    >>> Parameters((q,), sp.ImmutableMatrix([[1 / m]])).sharp
    Matrix([[1/m]])
    """

    coordinates: tuple[sp.Symbol, ...]
    sharp: sp.ImmutableMatrix

    def __post_init__(self) -> None:
        _distinct(self.coordinates, "the parameters")
        size = len(self.coordinates)
        if self.sharp.shape != (size, size):
            raise ArrangementError(
                f"the sharp map of {size} parameters is a {size} by {size} matrix; this one is "
                f"{self.sharp.shape[0]} by {self.sharp.shape[1]}"
            )

    @classmethod
    def scaled(cls, coordinates: Iterable[sp.Symbol], scale: sp.Expr) -> Parameters:
        """Parameters whose sharp map is a multiple of the identity."""
        symbols = tuple(coordinates)
        return cls(symbols, sp.ImmutableMatrix(scale * sp.eye(len(symbols))))

    def __add__(self, other: Parameters) -> Parameters:
        """The product of both spaces: no sharp map mixes parts."""
        blocks = [p.sharp for p in (self, other) if p.coordinates]
        sharp = sp.ImmutableMatrix(sp.diag(*blocks)) if blocks else NO_PARAMETERS.sharp
        return Parameters((*self.coordinates, *other.coordinates), sharp)


NO_PARAMETERS = Parameters((), sp.ImmutableMatrix(0, 0, []))


@dataclass(frozen=True)
class Arrangement:
    """Boxes inside a box, with parameters and a potential.

    Args:
        boxes: the interfaces inside.
        outer: the interface outside.
        output: f⁺, one expression in (q, m⁺) for each output of `outer`.
        input: f⁻, one expression in (q, m⁺, n⁻) for each input of `boxes`, in their order.
        parameters: Q and its sharp map.
        potential: U(q, m⁺, n⁻).

    Raises:
        ArrangementError: a map has not as many components as its target, or depends on what it
            must not depend on; coordinates that must be told apart have the same name.

    >>> q, k = sp.symbols("q k")
    >>> spring = Arrangement(
    ...     (), Interface.named("N", 0, 1), (q,), (), Parameters.scaled([q], 1), k * q**2 / 2
    ... )
    >>> spring.is_system, spring.is_closed
    (True, False)
    """

    boxes: tuple[Interface, ...]
    outer: Interface
    output: tuple[sp.Expr, ...]
    input: tuple[sp.Expr, ...]
    parameters: Parameters = NO_PARAMETERS
    potential: sp.Expr = sp.S.Zero

    def __post_init__(self) -> None:
        for what, map_, slots in (
            ("output map", self.output, self.outer.outputs),
            ("input map", self.input, self.inner_inputs),
        ):
            if len(map_) != len(slots):
                raise ArrangementError(
                    f"the {what} needs {len(slots)} components, one for each of "
                    f"({', '.join(map(str, slots))}), and has {len(map_)}"
                )
        read = (*self.parameters.coordinates, *self.inner_outputs, *self.outer.inputs)
        _distinct(read, "parameters, outputs of the boxes and inputs from outside")
        unread = {*self.inner_inputs, *self.outer.outputs} - set(read)
        for what, exprs, barred in (
            ("output map", self.output, unread | set(self.outer.inputs)),
            ("input map", self.input, unread),
            ("potential", (self.potential,), unread),
            ("sharp map", tuple(self.parameters.sharp), {*read, *unread} - set(read[: self._size])),
        ):
            used = set().union(*(e.free_symbols for e in exprs)) & barred if exprs else set()
            if used:
                names = ", ".join(sorted(map(str, used)))
                raise ArrangementError(f"the {what} must not depend on {names}")

    @property
    def _size(self) -> int:
        return len(self.parameters.coordinates)

    @property
    def inner_inputs(self) -> tuple[sp.Symbol, ...]:
        """The coordinates of M⁻."""
        return tuple(chain.from_iterable(box.inputs for box in self.boxes))

    @property
    def inner_outputs(self) -> tuple[sp.Symbol, ...]:
        """The coordinates of M⁺."""
        return tuple(chain.from_iterable(box.outputs for box in self.boxes))

    @property
    def is_system(self) -> bool:
        """Whether there is no box inside."""
        return not self.boxes

    @property
    def is_closed(self) -> bool:
        """Whether it is a system that nothing goes into or comes out of."""
        return self.is_system and self.outer.shape == (0, 0)

    def renamed(self, names: Mapping[sp.Symbol, sp.Symbol]) -> Arrangement:
        """The same arrangement with other names: for a second copy of a part."""
        table = dict(names)

        def interface(old: Interface) -> Interface:
            return Interface(
                tuple(table.get(s, s) for s in old.inputs),
                tuple(table.get(s, s) for s in old.outputs),
            )

        return Arrangement(
            tuple(interface(box) for box in self.boxes),
            interface(self.outer),
            tuple(e.xreplace(table) for e in self.output),
            tuple(e.xreplace(table) for e in self.input),
            Parameters(
                tuple(table.get(q, q) for q in self.parameters.coordinates),
                self.parameters.sharp.xreplace(table),
            ),
            self.potential.xreplace(table),
        )
