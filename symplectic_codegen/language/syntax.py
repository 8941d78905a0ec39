"""The syntax tree: what was written, with the place of every part."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final, Literal

from lark import Token, Transformer, v_args

from symplectic_codegen.errors import Span
from symplectic_codegen.language import limits
from symplectic_codegen.language.grammar import ALIASES, ARITY, FUNCTIONS

Kind = Literal["number", "name", "call", "sum", "product", "power", "signed"]
_SUPERSCRIPTS: Final = {"\u00b2": "2", "\u00b3": "3"}
_IDENTIFIER: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class RefusedError(Exception):
    """What is wrong with one part of a text; the parser adds the text to it."""

    def __init__(self, message: str, span: Span, cure: str = "") -> None:
        super().__init__(message)
        self.message, self.span, self.cure = message, span, cure


@dataclass(frozen=True, eq=False)
class Node:
    """A part of the text: `text` is its literal, name or function; `signs` its operators.

    `signs[i]` stands before `children[i]` in a sum ("+", "-") and in a product ("*", "/").
    """

    kind: Kind
    span: Span
    text: str = ""
    children: tuple[Node, ...] = ()
    signs: tuple[str, ...] = ()
    depth: int = 1
    size: int = 1

    def postorder(self) -> Iterator[Node]:
        """All parts, each after its own parts, in the order of the text; without recursion."""
        stack = [(self, False)]
        while stack:
            node, opened = stack.pop()
            if opened or not node.children:
                yield node
            else:
                stack.append((node, True))
                stack.extend((child, False) for child in reversed(node.children))


@dataclass(frozen=True)
class AssignmentNode:
    """NAME = EXPRESSION, with the place of the name."""

    name: str
    span: Span
    value: Node


def check_identifier(name: str, span: Span) -> None:
    """Refuse what cannot be a plain ASCII identifier of moderate length."""
    if keyword.iskeyword(name):
        raise RefusedError(f"{name!r} is a Python keyword and cannot be a name", span)
    if name.startswith("_"):
        raise RefusedError("a name cannot begin with an underscore", span)
    if not name.isascii():
        raise RefusedError(
            f"{describe_character(next(x for x in name if not x.isascii()))} cannot be part of a "
            "name: names are plain ASCII",
            span,
            _ascii_cure(name),
        )
    if len(name) > limits.MAX_NAME:
        raise RefusedError(
            f"a name has at most {limits.MAX_NAME} characters; this one has {len(name)}", span
        )


def is_identifier(name: str) -> bool:
    """Whether `check_identifier` lets `name` pass, and it is an identifier at all.

    >>> is_identifier("gamma"), is_identifier("lambda"), is_identifier("_x"), is_identifier("2x")
    (True, False, False, False)
    """
    return (
        bool(_IDENTIFIER.fullmatch(name))
        and not keyword.iskeyword(name)
        and len(name) <= limits.MAX_NAME
    )


def describe_character(character: str) -> str:
    """A name for a character that can be printed anywhere.

    >>> describe_character("\\u03b2")
    'U+03B2 (GREEK SMALL LETTER BETA)'
    """
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}" + (f" ({name})" if name else "")


def _ascii_cure(name: str) -> str:
    if name[-1] in _SUPERSCRIPTS and name[:-1].isascii():
        return f"write {name[:-1]}**{_SUPERSCRIPTS[name[-1]]}"
    words = [unicodedata.name(character, "") for character in name]
    if len(words) == 1 and words[0].startswith("GREEK SMALL LETTER "):
        spelled = words[0].rsplit(" ", 1)[-1].lower()
        return (
            f"write {spelled}_ or another name"
            if keyword.iskeyword(spelled)
            else (f"write {spelled}")
        )
    return ""


@v_args(inline=True)
class TreeBuilder(Transformer[Token, Node]):
    """Builds the tree while the text is read. It has no state, so one parser serves everybody."""

    def number(self, token: Token) -> Node:
        mantissa, _, exponent = token.lower().partition("e")
        if sum(x.isdigit() for x in mantissa) > limits.MAX_DIGITS:
            raise RefusedError(f"a number has at most {limits.MAX_DIGITS} digits", _span(token))
        digits = exponent.lstrip("+-").lstrip("0")
        if len(digits) > 3 or int(digits or 0) > limits.MAX_DECIMAL_EXPONENT:
            raise RefusedError(
                f"a decimal exponent is at most {limits.MAX_DECIMAL_EXPONENT}", _span(token)
            )
        return Node("number", _span(token), str(token))

    def name(self, token: Token) -> Node:
        check_identifier(str(token), _span(token))
        if token in FUNCTIONS:
            arguments = ", ".join("xy"[: ARITY[token]])
            raise RefusedError(
                f"{token} is a function and needs arguments",
                _span(token),
                f"write {token}({arguments})",
            )
        return Node("name", _span(token), str(token))

    def call(self, name: Token, _open: Token, arguments: Sequence[Node] | None, end: Token) -> Node:
        check_identifier(str(name), _span(name))
        return _node("call", tuple(arguments or ()), str(name), span=_cover(name, end), deeper=1)

    @v_args(inline=False)
    def arguments(self, children: list[Node | Token]) -> Sequence[Node]:
        return [child for child in children if isinstance(child, Node)]

    def group(self, start: Token, inner: Node, end: Token) -> Node:
        return _checked(replace(inner, span=_cover(start, end), depth=inner.depth + 1))

    def signed(self, sign: Token, operand: Node) -> Node:
        span = Span(_span(sign).start, operand.span.end)
        return _node("signed", (operand,), signs=(str(sign),), span=span, deeper=1)

    def power(self, base: Node, _operator: Token, exponent: Node) -> Node:
        return _node("power", (base, exponent), deeper=1)

    @v_args(inline=False)
    def sum(self, children: list[Node | Token]) -> Node:
        return _chain("sum", "+", children)

    @v_args(inline=False)
    def product(self, children: list[Node | Token]) -> Node:
        return _chain("product", "*", children)

    def assignment(self, name: Token, _equals: Token, value: Node) -> AssignmentNode:
        check_identifier(str(name), _span(name))
        if name in FUNCTIONS:
            raise RefusedError(f"{name} is a function and cannot be assigned to", _span(name))
        return AssignmentNode(str(name), _span(name), value)

    @v_args(inline=False)
    def rule(self, children: list[AssignmentNode | Token]) -> tuple[AssignmentNode, ...]:
        return tuple(child for child in children if isinstance(child, AssignmentNode))


def _chain(kind: Kind, first: str, children: list[Node | Token]) -> Node:
    signs = (first, *(str(child) for child in children if isinstance(child, Token)))
    return _node(kind, tuple(c for c in children if isinstance(c, Node)), signs=signs)


def _node(
    kind: Kind,
    children: tuple[Node, ...],
    text: str = "",
    *,
    signs: tuple[str, ...] = (),
    span: Span | None = None,
    deeper: int = 0,
) -> Node:
    return _checked(
        Node(
            kind,
            span or Span(children[0].span.start, children[-1].span.end),
            text,
            children,
            signs,
            deeper + max((child.depth for child in children), default=0),
            max(1, len(children) - 1) + sum(child.size for child in children),
        )
    )


def _checked(node: Node) -> Node:
    if node.depth > limits.MAX_NESTING:
        raise RefusedError(f"the nesting is deeper than {limits.MAX_NESTING}", node.span)
    if node.size > limits.MAX_NODES:
        raise RefusedError(
            f"the expression has more than {limits.MAX_NODES} numbers, names and operations",
            node.span,
        )
    return node


def _span(token: Token) -> Span:
    start = token.start_pos or 0
    return Span(start, start + len(token))


def _cover(start: Token, end: Token) -> Span:
    return Span(_span(start).start, _span(end).end)


def check_function(node: Node) -> None:
    """Refuse a call of what is no function of the language, or with a wrong number of arguments."""
    place = Span(node.span.start, node.span.start + len(node.text))
    known = f"the functions are {', '.join(FUNCTIONS)}"
    if node.text not in FUNCTIONS:
        if node.text in ALIASES:
            hint = f"write {ALIASES[node.text]}; {known}"
        elif close := get_close_matches(node.text.lower(), FUNCTIONS, n=1):
            hint = f"did you mean {close[0]}? {known}"
        else:
            hint = f"{known}; a product needs its *"
        raise RefusedError(f"there is no function {node.text!r}", place, hint)
    wanted, given = ARITY[node.text], len(node.children)
    if wanted != given:
        noun = "argument" if wanted == 1 else "arguments"
        cure = "write dot(X, X)" if node.text == "dot" else ""
        raise RefusedError(f"{node.text} takes {wanted} {noun}, not {given}", node.span, cure)
