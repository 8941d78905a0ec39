"""D. Spivak, Compositional dynamics in learning and mechanics.

Letters: q1, q2, ... are parameters, d_q1, ... their momenta ξ; eta is the learning rate, kap the
stiffness κ, m a mass, m0 the Klein-Gordon mass, gam the weight decay γ. A step has unit length.
Spaces have explicit dimensions here; the laws of composition themselves are proved on arbitrary
arrangements in `symplectic_codegen/arrangements/laws.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import sympy as sp

from symplectic_codegen.arrangements import (
    UNIT,
    Arrangement,
    Interface,
    Parameters,
    configuration,
    nest,
    phase,
    plug,
)
from symplectic_codegen.arrangements.laws import generic
from symplectic_codegen.arrangements.particles import chain, graph, particle
from symplectic_codegen.arrangements.smooth import smooth
from symplectic_codegen.verification.claims import Case, Claim, Setting, Source

ETA, KAPPA, M, M0, GAMMA = sp.symbols("eta kap m m0 gam", positive=True)
Q1, Q2, Q3 = sp.symbols("q1 q2 q3", real=True)
DATUM = sp.Symbol("x", real=True)


def _one(potential: sp.Expr, sharp: sp.Expr, *parameters: sp.Symbol) -> Setting:
    """A closed system of one part."""
    size = len(parameters)
    matrix = sp.ImmutableMatrix(sharp * sp.eye(size)) if sharp.is_scalar else sharp
    return Setting(
        arrangement=Arrangement((), UNIT, (), (), Parameters(parameters, matrix), potential)
    )


# -- composition: f with a box N, g inside it with a box M, of arbitrary smooth maps ---------------

_M, _N, _P = (Interface.named(name, 1, 1) for name in "MNP")
_F, _G = generic("f", [_N], _P), generic("g", [_M], _N)
_TOGETHER = nest(_F, _G)


def _machines() -> dict[str, sp.Expr]:
    """What the composed machines make of the states, by names."""
    found = {}
    for name, semantics in (("conf", configuration), ("phase", phase)):
        composed = plug(semantics(_F), semantics(_G))
        found |= {f"{name}_{z}": new for z, new in composed.next.items()}
    return found


COMPOSITE = Setting(arrangement=_TOGETHER, where=_machines())

# -- learning -------------------------------------------------------------------------------------


def _learner() -> Arrangement:
    """A function of x with two parameters, and a loss of what it gives: three parts."""
    data, prediction = Interface((), (sp.Symbol("a"),)), Interface((), (sp.Symbol("b"),))
    function = Arrangement(
        (data,),
        prediction,
        (smooth("F")(Q1, Q2, data.outputs[0]),),
        (),
        Parameters.scaled([Q1, Q2], ETA),
    )
    loss = Arrangement((prediction,), UNIT, (), (), potential=smooth("loss")(prediction.outputs[0]))
    return nest(nest(loss, function), Arrangement((), data, (DATUM,), ()))


_PREDICTION = smooth("F")(Q1, Q2, DATUM)
LEARNING = Setting(arrangement=_learner(), where={"error": smooth("loss")(_PREDICTION)})

_HESSIAN = sp.hessian(smooth("V")(Q1, Q2), (Q1, Q2))
NEWTON = _one(smooth("V")(Q1, Q2), sp.ImmutableMatrix(_HESSIAN.inv()), Q1, Q2).having(
    where={"V": smooth("V")(Q1, Q2)}
)
_CONVEX = sp.exp(Q1) - Q1
NEWTON_EXAMPLE = _one(_CONVEX, 1 / sp.diff(_CONVEX, Q1, 2), Q1)
_S = sp.Symbol("s", positive=True)
_BOWL = _S * (Q1 - DATUM) ** 2 / 2
QUADRATIC = _one(_BOWL, 1 / sp.diff(_BOWL, Q1, 2), Q1)
DECAY = _one(smooth("V")(Q1) + GAMMA / 2 * Q1**2, ETA, Q1).having(where={"V": smooth("V")(Q1)})
MOMENTUM = _one(smooth("V")(Q1), ETA, Q1).having(where={"V": smooth("V")(Q1)})

# -- mechanics ------------------------------------------------------------------------------------


def _spring(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    return KAPPA / 2 * (b - a) ** 2


def _row(onsite: sp.Expr = sp.S.Zero) -> list[Arrangement]:
    return [particle(f"q{i}", 1 / M, lambda q: onsite * q**2 / 2) for i in (1, 2, 3)]


CHAIN = Setting(arrangement=chain(_row(), _spring))
KLEIN_GORDON = Setting(arrangement=chain(_row(M0**2), _spring))

_VERTICES = range(4)


def _digraph() -> Arrangement:
    """The complete directed graph on four vertices, each mass and each stiffness its own."""
    masses = sp.symbols("m1:5", positive=True)
    parts = [particle(f"q{v + 1}", 1 / masses[v]) for v in _VERTICES]

    def edge(a: int, b: int) -> sp.Symbol:
        return sp.Symbol(f"kap{a + 1}{b + 1}", nonnegative=True)

    def between(a: int, b: int) -> Callable[[sp.Expr, sp.Expr], sp.Expr]:
        stiffness = edge(a, b)
        return lambda x, y: stiffness / 2 * (y - x) ** 2

    return graph(parts, {(a, b): between(a, b) for a, b in permutations(_VERTICES, 2)})


def _laplacian(vertex: int) -> sp.Expr:
    """(L_G q)_v of the symmetrised graph: degree times q, minus what its neighbours give."""
    q = sp.symbols("q1:5", real=True)
    total = sp.S.Zero
    for a, b in permutations(_VERTICES, 2):
        weight = sp.Symbol(f"kap{a + 1}{b + 1}", nonnegative=True)
        if vertex in (a, b):
            total += weight * (q[vertex] - q[b if vertex == a else a])
    return total


GRAPH = Setting(arrangement=_digraph(), where={f"Lq{v + 1}": _laplacian(v) for v in _VERTICES})

# A mode of the chain: q_j = sin(j theta), which vanishes at j = 0 and, for theta = n pi/(K + 1), at
# j = K + 1.
_MODE = {
    "left": "sin((j - 1)*theta)",
    "here": "sin(j*theta)",
    "right": "sin((j + 1)*theta)",
}

CLAIMS = (
    Claim(
        "functoriality.1",
        printed=r"\Phi_{\mathrm{conf}}(f \circ g) = "
        r"\Phi_{\mathrm{conf}}(f) \circ \Phi_{\mathrm{conf}}(g)",
        states=("configuration(f_q1) = conf_f_q1", "configuration(g_q1) = conf_g_q1"),
        on=COMPOSITE,
        remark="All maps are arbitrary smooth functions; the sharp maps depend on q.",
    ),
    Claim(
        "functoriality.2",
        printed=r"\Phi_{\mathrm{phase}}(f \circ g) = "
        r"\Phi_{\mathrm{phase}}(f) \circ \Phi_{\mathrm{phase}}(g)",
        states=(
            "phase(f_q1) = phase_f_q1",
            "phase(g_q1) = phase_g_q1",
            "phase(d_f_q1) = phase_d_f_q1",
            "phase(d_g_q1) = phase_d_g_q1",
        ),
        on=COMPOSITE,
    ),
    Claim(
        "semantics.1",
        printed=r"\Phi_{\mathrm{conf}}\colon\; q \mapsto q - \sharp_q(\xi_Q)",
        states=("configuration(q1) = q1 - eta*xi(q1)",),
        on=LEARNING,
    ),
    Claim(
        "semantics.2",
        printed=r"\Phi_{\mathrm{phase}}\colon\; (q, \xi) \mapsto "
        r"(q + \sharp_q\xi,\; \xi - \xi_Q(q + \sharp_q\xi))",
        states=(
            "phase(q1) = q1 + eta*d_q1",
            "phase(d_q1) = d_q1 - at(partial(V, q1), q1, q1 + eta*d_q1)",
        ),
        on=MOMENTUM.having(
            where={"V": Q1**4 / 4 + sp.cos(Q1)},
            arrangement=_one(Q1**4 / 4 + sp.cos(Q1), ETA, Q1).arrangement,
        ),
        remark="On V = q⁴/4 + cos q.",
    ),
    Claim(
        "semantics.3",
        sentence="Φ_phase is a symplectic map if the sharp map is constant",
        states=("bracket(phase(q1), phase(d_q1)) = 1",),
        on=MOMENTUM,
        remark="For any potential; the paper states it for harmonic closed systems.",
    ),
    Claim(
        "learning.1",
        printed=r"q \mapsto q - \eta\, \nabla_q\, \ell(F(q, x))",
        sentence="gradient descent from a parametrised function: backpropagation is the backward "
        "pass of the lens",
        states=(
            "configuration(q1) = q1 - eta*partial(error, q1)",
            "configuration(q2) = q2 - eta*partial(error, q2)",
        ),
        on=LEARNING,
    ),
    Claim(
        "learning.2",
        printed=r"\sharp_q = (\nabla^2 V)^{-1} \;\Rightarrow\; q \mapsto q - (\nabla^2 V)^{-1} "
        r"\nabla V",
        sentence="Newton's method by the choice of the sharp map",
        states=(
            "partial(partial(V, q1), q1)*(configuration(q1) - q1) + "
            "partial(partial(V, q2), q1)*(configuration(q2) - q2) = -partial(V, q1)",
            "partial(partial(V, q1), q2)*(configuration(q1) - q1) + "
            "partial(partial(V, q2), q2)*(configuration(q2) - q2) = -partial(V, q2)",
        ),
        on=NEWTON,
        steps=(
            Case(
                "on e^x - x",
                ("configuration(q1) = q1 - 1 + exp(-q1)",),
                on=NEWTON_EXAMPLE,
            ),
            Case("a quadratic in one step", ("configuration(q1) = x",), on=QUADRATIC),
        ),
    ),
    Claim(
        "learning.3",
        printed=r"R(q) = \frac{\gamma}{2}|q|^2 \;\Rightarrow\; q \mapsto (1 - \eta\gamma)\, q - "
        r"\eta \nabla V",
        sentence="weight decay",
        states=("configuration(q1) = (1 - eta*gam)*q1 - eta*partial(V, q1)",),
        on=DECAY,
    ),
    Claim(
        "learning.4",
        printed=r"\xi \mapsto (1 - c)\,\xi - \xi_Q: \quad "
        r"q_{t+1} = q_t + (1 - c)(q_t - q_{t-1}) - \eta \nabla V(q_t)",
        sentence="with damping, gradient descent with momentum",
        states=(
            "damped(damped(q1, c), c) = damped(q1, c) + (1 - c)*(damped(q1, c) - q1) - "
            "eta*damped(partial(V, q1), c)",
        ),
        on=MOMENTUM,
        survivors="The drift comes first, so that one step leads q to the same place at every "
        "damping.",
    ),
    Claim(
        "chain.1",
        printed=r"m\,(q_i(t+1) - 2q_i(t) + q_i(t-1)) = \kappa\,(q_{i-1} - 2q_i + q_{i+1})(t)",
        sentence="particles in series: the discrete wave equation",
        states=(
            "m*(phase(phase(q2)) - 2*phase(q2) + q2) = kap*phase(q1 - 2*q2 + q3)",
            "m*(phase(phase(q1)) - 2*phase(q1) + q1) = kap*phase(-2*q1 + q2)",
        ),
        on=CHAIN,
        remark="Three particles between walls: one inside and one at a wall; the potential of a "
        "longer chain adds edges to none of them.",
    ),
    Claim(
        "chain.2",
        printed=r"m\,(q_i(t+1) - q_i(t)) = \kappa\,(q_{i-1} - 2q_i + q_{i+1})(t)",
        sentence="the same particles under the other semantics: the discrete heat equation",
        states=(
            "m*(configuration(q2) - q2) = kap*(q1 - 2*q2 + q3)",
            "m*(configuration(q3) - q3) = kap*(q2 - 2*q3)",
        ),
        on=CHAIN,
    ),
    Claim(
        "chain.3",
        printed=r"\omega_n:\quad 2 - 2\cos\omega_n = \frac{\kappa}{m}\, 4\sin^2\frac{\theta_n}{2},"
        r"\quad \theta_n = \frac{n\pi}{K + 1}",
        sentence="the dispersion relation of the wave equation",
        states=(
            "m*(cos((t + 1)*om) - 2*cos(t*om) + cos((t - 1)*om))*here = "
            "kap*cos(t*om)*(left - 2*here + right)",
        ),
        where={**_MODE, "kap": "m*(2 - 2*cos(om))/(4*sin(theta/2)**2)"},
        remark="On the standing wave cos(tω) sin(jθ), with κ eliminated by the relation.",
    ),
    Claim(
        "chain.4",
        printed=r"q_n(t+1) = \left(1 - \frac{\kappa}{m}\, 4\sin^2\frac{\theta_n}{2}\right) q_n(t)",
        sentence="the modes of the heat equation",
        states=("here + kap/m*(left - 2*here + right) = (1 - kap/m*4*sin(theta/2)**2)*here",),
        where=_MODE,
    ),
    Claim(
        "graph.1",
        printed=r"m_v\,(q_v(t+1) - 2q_v(t) + q_v(t-1)) = -(L_G\, q(t))_v",
        sentence="on a directed graph, the wave equation of its Laplacian; each edge counts for "
        "both its ends",
        states=tuple(
            f"m{v}*(phase(phase(q{v})) - 2*phase(q{v}) + q{v}) = -phase(Lq{v})"
            for v in (1, 2, 3, 4)
        ),
        on=GRAPH,
        remark="For every weighted directed graph with up to four vertices: a weight may be 0. "
        "For larger ones the force on a vertex is a sum over its edges, whatever the others are.",
    ),
    Claim(
        "graph.2",
        printed=r"q(t+1) = q(t) - M^{-1} L_G\, q(t)",
        sentence="and its heat equation",
        states=tuple(f"configuration(q{v}) = q{v} - Lq{v}/m{v}" for v in (1, 2, 3, 4)),
        on=GRAPH,
    ),
    Claim(
        "kleingordon.1",
        printed=r"m\,(q_i(t+1) - 2q_i(t) + q_i(t-1)) = \kappa\,(q_{i-1} - 2q_i + q_{i+1}) - "
        r"m_0^2\, q_i",
        states=(
            "m*(phase(phase(q2)) - 2*phase(q2) + q2) = phase(kap*(q1 - 2*q2 + q3) - m0**2*q2)",
        ),
        on=KLEIN_GORDON,
    ),
    Claim(
        "kleingordon.2",
        printed=r"\omega_n^2 = \frac{m_0^2}{m} + \frac{\kappa}{m}\,4\sin^2\frac{\theta_n}{2}",
        sentence="the frequency of the discrete motion, as printed for small frequencies: exact "
        "with 2 - 2 cos ω in the place of ω²",
        states=(
            "m*(cos((t + 1)*om) - 2*cos(t*om) + cos((t - 1)*om))*here = "
            "cos(t*om)*(kap*(left - 2*here + right) - m0**2*here)",
        ),
        where={**_MODE, "m": "(m0**2 + kap*4*sin(theta/2)**2)/(2 - 2*cos(om))"},
        steps=(
            Case(
                "2 - 2 cos ω is ω² to third order",
                ("taylor(2 - 2*cos(om), om, 3) = om**2",),
            ),
        ),
    ),
)

SOURCE = Source(
    name="compositional_dynamics",
    title="Compositional dynamics in learning and mechanics",
    reference="D. I. Spivak, arXiv:2606.28984",
    notes="Formulas as the paper states them, in the letters above; labels are the engine's.",
    claims=CLAIMS,
)
