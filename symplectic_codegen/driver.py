"""The way through, one step per line: text -> Hamiltonian -> geometry -> motion -> rule -> code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import sympy as sp

from symplectic_codegen.algebra.proof import Claim
from symplectic_codegen.algebra.symbols import X, beta, beta0, tau
from symplectic_codegen.arrangements.thermal import composition
from symplectic_codegen.discretization.integrators import get_integrator
from symplectic_codegen.discretization.reparametrization import ParameterMap, solve_parameters
from symplectic_codegen.discretization.scheme import Extras, Scheme, build_scheme
from symplectic_codegen.discretization.update import Choices, UpdateEquations, update_equations
from symplectic_codegen.geometry.display import Brackets, SymplecticForm
from symplectic_codegen.geometry.phase_space import PhaseSpace
from symplectic_codegen.language.hamiltonian import Hamiltonian
from symplectic_codegen.language.spec import Bounds, Hyperparameter, Spec
from symplectic_codegen.mechanics.equations import (
    Equations,
    equations_of_motion,
    hamiltonian_on,
)
from symplectic_codegen.mechanics.structure import (
    Separation,
    conservation,
    homogeneity,
    separate,
)
from symplectic_codegen.mechanics.temperature import Temperature, thermal_law
from symplectic_codegen.passes.pipeline import ReportLine, run_passes
from symplectic_codegen.rule.lower import lower
from symplectic_codegen.rule.rule import Interval, Parameter, UpdateRule
from symplectic_codegen.symmetry.generators import generator_named
from symplectic_codegen.symmetry.noether import Noether, System, noether


@dataclass(frozen=True)
class CompiledRule:
    """The rule of an optimizer, with the record of how it came about."""

    rule: UpdateRule
    report: tuple[ReportLine, ...]
    rewrites: tuple[str, ...]


@dataclass(frozen=True)
class Derivation:
    """Everything that follows from one spec; each part is derived when it is asked for.

    >>> d = derive("beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U")
    >>> d.equations.w, d.temperature.kind
    (-X/h, 'exponential')
    """

    spec: Spec

    @cached_property
    def space(self) -> PhaseSpace:
        """The phase space with the coupling of the spec."""
        coupling = self.expression("coupling")
        return PhaseSpace(beta * X if coupling is None else coupling)

    @cached_property
    def hamiltonian(self) -> sp.Expr:
        """H in the coordinates of the phase space."""
        return hamiltonian_on(self.space, self._with_constants(self.spec.hamiltonian.expr))

    @property
    def form(self) -> SymplecticForm:
        """One-form, symplectic form and its domain, for print and notebook."""
        return SymplecticForm(self.space)

    @property
    def brackets(self) -> Brackets:
        """The Poisson brackets of the coordinates, for print and notebook."""
        return Brackets(self.space)

    @cached_property
    def equations(self) -> Equations:
        """The four equations of motion."""
        return equations_of_motion(self.space, self.hamiltonian)

    @cached_property
    def temperature(self) -> Temperature:
        """The thermal law and its solution."""
        return thermal_law(self.equations.beta)

    @cached_property
    def separation(self) -> Separation:
        """H as a sum of pieces with exact flows."""
        return separate(self.hamiltonian, self.space.coupling)

    @cached_property
    def structure(self) -> tuple[Claim, ...]:
        """What H is: contact or not, conserved or not, put together from parts or not."""
        return (homogeneity(self.hamiltonian), conservation(self.hamiltonian), self.composition)

    @cached_property
    def composition(self) -> Claim:
        """Whether the optimizer of a whole is put together from those of its parts."""
        return composition(self.hamiltonian, self.spec.norms == "block")

    @cached_property
    def scheme(self) -> Scheme:
        """The composition of exact flows.

        Raises:
            NotSeparableError: H has a part without an exact flow.
        """
        symbols = {p.name: p.symbol for p in self.spec.hyperparameters}
        return build_scheme(
            get_integrator(self.spec.integrator, symbols),
            self.space,
            self.equations,
            self.separation,
            self.temperature,
            Extras(
                self.expression("friction"),
                self.expression("noise"),
                self.expression("energy"),
                self.spec.cooling,
            ),
        )

    @cached_property
    def parameters(self) -> ParameterMap:
        """Physical hyperparameters in terms of user-facing ones.

        Raises:
            ReparametrizationError: the user-facing names cannot be solved for.
        """
        fixed = self._constants
        definitions = [
            (sp.Symbol(r.name, positive=True), r.expr.xreplace(fixed))
            for r in self.spec.reparametrization
        ]
        required = [p.symbol for p in self.spec.hyperparameters if p.default is None]
        optional = [p.symbol for p in self.spec.hyperparameters if p.default is not None]
        # Of the units, c goes first: it scales the force alone.
        optional.sort(key=lambda s: "chk".find(s.name) if s.name in "chk" else 9)
        return solve_parameters(definitions, required, [s for s in optional if s not in fixed])

    @cached_property
    def physical_update(self) -> UpdateEquations:
        """The update equations in physical parameters."""
        return self._update(self._with_constants)

    def in_user_parameters(self, expr: sp.Expr) -> sp.Expr:
        """`expr` with physical parameters expressed by user-facing ones; bound ones put in."""
        solved = self.parameters.apply(self._with_constants(expr))
        for name, value in self.limits.items():
            if not solved.has(name):
                continue
            put_in = solved.subs(name, value)
            singular = put_in.has(sp.nan, sp.zoo, sp.oo)
            solved = sp.limit(sp.powsimp(solved), name, value, "+") if singular else put_in
        return solved

    @cached_property
    def update(self) -> UpdateEquations:
        """The update equations in user-facing parameters."""
        if not self.spec.reparametrization:
            return self.physical_update
        return self._update(self.in_user_parameters)

    @cached_property
    def compiled(self) -> CompiledRule:
        """The update rule, ready for a target."""
        derived, rewrites = lower(self.spec.name, self.update, self._all_parameters())
        rule, report = run_passes(derived)
        return CompiledRule(rule, report, rewrites)

    @property
    def rule(self) -> UpdateRule:
        """The update rule, ready for a target."""
        return self.compiled.rule

    def noether(self, symmetry: str, *, block: bool = False) -> Noether:
        """The Noether charge of a symmetry of the loss, and what the rule makes of it.

        Args:
            symmetry: "translation", "scaling" or "rotation".
            block: whether it moves a block of the weights only.

        Raises:
            SymmetryError: there is no charge here: friction or noise beside H, no momenta.

        >>> print(derive("beta/(2*k)*dot(X, X) + beta*c**2/k*L").noether("scaling").law.bare_charge)
        Total(X*w)
        """
        beside = (
            ("Rayleigh friction", self.spec.expression("friction")),
            ("noise", self.spec.expression("noise")),
            ("a projection to an energy", self.spec.expression("energy")),
        )
        system = System(
            self.space,
            self.equations,
            self.hamiltonian,
            self.separation,
            self.temperature,
            scheme=lambda: self.scheme,
            update=lambda: self.update,
            physical_update=lambda: self.physical_update,
            bound=self._with_constants,
            initial_beta=self._constants.get(beta0, beta0),
            foreign=tuple(name for name, expr in beside if expr is not None),
            per_block=self.spec.norms == "block",
        )
        return noether(system, generator_named(symmetry, block))

    @property
    def limits(self) -> Mapping[sp.Symbol, sp.Expr]:
        """User-facing parameters that the spec binds to one value, reached as a limit."""
        return {
            sp.Symbol(r.name, positive=True): r.default
            for r in self.spec.reparametrization
            if r.default is not None and _is_point(r.bounds)
        }

    @cached_property
    def step_claims(self) -> tuple[Claim, ...]:
        """What is proved of the step; of a limit only that it is the limit of such steps."""
        claims = self.scheme.claims()
        singular = [f"{name} → 0" for name, value in self.limits.items() if value == 0]
        if not singular:
            return claims
        bound = ", ".join(singular)
        return tuple(
            replace(claim, statement=f"before the limit {bound}: {claim.statement}")
            for claim in claims
        )

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """Everything that is proved on the way to the rule."""
        return (
            *self.space.claims(),
            *self.structure,
            self.temperature.claim,
            *self.step_claims,
            *((self.parameters.claim,) if self.spec.reparametrization else ()),
        )

    @property
    def _constants(self) -> Mapping[sp.Symbol, sp.Expr]:
        """Hyperparameters that can have one value only, and beta0 = 0: put in exactly."""
        return {
            p.symbol: p.default
            for p in self.spec.hyperparameters
            if p.default is not None
            and (_is_point(p.bounds) or (p.symbol == beta0 and p.default == 0))
        }

    def _with_constants(self, expr: sp.Expr) -> sp.Expr:
        return expr.xreplace(dict(self._constants))

    def expression(self, key: str) -> sp.Expr | None:
        """What the spec gives beside H (`EXPRESSIONS`), with the values of constants put in."""
        expr = self.spec.expression(key)
        return None if expr is None else self._with_constants(expr)

    def _update(self, parameters: Callable[[sp.Expr], sp.Expr]) -> UpdateEquations:
        names = {p.name for p in self.spec.hyperparameters}
        names |= {r.name for r in self.spec.reparametrization}
        choices = Choices(
            parameters,
            self._constants.get(beta0, beta0),
            self.spec.with_energy,
            names,
            self.expression("time_step") or tau,
            self.spec.norms == "block",
        )
        return update_equations(self.scheme, choices)

    def _all_parameters(self) -> tuple[Parameter, ...]:
        named = [
            Parameter(r.name, _fraction(r.default), _interval(r.bounds), r.meaning)
            for r in self.spec.reparametrization
        ]
        physical = [
            parameter_of(p)
            for p in self.spec.hyperparameters
            if p.symbol not in self.parameters.physical and p.symbol not in self._constants
        ]
        # Required ones first, as in a signature.
        return tuple(sorted((*named, *physical), key=lambda p: p.default is not None))


def derive(
    source: str | Hamiltonian | Spec, *, integrator: str | None = None, coupling: str | None = None
) -> Derivation:
    """Derive the dynamics and the update rule of a Hamiltonian.

    Args:
        source: the text of a Hamiltonian, a parsed one, or a whole spec.
        integrator: how the step is composed; see `INTEGRATORS`.
        coupling: Y as an expression in beta, X, U, w; the paper's is beta*X.

    Raises:
        SymplecticCodegenError: bad input; parts that cannot be derived raise when asked for.
    """
    if isinstance(source, Spec):
        spec = source
    else:
        text = source.text if isinstance(source, Hamiltonian) else source
        spec = Spec.from_expression(text, coupling=coupling)
    if integrator is not None:
        get_integrator(integrator)
        spec = spec.replace(integrator=integrator)
    return Derivation(spec)


def parameter_of(p: Hyperparameter) -> Parameter:
    """A hyperparameter as the user of generated code meets it."""
    return Parameter(p.name, _fraction(p.default), _interval(p.bounds), p.meaning)


def _is_point(bounds: Bounds) -> bool:
    return bounds.lower is not None and bounds.lower == bounds.upper


def _fraction(value: sp.Rational | None) -> Fraction | None:
    return None if value is None else Fraction(int(value.p), int(value.q))


def _interval(bounds: Bounds) -> Interval:
    return Interval(
        _fraction(bounds.lower),
        _fraction(bounds.upper),
        bounds.lower_closed,
        bounds.upper_closed,
    )
