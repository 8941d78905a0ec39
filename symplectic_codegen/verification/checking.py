"""From a claim to a finding: evidence for every relation, and the verdict that follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import sympy as sp

from symplectic_codegen.algebra.proof import POINTS, vanishes
from symplectic_codegen.verification.claims import Case, Claim, Setting, Source, Verdict
from symplectic_codegen.verification.context import Context
from symplectic_codegen.verification.contexts import make_context
from symplectic_codegen.verification.dimensions import UnbalancedError, Units
from symplectic_codegen.verification.formulas import relation_latex
from symplectic_codegen.verification.points import (
    DIGITS,
    Counterexample,
    differ,
    generic_point,
    nice_points,
    trusted_text,
    value_at,
)
from symplectic_codegen.verification.relations import Relation, SourceError, parse_relations

Status = Literal["proved", "numerical", "refuted"]
TRUSTED_POINTS: Final = 2
_QUICK: Final = 3  # points that are looked at before a proof is searched


@dataclass(frozen=True)
class Evidence:
    """What is known of one relation."""

    text: str
    latex: str
    status: Status
    detail: str
    counterexample: Counterexample | None
    units: str  # why the units do not agree; empty if they do or if there are none
    values: tuple[tuple[str, str], ...]  # both sides at the reproducible points

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return self.status != "refuted"


@dataclass(frozen=True)
class CaseFinding:
    """A case with what was found."""

    text: str
    evidence: tuple[Evidence, ...]

    @property
    def holds(self) -> bool:
        """Whether every relation holds."""
        return all(e.holds for e in self.evidence)


@dataclass(frozen=True)
class Finding:
    """A claim with everything that was found.

    Args:
        problems: what makes `verify` fail; empty if all is as recorded.
    """

    source: str
    label: str
    recorded: Verdict
    verdict: Verdict
    printed: tuple[Evidence, ...]
    correct: tuple[Evidence, ...]
    assuming: CaseFinding | None
    repair: CaseFinding | None
    steps: tuple[CaseFinding, ...]
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything is as recorded."""
        return not self.problems

    @property
    def counterexample(self) -> Counterexample | None:
        """The first counterexample to the printed relations."""
        return next((e.counterexample for e in self.printed if e.counterexample), None)

    @property
    def values(self) -> dict[str, dict[str, list[list[str]]]]:
        """The values that are stored, by part of the claim and relation."""
        parts = {
            "printed": self.printed,
            "correct": self.correct,
            "assuming": self.assuming.evidence if self.assuming else (),
            "repair": self.repair.evidence if self.repair else (),
            "steps": tuple(e for step in self.steps for e in step.evidence),
        }
        return {
            part: {e.text: [list(pair) for pair in e.values] for e in evidence}
            for part, evidence in parts.items()
            if evidence
        }


def check_claim(source: Source, claim: Claim) -> Finding:
    """Check one claim; the stored values are compared elsewhere.

    Raises:
        SymplecticCodegenError: the claim is not well formed.
    """
    if claim.verdict is Verdict.NOT_CHECKABLE and not claim.reason:
        raise SourceError(f"{claim.label}: say why it is not checkable (reason=...)")
    examine = _Examiner(source, claim)
    printed = examine.relations(claim.states, claim.on, {})
    correct = examine.relations(claim.correct, claim.on, {})
    assuming = examine.case(claim.assuming)
    repair = examine.case(claim.repair)
    steps = tuple(examine.required(step) for step in claim.steps)
    verdict = _verdict(claim, printed, correct, assuming)
    problems = [
        *examine.definition_problems(),
        *_verdict_problems(claim, verdict),
        *_case_problems(repair, steps),
        *_unit_problems(
            claim,
            printed,
            # Steps of a claim with wrong units may well work with what is printed.
            [*correct, *_evidence(assuming, repair, *(steps if claim.balanced else ()))],
        ),
    ]
    return Finding(
        source.name,
        claim.label,
        claim.verdict,
        verdict,
        printed,
        correct,
        assuming,
        repair,
        steps,
        tuple(problems),
    )


