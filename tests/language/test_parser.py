"""What the language means: every construct, against SymPy objects built by hand."""

from __future__ import annotations

import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from symplectic_codegen.algebra.symbols import G, L, U, X, Y, beta, beta0, c, d, h, k, t, tau, w
from symplectic_codegen.algebra.vector import Total
from symplectic_codegen.errors import HamiltonianSyntaxError
from symplectic_codegen.language.hamiltonian import Hamiltonian, parse_coupling, parse_scalar

gamma, x, y, z = sp.symbols("gamma x y z", positive=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U",
            beta / (2 * k) * Total(X**2) + beta * c**2 / k * L + h * gamma / k * beta * U,
        ),
        ("-x**2", -(x**2)),
        ("2**3**2", sp.Integer(512)),
        ("2**-x", 2**-x),
        ("-2**2", sp.Integer(-4)),
        ("--x", x),
        ("+x - -y", x + y),
        ("x - y - z", x - y - z),
        ("x/y/z", x / y / z),
        ("x/y*z", x / y * z),
        ("(x)", x),
        ("0.1 + 1e-3 + .5 + 2. + 1E2", sp.Rational(102601, 1000)),
        ("0.1*3 - 0.3", sp.S.Zero),
        ("expm1(x) + log1p(y)", sp.exp(x) - 1 + sp.log(1 + y)),
        ("sqrt(x) + abs(U) + sign(U)", sp.sqrt(x) + sp.Abs(U) + sp.sign(U)),
        (
            "sin(x) + cos(x) + tan(x) + atan(x) + sinh(x) + cosh(x) + tanh(x) + asinh(x) + erf(x)",
            sum(
                f(x)
                for f in (
                    *(sp.sin, sp.cos, sp.tan, sp.atan),
                    *(sp.sinh, sp.cosh, sp.tanh, sp.asinh, sp.erf),
                )
            ),
        ),
        ("min(x, y) + max(U, 0)", sp.Min(x, y) + sp.Max(U, 0)),
        ("dot(X, w) + sum(G) + dot(Y, Y)", Total(X * w) + Total(G) + Total(Y**2)),
        ("norm(X) + norm1(w)", sp.sqrt(Total(X**2)) + Total(sp.Abs(w))),
        ("sum(sqrt(1 + X**2))", Total(sp.sqrt(1 + X**2))),
        ("sum(1 + 0*X)", sp.sympify(d)),
        ("sum(x*X/norm(X))", x * Total(X) / sp.sqrt(Total(X**2))),
        ("beta0*exp(-gamma*t)*tau\n\t+ d", beta0 * sp.exp(-gamma * t) * tau + d),
        ("  x  ", x),
    ],
)
def test_meaning(text: str, expected: sp.Expr) -> None:
    assert Hamiltonian.parse(text).expr == expected


def test_names_come_from_the_text_in_its_order() -> None:
    H = Hamiltonian.parse(" zeta*L + a1*(b - b) + 1e3*e3 + exp(zeta) + tau*h*dot(X, w) ")
    assert H.hyperparameters == ("zeta", "a1", "b", "e3")
    assert H.text.startswith("zeta")
    assert not H.text.endswith(" ")


def test_given_symbols_are_used_and_reserved_names_stay() -> None:
    real = sp.Symbol("a", real=True)
    symbols = {"a": real, "U": sp.Symbol("U", positive=True)}
    assert Hamiltonian.parse("a*U", symbols).expr == real * U


def test_scalar_text() -> None:
    assert parse_scalar("exp(-gamma*tau)") == sp.exp(-gamma * tau)
    for text, message in [("dot(X, X)", "X is a vector"), ("U", "U is not known"), ("L", "L is")]:
        with pytest.raises(HamiltonianSyntaxError, match=message):
            parse_scalar(text)


def test_coupling_text() -> None:
    assert parse_coupling("beta*X + x*U*w") == beta * X + x * U * w
    for text, message in [
        ("beta*U", "a coupling is a vector"),
        ("Y", "Y cannot be used in a coupling"),
        ("X*L", "L cannot be used in a coupling"),
    ]:
        with pytest.raises(HamiltonianSyntaxError, match=message):
            parse_coupling(text)


@pytest.mark.parametrize(
    "text",
    [
        "max(U, 0)" + " + max(U, 1)" * 5,
        "sqrt(norm(X)**2 + 1)**3/(1 + L)**(3/2)",
        "(1 + sum(X**2)/64)**-64",
        "+".join(f"x{i}*y{i}" for i in range(90)),
        "-".join(["x"] * 200),
        "(" * 39 + "x" + ")" * 39,
        "1e60*x + 1e-60*y",
    ],
)
def test_generous_limits(text: str) -> None:
    Hamiltonian.parse(text)


# --- printed trees come back ----------------------------------------------------------------

_LEAVES = st.sampled_from(
    [("x", x), ("y", y), ("U", U), ("L", L), ("beta", beta), ("2", sp.Integer(2))]
    + [("0.25", sp.Rational(1, 4)), ("dot(X, w)", Total(X * w))]
)
_Pair = tuple[str, sp.Expr]


def _binary(trees: st.SearchStrategy[_Pair]) -> st.SearchStrategy[_Pair]:
    def join(a: _Pair, b: _Pair, sign: str) -> _Pair:
        value = {"+": a[1] + b[1], "-": a[1] - b[1], "*": a[1] * b[1]}[sign]
        return f"({a[0]}) {sign} ({b[0]})", value

    return st.builds(join, trees, trees, st.sampled_from("+-*"))


def _wrapped(trees: st.SearchStrategy[_Pair]) -> st.SearchStrategy[_Pair]:
    return st.one_of(
        trees.map(lambda a: (f"-({a[0]})", -a[1])),
        trees.map(lambda a: (f"({a[0]})**2", a[1] ** 2)),
        trees.map(lambda a: (f"exp(-({a[0]})**2)", sp.exp(-(a[1] ** 2)))),
        trees.map(lambda a: (f"sqrt(1 + ({a[0]})**2)", sp.sqrt(1 + a[1] ** 2))),
        trees.map(lambda a: (f"tanh({a[0]})", sp.tanh(a[1]))),
        trees.map(lambda a: (f"sum(({a[0]})*X)", Total(a[1] * X))),
    )


@settings(max_examples=60, deadline=None)
@given(st.recursive(_LEAVES, lambda s: _binary(s) | _wrapped(s), max_leaves=6))
def test_printed_trees_come_back(pair: _Pair) -> None:
    text, expected = pair
    try:
        result = Hamiltonian.parse(text).expr
    except HamiltonianSyntaxError as error:
        # Only for numbers that grew too large on the way.
        assume(not any(word in error.message for word in ("number", "terms")))
        raise
    assert result == expected
