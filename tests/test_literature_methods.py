"""Catalogue entries against the formulas of the literature, for all values of state and parameters.

One step from an arbitrary state is compared, as expressions: with the relation between the state of
the engine and that of the authors, that proves all steps. Only these tests hold the formulas.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import sympy as sp

import symplectic_codegen as sc
from symplectic_codegen.algebra.symbols import G, L, U, X, beta, d
from symplectic_codegen.algebra.vector import Total
from symplectic_codegen.driver import derive
from tests.literature_steps import agree, g, loss, n, named, plus, square, step_of, times, vector
from tests.test_literature import GRADIENTS, trajectory

x, v, m = vector("w"), vector("v"), vector("m")
lr, mu, b1, b2, eps = named("lr momentum beta1 beta2 eps")
alpha, delta, epsilon, zeta = named("alpha delta epsilon zeta")


def test_nesterov_as_in_torch() -> None:
    # torch.optim.SGD(nesterov=True): the state is the buffer before it is multiplied by momentum.
    ours = step_of("nesterov", X=times(mu * zeta, v))
    buffer = plus(times(mu, v), g)
    assert agree(ours.w, plus(x, times(-lr * zeta, plus(g, times(mu, buffer)))))
    assert agree(ours.X, times(mu * zeta, buffer))


def test_nesterov_as_in_sutskever() -> None:
    # x_half = x + mu v; v' = mu v - eps grad f(x_half); x' = x + v': what is stored is x_half.
    ours = step_of("nesterov", X=times(-mu / lr, v))
    moved = plus(times(mu, v), times(-lr * zeta, g))
    trajectory_x = plus(x, times(-mu, v), moved)
    assert agree(ours.w, plus(trajectory_x, times(mu, moved)))
    assert agree(ours.X, times(-mu / lr, moved))


def test_nesterov_for_convex_functions_exactly() -> None:
    # x_n = y_(n-1) - s g(y_(n-1)); y_n = x_n + (n - 1)/(n + 2) (x_n - x_(n-1))
    s = Fraction(1, 10)
    x_old = y = Fraction(1)
    ours = trajectory("nesterov_convex", {"lr": s, "zeta": Fraction(1)})
    for number, mine in enumerate(ours, 1):
        x_new = y - s * GRADIENTS[number - 1]
        y = x_new + Fraction(number - 1, number + 2) * (x_new - x_old)
        x_old = x_new
        assert mine == sp.Rational(y.numerator, y.denominator)


def test_rgd_of_first_order() -> None:
    # p' = mu p - h grad f; x' = x + h c p'/sqrt(|p'|^2 + m^2 c^2)
    light, mass = named("light mass")
    ours = step_of("rgd_first_order", X=times(-sp.S.One, v))
    p = plus(times(mu, v), times(-lr, g))
    speed = lr * light / sp.sqrt(square(p) + mass**2 * light**2)
    assert agree(ours.X, times(-sp.S.One, p))
    assert agree(ours.w, plus(x, times(speed, p)))


@pytest.mark.parametrize(("name", "kept"), [("rgd", alpha), ("rgd_conformal", sp.S.One)])
def test_rgd_algorithm_1(name: str, kept: sp.Expr) -> None:
    # x_half = x + sqrt(mu) v/sqrt(mu delta |v|^2 + 1); v_half = sqrt(mu) v - eps grad f(x_half);
    # x' = alpha x_half + (1 - alpha) x + v_half/sqrt(delta |v_half|^2 + 1); v' = sqrt(mu) v_half.
    def bounded(a: tuple[sp.Expr, ...]) -> tuple[sp.Expr, ...]:
        return times(1 / sp.sqrt(delta * square(a) + 1), a)

    cooled = v  # sqrt(mu) v; the optimizer stores x_half and -sqrt(mu) v/eps
    ours = step_of(name, X=times(-1 / epsilon, cooled))
    start = plus(x, times(-sp.S.One, bounded(cooled)))
    v_half = plus(cooled, times(-epsilon, g))
    x_new = plus(times(kept, x), times(1 - kept, start), bounded(v_half))
    cooled_new = times(mu, v_half)
    assert agree(ours.X, times(-1 / epsilon, cooled_new))
    assert agree(ours.w, plus(x_new, bounded(cooled_new)))


@pytest.mark.parametrize("name", ["relativistic_per_block", "rgd_first_order"])
def test_relativistic_velocities_are_bounded_in_the_norm(name: str) -> None:
    ours = step_of(name)
    drift = plus(ours.w, times(-sp.S.One, x))
    limit = {"rgd_first_order": lr * sp.Symbol("light", positive=True)}.get(
        name, lr * sp.Symbol("speed", positive=True)
    )
    # |drift|^2 (1 + q^2/|X|^2) = limit^2 for the scale q of the momenta.
    ratio = sp.simplify(limit**2 / square(drift) - 1)
    q = sp.sqrt(sp.simplify(ratio * square(ours.X)))
    assert not q.free_symbols & {*ours.X, *g}


def test_vr_momentum() -> None:
    # The momentum ablation of VRAdam: v = b1 v + (1 - b1) g; w -= lr v/(1 + b |v|^2)
    (b,) = named("b")
    ours = step_of("vr_momentum")
    moved = plus(times(mu, vector("X")), times((1 - mu) * zeta, g))
    assert agree(ours.X, moved)
    assert agree(ours.w, plus(x, times(-lr / (1 + b * square(moved)), moved)))


def first_moment(kept: sp.Expr) -> tuple[tuple[sp.Expr, ...], tuple[sp.Expr, ...]]:
    """Adam's m before and after the step, and what the engine stores: m bias-corrected."""
    new = plus(times(b1, m), times(1 - b1, g))
    return times(1 / (1 - b1 ** (n - 1)), m), new


