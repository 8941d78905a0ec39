"""Every error that a user can cause, as one small family.

All of them derive from `SymplecticCodegenError`; the command line turns any of them into one short
paragraph and exit status 2. A message says what is wrong, where, and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass


class SymplecticCodegenError(Exception):
    """Base class: bad input, or something the engine refuses to do and says why."""


@dataclass(frozen=True)
class Span:
    """A half-open range of character positions in a text.

    >>> Span(2, 5).caret("a + bcd")
    'a + bcd\\n  ^^^'
    """

    start: int
    end: int

    def caret(self, text: str) -> str:
        """The line of `text` that holds this span, with carets under it."""
        start = min(self.start, len(text))
        line_start = text.rfind("\n", 0, start) + 1
        line_end = text.find("\n", start)
        line_end = len(text) if line_end < 0 else line_end
        column = start - line_start
        width = max(1, min(self.end, line_end) - start)
        line = text[line_start:line_end]
        # Long lines are cut around the place, so that the caret stays on the screen.
        if len(line) > 100:
            cut = max(0, column - 50)
            line = line[cut : cut + 100]
            column -= cut
            width = min(width, 100 - column) or 1
        return f"{line}\n{' ' * column}{'^' * width}"


class HamiltonianSyntaxError(SymplecticCodegenError):
    """The text is not a Hamiltonian of the language.

    Args:
        message: what is wrong, as a sentence without a full stop.
        text: the whole text that was read.
        span: where it is.
        cure: what to write instead, if there is a likely answer.
    """

    def __init__(self, message: str, text: str, span: Span, cure: str = "") -> None:
        self.message = message
        self.text = text
        self.span = span
        self.cure = cure
        hint = f"\n{cure}" if cure else ""
        super().__init__(f"{message}\n{span.caret(text)}{hint}")


class SpecError(SymplecticCodegenError):
    """A specification (TOML file, catalogue entry, option) does not make sense."""


class GeometryError(SymplecticCodegenError):
    """A coupling does not give a symplectic form that the engine can invert."""


class NotSeparableError(SymplecticCodegenError):
    """The Hamiltonian has a part without an exact flow in the chosen splitting."""


class ReparametrizationError(SymplecticCodegenError):
    """User-facing names cannot be solved for the physical parameters."""


class AnalysisError(SymplecticCodegenError):
    """A quantity of the analysis does not exist for this rule, or is out of reach; says which."""


class OutOfTimeError(SymplecticCodegenError):
    """A derivation took longer than it may; no reason for anything that is not derived."""


class TargetError(SymplecticCodegenError):
    """A target cannot express a rule, or what it needs is not installed."""


class OutputError(SymplecticCodegenError):
    """Files could not be written or read."""


class SymmetryError(SymplecticCodegenError):
    """A symmetry has no charge, or no law of it, in the system that was given."""
