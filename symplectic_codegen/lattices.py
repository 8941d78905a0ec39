"""Particles on a chain or graph, from a spec to files: the same way as for optimizers.

TOML -> energies -> forces (arrangement) and flows (engine) -> sweeps -> rule -> source
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import sympy as sp

from symplectic_codegen.algebra.notation import sentence_in_ascii, to_ascii, to_unicode
from symplectic_codegen.algebra.proof import Claim, Verdict, zero_claim
from symplectic_codegen.arrangements.lattice import (
    FORCE,
    Forces,
    Program,
    Sweep,
    check_forces,
    composed,
    dispersion,
    element_map,
    forces_of,
    overdamped,
    program_of,
)
from symplectic_codegen.driver import Derivation, parameter_of
from symplectic_codegen.errors import NotSeparableError, TargetError
from symplectic_codegen.generation import PROGRAM, import_source
from symplectic_codegen.language.lattice import LatticeSpec, P, Q
from symplectic_codegen.language.parameters import standard_hyperparameters
from symplectic_codegen.language.spec import Spec
from symplectic_codegen.provenance import UNSEALED, VERSION, seal
from symplectic_codegen.rule.lattice import LatticeRule
from symplectic_codegen.rule.lower_lattice import lower_lattice
from symplectic_codegen.targets import lattice_cuda, lattice_numba
from symplectic_codegen.targets.base import class_name
from symplectic_codegen.targets.lattice_code import LatticeDocument

__all__ = ["LATTICE_TARGETS", "Lattice"]

LATTICE_TARGETS = {
    "numba": (lattice_numba.LAYOUT, lattice_numba.write),
    "cuda": (lattice_cuda.LAYOUT, lattice_cuda.write),
}
_THETA = sp.Symbol("theta", real=True)


@dataclass(frozen=True)
class Lattice:
    """Everything that follows from the spec of a lattice; each part when it is asked for.

    >>> lattice = Lattice(LatticeSpec.from_toml('''
    ... name = "row"
    ... [arrangement]
    ... graph = "chain"
    ... kinetic = "p**2/2"
    ... pair = "(right - left)**2/2"
    ... '''))
    >>> lattice.forces.outward, lattice.program.body
    (-other + q, (Sweep(q=-force*tau**2 + p*tau + q, p=-force*tau + p),))
    """

    spec: LatticeSpec

    @cached_property
    def derivation(self) -> Derivation:
        """The engine's derivation, with the energies of places and edges as an arbitrary loss."""
        part = dict(self.spec.texts)
        # The engine's momentum is X = -p: its motion is w' = -X/m.
        kinetic = re.sub(r"\bp\b", "(-X)", part["kinetic"])
        text = f"beta*sum({kinetic}) + beta*L"
        if self.spec.expression("damping") != 0:
            text += f" + ({part['damping']})*beta*U"
        table = Spec.from_expression(
            text, self.spec.name, integrator=self.spec.integrator
        ).canonical()
        # Bounds decide which symbol a name stands for.
        described = {row["name"]: row for row in self.spec.canonical()["hyperparameters"]}
        table["hyperparameters"] = [
            described.get(row["name"], row) for row in table["hyperparameters"]
        ]
        return Derivation(Spec.from_canonical(table))

    @cached_property
    def forces(self) -> Forces:
        """What acts on a particle."""
        return forces_of(self.spec.expression("onsite"), self.spec.expression("pair"))

    @property
    def is_overdamped(self) -> bool:
        """Whether there are no momenta."""
        return self.spec.semantics == "configuration"

    @cached_property
    def program(self) -> Program:
        """The sweeps.

        Raises:
            NotSeparableError: the kinetic energy or the integrator does not suit particles.
        """
        if self.is_overdamped:
            return overdamped(self.spec)
        return program_of(self.derivation.scheme)

    @cached_property
    def dispersion(self) -> sp.Expr | None:
        """cos(ω τ) of small waves (Φ_conf: their factor); None if rest at 0 is no solution."""
        try:
            return dispersion(self.spec, self.program, _THETA)
        except NotSeparableError:
            return None

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """What is proved."""
        if self.is_overdamped:
            return (check_forces(),)
        return (check_forces(), *self.derivation.step_claims, self._conjugation())

    def _conjugation(self) -> Claim:
        """Opening, one body and closing are one step of the integrator."""
        slope = sp.Symbol("slope", real=True)

        def field(q: sp.Expr) -> sp.Expr:
            # An arbitrary linear force: sweeps are compared at the places they are taken at.
            return slope * q

        program = self.program
        made = composed(program.sweeps, field)
        back = composed((*program.opening, *program.closing), field)
        step = Sweep(Q, P)
        for flow in program_of_flows(self.derivation):
            step = Sweep(*(
                e.xreplace({Q: step.q, P: step.p, FORCE: field(step.q)}) for e in (flow.q, flow.p)
            ))  # fmt: skip
        return zero_claim(
            "opening, sweeps and closing are the integrator's step, and opening and closing alone "
            "are nothing",
            [made.q - step.q, made.p - step.p, back.q - Q, back.p - P],
            "exact, an arbitrary linear force",
        )

    @cached_property
    def rule(self) -> LatticeRule:
        """The rule, ready for a target."""
        standard = standard_hyperparameters()["tau"]
        needed = [standard, *self.spec.hyperparameters]
        parameters = [parameter_of(p) for p in needed]
        # Required ones first, as in a signature.
        ordered = sorted(parameters, key=lambda p: p.default is not None)
        return lower_lattice(self.spec, self.forces, self.program, ordered)

    # -- for people ------------------------------------------------------------------------------

    def update_lines(self, unicode: bool = False) -> tuple[str, ...]:
        """The sweeps and the force, one line each."""
        write = to_unicode if unicode else to_ascii
        arrow = "←" if unicode else "<-"
        f = self.forces
        lines = [f"force = {write(f.onsite)} + sum over edges out of it of {write(f.outward)}"]
        lines[0] += f" + sum over edges into it of {write(f.inward)}"
        for name, sweeps in (
            ("before the first step", self.program.opening),
            ("each step", self.program.body),
            ("after the last step", self.program.closing),
        ):
            for sweep in sweeps:
                parts = [] if sweep.q == Q else [f"q {arrow} {write(sweep.q)}"]
                parts += [] if sweep.p == P else [f"p {arrow} {write(sweep.p)}"]
                lines.append(f"{name}: {', '.join(parts)}")
        return tuple(lines)

    def as_text(self) -> str:
        """The derivation for a terminal."""
        lines = [f"H = {self.spec.text}", "", "Steps"]
        lines += [f"  {line}" for line in self.update_lines(unicode=True)]
        if self.dispersion is not None:
            what = "factor of a wave" if self.is_overdamped else "cos(ω·τ)"
            lines += ["", "Small waves about rest", f"  {what} = {to_unicode(self.dispersion)}"]
        lines += ["", "What is known"]
        marks = {Verdict.PROVED: "✓", Verdict.NUMERICAL: "✓", Verdict.REFUTED: "✗"}
        lines += [f"  {marks.get(c.verdict, '·')} {c}" for c in self.claims]
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """The derivation in plain JSON types."""
        return {
            "name": self.spec.name,
            "hamiltonian": self.spec.text,
            "integrator": self.spec.integrator,
            "forces": {
                "onsite": str(self.forces.onsite),
                "outward": str(self.forces.outward),
                "inward": str(self.forces.inward),
            },
            "steps": list(self.update_lines()),
            "dispersion": None if self.dispersion is None else str(self.dispersion),
            "claims": [
                {"statement": c.statement, "verdict": c.verdict.value, "method": c.method}
                for c in self.claims
            ],
        }

    def files(self, targets: Sequence[str], command: str) -> dict[str, str]:
        """The generated files by their paths.

        Args:
            targets: of `LATTICE_TARGETS`.
            command: the one that makes them again.

        Raises:
            TargetError: a target has no lattices.
        """
        result = {}
        for target in targets:
            if target not in LATTICE_TARGETS:
                known = ", ".join(LATTICE_TARGETS)
                raise TargetError(f"the target {target} has no lattices; those that have: {known}")
            layout, write = LATTICE_TARGETS[target]
            text = write(self.rule, self._document(target, f"{command} --target {target}"))
            result[layout.format(name=self.spec.name)] = seal(text)
        return result

    @classmethod
    def from_toml(cls, text: str, source: str = "<spec>") -> Lattice:
        """The lattice of a spec.

        Raises:
            SpecError: with the place.
        """
        return cls(LatticeSpec.from_toml(text, source))

    def load(self) -> Any:
        """The class of the numba target, ready to use. Needs Numba.

        Raises:
            TargetError: Numba is not installed.
        """
        if find_spec("numba") is None:
            raise TargetError("numba is not installed: pip install numba")
        (text,) = self.files(["numba"], f"{PROGRAM} generate --spec {self.spec.name}.toml").values()
        return vars(import_source(self.spec.name, text))[class_name(self.spec.name)]

    def _document(self, target: str, command: str) -> LatticeDocument:
        known = [c for c in self.claims if c.verdict is not Verdict.ASSUMED]
        notes = [
            f"{c.verdict.value.capitalize()}: {sentence_in_ascii(c.statement)}." for c in known
        ]
        return LatticeDocument(
            class_name(self.spec.name),
            self.spec.title,
            self.spec.text,
            self.update_lines(),
            tuple(notes),
            {
                "hamiltonian": self.spec.text,
                "name": self.spec.name,
                "target": target,
                "integrator": self.spec.integrator,
                "generator version": VERSION,
                "SymPy version": sp.__version__,
                "spec_sha256": self.spec.sha256,
                "body_sha256": UNSEALED,
                "command": command,
                "spec": self.spec.canonical(),
            },
        )


def program_of_flows(derivation: Derivation) -> tuple[Sweep, ...]:
    """The flows of one step of the integrator, each as a sweep of its own."""
    return tuple(element_map(flow) for flow in derivation.scheme.flows)