def test_vradam_in_its_own_metric() -> None:
    (strength,) = named("strength")
    stored, new = first_moment(b1)
    s = vector("s")  # Adam's second moment
    ours = step_of("vradam_g", X=stored, M=times(1 / (1 - b2 ** (n - 1)), s))
    s_hat = times(1 / (1 - b2**n), plus(times(b2, s), times(1 - b2, tuple(e**2 for e in g))))
    m_hat = times(1 / (1 - b1**n), new)
    norm = sp.Add(*(a**2 / (sp.sqrt(c) + eps) for a, c in zip(m_hat, s_hat, strict=True)))
    theirs = tuple(
        e - lr / (1 + strength * norm) * a / (sp.sqrt(c) + eps)
        for e, a, c in zip(x, m_hat, s_hat, strict=True)
    )
    # At numbers for the decay rates, so that square roots are compared as they stand.
    values = {b1: sp.Rational(9, 10), b2: sp.Rational(3, 4), n: 3}
    for a, b in zip(ours.w, theirs, strict=True):
        assert sp.simplify((a - b).subs(values)) == 0


def test_adabelief() -> None:
    # m = b1 m + (1 - b1) g; s = b2 s + (1 - b2)(g - m)^2 + eps; w -= lr m_hat/(sqrt(s_hat) + eps)
    (eps_square,) = named("eps_square")
    stored, new = first_moment(b1)
    s = vector("s")
    ours = step_of("adabelief", X=stored, M=times(1 / (1 - b2 ** (n - 1)), s))
    residual = tuple((a - b) ** 2 for a, b in zip(g, new, strict=True))
    s_new = tuple(b2 * a + (1 - b2) * r + eps_square for a, r in zip(s, residual, strict=True))
    assert agree(ours.X, times(1 / (1 - b1**n), new))
    assert ours.M is not None
    assert agree(ours.M, times(1 / (1 - b2**n), s_new))
    for a, e, mean, field in zip(ours.w, x, ours.X, ours.M, strict=True):
        assert a == e - lr * mean / (sp.sqrt(field) + eps) or agree(
            a, e - lr * mean / (sp.sqrt(field) + eps)
        )


def test_rad() -> None:
    # theta -= lr (m/bc1) sqrt(bc2)/sqrt(delta^2 s + zeta)
    stored, new = first_moment(b1)
    s = vector("M")
    ours = step_of("rad", X=stored)
    s_new = tuple(b2 * a + (1 - b2) * b**2 for a, b in zip(s, g, strict=True))
    assert ours.M is not None
    assert agree(ours.M, s_new)
    for a, e, mean, field in zip(ours.w, x, new, s_new, strict=True):
        root = sp.sqrt(1 - b2**n) / sp.sqrt(delta**2 * field + zeta)
        assert agree(a, e - lr * mean / (1 - b1**n) * root)


