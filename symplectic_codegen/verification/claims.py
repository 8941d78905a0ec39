"""What a source file is made of: claims, each with the printed formula and what it states.

A claim *states* relations in the grammar of Hamiltonians, in the symbols of the engine. Besides the
functions of that language a relation may use

    bracket(f, g)        the Poisson bracket            partial(f, z)   a partial derivative
    rate(f)              d/dt along −h ż = k{z, H}      z(t)            a coordinate after one step
    new(z)               z after the optimizer's update beta(s)         the thermal law
    d(f), wedge(f, g)    differentials, evaluated on two arbitrary tangent vectors
    area(f, g)           the canonical bracket on (w, X) alone
    theta, Omega         the one-form and the symplectic form of the phase space
    at(f, x, a, ...)     f at x = a                     limit(f, x, a)  its limit
    integral(f, s, a, b) a definite integral            taylor(f, x, n) a Taylor polynomial

and `X_i` is the i-th entry of a vector X for an arbitrary i, `delta_ij` the Kronecker symbol. `H`
is the Hamiltonian of the setting, an arbitrary one if the setting has none. Everything the paper
defines on the way is a name with a text of its own (`where`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from symplectic_codegen.arrangements import Arrangement
from symplectic_codegen.verification.pictures import Picture

__all__ = ["ARBITRARY", "Case", "Claim", "Picture", "Setting", "Source", "Verdict"]


class Verdict(Enum):
    """What is known of a printed claim."""

    PROVED = "proved"
    NUMERICAL = "holds numerically"
    CORRECTED = "proved after correction"
    REFUTED = "refuted"
    ASSUMING = "true under added assumptions"
    NOT_CHECKABLE = "not checkable"


@dataclass(frozen=True)
class Setting:
    """Where a relation lives: a phase space, a Hamiltonian on it, and names.

    Args:
        hamiltonian: in the language of Hamiltonians; None stands for an arbitrary H.
        coupling: Y in the coordinates of the phase space; "X" makes Y itself the coordinate.
        catalog: a catalogue entry instead of a Hamiltonian.
        integrator: how a step is composed.
        reparam: user-facing names, as in ``lr = tau/h``.
        with_energy: whether the step updates U.
        dim: an explicit number of weights; coordinates are then w1, w2, ..., X1, X2, ...
        brackets: brackets of coordinates that a text prints, instead of those of the phase space;
            only with `dim`. An entry ("w", "X", a) stands for {w_i, X_j} = a delta_ij.
        arrangement: a system composed from parts instead of a phase space; its coordinates go by
            their names, and relations may use what `verification/arranged.py` lists.
        opaque: undefined functions, by name, with the names of their arguments; only with `dim`.
        where: definitions, by name: a text, or a SymPy expression.
        functions: further functions, by name; they take and return SymPy expressions.
    """

    hamiltonian: str | None = None
    coupling: str = "beta*X"
    catalog: str | None = None
    integrator: str = "lie-trotter"
    reparam: tuple[str, ...] = ()
    with_energy: bool = False
    dim: int | None = None
    brackets: tuple[tuple[str, str, str], ...] = ()
    arrangement: Arrangement | None = None
    opaque: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    where: Mapping[str, Any] = field(default_factory=dict)
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    def having(self, **changes: Any) -> Setting:
        """This setting with some things changed; `where` and `functions` are added to.

        >>> ARBITRARY.having(hamiltonian="L").hamiltonian
        'L'
        """
        for key in ("where", "functions"):
            if key in changes:
                changes[key] = {**getattr(self, key), **changes[key]}
        return replace(self, **changes)


ARBITRARY = Setting()


@dataclass(frozen=True)
class Case:
    """Relations with the reason why they are looked at: an assumption, a repair, a remark.

    Args:
        text: one sentence.
        states: the relations; empty stands for those of the claim itself.
        on: where they live; None stands for the setting of the claim.
        where: further definitions.
    """

    text: str
    states: tuple[str, ...] = ()
    on: Setting | None = None
    where: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """One printed claim.

    Args:
        label: section and ordinal, as in "evolution.3".
        printed: the formula as printed, in LaTeX; empty for a sentence.
        sentence: the sentence as printed, or the words around the formula.
        states: the printed relations in the engine's terms.
        defines: printed definitions: there is nothing to hold, but their units are checked.
        verdict: the recorded verdict; `verify` fails if another one is found.
        on: where the relations live.
        where: definitions of this claim alone.
        correct: the relations that are right in place of the printed ones.
        corrected: the corrected formula in LaTeX, if the relations do not print well.
        assuming: what has to be added for the printed relations to hold.
        repair: what makes a refuted claim, or what it aims at, true.
        steps: relations on the way, each checked; shown folded.
        reason: one line: what is wrong, or why it cannot be checked.
        remark: anything else that a reader should know.
        balanced: whether the units of the printed relations agree; None leaves them out.
        example: values, by name, at which a counterexample is looked for first.
        pictures: names of pictures of the source.
        survivors: why some changes of the relations are not noticed by the mutation test.
    """

    label: str
    printed: str = ""
    sentence: str = ""
    states: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    verdict: Verdict = Verdict.PROVED
    on: Setting = ARBITRARY
    where: Mapping[str, Any] = field(default_factory=dict)
    correct: tuple[str, ...] = ()
    corrected: str = ""
    assuming: Case | None = None
    repair: Case | None = None
    steps: tuple[Case, ...] = ()
    reason: str = ""
    remark: str = ""
    balanced: bool | None = True
    example: Mapping[str, str] = field(default_factory=dict)
    pictures: tuple[str, ...] = ()
    survivors: str = ""


@dataclass(frozen=True)
class Source:
    """A paper and its claims, in the order of its text.

    Args:
        name: as on the command line.
        title: of the paper.
        reference: authors, year, where to find it.
        notes: how the formulas were transcribed, and how its letters map to the engine's.
        claims: in the order of the text.
        dimensions: the unit of each name, as in ``information/energy``; empty if the paper has
            none, and then no dimensional analysis is made.
        pictures: what the report shows.
        quoted: whether sentences are quotations; else they only say what a formula is about.
        errata: whether an errata list is made from this source.
    """

    name: str
    title: str
    reference: str
    claims: tuple[Claim, ...]
    notes: str = ""
    dimensions: Mapping[str, str] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()
    quoted: bool = False
    errata: bool = False

    def claim(self, label: str) -> Claim | None:
        """The claim with this label, if there is one."""
        return next((claim for claim in self.claims if claim.label == label), None)
