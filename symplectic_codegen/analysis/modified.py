"""The modified Hamiltonian: the one whose exact flow is the discrete step.

A step composes the flows of pieces of H. With -h dz/dt = k {z, .}, the flow of F over the time tau
pulls functions back by exp(tau D_F), D_F f = -(k/h) {f, F}, and by the Jacobi identity
[D_F, D_G] = D_K with K = (k/h) {F, G}. So the composition, in the order in which the flows act, is
the flow of the Baker-Campbell-Hausdorff series in the bracket [F, G] = (k/h) {F, G} of this phase
space, deformed as it is:

    H~ = A + B + tau/2 [A, B] + tau**2/12 ([A, [A, B]] + [[A, B], B]) + ...  for A, then B.

A step with U conserves H~ up to the first order left out, over very long times, where H itself
swings with tau.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

from symplectic_codegen.algebra.display import Formula, Printable
from symplectic_codegen.algebra.forms import collected, is_negative, join_signs, multiplied_out
from symplectic_codegen.algebra.memory import memories
from symplectic_codegen.algebra.notation import lowered, raised, to_latex, to_unicode
from symplectic_codegen.algebra.proof import Claim, Verdict
from symplectic_codegen.algebra.symbols import L, U, h, k, t, tau
from symplectic_codegen.algebra.vector import Total, UnknownDerivativeError
from symplectic_codegen.analysis.bch import (
    Bracketing,
    bracketed,
    lie_series,
    of_degree,
    reproduces,
    standard_bracketing,
)
from symplectic_codegen.discretization.orders import Word
from symplectic_codegen.driver import Derivation
from symplectic_codegen.errors import AnalysisError
from symplectic_codegen.geometry.phase_space import PhaseSpace
from symplectic_codegen.language.composition import Piece

MAX_ORDER = 8


@dataclass(frozen=True)
class ModifiedHamiltonian(Printable):
    """H~ = sum over n of tau**n terms[n].

    Args:
        terms: the coefficients of powers of tau; the first is H itself.
        series: the same in brackets of the pieces: coefficients on Lyndon words.
        pieces: what the letters stand for.
        claims: what is proved.
        stopped: why the series ends before the order asked for; empty if it does not.
    """

    terms: tuple[sp.Expr, ...]
    series: Mapping[Word, sp.Expr]
    pieces: Mapping[str, sp.Expr]
    claims: tuple[Claim, ...]
    stopped: str = ""

    @property
    def order(self) -> int:
        """The power of tau through which H~ is known."""
        return len(self.terms) - 1

    @property
    def expr(self) -> sp.Expr:
        """H~ as far as it is known."""
        return sp.Add(*(tau**n * term for n, term in enumerate(self.terms)))

    def formulas(self) -> tuple[Formula, ...]:
        """The series in brackets, what the letters are, and each power of tau."""
        powers = range(1, self.order + 1)
        plain = "".join(f" + {_power(n, False)}·H{lowered(n)}" for n in powers)
        latex = "".join(rf" + {_power(n, True)} H_{{{n}}}" for n in powers)
        rows = [
            Formula(f"H̃ = H{plain} + …", rf"\tilde H = H{latex} + \dots"),
            Formula(f"  = {self._brackets()}", rf"= {self._brackets(latex=True)}"),
        ]
        rows += [
            Formula.equation(letter, rf"\mathrm{{{letter}}}", piece)
            for letter, piece in self.pieces.items()
        ]
        rows += [
            Formula.equation(f"H{lowered(n)}", f"H_{{{n}}}", collected(term, Total, U, L))
            for n, term in enumerate(self.terms)
            if n > 0
        ]
        if self.stopped:
            rows.append(Formula(self.stopped, rf"\text{{{self.stopped}}}"))
        return tuple(rows)

    def _brackets(self, latex: bool = False) -> str:
        text = ""
        for word, c in self.series.items():
            negative = is_negative(c)
            size = sp.factor(-c if negative else c)
            power = "" if len(word) == 1 else _power(len(word) - 1, latex)
            factor = _factor(size, power, latex)
            sign = ("-" if latex else "−") if negative else "+"
            text += f" {sign} " if text else (sign if negative else "")
            text += f"{factor}{'·' if factor and not latex else ''}{bracketed(word)}"
        return text


def _factor(size: sp.Expr, power: str, latex: bool) -> str:
    """A coefficient times a power of tau: a plain fraction around it, or in front."""
    if not size.is_Rational:
        shown = to_latex(size) if latex else to_unicode(size)
        return f"({shown}){'' if latex or not power else '·'}{power}"
    over = "" if size.p == 1 and power else str(size.p)
    joined = f"{over}{'·' if over and power and not latex else ''}{power}"
    joined = "" if joined == "1" and size.q == 1 else joined
    return joined if size.q == 1 else f"{joined}/{size.q}"


def _power(n: int, latex: bool) -> str:
    if latex:
        return rf"\tau^{{{n}}}"
    return f"τ{_raised(n)}"


def _raised(n: int) -> str:
    return "" if n == 1 else raised(n)


def modified_hamiltonian(
    derivation: Derivation, order: int = 2, loss: sp.Expr | None = None
) -> ModifiedHamiltonian:
    """The modified Hamiltonian of the step of `derivation`, through tau**order.

    Args:
        loss: an expression in w that takes the place of the opaque loss; without it brackets reach
            the Hessian of the loss and stop at its third derivatives.

    Raises:
        AnalysisError: H depends on t, or does not split into the pieces of the integrator.

    >>> from symplectic_codegen.driver import derive
    >>> print(modified_hamiltonian(derive("dot(X, X)/2 + beta*L"), 1).terms[1])
    k*Total(G*X)/(2*h)
    """
    if not 0 <= order <= MAX_ORDER:
        raise AnalysisError(f"the order of a modified Hamiltonian lies between 0 and {MAX_ORDER}")
    pieces = _pieces(derivation, loss)
    factors = [
        (_letters(p.letter, pieces), p.part)
        for p in _composition(derivation)
        if p.letter in pieces or p.letter == "A"
    ]
    series = lie_series(factors, order + 1)
    brackets = _Brackets(derivation.space, pieces)
    terms: list[sp.Expr] = []
    stopped = ""
    for n in range(order + 1):
        try:
            term = brackets.combination(of_degree(series, n + 1))
            if term.has(sp.DiracDelta, sp.Heaviside, sp.Derivative):
                stopped = f"τ{_raised(n)} differentiates the kinks of H, where it has no derivative"
                break
            terms.append(term)
        except UnknownDerivativeError:
            stopped = (
                f"τ{_raised(n)} needs third derivatives of the loss: give the loss as an "
                "expression in w to go on"
            )
            break
    known = {word: c for word, c in series.items() if len(word) <= len(terms)}
    return ModifiedHamiltonian(
        tuple(terms), known, pieces, _claims(derivation, series, factors, order + 1), stopped
    )


def _composition(derivation: Derivation) -> tuple[Piece, ...]:
    """The pieces of the step in order, all of them flows.

    Raises:
        AnalysisError: the step contains what is no flow of a Hamiltonian.
    """
    scheme = derivation.scheme
    if not scheme.is_hamiltonian:
        raise AnalysisError(
            "the step contains what no piece of H generates (a readout, friction, noise, a "
            "projection, a cooling map that is not exact, sums that lag): it is no flow of a "
            "modified Hamiltonian"
        )
    return tuple(item for item in scheme.integrator.composition if isinstance(item, Piece))


def _pieces(derivation: Derivation, loss: sp.Expr | None) -> dict[str, sp.Expr]:
    """The generator of each letter of the composition."""
    if derivation.hamiltonian.has(t):
        raise AnalysisError(
            "H depends on t explicitly, so the brackets of its pieces at one time are not those "
            "of the step"
        )
    pieces = derivation.scheme.pieces
    generators = {
        letter: sp.Add(*(flow.generator for flow in pieces[letter] if flow.generator is not None))
        for letter in dict.fromkeys(p.letter for p in _composition(derivation))
    }
    used = {letter: generator for letter, generator in generators.items() if generator != 0}
    if "A" in used and len({"K", "C"} & set(used)) == 1:
        raise AnalysisError(
            "the composition has A and only one of its parts K and C: their brackets are not "
            "independent letters"
        )
    if loss is not None:
        used = {letter: sp.expand(g.xreplace({L: loss})) for letter, g in used.items()}
    return {a: g for a, g in used.items() if a != "A" or not {"K", "C"} & set(used)}


def _letters(letter: str, pieces: Mapping[str, sp.Expr]) -> tuple[str, ...]:
    """A is the sum of K and C where these occur by themselves."""
    return ("C", "K") if letter == "A" and "A" not in pieces else (letter,)


class _Brackets:
    """Brackets of the pieces, each computed once."""

    def __init__(self, space: PhaseSpace, pieces: Mapping[str, sp.Expr]) -> None:
        self._space = space
        self._known: dict[Bracketing, sp.Expr] = {}
        for letter, piece in pieces.items():
            self._known[letter] = piece

    def combination(self, series: Mapping[Word, sp.Expr]) -> sp.Expr:
        terms = (c * self.value(standard_bracketing(word)) for word, c in series.items())
        return _sorted_out(sp.Add(*terms))

    def value(self, bracketing: Bracketing) -> sp.Expr:
        if bracketing not in self._known:
            assert not isinstance(bracketing, str)
            left, right = (self.value(part) for part in bracketing)
            value = k / h * self._space.bracket(left, right)
            self._known[bracketing] = _sorted_out(value)
        return self._known[bracketing]


def _sorted_out(expr: sp.Expr) -> sp.Expr:
    """Multiplied out down to the bodies of sums, so that equal terms meet."""
    opened = expr.replace(lambda e: isinstance(e, Total), _opened)
    return multiplied_out(sp.powsimp(opened), nested=True)


def _opened(total: Total) -> sp.Expr:
    terms = sp.Add.make_args(join_signs(multiplied_out(sp.powsimp(total.body))))
    return sp.Add(*(Total(sp.factor_terms(term)) for term in terms))


def _claims(
    derivation: Derivation,
    series: Mapping[Word, sp.Expr],
    factors: list[tuple[tuple[str, ...], sp.Expr]],
    degree: int,
) -> tuple[Claim, ...]:
    holds = reproduces(series, factors, degree)
    frozen = " at given memory fields" if memories(derivation.separation.kinetic) else ""
    if derivation.hamiltonian.has(sp.Abs, sp.sign, sp.Min, sp.Max):
        frozen += ", away from the kinks of H"
    return (
        Claim(
            f"the exponential of the series is the composition, through degree {degree}{frozen}",
            Verdict.PROVED if holds else Verdict.REFUTED,
            "multiplied out in the free algebra, exact numbers",
        ),
        derivation.space.check_jacobi(),
    )
