"""Is there a Hamiltonian for it? The verdict on a proposed velocity field or update rule.

A velocity v(X) is that of a kinetic energy T, v = grad T, exactly if it has no curl. An update rule
is a step of a Hamiltonian if it can be brought to the normal form of `normal_form`. Either way a
Hamiltonian is given in the language of the engine, and what the engine derives from it is compared
with what was proposed; or every obstruction is named, with the formula that shows it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import sympy as sp

from symplectic_codegen.algebra.display import Formula, Printable
from symplectic_codegen.algebra.memory import memories
from symplectic_codegen.algebra.notation import to_ascii, to_latex, to_unicode
from symplectic_codegen.algebra.proof import Claim, zero_claim
from symplectic_codegen.algebra.symbols import Component, G, L, U, X, beta, c, h, k, w
from symplectic_codegen.analysis.normal_form import (
    Kind,
    NormalForm,
    Obstruction,
    decompose,
    proposed_name,
)
from symplectic_codegen.analysis.potential import Curl, curl, potential
from symplectic_codegen.analysis.repair import repair
from symplectic_codegen.analysis.representation import Named, Representation, represent
from symplectic_codegen.driver import derive
from symplectic_codegen.errors import Span
from symplectic_codegen.geometry.phase_space import PhaseSpace
from symplectic_codegen.language.parser import syntax_error
from symplectic_codegen.language.proposals import ProposedRule, VelocityField, is_rule
from symplectic_codegen.language.syntax import RefusedError
from symplectic_codegen.mechanics.equations import equations_of_motion
from symplectic_codegen.report import (
    Section,
    claim_json,
    claim_sentence,
    sections_as_latex,
    sections_as_text,
)


class Outcome(Enum):
    """What is known of a proposal."""

    HAMILTONIAN = "Hamiltonian"
    EXTENDED = "Hamiltonian at given fields"
    UNDECIDED = "undecided"
    NONE = "not Hamiltonian"


@dataclass(frozen=True)
class Suggestion(Printable):
    """What would be Hamiltonian in its place.

    Args:
        velocity: integrable, in X.
        kinetic: its kinetic energy.
        replaced: pairs of a sum and the one that takes its place.
        representation: the Hamiltonian of the repaired rule; None for a velocity field, or where
            `reason` says why there is none.
    """

    velocity: sp.Expr
    kinetic: sp.Expr | None
    replaced: tuple[tuple[sp.Expr, sp.Expr], ...]
    hamiltonian: str
    representation: Representation | None = None
    reason: str = ""

    def formulas(self) -> tuple[Formula, ...]:
        """What is replaced, the new velocity, its kinetic energy."""
        rows = [
            Formula.equation(to_unicode(old), to_latex(old), new, "→", r"\to")
            for old, new in self.replaced
        ]
        rows.append(Formula.equation("v", "v", self.velocity))
        if self.kinetic is not None:
            rows.append(Formula.equation("T", "T", self.kinetic))
        return tuple(rows)


@dataclass(frozen=True)
class Judgement(Printable):
    """The verdict on a proposal.

    Args:
        text: what was proposed.
        outcome: in one phrase.
        velocity: v(X), with w moving by -v; None if the rule has none.
        curl: of the velocity.
        kinetic: T with grad T = v, in units of the step.
        hamiltonian: in the language of the engine; empty if there is none.
        representation: for an update rule, how its parameters follow from those of H.
        obstructions: why there is none.
        suggestion: an integrable velocity, where one is near.
        claims: what is proved.
    """

    text: str
    outcome: Outcome
    velocity: sp.Expr | None
    curl: Curl | None
    kinetic: sp.Expr | None
    hamiltonian: str
    representation: Representation | None
    obstructions: tuple[Obstruction, ...]
    suggestion: Suggestion | None
    claims: tuple[Claim, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_representable(self) -> bool:
        """Whether a Hamiltonian for it is known."""
        return self.outcome in (Outcome.HAMILTONIAN, Outcome.EXTENDED)

    def formulas(self) -> tuple[Formula, ...]:
        """Velocity, curl and kinetic energy."""
        rows = []
        if self.velocity is not None:
            rows.append(Formula.equation("v", "v", self.velocity))
        if self.curl is not None and self.curl.is_zero:
            rows.append(self.curl.formula())
        if self.kinetic is not None:
            rows.append(Formula.equation("T", "T", self.kinetic))
        return tuple(rows)

    def __str__(self) -> str:
        return self.as_text()

    def as_text(self) -> str:
        """For a terminal."""
        return "\n\n".join(sections_as_text(self._sections()))

    def latex(self) -> str:
        """The body of a LaTeX document (needs amsmath)."""
        return "\n\n".join(sections_as_latex(self._sections()))

    def _repr_latex_(self) -> str:
        return self.latex()

    def as_json(self) -> dict[str, Any]:
        """In plain JSON types."""
        found = self.representation
        return {
            "proposal": self.text,
            "outcome": self.outcome.value,
            "representable": self.is_representable,
            "velocity": _text(self.velocity),
            "curl": None if self.curl is None else self.curl.formula().text,
            "kinetic": _text(self.kinetic),
            "hamiltonian": self.hamiltonian or None,
            "integrator": None if found is None else found.integrator,
            "parameters": [] if found is None else [_named_json(n) for n in found.parameters],
            "scale_of_momenta": None if found is None else str(found.scale),
            "spec": None if found is None or not found.toml else found.toml,
            "obstructions": [
                {
                    "kind": o.kind.value,
                    "statement": o.statement,
                    "evidence": o.evidence,
                    "beyond": o.beyond,
                }
                for o in self.obstructions
            ],
            "suggestion": None if self.suggestion is None else _suggestion_json(self.suggestion),
            "claims": [claim_json(claim) for claim in self.claims],
            "notes": list(self.notes),
        }

    def _sections(self) -> list[Section]:
        title = f"{self.outcome.value[0].upper()}{self.outcome.value[1:]}"
        if self.obstructions:
            kinds = dict.fromkeys(o.kind.value for o in self.obstructions)
            title = f"{title}: {', '.join(kinds)}"
        sections = [Section(title, self.formulas(), tuple(f"· {note}" for note in self.notes))]
        if self.obstructions:
            lines = []
            for o in self.obstructions:
                lines.append(f"✗ {o.kind.value}: {o.statement}")
                lines += [f"    {o.evidence}"] if o.evidence else []
                lines += [f"    beyond Hamiltonians: {o.beyond}"] if o.beyond else []
            sections.append(Section("Obstructions", sentences=tuple(lines)))
        if self.hamiltonian:
            title = _FOUND if self.is_representable else _TRIED
            sections.append(_hamiltonian_section(title, self.hamiltonian, self.representation))
        if self.claims:
            sentences = tuple(claim_sentence(claim) for claim in self.claims)
            sections.append(Section("What is known", sentences=sentences))
        if self.suggestion is not None:
            sections += _suggestion_sections(self.suggestion)
        return sections


def verdict(proposal: str, *, given: Collection[str] = ()) -> Judgement:
    """Decide whether a Hamiltonian generates a velocity field or an update rule.

    Args:
        proposal: a vector expression v(X), so that w moves by -v; or assignments, one after the
            other, of which the last ones move w. See `ProposedRule` for the names in a rule.
        given: names of further vectors, such as a metric; they neither move nor depend on w and X.

    Raises:
        HamiltonianSyntaxError: with the place, for what is neither.

    >>> verdict("X/(1 + b*dot(X, X))").kinetic
    log(b*Total(X**2) + 1)/(2*b)
    >>> verdict("g*X/(1 + b*dot(X, X))", given=["g"]).outcome
    <Outcome.NONE: 'not Hamiltonian'>
    """
    if not proposal.strip():
        refusal = RefusedError("nothing is proposed", Span(0, 0), "for example: X/norm(X)")
        raise syntax_error(refusal, proposal.strip())
    if is_rule(proposal):
        return _judge_rule(ProposedRule.parse(proposal, given))
    return _judge_velocity(VelocityField.parse(proposal, given))


def _judge_velocity(field: VelocityField) -> Judgement:
    velocity = field.expr
    found = curl(velocity)
    if not found.is_zero:
        return Judgement(
            field.text,
            Outcome.NONE,
            velocity,
            found,
            None,
            "",
            None,
            (_curl_obstruction(found),),
            _suggest_velocity(velocity),
            (found.claim,),
        )
    kinetic = potential(velocity)
    notes = _velocity_notes(velocity)
    outcome = Outcome.EXTENDED if memories(velocity) or field.given else Outcome.HAMILTONIAN
    if kinetic is None:
        notes = (*notes, "the kinetic energy is the integral of Σᵢ Xᵢ·vᵢ(sX) over s from 0 to 1; "
                 "no closed form was found")  # fmt: skip
        return Judgement(
            field.text, outcome, velocity, found, None, "", None, (), None, (found.claim,), notes
        )
    text, claims = _hamiltonian_of(velocity, kinetic, field.given)
    return Judgement(
        field.text, outcome, velocity, found, kinetic, text, None, (), None,
        (found.claim, *claims), notes,
    )  # fmt: skip


def _hamiltonian_of(
    velocity: sp.Expr, kinetic: sp.Expr, given: tuple[Component, ...]
) -> tuple[str, tuple[Claim, ...]]:
    """A Hamiltonian with this velocity, and the proof from its equations of motion."""
    taken = {s.name for s in velocity.free_symbols}
    names = (name for name in ("gamma", "cooling", "cooling_rate") if name not in taken)
    gamma = sp.Symbol(next(names), positive=True)
    H = beta / k * kinetic + beta * c**2 / k * L + h * gamma / k * beta * U
    text = to_ascii(H)
    statement = "the equations of motion of this Hamiltonian have the proposed velocity, ẇ = −v/h"
    if given:
        moved = equations_of_motion(PhaseSpace(), H).w
        method = "derived with the given vectors as fixed functions, symbolic d"
    else:
        moved = derive(text).equations.w
        method = "derived from its text, symbolic d"
    claim = zero_claim(statement, [moved + velocity / h], method)
    return text, (claim,)


def _velocity_notes(velocity: sp.Expr) -> tuple[str, ...]:
    notes = []
    if velocity.has(w) or velocity.has(L):
        notes.append(
            "the kinetic energy depends on w: it also pushes the momenta, by −∂T/∂w, and its flow "
            "is no straight line"
        )
    if velocity.has(U):
        notes.append("the kinetic energy depends on U: it also moves the temperature, by ∂T/∂U")
    if memories(velocity):
        notes.append("memory fields are driven from outside: H takes them as given")
    return tuple(notes)


def _suggest_velocity(velocity: sp.Expr) -> Suggestion | None:
    found = repair(velocity)
    if found is None:
        return None
    kinetic = potential(found.velocity)
    if kinetic is None:
        return None
    given = tuple(
        s
        for s in sorted(velocity.free_symbols, key=lambda s: str(s.name))
        if isinstance(s, Component) and s not in (w, X, G) and s not in memories(velocity)
    )
    text, _ = _hamiltonian_of(found.velocity, kinetic, given)
    return Suggestion(found.velocity, kinetic, tuple(found.replaced.items()), text)


def _judge_rule(rule: ProposedRule) -> Judgement:
    parts = decompose(rule)
    shown = None if parts.velocity is None else proposed_name(parts.velocity)
    found = None if parts.velocity is None or parts.velocity.has(G) else curl(shown)
    names = _momentum_notes(parts.form)
    if parts.obstructions or parts.form is None:
        suggestion = None
        if parts.form is not None and all(o.kind is Kind.CURL for o in parts.obstructions):
            suggestion = _suggest_rule(parts.form)
        claims = () if found is None else (found.claim,)
        return Judgement(
            rule.text, _outcome(parts.obstructions), shown, found, None, "", None,
            parts.obstructions, suggestion, claims, names,
        )  # fmt: skip
    result = represent(parts.form)
    claims = () if found is None else (found.claim,)
    if isinstance(result, Obstruction):
        return Judgement(
            rule.text, _outcome((result,)), shown, found, None, "", None, (result,), None, claims,
            names,
        )  # fmt: skip
    outcome = Outcome.EXTENDED if parts.form.fields or rule.given else Outcome.HAMILTONIAN
    if not rule.given and not result.is_proved:
        return Judgement(
            rule.text, Outcome.UNDECIDED, shown, found, result.kinetic, result.hamiltonian, result,
            (_unproved(result),), None, (*claims, *result.claims), names,
        )  # fmt: skip
    return Judgement(
        rule.text, outcome, shown, found, result.kinetic, result.hamiltonian, result, (), None,
        (*claims, *result.claims), (*names, *result.notes),
    )  # fmt: skip


def _outcome(obstructions: tuple[Obstruction, ...]) -> Outcome:
    decided = any(o.is_decisive for o in obstructions)
    return Outcome.NONE if decided else Outcome.UNDECIDED


def _unproved(result: Representation) -> Obstruction:
    why = result.claims[0] if result.claims else "the engine derived no rule"
    return Obstruction(
        Kind.UNKNOWN, "the Hamiltonian that was found could not be proved to give the rule",
        str(why),
    )  # fmt: skip


def _momentum_notes(form: NormalForm | None) -> tuple[str, ...]:
    if form is None:
        return ()
    notes = []
    if form.momentum is None:
        notes.append("the gradient takes the place of the momenta X")
    elif form.momentum != X:
        notes.append(f"the momenta X are {form.momentum.name}, up to scale")
    if form.point is not None:
        notes.append(f"w stands for {to_unicode(form.point)}, where the gradient is read")
    return tuple(notes)


def _suggest_rule(form: NormalForm) -> Suggestion | None:
    found = repair(form.velocity)
    if found is None:
        return None
    result = represent(replace(form, velocity=found.velocity))
    pairs = tuple((proposed_name(a), proposed_name(b)) for a, b in found.replaced.items())
    shown = proposed_name(found.velocity)
    if isinstance(result, Obstruction):
        kinetic = potential(shown)
        return Suggestion(shown, kinetic, pairs, "", None, result.statement)
    return Suggestion(shown, result.kinetic, pairs, result.hamiltonian, result)


def _curl_obstruction(found: Curl) -> Obstruction:
    evidence = f"{found.formula()}; {found.at_point()}"
    statement = "no kinetic energy has this velocity as its gradient"
    return Obstruction(Kind.CURL, statement, evidence, found)


_FOUND, _TRIED = "A Hamiltonian that generates it", "The Hamiltonian that was tried"


def _hamiltonian_section(title: str, text: str, found: Representation | None) -> Section:
    lines = [f"H = {text}"]
    if found is not None:
        if found.integrator != "lie-trotter":
            lines.append(f"with the integrator {found.integrator}")
        for n in found.parameters:
            lines.append(f"{n.name} = {to_ascii(n.equals)}{_value(n)}")
        if found.scale != 1:
            lines.append(f"the momenta of the rule are {to_unicode(found.scale)} times X")
    return Section(title, sentences=tuple(lines))


def _value(n: Named) -> str:
    return "" if n.value == n.symbol else f", put to {to_unicode(n.value)}"


def _suggestion_sections(suggestion: Suggestion) -> list[Section]:
    lines = []
    if suggestion.reason:
        lines.append(f"· of the whole rule there is no Hamiltonian: {suggestion.reason}")
    sections = [Section("Repair: a velocity without curl", suggestion.formulas(), tuple(lines))]
    if suggestion.hamiltonian:
        title = "A Hamiltonian of the repair"
        text, found = suggestion.hamiltonian, suggestion.representation
        sections.append(_hamiltonian_section(title, text, found))
    if suggestion.representation is not None and suggestion.representation.claims:
        sentences = tuple(claim_sentence(c) for c in suggestion.representation.claims)
        sections.append(Section("What is known of the repair", sentences=sentences))
    return sections


def _text(expr: sp.Expr | None) -> str | None:
    return None if expr is None else to_ascii(expr)


def _named_json(n: Named) -> dict[str, str]:
    return {"name": n.name, "equals": to_ascii(n.equals), "value": to_ascii(n.value)}


def _suggestion_json(s: Suggestion) -> dict[str, Any]:
    return {
        "velocity": to_ascii(s.velocity),
        "kinetic": _text(s.kinetic),
        "replaced": [{"from": to_ascii(a), "to": to_ascii(b)} for a, b in s.replaced],
        "hamiltonian": s.hamiltonian or None,
        "reason": s.reason,
    }
