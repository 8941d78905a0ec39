"""G. França, J. Sulam, D. Robinson, R. Vidal: conformal symplectic, relativistic optimization.

Classical momentum is transcribed from equation (1) of the first version of the preprint; the
relativistic methods and Nesterov's are transcribed from the authors' published reference
implementation (repository guisf/rgd), which states them unambiguously.

Letters: x = w is the position, p the momentum with ẋ = ∂H/∂p, m the mass, cs the speed limit (the
paper's c), eps the step (the paper's ε), f = c²L/… the objective. The engine's momenta X point the
other way: ẇ = −X/h.
"""

from __future__ import annotations

import sympy as sp

from symplectic_codegen.algebra.symbols import U, X, beta, w
from symplectic_codegen.driver import derive
from symplectic_codegen.verification.claims import ARBITRARY, Case, Claim, Source

STANDARD = ARBITRARY.having(hamiltonian="beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U")
MOMENTUM = STANDARD.having(
    reparam=("eta = tau/h", "mu = exp(-gamma*tau)", "zeta = c**2/(h*gamma)"),
    where={"v": "-eta*X", "eps": "eta*(1 - mu)*zeta"},
)
RELATIVISTIC_TEXT = "beta/k*(a*sqrt(dot(X, X) + q**2) + c**2*L) + h*gamma/k*beta*U"
RELATIVISTIC = ARBITRARY.having(
    hamiltonian=RELATIVISTIC_TEXT,
    reparam=(
        "eta = tau/h",
        "mu = exp(-gamma*tau)",
        "gain = c**2/h*(1 - exp(-gamma*tau))/gamma",
    ),
    # One step of the engine is one of the reference, p⁺ = μp − ε∇f, with:
    where={"p": "-eps/gain*X", "mc": "eps/gain*q", "cs": "a*eta/eps"},
)

# Nesterov's method and classical momentum on f = λx²/2, as the reference implementation has them.
_x, _v = sp.symbols("x v", real=True)
_mu, _eps, _lam = sp.symbols("mu eps lam", positive=True)


def _determinant(v_new: sp.Expr, x_new: sp.Expr) -> sp.Expr:
    return sp.Matrix([x_new, v_new]).jacobian(sp.Matrix([_x, _v])).det()


def _at_minus_one(v_new: sp.Expr, x_new: sp.Expr) -> sp.Expr:
    """det(M + 1): zero where an eigenvalue of the step leaves the unit circle at −1."""
    step = sp.Matrix([x_new, v_new]).jacobian(sp.Matrix([_x, _v]))
    return (step + sp.eye(2)).det()


_nag_v = _mu * _v - _eps * _lam * (_x + _mu * _v)
_nag = (_nag_v, _x + _nag_v)
_cm_v = _mu * _v - _eps * _lam * _x
_cm = (_cm_v, _x + _cm_v)


def _leapfrog() -> dict[str, sp.Expr]:
    """The exact flows of "C/2 B/2 K B/2 C/2"; G is the gradient at the weights in the middle."""
    scheme = derive(RELATIVISTIC_TEXT, integrator="conformal-leapfrog").scheme
    current: dict[sp.Symbol, sp.Expr] = {z: z for z in (U, w, beta, X)}
    middle = w
    for flow in scheme.flows:
        if flow.name == "kick":
            middle = current[w]
        current = {z: flow.updates[z].xreplace(current) if z in flow.updates else current[z]
                   for z in current}  # fmt: skip
    return {"w_end": current[w], "X_end": current[X], "w_middle": middle}


# Algorithm of the reference (function relativistic2 with alpha = 1), in v = −(τa/2hq)X.
LEAPFROG = ARBITRARY.having(
    hamiltonian=RELATIVISTIC_TEXT,
    where={
        **_leapfrog(),
        "root": "exp(-gamma*tau/2)",  # √μ
        "scale": "tau*a/(2*h*q)",
        "v": "-scale*X",
        "delta": "(2*h/(tau*a))**2",
        "eps": "tau**2*a*c**2/(2*h**2*q)",
        "x_half": "w + root*v/sqrt(1 + delta*root**2*dot(v, v))",
        "v_half": "root*v - eps*G",
        "x_end": "x_half + v_half/sqrt(1 + delta*dot(v_half, v_half))",
    },
)

