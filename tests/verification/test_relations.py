"""Relations as text and as tree."""

from __future__ import annotations

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from symplectic_codegen.errors import HamiltonianSyntaxError
from symplectic_codegen.language.parser import parse_tree
from symplectic_codegen.language.syntax import Node
from symplectic_codegen.verification.claims import ARBITRARY
from symplectic_codegen.verification.contexts import make_context
from symplectic_codegen.verification.formulas import text_latex
from symplectic_codegen.verification.relations import SourceError, parse_relations, to_text

leaves = st.sampled_from(["a", "b", "beta", "2", "0.5"])


def _combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(inner, inner)
    return st.one_of(
        pair.map(lambda p: f"({p[0]}) + ({p[1]})"),
        pair.map(lambda p: f"({p[0]}) - ({p[1]})"),
        pair.map(lambda p: f"({p[0]})*({p[1]})"),
        pair.map(lambda p: f"({p[0]})/({p[1]})"),
        inner.map(lambda a: f"-({a})"),
        inner.map(lambda a: f"({a})**2"),
        inner.map(lambda a: f"({a})**(-1)"),
        inner.map(lambda a: f"sqrt({a})"),
    )


texts = st.recursive(leaves, _combined, max_leaves=8)


@given(texts)
def test_printing_keeps_the_meaning(text: str) -> None:
    context = make_context(ARBITRARY, {})
    tree = parse_tree(text)
    again = parse_tree(to_text(tree))
    value = context.evaluate(tree)
    if not value.has(sp.zoo, sp.nan):
        assert (value - context.evaluate(again)).expand() == 0
    assert to_text(again) == to_text(tree)


def _shape(node: Node) -> object:
    return (node.kind, node.text, node.signs, [_shape(child) for child in node.children])


def test_chains_become_pairs() -> None:
    relations = parse_relations("a = b <= c != 0")
    assert [r.text for r in relations] == ["a = b", "b <= c", "c != 0"]
    assert _shape(relations[0].right) == _shape(relations[1].left)


def test_what_is_no_relation() -> None:
    with pytest.raises(SourceError, match="is no relation"):
        parse_relations("a + b")
    with pytest.raises(HamiltonianSyntaxError, match="never closed"):
        parse_relations("f(a = b")


LATEX = [
    ("bracket(w_i, X_j) = delta_ij/beta", r"\{w^{i}, X_{j}\} = \frac{\delta^{i}_{j}}{\beta}"),
    ("-h*rate(U) = -k*partial(H, beta)", r"- h \dot{U} = - k \frac{\partial H}{\partial \beta}"),
    ("a*(b + c) != -(a - b)", r"a \left(b + c\right) \neq - \left(a - b\right)"),
    ("x_half_i = m1_next**2", r"x_{\mathrm{half}, i} = m_{1, \mathrm{next}}^{2}"),
    ("v_i**2 = w", r"\left(v^{i}\right)^{2} = \mathbf{w}"),
]


@pytest.mark.parametrize(("text", "latex"), LATEX)
def test_latex(text: str, latex: str) -> None:
    assert text_latex(text) == latex
