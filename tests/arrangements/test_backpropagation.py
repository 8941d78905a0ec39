"""The backward pass of a two-layer network is reverse-mode differentiation."""

from __future__ import annotations

import numpy as np
import sympy as sp

from symplectic_codegen.arrangements import (
    UNIT,
    Arrangement,
    Interface,
    Parameters,
    configuration,
    nest,
    plug,
)

RATE = sp.Symbol("rate", positive=True)
SIZES = (2, 3, 1)


def symbols(stem: str, count: int) -> tuple[sp.Symbol, ...]:
    return tuple(sp.Symbol(f"{stem}{i}", real=True) for i in range(count))


def layer(name: str, inner: Interface, outer: Interface) -> Arrangement:
    """x ↦ tanh(W x), with the weights as parameters."""
    x, rows = inner.outputs, len(outer.outputs)
    weights = symbols(f"{name}w", rows * len(x))
    out = [
        sp.tanh(sp.Add(*(weights[i * len(x) + j] * x[j] for j in range(len(x)))))
        for i in range(rows)
    ]
    return Arrangement((inner,), outer, tuple(out), (), Parameters.scaled(weights, RATE))


def network() -> tuple[Arrangement, Arrangement, Arrangement, Arrangement]:
    wires = [Interface((), symbols(f"x{k}_", size)) for k, size in enumerate(SIZES)]
    data = Arrangement((), wires[0], symbols("a", SIZES[0]), ())
    (prediction,) = wires[2].outputs
    loss = Arrangement(
        (wires[2],), UNIT, (), (), potential=(prediction - sp.Symbol("target")) ** 2 / 2
    )
    return loss, layer("v", wires[1], wires[2]), layer("u", wires[0], wires[1]), data


def test_descent_composed_of_layers_is_descent_of_the_composed_loss() -> None:
    loss, second, first, data = network()
    whole = nest(nest(nest(loss, second), first), data)
    assert whole.is_closed
    machines = [configuration(part) for part in (loss, second, first, data)]
    composed = plug(plug(plug(machines[0], machines[1]), machines[2]), machines[3])
    for weight, new in composed.next.items():
        gradient = sp.diff(whole.potential, weight)
        assert sp.simplify(new - (weight - RATE * gradient)) == 0


def test_the_backward_pass_is_numpys() -> None:
    loss, second, first, data = network()
    machines = [configuration(part) for part in (loss, second, first, data)]
    composed = plug(plug(plug(machines[0], machines[1]), machines[2]), machines[3])
    rng = np.random.default_rng(3)
    v, u, a = rng.normal(size=(1, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)
    target, rate = 0.3, 0.7
    hidden = np.tanh(u @ a)
    out = np.tanh(v @ hidden)
    back = (out - target) * (1 - out**2)
    grad_v = np.outer(back, hidden)
    grad_u = np.outer((v.T @ back) * (1 - hidden**2), a)
    expected = np.concatenate([(v - rate * grad_v).ravel(), (u - rate * grad_u).ravel()])
    point = dict(zip(composed.state, [*v.ravel(), *u.ravel()], strict=True))
    point |= dict(zip(symbols("a", 2), a, strict=True))
    point |= {RATE: rate, sp.Symbol("target"): target}
    found = [float(new.xreplace(point)) for new in composed.update]
    np.testing.assert_allclose(found, expected, rtol=1e-13)
