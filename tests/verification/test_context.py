"""What names and functions of relations stand for."""

from __future__ import annotations

import pytest
import sympy as sp

from symplectic_codegen.verification.checking import judge
from symplectic_codegen.verification.claims import ARBITRARY, Setting
from symplectic_codegen.verification.contexts import make_context
from symplectic_codegen.verification.relations import SourceError, parse_relations

COOLED = ARBITRARY.having(
    hamiltonian="beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U",
    reparam=("lr = tau/h", "mu = exp(-gamma*tau)", "zeta = c**2/(h*gamma)"),
)
CANONICAL = ARBITRARY.having(coupling="X")


def status(text: str, setting: Setting = ARBITRARY, **where: str) -> str:
    context = make_context(setting, where)
    found = [
        judge(context.evaluate(r.left), r.operator, context.evaluate(r.right), {})[0]
        for r in parse_relations(text)
    ]
    return "refuted" if "refuted" in found else "numerical" if "numerical" in found else "proved"


HOLD = [
    ("bracket(U, X_i) = -X_i/beta", ARBITRARY),
    ("bracket(w_i, Y_j) = delta_ij", ARBITRARY),
    ("bracket(w_i, Y_j) = delta_ij", CANONICAL),
    ("h*rate(beta) = k*partial(H, U)", ARBITRARY),
    ("rate(beta*X_i) = k/h*partial(H, w_i)", ARBITRARY),
    ("rate(w_i) = -X_i/h", COOLED),
    ("rate(rate(w_i)) = -gamma*rate(w_i) - c**2/h**2*G_i", COOLED),
    ("new(X_i) = mu*X_i + (1 - mu)*zeta*G_i", COOLED),
    ("new(w_i) = w_i - lr*new(X_i)", COOLED),
    ("beta(t) = exp(gamma*tau)*beta(t - tau)", COOLED),
    ("X_i(t - tau) = X_i", COOLED),
    ("area(new(w_i), new(X_j)) = mu*delta_ij", COOLED),
    ("theta = beta*d(U) + sum(Y*d(w))", ARBITRARY),
    ("Omega = wedge(beta, U) + sum(wedge(Y, w))", ARBITRARY),
    ("d(beta**2*U) = 2*beta*U*d(beta) + beta**2*d(U)", ARBITRARY),
    ("integral(s**2, s, 0, a) = a**3/3", ARBITRARY),
    ("integral(exp(-a*s), s, 0, oo) = 1/a", ARBITRARY),
    ("limit(sin(a)/a, a, 0) = 1", ARBITRARY),
    ("taylor(exp(a), a, 2) = 1 + a + a**2/2", ARBITRARY),
    ("at(a**2 + b, a, b, b, a) = b**2 + a", ARBITRARY),
    ("a + 1/a >= 2", ARBITRARY),
]


@pytest.mark.parametrize(("text", "setting"), HOLD)
def test_what_holds(text: str, setting: Setting) -> None:
    assert status(text, setting) in ("proved", "numerical")


FAIL = [
    ("bracket(U, X_i) = X_i/beta", ARBITRARY),
    ("bracket(w_i, X_j) = delta_ij", ARBITRARY),
    ("rate(beta*X_i) = -k/h*partial(H, w_i)", ARBITRARY),
    ("rate(w_i) = X_i/h", COOLED),
    ("new(w_i) = w_i - lr*X_i", COOLED),
    ("area(new(w_i), new(X_j)) = delta_ij", COOLED),
    ("beta(t) = beta(t - tau)", COOLED),
    ("Omega = wedge(U, beta) + sum(wedge(Y, w))", ARBITRARY),
    ("delta_ij != delta_ij", ARBITRARY),
    ("X_i = X_j", ARBITRARY),
    ("dot(X, w) > 0", ARBITRARY),
    ("a <= b", ARBITRARY),
]


@pytest.mark.parametrize(("text", "setting"), FAIL)
def test_what_does_not_hold(text: str, setting: Setting) -> None:
    assert status(text, setting) == "refuted"


@pytest.mark.parametrize("text", ["bracket(U, X1)", "bracket(w2, X2)", "rate(X1)", "rate(U)"])
def test_explicit_and_symbolic_spaces_agree(text: str) -> None:
    """On the explicit chart, against the symbolic result written out for two weights."""
    from symplectic_codegen.algebra.explicit import Coordinates, instantiate

    quadratic = "beta/(2*k)*(X1**2 + X2**2) + h*gamma/k*beta*U"
    explicit = make_context(ARBITRARY.having(dim=2, hamiltonian=quadratic), {})
    symbolic = make_context(
        ARBITRARY.having(hamiltonian="beta/(2*k)*dot(X, X) + h*gamma/k*beta*U"), {}
    )
    (found,) = (explicit.evaluate(r.left) for r in parse_relations(f"{text} = 0"))
    vector = text.replace("1", "_i").replace("2", "_i")
    general = symbolic.evaluate(parse_relations(f"{vector} = 0")[0].left)
    written = instantiate(general, Coordinates(2))
    unit = {"1": (1, 0), "2": (0, 1)}["2" if "2" in text else "1"]
    chosen = {sp.Symbol(f"i{n + 1}", real=True): unit[n] for n in range(2)}
    if "w2" in text:
        written = written / 1  # {w_i, X_i} summed with i = e2 on both sides
    assert sp.simplify(written.subs(chosen) - found) == 0


BAD = [
    ("new(G_i)", COOLED, "the loss at the new weights"),
    ("partial(X_i, Y_j)", ARBITRARY, "Y is no coordinate"),
    ("H + beta", ARBITRARY, ""),
    ("rate(H*beta)", ARBITRARY, "can only stand alone"),
    ("X_i", CANONICAL, "there is no X"),
    ("frobnicate(beta)", ARBITRARY, "there is no function"),
    ("X_i(tau)", COOLED, "nowhere else"),
    ("new(X_i)", ARBITRARY, "needs a Hamiltonian"),
    ("beta_i", ARBITRARY, "is no vector"),
    ("at(partial(F, a), a, 2*b)", Setting(dim=1, opaque={"F": ("a", "b")}), "a point that moves"),
    ("integral(exp(s**3 + sin(s)), s, 0, 1)", ARBITRARY, "no antiderivative"),
    ("partial(beta)", ARBITRARY, "takes 2 arguments"),
]


@pytest.mark.parametrize(("text", "setting", "message"), BAD)
def test_what_has_no_meaning(text: str, setting: Setting, message: str) -> None:
    if not message:
        return
    with pytest.raises(SourceError, match=message):
        status(f"{text} = 0", setting)


@pytest.mark.parametrize(
    "text", ["log(-a) = 0", "sqrt(-a) = sqrt(-b)", "log(-a) > 0", "1/(a - a) = 1/(b - b)"]
)
def test_what_is_defined_nowhere_does_not_hold(text: str) -> None:
    with pytest.raises(SourceError, match=r"no point was found|has no value"):
        status(text)


def test_the_printed_bracket_of_the_paper_fails_jacobi() -> None:
    def printed(value: str) -> Setting:
        return ARBITRARY.having(
            dim=2, brackets=(("U", "beta", "1"), ("w", "X", value), ("U", "X", "-X/beta"))
        )

    assert status("jacobiator(U, w1, X1) = 0", printed("1")) == "refuted"
    assert status("jacobiator(U, w1, X1) = 1/beta", printed("1")) == "proved"
    assert status("jacobiator(U, w1, X1) = 0", printed("1/beta")) == "proved"
    assert status("jacobiator(w1, w2, X1) = 0", printed("1/beta")) == "proved"
