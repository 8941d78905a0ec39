"""What a validation says: rungs of the oracle ladder, and a report per generated file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from symplectic_codegen.errors import SymplecticCodegenError

Status = Literal["holds", "fails", "not applicable"]


class ValidationInputError(SymplecticCodegenError):
    """What was given to validate is no generated optimizer."""


@dataclass(frozen=True)
class Rung:
    """One comparison of the ladder.

    Args:
        name: what is compared.
        status: "not applicable" is never used for an oracle that could not be made.
        detail: the evidence: errors, bounds, numbers of steps and points.
    """

    name: str
    status: Status
    detail: str

    def __str__(self) -> str:
        return f"{self.status}: {self.name} ({self.detail})"


@dataclass(frozen=True)
class Report:
    """All rungs of one generated file; the time that it took is no part of its value.

    >>> Report("a.py", "a", "numpy", (Rung("closed form", "holds", "error 0"),)).ok
    True
    >>> Report("a.py", "a", "numpy", ()).ok
    False
    """

    path: str
    name: str
    target: str
    rungs: tuple[Rung, ...]
    seconds: float = field(default=0.0, compare=False)

    @property
    def ok(self) -> bool:
        """Whether something was checked and nothing failed."""
        return any(r.status == "holds" for r in self.rungs) and not self.failures

    @property
    def failures(self) -> tuple[Rung, ...]:
        """The rungs that do not hold."""
        return tuple(r for r in self.rungs if r.status == "fails")


def judged(name: str, ok: bool, detail: str) -> Rung:
    """A rung that holds or fails.

    >>> judged("closed form", False, "error 1").status
    'fails'
    """
    return Rung(name, "holds" if ok else "fails", detail)
