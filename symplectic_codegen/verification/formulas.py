"""Relations as LaTeX, straight from their text: no evaluation reorders what was written."""

from __future__ import annotations

import re
from typing import Final

from symplectic_codegen.language.syntax import Node
from symplectic_codegen.verification.relations import Relation, parse_relations

_GREEK: Final = frozenset(
    (
        *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "kappa", "mu"),
        *("nu", "rho", "sigma", "tau", "phi", "psi", "omega", "Gamma", "Delta", "Theta", "Omega"),
    )
)
_NAMES: Final = {
    "lam": r"\lambda",
    "eps": r"\epsilon",
    "oo": r"\infty",
    "pi": r"\pi",
    "delta_ij": r"\delta^{i}_{j}",
    "determinant": r"\det\Omega",
    "lr": r"\mathrm{lr}",
}
_VECTORS: Final = ("w", "X", "Y", "F", "v", "I")
_OPERATORS: Final = {"=": "=", "!=": r"\neq", "<": "<", ">": ">", "<=": r"\leq", ">=": r"\geq"}
_PLAIN: Final = ("exp", "log", "sin", "cos", "sinh", "cosh", "tanh", "min", "max")


def relation_latex(relation: Relation) -> str:
    """One relation in LaTeX.

    >>> relation_latex(parse_relations("rate(X_i) = -k/(h*beta)*partial(H, w_i)")[0])
    '\\\\dot{X}_{i} = - \\\\frac{k}{h \\\\beta} \\\\frac{\\\\partial H}{\\\\partial w^{i}}'
    """
    operator = _OPERATORS[relation.operator]
    return f"{_latex(relation.left)} {operator} {_latex(relation.right)}"


def text_latex(text: str) -> str:
    """A chain of relations in LaTeX."""
    relations = parse_relations(text)
    result = _latex(relations[0].left)
    for relation in relations:
        result += f" {_OPERATORS[relation.operator]} {_latex(relation.right)}"
    return result


def _latex(node: Node) -> str:
    match node.kind:
        case "number":
            return node.text
        case "name":
            return name_latex(node.text)
        case "signed":
            inner = _latex(node.children[0])
            return f"{node.signs[0]} {_grouped(node.children[0], inner, ('sum',))}"
        case "sum":
            text = ""
            for sign, child in zip(node.signs, node.children, strict=True):
                text += (f" {sign} " if text or sign == "-" else "") + _latex(child)
            return text
        case "product":
            return _product(node)
        case "power":
            base, exponent = node.children
            inner = _latex(base)
            raised = base.kind == "name" and "^" in inner
            if raised or (base.kind == "call" and base.text not in ("sqrt", "norm", "abs")):
                inner = rf"\left({inner}\right)"
            return f"{_grouped(base, inner, ('sum', 'product', 'signed'))}^{{{_latex(exponent)}}}"
        case "call":
            return _call(node)


def _grouped(node: Node, text: str, kinds: tuple[str, ...]) -> str:
    return rf"\left({text}\right)" if node.kind in kinds else text


def _product(node: Node) -> str:
    """Runs of divisors become one fraction under the factors before them."""
    result: list[str] = []
    above: list[Node] = []
    below: list[Node] = []

    def close() -> None:
        top = " ".join(_factor(f) for f in above) or "1"
        if not below:
            result.append(top)
        elif len(above) == 1 and len(below) == 1:
            result.append(rf"\frac{{{_latex(above[0])}}}{{{_latex(below[0])}}}")
        else:
            bottom = " ".join(_factor(f) for f in below) if len(below) > 1 else _latex(below[0])
            top = _latex(above[0]) if len(above) == 1 else top
            result.append(rf"\frac{{{top}}}{{{bottom}}}")

    for sign, child in zip(node.signs, node.children, strict=True):
        if sign == "*" and below:
            close()
            above, below = [], []
        (above if sign == "*" else below).append(child)
    close()
    first = node.children[0]
    if first.kind == "signed" and len(result) >= 1 and result[0].startswith(r"\frac{" + "-"):
        # -a/b reads better with the sign in front of the fraction.
        result[0] = "- " + result[0].replace(r"\frac{- ", r"\frac{", 1)
    return " ".join(result)


def _factor(node: Node) -> str:
    return _grouped(node, _latex(node), ("sum",))


