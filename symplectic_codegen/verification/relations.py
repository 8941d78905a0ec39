"""Relations between expressions, as text and as tree: "a = b = c", "a < b", "a != b"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from symplectic_codegen.errors import SymplecticCodegenError
from symplectic_codegen.language.parser import parse_tree
from symplectic_codegen.language.syntax import Node

_RELATION = re.compile(r"<=|>=|!=|=|<|>")


class SourceError(SymplecticCodegenError):
    """A source file does not make sense: which claim, what, and what to do."""


@dataclass(frozen=True)
class Relation:
    """left, operator, right."""

    left: Node
    operator: str
    right: Node

    @property
    def text(self) -> str:
        """The relation in the grammar of Hamiltonians."""
        return f"{to_text(self.left)} {self.operator} {to_text(self.right)}"


def parse_relations(text: str) -> tuple[Relation, ...]:
    """The relations in a chain.

    >>> [r.text for r in parse_relations("h*rate(w_i) = -k*partial(H, Y_i) = 0")]
    ['h*rate(w_i) = -k*partial(H, Y_i)', '-k*partial(H, Y_i) = 0']

    Raises:
        SourceError: there is no relation in the text.
        HamiltonianSyntaxError: a side is not in the grammar.
    """
    operators = _RELATION.findall(text)
    sides = [parse_tree(side) for side in _RELATION.split(text)] if operators else []
    if not sides:
        raise SourceError(f"{text!r} is no relation: write left = right, or <, >, <=, >=, !=")
    return tuple(
        Relation(left, operator, right)
        for left, operator, right in zip(sides, operators, sides[1:], strict=False)
    )


_STRENGTH = {"sum": 1, "signed": 2, "product": 2, "power": 3, "number": 4, "name": 4, "call": 4}


def to_text(node: Node) -> str:
    """A tree in the grammar of Hamiltonians, with the parentheses that it needs.

    >>> to_text(parse_tree("-(a + b)*c**2 / (d*e)"))
    '-(a + b)*c**2/(d*e)'
    """
    match node.kind:
        case "number" | "name":
            return node.text
        case "call":
            return f"{node.text}({', '.join(to_text(child) for child in node.children)})"
        case "signed":
            return node.signs[0] + _enclosed(node.children[0], 3)
        case "power":
            return f"{_enclosed(node.children[0], 4)}**{_enclosed(node.children[1], 3)}"
        case "sum":
            return _joined(node, " ", 2)
        case "product":
            return _joined(node, "", 3)


def _joined(node: Node, gap: str, strength: int) -> str:
    text = ""
    for position, (sign, child) in enumerate(zip(node.signs, node.children, strict=True)):
        # The first factor may carry its sign without parentheses: -a*b is (-a)*b.
        bare = position == 0 and child.kind == "signed"
        part = to_text(child) if bare else _enclosed(child, strength)
        if position == 0:
            text = {"+": "", "*": "", "-": "-", "/": "1/"}[sign] + part
        else:
            text += f"{gap}{sign}{gap}{part}"
    return text


def _enclosed(node: Node, strength: int) -> str:
    text = to_text(node)
    return text if _STRENGTH[node.kind] >= strength else f"({text})"
