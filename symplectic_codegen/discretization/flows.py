"""Flows of the pieces of a Hamiltonian, over one step of learning time.

A flow is a map z -> z+ of the coordinates (U, w; beta, X), written in component expressions. The
exact ones follow from one sentence each:

*Kick and cooling* (potential V(w, beta, t) and thermal U f(beta, t; w) together): w rests, so the
loss gradient is frozen; beta runs along its thermal law P; and the momenta collect the gradient of
the one function Phi(w, b) = integral of V along P, and of P itself where it depends on w:

    U+ = (U - (k/h) dPhi/db) / (dP/db),   Y+ = Y + (k/h) dPhi/dw + U+ dP/dw,   beta+ = P.

*Thermostat*: a point transformation of U, or of beta with the momenta as parameters.

*Drift* (kinetic T(X, beta, t)): Y and beta rest, so w and U run straight. With a metric that
depends on w it is a geodesic, in closed form where there is one, by the implicit midpoint rule
otherwise.

What is no flow of a Hamiltonian (memory fields, friction, noise, projection) is marked as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import sympy as sp
from sympy.integrals.manualintegrate import manualintegrate

from symplectic_codegen.algebra.forms import is_negative
from symplectic_codegen.algebra.memory import Field, Memory
from symplectic_codegen.algebra.operators import jacobian
from symplectic_codegen.algebra.proof import vanishes
from symplectic_codegen.algebra.symbols import (
    L0,
    START,
    Component,
    L,
    U,
    X,
    Y,
    beta,
    h,
    k,
    t,
    tau,
    w,
)
from symplectic_codegen.algebra.vector import (
    Total,
    components,
    gradient,
    is_scalar,
    outer_totals,
)
from symplectic_codegen.errors import NotSeparableError
from symplectic_codegen.geometry.phase_space import PhaseSpace
from symplectic_codegen.mechanics.temperature import (
    Temperature,
    cooling_map,
    law_at_rest,
    thermal_law,
)

NOISE = Component("xi")  # a standard normal number for each component, new in every step
W_MID, X_MID = Component("w_mid"), Component("X_mid")  # the middle of a step, as iterated
ROUNDS = 8  # of the fixed-point iteration of the implicit midpoint rule


@dataclass(frozen=True, eq=False)
class Flow:
    """The motion that one piece makes over [s, s + tau].

    Args:
        name: what it is, in a word or two.
        generator: the piece of H that generates it; None if it is not Hamiltonian.
        updates: new value of each coordinate, in the old ones; coordinates left out rest.
        impulses: the parts of the new Y, before the coupling turns them into X: pairs of
            (time weight, component expression); empty for the other flows.
        stretch: by what a dilation multiplies Y; 1 for the other flows.
        advance: the part of a step by which beta moves along its thermal law.
        is_exact: whether it is the exact flow of its part of the motion.
        remark: what it keeps and breaks, where it is not an exact Hamiltonian flow.
        middle: for the implicit midpoint rule, the velocities of w and X at (W_MID, X_MID).
        domain: (expression, meaning) pairs; it exists where each expression is positive.
    """

    name: str
    generator: sp.Expr | None
    updates: Mapping[sp.Symbol, sp.Expr]
    impulses: tuple[tuple[sp.Expr, sp.Expr], ...] = ()
    stretch: sp.Expr = sp.S.One
    advance: sp.Expr = sp.S.Zero
    is_exact: bool = True
    remark: str = ""
    middle: Mapping[sp.Symbol, sp.Expr] = field(default_factory=dict)
    domain: tuple[tuple[sp.Expr, str], ...] = ()

    @property
    def is_hamiltonian(self) -> bool:
        """Whether a piece of H generates it."""
        return self.generator is not None

    def over(self, part: sp.Expr, offset: sp.Expr) -> Flow:
        """The same flow over [s + offset tau, s + (offset + part) tau]."""
        moved = {tau: part * tau, START: START + offset * tau}

        def shift(expr: sp.Expr) -> sp.Expr:
            return expr.xreplace(moved)

        return replace(
            self,
            updates={z: shift(new) for z, new in self.updates.items()},
            impulses=tuple((shift(weight), force) for weight, force in self.impulses),
            stretch=shift(self.stretch),
            advance=part * self.advance,
            middle={z: shift(v) for z, v in self.middle.items()},
            domain=tuple((shift(e), text) for e, text in self.domain),
        )

    def apply(self, expr: sp.Expr) -> sp.Expr:
        """`expr` as a function of the old coordinates, after the flow."""
        return expr.xreplace(dict(self.updates))


def kick_and_cool(
    space: PhaseSpace, potential: sp.Expr, thermal: sp.Expr, law: Temperature
) -> Flow:
    """The joint exact flow of potential and thermal part.

    Args:
        law: the motion of beta while w rests, from `law_at_rest`.

    Raises:
        NotSeparableError: beta has no closed form, E is not linear in U, or a time weight has no
            closed-form integral.
    """
    if law.propagator is None:
        raise NotSeparableError(
            f"while w rests, β(t) must have a closed form, and it has not: {law.reason}"
        )
    if sp.diff(thermal, U, 2) != 0:
        raise NotSeparableError(f"the thermal part {thermal} is not linear in U")
    cooled = law.propagator.subs(t, START + tau)
    rest_energy = sp.expand(thermal - U * sp.diff(thermal, U))
    by_shape: dict[sp.Expr, sp.Expr] = {}  # function of w -> its factor in (beta, t)
    for term in sp.Add.make_args(sp.expand_mul(potential + rest_energy)):
        if term == 0:
            continue
        in_time, in_space = term.as_independent(w, *_spatial_atoms(term), as_Add=False)
        if in_space.has(beta, t):
            raise NotSeparableError(
                f"the potential term {term} is not a product of a function of (β, t) and a "
                "function of w, so its impulse has no closed-form time integral"
            )
        by_shape[in_space] = by_shape.get(in_space, sp.S.Zero) + in_time
    weights = [
        (_integrate_along(sp.factor_terms(in_time), law), shape)
        for shape, in_time in by_shape.items()
    ]
    stretch = sp.diff(cooled, beta)
    energy = U * _short(1 / stretch) - k / h * sp.Add(
        *(_short(sp.diff(weight, beta) / stretch) * v for weight, v in weights)
    )
    impulses = []
    for weight, shape in weights:
        # A weight that depends on w itself, through the thermal law, is differentiated too.
        impulses += [(k / h * weight, gradient(shape, w)), (k / h * shape, gradient(weight, w))]
    impulses.append((energy, gradient(cooled, w)))
    impulses = [(_scalar_times(a, b)) for a, b in impulses if a != 0 and b != 0]
    kicked = space.coupling + sp.Add(*(weight * force for weight, force in impulses))
    inverse = space.solve_coupling()
    return Flow(
        "kick and cooling",
        potential + thermal,
        {beta: cooled, X: inverse.xreplace({beta: cooled, Y: kicked}), U: energy},
        tuple(impulses),
        advance=sp.S.One,
    )


def kick(space: PhaseSpace, potential: sp.Expr) -> Flow:
    """The flow of the potential alone: beta rests.

    Raises:
        NotSeparableError: the potential depends on time, which rests with beta.
    """
    if potential.has(t):
        raise NotSeparableError(
            "a potential that depends on t must be kicked along with the cooling: use the piece A"
        )
    alone = kick_and_cool(space, potential, sp.S.Zero, thermal_law(sp.S.Zero))
    return replace(alone, name="kick", advance=sp.S.Zero)


def cool(space: PhaseSpace, thermal: sp.Expr, law: Temperature, kind: str = "exact") -> Flow:
    """The flow of the thermal part alone, or a map that approximates it; see `cooling_map`.

    Every such map is symplectic together with the U that belongs to it: it is a point
    transformation of beta.
    """
    if kind == "exact":
        return replace(kick_and_cool(space, sp.S.Zero, thermal, law), name="cooling")
    rest_energy = sp.expand(thermal - U * sp.diff(thermal, U))
    if rest_energy.has(beta) or law.rate.has(U) or components(law.rate):
        raise NotSeparableError(
            f"the {kind} cooling map is for thermal parts U f(β, t); this one is {thermal}"
        )
    mapped = replace(law, propagator=cooling_map(law.rate, kind))
    flow = kick_and_cool(space, sp.S.Zero, sp.expand(thermal - rest_energy), mapped)
    bounded = sp.fraction(sp.together(flow.updates[beta] / beta))
    return replace(
        flow,
        name=f"cooling ({kind} map)",
        is_exact=False,
        remark=f"the {kind} map of cooling: symplectic, not the exact flow",
        domain=tuple(
            (side, f"the step is too long for the {kind} cooling map: beta would change its sign")
            for side in bounded
            if side.is_positive is not True
        ),
    )


def thermostat(space: PhaseSpace, energy: sp.Expr) -> Flow:
    """The exact flow of a thermal energy that is not linear in U, or couples U with the momenta.

    * e(U): U rests, beta moves straight.
    * beta f(U): a point transformation of U, U' = -(k/h) f(U); beta dU is kept.
    * U f(beta, Y): a point transformation of beta with the momenta Y as parameters; they rest, and
      the weights move by -U+ dP/dY.

    Raises:
        NotSeparableError: it is none of these, or has no closed form.
    """
    _paper_coupling(space, "a thermostat")
    if energy.has(X):
        return _thermostat_of_momenta(energy)
    if not energy.has(beta):
        cooled = beta + tau * k / h * sp.diff(energy, U)
        return _thermostat(energy, {beta: cooled, X: beta * X / cooled})
    force = sp.cancel(energy / beta)
    if force.has(beta, t):
        raise NotSeparableError(
            f"the thermal energy {energy} is neither a function of U alone nor β times one, and "
            "has no flow in closed form that the engine knows"
        )
    law = thermal_law(-k / h * force.subs(U, beta))
    if law.propagator is None:
        raise NotSeparableError(
            f"the flow of the thermal energy {energy} has no closed form: {law.reason}"
        )
    new = law.propagator.subs({t: START + tau}).subs(beta, U)
    if not vanishes(sp.diff(new, tau) + k / h * force.subs(U, new)):
        raise NotSeparableError(
            f"the flow of the thermal energy {energy} could not be verified for every sign of U"
        )
    slope = sp.factor(sp.diff(new, U))
    return _thermostat(energy, {U: new, beta: beta / slope, X: X * slope}, new)


def _thermostat(
    energy: sp.Expr, updates: Mapping[sp.Symbol, sp.Expr], path: sp.Expr = sp.S.One
) -> Flow:
    """The flow, which exists while beta is positive and U does not pass through a pole."""
    conditions: list[sp.Expr] = []
    if not (updates[beta] / beta).is_nonnegative:
        conditions.append(updates[beta])
    for factor in sp.Mul.make_args(sp.factor(sp.fraction(sp.together(path))[1])):
        base = factor.as_base_exp()[0]
        at_start = base.subs(tau, 0)
        if base.has(tau) and at_start != 0:
            conditions.append(sp.expand(base / at_start))
    text = "this step would leave the domain of the thermostat: it is too long for this U"
    domain = tuple((e, text) for e in conditions if is_scalar(e) and not outer_totals(e))
    return Flow("thermostat", energy, updates, domain=domain)


def _thermostat_of_momenta(energy: sp.Expr) -> Flow:
    if sp.diff(energy, U, 2) != 0 or energy.subs(U, 0) != 0:
        raise NotSeparableError(
            f"the term {energy} couples U with the momenta and is not U times a function of them"
        )
    # While w and Y rest, beta moves by itself: the sums over Y are constants.
    rate = (k / h * sp.diff(energy, U)).xreplace({X: Y / beta})
    rate = rate.replace(lambda e: isinstance(e, Total), lambda e: Total(sp.powsimp(e.body)))
    if any(total.has(beta) for total in outer_totals(rate)) or components(rate):
        raise NotSeparableError(
            f"the term {energy} depends on the momenta in a way that β changes under way; a power "
            "of a norm has a closed form"
        )
    law = law_at_rest(rate)
    if law.propagator is None:
        raise NotSeparableError(f"the flow of the term {energy} has no closed form: {law.reason}")
    cooled = law.propagator.subs(t, START + tau)
    new_energy = U / sp.simplify(sp.diff(cooled, beta))
    moved = w - new_energy * gradient(cooled, Y)
    here = {Y: beta * X}
    updates = {beta: cooled, U: new_energy, w: moved}
    updates = {z: sp.powsimp(e.xreplace(here)) for z, e in updates.items()}
    return _thermostat(energy, {**updates, X: beta * X / updates[beta]})


def drift(space: PhaseSpace, kinetic: sp.Expr) -> Flow:
    """The flow of the kinetic part; beta rests.

    Raises:
        NotSeparableError: an explicit time dependence has no closed-form integral, or a metric that
            depends on w mixes components.
    """
    brackets = space.bracket_with_coordinates(kinetic)
    brackets = {**brackets, w: sp.powsimp(brackets[w])}
    if kinetic.has(w):
        return _geodesic(space, kinetic, brackets)
    if brackets[X] != 0 or any(brackets[z].has(w, U) for z in (w, U)):
        raise NotSeparableError(
            "under this coupling the kinetic flow is no straight line: X does not rest, or the "
            "speed changes with w or U"
        )
    return Flow(
        "drift",
        kinetic,
        {
            w: w - k / h * _integrate_time(brackets[w]),
            U: U - k / h * _integrate_time(brackets[U]),
        },
    )


def _geodesic(space: PhaseSpace, kinetic: sp.Expr, brackets: Mapping[sp.Symbol, sp.Expr]) -> Flow:
    """A kinetic part whose metric depends on w, each component by itself."""
    _paper_coupling(space, "a metric that depends on w")
    velocity = {z: sp.simplify(-k / h * brackets[z]) for z in (w, X)}
    mixed = [total for v in velocity.values() for total in outer_totals(v)]
    if mixed or velocity[w].has(t) or velocity[X].has(t):
        raise NotSeparableError(
            f"in the kinetic part {kinetic} the metric depends on w and mixes components, or "
            "changes in time; each component must move by itself"
        )
    energy = -k / h * brackets[U]
    exact = _straightened(velocity)
    if exact is not None:
        updates = {**exact, U: U + tau * energy}
        return Flow("geodesic drift", kinetic, updates)
    middle = {z: v.xreplace({w: W_MID, X: X_MID}) for z, v in velocity.items()}
    # One round agrees with the limit of the iteration through tau^2: enough to check the order.
    start: dict[sp.Symbol, sp.Expr] = {W_MID: w, X_MID: X}
    reached = {mid: z + tau / 2 * middle[z].xreplace(start) for mid, z in start.items()}
    updates = {z: z + tau * middle[z].xreplace(reached) for z in (w, X)}
    at_middle = energy.replace(
        lambda e: isinstance(e, Total), lambda e: Total(e.body.xreplace({w: W_MID, X: X_MID}))
    )
    updates[U] = U + tau * at_middle.replace(
        lambda e: isinstance(e, Total), lambda e: Total(e.body.xreplace(reached))
    )
    return Flow(
        "implicit midpoint drift",
        kinetic,
        updates,
        is_exact=False,
        remark=f"the implicit midpoint rule, {ROUNDS} rounds of its fixed-point iteration; "
        "symplectic up to what the last round still changes, which the state reports",
        middle={**middle, U: at_middle},
    )


def _straightened(velocity: Mapping[sp.Symbol, sp.Expr]) -> dict[sp.Symbol, sp.Expr] | None:
    """The geodesic in closed form, from the coordinate S(w) in which it is a straight line.

    For the velocity a g(w) X: with S' = 1/sqrt(g), S(w) moves at the constant speed a sqrt(g) X.
    """
    slope = sp.cancel(velocity[w] / X)
    if slope.has(X):
        return None
    scale, metric = sp.factor(slope).as_independent(w, as_Add=False)
    if is_negative(metric):
        scale, metric = -scale, sp.expand(-metric)
    # Solved for positive w; what is found is then verified for all.
    place, target = sp.Dummy("w", positive=True), sp.Dummy("S", real=True)
    root = sp.sqrt(metric.xreplace({w: place}))
    straight = _without_branches(manualintegrate(sp.powsimp(1 / root), place))
    if straight is None or straight.has(sp.I):
        return None
    try:
        solutions = sp.solve(straight - target, place, check=False)
    except NotImplementedError:
        return None
    for solution in solutions:
        moved = solution.xreplace({target: straight + tau * scale * root * X})
        kept = X * root / root.xreplace({place: moved})
        candidate = {w: moved, X: kept}
        candidate = {z: sp.simplify(e).xreplace({place: w}) for z, e in candidate.items()}
        if _moves_at(candidate, velocity):
            return candidate
    return None


def _moves_at(updates: Mapping[sp.Symbol, sp.Expr], velocity: Mapping[sp.Symbol, sp.Expr]) -> bool:
    """Whether a flow starts at rest and moves at `velocity`, for all times and places."""
    for z, new in updates.items():
        if not vanishes(new.subs(tau, 0) - z):
            return False
        defect = sp.diff(new, tau) - velocity[z].xreplace(dict(updates))
        if not vanishes(sp.simplify(defect)):
            return False
    return True


def dilate(space: PhaseSpace, factor: sp.Expr) -> Flow:
    """The exact flow of factor(beta, t) sum Y_j w^j: w shrinks as Y grows, beta rests."""
    rate = k / h * _integrate_time(factor)
    moment = Total(space.coupling * w)
    kept = space.coupling * sp.exp(rate)
    return Flow(
        "dilation",
        factor * moment,
        {
            w: w * sp.exp(-rate),
            X: space.solve_coupling().xreplace({Y: kept}),
            U: U - sp.diff(rate, beta) * moment,
        },
        stretch=sp.exp(rate),
    )


def relax(memory: Field) -> Flow:
    """The exact motion of a memory field over one step, its source frozen. Not Hamiltonian.

    With s' = rate (q - s), the distance to q decays as the solution of u' = -rate u. The weights of
    all sources so far add up to the solution of u' = rate (1 - u), u(0) = 0; a normalized field is
    s/u, and is stepped as such.
    """
    end = {t: START + tau}
    decay = sp.powsimp(_solved(-memory.rate * beta).xreplace(end) / beta)
    source = memory.source.xreplace(end)
    if not (isinstance(memory, Memory) and memory.normalized):
        new = decay * memory + (1 - decay) * source
    else:
        weight = thermal_law(memory.rate * (1 - beta)).profile(sp.S.Zero)
        assert weight is not None
        before, after = weight.xreplace({t: START}), weight.xreplace(end)
        new = decay * before / after * memory + (1 - decay) / after * source
    return Flow(
        "memory",
        None,
        {memory: new},
        remark="a memory field: dissipative and driven by its source, beside phase space",
    )


def memory_velocity(memory: Field) -> sp.Expr:
    """ds/dt of a memory field."""
    rate = memory.rate
    if isinstance(memory, Memory) and memory.normalized:
        weight = thermal_law(rate * (1 - beta)).profile(sp.S.Zero)
        rate = rate / weight
    return rate * (memory.source - memory)


def rub(friction: sp.Expr) -> Flow:
    """Rayleigh friction X' = -friction(X): the exact flow where it is linear, else Euler's step.

    Not Hamiltonian: the friction of a Hamiltonian is cooling, the same for all components.
    """
    slope = jacobian(friction, X)
    remark = "Rayleigh friction: not Hamiltonian; cooling is the friction of a Hamiltonian"
    linear = not slope.rank_ones and not slope.diagonal.has(X, t)
    if linear and vanishes(friction - slope.diagonal * X):
        return Flow("friction", None, {X: X * sp.exp(-slope.diagonal * tau)}, remark=remark)
    at_start = friction.xreplace({t: START})
    return Flow(
        "friction (explicit)",
        None,
        {X: X - tau * at_start},
        is_exact=False,
        remark=f"{remark}; by Euler's explicit step",
    )


def shake(strength: sp.Expr) -> Flow:
    """Noise dX = strength dW on the momenta alone. Not Hamiltonian."""
    variance = _integrate_time(strength**2)
    return _noise("noise", sp.sqrt(sp.powsimp(variance)))


def shake_and_cool(strength: sp.Expr, law: Temperature) -> Flow:
    """What cooling leaves of the noise over the step, exactly: an Ornstein-Uhlenbeck process.

    dX = -(beta'/beta) X dt + strength dW has the variance int (beta(s')/beta(s + tau))^2
    strength^2 ds' about the cooled X.

    Raises:
        NotSeparableError: beta has no closed form, or the variance has none.
    """
    if law.propagator is None:
        raise NotSeparableError(
            f"the exact noise under cooling needs β(t) in closed form: {law.reason}; use N"
        )
    cooled = law.propagator.subs(t, START + tau)
    variance = _integrate_along(beta**2 * strength**2, law) / cooled**2
    return _noise("noise under cooling", sp.sqrt(_short(sp.expand_mul(variance))))


def _noise(name: str, deviation: sp.Expr) -> Flow:
    remark = (
        "noise: not Hamiltonian; for each realisation the bracket of w and X is kept, that of U "
        "and X is not"
    )
    return Flow(name, None, {X: X + deviation * NOISE}, remark=remark)


def project(H: sp.Expr, energy: sp.Expr, kinetic: sp.Expr) -> Flow:
    """Scale the momenta so that H has the value `energy`. Not Hamiltonian.

    Raises:
        NotSeparableError: the scale has no closed form.
    """
    scale = sp.Dummy("scale", positive=True)
    scaled = kinetic.xreplace({X: scale * X})
    scaled = scaled.replace(lambda e: isinstance(e, Total), lambda e: Total(sp.powsimp(e.body)))
    rest = sp.Add(*(term for term in sp.Add.make_args(H) if not term.has(X)))
    level = sp.Dummy("level", real=True)
    names = {R: sp.Dummy(f"R{i}", positive=True) for i, R in enumerate(outer_totals(scaled))}
    try:
        roots = sp.solve(scaled.xreplace(names) - level, scale)
    except NotImplementedError:
        roots = []
    if len(roots) != 1 or rest.has(X):
        raise NotSeparableError(
            f"the momenta cannot be scaled to an energy in closed form: of T(scale X) = E - V with "
            f"T = {kinetic} there are {len(roots)} solutions"
        )
    (root,) = roots
    back = {name: R for R, name in names.items()}
    at_rest = kinetic.replace(lambda e: isinstance(e, Total), lambda e: Total(e.body.subs(X, 0)))
    # Where the potential alone is above the energy, nothing is left for the momenta.
    scalar, left = sp.factor_terms(energy - rest - at_rest).as_independent(L, L0, as_Add=False)
    if not scalar.is_positive:
        scalar, left = sp.S.One, scalar * left
    factor = root.xreplace({level: at_rest + scalar * sp.Max(0, left)}).xreplace(back)
    return Flow(
        "projection",
        None,
        {X: factor * X},
        is_exact=False,
        remark="projection of the momenta to the energy surface: not Hamiltonian; where the motion "
        "conserves H it moves them by the error of the step alone",
    )


def _paper_coupling(space: PhaseSpace, what: str) -> None:
    if not vanishes(space.coupling - beta * X):
        raise NotSeparableError(f"{what} needs the coupling Y = βX")


def _scalar_times(weight: sp.Expr, force: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """An impulse as (scalar, component expression)."""
    return (weight, force) if is_scalar(weight) else (sp.S.One, weight * force)


def _solved(rate: sp.Expr) -> sp.Expr:
    propagator = thermal_law(rate).propagator
    assert propagator is not None
    return propagator


def _short(expr: sp.Expr) -> sp.Expr:
    return sp.factor(expr) if expr.is_rational_function() else sp.powsimp(sp.factor_terms(expr))


def _spatial_atoms(term: sp.Expr) -> tuple[sp.Expr, ...]:
    """What a potential term is made of in space: the loss, and sums over w."""
    return (L, *outer_totals(term))


def _integrate_along(weight: sp.Expr, law: Temperature) -> sp.Expr:
    """The integral of `weight`(beta, t) along the thermal law over [s, s + tau]."""
    assert law.propagator is not None
    elapsed = sp.Dummy("elapsed", positive=True)
    path = weight.xreplace({t: START + elapsed, beta: law.propagator.subs(t, START + elapsed)})
    return _definite(sp.powsimp(path), elapsed)


def _integrate_time(rate: sp.Expr) -> sp.Expr:
    if not rate.has(t):
        return tau * rate
    elapsed = sp.Dummy("elapsed", positive=True)
    return _definite(rate.xreplace({t: START + elapsed}), elapsed)


def _definite(integrand: sp.Expr, elapsed: sp.Symbol) -> sp.Expr:
    """The integral over elapsed from 0 to tau, accepted only if its derivative is the integrand."""
    if not integrand.has(elapsed):
        return integrand * tau
    # SymPy's other integrators find more and can search for minutes; what this one finds is enough
    # for exponentials, powers and their products, the rest is refused.
    for form in (integrand, sp.expand(sp.powsimp(integrand))):
        parts = [manualintegrate(term, elapsed) for term in sp.Add.make_args(form)]
        antiderivative = _without_branches(sp.Add(*parts))
        if antiderivative is None:
            continue
        if vanishes(sp.powsimp(sp.diff(antiderivative, elapsed) - integrand)):
            return antiderivative.subs(elapsed, tau) - antiderivative.subs(elapsed, 0)
    raise NotSeparableError(
        f"the impulse weight ∫ {integrand} dt has no closed form that could be verified"
    )


def _without_branches(antiderivative: sp.Expr) -> sp.Expr | None:
    """The generic branch of a Piecewise: the exceptional values are limits of it."""
    result = antiderivative.replace(
        lambda e: isinstance(e, sp.Piecewise),
        lambda e: next(branch for branch, condition in e.args if not isinstance(condition, sp.Eq)),
    )
    return None if result.has(sp.Integral) else result
