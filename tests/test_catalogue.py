"""Every entry of the catalogue derives, is proved, and is described; and facts about the whole."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
import sympy as sp

import symplectic_codegen
from symplectic_codegen import catalog
from symplectic_codegen.algebra.proof import Verdict, vanishes
from symplectic_codegen.algebra.symbols import U, X, beta, beta0, c, h, k, t, w
from symplectic_codegen.algebra.vector import Total, directional
from symplectic_codegen.discretization.update import Clock
from symplectic_codegen.driver import Derivation, derive
from symplectic_codegen.errors import SpecError
from symplectic_codegen.geometry.phase_space import PhaseSpace
from symplectic_codegen.language.spec import Spec
from symplectic_codegen.mechanics.equations import equations_of_motion
from symplectic_codegen.mechanics.temperature import thermal_law
from symplectic_codegen.report import as_json, as_latex, as_text

NAMES = catalog.names()
gamma, f = sp.symbols("gamma f", positive=True)


@cache
def derivation(name: str) -> Derivation:
    return derive(catalog.load(name))


# Feedback temperature, and sums that are one step late: each says what it takes for granted.
ASSUMING = {"loss_cooling", "nose_hoover", "relativistic_lagged"}


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_derives_and_every_claim_is_proved(name: str) -> None:
    claims = derivation(name).claims
    assert len(claims) >= 11
    # In the limit of a metric state or of a bound parameter some may be assumed, never refuted.
    open_ = [claim for claim in claims if claim.verdict is not Verdict.PROVED]
    assert [str(claim) for claim in open_ if claim.verdict is not Verdict.ASSUMED] == []
    assert bool(open_) == (name in ASSUMING)
    assert derivation(name).rule.name == name


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_derives_with_the_energy_too(name: str) -> None:
    rule = derive(catalog.load(name).replace(with_energy=True)).rule
    assert [s.name for s in rule.states if s.name == "U"] == ["U"]
    assert rule.needs_loss


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_is_described(name: str) -> None:
    spec = catalog.load(name)
    assert spec.title[0].isupper()
    assert not spec.title.endswith(".")
    assert len(spec.description.split()) >= 12
    assert spec.description.strip().endswith((".", ".)"))
    assert spec.references
    assert all("(" in reference for reference in spec.references)
    # What a user of the generated optimizer sees has a meaning and sane bounds.
    for parameter in derivation(name).rule.parameters:
        assert parameter.meaning, parameter.name
        assert not parameter.meaning.endswith(".")
        if parameter.default is not None:
            assert parameter.interval.contains(float(parameter.default))
    names = [p.name for p in derivation(name).rule.parameters]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", NAMES)
def test_the_text_of_an_entry_is_its_own_form(name: str) -> None:
    folder = Path(symplectic_codegen.__file__).parent / "catalog"
    text = (folder / f"{name}.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    assert table["name"] == name
    assert Spec.from_canonical(catalog.load(name).canonical()) == catalog.load(name)


def test_the_catalogue_as_a_whole() -> None:
    specs = catalog.load_all()
    assert tuple(spec.name for spec in specs) == NAMES == tuple(sorted(NAMES))
    assert {"momentum", "gradient_descent", "nesterov_flow", "relativistic"} <= set(NAMES)
    assert len({spec.title for spec in specs}) == len(specs)
    assert len({spec.sha256 for spec in specs}) == len(specs)
    with pytest.raises(SpecError, match="did you mean 'momentum'"):
        catalog.load("momentun")
    with pytest.raises(SpecError, match="there are"):
        catalog.load("qqqqqq")


# Kinds of temperature, homogeneity and clocks, as in /theory/catalogue.md, section 1.

KINDS = {
    "accumulation": ("constant", True, Clock.NONE),
    "debiased_momentum": ("shifted exponential", False, Clock.STEP_NUMBER),
    "fading_weight_decay": ("exponential", False, Clock.STEP_NUMBER),
    "gradient_descent": ("exponential", True, Clock.NONE),
    "heavy_ball": ("exponential", True, Clock.NONE),
    "momentum": ("exponential", True, Clock.NONE),
    "nesterov_flow": ("power law", False, Clock.STEP_NUMBER),
    "relativistic": ("exponential", False, Clock.TIME),
    "relativistic_degree_one": ("exponential", True, Clock.NONE),
    "weight_decay": ("exponential", True, Clock.NONE),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_structure_of_an_entry(name: str) -> None:
    kind, contact, clock = KINDS[name]
    found = derivation(name)
    assert found.temperature.kind == kind
    assert ("is homogeneous" in found.structure[0].statement) is contact
    assert "is conserved" in found.structure[1].statement
    assert found.update.clock is clock
    assert found.separation.is_complete


def test_fact_2_the_equations_are_hamiltons_in_new_coordinates() -> None:
    # With Y = beta X as coordinate: w' = -(k/h) H_Y, Y' = (k/h) H_w for H(w, Y).
    for name in KINDS:
        H = derivation(name).hamiltonian
        motion = derivation(name).equations
        speed = beta * motion.X + X * motion.beta
        assert not sp.simplify(speed).has(U)
        assert sp.simplify(motion.w + k / (h * beta) * _slope(H)) == 0


def _slope(H: sp.Expr) -> sp.Expr:
    """dH/dX with sums treated by hand: H reads X through sum X**2 only, in the entries tested."""
    R = sp.Symbol("R", positive=True)
    opened = H.xreplace({Total(X**2): R})
    assert not opened.has(X)
    return (sp.diff(opened, R) * 2 * X).xreplace({R: Total(X**2)})


def test_fact_5_cooling_generators() -> None:
    r = sp.Rational(3)
    t0 = sp.Symbol("t0", positive=True)
    law = thermal_law(r * beta0 ** (1 / r) / t0 * beta ** (1 - 1 / r))
    profile = law.profile()
    assert profile is not None
    assert sp.simplify(profile - beta0 * (1 + t / t0) ** r) == 0
    # E(beta) alone gives no thermal profile.
    assert equations_of_motion(PhaseSpace(), beta**3 + sp.log(beta)).beta == 0


@pytest.mark.parametrize(
    "kinetic",
    [Total(X**2) / 2, sp.sqrt(Total(X**2) + 1), Total(sp.cosh(X)), sp.log(1 + Total(X**2))],
)
def test_fact_6_friction_dissipates(kinetic: sp.Expr) -> None:
    # d(T + c^2 L)/dt = -(beta'/beta) X . grad T.
    from symplectic_codegen.algebra.symbols import L
    from symplectic_codegen.algebra.vector import gradient

    H = beta / k * (kinetic + c**2 * L) + h * gamma / k * beta * U
    motion = equations_of_motion(PhaseSpace(), H)
    rate = directional(kinetic + c**2 * L, {w: motion.w, X: motion.X})
    assert sp.simplify(sp.expand(rate + gamma * Total(X * gradient(kinetic, X)))) == 0


def test_fact_7_entropy_along_the_motion() -> None:
    # omega(z') = beta U' + beta X . w' = -(k/h) H for H of degree one in beta at fixed X.
    for name, (_, contact, _) in KINDS.items():
        motion = derivation(name).equations
        entropy = beta * motion.U + Total(beta * X * motion.w)
        defect = sp.simplify(sp.expand(entropy + k / h * derivation(name).hamiltonian))
        assert (defect == 0) is contact, name


def test_fact_4_homogeneous_entries_follow_the_contact_flow() -> None:
    for name, (_, contact, _) in KINDS.items():
        if not contact:
            continue
        found = derivation(name)
        K = sp.expand(found.hamiltonian / beta)
        assert not K.has(beta), name
        for velocity in (found.equations.w, found.equations.X, found.equations.U):
            assert not sp.simplify(velocity).has(beta), name
        assert sp.simplify(found.equations.beta - k / h * beta * sp.diff(K, U)) == 0


@pytest.mark.parametrize("name", NAMES)
def test_the_splitting_is_all_of_the_hamiltonian(name: str) -> None:
    derived = derivation(name)
    parts = derived.separation.parts(derived.space.coupling)
    assert vanishes(sum(parts.values()) - derived.hamiltonian)


@pytest.mark.parametrize("name", ["momentum", "nose_hoover", "lion"])
def test_every_part_of_the_splitting_is_printed(name: str) -> None:
    derived = derivation(name)
    parts = derived.separation.parts(derived.space.coupling)
    (splitting,) = re.findall(r"^Splitting\n((?:  .+\n)+)", as_text(derived), re.MULTILINE)
    assert [line.split()[0] for line in splitting.splitlines()] == list(parts)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("momentum", []),
        ("rsgd", ["Rayleigh friction: −Ẋ = D·X/(h·√(mass² + Σᵢ Xᵢ²/light²))"]),
        ("langevin", ["noise on X: dX/dW = √(2)·c·√(γ)·√(temperature)"]),
        (
            "bbi",
            [
                "projection of X to H = 0",
                "length of a step = (L − floor)·τ/(L0 − floor + extra)",
            ],
        ),
        (
            "rad",
            ["memory ema(1, ν) = 1 − exp(−ν·t)", "memory ema(∇L², ν): from 0 to ∇L² at the rate ν"],
        ),
        ("adam", ["memory average(∇L², ν): mean of ∇L², each moment weighted by exp(−ν·age)"]),
    ],
)
def test_what_stands_beside_the_hamiltonian(name: str, lines: list[str]) -> None:
    derived = derivation(name)
    _, _, rest = as_text(derived).partition("Beside the Hamiltonian\n")
    block = rest.partition("\n\n")[0]
    assert [line.strip() for line in block.splitlines()] == lines
    assert [row["text"] for row in as_json(derived)["beside"]] == lines
    for line in lines:
        words = line.partition(":")[0].split()[0]
        assert words in as_latex(derived)