class _Examiner:
    def __init__(self, source: Source, claim: Claim) -> None:
        self.source = source
        self.claim = claim

    def definition_problems(self) -> list[str]:
        """Printed definitions whose units do not agree."""
        if not self.source.dimensions:
            return []
        units = Units(self.source.dimensions, self.claim.where)
        relations = [r for text in self.claim.defines for r in parse_relations(text)]
        found = [(r, imbalance(r, units)) for r in relations]
        return [f"the units do not agree: {r.text}: {why}" for r, why in found if why]

    def required(self, case: Case) -> CaseFinding:
        found = self.case(case)
        assert found is not None
        return found

    def case(self, case: Case | None) -> CaseFinding | None:
        if case is None:
            return None
        states = case.states or self.claim.states
        return CaseFinding(case.text, self.relations(states, case.on or self.claim.on, case.where))

    def relations(
        self, texts: Sequence[str], setting: Setting, where: Mapping[str, Any]
    ) -> tuple[Evidence, ...]:
        if not texts:
            return ()
        definitions = {**self.claim.where, **where}
        context = make_context(setting, definitions)
        units = None
        if self.source.dimensions and self.claim.balanced is not None:
            units = Units(self.source.dimensions, {**definitions, **setting.where})
        return tuple(
            examine(relation, context, units, self.claim.example)
            for text in texts
            for relation in parse_relations(text)
        )


def examine(
    relation: Relation, context: Context, units: Units | None, example: Mapping[str, str]
) -> Evidence:
    """The evidence for one relation."""
    left, right = context.evaluate(relation.left), context.evaluate(relation.right)
    status, detail, counterexample = judge(left, relation.operator, right, example)
    unbalanced = imbalance(relation, units)
    values = tuple(
        (trusted_text(left, number), trusted_text(right, number))
        for number in range(TRUSTED_POINTS)
    )
    return Evidence(
        relation.text,
        relation_latex(relation),
        status,
        detail,
        counterexample,
        unbalanced,
        values,
    )


def imbalance(relation: Relation, units: Units | None) -> str:
    """Why the units of a relation do not agree; empty if they do."""
    if units is None:
        return ""
    try:
        units.check(relation)
    except UnbalancedError as error:
        return str(error)
    return ""


def judge(
    left: sp.Expr, operator: str, right: sp.Expr, example: Mapping[str, str]
) -> tuple[Status, str, Counterexample | None]:
    """Whether left operator right holds identically, how that is known, and a counterexample.

    Raises:
        SourceError: a side has no value, or both have none at the same point.
    """
    for side in (left, right):
        if side.has(sp.nan, sp.zoo):
            raise SourceError(f"a side has no value: {side}")
    if operator == "=":
        return _equality(left, right, example)
    if operator == "!=":
        status, _, counterexample = _equality(left, right, example)
        if status == "refuted":
            return "proved", f"they differ: {counterexample}", None
        equal = next((shown for _, _, shown in nice_points(left, right, example)), None)
        how = "identically" if status == "proved" else f"at {POINTS} points"
        return "refuted", f"both sides are equal, {how}", equal
    return _inequality(left, operator, right, example)


def is_refuted(left: sp.Expr, operator: str, right: sp.Expr) -> bool:
    """Whether a few points already speak against a relation; no proof is searched."""
    if operator in ("=", "!="):
        return (_differing_point(left, right, _QUICK) is not None) == (operator == "=")
    return _violation(left, operator, right, {}) is not None


def _equality(
    left: sp.Expr, right: sp.Expr, example: Mapping[str, str]
) -> tuple[Status, str, Counterexample | None]:
    if left == right:
        return "proved", "exact: both sides evaluate to the same expression", None
    if left in (sp.oo, -sp.oo) or right in (sp.oo, -sp.oo):
        return "refuted", "one side is infinite", Counterexample((), str(left), str(right))
    number = _differing_point(left, right, _QUICK)
    if number is None and vanishes(sp.powsimp(left - right), thorough=True):
        return "proved", "exact identity", None
    if number is None:
        number = _differing_point(left, right, POINTS)
    if number is None:
        return "numerical", f"{POINTS} points, {DIGITS - 2} digits", None
    nice = (shown for a, b, shown in nice_points(left, right, example) if differ(a, b))
    return "refuted", "", next(nice, None) or generic_point(left, right, number)


