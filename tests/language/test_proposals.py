"""What can be proposed for a verdict, and what is wrong with the rest."""

from __future__ import annotations

import pytest
import sympy as sp

from symplectic_codegen.algebra.memory import GradientAt
from symplectic_codegen.algebra.symbols import Component, G, X, w
from symplectic_codegen.algebra.vector import Total
from symplectic_codegen.errors import HamiltonianSyntaxError, SpecError
from symplectic_codegen.language import limits
from symplectic_codegen.language.hamiltonian import parse_loss
from symplectic_codegen.language.proposals import NOISE, STEP, ProposedRule, VelocityField, is_rule

mu, lr = sp.symbols("mu lr", positive=True)


def test_assignments_and_states() -> None:
    rule = ProposedRule.parse("y = w + mu*v; v = mu*v - lr*grad(y)\nw = w + v")
    y, v = Component("y"), Component("v")
    assert rule.states == (v,)
    assert [target for target, _ in rule.assignments] == [y, v, w]
    assert rule.assignments[1][1] == mu * v - lr * GradientAt(y)


@pytest.mark.parametrize("separator", [";", "\n", " ", " ;\n  "])
def test_separators(separator: str) -> None:
    rule = ProposedRule.parse(separator.join(("X = mu*X + G", "w = w - lr*X")))
    assert rule.assignments == ((X, mu * X + G), (w, w - lr * X))


def test_kinds_follow_from_use() -> None:
    rule = ProposedRule.parse("s = a*s + dot(G, G); r = sqrt(s); u = G/r; w = w - lr*u")
    kinds = {t.name: isinstance(t, Component) for t, _ in rule.assignments}
    assert kinds == {"s": False, "r": False, "u": True, "w": True}
    assert [s.name for s in rule.states] == ["s"]


def test_a_vector_that_is_only_read_before_it_is_set() -> None:
    rule = ProposedRule.parse("w = w - a*(G - old); old = G")
    assert rule.states == (Component("old"),)


def test_names_of_a_rule() -> None:
    rule = ProposedRule.parse("w = w - lr/n*G + noise*lr + L*g", ["g"])
    assert rule.assignments[0][1].has(STEP, NOISE, Component("g"))


def test_a_velocity_knows_the_language_of_hamiltonians() -> None:
    v = VelocityField.parse("beta*g*X/(1 + dot(X, g*X)) + t*w", ["g"])
    g = Component("g")
    assert v.expr.has(g, Total(g * X**2))
    assert v.given == (g,)


def test_rule_or_velocity() -> None:
    assert is_rule("w = w - lr*G")
    assert not is_rule("X/(1 + b*dot(X, X))")


# (text, what the carets are under, part of the message)
RULES = [
    ("X = mu*X", "X", "never changes the weights"),
    ("w = w -", "", "ends where a value is expected"),
    ("w == w", "=", "a value is expected"),
    ("w = w - lr", None, None),
    ("w = 2*dot(w, w)", "2*dot(w, w)", "w is a vector"),
    ("G = 2*G; w = w - G", "G", "G cannot be assigned"),
    ("beta = 3; w = w", "beta", "has a meaning in Hamiltonians"),
    ("w = w - tau*G", "tau", "has a meaning in Hamiltonians"),
    ("sin = w; w = w", "sin", "sin is a function"),
    ("w = w - lr*grad(2)", "2", "the point of a gradient is a vector"),
    ("w = w - lr*grad(w, X)", "grad(w, X)", "takes 1 argument"),
    ("w = w - lr*G; w - lr", "-", "an assignment NAME = EXPRESSION"),
    ("w = w; 3 = w", "3", "an assignment NAME = EXPRESSION"),
    ("w = w - lr*sin(X", "(", "'(' is never closed"),
    ("w = w - lr*foo(G)", "foo", "there is no function 'foo'"),
    ("__class__ = w; w = w", "__class__", "cannot begin with an underscore"),
    ("w = w - G**10**10", "G**10**10", "exponent"),
    ("lambda = w; w = w", "lambda", "Python keyword"),
    ("w = w - eval(G)", "eval", "there is no function"),
]


@pytest.mark.parametrize(("text", "place", "message"), RULES)
def test_message_and_place(text: str, place: str | None, message: str | None) -> None:
    if message is None:
        assert ProposedRule.parse(text)
        return
    with pytest.raises(HamiltonianSyntaxError) as caught:
        ProposedRule.parse(text)
    assert message in str(caught.value)
    span = caught.value.span
    if place:
        assert text[span.start : span.end] == place


VELOCITIES = [
    ("L", "a velocity is a vector"),
    ("dot(X, X)", "a velocity is a vector"),
    ("G*X", "reads the gradient"),
    ("Y", "Y is beta*X"),
    ("grad(w)", "there is no function 'grad'"),
]


@pytest.mark.parametrize(("text", "message"), VELOCITIES)
def test_velocities_that_are_none(text: str, message: str) -> None:
    with pytest.raises(HamiltonianSyntaxError, match=message.replace("*", r"\*")):
        VelocityField.parse(text)


@pytest.mark.parametrize("name", ["X", "beta", "n", "noise", "2g", "sum", "grad", "_g", "lambda"])
def test_given_names_that_cannot_be_given(name: str) -> None:
    with pytest.raises(SpecError, match="given vector"):
        VelocityField.parse("X", [name])


def test_long_texts_are_not_read() -> None:
    with pytest.raises(HamiltonianSyntaxError, match="characters"):
        ProposedRule.parse("w = w" + " + w" * limits.MAX_TEXT)


def test_a_loss_is_a_function_of_the_weights() -> None:
    assert parse_loss("sum(w**4)/4") == Total(w**4) / 4
    for text in ("sum(X)", "L", "beta*dot(w, w)", "w"):
        with pytest.raises(HamiltonianSyntaxError):
            parse_loss(text)