def test_nadam_but_for_one_index() -> None:
    # Dozat: (b1 m/(1 - b1^(n+1)) + (1 - b1) g/(1 - b1^n))/(sqrt(s_hat) + eps); here both bias
    # corrections are those of step n + 1, to which the momenta are read ahead.
    stored, new = first_moment(b1)
    ours = step_of("nadam", X=stored)
    ahead = times(1 / (1 - b1 ** (n + 1)), plus(times(b1, new), times(1 - b1, g)))
    assert ours.M is not None
    for a, e, mean, field in zip(ours.w, x, ahead, ours.M, strict=True):
        assert agree(a, e - lr * mean / (sp.sqrt(field) + eps))


def test_hamiltonian_descent_explicit_1() -> None:
    # p' = (p - eps grad f)/(1 + gamma eps); x' = x + eps grad k(p'),
    # grad k = p |p|^(a-2) (|p|^a + 1)^(A/a - 1)
    a, A, friction = named("a A friction")
    ours = step_of("hamiltonian_descent", X=times(-sp.S.One, v))
    p = times(1 / (1 + friction), plus(v, times(-zeta, g)))
    norm = sp.sqrt(square(p))
    velocity = times(norm ** (a - 2) * (norm**a + 1) ** (A / a - 1), p)
    assert agree(ours.X, times(-sp.S.One, p))
    point = {a: sp.Rational(3, 2), A: sp.Rational(5, 3), lr: 2, friction: 3, zeta: 5}
    point |= dict(zip((*v, *g, *x), map(sp.Integer, (2, 3, 5, 7, 11, 13)), strict=True))
    theirs = plus(x, times(lr, velocity))
    for mine, other in zip(ours.w, theirs, strict=True):
        assert abs(sp.N((mine - other).subs(point), 50)) < sp.Float("1e-45")
    for powers in ((2, 2), (2, 1), (1, 1), (4, 2)):
        at = dict(zip((a, A), powers, strict=True))
        assert all(sp.simplify((p - q).subs(at)) == 0 for p, q in zip(ours.w, theirs, strict=True))


def test_signum_and_lengths() -> None:
    averaged = plus(times(mu, vector("X")), times(1 - mu, g))
    norm = sp.sqrt(square(averaged))
    signs = tuple(map(sp.sign, averaged))
    assert agree(step_of("signum").w, plus(x, times(-lr, signs)))
    assert agree(step_of("normalized_momentum").w, plus(x, times(-lr / norm, averaged)))
    clipped = times(-lr * sp.Min(delta, norm) / norm, averaged)
    assert agree(step_of("clipped_momentum").w, plus(x, clipped))


def test_lion() -> None:
    # Chen et al. 2023: u = sign(b1 m + (1 - b1) g); w = w - lr (u + decay w); m = b2 m + (1 - b2) g
    (decay,) = named("weight_decay")
    ours = step_of("lion")
    momenta = vector("X")
    assert agree(ours.X, plus(times(b2, momenta), times(1 - b2, g)))
    read = plus(times(b1, momenta), times(1 - b1, g))
    for mine, e, u in zip(ours.w, x, read, strict=True):
        (found,) = mine.atoms(sp.sign)
        assert agree(found.args[0], u)
        assert agree(mine, (1 - lr * decay) * e - lr * found)


