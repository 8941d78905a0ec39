"""Text to syntax tree. The text is data all the way: no part of it is ever evaluated as Python."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from symplectic_codegen.errors import HamiltonianSyntaxError, Span
from symplectic_codegen.language import limits
from symplectic_codegen.language.grammar import FUNCTIONS, GRAMMAR, RULE_GRAMMAR
from symplectic_codegen.language.syntax import (
    AssignmentNode,
    Node,
    RefusedError,
    TreeBuilder,
    check_identifier,
    describe_character,
)

# What can stand where an assignment begins, or after its name.
_ASSIGNED: Final = frozenset({"NAME", "EQUALS", "SEPARATOR", "$END"})
_WORD: Final = re.compile(r"(?<![\w.])[^\W\d]\w*")

# Characters that mean something elsewhere: what is wrong, and what to do.
_FOREIGN: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "^": ("'^' is not a power", "write **"),
        "=": ("assignments and comparisons are not part of the language", "give one expression"),
        "<": (
            "comparisons are not part of the language",
            "min, max, abs and sign can express cases",
        ),
        ">": (
            "comparisons are not part of the language",
            "min, max, abs and sign can express cases",
        ),
        "!": ("'!' is not part of the language", ""),
        "[": ("indexing and lists are not part of the language", "use parentheses: ( )"),
        "]": ("indexing and lists are not part of the language", "use parentheses: ( )"),
        "{": ("braces are not part of the language", "use parentheses: ( )"),
        "}": ("braces are not part of the language", "use parentheses: ( )"),
        "'": ("strings are not part of the language", "names are written without quotes"),
        '"': ("strings are not part of the language", "names are written without quotes"),
        "`": ("quotes are not part of the language", "names are written without quotes"),
        ".": ("attribute access is not part of the language", "write a product with *"),
        ":": ("':' is not part of the language", "give one expression"),
        ";": ("';' is not part of the language", "give one expression"),
        "@": ("'@' is not part of the language", "write dot(a, b)"),
        "%": ("'%' is not part of the language", ""),
        "#": ("comments are not part of the language", ""),
        "\\": ("'\\' is not part of the language", "an expression may span lines without it"),
        "|": ("'|' is not part of the language", "write abs(x) or norm(v)"),
        "\u2212": ("this minus sign is not the ASCII one", "write -"),
        "\u00b7": ("this dot is not part of the language", "write * or dot(a, b)"),
        "\u00d7": ("this cross is not part of the language", "write *"),
        "\u00f7": ("this division sign is not part of the language", "write /"),
    }
)


@cache
def _lark(start: str) -> Lark:
    return Lark(
        GRAMMAR if start == "start" else RULE_GRAMMAR,
        start=start,
        parser="lalr",
        lexer="basic",
        transformer=TreeBuilder(),
        maybe_placeholders=True,
    )


def parse_tree(text: str) -> Node:
    """The syntax tree of `text`.

    >>> [node.text or node.kind for node in parse_tree("-x**2").postorder()]
    ['x', '2', 'power', 'signed']

    Raises:
        HamiltonianSyntaxError: with the place, for everything that is not in the language.
    """
    tree = _parsed(text, "start")
    assert isinstance(tree, Node)
    return tree


def parse_assignments(text: str) -> tuple[AssignmentNode, ...]:
    """The assignments of a list such as ``v = mu*v + G; w = w - lr*v``, in order.

    >>> [a.name for a in parse_assignments("v = mu*v + G; w = w - lr*v")]
    ['v', 'w']

    Raises:
        HamiltonianSyntaxError: with the place, for everything that is no such list.
    """
    assignments = _parsed(text, "rule")
    assert isinstance(assignments, tuple)
    return assignments


def _parsed(text: str, start: str) -> object:
    if len(text) > limits.MAX_TEXT:
        # The error keeps the beginning only: the rest may be gigabytes.
        message = f"the text has {len(text)} characters; at most {limits.MAX_TEXT} are read"
        kept = text[: limits.MAX_TEXT + 1]
        raise syntax_error(RefusedError(message, Span(limits.MAX_TEXT, len(kept))), kept)
    try:
        # With an inline transformer, `parse` returns what the top rule built.
        return _lark(start).parse(text)
    except RefusedError as refusal:
        raise syntax_error(refusal, text) from None
    except UnexpectedCharacters as error:
        raise syntax_error(_character_refusal(text, error.pos_in_stream or 0), text) from None
    except UnexpectedToken as error:
        raise syntax_error(_token_refusal(text, error.token, error.expected), text) from None


def names_in(text: str) -> tuple[str, ...]:
    """The names that a valid text mentions, once each, in the order of the text.

    >>> names_in("gamma*sqrt(X) + 1e3*gamma*mu")
    ('gamma', 'X', 'mu')
    """
    words = (match[0] for match in _WORD.finditer(text))
    return tuple(dict.fromkeys(word for word in words if word not in FUNCTIONS))


def syntax_error(refusal: RefusedError, text: str) -> HamiltonianSyntaxError:
    """The error for the user. What a terminal might act on is replaced, one for one."""
    shown = "".join(map(_printable, text))
    return HamiltonianSyntaxError(refusal.message, shown, refusal.span, refusal.cure)


def _printable(character: str) -> str:
    if character in "\t\r\f\v":
        return " "
    if character != "\n" and unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return "\ufffd"
    return character


def _check_words(text: str) -> None:
    """Refuse the first impossible name before a place: it is what the writer should hear of."""
    for match in _WORD.finditer(text):
        check_identifier(match[0], Span(*match.span()))


def _character_refusal(text: str, place: int) -> RefusedError:
    try:
        _check_words(text[:place])
    except RefusedError as refusal:
        return refusal
    character = text[place]
    message, cure = _FOREIGN.get(
        character, (f"{describe_character(character)} is not part of the language", "")
    )
    if character == "." and not re.match(r"\s*[^\W\d]", text[place + 1 :]):
        message, cure = "a lone '.' is not a number", ""
    return RefusedError(message, Span(place, place + 1), cure)


def _token_refusal(text: str, token: Token, expected: Collection[str]) -> RefusedError:
    ended = token.type == "$END"
    end = len(text.rstrip())
    place = end if ended else token.start_pos or 0
    span = Span(place, place + len(token))
    try:
        _check_words(text[: span.end])
    except RefusedError as refusal:
        return refusal
    before = text[:place].rstrip()
    after_value = bool(before) and (before[-1].isalnum() or before[-1] in "_).")
    opened = _open_parentheses(text[:place])
    if set(expected) <= _ASSIGNED and set(expected) & {"NAME", "EQUALS"} and text.strip():
        cure = "for example: w = w - lr*X; several are separated by ;"
        return RefusedError("an assignment NAME = EXPRESSION is expected here", span, cure)
    if not text.strip():
        return RefusedError("the text is empty", Span(0, 0), "for example: dot(X, X)/2 + L")
    if ended and opened:
        return RefusedError("'(' is never closed", Span(opened[-1], opened[-1] + 1), "add )")
    if ended:
        return RefusedError("the text ends where a value is expected", span)
    if token == ")" and not opened:
        return RefusedError("')' closes nothing", span, "remove it, or add a ( before")
    if token == ")" and before.endswith("("):
        return RefusedError(
            "there is nothing between these parentheses", Span(len(before) - 1, span.end)
        )
    if token == "," and after_value:
        return RefusedError("a comma can only separate the arguments of a function", span)
    if after_value:
        left = re.split(r"[^\w.]", before)[-1] or ")"
        cure = f"for a product write {left}*{token}" if left != ")" else "for a product write *"
        return RefusedError(f"an operator is missing before {str(token)!r}", span, cure)
    if token == "/" and before.endswith("/"):
        return RefusedError(
            "floor division is not part of the language", Span(len(before) - 1, span.end), "write /"
        )
    return RefusedError(f"a value is expected before {str(token)!r}", span)


def _open_parentheses(text: str) -> list[int]:
    places: list[int] = []
    for place, character in enumerate(text):
        if character == "(":
            places.append(place)
        elif character == ")" and places:
            places.pop()
    return places
