"""What is known of a rule beyond its equations, quantity by quantity.

Each quantity is derived when it is asked for; one that does not exist for a rule says why, and the
others stand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, TypeVar

import sympy as sp

from symplectic_codegen.algebra.display import Printable
from symplectic_codegen.algebra.notation import to_unicode
from symplectic_codegen.algebra.symbols import UNITS, beta0, tau
from symplectic_codegen.analysis.domain import Domain, defaults_of, domain_of
from symplectic_codegen.analysis.fluctuation import Fluctuation, fluctuation
from symplectic_codegen.analysis.linear_flow import LinearFlow, linear_flow
from symplectic_codegen.analysis.linear_step import LinearStep, linearised_step, settled
from symplectic_codegen.analysis.lyapunov import FlowEnergy, StepEnergy, flow_energy, step_energy
from symplectic_codegen.analysis.modified import (
    MAX_ORDER,
    ModifiedHamiltonian,
    modified_hamiltonian,
)
from symplectic_codegen.analysis.optimum import Optimum, optimum
from symplectic_codegen.analysis.parameters import Reading, reading_of
from symplectic_codegen.analysis.stability import Rate, Stability, rate, stability
from symplectic_codegen.driver import Derivation, derive
from symplectic_codegen.errors import (
    AnalysisError,
    OutOfTimeError,
    SpecError,
    SymplecticCodegenError,
)
from symplectic_codegen.language.hamiltonian import Hamiltonian, parse_loss
from symplectic_codegen.language.spec import Spec
from symplectic_codegen.report import (
    Section,
    claim_json,
    claim_sentence,
    sections_as_latex,
    sections_as_text,
)

DEFAULT_ORDER: Final = 2
Result = TypeVar("Result")

# Name on the command line, and the heading of its section.
QUANTITIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "step": "One step on the quadratic λ/2·w², as a matrix on (X, w)",
        "stability": "Stability",
        "rate": "Contraction per step",
        "optimum": "Best hyperparameters for curvatures in [λ_min, λ_max]",
        "noise": "Stationary state under gradient noise of variance σ²",
        "flow": "Continuous motion on the quadratic",
        "flow-energy": "Energy along the continuous motion, any loss",
        "step-energy": "Lyapunov functions of the step on the quadratic",
        "modified": "Modified Hamiltonian",
    }
)


@dataclass(frozen=True)
class Finding:
    """One quantity, or why there is none."""

    name: str
    item: Printable | None
    refusal: str = ""

    @property
    def title(self) -> str:
        return QUANTITIES[self.name]


@dataclass(frozen=True)
class Analysis:
    """The quantities of one rule; each raises `AnalysisError` where it does not exist.

    >>> a = analyze("beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U")
    >>> a.flow.critical_friction
    2*c*sqrt(lambda_)/h

    Args:
        derivation: the derived rule.
        quantities: the names of those that are printed.
        order: the power of tau to which the modified Hamiltonian is asked for.
        loss: in place of the opaque loss, for the modified Hamiltonian.
    """

    derivation: Derivation
    quantities: tuple[str, ...]
    order: int = DEFAULT_ORDER
    loss: sp.Expr | None = None

    @property
    def domain(self) -> Domain:
        """The bounds of the hyperparameters."""
        return domain_of(self.derivation)

    @cached_property
    def first_step(self) -> LinearStep:
        """The matrix, with the number of the step in it where it has one."""
        return self._read(lambda reading: linearised_step(self.derivation, reading))

    @cached_property
    def step(self) -> LinearStep:
        """The matrix of a step, of late steps where they differ."""
        if isinstance(self._settled, AnalysisError):
            raise self._settled
        return self._settled

    @cached_property
    def _settled(self) -> LinearStep | AnalysisError:
        """The matrix or why there is none, which takes as long and is asked for as often."""
        try:
            return self._read(
                lambda reading: settled(linearised_step(self.derivation, reading), self.derivation)
            )
        except AnalysisError as error:
            return error

    @cached_property
    def stability(self) -> Stability:
        """The exact stability region."""
        return stability(self.step, self.domain, defaults_of(self.derivation))

    @cached_property
    def rate(self) -> Rate:
        """The spectral radius."""
        return rate(self.step, self.domain)

    @cached_property
    def optimum(self) -> Optimum:
        """The best hyperparameters for a range of curvatures."""
        return optimum(self.step, self.domain, *self.choices)

    @cached_property
    def noise(self) -> Fluctuation:
        """The stationary covariance under gradient noise."""
        return fluctuation(self.step)

    @cached_property
    def flow(self) -> LinearFlow:
        """The continuous motion on the quadratic."""
        return self._read(lambda reading: linear_flow(self.derivation, reading))

    @cached_property
    def flow_energy(self) -> FlowEnergy:
        """The energy per thermal mass along the continuous motion."""
        return flow_energy(self.derivation)

    @cached_property
    def step_energy(self) -> StepEnergy:
        """Lyapunov functions of the step."""
        return step_energy(self.step)

    @cached_property
    def modified(self) -> ModifiedHamiltonian:
        """The modified Hamiltonian."""
        return modified_hamiltonian(self.derivation, self.order, self.loss)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """The quantities that are printed, in order."""
        return tuple(self._finding(name) for name in self.quantities)

    def as_text(self) -> str:
        """For a terminal."""
        return "\n\n".join(sections_as_text(self._sections()))

    def as_latex(self) -> str:
        """The body of a LaTeX document (needs amsmath)."""
        return "\n\n".join(sections_as_latex(self._sections()))

    def as_json(self) -> dict[str, Any]:
        """In plain JSON types; expressions as text and as LaTeX."""
        spec = self.derivation.spec
        return {
            "name": spec.name,
            "hamiltonian": spec.hamiltonian.text,
            "integrator": spec.integrator,
            "notes": list(self._limit_notes()),
            "quantities": {f.name: _finding_json(f) for f in self.findings},
        }

    def __str__(self) -> str:
        return self.as_text()

    def _repr_latex_(self) -> str:
        return self.as_latex()

    @property
    def choices(self) -> tuple[list[sp.Symbol], list[sp.Symbol]]:
        """The hyperparameters: those that make up the step size, and the others."""
        spec, parameters = self.derivation.spec, self.derivation.parameters
        names = [sp.Symbol(r.name, positive=True) for r in spec.reparametrization]
        names += [p.symbol for p in spec.hyperparameters if p.symbol not in parameters.physical]
        fixed = {*UNITS, beta0, *self.derivation.limits}
        free = [s for s in names if s not in fixed]
        step, name = parameters.apply(tau).free_symbols, reading_of(self.derivation).name
        return [name(s) for s in free if s in step], [name(s) for s in free if s not in step]

    def _read(self, derive: Callable[[Reading], Result]) -> Result:
        """`derive` for symbolic hyperparameters, or else with exponents at their defaults."""
        try:
            return derive(reading_of(self.derivation))
        except AnalysisError:
            reading = reading_of(self.derivation, shapes=True)
            if not reading.values:
                raise
            return derive(reading)

    def _finding(self, name: str) -> Finding:
        try:
            return Finding(name, getattr(self, name.replace("-", "_")))
        except OutOfTimeError:
            raise
        except SymplecticCodegenError as error:
            return Finding(name, None, str(error))

    def _limit_notes(self) -> tuple[str, ...]:
        """What belongs to the motion before a limit that the spec takes."""
        singular = [s for s, value in self.derivation.limits.items() if value == 0]
        bound = ", ".join(f"{to_unicode(s)} → 0" for s in singular)
        return (f"before the limit {bound}",) if bound else ()

    def _sections(self) -> list[Section]:
        sections = [self._section(f.name, f.item) for f in self.findings if f.item is not None]
        # One reason often stands in the way of several quantities: it is said once.
        refusals: dict[str, list[str]] = {}
        for finding in self.findings:
            if finding.item is None:
                refusals.setdefault(finding.refusal, []).append(finding.name)
        sections += [
            Section(f"None: {', '.join(names)}", sentences=(reason,))
            for reason, names in refusals.items()
        ]
        return sections

    def _section(self, name: str, item: Printable) -> Section:
        notes = list(getattr(item, "notes", ()))
        if name in ("flow", "flow-energy", "modified"):
            notes += self._limit_notes()
        elif name != "step" and "step" not in self.quantities:
            notes += self.step.notes
        if isinstance(item, Stability) and item.is_marginal and not self.first_step.is_constant:
            notes.append(
                "friction fades: what converges more slowly than any exponential is not decided "
                "by this limit"
            )
        sentences = [f"· {note}" for note in notes]
        sentences += [claim_sentence(claim) for claim in _claims(item)]
        return Section(QUANTITIES[name], item.formulas(), tuple(sentences))


def analyze(
    source: str | Hamiltonian | Spec | Derivation,
    *,
    quantities: Sequence[str] = (),
    order: int = DEFAULT_ORDER,
    loss: str | None = None,
    integrator: str | None = None,
) -> Analysis:
    """Analyze the rule of a Hamiltonian on a quadratic loss, and its energies for any loss.

    Args:
        source: the text of a Hamiltonian, a parsed one, a spec, or a derivation.
        quantities: names out of `QUANTITIES`; all of them if none is given.
        order: the power of tau to which the modified Hamiltonian is carried.
        loss: an expression in w, for the modified Hamiltonian beyond the Hessian of the loss.
        integrator: how the step is composed.

    Raises:
        SymplecticCodegenError: bad input; a quantity that does not exist says so in its place.

    >>> print(analyze("beta*(dot(X, X)/2 + L)", quantities=["stability"]))
    Stability
      bounded, without contraction, if and only if k²·λ·τ² < 4·h²
    """
    for name in quantities:
        if name not in QUANTITIES:
            close = get_close_matches(name, QUANTITIES, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(QUANTITIES)}"
            raise SpecError(f"there is no quantity {name!r}; {hint}")
    if not 0 <= order <= MAX_ORDER:
        raise SpecError(f"the order of a modified Hamiltonian lies between 0 and {MAX_ORDER}")
    if isinstance(source, Derivation):
        if integrator is not None:
            raise SpecError("a derivation has its integrator already: give the spec instead")
        derivation = source
    else:
        derivation = derive(source, integrator=integrator)
    chosen = tuple(dict.fromkeys(quantities)) or tuple(QUANTITIES)
    return Analysis(derivation, chosen, order, None if loss is None else parse_loss(loss))


def _claims(item: Printable) -> tuple[Any, ...]:
    single = getattr(item, "claim", None)
    return getattr(item, "claims", ()) if single is None else (single,)


def _finding_json(finding: Finding) -> dict[str, Any]:
    if finding.item is None:
        return {"title": finding.title, "refused": finding.refusal}
    item = finding.item
    return {
        "title": finding.title,
        "formulas": [{"text": f.text, "latex": f.latex} for f in item.formulas()],
        "values": {
            field.name: _plain(getattr(item, field.name))
            for field in fields(item)  # type: ignore[arg-type]
            if field.name not in ("claim", "claims", "notes")
        },
        "notes": list(getattr(item, "notes", ())),
        "claims": [claim_json(claim) for claim in _claims(item)],
    }


def _plain(value: Any) -> Any:
    """A result in plain JSON types: expressions as text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, sp.MatrixBase):
        return [[str(entry) for entry in row] for row in value.tolist()]
    if isinstance(value, Mapping):
        return {_key(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return str(value)


def _key(key: Any) -> str:
    return " ".join(key) if isinstance(key, tuple) else str(key)


__all__ = ["QUANTITIES", "Analysis", "AnalysisError", "Finding", "analyze"]
