"""Units of relations."""

from __future__ import annotations

import pytest

from symplectic_codegen.verification.dimensions import UnbalancedError, Units, parse_dimension
from symplectic_codegen.verification.relations import SourceError, parse_relations

UNITS = {
    "U": "energy", "beta": "information/energy", "w": "1", "X": "energy", "L": "1", "G": "1",
    "H": "energy", "h": "energy*time", "k": "information", "c": "energy", "t": "time",
    "tau": "time", "gamma": "1/time", "lam": "energy",
}  # fmt: skip
BALANCED = [
    "-h*rate(U) = k*partial(H, beta)",
    "h*rate(X_i) = k/beta*partial(H, w_i) - k*X_i/beta*partial(H, U)",
    "bracket(w_i, X_j) = delta_ij/beta",
    "bracket(U, beta) = 1",
    "sqrt(dot(X, X) + k**2/beta**2) = k/beta",
    "X_i = exp(-gamma*tau)*X_i + (1 - exp(-gamma*tau))/gamma*c**2/h*G_i",
    "integral(beta(s), s, t - tau, t) = tau*beta(t)",
    "rate(rate(w_i)) = 0",
    "gamma*t < oo",
    "X1**2 + X2**2 = c**2",
    "force_i = -beta*c**2/h*G_i",
]
UNBALANCED = [
    "-rate(U) = k*partial(H, beta)",
    "bracket(w_i, X_j) = delta_ij",
    "lam*w_i = -k/h*lam*w_i",
    "U + beta = 0",
    "exp(t) = 1",
    "sqrt(dot(X, X)) = k**2/beta**2",
    "integral(beta(s), s, t - tau, t) = beta(t)",
    "beta(U) = beta",
]


@pytest.mark.parametrize("text", BALANCED)
def test_balanced(text: str) -> None:
    units = Units(UNITS, {"force": "-k/h*partial(H, w)"})
    for relation in parse_relations(text):
        units.check(relation)


@pytest.mark.parametrize("text", UNBALANCED)
def test_unbalanced(text: str) -> None:
    (relation,) = parse_relations(text)
    with pytest.raises(UnbalancedError, match="unit"):
        Units(UNITS, {}).check(relation)


def test_a_name_without_a_unit_is_an_error() -> None:
    with pytest.raises(SourceError, match="no unit for 'foo'"):
        Units(UNITS, {}).check(parse_relations("foo = 1")[0])


def test_dimensions_as_text() -> None:
    assert str(parse_dimension("energy*time/information**2")) == "energy·time/information^2"
    assert str(parse_dimension("1/(time*time)")) == "1/time^2"
    assert parse_dimension("energy/energy") == parse_dimension("1")
