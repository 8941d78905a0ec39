"""Optimizers of the literature as proposals for a verdict: one TOML file each, and the table."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from symplectic_codegen.algebra.notation import to_unicode
from symplectic_codegen.analysis.verdict import Judgement, verdict
from symplectic_codegen.errors import SpecError

_FOLDER = files("symplectic_codegen.catalog") / "proposals"
_SUFFIX = ".toml"
_NEEDED = ("name", "title", "description")
_TEXTS = (*_NEEDED, "proposal", "inexpressible")
_LISTS = ("references", "given")


@dataclass(frozen=True)
class Proposal:
    """An update rule of the literature.

    Args:
        name: that of the file.
        text: what `verdict` takes, the key `proposal` of the file; empty where the language of
            proposals cannot say the rule.
        given: names of vectors that come from outside.
        inexpressible: why the language cannot say it; empty where `text` does.
        description: what makes the rule what it is, in a sentence or two.
    """

    name: str
    title: str
    description: str
    references: tuple[str, ...] = ()
    text: str = ""
    given: tuple[str, ...] = ()
    inexpressible: str = ""

    @classmethod
    def from_toml(cls, text: str, source: str = "<proposal>") -> Proposal:
        """Read a file.

        Raises:
            SpecError: it is no TOML, a key is missing, unknown or of a wrong type, or it has both
                `proposal` and `inexpressible`, or neither.
        """
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SpecError(f"{source}: this is no TOML: {error}") from None
        _check(table, source)
        return cls(
            table["name"],
            table["title"],
            " ".join(table["description"].split()),
            tuple(table.get("references", ())),
            table.get("proposal", "").strip(),
            tuple(table.get("given", ())),
            " ".join(table.get("inexpressible", "").split()),
        )


def _check(table: Mapping[str, Any], source: str) -> None:
    for key, value in table.items():
        if key not in (*_TEXTS, *_LISTS):
            raise SpecError(f"{source}: there is no key {key!r}")
        texts = value if key in _LISTS and isinstance(value, list) else [value]
        if not all(isinstance(text, str) for text in texts):
            what = "a list of texts" if key in _LISTS else "a text"
            raise SpecError(f"{source}: {key} must be {what}")
    for key in _NEEDED:
        if not table.get(key):
            raise SpecError(f"{source}: the key {key!r} is missing")
    if bool(table.get("proposal")) == bool(table.get("inexpressible")):
        raise SpecError(f"{source}: it needs one of the keys 'proposal' and 'inexpressible'")


@dataclass(frozen=True)
class Row:
    """A proposal, what is known of it, and why.

    Args:
        outcome: that of the verdict in words, or that the language cannot say it.
        reason: the obstructions, with the repair where there is one; or notes.
        formula: the kinetic energy.
    """

    proposal: Proposal
    outcome: str
    reason: str
    formula: str = ""
    judgement: Judgement | None = None


def proposals() -> tuple[Proposal, ...]:
    """All proposals, sorted by name.

    >>> "vradam" in [p.name for p in proposals()]
    True
    """
    sources = sorted(e.name for e in _FOLDER.iterdir() if e.name.endswith(_SUFFIX))
    found = []
    for source in sources:
        proposal = Proposal.from_toml((_FOLDER / source).read_text(encoding="utf-8"), source)
        if f"{proposal.name}{_SUFFIX}" != source:
            raise SpecError(f"{source}: its name is {proposal.name!r}; it must be that of the file")
        found.append(proposal)
    return tuple(found)


def judged(proposal: Proposal) -> Row:
    """The row of one proposal.

    >>> row = judged(Proposal("mine", "", "", text="X/(1 + b*dot(X, X))"))
    >>> row.outcome, row.formula
    ('Hamiltonian', 'T = log(1 + b·Σᵢ Xᵢ²)/(2·b)')
    """
    if not proposal.text:
        return Row(proposal, "not in the language", proposal.inexpressible)
    found = verdict(proposal.text, given=proposal.given)
    known = found.kinetic is not None and found.is_representable
    formula = f"T = {to_unicode(found.kinetic)}" if known else ""
    return Row(proposal, found.outcome.value, "; ".join(_reasons(found)), formula, found)


def _reasons(found: Judgement) -> list[str]:
    if found.is_representable:
        return list(found.notes)
    reasons = [f"{o.kind.value}: {o.evidence or o.statement}" for o in found.obstructions]
    beyond = dict.fromkeys(o.beyond for o in found.obstructions if o.beyond)
    reasons += [f"beyond Hamiltonians: {text}" for text in beyond]
    if found.suggestion is not None:
        swaps = found.suggestion.replaced
        changes = ", ".join(f"{to_unicode(a)} → {to_unicode(b)}" for a, b in swaps)
        reasons.append(f"integrable with {changes}")
    return reasons
