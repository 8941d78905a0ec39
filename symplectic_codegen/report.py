"""A derivation as a person reads it (text, LaTeX) and as a program reads it (JSON)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from symplectic_codegen.algebra.display import Formula, aligned
from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.memory import Field, ScalarMemory, memories
from symplectic_codegen.algebra.notation import to_latex, to_unicode
from symplectic_codegen.algebra.proof import Claim, Verdict, vanishes
from symplectic_codegen.algebra.symbols import U, X, beta, h, k, t, w
from symplectic_codegen.driver import Derivation
from symplectic_codegen.errors import OutOfTimeError, SymplecticCodegenError
from symplectic_codegen.geometry.explicit import (
    SymplecticStructure,
    exterior_derivative,
    symplectic_structure,
    thermodynamic_chart,
)
from symplectic_codegen.symmetry.noether import Noether

_MARKS = {
    Verdict.PROVED: "✓",
    Verdict.NUMERICAL: "≈",
    Verdict.ASSUMED: "·",
    Verdict.REFUTED: "✗",
}
# What a spec may give beside H, as the left-hand side of a formula in text and LaTeX.
_BESIDE = {
    "friction": ("Rayleigh friction: −Ẋ", r"\text{Rayleigh friction: } -\dot X"),
    "noise": ("noise on X: dX/dW", r"\text{noise on } X\text{: } dX/dW"),
    "energy": ("projection of X to H", r"\text{projection of } X \text{ to } H"),
    "time_step": ("length of a step", r"\text{length of a step}"),
}
_SHOWN_COMPONENTS = 3  # an explicit dimension beyond this is checked but not printed


@dataclass(frozen=True)
class Section:
    """A heading, formulas, and sentences."""

    title: str
    formulas: tuple[Formula, ...] = ()
    sentences: tuple[str, ...] = ()


def as_text(derivation: Derivation, dim: int | None = None, symmetry: Noether | None = None) -> str:
    """The derivation for a terminal."""
    blocks = [f"H = {to_unicode(derivation.hamiltonian)}"]
    return "\n\n".join(blocks + sections_as_text(_sections(derivation, dim, symmetry)))


def sections_as_text(sections: Iterable[Section]) -> list[str]:
    """One block of lines per section."""
    blocks = []
    for section in sections:
        lines = [section.title]
        lines += [f"  {formula.text}" for formula in section.formulas]
        lines += [f"  {sentence}" for sentence in section.sentences]
        blocks.append("\n".join(lines))
    return blocks


def as_latex(
    derivation: Derivation, dim: int | None = None, symmetry: Noether | None = None
) -> str:
    """The derivation as the body of a LaTeX document (needs amsmath)."""
    blocks = [rf"\[ H = {to_latex(derivation.hamiltonian)} \]"]
    return "\n\n".join(blocks + sections_as_latex(_sections(derivation, dim, symmetry)))


def sections_as_latex(sections: Iterable[Section]) -> list[str]:
    """One block of LaTeX per section."""
    blocks = []
    for section in sections:
        block = [rf"\paragraph{{{_escaped(section.title)}}}"]
        if section.formulas:
            rows = [aligned(formula) for formula in section.formulas]
            block += [
                r"\begin{align*}",
                " \\\\\n".join(f"  {row}" for row in rows),
                r"\end{align*}",
            ]
        if section.sentences:
            items = [rf"  \item {_escaped(sentence)}" for sentence in section.sentences]
            block += [r"\begin{itemize}", *items, r"\end{itemize}"]
        blocks.append("\n".join(block))
    return blocks


def as_json(
    derivation: Derivation, dim: int | None = None, symmetry: Noether | None = None
) -> dict[str, Any]:
    """The derivation in plain JSON types; expressions as text and as LaTeX."""
    spec, temperature = derivation.spec, derivation.temperature
    profile = temperature.profile()
    data: dict[str, Any] = {
        "name": spec.name,
        "hamiltonian": spec.hamiltonian.text,
        "integrator": spec.integrator,
        "phase_space": {
            "coupling": str(derivation.space.coupling),
            "determinant": str(derivation.space.determinant),
            "domain": list(derivation.space.domain),
            "formulas": _formulas(derivation.form.formulas()),
        },
        "brackets": _formulas(derivation.brackets.formulas()),
        "equations": {
            z.name: {"expression": str(value), "latex": to_latex(value)}
            for z, value in derivation.equations.velocity.items()
        },
        "temperature": {
            "kind": temperature.kind,
            "rate": str(temperature.rate),
            "profile": None if profile is None else str(profile),
            "reason": temperature.reason,
        },
        "separation": {
            "potential": str(derivation.separation.potential),
            "thermal": str(derivation.separation.thermal),
            "kinetic": str(derivation.separation.kinetic),
            "thermostat": str(derivation.separation.thermostat),
            "dilation": str(derivation.separation.dilation),
            "obstructions": [
                {"term": str(o.term), "reason": o.reason}
                for o in derivation.separation.obstructions
            ],
        },
    }
    data["beside"] = _formulas(_beside(derivation))
    refusal = _refusal(derivation)
    data["update"] = None if refusal else _update_json(derivation)
    data["refused"] = refusal
    data["claims"] = [claim_json(claim) for claim in _claims(derivation, refusal)]
    if dim is not None:
        data["explicit"] = [claim_json(claim) for claim in explicit_claims(derivation, dim)]
    if symmetry is not None:
        data["symmetry"] = _symmetry_json(symmetry)
    return data


def _symmetry_json(symmetry: Noether) -> dict[str, Any]:
    return {
        "name": symmetry.generator.name,
        "charge": str(symmetry.law.charge),
        "rate": str(symmetry.law.rate),
        "conserved": symmetry.law.is_conserved,
        "broken_by": [b.part for b in symmetry.law.breakings],
        "verdict": symmetry.law.verdict,
        "rule_verdict": None if symmetry.recursion is None else symmetry.recursion.verdict,
        "parts": [
            {
                "title": part.title,
                "formulas": _formulas(part.formulas),
                "sentences": list(part.sentences),
                "claims": [claim_json(claim) for claim in part.claims],
            }
            for part in symmetry.parts()
        ],
    }


def _update_json(derivation: Derivation) -> dict[str, Any]:
    update = derivation.update
    return {
        "clock": update.clock.value,
        "coefficients": [
            {"name": c.symbol.name, "expression": str(c.expr), "meaning": c.meaning}
            for c in update.coefficients
        ],
        "assignments": [
            {"target": a.target.name, "expression": str(a.expr)} for a in update.assignments
        ],
        "formulas": _formulas(update.formulas()),
        "parameters": [
            {
                "name": p.name,
                "default": None if p.default is None else str(p.default),
                "bounds": str(p.interval),
                "meaning": p.meaning,
            }
            for p in derivation.rule.parameters
        ],
    }


def claim_json(claim: Claim) -> dict[str, str]:
    """A claim in plain JSON types."""
    return {
        "statement": claim.statement,
        "verdict": claim.verdict.value,
        "method": claim.method,
        "detail": claim.detail,
    }


def _formulas(formulas: Iterable[Formula]) -> list[dict[str, str]]:
    return [{"text": f.text, "latex": f.latex} for f in formulas]


def _sections(
    derivation: Derivation, dim: int | None, symmetry: Noether | None
) -> Iterator[Section]:
    yield Section("Phase space (U, w; β, X)", derivation.form.formulas())
    yield Section("Poisson brackets", derivation.brackets.formulas())
    yield Section("Equations of motion, −h ż = k{z, H}", derivation.equations.formulas())
    yield Section("Temperature", derivation.temperature.formulas())
    yield Section("Splitting", _splitting(derivation))
    beside = _beside(derivation)
    if beside:
        yield Section("Beside the Hamiltonian", beside)
    refusal = _refusal(derivation)
    if refusal:
        yield Section("No update rule", sentences=(refusal,))
    else:
        integrator = derivation.spec.integrator
        yield Section(f"Update rule ({integrator})", derivation.physical_update.formulas())
        if derivation.spec.reparametrization:
            yield Section(
                "In user-facing parameters",
                (*_definitions(derivation), *derivation.update.formulas()),
            )
    claims = _claims(derivation, refusal)
    yield Section("What is known", sentences=tuple(claim_sentence(claim) for claim in claims))
    if dim is not None:
        yield Section(f"Explicit dimension d = {dim}", sentences=tuple(_explicit(derivation, dim)))
    for part in () if symmetry is None else symmetry.parts():
        proofs = (claim_sentence(claim) for claim in part.claims)
        yield Section(part.title, part.formulas, (*part.sentences, *proofs))


def _splitting(derivation: Derivation) -> tuple[Formula, ...]:
    parts = derivation.separation
    formulas = [
        Formula.equation(name, rf"\text{{{name}}}", value)
        for name, value in parts.parts(derivation.space.coupling).items()
    ]
    formulas += [
        Formula(
            f"no exact flow: {to_unicode(o.term)}: {o.reason}",
            rf"\text{{no exact flow: }} {to_latex(o.term)}",
        )
        for o in parts.obstructions
    ]
    return tuple(formulas)


def _beside(derivation: Derivation) -> tuple[Formula, ...]:
    """What moves the state or the clock and is no part of H."""
    named = {key: derivation.expression(key) for key in _BESIDE}
    rows = [(*_BESIDE[key], value) for key, value in named.items() if value is not None]
    fields = memories(derivation.separation.kinetic)
    return (*(Formula.equation(*row) for row in rows), *map(_memory, fields))


def _memory(field: Field) -> Formula:
    """What a memory field is a memory of."""
    text, latex = f"memory {to_unicode(field)}", rf"\text{{memory }} {to_latex(field)}"
    if isinstance(field, ScalarMemory):
        return Formula.equation(text, latex, field.value(t))
    source, rate = field.source, field.rate
    if field.normalized:
        return Formula(
            f"{text}: mean of {to_unicode(source)}, each moment weighted by exp(−{to_unicode(rate)}"
            "·age)",
            rf"{latex} \text{{: mean of }} {to_latex(source)} \text{{, each moment weighted by }} "
            rf"e^{{-{to_latex(rate)}\cdot\text{{age}}}}",
        )
    return Formula(
        f"{text}: from 0 to {to_unicode(source)} at the rate {to_unicode(rate)}",
        rf"{latex} \text{{: from 0 to }} {to_latex(source)} "
        rf"\text{{ at the rate }} {to_latex(rate)}",
    )


def _definitions(derivation: Derivation) -> tuple[Formula, ...]:
    return tuple(
        Formula.equation(to_unicode(sp.Symbol(r.name)), to_latex(sp.Symbol(r.name)), r.expr)
        for r in derivation.spec.reparametrization
    )


def _refusal(derivation: Derivation) -> str:
    try:
        _ = derivation.update
    except OutOfTimeError:
        raise
    except SymplecticCodegenError as error:
        return str(error)
    return ""


def _claims(derivation: Derivation, refusal: str) -> tuple[Claim, ...]:
    if not refusal:
        return derivation.claims
    return (*derivation.space.claims(), *derivation.structure, derivation.temperature.claim)


def claim_sentence(claim: Claim) -> str:
    """A claim as one line, with a mark for its verdict."""
    detail = f"; {claim.detail}" if claim.detail else ""
    return (
        f"{_MARKS[claim.verdict]} {claim.verdict.value}: {claim.statement} [{claim.method}{detail}]"
    )


def _escaped(text: str) -> str:
    for plain, latex in (("−", "-"), ("&", r"\&"), ("%", r"\%"), ("_", r"\_"), ("#", r"\#")):
        text = text.replace(plain, latex)
    return text.replace("{", r"\{").replace("}", r"\}").replace("^", r"\^{}")


def explicit_structure(derivation: Derivation, dim: int) -> SymplecticStructure:
    """The phase space written out for d = `dim`, derived independently of the symbolic one."""
    _, theta = thermodynamic_chart(dim, derivation.space.coupling)
    return symplectic_structure(exterior_derivative(theta))


def explicit_claims(derivation: Derivation, dim: int) -> tuple[Claim, ...]:
    """What the explicit dimension says: closed, invertible, Jacobi, and equal to symbolic d."""
    structure = explicit_structure(derivation, dim)
    method = f"every component, d = {dim}"
    jacobi = structure.tensor.jacobi_defect()
    claims = [
        Claim("dΩ = 0 and ΩΠ = 1", Verdict.PROVED, method),
        Claim("Jacobi identity", Verdict.REFUTED if jacobi else Verdict.PROVED, method),
    ]
    equal = all(vanishes(a - b) for _, a, b in _both_motions(derivation, dim, structure))
    claims.append(
        Claim(
            "the equations of motion for symbolic d agree with those written out",
            Verdict.PROVED if equal else Verdict.REFUTED,
            method,
        )
    )
    return tuple(claims)


def _both_motions(
    derivation: Derivation, dim: int, structure: SymplecticStructure
) -> Iterator[tuple[sp.Symbol, sp.Expr, sp.Expr]]:
    """(coordinate, velocity from symbolic d, velocity written out)."""
    coordinates = Coordinates(dim)
    H = instantiate(derivation.hamiltonian, coordinates)
    field = structure.tensor.hamiltonian_vector_field(H)
    velocity = derivation.equations.velocity
    for z in (U, beta):
        yield z, instantiate(velocity[z], coordinates), -k / h * field[z]
    for vector, symbols in ((w, coordinates.w), (X, coordinates.X)):
        for index, symbol in enumerate(symbols):
            symbolic = instantiate(velocity[vector], coordinates, index)
            yield symbol, symbolic, -k / h * field[symbol]


def _explicit(derivation: Derivation, dim: int) -> Sequence[str]:
    lines = [claim_sentence(claim) for claim in explicit_claims(derivation, dim)]
    if dim <= _SHOWN_COMPONENTS:
        structure = explicit_structure(derivation, dim)
        for symbol, _, written_out in _both_motions(derivation, dim, structure):
            lines.append(f"d{to_unicode(symbol)}/dt = {to_unicode(sp.factor_terms(written_out))}")
    return lines
