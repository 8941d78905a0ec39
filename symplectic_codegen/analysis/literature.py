"""The optimizers of the literature in one table: exact, extended, impossible, or not decided.

What the catalogue holds is sorted by what its step consists of beside flows of its Hamiltonian;
what it does not hold is a proposal with a verdict. Nothing about a single optimizer is written
here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from symplectic_codegen import catalog
from symplectic_codegen.algebra.notation import to_unicode
from symplectic_codegen.analysis.proposed import Proposal, judged, proposals
from symplectic_codegen.driver import Derivation
from symplectic_codegen.language.spec import Spec


class Standing(Enum):
    """How far a Hamiltonian goes for an optimizer."""

    EXACT = "exact"
    EXTENDED = "extended"
    IMPOSSIBLE = "impossible"
    UNDECIDED = "undecided"
    INEXPRESSIBLE = "inexpressible"


_HEADINGS = {
    Standing.EXACT: (
        "Exact",
        "The step is a composition of flows of one Hamiltonian (and of symplectic maps in their "
        "place, which are named).",
    ),
    Standing.EXTENDED: (
        "Extended",
        "A Hamiltonian, and beside it the pieces that are named: they are no flows of it.",
    ),
    Standing.IMPOSSIBLE: (
        "Impossible",
        "The rule as written has no Hamiltonian, for the reason that is given. Where the engine "
        "has something outside the Hamiltonian class that could stand in, or a repair, it is said.",
    ),
    Standing.UNDECIDED: (
        "Undecided",
        "No Hamiltonian was found, and none is ruled out.",
    ),
    Standing.INEXPRESSIBLE: (
        "Not in the language",
        "The language of proposals cannot say the rule, so that nothing is decided.",
    ),
}
_CATALOGUE, _PROPOSAL = "catalogue", "proposal"
_OUTCOMES = {
    "Hamiltonian": Standing.EXACT,
    "Hamiltonian at given fields": Standing.EXTENDED,
    "not Hamiltonian": Standing.IMPOSSIBLE,
    "undecided": Standing.UNDECIDED,
}


@dataclass(frozen=True)
class Row:
    """One optimizer.

    Args:
        origin: "catalogue", or "proposal" for a rule with a verdict.
        formula: the Hamiltonian or the kinetic energy, if that is all there is to it.
        reason: the pieces beside the Hamiltonian, or the obstructions.
    """

    name: str
    title: str
    origin: str
    standing: Standing
    reason: str
    formula: str = ""

    @property
    def what(self) -> str:
        """Formula and reason."""
        return "; ".join(part for part in (self.formula, self.reason) if part)


def standing_of(spec: Spec) -> Row:
    """The row of an entry of the catalogue, from the pieces of its step.

    >>> row = standing_of(catalog.load("nesterov"))
    >>> row.standing.value, row.reason
    ('extended', 'readout [B] K')
    """
    derivation = Derivation(spec)
    beside = list(dict.fromkeys(_beside(derivation)))
    if beside:
        return Row(spec.name, spec.title, _CATALOGUE, Standing.EXTENDED, "; ".join(beside))
    remarks = dict.fromkeys(f.remark for f in derivation.scheme.flows if f.remark)
    formula = f"H = {_one_line(spec.hamiltonian.text)}"
    return Row(spec.name, spec.title, _CATALOGUE, Standing.EXACT, "; ".join(remarks), formula)


def _beside(derivation: Derivation) -> Iterator[str]:
    """What the step consists of beside flows of H."""
    scheme = derivation.scheme
    for field in scheme.fields:
        yield f"memory field {to_unicode(field)}"
    for readout in scheme.integrator.readouts:
        yield f"readout {readout}"
    for flow in scheme.foreign:
        yield flow.remark.split(":")[0]
    if scheme.is_lagged:
        yield "sums over the momenta from before the step"
    if derivation.spec.time_step is not None:
        yield f"time step {derivation.spec.time_step}, which follows the loss"


def standing_of_proposal(proposal: Proposal) -> Row:
    """The row of a proposal, from its verdict."""
    row = judged(proposal)
    standing = _OUTCOMES.get(row.outcome, Standing.INEXPRESSIBLE)
    return Row(proposal.name, proposal.title, _PROPOSAL, standing, row.reason, row.formula)


def jobs() -> tuple[tuple[str, Callable[[], Row]], ...]:
    """The name of every optimizer of the literature, and what makes its row."""
    entries = [(spec.name, _row_of(spec)) for spec in catalog.load_all()]
    return (*entries, *((p.name, _row_of(p)) for p in proposals()))


def _row_of(item: Spec | Proposal) -> Callable[[], Row]:
    if isinstance(item, Spec):
        return lambda: standing_of(item)
    return lambda: standing_of_proposal(item)


def as_markdown(rows: Iterable[Row]) -> str:
    """The table as a document, with a section for each standing."""
    rows = tuple(rows)
    blocks = [
        "# The optimizers of the literature",
        "Which of them follow from a Hamiltonian, derived from the specifications in "
        "`symplectic_codegen/catalog/` and the rules in `symplectic_codegen/catalog/proposals/`. "
        "Written by `symplectic-codegen list literature --format markdown`.",
        _summary(rows),
    ]
    for standing, (heading, sentence) in _HEADINGS.items():
        found = [row for row in rows if row.standing is standing]
        if not found:
            continue
        lines = ["| name | method | from | what |", "|---|---|---|---|"]
        lines += [f"| `{r.name}` | {_cell(r.title)} | {r.origin} | {_what(r)} |" for r in found]
        blocks += [f"## {heading}", sentence, "\n".join(lines)]
    return "\n\n".join(blocks)


def _summary(rows: tuple[Row, ...]) -> str:
    lines = ["| | catalogue | proposals |", "|---|---|---|"]
    for standing, (heading, _) in _HEADINGS.items():
        counts = [
            sum(1 for r in rows if r.standing is standing and r.origin == origin)
            for origin in (_CATALOGUE, _PROPOSAL)
        ]
        lines.append(f"| {heading} | {counts[0]} | {counts[1]} |")
    return "\n".join(lines)


def _what(row: Row) -> str:
    formula = f"`{row.formula}`".replace("|", "\\|") if row.formula else ""
    return "; ".join(part for part in (formula, _cell(row.reason)) if part)


def _cell(text: str) -> str:
    """A text in a table: nothing in it is markup."""
    for mark in "\\|*_<`":
        text = text.replace(mark, f"\\{mark}")
    return _one_line(text)


def _one_line(text: str) -> str:
    return " ".join(text.split())
