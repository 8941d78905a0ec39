"""H. Tanaka, D. Kunin, Noether's learning dynamics: role of symmetry breaking in neural networks.

Letters: q = w, the paper's m and γ are m and gam (mass and friction), lam is the weight decay λ, f
the loss. The Lagrangian e^{γt/m}(m|q̇|²/2 − f) is the engine's quadratic Hamiltonian with β =
β₀e^{γt/m} and c² = h²/m. Stated from the literature; equation numbers are not given.
"""

from __future__ import annotations

from symplectic_codegen.verification.claims import ARBITRARY, Case, Claim, Source, Verdict

LAGRANGIAN = ARBITRARY.having(
    hamiltonian="beta/(2*k)*dot(X, X) + beta*h**2/(m*k)*L + h*gam/(m*k)*beta*U",
)
WITH_DECAY = ARBITRARY.having(
    hamiltonian="beta/(2*k)*dot(X, X) + beta*h**2/(m*k)*(L + lam/2*dot(w, w)) + h*gam/(m*k)*beta*U",
    where={"radial": "dot(w, G)", "radius2": "dot(w, w)", "speed2": "dot(rate(w), rate(w))"},
)

CLAIMS = (
    Claim(
        "lagrangian.1",
        printed=r"\mathcal{L} = e^{\frac{\gamma}{m}t}\left(\frac{m}{2}|\dot q|^2 - f(q)\right) "
        r"\quad \Rightarrow \quad m\ddot q + \gamma \dot q + \nabla f = 0",
        states=("m*rate(rate(w_i)) + gam*rate(w_i) + G_i = 0",),
        on=LAGRANGIAN,
        steps=(
            Case(
                "the exponential factor is the thermal parameter", ("beta(t) = beta0*exp(gam/m*t)",)
            ),
            Case(
                "its momentum m e^(γt/m) q̇ is the entropic moment Y, up to units and sign",
                ("-h*beta*rate(w_i) = Y_i",),
            ),
        ),
        remark="The Lagrangian of Caldirola and Kanai.",
    ),
    Claim(
        "lagrangian.2",
        printed=r"q_{n+1} = q_n + \beta (q_n - q_{n-1}) - \eta \nabla f \quad \Rightarrow \quad "
        r"\frac{\eta(1+\beta)}{2} \ddot q + (1-\beta) \dot q + \nabla f = 0",
        sentence="gradient descent with momentum as a differential equation, one step per time η",
        states=("taylor(moved, eta, 2)/eta = eta*(1 + b)/2*rate_s**2 + (1 - b)*rate_s",),
        where={
            # On q = e^{st}, with q̇ = s q: every linear equation is decided by its exponentials.
            "moved": "(exp(rate_s*eta) - 1) - b*(1 - exp(-rate_s*eta))",
        },
        remark="To first order beyond the gradient flow, m = η(1 + β)/2 and γ = 1 − β; the next "
        "term is of order η².",
    ),
    Claim(
        "symmetry.1",
        printed=r"\frac{d}{dt}\left(e^{\frac{\gamma}{m}t}\, m \sum_i \dot q_i\right) = 0",
        sentence="translation symmetry, Σ ∂f/∂qᵢ = 0",
        states=("at(rate(beta*sum(rate(w))), shift, 0) = 0",),
        on=LAGRANGIAN,
        where={"shift": "sum(G)"},
    ),
    Claim(
        "symmetry.2",
        printed=r"\frac{d}{dt}\left(e^{\frac{\gamma}{m}t}\, m\,(q_1 \dot q_2 - q_2 \dot "
        r"q_1)\right) = 0",
        sentence="rotation symmetry",
        states=("rate(beta*(w1*rate(w2) - w2*rate(w1))) = 0",),
        on=ARBITRARY.having(
            dim=2,
            hamiltonian="beta/(2*k)*(X1**2 + X2**2) + beta*h**2/(m*k)*(w1**2 + w2**2)**2 + "
            "h*gam/(m*k)*beta*U",
        ),
        remark="On f = |q|⁴.",
    ),
    Claim(
        "symmetry.3",
        printed=r"m \frac{d^2}{dt^2}|q|^2 + \gamma \frac{d}{dt}|q|^2 + 2\lambda |q|^2 = "
        r"2m|\dot q|^2",
        sentence="scale symmetry, q·∇f = 0, with weight decay λ: kinetic symmetry breaking",
        states=(
            "at(m*rate(rate(radius2)) + gam*rate(radius2) + 2*lam*radius2, radial, 0) = 2*m*speed2",
        ),
        on=WITH_DECAY,
        remark="The kinetic energy is not scale invariant; its defect is the right-hand side.",
    ),
    Claim(
        "symmetry.4",
        printed=r"|q|^4(t) \sim e^{-\frac{4\lambda}{\gamma}t}: \quad \frac{d}{dt} r^4 = "
        r"-\frac{4\lambda}{\gamma} r^4 + \frac{4m}{\gamma^3}|\hat g|^2",
        sentence="without inertia the radius averages squared gradients, as RMSProp does",
        states=("2*r2*rate_r2 = -4*lam/gam*r2**2 + 4*m/gam**3*ghat2",),
        where={
            # symmetry.3 without the second derivative, with |q̇|² = |∇f|²/γ² and |∇f|² = |ĝ|²/r².
            "rate_r2": "(2*m*(ghat2/r2)/gam**2 - 2*lam*r2)/gam",
        },
        verdict=Verdict.PROVED,
        remark="Under the stated approximations; ĝ is the gradient on the unit sphere.",
    ),
)

SOURCE = Source(
    name="tanaka_kunin_2021",
    title="Noether's learning dynamics: role of symmetry breaking in neural networks",
    reference="H. Tanaka, D. Kunin, NeurIPS 2021, arXiv:2105.02716",
    notes="Formulas as the literature has them, not line by line; no equation numbers. "
    "The paper's q is w, its β (momentum) is b; c² = h²/m.",
    claims=CLAIMS,
)
