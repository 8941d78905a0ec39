"""A. Bravetti, M. Daza-Torres, H. Flores-Arguedas, M. Betancourt: contact optimization.

Optimization algorithms inspired by the geometry of dissipative systems (first version) and Bregman
dynamics, contact transformations and convex optimization (published version).

Letters: q = w, p = −X, s = U and the contact Hamiltonian is K. H = βK(U, w, X) on the engine's
phase space, which is the symplectization; h = k = 1 where the papers have no units.
"""

from __future__ import annotations

from symplectic_codegen.verification.claims import ARBITRARY, Case, Claim, Source

# An arbitrary contact Hamiltonian of two weights.
ANY = ARBITRARY.having(
    dim=2,
    hamiltonian="beta*K",
    opaque={"K": ("U", "w1", "w2", "X1", "X2")},
)
FRICTION = ARBITRARY.having(hamiltonian="beta*(dot(X, X)/(2*m) + L + gamma*U)")
RELATIVISTIC = ARBITRARY.having(hamiltonian="beta*(cs*sqrt(dot(X, X) + (m*cs)**2) + L + gamma*U)")

CLAIMS = (
    Claim(
        "introduction.1",
        printed=r"X_k = P_{k-1} - \tau \nabla f(P_{k-1}), \quad P_k = X_k + \frac{k-1}{k+2}(X_k - "
        r"X_{k-1}) \quad \leadsto \quad \ddot X + \frac{3}{t}\dot X + \nabla f(X) = 0",
        sentence="Nesterov's method and its continuum limit, equations (1) to (3)",
        states=("limit((1 - (n - 1)/(n + 2))*n, n, oo) = 3",),
        remark="The friction per step is 1 − (k − 1)/(k + 2) = 3/(k + 2), that is 3/t per unit of "
        "time t = k√τ.",
    ),
    Claim(
        "contact.1",
        printed=r"\dot q = \frac{\partial \mathcal{H}}{\partial p}, \qquad \dot p = "
        r"-\frac{\partial \mathcal{H}}{\partial q} - p\frac{\partial \mathcal{H}}{\partial s}, "
        r"\qquad \dot s = p\frac{\partial \mathcal{H}}{\partial p} - \mathcal{H}",
        sentence="the contact Hamiltonian equations",
        states=(
            "h/k*rate(w1) = -partial(K, X1)",
            "h/k*rate(-X1) = -partial(K, w1) - (-X1)*partial(K, U)",
            "h/k*rate(U) = X1*partial(K, X1) + X2*partial(K, X2) - K",
        ),
        on=ANY,
        remark="With p = −X, ∂/∂p = −∂/∂X; for every K. The paper's phase space is the "
        "symplectization, and (U, w, X) follow the contact flow whenever H = βK.",
    ),
    Claim(
        "contact.2",
        printed=r"\dot{\mathcal{H}} = -\mathcal{H} \frac{\partial \mathcal{H}}{\partial s}",
        sentence="the contact Hamiltonian is dissipated",
        states=("h/k*rate(K) = -K*partial(K, U)",),
        on=ANY,
    ),
    Claim(
        "contact.3",
        printed=r"\eta = ds - p\,dq, \qquad \mathcal{L}_{X_\mathcal{H}} \eta = -\frac{\partial "
        r"\mathcal{H}}{\partial s}\eta",
        sentence="the contact form is preserved up to a factor",
        states=(
            "h/k*d(rate(U)) + h/k*(rate(X1)*d(w1) + rate(X2)*d(w2) + "
            "X1*d(rate(w1)) + X2*d(rate(w2))) = "
            "-partial(K, U)*(d(U) + X1*d(w1) + X2*d(w2))",
        ),
        on=ANY,
    ),
    Claim(
        "contact.4",
        printed=r"\frac{d\beta}{dt} = \beta \frac{\partial \mathcal{H}}{\partial s}",
        sentence="the conformal factor: β scales the contact form to the one-form θ",
        states=("h/k*rate(beta) = beta*partial(K, U)", "theta = beta*(d(U) + X1*d(w1) + X2*d(w2))"),
        on=ANY,
    ),
    Claim(
        "friction.1",
        printed=r"\mathcal{H} = \frac{p^2}{2m} + V(q) + \gamma s \quad \Rightarrow \quad \ddot q + "
        r"\gamma \dot q + \frac{1}{m}\nabla V = 0",
        sentence="friction linear in s",
        states=("at(rate(rate(w_i)) + gamma*rate(w_i) + G_i/m, h, 1, k, 1) = 0",),
        on=FRICTION,
        steps=(
            Case(
                "s is the Herglotz action: ṡ = p²/2m − V − γs",
                ("at(rate(U), h, 1, k, 1) = dot(X, X)/(2*m) - L - gamma*U",),
            ),
        ),
    ),
    Claim(
        "friction.2",
        printed=r"\mathrm{div}\, X_{\mathcal{H}} = -(d+1)\gamma",
        sentence="volumes in (q, p, s) contract, areas in (q, p) by e^(−γt)",
        states=(
            "at(sum(wedge(rate(w), X)) + sum(wedge(w, rate(X))), h, 1, k, 1) = "
            "-gamma*sum(wedge(w, X))",
            "at(partial(rate(U), U), h, 1, k, 1) = -gamma",
        ),
        on=FRICTION,
    ),
    Claim(
        "relativistic.1",
        printed=r"\mathcal{H} = c\sqrt{p^2 + m^2c^2} + f(q) + \gamma s",
        sentence="the contact relativistic system: ẋ is bounded by c, and friction stays",
        states=(
            "at(rate(w_i), h, 1, k, 1) = -cs*X_i/sqrt(dot(X, X) + (m*cs)**2)",
            "at(rate(X_i), h, 1, k, 1) = G_i - gamma*X_i",
        ),
        on=RELATIVISTIC,
        remark="Of degree one in β by construction: what the paper Learning Dynamics lacks in its "
        "relativistic Hamiltonian.",
    ),
)

SOURCE = Source(
    name="bravetti_contact",
    title="Optimization by contact Hamiltonian dynamics",
    reference="A. Bravetti, M. L. Daza-Torres, H. Flores-Arguedas, M. Betancourt, Information "
    "Geometry 6 (2023) 355, arXiv:1912.02928",
    notes="Equations (1) to (3) from the published version; the others as the literature has them. "
    "The papers' q, p, s are w, −X, U.",
    claims=CLAIMS,
)
