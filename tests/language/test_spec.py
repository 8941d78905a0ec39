"""Specifications: completeness, the three ways in, and every refusal."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from symplectic_codegen.algebra.symbols import beta0, tau
from symplectic_codegen.errors import HamiltonianSyntaxError, SpecError
from symplectic_codegen.language.bounds import parse_number
from symplectic_codegen.language.spec import Bounds, Hyperparameter, Spec

MOMENTUM = "beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U"
TOML = f'''
name = "momentum"
title = "SGD with momentum"
hamiltonian = "{MOMENTUM}"
integrator = "lie-trotter"
references = ["Polyak 1964"]
description = """
The heavy ball."""
[hyperparameters.gamma]
bounds = "[0, oo)"
meaning = "friction"
default = 0.1
[hyperparameters.tau]
default = "1/100"
[reparametrization.lr]
equals = "tau/h"
meaning = "learning rate"
[reparametrization.momentum]
equals = "exp(-gamma*tau)"
bounds = "[0, 1)"
default = "0.9"
'''


def test_expression_is_complete() -> None:
    spec = Spec.from_expression(
        MOMENTUM, name="momentum", sets={"gamma": "0.1", "lr": "1e-3"}, reparams=["lr = tau/h*nu"]
    )
    assert [(p.name, p.default) for p in spec.hyperparameters] == [
        ("tau", None),
        ("h", 1),
        ("k", 1),
        ("c", 1),
        ("beta0", 1),
        ("U0", 0),
        ("gamma", sp.Rational(1, 10)),
        ("nu", None),
    ]
    (lr,) = spec.reparametrization
    assert (lr.name, lr.text, lr.default) == ("lr", "tau/h*nu", sp.Rational(1, 1000))
    assert spec.title == "Momentum"


def test_toml() -> None:
    spec = Spec.from_toml(TOML)
    described = {p.name: p for p in spec.hyperparameters}
    assert described["gamma"].default == sp.Rational(1, 10)
    assert described["gamma"].meaning == "friction"
    assert described["tau"].default == sp.Rational(1, 100)
    assert described["tau"].meaning == "step of the learning time"
    assert [r.name for r in spec.reparametrization] == ["lr", "momentum"]
    assert str(spec.reparametrization[1].bounds) == "[0, 1)"
    assert spec.references == ("Polyak 1964",)


def test_canonical_form_rebuilds_the_spec() -> None:
    coupled = Spec.from_expression(
        "L + dot(X, X)", coupling="beta*X*(1 + a*U)", sets={"a": "1e-60"}
    )
    everything = Spec.from_expression(
        "L + dot(X, X)",
        integrator="P F C B(p) [B(q)] K N B(1 - p)",
        more={
            "friction": "D*X", "noise": "s", "time_step": "tau*L/L0", "energy": "L0 + e",
            "cooling": "cayley", "norms": "block",
        },
    )  # fmt: skip
    assert [p.name for p in everything.hyperparameters[6:]] == ["D", "s", "e", "p", "q"]
    specs = (Spec.from_toml(TOML), Spec.from_expression(MOMENTUM), coupled, everything)
    for spec in specs:
        data = json.loads(json.dumps(spec.canonical()))
        again = Spec.from_canonical(data)
        assert again == spec
        assert again.sha256 == spec.sha256
        assert len(spec.sha256) == 64
    assert coupled.expression("coupling") is not None
    assert Spec.from_toml(TOML).expression("coupling") is None


def test_hash_depends_on_content_alone() -> None:
    spec = Spec.from_toml(TOML)
    assert spec.sha256 == Spec.from_toml(TOML, source="elsewhere").sha256
    assert spec.replace(sets={"gamma": "0.10"}).sha256 == spec.sha256
    assert spec.replace(sets={"gamma": "0.2"}).sha256 != spec.sha256


def test_replace() -> None:
    spec = Spec.from_toml(TOML)
    other = spec.replace(
        name="heavy_ball",
        integrator="strang",
        with_energy=True,
        reparams=["momentum = exp(-gamma)"],
    )
    assert (other.name, other.integrator, other.with_energy) == ("heavy_ball", "strang", True)
    assert other.title == "SGD with momentum"
    (momentum,) = other.reparametrization
    assert momentum.default == sp.Rational(9, 10)
    assert momentum.text == "exp(-gamma)"
    assert spec.replace() == spec
    assert spec.replace(reparams=[]).reparametrization == ()
    with_nu = Spec.from_expression("L", reparams=["lr = nu*tau"])
    assert "nu" not in [p.name for p in with_nu.replace(reparams=["lr = tau"]).hyperparameters]
    with pytest.raises(SpecError, match="outside the bounds"):
        spec.replace(sets={"momentum": "1"})


def test_symbols_follow_the_bounds() -> None:
    assert Hyperparameter("tau").symbol is tau
    assert Hyperparameter("beta0").symbol is beta0
    assert Hyperparameter("a").symbol.is_positive
    signed = Hyperparameter("a", bounds=Bounds.parse("(-oo, oo)"))
    assert signed.symbol == sp.Symbol("a", real=True)
    text = 'name = "s"\nhamiltonian = "a*L"\n[hyperparameters.a]\nbounds = "[-1, 1]"\n'
    text += '[reparametrization.b]\nequals = "a*tau"'
    spec = Spec.from_toml(text)
    assert sp.Symbol("a", real=True) in spec.hamiltonian.expr.free_symbols
    assert sp.Symbol("a", real=True) in spec.reparametrization[0].expr.free_symbols


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sets": {"gama": "1"}}, ["--set gama=1", "did you mean gamma?"]),
        ({"sets": {"gamma": "abc"}}, ["--set gamma=abc", "not a number", "1e-3"]),
        ({"sets": {"gamma": "-1"}}, ["--set gamma=-1", "outside the bounds [0, oo)"]),
        ({"sets": {"gamma": "1/0"}}, ["divides by zero"]),
        ({"sets": {"gamma": "nan"}}, ["not a number"]),
        ({"sets": {"gamma": "1e999999999"}}, ["decimal exponent"]),
        ({"sets": {"h": "0"}}, ["outside the bounds (0, oo)"]),
        ({"sets": {"X": "1"}}, ["X changes while the optimizer runs"]),
        ({"reparams": ["lr"]}, ['"NAME = EXPR"']),
        ({"reparams": ["lr ="]}, ['"NAME = EXPR"']),
        ({"reparams": ["gamma = tau"]}, ["gamma is itself a hyperparameter"]),
        ({"reparams": ["tau = 2*h"]}, ["tau is a reserved name"]),
        ({"reparams": ["lambda = tau"]}, ["Python keyword"]),
        ({"reparams": ["_lr = tau"]}, ["is not a name"]),
        ({"reparams": ["exp = tau"]}, ["is a function"]),
        ({"reparams": ["a b = tau"]}, ["is not a name"]),
        ({"reparams": ["lr = tau", "lr = h"]}, ["given twice"]),
        ({"reparams": ["lr = tau^2"]}, ["reparametrization lr", "write **", "   ^"]),
        ({"reparams": ["lr == tau"]}, ["reparametrization lr", "assignments"]),
        ({"reparams": ["lr = 2"]}, ["is a number"]),
        ({"reparams": ["lr = beta*tau"]}, ["beta is no constant"]),
        ({"reparams": ["lr = U"]}, ["not known before the run"]),
        ({"reparams": ["lr = tau", "nu = lr*2"]}, ["lr is itself a hyperparameter"]),
        ({"name": "Adam"}, ["snake_case"]),
        ({"name": "a/../b"}, ["snake_case"]),
        ({"name": "class"}, ["keyword"]),
        ({"name": "none"}, ["keyword"]),
        ({"name": "a" * 41}, ["at most 40"]),
        ({"integrator": "../x"}, ["integrator"]),
    ],
)
def test_refused_options(options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        Spec.from_expression(MOMENTUM, **options)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("title =", "tilte =", ["f.toml", "'tilte' is unknown", "did you mean title?"]),
        ("meaning =", "meanin =", ["hyperparameters.gamma", "did you mean meaning?"]),
        ("hamiltonian =", "hamilton =", ["'hamilton' is unknown"]),
        ("[hyperparameters.gamma]", "[hyperparameters.gama]", ["gama occurs nowhere", "gamma?"]),
        ('bounds = "[0, oo)"', 'bounds = "[0; 1]"', ["gamma", "not an interval"]),
        ('bounds = "[0, oo)"', 'bounds = "[1, 0]"', ["no number between"]),
        ('bounds = "[0, oo)"', "bounds = 3", ["gamma", "must be a text"]),
        ("default = 0.1", "default = true", ["gamma", "not a number"]),
        ("default = 0.1", "default = inf", ["gamma", "not a number"]),
        ("default = 0.1", 'default = "-1"', ["f.toml", "gamma", "outside"]),
        ('equals = "tau/h"', 'equals = "tau/"', ["f.toml", "lr", "ends where a value"]),
        ('equals = "tau/h"', "", ["lr", "equals ="]),
        ("references = [", "references = [1, ", ["references"]),
        ("[hyperparameters.tau]", "[hyperparameters.t]", ["f.toml", "variable of the phase space"]),
        ("[hyperparameters.tau]", "[hyperparameters.gamma]", ["this is not TOML"]),
        ("dot(X, X)", "X**2", ["f.toml", "dot(X, X)", "^^^^"]),
        ('name = "momentum"', "", ["'name' is missing"]),
        ('name = "momentum"', "name = 1", ["name must be a text"]),
        ('integrator = "lie-trotter"', "with_energy = 1", ["true or false"]),
        ('integrator = "lie-trotter"', "x = " + "[" * 5000, ["TOML"]),
        ('integrator = "lie-trotter"', "x = " + "9" * 5000, ["TOML"]),
    ],
)
def test_refused_files(old: str, new: str, words: list[str]) -> None:
    assert old in TOML
    with pytest.raises(SpecError) as caught:
        Spec.from_toml(TOML.replace(old, new, 1), source="f.toml")
    for word in words:
        assert word in str(caught.value)


def test_refused_canonical_forms() -> None:
    data = Spec.from_toml(TOML).canonical()
    for change in ({"format": 2}, {"hyperparameters": 3}, {"hyperparameters": [{}]}, {"zzz": 1}):
        with pytest.raises(SpecError):
            Spec.from_canonical(data | change)
    twice = data["hyperparameters"] + data["hyperparameters"][:1]
    with pytest.raises(SpecError, match="described twice"):
        Spec.from_canonical(data | {"hyperparameters": twice})


def test_errors_of_the_hamiltonian_itself() -> None:
    with pytest.raises(HamiltonianSyntaxError):
        Spec.from_expression("X")
    with pytest.raises(HamiltonianSyntaxError, match="a coupling is a vector"):
        Spec.from_expression("L", coupling="beta")


@pytest.mark.parametrize(
    "text", ["[0, 1)", "(0, oo)", "(-oo, oo)", "[-1/2, 3/4]", "(-oo, 0]", "[2, 2]"]
)
def test_bounds_round_trip(text: str) -> None:
    assert str(Bounds.parse(text)) == text


@pytest.mark.parametrize("text", ["", "[0, 1", "[oo, 0]", "[0, oo]", "[-oo, 0]", "(1, 1)", "[,]"])
def test_refused_bounds(text: str) -> None:
    with pytest.raises(SpecError):
        Bounds.parse(text)


def test_bounds_contain() -> None:
    tenth = Bounds.parse("(0, 0.1]")
    assert tenth.contains(0.1)
    assert not tenth.contains(math.nextafter(0.1, 1))
    assert not tenth.contains(0.0)
    assert not tenth.contains(math.nan)
    assert not Bounds().contains(math.inf)
    assert tenth.contains(sp.Rational(1, 10))
    assert not tenth.contains(sp.Rational(1, 10) + sp.Rational(1, 10**50))


@given(st.floats(min_value=1e-50, max_value=1e50))
def test_floats_are_taken_by_their_shortest_text(value: float) -> None:
    number = parse_number(value, "here")
    assert float(number) == value
    assert number == sp.Rational(repr(value))