def _differing_point(left: sp.Expr, right: sp.Expr, count: int) -> int | None:
    return next((n for n, a, b in _values(left, right, count) if differ(a, b)), None)


def _values(left: sp.Expr, right: sp.Expr, count: int) -> list[tuple[int, sp.Expr, sp.Expr]]:
    """Both sides at the reproducible points where both are defined: at least one."""
    pairs = [(n, value_at(left, n), value_at(right, n)) for n in range(count)]
    defined = [(n, a, b) for n, a, b in pairs if a is not None and b is not None]
    if not defined:
        raise SourceError(f"no point was found at which both {left} and {right} are defined")
    return defined


def _inequality(
    left: sp.Expr, operator: str, right: sp.Expr, example: Mapping[str, str]
) -> tuple[Status, str, Counterexample | None]:
    smaller, larger = (left, right) if operator in ("<", "<=") else (right, left)
    gap = sp.factor(sp.simplify(larger - smaller))
    if gap.is_positive or (gap.is_nonnegative and operator in ("<=", ">=")):
        return "proved", f"the difference {gap} has one sign", None
    violation = _violation(left, operator, right, example)
    if violation is not None:
        return "refuted", "", violation
    return "numerical", f"{POINTS} points", None


def _violation(
    left: sp.Expr, operator: str, right: sp.Expr, example: Mapping[str, str]
) -> Counterexample | None:
    for a, b, shown in nice_points(left, right, example):
        if not _ordered(a, operator, b):
            return shown
    for number, a, b in _values(left, right, POINTS):
        if not _ordered(a, operator, b):
            return generic_point(left, right, number)
    return None


def _ordered(a: sp.Expr, operator: str, b: sp.Expr) -> bool:
    match operator:
        case "<":
            return bool(a < b)
        case "<=":
            return bool(a <= b) or not differ(a, b)
        case ">":
            return bool(a > b)
        case _:
            return bool(a >= b) or not differ(a, b)


def _verdict(
    claim: Claim,
    printed: Sequence[Evidence],
    correct: Sequence[Evidence],
    assuming: CaseFinding | None,
) -> Verdict:
    if not printed:
        return Verdict.NOT_CHECKABLE
    if all(e.holds for e in printed):
        proved = all(e.status == "proved" for e in printed)
        return Verdict.PROVED if proved else Verdict.NUMERICAL
    if correct and all(e.status == "proved" for e in correct):
        return Verdict.CORRECTED
    if assuming is not None and assuming.holds:
        return Verdict.ASSUMING
    return Verdict.REFUTED


def _evidence(*cases: CaseFinding | None) -> tuple[Evidence, ...]:
    return tuple(e for case in cases if case is not None for e in case.evidence)


def _verdict_problems(claim: Claim, verdict: Verdict) -> list[str]:
    if verdict is claim.verdict:
        return []
    return [f"the verdict is '{verdict.value}', recorded is '{claim.verdict.value}'"]


def _case_problems(repair: CaseFinding | None, steps: Sequence[CaseFinding]) -> list[str]:
    failed = [(case.text, e) for case in steps for e in case.evidence if not e.holds]
    problems = [f"a step does not hold: {e.text} ({text})" for text, e in failed]
    if repair is not None:
        problems += [
            f"the repair does not hold: {e.text} ({e.counterexample})"
            for e in repair.evidence
            if not e.holds
        ]
    return problems


def _unit_problems(
    claim: Claim, printed: Sequence[Evidence], right: Sequence[Evidence]
) -> list[str]:
    problems = [f"the units do not agree: {e.text}: {e.units}" for e in right if e.units]
    unbalanced = [e for e in printed if e.units]
    if claim.balanced:
        problems += [f"the units do not agree: {e.text}: {e.units}" for e in unbalanced]
    elif claim.balanced is False and not unbalanced:
        problems.append("the units agree, but are recorded as not agreeing")
    return problems
