"""What does not fit is refused, with the place and the cure."""

from __future__ import annotations

import pytest
import sympy as sp

from symplectic_codegen.arrangements import (
    UNIT,
    Arrangement,
    Interface,
    Parameters,
    nest,
    parallel,
    series,
    wire,
)
from symplectic_codegen.arrangements.arrangement import ArrangementError
from symplectic_codegen.arrangements.laws import generic

q, r, x, y, z = sp.symbols("q r x y z", real=True)


def test_components_are_counted() -> None:
    with pytest.raises(ArrangementError, match=r"output map needs 1 components, one for each of"):
        Arrangement((), Interface((), (y,)), (), ())
    with pytest.raises(ArrangementError, match="is a 1 by 1 matrix; this one is 2 by 2"):
        Parameters((q,), sp.ImmutableMatrix(sp.eye(2)))


def test_the_output_must_not_see_the_input_from_outside() -> None:
    with pytest.raises(ArrangementError, match="output map must not depend on x"):
        Arrangement((), Interface((x,), (y,)), (x,), ())
    with pytest.raises(ArrangementError, match="sharp map must not depend on x"):
        Arrangement((), Interface((x,), ()), (), (), Parameters((q,), sp.ImmutableMatrix([[x]])))


def test_two_parts_with_the_same_parameters_are_refused() -> None:
    part = generic("f", [], Interface.named("N", 1, 1))
    other = part.renamed(
        {s: sp.Symbol(f"other_{s}", real=True) for s in (*part.outer.inputs, *part.outer.outputs)}
    )
    with pytest.raises(ArrangementError, match="f_q1 occurs twice; rename one"):
        parallel(part, other)


def test_boxes_and_parts_are_compared() -> None:
    diagram = wire([Interface((x,), (y,))], UNIT, {x: y})
    with pytest.raises(ArrangementError, match="1 boxes, and 0 parts"):
        nest(diagram)
    with pytest.raises(ArrangementError, match="box 1 has 1 inputs and 1 outputs; the part"):
        nest(diagram, generic("f", [], Interface.named("N", 0, 1)))


def test_open_slots_are_named() -> None:
    with pytest.raises(ArrangementError, match="nothing is given to the input x"):
        wire([Interface((x,), (y,))], UNIT)
    with pytest.raises(ArrangementError, match="there is no output z"):
        wire([Interface((), (y,))], UNIT, outputs={z: y})


def test_series_joins_neighbours() -> None:
    f = generic("f", [], Interface((x,), (y,)))
    g = generic("g", [], Interface((z,), (r,)))
    whole = series(f, g)
    assert whole.outer == Interface((x,), (r,))
    assert whole.output == g.output
    # What f puts out is what g's potential sees.
    assert whole.potential == f.potential + g.potential.subs(z, f.output[0])
    with pytest.raises(ArrangementError, match="part 1 gives 2 numbers, and part 2 takes 1"):
        series(generic("f", [], Interface.named("N", 1, 2)), g)
    with pytest.raises(ArrangementError, match="at least one part"):
        series()


def test_renamed_copies_are_independent() -> None:
    part = generic("f", [], Interface((x,), (y,)))
    (parameter,) = part.parameters.coordinates
    copy = part.renamed({parameter: q, x: z, y: r})
    assert copy.parameters.coordinates == (q,)
    assert copy.parameters.sharp.free_symbols == {q}
    assert parallel(part, copy).parameters.sharp[0, 1] == 0
