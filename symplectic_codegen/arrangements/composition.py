"""Composing arrangements: nesting is the one operation, all others are special cases of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, pairwise

import sympy as sp

from symplectic_codegen.arrangements.arrangement import (
    NO_PARAMETERS,
    Arrangement,
    ArrangementError,
    Interface,
)

__all__ = ["identity", "nest", "parallel", "series", "tensor", "wire"]

NOTHING: Mapping[sp.Symbol, sp.Expr] = {}


def nest(outside: Arrangement, *inside: Arrangement) -> Arrangement:
    """`outside` with one arrangement put into each of its boxes.

    The outputs of what is inside take the place of the outputs of the boxes, what the boxes were
    given becomes what comes in from outside, parameters are put side by side and potentials added.

    Raises:
        ArrangementError: the number of boxes or the dimensions of an interface do not agree, or two
            parts have coordinates of the same name.

    >>> x, y = sp.symbols("x y")
    >>> N = Interface((), (y,))
    >>> twice = Arrangement((N,), Interface((), (sp.Symbol("z"),)), (2 * y,), ())
    >>> constant = Arrangement((), N, (sp.Integer(3),), ())
    >>> nest(twice, constant).output
    (6,)
    """
    fitting(outside.boxes, [part.outer for part in inside])
    outputs = dict(
        zip(outside.inner_outputs, chain.from_iterable(p.output for p in inside), strict=True)
    )
    given = iter(e.xreplace(outputs) for e in outside.input)
    parameters, potential = outside.parameters, outside.potential.xreplace(outputs)
    inputs: list[sp.Expr] = []
    for part in inside:
        # Simultaneous: the names of what comes in may be those of something outside.
        from_outside = {n: next(given) for n in part.outer.inputs}
        inputs += [e.xreplace(from_outside) for e in part.input]
        potential = potential + part.potential.xreplace(from_outside)
        parameters = parameters + part.parameters
    return Arrangement(
        tuple(chain.from_iterable(part.boxes for part in inside)),
        outside.outer,
        tuple(e.xreplace(outputs) for e in outside.output),
        tuple(inputs),
        parameters,
        potential,
    )


def identity(interface: Interface) -> Arrangement:
    """The box that is the box inside it.

    >>> identity(Interface.named("N", 1, 1)).input
    (N_in,)
    """
    return Arrangement((interface,), interface, interface.outputs, interface.inputs)


def tensor(*interfaces: Interface) -> Interface:
    """Interfaces side by side, as one.

    Raises:
        ArrangementError: two of them have coordinates of the same name.
    """
    return Interface(
        tuple(chain.from_iterable(i.inputs for i in interfaces)),
        tuple(chain.from_iterable(i.outputs for i in interfaces)),
    )


def parallel(*parts: Arrangement) -> Arrangement:
    """Arrangements side by side; nothing passes between them.

    Raises:
        ArrangementError: two parts have coordinates of the same name.
    """
    boxes = [part.outer for part in parts]
    outer = tensor(*boxes)
    side_by_side = Arrangement(tuple(boxes), outer, outer.outputs, outer.inputs)
    return nest(side_by_side, *parts)


def wire(
    boxes: Sequence[Interface],
    outer: Interface,
    inputs: Mapping[sp.Symbol, sp.Expr] = NOTHING,
    outputs: Mapping[sp.Symbol, sp.Expr] = NOTHING,
    potential: sp.Expr = sp.S.Zero,
) -> Arrangement:
    """A wiring diagram.

    Args:
        boxes: what is inside.
        outer: the box around.
        inputs: for each input of a box, what it is given: outputs of boxes, inputs from outside.
        outputs: for each output of `outer`, what it is made of.
        potential: an energy of the wires, such as that of springs between particles.

    Raises:
        ArrangementError: a slot is left open, or there is none of that name.

    >>> a, b, z = sp.symbols("a b z")
    >>> ring = wire([Interface((a,), (b,))], Interface((), (z,)), {a: b}, {z: b})
    >>> ring.input, ring.output
    ((b,), (b,))
    """
    slots = [s for box in boxes for s in box.inputs]
    return Arrangement(
        tuple(boxes),
        outer,
        _filled(outer.outputs, outputs, "output"),
        _filled(slots, inputs, "input"),
        NO_PARAMETERS,
        potential,
    )


def series(*parts: Arrangement) -> Arrangement:
    """Each part's output is the next one's input; the whole has the first input, the last output.

    Raises:
        ArrangementError: no part is given, or an output has not the dimension of the next input.
    """
    if not parts:
        raise ArrangementError("a series needs at least one part; use identity(interface) for none")
    boxes = [part.outer for part in parts]
    inputs = dict(zip(boxes[0].inputs, boxes[0].inputs, strict=True))
    for number, (left, right) in enumerate(pairwise(boxes), 1):
        if len(left.outputs) != len(right.inputs):
            raise ArrangementError(
                f"series: part {number} gives {len(left.outputs)} numbers, and part {number + 1} "
                f"takes {len(right.inputs)}"
            )
        inputs |= dict(zip(right.inputs, left.outputs, strict=True))
    outer = Interface(boxes[0].inputs, boxes[-1].outputs)
    return nest(wire(boxes, outer, inputs, {s: s for s in outer.outputs}), *parts)


def fitting(boxes: Sequence[Interface], parts: Sequence[Interface]) -> None:
    """Refuse parts that do not fit into the boxes.

    Raises:
        ArrangementError: with the box that is meant.
    """
    if len(boxes) != len(parts):
        raise ArrangementError(f"there are {len(boxes)} boxes, and {len(parts)} parts to put in")
    for number, (box, part) in enumerate(zip(boxes, parts, strict=True), 1):
        if box.shape != part.shape:
            raise ArrangementError(
                f"box {number} has {box.shape[0]} inputs and {box.shape[1]} outputs; the part for "
                f"it has {part.shape[0]} and {part.shape[1]}"
            )


def _filled(
    slots: Sequence[sp.Symbol], given: Mapping[sp.Symbol, sp.Expr], what: str
) -> tuple[sp.Expr, ...]:
    if unknown := sorted(map(str, set(given) - set(slots))):
        raise ArrangementError(f"wire: there is no {what} {unknown[0]}")
    if missing := [s for s in slots if s not in given]:
        raise ArrangementError(f"wire: nothing is given to the {what} {missing[0]}")
    return tuple(given[s] for s in slots)
