"""Verdicts on the optimizers of the literature, and trajectories of what was found for them.

The rules run here by hand in plain Python, and the Hamiltonian that the verdict gives runs through
derivation, lowering and interpreter: the two share no code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import sympy as sp

import symplectic_codegen as sc
from symplectic_codegen.algebra.symbols import X, w
from symplectic_codegen.algebra.vector import Total
from symplectic_codegen.analysis.normal_form import Kind, decompose
from symplectic_codegen.analysis.representation import represent
from symplectic_codegen.analysis.verdict import Judgement, Outcome, verdict
from symplectic_codegen.driver import derive
from symplectic_codegen.errors import SymplecticCodegenError
from symplectic_codegen.language.proposals import ProposedRule
from symplectic_codegen.rule.interpreter import MPMATH, initial_state, interpret

b, lr, mu = sp.symbols("b lr mu", positive=True)

HAMILTONIAN = {
    "heavy ball": "v = mu*v - lr*G; w = w + v",
    "torch.optim.SGD": "v = mu*v + (1 - damp)*G; w = w - lr*v",
    "average": "X = mu*X + (1 - mu)*G; w = w - lr*X",
    "ablation of VRAdam": "X = mu*X + (1 - mu)*G; w = w - lr*X/(1 + b*dot(X, X))",
    "gradient descent": "w = w - lr*G",
    "sign descent": "w = w - lr*sign(G)",
    "Signum": "m = mu*m + (1 - mu)*G; w = w - lr*sign(m)",
    "normalized momentum": "m = mu*m + (1 - mu)*G; w = w - lr*m/norm(m)",
    "clipped momentum": "m = mu*m + (1 - mu)*G; w = w - lr*max(min(m, 1), -1)",
    "L2 penalty": "X = mu*X + G + wd*w; w = w - lr*X",
    "decoupled decay": "X = mu*X + G; w = (1 - lr*wd)*w - lr*X",
    "drift first": "w = w - lr*X; X = mu*X + grad(w)",
    "numbers": "X = 0.9*X + 0.1*G; w = w - 0.01*X",
    "Nesterov's friction": "X = (n - 1)/(n + 2)*X + G; w = w - lr*X",
    "RGD": (
        "y = w + sqrt(mu)*v/sqrt(mu*delta*dot(v, v) + 1); v = sqrt(mu)*v - eps*grad(y); "
        "w = y + v/sqrt(delta*dot(v, v) + 1); v = sqrt(mu)*v"
    ),
    "constant temperature": "X = X + G; w = w - lr*X",
    "two drifts": "w = w - lr*X/2; X = mu*X + grad(w); w = w - lr*X/2",
}
EXTENDED = {
    "RMSProp": "v = a*v + (1 - a)*G**2; w = w - lr*G/(sqrt(v) + eps)",
    "Adam": (
        "m = b1*m + (1 - b1)*G; v = b2*v + (1 - b2)*G**2; "
        "w = w - lr*(m/(1 - b1**n))/(sqrt(v/(1 - b2**n)) + eps)"
    ),
    "AdamW": (
        "w = w*(1 - lr*wd); m = b1*m + (1 - b1)*G; v = b2*v + (1 - b2)*G**2; "
        "w = w - lr*(m/(1 - b1**n))/(sqrt(v/(1 - b2**n)) + eps)"
    ),
    "AdaBelief": (
        "m = b1*m + (1 - b1)*G; s = b2*s + (1 - b2)*(G - m)**2; w = w - lr*m/(sqrt(s) + eps)"
    ),
    "metric read late": "w = w - lr*G/(sqrt(s) + eps); s = a*s + (1 - a)*G**2",
    "unequal gain": "s = a*s + G**2; m = mu*m + G; w = w - lr*m/(sqrt(s) + eps)",
}
NONE = {
    "VRAdam": (
        Kind.CURL,
        "m = b1*m + (1 - b1)*G; v = b2*v + (1 - b2)*G**2; "
        "w = w - lr*m/(sqrt(v) + eps)/(1 + b*dot(m, m))",
    ),
    "NAG": (Kind.READOUT, "y = w + mu*v; v = mu*v - lr*grad(y); w = w + v"),
    "torch nesterov": (Kind.READOUT, "v = mu*v + G; w = w - lr*(G + mu*v)"),
    "Lion": (
        Kind.READOUT,
        "u = b1*m + (1 - b1)*G; w = w - lr*(sign(u) + wd*w); m = b2*m + (1 - b2)*G",
    ),
    "QHM": (Kind.READOUT, "m = mu*m + (1 - mu)*G; w = w - lr*((1 - nu)*G + nu*m)"),
    "Hessian damping": (Kind.READOUT, "X = mu*X + G; w = w - lr*X - a*(G - old); old = G"),
    "explicit Euler": (Kind.READOUT, "w = w - lr*X; X = mu*X + G"),
    "RGD, alpha < 1": (
        Kind.READOUT,
        "y = w + sqrt(mu)*v/sqrt(mu*delta*dot(v, v) + 1); v = sqrt(mu)*v - eps*grad(y); "
        "w = alpha*y + (1 - alpha)*w + v/sqrt(delta*dot(v, v) + 1); v = sqrt(mu)*v",
    ),
    "RSGD": (
        Kind.FRICTION,
        "p = p - eps*(G + D*p/sqrt(dot(p, p) + m**2)); w = w + eps*p/sqrt(dot(p, p) + m**2)",
    ),
    "anisotropic friction": (Kind.FRICTION, "X = mu*g*X + G; w = w - lr*X"),
    "SGHMC": (Kind.NOISE, "v = (1 - a)*v - lr*G + s*noise; w = w + v"),
    "gradient clipping": (Kind.FORCE, "X = mu*X + G/max(1, norm(G)); w = w - lr*X"),
    "rescaled gradient": (
        Kind.FORCE,
        "s = a*s + (1 - a)*G**2; m = mu*m + G/(sqrt(s) + eps); w = w - lr*m",
    ),
    "rotating force": (Kind.FORCE, "X = mu*X + G + w*sum(w); w = w - lr*X"),
    "projection": (Kind.MAP, "X = mu*X + G; w = max(min(w - lr*X, 1), -1)"),
    "uneven decay": (Kind.MAP, "X = mu*X + G; w = w - g*w - lr*X"),
    "AdaGrad": (Kind.STATE, "s = s + G**2; w = w - lr*G/(sqrt(s) + eps)"),
    "AMSGrad": (
        Kind.STATE,
        "m = b1*m + (1 - b1)*G; s = b2*s + (1 - b2)*G**2; q = max(q, s); "
        "w = w - lr*m/(sqrt(q) + eps)",
    ),
    "AdaGrad-norm": (Kind.STATE, "q = q + dot(G, G); w = w - lr*G/sqrt(q)"),
    "Polyak's step": (Kind.POSITION, "w = w - L*G/dot(G, G)"),
    "metric of the place": (Kind.POSITION, "X = mu*X + G; w = w - lr*X*(1 + dot(w, w))"),
}


# What was not found and may be there all the same.
UNDECIDED = {
    "extragradient": (Kind.GRADIENTS, "y = w - lr*G; w = w - lr*grad(y)"),
    "a schedule in the norm": (
        Kind.TIME,
        "X = mu*X + G; w = w - lr*X/(1 + b*n*dot(X, X) + dot(X, X)**2)",
    ),
}


def judge(text: str) -> Judgement:
    return verdict(text, given=["g"] if "g*" in text else [])


@pytest.mark.parametrize("name", HAMILTONIAN)
def test_accepted(name: str) -> None:
    found = judge(HAMILTONIAN[name])
    assert found.outcome is Outcome.HAMILTONIAN
    assert found.representation is not None
    assert found.representation.is_proved
    assert found.obstructions == ()
    assert all(claim.holds for claim in found.claims)
    # What is given is a Hamiltonian of the language, and the spec can be derived from its text.
    assert derive(found.hamiltonian).separation.is_complete


@pytest.mark.parametrize("name", EXTENDED)
def test_accepted_with_memory_fields(name: str) -> None:
    found = judge(EXTENDED[name])
    assert found.outcome is Outcome.EXTENDED
    assert found.representation is not None
    assert found.representation.is_proved
    assert any("memory field" in note for note in found.notes)


# What obstructs the search that is made, and is no proof that there is nothing to find.
OPEN = {"extragradient", "a schedule in the norm"}


@pytest.mark.parametrize("name", NONE)
def test_rejected_with_the_reason(name: str) -> None:
    kind, text = NONE[name]
    found = judge(text)
    assert found.outcome is (Outcome.UNDECIDED if name in OPEN else Outcome.NONE)
    assert not found.is_representable
    assert [o.kind for o in found.obstructions] == [kind]
    assert found.hamiltonian == ""


@pytest.mark.parametrize("name", UNDECIDED)
def test_left_open_with_the_reason(name: str) -> None:
    kind, text = UNDECIDED[name]
    found = judge(text)
    assert found.outcome is Outcome.UNDECIDED
    assert not found.is_representable
    assert [o.kind for o in found.obstructions] == [kind]
    assert not any(o.is_decisive for o in found.obstructions)


def test_noise_that_is_not_added_says_nothing_else() -> None:
    (found,) = judge("X = norm(X)*noise/norm(noise); w = w - lr*X").obstructions
    assert found.kind is Kind.RANDOM
    assert found.beyond == ""
    (added,) = judge("X = mu*X + G + s*noise; w = w - lr*X").obstructions
    assert (added.kind, "noise" in added.beyond) == (Kind.NOISE, True)


@pytest.mark.parametrize(
    ("text", "beyond"),
    [
        ("X = mu*X + G; w = w - lr*(mu*X + G)", "gradient"),
        ("u = a*X + G; X = b*X + G; w = w - lr*sign(u)", "momenta"),
        ("u = a*X + G; X = b*X + G; w = w - lr*u/norm(u)", "momenta"),
        ("X = mu*X + G; w = w - lr*X*(1 + sign(X*G))/2", ""),
        ("X = mu*X + G; w = w - lr*X - a*G*dot(X, X)", ""),
    ],
)
def test_what_could_stand_in_for_a_second_look_at_the_gradient(text: str, beyond: str) -> None:
    """A readout is named only where the velocity is one."""
    (found,) = [o for o in judge(text).obstructions if o.kind is Kind.READOUT]
    assert (beyond in found.beyond) if beyond else found.beyond == ""


def test_every_obstruction_is_listed() -> None:
    found = judge(
        "X = X - a*X/sqrt(1 + dot(X, X)) + G + s*noise; w = w - lr*g*X/(1 + b*dot(X, X)) - a*G"
    )
    kinds = {o.kind for o in found.obstructions}
    assert kinds == {Kind.FRICTION, Kind.NOISE, Kind.CURL, Kind.READOUT}


def test_the_ablation_and_vradam_as_velocities() -> None:
    ablation = verdict("X/(1 + b*dot(X, X))")
    assert ablation.kinetic == sp.log(1 + b * Total(X**2)) / (2 * b)
    assert [c.verdict.value for c in ablation.claims] == ["proved", "proved"]
    vradam = verdict("g*X/(1 + b*dot(X, X))", given=["g"])
    assert vradam.outcome is Outcome.NONE
    assert vradam.suggestion is not None
    ((old, new),) = vradam.suggestion.replaced
    g = sp.Symbol("g")
    assert old == Total(X**2)
    assert str(new) == str(Total(X**2 * g)) or str(new) == "Total(X**2*g)"


def test_the_repair_of_vradam_is_derived() -> None:
    found = judge(NONE["VRAdam"][1])
    assert found.suggestion is not None
    repaired = found.suggestion.representation
    assert repaired is not None
    assert repaired.is_proved
    assert "log(1 + b*sum(X**2/(eps + sqrt(ema(G**2, nu)))))" in repaired.hamiltonian


def test_a_velocity_with_fields_and_time() -> None:
    found = verdict("exp(-t)*X/(sqrt(ema(G**2, nu)) + eps)")
    assert found.outcome is Outcome.EXTENDED
    assert found.claims[-1].verdict.value == "proved"


def test_a_velocity_of_the_paper() -> None:
    """dT/dX of the relativistic term sqrt(X**2 + k**2/beta**2), in units of beta/k."""
    found = verdict("k/beta*X/sqrt(dot(X, X) + k**2/beta**2)")
    assert found.outcome is Outcome.HAMILTONIAN
    assert derive(found.hamiltonian).equations.w.has(Total)


def test_a_velocity_of_the_place_says_what_follows() -> None:
    found = verdict("X*(1 + dot(w, w))")
    assert "pushes the momenta" in " ".join(found.notes)


def test_no_closed_form_is_no_rejection() -> None:
    found = verdict("X*exp(cos(dot(X, X)))")
    assert found.is_representable
    assert found.kinetic is None
    assert "no closed form" in " ".join(found.notes)


STEPS = 12


def gradient(x: list[float]) -> list[float]:
    return [2 * x[0] + x[1] / 2 + x[0] ** 3, x[0] / 2 + 3 * x[1] - math.sin(x[1])]


Rule = Callable[[list[float], dict[str, Any], int], list[float]]


def run_by_hand(rule: Rule, steps: int = STEPS) -> list[list[float]]:
    x, state = [0.7, -0.4], {}  # type: ignore[var-annotated]
    rows = []
    for n in range(1, steps + 1):
        x = rule(x, state, n)
        rows.append(x)
    return rows


def run_derived(text: str, values: dict[str, str], steps: int = STEPS) -> list[list[float]]:
    """What the spec of the verdict does, through the interpreter at 50 digits."""
    found = judge(text).representation
    assert found is not None
    assert found.spec is not None
    rule = derive(found.spec).rule
    named = {n.name: n.value for n in found.parameters}
    given = {sp.Symbol(k, positive=True): sp.Rational(v) for k, v in values.items()}
    numbers = {}
    for p in rule.parameters:
        if p.name in values:
            numbers[p.name] = Fraction(values[p.name])
        elif p.name in named and not named[p.name].is_Symbol:
            value = named[p.name].subs(given)
            numbers[p.name] = Fraction(int(value.p), int(value.q))
        else:
            numbers[p.name] = Fraction(1) if p.default is None else p.default
    state = initial_state(rule, numbers, 2, MPMATH)
    x = MPMATH.vector([Fraction("0.7"), Fraction("-0.4")])
    rows = []
    for _ in range(steps):
        G = MPMATH.vector([Fraction(e) for e in gradient([float(e) for e in x])])
        state, x = interpret(rule, numbers, state, x, G, Fraction(0), MPMATH)
        rows.append([float(e) for e in x])
    return rows


def adam(x: list[float], s: dict[str, Any], n: int) -> list[float]:
    g = gradient(x)
    m = s["m"] = [0.9 * a + 0.1 * b for a, b in zip(s.get("m", [0, 0]), g, strict=True)]
    v = s["v"] = [0.99 * a + 0.01 * b * b for a, b in zip(s.get("v", [0, 0]), g, strict=True)]
    return [
        a - 0.05 * (p / (1 - 0.9**n)) / (math.sqrt(q / (1 - 0.99**n)) + 0.001)
        for a, p, q in zip(x, m, v, strict=True)
    ]


def adamw(x: list[float], s: dict[str, Any], n: int) -> list[float]:
    shrunk = [a * (1 - 0.05 * 0.2) for a in x]
    moved = adam(x, s, n)
    return [a + q - p for a, p, q in zip(shrunk, x, moved, strict=True)]


def heavy_ball(x: list[float], s: dict[str, Any], n: int) -> list[float]:
    v = s["v"] = [0.9 * a - 0.05 * b for a, b in zip(s.get("v", [0, 0]), gradient(x), strict=True)]
    return [a + b for a, b in zip(x, v, strict=True)]


def nesterov_friction(x: list[float], s: dict[str, Any], n: int) -> list[float]:
    f = (n - 1) / (n + 2)
    v = s["v"] = [f * a + b for a, b in zip(s.get("v", [0, 0]), gradient(x), strict=True)]
    return [a - 0.05 * b for a, b in zip(x, v, strict=True)]


def ablation(x: list[float], s: dict[str, Any], n: int) -> list[float]:
    v = s["v"] = [0.9 * a + 0.1 * b for a, b in zip(s.get("v", [0, 0]), gradient(x), strict=True)]
    scale = 0.05 / (1 + 2 * sum(a * a for a in v))
    return [a - scale * b for a, b in zip(x, v, strict=True)]


def unequal_gain(x: list[float], s: dict[str, Any], n: int) -> list[float]:
    g = gradient(x)
    q = s["q"] = [0.99 * a + b * b for a, b in zip(s.get("q", [0, 0]), g, strict=True)]
    m = s["m"] = [0.9 * a + b for a, b in zip(s.get("m", [0, 0]), g, strict=True)]
    return [a - 0.05 * p / (math.sqrt(r) + 0.001) for a, p, r in zip(x, m, q, strict=True)]


def old_metric(x: list[float], s: dict[str, Any], n: int) -> list[float]:
    g, q = gradient(x), s.get("q", [0.0, 0.0])
    new = [a - 0.05 * p / (math.sqrt(r) + 0.1) for a, p, r in zip(x, g, q, strict=True)]
    s["q"] = [0.99 * a + 0.01 * b * b for a, b in zip(q, g, strict=True)]
    return new


def relativistic(x: list[float], s: dict[str, Any], n: int) -> list[float]:
    """RGD (Franca et al., Algorithm 1, alpha = 1), observed where it reads the gradient."""
    root, v = math.sqrt(0.9), s.get("v", [0.0, 0.0])
    if n > 1:
        # The rest of the step before, after its gradient.
        scale = math.sqrt(0.5 * sum(a * a for a in v) + 1)
        x = [a + b / scale for a, b in zip(x, v, strict=True)]
        v = [root * a for a in v]
        scale = math.sqrt(0.9 * 0.5 * sum(a * a for a in v) + 1)
        x = [a + root * b / scale for a, b in zip(x, v, strict=True)]
    s["v"] = [root * a - 0.05 * b for a, b in zip(v, gradient(x), strict=True)]
    return x


ADAM = {"lr": "0.05", "b1": "0.9", "b2": "0.99", "eps": "0.001"}
TRAJECTORIES: dict[str, tuple[str, Rule, dict[str, str]]] = {
    "Adam": (EXTENDED["Adam"], adam, ADAM),
    "AdamW": (EXTENDED["AdamW"], adamw, ADAM | {"wd": "0.2"}),
    "heavy ball": (HAMILTONIAN["heavy ball"], heavy_ball, {"lr": "0.05", "mu": "0.9"}),
    "Nesterov": (HAMILTONIAN["Nesterov's friction"], nesterov_friction, {"lr": "0.05"}),
    "ablation": (
        HAMILTONIAN["ablation of VRAdam"],
        ablation,
        {"lr": "0.05", "mu": "0.9", "b": "2"},
    ),
    "unequal gain": (
        EXTENDED["unequal gain"],
        unequal_gain,
        {"lr": "0.05", "mu": "0.9", "a": "0.99", "eps": "0.001"},
    ),
    "metric read late": (
        EXTENDED["metric read late"],
        old_metric,
        {"lr": "0.05", "a": "0.99", "eps": "0.1"},
    ),
}


@pytest.mark.parametrize("name", TRAJECTORIES)
def test_the_hamiltonian_runs_like_the_rule(name: str) -> None:
    text, rule, values = TRAJECTORIES[name]
    for mine, theirs in zip(run_derived(text, values), run_by_hand(rule), strict=True):
        assert mine == pytest.approx(theirs, rel=1e-12)


def test_rgd_runs_on_its_own_integrator() -> None:
    found = judge(HAMILTONIAN["RGD"]).representation
    assert found is not None
    assert found.integrator == "conformal-leapfrog"
    values = {"mu": "0.9", "delta": "0.5", "eps": "0.05"}
    derived = run_derived(HAMILTONIAN["RGD"], values)
    # The program stores the weights at which the gradient is read: those before the next kick.
    by_hand = run_by_hand(relativistic, STEPS + 1)[1:]
    for mine, theirs in zip(derived, by_hand, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-12)


def test_a_wrong_hamiltonian_is_not_proved() -> None:
    """The proof compares with the rule: change the rule, and it refutes."""
    form = decompose(ProposedRule.parse("X = mu*X + G; w = w - lr*X")).form
    assert form is not None
    good = represent(form)
    from symplectic_codegen.analysis import representation as room

    assert isinstance(good, room.Representation)
    assert good.spec is not None
    wrong = ProposedRule.parse("X = mu*X + G; w = w - lr*X/(1 + dot(X, X))")
    other = decompose(wrong).form
    assert other is not None
    claims = room._proof(other, derive(good.spec), good.scale, good.parameters, {})
    assert claims[0].verdict.value == "refuted"


def test_the_spec_can_be_saved_and_generated() -> None:
    found = judge(EXTENDED["Adam"]).representation
    assert found is not None
    spec = sc.Spec.from_toml(found.toml)
    files = sc.generate(spec, target="numpy")
    assert "class Proposal" in next(iter(files.values()))


@pytest.mark.parametrize("text", ["X*", "w = ", "3", "X = X", "w = w - lr*foo(X)"])
def test_bad_input_is_an_error(text: str) -> None:
    with pytest.raises(SymplecticCodegenError):
        verdict(text)


def test_print_latex_and_json() -> None:
    for text in (HAMILTONIAN["RGD"], NONE["VRAdam"][1], "X/(1 + b*dot(X, X))"):
        found = judge(text)
        assert str(found) == found.as_text()
        assert found._repr_latex_() == found.latex()
        data = json.loads(json.dumps(found.as_json()))
        assert data["representable"] is found.is_representable
        assert data["outcome"].lower() in found.as_text().lower()
        assert "\\paragraph" in found.latex()


def test_the_same_rule_in_other_words_gets_the_same_hamiltonian() -> None:
    """Renaming states, splitting lines and rescaling momenta change nothing."""
    texts = [
        "v = mu*v + G; w = w - lr*v",
        "buf = mu*buf; buf = buf + G; step = lr*buf; w = w - step",
        "u = mu*u - lr*G; w = w + u",
        "w = w - lr*(mu*p + G); p = mu*p + G",
    ]
    found = {judge(text).hamiltonian for text in texts}
    assert len(found) == 1


def test_the_momenta_named_x_are_found_among_others() -> None:
    parts = decompose(ProposedRule.parse("m = a*m + G; X = mu*X + G; w = w - lr*X"))
    assert parts.form is not None
    assert parts.form.momentum == X
    assert parts.form.keep == 1
    assert w not in parts.form.velocity.free_symbols
