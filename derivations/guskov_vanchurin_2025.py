"""D. Guskov, V. Vanchurin, Covariant gradient descent (2025).

The formulas are those of the text (time averages, moments, the limits of section 4); equation
numbers are not given where only a review with the formulas could be consulted.

Letters: q = w, the paper's loss H is L here, F = ∂L; its learning rate γ is lr, its relaxation time
τ is T (τ₁ for the first, τ₂ for the second moment). ⟨f⟩ is an exponential moving average.
"""

from __future__ import annotations

from symplectic_codegen.verification.claims import ARBITRARY, Case, Claim, Source, Verdict

MOMENTUM = ARBITRARY.having(
    hamiltonian="beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U",
    reparam=("lr = tau/h", "b1 = exp(-gamma*tau)", "zeta = c**2/(h*gamma)"),
)
RMSPROP = ARBITRARY.having(catalog="rmsprop")
ADAM = ARBITRARY.having(catalog="adam")

CLAIMS = (
    Claim(
        "descent.1",
        printed=r"\dot q^\mu = -\gamma\, \delta^{\mu\nu} \frac{\partial H}{\partial q^\nu}",
        sentence="gradient descent",
        states=("new(w_i) - w_i = -lr*G_i",),
        on=ARBITRARY.having(catalog="gradient_descent"),
        remark="In the engine the overdamped limit γτ → ∞.",
    ),
    Claim(
        "averages.1",
        printed=r"\langle f \rangle(t) = \frac{1}{\tau} \int_{-\infty}^t e^{-(t-s)/\tau} f(s)\, ds "
        r"\quad \Rightarrow \quad \tau\, \dot{\langle f \rangle} = f - \langle f \rangle",
        states=("T*partial(mean, t) = f0 + f1*t - mean",),
        where={"mean": "integral(exp(-(t - s)/T)*(f0 + f1*s), s, -oo, t)/T"},
        remark="For f = f₀ + f₁t; both sides are linear in f.",
    ),
    Claim(
        "averages.2",
        printed=r"\int_0^\infty w(s)\, ds = 1, \qquad w(s) = \frac{1}{\tau} e^{-s/\tau}",
        states=("integral(exp(-s/T)/T, s, 0, oo) = 1",),
    ),
    Claim(
        "averages.3",
        printed=r"\langle f \rangle(t) = \frac{1}{1+\tau} f(t) + \frac{\tau}{1+\tau} \langle f "
        r"\rangle(t-1)",
        sentence="discrete time",
        states=("new(memory) = 1/(1 + T)*G**2 + T/(1 + T)*memory",),
        on=RMSPROP,
        verdict=Verdict.ASSUMING,
        assuming=Case(
            "the decay rate is α = T/(1 + T): the implicit Euler step of the relaxation, where the "
            "exact one has α = e^(−1/T)",
            states=("at(new(memory), alpha, T/(1 + T)) = 1/(1 + T)*G**2 + T/(1 + T)*memory",),
        ),
        steps=(
            Case(
                "the memory of the engine relaxes exactly",
                ("new(memory) = alpha*memory + (1 - alpha)*G**2",),
            ),
            Case(
                "the two decay rates agree to first order in 1/T",
                ("taylor(exp(-y) - 1/(1 + y), y, 1) = 0",),
            ),
        ),
        reason="A discretisation: the exact average over unit time decays with e^(−1/T).",
    ),
    Claim(
        "moments.1",
        printed=r"M^{(1)}_\mu = \left\langle \frac{\partial H}{\partial q^\mu} \right\rangle",
        sentence="the first moment",
        states=("new(X_i) = b1*X_i + (1 - b1)*zeta*G_i",),
        on=MOMENTUM,
        remark="The engine's momenta are this average, times ζ; its weight b₁ is e^(−γτ).",
    ),
    Claim(
        "limits.1",
        printed=r"g_{\mu\nu} = \delta_{\mu\nu}\sqrt{M^{(2)}_{\mu\mu}}, \quad F_\mu = "
        r"\frac{\partial H}{\partial q^\mu} \quad \text{(RMSProp)}",
        states=("new(w_i) = w_i - step_i", "new(memory) = alpha*memory + (1 - alpha)*G**2"),
        on=RMSPROP,
        where={"step": "lr*G/(sqrt(alpha*memory + (1 - alpha)*G**2) + eps)"},
        remark="With ε added to the root, as RMSProp has it.",
    ),
    Claim(
        "limits.2",
        printed=r"g_{\mu\nu} = \delta_{\mu\nu}\sqrt{M^{(2)}_{\mu\mu}}, \quad F_\mu = M^{(1)}_\mu "
        r"\quad \text{(Adam)}",
        states=(
            "new(X_i) = beta1*X_i + (1 - beta1)*G_i",
            "new(memory) = beta2*memory + (1 - beta2)*G**2",
            "new(w_i) = w_i - step_i",
        ),
        on=ADAM,
        where={"step": "lr*new(X)/(sqrt(new(memory)) + eps)"},
        verdict=Verdict.ASSUMING,
        assuming=Case(
            "many steps have been made, so that Adam's bias corrections, which the limit leaves "
            "out, are over",
            states=(
                "limit((1 - b)/(1 - b**n), n, oo) = 1 - b",
                "limit((b - b**n)/(1 - b**n), n, oo) = b",
                "new(w_i) = w_i - step_i",
            ),
            where={"b": "exp(-y)"},
        ),
        steps=(
            Case(
                "with the bias corrections, exactly",
                (
                    "new(X_i) = (beta1 - beta1**n)/(1 - beta1**n)*X_i + "
                    "(1 - beta1)/(1 - beta1**n)*G_i",
                    "new(memory) = (beta2 - beta2**n)/(1 - beta2**n)*memory + "
                    "(1 - beta2)/(1 - beta2**n)*G**2",
                    "new(w_i) = w_i - step_i",
                ),
            ),
        ),
        survivors="bⁿ → 0, so that factors and signs of it do not matter in the limit.",
        reason="Adam corrects the bias of both averages at the start; plain averages do not.",
    ),
    Claim(
        "limits.3",
        printed=r"g_{\mu\nu} = \delta_{\mu\nu}\sqrt{M^{(2)}_{\mu\mu} - M^{(1)}_\mu M^{(1)}_\mu} "
        r"\quad \text{(AdaBelief)}",
        states=("m2_next - m1_next**2 = b*(m2 - m1**2) + (1 - b)*(g - m1_next)**2",),
        where={
            "m1_next": "b*m1 + (1 - b)*g",
            "m2_next": "b*m2 + (1 - b)*g**2",
        },
        verdict=Verdict.CORRECTED,
        correct=(
            "m2_next - m1_next**2 = b*(m2 - m1**2) + b*(1 - b)*(g - m1)**2",
            "m2_next - m1_next**2 = b*(m2 - m1**2) + (1 - b)/b*(g - m1_next)**2",
        ),
        reason="For equal decay rates b the variance M² − M¹M¹ is the average of (g − M¹)² that "
        "AdaBelief keeps, divided by b; for unequal ones (β₁ = 0.9, β₂ = 0.999) it is no such "
        "average.",
    ),
    Claim(
        "covariance.1",
        sentence="the dynamics is the same in all coordinate systems",
        printed=r"\dot q^\mu = -\gamma\, g^{\mu\nu}(t) F_\nu(t)",
        states=("velocity_q = -lr*slope_q/metric_q",),
        where={
            # For q = w/s: ∂/∂q = s ∂/∂w and g_qq = s² g_ww; the velocity of q is that of w, over s.
            "slope_q": "s*slope",
            "metric_q": "s**2*metric",
            "velocity_q": "-lr*slope/metric/s",
        },
        remark="For a change of scale q = w/s. A root of the diagonal of M⁽²⁾ scales with s, not "
        "with s², so that RMSProp and Adam are not covariant in this sense.",
    ),
)

SOURCE = Source(
    name="guskov_vanchurin_2025",
    title="Covariant gradient descent",
    reference="D. Guskov, V. Vanchurin, Covariant gradient descent (2025), arXiv:2504.05279",
    notes="From a published review that lists the formulas; no equation numbers. "
    "The paper's H is the loss L here, its γ the learning rate, its τ is T.",
    claims=CLAIMS,
)