CLAIMS = (
    Claim(
        "introduction.1",
        printed=r"v_{k+1} = \mu v_k - \epsilon \nabla f(\theta_k), \quad \theta_{k+1} = \theta_k + "
        r"v_{k+1}",
        sentence="classical momentum, equation (1)",
        states=("new(v_i) = mu*v_i - eps*G_i", "new(w_i) = w_i + new(v_i)"),
        on=MOMENTUM,
        remark="v = −ηX and ε = η(1 − μ)ζ: the engine's momentum is this method.",
    ),
    Claim(
        "system.1",
        printed=r"\dot{x} = \nabla_p H, \qquad \dot{p} = -\nabla_x H - \gamma p, \qquad H = "
        r"\frac{\|p\|^2}{2m} + f(x)",
        sentence="conformal Hamiltonian systems",
        states=("rate(w_i) = p_i/m", "rate(p_i) = -f_i - gamma*p_i"),
        on=STANDARD,
        where={"p": "-m/h*X", "f": "m*c**2/h**2*G"},
        remark="Cooling at the rate γ is friction at the rate γ.",
    ),
    Claim(
        "system.2",
        printed=r"\omega_t = e^{-\gamma t} \omega_0, \qquad \omega = dx \wedge dp",
        sentence="the symplectic form contracts",
        states=("sum(wedge(rate(w), X)) + sum(wedge(w, rate(X))) = -gamma*sum(wedge(w, X))",),
        on=STANDARD,
        remark="The left side is the Lie derivative of Σ dw∧dX along the motion, for every loss.",
    ),
    Claim(
        "momentum.1",
        sentence="classical momentum is a conformal symplectic integrator",
        printed=r"\Psi_h^* \omega = e^{-\gamma h} \omega",
        states=(
            "area(new(w_i), new(X_j)) = mu*delta_ij",
            "area(new(w_i), new(w_j)) = 0",
            "area(new(X_i), new(X_j)) = 0",
        ),
        on=MOMENTUM,
        survivors="The bracket of an entry with itself vanishes as well.",
    ),
    Claim(
        "nesterov.1",
        printed=r"x_{1/2} = x + \mu v, \quad v^+ = \mu v - \epsilon \nabla f(x_{1/2}), \quad x^+ = "
        r"x + v^+",
        sentence="Nesterov's method is not conformal symplectic",
        states=("nag != mu",),
        where={"nag": _determinant(*_nag)},
        steps=(
            Case("on f = λx²/2 the area is multiplied by", ("nag = mu*(1 - eps*lam)",)),
            Case(
                "while classical momentum has",
                ("cm = mu",),
                where={"cm": _determinant(*_cm)},
            ),
        ),
        remark="The factor depends on the curvature: a spurious damping of 1 − ελ per step.",
    ),
    Claim(
        "stability.1",
        printed=r"\epsilon \lambda \leq 2(1 + \mu) \quad \text{(momentum)}, \qquad \epsilon "
        r"\lambda \leq \frac{2(1 + \mu)}{1 + 2\mu} \quad \text{(Nesterov)}",
        sentence="the step sizes at which the two methods become unstable on f = λx²/2",
        states=(
            "at(cm, eps, 2*(1 + mu)/lam) = 0",
            "at(nag, eps, 2*(1 + mu)/(1 + 2*mu)/lam) = 0",
        ),
        where={"cm": _at_minus_one(*_cm), "nag": _at_minus_one(*_nag)},
        remark="There det(M + 1) = 0, an eigenvalue at −1.",
    ),
    Claim(
        "relativistic.1",
        printed=r"p^+ = \mu p - \epsilon \nabla f(x), \qquad x^+ = x + \frac{\epsilon c\, p^+}"
        r"{\sqrt{(mc)^2 + \|p^+\|^2}}",
        sentence="relativistic gradient descent, first order (reference implementation, "
        "function relativistic)",
        states=(
            "new(p_i) = mu*p_i - eps*G_i",
            "new(w_i) = w_i + eps*cs*new(p_i)/sqrt(mc**2 + sum(new(p)*new(p)))",
        ),
        on=RELATIVISTIC,
        remark="Exactly the engine's step of H = (β/k)[a√(X² + q²) + c²L] + (hγ/k)βU: of degree "
        "one in β, and with cooling.",
    ),
    Claim(
        "relativistic.2",
        printed=r"x_{1/2} = x + \frac{\sqrt{\mu}\, v}{\sqrt{1 + \mu\delta\|v\|^2}}, \quad v_{1/2} "
        r"= \sqrt{\mu}\, v - \epsilon \nabla f(x_{1/2}), \quad x^+ = x_{1/2} + \frac{v_{1/2}}"
        r"{\sqrt{1 + \delta\|v_{1/2}\|^2}}, \quad v^+ = \sqrt{\mu}\, v_{1/2}",
        sentence="Algorithm 1 with α = 1 (reference implementation, function relativistic2)",
        states=(
            "w_middle_i = x_half_i",
            "w_end_i = x_end_i",
            "-scale*X_end_i = root*v_half_i",
        ),
        on=LEAPFROG,
        survivors="These changes compare a side with itself.",
        remark="The dissipative leapfrog, engine's integrator conformal-leapfrog, with v = "
        "−(τa/2hq)X, δ = (2h/τa)², ε = τ²ac²/(2h²q), μ = e^(−γτ).",
    ),
    Claim(
        "relativistic.3",
        printed=r"\|x^+ - x_{1/2}\| < \frac{1}{\sqrt{\delta}}",
        sentence="the relativistic steps are bounded, whatever the gradient",
        states=("r/(1 + delta*r) < 1/delta",),
        remark="r stands for |v_{1/2}|²; the left side is |x⁺ − x_{1/2}|².",
    ),
    Claim(
        "relativistic.4",
        printed=r"\alpha = 0, \; \delta = 0: \quad x^+ = x + u^+, \quad u^+ = \mu u - \epsilon "
        r"\nabla f(x + \mu u)",
        sentence="Nesterov's method is the case α = 0, δ = 0, in u = v/√μ",
        states=(
            "x_read = x + mu*u",
            "v_next/sqrt(mu) = mu*u - eps*slope",
            "x_next = x + v_next/sqrt(mu)",
        ),
        where={
            "vel": "sqrt(mu)*u",
            "x_read": "x + sqrt(mu)*vel",
            "v_mid": "sqrt(mu)*vel - eps*slope",
            "v_next": "sqrt(mu)*v_mid",
            "x_next": "x + v_mid",
        },
    ),
    Claim(
        "relativistic.5",
        printed=r"c\sqrt{\|p\|^2 + m^2 c^2} - mc^2 \to \frac{\|p\|^2}{2m} \quad (c \to \infty)",
        sentence="classical momentum is the limit c → ∞ of the relativistic method",
        states=("limit(cs*sqrt(r + m**2*cs**2) - m*cs**2, cs, oo) = r/(2*m)",),
        remark="r stands for |p|².",
    ),
)

SOURCE = Source(
    name="franca_2020",
    title="Conformal symplectic and relativistic optimization",
    reference="G. França, J. Sulam, D. P. Robinson, R. Vidal, NeurIPS 2020 and J. Stat. Mech. "
    "(2020) 124008, arXiv:1903.04100",
    notes="Equation (1) from the preprint; the other methods from the authors' reference "
    "implementation.",
    claims=CLAIMS,
)