def test_bregman_polynomial_is_the_leapfrog_of_duruisseaux_and_leok() -> None:
    # kick r -= C p h t^(2p-1) g; drift q += h p (t + h/2)^(-p-1) r; t += h, at h = 1.
    p, offset = named("p offset")
    t = n - 1 + offset
    scale = lr / p  # r = -scale t^(p+1) X
    r = vector("r")
    ours = step_of("bregman_polynomial", X=times(-1 / (scale * t ** (p + 1)), r))
    constant = lr * zeta * offset ** (2 - p) / p**2
    r_new = plus(r, times(-constant * p * t ** (2 * p - 1), g))
    q = plus(x, times(p * (t + sp.Rational(1, 2)) ** (-p - 1), r_new))
    point = {p: sp.Rational(7, 2), offset: sp.Rational(5, 3), n: 4}
    for mine, theirs in zip(ours.w, q, strict=True):
        assert sp.simplify(sp.powsimp((mine - theirs).subs(point))) == 0
    for mine, theirs in zip(ours.X, times(-1 / (scale * (t + 1) ** (p + 1)), r_new), strict=True):
        assert sp.simplify(sp.powsimp((mine - theirs).subs(point))) == 0


def test_bregman_exponential_is_the_leapfrog_of_duruisseaux_and_leok() -> None:
    # kick r -= C eta h e^(2 eta t) g; drift q += h eta e^(-eta (t + h/2)) r, at h = 1.
    eta = -sp.log(mu)
    t = n - 1
    r = vector("r")
    scale = lr / eta  # r = -scale e^(eta t) X
    ours = step_of("bregman_exponential", X=times(-sp.exp(-eta * t) / scale, r))
    constant = lr * zeta / eta**2
    r_new = plus(r, times(-constant * eta * sp.exp(2 * eta * t), g))
    q = plus(x, times(eta * sp.exp(-eta * (t + sp.Rational(1, 2))), r_new))
    assert agree(ours.w, q)
    assert agree(ours.X, times(-sp.exp(-eta * (t + 1)) / scale, r_new))


def test_sghmc() -> None:
    # v' = (1 - a) v - eta grad + N(0, 2 a eta T); theta' = theta + v', with eta = lr zeta
    friction, temperature = named("friction temperature")
    ours = step_of("sghmc", X=times(-1 / lr, v))
    xi = vector("xi")
    noise = sp.sqrt(2 * friction * lr * zeta * temperature)
    v_new = plus(times(1 - friction, v), times(-lr * zeta, g), times(-noise, xi))
    assert agree(ours.w, plus(x, v_new))


def test_langevin_keeps_the_variance_of_equipartition() -> None:
    # O is X' = mu X + sqrt(T (1 - mu^2)) xi for the variance T of X in equilibrium, which for
    # H = |X|^2/2 + c^2 L has the Boltzmann weight exp(-H/T c^2).
    temperature = sp.Symbol("temperature", positive=True)
    ours = step_of("langevin", X=vector("X"))
    xi = vector("xi")
    for mine, noise in zip(ours.X, xi, strict=True):
        deviation = mine.coeff(noise)
        variance = temperature * zeta / lr
        assert agree(mu**2 * variance + deviation**2, variance)


def test_rsgd() -> None:
    # p' = p - eps (grad + D v(p)); theta' = theta + eps v(p'); v(p) = p/sqrt(|p|^2/c^2 + m^2)
    light, mass, D = named("light mass D")

    def velocity(p: tuple[sp.Expr, ...]) -> tuple[sp.Expr, ...]:
        return times(1 / sp.sqrt(square(p) / light**2 + mass**2), p)

    ours = step_of("rsgd", X=times(-sp.S.One, v))
    p = plus(v, times(-lr, g), times(-lr * D, velocity(v)))
    assert agree(ours.X, times(-sp.S.One, p))
    assert agree(ours.w, plus(x, times(lr, velocity(p))))


def test_bbi() -> None:
    # pi^2 = V ((E/V)^2 - 1); pi -= dt/2 (V/E + E/V) grad; theta += dt V/E pi
    floor, extra = sp.Symbol("floor", real=True), sp.Symbol("extra", nonnegative=True)
    tau, first = sp.Symbol("tau", positive=True), sp.Symbol("L0", real=True)
    V, E = named("V E")
    at = {loss: V + floor, first: E + floor - extra}
    ours = step_of("bbi", X=times(-sp.S.One, v))
    length = sp.sqrt(sp.Max(0, E**2 / V - V))
    pi = times(length / sp.sqrt(square(v)), v)
    pi = plus(pi, times(-tau / 2 * (V / E + E / V), g))
    names = {s.name: s for e in ours.w for s in e.free_symbols}
    same = {names[str(s.name)]: s for s in (floor, extra, tau, first, loss) if s.name in names}
    for mine, theirs in zip(ours.w, plus(x, times(tau * V / E, pi)), strict=True):
        assert sp.simplify(mine.xreplace(same).subs(at) - theirs) == 0


