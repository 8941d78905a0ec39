"""A. Wibisono, A. Wilson, M. Jordan (2016); M. Betancourt, M. Jordan, A. Wilson (2018).

A variational perspective on accelerated methods, and On symplectic optimization. The Euclidean
Bregman Lagrangian, D_h(y, x) = |y − x|²/2, is taken; with ideal scaling

    H = e^{α−γ}|r|²/2 + e^{α+β+γ} f(x),    α̇ …,  γ̇ = e^α,  β̇ = e^α,

and its polynomial (α = log p − log t, β = p log t + log C, γ = p log t) and exponential subfamilies
(α = log η, β = ηt + log C, γ = ηt).

Letters: x = w, r = −Y (the engine moves against the momenta); h = k = 1 is put in where the papers
have no units.
"""

from __future__ import annotations

from symplectic_codegen.verification.claims import ARBITRARY, Case, Claim, Source

POLYNOMIAL = ARBITRARY.having(
    coupling="X",
    hamiltonian="p/2*t**(-1 - p)*dot(Y, Y) + C*p*t**(2*p - 1)*L",
    where={"slope": "dot(G, w)"},
)
EXPONENTIAL = ARBITRARY.having(
    coupling="X", hamiltonian="r/2*exp(-r*t)*dot(Y, Y) + C*r*exp(2*r*t)*L"
)
NESTEROV = ARBITRARY.having(catalog="nesterov_flow")

CLAIMS = (
    Claim(
        "bregman.1",
        printed=r"\ddot X_t + \frac{p+1}{t} \dot X_t + C p^2 t^{p-2} \nabla f(X_t) = 0",
        sentence="the polynomial subfamily, Euclidean",
        states=(
            "at(rate(rate(w_i)) + (p + 1)/t*rate(w_i) + C*p**2*t**(p - 2)*G_i, h, 1, k, 1) = 0",
        ),
        on=POLYNOMIAL,
    ),
    Claim(
        "bregman.2",
        printed=r"\ddot X_t + \eta \dot X_t + C \eta^2 e^{\eta t} \nabla f(X_t) = 0",
        sentence="the exponential subfamily, Euclidean",
        states=("at(rate(rate(w_i)) + r*rate(w_i) + C*r**2*exp(r*t)*G_i, h, 1, k, 1) = 0",),
        on=EXPONENTIAL,
        remark="The paper's η is r.",
    ),
    Claim(
        "bregman.3",
        printed=r"\frac{d}{dt}\left[\tfrac12 |x^* - X_t - e^{-\alpha_t}\dot X_t|^2 + e^{\beta_t}"
        r"(f(X_t) - f^*)\right] = -\dot\beta_t e^{\beta_t} D_f(x^*, X_t) \leq 0",
        sentence="the energy functional, hence f(X_t) − f* = O(e^(−β_t))",
        states=("at(rate(dot(ahead, ahead)/2 + C*t**p*L), h, 1, k, 1) = -p/t*C*t**p*(slope - L)",),
        on=POLYNOMIAL,
        where={"ahead": "w + t/p*at(rate(w), h, 1, k, 1)"},
        remark="With x* = 0 and f* = 0; D_f(0, x) = ∇f·x − f is not negative for a convex f.",
    ),
    Claim(
        "bregman.4",
        sentence="ideal scaling: without γ̇ = e^α the equation has a further term",
        printed=r"\ddot X_t + (e^{\alpha_t} - \dot\alpha_t)\dot X_t + e^{2\alpha_t+\beta_t}\nabla "
        r"f(X_t) = 0",
        states=(
            "at(rate(rate(w_i)) + (p/t + 1/t)*rate(w_i) + (p/t)**2*(C*t**p)*G_i, h, 1, k, 1) = 0",
        ),
        on=POLYNOMIAL,
        remark="Here e^α = p/t, −α̇ = 1/t and e^β = Ct^p.",
    ),
    Claim(
        "bregman.5",
        printed=r"p = 2: \quad \ddot X_t + \frac{3}{t}\dot X_t + 4C \nabla f(X_t) = 0",
        sentence="Nesterov's method in continuous time",
        states=("rate(rate(w_i)) + 3/(t0 + t)*rate(w_i) + c**2/h**2*G_i = 0",),
        on=NESTEROV.having(
            catalog=None,
            hamiltonian="beta/(2*k)*dot(X, X) + beta*c**2/k*L + 3*h/k*beta/(t0 + t)*U",
        ),
        steps=(
            Case(
                "the thermal parameter that gives the friction 3/t grows as the cube of time",
                ("beta(t) = beta0*(1 + t/t0)**3",),
                NESTEROV,
            ),
        ),
        remark="4C = c²/h²; the engine starts the clock at t₀ > 0, where the friction is finite.",
    ),
    Claim(
        "bregman.6",
        printed=r"\frac{k-1}{k+2}",
        sentence="the momentum coefficient of Nesterov's method, as a cooling factor",
        states=("mass_before/mass = (n - 1)/(n + 2)",),
        where={"mass": "n*(n + 1)*(n + 2)", "mass_before": "(n - 1)*n*(n + 1)"},
        remark="It is β_{k−1}/β_k for the discrete cubic β_k = k(k + 1)(k + 2).",
    ),
    Claim(
        "symplectic.1",
        printed=r"\tilde H(x, t, r, E) = H(x, r, t) + E: \qquad \frac{dt}{ds} = 1",
        sentence="time as a coordinate, with the energy as its conjugate (extended phase space)",
        states=("rate(beta) = f0", "bracket(U, beta) = 1"),
        on=ARBITRARY.having(coupling="X", hamiltonian="dot(Y, Y)/(2*beta) + beta*L + h/k*f0*U"),
        remark="The pair is (β, U): the engine's thermal part is the clock.",
    ),
    Claim(
        "symplectic.2",
        sentence="compositions of the flows of kinetic and potential part, such as the leapfrog, "
        "are symplectic",
        printed=r"\Psi^*\omega = \omega",
        states=("area(after_w_i, after_Y_j) = delta_ij", "area(after_w_i, after_w_j) = 0"),
        on=ARBITRARY.having(
            coupling="X",
            hamiltonian="p/2*dot(X, X) + C*p*L",
            where={"after_w": "w(t)", "after_Y": "Y(t)"},
        ),
        steps=(
            Case(
                "the momenta are kicked by the gradient, then the weights drift",
                ("Y_i(t) = Y_i + k/h*tau*C*p*G_i", "w_i(t) = w_i - k/h*tau*p*Y_i(t)"),
            ),
        ),
        survivors="{w, Y⁺} = δ as well, since the kick does not move w; the bracket of an entry "
        "with itself vanishes.",
        remark="One step with frozen time; the composition of exact flows is symplectic.",
    ),
)

SOURCE = Source(
    name="wibisono_betancourt",
    title="Accelerated methods as Bregman dynamics, and symplectic optimization",
    reference="A. Wibisono, A. Wilson, M. Jordan, PNAS 113 (2016), arXiv:1603.04245; M. "
    "Betancourt, M. Jordan, A. Wilson (2018), arXiv:1802.03653",
    notes="Formulas as the literature has them, not line by line; no equation numbers. "
    "Euclidean case. The papers' X is w, their conjugate momentum is −Y.",
    claims=CLAIMS,
)
