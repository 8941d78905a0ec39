"""The Hamiltonian of a rule in normal form, and the proof that the engine derives the rule from it.

With X <- mu X + Z G + f(w), w <- sigma w - V(X), the pieces follow one after the other: the cooling
exp(-gamma tau) = mu, the dilation exp(-lam tau) = sigma, the kinetic energy with grad T = V in
units of the step tau/h, and a potential whose impulse over one step is Z. Where the rule depends on
the number of the step, X is rescaled so that the velocity does not; what remains is a thermal
profile that is no pure exponential, such as the bias correction of Adam.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

import sympy as sp

from symplectic_codegen.algebra.forms import is_negative, shortest
from symplectic_codegen.algebra.memory import Memory
from symplectic_codegen.algebra.notation import to_ascii
from symplectic_codegen.algebra.proof import Claim, Verdict, vanishes, zero_claim
from symplectic_codegen.algebra.symbols import Component, G, L, U, X, beta, c, h, k, t, tau, w
from symplectic_codegen.algebra.vector import Total
from symplectic_codegen.analysis.normal_form import Kind, NormalForm, Obstruction, Relaxation
from symplectic_codegen.analysis.potential import are_equal, potential
from symplectic_codegen.discretization.update import STEP_NUMBER
from symplectic_codegen.driver import Derivation
from symplectic_codegen.errors import OutOfTimeError, SymplecticCodegenError
from symplectic_codegen.language.proposals import STEP
from symplectic_codegen.language.spec import Spec

NAME = "proposal"
_X_AFTER = Component("X after")  # the momenta after the step
_STEP_NAMES = ("lr", "eta", "learning_rate", "step", "eps", "epsilon")  # what people call it


@dataclass(frozen=True)
class Named:
    """A user-facing parameter: what it is in physical ones, and what it is in the rule.

    Args:
        name: in the spec.
        equals: in physical parameters.
        value: in the parameters of the proposed rule; the symbol itself where it has one.
    """

    name: str
    equals: sp.Expr
    value: sp.Expr

    @property
    def symbol(self) -> sp.Symbol:
        return sp.Symbol(self.name, positive=True)


@dataclass(frozen=True)
class Representation:
    """A Hamiltonian that generates the rule.

    Args:
        kinetic: T, in units of the step.
        hamiltonian: as text, in the language of Hamiltonians.
        integrator: the composition that makes the step of it.
        parameters: the names of the rule in physical parameters.
        scale: what the momenta of the rule are in units of X.
        spec: everything that the engine needs; None where the rule has given vectors, which a
            Hamiltonian of the language cannot have.
        toml: the spec as a file.
        claims: the proof that the derived step is the rule.
    """

    kinetic: sp.Expr
    hamiltonian: str
    integrator: str
    parameters: tuple[Named, ...]
    scale: sp.Expr
    spec: Spec | None
    toml: str
    claims: tuple[Claim, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_proved(self) -> bool:
        """Whether the engine derives the rule from this Hamiltonian."""
        return bool(self.claims) and self.claims[0].verdict is Verdict.PROVED


@dataclass(frozen=True)
class _Profile:
    """The thermal profile and the time dependence of the potential.

    Args:
        thermal: dE/dU in units of h/k.
        potential: the factor of the loss in units of 1/k.
        starts_hot: whether beta is 0 at the start.
    """

    thermal: sp.Expr
    potential: sp.Expr
    starts_hot: bool = False


def represent(form: NormalForm) -> Representation | Obstruction:
    """The Hamiltonian of a rule in normal form, or what stands in the way of a closed form."""
    leapfrog = _as_leapfrog(form)
    if leapfrog is not None:
        found = _represent(*leapfrog, "conformal-leapfrog")
        if isinstance(found, Representation) and found.is_proved:
            return found
    integrator = "P F E A O D B M" if form.reads_old_fields else "lie-trotter"
    return _represent(form, form.velocity, integrator)


def _as_leapfrog(form: NormalForm) -> tuple[NormalForm, sp.Expr] | None:
    """A rule that cools and drifts by halves around the kick, in the momenta that are stored then.

    That is cool, drift, kick, drift, cool with one kinetic energy T in both drifts. Given with it
    is grad T in units of the step.
    """
    before, after = form.cooled
    if not form.kicked or form.fields or before != after or before == 1:
        return None
    half = form.kicked.xreplace({X: after * X})  # of the momenta right after the kick
    if not vanishes(form.velocity - form.kicked - half.xreplace({X: before * X})):
        return None
    stored = replace(
        form,
        gain=before * form.gain,
        force=before * form.force,
        velocity=form.velocity.xreplace({X: X / before}),
    )
    return stored, 2 * half


def _represent(form: NormalForm, motion: sp.Expr, integrator: str) -> Representation | Obstruction:
    """The Hamiltonian with grad T = `motion`, in units of the step."""
    rescaled = _without_step_number(form, motion)
    if rescaled is None:
        return Obstruction(
            Kind.TIME,
            "no rescaling of the momenta takes the number of the step out of the velocity",
        )
    names = _Names(form)
    step = _step_size(form, rescaled)
    if step is None:
        velocity, scale = names.step_size(rescaled.velocity), rescaled.scale
    else:
        parameter, velocity, scale = step
        names.define(parameter, tau / h)
    kinetic = potential(velocity, X)
    if kinetic is None:
        return Obstruction(
            Kind.UNKNOWN,
            "the velocity has no curl, so there is a kinetic energy, the integral of Σᵢ Xᵢ·vᵢ(sX) "
            "over s from 0 to 1; no closed form was found for it",
        )
    cooling = names.rate("gamma", form.decay, "momentum")
    shrinking = names.rate("lam", form.keep, "shrink")
    fields = {
        f.symbol: weight * Memory(_in_new_momenta(f.source, scale), rate, normalized)
        for f, weight, normalized in zip(
            form.fields, rescaled.weights, rescaled.normalized, strict=True
        )
        if (rate := names.rate("nu", f.decay, f"decay_{f.name}")) is not None
    }
    if len(fields) < len(form.fields) or shrinking is None or _is_timed(scale, form.fields):
        return Obstruction(Kind.TIME, "a decay rate changes with the number of the step")
    profile = _profile(form, names, cooling, shrinking, rescaled.rescaling)
    if profile is None:
        return Obstruction(
            Kind.TIME, "no thermal profile with this friction was found in closed form"
        )
    kicks_alone = integrator == "conformal-leapfrog"
    impulse = _impulse(
        form, names, cooling, shrinking, scale / rescaled.rescaling, kicks_alone=kicks_alone
    )
    if impulse is None:
        return Obstruction(Kind.UNKNOWN, "the force has a potential, but no closed form was found")
    H = (
        beta / k * kinetic.xreplace(fields)
        + profile.potential / k * names.physical(impulse)
        + h / k * profile.thermal * U
        + h / k * shrinking * beta * Total(X * w)
    )
    return _finished(form, kinetic, names.physical(H), profile, scale, names, fields, integrator)


@dataclass(frozen=True)
class _Rescaled:
    """The velocity in X = (momenta of the rule)/scale, free of the number of the step.

    Args:
        rescaling: the part of the scale that changes with the number of the step.
        weights: what a memory field is multiplied by to be the state of the rule.
        normalized: whether it is the normalised average, of which the state is a multiple that
            grows with the number of steps.
    """

    velocity: sp.Expr
    scale: sp.Expr
    rescaling: sp.Expr
    weights: tuple[sp.Expr, ...]
    normalized: tuple[bool, ...]


def _without_step_number(form: NormalForm, motion: sp.Expr) -> _Rescaled | None:
    sign = -1 if is_negative(form.gain.xreplace({STEP: sp.Integer(3)})) else 1
    weights = tuple(sp.cancel(f.gain / (1 - f.decay)) for f in form.fields)
    for rescaling in _rescalings(motion):
        for normalized in product((False, True), repeat=len(form.fields)):
            rules: dict[sp.Basic, sp.Expr] = {X: sign * rescaling * X}
            for f, flag in zip(form.fields, normalized, strict=True):
                rules[f.symbol] = (1 - f.decay**STEP) * f.symbol if flag else f.symbol
            velocity = motion.xreplace(rules)
            if not velocity.has(STEP):
                return _Rescaled(velocity, sign * rescaling, rescaling, weights, normalized)
    return None


def _rescalings(velocity: sp.Expr) -> Iterator[sp.Expr]:
    """One, and what changes with the number of the step in the velocity."""
    yield sp.S.One
    sums = {
        node
        for node in sp.preorder_traversal(velocity)
        if node.is_Add and node.has(STEP) and not node.has(Component, Total)
    }
    for node in sorted(sums, key=sp.default_sort_key):
        yield node
        yield 1 / node


class _Names:
    """The parameters of the rule in physical ones, and new names where it has numbers."""

    def __init__(self, form: NormalForm) -> None:
        exprs = [form.decay, form.gain, form.force, form.keep, form.velocity]
        exprs += [e for f in form.fields for e in (f.decay, f.gain, f.source)]
        self._user = {s.name for e in exprs for s in e.free_symbols}
        self._taken = self._user | {"h", "k", "c", "t", "n"}
        self._defined: dict[sp.Basic, sp.Expr] = {}
        self.named: list[Named] = []

    def define(self, parameter: sp.Symbol, physical: sp.Expr) -> None:
        """A parameter of the rule is this in physical ones."""
        self._defined[parameter] = physical
        self.named.append(Named(parameter.name, physical, parameter))

    def step_size(self, velocity: sp.Expr) -> sp.Expr:
        """The velocity in units of the step: a number in front of it gets a name."""
        number, rest = sp.factor_terms(velocity).as_coeff_Mul()
        if number == 1 or not number.is_positive:
            return velocity * h / tau
        self.named.append(Named(self._fresh("lr"), tau / h, number))
        return rest

    def rate(self, name: str, factor: sp.Expr, fallback: str) -> sp.Expr | None:
        """The rate r with exp(-r tau) = factor; None if the factor changes with the step."""
        if factor == 1:
            return sp.S.Zero
        if factor.has(STEP):
            return None
        rate = sp.Symbol(self._fresh(name), positive=True)
        if factor.is_number and factor > 1:
            self.solve(sp.exp(rate * tau), factor, fallback)
            return -rate
        self.solve(sp.exp(-rate * tau), factor, fallback)
        return rate

    def solve(self, physical: sp.Expr, value: sp.Expr, fallback: str) -> None:
        """Let `value`, in parameters of the rule, be `physical`: one of them is solved for.

        Where none is left, or the value is a number, it gets a name of its own.
        """
        held = sp.Dummy("held", positive=True)
        known = {n.name for n in self.named}
        opened = value.xreplace(self._defined)
        for parameter in _by_preference(opened.free_symbols - {tau, h, k, c}):
            if parameter.name not in self._user or parameter.name in known:
                continue
            roots = sp.solve(opened - held, parameter)
            if len(roots) == 1:
                self.define(parameter, sp.simplify(roots[0]).xreplace({held: physical}))
                return
        self.named.append(Named(self._fresh(fallback), physical, value))

    def physical(self, expr: sp.Expr) -> sp.Expr:
        """`expr` in physical parameters, with the number of the step as time."""
        moved = expr.xreplace({STEP: t / tau}).xreplace(self._defined)
        return sp.Add(*(_short(term) for term in sp.Add.make_args(moved)))

    def _fresh(self, name: str) -> str:
        number, candidate = 2, name
        while candidate in self._taken:
            candidate, number = f"{name}{number}", number + 1
        self._taken.add(candidate)
        return candidate


def _short(term: sp.Expr) -> sp.Expr:
    """The factor in front of what varies, in its shortest form."""
    scalar, rest = term.as_independent(Total, U, L, as_Add=False)
    return shortest(sp.powsimp(scalar)) * rest


def _step_size(form: NormalForm, rescaled: _Rescaled) -> tuple[sp.Symbol, sp.Expr, sp.Expr] | None:
    """The parameter that is the step size: (it, the velocity without it, the scale of X)."""
    kept = form.decay.free_symbols | {s for f in form.fields for s in f.decay.free_symbols}
    velocity, scale = rescaled.velocity, rescaled.scale
    for parameter in _by_preference(velocity.free_symbols - kept):
        without = sp.cancel(velocity / parameter) if velocity.is_Add else velocity / parameter
        if not without.has(parameter):
            return parameter, without, scale
    for parameter in _by_preference(form.gain.free_symbols - kept):
        # As in v = mu v - lr G, w = w + v: the momenta are in units of the step size.
        without = velocity.xreplace({X: parameter * X}) / parameter
        if not without.has(parameter) and not (form.gain / parameter).has(parameter):
            return parameter, without, scale * parameter
    return None


def _by_preference(symbols: set[sp.Basic]) -> list[sp.Symbol]:
    scalars = [s for s in symbols if isinstance(s, sp.Symbol) and not isinstance(s, Component)]
    known = [s for s in scalars if s != STEP and not isinstance(s, sp.Dummy)]
    rank = {name: i for i, name in enumerate(_STEP_NAMES)}
    return sorted(known, key=lambda s: (rank.get(s.name, len(rank)), s.name))


def _in_new_momenta(source: sp.Expr, scale: sp.Expr) -> sp.Expr:
    return source.xreplace({X: scale * X})


def _is_timed(scale: sp.Expr, fields: tuple[Relaxation, ...]) -> bool:
    """Whether a memory field follows momenta that are rescaled from step to step."""
    return bool(scale.has(STEP)) and any(f.source.has(X) for f in fields)


def _impulse(
    form: NormalForm,
    names: _Names,
    cooling: sp.Expr | None,
    shrinking: sp.Expr,
    scale: sp.Expr,
    *,
    kicks_alone: bool,
) -> sp.Expr | None:
    """The potential whose impulse over one step is gain G + force, without its profile."""
    forces = potential(form.force, w) if form.force != 0 else sp.S.Zero
    if forces is None:
        return None
    gain = sp.cancel(form.gain / scale)
    landscape = L + sp.expand_mul(forces / form.gain)
    if kicks_alone:
        # The kick is cooled once more, by half before it and by half after it.
        per_unit, weight = tau / h * sp.exp(-(cooling or 0) * tau), gain * tau
    elif cooling is None or cooling + shrinking == 0:
        per_unit, weight = tau / h, gain * h / tau
    else:
        # A constant force, cooled and then stretched by the dilation, gives this much per unit.
        spread = (1 / form.keep - form.decay) / (cooling + shrinking)
        weight = names.physical(sp.cancel(h * gain / spread))
        grown = sp.exp(shrinking * tau) - sp.exp(-cooling * tau)
        per_unit = grown / (h * (cooling + shrinking))
    if weight.has(tau):
        # No constant of the Hamiltonian: the unit c**2 of the force is solved for instead.
        names.solve(c**2 * per_unit, gain, "gain")
        weight = c**2
    return weight * landscape


def _profile(
    form: NormalForm,
    names: _Names,
    cooling: sp.Expr | None,
    shrinking: sp.Expr,
    rescaling: sp.Expr,
) -> _Profile | None:
    """beta(t) from beta(s)/beta(s + tau), in the units in which it starts at beta0."""
    if cooling is None:
        return None if rescaling != 1 or shrinking != 0 else _counted(form)
    speed = cooling + shrinking
    if rescaling == 1:
        return _Profile(speed * beta, beta)
    growth = sp.exp(speed * t)
    course = names.physical(rescaling)
    start = course.subs(t, 0)
    if start != 0 or course.has(tau):
        return None
    source = sp.simplify(sp.diff(course, t) * growth)
    rest = sp.simplify((1 - course) * growth)
    return _Profile(sp.factor_terms(speed * beta + source), beta + rest, starts_hot=True)


def _counted(form: NormalForm) -> _Profile | None:
    """A friction that is rational in the number n of the step: beta_n is its telescoped product.

    The potential is the polynomial in t whose integral over each step is beta at its end.
    """
    number = sp.Dummy("j", positive=True, integer=True)
    ratio = (1 / form.decay).xreplace({STEP: number})
    numerator, denominator = sp.fraction(sp.cancel(ratio))
    if not (numerator.is_polynomial(number) and denominator.is_polynomial(number)):
        return None
    beta_n = _telescoped(numerator, denominator, number)
    if beta_n is None or form.gain.has(STEP) or form.force != 0:
        return None
    course = sp.expand(beta_n.xreplace({number: t / tau}))
    degree = sp.degree(course, t)
    unknown = sp.symbols(f"a0:{degree + 1}")
    force = sum(a * t**i for i, a in enumerate(unknown))
    impulse = sp.integrate(force, (t, t - tau, t)) - course * tau
    solved = sp.solve(sp.Poly(sp.expand(impulse), t).coeffs(), unknown, dict=True)
    if not solved or course.subs(t, 0) != 0:
        return None
    return _Profile(sp.diff(course, t), sp.factor(force.subs(solved[0])), starts_hot=True)


def _telescoped(numerator: sp.Expr, denominator: sp.Expr, n: sp.Symbol) -> sp.Expr | None:
    """A polynomial p with p(n)/p(n - 1) = numerator/denominator: linear factors that meet."""
    above, below = (sp.roots(sp.Poly(e, n)) for e in (numerator, denominator))
    lead = sp.cancel(sp.Poly(numerator, n).LC() / sp.Poly(denominator, n).LC())
    if lead != 1 or sum(above.values()) != sum(below.values()):
        return None
    tops = sorted((-r for r, m in above.items() for _ in range(m)), key=sp.default_sort_key)
    bottoms = sorted((-r for r, m in below.items() for _ in range(m)), key=sp.default_sort_key)
    result: sp.Expr = sp.S.One
    for top, bottom in zip(tops, bottoms, strict=True):
        width = top - bottom
        if not (width.is_Integer and width >= 0):
            return None
        # (n + bottom + width)/(n + bottom) is p(n)/p(n - 1) for a product of `width` factors.
        result *= sp.Mul(*(n + bottom + i for i in range(1, int(width) + 1)))
    return result


def _finished(
    form: NormalForm,
    kinetic: sp.Expr,
    H: sp.Expr,
    profile: _Profile,
    scale: sp.Expr,
    names: _Names,
    fields: Mapping[sp.Symbol, sp.Expr],
    integrator: str,
) -> Representation:
    """The spec of the Hamiltonian, and the proof."""
    text = to_ascii(H)
    toml = _toml(text, integrator, tuple(names.named), profile, step_is_free=tau in H.free_symbols)
    vectors = sorted(_given_vectors(H), key=lambda s: str(s.name))
    shown = kinetic.xreplace(dict(fields))
    if vectors:
        listed = ", ".join(s.name for s in vectors)
        note = f"{listed}: given to the Hamiltonian from outside; a memory field can stand for it"
        return Representation(
            shown, text, integrator, tuple(names.named), scale, None, "", (), (note,)
        )
    try:
        spec = Spec.from_toml(toml, NAME)
        claims = _proof(form, Derivation(spec), scale, tuple(names.named), fields)
    except OutOfTimeError:
        raise
    except SymplecticCodegenError as error:
        failed = Claim("the engine derives this rule", Verdict.ASSUMED, f"not derived: {error}")
        return Representation(
            shown, text, integrator, tuple(names.named), scale, None, toml, (failed,)
        )
    return Representation(
        shown, text, integrator, tuple(names.named), scale, spec, toml, claims, _notes(form)
    )


def _given_vectors(H: sp.Expr) -> set[Component]:
    known = {w, X, G}
    found: set[Component] = set()
    for node in sp.preorder_traversal(H):
        if isinstance(node, Component) and not isinstance(node, Memory) and node not in known:
            found.add(node)
    return found


def _notes(form: NormalForm) -> tuple[str, ...]:
    notes = []
    if form.fields:
        listed = ", ".join(f.name for f in form.fields)
        notes.append(
            f"{listed}: driven by the gradient, no coordinate of phase space; the Hamiltonian "
            "takes it as a given memory field"
        )
    if form.decay == 0:
        notes.append("no momenta are kept: this is the overdamped limit γτ → ∞")
    return tuple(notes)


def _toml(
    text: str,
    integrator: str,
    named: tuple[Named, ...],
    profile: _Profile,
    step_is_free: bool,
) -> str:
    lines = [f'name = "{NAME}"', f'hamiltonian = "{text}"', f'integrator = "{integrator}"']
    if profile.starts_hot:
        lines += ["", "[hyperparameters.beta0]", "default = 0", 'bounds = "[0, 0]"']
    if step_is_free and not any(n.equals.has(tau) and not n.equals.has(sp.exp) for n in named):
        lines += ["", "[hyperparameters.tau]", "default = 1"]
    for n in named:
        lines += ["", f"[reparametrization.{n.name}]", f'equals = "{to_ascii(n.equals)}"']
        if n.value.is_Rational:
            lines.append(f'default = "{n.value}"')
            is_share = n.equals.has(sp.exp) and not n.equals.has(c) and 0 < n.value <= 1
            is_open = n.equals == tau / h
            bound = "[0, 1]" if is_share else f"[{n.value}, {n.value}]"
            lines += [] if is_open else [f'bounds = "{bound}"']
    return "\n".join(lines) + "\n"


def _proof(
    form: NormalForm,
    derivation: Derivation,
    scale: sp.Expr,
    named: tuple[Named, ...],
    fields: Mapping[sp.Symbol, sp.Expr],
) -> tuple[Claim, ...]:
    """The derived update and the rule, as maps of the momenta, the fields and the weights."""
    values = {n.symbol: n.value for n in named if n.value != n.symbol}
    update = [(a.target, a.expr.xreplace(values)) for a in derivation.update.inlined()]
    step = {STEP: STEP_NUMBER}
    before, after = scale.xreplace({STEP: STEP_NUMBER - 1}), scale.xreplace(step)
    proposed = (form.decay * before * X + form.gain * G + form.force).xreplace(step) / after
    derived: dict[sp.Basic, sp.Expr] = {}
    for target, expr in update:
        derived[target] = expr.xreplace(derived)
    residuals = [derived.get(X, X) - proposed]
    put: dict[sp.Basic, sp.Expr] = {X: after * _X_AFTER}
    for f in form.fields:
        memory = next(iter(fields[f.symbol].atoms(Memory)))
        weight = (fields[f.symbol] / memory).xreplace(step)
        if memory.normalized:
            weight *= 1 - f.decay**STEP_NUMBER
        old = weight.xreplace({STEP_NUMBER: STEP_NUMBER - 1}) * memory
        relaxed = f.decay * old + f.gain * f.source.xreplace({X: after * proposed})
        residuals.append(derived[memory] - relaxed / weight)
        put[f.symbol] = old if form.reads_old_fields else weight * _after(memory)
    moved = (form.keep * w - form.velocity).xreplace(put).xreplace(step)
    claim = zero_claim(
        "the step that the engine derives from this Hamiltonian is the proposed rule",
        [sp.powsimp(sp.expand(r)) for r in residuals]
        + _weight_residuals(_weights_after(update, proposed), moved),
        "update equations compared, symbolic d, any loss",
    )
    return (claim, derivation.scheme.check_symplectic(), derivation.scheme.check_conformal())


def _weight_residuals(derived: sp.Expr, moved: sp.Expr) -> list[sp.Expr]:
    """What must vanish for both to be the same new weights."""
    if are_equal(derived, moved, _X_AFTER):
        return []
    return [sp.powsimp(sp.expand(derived - moved))]


def _weights_after(update: list[tuple[sp.Symbol, sp.Expr]], kicked: sp.Expr) -> sp.Expr:
    """The derived weights, by the momenta and memory fields after the step.

    The gradient is the one that takes the momenta where they are after the step, `kicked`.
    """
    current: dict[sp.Basic, sp.Expr] = {G: sp.solve(kicked - _X_AFTER, G)[0], w: w}
    for target, expr in update:
        value = expr.xreplace(current)
        if target == X:
            value = _X_AFTER if vanishes(value - _X_AFTER) else sp.expand(value)
        current[target] = _after(target) if isinstance(target, Memory) else value
    return sp.expand_mul(current[w])


def _after(memory: Memory) -> Component:
    return Component(f"{memory.name} after", nonnegative=memory.is_nonnegative)