def test_ecd_sep() -> None:
    # q' = 2p/(s + p^2), p' = -eta grad/(F - F0); before the step p^2 = exp(E)/(F - F0)^eta - s
    s, eta, tau = named("s eta tau")
    (V,) = named("V")
    ours = step_of("ecd_sep", X=times(-sp.S.One, v))
    names = {a.name: a for e in ours.w for a in e.free_symbols}
    ratio = sp.Symbol("ratio", positive=True)  # log(V0/V) > 0: downhill of the start
    energy = sp.exp(sp.log(s) + eta * (ratio + sp.log(V)))  # exp(E) = s V0^eta
    p = times(sp.sqrt(energy / V**eta - s) / sp.sqrt(square(v)), v)
    p = plus(p, times(-tau * eta / V, g))
    theirs = plus(x, times(2 * tau / (s + square(p)), p))
    at = {names["L0"]: sp.exp(ratio) * V + names["floor"], names["L"]: V + names["floor"]}
    point = {s: 2, eta: 3, tau: sp.Rational(1, 7), V: 5, ratio: sp.Rational(1, 3)}
    point |= dict(zip((*v, *g, *x), map(sp.Integer, (2, 3, 5, 7, 11, 13)), strict=True))
    for mine, other in zip(ours.w, theirs, strict=True):
        difference = (mine.subs(at) - other).subs(point).subs(names["floor"], 0)
        assert abs(sp.N(difference, 50)) < sp.Float("1e-45")


def test_nose_hoover_in_real_time() -> None:
    # w' = -X/h, X' = (c^2/h) grad - (U/Q h) X, U' = (|X|^2 - d T)/h, where H = 0.
    motion = derive(sc.catalog.load("nose_hoover"))
    Q, T, c, h = named("Q T c h")
    first = next(s for s in motion.hamiltonian.free_symbols if s.name == "L0")
    zero = {L: sp.solve(motion.hamiltonian.subs(first, 0), L)[0]}
    velocity = motion.equations
    assert sp.simplify(velocity.w + X / h) == 0
    assert sp.simplify(velocity.X - (c**2 / h * G - U / (Q * h) * X)) == 0
    assert sp.simplify(velocity.beta - beta * U / (Q * h)) == 0
    expected = (Total(X**2) - d * T) / h
    assert sp.simplify((velocity.U.subs(first, 0) - expected).subs(zero)) == 0


def test_loss_cooling_is_friction_by_the_loss() -> None:
    motion = derive(sc.catalog.load("loss_cooling")).equations
    gamma, c, h = named("gamma c h")
    assert sp.simplify(motion.beta / beta - gamma * L) == 0
    assert sp.simplify(motion.X - (c**2 / h * G + gamma * U * G - gamma * L * X)) == 0


def test_mirror_descent_multiplies_the_weights() -> None:
    # Exponentiated gradient: w' = w exp(-lr w m), and w m of the new place from the old one.
    ours = step_of("mirror_descent")
    averaged = plus(times(mu, vector("X")), times((1 - mu) * zeta, g))
    factors = tuple(sp.exp(-lr * e * a) for e, a in zip(x, averaged, strict=True))
    assert agree(ours.w, tuple(e * f for e, f in zip(x, factors, strict=True)))
    assert agree(ours.X, tuple(a / f for a, f in zip(averaged, factors, strict=True)))


def test_every_entry_has_its_formula_in_a_test() -> None:
    files = (Path(__file__), Path(__file__).with_name("test_literature.py"))
    text = "".join(file.read_text().split("def test_every_entry")[0] for file in files)
    missing = {name for name in sc.catalog.names() if f'"{name}"' not in text}
    # The paper's own systems and variants of others, which no literature has as formulas.
    own = {"fading_weight_decay", "nesterov_flow", "relativistic", "relativistic_degree_one"}
    assert missing == {*own, "relativistic_lagged"}
