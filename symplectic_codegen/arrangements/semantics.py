"""What an arrangement does: a machine, read off its backward pass.

A box N shows its output n⁺ and a field of covectors ω_N on its inputs; it is told where its input
is, and a covector ν at its output. With ω_M the fields of the boxes inside, an arrangement has

    n⁺ = f⁺,    ω_N = (∂f⁻/∂n⁻)ᵀ ω_M(f⁻) + ∂U/∂n⁻,    m⁻ = f⁻,
    ξ_Q = (∂f⁺/∂q)ᵀ ν + (∂f⁻/∂q)ᵀ ω_M(f⁻) + ∂U/∂q,     and ξ_M alike with m⁺ in the place of q:

reverse-mode differentiation of the lens (f⁺, f⁻), with the potential added. Two machines follow:

    configuration   q ↦ q − ♯_q ξ_Q                                    (learning)
    phase           (q, ξ) ↦ (q̃, ξ − ξ_Q(q̃)),  q̃ = q + ♯_q ξ            (mechanics)

The second shows what it shows at q̃: first the drift, then the kick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import sympy as sp

from symplectic_codegen.arrangements.arrangement import Arrangement, Interface
from symplectic_codegen.arrangements.composition import fitting

__all__ = ["Backward", "Machine", "Semantics", "backward", "configuration", "dual", "phase", "plug"]


def dual(coordinate: sp.Symbol) -> sp.Symbol:
    """The covector that belongs to a coordinate: as a momentum, or as what is passed back.

    >>> dual(sp.Symbol("q"))
    d_q
    """
    return sp.Symbol(f"d_{coordinate.name}", real=True)


@dataclass(frozen=True)
class Backward:
    """The backward pass of an arrangement.

    Args:
        parameters: ξ_Q.
        boxes: ξ_M, the covectors that are told to the boxes inside.
        outer: ω_N, the covector at the input from outside.
    """

    parameters: tuple[sp.Expr, ...]
    boxes: tuple[sp.Expr, ...]
    outer: tuple[sp.Expr, ...]


def backward(f: Arrangement) -> Backward:
    """The backward pass, in the covectors `dual` of the outputs of N and of the inputs of M.

    >>> from symplectic_codegen.arrangements import Parameters
    >>> q, x, y = sp.symbols("q x y")
    >>> layer = Arrangement((Interface((), (x,)),), Interface((), (y,)), (sp.tanh(q * x),), (),
    ...                     Parameters.scaled([q], 1))
    >>> backward(layer).parameters
    (d_y*x*(1 - tanh(q*x)**2),)
    """
    passed = [dual(n) * e for n, e in zip(f.outer.outputs, f.output, strict=True)]
    placed = [dual(m) * e for m, e in zip(f.inner_inputs, f.input, strict=True)]
    # ∂/∂z of ⟨ν, f⁺⟩ + ⟨ω_M, f⁻⟩ + U, the covectors being constants: vector-Jacobian products.
    whole = sp.Add(*passed, *placed, f.potential)

    def along(coordinates: Sequence[sp.Symbol]) -> tuple[sp.Expr, ...]:
        return tuple(sp.diff(whole, z) for z in coordinates)

    return Backward(along(f.parameters.coordinates), along(f.inner_outputs), along(f.outer.inputs))


@dataclass(frozen=True)
class Machine:
    """A machine in a box, with boxes inside that other machines may be put into.

    Args:
        boxes: the interfaces inside.
        outer: the interface outside.
        state: coordinates of the state.
        position: the output n⁺, in the state and the outputs of the boxes.
        placed: the inputs m⁻ of the boxes, in the state, their outputs and n⁻.
        field: ω_N at n⁻, in all these and the covectors of the boxes at m⁻.
        sent: the covectors that are told to the boxes, in all these and those told to it.
        update: the next state, in the same.
    """

    boxes: tuple[Interface, ...]
    outer: Interface
    state: tuple[sp.Symbol, ...]
    position: tuple[sp.Expr, ...]
    placed: tuple[sp.Expr, ...]
    field: tuple[sp.Expr, ...]
    sent: tuple[sp.Expr, ...]
    update: tuple[sp.Expr, ...]

    @property
    def next(self) -> Mapping[sp.Symbol, sp.Expr]:
        """The next value of each coordinate of the state."""
        return dict(zip(self.state, self.update, strict=True))


Semantics = Callable[[Arrangement], Machine]


def configuration(f: Arrangement) -> Machine:
    """Φ_conf: the state is q, and q moves down the covector that comes back.

    >>> from symplectic_codegen.arrangements import UNIT, Parameters
    >>> q, rate = sp.symbols("q rate")
    >>> bowl = Arrangement((), UNIT, (), (), Parameters.scaled([q], rate), q**2 / 2)
    >>> configuration(bowl).update
    (-q*rate + q,)
    """
    back = backward(f)
    q = f.parameters.coordinates
    moved = _times(f.parameters.sharp, back.parameters)
    update = tuple(z - dz for z, dz in zip(q, moved, strict=True))
    return Machine(f.boxes, f.outer, q, f.output, f.input, back.outer, back.boxes, update)


def phase(f: Arrangement, damping: sp.Expr = sp.S.Zero) -> Machine:
    """Φ_phase: the state is (q, ξ); a drift along ♯ξ, then a kick by what comes back at q̃.

    Args:
        f: the arrangement.
        damping: the part of the momentum that is lost in a step.

    >>> from symplectic_codegen.arrangements import UNIT, Parameters
    >>> q, m, k = sp.symbols("q m k", positive=True)
    >>> oscillator = Arrangement((), UNIT, (), (), Parameters.scaled([q], 1 / m), k * q**2 / 2)
    >>> phase(oscillator).next[q]
    d_q/m + q
    """
    q = f.parameters.coordinates
    momenta = tuple(dual(z) for z in q)
    drift = _times(f.parameters.sharp, momenta)
    moved = {z: z + dz for z, dz in zip(q, drift, strict=True)}
    back = backward(f)

    def there(exprs: Sequence[sp.Expr]) -> tuple[sp.Expr, ...]:
        return tuple(e.xreplace(moved) for e in exprs)

    kicked = [
        (1 - damping) * xi - force
        for xi, force in zip(momenta, there(back.parameters), strict=True)
    ]
    return Machine(
        f.boxes,
        f.outer,
        (*q, *momenta),
        there(f.output),
        there(f.input),
        there(back.outer),
        there(back.boxes),
        (*moved.values(), *kicked),
    )


def plug(outside: Machine, *inside: Machine) -> Machine:
    """Machines put into the boxes of a machine: all of them take a step together.

    Outputs go up, then inputs and covectors come down. Nothing of the arrangements is used, so
    that "the machine of a composite is the composite of the machines" is a statement.

    Raises:
        ArrangementError: the number of boxes or the dimensions of an interface do not agree.
    """
    fitting(outside.boxes, [m.outer for m in inside])
    up = _pairs(chain.from_iterable(box.outputs for box in outside.boxes),
                chain.from_iterable(m.position for m in inside))  # fmt: skip
    given = iter(e.xreplace(up) for e in outside.placed)
    told_in: list[dict[sp.Symbol, sp.Expr]] = [{n: next(given) for n in m.outer.inputs}
                                               for m in inside]  # fmt: skip
    fields = chain.from_iterable(
        (e.xreplace(at) for e in m.field) for m, at in zip(inside, told_in, strict=True)
    )
    slots = chain.from_iterable(box.inputs for box in outside.boxes)
    here = up | _pairs((dual(s) for s in slots), fields)
    sent = iter(e.xreplace(here) for e in outside.sent)
    for m, at in zip(inside, told_in, strict=True):
        at |= {dual(n): next(sent) for n in m.outer.outputs}
    parts = list(zip(inside, told_in, strict=True))

    def below(name: str) -> Iterator[sp.Expr]:
        return chain.from_iterable((e.xreplace(at) for e in getattr(m, name)) for m, at in parts)

    return Machine(
        tuple(chain.from_iterable(m.boxes for m in inside)),
        outside.outer,
        (*outside.state, *chain.from_iterable(m.state for m in inside)),
        tuple(e.xreplace(up) for e in outside.position),
        tuple(below("placed")),
        tuple(e.xreplace(here) for e in outside.field),
        tuple(below("sent")),
        (*(e.xreplace(here) for e in outside.update), *below("update")),
    )


def _times(matrix: sp.ImmutableMatrix, vector: Sequence[sp.Expr]) -> tuple[sp.Expr, ...]:
    size = len(vector)
    return tuple(sp.Add(*(matrix[i, j] * vector[j] for j in range(size))) for i in range(size))


def _pairs(
    keys: Iterator[sp.Symbol] | chain[sp.Symbol], values: Iterator[sp.Expr]
) -> dict[sp.Symbol, sp.Expr]:
    return dict(zip(keys, values, strict=True))
