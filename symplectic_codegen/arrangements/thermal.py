"""The phase space of a composite: whose temperature it is, and when the parts stay parts.

Parts k = 1, 2, … have weights w_k, momenta X_k and Hamiltonians H_k. Either each part has a
temperature of its own, θ = Σ_k (β_k dU_k + β_k X_k dw_k), or they share one, θ = β dU + β Σ_k X_k
dw_k.
H of the whole is the sum of the parts'; wires add a potential, which couples parts through their
weights and is what an arrangement is for. What must not happen is that parts are coupled by
anything else: then the whole is more than its parts and their wiring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy as sp

from symplectic_codegen.algebra.proof import Claim, Verdict, vanishes
from symplectic_codegen.algebra.symbols import L0, G, L, U, X, beta, h, k, t, w
from symplectic_codegen.algebra.vector import outer_totals
from symplectic_codegen.arrangements.laws import zero
from symplectic_codegen.arrangements.smooth import smooth
from symplectic_codegen.geometry.explicit import (
    Chart,
    OneForm,
    PoissonTensor,
    exterior_derivative,
    poisson_tensor,
)

__all__ = [
    "check_own_temperatures",
    "check_shared_temperature",
    "composite_tensor",
    "composition",
]


def composite_tensor(sizes: Sequence[int], shared: bool) -> tuple[Chart, PoissonTensor]:
    """The Poisson tensor of parts with `sizes` weights each.

    Args:
        sizes: how many weights each part has.
        shared: one temperature for all, or one for each.

    >>> chart, tensor = composite_tensor([1, 1], shared=False)
    >>> chart.coordinates
    (U1, U2, w1_1, w2_1, beta1, beta2, X1_1, X2_1)
    >>> U1, U2, w11, w21, b1, b2, X11, X21 = chart.coordinates
    >>> tensor.bracket(w11, X11), tensor.bracket(w11, X21), tensor.bracket(U1, b2)
    (1/beta1, 0, 0)
    """
    parts = range(1, len(sizes) + 1)
    places = {p: [_real(f"w{p}_{i + 1}") for i in range(sizes[p - 1])] for p in parts}
    moves = {p: [_real(f"X{p}_{i + 1}") for i in range(sizes[p - 1])] for p in parts}
    energies = {p: U if shared else _real(f"U{p}") for p in parts}
    heats = {p: beta if shared else sp.Symbol(f"beta{p}", positive=True) for p in parts}
    weights = [s for p in parts for s in places[p]]
    momenta = [s for p in parts for s in moves[p]]
    chart = Chart(
        (*dict.fromkeys(energies.values()), *weights, *dict.fromkeys(heats.values()), *momenta)
    )
    form: dict[sp.Symbol, sp.Expr] = {energies[p]: heats[p] for p in parts}
    form |= {q: heats[p] * v for p in parts for q, v in zip(places[p], moves[p], strict=True)}
    return chart, poisson_tensor(exterior_derivative(OneForm.of(chart, form)))


def check_own_temperatures(size: int = 2, shared_loss: bool = False) -> Claim:
    """With a temperature each, parts move in the whole as they move alone, whatever they are.

    Args:
        size: weights of each part.
        shared_loss: give each part the term β_k L of one loss of all weights, as H of an optimizer
            has it. Then the claim is wrong: the terms of the other parts push the weights too.

    >>> check_own_temperatures(1).verdict.value
    'proved'
    >>> check_own_temperatures(1, shared_loss=True).verdict.value
    'refuted'
    """
    chart, tensor = composite_tensor([size, size], shared=False)
    parts = [[z for z in chart.coordinates if _part(z) == p] for p in (1, 2)]
    energies = [smooth(f"H{p}")(*own, t) for p, own in zip((1, 2), parts, strict=True)]
    if shared_loss:
        weights = [z for z in chart.coordinates if z.name.startswith("w")]
        heats = [z for z in chart.coordinates if z.name.startswith("beta")]
        loss = smooth("L")(*weights)
        energies = [energy + b * loss for energy, b in zip(energies, heats, strict=True)]
    whole = _motion(tensor, chart, energies[0] + energies[1])
    found = []
    for own, energy in zip(parts, energies, strict=True):
        alone = _motion(tensor, chart, energy)
        found += [whole[z] - alone[z] for z in own]
        if not shared_loss:
            # And alone means alone: the other part does not occur in it.
            others = [z for z in chart.coordinates if z not in own]
            found += [sp.diff(alone[z], other) for z in own for other in others]
    return zero(
        "with one temperature per part the motion of each part in the whole is its own motion",
        found,
        "exact; arbitrary H of each part; the tensor of the whole is that of the parts, side by "
        "side",
    )


def check_shared_temperature(thermal: sp.Expr, size: int = 2) -> Claim:
    """With one temperature for all: whether weights, momenta and β move as in the part alone.

    Args:
        thermal: the thermal part E(U, β, t) of H; each part alone has it too.
        size: weights of each part.

    >>> check_shared_temperature(U * beta * sp.Symbol("gamma", positive=True), 1).verdict.value
    'proved'
    >>> check_shared_temperature(U**2 * beta, 1).verdict.value
    'refuted'
    """
    chart, tensor = composite_tensor([size, size], shared=True)
    parts = [[z for z in chart.coordinates if _part(z) == p] for p in (1, 2)]
    energies = [smooth(f"H{p}")(*own, beta, t) for p, own in zip((1, 2), parts, strict=True)]
    whole = _motion(tensor, chart, sp.Add(*energies, thermal))
    alone = [_motion(tensor, chart, energy + thermal) for energy in energies]
    found = []
    for own, motion in zip(parts, alone, strict=True):
        found += [whole[z] - motion[z] for z in (*own, beta)]
        # U may differ between the whole and the part alone, so β must not feel it.
        found += [sp.diff(motion[z], U) for z in (*own, beta)]
    # The energies of the parts add up; what the thermal part does to U itself is counted once.
    bath = _motion(tensor, chart, thermal)[U]
    found.append(sp.expand(whole[U] - bath - sp.Add(*(m[U] - bath for m in alone))))
    return zero(
        "with one temperature for all, weights and momenta of each part and β move as in the part "
        "alone, and the changes of U add up",
        found,
        "exact; arbitrary H of each part",
    )


def composition(H: sp.Expr, per_block: bool = False) -> Claim:
    """Whether an optimizer with this H is put together from the optimizers of its parts.

    The weights are divided into parts, so that each sum R over them is a sum of shares. With
    T = φ(R), the second derivative of T by momenta of different parts is φ''(R) r'(X₁) r'(X₂): it
    vanishes for all momenta only if φ is affine in the sums. A kinetic energy of one global norm
    mixes the parts; the same with a norm for each part does not.

    Args:
        H: of symbolic dimension.
        per_block: whether sums run over each part by itself.

    >>> from symplectic_codegen.algebra.vector import Total
    >>> claim = composition(sp.sqrt(1 + Total(X**2)) + L)
    >>> claim.statement.partition(":")[0]
    'not compositional'
    >>> composition(Total(X**2) + L).statement.partition(":")[0]
    'compositional'
    """
    method = "second derivatives by sums of different parts"
    kinetic = sp.Add(*(e for e in sp.Add.make_args(sp.expand(H)) if e.has(X)))
    rest = sp.Add(*(e for e in sp.Add.make_args(sp.expand(H)) if not e.has(X)))
    rate = sp.diff(H, U)
    if outer_totals(rate) or rate.has(U, L, L0, G, w, X):
        return Claim(
            "not compositional: the temperature is shared and feels U, the loss or the momenta of "
            "all parts; an optimizer for each part keeps them apart, but is then no Hamiltonian "
            "system as a whole, for the loss counts once for each temperature",
            Verdict.PROVED,
            "∂H/∂U is not a function of (β, t) alone",
        )
    if per_block:
        return Claim(
            "compositional: each part moves as by an optimizer of its own, at the common β(t)",
            Verdict.PROVED,
            "each part has its own sums",
        )
    for what, expr in (("kinetic energy", kinetic), ("potential", rest)):
        totals = outer_totals(expr)
        names = {R: sp.Dummy(f"R{i}", real=True) for i, R in enumerate(totals)}
        opened = expr.xreplace(names)
        mixed = [sp.diff(opened, a, b) for a in names.values() for b in names.values()]
        if not all(vanishes(m) for m in mixed):
            return Claim(
                f"not compositional: the {what} is no sum over the weights (a global norm), so "
                "each part feels the momenta of all others; give each part its norm (--norms "
                "block)"
                if what == "kinetic energy"
                else f"not compositional: the {what} is no sum over the weights (a global norm), "
                "so each part feels the weights of all others beyond the loss",
                Verdict.PROVED,
                method,
            )
    return Claim(
        "compositional: H is a sum over the weights but for the loss, so each part moves as by an "
        "optimizer of its own, at the common β(t)",
        Verdict.PROVED,
        method,
    )


def _motion(tensor: PoissonTensor, chart: Chart, H: sp.Expr) -> Mapping[sp.Symbol, sp.Expr]:
    """ż = −(k/h) {z, H}."""
    return {z: -k / h * tensor.bracket(z, H) for z in chart.coordinates}


def _real(name: str) -> sp.Symbol:
    return sp.Symbol(name, real=True)


def _part(z: sp.Symbol) -> int | None:
    """The part that a coordinate of `composite_tensor` belongs to; None of the shared ones."""
    stem = str(z.name).partition("_")[0].lstrip("Uwbetax X")
    return int(stem) if stem.isdigit() else None