def name_latex(name: str) -> str:
    """A name as the paper writes it.

    >>> name_latex("X_i"), name_latex("beta0"), name_latex("w")
    ('X_{i}', '\\\\beta_{0}', '\\\\mathbf{w}')
    """
    if name in _NAMES:
        return _NAMES[name]
    indexed = re.fullmatch(r"([A-Za-z]\w*)_([ij])", name)
    if indexed is not None:
        base, index = indexed.groups()
        if base == "G":
            return rf"\partial_{{{index}}} L"
        if base in ("w", "v"):
            return f"{_letter(base)}^{{{index}}}"
        return _subscripted(_letter(base), index)
    if name == "G":
        return r"\nabla L"
    if name in _VECTORS:
        return rf"\mathbf{{{name}}}"
    return _letter(name)


def _letter(name: str) -> str:
    stem, digits = re.fullmatch(r"(.*?)(\d*)", name).groups()  # type: ignore[union-attr]
    if "_" in stem:
        head, _, tail = stem.partition("_")
        # LaTeX allows one subscript: further parts of a name are further indices in it.
        tail = rf"\mathrm{{{tail.replace('_', ', ')}}}" if len(tail) > 1 else tail
        return _subscripted(_letter(head), f"{tail}{digits}")
    letter = f"\\{stem}" if stem in _GREEK else _NAMES.get(stem, stem)
    if len(letter) > 1 and not letter.startswith("\\"):
        letter = rf"\mathrm{{{letter}}}"
    return f"{letter}_{{{digits}}}" if digits else letter


def _subscripted(letter: str, index: str) -> str:
    """A letter with one more index: LaTeX allows one subscript."""
    if letter.endswith("}") and "_{" in letter:
        return f"{letter[:-1]}, {index}}}"
    return f"{letter}_{{{index}}}"


def _call(node: Node) -> str:
    name, arguments = node.text, node.children
    inner = [_latex(argument) for argument in arguments]
    match name:
        case "bracket":
            return rf"\{{{inner[0]}, {inner[1]}\}}"
        case "partial":
            top = _grouped(arguments[0], inner[0], ("sum", "product"))
            return rf"\frac{{\partial {top}}}{{\partial {inner[1]}}}"
        case "rate":
            return _rate(arguments[0], inner[0])
        case "d":
            return f"d{inner[0]}"
        case "wedge":
            return rf"d{inner[0]} \wedge d{inner[1]}"
        case "dot":
            return rf"{inner[0]} \cdot {inner[1]}"
        case "sum":
            return rf"\sum_{{k}} {_grouped(arguments[0], inner[0], ('sum',))}"
        case "norm":
            return rf"\left\|{inner[0]}\right\|"
        case "abs":
            return rf"\left|{inner[0]}\right|"
        case "sqrt":
            return rf"\sqrt{{{inner[0]}}}"
        case "integral":
            return rf"\int_{{{inner[2]}}}^{{{inner[3]}}} {inner[0]}\, d{inner[1]}"
        case "limit":
            return rf"\lim_{{{inner[1]} \to {inner[2]}}} {_factor(arguments[0])}"
        case "at":
            pairs = ", ".join(f"{a} = {b}" for a, b in zip(inner[1::2], inner[2::2], strict=True))
            return rf"\left[{inner[0]}\right]_{{{pairs}}}"
        case "taylor":
            return rf"\mathrm{{T}}_{{{inner[1]}}}^{{{inner[2]}}}\left[{inner[0]}\right]"
        case "new":
            return rf"{inner[0]}^{{\mathrm{{new}}}}" if "^" not in inner[0] else (
                rf"\left({inner[0]}\right)^{{\mathrm{{new}}}}"
            )  # fmt: skip
    listed = ", ".join(inner)
    if name in _PLAIN:
        return rf"\{name}\left({listed}\right)"
    return rf"{name_latex(name)}\left({listed}\right)"


def _rate(argument: Node, inner: str) -> str:
    if argument.kind != "name":
        return rf"\frac{{d}}{{dt}}\left({inner}\right)"
    indexed = re.fullmatch(r"(\\?\w+)([_^]\{\w\})", inner)
    if indexed is not None:
        return rf"\dot{{{indexed[1]}}}{indexed[2]}"
    return rf"\dot{{{inner}}}"
