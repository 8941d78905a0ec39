"""What a Hamiltonian is: which exact flows it splits into, and which structure it keeps."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from symplectic_codegen.algebra.memory import memories
from symplectic_codegen.algebra.proof import Claim, Verdict, vanishes
from symplectic_codegen.algebra.symbols import G, L, U, X, beta, t, w
from symplectic_codegen.algebra.vector import HessianProduct, Total


@dataclass(frozen=True)
class Obstruction:
    """A term of H that belongs to no piece with an exact flow, and why."""

    term: sp.Expr
    reason: str


@dataclass(frozen=True)
class Separation:
    """H = potential + thermal + thermostat + kinetic + dilation + rest.

    Args:
        potential: depends on (w, beta, t).
        thermal: U times a function of (beta, t) and of what rests with w, plus functions of
            (beta, t): with U linear, beta moves by itself while w rests.
        thermostat: what of the thermal part is not linear in U, or couples U with the momenta.
        kinetic: depends on (X, beta, t), and on w where the metric does.
        dilation: the factor c(beta, t) of a term c sum Y_j w^j.
        obstructions: the terms that belong to no piece.
    """

    potential: sp.Expr
    thermal: sp.Expr
    kinetic: sp.Expr
    dilation: sp.Expr = sp.S.Zero
    thermostat: sp.Expr = sp.S.Zero
    obstructions: tuple[Obstruction, ...] = ()

    def parts(self, coupling: sp.Expr) -> dict[str, sp.Expr]:
        """The pieces that H has, by name: with the terms of the obstructions they add up to H."""
        named = {
            "potential": self.potential,
            "kinetic": self.kinetic,
            "thermal": self.thermal,
            "thermostat": self.thermostat,
            "dilation": self.dilation * Total(coupling * w),
        }
        return {name: value for name, value in named.items() if value != 0}

    @property
    def is_complete(self) -> bool:
        """Whether every term found its piece."""
        return not self.obstructions


def depends_on_weights(expr: sp.Expr) -> bool:
    """Whether `expr` changes with w, also through the loss."""
    return bool(expr.has(w, L, G, HessianProduct))


def separate(H: sp.Expr, coupling: sp.Expr = beta * X) -> Separation:
    """Sort the terms of H by the coordinates they depend on.

    >>> from symplectic_codegen.algebra.symbols import k
    >>> pieces = separate(beta * Total(X**2) / (2 * k) + beta * L / k)
    >>> pieces.kinetic, pieces.potential
    (beta*Total(X**2)/(2*k), L*beta/k)
    """
    pieces: dict[str, list[sp.Expr]] = {}
    moment = Total(coupling * w)
    obstructions: list[Obstruction] = []
    for term in sp.Add.make_args(_expand(H)):
        found = _piece_of(term, moment)
        if isinstance(found, Obstruction):
            obstructions.append(found)
        else:
            pieces.setdefault(found, []).append(term)
    dilation = [sp.cancel(term / moment) for term in pieces.pop("dilation", [])]
    sums = {name: sp.Add(*terms) for name, terms in pieces.items()}
    for name in ("potential", "thermal", "kinetic"):
        sums.setdefault(name, sp.S.Zero)
    return Separation(**sums, dilation=sp.Add(*dilation), obstructions=tuple(obstructions))


def _piece_of(term: sp.Expr, moment: sp.Expr) -> str | Obstruction:
    """The piece of H that a term belongs to, or why to none."""
    on_weights, on_momenta, on_energy = depends_on_weights(term), term.has(X), term.has(U)
    if memories(term) and not on_momenta:
        return Obstruction(
            term, "a memory field acts through a kinetic term, as a metric; here it meets no X"
        )
    if term.has(G):
        return Obstruction(term, "its w-derivative needs the Hessian of the loss")
    if on_weights and on_momenta and on_energy:
        return Obstruction(term, "it couples the weights w, the momenta X and the energy U")
    if on_weights and on_momenta:
        if _is_multiple(term, moment):
            return "dilation"
        if term.has(L):
            return Obstruction(
                term,
                "it couples the loss with the momenta X, so its flow needs gradients at weights "
                "on the way, and a step gets one",
            )
        return "kinetic"
    if on_energy:
        is_linear = sp.diff(term, U, 2) == 0
        if on_weights and not is_linear:
            return Obstruction(
                term, "it couples the weights w with U, and is not linear in U, so it has no flow"
            )
        return "thermal" if is_linear and not on_momenta else "thermostat"
    if on_weights:
        return "potential"
    return "kinetic" if on_momenta else "thermal"


def _is_multiple(term: sp.Expr, moment: sp.Expr) -> bool:
    """Whether `term` is c(beta, t) times the sum of Y_j w^j."""
    return not sp.cancel(term / moment).has(w, X, U, L, G, Total)


def _expand(H: sp.Expr) -> sp.Expr:
    """Multiply out products over sums, and small powers of sums; nothing that could explode."""
    small = H.replace(
        lambda e: (
            e.is_Pow
            and e.base.is_Add
            and e.exp in (2, 3)
            and len(e.base.args) <= 6
            and e.base.has(Total, L, U)
        ),
        lambda e: sp.expand_multinomial(e),
    )
    return sp.expand_mul(small)


def standard_form(expr: sp.Expr) -> sp.Expr:
    """`expr` with sums inside `Total` multiplied out where that lets scalars come out."""
    return expr.replace(lambda e: isinstance(e, Total), lambda e: Total(sp.expand_mul(e.body)))


def homogeneity(H: sp.Expr) -> Claim:
    """Whether H is homogeneous of degree one in beta at fixed X: then motion is contact dynamics.

    On H = beta K(w, X, U) the bracket reduces to the contact Hamiltonian flow of K on (U, w, X),
    of which this phase space (omega = beta (dU + X dw)) is the symplectization.
    """
    method = "Euler's identity beta dH/dbeta = H"
    if vanishes(beta * sp.diff(H, beta) - H):
        return Claim(
            "H is homogeneous of degree one in β: (U, w, X) follow the contact Hamiltonian "
            "flow of K = H/β",
            Verdict.PROVED,
            method,
        )
    return Claim(
        "H is not homogeneous of degree one in β: the motion is not contact dynamics",
        Verdict.PROVED,
        method,
    )


def conservation(H: sp.Expr) -> Claim:
    """Whether the continuous motion conserves H."""
    method = "dH/dt = ∂H/∂t, because {H, H} = 0"
    if vanishes(sp.diff(H, t)):
        return Claim("H is conserved by the continuous motion", Verdict.PROVED, method)
    return Claim("H is not conserved: it depends on t explicitly", Verdict.PROVED, method)
