"""The normal form of a proposed update rule, and what keeps it from having one.

A step of a Hamiltonian of this engine, in the variables that it stores, reads

    X <- mu X + Z G(w) + f(w),    w <- sigma w - V(X),

with constants mu, Z, sigma, a force f that has a potential and a velocity V = grad T, where memory
fields and given vectors may enter V. That is the representability criterion for maps: friction is
isotropic and the same for all X, the gradient enters the momenta alone and by a constant, and the
velocity has no curl. A rule is brought to this form by following its assignments; wherever it
deviates the deviation is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import sympy as sp

from symplectic_codegen.algebra.memory import GradientAt
from symplectic_codegen.algebra.notation import to_unicode
from symplectic_codegen.algebra.operators import Operator, jacobian
from symplectic_codegen.algebra.symbols import Component, G, L, X, w
from symplectic_codegen.algebra.vector import Total, is_scalar, outer_totals, split_scalar
from symplectic_codegen.analysis.potential import Curl, curl
from symplectic_codegen.language.proposals import NOISE, ProposedRule


class Kind(Enum):
    """What can stand between a rule and a Hamiltonian."""

    CURL = "curl of the velocity"
    FRICTION = "friction other than cooling"
    FORCE = "force without a potential"
    READOUT = "gradient in the motion of w"
    POSITION = "velocity that changes with w or the loss"
    MAP = "map of the weights"
    STATE = "state that is no memory field"
    NOISE = "noise"
    RANDOM = "noise that is not added"
    GRADIENTS = "gradient read elsewhere"
    TIME = "dependence on the number of the step"
    UNKNOWN = "no closed form"


# Those that leave it open: what was not found may be there all the same.
_OPEN = frozenset({Kind.UNKNOWN, Kind.TIME, Kind.GRADIENTS})

# What the engine has beside Hamiltonians that does it all the same.
_GRADIENT_READOUT = "a readout of the gradient in the integrator, as C [B] K B"
_MOMENTUM_READOUT = "a readout of the momenta in the integrator, as C K [C K] B"
_RAYLEIGH = "Rayleigh friction, --friction"
_NOISE_PIECE = "noise on the momenta, --noise"


@dataclass(frozen=True)
class Obstruction:
    """One reason why no Hamiltonian of this engine gives the rule.

    Args:
        statement: what is there, and why it is in the way.
        evidence: the formula or number that shows it.
        beyond: what of the engine could stand in, outside the Hamiltonian class; may be empty.
    """

    kind: Kind
    statement: str
    evidence: str = ""
    curl: Curl | None = None
    beyond: str = ""

    @property
    def is_decisive(self) -> bool:
        """Whether it rules a Hamiltonian out, rather than that none was found."""
        return self.kind not in _OPEN

    def __str__(self) -> str:
        detail = f": {self.evidence}" if self.evidence else ""
        return f"{self.kind.value}: {self.statement}{detail}"


@dataclass(frozen=True)
class Relaxation:
    """A state s <- decay s + gain source, as a memory field.

    Args:
        symbol: what stands for its new value in the velocity.
        name: what the user calls it.
        source: in G and X (the new momenta).
    """

    symbol: Component
    name: str
    decay: sp.Expr
    gain: sp.Expr
    source: sp.Expr


@dataclass(frozen=True)
class NormalForm:
    """X <- decay X + gain G + force(w); w <- keep w - velocity(X).

    Args:
        momentum: what the user calls X; None if the gradient takes its place (decay = 0).
        fields: the memory fields that the velocity reads.
        reads_old_fields: whether it reads them as they were before the step.
        point: where the gradient is read, in w and X before the step, if not at w: then `w` above
            stands for this point.
        kicked: the motion of w after the kick alone, in X; the rest is made before the next one.
    """

    momentum: Component | None
    decay: sp.Expr
    gain: sp.Expr
    force: sp.Expr
    keep: sp.Expr
    velocity: sp.Expr
    fields: tuple[Relaxation, ...] = ()
    reads_old_fields: bool = False
    point: sp.Expr | None = None
    cooled: tuple[sp.Expr, sp.Expr] = (sp.S.One, sp.S.One)
    kicked: sp.Expr | None = None


@dataclass(frozen=True)
class Decomposition:
    """A rule taken apart: its normal form if it has one, and every obstruction found.

    Args:
        form: also where nothing but the curl of its velocity stands in the way.
        velocity: as far as it is known, for its curl.
        fields: the memory fields among the states.
    """

    form: NormalForm | None
    obstructions: tuple[Obstruction, ...]
    velocity: sp.Expr | None = None
    fields: tuple[Relaxation, ...] = ()


def decompose(rule: ProposedRule) -> Decomposition:
    """The normal form of `rule`, or everything that stands in its way.

    >>> form = decompose(ProposedRule.parse("v = mu*v + G; w = w - lr*v")).form
    >>> form.decay, form.gain, form.velocity
    (mu, 1, X*lr)
    """
    unrolled = _Unrolled(rule)
    noise, is_additive = _take_noise(unrolled)
    if not is_additive:
        return Decomposition(None, noise)
    point, several = _take_gradient(unrolled)
    if several is not None:
        return Decomposition(None, (*noise, several))
    momentum = _momentum_of(unrolled)
    kick, hindered = _kick(unrolled, momentum)
    drift, unmoved = _drift(unrolled, momentum, kick, point)
    fields, forgetful = _fields(unrolled, momentum, drift)
    found = (*noise, *hindered, *unmoved, *forgetful)
    if drift is None:
        return Decomposition(None, found, None, fields)
    keep, velocity, kicked = drift
    old = [f for f in fields if velocity.has(unrolled.old(f.name))]
    if old and any(velocity.has(f.symbol) for f in fields):
        mixed = "some memory fields are read before their own step, some after it"
        found = (*found, Obstruction(Kind.STATE, mixed))
    velocity = velocity.xreplace({unrolled.old(f.name): f.symbol for f in old})
    if found or kick is None:
        found = (*found, *_curl_obstruction(velocity))
        return Decomposition(None, found, velocity, fields)
    decay, gain, force = kick
    user = {unrolled.old(s.name): s for s in rule.states}
    form = NormalForm(
        momentum,
        decay,
        gain,
        force,
        keep,
        velocity,
        fields,
        bool(old),
        None if point == w else point.xreplace(user),
        _cooled(unrolled, momentum),
        None if point == w or keep != 1 else kicked,
    )
    return Decomposition(form, tuple(_curl_obstruction(velocity)), velocity, fields)


class _Unrolled:
    """The assignments run through once, with a symbol of its own for every value of a state.

    The values of a state called s are s° (before the step), s′, s″ ...
    """

    def __init__(self, rule: ProposedRule) -> None:
        self.definitions: dict[sp.Symbol, sp.Expr] = {}  # of the later values, in order
        self._chains = {s.name: [_version(s, 0)] for s in rule.states}
        self.states = rule.states
        current: dict[sp.Basic, sp.Expr] = {s: self.old(s.name) for s in rule.states}
        for target, expr in rule.assignments:
            value = _put(expr, current)
            if target.name in self._chains and target != w:
                chain = self._chains[target.name]
                chain.append(_version(target, len(chain)))
                self.definitions[chain[-1]] = value
                value = chain[-1]
            current[target] = value
        self.weights: sp.Expr = current[w]

    def old(self, name: str) -> sp.Symbol:
        """The value of a state before the step."""
        return self._chains[name][0]

    def new(self, name: str) -> sp.Symbol:
        """The value of a state after the step."""
        return self._chains[name][-1]

    def chain(self, name: str) -> list[sp.Symbol]:
        """All values of a state, from the old to the new one."""
        return self._chains[name]

    def from_value(self, start: sp.Symbol, end: sp.Symbol, name: str) -> sp.Expr:
        """One value of a state in terms of an earlier one; other states stay as they are."""
        chain = self._chains[name]
        own: dict[sp.Basic, sp.Expr] = {}
        for version in chain[chain.index(start) + 1 : chain.index(end) + 1]:
            own[version] = _put(self.definitions[version], own)
        return own.get(end, end)

    def step(self, name: str) -> sp.Expr:
        """The new value of a state in terms of its old one."""
        return self.from_value(self.old(name), self.new(name), name)

    def expressions(self) -> list[sp.Expr]:
        """Everything that is computed."""
        return [*self.definitions.values(), self.weights]

    def leave_out(self, symbol: sp.Symbol) -> None:
        """Drop all terms with `symbol` in them."""
        self.definitions = {v: e - _terms_with(e, symbol) for v, e in self.definitions.items()}
        self.weights -= _terms_with(self.weights, symbol)

    def put(self, rules: Mapping[sp.Basic, sp.Expr]) -> None:
        """Replace something everywhere."""
        self.definitions = {v: _put(e, rules) for v, e in self.definitions.items()}
        self.weights = _put(self.weights, rules)


def _take_noise(unrolled: _Unrolled) -> tuple[tuple[Obstruction, ...], bool]:
    """Noise is named, and then left out; whether what is left is the rule without it."""
    noisy = [e for e in unrolled.expressions() if e.has(NOISE)]
    if not noisy:
        return (), True
    parts = dict.fromkeys(_shown(_terms_with(e, NOISE)) for e in noisy)
    is_additive = not any(sp.diff(e, NOISE).has(NOISE) or _in_sums(e, NOISE) for e in noisy)
    unrolled.leave_out(NOISE)
    beside = "; an Ornstein-Uhlenbeck part would stand beside it" if is_additive else ""
    statement = f"the motion of a Hamiltonian is deterministic{beside}"
    kind, piece = (Kind.NOISE, _NOISE_PIECE) if is_additive else (Kind.RANDOM, "")
    return (Obstruction(kind, statement, ", ".join(parts), beyond=piece),), is_additive


def _take_gradient(unrolled: _Unrolled) -> tuple[sp.Expr, Obstruction | None]:
    """Where the gradient is read, in values before the step; afterwards it is the symbol G."""
    reads = {g for e in unrolled.expressions() for g in e.atoms(GradientAt)}
    points = {_expanded(g.point) for g in reads}
    points |= {w} if any(e.has(G) for e in unrolled.expressions()) else set()
    if len(points) > 1:
        shown = ", ".join(sorted(_shown(p) for p in points))
        statement = "one step reads the gradient at several points"
        return w, Obstruction(Kind.GRADIENTS, statement, shown)
    unrolled.put(dict.fromkeys(reads, G))
    return (points.pop() if points else w), None


def _momentum_of(unrolled: _Unrolled) -> Component | None:
    """The state that the gradient itself drives, not its square or sign; X if that is one."""
    vectors = [s for s in unrolled.states if isinstance(s, Component)]
    driven = [s for s in vectors if unrolled.step(s.name).has(G)]
    linear = [s for s in driven if not jacobian(unrolled.step(s.name), G).diagonal.has(G)]
    if not linear and not unrolled.weights.has(G):
        linear = driven  # a gradient that is clipped, say: there is nothing else that moves w
    if not driven and not unrolled.weights.has(G):
        linear = vectors  # no gradient anywhere: said where the kick is looked at
    return X if X in linear else linear[0] if linear else None


def _kick(
    unrolled: _Unrolled, momentum: Component | None
) -> tuple[tuple[sp.Expr, sp.Expr, sp.Expr] | None, list[Obstruction]]:
    """The update of the momenta as (decay, gain, force)."""
    if momentum is None:
        return (sp.S.Zero, sp.S.One, sp.S.Zero), []
    old, expr = unrolled.old(momentum.name), unrolled.step(momentum.name)
    found: list[Obstruction] = []
    friction, gain = jacobian(expr, old), jacobian(expr, G)
    if not _is_constant(friction):
        found.append(_friction(friction, old, expr))
    if not _is_constant(gain):
        statement = (
            "the gradient is changed before it drives the momenta, so that the force is no "
            "gradient of a potential for every loss: its derivative is that of the change times "
            "the Hessian, which is not symmetric"
        )
        found.append(Obstruction(Kind.FORCE, statement, _shown(_terms_with(expr, G))))
    if found:
        return None, found
    decay, strength = friction.diagonal, gain.diagonal
    if decay.is_negative:
        statement = "the momenta change their sign in every step, which no cooling does"
        return None, [Obstruction(Kind.FRICTION, statement, f"∂X⁺/∂X is {_shown(decay)}")]
    if strength == 0:
        statement = "no gradient drives the momenta"
        return None, [Obstruction(Kind.FORCE, statement, f"{momentum.name} ← {_shown(expr)}")]
    force = _expanded(expr - decay * old - strength * G)
    if force.has(*unrolled.definitions, L, old) or not curl(force, w).is_zero:
        statement = "a part of the force has no potential in w"
        return None, [Obstruction(Kind.FORCE, statement, _shown(force))]
    return (decay, strength, force), []


def _friction(friction: Operator, old: sp.Symbol, expr: sp.Expr) -> Obstruction:
    parts = [friction.diagonal, *(e for pair in friction.rank_ones for e in pair)]
    if any(e.has(old) for e in parts):
        statement = (
            "the friction depends on the momenta. That of a Hamiltonian is the cooling, the same "
            "for all X: a dissipative (Rayleigh) part would stand beside it"
        )
    else:
        statement = (
            "the friction is not the same for all components. That of a Hamiltonian is the "
            "cooling, which is"
        )
    rows = [f"{_shown(friction.diagonal)} on the diagonal"] if friction.diagonal != 0 else []
    rows += [f"({_shown(u)})ᵢ·({_shown(v)})ⱼ" for u, v in friction.rank_ones]
    evidence = "∂X⁺/∂X is " + " + ".join(rows)
    if any(e.has(*_KINKS) for e in parts):
        evidence = f"X⁺ = {_shown(expr)}"
    of_momenta = expr - _terms_with(expr, G)
    is_rayleigh = not any(e.has(G) for e in parts) and not of_momenta.has(w, L)
    return Obstruction(Kind.FRICTION, statement, evidence, beyond=_RAYLEIGH if is_rayleigh else "")


def _drift(
    unrolled: _Unrolled,
    momentum: Component | None,
    kick: tuple[sp.Expr, sp.Expr, sp.Expr] | None,
    point: sp.Expr,
) -> tuple[tuple[sp.Expr, sp.Expr, sp.Expr] | None, list[Obstruction]]:
    """How the point moves at which the gradient is read.

    As (keep, velocity in the new momenta X, the part of it that follows the kick).
    """
    if momentum is None:
        before = moved = unrolled.weights.xreplace({G: X})
        old, shift = None, point - w
    else:
        old = unrolled.old(momentum.name)
        settled = _settled(unrolled, momentum)
        shift = _put(point - w, settled)
        before = _put(unrolled.weights, settled).xreplace({w: w - shift})
        moved = _expanded(before + shift.xreplace({old: X}))
        if kick is not None and moved.has(old) and kick[0] != 0:
            decay, gain, force = kick
            moved = _expanded(moved.xreplace({old: (X - gain * G - force) / decay}))
    if shift.has(w, G):
        statement = "the gradient is read at a point that is not w plus a motion along the momenta"
        return None, [Obstruction(Kind.GRADIENTS, statement, _shown(point))]
    held = moved.xreplace({G: _HELD_G, L: _HELD_L})  # what a change of w does to them comes later
    slope = jacobian(held, w)
    if not _is_constant(slope):
        # At X = 0 a velocity vanishes, a map of the weights does not.
        at_rest = _without(held, X, _HELD_G)
        if at_rest is None or not _is_constant(jacobian(at_rest, w)):
            return None, [_map_obstruction(slope, moved)]
        slope = jacobian(at_rest, w)
    if slope.diagonal.is_nonpositive:
        return None, [_map_obstruction(slope, moved)]
    velocity = _expanded(slope.diagonal * w - moved)
    found: list[Obstruction] = []
    if velocity == 0 and slope.diagonal == 1:
        found.append(Obstruction(Kind.MAP, "the weights never move"))
    if velocity.has(w, L):
        what = "the loss" if velocity.has(L) else "the weights"
        statement = (
            f"the velocity changes with {what}. A kinetic energy that does so as well also pushes "
            "the momenta, by −∂T/∂w, which this rule does not do"
        )
        found.append(Obstruction(Kind.POSITION, statement, f"v = {_shown(velocity)}"))
    if velocity.has(G) or (old is not None and velocity.has(old)):
        statement = (
            "the motion of w has a part that the momenta do not carry: the gradient is read again "
            "(look-ahead, readout or Hessian damping), so that the Hessian enters the friction"
        )
        carried = [t for t in sp.Add.make_args(velocity) if not t.has(G, *([old] if old else []))]
        rest = sp.factor_terms(sp.Add(*carried) - velocity)
        shown = f"w is moved by {_shown(rest)}" if carried else f"v = {_shown(velocity)}"
        beyond = "" if old is not None and velocity.has(old) else _readout(velocity)
        found.append(Obstruction(Kind.READOUT, statement, shown, beyond=beyond))
    return (slope.diagonal, velocity, _expanded(w - before)), found


def _readout(velocity: sp.Expr) -> str:
    """The readout that gives a velocity of X and G, if there is one."""
    sums = {R: sp.Dummy(positive=True) for R in outer_totals(velocity)}
    held = velocity.xreplace(sums)
    by_X, by_G = sp.diff(held, X), sp.diff(held, G)
    if by_X == 0:
        return ""
    in_sums = any(R.body.has(G) for R in sums)
    if not in_sums and is_parameter(by_G) and not by_G.has(*sums.values()):
        return _GRADIENT_READOUT
    # Where dv/dG is a constant times dv/dX, v is a function of X plus that constant times G.
    share = sp.cancel(by_G / by_X)
    if not is_parameter(share) or share.has(*sums.values()):
        return ""
    ahead = {X: X - share * G}
    same = not any(sp.cancel(R.body.xreplace(ahead)).has(G) for R in sums)
    return _MOMENTUM_READOUT if same else ""


def _without(expr: sp.Expr, *vectors: Component) -> sp.Expr | None:
    """`expr` with some vectors put to zero, in sums too; None if it has no value there."""
    zero = dict.fromkeys(vectors, sp.S.Zero)
    try:
        rest = expr.xreplace({R: Total(R.body.xreplace(zero)) for R in outer_totals(expr)} | zero)
    except ValueError:  # SymPy's minimum of something infinite
        return None
    return None if rest.has(sp.nan, sp.zoo, sp.oo) else rest


def _in_sums(expr: sp.Expr, symbol: sp.Symbol) -> bool:
    return any(R.body.has(symbol) for R in outer_totals(expr))


def _terms_with(expr: sp.Expr, symbol: sp.Symbol) -> sp.Expr:
    return sp.Add(*(term for term in sp.Add.make_args(_expanded(expr)) if term.has(symbol)))


def _settled(unrolled: _Unrolled, momentum: Component) -> dict[sp.Basic, sp.Expr]:
    """The values of the momenta in the middle of a step, by the old ones or by the new ones (X)."""
    name = momentum.name
    old, new = unrolled.old(name), unrolled.new(name)
    rules: dict[sp.Basic, sp.Expr] = {}
    for version in unrolled.chain(name)[1:]:
        backward = unrolled.from_value(old, version, name)
        forward = unrolled.from_value(version, new, name)
        scale = jacobian(forward, version)
        is_scaled = _is_constant(scale) and _expanded(forward - scale.diagonal * version) == 0
        if backward.has(G) and is_scaled and scale.diagonal != 0:
            rules[version] = X / scale.diagonal
        else:
            rules[version] = backward
    return rules


def _cooled(unrolled: _Unrolled, momentum: Component | None) -> tuple[sp.Expr, sp.Expr]:
    """By what the momenta are multiplied before the kick, and after it."""
    if momentum is None:
        return sp.S.One, sp.S.One
    name, (old, *later) = momentum.name, unrolled.chain(momentum.name)
    kick = next((v for v in later if unrolled.from_value(old, v, name).has(G)), later[-1])
    before = jacobian(unrolled.from_value(old, kick, name), old).diagonal
    return before, jacobian(unrolled.from_value(kick, unrolled.new(name), name), kick).diagonal


def _map_obstruction(slope: Operator, moved: sp.Expr) -> Obstruction:
    shown = [_shown(slope.diagonal)] + [f"({_shown(u)})·({_shown(v)})" for u, v in slope.rank_ones]
    evidence = "∂w⁺/∂w is " + (" + ".join(part for part in shown if part != "0") or "0")
    if any(e.has(*_KINKS) for e in (slope.diagonal, *(e for p in slope.rank_ones for e in p))):
        evidence = f"w⁺ = {_shown(moved)}"
    statement = (
        "the weights are mapped, as by a projection or by decay that differs from component to "
        "component; a Hamiltonian can only shrink all of them alike (βX·w) and move them"
    )
    return Obstruction(Kind.MAP, statement, evidence)


def _fields(
    unrolled: _Unrolled,
    momentum: Component | None,
    drift: tuple[sp.Expr, sp.Expr, sp.Expr] | None,
) -> tuple[tuple[Relaxation, ...], list[Obstruction]]:
    """The states that the velocity reads, as memory fields."""
    fields: list[Relaxation] = []
    found: list[Obstruction] = []
    where = unrolled.weights if drift is None else drift[1]
    own = {unrolled.new(momentum.name): X} if momentum is not None else {}
    for state in unrolled.states:
        old, new = unrolled.old(state.name), unrolled.new(state.name)
        if state == momentum or not where.has(old, new):
            continue
        expr = _put(unrolled.step(state.name), own)
        slope = jacobian(expr, old) if isinstance(state, Component) else None
        source = None if slope is None else sp.factor_terms(_expanded(expr - slope.diagonal * old))
        if slope is None or source is None or not _is_relaxation(slope, source):
            statement = (
                f"{state.name} is no memory field, which relaxes towards an elementwise function "
                "of the gradient and of the new momenta"
            )
            found.append(Obstruction(Kind.STATE, statement, f"{state.name} ← {_shown(expr)}"))
            continue
        gain, shape = split_scalar(source)
        fields.append(Relaxation(new, state.name, slope.diagonal, gain, shape))
    return tuple(fields), found


def _is_relaxation(slope: Operator, source: sp.Expr) -> bool:
    if not _is_constant(slope) or slope.diagonal == 1 or source.has(Total, L, w):
        return False
    return all(s in (G, X) for s in source.free_symbols if isinstance(s, Component))


def _curl_obstruction(velocity: sp.Expr) -> list[Obstruction]:
    found = curl(velocity.xreplace({G: _HELD_G, L: _HELD_L}), X)
    if found.is_zero:
        return []
    statement = "no kinetic energy has this velocity as its gradient"
    text = f"{found.formula()}; {found.at_point()}"
    return [Obstruction(Kind.CURL, statement, _plain(text), found)]


# The gradient and the loss as quantities of their own: the Hessian is no operator here.
_HELD_G, _HELD_L = Component("∇L"), sp.Symbol("L", nonnegative=True)
_KINKS = (sp.DiracDelta, sp.Heaviside)  # what the derivative of a kink would show
_MARKS = "°′"


def _is_constant(operator: Operator) -> bool:
    """Whether an operator is a number or a parameter times the identity."""
    return not operator.rank_ones and is_parameter(operator.diagonal)


def is_parameter(expr: sp.Expr) -> bool:
    """Whether `expr` is known before the step: made of hyperparameters and its number."""
    return is_scalar(expr) and not outer_totals(expr) and not expr.has(L)


def _version(state: sp.Symbol, number: int) -> sp.Symbol:
    kind = Component if isinstance(state, Component) else sp.Symbol
    return kind(state.name + (_MARKS[1] * number or _MARKS[0]), real=True)


def _put(expr: sp.Expr, rules: Mapping[sp.Basic, sp.Expr]) -> sp.Expr:
    """`expr` with `rules` applied, also to the points of gradients."""
    moved = {g: GradientAt(_put(g.point, rules)) for g in expr.atoms(GradientAt) if g not in rules}
    return expr.xreplace({**moved, **rules})


def _expanded(expr: sp.Expr) -> sp.Expr:
    """Sums multiplied out at the top only: denominators and functions are kept as they are."""
    terms: list[sp.Expr] = []
    for product in sp.Add.make_args(expr):
        factors = sp.Mul.make_args(product)
        parts = [sp.Mul(*(f for f in factors if not f.is_Add))]
        for factor in (f for f in factors if f.is_Add):
            parts = [part * term for part in parts for term in factor.args]
        terms += parts
    return sp.Add(*terms)


def proposed_name(expr: sp.Expr) -> sp.Expr:
    """`expr` with every value of a state under the name that the user gave the state."""
    marked = [s for s in expr.atoms(Component) if any(m in s.name for m in _MARKS)]
    return expr.xreplace({s: Component(_plain(s.name)) for s in marked})


def _shown(expr: sp.Expr) -> str:
    """`expr` with the names that the user gave."""
    return _plain(to_unicode(sp.factor_terms(expr)))


def _plain(text: str) -> str:
    return re.sub(f"[{_MARKS}]", "", text)
